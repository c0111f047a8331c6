"""Exercises of the chapter *Derivatives*."""

import numpy as np

import companion
from companion.exercises.common import (
    INTEGERS,
    SHIFT,
    axis,
    in_two,
    sum_of,
    truncated,
)
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Lean,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.gradients import (
    DIFFERENTIATES,
    TURNED,
    clip,
    inside,
    kept,
    large_batches,
    powers,
    precision,
    probs_of,
    shifts,
    sum_epsilon,
    sums,
)
from companion.exercises.probes import (
    array,
    cube_gradient,
    cube_sum,
    flat,
    labels_for,
    loss_of_class_0,
    plain_rows,
    right_gradient,
    scattered,
    sign_error,
    zero_gradient,
)
from companion.exercises.says import say

TOPIC = "derivatives"
OF_ONE_ROW = ("minimum", "mean", "median", "middle", "absolute", "first", "last")


SQUEEZED = (
    "The axes of length 1 are lost: squeeze drops them all, also where a batch holds one row, "
    "or a row one class."
)
DIFFERENCES = (
    "These are differences of softmax with a step of {value:g}, which keep only some of the "
    "digits. Work the slopes out on paper."
)


def differences():
    """The switch of slopes taken from differences, with steps that people use."""
    steps = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
    wrong = {
        (n, h): say(DIFFERENCES, value=h) for n in ("two sides", "one side") for h in steps
    }
    return Switch("differences", wrong, most=1)


def slope_along(z, step, sides, size):
    """The slope of softmax at z along a step, a number `size` times as long as its unit."""
    if sides == "two sides":
        return (_softmax_of(z + step) - _softmax_of(z - step)) / (2 * size)
    return (_softmax_of(z + step) - _softmax_of(z)) / size


def _softmax_of(z):  # with the rounding errors of an answer
    exps = np.exp(z - z.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


# softmax_jacobian of one row.


def _jacobian_by_cases(z):
    p = companion.softmax(z)
    return np.array([[a * ((i == j) - b) for j, b in enumerate(p)] for i, a in enumerate(p)])


def _jacobian_as_covariance(z):
    p = companion.softmax(z)
    deviations = np.eye(len(z)) - p
    return (p[:, np.newaxis] * deviations).T @ deviations


def _jacobian_row_by_row(z):
    exps = np.exp(z - np.max(z))
    J = -np.multiply.outer(exps, exps) / exps.sum() ** 2
    for i, e in enumerate(exps):
        J[i, i] += e / exps.sum()
    return J


def _jacobian_family(
    z, *, diagonal="p", outer="outer", sign=1, result="matrix", kind="float", differences=None,
    **softmax,
):  # fmt: skip
    if differences:
        sides, h = differences
        return np.array([slope_along(z, s, sides, h) for s in h * np.eye(len(z))]).T
    p = probs_of(z, **softmax)
    columns, rows, unit = p[np.newaxis], p[:, np.newaxis], np.eye(len(p))
    first = {
        "p": lambda: np.diag(p),
        "none": lambda: 0.0 * unit,
        "one": lambda: unit,
        "slope": lambda: np.diag(p * (1 - p)),
        "rows": lambda: rows + 0.0 * unit,
        "columns": lambda: columns + 0.0 * unit,
        "others": lambda: (1 - unit) * rows,
        "ties": lambda: rows * (rows == columns),
    }
    taken = {
        "outer": lambda: rows * columns,
        "none": lambda: 0.0,
        "added": lambda: -rows * columns,
        "off": lambda: (2 * unit - 1) * rows * columns,
        "dot": lambda: p @ p,
        "square": lambda: columns**2,
        "p": lambda: columns,
        "logits": lambda: rows * z,
    }
    J = truncated(sign * (first[diagonal]() - taken[outer]()), z, kind)
    finish = {"matrix": lambda: J, "vector": lambda: np.diagonal(J).copy()}
    finish |= {"diagonal": lambda: np.diag(np.diagonal(J)), "sums": lambda: J.sum(axis=0)}
    finish |= {"lower": lambda: np.tril(J), "upper": lambda: np.triu(J)}
    finish |= {"squeezed": J.squeeze}
    return finish[result]()


ALONE = (
    "All probabilities are 1: each exponential is divided by itself alone, as over an axis of "
    "length 1. All classes of the row share one sum."
)
TRIANGLE = (
    "One triangle of the matrix stays empty. Each probability depends on each logit, before it "
    "and after it."
)


def _one_row(rows):
    """The rows of some matrices, one call for each."""
    return tuple((row,) for row in rows)


softmax_jacobian = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="the two cases of a slope of softmax",
    name="softmax_jacobian",
    stub='''
def softmax_jacobian(z):
    """The K x K slopes d softmax(z)[i] / d z[j] for one row of logits z."""
    ...
''',
    answer="""
def softmax_jacobian(z):
    exps = np.exp(z - z.max())
    p = exps / exps.sum()
    return np.diag(p) - np.outer(p, p)
""",
    why="Raising one logit lifts its own probability by p_i(1 - p_i) and takes p_i p_j from "
    "every other: a diagonal matrix less an outer product.",
    reference=companion.softmax_jacobian,
    hints=(
        "Work out the two cases i = j and i ≠ j on paper, with the quotient rule.",
        "Both cases contain -p_i p_j. The diagonal has one more term.",
        "`np.diag(p) - np.outer(p, p)` with p the softmax of z.",
    ),
    probes=_one_row(
        [
            flat(0, 0),
            flat(1, 0),
            flat(1, 2, 3),
            flat(2, -1, 2),
            flat(4),
            np.array([1, 2, 4]),
            flat(0.5, -1, 0, 2),
            flat(1000, 1001),
            flat(700, -3000),
            flat(400, 400, 400, -400),
            flat(1400, 0, 0, 0),
            flat(1400, 1400, 0, 0),
            flat(-800, -801),
            flat(-801, -800, -800),
            *array([3000, -5, -6], [-5, 3000, -6], [-6, -5, 3000]),
            *array([-3000, 5, 6], [6, -3000, 5], [5, 6, -3000]),
            flat(1e8, 1e8 + 1),  # float32 cannot tell these
        ]
    ),
    fresh=lambda rng: (2 * rng.normal(size=4),),
    shortcuts=("softmax_jacobian", "softmax_jvp", *DIFFERENTIATES),
    # p - p² loses digits where p is nearly 1, so small entries are not asked for exactly.
    rtol=1e-6,
    atol=1e-12,
    also_right=(_jacobian_by_cases, _jacobian_as_covariance, _jacobian_row_by_row),
    family=_jacobian_family,
    switches=(
        Switch(
            "formula",
            {
                "log-softmax": "This is the Jacobian of log-softmax. Each row is still to be "
                "multiplied by its probability.",
                "cross-entropy": "These are the gradients of cross-entropy, one row for each "
                "label. The slopes of the probabilities themselves are asked for.",
            },
            sets={
                "log-softmax": {"diagonal": "one", "outer": "p"},
                "cross-entropy": {"diagonal": "one", "outer": "p", "sign": -1},
            },
        ),
        Switch(
            "result",
            {
                "vector": "You return one number per class. Each probability depends on each "
                "logit: K x K slopes.",
                "diagonal": "Only the diagonal is filled. A logit that rises also takes "
                "probability away from every other class.",
                "lower": TRIANGLE,
                "upper": TRIANGLE,
                "squeezed": SQUEEZED,
                "sums": "You add the slopes up, and the sum of all probabilities never "
                "changes. Return the matrix.",
            },
        ),
        Switch(
            "diagonal",
            {
                "none": "The diagonal has no term of its own. Where i = j there is one term "
                "more than in all other cases.",
                "one": "The term that only the diagonal has is 1 in your matrix. "
                "The quotient rule leaves a probability there.",
                "slope": "The term that only the diagonal has is p(1 - p) in your matrix. The "
                "product p_i p_j comes to it with a p² of its own.",
                "rows": "A term that belongs to the diagonal alone, p_i, stands in each entry "
                "of row i. It is there only where i = j.",
                "columns": "A term that belongs to the diagonal alone, p_j, stands in each "
                "entry of column j. It is there only where i = j.",
                "ties": "The diagonal is found by equal probabilities, so two classes that tie "
                "count as one. Compare the indices.",
                "others": "The two cases are exchanged: the term of the diagonal stands in all "
                "entries but those.",
            },
        ),
        Switch(
            "outer",
            {
                "none": "The products p_i p_j are missing, as if the classes did not share one "
                "sum.",
                "added": "The products p_i p_j have the wrong sign in every entry. What one "
                "class gains, the others lose.",
                "off": "The products p_i p_j have the wrong sign off the diagonal. What one "
                "class gains, the others lose.",
                "dot": "You take one number off all entries, the product of p with itself. For "
                "1-D arrays neither dot nor .T makes a matrix; each entry needs its own p_i "
                "p_j.",
                "square": "You take p² off, the same row from all rows. The transpose of a 1-D "
                "array is itself; each entry needs its own p_i p_j.",
                "p": "You take p off instead of the products p_i p_j. One factor is missing.",
                "logits": "One factor of the products is a logit. Both are probabilities.",
            },
        ),
        Switch("sign", {-1: f"{TURNED}: a logit that rises must raise its own probability."}),
        inside(),
        Switch("sums", {"none": "The exponentials are not divided by their sum."}),
        Switch("sums", {"alone": ALONE}, most=2),
        Switch("ones", {True: ALONE}, most=2, sets={True: {"inside": "ones"}}),
        *in_two("shift", {how: SHIFT[how] for how in ("none", *OF_ONE_ROW)}, OF_ONE_ROW),
        clip(),
        powers(),
        sum_epsilon(),
        *kept(),
        precision(),
        Switch("kind", {"like": INTEGERS}, most=2),
        differences(),
    ),
    mistakes=(
        Mistake(
            "exchanged",
            lambda z: (lambda p: np.where(np.eye(len(p)) == 1, -p * p, (p * (1 - p))[:, None]))(
                companion.softmax(z)
            ),
            "The two cases are exchanged: p(1 - p) belongs to the diagonal.",
        ),
        Mistake(
            "probabilities",
            companion.softmax,
            "These are the probabilities. Their slopes by the logits are asked for.",
        ),
    ),
)


