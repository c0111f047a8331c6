"""The self-test of the chapter *Pitfalls*: twenty snippets and sentences."""

import re
from types import SimpleNamespace

import numpy as np

import companion
from companion import one_hot, softmax
from companion.equivalents import keras, pytorch, tensorflow
from companion.exercises.probes import array
from companion.exercises.says import say
from companion.exercises.self_test import Item, SelfTest, Snippet

TOPIC = "pitfalls"

TYPED = "How is softmax typed wrong?"
LOGARITHM = "How is the logarithm lost?"
WHO = "Who applies softmax?"
LABELS = "What are the labels?"
MEAN = "What is the mean over?"
GRADIENT = "Which gradient is it?"
MEANING = "What does the loss mean?"
DISTILLATION = "What did distillation lose?"
SECTIONS = (TYPED, LOGARITHM, WHO, LABELS, MEAN, GRADIENT, MEANING, DISTILLATION)


# What the snippets use, and the batches that they run on.


def _names():
    """The calls of PyTorch, TensorFlow and Keras are those that the book specifies in NumPy."""
    ours = {name: getattr(companion, name) for name in companion.__all__}
    modules = {"F": pytorch, "tf": SimpleNamespace(nn=tensorflow)}
    return ours | modules | {"keras": SimpleNamespace(losses=keras)}


SQUARE = array([0, 1, 2], [2, 0, -1], [1, -1, 0.5])  # as many examples as classes
WIDE = array([0, 1, 2, -1], [3, -2, 0, 1])
LARGE = array([1000, 999, 998], [0, 1, 2])
APART = array([0, 1, 2], [2000, 2001, 1999])
TEACHER = array([1, 3, -2], [0, 0.5, -1], [2, -2, 1])
SOFT = array([0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6])
SHARE = array([0.25, 0.25, 0.4, 0.1], [0, 0.5, 0.5, 0])
TURNED = np.array([2, 0, 1])
IMAGE = np.arange(12).reshape(3, 2, 2) ** 2 / 20

LOGITS = tuple({"z": z} for z in (SQUARE, WIDE, LARGE, APART))
WITH_LABELS = ({"z": SQUARE, "y": TURNED}, {"z": WIDE, "y": np.array([1, 3])})
ALL_GUESSED = {"z": SQUARE, "y": SQUARE.argmax(axis=-1)}
WITH_TARGETS = (
    {"z": SQUARE, "t": SOFT},
    {"z": WIDE, "t": SHARE},
    {"z": SQUARE, "t": np.eye(3)[TURNED]},
)


def _losses(z, y):
    return companion.softmax_cross_entropy_with_labels(z, y)


def _mean_loss(z, y):
    return _losses(z, y).mean()


def _code(asks, source, wanted, calls, *, a, b, c, look, see):
    """An item about code.

    `a` is said of it as it stands. `b` and `c` are: an option, what it changes (pairs of old
    and new text), and what is said of it.
    """
    mends, options, says = {}, {}, {"a": a}
    for letter, (text, changes, said) in {"b": b, "c": c}.items():
        mends[letter], options[letter], says[letter] = source, text, said
        for old, new in changes.items():
            mends[letter] = mends[letter].replace(old, new)
    result = re.findall(r"^(\w+) = ", source, re.MULTILINE)[-1]
    return Item(
        asks, Snippet(source, result, wanted, calls, mends, _names), options, says, look, see
    )


def _sentence(asks, works_out, *, a, b, c, look, see):
    """An item without code. `b` and `c` are: an option, and what is said of it."""
    options, says = {"b": b[0], "c": c[0]}, {"a": a, "b": b[1], "c": c[1]}
    return Item(asks, works_out, options, says, look, see)


# How is softmax typed wrong?

