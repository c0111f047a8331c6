"""Exercises as data, and how an answer is judged.

A wrong answer that behaves as a combination of an exercise's switches does, on every call, is
named by it (`companion.exercises.switches`). So the catalogue is its own test data:
`tests/test_switches.py` loops over all combinations.
"""

import dataclasses
import dis
import numbers
import re
import secrets
import sys
import tracemalloc
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from companion.book.show import Source
from companion.exercises import attempts, overview, words
from companion.exercises.pristine import as_imported
from companion.exercises.result import Result, State
from companion.exercises.running import (
    call,
    limited,
    outcomes_of,
    same_numbers,
)
from companion.exercises.says import ENGLISH, Language, say, together, wrapped
from companion.exercises.shortcuts import library_call
from companion.exercises.switches import (
    Mistake,
    Switch,
    explanations,
    name_of,
    sentences,
)

__all__ = ["ChoiceExercise", "Exercise", "FunctionExercise", "Mistake", "NumberExercise"]
__all__ += ["Seen", "Switch"]

FOLDED_HINT = "Hint {number} of {all}"
A_HINT = "Hint {number} of {all}."
THREE_DIGITS = 2e-3  # a number in three digits is off by less


@dataclass(frozen=True, repr=False)
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
        The right answer, computed: the function itself, or a function without arguments. It
        returns one array or number, or a tuple of them if `parts` names them.
    hints : tuple of str
        In steps: where to look, the idea, the line.
    mistakes : tuple of Mistake
        Wrong answers that no switch makes.
    also_right : tuple
        Other right answers, differently written, for the tests.
    topic : str
        The chapter: "derivation". Together with `name` unique.
    minutes : int
        That a first attempt takes.
    trains : str
        What is learnt, in a few words.
    rtol, atol : float
        How near is right, as in numpy.allclose.
    language : Language
        In which its texts are shown; they are stored in English.
    """

    name: str
    stub: str
    answer: str
    why: str
    reference: Callable
    hints: tuple = ()
    mistakes: tuple = ()
    also_right: tuple = ()
    topic: str = field(default="", kw_only=True)
    minutes: int = field(default=5, kw_only=True)
    trains: str = field(default="", kw_only=True)
    rtol: float = field(default=1e-9, kw_only=True)
    atol: float = field(default=1e-12, kw_only=True)
    language: Language = field(default=ENGLISH, kw_only=True)

    kind = "an exercise"

    def __repr__(self):
        text = "<{key}: {kind}, {minutes} minutes>"
        return self.language(say(text, key=self.key, kind=say(self.kind), minutes=self.minutes))

    @property
    def key(self):
        """ "topic.name", unique in the book."""
        return f"{self.topic}.{self.name}" if self.topic else self.name

    def check(self, answer, *, seed=None):
        """Judge an answer.

        Parameters
        ----------
        answer : object
            The function itself, the number, or the letter.
        seed : int, optional
            Of the fresh random call. A new one each time, if left out.

        Returns
        -------
        Result
            Whatever the answer does. Nothing is raised. In a script it is printed, too.
        """
        seed = secrets.randbelow(10**6) if seed is None else seed
        try:
            result = self._judge(answer, seed)
        # A promise to the reader: never a traceback of ours. All that could run the reader's
        # code has run elsewhere, so what is caught here is a fault of the checker.
        except Exception as error:
            result = words.our_fault(error)
        result = dataclasses.replace(
            result, exercise=self.key, seed=seed, language=self.language
        )
        overview.remember(result)
        if _is_a_bare_line_of_a_script(sys._getframe(1)):
            print(result)
        return result

    def hint(self, number=1):
        """Show one of the hints: where to look, the idea, the line.

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
        if not self.hints:
            raise ValueError(f"{self.name} has no hints.")
        if number not in range(1, len(self.hints) + 1):
            raise ValueError(f"hint number must lie in 1..{len(self.hints)}; got {number}.")
        hint = say(self.hints[number - 1])
        said = say(A_HINT, number=number, all=len(self.hints)), hint
        return Text(self.language.joined(said))

    def solution(self):
        """Show the source of a right answer.

        Returns
        -------
        Source
            Highlighted in a notebook.
        """
        lines = wrapped(self.language(self.why), 86)
        comment = "\n".join(f"# {line}" for line in lines)
        return Source(f"{comment}\n{self.language(self.answer.strip())}")

    def build(self, source=None):
        """The object that a source defines under this exercise's name.

        Parameters
        ----------
        source : str, optional
            The solution's if left out.

        Returns
        -------
        object

        Raises
        ------
        ValueError
            If the source does not define that name.
        """
        source = self.answer if source is None else source
        namespace = self.around()
        exec(compile(source, f"<{self.name}>", "exec"), namespace)
        if self.name not in namespace:
            raise ValueError(f"the source must define {self.name}; it does not.")
        return namespace[self.name]

    def around(self):
        """The names that a source may use, beside its own."""
        return {"np": np}

    def folded(self, hints=None, solution=True):
        """Hints and solution as Markdown that folds in the book, in JupyterLab and on GitHub.

        Parameters
        ----------
        hints : int, optional
            How many of them. All, if left out.
        solution : bool
            Whether the solution is there.

        Returns
        -------
        str
        """
        parts = [
            (say(FOLDED_HINT, number=i, all=len(self.hints)), self.language(hint))
            for i, hint in enumerate(self.hints[:hints], start=1)
        ]
        if solution:
            code = f"```python\n{self.language(self.answer.strip())}\n```"
            parts.append((say("Solution"), f"{code}\n\n{self.language(self.why)}"))
        return "\n\n".join(
            f"<details><summary>{self.language(title)}</summary>\n\n{text}\n\n</details>"
            for title, text in parts
        )

    def _judge(self, answer, seed):
        missing = self.unavailable()
        if missing is not None:
            return missing
        task = self.task(seed)
        ended = limited(lambda ended: self.look(answer, task, ended), self.patience)
        return self.verdict(ended, task)

    def unavailable(self):
        """A result if this exercise cannot be judged here at all, else None."""
        return None

    # A judge of other people's answers takes these three steps in two processes.

    patience = 2.0

    def task(self, seed):
        """What an answer is tried on, and what is right there; computed before it runs."""
        raise NotImplementedError

    def look(self, answer, task, ended):
        """All that touches the answer, as plain data. To be called within a time limit."""
        raise NotImplementedError

    def verdict(self, ended, task):
        """The result, from what was seen."""
        raise NotImplementedError


