"""What holds for all inputs, on examples that Hypothesis chooses (the same in every run)."""

import numpy as np
from hypothesis import given
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
