"""The table of equivalents: one thing per row, one call per library, as executable text.

The chapter *Framework equivalents* shows this table, one library at a time, and runs it; so
does a test. A call is an expression in the names of `NAMES`, and in the inputs of `inputs`.
What a library has no call for is put together from its parts; what it cannot do well is left
out.
"""

import html
import importlib
import re
from dataclasses import dataclass

import numpy as np

import companion
from companion.derivatives import numerical_gradient

LIBRARIES = ("numpy", "scipy", "torch", "tensorflow", "keras")
TITLES = dict(
    zip(LIBRARIES, ("companion", "SciPy", "PyTorch", "TensorFlow", "Keras"), strict=True)
)
# Those that a reader looks for come first on the page.
SHOWN = ("torch", "tensorflow", "keras", "scipy", "numpy")
# What a reader has imported: name in the calls -> module.
NAMES = {
    "numpy": {"np": "numpy"},
    "scipy": {"np": "numpy", "special": "scipy.special"},
    "torch": {"torch": "torch", "F": "torch.nn.functional"},
    "tensorflow": {"tf": "tensorflow"},
    "keras": {"keras": "keras", "ops": "keras.ops"},
}


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

    Examples
    --------
    >>> Row("softmax", {"numpy": "softmax(z)"}).slope_in
    'z'
    """

    name: str
    calls: dict
    slope_in: str | None = "z"


def row(name, *calls, slope_in="z"):
    """A Row from one call per library, in the order of LIBRARIES; None where there is none."""
    given = dict(zip(LIBRARIES, calls, strict=True))
    return Row(name, {key: call for key, call in given.items() if call}, slope_in)


ROWS = (
    row(
        "softmax",
        "softmax(z)",
        "special.softmax(z, axis=-1)",
        "F.softmax(z, dim=-1)",
        "tf.nn.softmax(z)",
        "ops.softmax(z)",
    ),
    row(
        "log-softmax",
        "log_softmax(z)",
        "special.log_softmax(z, axis=-1)",
        "F.log_softmax(z, dim=-1)",
        "tf.nn.log_softmax(z)",
        "ops.log_softmax(z)",
    ),
    row(
        "log-sum-exp",
        "logsumexp(z)",
        "special.logsumexp(z, axis=-1)",
        "torch.logsumexp(z, dim=-1)",
        "tf.reduce_logsumexp(z, axis=-1)",
        "ops.logsumexp(z, axis=-1)",
    ),
    row(
        "softmax, classes on axis 1",
        "softmax(s, axis=1)",
        "special.softmax(s, axis=1)",
        "F.softmax(s, dim=1)",
        "tf.nn.softmax(s, axis=1)",
        "ops.softmax(s, axis=1)",
        slope_in="s",
    ),
    row(
        "one-hot",
        "one_hot(y, 4)",
        None,
        "F.one_hot(y, 4)",
        "tf.one_hot(y, 4)",
        "ops.one_hot(y, 4)",
        slope_in=None,
    ),
    row(
        "entropy of p",
        "entropy(p)",
        "special.entr(p).sum(axis=-1)",
        "torch.special.entr(p).sum(dim=-1)",
        "-tf.reduce_sum(tf.math.xlogy(p, p), axis=-1)",
        "-ops.sum(p * ops.log(ops.where(p > 0, p, 1)), axis=-1)",
        slope_in="p",
    ),
    row(
        "KL from targets t to softmax(z)",
        "softmax_cross_entropy(z, t) - entropy(t)",
        "(special.xlogy(t, t) - t * special.log_softmax(z, axis=-1)).sum(axis=-1)",
        'F.kl_div(F.log_softmax(z, dim=-1), t, reduction="none").sum(dim=-1)',
        "tf.reduce_sum(tf.math.xlogy(t, t) - t * tf.nn.log_softmax(z), axis=-1)",
        "ops.sum(t * (ops.log(ops.where(t > 0, t, 1)) - ops.log_softmax(z)), axis=-1)",
    ),
    row(
        "cross-entropy with labels, per example",
        "softmax_cross_entropy_with_labels(z, y)",
        None,
        'F.cross_entropy(z, y, reduction="none")',
        "tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z)",
        "ops.sparse_categorical_crossentropy(y, z, from_logits=True)",
    ),
    row(
        "cross-entropy with targets, per example",
        "softmax_cross_entropy(z, t)",
        "-(t * special.log_softmax(z, axis=-1)).sum(axis=-1)",
        'F.cross_entropy(z, t, reduction="none")',
        "tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z)",
        "ops.categorical_crossentropy(t, z, from_logits=True)",
    ),
    row(
        "cross-entropy of log-probabilities, labels",
        "-np.take_along_axis(log_softmax(z), y[:, None], axis=-1)[:, 0]",
        None,
        'F.nll_loss(F.log_softmax(z, dim=-1), y, reduction="none")',
        "-tf.gather(tf.nn.log_softmax(z), y, batch_dims=1)",
        None,
    ),
    row(
        "mean over the batch",
        "softmax_cross_entropy_with_labels(z, y).mean()",
        None,
        "F.cross_entropy(z, y)",
        "tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))",
        'keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(y, z)',
    ),
    row(
        "class weights, mean over the weights",
        "np.average(softmax_cross_entropy_with_labels(z, y), weights=w[y])",
        None,
        "F.cross_entropy(z, y, weight=w)",
        "tf.tensordot(tf.gather(w, y), tf.nn.sparse_softmax_cross_entropy_with_logits(y, z), 1)"
        " / tf.reduce_sum(tf.gather(w, y))",
        'keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64",'
        ' reduction="mean_with_sample_weight")(y, z, sample_weight=ops.take(w, y))',
    ),
    row(
        "label 1 ignored, mean over the rest",
        "softmax_cross_entropy_with_labels(z[y != 1], y[y != 1]).mean()",
        None,
        "F.cross_entropy(z, y, ignore_index=1)",
        "tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y[y != 1], z[y != 1]))",
        'keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64",'
        " ignore_class=1)(y, z)",
    ),
    row(
        "label smoothing 0.1",
        "softmax_cross_entropy(z, 0.9 * one_hot(y, 4) + 0.1 / 4).mean()",
        None,
        "F.cross_entropy(z, y, label_smoothing=0.1)",
        "tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits("
        "0.9 * tf.one_hot(y, 4, dtype=z.dtype) + 0.1 / 4, z))",
        'keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64",'
        " label_smoothing=0.1)(ops.one_hot(y, 4), z)",
    ),
    row(
        "one loss per pixel, classes on axis 1",
        "softmax_cross_entropy_with_labels(np.moveaxis(s, 1, -1), m)",
        None,
        'F.cross_entropy(s, m, reduction="none")',
        "tf.nn.sparse_softmax_cross_entropy_with_logits(m, tf.transpose(s, [0, 2, 3, 1]))",
        "ops.sparse_categorical_crossentropy(m, ops.moveaxis(s, 1, -1), from_logits=True)",
        slope_in="s",
    ),
    row(
        "binary cross-entropy, one logit per entry",
        "softmax_cross_entropy(np.stack([z, 0 * z], axis=-1), np.stack([b, 1 - b], axis=-1))",
        "-(b * special.log_expit(z) + (1 - b) * special.log_expit(-z))",
        'F.binary_cross_entropy_with_logits(z, b, reduction="none")',
        "tf.nn.sigmoid_cross_entropy_with_logits(labels=b, logits=z)",
        "ops.binary_crossentropy(b, z, from_logits=True)",
    ),
    row(
        "squared error on softmax (Brier)",
        "softmax_squared_error(z, t)",
        "((special.softmax(z, axis=-1) - t) ** 2).sum(axis=-1)",
        'F.mse_loss(F.softmax(z, dim=-1), t, reduction="none").sum(dim=-1)',
        "tf.reduce_sum(tf.math.squared_difference(tf.nn.softmax(z), t), axis=-1)",
        "ops.sum(ops.square(ops.softmax(z) - t), axis=-1)",
    ),
)


def inputs(seed=0):
    """What the calls are about, as NumPy arrays.

    Parameters
    ----------
    seed : int
        Of the random numbers.

    Returns
    -------
    dict of str to ndarray
        z logits (5, 4), y labels (5,), t targets and p distributions (5, 4), b bits (5, 4),
        w weights of the classes (4,), s logits (2, 4, 3, 2) and m labels (2, 3, 2) of pixels.

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
    }


