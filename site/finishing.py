"""A Sphinx extension of this book: what is mended in the pages once they are built.

Faults that axe-core finds in the theme and in the bibliography: content outside of all
landmarks, roles that are out of use or have no children. And weight that readers do not need:
the theme's icons (ours are in static/icons.css), MathJax on pages without a formula, the index
of the search where nothing is searched, pictures before they come into view.

And what a reader needs of whom the theme did not think: without scripts, colours; with a screen
reader, a Chinese voice for Chinese words; on a slow line, the size of a picture to come.
tests/test_browser.py holds the pages to all.
"""

import re
import shutil
import struct
from pathlib import Path

from words import words_of

REPLACED = {
    '<div id="pst-primary-sidebar" class': (
        '<div id="pst-primary-sidebar" role="region" aria-label="{book}" class'
    ),
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}
ICONS = re.compile(r"<script[^>]*fontawesome[^>]*></script>|<link[^>]*fontawesome[^>]*>")
# Sphinx's own search; ours is static/search.js.
SEARCH = re.compile(r"<script[^>]*(?:searchindex|searchtools|language_data)\.js[^>]*></script>")
DESIGN = re.compile(r"<link[^>]*sphinx-design[^>]*>|<script[^>]*design-tabs[^>]*></script>")
MOVED = re.compile(
    r"<link[^>]*interactive\.css[^>]*>|<script[^>]*interactive(?:_figures)?\.js[^>]*></script>"
)
TWICE = re.compile(r"<title>(.*?) &#8212; \1</title>")  # on the front page
PICTURE = re.compile(r"<img (?![^>]*\bwidth=)[^>]*>")
# The first one is seen at once, and so is the logo.
SEEN_AT_ONCE = re.compile(r'class="[^"]*\b(?:logo|first)')
VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
# Long names break where their parts meet, and nowhere else.
CELL = re.compile(r"<t[dh]\b.*?</t[dh]>", re.DOTALL)
CODE = re.compile(r"<code\b.*?</code>", re.DOTALL)
JOINT = re.compile(r"(?<=[a-z0-9][_.])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=\w\()(?=\w)")
HAN = re.compile(r"[\u3400-\u9fff](?:[\u3400-\u9fff–、，。]*[\u3400-\u9fff])?")
# What the theme has in no language but English.
THEME = (
    "Color mode",
    "Link to this definition",
    "Link to this heading",
    "Link to this term",
    "Main",
    "Page",
    "Search this book...",
    "System Settings",
    "Toggle hidden content",
    "Toggle primary sidebar",
    "Toggle secondary sidebar",
)
COPYRIGHT = "© Copyright"
HOME = " - Home"
# Docstrings and works are English in every edition, and so is what is stressed without a
# Chinese character, such as "et al." and names.
ENGLISH = re.compile(
    r'(<dl class="py[^"]*"|<div class="citation"[^>]*|<section id="(?:unreleased|id\d+)"'
    r'|<a class="reference internal nav-link" href="#(?:unreleased|id\d+)"'
    r'|<a class="reference internal" href="[^"]*bibliography\.html#[^"]+"|<em(?=>[^<㐀-鿿]+<))'
    r"([^>]*>)"
)
# And on pages that have this: terms of the glossary, words of the index, docstrings of modules.
ENGLISH_PARTS = {
    '<dt id="term-': re.compile(r'(<dt id="term-[^"]*")(>[^<]*<)'),
    'class="indextable': re.compile(r'(<a href="[^"]*")(>(?:<strong>)?[^<]*<)'),
    '<dl class="py': re.compile(r"(<p(?: [^>]*)?)(>.*?</p>)", re.DOTALL),
}
NOT_TEXT = re.compile(r"<(script|style|title)\b.*?</\1>|<[^>]*>", re.DOTALL)
BUNDLE = re.compile(r"mathjax/([\w-]+\.js)")
MATHJAX = re.compile(
    r"<script[^>]*mathjax/tex-[^>]*></script>|<script>window\.MathJax[^<]*</script>"
)


