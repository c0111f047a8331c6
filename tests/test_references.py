"""Against arithmetic with 50 digits, and against SciPy, PyTorch, TensorFlow, Keras, sklearn.

Largest errors in ulps that are asserted here, over logits drawn uniformly from -R to R with
R = 1, 10, 50, 300, and 10 classes. In brackets, rounded up, what 450 rows of each R gave:

==========================================  ===========  ===========  ===========
result, and the ulp of what                     float16      float32      float64
==========================================  ===========  ===========  ===========
logsumexp                                   0.55 (0.50)   1.5  (1.2)   1.5  (1.1)
softmax, of its largest entry               0.55 (0.50)     5  (3.8)     5  (3.3)
loss of soft targets                        0.55 (0.50)     4  (2.3)     4  (2.3)
gradient for soft targets, of its largest   0.55 (0.50)     8  (4.0)     8  (5.3)
squared error                               0.55 (0.50)    10  (5.2)    10  (6.8)
log_softmax, loss of a label                1.05  (1.0)    50   (44)   300  (3.8)
gradient for labels, of its largest         0.55 (0.50)    74   (44)   522  (3.3)
softmax, of each entry                      0.55 (0.50)    74   (66)   522  (512)
Jacobian times a vector, of its largest     0.55 (0.50)    74   (62)   522  (6.2)
gradient of squared error, of its largest   0.55 (0.50)    74   (50)   522   (31)
==========================================  ===========  ===========  ===========

bfloat16 is as float16: both are computed in float32 and rounded once. The lower rows are
large where R is: an exponent is a gap between two logits, and half an ulp of a gap of 600 is
512 ulps of its exponential, two or three digits of sixteen. That happens to probabilities
close to 0, and to logarithms of those close to 1, where other libraries give 0. The bound of
the last four rows is 12 ulps for R = 1, and 26 for R = 10.

Of entropy and cross-entropy 4 ulps are asserted, of `kl_divergence` 8 and of
`softmax_kl_divergence` twice the last row's, for two rows of logits between 1e-12 and 30 apart.
"""

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import companion as c
from tools.exact import exact_rows, log_probs, lse, probs, ulps

DTYPES = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]
SIXTEEN = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
RANGES = [1, 10, 50, 300]

over_ranges = pytest.mark.parametrize("R", RANGES)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)


def draw(dtype, R, rows=300):
    return np.random.default_rng(R).uniform(-R, R, size=(rows, 10)).astype(dtype)


def limit(dtype, for_sixteen_bits, for_others):
    return for_sixteen_bits if np.dtype(dtype) in SIXTEEN else for_others


@over_ranges
@over_dtypes
def test_logsumexp_in_ulps(dtype, R):
    z = draw(dtype, R)
    assert ulps(c.logsumexp(z), exact_rows(lse, z)) <= limit(dtype, 0.55, 1.5)


@over_ranges
@over_dtypes
def test_softmax_in_ulps_of_the_largest(dtype, R):
    z = draw(dtype, R)
    exact = exact_rows(probs, z)
    largest = exact[0].max(axis=-1, keepdims=True)
    assert ulps(c.softmax(z), exact, largest) <= limit(dtype, 0.55, 5)


def _normal_losses(z, dtype):
    """Where the exact log-probability is a normal number of the type, and those numbers."""
    # The logarithm of 1 + 1e-260 is 0 in fewer digits.
    high, low = exact_rows(log_probs, z, digits=350)
    normal = (
        np.abs(high) >= np.finfo(dtype).tiny
        if np.dtype(dtype).kind == "f"
        else (np.abs(high) >= float(ml_dtypes.finfo(dtype).tiny))
    )
    return normal, (high[normal], low[normal])


@over_ranges
@over_dtypes
def test_log_softmax_and_the_loss_in_ulps(dtype, R):
    z = draw(dtype, R)
    normal, exact = _normal_losses(z, dtype)
    # Exponents are gaps, rounded to half an ulp. Normal results have gaps of up to 87 in
    # float32 and 2 R = 600 in float64. 16-bit types: half an ulp, and once more half of it.
    bound = limit(dtype, 1.05, 50 if dtype == np.float32 else 300)
    assert ulps(c.log_softmax(z)[normal], exact) <= bound
    each = [c.softmax_cross_entropy_with_labels(z, np.full(len(z), k)) for k in range(10)]
    assert ulps(-np.stack(each, axis=-1)[normal], exact) <= bound


