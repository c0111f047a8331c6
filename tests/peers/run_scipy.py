"""SciPy's own tests, scipy/special/tests/test_logsumexp.py, on the core of the package.

SciPy's signature is put around ours: `axis=None` sums over everything, tuples are allowed,
and a number is an array with one entry. `b=` and `return_sign=` are what ours do not have.
"""

import importlib
import re
import sys
from unittest import mock

import numpy as np
import pytest
from report import CALLS, Tally, counted, report

from companion import functions
from companion.equivalents.axes import over_axes

TESTS = "scipy.special.tests.test_logsumexp"
B = "ours has no weights: logsumexp(a, b=...)"
SIGN = "ours returns no sign: return_sign=True"
COMPLEX = "complex logits have no order, and the package no use for them"
# Regular expressions on the names of cases, and why they are out.
EXCLUDED = {
    r"test_wrap_radians": "not a function of ours",
    r"test_logsumexp_b|test_logsumexp_shape|test_dtypes_ab|test_no_writeback": B,
    r"test_device": B,
    r"test_logsumexp_sign|test_gh22903|test_gh23548": SIGN,
    r"complex|test_gh21709|test_gh22601.*j": COMPLEX,
}


def unshifted(x, keepdims):
    with np.errstate(all="ignore"):
        return np.log(np.exp(np.asarray(x, np.float64)).sum(-1, keepdims=keepdims))


def plain_log(x, keepdims):
    m = x.max(-1, keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, 0)
    with np.errstate(all="ignore"):
        result = m + np.log(np.exp(x - m).sum(-1, keepdims=True))
    return result if keepdims else result[..., 0]


BROKEN = {
    "logsumexp: no shift by the maximum": unshifted,
    "logsumexp: the sum without log1p": plain_log,
    "logsumexp: sign flipped": lambda x, keepdims: -functions.logsumexp(x, keepdims=keepdims),
    "logsumexp: always float64": lambda x, keepdims: functions.logsumexp(
        np.asarray(x, np.float64), keepdims=keepdims
    ),
    "softmax: not normalised": lambda x: np.exp(x - x.max(-1, keepdims=True)),
    "softmax: no shift by the maximum": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax: the logarithm of softmax": lambda x: np.log(functions.softmax(x)),
    "log_softmax: sign flipped": lambda x: -functions.log_softmax(x),
}


def like_scipy(f):
    """`f`, which works on the last axis, with SciPy's idea of an axis."""

    def along(a, axis=None):
        a = np.asarray(a)
        return over_axes(f, np.atleast_1d(a), axis).reshape(a.shape)[()]

    return along


def logsumexp_like_scipy(f):
    def along(a, axis=None, *, keepdims=False):
        a = np.atleast_1d(np.asarray(a))
        result = over_axes(lambda rows: f(rows, keepdims=True), a, axis)
        return result if keepdims else result.squeeze(axis)[()]

    return along


class Cases:
    """A pytest plugin: leaves out what is excluded by name, and tallies the rest."""

    def __init__(self, tally, chosen):
        self.tally, self.chosen = tally, chosen

    def pytest_collection_modifyitems(self, items):
        kept = []
        for item in items:
            keys = [name for name in EXCLUDED if re.search(name, item.name)]
            if keys:
                self.tally.exclude(item.name, EXCLUDED, keys[0])
            elif self.chosen(item):
                kept.append(item)
        items[:] = kept

    def pytest_runtest_setup(self):
        CALLS.clear()

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::", 1)[1]
        if report.skipped:
            self.tally.excluded[name] = f"skipped by SciPy: {report.longrepr[2]}"
        elif report.failed:
            self.tally.failed.append(f"{name}: {report.longreprtext[-300:]}")
        elif report.when == "call":
            if CALLS:
                self.tally.passed.append(name)
            else:
                self.tally.failed.append(f"{name}: ours was not called")


def run(broken):
    # Anew each time: an iterator in a decorator there is used up by the first collection.
    sys.modules.pop(TESTS, None)
    tests = importlib.import_module(TESTS)
    f = {
        "logsumexp": functions.logsumexp,
        "softmax": functions.softmax,
        "log_softmax": functions.log_softmax,
    }
    name = broken.split(":")[0] if broken else None
    if name:
        f[name] = BROKEN[broken]
    stand_in = {
        name: counted(
            name, (logsumexp_like_scipy if name == "logsumexp" else like_scipy)(function)
        )
        for name, function in f.items()
    }
    of = {
        "logsumexp": "TestLogSumExp",
        "softmax": "TestSoftmax",
        "log_softmax": "TestLogSoftmax",
    }
    tally = Tally()
    cases = Cases(tally, lambda item: not name or item.cls.__name__ == of[name])
    with mock.patch.multiple(tests, **stand_in):
        options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--no-summary"]
        pytest.main([*options, "-c", "/dev/null", tests.__file__], plugins=[cases])
    return tally


if __name__ == "__main__":
    report(run, BROKEN, EXCLUDED)
