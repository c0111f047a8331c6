"""Every combination of switches gets its own sentences, or one that behaves the same.

The catalogue of an exercise is a space: the right answer with one, two or three switches off.
All of it is walked through here. A combination that is named otherwise must be the same
function as the one that is named, on many more calls than the checker makes: then no sentence
is false of it. If two differ somewhere and no probe shows it, the probes are at fault.
"""

import functools
import inspect
import itertools

import numpy as np
import pytest
from test_exercises import ALL, each, frameworks  # noqa: F401

from companion.exercises.exercise import FunctionExercise
from companion.exercises.running import call, close
from companion.exercises.says import Sentence
from companion.exercises.switches import (
    ATOL,
    MOST_FAULTS,
    RTOL,
    combinations,
    explanations,
    gives,
    name_of,
    sentences,
)

FUNCTIONS = {name: e for name, e in ALL.items() if isinstance(e, FunctionExercise)}
LOGITS = {"x", "z", "logits", "scores", "student_logits", "teacher_logits"}
MORE = 10


def outcomes_of(exercise, function, calls):
    with np.errstate(all="ignore"):
        return [call(function, args, exercise.number_of_parts, copies=False) for args in calls]


def more_calls(exercise):
    """Fresh calls, and the same with large logits."""
    calls = [exercise.fresh(np.random.default_rng(seed)) for seed in range(MORE)]
    first = next(iter(inspect.signature(exercise.family).parameters))
    if first in LOGITS:
        calls += [(300 * args[0], *args[1:]) for args in calls]
    return calls


class Walk:
    """All combinations of an exercise, with what they give."""

    def __init__(self, exercise):
        self.exercise, self.task = exercise, exercise.task(seed=1)
        self.more = more_calls(exercise)
        self.faults = [
            faults
            for size in range(1, MOST_FAULTS + 1)
            for faults in combinations(exercise, size)
        ]
        self.outcomes = [
            outcomes_of(exercise, gives(exercise, f), self.task.calls) for f in self.faults
        ]
        near = exercise.rtol, exercise.atol
        self.rights = [
            tuple(o.agrees(w, *near) for o, w in zip(some, self.task.wanted, strict=True))
            for some in self.outcomes
        ]
        self.groups = {}
        for i, (some, right) in enumerate(zip(self.outcomes, self.rights, strict=True)):
            wrong = [o for o, is_right in zip(some, right, strict=True) if not is_right]
            self.groups.setdefault((right, _form(wrong)), []).append(i)
        self.of = {i: key for key, group in self.groups.items() for i in group}
        self.wrong_numbers = {
            key: np.array([_numbers(self.outcomes[i], key[0], exercise.atol) for i in group])
            for key, group in self.groups.items()
        }
        self.telling = {key: _telling(both[:, 0]) for key, both in self.wrong_numbers.items()}

    def alike(self, i):
        """Combinations that the checker cannot tell from the i-th by the task's calls."""
        group, both = self.groups[self.of[i]], self.wrong_numbers[self.of[i]]
        own, tolerances = both[group.index(i)]
        numbers, column = both[:, 0], self.telling[self.of[i]]
        near = np.arange(len(group))
        for columns in (
            ([column], slice(None)) if numbers.shape[1] else ()
        ):  # one number first: it rules most of them out
            some = numbers[near][:, columns]
            near = near[close(some, own[columns], RTOL, tolerances[columns]).all(axis=1)]
        return [group[j] for j in near]

    def are_one_function(self, i, j):
        """Whether two combinations agree on many other calls, too."""
        pairs = zip(self.given_more(i), self.given_more(j), strict=True)
        return all(
            bool(a.raised) == bool(b.raised) and (a.raised or a.agrees(b, 1e-5, 1e-9))
            for a, b in pairs
        )

    @functools.cache  # noqa: B019
    def given_more(self, i):
        """What the i-th gives on the other calls."""
        return outcomes_of(self.exercise, gives(self.exercise, self.faults[i]), self.more)


def _telling(numbers):
    """The column in which most rows differ."""
    with np.errstate(all="ignore"):
        distinct = [len(np.unique(column.round(5))) for column in numbers.T]
    return int(np.argmax(distinct)) if distinct else 0


def _form(wrong):
    """What must be equal for wrong outcomes to be alike, beside their numbers."""
    only_raised = all(outcome.raised for outcome in wrong)
    return tuple(
        (outcome.raised if only_raised else "raised")
        if outcome.raised
        else tuple(value.shape for value in outcome.values)
        for outcome in wrong
    )


