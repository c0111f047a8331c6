"""Exercises of the chapter *Derivatives*."""

import numpy as np

import companion
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)

LIBRARY = (
    "softmax_jacobian",
    "softmax_jvp",
    "softmax_cross_entropy_grad",
    "softmax_cross_entropy_with_labels_grad",
    "numerical_gradient",
    "jacobian",
    "jacrev",
    "grad",
)


def array(*rows):
    return np.array(rows, dtype=float)


def flat(*values):
    return np.array(values, dtype=float)


def _one_hot(labels, num_classes):
    return np.eye(num_classes)[labels]


# softmax_jacobian of one row.


def _jacobian_by_cases(z):
    p = companion.softmax(z)
    J = np.empty((len(z), len(z)))
    for i in range(len(z)):
        for j in range(len(z)):
            J[i, j] = p[i] * (1 - p[i]) if i == j else -p[i] * p[j]
    return J


def _jacobian_as_covariance(z):
    p = companion.softmax(z)
    deviations = np.eye(len(z)) - p
    return (p[:, np.newaxis] * deviations).T @ deviations


def _outer(z):
    p = companion.softmax(z)
    return np.outer(p, p)


def _diagonal(z):
    return np.diag(companion.softmax(z))


softmax_jacobian = FunctionExercise(
    name="softmax_jacobian",
    stub='''
def softmax_jacobian(z):
    """The K x K matrix of slopes d softmax(z)[i] / d z[j] for one row of logits z."""
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
    probes=(
        (flat(0, 0),),
        (flat(1, 2, 3),),
        (flat(0.5, -1, 0, 2),),
        (flat(1000, 1001, 999),),
    ),
    fresh=lambda rng: (2 * rng.normal(size=4),),
    shortcuts=LIBRARY,
    also_right=(_jacobian_by_cases, _jacobian_as_covariance),
    mistakes=(
        Mistake(
            "diagonal-only",
            lambda z: np.diag(companion.softmax(z) * (1 - companion.softmax(z))),
            "Only the diagonal is filled. A logit that rises also takes probability away from "
            "every other class.",
        ),
        Mistake(
            "vector",
            lambda z: companion.softmax(z) * (1 - companion.softmax(z)),
            "This is the slope of a sigmoid, one number per class. Each probability depends "
            "on each logit: K x K slopes.",
        ),
        Mistake(
            "outer-only",
            lambda z: -_outer(z),
            "The case i = j has one more term than the others. Your rows should sum to 0.",
        ),
        Mistake(
            "sign",
            lambda z: _outer(z) - _diagonal(z),
            "All signs are turned round: a logit that rises must raise its own probability.",
        ),
        Mistake(
            "plus",
            lambda z: _diagonal(z) + _outer(z),
            "Off the diagonal the slopes must be negative: what one class gains, others lose.",
        ),
        Mistake(
            "diagonal-of-p",
            _diagonal,
            "The outer product is missing: this is the matrix if the classes did not share "
            "one sum.",
        ),
        Mistake(
            "log-softmax",
            lambda z: np.eye(len(z)) - companion.softmax(z),
            "This is the Jacobian of log-softmax. Each row is still to be multiplied by its "
            "probability.",
        ),
        Mistake(
            "logits-for-probs",
            lambda z: np.diag(z) - np.outer(z, z),
            "The formula is right, but it holds the logits. Turn them into probabilities "
            "first.",
        ),
        Mistake(
            "overflow",
            lambda z: (
                np.diag(np.exp(z) / np.exp(z).sum())
                - np.outer(np.exp(z) / np.exp(z).sum(), np.exp(z) / np.exp(z).sum())
            ),
            "Right for small logits, but exp(1000) is inf. Subtract the maximum before exp.",
        ),
        Mistake(
            "cross-entropy",
            lambda z: companion.softmax(z) - np.eye(len(z)),
            "These are the gradients of cross-entropy, one row for each label. The slopes of "
            "the probabilities themselves are asked for.",
        ),
    ),
)


# softmax_vjp: a batch.


def _vjp_with_matrices(z, v):
    return np.array([_jacobian_by_cases(row) @ w for row, w in zip(z, v, strict=True)])


def _vjp_in_two_terms(z, v):
    p = companion.softmax(z)
    weighted = p * v
    return weighted - p * np.einsum("nk->n", weighted)[:, np.newaxis]


def _probs_and_mean(z, v):
    p = companion.softmax(z)
    return p, (p * v).sum(axis=-1, keepdims=True)


softmax_vjp = FunctionExercise(
    name="softmax_vjp",
    stub='''
def softmax_vjp(z, v):
    """J @ v for each row of logits z (N, K) and its vector v (N, K), without J."""
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
        (array([1, 2, 3], [0, -1, 1]), array([1, 0, -2], [3, 1, 1])),
        (array([0, 1, 2], [2, 1, 0], [0, 0, 1]), array([1, 2, 3], [0, 1, 0], [5, -1, 2])),
        (array([1000, 1001]), array([1, 2])),
    ),
    fresh=lambda rng: (rng.normal(size=(2, 4)), rng.normal(size=(2, 4))),
    shortcuts=LIBRARY,
    also_right=(_vjp_with_matrices, _vjp_in_two_terms),
    mistakes=(
        Mistake(
            "elementwise",
            lambda z, v: companion.softmax(z) * v,
            "This is diag(p) v. The part with the outer product is missing, so your rows do "
            "not sum to 0.",
        ),
        Mistake(
            "sigmoid-slope",
            lambda z, v: companion.softmax(z) * (1 - companion.softmax(z)) * v,
            "This uses the diagonal of J only, as for a sigmoid. Each class also feels the "
            "other entries of v.",
        ),
        Mistake(
            "plain-mean",
            lambda z, v: companion.softmax(z) * (v - v.mean(axis=-1, keepdims=True)),
            "You take off the plain mean of v. The mean under p is wanted.",
        ),
        Mistake(
            "plain-sum",
            lambda z, v: companion.softmax(z) * (v - v.sum(axis=-1, keepdims=True)),
            "You take off the sum of v. Its entries are still to be weighted by p.",
        ),
        Mistake(
            "no-factor",
            lambda z, v: v - _probs_and_mean(z, v)[1],
            "The factor p in front is missing: that is the product with the Jacobian of "
            "log-softmax, transposed.",
        ),
        Mistake(
            "sign",
            lambda z, v: -companion.softmax_jvp(z, v),
            "All signs are turned round. diag(p) comes with a plus.",
        ),
        Mistake(
            "mean-added",
            lambda z, v: companion.softmax(z) * (v + _probs_and_mean(z, v)[1]),
            "You add the mean under p. It stands in J with a minus.",
        ),
        Mistake(
            "one-mean",
            lambda z, v: companion.softmax(z) * (v - (companion.softmax(z) * v).sum()),
            "One mean serves the whole batch. Each row has its own: give the sum an axis.",
        ),
        Mistake(
            "no-keepdims",
            lambda z, v: companion.softmax(z) * (v - (companion.softmax(z) * v).sum(axis=-1)),
            "The means of the rows are laid along the columns. Keep the summed axis with "
            "length 1.",
        ),
        Mistake(
            "over-the-batch",
            lambda z, v: companion.softmax_jvp(z.T, v.T).T,
            "You normalise over the batch. The classes lie on the last axis.",
        ),
        Mistake(
            "factor-one-minus-p",
            lambda z, v: (
                (1 - companion.softmax(z))
                * companion.softmax(z)
                * (v - _probs_and_mean(z, v)[1])
            ),
            "The factor 1 - p is one too many: the mean under p already contains it.",
        ),
    ),
)


