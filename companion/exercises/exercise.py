"""Exercises as data, and how an answer is judged.

A mistake is a working wrong implementation with one sentence. An answer that behaves as a
mistake does, wherever that mistake can be told from the right answer, is named by it. So
the catalogue of mistakes is its own test data: `tests/test_exercises.py` loops over it.
"""

import contextlib
import dis
import functools
import numbers
import secrets
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from companion.book.show import Source
from companion.exercises.result import Result, State
from companion.exercises.running import call, run

LIBRARIES = ("companion", "scipy", "torch", "tensorflow", "keras", "jax", "sklearn")
MOST_FOLLOWED = 1000  # functions and other things, in the search for a library call


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give.

    Parameters
    ----------
    name : str
        Short and unique within the exercise: "wrong-axis".
    gives : callable, number or str
        What the wrong answer is: a function, a number, or the letter of an option.
    message : str
        One sentence of cause, one of remedy, without the line of the solution.
    """

    name: str
    gives: object
    message: str


@dataclass(frozen=True)
class Exercise:
    """What all kinds of exercise have.

    Parameters
    ----------
    name : str
        The name that the reader assigns: of a function, or of a variable.
    stub : str
        Source that the notebook ships.
    answer : str
        Source of the solution. It defines `name`; `np` is there.
    why : str
        One or two sentences shown with the solution.
    reference : callable
        The right answer, computed: the function itself, which returns one array or number
        (a tuple cannot be compared), or a function without arguments.
    hints : tuple of str
        Three: where to look, the idea, the line.
    mistakes : tuple of Mistake
        The catalogue.
    also_right : tuple
        At least two other right answers, differently written, for the tests.
    rtol, atol : float
        How near is right, as in numpy.allclose.
    """

    name: str
    stub: str
    answer: str
    why: str
    reference: Callable
    hints: tuple
    mistakes: tuple
    also_right: tuple
    rtol: float = field(default=1e-9, kw_only=True)
    atol: float = field(default=1e-12, kw_only=True)

    def check(self, answer):
        """Judge an answer.

        Parameters
        ----------
        answer : object
            The function itself, the number, or the letter.

        Returns
        -------
        Result
            Whatever the answer does. Nothing is raised.
        """
        try:
            with np.errstate(all="ignore"):
                return self._judge(answer)
        # A promise to the reader: never a traceback of ours, and only Ctrl-C goes through.
        except (Exception, SystemExit, GeneratorExit) as error:
            return Result(
                State.NOT_YET,
                f"This answer could not be judged ({type(error).__name__}). "
                "Return plain NumPy arrays or numbers.",
            )

    def hint(self, number=1):
        """Show one of the three hints: where to look, the idea, the line.

        Parameters
        ----------
        number : int
            1, 2 or 3.

        Returns
        -------
        Source
            Prints as text.

        Raises
        ------
        ValueError
            If there is no such hint.
        """
        if number not in range(1, len(self.hints) + 1):
            raise ValueError(f"hint number must lie in 1..{len(self.hints)}; got {number}.")
        return Text(f"Hint {number} of {len(self.hints)}. {self.hints[number - 1]}")

    def solution(self):
        """Show the source of a right answer.

        Returns
        -------
        Source
            Highlighted in a notebook.
        """
        comment = "\n".join(f"# {line}" for line in textwrap.wrap(self.why, 86))
        return Source(f"{comment}\n{self.answer.strip()}")

    def build(self, source=None):
        """The object that a source defines under this exercise's name.

        Parameters
        ----------
        source : str, optional
            The solution's if left out.

        Returns
        -------
        object
        """
        source = self.answer if source is None else source
        namespace = self.around()
        exec(compile(source, f"<{self.name}>", "exec"), namespace)
        return namespace[self.name]

    def around(self):
        """The names that a source may use, beside its own."""
        return {"np": np}

    def folded(self):
        """Hints and solution as Markdown that folds in the book, in JupyterLab and on GitHub.

        Returns
        -------
        str
        """
        parts = [
            f"<details><summary>Hint {i} of {len(self.hints)}</summary>\n\n{hint}\n\n</details>"
            for i, hint in enumerate(self.hints, start=1)
        ]
        parts.append(
            "<details><summary>Solution</summary>\n\n"
            f"```python\n{self.answer.strip()}\n```\n\n{self.why}\n\n</details>"
        )
        return "\n\n".join(parts)

    def _judge(self, answer):
        raise NotImplementedError


class Text(Source):
    """Prose that a notebook renders as Markdown."""

    def _repr_markdown_(self):
        return self.text


@dataclass(frozen=True)
class FunctionExercise(Exercise):
    """Build a function, or mend one.

    Parameters
    ----------
    probes : tuple of tuple
        Arguments of the calls that are compared, smallest first: ndarrays, numbers,
        functions.
    fresh : callable
        From a numpy Generator to the arguments of one more call, new each time.
    shortcuts : tuple of str
        Names of library functions that do the work.
    time_limit : float
        In seconds, for all calls together.
    """

    probes: tuple = ()
    fresh: Callable = None
    shortcuts: tuple = ()
    time_limit: float = 5.0

    def _judge(self, answer):
        if self._is_untouched(answer):
            return self._not_attempted()
        if not callable(answer):
            return Result(
                State.NOT_YET,
                f"check() needs the function itself, not its result: write check({self.name}).",
            )
        seed = secrets.randbelow(10**6)
        calls = [*self.probes, self.fresh(np.random.default_rng(seed))]
        ran = run(self.runnable(answer), calls, self.time_limit)
        if ran.timed_out:
            text = f"Your function had not finished after {self.time_limit:g} seconds. "
            text += "Is there a loop that never ends?"
            if ran.left_behind:
                text += " It could not be stopped either: restart the kernel."
            return Result(State.NOT_YET, text)
        wanted = [call(self.reference, args) for args in calls]
        wrong = [
            i
            for i, (got, want) in enumerate(zip(ran.outcomes, wanted, strict=True))
            if not got.agrees(want, self.rtol, self.atol)
        ]
        if wrong:
            return self._explain(calls, ran, wanted, wrong, seed)
        if any(outcome.changed for outcome in ran.outcomes):
            return Result(State.NOT_YET, CHANGED)
        shortcut = _library_call(answer, self.shortcuts)
        if shortcut:
            return Result(
                State.SHORTCUT, f"It uses {shortcut}, which does the work. Build it without."
            )
        return Result(State.CORRECT, f"{len(calls)} checks passed.")

    def runnable(self, answer):
        """The answer, to be called with the probes."""
        return answer

    def _not_attempted(self):
        return Result(State.NOT_ATTEMPTED, f"Fill in {self.name}, then run this cell again.")

    def _is_untouched(self, answer):
        if answer is None or answer is ...:
            return True
        if type(answer) is not types.FunctionType:
            return False
        return _is_empty(answer) or _same_code(answer, self.build(self.stub))

    def _explain(self, calls, ran, wanted, wrong, seed):
        if all(_is_not_implemented(outcome) for outcome in ran.outcomes):
            return self._not_attempted()
        mistake = self.diagnose(calls, ran.outcomes, wanted)
        if mistake:
            return Result(State.NOT_YET, mistake.message, mistake.name)
        first = ran.outcomes[wrong[0]]
        if first.error is not None:
            return Result(State.RAISED, first.text)
        if first.returned is None:
            text = "Your function returned None. Is the return missing?"
            if ran.printed:
                text += " print() shows a value, return hands it back."
            return Result(State.NOT_YET, text)
        if any(outcome.changed for outcome in ran.outcomes):
            return Result(State.NOT_YET, CHANGED)
        text = self._difference(calls[wrong[0]], first, wanted[wrong[0]])
        if len(wrong) == 1 and wrong[0] == len(calls) - 1:
            text += f" Only the fresh random check differs (seed {seed})."
        else:
            text += f" {len(wrong)} of {len(calls)} checks differ."
        return Result(State.NOT_YET, text)

    def diagnose(self, calls, outcomes, wanted):
        """The mistake that these outcomes show, wherever it differs from the right answer.

        Parameters
        ----------
        calls : sequence of tuple
            Arguments of each call.
        outcomes, wanted : sequence of Outcome
            What the answer and the reference did.

        Returns
        -------
        Mistake or None
            The one that is told from the reference by most calls, if several fit.
        """
        best, most_telling = None, 0
        for mistake in self.mistakes:
            expected = [call(mistake.gives, args) for args in calls]
            telling = [
                i
                for i in range(len(calls))
                if not expected[i].agrees(wanted[i], self.rtol, self.atol)
            ]
            fits = all(outcomes[i].agrees(expected[i], self.rtol, self.atol) for i in telling)
            if fits and len(telling) > most_telling:
                best, most_telling = mistake, len(telling)
        return best

    def _difference(self, args, got, want):
        shown = f"{self.name}({', '.join(_short(arg) for arg in args)})"
        if want.error is not None:
            return f"{shown} must raise {type(want.error).__name__}; it returned a value."
        if got.value is None:
            return (
                f"{shown} returned an object of type {got.returned}; "
                "return a NumPy array of real numbers."
            )
        if got.value.shape != want.value.shape:
            return f"{shown} has shape {got.value.shape}; expected shape {want.value.shape}."
        differs = ~np.isclose(
            got.value, want.value, rtol=self.rtol, atol=self.atol, equal_nan=True
        )
        place = tuple(int(i) for i in np.argwhere(differs)[0])
        where = f" at {place}" if place else ""
        gives, expected = _apart(got.value[place], want.value[place])
        return f"{shown} gives {gives}{where}; expected {expected}."


@dataclass(frozen=True)
class NumberExercise(Exercise):
    """Predict or compute a number. `reference` computes it; `mistakes` give wrong numbers."""

    def _judge(self, answer):
        if answer is None or answer is ...:
            return Result(State.NOT_ATTEMPTED, f"Set {self.name} to a number, then run again.")
        if issubclass(type(answer), np.ndarray | np.generic) and answer.ndim == 0:
            answer = answer.item()
        if type(answer) is bool or not issubclass(type(answer), numbers.Real):
            return Result(
                State.NOT_YET,
                f"{self.name} must be one real number; got an object of type "
                f"{type(answer).__name__}.",
            )
        ran = run(lambda: float(answer), [()], time_limit=2.0)
        got = ran.outcomes[0].value if ran.outcomes else None
        if got is None:
            return Result(State.NOT_YET, f"{self.name} could not be read as a number.")
        if self._is_near(got, self.reference()):
            return Result(State.CORRECT, f"{self.name} = {float(self.reference()):.6g}.")
        for mistake in self.mistakes:
            if self._is_near(got, mistake.gives):
                return Result(State.NOT_YET, mistake.message, mistake.name)
        side = (
            "nan, which is no number"
            if np.isnan(got)
            else "too " + ("large" if got > self.reference() else "small")
        )
        return Result(State.NOT_YET, f"{float(got):.6g} is {side}.")

    def _is_near(self, got, want):
        return bool(np.isclose(got, float(want), rtol=self.rtol, atol=self.atol))


@dataclass(frozen=True)
class ChoiceExercise(Exercise):
    """Choose one of several options. `reference` computes the right letter.

    Parameters
    ----------
    options : dict of str to str
        From letter to text. Every wrong letter has its Mistake.
    """

    options: dict = None

    def _judge(self, answer):
        if answer is None or answer is ... or (type(answer) is str and not answer.strip()):
            return Result(
                State.NOT_ATTEMPTED, f"Set {self.name} to a letter in quotes, then run again."
            )
        if type(answer) is not str or answer.strip(" ().").lower() not in self.options:
            return Result(
                State.NOT_YET,
                f"{self.name} must be one of {', '.join(map(repr, self.options))}, in quotes.",
            )
        letter = answer.strip(" ().").lower()
        if letter == self.reference():
            return Result(State.CORRECT, self.options[letter])
        mistake = next(m for m in self.mistakes if m.gives == letter)
        return Result(State.NOT_YET, mistake.message, mistake.name)


CHANGED = "Your function changes its argument. Work on a new array, the caller needs the old."


def _is_empty(function):
    """Whether a function does nothing but return None, or `...`."""
    harmless = {"RESUME", "NOP", "POP_TOP", "RETURN_VALUE", "LOAD_CONST", "RETURN_CONST"}
    return all(
        step.opname in harmless
        and (
            step.opname not in ("LOAD_CONST", "RETURN_CONST")
            or step.argval is None
            or step.argval is ...
        )
        for step in dis.get_instructions(function)
    )


def _is_not_implemented(outcome):
    return (
        isinstance(outcome.error, NotImplementedError)
        or outcome.returned == "NotImplementedType"
    )


def _same_code(f, g):
    """Whether two functions do the same, wherever they are defined and however documented."""

    def essence(code):
        return [
            (step.opname, essence(step.argval))
            if isinstance(step.argval, types.CodeType)
            else (step.opname, step.argrepr)
            for step in dis.get_instructions(code)
        ]

    return essence(f.__code__) == essence(g.__code__)


def _library_call(answer, forbidden):
    """What of which library the answer calls, if it is in `forbidden`; else None.

    This follows names, aliases, attributes of modules, imports, closures, defaults, helpers,
    functools.partial and methods. It does not see names that are made while the code runs,
    what lies in containers, or helpers that are attributes of the reader's own modules.
    """
    queue, seen = [answer], set()
    while queue and len(seen) < MOST_FOLLOWED:
        thing = queue.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        name, library = getattr(thing, "__name__", None), _library_of(thing)
        if callable(thing) and library and name in forbidden:
            return f"{name} of {library}"
        if not callable(thing) or library not in ("", "companion"):
            continue
        queue += _parts(thing)
        if type(thing) is types.FunctionType:
            names, attributes, imported = _names(thing.__code__)
            around = {**thing.__globals__, **_closure(thing)}
            used = [around[name] for name in sorted(names) if name in around]
            modules = [part for part in used if isinstance(part, types.ModuleType)]
            libraries = {*map(_library_of, modules), *(m.split(".")[0] for m in imported)}
            reached = sorted(attributes & set(forbidden))
            if reached and libraries & set(LIBRARIES):
                return f"{reached[0]} of {min(libraries & set(LIBRARIES))}"
            queue += used
    return None


def _library_of(thing):
    """The library that defines a function, class or module, or "" for the reader's own."""
    home = getattr(
        thing, "__name__" if isinstance(thing, types.ModuleType) else "__module__", ""
    )
    root = home.split(".")[0] if isinstance(home, str) else ""
    own = root not in LIBRARIES or home.startswith("companion.exercises.")
    return "" if own else root


