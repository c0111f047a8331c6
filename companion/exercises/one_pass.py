"""Exercises of the chapter *One pass*."""

import math
from itertools import combinations

import numpy as np

from companion.exercises.common import INTEGERS, truncated
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.probes import flat
from companion.exercises.says import say

TOPIC = "one_pass"
SINGLE = {"rtol": 1e-6, "atol": 1e-9}  # no digits are promised; float32 has seven

inf = np.inf
EMPTY = flat(-inf, 0)

POWERS_OF_TWO = (
    "These are powers of 2. Softmax and its sums are built on base e: np.exp, not np.exp2."
)

OUT_OF_RANGE = (
    "You take exp of the logits themselves, which overflows beyond 709; a division by exp of "
    "the largest comes too late. Take exp of differences only."
)


def _numbered(name, template, values, *, guess=None, most=2):
    """A switch whose positions are small numbers, all with the same words."""

    def says(value):
        return say(template, value=value)

    return Switch(name, {v: says(v) for v in values}, most=most, guess=guess, says=says)


def _where_full(switches, with_keyword, chosen, name="where both are full"):
    """Faults once more, for answers that hand back the other part where one is empty.

    Such answers are right there, whatever else they do, so they need positions of their own.
    """
    sentences = {switch.name: switch.wrong for switch in switches}
    pairs = [(name, how) for name, positions in chosen.items() for how in positions]
    shown = {f"{name} {how}": sentences[name][how] for name, how in pairs}
    sets = {f"{name} {how}": {name: how} | with_keyword for name, how in pairs}
    return Switch(name, shown, most=2, sets=sets)


# merge: two pairs (m, d), where m is the largest and d the sum of exp(x - m).


def _merge(a, b):
    m = max(a[0], b[0])
    parts = [d * np.exp(old - m) for old, d in (a, b) if old > -inf]
    return flat(m, sum(parts))


def _merge_by_branches(a, b):
    larger, smaller = (a, b) if a[0] >= b[0] else (b, a)
    if smaller[1] == 0:  # an empty part adds nothing
        return np.array([larger[0], larger[1]])
    shrunk = smaller[1] * np.exp(smaller[0] - larger[0])
    return np.array([larger[0], larger[1] + shrunk])


def _merge_as_arrays(a, b):
    pairs = np.stack([a, b])
    full = pairs[pairs[:, 1] > 0]
    if len(full) == 0:
        return pairs[0]
    m = full[:, 0].max()
    return np.array([m, np.exp(full[:, 0] - m) @ full[:, 1]])


def _merge_family(
    a, b, *, largest="larger", returned="m", used="same", weights="both", base="e",
    joined="sum", pair="all", added=0.0, empty="rule", lowest=-inf, result="pair",
    kind="float",
):  # fmt: skip
    left_out = {
        "early": lambda part: part[1] == 0,  # right, and then no fault shows
        "not positive": lambda part: not part[0] > 0,
        "zero": lambda part: part[0] in (0, -inf),
    }
    if empty in left_out:
        for part, other in ((a, b), (b, a)):
            if left_out[empty](part):
                return np.array(other, dtype=float)
    if empty == "both first" and a[0] == b[0] == -inf:  # right, as "early"
        return np.array([-inf, 0.0])
    one, other = max(a[0], lowest), max(b[0], lowest)
    m = _largest_of(one, other, largest)
    d = _merged_sum((one, a[1]), (other, b[1]), m, used, weights, base, joined, pair) + added
    if one == other == -inf and empty != "none":
        m, d = {"zeros": (0.0, 0.0), "one": (-inf, 1.0)}.get(empty, (-inf, 0.0))
    m = {"m": m, "first": one, "second": other}[returned]
    results = {"pair": (m, d), "log": (m, np.log(d)), "turned": (d, m)}
    results |= {"value": (m, m + np.log(d)), "one": (m + np.log(d), 1.0)}
    return truncated(np.array(results[result], dtype=float), a, kind)


def _merged_sum(a, b, m, used, weights, base, joined, pair):
    shift = m if used == "same" else 0.0
    exp = np.exp if base == "e" else np.exp2
    first, second = exp(a[0] - shift), exp(b[0] - shift)
    if weights == "one":
        first = second = exp(-abs(a[0] - b[0]))
    elif weights != "both":
        first, second = {
            "none": (1.0, 1.0),
            "first": (first, 1.0),
            "second": (1.0, second),
            "crossed": (second, first),
            "turned": (1 / first, 1 / second),
            "larger alone": (float(a[0] >= b[0]), float(a[0] < b[0])),
        }[weights]
    rest = (0.0, 0.0)
    if pair == "rest":  # the smaller one's largest counts as 1 and has to be added
        rest = (0.0, second) if a[0] >= b[0] else (first, 0.0)
    if pair == "no sums":
        a, b = (a[0], 1.0), (b[0], 1.0)
    left, right = a[1] * first + rest[0], b[1] * second + rest[1]
    if joined == "product":
        d = left * right
    elif joined == "larger":
        d = np.maximum(left, right)
    elif joined == "difference":
        d = left - right
    elif joined == "second alone":
        d = right
    else:
        d = (left + right) / (2 if joined == "mean" else 1)
    d = d / exp(m) if used == "divided" else d
    return d + {"less one": -1, "one more": 1}.get(pair, 0)


