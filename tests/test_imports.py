"""Who may import whom: the core needs NumPy alone, and arrows point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPANION = ROOT / "companion"
HEAVY = ("torch", "tensorflow", "keras", "matplotlib", "sklearn", "scipy", "IPython")
CORE = (
    "functions",
    "naive",
    "information",
    "losses",
    "derivatives",
    "distillation",
    "regression",
)
CHAPTER_TOOLS = ("companion.plotting", "companion.show", "companion.exercises")


def loaded_by(statement):
    """Which of the heavy packages a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return ast.literal_eval(run.stdout)


@pytest.mark.parametrize(
    "module", ["companion", "companion.naive", "companion.regression", "companion.datasets"]
)
def test_the_core_loads_no_framework(module):
    assert loaded_by(f"import {module}") == []


def test_the_exercises_load_no_framework():
    for path in sorted((COMPANION / "exercises").glob("*.py")):
        assert loaded_by(f"import companion.exercises.{path.stem}") == []


def test_this_test_would_see_one():
    assert loaded_by("import companion, matplotlib") == ["matplotlib"]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("module", CORE)
def test_core_modules_import_numpy_and_the_core_only(module):
    allowed = {"numpy", "dataclasses", *(f"companion.{name}" for name in CORE)}
    assert set(imports(COMPANION / f"{module}.py")) <= allowed


def test_nothing_of_the_core_imports_what_is_for_chapters():
    for path in COMPANION.glob("*.py"):
        if f"companion.{path.stem}" not in CHAPTER_TOOLS:
            assert not set(imports(path)) & set(CHAPTER_TOOLS), path.name
