"""What the core shares: checked inputs, dtypes, and the parts of a log-sum-exp.

Private: what is written here may change with any version. The contract that it keeps is that
of the public functions.
"""

import math
import operator

import numpy as np

# A sum of at most so many terms has one level: NumPy halves longer ones.
BLOCK = 128


def as_floating(x):
    """`x` in the precision to compute in, and the dtype that the result shall have.

    Parameters
    ----------
    x : array_like
        Numbers or bools, with an axis of classes.

    Returns
    -------
    work : ndarray
        `x` as float32 or wider, in native byte order, C-contiguous. May share memory with `x`.
    dtype : numpy.dtype
        float64 for integers and bools, else the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or has a mask.
    ValueError
        If `x` is a single number, without an axis of classes.

    Examples
    --------
    >>> work, dtype = as_floating(np.float16([1, 2]))
    >>> work.dtype, dtype
    (dtype('float32'), dtype('float16'))
    """
    work, dtype = as_real(x)
    if work.ndim == 0:  # NumPy would reduce it over an axis that it does not have
        raise ValueError(
            "an axis of classes is needed, shape (..., K); got one number, shape ()."
        )
    return work, dtype


def as_real(x):
    """As `as_floating`, for functions that need no axis of classes.

    Parameters
    ----------
    x : array_like
        Numbers or bools, of any shape.

    Returns
    -------
    work : ndarray
        `x` as float32 or wider, in native byte order, C-contiguous. May share memory with `x`.
    dtype : numpy.dtype
        float64 for integers and bools, else the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or has a mask.

    Examples
    --------
    >>> as_real(True)
    (array(1.), dtype('float64'))
    """
    if isinstance(x, np.ma.MaskedArray):  # the mask would be dropped without a word
        raise TypeError(
            "arrays must have no mask; got a masked array. For logits use x.filled(-np.inf)."
        )
    given = type(x).__name__
    x = np.asarray(x, order="C")  # one order of memory, one order of sums
    # Floats and integers of other packages, bfloat16 and int4, are of kind V. They know what
    # they can become.
    if x.dtype.kind in "biu" or (x.dtype.kind == "V" and np.can_cast(x.dtype, np.int8)):
        x = x.astype(np.float64)
    if x.dtype.kind != "f" and not np.can_cast(x.dtype, np.float32):
        what = given if x.ndim == 0 else f"dtype {x.dtype}"
        raise TypeError(f"logits and probabilities must be real numbers; got {what}.")
    dtype = x.dtype.newbyteorder("=")
    return x.astype(np.promote_types(dtype, np.float32), copy=False), dtype


def as_pair(first, second, names):
    """Two arrays of one shape in one precision, before anything is computed from them.

    Parameters
    ----------
    first, second : array_like, shape (..., K)
        Logits or probabilities.
    names : tuple of str
        What the caller calls them.

    Returns
    -------
    first, second : ndarray, shape (..., K)
        Both float32, or both wider.
    dtypes : tuple of numpy.dtype
        What the results shall have, by the first and by the second.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> as_pair([1.0], [1.0, 2.0], ("p", "q"))
    Traceback (most recent call last):
    ...
    ValueError: q must have the shape of p, (1,); got (2,).
    """
    (first, dtype), (second, other) = as_floating(first), as_floating(second)
    if first.shape != second.shape:
        raise ValueError(
            f"{names[1]} must have the shape of {names[0]}, {first.shape}; got {second.shape}."
        )
    common = np.promote_types(first.dtype, second.dtype)
    return first.astype(common, copy=False), second.astype(common, copy=False), (dtype, other)


def common_dtype(dtypes, what):
    """The dtype that all of some dtypes promote to, or the error in words.

    Parameters
    ----------
    dtypes : list of numpy.dtype
        At least one.
    what : str
        What the caller calls the arrays that have them.

    Returns
    -------
    numpy.dtype

    Raises
    ------
    TypeError
        If there is none, as for float16 and bfloat16, which hold different numbers.

    Examples
    --------
    >>> common_dtype([np.dtype(np.float16), np.dtype(np.float64)], "chunks")
    dtype('float64')
    """
    try:
        return np.result_type(*dtypes)
    except TypeError:
        kinds = " and ".join(sorted({str(dtype) for dtype in dtypes}))
        raise TypeError(
            f"{what} must have dtypes that NumPy promotes to one; got {kinds}. "
            "Bring them to one with astype, such as float32."
        ) from None


