"""Relatives of softmax and cross-entropy: maps and losses that ask for something else.

What lives here: projections with exact zeros (`sparsemax`, `entmax15`) and their losses, a
softmax of noisy logits (`gumbel_softmax`), margins for cosines, focal loss and smoothed
targets, a contrastive loss, and the hinge. One-vs-rest is `sigmoid_cross_entropy`, of the core.

As in the core, classes lie on the last axis, losses are one number per example and never
averaged, integers become float64, every float type keeps its dtype, and 16 bits are computed in
float32. A row of logits with a +inf, or with nothing but -inf, becomes nan, and other rows do
not notice.
"""

import numbers
from functools import partial

import numpy as np

from companion._core import as_floating, as_pair, label_index, rounded, weighed
from companion.derivatives import softmax_cross_entropy_with_labels_grad
from companion.functions import softmax
from companion.losses import softmax_cross_entropy_with_labels

# A cosine of 1 may be rounded up: in bfloat16 to 1.0078, in float32 by less than the first.
SLACK, SLACK_OF_16_BITS = 1e-5, 0.01


def sparsemax(logits):
    """Logits to probabilities with exact zeros: the nearest point of the simplex.

    ::

        sparsemax(z)_i = max(z_i - tau, 0), with the tau at which these sum to 1

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.

    Returns
    -------
    ndarray, shape (..., K)
        Probabilities, 0 for every class that lies 1 or more below the largest logit. A row with
        a +inf, or of nothing but -inf, becomes nan, with NumPy's "invalid value" warning.

    Raises
    ------
    TypeError
        If `logits` does not hold real numbers.
    ValueError
        If `logits` is a single number without an axis.

    References
    ----------
    Martins & Astudillo (2016), "From softmax to sparsemax", section 2, arXiv:1602.02068.

    Examples
    --------
    >>> sparsemax([[0.5, 0.3, -1.0], [1000.0, 0.0, 0.0]])
    array([[0.6, 0.4, 0. ],
           [1. , 0. , 0. ]])
    """
    return _projection(logits, power=1)