def _least(values):
    """The least number that an answer gave first, if it is one: what stands for -inf."""
    firsts = [v[0] for v in values if v.shape == (2,) and np.isfinite(v[0])]
    return [min(firsts)] if firsts else []


def _largest_of(one, other, how):
    return {
        "larger": max(one, other),
        "first": one,
        "second": other,
        "smaller": min(one, other),
        "sum": one + other,
        "mean": (one + other) / 2,
        "zero": max(one, other, 0.0),
        "absolute": one if abs(one) >= abs(other) else other,
        "one absolute": max(abs(one), abs(other)),
    }[how]


LARGEST = {
    "first": "m is that of the first part, also where the second holds a larger logit. You "
    "cannot know which part has the largest.",
    "second": "m is that of the second part, also where the first holds a larger logit. You "
    "cannot know which part has the largest.",
    "smaller": "m is the smaller of the two. The largest logit of all is the larger one, and "
    "relative to it no factor exceeds 1.",
    "sum": "You add the two largest logits. The largest of all logits is one of them.",
    "mean": "m is the mean of the two largest logits. The largest of all is one of them.",
    "zero": "m never falls below 0. All logits may be negative, and then 0 is none of them: "
    "start from -inf.",
    "absolute": "You compare absolute values. -5 is smaller than 3: compare with the sign.",
    "one absolute": "m is the largest absolute value. A logit of -5 is smaller than one of 3, "
    "and m is a logit itself: keep the sign.",
}


def _short(number):
    """A number with few binary digits."""
    return round(64 * number) / 64


MERGE = (
    Switch(
        "result",
        {
            "turned": "Your two numbers are exchanged: the largest logit comes first, then "
            "the sum.",
            "log": "The second number is a logarithm. The pair keeps the sum itself, so "
            "that it can be merged again.",
            "value": "The second number is m + log d, the log-sum-exp. The pair keeps the "
            "sum itself, so that it can be merged again.",
            "one": "You return [m + log d, 1]: the value of the pair. Its first number is "
            "to be the largest logit, its second the sum relative to that.",
        },
    ),
    Switch("largest", LARGEST),
    Switch(
        "used",
        {
            "none": "You take exp of the logits themselves, which overflows beyond 709, "
            "and a sum so made is not relative to m. Only differences of maxima are "
            "needed.",
            "divided": OUT_OF_RANGE,
        },
    ),
    Switch(
        "returned",
        {
            "first": "The m that you return is that of the first part. The sum beside it "
            "is relative to another number, where the second is larger.",
            "second": "The m that you return is that of the second part. The sum beside it "
            "is relative to another number, where the first is larger.",
        },
        most=2,
    ),
    Switch(
        "weights",
        {
            "none": "Your two sums are relative to two different maxima. Bring both to the "
            "new one first.",
            "first": "The first sum follows the new maximum, the second does not. Treat "
            "both alike: you cannot know which is larger.",
            "second": "The second sum follows the new maximum, the first does not. Treat "
            "both alike: you cannot know which is larger.",
            "crossed": "Each sum is multiplied by the factor of the other one. A sum's "
            "factor comes from its own old maximum.",
            "turned": "The exponents have the wrong sign, so a sum grows where it should "
            "shrink: the old maximum less the new, not the other way round.",
            "one": "Both sums are multiplied by the same factor. Each is relative to a "
            "maximum of its own, and needs its own factor.",
            "larger alone": "You keep the sum of the part with the larger maximum, and "
            "drop the other. Its logits count, too, if less.",
        },
    ),
    Switch(
        "pair",
        {
            "rest": "You add a 1 for the largest of the smaller part, as if its sum left "
            "that out. So it is in the chapter's states; here d counts all logits.",
            "less one": "Your sum is less by 1. Here d counts all logits, the largest too; "
            "in the chapter's states that one is left out.",
            "one more": "Your sum is larger by 1. The term of the largest logit is in the "
            "two sums already.",
            "no sums": "The sums of the two parts have no place in yours: you count one logit "
            "for each part. A part may hold many, and its sum says how much they come to.",
        },
    ),
    Switch(
        "joined",
        {
            "product": "The two sums are multiplied. Terms of one sum and terms of the "
            "other are added.",
            "mean": "You take the mean of the two sums. d counts all logits: add.",
            "difference": "One sum is subtracted from the other. d counts the logits of both "
            "parts: add.",
            "second alone": "The sum of the first part is lost, yours is that of the second "
            "alone. d counts the logits of both parts: += and not =.",
            "larger": "Your second number is the larger of two sums. d counts the logits "
            "of both parts: add.",
        },
        most=2,
    ),
    Switch("base", {"two": POWERS_OF_TWO}, most=2),
    Switch(
        "empty",
        {
            "none": "Two empty parts have no rule of their own: there -inf less -inf is "
            "nan. Ask for that case before you subtract.",
            "zeros": "Two empty parts give [0, 0]. The largest of no logits is -inf, as "
            "the statement says: 0 would count as a logit at the next merge.",
            "one": "Two empty parts give a sum of 1. No logits have no terms.",
            "not positive": "With you a part counts as empty if its largest logit is not "
            "above 0. Logits may be negative: a part is empty if it has no terms.",
            "zero": "With you a part counts as empty if its largest logit is 0. A logit "
            "may be 0: a part is empty if it has no terms.",
        },
    ),
    _numbered(
        "lowest",
        "{value:.3g} stands for -inf in your result. The largest of no logits is -inf "
        "itself, as the statement says.",
        (-1e4, -1e9, -1e10, -1e30, -1e300, float(np.finfo(float).min)),
        guess=_least,
    ),
    _numbered(
        "added",
        "{value:.3g} is added to the sum. A sum that holds the largest logit's term is at "
        "least 1 and needs no protection.",
        (1e-3, 1e-4, 1e-5, 1e-6),
    ),
    Switch(
        "kind",
        {
            "like": "Integer pairs lose their fractions: an array made like them "
            "(zeros_like, copy), or one of them, holds integers. Ask for floats."
        },
        most=2,
    ),
)
MERGE_FULL = _where_full(
    MERGE,
    {"empty": "early"},
    {
        "largest": ("first", "second", "smaller", "sum", "mean", "absolute", "one absolute"),
        "used": ("none", "divided"),
        "weights": ("crossed", "turned", "one"),
        "pair": ("less one", "one more"),
        "joined": ("product", "mean"),
        "result": ("turned", "log", "value", "one"),
    },
)
MERGE_FULL_RESULT = _where_full(
    MERGE,
    {"empty": "both first"},
    {"result": ("turned", "log", "value", "one")},
    "where one is full",
)

