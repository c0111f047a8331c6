"""Switches that many exercises share: what is subtracted before exp, sums, bases, epsilons.

Each comes in two halves: a function that does it in any position, and the sentences. A
sentence says what holds of every answer in that position, whatever else is wrong with it.
"""

import numpy as np

from companion.exercises.says import say
from companion.exercises.switches import Switch

# What is subtracted from logits before exp.

SHIFT = {
    "none": "Large logits overflow: exp(1000) is inf. A number that is subtracted from all "
    "logits of a row changes nothing in the end; choose one that keeps exp at 1 or below.",
    "whole": "One number is subtracted from the whole batch, its largest logit. A row that "
    "lies far below it underflows to zeros. Each row needs its own.",
    "minimum": "You subtract the smallest logit of a row, so the exponents grow instead of "
    "shrinking. What must stay small is the largest one.",
    "mean": "You subtract the mean of a row, which leaves large exponents where one logit "
    "stands far above the others. Only one choice bounds them all.",
    "whole mean": "You subtract the mean of the whole batch. It bounds no exponent; each row "
    "has a number that does.",
    "median": "You subtract the median of a row, which leaves large exponents where one logit "
    "stands far above the others. Only one choice bounds them all.",
    "middle": "You subtract the middle between the smallest and the largest logit of a row, so "
    "half of a wide gap is still an exponent above 0. Go all the way up.",
    "absolute": "You subtract the largest absolute value. Rows that are far below 0 then "
    "underflow to zeros. Take the largest value with its sign.",
    "whole absolute": "You subtract the largest absolute value of the whole batch. Each row "
    "needs its own number, with its sign.",
    "first": "You subtract the first logit of a row. Where a later one is far larger, exp "
    "overflows. Which logit is the largest changes from row to row.",
    "last": "You subtract the last logit of a row. Where an earlier one is far larger, exp "
    "overflows. Which logit is the largest changes from row to row.",
    "columns": "You subtract the largest logit of each column. The numbers that compete stand "
    "in a row, and each row needs its own maximum.",
    "laid": "The maxima of the rows are laid along the columns. Keep the reduced axis with "
    "length 1, so that each maximum meets its own row.",
}


def shift_of(x, how, axis=-1):
    """What an answer subtracts from logits before exp.

    Parameters
    ----------
    x : ndarray
    how : str
        "row", which is right, or a key of SHIFT.
    axis : int
        Of the classes.

    Returns
    -------
    ndarray or float

    Examples
    --------
    >>> shift_of(np.array([[1.0, 5.0]]), "row")
    array([[5.]])
    """
    keep = {"axis": axis, "keepdims": True}
    match how:
        case "row":
            return x.max(**keep)
        case "none":
            return 0.0
        case "whole":
            return x.max()
        case "minimum":
            return x.min(**keep)
        case "mean":
            return x.mean(**keep)
        case "whole mean":
            return x.mean()
        case "median":
            return np.median(x, **keep)
        case "middle":
            return (x.max(**keep) + x.min(**keep)) / 2
        case "absolute":
            return np.abs(x).max(**keep)
        case "whole absolute":
            return np.abs(x).max()
        case "first":
            return np.take(x, [0], axis=axis)
        case "last":
            return np.take(x, [-1], axis=axis)
        case "columns":
            return x.max(axis=0, keepdims=True)
        case "laid":
            return x.max(axis=axis)
    raise ValueError(f"how must be 'row' or a key of SHIFT; got {how!r}.")


def shift(**others):
    """The switch of what is subtracted, with some sentences of an exercise's own.

    Parameters
    ----------
    **others : str or None
        Instead of those of SHIFT. None leaves a position out.

    Returns
    -------
    Switch
    """
    wrong = SHIFT | others
    return Switch("shift", {how: said for how, said in wrong.items() if said is not None})


CLIPS = (
    "Logits are clipped, so those that lie beyond become equal. A shift keeps their "
    "difference; a clip destroys it."
)


def in_two(keyword, sentences, rare):
    """A switch in two: rare positions are looked for beside one other fault at most.

    Parameters
    ----------
    keyword : str
        Of the family.
    sentences : dict
        From each position to its sentence; None leaves a position out.
    rare : collection
        Positions.

    Returns
    -------
    tuple of Switch
    """
    said = {how: text for how, text in sentences.items() if text is not None}
    often = {how: text for how, text in said.items() if how not in rare}
    seldom = {how: text for how, text in said.items() if how in rare}
    return Switch(keyword, often), Switch(keyword, seldom, most=2)


# Over what a sum runs.

SUMS = {
    "whole": "One sum serves the whole batch. Each row is one example and has a sum of its "
    "own: give the sum an axis.",
    "columns": "The sum runs down the columns. The classes of one example lie in a row, on the "
    "last axis.",
    "laid": "The sums of the rows are laid along the columns. Keep the summed axis with length "
    "1, so that each sum meets its own row.",
}


