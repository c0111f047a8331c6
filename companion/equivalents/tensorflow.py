"""TensorFlow's softmax and losses, specified in NumPy: `tf.nn`, version 2.18 to 2.21.

Classes are on the last axis unless `axis` says otherwise. Losses are one per example, never
reduced. Labels come before logits. The argument `name` of the graph is left out.

TensorFlow raises InvalidArgumentError where these functions raise ValueError, IndexError or
TypeError. Where it raises one of those, they raise the same.

This is TensorFlow on a CPU without oneDNN (`TF_ENABLE_ONEDNN_OPTS=0`). With it, which is the
default on some processors, softmax of a float32 row with inf or nan is nan at those entries
and 0 at the others; here, as in float64, all of the row is nan.

In 16-bit types softmax, log-softmax and log-sum-exp round after every step, as TensorFlow's
do: sums of more than 65504 are inf in float16. TensorFlow's own sums also round inside, in an
order of their own; here each sum rounds once. The losses compute in float32 and round once,
but for sparse labels and bfloat16, which round after every step.
"""

import math

import numpy as np

from companion import functions
from companion.equivalents import _sixteen_bits as sixteen_bits
from companion.equivalents._sixteen_bits import is_short, total, wide
from companion.equivalents.axes import over_axes

VERSIONS = ("2.18", "2.21")


def softmax(logits, axis=None):
    """`tf.nn.softmax`.

    Parameters
    ----------
    logits : array_like of float, shape (...)
        Logits, with at least one axis.
    axis : int, optional
        Where the classes are. None means the last axis.

    Returns
    -------
    ndarray, shape of `logits`
        Probabilities.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    x, axis = _floats(logits), -1 if axis is None else axis
    if not is_short(x):
        with np.errstate(invalid="ignore"):  # a row without a softmax is nan, silently
            return functions.softmax(x, axis)
    with np.errstate(all="ignore"):
        exps = np.exp(_gaps(x, axis))
        return exps / total(exps, axis, keepdims=True)


def log_softmax(logits, axis=None):
    """`tf.nn.log_softmax`.

    Parameters
    ----------
    logits : array_like of float, shape (...)
        Logits, with at least one axis.
    axis : int, optional
        Where the classes are. None means the last axis.

    Returns
    -------
    ndarray, shape of `logits`
        Log-probabilities in nats.

    Examples
    --------
    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    x, axis = _floats(logits), -1 if axis is None else axis
    if not is_short(x):
        with np.errstate(invalid="ignore"):
            return functions.log_softmax(x, axis)
    with np.errstate(all="ignore"):
        gaps = _gaps(x, axis)
        return gaps - np.log(total(np.exp(gaps), axis, keepdims=True))


def reduce_logsumexp(input_tensor, axis=None, keepdims=False):
    """`tf.reduce_logsumexp`.

    Parameters
    ----------
    input_tensor : array_like of float, shape (...)
        Logits.
    axis : int, tuple of int, optional
        Axes to sum over. None means all of them, unlike in `softmax`.
    keepdims : bool
        Keep those axes, with length 1.

    Returns
    -------
    ndarray
        The shape of the input without `axis`.

    Examples
    --------
    >>> reduce_logsumexp(np.zeros((2, 3)))
    np.float64(1.791759469228055)
    """
    x = _floats(input_tensor)
    f = sixteen_bits.logsumexp if is_short(x) else functions.logsumexp
    axis = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).astype(int))
    sums = over_axes(lambda rows: f(rows, -1, keepdims=True), x, axis) if axis else x
    return sums if keepdims else sums.squeeze(axis)[()]


