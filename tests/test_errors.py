"""Error texts: what must hold, what came, what to use instead. In one sentence or two."""

import numpy as np
import pytest

import companion as c

Z = np.zeros((2, 3))
USE_TARGETS = "For one-hot or soft targets use softmax_cross_entropy."
USE_LABELS = "For integer labels use softmax_cross_entropy_with_labels."


def blend(**changed):
    arguments = {"temperature": 2, "alpha": 0.5} | changed
    return c.distillation_loss(Z, Z, [0, 1], **arguments)


TEMPERATURE = "temperature must lie between 1.2e-77 and 8.2e+76 for float64 logits; got {}."
CASES = {
    "one number": (
        lambda: c.softmax(3.0),
        ValueError,
        "an axis of classes is needed, shape (..., K); got one number, shape ().",
    ),
    "strings": (
        lambda: c.softmax(["a", "b"]),
        TypeError,
        "logits and probabilities must be real numbers; got dtype <U1.",
    ),
    "complex": (
        lambda: c.logsumexp([1j]),
        TypeError,
        "logits and probabilities must be real numbers; got dtype complex128.",
    ),
    "negative label": (
        lambda: c.softmax_cross_entropy_with_labels(Z, [0, -1]),
        ValueError,
        "labels must lie in 0..2 for 3 classes; got -1 at position (1,).",
    ),
    "label too large": (
        lambda: c.softmax_cross_entropy_with_labels_grad(Z, [3, 0]),
        ValueError,
        "labels must lie in 0..2 for 3 classes; got 3 at position (0,).",
    ),
    "one_hot too large": (
        lambda: c.one_hot([0, 3], 3),
        ValueError,
        "labels must lie in 0..2 for 3 classes; got 3 at position (1,).",
    ),
    "float labels": (
        lambda: c.softmax_cross_entropy_with_labels(Z, [0.0, 1.0]),
        TypeError,
        "labels must be integers, one class index per example; got dtype float64. "
        + USE_TARGETS,
    ),
    "bool labels": (
        lambda: c.softmax_cross_entropy_with_labels(Z, [True, False]),
        TypeError,
        "labels must be integers, one class index per example; got dtype bool. " + USE_TARGETS,
    ),
    "one-hot for labels": (
        lambda: c.softmax_cross_entropy_with_labels(Z, [[0, 1, 0], [1, 0, 0]]),
        ValueError,
        "labels must have the shape of the logits without classes, (2,); got (2, 3). "
        + USE_TARGETS,
    ),
    "column of labels": (
        lambda: c.softmax_cross_entropy_with_labels(Z, [[0], [1]]),
        ValueError,
        "labels must have the shape of the logits without classes, (2,); got (2, 1). "
        + USE_TARGETS,
    ),
    "labels for targets": (
        lambda: c.softmax_cross_entropy(Z, [0, 1]),
        ValueError,
        "targets must have the shape of the logits, (2, 3); got (2,). " + USE_LABELS,
    ),
    "targets that would broadcast": (
        lambda: c.softmax_cross_entropy(Z, [[0, 1, 0]]),
        ValueError,
        "targets must have the shape of the logits, (2, 3); got (1, 3). " + USE_LABELS,
    ),
    "squared error": (
        lambda: c.softmax_squared_error(Z, [[0, 1, 0]]),
        ValueError,
        "targets must have the shape of the logits, (2, 3); got (1, 3). " + USE_LABELS,
    ),
    "distributions": (
        lambda: c.cross_entropy([0.5, 0.5], [[0.5, 0.5]]),
        ValueError,
        "q must have the shape of p, (2,); got (1, 2).",
    ),
    "divergence": (
        lambda: c.kl_divergence([1.0], [0.5, 0.5]),
        ValueError,
        "q must have the shape of p, (1,); got (2,).",
    ),
    "tangents": (
        lambda: c.softmax_jvp(Z, [1, 0, 0]),
        ValueError,
        "tangents must have the shape of logits, (2, 3); got (3,).",
    ),
    "teacher": (
        lambda: c.distillation_loss(Z, Z[:1], [0, 1], temperature=1, alpha=1),
        ValueError,
        "teacher_logits must have the shape of student_logits, (2, 3); got (1, 3).",
    ),
    "temperature": (
        lambda: blend(temperature=0),
        ValueError,
        TEMPERATURE.format(0),
    ),
    "temperature that is nan": (
        lambda: blend(temperature=np.nan),
        ValueError,
        TEMPERATURE.format(np.nan),
    ),
    "alpha": (
        lambda: blend(alpha=1.5),
        ValueError,
        "alpha must lie in 0..1, the teacher's weight; got 1.5.",
    ),
    "array-valued f": (
        lambda: c.numerical_gradient(c.softmax, [1.0, 2.0]),
        ValueError,
        "f must return one number; got shape (2,). "
        "Multiply the output by fixed random weights and sum.",
    ),
}


