"""Which program prints this number? Losses of right and wrong programs, from row statistics.

Each program is a function of what a batch gives, to one loss per example, or to one number. A
loss that equals that of a wrong program, and not the right one, names it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from companion.diagnose._rows import Rows, at_targets, blocks
from companion.functions import logsumexp

KERAS = 1e-7  # what Keras clips probabilities at
MOST = 10_000_000  # numbers in an array that is looked at from each side
CLIPS = (KERAS, 2.0**-23, 1e-8, 1e-10, 1e-12, 1e-15, 2.0**-52)


@dataclass
class Batch:
    """What is known of a batch whose outputs and labels go together.

    Parameters
    ----------
    logits : ndarray or Kept, shape (N, K)
        Outputs, classes last, of any real type.
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Labels, or distributions.
    rows : Rows
        Of the outputs.
    shape : tuple of int
        Of the examples: (N,), or (N, H, W).
    kept : ndarray of bool, optional
        Which examples these are, if some were left out.
    column : bool
        Whether the labels came as a column.
    elsewhere : bool
        Whether the outputs are normalised, but along another axis.
    probabilities : bool
        Whether the outputs are probabilities already.
    """

    logits: np.ndarray
    targets: np.ndarray
    rows: Rows
    shape: tuple
    kept: np.ndarray | None = None
    column: bool = False
    elsewhere: bool = False
    probabilities: bool = False

    @property
    def classes(self):
        """How many classes there are."""
        return self.logits.shape[1]

    @property
    def hard(self):
        """Whether there is one label per example."""
        return self.targets.ndim == 1

    @cached_property
    def picked(self):
        """The logit of the label, or the sum of t · z."""
        return at_targets(self.logits, self.targets)

    @cached_property
    def weight(self):
        """The sum of each target."""
        return 1.0 if self.hard else self.targets.sum(axis=1)

    @cached_property
    def right(self):
        """Stable cross-entropy of the outputs as logits."""
        return self.weight * self.rows.lse - self.picked

    @cached_property
    def of_probabilities(self):
        """Cross-entropy of the outputs as probabilities: -log of the true class's."""
        if self.hard:
            return -np.log(self.picked)
        parts = blocks(self.logits, self.targets)
        logs = (-np.where(t > 0, t * np.log(p), 0.0).sum(axis=1) for _, p, t in parts)
        return np.concatenate(list(logs))

    @cached_property
    def true_probs(self):
        """Probability of the label, or the sum of t · p."""
        if self.probabilities:
            return self.picked
        return np.exp(self.picked - self.rows.lse) if self.hard else self.second.true_probs

    @cached_property
    def second(self):
        """What only wrong programs need: one more sweep."""
        columns, parts = Columns(self.classes), []
        for z, p, t in self.of_probs():
            columns.add(z)
            swapped = (None, None) if self.hard else (_kl(p, t), _kl(t, p))
            clipped = np.clip(z, KERAS, 1 - KERAS).sum(axis=1)
            squares = ((p - t) ** 2).sum(axis=1)
            twice = np.log(np.exp(p).sum(axis=1))
            parts.append(
                (twice, squares, clipped, self._sigmoid(z, t), (t * p).sum(axis=1), *swapped)
            )
        joined = [None if c[0] is None else np.concatenate(c) for c in zip(*parts, strict=True)]
        return Second(*joined, columns)

    def _sigmoid(self, z, t):
        """Binary cross-entropy of each class, summed; nan where it would say nothing."""
        if self.hard and not self.probabilities:
            return np.full(len(z), np.nan)  # one sigmoid a class may be meant
        if self.rows.least.min() >= 0 and self.rows.most.max() <= 1:
            return -np.where(t > 0, t * np.log(z), (1 - t) * np.log1p(-z)).sum(axis=1)
        return (np.logaddexp(0, z) - t * z).sum(axis=1)

    def of_probs(self):
        """Outputs, probabilities and targets, a block at a time."""
        for start, z, t in blocks(self.logits, self.targets):
            lse = self.rows.lse[start : start + len(z), np.newaxis]
            dense = t if t.ndim == 2 else t[:, np.newaxis] == np.arange(self.classes)
            yield z, (z if self.probabilities else np.exp(z - lse)), dense


class Second(NamedTuple):
    """Numbers of each row, shape (N,), that only wrong programs need.

    Parameters
    ----------
    twice : ndarray
        logsumexp of its softmax.
    squares : ndarray
        Squared error of the probabilities, summed over classes.
    clipped : ndarray
        Sum of the logits as Keras clips probabilities.
    sigmoid : ndarray
        Binary cross-entropy of each class, summed over classes.
    true_probs : ndarray
        Sum of t · p.
    swapped, straight : ndarray or None
        KL(p || t) and KL(t || p), of distributions.
    columns : Columns
        Sums over the examples.
    """

    twice: np.ndarray
    squares: np.ndarray
    clipped: np.ndarray
    sigmoid: np.ndarray
    true_probs: np.ndarray
    swapped: np.ndarray | None
    straight: np.ndarray | None
    columns: "Columns"


