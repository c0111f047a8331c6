"""Exercises of the chapter *Relatives*."""

import numpy as np

import companion
from companion import relatives
from companion.exercises.common import (
    ADDED,
    BASES,
    CLIPPED,
    INTEGERS,
    MEAN,
    SHIFT,
    SUM,
    SUMS,
    axis,
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

TOPIC = "relatives"
SINGLE = {"rtol": 1e-6, "atol": 1e-9}  # no digits are promised; float32 has seven

inf = np.inf

QUOTIENT = (
    "The probability is computed before its logarithm, and underflows to 0 where the loss is "
    "large. Take the logarithm on paper."
)

# sparsemax: the nearest point of the simplex, row by row.


def _sparsemax_by_support(z):
    s = np.sort(z, axis=1)[:, ::-1]
    sums = s.cumsum(axis=1)
    sizes = (1 + np.arange(1, z.shape[1] + 1) * s > sums).sum(axis=1)
    taus = (sums[np.arange(len(z)), sizes - 1] - 1) / sizes
    return np.clip(z - taus[:, np.newaxis], 0, None)


def _sparsemax_by_leaving_out(z):
    rows = []
    for row in z:
        left = list(row)
        while min(left) < (tau := (sum(left) - 1) / len(left)):
            left = [value for value in left if value >= tau]
        rows.append([max(value - tau, 0) for value in row])
    return np.array(rows)


def _sorted(x, order):
    return {
        "falling": lambda: -np.sort(-x, axis=1),
        "as given": lambda: x,
        "columns": lambda: -np.sort(-x, axis=0),
        "absolute": lambda: -np.sort(-np.abs(x), axis=1),
    }[order]()


def _threshold(s, how, less, counts):
    """One number for each row, below which probabilities are 0."""
    ranks = np.arange(1.0, s.shape[1] + 1) + {"from 0": -1, "from 2": 1}.get(counts, 0)
    ranks = np.full(s.shape[1], float(s.shape[1])) if counts == "all" else ranks
    ranks = np.ones(s.shape[1]) if counts == "none" else ranks
    sums = np.cumsum(s, axis=1)
    taus, rows = (sums - (less != "level")) / ranks, np.arange(len(s))
    sizes = (s > taus).sum(axis=1)
    if less in ("not taken", "added"):  # though the classes that are kept are the right ones
        taus = (sums + (less == "added")) / ranks
        how = "by support" if how == "largest" else how
    return {
        "largest": lambda: taus.max(axis=1),
        "least": lambda: taus.min(axis=1),
        "mean": lambda: taus.mean(axis=1),
        "by support": lambda: taus[rows, sizes - 1],
        "all": lambda: taus[:, -1],
        "first": lambda: taus[:, 0],
        "one fewer": lambda: taus[rows, sizes - 2],
        "one more": lambda: taus[rows, sizes],
        "one more at most": lambda: taus[rows, np.minimum(sizes, s.shape[1] - 1)],
        "without ranks": lambda: taus[rows, (1 + s > sums).sum(axis=1) - 1],
        "all above 0": lambda: taus[rows, np.maximum((s > 0).sum(axis=1) - 1, 0)],
    }[how]()[:, np.newaxis]


def _cut(x, tau, how):
    heights = x - tau
    kept = np.maximum(heights, 0)
    return {
        "at 0": lambda: kept,
        "none": lambda: heights,
        "size": lambda: np.abs(heights),
        "both ends": lambda: np.clip(heights, 0, 1),
        "shares": lambda: kept / kept.sum(axis=1, keepdims=True),
        "logits": lambda: np.where(heights > 0, x, 0),
        "equal": lambda: (heights > 0) / (heights > 0).sum(axis=1, keepdims=True),
        "softmax": lambda: companion.softmax(np.where(heights > 0, x, -inf)),
        "squared": lambda: kept**2,
        "support": lambda: 1.0 * (heights > 0),
        "threshold": lambda: tau[:, 0],
    }[how]()


def _sparsemax_family(
    z, *, order="falling", over="row", threshold="largest", less="one", counts="from 1",
    cut="at 0", scale=1.0, result="rows", kind="float",
):  # fmt: skip
    x = {"row": lambda: z, "columns": lambda: z.T, "whole": lambda: z.reshape(1, -1)}[over]()
    x = scale * x.astype(float)
    p = _cut(x, _threshold(_sorted(x, order), threshold, less, counts), cut)
    if cut != "threshold":
        p = p.T if over == "columns" else p.reshape(z.shape)
    p = {"rows": lambda: p, "transposed": lambda: p.T, "squeezed": lambda: p.squeeze()}[
        result
    ]()
    return truncated(p, z, kind)


def _spread(rng):
    return 0.7 * rng.normal(size=(3, 5))


OTHER_COUNT = (
    "A threshold that was counted for another number of classes is taken. It belongs to those "
    "classes whose logit lies above it, no more and no fewer."
)
OFF_BY_ONE = (
    "The threshold is that of one class too many. Places count from 0, sizes from 1: the last "
    "class that is kept stands at the place before its count."
)

sparsemax = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="a threshold from sorted logits",
    name="sparsemax",
    stub='''
def sparsemax(z):
    """Each row of z (N, K) as max(z - tau, 0), with one tau for each row.

    The tau is that at which the row's results sum to 1.
    """
    ...
''',
    answer="""
def sparsemax(z):
    falling = -np.sort(-z, axis=1)
    ranks = np.arange(1, z.shape[1] + 1)
    taus = (np.cumsum(falling, axis=1) - 1) / ranks
    return np.maximum(z - taus.max(axis=1, keepdims=True), 0)
""",
    why="If the k largest are kept, tau is their sum less 1, over k. The right k gives the "
    "largest of these taus: a smaller one lets the row sum to more than 1. No exp, so "
    "nothing overflows.",
    reference=relatives.sparsemax,
    hints=(
        "If you knew which classes stay above 0, what would tau be?",
        "The k largest stay. Their sum less k times tau is 1. Compute tau for every k at once, "
        "and think which of them is right.",
        "Sort by falling size, `np.cumsum`, take 1 off and divide by `np.arange(1, "
        "z.shape[1] + 1)`. Of these taus the largest is right.",
    ),
    probes=(
        (array([0.5, 0.25]),),
        (array([0.25, 0.5, 0]),),
        (array([0.5, -0.25], [2, 0.25], [0.1, 0.3]),),
        (array([0.5, 0.3, -1], [-0.2, 0.1, 0.4]),),
        (array([1, 2, 3, 4], [0, 0, 0, 9], [0.1, 0.2, 0.3, 0.4], [-1, -1.3, -0.8, -4]),),
        (array([4], [-2], [0]),),  # one class
        (array([0, 0, 0], [7, 7, 0]),),  # equal ones
        (np.array([[1, 2, 4], [3, 3, 1]]),),  # integers
        (array([-3, -3.25, -2.75, -9]),),
        (array([0.75, 0, -0.25, 0.5, 0.25, -0.5]),),
        (array([1000, 1000.5, 0], [-1000.25, -1000, -2000]),),
        (array([5, 4.5, 4.25], [0.5, 0.25, 5], [-7, -7.5, -8]),),
        (scattered(),),
        (scattered()[:20] / 1000,),
    ),
    fresh=lambda rng: (_spread(rng),),
    shortcuts=("sparsemax",),
    **SINGLE,
    also_right=(_sparsemax_by_support, _sparsemax_by_leaving_out),
    family=_sparsemax_family,
    switches=(
        Switch(
            "threshold",
            {
                **dict.fromkeys(("least", "mean", "one fewer", "without ranks"), OTHER_COUNT),
                "all": "Your threshold is that of all classes, as if none became 0. Where some "
                "do, the others sum to more than 1. Does the sort begin with the largest?",
                "first": "Your threshold lies 1 below the largest logit, as if one class alone "
                "were kept. Where several are, the row sums to more than 1.",
                **dict.fromkeys(("one more", "one more at most"), OFF_BY_ONE),
                "all above 0": "Your threshold is counted for the classes with a logit above "
                "0. Adding a number to a whole row changes nothing, so 0 is no mark.",
            },
        ),
        Switch(
            "order",
            {
                "as given": "The running sum takes the logits as they stand. Those that are "
                "kept are the largest: sort by falling size.",
                "columns": "The columns are sorted, not the rows. The classes of one example "
                "lie in a row.",
                "absolute": "Absolute values are sorted. -5 is smaller than 3: sort with the "
                "sign.",
            },
        ),
        Switch(
            "less",
            {
                "not taken": "No 1 is taken off the sum of the logits that are kept. Their "
                "heights above the threshold are to sum to 1.",
                "level": "Your threshold is no lower than the largest logit, so nothing lies "
                "above it. 1 is to come off a running sum before it is divided.",
            },
        ),
        Switch(
            "less",
            {
                "added": "1 is added to the sum of the logits that are kept. Their heights "
                "above the threshold are to sum to 1, so it is taken off.",
            },
            most=1,
        ),
        Switch(
            "counts",
            {
                "from 0": "You divide by counts that begin at 0. The first running sum has one "
                "logit.",
                "from 2": "You divide by counts that begin at 2. The first running sum has one "
                "logit.",
                "all": "You divide each running sum by the number of all classes. It has as "
                "many logits as were added so far.",
                "none": "The running sums are not divided by the number of their logits.",
            },
        ),
        Switch(
            "over",
            {
                "columns": "Your columns sum to 1, not your rows. Each row is one example.",
                "whole": "The whole batch shares one threshold. Each row is one example and "
                "has its own.",
            },
        ),
        Switch(
            "cut",
            {
                "none": "What lies below the threshold is negative in your result. It is to "
                "be 0.",
                "size": "What lies below the threshold comes back with the other sign. It is "
                "to be 0.",
                "logits": "The kept classes have their logits in your result. They have their "
                "height above the threshold.",
                "equal": "All kept classes get the same share. Each gets its height above the "
                "threshold.",
                "softmax": "The kept classes get a softmax. Each gets its height above the "
                "threshold, without exp.",
                "squared": "Heights above the threshold are squared. Here they are taken as "
                "they are.",
                "support": "You return which classes are kept. Their probabilities are asked "
                "for.",
                "threshold": "You return the thresholds. What lies above them is asked for.",
            },
        ),
        Switch(
            "repair",
            {
                "all": "You keep what lies above the threshold of all classes, and divide by "
                "the sum. The right threshold needs no division, and leaves other classes.",
                "first": "You keep what lies at most 1 below the largest logit, and divide by "
                "the sum. The right threshold needs no division, and leaves other classes.",
                "all above 0": "The threshold is counted for logits above 0, and a division "
                "makes up for it. The right one needs no division, and leaves other classes.",
            },
            most=2,
            sets={
                how: {"threshold": how, "cut": "shares"}
                for how in ("all", "first", "all above 0")
            },
        ),
        Switch(
            "scale",
            {
                0.5: "The logits are halved. That belongs to entmax, with a square; here "
                "they are taken as they are.",
                2.0: "The logits are doubled. They are taken as they are.",
            },
            most=2,
        ),
        Switch("kind", {"like": INTEGERS}, most=2),
        Switch(
            "result",
            {
                "squeezed": "Axes of length 1 are dropped, so one row, or one class, loses an "
                "axis. Return the shape that came in.",
                "transposed": "Rows and columns are exchanged in your result. Return the shape "
                "that came in.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "softmax",
            companion.softmax,
            "This is softmax, which gives no class 0. The statement asks for heights above a "
            "threshold.",
        ),
        Mistake(
            "entmax",
            relatives.entmax15,
            "This is entmax-1.5: halved logits and squared heights. Here both are taken as "
            "they are.",
        ),
        Mistake(
            "positive-part",
            lambda z: np.maximum(z, 0) / np.maximum(z, 0).sum(axis=1, keepdims=True),
            "The positive part is divided by its sum. Adding a number to a row would change "
            "that; the threshold moves along with the row.",
        ),
        Mistake(
            "hardmax",
            lambda z: np.eye(z.shape[1])[z.argmax(axis=1)],
            "The largest logit gets all. That holds where it leads by 1 or more; else others "
            "have a share.",
        ),
        Mistake(
            "clipped",
            lambda z: np.clip(z, 0, 1),
            "The logits are cut off at 0 and 1. A threshold is to be found first, at which "
            "the row sums to 1.",
        ),
    ),
)

# focal_loss: cross-entropy times (1 - p) ** gamma.


def _focal_loss(logits, labels, gamma):
    return relatives.focal_loss(logits, labels, gamma=gamma)


def _focal_by_surprise(logits, labels, gamma):
    rows = np.arange(len(labels))
    surprise = np.logaddexp.reduce(logits - logits[rows, labels][:, np.newaxis], axis=1)
    return (-np.expm1(-surprise)) ** gamma * surprise


def _focal_one_by_one(logits, labels, gamma):
    losses = []
    for z, label in zip(logits, labels, strict=True):
        exps = np.exp(z - z.max())
        log_p = z[label] - z.max() - np.log(exps.sum())
        rest = np.delete(exps, label).sum() / exps.sum()
        losses.append(-(rest**gamma) * log_p)
    return np.array(losses)


def _focal_through_one_hot(logits, labels, gamma):
    gaps = logits - logits.max(axis=1, keepdims=True)
    log_probs = gaps - np.log(np.exp(gaps).sum(axis=1, keepdims=True))
    hot = np.eye(logits.shape[1])[labels]
    of_each = -((1 - np.exp(log_probs)) ** gamma) * log_probs
    return (hot * of_each).sum(axis=1)


def _picked(table, labels, how, likely):
    rows = np.arange(len(table))
    return {
        "label": lambda: table[rows, labels],
        "before": lambda: table[rows, labels - 1],
        "likely": lambda: table[rows, likely],
        "first": lambda: table[:, 0],
        "table": lambda: table[:, labels],
    }[how]()


def _focal_weight(p, largest, surprise, gamma, how):
    """What cross-entropy is multiplied by."""
    return {
        "rest": lambda: (1 - p) ** gamma,
        "none": lambda: np.ones_like(p),
        "p": lambda: p**gamma,
        "less a power": lambda: 1 - p**gamma,
        "of the largest": lambda: (1 - largest) ** gamma,
        "times": lambda: gamma * (1 - p),
        "without gamma": lambda: 1 - p,
        "squared": lambda: (1 - p) ** 2,
        "one more": lambda: (1 - p) ** (gamma + 1),
        "inverse": lambda: (1 - p) ** np.divide(1, gamma),
        "negative": lambda: (1 - p) ** -float(gamma),
        "surprise": lambda: surprise**gamma,
        "plus": lambda: (1 + p) ** gamma,
        "exp": lambda: np.exp(-gamma * p),
    }[how]()


def _focal_family(
    logits, labels, gamma, *, weight="rest", term="log", shift="row", sums="row",
    pick="label", form="paper", epsilon=0.0, floor=0.0, upper=False, factor=1.0, base="e",
    sign=1, reduction="none", kind="float",
):  # fmt: skip
    z = logits.astype(float)
    gaps = z - shift_of(z, shift)
    total = sum_of(np.exp(gaps), sums)
    log_probs, likely = gaps - np.log(total), z.argmax(axis=1)
    probs = np.exp(gaps) / total
    p = np.clip(_picked(probs, labels, pick, likely), floor, 1 - floor if upper else inf)
    surprise = -_picked(log_probs, labels, pick, likely)
    largest = probs.max(axis=1)
    largest = largest[:, np.newaxis] if p.ndim > 1 else largest
    if form == "quotient" or epsilon or floor:
        surprise = -np.log(p + epsilon)
    w = _focal_weight(p, largest, surprise, gamma, weight)
    losses = {
        "log": lambda: w * surprise,
        "rest": lambda: w * (1 - p),
        "p": lambda: -w * p,
        "weight": lambda: w,
        "inside": lambda: surprise - np.log(w),
        "logit": lambda: -w * _picked(z, labels, pick, likely),
        "added": lambda: w + surprise,
    }[term]()
    losses = truncated(factor * sign * losses / unit_of(base), logits, kind)
    return losses[:, np.newaxis] if reduction == "column" else reduced(losses, reduction)


def _focal_probes():
    """Logits and labels, with a gamma for each."""
    gammas = [2.0, 1, 0.5, 3.0, 2.0, 5]
    pairs = with_labels([*plain_rows(), *large_rows()[:-1]])
    for i, (logits, labels) in enumerate(pairs):
        yield logits, labels, gammas[i % len(gammas)]
    rows = array([1, -1, 0.5], [0, 2, 0.25])
    yield rows, labels_for(rows, "turn"), 0.0
    yield rows, labels_for(rows, "turn"), 1.5
    yield scattered(), labels_for(scattered(), "turn"), 2.0


EASY = (
    "With you the factor is largest where an example is right and sure. It is made of the "
    "rest, 1 - p, so that it is smallest there."
)
PICKED_TABLE = (
    "The labels pick whole columns, which makes a table of N x N. Each row needs its own "
    "label: give the rows an index, too."
)

focal_loss = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="a factor beside cross-entropy",
    name="focal_loss",
    stub='''
def focal_loss(logits, labels, gamma):
    """-(1 - p)**gamma * log(p), with p the label's probability by softmax.

    logits (N, K), also large ones; labels (N,); gamma, a number from 0 up.
    One loss per row.
    """
    ...
''',
    answer="""
def focal_loss(logits, labels, gamma):
    gaps = logits - logits.max(axis=1, keepdims=True)
    picked = gaps[np.arange(len(labels)), labels]
    log_p = picked - np.log(np.exp(gaps).sum(axis=1))
    return -((1 - np.exp(log_p)) ** gamma) * log_p
""",
    why="The logarithm comes from the logits, so it has no ceiling; the factor is between 0 "
    "and 1 and may come from p itself. With gamma = 0 it is 1, and cross-entropy is left.",
    reference=_focal_loss,
    hints=(
        "First the logarithm of the label's probability, from the logits. Then the factor.",
        "p is the exponential of that logarithm. Where p underflows to 0 the factor is 1, and "
        "the logarithm still has its value.",
        "Subtract each row's largest logit, pick the label's gap, take `np.log` of the sum of "
        "exponentials off; then multiply by `(1 - np.exp(log_p)) ** gamma`, and mind the sign.",
    ),
    probes=tuple(_focal_probes()),
    fresh=lambda rng: (
        2 * rng.normal(size=(4, 3)),
        rng.integers(3, size=4),
        float(rng.uniform(0.5, 4)),
    ),
    shortcuts=("focal_loss", "sigmoid_focal_loss"),
    **SINGLE,
    also_right=(_focal_by_surprise, _focal_one_by_one, _focal_through_one_hot),
    family=_focal_family,
    switches=(
        Switch(
            "weight",
            {
                "none": "This is cross-entropy: the factor has no part in it. It is a power of "
                "1 - p.",
                "p": EASY,
                "less a power": "Your factor is 1 less a power of p. The power is taken of "
                "1 - p.",
                "of the largest": "Your factor is made of the most likely class. p belongs to "
                "the label, which may be another.",
                "times": "gamma multiplies 1 - p. It is the exponent.",
                "without gamma": "gamma has no part in your factor. It is the exponent of "
                "1 - p.",
                "squared": "Your exponent is 2, whatever `gamma` is.",
                "one more": "Your exponent is gamma + 1. There is one factor of 1 - p too "
                "many.",
                "inverse": "Your exponent is 1 / gamma. It is gamma itself.",
                "negative": "The exponent has the wrong sign, so sure and right examples count "
                "more. They are to count less.",
                "surprise": "Your factor is a power of the cross-entropy. It is one of 1 - p, "
                "which stays below 1.",
                "plus": "Your factor is made of 1 + p. It is made of 1 - p.",
                "exp": "Your factor is exp(-gamma p). It is a power of 1 - p.",
            },
        ),
        Switch(
            "term",
            {
                "rest": "The factor multiplies 1 - p. It multiplies the negative logarithm "
                "of p.",
                "p": "The factor multiplies p. It multiplies the logarithm of p.",
                "weight": "This is the factor alone. It multiplies the cross-entropy.",
                "inside": "The factor stands inside the logarithm. It multiplies the "
                "logarithm from outside.",
                "logit": "The factor multiplies the label's logit. The logarithm of the "
                "label's probability is asked for.",
                "added": "The factor is added to the cross-entropy. It multiplies it.",
            },
        ),
        axis(),
        Switch("sums", SUMS, most=2),
        Switch(
            "shift",
            {
                how: SHIFT[how]
                for how in ("none", "whole", "minimum", "mean", "first", "last", "absolute")
            }
            | {"none, in a quotient": SHIFT["none"]},
            sets={"none, in a quotient": {"shift": "none", "form": "quotient"}},
            most=2,
        ),
        Switch("form", {"quotient": QUOTIENT}, most=2),
        Switch(
            "pick",
            {
                "before": "You pick the class before the label. Classes count from 0, and so "
                "do columns.",
                "likely": "You pick the most likely class. The label says which one counts.",
                "first": "You pick class 0 in each row. The label says which one counts.",
                "table": PICKED_TABLE,
            },
            most=2,
        ),
        small_number("epsilon", ADDED, (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15), most=1),
        small_number("floor", CLIPPED, (1e-6, 1e-7, 1e-8, 1e-12), both=(1e-6, 1e-7), most=1),
        Switch(
            "factor",
            {
                0.25: "There is one more factor, 1/4: the alpha of the paper on two classes. "
                "The statement has none.",
                0.5: "There is one more factor, 1/2. The statement has none.",
            },
            most=2,
        ),
        Switch("base", BASES, most=2),
        Switch("sign", {-1: "The sign is turned round. A loss is at least 0."}),
        Switch(
            "reduction",
            {
                "mean": MEAN,
                "sum": SUM,
                "column": "You return a column (N, 1). One number for each row is asked for, "
                "with the shape (N,).",
            },
        ),
        Switch("kind", {"like": INTEGERS}, most=2),
    ),
    mistakes=(
        Mistake(
            "all-classes",
            lambda z, y, gamma: (
                -((1 - companion.softmax(z)) ** gamma * companion.log_softmax(z)).sum(axis=1)
            ),
            "You sum over all classes. Only the label's probability counts.",
        ),
        Mistake(
            "each-class",
            lambda z, y, gamma: (
                -((1 - companion.softmax(z)) ** gamma * companion.log_softmax(z))
            ),
            "You return a loss for each class. Pick that of the label.",
        ),
        Mistake(
            "sigmoid",
            lambda z, y, gamma: (
                (1 - 1 / (1 + np.exp(-_picked(z, y, "label", y)))) ** gamma
                * np.logaddexp(0, -_picked(z, y, "label", y))
            ),
            "You take a sigmoid of the label's logit. Here p is that of softmax: all classes "
            "of the row have a part in it.",
        ),
    ),
)

