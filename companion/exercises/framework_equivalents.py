"""Exercises of the chapter *Framework equivalents*."""

import numpy as np

import companion
from companion.equivalents import pytorch
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)
from companion.exercises.native import Lazy, NativeExercise, on_tensors

F = Lazy("torch.nn.functional")
torch = Lazy("torch")
tf = Lazy("tensorflow")


def in_torch(function):
    return on_tensors("torch", function)


def in_tensorflow(function):
    return on_tensors("tensorflow", function)


def array(*rows):
    return np.array(rows, dtype=float)


# mended_loss: PyTorch.


def _mean_loss(logits, labels):
    return companion.softmax_cross_entropy_with_labels(logits, labels).mean()


def _batch(rng):
    return 2 * rng.normal(size=(5, 3)), rng.integers(3, size=5)


mended_loss = NativeExercise(
    name="mended_loss",
    framework="torch",
    stub='''
def mended_loss(logits, labels):
    """Mean cross-entropy of a batch."""
    return F.cross_entropy(F.softmax(logits, dim=0), labels)
''',
    answer='''
def mended_loss(logits, labels):
    """Mean cross-entropy of a batch."""
    return F.cross_entropy(logits, labels)
''',
    why="The loss has softmax inside, over axis 1. Whatever stands before it is one softmax "
    "too "
    "many.",
    reference=_mean_loss,
    hints=(
        "What does `F.cross_entropy` expect, and what does it get?",
        "It has its own softmax, over the right axis.",
        "Give it the logits as they are.",
    ),
    probes=(
        (array([2, -1, 0.5]), np.array([1])),
        (array([1, 2, 3], [0, -1, 1]), np.array([2, 0])),
        (array([1000, 0, 1], [0, 500, 2]), np.array([1, 1])),
    ),
    fresh=_batch,
    also_right=(
        in_torch(lambda z, y: F.nll_loss(F.log_softmax(z, dim=1), y)),
        in_torch(lambda z, y: (torch.logsumexp(z, 1) - z.gather(1, y[:, None])[:, 0]).mean()),
        in_torch(lambda z, y: torch.nn.CrossEntropyLoss()(z, y)),
    ),
    mistakes=(
        Mistake(
            "wrong-axis",
            in_torch(lambda z, y: F.cross_entropy(F.softmax(z, dim=0), y)),
            "There is still a softmax before the loss, and it runs over the batch, not over "
            "the "
            "classes.",
        ),
        Mistake(
            "twice",
            in_torch(lambda z, y: F.cross_entropy(F.softmax(z, dim=1), y)),
            "The axis is mended, but softmax is applied twice: the loss applies its own.",
        ),
        Mistake(
            "nll-of-logits",
            in_torch(lambda z, y: F.nll_loss(z, y)),
            "`nll_loss` takes no logarithm and no softmax: it expects log-probabilities.",
        ),
        Mistake(
            "nll-of-probs",
            in_torch(lambda z, y: F.nll_loss(F.softmax(z, dim=1), y)),
            "`nll_loss` got probabilities, so the loss is negative. It expects their "
            "logarithms.",
        ),
        Mistake(
            "log-of-softmax",
            in_torch(lambda z, y: F.nll_loss(torch.log(F.softmax(z, dim=1)), y)),
            "Right for small gaps. At a gap of 1000 softmax rounds to 0 and its logarithm is "
            "-inf.",
        ),
        Mistake(
            "sum",
            in_torch(lambda z, y: F.cross_entropy(z, y, reduction="sum")),
            "This is the sum over the batch. The mean is wanted.",
        ),
        Mistake(
            "none",
            in_torch(lambda z, y: F.cross_entropy(z, y, reduction="none")),
            "This is one loss per example. Their mean is wanted.",
        ),
        Mistake(
            "log-softmax-over-batch",
            in_torch(lambda z, y: F.nll_loss(F.log_softmax(z, dim=0), y)),
            "The logarithm is right and the axis is not: the classes are on axis 1.",
        ),
    ),
)


# pixel_losses: TensorFlow.


def _pixels(logits, labels):
    return companion.softmax_cross_entropy_with_labels(np.moveaxis(logits, 1, -1), labels)


def _sparse(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _images(seed, classes, *size):
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(size[0], classes, *size[1:])), rng.integers(classes, size=size)


def _by_columns(logits, labels):
    # Width before height on the way, and back again.
    losses = _sparse(tf.transpose(labels, [0, 2, 1]), tf.transpose(logits, [0, 3, 2, 1]))
    return tf.transpose(losses, [0, 2, 1])


