"""The student edition: the chapters without solutions, to write answers into. `make student`.

    python -m tools.student [work]

Of each exercise the last hint and the solution are left out; the stub and its check are two
cells, so that a teacher can lock one of them. A file that is there already is left alone: it
may hold answers. What `make test` compares are the chapters, never these.
"""

import copy
import importlib
import re
import sys
from pathlib import Path

import nbformat

from tools.refresh import CHAPTERS, GENERATED_PATTERN, ROOT

IN_CHINESE = "from companion.exercises.zh import"
CHECK = re.compile(r"\n+(ex\.(\w+)\.check\(\2\))$")


def student_edition(notebook):
    """A chapter to write answers into.

    Parameters
    ----------
    notebook : NotebookNode
        As stored.

    Returns
    -------
    NotebookNode
    """
    edition = copy.deepcopy(notebook)
    imports = "\n".join(cell.source for cell in edition.cells if cell.cell_type == "code")
    room = "companion.exercises.zh" if IN_CHINESE in imports else "companion.exercises"
    edition.cells = [new for cell in edition.cells for new in _without_answer(cell, room)]
    for number, cell in enumerate(edition.cells):
        cell.id = f"student-{number}"
    return edition


def _without_answer(cell, room):
    marker = GENERATED_PATTERN.match(cell.source)
    if cell.cell_type == "markdown" and marker:
        exercise = _exercise(marker, room)
        return [nbformat.v4.new_markdown_cell(exercise.folded(hints=2, solution=False))]
    check = CHECK.search(cell.source)
    if cell.cell_type == "code" and check:
        stub = cell.source[: check.start()]
        return [nbformat.v4.new_code_cell(source) for source in (stub, check[1])]
    return [cell]


def _exercise(marker, room):
    if room == "companion.exercises":
        return getattr(importlib.import_module(f"{room}.{marker[1]}"), marker[2])
    return getattr(getattr(importlib.import_module(room), marker[1]), marker[2])


def editions(chapters=CHAPTERS):
    """All chapters of a folder: file name -> text of the notebook."""
    return {
        path.name: nbformat.writes(student_edition(nbformat.read(path, as_version=4))) + "\n"
        for path in sorted(chapters.glob("*.ipynb"))
    }


def main(arguments):
    folder = Path(*arguments) if arguments else ROOT / "work"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in editions().items():
        path = folder / name
        if path.exists():
            print(f"{path}: left as it is")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path}: written")


if __name__ == "__main__":
    main(sys.argv[1:])
