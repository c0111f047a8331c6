"""Exercises of the chapter *Derivation*."""

import numpy as np

import companion
from companion import naive
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)


def array(*rows):
    return np.array(rows[0] if len(rows) == 1 else rows, dtype=float)


# cross_entropy: two distributions in, nats out.


def _by_hand(p, q):
    total = np.zeros(p.shape[:-1])
    for k in range(p.shape[-1]):
        happens = p[..., k] > 0
        with np.errstate(divide="ignore"):
            total += np.where(happens, -p[..., k] * np.log(np.where(happens, q[..., k], 1)), 0)
    return total


def _by_xlogy(p, q):
    from scipy.special import xlogy

    return -xlogy(p, q).sum(axis=-1)


def _kl(p, q):
    return (p * np.log(p / q)).sum(axis=-1)


cross_entropy = FunctionExercise(
    name="cross_entropy",
    stub='''
def cross_entropy(p, q):
    """-sum(p * log(q)) over the last axis, in nats, with 0 * log(0) = 0."""
    ...
''',
    answer="""
def cross_entropy(p, q):
    surprise = -np.log(np.where(p == 0, 1, q))
    return (p * surprise).sum(axis=-1)
""",
    why="Where p is 0, q is replaced by 1, whose logarithm is 0. No 0 * inf arises, and a "
    "possible event that q rules out still costs inf, as it should.",
    reference=companion.cross_entropy,
    hints=(
        "Try p = q = [1, 0]. What is 0 * log(0) in NumPy, and what should it be?",
        "An event that never happens must drop out before the logarithm sees its q.",
        "`np.where(p == 0, 1, q)` puts a harmless number where p is 0. Take -log of it, "
        "weigh by p, and sum over the last axis.",
    ),
    probes=(
        (array(0.5, 0.5), array(0.25, 0.75)),
        (array([0.7, 0.2, 0.1], [0.1, 0.1, 0.8]), array([0.5, 0.3, 0.2], [0.25, 0.25, 0.5])),
        (array([[1, 0, 0]]), array([[1, 0, 0]])),
        (array([[0, 1]]), array([[0.75, 0.25]])),
        (array(0.5, 0.5), array(1, 0)),
    ),
    fresh=lambda rng: (rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(4), 3)),
    shortcuts=(
        "cross_entropy",
        "entropy",
        "kl_divergence",
        "softmax_cross_entropy",
        "log_loss",
    ),
    also_right=(_by_hand, _by_xlogy),
    mistakes=(
        Mistake(
            "zero-times-infinity",
            naive.cross_entropy,
            "Right where all is positive, but 0 * log(0) is nan in NumPy, and it should count "
            "as 0. Keep the logarithm away from events with p = 0.",
        ),
        Mistake(
            "sign",
            lambda p, q: np.sum(p * np.log(q), axis=-1),
            "Your losses are negative. The logarithm of a probability is at most 0, so a "
            "cost needs a minus.",
        ),
        Mistake(
            "swapped",
            lambda p, q: naive.cross_entropy(q, p),
            "You weigh by q and take the logarithm of p. Events happen with p; the belief "
            "that is charged for them is q.",
        ),
        Mistake(
            "entropy",
            lambda p, q: companion.entropy(p),
            "This is the entropy of p: it does not look at q at all. The logarithm must be "
            "that of the belief.",
        ),
        Mistake(
            "kl",
            _kl,
            "This is the KL divergence: the entropy of p is missing. Cross-entropy is the "
            "whole cost, not only what exceeds the best possible.",
        ),
        Mistake(
            "bits",
            lambda p, q: naive.cross_entropy(p, q) / np.log(2),
            "These are bits. The book counts in nats: use the natural logarithm.",
        ),
        Mistake(
            "log10",
            lambda p, q: naive.cross_entropy(p, q) / np.log(10),
            "This is the logarithm to base 10. Nats need base e, which np.log has.",
        ),
        Mistake(
            "mean-over-classes",
            lambda p, q: -np.mean(p * np.log(q), axis=-1),
            "You average over the classes. The weights p do the averaging already, so the "
            "terms are to be added.",
        ),
        Mistake(
            "one-number",
            lambda p, q: -np.sum(p * np.log(q)),
            "You sum over the whole batch. Give one cost per row: say which axis the sum runs "
            "over.",
        ),
        Mistake(
            "wrong-axis",
            lambda p, q: -np.sum(p * np.log(q), axis=0),
            "You sum down the columns. Each row is one pair of distributions, so its classes "
            "lie on the last axis.",
        ),
        Mistake(
            "epsilon",
            lambda p, q: -np.sum(p * np.log(q + 1e-12), axis=-1),
            "Adding a small number inside the logarithm caps the cost of the impossible at "
            "27.6 times p. It must be infinite: leave q as it is where p is positive.",
        ),
        Mistake(
            "clip",
            lambda p, q: -np.sum(p * np.log(np.clip(q, 1e-7, 1)), axis=-1),
            "A clip at 1e-7 caps the cost of the impossible at 16.1 times p. Treat p = 0 "
            "instead of bending q.",
        ),
        Mistake(
            "no-logarithm",
            lambda p, q: 1 - np.sum(p * q, axis=-1),
            "There is no logarithm in your cost. Surprise grows without bound as q goes to 0; "
            "1 - q does not.",
        ),
    ),
)


