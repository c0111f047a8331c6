"""Run a reader's function so that nothing it does can hurt: no crash, no hang, no exit.

It runs on copies of its arguments, in a thread with a time limit, with its output caught.
This protects an honest reader from an accident. It is not a sandbox.
"""

import contextlib
import ctypes
import io
import linecache
import threading
import traceback
import warnings
from dataclasses import dataclass, field

import numpy as np

NUMERIC_KINDS = "biuf"


@dataclass
class Outcome:
    """What one call did.

    Parameters
    ----------
    value : ndarray or None
        The result, if it is a number or an array of numbers.
    returned : type or None
        Type of what came back. None if nothing came back.
    error : BaseException or None
        What the call raised.
    changed : bool
        Whether an argument was changed.

    Examples
    --------
    >>> call(np.sqrt, (np.array([4.0]),)).value
    array([2.])
    """

    value: np.ndarray | None = None
    returned: type | None = None
    error: BaseException | None = None
    changed: bool = False

    def agrees(self, other, rtol, atol):
        """Whether both raised the same type, or gave the same numbers in the same shape."""
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error)
        if self.value is None or other.value is None:
            return self.returned is other.returned
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

    Examples
    --------
    >>> Run().timed_out
    False
    """

    outcomes: list = field(default_factory=list)
    timed_out: bool = False
    printed: bool = False


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
        outcome = Outcome(returned=None if returned is None else type(returned))
        # Lists and odd objects are not converted: their __array__ could be anything.
        if isinstance(returned, np.ndarray | np.generic | int | float):
            value = np.array(returned, subok=False)
            outcome.value = value if value.dtype.kind in NUMERIC_KINDS else None
    except BaseException as error:
        outcome = Outcome(error=error)
    outcome.changed = any(
        isinstance(arg, np.ndarray) and not np.array_equal(arg, now, equal_nan=True)
        for arg, now in zip(args, given, strict=True)
    )
    return outcome


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
            if done.timed_out:  # the signal to stop ended the last call, not the series
                return
            done.outcomes.append(call(function, args))

    thread = threading.Thread(target=work, daemon=True)
    out = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        thread.start()
        thread.join(time_limit)
        if thread.is_alive():
            done.timed_out = True
            _stop(thread)
    done.printed = bool(out.getvalue().strip())
    return done


def _stop(thread):
    # Threads end silently on SystemExit. One that catches even that is left behind: it is a
    # daemon, so it cannot keep the kernel from ending.
    for _ in range(3):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
        thread.join(0.1)


def place_of(error, function):
    """Where in the reader's own code an error arose: `line 3: "return x / 0"`.

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
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == code.co_filename
    ]
    if not frames:
        return ""
    number = frames[-1].lineno
    text = linecache.getline(code.co_filename, number).strip()
    return f' in line {number - code.co_firstlineno + 1}: "{text}"' if text else ""
