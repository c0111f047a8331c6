"""What the labels tell beside the outputs: their shape, their type, their values."""

from typing import NamedTuple

import numpy as np

from companion.diagnose._kinds import found, span

IGNORED = -100  # of PyTorch
FAR = -(2**53)  # in the place of what no integer is


class Labels(NamedTuple):
    """Labels brought beside outputs of shape (N, K).

    Parameters
    ----------
    targets : ndarray or None
        Indices, shape (N,), or distributions, shape (N, K). None if they cannot be had.
    axis : int
        Where the classes are after all.
    findings : tuple of Finding
        What was wrong with them.
    """

    targets: np.ndarray | None
    axis: int
    findings: tuple = ()


def arrange(outputs, labels, axis):
    """Labels of any known shape beside outputs, and where the classes are.

    Parameters
    ----------
    outputs : ndarray
        As given.
    labels : Numbers
        As given.
    axis : int
        Where the classes are said to be.

    Returns
    -------
    Labels
        Not yet looked at value by value.

    Examples
    --------
    >>> from companion.diagnose._reading import read
    >>> arrange(np.zeros((2, 3)), read([[1], [0]], "labels"), -1).findings[0].kind
    'column labels'
    """
    values, axis = labels.values, axis % outputs.ndim
    examples = outputs.shape[:axis] + outputs.shape[axis + 1 :]
    if values.shape == examples or values.size == 1 == np.prod(examples):
        return Labels(values.reshape(-1), axis)
    if values.shape == outputs.shape or _squeezed(values) == _squeezed(outputs):
        labels = labels._replace(values=values.reshape(outputs.shape))
        return _of_one_shape(outputs, labels, axis)
    if values.size == np.prod(examples) and 1 in values.shape:
        wide = (*examples, *examples) if len(examples) == 1 else "a larger array"
        shapes = {"labels": values.shape, "examples": examples}
        finding = found("column labels", "likely", broadcast=wide, **shapes)
        return Labels(values.reshape(-1), axis, (finding,))
    return _of_other_shape(outputs, values, axis, examples)


def _whole(values):
    return bool(np.all(np.isfinite(values)) and np.all(values % 1 == 0))


def _squeezed(array):
    """Its shape without axes of length 1."""
    return tuple(length for length in array.shape if length != 1)


def _of_one_shape(outputs, labels, axis):
    values = labels.values
    if outputs.ndim == 1 and _whole(values) and values.sum() != 1:
        finding = found("one class", "likely", "binary", shape=outputs.shape)
        return Labels(None, axis, (finding,))
    targets = _flat(values, axis)
    if not _one_hot(targets):
        return Labels(targets, axis)
    doubt = found("one-hot labels", "possible", dtype=labels.dtype)
    typed = values.dtype.kind in "biu"
    return Labels(targets.argmax(axis=1), axis, (doubt,) if typed else ())


def _of_other_shape(outputs, values, axis, examples):
    for right in range(outputs.ndim):
        if values.shape == outputs.shape[:right] + outputs.shape[right + 1 :]:
            shapes = {"labels": values.shape, "outputs": outputs.shape}
            finding = found("class axis", "likely", right=right, axis=axis, **shapes)
            return Labels(values.reshape(-1), right, (finding,))
    binary = values.ndim > 0 and _one_hot(values.reshape(-1, values.shape[-1]))
    if binary and values.shape[:-1] == outputs.shape:
        return _undone(outputs, values, axis)
    if binary and values.shape[:-1] == examples:
        return _counted(outputs.shape[axis], values.reshape(-1, values.shape[-1]), axis)
    shapes = {"outputs": outputs.shape, "labels": values.shape, "indices": examples}
    swapped = values.shape[:-1] == outputs.shape
    variant = "swapped" if swapped else "flat" if values.size == np.prod(examples) else ""
    return Labels(None, axis, (found("shapes", "certain", variant, axis=axis, **shapes),))


def _undone(outputs, values, axis):
    """One-hot of one-hot: which entry of each inner row is 1 is what the target was."""
    finding = found(
        "one-hot twice",
        "certain",
        labels=values.shape,
        outputs=outputs.shape,
        classes=outputs.shape[axis],
    )
    targets = _flat(values.argmax(axis=-1), axis)
    right = _one_hot(targets)
    return Labels(targets.argmax(axis=1) if right else None, axis, (finding,))


def _counted(classes, one_hot, axis):
    """One-hot labels with another number of columns than outputs."""
    indices, got = one_hot.argmax(axis=1), one_hot.shape[1]
    variant = "examples" if got == len(one_hot) else "largest" if got < classes else ""
    if variant == "largest" and indices.max() != got - 1:
        variant = ""
    sure = "certain" if variant != "examples" or got > 20 else "likely"
    finding = found("class count", sure, variant, got=got, classes=classes)
    return Labels(indices if indices.max() < classes else None, axis, (finding,))


