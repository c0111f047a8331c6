"""Entropy, cross-entropy and KL divergence: distributions in, nats out.

Classes lie on the last axis. 0 * log(0) counts as 0, its limit. To get bits, divide by
log(2). For a loss on logits use `losses`: a probability that has underflowed to 0 cannot
tell how wrong it was.
"""

import numpy as np

from companion._core import as_pair, common_dtype, excess, rounded


def entropy(p):
    """The mean surprise of a distribution: -sum(p * log(p)).

    Parameters
    ----------
    p : array_like, shape (..., K)
        Probabilities.

    Returns
    -------
    ndarray, shape (...)
        In nats: 0 for a sure outcome, log K for K equal ones.

    Raises
    ------
    TypeError
        If `p` does not hold real numbers.
    ValueError
        If `p` is a single number without an axis.

    References
    ----------
    Shannon (1948), "A mathematical theory of communication", section 6,
    doi:10.1002/j.1538-7305.1948.tb01338.x.

    Examples
    --------
    >>> entropy([[1, 0], [0.5, 0.5]])
    array([0.        , 0.69314718])
    """
    return cross_entropy(p, p)


def cross_entropy(p, q):
    """The mean surprise of events drawn from `p` for one who believes `q`.

    ::

        H(p, q) = -sum(p * log(q)) = entropy(p) + kl_divergence(p, q)  for equal sums

    Parameters
    ----------
    p : array_like, shape (..., K)
        What happens.
    q : array_like, shape (..., K)
        What is believed.

    Returns
    -------
    ndarray, shape (...)
        In nats. inf where something happens that `q` calls impossible.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    Examples
    --------
    >>> cross_entropy([[1, 0], [0.5, 0.5]], [[1, 0], [0.25, 0.75]])
    array([0.        , 0.83698822])
    """
    p, q, dtypes = as_pair(p, q, ("p", "q"))
    with np.errstate(divide="ignore", under="ignore"):
        surprise = -np.log(q)
        surprise = np.where((p == 0) & np.isinf(surprise), 0, surprise)
        return rounded((p * surprise).sum(axis=-1), common_dtype(dtypes, "p and q"))


def kl_divergence(p, q):
    """What believing `q` costs beyond the entropy of `p`: sum(p * log(p / q)).

    ::

        KL(p, q) = sum(p * (exp(-r) - 1 + r)),  r = log(p / q)

    The terms with exp(-r) and 1 sum to sum(q) - sum(p) = 0, and with them no term is
    negative: nothing cancels, however near q is to p.

    Parameters
    ----------
    p : array_like, shape (..., K)
        What happens.
    q : array_like, shape (..., K)
        What is believed.

    Returns
    -------
    ndarray, shape (...)
        In nats, never negative. 0 for p = q, and else positive (until the square of a
        difference underflows); not symmetric. For arguments that do not sum to 1 it is the
        generalised divergence, sum(p * log(p / q)) + sum(q) - sum(p).

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    See Also
    --------
    softmax_kl_divergence : the same from logits, where a probability would underflow to 0.

    References
    ----------
    Kullback & Leibler (1951), "On information and sufficiency",
    doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> kl_divergence([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [1, 0]])
    array([ 0., inf])
    """
    p, q, dtypes = as_pair(p, q, ("p", "q"))
    never = p == 0
    a, b = np.where(never, 1, p), np.where(never, 1, q)
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        near = np.abs(a - b) < b / 2
        log_ratio = np.where(near, np.log1p((a - b) / b), np.log(a) - np.log(b))
        terms = np.where(near, a * excess(log_ratio), a * log_ratio + (b - a))
        total = np.where(never, q, terms).sum(axis=-1)
    return rounded(total, common_dtype(dtypes, "p and q"))
