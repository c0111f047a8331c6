"""Run a reader's function so that nothing it does can hurt: no crash, no hang, no exit.

It runs on copies of its arguments, in a thread with a time limit, with its output dropped.
All that could run code of the reader, the text of an exception too, happens in there. This
protects an honest reader from an accident. It is not a sandbox.
"""

import contextlib
import ctypes
import io
import linecache
import threading
import traceback
import types
import warnings
from dataclasses import dataclass, field

import numpy as np

NUMERIC_KINDS = "biuf"
COPIED = 10**6  # entries; the shape alone of a larger result is wrong


@dataclass
class Outcome:
    """What one call did.

    Parameters
    ----------
    value : ndarray or None
        The result, if it is a number or an array of numbers.
    returned : str or None
        Type of what came back. None if nothing came back.
    error : BaseException or None
        What the call raised.
    text : str
        The error in words, with its place in the reader's code.
    changed : bool
        Whether an array among the arguments was changed.

    Examples
    --------
    >>> call(np.sqrt, (np.array([4.0]),)).value
    array([2.])
    """

    value: np.ndarray | None = None
    returned: str | None = None
    error: BaseException | None = None
    text: str = ""
    changed: bool = False

    def agrees(self, other, rtol, atol):
        """Whether both raised the same type, or gave the same numbers in the same shape."""
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error)
        if self.value is None or other.value is None:  # only numbers can be compared
            return False
        return self.value.shape == other.value.shape and np.allclose(
            self.value, other.value, rtol=rtol, atol=atol, equal_nan=True
        )


@dataclass
class Run:
    """What a series of calls did.

    Parameters
    ----------
    outcomes : list of Outcome
        One per call that ended.
    timed_out : bool
        Whether the time was up before the last call ended.
    printed : bool
        Whether anything was printed.
    left_behind : bool
        Whether the last call could not even be stopped and goes on.

    Examples
    --------
    >>> Run().timed_out
    False
    """

    outcomes: list = field(default_factory=list)
    timed_out: bool = False
    printed: bool = False
    left_behind: bool = False


def call(function, args):
    """Call `function` on copies of `args` and describe what happened.

    Parameters
    ----------
    function : callable
        Anything.
    args : tuple
        Arguments. Arrays are copied.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> call(lambda x: x / 0, (1,)).error
    ZeroDivisionError('division by zero')
    """
    given = [np.copy(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
    try:
        with np.errstate(all="ignore"):
            returned = function(*given)
        outcome = _describe(returned)
    except BaseException as error:
        outcome = Outcome(error=error, text=_in_words(error, function))
    outcome.changed = any(
        isinstance(arg, np.ndarray) and _content(arg) != _content(now)
        for arg, now in zip(args, given, strict=True)
    )
    return outcome


def _describe(returned):
    if returned is None:
        return Outcome()
    kind = type(returned).__name__
    # By type(), since __class__ can lie. Lists and odd objects are not converted.
    if not issubclass(type(returned), np.ndarray | np.generic | int | float):
        return Outcome(returned=kind)
    value = np.asarray(returned)
    if value.dtype.kind not in NUMERIC_KINDS:
        return Outcome(returned=f"{kind} ({value.dtype})")
    # A copy, since the next call may write into the same array.
    return Outcome(returned=kind, value=value.copy() if value.size <= COPIED else value)


def _in_words(error, function):
    try:
        first_line = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
        text = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
        return text + place_of(error, function) + "."
    except BaseException:  # its __str__ is the reader's code, and may raise anything
        return "An exception whose text cannot be read."


def _content(array):
    # Bytes, for they compare whatever dtype the array was given in place.
    return array.shape, array.dtype, array.tobytes()


def run(function, calls, time_limit):
    """Call `function` on each tuple of arguments, for at most `time_limit` seconds in all.

    Parameters
    ----------
    function : callable
        Anything.
    calls : sequence of tuple
        Arguments of each call.
    time_limit : float
        In seconds.

    Returns
    -------
    Run

    Examples
    --------
    >>> run(np.sqrt, [(4.0,), (9.0,)], time_limit=5).outcomes[1].value
    array(3.)
    """
    done = Run()

    def work():
        for args in calls:
            outcome = call(function, args)
            if done.timed_out:  # what was caught is the signal to stop
                return
            done.outcomes.append(outcome)

    thread = threading.Thread(target=work, daemon=True)
    output = _Output()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            thread.start()
        except RuntimeError:  # no threads, as in Pyodide: then there is no time limit either
            work()
        else:
            _wait(thread, time_limit, done)
    done.printed = output.used
    return done


class _Output(io.TextIOBase):
    """Notes that something was written, and drops it: an endless loop may print for long."""

    used = False

    def write(self, text):
        self.used = self.used or bool(text.strip())
        return len(text)


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
    """Where in the reader's own file or cell an error arose: `line 3: "return x / 0"`.

    Parameters
    ----------
    error : BaseException
        With its traceback.
    function : callable
        The reader's.

    Returns
    -------
    str
        Empty if it arose elsewhere.

    Examples
    --------
    >>> place_of(ValueError(), print)
    ''
    """
    if type(function) is not types.FunctionType:
        return ""
    function = vars(function).get("__wrapped__", function)  # one that was given tensors
    if type(function) is not types.FunctionType:
        return ""
    file = function.__code__.co_filename  # a cell of a notebook has a file of its own
    numbers = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    text = linecache.getline(file, numbers[-1]).strip() if numbers else ""
    return f' in line {numbers[-1]}: "{text}"' if text else ""