def _numbers(outcomes, rights, atol):
    """All numbers of the wrong calls in a row, and below them how near another must come."""
    numbers, tolerances = [np.zeros(0)], [np.zeros(0)]
    for outcome, right in zip(outcomes, rights, strict=True):
        for value in () if right or outcome.raised else outcome.values:
            finite = np.abs(value[np.isfinite(value)])
            tolerance = max(atol, ATOL * float(finite.max(initial=0.0)))
            numbers.append(value.ravel().astype(float))
            tolerances.append(np.full(value.size, tolerance))
    return np.stack([np.concatenate(numbers), np.concatenate(tolerances)])


@each(FUNCTIONS)
def test_the_family_is_right_by_default(exercise):
    task = exercise.task(seed=2)
    more = more_calls(exercise)[:MORE]
    wanted = [call(exercise.reference, args, exercise.number_of_parts) for args in more]
    for args, want in zip([*task.calls, *more], [*task.wanted, *wanted], strict=True):
        got = call(exercise.family, args, exercise.number_of_parts)
        assert got.agrees(want, exercise.rtol, exercise.atol), args
        assert not got.changed


@each(FUNCTIONS)
def test_every_combination_gets_its_sentences(exercise, shown):
    walk = Walk(exercise)
    wanted = outcomes_of(exercise, exercise.reference, walk.more)
    own = part = silent = same = undone = 0
    wrong = []
    for i, faults in enumerate(walk.faults):
        if all(walk.rights[i]):
            pairs = zip(walk.given_more(i), wanted, strict=True)
            if len(faults) == 1 or not all(g.agrees(w, 1e-5, 1e-9) for g, w in pairs):
                wrong.append(f"{name_of(faults)}: accepted")
            undone += 1
            continue
        alike = walk.alike(i)
        least = min(len(walk.faults[j]) for j in alike)
        named = [j for j in alike if len(walk.faults[j]) == least]
        said, true = sentences([walk.faults[j] for j in named]), [f.sentence for f in faults]
        if all(sentence in true for sentence in said):
            own += said == true
            part += 0 < len(said) < len(true)
            silent += not said
            continue
        others = [name_of(walk.faults[j]) for j in named if j != i]
        if len(faults) == 1:
            wrong.append(f"{name_of(faults)} is one with {others}")
        elif not all(walk.are_one_function(i, j) for j in named):
            wrong.append(f"{name_of(faults)}: taken for {others}")
        else:
            same += 1
    shown(
        f"{exercise.key}: {len(walk.faults)} combinations: {own} hear all their sentences, "
        f"{part} some, {silent} none, {same} those of others that are the same function, "
        f"{undone} are right: their faults undo each other"
    )
    assert not wrong, wrong


@each(FUNCTIONS)
def test_each_single_fault_is_said_by_a_check(exercise, monkeypatch):
    if _native(exercise):  # the family computes on arrays, and so does the check here
        monkeypatch.setattr(type(exercise), "runnable", lambda self, answer: answer)
        monkeypatch.setattr(type(exercise), "unavailable", lambda self: None)
    for size, step in ((1, 4), (2, 400)):  # the walk goes through all
        for faults in itertools.islice(combinations(exercise, size), 0, None, step):
            function = gives(exercise, faults)
            result = exercise.check(lambda *args, f=function: f(*args), seed=1)
            said = [str(fault.sentence) for fault in faults]
            assert size == 2 or all(sentence in result.message for sentence in said), faults
            assert size == 1 or not result, faults


def _native(exercise):
    return hasattr(exercise, "framework")


def _without_keywords(function):
    return lambda *args: function(*args)


@each(FUNCTIONS)
def test_sentences_read_well(exercise):
    said = [f.sentence for switch in exercise.switches for f in switch.faults()]
    said += [mistake.sentence for mistake in exercise.mistakes]
    names = [f.name for switch in exercise.switches for f in switch.faults()]
    names += [mistake.name for mistake in exercise.mistakes]
    assert len(set(names)) == len(names)
    for sentence in said:
        assert type(sentence) is Sentence
        assert 20 <= len(str(sentence)) <= 260, str(sentence)
        assert str(sentence).endswith((".", "?"))


@each(FUNCTIONS)
def test_guessed_positions_are_named_with_their_number(exercise):
    for switch in exercise.switches:
        if switch.guess is None:
            continue
        value, task = 3.7e-5, exercise.task(seed=1)
        given = outcomes_of(
            exercise, functools.partial(exercise.family, **{switch.name: value}), task.calls
        )
        (faults,) = explanations(exercise, task.calls, given, task.wanted)
        assert name_of(faults) == f"{switch.name}: {value:.3g}"


@pytest.mark.parametrize("name", ["numerical_stability.softmax"])
def test_an_answer_beyond_the_family_hears_what_is_seen(name):
    exercise = ALL[name]
    result = exercise.check(lambda x: exercise.reference(x) + 0.1)
    assert result.mistake is None
    assert "expected" in result.message
