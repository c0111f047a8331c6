"""Exercises of the chapter *Framework equivalents*."""

import numpy as np

import companion
from companion.equivalents import pytorch
from companion.exercises.common import ADDED, BASES, CLIPPED, ceilings, small_number
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
    Switch,
)
from companion.exercises.native import Lazy, NativeExercise
from companion.exercises.probes import array, labels_for, large_rows, plain_rows, scattered

TOPIC = "framework_equivalents"
F = Lazy("torch.nn.functional")
torch = Lazy("torch")
tf = Lazy("tensorflow")


# Probabilities near each of them, by rows and by columns: 0 + 1e-8 is not max(0, 1e-8) there.
UNLIKELY = array([0, 0], [-15, 0], [-19, 0], [-22, 0], [-26, 0], [-33, 0])


class InvalidArgumentError(RuntimeError):
    """An error of TensorFlow, by its name."""


def _rows():
    """Float logits, small and large; nothing that float32 could not tell apart."""
    arrays = [rows for rows in plain_rows() if rows.dtype.kind == "f"] + large_rows()
    return [rows for rows in arrays if np.abs(rows).max() < 1e6]


def _softmax(x, axis, shift="row"):
    """Softmax over an axis, with a maximum taken off: of each row, of all, or none."""
    taken = {
        "row": lambda: x.max(axis=axis, keepdims=True),
        "whole": x.max,
        "none": lambda: 0.0,
    }
    exps = np.exp(x - taken[shift]())
    return exps / exps.sum(axis=axis, keepdims=True)


def _logs(x, axis, form="logs", epsilon=0.0, floor=0.0, upper=False, shift="row"):
    """What an answer takes for the log-probabilities."""
    if shift.endswith("log of the sum"):
        top = x.max() if shift.startswith("whole") else 0.0
        return x - top - np.log(np.exp(x - top).sum(axis=axis, keepdims=True))
    if form == "quotient" or epsilon or floor or shift != "row":
        probs = _softmax(x, axis, shift) + epsilon
        probs = np.clip(probs, floor, 1 - floor) if upper else np.maximum(probs, floor)
        return np.log(probs)
    return {
        "logs": lambda: companion.log_softmax(x, axis=axis),
        "logits": lambda: x,
        "probs": lambda: companion.softmax(x, axis=axis),
    }[form]()


SHIFTS = {
    "none": "Large logits overflow in a softmax of your own: exp(1000) is inf. The framework's "
    "functions take each row's maximum off first.",
    "whole": "One maximum serves the whole batch in a softmax of your own. A row that lies far "
    "below it underflows. The framework's functions take each row's own.",
    "none, log of the sum": "Large logits overflow in a log-sum-exp of your own: exp(1000) is "
    "inf. The framework's functions take each row's maximum off first.",
    "whole, log of the sum": "One maximum serves the whole batch in a log-sum-exp of your own. "
    "A row that lies far below it underflows. The framework's functions take each row's own.",
}
SUMMED = {  # 0 times the logarithm of 0 is nan; and a log-sum-exp makes no quotient
    "none, in a sum": {"shift": "none", "pick": "sum"},
    "whole, in a sum": {"shift": "whole", "pick": "sum"},
    "none, log of the sum": {"shift": "none, log of the sum", "form": "difference"},
    "whole, log of the sum": {"shift": "whole, log of the sum", "form": "difference"},
}
SHIFTS |= {name: SHIFTS[sets["shift"]] for name, sets in SUMMED.items()}
QUOTIENT = (
    "You take the logarithm of a probability. At a gap of 1000 it is 0, and the loss is not "
    "finite. Let one function do both steps."
)


# mended_loss: PyTorch.


def _mean_loss(logits, labels):
    return companion.softmax_cross_entropy_with_labels(logits, labels).mean()


def _batch(rng):
    return 2 * rng.normal(size=(5, 3)), rng.integers(3, size=5)


def _mended_by_nll(logits, labels):
    return F.nll_loss(F.log_softmax(logits, dim=1), labels)


def _mended_by_hand(logits, labels):
    return (torch.logsumexp(logits, 1) - logits.gather(1, labels[:, None])[:, 0]).mean()


def _mended_by_module(logits, labels):
    return torch.nn.CrossEntropyLoss()(logits, labels)


def _at_a_narrow_one_hot(logs, labels):
    """Log-probabilities at the labels, by a one-hot table as wide as the largest label says."""
    width = labels.max() + 1
    if width == 1:  # which is stretched over all classes
        return logs.sum(axis=-1)
    if width != logs.shape[-1]:
        raise InvalidArgumentError("The table is too narrow.")
    return np.take_along_axis(logs, labels[..., np.newaxis], axis=-1)[..., 0]


LAST = (
    "Only the last example counts: the others are overwritten on the way. Add to the sum, or "
    "keep all of them."
)
SMOOTHED = (
    "The labels are smoothed: a part of the loss is charged for all other classes. The plain "
    "cross-entropy is wanted."
)
NARROW = (
    "Your one-hot table is as wide as the largest label of the batch says. Where the last "
    "class does not occur, it is too narrow."
)


