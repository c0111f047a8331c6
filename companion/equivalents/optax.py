"""Optax's classification losses, specified in NumPy: `optax.losses`, version 0.2.

Logits come before labels, classes are on the last axis unless `axis` says otherwise, and losses
are one per example, never reduced. Several axes of classes may be given as a tuple.

JAX cannot raise for a value, only for a shape or a dtype, so labels are not checked: -1 is the
last class and -K the first, as in NumPy, and any other label outside gives nan. One-hot rows of
such labels are zeros, and the hinge losses take those. `where` says what counts: an example
left out costs 0.

This is Optax with 64-bit numbers allowed (`jax.enable_x64`) on a CPU, run call by call. Unless
allowed, JAX makes float32 of float64. 16-bit types are rounded after every step; inside
`jax.jit` the compiler may leave roundings out. Where shapes do not match, JAX raises TypeError
or ValueError, depending on the ranks; here it is ValueError. All the rest that raises, raises
the same.

Left out are the losses of CTC, which sum over alignments of sequences and are no function of
one row of logits, and the deprecated names `binary_logistic_loss`, `multiclass_logistic_loss`,
`binary_sparsemax_loss` and `convex_kl_divergence`, which are those of here with a warning.
"""

import numpy as np

from companion import functions
from companion.equivalents import _sixteen_bits as sixteen_bits
from companion.equivalents._sixteen_bits import is_short, total, wide
from companion.equivalents.axes import over_axes

VERSIONS = ("0.2", "0.2")


def softmax_cross_entropy(logits, labels, axis=-1, where=None):
    """`optax.losses.softmax_cross_entropy`: logits against distributions.

    ::

        loss = -sum(labels * log_softmax(logits))

    Parameters
    ----------
    logits : array_like of float, shape (..., K)
        Logits.
    labels : array_like, shape (..., K)
        Distributions, used as they are, also if they do not sum to 1.
    axis : int, tuple of int, or None
        Where the classes are. None means all axes.
    where : array_like of bool, shape (...) or (..., K), optional
        The examples, or the entries, that count.

    Returns
    -------
    ndarray, shape of `logits` without `axis`
        In nats; 0 where nothing counts.

    Raises
    ------
    TypeError
        If logits are not floats.
    ValueError
        If shapes do not match.

    Notes
    -----
    A label of 0 against a logit of -inf is 0 * inf = nan.

    See Also
    --------
    safe_softmax_cross_entropy : for which it is 0.

    Examples
    --------
    >>> softmax_cross_entropy(np.zeros((2, 2)), np.array([[0.5, 0.5], [2.0, 2.0]]))
    array([0.69314718, 2.77258872])
    """
    logits, labels = _floats(logits), np.asarray(labels)
    where = _as_entries(where, logits, axis)
    log_probs = _log_softmax(logits, axis, where)
    return -_sum(_product(labels, log_probs), axis, where)


def safe_softmax_cross_entropy(logits, labels):
    """`optax.losses.safe_softmax_cross_entropy`: the same, and 0 * log 0 is 0.

    Parameters
    ----------
    logits : array_like of float, shape (..., K)
        Logits, classes on the last axis.
    labels : array_like, shape (..., K)
        Distributions.

    Returns
    -------
    ndarray, shape (...)
        In nats.

    Raises
    ------
    TypeError
        If logits are not floats.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> safe_softmax_cross_entropy(np.array([0.0, -np.inf]), np.array([1.0, 0.0]))
    np.float64(-0.0)
    """
    return -_sum(weighted_logsoftmax(_floats(logits), labels), -1)


def weighted_logsoftmax(x, weights):
    """`optax.losses.weighted_logsoftmax`: weights times log-softmax, 0 where the weight is.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits, classes on the last axis.
    weights : array_like, shape (..., K)
        Factors.

    Returns
    -------
    ndarray, shape (..., K)

    Raises
    ------
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> weighted_logsoftmax(np.array([0.0, 0.0, -np.inf]), np.array([1.0, 2.0, 0.0]))
    array([-0.69314718, -1.38629436,  0.        ])
    """
    weights = np.asarray(weights)
    products = _product(weights, _log_softmax(_inexact(np.asarray(x)), -1))
    return np.where(weights != 0, products, products.dtype.type(0))


