"""What `fast` and `compiled` share: large arrays, blocks of rows, threads, `out=`."""

import operator
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import lru_cache
from queue import SimpleQueue

import numpy as np

from companion._core import as_weights, label_index, only

BLOCK = 2**19  # bytes of one block: with its result it stays in the second-level cache


def as_large(x, axis, small):
    """`x` as an array that blocks are worth it for, or None: then it is the core's.

    Worth it are many float32 or float64 numbers with the classes on the last axis.

    Parameters
    ----------
    x : array_like, any shape
        Logits.
    axis : int
        Axis of the classes.
    small : int
        Number of entries below which they are not.

    Returns
    -------
    ndarray or None
        Never with a mask: the core has the words to refuse one.

    Examples
    --------
    >>> as_large(np.zeros((2, 3)), -1, 6)
    array([[0., 0., 0.],
           [0., 0., 0.]])
    >>> as_large(np.zeros((2, 3)), 0, 6) is None
    True
    """
    if isinstance(x, np.ma.MaskedArray):
        return None
    x = np.asarray(x)
    worth = (
        x.ndim > 0
        and x.size >= max(small, 1)
        and x.dtype in (np.float32, np.float64)
        and x.dtype.isnative
        and isinstance(axis, (int, np.integer))
        and axis in (-1, x.ndim - 1)
    )
    return x if worth else None


def as_rows(x):
    """One row per example: a view of a contiguous array, else a copy.

    Parameters
    ----------
    x : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (N, K)

    Examples
    --------
    >>> as_rows(np.zeros((2, 3, 4))).shape
    (6, 4)
    """
    return x.reshape(-1, x.shape[-1])


def as_each(weights, x):
    """Weights of the rows of `x`: 1 each, unless given.

    Parameters
    ----------
    weights : array_like, shape (...), or None
        One number per example.
    x : ndarray, shape (..., K)
        Logits.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If weights are not real numbers.
    ValueError
        If there is not one for each example, or one is not finite.

    Examples
    --------
    >>> as_each(None, np.zeros((2, 3)))
    array([1., 1.])
    """
    if weights is None:
        return np.ones(x.shape[:-1], x.dtype)
    return as_weights(weights, x.shape[:-1], x.dtype)


def counted(weights, labels, x):
    """Weights and checked labels, one for each row of `x`.

    Parameters
    ----------
    weights : array_like, shape (...), or None
        One number per example.
    labels : array_like of int, shape (...)
        True classes; anything where the weight is 0.
    x : ndarray, shape (..., K)
        Logits.

    Returns
    -------
    weights : ndarray, shape (N,)
    index : ndarray of int, shape (N,)
        Labels, and 0 where the weight is 0.

    Raises
    ------
    TypeError
        If labels are not integers, or weights not real numbers.
    ValueError
        If the shape of either does not fit, a label that counts leaves 0..K-1, or a weight is
        not finite.

    Examples
    --------
    >>> counted([True, False], [2, -100], np.zeros((2, 3)))
    (array([1., 0.]), array([2, 0]))
    """
    weights = as_each(weights, x)
    return weights.reshape(-1), label_index(only(weights != 0, labels), x).reshape(-1)


def weigh(weights, result):
    """Multiply losses or gradients by the weights of their examples, where they lie.

    Parameters
    ----------
    weights : ndarray, shape (N,)
        One number per example.
    result : ndarray, shape (N,) or (N, K)
        Is written over; 0, and not nan, where the weight is 0.

    Returns
    -------
    None

    Examples
    --------
    >>> loss = np.array([1.0, np.nan])
    >>> weigh(np.array([3.0, 0.0]), loss)
    >>> loss
    array([3., 0.])
    """
    if (weights == 1).all():
        return
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # 0 * inf, which is 0
        np.multiply(result.T, weights, out=result.T)
    result[weights == 0] = 0


def spread(part, kept, weights):
    """What was computed for the examples that count, among zeros for the others.

    Parameters
    ----------
    part : ndarray, shape (M,) or (M, D)
        Losses or gradients.
    kept : ndarray of int, shape (M,)
        Which examples they belong to.
    weights : ndarray, shape (N,)
        Of all examples.

    Returns
    -------
    ndarray, shape (N,) or (N, D)
        `part` itself, if all count.

    Examples
    --------
    >>> spread(np.array([5.0]), [1], np.array([0.0, 1.0, 0.0]))
    array([0., 5., 0.])
    """
    if len(kept) == len(weights):
        return part
    whole = np.zeros(weights.shape + part.shape[1:], part.dtype)
    whole[kept] = part
    return whole


