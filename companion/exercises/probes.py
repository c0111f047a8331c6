"""Arguments of calls that tell right from wrong, made by rule.

Each rule stands for a kind of fault: a shift that is not the row's maximum, an axis, an array
of integers. Exercises put their calls together from these.
"""

import numpy as np

from companion.functions import logsumexp, softmax


def array(*rows):
    """Rows of numbers as a two-dimensional float array.

    Examples
    --------
    >>> array([1, 2])
    array([[1., 2.]])
    """
    return np.array(rows, dtype=float)


def flat(*values):
    """Numbers as a one-dimensional float array.

    Examples
    --------
    >>> flat(1, 2)
    array([1., 2.])
    """
    return np.array(values, dtype=float)


def plain_rows():
    """Small logits: one row, as many rows as classes, more rows, ties, one class, integers.

    Returns
    -------
    list of ndarray, shape (N, K)
        Smallest first.
    """
    return [
        array([1, 2, 3]),
        array([0.5, -1.5], [2, 0.25]),
        array([3, 1], [2, 2], [-1, 0]),
        array([1, 2, 3, 4], [0, 0, 0, 9], [-1, 5, 2, 2]),
        array([4], [-2], [0]),
        np.array([[1, 2, 4], [3, 0, 1]]),
    ]


def large_rows():
    """Logits whose exp is inf or 0, each kind against another shift that is not the maximum.

    Returns
    -------
    list of ndarray, shape (N, K)
    """
    return [
        array([1000, 1001]),
        array([700, -3000]),  # the mean and the smallest overflow; no shift does not
        array([400, 400, 400, -400]),  # the smallest and the mean, again without an overflow
        array([1400, 0, 0, 0]),  # the mean is too low, the middle is not
        array([30, 0], [55, 0], [95, 0]),  # clips
        array([-800, -801], [-801, -800]),  # the largest size
        array([3000, -5, -6], [-5, 3000, -6], [-6, -5, 3000]),  # the largest at each place
        array([-3000, 5, 6], [6, -3000, 5], [5, 6, -3000]),  # the smallest at each place
        array([0, 1], [-1000, -1001], [-2000, -2001], [2000, 2001]),  # rows that lie far apart
        array([1e8, 1e8 + 1], [1e8 + 1, 1e8]),  # float32 cannot tell these
        scattered(),
    ]


def scattered():
    """Forty rows of four logits, from small to thousands, of both signs, in no order.

    Returns
    -------
    ndarray, shape (40, 4)
    """
    rng = np.random.default_rng(0)
    sizes = 10 ** rng.uniform(0, 3.5, size=(40, 4))
    return (rng.choice([-1, 1], size=(40, 4)) * sizes).round(1)


def labels_for(logits, which):
    """A label for each row: its most likely or least likely class, or classes in turn.

    Parameters
    ----------
    logits : ndarray, shape (N, K)
    which : {"likely", "unlikely", "turn", "early"}
        "early" leaves the last class out, where there is more than one.

    Returns
    -------
    ndarray of int, shape (N,)

    Examples
    --------
    >>> labels_for(array([1, 0, 5], [3, 2, 1]), "unlikely")
    array([1, 2])
    """
    count, classes = logits.shape
    return {
        "likely": logits.argmax(axis=-1),
        "unlikely": logits.argmin(axis=-1),
        "turn": np.arange(count)[::-1] % classes,
        "early": np.arange(count) % max(classes - 1, 1),
    }[which]


def with_labels(arrays):
    """Logits with labels: each array with classes in turn, and once more with another choice.

    Parameters
    ----------
    arrays : list of ndarray, shape (N, K)

    Returns
    -------
    tuple of (ndarray, ndarray)
    """
    choices = [("turn", "unlikely"), ("likely", "early"), ("turn", "early"), ("unlikely",)]
    return tuple(
        (logits, labels_for(logits, which))
        for i, logits in enumerate(arrays)
        for which in choices[i % len(choices)]
    )


# Functions that are arguments of an answer.


def loss_of_class_0(z):
    """Cross-entropy of one row of logits with label 0."""
    return logsumexp(z) - z[0]


def right_gradient(z):
    """The gradient of `loss_of_class_0`."""
    return softmax(z) - np.eye(len(z))[0]


def zero_gradient(z):
    """A gradient that is wrong nearly everywhere."""
    return np.zeros(len(z))


def sign_error(z):
    """The gradient of `loss_of_class_0`, turned round."""
    return -right_gradient(z)


def cube_sum(z):
    """A function whose third derivative is large."""
    return float((100 * z**3).sum())


def cube_gradient(z):
    """The gradient of `cube_sum`."""
    return 300 * z**2
