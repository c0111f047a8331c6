"""Slopes: the Jacobian of softmax, the gradients of the losses, and a way to check them.

Gradients are with respect to the logits, one per example, never averaged: if your loss
is a mean over N examples, divide by N.
"""

import numpy as np

from companion._core import (
    as_floating,
    as_pair,
    as_targets,
    compared,
    label_index,
    log_ratio,
    log_sum_parts,
    logits_less,
    rounded,
    weighed,
)
from companion.functions import softmax
from companion.losses import as_odds, less_than_one, residuals


def softmax_jacobian(logits):
    """The K x K matrix of slopes of softmax: diag(p) - p pᵀ.

    ::

        J[i, j] = d p_i / d z_j = p_i * (1 if i == j else 0) - p_i * p_j

    On the diagonal 1 - p_i is -expm1(log p_i), which keeps its digits when p_i is nearly 1.
    It is the Hessian of log-sum-exp.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Logits, classes on the last axis.

    Returns
    -------
    ndarray, shape (..., K, K)
        Symmetric; rows and columns sum to 0 but for rounding. Takes K times the memory of the
        logits: see `softmax_jvp` for products without the matrix.

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
    p, less_one = less_than_one(logits)
    with np.errstate(under="ignore"):
        jacobian = -p[..., :, np.newaxis] * p[..., np.newaxis, :]
        diagonal = np.arange(logits.shape[-1])
        jacobian[..., diagonal, diagonal] = -p * less_one
    return rounded(jacobian, dtype)


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
        Sums to 0 over the classes but for rounding.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Notes
    -----
    J does not see a constant added to v, so the mean of v is subtracted, twice: the second time
    is what the first has rounded away, and all there is where p rounds to 1.

    Examples
    --------
    >>> softmax_jvp([0, 0], [1, 0])
    array([ 0.25, -0.25])
    """
    logits, tangents, dtypes = as_pair(logits, tangents, ("logits", "tangents"))
    p = softmax(logits)
    with np.errstate(under="ignore"):
        v = tangents - (p * tangents).sum(axis=-1, keepdims=True)
        return rounded(p * (v - (p * v).sum(axis=-1, keepdims=True)), dtypes[0])