def softmax_cross_entropy_with_integer_labels(logits, labels, axis=-1, where=None):
    """`optax.losses.softmax_cross_entropy_with_integer_labels`: logits against class indices.

    Parameters
    ----------
    logits : array_like of float, shape (..., K)
        Logits.
    labels : array_like of int, shape (...)
        Class indices. Negative ones count from the end.
    axis : int or tuple of int
        Where the classes are. Of several axes a label is the index in the flattened ones.
    where : array_like of bool, shape (...) or (..., K), optional
        The examples, or the entries of the sum over classes, that count. The logit of the
        label counts in any case.

    Returns
    -------
    ndarray, shape (...)
        In nats; nan where a label leaves -K..K-1, 0 where nothing counts.

    Raises
    ------
    TypeError
        If logits are not floats or labels not integers.
    ValueError
        If shapes do not match, or `axis` is neither an int nor a tuple.

    Examples
    --------
    Class 1, the last class, none, and an example that does not count.

    >>> logits = np.zeros((4, 3)) + [0, 0, 1]
    >>> labels, where = np.array([1, -1, 3, 3]), np.array([True, True, True, False])
    >>> softmax_cross_entropy_with_integer_labels(logits, labels, where=where).round(4)
    array([1.5514, 0.5514,    nan, 0.    ])
    """
    logits, labels = _floats(logits), _integers(labels)
    where = _as_entries(where, logits, axis)
    logits, where, axis = _on_one_axis(logits, where, axis)
    with np.errstate(invalid="ignore"):
        loss = _logsumexp(logits, axis, where) - _at(logits, labels, axis)
    return loss if where is None else np.where(where.any(axis), loss, loss.dtype.type(0))


def poly_loss_cross_entropy(logits, labels, *, epsilon=2.0, axis=-1, where=None):
    """`optax.losses.poly_loss_cross_entropy`: cross-entropy + epsilon * sum(labels * (1 - p)).

    Parameters
    ----------
    logits : array_like of float, shape (..., K)
        Logits.
    labels : array_like of float, shape (..., K)
        Distributions.
    epsilon : float
        Factor of the first power of 1 - p.
    axis : int, tuple of int, or None
        Where the classes are.
    where : array_like of bool, shape (..., K), optional
        The entries that count.

    Returns
    -------
    ndarray, shape of `logits` without `axis`

    Raises
    ------
    TypeError
        If logits or labels are not floats.
    ValueError
        If shapes do not match.

    References
    ----------
    Leng et al. (2022), "PolyLoss", section 4.1, arXiv:2204.12511.

    Examples
    --------
    >>> poly_loss_cross_entropy(np.zeros(2), np.array([1.0, 0.0])).round(4)
    np.float64(1.6931)
    """
    logits, labels = _floats(logits), _floats(labels)
    with np.errstate(invalid="ignore"):
        missing = _product(labels, 1 - _softmax(logits, axis, where))
        rest = _sum(missing, axis, where)
        loss = softmax_cross_entropy(logits, labels, axis, where)
        return loss + rest.dtype.type(epsilon) * rest


def kl_divergence(log_predictions, targets, axis=-1, where=None):
    """`optax.losses.kl_divergence`: KL from targets to predictions, which are logarithms.

    Parameters
    ----------
    log_predictions : array_like of float, shape (..., K)
        Log-probabilities.
    targets : array_like of float, shape (..., K)
        Probabilities.
    axis : int, tuple of int, or None
        Where the classes are.
    where : array_like of bool, optional
        The entries that count.

    Returns
    -------
    ndarray, shape of the arguments without `axis`
        In nats. A target of 0 adds 0, but nan where the prediction is -inf.

    Raises
    ------
    TypeError
        If an argument does not hold floats.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> kl_divergence(np.log([0.5, 0.5]), np.array([1.0, 0.0])).round(4)
    np.float64(0.6931)
    """
    log_predictions, targets = _together(_floats(log_predictions), _floats(targets))
    with np.errstate(all="ignore"):
        logs = np.where(targets == 0, targets.dtype.type(0), np.log(targets))
        return _sum(targets * (logs - log_predictions), axis, where)