def edges():
    """Inputs at which calls that look the same come apart.

    Returns
    -------
    dict of str to dict
        By what is special: targets and distributions that are one-hot; logits with gaps of
        thousands, whose softmax underflows. Each as `inputs`.

    Examples
    --------
    >>> edges()["one-hot t and p"]["t"][0]
    array([1., 0., 0., 0.])
    """
    given = inputs()
    hot = np.eye(4)[given["y"]]
    far = {name: 1000 * given[name] for name in "zs"}
    return {"one-hot t and p": given | {"t": hot, "p": hot}, "gaps of thousands": given | far}


def imports(library):
    """The lines that make the names of a library's calls known.

    Parameters
    ----------
    library : str
        One of LIBRARIES.

    Returns
    -------
    list of str

    Examples
    --------
    >>> imports("torch")
    ['import torch', 'import torch.nn.functional as F']
    """
    lines = ["from companion import *"] if library == "numpy" else []
    for name, module in NAMES[library].items():
        package, _, last = module.rpartition(".")
        if name == module:
            lines.append(f"import {module}")
        elif name == last and package:
            lines.append(f"from {package} import {name}")
        else:
            lines.append(f"import {module} as {name}")
    return lines


def as_html():
    """The table as HTML: one fold per library, of which one is open at a time.

    A fold works without scripts. Each table and each row has an id, and a link to it opens the
    fold: `calls-torch`, `calls-torch-softmax`.

    Returns
    -------
    str

    Examples
    --------
    >>> as_html().count("<summary>")
    5
    """
    return "\n".join(['<div class="calls">', *map(_fold, SHOWN), "</div>"])