def _mended_family(
    logits, labels, *, before="nothing", turned=False, axis=1, form="logs", shift="row",
    epsilon=0.0, floor=0.0, upper=False, pick="label", kept="all", sign=1, smoothing=0.0,
    reduction="mean",
):  # fmt: skip
    z = {
        "nothing": lambda: logits,
        "batch": lambda: companion.softmax(logits, axis=0),
        "classes": lambda: companion.softmax(logits, axis=1),
        "classes twice": lambda: companion.softmax(companion.softmax(logits, axis=1), axis=1),
        "whole": lambda: companion.softmax(logits.ravel()).reshape(logits.shape),
        "logs of batch": lambda: companion.log_softmax(logits, axis=0),
        "sigmoid": lambda: 1 / (1 + np.exp(-logits)),
        "minus": lambda: -logits,
        "relu": lambda: np.maximum(logits, 0),
    }[before]()
    z = z.T if turned else z
    if len(z) != len(labels):
        raise ValueError("As many labels as rows are expected.")
    logs = _logs(z, axis, form, epsilon, floor, upper, shift)
    rows = np.arange(len(z))
    at_label = {
        "label": lambda: logs[rows, labels],
        "sum": lambda: (np.eye(logs.shape[-1])[labels] * logs).sum(axis=-1),
        "narrow": lambda: _at_a_narrow_one_hot(logs, labels),
        "table": lambda: logs[:, labels],
        "most likely": lambda: logs.max(axis=1),
    }[pick]()
    spread = smoothing * logs.mean(axis=1) if smoothing else 0.0
    losses = -sign * ((1 - smoothing) * at_label + spread)
    counts = losses[labels != 0] if kept == "not 0" else losses
    mean = counts.sum() / np.float64(counts.size)  # nan, if none is left
    return {
        "mean": lambda: mean,
        "sum": counts.sum,
        "none": lambda: losses if kept == "all" else np.where(labels != 0, losses.T, 0.0).T,
        "classes too": lambda: mean / logits.shape[1],
        "classes": lambda: counts.sum() / logits.shape[1],
        "twice": lambda: mean / len(losses),
        "last": lambda: losses[-1],
        "last, divided": lambda: losses[-1] / len(losses),
    }[reduction]()


def _squared(given, labels):
    return ((given - np.eye(given.shape[1])[labels]) ** 2).mean()


def _binary_of_probs(logits, labels):
    """What F.binary_cross_entropy makes of a softmax: no logarithm is below -100."""
    probs, hot = companion.softmax(logits), np.eye(logits.shape[1])[labels]
    true, others = np.log(probs), np.log1p(-probs)
    return -(hot * true.clip(-100) + (1 - hot) * others.clip(-100)).mean()


mended_loss = NativeExercise(
    topic=TOPIC,
    minutes=4,
    trains="what a loss expects",
    name="mended_loss",
    framework="torch",
    learns=True,
    stub='''
def mended_loss(logits, labels):
    """Mean cross-entropy of a batch."""
    return F.cross_entropy(F.softmax(logits, dim=0), labels)
''',
    answer="""
def mended_loss(logits, labels):
    return F.cross_entropy(logits, labels)
""",
    why="The loss has softmax inside, over axis 1. Whatever stands before it is one softmax "
    "too many.",
    reference=_mean_loss,
    hints=(
        "What does `F.cross_entropy` expect, and what does it get?",
        "It has its own softmax, over the right axis.",
        "Give it the logits as they are.",
    ),
    probes=(
        *((rows, labels_for(rows, "turn")) for rows in _rows()),
        *((rows, labels_for(rows, "unlikely")) for rows in _rows()[-6:]),
        (array([10, 715]), np.array([0])),  # exp(715) is inf, and exp(-705) is not 0
        (array([0, 800]), np.array([0])),
        (UNLIKELY, np.zeros(6, dtype=int)),
    ),
    fresh=_batch,
    also_right=(_mended_by_nll, _mended_by_hand, _mended_by_module),
    family=_mended_family,
    switches=(
        Switch(
            "before",
            {
                "batch": "There is still a softmax before the loss, and it runs over the "
                "batch, not over the classes.",
                "classes": "Softmax is applied twice: before the loss, and in it. The loss "
                "has its own.",
                "classes twice": "Two softmaxes stand before the loss, which has its own. Take "
                "all of yours away.",
                "whole": "There is a softmax over the whole batch before the loss, which has "
                "its own, over the classes.",
                "logs of batch": "There is a log_softmax over the batch before the loss, "
                "which has its own, over the classes.",
                "sigmoid": "A sigmoid stands before the loss. It squashes each logit alone; "
                "the loss expects logits.",
            },
        ),
        Switch(
            "before",
            {
                "minus": "The logits are negated before the loss. It takes them as they come.",
                "relu": "The negative logits are set to 0 before the loss. It takes them as "
                "they come.",
            },
            most=2,
        ),
        Switch(
            "turned",
            {
                True: "The logits are transposed, so that batch and classes have changed "
                "places. They fit as they come."
            },
            most=2,
        ),
        Switch(
            "axis",
            {
                0: "The probabilities of your loss add up to 1 over the batch. The classes are "
                "on axis 1."
            },
        ),
        Switch(
            "form",
            {
                "logits": "What is picked was never normalised. `nll_loss` takes no logarithm "
                "and no softmax: it expects log-probabilities.",
                "probs": "Probabilities are picked where their logarithms are due. `nll_loss` "
                "takes no logarithm.",
                "quotient": QUOTIENT,
                "quotient, in a sum": QUOTIENT,
            },
            sets={"quotient, in a sum": {"form": "quotient", "pick": "sum"}},
        ),
        Switch("shift", SHIFTS, sets=SUMMED),
        small_number("epsilon", ADDED, guess=ceilings),
        small_number("floor", CLIPPED, both=(1e-7, 1e-8), guess=ceilings),
        Switch(
            "pick",
            {
                "table": "The labels pick whole columns, so each row is charged for the "
                "labels of all others, too. Each row has its own label.",
                "most likely": "The labels are not used: the most likely class is picked in "
                "all rows.",
                "narrow": NARROW,
            },
        ),
        Switch(
            "kept",
            {
                "not 0": "Examples with the label 0 are left out. Class 0 is a class like any "
                "other."
            },
            most=2,
        ),
        Switch(
            "sign", {-1: "The sign is turned round. A loss falls where the true class gains."}
        ),
        Switch(
            "smoothing",
            dict.fromkeys(
                (0.01, 0.05, 0.2, 0.3),
                SMOOTHED,
            ),
            most=2,
        ),
        Switch("smoothing", {0.1: SMOOTHED}),
        Switch(
            "reduction",
            {
                "sum": "This is the sum over the batch. The mean is wanted.",
                "none": "This is one loss per example. Their mean is wanted.",
                "classes too": "You divide by the number of classes as well. The mean runs "
                "over the examples.",
                "classes": "You divide by the number of classes. The mean runs over the "
                "examples.",
            },
        ),
        Switch(
            "reduction",
            {
                "twice": "You divide by the number of examples twice. The mean is divided "
                "already.",
                "last": LAST,
                "last, divided": LAST,
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "squared",
            lambda z, y: _squared(companion.softmax(z), y),
            "This is a squared error. The cross-entropy is wanted.",
        ),
        Mistake(
            "squared-logits",
            _squared,
            "This is a squared error of the logits. The cross-entropy is wanted.",
        ),
        Mistake(
            "binary-probs",
            _binary_of_probs,
            "After the softmax each class is charged as a yes-or-no question of its own, and "
            "the mean runs over examples and classes. Only the true class is charged.",
        ),
        Mistake(
            "binary",
            lambda z, y: np.mean(np.logaddexp(0, z) - z * np.eye(z.shape[1])[y]),
            "This is the mean loss of N times K separate yes-or-no questions. The classes of "
            "an example compete: one softmax serves them all, and the mean runs over examples.",
        ),
    ),
)


# pixel_losses: TensorFlow.


def _pixels(logits, labels):
    return companion.softmax_cross_entropy_with_labels(np.moveaxis(logits, 1, -1), labels)


def _pixels_by_columns(logits, labels):
    # Width before height on the way, and back again.
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.transpose(labels, [0, 2, 1]), logits=tf.transpose(logits, [0, 3, 2, 1])
    )
    return tf.transpose(losses, [0, 2, 1])


