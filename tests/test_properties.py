"""What holds for all inputs, on examples that Hypothesis chooses (the same in every run)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import companion as c

EPS = np.finfo(float).eps
logit = st.floats(-1e3, 1e3)
batches = arrays(
    float, array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5), elements=logit
)
rows = arrays(float, st.integers(1, 6), elements=logit)


@st.composite
def labelled(draw):
    logits = draw(
        arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=logit)
    )
    labels = draw(arrays(int, len(logits), elements=st.integers(0, logits.shape[1] - 1)))
    return logits, labels


@st.composite
def distributions(draw, count=2):
    size = draw(st.integers(1, 6))
    weights = draw(arrays(float, (count, size), elements=st.floats(1e-3, 1)))
    return weights / weights.sum(axis=1, keepdims=True)


@given(batches)
def test_probabilities_sum_to_one(z):
    p = c.softmax(z)
    assert (p >= 0).all()
    # K roundings in the sum and one in each quotient
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=z.shape[-1] * EPS)


@given(batches)
def test_log_softmax_is_the_logarithm(z):
    log_probs = c.log_softmax(z)
    assert (log_probs <= 0).all()
    # exp enlarges the rounding of an exponent of size 2e3 by 2e3
    np.testing.assert_allclose(np.exp(log_probs), c.softmax(z), rtol=4e3 * EPS, atol=1e-300)


@given(batches)
def test_logsumexp_lies_between_the_maximum_and_log_k_above(z):
    largest, value = z.max(axis=-1), c.logsumexp(z)
    assert (value >= largest).all()
    slack = 4 * EPS * (1 + np.abs(largest))
    assert (value <= largest + np.log(z.shape[-1]) + slack).all()


@given(batches, st.floats(-1e3, 1e3))
def test_a_shift_moves_logsumexp_and_leaves_softmax(z, b):
    # z + b is rounded: 2e3 * EPS / 2 in each exponent, twice
    np.testing.assert_allclose(c.softmax(z + b), c.softmax(z), rtol=8e3 * EPS, atol=1e-300)
    np.testing.assert_allclose(c.logsumexp(z + b), c.logsumexp(z) + b, atol=8e3 * EPS)


@given(rows, st.randoms(use_true_random=False))
def test_permuting_the_logits_permutes_the_result(z, random):
    order = random.sample(range(len(z)), len(z))
    # sums in another order differ by a rounding for each term
    np.testing.assert_allclose(c.softmax(z[order]), c.softmax(z)[order], rtol=8 * EPS)
    np.testing.assert_allclose(c.logsumexp(z[order]), c.logsumexp(z), rtol=8 * EPS)


@given(rows)
def test_the_order_is_kept(z):
    p = c.softmax(z)
    assert (np.diff(p[np.argsort(z, kind="stable")]) >= 0).all()


@given(labelled())
def test_a_batch_is_a_stack_of_rows(batch):
    logits, labels = batch
    for function in (
        c.softmax_cross_entropy_with_labels,
        c.softmax_cross_entropy_with_labels_grad,
    ):
        stacked = [function(z, y) for z, y in zip(logits, labels, strict=True)]
        np.testing.assert_allclose(function(logits, labels), stacked, rtol=4 * EPS)


@given(labelled())
def test_labels_and_one_hot_targets_agree(batch):
    logits, labels = batch
    targets = c.one_hot(labels, logits.shape[1])
    np.testing.assert_allclose(
        c.softmax_cross_entropy_with_labels(logits, labels),
        c.softmax_cross_entropy(logits, targets),
        rtol=4 * EPS,
    )
    np.testing.assert_allclose(
        c.softmax_cross_entropy_with_labels_grad(logits, labels),
        c.softmax_cross_entropy_grad(logits, targets),
        atol=8 * EPS,  # p - 1 is rounded in the second
    )


@given(labelled())
def test_gradients_sum_to_zero_over_the_classes(batch):
    logits, labels = batch
    targets = c.one_hot(labels, logits.shape[1])
    for grad in (
        c.softmax_cross_entropy_with_labels_grad(logits, labels),
        c.softmax_cross_entropy_grad(logits, targets),
        c.softmax_squared_error_grad(logits, targets),
        c.distillation_loss_grad(logits, -logits, labels, temperature=3, alpha=0.5),
    ):
        np.testing.assert_allclose(grad.sum(axis=-1), 0, atol=32 * EPS)


@given(distributions())
def test_cross_entropy_is_entropy_plus_divergence(pair):
    p, q = pair
    whole = c.entropy(p) + c.kl_divergence(p, q)
    np.testing.assert_allclose(c.cross_entropy(p, q), whole, rtol=32 * EPS, atol=32 * EPS)
    assert c.kl_divergence(p, q) >= -8 * EPS
    assert c.kl_divergence(p, p) == 0
    assert c.cross_entropy(p, q) >= c.entropy(p) - 8 * EPS
    assert c.entropy(p) <= np.log(len(p)) + 8 * EPS


@given(labelled())
def test_losses_are_not_negative_and_finite(batch):
    logits, labels = batch
    loss = c.softmax_cross_entropy_with_labels(logits, labels)
    assert ((loss >= 0) & (loss <= 2000 + np.log(5))).all()
    square = c.softmax_squared_error(logits, c.one_hot(labels, logits.shape[1]))
    assert ((square >= 0) & (square <= 2 + 8 * EPS)).all()


@given(labelled())
def test_cross_entropy_is_convex_in_the_logits(batch):
    logits, labels = batch
    other = logits[:, ::-1]
    loss = c.softmax_cross_entropy_with_labels
    ends = (loss(logits, labels) + loss(other, labels)) / 2
    assert (loss((logits + other) / 2, labels) <= ends + 4e3 * EPS).all()


@given(labelled(), st.floats(0.1, 100))
def test_a_student_that_agrees_pays_for_the_label_alone(batch, temperature):
    logits, labels = batch
    loss = c.distillation_loss(logits, logits, labels, temperature=temperature, alpha=0.25)
    hard = c.softmax_cross_entropy_with_labels(logits, labels)
    np.testing.assert_allclose(loss, 0.75 * hard, rtol=4 * EPS)


@given(labelled())
def test_the_jacobian_is_symmetric_and_positive_semidefinite(batch):
    J = c.softmax_jacobian(batch[0])
    np.testing.assert_allclose(J, np.swapaxes(J, -1, -2), atol=4 * EPS)
    np.testing.assert_allclose(J.sum(axis=-1), 0, atol=8 * EPS)
    eigenvalues = np.linalg.eigvalsh(J)
    assert eigenvalues.min() >= -8 * EPS
    assert eigenvalues.max() <= 0.5 + 8 * EPS  # Gao & Pavel (2017); Nair (2025)


# Every function of logits, with arguments that are drawn for it.


@st.composite
def problems(draw):
    """Logits, other logits, targets and labels of one shape."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    logits, others = (draw(arrays(float, shape, elements=logit)) for _ in range(2))
    weights = draw(arrays(float, shape, elements=st.floats(1e-3, 1)))
    labels = draw(arrays(int, shape[:1], elements=st.integers(0, shape[1] - 1)))
    return logits, others, weights / weights.sum(axis=-1, keepdims=True), labels