no_shift = _code(
    "Softmax of a batch of logits `z`, (N, K).",
    """
exps = np.exp(z)
p = exps / exps.sum(axis=-1, keepdims=True)
""",
    lambda z: softmax(z),
    LOGITS,
    a="Run it on the row (1000, 999, 998): exp(1000) is inf, and inf / inf is nan.",
    b=(
        "The maximum of each row must be subtracted first.",
        {"np.exp(z)": "np.exp(z - z.max(axis=-1, keepdims=True))"},
        say(
            "exp overflows above {most:.2f} in float64. Less the maximum of its row, no logit "
            "is above 0, and the probabilities stay what they were.",
            most=np.log(np.finfo(float).max),
        ),
    ),
    c=(
        "The sum must run over `axis=0`.",
        {"axis=-1": "axis=0"},
        "A row is one example. With sums down the columns each column sums to 1, and rows "
        "need not.",
    ),
    look="logits near 1000",
    see=TYPED,
)

axis_0 = _code(
    "PyTorch. Class probabilities at each pixel of one image, `z` of shape (C, H, W).",
    "p = F.softmax(z, dim=0)",
    lambda z: np.moveaxis(softmax(np.moveaxis(z, 0, -1)), -1, 0),
    ({"z": IMAGE}, {"z": IMAGE[:, :, :1]}, {"z": IMAGE[:2]}),
    a="Without a batch the classes come first: at each pixel the C numbers sum to 1.",
    b=(
        "It must be `dim=1`, where PyTorch's losses have the classes.",
        {"dim=0": "dim=1"},
        "Axis 1 is that of the classes in (N, C, H, W). In (C, H, W) it is the height: the "
        "sum over a column of pixels would be 1.",
    ),
    c=(
        "It must be `dim=-1`, the last axis.",
        {"dim=0": "dim=-1"},
        "The last axis of (C, H, W) is the width: the sum over a line of pixels would be 1.",
    ),
    look="the sums over each axis",
    see=TYPED,
)

one_maximum = _code(
    "Softmax of a batch of logits `z`, (N, K).",
    """
exps = np.exp(z - z.max())
p = exps / exps.sum(axis=-1, keepdims=True)
""",
    lambda z: softmax(z),
    LOGITS,
    a="Run it on the rows (0, 1, 2) and (2000, 2001, 1999): the first comes out as nan.",
    b=(
        "Each row needs its own maximum.",
        {"z.max()": "z.max(axis=-1, keepdims=True)"},
        "Less the maximum of the batch, a row far below it underflows whole, and 0 / 0 is nan.",
    ),
    c=(
        "One maximum for the batch goes with one sum for the batch: `exps / exps.sum()`.",
        {"exps.sum(axis=-1, keepdims=True)": "exps.sum()"},
        "Then the numbers of all rows together sum to 1, and those of one row do not.",
    ),
    look="two rows that lie far apart",
    see=TYPED,
)


# How is the logarithm lost?


def _clip_works_out():
    """Of logits whose probabilities are 1 and 1e-15, label 1."""

    def clipped(z):
        return -np.log(np.clip(softmax(z), 1e-12, 1)[1])

    at, target = array(15 * np.log(10), 0), array(0, 1)
    slope = companion.numerical_gradient(clipped, at)
    finite = bool(np.isfinite(clipped(at)))
    pulls = np.allclose(slope, companion.softmax_cross_entropy_grad(at, target), atol=1e-6)
    return {"a": finite and pulls, "b": finite and not slope.any(), "c": not finite}


CEILING = -np.log(1e-12)

clip = _sentence(
    "In float64, with p clipped at 1e-12 as in `-np.log(np.clip(p, 1e-12, 1))`, the loss is "
    "finite, and an example whose right class has the probability 1e-15 still pulls the logits "
    "as it should.",
    _clip_works_out,
    a="Take the logits (40, 0) and label 1. Log-softmax pulls with slopes of size 1. Move a "
    "logit a little, and look at what the clipped loss does.",
    b=(
        "Wrong: where the clip acts, the example does not pull at all.",
        say(
            "Below the clip the loss is the constant {ceiling:.2f}. Its slope is 0, just "
            "where the model is most wrong.",
            ceiling=CEILING,
        ),
    ),
    c=(
        "Wrong: the loss can still be inf.",
        say(
            "No number below 1e-12 reaches the logarithm, so the loss of an example is "
            "{ceiling:.2f} at most.",
            ceiling=CEILING,
        ),
    ),
    look="logits (40, 0), label 1: the loss, and how it changes with a logit",
    see=LOGARITHM,
)