def _pixels_by_one_hot(logits, labels):
    targets = tf.one_hot(labels, logits.shape[1], axis=1, dtype=logits.dtype)
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits, axis=1)


def _images(seed, classes, *size):
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(size[0], classes, *size[1:])), rng.integers(classes, size=size)


def _as_images(rows, *size, which="turn"):
    """Rows of logits as pixels, with labels."""
    return np.moveaxis(rows.reshape(*size, -1), -1, 1), labels_for(rows, which).reshape(size)


def _clipped_logs(z):
    """Keras, where from_logits is forgotten: logits are clipped like probabilities."""
    return np.log(np.clip(z, 1e-7, 1 - 1e-7))


def _laid(logs, labels):
    """TensorFlow's loss with axis=1, given one-hot targets with their classes last."""
    classes = logs.shape[-1]
    table = np.eye(classes)[labels].transpose(0, 2, 3, 1)
    if (table.size, table.shape[-1]) != (logs.size, classes):
        raise InvalidArgumentError("Logits and labels do not match.")
    return (table.reshape(-1, classes) * logs.reshape(-1, classes)).sum(1).reshape(labels.shape)


def _over_the_width(logits, labels):
    table = np.moveaxis(np.eye(logits.shape[1])[labels], -1, 1)
    return (table * companion.log_softmax(logits)).sum(axis=-1)


def _binary_pixels(logits, labels):
    last = np.moveaxis(logits, 1, -1)
    return np.logaddexp(0, last) - last * np.eye(logits.shape[1])[labels]


BINARY = (
    "This is the loss of separate yes-or-no questions. The classes of a pixel compete: one "
    "softmax serves them all."
)


def _laid_by_hand(logs, labels):
    return (np.eye(logs.shape[-1])[labels] * np.moveaxis(logs, -1, 1)).sum(axis=1)


CLIPPED_LOGITS = (
    "The function takes your logits for probabilities and clips them. Tell it what they are: "
    "it has an argument for that."
)
ONE_HOT_LAID = (
    "The one-hot targets have their classes on the last axis, the logits on axis 1. The two "
    "must lie alike."
)


def _pixel_family(
    logits, labels, *, move="last", before="nothing", axis=-1, summed="classes", form="logs",
    shift="row", epsilon=0.0, floor=0.0, upper=False, pick="label", sign=1, reduction="none",
):  # fmt: skip
    count, classes, height, width = logits.shape
    last = np.moveaxis(logits, 1, -1)
    z = {
        "last": lambda: last,
        "reshape": lambda: logits.reshape(count, height, width, classes),
        "sides": lambda: last.swapaxes(1, 2).reshape(last.shape),
    }.get(move, lambda: logits.transpose([int(place) for place in move]))()
    if z.shape[:-1] != labels.shape:
        raise ValueError("Labels and logits do not match.")
    if before in ("classes", "width", "batch"):
        z = companion.softmax(z, axis={"classes": -1, "width": 2, "batch": 0}[before])
    elif before == "twice":
        z = companion.softmax(companion.softmax(z))
    elif before == "clipped":
        z = _clipped_logs(z)
    elif before == "clipped shares":  # whose sum Keras does not make 1 again
        z, form = _clipped_logs(z / z.sum(axis=-1, keepdims=True)), "logits"
    logs = _logs(z, axis, form, epsilon, floor, upper, shift)
    at_label = {
        "label": lambda: np.take_along_axis(logs, labels[..., np.newaxis], axis=-1)[..., 0],
        "sum": lambda: (np.eye(logs.shape[-1])[labels] * logs).sum(axis=-1),
        "narrow": lambda: _at_a_narrow_one_hot(logs, labels),
        "laid": lambda: _laid(logs, labels),
        "laid by hand": lambda: _laid_by_hand(logs, labels),
        "width": lambda: _over_the_width(logits, labels),
    }[pick]()
    losses = -sign * at_label
    if summed != "classes":
        sums = {
            "width": lambda: companion.logsumexp(logits, axis=3),
            "height": lambda: companion.logsumexp(logits, axis=2),
            "batch": lambda: companion.logsumexp(logits, axis=0),
            "all": lambda: companion.logsumexp(logits.ravel()),
        }[summed]()
        picked = np.take_along_axis(last, labels[..., np.newaxis], axis=-1)[..., 0]
        losses = sign * (sums - picked)
    return {
        "batch": lambda: losses.mean(axis=0),
        "sum of batch": lambda: losses.sum(axis=0),
        "rows": lambda: losses.mean(axis=-1),
        "sums of rows": lambda: losses.sum(axis=-1),
        "none": lambda: losses,
        "mean": losses.mean,
        "sum": losses.sum,
        "images": lambda: losses.mean(axis=(1, 2)),
        "sums of images": lambda: losses.sum(axis=(1, 2)),
        "transposed": lambda: losses.swapaxes(1, 2),
        "flat": losses.ravel,
        "column": lambda: losses[..., np.newaxis],
        "front": lambda: losses[:, np.newaxis],
        "classes too": lambda: losses / classes,
    }[reduction]()