# The same for losses and gradients. Each function takes one row of each argument as mpf.


def soft_loss(z, t):
    return -mpmath.fsum(b * a for a, b in zip(log_probs(z), t, strict=True))


def squared_error(z, t):
    return mpmath.fsum((a - b) ** 2 for a, b in zip(probs(z), t, strict=True))


def jvp(z, v):
    p = probs(z)
    mean = mpmath.fsum(a * b for a, b in zip(p, v, strict=True))
    return [a * (b - mean) for a, b in zip(p, v, strict=True)]


def soft_grad(z, t):
    total = mpmath.fsum(t)
    return [total * a - b for a, b in zip(probs(z), t, strict=True)]


def squared_error_grad(z, t):
    return jvp(z, [2 * (a - b) for a, b in zip(probs(z), t, strict=True)])


def second_arguments(z, dtype):
    """Targets and tangents of the type, and labels with their one-hot rows."""
    rng = np.random.default_rng(len(z))
    targets = rng.dirichlet(np.ones(10), len(z)).astype(dtype)
    labels = rng.integers(10, size=len(z))
    return targets, rng.normal(size=z.shape).astype(dtype), labels, c.one_hot(labels, 10)


def gap_ulps(dtype, R):
    """Ulps of exp(gap) that the rounding of the gap may cost, and ten more for the rest.

    A gap g is rounded to half an ulp of g, eps / 2 * 2 ** floor(log2(g)); exp makes that a
    relative error, and an ulp is at least eps / 2 of its number. Gaps reach 2 R, and less
    where the exponential would be subnormal. The rest is exp, log1p, a quotient and nine
    additions: none adds a whole ulp.
    """
    finite = -np.log(float(ml_dtypes.finfo(dtype).tiny))
    return limit(dtype, 0.55, 2 ** np.floor(np.log2(min(2 * R, finite))) + 10)


@over_ranges
@over_dtypes
def test_loss_and_gradient_of_soft_targets_in_ulps(dtype, R):
    z = draw(dtype, R, rows=60)
    targets, *_ = second_arguments(z, dtype)
    exact = exact_rows(soft_loss, z, targets)
    assert ulps(c.softmax_cross_entropy(z, targets), exact) <= limit(dtype, 0.55, 4)
    exact = exact_rows(soft_grad, z, targets)
    largest = np.abs(exact[0]).max(axis=-1, keepdims=True)
    grad = c.softmax_cross_entropy_grad(z, targets)
    assert ulps(grad, exact, largest) <= limit(dtype, 0.55, 8)


@over_ranges
@over_dtypes
def test_squared_error_and_its_gradient_in_ulps(dtype, R):
    z = draw(dtype, R, rows=60)
    targets, *_ = second_arguments(z, dtype)
    exact = exact_rows(squared_error, z, targets)
    assert ulps(c.softmax_squared_error(z, targets), exact) <= limit(dtype, 0.55, 10)
    grad = c.softmax_squared_error_grad(z, targets)
    assert _ulps_of_largest(grad, squared_error_grad, z, targets) <= gap_ulps(dtype, R)


def _ulps_of_largest(computed, function, *arguments):
    """In ulps of the largest entry of each row, of those rows where it is a normal number."""
    high, low = exact_rows(function, *arguments, digits=350)
    largest = np.abs(high).max(axis=-1, keepdims=True)
    normal = (largest >= float(ml_dtypes.finfo(computed.dtype).tiny))[:, 0]
    assert normal.any()
    return ulps(computed[normal], (high[normal], low[normal]), largest[normal])


@over_ranges
@over_dtypes
def test_gradient_for_labels_in_ulps(dtype, R):
    z = draw(dtype, R, rows=60)
    *_, labels, hot = second_arguments(z, dtype)
    grad = c.softmax_cross_entropy_with_labels_grad(z, labels)
    assert _ulps_of_largest(grad, soft_grad, z, hot) <= gap_ulps(dtype, R)
    # and the best label, the one that loses its digits in p - 1
    best = z.argmax(axis=-1)
    grad = c.softmax_cross_entropy_with_labels_grad(z, best)
    assert _ulps_of_largest(grad, soft_grad, z, c.one_hot(best, 10)) <= gap_ulps(dtype, R)


