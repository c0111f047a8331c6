"""Exercises about frameworks: what needs one to be judged, and in what precision."""

import sys

import numpy as np
import pytest

import companion
from companion.exercises import framework_equivalents as ex
from companion.exercises.result import State

HIDDEN = ("torch", "tensorflow", "keras")


@pytest.mark.parametrize("letter", "abcd")
def test_a_choice_is_judged_where_no_framework_is(monkeypatch, letter):
    for name in HIDDEN:
        monkeypatch.setitem(sys.modules, name, None)
    result = ex.silent.check(letter)
    assert result.state is (State.CORRECT if letter == "c" else State.NOT_YET)
    assert "judged" not in result.message


def test_the_right_choice_is_the_one_call_that_says_nothing(tensorflow):
    import torch
    from torch.nn import functional as F

    z, y = np.array([[2.0, -1, 0.5]]), np.array([3])
    calls = {
        "a": lambda: F.cross_entropy(torch.tensor(z), torch.tensor(y)),
        "b": lambda: tensorflow.nn.sparse_softmax_cross_entropy_with_logits(y, z),
        "c": lambda: tensorflow.nn.softmax_cross_entropy_with_logits(
            tensorflow.one_hot(y, 3, dtype=tensorflow.float64), z
        ),
        "d": lambda: -companion.log_softmax(z)[np.arange(1), y],
    }
    silent = []
    for letter, call in calls.items():
        try:
            silent += [letter] if np.isfinite(np.asarray(call())).all() else []
        except Exception:
            continue
    assert silent == ["c"]
    assert ex.silent.check(silent[0]).state is State.CORRECT


def test_answers_in_single_precision_are_right(tensorflow):
    import keras
    import torch
    from torch.nn import functional as F

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    answers = {
        "pixel_losses": lambda z, y: loss(y, tensorflow.transpose(z, [0, 2, 3, 1])),
        "mended_loss": lambda z, y: F.cross_entropy(z.float(), y),
        "mean_kl": lambda v, z: F.kl_div(
            F.log_softmax(z.float(), 1), F.softmax(v.float(), 1), reduction="batchmean"
        ),
    }
    for name, answer in answers.items():
        result = getattr(ex, name).check(answer)
        assert result.state is State.CORRECT, result.message
    half = ex.mended_loss.check(lambda z, y: F.cross_entropy(z.to(torch.float16), y))
    assert half.state is State.NOT_YET  # three digits are no answer