pixel_losses = NativeExercise(
    topic=TOPIC,
    minutes=8,
    trains="moving the axis of the classes",
    name="pixel_losses",
    framework="tensorflow",
    stub='''
def pixel_losses(logits, labels):
    """Cross-entropy by pixel: logits (N, C, H, W), labels (N, H, W)."""
    ...
''',
    answer="""
def pixel_losses(logits, labels):
    last = tf.transpose(logits, [0, 2, 3, 1])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, last)
""",
    why="TensorFlow's sparse loss has its classes on the last axis and no argument for "
    "another. Only a transpose moves an axis; a reshape cuts the memory anew.",
    reference=_pixels,
    hints=(
        "Where does TensorFlow look for the classes?",
        "The axis of the classes, 1, must become the last. The pixels keep their order.",
        "Transpose with the permutation [0, 2, 3, 1], then take the loss.",
    ),
    probes=(  # Keras' loss takes a last axis of length 1 away: no W = 1, no C = 1
        _images(0, 3, 1, 1, 2),
        _images(1, 3, 1, 2, 2),
        _images(2, 3, 3, 3, 3),
        _images(3, 4, 2, 3, 2),
        _images(4, 2, 2, 2, 3),
        _as_images(array([1000, 1001], [-1000, -1001]), 1, 1, 2),
        _as_images(array([10, 715], [0, 90]), 1, 1, 2, which="unlikely"),
        _as_images(array([0, 30, 5], [800, 0, 3]), 1, 1, 2, which="unlikely"),
        _as_images(scattered(), 2, 4, 5),
        _as_images(scattered(), 1, 8, 5, which="unlikely"),
    ),
    fresh=lambda rng: _images(int(rng.integers(10**6)), 3, 2, 2, 3),
    time_limit=20.0,
    also_right=(_pixels_by_columns, _pixels_by_one_hot),
    family=_pixel_family,
    switches=(
        Switch(
            "move",
            {
                "reshape": "A reshape keeps the memory's order: every row now mixes pixels "
                "with classes. Move the axis instead.",
                "sides": "Height and width have changed places on the way. They keep their "
                "order.",
                "0321": "The classes come last, but width stands before height. The pixels "
                "keep their order, as the labels have them.",
                "0123": "The classes are not moved: the loss takes the last axis for them, and "
                "that is the width.",
            },
        ),
        Switch(
            "move",
            {
                "0312": "The axes are turned the wrong way, as from last to first: what comes "
                "last is the height, not the classes.",
                "0132": "Height and width have changed places, and the classes are still on "
                "axis 1. They belong on the last.",
                "0213": "Classes and height have changed places. The classes belong on the "
                "last axis.",
                "3210": "All axes are turned round. The batch stays first, only the classes go "
                "to the end.",
                "1230": "The batch has become the last axis. It stays first, only the classes "
                "go to the end.",
            },
            most=2,
        ),
        Switch(
            "before",
            {
                "classes": "Softmax is applied twice: this loss has its own.",
                "width": "There is a softmax over the width before the loss. The loss has its "
                "own, over the classes.",
                "batch": "There is a softmax over the batch before the loss. The loss has its "
                "own, over the classes.",
                "twice": "Two softmaxes stand before the loss, which has its own. Take all of "
                "yours away.",
                "clipped": CLIPPED_LOGITS,
                "clipped shares": CLIPPED_LOGITS,
            },
        ),
        Switch(
            "summed",
            {
                "width": "The log-sum-exp runs over the width. It must run over the classes.",
                "height": "The log-sum-exp runs over the height. It must run over the classes.",
                "batch": "The log-sum-exp runs over the batch. It must run over the classes.",
                "all": "One log-sum-exp serves all pixels. Each has its own, over the classes.",
            },
            most=2,
        ),
        Switch(
            "axis",
            {
                0: "The probabilities of your loss add up to 1 over the batch. They must do "
                "so over the classes.",
                1: "The probabilities of your loss add up to 1 over the height. They must do "
                "so over the classes.",
                2: "The probabilities of your loss add up to 1 over the width. They must do "
                "so over the classes.",
            },
        ),
        Switch(
            "form",
            {
                "logits": "Logits are picked where log-probabilities are due: nothing was "
                "normalised.",
                "probs": "Probabilities are picked where their logarithms are due.",
                "quotient": QUOTIENT,
                "quotient, in a sum": QUOTIENT,
            },
            sets={"quotient, in a sum": {"form": "quotient", "pick": "sum"}},
        ),
        Switch("shift", SHIFTS, sets=SUMMED),
        small_number("epsilon", ADDED, guess=ceilings),
        small_number("floor", CLIPPED, both=(1e-7, 1e-8), guess=ceilings),
        Switch(
            "pick",
            {
                "narrow": NARROW,
                "laid": ONE_HOT_LAID,
                "laid by hand": ONE_HOT_LAID,
                "width": "Softmax and sum run over the last axis, the width. The classes are "
                "on axis 1, in logits and one-hot targets alike.",
            },
            most=2,
        ),
        Switch(
            "sign", {-1: "The sign is turned round. A loss falls where the true class gains."}
        ),
        Switch(
            "reduction",
            {
                "sum": "This is the sum over all pixels. One loss per pixel is wanted.",
                "mean": "This is the mean over all pixels. One loss per pixel is wanted.",
                "images": "This is one loss per image. One per pixel is wanted.",
                "batch": "This is the mean over the batch. One loss per pixel of each image is "
                "wanted.",
                "sum of batch": "This is the sum over the batch. One loss per pixel of each "
                "image is wanted.",
                "rows": "This is one mean per row of pixels. One loss per pixel is wanted.",
                "sums of rows": "This is one sum per row of pixels. One loss per pixel is "
                "wanted.",
                "sums of images": "This is the sum over each image. One loss per pixel is "
                "wanted.",
                "transposed": "Height and width have changed places in the result. Return the "
                "shape of the labels.",
                "flat": "The pixels come in one long row. Return the shape of the labels.",
                "column": "A last axis of length 1 is left in the result. Return the shape of "
                "the labels.",
                "front": "An axis of length 1 is left where the classes were. Return the "
                "shape of the labels.",
                "classes too": "You divide by the number of classes. The loss of a pixel is "
                "one term of the sum over classes, not a mean.",
            },
            most=2,
        ),
    ),
    mistakes=(
        Mistake(
            "binary",
            lambda z, y: np.sum(
                np.logaddexp(0, z) - z * np.moveaxis(np.eye(z.shape[1])[y], -1, 1), axis=1
            ),
            BINARY,
        ),
        Mistake("binary, not summed", _binary_pixels, BINARY),
        Mistake("binary, mean", lambda z, y: _binary_pixels(z, y).mean(axis=-1), BINARY),
    ),
)


