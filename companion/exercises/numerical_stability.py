"""Exercises of the chapter *Numerical stability*."""

import itertools
from collections import Counter

import numpy as np

import companion
from companion.exercises.common import (
    ADDED,
    AXIS,
    BASES,
    CLIPPED,
    CLIPS,
    INTEGERS,
    MEAN,
    PRECISIONS,
    SHIFT,
    SUM,
    SUMS,
    axis,
    ceilings,
    in_two,
    reduced,
    shift_of,
    small_number,
    sum_of,
    truncated,
    unit_of,
)
from companion.exercises.exercise import FunctionExercise, Mistake, NumberExercise, Switch
from companion.exercises.probes import (
    array,
    labels_for,
    large_rows,
    plain_rows,
    scattered,
    with_labels,
)
from companion.exercises.says import say

TOPIC = "numerical_stability"
LIBRARY = ("softmax", "log_softmax", "logsumexp", "log_sum_parts")


CUT = (
    "Differences are cut off at a limit, so all classes that lie beyond it become alike. Keep "
    "each gap as wide as it is."
)
REFUSED = (
    "Integer logits raise an error: an array of integers takes neither fractions nor -inf. "
    "Make a new array of floats first; the argument itself stays as it is."
)
# "raises" stands for all of them, where numbers tell more than the type of an error.
RAISING = ("raises", "raises OverflowError", "raises ValueError")

MORE_SHIFTS = {
    "first row": "The maximum of the first row serves all rows. Another row may lie far from "
    "it; each needs its own.",
    "running": "The maximum is carried on from row to row. A row far below an earlier one "
    "underflows to zeros: start anew in each row.",
    "from zero": "The maximum is never below 0, as if it started there. A row whose logits "
    "lie far below 0 underflows to zeros: start from the row's own logits.",
    "sum": "You subtract the sum of a row. It bounds no exponent; another number of the row "
    "does.",
    "signed": "You subtract the logit whose absolute value is largest. Where it lies below 0 "
    "it need not be the largest logit, and the exponents of others can be huge.",
}
RARE_SHIFTS = ("median", "middle", "absolute", "whole mean", "whole absolute", "first", "last")
RARE_SHIFTS += tuple(MORE_SHIFTS)

MORE_SUMS = {
    "running": "The sum is never set back to 0, so each row adds to what the rows above it "
    "left. Start a new sum for each row.",
    "mean": "The mean of the exponentials is taken where their sum is asked for.",
}


def _taken(x, how):
    """What is subtracted: by `shift_of`, or a key of MORE_SHIFTS."""
    largest = x.max(axis=-1, keepdims=True)
    match how:
        case "first row":
            return largest[0, 0]
        case "running":
            return np.maximum.accumulate(largest)
        case "from zero":
            return np.maximum(largest, 0)
        case "sum":
            return x.sum(axis=-1, keepdims=True)
        case "signed":
            return np.take_along_axis(x, np.abs(x).argmax(axis=-1)[:, np.newaxis], axis=1)
    return shift_of(x, how)


def _summed(x, how):
    """What is summed: by `sum_of`, or a key of MORE_SUMS, or all classes but one."""
    match how:
        case "running":
            return np.cumsum(x.sum(axis=-1, keepdims=True), axis=0)
        case "mean":
            return x.mean(axis=-1, keepdims=True)
        case "norm":
            return np.linalg.norm(x, axis=-1, keepdims=True)
        case "not first":
            return x[:, 1:].sum(axis=-1, keepdims=True)
        case "not last":
            return x[:, :-1].sum(axis=-1, keepdims=True)
    return sum_of(x, how)


def _in_kind(result, x, kind):
    """The result as floats, or as integers hold it, or the error that integers cause."""
    if kind in RAISING and x.dtype.kind == "i":
        if kind == "raises":
            np.exp(x, out=x.copy())
        x.copy()[...] = -np.inf if kind == "raises OverflowError" else np.nan
    return truncated(result, x, kind).astype(float)


def _hidden(result, how):
    """The result with something else where it is not finite."""
    if how == "no":
        return result
    return np.nan_to_num(result) if how == "large" else np.where(np.isfinite(result), result, 0)


def kinds(**others):
    """The switch of what happens to integers."""
    wrong = {"like": INTEGERS} | dict.fromkeys(RAISING, REFUSED) | others
    return Switch("kind", wrong, most=2)


def _round(number):
    """A power of ten, if rounding has made the difference."""
    nice = 10.0 ** np.round(np.log10(number))
    return nice if abs(number - nice) < 1.15e-16 and nice > 5e-16 else number


def _beside_one(values):
    """Small numbers in a denominator: a sure class gets 1 / (1 + number)."""
    flat = [v for v in values if v.ndim == 2 and 1 in v.shape]
    sure = [1 / v[(v > 0.9) & (v < 1)] - 1 for v in flat]
    numbers = [n for some in sure for n in some if n > 2e-16]
    if not numbers:
        return []
    # Of several, one that people write: a power of ten.
    powers = [10.0 ** np.round(np.log10(n)) for n in numbers]
    nice = [p for n, p in zip(numbers, powers, strict=True) if abs(n - p) < 1e-3 * p + 1.15e-16]
    common = Counter(nice or numbers).most_common(1)
    return [common[0][0]]


def denominator(*listed):
    """The switch of a small number that is added to the sum below the fraction."""

    def says(value):
        return say(
            "You add {value:.3g} to the sum, so rows add up to less than 1. After the right "
            "shift the sum is at least 1 and needs no protection.",
            value=value,
        )

    return Switch("epsilon", {v: says(v) for v in listed}, most=2, guess=_beside_one, says=says)


def shifts(**others):
    """The switches of what is subtracted, with some sentences of an exercise's own."""
    return in_two("shift", SHIFT | MORE_SHIFTS | others, RARE_SHIFTS)


TINY = (
    "Each probability is kept above 0 by {value:.3g}, added or as a limit, so all that lie "
    "below it look alike. Avoid forming the probability instead."
)


def unless_tiny(template):
    """Words for a small number; of a tiny one nothing tells whether it was added or a limit."""
    return lambda value: template if value > 1e-30 else TINY


# softmax: two-dimensional logits to probabilities.


def _softmax_by_loop(x):
    rows = []
    for row in x:
        exps = [np.exp(value - max(row)) for value in row]
        rows.append([e / sum(exps) for e in exps])
    return np.array(rows)


def _softmax_by_pairs(x):
    with np.errstate(over="ignore"):  # a gap that overflows belongs to a probability of 0
        return 1 / np.exp(x[:, None, :] - x[:, :, None]).sum(axis=-1)


def _softmax_by_einsum(x):
    exps = np.exp(x - np.sort(x, axis=1)[:, -1:])
    return exps / np.einsum("nk->n", exps)[:, np.newaxis]


def _scaled(z, how):
    """Logits divided by a number computed from them."""
    keep = {"axis": -1, "keepdims": True}
    match how:
        case "no":
            return z
        case "maximum":
            return z / z.max(**keep)
        case "whole maximum":
            return z / z.max()
        case "absolute":
            return z / np.abs(z).max(**keep)
        case "whole absolute":
            return z / np.abs(z).max()
        case "whole range":
            return (z - z.min()) / (z.max() - z.min())
        case "sum":
            return z / z.sum(**keep)
        case "norm":
            return z / np.linalg.norm(z, **keep)
        case "deviation":
            return (z - z.mean(**keep)) / z.std(**keep)
        case "range":
            return (z - z.min(**keep)) / (z.max(**keep) - z.min(**keep))
    raise ValueError(how)


DIVISORS = {
    "maximum": "the maximum of the row",
    "whole maximum": "the maximum of the batch",
    "absolute": "the largest absolute value of the row",
    "sum": "the sum of the row",
    "norm": "the length of the row",
    "deviation": "the standard deviation of the row",
    "range": "the range of the row",
    "whole absolute": "the largest absolute value of the batch",
    "whole range": "the range of the batch",
}


