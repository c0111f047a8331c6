"""Public names, and docstrings that say shapes, errors and one executed example."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import FunctionDoc

import companion
from companion.show import source_of

MODULES = [
    importlib.import_module(f"companion.{name}")
    for name in (
        "functions naive information losses derivatives distillation regression datasets "
        "plotting show"
    ).split()
]
LONGEST_BODY = 16


def functions_of(module):
    return [
        f
        for name, f in inspect.getmembers(module, inspect.isfunction)
        if f.__module__ == module.__name__ and not name.startswith("_")
    ]


FUNCTIONS = [f for module in MODULES for f in functions_of(module)]
every_function = pytest.mark.parametrize(
    "f", FUNCTIONS, ids=[f"{f.__module__}.{f.__name__}" for f in FUNCTIONS]
)


def test_all_lists_the_public_names_and_nothing_else():
    modules = {module.name for module in pkgutil.iter_modules(companion.__path__)}
    public = {name for name in vars(companion) if not name.startswith("_")} - modules
    assert set(companion.__all__) == public
    assert companion.__all__ == sorted(companion.__all__)


def test_the_promised_names_are_there():
    promised = """
        logsumexp softmax log_softmax one_hot entropy cross_entropy kl_divergence
        softmax_cross_entropy softmax_cross_entropy_with_labels softmax_squared_error
        softmax_jacobian softmax_jvp softmax_cross_entropy_grad
        softmax_cross_entropy_with_labels_grad softmax_squared_error_grad numerical_gradient
        distillation_loss distillation_loss_grad
    """
    assert set(promised.split()) == set(companion.__all__)


@every_function
def test_docstring_has_its_sections(f):
    doc = FunctionDoc(f)
    assert doc["Summary"], f.__name__
    documented = {name.strip("* ") for p in doc["Parameters"] for name in p.name.split(",")}
    assert documented == set(inspect.signature(f).parameters)
    assert doc["Returns"] or f.__name__ == "book_style"
    assert all(p.type for p in doc["Parameters"])


@every_function
def test_errors_are_documented(f):
    if "raise " in source_of(f):
        assert FunctionDoc(f)["Raises"]


@every_function
def test_shapes_are_on_the_type_line(f):
    if f.__name__ not in companion.__all__:
        return
    arrays = ("x", "logits", "targets", "labels", "tangents", "p", "q")
    for parameter in FunctionDoc(f)["Parameters"]:
        if any(name in arrays for name in parameter.name.split(", ")):
            assert "shape" in parameter.type, f"{f.__name__}: {parameter.name}"


@every_function
def test_there_is_an_executed_example(f):
    # make test runs them all; a function without one would pass unseen
    finder = doctest.DocTestFinder(recurse=False)
    assert any(test.examples for test in finder.find(f, module=inspect.getmodule(f)))


@every_function
def test_bodies_are_short(f):
    body = source_of(f).split("\n")[1:]
    code = [line for line in body if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= LONGEST_BODY + 6 * f.__module__.endswith("plotting"), len(code)


@every_function
def test_no_latex_in_docstrings(f):
    assert not re.search(r"\\(frac|sum|log)|\$", f.__doc__)
