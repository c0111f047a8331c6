"""Slopes: the Jacobian of softmax, the gradients of the losses, and a way to check them.

Gradients are with respect to the logits, one per example, never averaged: if your loss
is a mean over N examples, divide by N.
"""

import numpy as np

from companion._core import as_floating, as_targets, label_index, log_sum_parts
from companion.functions import softmax
from companion.losses import residuals


def softmax_jacobian(logits):
    """The K x K matrix of slopes of softmax: diag(p) - p pᵀ.

    ::

        J[i, j] = d p_i / d z_j = p_i * (1 if i == j else 0) - p_i * p_j

    It is built from its columns J e_j, which keeps the digits of 1 - p_i when p_i is
    nearly 1. It is the Hessian of log-sum-exp.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Logits, classes on the last axis.

    Returns
    -------
    ndarray, shape (..., K, K)
        Symmetric, rows and columns sum to 0. Takes K times the memory of the logits: see
        `softmax_jvp` for products without the matrix.

    Raises
    ------
    TypeError
        If `logits` does not hold real numbers.
    ValueError
        If `logits` is a single number without an axis.

    References
    ----------
    Gao & Pavel (2017), "On the properties of the softmax function", arXiv:1704.00805.

    Examples
    --------
    >>> softmax_jacobian([0, 0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    logits, dtype = as_floating(logits)
    num_classes = logits.shape[-1]
    columns = (*logits.shape[:-1], num_classes, num_classes)
    each_logits = np.broadcast_to(logits[..., np.newaxis, :], columns)
    each_unit = np.broadcast_to(np.eye(num_classes, dtype=logits.dtype), columns)
    return softmax_jvp(each_logits, each_unit).astype(dtype, copy=False)


def softmax_jvp(logits, tangents):
    """The Jacobian of softmax times a vector, without the Jacobian.

    ::

        J v = p * (v - sum(p * v))

    J is symmetric, so this is also the vector-Jacobian product that backpropagation needs.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Where the slope is taken.
    tangents : array_like, shape (..., K)
        The vectors v.

    Returns
    -------
    ndarray, shape (..., K)
        Sums to 0 over the classes.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Notes
    -----
    J does not see a constant added to v. So v is first made 0 at the largest logit, where
    p may round to 1 and p * v would swallow the other terms.

    Examples
    --------
    >>> softmax_jvp([0, 0], [1, 0])
    array([ 0.25, -0.25])
    """
    logits, dtype = as_floating(logits)
    tangents, _ = as_floating(tangents)
    if tangents.shape != logits.shape:
        raise ValueError(
            f"tangents must have the shape of the logits, {logits.shape}; got {tangents.shape}."
        )
    if logits.size == 0:
        return np.zeros(logits.shape, dtype)
    peak = logits.argmax(axis=-1)[..., np.newaxis]
    v = tangents - np.take_along_axis(tangents, peak, axis=-1)
    p = softmax(logits)
    return (p * (v - (p * v).sum(axis=-1, keepdims=True))).astype(dtype, copy=False)


def softmax_cross_entropy_grad(logits, targets):
    """Gradient of `softmax_cross_entropy` with respect to the logits: p - targets.

    ::

        gradient = softmax(logits) * sum(targets) - targets

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    targets : array_like, shape (..., K)
        One-hot or soft targets. The sum in the formula is 1 for distributions; forgetting
        it is wrong for others.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> softmax_cross_entropy_grad([0, 0], [1, 0])
    array([-0.5,  0.5])
    """
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    total = targets.sum(axis=-1, keepdims=True)
    return (softmax(logits) * total - targets).astype(dtype, copy=False)


def softmax_cross_entropy_with_labels_grad(logits, labels):
    """Gradient of `softmax_cross_entropy_with_labels` with respect to the logits.

    ::

        gradient = softmax(logits), less 1 at the label

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes. At the label it is
        expm1(log p), which keeps the digits of p - 1 when p is nearly 1.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels have the wrong shape or leave 0..K-1.

    Examples
    --------
    >>> softmax_cross_entropy_with_labels_grad([[0, 0], [40, 0]], [0, 0])
    array([[-5.00000000e-01,  5.00000000e-01],
           [-4.24835426e-18,  4.24835426e-18]])
    """
    logits, dtype = as_floating(logits)
    index = label_index(labels, logits)
    _, gaps, log_rest = log_sum_parts(logits)
    gradient = softmax(logits)
    log_prob = np.take_along_axis(gaps, index, axis=-1) - log_rest
    np.put_along_axis(gradient, index, np.expm1(log_prob), axis=-1)
    return gradient.astype(dtype, copy=False)


def softmax_squared_error_grad(logits, targets):
    """Gradient of `softmax_squared_error` with respect to the logits: J 2(p - targets).

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    targets : array_like, shape (..., K)
        One-hot or soft targets.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example. The Jacobian J makes it vanish wherever softmax is
        saturated, also where the answer is wrong.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> softmax_squared_error_grad([0, 0], [1, 0])
    array([-0.5,  0.5])
    """
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    return softmax_jvp(logits, 2 * residuals(logits, targets)).astype(dtype, copy=False)


def numerical_gradient(f, x, step=6e-6):
    """Gradient of a scalar function by central differences, to check a formula against.

    ::

        (f(x + h e_i) - f(x - h e_i)) / 2h,  h = step * max(1, |x_i|)

    Parameters
    ----------
    f : callable
        Takes an array of the shape of `x`, returns one number.
    x : array_like, any shape
        Where the slope is taken.
    step : float
        Relative step. The default is about the cube root of the float64 spacing, which
        balances truncation (step squared) against rounding (1 / step).

    Returns
    -------
    ndarray of float64, shape of `x`
        Right to about 10 digits where f is smooth and of the size of 1.

    Raises
    ------
    ValueError
        If f does not return one number. (Summing the output of softmax first would prove
        nothing: the sum is always 1.)

    Examples
    --------
    >>> numerical_gradient(lambda x: x @ x, [1.0, 2.0]).round(6)
    array([2., 4.])
    """
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        here, h = x[i], step * max(1.0, abs(x[i]))
        x[i] = here + h
        above = _one_number(f(x.copy()))
        x[i] = here - h
        below = _one_number(f(x.copy()))
        x[i] = here
        gradient[i] = (above - below) / (2 * h)
    return gradient


def _one_number(value):
    if np.ndim(value) != 0:
        raise ValueError(
            f"f must return one number; got shape {np.shape(value)}. "
            "Multiply the output by fixed random weights and sum."
        )
    return float(value)
