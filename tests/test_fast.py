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

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpydoc.docscrape import FunctionDoc

import companion
from companion.one_pass import _rows, compiled, fast

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
    monkeypatch.setattr(module, "threads", threads)
    return module


# How far results may be from the core's, in units in the last place. tests/test_ulps.py has the
# rows for which `compiled` and the core are farthest from the truth.
ULPS = {fast: 0, compiled: 32}
NAMES = ["logsumexp", "softmax", "log_softmax", "softmax_cross_entropy_with_labels_and_grad"]
# A claim about the core, not of its contract: it equals SciPy there to the bit, or is nearer.
ONLY_THE_CORE = (
    "(test_no_library_is_more_accurate_on_logsumexp_or_log_softmax"
    " or test_every_axis_and_layout_gives_the_same_digits"  # other axes go to the core
    " or test_the_jacobian_is_symmetric_and_right_off_the_diagonal)"
)


def near(version, got, wanted, summand=0):
    """Within so many ulps of the value wanted, or of a summand of it that cancels."""
    assert (type(got), got.shape, got.dtype) == (type(wanted), wanted.shape, wanted.dtype)
    ulp = np.spacing(np.maximum(abs(wanted), abs(summand)).astype(wanted.dtype))
    with np.errstate(invalid="ignore"):  # inf - inf
        far = ~((got == wanted) | (abs(got - wanted) <= ULPS[version] * ulp))
    far &= ~(np.isnan(got) & np.isnan(wanted))
    assert not far.any(), (got[far][:5], wanted[far][:5])


def near_in_all(version, x, labels):
    """All functions, on one array."""
    for name in ("softmax", "log_softmax"):
        near(version, getattr(version, name)(x), getattr(companion, name)(x))
    for keepdims in (False, True):
        got, wanted = (
            f(x, keepdims=keepdims) for f in (version.logsumexp, companion.logsumexp)
        )
        near(version, got, wanted, x.max(axis=-1, keepdims=keepdims))
    pairs = (
        f.softmax_cross_entropy_with_labels_and_grad(x, labels) for f in (version, companion)
    )
    for got, wanted in zip(*pairs, strict=True):
        near(version, got, wanted)


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
        encoding="utf-8",
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
    near_in_all(version, *draw(shape, dtype))


# One array in many guises. Each takes a contiguous array and gives one that is equal to it.
LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "rows apart": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "rows backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "transposed": lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 0)).transpose(
        *range(1, x.ndim), 0
    ),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "unaligned": lambda x: np.frombuffer(b" " + x.tobytes(), x.dtype, offset=1).reshape(
        x.shape
    ),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "a list": lambda x: x.tolist() if x.dtype == np.float64 else x,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_every_layout_gives_the_digits_of_the_core(layout, data):
    ndim = data.draw(st.integers(1, 3))
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim)))
    shape = (*shape[:-1], data.draw(st.sampled_from([1, 2, 7, 8, 127, 128, 129, 300])))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    x, labels = draw(shape, dtype, data.draw(st.integers(0, 99)))
    if data.draw(st.booleans()):
        x = x.round()  # ties
    given = LAYOUTS[layout](x)
    np.testing.assert_array_equal(given, x)
    for version in (fast, compiled):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(version, "SMALL", 0)
            patch.setattr(_rows, "BLOCK", data.draw(st.sampled_from([1, 2000, 2**19])))
            y = LAYOUTS[layout](labels) if labels.ndim else labels
            near_in_all(version, np.asarray(given) if layout == "a list" else given, y)
            near(version, version.softmax(given), companion.softmax(given))


def test_broadcast_rows(version):
    row, _ = draw((1000,), np.float64)
    near_in_all(version, np.broadcast_to(row, (300, 1000)), np.arange(300))


@pytest.mark.parametrize("size", [10, 100_000])
def test_types_are_the_same_for_small_and_large_inputs(version, size):
    x = np.zeros(size)
    assert type(version.logsumexp(x)) is np.float64
    assert type(version.softmax_cross_entropy_with_labels_and_grad(x, 0)[0]) is np.float64


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_mask_is_refused_in_the_words_of_the_core(version, size):
    masked = np.ma.masked_array(np.zeros(size), mask=np.zeros(size, bool))
    for call in (
        version.softmax,
        version.log_softmax,
        version.logsumexp,
        lambda z: version.softmax_cross_entropy_with_labels_and_grad(z, 0),
    ):
        with pytest.raises(TypeError, match=r"use x\.filled"):
            call(masked)


@pytest.mark.parametrize("axis", [None, (0, 1), 1.0, "last"], ids=repr)
@pytest.mark.parametrize("shape", [(2, 3), (300, 1000)], ids=str)
def test_an_axis_is_one_integer(version, axis, shape):
    for f in (version.softmax, version.log_softmax, version.logsumexp):
        with pytest.raises(TypeError, match="axis must be one integer"):
            f(np.zeros(shape), axis=axis)


def test_no_setting_of_the_caller_makes_an_underflow_an_error(version):
    x, labels = draw((300, 1000), np.float64)
    x[:, 0] += 1000
    x[0, 1], x[0, 2] = 1.7e308, -1.7e308
    with np.errstate(all="raise"):
        version.softmax(x)
        version.log_softmax(x)
        version.logsumexp(x)
        version.softmax_cross_entropy_with_labels_and_grad(x, labels)