BLEND = {"temperature": 3, "alpha": 0.25}
EACH = {
    "logsumexp": lambda z, v, t, y: c.logsumexp(z),
    "softmax": lambda z, v, t, y: c.softmax(z),
    "log_softmax": lambda z, v, t, y: c.log_softmax(z),
    "entropy": lambda z, v, t, y: c.entropy(t),
    "cross_entropy": lambda z, v, t, y: c.cross_entropy(t, t[..., ::-1]),
    "kl_divergence": lambda z, v, t, y: c.kl_divergence(t, t[..., ::-1]),
    "soft loss": lambda z, v, t, y: c.softmax_cross_entropy(z, t),
    "hard loss": lambda z, v, t, y: c.softmax_cross_entropy_with_labels(z, y),
    "squared_error": lambda z, v, t, y: c.softmax_squared_error(z, t),
    "jacobian": lambda z, v, t, y: c.softmax_jacobian(z),
    "jvp": lambda z, v, t, y: c.softmax_jvp(z, v),
    "soft grad": lambda z, v, t, y: c.softmax_cross_entropy_grad(z, t),
    "hard grad": lambda z, v, t, y: c.softmax_cross_entropy_with_labels_grad(z, y),
    "squared_error_grad": lambda z, v, t, y: c.softmax_squared_error_grad(z, t),
    "distillation": lambda z, v, t, y: c.distillation_loss(z, v, y, **BLEND),
    "distillation_grad": lambda z, v, t, y: c.distillation_loss_grad(z, v, y, **BLEND),
}
each_function = pytest.mark.parametrize("f", EACH.values(), ids=EACH)
# Sums of K = 5 terms, each of size 1e3 at most, in another order.
REORDERED = {"rtol": 16 * EPS, "atol": 16e3 * EPS}
few = settings(max_examples=25)  # times sixteen functions


@each_function
@few
@given(problem=problems())
def test_every_batch_is_a_stack_of_rows(f, problem):
    rows = [f(*row) for row in zip(*problem, strict=True)]
    np.testing.assert_allclose(f(*problem), rows, **REORDERED)


@each_function
@few
@given(problem=problems())
def test_a_batch_of_batches_is_reshaped(f, problem):
    deeper = [np.stack([argument, argument[::-1]]) for argument in problem]
    flat = f(*[argument.reshape(-1, *argument.shape[2:]) for argument in deeper])
    result = f(*deeper)
    np.testing.assert_allclose(result.reshape(flat.shape), flat, **REORDERED)


@each_function
@few
@given(problem=problems())
def test_inputs_survive_and_results_are_float64(f, problem):
    before = [argument.copy() for argument in problem]
    assert f(*problem).dtype == np.float64
    for argument, copy in zip(problem, before, strict=True):
        np.testing.assert_array_equal(argument, copy)


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax, c.logsumexp])
@given(
    z=arrays(float, array_shapes(min_dims=2, max_dims=3, max_side=4), elements=logit),
    which=st.integers(0, 2),
)
def test_any_axis_is_the_last_one_moved(f, z, which):
    axis = which % z.ndim
    last = f(np.moveaxis(z, axis, -1))
    expected = last if f is c.logsumexp else np.moveaxis(last, -1, axis)
    np.testing.assert_allclose(f(z, axis=axis), expected, **REORDERED)
    np.testing.assert_array_equal(f(z, axis=axis), f(z, axis=axis - z.ndim))


