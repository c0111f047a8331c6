"""Entropy, cross-entropy and KL divergence: distributions in, nats out.

Classes lie on the last axis. 0 * log(0) counts as 0, its limit. To get bits, divide by
log(2). For a loss on logits use `losses`: a probability that has underflowed to 0 cannot
tell how wrong it was.
"""

import numpy as np

from companion._core import as_floating


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

        H(p, q) = -sum(p * log(q)) = entropy(p) + kl_divergence(p, q)

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
    p, q, dtype = _as_pair(p, q)
    with np.errstate(divide="ignore"):
        surprise = -np.log(q)
    return _mean(surprise, p).astype(dtype, copy=False)


def kl_divergence(p, q):
    """What believing `q` costs beyond the entropy of `p`: sum(p * log(p / q)).

    Parameters
    ----------
    p : array_like, shape (..., K)
        What happens.
    q : array_like, shape (..., K)
        What is believed.

    Returns
    -------
    ndarray, shape (...)
        In nats. 0 if and only if p = q; not symmetric.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If the shapes differ, or are those of a single number without an axis.

    References
    ----------
    Kullback & Leibler (1951), "On information and sufficiency",
    doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> kl_divergence([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [1, 0]])
    array([ 0., inf])
    """
    p, q, dtype = _as_pair(p, q)
    with np.errstate(divide="ignore"):
        log_ratio = np.log(np.where(p == 0, 1, p)) - np.log(q)
    return _mean(log_ratio, p).astype(dtype, copy=False)


def _as_pair(p, q):
    p, p_dtype = as_floating(p)
    q, q_dtype = as_floating(q)
    if p.shape != q.shape:
        raise ValueError(f"p and q must have the same shape; got {p.shape} and {q.shape}.")
    return p, q, np.promote_types(p_dtype, q_dtype)


def _mean(values, p):
    # inf * 0 would be nan; an event that never happens costs nothing.
    return (p * np.where((p == 0) & np.isinf(values), 0, values)).sum(axis=-1)