# softmax_vjp: a batch.


def _vjp_row_by_row(z, v):
    rows = []
    for n in range(len(z)):
        p = companion.softmax(z[n])
        rows.append(p * (v[n] - p @ v[n]))
    return np.array(rows)


def _vjp_in_two_terms(z, v):
    p = companion.softmax(z)
    weighted = p * v
    return weighted - p * np.einsum("nk->n", weighted)[:, np.newaxis]


def _vjp_by_matrix_product(z, v):
    p = companion.softmax(z)
    means = p[:, np.newaxis, :] @ v[:, :, np.newaxis]
    return p * v - p * means[:, :, 0]


def _vjp_family(
    z, v, *, mean="row", term="under p", plus=-1, front="both", sign=1, order="z, v",
    result="matrix", share="none", kind="float", differences=None, **softmax,
):  # fmt: skip
    if order == "v, z":
        z, v = v, z
    if differences:
        sides, h = differences
        return slope_along(z, h * v, sides, h)
    p = probs_of(z, **softmax)
    if mean in PRODUCTS:
        taken, second = 0.0, plus * PRODUCTS[mean](p, v)
    else:
        taken = plus * sum_of(_terms(p, v, term), mean)
        second = p * taken
    J_v = {
        "both": lambda: p * v + second,
        "none": lambda: v + taken,
        "first": lambda: p * v + taken,
        "second": lambda: v + second,
        "slope": lambda: p * (1 - p) * (v + taken),
        "square": lambda: p * p * (v + taken),
        "outer": lambda: second,
    }[front]()
    J_v = sign * J_v / {"none": 1, "rows": len(z), "classes": z.shape[1]}[share]
    J_v = truncated(J_v, z if kind == "z" else v, "like" if kind != "float" else kind)
    finish = {"matrix": lambda: J_v, "summed": lambda: J_v.sum(axis=0), "squeezed": J_v.squeeze}
    finish |= {"quadratic": lambda: (v * J_v).sum(axis=-1), "total": lambda: J_v.sum(axis=-1)}
    return finish[result]()


def _terms(p, v, term):
    """What is summed, in each row."""
    weighted = {
        "under p": lambda: p * v,
        "plain": lambda: v / v.shape[-1],
        "sum": lambda: v * 1.0,
    }
    weighted |= {
        "averaged": lambda: p * v / v.shape[-1],
        "p": lambda: p,
        "square": lambda: p * p,
    }
    weighted |= {"none": lambda: 0.0 * v}
    return weighted[term]()


# What is taken from p * v where rows are mixed by a matrix product.
PRODUCTS = {
    "rows with rows": lambda p, v: p @ v.T @ p,
    "rows with rows, laid": lambda p, v: p * (p @ v.T),
    "rows with rows, summed": lambda p, v: p * (p @ v.T).sum(axis=-1, keepdims=True),
    "one matrix": lambda p, v: v @ p.T @ p,
}
PAIRS = (
    "The product p @ v.T, or its transpose, pairs each row of p with all rows of v. A row is "
    "paired with its own only: multiply entry by entry, then sum."
)


def _vectors_for(z):
    """A vector for each row: small whole numbers of both signs, in no order."""
    rng = np.random.default_rng(z.size)
    return rng.integers(-3, 4, size=z.shape).astype(z.dtype)


WHERE_SUMMED = {
    "columns": "The mean of v under p runs down the columns. Each row has its own: sum over "
    "the last axis.",
    "whole": "One mean of v under p serves the whole batch. Each row has its own: give the sum "
    "an axis.",
    "laid": "The sums of the rows, those of v, are laid along the columns. Keep the summed "
    "axis with length 1.",
}
EVERYWHERE = {
    "columns": "All sums run down the columns. Each row is one example: its classes lie on the "
    "last axis.",
    "whole": "All sums run over the whole batch. Each row is one example: give them an axis.",
    "laid": "Maxima and sums of the rows, all three, are laid along the columns. Keep the "
    "reduced axis with length 1.",
}