# info_nce: cross-entropy over a batch, with cosines as logits.


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _info_nce(a, b, temperature):
    return relatives.info_nce_loss(_unit(a), _unit(b), temperature=temperature).mean()


def _info_nce_by_gaps(a, b, temperature):
    lengths = np.sqrt((a * a).sum(axis=1))[:, np.newaxis] * np.sqrt((b * b).sum(axis=1))
    z = a @ b.T / lengths / temperature
    return np.logaddexp.reduce(z - np.diagonal(z)[:, np.newaxis], axis=1).mean()


def _info_nce_one_by_one(a, b, temperature):
    losses = []
    for i, x in enumerate(a):
        cosines = [x @ y / np.sqrt((x @ x) * (y @ y)) for y in b]
        z = np.array(cosines) / temperature
        losses.append(z.max() + np.log(np.exp(z - z.max()).sum()) - z[i])
    return float(np.mean(losses))


def _divided_rows(rows, how):
    """Rows divided by what an answer takes for their lengths."""
    return {
        "rows": lambda: rows / np.linalg.norm(rows, axis=1, keepdims=True),
        "none": lambda: rows,
        "columns": lambda: rows / np.linalg.norm(rows, axis=0, keepdims=True),
        "whole": lambda: rows / np.linalg.norm(rows),
        "squares": lambda: rows / (rows * rows).sum(axis=1, keepdims=True),
        "sizes": lambda: rows / np.abs(rows).sum(axis=1, keepdims=True),
        "sum": lambda: rows / rows.sum(axis=1, keepdims=True),
        "largest": lambda: rows / np.abs(rows).max(axis=1, keepdims=True),
        "softmax": lambda: companion.softmax(rows),
        "roots": lambda: rows / np.sqrt(np.linalg.norm(rows, axis=1, keepdims=True)),
    }[how]()


