"""PyTorch's softmax and losses, specified in NumPy: `torch.nn.functional`, version 2.13.

On a CPU. The rest of the package takes 2.4 and newer; other versions than 2.13 were not
compared with what is written here.

Classes are on axis 1 of (N, C, d1, ...), and on axis 0 of an unbatched (C,). Losses are
averaged unless `reduction` says "sum" or "none". The deprecated arguments `size_average` and
`reduce` stand in the middle of PyTorch's signatures and are left out here: what follows
them is keyword-only, so that no call means something else.

Errors have PyTorch's types and begin with its words. PyTorch warns when `dim` is left out
of softmax and when `kl_div` is reduced by "mean"; these functions do not.

16-bit types are rounded where PyTorch rounds them: after every step, such as a logarithm or a
sum, that is a tensor there. So float16 overflows at 65504 inside of a sum, and digits of small
losses are lost, both where float32 keeps them. Wider types keep the package's digits.
"""

import numpy as np

from companion import functions
from companion.equivalents import _sixteen_bits as sixteen_bits
from companion.equivalents._sixteen_bits import is_short, total, wide
from companion.equivalents.axes import over_axes

VERSIONS = ("2.13", "2.13")


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
    return _along(_log_softmax, input, dim, dtype)


def logsumexp(input, dim, keepdim=False):
    """`torch.logsumexp`.

    Parameters
    ----------
    input : array_like, any shape
        Logits. Integers and bools become float32.
    dim : int or tuple of int
        Axes to sum over. () means all of them, and works only with `keepdim`.
    keepdim : bool
        Keep those axes, with length 1.

    Returns
    -------
    ndarray
        The shape of `input` without `dim`. -inf for an empty axis.

    Raises
    ------
    IndexError
        If an axis does not exist.
    RuntimeError
        If an axis appears twice.

    Examples
    --------
    >>> logsumexp(np.zeros((2, 3)), dim=(0, 1))
    np.float64(1.791759469228055)
    """
    x = np.asarray(input)
    x = x.astype(np.float32) if x.dtype.kind in "biu" else x
    dim = _dims(dim, x)
    if x.ndim == 0:  # a number has the axes 0 and -1 to PyTorch
        return x[()]
    if not dim and x.size and not keepdim:
        raise RuntimeError("output with shape [] doesn't match the broadcast shape")
    dim = dim or tuple(range(x.ndim))
    f = sixteen_bits.logsumexp if is_short(x) else functions.logsumexp
    sums = over_axes(lambda rows: f(rows, -1, keepdims=True), x, dim)
    return sums if keepdim else sums.squeeze(dim)[()]


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
        In 0..1: how much of each target is spread evenly over all classes. Less than 0 is
        taken for 0.

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
    _check_reduction(reduction, "mean", "sum", "none")
    input, target = np.asarray(input), np.asarray(target)
    weight = None if weight is None else np.asarray(weight)
    with np.errstate(all="ignore"):  # 0 * inf is nan and 0 / 0 too, silently
        if input.shape == target.shape:
            _check_probs(input, target, weight, ignore_index)
            return _soft_loss(input, target, weight, reduction, label_smoothing)[()]
        _check_smoothing(label_smoothing)
        log_probs = _log_probs(input)
        given = {"ignore_index": ignore_index, "reduction": reduction}
        loss = nll_loss(log_probs, target, weight, **given)
        if label_smoothing > 0:
            even = _even_loss(log_probs, target, weight, **given)
            loss = _mixed(loss, even, label_smoothing, log_probs)
        return loss[()]


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
    input, target = np.asarray(input), np.asarray(target)
    weight = None if weight is None else np.asarray(weight)
    _check_batch(input, target)
    _check_types(input, target, weight, reduction)
    axis = _class_axis(input)
    target = target.reshape(target.shape if input.ndim > 1 else ())
    valid = target != ignore_index
    _check_range(target[valid], input.shape[axis])
    index = np.where(valid, target, 0).astype(np.intp)
    weight = None if weight is None else weight.ravel()
    with np.errstate(all="ignore"):
        factor = input.dtype.type(1) if weight is None else _at(index, weight, 0)
        # np.where and not a product: an ignored example costs 0 even where its loss is inf.
        zero = input.dtype.type(0)
        loss = np.where(valid, -_at(index, input, axis) * factor, zero)
        counts = valid.sum() if weight is None else _sum_of_examples(factor, valid)
        if reduction == "none":
            return loss[()]
        return _reduced(_sum_of_examples(loss, valid), reduction, counts)


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
    RuntimeError
        If either holds integers, or the shapes do not broadcast.

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
    input, target = np.asarray(input), np.asarray(target)
    if input.dtype.kind in "biu" or target.dtype.kind in "biu":
        raise RuntimeError("kl_div: Integral inputs not supported.")
    with np.errstate(all="ignore"):
        if log_target:
            loss = _op(np.multiply, np.exp(target), _op(np.subtract, target, input))
        else:
            entropy = np.where(target == 0, target.dtype.type(0), target * np.log(target))
            loss = _op(np.subtract, entropy, _op(np.multiply, target, input))
        if reduction == "batchmean":
            return _by_number(np.divide, total(loss), len(input) if input.ndim else 1)[()]
        return _mean(loss) if reduction == "mean" else _reduced(loss, reduction)


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
        If the input holds integers.
    RuntimeError
        If the target holds integers, or a weight does not broadcast to the losses.

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
    input, target = np.asarray(input), np.asarray(target)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    with np.errstate(all="ignore"):
        log_sigmoid = _log_sigmoid(input)
        if pos_weight is not None:
            yes = _op(np.multiply, _minus_one(np.asarray(pos_weight)), target)
            log_sigmoid = _in_place(np.multiply, log_sigmoid, _by_number(np.add, yes, 1))
        loss = _in_place(np.multiply, -_minus_one(target), input)
        loss = _in_place(np.subtract, loss, log_sigmoid)
        loss = loss if weight is None else _in_place(np.multiply, loss, np.asarray(weight))
        return _mean(loss) if reduction == "mean" else _reduced(loss, reduction)


