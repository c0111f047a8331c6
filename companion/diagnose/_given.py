"""What the loss that a program printed tells, beside the losses of right and wrong programs."""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from companion.diagnose._kinds import found
from companion.diagnose._losses import CLIPS, programs
from companion.diagnose._not_finite import of_not_finite

# Kinds whose loss has a sentence of its own beside that of their outputs or labels.
OF_A_LOSS = {"other axis", "whole array", "column labels", "off by one"}
OF_NO_SOFTMAX = {"nll of logits", "logits as probabilities"}
SILENCED = {  # doubts that a right loss settles
    "softmax twice", "log-probabilities", "one-hot labels", "column labels", "float labels",
    "ignored label", "out of range", "off by one", "class axis", "class count",
}  # fmt: skip


class Given(NamedTuple):
    """The loss of the reader's program.

    Parameters
    ----------
    values : ndarray
        One number, or one per example.
    rtol, atol : float
        How near another number must be to be the same.
    dtype : str
        What the outputs were stored in.
    loose : float
        As rtol, for the right loss: 16 bits may have been lost on the way.
    digits : int
        How many were typed; 17 of a computed number.
    half : float
        Half a unit in the last place of a typed number.
    """

    values: np.ndarray
    rtol: float
    atol: float
    dtype: str
    loose: float = 2e-5
    digits: int = 17
    half: float = 0.0

    def equals(self, losses, rtol=None):
        """Whether a program that gives `losses`, of the examples or in all, gave this."""
        rtol = self.rtol if rtol is None else rtol
        losses = np.asarray(losses)
        if self.values.ndim == 0:
            losses = losses.mean()
        elif losses.shape != self.values.shape:
            return False
        with np.errstate(invalid="ignore"):
            same = abs(self.values - losses) <= self.half + self.atol + rtol * abs(losses)
        return bool(np.all(np.where(np.isinf(losses), self.values == losses, same)))

    def of(self, kept):
        """The losses of some examples alone, if there is one each."""
        one = kept is None or self.values.ndim == 0
        return self if one else self._replace(values=self.values[kept])

    @property
    def mean(self):
        """The loss as one number."""
        with np.errstate(all="ignore"):
            return float(self.values.mean())


def read_loss(loss, numbers, outputs, shape):
    """A loss as one number or one per example; a finding if it is neither.

    Parameters
    ----------
    loss : object
        As given.
    numbers : Numbers
        The loss as it was read.
    outputs : Numbers
        What it was computed from.
    shape : tuple of int
        Of the examples.

    Returns
    -------
    Given or None
    findings : list of Finding

    Examples
    --------
    A typed number is compared to the digits that were typed.

    >>> from companion.diagnose._reading import read
    >>> x = read([0.0], "outputs")
    >>> read_loss(2.303, read(2.303, "loss"), x, (4,))[0].half
    0.0005
    """
    values, count = numbers.values.astype(np.float64), int(np.prod(shape))
    if values.size == 1 or values.size == count:
        digits, half = _typed(loss)
        near = _precision(values, outputs.eps, count if values.size == 1 else 1, digits)
        values = values.reshape(() if values.size == 1 else -1)
        return Given(values, dtype=outputs.dtype, digits=digits, half=half, **near), []
    if values.shape == shape[: values.ndim]:
        return _of_images(values, outputs.dtype), []
    if values.shape == (count, count):
        shapes = {"loss": values.shape, "examples": shape}
        return None, [found("column labels", "likely", "shape", **shapes)]
    return None, [found("shapes", "likely", "loss", got=values.shape, examples=shape)]


def _of_images(values, dtype):
    """One loss per image, however its pixels were put together: only what is odd counts."""
    with np.errstate(all="ignore"):
        odd = not np.isfinite(values).all() or values.min() < 0
        return Given(values.mean(), 2e-5, 1e-6, dtype) if odd else None


