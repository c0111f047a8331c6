"""Closed forms: logits that are logarithms of integers, so that the answers are fractions."""

import re

import numpy as np
import pytest

import companion as c

# Four roundings at most between these inputs and outputs.
EXACT = {"rtol": 4 * np.finfo(float).eps, "atol": 0}
LOG_1234 = np.log([1.0, 2.0, 3.0, 4.0])  # softmax is (1, 2, 3, 4) / 10
TENTHS = np.array([1, 2, 3, 4]) / 10


def test_softmax_of_logarithms_is_a_fraction():
    np.testing.assert_allclose(c.softmax(LOG_1234), TENTHS, **EXACT)


def test_logsumexp_of_logarithms_is_the_log_of_the_sum():
    np.testing.assert_allclose(c.logsumexp(LOG_1234), np.log(10), **EXACT)


def test_log_softmax_of_logarithms():
    np.testing.assert_allclose(c.log_softmax(LOG_1234), np.log(TENTHS), **EXACT)


@pytest.mark.parametrize(
    ("p", "nats"), [([1, 0], 0), ([0.5, 0.5], np.log(2)), ([0.5, 0.25, 0.25], 1.5 * np.log(2))]
)
def test_entropy(p, nats):
    np.testing.assert_allclose(c.entropy(p), nats, **EXACT)


def test_cross_entropy_and_divergence_of_dyadic_distributions():
    p, q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]
    np.testing.assert_allclose(c.cross_entropy(p, q), 1.75 * np.log(2), **EXACT)
    np.testing.assert_allclose(c.kl_divergence(p, q), 0.25 * np.log(2), **EXACT)


def test_cross_entropy_is_not_symmetric():
    # -log(1/2) against 0.9 log(10/9) + 0.1 log(10) would be equal only by accident
    assert c.cross_entropy([0.5, 0.5], [0.9, 0.1]) > c.cross_entropy([0.9, 0.1], [0.5, 0.5])


def test_impossible_events_cost_inf_and_absent_ones_nothing():
    assert c.cross_entropy([0.5, 0.5], [1, 0]) == np.inf
    assert c.kl_divergence([0.5, 0.5], [1, 0]) == np.inf
    assert c.cross_entropy([1, 0], [1, 0]) == 0
    assert c.kl_divergence([1, 0], [1, 0]) == 0
    assert not np.signbit(c.entropy([1.0]))  # 0, not -0


def test_one_hot():
    np.testing.assert_array_equal(c.one_hot([[1], [0]], 2), [[[0, 1]], [[1, 0]]])


def test_losses_of_logarithms():
    targets = [0, 0.5, 0, 0.5]
    soft = -(np.log(0.2) + np.log(0.4)) / 2
    np.testing.assert_allclose(c.softmax_cross_entropy(LOG_1234, targets), soft, **EXACT)
    hard = c.softmax_cross_entropy_with_labels(LOG_1234, 2)
    np.testing.assert_allclose(hard, -np.log(0.3), **EXACT)
    square = c.softmax_squared_error(LOG_1234, [0, 0, 1, 0])
    np.testing.assert_allclose(square, (1 + 4 + 49 + 16) / 100, **EXACT)


def test_cross_entropy_uses_targets_as_they_are():
    twice = c.softmax_cross_entropy(LOG_1234, [0, 0, 2, 0])
    np.testing.assert_allclose(twice, -2 * np.log(0.3), **EXACT)


def test_losses_are_one_number_per_example():
    logits, labels = np.zeros((2, 3, 4)), np.zeros((2, 3), dtype=int)
    assert c.softmax_cross_entropy_with_labels(logits, labels).shape == (2, 3)
    assert c.softmax_cross_entropy(logits, np.zeros((2, 3, 4))).shape == (2, 3)
    assert c.softmax_squared_error(logits, np.zeros((2, 3, 4))).shape == (2, 3)


def test_one_example_gives_a_number():
    # as NumPy's own reductions do, and not an array without axes
    for value in (
        c.logsumexp([0, 1]),
        c.entropy([0.5, 0.5]),
        c.softmax_cross_entropy([0, 1], [1, 0]),
        c.softmax_cross_entropy_with_labels([0, 1], 0),
        c.softmax_squared_error([0, 1], [1, 0]),
        c.distillation_loss([0, 1], [1, 0], 0, temperature=1, alpha=0.5),
    ):
        assert isinstance(value, np.float64)


def test_jacobian_of_a_fraction():
    p = np.array([1, 3]) / 4
    expected = np.array([[3, -3], [-3, 3]]) / 16
    np.testing.assert_allclose(c.softmax_jacobian(np.log(p)), expected, **EXACT)
    np.testing.assert_allclose(c.softmax_jvp(np.log(p), [1, 0]), expected[0], **EXACT)