@pytest.mark.parametrize(("wrong", "kind", "text"), CASES.values(), ids=CASES)
def test_the_error_says_what_to_do(wrong, kind, text):
    with pytest.raises(kind) as caught:
        wrong()
    assert str(caught.value) == text


def test_temperature_and_alpha_must_be_named():
    with pytest.raises(TypeError):
        c.distillation_loss(Z, Z, [0, 1], 2.0, 0.5)
    with pytest.raises(TypeError):
        c.distillation_loss(Z, Z, [0, 1])


def test_distributions_that_do_not_sum_to_one_are_computed_as_they_are():
    np.testing.assert_allclose(c.cross_entropy([2.0, 0.0], [0.5, 0.5]), 2 * np.log(2))


# The same texts from every function that takes such an argument.

Z_LIKE = np.zeros((2, 3))
TAKE_LABELS = {
    "loss": c.softmax_cross_entropy_with_labels,
    "grad": c.softmax_cross_entropy_with_labels_grad,
    "both": c.softmax_cross_entropy_with_labels_and_grad,
    "distillation": lambda z, y: c.distillation_loss(z, z, y, temperature=1, alpha=0),
    "distillation_grad": lambda z, y: c.distillation_loss_grad(z, z, y, temperature=1, alpha=0),
}
NOT_INTEGERS = "labels must be integers, one class index per example; got dtype {}. "
OUTSIDE = "labels must lie in 0..2 for 3 classes; got {} at position {}."
SHAPE = "labels must have the shape of the logits without classes, (2,); got {}. "
WRONG_LABELS = {
    "-1": ([0, -1], ValueError, OUTSIDE.format(-1, (1,))),
    "-1 as int8": (np.int8([-1, 0]), ValueError, OUTSIDE.format(-1, (0,))),
    "the first of two": ([7, -1], ValueError, OUTSIDE.format(7, (0,))),
    "K": ([3, 0], ValueError, OUTSIDE.format(3, (0,))),
    "255 as uint8": (np.uint8([0, 255]), ValueError, OUTSIDE.format(255, (1,))),
    "2**64 - 1": (np.uint64([2**64 - 1, 0]), ValueError, OUTSIDE.format(2**64 - 1, (0,))),
    "floats": ([0.0, 1.0], TypeError, NOT_INTEGERS.format("float64") + USE_TARGETS),
    "float32": (np.float32([0, 1]), TypeError, NOT_INTEGERS.format("float32") + USE_TARGETS),
    "bools": ([True, False], TypeError, NOT_INTEGERS.format("bool") + USE_TARGETS),
    "strings": (["a", "b"], TypeError, NOT_INTEGERS.format("<U1") + USE_TARGETS),
    "None": ([None, 1], TypeError, NOT_INTEGERS.format("object") + USE_TARGETS),
    "one-hot": ([[1, 0, 0], [0, 1, 0]], ValueError, SHAPE.format((2, 3)) + USE_TARGETS),
    "float one-hot": (np.eye(3)[:2], TypeError, NOT_INTEGERS.format("float64") + USE_TARGETS),
    "bool one-hot": (
        np.eye(3)[:2] == 1,
        TypeError,
        NOT_INTEGERS.format("bool") + USE_TARGETS,
    ),
    "a column": ([[0], [1]], ValueError, SHAPE.format((2, 1)) + USE_TARGETS),
    "a single label": (0, ValueError, SHAPE.format(()) + USE_TARGETS),
    "too few": ([0], ValueError, SHAPE.format((1,)) + USE_TARGETS),
    "too many": ([0, 1, 2], ValueError, SHAPE.format((3,)) + USE_TARGETS),
    "none at all": ([], ValueError, SHAPE.format((0,)) + USE_TARGETS),
}


@pytest.mark.parametrize("f", TAKE_LABELS.values(), ids=TAKE_LABELS)
@pytest.mark.parametrize(
    ("labels", "kind", "text"), WRONG_LABELS.values(), ids=list(WRONG_LABELS)
)
def test_wrong_labels(f, labels, kind, text):
    with pytest.raises(kind) as caught:
        f(Z_LIKE, labels)
    assert str(caught.value) == text


TAKE_TARGETS = {
    "loss": c.softmax_cross_entropy,
    "squared_error": c.softmax_squared_error,
    "grad": c.softmax_cross_entropy_grad,
    "squared_error_grad": c.softmax_squared_error_grad,
}


