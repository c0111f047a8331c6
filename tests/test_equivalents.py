"""Each specification of a framework's function against the framework: values and gradients.

Tolerances. Values: 64 roundings of the type, relative, because the frameworks round gaps of
up to 30 before they exponentiate them, and 8 roundings absolute, because they lose the
digits of losses near 0. 16-bit types round where the framework rounds: 4 roundings. Gradients:
central differences of the specification in float64 are right to about 10 digits, and the loss
in them is up to 100, which takes two of those.

The random calls come from random_calls.py. The environment variable EQUIVALENTS_CALLS asks for
that many of each function, other ones in every run.
"""

import importlib.metadata
import inspect
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

# What is specified is TensorFlow without oneDNN, which is on by default on some processors.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import hypothesis
import numpy as np
import pytest
import random_calls
import torch
from hypothesis import strategies as st
from random_calls import BFLOAT16, FLOATS, difference, eps_of, outcome, size_of
from torch.nn import functional as F

from companion import exercises, numerical_gradient
from companion.equivalents import keras as our_keras
from companion.equivalents import pytorch as our_torch
from companion.equivalents import tensorflow as our_tf
from companion.exercises import native

ROOT = Path(__file__).resolve().parent.parent
GRADIENT = {"rtol": 1e-7, "atol": 1e-8}
INF, NAN = np.inf, np.nan
# Rows of three logits on which softmax overflows, saturates, or does not exist.
ODD_ROWS = np.array(
    [
        [0, 0, 0],
        [1000, 0, -1000],
        [1e300, -1e300, 0],
        [-1e300, -1e300, -1e300],
        [88.8, -103.9, 0],
        [745.2, 0, -745.2],
        [0, -INF, 1],
        [-INF, -INF, 0],
        [-INF, -INF, -INF],
        [INF, 0, 0],
        [INF, -INF, INF],
        [NAN, 0, 0],
    ]
)
# Distributions, and what only looks like one.
ODD_TARGETS = [[1, 0, 0], [0, 0.5, 0.5], [0, 0, 0], [2, 1, 0.5], [-1, 1, 1]]


def draw(shape, seed=0, R=10):
    return np.random.default_rng(seed).uniform(-R, R, shape)


def draw_probs(shape, seed=0, axis=-1):
    weights = np.random.default_rng(seed).uniform(0.2, 1, shape)
    return weights / weights.sum(axis=axis, keepdims=True)


def agree(ours, theirs, **tolerance):
    """Same shape, same dtype, same numbers, nan where nan."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    eps = 1e-3 if ours.dtype == np.float16 else np.finfo(ours.dtype).eps
    tolerance = {"rtol": 64 * eps, "atol": 8 * eps} | tolerance
    np.testing.assert_allclose(ours, theirs, **tolerance)


def calls(count):
    """Hypothesis' settings for that many calls, or for as many as are asked for."""
    asked = int(os.environ.get("EQUIVALENTS_CALLS", 0))
    health = list(hypothesis.HealthCheck)
    return hypothesis.settings(
        max_examples=asked or count, derandomize=not asked, suppress_health_check=health
    )


def same(ours, theirs, eps, size=1.0, same_error=None):
    """Both outcomes are values that agree, or errors of the same kind."""
    assert difference(ours, theirs, eps, size, same_error) is None


def weighted(f, like):
    """The output of f as one number, so that no gradient is 0 for being a constant's."""
    weights = np.random.default_rng(9).normal(size=np.shape(f(like)))
    return weights, lambda x: (weights * f(x)).sum()


every_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)


# PyTorch

TORCH = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "cross_entropy": F.cross_entropy,
    "nll_loss": F.nll_loss,
    "kl_div": F.kl_div,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "logsumexp": torch.logsumexp,
}


def tensor(value):
    if isinstance(value, np.dtype):
        return tensor(np.zeros((), value)).dtype
    if not isinstance(value, np.ndarray | np.generic):
        return value
    if value.dtype == BFLOAT16:  # torch does not know NumPy's
        return torch.tensor(np.asarray(value).view(np.int16)).view(torch.bfloat16)
    return torch.tensor(value)


def array(value):
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view(BFLOAT16)
    return value.numpy()


def tensors(arguments):
    return {name: tensor(value) for name, value in arguments.items()}


def torch_error(ours, theirs):
    # PyTorch puts the label into its message as a character, which is none from 128 on.
    wide = type(ours) is IndexError and type(theirs) is UnicodeDecodeError
    return wide or type(ours) is type(theirs)


def torch_same(name, given):
    """The outcome of a call of ours and of PyTorch's: value, dtype, shape, or type of error."""
    ours = outcome(getattr(our_torch, name), **given)
    theirs = outcome(lambda **k: array(TORCH[name](**tensors(k))), **given)
    arrays = [v for v in given.values() if isinstance(v, np.ndarray)]
    eps = eps_of(*(a for a in (*arrays, theirs) if isinstance(a, np.ndarray)))
    same(ours, theirs, eps, torch_size(name, given, arrays), torch_error)


def torch_size(name, given, arrays):
    """How large the terms of a sum are: their rounding remains where they cancel."""
    if "softmax" in name or name == "logsumexp":
        return 1.0
    size = size_of(*arrays)
    if given["reduction"] in ("sum", "batchmean"):
        terms = outcome(getattr(our_torch, name), **given | {"reduction": "none"})
        if isinstance(terms, np.ndarray):
            terms = np.abs(terms.astype(float))
            size = max(size, terms[np.isfinite(terms)].sum())
    return size


def readable(given):
    """PyTorch reads past the end of the shape of a single label beside an empty batch."""
    x, y = np.shape(given["input"]), np.shape(given.get("target", 0))
    return len(x) < 2 or x[0] or y or "target" not in given


