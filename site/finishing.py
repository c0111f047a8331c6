"""A Sphinx extension of this book: what is mended in the pages once they are built.

Faults that axe-core finds in the theme and in the bibliography: content outside of all
landmarks, roles that are out of use or have no children. And weight that readers do not need:
the theme's icons (ours are in static/icons.css), MathJax on pages without a formula, the index
of the search where nothing is searched, figures before they come into view.
tests/test_browser.py holds the pages to both.
"""

import re
import shutil
from pathlib import Path

REPLACED = {
    '<div id="pst-primary-sidebar" class': (
        '<div id="pst-primary-sidebar" role="region" aria-label="Book" class'
    ),
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}
ICONS = re.compile(r"<script[^>]*fontawesome[^>]*></script>|<link[^>]*fontawesome[^>]*>")
# The search itself runs on search.html.
SEARCH = re.compile(r"<script[^>]*(?:searchindex|searchtools|language_data)\.js[^>]*></script>")
DESIGN = re.compile(r"<link[^>]*sphinx-design[^>]*>|<script[^>]*design-tabs[^>]*></script>")
MOVED = re.compile(r"<script[^>]*interactive\.js[^>]*></script>")
TWICE = re.compile(r"<title>(.*?) &#8212; \1</title>")  # on the front page
EAGER = re.compile(r'<img (?!loading="lazy")')
BUNDLE = re.compile(r"mathjax/([\w-]+\.js)")
MATHJAX = re.compile(
    r"<script[^>]*mathjax/tex-[^>]*></script>|<script>window\.MathJax[^<]*</script>"
)


def finished(text):
    """A page, mended. A page that is mended already stays as it is."""
    for old, new in REPLACED.items():
        text = text.replace(new, old).replace(old, new) if new else text.replace(old, new)
    text = TWICE.sub(r"<title>\1</title>", text)
    text = EAGER.sub('<img loading="lazy" ', ICONS.sub("", text))
    if 'id="search-results"' not in text:
        text = SEARCH.sub("", text)
    if "data-figure=" not in text:
        text = MOVED.sub("", text)
    if 'class="sd-' not in text:  # no cards, grids or tabs
        text = DESIGN.sub("", text)
    return text if 'class="math' in text else MATHJAX.sub("", text)


def finish(app, exception):
    """Rewrite the pages that were built, and drop the files that none of them loads."""
    if exception or app.builder.format != "html":
        return
    site, bundles = Path(app.outdir), set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if finished(text) != text:
            page.write_text(finished(text), encoding="utf-8")
        bundles |= set(BUNDLE.findall(finished(text)))
    unused = [file for file in site.glob("_static/mathjax/*.js") if file.name not in bundles]
    for file in [*unused, *site.glob("_static/scripts/fontawesome*")]:
        file.unlink()
    shutil.rmtree(site / "_static" / "vendor" / "fontawesome", ignore_errors=True)


def setup(app):
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
