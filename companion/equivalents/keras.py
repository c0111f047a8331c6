"""Keras's losses and softmax layer, specified in NumPy: `keras.losses`, version 3.15.

Before 3.15 an ignored example costs nan if its prediction is nan, before 3.13 a mean over
ignored labels differs in its eighth digit, and masked classes can have a probability.

A loss is an object, called with the truth first: `CategoricalCrossentropy()(y_true, y_pred)`.
`y_pred` holds **probabilities unless `from_logits=True`**. Whatever comes is converted to
`dtype` first, which is float32 unless you say otherwise: float64 arrays lose half their
digits, and so do labels beyond 2**24.

Probabilities are clipped to EPSILON..1 - EPSILON before the logarithm. So their loss cannot
exceed -log(1e-7) = 16.118, and an entry that is clipped has no slope: an example that is wrong
enough does not push where it is wrong. `SparseCategoricalCrossentropy` divides by the sum after
the clip. That sum adds its logarithm to the loss and to its limit, and its slope to the entries
that are not clipped.

This is Keras on TensorFlow, its first backend, on a CPU; 16-bit types are rounded after every
step, as there. Two things there have no NumPy counterpart:
labels out of range give nan on a GPU, as TensorFlow's documentation says, and inside a
model the output of a Keras softmax layer remembers its logits, which the losses then use in
place of the probabilities.
"""

import numpy as np

from companion.equivalents import tensorflow
from companion.equivalents._sixteen_bits import total, wide

VERSIONS = ("3.15", "3.15")
EPSILON = 1e-7
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


