"""Exercises of the chapter *MSE versus cross-entropy*."""

import dataclasses
import itertools

import numpy as np

import companion
from companion.exercises.common import INTEGERS, axis, sum_of, truncated
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.gradients import (
    DIFFERENTIATES,
    TURNED,
    clip,
    inside,
    large_batches,
    powers,
    precision,
    probs_of,
    shifts,
    sum_epsilon,
    sums,
)
from companion.exercises.probes import array, flat, labels_for, plain_rows, scattered
from companion.exercises.says import say

TOPIC = "mse_vs_cross_entropy"


# squared_error_grad: a batch.


def _with_matrices(logits, targets):
    slopes = []
    for n in range(len(logits)):
        p = companion.softmax(logits[n])
        slopes.append((np.diag(p) - np.outer(p, p)) @ (2 * (p - targets[n])))
    return np.array(slopes)


def _in_two_terms(logits, targets):
    p = companion.softmax(logits)
    weighted = 2 * p * (p - targets)
    return weighted - p * np.einsum("nk->n", weighted)[:, np.newaxis]


def _squared_error_family(
    logits, targets, *, two=2.0, mean="row", plus=-1, path="jacobian", sign=1, over="none",
    result="rows", kind="float", **softmax,
):  # fmt: skip
    p = probs_of(logits, **softmax)
    v = two * (p - targets)
    taken = plus * sum_of(p * v, mean)
    grad = {
        "jacobian": lambda: p * (v + taken),
        "none": lambda: v,
        "elementwise": lambda: p * v,
        "sigmoid": lambda: p * (1 - p) * v,
        "no factor": lambda: v + taken,
        "first": lambda: p * v + taken,
        "twice": lambda: p * (1 - p) * (v + taken),
        "squares": lambda: p * v + plus * sum_of(p**2 * v, mean),
        "no diagonal": lambda: p * taken,
    }[path]()
    count, classes = logits.shape
    divisor = {"none": 1, "classes": classes, "rows": count, "both": count * classes}[over]
    grad = truncated(sign * grad / divisor, logits, kind)
    return {"rows": grad, "sum": grad.sum(axis=0), "mean": grad.mean(axis=0)}[result]


def _targets_for(z, i):
    """A one-hot or a soft target for each row, in turn; whole numbers for whole logits."""
    classes = z.shape[1]
    labels = labels_for(z, ("turn", "unlikely", "likely")[i % 3])
    one_hot = np.eye(classes)[labels]
    if z.dtype.kind == "i":
        return one_hot.astype(int)
    soft = np.arange(1, classes + 1) / (classes * (classes + 1) / 2)
    return one_hot if i % 2 else (one_hot + soft) / 2


def _epsilon():
    """The switch of a small number in the sum, down to what the tolerance lets through."""
    switch = sum_epsilon()
    text = next(iter(switch.wrong.values())).template
    return dataclasses.replace(switch, wrong=switch.wrong | {1e-6: say(text, value=1e-6)})


WHERE_SUMMED = {
    "columns": "The mean of the slopes under p runs down the columns. Each row has its own: "
    "sum over the last axis.",
    "whole": "One mean of the slopes under p serves the whole batch. Each row has its own: "
    "give the sum an axis.",
    "laid": "The means of the slopes are laid along the columns. Keep the summed axis with "
    "length 1.",
}