merge = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="sums brought to one maximum",
    name="merge",
    stub='''
def merge(a, b):
    """The pair [m, d] of all logits, as an array, from those of two parts.

    m is the largest logit, d the sum of exp(x - m). No logits: [-inf, 0].
    """
    ...
''',
    answer="""
def merge(a, b):
    m = max(a[0], b[0])
    if m == -np.inf:  # both parts are empty, and -inf - -inf is nan
        return np.array([m, 0.0])
    return np.array([m, a[1] * np.exp(a[0] - m) + b[1] * np.exp(b[0] - m)])
""",
    why="Both sums are brought to the same maximum, and sums relative to the same number "
    "add. Neither factor is above 1, so nothing overflows. Two empty parts have no maximum to "
    "be relative to.",
    reference=_merge,
    hints=(
        "What is the largest of all, if you know the largest of each part? And which part may "
        "be empty?",
        "d was counted relative to the old maximum. Which factor makes exp(x - old) into "
        "exp(x - new)?",
        "With `m` the larger maximum: `a[1] * np.exp(a[0] - m)`, and the same for `b`. If both "
        "are empty, hand back the empty pair.",
    ),
    probes=(
        (flat(0, 1), flat(0, 1)),
        (flat(1, 1.5), flat(3, 2)),
        (flat(3, 2), flat(1, 1.5)),
        (flat(-5, 1.5), flat(-6, 3)),  # all below 0
        (flat(-2, 1.25), flat(1, 2)),  # the larger has the smaller size
        (flat(2, 1.25), flat(2, 3)),  # ties
        (np.array([1, 1]), np.array([2, 3])),
        (np.array([4, 2]), np.array([3, 1])),
        (EMPTY, flat(2, 1.25)),
        (flat(-3, 1.25), EMPTY),
        (EMPTY, EMPTY),
        (flat(0, 1), EMPTY),
        (flat(1000, 1.25), flat(998, 3)),
        (flat(-1001, 2), flat(-1000, 1.5)),
        (flat(-800, 2), flat(900, 1)),  # gaps whose exp is inf, or 0
        (flat(900, 1), flat(-800, 2)),
    ),
    fresh=lambda rng: (
        flat(_short(3 * rng.normal()), 1 + _short(rng.random())),
        flat(_short(3 * rng.normal()), 1 + _short(rng.random())),
    ),
    shortcuts=("logsumexp", "logaddexp", "merge", "state_of"),
    # All arguments are short in binary, so float32 errs by 2e-7 at most, and a 1e-6 shows.
    rtol=4e-7,
    atol=1e-9,
    also_right=(_merge_by_branches, _merge_as_arrays),
    family=_merge_family,
    switches=(*MERGE, MERGE_FULL, MERGE_FULL_RESULT),
    mistakes=(),
)

# step: online softmax with the weighted mean that attention takes.


def _step(m, d, o, x, v):
    new = max(m, x)
    old = np.exp(m - new)
    return np.array([new, d * old + np.exp(x - new), o * old + np.exp(x - new) * v])


def _step_by_branches(m, d, o, x, v):
    if x <= m:
        w = math.exp(x - m)
        return np.array([m, d + w, o + w * v])
    w = math.exp(m - x)
    return np.array([x, d * w + 1, o * w + v])


