"""The core compiled by Numba: each row in one trip to memory, rows shared by all cores.

For those who have Numba (the extra `fast`). Names and contract are those of `fast`, beside it.
What that leaves to the core is left to it here, and so are rows of one class and rows without
a finite maximum. The first call of a function with a dtype compiles it, which takes seconds.

How near. Searches for the worst rows of at most 100,000 classes, one large logit and many whose
exponentials are about half an ulp of 1, found results within 10 ulps of the exact ones and 32
of the core's, whose own rounding is most of that. What comes before is not counted: the gap of
a logit to the largest is rounded, and half an ulp of a gap g is g / 4 to g ulps of its
exponential, here as in the core. Exponentials below the smallest normal number are each off by
as much as the smallest number of the type, and so are the sums of such.

Threads and processes. `threads`, a whole number of at least 1, is how many threads share the
rows: at first the number of cores that this process may use when it imports the module. They
are those of `fast`, and what its docstring says of them holds here. Numba's own threads are not
used, since a forked process would wait for them or be ended: `numba.set_num_threads` changes
nothing here. A fork waits until a compilation in another thread has ended.
"""

import math
import os

import numpy as np

from companion import derivatives, functions
from companion.one_pass._rows import (
    as_large,
    as_rows,
    cores,
    counted,
    dense_out,
    into,
    over_blocks,
    weigh,
)

try:
    import numba
    from numba.core.compiler_lock import global_compiler_lock
except ImportError as error:
    raise ImportError(
        "companion.one_pass.compiled needs Numba: pip install numba. "
        "companion.one_pass.fast has the same functions in NumPy alone."
    ) from error

SMALL = 2**13  # entries below which the call costs more than it brings
PART = 1024  # exponentials that are computed before they are added, in the nearest cache
SUMMED = 128  # of them are added in the precision of the row, and their sums in twice float64
threads = cores()  # how many share the rows; set it to 1 to measure one core
# Sums in any order, so that they become vectors; nan and infinities are what they are.
LOOSE = {"reassoc", "contract", "nsz"}
STRICT = {"contract"}  # a product and a sum in one rounding, and nothing else
COMPILED = {}  # by dtype and name

# A child that is forked during a compilation would have the lock of a thread that is not there.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


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
        Within 32 ulps of the core's, or of the largest logit's where those are larger.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `axis` is not one integer.
    ValueError
        If `x` is a single number without an axis.

    Examples
    --------
    >>> logsumexp(np.zeros((2, 3)))
    array([1.09861229, 1.09861229])
    """
    large = _as_large(x, axis)
    if large is None:
        return functions.logsumexp(x, axis, keepdims)
    rows, result = as_rows(large), np.empty((*large.shape[:-1], 1), large.dtype)
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
        Within 32 ulps of the core's. `out`, if given.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, `axis` is not one integer, or `out` has another dtype
        than the result.
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
        In nats. Within 32 ulps of the core's. `out`, if given.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, `axis` is not one integer, or `out` has another dtype
        than the result.
    ValueError
        If `x` is a single number without an axis, or `out` has another shape, is read-only,
        or overlaps `x` without being it.

    Examples
    --------
    >>> log_softmax([[0.0, -1000.0]])
    array([[    0., -1000.]])
    """
    return _elementwise("log_softmax", x, axis, out)


def softmax_cross_entropy_with_labels_and_grad(logits, labels, *, weights=None, out=None):
    """`companion.softmax_cross_entropy_with_labels_and_grad`, compiled.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies both. Where it is 0 the example does not count:
        both are 0, and its label and logits are not looked at.
    out : ndarray, shape (..., K), optional
        Where to write the gradients; may be `logits` itself, which then is lost.

    Returns
    -------
    loss : ndarray, shape (...)
        In nats, one per example. Within 32 ulps of the core's.
    gradient : ndarray, shape (..., K)
        With respect to the logits, one per example. Within 32 ulps of the core's.
        `out`, if given.

    Raises
    ------
    TypeError
        If labels are not integers, or `out` has another dtype than the logits.
    ValueError
        If labels have the wrong shape or leave 0..K-1, weights are not one finite number per
        example, or `out` has another shape, is read-only, or overlaps the logits without being
        them.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy_with_labels_and_grad([[40.0, 0.0]], [0])
    >>> loss, gradient
    (array([4.24835426e-18]), array([[-4.24835426e-18,  4.24835426e-18]]))
    """
    core = derivatives.softmax_cross_entropy_with_labels_and_grad
    large = _as_large(logits, -1)
    if large is None:
        loss, gradient = core(logits, labels, weights=weights)
        return loss, into(out, np.asarray(logits), gradient)
    weights, index = counted(weights, labels, large)
    result, dense = dense_out(out, large)
    rows, gradient = as_rows(large), as_rows(dense)
    loss = np.empty(large.shape[:-1], large.dtype)
    flat = loss.reshape(-1)
    odd = _run("loss_and_grad", rows, np.require(index, requirements="CA"), flat, gradient)
    odd = odd[weights[odd] != 0]
    flat[odd], gradient[odd] = core(rows[odd], index[odd])
    weigh(weights, flat)
    weigh(weights, gradient)
    return loss[()], into(result, large, dense)


def _elementwise(name, x, axis, out):
    large, core = _as_large(x, axis), getattr(functions, name)
    if large is None:
        return into(out, np.asarray(x), core(x, axis))
    result, dense = dense_out(out, large)
    rows, filled = as_rows(large), as_rows(dense)
    odd = _run(name, rows, filled)
    filled[odd] = core(rows[odd])
    return into(result, large, dense)


