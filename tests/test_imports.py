"""Who may import whom: the core needs NumPy alone, and arrows point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPANION = ROOT / "companion"
HEAVY = ("torch", "tensorflow", "keras", "numba", "matplotlib", "sklearn", "scipy", "IPython")
# Who lives in which room, without `__init__`. A new module says here, by its room, what it may
# import: the core NumPy and itself, `one_pass` the core too, `book` and `exercises` all of it.
ROOMS = {
    "": "_core functions naive information losses derivatives distillation regression "
    "relatives datasets",
    "one_pass": "_rows fast compiled streaming linear distributed",
    "diagnose": "arrays findings _kinds _reading _rows _outputs _labels _losses _given "
    "_not_finite _calibration _beside __main__",
    "book": "plotting show measured zh",
    "equivalents": "_sixteen_bits axes pytorch tensorflow keras optax",
    "frameworks": "_calls _checks _live _live_keras _live_pytorch pytorch keras table",
    "exercises": "says running result words shortcuts attempts pristine overview switches "
    "common gradients probes exercise native submission worker judge __main__ derivation "
    "numerical_stability derivatives mse_vs_cross_entropy framework_equivalents distillation "
    "one_pass language_model relatives self_test pitfalls",
}
STANDARD = {"dataclasses", "functools", "math", "numbers", "operator"}
FILES = {"companion.datasets": {"pathlib", "typing"}}  # the one of the core that reads a file
# What a module may load beyond NumPy and the standard library.
OUTSIDE = {
    "companion.book.plotting": {"matplotlib"},
    "companion.one_pass.compiled": {"numba"},
    "companion.one_pass.distributed": {"torch"},
    "companion.frameworks.pytorch": {"torch"},
    "companion.frameworks.keras": {"keras"},
    # Imported by those two, which have named the package before.
    "companion.frameworks._live_pytorch": {"torch"},
    "companion.frameworks._live_keras": {"keras"},
}


def names(room):
    prefix = f"companion.{room}." if room else "companion."
    return [prefix + stem for stem in ROOMS[room].split()]


def path_of(module):
    return ROOT / f"{module.replace('.', '/')}.py"


CORE = names("")


def loaded_by(statement):
    """Which of the heavy packages a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    return ast.literal_eval(run.stdout)


@pytest.mark.parametrize(
    "module",
    [
        "companion",
        *CORE,
        *names("diagnose"),
        *(m for m in names("one_pass") if m not in OUTSIDE),
    ],
)
def test_the_core_loads_no_framework(module):
    assert loaded_by(f"import {module}") == []


def test_the_exercises_load_no_framework():
    for name in ["zh", *(path.stem for path in (COMPANION / "exercises").glob("*.py"))]:
        assert loaded_by(f"import companion.exercises.{name}") == []


JUDGE = """
import importlib
from companion.exercises.exercise import Exercise
topics = "derivation numerical_stability derivatives mse_vs_cross_entropy one_pass "
topics = (topics + "language_model relatives").split()
for topic in topics:
    for exercise in vars(importlib.import_module(f"companion.exercises.{topic}")).values():
        if isinstance(exercise, Exercise):
            assert exercise.check(exercise.build())
            exercise.check(lambda *args: None)
"""


def test_judging_an_answer_loads_no_framework():
    """In the page a check would wait for it."""
    assert loaded_by(JUDGE) == []


@pytest.mark.parametrize("module", names("exercises"))
def test_the_exercises_import_no_framework_when_they_are_called(module):
    """Nor in a function: the page looks at the imports and loads all of them."""
    found = {n.split(".")[0] for n in imports(path_of(module).read_text(encoding="utf-8"))}
    assert found & set(HEAVY) == set()


def test_the_digits_need_numpy_alone():
    assert loaded_by("from companion.datasets import digits; digits()") == []


def test_this_test_would_see_one():
    assert loaded_by("import companion, matplotlib") == ["matplotlib"]


def imports(source):
    """All that a module may load: for `from companion import x` also `companion.x`."""
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
        ("from companion.book.show import show_source", ["companion.book.show"]),
        ("from . import show", ["."]),
        ("from ..companion import show", [".."]),
    ],
)
def test_no_import_hides_from_this_test(source, names):
    found = list(imports(source))
    assert set(names) <= set(found)


