"""TensorFlow's softmax and losses, specified in NumPy: `tf.nn`, version 2.21.

Classes are on the last axis unless `axis` says otherwise. Losses are one per example, never
reduced. Labels come before logits. The argument `name` of the graph is left out.

TensorFlow raises InvalidArgumentError where these functions raise ValueError, IndexError or
TypeError.
"""

import numpy as np

from companion import functions
from companion.equivalents.axes import over_axes


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
    with np.errstate(invalid="ignore"):  # a row without a softmax is nan, silently
        return functions.softmax(_floats(logits), -1 if axis is None else axis)


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
    with np.errstate(invalid="ignore"):
        return functions.log_softmax(_floats(logits), -1 if axis is None else axis)


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
    if x.ndim == 0:  # no axes to sum over
        return x[()]
    total = over_axes(lambda rows: functions.logsumexp(rows, keepdims=True), x, axis)
    axis = None if axis is None else tuple(np.atleast_1d(axis))
    return total if keepdims else total.squeeze(axis)[()]


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
        Where the classes are.

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
    with np.errstate(invalid="ignore"):
        log_probs = log_softmax(_work(logits), axis)
        return -(_work(labels) * log_probs).sum(axis).astype(logits.dtype, copy=False)


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
    with np.errstate(invalid="ignore"):
        gradient = softmax(_work(logits), axis) - _work(labels)
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
    log_probs = log_softmax(_work(logits))
    loss = -np.take_along_axis(log_probs, labels[..., np.newaxis], axis=-1)[..., 0]
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
    one_hot = functions.one_hot(labels, logits.shape[-1])
    return softmax_cross_entropy_with_logits_grad(one_hot, logits)


def _floats(x):
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        raise TypeError(f"half, bfloat16, float or double are needed; got {x.dtype}")
    return x


def _work(x):
    # 16-bit types are computed in float32 and rounded once.
    return x.astype(np.promote_types(x.dtype, np.float32), copy=False)


def _pair(labels, logits, axis):
    logits = _floats(logits)
    labels = np.asarray(labels).astype(logits.dtype)
    rows = np.moveaxis(logits, axis, -1)
    labels = np.moveaxis(labels, axis, -1) if labels.ndim == logits.ndim else labels
    # Both become matrices first, so that only a single row of labels serves all examples.
    flat = labels.reshape(labels.size // max(labels.shape[-1], 1), labels.shape[-1])
    try:
        flat = np.broadcast_to(flat, (rows.size // max(rows.shape[-1], 1), rows.shape[-1]))
    except ValueError:
        raise ValueError(
            "logits and labels must be broadcastable: "
            f"logits_size={rows.shape} labels_size={labels.shape}"
        ) from None
    return np.moveaxis(flat.reshape(rows.shape), -1, axis), logits


def _sparse_pair(labels, logits):
    labels, logits = np.asarray(labels), _floats(logits)
    if logits.ndim == 0:
        raise ValueError("`logits` cannot be a scalar")
    if labels.dtype not in (np.int32, np.int64):
        raise TypeError(f"labels must be int32 or int64; got {labels.dtype}")
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            "`labels.shape.rank` must equal `logits.shape.rank - 1`, and the rest must agree. "
            f"Received: labels.shape={labels.shape} and logits.shape={logits.shape}"
        )
    outside = labels[(labels < 0) | (labels >= logits.shape[-1])]
    if outside.size:
        raise IndexError(
            f"Received a label value of {outside[0]} which is outside the valid range of "
            f"[0, {logits.shape[-1]})."
        )
    return labels, logits