def _step_as_merge(m, d, o, x, v):
    new = np.maximum(m, x)
    scale = np.exp(np.array([m, x]) - new)
    return np.array([new, scale @ np.array([d, 1.0]), scale @ np.array([o, v])])


def _step_family(
    m, d, o, x, v, *, largest="larger", returned="new", rescaled="both", factor="old",
    weight="new", value="weighted", branch="both", base="e", result="sums", order="mdo",
    relative="new", begin="computed", kind="float",
):  # fmt: skip
    if begin == "early" and m == -inf:
        return np.array([x, 1.0, v])
    exp = np.exp if base == "e" else np.exp2
    new = _largest_of(m, x, largest)
    old, w = exp(m - new), exp(x - new)
    if relative == "zero":
        old, w = exp(m), exp(x)
    if factor != "old":
        old = {"turned": exp(new - m), "of the score": w, "unshifted": exp(m)}[factor]
    if weight != "new":
        w = {"old": exp(x - m), "none": exp(x), "one": 1.0, "turned": exp(new - x)}[weight]
    d_before = d if rescaled in ("none", "o") else d * old
    d_before = old if rescaled == "d left out" else d_before
    o_before = o if rescaled in ("none", "d") else o * old
    weighed = {
        "weighted": w * v, "plain": v, "score": w * x, "missing": w, "plain score": x,
    }[value]  # fmt: skip
    d_after, o_after = d_before + w, o_before + weighed
    if branch == "lost" and x > m:
        d_after, o_after = d_before, o_before
    elif branch == "replaced" and x > m:
        d_after, o_after = w, weighed
    elif branch == "one in d":
        d_after = d_before + 1.0
    elif branch == "old too":
        d_after, o_after = (d + w) * old, (o + weighed) * old
    elif branch == "smaller left out" and not x > m:
        d_after, o_after = d, o
    if relative == "zero":
        d_after, o_after = d_after / exp(new), o_after / exp(new)
    if result == "mean":
        o_after = o_after / d_after
    elif result == "running":
        o_after = (o * d_before + weighed) / d_after
    elif result == "share":
        o_after = o_before + weighed / d_after
    elif result == "log":
        d_after = np.log(d_after)
    three = {"m": new if returned == "new" else m, "d": d_after, "o": o_after}
    integers = kind == "like" and isinstance(new, int)
    return np.array([float(three[name]) for name in order]).astype(int if integers else float)


STEP = (
    Switch(
        "order",
        {
            "mod": "d and o are exchanged in your result. The order is m, d, o.",
            "dmo": "m and d are exchanged in your result. The order is m, d, o.",
            "dom": "m comes last in your result. The order is m, d, o.",
            "odm": "Your three numbers come in the opposite order. It is m, d, o.",
            "omd": "o comes first in your result. The order is m, d, o.",
        },
        most=2,
    ),
    Switch(
        "rescaled",
        {
            "none": "Neither old sum is rescaled when the maximum changes. Both are "
            "relative to the old maximum, and new terms to the new one.",
            "d": "d is rescaled and o is not. What was summed in o belongs to the old "
            "maximum as well.",
            "d left out": "The old d is lost: what you rescale in its place is 1. d counts all "
            "earlier scores, and all of it is rescaled.",
            "o": "o is rescaled and d is not. Their quotient is a mean only when both are "
            "relative to the same number.",
        },
    ),
    Switch(
        "factor",
        {
            "turned": "The exponent of the factor for old sums has the wrong sign. They "
            "must shrink when a larger score comes: the old maximum less the new.",
            "of the score": "The old sums are multiplied by the weight of the new score. "
            "Their factor leads from the old maximum to the new one.",
            "unshifted": "The factor for the old sums is exp of the old maximum itself. It "
            "must be exp of a difference of two maxima, or it overflows.",
        },
    ),
    Switch(
        "largest",
        {
            "first": "m stays the old maximum, also when a larger score comes. The weight "
            "of that score is then above 1, and can overflow.",
            "second": "The new score becomes the maximum, also when it is smaller than the "
            "old one. Keep the larger of the two.",
            "smaller": "You keep the smaller of the two. Relative to the larger one no "
            "weight exceeds 1.",
            "sum": "You add the score to the maximum. The new maximum is one of the two.",
            "mean": "m is the mean of maximum and score. The new maximum is one of the two.",
            "zero": LARGEST["zero"].replace("logits", "scores"),
            "absolute": LARGEST["absolute"],
            "one absolute": LARGEST["one absolute"].replace("logit", "score"),
        },
    ),
    Switch(
        "returned",
        {
            "old": "You return the old m. The sums of the next step would be relative to a "
            "number that it does not get.",
        },
        most=2,
    ),
    Switch(
        "weight",
        {
            "old": "The new score is weighed relative to the old maximum. All terms of the "
            "new sums are relative to the new one.",
            "none": "The new score's weight is exp of the score itself, which overflows "
            "beyond 709. It is relative to the new maximum, as all terms are.",
            "one": "Each new score counts with weight 1. Only the largest does; another "
            "one's weight is below 1.",
            "turned": "The exponent of the new score's weight has the wrong sign: the "
            "score less the maximum, so that no weight is above 1.",
        },
    ),
    Switch(
        "branch",
        {
            "lost": "When a larger score comes, the old sums are rescaled, and the score "
            "itself is not added. Its weight is 1 then.",
            "replaced": "When a larger score comes, the sums begin anew with it. The "
            "earlier scores count less, but they count.",
            "one in d": "d grows by 1 with each score. Only for the largest score is the "
            "term 1.",
            "smaller left out": "A score that is no new maximum changes nothing with you. "
            "It counts with its weight, as the others do.",
            "old too": "The new term is multiplied by the factor for old sums. It is "
            "relative to the new maximum already: rescale first, then add.",
        },
    ),
    Switch(
        "value",
        {
            "plain": "The value is added to o as it is. It counts with the weight of its "
            "score, as the term in d does.",
            "score": "o sums weights times scores. It is the mean of the values that is "
            "wanted in the end.",
            "plain score": "Scores are added up in o as they are. o is the sum of weights "
            "times values.",
            "missing": "v has no part in o. Each weight is multiplied by its value.",
        },
    ),
    Switch(
        "result",
        {
            "mean": "You divide by d already. The next step needs the sum: divide once, at "
            "the end.",
            "running": "Your o is a running mean. The statement's o is a sum of weights "
            "times values, relative to m and not divided by d.",
            "share": "The new term of o is divided by d, the older ones were by others. The "
            "next step needs the sum: divide once, at the end.",
            "log": "Your d is a logarithm. Keep the sum, so that it can be continued.",
        },
    ),
    Switch("relative", {"zero": OUT_OF_RANGE.replace("logits", "scores")}, most=2),
    Switch("base", {"two": POWERS_OF_TWO}, most=2),
    Switch(
        "kind",
        {
            "like": "Integer scores lose the fractions of your sums: an array made of "
            "integers alone holds integers. Ask for floats."
        },
        most=2,
    ),
)
STEP_FULL = _where_full(
    STEP,
    {"begin": "early"},
    {
        "largest": (
            "first",
            "second",
            "smaller",
            "sum",
            "mean",
            "zero",
            "absolute",
            "one absolute",
        ),
        "factor": ("turned", "of the score", "unshifted"),
        "weight": ("old", "none", "turned"),
        "result": ("log", "mean"),
        "relative": ("zero",),
    },
)

step = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="one factor for all that was summed before",
    name="step",
    stub='''
def step(m, d, o, x, v):
    """One more score x with its value v: the new m, d and o, as an array.

    m: largest score so far; d: sum of exp(score - m);
    o: sum of exp(score - m) * value.
    Before the first score m is -inf, and d and o are 0.
    """
    ...
''',
    answer="""
def step(m, d, o, x, v):
    new = max(m, x)
    old, w = np.exp(m - new), np.exp(x - new)
    return np.array([new, d * old + w, o * old + w * v])
""",
    why="At the end o / d is the mean of the values under softmax(scores). Scores were seen "
    "once, and none was kept.",
    reference=_step,
    hints=(
        "It is the merge of a pair with a pair of one score, and a third number that goes "
        "along.",
        "Both d and o are relative to the largest score. When that changes, both are "
        "multiplied by the same factor.",
        "With `new = max(m, x)` the factor of the old sums is `np.exp(m - new)`, and the "
        "weight of the new score `np.exp(x - new)`.",
    ),
    probes=(
        (-inf, 0.0, 0.0, 2.0, 5.0),
        (-inf, 0.0, 0.0, -3.0, -2.0),
        (0, 1, 3, 2, 4),  # integers
        (3, 2, 5, 1, 2),
        (0.0, 1.0, 3.0, -1.0, 2.0),
        (0.0, 1.5, 3.0, 2.0, -4.0),
        (1.0, 1.5, 2.0, 1.0, 3.0),  # as large as the largest
        (-5.0, 1.5, 2.0, -6.0, 3.0),  # all below 0
        (-6.0, 1.5, -2.0, -5.0, 3.0),
        (-3.0, 2.5, 1.0, 1.0, 0.5),
        (3.0, 2.5, 1.0, -4.0, 0.5),
        (2.0, 1.25, 0.0, 3.0, 0.0),  # no value counts yet
        (1.0, 2.0, -1.0, 1000.0, 3.0),
        (1000.0, 1.5, 2.0, 999.0, 7.0),
        (-1001.0, 1.5, 2.0, -1000.0, 7.0),
    ),
    fresh=lambda rng: (
        float(2 * rng.normal()),
        float(1 + rng.random()),
        float(rng.normal()),
        float(2 * rng.normal()),
        float(rng.normal()),
    ),
    shortcuts=("softmax", "logsumexp", "logaddexp", "merge", "state_of"),
    **SINGLE,
    also_right=(_step_by_branches, _step_as_merge),
    family=_step_family,
    switches=(*STEP, STEP_FULL),
    mistakes=(),
)

# chunk_gradient: of the loss of one label, for one chunk of the classes.


def _chunk_gradient(chunk, m, d, first, label):
    return np.exp(chunk - m) / d - (first + np.arange(len(chunk)) == label)


