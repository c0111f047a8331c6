"""Errors of all contenders in ulps, against arithmetic with 50 digits and more.

The ranges are those of the chapter on numerical stability: logits drawn uniformly from -R to R.
"""

import numpy as np

from benchmarks.contenders import CONTENDERS
from tools.exact import errors_in_ulps, exact_rows, log_probs, lse, probs

RANGES = (1, 10, 50, 300)
DTYPES = ("float16", "float32", "float64")
EXACT = {"softmax": probs, "log_softmax": log_probs, "logsumexp": lse}
# `out=` and compiling by TensorFlow change where a result goes, or when.
NAMES = tuple(n for n in CONTENDERS if n != "copy" and "out=" not in n and "function" not in n)


def errors(R, dtype, rows=200, names=NAMES):
    """Largest and mean error of each contender.

    Parameters
    ----------
    R : float
        Half the range of the logits.
    dtype : str
        Of the logits.
    rows : int
        How many rows of 10 classes.
    names : sequence of str
        Which contenders.

    Returns
    -------
    list of dict
        One for each task and contender: `max` and `mean`, in ulps of the exact value (of the
        largest probability of the row for softmax, whose small ones hang on the logits' own
        rounding). Exact values that are subnormal in the dtype are left out.
    """
    z = np.random.default_rng(int(R)).uniform(-R, R, size=(rows, 10)).astype(dtype)
    labels = np.zeros(rows, dtype=np.int64)
    calls = {name: CONTENDERS[name](z, labels) for name in names}
    records = []
    for task, function in EXACT.items():
        high, low = exact_rows(function, z, digits=350)
        unit = high.max(axis=-1, keepdims=True) if task == "softmax" else high
        normal = np.broadcast_to(np.abs(unit), high.shape) >= np.finfo(dtype).tiny
        for name in names:
            if task not in calls[name]:
                continue
            found = errors_in_ulps(np.asarray(calls[name][task]()), (high, low), unit)[normal]
            records.append(
                {
                    "R": R,
                    "dtype": dtype,
                    "task": task,
                    "name": name,
                    "max": float(found.max()),
                    "mean": float(found.mean()),
                }
            )
    return records


def all_errors(rows=200):
    """`errors` of each range and dtype. The compiled kernels are made to take small arrays."""
    from companion.one_pass import compiled, fast

    before, fast.SMALL, compiled.SMALL = (fast.SMALL, compiled.SMALL), 0, 0
    try:
        return [e for R in RANGES for dtype in DTYPES for e in errors(R, dtype, rows)]
    finally:
        fast.SMALL, compiled.SMALL = before