def test_gradients_of_logarithms():
    hard = c.softmax_cross_entropy_with_labels_grad(LOG_1234, 3)
    np.testing.assert_allclose(hard, [0.1, 0.2, 0.3, -0.6], **EXACT)
    soft = c.softmax_cross_entropy_grad(LOG_1234, [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(soft, [-0.4, -0.3, 0.3, 0.4], rtol=1e-14)
    # J 2(p - t) for p = (1/4, 3/4), t = (1, 0): 2 * 3/16 * (-3/4 - 3/4)
    square = c.softmax_squared_error_grad(np.log([0.25, 0.75]), [1, 0])
    np.testing.assert_allclose(square, [-9 / 16, 9 / 16], **EXACT)


def test_distillation_terms_and_their_weights():
    # At T = 2 the logits 2 log p soften to log p.
    p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    student, teacher = 2 * np.log(q), 2 * np.log(p)
    soft = 4 * c.kl_divergence(p, q)  # T**2 times the divergence of teacher from student
    hard = np.log(2)
    for alpha in (0.0, 0.25, 1.0):
        loss = c.distillation_loss(student, teacher, 1, temperature=2, alpha=alpha)
        np.testing.assert_allclose(loss, alpha * soft + (1 - alpha) * hard, rtol=1e-14)
    grad = c.distillation_loss_grad(student, teacher, 1, temperature=2, alpha=1)
    np.testing.assert_allclose(grad, 2 * (q - p), rtol=1e-14)
    grad = c.distillation_loss_grad(student, teacher, 1, temperature=2, alpha=0)
    np.testing.assert_allclose(grad, [0.5, -0.5], rtol=1e-14)


def test_numerical_gradient_of_a_polynomial():
    # The step grows with x, so that large entries are measured as well as small ones.
    for x in (np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([-12345.678])):
        measured = c.numerical_gradient(lambda x: (x**3).sum(), x)
        np.testing.assert_allclose(measured, 3 * x**2, rtol=1e-9, atol=1e-9)


def test_regression_learns_what_is_separable():
    from companion.regression import fit

    features = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    model, losses = fit(features, [0, 1, 2], 3, learning_rate=1.0, steps=300)
    np.testing.assert_allclose(losses[0], np.log(3), **EXACT)
    assert (np.diff(losses) < 0).all()
    assert model.predict(features).tolist() == [0, 1, 2]
    shrunk, _ = fit(features, [0, 1, 2], 3, learning_rate=1.0, steps=300, l2=1.0)
    assert np.abs(shrunk.weights).max() < np.abs(model.weights).max()


def test_digits_are_split_in_proportion_and_scaled():
    from companion.datasets import digits

    data = digits()
    assert data.train_images.shape == (1078, 64)
    assert data.test_images.shape == (719, 64)
    assert (data.train_images.min(), data.train_images.max()) == (0, 1)
    shares = np.bincount(data.train_labels) / 1078, np.bincount(data.test_labels) / 719
    np.testing.assert_allclose(*shares, atol=0.002)
    np.testing.assert_array_equal(digits().test_labels, data.test_labels)
    assert not np.array_equal(digits(seed=1).test_labels, data.test_labels)


SEEDS = [*range(201), *np.random.default_rng(0).integers(2**32, size=50), 2**32 - 1]


def test_digits_are_those_of_scikit_learn_and_split_as_it_does():
    """Bit for bit, and as they lie in memory: sums over them have the same digits."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from companion.datasets import digits

    pixels, labels = load_digits(return_X_y=True)
    for seed in map(int, SEEDS):
        X, X_test, y, y_test = train_test_split(
            pixels / 16, labels, test_size=0.4, random_state=seed, stratify=labels
        )
        for ours, theirs in zip(digits(seed), (X, y, X_test, y_test), strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.strides == theirs.strides
            assert ours.tobytes() == theirs.tobytes(), seed


def test_each_call_gives_digits_of_its_own():
    from companion.datasets import digits

    digits().train_images[:] = 0
    assert digits().train_images.any()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", None, [0]])
def test_what_is_no_seed_is_named(seed):
    from companion.datasets import digits

    error = ValueError if isinstance(seed, int) else TypeError
    with pytest.raises(error, match=re.escape(f"got {seed!r}. Take 0, 1, 2")):
        digits(seed)


# By hand: logits are logarithms of whole numbers, answers are fractions and their logarithms.


@pytest.mark.parametrize("K", [1, 2, 3, 10, 1000])
def test_equal_logits_are_uniform(K):
    z = np.full(K, 7.0)
    np.testing.assert_allclose(c.softmax(z), 1 / K, **EXACT)
    np.testing.assert_allclose(c.logsumexp(z), 7 + np.log(K), **EXACT)
    np.testing.assert_allclose(
        c.softmax_cross_entropy_with_labels(z, K - 1), np.log(K), **EXACT
    )
    np.testing.assert_allclose(c.entropy(c.softmax(z)), np.log(K), rtol=1e-14)


def test_two_classes_are_the_sigmoid():
    # 1 / (1 + e**-z); mpmath.mpf(1) / (1 + mpmath.exp(-2)) = 0.88079707797788244406
    np.testing.assert_allclose(c.softmax([2.0, 0.0])[0], 0.8807970779778824, **EXACT)
    # mpmath.log1p(mpmath.exp(-2)) = 0.12692801104297249644
    loss = c.softmax_cross_entropy_with_labels([2.0, 0.0], 0)
    np.testing.assert_allclose(loss, 0.1269280110429725, **EXACT)


def test_one_two_three():
    # mpmath.log(sum(mpmath.exp(k) for k in (1, 2, 3))) = 3.4076059644443803045
    np.testing.assert_allclose(c.logsumexp([1, 2, 3]), 3.4076059644443803, **EXACT)
    # mpmath.exp(k) over that sum, for k = 1, 2, 3
    expected = [0.09003057317038046, 0.24472847105479767, 0.6652409557748219]
    np.testing.assert_allclose(c.softmax([1, 2, 3]), expected, **EXACT)


def test_temperature_is_a_division_by_the_caller():
    # z / 2 takes square roots of odds 1 : 9, z / (1/2) squares them
    z = np.log([1.0, 9.0])
    np.testing.assert_allclose(c.softmax(z / 2), [0.25, 0.75], **EXACT)
    np.testing.assert_allclose(c.softmax(z / 0.5), [1 / 82, 81 / 82], **EXACT)


def test_each_axis_of_a_table_of_fractions():
    table = np.array([[1.0, 3.0], [1.0, 1.0]])
    np.testing.assert_allclose(c.softmax(np.log(table)), table / [[4], [2]], **EXACT)
    np.testing.assert_allclose(c.softmax(np.log(table), axis=0), table / [2, 4], **EXACT)
    np.testing.assert_allclose(c.logsumexp(np.log(table), axis=0), np.log([2, 4]), **EXACT)
    kept = c.logsumexp(np.log(table), axis=0, keepdims=True)
    assert kept.shape == (1, 2)
    assert c.logsumexp(np.log(table), keepdims=True).shape == (2, 1)


def test_one_hot_has_ones_of_float64_and_any_shape():
    hot = c.one_hot(np.array([[2, 0], [1, 1]]), 3)
    assert hot.shape == (2, 2, 3)
    assert hot.dtype == np.float64
    np.testing.assert_array_equal(hot.argmax(axis=-1), [[2, 0], [1, 1]])
    np.testing.assert_array_equal(hot.sum(axis=-1), 1)
    assert c.one_hot(1, 2).tolist() == [0, 1]


def test_the_order_of_the_divergence_in_distillation():
    # At T = 1 and alpha = 1: teacher (1/2, 1/2) from student (1/4, 3/4) is log(4/3) / 2,
    # mpmath.log(mpmath.mpf(4) / 3) / 2 = 0.14384103622589046; the other order gives 0.1308
    student, teacher = np.log([0.25, 0.75]), np.log([0.5, 0.5])
    loss = c.distillation_loss(student, teacher, 0, temperature=1, alpha=1)
    np.testing.assert_allclose(loss, 0.14384103622589046, rtol=1e-14)


def test_distillation_at_high_temperature_compares_centred_logits():
    # Hinton, Vinyals & Dean (2015), section 2.1: T times the difference of probabilities
    # tends to the difference of centred logits over K, with an error of order 1 / T.
    z, v = np.array([1.0, -2.0, 4.0]), np.array([3.0, 0.0, -6.0])
    limit = ((z - z.mean()) - (v - v.mean())) / 3
    for T in (1e3, 1e4):
        grad = c.distillation_loss_grad(z, v, 0, temperature=T, alpha=1)
        # the next term of the series: squares of logits of size 6, over 2 T
        np.testing.assert_allclose(grad, limit, atol=36 / (2 * T))


def test_jacobian_of_three_classes():
    p = np.array([1, 2, 5]) / 8
    expected = np.array([[7, -2, -5], [-2, 12, -10], [-5, -10, 15]]) / 64
    np.testing.assert_allclose(c.softmax_jacobian(np.log(p)), expected, **EXACT)
    batch = c.softmax_jacobian(np.log([p, p[::-1]]))
    np.testing.assert_allclose(batch, [expected, expected[::-1, ::-1]], **EXACT)