@pytest.mark.parametrize("f", TAKE_TARGETS.values(), ids=TAKE_TARGETS)
@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (3, 2), (2, 3, 1), (1, 2, 3), (2, 0)])
def test_targets_are_never_broadcast(f, shape):
    with pytest.raises(ValueError, match="targets must have") as caught:
        f(Z_LIKE, np.zeros(shape))
    text = f"targets must have the shape of the logits, (2, 3); got {shape}. {USE_LABELS}"
    assert str(caught.value) == text


@pytest.mark.parametrize("f", TAKE_TARGETS.values(), ids=TAKE_TARGETS)
def test_labels_for_targets_are_refused_also_when_they_would_fit(f):
    # N = K = 3: the labels would broadcast as one row of targets
    with pytest.raises(ValueError, match="softmax_cross_entropy_with_labels") as caught:
        f(np.zeros((3, 3)), [0, 1, 2])
    text = f"targets must have the shape of the logits, (3, 3); got (3,). {USE_LABELS}"
    assert str(caught.value) == text


@pytest.mark.parametrize("f", [c.cross_entropy, c.kl_divergence])
def test_distributions_are_never_broadcast(f):
    with pytest.raises(ValueError, match="q must have") as caught:
        f(np.full((2, 2), 0.5), [0.5, 0.5])
    assert str(caught.value) == "q must have the shape of p, (2, 2); got (2,)."


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (3, 2)])
def test_tangents_are_never_broadcast(shape):
    with pytest.raises(ValueError, match="tangents") as caught:
        c.softmax_jvp(Z_LIKE, np.zeros(shape))
    text = f"tangents must have the shape of logits, (2, 3); got {shape}."
    assert str(caught.value) == text


# Every public function that takes logits or distributions, as a function of one array.
OF_ARRAY = {
    "logsumexp": c.logsumexp,
    "softmax": c.softmax,
    "log_softmax": c.log_softmax,
    "entropy": c.entropy,
    "cross_entropy": lambda x: c.cross_entropy(x, x),
    "kl_divergence": lambda x: c.kl_divergence(x, x),
    "softmax_cross_entropy": lambda x: c.softmax_cross_entropy(x, x),
    "softmax_cross_entropy_with_labels": lambda x: c.softmax_cross_entropy_with_labels(x, 0),
    "softmax_kl_divergence": lambda x: c.softmax_kl_divergence(x, x),
    "softmax_squared_error": lambda x: c.softmax_squared_error(x, x),
    "softmax_cross_entropy_with_labels_and_grad": (
        lambda x: c.softmax_cross_entropy_with_labels_and_grad(x, 0)
    ),
    "softmax_entropy": c.softmax_entropy,
    "softmax_entropy_grad": c.softmax_entropy_grad,
    "softmax_kl_divergence_grad": lambda x: c.softmax_kl_divergence_grad(x, x),
    "softmax_kl_divergence_target_grad": lambda x: c.softmax_kl_divergence_target_grad(x, x),
    "softmax_js_divergence": lambda x: c.softmax_js_divergence(x, x),
    "softmax_js_divergence_grad": lambda x: c.softmax_js_divergence_grad(x, x),
    "softmax_jacobian": c.softmax_jacobian,
    "softmax_jvp": lambda x: c.softmax_jvp(x, x),
    "softmax_cross_entropy_grad": lambda x: c.softmax_cross_entropy_grad(x, x),
    "softmax_cross_entropy_with_labels_grad": (
        lambda x: c.softmax_cross_entropy_with_labels_grad(x, 0)
    ),
    "softmax_squared_error_grad": lambda x: c.softmax_squared_error_grad(x, x),
    "distillation_loss": lambda x: c.distillation_loss(x, x, 0, temperature=1, alpha=0.5),
    "distillation_loss_grad": (
        lambda x: c.distillation_loss_grad(x, x, 0, temperature=1, alpha=0.5)
    ),
}
REAL = "logits and probabilities must be real numbers; got dtype {}."
NOT_REAL = {
    "strings": (np.array(["a", "b"]), "<U1"),
    "bytes": (np.array([b"a", b"b"]), "|S1"),
    "complex": (np.array([1j, 0]), "complex128"),
    "objects": (np.array([None, 1.0]), "object"),
    "big integers": ([2**70, 1], "object"),
    "dates": (np.array([1, 2], "M8[s]"), "datetime64[s]"),
    "durations": (np.array([1, 2], "m8[s]"), "timedelta64[s]"),
    "records": (np.zeros(2, [("a", "f4")]), "[('a', '<f4')]"),
}


@pytest.mark.parametrize("f", OF_ARRAY.values(), ids=OF_ARRAY)
@pytest.mark.parametrize(("x", "dtype"), NOT_REAL.values(), ids=NOT_REAL)
def test_what_is_not_a_real_number_is_refused(f, x, dtype):
    with pytest.raises(TypeError) as caught:
        f(x)
    assert str(caught.value) == REAL.format(dtype)


