"""Every exercise, by looping over its data: what must pass passes, every mistake is named.

The hostile answers at the end are what a reader's cell can do by accident or on purpose.
None may crash the checker, pass it, hang it, or end the kernel.
"""

import dataclasses
import functools
import importlib
import pkgutil
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import companion
from companion import exercises
from companion.exercises.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    NumberExercise,
)
from companion.exercises.result import Result, State
from companion.exercises.running import call
from tools.refresh import GENERATED, canonical

ROOT = Path(__file__).resolve().parent.parent
CHECKER = ("exercise", "result", "running")
TOPICS = [m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name not in CHECKER]


def load(topic):
    module = importlib.import_module(f"companion.exercises.{topic}")
    return {name: e for name, e in vars(module).items() if isinstance(e, Exercise)}


ALL = {f"{topic}.{name}": e for topic in TOPICS for name, e in load(topic).items()}
FUNCTIONS = {name: e for name, e in ALL.items() if isinstance(e, FunctionExercise)}
MISTAKES = {f"{name}: {m.name}": (e, m) for name, e in ALL.items() for m in e.mistakes}

every_exercise = pytest.mark.parametrize("exercise", ALL.values(), ids=ALL)
every_function = pytest.mark.parametrize("exercise", FUNCTIONS.values(), ids=FUNCTIONS)


# What must pass, and what is not attempted.


@every_exercise
def test_the_solution_passes(exercise):
    result = exercise.check(exercise.build())
    assert result.state is State.CORRECT, result
    assert result


@every_exercise
def test_other_right_answers_pass(exercise):
    assert len(exercise.also_right) >= 2
    for answer in exercise.also_right:
        result = exercise.check(answer)
        assert result.state is State.CORRECT, result


def docstring_only(*arguments):
    """Nothing but this."""


def just_pass(x):
    pass


def bare_return(x):
    return


def return_none(x):
    return None


def return_dots(x):
    return ...


def not_implemented(*arguments):
    raise NotImplementedError


UNTOUCHED = [None, ..., docstring_only, just_pass, bare_return, return_none, return_dots]


@every_exercise
def test_the_shipped_stub_is_not_attempted(exercise):
    result = exercise.check(exercise.build(exercise.stub))
    assert result.state is State.NOT_ATTEMPTED, result
    assert not result


@every_function
def test_empty_bodies_are_not_attempted(exercise):
    for answer in [*UNTOUCHED, not_implemented]:
        assert exercise.check(answer).state is State.NOT_ATTEMPTED, answer


@every_function
def test_a_constant_is_an_attempt(exercise):
    for value in (0, "softmax", True):
        assert exercise.check(lambda *args, value=value: value).state is State.NOT_YET


# The catalogue of mistakes.


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_named_by_its_own_sentence(exercise, mistake):
    result = exercise.check(mistake.gives)
    assert result.state is State.NOT_YET
    assert result.mistake == mistake.name, result
    assert result.message == mistake.message


def tells(exercise, mistake):
    """For each probe whether it tells the mistake from the right answer, and its outcome."""
    outcomes = [call(mistake.gives, args) for args in exercise.probes]
    wanted = [call(exercise.reference, args) for args in exercise.probes]
    pairs = zip(outcomes, wanted, strict=True)
    telling = [not o.agrees(w, exercise.rtol, exercise.atol) for o, w in pairs]
    return telling, outcomes


@every_function
def test_a_fixed_probe_tells_each_mistake_and_no_two_are_alike(exercise):
    seen = {m.name: tells(exercise, m) for m in exercise.mistakes}
    for name, (telling, outcomes) in seen.items():
        assert any(telling), name
        for other, (also_telling, others) in seen.items():
            same = telling == also_telling and all(
                a.agrees(b, exercise.rtol, exercise.atol)
                for a, b, told in zip(outcomes, others, telling, strict=True)
                if told
            )
            assert other == name or not same, f"{name} and {other}"


@every_exercise
def test_messages_read_well(exercise):
    messages = [m.message for m in exercise.mistakes]
    assert len(set(messages)) == len(messages)
    assert len({m.name for m in exercise.mistakes}) == len(messages)
    for message in messages:
        assert 20 <= len(message) <= 220, message
        assert message.endswith(".")


def lines_of_the_solution(exercise):
    lines = [line.strip() for line in exercise.answer.strip().splitlines()]
    return [line for line in lines if len(line) > 12 and not line.startswith("def ")]


@every_exercise
def test_hints_come_in_three_steps_and_leave_the_solution_to_the_reader(exercise):
    assert len(exercise.hints) == 3
    assert all(len(hint) > 10 for hint in exercise.hints)
    told_early = " ".join([*exercise.hints[:2], *(m.message for m in exercise.mistakes)])
    for line in lines_of_the_solution(exercise):
        assert line not in told_early
    assert exercise.answer.strip() not in " ".join(exercise.hints)
    assert exercise.why


