"""Anything that people have at hand, as an array of numbers. Nothing here raises."""

from typing import NamedTuple

import numpy as np

from companion.diagnose._kinds import found


class Numbers(NamedTuple):
    """What was read.

    Parameters
    ----------
    values : ndarray or None
        Real numbers, not copied where that can be helped.
    dtype : str
        What they were stored in, "bfloat16" included.
    findings : tuple of Finding
        Why there are no numbers.
    """

    values: np.ndarray | None
    dtype: str = ""
    findings: tuple = ()

    @property
    def eps(self):
        """The gap between 1 and the next number of the dtype; 2**-52 for integers."""
        if self.dtype == "bfloat16":
            return 2.0**-7
        known = self.values is not None and self.values.dtype.kind == "f"
        return float(np.finfo(self.values.dtype).eps) if known else 2.0**-52


def read(thing, name):
    """`thing` as numbers: an array, a list, a tensor on any device, a sparse matrix, a frame.

    Parameters
    ----------
    thing : object
        What converts to an array.
    name : str
        What it is called in a sentence.

    Returns
    -------
    Numbers
        With a finding, and without values, if it does not convert.

    Examples
    --------
    >>> read([[1, 2], [3]], "outputs").findings[0].kind
    'ragged'
    """
    try:
        values = _as_array(thing)
    except Exception as error:  # whatever it is, it is reported
        kind = "ragged" if "inhomogeneous" in str(error) else "unreadable"
        words = str(error).partition("\n")[0][:200].rstrip(".! ") or type(error).__name__
        return Numbers(None, "", (found(kind, "certain", name=name, error=words),))
    return _checked(values, name)


def _as_array(thing):
    if np.ma.isMaskedArray(thing):
        raise TypeError("it has a mask; fill it, and say with -inf which classes are masked")
    if hasattr(thing, "detach"):
        thing = thing.detach().cpu()
        thing = thing if str(thing.layout) == "torch.strided" else thing.to_dense()
    for method in ("todense", "to_numpy"):
        if hasattr(thing, method):
            thing = getattr(thing, method)()
    try:
        return np.asarray(thing)
    except TypeError:
        return _in_single_precision(thing)


def _in_single_precision(thing):
    """A tensor whose type NumPy does not have: bfloat16."""
    name = str(thing.dtype).rpartition(".")[2]
    return np.asarray(thing.float()), name


def _checked(values, name):
    values, dtype = values if isinstance(values, tuple) else (values, str(values.dtype))
    if values.dtype.kind in "OV":  # Python objects that may be numbers; bfloat16 of JAX
        if values.dtype.kind == "O" and None in values.ravel().tolist():
            return _not_numbers(name, "None")
        try:
            values = values.astype(_native(values))
        except (TypeError, ValueError, OverflowError):
            return _not_numbers(name, dtype)
    if values.dtype.kind not in "biuf":
        return _not_numbers(name, dtype)
    if values.size == 0:
        finding = found("empty", "certain", name=name, shape=values.shape)
        return Numbers(None, dtype, (finding,))
    return Numbers(values, dtype)


def _native(values):
    """A type of NumPy for Python's numbers, or for those of bfloat16."""
    if values.dtype.kind == "V":
        return np.float32
    whole = all(isinstance(value, int | np.integer) for value in values.ravel().tolist())
    return np.int64 if whole else np.float64


def _not_numbers(name, dtype):
    return Numbers(None, dtype, (found("not numbers", "certain", name=name, dtype=dtype),))