def _precision(values, eps, count, digits=17):
    """How near is the same: what was lost on the way from outputs of this precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        short, single = ((values.astype(t) == values).all() for t in (np.float16, np.float32))
    if eps > 2.0**-23:  # less in a mean that was not rounded to 16 bits itself
        lost = eps if short or digits <= 8 else eps / np.sqrt(count)
        return {"rtol": 4 * lost, "atol": lost, "loose": 4 * eps}
    if eps < 2.0**-50 and digits > 8 and not single:
        return {"rtol": 1e-9, "atol": 1e-12}
    return {"rtol": 2e-5, "atol": 1e-6}


def _typed(loss):
    """Digits of a number that was typed, and half a unit in its last place."""
    if not isinstance(loss, float) or not np.isfinite(loss):
        return 17, 0.0
    _, digits, exponent = Decimal(repr(float(loss))).as_tuple()
    if len(digits) > 8 and exponent < -4:
        return len(digits), 0.0
    # 0.27 may have been 0.2700: a float does not keep the zeros at its end.
    return len(digits), 0.5 * 10.0**exponent if len(digits) > 2 else 5e-5


def of_loss(given, batch):
    """Whether the loss is the right one, and what it is if not.

    Parameters
    ----------
    given : Given
        What was printed.
    batch : Batch
        What it was computed from.

    Returns
    -------
    right : bool
        Whether it is the cross-entropy of outputs and labels, taken as what they are.
    findings : list of Finding

    Examples
    --------
    >>> from companion.diagnose._losses import Batch
    >>> from companion.diagnose._rows import sweep
    >>> z = np.array([[2.0, 0.0], [0.0, 1.0]])
    >>> batch = Batch(z, np.array([0, 0]), sweep(z), (2,))
    >>> of_loss(Given(batch.right.sum(), 2e-5, 1e-6, "float64"), batch)[1][0].kind
    'sum'
    """
    with np.errstate(all="ignore"):
        right = batch.of_probabilities if batch.probabilities else batch.right
        if given.equals(right, given.loose):
            return True, _of_right(given, batch, right)
        if batch.probabilities and given.equals(batch.right):
            values = _twice(batch) | {"loss": given.mean, "right": float(right.mean())}
            return False, [found("softmax twice", "certain", "loss", **values)]
        if not np.isfinite(given.values).all():
            return False, of_not_finite(given, batch, right)
        if given.digits < 3 or abs(given.mean) < 100 * max(1e-6, given.half):
            return False, _below(given)  # too few digits to name a program
        if (other := _of_another_loss(given, batch)) is not None:
            return True, other
        return False, _named(given, batch, right)


def _of_another_loss(given, batch):
    """Findings about losses that one may well want: KL, squared error, sigmoids."""
    if not batch.hard and given.equals(batch.second.straight, given.loose):
        return []  # KL(t || p): without the entropy of the targets
    if any(given.equals(batch.second.squares / divisor) for divisor in (1, 2, batch.classes)):
        return _dead(batch)
    return _of_sigmoid(batch) if is_of_sigmoids(given, batch) else None


def is_of_sigmoids(given, batch):
    """Whether the loss is binary cross-entropy, class by class, summed or averaged over them.

    Parameters
    ----------
    given : Given
        What was printed.
    batch : Batch
        What it was computed from.

    Returns
    -------
    bool

    Examples
    --------
    >>> from companion.diagnose._losses import Batch
    >>> from companion.diagnose._rows import sweep
    >>> z = np.array([[2.0, 1.0]])
    >>> batch = Batch(z, np.array([[1.0, 1.0]]), sweep(z), (1,))
    >>> is_of_sigmoids(Given(np.log1p(np.exp(-z)).sum(), 2e-5, 1e-6, "float64"), batch)
    True
    """
    return any(given.equals(batch.second.sigmoid / divisor) for divisor in (1, batch.classes))


def _of_right(given, batch, right):
    """What is to be said of the right loss: that it is infinite, or below 0."""
    if batch.probabilities and np.isinf(right).any():
        return of_not_finite(given, batch, right)
    # Minus the log of a softmax cannot be below 0, not by rounding either.
    if not batch.hard or given.values.min() >= 0:
        return []
    return [found("negative", "likely", "rounding", loss=float(given.values.min()))]


def _named(given, batch, right):
    """The wrong programs that give this loss; more than one if the batch cannot tell."""
    common = {"loss": given.mean, "right": float(right.mean()), "classes": batch.classes}
    fits = {}
    for kind, losses, values in programs(batch):
        if kind == "column labels" and given.digits < 6 and not batch.column:
            continue  # a chance hit
        if kind in OF_NO_SOFTMAX and batch.elsewhere:
            continue  # normalised, along another axis
        if kind not in fits and np.all(np.isfinite(losses)) and given.equals(losses):
            fits[kind] = values
    near = given.half + given.rtol * abs(given.mean)
    apart = abs(given.mean - right.mean()) > 100 * near and near < 1e-4 * abs(given.mean)
    small = {"divided by classes": batch.classes, "sum": len(batch.targets)}
    common_factor = any(small.get(kind, 5) <= 4 for kind in fits)  # a half is many things
    sure = "certain" if len(fits) == 1 and apart and not common_factor else "likely"
    if fits:
        return [_of_program(kind, sure, batch, common | fits[kind]) for kind in list(fits)[:2]]
    if ceiling := _ceiling(given, right):
        return ceiling
    return _below(given)


def _below(given):
    """A loss below 0 that has no better name."""
    if given.mean < -given.atol:
        return [found("negative", "likely", loss=given.mean)]
    return []


def _of_program(kind, sure, batch, values):
    if kind == "softmax twice":
        return found(kind, sure, "again", **(values | _twice(batch)))
    if kind == "column labels":
        values |= {"broadcast": len(batch.targets) ** 2, "examples": batch.shape}
    if kind == "ignored label":
        values |= {"count": int((~batch.kept).sum()), "total": batch.kept.size}
    if kind == "swapped kl":
        values["right"] = float(batch.second.straight.mean())
    variant = values.pop("variant", "loss" if kind in OF_A_LOSS else "")
    return found(kind, sure, variant, **values)


def _twice(batch):
    floor = float(np.log1p((batch.classes - 1) / np.e))
    return {"others": batch.classes - 1, "floor": floor}


def _ceiling(given, right):
    """A loss that is exactly what a clip lets through at most."""
    for eps in CLIPS:
        ceiling = -np.log(eps)
        values = {"eps": f"{eps:.3g}", "ceiling": ceiling, "loss": given.mean}
        at = abs(given.values - ceiling) <= 1e-3 + given.atol
        if given.values.ndim == 0 and at and right.max() > ceiling:
            return [found("clip", "likely", "sum", **values)]
        if given.values.ndim and np.any(at & (right > ceiling + 0.1)):
            values |= {"count": int(at.sum()), "right": float(right[at].max())}
            return [found("clip", "likely", "most", **values)]
    return []


def _of_sigmoid(batch):
    """A loss of one sigmoid a class: right if classes do not exclude each other."""
    if not batch.hard:
        return []  # several classes can be true at once
    return [found("sigmoid", "likely", classes=batch.classes)]


def _dead(batch):
    """Examples that squared error leaves where they are although they are wrong."""
    if not batch.hard:
        return []
    limit, dead, wrong = 1e-3, 0, 0
    for _, p, t in batch.of_probs():
        missed = p.argmax(axis=1) != t.argmax(axis=1)
        slope = 2 * p * (p - t - (p * (p - t)).sum(axis=1, keepdims=True))
        dead += int((missed & (np.linalg.norm(slope, axis=1) < limit)).sum())
        wrong += int(missed.sum())
    if dead == 0:
        return []
    return [found("dead gradient", "certain", count=dead, wrong=wrong, limit=limit)]


def nothing_learnt(given, batch):
    """Outputs that say the same of every example, or nothing of any.

    Parameters
    ----------
    given : Given or None
        What was printed, if it was.
    batch : Batch
        Outputs and labels.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from companion.diagnose._losses import Batch
    >>> from companion.diagnose._rows import sweep
    >>> z = np.zeros((3, 2))
    >>> batch = Batch(z, np.array([0, 1, 1]), sweep(z), (3,))
    >>> [finding.kind for finding in nothing_learnt(None, batch)]
    ['nothing learnt']
    """
    right = batch.of_probabilities if batch.probabilities else batch.right
    loss = float(right.mean() if given is None else given.mean)
    uniform, count = float(np.log(batch.classes)), len(batch.targets)
    values = {"loss": loss, "classes": batch.classes}
    if batch.elsewhere:  # what they sum to along another axis was told
        return []
    if count > 1 and _all_alike(batch):
        values |= {"examples": count, "uniform": uniform}
        return [found("nothing learnt", "likely", "same", **values)]
    if count > 1 and _all_even(batch, uniform) and abs(loss - uniform) < 2e-3 * uniform:
        return [found("nothing learnt", "possible", **values)]
    return []


def _all_alike(batch):
    """Whether examples with different labels get the same probabilities, and uneven ones."""
    varied = batch.targets.ndim == 2 or np.ptp(batch.targets) > 0
    uneven = batch.rows.most.max() - batch.rows.least.min() > 1e-4  # not a start near 0
    return varied and uneven and batch.rows.apart < 1e-6


def _all_even(batch, uniform):
    """Whether all probabilities are equal."""
    if batch.probabilities:
        return np.max(batch.rows.most - batch.rows.least) < 1e-4
    return np.max(batch.rows.lse - batch.rows.total / batch.classes - uniform) < 1e-4