squared_error_grad = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="a slope carried through the softmax",
    name="squared_error_grad",
    stub='''
def squared_error_grad(logits, targets):
    """Gradient of ((softmax(logits) - targets)**2).sum() by logits (N, K)."""
    ...
''',
    answer="""
def squared_error_grad(logits, targets):
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = exps / exps.sum(axis=-1, keepdims=True)
    v = 2 * (p - targets)
    return p * (v - (p * v).sum(axis=-1, keepdims=True))
""",
    why="The slope by the probabilities is 2(p - t). The Jacobian of softmax carries it to the "
    "logits: J v = p * (v - mean of v under p).",
    reference=companion.softmax_squared_error_grad,
    hints=(
        "Two steps of the chain rule: from the loss to p, and from p to the logits.",
        "The slope by p is 2(p - t). Multiply it by the Jacobian of softmax, which is "
        "symmetric.",
        "With `v = 2 * (p - targets)`: `p * (v - (p * v).sum(axis=-1, keepdims=True))`.",
    ),
    probes=(
        (array([0, 0]), array([1, 0])),
        *((z, _targets_for(z, i)) for i, z in enumerate(plain_rows())),
        *((z, _targets_for(z, i)) for i, z in enumerate([*large_batches(), scattered()])),
    ),
    fresh=lambda rng: (2 * rng.normal(size=(2, 4)), rng.dirichlet(np.ones(4), size=2)),
    shortcuts=(
        "softmax_squared_error_grad",
        "softmax_jvp",
        "softmax_jacobian",
        *DIFFERENTIATES,
    ),
    # Slopes less their mean cancel where p is nearly 1: small entries need not be exact.
    rtol=1e-6,
    atol=1e-12,
    also_right=(_with_matrices, _in_two_terms),
    family=_squared_error_family,
    switches=(
        Switch(
            "formula",
            {
                "cross-entropy": "p - t is the gradient of cross-entropy, where the logarithm "
                "undoes the Jacobian. Here nothing does."
            },
            {"cross-entropy": {"path": "none", "two": 1.0}},
        ),
        axis(),
        sums(),
        *shifts(),
        Switch(
            "path",
            {
                "none": "This is a slope by the probabilities. It still has to go through "
                "softmax to the logits.",
                "elementwise": "Half of the Jacobian is missing, so a row does not sum to 0. "
                "Take off the mean under p; the plain mean of the slopes is 0 already.",
                "sigmoid": "You used p(1 - p), the diagonal of the Jacobian, as for a sigmoid. "
                "Each logit also moves the other probabilities.",
                "squares": "Where the Jacobian has the products p_i p_j, yours has squares "
                "p_j². The same row stands in all rows; each entry needs its own product.",
            },
        ),
        Switch(
            "path",
            {
                "no factor": "The mean under p is taken off, but no factor p stands in front. "
                "The Jacobian weighs each entry by its probability.",
                "first": "Only the first of the two terms of the Jacobian has its factor p. "
                "The mean is still to be weighted by p as well.",
                "twice": "The factor 1 - p is one too many: what it stands for is done by the "
                "mean under p.",
                "no diagonal": "Only the products p_i p_j of the Jacobian are there. Its "
                "diagonal has one more term.",
            },
            most=2,
        ),
        Switch("mean", WHERE_SUMMED),
        Switch("plus", {1: "The mean under p is added. In the Jacobian it has a minus."}),
        Switch(
            "two",
            {
                1.0: "The factor 2 of the square is missing.",
                4.0: "The factor 2 of the square is there twice.",
            },
        ),
        Switch("sign", {-1: f"{TURNED}: this is the direction in which the loss falls."}),
        Switch(
            "over",
            {
                "classes": "You divide by the number of classes, as some frameworks do. The "
                "loss here is a sum.",
                "rows": "You divide by the number of rows. The loss here is a sum, not a mean.",
                "both": "You divide by rows times classes, as .mean() does. The loss here is a "
                "sum, not a mean.",
            },
        ),
        Switch(
            "result",
            {
                "sum": "You add up the slopes of all rows. Each row has slopes of its own.",
                "mean": "You average the slopes of all rows. Each row has slopes of its own.",
            },
            most=2,
        ),
        inside(),
        clip(),
        powers(),
        _epsilon(),
        precision(),
        Switch("kind", {"like": INTEGERS}, most=1),
    ),
    mistakes=(
        Mistake(
            "loss",
            lambda z, t: ((companion.softmax(z) - t) ** 2).sum(),
            "This is the loss. Its slopes are asked for, one for each logit.",
        ),
    ),
)


# loudest: one number.


def _loudest():
    p = np.linspace(0, 1, 3001)
    return p[(p * (1 - p) ** 2).argmax()]


loudest = NumberExercise(
    topic=TOPIC,
    minutes=6,
    trains="the point where a loss listens most",
    name="loudest",
    stub="loudest = ...",
    answer="loudest = 1 / 3",
    why="With two classes the slope is ∓4 p (1 - p)². Its derivative is zero where "
    "(1 - p)² = 2p(1 - p), at p = 1/3.",
    reference=_loudest,
    hints=(
        "Write the squared error with p, the probability of the true class, alone.",
        "It is 2(1 - p)². Its slope by p is -4(1 - p), and dp/dz = p(1 - p). Multiply, and "
        "look for the largest size.",
        "p(1 - p)² is largest where 1 - p = 2p.",
    ),
    also_right=(1 / 3, np.float64(1) / 3, 0.33333333333, 0.333, np.float32(1) / 3),
    mistakes=(
        Mistake(
            "sigmoid",
            0.5,
            "There softmax itself is steepest. The error, 1 - p, still grows to the left.",
        ),
        Mistake(
            "cross-entropy",
            0.0,
            "There cross-entropy listens most. Squared error has gone deaf: the Jacobian is 0.",
        ),
        Mistake("perfect", 1.0, "There is no error left at p = 1, and so no slope."),
        Mistake(
            "wrong-class",
            2 / 3,
            "That is the probability of the wrong class at this point.",
        ),
        Mistake(
            "margin",
            float(np.log(2)),
            "That is the lead of the wrong logit at this point. The probability is asked for.",
        ),
        Mistake(
            "one-factor-of-p",
            0.25,
            "This is where p(1 - p)³ is largest: one factor of 1 - p too many.",
        ),
        Mistake(
            "slope",
            16 / 27,
            "That is the size of the slope at this point. The probability is asked for.",
        ),
        Mistake(
            "length",
            2**0.5 * 16 / 27,
            "That is the length of the gradient at this point. The probability is asked for.",
        ),
        Mistake(
            "product",
            4 / 27,
            "That is the largest value of p(1 - p)². The probability where it is taken is "
            "asked for.",
        ),
        Mistake(
            "margin-turned",
            -float(np.log(2)),
            "That is the lead of the true logit at this point. The probability is asked for.",
        ),
        Mistake(
            "one-factor-of-p-wrong-class",
            0.75,
            "This is where p³(1 - p) is largest. The error grows as p falls, so look further "
            "left.",
        ),
    ),
)


# midpoint_gap: a function is an argument.


def _gap(f, a, b):
    return f((a + b) / 2) - (f(a) + f(b)) / 2


def _gap_by_weights(f, a, b):
    return f(a + 0.5 * (b - a)) - np.mean([f(a), f(b)])


def _gap_in_a_sum(f, a, b):
    return np.dot([1.0, -0.5, -0.5], [f(0.5 * a + 0.5 * b), f(a), f(b)])