def kl_divergence_with_log_targets(log_predictions, log_targets, axis=-1, where=None):
    """`optax.losses.kl_divergence_with_log_targets`: both are logarithms.

    Parameters
    ----------
    log_predictions, log_targets : array_like of float, shape (..., K)
        Log-probabilities.
    axis : int, tuple of int, or None
        Where the classes are.
    where : array_like of bool, optional
        The entries that count.

    Returns
    -------
    ndarray, shape of the arguments without `axis`
        In nats; nan where a log-target is -inf.

    Raises
    ------
    TypeError
        If an argument does not hold floats.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> kl_divergence_with_log_targets(np.log([0.5, 0.5]), np.log([0.9, 0.1])).round(4)
    np.float64(0.3681)
    """
    log_predictions, log_targets = _floats(log_predictions), _floats(log_targets)
    with np.errstate(all="ignore"):
        probs = np.exp(log_targets)
        probs, logs, log_predictions = _together(probs, log_targets, log_predictions)
        return _sum(probs * (logs - log_predictions), axis, where)


def generalized_kl_divergence(log_predictions, targets, axis=-1, where=None):
    """`optax.losses.generalized_kl_divergence`: KL + sum(exp(log_predictions) - targets).

    Parameters
    ----------
    log_predictions : array_like of float, shape (..., K)
        Logarithms of positive numbers, which need not sum to 1.
    targets : array_like of float, shape (..., K)
        Positive numbers, which need not sum to 1.
    axis : int, tuple of int, or None
        Where the classes are.
    where : array_like of bool, optional
        The entries that count.

    Returns
    -------
    ndarray, shape of the arguments without `axis`

    Raises
    ------
    TypeError
        If an argument does not hold floats.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> generalized_kl_divergence(np.log([1.0, 2.0]), np.array([1.0, 1.0])).round(4)
    np.float64(0.3069)
    """
    divergence = kl_divergence(log_predictions, targets, axis, where)
    with np.errstate(all="ignore"):
        probs, targets = _together(np.exp(np.asarray(log_predictions)), np.asarray(targets))
        return divergence + _sum(probs - targets, axis, where)