def as_axis(axis):
    """`axis` as an int, or the error in words.

    Parameters
    ----------
    axis : int
        Where the classes are.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it is anything else, such as None or a tuple.

    Examples
    --------
    >>> as_axis(np.int64(-1))
    -1
    """
    try:
        return operator.index(axis)
    except TypeError:
        raise TypeError(
            f"axis must be one integer, the axis of the classes; got {axis!r}. "
            "Bring the classes onto one axis by reshape."
        ) from None


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
        A number, not an array without axes.

    Examples
    --------
    >>> rounded(np.float32([-1, -120000]), np.float16)
    array([ -1., -inf], dtype=float16)
    """
    # As in float64, where such a gap is -inf silently, too; and below the smallest it is 0.
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype, copy=False)[()]


def as_labels(labels, num_classes):
    """`labels` as an integer array, or the error that NumPy would not raise.

    Indexing would take -1 for the last class and answer without a word.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Class indices.
    num_classes : int
        Number of classes, K.

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


def as_weights(weights, shape, dtype):
    """Weights of examples, checked, in the precision to compute in.

    Parameters
    ----------
    weights : array_like, shape (...)
        One number per example; bools say which count.
    shape : tuple of int
        That of the examples.
    dtype : numpy.dtype
        The precision.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If weights are not real numbers.
    ValueError
        If there is not one for each example, or one is not finite.

    Examples
    --------
    >>> as_weights([True, False], (2,), np.float64)
    array([1., 0.])
    """
    weights, _ = as_real(weights)
    if weights.shape != shape:
        raise ValueError(
            f"weights must be one number per example, shape {shape}; got {weights.shape}. "
            "For weights of classes pass class_weights[labels]."
        )
    if not np.isfinite(weights).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(weights))[0])
        raise ValueError(
            f"weights must be finite; got {weights[place]} at position {place}. "
            "For an example that does not count pass 0."
        )
    return weights.astype(dtype, copy=False)


def only(counts, x):
    """`x` with 0 in place of what belongs to examples that do not count.

    Parameters
    ----------
    counts : ndarray of bool, shape (...)
        Which examples do.
    x : array_like, shape (...) or (..., K)
        Labels, or logits. Of another shape it is given back: its reader has the words for that.

    Returns
    -------
    ndarray
        `x` itself, if all count.

    Examples
    --------
    >>> only(np.array([True, False]), np.array([2, -100]))
    array([2, 0])
    """
    if isinstance(x, np.ma.MaskedArray):  # also refused by its reader
        return x
    x = np.asarray(x)
    if counts.all() or x.shape[: counts.ndim] != counts.shape:
        return x
    each = counts.reshape(counts.shape + (1,) * (x.ndim - counts.ndim))
    return np.where(each, x, np.zeros((), x.dtype))


def scaled(weights, result):
    """A result times the weights of the examples; 0, and not -0, for those of weight 0.

    Parameters
    ----------
    weights : ndarray, shape (...)
        One number per example.
    result : ndarray, shape (...) or (..., K)
        Losses or gradients, which are lost.

    Returns
    -------
    ndarray, shape of `result`

    Examples
    --------
    >>> scaled(np.array([2.0, 0.0]), np.array([[1.0, -1.0], [3.0, -3.0]]))
    array([[ 2., -2.],
           [ 0.,  0.]])
    """
    each = weights.reshape(weights.shape + (1,) * (np.ndim(result) - weights.ndim))
    with np.errstate(over="ignore", under="ignore"):
        return np.where(each == 0, 0, each * result)


def weighed(function, weights, logits, *others, classes=1):
    """A loss or a gradient of the examples that count, times their weights.

    What does not count, weight 0, is not looked at: its label may be -100, its logits nan.

    Parameters
    ----------
    function : callable
        Takes logits and the others, and gives a result, or a tuple of them, per example.
    weights : array_like, shape (...)
        One number per example.
    logits : array_like, shape (..., K)
        Its first argument.
    *others : array_like, shape (...) or (..., K)
        Its other arguments.
    classes : int
        How many axes of the logits belong to one example: 0 where each logit is one.

    Returns
    -------
    ndarray, or tuple of ndarray
        In the dtype that the logits ask for.

    Raises
    ------
    TypeError
        If weights or logits are not real numbers.
    ValueError
        If there is not one weight for each example, or one is not finite.

    Examples
    --------
    >>> weighed(lambda logits, labels: logits[:, 0], [2, 0], [[1.0], [np.nan]], [0, -100])
    array([2., 0.])
    """
    logits, dtype = as_real(logits) if classes == 0 else as_floating(logits)
    weights = as_weights(weights, logits.shape[: logits.ndim - classes], logits.dtype)
    results = function(*(only(weights != 0, x) for x in (logits, *others)))
    if isinstance(results, tuple):
        return tuple(rounded(scaled(weights, result), dtype) for result in results)
    return rounded(scaled(weights, results), dtype)


