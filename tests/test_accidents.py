"""What an honest cell can do by accident leaves the checker right, and the kernel as it was.

A reader rebinds a name of NumPy, sleeps inside a redirected stdout, keeps an object that
answers to every attribute. Neither this verdict nor a later one may change, nothing may hang.
"""

import contextlib
import dataclasses
import io
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
from test_exercises import IMPATIENT, SOFTMAX, frameworks, right  # noqa: F401

import companion
from companion.exercises.result import State


def wrong(x):
    return x


def test_names_that_a_reader_rebinds_do_not_judge(monkeypatch):
    for owner, name, theirs in (
        (companion, "softmax", wrong),
        (companion.functions, "softmax", wrong),
        (np, "allclose", lambda *args, **kwargs: True),
        (np, "isclose", lambda *args, **kwargs: np.True_),
        (np, "abs", lambda x: 0 * x),
        (np, "isfinite", lambda x: np.False_),
    ):
        monkeypatch.setattr(owner, name, theirs)
        assert SOFTMAX.check(wrong).state is State.NOT_YET, name
        assert SOFTMAX.check(right).state is State.CORRECT, name
        assert getattr(owner, name) is theirs  # it is the reader's to keep


REBINDS = """
import builtins, numpy as np
from companion.exercises import numerical_stability as ex
right = ex.softmax.build()
def wrong(x):
    np.exp = companion.softmax = lambda x: x  # in the answer itself
    return x
import companion
{line}
assert not ex.softmax.check(lambda x: x), "wrong one accepted"
assert not ex.softmax.check(wrong), "wrong one accepted"
np.exp = exp
assert ex.softmax.check(right), ex.softmax.check(right)
"""


@pytest.mark.parametrize(
    "line",
    [
        "builtins.all = lambda items: True",
        "builtins.any = lambda items: False",
        "builtins.zip = lambda *args, **kwargs: iter(())",
        "builtins.sum = lambda items, start=0: 0",
        "np.broadcast_to = None",
    ],
)
def test_builtins_that_a_reader_rebinds_do_not_judge(line):
    code = REBINDS.format(line=f"exp = np.exp\n{line}")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr


# Time-outs.


def sleeps(x):
    time.sleep(0.9)
    return right(x)


def redirected(x):
    with contextlib.redirect_stdout(io.StringIO()):
        return sleeps(x)


