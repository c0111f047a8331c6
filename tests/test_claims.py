"""Every sentence of the book that claims has a pointer to what carries it; none is loose."""

import nbformat
import pytest

from tools import claims
from tools.claims import claims_of, pointers_to_nothing, without_a_pointer

ROOT = claims.ROOT
CHAPTERS = sorted(p.stem for p in (ROOT / "chapters").glob("*.ipynb"))
PAGES = {
    "index": "chapters/index.md",
    "notation": "chapters/notation.md",
    "cheat_sheet": "chapters/cheat_sheet.md",
    "glossary": "chapters/glossary.md",
    "readme": "README.md",
}


def parts(name):
    """Markdown, code and printed outputs of a chapter or page."""
    if name in PAGES:
        return [(ROOT / PAGES[name]).read_text(encoding="utf-8")], [], []
    notebook = nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    code = [c for c in notebook.cells if c.cell_type == "code"]
    outputs = [o.get("text", "") for c in code for o in c.outputs]
    return texts, [c.source for c in code], outputs


@pytest.mark.parametrize("name", [*CHAPTERS, *PAGES])
def test_each_sentence_that_claims_has_an_entry_and_each_pointer_leads_somewhere(name):
    texts, code, outputs = parts(name)
    listed = claims_of(name)
    assert list(without_a_pointer(texts, listed)) == []
    assert list(pointers_to_nothing(texts, code, outputs, listed)) == []


def test_lists_and_pages_are_the_same():
    assert {p.stem for p in claims.LISTS.glob("*.toml")} == {*CHAPTERS, *PAGES}


TEXT = "## Head\n\nSoftmax is never 0 {cite:p}`bridle1990`. It sums to 1. Is it only a map?"
CODE = ["p = softmax(z)\nassert p.min() > 0, 'why'"]


@pytest.mark.parametrize(
    "by",
    [
        "assert p.min() > 0",
        "cite:bridle1990",
        "prints:0.25",
        "says:It sums to 1.",
        "tests/test_claims.py::test_lists_and_pages_are_the_same",
    ],
)
def test_a_good_pointer_is_found(by):
    listed = [("Softmax is never 0", by)]
    assert list(without_a_pointer([TEXT], listed)) == []
    assert list(pointers_to_nothing([TEXT], CODE, ["p 0.25"], listed)) == []


@pytest.mark.parametrize(
    "by",
    [
        "assert p.max() > 0",
        "cite:gao2017",
        "prints:0.75",
        "says:It sums to 2.",
        "says:never 0",
        "tests/test_claims.py::test_of_nothing",
        "tests/test_nothing.py::test_x",
        "a test",
        "",
    ],
)
def test_a_pointer_to_nothing_is_seen(by):
    listed = [("Softmax is never 0", by)]
    assert len(list(pointers_to_nothing([TEXT], CODE, ["p 0.25"], listed))) == 1


def test_a_claim_without_an_entry_and_an_entry_without_a_sentence_are_seen():
    found = list(without_a_pointer([TEXT], [("Softmax is always 1", "says:It sums to 1.")]))
    assert found == [
        "a claim without an entry: Softmax is never 0 {cite:p}`bridle1990`.",
        "an entry whose sentence is gone: Softmax is always 1",
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It never fails.", 1),
        ("Does it never fail?", 0),
        ("- first, never\n- second, always", 2),
        ("<!-- generated from x --> It never fails.", 0),
        ("```python\nnever = 1\n```", 0),
        ("No sum can do it. No one else.", 1),
        ("It is nevertheless so.", 0),
    ],
)
def test_what_claims(text, count):
    assert len(claims.claiming_sentences(text)) == count
