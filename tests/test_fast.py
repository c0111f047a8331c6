"""The fast versions keep the contract of the core: its own tests run on them, unchanged.

Besides: equal results on large arrays, `out=`, threads, and what they refuse.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import companion
from companion import fast

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ["values", "extremes", "errors", "properties", "gradients", "references"]
SHAPES = [(300, 1000), (2, 3, 20_000), (40_000,), (40_000, 1), (5000, 10)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def draw(shape, dtype, seed=0):
    x = (10 * np.random.default_rng(seed).normal(size=shape)).astype(dtype)
    return x, np.random.default_rng(seed).integers(shape[-1], size=shape[:-1])


@pytest.fixture(params=[1, 3], autouse=True)
def threads(request, monkeypatch):
    monkeypatch.setattr(fast, "threads", request.param)
    return request.param


def run_contract(module):
    files = [ROOT / "tests" / f"test_{name}.py" for name in CONTRACT]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"IN_PLACE_OF_THE_CORE": module, "PYTEST_ADDOPTS": ""},
    )


def test_the_contract_tests_of_the_core_pass_unchanged(threads):
    if threads != 1:
        return  # the environment decides, not this process' setting
    run = run_contract("fast")
    assert run.returncode == 0, run.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 1000


@every_shape
@every_dtype
def test_results_are_those_of_the_core_bit_for_bit(shape, dtype):
    x, _ = draw(shape, dtype)
    for name in ("softmax", "log_softmax", "logsumexp"):
        got, wanted = getattr(fast, name)(x), getattr(companion, name)(x)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    kept = fast.logsumexp(x, keepdims=True)
    np.testing.assert_array_equal(kept, companion.logsumexp(x, keepdims=True))


@every_shape
@every_dtype
def test_loss_and_gradient_are_near_those_of_the_core(shape, dtype):
    x, labels = draw(shape, dtype)
    loss, gradient = fast.softmax_cross_entropy_with_labels_and_grad(x, labels)
    wanted = companion.softmax_cross_entropy_with_labels(x, labels)
    slope = companion.softmax_cross_entropy_with_labels_grad(x, labels)
    assert (loss.shape, loss.dtype) == (wanted.shape, wanted.dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, wanted, rtol=4 * eps, atol=0)
    np.testing.assert_allclose(gradient, slope, rtol=8 * eps, atol=0)


@every_dtype
def test_sure_and_hopeless_rows(dtype):
    x, labels = draw((4000, 10), dtype)
    x[:1000, 0] += 80  # sure
    labels[:500], labels[500:1000] = 0, 1  # and right, and wrong
    x[1000:1100, 1], labels[1000:1100] = -np.inf, 1  # masked
    loss, gradient = fast.softmax_cross_entropy_with_labels_and_grad(x, labels)
    eps = np.finfo(dtype).eps
    wanted = companion.softmax_cross_entropy_with_labels(x, labels)
    np.testing.assert_allclose(loss, wanted, rtol=4 * eps, atol=0)
    assert (loss[:500] < 1e-6).all()
    assert (loss[:500] > 0).all()
    assert np.isposinf(loss[1000:1100]).all()
    slope = companion.softmax_cross_entropy_with_labels_grad(x, labels)
    np.testing.assert_allclose(gradient, slope, rtol=8 * eps, atol=0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_out_is_filled_and_returned(name):
    x, _ = draw((300, 1000), np.float64)
    f, wanted = getattr(fast, name), getattr(companion, name)(x)
    for out in (
        np.empty_like(x),
        np.empty((600, 1000))[::2],
        np.empty((1000, 300)).T,
        x.copy(),
    ):
        assert f(x, out=out) is out
        np.testing.assert_array_equal(out, wanted)
    here = x.copy()
    assert f(here, out=here) is here
    np.testing.assert_array_equal(here, wanted)
    small = np.zeros((2, 2))
    assert f(small, out=small) is small


def test_out_of_the_loss_may_be_the_logits():
    x, labels = draw((300, 1000), np.float32)
    _, wanted = fast.softmax_cross_entropy_with_labels_and_grad(x, labels)
    for out in (
        x.copy(),
        np.empty((600, 1000), np.float32)[::2],
        np.empty((1000, 300), "f4").T,
    ):
        _, got = fast.softmax_cross_entropy_with_labels_and_grad(x, labels, out=out)
        assert got is out
        np.testing.assert_array_equal(out, wanted)
    here = x.copy()
    fast.softmax_cross_entropy_with_labels_and_grad(here, labels, out=here)
    np.testing.assert_array_equal(here, wanted)


BAD_OUT = {
    "another shape": (lambda x: np.empty((1000, 300)), ValueError, "out must have the shape"),
    "another dtype": (lambda x: np.empty(x.shape, "f4"), TypeError, "out must be an array of"),
    "a list": (lambda x: [], TypeError, "out must be an array of dtype float64; got list"),
    "overlapping": (lambda x: x[1:], ValueError, "out must be the logits themselves or not"),
    "read-only": (
        lambda x: np.broadcast_to(0.0, (299, 1000)),
        ValueError,
        "out must be writeable",
    ),
}


@pytest.mark.parametrize("case", BAD_OUT)
@pytest.mark.parametrize("size", ["large", "small"])
def test_bad_out_is_refused_and_nothing_is_written(case, size):
    make, error, text = BAD_OUT[case]
    x, labels = draw((300, 1000), np.float64)
    before, logits = x.copy(), x[:299]
    given = make(logits if case != "overlapping" else x)
    if size == "small":
        if case != "overlapping":
            return
        x = np.zeros((3, 2))
        before, logits, labels, given = x.copy(), x[:2], np.array([0, 1, 0]), x[1:]
    for call in (
        lambda: fast.softmax(logits, out=given),
        lambda: fast.log_softmax(logits, out=given),
        lambda: fast.softmax_cross_entropy_with_labels_and_grad(
            logits, labels[: len(logits)], out=given
        ),
    ):
        with pytest.raises(error, match=text):
            call()
    np.testing.assert_array_equal(x, before)


def test_a_workers_exception_reaches_the_caller(monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("in a worker")

    monkeypatch.setattr(fast, "_others", broken)
    x, _ = draw((300, 1000), np.float64)
    with pytest.raises(ZeroDivisionError, match="in a worker"):
        fast.logsumexp(x)


def test_workers_have_the_callers_error_state():
    x, _ = draw((3000, 100), np.float64)
    x[7, 3] = np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(fast.softmax(x)[7]).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        fast.softmax(x)


def test_rows_without_a_softmax_leave_others_alone():
    x, labels = draw((3000, 100), np.float64)
    rows = x.copy()
    rows[5], rows[6, 0] = -np.inf, np.inf
    good = np.ones(3000, bool)
    good[[5, 6]] = False
    with np.errstate(invalid="ignore"):
        loss, gradient = fast.softmax_cross_entropy_with_labels_and_grad(rows, labels)
        probs = fast.softmax(rows)
    wanted, slope = fast.softmax_cross_entropy_with_labels_and_grad(x, labels)
    np.testing.assert_array_equal(loss[good], wanted[good])
    np.testing.assert_array_equal(gradient[good], slope[good])
    assert np.isnan(loss[~good]).all()
    assert np.isnan(probs[~good]).all()
    assert fast.logsumexp(rows)[[5, 6]].tolist() == [-np.inf, np.inf]


def test_no_argument_is_changed():
    x, labels = draw((300, 1000), np.float32)
    x.setflags(write=False)
    labels.setflags(write=False)
    fast.softmax(x)
    fast.softmax_cross_entropy_with_labels_and_grad(x, labels)
    strided = draw((300, 2000), np.float32)[0][:, ::2]
    np.testing.assert_array_equal(fast.softmax(strided), companion.softmax(strided))
