"""Where a reader runs a chapter without installing anything: Binder, and Colab.

What Binder installs is installed here too, from the same file, into an environment of its own
and away from this repository; then a chapter is run in it. What Colab runs is the first code
cell of each chapter, which is there once _config.yml has the address of the repository.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from book import REPOSITORY
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement

from tools import chapter_rules
from tools.refresh import INSTALL, canonical, repository_address

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLED = ("binder", "companion", "constraints.txt", "pyproject.toml", "README.md", "LICENSE")
BIN = "Scripts" if os.name == "nt" else "bin"
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def test_a_chapter_runs_on_what_binder_installs(tmp_path):
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    repository.mkdir()
    elsewhere.mkdir()
    for part in INSTALLED:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, repository / part)
    run([sys.executable, "-m", "venv", tmp_path / "venv"], elsewhere)
    python = tmp_path / "venv" / BIN / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-r", "binder/requirements.txt"], repository)
    # Binder brings these itself.
    run([*pip, "-c", "constraints.txt", "ipykernel", "nbclient"], repository)
    shutil.rmtree(repository)  # the package must be installed, not found here

    shutil.copy(ROOT / "chapters" / "derivation.ipynb", elsewhere)
    run(
        [python.with_name("jupyter-execute"), "--timeout=60", "derivation.ipynb"], elsewhere, 60
    )


def run(command, folder, seconds=600):
    hidden = ("PYTHONPATH", "PYTHONHOME", "JUPYTER_PATH", "VIRTUAL_ENV")
    environment = {name: v for name, v in os.environ.items() if name not in hidden}
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"MPLBACKEND": "agg"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=seconds,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_binders_python_is_one_that_the_package_takes():
    version = re.fullmatch(
        r"python-(3\.\d+)\n", (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8")
    )[1]
    assert version == PROJECT["requires-python"].removeprefix(">=")


# The cell that installs, before the address of the repository is known, and after.


def read(path):
    return nbformat.read(path, as_version=4)


def numbered(notebook):
    """As after a run from top to bottom."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
    return notebook


def install_cells(notebook):
    return [cell for cell in notebook.cells if cell.source.startswith(INSTALL)]


@each_chapter
def test_the_stored_chapter_installs_if_there_is_an_address(path):
    stored = install_cells(read(path))
    assert len(stored) == bool(repository_address())
    assert all(f'git+{repository_address()}"' in cell.source for cell in stored)


@each_chapter
def test_with_an_address_the_first_code_cell_installs_and_is_not_shown(path):
    notebook = canonical(read(path), REPOSITORY)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert install_cells(notebook) == [first]
    assert first.metadata.tags == ["remove-cell"]


@each_chapter
def test_with_an_address_the_chapter_keeps_the_rules(path):
    notebook = numbered(canonical(read(path), REPOSITORY))
    assert [fault for rule in chapter_rules.RULES for fault in rule(notebook)] == []


@each_chapter
def test_an_address_comes_changes_and_goes(path):
    without = canonical(read(path), "")
    assert install_cells(without) == []
    there = numbered(canonical(without, REPOSITORY))
    assert canonical(there, REPOSITORY) == there
    moved = canonical(there, "https://github.com/example/moved")
    assert len(install_cells(moved)) == 1
    assert [c.source for c in canonical(moved, "").cells] == [c.source for c in without.cells]


def commands_of_the_cell(monkeypatch, missing):
    """What the cell gives to %pip when the companion is missing, or there."""
    (cell,) = install_cells(canonical(read(CHAPTERS[0]), REPOSITORY))
    code = TransformerManager().transform_cell(cell.source)
    given = []

    class Shell:
        def run_line_magic(self, name, line):
            given.append((name, line))

    if missing:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(code, {"get_ipython": Shell})
    return given


def test_the_cell_installs_nothing_where_the_companion_is(monkeypatch):
    assert commands_of_the_cell(monkeypatch, missing=False) == []


def test_the_cell_installs_this_package_where_it_is_missing(monkeypatch):
    ((magic, line),) = commands_of_the_cell(monkeypatch, missing=True)
    assert magic == "pip"
    requirement = Requirement(re.fullmatch(r'install --quiet "(.*)"', line)[1])
    assert requirement.name == PROJECT["name"]
    assert requirement.extras == {"chapters"} <= set(PROJECT["optional-dependencies"])
    assert requirement.url == f"git+{REPOSITORY}"