@pytest.mark.parametrize("module", [*CORE, *names("one_pass"), *names("diagnose")])
def test_the_core_and_what_is_made_of_it_import_numpy_and_each_other(module):
    ours = {"companion", *CORE}
    for room in ("one_pass", "diagnose"):
        if module in names(room):
            ours |= {f"companion.{room}", *names(room)}
    for name in imports(path_of(module).read_text(encoding="utf-8")):
        package = name.split(".")[0]
        if package == "companion":
            assert name in ours or name.rpartition(".")[0] in ours, name  # a module, or in one
        elif package in HEAVY:
            assert package in OUTSIDE.get(module, ()), name


def imports_at_the_top(source):
    """What a module loads when it is imported: not what its functions load when called."""
    tree = ast.parse(source)
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield from imports(ast.unparse(statement))


def test_every_module_that_loads_a_package_is_in_the_table():
    for module in (m for room in ROOMS for m in names(room)):
        loaded = {
            n.split(".")[0]
            for n in imports_at_the_top(path_of(module).read_text(encoding="utf-8"))
        }
        assert loaded & set(HEAVY) <= OUTSIDE.get(module, set()), module


def error_without(package, statement):
    """The type and the words of what `statement` raises where a package is missing."""
    script = (
        f"import sys\nsys.modules[{package!r}] = None\ntry:\n    {statement}\n"
        "except Exception as error:\n    print((type(error).__name__, str(error)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    return ast.literal_eval(run.stdout)


@pytest.mark.parametrize(
    ("module", "package"),
    [(m, p) for m in OUTSIDE if "._" not in m for p in sorted(OUTSIDE[m])],
)
def test_a_missing_package_is_named_with_the_way_to_get_it(module, package):
    kind, words = error_without(package, f"import {module}")
    assert kind == "ImportError"  # not the ModuleNotFoundError of Python's own import
    assert words.startswith(module)
    assert f"pip install {package}" in words


@pytest.mark.parametrize("library", ["scipy", "torch", "tensorflow", "keras"])
def test_a_call_of_a_missing_library_names_it(library):
    package = "tensorflow" if library == "keras" else library  # Keras computes with it here
    statement = (
        "from companion.frameworks.table import value; import numpy as np; "
        f"value({library!r}, 'z', {{'z': np.ones(2)}})"
    )
    kind, words = error_without(package, statement)
    assert kind == "ImportError"
    assert f"pip install {package}." in words


@pytest.mark.parametrize("module", CORE)
def test_the_core_uses_little_of_the_standard_library(module):
    outside = {
        n
        for n in imports(path_of(module).read_text(encoding="utf-8"))
        if not n.startswith("companion")
    }
    assert outside <= {"numpy", *STANDARD, *FILES.get(module, ())}


def test_no_room_imports_one_that_stands_above_it():
    """Arrows point one way: core, one_pass and diagnose, then the rooms made of them."""
    may = {
        "": (),
        "one_pass": (),
        "equivalents": (),
        "frameworks": ("diagnose", "equivalents"),
        "book": (),
        "exercises": ("book", "equivalents", "frameworks", "one_pass"),
    }
    for room, allowed in may.items():
        for module in names(room):
            found = imports(path_of(module).read_text(encoding="utf-8"))
            rooms = {name.split(".")[1] for name in found if name.startswith("companion.")}
            assert rooms & set(ROOMS) <= {room, *allowed}, module


def test_no_import_is_relative():
    # The tests above read full names.
    for path in COMPANION.rglob("*.py"):
        assert not [
            name for name in imports(path.read_text(encoding="utf-8")) if name.startswith(".")
        ], path


def test_every_module_has_its_room():
    for room in ROOMS:
        stems = {path.stem for path in (COMPANION / room).glob("*.py")}
        assert stems == {"__init__", *ROOMS[room].split()}, room
    assert {path.parent.name for path in COMPANION.glob("*/*.py")} == set(ROOMS) - {""}


@pytest.mark.parametrize("module", names("equivalents"))
def test_specifications_import_numpy_and_the_core_only(module):
    outside = {
        n
        for n in imports(path_of(module).read_text(encoding="utf-8"))
        if not n.startswith("companion")
    }
    assert outside <= {"numpy", *STANDARD, "functools"}
    assert loaded_by(f"import {module}") == []
