"""The book on paper: a page prints its text and nothing around it, and the PDF is whole."""

import contextlib
import io
import itertools
import re
import shutil
from pathlib import Path

import pytest
import yaml
from matplotlib.image import imread
from pypdf import PdfReader

from tools import pdf, searchable

ROOT = Path(__file__).resolve().parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
POINTS = 72 / 25.4  # in a millimetre
NAMES = pdf.documents(TOC)


def printed(chromium, file):
    """A page as a reader's browser prints it to A4."""
    page = chromium.new_page()
    page.goto(file.as_uri(), wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise.then(() => true)")
    data = page.pdf(format="A4", print_background=True)
    page.close()
    return PdfReader(io.BytesIO(data))


def sizes_of_words(page):
    """The sizes in points of all text but formulas, whose fonts have no name."""
    found = []

    def visit(text, page_matrix, matrix, font, size):
        if text.strip() and "/BaseFont" in (font or {}):
            found.append((abs(size * matrix[3] * page_matrix[3]), text))

    page.extract_text(visitor_text=visit)
    return found


def squeezed(text):
    """Text without spaces, of which extraction sees too many or too few."""
    return re.sub(r"\s+", "", text)


def colours(image):
    """The shares of dark and of light pixels of a picture of a page."""
    pixels = imread(io.BytesIO(image))[..., :3].mean(axis=-1)
    return (pixels < 0.3).mean(), (pixels > 0.9).mean()


# One page, from a reader's browser.


def test_the_cheat_sheet_is_one_page_that_can_be_read(html, chromium):
    sheet = printed(chromium, html / "chapters" / "cheat_sheet.html")
    assert len(sheet.pages) == 1
    sizes = sizes_of_words(sheet.pages[0])
    assert len(sizes) > 100
    assert min(sizes)[0] > 7.9, min(sizes)
    source = (ROOT / "chapters" / "cheat_sheet.md").read_text(encoding="utf-8")
    text = squeezed(sheet.pages[0].extract_text())
    for part in [
        *re.findall("^#+ (.+)$", source, re.MULTILINE),
        *re.findall("`([^`\n]+)`", source),
    ]:
        assert squeezed(part) in text, part


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_page_has_no_frame_and_nothing_is_cut_off(html, chromium, name):
    """Formulas, code, tables and figures are no wider than the text on A4."""
    page = chromium.new_page(viewport={"width": 703, "height": 1000})  # A4 without the margins
    page.goto((html / f"{name}.html").as_uri())
    page.evaluate("window.MathJax?.startup?.promise.then(() => true)")
    page.emulate_media(media="print")
    shown = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
        .filter(e => !e.closest("article") && !e.querySelector("article")
            && e.checkVisibility() && e.getBoundingClientRect().height > 1)
        .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert shown == []
    assert page.locator("article h1").is_visible()
    assert not page.locator("article .headerlink, article .copybtn").first.is_visible()
    cut = page.evaluate(
        """() => [...document.querySelectorAll(
            "article :is(pre, table, img, mjx-container, .output_area, .interactive)")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1
            || (e.matches("pre, .output_area") && e.scrollWidth > e.clientWidth + 1))
        .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert cut == []
    page.close()


def test_a_dark_page_prints_on_white(html, chromium):
    page = chromium.new_page(color_scheme="dark")
    page.goto((html / "chapters" / "notation.html").as_uri())
    dark, _ = colours(page.screenshot())
    assert dark > 0.5
    page.emulate_media(media="print")
    dark, light = colours(page.screenshot())
    assert dark < 0.1
    assert light > 0.8
    page.emulate_media(media="screen")
    dark, _ = colours(page.screenshot())
    assert dark > 0.5
    page.close()


def test_folded_answers_print_as_the_reader_left_them(html, chromium):
    page = chromium.new_page()
    page.goto((html / "chapters" / "derivation.html").as_uri())
    page.emulate_media(media="print")
    answers = page.locator("article details:not(.hide, .gives)")  # hints, solutions
    answers.first.evaluate("details => { details.open = true; }")
    assert answers.first.locator("p").first.is_visible()
    assert not answers.nth(1).locator("p").first.is_visible()
    given = page.locator("article details.gives .cell_output")
    assert all(output.is_visible() for output in given.all())
    page.emulate_media(media="screen")
    assert not any(output.is_visible() for output in given.all())
    page.close()


# The whole book.


@pytest.fixture(scope="module")
def book(html, chromium, tmp_path_factory):
    # A copy, since a page that joins all others lies among them while it is printed.
    site = tmp_path_factory.mktemp("site") / "html"
    shutil.copytree(html, site)
    before = sorted(site.rglob("*"))
    target = site.parent / pdf.NAME
    pdf.print_book(chromium, site, target)
    assert sorted(site.rglob("*")) == before
    return PdfReader(target)


@pytest.fixture(scope="module")
def texts(book):
    """The text of each page of the book."""
    return [page.extract_text() for page in book.pages]


def titles(html):
    """The heading of each page, in the order of the table of contents."""
    for name in NAMES:
        heading = re.search(
            "<h1>(.*?)<a ", (html / f"{name}.html").read_text(encoding="utf-8")
        )[1]
        yield re.sub(r"<.*?>|\s+", " ", heading).strip().replace("  ", " ")


def bookmarks(book):
    return [
        (entry.title, book.get_destination_page_number(entry))
        for entry in book.outline
        if not isinstance(entry, list)
    ]


def test_every_page_is_a_chapter_of_the_pdf_with_a_bookmark(html, book, texts):
    found = bookmarks(book)
    assert [title for title, _ in found] == list(titles(html))
    starts = [page for _, page in found]
    assert starts == sorted(set(starts))  # each begins on a page of its own
    for title, page in found:
        assert squeezed(title) in squeezed(texts[page])[:200]


def test_sections_have_bookmarks_too(book):
    inner = [entry for entry in book.outline if isinstance(entry, list)]
    named = [e.title for part in inner for e in part if not isinstance(e, list)]
    assert len(named) > 60
    assert "2.4. Is a clip a cure?" in named


def test_it_says_what_it_is(book):
    assert book.metadata.title == "Softmax and Cross-Entropy"
    assert book.metadata.author == "The authors of this book"
    assert book.root_object["/Lang"] == "en"
    assert book.root_object["/MarkInfo"]["/Marked"]  # tagged, for screen readers
    width, height = book.pages[0].mediabox[2:]
    assert (round(width / POINTS), round(height / POINTS)) == (210, 297)


def test_pages_are_numbered(texts):
    for number, text in enumerate(texts, 1):
        footer = "Softmax and Cross-Entropy"
        assert re.search(rf"{footer}\s*{number}\s*$|^\s*{footer}\s*{number}\b", text), text[
            -200:
        ]


def test_every_formula_is_typeset_and_every_figure_there(html, book, texts):
    text = " ".join(texts)
    assert not re.findall(r"\\(?:frac|sum|log|operatorname|begin|text)\b|\$\$", text)
    drawings = re.findall(
        r'<div class="drawing">.*?</svg>', pdf.whole_book(html, NAMES), re.DOTALL
    )
    assert len(drawings) > 20
    for drawing in drawings:
        words = re.findall(r"<text[^>]*>([a-z]{4,})</text>", drawing)
        assert all(word in squeezed(text) for word in words), words


def test_answers_are_open_and_solutions_at_the_end_of_their_chapter(html, book, texts):
    source = (html / "chapters" / "derivation.html").read_text(encoding="utf-8")
    text = squeezed(" ".join(texts))
    folds = re.findall(r'<details class="gives">(.*?)</details>', source, re.DOTALL)
    assert len(folds) > 5
    for answer in re.findall(r"<p>([A-Za-z ,]{20,40})", "".join(folds)):
        assert squeezed(answer) in text
    (first, end), *_ = ((a, b) for (_, a), (_, b) in itertools.pairwise(bookmarks(book)[1:]))
    chapter = squeezed(" ".join(texts[first:end]))
    questions, found, solutions = chapter.rpartition("Hintsandsolutions")
    assert found
    assert "Hint1of3" not in questions
    assert solutions.count("Hint1of3") == source.count("<summary>Hint 1 of 3")
    assert solutions.count("Solution") >= source.count("<summary>Solution")


def links(book):
    for page in book.pages:
        for annotation in page.get("/Annots", []):
            yield annotation.get_object()


def test_links_lead_into_the_book_or_to_the_web(book):
    inside = set()
    for link in links(book):
        address = link.get("/A", {}).get("/URI")
        if address is not None:
            assert address.startswith("https://"), address
        else:
            inside.add(link["/Dest"])
    assert len(inside) > 30
    assert inside <= set(book.named_destinations)


def test_a_link_to_a_section_of_another_chapter_leads_there(book):
    starts = dict(bookmarks(book))
    (page,) = {
        book.get_destination_page_number(book.named_destinations[link["/Dest"]])
        for link in links(book)
        if link.get("/Dest") == "/notation"
    }
    assert page == starts["Notation"]


def test_chinese_words_are_found_as_they_are_typed(texts):
    # A font draws 一 and the radical of the same shape by one glyph.
    text = squeezed("".join(texts))
    assert [sign for sign in text if ord(sign) in searchable.RADICALS] == []
    glossary = (ROOT / "chapters" / "glossary.md").read_text(encoding="utf-8")
    # The word after a colon is the index's name of the language; the pages do not show it.
    words = re.findall("[\u4e00-\u9fff]+", glossary.replace(" : 中文", ""))
    assert len(words) > 60
    # At the end of a line a word is broken, with nothing between its parts in the PDF.
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("kind", "given", "mended"),
    [
        ("bfchar", "<01> <2F00>\n<02> <4E8C>", "<01> <4E00>\n<02> <4E8C>"),
        ("bfchar", "<01> <2ED3>", "<01> <957F>"),  # no decomposition in Unicode
        ("bfchar", "<01> <00660066>", "<01> <00660066>"),
        ("bfchar", "<2F00> <0041>", "<2F00> <0041>"),  # the number of a glyph
        ("bfrange", "<01> <03> <2F00>", "<01> <03> [<4E00> <4E28> <4E36>]"),
        (
            "bfrange",
            "<01> <02> <0041>\n<03> <03> <2F00>",
            "<01> <02> <0041>\n<03> <03> [<4E00>]",
        ),
    ],
)
def test_a_map_of_glyphs_gives_no_radicals(kind, given, mended):
    around = "1 begincodespacerange\n<2F00> <2F01>\nendcodespacerange\n1 begin{0}\n{1}\nend{0}"
    assert searchable.without_radicals(around.format(kind, given)) == around.format(
        kind, mended
    )


def test_the_command_takes_a_relative_path(tmp_path, monkeypatch):
    seen = []

    def print_book(browser, site, target, say):
        seen.append(site)
        target.parent.mkdir()
        target.write_bytes(b"")

    monkeypatch.setattr(pdf, "print_book", print_book)
    monkeypatch.setattr(pdf, "chromium", contextlib.nullcontext)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages").mkdir()
    pdf.main(["pages"])
    assert seen == [tmp_path / "pages"]
    assert seen[0].as_uri()  # which a relative path has not
