"""What `fast` and `compiled` share: which arrays are large, rows, and where a result goes."""

import numpy as np


def is_large(x, axis, small):
    """Whether blocks are worth it: many native floats, with the classes on the last axis.

    Parameters
    ----------
    x : ndarray, any shape
        Logits.
    axis : int
        Axis of the classes.
    small : int
        Number of entries below which they are not.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_large(np.zeros((2, 3)), -1, 6), is_large(np.zeros((2, 3)), 0, 6)
    (True, False)
    """
    return (
        x.ndim > 0
        and x.size >= max(small, 1)
        and x.dtype in (np.float32, np.float64)
        and x.dtype.isnative
        and isinstance(axis, int)
        and axis in (-1, x.ndim - 1)
    )


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
