"""PyTorch's softmax and losses, specified in NumPy: `torch.nn.functional`, version 2.13.

Classes are on axis 1 of (N, C, d1, ...), and on axis 0 of an unbatched (C,). Losses are
averaged unless `reduction` says "sum" or "none". The deprecated arguments `size_average` and
`reduce` stand in the middle of PyTorch's signatures and are left out here: what follows
them is keyword-only, so that no call means something else.

Errors have PyTorch's types and begin with its words. PyTorch warns when `dim` is left out
of softmax and when `kl_div` is reduced by "mean"; these functions do not.
"""

import numpy as np

from companion import functions
from companion.equivalents.axes import over_axes


def softmax(input, dim=None, *, dtype=None):
    """`torch.nn.functional.softmax`.

    Parameters
    ----------
    input : array_like of float, any shape
        Logits. Integers need `dtype`.
    dim : int, optional
        Axis of the classes. Left out, it is 0 for arrays with 0, 1 or 3 axes and 1 for others.
    dtype : dtype, optional
        What to convert the input to before anything is computed.

    Returns
    -------
    ndarray, shape of `input`
        Probabilities along `dim`.

    Raises
    ------
    NotImplementedError
        If the input holds integers and `dtype` is not given.

    Notes
    -----
    The implicit `dim` of an image without a batch, (C, H, W), is its channels; of a batch of
    sequences, (N, L, C), it is the batch, which is never meant.

    Examples
    --------
    >>> softmax(np.zeros((2, 5, 4))).sum(axis=0)[0]
    array([1., 1., 1., 1.])
    """
    return _along(functions.softmax, input, dim, dtype)


def log_softmax(input, dim=None, *, dtype=None):
    """`torch.nn.functional.log_softmax`.

    Parameters
    ----------
    input : array_like of float, any shape
        Logits. Integers need `dtype`.
    dim : int, optional
        Axis of the classes. Left out, it is chosen as in `softmax`.
    dtype : dtype, optional
        What to convert the input to before anything is computed.

    Returns
    -------
    ndarray, shape of `input`
        Log-probabilities along `dim`, in nats.

    Raises
    ------
    NotImplementedError
        If the input holds integers and `dtype` is not given.

    Examples
    --------
    >>> log_softmax(np.array([[0.0, -1000.0]]), dim=1)
    array([[    0., -1000.]])
    """
    return _along(functions.log_softmax, input, dim, dtype)


def logsumexp(input, dim, keepdim=False):
    """`torch.logsumexp`.

    Parameters
    ----------
    input : array_like, any shape
        Logits. Integers and bools become float32.
    dim : int or tuple of int
        Axes to sum over.
    keepdim : bool
        Keep those axes, with length 1.

    Returns
    -------
    ndarray
        The shape of `input` without `dim`. -inf for an empty axis.

    Examples
    --------
    >>> logsumexp(np.zeros((2, 3)), dim=(0, 1))
    np.float64(1.791759469228055)
    """
    x = np.asarray(input)
    x = x.astype(np.float32) if x.dtype.kind in "biu" else x
    if x.ndim == 0:  # a number has the axes 0 and -1 to PyTorch
        return x[()]
    total = over_axes(lambda rows: functions.logsumexp(rows, keepdims=True), x, dim)
    return total if keepdim else total.squeeze(dim)[()]


