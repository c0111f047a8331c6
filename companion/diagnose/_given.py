"""What the loss that a program printed tells, beside the losses of right and wrong programs."""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from companion.diagnose._kinds import found
from companion.diagnose._losses import CLIPS, programs

# Kinds whose loss has a sentence of its own beside that of their outputs or labels.
OF_A_LOSS = {"other axis", "whole array", "column labels", "off by one"}
SILENCED = {  # doubts that a right loss settles
    "softmax twice", "log-probabilities", "one-hot labels", "column labels", "float labels",
    "ignored label", "out of range", "off by one",
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
        return bool(np.all(same | (self.values == losses)))

    def of(self, kept):
        """The losses of some examples alone, if there is one each."""
        one = kept is None or self.values.ndim == 0
        return self if one else self._replace(values=self.values[kept])

    @property
    def mean(self):
        """The loss as one number."""
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
    if values.size == 1:
        digits, half = _typed(loss)
        near = _precision(values, outputs.eps, count, digits) | {"digits": digits, "half": half}
        return Given(values.reshape(()), dtype=outputs.dtype, **near), []
    if values.size == count:
        near = _precision(values, outputs.eps, 1)
        return Given(values.reshape(-1), dtype=outputs.dtype, **near), []
    if values.shape == shape[: values.ndim]:
        return None, []  # one per image, however its pixels were put together
    if values.shape == (count, count):
        shapes = {"loss": values.shape, "labels": (count, 1)}
        return None, [found("column labels", "likely", "shape", **shapes)]
    return None, [found("shapes", "likely", "loss", got=values.shape, examples=shape)]


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
    if type(loss) is not float or not np.isfinite(loss):
        return 17, 0.0
    _, digits, exponent = Decimal(repr(loss)).as_tuple()
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
            return True, _below_zero(given, batch)
        if not batch.hard and given.equals(batch.second.straight, given.loose):
            return True, []  # KL(t || p): without the entropy of the targets
        if batch.probabilities and given.equals(batch.right):
            values = _twice(batch) | {"loss": given.mean, "right": float(right.mean())}
            return False, [found("softmax twice", "certain", "loss", **values)]
        if not np.isfinite(given.values).all():
            return False, _not_finite(given, batch, right)
        if given.digits < 3 or abs(given.mean) < 100 * max(1e-6, given.half):
            return False, _below(given)  # too few digits to name a program
        if any(map(given.equals, _squared(batch))):
            return True, _dead(batch)
        return False, _named(given, batch, right)


def _below_zero(given, batch):
    """Minus the log of a softmax cannot be below 0, not by rounding either."""
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
        if kind not in fits and np.all(np.isfinite(losses)) and given.equals(losses):
            fits[kind] = values
    apart = abs(given.mean - right.mean()) > 100 * (given.half + given.rtol * abs(given.mean))
    sure = "certain" if len(fits) == 1 and given.rtol < 1e-4 and apart else "likely"
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
        values |= {"broadcast": len(batch.targets) ** 2, "labels": (len(batch.targets), 1)}
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
        if given.values.ndim == 0 and at:
            return [found("clip", "likely", "sum", **values)]
        if given.values.ndim and np.any(at & (right > ceiling + 0.1)):
            values |= {"count": int(at.sum()), "right": float(right[at].max())}
            return [found("clip", "likely", "most", **values)]
    return []


def _not_finite(given, batch, right):
    """Why a loss is nan or inf that need not be. What the outputs say was said before."""
    finite = bool(np.isfinite(right).all())
    values = {"loss": given.mean, "dtype": given.dtype, "right": float(right.mean())}
    if batch.rows.nans.any() or batch.rows.rising.any() or not (finite or batch.probabilities):
        return []
    info = np.finfo(given.dtype if given.dtype in ("float16", "float32") else np.float64)
    limit, lost = np.log(info.max), np.log(info.smallest_subnormal)
    findings = []
    if not batch.probabilities and batch.rows.most.max() > limit:
        most = float(batch.rows.most.max())
        findings.append(found("no shift", "likely", "loss", most=most, limit=limit, **values))
    missed = batch.picked == 0 if batch.probabilities else batch.picked - batch.rows.most < lost
    if np.isinf(given.values).any() and missed.any():
        variant = "probs" if batch.probabilities else ""
        count = int(missed.sum())
        return [*findings, found("log of softmax", "likely", variant, count=count, **values)]
    if findings:
        return findings
    gone = batch.rows.zeros if batch.probabilities else batch.rows.falling
    count = int(gone.sum() or (batch.rows.rare < lost).sum())
    if np.isnan(given.values).any():
        kind = "0 log 0" if count else "nan loss"
        return [found(kind, "likely" if count else "possible", count=count, **values)]
    return [found("infinite loss", "likely", **values)]


def _squared(batch):
    return (batch.second.squares / divisor for divisor in (1, 2, batch.classes))


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
    loss = batch.right.mean() if given is None else given.mean
    uniform = float(np.log(batch.classes))
    values = {"loss": float(loss), "classes": batch.classes, "uniform": uniform}
    varied = batch.targets.ndim == 2 or np.ptp(batch.targets) > 0
    if len(batch.targets) > 1 and batch.rows.apart < 1e-6 and varied:
        return [
            found("nothing learnt", "likely", "same", examples=len(batch.targets), **values)
        ]
    flat = batch.rows.lse - batch.rows.total / batch.classes - uniform
    even = len(batch.targets) > 1 and np.max(flat) < 1e-4
    if even and abs(loss - uniform) < 2e-3 * uniform:
        return [found("nothing learnt", "possible", **values)]
    return []
