"""Answers that were written without sight of the switches, and what the checker says of them.

`tests/answers/*.toml` holds wrong answers with their true causes, a call on which each is
wrong, and what is said of it; and right answers. They are frozen: a change of the checker that
names one otherwise must be looked at.
"""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from test_exercises import ALL, frameworks  # noqa: F401

from companion.exercises.exercise import FunctionExercise
from companion.exercises.result import State
from companion.exercises.running import call

FILES = sorted(Path(__file__).with_name("answers").glob("*.toml"))


def marks(key):
    return [pytest.mark.frameworks] * key.startswith("framework_equivalents.")


def entries(kind):
    for file in FILES:
        for number, entry in enumerate(tomllib.loads(file.read_text(encoding="utf-8"))[kind]):
            key = f"{file.stem}.{entry['exercise']}"
            yield pytest.param(ALL[key], entry, id=f"{key}-{number}", marks=marks(key))


def built(exercise, source):
    names = exercise.around()
    exec(compile(source, "<answer>", "exec"), names)
    return names[exercise.name], names


@pytest.mark.parametrize(("exercise", "entry"), [*entries("right")])
def test_a_right_answer_is_right(exercise, entry):
    answer, _ = built(exercise, entry["source"])
    result = exercise.check(answer, seed=1)
    assert result.state is State.CORRECT, result


@pytest.mark.parametrize(("exercise", "entry"), [*entries("wrong")])
def test_a_wrong_answer_is_refused_with_what_is_true_of_it(exercise, entry):
    answer, names = built(exercise, entry["source"])
    result = exercise.check(answer, seed=1)
    assert result.state in (State.NOT_YET, State.RAISED), result
    said = entry["said"]
    assert said in (result.mistake, None) or (said in result.message), result
    if isinstance(exercise, FunctionExercise):
        assert is_wrong(exercise, answer, eval(entry["witness"], names | {"np": np}))


def is_wrong(exercise, answer, args):
    """Whether an answer is wrong on the call that its author gave as a proof."""
    got = call(exercise.runnable(answer), args, exercise.number_of_parts)
    want = call(exercise.reference, args, exercise.number_of_parts)
    rtol, atol = min(exercise.rtol, 1e-8), min(exercise.atol, 1e-12)
    return got.changed or not got.agrees(want, rtol, atol)


def test_the_corpus_is_large():
    counts = {}
    for kind in ("wrong", "right"):
        for parameters in entries(kind):
            key = parameters.values[0].key
            counts.setdefault(key, {"wrong": 0, "right": 0})[kind] += 1
    assert set(counts) == set(ALL)
    assert sum(count["wrong"] for count in counts.values()) >= 500
    assert sum(count["right"] for count in counts.values()) >= 180
    for key, count in counts.items():
        assert count["wrong"] >= (3 if not isinstance(ALL[key], FunctionExercise) else 9), key
        assert count["right"] >= 2, key


def test_nearly_all_are_named(shown):
    every = [parameters.values[1]["said"] for parameters in entries("wrong")]
    named = sum(bool(said) for said in every)
    shown(f"{named} of {len(every)} wrong answers hear their cause")
    assert named >= 0.9 * len(every)