def scales():
    """The switch of logits that are divided, with and without a shift after it."""
    wrong, sets = {}, {}
    for how, what in DIVISORS.items():
        said = say(
            "Logits are divided by {what}. That changes their differences, on which softmax "
            "rests; subtracting one number from a row would not.",
            what=say(what),
        )
        wrong |= {how: said, f"{how}, shifted": said}
        sets |= {how: {"scale": how, "shift": "none"}, f"{how}, shifted": {"scale": how}}
    return Switch("scale", wrong, sets=sets, most=2)


HIDDEN = {
    "none": "Large logits overflow, and what is then not finite is replaced. Mend the cause: "
    "subtract a number of each row that keeps exp at 1 or below.",
    "whole": "One number is subtracted from the whole batch, and where a low row is not finite "
    "it is replaced. Each row needs its own number.",
}


def hides(most=2, **quotient):
    """The switch of a repair afterwards: nan and inf are replaced by 0, or a huge number."""
    wrong, sets = {}, {}
    for how in ("zero", "large"):
        for shift_, said in HIDDEN.items():
            wrong[f"{how}, {shift_}"] = said
            sets[f"{how}, {shift_}"] = {"hide": how, "shift": shift_}
        for form, said in quotient.items():
            wrong[f"{how}, {form}"] = said
            sets[f"{how}, {form}"] = {"hide": how, "form": form}
    return Switch("hide", wrong, sets=sets, most=most)


ROUNDED = (
    "Small probabilities become 0, as they do where results are rounded. Each is to be kept "
    "with its digits."
)
ALIKE = (
    "Classes far below the largest all get one and the same small probability, as by a clip. "
    "Each keeps the share that its own gap gives it."
)


def _one_class(probs, x):
    return 1 / (1 + np.exp(-x)) if x.shape[1] == 1 else probs


def _softmax_family(
    x, *, shift="row", sums="row", place="both", sign=1, base="e", scale="no", clip=np.inf,
    lowest=None, cut=np.inf, epsilon=0.0, floor=0.0, upper=False,
    precision="float64", hide="no", digits=None, result="probs", kind="float",
):  # fmt: skip
    def rows(z):
        z = _scaled(sign * unit_of(base) * z, scale)
        z = np.clip(z, -clip if lowest is None else lowest, clip).astype(precision)
        taken = _taken(z, shift)
        if place == "after":
            above, below = np.exp(z) - taken, np.exp(z)
        else:
            above = np.exp(np.maximum(z - (taken if place != "below" else 0.0), -cut))
            below = np.exp(np.maximum(z - (taken if place != "above" else 0.0), -cut))
        probs = above / (_summed(below, sums) + epsilon) if sums != "none" else above
        return probs.astype(float)

    probs = _hidden(_in_kind(rows(x), x, kind), hide)
    probs = probs if digits is None else probs.round(int(digits))
    probs = np.clip(probs, floor, 1 - floor if upper else np.inf)
    finish = {"log": np.log, "transposed": np.transpose, "first": lambda p: p[0]}
    finish |= {"squeezed": np.squeeze, "one class": lambda p: _one_class(p, x)}
    finish |= {"probs": lambda p: p}
    return finish[result](probs)