def squared_error(z):
    """Squared error of two logits whose label is 1."""
    q = 1 / (1 + np.exp(z[1] - z[0]))
    return 2 * float(q) ** 2


def cross_entropy(z):
    """Cross-entropy of two logits whose label is 1."""
    return float(np.logaddexp(0, z[0] - z[1]))


def sum_of_squares(x):
    """A convex function."""
    return float((x**2).sum())


def sum_of_cubes(x):
    """A function that is neither even nor convex."""
    return float((x**3).sum())


def _gap_family(
    f, a, b, *, middle="half", ends="mean", sign=1, finish="gap", digits=None, line=None,
):  # fmt: skip
    point = {
        "half": lambda: (a + b) / 2,
        "precedence": lambda: a + b / 2,
        "difference": lambda: (b - a) / 2,
        "turned": lambda: (a - b) / 2,
        "sum": lambda: a + b,
        "floor": lambda: (a + b) // 2,
        "scalar": lambda: np.mean([a, b]),
        "like": lambda: ((a + b) / 2).astype(np.result_type(a)),
        "value halved": lambda: a + b,
    }[middle]()
    at_a, at_b, at_middle = f(a), f(b), f(point)
    if middle == "value halved":
        at_middle = at_middle / 2
    taken = {
        "mean": lambda: (at_a + at_b) / 2,
        "sum": lambda: at_a + at_b,
        "second halved": lambda: at_a + at_b / 2,
        "no brackets": lambda: at_a - at_b / 2,
        "half the difference": lambda: (at_a - at_b) / 2,
        "other half": lambda: (at_b - at_a) / 2,
        "a": lambda: at_a,
        "b": lambda: at_b,
        "none": lambda: 0.0,
        "larger": lambda: max(at_a, at_b),
        "smaller": lambda: min(at_a, at_b),
    }[ends]()
    gap = sign * (at_middle - taken)
    if line is not None:
        steps = np.linspace(0, 1, line)
        gap = max(f((1 - t) * a + t * b) - ((1 - t) * at_a + t * at_b) for t in steps)
    finishes = {
        "gap": lambda: gap,
        "size": lambda: abs(gap),
        "cut": lambda: max(gap, 0.0),
        "cut above": lambda: min(gap, 0.0),
        "halved": lambda: gap / 2,
        "doubled": lambda: gap * 2,
        "sign": lambda: float(np.sign(gap)),
        "truth": lambda: float(gap > 0),
        "relative": lambda: gap / taken,
        "squared": lambda: gap**2,
        "per length": lambda: gap / np.linalg.norm(b - a),
        "per squared length": lambda: gap / ((b - a) ** 2).sum(),
        "per entry": lambda: gap / len(a),
        "whole": lambda: np.trunc(gap),
    }
    given = finishes[finish]()
    return given if digits is None else np.round(given, digits)


