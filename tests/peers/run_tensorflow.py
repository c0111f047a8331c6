"""TensorFlow's own tests on companion.equivalents.tensorflow.

xent_op_test_base.py and sparse_xent_op_test_base.py ship in the wheel. Ours stand in for the
operators in the module that they call, as graph operations with ours' gradient.
"""

import os
import types
import warnings
from unittest import mock

import numpy as np
from report import counted, report, run_unittests

from companion.equivalents import tensorflow as ours

DENSE, SPARSE = "softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"
KERNEL = "expects words of TensorFlow's kernel about a placeholder without a shape"
EXCLUDED = {
    "testSecondGradient": "looks for TensorFlow's second derivative in a graph; ours has none",
    "testLabelsPlaceholderScalar": KERNEL,
    "testScalarHandling": KERNEL,
    "testNpXent": "tests the test's own NumPy code",
    "test_session": "no test: it belongs to TensorFlow's TestCase",
}


def last_example_lost(f):
    def broken(labels, logits, *args):
        result = np.array(f(labels, logits, *args))
        result[-1:] = 0
        return result

    return broken


BROKEN = {
    f"{DENSE}: sign flipped": lambda f: lambda *a: -f(*a),
    f"{DENSE}: always the last axis": lambda f: lambda y, z, axis=-1: f(y, z),
    f"{DENSE}: the last example lost": last_example_lost,
    f"{DENSE}_grad: sign flipped": lambda f: lambda *a: -f(*a),
    f"{DENSE}_grad: labels left out": lambda f: lambda y, z, *a: f(0 * np.asarray(y), z, *a),
    f"{SPARSE}: sign flipped": lambda f: lambda *a: -f(*a),
    f"{SPARSE}: labels wrap around": lambda f: (
        lambda y, z: f(np.asarray(y) % np.shape(z)[-1], z)
    ),
    f"{SPARSE}_grad: divided by N": lambda f: lambda y, z: f(y, z) / np.float32(2),
}


def operator(f, gradient, label_gradient=None):
    """A TensorFlow operation out of NumPy functions, with that gradient for the logits."""
    import tensorflow as tf

    def on_tensors(labels, logits, **given):
        labels, logits = tf.convert_to_tensor(labels), tf.convert_to_tensor(logits)
        given = {name: value for name, value in given.items() if value != -1}
        if all(x.shape.is_fully_defined() for x in (labels, logits)):
            # Errors about shapes come when a graph is made, not when it runs.
            zeros = [np.zeros(x.shape, x.dtype.as_numpy_dtype) for x in (labels, logits)]
            f(*zeros, **given)

        def call(function, *tensors):
            def run(*values):
                try:
                    return np.asarray(function(*values), logits.dtype.as_numpy_dtype)
                except IndexError as error:
                    raise tf.errors.InvalidArgumentError(None, None, str(error)) from error

            return tf.numpy_function(run, tensors, logits.dtype)

        @tf.custom_gradient
        def op(labels, logits):
            axis = given.get("axis", -1)
            rank = logits.shape.rank
            loss = call(lambda y, z: f(y, z, **given), labels, logits)
            if rank:  # a placeholder may have no shape
                loss.set_shape([n for i, n in enumerate(logits.shape) if i != axis % rank])

            def slopes(upstream):
                upstream = tf.expand_dims(upstream, axis)
                slope = call(lambda y, z: gradient(y, z, **given), labels, logits)
                slope.set_shape(logits.shape)
                of_labels = None
                if label_gradient:
                    of_labels = -call(lambda z: label_gradient(z, **given), logits)
                    of_labels.set_shape(logits.shape)
                    of_labels = of_labels * upstream
                return of_labels, slope * upstream

            return loss, slopes

        return op(labels, logits)

    return on_tensors


def standing_in(broken):
    """What the tests shall find in place of tensorflow.python.ops.nn_ops."""
    f = {n: getattr(ours, n) for n in (DENSE, f"{DENSE}_grad", SPARSE, f"{SPARSE}_grad")}
    if broken:
        name = broken.split(":")[0]
        f[name] = BROKEN[broken](f[name])
    f = {name: counted(name, function) for name, function in f.items()}
    dense = operator(f[DENSE], f[f"{DENSE}_grad"], ours.log_softmax)
    sparse = operator(f[SPARSE], f[f"{SPARSE}_grad"])

    def with_axis(labels, logits, axis=-1, dim=None, name=None):
        return dense(labels, logits, axis=axis if dim is None else dim)

    def without_axis(labels, logits, name=None):
        return sparse(labels, logits)

    return types.SimpleNamespace(
        **{DENSE: with_axis, f"{DENSE}_v2": with_axis, f"{SPARSE}_v2": without_axis}
    )


def run(broken):
    from tensorflow.python.kernel_tests.nn_ops import xent_op_test_base as dense
    from tensorflow.python.kernel_tests.sparse_ops import sparse_xent_op_test_base as sparse

    def chosen(name):
        return not broken or name.startswith("Sparse") == broken.startswith("sparse")

    functions = standing_in(broken)
    with (
        mock.patch.object(dense, "nn_ops", functions),
        mock.patch.object(sparse, "nn_ops", functions),
    ):
        classes = (dense.XentOpTestBase, sparse.SparseXentOpTestBase)
        return run_unittests(classes, EXCLUDED, chosen)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore")  # TensorFlow's own, of its import and of version 1
    report(run, BROKEN, EXCLUDED)
