"""What the outputs alone tell: probabilities where logits are due, nan, the wrong axis."""

import numpy as np

from companion.diagnose._kinds import found, span

MOST = 10_000_000  # numbers in an array whose exponentials are taken as a whole


def _tolerance(eps):
    """How far from 1 the sum of computed probabilities may be, in a dtype of this precision."""
    return max(1e-5, 10 * eps)


def are_probabilities(rows, eps):
    """Which rows lie in 0..1 and sum to 1.

    Parameters
    ----------
    rows : Rows
        Of the outputs.
    eps : float
        Precision of their dtype.

    Returns
    -------
    ndarray of bool, shape (N,)

    Examples
    --------
    >>> from companion.diagnose._rows import sweep
    >>> are_probabilities(sweep(np.array([[0.2, 0.8], [0.2, 0.9]])), 2.0**-52)
    array([ True, False])
    """
    near = _tolerance(eps)
    with np.errstate(invalid="ignore"):
        in_range = (rows.nans == 0) & (rows.least >= 0) & (rows.most <= 1 + near)
        return in_range & (abs(rows.total - 1) <= near)


def of_outputs(numbers, axis, logits, rows):
    """Findings about outputs, without labels or loss.

    Parameters
    ----------
    numbers : Numbers
        The outputs as given.
    axis : int
        Where the classes are.
    logits : ndarray, shape (N, K)
        The outputs, classes last.
    rows : Rows
        Of them.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from companion.diagnose._reading import read
    >>> from companion.diagnose._rows import sweep
    >>> x = np.array([[0.0, -np.inf], [-np.inf, -np.inf]])
    >>> [f.kind for f in of_outputs(read(x, "outputs"), -1, x, sweep(x))]
    ['all masked']
    """
    if logits.shape[1] == 1:
        return [found("one class", "certain")]
    findings = [*_not_finite(numbers, logits.shape, rows)]
    if rows.nans.any() or rows.rising.any():
        return findings
    normal = are_probabilities(rows, numbers.eps)
    if normal.all():
        hard = (rows.zeros == logits.shape[1] - 1).all()  # 0 and 1, as logits may be, too
        return [*findings, _softmax_twice("possible" if hard else "likely", logits.shape[1])]
    empty = rows.zeros == logits.shape[1]
    if empty.any() and normal.any() and (empty | normal).all():
        findings.append(found("one shift", "likely", "zero", count=int(empty.sum())))
    return [*findings, *_normal_elsewhere(numbers, axis, logits.shape, rows)]


def _softmax_twice(sure, classes, variant="", **values):
    floor = float(np.log1p((classes - 1) / np.e))
    values |= {"others": classes - 1, "floor": floor}
    return found("softmax twice", sure, variant, **values)


def _not_finite(numbers, shape, rows):
    count, classes = shape
    gone = rows.zeros + rows.falling  # or their logarithm was taken
    mixed = (rows.nans > 0) & (gone > 0) & (rows.nans + gone == classes)
    lost = rows.nans == classes
    if mixed.any() and mixed.sum() + lost.sum() == (rows.nans > 0).sum():
        yield found("no shift", "likely", count=int(mixed.sum()))
    elif lost.any() and are_probabilities(rows, numbers.eps)[rows.nans == 0].any():
        yield found("one shift", "likely", count=int(lost.sum()))
    elif rows.nans.any():
        values = {"count": int(rows.nans.sum()), "rows": int((rows.nans > 0).sum())}
        variant = "rows" if lost.sum() == values["rows"] else ""
        values |= {"total": count * classes, "examples": count}
        yield found("nan outputs", "certain", variant, **values)
    if rows.rising.any():
        largest = float(np.finfo(numbers.values.dtype).max)
        rising = {"count": int(rows.rising.sum()), "dtype": numbers.dtype, "largest": largest}
        yield found("infinite outputs", "certain", **rising)
    if (rows.falling == classes).any():
        yield found("all masked", "certain", count=int((rows.falling == classes).sum()))


def _normal_elsewhere(numbers, axis, shape, rows):
    """Log-probabilities; sums that are 1 along another axis, or over the whole array."""
    near = _tolerance(numbers.eps)
    close = max(1e-5, 2 * numbers.eps)
    rounded = close * (1 + abs(rows.most))
    some = np.isfinite(rows.most).all()  # in each row
    normalised = some and rows.most.max() <= close and (abs(rows.lse) <= rounded).all()
    if normalised and rows.most.min() < -close:  # not just shifted to maximum 0
        yield found("log-probabilities", "possible")
    sums = span(rows.total)
    if rows.least.min() >= 0 and rows.most.max() <= 1 + near:
        for right in _axes_of_ones(numbers.values, axis, near):
            sure = "certain" if numbers.values.shape[right] > 1 else "likely"
            yield found("other axis", sure, right=right, axis=axis, sums=sums)
        if len(rows.total) > 1 and abs(rows.total.sum() - 1) <= near:
            yield found("whole array", "certain", sums=sums)
    elif rows.most.max() <= near and not normalised and numbers.values.size < MOST:
        with np.errstate(under="ignore"):
            exps = np.exp(numbers.values.astype(np.float64))
        for right in _axes_of_ones(exps, axis, near):
            yield found("other axis", "certain", "logs", right=right, axis=axis)


def _axes_of_ones(values, axis, near):
    others = set(range(values.ndim)) - {axis % values.ndim}
    for other in sorted(others):
        if values.shape[other] > 1 or (values.shape[axis] > 2 and (values == 1).all()):
            sums = values.sum(axis=other, dtype=np.float64)
            if (abs(sums - 1) <= near).all():
                yield other