# weighted_mean: NumPy.


def _weighted_mean(log_probs, labels, weights):
    return pytorch.nll_loss(log_probs, labels, weights, ignore_index=-100)


def _by_dot(log_probs, labels, weights):
    kept = labels != -100
    given = weights[labels[kept]]
    return -np.dot(given, log_probs[kept, labels[kept]]) / np.sum(given)


def _by_loop(log_probs, labels, weights):
    total = count = np.float64(0)  # whose 0 / 0 is nan
    for row, label in zip(log_probs, labels, strict=True):
        if label != -100:
            total -= weights[label] * row[label]
            count += weights[label]
    return total / count


def _weighted_family(
    log_probs, labels, weights, *, divisor="weights", used="class", ignored="left out",
    pick="label", empty="nan", form="logs", sign=1,
):  # fmt: skip
    kept, count = labels != -100, len(labels)
    if ignored == "indexed" and not kept.all():
        raise IndexError("-100 is out of bounds.")
    if ignored in ("class 0", "last class"):
        labels = np.where(kept, labels, 0 if ignored == "class 0" else log_probs.shape[1] - 1)
        kept = np.full(count, True)
    elif ignored == "class 0 too":
        kept = labels > 0
    places, left_out = np.flatnonzero(kept), count - kept.sum()
    labels = labels[: len(places)] if ignored == "out of step" else labels[kept]
    if ignored == "stops":
        places = places[places < np.append(np.flatnonzero(~kept), count)[0]]
        labels = labels[: len(places)]
    if pick == "last":
        places, labels = places[-1:], labels[-1:]
    if ignored == "rows out of step":
        places = np.arange(len(places))
    if used == "position":  # pairs end with the shorter of two
        places = places[places < len(weights)]
        labels = labels[: len(places)]
    if (labels == -100).any():
        raise IndexError("-100 is out of bounds.")
    if empty == "raises" and not places.size:
        raise ZeroDivisionError("division by zero")
    table = {"logs": lambda p: p, "probs": np.exp, "log twice": np.log}[form](log_probs[places])
    given = {
        "class": lambda: weights[labels],
        "none": lambda: np.ones(len(labels)),
        "inverse": lambda: 1 / weights[labels],
        "squared": lambda: weights[labels] ** 2,
        "root": lambda: np.sqrt(weights[labels]),
        "position": lambda: weights[places],
        "place among the kept": lambda: _as_many(weights, len(labels)),
    }[used]()
    at_label = {
        "label": lambda: table[np.arange(len(labels)), labels],
        "table": lambda: table[:, labels],
        "last": lambda: table[np.arange(len(labels)), labels],
        "most likely": lambda: table.max(axis=1),
    }[pick]()
    terms = -sign * given * at_label
    if divisor in ("losses", "shares"):
        return terms if divisor == "losses" else terms / given.sum()
    by = {
        "weights": given.sum,
        "class weights": lambda: weights[labels].sum(),
        "all": lambda: count,
        "kept": lambda: terms.size,
        "all weights": weights.sum,
        "weights once": lambda: weights[np.unique(labels)].sum(),
        "classes": lambda: log_probs.shape[1],
        "classes that occur": lambda: len(np.unique(labels)),
        "ignored too": lambda: given.sum() + left_out,
        "with class 0": lambda: given.sum() + left_out * weights[0],
        "with last class": lambda: given.sum() + left_out * weights[-1],
        "none": lambda: 1,
        "weights and count": lambda: given.sum() * len(labels),
    }[divisor]()
    if isinstance(empty, float):
        by = by + empty
    elif empty == "at least 1":
        by = max(by, 1)
    elif empty == "zero" and by == 0:
        return 0.0
    return terms.sum() / np.float64(by)


def _as_many(weights, count):
    if len(weights) != count:
        raise ValueError("operands could not be broadcast together")
    return weights


ZERO = (
    "Where all labels are -100 your function gives 0, as a guarded divisor does. PyTorch, and "
    "the statement, have nan there."
)


def _weighted(labels, weights, *rows):
    return companion.log_softmax(array(*rows)), np.array(labels), np.array(weights, dtype=float)