def _swapped_sides_wrongly(logits, labels):
    across = tf.transpose(logits, [0, 3, 2, 1])
    shape = tf.concat([tf.shape(labels), [-1]], axis=0)
    return _sparse(labels, tf.reshape(across, shape))


def _reshaped(logits, labels):
    return _sparse(labels, tf.reshape(logits, [*labels.shape, logits.shape[1]]))


def _to_last(logits):
    return tf.transpose(logits, [0, 2, 3, 1])


pixel_losses = NativeExercise(
    name="pixel_losses",
    framework="tensorflow",
    stub='''
def pixel_losses(logits, labels):
    """Cross-entropy of each pixel: logits (N, C, H, W), labels (N, H, W)."""
    ...
''',
    answer='''
def pixel_losses(logits, labels):
    """Cross-entropy of each pixel: logits (N, C, H, W), labels (N, H, W)."""
    last = tf.transpose(logits, [0, 2, 3, 1])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=last)
''',
    why="TensorFlow's sparse loss has its classes on the last axis and no argument for "
    "another. Only a transpose moves an axis; a reshape cuts the memory anew.",
    reference=_pixels,
    hints=(
        "Where does TensorFlow look for the classes?",
        "The axis of the classes, 1, must become the last. The pixels keep their order.",
        "Transpose with the permutation [0, 2, 3, 1], then take the loss.",
    ),
    probes=(
        _images(0, 3, 1, 2, 2),
        _images(1, 4, 2, 3, 2),
        _images(2, 2, 2, 2, 3),
    ),
    fresh=lambda rng: _images(int(rng.integers(10**6)), 3, 2, 2, 3),
    time_limit=20.0,
    also_right=(
        in_tensorflow(_by_columns),
        in_tensorflow(
            lambda z, y: tf.nn.softmax_cross_entropy_with_logits(
                tf.one_hot(y, z.shape[1], axis=1, dtype=z.dtype), z, axis=1
            )
        ),
    ),
    mistakes=(
        Mistake(
            "reshape",
            in_tensorflow(_reshaped),
            "A reshape keeps the memory's order: every row now mixes pixels with classes. Move "
            "the axis instead.",
        ),
        Mistake(
            "sides-swapped",
            in_tensorflow(_swapped_sides_wrongly),
            "Height and width have changed places on the way. They keep their order.",
        ),
        Mistake(
            "softmax-first",
            in_tensorflow(lambda z, y: _sparse(y, tf.nn.softmax(_to_last(z)))),
            "Softmax is applied twice: this loss has its own.",
        ),
        Mistake(
            "sum",
            in_tensorflow(lambda z, y: tf.reduce_sum(_sparse(y, _to_last(z)))),
            "This is the sum over all pixels. One loss per pixel is wanted.",
        ),
        Mistake(
            "mean",
            in_tensorflow(lambda z, y: tf.reduce_mean(_sparse(y, _to_last(z)))),
            "This is the mean. One loss per pixel is wanted.",
        ),
        Mistake(
            "mean-per-image",
            in_tensorflow(lambda z, y: tf.reduce_mean(_sparse(y, _to_last(z)), axis=[1, 2])),
            "This is one loss per image. One per pixel is wanted.",
        ),
        Mistake(
            "sign",
            in_tensorflow(lambda z, y: -_sparse(y, _to_last(z))),
            "The sign is turned round: TensorFlow's function returns the loss itself.",
        ),
    ),
)


# weighted_mean: NumPy.


def _weighted_mean(log_probs, labels, weights):
    return pytorch.nll_loss(log_probs, labels, weights, ignore_index=-100)


def _kept(log_probs, labels, weights):
    kept = labels != -100
    labels = labels[kept]
    return -log_probs[kept, labels], weights[labels]


def _by_average(log_probs, labels, weights):
    losses, given = _kept(log_probs, labels, weights)
    return np.average(losses, weights=given)


def _by_loop(log_probs, labels, weights):
    total = count = 0.0
    for row, label in zip(log_probs, labels, strict=True):
        if label != -100:
            total -= weights[label] * row[label]
            count += weights[label]
    return total / count


def _over_all(log_probs, labels, weights):
    losses, given = _kept(log_probs, labels, weights)
    return (losses * given).sum() / len(labels)


def _over_kept(log_probs, labels, weights):
    losses, given = _kept(log_probs, labels, weights)
    return (losses * given).mean()


def _unweighted(log_probs, labels, weights):
    return _kept(log_probs, labels, weights)[0].mean()


