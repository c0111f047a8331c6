"""The rendered book: it builds without a warning, and a fault in it stops the build.

The book is built once, from a copy of what git would give to a newcomer. Small books
with one planted fault each must fail.
"""

import re
from pathlib import Path

import pytest
import yaml
from book import build, small_book

ROOT = Path(__file__).resolve().parent.parent
# Tags that load something. Links that a reader may follow are not among them.
LOADS = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=\"([^\"]+)\"|<link\b[^>]*?>",
)


def pages(html):
    found = sorted((html / "chapters").glob("*.html"))
    assert found  # or the tests that loop over them would pass without a page
    return found


def test_every_page_of_the_table_of_contents_is_built(html):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    assert [page.stem for page in pages(html)] == sorted(Path(f).name for f in listed)
    assert (html / "index.html").exists()


def test_no_page_loads_anything_from_elsewhere(html):
    for page in pages(html):
        assert external_loads(page.read_text(encoding="utf-8")) == [], page.name


def test_no_style_sheet_or_script_of_ours_loads_anything_from_elsewhere(html):
    for sheet in html.glob("_static/**/*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8")), (
            sheet.name
        )


def test_formulas_are_set_by_a_script_on_the_site(html):
    page = (html / "chapters" / "derivation.html").read_text(encoding="utf-8")
    assert 'class="math notranslate nohighlight"' in page
    (script,) = {s for s in re.findall(r'src="([^"]+)"', page) if "mathjax" in s.lower()}
    assert (html / "chapters" / script.partition("?")[0]).resolve().exists()


def test_every_picture_has_a_text(html):
    for page in pages(html):
        for image in re.findall(r"<img\b[^>]*>", page.read_text(encoding="utf-8")):
            alt = re.search(r'\balt="([^"]*)"', image)
            assert alt, image
            assert not re.search(r"\.(?:png|svg|jpe?g)$", alt[1]), image


def external_loads(page):
    found = []
    for tag in LOADS.finditer(page):
        target = tag[1]
        if target is None:
            rel = re.search(r'\brel="([^"]+)"', tag[0])
            target = re.search(r'\bhref="([^"]+)"', tag[0])[1]
            if rel and rel[1] in ("canonical", "search", "index", "next", "prev"):
                continue
        if re.match(r"(?:https?:)?//", target):
            found.append(target)
    return found


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/x.css" />',
        '<img alt="a" src="https://example.org/x.png">',
    ],
)
def test_the_search_for_loads_sees_them(tag):
    assert external_loads(f"<html><head>{tag}</head></html>")


FAULTS = {
    "none": "Nothing is wrong here.",
    "link": "See [the chapter that is not](nowhere.md).",
    "citation": "As {cite:t}`nobody1900` said.",
    "reference": "See {ref}`no-such-place`.",
    "term": "A {term}`word that nobody explained`.",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_page_stops_the_build(tmp_path, fault):
    folder = small_book(tmp_path)
    (folder / "chapters" / "index.md").write_text(
        f"# A page\n\n{FAULTS[fault]}\n", encoding="utf-8"
    )
    assert (build(folder).returncode == 0) == (fault == "none")


def test_a_broken_notebook_stops_the_build(tmp_path):
    folder = small_book(tmp_path)
    (folder / "chapters" / "index.ipynb").write_text('{"cells": [', encoding="utf-8")
    assert build(folder).returncode != 0