# negative_log_likelihood: logits and labels in.


def _rows(logits):
    return np.arange(len(logits))


def _nll_of_probs(logits, labels):
    return -np.log(companion.softmax(logits)[_rows(logits), labels])


def _overflowing(logits, labels):
    return naive.logsumexp(logits) - logits[_rows(logits), labels]


def _twice(logits, labels):
    probs = companion.softmax(logits)
    return companion.softmax_cross_entropy_with_labels(probs, labels)


def _loop(logits, labels):
    losses = [np.logaddexp.reduce(row) - row[y] for row, y in zip(logits, labels, strict=True)]
    return np.array(losses)


def _through_one_hot(logits, labels):
    targets = np.eye(logits.shape[1])[labels]
    gaps = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(gaps).sum(axis=1)) - (targets * gaps).sum(axis=1)


negative_log_likelihood = FunctionExercise(
    name="negative_log_likelihood",
    stub='''
def negative_log_likelihood(logits, labels):
    """-log softmax(logits)[label], row by row: logits (N, K), labels (N,)."""
    ...
''',
    answer="""
def negative_log_likelihood(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return log_sum - shifted[np.arange(len(labels)), labels]
""",
    why="The logarithm of a quotient is a difference, so the probability is never formed and "
    "nothing underflows. The next chapter saves the last digits too, with log1p.",
    reference=companion.softmax_cross_entropy_with_labels,
    hints=(
        "Try logits [0, 800] with label 0. The answer is 800; which step of yours cannot "
        "produce it?",
        "Take the logarithm of the formula on paper first: the quotient becomes a difference, "
        "and the exponential of the numerator goes away.",
        "Subtract each row's maximum, take the logarithm of the row sums of the exponentials, "
        "and subtract the shifted logit `[np.arange(N), labels]` from it.",
    ),
    probes=(
        (array([[0, 0]]), np.array([1])),
        (array([2, -1, 0.5], [0, 1, -1]), np.array([0, 2])),
        (array([1, 2, 3], [3, 1, 2], [0.5, 0, -4]), np.array([2, 1, 0])),
        (array([[0, 800]]), np.array([0])),
        (array([[1000, 0, -1000]]), np.array([1])),
        (array([[800, 800]]), np.array([0])),
    ),
    fresh=lambda rng: (5 * rng.normal(size=(4, 3)), rng.integers(3, size=4)),
    shortcuts=(
        "softmax",
        "log_softmax",
        "logsumexp",
        "softmax_cross_entropy",
        "softmax_cross_entropy_with_labels",
        "cross_entropy",
        "nll_loss",
        "log_loss",
    ),
    also_right=(_loop, _through_one_hot),
    mistakes=(
        Mistake(
            "log-of-softmax",
            _nll_of_probs,
            "Right until a probability underflows: at a gap of 800 it is 0, and -log(0) is "
            "inf instead of 800. Take the logarithm on paper before you exponentiate.",
        ),
        Mistake(
            "overflow",
            _overflowing,
            "Right for small logits, but exp(800) is inf. Adding the same number to a whole "
            "row changes nothing, so choose one that keeps exp finite.",
        ),
        Mistake(
            "sign",
            lambda z, y: -companion.softmax_cross_entropy_with_labels(z, y),
            "Your losses are negative: these are the log-probabilities themselves. The loss "
            "is minus the logarithm.",
        ),
        Mistake(
            "softmax-twice",
            _twice,
            "Softmax is applied twice: the probabilities are treated as logits once more. "
            "Pass through it once.",
        ),
        Mistake(
            "probs-for-logits",
            lambda z, y: -np.log(z[_rows(z), y]),
            "You take the logarithm of the logits. They are not probabilities: they may be "
            "negative, and they do not sum to 1.",
        ),
        Mistake(
            "epsilon",
            lambda z, y: -np.log(companion.softmax(z)[_rows(z), y] + 1e-12),
            "The small number inside the logarithm caps the loss at 27.6, just where the "
            "model is most wrong. Avoid forming the probability instead.",
        ),
        Mistake(
            "clip",
            lambda z, y: -np.log(np.clip(companion.softmax(z)[_rows(z), y], 1e-7, 1)),
            "The clip caps the loss at 16.1, just where the model is most wrong. Avoid "
            "forming the probability instead.",
        ),
        Mistake(
            "off-by-one",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, (y - 1) % z.shape[1]),
            "You read the class before the label. Labels count from 0, as Python does, so use "
            "them as they are.",
        ),
        Mistake(
            "best-class",
            lambda z, y: -companion.log_softmax(z).max(axis=1),
            "You charge for the most likely class, whatever the label says. Pick the class "
            "that the label names.",
        ),
        Mistake(
            "mean",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, y).mean(),
            "You return the mean. Give one loss per row; the caller takes the mean where one "
            "is wanted.",
        ),
        Mistake(
            "divided-by-classes",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, y) / z.shape[1],
            "Your losses are too small by the factor K: a mean over the classes of one-hot "
            "terms, perhaps. Those terms are to be added.",
        ),
        Mistake(
            "no-normaliser",
            lambda z, y: -z[_rows(z), y],
            "You return minus the logit of the label. A logit is a log-probability only up to "
            "a constant of its row, and that constant is missing.",
        ),
        Mistake(
            "all-classes",
            lambda z, y: -companion.log_softmax(z).sum(axis=1),
            "You add up all classes, so the labels do not matter. Only the true class is "
            "charged.",
        ),
        Mistake(
            "bits",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, y) / np.log(2),
            "These are bits. The book counts in nats: use the natural logarithm.",
        ),
        Mistake(
            "over-the-batch",
            lambda z, y: -companion.log_softmax(z, axis=0)[_rows(z), y],
            "You normalise over the batch, so one example's loss depends on its neighbours. "
            "Sum over the classes of each row.",
        ),
        Mistake(
            "column",
            lambda z, y: companion.softmax_cross_entropy_with_labels(z, y)[:, np.newaxis],
            "The numbers are right, but they stand in a column of shape (N, 1). Later "
            "arithmetic would broadcast it to (N, N): return shape (N,).",
        ),
        Mistake(
            "every-pair",
            lambda z, y: -companion.log_softmax(z)[:, y],
            "Indexing [:, labels] takes every label for every row, N x N numbers. Pair each "
            "row's index with its own label.",
        ),
        Mistake(
            "no-logarithm",
            lambda z, y: 1 - companion.softmax(z)[_rows(z), y],
            "This is 1 - p: it never exceeds 1, however wrong the model is. The likelihood "
            "multiplies, so its logarithm is what adds.",
        ),
    ),
)


