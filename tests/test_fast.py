"""`fast` and `compiled` keep the contract of the core: its own tests run on them, unchanged.

Besides: equal results on large arrays, `out=`, threads, and what they refuse.
"""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest

import companion
from companion.one_pass import compiled, fast

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ["values", "extremes", "errors", "properties", "gradients", "references"]
SHAPES = [(300, 1000), (2, 3, 20_000), (40_000,), (40_000, 1), (5000, 10)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def draw(shape, dtype, seed=0):
    x = (10 * np.random.default_rng(seed).normal(size=shape)).astype(dtype)
    return x, np.random.default_rng(seed).integers(shape[-1], size=shape[:-1])


@pytest.fixture(
    params=[(fast, 1), (fast, 3), (compiled, 1), (compiled, 2)],
    ids=lambda pair: f"{pair[0].__name__.removeprefix('companion.one_pass.')}-{pair[1]}",
)
def version(request, monkeypatch):
    """The module under test, with one thread and with several."""
    module, threads = request.param
    monkeypatch.setattr(fast, "threads", threads)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    yield module
    numba.set_num_threads(before)


# How far results may be from the core's, in units in the last place, and whose claim that is.
ULPS = {fast: {"result": 0, "log of a sum": 0, "loss": 4, "gradient": 8}}
ULPS[compiled] = {"result": 16, "log of a sum": 4, "loss": 8, "gradient": 16}
# A claim about the core, not of its contract: it equals SciPy there to the bit, or is nearer.
ONLY_THE_CORE = "test_no_library_is_more_accurate_on_logsumexp_or_log_softmax"


def near(version, what, got, wanted, summand=0):
    """Within so many ulps of the value wanted, or of a summand of it that cancels."""
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    ulp = np.spacing(np.maximum(abs(wanted), abs(summand)).astype(wanted.dtype))
    with np.errstate(invalid="ignore"):  # inf - inf
        far = ~((got == wanted) | (abs(got - wanted) <= ULPS[version][what] * ulp))
    assert not far.any(), (got[far][:5], wanted[far][:5])


def run_contract(module, *options):
    files = [ROOT / "tests" / f"test_{name}.py" for name in CONTRACT]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *options,
            *files,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"IN_PLACE_OF_THE_CORE": module, "PYTEST_ADDOPTS": ""},
    )


@pytest.mark.parametrize(
    ("module", "options"), [("fast", []), ("compiled", ["-k", f"not {ONLY_THE_CORE}"])]
)
def test_the_contract_tests_of_the_core_pass_unchanged(module, options):
    run = run_contract(module, *options)
    assert run.returncode == 0, run.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 1000


@every_shape
@every_dtype
def test_results_are_those_of_the_core(version, shape, dtype):
    x, _ = draw(shape, dtype)
    for name in ("softmax", "log_softmax"):
        near(version, "result", getattr(version, name)(x), getattr(companion, name)(x))
    for keepdims in (False, True):
        got, wanted = (
            f(x, keepdims=keepdims) for f in (version.logsumexp, companion.logsumexp)
        )
        near(version, "log of a sum", got, wanted, x.max(axis=-1, keepdims=keepdims))


@every_dtype
def test_probabilities_below_the_normal_ones(dtype):
    # The scaling by 2**n in two steps; a whole ulp of the smallest may go at each rounding.
    x = np.linspace(0, np.log(np.finfo(dtype).smallest_subnormal) - 2, 40_000, dtype=dtype)
    got, wanted = compiled.softmax(x), companion.softmax(x)
    assert (got[wanted == 0] == 0).all()
    assert ((wanted > 0) & (wanted < np.finfo(dtype).tiny)).any()
    np.testing.assert_array_less(abs(got - wanted), 8 * np.spacing(wanted))


@every_dtype
def test_a_nan_of_either_sign_spoils_its_row_alone(version, dtype):
    x, labels = draw((300, 1000), dtype)
    rows = x.copy()
    rows[3, 5], rows[4, 5] = np.nan, np.copysign(np.nan, -1)
    rows[5] = -np.inf
    rows[5, 9] = np.copysign(np.nan, -1)
    spoilt = np.isin(np.arange(300), [3, 4, 5])
    for name in ("softmax", "log_softmax", "logsumexp"):
        got, clean = getattr(version, name)(rows), getattr(version, name)(x)
        np.testing.assert_array_equal(got[~spoilt], clean[~spoilt])
        assert np.isnan(got[spoilt]).all()
    loss, gradient = version.softmax_cross_entropy_with_labels_and_grad(rows, labels)
    assert np.isnan(loss[spoilt]).all()
    assert np.isnan(gradient[spoilt]).all()
    assert np.isfinite(loss[~spoilt]).all()


def test_without_numba_the_error_says_what_to_install():
    script = "import sys; sys.modules['numba'] = None; import companion.one_pass.compiled"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ImportError: companion.one_pass.compiled needs Numba: pip install" in run.stderr
    assert "companion.one_pass.fast has the same functions" in run.stderr


