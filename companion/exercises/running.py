"""Run a reader's function so that nothing it does can hurt: no crash, no hang, no exit.

It runs on copies of its arguments, in a thread with a time limit, with its output dropped.
Where threads cannot start, as in a web page, it runs with a look at the clock on each turn.
All that could run code of the reader, a look at its attributes or the text of an exception
too, happens in there. This protects an honest reader from an accident. It is not a sandbox:
`companion.exercises.judge` puts the answers of others into a process of their own.
"""

import contextlib
import contextvars
import ctypes
import io
import linecache
import os
import random
import sys
import threading
import traceback
import types
import warnings
from dataclasses import dataclass
from time import monotonic  # by name: a reader may rebind that of the module

import numpy as np

NUMERIC_KINDS = "iuf"
COPIED = 10**6  # entries; the shape alone of a larger result is wrong


@dataclass
class Outcome:
    """What one call did.

    Parameters
    ----------
    values : tuple of ndarray or None
        The result, if it is a number or an array of numbers: one, or as many as are asked for.
    returned : str or None
        Type of what came back. None if nothing came back.
    like : ndarray or None
        The numbers in what came back, if it is neither a number nor an array but holds some:
        a list, a tensor, a bool.
    raised : str or None
        Type of what the call raised.
    text : str
        The error's type and the first line of its words. Empty if they cannot be read.
    place : tuple or None
        Where in the reader's code it arose: number and text of the line.
    changed : bool
        Whether an array among the arguments was changed.

    Examples
    --------
    >>> call(np.sqrt, (np.array([4.0]),)).value
    array([2.])
    """

    values: tuple | None = None
    returned: str | None = None
    like: np.ndarray | None = None
    raised: str | None = None
    text: str = ""
    place: tuple | None = None
    changed: bool = False

    @property
    def value(self):
        """The one array or number, or the first of several; None if there is none."""
        return None if self.values is None else self.values[0]

    def agrees(self, other, rtol, atol):
        """Whether both raised the same type, or gave the same numbers in the same shape."""
        if self.raised or other.raised:
            return self.raised == other.raised
        if self.values is None or other.values is None:  # only numbers can be compared
            return False
        return len(self.values) == len(other.values) and all(
            same_numbers(mine, theirs, rtol, atol)
            for mine, theirs in zip(self.values, other.values, strict=True)
        )


def same_numbers(some, others, rtol, atol):
    """Whether two arrays of one shape hold the same numbers, within a tolerance.

    Examples
    --------
    >>> same_numbers(np.array([np.nan, 1]), np.array([np.nan, 1 + 1e-12]), 1e-9, 0)
    True
    """
    if some.shape != others.shape:
        return False
    return bool(close(some, others, rtol, atol).all())


def close(some, others, rtol, atol):
    """Where two arrays are equal within a tolerance: numpy.isclose, with less overhead.

    Examples
    --------
    >>> close(np.array([np.inf, np.nan, 1]), np.array([np.inf, np.nan, 2]), 1e-9, 0)
    array([ True,  True, False])
    """
    with np.errstate(all="ignore"):
        near = np.abs(np.subtract(some, others, dtype=float)) <= atol + rtol * np.abs(others)
        near &= np.isfinite(others)
        return near | (some == others) | ((some != some) & (others != others))


class NoHistory:
    """A tensor's numbers, where no gradient can flow back to the arguments."""

    def __init__(self, numbers):
        self.numbers = numbers


@dataclass
class Limited:
    """How a piece of work ended.

    Parameters
    ----------
    value : object
        What it returned. If it did not end: what it has put here itself, or None.
    raised : str or None
        Type of what it raised.
    timed_out : bool
        Whether the time was up before it ended.
    printed : bool
        Whether anything was printed.
    left_behind : bool
        Whether it could not even be stopped and goes on.
    """

    value: object = None
    raised: str | None = None
    timed_out: bool = False
    printed: bool = False
    left_behind: bool = False