LEAST = [
    ("softmax", 15),
    ("logsumexp|log_softmax|cross_entropy|likelihood", 10),
    ("grad|jac|vjp", 8),
]


@pytest.mark.parametrize("name", ALL)
def test_the_catalogue_is_large_enough(name):
    exercise = ALL[name]
    least = 6 if isinstance(exercise, FunctionExercise) else 3
    for pattern, number in LEAST:
        whole = pattern == "softmax"
        if (re.fullmatch if whole else re.search)(pattern, exercise.name):
            least = number
            break
    if isinstance(exercise, ChoiceExercise):
        assert {m.gives for m in exercise.mistakes} == set(exercise.options) - {
            exercise.reference()
        }
    else:
        assert len(exercise.mistakes) >= least


@pytest.mark.parametrize("topic", TOPICS)
def test_each_chapter_has_five_exercises_and_three_functions(topic):
    found = load(topic)
    assert len(found) >= 5
    assert sum(isinstance(e, FunctionExercise) for e in found.values()) >= 3
    assert all(e.name == name for name, e in found.items())


# Words.


@every_exercise
def test_hints_and_solution_can_be_shown(exercise):
    for number in (1, 2, 3):
        assert repr(exercise.hint(number)).startswith(f"Hint {number} of 3.")
    assert exercise.answer.strip() in repr(exercise.solution())
    with pytest.raises(ValueError, match=re.escape("must lie in 1..3; got 4")):
        exercise.hint(4)


def test_the_text_carries_the_state_and_html_is_escaped():
    result = Result(State.RAISED, "<script>alert(1)</script>")
    page = result._repr_html_()
    assert "<script>" not in page
    assert "Your code raised an error." in page
    assert 'role="status"' in page
    assert len({state.value for state in State}) == len(State) == 5
    assert [bool(Result(state)) for state in State].count(True) == 1


# Hostile answers.

SOFTMAX = ALL["numerical_stability.softmax"]
IMPATIENT = dataclasses.replace(SOFTMAX, time_limit=0.3)


class AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


class Liar:
    def __array__(self, *args, **kwargs):
        raise SystemExit


class EvilArray(np.ndarray):
    def __eq__(self, other):
        return True

    __hash__ = None

    def __array_function__(self, *args, **kwargs):
        raise SystemExit

    def __array_ufunc__(self, *args, **kwargs):
        raise SystemExit


class Unprintable(Exception):
    def __str__(self):
        raise ValueError


def raising(error):
    def answer(x):
        raise error

    return answer


def recursing(x):
    return recursing(x)


def exits(x):
    sys.exit(0)


def prints(x):
    print(companion.softmax(x))


def changes_and_returns_nonsense(x):
    x[:] = 0
    return x


async def coroutine(x):
    return x