def _with_a_mask(chunk, m, d, first, label):
    here = np.arange(first, first + len(chunk)) == label
    return np.exp(chunk - m) / d - here


def _through_logs(chunk, m, d, first, label):
    hot = np.zeros(len(chunk))
    if label in range(first, first + len(chunk)):
        hot[label - first] = 1.0
    return np.exp(chunk - m - np.log(d)) - hot


def _one_by_one(chunk, m, d, first, label):
    slopes = []
    for place, logit in enumerate(chunk, start=first):
        p = math.exp(logit - m) / d
        slopes.append(p - 1 if place == label else p)
    return np.array(slopes)


def _chunk_family(
    chunk, m, d, first, label, *, shift="m", sums="d", gap="inside", place="moved",
    lower="at", upper="at", one=1.0, to="label", base="e", sign=1, epsilon=0.0,
    result="slopes", kind="float",
):  # fmt: skip
    count = len(chunk)
    exp = np.exp if base == "e" else np.exp2
    shifts = {"m": m, "own": chunk.max(), "none": 0.0, "first": chunk[0], "divided": 0.0}
    gaps = m - chunk if gap == "turned" else chunk - shifts[shift]
    d = d + epsilon
    exps = exp(gaps / d if sums == "inside" else gaps)
    exps = exps - m if gap == "outside" else exps
    exps = exps / exp(m) if shift == "divided" else exps
    divisor = {"d": d, "own": exps.sum(), "log": np.log(d), "times": 1 / d}.get(sums, 1.0)
    p = exps / divisor
    if result == "log":  # an underflow of exp does not matter here
        p = (np.log(exps) if gap == "outside" else gaps) - np.log(divisor)
    here = {
        "moved": label - first,
        "counted": label,
        "added": label + first,
        "turned": first - label,
        "modulo": label % count,
        "one early": label - first - 1,
        "one late": label - first + 1,
        "always first": 0,
        "clipped": min(max(label - first, 0), count - 1),
        "largest": int(chunk.argmax()),
    }[place]
    begins = {"at": here >= 0, "after": here > 0, "open": True, "wrapped": here >= -count}[
        lower
    ]
    # Without a lower bound NumPy counts from the end; past the end it raises.
    ends = {"at": here < count, "after": here <= count, "before": here < count - 1}
    ends |= {"open": True, "length alone": label < count}
    if begins and ends[upper]:
        if to == "all":
            p = p - one
        elif to == "set":
            p[here] = -one
        elif to == "scaled":
            p[here] -= one / divisor
        else:
            p[here] -= one
    p = sign * p
    return truncated(p / count if result == "mean" else p, chunk, kind)


CHUNK = flat(1, 2, 0)