def sum_of(x, how, axis=-1):
    """The sum that an answer divides by, or takes the logarithm of.

    Parameters
    ----------
    x : ndarray
    how : str
        "row", which is right, or a key of SUMS.
    axis : int
        Of the classes.

    Returns
    -------
    ndarray or float

    Examples
    --------
    >>> sum_of(np.array([[1.0, 5.0]]), "row")
    array([[6.]])
    """
    match how:
        case "row":
            return x.sum(axis=axis, keepdims=True)
        case "whole":
            return x.sum()
        case "columns":
            return x.sum(axis=0, keepdims=True)
        case "laid":
            return x.sum(axis=axis)
    raise ValueError(f"how must be 'row' or a key of SUMS; got {how!r}.")


# Both at once, by one slip.

AXIS = {
    "columns": "Your columns are normalised, not your rows. Each row is one example, and its "
    "classes lie on the last axis.",
    "whole": "Maximum and sum are those of the whole batch. Each row is one example and has "
    "its own: give both an axis.",
    "laid": "The maxima and the sums of the rows are laid along the columns. Keep the reduced "
    "axis with length 1, in both.",
}


def axis(**others):
    """The switch that sets shift and sums to the same fault.

    Parameters
    ----------
    **others : str
        Instead of the sentences of AXIS.

    Returns
    -------
    Switch
    """
    return Switch("axis", AXIS | others, {how: {"shift": how, "sums": how} for how in AXIS})


# Bases of logarithms.

BASES = {
    "two": "These are bits, logarithms to base 2. The book counts in nats: use the natural "
    "logarithm.",
    "ten": "These are logarithms to base 10. The book counts in nats: use the natural one.",
}


def unit_of(base):
    """What a result in nats is divided by: 1.0, or log 2, or log 10.

    Examples
    --------
    >>> unit_of("e"), unit_of("ten")
    (1.0, 2.302585092994046)
    """
    return {"e": 1.0, "two": float(np.log(2)), "ten": float(np.log(10))}[base]


# Small numbers that are to keep a logarithm from 0.

SMALL = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)  # others are guessed
ADDED = (
    "{value:.3g} is added inside the logarithm, so no loss exceeds {ceiling:.1f}, just where "
    "the model is most wrong. Avoid forming the probability instead."
)
CLIPPED = (
    "Probabilities are clipped at {value:.3g}, so no loss exceeds {ceiling:.1f}, just where "
    "the model is most wrong. Avoid forming the probability instead."
)


def ceilings(values):
    """Small numbers whose logarithm, negative, is the largest number that an answer gave."""
    largest = [np.abs(v).max(initial=0.0) for v in values if np.isfinite(v).all()]
    return [np.exp(-max(largest))] if largest and 1 < max(largest) < 740 else []


def small_number(name, template, values=SMALL, *, both=(), guess=None, most=2):
    """A switch for a small number that an answer adds or clips at.

    Parameters
    ----------
    name : str
        Keyword of the family.
    template : str or callable
        With {value} and {ceiling}, which is -log(value); or from a value to a template.
    values : sequence of float
        That people use.
    both : sequence of float
        Those at which it clips above 1 - value, too: the keyword `upper`.
    guess : callable or None
    most : int
        As of Switch.

    Returns
    -------
    Switch
    """

    def says(value):
        words = template(value) if callable(template) else template
        return say(words, value=value, ceiling=-np.log(value))

    ends = {f"both {value:g}": value for value in both}
    wrong = {value: says(value) for value in values}
    wrong |= {end: says(value) for end, value in ends.items()}
    sets = {end: {name: value, "upper": True} for end, value in ends.items()}
    return Switch(name, wrong, sets=sets, guess=guess, says=says, most=most)


# Reductions of one loss per example.

MEAN = "You return the mean over the batch. Give one number for each row; the caller reduces."
SUM = "You return the sum over the batch. Give one number for each row; the caller reduces."


def reduced(losses, how):
    """Losses, one per example, as an answer hands them back: "none", "mean" or "sum"."""
    return {"none": lambda: losses, "mean": losses.mean, "sum": losses.sum}[how]()


# The type in which an answer computes.

PRECISIONS = {
    "float16": "You compute in float16, which keeps three digits. Stay in the precision that "
    "came in.",
    "float32": "You compute in float32, which keeps seven digits. Stay in the precision that "
    "came in.",
}

INTEGERS = (
    "Integer logits lose their fractions: an array made like them (zeros_like, empty_like, "
    "copy) holds integers. Ask for floats."
)


def truncated(result, x, kind):
    """A result as an array of the argument's type holds it, if `kind` is "like"."""
    return result.astype(x.dtype) if kind == "like" else result
