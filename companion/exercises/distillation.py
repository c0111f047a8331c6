"""Exercises of the chapter *Distillation*."""

import numpy as np

import companion
from companion.exercises.common import (
    INTEGERS,
    PRECISIONS,
    SUMS,
    axis,
    reduced,
    shift,
    shift_of,
    sum_of,
    truncated,
    unit_of,
)
from companion.exercises.derivatives import sum_epsilon
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.probes import array, flat, large_rows, plain_rows

TOPIC = "distillation"
LIBRARY = ("distillation_loss", "distillation_loss_grad")
NO_TEMPERATURE = "The temperature has no part in your distributions. It divides the logits."

# soft_targets: a batch.


def _soft_targets(teacher_logits, temperature):
    return companion.softmax(teacher_logits / temperature)


def _targets_row_by_row(teacher_logits, temperature):
    rows = [np.exp((row - max(row)) / temperature) for row in teacher_logits]
    return np.array([row / sum(row) for row in rows])


def _targets_through_logs(teacher_logits, temperature):
    scaled = teacher_logits / temperature
    scaled = scaled - scaled.max(axis=1)[:, np.newaxis]
    return np.exp(scaled - np.log(np.exp(scaled).sum(axis=1))[:, np.newaxis])


def _targets_family(
    v, T, *, heat="logits", shift="row", sums="row", twice=False, sign=1, base="e",
    result="probs", epsilon=0.0, precision="float64", kind="float",
):  # fmt: skip
    def rows(z, divided, logs=False):
        z = (unit_of(base) * sign * z).astype(precision)
        taken = shift_of(z, shift)
        if divided == "logits, not the shift":
            taken = taken * T if np.ndim(taken) else taken
        exps = np.exp(z - taken)
        total = sum_of(exps, sums) + epsilon if sums != "none" else np.ones(1)
        return z - taken - np.log(total) if logs else exps / total

    scaled = {"logits": v / T, "times": v * T, "square": v / T**2, "root": v / np.sqrt(T)}
    scaled |= {"unshifted": v / T, "floor": v // T}
    before = scaled.get(heat, v)
    divided = "logits, not the shift" if heat == "unshifted" else "all"
    if result == "log, never -inf" and heat in scaled and not twice:
        return truncated(rows(before, divided, logs=True).astype(float), v, kind)
    probs = rows(before, divided)
    if heat == "probs":
        probs = probs / T
    elif heat == "powers":
        probs = probs ** (1 / T)
    elif heat == "powers anew":
        probs = probs ** (1 / T)
        probs = probs / sum_of(probs, "row")
    probs = rows(probs, "all") if twice else probs
    if result in ("log", "log, never -inf"):
        probs = np.log(probs)
    elif result == "hot":
        probs = np.eye(v.shape[-1])[probs.argmax(axis=-1)]
    elif result == "T squared":
        probs = T**2 * probs
    return truncated(probs.astype(float), v, kind)


WITH_TEMPERATURES = [
    *((rows, T) for rows, T in zip(plain_rows(), (2.0, 4.0, 0.5, 3.0, 2.0, 4), strict=True)),
    *(
        (rows, T)
        for rows, T in zip(
            large_rows(), (2.0, 1.0, 0.5, 1.5, 2, 4.0, 1.0, 2.0, 4.0, 0.5, 3.0), strict=True
        )
    ),
]

LOGS = "These are log-probabilities. The student's targets are probabilities."

soft_targets = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="where the temperature acts",
    name="soft_targets",
    stub='''
def soft_targets(teacher_logits, temperature):
    """The teacher's distributions (N, K), softened by the temperature."""
    ...
''',
    answer="""
def soft_targets(teacher_logits, temperature):
    scaled = teacher_logits / temperature
    exps = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="Divide the logits before softmax. Above 1 the temperature brings the distribution "
    "nearer to uniform and leaves the order of the classes.",
    reference=_soft_targets,
    hints=(
        "Where does the temperature act: before softmax or after it?",
        "Divide the logits by it. Then softmax, with the maximum taken off.",
        "`exps = np.exp(scaled - scaled.max(axis=-1, keepdims=True))`, and divide by the sum.",
    ),
    probes=(
        *WITH_TEMPERATURES,
        (array([1000, 0, 5]), 100.0),  # q underflows, q ** (1 / T) would not
        (array([3000, 1000, 0]), 2.0),
        (array([1, 2], [3, 1]), 1.0),
        (array([1, 2, 3], [30, 1, 0]), 20.0),
    ),
    fresh=lambda rng: (3 * rng.normal(size=(3, 4)), float(rng.uniform(2, 8))),
    shortcuts=LIBRARY,
    rtol=1e-6,
    also_right=(_targets_row_by_row, _targets_through_logs),
    family=_targets_family,
    switches=(
        axis(),
        Switch(
            "sums",
            SUMS
            | {
                "none": "The exponentials are not divided by their sum, so no row adds up to 1."
            },
        ),
        Switch(
            "heat",
            {
                "none": NO_TEMPERATURE,
                "times": "The temperature enters the wrong way round: above 1 it sharpens "
                "here. A hot teacher is a vague one.",
                "square": "You divide by the square of the temperature. The square stands in "
                "the loss, not in the distributions.",
                "root": "You divide by the root of the temperature. It divides as it is.",
                "floor": "// cuts the divided logits down to whole numbers. 1 divided by 2 is "
                "0.5.",
                "probs": "You divide probabilities by the temperature, so they no longer sum "
                "to 1. What it divides comes before softmax.",
                "powers": "q to the power 1/T has the right ratios, and a sum that is not 1. "
                "Heat the logits, and the sum comes by itself.",
                "powers anew": "You take powers of probabilities. Those that have underflowed "
                "to 0 stay 0, also where a high temperature would bring them back.",
                "unshifted": "You divide the logits by the temperature, and subtract the "
                "maximum of what was not divided. Divide first, or divide both.",
            },
        ),
        shift(),
        Switch(
            "twice",
            {
                True: "Softmax is applied twice. Its results are probabilities already, and as "
                "logits they are nearly equal."
            },
            most=1,
        ),
        Switch(
            "result",
            {
                "log": LOGS,
                "log, never -inf": LOGS,
                "hot": "This is the hard argmax. The other classes keep what the teacher gives "
                "them.",
                "T squared": "You multiply the distributions by T². That factor belongs to the "
                "loss.",
            },
            most=2,
        ),
        Switch(
            "sign",
            {
                -1: "The smallest logit gets the largest probability: there is a minus "
                "too many in the exponent."
            },
            most=2,
        ),
        Switch(
            "base",
            {
                "two": "These are powers of 2. Softmax is built on base e.",
                "ten": "These are powers of 10. Softmax is built on base e.",
            },
            most=2,
        ),
        sum_epsilon(),
        Switch("precision", PRECISIONS, most=1),
        Switch("kind", {"like": INTEGERS}, most=2),
    ),
    mistakes=(
        Mistake(
            "linear",
            lambda v, T: v / v.sum(axis=-1, keepdims=True),
            "You share out the scores themselves. Negative scores can then get negative "
            "shares; make them positive with exp first.",
        ),
    ),
)


# blended_loss: one number per example.


def _logs(z):
    gaps = z - z.max(axis=-1, keepdims=True)
    return gaps - np.log(np.exp(gaps).sum(axis=-1, keepdims=True))


def _reference_loss(z, v, y, T, alpha):
    return companion.distillation_loss(z, v, y, temperature=T, alpha=alpha)


def _loss_by_hand(student_logits, teacher_logits, labels, temperature, alpha):
    losses = []
    for z, v, y in zip(student_logits, teacher_logits, labels, strict=True):
        hot_z, hot_v = z / temperature, v / temperature
        log_p = hot_z - np.logaddexp.reduce(hot_z)
        log_q = hot_v - np.logaddexp.reduce(hot_v)
        soft = sum(np.exp(log_q) * (log_q - log_p))
        hard = np.logaddexp.reduce(z) - z[y]
        losses.append(alpha * temperature**2 * soft + (1 - alpha) * hard)
    return np.array(losses)


def _loss_less_entropy(student_logits, teacher_logits, labels, temperature, alpha):
    q = companion.softmax(teacher_logits / temperature)
    cross = companion.softmax_cross_entropy(student_logits / temperature, q)
    soft = cross - companion.entropy(q)
    hard = companion.softmax_cross_entropy_with_labels(student_logits, labels)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def _log_of_probs(how):
    """Logarithms of probabilities that were formed before: as they are, or kept from 0."""

    def logs(z):
        exps = np.exp(z if how == "no shift" else z - z.max(axis=-1, keepdims=True))
        probs = exps / exps.sum(axis=-1, keepdims=True)
        if type(how) is float:
            probs = np.maximum(probs, -how) if how < 0 else probs + how
        return np.log(probs)

    return logs


def _loss_family(
    z, v, y, T, alpha, *, teacher="hot", student="hot", hard_student="cold", factor="square",
    blend="alpha", divergence="kl", label="picked", over="classes", stable="logs",
    hard_sign=1, base="e", reduction="none",
):  # fmt: skip
    heated = {"hot": lambda x: x / T, "cold": lambda x: x, "times": lambda x: x * T}
    logs = _logs if stable == "logs" else _log_of_probs(stable)
    log_q, log_p = logs(heated[teacher](v)), logs(heated[student](z))
    q, p = np.exp(log_q), np.exp(log_p)
    terms = {
        "kl": lambda: q * (log_q - log_p),
        "swapped": lambda: p * (log_p - log_q),
        "cross": lambda: -q * log_p,
        "swapped cross": lambda: -p * log_q,
        "negative": lambda: q * (log_p - log_q),
        "symmetric": lambda: (q - p) * (log_q - log_p) / 2,
        "unweighted": lambda: log_q - log_p,
        "squares": lambda: (q - p) ** 2,
        "logits": lambda: (heated[teacher](v) - heated[student](z)) ** 2,
    }[divergence]()
    soft = {
        "classes": lambda: terms.sum(axis=-1),
        "mean": lambda: terms.mean(axis=-1),
        "batch": lambda: terms.sum(axis=0),
        "whole": lambda: terms.sum(),
        "batch mean": lambda: terms.sum() / len(z),
        "whole mean": lambda: terms.mean(),
    }[over]()
    rows = np.arange(len(y))
    log_h = logs(heated[hard_student](z))
    if label == "teacher":
        log_h = logs(v)
    elif label == "hottest":
        y = v.argmax(axis=-1)
    hard = (
        -hard_sign
        * {
            "probs": lambda: np.exp(log_h)[rows, y],
            "table": lambda: log_h[:, y],
            "short": lambda: (np.eye(y.max() + 1)[y] * log_h).sum(axis=-1),
            "mean": lambda: log_h[rows, y].mean() + np.zeros(len(y)),
        }.get(label, lambda: log_h[rows, y])()
    )
    first, second = {
        "alpha": (alpha, 1 - alpha),
        "exchanged": (1 - alpha, alpha),
        "none": (1.0, 1.0),
        "alpha alone": (alpha, 1.0),
        "both alpha": (alpha, alpha),
        "soft alone": (alpha, 0.0),
        "hard alone": (0.0, 1 - alpha),
    }[blend]
    soft_factor = {"square": T**2, "none": 1.0, "once": T, "inverse": 1 / T**2}
    soft_factor |= {"on both": T**2, "on hard": 1.0, "double": 2 * T}
    hard_factor = T**2 if factor in ("on both", "on hard") else 1.0
    losses = first * soft_factor[factor] * soft + second * hard_factor * hard
    return reduced(losses / unit_of(base), reduction)


def _pairs(seed, n, k):
    rng = np.random.default_rng(seed)
    return (*rng.normal(size=(2, n, k)).round(2), rng.integers(k, size=n))


SMALL = (1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 1e-15)
PARTS_OF_LOSS = (
    (array([1, 0]), array([0, 1]), np.array([0]), 2.0, 0.5),
    (array([0.5, -1, 2]), array([1, 0, -1]), np.array([1]), 1.0, 0.25),
    (*_pairs(0, 2, 3), 4.0, 0.0),
    (*_pairs(1, 2, 3), 4.0, 1.0),
    (*_pairs(2, 3, 4), 2.0, 0.9),
    (*_pairs(3, 3, 3), 0.5, 0.3),
    (array([1, 2, 0], [0, 1, 3]), array([1, 2, 0], [0, 1, 3]), np.array([1, 0]), 3.0, 0.6),
    (
        np.array([[1, 2, 4], [3, 0, 1]]),
        np.array([[0, 1, 1], [2, 5, 0]]),
        np.array([1, 1]),
        2,
        0.5,
    ),
    (array([4], [2]), array([1], [0]), np.array([0, 0]), 2.0, 0.5),
    (array([0, 30], [5, 1]), array([1, 0], [3, 1]), np.array([0, 1]), 1.0, 0.5),
    (array([1, 0], [2, 1]), array([0, 90], [400, 0]), np.array([0, 1]), 2.0, 0.5),
    (  # probabilities as small as what people add or clip at
        array([0, 14], [0, 16], [0, 18.5], [0, 23], [0, 27.5], [0, 34.5]),
        array([1, 0], [0, 1], [1, 2], [2, 1], [0, 3], [1, 1]),
        np.zeros(6, dtype=int),
        1.0,
        0.5,
    ),
    (array([1000, 0, 5], [0, 1, 2]), array([0, 1, 2], [1, 0, 2]), np.array([1, 0]), 1.0, 0.5),
    (
        array([0, 1, 2], [-2000, -2001, -2002]),
        array([3000, 5, 0], [1, 0, 2]),
        np.array([2, 2]),
        2.0,
        0.5,
    ),
)

blended_loss = FunctionExercise(
    topic=TOPIC,
    minutes=15,
    trains="two losses at two temperatures, and their weights",
    name="blended_loss",
    stub='''
def blended_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """alpha T² KL(teacher, student) at temperature T + (1 - alpha) hard loss.

    The hard loss is that of the labels (N,). One loss per row of the logits.
    """
    ...
''',
    answer="""
def blended_loss(student_logits, teacher_logits, labels, temperature, alpha):
    from companion import log_softmax

    log_q = log_softmax(teacher_logits / temperature)
    log_p = log_softmax(student_logits / temperature)
    soft = (np.exp(log_q) * (log_q - log_p)).sum(axis=-1)
    hard = -log_softmax(student_logits)[np.arange(len(labels)), labels]
    return alpha * temperature**2 * soft + (1 - alpha) * hard
""",
    why="Both distributions are softened in the first part, none in the second, and the square "
    "keeps the first part's gradient in scale.",
    reference=_reference_loss,
    hints=(
        "Two parts. Which of them uses the temperature, and where?",
        "KL(q ‖ p) is the mean under q of log q - log p, both at temperature T. The label's "
        "loss is at temperature 1.",
        "Weigh the parts with `alpha * temperature**2` and `1 - alpha`.",
    ),
    probes=PARTS_OF_LOSS,
    fresh=lambda rng: (
        *rng.normal(size=(2, 4, 3)),
        rng.integers(3, size=4),
        float(rng.uniform(2, 5)),
        float(rng.uniform(0.2, 0.8)),
    ),
    shortcuts=LIBRARY,
    rtol=1e-6,
    atol=1e-7,  # T² multiplies what a difference of logarithms rounds
    also_right=(_loss_by_hand, _loss_less_entropy),
    family=_loss_family,
    switches=(
        Switch(
            "divergence",
            {
                "swapped": "Your divergence is KL(student, teacher). The teacher's "
                "probabilities are the weights.",
                "cross": "Your first part is a cross-entropy. It exceeds KL by the teacher's "
                "entropy: the same gradient, another number.",
                "swapped cross": "Your first part is a cross-entropy weighted by the student. "
                "KL is weighted by the teacher, and less by the teacher's entropy.",
                "negative": "Your divergence is negative. It is the mean of log q less log p, "
                "with q the teacher.",
                "symmetric": "Your divergence is the mean of KL in both directions. Only the "
                "teacher's probabilities are weights.",
                "unweighted": "The differences of logarithms are not weighted. KL is their "
                "mean under the teacher's probabilities.",
                "squares": "Your first part sums squared differences of probabilities. KL "
                "compares logarithms, weighted by the teacher.",
                "logits": "Your first part sums squared differences of logits. That is its "
                "limit at high temperature, up to a factor and a constant of each row.",
            },
        ),
        Switch(
            "factor",
            {
                "none": "The factor T² is missing from the first part: at T = 4 it teaches 16 "
                "times less.",
                "once": "The first part has T where it needs the square: two factors of 1/T "
                "are to be made good.",
                "double": "The first part has 2T where it needs the square of T.",
                "inverse": "You divide the first part by T². Its gradient shrinks with "
                "temperature already: multiply.",
                "on both": "T² multiplies both parts. The label's loss has no temperature and "
                "needs none.",
                "on hard": "T² multiplies the label's loss. It belongs to the other part, "
                "whose gradient shrinks with temperature.",
            },
        ),
        Switch(
            "blend",
            {
                "exchanged": "alpha and 1 - alpha are exchanged: alpha is the teacher's "
                "weight.",
                "none": "The parts are added without the weights alpha and 1 - alpha.",
                "alpha alone": "The label's loss has weight 1. The two weights sum to 1.",
                "both alpha": "Both parts have the weight alpha. The two weights sum to 1.",
                "soft alone": "The label's loss is missing: it has the weight 1 - alpha.",
                "hard alone": "The teacher's part is missing: it has the weight alpha.",
            },
        ),
        Switch(
            "heat",
            {
                "none": "Neither distribution in the first part is softened. Both sets of "
                "logits are divided by T there.",
                "times": "You multiply logits by the temperature in the first part. Above 1 "
                "that sharpens.",
            },
            sets={
                "none": {"teacher": "cold", "student": "cold"},
                "times": {"teacher": "times", "student": "times"},
            },
        ),
        Switch(
            "teacher",
            {"cold": "The teacher is not softened. Its logits are divided by T as well."},
            most=2,
        ),
        Switch(
            "student",
            {
                "cold": "The student is not softened in the first part. Its logits are divided "
                "by T as well as the teacher's."
            },
            most=2,
        ),
        Switch(
            "hard_student",
            {
                "hot": "The label's loss is computed at temperature T, too. It belongs at "
                "temperature 1."
            },
            most=2,
        ),
        Switch(
            "label",
            {
                "teacher": "The label's loss is the teacher's. It is the student who learns.",
                "hottest": "The teacher's favourite class stands for the label. The labels are "
                "given, and the teacher may be wrong.",
                "probs": "Your second part is a probability. The label's loss is its negative "
                "logarithm.",
            },
            most=1,
        ),
        Switch(
            "label",
            {
                "table": "Each row's loss is taken for all labels of the batch, which gives a "
                "square table. Each row has one label: pair rows and labels.",
                "short": "Your one-hot rows are as wide as the largest label of the batch "
                "demands. There is one column for each class, also where none of its rows is "
                "in the batch.",
                "mean": "The label's loss is averaged over the batch. One loss per example is "
                "wanted, in both parts.",
            },
            most=2,
        ),
        Switch(
            "hard_sign",
            {
                -1: "The label's loss enters with the wrong sign: the logarithm of a "
                "probability is negative, the loss is not."
            },
            most=2,
        ),
        Switch(
            "over",
            {
                "mean": "You take the mean over classes in the first part. KL is a sum "
                "over them, weighted by probabilities.",
                "batch": "The divergence is summed down the batch. Each row is one example: "
                "sum over its classes, the last axis.",
                "whole": "One divergence serves the whole batch. Each row has its own: give "
                "the sum an axis.",
                "batch mean": "The divergence is averaged over the batch. One loss per example "
                "is wanted, in both parts.",
                "whole mean": "The divergence is averaged over rows and classes. Each row has "
                "its own, which is a sum over classes.",
            },
            most=2,
        ),
        Switch(
            "reduction",
            {
                "mean": "You return the mean over the batch. One loss per example is wanted.",
                "sum": "You return the sum over the batch. One loss per example is wanted.",
            },
            most=2,
        ),
        Switch(
            "stable",
            {
                "probs": "You take logarithms of probabilities. One that underflows to 0 gives "
                "-inf or nan. Let logarithm and exp meet on paper.",
                "no shift": "You take exp of logits as they are: exp(1000) is inf. And a "
                "probability that underflows has no logarithm.",
                **{
                    value: f"{value:g} is added to probabilities inside the logarithm, which "
                    "limits the loss where a model is most wrong. Form log-probabilities "
                    "instead."
                    for value in SMALL
                },
                **{
                    -value: f"Probabilities are clipped at {value:g}, which limits the loss "
                    "where a model is most wrong. Form log-probabilities instead."
                    for value in SMALL
                },
            },
            most=2,
        ),
        Switch(
            "base",
            {"two": "These are bits. The book counts in nats: use the natural logarithm."},
            most=2,
        ),
    ),
    mistakes=(),
)


# soft_grad: a batch.


def _soft_grad(z, v, T):
    return T * (companion.softmax(z / T) - companion.softmax(v / T))


def _grad_by_exps(student_logits, teacher_logits, temperature):
    slopes = 0.0
    for logits, sign in ((student_logits, 1), (teacher_logits, -1)):
        hot = logits / temperature
        exps = np.exp(hot - hot.max(axis=1, keepdims=True))
        slopes = slopes + sign * exps / exps.sum(axis=1, keepdims=True)
    return slopes * temperature


def _grad_row_by_row(student_logits, teacher_logits, temperature):
    slopes = np.zeros(student_logits.shape)
    for n, (z, v) in enumerate(zip(student_logits, teacher_logits, strict=True)):
        p = companion.softmax(z / temperature)
        slopes[n] = temperature * p - temperature * companion.softmax(v / temperature)
    return slopes


def _grad_family(
    z, v, T, *, student="hot", teacher="hot", factor="T", sign=1, made_of="probs",
    shift="row", sums="row", divided="none", base="e", kind="float",
):  # fmt: skip
    heated = {"hot": lambda x: x / T, "cold": lambda x: x, "times": lambda x: x * T}
    a, b = heated[student](z), heated[teacher](v)

    def probs(x):
        x = unit_of(base) * x
        exps = np.exp(x - shift_of(x, shift))
        return exps / sum_of(exps, sums)

    p, q = probs(a), probs(b)
    if made_of == "reverse":
        ratio = np.log(p) - np.log(q)
        slopes = p * (ratio - (p * ratio).sum(axis=-1, keepdims=True))
    else:
        slopes = {
            "probs": lambda: p - q,
            "logits": lambda: a - b,
            "centred": lambda: a - a.mean(-1, keepdims=True) - b + b.mean(-1, keepdims=True),
            "logs": lambda: np.log(p) - np.log(q),
            "student": lambda: p,
            "teacher": lambda: -q,
            "hot teacher": lambda: p - np.eye(v.shape[-1])[v.argmax(axis=-1)],
            "weighted": lambda: q * (p - q),
            "quotient": lambda: -q / p,
            "jacobian": lambda: p * (1 - p) * (p - q),
        }[made_of]()
    count = {"none": 1, "rows": len(z), "classes": z.shape[-1], "both": z.size}[divided]
    factors = {"T": T, "none": 1.0, "square": T**2, "inverse": 1 / T, "inverse square": T**-2.0}
    return truncated(sign * factors[factor] * slopes / count, z, kind)


def _differences(step, kind):
    """The gradient by differences of the summed loss, as it is often tested."""

    def differences(z, v, T):
        log_q = _logs(v / T)

        def loss(logits):
            return T**2 * (np.exp(log_q) * (log_q - _logs(logits / T))).sum()

        slopes = np.zeros(z.shape)
        for place in np.ndindex(*z.shape):
            unit = np.zeros(z.shape)
            unit[place] = step
            if kind == "central":
                slopes[place] = (loss(z + unit) - loss(z - unit)) / (2 * step)
            else:
                slopes[place] = (loss(z + unit) - loss(z)) / step
        return slopes

    return differences


DIFFERENCES = (
    *(("central", step) for step in (1e-2, 1e-3)),
    *(("forward", step) for step in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
)
GRADIENTS = (
    (array([0, 1]), array([1, 0]), 2.0),
    (array([1, 2, 3]), array([0, 0, 2]), 1.0),
    (array([1, 2, 3], [0, -1, 1]), array([0, 0, 2], [2, 1, 0]), 4.0),
    (array([0, 1, 2], [2, 1, 0], [0, 3, 1]), array([3, 0, 0], [0, 0, 1], [1, 1, 1]), 0.5),
    (np.array([[1, 2, 4], [3, 0, 1]]), np.array([[0, 1, 1], [2, 5, 0]]), 2),
    (array([4], [2]), array([1], [0]), 2.0),
    (array([1000, 1001, 0]), array([0, 1, 2]), 2.0),
    (array([0, 1, 2]), array([-3000, 5, 6]), 2.0),
    (array([3000, -5, -6], [-5, 3000, -6]), array([5, -3000, 6], [5, 6, -3000]), 2.0),
    (array([0, 1], [-2000, -2001], [2000, 2001]), array([-1000, -1001], [1, 0], [3, 4]), 1.5),
    (array([400, 400, -400]), array([1, 2, 0]), 0.5),
    (array([1400, 0, 0, 0]), array([0, 1400, 0, 0]), 1.0),
    (array([-800, -801], [-801, -800]), array([1, 2], [0, 1]), 0.5),
)

soft_grad = FunctionExercise(
    topic=TOPIC,
    minutes=12,
    trains="the chain rule through a temperature",
    name="soft_grad",
    stub='''
def soft_grad(student_logits, teacher_logits, temperature):
    """Gradient of T² KL(teacher, student) at temperature T.

    By the student's logits (N, K).
    """
    ...
''',
    answer="""
def soft_grad(student_logits, teacher_logits, temperature):
    from companion import softmax

    p = softmax(student_logits / temperature)
    q = softmax(teacher_logits / temperature)
    return temperature * (p - q)
""",
    why="Cross-entropy's gradient by z / T is p - q, the chain rule divides by T, and T² "
    "leaves one T in front.",
    reference=_soft_grad,
    hints=(
        "What is the gradient of KL by the scaled logits z / T?",
        "It is p - q. The chain rule gives 1/T, the factor in the loss T².",
        "One T is left over, in front of the difference.",
    ),
    probes=GRADIENTS,
    fresh=lambda rng: (*rng.normal(size=(2, 3, 4)), float(rng.uniform(2, 6))),
    shortcuts=(*LIBRARY, "grad", "backward", "gradient", "vjp", "jacrev"),
    rtol=1e-6,
    atol=1e-9,  # a difference of probabilities has no more digits than they
    also_right=(_grad_by_exps, _grad_row_by_row),
    family=_grad_family,
    switches=(
        Switch(
            "formula",
            {
                "limit": "This is the limit of the gradient at high temperature. At a given "
                "temperature it is made of probabilities.",
            },
            sets={"limit": {"made_of": "centred", "divided": "classes"}},
            most=1,
        ),
        axis(),
        Switch(
            "made_of",
            {
                "logits": "You take the difference of logits. The gradient is made of "
                "probabilities.",
                "centred": "You take the difference of centred logits. That is the limit of "
                "high temperature, up to a factor; the gradient is made of probabilities.",
                "logs": "You take the difference of log-probabilities. The gradient by the "
                "logits is made of the probabilities themselves.",
                "student": "The teacher has no part in it. A student that agrees with its "
                "teacher has gradient 0.",
                "teacher": "The student has no part in it. A student that agrees with its "
                "teacher has gradient 0.",
                "hot teacher": "The teacher's favourite class stands for its distribution. All "
                "its probabilities count.",
                "reverse": "This is the gradient of KL(student, teacher), the other direction. "
                "The teacher's probabilities are the weights.",
                "weighted": "The difference is multiplied by the teacher's probabilities. They "
                "are in the difference already.",
                "quotient": "This is the derivative by the student's probabilities. The chain "
                "rule goes on, through softmax to the logits.",
                "jacobian": "The difference is multiplied by p(1 - p). For KL through softmax "
                "that factor has cancelled.",
            },
            most=2,
        ),
        Switch(
            "heat",
            {
                "none": "The temperature is missing inside softmax, for student and teacher. "
                "Both sets of logits are divided by it.",
                "times": "You multiply the logits by the temperature. They are divided.",
            },
            sets={
                "none": {"teacher": "cold", "student": "cold"},
                "times": {"teacher": "times", "student": "times"},
            },
        ),
        Switch(
            "teacher",
            {"cold": "The teacher is not softened: its logits are divided by T as well."},
        ),
        Switch(
            "student",
            {"cold": "The student is not softened: its logits are divided by T as well."},
        ),
        Switch(
            "factor",
            {
                "none": "There is no factor in front. T² comes from the loss, 1/T from the "
                "derivative of z / T.",
                "square": "T² stands in front. The derivative of z / T by z takes one factor "
                "away.",
                "inverse": "1/T stands in front. That is so for KL without its factor T².",
                "inverse square": "1/T² stands in front. The loss has the factor T², and the "
                "chain rule divides once.",
            },
        ),
        Switch(
            "sign",
            {
                -1: "The signs are turned round: where the student gives more than the "
                "teacher, the slope is positive."
            },
        ),
        shift(absolute=None, median=None, **{"whole absolute": None, "whole mean": None}),
        Switch("sums", SUMS, most=2),
        Switch(
            "divided",
            {
                "rows": "You divide by the number of rows. One gradient per example is wanted.",
                "classes": "You divide by the number of classes. KL is a sum over them.",
                "both": "You divide by the number of all logits. One gradient per example is "
                "wanted, and KL is a sum over classes.",
            },
        ),
        Switch("base", {"two": "These are powers of 2. Softmax is built on base e."}, most=2),
        Switch("kind", {"like": INTEGERS}, most=1),
    ),
    mistakes=tuple(
        Mistake(
            f"{kind} differences, step {step:g}",
            _differences(step, kind),
            "These are differences of the loss over a small step, which are slopes to a few "
            "digits only. Work the gradient out on paper.",
        )
        for kind, step in DIFFERENCES
    ),
)


# best_bias: logits, labels, a class, candidates.


def _best_bias(logits, labels, digit, candidates):
    unit = np.eye(logits.shape[1])[digit]
    hits = [((logits + b * unit).argmax(axis=1) == labels).sum() for b in candidates]
    return candidates[int(np.argmax(hits))]


def _best_by_loop(logits, labels, digit, candidates):
    best, most = None, -1
    for candidate in candidates:
        shifted = logits.astype(float)
        shifted[:, digit] += candidate
        hits = (np.argmax(shifted, axis=1) == labels).sum()
        if hits > most:
            best, most = candidate, hits
    return best


def _best_by_max(logits, labels, digit, candidates):
    column = np.arange(logits.shape[1]) == digit

    def hits(candidate):
        named = np.where(column, logits + candidate, logits).argmax(axis=-1)
        return (named == labels).mean()

    return max(candidates, key=hits)


def _bias_family(
    logits, labels, digit, candidates, *, where="column", rows="all", score="accuracy",
    best="most", tie="first", returned="candidate", sign=1, tried="all", piled="no",
    axis="classes", kind="float",
):  # fmt: skip
    mine = {"all": labels == labels, "own": labels == digit, "others": labels != digit}[rows]
    z, y = logits[mine], labels[mine]
    if piled != "as given" and kind == "float":
        z = z.astype(float)
    places = list(range(len(candidates)))
    if returned == "of sorted":
        places = list(np.argsort(candidates, kind="stable"))
    places = {"all": places, "but the last": places[:-1], "but the first": places[1:]}[tried]
    scores = []
    for place in places:
        now = z if piled != "no" else z.copy()
        if (piled == "as given" or kind == "raises") and z.dtype.kind == "i":
            now += 0.5  # raises, as each += of a float does
        shifted = _shifted(now, digit, sign * candidates[place], where)
        scores.append(_score(shifted, y, digit, score, axis))
    scores = np.array(scores)
    at = _place_of_best(scores, np.asarray(candidates)[places], best, tie, lambda: _score(
        logits[mine], y, digit, score, axis
    ))  # fmt: skip
    if returned == "place":
        return at
    if returned == "score":
        return scores[at]
    return candidates[at if returned == "of sorted" else places[at]]


def _place_of_best(scores, candidates, best, tie, of_none):
    """Which candidate an answer takes for the best."""
    if best in ("above none", "above 0", "the last"):
        least = {"above none": of_none, "above 0": lambda: 0.0, "the last": lambda: -1.0}[
            best
        ]()
        return max(np.flatnonzero(scores > least), default=0)
    scores = -scores if best == "least" else scores
    level = np.flatnonzero(scores == scores.max())
    return {
        "first": lambda: level[0],
        "last": lambda: level[-1],
        "largest": lambda: level[candidates[level].argmax()],
        "smallest": lambda: level[candidates[level].argmin()],
    }[tie]()


def _shifted(z, digit, b, where):
    if where == "column":
        z[:, digit] = z[:, digit] + b
    elif where == "all":
        z += b
    elif where == "times":
        z[:, digit] *= b
    elif where == "set":
        z[:, digit] = b
    elif where == "next":
        z[:, digit - 1] += b
    elif where == "after":
        z[:, digit + 1] += b
    elif where == "fixed":
        z[:, 0] += b
    elif where == "probs":
        z = np.exp(z - z.max(axis=1, keepdims=True))
        z /= z.sum(axis=1, keepdims=True)
        z[:, digit] += b
    return z


def _score(z, y, digit, score, axis):
    named = z.argmax(axis=1 if axis == "classes" else 0)
    if score == "accuracy":
        return (named == y).sum() / max(len(y), 1)
    if score == "loss":
        return _logs(z)[np.arange(len(y)), y].mean()
    if score == "named":
        return (named == digit).sum()
    if score == "balanced":
        return np.mean([(named == y)[y == k].mean() for k in np.unique(y)])
    if score == "one or not":
        return ((named == digit) == (y == digit)).mean()
    return ((named == digit) & (y == digit)).sum() / max((named == digit).sum(), 1)


def _validation(seed, digit, missing=4.0, count=16, first=2.0):
    """Logits that name most rows, but for one class, whose logit is too low."""
    rng = np.random.default_rng(seed)
    labels = np.r_[rng.integers(3, size=count), np.full(8, digit)]
    logits = rng.normal(size=(len(labels), 3)) + 2.5 * np.eye(3)[labels]
    logits[:, digit] -= missing
    others = [-3.0, 0.0, 3.0, 4.0, -6.0, 9.0, 1.0, -1.0, 5.0]
    return logits.round(2), labels, digit, np.array([first, *others])


ROWS_OF_TWO = array([0, 1], [0, 2], [0, 5], [3, 0])

NOT_KEPT = (
    "The best score so far is not kept, so the last candidate that beats one fixed score wins. "
    "Keep both, the candidate and its score."
)

best_bias = FunctionExercise(
    topic=TOPIC,
    minutes=10,
    trains="a choice by accuracy over all rows",
    name="best_bias",
    stub='''
def best_bias(logits, labels, digit, candidates):
    """The candidate that gives the highest accuracy, added to one column.

    That of `digit`, in all rows of the logits (N, K), which may be integers.
    Of candidates that are level: the first.
    """
    ...
''',
    answer="""
def best_bias(logits, labels, digit, candidates):
    unit = np.eye(logits.shape[1])[digit]
    named = [(logits + b * unit).argmax(axis=1) for b in candidates]
    return candidates[np.argmax([(names == labels).mean() for names in named])]
""",
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
        (ROWS_OF_TWO, np.array([0, 0, 1, 0]), 0, flat(0, 3, 6, -6)),
        (ROWS_OF_TWO, np.array([0, 0, 1, 0]), 0, flat(6, 2.5, 3, -6)),  # two are level
        (array([0, 1], [3, 0]), np.array([0, 1]), 0, flat(0.5, -1, 2)),  # at most one is right
        (array([5, 1], [3, 0]), np.array([1, 1]), 0, flat(0.5, -1, 2, 1)),  # none is, ever
        (np.array([[1, 1], [2, 1]]), np.array([1, 0]), 1, flat(-1, 0.5, 1.5)),  # halves count
        # Rows that are not of the class, and misnamed all the same, speak for no candidate.
        (array([0, 1, 3], [0, 0, 4], [0, 4, 0]), np.array([1, 1, 0]), 0, flat(0, 5)),
        (np.array([[0, 3], [0, 1], [2, 0]]), np.array([1, 0, 0]), 0, flat(-2.5, 1.5, 0.5, 9)),
        *(
            _validation(seed, seed % 3, missing, count, first)
            for seed, missing, count, first in (
                (0, 4.0, 16, 2.0),
                (1, 4.0, 16, -2.0),
                (2, -3.0, 20, 2.0),
                (3, 6.0, 16, 7.0),
                (4, 2.0, 24, -4.0),
                (5, -5.0, 30, 0.5),
                (6, 5.0, 30, -9.0),
                (7, 3.0, 40, 0.0),
                (8, -2.0, 40, 6.0),
                (9, 0.0, 40, 3.0),
            )
        ),
    ),
    fresh=lambda rng: _validation(int(rng.integers(10**6)), int(rng.integers(3))),
    rtol=1e-6,
    also_right=(_best_by_loop, _best_by_max),
    family=_bias_family,
    switches=(
        Switch(
            "returned",
            {
                "place": "This is the place of a candidate. Return the candidate itself.",
                "score": "This is the score that a candidate reaches. The candidate is asked "
                "for.",
                "of sorted": "The candidates are sorted before they are tried, and the place "
                "of the best is looked up among the unsorted. Both belong to one order.",
            },
            most=2,
        ),
        Switch(
            "axis",
            {
                "rows": "argmax runs down the columns. The classes of one example lie in a "
                "row, on the last axis."
            },
            most=2,
        ),
        Switch(
            "where",
            {
                "all": "Your bias is added to all classes of a row alike, in one row or in "
                "all, which changes no argmax. A class is a column.",
                "times": "You multiply the logits of the class. The candidate is added.",
                "set": "The candidate replaces the logits of the class. It is added to them.",
                "next": "The bias goes to the column before that of the class. Classes count "
                "from 0, and so do columns.",
                "after": "The bias goes to the column after that of the class. Classes count "
                "from 0, and so do columns.",
                "fixed": "The bias goes to the first column, whatever the class. `digit` says "
                "which.",
                "probs": "The bias is added to probabilities. It belongs to the logits, before "
                "any softmax.",
            },
            most=2,
        ),
        Switch(
            "rows",
            {
                "own": "Only rows of that class decide your choice. A bias changes the names "
                "of the others, and they count, too.",
                "others": "Only the rows of the other classes are scored. All rows count, "
                "those of the class as well.",
            },
            most=2,
        ),
        Switch(
            "score",
            {
                "loss": "You choose by the loss. The best accuracy may belong to another "
                "candidate.",
                "named": "You count how often the class is named. What counts is how often a "
                "name is right.",
                "precision": "You choose by the share of right ones among rows named so. All "
                "rows count, also those that are named otherwise.",
                "balanced": "Your accuracy is the mean over the classes, each with the same "
                "weight. All rows weigh the same.",
                "one or not": "You count rows where it is right that they are of that class or "
                "are not. A row of another class must get its own name, too.",
            },
            most=1,
        ),
        Switch(
            "best",
            {"least": "This is the worst candidate by your score: an accuracy is to be large."},
            most=2,
        ),
        Switch("best", dict.fromkeys(("above none", "above 0", "the last"), NOT_KEPT), most=2),
        Switch(
            "piled",
            {
                "as given": "The candidates pile up, each is added to the ones before, and "
                "integer logits cannot hold them at all. Work on a new array of floats for "
                "each.",
                "copy": "The candidates pile up: each is added to the ones before. Start from "
                "the given logits each time.",
            },
            most=2,
        ),
        Switch(
            "tried",
            {
                "but the last": "The last candidate is never tried. range(n) ends at n - 1.",
                "but the first": "The first candidate is never tried. Places count from 0.",
            },
            most=2,
        ),
        Switch(
            "tie",
            {
                "last": "Of candidates that are level you take a later one. The first is "
                "asked for: does >= stand where > should?",
                "largest": "Of candidates that are level you take the largest. The first is "
                "asked for.",
                "smallest": "Of candidates that are level you take the smallest. The first is "
                "asked for.",
            },
            most=2,
        ),
        Switch("sign", {-1: "The candidates are taken off the logits. They are added."}),
        Switch(
            "kind",
            {
                "like": "A copy of integer logits holds integers, so a candidate loses its "
                "fraction there. Ask for floats.",
                "raises": "Integer logits cannot take a fraction in place: a copy of them "
                "holds integers. Copy them as floats.",
            },
            most=2,
        ),
    ),
    mistakes=(),
)


# factor: one number.


def _factor():
    z, v = array([1, -2, 0.5]), array([0, 3, -1])
    at_t, at_double = (_soft_grad(z, v, T) / T**2 for T in (1e6, 2e6))
    return float(np.median(at_double / at_t).round(4))


factor = NumberExercise(
    topic=TOPIC,
    minutes=5,
    trains="powers of the temperature in a gradient",
    name="factor",
    stub="factor = ...",
    answer="factor = 1 / 4",
    why="Without the square the gradient is (p - q) / T, and p - q itself shrinks like 1/T "
    "when "
    "both distributions approach the uniform one.",
    reference=_factor,
    hints=(
        "Write the gradient without the square. Where does T occur?",
        "In front, as 1/T, and inside p - q. How does p - q behave when T is large?",
        "Each of the two halves when T doubles.",
    ),
    also_right=(0.25, np.float64(0.25), 2.0**-2),
    mistakes=(
        Mistake(
            "one-factor",
            0.5,
            "That is the factor in front. The difference p - q shrinks as well.",
        ),
        Mistake("inverse", 4.0, "It gets smaller, not larger: the inverse of this."),
        Mistake(
            "with-square", 1.0, "That holds with the factor T², which has been forgotten here."
        ),
        Mistake("double", 2.0, "That is how T changes. The gradient falls."),
        Mistake(
            "sixteenth",
            1 / 16,
            "That would take four factors of 1/T. Two are at work, one in front and one "
            "inside.",
        ),
        Mistake("eighth", 1 / 8, "That would take three factors of 1/T. Count them again."),
        Mistake(
            "what-is-lost",
            3 / 4,
            "That would be what is lost. Asked is what is left, as a factor.",
        ),
        Mistake("minus-two", -2.0, "That is an exponent. The factor is positive, and below 1."),
        Mistake("minus-four", -4.0, "A factor of a size is positive, and here it is below 1."),
        Mistake("minus-quarter", -0.25, "The direction stays: the factor is positive."),
        Mistake("zero", 0.0, "That is the limit. Each time that T doubles, a part is left."),
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
    topic=TOPIC,
    minutes=5,
    trains="the limit of high temperature",
    name="limit_of",
    stub='limit_of = ...  # "a", "b", "c" or "d"',
    answer='limit_of = "b"',
    why="With exp(z / T) ≈ 1 + z / T the gradient T(p - q) becomes the difference of the "
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
        "Insert 1 + z / T into T(p - q), and see which z and v remain.",
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
