"""Probabilities, as answers about gradients form them, and the switches of that.

Nearly all gradients of this book begin with a softmax, so their exercises share its faults.
"""

import collections

import numpy as np

from companion.exercises.common import (
    CLIPS,
    PRECISIONS,
    SHIFT,
    SUMS,
    in_two,
    shift_of,
    sum_of,
    unit_of,
)
from companion.exercises.probes import array, large_rows
from companion.exercises.says import say
from companion.exercises.switches import Switch

# Calls that differentiate by themselves.
DIFFERENTIATES = ("grad", "backward", "gradient", "value_and_grad", "vjp", "jvp")
DIFFERENTIATES += ("jacobian", "jacrev", "jacfwd", "numerical_gradient", "approx_fprime")

TURNED = "All signs are turned round"


def large_batches():
    """The rows of `large_rows`, in fewer calls; each kind is told by its entries."""
    pairs = array([700, -3000], [30, 0], [55, 0], [95, 0])
    fours = array([400, 400, 400, -400], [1400, 0, 0, 0])
    highs = array([3000, -5, -6], [-5, 3000, -6], [-6, -5, 3000])
    lows = array([-3000, 5, 6], [6, -3000, 5], [5, 6, -3000])
    two_rows = [rows for rows in large_rows() if len(rows) == 2]  # float32, the largest size
    apart = array([0, 1], [-1000, -1001], [-2000, -2001], [2000, 2001])
    return [array([1000, 1001]), *two_rows, fours, np.vstack([highs, lows]), pairs, apart]


# Probabilities, as an answer forms them: the start of nearly all gradients.


def probs_of(
    z, *, shift="row", sums="row", base="e", clip=np.inf, epsilon=0.0, precision="float64",
    inside="softmax", floor=0.0, both_ends=0.0,
):  # fmt: skip
    """What an answer uses as probabilities: softmax of z, or something else."""
    if inside == "logits":
        return np.asarray(z, dtype=float)
    if inside == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if inside == "ones":
        return np.ones(z.shape)
    z = np.asarray(z if base == "e" else unit_of(base) * z, dtype=float)
    z = (np.clip(z, -clip, clip) if clip < np.inf else z).astype(precision)
    shifted = z - shift_of(z, shift)
    probs, total = np.exp(shifted), np.ones((), dtype=precision)
    if sums == "alone":
        total = probs
    elif sums != "none":
        total = sum_of(probs, sums) + np.asarray(epsilon, dtype=precision)
    if inside == "log":
        return (shifted - np.log(total)).astype(float)
    probs = (probs / total).astype(float)
    if floor or both_ends:
        probs = np.clip(probs, floor or both_ends, 1 - both_ends)
    return np.log(probs) if inside == "log of probs" else probs


def shifts():
    """The switches of what is subtracted before exp, the rare ones in fewer combinations."""
    return in_two("shift", SHIFT, set(SHIFT) - {"none", "whole"})


def sums():
    """The switch of what the exponentials are divided by."""
    none = "The exponentials are not divided by their sum, so no row adds up to 1."
    return Switch("sums", SUMS | {"none": none})


LOGS = "The formula holds log-probabilities. It asks for the probabilities themselves."


def inside():
    """The switch of what stands where the probabilities belong."""
    return Switch(
        "inside",
        {
            "logits": "The formula holds the logits themselves. Turn them into probabilities "
            "first.",
            "sigmoid": "Each logit goes through a sigmoid alone. The probabilities of a row "
            "share one sum, so each depends on all logits.",
            "log": LOGS,
            "log of probs": LOGS,
        },
        most=2,
    )


def powers():
    """The switch of the base of the exponentials."""
    text = "The exponentials are powers of {base}. The slopes belong to a softmax of base e."
    return Switch(
        "base", {how: say(text, base=n) for how, n in (("two", 2), ("ten", 10))}, most=1
    )


def sum_epsilon():
    """The switch of a small number added to the sum of the exponentials."""
    text = (
        "You add {value:g} to the sum of the exponentials, so probabilities come out too "
        "small. After the right shift the sum is at least 1 and needs no protection."
    )
    values = (1e-3, 1e-4, 1e-5)
    return Switch("epsilon", {e: say(text, value=e) for e in values}, most=2)


def floors(values):
    """Small numbers that results hold, or multiples of them: a bound of probabilities shows."""
    seen = collections.Counter()
    for v in values:
        sizes = np.unique(np.abs(v))
        sizes = sizes[(sizes > 1e-10) & (sizes < 5e-3)]
        sizes = np.concatenate([sizes, sizes * len(v)]) if v.ndim else sizes
        seen.update({float(f"{size:.2e}") for size in sizes.tolist()})
        parts = np.divide.outer(sizes, np.arange(1, 7))  # entries of v, features
        seen.update({float(f"{part:.2e}") for part in parts.ravel().tolist()})
    return [number for number, count in seen.most_common(4) if count >= 4]


def kept():
    """The switches of probabilities that are kept from 0, or from 0 and 1."""
    ends = {"floor": "0", "both_ends": "0 and 1"}
    text = (
        "Probabilities are kept from {ends} by {value:.3g}, so the slopes of rare classes are "
        "wrong. No logarithm is taken here, so nothing needs that."
    )

    def switch(name):
        def says(value):
            return say(text, ends=say(ends[name]), value=value)

        listed = {1e-6: says(1e-6)}
        return Switch(name, listed, guess=floors, says=says, most=2)

    return switch("floor"), switch("both_ends")


def clip():
    """The switch of logits that are clipped."""
    values = (10, 20, 30, 50, 80, 88, 100, 500, 700, 709)
    return Switch("clip", dict.fromkeys(values, CLIPS), most=1)


def precision():
    """The switch of the type that an answer computes in."""
    return Switch("precision", PRECISIONS, most=2)
