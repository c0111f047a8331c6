"""Slopes: differences of a fixed random functional, the complex step, and both autograds."""

import numpy as np
import pytest

import companion as c

rng = np.random.default_rng(0)
LOGITS = 2 * rng.normal(size=(4, 5))  # unequal on purpose: zeros hide mistakes
TARGETS = rng.dirichlet(np.ones(5), size=4)
LABELS = rng.integers(5, size=4)
WEIGHTS = rng.normal(size=4)  # no two examples weigh the same
TEACHER = 2 * rng.normal(size=(4, 5))
UNEQUAL = 3 * TARGETS  # does not sum to 1
BLEND = {"temperature": 2.5, "alpha": 0.3}

LOSSES = {
    "cross_entropy": (
        lambda z: c.softmax_cross_entropy(z, TARGETS),
        lambda z: c.softmax_cross_entropy_grad(z, TARGETS),
    ),
    "cross_entropy, targets that sum to 3": (
        lambda z: c.softmax_cross_entropy(z, UNEQUAL),
        lambda z: c.softmax_cross_entropy_grad(z, UNEQUAL),
    ),
    "with_labels": (
        lambda z: c.softmax_cross_entropy_with_labels(z, LABELS),
        lambda z: c.softmax_cross_entropy_with_labels_grad(z, LABELS),
    ),
    "squared_error": (
        lambda z: c.softmax_squared_error(z, TARGETS),
        lambda z: c.softmax_squared_error_grad(z, TARGETS),
    ),
    "distillation": (
        lambda z: c.distillation_loss(z, TEACHER, LABELS, **BLEND),
        lambda z: c.distillation_loss_grad(z, TEACHER, LABELS, **BLEND),
    ),
    "entropy": (c.softmax_entropy, c.softmax_entropy_grad),
    "KL": (
        lambda z: c.softmax_kl_divergence(z, TEACHER),
        lambda z: c.softmax_kl_divergence_grad(z, TEACHER),
    ),
    "reverse KL": (
        lambda z: c.softmax_kl_divergence(TEACHER, z),
        lambda z: c.softmax_kl_divergence_target_grad(TEACHER, z),
    ),
    "JS": (
        lambda z: c.softmax_js_divergence(z, TEACHER),
        lambda z: c.softmax_js_divergence_grad(z, TEACHER),
    ),
    "logsumexp": (c.logsumexp, c.softmax),
}

every_loss = pytest.mark.parametrize(("loss", "grad"), LOSSES.values(), ids=LOSSES)


@every_loss
def test_central_differences(loss, grad):
    measured = c.numerical_gradient(lambda z: WEIGHTS @ loss(z), LOGITS)
    # Central differences reach about eps ** (2/3) = 4e-11 of the loss, here near 10.
    np.testing.assert_allclose(WEIGHTS[:, np.newaxis] * grad(LOGITS), measured, atol=1e-8)


@every_loss
def test_extreme_logits_have_finite_gradients(loss, grad):
    extreme = np.where(np.arange(5) == 2, 1e4, -1e4) * np.ones((4, 1))
    assert np.isfinite(grad(extreme)).all()


def complex_softmax(z):
    return np.exp(z) / np.exp(z).sum()


def test_jacobian_by_the_complex_step():
    z = LOGITS[0]
    for j, unit in enumerate(np.eye(5)):
        slopes = complex_softmax(z + 1e-200j * unit).imag / 1e-200
        # No difference is taken: a few roundings are all the error there is.
        np.testing.assert_allclose(c.softmax_jacobian(z)[:, j], slopes, rtol=1e-13)


def test_jvp_and_jacobian_agree():
    v = rng.normal(size=LOGITS.shape)
    J = c.softmax_jacobian(LOGITS)
    products = np.einsum("nij,nj->ni", J, v)
    np.testing.assert_allclose(c.softmax_jvp(LOGITS, v), products, rtol=1e-12, atol=1e-15)
    backward = np.einsum("nij,ni->nj", J, v)
    np.testing.assert_allclose(c.softmax_jvp(LOGITS, v), backward, rtol=1e-12, atol=1e-15)