log_of_softmax = _code(
    "The loss of each example: logits `z`, (N, K), class indices `y`, (N,).",
    """
p = softmax(z)
loss = -np.log(p[np.arange(len(y)), y])
""",
    _losses,
    (*WITH_LABELS, {"z": array([1000, 0], [0, 1]), "y": np.array([1, 0])}),
    a="Run it on the row (1000, 0) with label 1. The loss is 1000; this gives inf.",
    b=(
        "1e-12 must be added to the probability.",
        {"np.log(p": "np.log(1e-12 + p"},
        say(
            "Then the row (1000, 0) with label 1 costs {ceiling:.1f} in place of 1000.",
            ceiling=CEILING,
        ),
    ),
    c=(
        "The log-probability must not be taken from the probability: `log_softmax(z)`.",
        {"p = softmax": "p = log_softmax", "-np.log(": "-("},
        "The probability can underflow to 0, whose logarithm is -inf. log_softmax never forms "
        "it: the logit less the logarithm of the sum.",
    ),
    look="the row (1000, 0) with label 1",
    see=LOGARITHM,
)


# Who applies softmax?


twice = _code(
    "PyTorch. Logits `z`, (N, K), class indices `y`, (N,).",
    "loss = F.cross_entropy(F.softmax(z, dim=1), y)",
    _mean_loss,
    WITH_LABELS,
    a=say(
        "Ten classes, and logits that are right and sure: the loss should be near 0. This "
        "comes to {floor:.3f}.",
        floor=companion.softmax_cross_entropy_with_labels(one_hot(0, 10), 0),
    ),
    b=(
        "The logits themselves belong in: `F.cross_entropy(z, y)`.",
        {"F.softmax(z, dim=1)": "z"},
        "`F.cross_entropy` applies log-softmax itself. Here it takes probabilities, none above "
        "1, for logits.",
    ),
    c=(
        "The labels must be one-hot.",
        {", y)": ", one_hot(y, z.shape[1]))"},
        "`F.cross_entropy` takes class indices as they are. With one-hot rows of floats it "
        "gives the same number.",
    ),
    look="logits (100, 0, 0, ...) of ten classes, label 0",
    see=WHO,
)

from_logits = _code(
    "Keras. The last layer has no activation; `z`, (N, K), is its output, and `y` holds class "
    "indices.",
    "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, z)",
    _mean_loss,
    WITH_LABELS,
    a="Logits come out of that layer, and the loss is told that they are logits.",
    b=(
        "It must be `from_logits=False`: the softmax is still to be applied.",
        {"True": "False"},
        "With False the loss takes what it gets for probabilities, and applies no softmax.",
    ),
    c=(
        "`z` must go through `softmax` first.",
        {"(y, z)": "(y, softmax(z))"},
        "With True the loss applies softmax. With another one before it, it is applied twice.",
    ),
    look="the value of log-softmax at the label, worked out by hand",
    see=WHO,
)


# What are the labels?


hot_twice = _code(
    "Targets for a loss that takes distributions. `y` holds the labels as rows of integers 0 "
    "and 1, (N, K).",
    "t = np.eye(K)[y]",
    lambda y, K: np.asarray(y, dtype=float),
    ({"y": np.eye(4, dtype=int)[[1, 3]], "K": 4}, {"y": np.eye(3, dtype=int)[TURNED], "K": 3}),
    a="Look at the shape of `t`: (N, K, K).",
    b=(
        "It must be `np.eye(len(y))[y]`.",
        {"np.eye(K)": "np.eye(len(y))"},
        "The size of `np.eye` is not the fault: with this one `t` has three axes, too, if N is "
        "at least 2. With N = 1 it raises IndexError.",
    ),
    c=(
        "`y` is one-hot already: nothing is to be done but `t = y`.",
        {"np.eye(K)[y]": "y"},
        "Each 0 and each 1 of a row was taken for a class index, and got a row of its own.",
    ),
    look="the shape",
    see=LABELS,
)