def sum_over(x, axis=-1):
    """Sums over the classes, with the same last digit wherever their axis is.

    Parameters
    ----------
    x : ndarray of float, shape (..., K), C-contiguous
        Terms.
    axis : int
        Where the classes are.

    Returns
    -------
    ndarray, shape (..., 1)

    Notes
    -----
    NumPy adds by halves along the last axis, so that few roundings meet, and one after the
    other along any other axis: a million float32 terms then keep two digits. Here a short
    axis is added slice by slice in the order of the last axis, and a long one made the last.

    Examples
    --------
    >>> rows = np.full((2, 10**6), 0.1, np.float32)
    >>> columns = np.ascontiguousarray(rows.T)
    >>> columns.sum(axis=0)
    array([100958.34, 100958.34], dtype=float32)
    >>> sum_over(columns, axis=0)
    array([[100000.01, 100000.01]], dtype=float32)
    >>> (sum_over(columns, axis=0) == sum_over(rows).T).all()
    np.True_
    """
    if axis in (-1, x.ndim - 1):
        return x.sum(axis=-1, keepdims=True)
    if x.shape[axis] <= BLOCK:
        total = _sum_of_slices(np.moveaxis(x, axis, 0))
    else:
        total = np.ascontiguousarray(np.moveaxis(x, axis, -1)).sum(axis=-1)
    return np.expand_dims(total, axis)


def _sum_of_slices(x):
    """Sum over the first axis, in the order in which NumPy adds a row: eight lanes."""
    if len(x) < 8:
        return sum(x[1:], start=x[0].copy()) if len(x) else np.zeros(x.shape[1:], x.dtype)
    lanes, whole = x[:8], len(x) - len(x) % 8
    for start in range(8, whole, 8):
        lanes = lanes + x[start : start + 8]
    while len(lanes) > 1:
        lanes = lanes[0::2] + lanes[1::2]
    total = lanes[0]
    for rest in x[whole:]:
        total += rest
    return total


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
    largest, gaps, rest = sum_parts(x, axis)
    with np.errstate(under="ignore"):
        return largest, gaps, np.log1p(rest)


def sum_parts(x, axis=-1):
    """As `log_sum_parts`, before the logarithm is taken.

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
    rest : ndarray, shape (..., 1)
        Sum of exp(gaps) over all classes but the largest. nan where the largest is infinite.

    Examples
    --------
    >>> largest, gaps, rest = sum_parts(np.array([3.0, 3.0, 3.0]))
    >>> rest
    array([2.])
    """
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    # A gap past the largest float is -inf, and its exponential 0: both are right.
    with np.errstate(over="ignore", under="ignore"):
        gaps = x - largest
        below = gaps < 0
        rest = sum_over(np.exp(gaps) * below, axis)
    if x.size - np.count_nonzero(below) != rest.size:  # ties, or nan: all but one count
        rest += np.maximum((gaps == 0).sum(axis=axis, keepdims=True) - 1, 0)
    return largest, gaps, rest


def excess(r):
    """exp(-r) - 1 + r for r in -1..1, with all its digits: what each term of a KL is made of.

    Parameters
    ----------
    r : ndarray of float, any shape
        Log-ratios; what lies outside -1..1 counts as the nearer end.

    Returns
    -------
    ndarray, shape of `r`
        At least 0, and 0 only at 0 (or where the square underflows).

    Examples
    --------
    The exact value at 1e-9 is 5e-19, less a third of a billionth of it.

    >>> r = np.float64(1e-9)
    >>> print(excess(r), np.expm1(-r) + r)
    4.999999998333333e-19 5.000000746056408e-19
    """
    r = np.clip(r, -1, 1)
    series = np.zeros_like(r)
    one = r.dtype.type(1)
    for k in range(22, 1, -1):  # 1 / 22! is below an ulp of 1/2, also in long double
        series = one / math.factorial(k) - r * series
    return r * r * series


