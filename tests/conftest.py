"""Shared by the tests: the same examples in every run, and frameworks that must be there.

The tests of the core start with this file where there is NumPy, pytest and Hypothesis. So what
only some tests need is imported by the fixture that gives it.
"""

import importlib
import os
import shutil
import sys
import warnings

import pytest
from hypothesis import settings

import companion

# The same examples every time, so that a failure can be repeated; no deadline on slow machines.
settings.register_profile("book", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("book")
# Where the question is whether the tests start: --hypothesis-profile=few
settings.register_profile("few", settings.get_profile("book"), max_examples=5)


@pytest.fixture
def shown(capfd):
    """Shows a line in the output of `make test`, whatever is captured."""

    def show(line):
        with capfd.disabled():
            print(f"\n{line}", file=sys.stderr)

    return show


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow. A missing framework fails the test, it does not skip it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of its own import are not ours to mend
        import tensorflow
    return tensorflow


@pytest.fixture(scope="session")
def keras(tensorflow):
    """Keras, on TensorFlow."""
    import keras

    assert keras.backend.backend() == "tensorflow"
    return keras


@pytest.fixture(scope="session")
def in_keras(keras):
    """What runs inside Keras."""
    from companion.frameworks import keras as in_keras

    return in_keras


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """`once(fill)`: the folder that `fill(folder)` fills, for all processes of a run."""
    from filelock import FileLock

    alone = worker_id == "master"
    shared = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent

    def folder_of(fill):
        folder = shared / fill.__name__
        with FileLock(folder.with_suffix(".lock")):
            done = folder.with_suffix(".done")
            if not done.exists():  # also if the process that began has failed
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return folder_of


def built(folder, build=None):
    """Build the book in a folder."""
    import book

    result = (build or book.build)(folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


@pytest.fixture(scope="session")
def html(once):
    """The folder of the built book, the Chinese edition in zh/. Tests leave it as it is."""

    def book(folder):
        from book import build_chinese, copy_of_the_repository

        built(copy_of_the_repository(folder))
        built(folder, build_chinese)

    return once(book) / "_build" / "html"


@pytest.fixture(scope="session")
def addressed(once):
    """The folder of a small built book that has both addresses."""

    def small_book(folder):
        from book import addressed_book, build_chinese

        built(addressed_book(folder))
        built(folder, build_chinese)

    return once(small_book) / "_build" / "html"


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium."""
    from tools import browser

    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(html):
    """The address of the built book, served as a host of files does."""
    from live_page import site_of

    with site_of(html) as address:
        yield address


@pytest.fixture
def visit(site, chromium):
    """`visit(name)`: opens a page in a browser that remembers nothing."""
    from live_page import visiting

    with visiting(chromium, site) as visit:
        yield visit


def use_in_place_of_the_core(name):
    """Let `companion.softmax` and the others be those of another module, on blocks of any size.

    tests/test_fast.py runs the contract tests of the core so, unchanged.
    """
    module = importlib.import_module(f"companion.one_pass.{name}")
    fused = module.softmax_cross_entropy_with_labels_and_grad
    replaced = {n: getattr(module, n) for n in ("softmax", "log_softmax", "logsumexp")}
    replaced["softmax_cross_entropy_with_labels_and_grad"] = fused
    replaced["softmax_cross_entropy_with_labels"] = lambda z, y, **given: fused(z, y, **given)[
        0
    ]
    replaced["softmax_cross_entropy_with_labels_grad"] = lambda z, y, **given: fused(
        z, y, **given
    )[1]
    module.SMALL = 0
    for public, function in replaced.items():
        setattr(companion, public, function)


if "IN_PLACE_OF_THE_CORE" in os.environ:
    use_in_place_of_the_core(os.environ["IN_PLACE_OF_THE_CORE"])
