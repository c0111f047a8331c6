"""Log-sum-exp, softmax and log-softmax: the three faces of one exponential sum.

What lives here: maps from logits to numbers and distributions. Losses are in
`losses`, slopes in `derivatives`.

Conventions. Classes lie on the last axis unless `axis` says otherwise. Integers and
bools become float64, which holds integers up to 2**53; every float type keeps its dtype.
16-bit types are computed in float32 and rounded once at the end: their own sums end at
65504 (float16) or stand still at 256 (bfloat16). Results have the same digits wherever the
axis of the classes is, and however the array lies in memory.
`logsumexp` is exact at infinite entries. A row with a +inf, or with nothing but -inf,
has no softmax: it becomes nan, and other rows do not notice.
"""

import numpy as np

from companion._core import (
    as_axis,
    as_floating,
    as_labels,
    log_sum_parts,
    rounded,
    sum_over,
)


def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))), the smooth maximum, without overflow, and with its digits near 0.

    ::

        logsumexp(x) = m + log1p(sum of exp(x_i - m) over all i but the largest),  m = max(x)

    It lies between max(x) and max(x) + log K. Its gradient is softmax(x). What is right to
    the last digits is each of the two parts: where they cancel, as for two logits of -log 2,
    whose logsumexp is 0, the digits of their sum are lost.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis to sum over.
    keepdims : bool
        Keep that axis, with length 1.

    Returns
    -------
    ndarray, shape (...)
        In the unit of `x`. Exact for infinite entries; -inf for an empty axis.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `axis` is not one integer.
    ValueError
        If `x` is a single number without an axis.

    References
    ----------
    Blanchard, Higham & Higham (2021), "Accurately computing the log-sum-exp and softmax
    functions", IMA J. Numer. Anal. 41(4), doi:10.1093/imanum/draa038.

    Examples
    --------
    The small term survives, although 1 + exp(-40) rounds to 1.

    >>> logsumexp([[0, 0], [0, -40], [1000, 1000]])
    array([6.93147181e-01, 4.24835426e-18, 1.00069315e+03])
    """
    (x, dtype), axis = as_floating(x), as_axis(axis)
    with np.errstate(invalid="ignore"):  # inf - inf: replaced by the maximum below
        largest, _, log_rest = log_sum_parts(x, axis)
        result = np.where(np.isfinite(largest), largest + log_rest, largest)
    return rounded(result if keepdims else result.squeeze(axis), dtype)


def softmax(x, axis=-1):
    """Logits to probabilities: exp(x) divided by its sum.

    ::

        softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m),  m = max(x)

    The name is short for "soft argmax": the result points at the largest entry. The
    soft version of the maximum itself is `logsumexp`.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis of the classes.

    Returns
    -------
    ndarray, shape (..., K)
        Probabilities: not negative, and their sum along `axis` is 1 but for the rounding of
        each. A row with a +inf, or of nothing but -inf, becomes nan, with NumPy's "invalid
        value" warning.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `axis` is not one integer.
    ValueError
        If `x` is a single number without an axis.

    References
    ----------
    Bridle (1990), "Probabilistic interpretation of feedforward classification network
    outputs", doi:10.1007/978-3-642-76153-9_28. Blanchard, Higham & Higham (2021), on why
    dividing is more accurate than exp(x - logsumexp(x)), doi:10.1093/imanum/draa038.

    Examples
    --------
    >>> softmax([[1, 2, 3], [1001, 1002, 1003]])
    array([[0.09003057, 0.24472847, 0.66524096],
           [0.09003057, 0.24472847, 0.66524096]])
    """
    (x, dtype), axis = as_floating(x), as_axis(axis)
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    # A gap past the largest float is -inf, and its exponential 0: both are right.
    with np.errstate(over="ignore", under="ignore"):
        exps = np.exp(x - largest)
        return rounded(exps / sum_over(exps, axis), dtype)


def log_softmax(x, axis=-1):
    """The logarithm of softmax, also where softmax itself underflows or rounds to 1.

    ::

        log_softmax(x)_i = (x_i - m) - log1p(sum of the other exponentials),  m = max(x)

    Subtracting the maximum first matters: x_i - (m + log(...)) would round the
    logarithm away when m is large.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Logits.
    axis : int
        Axis of the classes.

    Returns
    -------
    ndarray, shape (..., K)
        Log-probabilities in nats, at most 0. A row with a +inf, or of nothing but -inf,
        becomes nan, with NumPy's "invalid value" warning.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or `axis` is not one integer.
    ValueError
        If `x` is a single number without an axis.

    References
    ----------
    Blanchard, Higham & Higham (2021), doi:10.1093/imanum/draa038.

    Examples
    --------
    >>> log_softmax([[0, 0], [40, 0], [0, -1000]])
    array([[-6.93147181e-01, -6.93147181e-01],
           [-4.24835426e-18, -4.00000000e+01],
           [ 0.00000000e+00, -1.00000000e+03]])
    """
    (x, dtype), axis = as_floating(x), as_axis(axis)
    _, gaps, log_rest = log_sum_parts(x, axis)
    return rounded(gaps - log_rest, dtype)


def one_hot(labels, num_classes):
    """Integer labels as distributions: 1 at the true class, 0 elsewhere.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Class indices in 0..K-1.
    num_classes : int
        Number of classes, K.

    Returns
    -------
    ndarray of float64, shape (..., K)

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If a label lies outside 0..K-1.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = as_labels(labels, num_classes)
    return (labels[..., np.newaxis] == np.arange(num_classes)).astype(np.float64)