def sigmoid_binary_cross_entropy(logits, labels):
    """`optax.losses.sigmoid_binary_cross_entropy`: one logit per entry, and its probability.

    Parameters
    ----------
    logits : array_like of float, shape (...)
        Logits of label 1.
    labels : array_like, shape (...)
        Probabilities of label 1. They become the dtype of the logits.

    Returns
    -------
    ndarray, shape (...)
        One loss per entry, in nats; nan where a logit is infinite and the label 0 or 1.

    Raises
    ------
    TypeError
        If logits are not floats.
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> sigmoid_binary_cross_entropy(np.array([0.0, 1000.0]), np.array([1, 0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    logits = _floats(logits)
    with np.errstate(all="ignore"):
        labels = np.asarray(labels).astype(logits.dtype)
        one = logits.dtype.type(1)
        return -labels * _log_sigmoid(logits) - (one - labels) * _log_sigmoid(-logits)


def sigmoid_focal_loss(logits, labels, *, alpha=None, gamma=2.0):
    """`optax.losses.sigmoid_focal_loss`: (1 - p_t) ** gamma * binary cross-entropy.

    Here p_t is the probability that the logit gives to the label, by which sure and right
    entries count less.

    Parameters
    ----------
    logits : array_like of float, shape (...)
        Logits of label 1.
    labels : array_like, shape (...)
        Probabilities of label 1.
    alpha : float, optional
        Factor of label 1; that of label 0 is 1 - alpha. None means 1 for both.
    gamma : float
        The power. With 0 an infinite logit gives nan.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If logits are not floats.
    ValueError
        If shapes do not match.

    References
    ----------
    Lin et al. (2017), "Focal loss for dense object detection", section 3, arXiv:1708.02002.

    Examples
    --------
    >>> sigmoid_focal_loss(np.array([0.0, 4.0]), np.array([1, 1])).round(6)
    array([1.73287e-01, 6.00000e-06])
    """
    logits = _floats(logits)
    with np.errstate(all="ignore"):
        labels = np.asarray(labels).astype(logits.dtype)
        scalar = logits.dtype.type
        log_missing = _log_of_two(logits, labels)
        loss = sigmoid_binary_cross_entropy(logits, labels)
        loss = loss * np.exp(scalar(gamma) * log_missing)
        if alpha is None:
            return loss
        rest = scalar(1 - alpha) * (scalar(1) - labels)
        return (scalar(alpha) * labels + rest) * loss


def hinge_loss(predictor_outputs, targets):
    """`optax.losses.hinge_loss`: max(0, 1 - outputs * targets).

    Parameters
    ----------
    predictor_outputs : array_like, shape (...)
        Scores.
    targets : array_like, shape (...)
        -1 or 1.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> hinge_loss(np.array([0.5, 3.0]), np.array([1.0, 1.0]))
    array([0.5, 0. ])
    """
    margins = _product(np.asarray(predictor_outputs), np.asarray(targets))
    return np.maximum(margins.dtype.type(0), margins.dtype.type(1) - margins)


def perceptron_loss(predictor_outputs, targets):
    """`optax.losses.perceptron_loss`: max(0, -outputs * targets).

    Parameters
    ----------
    predictor_outputs : array_like, shape (...)
        Scores.
    targets : array_like, shape (...)
        -1 or 1.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ValueError
        If shapes differ. Nothing is broadcast here.

    Examples
    --------
    >>> perceptron_loss(np.array([0.5, -3.0]), np.array([1.0, 1.0]))
    array([0., 3.])
    """
    scores, targets = np.asarray(predictor_outputs), np.asarray(targets)
    if scores.shape != targets.shape:
        raise ValueError(f"Shape mismatch: got {scores.shape} and {targets.shape}.")
    products = _product(-scores, targets)
    return np.maximum(products.dtype.type(0), products)


def sparsemax_loss(logits, labels):
    """`optax.losses.sparsemax_loss`: of two classes, with one logit per entry.

    Parameters
    ----------
    logits : array_like, shape (...)
        Scores of label 1.
    labels : array_like, shape (...)
        0 or 1; whatever is not 0 counts as 1.

    Returns
    -------
    ndarray, shape (...)
        0 for a score that is 1 or more on the right side.

    Raises
    ------
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> sparsemax_loss(np.array([2.0, 0.0, 2.0]), np.array([1, 1, 0]))
    array([0.  , 0.25, 2.  ])
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    x = np.where(labels.astype(bool), -logits, logits).astype(logits.dtype)
    x = x.astype(np.float64) if x.dtype.kind in "biu" else x
    with np.errstate(all="ignore"):
        one, four = x.dtype.type(1), x.dtype.type(4)
        bent = np.where(x >= 1, x, (x + one) ** 2 / four)
        return np.where(x <= -1, x.dtype.type(0), bent)


def multiclass_hinge_loss(scores, labels):
    """`optax.losses.multiclass_hinge_loss`: the largest score + 1, at the label + 0, less its.

    Parameters
    ----------
    scores : array_like, shape (..., K)
        Scores, classes on the last axis.
    labels : array_like of int, shape (...)
        Class indices. One outside 0..K-1 has a one-hot row of zeros: the loss is the largest
        score + 1.

    Returns
    -------
    ndarray of float64, shape (...)
        nan where another score is infinite.

    Raises
    ------
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> multiclass_hinge_loss(np.array([[3.0, 0.5], [3.0, 2.5]]), np.array([0, 0]))
    array([0. , 0.5])
    """
    scores, one_hot = _with_one_hot(scores, labels)
    with np.errstate(invalid="ignore"):
        largest = (scores + scores.dtype.type(1) - one_hot).max(-1)
        return largest - (scores * one_hot).sum(-1)