def _nothing_ignored(log_probs, labels, weights):
    labels = np.where(labels == -100, log_probs.shape[1] - 1, labels)
    return np.average(-log_probs[np.arange(len(labels)), labels], weights=weights[labels])


def _all_in_the_divisor(log_probs, labels, weights):
    losses, given = _kept(log_probs, labels, weights)
    ignored = (labels == -100).sum()
    return (losses * given).sum() / (given.sum() + ignored)


def _sum(log_probs, labels, weights):
    losses, given = _kept(log_probs, labels, weights)
    return (losses * given).sum()


def _log_probs(*rows):
    return companion.log_softmax(array(*rows))


weighted_mean = FunctionExercise(
    name="weighted_mean",
    stub='''
def weighted_mean(log_probs, labels, weights):
    """Mean of -log_probs[n, labels[n]] as PyTorch weighs it; -100 is ignored."""
    ...
''',
    answer='''
def weighted_mean(log_probs, labels, weights):
    """Mean of -log_probs[n, labels[n]] as PyTorch weighs it; -100 is ignored."""
    kept = labels != -100
    log_probs, labels = log_probs[kept], labels[kept]
    losses = -log_probs[np.arange(len(labels)), labels]
    return (weights[labels] * losses).sum() / weights[labels].sum()
''',
    why="Each loss is multiplied by the weight of its class, and the sum divided by the "
    "weights "
    "that occur. Ignored examples are in neither.",
    reference=_weighted_mean,
    hints=(
        "Which examples count, and how much does each?",
        "Multiply each loss by the weight of its class; divide by the sum of those weights.",
        "After dropping the ignored: the divisor is `weights[labels].sum()`.",
    ),
    probes=(
        (_log_probs([0, 1], [2, 0]), np.array([0, 1]), np.array([1.0, 3.0])),
        (
            _log_probs([0, 1, 2], [1, 1, 0], [2, 0, 1]),
            np.array([2, -100, 0]),
            np.array([0.5, 1.0, 2.0]),
        ),
        (
            _log_probs([0, 1, 2], [1, 3, 0], [2, 0, 1], [0, 0, 0.5]),
            np.array([-100, 1, 2, -100]),
            np.array([0.5, 0.3, 2.0]),
        ),
    ),
    fresh=lambda rng: (
        companion.log_softmax(rng.normal(size=(6, 3))),
        np.array([0, 1, 2, -100, *rng.integers(3, size=2)]),
        rng.uniform(0.5, 2, size=3),
    ),
    shortcuts=("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"),
    also_right=(_by_average, _by_loop),
    mistakes=(
        Mistake(
            "over-all",
            _over_all,
            "You divide by the number of examples, ignored ones included. PyTorch divides by "
            "the "
            "weights that occur.",
        ),
        Mistake(
            "over-kept",
            _over_kept,
            "You divide by the number of examples that count. PyTorch divides by their "
            "weights.",
        ),
        Mistake("unweighted", _unweighted, "The weights are not used at all."),
        Mistake(
            "nothing-ignored",
            _nothing_ignored,
            "The label -100 was counted as the last class. Leave those examples out.",
        ),
        Mistake(
            "all-in-the-divisor",
            _all_in_the_divisor,
            "The ignored examples are still in the divisor, with weight 1. They belong "
            "nowhere.",
        ),
        Mistake(
            "over-all-weights",
            lambda log_probs, labels, weights: _sum(log_probs, labels, weights) / weights.sum(),
            "You divide by the sum of all class weights. Those of the labels that occur count, "
            "each as often as it occurs.",
        ),
        Mistake("sum", _sum, "This is the weighted sum. It is still to be divided."),
        Mistake(
            "sign",
            lambda log_probs, labels, weights: -_weighted_mean(log_probs, labels, weights),
            "The sign is missing: log-probabilities are negative, a loss is not.",
        ),
    ),
)


# mean_kl: PyTorch.


def _mean_kl(teacher_logits, student_logits):
    teacher, student = companion.softmax(teacher_logits), companion.softmax(student_logits)
    return companion.kl_divergence(teacher, student).mean()


def _kl(input, target, **given):
    return F.kl_div(input, target, **given)


def _log(logits):
    return F.log_softmax(logits, dim=1)


def _probs(logits):
    return F.softmax(logits, dim=1)


