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
        "p and q must have the same shape; got (2,) and (1, 2).",
    ),
    "divergence": (
        lambda: c.kl_divergence([1.0], [0.5, 0.5]),
        ValueError,
        "p and q must have the same shape; got (1,) and (2,).",
    ),
    "tangents": (
        lambda: c.softmax_jvp(Z, [1, 0, 0]),
        ValueError,
        "tangents must have the shape of the logits, (2, 3); got (3,).",
    ),
    "teacher": (
        lambda: c.distillation_loss(Z, Z[:1], [0, 1], temperature=1, alpha=1),
        ValueError,
        "teacher_logits must have the shape of student_logits, (2, 3); got (1, 3).",
    ),
    "temperature": (
        lambda: blend(temperature=0),
        ValueError,
        "temperature must be positive; got 0.",
    ),
    "temperature that is nan": (
        lambda: blend(temperature=np.nan),
        ValueError,
        "temperature must be positive; got nan.",
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