def multiclass_perceptron_loss(scores, labels):
    """`optax.losses.multiclass_perceptron_loss`: the largest score, less that of the label.

    Parameters
    ----------
    scores : array_like, shape (..., K)
        Scores, classes on the last axis.
    labels : array_like of int, shape (...)
        Class indices. One outside 0..K-1 has a one-hot row of zeros.

    Returns
    -------
    ndarray of float64, shape (...)
        nan where another score is infinite.

    Raises
    ------
    ValueError
        If shapes do not match.

    Examples
    --------
    >>> multiclass_perceptron_loss(np.array([[3.0, 0.5], [3.0, 4.5]]), np.array([0, 0]))
    array([0. , 1.5])
    """
    scores, one_hot = _with_one_hot(scores, labels)
    with np.errstate(invalid="ignore"):
        return scores.max(-1) - (scores * one_hot).sum(-1)


def multiclass_sparsemax_loss(scores, labels):
    """`optax.losses.multiclass_sparsemax_loss`: of a matrix of scores.

    Parameters
    ----------
    scores : array_like of float, shape (N, K)
        Scores.
    labels : array_like of int, shape (N,)
        Class indices. Negative ones count from the end.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    ValueError
        If shapes do not match.

    References
    ----------
    Martins & Astudillo (2016), "From softmax to sparsemax", section 3.2, arXiv:1602.02068.

    Examples
    --------
    >>> multiclass_sparsemax_loss(np.array([[2.0, 0.0], [0.5, 0.0]]), np.array([0, 0]))
    array([0.    , 0.0625])
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    labels = labels[..., 0] if labels.shape[1:] == (1,) else labels  # a column will do
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(
            "scores must be a matrix and labels have one index per row; "
            f"got shapes {scores.shape} and {labels.shape}"
        )
    index = np.where(labels < 0, labels + scores.shape[-1], labels)
    inside = np.clip(index, 0, scores.shape[-1] - 1)[:, np.newaxis]  # JAX clips where it reads
    with np.errstate(all="ignore"):
        probs = _projection_simplex(scores)
        gaps = scores - np.take_along_axis(scores, inside, axis=-1)
        gaps[np.arange(scores.shape[-1]) == index[:, np.newaxis]] = 0
        products = probs * np.where(probs != 0, gaps, 0)
        return _sum(products, -1) + (1 - _sum(probs * probs, -1)) / 2


def _floats(x):
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        raise TypeError(
            "Expected the input to have a dtype that is a subdtype of floating, "
            f"got {x.dtype} instead"
        )
    return x


def _integers(x):
    x = np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(
            "Expected the input to have a dtype that is a subdtype of integer, "
            f"got {x.dtype} instead"
        )
    return x


def _inexact(x):
    # As JAX's functions of several steps have it: int32 becomes float32.
    if x.dtype == bool:
        raise TypeError("sub does not accept dtype bool")
    if x.dtype.kind not in "iu":
        return x
    return x.astype(np.float64 if x.dtype.itemsize == 8 else np.float32)


def _together(*arrays):
    """Arrays in JAX's common dtype: integers do not widen floats, as they do in NumPy."""
    dtypes = {a.dtype for a in arrays}
    dtypes = {d for d in dtypes if d.kind not in "biu"} or dtypes
    short = {d for d in dtypes if d.itemsize == 2 and d.kind not in "iu"}
    if len(short) == 2:  # float16 and bfloat16
        dtypes = dtypes - short | {np.dtype(np.float32)}
    return [a.astype(np.result_type(*dtypes)) for a in arrays]


def _product(a, b):
    a, b = _together(a, b)
    with np.errstate(all="ignore"):
        return a * b


def _sum(x, axis, where=None):
    if where is not None:
        x = np.where(where, x, x.dtype.type(0))
    axis = axis if axis is None else tuple(np.atleast_1d(axis))
    with np.errstate(all="ignore"):
        return total(x, axis) if is_short(x) else x.sum(axis)


def _as_entries(where, logits, axis):
    # One entry per example gets the axis of the classes, and so counts for all of them.
    if where is None:
        return None
    where = np.asarray(where)
    return where if where.ndim == logits.ndim else np.expand_dims(where, axis)


def _kept(x, where):
    return x if where is None else np.where(where, x, x.dtype.type(-np.inf))