softmax_vjp = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="a product with a Jacobian that is never formed",
    name="softmax_vjp",
    stub='''
def softmax_vjp(z, v):
    """J @ v for each row of logits z (N, K) and of v (N, K), without J."""
    ...
''',
    answer="""
def softmax_vjp(z, v):
    exps = np.exp(z - z.max(axis=-1, keepdims=True))
    p = exps / exps.sum(axis=-1, keepdims=True)
    return p * (v - (p * v).sum(axis=-1, keepdims=True))
""",
    why="diag(p) v is p * v, and p pᵀ v is p times the mean of v under p. K numbers in, K "
    "numbers out, no K x K matrix.",
    reference=companion.softmax_jvp,
    hints=(
        "Multiply (diag(p) - p pᵀ) by v on paper. What is pᵀ v?",
        "diag(p) v is elementwise; pᵀ v is one number per row, the mean of v under p.",
        "`p * (v - (p * v).sum(axis=-1, keepdims=True))`.",
    ),
    probes=(
        (array([0, 0]), array([1, 0])),
        (array([1, 2, 3]), array([1, 0, -2])),
        *((z, _vectors_for(z)) for z in plain_rows()),
        *((z, _vectors_for(z)) for z in [*large_batches(), scattered()]),
        (np.array([[1, 2, 4], [3, 0, 1]]), array([0.5, 1, 0], [2, 0, -1.5])),
        (array([0.5, 1, 0], [2, 0, -1.5]), np.array([[1, 2, 4], [3, 0, 1]])),
    ),
    fresh=lambda rng: (2 * rng.normal(size=(2, 4)), rng.normal(size=(2, 4))),
    shortcuts=("softmax_jacobian", "softmax_jvp", *DIFFERENTIATES),
    lean=Lean(
        (np.linspace(-2, 2, 400)[np.newaxis], np.linspace(3, -1, 400)[np.newaxis] ** 2),
        400_000,
        "The numbers are right, but for K = 400 your function holds a K x K matrix. Multiply "
        "both terms of J by v on paper: neither product needs the matrix.",
    ),
    # v less its mean cancels where p is nearly 1, so small entries are not asked for exactly.
    rtol=1e-6,
    atol=1e-12,
    also_right=(_vjp_row_by_row, _vjp_in_two_terms, _vjp_by_matrix_product),
    family=_vjp_family,
    switches=(
        Switch(
            "order",
            {
                "v, z": "The arguments are exchanged: probabilities come from the first one, "
                "z, and the second one is the vector."
            },
        ),
        Switch(
            "formula",
            {
                "elementwise": "This is diag(p) v. The part with the outer product is "
                "missing, so a row does not sum to 0.",
                "sigmoid": "This uses the diagonal of J only, p(1 - p), as for a sigmoid. Each "
                "class also feels the other entries of v.",
                "log, transposed": "This is the transposed Jacobian of log-softmax times v. "
                "Here the probabilities themselves are differentiated.",
                "log": "This is the Jacobian of log-softmax times v. For the probabilities "
                "themselves each entry is still to be weighted.",
                "outer": "This is only the part with the outer product. The diagonal of J has "
                "a term of its own.",
            },
            sets={
                "elementwise": {"term": "none"},
                "sigmoid": {"term": "none", "front": "slope"},
                "log, transposed": {"term": "sum", "front": "second"},
                "log": {"front": "none"},
                "outer": {"front": "outer"},
            },
        ),
        Switch(
            "everywhere",
            EVERYWHERE,
            {how: dict.fromkeys(("shift", "sums", "mean"), how) for how in EVERYWHERE},
            most=2,
        ),
        axis(),
        sums(),
        *shifts(),
        Switch("mean", WHERE_SUMMED),
        Switch("mean", dict.fromkeys(PRODUCTS, PAIRS), most=2),
        Switch(
            "term",
            {
                "plain": "The mean that you use of v is the plain one. The mean under p is "
                "wanted.",
                "sum": "The sum that you use is that of v alone. Its entries are still to be "
                "weighted by p.",
                "p": "The sum that you use is that of p alone. The entries of v belong in it.",
                "square": "The sum that you use is that of p², p weighted by itself. The "
                "entries of v are to be weighted.",
                "averaged": "The products of p and v are averaged. Their plain sum is the mean "
                "under p: the weights add up to 1 already.",
            },
        ),
        Switch(
            "front",
            {
                "first": "Only the first of the two terms has its factor p. The mean under p "
                "is still to be weighted by p as well.",
                "second": "Only the second of the two terms has its factor p. The entries of v "
                "are still to be weighted by p as well.",
                "slope": "The factor 1 - p in front is one too many: what it stands for is "
                "done by the outer product.",
                "square": "The factor p stands in front twice. One is enough.",
            },
            most=2,
        ),
        Switch("plus", {1: "The term with the mean is added. In J it stands with a minus."}),
        Switch("sign", {-1: f"{TURNED}. diag(p) comes with a plus."}),
        Switch(
            "result",
            {
                "summed": "You add up all rows. Each row has its own J and its own v.",
                "quadratic": "You multiply by v from both sides, which leaves one number per "
                "row. J v has K.",
                "total": "You add up the entries of J v in each row, and they always cancel. "
                "J v has K numbers.",
                "squeezed": SQUEEZED,
            },
            most=2,
        ),
        Switch(
            "share",
            {
                "rows": "You divide by the number of rows. Each row has a product J v of its "
                "own; no mean is taken.",
                "classes": "You divide by the number of classes. The weights p add up to 1 "
                "already; no mean is taken.",
            },
            most=2,
        ),
        inside(),
        clip(),
        powers(),
        sum_epsilon(),
        *kept(),
        precision(),
        Switch("kind", {"z": INTEGERS, "v": INTEGERS}, most=1),
        differences(),
    ),
)


# Errors of the logits, P - Y, as two exercises need them.


def targets_of(probs, labels, how):
    """The matrix that an answer subtracts from the probabilities."""
    count, classes = probs.shape
    numbers = np.arange(classes)
    match how:
        case "one-hot":
            return (numbers == labels[:, np.newaxis]).astype(float)
        case "none":
            return np.zeros(probs.shape)
        case "every":
            return np.tile(np.isin(numbers, labels).astype(float), (count, 1))
        case "before":
            return targets_of(probs, (labels - 1) % classes, "one-hot")
        case "after":
            return targets_of(probs, (labels + 1) % classes, "one-hot")
        case "likely":
            return targets_of(probs, probs.argmax(axis=-1), "one-hot")
        case "numbers":
            return labels[:, np.newaxis] + np.zeros(probs.shape)
        case "laid":
            return labels + np.zeros(probs.shape)
        case "rows":
            if labels.max() >= count:
                raise IndexError("a label is no row")
            return np.isin(np.arange(count), labels)[:, np.newaxis] + np.zeros(probs.shape)
        case "renumbered":
            return targets_of(probs, np.unique(labels, return_inverse=True)[1], "one-hot")
        case "not 0":
            return targets_of(probs, labels, "one-hot") * (labels != 0)[:, np.newaxis]
        case "largest label":
            return np.eye(labels.max() + 1)[labels] + np.zeros(probs.shape)
        case "last of each":  # what `out[:, labels] -= ...` keeps of repeated labels
            last = [n for n in range(count) if labels[n] not in labels[n + 1 :]]
            return np.isin(np.arange(count), last)[:, np.newaxis] * (
                numbers == labels[:, np.newaxis]
            )
    raise ValueError(how)


ENTRIES = {
    "less 1": lambda p, y: p - y,
    "plus 1": lambda p, y: p + y,
    "is -1": lambda p, y: np.where(y != 0, -y, p),
    "1 less p": lambda p, y: np.where(y != 0, y - p, p),
}


def errors_of(
    logits, labels, *, targets="one-hot", parts="both", sign=1, factor="none", path="short",
    guard=0.0, share_p=1, share_y=1, kind="float", entry="less 1",
    **softmax,
):  # fmt: skip
    """P - Y of a batch, as an answer forms it, not averaged unless by the two shares."""
    p = truncated(probs_of(logits, **softmax), logits, "like" if kind == "probs" else kind)
    y = targets_of(p, labels, targets)
    if path == "short" and parts == "both" and share_p == share_y:
        errors = ENTRIES[entry](p, y) / share_p
    elif path == "short":
        errors = (p / share_p if parts != "targets" else 0.0) - y / share_y
    else:
        below = np.maximum(p, guard) if "clipped" in path else p + guard
        slopes = -y / below
        if path.endswith("at the label"):
            slopes = np.where(y == 0, 0.0, slopes)
        if not path.startswith("by probs"):
            slopes = p * (slopes - sum_of(p * slopes, "row"))
        errors = slopes / max(share_p, share_y)
    if factor != "none":
        slope = p * (1 - p) if factor in ("slope", "both") else p
        errors = {"slope": slope, "p": p, "two": 2.0, "both": 2 * slope}[factor] * errors
    return sign * errors


DIVIDED = (
    "You divide by probabilities. They underflow to 0, and 0 times inf is nan. On paper p "
    "cancels; cancel it before you compute."
)
GUARDED = (
    "You divide by probabilities that are kept from 0 by {value:g}. Where one is smaller, the "
    "slope at the label fades, just where the model is most wrong. On paper p cancels."
)
GUARDED_SLOPES = (
    "by probs",
    "by probs at the label",
    "by probs, clipped",
    "by probs, clipped, at the label",
)
GUARDS = (1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7)
BY_PROBS = (
    "This is the slope by the probabilities, -1/p at the label. Carry it on through softmax to "
    "the logits."
)

