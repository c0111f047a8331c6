"""One sweep over the outputs: what each row gives to the losses of right and wrong programs.

The sweep goes in blocks that fit into cache, in float64, so that it reads the array once and
needs no second one of its size.
"""

from dataclasses import dataclass, replace

import numpy as np

WHOLE = ("apart", "share")  # of all rows together
BLOCK = 1 << 16  # numbers: half a megabyte of float64


@dataclass
class Rows:
    """Numbers of each row z, shape (N,). With labels y they are those of t = one_hot(y).

    Parameters
    ----------
    most, least, total : ndarray
        Largest and smallest entry, and sum, without nan.
    nans, rising, falling, zeros : ndarray of int
        How many entries are nan, +inf, -inf, 0.
    lse : ndarray
        logsumexp(z).
    top : ndarray of int
        Class of the largest entry.
    rare : ndarray
        Smallest gap z - max(z), -inf left out.
    apart : float
        How far the rows are from the first, once each is shifted to maximum 0.
    share : ndarray, shape (K,)
        Mean probability of each class over rows without nan.
    """

    most: np.ndarray
    least: np.ndarray
    total: np.ndarray
    nans: np.ndarray
    rising: np.ndarray
    falling: np.ndarray
    zeros: np.ndarray
    lse: np.ndarray
    top: np.ndarray
    rare: np.ndarray
    apart: float
    share: np.ndarray

    def of(self, kept):
        """Those of some rows."""
        kept = {name: value[kept] for name, value in vars(self).items() if name not in WHOLE}
        return replace(self, **kept)


class Kept:
    """Some rows of an array, read where they lie: a copy of them all would be a pass.

    Parameters
    ----------
    array : ndarray, shape (N, K)
        All rows.
    kept : ndarray of bool, shape (N,)
        Which of them.

    Examples
    --------
    >>> some = Kept(np.array([[1, 2], [3, 4], [5, 6]]), np.array([True, False, True]))
    >>> some.shape, some[1:], some[[0, 1], [1, 0]]
    ((2, 2), array([[5, 6]]), array([2, 5]))
    """

    def __init__(self, array, kept):
        self._array, self._index = array, np.flatnonzero(kept)
        self.shape = (len(self._index), array.shape[1])

    def __len__(self):
        return len(self._index)

    def __getitem__(self, place):
        if isinstance(place, tuple):
            return self._array[self._index[place[0]], place[1]]
        return self._array[self._index[place]]


def blocks(logits, *others):
    """Slices of rows, as float64, a block at a time: (first row, logits, *others).

    Parameters
    ----------
    logits : ndarray or Kept, shape (N, K)
        Of any real type.
    *others : ndarray, shape (N, ...)
        Cut in the same places.

    Returns
    -------
    iterator of tuple

    Examples
    --------
    >>> [start for start, _ in blocks(np.zeros((3, BLOCK)))]
    [0, 1, 2]
    """
    step = max(1, BLOCK // max(1, logits.shape[1]))
    for start in range(0, len(logits), step):
        part = slice(start, start + step)
        yield start, logits[part].astype(np.float64), *(other[part] for other in others)


def sweep(logits, kept=None):
    """What the outputs alone tell.

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        Outputs, classes last.
    kept : ndarray of bool, shape (N,), optional
        Which rows `apart` and `share` are of. All, if left out.

    Returns
    -------
    Rows

    Examples
    --------
    >>> sweep(np.array([[0.0, 0.0], [1.0, 2.0]])).lse.round(3)
    array([0.693, 2.313])
    """
    first, parts, apart, share = None, [], 0.0, np.zeros(logits.shape[1])
    with np.errstate(all="ignore"):
        for start, z in blocks(logits):
            numbers, gaps, probs = _of_block(z)
            chosen = slice(None) if kept is None else kept[start : start + len(z)]
            first = next(iter(gaps[chosen]), None) if first is None else first
            if first is not None:
                apart = np.maximum(apart, _distance(gaps[chosen], first))
            share += probs[chosen].sum(axis=0)
            parts.append(numbers)
        rows = Rows(*map(np.concatenate, zip(*parts, strict=True)), float(apart), share)
    counted = np.isfinite(rows.lse[slice(None) if kept is None else kept]).sum()
    return replace(rows, share=share / max(counted, 1))


def _of_block(z):
    nans, rising, falling = (f(z) for f in (np.isnan, np.isposinf, np.isneginf))
    most = np.fmax.reduce(z, axis=1)
    gaps = z - most[:, np.newaxis]
    exps = np.exp(gaps)
    sums = exps.sum(axis=1)
    lse = np.where(
        np.isinf(most), np.where(nans.any(axis=1), np.nan, most), most + np.log(sums)
    )
    rare = np.where(falling, 0.0, gaps).min(axis=1)
    probs = exps / sums[:, np.newaxis]
    probs[~np.isfinite(lse)] = 0
    counts = (mask.sum(axis=1) for mask in (nans, rising, falling, z == 0))
    totals = np.where(nans, 0.0, z).sum(axis=1)
    top = np.where(nans, -np.inf, z).argmax(axis=1)
    numbers = (most, np.fmin.reduce(z, axis=1), totals, *counts, lse, top, rare)
    return numbers, gaps, probs


def _distance(gaps, first):
    """How far rows are from the first one; 0 where both are -inf."""
    distance = np.abs(gaps - first)
    distance[gaps == first] = 0
    return distance.max(initial=0)


def at_targets(logits, targets):
    """Sum of t · z in each row, where a target of 0 does not count, whatever the logit.

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        Outputs, classes last.
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Labels, or distributions.

    Returns
    -------
    ndarray, shape (N,)

    Examples
    --------
    >>> at_targets(np.array([[1.0, -np.inf]]), np.array([[1.0, 0.0]]))
    array([1.])
    """
    if targets.ndim == 1:
        return logits[np.arange(len(logits)), targets].astype(np.float64)
    with np.errstate(invalid="ignore"):
        parts = (
            np.where(t != 0, t * z, 0.0).sum(axis=1) for _, z, t in blocks(logits, targets)
        )
        return np.concatenate(list(parts))
