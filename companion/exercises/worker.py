"""The process in which the code of others runs. Started by `companion.exercises.judge`.

It gets cells and calls, and hands back what an answer did, as data. It never knows what is
right: neither references nor solutions are here, and the exercises that a submission imports
are replaced by objects that do nothing. It does not keep code from reading files.
"""

import base64
import contextlib
import importlib.abc
import importlib.machinery
import json
import linecache
import os
import pickle
import sys

import numpy as np

from companion.exercises.running import COPIED, Limited, Outcome, limited

HIDDEN = "companion.exercises"


def main():
    """Read the work from stdin, do it, and write what was seen to the first stdout."""
    work = pickle.load(sys.stdin.buffer)  # from the judge, never from a submission
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _limit_memory(work["memory"])
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    exercise, task = work["exercise"], work["task"]
    hide_exercises()
    sys.path.append(work["folder"])
    names, error = run_cells(work["cells"], exercise.around())
    if exercise.name in names:
        answer = names[exercise.name]
        ended = limited(lambda ended: exercise.look(answer, task, ended), exercise.patience)
    else:
        ended = Limited()
    report.write(json.dumps(to_data(ended, error, exercise.name in names)) + "\n")
    report.flush()
    os._exit(0)  # whatever threads and exit handlers the submission has left


def _limit_memory(gigabytes):
    with contextlib.suppress(ImportError, ValueError, OSError):  # there is none on Windows
        import resource

        most = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class OutOfReach:
    """Stands for an exercise where other people's code runs. Does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __repr__(self):
        return ""


class _Hidden(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name == HIDDEN or name.startswith(HIDDEN + "."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def exec_module(self, module):
        module.__getattr__ = OutOfReach().__getattr__


def hide_exercises():
    """From now on, to import exercises gives objects that do nothing."""
    for name in [n for n in sys.modules if n == HIDDEN or n.startswith(HIDDEN + ".")]:
        del sys.modules[name]
    import companion

    vars(companion).pop("exercises", None)
    sys.meta_path.insert(0, _Hidden())


def run_cells(cells, names):
    """Run cells one after the other. One that raises does not keep the next from running.

    Parameters
    ----------
    cells : list of str
    names : dict
        What is there at first.

    Returns
    -------
    dict
        What is there at the end.
    list or None
        The last error: its words, and the line that raised it.
    """
    names["__name__"] = "submission"
    error = None
    for number, cell in enumerate(cells):
        file = f"<cell {number}>"
        linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
        try:
            exec(compile(cell, file, "exec", dont_inherit=True), names)
        except BaseException as caught:
            error = text_and_line(caught, file)
    return names, error


def text_and_line(error, file):
    """["ZeroDivisionError: division by zero", 3]; no text if it cannot be read."""
    try:
        line = error.lineno if isinstance(error, SyntaxError) else _line_in(error, file)
        text = str(error.msg if isinstance(error, SyntaxError) else error).split("\n")[0][:200]
        return [f"{type(error).__name__}: {text}", line or None]
    except BaseException:
        return ["", None]


def _line_in(error, file):
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


# What was seen, as JSON: the judge unpickles nothing that comes from here.


def to_data(ended, error, found):
    """What the judge reads."""
    seen = ended.value
    return {
        "found": found,
        "error": error,
        "timed_out": ended.timed_out,
        "raised": ended.raised,
        "printed": ended.printed,
        "left_behind": ended.left_behind,
        "seen": seen
        and {
            "kind": seen.kind,
            "shortcut": seen.shortcut,
            "memory": seen.memory,
            "outcomes": [_outcome(o) for o in seen.outcomes],
        },
    }


def _outcome(outcome):
    if not isinstance(outcome, Outcome):  # the number or the text of a value
        return outcome
    return {
        "values": outcome.values and [_array(v) for v in outcome.values],
        "returned": outcome.returned,
        "like": None if outcome.like is None else _array(outcome.like),
        "raised": outcome.raised,
        "text": outcome.text,
        "place": outcome.place,
        "changed": outcome.changed,
    }


def _array(array):
    array = np.asarray(array)
    data = array.tobytes() if array.size <= COPIED else b""
    return [array.dtype.str, array.shape, base64.b64encode(data).decode()]


if __name__ == "__main__":
    main()