softmax = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="the shift by each row's maximum",
    name="softmax",
    stub='''
def softmax(x):
    """Each row of x, a 2-D array of logits, turned into probabilities."""
    ...
''',
    answer="""
def softmax(x):
    exps = np.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="The largest exponent of each row is 0, so nothing overflows, and the sum is at least "
    "1, so nothing is divided by 0. The shift cancels in the fraction.",
    reference=companion.softmax,
    hints=(
        "Try the row [1000, 0], and then two rows that lie far from each other.",
        "Adding a number to a whole row changes nothing. Which number, one for each row, "
        "keeps exp at 1 or below?",
        "Subtract `x.max(axis=-1, keepdims=True)` before exp, and divide by the sum over the "
        "same axis.",
    ),
    probes=tuple((rows,) for rows in [*plain_rows(), *large_rows()]),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    atol=1e-307,  # small probabilities are wanted with their digits, if they are normal numbers
    rtol=5e-7,  # an epsilon of 1e-6 is one too many
    also_right=(_softmax_by_loop, _softmax_by_pairs, _softmax_by_einsum),
    family=_softmax_family,
    switches=(
        axis(),
        Switch(
            "sums",
            SUMS
            | {
                "none": "The exponentials are not divided by their sum, so no row adds up "
                "to 1.",
                "running": MORE_SUMS["running"],
            },
        ),
        Switch(
            "sums",
            {
                "mean": MORE_SUMS["mean"],
                "norm": "The exponentials are divided by the length of their row, the root of "
                "the sum of squares. Their plain sum is asked for.",
            },
            most=2,
        ),
        scales(),
        *shifts(),
        Switch(
            "place",
            {
                "above": "Only the numerator is shifted. Both parts of the fraction need the "
                "same factor, or it does not cancel.",
                "below": "Only the denominator is shifted. Both parts of the fraction need the "
                "same factor, or it does not cancel.",
                "after": "You subtract from exp(x). The shift belongs inside the exponent, "
                "where it turns into a common factor.",
            },
        ),
        Switch(
            "sign",
            {
                -1: "The smallest logit gets the largest probability: there is a minus too "
                "many in the exponent."
            },
        ),
        Switch(
            "base",
            {
                "two": "These are powers of 2. Softmax is built on base e, so that log-odds "
                "are differences of logits.",
                "ten": "These are powers of 10. Softmax is built on base e, so that log-odds "
                "are differences of logits.",
            },
        ),
        Switch("clip", dict.fromkeys((100, 500, 700), CLIPS), most=2),
        Switch("clip", dict.fromkeys((10, 20, 30, 50, 80, 88, 709), CLIPS), most=1),
        Switch(
            "clip",
            {f"above {v}": CLIPS for v in (50, 80, 88, 100, 500, 700, 709)},
            sets={
                f"above {v}": {"clip": v, "lowest": -np.inf, "shift": "none"}
                for v in (50, 80, 88, 100, 500, 700, 709)
            },
            most=1,
        ),
        Switch(
            "cut", dict.fromkeys((10, 20, 30, 50, 80, 88, 100, 500, 600, 700), ALIKE), most=1
        ),
        Switch(
            "floor",
            dict.fromkeys((1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15), ALIKE)
            | {f"both {v:g}": ALIKE for v in (1e-6, 1e-7, 1e-8, 1e-9)},
            sets={f"both {v:g}": {"floor": v, "upper": True} for v in (1e-6, 1e-7, 1e-8, 1e-9)},
            most=1,
        ),
        denominator(1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
        Switch("precision", PRECISIONS, most=2),
        kinds(),
        hides(most=1),
        Switch("digits", dict.fromkeys((4, 6, 8), ROUNDED), most=2),
        Switch("digits", dict.fromkeys((2, 3, 5, 7, 10), ROUNDED), most=1),
        Switch(
            "result",
            {
                "log": "These are log-probabilities: negative numbers. Probabilities are asked "
                "for.",
                "transposed": "Rows and columns are exchanged in your result. Return the shape "
                "that came in.",
                "first": "You return one row only. There is one distribution for each row of "
                "x.",
                "squeezed": "Axes of length 1 are dropped, so one row, or one class, loses an "
                "axis. Return the shape that came in.",
                "one class": "A single class gets the sigmoid of its logit. Where there is "
                "nothing else to choose, its probability is 1.",
            },
        ),
    ),
    mistakes=(
        Mistake(
            "linear",
            lambda x: x / x.sum(axis=-1, keepdims=True),
            "You share out the scores themselves. Negative scores can then get negative "
            "shares; make them positive with exp first.",
        ),
        Mistake(
            "sigmoid",
            lambda x: 1 / (1 + np.exp(-x)),
            "You squash each logit alone, so a row need not add up to 1. The classes of a row "
            "compete.",
        ),
        Mistake(
            "one-hot",
            lambda x: np.eye(x.shape[-1])[x.argmax(axis=-1)],
            "This is the hard argmax. The other classes keep a share that falls with their "
            "distance to the largest logit.",
        ),
    ),
)


# logsumexp: a tiny rest is kept.


def _lse_loop(x):
    results = []
    for row in x:
        order = np.sort(row)[::-1]
        results.append(order[0] + np.log1p(np.exp(order[1:] - order[0]).sum()))
    return np.array(results)


def _lse_counting(x):
    m = x.max(axis=-1, keepdims=True)
    ties = (x == m).sum(axis=-1)
    rest = np.where(x == m, 0, np.exp(x - m)).sum(axis=-1)
    return m[:, 0] + np.log(ties) + np.log1p(rest / ties)


def _lse_pairwise(x):
    # Smallest first, two at a time: lse(a, b) = max + log1p(exp(-gap)).
    x = np.sort(x, axis=-1)
    total = x[:, 0]
    for k in range(1, x.shape[1]):
        low, high = np.minimum(total, x[:, k]), np.maximum(total, x[:, k])
        total = high + np.log1p(np.exp(low - high))
    return total


def _all_but_own(exps, z, shift, sums):
    """Exponentials, with 0 in place of the term that an answer takes for exp(0)."""
    others = exps.copy()
    if sums == "whole":
        others.flat[z.argmax()] = 0
    elif shift == "columns":
        others[z.argmax(axis=0), np.arange(z.shape[1])] = 0
    else:
        own = {"first": 0, "last": -1, "minimum": z.argmin(axis=-1)}
        own["signed"] = np.abs(z).argmax(axis=-1)
        others[np.arange(len(z)), own.get(shift, z.argmax(axis=-1))] = 0
    return others


def _log_of_sum(exps, z, shift, sums, rest, epsilon):
    """The logarithm that is added to the maximum: of 1 and the rest, if `rest` is "kept"."""
    others = _all_but_own(exps, z, shift, sums)
    total, beside = _summed(exps, sums), _summed(others, sums)
    if rest == "deleted":
        kept = np.delete(exps, z.argmax(axis=-1), axis=1)
        beside = _summed(kept, sums) if sums != "columns" else 0.0
    if rest == "ties":
        beside = _summed(np.where(z == z.max(axis=-1, keepdims=True), 0, exps), sums)
    if rest == "second":
        beside = np.sort(exps, axis=-1)[:, [-2]]
    total, beside = total + epsilon, beside + epsilon
    return {
        "kept": lambda: np.log1p(beside),
        "rounded": lambda: np.log(total),
        "in bits": lambda: np.log2(total),
        "base ten": lambda: np.log10(total),
        "twice": lambda: np.log1p(total),
        "lost": lambda: np.log(beside),
        "ties": lambda: np.log1p(beside),
        "deleted": lambda: np.log1p(beside),
        "second": lambda: np.log1p(beside),
        "mean": lambda: np.log(total * total.size / exps.size),
        "no logarithm": lambda: total,
    }[rest]()


def _lse_family(
    x, *, shift="row", sums="row", rest="kept", back="once", sign=1, base="e", clip=np.inf,
    cut=np.inf, epsilon=0.0, classes="all", start="empty", precision="float64", kind="float",
    shape="row",
):  # fmt: skip
    x = x[:, [0, 1]] if classes == "two" else x
    z = np.clip(x.astype(float), -clip, clip).astype(precision)
    taken = _taken(z, shift)
    exps = np.exp(np.maximum(z - taken, -cut))
    inside = sign * np.squeeze(_log_of_sum(exps, z, shift, sums, rest, epsilon), _flat(sums))
    outside = np.squeeze(taken, _flat(shift)) if np.ndim(taken) == 2 else taken
    if shift == "none" and back == "twice":
        outside = z.max(axis=-1) / 2
    times = {"once": 1, "never": 0, "subtracted": -1, "twice": 2}[back]
    results = (times * outside + inside).astype(float) / unit_of(base)
    if start != "empty":
        results = np.logaddexp(0 if start == "zero" else x[:, 0], results)
    results = _in_kind(np.asarray(results), x, kind)
    return {
        "row": lambda r: r,
        "column": lambda r: r[:, np.newaxis],
        "table": lambda r: (outside[:, np.newaxis] + inside).astype(float),
        "mean": np.mean,
        "sum": np.sum,
        "negative": np.negative,
    }[shape](results)


def _flat(how):
    """The axis of length 1 that was kept by a reduction of this kind."""
    return {"whole": (), "columns": 0, "laid": ()}.get(how, 1)


def _least(values):
    """Small numbers inside the logarithm: what it gives where all else is far smaller."""
    small = [np.abs(v[(v != 0) & (np.abs(v) < 0.1)]).min(initial=1.0) for v in values]
    return [_round(np.expm1(min(small)))] if min(small) < 0.1 else []


def inside_logarithm():
    """The switch of a small number that is added to the sum."""
    says = (
        "{value:.3g} is added inside the logarithm, and a rest that is smaller drowns in it. "
        "After the right shift the largest term is 1, so nothing needs protection."
    )
    return Switch(
        "epsilon",
        {1e-15: say(says, value=1e-15)},
        guess=_least,
        says=lambda value: say(says, value=value),
    )


logsumexp = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="log1p for a sum that is nearly 1",
    name="logsumexp",
    stub='''
def logsumexp(x):
    """log(sum(exp(x))) of each row of x; a tiny rest is kept.

    x: a 2-D array of finite logits.
    """
    ...
''',
    answer="""
def logsumexp(x):
    m = x.max(axis=-1)
    exps = np.exp(x - m[:, np.newaxis])
    exps[np.arange(len(x)), x.argmax(axis=-1)] = 0
    return m + np.log1p(exps.sum(axis=-1))
