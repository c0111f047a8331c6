"""Outputs, labels and loss beside each other."""

import numpy as np

from companion.diagnose._calibration import of_labels
from companion.diagnose._given import (
    SILENCED,
    is_of_sigmoids,
    nothing_learnt,
    of_loss,
    read_loss,
)
from companion.diagnose._kinds import found
from companion.diagnose._labels import arrange, of_distributions, of_indices
from companion.diagnose._losses import Batch
from companion.diagnose._not_finite import of_loss_alone
from companion.diagnose._outputs import are_probabilities, of_outputs
from companion.diagnose._rows import Kept, sweep
from companion.diagnose.findings import Diagnosis

MASKED = 10_000  # how far below the largest logit one is taken for masked
# Programs whose number says that outputs were taken for probabilities, which they are.
OF_PROBABILITIES = {"sum", "bits", "divided by classes"}


def compared(outputs, labels, loss, axis):
    """The diagnosis of what was read.

    Parameters
    ----------
    outputs : Numbers
        With values, and with an axis of classes.
    labels : Numbers or None
        As read.
    loss : tuple
        The loss as given, and as read; (None, None) if there is none.
    axis : int
        Where the classes are.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> from companion.diagnose._reading import read
    >>> x, y = read([[2.0, 1.0]], "outputs"), read([0], "labels")
    >>> compared(x, y, (None, None), -1)
    Nothing looks wrong: outputs (1, 2) float64, labels.
    """
    findings = [f for read in (labels, loss[1]) if read is not None for f in read.findings]
    targets = None
    if labels is not None and labels.values is not None:
        targets, axis, more = arrange(outputs.values, labels, axis)
        findings += more
    logits = np.moveaxis(outputs.values, axis, -1)
    shape, logits = logits.shape[:-1], logits.reshape(-1, logits.shape[-1])
    targets, kept, more = _usable(targets, labels, logits.shape)
    rows = sweep(logits, kept)
    printed, odd = _printed(loss, outputs, shape)
    findings += of_outputs(outputs, axis, logits, rows) + odd + more
    batch = None if targets is None else _batch(logits, targets, rows, shape, kept)
    findings = _with_loss(batch, printed, outputs, rows, findings)
    return Diagnosis(tuple(_once(findings)), _seen(outputs, labels, loss))


def _with_loss(batch, printed, outputs, rows, findings):
    if batch is not None:
        return _of_batch(batch, printed, outputs, findings)
    if printed is None:
        return findings
    if "one class" in {finding.kind for finding in findings}:
        return _without_one_class(findings, printed)
    if "all ignored" in {finding.kind for finding in findings}:
        return findings
    floor = np.log1p((len(rows.share) - 1) / np.e) - printed.atol
    if np.isfinite(printed.mean) and printed.mean < floor:
        findings = [f for f in findings if f.kind != "softmax twice"]  # below its floor
    return findings + of_loss_alone(printed, rows)


def _printed(loss, outputs, shape):
    given, read = loss
    if read is None or read.values is None:
        return None, []
    return read_loss(given, read, outputs, shape)


def _usable(targets, labels, shape):
    """Targets that can be computed with, whose they are if not all's, and what is wrong."""
    if targets is None or shape[1] == 1:
        return None, None, []
    if targets.ndim == 2:
        findings = of_distributions(targets, labels.eps)
        if not np.isfinite(targets).all():
            return None, None, findings
        logs = "logarithms as targets" in {finding.kind for finding in findings}
        return (np.exp(targets) if logs else targets), None, findings
    indices, usable, findings = of_indices(targets, labels.dtype, shape[1])
    findings += _counted(shape, indices)
    if indices is None or not usable.any():
        return None, None, findings
    return indices, (None if usable.all() else usable), findings


def _batch(logits, targets, rows, shape, kept):
    if kept is None:
        return Batch(logits, targets, rows, shape)
    some = Kept(logits, kept)
    return Batch(some, targets[kept], rows.of(kept), (len(some),), kept)


def _counted(shape, indices):
    """A last layer with one output per example."""
    count, classes = shape
    if indices is None or count != classes or count < 20 or indices.max() >= count // 4:
        return
    values = {"classes": classes, "largest": int(indices.max())}
    yield found("class count", "likely", "outputs", **values)


def _of_batch(batch, given, outputs, findings):
    kinds = {f.kind for f in findings}
    batch.column = "column labels" in kinds
    batch.elsewhere = not {"other axis", "whole array"}.isdisjoint(kinds)
    batch.probabilities = bool(are_probabilities(batch.rows, outputs.eps).all())
    findings = findings + _masked(batch)
    right = False
    if given is not None:
        given = given.of(batch.kept)
        right, more = of_loss(given, batch)
        right = right or (
            batch.probabilities and not OF_PROBABILITIES.isdisjoint(f.kind for f in more)
        )
        findings = [f for f in findings if not _settled(f, right, given, batch)] + more
    if {"class axis", "off by one", "class count"} & {f.kind for f in findings}:
        return findings  # nothing else can be judged by such labels
    with np.errstate(all="ignore"):
        findings += nothing_learnt(given, batch)
        return findings + (of_labels(batch) if batch.hard else [])


def _settled(finding, right, given, batch):
    """Whether the loss says that what looked doubtful is right."""
    if finding.kind == "unnormalised targets" and right:
        return is_of_sigmoids(given, batch)  # several classes can be true at once
    if finding.kind not in SILENCED:
        return False
    if finding.kind == "softmax twice" and given is not None:
        return finding.sure != "certain"  # a loss that is none of a second softmax
    return right


def _without_one_class(findings, printed):
    """One output per example is right for a sigmoid, whose loss is not 0."""
    sigmoid = np.isfinite(printed.values).all() and printed.values.any()
    return [f for f in findings if f.kind != "one class" or not sigmoid]


def _masked(batch):
    if batch.probabilities or batch.rows.rising.any():
        return []
    lowest = batch.rows.most - MASKED
    with np.errstate(invalid="ignore"):
        if batch.hard:
            masked = (batch.picked < lowest) & np.isfinite(batch.rows.lse)
        else:
            below = batch.logits < lowest[:, np.newaxis]
            masked = np.any((batch.targets > 0) & below, axis=1)
    return [found("masked target", "certain", count=int(masked.sum()))] if masked.any() else []


def _once(findings):
    """The surest finding of each kind."""
    by_kind = {}
    for finding in Diagnosis(tuple(findings), ""):
        by_kind.setdefault(finding.kind, finding)
    return by_kind.values()


def _seen(outputs, labels, loss):
    given = [name for name, read in (("labels", labels), ("loss", loss[1])) if read]
    return ", ".join([f"outputs {outputs.values.shape} {outputs.dtype}", *given])
