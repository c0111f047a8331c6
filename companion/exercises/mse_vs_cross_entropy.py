"""Exercises of the chapter *MSE versus cross-entropy*."""

import itertools

import numpy as np

import companion
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)

LIBRARY = (
    "softmax_squared_error",
    "softmax_squared_error_grad",
    "softmax_jvp",
    "softmax_jacobian",
    "numerical_gradient",
    "brier_score_loss",
    "mse_loss",
    "jacrev",
    "grad",
)


def array(*rows):
    return np.array(rows, dtype=float)


def flat(*values):
    return np.array(values, dtype=float)


# squared_error_grad: a batch.


def _with_matrices(logits, targets):
    slopes = []
    for z, t in zip(logits, targets, strict=True):
        p = companion.softmax(z)
        slopes.append((np.diag(p) - np.outer(p, p)) @ (2 * (p - t)))
    return np.array(slopes)


def _in_two_terms(logits, targets):
    p = companion.softmax(logits)
    weighted = 2 * p * (p - targets)
    return weighted - p * np.einsum("nk->n", weighted)[:, np.newaxis]


def _error(logits, targets):
    return companion.softmax(logits) - targets


def _naive_grad(logits, targets):
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    v = 2 * (p - targets)
    return p * (v - (p * v).sum(axis=-1, keepdims=True))


squared_error_grad = FunctionExercise(
    name="squared_error_grad",
    stub='''
def squared_error_grad(logits, targets):
    """Gradient of ((softmax(logits) - targets)**2).sum(), by the logits (N, K)."""
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
        (array([1, 2, 3], [0, -1, 1]), array([0, 0, 1], [0.2, 0.5, 0.3])),
        (array([0, 1, 2, -1], [2, 1, 0, 0]), array([0, 1, 0, 0], [0, 0, 0, 1])),
        (array([1000, 1001, 1000]), array([1, 0, 0])),
    ),
    fresh=lambda rng: (rng.normal(size=(2, 4)), rng.dirichlet(np.ones(4), size=2)),
    shortcuts=LIBRARY,
    also_right=(_with_matrices, _in_two_terms),
    mistakes=(
        Mistake(
            "no-jacobian",
            lambda z, t: 2 * _error(z, t),
            "This is the slope by the probabilities. It still has to go through softmax.",
        ),
        Mistake(
            "cross-entropy",
            _error,
            "p - t is the gradient of cross-entropy, where the logarithm undoes the Jacobian. "
            "Here nothing does.",
        ),
        Mistake(
            "no-two",
            lambda z, t: companion.softmax_jvp(z, _error(z, t)),
            "The factor 2 of the square is missing.",
        ),
        Mistake(
            "diagonal-only",
            lambda z, t: 2 * _error(z, t) * companion.softmax(z) * (1 - companion.softmax(z)),
            "You used p(1 - p), the diagonal of the Jacobian, as for a sigmoid. Each logit "
            "also "
            "moves the other probabilities.",
        ),
        Mistake(
            "no-mean",
            lambda z, t: 2 * _error(z, t) * companion.softmax(z),
            "Half of the Jacobian is missing: your rows do not sum to 0. Take off the mean "
            "under p.",
        ),
        Mistake(
            "sign",
            lambda z, t: -companion.softmax_squared_error_grad(z, t),
            "All signs are turned round: this is the direction in which the loss falls.",
        ),
        Mistake(
            "mean-over-classes",
            lambda z, t: companion.softmax_squared_error_grad(z, t) / z.shape[-1],
            "You averaged over the classes, as some frameworks do. The loss here is a sum.",
        ),
        Mistake(
            "mean-over-batch",
            lambda z, t: companion.softmax_squared_error_grad(z, t) / len(z),
            "You divided by the number of rows. The loss here is a sum, not a mean.",
        ),
        Mistake(
            "overflow",
            _naive_grad,
            "Right for small logits, but exp(1000) is inf. Subtract the maximum before exp.",
        ),
    ),
)


# loudest: one number.


def _loudest():
    p = np.linspace(0, 1, 3001)
    return p[(p * (1 - p) ** 2).argmax()]


loudest = NumberExercise(
    name="loudest",
    stub="loudest = ...",
    answer="loudest = 1 / 3",
    why="With two classes the slope is ∓4 p (1 - p)². Its derivative is zero where "
    "(1 - p)² = 2p(1 - p), at p = 1/3.",
    reference=_loudest,
    hints=(
        "Write the squared error with p, the probability of the true class, alone.",
        "It is 2(1 - p)², and dp/dz = p(1 - p). Multiply, and look for the largest size.",
        "p(1 - p)² is largest where 1 - p = 2p.",
    ),
    also_right=(1 / 3, np.float64(1) / 3, 0.33333333333),
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
            "That is the margin of the wrong logit at this point. The probability is asked "
            "for.",
        ),
        Mistake(
            "one-factor-of-p",
            0.25,
            "This is where p(1 - p)³ is largest: one factor of 1 - p too many.",
        ),
    ),
)


# midpoint_gap: a function is an argument.


def _gap(f, a, b):
    return f((a + b) / 2) - (f(a) + f(b)) / 2


def _gap_by_weights(f, a, b):
    return f(a + 0.5 * (b - a)) - np.mean([f(a), f(b)])


def _gap_in_a_sum(f, a, b):
    return float(np.dot([1.0, -0.5, -0.5], [f(0.5 * a + 0.5 * b), f(a), f(b)]))


def _second_class(z):
    return float(companion.softmax_squared_error(z, [0, 1]))


def _entropy_of_second(z):
    return float(companion.softmax_cross_entropy(z, [0, 1]))


def _square(x):
    return float((x**2).sum())


midpoint_gap = FunctionExercise(
    name="midpoint_gap",
    stub='''
def midpoint_gap(f, a, b):
    """How far f at the middle of a and b lies above the mean of f(a) and f(b)."""
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
        (_square, flat(0, 0), flat(2, 4)),
        (_second_class, flat(0, 0), flat(8, 0)),
        (_entropy_of_second, flat(0, 1), flat(8, 0)),
        (_square, flat(1, -1), flat(3, 3)),
    ),
    fresh=lambda rng: (_square, rng.normal(size=3), rng.normal(size=3)),
    shortcuts=LIBRARY,
    also_right=(_gap_by_weights, _gap_in_a_sum),
    mistakes=(
        Mistake(
            "sign",
            lambda f, a, b: -_gap(f, a, b),
            "The signs are turned round: a positive gap shall mean that the middle is too "
            "high.",
        ),
        Mistake(
            "sum-of-ends",
            lambda f, a, b: f((a + b) / 2) - (f(a) + f(b)),
            "You took off the sum of the two ends. Their mean is wanted.",
        ),
        Mistake(
            "precedence",
            lambda f, a, b: f(a + b / 2) - (f(a) + f(b)) / 2,
            "Division binds before addition: a + b / 2 is not the middle. Use brackets.",
        ),
        Mistake(
            "precedence-of-values",
            lambda f, a, b: f((a + b) / 2) - f(a) + f(b) / 2,
            "The mean of the ends needs brackets, both times.",
        ),
        Mistake(
            "half-the-difference",
            lambda f, a, b: f((b - a) / 2) - (f(a) + f(b)) / 2,
            "(b - a) / 2 is half the way, not the middle. Add a to it.",
        ),
        Mistake(
            "half-of-everything",
            lambda f, a, b: _gap(f, a, b) / 2,
            "You halved once too often: only the two ends are averaged.",
        ),
        Mistake(
            "only-one-end",
            lambda f, a, b: f((a + b) / 2) - f(a),
            "You compare the middle with one end. The mean of both ends is wanted.",
        ),
    ),
)