how_many_classes = _code(
    "One-hot targets, (N, K), of class indices `y`, (N,).",
    "t = np.eye(len(y))[y]",
    lambda y, K: np.eye(K)[y],
    (
        {"y": np.array([1, 0, 2, 1, 0]), "K": 4},
        {"y": np.array([3, 1]), "K": 4},
        {"y": TURNED, "K": 3},
    ),
    a="With 64 examples of 10 classes the rows have 64 columns. With 2 examples label 3 "
    "raises IndexError.",
    b=(
        "The columns are classes, not examples: `np.eye(K)[y]`.",
        {"len(y)": "K"},
        "`len(y)` counts the examples of the batch. With N = K it goes unnoticed.",
    ),
    c=(
        "There must be `y.max() + 1` columns.",
        {"len(y)": "y.max() + 1"},
        "A batch without the last class would get too few columns.",
    ),
    look="2 examples, and then 5, of four classes",
    see=LABELS,
)

column = _code(
    "Accuracy. Logits `z`, (N, K); the class indices `y` came as a column, (N, 1).",
    "acc = (z.argmax(axis=-1) == y).mean()",
    lambda z, y: (z.argmax(axis=-1) == y[:, 0]).mean(),
    tuple({"z": c["z"], "y": c["y"][:, np.newaxis]} for c in (*WITH_LABELS, ALL_GUESSED)),
    a="Four examples of four different classes, all of them answered right: this gives 0.25.",
    b=(
        "`argmax` must be taken of `softmax(z)`.",
        {"z.argmax": "softmax(z).argmax"},
        "Softmax keeps the order within a row. Unless rounding makes two numbers equal, "
        "`argmax` gives the same class before and after.",
    ),
    c=(
        "The column must be made flat first: `y[:, 0]`.",
        {"== y)": "== y[:, 0])"},
        "(N,) beside (N, 1) broadcasts to (N, N): each answer is compared with each label.",
    ),
    look="the shape of what is averaged",
    see=LABELS,
)

dense = _code(
    "TensorFlow. Logits `z`, (N, K), class indices `y`, (N,); here N = K = 3.",
    "loss = tf.nn.softmax_cross_entropy_with_logits(y, z)",
    _losses,
    WITH_LABELS[:1],
    a=say(
        "Three classes, `y` = (2, 0, 1), all logits 0: each loss is log 3 = {right:.3f}. This "
        "gives {wrong:.3f} for each.",
        right=np.log(3),
        wrong=tensorflow.softmax_cross_entropy_with_logits(TURNED, np.zeros((3, 3)))[0],
    ),
    b=(
        "Class indices need `sparse_softmax_cross_entropy_with_logits`.",
        {"softmax_cross": "sparse_softmax_cross"},
        "This call takes rows of targets. With N = K the indices broadcast: one row of "
        "targets, (2, 0, 1) say, for all examples.",
    ),
    c=(
        "The logits must come first.",
        {"(y, z)": "(z, y)"},
        "TensorFlow takes labels first and logits second; PyTorch has it the other way round.",
    ),
    look="all logits 0, where each loss is log K",
    see=LABELS,
)


# What is the mean over?


over_classes = _code(
    "Mean loss of a batch: logits `z` and targets `t`, both (N, K).",
    "loss = -(t * log_softmax(z)).mean()",
    lambda z, t: companion.softmax_cross_entropy(z, t).mean(),
    WITH_TARGETS,
    a=say(
        "Ten classes, all logits 0: the loss is log 10 = {right:.3f}. This gives {wrong:.3f}.",
        right=np.log(10),
        wrong=np.log(10) / 10,
    ),
    b=(
        "The minus must go.",
        {"-(t": "(t"},
        "Log-probabilities are 0 at most. Without the minus the loss would not be above 0.",
    ),
    c=(
        "It must be summed over the classes, and averaged over the examples.",
        {".mean()": ".sum(axis=-1).mean()"},
        "`.mean()` divides by N times K. The loss of an example is a sum over its classes.",
    ),
    look="ten classes, all logits 0, where the loss is log 10",
    see=MEAN,
)


