"""The operations of softmax one by one, on a block that stays in the cache: what is no memory.

With these times a reader can say how much of a slow formula is waiting for memory, and how
much is work.
"""

import numpy as np

from benchmarks.measure import draw, repeats, timed

ROWS, CLASSES, ROUNDS = 64, 1000, 25  # 256 kB of float32


def operations(x):
    """Each as `companion.fast` calls it: in place, on a block."""
    out, column = np.empty_like(x), x.max(axis=-1, keepdims=True)
    return {
        "max": lambda: x.max(axis=-1, keepdims=True),
        "argmax": lambda: x.argmax(axis=-1),
        "subtract": lambda: np.subtract(x, column, out=out),
        "exp": lambda: np.exp(x, out=out),
        "sum": lambda: x.sum(axis=-1, keepdims=True),
        "divide": lambda: np.divide(x, column, out=out),
        "copy": lambda: np.copyto(out, x),
    }


def measure(dtype):
    """Seconds per entry of each operation, by one thread."""
    x, _ = draw((ROWS, CLASSES), dtype)
    calls = operations(x)
    times = {name: repeats(call) for name, call in calls.items()}
    rounds = [[timed(call, times[name]) for name, call in calls.items()] for _ in range(ROUNDS)]
    medians = np.median(rounds, axis=0) / x.size
    return [
        {"operation": name, "dtype": dtype, "seconds": float(median)}
        for name, median in zip(calls, medians, strict=True)
    ]