HOSTILE = {
    "always equal": lambda x: AlwaysEqual(),
    "array lies": lambda x: Liar(),
    "evil subclass": lambda x: x.view(EvilArray),
    "nan": lambda x: np.full(x.shape, np.nan),
    "inf": lambda x: np.full(x.shape, np.inf),
    "list": lambda x: companion.softmax(x).tolist(),
    "string": lambda x: "0.5",
    "dict": lambda x: {},
    "object array": lambda x: np.array([None]),
    "complex": lambda x: x + 1j,
    "scalar": lambda x: 1.0,
    "wrong shape": lambda x: np.zeros(7),
    "empty": lambda x: np.zeros((0, 0)),
    "its argument": lambda x: x,
    "changes its argument": changes_and_returns_nonsense,
    "exit": exits,
    "quit by exception": raising(SystemExit(3)),
    "interrupt": raising(KeyboardInterrupt()),
    "memory": raising(MemoryError()),
    "generator exit": raising(GeneratorExit()),
    "unprintable": raising(Unprintable()),
    "recursion": recursing,
    "prints": prints,
    "no arguments": lambda: 1.0,
    "many arguments": lambda a, b, c: a,
    "a class": AlwaysEqual,
    "an instance": AlwaysEqual(),
    "a number": 3,
    "a string": "softmax",
    "a module": np,
    "the result": np.ones((2, 2)) / 2,
    "generator": lambda x: (v for v in x),
    "coroutine": coroutine,
    "partial": functools.partial(np.add, 1),
    "ufunc": np.exp,
    "builtin": len,
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_hostile_answers_get_a_plain_sentence(answer, capsys):
    stdout = sys.stdout
    settings = np.geterr()
    result = SOFTMAX.check(answer)
    assert result.state in (State.NOT_YET, State.RAISED)
    assert not result
    assert 10 < len(result.message) < 400
    assert "Traceback" not in repr(result)
    assert sys.stdout is stdout
    assert np.geterr() == settings
    assert capsys.readouterr().out == ""


def endless(x):
    while True:
        pass


def endless_and_stubborn(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            if not STUBBORN:
                return x


STUBBORN = [True]


def test_an_endless_loop_is_stopped_and_named():
    result = IMPATIENT.check(endless)
    assert result.state is State.NOT_YET
    assert "had not finished after 0.3 seconds" in result.message
    assert IMPATIENT.check(SOFTMAX.build())


def test_a_loop_that_cannot_be_stopped_is_left_behind():
    stdout = sys.stdout
    try:
        assert "never ends" in IMPATIENT.check(endless_and_stubborn).message
        assert sys.stdout is stdout
    finally:
        STUBBORN.clear()  # lets the thread end at the next signal, or with the tests


def test_forgotten_return_and_print_are_told_apart():
    assert SOFTMAX.check(lambda x: x.sort()).message.startswith("Your function returned None")
    assert "return hands it back" in SOFTMAX.check(prints).message


def test_a_right_answer_that_changes_its_argument_does_not_pass():
    def in_place(x):
        x -= x.max(axis=-1, keepdims=True)
        np.exp(x, out=x)
        x /= x.sum(axis=-1, keepdims=True)
        return x

    result = SOFTMAX.check(in_place)
    assert result.state is State.NOT_YET
    assert "changes its argument" in result.message


def test_an_error_names_the_readers_line():
    def broken(x):
        y = x + 1
        return y / undefined_name  # noqa: F821

    result = SOFTMAX.check(broken)
    assert result.state is State.RAISED
    assert "NameError" in result.message
    assert 'in line 3: "return y / undefined_name' in result.message


def through_a_helper(x):
    return plain_helper(x)


def plain_helper(x):
    return companion.softmax(x)


def import_inside(x):
    from scipy.special import softmax

    return softmax(x, axis=-1)


def closure():
    from companion import softmax as hidden

    return lambda x: hidden(x)


SHORTCUTS = {
    "direct": lambda x: companion.softmax(x),
    "the library's own function": companion.softmax,
    "helper": through_a_helper,
    "import inside": import_inside,
    "closure": closure(),
    "exp of log_softmax": lambda x: np.exp(companion.log_softmax(x)),
    "partial": functools.partial(companion.softmax, axis=-1),
}


@pytest.mark.parametrize("answer", SHORTCUTS.values(), ids=SHORTCUTS)
def test_the_library_is_a_shortcut(answer):
    result = SOFTMAX.check(answer)
    assert result.state is State.SHORTCUT, result
    assert "softmax" in result.message


@every_function
def test_what_goes_wrong_is_shown_with_numbers(exercise):
    # An answer that no mistake describes: right, but for a factor.
    def off(*args):
        return 1.37 * np.asarray(exercise.reference(*args)) + 0.003

    result = exercise.check(off)
    assert result.state is State.NOT_YET
    assert result.mistake is None
    assert "expected" in result.message
    assert "checks differ" in result.message


@pytest.mark.parametrize(
    "answer", ["12", [1], {}, True, 1j, np.ones(2), AlwaysEqual(), Liar(), np.nan]
)
@pytest.mark.parametrize(
    "exercise", [e for e in ALL.values() if isinstance(e, NumberExercise)], ids=lambda e: e.name
)
def test_what_is_no_number_is_refused(exercise, answer):
    assert exercise.check(answer).state is State.NOT_YET


@pytest.mark.parametrize("answer", ["z", "ab", 1, ["b"], True, AlwaysEqual(), np.array("b")])
@pytest.mark.parametrize(
    "exercise", [e for e in ALL.values() if isinstance(e, ChoiceExercise)], ids=lambda e: e.name
)
def test_what_is_no_letter_is_refused(exercise, answer):
    result = exercise.check(answer)
    assert result.state is State.NOT_YET
    assert "must be one of" in result.message


# The chapters.


@pytest.mark.parametrize("topic", TOPICS)
def test_the_chapter_holds_each_exercise_once_as_the_data_says(topic):
    cells = nbformat.read(ROOT / "chapters" / f"{topic}.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    for name, exercise in load(topic).items():
        gap = "\n\n\n" if isinstance(exercise, FunctionExercise) else "\n\n"
        assert code.count(f"{exercise.stub.strip()}{gap}ex.{name}.check({name})") == 1, name
        marker = GENERATED.format(module=topic, name=name)
        assert prose.count(f"{marker}\n\n{exercise.folded()}") == 1, name
        if isinstance(exercise, ChoiceExercise):
            for letter, option in exercise.options.items():
                assert any(f"- **{letter}** {option}" in text for text in prose)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_chapter_runs_with_the_solutions_filled_in(topic):
    notebook = canonical(nbformat.read(ROOT / "chapters" / f"{topic}.ipynb", as_version=4))
    checks = {}
    for name, exercise in load(topic).items():
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.startswith(exercise.stub.strip()):
                cell.source = cell.source.replace(
                    exercise.stub.strip(), exercise.answer.strip()
                )
                checks[name] = cell
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "chapters")}},
    ).execute()
    assert checks.keys() == load(topic).keys()
    for name, cell in checks.items():
        (output,) = cell.outputs
        assert output.data["text/plain"].startswith("✔ Correct."), name
