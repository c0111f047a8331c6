"""Optax's own tests, optax/losses/_classification_test.py, on companion.equivalents.optax.

They ship in the wheel. Ours stand in for the functions of the module that they call, as calls
of NumPy from inside JAX. Their derivatives, which the tests ask for forwards and backwards, are
central differences of ours in float64: a matrix, times what JAX hands on.
"""

import inspect
import os
import warnings
from unittest import mock

import numpy as np
from report import counted, report, run_unittests

from companion.derivatives import numerical_gradient
from companion.equivalents import optax as ours

CTC = "of CTC, which sums over alignments; ours has none"
EXCLUDED = {
    "test_with_one_to_one_alignment": CTC,
    "test_with_one_to_one_alignment_and_paddings": CTC,
    "test_repeat_with_one_to_one_alignment": CTC,
    "test_extreme_logits_finite_gradients": "asks for second derivatives; ours has none",
}
FUNCTIONS = [
    name for name, f in inspect.getmembers(ours, inspect.isfunction)
    if f.__module__ == ours.__name__ and not name.startswith("_")
]  # fmt: skip
# The class of Optax's tests that each function has.
TESTS = {
    "softmax_cross_entropy": "SoftmaxCrossEntropyTest",
    "safe_softmax_cross_entropy": "SafeSoftmaxCrossEntropyTest",
    "softmax_cross_entropy_with_integer_labels": "SoftmaxCrossEntropyWithIntegerLabelsTest",
    "sigmoid_binary_cross_entropy": "SigmoidCrossEntropyTest",
    "sigmoid_focal_loss": "SigmoidFocalLossTest",
    "poly_loss_cross_entropy": "PolyLossTest",
    "hinge_loss": "HingeTest",
    "multiclass_hinge_loss": "HingeTest",
    "perceptron_loss": "PerceptronTest",
    "multiclass_perceptron_loss": "PerceptronTest",
    "sparsemax_loss": "SparsemaxTest",
    "multiclass_sparsemax_loss": "SparsemaxTest",
    "kl_divergence": "KLDivergenceTest",
    "kl_divergence_with_log_targets": "KLDivergenceWithLogTargetsTest",
    "generalized_kl_divergence": "GeneralizedKLDivergenceTest",
}


# Their tests compare quotients, or zeros.
UNSIGNED = ("sigmoid_focal_loss", "multiclass_sparsemax_loss")


def flipped(f):
    return lambda **given: -f(**given)


def without(name):
    """The function, without one of its arguments."""

    def broken(f):
        return lambda **given: f(**{k: v for k, v in given.items() if k != name})

    return broken


def swapped(f):
    def broken(log_predictions, log_targets, **given):
        return f(log_targets, log_predictions, **given)

    return broken


def always_class_0(f):
    return lambda scores, labels: f(scores, 0 * labels)


def plain(logits, labels):
    return ours.softmax_cross_entropy(logits, labels)


BROKEN = {
    **{f"{name}: sign flipped": flipped for name in TESTS if name not in UNSIGNED},
    **{f"{name}: mask unseen": without("where") for name in TESTS if "where" in
       inspect.signature(getattr(ours, name)).parameters},
    **{f"{name}: axis unseen": without("axis") for name in TESTS if "axis" in
       inspect.signature(getattr(ours, name)).parameters},
    "kl_divergence_with_log_targets: arguments swapped": swapped,
    "safe_softmax_cross_entropy: 0 times -inf is nan": lambda f: plain,
    "poly_loss_cross_entropy: epsilon unseen": without("epsilon"),
    "multiclass_sparsemax_loss: always class 0": always_class_0,
    "sigmoid_focal_loss: gamma unseen": without("gamma"),
    "sigmoid_focal_loss: alpha unseen": without("alpha"),
}  # fmt: skip


def operator(name, f):
    """A function of NumPy as one of JAX, with its derivatives in all arguments of floats."""
    import jax
    import jax.numpy as jnp

    signature = inspect.signature(getattr(ours, name))

    def on_arrays(*args, **given):
        bound = signature.bind(*args, **given).arguments
        arrays = {k: jnp.asarray(v) for k, v in bound.items() if hasattr(v, "shape")}
        rest = {k: v for k, v in bound.items() if k not in arrays}
        of = {k: v for k, v in arrays.items() if jnp.issubdtype(v.dtype, jnp.floating)}
        names, others = list(of), {k: v for k, v in arrays.items() if k not in of}

        def run(values, others):
            values = {k: np.asarray(v) for k, v in (values | others).items()}
            return np.asarray(f(**values, **rest))

        example = run(*({k: np.zeros(v.shape, v.dtype) for k, v in d.items()}
                        for d in (of, others)))  # fmt: skip
        kind = jnp.asarray(example).dtype
        shape = jax.ShapeDtypeStruct(example.shape, kind)

        @jax.custom_jvp
        def op(values, others):
            return jax.pure_callback(lambda a, b: run(a, b).astype(kind), shape, values, others)

        @op.defjvp
        def derivative(primals, tangents):
            (values, others), (along, _) = primals, tangents
            slopes = {
                k: jax.ShapeDtypeStruct(example.shape + values[k].shape, kind) for k in names
            }
            matrices = jax.pure_callback(
                lambda a, b: matrices_of(run, a, b, example.shape, kind), slopes, values, others
            )
            total = sum(jnp.tensordot(matrices[k], along[k], along[k].ndim) for k in names)
            return op(values, others), total.astype(kind)

        return op(of, others)

    return on_arrays


def matrices_of(run, values, others, shape, kind):
    """The derivative of each output by each entry of each argument."""
    wide = {k: np.asarray(v, np.float64) for k, v in values.items()}

    def matrix(name):
        rows = [
            numerical_gradient(lambda x: run(wide | {name: x}, others)[i], wide[name])  # noqa: B023
            for i in np.ndindex(shape)
        ]
        return np.reshape(rows, shape + wide[name].shape).astype(kind)

    return {name: matrix(name) for name in wide}


def run(broken):
    from optax.losses import _classification as module
    from optax.losses import _classification_test as tests

    functions = {name: getattr(ours, name) for name in FUNCTIONS}
    name = broken.split(":")[0] if broken else None
    if name:
        functions[name] = BROKEN[broken](functions[name])
    functions = {key: operator(key, counted(key, f)) for key, f in functions.items()}
    classes = [v for k, v in vars(tests).items() if k.endswith("Test")]

    def chosen(case):
        return not name or case.startswith(f"{TESTS[name]}.")

    np.random.seed(0)  # noqa: NPY002 - their tests draw from it
    with mock.patch.multiple(module, **functions):
        return run_unittests(classes, EXCLUDED, chosen)


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    warnings.simplefilter("ignore")
    report(run, BROKEN, EXCLUDED)