""",
    why="The largest term is exp(0) = 1. Leaving it out of the sum and adding it inside log1p "
    "keeps a rest of 4e-18 that 1 + 4e-18 would round away.",
    reference=companion.logsumexp,
    hints=(
        "Try the rows [1000, 1000] and [0, -40]. The second answer is about 4e-18, not 0.",
        "Factor the largest exponential out. What is left is the logarithm of 1 plus "
        "something tiny, and NumPy has a function for that.",
        "Set the largest term to 0 after the shift, sum the others, and use "
        "`m + np.log1p(rest)`.",
    ),
    probes=tuple(
        (rows,)
        for rows in [
            *plain_rows(),
            array([2, 2, 1]),
            array([0, -40]),
            array([-40, 0], [-3, 1]),  # the same turned round; a noise of 1e-17 is none here
            array([0, -300]),
            array([0, -40, 0, -41], [-38, -37, -39, 0]),
            *large_rows(),
        ]
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=("logsumexp", "log_softmax", "softmax", "log_sum_parts", "reduce_logsumexp"),
    rtol=1e-6,  # of float32, if the result comes in it
    atol=0.0,  # 4e-18 instead of 0 is the point
    also_right=(_lse_loop, _lse_counting, _lse_pairwise),
    family=_lse_family,
    switches=(
        Switch(
            "axis",
            {
                "columns": "You sum down the columns. Each row is one example, and its classes "
                "lie on the last axis.",
                "whole": AXIS["whole"],
            },
            sets={how: {"shift": how, "sums": how} for how in ("columns", "whole")},
        ),
        Switch("sums", {how: SUMS[how] for how in ("whole", "columns")}),
        Switch(
            "sums",
            {
                "running": MORE_SUMS["running"],
                "not first": "The first class is left out of the sum. All classes of a row "
                "belong to it.",
                "not last": "The last class is left out of the sum. All classes of a row "
                "belong to it.",
            },
            most=2,
        ),
        *shifts(),
        Switch(
            "rest",
            {
                "rounded": "The 1 of the largest term and the rest are added before the "
                "logarithm is taken: of 1 + 4e-18 only 1 is left, for good. Keep the two "
                "apart until then.",
                "in bits": "log2 gives bits, and 1 + 4e-18 is rounded to 1 before it. Use "
                "natural logarithms, and keep the 1 and the tiny rest apart.",
                "base ten": "log10 is not the inverse of exp, and 1 + 4e-18 is rounded to 1 "
                "before it. Use natural logarithms, and keep the 1 and the tiny rest apart.",
                "twice": "A 1 is added to the sum, as log1p does for the largest term, and the "
                "sum contains that term already. It must count once.",
                "lost": "The largest term is left out of the sum and never comes back. The "
                "logarithm must be that of 1 plus the rest.",
                "ties": "All terms that equal the largest are left out, and only one of them "
                "comes back. Two equal largest logits lose one.",
                "deleted": "Where one row has its largest logit, all rows lose their term: "
                "whole columns are left out. Each row must lose its own largest term only.",
                "second": "Only one term is counted beside the largest. All the others of a "
                "row belong to the sum, too.",
                "mean": "This is the logarithm of the mean of the exponentials. The sum is "
                "asked for.",
                "no logarithm": "The sum of the exponentials is added as it is. Its logarithm "
                "is asked for.",
            },
        ),
        Switch(
            "back",
            {
                "never": "The number that you subtract before exp never comes back. It left "
                "the sum as a factor, so its logarithm is to be added.",
                "subtracted": "What is subtracted before exp is subtracted outside, too. It "
                "left the sum as a factor, so its logarithm is added.",
                "twice": "A number is added outside that was never taken out before exp, or it "
                "is added twice. Once gives the logits their old level back.",
            },
        ),
        Switch(
            "sign",
            {
                -1: "The logarithm of the sum is subtracted. The sum is at least as large as "
                "its largest term, so its logarithm is added."
            },
            most=2,
        ),
        Switch("base", BASES, most=2),
        Switch("clip", dict.fromkeys((100, 500, 700), CLIPS), most=2),
        Switch("clip", dict.fromkeys((30, 50, 88), CLIPS), most=1),
        Switch("precision", PRECISIONS, most=2),
        kinds(),
        Switch("cut", dict.fromkeys((10, 20, 30, 50, 80, 88, 100), CUT), most=1),
        inside_logarithm(),
        Switch(
            "start",
            {
                "zero": "A term exp(0) = 1 too many is counted, as by a running value that "
                "starts at 0. Before the first class the sum is 0, and its logarithm -inf.",
                "first": "The first class is counted twice, as by a running value that starts "
                "with it and meets it again.",
            },
            most=2,
        ),
        Switch(
            "classes",
            {
                "two": "Only the first two classes of a row take part. A row may have any "
                "number of them, and all belong to the sum."
            },
            most=2,
        ),
        Switch(
            "shape",
            {
                "column": "Your results stand in a column. One number for each row is asked "
                "for, in shape (N,).",
                "table": "A column and a row are added, which makes a table of N x N. Keep the "
                "axis of the classes in both, or in neither.",
                "mean": MEAN,
                "sum": SUM,
                "negative": "The sign is turned round: log-sum-exp is never below the largest "
                "logit.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "maximum-only",
            lambda x: x.max(axis=-1),
            "This is the hard maximum. Log-sum-exp lies above it, by up to log K when all "
            "logits are equal.",
        ),
        Mistake(
            "sum-of-logs",
            lambda x: x.sum(axis=-1),
            "The logarithm has moved inside the sum, where it cancels exp. Sum the "
            "exponentials first.",
        ),
        Mistake(
            "sum-of-exponentials",
            lambda x: np.exp(x).sum(axis=-1),
            "This is the sum of the exponentials. Its logarithm is asked for, and the sum may "
            "be inf where the logarithm is not.",
        ),
        Mistake(
            "softmax",
            companion.softmax,
            "These are probabilities, K for each row. One number for each row is asked for: "
            "the logarithm of what they were divided by.",
        ),
        Mistake(
            "log-softmax",
            companion.log_softmax,
            "These are log-probabilities. What is subtracted from the logits to get them is "
            "asked for here.",
        ),
    ),
)


# log_softmax.


def _by_pairs_log(x):
    return -np.logaddexp.reduce(x[:, np.newaxis, :] - x[:, :, np.newaxis], axis=-1)


def _gaps_minus_log1p(x):
    results = np.empty(x.shape)
    for n, row in enumerate(x):
        best = row.argmax()
        gaps = row - row[best]
        rest = np.exp(np.delete(gaps, best)).sum()
        results[n] = gaps - np.log1p(rest)
    return results


def _log_softmax_in_two_steps(x):
    gaps = x - np.sort(x, axis=1)[:, -1:]
    return gaps - np.log(np.einsum("nk->n", np.exp(gaps)))[:, np.newaxis]


def _logs_of_quotients(z, taken, sums, place, epsilon, floor, upper):
    """log(softmax), with the logarithm taken last."""
    exps = np.exp(z - taken)
    above = np.exp(z) if place == "inside" else exps
    below = np.exp(z) if place == "outside" else exps
    probs = above / _summed(below, sums) + epsilon
    return np.log(np.clip(probs, floor, 1 - floor) if upper else np.maximum(probs, floor))


def _log_softmax_family(
    x, *, shift="row", sums="row", place="both", form="paper", epsilon=0.0, floor=0.0,
    upper=False, base="e", clip=np.inf, cut=np.inf, precision="float64", hide="no",
    kind="float", result="logs", added=0.0,
):  # fmt: skip
    z = np.clip(x.astype(float), -clip, clip).astype(precision)
    taken = _taken(z, shift)
    if form == "quotient" or epsilon or floor:
        logs = _logs_of_quotients(z, taken, sums, place, epsilon, floor, upper)
    else:
        gaps = np.maximum(z - taken, -cut)
        outside = z if place == "inside" else gaps
        total = _summed(np.exp(z) if place == "outside" else np.exp(gaps), sums) + added
        back = taken if place == "twice" else 0.0
        logs = {
            "paper": lambda: outside - (back + np.log(total)),
            "order": lambda: z - (taken + np.log(total)),
            "gaps": lambda: outside - back,
            "no logarithm": lambda: outside - back - total,
            "added": lambda: outside + (back + np.log(total)),
            "divided": lambda: (outside - back) / np.log(total),
            "in bits": lambda: outside - (back + np.log2(total)),
            "log1p": lambda: outside - (back + np.log1p(total)),
        }[form]()
    logs = _hidden(_in_kind(logs.astype(float) / unit_of(base), x, kind), hide)
    return {
        "logs": lambda r: r,
        "squeezed": np.squeeze,
        "probs": np.exp,
        "negative": np.negative,
        "transposed": np.transpose,
        "floored": lambda r: np.maximum(r, -1000),
        "largest": lambda r: r.max(axis=-1),
    }[result](logs)


def added_to_the_sum():
    """The switch of a small number that is added to the sum of exponentials."""
    says = (
        "{value:.3g} is added to the sum of exponentials. After the right shift that sum is at "
        "least 1, so its logarithm needs no protection."
    )
    return Switch(
        "added",
        {1e-8: say(says, value=1e-8)},
        guess=_least,
        says=lambda value: say(says, value=value),
        most=2,
    )


ADDED_LOGS = (
    "{value:.3g} is added to each probability before the logarithm, so all hopeless classes "
    "look alike. No probability needs to be formed at all."
)
CLIPPED_LOGS = (
    "A clip makes all probabilities below {value:.3g} alike, and with them all hopeless "
    "classes. No probability needs to be formed at all."
)


log_softmax = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="a logarithm taken on paper",
    name="log_softmax",
    stub='''
def log_softmax(x):
    """The logarithm of softmax of each row of x, 2-D with finite logits."""
    ...
''',
    answer="""
