"""The core compiled by Numba: each row in one trip to memory, rows shared by all cores.

For those who have Numba (the extra `fast`). Names and contract are those of `fast`, beside it.
What that leaves to the core is left to it here, and so are rows without a finite maximum.
Results are within a few ulps of the core's. The first call with a dtype compiles, which takes
seconds. `numba.set_num_threads` sets how many cores share the rows.
"""

import math
import threading

import numpy as np

from companion import functions
from companion._core import label_index
from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.losses import softmax_cross_entropy_with_labels
from companion.one_pass._rows import as_out, as_rows, into, is_large

try:
    import numba
except ImportError as error:
    raise ImportError(
        "companion.one_pass.compiled needs Numba: pip install numba. "
        "companion.one_pass.fast has the same functions in NumPy alone."
    ) from error

SMALL = 2**13  # entries below which starting the threads costs more than it brings
SUMMED = 1024  # terms that are added in the precision of the row; their sums in float64
# Sums in any order, so that they become vectors; nan and infinities are what they are.
LOOSE = {"reassoc", "contract", "nsz"}
STRICT = {"contract"}  # a product and a sum in one rounding, and nothing else
one_at_a_time = threading.Lock()  # not every threading layer of Numba stands two callers


def logsumexp(x, axis=-1, keepdims=False):
    """`companion.logsumexp`, compiled.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis to sum over.
    keepdims : bool
        Keep that axis, with length 1.

    Returns
    -------
    ndarray, shape (...)
        Within 4 ulps of the core's, or of the largest logit's where those are larger.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` is a single number without an axis.

    Examples
    --------
    >>> logsumexp(np.zeros((2, 3)))
    array([1.09861229, 1.09861229])
    """
    x = np.asarray(x)
    if not is_large(x, axis, SMALL):
        return functions.logsumexp(x, axis, keepdims)
    rows, result = _dense_rows(x), np.empty((*x.shape[:-1], 1), x.dtype)
    flat = result.reshape(-1)
    odd = _run("logsumexp", rows, flat)
    flat[odd] = functions.logsumexp(rows[odd])
    return result if keepdims else result[..., 0][()]


