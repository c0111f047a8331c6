"""Exercises of the chapter *Distillation*."""

import numpy as np

import companion
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)

LIBRARY = ("distillation_loss", "distillation_loss_grad", "kl_div", "KLDivergence")


def array(*rows):
    return np.array(rows, dtype=float)


# soft_targets: a batch.


def _soft_targets(teacher_logits, temperature):
    return companion.softmax(teacher_logits / temperature)


def _by_powers(teacher_logits, temperature):
    # p ** (1 / T), normalised anew, is the same distribution.
    log_probs = companion.log_softmax(teacher_logits)
    powers = np.exp((log_probs - log_probs.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def _row_by_row(teacher_logits, temperature):
    rows = [np.exp((row - max(row)) / temperature) for row in teacher_logits]
    return np.array([row / sum(row) for row in rows])


def _unshifted(teacher_logits, temperature):
    exps = np.exp(teacher_logits / temperature)
    return exps / exps.sum(axis=-1, keepdims=True)


soft_targets = FunctionExercise(
    name="soft_targets",
    stub='''
def soft_targets(teacher_logits, temperature):
    """The teacher's distributions (N, K), softened by the temperature."""
    ...
''',
    answer='''
def soft_targets(teacher_logits, temperature):
    """The teacher's distributions (N, K), softened by the temperature."""
    scaled = teacher_logits / temperature
    exps = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
''',
    why="Divide the logits before softmax. Above 1 the temperature brings the distribution "
    "nearer "
    "to uniform and leaves the order of the classes.",
    reference=_soft_targets,
    hints=(
        "Where does the temperature act: before softmax or after it?",
        "Divide the logits by it. Then softmax, with the maximum taken off.",
        "`exps = np.exp(scaled - scaled.max(axis=-1, keepdims=True))`, and divide by the sum.",
    ),
    probes=(
        (array([0, 1]), 2.0),
        (array([1, 2, 3], [0, -1, 4]), 4.0),
        (array([0, 1, 2], [3, 1, 0]), 0.5),
        (array([3000, 1000, 0]), 2.0),
    ),
    fresh=lambda rng: (3 * rng.normal(size=(3, 4)), float(rng.uniform(2, 8))),
    also_right=(_by_powers, _row_by_row),
    mistakes=(
        Mistake(
            "no-temperature",
            lambda v, T: companion.softmax(v),
            "The temperature is not used.",
        ),
        Mistake(
            "times",
            lambda v, T: companion.softmax(v * T),
            "You multiply by the temperature. Above 1 that sharpens: a hot teacher is a vague "
            "one.",
        ),
        Mistake(
            "after-softmax",
            lambda v, T: companion.softmax(v) / T,
            "You divide the probabilities, and they no longer sum to 1. Divide the logits.",
        ),
        Mistake(
            "powers-without-sum",
            lambda v, T: companion.softmax(v) ** (1 / T),
            "p to the power 1/T has the right ratios, and a sum that is not 1. Normalise it.",
        ),
        Mistake(
            "softmax-twice",
            lambda v, T: companion.softmax(companion.softmax(v) / T),
            "Softmax is applied twice. The temperature divides logits, not probabilities.",
        ),
        Mistake(
            "whole-batch",
            lambda v, T: np.exp(v / T - (v / T).max()) / np.exp(v / T - (v / T).max()).sum(),
            "The sum runs over the whole batch. Each row is a distribution of its own.",
        ),
        Mistake(
            "overflow",
            _unshifted,
            "Right for small logits, but exp(1500) is inf. Subtract the maximum before exp.",
        ),
        Mistake(
            "logarithms",
            lambda v, T: companion.log_softmax(v / T),
            "These are log-probabilities. The student's targets are probabilities.",
        ),
    ),
)


# blended_loss: one number per example.


def _parts(z, v, y, T, T_student=None):
    """KL of the softened distributions, and the loss of the labels."""
    log_q = companion.log_softmax(z / (T if T_student is None else T_student))
    log_p = companion.log_softmax(v / T)
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=-1), _hard(z, y)


def _hard(z, y):
    return companion.softmax_cross_entropy_with_labels(z, y)


def _blend(soft_weight, soft, hard_weight, hard):
    return soft_weight * soft + hard_weight * hard


def _reference_loss(z, v, y, T, alpha):
    return companion.distillation_loss(z, v, y, temperature=T, alpha=alpha)


def _by_library_parts(z, v, y, T, alpha):
    p, q = companion.softmax(v / T), companion.softmax(z / T)
    return alpha * T**2 * companion.kl_divergence(p, q) + (1 - alpha) * _hard(z, y)


def _entropy_taken_off(z, v, y, T, alpha):
    p = companion.softmax(v / T)
    soft = companion.softmax_cross_entropy(z / T, p) - companion.entropy(p)
    return alpha * T * T * soft - (1 - alpha) * np.array(
        [row[label] for row, label in zip(companion.log_softmax(z), y, strict=True)]
    )


def _cross_entropy_for_kl(z, v, y, T, alpha):
    soft = companion.softmax_cross_entropy(z / T, companion.softmax(v / T))
    return _blend(alpha * T**2, soft, 1 - alpha, _hard(z, y))


def _no_square(z, v, y, T, alpha):
    soft, hard = _parts(z, v, y, T)
    return _blend(alpha, soft, 1 - alpha, hard)


def _square_on_all(z, v, y, T, alpha):
    soft, hard = _parts(z, v, y, T)
    return T**2 * _blend(alpha, soft, 1 - alpha, hard)


def _factor_t(z, v, y, T, alpha):
    soft, hard = _parts(z, v, y, T)
    return _blend(alpha * T, soft, 1 - alpha, hard)


def _alpha_swapped(z, v, y, T, alpha):
    return _reference_loss(z, v, y, T, 1 - alpha)


def _teacher_only_hot(z, v, y, T, alpha):
    soft, hard = _parts(z, v, y, T, T_student=1)
    return _blend(alpha * T**2, soft, 1 - alpha, hard)


def _kl_swapped(z, v, y, T, alpha):
    soft, _ = _parts(v, z, y, T)
    return _blend(alpha * T**2, soft, 1 - alpha, _hard(z, y))


def _hard_is_hot(z, v, y, T, alpha):
    soft, _ = _parts(z, v, y, T)
    return _blend(alpha * T**2, soft, 1 - alpha, _hard(z / T, y))


def _no_blend(z, v, y, T, alpha):
    soft, hard = _parts(z, v, y, T)
    return T**2 * soft + hard


def _logits(seed, n, k):
    rng = np.random.default_rng(seed)
    return (*rng.normal(size=(2, n, k)).round(2), rng.integers(k, size=n))


blended_loss = FunctionExercise(
    name="blended_loss",
    stub='''
def blended_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """alpha T² KL(teacher, student) at temperature T, plus (1 - alpha) of the label's loss."""
    ...
''',
    answer='''
def blended_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """alpha T² KL(teacher, student) at temperature T, plus (1 - alpha) of the label's loss."""
    from companion import log_softmax

    log_p = log_softmax(teacher_logits / temperature)
    log_q = log_softmax(student_logits / temperature)
    soft = (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)
    hard = -log_softmax(student_logits)[np.arange(len(labels)), labels]
    return alpha * temperature**2 * soft + (1 - alpha) * hard
''',
    why="Both distributions are softened in the first part, none in the second, and the square "
    "keeps the first part's gradient in scale.",
    reference=_reference_loss,
    hints=(
        "Two parts. Which of them uses the temperature, and where?",
        "KL(p, q) is the mean under p of log p - log q, both at temperature T. The label's "
        "loss "
        "is at temperature 1.",
        "Weigh the parts with `alpha * temperature**2` and `1 - alpha`.",
    ),
    probes=(
        (*_logits(0, 1, 3), 1.0, 0.5),
        (*_logits(1, 2, 3), 4.0, 0.7),
        (*_logits(2, 3, 4), 2.0, 0.9),
    ),
    fresh=lambda rng: (
        *rng.normal(size=(2, 4, 3)),
        rng.integers(3, size=4),
        float(rng.uniform(2, 5)),
        float(rng.uniform(0.2, 0.8)),
    ),
    shortcuts=("distillation_loss",),
    also_right=(_by_library_parts, _entropy_taken_off),
    mistakes=(
        Mistake(
            "no-square",
            _no_square,
            "The factor T² is missing from the first part: at T = 4 it teaches 16 times less.",
        ),
        Mistake(
            "square-on-all",
            _square_on_all,
            "T² multiplies both parts. The label's loss has no temperature and needs none.",
        ),
        Mistake(
            "factor-t",
            _factor_t,
            "The first part has T where it needs the square: two factors of 1/T are to be made "
            "good.",
        ),
        Mistake(
            "alpha-swapped",
            _alpha_swapped,
            "alpha and 1 - alpha are swapped: alpha is the teacher's weight.",
        ),
        Mistake(
            "teacher-only-hot",
            _teacher_only_hot,
            "Only the teacher is softened. The student's logits are divided by T as well.",
        ),
        Mistake(
            "kl-swapped",
            _kl_swapped,
            "This is KL(student, teacher). The teacher's probabilities are the weights.",
        ),
        Mistake(
            "hard-is-hot",
            _hard_is_hot,
            "The label's loss is computed at temperature T, too. It belongs at temperature 1.",
        ),
        Mistake(
            "no-blend",
            _no_blend,
            "The parts are added without alpha and 1 - alpha.",
        ),
        Mistake(
            "cross-entropy",
            _cross_entropy_for_kl,
            "The first part is a cross-entropy. It exceeds KL by the teacher's entropy: the "
            "same gradient, another number.",
        ),
        Mistake(
            "mean",
            lambda z, v, y, T, alpha: _reference_loss(z, v, y, T, alpha).mean(),
            "This is the mean. One loss per example is wanted.",
        ),
    ),
)


# soft_grad: a batch.


def _soft_grad(z, v, T):
    return T * (companion.softmax(z / T) - companion.softmax(v / T))


def _grad_by_jacobian(z, v, T):
    slopes = []
    for row, target in zip(z / T, companion.softmax(v / T), strict=True):
        q = companion.softmax(row)
        J = np.diag(q) - np.outer(q, q)
        slopes.append(J @ (-target / q) / T)
    return T**2 * np.array(slopes)


def _grad_by_exps(z, v, T):
    q, p = (np.exp(a - a.max(axis=1, keepdims=True)) for a in (z / T, v / T))
    return (q / q.sum(axis=1, keepdims=True) - p / p.sum(axis=1, keepdims=True)) * T


def _difference(z, v, T):
    return companion.softmax(z / T) - companion.softmax(v / T)


soft_grad = FunctionExercise(
    name="soft_grad",
    stub='''
def soft_grad(student_logits, teacher_logits, temperature):
    """Gradient of T² KL(teacher, student) at temperature T, by the student's logits (N, K)."""
    ...
''',
    answer='''
def soft_grad(student_logits, teacher_logits, temperature):
    """Gradient of T² KL(teacher, student) at temperature T, by the student's logits (N, K)."""
    from companion import softmax

    q = softmax(student_logits / temperature)
    p = softmax(teacher_logits / temperature)
    return temperature * (q - p)
''',
    why="Cross-entropy's gradient by z / T is q - p, the chain rule divides by T, and T² "
    "leaves "
    "one T in front.",
    reference=_soft_grad,
    hints=(
        "What is the gradient of KL by the scaled logits z / T?",
        "It is q - p. The chain rule gives 1/T, the factor in the loss T².",
        "One T is left over, in front of the difference.",
    ),
    probes=(
        (array([0, 1]), array([1, 0]), 2.0),
        (array([1, 2, 3], [0, -1, 1]), array([0, 0, 2], [2, 1, 0]), 4.0),
        (array([0, 1, 2], [2, 1, 0]), array([3, 0, 0], [0, 0, 1]), 0.5),
    ),
    fresh=lambda rng: (*rng.normal(size=(2, 3, 4)), float(rng.uniform(2, 6))),
    shortcuts=LIBRARY,
    also_right=(_grad_by_jacobian, _grad_by_exps),
    mistakes=(
        Mistake(
            "no-square",
            lambda z, v, T: _difference(z, v, T) / T,
            "This is the gradient of KL without its factor T².",
        ),
        Mistake(
            "no-chain-rule",
            lambda z, v, T: T**2 * _difference(z, v, T),
            "The derivative of z / T by z is missing: one factor of T too many.",
        ),
        Mistake(
            "no-factor",
            _difference,
            "The difference is right, its factor is missing: T² from the loss, 1/T from z / T.",
        ),
        Mistake(
            "sign",
            lambda z, v, T: -_soft_grad(z, v, T),
            "The signs are turned round: where the student gives more than the teacher, the "
            "slope is positive.",
        ),
        Mistake(
            "logits",
            lambda z, v, T: (z - v) / T,
            "These are the logits' differences. The gradient is made of probabilities.",
        ),
        Mistake(
            "no-temperature",
            lambda z, v, T: companion.softmax(z) - companion.softmax(v),
            "The temperature is missing altogether: inside both softmaxes and in front.",
        ),
        Mistake(
            "cold",
            lambda z, v, T: T * (companion.softmax(z) - companion.softmax(v)),
            "The factor in front is right. Inside, the logits are not divided.",
        ),
        Mistake(
            "teacher-only-hot",
            lambda z, v, T: T * (companion.softmax(z) - companion.softmax(v / T)),
            "Only the teacher's logits are divided by T. The student's are, too.",
        ),
        Mistake(
            "mean",
            lambda z, v, T: _soft_grad(z, v, T) / len(z),
            "You divided by the number of rows. One gradient per example is wanted.",
        ),
    ),
)


# best_bias: logits, labels, a class, candidates.


def _accuracies(logits, labels, digit, candidates):
    unit = np.eye(logits.shape[1])[digit]
    return np.array([((logits + b * unit).argmax(axis=1) == labels).mean() for b in candidates])


def _best_bias(logits, labels, digit, candidates):
    return candidates[_accuracies(logits, labels, digit, candidates).argmax()]


def _best_by_loop(logits, labels, digit, candidates):
    best, most = None, -1
    for candidate in candidates:
        shifted = logits.copy()
        shifted[:, digit] += candidate
        hits = (np.argmax(shifted, axis=1) == labels).sum()
        if hits > most:
            best, most = candidate, hits
    return best


def _best_without_adding(logits, labels, digit, candidates):
    # The digit is named where its logit, with the bias, is above all others.
    others = np.delete(logits, digit, axis=1)
    rival = others.max(axis=1)
    names = np.delete(np.arange(logits.shape[1]), digit)[others.argmax(axis=1)]
    hits = [np.where(logits[:, digit] + b > rival, digit, names) == labels for b in candidates]
    return candidates[int(np.mean(hits, axis=1).argmax())]


def _by_that_digit_alone(logits, labels, digit, candidates):
    mine = labels == digit
    return candidates[_accuracies(logits[mine], labels[mine], digit, candidates).argmax()]


def _validation(seed, digit, missing=4.0):
    """Logits that name most rows, but for one class, whose logit is too low."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.full(8, digit), rng.integers(3, size=16)]
    logits = rng.normal(size=(24, 3)) + 2.5 * np.eye(3)[labels]
    logits[:, digit] -= missing
    return logits.round(2), labels, digit, np.array([2.0, -3.0, 0.0, 3.0, 4.0, -6.0, 9.0])


best_bias = FunctionExercise(
    name="best_bias",
    stub='''
def best_bias(logits, labels, digit, candidates):
    """The candidate with the highest accuracy when added to the logits (N, K) of `digit`."""
    ...
''',
    answer='''
def best_bias(logits, labels, digit, candidates):
    """The candidate with the highest accuracy when added to the logits (N, K) of `digit`."""
    unit = np.eye(logits.shape[1])[digit]
    scores = [((logits + b * unit).argmax(axis=1) == labels).mean() for b in candidates]
    return candidates[np.argmax(scores)]
''',
    why="All rows count, also those that a bias set too high would spoil. The bias goes to one "
    "column of a copy; the caller's logits stay.",
    reference=_best_bias,
    hints=(
        "For each candidate: which share of all rows is named rightly?",
        "Add the candidate to one column, take the argmax, compare with all labels.",
        "A row of `np.eye(K)` is a unit vector to add with a factor; `np.argmax` picks the "
        "best.",
    ),
    probes=(
        _validation(0, 1),
        _validation(1, 2),
        _validation(2, 0, -3.0),
        _validation(3, 1, 6.0),
    ),
    fresh=lambda rng: _validation(int(rng.integers(10**6)), int(rng.integers(3))),
    also_right=(_best_by_loop, _best_without_adding),
    mistakes=(
        Mistake(
            "that-digit-alone",
            _by_that_digit_alone,
            "Only the rows of that digit are scored, so more bias is never worse. The others "
            "count, too.",
        ),
        Mistake(
            "index",
            lambda z, y, k, b: int(_accuracies(z, y, k, b).argmax()),
            "This is the place of the best candidate. Return the candidate itself.",
        ),
        Mistake(
            "accuracy",
            lambda z, y, k, b: _accuracies(z, y, k, b).max(),
            "This is the best accuracy. The candidate that reaches it is asked for.",
        ),
        Mistake(
            "worst",
            lambda z, y, k, b: b[_accuracies(z, y, k, b).argmin()],
            "This is the worst candidate: an accuracy is to be large.",
        ),
        Mistake(
            "all-classes",
            lambda z, y, k, b: b[np.argmax([((z + c).argmax(1) == y).mean() for c in b])],
            "The bias was added to all classes, which changes no answer. One column gets it.",
        ),
        Mistake(
            "largest",
            lambda z, y, k, b: b.max(),
            "This is the largest candidate, whatever the labels say.",
        ),
        Mistake(
            "subtracted",
            lambda z, y, k, b: b[_accuracies(z, y, k, -b).argmax()],
            "The candidates were taken off the logit. They are added to it.",
        ),
    ),
)


# factor: one number.


def _factor():
    z, v = array([1, -2, 0.5]), array([0, 3, -1])
    return float(
        np.round(np.median(_difference(z, v, 2e6) / 2e6 / (_difference(z, v, 1e6) / 1e6)), 4)
    )


factor = NumberExercise(
    name="factor",
    stub="factor = ...",
    answer="factor = 1 / 4",
    why="Without the square the gradient is (q - p) / T, and q - p itself shrinks like 1/T "
    "when "
    "both distributions approach the uniform one.",
    reference=_factor,
    rtol=1e-6,
    hints=(
        "Write the gradient without the square. Where does T occur?",
        "In front, as 1/T, and inside q - p. How does q - p behave when T is large?",
        "Each of the two halves when T doubles.",
    ),
    also_right=(0.25, np.float64(0.25), 2.0**-2),
    mistakes=(
        Mistake(
            "one-factor",
            0.5,
            "That is the factor in front. The difference q - p shrinks as well.",
        ),
        Mistake("inverse", 4.0, "It gets smaller, not larger: the inverse of this."),
        Mistake(
            "with-square", 1.0, "That holds with the factor T², which has been forgotten here."
        ),
        Mistake("double", 2.0, "That is how T changes. The gradient falls."),
        Mistake(
            "square-twice", 1 / 16, "Two factors of T are at work, one in front and one inside."
        ),
    ),
)


# limit_of: a choice.


def _limit():
    z, v, T = array([1, -2, 0.5]), array([0, 3, -1]), 1e5
    gradient = _soft_grad(z, v, T)
    candidates = {
        "a": companion.softmax(z) - companion.one_hot(v.argmax(axis=-1), 3),
        "b": (z - z.mean()) - (v - v.mean()),
        "c": companion.softmax(z) - companion.softmax(v),
    }
    size = np.linalg.norm
    cosines = {
        letter: float((gradient * c).sum() / size(gradient) / size(c))
        for letter, c in candidates.items()
    }
    cosines["d"] = 1.0 if size(gradient) < 1e-3 else 0.0
    return max(cosines, key=cosines.get)


limit_of = ChoiceExercise(
    name="limit_of",
    stub='limit_of = ...  # "a", "b", "c" or "d"',
    answer='limit_of = "b"',
    why="With exp(z / T) ≈ 1 + z / T the gradient T(q - p) becomes the difference of the "
    "centred "
    "logits over K.",
    reference=_limit,
    options={
        "a": "The teacher's labels: only the largest logit counts.",
        "b": "The teacher's logits, up to a constant for each example.",
        "c": "The teacher's probabilities at temperature 1.",
        "d": "The uniform distribution: nothing is left to learn.",
    },
    hints=(
        "Expand exp(z / T) for large T.",
        "Insert 1 + z / T into T(q - p), and see which z and v remain.",
        "What is left is a difference of logits with their means taken off.",
    ),
    also_right=("B", "(b)"),
    mistakes=(
        Mistake("a", "a", "That is the limit of low temperature."),
        Mistake("c", "c", "That is temperature 1. Heat changes the distributions."),
        Mistake(
            "d",
            "d",
            "Both distributions become uniform, but their difference times T does not vanish.",
        ),
    ),
)