def _rates_work_out():
    """One step of gradient descent at the rate 0.1, for the sum and for the mean."""
    z, y = WIDE, np.array([1, 3])
    by_example = companion.softmax_cross_entropy_with_labels_grad(z, y)
    rate, count = 0.1, len(y)
    wanted = rate * by_example  # of the sum
    of_mean = by_example / count
    rates = {"a": rate * count, "b": rate / count, "c": rate}
    return {k: np.allclose(new * of_mean, wanted) for k, new in rates.items()}


rate = _sentence(
    "A program sums the losses of batches, all of N examples, and is changed to average them. "
    "Plain gradient descent, without weight decay, takes the same steps as before if its "
    "learning rate is multiplied by N.",
    _rates_work_out,
    a="The gradient of the mean is that of the sum over N; the rate makes up for it.",
    b=(
        "Wrong: the rate must be divided by N.",
        "The gradient of the mean is N times smaller. With a smaller rate as well the steps "
        "are N² times shorter.",
    ),
    c=(
        "Wrong: the rate stays, since the minimum does.",
        "The minimum stays, but the steps towards it are N times shorter.",
    ),
    look="one step on two examples",
    see=MEAN,
)


# Which gradient is it?


soft_gradient = _code(
    "Gradient of the cross-entropy of each row by the logits `z`. The targets `t` are soft; "
    "their rows sum to 1.",
    "grad = softmax(z) - t",
    lambda z, t: companion.softmax_cross_entropy_grad(z, t),
    WITH_TARGETS,
    a="The derivation asks one thing of t: that its row sums to 1.",
    b=(
        "This is for one-hot targets. For soft ones each entry has a factor `t`.",
        {"softmax(z) - t": "t * (softmax(z) - t)"},
        "Then a class with t = 0 would not be pushed down. By differences, take t = (0.7, 0.2, "
        "0.1): no such factor is in it.",
    ),
    c=(
        "The slope of softmax is missing: a factor `p * (1 - p)`.",
        {"softmax(z) - t": "(softmax(z) - t) * softmax(z) * (1 - softmax(z))"},
        "The logarithm has the slope 1 / p, which takes a factor p of the Jacobian away. What "
        "is left is p - t.",
    ),
    look="differences of the loss at a soft target, one logit moved at a time",
    see=GRADIENT,
)


diagonal = _code(
    "Gradient by the logits of the squared error `((p - t) ** 2).sum()`, for K ≥ 3 classes.",
    """
p = softmax(z)
grad = 2 * (p - t) * p * (1 - p)
""",
    lambda z, t: companion.softmax_squared_error_grad(z, t),
    WITH_TARGETS,
    a="Moving all logits of a row together changes no probability, so each row of a gradient "
    "sums to 0. Add up a row of this one.",
    b=(
        "It must be `p - t`.",
        {"2 * (p - t) * p * (1 - p)": "p - t"},
        "p - t belongs to cross-entropy, whose logarithm undoes the slope of softmax. Squared "
        "error has no logarithm.",
    ),
    c=(
        "`p * (1 - p)` is only the diagonal of the Jacobian of softmax.",
        {
            "grad = 2 * (p - t) * p * (1 - p)": "v = 2 * (p - t)\n"
            "grad = p * (v - (p * v).sum(axis=-1, keepdims=True))"
        },
        "Each logit moves all probabilities: beside the diagonal the Jacobian has -p_i p_j.",
    ),
    look="the sum of each row of the gradient",
    see=GRADIENT,
)


# What does the loss mean?


def _right_class_works_out():
    """Two predictions with the same probability of the right class, 0."""
    z, target = np.log(array([0.5, 0.3, 0.2], [0.5, 0.25, 0.25])), array(1, 0, 0)
    values = companion.softmax_cross_entropy(z, np.tile(target, (2, 1)))
    slopes = companion.softmax_cross_entropy_grad(z, np.tile(target, (2, 1)))
    value, slope = np.allclose(*values), np.allclose(*slopes)
    return {"a": value and not slope, "b": value and slope, "c": not value}