def without_warnings(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sleeps(x)


def deep(x):
    sys.setrecursionlimit(5000)
    return sleeps(x)


def loud_numpy(x):
    np.seterr(all="raise")
    return sleeps(x)


@pytest.mark.parametrize("answer", [redirected, without_warnings, deep, loud_numpy])
def test_after_a_time_out_all_is_as_it_was(answer, capsys):
    def settings():
        return sys.getrecursionlimit(), np.geterr(), list(warnings.filters)

    before, stream = settings(), sys.stdout
    assert "had not finished" in IMPATIENT.check(answer).message
    assert settings() == before
    assert sys.stdout is stream
    time.sleep(1.2)  # now the thread that was left behind ends, and puts back what it had seen
    assert settings() == before
    print("seen")
    assert capsys.readouterr().out == "seen\n"
    sys.stdout = stream


def test_limits_and_seeds_that_an_answer_sets_are_put_back():
    limit, state = sys.getrecursionlimit(), np.random.get_state()[1].tolist()  # noqa: NPY002

    def sets(x):
        sys.setrecursionlimit(limit + 500)
        np.random.seed(0)  # noqa: NPY002
        return right(x)

    assert SOFTMAX.check(sets)
    assert sys.getrecursionlimit() == limit
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


# Objects with a will of their own.


class AttrDict(dict):
    """The usual idiom."""

    def __getattr__(self, name):
        return self[name]


class NeverNamed:
    @property
    def __name__(self):
        while True:
            pass

    def __call__(self, x):
        return right(x)


class Interrupts:
    def __getattr__(self, name):
        raise KeyboardInterrupt

    def __call__(self, x):
        return right(x)


def test_a_strange_global_does_not_spoil_a_right_answer():
    source = "def answer(x):\n    return right(x) * settings['one'] if strange else x\n"
    names = {"right": right, "settings": AttrDict(one=1.0), "strange": Interrupts()}
    exec(source, names)
    assert SOFTMAX.check(names["answer"])


def test_all_that_touches_an_answer_is_inside_the_time_limit():
    started = time.perf_counter()
    assert IMPATIENT.check(NeverNamed()).state is State.NOT_YET
    assert time.perf_counter() - started < 3


def test_an_attribute_that_raises_an_interrupt_does_not_go_through():
    assert SOFTMAX.check(Interrupts()).state in (State.CORRECT, State.NOT_YET)


# Forms of results.


async def asynchronous(x):
    return right(x)


def one_by_one(x):
    yield from right(x)


FORMS = {
    "a list": (
        lambda x: right(x).tolist(),
        "The numbers are right, but they come as a list: np.array(...)",
    ),
    "a coroutine": (asynchronous, "Remove `async`"),
    "a generator": (one_by_one, "return, not yield"),
    "a map": (lambda x: map(abs, right(x)), "np.array(list(...))"),
    "bools": (lambda x: right(x) > 0, "an array of bools"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_result_in_a_form_of_its_own_is_told_the_mend(form):
    answer, words = FORMS[form]
    result = SOFTMAX.check(answer)
    assert result.state is State.NOT_YET
    assert words in result.message


@pytest.mark.frameworks
def test_a_tensor_is_told_the_mend(tensorflow):
    import torch

    for answer, mend in (
        (lambda x: torch.tensor(right(x)), ".detach().numpy()"),
        (lambda x: tensorflow.constant(right(x)), "`.numpy()`"),
    ):
        result = SOFTMAX.check(answer)
        assert result.state is State.NOT_YET
        assert mend in result.message
        assert "The numbers are right" in result.message


def test_long_double_is_right():
    assert SOFTMAX.check(lambda x: right(x.astype(np.longdouble)))


# In a script.

SCRIPT = """
import numpy as np
from companion.exercises import numerical_stability as ex
def softmax(x):
    return np.exp(x)
ex.softmax.check(softmax)
kept = ex.softmax.check(softmax)
print("between")
print(ex.softmax.check(softmax))
"""


def test_a_bare_check_in_a_script_is_printed_once(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    run = subprocess.run([sys.executable, path], capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    lines = [line[:10] for line in run.stdout.splitlines()]
    assert lines == ["✘ Not yet.", "between", "✘ Not yet."]


# What a test or a cell shows of an exercise.


def test_nothing_shows_an_answer():
    for shown in (repr(SOFTMAX), repr(SOFTMAX.check), f"{SOFTMAX!s}", repr([SOFTMAX])):
        assert "np.exp" not in shown
    assert repr(SOFTMAX) == "<softmax: a function, 5 minutes>"


def test_a_pair_can_be_asked_for():
    def both(x):
        probs = right(x)
        return -np.log(probs), probs

    pair = dataclasses.replace(SOFTMAX, reference=both, parts=("loss", "gradient"))
    assert pair.check(both)
    assert (
        "gradient of softmax([[1., 2.]]) gives" in pair.check(lambda x: (both(x)[0], x)).message
    )
    for other in (right, lambda x: (x, x, x), lambda x: [x, x]):
        assert "return a tuple of 2 arrays (loss, gradient)" in pair.check(other).message


def test_a_stub_without_its_name_is_the_teachers_fault():
    spoiled = dataclasses.replace(SOFTMAX, stub="y = 1\n")
    assert spoiled.check(right).state is State.COULD_NOT_JUDGE


def test_a_seed_repeats_the_fresh_call():
    known = {args[0].tobytes(): right(args[0]) for args in SOFTMAX.probes}
    answer = lambda x: known.get(x.tobytes(), np.zeros(x.shape))  # noqa: E731
    first, again = SOFTMAX.check(answer, seed=7), SOFTMAX.check(answer, seed=7)
    assert first.message == again.message
    assert "seed 7" in first.message
    assert first.as_dict()["seed"] == 7


def test_progress_is_what_was_checked_here():
    from companion.exercises import progress

    SOFTMAX.check(wrong)
    assert progress()["softmax"].state is State.NOT_YET
    SOFTMAX.check(right)
    assert progress()["softmax"]
    assert "✔ softmax" in repr(progress())
    SOFTMAX.check(None)
    assert "softmax" not in progress()