# class_map_probs: an image of class scores.


def _moved(scores):
    rows = np.moveaxis(scores, 1, -1)
    exps = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return np.moveaxis(exps / exps.sum(axis=-1, keepdims=True), -1, 1)


def _pixel_by_pixel(scores):
    probs = np.empty_like(scores)
    for n, i, j in np.ndindex(scores.shape[0], *scores.shape[2:]):
        exps = np.exp(scores[n, :, i, j] - scores[n, :, i, j].max())
        probs[n, :, i, j] = exps / exps.sum()
    return probs


def _over(*axes):
    def probs(scores):
        exps = np.exp(scores - scores.max(axis=axes, keepdims=True))
        return exps / exps.sum(axis=axes, keepdims=True)

    return probs


def _image(seed, shape, scale=1.0, offset=0.0):
    return offset + scale * np.random.default_rng(seed).normal(size=shape)


class_map_probs = FunctionExercise(
    name="class_map_probs",
    stub='''
def class_map_probs(scores):
    """Probabilities of the K classes at each pixel of scores (N, K, H, W)."""
    ...
''',
    answer="""
def class_map_probs(scores):
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)
""",
    why="The classes lie on axis 1. keepdims leaves an axis of length 1 there, so that the "
    "maximum and the sum line up with the scores.",
    reference=lambda scores: companion.softmax(scores, axis=1),
    hints=(
        "Which numbers compete with each other? Those must sum to 1.",
        "The classes of one pixel lie on axis 1; examples, rows and columns do not compete.",
        "Pass `axis=1, keepdims=True` to both `max` and `sum`.",
    ),
    probes=(
        (_image(0, (1, 2, 1, 1)),),
        (_image(1, (2, 3, 4, 5)),),
        (_image(2, (3, 3, 3, 3)),),
        (_image(3, (2, 3, 2, 2), offset=1000),),
    ),
    fresh=lambda rng: (3 * rng.normal(size=(2, 4, 3, 3)),),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    also_right=(_moved, _pixel_by_pixel),
    mistakes=(
        Mistake(
            "last-axis",
            _over(3),
            "You normalise along each row of pixels. The classes lie on axis 1 here, not on "
            "the last axis.",
        ),
        Mistake(
            "batch-axis",
            _over(0),
            "You normalise over the examples, so one image changes the answer for another. "
            "The classes compete, the examples do not.",
        ),
        Mistake(
            "height-axis",
            _over(2),
            "You normalise down each column of pixels. The classes lie on axis 1 here.",
        ),
        Mistake(
            "pixels",
            _over(2, 3),
            "You normalise each class map over its pixels: that asks where the class is, not "
            "which class a pixel is.",
        ),
        Mistake(
            "whole-array",
            _over(0, 1, 2, 3),
            "All numbers together sum to 1. Each pixel is a question of its own and needs a "
            "sum of its own.",
        ),
        Mistake(
            "classes-and-pixels",
            _over(1, 2, 3),
            "Each image as a whole sums to 1. Each pixel of it is a question of its own.",
        ),
        Mistake(
            "channels-last",
            lambda scores: companion.softmax(np.moveaxis(scores, 1, -1)),
            "The probabilities are right, but the classes have moved to the last axis. Return "
            "the layout that came in.",
        ),
        Mistake(
            "overflow",
            lambda scores: np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True),
            "Right for small scores, but exp(1000) is inf and inf / inf is nan. Subtract the "
            "largest score of each pixel first.",
        ),
        Mistake(
            "sigmoid",
            lambda scores: 1 / (1 + np.exp(-scores)),
            "You squash each score alone. The classes of a pixel then do not compete, and "
            "their sum is not 1.",
        ),
    ),
)