def _flat(values, axis):
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])


def _one_hot(rows):
    ones = rows == 1
    return bool(np.all(ones | (rows == 0)) and np.all(ones.sum(axis=1) == 1))


def of_indices(indices, dtype, classes):
    """Class indices that can be used, and what is wrong with the rest.

    Parameters
    ----------
    indices : ndarray, shape (N,)
        Of any real type.
    dtype : str
        Its name.
    classes : int
        How many the outputs have.

    Returns
    -------
    indices : ndarray of int, or None
        None if not one can be used.
    usable : ndarray of bool
        Which of them can.
    findings : list of Finding

    Examples
    --------
    >>> _, usable, findings = of_indices(np.array([1, 3, 2]), "int64", 3)
    >>> usable, findings[0].kind
    (array([ True, False,  True]), 'off by one')
    """
    usable, findings = np.ones(len(indices), bool), []
    if indices.dtype.kind == "f":
        usable = np.isfinite(indices)
        findings += _of_floats(indices, usable, dtype)
        if any(finding.sure == "certain" for finding in findings):
            return None, usable, findings
        indices = indices.astype(np.float64)
        indices = np.where(usable & (abs(indices) < -FAR), indices, FAR)
    whole = indices.astype(np.int64)
    findings += _of_range(whole[usable & (whole != IGNORED)], classes)
    ignored = int((whole == IGNORED).sum())
    if ignored == len(whole):
        findings.append(found("all ignored", "certain", count=ignored))
    elif ignored:
        findings.append(found("ignored label", "possible", count=ignored, total=len(whole)))
    return whole, (whole >= 0) & (whole < classes), findings


def _of_floats(indices, usable, dtype):
    if not usable.all():
        yield found("float labels", "likely", "nan", count=int((~usable).sum()))
    broken = indices[usable][indices[usable] % 1 != 0]
    if broken.size:
        value = float(broken[0])
        yield found("float labels", "certain", "fraction", dtype=dtype, value=value)
    elif usable.all():
        yield found("float labels", "likely", dtype=dtype)


def _of_range(indices, classes):
    if not indices.size:
        return
    least, most = int(indices.min()), int(indices.max())
    ends = {"least": least, "most": most, "classes": classes, "last": classes - 1}
    from_one = most == classes and least >= 1
    if classes == 2 and set(np.unique(indices)) == {-1, 1}:
        yield found("out of range", "certain", "signs", **ends)
    elif from_one or (least == -1 and most < classes - 1):
        sure = "certain" if from_one and least == 1 else "likely"
        yield found("off by one", sure, **ends)
    elif least < 0 or most >= classes:
        count = int(((indices < 0) | (indices >= classes)).sum())
        yield found("out of range", "certain", count=count, **ends)


def of_distributions(targets, eps):
    """What is wrong with target rows, and whether they can be used.

    Parameters
    ----------
    targets : ndarray, shape (N, K)
        As given.
    eps : float
        Precision of their dtype.

    Returns
    -------
    list of Finding
        A finding that is not "possible" says that they are no distributions.

    Examples
    --------
    >>> of_distributions(np.array([[0.5, 1.0]]), 2.0**-52)[0].kind
    'unnormalised targets'
    """
    near = 1e-3 + 4 * eps
    if _are_logs(targets, near):
        return [found("logarithms as targets", "certain")]
    variant, values = _unnormalised(targets, near)
    return [found("unnormalised targets", "certain", variant, **values)] if values else []


def _are_logs(targets, near):
    with np.errstate(all="ignore"):
        sums = np.exp(targets.astype(np.float64)).sum(axis=1) if targets.max() <= 0 else 0
        return bool(np.all(abs(sums - 1) <= near))


def _unnormalised(targets, near):
    """Which sentence, and its numbers; none if rows are distributions."""
    bad = ~np.isfinite(targets)
    if bad.any():
        return "nan", {"count": int(bad.sum())}
    if targets.min() < 0:
        return "negative", {"least": float(targets.min())}
    with np.errstate(over="ignore"):
        sums = targets.sum(axis=1, dtype=np.float64)
    if np.all(abs(sums - 1) <= near):
        return "", {}
    empty = np.all(targets == 0, axis=1)
    if empty.any() and np.all(abs(sums[~empty] - 1) <= near):
        return "empty", {"count": int(empty.sum()), "total": len(sums)}
    many = np.all((targets == 0) | (targets == 1))
    return "many" if many else "", {"sums": span(sums)}