chunk_gradient = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="probabilities of a part from the pair of the whole",
    name="chunk_gradient",
    stub='''
def chunk_gradient(chunk, m, d, first, label):
    """Gradient of the cross-entropy for the logits of one chunk (C,).

    m, d: the pair of ALL logits. first: which class the chunk begins with.
    label: the true class, counted over all; it may lie in another chunk.
    """
    ...
''',
    answer="""
def chunk_gradient(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    if first <= label < first + len(chunk):
        p[label - first] -= 1
    return p
""",
    why="The probabilities need the pair of all classes and nothing else. The 1 is taken off "
    "in one chunk only, the one that holds the label.",
    reference=_chunk_gradient,
    hints=(
        "The gradient is p - 1 at the label and p elsewhere. Which classes are here?",
        "p of a class is exp of its gap to the largest of all, divided by the sum over all.",
        "`np.exp(chunk - m) / d`, and 1 less at `label - first` if that place exists here.",
    ),
    probes=(
        (flat(0.5), 2.0, 2.5, 3, 3),  # a chunk of one class
        (flat(0.5), 2.0, 2.5, 3, 2),
        (flat(0.5), 2.0, 2.5, 3, 4),
        (CHUNK, 2.0, 2.5, 0, 1),
        (CHUNK, 2.0, 2.5, 3, 1),  # in the chunk before: a negative place
        (CHUNK, 4.0, 1.75, 3, 3),  # the first class of the chunk
        (CHUNK, 4.0, 1.75, 3, 5),  # its last
        (CHUNK, 4.0, 1.75, 3, 2),  # one too early
        (CHUNK, 4.0, 1.75, 3, 6),  # one past
        (CHUNK, 4.0, 1.75, 4, 4),  # chunks that do not begin at a multiple of their length
        (CHUNK, 4.0, 1.75, 4, 6),
        (CHUNK, 4.0, 1.75, 4, 3),
        (CHUNK, 4.0, 1.75, 4, 7),
        (CHUNK, 4.0, 1.75, 6, 0),  # far before
        (CHUNK, 4.0, 1.75, 0, 9),  # far past
        (flat(0, -1), 3.0, 4.0, 6, 5),
        (np.array([2, 1, 3]), 4, 2, 3, 4),  # integers
        (flat(1000, 1001), 1002.0, 1.6, 2, 3),
        (flat(1000, 1001), 2500.0, 1.6, 2, 9),  # all far below the largest
        (flat(-1000, -1002, -1001), -1000.0, 1.7, 2, 3),
        (flat(-3000, 5, 6), 7.0, 1.6, 2, 2),
        (flat(5, -3000, 900), 900.0, 1.1, 0, 2),
    ),
    fresh=lambda rng: (rng.normal(size=3), 2.0 + rng.random(), 3.0, 3, int(rng.integers(9))),
    shortcuts=("softmax", "log_softmax", "grad", "backward", "gradient"),
    **SINGLE,
    also_right=(_with_a_mask, _through_logs, _one_by_one),
    family=_chunk_family,
    switches=(
        Switch(
            "softmax",
            {
                "own": "These are probabilities within the chunk: each chunk sums to 1. "
                "Maximum and sum are those of all classes, which the pair holds.",
            },
            sets={"own": {"shift": "own", "sums": "own"}},
        ),
        Switch(
            "shift",
            {
                "own": "You subtract the maximum of the chunk. d is relative to m, the maximum "
                "of all logits.",
                "none": "You take exp of the logits themselves, and a large one overflows. d "
                "is relative to m: so must be the exponents.",
                "divided": OUT_OF_RANGE,
                "first": "You subtract the first logit of the chunk. d is relative to m, the "
                "maximum of all logits.",
            },
        ),
        Switch(
            "gap",
            {
                "turned": "The exponent has the wrong sign: the logit less the maximum, so "
                "that exp is at most 1.",
                "outside": "m is taken off after exp. It belongs into the exponent, where it "
                "keeps exp at 1 or below.",
            },
            most=2,
        ),
        Switch(
            "sums",
            {
                "own": "The exponentials are divided by their sum over this chunk. The sum "
                "over all classes is d.",
                "none": "The exponentials are not divided by their sum over all classes.",
                "log": "You divide by the logarithm of d. A quotient of numbers becomes a "
                "difference only where both are logarithms.",
                "times": "You multiply by d. A share is divided by the sum.",
                "inside": "You divide by d inside the exponent. The sum divides what comes "
                "out of exp.",
            },
        ),
        Switch(
            "place",
            {
                "counted": "You look for the label at its own number. It counts from the first "
                "class of all, the places here from the first of the chunk.",
                "added": "You add `first` to the label. Places in the chunk are smaller "
                "numbers than labels, not larger ones.",
                "turned": "The place has the wrong sign. The label is the larger number.",
                "modulo": "In every chunk one place counts as that of the label, at its "
                "remainder. The label lies in one chunk, and the others keep their "
                "probabilities.",
                "always first": "The first place of each chunk counts as that of the label, "
                "whatever the label.",
                "clipped": "A label that lies elsewhere is moved to an end of this chunk, "
                "and counts there. Chunks without the label keep their probabilities.",
                "largest": "The largest logit of the chunk counts as that of the label. The "
                "label itself says which one it is.",
                "one early": "The place of the label comes out one too early. Classes count "
                "from 0, and so do places.",
                "one late": "The place of the label comes out one too late. Classes count "
                "from 0, and so do places.",
            },
        ),
        Switch(
            "lower",
            {
                "open": "You do not ask whether the label lies before this chunk. Its place is "
                "negative then, which NumPy counts from the end. Ask for both bounds.",
                "wrapped": "You do not ask whether the label lies before this chunk. Its place "
                "is negative then, which NumPy counts from the end. Ask for both bounds.",
                "after": "A label at the first place of the chunk is missed. That place "
                "belongs to it.",
            },
        ),
        Switch(
            "upper",
            {
                "open": "You do not ask whether the label lies past the end of this chunk. "
                "There is no such place then.",
                "after": "Your upper bound lets one place too many pass, the first class of "
                "the next chunk.",
                "before": "A label at the last place of the chunk is missed. That place "
                "belongs to it.",
            },
        ),
        Switch(
            "other upper",
            {
                "length alone": "Your upper bound compares the label itself with the length of "
                "the chunk. Compare the place here with it: the label counts from the first "
                "class of all.",
            },
            most=2,
            sets={"length alone": {"upper": "length alone"}},
        ),
        Switch(
            "one",
            {
                0.0: "No 1 is taken off at the label: its class is treated like all others.",
                -1.0: "You add 1 at the label. The logit of the label is to rise as the loss "
                "falls, so its slope is negative: 1 is taken off.",
            },
        ),
        Switch(
            "to",
            {
                "all": "All places of the chunk change where the label is here. Only the "
                "entry of the label does.",
                "set": "The entry of the label has lost its probability. That stays in it: "
                "-= and not =.",
                "scaled": "The 1 enters before you divide, so it counts for less than 1. "
                "Divide first.",
            },
            most=2,
        ),
        Switch(
            "sign",
            {-1: "All signs are turned round: this is the direction in which the loss falls."},
            most=2,
        ),
        Switch("base", {"two": POWERS_OF_TWO}, most=2),
        Switch(
            "result",
            {
                "mean": "You divide by the number of classes here. The loss of one label is no "
                "mean.",
                "log": "You compute log-probabilities. The slopes are made of the "
                "probabilities themselves.",
            },
            most=2,
        ),
        _numbered(
            "epsilon",
            "{value:.3g} is added to the sum. It is at least 1 and needs no protection.",
            (1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
        ),
        Switch("kind", {"like": INTEGERS}, most=1),
    ),
    mistakes=(),
)