def _as_large(x, axis):
    """As in `fast`; but loops over rows of one class are slower than the core's sweeps."""
    large = as_large(x, axis, SMALL)
    return None if large is None or large.shape[-1] == 1 else large


def _run(name, rows, *others):
    """Fill arrays by a loop; the rows that it left out, for the core: infinities and nan."""
    loop, odd = _loop(name, rows.dtype), np.empty(len(rows), bool)

    def work(part, block, scratch):
        dense = np.require(block, requirements="CA")  # other loops do not become vectors
        loop(dense, *(array[part] for array in others), odd[part])

    over_blocks(work, rows, threads)
    return np.flatnonzero(odd)


def _loop(name, dtype):
    """A loop for one dtype, compiled when it is first needed."""
    if (name, dtype) not in COMPILED:
        with global_compiler_lock:  # one thread compiles, others wait for it
            if (name, dtype) not in COMPILED:
                loop, types = LOOPS[dtype][name]
                compiled = numba.njit([types], nogil=True, error_model="numpy")(loop)
                COMPILED[name, dtype] = compiled
    return COMPILED[name, dtype]


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


def _loops(real, whole, exp):
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

    @numba.njit(error_model="numpy")
    def fill(row, largest, out):
        for j in range(len(row)):
            out[j] = exp(row[j] - largest)

    @numba.njit(error_model="numpy")
    def replace(values, largest):  # the same of arrays that overlap would not become vectors
        for j in range(len(values)):
            values[j] = exp(values[j] - largest)

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def sum_of(values):
        total = real(0)
        for j in range(len(values)):
            total += values[j]
        return total

    @numba.njit(fastmath=LOOSE, error_model="numpy")
    def apart(values):
        """The sum of what is not 1, and how often 1 is there."""
        rest, ones = real(0), whole(0)
        for j in range(len(values)):
            rest += real(0) if values[j] == 1 else values[j]
            ones += whole(values[j] == 1)
        return rest, ones

    @numba.njit(error_model="numpy")
    def plus(total, lost, term):
        """The next sum, and what all sums until now have rounded away (Knuth's two-sum)."""
        new = total + term
        seen = new - total
        return new, lost + ((total - (new - seen)) + (term - seen))

    @numba.njit(error_model="numpy")
    def add_up(values, total, lost, ones):
        """Add values to a sum that leaves out every 1, and count those."""
        for start in range(0, len(values), SUMMED):
            some = values[start : start + SUMMED]
            rest = sum_of(some)
            if rest >= 1:  # a 1 may be among them
                rest, count = apart(some)
                ones += count
            total, lost = plus(total, lost, np.float64(rest))
        return total, lost, ones

    @numba.njit(error_model="numpy")
    def others_of(row, largest, out):
        """Sum of the exponentials of all entries but one that is the largest.

        They are written into `out`; where that is shorter than the row, part over part. They
        are added without the exponential of the largest, 1, in which small ones would drown.
        """
        total, lost, ones = 0.0, 0.0, np.int64(0)
        in_place, keep = row.ctypes.data == out.ctypes.data, len(out) == len(row)
        for start in range(0, len(row), PART):
            part = row[start : start + PART]
            exps = out[start : start + PART] if keep else out[: len(part)]
            if in_place:
                replace(exps, largest)
            else:
                fill(part, largest, exps)
            total, lost, ones = add_up(exps, total, lost, ones)
        return (total + lost) + (ones - 1)

    @numba.njit
    def scale(values, factor):
        for j in range(len(values)):
            values[j] *= factor

    @numba.njit
    def lower(row, largest, log_rest, out):
        for j in range(len(row)):
            out[j] = (row[j] - largest) - log_rest

    def logsumexp(x, out, odd):
        room = np.empty(min(PART, x.shape[1]), x.dtype)
        for i in range(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                out[i] = np.float64(largest) + math.log1p(others_of(x[i], largest, room))

    def softmax(x, out, odd):
        for i in range(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                others = others_of(x[i], largest, out[i])
                scale(out[i], real(1 / (1 + others)))

    def log_softmax(x, out, odd):
        room = np.empty(min(PART, x.shape[1]), x.dtype)
        for i in range(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                log_rest = math.log1p(others_of(x[i], largest, room))
                lower(x[i], largest, real(log_rest), out[i])

    def loss_and_grad(x, labels, loss, out, odd):
        for i in range(len(x)):
            largest = largest_of(x[i])
            odd[i] = not math.isfinite(largest)
            if not odd[i]:
                gap = np.float64(x[i, labels[i]] - largest)
                others = others_of(x[i], largest, out[i])
                surprise = math.log1p(others) - gap
                scale(out[i], real(1 / (1 + others)))
                out[i, labels[i]] = math.expm1(-surprise)
                loss[i] = surprise

    rows = numba.types.Array(numba.from_dtype(np.dtype(real)), 2, "C", readonly=True)
    labels = numba.types.Array(numba.intp, 1, "C", readonly=True)
    filled, each, flags = rows.copy(readonly=False), rows.dtype[::1], numba.boolean[::1]
    types = {
        logsumexp: (rows, each, flags),
        softmax: (rows, filled, flags),
        log_softmax: (rows, filled, flags),
        loss_and_grad: (rows, labels, each, filled, flags),
    }
    return {loop.__name__: (loop, arguments) for loop, arguments in types.items()}


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
LOOPS = {
    np.dtype(np.float32): _loops(np.float32, np.int32, EXP32),
    np.dtype(np.float64): _loops(np.float64, np.int64, EXP64),
}