def call(function, args, parts=1, copies=True):
    """Call `function` on copies of `args` and describe what happened.

    Parameters
    ----------
    function : callable
        Anything.
    args : tuple
        Arguments. Arrays are copied.
    parts : int
        How many arrays or numbers are asked for: a tuple, if more than one.
    copies : bool
        False for a function of ours that is known to change nothing.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> call(lambda x: x / 0, (1,)).raised
    'ZeroDivisionError'
    """
    if not copies:  # the caller takes care of warnings, too
        try:
            return _describe(function(*args), parts)
        except Exception as error:
            return Outcome(raised=type(error).__name__)
    given = [np.copy(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
    try:
        with np.errstate(all="ignore"):
            outcome = _describe(function(*given), parts)
    except BaseException as error:
        text, place = _words_and_place(error, function)
        outcome = Outcome(raised=type(error).__name__, text=text, place=place)
        if isinstance(error, NotImplementedError) and _stands_in(function, error):
            outcome.returned = "NotImplementedError"  # a stub of the reader's own
    outcome.changed = any(
        isinstance(arg, np.ndarray) and _content(arg) != _content(now)
        for arg, now in zip(args, given, strict=True)
    )
    return outcome


def _stands_in(function, error):
    """Whether an error was raised in a function's own lines, not in what it calls."""
    function = getattr(function, "__wrapped__", function)
    *_, last = traceback.walk_tb(error.__traceback__)
    return last[0].f_code is getattr(function, "__code__", None)


def _describe(returned, parts=1):
    if returned is None:
        return Outcome()
    kind = type(returned).__name__
    if parts > 1 and (type(returned) is not tuple or len(returned) != parts):
        length = f" of {len(returned)}" if type(returned) is tuple else ""
        return Outcome(returned=kind + length)
    values = [_as_numbers(part) for part in (returned if parts > 1 else (returned,))]
    if all(value is not None for value in values):
        return Outcome(returned=kind, values=tuple(values))
    if kind == "coroutine":
        returned.close()  # or Python warns that nobody waited for it
    if isinstance(returned, np.ndarray | np.generic):
        kind = f"{kind} ({returned.dtype})"
    return Outcome(returned=kind, like=_numbers_in(returned))


def _as_numbers(returned):
    """A copy of an array or a number as float64, int or bool; None of anything else."""
    # By type(), since __class__ can lie. A bool is an answer to another question.
    if type(returned) is bool or not issubclass(
        type(returned), np.ndarray | np.generic | int | float
    ):
        return None
    value = np.asarray(returned)
    if value.dtype.kind not in NUMERIC_KINDS:
        return None
    if value.size > COPIED:  # of another shape than is asked for
        return value
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        value = value.astype(np.float64)  # no more digits are asked for
    return value.copy()  # since the next call may write into the same array


def _numbers_in(thing):
    """The numbers in a list, a tensor or a bool; None if it holds none."""
    with contextlib.suppress(Exception):
        if type(thing) is NoHistory:
            return np.asarray(thing.numbers, dtype=float)
        root = type(thing).__module__.partition(".")[0]
        if root == "torch":
            thing = thing.detach().cpu().numpy()
        elif root in ("tensorflow", "jax", "jaxlib"):
            thing = np.asarray(thing)
        elif type(thing) is np.ndarray and thing.dtype != bool:
            return None
        elif type(thing) not in (list, tuple, bool, np.bool, np.ndarray):
            return None
        return np.asarray(thing, dtype=float)
    return None


def _words_and_place(error, function):
    try:
        return in_one_line(error), place_of(error, function)
    except BaseException:  # its __str__ is the reader's code, and may raise anything
        return "", None


def in_one_line(error):
    """The type of an error and the first line of its text, which may be code of the reader.

    Examples
    --------
    >>> in_one_line(ValueError("x must be finite.\\nIt is not."))
    'ValueError: x must be finite'
    """
    first_line = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def _content(array):
    # Bytes, for they compare whatever dtype the array was given in place.
    return array.shape, array.dtype, array.tobytes()


def outcomes_of(function, calls, parts, ended, outcomes):
    """Append what each call does, one after the other, until the time is up."""
    for args in calls:
        outcome = call(function, args, parts)
        if ended.timed_out:  # what was caught is the signal to stop
            return
        outcomes.append(outcome)


def limited(work, time_limit):
    """Do a piece of work for at most `time_limit` seconds, and leave everything as it was.

    Parameters
    ----------
    work : callable
        Gets the Limited that is handed back, whose `timed_out` tells when to stop.
    time_limit : float
        In seconds.

    Returns
    -------
    Limited

    Examples
    --------
    >>> limited(lambda ended: 2 + 2, time_limit=1).value
    4
    """
    done = Limited()

    def guarded():
        try:
            value = work(done)
        except BaseException as error:
            if not done.timed_out:  # else it is the signal to stop
                done.raised = type(error).__name__
        else:
            done.value = done.value if done.timed_out else value

    thread = threading.Thread(target=guarded, daemon=True)
    with _as_it_was(thread) as outputs:
        if _starts(thread):
            _wait(thread, time_limit, done)
        else:
            _without_threads(guarded, time_limit, done)
    done.printed = any(output.used for output in outputs)
    return done


def _starts(thread):
    try:
        thread.start()
    except RuntimeError:  # there are no threads, as in Pyodide, or no more of them
        return False
    return True


def _without_threads(work, time_limit, done):
    """Do the work here, until the time is up, and put back what a thread has for itself.

    A call that stays inside C is seen when it has ended. Before Python 3.12, or where others
    watch with all that Python has for it, there is no time limit.
    """
    monitoring, end = getattr(sys, "monitoring", None), monotonic() + time_limit
    in_use = [] if monitoring is None else _tools(monitoring)
    traces = sys.gettrace(), sys.getprofile()
    try:
        if monitoring is not None and len(in_use) < TOOLS:
            _watch(monitoring, _look_at_the_clock(end, done))
        contextvars.copy_context().run(work)  # NumPy's errstate is kept in a context
    finally:
        sys.settrace(traces[0])
        sys.setprofile(traces[1])
        if monitoring is not None:
            _free(monitoring, set(range(TOOLS)).difference(in_use))
        done.timed_out = done.timed_out or monotonic() > end


TOOLS = 6  # may watch at once
# Whatever goes on for ever in Python begins functions, resumes generators or jumps back.
EVENTS = "PY_START", "PY_RESUME", "JUMP"


def _tools(monitoring):
    """Numbers of the tools that are in use."""
    return [tool for tool in range(TOOLS) if monitoring.get_tool(tool) is not None]


def _watch(monitoring, look):
    """Call `look` at each of the events from now on."""
    events = [getattr(monitoring.events, name) for name in EVENTS]
    tool = max(set(range(TOOLS)).difference(_tools(monitoring)))  # debuggers take the first
    monitoring.use_tool_id(tool, __name__)
    for event in events:
        monitoring.register_callback(tool, event, look)
    monitoring.set_events(tool, sum(events))


def _free(monitoring, tools):
    """End what tools watch, the reader's too, and one that the reader has freed already."""
    for tool in tools:
        if monitoring.get_tool(tool) is None:  # before 3.14 it may watch all the same
            monitoring.use_tool_id(tool, __name__)
        monitoring.set_events(tool, monitoring.events.NO_EVENTS)
        for name in EVENTS:
            monitoring.register_callback(tool, getattr(monitoring.events, name), None)
        monitoring.free_tool_id(tool)


def _look_at_the_clock(end, done):
    """What raises SystemExit in the answer once the time is up, and again where it is caught.

    Code of the checker goes on, so that what it has changed is put back; it sees `done`. All
    threads are watched, and only this one is stopped.
    """
    mine, ours = threading.get_ident(), (_folder(_folder.__code__), CONTEXTLIB)

    def look(code, *_):
        if monotonic() > end and threading.get_ident() == mine:
            done.timed_out = True
            if _folder(code) != ours[0] and code.co_filename != ours[1]:
                raise SystemExit

    return look


CONTEXTLIB = contextlib.contextmanager.__code__.co_filename  # ends `with` blocks of ours


def _folder(code):
    return os.path.dirname(code.co_filename)


@contextlib.contextmanager
def _as_it_was(thread):
    """Drop output and warnings, and put back what code can change for all: limits, seeds.

    The stand-ins for the streams hand on what others print, and the list of filters becomes
    that of the reader. If a thread that is left behind puts one of them back, nothing is lost.
    """
    streams = sys.stdout, sys.stderr
    filters, kept = warnings.filters, list(warnings.filters)
    silent = [("ignore", None, Warning, None, 0)]  # whatever the reader's filters make of them
    limit, state = sys.getrecursionlimit(), random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    outputs = [_Output(stream, thread) for stream in streams]
    sys.stdout, sys.stderr = outputs
    _set_filters(silent)
    try:
        yield outputs
    finally:
        sys.stdout, sys.stderr = streams
        for output in outputs:
            output.active = False
        filters[:] = silent[:] = kept
        _set_filters(filters)
        if sys.getrecursionlimit() != limit:
            sys.setrecursionlimit(limit)
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def _set_filters(filters):
    warnings.filters = filters
    if hasattr(warnings, "_filters_mutated"):  # what has been shown already is forgotten
        warnings._filters_mutated()


class _Output(io.TextIOBase):
    """Drops what the answer prints, an endless loop may print for long, and notes that it did.

    What others print is handed on to the stream in whose place it stands.
    """

    def __init__(self, stream, thread):
        self.stream, self.thread, self.used, self.active = stream, thread, False, True

    def write(self, text):
        of_the_answer = (
            self.active
            if self.thread.ident is None
            else threading.get_ident() == self.thread.ident
        )
        if not of_the_answer:
            return self.stream.write(text)
        self.used = self.used or bool(text.strip())
        return len(text)

    def flush(self):
        self.stream.flush()

    def close(self):
        """Stays open: others print through it."""

    def __getattr__(self, name):
        return getattr(self.stream, name)


def _wait(thread, time_limit, done):
    try:
        thread.join(time_limit)
    finally:  # also if the reader interrupts the wait
        done.timed_out = thread.is_alive()
        # Threads end silently on SystemExit. One that catches even that is left behind: it
        # is a daemon, so it cannot keep the kernel from ending.
        for _ in range(3):
            if thread.is_alive():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
                )
                thread.join(0.1)
        done.left_behind = thread.is_alive()


def place_of(error, function):
    """Where in the reader's own file or cell an error arose: (3, "return x / 0").

    Parameters
    ----------
    error : BaseException
        With its traceback.
    function : callable
        The reader's.

    Returns
    -------
    tuple or None
        Number and text of the line. None if it arose elsewhere.

    Examples
    --------
    >>> place_of(ValueError(), print) is None
    True
    """
    if type(function) is not types.FunctionType:
        return None
    function = vars(function).get("__wrapped__", function)  # one that was given tensors
    if type(function) is not types.FunctionType:
        return None
    file = function.__code__.co_filename  # a cell of a notebook has a file of its own
    numbers = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    text = linecache.getline(file, numbers[-1]).strip() if numbers else ""
    return (numbers[-1], text) if text else None