# cross_entropy_grad: the mean over a batch.


def _ce_grad(logits, labels):
    return companion.softmax_cross_entropy_with_labels_grad(logits, labels) / len(labels)


def _ce_grad_in_place(logits, labels):
    grad = companion.softmax(logits)
    grad[np.arange(len(labels)), labels] -= 1
    return grad / len(labels)


def _ce_grad_one_hot(logits, labels):
    return (companion.softmax(logits) - _one_hot(labels, logits.shape[1])) / len(labels)


cross_entropy_grad = FunctionExercise(
    name="cross_entropy_grad",
    stub='''
def cross_entropy_grad(logits, labels):
    """Gradient of the mean cross-entropy by the logits (N, K), for integer labels (N,)."""
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
    probes=(
        (array([0, 0]), np.array([1])),
        (array([1, 2, 3], [0, -1, 1]), np.array([2, 0])),
        (array([0, 1, 2], [2, 1, 0], [0, 0, 1]), np.array([0, 1, 2])),
        (array([1, 0], [0, 2], [3, 3], [1, -1]), np.array([1, 1, 0, 0])),
        (array([1000, 1001], [0, 0]), np.array([0, 1])),
    ),
    fresh=lambda rng: (rng.normal(size=(4, 3)), rng.integers(3, size=4)),
    shortcuts=LIBRARY,
    also_right=(_ce_grad_in_place, _ce_grad_one_hot),
    mistakes=(
        Mistake(
            "not-averaged",
            companion.softmax_cross_entropy_with_labels_grad,
            "This is the gradient of the sum of the losses. The mean divides by the number of "
            "rows.",
        ),
        Mistake(
            "sign",
            lambda z, y: -_ce_grad(z, y),
            "The sign is turned round: following it downhill would lower the true class's "
            "probability.",
        ),
        Mistake(
            "probs-only",
            lambda z, y: companion.softmax(z) / len(y),
            "The labels have no effect. The true class's entry must be negative.",
        ),
        Mistake(
            "targets-only",
            lambda z, y: -_one_hot(y, z.shape[1]) / len(y),
            "Only the labels appear. The wrong classes have a slope too: their probability.",
        ),
        Mistake(
            "by-the-probabilities",
            lambda z, y: -_one_hot(y, z.shape[1]) / companion.softmax(z) / len(y),
            "This is the gradient by the probabilities. Carry it through the Jacobian of "
            "softmax to the logits.",
        ),
        Mistake(
            "diagonal-jacobian",
            lambda z, y: companion.softmax(z) * (1 - companion.softmax(z)) * _ce_grad(z, y),
            "A factor p(1 - p) has crept in, as for squared error on a sigmoid. It cancels "
            "against the logarithm's 1/p.",
        ),
        Mistake(
            "divided-by-classes",
            lambda z, y: companion.softmax_cross_entropy_with_labels_grad(z, y) / z.shape[1],
            "You divide by the number of classes. The mean runs over the rows.",
        ),
        Mistake(
            "divided-by-both",
            lambda z, y: _ce_grad(z, y) / z.shape[1],
            "You divide by rows times classes, as .mean() of the whole array does. There is "
            "one loss per row.",
        ),
        Mistake(
            "off-by-one",
            lambda z, y: _ce_grad(z, (y - 1) % z.shape[1]),
            "The 1 is taken from the class before the label. Labels count from 0, as Python "
            "does.",
        ),
        Mistake(
            "over-the-batch",
            lambda z, y: (companion.softmax(z, axis=0) - _one_hot(y, z.shape[1])) / len(y),
            "You normalise over the batch. The classes of a row compete, the rows do not.",
        ),
        Mistake(
            "transposed",
            lambda z, y: _ce_grad(z, y).T,
            "Rows and columns are exchanged. A gradient has the shape of what it is taken by.",
        ),
        Mistake(
            "every-label",
            lambda z, y: (companion.softmax(z) - np.isin(np.arange(z.shape[1]), y)) / len(y),
            "probs[:, labels] -= 1 takes 1 from every label's column in every row. Pair each "
            "row with its own label.",
        ),
    ),
)


# weights_grad: back through the linear layer.


def _weights_grad(features, logits, labels):
    return features.T @ _ce_grad(logits, labels)


def _weights_grad_loop(features, logits, labels):
    rows = zip(features, companion.softmax(logits), labels, strict=True)
    total = sum(np.outer(x, p - _one_hot(y, logits.shape[1])) for x, p, y in rows)
    return total / len(labels)


def _weights_grad_einsum(features, logits, labels):
    errors = companion.softmax(logits) - _one_hot(labels, logits.shape[1])
    return np.einsum("nd,nk->dk", features, errors) / len(labels)


weights_grad = FunctionExercise(
    name="weights_grad",
    stub='''
def weights_grad(features, logits, labels):
    """Gradient of the mean cross-entropy by the weights (D, K); logits = features @ weights."""
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
        (
            array([1, 0], [2, 1], [0, 3]),
            array([1, 2, 3], [0, 0, 1], [2, 1, 0]),
            np.array([2, 0, 1]),
        ),
        (
            array([1, 2], [3, -1], [0, 1], [2, 2]),
            array([0, 1], [2, 0], [1, 1], [0, 3]),
            np.array([0, 0, 1, 1]),
        ),
    ),
    fresh=lambda rng: (
        rng.normal(size=(4, 5)),
        rng.normal(size=(4, 3)),
        rng.integers(3, size=4),
    ),
    shortcuts=LIBRARY,
    also_right=(_weights_grad_loop, _weights_grad_einsum),
    mistakes=(
        Mistake(
            "not-averaged",
            lambda x, z, y: _weights_grad(x, z, y) * len(y),
            "This is the gradient of the sum of the losses. The mean divides by the number of "
            "rows.",
        ),
        Mistake(
            "sign",
            lambda x, z, y: -_weights_grad(x, z, y),
            "The sign is turned round: P - Y, not Y - P.",
        ),
        Mistake(
            "transposed",
            lambda x, z, y: _weights_grad(x, z, y).T,
            "The shape is (K, D). A gradient has the shape of what it is taken by: (D, K).",
        ),
        Mistake(
            "divided-by-features",
            lambda x, z, y: _weights_grad(x, z, y) * len(y) / x.shape[1],
            "You divide by the number of features. The mean runs over the rows.",
        ),
        Mistake(
            "divided-by-classes",
            lambda x, z, y: _weights_grad(x, z, y) * len(y) / z.shape[1],
            "You divide by the number of classes. The mean runs over the rows.",
        ),
        Mistake(
            "labels-missing",
            lambda x, z, y: x.T @ companion.softmax(z) / len(y),
            "The labels have no effect: subtract the targets from the probabilities.",
        ),
        Mistake(
            "probs-missing",
            lambda x, z, y: -x.T @ _one_hot(y, z.shape[1]) / len(y),
            "Only the labels appear. Subtract them from the probabilities.",
        ),
        Mistake(
            "logits-for-probs",
            lambda x, z, y: x.T @ (z - _one_hot(y, z.shape[1])) / len(y),
            "You subtract the targets from the logits. Turn the logits into probabilities "
            "first.",
        ),
        Mistake(
            "features-missing",
            lambda x, z, y: np.tile(_ce_grad(z, y).sum(axis=0), (x.shape[1], 1)),
            "Every feature gets the same slope, that of the bias. Weigh each row by its "
            "features.",
        ),
        Mistake(
            "averaged-twice",
            lambda x, z, y: _weights_grad(x, z, y) / len(y),
            "You divide by the number of rows twice.",
        ),
        Mistake(
            "averaged-features",
            lambda x, z, y: np.outer(x.mean(axis=0), _ce_grad(z, y).sum(axis=0)),
            "You average features and slopes apart, and multiply then. Each row's features "
            "belong to that row's slopes.",
        ),
    ),
)


