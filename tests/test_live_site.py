"""Which pages get buttons, and what lies beside them: site/live.py, on small books."""

import contextlib
import json
import re
import shutil
import sys
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from book import ROOT, addressed_book, build, set_config
from sphinx.errors import ExtensionError

sys.path.insert(0, str(ROOT / "site"))
import live

LIVE = re.compile(r"<script[^>]*live\.js[^>]*>")
NOTE = re.compile(r'<p class="live-note"( hidden)?>(.*?)</p>', re.DOTALL)


def page_of(html, name):
    return (html / "chapters" / f"{name}.html").read_text(encoding="utf-8")


def test_a_chapter_without_a_framework_gets_buttons_and_says_what_differs(addressed):
    page = page_of(addressed, "plain")
    (script,) = LIVE.findall(page)
    assert 'data-page="chapters/plain"' in script
    assert 'data-base="../_static/live/"' in script
    assert "data-python" not in script
    hidden, words = NOTE.search(page).groups()
    assert hidden  # until the script knows that it can
    assert "neither warns nor raises" in words
    assert "longdouble" in words


def test_a_chapter_of_a_framework_says_why_it_has_none_and_where_to_run(addressed):
    page = page_of(addressed, "needs_torch")
    assert not LIVE.search(page)
    hidden, words = NOTE.search(page).groups()
    assert not hidden
    links = re.findall(r'href="([^"]+)"', words)
    assert links == [
        "../_sources/chapters/needs_torch.ipynb",
        "https://colab.research.google.com/github/example/book/blob/main/chapters/needs_torch.ipynb",
        "../downloads/softmax-and-cross-entropy-notebooks.zip",
    ]
    assert (addressed / "_sources" / "chapters" / "needs_torch.ipynb").is_file()
    assert (addressed / "downloads" / "softmax-and-cross-entropy-notebooks.zip").is_file()


def test_without_an_address_there_is_no_way_to_colab(html):
    _, words = NOTE.search(page_of(html, "distillation")).groups()
    assert "Colab" not in words


def test_the_front_page_knows_the_exercises_of_each_chapter(html):
    (script,) = LIVE.findall(page_of(html, "index"))
    held = re.search(r'data-exercises="([^"]+)"', script)[1].replace("&quot;", '"')
    for page, chapter in json.loads(held).items():
        text = re.sub(r"<[^>]+>", "", page_of(html, page.removeprefix("chapters/")))
        assert chapter["names"] == re.findall(r"^ex\.(\w+)\.check\(", text, re.MULTILINE)
        assert chapter["names"]
        assert chapter["title"] in text
    pages = set(json.loads(held))
    with_script = {
        f"chapters/{file.stem}"
        for file in (html / "chapters").glob("*.html")
        if LIVE.search(file.read_text(encoding="utf-8")) and file.stem != "index"
    }
    assert pages == with_script
    assert len(pages) == 6


def test_the_archive_has_what_the_worker_imports(html):
    with ZipFile(html / "_static" / "live" / "python.zip") as archive:
        names = set(archive.namelist())
    assert {"kernel.py", "cells.py", "backend.py", "drawings.py"} <= names
    package = [f for f in (ROOT / "companion").rglob("*") if f.suffix in live.SHIPPED]
    assert {f.relative_to(ROOT).as_posix() for f in package} <= names


def without_python(folder):
    """The book's extension, where no Python for the page was fetched."""
    file = folder / "site" / "live.py"
    text = file.read_text(encoding="utf-8")
    text, found = re.subn(
        r"^PYTHON = .*$", 'PYTHON = HERE / "nowhere"', text, flags=re.MULTILINE
    )
    assert found == 1
    file.write_text(text, encoding="utf-8")


def test_without_python_the_book_is_built_as_it_was_and_with_it_anew(tmp_path):
    folder = addressed_book(tmp_path)
    without_python(folder)
    html = folder / "_build" / "html"
    for there in (False, True, False):
        if there:
            (folder / "site" / "nowhere").mkdir()
            (folder / "site" / "nowhere" / "pyodide-lock.json").write_text("{}", "utf-8")
        elif (folder / "site" / "nowhere").exists():
            shutil.rmtree(folder / "site" / "nowhere")
        result = build(folder)
        assert result.returncode == 0, result.stderr[-2000:]
        for name in ("index", "plain", "needs_torch"):
            traces = re.search(r"live\.js|live\.css|live-note", page_of(html, name))
            assert bool(traces) == there
        assert (html / "_static" / "live").exists() == there


def test_python_from_elsewhere_is_asked_for_only_where_its_address_is_set(tmp_path):
    folder = addressed_book(tmp_path)
    without_python(folder)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "python_files.json", folder / "tools")
    set_config(folder, live_python="https://files.example.org/pyodide/")
    result = build(folder)
    assert result.returncode == 0, result.stderr[-2000:]
    html = folder / "_build" / "html"
    (script,) = LIVE.findall(page_of(html, "plain"))
    assert 'data-python="https://files.example.org/pyodide/"' in script
    lock = json.loads((html / "_static" / "live" / "pyodide-lock.json").read_text("utf-8"))
    assert all(re.fullmatch(r"[0-9a-f]{64}", p["sha256"]) for p in lock["packages"].values())
    assert not (html / "_static" / "live" / "pyodide").exists()


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("", True),
        ("https://files.example.org/", True),
        ("https://files.example.org/pyodide/full/", True),
        ("http://files.example.org/", False),
        ("files.example.org/", False),
        ("https://x", False),
        ("https://x/y", False),
        ("https://x/?a=/", False),
        ("https://x/y /", False),
    ],
)
def test_what_is_no_address_of_a_folder_is_refused(address, right):
    refused = pytest.raises(ExtensionError, match=re.escape(f"got {address!r}"))
    with contextlib.nullcontext() if right else refused:
        live.take_address(None, SimpleNamespace(live_python=address))