@every_shape
@every_dtype
def test_loss_and_gradient_are_near_those_of_the_core(version, shape, dtype):
    x, labels = draw(shape, dtype)
    loss, gradient = version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    wanted = companion.softmax_cross_entropy_with_labels(x, labels)
    slope = companion.softmax_cross_entropy_with_labels_grad(x, labels)
    near(version, "loss", loss, wanted)
    near(version, "gradient", gradient, slope)


@every_dtype
def test_sure_and_hopeless_rows(version, dtype):
    x, labels = draw((4000, 10), dtype)
    x[:1000, 0] += 80  # sure
    labels[:500], labels[500:1000] = 0, 1  # and right, and wrong
    x[1000:1100, 1], labels[1000:1100] = -np.inf, 1  # masked
    loss, gradient = version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    wanted = companion.softmax_cross_entropy_with_labels(x, labels)
    near(version, "loss", loss, wanted)
    assert (loss[:500] < 1e-6).all()
    assert (loss[:500] > 0).all()
    assert np.isposinf(loss[1000:1100]).all()
    slope = companion.softmax_cross_entropy_with_labels_grad(x, labels)
    near(version, "gradient", gradient, slope)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_out_is_filled_and_returned(version, name):
    x, _ = draw((300, 1000), np.float64)
    f = getattr(version, name)
    wanted = f(x)
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


def test_out_of_the_loss_may_be_the_logits(version):
    x, labels = draw((300, 1000), np.float32)
    _, wanted = version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    for out in (
        x.copy(),
        np.empty((600, 1000), np.float32)[::2],
        np.empty((1000, 300), "f4").T,
    ):
        _, got = version.softmax_cross_entropy_with_labels_and_grad(x, labels, out=out)
        assert got is out
        np.testing.assert_array_equal(out, wanted)
    here = x.copy()
    version.softmax_cross_entropy_with_labels_and_grad(here, labels, out=here)
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
def test_bad_out_is_refused_and_nothing_is_written(version, case, size):
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
        lambda: version.softmax(logits, out=given),
        lambda: version.log_softmax(logits, out=given),
        lambda: version.softmax_cross_entropy_with_labels_and_grad(
            logits, labels[: len(logits)], out=given
        ),
    ):
        with pytest.raises(error, match=text):
            call()
    np.testing.assert_array_equal(x, before)


def test_a_workers_exception_reaches_the_caller(monkeypatch):
    def broken(block, *args):
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError("in a worker")
        return np.zeros((len(block), 1))

    monkeypatch.setattr(fast, "_others", broken)
    monkeypatch.setattr(fast, "threads", 3)
    x, _ = draw((300, 1000), np.float64)
    with pytest.raises(ZeroDivisionError, match="in a worker"):
        fast.logsumexp(x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork on this system")
def test_a_forked_process_starts_its_own_threads():
    script = (
        "import os, numpy as np; from companion.one_pass import fast; fast.threads = 3\n"
        "x = np.zeros((300, 1000)); fast.softmax(x); child = os.fork()\n"
        "y = fast.softmax(x)\n"
        "if child: assert os.waitpid(child, 0)[1] == 0"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


def test_the_callers_own_exception_waits_for_the_other_threads(monkeypatch):
    done = []

    def slow_elsewhere(*args):
        if threading.current_thread() is threading.main_thread():
            raise ZeroDivisionError("in the caller")
        time.sleep(0.2)
        done.append(1)
        return np.zeros((len(args[0]), 1))

    monkeypatch.setattr(fast, "_others", slow_elsewhere)
    monkeypatch.setattr(fast, "threads", 2)
    with pytest.raises(ZeroDivisionError, match="in the caller"):
        fast.logsumexp(np.zeros((132, 1000)))
    assert done == [1]


def test_workers_have_the_callers_error_state(version):
    x, _ = draw((3000, 100), np.float64)
    x[7, 3] = np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(version.softmax(x)[7]).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        version.softmax(x)


def test_rows_without_a_softmax_leave_others_alone(version):
    x, labels = draw((3000, 100), np.float64)
    rows = x.copy()
    rows[5], rows[6, 0] = -np.inf, np.inf
    good = np.ones(3000, bool)
    good[[5, 6]] = False
    with np.errstate(invalid="ignore"):
        loss, gradient = version.softmax_cross_entropy_with_labels_and_grad(rows, labels)
        probs = version.softmax(rows)
    wanted, slope = version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    np.testing.assert_array_equal(loss[good], wanted[good])
    np.testing.assert_array_equal(gradient[good], slope[good])
    assert np.isnan(loss[~good]).all()
    assert np.isnan(probs[~good]).all()
    assert version.logsumexp(rows)[[5, 6]].tolist() == [-np.inf, np.inf]


def test_no_argument_is_changed(version):
    x, labels = draw((300, 1000), np.float32)
    x.setflags(write=False)
    labels.setflags(write=False)
    version.softmax(x)
    version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    strided = draw((300, 2000), np.float32)[0][:, ::2]
    near(version, "result", version.softmax(strided), companion.softmax(strided))