right_class = _sentence(
    "Three classes or more, and a one-hot target: the value of the cross-entropy depends on "
    "the probability of the right class alone; its gradient by the logits depends on the "
    "others as well.",
    _right_class_works_out,
    a="The value is -log p_y. The gradient is p - t, with an entry for each class.",
    b=(
        "Wrong: the gradient, too, depends on the right class alone.",
        "Take p = (0.5, 0.3, 0.2) and p = (0.5, 0.25, 0.25), class 0: the gradients p - t "
        "differ.",
    ),
    c=(
        "Wrong: the value, too, depends on the others.",
        "Take p = (0.5, 0.3, 0.2) and p = (0.5, 0.25, 0.25), class 0: the value is log 2 both "
        "times.",
    ),
    look="p = (0.5, 0.3, 0.2) and p = (0.5, 0.25, 0.25), class 0: values, and gradients",
    see=MEANING,
)


def _distance_works_out():
    """The target (0.3, 0.7), and many predictions."""
    target = array(0.3, 0.7)
    p = np.linspace(0.01, 0.99, 99)
    values = companion.cross_entropy(np.tile(target, (99, 1)), np.stack([p, 1 - p], axis=1))
    at_target = companion.cross_entropy(target, target)
    is_entropy = np.isclose(at_target, companion.entropy(target))
    return {
        "a": bool(np.isclose(at_target, 0)),
        "b": bool((values < 0).any()),
        "c": bool(is_entropy and at_target > 0),
    }


distance = _sentence(
    "Cross-entropy H(t, p) is how far the prediction p lies from the target t: it is 0 where "
    "p = t, for each t.",
    _distance_works_out,
    a="Take t = p = (0.5, 0.5): H(t, p) is log 2.",
    b=(
        "Wrong: it can also be negative.",
        "-log of a probability is not negative, so neither is a mean of such numbers.",
    ),
    c=(
        "Wrong: where p = t it is the entropy of t.",
        "H(t, t) = H(t), which is above 0 unless t is sure. The excess H(t, p) - H(t) is 0 at "
        "p = t: KL(t || p). That is no distance either, since it is not symmetric.",
    ),
    look="t = p = (0.5, 0.5)",
    see=MEANING,
)


# What did distillation lose?


def _soft_part(z, v, T):
    labels = np.zeros(len(z), dtype=int)
    return companion.distillation_loss(z, v, labels, temperature=T, alpha=1.0).mean()


temperature = _code(
    "The teacher's part of a distillation loss: logits `z` of the student and `v` of the "
    "teacher, temperature `T`. Its gradient shall keep its scale as `T` grows. "
    "`softmax_kl_divergence` is ours, and takes the model's logits first.",
    "loss = softmax_kl_divergence(z / T, v / T).mean()",
    _soft_part,
    tuple({"z": SQUARE, "v": TEACHER, "T": T} for T in (1.0, 2.0, 20.0)),
    a="Take T = 20 and then T = 40: the gradient becomes about 4 times smaller.",
    b=(
        "The factor `T**2` is missing.",
        {"loss = ": "loss = T**2 * "},
        "z / T gives the gradient one factor 1 / T. The two softened distributions come nearer "
        "by about another.",
    ),
    c=(
        "The teacher's logits must not be divided by `T`.",
        {"v / T": "v"},
        "Then a student with the teacher's own logits would have a loss above 0 at T = 2, "
        "unless they are all equal.",
    ),
    look="the gradient at T = 20 and at T = 40",
    see=DISTILLATION,
)

order = _code(
    "PyTorch. KL(t || p), averaged over the examples: `t` are the teacher's probabilities, p "
    "is the softmax of the student's logits `z`, both (N, K).",
    'loss = F.kl_div(F.log_softmax(z, dim=1), t, reduction="batchmean")',
    lambda z, t: companion.kl_divergence(t, softmax(z)).mean(),
    WITH_TARGETS,
    a="`F.kl_div` takes the model first, as logarithms, and the target second.",
    b=(
        "The arguments must be swapped: `F.kl_div(np.log(t), F.softmax(z, dim=1), ...)`.",
        {"F.log_softmax(z, dim=1), t": "np.log(t), F.softmax(z, dim=1)"},
        "That is KL(p || t). What mathematics writes second stands first in this call.",
    ),
    c=(
        'It must be `reduction="mean"`.',
        {"batchmean": "mean"},
        '"mean" divides by N times K. "batchmean" divides by N.',
    ),
    look="the definition, sum(t * log(t / p)), in NumPy",
    see=DISTILLATION,
)