@over_ranges
@over_dtypes
def test_jvp_in_ulps(dtype, R):
    z = draw(dtype, R, rows=60)
    _, tangents, *_ = second_arguments(z, dtype)
    product = c.softmax_jvp(z, tangents)
    assert _ulps_of_largest(product, jvp, z, tangents) <= gap_ulps(dtype, R)


@over_ranges
@over_dtypes
def test_each_entry_of_softmax_in_ulps(dtype, R):
    z = draw(dtype, R, rows=100)
    high, low = exact_rows(probs, z)
    normal = high >= float(ml_dtypes.finfo(dtype).tiny)
    assert ulps(c.softmax(z)[normal], (high[normal], low[normal])) <= gap_ulps(dtype, R)


@pytest.mark.parametrize("K", [1, 2, 100, 1000])
def test_the_number_of_classes_costs_little(K):
    z = np.random.default_rng(K).uniform(-10, 10, size=(3, K))
    assert ulps(c.logsumexp(z), exact_rows(lse, z)) <= 1.5
    exact = exact_rows(probs, z)
    largest = exact[0].max(axis=-1, keepdims=True)
    # NumPy adds by halves of blocks of 128, each in eight sums: 18 roundings and log2(K / 128);
    # and 5 as above
    assert ulps(c.softmax(z), exact, largest) <= 5 + 18 + max(0, np.log2(K / 128))


@over_dtypes
def test_no_library_is_more_accurate_on_logsumexp_or_log_softmax(dtype):
    if np.dtype(dtype) == SIXTEEN[1]:
        dtype = np.float16  # SciPy does not know bfloat16
    import torch

    for R in (10, 50):
        z = draw(dtype, R)
        t = torch.tensor(z)
        exact = exact_rows(lse, z)
        ours = ulps(c.logsumexp(z), exact)
        assert ours <= ulps(special.logsumexp(z, axis=-1), exact)
        assert ours <= ulps(torch.logsumexp(t, -1).numpy(), exact)
        normal, exact = _normal_losses(z, dtype)
        ours = ulps(c.log_softmax(z)[normal], exact)
        assert ours < ulps(special.log_softmax(z, axis=-1)[normal], exact)
        assert ours < ulps(torch.log_softmax(t, -1).numpy()[normal], exact)


@pytest.mark.parametrize(
    "z", [[1e-300, -1e-300], [1e300, 1e300], [-745.2, 0], [5e-324, 0], [-1e4] * 7 + [1e4]]
)
def test_odd_rows_against_fifty_digits(z):
    z = np.array([z])
    assert ulps(c.logsumexp(z), exact_rows(lse, z)) <= 1
    np.testing.assert_allclose(c.softmax(z), exact_rows(probs, z)[0], rtol=1e-15, atol=5e-324)


def test_logsumexp_near_its_zero():
    # kappa = max|z| / |lse| is 1e8 here: half an ulp of the input is 1e8 of the result's
    z = np.array([[-np.log(2) + 1e-8, -np.log(2)]])
    high, _ = exact_rows(lse, z)
    np.testing.assert_allclose(c.logsumexp(z), high, rtol=1e8 * np.finfo(float).eps)


# Divergences, also of near neighbours: terms that are each at least 0 lose nothing.

CLOSENESS = [1e-12, 1e-7, 1e-4, 1e-2, 1, 30]
WIDE = [np.float32, np.float64]
wide_dtypes = pytest.mark.parametrize("dtype", WIDE, ids=lambda dtype: np.dtype(dtype).name)


def generalised_kl(p, q):
    pairs = zip(p, q, strict=True)
    return mpmath.fsum((a * mpmath.log(a / b) if a else 0) - a + b for a, b in pairs)


def softmax_kl(z, v):
    return mpmath.fsum(
        mpmath.exp(b) * (b - a) for a, b in zip(log_probs(z), log_probs(v), strict=True)
    )