@given(problems())
def test_only_differences_of_logits_count(problem):
    z, v, t, y = problem
    z, shift = np.round(z), 512.0  # whole numbers, so that the shift itself is exact
    for f in (EACH["soft loss"], EACH["hard loss"], EACH["squared_error"], EACH["hard grad"]):
        np.testing.assert_array_equal(f(z + shift, v, t, y), f(z, v, t, y))


@given(problems())
def test_jvp_is_the_jacobian_times_a_vector(problem):
    z, v, _, _ = problem
    product = np.einsum("nij,nj->ni", c.softmax_jacobian(z), v)
    # five products of at most 1/4 and 1e3
    np.testing.assert_allclose(c.softmax_jvp(z, v), product, atol=5e3 * EPS)


@given(problems())
def test_jvp_is_linear_and_symmetric(problem):
    z, v, t, _ = problem
    both = c.softmax_jvp(z, v) - 2 * c.softmax_jvp(z, t)
    np.testing.assert_allclose(c.softmax_jvp(z, v - 2 * t), both, atol=8e3 * EPS)
    there = (t * c.softmax_jvp(z, v)).sum(axis=-1)
    back = (v * c.softmax_jvp(z, t)).sum(axis=-1)
    np.testing.assert_allclose(there, back, atol=8e3 * EPS)


@given(problems())
def test_the_best_logits_are_the_log_of_the_targets(problem):
    z, _, t, _ = problem
    at_best = c.softmax_cross_entropy(np.log(t), t)
    np.testing.assert_allclose(at_best, c.entropy(t), rtol=32 * EPS, atol=32 * EPS)
    assert (c.softmax_cross_entropy(z, t) >= at_best - 32 * EPS).all()
    np.testing.assert_allclose(c.softmax_cross_entropy_grad(np.log(t), t), 0, atol=8 * EPS)


@given(problems())
def test_losses_on_logits_agree_with_losses_on_probabilities(problem):
    z, _, t, _ = problem
    z = z / 10  # within 200 of each other, so that no probability is lost
    p = c.softmax(z)
    np.testing.assert_allclose(
        c.softmax_cross_entropy(z, t), c.cross_entropy(t, p), rtol=1e3 * EPS, atol=1e3 * EPS
    )


@given(problems(), st.floats(0.5, 20), st.floats(0, 1))
def test_distillation_is_the_blend_of_its_parts(problem, T, alpha):
    z, v, _, y = problem
    teacher = c.softmax(v / T)
    soft = c.softmax_cross_entropy(z / T, teacher) - c.entropy(teacher)
    hard = c.softmax_cross_entropy_with_labels(z, y)
    expected = alpha * T**2 * soft + (1 - alpha) * hard
    loss = c.distillation_loss(z, v, y, temperature=T, alpha=alpha)
    # T**2 = 400 times the roundings of numbers of size 4e3
    np.testing.assert_allclose(loss, expected, rtol=16 * EPS, atol=16 * 400 * 4e3 * EPS)


@given(problems(), st.floats(0.5, 20), st.floats(0, 1))
def test_the_gradient_of_distillation_is_the_blend_of_its_parts(problem, T, alpha):
    z, v, _, y = problem
    soft = c.softmax_cross_entropy_grad(z / T, c.softmax(v / T))
    hard = c.softmax_cross_entropy_with_labels_grad(z, y)
    grad = c.distillation_loss_grad(z, v, y, temperature=T, alpha=alpha)
    # T**2 of the loss, and 1 / T of the chain rule
    expected = alpha * T * soft + (1 - alpha) * hard
    np.testing.assert_allclose(grad, expected, atol=16 * 20 * EPS)


@given(arrays(np.float32, st.integers(1, 6), elements=st.floats(-80, 80, width=32)))
def test_float32_is_float64_with_a_coarser_rounding(z):
    eps = np.finfo(np.float32).eps
    p, exact = c.softmax(z), c.softmax(z.astype(float))
    assert p.dtype == np.float32
    # a gap of 160 rounded to half an ulp, and 16 more roundings
    np.testing.assert_allclose(p, exact, rtol=(160 + 16) * eps, atol=np.finfo(np.float32).tiny)


@given(arrays(np.float16, st.integers(1, 6), elements=st.floats(-6e4, 6e4, width=16)))
def test_float16_never_overflows_on_the_way(z):
    p = c.softmax(z)
    assert p.dtype == np.float16
    assert abs(float(p.astype(float).sum()) - 1) <= len(z) * np.finfo(np.float16).eps
    largest = float(z.max())
    # one rounding of the result
    slack = np.finfo(np.float16).eps * (abs(largest) + 2)
    assert z.max() <= c.logsumexp(z) <= largest + np.log(len(z)) + slack