def compared(logits, target_logits, temperature=1):
    """What two rows of logits say of each other, without a difference of nearly equal sums.

    With t = softmax(target_logits) and d = logits - target_logits, less the mean of d under t::

        sum(t * exp(d)) = 1 + S,  S = sum(t * (exp(d) - 1 - d)),  KL(t, p) = log(1 + S)

    Each term of S is at least 0, and keeps its digits however near the two are.

    Parameters
    ----------
    logits, target_logits : ndarray of float, shape (..., K)
        In one working precision.
    temperature : float
        What both are divided by. Their difference is taken before: two quotients are rounded,
        and would not be as near as the logits are.

    Returns
    -------
    divergence : ndarray, shape (..., 1)
        KL(t, p) in nats, p = softmax(logits). inf where p rules out what t does not.
    difference : ndarray, shape (..., K)
        p - t.

    Examples
    --------
    >>> divergence, difference = compared(np.array([1e-9, 0.0]), np.array([0.0, 0.0]))
    >>> divergence, difference
    (array([1.25e-19]), array([ 2.5e-10, -2.5e-10]))
    """
    with np.errstate(over="ignore", under="ignore"):
        _, own_gaps, own_rest = log_sum_parts(logits / temperature)
        largest, gaps, log_rest = log_sum_parts(target_logits / temperature)
        t, ruled_out = np.exp(gaps - log_rest), np.isneginf(target_logits)
        lost = np.isneginf(logits) & ~ruled_out
        d = logits_less(logits, target_logits, ruled_out | lost) / temperature
        d, mean = _centred(d, t)
        log_moved = _smaller_sum(gaps, d, logits / temperature - largest, -mean) - log_rest
        near = (np.abs(d) < 1) & ~ruled_out & ~lost
        log_sum = _log_of_moved(t, d, near, np.where(lost, -np.inf, log_moved))
        divergence = np.where(lost.any(axis=-1, keepdims=True), np.inf, log_sum)
        divergence = np.where(np.isnan(own_rest), np.nan, divergence)
        step = d - log_sum  # log(p / t)
        close = t * np.expm1(np.minimum(step, 1))
        plain = np.exp(own_gaps - own_rest) - t
        return divergence, np.where(near & (np.abs(step) < 1), close, plain)


def log_ratio(logits, other_logits):
    """Two distributions, and the logarithm of their ratio, also where they are nearly equal.

    Parameters
    ----------
    logits, other_logits : ndarray of float, shape (..., K)
        In one working precision.

    Returns
    -------
    p, q : ndarray, shape (..., K)
        softmax(logits) and softmax(other_logits).
    ratio : ndarray, shape (..., K)
        log(p / q): infinite where one rules a class out, and 0 where both do.

    Examples
    --------
    >>> p, q, ratio = log_ratio(np.array([1e-9, 0.0]), np.array([0.0, 0.0]))
    >>> ratio
    array([ 5.e-10, -5.e-10])
    """
    _, difference = compared(logits, other_logits)
    with np.errstate(all="ignore"):  # -inf - -inf, 0 / 0, the end of arctanh: not taken
        _, gaps, log_rest = log_sum_parts(logits)
        _, other_gaps, other_rest = log_sum_parts(other_logits)
        p, q = np.exp(gaps - log_rest), np.exp(other_gaps - other_rest)
        far = (gaps - log_rest) - (other_gaps - other_rest)
        slant = difference / (p + q)  # tanh(log(p / q) / 2)
        ratio = np.where(np.abs(slant) < 0.25, 2 * np.arctanh(slant), far)
        return p, q, np.where(np.isneginf(logits) & np.isneginf(other_logits), 0, ratio)


def logits_less(logits, others, not_at):
    """Differences of logits, but 0 at some, and no farther than floats can be halved.

    Parameters
    ----------
    logits, others : ndarray of float, shape (..., K)
        In one working precision.
    not_at : ndarray of bool, shape (..., K)
        Where to put 0.

    Returns
    -------
    ndarray, shape (..., K)

    Examples
    --------
    >>> logits_less(np.array([3.0, -np.inf]), np.array([1.0, -np.inf]), np.array([False, True]))
    array([2., 0.])
    """
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf: 0, or its row is nan
        d = np.where(not_at, 0, logits - others)
    far = np.finfo(d.dtype).max / 4
    return np.clip(d, -far, far)


def _smaller_sum(a, b, c, d):
    """a + b or c + d, which are the same, by the one whose parts cancel less.

    It is log(t exp(d)) of `compared`, but for log_rest. A class that is masked in t has a large
    gap and a large difference, or infinite ones; one that is moved far has another large pair.
    """
    with np.errstate(invalid="ignore"):  # -inf + inf, which is not taken
        return np.where(np.abs(a) + np.abs(b) <= np.abs(c) + np.abs(d), a + b, c + d)


def _centred(d, t):
    """d less its mean under t, and that mean."""
    mean = sum_over(t * d)
    d = d - mean
    return d - sum_over(t * d), mean  # again, for what was rounded away: all there is at t = 1


def _log_of_moved(t, d, near, log_moved):
    """log(1 + S) of `compared`; where S overflows, the logarithm of the whole sum."""
    terms = np.where(near, t * excess(-d), np.exp(log_moved) - t * (1 + d))
    total = sum_over(terms)
    # Where nearly all of t is lost to p, nothing is near, and the sum is not asked for.
    log_sum = np.log1p(np.maximum(total, -0.9))
    if not np.isinf(total).any():
        return log_sum
    largest, _, log_rest = log_sum_parts(log_moved)
    return np.where(np.isinf(total), largest + log_rest, log_sum)