BATCH = (
    axis(),
    Switch(
        "targets",
        {
            "none": "The labels have no effect. The true class's entry must become negative.",
            "numbers": "The number of the label is subtracted from its whole row. A label is a "
            "name: turn it into a row of zeros with one 1.",
            "every": "The 1 is taken from the column of every label, in every row. Pair each "
            "row with its own label.",
        },
    ),
    Switch(
        "targets",
        {
            "likely": "The 1 is taken at the most likely class. It belongs to the label, which "
            "the model may have missed.",
            "laid": "The numbers of the labels are subtracted along the columns. A label is a "
            "name: turn each into a row of zeros with one 1.",
            "before": "The 1 is taken from the class before the label. Labels count from 0, as "
            "Python does.",
            "after": "The 1 is taken from the class after the label. Labels count from 0, as "
            "Python does.",
            "renumbered": "The labels are numbered anew by those that occur. A label is the "
            "number of its column, also where other classes are absent.",
            "not 0": "Rows with label 0 are left without their 1. Python takes 0 for false; "
            "class 0 is a class like any other.",
            "rows": "The labels pick rows, for one index alone means rows. Each row needs its "
            "own column: two indices.",
            "largest label": "The number of classes is taken from the labels. The last class "
            "may be absent from a batch: the logits know how many there are.",
        },
        most=2,
    ),
    Switch(
        "parts",
        {
            "targets": "Only the labels appear. The wrong classes have a slope too: their "
            "probability."
        },
    ),
    Switch(
        "entry",
        {
            "plus 1": "The 1 of the label is added to a probability. Raising the true logit "
            "must lower the loss: which sign has its slope?",
            "is -1": "What stands at the label does not depend on the probability. That "
            "belongs in this entry, too.",
            "1 less p": "The slope at the label has the sign of all others. Raising the true "
            "logit lowers the loss, raising any other lifts it.",
        },
        most=2,
    ),
    Switch(
        "path",
        {
            "by probs": BY_PROBS,
            "by probs at the label": BY_PROBS,
        },
        most=2,
    ),
    inside(),
    sums(),
    *shifts(),
    Switch(
        "sign",
        {
            -1: f"{TURNED}: a step along the negative gradient would lower the probability of "
            "the true class."
        },
    ),
    Switch(
        "factor",
        {
            "slope": "A factor p(1 - p) has crept in, as for squared error on a sigmoid. It "
            "cancels against the 1/p of the logarithm.",
            "both": "This is built as for squared error on a sigmoid, with a factor "
            "2p(1 - p). The logarithm has another slope.",
            "two": "A factor 2 has crept in, as for squared error. Cross-entropy has no "
            "square.",
            "p": "A factor p has crept in. It cancels against the 1/p of the logarithm.",
        },
        most=2,
    ),
)
BATCH_RARE = (
    Switch("path", {"division": DIVIDED, "division at the label": DIVIDED}, most=2),
    Switch(
        "path",
        {(how, e): BY_PROBS for how in GUARDED_SLOPES for e in GUARDS}
        | {(how, e): say(GUARDED, value=e) for how in ("clipped", "added") for e in GUARDS},
        {
            (how, e): {"path": how, "guard": e}
            for how in (*GUARDED_SLOPES, "clipped", "added")
            for e in GUARDS
        },
        most=1,
    ),
    clip(),
    powers(),
    sum_epsilon(),
    *kept(),
    precision(),
    Switch("kind", {"probs": INTEGERS}, most=1),
)
MEAN_OF_ROWS = "The mean runs over the rows."
AVERAGES = {
    "none": "Nothing is averaged: this belongs to the sum of the losses. The mean divides by "
    "the number of rows.",
    "classes": f"You divide by the number of classes. {MEAN_OF_ROWS}",
}
RARE_AVERAGES = {
    "both": "You divide by rows times classes, as .mean() of the whole array does. There is "
    "one loss per row.",
    "twice": "You divide by the number of rows twice. Once is enough.",
    "one less": f"You divide by the number of rows less 1. {MEAN_OF_ROWS}",
    "one less, at least 1": f"You divide by the number of rows less 1. {MEAN_OF_ROWS}",
    "distinct": "You divide by the number of different labels. Rows are counted, also those "
    "with a label that was there before.",
    "targets": "Only the targets are divided by the number of rows. The whole difference is.",
    "probs": "Only the probabilities are divided by the number of rows. The whole difference "
    "is.",
}


# cross_entropy_grad: the mean over a batch.


def _ce_grad(logits, labels):
    return companion.softmax_cross_entropy_with_labels_grad(logits, labels) / len(labels)


def _ce_grad_row_by_row(logits, labels):
    rows = []
    for n in range(len(labels)):
        p = companion.softmax(logits[n])
        p[labels[n]] -= 1
        rows.append(p / len(labels))
    return np.array(rows)


def _ce_grad_one_hot(logits, labels):
    targets = np.eye(logits.shape[1])[labels]
    return (companion.softmax(logits) - targets) / logits.shape[0]


def _ce_grad_by_comparison(logits, labels):
    is_label = np.arange(logits.shape[1]) == labels[:, np.newaxis]
    return np.where(is_label, companion.softmax(logits) - 1, companion.softmax(logits)) / len(
        logits
    )


def _shares(average, labels, classes, features=1):
    """What probabilities and targets are divided by."""
    count = len(labels)
    both = {"rows": count, "none": 1, "classes": classes, "both": count * classes}
    both |= {"twice": count**2, "features": features, "one less": np.float64(count - 1)}
    both |= {"one less, at least 1": max(count - 1, 1), "distinct": len({*labels.tolist()})}
    return {"targets": (1, count), "probs": (count, 1)}.get(average) or (both[average],) * 2


def _ce_grad_family(
    logits, labels, *, average="rows", result="matrix", kind="float", threshold=0.0, **others
):
    share_p, share_y = _shares(average, labels, logits.shape[1])
    inner = kind if kind == "probs" else "float"
    grad = errors_of(logits, labels, share_p=share_p, share_y=share_y, kind=inner, **others)
    grad = truncated(grad, logits, "like" if kind == "like" else "float")
    grad = np.where(np.abs(grad) < threshold, 0.0, grad) if threshold else grad
    rows = np.arange(len(labels))
    finish = {
        "squeezed": grad.squeeze,
        "matrix": lambda: grad,
        "transposed": lambda: grad.T,
        "label": lambda: grad[rows, labels],
        "alone": lambda: np.where(np.arange(grad.shape[1]) == labels[:, np.newaxis], grad, 0.0),
        "summed": lambda: grad.sum(axis=0),
    }
    return finish[result]()


def _with_labels():
    """Logits with labels: of each kind, in turn; and once with the last class absent."""
    plain = [z if z.shape[1] > 1 else z[:1] for z in plain_rows()]
    kinds = ("turn", "unlikely", "early", "likely")
    return (
        *((z, labels_for(z, kinds[i % 4])) for i, z in enumerate(plain)),
        (plain[3], labels_for(plain[3], "early")),
        *((z, labels_for(z, kinds[(i + 1) % 4])) for i, z in enumerate(large_batches())),
        (array([0, 25], [40, 0], [0, 75]), np.array([0, 1, 0])),  # guards of a division
        (array([0, 1000]), np.array([0])),
        (scattered(), labels_for(scattered(), "turn")),
    )


