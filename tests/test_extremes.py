"""The contract of the core at its edges: infinities, dtypes, layouts, empty and huge inputs."""

import ml_dtypes
import numpy as np
import pytest

import companion as c
from companion import naive

inf, nan = np.inf, np.nan
FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]

# Every function of the core, as a function of logits (2, 3) alone.
LABELS, TARGETS = np.array([2, 0]), np.array([[0, 0.25, 0.75], [1, 0, 0]])
OF_LOGITS = {
    "logsumexp": c.logsumexp,
    "softmax": c.softmax,
    "log_softmax": c.log_softmax,
    "softmax_cross_entropy": lambda z: c.softmax_cross_entropy(z, TARGETS),
    "with_labels": lambda z: c.softmax_cross_entropy_with_labels(z, LABELS),
    "squared_error": lambda z: c.softmax_squared_error(z, TARGETS),
    "jacobian": c.softmax_jacobian,
    "jvp": lambda z: c.softmax_jvp(z, TARGETS),
    "grad": lambda z: c.softmax_cross_entropy_grad(z, TARGETS),
    "with_labels_grad": lambda z: c.softmax_cross_entropy_with_labels_grad(z, LABELS),
    "squared_error_grad": lambda z: c.softmax_squared_error_grad(z, TARGETS),
    "distillation": lambda z: c.distillation_loss(z, TARGETS, LABELS, temperature=2, alpha=0.5),
    "distillation_grad": lambda z: c.distillation_loss_grad(
        z, TARGETS, LABELS, temperature=2, alpha=0.5
    ),
    "entropy": lambda z: c.entropy(np.abs(z)),
    "cross_entropy": lambda z: c.cross_entropy(np.abs(z), np.abs(z) + 1),
    "kl_divergence": lambda z: c.kl_divergence(np.abs(z), np.abs(z) + 1),
}
LOGITS = np.array([[0.5, -1.0, 2.0], [3.0, 1.0, -2.0]])

every_function = pytest.mark.parametrize("f", OF_LOGITS.values(), ids=OF_LOGITS)


@every_function
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_keep_their_dtype(f, dtype):
    assert f(LOGITS.astype(dtype)).dtype == dtype


@every_function
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8])
def test_integers_and_bools_become_float64(f, dtype):
    x = np.array([[1, 0, 1], [0, 1, 1]])
    assert f(x.astype(dtype)).dtype == np.float64
    np.testing.assert_array_equal(f(x.astype(dtype)), f(x.astype(float)))


@every_function
def test_lists_are_taken(f):
    np.testing.assert_array_equal(f(LOGITS.tolist()), f(LOGITS))


@every_function
@pytest.mark.parametrize("dtype", FLOATS)
def test_inputs_are_never_written_to(f, dtype):
    x = LOGITS.astype(dtype)
    before = x.tobytes()
    x.flags.writeable = False
    f(x)
    assert x.tobytes() == before


def _strided(x):
    wide = np.zeros((4, 6))
    wide[::2, ::2] = x
    return wide[::2, ::2]


LAYOUTS = {
    "strided": _strided,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda x: x.T.copy().T,
    "fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(">f8"),
}


@every_function
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_does_not_matter(f, layout):
    x = layout(LOGITS)
    np.testing.assert_array_equal(x, LOGITS)
    # Sums may run in another order: three terms, one rounding each.
    np.testing.assert_allclose(f(x), f(LOGITS), rtol=1e-15, atol=1e-16)
    assert f(x).dtype == np.float64
    assert f(x).dtype.isnative


def test_repeated_rows_of_a_broadcast_view():
    x = np.broadcast_to(LOGITS[0], (2, 3))
    np.testing.assert_array_equal(c.softmax(x), c.softmax(x.copy()))


# Infinities and nan.


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([-inf, -inf], -inf),
        ([-inf, 0], 0),
        ([inf, 0], inf),
        ([inf, -inf], inf),
        ([inf, inf], inf),
        ([inf, nan], nan),
        ([0, nan], nan),
        ([], -inf),
        ([1e308, 1e308], 1e308),
        ([1e308, -1e308], 1e308),
        ([5], 5),
    ],
)
def test_logsumexp_is_exact_at_infinities_and_silent(x, expected):
    # filterwarnings = error: a warning would fail this
    assert np.array_equal(c.logsumexp(x), expected, equal_nan=True)


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax])
@pytest.mark.parametrize("row", [[inf, 0, 1], [inf, inf, 0], [-inf, -inf, -inf]])
def test_a_row_without_softmax_is_nan_with_a_warning(f, row):
    with pytest.warns(RuntimeWarning, match="invalid value"):
        result = f([row, [1, 2, 3]])
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], f([1, 2, 3]))


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax, c.logsumexp])
def test_nan_stays_in_its_row(f):
    result = f([[nan, 0, 1], [1, 2, 3]])
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], f([1, 2, 3]))


def test_a_masked_class_gets_exactly_zero():
    assert c.softmax([0, -inf]).tolist() == [1, 0]
    assert c.log_softmax([0, -inf]).tolist() == [0, -inf]


def test_no_logit_is_too_low():
    low = np.array([-2e4, -2e4 - 1])
    np.testing.assert_allclose(c.softmax(low), c.softmax([1.0, 0.0]), rtol=1e-12)
    np.testing.assert_allclose(c.log_softmax(low), c.log_softmax([1.0, 0.0]), rtol=1e-11)
    np.testing.assert_allclose(c.logsumexp(low), c.logsumexp([1.0, 0.0]) - 2e4 - 1, rtol=1e-15)