def test_jacobian_is_the_hessian_of_logsumexp():
    z = LOGITS[0]
    rows = [
        c.numerical_gradient(
            lambda z, i=i: c.numerical_gradient(c.logsumexp, z, 1e-3)[i], z, 1e-3
        )
        for i in range(5)
    ]
    np.testing.assert_allclose(c.softmax_jacobian(z), rows, atol=1e-6)


def test_an_array_in_place_of_a_number_is_refused():
    with pytest.raises(ValueError, match="fixed random weights"):
        c.numerical_gradient(c.softmax, LOGITS[0])


def test_differences_leave_their_input_alone_and_do_not_mind_an_f_that_does_not():
    def sorting(z):
        z.sort(axis=-1)
        return z[:, 0].sum()

    x = LOGITS.copy()
    x.flags.writeable = False
    smallest = LOGITS == LOGITS.min(axis=-1, keepdims=True)
    np.testing.assert_allclose(c.numerical_gradient(sorting, x), smallest, atol=1e-9)
    np.testing.assert_array_equal(x, LOGITS)


def test_autograd_of_pytorch():
    import torch
    from torch.nn import functional as F

    z = torch.tensor(LOGITS, requires_grad=True)
    labels, targets = torch.tensor(LABELS), torch.tensor(TARGETS)
    soft_teacher = F.softmax(torch.tensor(TEACHER) / 2.5, -1)
    soft = F.kl_div(F.log_softmax(z / 2.5, -1), soft_teacher, reduction="none").sum(-1)
    hard = F.cross_entropy(z, labels, reduction="none")
    theirs = {
        "cross_entropy": F.cross_entropy(z, targets, reduction="none"),
        "with_labels": hard,
        "squared_error": ((F.softmax(z, -1) - targets) ** 2).sum(-1),
        "distillation": 0.3 * 2.5**2 * soft + 0.7 * hard,
        "logsumexp": torch.logsumexp(z, -1),
    }
    for name, value in theirs.items():
        loss, grad = LOSSES[name]
        np.testing.assert_allclose(loss(LOGITS), value.detach().numpy(), rtol=1e-12)
        (slopes,) = torch.autograd.grad(value.sum(), z, retain_graph=True)
        np.testing.assert_allclose(grad(LOGITS), slopes.numpy(), rtol=1e-10, atol=1e-14)


def test_gradient_tape_of_tensorflow(tensorflow):
    tf = tensorflow
    z = tf.Variable(LOGITS)
    with tf.GradientTape(persistent=True) as tape:
        theirs = {
            "cross_entropy": tf.nn.softmax_cross_entropy_with_logits(TARGETS, z),
            "with_labels": tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, z),
            "squared_error": tf.reduce_sum((tf.nn.softmax(z) - TARGETS) ** 2, -1),
            "logsumexp": tf.reduce_logsumexp(z, -1),
        }
    for name, value in theirs.items():
        loss, grad = LOSSES[name]
        np.testing.assert_allclose(loss(LOGITS), value.numpy(), rtol=1e-12)
        slopes = tape.gradient(value, z).numpy()
        np.testing.assert_allclose(grad(LOGITS), slopes, rtol=1e-10, atol=1e-14)


def literal_log_softmax(z):
    return z - np.log(np.exp(z).sum())


def literal_js(p, q):
    m = (p + q) / 2
    return (p * np.log(p / m) + q * np.log(q / m)).sum() / 2