def _parts(thing):
    """Functions that may run when a callable does, beside those that its code names."""
    if type(thing) is functools.partial:
        return [thing.func, *thing.args, *thing.keywords.values()]
    if type(thing) is types.MethodType:
        return [thing.__func__, thing.__self__]
    if type(thing) is types.FunctionType:
        return [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
    held = [*vars(type(thing)).values(), *getattr(thing, "__dict__", {}).values()]
    return [part for part in held if type(part) is types.FunctionType]


def _names(code):
    """Names of variables, of attributes and of imported modules in a function's code."""
    names, attributes, imported = set(), set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
            names.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            attributes.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imported.add(step.argval)
        elif isinstance(step.argval, types.CodeType):
            for mine, inner in zip(
                (names, attributes, imported), _names(step.argval), strict=True
            ):
                mine |= inner
    if "getattr" in names:  # getattr(companion, "softmax")
        attributes |= {const for const in code.co_consts if isinstance(const, str)}
    return names, attributes, imported


def _closure(function):
    contents = {}
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a cell may still be empty
            contents[name] = cell.cell_contents
    return contents


def _apart(got, want):
    """Both numbers as text, with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{float(got):.{digits}g}", f"{float(want):.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _short(arg):
    if isinstance(arg, np.ndarray):
        text = np.array2string(arg, precision=4, threshold=6, edgeitems=2, separator=", ")
        return " ".join(text.split())
    return getattr(arg, "__name__", None) or repr(arg)