class Text(Source):
    """Prose that a notebook renders as Markdown."""

    def _repr_markdown_(self):
        return self.text


def _is_a_bare_line_of_a_script(frame):
    """Whether a call stands alone in a file that runs as a program, where nothing shows it."""
    names = frame.f_globals
    if names.get("__name__") != "__main__" or "__file__" not in names:
        return False
    if hasattr(sys, "ps1") or "get_ipython" in names:
        return False
    steps = [s for s in dis.get_instructions(frame.f_code) if s.offset > frame.f_lasti]
    return bool(steps) and steps[0].opname == "POP_TOP"


@dataclass(frozen=True)
class Task:
    """What an answer is tried on.

    Parameters
    ----------
    calls : list of tuple
        Arguments of each call. The last one is fresh.
    wanted : list of Outcome
        What the reference does.
    seed : int
        Of the fresh call.
    """

    calls: list
    wanted: list
    seed: int


@dataclass
class Seen:
    """What an answer did, as data.

    Parameters
    ----------
    kind : str
        "untouched", "no function" or "function"; of a value: its kind.
    outcomes : list of Outcome
        One per call that ended.
    shortcut : str or None
        A call of a library that does the work.
    memory : int
        Most bytes held at once in the call that is measured; 0 if none is.
    """

    kind: str = "function"
    outcomes: list = field(default_factory=list)
    shortcut: str | None = None
    memory: int = 0