def literal_losses(i):
    """The losses of example i, written as in the chapters; np.exp and np.log take complex z."""
    hot, soft = np.eye(5)[LABELS[i]], TARGETS[i]
    q, v = complex_softmax(TEACHER[i] / 2.5), complex_softmax(TEACHER[i])
    return {
        "cross_entropy": lambda z: -(soft * literal_log_softmax(z)).sum(),
        "cross_entropy, targets that sum to 3": (
            lambda z: -(UNEQUAL[i] * literal_log_softmax(z)).sum()
        ),
        "with_labels": lambda z: -(hot * literal_log_softmax(z)).sum(),
        "squared_error": lambda z: ((complex_softmax(z) - soft) ** 2).sum(),
        "distillation": lambda z: (
            0.3 * 2.5**2 * (q * (np.log(q) - literal_log_softmax(z / 2.5))).sum()
            - 0.7 * (hot * literal_log_softmax(z)).sum()
        ),
        "entropy": lambda z: -(complex_softmax(z) * literal_log_softmax(z)).sum(),
        "KL": lambda z: (v * (np.log(v) - literal_log_softmax(z))).sum(),
        "reverse KL": lambda z: (
            complex_softmax(z) * (literal_log_softmax(z) - np.log(v))
        ).sum(),
        "JS": lambda z: literal_js(complex_softmax(z), v),
        "logsumexp": lambda z: np.log(np.exp(z).sum()),
    }


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_by_the_complex_step(name):
    loss, grad = LOSSES[name]
    for i, z in enumerate(LOGITS):
        literal = literal_losses(i)[name]
        np.testing.assert_allclose(loss(LOGITS)[i], literal(z), rtol=1e-14)
        slopes = [literal(z + 1e-200j * unit).imag / 1e-200 for unit in np.eye(5)]
        # No difference is taken: the roundings of numbers of size 10 are all the error.
        np.testing.assert_allclose(grad(LOGITS)[i], slopes, rtol=1e-12, atol=1e-15)


def test_jvp_by_the_complex_step():
    tangents = np.random.default_rng(1).normal(size=LOGITS.shape)
    for z, v, product in zip(LOGITS, tangents, c.softmax_jvp(LOGITS, tangents), strict=True):
        slope = complex_softmax(z + 1e-200j * v).imag / 1e-200
        np.testing.assert_allclose(product, slope, rtol=1e-12, atol=1e-16)


def test_jacobian_and_jvp_of_pytorch():
    import torch
    from torch.autograd.functional import jacobian, jvp

    tangents = np.random.default_rng(1).normal(size=5)
    z, v = torch.tensor(LOGITS[0]), torch.tensor(tangents)
    theirs = jacobian(lambda z: torch.softmax(z, -1), z).numpy()
    np.testing.assert_allclose(c.softmax_jacobian(LOGITS[0]), theirs, rtol=1e-12, atol=1e-16)
    _, theirs = jvp(lambda z: torch.softmax(z, -1), z, v)
    np.testing.assert_allclose(
        c.softmax_jvp(LOGITS[0], tangents), theirs.numpy(), rtol=1e-12, atol=1e-16
    )


def test_a_check_of_the_sum_would_prove_nothing():
    # The reason for the weights above: the sum of softmax is 1, and its slope 0 for any code.
    flat = c.numerical_gradient(lambda z: c.softmax(z).sum(), LOGITS[0])
    np.testing.assert_allclose(flat, 0, atol=1e-10)
    weights = np.random.default_rng(1).normal(size=5)
    steep = c.numerical_gradient(lambda z: weights @ c.softmax(z), LOGITS[0])
    assert np.abs(steep).max() > 0.1
    np.testing.assert_allclose(c.softmax_jvp(LOGITS[0], weights), steep, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e10])
def test_the_step_of_differences_fits_the_argument(scale):
    x = np.array([scale, -3 * scale])
    measured = c.numerical_gradient(lambda x: (x**2).sum(), x)
    # the documented ten digits, of the larger slope and of 1
    np.testing.assert_allclose(measured, 2 * x, rtol=1e-9, atol=1e-9)


def test_differences_take_integers_and_single_numbers():
    measured = c.numerical_gradient(lambda x: (x**2).sum(), [3, 4])
    np.testing.assert_allclose(measured, [6, 8], rtol=1e-9)
    assert measured.dtype == np.float64
    assert c.numerical_gradient(lambda x: float(x), 3).shape == ()