def torch_agrees(name, gradient=True, **arguments):
    """Our function and PyTorch's on the same arguments, and their slopes in the first."""
    ours, theirs = getattr(our_torch, name), TORCH[name]
    agree(ours(**arguments), theirs(**tensors(arguments)))
    if not gradient:
        return
    weights, scalar = weighted(lambda x: ours(**arguments | {"input": x}), arguments["input"])
    tape = tensors(arguments)
    tape["input"].requires_grad_()
    (theirs(**tape) * torch.tensor(weights)).sum().backward()
    slope = numerical_gradient(scalar, arguments["input"])
    np.testing.assert_allclose(slope, tape["input"].grad, **GRADIENT)


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_random_calls(name):
    @calls(600)
    @hypothesis.given(random_calls.TORCH_ARGUMENTS[name]())
    def check(given):
        if readable(given):
            torch_same(name, given)

    check()


EMPTY = [(0, 3), (2, 0), (0, 0), (0,), (2, 3, 0), (0, 3, 2), (2, 0, 2), (2, 3, 0, 2), (2, 3)]


@every_dtype
@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_pytorch_degenerate_batches(name, shape, dtype):
    axis = 1 if len(shape) > 1 else 0
    of_examples = shape[:axis] + shape[axis + 1 :]
    x = draw(shape).astype(dtype)
    zeros = np.zeros(shape[axis], dtype)
    targets = [np.full(of_examples, -100), np.zeros(of_examples, int)]
    targets += [np.zeros(of_examples, np.uint8)]
    if name == "cross_entropy":
        targets += [np.zeros(shape, dtype), np.ones(shape, dtype)]
    smoothings = (0, 0.1, 1) if name == "cross_entropy" else (None,)
    for target, weight, reduction, smoothing in itertools.product(
        targets, (None, zeros), ("none", "mean", "sum"), smoothings
    ):
        given = {"input": x, "target": target, "weight": weight, "reduction": reduction}
        torch_same(name, given | ({} if smoothing is None else {"label_smoothing": smoothing}))


@every_dtype
@pytest.mark.parametrize("shape", [*EMPTY, ()], ids=str)
def test_pytorch_degenerate_entries(shape, dtype):
    x, t = draw(shape).astype(dtype), np.full(shape, 0.5, dtype)
    for reduction in ("none", "mean", "sum", "batchmean"):
        for log_target in (False, True):
            for target in (t, 0 * t):
                given = {"input": x, "target": target, "log_target": log_target}
                torch_same("kl_div", given | {"reduction": reduction})
        for weight, pos in itertools.product((None, 0 * t), (None, np.zeros((), dtype), 0 * t)):
            given = {"input": x, "target": t, "weight": weight, "pos_weight": pos}
            torch_same("binary_cross_entropy_with_logits", given | {"reduction": reduction})


def test_pytorch_overflows_in_float16():
    """Where 65504 is passed, in a sum that PyTorch rounds to 16 bits, and where it is not."""
    z = np.array([[0, 60000], [0, 60000]], np.float16)
    many = np.zeros((1, 70000), np.float16)
    ours = our_torch
    with np.errstate(all="raise"):  # PyTorch is silent, and so are we
        assert ours.cross_entropy(z, np.array([0, 0])) == np.inf
        assert ours.cross_entropy(z, np.array([0, 0]), reduction="none").tolist() == [6e4, 6e4]
        assert ours.kl_div(-z, np.ones_like(z)) == 30000  # a mean that does not pass it
        assert ours.logsumexp(many, 1) == np.inf
        assert (ours.log_softmax(many, 1) == -np.inf).all()
        assert ours.log_softmax(many[..., None], 1)[0, 0, 0] == np.float16(-np.log(70000))
        assert (ours.softmax(many, 1) == np.float16(1 / 70000)).all()
    for name, given in [("cross_entropy", {"input": z, "target": np.array([0, 0])}),
                        ("kl_div", {"input": -z, "target": np.ones_like(z)}),
                        ("logsumexp", {"input": many, "dim": 1}),
                        ("log_softmax", {"input": many, "dim": 1}),
                        ("log_softmax", {"input": many[..., None], "dim": 1}),
                        ("softmax", {"input": many, "dim": 1})]:  # fmt: skip
        reduction = {"reduction": "mean"} if "target" in given else {}
        torch_same(name, given | reduction)


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_pytorch_sums_of_thousands_of_examples_in_16_bits(dtype):
    """To the last bit: PyTorch rounds after each addition, in an order that is specified."""
    rng = np.random.default_rng(0)
    for n in (1, 15, 16, 17, 255, 256, 257, 5000):
        x, y = rng.normal(size=(n, 3)).astype(dtype), rng.integers(3, size=n)
        y[rng.random(n) < 0.2] = -100
        for weight in (None, np.array([0.3, 1.7, 2.9], dtype)):
            for reduction in ("sum", "mean"):
                given = {"input": x, "target": y, "weight": weight, "reduction": reduction}
                theirs = array(F.nll_loss(**tensors(given)))
                np.testing.assert_array_equal(our_torch.nll_loss(**given), theirs)


@pytest.mark.parametrize("name", [name for name in TORCH if name != "logsumexp"])
def test_pytorch_names_order_and_defaults(name):
    left_out = {"size_average", "reduce", "_stacklevel"}
    theirs = {
        p.name: p.default
        for p in inspect.signature(TORCH[name]).parameters.values()
        if p.name not in left_out
    }
    ours = {
        p.name: p.default
        for p in inspect.signature(getattr(our_torch, name)).parameters.values()
    }
    assert list(ours.items()) == list(theirs.items())


every_shape = pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 4), (2, 3, 2, 2)], ids=str)
every_reduction = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