def neighbours(dtype, R, closeness, rows=20, K=10):
    rng = np.random.default_rng(R)
    v = rng.uniform(-R, R, size=(rows, K)).astype(dtype)
    return (v + closeness * rng.normal(size=v.shape)).astype(dtype), v


def _ulps_of_normal(computed, function, *arguments):
    """In ulps of each value that is a normal number; where it is 0, ours is 0."""
    high, low = exact_rows(function, *arguments, digits=600)
    normal = high >= np.finfo(computed.dtype).tiny
    assert (computed[high == 0] == 0).all()
    assert (computed >= 0).all()
    return ulps(computed[normal], (high[normal], low[normal])) if normal.any() else 0


@wide_dtypes
@pytest.mark.parametrize("closeness", CLOSENESS)
def test_kl_divergence_in_ulps(dtype, closeness):
    z, v = neighbours(np.float64, 3, closeness, rows=60)
    p, q = c.softmax(v).astype(dtype), c.softmax(z).astype(dtype)
    p, q = p[(q > 0).all(axis=-1)], q[(q > 0).all(axis=-1)]
    assert _ulps_of_normal(c.kl_divergence(p, q), generalised_kl, p, q) <= 8


@over_ranges
@wide_dtypes
@pytest.mark.parametrize("closeness", CLOSENESS)
def test_softmax_kl_divergence_in_ulps(dtype, R, closeness):
    z, v = neighbours(dtype, R, closeness)
    computed = c.softmax_kl_divergence(z, v)
    # A small t is as wrong as its gap, and so is its p.
    assert _ulps_of_normal(computed, softmax_kl, z, v) <= 2 * gap_ulps(dtype, R)


@pytest.mark.parametrize("dtype", SIXTEEN, ids=lambda dtype: dtype.name)
def test_divergences_in_sixteen_bits_are_rounded_once(dtype):
    z, v = neighbours(dtype, 3, 0.5)
    p, q = c.softmax(v), c.softmax(z)
    for computed, exact in (
        (c.softmax_kl_divergence(z, v), exact_rows(softmax_kl, z, v)),
        (c.kl_divergence(p, q), exact_rows(generalised_kl, p, q)),
    ):
        assert ulps(computed, exact) <= 0.55


@wide_dtypes
def test_entropy_and_cross_entropy_in_ulps(dtype):
    p = np.random.default_rng(0).dirichlet(np.ones(10), 100).astype(dtype)
    q = p[::-1].copy()

    def exact(p, q):
        return -mpmath.fsum(a * mpmath.log(b) for a, b in zip(p, q, strict=True))

    assert ulps(c.cross_entropy(p, q), exact_rows(exact, p, q)) <= 4
    assert ulps(c.entropy(p), exact_rows(exact, p, p)) <= 4


@wide_dtypes
@pytest.mark.parametrize("T", [0.05, 1, 4, 20, 1e3, 1e6, 1e9])
def test_distillation_in_ulps_at_every_temperature(dtype, T):
    z, v = neighbours(dtype, 10, 1)
    labels = np.zeros(len(z), int)

    def loss(z, v):
        return T * T * softmax_kl([a / T for a in z], [a / T for a in v])

    def grad(z, v):
        p, q = probs([a / T for a in z]), probs([a / T for a in v])
        return [T * (a - b) for a, b in zip(p, q, strict=True)]

    given = {"temperature": T, "alpha": 1.0}
    # Two small probabilities as above, and what dividing each logit by T rounds.
    bound = 6 * gap_ulps(dtype, max(1, 10 / T))
    assert _ulps_of_normal(c.distillation_loss(z, v, labels, **given), loss, z, v) <= bound
    computed = c.distillation_loss_grad(z, v, labels, **given)
    assert _ulps_of_largest(computed, grad, z, v) <= bound


