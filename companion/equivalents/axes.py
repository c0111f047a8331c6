"""Several axes of classes at once, which frameworks allow and the core does not."""

import math

import numpy as np


def over_axes(f, x, axes):
    """`f` applied along several axes of `x` as if they were one.

    Parameters
    ----------
    f : callable
        Takes an array with the classes on the last axis, returns the same shape, or that
        axis with length 1.
    x : ndarray, shape (...)
        Logits.
    axes : int, tuple of int, or None
        Where the classes are. None means all axes.

    Returns
    -------
    ndarray
        With as many axes as `x`, those of the classes reduced to length 1 if `f` reduces.

    Examples
    --------
    >>> over_axes(lambda x: x.sum(axis=-1, keepdims=True), np.ones((2, 3, 4)), (0, 2)).shape
    (1, 3, 1)
    """
    axes = tuple(range(x.ndim)) if axes is None else np.atleast_1d(axes)
    axes = np.lib.array_utils.normalize_axis_tuple(axes, x.ndim)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    batch, classes = moved.shape[: x.ndim - len(axes)], moved.shape[x.ndim - len(axes) :]
    result = f(moved.reshape(*batch, math.prod(classes)))
    reduced = result.shape[-1] != math.prod(classes)
    result = result.reshape((*batch, *([1] * len(axes) if reduced else classes)))
    return np.moveaxis(result, last, axes)
