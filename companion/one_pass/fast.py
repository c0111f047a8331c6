"""The core for large arrays: same names, same contract, fewer trips to memory.

A plain formula sweeps the whole array once for each of its operations, and an array that does
not fit the cache is fetched anew each time. Here rows are taken in blocks that stay in the
cache, every operation writes into the block, and threads share the blocks (NumPy lets go of
the interpreter lock while it computes). Results are those of the core: bit for bit, but for
`softmax_cross_entropy_with_labels_and_grad`, whose docstring says how near they are.

Small arrays, float types other than float32 and float64, and other axes go to the core.
"""

import contextvars
import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import numpy as np

from companion import functions
from companion._core import label_index
from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.losses import softmax_cross_entropy_with_labels
from companion.one_pass._rows import as_out, as_rows, into, is_large

BLOCK = 2**19  # bytes of one block: with its result it stays in the second-level cache
SMALL = 2**15  # entries below which a block is all there is
threads = os.cpu_count() or 1  # how many share the blocks; set it to 1 to measure one core


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
    result = np.empty(x.shape[:-1], x.dtype)
    flat = result.reshape(-1)

    def work(rows, block, scratch):
        largest = _largest(block)
        with np.errstate(invalid="ignore"):  # inf - inf: replaced by the maximum
            total = _others(block, largest, scratch, scratch)
            whole = np.where(np.isfinite(largest), largest + np.log1p(total), largest)
        flat[rows] = whole[:, 0]

    _over_blocks(work, x)
    return result[..., np.newaxis] if keepdims else result


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

    def on_block(block, target, scratch):
        with np.errstate(over="ignore"):
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
        If `x` does not hold real numbers, or `out` has another dtype than the result.
    ValueError
        If `x` is a single number without an axis, or `out` has another shape, is read-only,
        or overlaps `x` without being it.

    Examples
    --------
    >>> log_softmax([[0.0, -1000.0]])
    array([[    0., -1000.]])
    """

    def on_block(block, target, scratch):
        total = _others(block, _largest(block), target, scratch)
        np.subtract(target, np.log1p(total), out=target)

    return _elementwise(functions.log_softmax, on_block, x, axis, out)


def softmax_cross_entropy_with_labels_and_grad(logits, labels, *, out=None):
    """Loss and gradient of integer labels in one sweep.

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
        In nats, one per example. Within 4 ulps of the core's.
    gradient : ndarray, shape (..., K)
        One per example. Within 8 ulps of the core's.

    Raises
    ------
    TypeError
        If labels are not integers, or `out` has another dtype than the logits.
    ValueError
        If labels have the wrong shape or leave 0..K-1, or `out` has another shape, is
        read-only, or overlaps the logits without being them.

    Notes
    -----
    Let e be the exponential at the label and R the sum of the others, both relative to the
    largest logit, S = e + R. The gradient at the label is -R / S and nowhere a difference of
    nearly equal numbers; the loss is log1p(R / e) for a label that is likelier than all others
    together, and log(S) - gap elsewhere.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy_with_labels_and_grad([[40.0, 0.0]], [0])
    >>> loss, gradient
    (array([4.24835426e-18]), array([[-4.24835426e-18,  4.24835426e-18]]))
    """
    logits = np.asarray(logits)
    if not is_large(logits, -1, 1):  # two functions of the core cost more, even for few rows
        loss = softmax_cross_entropy_with_labels(logits, labels)
        gradient = softmax_cross_entropy_with_labels_grad(logits, labels)
        return loss, into(out, logits, gradient)
    index = label_index(labels, logits).reshape(-1)
    result = as_out(out, logits, logits.dtype)
    if not result.flags.c_contiguous:  # rows of it could not be views
        loss, gradient = softmax_cross_entropy_with_labels_and_grad(logits, labels)
        return loss, into(result, logits, gradient)
    loss = np.empty(logits.shape[:-1], logits.dtype)
    flat_loss, flat = loss.reshape(-1), as_rows(result)

    def work(rows, block, scratch):
        flat_loss[rows] = _loss_and_grad(block, index[rows], flat[rows])

    _over_blocks(work, logits)
    return loss, result


def _loss_and_grad(block, index, gradient):
    """The losses of a block of rows; their gradients are written into `gradient`."""
    each = np.arange(len(block))
    with np.errstate(over="ignore"):
        np.subtract(block, _largest(block), out=gradient)
    gap = gradient[each, index]
    np.exp(gradient, out=gradient)
    own = gradient[each, index]
    gradient[each, index] = 0
    others = gradient.sum(axis=-1)
    total = own + others
    np.divide(gradient, total[:, np.newaxis], out=gradient)
    gradient[each, index] = -others / total
    with np.errstate(over="ignore", divide="ignore"):  # an own of 0: not the branch taken
        likely = np.log1p(others / own)
    return np.where(own > others, likely, np.log(total) - gap)


def _largest(block):
    return block.max(axis=-1, keepdims=True)


def _others(block, largest, gaps, exps):
    """Row sums of the exponentials but the largest; gaps and exponentials into two arrays.

    They may be one array. As in `_core.sum_parts`, in place.
    """
    with np.errstate(over="ignore", under="ignore"):
        np.subtract(block, largest, out=gaps)
        peaks = gaps == 0
        np.exp(gaps, out=exps)
        np.copyto(exps, 0, where=peaks)
        rest = exps.sum(axis=-1, keepdims=True)
    if np.count_nonzero(peaks) != np.count_nonzero(np.isfinite(largest)):  # ties
        rest += np.maximum(peaks.sum(axis=-1, keepdims=True) - 1, 0)
    return rest


# What all share: blocks and threads.


def _over_blocks(work, x):
    """`work(slice of rows, block, scratch)` for all blocks, by several threads."""
    rows = as_rows(x)
    step = max(1, BLOCK // (rows.shape[1] * rows.itemsize))
    starts = range(0, len(rows), step)

    def every(first):
        # One scratch array for all blocks of a thread: new memory costs more than the work.
        scratch = np.empty((min(step, len(rows)), rows.shape[1]), rows.dtype)
        for start in starts[first::workers]:
            block = rows[start : start + step]
            work(slice(start, start + len(block)), block, scratch[: len(block)])

    workers = min(threads, len(starts))
    # Each with the caller's np.errstate. The caller takes its share.
    runs = [
        _helpers(workers - 1).submit(contextvars.copy_context().run, every, first)
        for first in range(1, workers)
    ]
    try:
        every(0)
    finally:
        wait(runs)  # none may write into the result after it was given back
    for run in runs:
        run.result()  # raises what the thread raised


@cache
def _helpers(count):
    """Threads that stay: starting them anew takes a tenth of the time of a large array."""
    return ThreadPoolExecutor(count)


if hasattr(os, "register_at_fork"):  # a forked process has the pool, but not its threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def _elementwise(core, on_block, x, axis, out):
    x = np.asarray(x)
    if not is_large(x, axis, SMALL):
        return into(out, x, core(x, axis))
    result = as_out(out, x, x.dtype)
    if not result.flags.c_contiguous:  # rows of it could not be views
        return into(result, x, _elementwise(core, on_block, x, axis, None))
    flat = as_rows(result)

    def work(rows, block, scratch):
        on_block(block, flat[rows], scratch)

    _over_blocks(work, x)
    return result