def softmax(x, axis=-1, *, out=None):
    """`companion.softmax`, compiled.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis of the classes.
    out : ndarray, shape (..., K), optional
        Where to write the result; may be `x` itself.

    Returns
    -------
    ndarray, shape (..., K)
        Within 16 ulps of the core's, and as near to the truth. `out`, if given.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `out` has another dtype than the result.
    ValueError
        If `x` is a single number without an axis, or `out` has another shape, is read-only,
        or overlaps `x` without being it.

    Examples
    --------
    >>> z = np.zeros((2, 2))
    >>> softmax(z, out=z)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return _elementwise("softmax", x, axis, out)


def log_softmax(x, axis=-1, *, out=None):
    """`companion.log_softmax`, compiled.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis of the classes.
    out : ndarray, shape (..., K), optional
        Where to write the result; may be `x` itself.

    Returns
    -------
    ndarray, shape (..., K)
        In nats. Within 16 ulps of the core's. `out`, if given.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `out` has another dtype than the result.
    ValueError
        If `x` is a single number without an axis, or `out` has another shape, is read-only,
        or overlaps `x` without being it.

    Examples
    --------
    >>> log_softmax([[0.0, -1000.0]])
    array([[    0., -1000.]])
    """
    return _elementwise("log_softmax", x, axis, out)


def softmax_cross_entropy_with_labels_and_grad(logits, labels, *, out=None):
    """Loss and gradient of integer labels in one sweep, compiled.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    out : ndarray, shape (..., K), optional
        Where to write the gradients; may be `logits` itself, which then is lost.

    Returns
    -------
    loss : ndarray, shape (...)
        In nats, one per example. Within 8 ulps of the core's.
    gradient : ndarray, shape (..., K)
        One per example. Within 16 ulps of the core's.

    Raises
    ------
    TypeError
        If labels are not integers, or `out` has another dtype than the logits.
    ValueError
        If labels have the wrong shape or leave 0..K-1, or `out` has another shape, is
        read-only, or overlaps the logits without being them.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy_with_labels_and_grad([[40.0, 0.0]], [0])
    >>> loss, gradient
    (array([4.24835426e-18]), array([[-4.24835426e-18,  4.24835426e-18]]))
    """
    logits = np.asarray(logits)
    if not is_large(logits, -1, SMALL):
        loss = softmax_cross_entropy_with_labels(logits, labels)
        gradient = softmax_cross_entropy_with_labels_grad(logits, labels)
        return loss, into(out, logits, gradient)
    index = label_index(labels, logits).reshape(-1)
    result, dense = _targets(out, logits)
    rows, gradient = _dense_rows(logits), as_rows(dense)
    loss = np.empty(logits.shape[:-1], logits.dtype)
    flat = loss.reshape(-1)
    odd = _run("loss_and_grad", rows, index, flat, gradient)
    flat[odd] = softmax_cross_entropy_with_labels(rows[odd], index[odd])
    gradient[odd] = softmax_cross_entropy_with_labels_grad(rows[odd], index[odd])
    return loss[()], into(result, logits, dense)


def _elementwise(name, x, axis, out):
    x, core = np.asarray(x), getattr(functions, name)
    if not is_large(x, axis, SMALL):
        return into(out, x, core(x, axis))
    result, dense = _targets(out, x)
    rows, filled = _dense_rows(x), as_rows(dense)
    odd = _run(name, rows, filled)
    filled[odd] = core(rows[odd])
    return into(result, x, dense)


def _dense_rows(x):
    return np.ascontiguousarray(as_rows(x))  # loops over strides do not become vectors


def _targets(out, x):
    """Where the result goes, if that is not a new array; and a contiguous array to fill."""
    result = as_out(out, x, x.dtype)
    if result.flags.c_contiguous:
        return None, result
    return result, np.empty(x.shape, x.dtype)


def _run(name, rows, *others):
    """Fill arrays by a kernel; the rows that it left out, for the core: infinities and nan."""
    odd = np.empty(len(rows), bool)
    with one_at_a_time:
        KERNELS[rows.dtype][name](rows, *others, odd)
    return np.flatnonzero(odd)


# What Numba compiles: one set of loops for each dtype, in code that becomes vectors. Indices
# run from 0 to a length, whole numbers keep the width of the floats: anything else does not.


def _exponential(real, whole, *, mantissa, terms, lowest, halving, log2_high, log2_low):
    """exp(x) for x <= 0 within 1 ulp, subnormal results included.

    x = n log 2 + r with |r| <= log(2) / 2; exp(r) is its series, of so many terms that the
    first left out is below half an ulp; n is added to its exponent. Below `lowest` all is 0.

    2**n may be subnormal. So n + halving is added, which never is, and 2**-halving multiplied.
    log 2 comes in two parts, the first with zeros at its end, so that n times it is exact.
    """
    # Adding this rounds to a whole number, whose lowest bits then are those of the sum.
    rounder = real(1.5 * 2.0**mantissa + halving)
    per_log2, high, low = real(1 / math.log(2)), real(log2_high), real(log2_low)
    lowest, scale = real(lowest), real(2.0**-halving)
    series = tuple(real(1 / math.factorial(n)) for n in range(terms, -1, -1))

    @numba.njit(fastmath=STRICT, error_model="numpy")
    def exp(x):
        x = lowest if x < lowest else x  # nan stays
        shifted = x * per_log2 + rounder
        n = shifted - rounder
        r = (x - n * high) - n * low
        y = series[0]
        for coefficient in series[1:]:
            y = y * r + coefficient
        exponent = whole(real(shifted).view(whole) << whole(mantissa))
        return whole(real(y).view(whole) + exponent).view(real) * scale

    return exp


def _kernels(real, whole, exp):
    """The loops over rows, for one dtype and the whole numbers as wide."""
    magnitude, sign = whole(np.iinfo(whole).max), whole(np.iinfo(whole).bits - 1)
    least = whole(np.iinfo(whole).min)

    @numba.njit
    def ordered(bits):
        """Bits of a float as a whole number of the same order; and back."""
        return whole(bits ^ whole(whole(bits >> sign) & magnitude))

    @numba.njit
    def largest_of(row):
        """The largest entry; nan, if a positive nan is there. A negative one shows in sums."""
        top = least  # of whole numbers: a maximum of floats does not become vectors
        for j in range(len(row)):
            candidate = ordered(real(row[j]).view(whole))
            top = candidate if candidate > top else top
        return whole(ordered(top)).view(real)

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def sum_exps_of(row, largest):
        total = real(0)
        for j in range(len(row)):
            total += exp(row[j] - largest)
        return total

    @numba.njit(error_model="numpy")
    def sum_exps(row, largest):
        total = 0.0
        for start in range(0, len(row), SUMMED):
            total += sum_exps_of(row[start : start + SUMMED], largest)
        return total

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def sum_of(values):
        total = real(0)
        for j in range(len(values)):
            total += values[j]
        return total

    @numba.njit(error_model="numpy")
    def add_up(values):
        total = 0.0
        for start in range(0, len(values), SUMMED):
            total += sum_of(values[start : start + SUMMED])
        return total

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def fill_exps_of(row, largest, out):
        total = real(0)
        for j in range(len(row)):
            e = exp(row[j] - largest)
            out[j] = e
            total += e
        return total

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def replace_by_exps_of(values, largest):
        total = real(0)
        for j in range(len(values)):
            e = exp(values[j] - largest)
            values[j] = e
            total += e
        return total

    @numba.njit(error_model="numpy")
    def fill_exps(row, largest, out):
        """As sum_exps, and the exponentials are kept."""
        total = 0.0
        # Two arrays that overlap do not become vectors. One array does, with the same sums.
        in_place = row.ctypes.data == out.ctypes.data
        for start in range(0, len(row), SUMMED):
            part = out[start : start + SUMMED]
            if in_place:
                total += replace_by_exps_of(part, largest)
            else:
                total += fill_exps_of(row[start : start + SUMMED], largest, part)
        return total

    @numba.njit
    def scale(values, factor):
        for j in range(len(values)):
            values[j] *= factor

    @numba.njit
    def lower(row, largest, rest, out):
        for j in range(len(row)):
            out[j] = (row[j] - largest) - rest

    @numba.njit(error_model="numpy")
    def log_total(row, largest):
        """log of the sum: by log1p, without the largest term, where that term rules."""
        total = sum_exps(row, largest)
        if total >= 2:
            return math.log(total)
        place = 0
        while row[place] != largest:
            place += 1
        before, after = row[:place], row[place + 1 :]
        return math.log1p(sum_exps(before, largest) + sum_exps(after, largest))

    @numba.njit(parallel=True, error_model="numpy")
    def logsumexp(x, out, odd):
        for i in numba.prange(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                out[i] = np.float64(largest) + log_total(x[i], largest)

    @numba.njit(parallel=True, error_model="numpy")
    def softmax(x, out, odd):
        for i in numba.prange(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                total = fill_exps(x[i], largest, out[i])
                scale(out[i], real(1 / total))

    @numba.njit(parallel=True, error_model="numpy")
    def log_softmax(x, out, odd):
        for i in numba.prange(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                rest = real(log_total(x[i], largest))
                lower(x[i], largest, rest, out[i])

    @numba.njit(parallel=True, error_model="numpy")
    def loss_and_grad(x, labels, loss, out, odd):
        for i in numba.prange(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if odd[i]:
                continue
            label = labels[i]
            gap = np.float64(x[i, label] - largest)
            total = fill_exps(x[i], largest, out[i])
            own = np.float64(out[i, label])
            others = total - own
            loss[i] = math.log(total) - gap
            if own > others:  # and the difference has lost digits: the others once more
                out[i, label] = 0
                others = add_up(out[i])
                loss[i] = math.log1p(others / own)
            scale(out[i], real(1 / total))
            out[i, label] = -others / total

    loops = (logsumexp, softmax, log_softmax, loss_and_grad)
    return {loop.__name__: loop for loop in loops}


EXP32 = _exponential(
    np.float32,
    np.int32,
    mantissa=23,
    terms=7,
    lowest=-104,
    halving=64,
    log2_high=0.693145751953125,
    log2_low=1.428606820309417e-06,
)
EXP64 = _exponential(
    np.float64,
    np.int64,
    mantissa=52,
    terms=13,
    lowest=-746,
    halving=128,
    log2_high=0.6931471803691238,
    log2_low=1.9082149292705877e-10,
)
KERNELS = {
    np.dtype(np.float32): _kernels(np.float32, np.int32, EXP32),
    np.dtype(np.float64): _kernels(np.float64, np.int64, EXP64),
}
