"""The contract of the core at its edges: infinities, dtypes, layouts, empty and huge inputs."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    "softmax_entropy": c.softmax_entropy,
    "softmax_entropy_grad": c.softmax_entropy_grad,
    "softmax_kl": lambda z: c.softmax_kl_divergence(z, TARGETS),
    "softmax_kl_grad": lambda z: c.softmax_kl_divergence_grad(z, TARGETS),
    "softmax_kl_target_grad": lambda z: c.softmax_kl_divergence_target_grad(TARGETS, z),
    "softmax_js": lambda z: c.softmax_js_divergence(z, TARGETS),
    "softmax_js_grad": lambda z: c.softmax_js_divergence_grad(z, TARGETS),
    "weighted": lambda z: c.softmax_cross_entropy_with_labels(z, LABELS, weights=[2, 3]),
    "weighted_grad": lambda z: c.softmax_cross_entropy_grad(z, TARGETS, weights=[0.5, -3]),
    "entropy": lambda z: c.entropy(np.abs(z)),
    # NumPy's 1, not Python's: with that, NumPy 2.0 makes a bfloat16 a float32.
    "cross_entropy": lambda z: c.cross_entropy(np.abs(z), np.abs(z) + np.int8(1)),
    "kl_divergence": lambda z: c.kl_divergence(np.abs(z), np.abs(z) + np.int8(1)),
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
    # A fast version leaves integers to the core, whose last digits may differ from its own.
    np.testing.assert_allclose(f(x.astype(dtype)), f(x.astype(float)), rtol=1e-14, atol=0)


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
    np.testing.assert_array_equal(f(x), f(LOGITS))
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
    np.testing.assert_array_equal(result[1], f([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax, c.logsumexp])
def test_nan_stays_in_its_row(f):
    result = f([[nan, 0, 1], [1, 2, 3]])
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], f([1.0, 2.0, 3.0]))


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


# All arguments, not the logits alone.

P, Q = c.softmax(LOGITS), c.softmax(-LOGITS)
BLEND = {"temperature": 2, "alpha": 0.5}
OF_ALL = {
    "one_hot": (lambda y: c.one_hot(y, 3), (LABELS,)),
    "entropy": (c.entropy, (P,)),
    "cross_entropy": (c.cross_entropy, (P, Q)),
    "kl_divergence": (c.kl_divergence, (P, Q)),
    "softmax_cross_entropy": (c.softmax_cross_entropy, (LOGITS, TARGETS)),
    "softmax_kl_divergence": (c.softmax_kl_divergence, (LOGITS, -LOGITS)),
    "sigmoid": (c.sigmoid_cross_entropy, (LOGITS, TARGETS)),
    "sigmoid_grad": (c.sigmoid_cross_entropy_grad, (LOGITS, TARGETS)),
    "both": (c.softmax_cross_entropy_with_labels_and_grad, (LOGITS, LABELS)),
    "with_labels": (c.softmax_cross_entropy_with_labels, (LOGITS, LABELS)),
    "squared_error": (c.softmax_squared_error, (LOGITS, TARGETS)),
    "jvp": (c.softmax_jvp, (LOGITS, TARGETS)),
    "grad": (c.softmax_cross_entropy_grad, (LOGITS, TARGETS)),
    "with_labels_grad": (c.softmax_cross_entropy_with_labels_grad, (LOGITS, LABELS)),
    "squared_error_grad": (c.softmax_squared_error_grad, (LOGITS, TARGETS)),
    "distillation": (
        lambda z, v, y: c.distillation_loss(z, v, y, **BLEND),
        (LOGITS, -LOGITS, LABELS),
    ),
    "distillation_grad": (
        lambda z, v, y: c.distillation_loss_grad(z, v, y, **BLEND),
        (LOGITS, -LOGITS, LABELS),
    ),
}
every_call = pytest.mark.parametrize(("f", "arguments"), OF_ALL.values(), ids=OF_ALL)


@every_call
def test_no_argument_is_written_to(f, arguments):
    # Writable, so that a write would succeed in silence; the bytes tell.
    copies = [argument.copy() for argument in arguments]
    f(*copies)
    for copy, argument in zip(copies, arguments, strict=True):
        np.testing.assert_array_equal(copy, argument)


@every_call
def test_the_result_shares_no_memory_with_an_argument(f, arguments):
    results = f(*arguments)
    results = results if isinstance(results, tuple) else (results,)
    assert not any(np.shares_memory(r, argument) for r in results for argument in arguments)


def _spread(x):
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    every_other = (slice(None, None, 2),) * x.ndim
    wide[every_other] = x
    return wide[every_other]


def _frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@every_call
@pytest.mark.parametrize(
    "layout",
    [
        _spread,
        _frozen,
        np.asfortranarray,
        lambda x: x.T.copy().T,
        lambda x: x[::-1].copy()[::-1],
        lambda x: x.astype(x.dtype.newbyteorder(">")),
    ],
    ids=["strided", "read-only", "fortran", "transposed", "reversed", "big-endian"],
)
def test_layout_of_any_argument_does_not_matter(f, arguments, layout):
    same = f(*map(layout, arguments))
    np.testing.assert_equal(same, f(*arguments))


@every_call
def test_a_repeated_row_of_stride_zero(f, arguments):
    views = [np.broadcast_to(argument[:1], argument.shape) for argument in arguments]
    copies = [view.copy() for view in views]
    np.testing.assert_equal(f(*views), f(*copies))


@pytest.mark.parametrize("dtype", [*FLOATS, np.longdouble], ids=lambda t: np.dtype(t).name)
def test_losses_have_the_dtype_of_the_logits_whatever_that_of_the_targets(dtype):
    z = LOGITS.astype(dtype)
    for targets in (TARGETS, TARGETS.astype(np.float32), TARGETS > 0.5):
        for f in (
            c.softmax_cross_entropy,
            c.softmax_squared_error,
            c.softmax_jvp,
            c.softmax_cross_entropy_grad,
            c.softmax_squared_error_grad,
        ):
            assert f(z, targets).dtype == dtype


@pytest.mark.parametrize("f", [c.cross_entropy, c.kl_divergence])
def test_two_distributions_meet_in_the_wider_type(f):
    assert f(P.astype(np.float32), Q).dtype == np.float64
    assert f(P, Q.astype(np.float32)).dtype == np.float64
    assert f(P.astype(np.float16), Q.astype(np.float32)).dtype == np.float32


@every_function
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_sixteen_bits_are_float32_rounded_once(f, dtype):
    x = LOGITS.astype(dtype)
    expected = f(x.astype(np.float32)).astype(dtype)
    np.testing.assert_array_equal(f(x), expected)


# One poisoned row: the others must not notice.

OF_PROBS = {"entropy", "cross_entropy", "kl_divergence"}
ROW_BY_ROW = {name: f for name, f in OF_LOGITS.items() if name not in OF_PROBS}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("f", ROW_BY_ROW.values(), ids=ROW_BY_ROW)
@pytest.mark.parametrize(
    "poison",
    [[nan, 0, 1], [inf, 0, 1], [-inf, -inf, -inf], [inf, -inf, nan]],
    ids=["nan", "+inf", "all -inf", "mixed"],
)
def test_a_poisoned_row_stays_alone(f, poison):
    for at in (0, 1):
        z = LOGITS.copy()
        z[at] = poison
        result, clean = f(z), f(LOGITS)
        # logsumexp has an answer for infinite rows; all else is nan there, and only there
        if f is not c.logsumexp:
            assert np.isnan(result[at]).all()
        np.testing.assert_array_equal(result[1 - at], clean[1 - at])


# Sizes and magnitudes at the ends of each type.


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda t: np.dtype(t).name)
def test_a_gap_past_the_largest_float_of_each_type(dtype):
    # filterwarnings = error: all of these are silent, and exact
    largest = float(ml_dtypes.finfo(dtype).max)
    z = np.array([[largest, -largest], [-largest, largest]], dtype=dtype)
    right = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert c.softmax(z).tolist() == right.tolist()
    assert c.logsumexp(z).tolist() == [largest, largest]
    assert c.softmax_cross_entropy(z, right).tolist() == [0, 0]
    assert c.softmax_cross_entropy_with_labels(z, [0, 1]).tolist() == [0, 0]
    assert c.softmax_cross_entropy_with_labels_grad(z, [1, 0]).tolist() == [[1, -1], [-1, 1]]
    assert c.softmax_cross_entropy_grad(z, right).tolist() == [[0, 0], [0, 0]]
    assert c.softmax_squared_error(z, 1 - right).tolist() == [2, 2]
    assert c.softmax_squared_error_grad(z, 1 - right).tolist() == [[0, 0], [0, 0]]
    assert not c.softmax_jacobian(z).any()


def test_a_wrong_answer_past_the_largest_float_costs_inf_in_silence():
    assert c.softmax_cross_entropy_with_labels([1e308, -1e308], 1) == inf
    assert c.log_softmax([1e308, -1e308]).tolist() == [0, -inf]
    # and one that is still a float costs the gap: 2e300
    assert c.softmax_cross_entropy_with_labels([1e300, -1e300], 1) == 2e300


def test_the_smallest_probabilities_of_float64():
    # exp(-745) = 4.94e-324 is the least subnormal; exp(-746) < half of it
    assert c.softmax([0, -745])[1] == 5e-324
    assert c.softmax([0, -746])[1] == 0
    assert c.log_softmax([0, -746])[1] == -746
    assert c.softmax_cross_entropy_with_labels([0, -745], 0) == 5e-324
    assert c.softmax([5e-324, -5e-324]).tolist() == [0.5, 0.5]


EMPTY = {
    "softmax": (c.softmax, 1, (3, 0)),
    "log_softmax": (c.log_softmax, 1, (3, 0)),
    "logsumexp": (c.logsumexp, 1, (3,)),
    "entropy": (c.entropy, 1, (3,)),
    "cross_entropy": (c.cross_entropy, 2, (3,)),
    "kl_divergence": (c.kl_divergence, 2, (3,)),
    "softmax_cross_entropy": (c.softmax_cross_entropy, 2, (3,)),
    "squared_error": (c.softmax_squared_error, 2, (3,)),
    "jvp": (c.softmax_jvp, 2, (3, 0)),
    "grad": (c.softmax_cross_entropy_grad, 2, (3, 0)),
    "squared_error_grad": (c.softmax_squared_error_grad, 2, (3, 0)),
}


@pytest.mark.parametrize(("f", "count", "shape"), EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("dtype", FLOATS, ids=lambda t: np.dtype(t).name)
def test_no_classes_and_no_examples(f, count, shape, dtype):
    none = f(*[np.zeros((3, 0), dtype)] * count)
    assert none.shape == shape
    assert none.dtype == dtype
    assert f(*[np.zeros((0, 3), dtype)] * count).shape == (0, *((3,) if len(shape) > 1 else ()))


def test_no_examples_with_labels():
    z, y = np.zeros((0, 3)), np.zeros(0, dtype=int)
    assert c.softmax_cross_entropy_with_labels_grad(z, y).shape == (0, 3)
    assert c.distillation_loss(z, z, y, **BLEND).shape == (0,)
    assert c.distillation_loss_grad(z, z, y, **BLEND).shape == (0, 3)
    assert c.softmax_jacobian(z).shape == (0, 3, 3)
    assert c.softmax_jacobian(np.zeros((3, 0))).shape == (3, 0, 0)
    assert c.one_hot([], 3).shape == (0, 3)


def test_one_class_has_no_slope():
    z = np.array([[5.0], [-900.0]])
    assert c.softmax_cross_entropy_with_labels_grad(z, [0, 0]).tolist() == [[0], [0]]
    assert c.softmax_cross_entropy_grad(z, [[1], [1]]).tolist() == [[0], [0]]
    assert c.softmax_jacobian(z).tolist() == [[[0]], [[0]]]
    assert c.entropy([[1.0], [1.0]]).tolist() == [0, 0]
    assert c.distillation_loss(z, z, [0, 0], **BLEND).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda t: np.dtype(t).name)
def test_the_loss_over_a_million_classes(dtype):
    # 16-bit sums stop at 65504 (float16) or at 256 (bfloat16, where 256 + 1 = 256).
    z, eps = np.zeros((1, 1_000_000), dtype), float(ml_dtypes.finfo(dtype).eps)
    loss = c.softmax_cross_entropy_with_labels(z, [999_999])
    np.testing.assert_allclose(float(loss[0]), np.log(1e6), rtol=2 * eps)
    grad = c.softmax_cross_entropy_with_labels_grad(z, [999_999])
    # 1e-6 is subnormal in float16, where numbers are 2 ** -24 apart
    np.testing.assert_allclose(grad[0, 0].astype(float), 1e-6, rtol=2 * eps, atol=2.0**-25)
    assert grad[0, -1] == np.array(-1 + 1e-6).astype(dtype)


def test_a_million_classes_on_the_first_axis():
    # NumPy adds down a column one by one there: K roundings at the worst, and few in fact.
    z = np.random.default_rng(0).normal(size=(1_000_000, 2)).astype(np.float32)
    rtol = 1e6 * np.finfo(np.float32).eps / 2
    expected = c.softmax(z.T.astype(np.float64))
    for result in (c.softmax(z, axis=0).T, c.softmax(z.T), c.softmax(z.T.copy())):
        np.testing.assert_allclose(result, expected, rtol=rtol)


@pytest.mark.parametrize(
    "dtype",
    "int8 uint8 int16 uint16 int32 uint32 int64 uint64 >i2 >i8".split(),
)
def test_integer_labels_of_every_type_beyond_their_own_range(dtype):
    # 300 classes do not fit into int8: the comparison and the index must not wrap.
    z = np.random.default_rng(0).normal(size=(2, 300))
    labels = np.array([127, 3], dtype=dtype)
    plain = [127, 3]
    for f in (
        c.softmax_cross_entropy_with_labels,
        c.softmax_cross_entropy_with_labels_grad,
        lambda z, y: c.distillation_loss(z, -z, y, **BLEND),
        lambda z, y: c.distillation_loss_grad(z, -z, y, **BLEND),
    ):
        np.testing.assert_array_equal(f(z, labels), f(z, plain))
    np.testing.assert_array_equal(c.one_hot(labels, 300), c.one_hot(plain, 300))


def test_the_last_of_256_classes_as_uint8():
    z = np.arange(256.0)
    loss = c.softmax_cross_entropy_with_labels(z, np.uint8(255))
    # the sum of exp(-k) over k >= 0 is e / (e - 1)
    np.testing.assert_allclose(loss, np.log(np.e / (np.e - 1)), rtol=1e-15)
    assert c.one_hot(np.uint8([255]), 256)[0].nonzero()[0].tolist() == [255]


# Digits, in the other types and functions.


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16])
def test_a_small_rest_is_kept_in_each_type(dtype):
    # mpmath.log1p(mpmath.exp(-40)); float16 ends at 6e-8, so it is left out
    rest = np.array(4.248354255291589e-18).astype(dtype)
    z = np.array([0, -40], dtype=dtype)
    eps = float(ml_dtypes.finfo(dtype).eps)
    close = {"rtol": 4 * eps, "atol": 0}
    for value in (
        c.logsumexp(z),
        -c.log_softmax(z)[0],
        c.softmax(z)[1],
        c.softmax_cross_entropy(z, [1, 0]),
        c.softmax_cross_entropy_with_labels(z, 0),
        -c.softmax_cross_entropy_with_labels_grad(z, 0)[0],
        c.softmax_jacobian(z)[0, 0],
        c.softmax_jvp(z, [1, 0])[0],
    ):
        np.testing.assert_allclose(np.float64(value), np.float64(rest), **close)


def test_a_tie_for_the_largest():
    # Only one of the two is taken out of the sum: log1p(1 + ...) = log 2 + ...
    np.testing.assert_allclose(c.logsumexp([7.0, 7.0, -50.0]), 7 + np.log(2), rtol=1e-15)
    assert c.softmax([7.0, 7.0, -inf]).tolist() == [0.5, 0.5, 0]


def test_a_constant_added_to_the_tangents_is_not_seen():
    z, v = np.array([40.0, 0.0, 1.0]), np.array([0.0, 1.0, 2.0])
    expected = c.softmax_jvp(z, v)
    np.testing.assert_array_equal(c.softmax_jvp(z, v + 2.0**40), expected)


def test_masked_classes_get_no_gradient():
    z = [0.0, 1.0, -inf]
    for grad in (
        c.softmax_cross_entropy_with_labels_grad(z, 0),
        c.softmax_cross_entropy_grad(z, [1, 0, 0]),
        c.softmax_squared_error_grad(z, [1, 0, 0]),
        c.softmax_jvp(z, [1, 2, 3]),
        c.distillation_loss_grad(z, z, 0, **BLEND),
    ):
        assert grad[2] == 0
        assert np.isfinite(grad).all()
    assert not c.softmax_jacobian(z)[2].any()


@pytest.mark.parametrize("f", [c.cross_entropy, c.kl_divergence])
def test_impossible_events_are_silent_and_negative_ones_are_not(f):
    assert f([[0.0, 1.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]).tolist() == [0, inf]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(f([0.5, 0.5], [-0.5, 1.5]))


def test_a_tiny_teacher_probability_still_counts():
    # 1e-13 of a gap of 1e10 nats is 1e-3: not to be cut off at any epsilon.
    teacher, student = np.array([0.0, np.log(1e-13)]), np.array([0.0, -1e10])
    loss = c.distillation_loss(student, teacher, 0, temperature=1, alpha=1)
    np.testing.assert_allclose(loss, 1e-13 * 1e10, rtol=1e-6)


def test_a_part_of_the_distillation_loss_without_weight_does_not_count():
    # Each part costs inf here: the label is masked, the teacher believes what is ruled out.
    student, teacher = np.array([0.0, -inf, 1.0]), np.array([0.0, 1.0, 1.0])
    teacher_alone = c.distillation_loss(student, student, 1, temperature=2, alpha=1)
    labels_alone = c.distillation_loss(student, teacher, 0, temperature=2, alpha=0)
    assert teacher_alone == 0
    assert labels_alone == c.softmax_cross_entropy_with_labels(student, 0)
    both = c.distillation_loss(student, teacher, 0, temperature=2, alpha=0.5)
    assert both == inf


def test_float16_gaps_past_its_largest_number_are_infinite_in_silence():
    z = np.float16([60000, -60000])
    assert c.log_softmax(z).tolist() == [0, -inf]
    assert c.softmax_cross_entropy_with_labels(z, 1) == inf
    assert c.softmax_cross_entropy(z, [0, 1]) == inf
    assert c.distillation_loss(z, z, 1, temperature=1, alpha=0) == inf


def test_squared_error_of_a_sure_and_right_answer_keeps_its_digits():
    e = np.exp(-40.0)  # 1 - p at the label, and p at the other; p itself rounds to 1
    np.testing.assert_allclose(c.softmax_squared_error([40, 0], [1, 0]), 2 * e**2, rtol=1e-15)
    # J 2(p - t) = p(1 - p) * (v_0 - v_1) * (1, -1) with v = (-2e, 2e)
    gradient = c.softmax_squared_error_grad([40, 0], [1, 0])
    np.testing.assert_allclose(gradient, [-4 * e**2, 4 * e**2], rtol=1e-15)


def test_the_working_precision():
    # float32 is computed in float32: half the memory, and no second rounding
    from companion._core import as_floating

    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, ">f4"):
        assert as_floating(np.zeros(1, dtype))[0].dtype == np.float32
    for dtype in (bool, int, np.float64):
        assert as_floating(np.zeros(1, dtype))[0].dtype == np.float64


@pytest.mark.parametrize("row", [[nan, nan], [nan, inf], [nan, -inf]])
def test_nan_is_passed_on_in_silence(row):
    # filterwarnings = error: the warning was due where the nan came from
    for f in (c.softmax, c.log_softmax):
        assert np.isnan(f(row)).all()


def test_a_weight_of_zero_hides_an_infinity_and_never_a_nan():
    for f in (c.cross_entropy, c.kl_divergence):
        assert np.isnan(f([0.0, 1.0], [nan, 1.0]))
    for f in (c.softmax_cross_entropy, c.softmax_squared_error):
        assert np.isnan(f([nan, 0.0], [0.0, 0.0]))


# The same digits, wherever the classes are and however they lie in memory. NumPy adds by halves
# along contiguous memory, and one after the other elsewhere.


def layouts(x):
    """The same numbers, as they may lie in memory."""
    yield from (np.asfortranarray(x), _spread(x), x.astype(x.dtype.newbyteorder(">")))
    for axis in range(x.ndim):
        yield np.flip(np.flip(x, axis).copy(), axis)
        yield np.moveaxis(np.moveaxis(x, axis, 0).copy(), 0, axis)


@st.composite
def rows(draw):
    """Rows of 1 to 3000 classes, in up to three axes, of one dtype."""
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    K = draw(st.one_of(st.integers(1, 20), st.integers(100, 300), st.integers(1000, 3000)))
    shape = (*draw(st.lists(st.integers(1, 4), max_size=2)), K)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0, 1, 30, 1000]))
    return (spread * rng.normal(size=shape)).round(draw(st.integers(0, 3))).astype(dtype)


@settings(max_examples=60)
@given(rows(), st.data())
def test_every_axis_and_layout_gives_the_same_digits(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    moved = np.moveaxis(x, -1, axis)
    for f in (c.softmax, c.log_softmax, c.logsumexp):
        wanted = f(x)
        for same in (moved, *layouts(np.ascontiguousarray(moved))):
            got = f(same, axis=axis)
            got = got if f is c.logsumexp else np.moveaxis(got, axis, -1)
            np.testing.assert_array_equal(got, wanted)


@settings(max_examples=30)
@given(rows())
def test_every_layout_of_every_argument_gives_the_same_digits(x):
    labels = x.argmin(axis=-1)
    others = np.flip(x, axis=-1).copy()
    p, q = c.softmax(x), c.softmax(others)
    for f, arguments in OF_ALL.values():
        if f.__name__ == "<lambda>" and len(arguments) == 1:
            continue  # one_hot sums nothing
        mine = [
            labels if a is LABELS else p if a is P else q if a is Q else others if i else x
            for i, a in enumerate(arguments)
        ]
        wanted = f(*mine)
        for order in (np.asfortranarray, _spread, lambda a: np.flip(np.flip(a, -1).copy(), -1)):
            np.testing.assert_equal(f(*[order(a) if a.ndim else a for a in mine]), wanted)


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax, c.logsumexp])
def test_a_sum_of_very_many_along_the_first_axis(f):
    # One after the other, 3e7 float32 terms of 1 stop at 2**24.
    x = np.zeros((3 * 10**7, 2), np.float32)
    share = {c.softmax: 1 / 3e7, c.log_softmax: -np.log(3e7), c.logsumexp: np.log(3e7)}[f]
    np.testing.assert_allclose(f(x, axis=0)[..., :1], share, rtol=2e-7)


# Underflow is the design, and no setting of the caller makes it an error.

HARD = [
    np.array([[0.0, -1000, -740], [1e-300, 0, -1e-300], [700, 0, -700], [0, 5e-324, -745]]),
    np.array([[1e300, -1e300, 0], [1e308, -1e308, 1e308], [0, -1e308, -inf], [-inf, 1, 0]]),
    np.float32([[0, -100, -104], [1e-38, 0, -1e-44], [3e38, -3e38, 0], [88, 0, -88]]),
    np.float16([[0, -15, -20], [6e-8, 0, -6e-8], [6e4, -6e4, 0], [11, 0, -11]]),
]


@every_call
@pytest.mark.parametrize("z", HARD, ids=["float64", "huge", "float32", "float16"])
def test_the_setting_of_the_caller_makes_no_underflow_an_error(f, arguments, z):
    labels, p, q = np.array([1, 0, 2, 1]), c.softmax(z), c.softmax(z[::-1].copy())
    second = q if arguments[-1] is TARGETS else z[::-1].copy()
    mine = [
        labels if a is LABELS else p if a is P else q if a is Q else second if i else z
        for i, a in enumerate(arguments)
    ]
    quiet = f(*mine)
    with np.errstate(all="raise"):
        np.testing.assert_equal(f(*mine), quiet)


@every_function
def test_integers_of_other_packages_become_float64(f):
    x = np.array([[1, 2, 3], [3, 2, 7]])
    for kind in ("int4", "uint4"):
        small = x.astype(getattr(ml_dtypes, kind))
        np.testing.assert_array_equal(f(small), f(x))
        assert f(small).dtype == np.float64


def test_two_types_meet_before_the_logarithm():
    # log(0.1) differs in the eighth digit between float32 and float64
    p = np.float32([0.1, 0.9])
    assert c.kl_divergence(p, p.astype(np.float64)) == 0
    assert c.softmax_kl_divergence(p, p.astype(np.float64)) == 0
    assert c.cross_entropy(p, p.astype(np.float64)) == c.entropy(p.astype(np.float64))


def test_kl_from_logits_where_probabilities_are_gone():
    assert c.softmax_kl_divergence([0, -1000], [0, 0]) == pytest.approx(
        500 - np.log(2), rel=1e-15
    )
    assert c.softmax_kl_divergence([1, 0, -inf], [1, 0, -inf]) == 0
    assert c.softmax_kl_divergence([1, 0, -inf], [1, 0, -5]) == inf
    assert c.softmax_kl_divergence([0, 0, 0], [0, 0, -inf]) == pytest.approx(np.log(1.5))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(c.softmax_kl_divergence([inf, 0], [0, 0]))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(c.softmax_kl_divergence([0, 0], [-inf, -inf]))


def test_the_sigmoid_at_infinite_logits():
    z = [inf, inf, -inf, -inf, inf]
    np.testing.assert_array_equal(
        c.sigmoid_cross_entropy(z, [1, 0, 0, 1, 0.5]), [0, inf, 0, inf, inf]
    )
    np.testing.assert_array_equal(
        c.sigmoid_cross_entropy_grad(z, [1, 0, 0, 1, 0.5]), [0, 1, 0, -1, 0.5]
    )
    assert isinstance(c.sigmoid_cross_entropy(0, 1), np.float64)


def test_sure_rows_of_the_gradient_sum_to_zero_to_the_last_digit():
    z = np.array([[40.0, 0, -3], [800, 20, 1], [0, 50, 0]])
    for t in (np.eye(3)[[0, 0, 1]], [[1 - 2**-50, 2**-50, 0]] * 2 + [[2**-60, 1, 0]]):
        grad = c.softmax_cross_entropy_grad(z, t)
        largest = np.abs(grad).max(axis=-1)
        assert (np.abs(grad.sum(axis=-1)) <= 2 * np.spacing(largest)).all()