# expected_brier: two distributions.


def _expected_brier(truth, report):
    return float(1 - (truth**2).sum() + ((report - truth) ** 2).sum())


def _expected_brier_by_labels(truth, report):
    total = 0.0
    for y in range(len(truth)):
        target = np.zeros(len(truth))
        target[y] = 1
        total += truth[y] * ((report - target) ** 2).sum()
    return total


def _expected_brier_expanded(truth, report):
    return float((report**2).sum() - 2 * truth @ report + 1)


expected_brier = FunctionExercise(
    name="expected_brier",
    stub='''
def expected_brier(truth, report):
    """Mean of ((report - onehot(y))**2).sum() over labels y drawn from truth (K,)."""
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
        (flat(0.1, 0.2, 0.3, 0.4), flat(0.7, 0.1, 0.2, 0)),
    ),
    fresh=lambda rng: tuple(rng.dirichlet(np.ones(4), size=2)),
    shortcuts=LIBRARY,
    also_right=(_expected_brier_by_labels, _expected_brier_expanded),
    mistakes=(
        Mistake(
            "distance-only",
            lambda truth, report: ((report - truth) ** 2).sum(),
            "This is the distance from the truth. Labels are corners, not the truth itself: "
            "their scatter costs something, even for a perfect report.",
        ),
        Mistake(
            "swapped",
            lambda truth, report: _expected_brier(report, truth),
            "Truth and report are swapped: the labels are drawn from the truth.",
        ),
        Mistake(
            "not-weighted",
            lambda truth, report: np.mean(
                [((report - e) ** 2).sum() for e in np.eye(len(truth))]
            ),
            "You averaged over the labels with equal weights. Rare labels count less.",
        ),
        Mistake(
            "mean-over-classes",
            lambda truth, report: _expected_brier(truth, report) / len(truth),
            "You averaged the squares over the classes. The score here is their sum.",
        ),
        Mistake(
            "log-score",
            lambda truth, report: -truth @ np.log(report),
            "This is the logarithmic score. The squared one is asked for.",
        ),
        Mistake(
            "likeliest-label",
            lambda truth, report: ((report - np.eye(len(truth))[truth.argmax()]) ** 2).sum(),
            "You scored the likeliest label only. The other labels come too, sometimes.",
        ),
        Mistake(
            "true-entry-only",
            lambda truth, report: truth @ (1 - report) ** 2,
            "You squared the miss at the label only. The wrong classes' entries count as well.",
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


def _ece(probs, labels, bins=BINS):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return sum(
        abs((hit[which == b] - confidence[which == b]).sum()) for b in range(bins)
    ) / len(labels)


def _ece_by_masks(probs, labels):
    confidence = np.max(probs, axis=1)
    hit = (np.argmax(probs, axis=1) == labels).astype(float)
    total = 0.0
    edges = np.linspace(0, 1, BINS + 1)
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return total


def _ece_by_counts(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum(np.floor(confidence * BINS), BINS - 1).astype(int)
    gap = np.bincount(which, weights=hit - confidence, minlength=BINS)
    return np.abs(gap).sum() / len(labels)


def _bins_without_weights(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return np.mean(
        [abs(hit[which == b].mean() - confidence[which == b].mean()) for b in np.unique(which)]
    )


def _of_label(probs, labels):
    given = probs[np.arange(len(labels)), labels]
    hit = probs.argmax(axis=-1) == labels
    which = np.minimum((given * BINS).astype(int), BINS - 1)
    return sum(abs((hit[which == b] - given[which == b]).sum()) for b in range(BINS)) / len(
        labels
    )


def _two_classes(*rows):
    """Rows of (confidence in class 0, label): probabilities and labels."""
    confidence, labels = np.array(rows).T
    return np.stack([confidence, 1 - confidence], axis=-1), labels.astype(int)


def _random_answers(rng):
    # Away from the edges of the bins, where two conventions differ.
    confidence = rng.choice([0.53, 0.57, 0.65, 0.71, 0.86, 0.93], size=30)
    return _two_classes(*zip(confidence, rng.integers(2, size=30), strict=True))


calibration_error = FunctionExercise(
    name="calibration_error",
    stub='''
def calibration_error(probs, labels):
    """Expected calibration error of probs (N, K) in five bins of confidence."""
    ...
''',
    answer="""
def calibration_error(probs, labels):
    confidence, hit = probs.max(axis=-1), probs.argmax(axis=-1) == labels
    which = np.minimum((5 * confidence).astype(int), 4)
    gaps = [abs((hit[which == b] - confidence[which == b]).sum()) for b in range(5)]
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
        _two_classes((0.9, 0), (0.9, 0), (0.9, 1), (0.55, 0)),
        _two_classes((0.9, 0), (0.7, 1), (0.7, 1), (0.55, 0), (0.53, 1), (0.86, 0)),
        _two_classes((0.9, 1), (0.3, 1), (0.1, 1), (0.7, 0), (0.71, 0)),
        _two_classes((0.86, 1), (0.97, 0), (0.96, 0), (0.65, 0)),
        (
            array([0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.3, 0.35, 0.35]),
            np.array([1, 2, 0]),
        ),
    ),
    fresh=_random_answers,
    shortcuts=("calibration_curve", "calibration_error"),
    also_right=(_ece_by_masks, _ece_by_counts),
    mistakes=(
        Mistake(
            "one-bin",
            lambda probs, labels: _ece(probs, labels, bins=1),
            "This is the gap of all answers together. Too sure here and too unsure there "
            "cancel.",
        ),
        Mistake(
            "not-weighted",
            _bins_without_weights,
            "All bins weigh the same in your mean. Weigh each by its number of answers.",
        ),
        Mistake(
            "signed",
            lambda probs, labels: float(
                ((probs.argmax(axis=-1) == labels) - probs.max(axis=-1)).mean()
            ),
            "Gaps of opposite sign cancel. Take the size of the gap in each bin.",
        ),
        Mistake(
            "no-bins",
            lambda probs, labels: np.abs(
                (probs.argmax(axis=-1) == labels) - probs.max(axis=-1)
            ).mean(),
            "You take the gap of each answer by itself. One answer is right or wrong, never "
            "0.8 right: average within a bin first.",
        ),
        Mistake(
            "of-the-label",
            _of_label,
            "You binned the probability of the true label. Confidence is that of the answer "
            "given, the largest one.",
        ),
        Mistake(
            "not-divided",
            lambda probs, labels: _ece(probs, labels) * len(labels),
            "The sum over the bins is still to be divided by the number of answers.",
        ),
        Mistake(
            "ten-bins",
            lambda probs, labels: _ece(probs, labels, bins=10),
            "These are ten bins. Five are asked for.",
        ),
        Mistake(
            "error-rate",
            lambda probs, labels: (probs.argmax(axis=-1) != labels).mean(),
            "This is the share of wrong answers. A wrong answer may be an honest one.",
        ),
    ),
)
