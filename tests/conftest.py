"""Shared by the tests: the same examples in every run, and frameworks that must be there."""

import warnings

import pytest
from hypothesis import settings

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
