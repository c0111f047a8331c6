"""A Sphinx extension of this book: a glossary that one can enter, and leave again.

Above the words a line of letters; below each word the sections of chapters that link it.
"""

import re
from itertools import groupby
from pathlib import Path

# What is met on the way through a chapter: a section, its number, a word.
STEP = re.compile(
    r'<section [^>]*id="(?P<section>[^"]+)"'
    r'|<span class="section-number">(?P<number>[\d.]+?)\.? '
    r'|href="glossary\.html#(?P<word>term-[^"]+)"'
)
WORDS = re.compile(r'(?P<names>(?:<dt id="term-.*?</dt>)+)(?P<meaning><dd>.*?)</dd>', re.DOTALL)
NAME = re.compile(r'<dt id="(term-[^"]+)">(.)')
LIST = '<dl class="simple glossary">'


def uses(chapters):
    """Where each word is linked: id of the word -> {number of a section: its address}."""
    found = {}
    for page, text in chapters.items():
        section = number = None
        for step in STEP.finditer(text):
            if step["section"]:
                section, number = step["section"], None
            elif step["number"]:
                number = number or step["number"]
            elif number:
                found.setdefault(step["word"], {})[number] = f"{page}.html#{section}"
    return found


def with_ways(text, used):
    """The page of the glossary with its letters, and with the places where a word is used."""

    def with_uses(words):
        names = [name for name, _ in NAME.findall(words["names"])]
        places = {n: place for name in names for n, place in used.get(name, {}).items()}
        links = ", ".join(f'<a href="{place}">{n}</a>' for n, place in places.items())
        line = f'<p class="used-in">In {links}</p>\n' if links else ""
        return f"{words['names']}{words['meaning']}{line}</dd>"

    first = [NAME.search(words["names"]).groups() for words in WORDS.finditer(text)]
    letters = groupby(first, lambda word: word[1].upper())
    line = " ".join(f'<a href="#{next(words)[0]}">{letter}</a>' for letter, words in letters)
    nav = f'<nav class="letters" aria-label="Letters">{line}</nav>\n'
    return WORDS.sub(with_uses, text).replace(LIST, nav + LIST, 1)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "chapters"
    page = folder / "glossary.html"
    if page.exists() and LIST in (text := page.read_text(encoding="utf-8")):
        chapters = {
            name.rpartition("/")[2]: (folder.parent / f"{name}.html").read_text("utf-8")
            for name in app.env.toc_secnumbers
            if app.env.toc_secnumbers[name]
        }
        if 'class="letters"' not in text:
            page.write_text(with_ways(text, uses(chapters)), encoding="utf-8")


def setup(app):
    app.connect("build-finished", finish, priority=450)  # before Chinese words are marked
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