@every_shape
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_pytorch_softmax(name, shape):
    for dim in (None, 0, -1):
        torch_agrees(name, input=draw(shape), dim=dim)
        torch_agrees(name, input=draw(shape).astype(np.float32), dim=dim, gradient=False)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_pytorch_softmax_of_odd_rows_and_types(name):
    torch_agrees(name, input=ODD_ROWS, dim=1, gradient=False)
    torch_agrees(name, input=np.float64(3), dim=-1, gradient=False)
    ours = getattr(our_torch, name)(np.arange(3), 0, dtype=np.float32)
    agree(ours, TORCH[name](torch.arange(3), 0, dtype=torch.float32))


def test_pytorch_logsumexp():
    for dim, keepdim in [(0, False), (-1, True), ((0, 2), False), ((0, 1), True)]:
        torch_agrees("logsumexp", input=draw((2, 3, 4)), dim=dim, keepdim=keepdim)
    torch_agrees("logsumexp", input=ODD_ROWS, dim=1, gradient=False)
    for x in (np.arange(3), np.zeros((0,)), np.zeros((2, 0)), np.float64(3)):
        torch_agrees("logsumexp", input=x, dim=-1, gradient=False)


CROSS_ENTROPY_OPTIONS = [
    {},
    {"label_smoothing": 0.15},
    {"label_smoothing": 1.0},
    {"ignore_index": 1},
    {"ignore_index": 1, "label_smoothing": 0.15},
    {"weight": True},
    {"weight": True, "label_smoothing": 0.15},
    {"weight": True, "label_smoothing": 0.15, "ignore_index": 1},
]


def options(given, num_classes, dtype=np.float64):
    weight = (
        {"weight": np.linspace(0.5, 2, num_classes, dtype=dtype)} if "weight" in given else {}
    )
    return given | weight


@every_reduction
@every_shape
@pytest.mark.parametrize("given", CROSS_ENTROPY_OPTIONS, ids=str)
def test_pytorch_cross_entropy(given, shape, reduction):
    axis = 1 if len(shape) > 1 else 0
    rng = np.random.default_rng(3)
    labels = np.array(rng.integers(shape[axis], size=shape[:axis] + shape[axis + 1 :]))
    arguments = options(given, shape[axis]) | {"reduction": reduction}
    torch_agrees("cross_entropy", input=draw(shape), target=labels, **arguments)
    if "ignore_index" not in given:
        soft = draw_probs(shape, axis=axis)
        torch_agrees("cross_entropy", input=draw(shape), target=soft, **arguments)


@hypothesis.given(st.data())
def test_pytorch_cross_entropy_of_anything(data):
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axis = 1 if len(shape) > 1 else 0
    R = data.draw(st.sampled_from([0.1, 1, 30]))
    seed = data.draw(st.integers(0, 2**32 - 1))
    logits, rng = draw(shape, seed, R).astype(dtype), np.random.default_rng(seed)
    chosen = data.draw(st.sampled_from(CROSS_ENTROPY_OPTIONS))
    arguments = options(chosen, shape[axis], dtype) | {
        "reduction": data.draw(st.sampled_from(["none", "mean", "sum"]))
    }
    if data.draw(st.booleans()) and "ignore_index" not in chosen:
        target = draw_probs(shape, seed, axis).astype(dtype)
    else:
        # PyTorch takes uint8 for (N, C) only, and trips over it where smoothing meets weights.
        bytes_too = len(shape) < 3 and "label_smoothing" not in chosen
        kind = data.draw(st.sampled_from([np.int64, np.uint8][: 1 + bytes_too]))
        target = np.array(
            rng.integers(shape[axis], size=shape[:axis] + shape[axis + 1 :]), kind
        )
        if shape == target.shape:
            return  # PyTorch reads these as probabilities
    torch_agrees("cross_entropy", gradient=False, input=logits, target=target, **arguments)


@every_reduction
@pytest.mark.parametrize("given", CROSS_ENTROPY_OPTIONS, ids=str)
def test_pytorch_cross_entropy_of_odd_rows(given, reduction):
    arguments = options(given, 3) | {"reduction": reduction}
    for row in ODD_ROWS:
        for label in range(3):
            case = {"input": row[None], "target": np.array([label])}
            torch_agrees("cross_entropy", gradient=False, **case, **arguments)
        if "ignore_index" in given:
            continue
        for target in ODD_TARGETS:
            case = {"input": row[None], "target": np.array([target], float)}
            torch_agrees("cross_entropy", gradient=False, **case, **arguments)


@every_reduction
def test_pytorch_when_nothing_counts(reduction):
    with np.errstate(all="raise"):  # PyTorch is silent, and so are we
        for smoothing in (0, 0.1):
            kept = {"reduction": reduction, "label_smoothing": smoothing, "gradient": False}
            ignored, none = np.array([-100, -100]), np.zeros(0, int)
            zero = {"weight": np.zeros(3), **kept}
            torch_agrees("cross_entropy", input=draw((2, 3)), target=ignored, **kept)
            torch_agrees("cross_entropy", input=draw((0, 3)), target=none, **kept)
            torch_agrees("cross_entropy", input=draw((0, 3)), target=draw((0, 3)), **kept)
            torch_agrees("cross_entropy", input=draw((2, 3)), target=np.array([0, 1]), **zero)
    mean = our_torch.cross_entropy(draw((2, 3)), np.array([-100, -100]))
    assert np.isnan(mean)