weighted_mean = FunctionExercise(
    topic=TOPIC,
    minutes=8,
    trains="the divisor of a weighted mean",
    name="weighted_mean",
    stub='''
def weighted_mean(log_probs, labels, weights):
    """Mean of -log_probs[n, labels[n]], weighed as PyTorch does.

    Labels of -100 are ignored; nan if all are.
    """
    ...
''',
    answer="""
def weighted_mean(log_probs, labels, weights):
    kept = labels != -100
    log_probs, labels = log_probs[kept], labels[kept]
    losses = -log_probs[np.arange(len(labels)), labels]
    return (weights[labels] * losses).sum() / weights[labels].sum()
""",
    why="Each loss is multiplied by the weight of its class, and the sum divided by the "
    "weights that occur. Ignored examples are in neither, so 0 / 0 is left if all are ignored.",
    reference=_weighted_mean,
    hints=(
        "Which examples count, and how much does each?",
        "Multiply each loss by the weight of its class; divide by the sum of those weights.",
        "After dropping the ignored: the divisor is `weights[labels].sum()`.",
    ),
    probes=(
        _weighted([0, 1], [1, 3], [0, 1], [2, 0]),
        _weighted([2, -100, 0], [0.5, 1, 2], [0, 1, 2], [1, 1, 0], [2, 0, 1]),
        _weighted(
            [-100, 1, 2, -100], [0.5, 0.3, 2], [0, 1, 2], [1, 3, 0], [2, 0, 1], [0, 0, 0.5]
        ),
        _weighted([1, 1, 0, 1], [4, 0.25], [0, 1], [2, 0], [1, 1], [-3, 2]),
        _weighted([0, 0, -100], [2, 1, 7, 3], [0, 1, 2, 3], [3, 0, 1, 1], [1, 2, 0, 0]),
        _weighted([1, 0], [2, 3, 1], [0, 1000, 0], [0, -1000, 5]),
        _weighted([2], [1, 2, 5], [0, 1, 3]),
        _weighted([1, 0, -100, 1], [0.25, 0.125], [0, 1], [2, 0], [1, 1], [-1, 2]),
        _weighted([-100, -100], [1, 3], [0, 1], [2, 0]),
    ),
    fresh=lambda rng: (
        companion.log_softmax(rng.normal(size=(6, 3))),
        np.array([0, 1, 2, -100, *rng.integers(3, size=2)]),
        rng.uniform(0.5, 2, size=3),
    ),
    shortcuts=("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"),
    rtol=1e-6,  # of float32, if the result comes in it
    also_right=(_by_dot, _by_loop),
    family=_weighted_family,
    switches=(
        Switch(
            "ignored",
            {
                "class 0": "Examples with the label -100 are counted under class 0. Leave "
                "them out of both sums.",
                "class 0 too": "Class 0 is left out together with -100. It is a class like any "
                "other.",
                "indexed": "Where a label is -100 your function raises an IndexError. Leave "
                "such examples out before anything is looked up, rows and labels alike.",
                "out of step": "Rows are left out, their labels are not: from there on each "
                "row meets the label of another. Leave both out together.",
            },
        ),
        Switch(
            "pick",
            {
                "table": "The labels pick whole columns, so each row is charged for the labels "
                "of all others, too. Each row has its own label.",
            },
        ),
        Switch(
            "pick",
            {
                "most likely": "The most likely class is picked in all rows, whatever the "
                "label says.",
                "last": LAST,
            },
            most=2,
        ),
        Switch(
            "ignored",
            {
                "last class": "Examples with the label -100 are counted under the last class. "
                "Leave them out of both sums.",
                "rows out of step": "Labels are left out, their rows are not: from there on "
                "each label meets the row of another. Leave both out together.",
                "stops": "All that follows the first label -100 is left out. Only the examples "
                "with that label are.",
            },
            most=2,
        ),
        Switch(
            "used",
            {
                "none": "The weights have no effect on the losses. Each loss counts as much "
                "as the weight of its class says.",
                "squared": "The weights enter each loss twice. Once is enough.",
                "divisor only": "The losses are not weighted, only the divisor is. Each loss "
                "counts as much as the weight of its class says.",
                "position": "The weights are taken in the order of the examples. They belong "
                "to classes: the label says which one counts.",
            },
            sets={"divisor only": {"used": "none", "divisor": "class weights"}},
        ),
        Switch(
            "used",
            {
                "inverse": "You divide each loss by the weight of its class. A large weight "
                "makes a loss count more.",
                "root": "You take the roots of the weights. They count as they are.",
                "losses twice": "The weights enter each loss twice, and the divisor once.",
                "place among the kept": "The weights are laid along the examples that count. "
                "They belong to classes: the label says which one counts.",
            },
            most=2,
            sets={"losses twice": {"used": "squared", "divisor": "class weights"}},
        ),
        Switch(
            "divisor",
            {
                "all": "You divide by the number of examples, ignored ones included. PyTorch "
                "divides by the weights that occur.",
                "kept": "This is a plain mean over what counts. PyTorch divides by the weights "
                "that occur.",
                "all weights": "You divide by the sum of all class weights. Those of the "
                "labels that occur count, each as often as it occurs.",
                "ignored too": "The ignored examples are still in the divisor, with weight 1. "
                "They belong nowhere.",
                "with class 0": "The ignored examples are still in the divisor, with the "
                "weight of class 0. They belong nowhere.",
                "none": "This is the weighted sum. It is still to be divided.",
                "losses": "You return one number per example. Their weighted mean is wanted.",
            },
        ),
        Switch(
            "divisor",
            {
                "with last class": "The ignored examples are still in the divisor, with the "
                "weight of the last class. They belong nowhere.",
                "weights and count": "You divide twice, by the weights and by the number of "
                "examples. The weights are enough.",
                "weights once": "You divide by the weights of the classes that occur, each "
                "taken once. Each counts as often as it occurs.",
                "classes": "You divide by the number of classes. PyTorch divides by the "
                "weights that occur.",
                "classes that occur": "You divide by the number of classes that occur. PyTorch "
                "divides by the weights that occur.",
                "shares": "You return one share per example. Their sum is wanted.",
            },
            most=2,
        ),
        Switch(
            "form",
            {
                "probs": "You take exp of the log-probabilities. The loss is minus the "
                "log-probability itself.",
                "log twice": "You take the logarithm of log-probabilities, which are negative. "
                "They are logarithms already.",
            },
        ),
        Switch(
            "sign",
            {-1: "The sign is turned round: log-probabilities are negative, a loss is not."},
        ),
        Switch(
            "empty",
            {
                "raises": "Where all labels are -100 your function raises an error. PyTorch, "
                "and the statement, have nan there.",
                **dict.fromkeys(("zero", 1e-3, 1e-4, 1e-5, 1e-6, "at least 1"), ZERO),
            },
        ),
    ),
)


# mean_kl: PyTorch.


def _mean_kl(teacher_logits, student_logits):
    teacher, student = (
        companion.log_softmax(teacher_logits),
        companion.log_softmax(student_logits),
    )
    return (np.exp(teacher) * (teacher - student)).sum(axis=-1).mean()


def _kl_by_rows(teacher_logits, student_logits):
    log_student = F.log_softmax(student_logits, dim=1)
    terms = F.kl_div(log_student, F.softmax(teacher_logits, dim=1), reduction="none")
    return terms.sum(1).mean()