cross_entropy_grad = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="the gradient that trains every classifier",
    name="cross_entropy_grad",
    stub='''
def cross_entropy_grad(logits, labels):
    """Gradient of the mean cross-entropy by logits (N, K), for labels (N,)."""
    ...
''',
    answer="""
def cross_entropy_grad(logits, labels):
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    grad = exps / exps.sum(axis=-1, keepdims=True)
    grad[np.arange(len(labels)), labels] -= 1
    return grad / len(labels)
""",
    why="The loss of a row is lse(z) - z_y, so its gradient is softmax(z) less 1 at the label. "
    "The mean divides by N.",
    reference=_ce_grad,
    hints=(
        "What is the gradient of log-sum-exp, and what that of -z_y?",
        "Softmax, less 1 at the label. And a mean over N rows has a factor in front.",
        "Subtract 1 from `probs[np.arange(N), labels]` and divide everything by N.",
    ),
    probes=_with_labels(),
    fresh=lambda rng: (2 * rng.normal(size=(4, 3)), rng.integers(3, size=4)),
    shortcuts=(
        "softmax_cross_entropy_grad",
        "softmax_cross_entropy_with_labels_grad",
        *DIFFERENTIATES,
    ),
    # p - 1 loses digits where p is nearly 1, so small entries are not asked for exactly.
    rtol=1e-6,
    atol=1e-12,
    also_right=(_ce_grad_row_by_row, _ce_grad_one_hot, _ce_grad_by_comparison),
    family=_ce_grad_family,
    switches=(
        *BATCH,
        Switch("average", AVERAGES),
        Switch("average", RARE_AVERAGES, most=2),
        Switch(
            "result",
            {
                "transposed": "Rows and columns are exchanged. A gradient has the shape of "
                "what it is taken by.",
                "label": "You return one slope per row, that of its label. The other logits "
                "have slopes too.",
                "alone": "Only the entry of the label is filled. The other logits have slopes "
                "too.",
                "summed": "You sum over the rows, as for a bias. The logits of each row have "
                "slopes of their own.",
                "squeezed": SQUEEZED,
            },
            most=2,
        ),
        Switch(
            "threshold",
            dict.fromkeys(
                (1e-2, 1e-3, 1e-4),
                "Slopes that are small are set to 0. They are asked for like all others.",
            ),
            most=2,
        ),
        *BATCH_RARE,
        Switch("kind", {"like": INTEGERS}, most=1),
    ),
    mistakes=(
        Mistake(
            "loss",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, y).mean(),
            "This is the loss. Its slopes are asked for, one for each logit.",
        ),
        Mistake(
            "losses",
            companion.softmax_cross_entropy_with_labels,
            "These are the losses of the rows. Their slopes are asked for, one for each logit.",
        ),
    ),
)


# weights_grad: back through the linear layer.


def _weights_grad(features, logits, labels):
    return features.T @ _ce_grad(logits, labels)


def _weights_grad_row_by_row(features, logits, labels):
    total = 0.0
    for n in range(len(labels)):
        p = companion.softmax(logits[n])
        p[labels[n]] -= 1
        total = total + np.multiply.outer(features[n], p)
    return total / len(labels)


def _weights_grad_einsum(features, logits, labels):
    errors = companion.softmax(logits) - np.eye(logits.shape[1])[labels]
    return np.einsum("nd,nk->dk", features, errors) / len(labels)


def _weights_grad_transposed(features, logits, labels):
    errors = companion.softmax(logits) - np.eye(logits.shape[1])[labels]
    return (errors.T @ features).T / len(features)


def _weights_grad_family(
    features, logits, labels, *, average="rows", product="matrix", transposed=False,
    kind="float", **others,
):  # fmt: skip
    share_p, share_y = _shares(average, labels, logits.shape[1], features.shape[1])
    inner = kind if kind == "probs" else "float"
    errors = errors_of(logits, labels, share_p=share_p, share_y=share_y, kind=inner, **others)
    count, width = features.shape
    grad = {
        "matrix": lambda: features.T @ errors,
        "reshaped": lambda: features.reshape(width, count) @ errors,
        "untransposed": lambda: features @ errors,
        "apart": lambda: np.outer(features.mean(axis=0), errors.sum(axis=0)),
        "sums": lambda: np.outer(features.sum(axis=0), errors.sum(axis=0)),
        "last": lambda: np.outer(features[-1], errors[-1]),
        "first": lambda: np.outer(features[0], errors[0]),
        "tiled": lambda: np.tile(errors.sum(axis=0), (width, 1)),
        "bias": lambda: errors.sum(axis=0),
        "logits": lambda: errors,
        "by row": lambda: features[:, :, np.newaxis] * errors[:, np.newaxis, :],
        "squeezed": lambda: (features.T @ errors).squeeze(),
        "ones first": lambda: np.vstack([errors.sum(axis=0), features.T @ errors]),
        "ones last": lambda: np.vstack([features.T @ errors, errors.sum(axis=0)]),
    }[product]()
    return truncated(
        grad.T if transposed else grad, features, "like" if kind == "like" else "float"
    )


def _features_for(logits, i):
    """Features of 1, 2, 3, or N columns: small whole numbers of both signs, in no order."""
    count = len(logits)
    width = (1, 3, count, 2)[i % 4]
    features = np.random.default_rng(i).integers(-3, 3, size=(count, width))
    # None is 0: whether 0 times nan is nan depends on who multiplies the matrices.
    return (features + (features >= 0)).astype(logits.dtype)


def _few_rows():
    """Logits with labels, large ones one by one: a sum over rows would hide which row fails."""
    plain = [(z, y) for z, y in _with_labels() if np.abs(z).max() < 10]
    large = array([700, -3000], [-800, -801], [-801, -800], [0, 30], [0, 1000])
    fours = array([400, 400, 400, -400], [1400, 0, 0, 0], [1000, 0, 0, 0])
    threes = array([3000, -5, -6], [-5, 3000, -6], [-6, -5, 3000], [-3000, 5, 6], [5, 6, -3000])
    rows = [row[np.newaxis] for rows in (large, fours, threes) for row in rows]
    batches = [rows for rows in large_batches() if np.abs(rows).max() in (1001, 2001, 1e8 + 1)]
    batches.append(array([0, 1], [1000, 1001]))
    return (*plain, *((z, labels_for(z, "unlikely")) for z in [*rows, *batches]))


APART = (
    "Features and slopes are added up or averaged apart, and multiplied then. The features of "
    "a row belong to the slopes of that row."
)
WITH_ONES = (
    "The result has a row too many, that of a bias, as from a feature of ones. Only the "
    "weights are asked for."
)