@dataclass(frozen=True)
class Lean:
    """A call that must not need much memory.

    Parameters
    ----------
    args : tuple
        Arguments, of a telling size.
    bytes : int
        More is too much.
    message : str
        What is said then.
    """

    args: tuple
    bytes: int
    message: str


@dataclass(frozen=True, repr=False)
class FunctionExercise(Exercise):
    """Build a function, or mend one.

    Parameters
    ----------
    family : callable
        Right by default. Each switch is one of its keyword arguments.
    switches : tuple of Switch
        The ways to be wrong, the one that matters most first.
    probes : tuple of tuple
        Arguments of the calls that are compared, smallest first: ndarrays, numbers,
        functions.
    fresh : callable
        From a numpy Generator to the arguments of one more call, new each time.
    shortcuts : tuple of str
        Names of library functions that do the work.
    parts : tuple of str
        Names of what is returned, if it is a tuple: ("loss", "gradient").
    lean : Lean, optional
        A call whose memory is measured.
    time_limit : float
        In seconds, for all calls together.
    """

    family: Callable = None
    switches: tuple = ()
    probes: tuple = ()
    fresh: Callable = None
    shortcuts: tuple = ()
    parts: tuple = ()
    lean: Lean | None = None
    time_limit: float = 5.0

    kind = "a function"

    @property
    def number_of_parts(self):
        """How many arrays or numbers an answer returns."""
        return len(self.parts) or 1

    @property
    def patience(self):
        """The time limit, in seconds."""
        return self.time_limit

    def task(self, seed):
        """The fixed calls and a fresh one, and what the reference does on them."""
        attempts.code_of(self.stub)
        with as_imported():
            fresh = [] if self.fresh is None else [self.fresh(np.random.default_rng(seed))]
            calls = [tuple(map(_of_usual_size, args)) for args in (*self.probes, *fresh)]
            wanted = [call(self.reference, args, self.number_of_parts) for args in calls]
        return Task(calls, wanted, seed)

    def look(self, answer, task, ended):
        """All that touches the answer: is it a stub, what does it do, does it take a shortcut.

        What is known is in `ended.value` at each moment, so that it is there after a time-out.
        """
        seen = ended.value = Seen()
        with as_imported():
            if self._is_untouched(answer):
                seen.kind = "untouched"
            elif not callable(answer):
                seen.kind = "no function"
            seen.shortcut = library_call(answer, self.shortcuts)
            runnable = self.runnable(answer)
        if seen.kind == "function":
            outcomes_of(runnable, task.calls, self.number_of_parts, ended, seen.outcomes)
            if self.lean and not ended.timed_out:
                seen.memory = _memory_of(runnable, self.lean.args)
        return seen

    def runnable(self, answer):
        """The answer, to be called with the probes."""
        return answer

    def _is_untouched(self, answer):
        if answer is None or answer is ...:
            return True
        if type(answer) is not types.FunctionType:
            return False
        return attempts.is_empty(answer) or attempts.is_compiled_from(
            answer, self.stub, self.around()
        )

    def verdict(self, ended, task):
        """The result, from what an answer did and what it should have done."""
        with as_imported():
            return self._verdict(ended, task)

    def _verdict(self, ended, task):
        seen = ended.value
        if ended.raised:
            return words.cannot_be_called(ended.raised)
        if seen.kind == "untouched":
            return words.fill_in(self.name)
        if seen.kind == "no function":
            return words.needs_the_function(self.name)
        if len(seen.outcomes) < len(task.calls):
            return words.not_finished(self.time_limit, ended.left_behind)
        outcomes, form = _in_their_form(seen.outcomes)
        pairs = zip(outcomes, task.wanted, strict=True)
        right = [got.agrees(want, self.rtol, self.atol) for got, want in pairs]
        if not all(right):
            return self._explain(ended, task, outcomes, right, form)
        if form:
            return Result(State.NOT_YET, words.right_numbers_in(form))
        if any(outcome.changed for outcome in outcomes):
            return Result(State.NOT_YET, words.CHANGED)
        if seen.shortcut:
            return Result(State.SHORTCUT, words.takes_a_shortcut(seen.shortcut))
        if self.lean and (ended.timed_out or seen.memory > self.lean.bytes):
            return Result(State.NOT_YET, self.lean.message, "memory")
        return Result(State.CORRECT, self._praise(outcomes, task))

    def _praise(self, outcomes, task):
        return (say(words.PASSED, count=len(task.calls)),)

    def _explain(self, ended, task, outcomes, right, form):
        first = outcomes[right.index(False)]
        if all(_is_not_implemented(outcome) for outcome in outcomes):
            return words.fill_in(self.name)
        if first.returned is None and not first.raised:
            return words.returned_none(ended.printed)
        fits = explanations(self, task.calls, outcomes, task.wanted)
        said = sentences(fits) if fits else []
        about_form = [words.come_in(form)] if form else []
        if any(outcome.changed for outcome in outcomes):
            about_form.append(say(words.CHANGED))
        if len(fits) == 1 or (said and len(said) == len(fits[0])):
            return Result(State.NOT_YET, (*together(said), *about_form), name_of(fits[0]))
        if first.raised:
            error = words.raised(first.text, *(first.place or ()))
            return Result(State.RAISED, (error, *said, *about_form))
        difference = words.difference(self, task, outcomes, right)
        return Result(State.NOT_YET, (*said, *difference, *about_form))