def _log_softmax(x, axis, where=None):
    kept = _kept(x, where)
    f = _short_log_softmax if is_short(x) else functions.log_softmax
    with np.errstate(all="ignore"):
        result = over_axes(f, kept, axis)
    return _kept(result, where)


def _short_log_softmax(x):
    gaps = x - x.max(-1, keepdims=True, initial=-np.inf)
    return gaps - np.log(total(np.exp(gaps), -1, keepdims=True))


def _softmax(x, axis, where=None):
    kept = _kept(x, where)
    f = _short_softmax if is_short(x) else functions.softmax
    with np.errstate(all="ignore"):
        result = over_axes(f, kept, axis)
    if where is not None:
        result = np.where(where, result, x.dtype.type(0))
    return result


def _short_softmax(x):
    exps = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return exps / total(exps, -1, keepdims=True)


def _logsumexp(x, axis, where=None):
    kept = _kept(x, where)
    if is_short(x):
        return sixteen_bits.logsumexp(kept, axis, keepdims=False)
    return functions.logsumexp(kept, axis)


def _on_one_axis(logits, where, axis):
    # Several axes become the last one.
    if isinstance(axis, int):
        return logits, where, int(np.lib.array_utils.normalize_axis_index(axis, logits.ndim))
    if not isinstance(axis, tuple):
        raise ValueError(
            "Keyword argument 'axis' must be of type 'int' or 'tuple[int, ...]' "
            f"but actual type is {type(axis)}."
        )
    axes = [np.lib.array_utils.normalize_axis_index(i, logits.ndim) for i in axis]
    batch = [i for i in range(logits.ndim) if i not in axes]

    def flat(x):
        x = x.transpose(batch + axes)
        return x.reshape(*x.shape[: len(batch)], -1)

    return flat(logits), None if where is None else flat(where), len(batch)


def _at(logits, labels, axis):
    index, num_classes = np.expand_dims(labels, axis).astype(np.int64), logits.shape[axis]
    index = np.where(index < 0, index + num_classes, index)
    outside = (index < 0) | (index >= num_classes)
    if not num_classes:  # every label is outside, and there is nothing to take
        logits = np.zeros([n or 1 for n in logits.shape], logits.dtype)
    if index.ndim == logits.ndim:
        np.broadcast_shapes(
            index.shape, [n if i != axis else 1 for i, n in enumerate(logits.shape)]
        )  # or ValueError
    taken = np.take_along_axis(logits, np.where(outside, 0, index), axis)
    return np.where(outside, logits.dtype.type(np.nan), taken).squeeze(axis)


def _log_sigmoid(x):
    return -np.logaddexp(wide(-x), 0).astype(x.dtype)


def _log_of_two(logits, labels):
    """log((1 - labels) * sigmoid(logits) + labels * sigmoid(-logits)), from logarithms."""
    zero = logits.dtype.type(0)
    logs = np.stack([_log_sigmoid(logits), _log_sigmoid(-logits)], axis=-1)
    factors = np.stack([logits.dtype.type(1) - labels, labels], axis=-1)
    logs = np.where(factors != 0, logs, logits.dtype.type(-np.inf))
    largest = logs.max(-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, zero)
    sums = _sum(np.exp(logs - largest) * factors, -1)
    result = np.log(np.abs(sums)) + largest[..., 0]
    return np.where(sums < 0, logits.dtype.type(np.nan), result)


def _with_one_hot(scores, labels):
    scores, labels = np.asarray(scores), np.asarray(labels)
    if labels.dtype == bool:
        raise TypeError("labels must be numbers; got dtype bool")
    one_hot = labels[..., np.newaxis] == np.arange(scores.shape[-1])
    return _together(scores, one_hot.astype(np.float64))


def _projection_simplex(x):
    """sparsemax, as Optax has it."""
    count = np.arange(1, x.shape[-1] + 1)
    largest = np.sort(x, axis=-1)[:, ::-1]
    sums = largest.cumsum(-1)
    size = np.count_nonzero(1 / count + (largest - sums / count) > 0, axis=-1)[:, np.newaxis]
    threshold = np.take_along_axis(sums, size - 1, axis=-1) / size
    return np.maximum(1 / size + (x - threshold), 0)