@settings(max_examples=300)
@given(
    st.sampled_from([10, 3, 1]),
    st.floats(-9, 1.5),
    st.floats(0, 7),
    st.integers(0, 2**32),
    st.sampled_from(WIDE),
)
def test_no_divergence_and_no_distillation_loss_is_negative(R, closeness, heat, seed, dtype):
    rng = np.random.default_rng(seed)
    v = (R * rng.normal(size=(20, 6))).astype(dtype)
    z = (v + 10**closeness * rng.normal(size=v.shape)).astype(dtype)
    assert (c.softmax_kl_divergence(z, v) >= 0).all()
    assert (c.kl_divergence(c.softmax(v), c.softmax(z)) >= 0).all()
    assert (c.distillation_loss(z, v, [0] * 20, temperature=10**heat, alpha=1) >= 0).all()


@wide_dtypes
@pytest.mark.parametrize("mask", [-50, -1e4, -1e9, -1e16])
def test_a_mask_by_a_large_number_costs_no_digits(dtype, mask):
    # The probability of the first class is gone in t, and counts in p.
    v = np.array([[mask, 0, 1], [0, mask, 1], [mask, mask, 0]], dtype)
    z = np.array([[5.3, 0, 1], [0.7, 3, 1], [0.1, 0.2, 4]], dtype)
    for shift in (0, 1000):
        computed = c.softmax_kl_divergence(z + dtype(shift), v)
        exact = exact_rows(softmax_kl, z + dtype(shift), v, digits=60)
        assert ulps(computed, exact) <= 16 + 16 * (shift > 0) * shift


@wide_dtypes
@pytest.mark.parametrize("T", [3, 20, 100, 1e3])
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_a_temperature_that_is_no_power_of_two_costs_no_digits(dtype, T, gap):
    z, v = neighbours(dtype, 3, gap)
    computed = c.distillation_loss(z, v, [0] * len(z), temperature=T, alpha=1.0)

    def loss(z, v):
        return T * T * softmax_kl([a / T for a in z], [a / T for a in v])

    assert _ulps_of_normal(computed, loss, z, v) <= 32


# Gradients at targets that have an entry near 1, and Jacobians of very many classes.


@over_ranges
@wide_dtypes
@pytest.mark.parametrize("spare", [0, 1e-30, 1e-12, 1e-3, 0.1])
def test_gradient_at_targets_near_one_in_ulps(dtype, R, spare):
    z = draw(dtype, R, rows=40)
    hot = c.one_hot(z.argmax(axis=-1), 10)
    targets = np.where(hot == 1, 1, spare / 9).astype(dtype)
    computed = c.softmax_cross_entropy_grad(z, targets)
    bound = gap_ulps(dtype, R)
    high, low = exact_rows(soft_grad, z, targets, digits=350)
    # In ulps of what the largest entry is made of: the smoothing, or the probability.
    others = np.where(hot == 1, 0, np.abs(exact_rows(probs, z, digits=350)[0]))
    unit = np.maximum(np.abs(high).max(axis=-1, keepdims=True), others.max(-1, keepdims=True))
    unit = np.maximum(unit, np.finfo(dtype).tiny)
    assert ulps(computed, (high, low), unit) <= bound


@wide_dtypes
@pytest.mark.parametrize("K", [10, 1000, 50_257])
def test_jvp_of_very_many_classes(dtype, K):
    z = np.random.default_rng(K).normal(size=K).astype(dtype)
    p = special.softmax(z.astype(np.longdouble))
    for v in (np.eye(1, K)[0], np.ones(K), np.random.default_rng(0).normal(size=K)):
        v = v.astype(dtype)
        wide = v.astype(np.longdouble)
        exact = p * (wide - (p * wide).sum())
        error = np.abs(c.softmax_jvp(z, v) - exact)
        # The mean of v is a sum of K roundings: its condition is the mean of |v|.
        condition = p * (np.abs(exact / p) + (p * np.abs(wide)).sum())
        assert (error <= 16 * np.finfo(dtype).eps * condition).all()


@wide_dtypes
def test_the_jacobian_is_symmetric_and_right_off_the_diagonal(dtype):
    for R in (0, 1, 10, 50):
        z = (R * np.random.default_rng(R).normal(size=(3, 500))).astype(dtype)
        J, p = c.softmax_jacobian(z), c.softmax(z)
        np.testing.assert_array_equal(J, np.swapaxes(J, -1, -2))
        product = p[:, :, np.newaxis] * p[:, np.newaxis, :]
        off = ~np.eye(500, dtype=bool)
        np.testing.assert_array_equal(J[:, off], -product[:, off])