midpoint_gap = FunctionExercise(
    topic=TOPIC,
    minutes=5,
    trains="a proof that a function is not convex",
    name="midpoint_gap",
    stub='''
def midpoint_gap(f, a, b):
    """How far f midway between a and b lies above the mean of f(a) and f(b)."""
    ...
''',
    answer="""
def midpoint_gap(f, a, b):
    return f((a + b) / 2) - (f(a) + f(b)) / 2
""",
    why="A convex function never has a positive gap, on any line. One positive gap is a proof "
    "that it is not convex; no number of negative ones is a proof that it is.",
    reference=_gap,
    hints=(
        "Three values of f are needed: at a, at b, and at the point between them.",
        "Value at the middle, less the mean of the values at the ends.",
        "The middle is `(a + b) / 2`. The mean of the ends needs brackets as well.",
    ),
    probes=(
        (sum_of_squares, flat(0, 0), flat(2, 4)),
        (sum_of_squares, flat(1, -1), flat(3, 3)),
        (sum_of_squares, flat(3), flat(-1)),
        (sum_of_cubes, flat(-4, 0), flat(1, 1)),
        (sum_of_cubes, flat(-4, 1), flat(4, 1)),  # largest elsewhere than at the middle
        (sum_of_cubes, np.array([1, 2]), np.array([2, 5])),
        (squared_error, flat(0, 0), flat(8, 0)),
        (cross_entropy, flat(0, 1), flat(8, 0)),
        (cross_entropy, flat(8, 0), flat(-3, 1)),
    ),
    fresh=lambda rng: (sum_of_cubes, rng.normal(size=3), rng.normal(size=3)),
    # Three values are added, of one size; nobody counts digits beyond those of float32.
    rtol=1e-6,
    atol=1e-9,
    also_right=(_gap_by_weights, _gap_in_a_sum),
    family=_gap_family,
    switches=(
        Switch(
            "middle",
            {
                "precedence": "Division binds before addition: a + b / 2 is not the middle. "
                "Use brackets.",
                "difference": "(b - a) / 2 is half the way, not the middle. Add a to it.",
                "turned": "(a - b) / 2 is half the way back, not the middle. A mean has a "
                "plus.",
                "value halved": "f is taken at the sum of a and b, and its value is halved. "
                "The middle is a point: halve that, not the value.",
                "sum": "f is taken at the sum of a and b. The middle is half of it.",
                "floor": "// cuts the middle down to whole numbers. The middle of 1 and 2 is "
                "1.5.",
                "scalar": "np.mean of both points is one number. The middle is a point: "
                "average entry by entry.",
                "like": "The middle of integer points is cut to integers: an array made like "
                "them (empty_like, copy) holds no fractions. Ask for floats.",
            },
        ),
        Switch(
            "ends",
            {
                "sum": "You compare with the sum of the two ends. Their mean is wanted.",
                "second halved": "Only the second of the two ends is halved. Their mean needs "
                "brackets.",
                "no brackets": "The ends enter with different signs, and only the second is "
                "halved. Their mean needs brackets.",
                "half the difference": "The ends enter with different signs. Their mean has a "
                "plus.",
                "other half": "The ends enter with different signs, the first one turned. "
                "Their mean has a plus.",
                "a": "You compare the middle with the first end alone. The mean of both ends "
                "is wanted.",
                "b": "You compare the middle with the second end alone. The mean of both ends "
                "is wanted.",
                "none": "The ends play no part. How high the middle lies is a comparison with "
                "their mean.",
                "larger": "You compare the middle with the higher end. The mean of both ends "
                "is wanted.",
                "smaller": "You compare the middle with the lower end. The mean of both ends "
                "is wanted.",
            },
        ),
        Switch(
            "sign",
            {
                -1: "The signs are turned round: a positive gap shall mean that the middle is "
                "too high."
            },
        ),
        Switch(
            "finish",
            {
                "size": "You return the size of the gap. Its sign is what tells whether the "
                "middle lies above.",
                "cut": "You cut the gap off at 0. How far the middle lies below counts as "
                "well.",
                "cut above": "You cut the gap off at 0, from above. What proves something is a "
                "positive gap.",
                "halved": "You halve the whole. Only the two ends are averaged.",
                "doubled": "You double the whole. The gap is the plain difference.",
                "relative": "You divide by the value of the ends. The plain difference is "
                "asked for.",
                "squared": "You square the gap. The plain difference is asked for.",
            },
        ),
        Switch(
            "finish",
            {
                "sign": "You return only the sign of the gap. How far is asked for.",
                "truth": "You return 1 or 0, whether the gap is positive. How far is asked "
                "for.",
            },
            most=1,
        ),
        Switch(
            "finish",
            {
                "per length": "You divide by the distance of a and b. The plain difference is "
                "asked for.",
                "per squared length": "You divide by the squared distance of a and b. The "
                "plain difference is asked for.",
                "whole": "You cut the result down to a whole number, so small gaps vanish. "
                "Return it as it is.",
                "per entry": "You divide by the number of entries of a point. The plain "
                "difference is asked for.",
            },
            most=2,
        ),
        Switch(
            "digits",
            dict.fromkeys(
                range(6), "You round the result, so small gaps vanish. Return it as it is."
            ),
            most=2,
        ),
        Switch(
            "line",
            dict.fromkeys(
                (11, 101, 21, 1001, 10, 100, 20, 1000, 5, 6, 9, 50, 51, 201),
                "You take the largest gap on the whole line. The one at the middle is asked "
                "for, also where it is negative.",
            ),
            most=1,
        ),
    ),
    mistakes=(
        Mistake(
            "points",
            lambda f, a, b: f((a + b) / 2 - (a + b) / 2),
            "You subtract points, not values. Call f at each point first.",
        ),
    ),
)


# expected_brier: two distributions.


def _expected_brier(truth, report):
    return float(1 - (truth**2).sum() + ((report - truth) ** 2).sum())


def _expected_brier_by_labels(truth, report):
    total = 0.0
    for y in range(len(truth)):
        errors = report - (np.arange(len(truth)) == y)
        total = total + truth[y] * (errors @ errors)
    return total


def _expected_brier_expanded(truth, report):
    return (report**2).sum() - 2 * truth @ report + 1


def _brier_family(
    truth, report, *, order="truth, report", labels="drawn", miss="square", entries="all",
    summed="classes", over="none", finish="mean", sign=1,
):  # fmt: skip
    if order == "report, truth":
        truth, report = report, truth
    corners = np.eye(len(truth))
    errors = report - corners
    sizes = {
        "square": lambda: errors**2,
        "size": lambda: np.abs(errors),
        "log": lambda: np.diag(-np.log(report)),
        "binary log": lambda: -np.log(np.abs(1 - corners - report)),
    }[miss]()
    if entries in ("own", "others"):
        sizes = sizes * (corners if entries == "own" else 1 - corners)
    elif entries != "all":
        sizes = sizes[:, [entries]]
    scores = sizes.sum(axis=-1 if summed == "classes" else 0)
    if labels == "truth itself":
        scores = ((report - truth) ** 2).sum() * np.ones(len(truth))
    weights = {
        "drawn": lambda: truth,
        "truth itself": lambda: truth / truth.sum(),
        "equal": lambda: np.ones(len(truth)) / len(truth),
        "once": lambda: np.ones(len(truth)),
        "likeliest": lambda: corners[truth.argmax()],
        "reported": lambda: report,
        "reported likeliest": lambda: corners[report.argmax()],
        "squared": lambda: truth**2,
        "but the last": lambda: truth - truth[-1] * corners[-1],
        "but the first": lambda: truth - truth[0] * corners[0],
        "first two": lambda: truth[0] * corners[0] + truth[1] * corners[1],
    }[labels]()
    divided = scores / {"none": 1, "classes": len(truth), "half": 2}[over]
    finishes = {
        "mean": lambda: weights @ divided,
        "terms": lambda: weights * divided,
        "scores": lambda: divided,
        "root": lambda: np.sqrt(weights @ divided),
        "root of each": lambda: weights @ np.sqrt(divided),
    }
    return sign * finishes[finish]()