def finished(text, folder=None, say=str, chinese=False):
    """A page, mended. A page that is mended already stays as it is."""
    for old, new in REPLACED.items():
        new = new.replace("{book}", say("Book"))
        text = text.replace(new, old).replace(old, new) if new else text.replace(old, new)
    text = TWICE.sub(r"<title>\1</title>", text)
    # Its script chooses the colours; without scripts "auto" is no colour at all.
    text = text.replace('data-theme="auto"', 'data-theme="light"')
    text = VIEWPORT.sub("", ICONS.sub("", text), max(0, len(VIEWPORT.findall(text)) - 1))
    text = PICTURE.sub(lambda picture: sized(picture[0], folder), text)
    text = CELL.sub(lambda cell: CODE.sub(breakable, cell[0]), text)
    text = in_chinese(text, say) if chinese else with_chinese_marked(text)
    text = SEARCH.sub("", text)
    if "data-figure=" not in text:
        text = MOVED.sub("", text)
    if 'class="sd-' not in text:  # no cards, grids or tabs
        text = DESIGN.sub("", text)
    return text if 'class="math' in text else MATHJAX.sub("", text)


def sized(picture, folder):
    """A picture with its size in pixels, fetched when it comes into view."""
    source = re.search(r'\bsrc="([^":]+)"', picture)
    if folder is None or not source or not (folder / source[1]).is_file():
        return picture
    width, height = size_of((folder / source[1]).read_bytes())
    at_once = SEEN_AT_ONCE.search(picture) or "loading=" in picture
    lazy = "" if at_once else 'loading="lazy" '
    return picture.replace("<img ", f'<img {lazy}width="{width}" height="{height}" ', 1)


def size_of(picture):
    """Width and height of a PNG or of an SVG with a viewBox, in pixels."""
    if picture.startswith(b"\x89PNG"):
        return struct.unpack(">II", picture[16:24])
    box = re.search(rb'viewBox="([^"]+)"', picture)[1].split()
    return round(float(box[2])), round(float(box[3]))


def breakable(code):
    """A name in a table, with places where it may break."""
    if "<wbr>" in code[0]:
        return code[0]
    return re.sub(r">([^<]+)<", lambda t: f">{JOINT.sub('<wbr>', t[1])}<", code[0])


def in_chinese(text, say):
    """A Chinese page: the theme's words in Chinese; what is English is marked as such."""
    for words, said in zip(THEME, map(say, THEME), strict=True):
        text = text.replace(f'"{words}"', f'"{said}"').replace(f">{words}<", f">{said}<")
    text = text.replace(COPYRIGHT, say(COPYRIGHT)).replace(f'{HOME}"', f'{say(HOME)}"')
    text = ENGLISH.sub(in_english, text)
    for place, part in ENGLISH_PARTS.items():
        if place in text:
            text = part.sub(in_english, text)
    return text


def in_english(tag):
    """A tag that says that what is in it is English, unless it is not."""
    if " lang=" in tag[1] or " lang=" in tag[2].partition(">")[0] or HAN.search(tag[2]):
        return tag[0]
    return f'{tag[1]} lang="en"{tag[2]}'


def with_chinese_marked(text):
    """The language of Chinese words, between tags, is said: for voices and for glyphs."""
    if 'lang="zh-Hans"' in text or not HAN.search(text):
        return text
    pieces, end = [], 0
    for tag in NOT_TEXT.finditer(text):
        pieces += [marked(text[end : tag.start()]), tag[0]]
        end = tag.end()
    return "".join([*pieces, marked(text[end:])])


def marked(words):
    return HAN.sub(r'<span lang="zh-Hans">\g<0></span>', words)


def finish(app, exception):
    """Rewrite the pages that were built, and drop the files that none of them loads."""
    if exception or app.builder.format != "html":
        return
    site, bundles, say = Path(app.outdir), set(), words_of(app)
    chinese = (app.config.language or "").startswith("zh")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        done = finished(text, page.parent, say, chinese)
        if done != text:
            page.write_text(done, encoding="utf-8")
        bundles |= set(BUNDLE.findall(done))
    unused = [file for file in site.glob("_static/mathjax/*.js") if file.name not in bundles]
    for file in [*unused, *site.glob("_static/scripts/fontawesome*")]:
        file.unlink()
    shutil.rmtree(site / "_static" / "vendor" / "fontawesome", ignore_errors=True)


def setup(app):
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
