"""The data of the book: handwritten digits, which come with the package.

`digits.npz` holds pixels from 0 to 16 and labels, a byte each. They are the test part of
"Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998), UCI Machine
Learning Repository, <https://doi.org/10.24432/C50P49>, in the order that scikit-learn gives
them. Their licence is CC BY 4.0, <https://creativecommons.org/licenses/by/4.0/>. Only the form
of the file is ours.
"""

import numbers
from pathlib import Path
from typing import NamedTuple

import numpy as np

TRAIN = 1078  # of 1797
INK = 16  # the darkest pixel of the file


class Split(NamedTuple):
    """Images and their labels, in two parts.

    Parameters
    ----------
    train_images, test_images : ndarray of float64, shape (N, 64)
        8 x 8 pixels in rows, 0 (paper) to 1 (ink).
    train_labels, test_labels : ndarray of int, shape (N,)
        The digit, 0..9.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def digits(seed=0):
    """The 1797 digits, 1078 to train on and 719 to test on, all classes in proportion.

    The split is that of scikit-learn's `train_test_split(pixels / 16, labels, test_size=0.4,
    random_state=seed, stratify=labels)`, which is not needed for it.

    Parameters
    ----------
    seed : int
        Which split, 0 to 2 ** 32 - 1. The same seed gives the same split.

    Returns
    -------
    Split

    Raises
    ------
    TypeError
        If `seed` is not an integer.
    ValueError
        If there is no such seed.

    References
    ----------
    Alpaydin & Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, doi:10.24432/C50P49. This is its test part, under CC BY 4.0.

    Examples
    --------
    >>> data = digits()
    >>> data.train_images.shape, data.test_images.shape
    ((1078, 64), (719, 64))
    """
    rng = _generator(seed)
    with np.load(Path(__file__).with_name("digits.npz")) as stored:
        images, labels = stored["pixels"] / INK, stored["labels"].astype(int)
    train, test = _in_proportion(labels, rng)
    return Split(images[train], labels[train], images[test], labels[test])


def _generator(seed):
    """NumPy's old generator, whose numbers will not change, and which scikit-learn uses."""
    if not isinstance(seed, numbers.Integral):
        raise TypeError(f"seed must be an integer; got {seed!r}. Take 0, 1, 2 and so on.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in 0..2**32 - 1; got {seed}. Take 0, 1, 2 and so on.")
    return np.random.RandomState(int(seed))


def _in_proportion(labels, rng):
    """Places to train on and to test on, as scikit-learn's StratifiedShuffleSplit draws them.

    Each draw is made in its order, so that the same seed gives the same places.
    """
    counts = np.bincount(labels)
    train, test = [], []
    for label, share in enumerate(_shares(counts, TRAIN, rng)):
        places = np.flatnonzero(labels == label)[rng.permutation(counts[label])]
        train.append(places[:share])
        test.append(places[share:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def _shares(counts, total, rng):
    """How many of each class are among `total`: rounded, and among equals drawn by lot."""
    exact = counts / counts.sum() * total
    shares = np.floor(exact).astype(int)
    rests = exact - shares
    for rest in np.unique(rests)[::-1]:
        tied = np.flatnonzero(rests == rest)
        missing = min(len(tied), total - shares.sum())
        if missing > 0:
            shares[rng.choice(tied, missing, replace=False)] += 1
    return shares
