"""What the core shares: checked inputs, dtypes, and the parts of a log-sum-exp.

Private: what is written here may change with any version. The contract that it keeps is that
of the public functions.
"""

import numpy as np


def as_floating(x):
    """`x` in the precision to compute in, and the dtype that the result shall have.

    Parameters
    ----------
    x : array_like
        Numbers or bools.

    Returns
    -------
    work : ndarray
        `x` as float32 or wider, in native byte order. May share memory with `x`.
    dtype : numpy.dtype
        float64 for integers and bools, else the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` is a single number, without an axis of classes.

    Examples
    --------
    >>> work, dtype = as_floating(np.float16([1, 2]))
    >>> work.dtype, dtype
    (dtype('float32'), dtype('float16'))
    """
    x = np.asarray(x)
    if x.ndim == 0:  # NumPy would reduce it over an axis that it does not have
        raise ValueError(
            "an axis of classes is needed, shape (..., K); got one number, shape ()."
        )
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    # bfloat16 and other extension floats are of kind V; they know how to become float32.
    is_float = x.dtype.kind == "f" or np.can_cast(x.dtype, np.float32)
    if not is_float:
        raise TypeError(f"logits and probabilities must be real numbers; got dtype {x.dtype}.")
    dtype = x.dtype.newbyteorder("=")
    return x.astype(np.promote_types(dtype, np.float32), copy=False), dtype


def rounded(values, dtype):
    """`values` in the dtype of the result; what is past its largest number is infinite.

    Parameters
    ----------
    values : ndarray of float, any shape
        Computed in working precision.
    dtype : dtype
        What the caller shall get.

    Returns
    -------
    ndarray, shape of `values`

    Examples
    --------
    >>> rounded(np.float32([-1, -120000]), np.float16)
    array([ -1., -inf], dtype=float16)
    """
    with np.errstate(over="ignore"):  # as in float64, where such a gap is -inf silently, too
        return values.astype(dtype, copy=False)


def as_labels(labels, num_classes):
    """`labels` as an integer array, or the error that NumPy would not raise.

    Indexing would take -1 for the last class and answer without a word.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Class indices.
    num_classes : int
        K.

    Returns
    -------
    ndarray of int, shape (...)

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If a label lies outside 0..K-1.

    Examples
    --------
    >>> as_labels([2, -1], 3)
    Traceback (most recent call last):
    ...
    ValueError: labels must lie in 0..2 for 3 classes; got -1 at position (1,).
    """
    labels = np.asarray(labels)
    if labels.size == 0:  # an empty list is float64 to NumPy, and has no wrong label in it
        labels = labels.astype(np.intp)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            "labels must be integers, one class index per example; "
            f"got dtype {labels.dtype}. For one-hot or soft targets use softmax_cross_entropy."
        )
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1} for {num_classes} classes; "
            f"got {labels[place]} at position {place}."
        )
    return labels


def label_index(labels, logits):
    """Checked labels with an axis of length 1 at the end, as take_along_axis wants them.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Class indices.
    logits : ndarray, shape (..., K)
        Logits in working precision.

    Returns
    -------
    ndarray of int, shape (..., 1)

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If the shape does not fit or a label leaves 0..K-1.

    Examples
    --------
    >>> label_index([1, 0], np.zeros((2, 3)))
    array([[1],
           [0]])
    """
    labels = as_labels(labels, logits.shape[-1])
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"labels must have the shape of the logits without classes, {logits.shape[:-1]}; "
            f"got {labels.shape}. For one-hot or soft targets use softmax_cross_entropy."
        )
    return labels[..., np.newaxis].astype(np.intp, copy=False)


def as_targets(targets, logits):
    """`targets` in the precision of the logits, or the error that NumPy would not raise.

    Parameters
    ----------
    targets : array_like, shape (..., K)
        Distributions over the classes.
    logits : ndarray, shape (..., K)
        Logits in working precision.

    Returns
    -------
    ndarray, shape (..., K)

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> as_targets([1, 0], np.zeros((3, 2)))
    Traceback (most recent call last):
    ...
    ValueError: targets must have the shape of the logits, (3, 2); got (2,). \
For integer labels use softmax_cross_entropy_with_labels.
    """
    targets, _ = as_floating(targets)
    if targets.shape != logits.shape:
        raise ValueError(
            f"targets must have the shape of the logits, {logits.shape}; got {targets.shape}. "
            "For integer labels use softmax_cross_entropy_with_labels."
        )
    return targets


def peak_index(x, axis=-1):
    """Where the largest entry of each row stands, as an index into `x`.

    Parameters
    ----------
    x : ndarray, shape (..., K)
        Logits, K >= 1.
    axis : int
        Where the classes are.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [7.0, 2.0]])
    >>> x[peak_index(x)]
    array([5., 7.])
    """
    peak = x.argmax(axis=axis)
    index = list(np.indices(peak.shape, sparse=True))  # take_along_axis takes twice as long
    index.insert(axis % x.ndim, peak)
    return tuple(index)


def log_sum_parts(x, axis=-1):
    """The three parts that everything here is made of: a maximum, gaps, and a logarithm.

    ::

        logsumexp(x) = largest + log_rest,  log_softmax(x) = gaps - log_rest

    The last part is log1p of the sum without the maximum: the largest term is exp(0) = 1,
    and adding it to a tiny rest would round the rest away.

    Parameters
    ----------
    x : ndarray of float, shape (..., K)
        Logits, already in working precision.
    axis : int
        Where the classes are.

    Returns
    -------
    largest : ndarray, shape (..., 1)
        max(x), and -inf if there are no classes.
    gaps : ndarray, shape (..., K)
        x - largest, at most 0.
    log_rest : ndarray, shape (..., 1)
        log(sum(exp(gaps))), at least 0. nan where the largest is infinite.

    Examples
    --------
    >>> largest, gaps, log_rest = log_sum_parts(np.array([140.0, 100.0]))
    >>> largest, gaps, log_rest
    (array([140.]), array([  0., -40.]), array([4.24835426e-18]))
    """
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(over="ignore"):  # a gap past the largest float: exp(-inf) = 0 is right
        gaps = x - largest
    exps = np.exp(gaps)
    if x.shape[axis]:  # no classes, no maximum to take out
        peak = peak_index(x, axis)
        exps[peak] = gaps[peak]  # 0, and nan if the peak is infinite: both are wanted here
    return largest, gaps, np.log1p(exps.sum(axis=axis, keepdims=True))
