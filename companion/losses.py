"""Losses of a softmax classifier: logits in, one number per example out.

Softmax is inside every function here, as its name says: pass logits, never probabilities;
`sigmoid_cross_entropy` has the sigmoid inside. Nothing is averaged: write `.mean()` where you
want a mean. Nothing takes a temperature: write `logits / T`. Results have the dtype of the
logits.
"""

import numpy as np

from companion._core import (
    as_floating,
    as_pair,
    as_real,
    as_targets,
    compared,
    label_index,
    log_ratio,
    log_sum_parts,
    rounded,
    weighed,
)
from companion.functions import log_softmax, softmax


def softmax_cross_entropy(logits, targets, *, weights=None):
    """Cross-entropy, in nats, of target distributions under softmax(logits).

    ::

        loss = -sum(targets * log_softmax(logits))

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities, classes on the last axis.
    targets : array_like, shape (..., K)
        One-hot or soft targets. They are used as they are, also if they do not sum to 1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example. A target of 0 costs 0, also against a logit of -inf.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    See Also
    --------
    softmax_cross_entropy_with_labels : the same loss for integer labels.

    Examples
    --------
    >>> softmax_cross_entropy([[0, 0], [0, -np.inf]], [[0.5, 0.5], [1, 0]])
    array([0.69314718, 0.        ])
    """
    if weights is not None:
        return weighed(softmax_cross_entropy, weights, logits, targets)
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    _, gaps, log_rest = log_sum_parts(logits)
    surprise = log_rest - gaps  # (..., K): -log_softmax, and 0 rather than -0
    surprise = np.where((targets == 0) & np.isposinf(surprise), 0, surprise)
    with np.errstate(under="ignore"):
        return rounded((targets * surprise).sum(axis=-1), dtype)


def softmax_cross_entropy_with_labels(logits, labels, *, weights=None):
    """Cross-entropy, in nats, of integer labels under softmax(logits).

    For one example with logits z and true class y::

        loss = -log_softmax(z)[y] = logsumexp(z) - z[y]

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities, classes on the last axis.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least 0. A right and sure answer keeps its digits: logits
        [40, 0] and label 0 cost 4.25e-18. A true class with logit -inf costs inf.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels do not have the shape of the logits without the last axis, or leave 0..K-1.
        (NumPy would read -1 as the last class and answer without a word.) If weights are not
        one finite number per example.

    See Also
    --------
    softmax_cross_entropy : the same loss for one-hot or soft targets.

    References
    ----------
    Blanchard, Higham & Higham (2021), doi:10.1093/imanum/draa038.

    Examples
    --------
    Equal logits over four classes cost log 4.

    >>> softmax_cross_entropy_with_labels([[0, 0, 0, 0], [40, 0, 0, 0]], [2, 0])
    array([1.38629436e+00, 1.27450628e-17])
    """
    if weights is not None:
        return weighed(softmax_cross_entropy_with_labels, weights, logits, labels)
    logits, dtype = as_floating(logits)
    index = label_index(labels, logits)
    _, gaps, log_rest = log_sum_parts(logits)
    loss = log_rest - np.take_along_axis(gaps, index, axis=-1)
    return rounded(loss[..., 0], dtype)


def softmax_entropy(logits, *, weights=None):
    """Entropy, in nats, of softmax(logits).

    ::

        entropy = -sum(softmax(logits) * log_softmax(logits))

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities, classes on the last axis.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its entropy. Where it is 0 the example does not
        count: its entropy is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One entropy per example, from 0 to log K. A nearly sure one keeps its digits. A class
        with a logit of -inf adds nothing.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If `logits` is a single number without an axis. If weights are not one finite number per
        example.

    See Also
    --------
    entropy : the same from probabilities.

    Examples
    --------
    >>> softmax_entropy([[0, 0], [40, 0], [0, -np.inf]])
    array([6.93147181e-01, 1.74182524e-16, 0.00000000e+00])
    """
    if weights is not None:
        return weighed(softmax_entropy, weights, logits)
    logits, dtype = as_floating(logits)
    _, gaps, log_rest = log_sum_parts(logits)
    surprise = log_rest - gaps  # (..., K): each at least 0, and so is each term of the sum
    with np.errstate(under="ignore"):
        terms = np.exp(-surprise) * np.where(np.isposinf(surprise), 0, surprise)
        return rounded(terms.sum(axis=-1), dtype)