masked_smoothing = _code(
    "Loss with label smoothing 0.1. Some classes are impossible: `allowed` is a row of K "
    "booleans, and `y` is always allowed.",
    """
z = np.where(allowed, z, -np.inf)
t = 0.9 * one_hot(y, K) + 0.1 / K
loss = softmax_cross_entropy(z, t)
""",
    lambda z, y, K, allowed: companion.softmax_cross_entropy(
        np.where(allowed, z, -np.inf), 0.9 * one_hot(y, K) + 0.1 * allowed / allowed.sum()
    ),
    tuple(
        {"z": WIDE, "y": np.array([1, 3]), "K": 4, "allowed": np.array(allowed)}
        for allowed in ([True, True, False, True], [True, True, True, True])
    ),
    a="Work it out with one impossible class: the loss of each example is inf.",
    b=(
        "The mask must be -1e9, not -inf.",
        {"-np.inf": "-1e9"},
        "Then the loss is finite and huge: a part of 0.1 / K of the target, times 1e9, for "
        "each impossible class.",
    ),
    c=(
        "The 0.1 must be spread over the allowed classes alone.",
        {"+ 0.1 / K": "+ 0.1 * allowed / allowed.sum()"},
        "A target that is above 0 where the probability is 0 costs inf.",
    ),
    look="four classes, one of them impossible",
    see=DISTILLATION,
)


# Mixed, so that neither a neighbour nor the letters before are a hint.

ITEMS = (
    *(no_shift, masked_smoothing, from_logits, axis_0, log_of_softmax),
    *(over_classes, temperature, dense, right_class, twice),
    *(how_many_classes, diagonal, clip, distance, column),
    *(soft_gradient, order, one_maximum, rate, hot_twice),
)


def _where_to_read(section):
    numbers = [n for n, item in enumerate(ITEMS, start=1) if item.see == section]
    return f"- {section} {', '.join(map(str, numbers))}"


verdicts = SelfTest(
    topic=TOPIC,
    minutes=20,
    trains="a right line told from one that is nearly right",
    name="verdicts",
    items=ITEMS,
    stub="""
verdicts = {}
verdicts |= {1: ..., 2: ..., 3: ..., 4: ..., 5: ...}
verdicts |= {6: ..., 7: ..., 8: ..., 9: ..., 10: ...}
verdicts |= {11: ..., 12: ..., 13: ..., 14: ..., 15: ...}
verdicts |= {16: ..., 17: ..., 18: ..., 19: ..., 20: ...}
""",
    answer="""
verdicts = {}
verdicts |= {1: "b", 2: "c", 3: "a", 4: "a", 5: "c"}
verdicts |= {6: "c", 7: "b", 8: "b", 9: "a", 10: "b"}
verdicts |= {11: "b", 12: "c", 13: "b", 14: "c", 15: "c"}
verdicts |= {16: "a", 17: "a", 18: "b", 19: "a", 20: "c"}
""",
    why="Each letter was found by running: a snippet as it stands and with each mend, a "
    "sentence on numbers.",
    hints=(
        "Run a snippet on what is small and telling: two rows far apart, as many examples as "
        "classes, an answer that is sure and wrong. Compare with the companion. A sentence "
        "falls by one counterexample.",
        "Where to look, item by item.\n\n"
        + "\n".join(f"- **{n}** {item.look}" for n, item in enumerate(ITEMS, start=1)),
        "Where to read, item by item.\n\n" + "\n".join(map(_where_to_read, SECTIONS)),
    ),
    also_right=(
        dict(enumerate("BCAACCBBABBCBCCAABAC", start=1)),
        [f"({letter})" for letter in "bcaaccbbabbcbccaabac"],
        "bcaac cbbab bcbcc aabac",
    ),
)
