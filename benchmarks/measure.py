"""Times of all contenders, side by side: rounds in which each has its turn, and medians."""

import json
import os
import sys
import time

import numpy as np

from benchmarks.contenders import CONTENDERS, TASKS

SHAPES = [(1, 10), (128, 10), (4096, 1000), (256, 50257), (32, 128256), (1, 1_000_000)]
DTYPES = ("float32", "float64")
ROUNDS = 9
PAUSE = 0.01  # seconds in which threads of the contender before stop looking for work
BATCH = 2e-2  # seconds of calls; a thread that slept needs a part of the first to wake


def draw(shape, dtype):
    """Logits as of a network that has learnt something, and labels."""
    rng = np.random.default_rng(0)
    return (3 * rng.normal(size=shape)).astype(dtype), rng.integers(shape[1], size=shape[0])


def as_arrays(result):
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def check(name, task, result, wanted):
    """A contender that computes something else has no time."""
    for got, right in zip(as_arrays(result), as_arrays(wanted), strict=True):
        tolerance = {"float32": 1e-4, "float64": 1e-10}[right.dtype.name]
        try:
            np.testing.assert_allclose(got, right, rtol=tolerance, atol=tolerance)
        except AssertionError as error:
            raise AssertionError(f"{name}, {task}: {error}") from None


def repeats(call):
    """How many calls fill a batch."""
    start = time.perf_counter()
    call()
    return max(1, int(BATCH / (time.perf_counter() - start)))


def spread(seconds):
    """The median of some times and their quartiles, as they are stored."""
    low, median, high = (float(q) for q in np.quantile(seconds, [0.25, 0.5, 0.75]))
    return {"seconds": median, "quartiles": [low, high]}


def timed(call, times):
    time.sleep(PAUSE)
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def measure(shape, dtype, names=tuple(CONTENDERS), tasks=TASKS, rounds=ROUNDS):
    """Seconds per call of each contender.

    Parameters
    ----------
    shape : tuple of int
        Rows and classes.
    dtype : str
        Of the logits.
    names, tasks : sequence of str
        Which contenders and tasks.
    rounds : int
        How often each has its turn.

    Returns
    -------
    list of dict
        One for each task and contender: `seconds`, the median, and the quartiles.
    """
    x, labels = draw(shape, dtype)
    calls = {name: CONTENDERS[name](x, labels) for name in names}
    wanted = CONTENDERS["companion"](x, labels)
    records = []
    for task in tasks:
        runners = {name: calls[name][task] for name in names if task in calls[name]}
        for name, call in runners.items():
            result = call()  # also compiles, and touches the memory for the first time
            if name != "copy":
                check(name, task, result, wanted[task]())
        times = {name: repeats(call) for name, call in runners.items()}
        rows = [
            [timed(call, times[name]) for name, call in runners.items()] for _ in range(rounds)
        ]
        records += [
            {"shape": list(shape), "dtype": dtype, "task": task, "name": name} | spread(column)
            for name, column in zip(runners, np.transpose(rows), strict=True)
        ]
    return records


def set_threads(count):
    """All libraries of this process on so many cores, ours too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    import torch

    from companion.one_pass import compiled, fast

    fast.threads = compiled.threads = count
    torch.set_num_threads(count)


LARGE = [shape for shape in SHAPES if shape[0] * shape[1] > 10**5]


def main(threads, memory):
    """All shapes and dtypes; with the default memory the gradient of large arrays alone."""
    set_threads(threads)
    shapes, tasks = (SHAPES, TASKS) if memory == "kept" else (LARGE, TASKS[-1:])
    for shape in shapes:
        for dtype in DTYPES:
            for record in measure(shape, dtype, tasks=tasks):
                print(json.dumps(record | {"threads": threads}), flush=True)


if __name__ == "__main__":  # one process for each setting; run.py starts them
    main(int(sys.argv[1]), sys.argv[2])
