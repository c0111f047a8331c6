"""Answers to the exercises of the NumPy chapters, and what the checker says of each.

The same code runs in the Python of the tests and in that of the page, so that what both say can
be compared: it imports what both have, and no pytest. `tests/test_live_exercises.py` compares.
"""

import functools
import importlib
import itertools
import linecache
import tomllib
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from mutants import mutants

from companion.exercises.exercise import Exercise, FunctionExercise
from companion.exercises.running import call, close, limited
from companion.exercises.switches import (
    ATOL,
    MOST_FAULTS,
    RTOL,
    combinations,
    explanations,
    gives,
    name_of,
)

TOPICS = (
    "derivation",
    "numerical_stability",
    "derivatives",
    "mse_vs_cross_entropy",
    "one_pass",
    "relatives",
)
ANSWERS = Path(__file__).with_name("answers")
SEED = 1
BY_CHOICE = {  # np.choose takes no integers of 64 bits where others have 32
    "numerical_stability.unclipped_loss": """
def unclipped_loss(logits, labels):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    sums = np.log(np.exp(shifted).sum(axis=-1))
    return sums - np.choose(labels, shifted.T)
"""
}


def exercises(topic):
    """The exercises of a chapter, by name."""
    module = importlib.import_module(f"companion.exercises.{topic}")
    return {name: e for name, e in vars(module).items() if isinstance(e, Exercise)}


def typed(exercise, source):
    """What a reader's cell with this source defines. Its lines can be quoted, as in Jupyter."""
    file, names = f"<{exercise.key}>", exercise.around()
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an answer may well look odd
        exec(compile(source, file, "exec"), names)
    return names[exercise.name]


def own(exercise):
    """Pairs of a name and an answer: stub, solution, right answers, numbers or letters."""
    yield "stub", typed(exercise, exercise.stub)
    yield "solution", typed(exercise, exercise.answer)
    yield from ((f"right {i}", answer) for i, answer in enumerate(exercise.also_right))
    if exercise.key in BY_CHOICE:
        yield "right by choice", typed(exercise, BY_CHOICE[exercise.key])
    if not isinstance(exercise, FunctionExercise):
        yield from ((mistake.name, mistake.gives) for mistake in exercise.mistakes)


def changed(exercise, source):
    """A function's source with one small change: pairs of a name and an answer."""
    if isinstance(exercise, FunctionExercise):
        for number, (change, text) in enumerate(mutants(source)):
            yield f"{number}, {change}", typed(exercise, text)


def stored(exercise):
    """What `tests/answers` holds about an exercise: pairs of a name and an answer."""
    text = (ANSWERS / f"{exercise.topic}.toml").read_text(encoding="utf-8")
    for kind, entries in tomllib.loads(text).items():
        for number, entry in enumerate(entries):
            if entry["exercise"] == exercise.name:
                yield f"{kind} {number}", typed(exercise, entry["source"])


def switched(exercise, sizes):
    """Positions of switches, so many at once: pairs of a name and an answer."""
    if isinstance(exercise, FunctionExercise):
        for size in sizes:
            for faults in combinations(exercise, size):
                function = gives(exercise, faults)
                yield name_of(faults), lambda *args, f=function: f(*args)  # as a reader's


def verdict(exercise, answer):
    """State, mistake and sentences."""
    result = exercise.check(answer, seed=SEED)
    return [result.state.name, result.mistake, result.message]


def verdict_without_cause(exercise, answer):
    """The same where it is only asked whether, not why: the search takes most of the time."""
    with mock.patch("companion.exercises.exercise.explanations", return_value=[]):
        return verdict(exercise, answer)


def key_of(faults):
    """What tells a combination from all others."""
    return tuple(
        (type(value), name, value)
        for fault in faults
        for name, value in getattr(fault, "settings", {"": fault.name}).items()
    )