def test_gaps_beyond_the_largest_float():
    assert c.softmax([1e308, -1e308]).tolist() == [1, 0]
    assert c.softmax(np.float16([60000, -60000])).tolist() == [1, 0]
    assert c.softmax_cross_entropy_with_labels([1e308, -1e308], 0) == 0


def test_empty_axes():
    assert c.softmax(np.zeros((3, 0))).shape == (3, 0)
    assert c.log_softmax(np.zeros((0, 3))).shape == (0, 3)
    assert c.logsumexp(np.zeros((3, 0))).tolist() == [-inf] * 3
    assert c.logsumexp(np.zeros((0, 3))).shape == (0,)
    assert c.softmax_jvp(np.zeros((3, 0)), np.zeros((3, 0))).shape == (3, 0)
    assert c.softmax_cross_entropy_with_labels(np.zeros((0, 3)), []).shape == (0,)


def test_one_class_is_certain():
    assert c.softmax([[5.0], [-900.0]]).tolist() == [[1], [1]]
    loss = c.softmax_cross_entropy_with_labels([[5.0], [-900.0]], [0, 0])
    assert loss.tolist() == [0, 0]
    assert not np.signbit(loss).any()


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_axis_is_that_of_the_classes(axis):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for f in (c.softmax, c.log_softmax):
        moved = np.moveaxis(f(np.moveaxis(x, axis, -1)), -1, axis)
        np.testing.assert_allclose(f(x, axis=axis), moved, rtol=1e-15)
    moved = c.logsumexp(np.moveaxis(x, axis, -1))
    np.testing.assert_allclose(c.logsumexp(x, axis=axis), moved, rtol=1e-15)
    kept = c.logsumexp(x, axis=axis, keepdims=True)
    np.testing.assert_array_equal(kept.squeeze(axis), c.logsumexp(x, axis=axis))


# Digits that others lose.


def test_logsumexp_keeps_what_one_would_swallow():
    # mpmath.log1p(mpmath.exp(-40)) = 4.2483542552915889863e-18
    assert c.logsumexp([0, -40]) == 4.248354255291589e-18
    assert c.logsumexp([-40, 0, -inf]) == 4.248354255291589e-18


def test_the_loss_of_a_confident_right_answer_keeps_its_digits():
    assert c.softmax_cross_entropy_with_labels([40, 0], 0) == 4.248354255291589e-18
    assert c.softmax_cross_entropy([40, 0], [1, 0]) == 4.248354255291589e-18
    grad = c.softmax_cross_entropy_with_labels_grad([40, 0], 0)
    np.testing.assert_allclose(
        grad, [-4.248354255291589e-18, 4.248354255291589e-18], rtol=1e-15
    )


def test_the_jacobian_keeps_its_tail():
    # p(1 - p) for logits (37.43, 0) is exp(-37.43) to 16 digits: 5.551115e-17
    tail = np.exp(-37.42994775023705)
    expected = [[tail, -tail], [-tail, tail]]
    np.testing.assert_allclose(c.softmax_jacobian([37.42994775023705, 0]), expected, rtol=1e-14)


def test_a_target_of_zero_costs_nothing():
    assert c.softmax_cross_entropy([0, -inf], [1, 0]) == 0
    np.testing.assert_allclose(
        c.softmax_cross_entropy([-inf, 0, 0], [0, 0.5, 0.5]), np.log(2), rtol=1e-15
    )
    assert c.softmax_cross_entropy([0, -inf], [0.5, 0.5]) == inf


@pytest.mark.parametrize("student", [[0.0, 1.0], [0.0, -inf]])
def test_a_class_that_the_teacher_rules_out_costs_nothing(student):
    blend = {"temperature": 2, "alpha": 1}
    loss = c.distillation_loss(student, [0.0, -inf], 0, **blend)
    # T**2 times the surprise of the only class that is left
    np.testing.assert_allclose(loss, -4 * c.log_softmax(np.array(student) / 2)[0], rtol=1e-15)


def test_labels_at_a_masked_class():
    assert c.softmax_cross_entropy_with_labels([0, -inf], 1) == inf
    grad = c.softmax_cross_entropy_with_labels_grad([0, -inf], 1)
    assert grad.tolist() == [1, -1]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_every_integer_type_of_labels(dtype):
    labels = np.array([2, 0], dtype=dtype)
    expected = c.softmax_cross_entropy_with_labels(LOGITS, [2, 0])
    np.testing.assert_array_equal(c.softmax_cross_entropy_with_labels(LOGITS, labels), expected)


@pytest.mark.parametrize("dtype", [*FLOATS, ">f4"])
def test_a_million_classes(dtype):
    logits = np.zeros(1_000_000, dtype=dtype)
    # float16 has 2**-24 steps there: 1e-6 is 17 of them, so half a step is 3 %
    np.testing.assert_allclose(c.softmax(logits).astype(float), 1e-6, rtol=0.03)
    np.testing.assert_allclose(float(c.logsumexp(logits)), np.log(1e6), rtol=0.004)


def test_the_order_of_subtraction():
    z = np.float32([1e8, 1e8])
    np.testing.assert_allclose(c.log_softmax(z), -np.log(2), rtol=1e-7)
    np.testing.assert_allclose(c.softmax_cross_entropy_with_labels(z, 0), np.log(2), rtol=1e-7)


def test_subnormal_probabilities_survive():
    z = np.float32([0, -100])
    assert 0 < c.softmax(z)[1] < np.finfo(np.float32).tiny
    assert naive.softmax(np.float32([-103, -104])).tolist() == [1, 0]
    np.testing.assert_allclose(
        c.softmax(np.float32([-103, -104])), c.softmax([1.0, 0.0]), rtol=1e-6
    )