# What the losses share.


def _log_probs(input):
    axis = 0 if input.ndim == 1 else 1
    if input.ndim == 0:
        raise IndexError(
            "Dimension out of range (expected to be in range of [-1, 0], but got 1)"
        )
    return log_softmax(input, axis)


def _soft_loss(input, target, weight, reduction, label_smoothing):
    log_probs, axis = _log_probs(input), _class_axis(input)
    if label_smoothing > 0:
        _check_smoothing(label_smoothing)
        kept = _by_number(np.multiply, target, 1 - label_smoothing)
        target = _by_number(np.add, kept, np.divide(label_smoothing, input.shape[axis]))
    loss = _op(np.multiply, log_probs, target)
    if weight is not None:
        loss = _op(np.multiply, loss, _along_classes(weight, loss))
    if reduction == "none":
        return -total(loss, axis)
    return _reduced(-loss, reduction, loss.size / max(input.shape[axis], 1))


def _sum_of_examples(losses, valid):
    # In 16-bit types PyTorch rounds after every addition here. It adds sums of 16 examples,
    # sums of 16 such sums, and so on (of more than 16 if there are more than 2**32 examples).
    if not is_short(losses):
        return total(losses[valid])
    sums = [losses.dtype.type(0)] * 8
    for i in np.flatnonzero(valid):
        sums[0] = sums[0] + losses.flat[i]
        level = 0
        while level < 7 and i >> 4 * level & 15 == 0:
            sums[level + 1] = sums[level + 1] + sums[level]
            sums[level] = losses.dtype.type(0)
            level += 1
    return sum(sums, losses.dtype.type(0))


def _even_loss(log_probs, target, weight, ignore_index, reduction):
    # The sum over all classes, for the part of the target that smoothing spreads evenly.
    loss, valid = log_probs, target != ignore_index
    if weight is not None:
        _check_weight(weight, log_probs)
        loss = loss * _along_classes(weight, loss)
    loss = -total(loss, _class_axis(log_probs))
    loss = _in_place(np.multiply, loss, np.ones_like(valid))  # the shapes must fit
    loss = np.where(valid, loss, loss.dtype.type(0))
    if weight is None or reduction != "mean":
        return _reduced(loss, reduction, valid.sum())
    if target.dtype == np.uint8 and valid.any():
        raise RuntimeError("gather(): Expected dtype int32/int64 for index")
    return _reduced(loss, reduction, total(weight[target[valid]]))


def _mixed(loss, even, label_smoothing, log_probs):
    share = np.divide(label_smoothing, log_probs.shape[_class_axis(log_probs)])
    kept = _by_number(np.multiply, loss, 1 - label_smoothing)
    return kept + _by_number(np.multiply, even, share)


def _mean(loss):
    return wide(loss).mean().astype(loss.dtype) if loss.size else loss.dtype.type(np.nan)


def _reduced(loss, reduction, count=None):
    if reduction == "none":
        return loss[()]
    if reduction == "sum":
        return total(loss)
    if isinstance(count, np.generic | np.ndarray):
        return total(loss) / np.asarray(count).astype(loss.dtype)
    return _by_number(np.divide, total(loss), count)


def _at(index, x, axis):
    if not x.shape[axis]:
        return np.zeros(index.shape, x.dtype)  # all are ignored: nothing is looked up
    if x.ndim == 1:
        return x[index]
    return np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis)


def _log_sigmoid(x):
    z = wide(_floats(x))
    return (np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))).astype(x.dtype)


def _class_axis(x):
    return 1 if x.ndim > 1 else 0