def _similar(a, b, how):
    return {
        "both": lambda: a @ b.T,
        "a alone": lambda: a @ a.T,
        "b alone": lambda: b @ b.T,
        "size": lambda: np.abs(a @ b.T),
        "distance": lambda: -((a[:, np.newaxis] - b) ** 2).sum(axis=2),
        "root distance": lambda: -np.sqrt(((a[:, np.newaxis] - b) ** 2).sum(axis=2)),
        "turned": lambda: -a @ b.T,
    }[how]()


def _contrasted(z, over, label, exps, form):
    """Losses of a square of logits, one for each row or column."""
    if over == "both":
        halves = [_contrasted(x, "rows", label, exps, form) for x in (z, z.T)]
        return (halves[0] + halves[1]) / 2
    z = z.T if over == "columns" else z
    place = {
        "own": np.arange(len(z)),
        "first": np.zeros(len(z), dtype=int),
        "next": np.roll(np.arange(len(z)), -1),
        "likely": z.argmax(axis=1),
        "turned": np.arange(len(z))[::-1],
    }[label]
    gaps = z - shift_of(z, exps)
    own = gaps[np.arange(len(z)), place]
    terms = np.exp(gaps)
    if over == "others":
        terms = terms * (1 - np.eye(len(z)))
    if over == "own twice":
        terms = terms * (1 + np.eye(len(z)))
    total = terms.sum() if over == "whole" else terms.sum(axis=1)
    return -np.log(np.exp(own) / total) if form == "quotient" else np.log(total) - own


