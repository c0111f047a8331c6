"""Arrays that are neither many rows nor long ones: where a sweep or a loop falls off a cliff.

Each beside SciPy, on the axis that has the classes. Two of them are no shapes: rows whose
exponentials are below the smallest normal number, where a processor computes slowly.
"""

import json
from functools import partial

import numpy as np
from scipy import special

import companion
from benchmarks.measure import DTYPES, repeats, set_threads, spread, timed
from companion.one_pass import compiled, fast

WAYS = {
    "companion": companion,
    "one_pass.fast": fast,
    "one_pass.compiled": compiled,
    "SciPy": special,
}
TASKS = ("softmax", "log_softmax", "logsumexp")
CASES = {  # shape, and the axis of the classes
    "class maps (64, 10, 64, 64), axis 1": ((64, 10, 64, 64), 1),
    "two classes (2, 1000000), axis 0": ((2, 10**6), 0),
    "one class (1000000, 1), axis 1": ((10**6, 1), 1),
    "one row (1, 1000000), axis 1": ((1, 10**6), 1),
    "all but one subnormal (1000, 1000), axis 1": ((1000, 1000), 1),
}
SUBNORMAL = {"float32": -95.0, "float64": -725.0}
ROUNDS = 15


def draw(case, dtype):
    """Logits of one case, and its axis."""
    shape, axis = CASES[case]
    x = (3 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    if "subnormal" in case:
        x += SUBNORMAL[dtype]
        x[:, 0] = 0
    return x, axis


def measure(case, dtype, rounds=ROUNDS):
    """Seconds per call: medians of rounds in which each way has its turn.

    Parameters
    ----------
    case : str
        A key of `CASES`.
    dtype : str
        Of the logits.
    rounds : int
        How often each has its turn.

    Returns
    -------
    list of dict
        One for each task and way.
    """
    x, axis = draw(case, dtype)
    found = []
    for task in TASKS:
        calls = {name: partial(getattr(way, task), x, axis=axis) for name, way in WAYS.items()}
        times = {name: repeats(call) for name, call in calls.items()}
        rows = [
            [timed(call, times[name]) for name, call in calls.items()] for _ in range(rounds)
        ]
        found += [
            {"case": case, "dtype": dtype, "task": task, "name": n} | spread(column)
            for n, column in zip(calls, np.transpose(rows), strict=True)
        ]
    return found


if __name__ == "__main__":
    set_threads(2)
    for case in CASES:
        for dtype in DTYPES:
            for record in measure(case, dtype):
                print(json.dumps(record), flush=True)