def _kl_of_logs(teacher_logits, student_logits):
    log_teacher, log_student = teacher_logits.log_softmax(1), student_logits.log_softmax(1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def _kl_by_hand(teacher_logits, student_logits):
    log_teacher, log_student = teacher_logits.log_softmax(1), student_logits.log_softmax(1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(1).mean()


def _kl_family(
    teacher_logits, student_logits, *, order="right", temperature=1, factor=1, axis=1,
    model_axis=1, student="logs", target="probs", epsilon=0.0, floor=0.0, upper=False,
    entropy=True, sign=1, reduction="batchmean",
):  # fmt: skip
    given, model = teacher_logits / temperature, student_logits / temperature
    if order == "swapped":
        given, model = model, given
    log_target = companion.log_softmax(given, axis=axis)
    truth = {
        "probs": lambda: np.exp(log_target),
        "logs": lambda: log_target,
        "logits": lambda: given,
        "hard": lambda: np.eye(given.shape[1])[given.argmax(axis=1)],
        "probs as logs": lambda: np.exp(np.exp(log_target)),
        "logits as logs": lambda: np.exp(given),
    }[target]()
    if target == "logits as logs":
        log_target = given
    elif target == "probs as logs":
        log_target = np.exp(log_target)
    elif (
        target != "probs"
    ):  # as kl_div does it: nan where what it takes for probabilities is < 0
        log_target = np.log(truth)
    logs = _logs(
        model,
        model_axis,
        "quotient" if student.startswith("quotient") else student,
        epsilon,
        floor,
        upper,
    )
    own = np.where(truth == 0, 0.0, truth * log_target) if entropy else 0.0
    cross = truth * logs
    if student == "quotient, guarded":
        cross = np.where(truth == 0, 0.0, cross)
    if student == "quotient of both":  # 0 times the logarithm of 0 is nan
        own = truth * np.log(truth) if entropy else 0.0
    terms = own - cross
    if target.endswith("as logs") and entropy:  # as kl_div does it: exp(1000) is inf, not nan
        terms = truth * (log_target - logs)
    terms = sign * factor * terms
    return {
        "batchmean": lambda: terms.sum(axis=1).mean(),
        "mean": terms.mean,
        "sum": terms.sum,
        "classes": lambda: terms.sum() / terms.shape[1],
        "twice": lambda: terms.sum(axis=1).mean() / len(terms),
        "rows": lambda: terms.sum(axis=1),
        "means of rows": lambda: terms.mean(axis=1),
        "columns": lambda: terms.sum(axis=0),
        "none": lambda: terms,
    }[reduction]()


UNDERFLOW = (
    "Where a probability underflows to 0, at a gap of 1000, your result is not finite. Work "
    "with log-probabilities, made in one step: they stay finite."
)
HEATED = (
    "The logits are divided by a temperature. Here the distributions are compared as they are, "
    "without one."
)


def _pairs():
    # An unsure teacher: a tiny p log p would be noise where an answer cancels it.
    wild = [rows for rows in _rows() if rows.shape[1] > 1]
    pairs = [(3 * rows / np.abs(rows).max(), rows[:, ::-1].copy()) for rows in wild]
    pairs += [(rows, rows[:, ::-1].copy()) for rows in wild if np.abs(rows).max() == 3000]
    return [
        (array([1, 0, -1]), array([0, 0.5, 0])),
        (array([1, 2, 3], [0, 1, 0]), array([0, 0, 1], [2, 1, 0])),
        (array([3, 0], [0, 1], [1, 1]), array([0, 1], [2, 0], [0, -1])),
        (array([3], [1]), array([2], [0])),
        (array([0, 0]), array([0, 800])),
        (array([0, 0, 1]), array([1000, 0, 0])),
        *pairs,
    ]


mean_kl = NativeExercise(
    topic=TOPIC,
    minutes=10,
    trains="the three conventions of kl_div",
    name="mean_kl",
    framework="torch",
    stub='''
def mean_kl(teacher_logits, student_logits):
    """Mean of KL(softmax(teacher), softmax(student)) over rows; both (N, C)."""
    ...
''',
    answer="""
def mean_kl(teacher_logits, student_logits):
    log_student = F.log_softmax(student_logits, dim=1)
    teacher = F.softmax(teacher_logits, dim=1)
    return F.kl_div(log_student, teacher, reduction="batchmean")
""",
    why="The model comes first and as logarithms, the truth second and as probabilities, and "
    '"batchmean" is the mean over rows; "mean" divides by the classes too.',
    reference=_mean_kl,
    hints=(
        "Three things to get right: the order, the logarithm, the reduction.",
        "First the student's log-probabilities, then the teacher's probabilities.",
        'The mean over rows is called reduction="batchmean".',
    ),
    probes=tuple(_pairs()),
    fresh=lambda rng: tuple(rng.normal(size=(2, 4, 3))),
    also_right=(_kl_by_rows, _kl_of_logs, _kl_by_hand),
    family=_kl_family,
    switches=(
        Switch(
            "order",
            {
                "swapped": "Teacher and student have changed places. `kl_div` takes the model "
                "first, the truth second."
            },
        ),
        Switch(
            "target",
            {
                "logs": "The target comes as log-probabilities, which are negative, where "
                "probabilities are expected. One argument of kl_div tells it so.",
                "logits": "The target comes as logits, where probabilities are expected.",
                "probs as logs": "The target is read as log-probabilities, but it holds "
                "probabilities. One argument of kl_div says which of the two it gets.",
                "hard": "The most likely class is taken for a label. The target is the whole "
                "distribution.",
                "logits as logs": "The target is read as log-probabilities, but it holds "
                "logits, which are not normalised.",
            },
        ),
        Switch(
            "student",
            {
                "probs": "The model's side must be log-probabilities. These are probabilities.",
                "logits": "The model's side must be log-probabilities. Logits are not "
                "normalised.",
                "quotient": UNDERFLOW,
                "quotient, guarded": UNDERFLOW,
                "quotient of both": UNDERFLOW,
            },
        ),
        Switch(
            "axis",
            {
                0: "Softmax runs over the batch. The classes are on axis 1.",
                "model": "The model's softmax runs over the batch. The classes are on axis 1.",
                "target": "The target's softmax runs over the batch. The classes are on axis "
                "1.",
            },
            sets={
                0: {"axis": 0, "model_axis": 0},
                "model": {"model_axis": 0},
                "target": {"axis": 0},
            },
        ),
        Switch(
            "temperature",
            dict.fromkeys((2, 3, 4, 5, 10), HEATED)
            | {f"{t}, with its square": HEATED for t in (2, 3, 4, 5, 10)},
            most=2,
            sets={
                f"{t}, with its square": {"temperature": t, "factor": t * t}
                for t in (2, 3, 4, 5, 10)
            },
        ),
        small_number("epsilon", ADDED, guess=ceilings),
        small_number("floor", CLIPPED, both=(1e-7, 1e-8), guess=ceilings),
        Switch(
            "entropy",
            {False: "This is a cross-entropy: the entropy of the target is still to come off."},
        ),
        Switch(
            "factor",
            {float(1 / np.log(2)): BASES["two"]},
            most=2,
        ),
        Switch(
            "sign", {-1: "The sign is turned round. A divergence is never negative."}, most=2
        ),
        Switch(
            "reduction",
            {
                "mean": "You divide by the number of classes as well. The mean over rows has "
                "another name.",
                "sum": "This is the sum over the batch. The mean over rows is wanted.",
                "classes": "You divide by the number of classes. The mean runs over the rows.",
                "twice": "You divide by the number of rows twice. One of the two is enough.",
                "rows": "This is one number per row. Their mean is wanted.",
                "means of rows": "This is one number per row, divided by the number of "
                "classes. Sum over the classes, and take the mean over the rows.",
                "columns": "This is one number per class, summed over the batch. The sum runs "
                "over the classes, the mean over the rows.",
                "none": "This is one number per row and class. The sum over the classes, and "
                "the mean over the rows, are still to come.",
            },
        ),
    ),
    mistakes=(
        Mistake(
            "symmetrised",
            lambda v, z: (_mean_kl(v, z) + _mean_kl(z, v)) / 2,
            "This is the mean of both directions. Only that from the teacher to the student is "
            "asked for.",
        ),
        Mistake(
            "squared",
            lambda v, z: ((companion.softmax(v) - companion.softmax(z)) ** 2).mean(),
            "This is a squared error of the probabilities. The KL divergence is asked for.",
        ),
        Mistake(
            "squared-logits",
            lambda v, z: ((v - z) ** 2).mean(),
            "This is a squared error of the logits. The KL divergence is asked for.",
        ),
    ),
)


# floor: one number.


def _floor():
    best = companion.one_hot(0, 4)  # the probabilities of a sure and right answer
    return float(companion.softmax_cross_entropy_with_labels(best, 0))


floor = NumberExercise(
    topic=TOPIC,
    minutes=5,
    trains="what a second softmax costs",
    name="floor",
    stub="floor = ...",
    answer="floor = np.log(1 + 3 / np.e)",
    why="At best the loss gets a 1 at the true class and zeros elsewhere, as logits: "
    "-log(e / (e + 3)).",
    reference=_floor,
    hints=(
        "What are the largest and smallest numbers that a softmax can hand on?",
        "The best case is 1 at the true class and 0 at three others. Treat these as logits.",
        "It is minus the logarithm of e / (e + 3).",
    ),
    also_right=(0.7437, 0.744, np.float64(-np.log(np.e / (np.e + 3)))),
    mistakes=(
        Mistake("zero", 0.0, "With logits 0 is the limit. A logit is never above 1 here."),
        Mistake(
            "uniform",
            float(np.log(4)),
            "That is the loss of four equal classes: the start, not the floor.",
        ),
        Mistake(
            "four-others",
            float(np.log(1 + 4 / np.e)),
            "There are three other classes, not four.",
        ),
        Mistake(
            "ten-classes",
            float(np.log(1 + 9 / np.e)),
            "That is the floor with ten classes. Here there are four.",
        ),
        Mistake(
            "two-classes",
            float(np.log(1 + 1 / np.e)),
            "That is the floor with two classes. Here there are four.",
        ),
        Mistake(
            "three-classes",
            float(np.log(1 + 2 / np.e)),
            "That is the floor with three classes. Here there are four.",
        ),
        Mistake(
            "not-negated",
            float(np.log(np.e / (np.e + 3))),
            "The sign is missing: a loss is not negative.",
        ),
        Mistake(
            "probability",
            float(np.e / (np.e + 3)),
            "That is the probability which the second softmax gives. Take minus its logarithm.",
        ),
        Mistake(
            "in-bits",
            float(np.log2(1 + 3 / np.e)),
            "That is the floor in bits. The loss counts in nats.",
        ),
        Mistake(
            "log-sum",
            float(np.log(np.e + 3)),
            "That is the logarithm of the sum. The true class's own logit is still to come "
            "off.",
        ),
        Mistake(
            "worst",
            float(np.log(1 + 3 * np.e)),
            "The other classes lie above the true one in your sum. At best they lie below it.",
        ),
    ),
)


# silent: a choice.


silent = ChoiceExercise(
    topic=TOPIC,
    minutes=5,
    trains="labels that are out of range",
    name="silent",
    stub='silent = ...  # "a", "b", "c" or "d"',
    answer='silent = "c"',
    why="`tf.one_hot` makes a row of zeros of a label that is out of range, and a target of "
    "zeros costs 0 whatever the model says. The others raise.",
    reference=lambda: "c",  # a test runs all four
    options={
        "a": "`F.cross_entropy(z, y)`",
        "b": "`tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)`",
        "c": "`tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(y, 3), z)`",
        "d": "`-log_softmax(z)[n, y]`, in NumPy",
    },
    hints=(
        "Run each of them, with y = [3] and z of three classes, as an array or a tensor.",
        "Indexing past the end is an error in most places. Which call does no indexing?",
        "Look at what `tf.one_hot(3, 3)` returns.",
    ),
    also_right=("C", "(c)"),
    mistakes=(
        Mistake("a", "a", "PyTorch raises an IndexError: the target is out of bounds."),
        Mistake(
            "b", "b", "TensorFlow raises on a CPU. Compiled by XLA, or on a GPU, it says nan."
        ),
        Mistake("d", "d", "NumPy raises for 3 of 3 classes. It is -1 that it takes silently."),
    ),
)