class Columns:
    """Sum and logsumexp of each column, from blocks of rows.

    Parameters
    ----------
    classes : int
        How many columns there are.

    Examples
    --------
    >>> columns = Columns(1)
    >>> columns.add(np.array([[0.0]]))
    >>> columns.add(np.array([[0.0]]))
    >>> columns.lse
    array([0.69314718])
    """

    def __init__(self, classes):
        self.total = np.zeros(classes)
        self._most, self._sum = np.full(classes, -np.inf), np.zeros(classes)

    def add(self, z):
        """Take in more rows, shape (n, K)."""
        most = np.maximum(self._most, z.max(axis=0))
        kept = np.where(self._most == most, 1.0, np.exp(self._most - most))
        self._sum = self._sum * kept + np.exp(z - most).sum(axis=0)
        self._most, self.total = most, self.total + z.sum(axis=0)

    @property
    def lse(self):
        """logsumexp of each column, shape (K,)."""
        return self._most + np.log(self._sum)


def _kl(p, q):
    return np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0).sum(axis=1)


def programs(batch):
    """(kind, losses, values of its sentences) of wrong programs, the likelier first.

    Parameters
    ----------
    batch : Batch
        With labels.

    Returns
    -------
    iterator of tuple
        Losses are one per example, or one number where a program mixes the examples.

    Examples
    --------
    >>> from companion.diagnose._rows import sweep
    >>> z = np.array([[0.0, 1.0]])
    >>> names = [kind for kind, *_ in programs(Batch(z, np.array([0]), sweep(z), (1,)))]
    >>> names[:2]
    ['softmax twice', 'divided by classes']
    """
    right = batch.of_probabilities if batch.probabilities else batch.right
    if not batch.probabilities:
        yield "softmax twice", batch.weight * batch.second.twice - batch.true_probs, {}
    yield "divided by classes", right / batch.classes, {}
    yield from _sums(batch, right)
    yield from _of_labels(batch) if batch.hard else _of_distributions(batch)
    if batch.hard:
        yield from _of_whole_batch(batch)
    yield "bits", right / np.log(2), {}
    if batch.kept is not None:
        yield "ignored label", float(right.sum()) / batch.kept.size, {"variant": "counted"}


def _of_distributions(batch):
    yield "swapped kl", batch.second.swapped, {}
    straight = {"right": float(batch.second.straight.mean())}
    of_kl = straight | {"variant": "kl"}
    yield "divided by classes", batch.second.straight / batch.classes, of_kl
    count = len(batch.targets)
    yield "sum", float(batch.second.straight.sum()), straight | {"count": count}
    yield "nll of probabilities", -batch.true_probs, {}
    yield "nll of logits", -batch.picked, {}


def _sums(batch, right):
    """A sum cannot be seen in losses that were not reduced."""
    if len(right) > 1:
        yield "sum", float(right.sum()), {"count": len(right)}
    if len(batch.shape) > 1 and batch.shape[0] < len(right) and batch.shape[0] > 1:
        count = len(right) // batch.shape[0]
        yield "sum", float(right.sum()) / batch.shape[0], {"variant": "image", "count": count}


def _of_labels(batch):
    p = batch.true_probs
    yield "nll of probabilities", -p, {}
    if batch.probabilities:
        yield from _clips(p)
        return
    yield "nll of logits", -batch.picked, {}
    yield from _of_keras(batch)
    yield from _clips(p)
    for shift in (-1, 1):  # as NumPy reads it: -1 is the last class
        moved = (batch.targets + shift) % batch.classes
        losses = batch.rows.lse - at_targets(batch.logits, moved)
        yield "off by one", losses, {"shift": shift}


def _clips(p):
    for eps in CLIPS:
        values = {"eps": f"{eps:.3g}", "ceiling": -np.log(eps)}
        yield "clip", -np.log(np.clip(p, eps, 1)), values
        yield "clip", -np.log(np.clip(p, eps, 1 - eps)), values
        yield "clip", -np.log(p + eps), values


def _of_keras(batch):
    """Logits that Keras is told are probabilities: its sparse losses, then its dense one."""
    clipped = np.clip(batch.picked, KERAS, 1 - KERAS)
    yield "logits as probabilities", np.log(batch.second.clipped / clipped), {}
    yield "logits as probabilities", -np.log(clipped), {}  # on its other backends
    divided = np.clip(batch.picked / batch.rows.total, KERAS, 1 - KERAS)
    yield "logits as probabilities", -np.log(divided), {}


def _of_other_axes(batch):
    """Softmax along each axis of the examples, as where `dim` was left out."""
    z = batch.logits.reshape(*batch.shape, -1).astype(np.float64)
    for axis in range(len(batch.shape)):
        of_axis = np.broadcast_to(logsumexp(z, axis=axis, keepdims=True), z.shape)
        picked = at_targets(of_axis.reshape(len(batch.targets), -1), batch.targets)
        yield "other axis", picked - batch.picked, {}


def _of_whole_batch(batch):
    """Programs that mix the examples."""
    y, lse, columns = batch.targets, batch.rows.lse, batch.second.columns
    if len(batch.shape) > 1 and np.prod(batch.shape) == len(y) and batch.logits.size < MOST:
        yield from _of_other_axes(batch)
    if batch.probabilities or len(y) == 1:
        return
    most = lse.max()
    whole = most + np.log(np.exp(lse - most).sum())
    yield "whole array", whole - batch.picked, {}
    yield "other axis", columns.lse[y] - batch.picked, {}
    shares = np.bincount(y, minlength=batch.classes) / len(y)
    yield "column labels", float(lse.mean() - shares @ columns.total / len(y)), {}
    if len(y) == batch.classes:
        yield "indices for one-hot", y.sum() * lse - batch.logits[:].astype(np.float64) @ y, {}