def entmax15(logits):
    """Logits to probabilities midway between softmax and sparsemax, also with exact zeros.

    ::

        entmax15(z)_i = max(z_i / 2 - tau, 0) ** 2, with the tau at which these sum to 1

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.

    Returns
    -------
    ndarray, shape (..., K)
        Probabilities, 0 for every class that lies 2 or more below the largest logit. A row with
        a +inf, or of nothing but -inf, becomes nan, with NumPy's "invalid value" warning.

    Raises
    ------
    TypeError
        If `logits` does not hold real numbers.
    ValueError
        If `logits` is a single number without an axis.

    References
    ----------
    Peters, Niculae & Martins (2019), "Sparse sequence-to-sequence models", section 3,
    arXiv:1905.05702.

    Examples
    --------
    >>> entmax15([[0, 0], [1, -1]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _projection(logits, power=2)


def sparsemax_jvp(logits, tangents):
    """The Jacobian of `sparsemax` times a vector, without the Jacobian.

    ::

        J v = s * (v - sum(s * v) / sum(s)),  s = 1 where p > 0, else 0

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
        0 for every class whose probability is 0, and for all classes where one has all of it.
        Sums to 0 over the classes but for rounding.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> sparsemax_jvp([0.5, 0.3, -1.0], [1, 0, 7])
    array([ 0.5, -0.5,  0. ])
    """
    return _projection_jvp(logits, tangents, power=1)


def entmax15_jvp(logits, tangents):
    """The Jacobian of `entmax15` times a vector, without the Jacobian.

    ::

        J v = s * (v - sum(s * v) / sum(s)),  s = sqrt(p)

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
        0 for every class whose probability is 0, and for all classes where one has all of it.
        Sums to 0 over the classes but for rounding.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> entmax15_jvp([0, 0, -3], [1, 0, 7])
    array([ 0.35355339, -0.35355339,  0.        ])
    """
    return _projection_jvp(logits, tangents, power=2)


def sparsemax_loss(logits, targets, *, weights=None):
    """The loss whose gradient is sparsemax(logits) - targets, as cross-entropy is for softmax.

    With p = sparsemax(z) and its threshold tau::

        loss = sum((p - t) ** 2) / 2 + sum(t * max(tau - z, 0))

    It is the Fenchel-Young loss max over q of q·z - q·q / 2, less t·z - t·t / 2, written
    without a difference of nearly equal sums: each term is at least 0.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    targets : array_like, shape (..., K)
        Distributions over the classes, one-hot or soft. They are not checked to sum to 1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least 0, and 0 where sparsemax(logits) is the targets: for a
        one-hot target from a lead of 1 on. A target of 0 against a logit of -inf costs 0.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.
        If weights are not one finite number per example.

    References
    ----------
    Martins & Astudillo (2016), section 3, arXiv:1602.02068. Blondel, Martins & Niculae (2020),
    "Learning with Fenchel-Young losses", JMLR 21(35), arXiv:1901.02324.

    Examples
    --------
    A lead of 1 is enough, and a lead of -1 costs 1.

    >>> sparsemax_loss([[1, 0], [0, 0], [0, 1]], [[1, 0], [1, 0], [1, 0]])
    array([0.  , 0.25, 1.  ])
    """
    if weights is not None:
        return weighed(sparsemax_loss, weights, logits, targets)
    return _projection_loss(logits, targets, power=1)


def sparsemax_loss_grad(logits, targets, *, weights=None):
    """Gradient of `sparsemax_loss` with respect to the logits: sparsemax(logits) - targets.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    targets : array_like, shape (..., K)
        Distributions over the classes, one-hot or soft. If they do not sum to 1,
        which is not checked, this is not the gradient of the loss.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding, if the targets
        sum to 1.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.
        If weights are not one finite number per example.

    Examples
    --------
    >>> sparsemax_loss_grad([[1, 0], [0, 0]], [[1, 0], [1, 0]])
    array([[ 0. ,  0. ],
           [-0.5,  0.5]])
    """
    if weights is not None:
        return weighed(sparsemax_loss_grad, weights, logits, targets)
    logits, targets, dtypes = as_pair(logits, targets, ("logits", "targets"))
    return rounded(sparsemax(logits) - targets, dtypes[0])


def entmax15_loss(logits, targets, *, weights=None):
    """The loss whose gradient is entmax15(logits) - targets, as cross-entropy is for softmax.

    With p = entmax15(z), its threshold tau, a = sqrt(p) and b = sqrt(t)::

        loss = 2/3 * sum((a - b) ** 2 * (a + 2 * b)) + sum(t * max(2 * tau - z, 0))

    It is the Fenchel-Young loss of Tsallis' entropy with alpha = 1.5, written without a
    difference of nearly equal sums: each term is at least 0.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    targets : array_like, shape (..., K)
        Distributions over the classes, one-hot or soft. They are not checked to sum to 1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least 0, and 0 where entmax15(logits) is the targets: for a
        one-hot target from a lead of 2 on. A target of 0 against a logit of -inf costs 0.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.
        If weights are not one finite number per example.

    References
    ----------
    Peters, Niculae & Martins (2019), section 3, arXiv:1905.05702. Blondel, Martins & Niculae
    (2020), "Learning with Fenchel-Young losses", JMLR 21(35), arXiv:1901.02324.

    Examples
    --------
    A lead of 2 is enough.

    >>> entmax15_loss([[2, 0], [0, 0], [0, 2]], [[1, 0], [1, 0], [1, 0]]).round(3)
    array([0.   , 0.391, 2.   ])
    """
    if weights is not None:
        return weighed(entmax15_loss, weights, logits, targets)
    return _projection_loss(logits, targets, power=2)


def entmax15_loss_grad(logits, targets, *, weights=None):
    """Gradient of `entmax15_loss` with respect to the logits: entmax15(logits) - targets.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    targets : array_like, shape (..., K)
        Distributions over the classes, one-hot or soft. If they do not sum to 1,
        which is not checked, this is not the gradient of the loss.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its targets and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding, if the targets
        sum to 1.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.
        If weights are not one finite number per example.

    Examples
    --------
    >>> entmax15_loss_grad([[2, 0], [0, 0]], [[1, 0], [1, 0]])
    array([[ 0. ,  0. ],
           [-0.5,  0.5]])
    """
    if weights is not None:
        return weighed(entmax15_loss_grad, weights, logits, targets)
    logits, targets, dtypes = as_pair(logits, targets, ("logits", "targets"))
    return rounded(entmax15(logits) - targets, dtypes[0])


def gumbel_softmax(logits, *, temperature, rng):
    """A random point of the simplex near one of its corners: softmax of noisy logits.

    With independent Gumbel noise g, whose distribution function is exp(-exp(-g))::

        sample = softmax((logits + g) / temperature)

    The largest entry is class i with probability softmax(logits)_i, at every temperature. The
    mean of the sample itself is not softmax(logits), but tends to it as the temperature falls.
    For given noise, its Jacobian is that of softmax at (logits + g) / T, divided by T.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    temperature : float
        T > 0.
    rng : numpy.random.Generator
        Where the noise is drawn from, as rng.gumbel(size=logits.shape), in float64.

    Returns
    -------
    ndarray, shape (..., K)
        One sample per example. A class with a logit of -inf gets 0.

    Raises
    ------
    TypeError
        If `logits` does not hold real numbers, or T is not a number.
    ValueError
        If `logits` is a single number without an axis, or T is not above 0.

    References
    ----------
    Jang, Gu & Poole (2017), "Categorical reparameterization with Gumbel-softmax",
    arXiv:1611.01144. Maddison, Mnih & Teh (2017), "The concrete distribution",
    arXiv:1611.00712.

    Examples
    --------
    >>> rng, logits = np.random.default_rng(0), np.tile([2.0, 0.0], (100_000, 1))
    >>> samples = gumbel_softmax(logits, temperature=2, rng=rng)
    >>> (samples.argmax(axis=-1) == 0).mean().round(2), samples[:, 0].mean().round(2)
    (np.float64(0.88), np.float64(0.7))
    """
    logits, dtype = as_floating(logits)
    temperature = _number("temperature", temperature, positive=True)
    noisy = _gaps(logits) + rng.gumbel(size=logits.shape).astype(logits.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # _gaps has warned
        return rounded(softmax(_gaps(noisy) / temperature), dtype)


def smooth_labels(targets, alpha):
    """Targets blended with the uniform distribution: (1 - alpha) * targets + alpha / K.

    Parameters
    ----------
    targets : array_like, shape (..., K)
        Distributions over the classes, such as one-hot ones.
    alpha : float
        Weight of the uniform distribution, in 0..1.

    Returns
    -------
    ndarray, shape (..., K)

    Raises
    ------
    TypeError
        If `targets` does not hold real numbers, or alpha is not a number.
    ValueError
        If `targets` is a single number without an axis, or alpha leaves 0..1.

    References
    ----------
    Szegedy et al. (2016), "Rethinking the inception architecture", section 7,
    arXiv:1512.00567.

    Examples
    --------
    >>> smooth_labels([1, 0, 0, 0], 0.1)
    array([0.925, 0.025, 0.025, 0.025])
    """
    targets, dtype = as_floating(targets)
    alpha = _number("alpha", alpha, most=1)
    with np.errstate(under="ignore"):
        return rounded((1 - alpha) * targets + alpha / targets.shape[-1], dtype)


def focal_loss(logits, labels, *, gamma, weights=None):
    """Cross-entropy of the label, times (1 - p) ** gamma: sure and right examples count less.

    With p the probability that softmax gives the label::

        loss = -(1 - p) ** gamma * log(p)

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    gamma : float
        At least 0. With 0 it is cross-entropy.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least 0, with the digits of 1 - p where p is nearly 1.

    Raises
    ------
    TypeError
        If labels are not integers, or gamma is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If gamma is negative.
        If weights are not one finite number per example.

    References
    ----------
    Lin, Goyal, Girshick, He & Dollár (2017), "Focal loss for dense object detection",
    section 3, arXiv:1708.02002, for a sigmoid. Of two classes it is theirs, without alpha.

    Examples
    --------
    >>> focal_loss([[0, 0], [3, 0], [0, 3]], [0, 0, 0], gamma=2)
    array([1.73286795e-01, 1.09283324e-04, 2.76628044e+00])
    """
    if weights is not None:
        return weighed(partial(focal_loss, gamma=gamma), weights, logits, labels)
    logits, dtype = as_floating(logits)
    gamma = _number("gamma", gamma)
    surprise = softmax_cross_entropy_with_labels(logits, labels)
    with np.errstate(under="ignore"):
        return rounded((-np.expm1(-surprise)) ** gamma * surprise, dtype)


def focal_loss_grad(logits, labels, *, gamma, weights=None):
    """Gradient of `focal_loss` with respect to the logits: cross-entropy's, times a factor.

    ::

        gradient = f * (softmax(logits) - one_hot(label))
        f = (1 - p) ** gamma * (1 - gamma * p * log(p) / (1 - p))

    For gamma > 0 the factor is above 1 where p is small enough, and 0 at p = 1.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    gamma : float
        At least 0.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example, summing to 0 over the classes but for rounding.

    Raises
    ------
    TypeError
        If labels are not integers, or gamma is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If gamma is negative.
        If weights are not one finite number per example.

    Examples
    --------
    >>> focal_loss_grad([[0, 0], [3, 0]], [0, 0], gamma=2).round(4)
    array([[-0.2983,  0.2983],
           [-0.0003,  0.0003]])
    """
    if weights is not None:
        return weighed(partial(focal_loss_grad, gamma=gamma), weights, logits, labels)
    logits, dtype = as_floating(logits)
    gamma = _number("gamma", gamma)
    surprise = softmax_cross_entropy_with_labels(logits, labels)[..., np.newaxis]
    gradient = softmax_cross_entropy_with_labels_grad(logits, labels)
    with np.errstate(under="ignore", invalid="ignore"):  # 0 / 0, which tends to 1, and 0 * inf
        rest = -np.expm1(-surprise)
        ratio = np.where(rest == 0, 1, surprise / rest)
        steeper = np.where(np.isposinf(surprise), 0, np.exp(-surprise) * ratio)
        return rounded(rest**gamma * (1 + gamma * steeper) * gradient, dtype)


def additive_margin_loss(cosines, labels, *, margin, scale, weights=None):
    """Softmax cross-entropy of scaled cosines, the label's first reduced by a margin.

    ::

        logits = scale * cosines, but scale * (cosine - margin) at the label

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : float
        At least 0, in the unit of the cosines.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least that without a margin.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin is negative, or scale is
        not above 0.
        If weights are not one finite number per example.

    References
    ----------
    Wang, Wang, Zhou et al. (2018), "CosFace", arXiv:1801.09414. Wang, Cheng, Liu & Liu (2018),
    "Additive margin softmax for face verification", arXiv:1801.05599.

    Examples
    --------
    >>> additive_margin_loss([[0.8, 0.2]], [0], margin=0.35, scale=10).round(4)
    array([0.0789])
    """
    psi = partial(_additive, margin=_number("margin", margin))
    return _margin_loss(cosines, labels, psi=psi, scale=scale, weights=weights)


def additive_margin_loss_grad(cosines, labels, *, margin, scale, weights=None):
    """Gradient of `additive_margin_loss` with respect to the cosines.

    The margin shifts the logit: what follows from it is a larger gradient, of the same form.

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : float
        At least 0, in the unit of the cosines.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin is negative, or scale is
        not above 0.
        If weights are not one finite number per example.

    Examples
    --------
    >>> additive_margin_loss_grad([[0.8, 0.2]], [0], margin=0.35, scale=10).round(4)
    array([[-0.7586,  0.7586]])
    """
    psi = partial(_additive, margin=_number("margin", margin))
    return _margin_grad(cosines, labels, psi=psi, scale=scale, weights=weights)


def additive_angular_margin_loss(cosines, labels, *, margin, scale, weights=None):
    """Softmax cross-entropy of scaled cosines, the label's angle first raised by a margin.

    ::

        logits = scale * cosines, but scale * cos(angle + margin) at the label

    Past an angle of pi - margin the label's logit rises again: from there on a step makes the
    angle larger. It is taken as the formula says; some programs replace it there.

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : float
        In radians, in 0..pi.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, for angles up to pi - margin / 2 at least that without a margin.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin leaves 0..pi, or scale is
        not above 0.
        If weights are not one finite number per example.

    References
    ----------
    Deng, Guo, Xue & Zafeiriou (2019), "ArcFace", arXiv:1801.07698.

    Examples
    --------
    >>> additive_angular_margin_loss([[0.8, 0.2]], [0], margin=0.5, scale=10).round(4)
    array([0.1108])
    """
    psi = partial(_additive_angular, margin=_number("margin", margin, most=np.pi))
    return _margin_loss(cosines, labels, psi=psi, scale=scale, weights=weights)


def additive_angular_margin_loss_grad(cosines, labels, *, margin, scale, weights=None):
    """Gradient of `additive_angular_margin_loss` with respect to the cosines.

    By the cosine the slope is infinite at 1 and -1, where the angle turns.

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : float
        In radians, in 0..pi.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin leaves 0..pi, or scale is
        not above 0.
        If weights are not one finite number per example.

    Examples
    --------
    >>> additive_angular_margin_loss_grad([[0.8, 0.2]], [0], margin=0.5, scale=10).round(3)
    array([[-1.591,  1.049]])
    """
    psi = partial(_additive_angular, margin=_number("margin", margin, most=np.pi))
    return _margin_grad(cosines, labels, psi=psi, scale=scale, weights=weights)


def large_margin_loss(cosines, labels, *, margin, scale, weights=None):
    """Softmax cross-entropy of scaled cosines, the label's angle first multiplied.

    ::

        logits = scale * cosines, but scale * psi(angle) at the label
        psi(angle) = (-1) ** k * cos(margin * angle) - 2 * k,  k = floor(margin * angle / pi)

    psi is cos(margin * angle), continued downwards where that would rise again.

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : int
        At least 1, by which the angle is multiplied. With 1 the cosines stay as they are.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least that without a margin.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin is below 1, or scale is
        not above 0.
        If weights are not one finite number per example.

    References
    ----------
    Liu, Wen, Yu & Yang (2016), "Large-margin softmax loss", arXiv:1612.02295. Liu, Wen, Yu,
    Li, Raj & Song (2017), "SphereFace", arXiv:1704.08063. There the scale is the length of the
    features, in the first times that of the class's vector.

    Examples
    --------
    >>> large_margin_loss([[0.8, 0.2]], [0], margin=2, scale=10).round(4)
    array([0.3711])
    """
    psi = partial(_multiplied_angle, margin=_whole("margin", margin))
    return _margin_loss(cosines, labels, psi=psi, scale=scale, weights=weights)


def large_margin_loss_grad(cosines, labels, *, margin, scale, weights=None):
    """Gradient of `large_margin_loss` with respect to the cosines.

    The label's slope by the cosine is between 0 and margin squared.

    Parameters
    ----------
    cosines : array_like, shape (..., K)
        Of the angles between an example's features and the vector of each class, in -1..1.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    margin : int
        At least 1, by which the angle is multiplied. With 1 the cosines stay as they are.
    scale : float
        Above 0: what the cosines are multiplied by before softmax. 1 / scale is a temperature.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and cosines are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example.

    Raises
    ------
    TypeError
        If labels are not integers, or margin or scale is not a number.
    ValueError
        If labels have the wrong shape or leave 0..K-1. If a cosine leaves
        -1..1 by more than 1e-5 (16 bits: by 0.01). If margin is below 1, or scale is
        not above 0.
        If weights are not one finite number per example.

    Examples
    --------
    >>> large_margin_loss_grad([[0.8, 0.2]], [0], margin=2, scale=10).round(3)
    array([[-9.921,  3.1  ]])
    """
    psi = partial(_multiplied_angle, margin=_whole("margin", margin))
    return _margin_grad(cosines, labels, psi=psi, scale=scale, weights=weights)


def info_nce_loss(queries, keys, *, temperature, weights=None):
    """Cross-entropy over a batch: of N keys, the one that belongs to the query is the label.

    ::

        logits = queries @ keys.T / temperature,  labels = 0, 1, ..., N - 1

    Parameters
    ----------
    queries, keys : array_like, shape (N, D)
        Features: query i belongs to key i, the other keys of the batch are its wrong classes.
        They are used as they are: divide rows by their lengths if cosines are meant.
    temperature : float
        T > 0.
    weights : array_like, shape (N,), optional
        One number per query, which multiplies its loss. The key of a query of weight 0 is
        still a wrong class of the others.

    Returns
    -------
    ndarray, shape (N,)
        One loss per query, in nats. It depends on the whole batch: log N if all keys are alike.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers, or T is not a number.
    ValueError
        If the shapes differ or are not (N, D), or T is not above 0. If weights are not one
        finite number per query.

    References
    ----------
    van den Oord, Li & Vinyals (2018), "Representation learning with contrastive predictive
    coding", section 2.3, arXiv:1807.03748.

    Examples
    --------
    >>> info_nce_loss(np.eye(3), np.eye(3), temperature=0.5)
    array([0.23954477, 0.23954477, 0.23954477])
    """
    logits, _, _, dtype = _similarities(queries, keys, temperature)
    labels = np.arange(len(logits))
    return rounded(softmax_cross_entropy_with_labels(logits, labels, weights=weights), dtype)


def info_nce_grad(queries, keys, *, temperature, weights=None):
    """Gradients of the sum of `info_nce_loss`, with respect to the queries and to the keys.

    Of the sum, since a key has a part in every loss of the batch.

    Parameters
    ----------
    queries, keys : array_like, shape (N, D)
        Features: query i belongs to key i, the other keys of the batch are its wrong classes.
        They are used as they are: divide rows by their lengths if cosines are meant.
    temperature : float
        T > 0.
    weights : array_like, shape (N,), optional
        One number per query, which multiplies its part. The key of a query of weight 0 is
        still a wrong class of the others.

    Returns
    -------
    by_queries : ndarray, shape (N, D)
        With the dtype of the queries.
    by_keys : ndarray, shape (N, D)
        With the dtype of the queries.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers, or T is not a number.
    ValueError
        If the shapes differ or are not (N, D), or T is not above 0. If weights are not one
        finite number per query.

    Examples
    --------
    >>> by_queries, by_keys = info_nce_grad(np.eye(2), np.eye(2), temperature=1)
    >>> by_queries.round(3)
    array([[-0.269,  0.269],
           [ 0.269, -0.269]])
    """
    logits, queries, keys, dtype = _similarities(queries, keys, temperature)
    labels = np.arange(len(logits))
    residuals = softmax_cross_entropy_with_labels_grad(logits, labels, weights=weights)
    with np.errstate(under="ignore"):
        by_queries, by_keys = residuals @ keys, residuals.T @ queries
        return rounded(by_queries / temperature, dtype), rounded(by_keys / temperature, dtype)


def multiclass_hinge_loss(logits, labels, *, weights=None):
    """By how much the label's logit fails to lead all others by 1.

    ::

        loss = max(0, 1 + largest other logit - logit of the label)

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its loss. Where it is 0 the example does
        not count: its loss is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (...)
        One loss per example, at least 0. With one class it is 0.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels have the wrong shape or leave 0..K-1.
        If weights are not one finite number per example.

    References
    ----------
    Crammer & Singer (2001), "On the algorithmic implementation of multiclass
    kernel-based vector machines", JMLR 2, 265-292.

    Examples
    --------
    >>> multiclass_hinge_loss([[3, 0, 1], [1, 0.5, 0], [0, 4, 4]], [0, 0, 0])
    array([0. , 0.5, 5. ])
    """
    if weights is not None:
        return weighed(multiclass_hinge_loss, weights, logits, labels)
    missing, _, _, dtype = _missing_lead(logits, labels)
    return rounded(np.maximum(missing[..., 0], 0), dtype)


def multiclass_hinge_loss_grad(logits, labels, *, weights=None):
    """Gradient of `multiclass_hinge_loss`: -1 at the label, 1 at its first rival, or nothing.

    The loss has kinks. Where rivals tie, the first of them is taken; where the lead is 1, the
    gradient is 0. Both are subgradients.

    Parameters
    ----------
    logits : array_like, shape (..., K)
        Unnormalised scores, classes on the last axis.
    labels : array_like of int, shape (...)
        True class of each example, in 0..K-1.
    weights : array_like, shape (...), optional
        One number per example, which multiplies its gradient. Where it is 0 the example does
        not count: its gradient is 0, and its label and logits are not looked at.

    Returns
    -------
    ndarray, shape (..., K)
        One gradient per example.

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If labels have the wrong shape or leave 0..K-1.
        If weights are not one finite number per example.

    Examples
    --------
    >>> multiclass_hinge_loss_grad([[3, 0, 1], [1, 0.5, 0]], [0, 0])
    array([[ 0.,  0.,  0.],
           [-1.,  1.,  0.]])
    """
    if weights is not None:
        return weighed(multiclass_hinge_loss_grad, weights, logits, labels)
    missing, index, rival, dtype = _missing_lead(logits, labels)
    slope = np.where(np.isnan(missing), np.nan, missing > 0)
    gradient = np.zeros(np.shape(logits), missing.dtype) * slope
    np.put_along_axis(gradient, rival, slope, axis=-1)
    np.put_along_axis(gradient, index, 0 - slope, axis=-1)  # last: with one class both are it
    return rounded(gradient, dtype)


# Projections: sparsemax has power 1, entmax15 power 2, and 1 + 1 / power is its alpha.


@np.errstate(under="ignore")
def _gaps(logits):
    """Logits less their maximum, at most 0. A row whose maximum is infinite has a nan."""
    with np.errstate(over="ignore"):
        return logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)


@np.errstate(under="ignore")
def _heights(gaps, power):
    """max(gaps - tau, 0) for the tau at which their powers sum to 1, and tau.

    The sum less 1 is convex in tau and falls. Newton's steps from the left, where tau is -1,
    never pass its root but for rounding, and each halves the sum or its slope.
    """
    high = np.maximum(gaps, -1)  # what is lower has no part in it
    tau = np.full((*gaps.shape[:-1], 1), -1, gaps.dtype)
    tolerance = 64 * np.finfo(gaps.dtype).eps
    while True:
        above = np.maximum(high - tau, 0)
        slope = power * (above ** (power - 1) * (above > 0)).sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore"):  # no classes
            step = ((above**power).sum(axis=-1, keepdims=True) - 1) / slope
        unfinished = step > tolerance * -tau
        if not unfinished.any():
            return np.maximum(high - (tau + step), 0), tau + step
        tau = tau + np.where(unfinished, step, 0)  # each row stops by itself


@np.errstate(under="ignore")
def _projection(logits, power):
    """Probabilities: powers of the heights above a threshold."""
    logits, dtype = as_floating(logits)
    heights, _ = _heights(_gaps(logits) / power, power)
    return rounded(heights**power, dtype)


@np.errstate(under="ignore")
def _projection_jvp(logits, tangents, power):
    """s * (v - mean of v under s / sum(s)), s = p ** (2 - alpha), taken twice."""
    logits, tangents, dtypes = as_pair(logits, tangents, ("logits", "tangents"))
    heights, _ = _heights(_gaps(logits) / power, power)
    share = np.where(heights > 0, heights ** (power - 1), heights)  # nan stays
    with np.errstate(invalid="ignore"):  # 0 / 0 where there are no classes
        share_of_one = share / share.sum(axis=-1, keepdims=True)
        v = tangents - (share_of_one * tangents).sum(axis=-1, keepdims=True)
        return rounded(share * (v - (share_of_one * v).sum(axis=-1, keepdims=True)), dtypes[0])


@np.errstate(under="ignore")
def _projection_loss(logits, targets, power):
    """Bregman's divergence from t to p, and what t has below the threshold, times how far."""
    logits, targets, dtypes = as_pair(logits, targets, ("logits", "targets"))
    gaps = _gaps(logits) / power
    a, tau = _heights(gaps, power)
    b = targets ** (1 / power)
    near = (a - b) ** 2 * ((a + 2 * b) * 2 / 3 if power == 2 else 0.5)
    with np.errstate(over="ignore"):
        below = np.where(targets == 0, 0, power * np.maximum(tau - gaps, 0))
        return rounded((near + targets * below).sum(axis=-1), dtypes[0])


