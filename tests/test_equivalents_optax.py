"""The specification of Optax's losses against Optax: values, dtypes, errors, gradients.

Tolerances are those of test_equivalents.py: 64 roundings relative and 8 absolute, 4 and 4 in
16 bits. Each new shape takes JAX a while, so calls are few by default; EQUIVALENTS_CALLS asks
for that many of each function, other ones in every run.
"""

import importlib.metadata
import inspect
import os
import re
import tomllib
from pathlib import Path

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import random_calls
from optax.losses import _classification
from random_calls import difference, eps_of, outcome, size_of

from companion import numerical_gradient
from companion.equivalents import optax as ours

ROOT = Path(__file__).resolve().parent.parent
INF = np.inf
LEFT_OUT = {
    "ctc_loss",
    "ctc_loss_with_forward_probs",
    "binary_logistic_loss",
    "multiclass_logistic_loss",
    "binary_sparsemax_loss",
    "convex_kl_divergence",
}
HELPERS = {"canonicalize_axis", "canonicalize_axes", "warn_deprecated_function"}


def theirs(name):
    return getattr(_classification, name)


def given_to_jax(given):
    return {k: jnp.asarray(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}


def same_error(ours, theirs):
    # Shapes that do not match are a TypeError or a ValueError of JAX's, by their ranks.
    shapes = isinstance(ours, ValueError) and isinstance(theirs, TypeError | ValueError)
    return shapes or type(ours) is type(theirs)


def parted(name, given):
    """What differs between the outcome of a call of ours and of Optax's; None if nothing."""
    with jax.enable_x64(True):
        wanted = outcome(lambda: theirs(name)(**given_to_jax(given)))
    got = outcome(getattr(ours, name), **given)
    arrays = [v for v in given.values() if isinstance(v, np.ndarray)]
    floats = [a for a in (*arrays, wanted) if isinstance(a, np.ndarray)]
    return difference(got, wanted, eps_of(*floats), size_of(*arrays), same_error)


def calls(count):
    asked = int(os.environ.get("EQUIVALENTS_CALLS", 0))
    health = list(hypothesis.HealthCheck)
    return hypothesis.settings(
        max_examples=asked or count, derandomize=not asked, suppress_health_check=health
    )


each_loss = pytest.mark.parametrize("name", random_calls.OPTAX_ARGUMENTS)


@each_loss
def test_random_calls(name):
    @calls(8)
    @hypothesis.given(random_calls.OPTAX_ARGUMENTS[name]())
    def check(given):
        assert parted(name, given) is None

    check()


def test_every_loss_of_the_module_is_specified_or_left_out_by_name():
    public = inspect.getmembers(_classification, inspect.isfunction)
    names = {name for name, f in public if not name.startswith("_")}
    names |= {"weighted_logsoftmax"}  # an object of JAX's, with a derivative of its own
    assert names - HELPERS == set(random_calls.OPTAX_ARGUMENTS) | LEFT_OUT
    assert all(f"`{name}`" in ours.__doc__ for name in LEFT_OUT if "ctc" not in name)
    assert "CTC" in ours.__doc__


@each_loss
def test_names_order_and_defaults(name):
    def defaults(f):
        return [(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()]

    assert defaults(getattr(ours, name)) == defaults(theirs(name))


def smooth(name):
    """Arguments at which the loss has a derivative, and the name of the one to take it in."""
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3), size=4)
    first, second = list(inspect.signature(theirs(name)).parameters)[:2]
    second_is = {"log_targets": np.log(t), "targets": t, "weights": t, "labels": t}[second]
    if "integer" in name or "multiclass" in name:
        second_is = np.array([0, 2, 1, 2])
    elif name in ("hinge_loss", "perceptron_loss", "sparsemax_loss"):
        second_is = np.sign(t - 0.4) if name != "sparsemax_loss" else (t > 0.4) * 1.0
    return {first: np.log(t) if first.startswith("log") else z, second: second_is}, first