def _fold(library):
    lines = "; ".join(f"<code>{line}</code>" for line in imports(library))
    rows = [
        f'<tr id="calls-{library}-{_slug(row.name)}"><th scope="row">{html.escape(row.name)}'
        f"</th><td><code>{html.escape(row.calls[library], quote=False)}</code></td></tr>"
        for row in ROWS
        if library in row.calls
    ]
    head = '<tr><th scope="col">what</th><th scope="col">call</th></tr>'
    return "\n".join(
        [
            f'<details name="calls"><summary>{TITLES[library]}</summary>',
            f"<p>{lines}</p>",
            f'<table id="calls-{library}">',
            f"<thead>{head}</thead>",
            "<tbody>",
            *rows,
            "</tbody></table></details>",
        ]
    )


def _slug(name):
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))


def value(library, call, given):
    """What a call gives.

    Parameters
    ----------
    library : str
        One of LIBRARIES.
    call : str
        The expression.
    given : dict of str to ndarray
        Its inputs.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    ImportError
        If the library is not installed.

    Examples
    --------
    >>> value("numpy", "logsumexp(z)", {"z": np.zeros(2)})
    array(0.69314718)
    """
    tensors = {name: _tensor(library, array) for name, array in given.items()}
    return np.asarray(_run(library, call, tensors), dtype=np.float64)


def slope(library, call, given, name):
    """The gradient of the call's output, as one number with unequal weights.

    Parameters
    ----------
    library : str
        One of LIBRARIES. NumPy and SciPy are differenced, the others differentiate.
    call : str
        The expression.
    given : dict of str to ndarray
        Its inputs.
    name : str
        The input that the slope is taken in.

    Returns
    -------
    ndarray, shape of that input

    Examples
    --------
    >>> slope("numpy", "logsumexp(z)", {"z": np.zeros(2)}, "z").round(6)
    array([0.5, 0.5])
    """
    weights = 1.0 + np.arange(value(library, call, given).size)

    def scalar(x):
        return weights @ value(library, call, given | {name: x}).ravel()

    tensors = {key: _tensor(library, array) for key, array in given.items()}
    if library == "torch":
        import torch

        leaf = tensors[name].requires_grad_()
        (torch.tensor(weights) * _run(library, call, tensors).ravel()).sum().backward()
        return leaf.grad.numpy()
    if library in ("tensorflow", "keras"):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors[name])
            output = tf.reshape(_run(library, call, tensors), [-1])
            total = tf.tensordot(tf.constant(weights), output, 1)
        return tape.gradient(total, tensors[name]).numpy()
    return numerical_gradient(scalar, given[name])


def _tensor(library, array):
    if library == "torch":
        return _module("torch").tensor(array)
    if library in ("tensorflow", "keras"):
        return _module("tensorflow").constant(array)
    return array


def _module(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"companion.frameworks.table runs a call of {package}, which is not installed: "
            f"pip install {package}."
        ) from error


def _run(library, call, tensors):
    modules = {name: _module(m) for name, m in NAMES[library].items()}
    names = vars(companion) if library == "numpy" else {}
    return eval(call, {**names, **modules, **tensors})