# The binary case.


def sigmoid_loss(z, t):
    return [b * mpmath.log1p(mpmath.exp(-a)) + (1 - b) * mpmath.log1p(mpmath.exp(a))
            for a, b in zip(z, t, strict=True)]  # fmt: skip


def sigmoid_grad(z, t):
    return [(1 - b) - 1 / (1 + mpmath.exp(a)) for a, b in zip(z, t, strict=True)]


@over_ranges
@over_dtypes
def test_the_sigmoid_in_ulps(dtype, R):
    z = draw(dtype, R, rows=40)
    for t in (np.zeros_like(z), np.ones_like(z), np.full_like(z, 0.25)):
        high, low = exact_rows(sigmoid_loss, z, t, digits=350)
        normal = high >= float(ml_dtypes.finfo(dtype).tiny)
        loss = c.sigmoid_cross_entropy(z, t)
        assert ulps(loss[normal], (high[normal], low[normal])) <= limit(dtype, 0.55, 3)
        high, low = exact_rows(sigmoid_grad, z, t, digits=350)
        unit = np.maximum(np.abs(high), np.asarray(t, float))
        normal = np.abs(high) >= float(ml_dtypes.finfo(dtype).tiny)
        grad = c.sigmoid_cross_entropy_grad(z, t)
        unit = np.where(t == 0.25, unit, high)[normal]
        assert ulps(grad[normal], (high[normal], low[normal]), unit) <= limit(dtype, 0.55, 4)


@wide_dtypes
def test_the_sigmoid_is_the_softmax_of_two(dtype):
    z, t = draw(dtype, 50), np.random.default_rng(1).uniform(size=(300, 10)).astype(dtype)
    two = np.stack([z, np.zeros_like(z)], axis=-1)
    of_two = np.stack([t, 1 - t], axis=-1)
    np.testing.assert_allclose(
        c.sigmoid_cross_entropy(z, t), c.softmax_cross_entropy(two, of_two),
        rtol=8 * np.finfo(dtype).eps,
    )  # fmt: skip
    np.testing.assert_allclose(
        c.sigmoid_cross_entropy_grad(z, t), c.softmax_cross_entropy_grad(two, of_two)[..., 0],
        rtol=0, atol=4 * np.finfo(dtype).eps,
    )  # fmt: skip


# The libraries, where they are right. float64: a few roundings. float32: theirs and ours.


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_scipy(dtype, rtol):
    z = draw(dtype, 10)
    for axis in (0, -1):
        close = {"rtol": rtol, "atol": rtol * 1e-2}
        np.testing.assert_allclose(c.softmax(z, axis), special.softmax(z, axis), **close)
        np.testing.assert_allclose(
            c.log_softmax(z, axis), special.log_softmax(z, axis), **close
        )
        np.testing.assert_allclose(c.logsumexp(z, axis), special.logsumexp(z, axis), **close)
    p, q = c.softmax(draw(np.float64, 3)), c.softmax(draw(np.float64, 2))
    np.testing.assert_allclose(
        c.kl_divergence(p, q), special.rel_entr(p, q).sum(-1), rtol=1e-12
    )
    np.testing.assert_allclose(c.entropy(p), special.entr(p).sum(-1), rtol=1e-13)


def test_pytorch():
    import torch
    from torch.nn import functional as F

    z, y = draw(np.float64, 10), np.random.default_rng(0).integers(10, size=300)
    t = torch.tensor(z)
    np.testing.assert_allclose(c.softmax(z), F.softmax(t, -1), rtol=1e-13)
    np.testing.assert_allclose(c.log_softmax(z), F.log_softmax(t, -1), rtol=1e-13, atol=1e-14)
    loss = F.cross_entropy(t, torch.tensor(y), reduction="none")
    np.testing.assert_allclose(
        c.softmax_cross_entropy_with_labels(z, y), loss, rtol=1e-13, atol=1e-14
    )