@each_loss
def test_gradients(name):
    given, first = smooth(name)
    f, g = getattr(ours, name), theirs(name)
    weights = np.random.default_rng(9).normal(size=np.shape(f(**given)))
    slope = numerical_gradient(
        lambda x: (weights * f(**given | {first: x})).sum(), given[first]
    )
    with jax.enable_x64(True):
        of = given_to_jax(given)
        wanted = jax.grad(lambda x: (weights * g(**of | {first: x})).sum())(of[first])
    np.testing.assert_allclose(slope, wanted, rtol=1e-7, atol=1e-8)


ROW = np.array([[1.0, 2.0, 3.0, 4.0]])
SPARSE = "softmax_cross_entropy_with_integer_labels"


@pytest.mark.parametrize(
    ("label", "loss"),
    [(-1, 0.4402), (-4, 3.4402), (3, 0.4402), (4, np.nan), (-5, np.nan), (-100, np.nan)],
)
def test_labels_wrap_around_once_and_then_give_nan(label, loss):
    given = {"logits": ROW, "labels": np.array([label])}
    np.testing.assert_allclose(getattr(ours, SPARSE)(**given), [loss], atol=1e-4)
    assert parted(SPARSE, given) is None


ODD = {
    "0 times -inf": ("softmax_cross_entropy", [[-INF, 0]], [[0, 1]], np.nan),
    "0 times -inf, safe": ("safe_softmax_cross_entropy", [[-INF, 0]], [[0, 1]], 0),
    "a row of -inf": ("softmax_cross_entropy", [[-INF, -INF]], [[0, 1]], np.nan),
    "+inf": ("softmax_cross_entropy", [[INF, 0]], [[1, 0]], np.nan),
    "infinite and right": ("sigmoid_binary_cross_entropy", [INF], [1], np.nan),
    "gamma 2 at infinity": ("sigmoid_focal_loss", [INF], [1], np.nan),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_rows(case):
    name, logits, labels, loss = ODD[case]
    given = {"logits": np.array(logits, float), "labels": np.array(labels, float)}
    np.testing.assert_array_equal(getattr(ours, name)(**given), [loss])
    assert parted(name, given) is None


@pytest.mark.parametrize("where", [np.array([True, False]), np.eye(2, 3) > 0])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", SPARSE])
def test_what_is_left_out_costs_0(name, where):
    labels = np.array([1, 7]) if name == SPARSE else np.array([[0, 1.0, 0], [1, 1, 1]])
    given = {"logits": np.array([[1.0, 2, 3], [np.nan, 0, 0]]), "labels": labels}
    assert parted(name, given | {"where": where}) is None
    if where.ndim == 1:
        assert getattr(ours, name)(**given, where=where)[1] == 0


@pytest.mark.parametrize("axis", [(1, 2), (2, 1), (0, -1), 1, -3])
def test_several_axes(axis):
    z = np.random.default_rng(0).normal(size=(2, 3, 4))
    axes = {i % 3 for i in np.atleast_1d(axis)}
    labels = np.ones([n for i, n in enumerate(z.shape) if i not in axes], int)
    assert parted(SPARSE, {"logits": z, "labels": labels, "axis": axis}) is None


def test_a_wrong_specification_is_seen(monkeypatch):
    right = ours.softmax_cross_entropy
    monkeypatch.setattr(ours, "softmax_cross_entropy", lambda **given: -right(**given))
    given = {"logits": ROW, "labels": np.eye(1, 4)}
    assert parted("softmax_cross_entropy", given).startswith("ours [-3.44")


def test_the_versions_are_those_that_the_package_admits_and_tests():
    oldest, newest = ours.VERSIONS
    assert oldest == newest == "0.2"
    assert f"version {newest}" in ours.__doc__
    exact = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(r"^optax==(.*)$", exact, re.M)[1].startswith(f"{newest}.")
    assert importlib.metadata.version("optax").startswith(f"{newest}.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(r.startswith("optax>=0.2") for r in project["optional-dependencies"]["test"])
    assert optax.__version__.startswith(newest)