def _along_classes(weight, x):
    axis = _class_axis(x)
    return weight.reshape([len(weight) if i == axis else 1 for i in range(x.ndim)])


# Arithmetic between tensors, and between a tensor and a number.


def _op(f, a, b):
    dtype = _common(a, b)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise RuntimeError(
            f"The sizes of the tensors must match: {a.shape} and {b.shape}"
        ) from None
    return f(a.astype(dtype), b.astype(dtype))


def _in_place(f, a, b):
    result = _op(f, a, b)
    if result.shape != a.shape:
        raise RuntimeError(
            f"output with shape {list(a.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)}"
        )
    if a.dtype.kind in "iu" and result.dtype.kind not in "iu":
        raise RuntimeError(
            f"result type {result.dtype} can't be cast to the desired output type {a.dtype}"
        )
    return result.astype(a.dtype)


def _by_number(f, a, number):
    # A Python number is not rounded to 16 bits before it is used.
    return f(wide(a), number).astype(a.dtype)


def _minus_one(x):
    if x.dtype == bool:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported."
        )
    return x - x.dtype.type(1)


def _common(*arrays):
    # Numbers without axes adapt to arrays with axes, if both are floats.
    floats = [x for x in arrays if x.dtype.kind not in "biu"] or arrays
    dtypes = {x.dtype for x in floats if x.ndim} or {x.dtype for x in floats}
    short = len(dtypes) > 1 and all(dtype.itemsize == 2 for dtype in dtypes)
    return np.dtype(np.float32) if short else np.result_type(*dtypes)


# What is refused.


def _check_smoothing(amount):
    if amount > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {amount}")


def _check_probs(input, target, weight, ignore_index):
    if target.dtype.kind in "biu":
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, "
            f"got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if input.ndim:
        _check_weight(weight, input)


def _check_weight(weight, input):
    num_classes = input.shape[_class_axis(input)]
    if weight is not None and weight.shape != (num_classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {num_classes} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )


def _check_batch(input, target):
    if input.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    batch = target.shape[0] if target.ndim else 0
    if input.ndim > 1 and input.shape[0] != batch:
        raise ValueError(
            f"Expected input batch_size ({len(input)}) to match target batch_size ({batch})."
        )
    expected = input.shape[:1] + input.shape[2:]
    if input.ndim > 1 and target.shape != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")
    if target.ndim > 1 and input.ndim == 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    # What has more axes is made an image for the sake of the kernel, or an empty one.
    if input.ndim not in (1, 2, 4) and target.size and not input.size:
        raise RuntimeError(f"size mismatch (got input: {input.shape}, target: {target.shape})")


def _check_types(input, target, weight, reduction):
    _check_label_type(target, np.int64, np.uint8)
    # One kernel is for (C,) and (N, C), another for what has more axes.
    if input.ndim > 2:
        _check_weight(None if weight is None else weight.ravel(), input)
        _floats(input)
        if target.size or reduction == "none":
            _check_label_type(target, np.int64)
    else:
        if input.ndim == 1 and target.size != 1:
            raise ValueError(f"1D target must have size 1, but got {target.size}")
        _check_weight(weight, input)
        _floats(input)
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype} but found {weight.dtype}")


def _check_label_type(target, *allowed):
    if target.dtype not in allowed:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype}")


def _check_range(index, num_classes):
    outside = index[(index < 0) | (index >= num_classes)]
    if outside.size:
        raise IndexError(f"Target {outside[0]} is out of bounds.")


def _check_reduction(reduction, *allowed):
    if reduction not in allowed:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def _floats(x):
    if x.dtype.kind in "biu":
        raise NotImplementedError(f"not implemented for {x.dtype}: floats are needed")
    return x


def _dims(dim, x):
    rank = max(x.ndim, 1)
    dims = [dim] if isinstance(dim, int | np.integer) else dim
    for one in dims:
        if not -rank <= one < rank:
            raise IndexError(f"Dimension out of range: {one} for {x.ndim} axes")
    dims = tuple(one % rank for one in dims)
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"a dim appears multiple times in the list of dims {dims}")
    return dims


def _along(f, input, dim, dtype):
    x = np.asarray(input)
    x = x if dtype is None else x.astype(dtype)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    (dim,) = _dims(dim, x)
    if not x.size:
        return x
    _floats(x)
    with np.errstate(all="ignore"):
        return f(np.atleast_1d(x), dim).reshape(x.shape)[()]


def _log_softmax(x, axis):
    if not is_short(x) or axis < x.ndim - 1:
        return functions.log_softmax(x, axis)
    # PyTorch's kernel for the last axis rounds the sum and its logarithm to 16 bits.
    largest = wide(x.max(axis, keepdims=True))
    sums = np.exp(wide(x) - largest).sum(axis, keepdims=True).astype(x.dtype)
    return (wide(x) - largest - wide(np.log(sums))).astype(x.dtype)
