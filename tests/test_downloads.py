"""What readers take with them: three zips of a build, and links that lead somewhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import nbformat
import pytest
from test_browser import Visit, faults

from tools import pdf
from tools.refresh import execute

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = "softmax-and-cross-entropy-notebooks.zip"
STUDENT = "softmax-and-cross-entropy-student-edition.zip"
PAGES = "softmax-and-cross-entropy-html.zip"
ITEM = re.compile(r'<li data-file="([^"]+)"( hidden)?><a href="([^"]+)">')


def names(archive):
    """The names in a zip below its one folder."""
    with ZipFile(archive) as opened:
        paths = [PurePosixPath(name) for name in opened.namelist()]
    assert {path.parts[0] for path in paths} == {archive.stem}
    return {str(path.relative_to(archive.stem)) for path in paths}


@pytest.fixture(scope="module")
def unpacked(html, tmp_path_factory):
    """All zips, unpacked into an empty folder."""
    folder = tmp_path_factory.mktemp("taken")
    for name in (NOTEBOOKS, STUDENT, PAGES):
        shutil.unpack_archive(html / "downloads" / name, folder)
    return folder


def test_a_link_is_shown_if_and_only_if_its_file_is_there(html):
    items = ITEM.findall((html / "chapters" / "index.html").read_text(encoding="utf-8"))
    assert [file for file, _, _ in items] == [pdf.NAME, NOTEBOOKS, STUDENT, PAGES]
    for file, hidden, link in items:
        assert (html / "chapters" / link).resolve() == html / "downloads" / file
        assert (html / "downloads" / file).exists() != bool(hidden)


def test_the_link_to_the_pdf_is_shown_once_there_is_one(html, tmp_path):
    shutil.copytree(html / "chapters", tmp_path / "chapters")
    page = tmp_path / "chapters" / "index.html"
    assert (pdf.NAME, " hidden") in [
        item[:2] for item in ITEM.findall(page.read_text(encoding="utf-8"))
    ]
    pdf.show_link(tmp_path)
    shown = page.read_text(encoding="utf-8")
    assert (pdf.NAME, "") in [item[:2] for item in ITEM.findall(shown)]
    pdf.show_link(tmp_path)
    assert page.read_text(encoding="utf-8") == shown


@pytest.mark.parametrize("name", [NOTEBOOKS, STUDENT, PAGES])
def test_no_junk_travels(html, name):
    for path in map(PurePosixPath, names(html / "downloads" / name)):
        assert not any(part.startswith((".", "_build", "__pycache__")) for part in path.parts)
        assert path.suffix not in (".pyc", ".zip", ".pdf", ".doctree")


def test_the_notebooks_bring_all_that_they_need(html):
    taken = names(html / "downloads" / NOTEBOOKS)
    listed = subprocess.run(
        ["git", "ls-files", "chapters", "companion"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    wanted = set(listed.stdout.split()) if listed.returncode == 0 else {"companion/__init__.py"}
    wanted |= {"README.md", "LICENSE", "LICENSE-text.md", "pyproject.toml", "constraints.txt"}
    assert wanted <= taken
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package in project["tool"]["setuptools"]["packages"]:
        assert f"{package.replace('.', '/')}/__init__.py" in taken
    assert project["project"]["readme"] in taken


def test_the_readme_of_the_notebooks_names_what_is_there(unpacked):
    folder = unpacked / Path(NOTEBOOKS).stem
    text = (folder / "README.md").read_text(encoding="utf-8")
    extras = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group in re.findall(r"\.\[([\w,]+)\]", text):
        assert set(group.split(",")) <= set(extras["optional-dependencies"])
    for file in re.findall(r"\b(?:chapters/)?[\w-]+\.(?:ipynb|txt|md)\b", text):
        assert (folder / file).exists(), file


def test_an_unpacked_notebook_runs(unpacked, monkeypatch):
    folder = unpacked / Path(NOTEBOOKS).stem
    monkeypatch.setenv("PYTHONPATH", str(folder))
    notebook = nbformat.read(folder / "chapters" / "derivation.ipynb", as_version=4)
    where = "import companion; print(companion.__file__)"
    notebook.cells.append(nbformat.v4.new_code_cell(where))
    ran = execute(notebook, folder / "chapters")
    assert ran.cells[-1].outputs[0].text.strip() == str(folder / "companion" / "__init__.py")


def test_the_zip_of_pages_holds_the_whole_site(html):
    taken = names(html / "downloads" / PAGES)
    for page in [*html.glob("*.html"), *html.glob("chapters/*.html")]:
        assert str(page.relative_to(html)) in taken
    assert not [name for name in taken if name.startswith("zh/")]  # another edition has its own
    assert "index.html" in taken


def test_the_zip_of_pages_leaves_out_python_which_no_file_can_start(html):
    archive = html / "downloads" / PAGES
    shipped = {path.relative_to(html).as_posix() for path in html.glob("_static/live/**/*")}
    assert "_static/live/pyodide/numpy" in {name.partition("-")[0] for name in shipped}
    assert not shipped & names(archive)
    assert archive.stat().st_size < 6e6


def test_unpacked_pages_open_from_files(unpacked, chromium):
    folder = unpacked / Path(PAGES).stem
    context, found = chromium.new_context(viewport={"width": 1280, "height": 800}), []
    start = context.new_page()
    start.goto((folder / "index.html").as_uri())
    start.wait_for_url((folder / "chapters" / "index.html").as_uri())
    for page in sorted((folder / "chapters").glob("*.html")):
        visit = Visit(context, page)
        found += faults(visit, page.name)
        assert visit.page.locator("article h1").first.is_visible(), page.name
        visit.close()
    context.close()
    assert found == []


def test_unpacked_pages_link_to_no_zip(unpacked):
    page = unpacked / Path(PAGES).stem / "chapters" / "index.html"
    assert [hidden for _, hidden, _ in ITEM.findall(page.read_text(encoding="utf-8"))] == [
        " hidden"
    ] * 4


WRITE_TWICE = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, "site")
import downloads

folder = Path(sys.argv[1])
for moment, name in enumerate(("first", "second")):
    pages = folder / name / "chapters"
    pages.mkdir(parents=True)
    for page in ("b", "a")[:: 1 - 2 * moment]:
        (pages / f"{page}.html").write_text(f'<li data-file="{page}">')
        os.utime(pages / f"{page}.html", (1e9 * moment, 1e9 * moment))
        (pages / f"{page}.html").chmod(0o600 + 0o44 * moment)
    files = sorted(downloads.page_files(folder / name).items(), reverse=moment)
    downloads.write_zip(folder / name / "book.zip", dict(files))
"""


def test_the_same_files_give_the_same_zip(tmp_path):
    subprocess.run([sys.executable, "-c", WRITE_TWICE, tmp_path], cwd=ROOT, check=True)
    first, second = (tmp_path / name / "book.zip" for name in ("first", "second"))
    assert names(first) == {"chapters/a.html", "chapters/b.html"}
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as opened:  # and no link to what is not in it
        assert opened.read("book/chapters/a.html") == b'<li data-file="a" hidden>'