# Margins: each psi gives what stands in the place of the label's cosine, and its slope.


def _additive(cosines, margin):
    return cosines - margin, np.ones_like(cosines)


@np.errstate(under="ignore")
def _additive_angular(cosines, margin):
    sines = np.sqrt((1 - cosines) * (1 + cosines))
    value = cosines * np.cos(margin) - sines * np.sin(margin)
    with np.errstate(divide="ignore", invalid="ignore"):  # at 1 and -1
        steeper = np.where(margin == 0, 0, cosines * np.sin(margin) / sines)
    return value, (np.cos(margin) + steeper).astype(cosines.dtype)


@np.errstate(under="ignore")
def _multiplied_angle(cosines, margin):
    angles = np.arccos(cosines)
    k = np.floor(margin * angles / np.pi)
    value = (1 - 2 * (k % 2)) * np.cos(margin * angles) - 2 * k
    before, ratio = np.zeros_like(cosines), np.ones_like(cosines)  # sin(m x) / sin(x)
    for _ in range(margin - 1):
        before, ratio = ratio, 2 * cosines * ratio - before
    return value, margin * np.abs(ratio)


def _margin_loss(cosines, labels, *, psi, scale, weights=None):
    if weights is not None:
        return weighed(partial(_margin_loss, psi=psi, scale=scale), weights, cosines, labels)
    logits, _, _, dtype = _with_margin(cosines, labels, psi, scale)
    return rounded(softmax_cross_entropy_with_labels(logits, labels), dtype)