def log_softmax(x):
    gaps = x - x.max(axis=-1, keepdims=True)
    return gaps - np.log(np.exp(gaps).sum(axis=-1, keepdims=True))
""",
    why="The logarithm of the quotient is a difference, so a gap of 1000 stays 1000. Taking "
    "the maximum off first keeps the digits of the small logarithm.",
    reference=companion.log_softmax,
    hints=(
        "Try the rows [0, -1000] and [1e15, 1e15].",
        "Take the logarithm of the formula on paper. And subtract the large number before "
        "you add the small one.",
        "With `gaps = x - max`, the result is `gaps - log(sum(exp(gaps)))`, with keepdims.",
    ),
    probes=tuple(
        (rows,)
        for rows in [
            *plain_rows(),
            array([0, -1000]),
            array(
                [1e15, 1e15 - 1], [1e15 - 3, 1e15]
            ),  # no digit of the sum is left beside 1e15
            array([0, -7000, 3]),
            *large_rows(),
        ]
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=LIBRARY,
    # float32 may come back, and the sure class may be 0: to keep it is an exercise of its own.
    rtol=1e-6,
    atol=1e-9,
    also_right=(_by_pairs_log, _gaps_minus_log1p, _log_softmax_in_two_steps),
    family=_log_softmax_family,
    switches=(
        axis(),
        Switch("sums", SUMS),
        Switch("sums", MORE_SUMS, most=2),
        *shifts(),
        Switch(
            "place",
            {
                "inside": "What is subtracted inside the sum is not taken off the logits "
                "outside it. Both need the same shift, or it does not cancel.",
                "outside": "A shift is taken off the logits, but not inside the sum. Both need "
                "the same shift, or it does not cancel.",
                "twice": "The shift is taken off the logits, and once more with the logarithm "
                "of the sum. Once is enough.",
            },
        ),
        small_number("epsilon", unless_tiny(ADDED_LOGS), guess=ceilings),
        added_to_the_sum(),
        small_number("floor", unless_tiny(CLIPPED_LOGS), both=(1e-7, 1e-8), guess=ceilings),
        Switch(
            "form",
            {
                "quotient": "A logarithm is taken of what has gone through exp: exp(-1000) is "
                "0, and log(0) is -inf instead of -1000. Let the two meet on paper.",
                "order": "You add the small logarithm to the large maximum, where its digits "
                "are rounded away. Subtract the maximum from the logits first.",
                "gaps": "The logarithm of the sum is still to come off. Without it the largest "
                "class of each row gets 0.",
                "no logarithm": "You subtract the sum itself. Its logarithm is to be "
                "subtracted.",
                "added": "You add the logarithm of the sum. It stood in the denominator, so "
                "it is subtracted.",
                "divided": "You divide by the logarithm of the sum. The logarithm of a "
                "quotient is a difference.",
                "in bits": "The logarithm of the sum is to base 2. Exponents belong to the "
                "natural one.",
                "log1p": "log1p adds a 1 to a sum that contains the largest term already. "
                "Leave that term out, or take the plain logarithm.",
            },
        ),
        Switch("base", BASES),
        Switch("clip", dict.fromkeys((100, 500, 700), CLIPS), most=2),
        Switch("clip", dict.fromkeys((30, 50, 88), CLIPS), most=1),
        Switch("precision", PRECISIONS, most=2),
        kinds(),
        Switch(
            "cut",
            dict.fromkeys((10, 20, 30, 50, 80, 88, 100, 500, 700, 708, 709, 745), CUT),
            most=1,
        ),
        hides(
            quotient="Where the logarithm would be that of 0, something else stands in its "
            "place. The result is as finite as the logits if no probability is formed."
        ),
        Switch(
            "result",
            {
                "negative": "The sign is turned round. The logarithm of a probability is at "
                "most 0."
            },
        ),
        Switch(
            "result",
            {
                "probs": "These are exponentials, not logarithms. Log-probabilities are asked "
                "for.",
                "squeezed": "Axes of length 1 are dropped, so one row, or one class, loses an "
                "axis. Return the shape that came in.",
                "transposed": "Rows and columns are exchanged in your result. Return the shape "
                "that came in.",
                "floored": "Your results stop at -1000. A gap may be wider, and each is to be "
                "kept.",
                "largest": "You return one number for each row. One for each class is asked "
                "for.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "logsumexp",
            companion.logsumexp,
            "This is log-sum-exp, one number for each row. It is to be subtracted from each "
            "logit of the row.",
        ),
        Mistake(
            "log-of-logits",
            lambda x: np.log(x) - np.log(x.sum(axis=-1, keepdims=True)),
            "You take the logarithm of shares of the logits themselves. Logits become "
            "probabilities through exp, and may be negative.",
        ),
        Mistake(
            "log-sigmoid",
            lambda x: -np.logaddexp(0, -x),
            "This squashes each logit alone. The classes of a row compete: each needs the sum "
            "over all of them.",
        ),
    ),
)


# masked_softmax: "0 elsewhere" means 0 exactly.


def _masked(x, mask):
    return companion.softmax(np.where(mask, x, -np.inf))


def _masked_loop(x, mask):
    probs = np.zeros(x.shape)
    for n in range(len(x)):
        kept = x[n][mask[n]]
        exps = np.exp(kept - kept.max())
        probs[n, mask[n]] = exps / exps.sum()
    return probs


def _masked_weights(x, mask):
    largest = np.where(mask, x, -np.inf).max(axis=1)[:, np.newaxis]
    exps = np.exp(np.where(mask, x - largest, 0)) * mask
    return exps / exps.sum(axis=-1, keepdims=True)


def _bools(*rows):
    return np.array(rows, dtype=bool)


def _masks():
    """Logits with masks: small, a huge masked logit, kept ones far below, at each place."""
    rows = array([0, 1, 2], [-1000, -1001, 4], [-2000, 7, -2001], [8, 2000, 2001])
    kept = _bools([1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1])
    scales = scattered()
    turns = np.arange(160).reshape(40, 4) % 5 > 0
    least = np.finfo(float).min
    return [
        (array([1, 2, 3]), _bools([1, 1, 0])),
        (array([0, 1], [2, 2]), _bools([1, 0], [1, 1])),
        (array([1, 2, 3], [0, 1, 0]), _bools([1, 0, 1], [1, 1, 1])),
        (array([3, 1], [2, 2], [-1, 0]), _bools([1, 1], [0, 1], [1, 0])),
        (np.array([[1, 2, 4], [3, 0, 1]]), _bools([1, 0, 1], [1, 1, 0])),
        (array([4], [-2], [0]), _bools([1], [1], [1])),
        (array([0, 1, 5000]), _bools([1, 1, 0])),
        (array([0, 1, 3e9], [1, 0, 2]), _bools([1, 1, 0], [1, 1, 1])),
        (array([-1000, -1001, -1300]), _bools([1, 1, 0])),
        (array([0, 1, 720]), _bools([1, 1, 0])),
        (array([0, 1, -60]), _bools([1, 1, 0])),
        (array([-2, -1, 0]), _bools([1, 1, 0])),
        *((array([-2 * low, 0]), _bools([1, 0])) for low in (40, 99, 1e3, 2e4, 2e6, 3e9)),
        (array([-20000, -20001, 0]), _bools([1, 1, 0])),
        (array([-1e300, 0], [-1e35, 0]), _bools([1, 0], [1, 0])),
        (array([least, 0]), _bools([1, 0])),
        (rows, kept),
        *((big, np.ones(big.shape, dtype=bool)) for big in large_rows()),
        (scales, turns),
    ]


FREQUENT = (-1e4, -1e9)
OTHERS = (-99.0, -999.0, -1e1, -5e1, -1e2, -1e3, -1e5, -1e7, -1e10, -1e30, -1e300)
OTHERS += (float(np.finfo(np.float32).min), float(np.finfo(float).min))
FILLED = (
    "Masked classes compete with some low logit. A kept one may be as low, or lower, and then "
    "they take its share. One number loses against all."
)


def _fills(values, most):
    """A switch of low numbers that stand for masked logits."""
    wrong, sets = {}, {}
    for value, use, zeros in itertools.product(values, ("fill", "penalty"), ("", " and zeros")):
        position = f"{use}{zeros} {value:.3g}"
        wrong[position] = FILLED
        sets[position] = {"use": use, "value": value, "cleaned": bool(zeros)}
    return Switch("fill", wrong, sets=sets, most=most)


def _masked_family(
    x, mask, *, use="before", value=-np.inf, cleaned=False, invert=False, shift="row",
    sums="row", epsilon=0.0, precision="float64", kind="float", result="probs", elsewhere=None,
    hide="no",
):  # fmt: skip
    mask = ~mask if invert else mask
    logits = x.astype(float).astype(precision)
    kept = np.where(mask, logits, -np.inf)
    z = {
        "before": lambda: kept,
        "infinite": lambda: kept,
        "not zero": lambda: np.where(mask & (x != 0), logits, -np.inf),
        "zero": lambda: logits * mask,
        "added": lambda: logits + mask,
        "nan": lambda: logits + (1 - mask) * -np.inf,
        "fill": lambda: np.where(mask, logits, value),
        "penalty": lambda: logits + np.where(mask, 0.0, value),
        "smallest": lambda: np.where(mask, logits, logits.min(axis=-1, keepdims=True)),
        "smallest of all": lambda: np.where(mask, logits, logits.min()),
        "a little below": lambda: np.where(
            mask, logits, logits.min(axis=-1, keepdims=True) - 30
        ),
    }.get(use, lambda: logits)()
    taken = _taken(logits * mask if shift == "product" else z, shift.replace("product", "row"))
    weights = mask if use in ("renormalised", "guarded", "infinite") else 1
    exps = np.exp((logits if use == "infinite" else z) - taken) * weights
    total = _summed(exps, sums) if sums != "none" else 1
    probs = exps / (total + epsilon + (1e-12 if use == "guarded" else 0))
    probs = probs * mask if cleaned or use == "after" else probs
    probs = _hidden(_in_kind(probs.astype(float), x, kind), hide)
    if invert == "with zeros":  # as a masked array gives them, where no class is left
        probs = np.nan_to_num(probs)
    probs = probs if elsewhere is None else np.where(mask, probs, elsewhere)
    return {
        "probs": lambda: probs,
        "squeezed": lambda: probs.squeeze(),
        "log": lambda: np.log(probs),
        "transposed": lambda: probs.T,
        "nan": lambda: np.where(mask, probs, np.nan),
        "infinite": lambda: np.where(mask, probs, -np.inf),
        "kept only": lambda: probs[mask],
    }[result]()


OVER_ALL = (
    "The maximum is taken over masked logits, too. Where one of them is huge, all kept classes "
    "underflow to 0. Let the mask come before the maximum."
)
AS_LOW = (
    "Masked classes get the smallest logit, and so a share. Exactly 0 is asked for: which "
    "logit has the exponential 0?"
)
AS_ZERO = "A masked logit of 0 still has exp(0) = 1, so it takes a share of the sum. "


def _at_a_masked_place(values):
    return [values[0][0, 2]] if values[0].shape == (1, 3) and values[0][0, 2] else []


def small_places():
    """The switch of what stands at masked places, if not 0."""
    says = "Masked places hold {value:.3g} in your result. They must hold 0, exactly."
    return Switch(
        "elsewhere",
        {v: say(says, value=v) for v in (1e-6, 1e-8, 1e-9, 1.0, -1.0)},
        most=2,
        guess=_at_a_masked_place,
        says=lambda value: say(says, value=value),
    )


masked_softmax = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="a mask before the maximum",
    name="masked_softmax",
    stub='''
def masked_softmax(x, mask):
    """Softmax of each row over classes where mask is True; 0 elsewhere."""
    ...
''',
    answer="""
