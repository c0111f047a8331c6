"""The table of equivalents: one thing per row, one call per library, as executable text.

The page *Table of equivalents* shows it, and the chapter *Framework equivalents* and a test run
it. A call is an expression in the names that `imports` gives, and in the inputs of `inputs`.
What a library has no call for is put together from its parts; what it cannot do well is left
out. Where the libraries part, on input that is odd, the row has a `Difference`, and the test
runs each of its cells. `MODES` has what changes inside a compiler or under automatic casts.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from companion.frameworks._calls import (
    LIBRARIES,
    both,
    dtype_of,
    imports,
    in_double,
    onnx_op,
    said,
    slope,
    value,
)

__all__ = [
    "AS_IF",
    "LIBRARIES",
    "MODES",
    "ROWS",
    "SHOWN",
    "TITLES",
    "Difference",
    "Inside",
    "Mode",
    "Row",
    "edges",
    "happens",
    "imports",
    "in_mode",
    "inputs",
    "onnx_op",
    "said",
    "slope",
    "value",
]

TITLES = {
    "numpy": "companion",
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "optax": "JAX and Optax",
    "onnx": "ONNX",
}
# Those that a reader looks for come first on the page.
SHOWN = ("torch", "tensorflow", "keras", "optax", "scipy", "sklearn", "onnx", "numpy")


@dataclass(frozen=True)
class Difference:
    """An input on which libraries part, and what each of them does, in a few words.

    Parameters
    ----------
    given : str
        What is odd about the input.
    says : dict of str to str
        From library to what its call does: what `said` says, or a key of `AS_IF`.
    inputs : dict of str to array_like
        The odd input: what replaces those of `inputs`.
    slope : bool
        Whether the words are about the gradient, and not about the value.

    Examples
    --------
    >>> Difference("a label of 7", {"numpy": "raises ValueError"}, {"y": [7]}).given
    'a label of 7'
    """

    given: str
    says: dict
    inputs: dict = field(repr=False)
    slope: bool = False


@dataclass(frozen=True)
class Row:
    """One thing, and how each library says it.

    Parameters
    ----------
    name : str
        What is computed.
    calls : dict of str to str
        From library to expression.
    slope_in : str or None
        The input whose gradients are compared; None where there is none.
    differs : tuple of Difference
        Where the libraries part.

    Examples
    --------
    >>> Row("softmax", {"numpy": "softmax(z)"}).slope_in
    'z'
    """

    name: str
    calls: dict
    slope_in: str | None = "z"
    differs: tuple = ()


def row(name, *, slope_in="z", differs=(), **calls):
    """A Row from one call per library, as keywords."""
    return Row(name, calls, slope_in, tuple(differs))


def inputs(seed=0):
    """What the calls are about, as NumPy arrays.

    Parameters
    ----------
    seed : int
        Of the random numbers.

    Returns
    -------
    dict of str to ndarray
        z and v logits (5, 4), y labels (5,), t targets and p distributions (5, 4), b bits and
        k a mask (5, 4), w weights of the classes (4,), e weights of the examples (5,), s logits
        (2, 4, 3, 2) and m labels (2, 3, 2) of pixels, h features (5, 3), W the weights of a
        linear layer (4, 3), c two classes (2,); A (3, 3), B (2, 3) and C (2, 2) the head and
        the tail of an adaptive softmax.

    Examples
    --------
    >>> {name: array.shape for name, array in inputs().items() if name in "zy"}
    {'z': (5, 4), 'y': (5,)}
    """
    rng = np.random.default_rng(seed)
    return {
        "z": 3 * rng.normal(size=(5, 4)),
        "y": np.array([0, 3, 1, 2, 1]),
        "t": rng.dirichlet(np.ones(4), size=5),
        "p": rng.dirichlet(np.ones(4), size=5),
        "b": rng.integers(2, size=(5, 4)).astype(float),
        "w": np.array([1.0, 2.0, 0.5, 3.0]),
        "s": 3 * rng.normal(size=(2, 4, 3, 2)),
        "m": rng.integers(4, size=(2, 3, 2)),
        "v": 3 * rng.normal(size=(5, 4)),
        "k": rng.random((5, 4)) < [1, 0.5, 0.5, 0.5],
        "e": np.array([1.0, 2.0, 0.5, 0.0, 3.0]),
        "h": rng.normal(size=(5, 3)),
        "W": rng.normal(size=(4, 3)),
        "c": np.array([3, 0]),
        "A": rng.normal(size=(3, 3)),
        "B": rng.normal(size=(2, 3)),
        "C": rng.normal(size=(2, 2)),
    }


def edges():
    """Inputs at which calls that look the same come apart.

    Returns
    -------
    dict of str to dict
        By what is special: targets and distributions that are one-hot; logits with gaps of
        thousands, whose softmax underflows; 16-bit floats. Each as `inputs`.

    Examples
    --------
    >>> edges()["one-hot t and p"]["t"][0]
    array([1., 0., 0., 0.])
    """
    given = inputs()
    hot = np.eye(4)[given["y"]]
    far = {name: 1000 * given[name] for name in "zvsh"}
    half = {name: a.astype(np.float16) for name, a in given.items() if a.dtype.kind == "f"}
    return {
        "one-hot t and p": given | {"t": hot, "p": hot},
        "gaps of thousands": given | far,
        "half precision": given | half,
    }


EDGES = edges()
FAR, HALF, HOT = "gaps of thousands", "half precision", "one-hot t and p"
MINUS, SEVEN, HUNDRED = "a label of −1", "a label of 7, of 4 classes", "a label of −100"
ZEROS = "70,000 zeros in float16"
TF_ERROR = "raises InvalidArgumentError"
MANY = {"z": np.zeros((1, 70000), np.float16), "y": [0]}
SURE = {"z": [[40.0, 0.0, 0.0, 0.0]], "y": [0]}


def label(number):
    """The labels of `inputs`, and the first one odd."""
    return {"y": np.r_[number, inputs()["y"][1:]]}


def first(name, where, number):
    """An input whose first example is odd at a class, or at a slice of classes."""
    array = inputs()[name]
    array[0, where] = number
    return {name: array}


def odd(given, inputs, libraries, slope=False):
    """A Difference from the words, and for each the libraries that do so."""
    says = {name: words for words, names in libraries.items() for name in names.split()}
    return Difference(given, says, inputs, slope)


RULED_OUT = first("z", 0, -np.inf) | first("t", slice(None), [0, 0.5, 0.25, 0.25])

ROWS = (
    row(
        "softmax",
        numpy="softmax(z)",
        scipy="special.softmax(z, axis=-1)",
        sklearn="extmath.softmax(z)",
        torch="F.softmax(z, dim=-1)",
        tensorflow="tf.nn.softmax(z)",
        keras="ops.softmax(z)",
        optax="jax.nn.softmax(z)",
        onnx='onnx_op("Softmax", z)',
        differs=[
            odd(
                ZEROS,
                MANY,
                {"1.4305e−05": "numpy torch", "0": "scipy sklearn tensorflow keras optax onnx"},
            ),
            odd(
                "logits that are integers",
                {"z": [[0, 1, 2, 3]]},
                {
                    "0.032059": "numpy scipy optax",
                    "raises UFuncTypeError": "sklearn",
                    "raises NotImplementedError": "torch",
                    TF_ERROR: "tensorflow keras",
                    "0": "onnx",
                },
            ),
        ],
    ),
    row(
        "log-softmax",
        numpy="log_softmax(z)",
        scipy="special.log_softmax(z, axis=-1)",
        torch="F.log_softmax(z, dim=-1)",
        tensorflow="tf.nn.log_softmax(z)",
        keras="ops.log_softmax(z)",
        optax="jax.nn.log_softmax(z)",
        onnx='onnx_op("LogSoftmax", z)',
        differs=[
            odd(
                ZEROS,
                MANY,
                {"−11.156": "numpy", "−inf": "scipy torch tensorflow keras optax onnx"},
            ),
            odd(
                "logits 40, 0, 0, 0",
                SURE,
                {"−1.2745e−17": "numpy", "0": "scipy torch tensorflow keras optax onnx"},
            ),
            odd(
                FAR,
                EDGES[FAR],
                {"−1544.1": "numpy scipy torch tensorflow keras optax", "−inf": "onnx"},
            ),
        ],
    ),
    row(
        "log-sum-exp",
        numpy="logsumexp(z)",
        scipy="special.logsumexp(z, axis=-1)",
        torch="torch.logsumexp(z, dim=-1)",
        tensorflow="tf.reduce_logsumexp(z, axis=-1)",
        keras="ops.logsumexp(z, axis=-1)",
        optax="jax.nn.logsumexp(z, axis=-1)",
        onnx='onnx_op("ReduceLogSumExp", z, [-1], keepdims=0)',
        differs=[
            odd(
                ZEROS,
                MANY,
                {"11.156": "numpy", "inf": "scipy torch tensorflow keras optax onnx"},
            ),
            odd(
                "logits 0 and −40",
                {"z": [[0.0, -40.0]]},
                {"4.2484e−18": "numpy scipy", "0": "torch tensorflow keras optax onnx"},
            ),
            odd(
                "a row of −inf",
                first("z", slice(None), -np.inf),
                {"−inf": "numpy scipy torch tensorflow keras optax", "nan": "onnx"},
            ),
        ],
    ),
    row(
        "softmax, classes on axis 1",
        slope_in="s",
        numpy="softmax(s, axis=1)",
        scipy="special.softmax(s, axis=1)",
        torch="F.softmax(s, dim=1)",
        tensorflow="tf.nn.softmax(s, axis=1)",
        keras="ops.softmax(s, axis=1)",
        optax="jax.nn.softmax(s, axis=1)",
        onnx='onnx_op("Softmax", s, axis=1)',
    ),
    row(
        "softmax at temperature 2",
        numpy="softmax(z / 2)",
        scipy="special.softmax(z / 2, axis=-1)",
        sklearn="extmath.softmax(z / 2)",
        torch="F.softmax(z / 2, dim=-1)",
        tensorflow="tf.nn.softmax(z / 2)",
        keras="ops.softmax(z / 2)",
        optax="jax.nn.softmax(z / 2)",
        onnx='onnx_op("Softmax", z / 2)',
    ),
    row(
        "softmax of the classes that a mask keeps",
        numpy="softmax(np.where(k, z, -np.inf))",
        scipy="special.softmax(np.where(k, z, -np.inf), axis=-1)",
        torch='F.softmax(z.masked_fill(~k, -float("inf")), dim=-1)',
        tensorflow='tf.nn.softmax(tf.where(k, z, -float("inf")))',
        keras="keras.layers.Softmax(dtype=z.dtype)(z, mask=k)",
        optax="jax.nn.softmax(z, where=k)",
        onnx='onnx_op("Softmax", onnx_op("Where", k, z, np.array(-np.inf, z.dtype)))',
        differs=[
            odd(
                "a mask that keeps no class",
                first("k", slice(None), False),
                {"nan": "numpy scipy torch tensorflow onnx", "0": "keras optax"},
            ),
        ],
    ),
    row(
        "one-hot",
        slope_in=None,
        numpy="one_hot(y, 4)",
        sklearn="preprocessing.label_binarize(y, classes=[0, 1, 2, 3])",
        torch="F.one_hot(y, 4)",
        tensorflow="tf.one_hot(y, 4)",
        keras="ops.one_hot(y, 4)",
        optax="jax.nn.one_hot(y, 4)",
        onnx='onnx_op("OneHot", y, 4, [0.0, 1.0])',
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy",
                    "takes a row of zeros": "sklearn tensorflow keras optax",
                    "raises RuntimeError": "torch",
                    "takes the last class": "onnx",
                },
            ),
            odd(
                SEVEN,
                label(7),
                {
                    "raises ValueError": "numpy",
                    "takes a row of zeros": "sklearn tensorflow keras optax onnx",
                    "raises RuntimeError": "torch",
                },
            ),
            odd(
                "labels that are floats",
                {"y": [0.0, 3.0, 1.0, 2.0, 1.0]},
                {
                    "raises TypeError": "numpy",
                    "1": "sklearn keras optax onnx",
                    "raises RuntimeError": "torch",
                    TF_ERROR: "tensorflow",
                },
            ),
        ],
    ),
    row(
        "entropy of p",
        slope_in="p",
        numpy="entropy(p)",
        scipy="special.entr(p).sum(axis=-1)",
        torch="torch.special.entr(p).sum(dim=-1)",
        tensorflow="-tf.reduce_sum(tf.math.xlogy(p, p), axis=-1)",
        keras="-ops.sum(p * ops.log(ops.where(p > 0, p, 1)), axis=-1)",
        optax="jax.scipy.special.entr(p).sum(axis=-1)",
        differs=[
            odd(
                "the slope at a p of 0",
                first("p", slice(None), [0, 1, 0, 0]),
                {"inf": "scipy torch optax", "0": "tensorflow keras"},
                slope=True,
            ),
            odd(
                "a negative p",
                first("p", slice(None), [-0.5, 1, 0.5, 0]),
                {"nan": "numpy tensorflow", "−inf": "scipy torch optax", "0.34657": "keras"},
            ),
        ],
    ),
    row(
        "KL from targets t to softmax(z)",
        numpy="softmax_cross_entropy(z, t) - entropy(t)",
        scipy="(special.xlogy(t, t) - t * special.log_softmax(z, axis=-1)).sum(axis=-1)",
        torch='F.kl_div(F.log_softmax(z, dim=-1), t, reduction="none").sum(dim=-1)',
        tensorflow="tf.reduce_sum(tf.math.xlogy(t, t) - t * tf.nn.log_softmax(z), axis=-1)",
        keras="ops.sum(t * (ops.log(ops.where(t > 0, t, 1)) - ops.log_softmax(z)), axis=-1)",
        optax="optax.losses.kl_divergence(jax.nn.log_softmax(z), t)",
        differs=[
            odd(
                "a logit of −inf where t is 0",
                RULED_OUT,
                {"0.78237": "numpy", "nan": "scipy torch tensorflow keras optax"},
            ),
        ],
    ),
    row(
        "KL from softmax(v) to softmax(z), of two logits",
        numpy="softmax_kl_divergence(z, v)",
        scipy="(special.softmax(v, axis=-1) * (special.log_softmax(v, axis=-1)"
        " - special.log_softmax(z, axis=-1))).sum(axis=-1)",
        torch="F.kl_div(F.log_softmax(z, dim=-1), F.log_softmax(v, dim=-1),"
        ' log_target=True, reduction="none").sum(dim=-1)',
        tensorflow="tf.reduce_sum(tf.nn.softmax(v)"
        " * (tf.nn.log_softmax(v) - tf.nn.log_softmax(z)), axis=-1)",
        keras="ops.sum(ops.softmax(v) * (ops.log_softmax(v) - ops.log_softmax(z)), axis=-1)",
        optax="optax.losses.kl_divergence_with_log_targets("
        "jax.nn.log_softmax(z), jax.nn.log_softmax(v))",
        differs=[
            odd(
                "both logits −inf at one class",
                first("z", 0, -np.inf) | first("v", 0, -np.inf),
                {"2.0295": "numpy", "nan": "scipy torch tensorflow keras optax"},
            ),
        ],
    ),
    row(
        "cross-entropy with labels, per example",
        numpy="softmax_cross_entropy_with_labels(z, y)",
        torch='F.cross_entropy(z, y, reduction="none")',
        tensorflow="tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z)",
        keras="ops.sparse_categorical_crossentropy(y, z, from_logits=True)",
        optax="optax.losses.softmax_cross_entropy_with_integer_labels(z, y)",
        onnx='onnx_op("SoftmaxCrossEntropyLoss", z, y, reduction="none")',
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch",
                    TF_ERROR: "tensorflow keras",
                    "takes the last class": "optax onnx",
                },
            ),
            odd(
                SEVEN,
                label(7),
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch onnx",
                    TF_ERROR: "tensorflow keras",
                    "nan": "optax",
                },
            ),
            odd(
                HUNDRED,
                label(-100),
                {
                    "raises ValueError": "numpy",
                    "0": "torch",
                    TF_ERROR: "tensorflow keras",
                    "nan": "optax",
                    "raises IndexError": "onnx",
                },
            ),
            odd(
                "labels that are floats",
                {"y": [0.0, 3.0, 1.0, 2.0, 1.0]},
                {
                    "raises TypeError": "numpy optax",
                    "raises RuntimeError": "torch",
                    TF_ERROR: "tensorflow",
                    "1.9579": "keras",
                    "raises IndexError": "onnx",
                },
            ),
            odd(
                "labels in int32",
                {"y": np.array([0, 3, 1, 2, 1], np.int32)},
                {"1.9579": "numpy tensorflow keras optax onnx", "raises RuntimeError": "torch"},
            ),
            odd(
                "a column of labels, (5, 1)",
                {"y": [[0], [3], [1], [2], [1]]},
                {
                    "raises ValueError": "numpy tensorflow optax",
                    "raises RuntimeError": "torch",
                    "1.9579": "keras onnx",
                },
            ),
            odd(
                "logits 40, 0, 0, 0 and label 0",
                SURE,
                {"1.2745e−17": "numpy", "0": "torch tensorflow keras optax onnx"},
            ),
            odd(ZEROS, MANY, {"11.156": "numpy tensorflow keras", "inf": "torch optax onnx"}),
            odd(
                FAR, EDGES[FAR], {"1544.1": "numpy torch tensorflow keras optax", "inf": "onnx"}
            ),
        ],
    ),
    row(
        "cross-entropy with targets, per example",
        numpy="softmax_cross_entropy(z, t)",
        scipy="-(t * special.log_softmax(z, axis=-1)).sum(axis=-1)",
        torch='F.cross_entropy(z, t, reduction="none")',
        tensorflow="tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z)",
        keras="ops.categorical_crossentropy(t, z, from_logits=True)",
        optax="optax.losses.softmax_cross_entropy(z, t)",
        differs=[
            odd(
                "a logit of −inf where t is 0",
                RULED_OUT,
                {"1.8221": "numpy", "nan": "scipy torch tensorflow keras optax"},
            ),
            odd(
                "the slope where t sums to 2",
                first("t", slice(None), 0.5),
                {"−0.21769": "numpy scipy torch optax", "−0.35885": "tensorflow keras"},
                slope=True,
            ),
            odd(
                "targets that are integers",
                {"t": np.eye(4, dtype=int)[[0, 3, 1, 2, 1]]},
                {
                    "1.9579": "numpy scipy tensorflow keras optax",
                    "raises RuntimeError": "torch",
                },
            ),
        ],
    ),
    row(
        "cross-entropy of log-probabilities, labels",
        numpy="-np.take_along_axis(log_softmax(z), y[:, None], axis=-1)[:, 0]",
        torch='F.nll_loss(F.log_softmax(z, dim=-1), y, reduction="none")',
        tensorflow="-tf.gather(tf.nn.log_softmax(z), y, batch_dims=1)",
        optax="-jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=-1)[:, 0]",
        onnx='onnx_op("NegativeLogLikelihoodLoss", onnx_op("LogSoftmax", z), y,'
        ' reduction="none")',
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "takes the last class": "numpy optax onnx",
                    "raises IndexError": "torch",
                    TF_ERROR: "tensorflow",
                },
            ),
            odd(
                SEVEN,
                label(7),
                {
                    "raises IndexError": "numpy torch onnx",
                    TF_ERROR: "tensorflow",
                    "nan": "optax",
                },
            ),
            odd(
                HUNDRED,
                label(-100),
                {
                    "raises IndexError": "numpy onnx",
                    "0": "torch",
                    TF_ERROR: "tensorflow",
                    "nan": "optax",
                },
            ),
            odd(FAR, EDGES[FAR], {"1544.1": "numpy torch tensorflow optax", "inf": "onnx"}),
        ],
    ),
    row(
        "cross-entropy of probabilities p, labels, mean",
        slope_in=None,  # scikit-learn divides p by its sum, which a step changes
        numpy="cross_entropy(one_hot(y, 4), p).mean()",
        scipy="-special.xlogy(np.eye(4)[y], p).sum(axis=-1).mean()",
        sklearn="metrics.log_loss(y, p, labels=[0, 1, 2, 3])",
        torch="F.nll_loss(p.log(), y)",
        tensorflow="-tf.reduce_mean(tf.math.log(tf.gather(p, y, batch_dims=1)))",
        keras='keras.losses.SparseCategoricalCrossentropy(dtype="float64")(y, p)',
        optax="-jnp.log(jnp.take_along_axis(p, y[:, None], axis=-1)).mean()",
        onnx='onnx_op("NegativeLogLikelihoodLoss", np.log(p), y)',
        differs=[
            odd(
                "a p of 0 at the label",
                {"y": [0], "p": [[0, 0.5, 0.25, 0.25]]},
                {
                    "inf": "numpy scipy torch tensorflow optax onnx",
                    "36.044": "sklearn",
                    "16.118": "keras",
                },
            ),
            odd(
                "a p of 1 at the label, in a row that sums to 2",
                {"y": [0], "p": [[1, 0.5, 0.25, 0.25]]},
                {
                    "0": "numpy scipy torch tensorflow optax onnx",
                    "2.2204e−16": "sklearn",
                    "0.69315": "keras",
                },
            ),
            odd(
                "logits −1, 2, 0.5, 1 in place of p, and label 0",
                {"y": [0], "p": [[-1, 2, 0.5, 1]]},
                {
                    "nan": "numpy scipy torch tensorflow optax onnx",
                    "raises ValueError": "sklearn",
                    "17.034": "keras",
                },
            ),
            odd(
                HOT,
                EDGES[HOT],
                {
                    "0": "numpy scipy torch tensorflow optax onnx",
                    "2.2204e−16": "sklearn",
                    "3e−07": "keras",
                },
            ),
        ],
    ),
    row(
        "mean over the batch",
        numpy="softmax_cross_entropy_with_labels(z, y).mean()",
        torch="F.cross_entropy(z, y)",
        tensorflow="tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))",
        keras='keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")'
        "(y, z)",
        optax="optax.losses.softmax_cross_entropy_with_integer_labels(z, y).mean()",
        onnx='onnx_op("SoftmaxCrossEntropyLoss", z, y)',
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch",
                    TF_ERROR: "tensorflow keras",
                    "takes the last class": "optax onnx",
                },
            ),
            odd(
                HUNDRED,
                label(-100),
                {
                    "raises ValueError": "numpy",
                    "leaves the example out": "torch",
                    TF_ERROR: "tensorflow keras",
                    "nan": "optax",
                    "raises IndexError": "onnx",
                },
            ),
            odd(
                "a batch of none",
                {"z": np.zeros((0, 4)), "y": np.zeros(0, int)},
                {
                    "nan": "numpy torch tensorflow optax",
                    "raises IndexError": "keras",
                    "raises ValueError": "onnx",
                },
            ),
            odd(
                FAR, EDGES[FAR], {"2738.6": "numpy torch tensorflow keras optax", "inf": "onnx"}
            ),
        ],
    ),
    row(
        "perplexity",
        numpy="np.exp(softmax_cross_entropy_with_labels(z, y).mean())",
        torch="F.cross_entropy(z, y).exp()",
        tensorflow="tf.exp(tf.reduce_mean("
        "tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)))",
        keras="ops.exp(ops.mean(ops.sparse_categorical_crossentropy(y, z, from_logits=True)))",
        optax="jnp.exp(optax.losses.softmax_cross_entropy_with_integer_labels(z, y).mean())",
        onnx='onnx_op("Exp", onnx_op("SoftmaxCrossEntropyLoss", z, y))',
    ),
    row(
        "weights of examples, mean over the weights",
        numpy="softmax_cross_entropy_with_labels(z, y, weights=e).sum() / e.sum()",
        torch='F.cross_entropy(z, y, reduction="none") @ e / e.sum()',
        tensorflow="tf.tensordot(e, tf.nn.sparse_softmax_cross_entropy_with_logits(y, z), 1)"
        " / tf.reduce_sum(e)",
        keras='keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64",'
        ' reduction="mean_with_sample_weight")(y, z, sample_weight=e)',
        optax="jnp.average("
        "optax.losses.softmax_cross_entropy_with_integer_labels(z, y), weights=e)",
        differs=[
            odd(
                "all weights 0",
                {"e": np.zeros(5)},
                {"nan": "numpy torch tensorflow optax", "0": "keras"},
            ),
            odd(
                "a label of −100 at weight 0",
                {"y": [0, 3, 1, -100, 1]},
                {"3.0114": "numpy torch", TF_ERROR: "tensorflow keras", "nan": "optax"},
            ),
            odd(
                "logits of nan at weight 0",
                {"z": np.where(np.arange(5)[:, None] == 3, np.nan, inputs()["z"])},
                {"3.0114": "numpy", "nan": "torch tensorflow keras optax"},
            ),
        ],
    ),
    row(
        "soft targets, weights of examples",
        numpy="softmax_cross_entropy(z, t, weights=e)",
        scipy="-e * (t * special.log_softmax(z, axis=-1)).sum(axis=-1)",
        torch='e * F.cross_entropy(z, t, reduction="none")',
        tensorflow="e * tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z)",
        keras="keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None,"
        ' dtype="float64")(t, z, sample_weight=e)',
        optax="e * optax.losses.softmax_cross_entropy(z, t)",
    ),
    row(
        "class weights, mean over the weights",
        numpy="np.average(softmax_cross_entropy_with_labels(z, y), weights=w[y])",
        torch="F.cross_entropy(z, y, weight=w)",
        tensorflow="tf.tensordot(tf.gather(w, y),"
        " tf.nn.sparse_softmax_cross_entropy_with_logits(y, z), 1)"
        " / tf.reduce_sum(tf.gather(w, y))",
        keras='keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64",'
        ' reduction="mean_with_sample_weight")(y, z, sample_weight=ops.take(w, y))',
        optax="jnp.average("
        "optax.losses.softmax_cross_entropy_with_integer_labels(z, y), weights=w[y])",
        onnx='onnx_op("SoftmaxCrossEntropyLoss", z, y, w)',
        differs=[
            odd(
                "weights of 0 for all classes",
                {"w": np.zeros(4)},
                {
                    "raises ZeroDivisionError": "numpy",
                    "nan": "torch tensorflow optax onnx",
                    "0": "keras",
                },
            ),
            odd(
                HUNDRED,
                label(-100),
                {
                    "raises ValueError": "numpy",
                    "leaves the example out": "torch",
                    TF_ERROR: "tensorflow keras",
                    "nan": "optax",
                    "raises IndexError": "onnx",
                },
            ),
            odd(
                FAR, EDGES[FAR], {"2622.4": "numpy torch tensorflow keras optax", "inf": "onnx"}
            ),
        ],
    ),
    row(
        "soft targets, class weights, mean over the batch",
        numpy="softmax_cross_entropy(z, w * t).mean()",
        scipy="-(w * t * special.log_softmax(z, axis=-1)).sum(axis=-1).mean()",
        torch="F.cross_entropy(z, t, weight=w)",
        tensorflow="-tf.reduce_mean(tf.reduce_sum(w * t * tf.nn.log_softmax(z), axis=-1))",
        keras="-ops.mean(ops.sum(w * t * ops.log_softmax(z), axis=-1))",
        optax="optax.losses.softmax_cross_entropy(z, w * t).mean()",
    ),
    row(
        "label 1 ignored, mean over the rest",
        numpy="softmax_cross_entropy_with_labels(z, y, weights=y != 1).sum() / (y != 1).sum()",
        torch="F.cross_entropy(z, y, ignore_index=1)",
        tensorflow="tf.reduce_mean("
        "tf.nn.sparse_softmax_cross_entropy_with_logits(y[y != 1], z[y != 1]))",
        keras='keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64",'
        " ignore_class=1)(y, z)",
        optax="optax.losses.softmax_cross_entropy_with_integer_labels(z, y).mean(where=y != 1)",
        onnx='onnx_op("SoftmaxCrossEntropyLoss", z, y, ignore_index=1)',
        differs=[
            odd(
                "every label ignored",
                {"y": [1, 1, 1, 1, 1]},
                {"nan": "numpy torch tensorflow optax onnx", "0": "keras"},
            ),
            odd(
                FAR, EDGES[FAR], {"1898.7": "numpy torch tensorflow keras optax", "inf": "onnx"}
            ),
        ],
    ),
    row(
        "label smoothing 0.1",
        numpy="softmax_cross_entropy(z, 0.9 * one_hot(y, 4) + 0.1 / 4).mean()",
        torch="F.cross_entropy(z, y, label_smoothing=0.1)",
        tensorflow="tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits("
        "0.9 * tf.one_hot(y, 4, dtype=z.dtype) + 0.1 / 4, z))",
        keras='keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64",'
        " label_smoothing=0.1)(ops.one_hot(y, 4), z)",
        optax="optax.losses.softmax_cross_entropy(z,"
        " optax.losses.smooth_labels(jax.nn.one_hot(y, 4), 0.1)).mean()",
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch",
                    "takes a row of zeros": "tensorflow keras optax",
                },
            ),
        ],
    ),
    row(
        "label smoothing 0.1 with class weights",
        numpy="softmax_cross_entropy(z, w * (0.9 * one_hot(y, 4) + 0.1 / 4)).sum()"
        " / w[y].sum()",
        torch="F.cross_entropy(z, y, weight=w, label_smoothing=0.1)",
        tensorflow="-tf.reduce_sum(w * (0.9 * tf.one_hot(y, 4, dtype=z.dtype) + 0.1 / 4)"
        " * tf.nn.log_softmax(z)) / tf.reduce_sum(tf.gather(w, y))",
        keras="-ops.sum(w * (0.9 * ops.one_hot(y, 4, dtype=z.dtype) + 0.1 / 4)"
        " * ops.log_softmax(z)) / ops.sum(ops.take(w, y))",
        optax="optax.losses.softmax_cross_entropy(z,"
        " w * optax.losses.smooth_labels(jax.nn.one_hot(y, 4), 0.1)).sum() / w[y].sum()",
    ),
    row(
        "one loss per pixel, classes on axis 1",
        slope_in="s",
        numpy="softmax_cross_entropy_with_labels(np.moveaxis(s, 1, -1), m)",
        torch='F.cross_entropy(s, m, reduction="none")',
        tensorflow="tf.nn.sparse_softmax_cross_entropy_with_logits("
        "m, tf.transpose(s, [0, 2, 3, 1]))",
        keras="ops.sparse_categorical_crossentropy("
        "m, ops.moveaxis(s, 1, -1), from_logits=True)",
        optax="optax.losses.softmax_cross_entropy_with_integer_labels(s, m, axis=1)",
        onnx='onnx_op("SoftmaxCrossEntropyLoss", s, m, reduction="none")',
        differs=[
            odd(
                "labels of 7, of 4 classes",
                {"m": np.full((2, 3, 2), 7)},
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch onnx",
                    TF_ERROR: "tensorflow keras",
                    "nan": "optax",
                },
            ),
            odd(FAR, EDGES[FAR], {"3874": "numpy torch tensorflow keras optax", "inf": "onnx"}),
        ],
    ),
    row(
        "binary cross-entropy, one logit per entry",
        numpy="sigmoid_cross_entropy(z, b)",
        scipy="-(b * special.log_expit(z) + (1 - b) * special.log_expit(-z))",
        torch='F.binary_cross_entropy_with_logits(z, b, reduction="none")',
        tensorflow="tf.nn.sigmoid_cross_entropy_with_logits(labels=b, logits=z)",
        keras="ops.binary_crossentropy(b, z, from_logits=True)",
        optax="optax.losses.sigmoid_binary_cross_entropy(z, b)",
        differs=[
            odd(
                "a logit of +inf where b is 1",
                first("z", 0, np.inf) | first("b", 0, 1),
                {"0": "numpy", "nan": "scipy torch tensorflow keras optax"},
            ),
        ],
    ),
    row(
        "binary cross-entropy, the 1 of class k weighs w[k]",
        numpy="sigmoid_cross_entropy(z, b, weights=1 + (w - 1) * b)",
        scipy="-(w * b * special.log_expit(z) + (1 - b) * special.log_expit(-z))",
        torch='F.binary_cross_entropy_with_logits(z, b, pos_weight=w, reduction="none")',
        tensorflow="tf.nn.weighted_cross_entropy_with_logits(labels=b, logits=z, pos_weight=w)",
        keras="(1 + (w - 1) * b) * ops.binary_crossentropy(b, z, from_logits=True)",
        optax="(1 + (w - 1) * b) * optax.losses.sigmoid_binary_cross_entropy(z, b)",
        differs=[
            odd(
                "a b of 0.5 at weight 3",
                first("b", 0, 0.5) | {"w": [3.0, 1.0, 1.0, 1.0]},
                {"1.4217": "numpy keras optax", "1.2331": "scipy torch tensorflow"},
            ),
        ],
    ),
    row(
        "focal loss with labels, gamma 2",
        numpy="relatives.focal_loss(z, y, gamma=2)",
        torch="(1 - F.softmax(z, dim=-1)[torch.arange(5), y]) ** 2"
        ' * F.cross_entropy(z, y, reduction="none")',
        tensorflow="(1 - tf.gather(tf.nn.softmax(z), y, batch_dims=1)) ** 2"
        " * tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)",
        keras="keras.losses.categorical_focal_crossentropy("
        "ops.one_hot(y, 4), z, alpha=1.0, gamma=2.0, from_logits=True)",
        optax="(1 - jax.nn.softmax(z)[jnp.arange(5), y]) ** 2"
        " * optax.losses.softmax_cross_entropy_with_integer_labels(z, y)",
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy",
                    "raises IndexError": "torch",
                    TF_ERROR: "tensorflow",
                    "0": "keras",
                    "takes the last class": "optax",
                },
            ),
            odd(FAR, EDGES[FAR], {"1544.1": "numpy torch tensorflow optax", "16.118": "keras"}),
        ],
    ),
    row(
        "binary focal loss, gamma 2",
        numpy="relatives.focal_loss(np.stack([0 * z, z], axis=-1), b.astype(int), gamma=2)",
        torch="torch.sigmoid(torch.where(b > 0, -z, z)) ** 2"
        ' * F.binary_cross_entropy_with_logits(z, b, reduction="none")',
        tensorflow="tf.sigmoid(tf.where(b > 0, -z, z)) ** 2"
        " * tf.nn.sigmoid_cross_entropy_with_logits(labels=b, logits=z)",
        keras="keras.losses.binary_focal_crossentropy("
        "b[..., None], z[..., None], gamma=2.0, from_logits=True)",
        optax="optax.losses.sigmoid_focal_loss(z, b, gamma=2.0)",
        differs=[
            odd(
                "a b of 0.5",
                first("b", 0, 0.5),
                {"0.31649": "numpy", "0.11763": "torch tensorflow", "0.17771": "keras optax"},
            ),
        ],
    ),
    row(
        "squared error on softmax (Brier)",
        numpy="softmax_squared_error(z, t)",
        scipy="((special.softmax(z, axis=-1) - t) ** 2).sum(axis=-1)",
        torch='F.mse_loss(F.softmax(z, dim=-1), t, reduction="none").sum(dim=-1)',
        tensorflow="tf.reduce_sum(tf.math.squared_difference(tf.nn.softmax(z), t), axis=-1)",
        keras="ops.sum(ops.square(ops.softmax(z) - t), axis=-1)",
        optax="optax.losses.squared_error(jax.nn.softmax(z), t).sum(axis=-1)",
    ),
    row(
        "Brier score of softmax, labels, mean",
        numpy="softmax_squared_error(z, one_hot(y, 4)).mean()",
        sklearn="metrics.brier_score_loss("
        "y, extmath.softmax(z), labels=[0, 1, 2, 3], scale_by_half=False)",
        torch='F.mse_loss(F.softmax(z, dim=-1), F.one_hot(y, 4), reduction="none")'
        ".sum(dim=-1).mean()",
        tensorflow="tf.reduce_mean(tf.reduce_sum(tf.math.squared_difference("
        "tf.nn.softmax(z), tf.one_hot(y, 4, dtype=z.dtype)), axis=-1))",
        keras="ops.mean(ops.sum(ops.square("
        "ops.softmax(z) - ops.one_hot(y, 4, dtype=z.dtype)), axis=-1))",
        optax="optax.losses.squared_error("
        "jax.nn.softmax(z), jax.nn.one_hot(y, 4)).sum(axis=-1).mean()",
        differs=[
            odd(
                MINUS,
                label(-1),
                {
                    "raises ValueError": "numpy sklearn",
                    "raises RuntimeError": "torch",
                    "takes a row of zeros": "tensorflow keras optax",
                },
            ),
        ],
    ),
    row(
        "top-2 accuracy",
        slope_in=None,
        numpy='(np.argsort(-z, kind="stable")[:, :2] == y[:, None]).any(axis=-1).mean()',
        sklearn="metrics.top_k_accuracy_score(y, z, k=2, labels=[0, 1, 2, 3])",
        torch="(z.topk(2).indices == y[:, None]).any(dim=-1).double().mean()",
        tensorflow="tf.reduce_mean(tf.cast(tf.math.in_top_k("
        'y, tf.cast(z, "float32"), k=2), "float64"))',
        keras='ops.mean(ops.cast(ops.in_top_k(y, ops.cast(z, "float32"), k=2), "float64"))',
        optax="(jax.lax.top_k(z, 2)[1] == y[:, None]).any(axis=-1).mean(dtype=float)",
        differs=[
            odd(
                "four equal logits and label 3",
                {"z": np.zeros((1, 4)), "y": [3]},
                {"0": "numpy optax", "1": "sklearn tensorflow keras"},
            ),
            odd(
                "four equal logits and label 0",
                {"z": np.zeros((1, 4)), "y": [0]},
                {"1": "numpy tensorflow keras optax", "0": "sklearn"},
            ),
        ],
    ),
    row(  # not Keras's, which is wrong up to 3.15: its rows do not sum to 1 (issue 23425)
        "sparsemax of z / 5",
        numpy="relatives.sparsemax(z / 5)",
        optax="jax.vmap(optax.projections.projection_simplex)(z / 5)",
        differs=[
            odd(
                "the slope in float16",
                EDGES[HALF],
                {"−0.3": "numpy", "raises TypeError": "optax"},
                slope=True,
            ),
        ],
    ),
    row(
        "linear layer and cross-entropy in one, in chunks, mean",
        slope_in="h",
        numpy="linear.linear_cross_entropy(h, W.T, y)[0].mean()",
        torch="F.linear_cross_entropy(h, W, y)",
        differs=[
            odd(
                HUNDRED,
                label(-100),
                {"raises ValueError": "numpy", "leaves the example out": "torch"},
            ),
        ],
    ),
    row(
        "sampled softmax, with the classes c drawn",
        slope_in="h",
        numpy="logsumexp(np.c_[(h * W[y]).sum(axis=-1),"
        " np.where(c == y[:, None], -np.inf, h @ W[c].T)]) - (h * W[y]).sum(axis=-1)",
        tensorflow="tf.nn.sampled_softmax_loss(W, tf.zeros(4, W.dtype), y[:, None], h, 2, 4,"
        " sampled_values=(c, tf.ones((5, 1), W.dtype), tf.ones(2, W.dtype)))",
        differs=[
            odd(HALF, EDGES[HALF], {"4.9062": "numpy", "nan": "tensorflow"}),
        ],
    ),
    row(
        "adaptive softmax: classes 0 and 1, and a cluster of 2 and 3",
        slope_in="h",
        numpy="softmax_cross_entropy_with_labels("
        "np.c_[(h @ A.T)[:, :2], (h @ A.T)[:, 2:] + log_softmax(h @ B.T @ C.T)], y)",
        torch="-torch.func.functional_call("
        "torch.nn.AdaptiveLogSoftmaxWithLoss(3, 4, [2], div_value=1.5),"
        ' {"head.weight": A, "tail.0.0.weight": B, "tail.0.1.weight": C}, (h, y)).output',
        differs=[
            odd(
                SEVEN, label(7), {"raises ValueError": "numpy", "raises RuntimeError": "torch"}
            ),
        ],
    ),
)

# What a phrase says of a call: it gives what the package's call gives, once rewritten so.
AS_IF = {
    "takes the last class": (r"\by\b", "np.where(y < 0, y + 4, y)"),
    "leaves the example out": (r"\b([zhy])\b", r"\1[y >= 0]"),
    "takes a row of zeros": (r"one_hot\(y, 4\)", "1.0 * (y[:, None] == np.arange(4))"),
}


def happens(row, difference, library):
    """Whether a library does what a Difference says of it.

    Parameters
    ----------
    row : Row
        The row of the difference.
    difference : Difference
        One of its `differs`.
    library : str
        One of those in `difference.says`.

    Returns
    -------
    bool

    Examples
    --------
    >>> one_hots = next(row for row in ROWS if row.name == "one-hot")
    >>> happens(one_hots, one_hots.differs[0], "numpy")
    True
    """
    words = difference.says[library]
    given = inputs() | {name: np.asarray(odd) for name, odd in difference.inputs.items()}
    if words not in AS_IF:
        more = (row.slope_in,) if difference.slope else ()
        run = slope if difference.slope else value
        return words == said(lambda: run(library, row.calls[library], given, *more))
    wanted = value("numpy", re.sub(*AS_IF[words], row.calls["numpy"]), given)
    try:
        return np.allclose(value(library, row.calls[library], given), wanted, rtol=1e-12)
    except Exception:  # it raises, and so does something else
        return False


@dataclass(frozen=True)
class Inside:
    """What a call does outside a mode and inside it.

    Parameters
    ----------
    call : str
        The expression.
    given : str
        The input, in words.
    outside, inside : str
        What `said` says, or the dtype of the result.
    inputs : dict of str to array_like
        What replaces those of `inputs`.

    Examples
    --------
    >>> Inside("F.one_hot(y, 4)", "a label of 7", "raises RuntimeError", "nan", {}).outside
    'raises RuntimeError'
    """

    call: str
    given: str
    outside: str
    inside: str
    inputs: dict = field(repr=False)


@dataclass(frozen=True)
class Mode:
    """A compiler or an automatic cast, and calls in it.

    Parameters
    ----------
    name : str
        The expression that turns a function into one that runs so.
    library : str
        One of LIBRARIES.
    calls : tuple of Inside
        What stays and what changes.

    Examples
    --------
    >>> Mode("jax.jit", "optax").calls
    ()
    """

    name: str
    library: str
    calls: tuple = ()


SINGLE = {name: inputs()[name].astype(np.float32) for name in ("h", "W", "t", "b")}
SINGLES = "features and weights in float32"


def cast(call, inside, outside="float32"):
    """A call after a linear layer in float32, and the dtypes of its result."""
    return Inside(call, SINGLES, outside, inside, SINGLE)


TORCH_LABELS = 'F.cross_entropy(z, y, reduction="none")'
TF_LABELS = "tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z)"
OPTAX_LABELS = "optax.losses.softmax_cross_entropy_with_integer_labels(z, y)"
LIFTED = {  # in PyTorch's automatic casts on the CPU; h and W are float32
    "F.linear(h, W)": False,
    "F.softmax(F.linear(h, W), dim=-1)": False,
    "F.log_softmax(F.linear(h, W), dim=-1)": False,
    "torch.logsumexp(F.linear(h, W), dim=-1)": False,
    "F.cross_entropy(F.linear(h, W), y)": True,
    "F.nll_loss(F.log_softmax(F.linear(h, W), dim=-1), y)": True,
    'F.kl_div(F.log_softmax(F.linear(h, W), dim=-1), t, reduction="batchmean")': True,
    "F.binary_cross_entropy_with_logits(F.linear(h, W), b)": True,
    "F.linear_cross_entropy(h, W, y)": True,
}
MODES = (
    Mode(
        "torch.compile",
        "torch",
        (
            Inside(TORCH_LABELS, MINUS, "raises IndexError", "raises RuntimeError", label(-1)),
            Inside(TORCH_LABELS, SEVEN, "raises IndexError", "raises RuntimeError", label(7)),
            Inside(TORCH_LABELS, HUNDRED, "0", "0", label(-100)),
            Inside("torch.logsumexp(z, dim=-1)", ZEROS, "inf", "11.156", MANY),
            Inside("F.softmax(z, dim=-1)", ZEROS, "1.4305e−05", "1.4305e−05", MANY),
        ),
    ),
    Mode(
        "tf.function(jit_compile=True)",
        "tensorflow",
        (
            Inside(TF_LABELS, MINUS, TF_ERROR, "nan", label(-1)),
            Inside(TF_LABELS, SEVEN, TF_ERROR, "nan", label(7)),
            Inside(
                "tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z)",
                "a logit of −inf where t is 0",
                "nan",
                "1.8221",
                RULED_OUT,
            ),
            Inside(
                "tf.gather(w, y)",
                "a label of 7, of 4 classes, the last of weight 3",
                TF_ERROR,
                "3",
                label(7),
            ),
            Inside("tf.nn.softmax(z)", ZEROS, "0", "0", MANY),
        ),
    ),
    Mode(
        "jax.jit",
        "optax",
        (
            Inside(OPTAX_LABELS, SEVEN, "nan", "nan", label(7)),
            Inside(
                "optax.losses.softmax_cross_entropy_with_integer_labels("
                "z[y != 1], y[y != 1]).mean()",
                "label 1 taken out by a mask",
                "2.2278",
                "raises NonConcreteBooleanIndexError",
                {},
            ),
            Inside(
                f"{OPTAX_LABELS}.mean(where=y != 1)",
                "label 1 left out of the mean",
                "2.2278",
                "2.2278",
                {},
            ),
        ),
    ),
    *(
        Mode(
            f'torch.autocast("cpu", dtype=torch.{dtype})',
            "torch",
            tuple(cast(c, "float32" if lifted else dtype) for c, lifted in LIFTED.items()),
        )
        for dtype in ("bfloat16", "float16")
    ),
    Mode(
        'under_policy("mixed_bfloat16")',
        "keras",
        (
            cast("keras.layers.Dense(4)(h)", "bfloat16"),
            cast("keras.layers.Softmax()(h)", "bfloat16"),
            cast(
                "ops.sparse_categorical_crossentropy("
                "y, keras.layers.Dense(4)(h), from_logits=True)",
                "bfloat16",
            ),
            cast(
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)("
                "y, keras.layers.Dense(4)(h))",
                "float32",
            ),
        ),
    ),
)


def in_mode(mode, inside):
    """What a call does outside a mode and inside it.

    Parameters
    ----------
    mode : Mode
        One of MODES.
    inside : Inside
        One of its calls.

    Returns
    -------
    tuple of str
        Two words, as `Inside.outside` and `Inside.inside`.

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    given = inputs() | {name: np.asarray(odd) for name, odd in inside.inputs.items()}
    say = dtype_of if inside.given == SINGLES else said
    with in_double(mode.library):
        return tuple(say(f) for f in both(mode.library, mode.name, inside.call, given))
