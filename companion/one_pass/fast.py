"""The core for large arrays: same names, same contract, fewer trips to memory.

A plain formula sweeps the whole array once for each of its operations, and an array that does
not fit the cache is fetched anew each time. Here rows are taken in blocks that stay in the
cache, every operation writes into the block, and threads share the blocks (NumPy lets go of
the interpreter lock while it computes). Results are those of the core, bit for bit, however
the array lies in memory.

Small arrays, float types other than float32 and float64, and other axes go to the core.

Threads and processes. `threads`, a whole number of at least 1, is how many threads share the
blocks: at first the number of cores that this process may use when it imports the module. The
caller is one of them; the others are started when they are first needed, and stay. Any number
of threads may call at one time. Where no thread can be started, as after the end of the main
thread or in `atexit`, the caller does all the work. A process may fork at any time: the child
starts threads of its own.
"""

import numpy as np

from companion import derivatives, functions
from companion._core import only
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

SMALL = 2**15  # entries below which a block is all there is
threads = cores()  # how many share the blocks; set it to 1 to measure one core


def logsumexp(x, axis=-1, keepdims=False):
    """`companion.logsumexp`, by blocks.

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
        Equal to the core's, bit for bit.

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
    large = as_large(x, axis, SMALL)
    if large is None:
        return functions.logsumexp(x, axis, keepdims)
    result = np.empty((*large.shape[:-1], 1), large.dtype)
    flat = as_rows(result)

    def work(part, block, scratch):
        largest = _largest(block)
        with np.errstate(invalid="ignore"):  # inf - inf: replaced by the maximum
            whole = largest + _log1p(_others(block, largest, scratch, scratch)[0])
        flat[part] = np.where(np.isfinite(largest), whole, largest)

    _over_blocks(work, large)
    return result if keepdims else result[..., 0][()]


def softmax(x, axis=-1, *, out=None):
    """`companion.softmax`, by blocks.

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
        Equal to the core's, bit for bit. `out`, if given.

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

    def on_block(block, target, scratch):
        with np.errstate(over="ignore", under="ignore"):
            np.subtract(block, _largest(block), out=target)
            np.exp(target, out=target)
            np.divide(target, target.sum(axis=-1, keepdims=True), out=target)

    return _elementwise(functions.softmax, on_block, x, axis, out)


def log_softmax(x, axis=-1, *, out=None):
    """`companion.log_softmax`, by blocks.

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
        In nats. Equal to the core's, bit for bit. `out`, if given.

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

    def on_block(block, target, scratch):
        rest, _ = _others(block, _largest(block), target, scratch)
        np.subtract(target, _log1p(rest), out=target)

    return _elementwise(functions.log_softmax, on_block, x, axis, out)


def softmax_cross_entropy_with_labels_and_grad(logits, labels, *, weights=None, out=None):
    """`companion.softmax_cross_entropy_with_labels_and_grad`, by blocks.

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
        In nats, one per example. Equal to the core's, bit for bit.
    gradient : ndarray, shape (..., K)
        With respect to the logits, one per example. Equal to the core's, bit for bit. `out`,
        if given.

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
    large = as_large(logits, -1, 1)  # the core takes two exponentials of each, also of few
    if large is None:
        core = derivatives.softmax_cross_entropy_with_labels_and_grad
        loss, gradient = core(logits, labels, weights=weights)
        return loss, into(out, np.asarray(logits), gradient)
    weights, index = counted(weights, labels, large)
    result, dense = dense_out(out, large)
    loss = np.empty(large.shape[:-1], large.dtype)
    flat_loss, flat = loss.reshape(-1), as_rows(dense)

    def work(part, block, scratch):
        counting = only(weights[part] != 0, block)
        flat_loss[part] = _loss_and_grad(counting, index[part], flat[part], scratch)
        weigh(weights[part], flat_loss[part])
        weigh(weights[part], flat[part])

    _over_blocks(work, large)
    return loss[()], into(result, large, dense)


def _loss_and_grad(block, index, gradient, scratch):
    """The losses of a block of rows; their gradients are written into `gradient`."""
    each = np.arange(len(block))
    with np.errstate(over="ignore", under="ignore"):
        rest, below = _others(block, _largest(block), gradient, scratch)
        loss = np.log1p(rest[:, 0]) - gradient[each, index]
        np.add(scratch, ~below, out=scratch)  # again all of them, added as softmax does
        np.divide(scratch, scratch.sum(axis=-1, keepdims=True), out=gradient)
        gradient[each, index] = np.expm1(-loss)
    return loss


def _largest(block):
    return block.max(axis=-1, keepdims=True)


def _log1p(rest):
    with np.errstate(under="ignore"):
        return np.log1p(rest)


def _others(block, largest, gaps, exps):
    """Row sums of the exponentials but the largest; and what is below the largest.

    Gaps and exponentials, 0 for the largest, are written into two arrays, which may be one.
    As in `_core.sum_parts`, in place.
    """
    with np.errstate(over="ignore", under="ignore"):
        np.subtract(block, largest, out=gaps)
        below = gaps < 0
        np.exp(gaps, out=exps)
        np.multiply(exps, below, out=exps)
        rest = exps.sum(axis=-1, keepdims=True)
    if below.size - np.count_nonzero(below) != len(block):  # ties, or nan: all but one count
        rest += (~below).sum(axis=-1, keepdims=True) - 1
    return rest, below


def _over_blocks(work, x):
    """`work(slice of rows, block, scratch of the block's shape)` for all blocks."""
    rows = as_rows(x)

    def on_block(part, block, scratch):
        work(part, block, scratch[: len(block)])

    over_blocks(on_block, rows, threads, lambda shape: np.empty(shape, rows.dtype))


def _elementwise(core, on_block, x, axis, out):
    large = as_large(x, axis, SMALL)
    if large is None:
        return into(out, np.asarray(x), core(x, axis))
    result, dense = dense_out(out, large)
    flat = as_rows(dense)

    def work(part, block, scratch):
        on_block(block, flat[part], scratch)

    _over_blocks(work, large)
    return into(result, large, dense)