class Loss:
    """What all losses share: conversion, sample weights, masks, reductions.

    Parameters
    ----------
    reduction : str or None
        "sum_over_batch_size" and "mean" are the same: the sum divided by the number of
        losses, whatever their sample weights. "mean_with_sample_weight" divides by the sum
        of the weights. "sum" sums; "none" and None leave one loss per example.
    name : str, optional
        Of the loss.
    dtype : dtype, optional
        What to compute in. float32 if left out.

    Raises
    ------
    ValueError
        For another reduction.

    Examples
    --------
    Ignored examples do not count in a mean, and those with weight 0 do.

    >>> logits, labels = np.zeros((2, 4)), np.array([1, 2])
    >>> given = {"from_logits": True, "dtype": "float64"}
    >>> SparseCategoricalCrossentropy(**given, ignore_class=1)(labels, logits)
    np.float64(1.3862943611198906)
    >>> SparseCategoricalCrossentropy(**given)(labels, logits, sample_weight=[0, 1])
    np.float64(0.6931471805599453)
    """

    def __init__(self, reduction="sum_over_batch_size", name=None, dtype=None):
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. "
                f"Received: reduction={reduction}"
            )
        self.reduction, self.name = reduction, name
        self.dtype = np.dtype(np.float32 if dtype is None else dtype)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss of `y_pred`; `y_true` is what is true. One number, or one per example."""
        y_true = np.asarray(y_true).astype(self.dtype)
        y_pred = np.asarray(y_pred).astype(self.dtype)
        with np.errstate(all="ignore"):  # 0 / 0 is nan, silently
            losses, mask = self.call(*_same_rank(y_true, y_pred))
            weight = None if sample_weight is None else np.asarray(sample_weight, self.dtype)
            weight = _masked(weight, mask, self.reduction, self.dtype)
            if weight is not None:
                losses, weight = _same_rank(losses, weight)
                losses = losses * weight
            return _reduce(losses, weight, self.reduction).astype(self.dtype)[()]

    def call(self, y_true, y_pred):
        """Losses of the examples, and which of them count, or None for all."""
        raise NotImplementedError


class CategoricalCrossentropy(Loss):
    """`keras.losses.CategoricalCrossentropy`: one-hot or soft targets.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` holds logits. If not, it is divided by its sum, silently, whatever
        it holds, and clipped: logits that are passed by mistake give a loss that looks fine.
    label_smoothing : float
        How much of each target is spread over all classes.
    axis : int
        Where the classes are.
    reduction, name, dtype : as in Loss
        What is done with the losses, and in which precision.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    The number of classes in label smoothing is the length of the last axis, also if `axis`
    is another one.

    Examples
    --------
    A sure and wrong answer costs 16.118. Logits read as probabilities cost nothing at all.

    >>> CategoricalCrossentropy(dtype="float64")([[1, 0]], [[0.0, 1.0]]).round(3)
    np.float64(16.118)
    >>> CategoricalCrossentropy(dtype="float64")([[1, 0, 0]], [[2.0, -1.0, 0.5]]).round(3)
    np.float64(0.0)
    >>> logits = [[2.0, -1.0, 0.5]]
    >>> CategoricalCrossentropy(True, dtype="float64")([[1, 0, 0]], logits).round(3)
    np.float64(0.241)
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    def call(self, y_true, y_pred):
        """Losses of the examples; all count."""
        _check_axis(y_pred)
        if self.label_smoothing:
            _check_axis(y_true)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                "Arguments `target` and `output` must have the same shape. Received: "
                f"target.shape={y_true.shape}, output.shape={y_pred.shape}"
            )
        if self.label_smoothing:
            even = np.divide(self.label_smoothing, y_true.shape[-1])
            y_true = y_true * y_true.dtype.type(1 - self.label_smoothing)
            y_true = y_true + y_true.dtype.type(even)
        if self.from_logits:
            losses = tensorflow.softmax_cross_entropy_with_logits(y_true, y_pred, self.axis)
        else:
            probs = _clip(y_pred / total(y_pred, self.axis, keepdims=True))
            losses = -total(y_true * np.log(probs), self.axis)
        return losses, None


class SparseCategoricalCrossentropy(Loss):
    """`keras.losses.SparseCategoricalCrossentropy`: integer labels.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` holds logits.
    ignore_class : int, optional
        Examples with this label cost 0, and means are over the others. 0 if none is left.
    reduction, name, dtype : as in Loss
        What is done with the losses, and in which precision.
    axis : int
        Where the classes are. Only the last axis works.

    Raises
    ------
    ValueError
        For another axis, or labels that are neither (...) nor (..., 1) for (..., K).
    IndexError
        If a label leaves 0..K-1. On a GPU it is nan instead.

    Notes
    -----
    Labels pass through `dtype` and are then cut to integers: 0.7 is class 0.

    Probabilities are first clipped, and then divided by their sum: the other order than in
    `CategoricalCrossentropy`. The two agree on probabilities, and not on what is passed by
    mistake: for [2, 1, 1] and class 0 one says log 2 and the other log 3. (On Keras's other
    backends both divide first.)

    Examples
    --------
    >>> loss = SparseCategoricalCrossentropy(dtype="float64")
    >>> [loss([0], [p]).round(9) for p in ([2.0, 1.0, 1.0], [0.5, 0.25, 0.25])]
    [np.float64(1.098612289), np.float64(0.693147181)]
    """

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def call(self, y_true, y_pred):
        """Losses of the examples, and which of them count."""
        if y_true.ndim == y_pred.ndim:
            _check_axis(y_pred, self.axis)
        if self.axis not in (-1, y_pred.ndim - 1):
            raise ValueError(f"Only axis=-1 is currently supported. Received: axis={self.axis}")
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        if not y_pred.ndim or y_true.shape != y_pred.shape[:-1]:
            raise ValueError(
                "Arguments `target` and `output` must have the same shape up until the last "
                f"dimension: target.shape={y_true.shape}, output.shape={y_pred.shape}"
            )
        mask = None
        if self.ignore_class is not None:
            mask = y_true != y_true.dtype.type(self.ignore_class)
            y_true = np.where(mask, y_true, 0)
            y_pred = np.where(mask[..., np.newaxis], y_pred, 0)
        logits = y_pred if self.from_logits else np.log(_clip(y_pred))
        labels = y_true.astype(np.int64)
        losses = tensorflow.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses if mask is None else np.where(mask, losses, 0), mask


class BinaryCrossentropy(Loss):
    """`keras.losses.BinaryCrossentropy`: one coin per entry, averaged over an axis.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` holds logits.
    label_smoothing : float
        How far targets are moved towards 1/2.
    axis : int
        Which axis each loss is the mean over.
    reduction, name, dtype : as in Loss
        What is done with the losses, and in which precision.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    In float32, 1 - (1 - 1e-7) is 1.19e-7: a sure and wrong "yes" costs at most 15.942, a
    sure and wrong "no" 16.118.

    Examples
    --------
    >>> BinaryCrossentropy(from_logits=True, dtype="float64")([[1, 1]], [[0.0, 1000.0]])
    np.float64(0.34657359027997264)
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    def call(self, y_true, y_pred):
        """Mean losses along the axis; all count."""
        if y_true.shape != y_pred.shape:
            raise ValueError(
                "Arguments `target` and `output` must have the same shape. Received: "
                f"target.shape={y_true.shape}, output.shape={y_pred.shape}"
            )
        if self.label_smoothing:
            kept, half = 1 - self.label_smoothing, 0.5 * self.label_smoothing
            y_true = y_true * y_true.dtype.type(kept) + y_true.dtype.type(half)
        if self.from_logits:
            soft = np.maximum(y_pred, 0) - y_pred * y_true
            losses = soft + np.log1p(np.exp(-np.abs(y_pred)))
        else:
            probs = _clip(y_pred)
            losses = -(y_true * np.log(probs) + (1 - y_true) * np.log(1 - probs))
        return _mean(losses, self.axis), None


class KLDivergence(Loss):
    """`keras.losses.KLDivergence`: sum(y_true * log(y_true / y_pred)), both clipped.

    Parameters
    ----------
    reduction, name, dtype : as in Loss
        What is done with the losses, and in which precision.

    Notes
    -----
    Both are clipped to 1e-7..1 and never divided by their sums. The classes are on the last
    axis. Neither takes logits.

    Examples
    --------
    >>> KLDivergence(dtype="float64")([[1.0, 0.0]], [[0.0, 1.0]]).round(3)
    np.float64(16.118)
    """

    def __init__(self, reduction="sum_over_batch_size", name="kl_divergence", dtype=None):
        super().__init__(reduction, name, dtype)

    def call(self, y_true, y_pred):
        """Losses of the examples; all count."""
        y_true, y_pred = _clip(y_true, above=1), _clip(y_pred, above=1)
        terms = y_true * np.log(y_true / y_pred)
        if terms.ndim == 0:
            raise ValueError("Invalid reduction dimension (-1 for input with 0 dimensions)")
        return total(terms, -1), None


class Softmax:
    """`keras.layers.Softmax`.

    Parameters
    ----------
    axis : int or tuple of int
        Where the classes are.
    dtype : dtype, optional
        What to compute in. float32 if left out.

    Raises
    ------
    ValueError
        If a mask does not broadcast to the inputs.
    TypeError
        If the inputs are integers. With a mask they become float32.

    Notes
    -----
    A masked class has probability 0. So has every class where all are masked: such a row
    sums to 0. Masking writes -1e9 (-3e4 in float16) over the logit. A mask of numbers is
    true above 1/2.

    Examples
    --------
    >>> Softmax()([[1.0, 1.0, 5.0]], mask=np.array([[True, True, False]]))
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    def __init__(self, axis=-1, dtype=None):
        self.axis, self.dtype = axis, np.dtype(np.float32 if dtype is None else dtype)

    def __call__(self, inputs, mask=None):
        """Probabilities, with the shape of `inputs`, along the axis."""
        if isinstance(self.axis, tuple | list) and not self.axis:
            raise IndexError("tuple index out of range: no axis of classes")
        x = self._converted(np.asarray(inputs), mask)
        if mask is None:
            return self._softmax(x)
        mask = np.asarray(mask)
        mask = mask if mask.dtype == bool else mask > 0.5
        if mask.ndim > x.ndim or np.broadcast_shapes(mask.shape, x.shape) != x.shape:
            raise ValueError(
                "The `mask` must be broadcastable to `inputs` and must not have more "
                f"dimensions. Received: inputs.shape={x.shape}, mask.shape={mask.shape}"
            )
        masked = x.dtype.type(-3e4 if x.dtype == np.float16 else -1e9)
        return np.where(mask, self._softmax(np.where(mask, x, masked)), x.dtype.type(0))

    def _converted(self, x, mask):
        if x.dtype.kind not in "biu":
            return x.astype(self.dtype)
        if mask is None:
            raise TypeError(f"Value for attr 'T' of {x.dtype} is not in the list of floats")
        return x.astype(np.float32)  # Keras converts no integers; the large number does

    def _softmax(self, x):
        axis = self.axis
        if isinstance(axis, tuple | list):
            if len(axis) != 1:
                return _softmax_over_axes(x, axis)
            (axis,) = axis
        return tensorflow.softmax(x, axis)


def _softmax_over_axes(x, axes):
    with np.errstate(all="ignore"):
        return np.exp(x - tensorflow.reduce_logsumexp(x, tuple(axes), keepdims=True))


def _check_axis(x, axis=-1):
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"tuple index out of range: axis {axis} of shape {x.shape}")


def _mean(x, axis):
    return (wide(x).mean(axis)).astype(x.dtype)


def _clip(x, above=1 - EPSILON):
    return np.clip(x, x.dtype.type(EPSILON), x.dtype.type(above))


def _same_rank(a, b):
    """Two arrays whose ranks differ by a last axis of length 1, with the same rank."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[:, np.newaxis]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[:, np.newaxis], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def _masked(weight, mask, reduction, dtype):
    if mask is None:
        return weight
    # For means, those that count weigh so much more that the mean is over them alone.
    if reduction in REDUCTIONS[:2]:
        mask = mask * (dtype.type(mask.size) / dtype.type(max(mask.sum(), 1)))
    mask = mask.astype(dtype)
    if weight is None:
        return mask
    mask, weight = _same_rank(mask, weight)
    return mask * weight


def _reduce(losses, weight, reduction):
    if reduction in ("none", None) or losses.shape in ((), (0,)):
        return losses  # an empty batch stays empty: no mean, and no sum either
    if reduction == "sum":
        return total(losses)
    by_weight = reduction == "mean_with_sample_weight" and weight is not None
    count = total(weight) if by_weight else losses.dtype.type(losses.size)
    return total(losses) / count if count else losses.dtype.type(0)
