"""Print the whole book as one PDF. Run by `make pdf`, on the pages that `make book` built.

    python -m tools.pdf [_build/html]

The articles of all pages are put into one page, in the order of _toc.yml, and Chromium prints
that page. So page numbers run through, links between chapters stay links, headings become
bookmarks, and the PDF is tagged, for screen readers. tools/whole_book.js says what paper needs.
"""

import json
import logging
import re
import sys
from pathlib import Path

import yaml
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from tools.browser import chromium
from tools.searchable import make_searchable

ROOT = Path(__file__).resolve().parent.parent
NAME, CHINESE = "softmax-and-cross-entropy.pdf", "softmax-and-cross-entropy-zh.pdf"
ARTICLE = re.compile(r'<article class="bd-article">.*?</article>', re.DOTALL)
HTML = re.compile(r'<html\b[^>]*\blang="([^"]+)"')
HEAD = re.compile(r"<head>.*?</head>", re.DOTALL)
MARGINS = {"top": "17mm", "bottom": "19mm", "left": "18mm", "right": "18mm"}
FOOTER = """<div style="font: 8pt sans-serif; color: #444; width: 100%; padding: 0 18mm;
    display: flex; justify-content: space-between">
    <span class="title"></span><span class="pageNumber"></span></div>"""


def documents(toc):
    """The documents of a table of contents, in order."""
    return [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]


def whole_book(site, names):
    """The HTML of one page that holds the articles of all these documents."""
    pages = {name: (site / f"{name}.html").read_text(encoding="utf-8") for name in names}
    heads = [HEAD.search(page)[0] for page in pages.values()]
    # site/finishing.py takes off scripts that a page does not need; the longest list has all.
    head = max(heads, key=lambda head: head.count("<script"))
    articles = [
        f'<div class="document" id="{Path(name).name}">{ARTICLE.search(page)[0]}</div>'
        for name, page in pages.items()
    ]
    page = HTML.search(next(iter(pages.values())))
    return (
        f'<!doctype html><html lang="{page[1]}">{head}<body>{"".join(articles)}</body></html>'
    )


def print_book(browser, site, target, say=str):
    """Write the PDF of a built edition.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
        A running Chromium.
    site : Path
        The folder of the built pages.
    target : Path
        Where the PDF goes.
    say : callable
        From an English sentence of the site to that of the edition.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    names = documents(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    # It stands beside the chapters while it is printed, so that what they load is found.
    joined = (site / names[0]).with_name("whole_book.html")
    joined.write_text(whole_book(site, names), encoding="utf-8")
    try:
        headings = _print(browser, joined, target)
    finally:
        joined.unlink()
    _describe(target, {key: say(config[key]) for key in ("title", "author")}, headings)


def _print(browser, joined, target):
    page = browser.new_page(color_scheme="light", viewport={"width": 800, "height": 1000})
    page.set_default_timeout(300_000)
    page.goto(joined.as_uri(), wait_until="load")
    page.evaluate("MathJax.startup.promise.then(() => true)")
    page.add_script_tag(path=Path(__file__).with_name("whole_book.js"))
    page.emulate_media(media="print")
    headings = page.evaluate("forPaper()")
    page.pdf(
        path=target,
        format="A4",
        margin=MARGINS,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        outline=True,
        tagged=True,
    )
    page.close()
    return headings


def _describe(pdf, config, headings):
    """Write the title and the author, and let readers open it with its bookmarks."""
    reader = PdfReader(pdf)
    writer = PdfWriter(clone_from=reader)
    writer.pdf_header = reader.pdf_header
    # Chromium makes them of headings, and loses spaces where a heading is broken into lines.
    for bookmark, heading in zip(_flat(writer.outline), headings, strict=True):
        bookmark[NameObject("/Title")] = TextStringObject(heading)
    writer.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    make_searchable(writer)
    writer.root_object[NameObject("/PageMode")] = NameObject("/UseOutlines")
    writer.write(pdf)


def _flat(outline):
    """The entries of an outline in the order in which they are read."""
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry.node


def show_link(site, name=NAME):
    """Show the item of the PDF in the lists of site/downloads.py, which hide it until now."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if f'data-file="{name}" hidden' in text:
            shown = text.replace(f'data-file="{name}" hidden', f'data-file="{name}"')
            page.write_text(shown, encoding="utf-8")


def main(arguments):
    # Absolute, since a browser takes no other address of a file.
    site = Path(arguments[0]).resolve() if arguments else ROOT / "_build" / "html"
    words = json.loads((ROOT / "zh" / "words.json").read_text(encoding="utf-8"))
    editions = {site: (NAME, str), site / "zh": (CHINESE, lambda text: words[text])}
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it remarks on what Chromium writes
    with chromium() as browser:
        for folder, (name, say) in editions.items():
            if folder.is_dir():
                target = folder / "downloads" / name
                print_book(browser, folder, target, say)
                show_link(folder, name)
                print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