# temperature_probs: find the bugs.


def _at_temperature(logits, temperature):
    return companion.softmax(logits / temperature)


def _powers(logits, temperature):
    probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
    # The power may be taken before normalising, since a constant factor cancels.
    powers = probs ** (1 / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def _by_row(logits, temperature):
    rows = [np.exp((row - row.max()) / temperature) for row in logits]
    return np.array([row / row.sum() for row in rows])


temperature_probs = FunctionExercise(
    name="temperature_probs",
    stub='''
def temperature_probs(logits, temperature):
    """Probabilities of each row of logits (N, K); hotter means softer."""
    exps = np.exp(logits * temperature)
    return exps / exps.sum()
''',
    answer="""
def temperature_probs(logits, temperature):
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    exps = np.exp(scaled)
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="Three faults: the temperature divides the logits, each row has its own sum, and the "
    "maximum is subtracted so that a low temperature does not overflow.",
    reference=_at_temperature,
    hints=(
        "Run it on two rows at temperatures 0.001, 1 and 1000. Three things are wrong.",
        "A high temperature must bring the logits together; a row must not feel its "
        "neighbours; a low temperature must not overflow.",
        "Divide by the temperature, subtract `logits.max(axis=-1, keepdims=True)`, and give "
        "the sum an axis too.",
    ),
    probes=(
        (array([[1, 2, 3]]), 1.0),
        (array([[1, 2, 3]]), 2.0),
        (array([0, 1], [2, -1], [0.5, 0.5]), 0.5),
        (array([[1, 2, 4]]), 0.001),
        (array([5, 0, -5], [1, 0, 0]), 100.0),
    ),
    fresh=lambda rng: (rng.normal(size=(3, 4)), float(rng.uniform(0.3, 3))),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    also_right=(_powers, _by_row),
    mistakes=(
        Mistake(
            "multiplied",
            lambda z, T: companion.softmax(z * T),
            "You multiply by the temperature, so a high one sharpens. It must bring the "
            "logits together.",
        ),
        Mistake(
            "one-sum",
            lambda z, T: np.exp((z - z.max()) / T) / np.exp((z - z.max()) / T).sum(),
            "All rows together sum to 1. Each row is one example and needs a sum of its own.",
        ),
        Mistake(
            "overflow",
            lambda z, T: naive.softmax(z / T),
            "Right at ordinary temperatures, but at 0.001 exp overflows and nan comes out. "
            "Subtract each row's maximum.",
        ),
        Mistake(
            "divided-probs",
            lambda z, T: companion.softmax(z) / T,
            "You divide the probabilities, so they no longer sum to 1. The temperature acts "
            "on the logits, before exp.",
        ),
        Mistake(
            "ignored",
            lambda z, T: companion.softmax(z),
            "The temperature has no effect: a factor outside exp cancels in the fraction. It "
            "belongs inside.",
        ),
        Mistake(
            "unnormalised-power",
            lambda z, T: companion.softmax(z) ** (1 / T),
            "A power of a distribution no longer sums to 1. Normalise it again.",
        ),
        Mistake(
            "square-root",
            lambda z, T: companion.softmax(z / np.sqrt(T)),
            "You divide by the square root of the temperature. Log-odds shrink in proportion "
            "to 1/T.",
        ),
        Mistake(
            "columns",
            lambda z, T: companion.softmax(z / T, axis=0),
            "Your columns sum to 1, not your rows. Each row is one example.",
        ),
    ),
)


uniform_bits = NumberExercise(
    name="uniform_bits",
    stub="uniform_bits = ...",
    answer="uniform_bits = np.log2(10)",
    why="Equal logits give 1/10 to each digit. -log2(1/10) is log2(10) bits, whichever digit "
    "it was; in nats it is log(10).",
    reference=lambda: companion.softmax_cross_entropy_with_labels(np.zeros(10), 3) / np.log(2),
    hints=(
        "What probability does a model with ten equal logits give to the true digit?",
        "The cost is minus the logarithm of that probability. Which base counts bits?",
        "Take the base-2 logarithm of 10.",
    ),
    # A prediction in three digits is good enough.
    rtol=2e-3,
    also_right=(3.322, np.float64(np.log(10) / np.log(2)), 3.32),
    mistakes=(
        Mistake(
            "nats",
            np.log(10),
            "That is the cost in nats. Divide by log(2) to count bits.",
        ),
        Mistake("ten", 10, "That is the number of classes, not the cost. Take a logarithm."),
        Mistake(
            "base-ten",
            1,
            "That is the logarithm to base 10. One bit halves the possibilities: use base 2.",
        ),
        Mistake("probability", 0.1, "That is the probability. Its surprise is asked for."),
        Mistake(
            "sign", -np.log2(10), "A cost is not negative: the minus of -log(1/10) turns it."
        ),
        Mistake(
            "whole-bits",
            4,
            "Four bits would do for a code that writes digits one by one. The cross-entropy "
            "is the average that no code can beat, and need not be whole.",
        ),
    ),
)


def _letter_that_keeps_probs():
    logits = np.array([1.0, 2.0, 4.0])
    changed = {
        "a": logits * 2,
        "b": logits - 100,
        "c": np.abs(logits) ** 2,
        "d": logits + np.array([0, 0, 1]),
    }
    before = companion.softmax(logits)
    (letter,) = (k for k, z in changed.items() if np.allclose(companion.softmax(z), before))
    return letter


same_probs = ChoiceExercise(
    name="same_probs",
    stub='same_probs = ...  # "a", "b", "c" or "d"',
    answer='same_probs = "b"',
    why="exp(z - 100) = exp(z) * exp(-100), and the common factor cancels in the fraction.",
    reference=_letter_that_keeps_probs,
    options={
        "a": "Double every logit.",
        "b": "Subtract 100 from every logit.",
        "c": "Square every logit.",
        "d": "Add 1 to the largest logit.",
    },
    hints=(
        "Only the log-odds, that is the differences of logits, matter.",
        "Which of the four changes leaves every difference as it was?",
        "A constant added to each logit cancels in each difference.",
    ),
    also_right=("B", " (b) "),
    mistakes=(
        Mistake("a", "a", "Doubling doubles the differences too: that is temperature 1/2."),
        Mistake(
            "c",
            "c",
            "Squares of 1, 2 and 4 are 1, 4 and 16: the differences change, although the order "
            "stays.",
        ),
        Mistake("d", "d", "The largest logit then leads by more, so its probability grows."),
    ),
)
