"""What `make bench` measured on one machine: the numbers that the chapter *One pass* prints."""

import json
from functools import cache
from pathlib import Path


@cache
def load():
    """All that was measured.

    Returns
    -------
    dict
        `machine`, in words; `times`, `errors`, `linear`, `shapes` and `parts`, lists of dicts.
        Times are seconds per call, the median of rounds in which all contenders had a turn;
        errors are in ulps; memory in bytes.

    Examples
    --------
    >>> load()["machine"]["cores"]
    2
    """
    text = (Path(__file__).parent / "measured.json").read_text(encoding="utf-8")
    measured = json.loads(text)
    for kind in ("times", "errors", "linear", "shapes", "parts"):
        columns, rows = measured[kind]["columns"], measured[kind]["rows"]
        measured[kind] = [dict(zip(columns, row, strict=True)) for row in rows]
    return measured


def seconds(name, task, shape, dtype="float32", *, threads=1, memory="kept"):
    """Seconds per call of one contender.

    Parameters
    ----------
    name : str
        Such as "PyTorch".
    task : str
        "softmax", "log_softmax", "logsumexp" or "loss and gradient".
    shape : tuple of int
        Rows and classes.
    dtype : str
        "float32" or "float64".
    threads : int
        1 or 2.
    memory : str
        "kept", where results go to memory that the process had before; or "default", where
        the system hands out new pages for large results.

    Returns
    -------
    float

    Raises
    ------
    KeyError
        If that was not measured.

    Examples
    --------
    >>> seconds("PyTorch", "softmax", (4096, 1000)) > seconds("copy", "softmax", (4096, 1000))
    True
    """
    wanted = {"name": name, "task": task, "shape": list(shape), "dtype": dtype}
    wanted |= {"threads": threads, "memory": memory}
    for record in load()["times"]:
        if wanted.items() <= record.items():
            return record["seconds"]
    raise KeyError(f"no time was measured for {wanted}.")
