"""Why a loss is nan or infinite although the outputs are not."""

import numpy as np

from companion.diagnose._kinds import found

# Largest number and smallest above 0 of what programs compute in.
RANGES = {
    "float16": (65504.0, 2.0**-24),
    "bfloat16": ((2 - 2.0**-7) * 2.0**127, 2.0**-133),
    "float32": (float(np.finfo(np.float32).max), 2.0**-149),
    "float64": (float(np.finfo(np.float64).max), 2.0**-1074),
}


def of_not_finite(given, batch, right):
    """Findings about a loss that is nan or infinite, beside outputs and labels.

    Parameters
    ----------
    given : Given
        What was printed.
    batch : Batch
        What it was computed from.
    right : ndarray, shape (N,)
        The stable losses.

    Returns
    -------
    list of Finding
        Empty where the outputs themselves are to blame: that was said before.

    Examples
    --------
    >>> from companion.diagnose._given import Given
    >>> from companion.diagnose._losses import Batch
    >>> from companion.diagnose._rows import sweep
    >>> z = np.array([[0.0, 800.0]])
    >>> batch = Batch(z, np.array([1]), sweep(z), (1,))
    >>> given = Given(np.array(np.nan), 2e-5, 1e-6, "float64")
    >>> [finding.kind for finding in of_not_finite(given, batch, batch.right)]
    ['no shift', '0 log 0']
    """
    rows, bad = batch.rows, ~np.isfinite(given.values)
    if rows.nans.any() or rows.rising.any():
        return []
    if not batch.probabilities and not np.isfinite(right).all():
        return []
    if 0 < bad.sum() < bad.size and np.isfinite(right[bad]).all():
        return [_some(bad, right)]
    for dtype, sure in _computed_in(given.dtype):
        if findings := _of_range(given, batch, right, dtype, sure):
            return findings
    loss, mean = given.mean, float(right.mean())
    if np.isnan(given.values).any():
        return [found("nan loss", "possible", right=mean)]
    variant = "minus" if np.isneginf(given.values).any() else ""
    return [found("infinite loss", "likely", variant, loss=loss, right=mean)]


def _some(bad, right):
    first = int(bad.argmax())
    values = {"count": int(bad.sum()), "total": bad.size, "first": first}
    return found("nan loss", "likely", "some", right=float(right[first]), **values)


def _computed_in(dtype):
    """What a program may have computed in, and how sure that makes a finding."""
    if dtype in ("float16", "bfloat16", "float32"):
        return [(dtype, "likely")]
    return [("float64", "likely"), ("float32", "possible")]


def _of_range(given, batch, right, dtype, sure):
    """Findings that follow from the range of a dtype."""
    rows, lost = batch.rows, np.log(RANGES[dtype][1])
    values = {"loss": given.mean, "right": float(right.mean()), "dtype": dtype}
    findings = [] if batch.probabilities else [*_of_exp(rows, dtype, sure, values)]
    if np.isinf(given.values).any():
        findings += _of_true_class(batch, lost, sure, values)
    else:
        sure = "possible" if findings else sure
        masked = int((rows.falling > 0).sum())
        gone = rows.zeros > 0 if batch.probabilities else rows.rare < lost
        variant, count = ("mask", masked) if masked else ("", int(gone.sum()))
        if count:
            findings.append(found("0 log 0", sure, variant, count=count, **values))
    return findings


def _of_exp(rows, dtype, sure, values):
    """An exp that is not shifted: it overflows, or nothing of a row is left."""
    limit, lost = (float(np.log(end)) for end in RANGES[dtype])
    if rows.most.max() > limit:
        most = float(rows.most.max())
        yield found("no shift", sure, "loss", most=most, limit=limit, **values)
    elif (low := (rows.most < lost) & np.isfinite(rows.most)).any():
        count = int(low.sum())
        yield found("no shift", sure, "low", count=count, limit=lost, **values)


def _of_true_class(batch, lost, sure, values):
    """The logarithm of a probability of the true class that is 0."""
    if batch.probabilities:
        missed = np.isinf(batch.of_probabilities)
    else:
        missed = batch.picked - batch.rows.most < lost
    if missed.any():
        variant = "probs" if batch.probabilities else ""
        yield found("log of softmax", sure, variant, count=int(missed.sum()), **values)


def of_loss_alone(given, rows):
    """Findings about a loss beside outputs, where no labels can be used.

    Parameters
    ----------
    given : Given
        What was printed.
    rows : Rows
        Of the outputs.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from companion.diagnose._given import Given
    >>> from companion.diagnose._rows import sweep
    >>> given = Given(np.array(np.nan), 2e-5, 1e-6, "float64")
    >>> print(of_loss_alone(given, sweep(np.array([[0.0, 1.0]])))[0].evidence)
    The loss is nan, and the outputs are finite.
    """
    if given.values.min() < 0 and np.isfinite(given.values).all():
        return [found("negative", "likely", loss=given.mean)]
    if np.isfinite(given.values).all() or rows.nans.any() or rows.rising.any():
        return []
    for dtype, sure in _computed_in(given.dtype):
        limit = float(np.log(RANGES[dtype][0]))
        if rows.most.max() > limit:
            values = {"loss": given.mean, "dtype": dtype, "limit": limit}
            return [found("no shift", sure, "alone", most=float(rows.most.max()), **values)]
    kind = "nan loss" if np.isnan(given.values).any() else "infinite loss"
    return [found(kind, "possible", "alone", loss=given.mean)]
