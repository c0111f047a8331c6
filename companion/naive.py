"""The definitions, written literally. They overflow, underflow and cancel on purpose.

They are the specification: `tests/test_naive.py` checks that the real functions agree
with them where these work, and that these still break where the book says they break.
NumPy's warnings are left on, since they are part of what a reader should see.
"""

import numpy as np


def softmax(x):
    """exp(x) / sum(exp(x)) as in the formula. nan once exp overflows, wrong once it underflows.

    Parameters
    ----------
    x : array_like of float, shape (..., K)
        Logits.

    Returns
    -------
    ndarray, shape (..., K)

    Examples
    --------
    >>> softmax([1.0, 2.0, 3.0])
    array([0.09003057, 0.24472847, 0.66524096])
    """
    exps = np.exp(x)
    return exps / exps.sum(axis=-1, keepdims=True)


def logsumexp(x):
    """log(sum(exp(x))) as in the formula. inf once exp overflows, -inf once it underflows.

    Parameters
    ----------
    x : array_like of float, shape (..., K)
        Logits.

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> logsumexp([0.0, 0.0])
    np.float64(0.6931471805599453)
    """
    return np.log(np.exp(x).sum(axis=-1))


def log_softmax(x):
    """log(softmax(x)) as in the formula. -inf once a probability is 0, nan where softmax is.

    Parameters
    ----------
    x : array_like of float, shape (..., K)
        Logits.

    Returns
    -------
    ndarray, shape (..., K)

    Examples
    --------
    >>> log_softmax([0.0, 0.0])
    array([-0.69314718, -0.69314718])
    """
    return np.log(softmax(x))


def cross_entropy(p, q):
    """-sum(p * log(q)) as in the formula. nan for 0 * log(0).

    Parameters
    ----------
    p, q : array_like of float, shape (..., K)
        Distributions.

    Returns
    -------
    ndarray, shape (...)
        In nats.

    Examples
    --------
    >>> cross_entropy([0.5, 0.5], [0.5, 0.5])
    np.float64(0.6931471805599453)
    """
    return -np.sum(p * np.log(q), axis=-1)