def test_tensorflow_and_keras(tensorflow):
    tf = tensorflow
    z, y = draw(np.float64, 10), np.random.default_rng(0).integers(10, size=300)
    np.testing.assert_allclose(c.softmax(z), tf.nn.softmax(z), rtol=1e-13)
    np.testing.assert_allclose(c.logsumexp(z), tf.reduce_logsumexp(z, -1), rtol=1e-13)
    ours = c.softmax_cross_entropy_with_labels(z, y)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)
    np.testing.assert_allclose(ours, loss, rtol=1e-13, atol=1e-14)
    loss = tf.keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True)
    np.testing.assert_allclose(ours, loss, rtol=1e-13, atol=1e-14)


def test_where_the_package_does_better_than_the_libraries(tensorflow):
    """The book says so. If a library catches up, this fails and the book is to be changed."""
    import torch

    hard = np.array([0.0, -40.0])
    assert c.logsumexp(hard) == special.logsumexp(hard) > 0
    assert torch.logsumexp(torch.tensor(hard), 0) == 0
    assert tensorflow.reduce_logsumexp(hard) == 0
    assert c.log_softmax(-hard)[1] < 0 == special.log_softmax(-hard)[1]
    masked, target = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    assert c.softmax_cross_entropy(masked, target) == 0
    theirs = torch.nn.functional.cross_entropy(torch.tensor(masked), torch.tensor(target))
    assert theirs.isnan()
    theirs = tensorflow.nn.softmax_cross_entropy_with_logits(target, masked)
    assert np.isnan(theirs).all()


def test_the_measure_sees_an_ulp():
    # The test of these tests: 1 + eps is one ulp from 1, and half an ulp is seen as well.
    one = np.array([[0.0]]), np.array([[0.0]])
    eps = np.finfo(float).eps
    assert ulps(np.array([[1 + eps]]), (np.ones((1, 1)), one[1])) == 1
    assert ulps(np.array([[1.0]]), (np.ones((1, 1)), np.full((1, 1), eps / 2))) == 0.5
    high, low = exact_rows(lse, [[0.0, -40.0]])
    assert high[0] == 4.248354255291589e-18
    assert 0 < abs(low[0]) < np.spacing(high[0])


# float32: no worse than each library, and one ulp for the processor's own exp.


@over_ranges
def test_float32_is_no_worse_than_the_libraries(R, tensorflow):
    import torch
    from torch.nn import functional as F

    tf = tensorflow
    z = draw(np.float32, R)
    exact = exact_rows(probs, z)
    largest = exact[0].max(axis=-1, keepdims=True)
    ours = ulps(c.softmax(z), exact, largest)
    for theirs in (special.softmax(z, -1), F.softmax(torch.tensor(z), -1), tf.nn.softmax(z)):
        assert ours <= ulps(np.asarray(theirs), exact, largest) + 1

    labels = np.random.default_rng(0).integers(10, size=len(z))
    high, low = exact_rows(log_probs, z, digits=350)
    exact = tuple(-np.take_along_axis(part, labels[:, None], 1)[:, 0] for part in (high, low))
    normal = exact[0] >= np.finfo(np.float32).tiny
    exact = exact[0][normal], exact[1][normal]
    ours = ulps(c.softmax_cross_entropy_with_labels(z, labels)[normal], exact)
    torch_loss = F.cross_entropy(torch.tensor(z), torch.tensor(labels), reduction="none")
    tf_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z)
    for theirs in (torch_loss, tf_loss):
        assert ours <= ulps(np.asarray(theirs)[normal], exact) + 1


# The other functions against each library, float64.


def test_pytorch_on_divergence_and_soft_targets():
    import torch
    from torch.nn import functional as F

    z, v = draw(np.float64, 10), draw(np.float64, 3)
    t = c.softmax(v)
    loss = F.cross_entropy(torch.tensor(z), torch.tensor(t), reduction="none")
    np.testing.assert_allclose(c.softmax_cross_entropy(z, t), loss, rtol=1e-13)
    log_q = F.log_softmax(torch.tensor(z), -1)
    theirs = F.kl_div(log_q, torch.tensor(t), reduction="none").sum(-1)
    np.testing.assert_allclose(c.kl_divergence(t, c.softmax(z)), theirs, rtol=1e-12)
    theirs = torch.distributions.Categorical(logits=torch.tensor(z)).entropy()
    np.testing.assert_allclose(c.entropy(c.softmax(z)), theirs, rtol=1e-11, atol=1e-14)
    theirs = F.one_hot(torch.tensor([2, 0, 1]), 4)
    np.testing.assert_array_equal(c.one_hot([2, 0, 1], 4), theirs)