weights_grad = FunctionExercise(
    topic=TOPIC,
    minutes=15,
    trains="a gradient carried back through a matrix product",
    name="weights_grad",
    stub='''
def weights_grad(features, logits, labels):
    """Gradient of the mean cross-entropy by the weights (D, K).

    logits = features @ weights; labels are integers (N,).
    """
    ...
''',
    answer="""
def weights_grad(features, logits, labels):
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    grad_logits = exps / exps.sum(axis=-1, keepdims=True)
    grad_logits[np.arange(len(labels)), labels] -= 1
    return features.T @ grad_logits / len(labels)
""",
    why="Weight (d, k) reaches logit k of row n through feature (n, d), so its slope is the "
    "sum over n of features[n, d] * grad_logits[n, k]: a matrix product.",
    reference=_weights_grad,
    hints=(
        "What shape must the result have, and which product of (N, D) and (N, K) has it?",
        "Each weight collects, over all rows, the feature times the slope at the logit.",
        "`features.T @ (P - Y) / N`.",
    ),
    probes=(
        (array([1, 2]), array([0, 0]), np.array([1])),
        (array([1, 2, 3], [0, 1, -1]), array([1, 0], [0, 2]), np.array([0, 1])),
        (array([1, 2], [3, -1], [0, 1]), array([0, 1], [2, 0], [1, 1]), np.array([0, 0, 1])),
        *((_features_for(z, i), z, y) for i, (z, y) in enumerate(_few_rows())),
    ),
    fresh=lambda rng: (
        rng.normal(size=(4, 5)),
        2 * rng.normal(size=(4, 3)),
        rng.integers(3, size=4),
    ),
    shortcuts=(
        "softmax_cross_entropy_grad",
        "softmax_cross_entropy_with_labels_grad",
        *DIFFERENTIATES,
    ),
    # Sums over the rows cancel, so small entries are not asked for exactly.
    rtol=1e-6,
    atol=1e-11,
    also_right=(_weights_grad_row_by_row, _weights_grad_einsum, _weights_grad_transposed),
    family=_weights_grad_family,
    switches=(
        Switch(
            "product",
            {
                "reshaped": "reshape(D, N) moves features to other rows. Only the transpose "
                "keeps each feature with its example.",
                "untransposed": "The features are multiplied without being transposed. The sum "
                "must run over the rows: D x N times N x K.",
                "last": "Only the last row counts: each row replaces what came before it. Add "
                "them up.",
            },
        ),
        Switch(
            "product",
            {
                "apart": APART,
                "sums": APART,
                "first": "Only the first row counts. Add the products of all rows up.",
                "tiled": "Every feature gets the same slope, that of the bias. Weigh each row "
                "by its features.",
                "bias": "This is the gradient by the bias. For the weights, weigh each row by "
                "its features.",
                "logits": "This is the gradient by the logits. Carry it on through the linear "
                "layer to the weights.",
                "by row": "You return one matrix for each row. The weights are shared by all "
                "rows: add their matrices up.",
                "ones first": WITH_ONES,
                "ones last": WITH_ONES,
                "squeezed": SQUEEZED,
            },
            most=2,
        ),
        *BATCH,
        Switch("average", AVERAGES),
        Switch(
            "average",
            RARE_AVERAGES
            | {"features": f"You divide by the number of features. {MEAN_OF_ROWS}"},
            most=2,
        ),
        Switch(
            "targets",
            {
                "last of each": "Where a label repeats, only its last row is subtracted: one "
                "assignment to several equal indices keeps one. Use a one-hot matrix."
            },
            most=2,
        ),
        Switch(
            "transposed",
            {
                True: "The shape is (K, D). A gradient has the shape of what it is taken by: "
                "(D, K)."
            },
        ),
        *BATCH_RARE,
        Switch(
            "kind",
            {
                "like": "Whole features lose the fractions of the slopes: an array made like "
                "them (zeros_like, empty_like, copy) holds integers. Ask for floats."
            },
            most=1,
        ),
    ),
    mistakes=(
        Mistake(
            "loss",
            lambda x, z, y: companion.softmax_cross_entropy_with_labels(z, y).mean(),
            "This is the loss. Its slopes are asked for, one for each weight.",
        ),
    ),
)


# largest_difference: find the bugs in a gradient check.


def _difference(f, gradient, z):
    return np.abs(gradient(z) - companion.numerical_gradient(f, z)).max()


def _difference_by_copies(f, gradient, z):
    differences = []
    for k in range(len(z)):
        up, down = z.astype(float), z.astype(float)
        up[k] += 1e-4
        down[k] -= 1e-4
        differences.append(abs(gradient(z)[k] - (f(up) - f(down)) / 2e-4))
    return max(differences)


def _difference_of_two_steps(f, gradient, z):
    def slopes(h):
        steps = h * np.eye(len(z))
        return np.array([f(z + step) - f(z - step) for step in steps]) / h / 2

    return np.linalg.norm(gradient(z) - (4 * slopes(1e-4) - slopes(2e-4)) / 3, np.inf)


def steep_parabola(z):
    """A function whose central differences at 0 are 0 for every step."""
    return float(1e6 * (z**2).sum())


def parabola_gradient(z):
    """The gradient of `steep_parabola`."""
    return 2e6 * z


def first_entry_worst(z):
    """The gradient of `cube_sum` with errors of both signs, the first one the largest."""
    return cube_gradient(z) + np.resize([-500.0, 100.0, -200.0], len(z))


def last_entry_worst(z):
    """The gradient of `cube_sum` with errors of both signs, the last one the largest."""
    return cube_gradient(z) + np.resize([200.0, -100.0, 500.0], len(z))


def steep_sum(z):
    """A large function that bends: a long step misses its slopes, a short one its digits."""
    return 10_000 * float((z**3).sum() + z.sum() ** 2) + 50_000.0


def nearly_steep(z):
    """The gradient of `steep_sum` with errors of both signs."""
    return 30_000 * z**2 + 20_000 * z.sum() + np.resize([-400.0, 1000.0, 700.0], len(z))


def nearly_right(z):
    """The gradient of `loss_of_class_0`, with a small error in each entry."""
    return right_gradient(z) + np.resize([0.1, -0.2, 0.05], len(z))


def _difference_family(
    f, gradient, z, *, move="one", step=1e-5, sides="both", divide="distance", reduce="largest",
    kind="float", left_out="none",
):  # fmt: skip
    size, given = len(z), gradient(z)
    integers = z.dtype
    z = z.astype(np.float32 if kind == "float32" else float)
    width = step * (sides != "backward") + step * (sides != "forward")
    if move in RELATIVE_STEPS:
        sizes = np.abs(z) if move == "relative" else z
        steps, width = np.diag(step * sizes), width * sizes
    else:
        steps = {
            "all": lambda: np.full((size, size), step),
            "accumulated": lambda: step * np.tri(size),
            "first": lambda: step * np.eye(1, size),
        }.get(move, lambda: step * np.eye(size))()
    steps = steps.astype(z.dtype)

    def at(point):
        return f(point.astype(integers) if kind == "points" else point)

    def change(s, z):
        above = at(z) if sides == "backward" else at(z + s)
        return above - (at(z) if sides == "forward" else at(z - s))

    if move == "matrix":
        changes = change(steps, z)
    else:
        left = np.tri(size, k=-1) * step if move == "left there" else 0 * steps
        changes = np.array([change(s, z - at_0) for s, at_0 in zip(steps, left, strict=True)])
    slopes = {
        "distance": lambda: changes / width,
        "half": lambda: 2 * changes / width,
        "double": lambda: changes / width / 2,
        "precedence": lambda: changes / 2 * step,
        "none": lambda: changes,
    }[divide]()
    if kind == "slopes":
        slopes = np.asarray(slopes).astype(integers)
    if left_out == "none":
        return _reduced(given, slopes, reduce)
    return _reduced(*_without(given, np.broadcast_to(slopes, given.shape), left_out), reduce)


RELATIVE_STEPS = ("relative", "relative with its sign")


def _without(given, slopes, left_out):
    """Gradients of which an entry has not been compared: gone, or as if one of them were 0."""
    entry, how = left_out
    place = {"last": -1, "first": 0}[entry]
    if how == "gone":
        kept = slice(None, -1) if entry == "last" else slice(1, None)
        return given[kept], slopes[kept]
    given, slopes = given.astype(float), slopes.astype(float)
    slopes[place] = 0.0
    if how == "no error":
        given[place] = 0.0
    return given, slopes


def _reduced(given, slopes, how):
    errors = given - slopes
    sizes = np.abs(errors)
    norm = np.linalg.norm
    match how:
        case "largest":
            return sizes.max()
        case "smallest":
            return sizes.min()
        case "signed":
            return errors.max()
        case "turned":
            return (-errors).max()
        case "size of the largest":
            return abs(errors.max())
        case "mean":
            return sizes.mean()
        case "sum":
            return sizes.sum()
        case "length":
            return norm(errors)
        case "squares":
            return (errors**2).max()
        case "mean square":
            return (errors**2).mean()
        case "place":
            return np.argmax(sizes)
        case "first":
            return sizes[0]
        case "last":
            return sizes[-1]
        case "vector":
            return sizes
        case "signed vector":
            return errors
        case "of sizes":
            return np.abs(np.abs(given) - np.abs(slopes)).max()
        case "relative":
            return (sizes / np.maximum(1e-8, np.abs(given) + np.abs(slopes))).max()
        case "relative to the larger":
            return (sizes / np.maximum(1e-8, np.maximum(np.abs(given), np.abs(slopes)))).max()
        case "relative to the slopes":
            return (sizes / np.abs(slopes)).max()
        case "relative, bare":
            return (sizes / (np.abs(given) + np.abs(slopes))).max()
        case "relative to the larger, bare":
            return (sizes / np.maximum(np.abs(given), np.abs(slopes))).max()
        case "relative lengths":
            return norm(errors) / (norm(given) + norm(slopes))
    raise ValueError(how)


