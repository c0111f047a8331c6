"""The operations of softmax one by one, on a block that stays in the cache: what is no memory.

With these times a reader can say what the work of a formula takes at least. The formulas that
are made of them have their turns between them, so that a machine that slows down slows both.
They are timed by `measure` too: the two figures tell how far one process is from another.
"""

import json

import numpy as np

from benchmarks.contenders import CONTENDERS, TASKS
from benchmarks.measure import DTYPES, draw, repeats, set_threads, spread, timed

BLOCK = (64, 1000)  # 256 kB of float32
WHOLE = (4096, 1000)
ROUNDS = 25
EXPLAINED = {  # contender and task, for the whole array
    "copy of all": ("copy", TASKS[0]),
    "softmax plainly": ("NumPy, plainly", TASKS[0]),
    "softmax in blocks": ("one_pass.fast, out=", TASKS[0]),
    "loss and gradient in blocks": ("one_pass.fast, out=", TASKS[-1]),
    "loss and gradient by PyTorch": ("PyTorch", TASKS[-1]),
}


def operations(x):
    """Each as `one_pass.fast` calls it: in place, on a block."""
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


def wholes(x, labels):
    """What the operations are to explain, for an array that does not fit the cache."""
    return {
        name: CONTENDERS[contender](x, labels)[task]
        for name, (contender, task) in EXPLAINED.items()
    }


def measure(dtype, whole=WHOLE, rounds=ROUNDS):
    """Seconds per entry of each operation and of what is made of them."""
    block, _ = draw(BLOCK, dtype)
    array, labels = draw(whole, dtype)
    calls = operations(block)
    sizes = dict.fromkeys(calls, block.size)
    calls |= wholes(array, labels)
    times = {name: repeats(call) for name, call in calls.items()}
    rows = [[timed(call, times[name]) for name, call in calls.items()] for _ in range(rounds)]
    return [
        {"operation": n, "dtype": dtype} | spread(column / sizes.get(n, array.size))
        for n, column in zip(calls, np.transpose(rows), strict=True)
    ]


if __name__ == "__main__":
    set_threads(1)
    for dtype in DTYPES:
        for record in measure(dtype):
            print(json.dumps(record), flush=True)
