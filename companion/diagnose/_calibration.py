"""What labels tell of a trained model: shifted labels, missing classes, overconfidence.

Everything is fitted on one half of the examples and judged on the other, on at most SAMPLE
numbers, so that it costs no pass over a large array.
"""

import numpy as np

from companion.diagnose._kinds import found
from companion.diagnose._rows import blocks
from companion.functions import log_softmax, logsumexp, softmax

SAMPLE = 400_000  # numbers
FEWEST = 200  # examples below which nothing is fitted
MASKED = 1000  # how far below the largest logit one is taken for masked
NOISE = 4  # standard errors that a gain must exceed


def of_labels(batch):
    """Findings of a batch with one label per example.

    Parameters
    ----------
    batch : Batch
        Hard labels, all in range.

    Returns
    -------
    list of Finding

    Examples
    --------
    The model says 0 of each class 1, and so on.

    >>> from companion.diagnose._losses import Batch
    >>> from companion.diagnose._rows import sweep
    >>> y = np.arange(60) % 3 + 1
    >>> z = 5 * np.eye(4)[y - 1]
    >>> print(of_labels(Batch(z, y, sweep(z), (60,)))[0].evidence)
    The outputs agree with labels -1 in 100% of the examples, with the labels as they are in 0%.
    """
    findings = [*_shifted(batch)]
    if findings:
        return findings
    findings += _missing(batch)
    count = min(len(batch.targets), max(FEWEST, SAMPLE // batch.classes))
    if count < FEWEST or not np.isfinite(batch.right).all():
        return findings
    chosen = np.random.default_rng(0).permutation(len(batch.targets))[:count]
    z, y = batch.logits[chosen].astype(np.float64), batch.targets[chosen]
    z = np.log(z) if batch.probabilities else z
    if np.isfinite(z).all() and _has_learnt(z.argmax(axis=1), y, _open(z)):
        findings += _miscalibrated(z, y)
    return findings


def _open(z):
    """The chance of a guess among the classes that no large negative number masks."""
    near = z > z.max(axis=1, keepdims=True) - MASKED
    return float((1 / near.sum(axis=1)).mean())


def _has_learnt(top, y, guess=0.0):
    """Whether answers and labels agree more often than they would by chance."""
    classes = max(top.max(), y.max()) + 1
    shares = (np.bincount(x, minlength=classes) / len(y) for x in (top, y))
    chance = max(guess, float(np.prod(list(shares), axis=0).sum()))
    noise = np.sqrt(chance * (1 - chance) / len(y))
    return (top == y).mean() - chance > NOISE * noise


def _shifted(batch):
    """Whether the outputs agree with the labels' neighbours, class by class."""
    classes, right = np.unique(batch.targets), batch.rows.top == batch.targets
    if len(classes) < 2 or len(right) < 10 or right.mean() > 0.2:
        return
    for shift in (-1, 1):
        hits = batch.rows.top == batch.targets + shift
        counts = np.bincount(batch.targets, minlength=batch.classes)
        shares = np.bincount(batch.targets, hits, batch.classes)[classes] / counts[classes]
        more = hits.sum() - right.sum() > NOISE * np.sqrt(hits.sum() + right.sum())
        if more and shares.mean() > 0.5 and (shares > 0.2).sum() >= min(3, len(classes)):
            values = {"share": hits.mean(), "right": right.mean(), "shift": shift}
            yield found("off by one", "likely", "agreement", **values)


def _missing(batch):
    """Classes that the labels lack although many were to be expected."""
    count = len(batch.targets)
    missing = np.bincount(batch.targets, minlength=batch.classes) == 0
    learnt = _has_learnt(batch.rows.top, batch.targets)
    share = batch.rows.share
    if batch.probabilities:
        share = sum(p.sum(axis=0) for _, p in blocks(batch.logits)) / count
    enough = learnt or count >= 50 * batch.classes
    lost = np.flatnonzero(missing & (count * share >= 10) & enough)
    if lost.size:
        many = float(count * share[lost[0]])
        values = {"first": int(lost[0]), "total": count, "expected": many}
        values["classes"] = batch.classes
        yield found("missing class", "likely", count=int(missing.sum()), **values)


def _losses(z, y):
    return logsumexp(z) - z[np.arange(len(y)), y]


def _gain(z, other, y):
    """Losses before and after on data kept apart, and the noise of their difference."""
    before, after = _losses(z, y), _losses(other, y)
    noise = NOISE * (before - after).std() / np.sqrt(len(y))
    return float(before.mean()), float(after.mean()), float(noise)


def _miscalibrated(z, y):
    """What helps more is told; a temperature beside a bias only if it still helps."""
    biased, bias = _biased(z, y)
    hot = _overconfident(z, y)
    if biased and (not hot or biased[1] > hot[1]):
        hot = _overconfident(z + bias, y)
        return [biased[0], *([hot[0]] if hot else [])]
    return [hot[0]] if hot else []


def _overconfident(z, y):
    """The finding and its gain, or nothing."""
    half = len(y) // 2
    beta = _inverse_temperature(z[:half], y[:half])
    before, after, _ = _gain(z[half:], beta * z[half:], y[half:])
    expected, noise = _promised(z[half:])
    if (
        not 0.001 < beta < 0.8
        or before - after < _least(before, 0)
        or before - expected < noise
    ):
        return ()
    numbers = {"before": before, "after": after, "expected": expected, "noise": noise}
    numbers["accuracy"] = float((z.argmax(axis=1) == y).mean())
    return found("overconfident", "likely", T=1 / beta, **numbers), before - after


def _promised(z):
    """The mean loss if labels were drawn from the probabilities, and its noise."""
    logs = log_softmax(z)
    probs = np.exp(logs)
    entropies = -(probs * logs).sum(axis=1)
    variances = (probs * logs**2).sum(axis=1) - entropies**2
    noise = NOISE * np.sqrt(np.maximum(variances, 0).sum()) / len(z)
    return float(entropies.mean()), float(noise)


def _least(before, noise):
    """A gain that is worth a word: beyond noise, and not too small."""
    return max(noise, 0.01, 0.02 * before)


def _inverse_temperature(z, y):
    """1/T of the least loss: its slope in 1/T rises, and is cut in halves."""
    low, high = -7.0, 4.0  # logarithms
    for _ in range(30):
        middle = (low + high) / 2
        slope = (softmax(np.exp(middle) * z) * z).sum(axis=1) - z[np.arange(len(y)), y]
        low, high = (middle, high) if slope.mean() < 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def _biased(z, y):
    """The finding and its gain, or nothing, and the bias."""
    classes, half = z.shape[1], len(y) // 2
    counts, bias = np.bincount(y[:half], minlength=classes) + 1.0, np.zeros(classes)
    if half < 10 * classes:
        return (), bias
    for _ in range(20):  # until the mean probabilities are the shares
        bias += np.log(counts) - np.log(softmax(z[:half] + bias).sum(axis=0) + 1.0)
    before, after, noise = _gain(z[half:], z[half:] + bias, y[half:])
    if before - after < _least(before, noise):
        return (), bias
    share, mean = np.bincount(y, minlength=classes) / len(y), softmax(z).mean(axis=0)
    first = int(abs(share - mean).argmax())
    numbers = {"before": before, "after": after, "noise": noise, "first": first}
    finding = found("biased", "possible", share=share[first], mean=mean[first], **numbers)
    return (finding, before - after), bias