def masked_softmax(x, mask):
    kept = np.where(mask, x, -np.inf)
    exps = np.exp(kept - kept.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="exp(-inf) is 0 exactly, and the maximum is taken over the kept classes only. Each row "
    "here keeps at least one class; a row that keeps none has no softmax.",
    reference=_masked,
    hints=(
        "What logit makes exp exactly 0? And may a masked logit decide the shift?",
        "Put the mask in before the maximum is taken, not after the softmax.",
        "`np.where(mask, x, -np.inf)`, and then the stable softmax that you know.",
    ),
    probes=tuple(_masks()),
    fresh=lambda rng: (
        rng.normal(size=(3, 4)),
        np.logical_or(rng.random((3, 4)) < 0.5, np.arange(4) == 0),
    ),
    shortcuts=("softmax", "log_softmax", "logsumexp", "masked_softmax"),
    rtol=1e-6,
    atol=1e-307,  # a masked class gets exactly 0
    also_right=(_masked_loop, _masked_weights),
    family=_masked_family,
    switches=(
        axis(),
        Switch("sums", SUMS),
        Switch(
            "sums",
            {"none": "The exponentials are not divided by their sum."} | MORE_SUMS,
            most=2,
        ),
        Switch(
            "use",
            {
                "ignored": "The mask has no effect. A masked class must get exactly 0, and no "
                "part in the sum.",
                "after": "The masked classes are set to 0 after the softmax, so their share is "
                "lost and a row no longer adds up to 1. They must not take part in the sum.",
                "renormalised": OVER_ALL,
                "zero": AS_ZERO + "Which logit has the exponential 0?",
                "zero, then zeros": AS_ZERO
                + "That share is lost where you set the result to 0.",
                "infinite": "exp of a masked logit may be inf, and inf times False is nan. "
                "Rule the class out before exp, not after.",
                "added": "You add the mask, which favours kept classes by 1. A masked class "
                "must be ruled out, not handicapped.",
                "nan": "0 times inf is nan, and so is each kept logit. np.where chooses "
                "between two numbers without multiplying them.",
                "not zero": "A kept logit that is 0 is taken for a masked one. The mask "
                "decides, not the value of a logit.",
                **dict.fromkeys(("smallest", "smallest of all"), AS_LOW),
                "a little below": "Masked classes get a logit a little below the others, and "
                "so a small share. Exactly 0 is asked for.",
            },
            sets={"zero, then zeros": {"use": "zero", "cleaned": True}},
        ),
        Switch("use", {"guarded": OVER_ALL}, most=2),
        Switch(
            "invert",
            dict.fromkeys(
                (True, "with zeros"),
                "The classes where mask is False take part. True means that a class takes "
                "part.",
            ),
        ),
        *shifts(
            # Nobody takes the mean of -inf.
            **dict.fromkeys(("mean", "whole mean", "median", "middle", "minimum")),
            **dict.fromkeys(("absolute", "whole absolute", "signed", "sum")),
            product="The maximum is that of x * mask, where a masked logit counts as 0. Where "
            "all kept logits are far below 0 they underflow.",
        ),
        _fills(FREQUENT, most=2),
        _fills(OTHERS, most=1),
        Switch("precision", PRECISIONS, most=2),
        kinds(),
        denominator(1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
        small_places(),
        Switch(
            "hide",
            {
                "whole": HIDDEN["whole"],
                "none": HIDDEN["none"],
                "over all": "The maximum is taken over masked logits, too, and where that "
                "leaves 0/0 it is replaced. Let the mask come before the maximum.",
                "sums": "The sum runs down the columns, and where it is 0 the quotient is "
                "replaced. The classes of one example lie in a row.",
                "axis": "Your columns are normalised, not your rows, and what is not finite is "
                "replaced. The classes of one example lie in a row.",
            },
            sets={
                "whole": {"hide": "zero", "shift": "whole"},
                "none": {"hide": "zero", "shift": "none"},
                "over all": {"hide": "zero", "use": "renormalised"},
                "sums": {"hide": "zero", "sums": "columns"},
                "axis": {"hide": "zero", "sums": "columns", "shift": "columns"},
            },
            most=1,
        ),
        Switch(
            "result",
            {
                "log": "These are log-probabilities. Probabilities are asked for.",
                "squeezed": "Axes of length 1 are dropped, so one row, or one class, loses an "
                "axis. Return the shape that came in.",
                "transposed": "Rows and columns are exchanged in your result. Return the shape "
                "that came in.",
                "nan": "Masked places hold nan in your result. They must hold 0.",
                "infinite": "Masked places hold -inf in your result, which is their logit. "
                "Their probability is 0.",
                "kept only": "Only the kept classes are returned. Return the shape that came "
                "in, with 0 at the masked places.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "swapped",
            lambda x, mask: companion.softmax(np.where(x, mask, -np.inf)),
            "Logits and mask have changed places: the mask decides, the logits are what it "
            "chooses from.",
        ),
        Mistake(
            "masked-logits",
            lambda x, mask: np.where(mask, x, -np.inf),
            "These are the masked logits. The softmax over them is still to come.",
        ),
        Mistake(
            "uniform",
            lambda x, mask: mask / mask.sum(axis=-1, keepdims=True),
            "All kept classes get the same share. The logits decide how much.",
        ),
    ),
)


# unclipped_loss: find the bug.


def _loss(logits, labels):
    return companion.softmax_cross_entropy_with_labels(logits, labels)


def _loss_by_pick(logits, labels):
    gaps = logits - logits.max(axis=-1, keepdims=True)
    picked = np.take_along_axis(gaps, labels[:, np.newaxis], axis=1)[:, 0]
    return np.log(np.exp(gaps).sum(axis=-1)) - picked


def _loss_loop(logits, labels):
    return np.array(
        [np.logaddexp.reduce(z - z[y]) for z, y in zip(logits, labels, strict=True)]
    )


def _picked(table, labels, pick):
    """The entries of a table at the labels, if `pick` is "label"."""
    rows = np.arange(len(table))
    return {
        "label": lambda: table[rows, labels],
        "table": lambda: table[:, labels],
        "table of gaps": lambda: table[:, labels],
        "flat": lambda: np.take(table, labels),
        "one less": lambda: table[rows, labels - 1],
        "swapped": lambda: table[labels, rows],
        "one-hot": lambda: (table * np.eye(table.shape[1])[labels]).sum(axis=-1),
        "not summed": lambda: table * np.eye(table.shape[1])[labels],
        "mean": lambda: (table * np.eye(table.shape[1])[labels]).mean(axis=-1),
        "early": lambda: (table * np.eye(labels.max() + 1)[labels]).sum(axis=-1),
        "first": lambda: table[:, 0],
        "most likely": lambda: table.max(axis=-1),
    }[pick]()


def _early(logs, gaps, labels):
    """Log-probabilities of which the gaps alone meet one-hot rows that may be too short."""
    return _picked(gaps, labels, "early") + (logs - gaps)[:, 0]


def _patched(logits, labels):
    """Losses from probabilities, and gaps where these underflow."""
    gaps = logits - logits.max(axis=-1, keepdims=True)
    probs = _picked(companion.softmax(logits), labels, "label")
    return np.where(probs > 0, -np.log(probs), -_picked(gaps, labels, "label"))


def _class_0_if_hopeless(logits, labels):
    gaps = logits - logits.max(axis=-1, keepdims=True)
    likely = np.exp(_picked(gaps, labels, "label")) > 0
    return _loss(logits, labels * likely)


def _unclipped_family(
    logits, labels, *, shift="row", sums="row", place="both", form="paper", epsilon=0.0,
    floor=0.0, upper=False, pick="label", sign=1, base="e", clip=np.inf, cut=np.inf,
    precision="float64", hide="no", kind="float", result="none", added=0.0,
):  # fmt: skip
    z = np.clip(logits.astype(float), -clip, clip).astype(precision)
    own = shift == "label"
    taken = z[np.arange(len(z)), labels][:, np.newaxis] if own else _taken(z, shift)
    gaps = np.maximum(z - taken, -cut)
    if form == "quotient" or epsilon or floor:
        logs = _logs_of_quotients(z, taken, sums, place, epsilon, floor, upper)
    else:
        total = _summed(np.exp(z) if place == "outside" else np.exp(gaps), sums) + added
        log_total = np.log(total) if form == "paper" else 0.0 * total
        logs = (z if place == "inside" else gaps) - log_total
    if pick == "table of gaps" and form == "paper":
        picked = gaps[:, labels] + (logs - gaps)[:, 0]
    elif result == "crossed" and form == "paper":
        picked = _picked(gaps, labels, pick) + (logs - gaps)[:, :1]
    elif pick == "early gaps":
        picked = _early(logs, z if place == "inside" else gaps, labels)
    else:
        picked = _picked(logs, labels, pick)
    losses = -sign * picked.astype(float) / unit_of(base)
    losses = losses.astype(labels.dtype) if kind == "labels" else _in_kind(losses, logits, kind)
    losses = _hidden(losses.astype(float), hide)
    if result == "squeezed":
        return losses.squeeze()
    if result == "crossed":
        return losses if losses.ndim > 1 else losses[:, np.newaxis] + np.zeros(len(losses))
    return losses[:, np.newaxis] if result == "column" else reduced(losses, result)


TABLE = (
    "The labels pick whole columns, which makes a table of N x N. Each row needs its own "
    "label: give the rows an index, too."
)
EARLY = (
    "The one-hot rows are as long as the largest label that occurs asks for, labels.max() + 1. "
    "The number of classes is that of the columns of logits."
)

unclipped_loss = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="a loss without a ceiling",
    name="unclipped_loss",
    stub='''
def unclipped_loss(logits, labels):
    """Cross-entropy of each row of logits (N, K) with its label (N,)."""
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs = exps / exps.sum(axis=-1, keepdims=True)
    chosen = probs[np.arange(len(labels)), labels]
    return -np.log(np.clip(chosen, 1e-12, 1.0))
''',
    answer="""
def unclipped_loss(logits, labels):
    gaps = logits - logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(gaps).sum(axis=-1))
    return log_sum - gaps[np.arange(len(labels)), labels]
""",
    why="The clip hides log(0) and with it every mistake beyond a gap of 27.6. Without the "
    "detour over probabilities there is nothing to clip.",
    reference=_loss,
    hints=(
        "Compare the losses of the logits [0, 30] and [0, 300] for label 0.",
        "Removing the clip brings -inf back. The probability itself must go.",
        "Write the loss as `log(sum(exp(gaps))) - gaps[label]`.",
    ),
    probes=(
        *with_labels(plain_rows()),
        (array([0, 30]), np.array([0])),
        (array([0, 300], [0, 800]), np.array([0, 0])),
        (array([0, 708], [0, 720]), np.array([0, 0])),  # exp(720) is inf, exp(-720) is not 0
        *((rows, labels_for(rows, "unlikely")) for rows in large_rows()),
        *((rows, labels_for(rows, "turn")) for rows in large_rows()[-4:]),
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)), rng.integers(4, size=3)),
    shortcuts=(
        *LIBRARY,
        "softmax_cross_entropy_with_labels",
        "softmax_cross_entropy",
        "nll_loss",
    ),
    rtol=1e-6,
    atol=1e-9,  # differences of logits in thousands carry 1e-12
    also_right=(_loss_by_pick, _loss_loop),
    family=_unclipped_family,
    switches=(
        axis(),
        Switch("sums", SUMS),
        Switch("sums", MORE_SUMS, most=2),
        *shifts(
            label="You subtract the label's own logit. Where another one lies 1000 above it, "
            "exp overflows. Only one choice bounds them all.",
        ),
        Switch(
            "place",
            {
                "inside": "What is subtracted inside the sum is not taken off the label's "
                "logit. Both need the same shift, or it does not cancel.",
                "outside": "The label's logit is shifted, but not the exponents in the sum. "
                "Both need the same shift, or it does not cancel.",
            },
        ),
        small_number("epsilon", unless_tiny(ADDED), guess=ceilings),
        added_to_the_sum(),
        small_number("floor", unless_tiny(CLIPPED), both=(1e-7, 1e-8), guess=ceilings),
        Switch(
            "form",
            {
                "quotient": "At a gap of 800 the logarithm of 0 is taken, so the loss is not "
                "finite. Avoid forming the probability.",
                "gaps": "The logarithm of the sum is missing. Without it a label with the "
                "largest logit costs nothing.",
            },
        ),
        Switch(
            "form",
            {
                "one-hot": "0 times -inf is nan: that is the logarithm of a probability that "
                "is 0, at a place that is not the label's. Avoid forming the probability."
            },
            sets={"one-hot": {"form": "quotient", "pick": "one-hot"}},
            most=2,
        ),
        Switch(
            "pick",
            {
                "table": TABLE,
                "flat": "np.take without an axis counts through the whole array. Each row "
                "needs its own label.",
                "one less": "You take 1 off the labels. They start at 0, as indices do.",
                "swapped": "The labels pick rows and the rows pick classes: the two indices "
                "have changed places.",
                "first": "The labels are not used: class 0 is picked in all rows.",
                "most likely": "The labels are not used: the largest logit is picked in all "
                "rows.",
            },
        ),
        Switch(
            "pick",
            dict.fromkeys(("early", "early gaps"), EARLY)
            | {
                "table of gaps": TABLE,
                "not summed": "The products with the one-hot rows are not summed, so a table "
                "of N x K is left. Sum each row.",
                "mean": "The products with the one-hot rows are averaged over the classes. Sum "
                "them: only one is not 0.",
            },
            most=2,
        ),
        Switch(
            "sign",
            {
                -1: "The sign is turned round: your losses are negative. A loss is minus the "
                "logarithm of a probability."
            },
        ),
        Switch("base", BASES, most=2),
        Switch("clip", dict.fromkeys((100, 500, 700), CLIPS), most=2),
        Switch("clip", dict.fromkeys((10, 30, 50), CLIPS), most=1),
        Switch("precision", PRECISIONS, most=2),
        kinds(
            labels="Your losses are whole numbers: an array made like the labels holds "
            "integers. Ask for floats."
        ),
        Switch(
            "cut",
            dict.fromkeys((10, 20, 30, 50, 80, 88, 100, 500, 700, 708, 709, 745), CUT),
            most=1,
        ),
        hides(
            quotient="Losses that are not finite are replaced, so the worst mistakes cost "
            "nothing true. Avoid forming the probability, and all losses are finite."
        ),
        Switch(
            "result",
            {
                "mean": MEAN,
                "sum": SUM,
                "squeezed": "Axes of length 1 are dropped, so a batch of one row gives a bare "
                "number. Return shape (N,) for every N.",
                "column": "Your losses stand in a column. One number for each row is asked "
                "for, in shape (N,).",
                "crossed": "A column and a row are combined, which makes a table of N x N. "
                "Keep the axis of the classes in both, or in neither.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "probability",
            lambda z, y: companion.softmax(z)[np.arange(len(y)), y],
            "These are the probabilities of the labels. The loss is minus their logarithm.",
        ),
        Mistake(
            "one-minus",
            lambda z, y: 1 - companion.softmax(z)[np.arange(len(y)), y],
            "This is 1 minus the label's probability, which is never above 1. The loss is "
            "minus the logarithm of that probability.",
        ),
        Mistake(
            "patched",
            _patched,
            "Where the probability underflows to 0, the gap to the largest logit is returned "
            "as it is, without the logarithm of the sum. The formula on paper needs no cases.",
        ),
        Mistake(
            "class-0-if-hopeless",
            _class_0_if_hopeless,
            "Where the label's probability underflows to 0, class 0 is taken for the label. "
            "Just there the loss is largest; no case needs an exception.",
        ),
        Mistake(
            "squared",
            lambda z, y: ((companion.softmax(z) - np.eye(z.shape[1])[y]) ** 2).sum(axis=-1),
            "This is a squared error. It has a ceiling of its own, at 2. The cross-entropy is "
            "asked for.",
        ),
    ),
)