def cores():
    """How many threads can run at one time: the cores that this process may use.

    Returns
    -------
    int
        At least 1. Fewer than the machine has where an affinity is set, as schedulers do.

    Examples
    --------
    >>> 1 <= cores() <= os.cpu_count()
    True
    """
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def over_blocks(work, rows, threads, scratch_of=lambda shape: None):
    """`work` on blocks of rows, each by the thread that is free first; the caller is one.

    Parameters
    ----------
    work : callable
        Takes the slice of a block, the block, and scratch that is its thread's alone.
    rows : ndarray, shape (N, K)
        What to cut into blocks.
    threads : int
        How many may work at one time.
    scratch_of : callable, optional
        Makes the scratch of one thread, from the shape of the largest block.

    Raises
    ------
    ValueError
        If `threads` is not a whole number of at least 1.

    Notes
    -----
    Where no thread can be had, as at the end of the interpreter, the caller does it all. Each
    block reports that it is done, and all of them are waited for, so that no thread writes into
    a result that was given back. An exception in any thread is raised in the caller's.

    Examples
    --------
    >>> x = np.zeros((3, 2**17))
    >>> over_blocks(lambda rows, block, scratch: print(rows, block.shape), x, 1)
    slice(0, 1, None) (1, 131072)
    slice(1, 2, None) (1, 131072)
    slice(2, 3, None) (1, 131072)
    """
    threads = _as_count(threads)
    step = min(len(rows), max(1, BLOCK // (rows.shape[1] * rows.itemsize)))
    starts = range(0, len(rows), step)
    waiting, done = deque(slice(a, a + step) for a in starts), SimpleQueue()
    # One scratch for all blocks of a thread: new memory costs more than the work.
    own, *others = (scratch_of((step, rows.shape[1])) for _ in range(min(threads, len(starts))))
    with suppress(RuntimeError):  # no thread can be started
        for scratch in others:  # each with the caller's np.errstate
            context = copy_context()
            _helpers(threads - 1).submit(context.run, _help, work, rows, waiting, done, scratch)
    _help(work, rows, waiting, done, own)
    for error in [done.get() for _ in starts]:
        if error is not None:
            raise error


def _as_count(threads):
    with suppress(TypeError):
        if operator.index(threads) >= 1:
            return operator.index(threads)
    raise ValueError(f"threads must be a whole number of at least 1; got {threads!r}.")


def _help(work, rows, waiting, done, scratch):
    """Work until no block is waiting, or one fails: then nobody begins another."""
    for part in _taken(waiting):
        error = _error_of(work, part, rows[part], scratch)
        done.put(error)
        if error is not None:
            for _ in _taken(waiting):
                done.put(None)


def _taken(waiting):
    with suppress(IndexError):  # the last is taken
        while True:
            yield waiting.popleft()


def _error_of(work, *given):
    try:
        work(*given)
    except BaseException as error:  # also the interrupt: the caller raises it
        return error


@lru_cache(maxsize=1)
def _helpers(count):
    """Threads that stay: starting them anew takes a tenth of the time of a large array.

    One pool. Another count replaces it, and the threads of the old one end.
    """
    return ThreadPoolExecutor(count, "companion")


if hasattr(os, "register_at_fork"):  # a forked process has the pool, but not its threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def into(out, x, result):
    """`result`, or `out` with the result written into it.

    Parameters
    ----------
    out : ndarray, shape of `x`, or None
        Where to write it.
    x : ndarray, any shape
        What the result was computed from.
    result : ndarray, shape of `x`
        What to write.

    Returns
    -------
    ndarray, shape of `x`

    Raises
    ------
    TypeError
        If `out` has another dtype than the result.
    ValueError
        If `out` has another shape, is read-only, or overlaps `x` without being it.

    Examples
    --------
    >>> into(None, np.zeros(2), np.ones(2))
    array([1., 1.])
    """
    if out is None:
        return result
    as_out(out, x, result.dtype)[...] = result
    return out


def dense_out(out, x):
    """An array to fill row by row, and where it then is to be copied, if anywhere.

    Parameters
    ----------
    out : ndarray, shape of `x`, or None
        Where the caller wants the result.
    x : ndarray, any shape
        What it is computed from.

    Returns
    -------
    result : ndarray or None
        `out`, if its rows cannot be filled as they are; for `into`.
    dense : ndarray, shape and dtype of `x`
        Contiguous.

    Raises
    ------
    TypeError
        If `out` has another dtype than `x`.
    ValueError
        If `out` has another shape, is read-only, or overlaps `x` without being it.

    Examples
    --------
    >>> out = np.empty((3, 2)).T
    >>> result, dense = dense_out(out, np.zeros((2, 3)))
    >>> result is out, dense.flags.c_contiguous
    (True, True)
    """
    result = as_out(out, x, x.dtype)
    if result.flags.c_contiguous and result.flags.aligned:
        return None, result
    return result, np.empty(x.shape, x.dtype)


def as_out(out, x, dtype):
    """`out` if it can take the result, a new array if there is none.

    Parameters
    ----------
    out : ndarray, shape of `x`, or None
        Where the caller wants the result.
    x : ndarray, any shape
        What it is computed from.
    dtype : numpy.dtype
        That of the result.

    Returns
    -------
    ndarray, shape of `x`

    Raises
    ------
    TypeError
        If `out` has another dtype than the result.
    ValueError
        If `out` has another shape, is read-only, or overlaps `x` without being it.

    Examples
    --------
    >>> z = np.zeros(3)
    >>> as_out(z[1:], z[:2], z.dtype)
    Traceback (most recent call last):
    ...
    ValueError: out must be the logits themselves or not overlap them; it overlaps.
    """
    if out is None:
        return np.empty(x.shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        kind = getattr(out, "dtype", type(out).__name__)
        raise TypeError(f"out must be an array of dtype {dtype}; got {kind}.")
    if out.shape != x.shape:
        raise ValueError(f"out must have the shape of the logits, {x.shape}; got {out.shape}.")
    if not out.flags.writeable:
        raise ValueError("out must be writeable; got a read-only array. Pass a copy.")
    same = out is x or (
        out.__array_interface__["data"] == x.__array_interface__["data"]
        and out.strides == x.strides
    )
    if not same and np.may_share_memory(out, x) and np.shares_memory(out, x):
        raise ValueError("out must be the logits themselves or not overlap them; it overlaps.")
    return out
