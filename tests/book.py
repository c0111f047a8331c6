"""Builds the book from a copy of what git would give to a newcomer."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat

from companion.book.plotting import SMALL, WIDTH, book_style
from tools import edition
from tools.refresh import canonical

ROOT = Path(__file__).resolve().parent.parent
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")
# The addresses of a book that has some.
SITE, REPOSITORY = "https://example.org/book/", "https://github.com/example/book"

FRONT_PAGE = """---
myst:
  html_meta:
    description: A page with "quotes" & more.
---

# A book
"""


def copy_of_the_repository(folder):
    """A copy of what git would give to a newcomer, as long as nothing lies about."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    patterns = [".git", *(line.rstrip("/") for line in ignored)]
    return shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(*patterns), dirs_exist_ok=True
    )


def build_chinese(folder):
    """Build the Chinese edition of a book beside the English one, as `make book` does."""
    edition.write_settings(folder)
    result = build(folder, "zh", "--path-output", "_build/zh")
    shutil.copytree(folder / "_build/zh/_build/html", folder / "_build/html/zh")
    return result


def small_book(folder):
    """The book's settings and extensions around one page, still to be written."""
    (folder / "chapters").mkdir()
    shutil.copytree(ROOT / "site", folder / "site")
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copy(ROOT / "chapters" / "references.bib", folder / "chapters")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/index\n", encoding="utf-8"
    )
    return folder


def addressed_book(folder):
    """A small book that has both addresses, a page that moved, two chapters, two editions."""
    small_book(folder)
    set_config(
        folder,
        url=REPOSITORY,
        baseurl=SITE,
        redirects="{index: chapters/index, chapters/moved: chapters/plain}",
    )
    with (folder / "_toc.yml").open("a", encoding="utf-8") as toc:
        toc.write("chapters: [{file: chapters/plain}, {file: chapters/needs_torch}]\n")
    (folder / "chapters" / "index.md").write_text(FRONT_PAGE, encoding="utf-8")
    for name, source in {"plain": "import numpy", "needs_torch": "import torch"}.items():
        cells = [
            nbformat.v4.new_markdown_cell(f"# A page\n\nA word of prose for {name}."),
            nbformat.v4.new_code_cell(source),
        ]
        metadata = {"myst": {"html_meta": {"description": f"The chapter called {name}."}}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(canonical(notebook, REPOSITORY), folder / "chapters" / f"{name}.ipynb")
    shutil.copytree(folder / "chapters", folder / "zh" / "chapters")
    shutil.copy(ROOT / "zh" / "words.json", folder / "zh")
    return folder


def set_config(folder, **lines):
    """Set the line of _config.yml that begins with each key."""
    file = folder / "_config.yml"
    text = file.read_text(encoding="utf-8")
    for key, value in lines.items():
        text, found = re.subn(rf"^( *{key}:).*$", rf"\1 {value}", text, flags=re.MULTILINE)
        assert found == 1, key
    file.write_text(text, encoding="utf-8")


def drawing(curve=True, inches=WIDTH, points=SMALL):
    """A figure as the chapters store it."""
    book_style()
    fig, ax = plt.subplots(figsize=(inches, 2))
    ax.set_xlabel("x", fontsize=points)
    ax.plot([0, 1], [0, 1]) if curve else ax.axis("off")
    file = io.StringIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    plt.close(fig)
    return file.getvalue()


def build(folder, *arguments):
    return subprocess.run(
        [JUPYTER_BOOK, "build", *(arguments or ["."]), "-n", "-W", "--keep-going"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