@np.errstate(under="ignore")
def _margin_grad(cosines, labels, *, psi, scale, weights=None):
    if weights is not None:
        return weighed(partial(_margin_grad, psi=psi, scale=scale), weights, cosines, labels)
    logits, index, slope, dtype = _with_margin(cosines, labels, psi, scale)
    gradient = scale * softmax_cross_entropy_with_labels_grad(logits, labels)
    own = np.take_along_axis(gradient, index, axis=-1)
    with np.errstate(invalid="ignore"):  # 0 * inf
        np.put_along_axis(gradient, index, np.where(own == 0, 0, own * slope), axis=-1)
    return rounded(gradient, dtype)


@np.errstate(under="ignore")
def _with_margin(cosines, labels, psi, scale):
    """Logits with the margin, where the labels are, and the slopes there."""
    cosines, dtype = as_floating(cosines)
    scale = _number("scale", scale, positive=True)
    outside = np.abs(cosines) > 1 + (SLACK_OF_16_BITS if dtype.itemsize < 4 else SLACK)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"cosines must lie in -1..1; got {cosines[place]} at position {place}. "
            "Divide features and class vectors by their lengths."
        )
    cosines = np.clip(cosines, -1, 1)
    index = label_index(labels, cosines)
    value, slope = psi(np.take_along_axis(cosines, index, axis=-1))
    logits = scale * cosines
    np.put_along_axis(logits, index, scale * value, axis=-1)
    return logits, index, slope, dtype