@pytest.mark.parametrize("f", OF_ARRAY.values(), ids=OF_ARRAY)
def test_one_number_has_no_axis_of_classes(f):
    with pytest.raises(ValueError, match="an axis of classes") as caught:
        f(np.float32(3))
    text = "an axis of classes is needed, shape (..., K); got one number, shape ()."
    assert str(caught.value) == text


@pytest.mark.parametrize("f", [c.distillation_loss, c.distillation_loss_grad])
@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"temperature": -1.0}, TEMPERATURE.format(-1.0)),
        ({"temperature": 0}, TEMPERATURE.format(0)),
        ({"temperature": np.nan}, TEMPERATURE.format(np.nan)),
        ({"temperature": np.inf}, TEMPERATURE.format(np.inf)),
        ({"temperature": 1e160}, TEMPERATURE.format(1e160)),
        ({"temperature": 1e-310}, TEMPERATURE.format(1e-310)),
        ({"alpha": -0.5}, "alpha must lie in 0..1, the teacher's weight; got -0.5."),
        ({"alpha": 1.5}, "alpha must lie in 0..1, the teacher's weight; got 1.5."),
        ({"alpha": np.nan}, "alpha must lie in 0..1, the teacher's weight; got nan."),
    ],
)
def test_the_two_numbers_of_distillation(f, changed, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011, the whole text is compared below
        f(Z_LIKE, Z_LIKE, [0, 1], **({"temperature": 2, "alpha": 0.5} | changed))
    assert str(caught.value) == text


def test_the_ends_of_alpha_are_allowed():
    for alpha in (0, 1):
        assert np.isfinite(blend(alpha=alpha)).all()


@pytest.mark.parametrize("f", [c.softmax, c.log_softmax, c.logsumexp])
@pytest.mark.parametrize("axis", [None, (0, 1), [0], 1.0, "last", np.array([0, 1])], ids=repr)
def test_the_axis_is_one_integer(f, axis):
    with pytest.raises(TypeError) as caught:
        f(Z_LIKE, axis=axis)
    assert str(caught.value) == (
        f"axis must be one integer, the axis of the classes; got {axis!r}. "
        "Bring the classes onto one axis by reshape."
    )


SIGMOID = [c.sigmoid_cross_entropy, c.sigmoid_cross_entropy_grad]


@pytest.mark.parametrize("f", SIGMOID)
@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (2, 1), (2, 3, 1)])
def test_targets_of_the_sigmoid_are_never_broadcast(f, shape):
    with pytest.raises(ValueError, match="targets") as caught:
        f(Z_LIKE, np.zeros(shape))
    text = f"targets must have the shape of the logits, (2, 3); got {shape}."
    assert str(caught.value) == text


EVERY = {**OF_ARRAY, **{f.__name__: lambda x, f=f: f(x, x) for f in SIGMOID}}


@pytest.mark.parametrize("f", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(
    ("x", "text"),
    [
        ("abc", "logits and probabilities must be real numbers; got str."),
        (b"abc", "logits and probabilities must be real numbers; got bytes."),
        ({"a": 1.0}, "logits and probabilities must be real numbers; got dict."),
        (None, "logits and probabilities must be real numbers; got NoneType."),
        (
            np.ma.masked_array([1.0, 2.0], mask=[False, True]),
            "arrays must have no mask; got a masked array. For logits use x.filled(-np.inf).",
        ),
    ],
    ids=["str", "bytes", "dict", "None", "mask"],
)
def test_what_is_no_array_of_numbers_is_called_by_its_name(f, x, text):
    with pytest.raises(TypeError) as caught:
        f(x)
    assert str(caught.value) == text


@pytest.mark.parametrize("value", ["4", None, [4.0], np.ones(2), 1j], ids=repr)
@pytest.mark.parametrize("name", ["temperature", "alpha"])
def test_temperature_and_alpha_are_numbers(name, value):
    with pytest.raises(TypeError) as caught:
        blend(**{name: value})
    assert str(caught.value) == f"{name} must be one number; got {value!r}."


def test_an_axis_that_is_not_there_is_left_to_numpy():
    with pytest.raises(np.exceptions.AxisError):
        c.softmax([1.0, 2.0], axis=1)


def test_nothing_is_refused_that_numpy_would_compute():
    # Raise only where NumPy would stay silent: these are computed as they are.
    assert c.softmax_cross_entropy([0, 0], [-1, 2]) == pytest.approx(np.log(2), rel=1e-15)
    assert c.entropy([2.0, 0.0]) == pytest.approx(-2 * np.log(2), rel=1e-15)
    assert c.softmax_cross_entropy_grad([0, 0], [1, 1]).tolist() == [0, 0]