RELATIVE = (
    "You report a relative difference. The absolute one is asked for: do not divide by the "
    "size of the slopes."
)
TOO_SMALL = (
    "With a step of {value:g} the difference of two nearly equal numbers has lost most of its "
    "digits, or all. Take a larger step."
)
RATHER_SMALL = (
    "With a step of {value:g} rounding eats the difference where f is large, as a sum over "
    "many examples is. Take a larger step."
)
TOO_LARGE = (
    "With a step of {value:g} the curve bends away between the points. Take a smaller step."
)

ONE_SIDE = (
    "You step to one side only. Such a difference errs in proportion to the step, not to its "
    "square. Step to both sides."
)
OTHER_STEPS = (1e-4, 1e-6, 1e-7, 1e-8)
SINGLE_STEPS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-7)
LEFT_THERE = (
    "An entry that has moved down is left there while the next ones move. Put it back before "
    "the next step."
)
NO_STEP_AT_0 = (
    "The step is a share of the entry that it moves, so it is 0 where the entry is 0. Take a "
    "step that never vanishes."
)
LEFT_OUT = {
    "last": "The last entry is left out. How often does a loop over range(n - 1) run?",
    "first": "The first entry is left out. At which number does a loop over range(1, n) start?",
}
CUT_OFF = (
    "A step added to an array of integers is cut off: z.copy() of whole numbers holds no "
    "fractions. Ask for floats."
)
SINGLE_POINTS = (
    "The points are float32, which keeps seven digits: most of a small step is lost in "
    "rounding. Compute in float64."
)

largest_difference = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="a gradient check that can fail",
    name="largest_difference",
    stub='''
def largest_difference(f, gradient, z):
    """Largest absolute error of gradient(z) against central differences of f.

    z may hold integers.
    """
    h = 1e-12
    slopes = [(f(z + h) - f(z - h)) / (2 * h) for k in range(len(z))]
    return np.abs(gradient(z) - slopes).max()
''',
    answer="""
def largest_difference(f, gradient, z):
    h = 1e-5
    steps = h * np.eye(len(z))
    slopes = [(f(z + step) - f(z - step)) / (2 * h) for step in steps]
    return np.abs(gradient(z) - slopes).max()
""",
    why="Each slope moves one entry of z alone; moving all at once does not change a "
    "softmax. And a step of 1e-12 leaves four digits of the difference, 1e-5 leaves ten.",
    reference=_difference,
    hints=(
        "Let it judge a gradient of zeros, and then a right one. Two things are wrong.",
        "Which entries of z does `z + h` move? And how many digits survive the difference of "
        "two numbers that agree in twelve?",
        "Step along the rows of `h * np.eye(len(z))`, with h near 1e-5.",
    ),
    probes=(
        (loss_of_class_0, sign_error, flat(1, 0)),
        (loss_of_class_0, nearly_right, flat(0.5, -1, 2)),
        (loss_of_class_0, sign_error, flat(0.5, -1, 2)),
        (steep_parabola, parabola_gradient, flat(0, 0)),  # tells one side from two at any step
        (cube_sum, zero_gradient, flat(1, 2)),
        (cube_sum, first_entry_worst, flat(2, -1, 0.5)),
        (cube_sum, last_entry_worst, flat(2, -1, 0.5)),
        (cube_sum, zero_gradient, np.array([1, -2, 3])),
        (loss_of_class_0, sign_error, np.array([1, -2, 0])),
        (steep_sum, nearly_steep, flat(0.3, -0.45, 0.2)),
        (steep_parabola, zero_gradient, flat(10, 5)),  # tells tiny slopes from none
        (cube_sum, zero_gradient, flat(-0.5)),
    ),
    fresh=lambda rng: (cube_sum, first_entry_worst, rng.uniform(0.2, 1, size=4)),
    shortcuts=("numerical_gradient", "approx_fprime", "check_grad", "gradcheck", "check_grads"),
    # All gradients are wrong, so that no wrong answer is mere noise, which depends on the step.
    # The statement names no step: from 1e-3 to 1e-8 central differences of these functions are
    # right within 3e-4, which is small beside the errors that they are to find.
    rtol=1e-6,
    atol=3e-4,
    also_right=(_difference_by_copies, _difference_of_two_steps),
    family=_difference_family,
    switches=(
        Switch(
            "move",
            {
                "all": "All entries move at once. Softmax does not see a common shift, so a "
                "gradient of zeros passes. Move one entry at a time.",
                "accumulated": "An entry that has moved stays moved while the next ones do. Go "
                "back to z before each step.",
                "first": "Only the first entry is moved. Each entry has a slope of its own.",
            },
        ),
        Switch(
            "move",
            {
                "matrix": "f is given a whole matrix of moved points, so what it gives belongs "
                "to no single one. Call it for one point at a time.",
                "left there": LEFT_THERE,
                "relative": NO_STEP_AT_0,
                "relative with its sign": NO_STEP_AT_0,
            },
            most=2,
        ),
        Switch(
            "move",
            {("left there", h): LEFT_THERE for h in OTHER_STEPS[:-1]},
            {("left there", h): {"move": "left there", "step": h} for h in OTHER_STEPS[:-1]},
            most=1,
        ),
        Switch(
            "left_out",
            {
                (entry, how): LEFT_OUT[entry]
                for entry in LEFT_OUT
                for how in ("gone", "no slope", "no error")
            },
            most=2,
        ),
        Switch("step", {h: say(TOO_SMALL, value=h) for h in (1e-12,)}),
        Switch(
            "step",
            {h: say(TOO_SMALL, value=h) for h in (1e-10, 1e-11, 1e-13, 1e-14, 1e-15, 1e-16)}
            | {h: say(TOO_LARGE, value=h) for h in (1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.002)}
            | {1e-3: say(TOO_LARGE, value=1e-3), 1e-9: say(RATHER_SMALL, value=1e-9)},
            most=2,
        ),
        Switch(
            "sides",
            {"forward": ONE_SIDE, "backward": ONE_SIDE},
        ),
        Switch(
            "sides",
            {(side, h): ONE_SIDE for side in ("forward", "backward") for h in OTHER_STEPS},
            {
                (side, h): {"sides": side, "step": h}
                for side in ("forward", "backward")
                for h in OTHER_STEPS
            },
            most=2,
        ),
        Switch(
            "divide",
            {
                "half": "The differences are divided by half the distance of the two points. "
                "Divide by how far apart they lie.",
                "double": "The differences are divided by twice the distance of the two "
                "points. Divide by how far apart they lie.",
                "precedence": "x / 2 * h multiplies by h. A product that is divided by needs "
                "brackets.",
                "none": "The differences are not divided by the distance of the two points.",
            },
        ),
        Switch(
            "reduce",
            {
                "smallest": "You report the smallest difference. One right entry then hides "
                "all wrong ones.",
                "signed": "You report the largest difference with its sign, so errors below 0 "
                "pass. Take absolute values.",
                "turned": "You report the largest difference with its sign, numeric less "
                "given, so errors on one side pass. Take absolute values.",
                "size of the largest": "You take the absolute value of the maximum. Errors "
                "below 0 have lost by then: absolute values first.",
                "mean": "You report the mean difference. In a long gradient one wrong entry "
                "drowns in it.",
                "sum": "You report the sum of the differences. The largest one is asked for.",
            },
        ),
        Switch(
            "reduce",
            {
                "length": "You report the length of the vector of differences. The largest "
                "entry is asked for.",
                "squares": "You report a squared difference. The difference itself is asked "
                "for.",
                "mean square": "You report the mean of the squared differences. The largest "
                "difference itself is asked for.",
                "place": "You return the place of the largest difference, as argmax does. Its "
                "size is asked for.",
                "first": "You report the difference of the first entry. Any entry may be "
                "wrong.",
                "last": "You report the difference of the last entry. Any entry may be wrong.",
                "vector": "You return a difference for each entry. One number is asked for.",
                "signed vector": "You return the vector of differences. One number is asked "
                "for.",
                "of sizes": "You compare sizes, so a gradient of the wrong sign passes. Take "
                "the absolute value of the difference.",
                "relative": RELATIVE,
                "relative to the larger": RELATIVE,
                "relative to the slopes": RELATIVE,
                "relative, bare": RELATIVE,
                "relative to the larger, bare": RELATIVE,
                "relative lengths": RELATIVE,
            },
            most=2,
        ),
        Switch(
            "kind",
            {
                "points": CUT_OFF,
                "float32": SINGLE_POINTS,
                "slopes": "The slopes lose their fractions where z holds integers: an array "
                "made like it (zeros_like, empty_like) does too. Ask for floats.",
            },
            most=2,
        ),
        Switch(
            "kind",
            {("points", h): CUT_OFF for h in OTHER_STEPS},
            {("points", h): {"kind": "points", "step": h} for h in OTHER_STEPS},
            most=2,
        ),
        Switch(
            "kind",
            {("float32", h): SINGLE_POINTS for h in SINGLE_STEPS},
            {("float32", h): {"kind": "float32", "step": h} for h in SINGLE_STEPS},
            most=1,
        ),
    ),
    mistakes=(
        Mistake(
            "largest slopes",
            lambda f, g, z: abs(np.abs(g(z)).max() - np.abs(_central(f, z)).max()),
            "You compare the largest slopes of both. Subtract entry by entry, then look for "
            "the largest difference.",
        ),
        Mistake(
            "no differences",
            lambda f, g, z: np.abs(g(z)).max(),
            "This is the largest entry of the gradient itself. It is to be compared with the "
            "differences of f.",
        ),
    ),
)


