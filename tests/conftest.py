"""Shared by the tests: the same examples in every run, and frameworks that must be there."""

import importlib
import os
import warnings

import pytest
from book import addressed_book, build, copy_book
from hypothesis import settings

import companion

# The same examples every time, so that a failure can be repeated; no deadline on slow machines.
settings.register_profile("book", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("book")


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow. A missing framework fails the test, it does not skip it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of its own import are not ours to mend
        import tensorflow
    return tensorflow


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The folder of the built book."""
    folder = copy_book(tmp_path_factory.mktemp("book"))
    result = build(folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def addressed(tmp_path_factory):
    """The folder of a small built book that has both addresses."""
    folder = addressed_book(tmp_path_factory.mktemp("addressed"))
    result = build(folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder / "_build" / "html"


def use_in_place_of_the_core(name):
    """Let `companion.softmax` and the others be those of another module, on blocks of any size.

    tests/test_fast.py runs the contract tests of the core so, unchanged.
    """
    module = importlib.import_module(f"companion.one_pass.{name}")
    fused = module.softmax_cross_entropy_with_labels_and_grad
    replaced = {n: getattr(module, n) for n in ("softmax", "log_softmax", "logsumexp")}
    replaced["softmax_cross_entropy_with_labels_and_grad"] = fused
    replaced["softmax_cross_entropy_with_labels"] = lambda z, y: fused(z, y)[0]
    replaced["softmax_cross_entropy_with_labels_grad"] = lambda z, y: fused(z, y)[1]
    module.SMALL = 0
    for public, function in replaced.items():
        setattr(companion, public, function)


if "IN_PLACE_OF_THE_CORE" in os.environ:
    use_in_place_of_the_core(os.environ["IN_PLACE_OF_THE_CORE"])