@every_reduction
@every_shape
@pytest.mark.parametrize(
    "given",
    [{}, {"weight": True}, {"ignore_index": 1}, {"weight": True, "ignore_index": 1}],
    ids=str,
)
def test_pytorch_nll_loss(given, shape, reduction):
    axis = 1 if len(shape) > 1 else 0
    labels = np.array(
        np.random.default_rng(3).integers(shape[axis], size=shape[:axis] + shape[axis + 1 :])
    )
    arguments = options(given, shape[axis]) | {"reduction": reduction, "target": labels}
    torch_agrees("nll_loss", input=draw(shape), **arguments)
    # It does not look at its input: probabilities pass, and infinities.
    torch_agrees("nll_loss", input=draw_probs(shape, axis=axis), **arguments, gradient=False)
    torch_agrees("nll_loss", input=np.full(shape, -INF), **arguments, gradient=False)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "batchmean"])
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_pytorch_kl_div(reduction, log_target):
    kept = {"reduction": reduction, "log_target": log_target}
    probs = draw_probs((4, 3))
    target = np.log(probs) if log_target else probs
    torch_agrees("kl_div", input=our_torch.log_softmax(draw((4, 3)), 1), target=target, **kept)
    torch_agrees("kl_div", input=draw((4, 3)), target=target[0], **kept)
    torch_agrees("kl_div", input=np.float64(-1), target=np.float64(0.5), **kept)
    for target in ([1, 0, 0.0], [2, 0.5, -1], [0, -INF, -1], [NAN, 0, 1]):
        for row in ODD_ROWS:
            # exp(target) * 1e300 may overflow in both
            case = {"input": row[None], "target": np.array([target])}
            torch_agrees("kl_div", **case, **kept, gradient=False)


@every_reduction
def test_pytorch_binary_cross_entropy_with_logits(reduction):
    z, t = draw((4, 3)), draw_probs((4, 3))
    weight, pos_weight = np.linspace(-1, 2, 3), np.array([0.5, 1, 4])
    name = "binary_cross_entropy_with_logits"
    for given in ({}, {"weight": weight}, {"pos_weight": pos_weight}):
        torch_agrees(name, input=z, target=t, reduction=reduction, **given)
    torch_agrees(
        name, input=z, target=t.astype(np.float32), reduction=reduction, gradient=False
    )
    for yes in (0.0, 0.3, 1.0):
        t = np.full_like(ODD_ROWS, yes)
        torch_agrees(name, input=ODD_ROWS, target=t, reduction=reduction, gradient=False)


TORCH_REFUSES = {
    "integers in kl_div": (
        "kl_div",
        {"input": np.array([[1]]), "target": np.array([[1]]), "reduction": "sum"},
    ),
    "integer yes": ("binary_cross_entropy_with_logits", {"target": np.ones((2, 3), int)}),
    "pos_weight": (
        "binary_cross_entropy_with_logits",
        {"target": np.ones((2, 3)), "pos_weight": np.ones(2)},
    ),
    "one target for all": ("cross_entropy", {"target": draw_probs((1, 3))}),
    "dim twice": ("logsumexp", {"dim": (0, 0)}),
    "one number as weights": (
        "cross_entropy",
        {
            "input": draw((2, 1, 2)),
            "target": np.zeros((2, 2), int),
            "weight": np.array(1.0),
            "label_smoothing": 0.1,
        },
    ),
    "bytes where smoothing meets weights": (
        "cross_entropy",
        {"target": np.array([0, 1], np.uint8), "label_smoothing": 0.1, "weight": np.ones(3)},
    ),
    "label too large": ("cross_entropy", {"target": np.array([0, 3])}),
    "label -1 is not the last class": ("cross_entropy", {"target": np.array([0, -1])}),
    "int32": ("cross_entropy", {"target": np.array([0, 1], np.int32)}),
    "float labels": ("cross_entropy", {"target": np.array([0.0, 1.0])}),
    "one-hot integers": ("cross_entropy", {"target": np.eye(3, dtype=int)[:2]}),
    "batch": ("cross_entropy", {"target": np.array([0, 1, 2])}),
    "column": ("cross_entropy", {"target": np.array([[0], [1]])}),
    "smoothing": ("cross_entropy", {"target": np.array([0, 1]), "label_smoothing": 1.5}),
    "reduction": ("cross_entropy", {"target": np.array([0, 1]), "reduction": "max"}),
    "weights": ("cross_entropy", {"target": np.array([0, 1]), "weight": np.ones(2)}),
    "float32 weights": ("nll_loss", {"target": np.array([0, 1]), "weight": np.ones(3, "f4")}),
    "nothing to ignore": ("cross_entropy", {"target": draw_probs((2, 3)), "ignore_index": 1}),
    "integer logits": ("cross_entropy", {"input": np.array([[1, 2]]), "target": np.array([0])}),
    "number": ("nll_loss", {"input": np.float64(1), "target": np.array(0)}),
    "two labels": ("nll_loss", {"input": draw((3,)), "target": np.array([0, 1])}),
    "shapes": ("binary_cross_entropy_with_logits", {"target": draw_probs((3,))}),
    "dim": ("softmax", {"dim": 2}),
}  # fmt: skip


@pytest.mark.parametrize("case", TORCH_REFUSES)
def test_pytorch_refuses(case):
    name, arguments = TORCH_REFUSES[case]
    arguments = {"input": draw((2, 3))} | arguments
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - it is compared below
        TORCH[name](**tensors(arguments))
    with pytest.raises(theirs.type) as ours:
        getattr(our_torch, name)(**arguments)
    assert ours.type is theirs.type  # NotImplementedError is a RuntimeError, too


# TensorFlow


def tape_of(tf, f, of, **arguments):
    """The value of f, and the slope of its sum with random weights in the argument `of`."""
    arguments[of] = tf.constant(arguments[of])
    with tf.GradientTape() as tape:
        tape.watch(arguments[of])
        value = f(**arguments)
        weights = np.random.default_rng(9).normal(size=value.shape)
        total = tf.reduce_sum(value * tf.constant(weights, value.dtype))
    return value, tape.gradient(total, arguments[of]), weights