# A prediction: the largest logit that the sum of a thousand survives in float16.


def _largest_of_a_thousand(dtype):
    return np.log(float(np.finfo(dtype).max) / 1000)


largest_float16_logit = NumberExercise(
    topic=TOPIC,
    minutes=3,
    trains="the range of a float type",
    name="largest_float16_logit",
    stub="largest_float16_logit = ...",
    answer="largest_float16_logit = np.log(np.finfo(np.float16).max.astype(float) / 1000)",
    why="The sum is 1,000 times one exponential. It overflows where that exceeds 65504 / 1000, "
    "long before a single exponential does.",
    reference=lambda: _largest_of_a_thousand(np.float16),
    hints=(
        "np.finfo(np.float16) knows the largest number of the type. How large may each of "
        "1,000 exponentials be?",
        "exp and log are inverses: which logit has that number as its exponential?",
        "Take the natural logarithm of 65504 / 1000.",
    ),
    also_right=(4.18, np.float32(4.182), np.log(65504) - np.log(1000)),
    mistakes=(
        Mistake(
            "one-exponential",
            np.log(65504),
            "There a single exponential overflows. The sum of 1,000 does so earlier.",
        ),
        Mistake(
            "the-number-itself",
            65504 / 1000,
            "So large may each exponential be. Its logarithm is asked for: the logit goes "
            "through exp.",
        ),
        Mistake(
            "product",
            np.log(65504 * 1000),
            "That multiplies the range by 1,000. The exponentials share it: divide.",
        ),
        Mistake(
            "logit-divided",
            np.log(65504) / 1000,
            "The exponentials share the range, not the logits: divide before the logarithm.",
        ),
        Mistake(
            "base-two", np.log2(65504 / 1000), "That is the exponent to base 2. Use base e."
        ),
        Mistake(
            "base-ten", np.log10(65504 / 1000), "That is the exponent to base 10. Use base e."
        ),
        Mistake(
            "whole",
            4.0,
            "1,000 times exp(4) is 54598, and there is room for more. Give three digits.",
        ),
        Mistake("five", 5.0, "1,000 times exp(5) is 148413, which float16 cannot hold."),
        Mistake(
            "float32",
            _largest_of_a_thousand(np.float32),
            "That is the limit of float32. float16 has fewer exponent bits.",
        ),
        Mistake(
            "float32-alone",
            np.log(float(np.finfo(np.float32).max)),
            "There a single exponential overflows in float32. The sum of 1,000 in float16 does "
            "so much earlier.",
        ),
        Mistake(
            "float64",
            _largest_of_a_thousand(np.float64),
            "That is the limit of float64. float16 has fewer exponent bits.",
        ),
        Mistake(
            "smallest",
            np.log(float(np.finfo(np.float16).tiny)),
            "That is where exp leaves the normal numbers below. The upper end is asked for.",
        ),
        Mistake(
            "infinite", np.inf, "exp(inf) is inf, an overflow. A finite logit is asked for."
        ),
    ),
)