def _info_family(
    a, b, temperature, *, norm_a="rows", norm_b="rows", similar="both", heat="divided",
    over="rows", label="own", exps="row", form="paper", base="e", sign=1, result="mean",
):  # fmt: skip
    T = float(temperature)
    factor = {"divided": 1 / T, "times": T, "none": 1.0, "squared": T**-2, "root": T**-0.5}
    z = _similar(_divided_rows(a, norm_a), _divided_rows(b, norm_b), similar)
    z = z * factor.get(heat, 1.0)
    losses = _contrasted(z, over, label, exps, form) / unit_of(base) * sign
    losses = losses / T if heat == "outside" else losses
    return {
        "mean": losses.mean,
        "sum": losses.sum,
        "each": lambda: losses,
        "information": lambda: np.log(len(a)) - losses.mean(),
        "share": lambda: losses.mean() / np.log(len(a)),
        "exp": lambda: np.exp(losses.mean()),
        "logits": lambda: z,
    }[result]()


def _features(seed, shape, temperature, near=0.7, size=1.0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape)
    b = near * a + rng.normal(size=shape)
    lengths = rng.uniform(0.3, 3, size=(2, shape[0], 1))
    return (size * a * lengths[0]).round(3), (b * lengths[1]).round(3), temperature


def _fresh_features(rng):
    return _features(int(rng.integers(10**6)), (4, 3), float(rng.uniform(0.2, 0.9)))