def _of_usual_size(arg):
    """An argument with integers as its arrays have them: of 32 bits in a page.

    Random ones have 64 bits there, too, and np.choose and np.repeat refuse them.
    """
    whole = isinstance(arg, np.ndarray) and arg.dtype == np.int64
    return arg.astype(np.int_, copy=False) if whole else arg


def _is_not_implemented(outcome):
    return outcome.returned in ("NotImplementedError", "NotImplementedType")


def _memory_of(function, args):
    """The most bytes that a call holds at once."""
    tracemalloc.start()
    try:
        call(function, args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _in_their_form(outcomes):
    """The outcomes with the numbers of lists or tensors taken out, and what they came in."""
    forms = {outcome.returned for outcome in outcomes if not outcome.raised}
    if any(outcome.values is not None for outcome in outcomes) or len(forms) != 1:
        return outcomes, None
    if not forms <= set(words.FORMS):
        return outcomes, None
    if any(outcome.like is None and not outcome.raised for outcome in outcomes):
        return outcomes, None
    return [
        outcome if outcome.raised else dataclasses.replace(outcome, values=(outcome.like,))
        for outcome in outcomes
    ], forms.pop()


@dataclass(frozen=True, repr=False)
class NumberExercise(Exercise):
    """Predict or compute a number. `reference` computes it; `mistakes` give wrong numbers."""

    rtol: float = field(default=THREE_DIGITS, kw_only=True)

    kind = "a number"

    def task(self, seed):
        """The right number."""
        with as_imported():
            return Task([()], [float(self.reference())], seed)

    def look(self, answer, task, ended):
        """The number in an answer, and the kind of object that it is."""
        if answer is None or answer is ...:
            return Seen("untouched")
        kind = type(answer).__name__
        if type(answer) in (bool, np.bool):
            return Seen("bool")
        if type(answer) is str:
            return Seen("untouched" if not answer.strip() else "str", [_number_of(answer)])
        if callable(answer):
            return Seen("callable")
        if issubclass(type(answer), numbers.Real | np.generic) or kind == "Decimal":
            return Seen("number", [_number_of(answer)])
        return Seen(kind, [_number_of(answer)])

    def verdict(self, ended, task):
        """Right, wrong with a name, or wrong."""
        with as_imported():
            return self._verdict(ended.value, task.wanted[0])

    def _verdict(self, seen, right):
        if seen is None:
            return Result(State.NOT_YET, say(words.NO_NUMBER, name=self.name))
        if seen.kind == "untouched":
            return Result(State.NOT_ATTEMPTED, say(words.SET_A_NUMBER, name=self.name))
        got = seen.outcomes[0] if seen.outcomes else None
        if got is None and seen.kind == "number":  # too large for a float, say
            return Result(State.NOT_YET, say(words.NO_NUMBER, name=self.name))
        if got is None:
            return words.must_be_a_number(self.name, seen.kind)
        note = words.form_of_number(self.name, seen.kind)
        if self._is_near(got, right):
            if seen.kind in ("str", "list", "tuple"):
                return Result(State.NOT_YET, note)
            said = say("{name} = {value:.6g}.", name=self.name, value=right)
            return Result(State.CORRECT, (said, *note))
        for mistake in self.mistakes:
            if self._is_near(got, mistake.gives):
                return Result(State.NOT_YET, (mistake.sentence, *note), mistake.name)
        return Result(State.NOT_YET, (words.too_large_or_small(got, right), *note))

    def _is_near(self, got, want):
        want = np.array(float(want))
        return same_numbers(np.array(float(got)), want, self.rtol, self.atol)


def _number_of(answer):
    """One real number in an object, as float; None if there is none, or are several."""
    if type(answer).__module__.partition(".")[0] in ("torch", "tensorflow", "jaxlib"):
        answer = answer.detach().cpu() if hasattr(answer, "detach") else answer
        answer = np.asarray(answer)
    try:
        if issubclass(type(answer), list | tuple | np.ndarray | np.generic):
            array = np.asarray(answer)
            if array.size != 1 or array.dtype.kind not in "iuf":
                return None
            answer = array.item()
        return float(answer)
    except Exception:
        return None


@dataclass(frozen=True, repr=False)
class ChoiceExercise(Exercise):
    """Choose one of several options. `reference` computes the right letter.

    Parameters
    ----------
    options : dict of str to str
        From letter to text. Every wrong letter has its Mistake.
    """

    options: dict = None

    kind = "a choice"

    def task(self, seed):
        """The right letter."""
        with as_imported():
            return Task([()], [self.reference()], seed)

    def look(self, answer, task, ended):
        """The text of an answer, if it is a text."""
        if answer is None or answer is ...:
            return Seen("untouched")
        if not issubclass(type(answer), str):
            return Seen(type(answer).__name__)
        text = str.__str__(answer)
        return Seen("text" if text.strip() else "untouched", [text[:200]])

    def verdict(self, ended, task):
        """Right, or the sentence of the wrong letter."""
        seen = ended.value
        if seen is not None and seen.kind == "untouched":
            return Result(State.NOT_ATTEMPTED, say(words.SET_A_LETTER, name=self.name))
        letter = self._letter(seen.outcomes[0]) if seen and seen.outcomes else None
        if letter is None:
            options = ", ".join(map(repr, self.options))
            return Result(State.NOT_YET, say(words.ONE_OF, name=self.name, options=options))
        if letter == task.wanted[0]:
            return Result(State.CORRECT, self.options[letter])
        mistake = next(m for m in self.mistakes if m.gives == letter)
        return Result(State.NOT_YET, mistake.sentence, mistake.name)

    def _letter(self, text):
        """The one letter of an option in a text: "B", " (b) ", "b.", "option b", its words."""
        for letter, option in self.options.items():
            for own in (option, self.language(option)):
                if text.strip().lower().rstrip(".。") == own.lower().rstrip(".。"):
                    return letter
        said = re.findall(r"[a-z]+", text.lower())
        left = [word for word in said if word not in words.BESIDE_A_LETTER]
        return left[0] if len(left) == 1 and left[0] in self.options else None
