"""What rounds when in 16-bit types, float16 and bfloat16, where frameworks share it.

A framework's function is made of steps, and each step computes in float32 and rounds to
16 bits. NumPy's arithmetic does that by itself for single operations. Only its sums do not:
along some axes they round after every addition.
"""

import numpy as np


def is_short(x):
    """Whether an array holds 16-bit floats.

    Parameters
    ----------
    x : ndarray
        Numbers.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_short(np.float16([1])), is_short(np.float32([1])), is_short(np.int16([1]))
    (True, False, False)
    """
    return x.dtype.itemsize == 2 and x.dtype.kind not in "iu"


def wide(x):
    """An array as float32 or wider, to compute several operations before one rounding.

    Parameters
    ----------
    x : ndarray of float
        Numbers.

    Returns
    -------
    ndarray, shape of `x`

    Examples
    --------
    >>> wide(np.float16([1])).dtype
    dtype('float32')
    """
    return x.astype(np.promote_types(x.dtype, np.float32), copy=False)


def total(x, axis=None, keepdims=False):
    """The sum of an array, computed in float32 or wider and rounded once.

    Parameters
    ----------
    x : ndarray of float
        Numbers.
    axis : int, tuple of int, or None
        What to sum over. None means all axes.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    ndarray
        With the dtype of `x`: 65520 and more is inf in float16.

    Examples
    --------
    >>> total(np.full(3, 30000, np.float16))
    np.float16(inf)
    """
    with np.errstate(over="ignore"):
        return wide(x).sum(axis, keepdims=keepdims).astype(x.dtype)


def logsumexp(x, axis, keepdims=True):
    """log(sum(exp(x - max))) + max, every step rounded: as PyTorch and TensorFlow have it.

    Parameters
    ----------
    x : ndarray of float
        Logits in a 16-bit type.
    axis : int
        What to sum over.
    keepdims : bool
        Keep that axis, with length 1.

    Returns
    -------
    ndarray

    Examples
    --------
    A loss of 4e-4 is lost: 1 + 4e-4 is 1 in float16.

    >>> logsumexp(np.array([0, -8], np.float16), -1)
    array([0.], dtype=float16)
    """
    with np.errstate(all="ignore"):
        largest = x.max(axis, keepdims=True, initial=-np.inf)
        largest = np.where(np.isinf(largest), x.dtype.type(0), largest)
        sums = np.log(total(np.exp(x - largest), axis, keepdims=True)) + largest
    return sums if keepdims else sums.squeeze(axis)
