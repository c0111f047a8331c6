"""A linear layer with its cross-entropy: equal to the plain way, without its memory."""

import tracemalloc

import numpy as np
import pytest

import companion
from companion.one_pass.linear import linear_cross_entropy


def draw(N, D, V, dtype=np.float64, scale=1.0):
    rng = np.random.default_rng(0)
    hidden, weight = rng.normal(size=(N, D)), scale * rng.normal(size=(D, V))
    return hidden.astype(dtype), weight.astype(dtype), rng.integers(V, size=N)


def plain(hidden, weight, labels):
    """With all logits at once."""
    logits = hidden @ weight
    loss = companion.softmax_cross_entropy_with_labels(logits, labels)
    slopes = companion.softmax_cross_entropy_with_labels_grad(logits, labels)
    return loss, slopes @ weight.T, hidden.T @ slopes


@pytest.mark.parametrize("chunk", [1, 8 * 7 * 3, 8 * 7 * 100, 2**30])
@pytest.mark.parametrize("scale", [1, 100])
def test_equal_to_the_plain_way_whatever_the_chunk(chunk, scale):
    given = draw(7, 5, 100, scale=scale)
    for got, wanted in zip(
        linear_cross_entropy(*given, chunk=chunk), plain(*given), strict=True
    ):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        # float64 sums in another order; logits up to 500 have half an ulp of 500 each.
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12 * scale)


def test_gradients_are_slopes():
    hidden, weight, labels = draw(3, 4, 6)
    _, hidden_grad, weight_grad = linear_cross_entropy(hidden, weight, labels, chunk=48)
    by_hidden = companion.numerical_gradient(
        lambda h: linear_cross_entropy(h, weight, labels, chunk=48)[0].sum(), hidden
    )
    by_weight = companion.numerical_gradient(
        lambda w: linear_cross_entropy(hidden, w, labels, chunk=48)[0].sum(), weight
    )
    np.testing.assert_allclose(hidden_grad, by_hidden, atol=1e-8)
    np.testing.assert_allclose(weight_grad, by_weight, atol=1e-8)


def test_float32_stays_and_others_become_wider():
    given = draw(7, 5, 100, np.float32)
    assert {part.dtype for part in linear_cross_entropy(*given)} == {np.dtype(np.float32)}
    for got, wanted in zip(linear_cross_entropy(*given, chunk=100), plain(*given), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    mixed = given[0].astype(np.float64), given[1], given[2]
    assert linear_cross_entropy(*mixed)[0].dtype == np.float64


def test_a_sure_answer_keeps_its_digits():
    loss, _, weight_grad = linear_cross_entropy([[1.0]], [[40.0, 0.0]], [0], chunk=8)
    assert loss == pytest.approx(np.exp(-40), rel=1e-15)
    np.testing.assert_allclose(weight_grad, [[-np.exp(-40.0), np.exp(-40.0)]], rtol=1e-15)


def peak(f, *args):
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_less_than_a_twentieth_of_the_plain_way():
    # A quarter of the size of the bench, which measures N = 1024 and V = 50257.
    given = draw(1024, 16, 12_000, np.float32)
    assert peak(linear_cross_entropy, *given) < peak(plain, *given) / 20


def test_no_examples_and_one_class():
    loss, hidden_grad, weight_grad = linear_cross_entropy(np.empty((0, 3)), np.ones((3, 4)), [])
    assert loss.shape == (0,)
    assert hidden_grad.shape == (0, 3)
    assert not weight_grad.any()
    assert linear_cross_entropy(np.ones((2, 3)), np.ones((3, 1)), [0, 0])[0].tolist() == [0, 0]


BAD = {
    "shapes": (([[1.0, 2.0]], [[1.0]], [0]), ValueError, r"hidden must have shape \(N, D\)"),
    "one row": (([1.0, 2.0], [[1.0], [1.0]], [0]), ValueError, "hidden must have shape"),
    "label": (
        ([[1.0]], [[1.0, 2.0]], [2]),
        ValueError,
        "labels must lie in 0..1 for 2 classes",
    ),
    "float label": (([[1.0]], [[1.0, 2.0]], [0.5]), TypeError, "labels must be integers"),
    "labels' shape": (
        ([[1.0]], [[1.0, 2.0]], [0, 1]),
        ValueError,
        "labels must have the shape",
    ),
    "text": (([["a"]], [[1.0, 2.0]], [0]), TypeError, "must be real numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        linear_cross_entropy(*given)
