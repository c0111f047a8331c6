"""Exact values by mpmath, and the distance of computed ones from them in ulps."""

import mpmath
import numpy as np


def exact_rows(function, *arrays, digits=50):
    """`function` of each row in so many digits, as a float64 and the part beyond it.

    `function` takes lists of mpf and returns one mpf or a list of them.
    """
    with mpmath.workdps(digits):
        columns = [[[mpmath.mpf(float(v)) for v in row] for row in array] for array in arrays]
        values = np.array(
            [function(*rows) for rows in zip(*columns, strict=True)], dtype=object
        )
        high = values.astype(np.float64)
        low = (values - high).astype(np.float64)
    return high, low


def lse(z):
    return mpmath.log(mpmath.fsum(mpmath.exp(v) for v in z))


def log_probs(z):
    total = lse(z)
    return [v - total for v in z]


def probs(z):
    total = mpmath.fsum(mpmath.exp(v) for v in z)
    return [mpmath.exp(v) / total for v in z]


def errors_in_ulps(computed, exact, unit=None):
    """Error of each entry of `computed` in ulps of the exact value, or of `unit`."""
    high, low = exact
    unit = high if unit is None else unit
    spacing = np.abs(np.spacing(np.asarray(unit).astype(computed.dtype)).astype(np.float64))
    return np.abs((computed.astype(np.float64) - high) - low) / spacing


def ulps(computed, exact, unit=None):
    """The largest of them."""
    return errors_in_ulps(computed, exact, unit).max()
