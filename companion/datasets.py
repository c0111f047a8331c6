"""The data of the book: handwritten digits that ship with scikit-learn.

Nothing is downloaded. scikit-learn is imported when a function is called, because the
NumPy core does not need it.
"""

from typing import NamedTuple

import numpy as np


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

    Parameters
    ----------
    seed : int
        Which split. The same seed gives the same split.

    Returns
    -------
    Split

    Raises
    ------
    ImportError
        If scikit-learn is missing.

    References
    ----------
    Alpaydin & Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, doi:10.24432/C50P49. scikit-learn carries its test part.

    Examples
    --------
    >>> data = digits()
    >>> data.train_images.shape, data.test_images.shape
    ((1078, 64), (719, 64))
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError(
            "companion.datasets.digits needs scikit-learn: pip install scikit-learn."
        ) from error

    pixels, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        pixels / 16, labels, test_size=0.4, random_state=seed, stratify=labels
    )
    return Split(train_images, train_labels, test_images, test_labels)
