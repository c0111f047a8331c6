"""Keras's own tests on companion.equivalents.keras, with Keras's NumPy backend.

The tests ship in the wheel. Our losses and our layer stand in for Keras's classes in
losses_test.py and softmax_test.py. Our softmax, log-softmax and losses stand in for the
backend's functions in nn_test.py.
"""

import importlib.util
import os
import sys
import types
import warnings
from unittest import mock

import numpy as np
from report import counted, report, run_unittests

from companion import functions
from companion.equivalents import keras as ours
from companion.equivalents.axes import over_axes

LOSSES = (
    "CategoricalCrossentropy SparseCategoricalCrossentropy BinaryCrossentropy KLDivergence"
).split()
OPERATORS = (
    "test_softmax test_softmax_correctness_with_axis_tuple test_log_softmax "
    "test_log_softmax_correctness_with_axis_tuple test_binary_crossentropy "
    "test_categorical_crossentropy test_sparse_categorical_crossentropy "
    "test_logit_recovery_binary_crossentropy"
).split()
SERIALIZED = "saves and loads a Keras object; ours is no Keras object"
ASSERTS_NOTHING = "asserts nothing on the NumPy backend"
SPARSE = "SparseCategoricalCrossentropyTest"
EXCLUDED = {
    "BinaryCrossentropyTest.test_config": SERIALIZED,
    "CategoricalCrossentropyTest.test_config": SERIALIZED,
    f"{SPARSE}.test_config": SERIALIZED,
    "KLDivergenceTest.test_config": "reads attributes and computes nothing",
    "SoftmaxTest.test_softmax": "builds, saves, calls a Keras layer; ours is none",
    f"{SPARSE}.test_binary_segmentation_different_axis": ASSERTS_NOTHING,
    f"{SPARSE}.test_multi_class_segmentation_different_axis": (ASSERTS_NOTHING),
    f"{SPARSE}.test_squeezes_singleton_class_dim_on_user_axis": (
        "for Keras on PyTorch only, where axis may be another than the last"
    ),
}


def patched(name, **changes):
    """A class of ours with other methods."""
    return type(name, (getattr(ours, name),), changes)


def no_clip(self, y_true, y_pred):
    if self.from_logits:
        return ours.CategoricalCrossentropy.call(self, y_true, y_pred)
    y_pred = y_pred / y_pred.sum(-1, keepdims=True)
    return -(y_true * np.log(y_pred)).sum(-1), None


def flipped(name):
    def call(self, y_true, y_pred):
        losses, mask = getattr(ours, name).call(self, y_true, y_pred)
        return -losses, mask

    return patched(name, call=call)


def wraps_around(self, y_true, y_pred):
    self.ignore_class = None
    y_true = np.where(y_true < 0, y_pred.shape[-1] - 1, y_true)
    return ours.SparseCategoricalCrossentropy.call(self, y_true, y_pred)


def swapped(self, y_true, y_pred):
    return ours.KLDivergence.call(self, y_pred, y_true)


def unweighted(name):
    def call(self, y_true, y_pred, sample_weight=None):
        return getattr(ours, name).__call__(self, y_true, y_pred)

    return patched(name, __call__=call)


def logits_unseen(name):
    def init(self, from_logits=False, **given):
        getattr(ours, name).__init__(self, **given)

    return patched(name, __init__=init)


BROKEN = {
    "CategoricalCrossentropy: no clip": lambda: patched(
        "CategoricalCrossentropy", call=no_clip
    ),
    "SparseCategoricalCrossentropy: ignore_class not seen": lambda: patched(
        "SparseCategoricalCrossentropy", call=wraps_around
    ),
    "KLDivergence: arguments swapped": lambda: patched("KLDivergence", call=swapped),
    **{f"{name}: sign flipped": lambda name=name: flipped(name) for name in LOSSES},
    **{f"{name}: weights unseen": lambda name=name: unweighted(name) for name in LOSSES},
    **{f"{name}: from_logits unseen": lambda name=name: logits_unseen(name)
       for name in LOSSES[:3]},
    "Softmax: over the first axis": lambda: patched(
        "Softmax",
        __call__=lambda self, x, mask=None: ours.Softmax(0, self.dtype)(x, mask),
    ),
    "Softmax: mask unseen": lambda: patched(
        "Softmax", __call__=lambda self, x, mask=None: ours.Softmax(self.axis)(x)
    ),
    "softmax: always the last axis": lambda: lambda x, axis=-1: functions.softmax(x),
    "log_softmax: always the last axis": lambda: lambda x, axis=-1: functions.log_softmax(x),
}  # fmt: skip


def along(f):
    def over(x, axis=-1):
        return over_axes(f, np.asarray(x), axis)

    return over


def backend_loss(cls):
    """A loss as the backend has it: per example, nothing converted, nothing reduced."""

    def loss(target, output, **given):
        output = np.asarray(output)
        target = np.asarray(target, output.dtype)
        return cls(reduction=None, dtype=output.dtype, **given).call(target, output)[0]

    return loss


def binary_loss(cls):
    def loss(target, output, from_logits=False):
        # Keras averages afterwards: give it one coin per "mean".
        target, output = np.asarray(target)[..., None], np.asarray(output)[..., None]
        return backend_loss(cls)(target.astype(output.dtype), output, from_logits=from_logits)

    return loss


def noted(name, cls):
    """`cls`, and a note of every call."""
    call = counted(name, cls.__call__)
    return type(
        name, (cls,), {"__call__": lambda self, *args, **given: call(self, *args, **given)}
    )


def run(broken):
    from keras.src.backend import nn
    from keras.src.layers.activations import softmax_test
    from keras.src.losses import losses_test
    from keras.src.ops import nn_test

    classes = {name: getattr(ours, name) for name in (*LOSSES, "Softmax")}
    name = broken.split(":")[0] if broken else None
    if name in classes:
        classes[name] = BROKEN[broken]()
    backend = {
        "softmax": along(functions.softmax),
        "log_softmax": along(functions.log_softmax),
        "categorical_crossentropy": backend_loss(classes["CategoricalCrossentropy"]),
        "sparse_categorical_crossentropy": backend_loss(
            classes["SparseCategoricalCrossentropy"]
        ),
        "binary_crossentropy": binary_loss(classes["BinaryCrossentropy"]),
    }
    if name in backend:
        backend[name] = BROKEN[broken]()
    backend = {name: counted(name, f) for name, f in backend.items()}
    classes = {name: noted(name, cls) for name, cls in classes.items()}

    tests = [getattr(losses_test, f"{name}Test") for name in LOSSES]
    tests += [softmax_test.SoftmaxTest]
    operators = [nn_test.NNOpsCorrectnessTest, nn_test.NNOpsBehaviorTest]

    def chosen(method):
        return not method.startswith("NNOps") or method.split(".")[1] in OPERATORS

    stand_in = types.SimpleNamespace(**classes)
    with (
        mock.patch.object(losses_test, "losses", stand_in),
        mock.patch.object(softmax_test, "softmax", stand_in),
        mock.patch.multiple(nn, **backend),
    ):
        return run_unittests(tests + operators, EXCLUDED, chosen)


def without_jax():
    """Keras's NumPy backend borrows convolutions and Fourier transforms from JAX.

    No test here needs one, and JAX need not be there.
    """
    for name in ("jax", "keras.src.backend.jax", "keras.src.backend.jax.math"):
        sys.modules[name] = mock.MagicMock()


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "numpy"
    if importlib.util.find_spec("jax") is None:
        without_jax()
    warnings.simplefilter("ignore")
    report(run, BROKEN, EXCLUDED)