def test_tensorflow_on_soft_targets_and_axes(tensorflow):
    tf = tensorflow
    z, t = draw(np.float64, 10), c.softmax(draw(np.float64, 3))
    theirs = tf.nn.softmax_cross_entropy_with_logits(t, z)
    np.testing.assert_allclose(c.softmax_cross_entropy(z, t), theirs, rtol=1e-13)
    np.testing.assert_allclose(c.log_softmax(z, 0), tf.nn.log_softmax(z, 0), rtol=1e-13)
    np.testing.assert_array_equal(c.one_hot([2, 0], 3), tf.one_hot([2, 0], 3))


def test_keras_on_every_loss_from_logits(tensorflow):
    import keras

    z, v = draw(np.float64, 10), draw(np.float64, 3)
    t, y = c.softmax(v), np.random.default_rng(0).integers(10, size=len(z))
    np.testing.assert_allclose(c.softmax(z), keras.ops.softmax(z), rtol=1e-13)
    np.testing.assert_allclose(c.logsumexp(z), keras.ops.logsumexp(z, -1), rtol=1e-13)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    soft = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)
    single = {"rtol": 4 * np.finfo(np.float32).eps, "atol": np.finfo(np.float32).eps}
    # Keras computes its loss objects in float32
    np.testing.assert_allclose(
        c.softmax_cross_entropy_with_labels(z, y), hard(y, z.astype(np.float32)), **single
    )
    np.testing.assert_allclose(
        c.softmax_cross_entropy(z, t), soft(t, z.astype(np.float32)), **single
    )


def test_scikit_learn():
    from sklearn.metrics import log_loss
    from sklearn.utils.extmath import softmax

    z, y = draw(np.float64, 3), np.random.default_rng(0).integers(10, size=300)
    np.testing.assert_allclose(c.softmax(z), softmax(z.copy()), rtol=1e-13)
    mean = c.softmax_cross_entropy_with_labels(z, y).mean()
    theirs = log_loss(y, c.softmax(z), labels=range(10))
    np.testing.assert_allclose(mean, theirs, rtol=1e-13)


def test_regression_meets_that_of_scikit_learn():
    # The same convex objective: sum of losses + sum(w ** 2) / 2 there, their mean here.
    from sklearn.linear_model import LogisticRegression

    from companion.regression import fit

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.integers(3, size=60)
    model, _ = fit(x, y, 3, learning_rate=1.0, steps=2000, l2=1 / 60)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(model.weights.T, theirs.coef_, atol=1e-6)
    expected = theirs.predict_proba(x)
    np.testing.assert_allclose(c.softmax(model.logits(x)), expected, atol=1e-6)


def test_the_confident_right_answer_costs_nothing_elsewhere(tensorflow):
    """As above: what the book says of the libraries, so that it stays true."""
    import torch
    from torch.nn import functional as F

    z, label = np.array([[40.0, 0.0]]), np.array([0])
    assert c.softmax_cross_entropy_with_labels(z, label) == 4.248354255291589e-18
    assert F.cross_entropy(torch.tensor(z), torch.tensor(label)) == 0
    assert tensorflow.nn.sparse_softmax_cross_entropy_with_logits(label, z)[0] == 0
    # and so does the slope that should still move the label's logit
    t = torch.tensor(z, requires_grad=True)
    F.cross_entropy(t, torch.tensor(label)).backward()
    assert t.grad[0, 0] == 0
    assert c.softmax_cross_entropy_with_labels_grad(z, label)[0, 0] == -4.248354255291589e-18


def test_rows_without_softmax_are_nan_in_scipy_and_pytorch_too():
    import torch

    for row in ([np.inf, 0.0], [-np.inf, -np.inf]):
        with np.errstate(invalid="ignore"):
            assert np.isnan(special.softmax(row)).all()
        assert torch.softmax(torch.tensor(row), 0).isnan().all()