LENGTHS = (
    "Rows are not divided by their lengths, so what you compare are no cosines. A long row "
    "would count more than a short one."
)
ONE_SIDE = (
    "The rows of one side alone are divided by their lengths. A cosine needs both to have "
    "length 1."
)
OTHER_LENGTH = (
    "Rows are divided by something else than their length, the root of the sum of squares. A "
    "cosine needs rows of length 1."
)
OTHER_LABEL = "The label of row i of a is row i of b: the entries on the diagonal. "

info_nce = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="cross-entropy whose classes are the batch",
    name="info_nce",
    stub='''
def info_nce(a, b, temperature):
    """Mean cross-entropy, in nats, of finding row i of b for row i of a.

    Logits of row i: its cosines with ALL rows of b, over the temperature.
    a, b (N, D); no row is 0. The temperature may be as low as 0.001.
    """
    ...
''',
    answer="""
def info_nce(a, b, temperature):
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    z = a @ b.T / temperature
    z = z - z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - np.diag(z)
    return losses.mean()
""",
    why="The classes of row i are the rows of b, and its label is i, so the labels' logits are "
    "the diagonal. A low temperature makes large logits, and the row's largest is taken off "
    "before exp.",
    reference=_info_nce,
    hints=(
        "What are the classes of one row of a, how many are there, and which is the label?",
        "All cosines at once are a product of two matrices with rows of length 1. Then it is "
        "the cross-entropy of a square of logits, with the diagonal as labels.",
        "`np.linalg.norm(a, axis=1, keepdims=True)` has the lengths, `a @ b.T` the products, "
        "`np.diag(z)` the labels' logits. Take each row's maximum off before exp.",
    ),
    probes=(
        (array([1, 0], [0, 2]), array([2, 0], [0, 1]), 1),
        (array([1, 0], [0, 2], [1, 1]), array([2, 1], [-1, 1], [0, 3]), 0.5),
        (np.array([[1, 2], [3, -1]]), np.array([[2, 2], [1, 0]]), 2),  # integers
        (array([3, 4]), array([1, -2]), 0.5),  # one row: nothing to tell apart
        _features(0, (3, 2), 0.7),
        _features(1, (4, 3), 0.3),
        _features(2, (5, 2), 2.0),
        _features(3, (3, 5), 1.0),
        _features(4, (6, 4), 0.1),
        _features(5, (4, 4), 0.5, near=-0.5),
        _features(6, (4, 3), 0.4, size=50.0),
        _features(7, (3, 3), 0.001),
        _features(8, (5, 3), 0.001, near=-0.5),
        _features(9, (8, 3), 0.0012),
    ),
    fresh=_fresh_features,
    shortcuts=("info_nce_loss",),
    **SINGLE,
    also_right=(_info_nce_by_gaps, _info_nce_one_by_one),
    family=_info_family,
    switches=(
        Switch(
            "lengths",
            {
                "none": LENGTHS,
                **dict.fromkeys(("a", "b"), ONE_SIDE),
                **dict.fromkeys(
                    ("squares", "sizes", "sum", "largest", "roots", "softmax"), OTHER_LENGTH
                ),
                "columns": "The columns are divided by their lengths. A row holds the features "
                "of one example: sum its squares along axis 1.",
                "whole": "All rows are divided by one number, the length of the whole array. "
                "Each row has a length of its own.",
            },
            sets={
                "a": {"norm_b": "none"},
                "b": {"norm_a": "none"},
                **{
                    how: {"norm_a": how, "norm_b": how}
                    for how in (
                        "none",
                        "columns",
                        "whole",
                        "squares",
                        "sizes",
                        "sum",
                        "largest",
                        "roots",
                        "softmax",
                    )
                },
            },
        ),
        Switch(
            "heat",
            {
                "times": "The cosines are multiplied by the temperature. They are divided by "
                "it.",
                "none": "The temperature has no effect. The cosines are divided by it.",
                "squared": "The temperature divides twice, as if both sides were divided by "
                "it. Their product is, once.",
                "root": "The cosines are divided by the root of the temperature. They are "
                "divided by the temperature itself.",
                "outside": "The loss is divided by the temperature. The logits are, before "
                "softmax.",
            },
        ),
        Switch(
            "over",
            {
                "columns": "The rows of a compete for a row of b. Here the rows of b compete "
                "for a row of a: the sum runs along axis 1.",
                "both": "You take the mean of both directions, from a to b and from b to a. "
                "Here the first is asked for.",
                "others": "The sum has no place for the label itself. It is one of the classes "
                "that compete.",
                "own twice": "The label stands in the sum twice. It is one of the N classes, "
                "as the others are.",
                "whole": "One sum serves the whole square. Each row of a has a softmax of its "
                "own.",
            },
        ),
        Switch(
            "label",
            {
                "first": OTHER_LABEL + "You take the first of b for all.",
                "next": OTHER_LABEL + "You take the one after it.",
                "likely": OTHER_LABEL + "Yours is the loss of the most similar one.",
                "turned": OTHER_LABEL + "You take the other diagonal.",
            },
            most=2,
        ),
        Switch(
            "similar",
            {
                "a alone": "Rows of a are compared with rows of a. The classes are the rows "
                "of b.",
                "b alone": "Rows of b are compared with rows of b. The question comes from "
                "the rows of a.",
                "size": "The sign of the cosines is lost. Opposite directions are the least "
                "similar ones.",
                **dict.fromkeys(
                    ("distance", "root distance"),
                    "Your logits are negative distances. Cosines are asked for, products of "
                    "rows of length 1.",
                ),
                "turned": "The cosines have the wrong sign: the most similar class gets the "
                "smallest logit.",
            },
            most=2,
        ),
        Switch(
            "exps",
            {
                **dict.fromkeys(
                    ("none", "none, in a quotient"),
                    "A low temperature makes logits beyond 709, and exp overflows. Take a "
                    "number off each row that keeps exp at 1 or below.",
                ),
                "mean": SHIFT["mean"],
                "whole": SHIFT["whole"],
            },
            sets={"none, in a quotient": {"exps": "none", "form": "quotient"}},
            most=2,
        ),
        Switch("form", {"quotient": QUOTIENT}, most=2),
        Switch("base", BASES, most=2),
        Switch("sign", {-1: "The sign is turned round. A cross-entropy is at least 0."}),
        Switch(
            "result",
            {
                "sum": "You return the sum. The mean over the rows of a is asked for.",
                "each": "You return one loss for each row of a. Their mean is asked for.",
                "information": "You return log N less the loss. The loss itself is asked for.",
                "share": "You divide by log N. The loss is asked for as it is, in nats.",
                "exp": "You return the exponential of the loss. The loss itself is asked for.",
                "logits": "These are logits. The mean cross-entropy with the diagonal as "
                "labels is still to come.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# additive_margin: logits of cosines, the label's reduced.


def _additive_margin(cosines, labels, margin, scale):
    hot = companion.one_hot(labels, cosines.shape[1])
    return scale * cosines - scale * margin * hot


def _margin_in_place(cosines, labels, margin, scale):
    z = scale * cosines.astype(float)
    z[np.arange(len(z)), labels] -= scale * margin
    return z


def _margin_by_mask(cosines, labels, margin, scale):
    is_label = np.arange(cosines.shape[1]) == labels[:, np.newaxis]
    return np.where(is_label, scale * (cosines - margin), scale * cosines)


def _margin_row_by_row(cosines, labels, margin, scale):
    rows = []
    for row, label in zip(cosines, labels, strict=True):
        rows.append([scale * (c - margin * (k == label)) for k, c in enumerate(row)])
    return np.array(rows)


def _margin_places(cosines, labels, to):
    """Which entries an answer reduces, as a mask."""
    classes = np.arange(cosines.shape[1])
    hot = classes == labels[:, np.newaxis]
    return {
        "label": hot,
        "all": np.ones_like(hot),
        "others": ~hot,
        "columns": np.isin(classes, labels) & np.ones_like(hot),
        "first": (classes == 0) & np.ones_like(hot),
        "likely": classes == cosines.argmax(axis=1)[:, np.newaxis],
        "before": classes == (labels[:, np.newaxis] - 1) % cosines.shape[1],
        "if right": hot & (cosines.argmax(axis=1) == labels)[:, np.newaxis],
        "nowhere": np.zeros_like(hot),
    }[to]


def _reduced_cosines(c, margin, scale, how):
    angles = np.arccos(c)
    return {
        "less": lambda: c - margin,
        "more": lambda: c + margin,
        "unscaled": lambda: c - margin / scale,
        "scaled twice": lambda: c - margin * scale,
        "angle": lambda: np.cos(angles + margin),
        "angle, degrees": lambda: np.cos(angles + np.deg2rad(margin)),
        "angle times": lambda: np.cos(margin * angles),
        "times": lambda: c * margin,
        "share": lambda: c * (1 - margin),
        "set": lambda: np.full(c.shape, -1.0 * margin),
        "from 1": lambda: 1 - margin - c,
        "not below 0": lambda: np.maximum(c - margin, 0),
        "not below -1": lambda: np.maximum(c - margin, -1),
        "twice": lambda: c - 2 * margin,
    }[how]()


def _margin_family(
    cosines, labels, margin, scale, *, to="label", margins="less", scales="times",
    result="logits", kind="float",
):  # fmt: skip
    c = cosines.astype(float)
    places = _margin_places(c, labels, to)
    z = np.where(places, _reduced_cosines(c, margin, scale, margins), c)
    hot = _margin_places(c, labels, "label")
    z = (
        z
        * {
            "times": scale,
            "none": 1.0,
            "divided": 1 / scale,
            "squared": scale**2,
            "root": np.sqrt(scale),
            "label": np.where(hot, scale, 1.0),
            "others": np.where(hot, 1.0, scale),
        }[scales]
    )
    if kind == "raises" and cosines.dtype.kind == "i":
        np.subtract(cosines, margin, out=cosines.copy())
    z = truncated(z, cosines, kind)
    return {
        "logits": lambda: z,
        "probs": lambda: companion.softmax(z),
        "log": lambda: companion.log_softmax(z),
        "losses": lambda: companion.softmax_cross_entropy_with_labels(z, labels),
        "label": lambda: z[np.arange(len(z)), labels],
        "mean": lambda: companion.softmax_cross_entropy_with_labels(z, labels).mean(),
    }[result]()


def _some_cosines(rng):
    return (
        rng.uniform(-1, 1, size=(3, 4)),
        rng.integers(4, size=3),
        float(rng.uniform(0.1, 0.6)),
        float(rng.uniform(5, 40)),
    )


ANGLES = "Your margin is one of angles, as in ArcFace. Here it is taken off the cosine itself."

additive_margin = FunctionExercise(
    topic=TOPIC,
    minutes=6,
    trains="a margin at the label alone, before the scale",
    name="additive_margin",
    stub='''
def additive_margin(cosines, labels, margin, scale):
    """Logits (N, K) of CosFace, while it trains.

    scale times the cosine; at the label scale times (cosine less margin).
    cosines (N, K), of any number type; labels (N,).
    """
    ...
''',
    answer="""
def additive_margin(cosines, labels, margin, scale):
    hot = np.eye(cosines.shape[1])[labels]
    return scale * (cosines - margin * hot)
""",
    why="The label's cosine must be larger by the margin for the loss that it would have "
    "without one. The scale comes last, so the margin is in the unit of cosines. A new array "
    "is made, and the caller's cosines stay.",
    reference=_additive_margin,
    hints=(
        "Which entry of a row changes, and in which unit is the margin?",
        "Take the margin off the label's cosine alone, then multiply the whole row.",
        "`np.eye(K)[labels]` has a 1 at each label. Times `margin` it is what comes off.",
    ),
    probes=(
        (array([0.5, 0.25]), np.array([0]), 0.25, 10.0),
        (array([0.5, 0.25], [-0.5, 0.75]), np.array([1, 0]), 0.25, 16.0),
        (array([0.5, 0.25, -0.25], [-1, 0.75, 0.5]), np.array([2, 0]), 0.35, 30.0),
        (array([0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0, 1, -1]), np.array([0, 0, 1]), 0.5, 8),
        (np.array([[1, 0, -1], [0, -1, 1]]), np.array([0, 1]), 0.35, 6.5),  # integers
        (np.array([[0, 1], [-1, 0]]), np.array([0, 0]), 1, 2),
        (array([0.3, 0.6], [0.6, 0.3], [0.2, 0.2]), np.array([1, 1, 0]), 0.4, 64.0),
        (array([0.7], [-0.2]), np.array([0, 0]), 0.2, 12.0),  # one class
        (array([-0.9, -0.95, -1], [1, 0.99, 0.98]), np.array([2, 2]), 0.3, 20.0),
        (array([0.5, 0.5, 0.5, 0.5]), np.array([3]), 0.0, 10.0),  # no margin
        (array([0.2, 0.4, 0.1], [0.3, 0.1, 0.8]), np.array([1, 2]), 0.2, 0.5),
    ),
    fresh=_some_cosines,
    **SINGLE,
    also_right=(_margin_in_place, _margin_by_mask, _margin_row_by_row),
    family=_margin_family,
    switches=(
        Switch(
            "to",
            {
                "all": "The margin comes off all classes, which changes no softmax. It comes "
                "off the label alone.",
                "others": "The margin comes off the other classes, which makes the task "
                "easier. It comes off the label.",
                "columns": "The labels pick whole columns, so the margin comes off in rows of "
                "other labels, too. Give the rows an index.",
                "first": "The margin comes off class 0, whatever the label. The label says "
                "where.",
                "likely": "The margin comes off the most similar class. The label says where, "
                "also if another class is more similar.",
                "before": "The margin comes off the class before the label. Classes count from "
                "0, and so do columns.",
                "if right": "The margin comes off where the label has the largest cosine "
                "already. It comes off in all rows.",
                "nowhere": "The margin has no effect. It comes off the label's cosine.",
            },
        ),
        Switch(
            "margins",
            {
                "more": "The margin is added, which makes the task easier. It comes off.",
                "unscaled": "The margin comes off after the scale. It is in the unit of "
                "cosines, so the scale multiplies it, too.",
                "scaled twice": "The margin is multiplied by the scale twice. Once is enough, "
                "with the cosine.",
                "twice": "The margin comes off twice.",
                **dict.fromkeys(("angle", "angle, degrees"), ANGLES),
                "angle times": "The angle is multiplied by the margin, as in SphereFace. Here "
                "the margin is taken off the cosine itself.",
                "times": "The cosine is multiplied by the margin. The margin comes off.",
                "share": "The cosine loses a share of itself. It loses the margin, whatever "
                "its size.",
                "set": "The label's own cosine is lost: -= and not =.",
                "from 1": "The cosine has the wrong sign in your difference. The margin comes "
                "off the cosine.",
                "not below 0": "Your label's logit does not fall below 0. A cosine may be "
                "negative, and more often so less the margin.",
                "not below -1": "Your reduced cosine is cut off at -1. It is no cosine any "
                "more, and may lie lower.",
            },
        ),
        Switch(
            "scales",
            {
                "none": "The scale has no effect. All cosines are multiplied by it.",
                "divided": "You divide by the scale. It is the inverse of a temperature: "
                "multiply.",
                "squared": "The scale enters twice. Once is enough.",
                "root": "You multiply by the root of the scale. The scale itself is asked for.",
                "label": "The scale multiplies the label's entry alone. The others are "
                "multiplied, too.",
                "others": "The scale multiplies the other entries alone. The label's is "
                "multiplied, too.",
            },
        ),
        Switch(
            "result",
            {
                "probs": "These are probabilities. The logits are asked for; softmax comes "
                "later, in the loss.",
                "log": "These are log-probabilities. The logits are asked for; softmax comes "
                "later, in the loss.",
                "losses": "These are losses. The logits are asked for.",
                "mean": "This is a mean loss. The logits are asked for.",
                "label": "You return the label's logits alone. Those of all classes are asked "
                "for.",
            },
            most=2,
        ),
        Switch(
            "kind",
            {
                "like": "Integer cosines lose their fractions: a copy of them, or an array "
                "made like them, holds integers. Ask for floats.",
                "raises": "Integer cosines cannot lose a fraction in place: -= raises an "
                "error there. Make a new array of floats first.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)

# smoothed_gap: one number.


def _gap_of_optimum():
    """The logits at which the gradient p - t is 0 are log t, up to a constant."""
    targets = relatives.smooth_labels(companion.one_hot(0, 10), 0.1)
    logits = np.log(targets)
    gradient = companion.softmax_cross_entropy_grad(logits, targets)
    return float(logits[0] - logits[1]) if np.abs(gradient).max() < 1e-12 else np.nan


smoothed_gap = NumberExercise(
    topic=TOPIC,
    minutes=5,
    trains="the finite optimum of smoothed labels",
    name="smoothed_gap",
    stub="smoothed_gap = ...",
    answer="smoothed_gap = np.log(0.91 / 0.01)",
    why="The loss is least where softmax gives the targets: 0.91 for the label, 0.9 and its "
    "share of 0.1, and 0.01 for each other class. A difference of logits is the logarithm of a "
    "ratio of probabilities.",
    reference=_gap_of_optimum,
    hints=(
        "Where is p - t zero? What are the ten targets?",
        "The label has 0.9 and a tenth of 0.1, each other class a tenth of 0.1.",
        "A difference of two logits is the logarithm of the ratio of the two probabilities.",
    ),
    also_right=(4.51, np.log(91), float(np.log(0.91) - np.log(0.01))),
    mistakes=(
        Mistake(
            "ratio",
            91.0,
            "That is the ratio of two probabilities. A difference of logits is its logarithm.",
        ),
        Mistake(
            "without-its-share",
            float(np.log(90)),
            "The label has a share of what is spread as well, beside its 0.9.",
        ),
        Mistake(
            "over-nine",
            float(np.log(81)),
            "That spreads 0.1 over nine classes. Here it is spread over all ten, the label "
            "among them.",
        ),
        Mistake(
            "against-all",
            float(np.log(0.91 / 0.09)),
            "That is the logarithm of the odds against all nine others together. Asked is the "
            "gap to one of them.",
        ),
        Mistake(
            "nine",
            float(np.log(9)),
            "That is the logarithm of 0.9 over 0.1. What is spread is shared by ten classes.",
        ),
        Mistake(
            "bits",
            float(np.log2(91)),
            "That is to base 2. Logits belong to the natural logarithm.",
        ),
        Mistake(
            "tens",
            float(np.log10(91)),
            "That is to base 10. Logits belong to the natural logarithm.",
        ),
        Mistake(
            "difference",
            0.9,
            "That is a difference of probabilities. Logits differ by the logarithm of their "
            "ratio.",
        ),
        Mistake(
            "negative",
            -float(np.log(91)),
            "The label's logit is the larger one: the gap has the other sign.",
        ),
        Mistake(
            "classes",
            float(np.log(10)),
            "That is the logarithm of the number of classes, the entropy of guessing.",
        ),
        Mistake(
            "infinite",
            inf,
            "Without smoothing the gap grows without bound. With it, the targets are above 0, "
            "and the optimum is finite.",
        ),
        Mistake(
            "zero",
            0.0,
            "All logits would be equal, and softmax uniform. The targets are not.",
        ),
    ),
)