def cross_entropy(
    input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    """`torch.nn.functional.cross_entropy`: logits against class indices or probabilities.

    Parameters
    ----------
    input : array_like of float, shape (N, C, d1, ...) or (C,)
        Logits.
    target : array_like, shape (N, d1, ...) or () of int64; or the shape of `input`
        Class indices, uint8 too where there is no d1. An array with the shape of the logits
        is read as probabilities.
    weight : array_like of float, shape (C,), optional
        One factor per class, with the dtype of the logits.
    ignore_index : int
        Targets with this index cost 0 and do not count. Not for probabilities.
    reduction : {"mean", "sum", "none"}
        What to do with the losses of the examples.
    label_smoothing : float
        In 0..1: how much of each target is spread evenly over all classes.

    Returns
    -------
    ndarray, shape () or (N, d1, ...)
        In nats.

    Raises
    ------
    RuntimeError
        For other dtypes and shapes of the target, and what else PyTorch refuses.
    IndexError
        If a class index leaves 0..C-1 and is not `ignore_index`. On a GPU PyTorch stops the
        process' CUDA context with a device-side assertion instead.
    ValueError
        If the batch sizes differ.

    Notes
    -----
    "mean" of indices divides by the sum of the weights of the targets, not by N: nan when
    all are ignored, when all weights are 0, and for no examples. "mean" of probabilities
    divides by N d1 ..., whatever the weights.

    A probability of 0 against a logit of -inf is 0 * inf = nan. So is a class weight of 0.

    Examples
    --------
    >>> cross_entropy(np.zeros((2, 4)), np.array([2, -100]))
    np.float64(1.3862943611198906)
    >>> cross_entropy(np.zeros((1, 4)), np.array([-100]))
    np.float64(nan)
    """
    input, target = _floats(input), np.asarray(target)
    _check_reduction(reduction, "mean", "sum", "none")
    _check_smoothing(label_smoothing)
    log_probs = log_softmax(_work(input), _class_axis(input))
    with np.errstate(invalid="ignore"):  # 0 * inf is nan, silently
        if input.shape == target.shape:
            _check_probs(target, ignore_index)
            loss = _soft_loss(log_probs, target, weight, reduction, label_smoothing)
            return _as_dtype(loss, np.promote_types(input.dtype, target.dtype))
        _check_indices(input, target, weight)
        loss = _hard_loss(log_probs, target, weight, ignore_index, reduction, label_smoothing)
        return _as_dtype(loss, input.dtype)


def nll_loss(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
    """`torch.nn.functional.nll_loss`: minus the input at the target.

    Parameters
    ----------
    input : array_like of float, shape (N, C, d1, ...) or (C,)
        Log-probabilities. No logarithm is taken here: probabilities are accepted without a
        word, and give a negative loss.
    target : array_like of int64, shape (N, d1, ...) or ()
        Class indices, uint8 too where there is no d1.
    weight : array_like of float, shape (C,), optional
        One factor per class.
    ignore_index : int
        Targets with this index cost 0 and do not count.
    reduction : {"mean", "sum", "none"}
        What to do with the losses of the examples.

    Returns
    -------
    ndarray, shape () or (N, d1, ...)

    Raises
    ------
    RuntimeError, IndexError, ValueError
        As `cross_entropy`.

    Notes
    -----
    "mean" divides by the sum of the weights of the targets, so it is nan when all are
    ignored.

    Examples
    --------
    >>> log_probs, weight = np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([1.0, 3.0])
    >>> nll_loss(log_probs, np.array([0, 1]), weight).round(6)
    np.float64(0.340644)
    """
    _check_reduction(reduction, "mean", "sum", "none")
    input, target = _floats(input), np.asarray(target)
    _check_indices(input, target, weight)
    loss = _hard_loss(_work(input), target, weight, ignore_index, reduction, 0.0)
    return _as_dtype(loss, input.dtype)


def kl_div(input, target, *, reduction="mean", log_target=False):
    """`torch.nn.functional.kl_div`: what believing `input` costs beyond the entropy.

    Parameters
    ----------
    input : array_like of float, any shape
        Log-probabilities of the model. Mathematics writes it second: KL(target, input).
    target : array_like of float, shape that broadcasts with `input`
        Probabilities, or log-probabilities with `log_target`.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the mean over the first axis. "mean" divides by the number of all
        entries, classes included: it is too small by the factor K.
    log_target : bool
        Whether `target` holds logarithms.

    Returns
    -------
    ndarray, shape () or that of the inputs
        In nats. With "none" one number per class: nothing is summed over classes.

    Raises
    ------
    NotImplementedError
        If either holds integers.

    Notes
    -----
    A target of 0 costs 0, unless `input` is -inf there: 0 * inf = nan. With `log_target` a
    target of -inf is nan everywhere.

    Examples
    --------
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> [kl_div(np.log(q), p, reduction=mean).round(6) for mean in ("mean", "batchmean")]
    [np.float64(0.071921), np.float64(0.143841)]
    """
    _check_reduction(reduction, "mean", "sum", "none", "batchmean")
    (input, work), (target, t) = _wide(input), _wide(target)
    with np.errstate(invalid="ignore", divide="ignore"):
        if log_target:
            loss = np.exp(t) * (t - work)
        else:
            loss = np.where(t == 0, 0, t * np.log(t)) - t * work
        if reduction == "batchmean":
            batch = len(input) if input.ndim else 1
            loss = np.divide(loss.sum(), batch)  # no examples: nan
        else:
            loss = _reduce(loss, reduction, loss.size)
    return _as_dtype(loss, np.promote_types(input.dtype, target.dtype))


def binary_cross_entropy_with_logits(
    input, target, weight=None, *, reduction="mean", pos_weight=None
):
    """`torch.nn.functional.binary_cross_entropy_with_logits`: one coin per entry.

    ::

        loss = -(pos_weight * t * log sigmoid(z) + (1 - t) * log(1 - sigmoid(z)))

    Parameters
    ----------
    input : array_like of float, any shape
        Logits z of "yes", each for itself: no softmax, no axis of classes.
    target : array_like of float, shape of `input`
        Probabilities t of "yes".
    weight : array_like of float, optional
        Factors that broadcast with the losses.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of entries, whatever the weights.
    pos_weight : array_like of float, optional
        Factors of the "yes" part.

    Returns
    -------
    ndarray, shape () or that of `input`
        In nats, with the dtype of the target.

    Raises
    ------
    ValueError
        If the shapes differ.
    NotImplementedError
        If the input or target holds integers.

    Notes
    -----
    Finite logits never overflow. An infinite one is nan where it is right, not 0.

    Examples
    --------
    >>> binary_cross_entropy_with_logits(np.array([40.0, -1000.0]), np.array([1.0, 1.0]),
    ...                                  reduction="none")
    array([4.24835426e-18, 1.00000000e+03])
    """
    _check_reduction(reduction, "mean", "sum", "none")
    (input, z), (target, t) = _wide(input), _wide(target)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    with np.errstate(invalid="ignore"):
        yes = 1 if pos_weight is None else 1 + (np.asarray(pos_weight) - 1) * t
        minus_log_sigmoid = np.maximum(-z, 0) + np.log1p(np.exp(-np.abs(z)))
        loss = (1 - t) * z + yes * minus_log_sigmoid
        loss = loss if weight is None else loss * np.asarray(weight)
    return _as_dtype(_reduce(loss, reduction, loss.size), target.dtype)


# What the losses share.


def _hard_loss(log_probs, target, weight, ignore_index, reduction, label_smoothing):
    axis = _class_axis(log_probs)
    target = target.reshape(target.shape if log_probs.ndim > 1 else ())
    valid = target != ignore_index
    index = np.expand_dims(np.where(valid, target, 0), axis).astype(np.intp)
    _check_range(index, log_probs.shape[axis])
    scale = np.broadcast_to(_class_weight(weight, log_probs), log_probs.shape)
    counts = np.take_along_axis(scale, index, axis).squeeze(axis)[valid].sum()
    # np.where and not a product: an ignored example costs 0 even where its loss is inf.
    at_label = -np.take_along_axis(log_probs * scale, index, axis).squeeze(axis)
    loss = _reduce(np.where(valid, at_label, 0), reduction, counts)
    if label_smoothing:
        smooth = np.where(valid, -(log_probs * scale).sum(axis), 0) / log_probs.shape[axis]
        loss = (1 - label_smoothing) * loss
        loss = loss + label_smoothing * _reduce(smooth, reduction, counts)
    return loss


def _soft_loss(log_probs, target, weight, reduction, label_smoothing):
    axis = _class_axis(log_probs)
    smoothed = _work(target) * (1 - label_smoothing) + label_smoothing / log_probs.shape[axis]
    loss = -(log_probs * smoothed * _class_weight(weight, log_probs)).sum(axis)
    return _reduce(loss, reduction, loss.size)


def _reduce(loss, reduction, count):
    if reduction == "none":
        return loss
    total = loss.sum()
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing counts: 0 / 0 = nan
        return np.divide(total, count) if reduction == "mean" else total


def _class_axis(x):
    if x.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    return 1 if x.ndim > 1 else 0


def _class_weight(weight, log_probs):
    axis, num_classes = _class_axis(log_probs), log_probs.shape[_class_axis(log_probs)]
    shape = np.where(np.arange(log_probs.ndim) == axis, num_classes, 1)
    weight = np.ones(num_classes) if weight is None else np.asarray(weight)
    if weight.shape != (num_classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {num_classes} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )
    return weight.reshape(shape).astype(log_probs.dtype)


def _check_smoothing(amount):
    if not 0 <= amount <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {amount}")


def _check_probs(target, ignore_index):
    if target.dtype.kind in "biu":
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, "
            f"got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")


def _check_indices(input, target, weight):
    weight = input if weight is None else np.asarray(weight)
    if weight.dtype != input.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype} but found {weight.dtype}")
    if target.dtype not in ((np.int64, np.uint8) if input.ndim < 3 else (np.int64,)):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype}")
    if input.ndim == 1:
        if target.size != 1 or target.ndim > 1:
            raise ValueError(f"Expected one class index, got shape {target.shape}")
        return
    expected = input.shape[:1] + input.shape[2:]
    if target.shape[:1] != expected[:1]:
        raise ValueError(
            f"Expected input batch_size ({expected[0]}) to match target batch_size "
            f"({target.shape[:1]})."
        )
    if target.shape != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")


def _check_range(index, num_classes):
    outside = index[(index < 0) | (index >= num_classes)]
    if outside.size:
        raise IndexError(f"Target {outside[0]} is out of bounds.")


def _check_reduction(reduction, *allowed):
    if reduction not in allowed:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def _floats(x):
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        raise NotImplementedError(f"not implemented for {x.dtype}: floats are needed")
    return x


def _work(x):
    # 16-bit types are computed in float32, as PyTorch accumulates them.
    return x.astype(np.promote_types(x.dtype, np.float32), copy=False)


def _wide(x):
    x = _floats(x)
    return x, _work(x)


def _as_dtype(loss, dtype):
    return np.asarray(loss).astype(dtype, copy=False)[()]


def _along(f, input, dim, dtype):
    x = _floats(input if dtype is None else np.asarray(input).astype(dtype))
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    if not -max(x.ndim, 1) <= dim < max(x.ndim, 1):
        raise IndexError(f"Dimension out of range: {dim} for {x.ndim} axes")
    with np.errstate(invalid="ignore"):
        return f(np.atleast_1d(x), dim).reshape(x.shape)[()]
