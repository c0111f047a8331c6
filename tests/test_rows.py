"""Tables that are read a row at a time (site/rows.py): blocks, addresses, the index, faults."""

import re
import sys

import pytest
from book import ROOT, build, small_book

sys.path.insert(0, str(ROOT / "site"))
import rows

PAGE = """---
myst:
  html_meta:
    description: A page with a table whose rows are read one at a time, and another one.
---

# A page

Words.

<!-- rows: symptom -->

| Symptom | Cause | Where |
| --- | --- | --- |
| It is **7.5** | Too much of `x` | [A page](#a-page) |
| **样本维度** (an axis) | Another | [There](#a-page) |
| A claim, without any name in it | None | Nowhere |

| A table | stays |
| --- | --- |
| as | it is |
"""


def built(folder, text):
    folder = small_book(folder)
    (folder / "chapters" / "index.md").write_text(text, encoding="utf-8")
    return folder / "_build" / "html", build(folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    html, result = built(tmp_path_factory.mktemp("rows"), PAGE)
    assert result.returncode == 0, result.stderr[-2000:]
    return html


def test_a_row_is_a_block_with_an_address(site):
    page = (site / "chapters" / "index.html").read_text(encoding="utf-8")
    blocks = re.findall(r'<div class="one-row[^>]* id="([^"]+)">', page)
    assert blocks == [
        "symptom-7-5",
        "symptom-样本维度",
        "symptom-a-claim-without-any-name-in",
    ]
    first = page[page.index('id="symptom-7-5"') : page.index('id="symptom-样本维度"')]
    assert re.findall(r"<dt>(.*?)</dt>", first) == ["Cause", "Where"]
    assert "<strong>7.5</strong>" in first
    assert re.search(r'href="#a-page">(<span[^>]*>)?A page', first)
    assert page.count("<table") == 1
    assert "<!-- rows" not in page


def test_names_stand_above_as_links_and_in_the_index(site):
    page = (site / "chapters" / "index.html").read_text(encoding="utf-8")
    above = re.search(r'<p class="row-names">(.*?)</p>', page, re.DOTALL)[1]
    assert re.findall(r'href="#([^"]+)"', above) == ["symptom-7-5", "symptom-样本维度"]
    index = (site / "genindex.html").read_text(encoding="utf-8")
    assert 'href="chapters/index.html#symptom-7-5">7.5</a>' in index
    assert 'href="chapters/index.html#symptom-样本维度">' in index
    assert index.index('<h2 id="中文">') < index.index("#symptom-样本维度")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (("| A claim, without any name in it", "| **7.5**"), "two rows have one address"),
        (
            ("<!-- rows: symptom -->\n", "<!-- rows: symptom -->\n\nWords between."),
            "no table follows",
        ),
    ],
)
def test_a_fault_stops_the_build(tmp_path, fault, words):
    _, result = built(tmp_path, PAGE.replace(*fault))
    assert result.returncode != 0
    assert words in result.stdout + result.stderr


def test_an_address_is_letters_of_any_language_and_digits():
    assert rows.address_of("phrase", ["clip 防 log0"], "") == "phrase-clip-防-log0"