def softmax_kl_divergence(logits, target_logits, *, weights=None):
    """KL divergence, in nats, from softmax(target_logits) to softmax(logits).

    With t = softmax(target_logits) and d = logits - target_logits, less the mean of d under t::

        loss = sum(t * log(t / softmax(logits))) = log(1 + sum(t * (exp(d) - 1 - d)))

    The second form has no difference of nearly equal sums: it keeps its digits however near
    the two are, and no probability that has underflowed makes it inf.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities of the model.
    target_logits : array_like, shape (..., K)
        Those of the targets, such as a teacher's.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One divergence per example, never negative. A class that the targets rule out by a
        logit of -inf costs nothing; one that only the model rules out costs inf.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    See Also
    --------
    kl_divergence : the same from probabilities.

    Examples
    --------
    >>> softmax_kl_divergence([[0, -1000], [1e-9, 0]], [[0, 0], [0, 0]])
    array([4.99306853e+02, 1.25000000e-19])
    """
    if weights is not None:
        return weighed(softmax_kl_divergence, weights, logits, target_logits)
    logits, target_logits, dtypes = as_pair(logits, target_logits, ("logits", "target_logits"))
    divergence, _ = compared(logits, target_logits)
    return rounded(divergence[..., 0], dtypes[0])


def softmax_js_divergence(logits, other_logits, *, weights=None):
    """Jensen-Shannon divergence, in nats, between softmax(logits) and softmax(other_logits).

    With p and q the two, m their mean, and d = log(p / q)::

        JS = KL(p, m) / 2 + KL(q, m) / 2 = sum(m * (d / 2 * tanh(d / 2) - log(cosh(d / 2))))

    Each term of the last sum is at least 0, and keeps its digits however near the two are.

    Parameters
    ----------
    logits, other_logits : array_like, shape (..., K)
        Unnormalised log-probabilities. Which comes first makes no difference but for rounding.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its divergence. Where it is 0 the example does
        not count: its divergence is 0, and its logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One divergence per example, from 0 to log 2, which two that share no class have.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    References
    ----------
    Lin (1991), "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory
    37(1), doi:10.1109/18.61115.

    Examples
    --------
    >>> softmax_js_divergence([[0, 1000], [1e-9, 0]], [[1000, 0], [0, 0]])
    array([6.93147181e-01, 3.12500000e-20])
    """
    if weights is not None:
        return weighed(softmax_js_divergence, weights, logits, other_logits)
    logits, other, dtypes = as_pair(logits, other_logits, ("logits", "other_logits"))
    p, q, ratio = log_ratio(logits, other)
    with np.errstate(under="ignore"):
        return rounded(((p + q) / 2 * _bend(ratio / 2)).sum(axis=-1), dtypes[0])


def softmax_squared_error(logits, targets, *, weights=None):
    """Squared distance between softmax(logits) and the targets.

    For one-hot targets it is the Brier score.

    ::

        loss = sum((softmax(logits) - targets) ** 2)

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised log-probabilities, classes on the last axis.
    targets : array_like, shape (..., K)
        One-hot or soft targets.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does not
        count: its loss is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, summed (not averaged) over classes; at most 2 for targets that
        are distributions.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis. If weights are
        not one finite number per example.

    References
    ----------
    Brier (1950), "Verification of forecasts expressed in terms of probability",
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> softmax_squared_error([[0, 0], [1000, 0]], [[1, 0], [0, 1]])
    array([0.5, 2. ])
    """
    if weights is not None:
        return weighed(softmax_squared_error, weights, logits, targets)
    logits, dtype = as_floating(logits)
    targets = as_targets(targets, logits)
    with np.errstate(under="ignore"):
        return rounded((residuals(logits, targets) ** 2).sum(axis=-1), dtype)


