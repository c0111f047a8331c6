"""Who may import whom: the core needs NumPy alone, and arrows point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPANION = ROOT / "companion"
HEAVY = ("torch", "tensorflow", "keras", "numba", "matplotlib", "sklearn", "scipy", "IPython")
CORE = (
    "functions",
    "naive",
    "information",
    "losses",
    "derivatives",
    "distillation",
    "regression",
    "streaming",
    "fast",
    "linear",
    "rows",
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


def imports(source):
    """All that a module may load: also `companion.show` for `from companion import show`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "") if node.level == 0 else "." * node.level
            if node.module == "companion":
                yield from (f"companion.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import numpy as np, torch.nn", ["numpy", "torch.nn"]),
        ("def f():\n    from scipy import special", ["scipy"]),
        ("from companion import show", ["companion", "companion.show"]),
        ("from companion.show import show_source", ["companion.show"]),
        ("from . import show", ["."]),
        ("from ..companion import show", [".."]),
    ],
)
def test_no_import_hides_from_this_test(source, names):
    found = list(imports(source))
    assert set(names) <= set(found)


@pytest.mark.parametrize("module", CORE)
def test_core_modules_import_numpy_and_the_core_only(module):
    allowed = {
        "numpy",
        "companion",
        "dataclasses",
        "typing",
        "contextvars",
        "os",
        "concurrent.futures",
        "functools",
        *(f"companion.{name}" for name in CORE),
    }
    assert set(imports((COMPANION / f"{module}.py").read_text())) <= allowed


def test_nothing_imports_what_is_for_chapters():
    # Not even each other; the exercises alone show source. Nothing at all imports them.
    for path in (*COMPANION.glob("*.py"), *COMPANION.glob("equivalents/*.py")):
        found = set(imports(path.read_text()))
        assert not [name for name in found if name.startswith(CHAPTER_TOOLS)], path.name


def test_no_import_is_relative():
    # The tests above read full names.
    for path in COMPANION.rglob("*.py"):
        assert not [name for name in imports(path.read_text()) if name.startswith(".")], path


def test_every_module_is_of_the_core_or_named_here():
    # A new module says by its name here what it may import.
    others = {"__init__", "compiled", "datasets", "distributed", "measured", "plotting", "show"}
    assert {path.stem for path in COMPANION.glob("*.py")} == set(CORE) | others
    folders = {path.parent.name for path in COMPANION.glob("*/*.py")}
    assert folders == {"equivalents", "exercises", "frameworks"}


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow", "keras", "axes"])
def test_specifications_import_numpy_and_the_core_only(framework):
    allowed = {"numpy", "math", "companion", "companion.functions"}
    siblings = {
        "companion.equivalents",
        *(f"companion.equivalents.{f}" for f in ("axes", "tensorflow")),
    }
    path = COMPANION / "equivalents" / f"{framework}.py"
    assert set(imports(path.read_text())) <= allowed | siblings
    assert loaded_by(f"import companion.equivalents.{framework}") == []


def test_only_what_draws_loads_matplotlib_and_only_what_needs_data_loads_sklearn():
    may = {"matplotlib": {"plotting"}, "sklearn": {"datasets"}, "numba": {"compiled"}}
    may["torch"] = {"distributed"}
    # `exercises` may compare answers with others, `frameworks` is there to import them.
    for path in (*COMPANION.glob("*.py"), *COMPANION.glob("equivalents/*.py")):
        for name in imports(path.read_text()):
            package = name.split(".")[0]
            if package in HEAVY and package != "IPython":
                assert path.stem in may.get(package, ()), (path.name, name)