def softmax_cross_entropy_with_logits(labels, logits, axis=-1):
    """`tf.nn.softmax_cross_entropy_with_logits`: logits against distributions.

    ::

        loss = -sum(labels * log_softmax(logits))

    Parameters
    ----------
    labels : array_like, shape of `logits`, or a single distribution
        They become the dtype of the logits, and are used as they are, also if they do not
        sum to 1 or are negative. An axis of length 1 serves all classes.
    logits : array_like of float, shape (...)
        Logits.
    axis : int
        Where the classes are: -1, or counted from the front.

    Returns
    -------
    ndarray, shape of `logits` without `axis`
        In nats, with the dtype of the logits.

    Raises
    ------
    ValueError
        If the labels do not broadcast to the logits.
    TypeError
        If the logits are not floats.

    Notes
    -----
    A label of 0 against a logit of -inf is 0 * inf = nan.

    See Also
    --------
    softmax_cross_entropy_with_logits_grad : not its derivative if labels do not sum to 1.

    Examples
    --------
    >>> softmax_cross_entropy_with_logits([[0.5, 0.5], [2.0, 2.0]], np.zeros((2, 2)))
    array([0.69314718, 2.77258872])
    """
    labels, logits = _pair(labels, logits, axis)
    with np.errstate(all="ignore"):
        log_probs = log_softmax(wide(logits), axis)
        return -(labels * log_probs).sum(axis).astype(logits.dtype, copy=False)