def test_rows_of_one_class_are_the_cores(version):
    x, _ = draw((100_000, 1), np.float64)
    assert (version.softmax(x) == 1).all()
    np.testing.assert_array_equal(version.logsumexp(x), x[:, 0])


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
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert "ImportError: companion.one_pass.compiled needs Numba: pip install" in run.stderr
    assert "companion.one_pass.fast has the same functions" in run.stderr


@every_dtype
def test_sure_and_hopeless_rows(version, dtype):
    x, labels = draw((4000, 10), dtype)
    x[:1000, 0] += 80  # sure
    labels[:500], labels[500:1000] = 0, 1  # and right, and wrong
    x[1000:1100, 1], labels[1000:1100] = -np.inf, 1  # masked
    loss, gradient = version.softmax_cross_entropy_with_labels_and_grad(x, labels)
    wanted = companion.softmax_cross_entropy_with_labels(x, labels)
    near(version, loss, wanted)
    assert (loss[:500] < 1e-6).all()
    assert (loss[:500] > 0).all()
    assert np.isposinf(loss[1000:1100]).all()
    slope = companion.softmax_cross_entropy_with_labels_grad(x, labels)
    near(version, gradient, slope)


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


def of_other_threads(function):
    """`_others`, but other threads call `function` first, and the caller waits for one."""
    original, begun = fast._others, threading.Event()

    def changed(*args):
        if threading.current_thread() is threading.main_thread():
            assert begun.wait(timeout=60)
        else:
            begun.set()
            function()
        return original(*args)

    return changed


def test_a_workers_exception_reaches_the_caller(monkeypatch):
    def broken():
        raise ZeroDivisionError("in a worker")

    monkeypatch.setattr(fast, "_others", of_other_threads(broken))
    monkeypatch.setattr(fast, "threads", 3)
    x, _ = draw((300, 1000), np.float64)
    with pytest.raises(ZeroDivisionError, match="in a worker"):
        fast.logsumexp(x)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_the_callers_own_exception_waits_for_the_other_threads(monkeypatch, error):
    begun, done = [], []

    def slow_elsewhere(block, *args):
        begun.append(1)
        if threading.current_thread() is threading.main_thread():
            raise error("in the caller")
        time.sleep(0.2)
        done.append(1)
        return np.zeros((len(block), 1)), None

    monkeypatch.setattr(fast, "_others", slow_elsewhere)
    monkeypatch.setattr(fast, "threads", 2)
    with pytest.raises(error, match="in the caller"):
        fast.logsumexp(np.zeros((10_000, 1000)))  # 154 blocks
    assert len(begun) == len(done) + 1  # none is at work any more
    assert len(begun) < 5  # and none began a block that nobody needs


@pytest.mark.parametrize("count", [0, -1, 1.5, None, "two"], ids=repr)
def test_a_number_of_threads_that_cannot_be(version, count, monkeypatch):
    monkeypatch.setattr(version, "threads", count)
    with pytest.raises(ValueError, match=r"threads must be a whole number of at least 1; got"):
        version.softmax(np.zeros((300, 1000)))


def test_one_pool_however_large_the_arrays(version, monkeypatch):
    monkeypatch.setattr(version, "threads", 16)
    for blocks in range(1, 17):
        version.softmax(np.zeros((blocks, 2**16)))
    mine = [t for t in threading.enumerate() if t.name.startswith("companion")]
    assert len(mine) <= 15


def test_many_callers_at_one_time(version, monkeypatch):
    monkeypatch.setattr(version, "threads", 3)
    arrays = [draw((200, 1000), np.float64, seed)[0] for seed in range(8)]
    wanted, got = [version.softmax(x) for x in arrays], {}

    def call(i):
        got[i] = [version.softmax(arrays[i]) for _ in range(5)]

    callers = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    for i, right in enumerate(wanted):
        assert all((one == right).all() for one in got[i])


def test_where_no_thread_can_be_started_the_caller_does_it_all(version, monkeypatch):
    class Full:
        def submit(self, *args):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_rows, "_helpers", lambda count: Full())
    monkeypatch.setattr(version, "threads", 3)
    near_in_all(version, *draw((300, 1000), np.float64))


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
    near(version, version.softmax(strided), companion.softmax(strided))


# The docstrings are typed three times, since each says how near its results are.


def parts(module, name):
    doc = FunctionDoc(getattr(module, name))
    return {
        key: [
            (p.name, p.type, " ".join(p.desc))
            for p in doc[key]
            if p.name != "out" and "out" not in " ".join(p.desc)
        ]
        for key in ("Parameters", "Raises")
    } | {"Returns": [(p.name, p.type) for p in doc["Returns"]]}


@pytest.mark.parametrize("name", NAMES)
def test_the_docstrings_agree(name):
    assert parts(fast, name) == parts(compiled, name)
    core = parts(companion, name)
    assert parts(fast, name)["Returns"] == core["Returns"]
    assert parts(fast, name)["Parameters"] == core["Parameters"]
    for raised in parts(fast, name)["Raises"]:
        assert raised in core["Raises"]
    full = {f: FunctionDoc(getattr(f, name)) for f in (fast, compiled)}
    for key in ("Parameters", "Raises"):  # what they say of `out` too
        assert full[fast][key] == full[compiled][key]
    for version, ending in ((fast, "by blocks."), (compiled, "compiled.")):
        assert full[version]["Summary"] == [f"`companion.{name}`, {ending}"]
