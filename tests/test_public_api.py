"""Public names, and docstrings that say shapes, errors and one executed example."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import FunctionDoc
from numpydoc.validate import validate
from test_errors import OF_ARRAY

import companion
from companion.book.show import source_of

MODULES = [
    importlib.import_module(f"companion.{name}")
    for name in (
        "_core functions naive information losses derivatives distillation regression "
        "relatives datasets book.plotting book.zh book.show book.measured one_pass.streaming "
        "one_pass.fast one_pass.linear one_pass._rows one_pass.compiled one_pass.distributed "
        "diagnose.arrays diagnose._kinds diagnose._reading diagnose._rows diagnose._outputs "
        "diagnose._labels diagnose._losses diagnose._given diagnose._calibration "
        "diagnose._not_finite diagnose._beside"
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
        distillation_loss distillation_loss_grad softmax_kl_divergence
        softmax_cross_entropy_with_labels_and_grad
        sigmoid_cross_entropy sigmoid_cross_entropy_grad
        softmax_entropy softmax_entropy_grad softmax_kl_divergence_grad
        softmax_kl_divergence_target_grad softmax_js_divergence softmax_js_divergence_grad
    """
    assert set(promised.split()) == set(companion.__all__)


@every_function
def test_docstring_has_its_sections(f):
    doc = FunctionDoc(f)
    assert doc["Summary"], f.__name__
    documented = {name.strip("* ") for p in doc["Parameters"] for name in p.name.split(",")}
    assert documented == set(inspect.signature(f).parameters)
    assert doc["Returns"] or f.__name__ in ("book_style", "over_blocks")
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


# What numpydoc's own validation finds and we do not want: an extended summary and a See Also
# everywhere, a capital letter for a formula or for a function's name, a verb in the
# imperative, and a sentence where the type says all.
NOT_WANTED = {"ES01", "SA01", "SA03", "SS02", "SS05", "RT03"}


@pytest.mark.parametrize("name", companion.__all__)
def test_numpydoc_finds_nothing_to_complain_about(name):
    errors = validate(f"companion.{name}")["errors"]
    assert [error for error in errors if error[0] not in NOT_WANTED] == []


@pytest.mark.parametrize("name", companion.__all__)
def test_results_say_their_shape(name):
    results = FunctionDoc(getattr(companion, name))["Returns"]
    assert len(results) == 1 + name.endswith("_and_grad")
    for result in results:
        assert "shape" in result.type
        assert result.type.startswith("ndarray")


@pytest.mark.parametrize("wrong", [["a"], 3.0], ids=["strings", "one number"])
@pytest.mark.parametrize("name", OF_ARRAY)
def test_what_is_raised_is_documented(name, wrong):
    with pytest.raises((TypeError, ValueError)) as caught:
        OF_ARRAY[name](wrong)
    documented = {kind.type for kind in FunctionDoc(getattr(companion, name))["Raises"]}
    assert caught.type.__name__ in documented


def test_every_function_of_arrays_is_among_those_that_are_tried():
    # The errors of these have cases of their own.
    others = {"one_hot", "numerical_gradient"}
    others |= {"sigmoid_cross_entropy", "sigmoid_cross_entropy_grad"}
    assert set(OF_ARRAY) | others == set(companion.__all__)


def test_arguments_after_the_star_have_no_default():
    for f in (companion.distillation_loss, companion.distillation_loss_grad):
        named = inspect.signature(f).parameters
        for name in ("temperature", "alpha"):
            assert named[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert named[name].default is inspect.Parameter.empty


def test_one_function_has_one_meaning():
    # No from_logits, no reduction, no temperature where the caller can divide.
    for name in companion.__all__:
        parameters = set(inspect.signature(getattr(companion, name)).parameters)
        assert not parameters & {"from_logits", "reduction", "dtype", "out", "where", "eps"}
        assert "temperature" not in parameters or name.startswith("distillation")