@np.errstate(under="ignore")
def _similarities(queries, keys, temperature):
    """Logits (N, N), both arguments in working precision, and the dtype of the results."""
    queries, keys, dtypes = as_pair(queries, keys, ("queries", "keys"))
    temperature = _number("temperature", temperature, positive=True)
    if queries.ndim != 2:
        raise ValueError(f"queries and keys must have shape (N, D); got {queries.shape}.")
    return queries @ keys.T / temperature, queries, keys, dtypes[0]


@np.errstate(under="ignore")
def _missing_lead(logits, labels):
    """1 + rival - own, where own and rival are, and the dtype of the results."""
    logits, dtype = as_floating(logits)
    index = label_index(labels, logits)
    gaps = _gaps(logits)  # one of the two is 0, so their difference is that of the logits
    others = np.array(gaps)
    np.put_along_axis(others, index, -np.inf, axis=-1)
    rival = others.argmax(axis=-1, keepdims=True)
    own = np.take_along_axis(gaps, index, axis=-1)
    return 1 + np.take_along_axis(others, rival, axis=-1) - own, index, rival, dtype


def _number(name, value, *, most=np.inf, positive=False):
    """A finite number of at least 0, as a float, or the error in words."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be one number; got {value!r}.")
    if not 0 <= value <= most or value == np.inf or (positive and value == 0):
        limits = "at least 0 and finite" if most == np.inf else f"in 0..{most:.4g}"
        limits = "above 0 and finite" if positive else limits
        raise ValueError(f"{name} must be {limits}; got {value}.")
    return float(value)


def _whole(name, value):
    """An integer of at least 1, or the error in words."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value}.")
    return int(value)