mean_kl = NativeExercise(
    name="mean_kl",
    framework="torch",
    stub='''
def mean_kl(teacher_logits, student_logits):
    """Mean over the rows of KL(softmax(teacher), softmax(student)), both (N, C)."""
    ...
''',
    answer='''
def mean_kl(teacher_logits, student_logits):
    """Mean over the rows of KL(softmax(teacher), softmax(student)), both (N, C)."""
    log_student = F.log_softmax(student_logits, dim=1)
    teacher = F.softmax(teacher_logits, dim=1)
    return F.kl_div(log_student, teacher, reduction="batchmean")
''',
    why="The model comes first and as logarithms, the truth second and as probabilities, and "
    '"batchmean" is the mean over rows; "mean" divides by the classes too.',
    reference=_mean_kl,
    hints=(
        "Three things to get right: the order, the logarithm, the reduction.",
        "First the student's log-probabilities, then the teacher's probabilities.",
        'The mean over rows is called reduction="batchmean".',
    ),
    probes=(
        (array([1, 0, -1]), array([0, 0.5, 0])),
        (array([1, 2, 3], [0, 1, 0]), array([0, 0, 1], [2, 1, 0])),
        (array([3, 0], [0, 1], [1, 1]), array([0, 1], [2, 0], [0, -1])),
    ),
    fresh=lambda rng: tuple(rng.normal(size=(2, 4, 3))),
    also_right=(
        in_torch(lambda v, z: _kl(_log(z), _probs(v), reduction="none").sum(1).mean()),
        in_torch(lambda v, z: _kl(_log(z), _log(v), reduction="batchmean", log_target=True)),
        in_torch(lambda v, z: (_probs(v) * (_log(v) - _log(z))).sum(1).mean()),
    ),
    mistakes=(
        Mistake(
            "mean",
            in_torch(lambda v, z: _kl(_log(z), _probs(v), reduction="none").mean()),
            'reduction="mean" divides by the number of classes as well. The mean over rows has '
            "another name.",
        ),
        Mistake(
            "swapped",
            in_torch(lambda v, z: _kl(_log(v), _probs(z), reduction="batchmean")),
            "This is KL(student, teacher). `kl_div` takes the model first, the truth second.",
        ),
        Mistake(
            "probs-as-input",
            in_torch(lambda v, z: _kl(_probs(z), _probs(v), reduction="batchmean")),
            "The first argument must be log-probabilities. These are probabilities.",
        ),
        Mistake(
            "logits-as-input",
            in_torch(lambda v, z: _kl(z, _probs(v), reduction="batchmean")),
            "The first argument must be log-probabilities. Logits are not normalised.",
        ),
        Mistake(
            "sum",
            in_torch(lambda v, z: _kl(_log(z), _probs(v), reduction="sum")),
            "This is the sum over the batch. The mean over rows is wanted.",
        ),
        Mistake(
            "cross-entropy",
            in_torch(lambda v, z: F.cross_entropy(z, _probs(v))),
            "This is the cross-entropy: it exceeds the KL divergence by the teacher's entropy.",
        ),
        Mistake(
            "wrong-axis",
            in_torch(
                lambda v, z: _kl(
                    F.log_softmax(z, dim=0), F.softmax(v, dim=0), reduction="batchmean"
                )
            ),
            "Softmax runs over the batch. The classes are on axis 1.",
        ),
        Mistake(
            "per-example",
            in_torch(lambda v, z: _kl(_log(z), _probs(v), reduction="none").sum(1)),
            "This is one divergence per row. Their mean is wanted.",
        ),
    ),
)


# floor: one number.


def _floor():
    best = companion.one_hot(0, 4)  # the probabilities of a sure and right answer
    return float(companion.softmax_cross_entropy_with_labels(best, 0))


floor = NumberExercise(
    name="floor",
    stub="floor = ...",
    answer="floor = np.log(1 + 3 / np.e)",
    why="At best the loss gets a 1 at the true class and zeros elsewhere, as logits: "
    "-log(e / (e + 3)).",
    reference=_floor,
    rtol=1e-3,
    hints=(
        "What are the largest and smallest numbers that a softmax can hand on?",
        "The best case is 1 at the true class and 0 at three others. Treat these as logits.",
        "It is minus the logarithm of e / (e + 3).",
    ),
    also_right=(0.7437, np.float64(-np.log(np.e / (np.e + 3)))),
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
            "not-negated",
            float(np.log(np.e / (np.e + 3))),
            "The sign is missing: a loss is not negative.",
        ),
        Mistake(
            "probability",
            float(np.e / (np.e + 3)),
            "That is the probability which the second softmax gives. Take minus its logarithm.",
        ),
    ),
)


# silent: a choice.


silent = ChoiceExercise(
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