def _drawn(count, seed):
    """The mean score of labels that are drawn, as most people draw them."""

    def estimate(truth, report):
        labels = np.random.default_rng(seed).choice(len(truth), size=count, p=truth)
        shares = np.bincount(labels, minlength=len(truth)) / count
        return _expected_brier_expanded(shares, report)

    return estimate


expected_brier = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="the mean of a score under a distribution",
    name="expected_brier",
    stub='''
def expected_brier(truth, report):
    """Mean of ((report - onehot(y))**2).sum() over y drawn from truth (K,)."""
    ...
''',
    answer="""
def expected_brier(truth, report):
    labels = np.eye(len(truth))
    return truth @ ((report - labels) ** 2).sum(axis=-1)
""",
    why="Each label costs the squared distance from its corner, and comes with its "
    "probability. "
    "The sum is 1 - |truth|² + |report - truth|²: least at the truth.",
    reference=_expected_brier,
    hints=(
        "What would the score be if label 0 came, label 1, and so on?",
        "K squared distances, one for each corner. Average them with the weights of truth.",
        "The corners are the rows of `np.eye(K)`; weigh with `truth @ ...`.",
    ),
    probes=(
        (flat(0.5, 0.5), flat(0.5, 0.5)),
        (flat(0.6, 0.3, 0.1), flat(0.2, 0.5, 0.3)),
        (flat(1, 0, 0), flat(0.2, 0.5, 0.3)),
        (flat(0.1, 0.2, 0.7), flat(0, 0, 1)),
        (np.array([0, 1]), np.array([1, 0])),
        (flat(1), flat(1)),
        (flat(0.1, 0.2, 0.3, 0.4), flat(0.7, 0.1, 0.2, 0)),
        (flat(0.25, 0.3, 0.45), flat(0.4, 0.35, 0.25)),
    ),
    fresh=lambda rng: tuple(rng.dirichlet(np.ones(4), size=2)),
    shortcuts=("brier_score_loss",),
    # A few products of numbers below 1, of one size: the digits of float32 are enough.
    rtol=1e-6,
    atol=1e-9,
    also_right=(_expected_brier_by_labels, _expected_brier_expanded),
    family=_brier_family,
    switches=(
        Switch(
            "formula",
            {
                "binary": "This is a score of two classes, by one entry of the report and two "
                "labels. With K classes all entries count, and all labels come.",
            },
            {"binary": {"entries": 1, "labels": "first two"}},
        ),
        Switch(
            "order",
            {
                "report, truth": "Truth and report are exchanged: the labels are drawn from "
                "the first argument."
            },
        ),
        Switch(
            "labels",
            {
                "truth itself": "You measure the distance from the truth. Labels are corners, "
                "not the truth itself: their scatter costs something, even for a perfect "
                "report.",
                "equal": "All labels weigh the same in your mean. Rare labels count less.",
                "once": "You add the scores of all labels up. Each comes with its probability.",
                "likeliest": "You score the likeliest label only. The other labels come too, "
                "sometimes.",
                "reported": "The weights are those of the report. Labels are drawn from the "
                "truth.",
                "reported likeliest": "You score the label that the report finds likeliest. "
                "Labels are drawn from the truth, and all of them come.",
                "squared": "The weights are the squares of the probabilities. A mean weighs "
                "with the probabilities themselves.",
            },
        ),
        Switch(
            "labels",
            {
                "but the last": "The last label is left out. All labels come, from 0 to K - 1.",
                "but the first": "Label 0 is left out. All labels come, from 0 to K - 1.",
                "first two": "Only labels 0 and 1 come. The mean runs over all K labels.",
            },
            most=2,
        ),
        Switch(
            "miss",
            {
                "size": "You add sizes of differences. Their squares are asked for.",
                "log": "This is a logarithmic score. The squared one is asked for.",
                "binary log": "This is a sum of logarithms over all classes, as in binary "
                "cross-entropy. The squared score is asked for.",
            },
        ),
        Switch(
            "entries",
            {
                "own": "Only the entry at the label counts. Those of the wrong classes do as "
                "well.",
                "others": "Only the entries of the wrong classes count. That at the label does "
                "as well.",
            },
        ),
        Switch(
            "entries",
            {
                0: "Only the report's entry for class 0 counts. Each class has one, and all "
                "the squares are summed.",
                1: "Only the report's entry for class 1 counts. Each class has one, and all "
                "the squares are summed.",
            },
            most=2,
        ),
        Switch(
            "summed",
            {
                "labels": "You sum over the labels, which leaves a number for each class. A "
                "score sums over the classes, for each label: it is the other axis."
            },
            most=2,
        ),
        Switch(
            "over",
            {
                "classes": "You divide by the number of classes. The score here is a sum over "
                "the classes.",
                "half": "You halve the score, as for two classes. Here it is the whole sum.",
            },
        ),
        Switch(
            "finish",
            {
                "terms": "You return a term for each label. Their sum is the mean.",
                "scores": "You return a score for each label. Their mean under the truth is "
                "asked for.",
                "root": "You take a square root at the end. The score is the square.",
                "root of each": "You take the square root for each label. The score is the "
                "square.",
            },
        ),
        Switch(
            "sign", {-1: "The sign is turned round: a score here is a cost, never below 0."}
        ),
    ),
    mistakes=(
        Mistake(
            "spread alone",
            lambda truth, report: 1 - (truth**2).sum(),
            "The report has no effect: this is what a perfect one costs.",
        ),
        *(
            Mistake(
                f"{count} labels, seed {seed}",
                _drawn(count, seed),
                "You draw labels at random and average their scores, which is near the mean "
                "only. With all labels and their probabilities it can be had exactly.",
            )
            for count in (1000, 10_000, 100_000)
            for seed in (0, 42)
        ),
    ),
)