def softmax_cross_entropy_grad(logits, targets, *, weights=None):
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
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding. Where p is
        nearly 1 the digits of p - 1 are kept, for every kind of targets.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    Examples
    --------
    >>> softmax_cross_entropy_grad([0, 0], [1, 0])
    array([-0.5,  0.5])
    """
    if weights is not None:
        return weighed(softmax_cross_entropy_grad, weights, logits, targets)
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    p, less_one = less_than_one(logits)
    sure = p > 0.5  # at most one class; there p * total - target would lose digits
    with np.errstate(under="ignore"):
        total = targets.sum(axis=-1, keepdims=True)
        others = np.where(sure, 0, targets).sum(axis=-1, keepdims=True)
        return rounded(np.where(sure, others + total * less_one, p * total - targets), dtype)


def softmax_cross_entropy_with_labels_grad(logits, labels, *, weights=None):
    """Gradient of `softmax_cross_entropy_with_labels` with respect to the logits.

    ::

        gradient = softmax(logits), less 1 at the label

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding. At the label
        it is expm1(log p), which keeps the digits of p - 1 when p is nearly 1.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If weights are not one finite number per
        example.

    Examples
    --------
    >>> softmax_cross_entropy_with_labels_grad([[0, 0], [40, 0]], [0, 0])
    array([[-5.00000000e-01,  5.00000000e-01],
           [-4.24835426e-18,  4.24835426e-18]])
    """
    return softmax_cross_entropy_with_labels_and_grad(logits, labels, weights=weights)[1]


def softmax_cross_entropy_with_labels_and_grad(logits, labels, *, weights=None):
    """`softmax_cross_entropy_with_labels` and its gradient, in one call.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies both. Where it is 0 the example does not count:
        both are 0, and its label and logits are not looked at.

    Returns
    -------
    loss : ndarray, shape (...)
        In nats, one per example.
    gradient : ndarray, shape (..., K)
        With respect to the logits, one per example.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If weights are not one finite number per
        example.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy_with_labels_and_grad([[40.0, 0.0]], [0])
    >>> loss, gradient
    (array([4.24835426e-18]), array([[-4.24835426e-18,  4.24835426e-18]]))
    """
    if weights is not None:
        return weighed(softmax_cross_entropy_with_labels_and_grad, weights, logits, labels)
    logits, dtype = as_floating(logits)
    index = label_index(labels, logits)
    _, gaps, log_rest = log_sum_parts(logits)
    loss = log_rest - np.take_along_axis(gaps, index, axis=-1)
    gradient = softmax(logits)
    with np.errstate(under="ignore"):
        np.put_along_axis(gradient, index, np.expm1(-loss), axis=-1)
    return rounded(loss[..., 0], dtype), rounded(gradient, dtype)


def softmax_entropy_grad(logits, *, weights=None):
    """Gradient of `softmax_entropy` with respect to the logits: -p * (log p + entropy).

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding. A class with a
        logit of -inf has no slope.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If `logits` is a single number without an axis. If weights are not one finite number per
        example.

    Examples
    --------
    >>> softmax_entropy_grad([[0, 0], [1, 0]])
    array([[ 0.        ,  0.        ],
           [-0.19661193,  0.19661193]])
    """
    if weights is not None:
        return weighed(softmax_entropy_grad, weights, logits)
    logits, dtype = as_floating(logits)
    largest = logits.max(axis=-1, keepdims=True, initial=-np.inf)
    # -log p but for a constant, which J does not see
    surprise = logits_less(largest, logits, np.isneginf(logits))
    return rounded(softmax_jvp(logits, surprise), dtype)


def softmax_kl_divergence_grad(logits, target_logits, *, weights=None):
    """Gradient of `softmax_kl_divergence` with respect to the logits: p - t.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities of the model.
    target_logits : array_like, shape (..., K)
        Those of the targets.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, with its digits however near the two are.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    Examples
    --------
    >>> softmax_kl_divergence_grad([1e-9, 0], [0, 0])
    array([ 2.5e-10, -2.5e-10])
    """
    if weights is not None:
        return weighed(softmax_kl_divergence_grad, weights, logits, target_logits)
    logits, target_logits, dtypes = as_pair(logits, target_logits, ("logits", "target_logits"))
    return rounded(compared(logits, target_logits)[1], dtypes[0])


def softmax_kl_divergence_target_grad(logits, target_logits, *, weights=None):
    """Gradient of `softmax_kl_divergence` with respect to the logits of the targets.

    ::

        gradient = t * (log(t / p) - divergence)

    A student that learns by the reverse divergence, KL(student, teacher), has its logits in the
    place of the targets.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities of p.
    target_logits : array_like, shape (..., K)
        Those of t.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding. nan where the
        divergence is inf.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    Examples
    --------
    >>> student, teacher = [0.0, 0.0], [2.0, 0.0]
    >>> softmax_kl_divergence_target_grad(teacher, student)
    array([-0.5,  0.5])
    """
    if weights is not None:
        return weighed(softmax_kl_divergence_target_grad, weights, logits, target_logits)
    logits, target_logits, dtypes = as_pair(logits, target_logits, ("logits", "target_logits"))
    # log(t / p) but for a constant, which J does not see
    surprise = logits_less(target_logits, logits, np.isneginf(target_logits))
    return rounded(softmax_jvp(target_logits, surprise), dtypes[1])


def softmax_js_divergence_grad(logits, other_logits, *, weights=None):
    """Gradient of `softmax_js_divergence` with respect to the logits that come first.

    ::

        gradient = p / 2 * (log(p / m) - KL(p, m)),  m = (p + q) / 2

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities of p.
    other_logits : array_like, shape (..., K)
        Those of q.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    Examples
    --------
    >>> softmax_js_divergence_grad([0, 0], [1e-9, 0])
    array([-6.25e-11,  6.25e-11])
    """
    if weights is not None:
        return weighed(softmax_js_divergence_grad, weights, logits, other_logits)
    logits, other, dtypes = as_pair(logits, other_logits, ("logits", "other_logits"))
    p, q, ratio = log_ratio(logits, other)
    return rounded(softmax_jvp(logits, _of_mean(logits, other, p, q, ratio)) / 2, dtypes[0])


def _of_mean(logits, other, p, q, ratio):
    """log(p / m), m = (p + q) / 2, less its value at the largest p: J does not see a constant.

    With r = log(p / q) it is -log(1 + exp(-r)), here less that of the peak. Where the two are
    near, their difference is taken before the logarithm.
    """
    peak = np.argmax(p, axis=-1, keepdims=True)
    masked = np.isneginf(logits) | np.isneginf(other)
    d = logits_less(logits, other, masked)
    with np.errstate(all="ignore"):  # 0 / 0 and inf - inf, where p is 0; what overflows is far
        far = -np.logaddexp(0, -ratio)
        far = far - np.take_along_axis(far, peak, axis=-1)
        d = d - np.take_along_axis(np.where(masked, np.nan, d), peak, axis=-1)
        near = np.log1p(q / (p + q) * np.expm1(d))
        return np.where(p == 0, 0, np.where((np.abs(d) < 1) & ~masked, near, far))


def softmax_squared_error_grad(logits, targets, *, weights=None):
    """Gradient of `softmax_squared_error` with respect to the logits: J 2(p - targets).

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities.
    targets : array_like, shape (..., K)
        One-hot or soft targets.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its targets and logits are not looked at.

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
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    Examples
    --------
    >>> softmax_squared_error_grad([0, 0], [1, 0])
    array([-0.5,  0.5])
    """
    if weights is not None:
        return weighed(softmax_squared_error_grad, weights, logits, targets)
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    return rounded(softmax_jvp(logits, 2 * residuals(logits, targets)), dtype)


def sigmoid_cross_entropy_grad(logits, targets, *, weights=None):
    """Gradient of `sigmoid_cross_entropy` with respect to the logits: sigmoid - targets.

    Parameters
    ----------
    logits : array_like, any shape
        Unnormalised log-odds of yes.
    targets : array_like, shape of the logits
        Probabilities of yes.
    weights : array_like, shape of the logits, optional
        One number per logit, which multiplies its gradient. Where it is 0 the logit does not
        count: its gradient is 0, and its target and logit are not looked at.

    Returns
    -------
    ndarray, shape of the logits
        One slope per logit. Where the sigmoid is nearly 1 the digits of sigmoid - 1 are kept.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ. If weights are not one finite number per logit.

    Examples
    --------
    >>> sigmoid_cross_entropy_grad([0, 40, -40], [1, 1, 0])
    array([-5.00000000e-01, -4.24835426e-18,  4.24835426e-18])
    """
    if weights is not None:
        return weighed(sigmoid_cross_entropy_grad, weights, logits, targets, classes=0)
    logits, targets, dtype = as_odds(logits, targets)
    with np.errstate(under="ignore"):
        e = np.exp(-np.abs(logits))
        unlikely = e / (1 + e)  # the smaller of sigmoid and 1 - sigmoid
    slope = np.where(logits > 0, (1 - targets) - unlikely, unlikely - targets)
    return rounded(slope, dtype)


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