def softmax_cross_entropy_with_logits_grad(labels, logits, axis=-1):
    """What TensorFlow's tape gives for the logits: softmax(logits) - labels.

    Parameters
    ----------
    labels : array_like, shape of `logits`, or a single distribution
        Distributions.
    logits : array_like of float, shape (...)
        Logits.
    axis : int
        Where the classes are.

    Returns
    -------
    ndarray, shape of `logits`
        The derivative of the sum of the losses, if labels sum to 1.

    Raises
    ------
    ValueError
        If the labels do not broadcast to the logits.
    TypeError
        If the logits are not floats.

    Notes
    -----
    The derivative is softmax(logits) * sum(labels) - labels. TensorFlow leaves the sum out,
    so its gradient is wrong, without a word, where labels do not sum to 1.

    Examples
    --------
    Labels of 0 cost 0 whatever the logits. The slope should be 0, too.

    >>> softmax_cross_entropy_with_logits_grad([[0.0, 0.0]], np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    labels, logits = _pair(labels, logits, axis)
    with np.errstate(all="ignore"):
        gradient = softmax(wide(logits), axis) - labels
        return gradient.astype(logits.dtype, copy=False)


def sparse_softmax_cross_entropy_with_logits(labels, logits):
    """`tf.nn.sparse_softmax_cross_entropy_with_logits`: logits against class indices.

    Parameters
    ----------
    labels : array_like of int32 or int64, shape (...)
        Class indices.
    logits : array_like of float, shape (..., K)
        Logits. The classes are on the last axis, there is no `axis`.

    Returns
    -------
    ndarray, shape (...)
        In nats, with the dtype of the logits.

    Raises
    ------
    IndexError
        If a label leaves 0..K-1. TensorFlow raises on the CPU only. Its documentation
        says that on a GPU the loss and the gradient of that example are nan.
    ValueError
        If the labels do not have the shape of the logits without the last axis. A column of
        labels, (N, 1), is refused.
    TypeError
        If labels have another dtype, or logits are not floats.

    Examples
    --------
    >>> sparse_softmax_cross_entropy_with_logits([2, 0], np.zeros((2, 4)))
    array([1.38629436, 1.38629436])
    """
    labels, logits = _sparse_pair(labels, logits)
    log_probs = log_softmax(_sparse_precision(logits))
    loss = -np.take_along_axis(log_probs, labels[..., np.newaxis], axis=-1)[..., 0]
    with np.errstate(over="ignore"):
        return loss.astype(logits.dtype, copy=False)[()]


def sparse_softmax_cross_entropy_with_logits_grad(labels, logits):
    """What TensorFlow's tape gives for the logits: softmax(logits), less 1 at the label.

    Parameters
    ----------
    labels : array_like of int32 or int64, shape (...)
        Class indices.
    logits : array_like of float, shape (..., K)
        Logits.

    Returns
    -------
    ndarray, shape (..., K)

    Raises
    ------
    IndexError, ValueError, TypeError
        As `sparse_softmax_cross_entropy_with_logits`.

    Examples
    --------
    >>> sparse_softmax_cross_entropy_with_logits_grad([1], np.zeros((1, 2)))
    array([[ 0.5, -0.5]])
    """
    labels, logits = _sparse_pair(labels, logits)
    one_hot = labels[..., np.newaxis] == np.arange(logits.shape[-1])
    with np.errstate(invalid="ignore"):
        gradient = softmax(_sparse_precision(logits)) - one_hot
        return gradient.astype(logits.dtype, copy=False)


def _floats(x):
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        raise TypeError(f"half, bfloat16, float or double are needed; got {x.dtype}")
    return x


def _gaps(x, axis):
    if x.ndim == 0:
        raise ValueError("logits must have at least one axis; got a number")
    return x - x.max(axis, keepdims=True, initial=-np.inf)


def _sparse_precision(logits):
    # float16 is computed in float32 and rounded once, bfloat16 is rounded at every step.
    return wide(logits) if logits.dtype == np.float16 else logits


def _pair(labels, logits, axis):
    logits, labels = _floats(logits), np.asarray(labels)
    if axis != -1 and not (0 <= axis < logits.ndim == labels.ndim):
        raise ValueError(
            f"axis must be -1 or in 0..{logits.ndim - 1}, and labels have as many axes as "
            f"logits if it is not -1; got axis {axis} and shape {labels.shape}"
        )
    if not logits.ndim or not labels.ndim:
        raise ValueError("logits and labels need an axis of classes; got a number")
    rows = np.moveaxis(logits, axis, -1)
    labels = np.moveaxis(labels.astype(wide(logits).dtype), axis, -1)
    return np.moveaxis(_broadcast_rows(labels, rows), -1, axis), logits


def _broadcast_rows(labels, rows):
    # Both become matrices first, so that only a single row of labels serves all examples.
    count, of_labels = _row_count(rows), _row_count(labels)
    fits = 1 in (count, of_labels) or count == of_labels
    fits = fits and labels.shape[-1] in (1, rows.shape[-1])
    if not fits or (of_labels if count == 1 else count) != math.prod(rows.shape[:-1]):
        raise ValueError(
            "logits and labels must be broadcastable: "
            f"logits_size={rows.shape} labels_size={labels.shape}"
        )
    if not rows.size:
        return np.zeros(rows.shape, labels.dtype)
    flat = labels.reshape(of_labels, labels.shape[-1])
    return np.broadcast_to(flat, (count, rows.shape[-1])).reshape(rows.shape)


def _row_count(x):
    # Without classes TensorFlow leaves other empty axes out of the count.
    return math.prod(n for n in x.shape[:-1] if n or x.shape[-1])


def _sparse_pair(labels, logits):
    labels, logits = np.asarray(labels), np.asarray(logits)
    if logits.ndim == 0:
        raise ValueError("`logits` cannot be a scalar")
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            "`labels.shape.rank` must equal `logits.shape.rank - 1`, and the rest must agree. "
            f"Received: labels.shape={labels.shape} and logits.shape={logits.shape}"
        )
    if labels.dtype not in (np.int32, np.int64):
        raise TypeError(f"labels must be int32 or int64; got {labels.dtype}")
    if not logits.shape[-1]:
        raise ValueError(f"Must have at least one class, but got logits shape {logits.shape}")
    outside = labels[(labels < 0) | (labels >= logits.shape[-1])]
    if outside.size:
        raise IndexError(
            f"Received a label value of {outside[0]} which is outside the valid range of "
            f"[0, {logits.shape[-1]})."
        )
    return labels, _floats(logits)