# moved: arrays between memory and processor, for a loss and its gradient written plainly.


def _moved():
    reads_and_writes = {
        "max": (1, 0),
        "z - largest": (1, 1),
        "exp(gaps)": (1, 1),
        "sum": (1, 0),
        "gaps - log": (1, 1),
        "exp(log_probs)": (1, 1),
    }
    return float(sum(reads + writes for reads, writes in reads_and_writes.values()))


moved = NumberExercise(
    topic=TOPIC,
    minutes=5,
    trains="reads and writes of each operation",
    name="moved",
    stub="moved = ...",
    answer="moved = 1 + 2 + 2 + 1 + 2 + 2",
    why="max and sum read only. The two differences and the two exponentials read one array "
    "and write one. That is what five copies move.",
    reference=_moved,
    hints=(
        "Which operations stand in the five lines? One line has three.",
        "For each: does it read an array of the logits' size, does it write one?",
        "max 1, the difference 2, exp 2, sum 1. Two operations are left.",
    ),
    also_right=(10, np.float64(10.0), 5 * 2),
    mistakes=(
        Mistake(
            "passes",
            6.0,
            "Six is how many operations there are, each a read. Most of them write.",
        ),
        Mistake("writes", 4.0, "Four arrays are written. Every operation reads as well."),
        Mistake(
            "in-softmax",
            8.0,
            "Eight is the count for softmax, or for these lines less one exponential: exp is "
            "called twice.",
        ),
        Mistake(
            "columns",
            12.0,
            "Twelve is two for each operation. But max and sum write one number for each row, "
            "which is nothing next to an array.",
        ),
        Mistake("copies", 5.0, "Five is right in copies. Asked are arrays, two to a copy."),
        Mistake(
            "one-sweep", 2.0, "Two is what one sweep would need. Count the lines as given."
        ),
        Mistake(
            "seven",
            7.0,
            "Seven is too few. Count for each operation apart what it reads and what it "
            "writes: one line holds three.",
        ),
        Mistake(
            "one-short",
            9.0,
            "Nine is one too few. Each operation reads an array, and most of them write one of "
            "the same size.",
        ),
        Mistake(
            "one-more",
            11.0,
            "Eleven is one too many. What holds one number for each row counts for nothing, "
            "read or written.",
        ),
        Mistake(
            "three", 3.0, "Three arrays have names, beside z. Count how often any is moved."
        ),
        Mistake(
            "one", 1.0, "One is the array that comes in. The results go out, and come in again."
        ),
    ),
)

# race: two threads merge into one shared pair.


def _can_lose(locked):
    """Whether some order of two threads' lines loses a chunk; `locked` run without a break."""
    for places in combinations(range(6), 3):
        order = [0 if place in places else 1 for place in range(6)]
        shared, new, line, held = frozenset(), [None, None], [0, 0], None
        for thread in order:
            if held not in (None, thread):
                break  # this order cannot happen: the other thread has the lock
            line[thread] += 1
            if line[thread] == 2:
                new[thread] = shared | {thread}
            elif line[thread] == 3:
                shared = new[thread]
            held = thread if {line[thread], line[thread] + 1} <= locked else None
        else:
            if shared != {0, 1}:
                return True
    return False


def _race():
    regions = {"a": set(), "b": {1}, "d": {3}, "c": {2, 3}}
    return next(letter for letter, locked in regions.items() if not _can_lose(locked))


race = ChoiceExercise(
    topic=TOPIC,
    minutes=5,
    trains="which lines must be one step",
    name="race",
    stub='race = ...  # "a", "b", "c" or "d"',
    answer='race = "c"',
    why="The new pair is computed from the old one. Whoever writes in between is overwritten, "
    "and its chunk is gone. Reading, merging and writing must be one step, or each thread "
    "keeps a pair of its own and one merges them at the end.",
    reference=_race,
    options={
        "a": "Nothing: Python runs one thread at a time.",
        "b": "Line 1, since both threads compute at the same time.",
        "c": "Lines 2 and 3 together, from reading `shared` to writing it.",
        "d": "Line 3 alone, since it alone writes.",
    },
    hints=(
        "Let thread A run up to the middle of a line, then all of thread B, then the rest of "
        "A.",
        "Which value of `shared` did A merge with, and what did B write meanwhile?",
        "A lock around the writing alone lets both threads read the same old pair.",
    ),
    also_right=("C", "(c)"),
    mistakes=(
        Mistake(
            "a",
            "a",
            "One at a time, but a thread may be stopped between any two operations, and NumPy "
            "lets the others run while it computes. The lock of Python protects Python, not "
            "your pair.",
        ),
        Mistake(
            "b",
            "b",
            "Line 1 touches nothing that is shared: that it runs at the same time is the gain.",
        ),
        Mistake(
            "d",
            "d",
            "Each write is whole, but it was computed from what was read before. Two threads "
            "that read the same pair both write, and the first is lost.",
        ),
    ),
)
