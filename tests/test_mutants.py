"""Probes that tell: every small change of a right answer is refused, or has a reason.

`tests/mutants.toml` lists the mutants that pass because they are right answers too: for each
exercise, what was changed and why that changes nothing.
"""

import dataclasses
import tomllib
import warnings
from pathlib import Path

import pytest
from mutants import mutants, source_of
from test_exercises import ALL, each, frameworks  # noqa: F401

from companion.exercises.exercise import FunctionExercise
from companion.exercises.result import State

LISTED = Path(__file__).with_name("mutants.toml")
FUNCTIONS = {name: e for name, e in ALL.items() if isinstance(e, FunctionExercise)}


def originals(exercise):
    """Sources of all right answers, each with the names that it needs."""
    yield exercise.answer, exercise.around()
    for function in exercise.also_right:
        yield source_of(function), dict(function.__globals__) | exercise.around()


def alive(exercise):
    """What was changed in each mutant that the checker accepts, and how many there are."""
    changes, count = [], 0
    for source, names in originals(exercise):
        for change, text in mutants(source):
            count += 1
            namespace = dict(names)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a mutant may well look odd
                exec(compile(text, "<mutant>", "exec"), namespace)
            name = text.partition("def ")[2].partition("(")[0]
            if exercise.check(namespace[name], seed=1).state is State.CORRECT:
                changes.append(change)
    return changes, count


@pytest.fixture(autouse=True)
def no_search_for_the_cause(monkeypatch):
    """Here it is asked whether, not why; the search would take most of the time."""
    monkeypatch.setattr("companion.exercises.exercise.explanations", lambda *args: [])


@each(FUNCTIONS)
def test_every_mutant_is_refused_or_listed_with_a_reason(exercise, shown):
    listed = tomllib.loads(LISTED.read_text(encoding="utf-8")).get(exercise.key, {})
    changes, count = alive(exercise)
    killed = count - len(changes)
    shown(
        f"{exercise.key}: {killed} of {count} mutants refused, {len(changes)} listed as right"
    )
    unexpected = sorted(set(changes) - set(listed))
    assert not unexpected, unexpected
    assert set(listed) <= set(changes), f"listed, but refused: {set(listed) - set(changes)}"
    assert all(len(reason) > 10 for reason in listed.values())


def test_a_mutant_differs_from_its_source_in_one_place():
    source = "def f(x):\n    return x.sum(axis=-1) - 1\n"
    texts = dict(mutants(source))
    assert "x.sum(axis=-1) - 1 -> x.sum(axis=-1) + 1" in texts
    assert texts["x.sum(axis=-1) - 1 -> x.sum(axis=-1)"].endswith("return x.sum(axis=-1)")
    assert len(texts) > 8
    assert len(set(texts.values())) == len(texts)


@pytest.mark.parametrize("toothless", [True, False])
def test_a_checker_without_telling_calls_is_found(toothless):
    exercise = ALL["numerical_stability.softmax"]
    if toothless:
        exercise = dataclasses.replace(exercise, probes=exercise.probes[:1])
    changes, _ = alive(exercise)
    listed = tomllib.loads(LISTED.read_text(encoding="utf-8")).get(exercise.key, {})
    assert bool(set(changes) - set(listed)) is toothless