def numerical_of(f, of, **arguments):
    x = arguments.pop(of)
    return numerical_gradient(weighted(lambda x: f(**arguments, **{of: x}), x)[1], x)


def tf_agrees(tf, ours, theirs, of, **arguments):
    value, slope, _ = tape_of(tf, theirs, of, **arguments)
    agree(ours(**arguments), value)
    np.testing.assert_allclose(numerical_of(ours, of, **arguments), slope, **GRADIENT)


def tf_loss_agrees(tf, name, **arguments):
    """A loss of TensorFlow, and the gradient that its tape gives, right or wrong."""
    value, slope, weights = tape_of(tf, getattr(tf.nn, name), "logits", **arguments)
    agree(getattr(our_tf, name)(**arguments), value)
    ours = getattr(our_tf, f"{name}_grad")(**arguments)
    agree(ours * np.expand_dims(weights, arguments.get("axis", -1)).astype(ours.dtype), slope)


DENSE, SPARSE = "softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"


def tf_error(tf):
    def same_error(ours, theirs):
        if isinstance(theirs, tf.errors.OpError):
            return isinstance(ours, ValueError | IndexError | TypeError)
        return type(ours) is type(theirs)

    return same_error


def tf_function(tf, name):
    """A function of TensorFlow, or the gradient that its tape gives for one."""
    if name == "reduce_logsumexp":
        return tf.reduce_logsumexp
    if not name.endswith("_grad"):
        return getattr(tf.nn, name)

    def gradient(labels, logits, **given):
        logits = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = getattr(tf.nn, name.removesuffix("_grad"))(labels, logits, **given)
        return tape.gradient(loss, logits)

    return gradient


def tf_same(tf, name, given):
    theirs = outcome(lambda: tf_function(tf, name)(**given).numpy())
    ours = outcome(getattr(our_tf, name), **given)
    eps = eps_of(theirs) if isinstance(theirs, np.ndarray) else 1
    loss = "entropy" in name and not name.endswith("_grad")
    same(ours, theirs, eps, size_of(*given_arrays(given)) if loss else 1.0, tf_error(tf))