def _central(f, z):
    return np.array([(f(z + s) - f(z - s)) / 2e-5 for s in 1e-5 * np.eye(len(z))])


def _slope_at_label():
    logits = np.zeros((4, 2))
    logits[:, 0] = np.log(4)  # p = 4 / 5
    return _ce_grad(logits, np.zeros(4, dtype=int))[0, 0]


slope_at_label = NumberExercise(
    topic=TOPIC,
    minutes=3,
    trains="the factor of a mean in a gradient",
    name="slope_at_label",
    stub="slope_at_label = ...",
    answer="slope_at_label = (0.8 - 1) / 4",
    why="The gradient at the true logit is p - 1, and the mean over four rows divides by 4.",
    reference=_slope_at_label,
    hints=(
        "What is the gradient of one example's loss at the true logit?",
        "It is p - 1. What does the mean over a batch of four do to it?",
        "Divide p - 1 by 4.",
    ),
    also_right=(-0.05, np.float64(-1 / 20), -0.2 / 4, np.float32(-0.05), np.float16(-0.05)),
    mistakes=(
        Mistake(
            "not-averaged", -0.2, "That is p - 1 for one example. The loss is the mean of 4."
        ),
        Mistake("sign", 0.05, "Raising the true logit lowers the loss: the slope is negative."),
        Mistake(
            "both",
            0.2,
            "Either 1 - p is not averaged, and its sign is turned, or a quarter of p is left "
            "without the label. Both belong in: the label and the mean.",
        ),
        Mistake(
            "probability",
            0.8,
            "That is the probability. The label takes 1 off, the mean divides.",
        ),
        Mistake(
            "multiplied",
            -0.8,
            "That is four times p - 1, or the probability with a minus. The mean over four "
            "rows divides, and the label takes 1 off.",
        ),
        Mistake(
            "label-alone-upwards",
            1 / 4,
            "That is what the label alone gives, upwards. Raising the true logit lowers the "
            "loss, and the probability at the label plays a part.",
        ),
        Mistake("one-less", -0.2 / 3, "You divide by three. The mean runs over four examples."),
        Mistake(
            "inverse",
            1 / 0.8,
            "That is 1/p, the slope of the logarithm. The loss has a minus, and softmax and "
            "the mean come after it.",
        ),
        Mistake(
            "inverse-averaged",
            1 / 0.8 / 4,
            "That is a quarter of 1/p. The loss has a minus, and the slope of softmax is "
            "still to be multiplied.",
        ),
        Mistake(
            "sigmoid-slope",
            0.8 * 0.2 / 4,
            "p(1 - p) is the slope of the probability. The loss's slope divides it by -p.",
        ),
        Mistake(
            "sigmoid-slope-not-averaged",
            0.8 * 0.2,
            "p(1 - p) is the slope of the probability. The loss's slope divides it by -p, and "
            "the mean over four rows divides again.",
        ),
        Mistake(
            "sigmoid-slope-downwards",
            -0.8 * 0.2 / 4,
            "A factor p has stayed in: -p(1 - p) still has to be divided by p, for the slope "
            "of the logarithm is 1/p.",
        ),
        Mistake(
            "sigmoid-slope-downwards-not-averaged",
            -0.8 * 0.2,
            "A factor p has stayed in, for the slope of the logarithm is 1/p. And the mean "
            "over four rows divides.",
        ),
        Mistake(
            "label-alone",
            -1 / 4,
            "That is what the label alone gives. The probability at the label is added to it "
            "before the mean.",
        ),
        Mistake(
            "by-the-probability",
            -1 / 0.8,
            "That is the slope by the probability, not by the logit. Carry it on through "
            "softmax, then average.",
        ),
        Mistake(
            "by-the-probability-averaged",
            -1 / 0.8 / 4,
            "That is the slope by the probability, averaged. Carry it on through softmax to "
            "the logit.",
        ),
        Mistake("loss", -np.log(0.8), "That is the loss of one example, not its slope."),
        Mistake(
            "logarithm", np.log(0.8), "That is the logarithm of the probability, not a slope."
        ),
        Mistake(
            "averaged-twice-and-sign",
            0.2 / 16,
            "The slope is negative, and the mean over four rows divides once.",
        ),
        Mistake("loss-averaged", -np.log(0.8) / 4, "That is a quarter of a loss, not a slope."),
        Mistake(
            "averaged-twice",
            -0.2 / 16,
            "You divide by 16. The mean over four rows divides once.",
        ),
        Mistake(
            "two",
            -0.1,
            "That is half of p - 1. The mean runs over the four examples of the batch.",
        ),
    ),
)


def _check_that_sees_zeros():
    z, w = flat(0.3, -1.2, 0.8), flat(0.2, -0.7, 1.1)
    functionals = {
        "a": lambda z: companion.softmax(z).sum(),
        "b": lambda z: companion.softmax(z) @ w,
        "c": lambda z: companion.softmax(z + z[0]).sum(),
    }
    seen = [
        letter
        for letter, f in functionals.items()
        if np.abs(companion.numerical_gradient(f, z)).max() > 1e-6
    ]
    (letter,) = seen
    return letter


check_that_can_fail = ChoiceExercise(
    topic=TOPIC,
    minutes=4,
    trains="a test that a wrong gradient cannot pass",
    name="check_that_can_fail",
    stub='check_that_can_fail = ...  # "a", "b" or "c"',
    answer='check_that_can_fail = "b"',
    why="A sum of softmax is always 1, so its gradient is 0 and so is any wrong one that "
    "returns zeros. Unequal fixed weights make every slope count.",
    reference=_check_that_sees_zeros,
    options={
        "a": "The sum of softmax(z).",
        "b": "The product of softmax(z) with fixed random weights.",
        "c": "The sum of softmax(z + z[0]).",
    },
    hints=(
        "A gradient of zeros fails a check only where the right one is not 0.",
        "What is the sum of a softmax, whatever z is?",
        "Only unequal weights keep the sum from being constant.",
    ),
    also_right=("B", "(b)"),
    mistakes=(
        Mistake(
            "a", "a", "That sum is 1 for every z: the right gradient is 0, and zeros pass."
        ),
        Mistake(
            "c", "c", "A common shift changes nothing, and the sum is 1 again: zeros pass."
        ),
    ),
)