# largest_difference: find the bugs in a gradient check.


def _difference(f, gradient, z):
    return np.abs(gradient(z) - companion.numerical_gradient(f, z)).max()


def _difference_with(numeric, reduce=lambda errors: np.abs(errors).max()):
    return lambda f, gradient, z: reduce(gradient(z) - numeric(f, z))


def _each(f, z, above, below):
    units = np.eye(len(z))
    return np.array([(f(z + above * e) - f(z - below * e)) / (above + below) for e in units])


def _central(f, z):
    return _each(f, z, 1e-5, 1e-5)


def _richardson(f, gradient, z):
    coarse, fine = _each(f, z, 2e-4, 2e-4), _each(f, z, 1e-4, 1e-4)
    return float(np.abs(gradient(z) - (4 * fine - coarse) / 3).max())


def loss_of_class_0(z):
    return companion.logsumexp(z) - z[0]


def right_gradient(z):
    return companion.softmax(z) - np.eye(len(z))[0]


def zero_gradient(z):
    return np.zeros(len(z))


def sign_error(z):
    return -right_gradient(z)


def cube_sum(z):
    return float((100 * z**3).sum())


def cube_gradient(z):
    return 300 * z**2


largest_difference = FunctionExercise(
    name="largest_difference",
    stub='''
def largest_difference(f, gradient, z):
    """Largest absolute difference of gradient(z) from central differences of f at z."""
    h = 1e-12
    numeric = np.array([(f(z + h) - f(z - h)) / (2 * h) for k in range(len(z))])
    return np.abs(gradient(z) - numeric).max()
''',
    answer="""
def largest_difference(f, gradient, z):
    h = 1e-5
    steps = h * np.eye(len(z))
    numeric = np.array([(f(z + step) - f(z - step)) / (2 * h) for step in steps])
    return np.abs(gradient(z) - numeric).max()
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
        (loss_of_class_0, right_gradient, flat(0.5, -1, 2)),
        (loss_of_class_0, zero_gradient, flat(0.5, -1, 2)),
        (loss_of_class_0, sign_error, flat(1, 0)),
        (cube_sum, cube_gradient, flat(1, -2)),
        (cube_sum, zero_gradient, flat(1, 2)),
    ),
    fresh=lambda rng: (loss_of_class_0, sign_error, rng.normal(size=4)),
    shortcuts=("numerical_gradient", "approx_fprime", "check_grad", "gradcheck"),
    # Differences of 1e-6 are what central differences of these functions cannot resolve.
    rtol=1e-5,
    atol=1e-6,
    also_right=(_difference_with(_central), _richardson),
    mistakes=(
        Mistake(
            "all-at-once",
            _difference_with(
                lambda f, z: np.full(len(z), (f(z + 1e-5) - f(z - 1e-5)) / 2e-5),
            ),
            "The step is good now, but it moves all entries at once. Softmax does not see a "
            "common shift, so zeros pass. Move one entry at a time.",
        ),
        Mistake(
            "step-too-small",
            _difference_with(lambda f, z: _each(f, z, 1e-12, 1e-12)),
            "Each entry moves alone now, but with a step of 1e-12 rounding leaves four digits "
            "of the difference. Take a larger step.",
        ),
        Mistake(
            "step-too-large",
            _difference_with(lambda f, z: _each(f, z, 0.1, 0.1)),
            "With a step of 0.1 the curve bends away between the two points. Take a smaller "
            "step.",
        ),
        Mistake(
            "one-sided",
            _difference_with(lambda f, z: _each(f, z, 1e-5, 0)),
            "These are one-sided differences: their error is proportional to the step, not "
            "to its square. Step to both sides.",
        ),
        Mistake(
            "half-the-distance",
            _difference_with(lambda f, z: 2 * _central(f, z)),
            "The two points lie 2h apart, so the difference is divided by 2h.",
        ),
        Mistake(
            "smallest",
            _difference_with(_central, lambda errors: np.abs(errors).min()),
            "You report the smallest difference. One right entry then hides all wrong ones.",
        ),
        Mistake(
            "with-sign",
            _difference_with(_central, np.max),
            "You report the largest difference with its sign, so errors below 0 pass. Take "
            "absolute values.",
        ),
        Mistake(
            "mean",
            _difference_with(_central, lambda errors: np.abs(errors).mean()),
            "You report the mean difference. In a long gradient one wrong entry drowns in it.",
        ),
    ),
)


def _slope_at_label():
    logits = np.zeros((4, 2))
    logits[:, 0] = np.log(4)  # p = 4 / 5
    return _ce_grad(logits, np.zeros(4, dtype=int))[0, 0]


slope_at_label = NumberExercise(
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
    also_right=(-0.05, np.float64(-1 / 20), -0.2 / 4),
    mistakes=(
        Mistake(
            "not-averaged", -0.2, "That is p - 1 for one example. The loss is the mean of 4."
        ),
        Mistake("sign", 0.05, "Raising the true logit lowers the loss: the slope is negative."),
        Mistake("both", 0.2, "The slope is negative, and the mean over four rows divides it."),
        Mistake(
            "probability",
            0.8,
            "That is the probability. The label takes 1 off, the mean divides.",
        ),
        Mistake(
            "sigmoid-slope",
            0.8 * 0.2 / 4,
            "p(1 - p) is the slope of the probability. The loss's slope divides it by -p.",
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
        "A check can fail only if the right gradient is not 0.",
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