def sigmoid_cross_entropy(logits, targets, *, weights=None):
    """Cross-entropy, in nats, of yes-or-no targets under sigmoid(logits), each by itself.

    ::

        loss = targets * softplus(-logits) + (1 - targets) * softplus(logits)
        softplus(x) = log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))

    It is `softmax_cross_entropy` of the two logits (logit, 0) and targets (t, 1 - t).

    Parameters
    ----------
    logits : array_like, any shape
        Unnormalised log-odds of yes.
    targets : array_like, shape of the logits
        Probabilities of yes; 0 or 1 for sure ones. They are used as they are.
    weights : array_like, shape of the logits, optional
        One number per logit, which multiplies its loss. Where it is 0 the logit does not count:
        its loss is 0, and its target and logit are not looked at.

    Returns
    -------
    ndarray, shape of the logits
        One loss per logit, with their dtype. A sure and right answer keeps its digits: logit
        40, target 1 cost 4.25e-18. What the target gives no weight costs 0, also at an
        infinite logit.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ. If weights are not one finite number per logit.

    Examples
    --------
    >>> sigmoid_cross_entropy([0, 40, -1000], [1, 1, 1])
    array([6.93147181e-01, 4.24835426e-18, 1.00000000e+03])
    """
    if weights is not None:
        return weighed(sigmoid_cross_entropy, weights, logits, targets, classes=0)
    logits, targets, dtype = as_odds(logits, targets)
    with np.errstate(under="ignore"):
        near = np.log1p(np.exp(-np.abs(logits)))  # softplus, less what is above 0
        if_yes = near + np.maximum(-logits, 0)
        if_no = near + np.maximum(logits, 0)
        yes = targets * np.where(targets == 0, 0, if_yes)
        no = (1 - targets) * np.where(targets == 1, 0, if_no)
        return rounded(yes + no, dtype)


def _bend(x):
    """x tanh(x) - log(cosh(x)): x**2 / 2 near 0, and log 2 far from it."""
    size = np.abs(x)
    slant, fading = np.tanh(np.minimum(size, 1)), np.exp(-2 * size)
    near = size * slant + np.log1p(-slant * slant) / 2
    with np.errstate(invalid="ignore"):  # inf * 0
        far = np.log(2) - np.log1p(fading) - 2 * size * fading / (1 + fading)
    return np.where(size < 1, near, np.where(fading == 0, np.log(2), far)).astype(x.dtype)


def as_odds(logits, targets):
    """Checked arguments of `sigmoid_cross_entropy` and its gradient.

    Parameters
    ----------
    logits, targets : array_like, any shape
        Log-odds and probabilities.

    Returns
    -------
    logits, targets : ndarray
        In working precision.
    dtype : numpy.dtype
        That of the result.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> as_odds([0.0], [[1.0]])
    Traceback (most recent call last):
    ...
    ValueError: targets must have the shape of the logits, (1,); got (1, 1).
    """
    (logits, dtype), (targets, _) = as_real(logits), as_real(targets)
    if logits.shape != targets.shape:
        raise ValueError(
            f"targets must have the shape of the logits, {logits.shape}; got {targets.shape}."
        )
    return logits, targets, dtype


def residuals(logits, targets):
    """softmax(logits) - targets, with the digits of p - 1 when p is nearly 1.

    Parameters
    ----------
    logits : ndarray of float, shape (..., K)
        Logits in working precision.
    targets : ndarray of float, shape (..., K)
        One-hot or soft targets.

    Returns
    -------
    ndarray, shape (..., K)

    Examples
    --------
    >>> residuals(np.array([40.0, 0.0]), np.array([1.0, 0.0]))
    array([-4.24835426e-18,  4.24835426e-18])
    """
    p, less_one = less_than_one(logits)
    return np.where(p > 0.5, (1 - targets) + less_one, p - targets)


def less_than_one(logits):
    """Probabilities, and by how much they are less than 1, with the digits of p - 1.

    Parameters
    ----------
    logits : ndarray of float, shape (..., K)
        Logits in working precision.

    Returns
    -------
    p : ndarray, shape (..., K)
        softmax(logits).
    less_one : ndarray, shape (..., K)
        p - 1, not from p, which may have been rounded to 1, but as expm1(log p).

    Examples
    --------
    >>> less_than_one(np.array([40.0, 0.0]))
    (array([1.00000000e+00, 4.24835426e-18]), array([-4.24835426e-18, -1.00000000e+00]))
    """
    with np.errstate(under="ignore"):
        return softmax(logits), np.expm1(log_softmax(logits))