# who_sees: a choice.


def _who_sees():
    first, second = np.log([0.5, 0.5, 1e-300]), np.log([0.5, 0.25, 0.25])
    target = [1, 0, 0]

    def changes(f):
        return not np.allclose(f(first, target), f(second, target))

    seen = (
        changes(companion.softmax_cross_entropy),
        changes(companion.softmax_cross_entropy_grad),
        changes(companion.softmax_squared_error),
    )
    letters = {
        (False, False, True): "a",
        (True, True, True): "b",
        (False, True, True): "c",
        (False, True, False): "d",
    }
    return letters[seen]


who_sees = ChoiceExercise(
    topic=TOPIC,
    minutes=4,
    trains="which loss sees the wrong classes",
    name="who_sees",
    stub='who_sees = ...  # "a", "b", "c" or "d"',
    answer='who_sees = "c"',
    why="The value -log p_y depends on p_y alone. Its gradient by the logits is p - t, which "
    "names every class. Squared error sees all probabilities in its value already.",
    reference=_who_sees,
    options={
        "a": "The squared error. Of cross-entropy neither the value nor the gradient.",
        "b": "Both losses and both gradients.",
        "c": "The squared error, and both gradients by the logits.",
        "d": "Both gradients by the logits, and neither loss.",
    },
    hints=(
        "Look at values and at gradients by the logits separately.",
        "Cross-entropy is -log of one probability. Which entries does p - t have?",
        "The value of cross-entropy stays, its gradient by the logits does not.",
    ),
    also_right=("C", "(c)"),
    mistakes=(
        Mistake(
            "a",
            "a",
            "The gradient of cross-entropy by the logits is p - t, and p has changed. Only "
            "its value stays.",
        ),
        Mistake("b", "b", "-log 0.5 is the same for both: the value of cross-entropy stays."),
        Mistake(
            "d",
            "d",
            "Squared error adds the squares of the wrong classes: 0.25 here, 0.125 there.",
        ),
    ),
)


# calibration_error: five bins.

BINS = 5


def _ece(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return sum(
        abs((hit[which == b] - confidence[which == b]).sum()) for b in range(BINS)
    ) / len(labels)


def _ece_by_masks(probs, labels):
    confidence = np.max(probs, axis=1)
    hit = np.argmax(probs, axis=1) == labels
    total = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 6)):
        inside = (confidence > low) & (confidence <= high)
        total = total + abs(hit[inside].sum() - confidence[inside].sum())
    return total / len(probs)