def given_arrays(given):
    return [value for value in given.values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("name", random_calls.TF_ARGUMENTS)
@pytest.mark.filterwarnings("ignore")  # of gradients in integers
def test_tensorflow_random_calls(tensorflow, name):
    @calls(300)
    @hypothesis.given(random_calls.TF_ARGUMENTS[name]())
    def check(given):
        tf_same(tensorflow, name, given)

    check()


@every_dtype
@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_tensorflow_degenerate_batches(tensorflow, shape, dtype):
    x = draw(shape).astype(dtype)
    for name in ("softmax", "log_softmax"):
        for axis in range(-1, len(shape)):
            tf_same(tensorflow, name, {"logits": x, "axis": axis})
    for axis in (None, *range(-1, len(shape))):
        tf_same(tensorflow, "reduce_logsumexp", {"input_tensor": x, "axis": axis})
    for suffix in ("", "_grad"):
        for labels in (np.zeros(shape[:-1], int), np.zeros(shape[:-1], np.int32)):
            tf_same(tensorflow, SPARSE + suffix, {"labels": labels, "logits": x})
        one_number, one_row = (*shape[:-1], 1), (1,) * (len(shape) - 1) + shape[-1:]
        for like in (shape, one_number, one_row):
            for value in (0, 0.5):
                given = {"labels": np.full(like, value, dtype), "logits": x}
                tf_same(tensorflow, DENSE + suffix, given)


def test_tensorflow_overflows_in_float16(tensorflow):
    many = np.zeros((1, 70000), np.float16)
    with np.errstate(all="raise"):
        assert our_tf.reduce_logsumexp(many) == np.inf
        assert (our_tf.softmax(many) == 0).all()
        assert (our_tf.log_softmax(many) == -np.inf).all()
        loss = our_tf.sparse_softmax_cross_entropy_with_logits([0], many)
        assert loss == np.float16(np.log(70000))  # computed in float32, and rounded once
    tf_same(tensorflow, "reduce_logsumexp", {"input_tensor": many})
    for name in ("softmax", "log_softmax"):
        tf_same(tensorflow, name, {"logits": many})
    tf_same(tensorflow, SPARSE, {"labels": np.array([0]), "logits": many})


ONE_DNN = """
import numpy as np, tensorflow as tf
from companion.equivalents import tensorflow as ours
rows = np.array([[np.inf, 0, 1], [np.nan, 0, 1], [0, -np.inf, np.inf], [2, 0, 1]], np.float32)
theirs = tf.nn.softmax(rows).numpy()
odd = ~(rows < np.inf)
assert np.isnan(theirs[odd]).all() and (theirs[:3][~odd[:3]] == 0).all(), theirs
assert np.isnan(ours.softmax(rows)[:3]).all()
np.testing.assert_allclose(ours.softmax(rows)[3], theirs[3], rtol=1e-6)
for name in ("log_softmax", "softmax"):
    for dtype in (np.float32, np.float64)[name == "softmax":]:
        np.testing.assert_allclose(getattr(ours, name)(rows.astype(dtype)),
                                   getattr(tf.nn, name)(rows.astype(dtype)), rtol=1e-6)
"""


def test_tensorflow_softmax_of_onednn_is_nan_at_odd_entries_only():
    """Which is said in the docstring of softmax, and is not what is specified."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ONE_DNN],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_tensorflow_names_order_and_defaults(tensorflow):
    for name in ("softmax", "log_softmax", "reduce_logsumexp", DENSE, SPARSE):
        theirs = getattr(tensorflow if name.startswith("reduce") else tensorflow.nn, name)
        theirs = inspect.signature(theirs).parameters.values()
        ours = inspect.signature(getattr(our_tf, name)).parameters.values()
        assert [(p.name, p.default) for p in ours] == [
            (p.name, p.default) for p in theirs if p.name != "name"
        ]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_tensorflow_softmax(tensorflow, name):
    ours, theirs = getattr(our_tf, name), getattr(tensorflow.nn, name)
    for axis in (None, 0, -1):
        tf_agrees(tensorflow, ours, theirs, "logits", logits=draw((3, 4)), axis=axis)
        agree(ours(draw((2, 3, 4)), axis), theirs(draw((2, 3, 4)), axis))
        agree(ours(draw((3, 4)).astype("f2"), axis), theirs(draw((3, 4)).astype("f2"), axis))
    agree(ours(ODD_ROWS), theirs(ODD_ROWS))


def test_tensorflow_logsumexp(tensorflow):
    ours, theirs = our_tf.reduce_logsumexp, tensorflow.reduce_logsumexp
    for axis in (None, 0, -1, (0, 2)):
        for keepdims in (False, True):
            given = {"input_tensor": draw((2, 3, 4)), "axis": axis, "keepdims": keepdims}
            tf_agrees(tensorflow, ours, theirs, "input_tensor", **given)
    for x in (ODD_ROWS, np.zeros((2, 0))):
        agree(ours(x, -1), theirs(x, -1))
    agree(ours(np.float64(3)), theirs(np.float64(3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_tensorflow_soft_labels(tensorflow, axis, dtype):
    probs = draw_probs((2, 3, 4), axis=axis)
    one_row = np.take(probs, [0], axis)  # one number for all classes of an example
    for logits in (draw((2, 3, 4), R=1).astype(dtype), draw((2, 3, 4), R=30).astype(dtype)):
        for some in (probs, 3 * probs, probs - 0.2, one_row):
            tf_loss_agrees(tensorflow, DENSE, labels=some, logits=logits, axis=axis)
    logits, labels = draw((2, 3, 4)).astype(dtype), draw_probs((6, 4))
    for some in (labels, labels[0], labels[None, :1]):  # flattened, then broadcast
        tf_loss_agrees(tensorflow, DENSE, labels=some, logits=logits)


def test_tensorflow_gradient_is_the_slope_of_the_loss_only_if_labels_sum_to_1():
    for scale, right in [(1, True), (2, False)]:
        arguments = {"logits": draw((5, 3)), "labels": scale * draw_probs((5, 3))}
        slope = numerical_of(
            lambda **a: getattr(our_tf, DENSE)(**a).sum(), "logits", **arguments
        )
        weight = np.random.default_rng(9).normal()
        ours = weight * getattr(our_tf, f"{DENSE}_grad")(**arguments)
        assert np.allclose(ours, slope, **GRADIENT) == right


def test_tensorflow_odd_rows(tensorflow):
    for target in ODD_TARGETS:
        labels = np.broadcast_to(np.array(target, float), ODD_ROWS.shape)
        tf_loss_agrees(tensorflow, DENSE, labels=labels, logits=ODD_ROWS)
    for label in range(3):
        labels = np.full(len(ODD_ROWS), label)
        tf_loss_agrees(tensorflow, SPARSE, labels=labels, logits=ODD_ROWS)


@pytest.mark.parametrize("shape", [(4,), (5, 3), (2, 5, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tensorflow_integer_labels(tensorflow, dtype, shape):
    labels = np.random.default_rng(1).integers(shape[-1], size=shape[:-1])
    for R in (1, 30):
        for kind in (np.int32, np.int64):
            case = {"labels": np.array(labels, kind), "logits": draw(shape, R=R).astype(dtype)}
            tf_loss_agrees(tensorflow, SPARSE, **case)


TF_REFUSES = {
    "label too large": ([0, 3], draw((2, 3))),
    "label -1": ([0, -1], draw((2, 3))),
    "float labels": ([0.0, 1.0], draw((2, 3))),
    "uint8": (np.array([0, 1], np.uint8), draw((2, 3))),
    "column": ([[0], [1]], draw((2, 3))),
    "integer logits": ([0, 1], [[1, 2, 3], [1, 2, 3]]),
    "number": (0, 1.0),
}


@pytest.mark.parametrize("label", [3, -1])
def test_errors_name_the_label_that_is_out_of_range(label):
    with pytest.raises(IndexError, match=rf"^Target {label} is out of bounds"):
        our_torch.cross_entropy(draw((2, 3)), np.array([0, label]))
    with pytest.raises(IndexError, match=rf"label value of {label} .* range of \[0, 3\)"):
        our_tf.sparse_softmax_cross_entropy_with_logits([0, label], draw((2, 3)))


@pytest.mark.parametrize("case", TF_REFUSES)
def test_tensorflow_refuses(tensorflow, case):
    error = (ValueError, tensorflow.errors.InvalidArgumentError)
    with pytest.raises(error):
        tensorflow.nn.sparse_softmax_cross_entropy_with_logits(*TF_REFUSES[case])
    with pytest.raises((ValueError, IndexError, TypeError)):
        our_tf.sparse_softmax_cross_entropy_with_logits(*TF_REFUSES[case])


def test_tensorflow_refuses_labels_that_do_not_broadcast(tensorflow):
    pair = np.ones((2, 2)), draw((2, 3))
    with pytest.raises(tensorflow.errors.InvalidArgumentError, match="broadcastable"):
        tensorflow.nn.softmax_cross_entropy_with_logits(*pair)
    with pytest.raises(ValueError, match="broadcastable"):
        our_tf.softmax_cross_entropy_with_logits(*pair)


# Keras, on TensorFlow

LOSSES = (
    "CategoricalCrossentropy SparseCategoricalCrossentropy BinaryCrossentropy KLDivergence"
).split()
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]
# Probabilities, and what is passed for them by mistake: logits, percentages, nothing.
PREDICTIONS = {
    "probabilities": draw_probs((4, 3)),
    "sure": np.eye(3)[[0, 1, 2, 0]],
    "nearly sure": np.abs(np.eye(3)[[0, 1, 2, 0]] - 1e-8),
    "logits": draw((4, 3)),
    "percent": 100 * draw_probs((4, 3)),
    "zeros": np.zeros((4, 3)),
    "large": 1e4 * draw((4, 3)),
}


def keras_tf(keras):
    return keras.src.backend.tensorflow.nn.tf


def keras_same(keras, name, made, args):
    """The outcome of a loss or layer of ours and of Keras's, made and called alike."""
    kind = getattr(keras.layers if name == "Softmax" else keras.losses, name)
    mask = {"mask": args[1]} if name == "Softmax" and len(args) > 1 else {}
    called = args[:1] if name == "Softmax" else args
    theirs = outcome(lambda: kind(**made)(*called, **mask).numpy())
    ours = outcome(lambda: getattr(our_keras, name)(**made)(*args))
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    size = 1.0 if name == "Softmax" else size_of(*arrays)
    eps = eps_of(theirs) if isinstance(theirs, np.ndarray) else 1
    same(ours, theirs, eps, size, tf_error(keras_tf(keras)))


@pytest.mark.parametrize("name", random_calls.KERAS_ARGUMENTS)
def test_keras_random_calls(keras, name):
    @calls(200)
    @hypothesis.given(random_calls.KERAS_ARGUMENTS[name]())
    def check(call):
        keras_same(keras, name, *call)

    check()


@every_dtype
@pytest.mark.parametrize("name", LOSSES)
def test_keras_degenerate_batches(keras, name, dtype):
    sparse = name.startswith("Sparse")
    options = [{}]
    if name != "KLDivergence":
        options = [{"from_logits": False}, {"from_logits": True}]
    if sparse:
        options += [given | {"ignore_class": 0} for given in options]
    if name.startswith(("Cat", "Bin")):
        options += [given | {"label_smoothing": 0.2} for given in options]
    reductions = ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]
    for shape, given, reduction in itertools.product(EMPTY[:5], options, reductions):
        made = given | {"reduction": reduction, "dtype": dtype.name}
        y_true = np.zeros(shape[:-1] if sparse else shape)
        for weight in (None, np.zeros(shape[:-1])):
            keras_same(keras, name, made, (y_true, np.zeros(shape), weight))