class Known:
    """Judges as `check` does, but calls what each listed combination of faults gives once.

    The search for the cause then looks at those alone that are right, raise, and give numbers
    of their shapes, the first of them near, where the answer does: it would refuse all others.
    """

    def __init__(self, exercise):
        self.exercise, self.task = exercise, exercise.task(SEED)
        self.functions, self.outcomes = {}, {}

    def verdict(self, answer):
        """State, mistake and sentences."""
        exercise, task = self.exercise, self.task
        ended = limited(lambda ended: exercise.look(answer, task, ended), exercise.patience)
        with (
            mock.patch("companion.exercises.exercise.explanations", self.explanations),
            mock.patch("companion.exercises.switches.combinations", self.combinations),
            mock.patch("companion.exercises.switches.gives", self.gives),
            mock.patch("companion.exercises.switches.call", self.call),
        ):
            result = exercise.verdict(ended, task)
        return [result.state.name, result.mistake, result.message]

    def explanations(self, exercise, calls, outcomes, wanted):
        """As of `switches`."""
        self.wanted = outcomes  # for `combinations`, which is not told
        return explanations(exercise, calls, outcomes, wanted)

    def combinations(self, exercise, size, values):
        """As of `switches`, without those that the search would refuse."""
        alike = self.alike(size)
        if all(len(s.faults(values)) == len(s.faults()) for s in self.guessing(size)):
            return alike.values()
        listed, every = self.listed(size), combinations(exercise, size, values)
        return (f for f in every if (key := key_of(f)) in alike or key not in listed)

    def alike(self, size):
        """Those that may give what the answer gave, by their keys."""
        keys, firsts = self.by_form(size).get(self.form_of(self.wanted), ((), None))
        if not keys:
            return {}
        own, sizes = firsts_of(self.wanted), [largest(o) for o in self.wanted]
        near = close(firsts, own, RTOL, np.maximum(self.exercise.atol, ATOL * np.array(sizes)))
        right = [
            o.agrees(w, *self.near) for o, w in zip(self.wanted, self.task.wanted, strict=True)
        ]
        kept = (near | right).all(axis=1)
        every = self.listed(size)
        return {key: every[key] for key, keep in zip(keys, kept, strict=True) if keep}

    def gives(self, exercise, faults):
        """As of `switches`, the same function each time if it is listed."""
        return self.functions.get(key_of(faults)) or gives(exercise, faults)

    def call(self, function, args, parts, copies):
        """As of `running`, looked up if it is listed."""
        known = self.outcomes.get(function)
        if known is None:
            return call(function, args, parts, copies)
        return known[next(i for i, own in enumerate(self.task.calls) if own is args)]

    def guessing(self, size):
        """Switches with positions that are guessed."""
        return [s for s in self.exercise.switches if s.guess and s.most >= size]

    @property
    def near(self):
        """How near is right."""
        return self.exercise.rtol, self.exercise.atol

    def form_of(self, outcomes):
        """For each call: right, raised, or the shapes of the wrong numbers."""
        return tuple(
            got.agrees(want, *self.near)
            or bool(got.raised)
            or tuple(value.shape for value in got.values or ())
            for got, want in zip(outcomes, self.task.wanted, strict=True)
        )

    @functools.cache  # noqa: B019
    def listed(self, size):
        """All combinations of so many listed faults, by their keys."""
        every = {key_of(faults): faults for faults in combinations(self.exercise, size)}
        with np.errstate(all="ignore"):
            for key, faults in every.items():
                function = self.functions[key] = gives(self.exercise, faults)
                self.outcomes[function] = [
                    call(function, args, self.exercise.number_of_parts, copies=False)
                    for args in self.task.calls
                ]
        return every

    @functools.cache  # noqa: B019
    def by_form(self, size):
        """By what they do: the keys of those that do it, and their first numbers."""
        keys = {}
        for key in self.listed(size):
            form = self.form_of(self.outcomes[self.functions[key]])
            keys.setdefault(form, []).append(key)
        return {
            form: (some, np.array([firsts_of(self.outcomes[self.functions[k]]) for k in some]))
            for form, some in keys.items()
        }


def firsts_of(outcomes):
    """The first number of each outcome; nan where there is none."""
    first = [o.values[0].ravel()[:1] if o.values else () for o in outcomes]
    return np.array([numbers[0] if len(numbers) else np.nan for numbers in first], float)


def largest(outcome):
    """The largest finite number in the first part of an outcome, as the search has it."""
    numbers = outcome.values[0] if outcome.values else np.zeros(0)
    return np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)


def cases(exercise, every):
    """Pairs of a kind and of answers to an exercise, each of these with a name."""

    def some(answers, step=every):
        return itertools.islice(answers, 0, None, step)

    yield "own", own(exercise)
    yield "changed stub", changed(exercise, exercise.stub)
    yield "one fault", switched(exercise, [1])
    yield "more faults", some(switched(exercise, range(2, MOST_FAULTS + 1)), every**3)
    yield "stored", some(stored(exercise))
    yield "changed solution", some(changed(exercise, exercise.answer))


def verdicts(exercise, every=1):
    """What is said of answers to an exercise.

    Parameters
    ----------
    exercise : Exercise
    every : int
        Of stored answers and changed solutions each so-manieth, of combinations of faults its
        cube: there are many.

    Returns
    -------
    dict
        From the kind and the name of an answer to its verdict.
    """
    said = {}
    judge_as = judges(exercise, every)
    for kind, answers in cases(exercise, every):
        said |= {f"{kind}: {name}": judge_as(kind)(answer) for name, answer in answers}
    return said


def judges(exercise, every):
    """What judges answers of a kind. What is looked up pays where there are many answers."""
    check, whether = (functools.partial(f, exercise) for f in (verdict, verdict_without_cause))
    if not isinstance(exercise, FunctionExercise):
        return lambda kind: check
    known = Known(exercise).verdict
    if every == 1:
        return lambda kind: known
    cheap = {"one fault": known, "changed stub": whether, "changed solution": whether}
    return lambda kind: cheap.get(kind, check)