def _ece_by_counts(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.ceil(confidence * 5).astype(int)
    gap = np.bincount(which, weights=hit - confidence)
    return np.abs(gap).sum() / len(labels)


def _bin_of(confidence, bins, edges, classes):
    """The number of each answer's bin; those that fall out of all bins get -1."""
    numbers = np.floor(confidence * bins).astype(int)
    match edges:
        case "closed":
            return np.minimum(numbers, bins - 1)
        case "open":
            return np.where(numbers < bins, numbers, -1)
        case "own":
            return numbers
        case "but the last":
            return np.where(numbers < bins - 1, numbers, -1)
        case "but the first":
            return np.where(numbers > 0, np.minimum(numbers, bins - 1), -1)
        case "rounded":
            return np.round(confidence * bins).astype(int)
        case "counts":
            ranks = np.empty(len(confidence), dtype=int)
            parts = np.array_split(np.argsort(confidence), bins)
            for number, part in enumerate(parts):
                ranks[part] = number
            return ranks
    low = confidence.min() if edges == "range" else 1 / classes
    high = confidence.max() if edges == "range" else 1.0
    width = (high - low) / bins or 1.0
    return np.clip(((confidence - low) / width).astype(int), 0, bins - 1)


def _of_bins(gaps, which, *, bins, weigh, size, over, empty):
    """The error, from what each answer's hit exceeds its confidence by, and its bin."""
    gaps, which = gaps[which >= 0], which[which >= 0]
    counts = np.bincount(which, minlength=bins)
    full = counts > 0
    if empty == "nan" and not full.all():
        return np.nan
    counts, sums_of_bins = counts[full], np.bincount(which, weights=gaps, minlength=bins)[full]
    sizes = {
        "size": np.abs,
        "signed": np.positive,
        "signed, turned": np.negative,
        "square": np.square,
        "over": lambda means: np.maximum(-means, 0),
        "under": lambda means: np.maximum(means, 0),
    }[size](sums_of_bins / counts)
    return {
        "counts": lambda: (counts * sizes).sum() / over,
        "equal": lambda: sizes.mean(),
        "all equal": lambda: sizes.sum() / bins,
        "sum": lambda: sizes.sum(),
        "largest": lambda: sizes.max(),
    }[weigh]()


def _calibration_family(
    probs, labels, *, bins=BINS, edges="closed", confidence="largest", hits="answer",
    weigh="counts", size="size", over="N", empty="skipped", finish="error", axis="classes",
    against="mean",
):  # fmt: skip
    if axis == "rows":
        probs = probs.T
    rows, likely = np.arange(len(labels)), probs.argmax(axis=-1)
    sure = {
        "largest": lambda: probs.max(axis=-1),
        "label": lambda: probs[rows, labels],
        "first": lambda: probs[:, 0],
        "last": lambda: probs[:, -1],
        "margin": lambda: (
            np.sort(probs, axis=-1)[:, -1] - np.sort(probs, axis=-1)[:, :-1].max(-1)
        ),
        "every": lambda: probs.ravel(),
    }[confidence]()
    right = {
        "answer": lambda: likely == labels,
        "wrong": lambda: likely != labels,
        "label": lambda: labels,
        "first": lambda: labels == 0,
        "every": lambda: np.eye(probs.shape[1])[labels].ravel(),
    }[hits]()
    which = _bin_of(sure, bins, edges, probs.shape[1])
    divisor = {"N": len(sure), "none": 1, "bins": bins, "rows": len(labels)}[over]
    said = {
        "mean": lambda: sure,
        "middle": lambda: (which + 0.5) / bins,
        "lower": lambda: which / bins,
        "upper": lambda: (which + 1) / bins,
        "all": lambda: sure.mean(),
    }[against]()
    error = _of_bins(
        right - said, which, bins=bins, weigh=weigh, size=size, over=divisor, empty=empty
    )
    return {"error": error, "root": np.sqrt(error), "percent": 100 * error, "rest": 1 - error}[
        finish
    ]


def _two_classes(*rows):
    """Rows of (confidence in class 0, label): probabilities and labels."""
    confidence, labels = np.array(rows).T
    return np.stack([confidence, 1 - confidence], axis=-1), labels.astype(int)


def _random_answers(rng):
    # Away from the edges of the bins, where two conventions differ, and without ties.
    apart = np.arange(503, 998, 7)
    confidence = rng.permutation(apart[apart % 10 > 0])[:30] / 1000
    # Too unsure at 0.5, too sure near 1: with as many hits as misses all gaps have one sign.
    missed = rng.random(30) > 0.75
    return _two_classes(*zip(confidence, missed, strict=True))


def _three_classes(count, seed):
    """Answers over three classes, of all sizes of confidence: none at an edge, none twice."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(3), size=count).round(3)
    probs[:, 2] = (1 - probs[:, 0] - probs[:, 1]).round(3)
    missed = rng.random(count) > 0.65
    return probs, (probs.argmax(axis=-1) + missed) % 3


SIGNED = "Gaps keep their signs, so they cancel. Take the size of the gap in each bin."
EVERY_CLASS = (
    "All probabilities of a row go into bins, each with whether its class is the label. Only "
    "the answer given, the most likely class, has a confidence."
)

calibration_error = FunctionExercise(
    topic=TOPIC,
    minutes=15,
    trains="confidence against the share of right answers",
    name="calibration_error",
    stub='''
def calibration_error(probs, labels):
    """Expected calibration error of probs (N, K) in 5 bins of confidence."""
    ...
''',
    answer="""
def calibration_error(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum((5 * confidence).astype(int), 4)
    errors = hit - confidence
    gaps = [abs(errors[which == b].sum()) for b in range(5)]
    return sum(gaps) / len(labels)
""",
    why="Within a bin, hits less confidences is the count times the gap; dividing the sum of "
    "its "
    "sizes by N weighs each bin by how many answers it holds.",
    reference=_ece,
    hints=(
        "Per answer: its confidence, and whether it is right. Then sort answers into bins.",
        "In each bin, the mean of the hits less the mean confidence, as a size; weigh bins by "
        "count.",
        "`which = np.minimum((5 * confidence).astype(int), 4)` names the bin of each answer.",
    ),
    probes=(
        _two_classes((0.91, 0), (0.72, 1)),
        _two_classes((0.91, 0), (0.91, 0), (0.91, 1), (0.56, 0)),
        _two_classes((1, 1), (0.91, 0), (0.96, 0)),
        _two_classes((1, 0), (1, 1)),
        (np.array([[1, 0], [0, 1], [1, 0]]), np.array([0, 0, 1])),
        _two_classes((0.91, 0), (0.72, 1), (0.73, 1), (0.56, 0), (0.53, 1), (0.86, 0)),
        _two_classes((0.91, 1), (0.28, 1), (0.12, 1), (0.72, 0), (0.71, 0)),
        _two_classes((0.86, 1), (0.97, 0), (0.96, 0), (0.66, 0)),
        (
            array([0.52, 0.27, 0.21], [0.13, 0.11, 0.76], [0.31, 0.36, 0.33]),
            np.array([1, 0, 1]),
        ),
        (
            array([0.145] * 6 + [0.13], [0.06, 0.31, 0.15, 0.09, 0.09, 0.12, 0.18]),
            np.array([0, 1]),
        ),
        # Neighbours lie on different sides: bins of another width cannot do the same.
        _two_classes(
            *((0.53, 0), (0.57, 0), (0.63, 1), (0.66, 1), (0.69, 0), (0.73, 1), (0.77, 0)),
            *((0.83, 0), (0.86, 0), (0.94, 1), (0.97, 0)),
        ),
        _three_classes(25, seed=93),  # no two widths of bins give the same
    ),
    fresh=_random_answers,
    shortcuts=("calibration_curve", "calibration_error"),
    # Means of some numbers below 1: the digits of float32 are enough.
    rtol=1e-6,
    atol=1e-9,
    also_right=(_ece_by_masks, _ece_by_counts),
    family=_calibration_family,
    switches=(
        Switch(
            "formula",
            {
                "of class 1": "You compare the probability of the last class with the label, "
                "as for two classes. Confidence is that of the answer given, the largest one.",
                "of class 0": "You compare the probability of class 0 with how often it comes. "
                "Confidence is that of the answer given, the largest one.",
                "every class": EVERY_CLASS,
                "every class, per row": EVERY_CLASS,
            },
            {
                "of class 1": {"confidence": "last", "hits": "label"},
                "of class 0": {"confidence": "first", "hits": "first"},
                "every class": {"confidence": "every", "hits": "every"},
                "every class, per row": {
                    "confidence": "every",
                    "hits": "every",
                    "over": "rows",
                },
            },
        ),
        Switch(
            "bins",
            {
                1: "There is one bin for all answers. Too sure here and too unsure there "
                "cancel.",
            },
        ),
        Switch(
            "bins",
            {
                **{
                    count: f"There are {count} bins. Five are asked for."
                    for count in (2, 3, 4, 6, 10, 15, 20, 100)
                },
            },
            most=2,
        ),
        Switch(
            "edges",
            {
                "open": "Answers whose confidence is exactly 1 fall out of all bins. The last "
                "bin includes its upper edge.",
                "own": "Answers whose confidence is exactly 1 get a bin of their own. They "
                "belong in the last one.",
                "rounded": "Rounding shifts the bins by half of their width. The first one "
                "starts at 0.",
                "counts": "Your bins hold equal numbers of answers. They shall be equally "
                "wide.",
                "range": "Your bins divide the range of the data. They shall divide 0 to 1.",
                "but the last": "The last bin, with the most confident answers, is never "
                "visited. range(4) ends at 3.",
                "but the first": "The first bin is never visited. Bins count from 0.",
            },
            most=2,
        ),
        Switch(
            "edges",
            {
                "chance": "Your bins start at 1 / K, the least that a confidence can be. They "
                "shall divide 0 to 1.",
            },
            most=2,
        ),
        Switch(
            "axis",
            {
                "rows": "argmax and max run down the columns. The classes of one example lie "
                "in a row, on the last axis."
            },
            most=2,
        ),
        Switch(
            "confidence",
            {
                "label": "The probability of the true label serves as confidence. Confidence "
                "is that of the answer given, the largest one.",
                "first": "The probability of class 0 serves as confidence. Confidence is that "
                "of the answer given, the largest one.",
                "last": "The probability of the last class serves as confidence. Confidence is "
                "that of the answer given, the largest one.",
                "margin": "The lead over the second class serves as confidence. Confidence is "
                "the largest probability itself.",
            },
            most=2,
        ),
        Switch(
            "hits",
            {
                "wrong": "You count wrong answers. Confidence is to be compared with the share "
                "of right ones.",
                "label": "The labels serve as hits, as for two classes. A hit is an answer "
                "that is its label.",
            },
            most=2,
        ),
        Switch(
            "weigh",
            {
                "equal": "All bins weigh the same in your mean. Weigh each by its number of "
                "answers.",
                "all equal": "All bins, empty ones too, weigh the same in your mean. "
                "Weigh each by its number of answers.",
                "sum": "The gaps of the bins are added up. Weigh each by its share of the "
                "answers.",
                "largest": "You report the largest gap. The expected error is a mean over all "
                "answers.",
            },
        ),
        Switch(
            "size",
            {
                "signed": SIGNED,
                "signed, turned": SIGNED,
                "square": "Gaps are squared. Take their sizes.",
                "over": "Only bins that are too sure count. A gap is a size, whichever side.",
                "under": "Only bins that are too unsure count. A gap is a size, whichever "
                "side.",
            },
        ),
        Switch(
            "against",
            {
                "middle": "You compare the hits with the middle of their bin. Take the mean of "
                "the confidences in it.",
                "lower": "You compare the hits with the lower edge of their bin. Take the mean "
                "of the confidences in it.",
                "upper": "You compare the hits with the upper edge of their bin. Take the mean "
                "of the confidences in it.",
                "all": "You compare the hits of a bin with the mean confidence of all answers. "
                "Take the mean of those in the bin.",
            },
            most=2,
        ),
        Switch(
            "over",
            {
                "none": "The sum over the bins is still to be divided by the number of "
                "answers.",
                "bins": "The sum over the bins is divided by their number. It is to be divided "
                "by the number of answers.",
            },
        ),
        Switch(
            "empty",
            {
                "nan": "An empty bin has no mean, and its nan spoils the sum. Leave empty bins "
                "out."
            },
        ),
        Switch(
            "finish",
            {
                "root": "You take a square root at the end. The error is the plain mean of the "
                "gaps.",
                "percent": "These are percent. The error is a number from 0 to 1.",
                "rest": "You return 1 less the error. The error itself is asked for.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "no-bins",
            lambda probs, labels: np.abs(
                (probs.argmax(axis=-1) == labels) - probs.max(axis=-1)
            ).mean(),
            "You take the gap of each answer by itself. One answer is right or wrong, never "
            "0.8 right: average within a bin first.",
        ),
        Mistake(
            "error-rate",
            lambda probs, labels: (probs.argmax(axis=-1) != labels).mean(),
            "This is the share of wrong answers. A wrong answer may be an honest one.",
        ),
        Mistake(
            "hit-rate",
            lambda probs, labels: (probs.argmax(axis=-1) == labels).mean(),
            "This is the share of right answers. Compare it with the confidence, bin by bin.",
        ),
    ),
)