@pytest.mark.parametrize("name", LOSSES)
def test_keras_names_order_and_defaults(keras, name):
    theirs = inspect.signature(getattr(keras.losses, name)).parameters.values()
    ours = inspect.signature(getattr(our_keras, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_keras_epsilon(keras):
    assert keras.config.epsilon() == our_keras.EPSILON
    assert keras.config.floatx() == our_keras.Loss().dtype == np.float32


def truth(name, rows):
    if name.startswith("Sparse"):
        return np.random.default_rng(1).integers(3, size=rows)
    return draw_probs((rows, 3), seed=1)


def keras_agrees(keras, name, y_true, y_pred, sample_weight=None, gradient=True, **given):
    """Our loss and Keras's in float32 and float64, and their slopes in the predictions."""
    for dtype in ("float32", "float64"):
        theirs = getattr(keras.losses, name)(**given, dtype=dtype)
        ours = getattr(our_keras, name)(**given, dtype=dtype)
        value = theirs(y_true, y_pred, sample_weight)
        agree(ours(y_true, y_pred, sample_weight), value)
    if gradient:
        given = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight}
        _, slope, _ = tape_of(keras_tf(keras), theirs, "y_pred", **given)
        np.testing.assert_allclose(numerical_of(ours, "y_pred", **given), slope, **GRADIENT)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_keras_losses(keras, name, prediction, from_logits):
    given = {"from_logits": from_logits} if name != "KLDivergence" else {}
    # Slopes where the loss has one, and not on the edge of the clip.
    smooth = prediction not in ("large", "sure", "nearly sure")
    gradient = (smooth and ("from_logits" in given and from_logits)) or (
        prediction == "probabilities"
    )
    for reduction in REDUCTIONS:
        given["reduction"] = reduction
        y_true, y_pred = truth(name, 4), PREDICTIONS[prediction]
        keras_agrees(keras, name, y_true, y_pred, **given, gradient=gradient)
        keras_agrees(keras, name, y_true, y_pred, np.arange(4), **given, gradient=False)
        keras_agrees(keras, name, y_true, y_pred, np.ones((4, 1)), **given, gradient=False)
        keras_agrees(keras, name, y_true, y_pred, 0, **given, gradient=False)


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "BinaryCrossentropy"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_label_smoothing_and_axis(keras, name, axis, from_logits):
    for shape in ((4, 3), (2, 3, 4)):
        # Probabilities along the axis, so that TensorFlow's gradient is the slope.
        y_true, y_pred = draw_probs(shape, axis=axis), draw_probs(shape, seed=2, axis=axis)
        for label_smoothing in (0.0, 0.2):
            given = {
                "axis": axis,
                "label_smoothing": label_smoothing,
                "from_logits": from_logits,
            }
            # ... which smoothing by the length of another axis undoes
            last = axis in (-1, len(shape) - 1)
            slope = last or not label_smoothing or name.startswith("Binary") or not from_logits
            keras_agrees(keras, name, y_true, y_pred, **given, reduction=None, gradient=slope)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_keras_ignore_class(keras, reduction, from_logits):
    name = "SparseCategoricalCrossentropy"
    given = {"reduction": reduction, "from_logits": from_logits, "ignore_class": -1}
    y_pred = draw_probs((2, 3, 4))
    for y_true in ([[0, 3, -1], [-1, 2, 1]], [[-1] * 3] * 2, [[0] * 3] * 2):
        y_true = np.array(y_true)
        keras_agrees(keras, name, y_true, y_pred, **given)
        keras_agrees(keras, name, y_true[..., None], y_pred, **given)
        weight = np.arange(6.0).reshape(2, 3)
        keras_agrees(keras, name, y_true, y_pred, weight, **given)


def test_keras_sparse_labels_are_cut_and_may_be_a_column(keras):
    name, y_pred = "SparseCategoricalCrossentropy", draw_probs((2, 3))
    for y_true in ([0, 2], [[0], [2]], [0.7, 1.9]):
        keras_agrees(keras, name, np.array(y_true), y_pred, reduction=None)
    refused = {"too large": [0, 3], "negative": [0, -1], "one-hot": [[1, 0, 0], [0, 1, 0]]}
    theirs = (ValueError, keras_tf(keras).errors.InvalidArgumentError)
    for y_true in refused.values():
        with pytest.raises(theirs):
            getattr(keras.losses, name)()(np.array(y_true), y_pred)
        with pytest.raises((IndexError, ValueError)):
            getattr(our_keras, name)()(np.array(y_true), y_pred)
    for module in (keras.losses, our_keras):
        with pytest.raises(ValueError, match="Only axis=-1"):
            getattr(module, name)(axis=0)(np.zeros((3,)), np.zeros((3, 3)))
        with pytest.raises(ValueError, match="reduction"):
            getattr(module, name)(reduction="max")
        with pytest.raises(ValueError, match="same shape"):
            module.CategoricalCrossentropy()(np.zeros((2, 1)), y_pred)


def test_keras_empty_batches(keras):
    for name in LOSSES:
        for reduction in REDUCTIONS:
            for shape in ((0, 3), (0, 2, 3)):
                y_true = np.zeros(shape[:-1] if name.startswith("Sparse") else shape)
                given = {"reduction": reduction, "gradient": False}
                keras_agrees(keras, name, y_true, np.zeros(shape), **given)


def test_keras_caps_the_loss_at_16_118_and_stops_the_gradient(keras):
    cap = -np.log(our_keras.EPSILON)
    for name, y_true in [("CategoricalCrossentropy", [[1.0, 0.0]]),
                         ("SparseCategoricalCrossentropy", [0]),
                         ("KLDivergence", [[1.0, 0.0]])]:  # fmt: skip
        loss = getattr(our_keras, name)(dtype="float64")
        wrong = np.array([[1e-9, 1 - 1e-9]])
        assert abs(loss(y_true, wrong) - cap) < 1e-5
        # A step of 1e-10 stays below the clip: the loss does not move.
        moved = loss(y_true, wrong + np.array([[1e-10, 0]]))
        assert moved == pytest.approx(loss(y_true, wrong), abs=1e-9)
        theirs = getattr(keras.losses, name)(dtype="float64")
        given = {"y_true": np.array(y_true), "y_pred": wrong}
        slope = tape_of(keras_tf(keras), theirs, "y_pred", **given)[1]
        # -1e9 without the clip; what is left comes from dividing by the sum
        assert abs(slope[0, 0]) < 2


def test_keras_softmax_layer(keras):
    for axis in (-1, 0, 1, (0, 1), (1, 2)):
        for dtype in ("float16", "float32", "float64"):
            theirs, ours = (
                keras.layers.Softmax(axis, dtype=dtype),
                our_keras.Softmax(axis, dtype),
            )
            x = draw((2, 3, 4))
            agree(ours(x), theirs(x))
            for seed in range(3):
                mask = np.random.default_rng(seed).integers(2, size=(2, 3, 4)).astype(bool)
                agree(ours(x, mask), theirs(x, mask=mask))
    ours, theirs = our_keras.Softmax(dtype="float64"), keras.layers.Softmax(dtype="float64")
    agree(ours(ODD_ROWS), theirs(ODD_ROWS))
    tf_agrees(keras_tf(keras), ours, theirs, "inputs", inputs=draw((3, 4)))


# Versions


def minor(version):
    return tuple(int(part) for part in version.split(".")[:2])


SPECIFICATIONS = {"torch": our_torch, "tensorflow": our_tf, "keras": our_keras}


@pytest.mark.parametrize("framework", SPECIFICATIONS)
def test_versions_are_said_and_are_those_that_the_package_admits_and_tests(framework):
    oldest, newest = SPECIFICATIONS[framework].VERSIONS
    said = oldest if oldest == newest else f"{oldest} to {newest}"
    assert f"version {said}" in SPECIFICATIONS[framework].__doc__.replace("\n", " ")
    exact = re.search(
        rf"^{framework}==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M
    )[1]
    assert minor(exact) == minor(newest)  # what our own builds have
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [r for rs in project["optional-dependencies"].values() for r in rs]
    (floor,) = [r.split(">=")[1] for r in extras if r.startswith(f"{framework}>=")]
    if floor != oldest:  # then it is said that the rest of the range is not spoken for
        assert f"{floor} and newer" in SPECIFICATIONS[framework].__doc__
    assert minor(importlib.metadata.version(framework)) >= minor(oldest)


def test_a_lazy_module_that_is_not_there_has_no_attributes():
    missing = native.Lazy("no_such_module_at_all")
    assert not hasattr(missing, "softmax")
    assert not hasattr(missing, "__wrapped__")  # what inspect.unwrap and doctest ask
    with pytest.raises(AttributeError, match="cannot be imported"):
        _ = missing.softmax


def test_the_exercises_name_every_chapter():
    topics = set(re.findall(r"`(\w+)`", exercises.__doc__)) - {"check", "hint", "solution"}
    assert topics == set(exercises.TOPICS)
