"""A linear layer with its cross-entropy: equal to the plain way, without its memory."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion
from companion.one_pass import linear
from companion.one_pass.linear import linear_cross_entropy

inf = np.inf


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
    "two kinds of 16 bits": (
        (np.ones((1, 1), np.float16), np.ones((1, 2), ml_dtypes.bfloat16), [0]),
        TypeError,
        "hidden and weight must have dtypes that NumPy promotes to one; got bfloat16 and",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        linear_cross_entropy(*given)


def test_a_class_that_is_ruled_out_gives_no_slope():
    for weight in ([[1.0, -inf, 2.0]], [[1.0, 2.0, -inf]]):
        loss, hidden_grad, weight_grad = linear_cross_entropy(np.ones((1, 1)), weight, [0])
        kept = np.delete(weight, np.argmin(weight), axis=1)
        wanted, hidden_wanted, _ = linear_cross_entropy(np.ones((1, 1)), kept, [0])
        np.testing.assert_allclose(loss, wanted, rtol=1e-15)
        np.testing.assert_allclose(hidden_grad, hidden_wanted, rtol=1e-15)
        assert weight_grad[0, np.argmin(weight)] == 0


def test_what_has_no_softmax_is_nan_with_a_warning():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        loss, *_ = linear_cross_entropy(np.full((1, 1), inf), np.ones((1, 2)), [0])
    assert np.isnan(loss).all()


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.longdouble]
)
def test_every_float_type_is_kept(dtype):
    rng = np.random.default_rng(0)
    hidden, weight = (
        rng.normal(size=(5, 3)).astype(dtype),
        rng.normal(size=(3, 7)).astype(dtype),
    )
    results = linear_cross_entropy(hidden, weight, np.arange(5))
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    work = np.promote_types(dtype, np.float32)
    wide = linear_cross_entropy(hidden.astype(work), weight.astype(work), np.arange(5))
    for result, exact in zip(results, wide, strict=True):
        np.testing.assert_array_equal(result, exact.astype(dtype))  # rounded once


@settings(max_examples=100)
@given(
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 60),
    st.integers(1, 4000),
    st.sampled_from("bBhHiIlLqQ"),
    st.integers(0, 99),
)
def test_no_piece_of_examples_or_classes_changes_more_than_digits(N, D, V, chunk, kind, seed):
    rng = np.random.default_rng(seed)
    hidden, weight = rng.normal(size=(N, D)), rng.normal(size=(D, V))
    labels = rng.integers(V, size=N).astype(kind)
    loss, hidden_grad, weight_grad = linear_cross_entropy(hidden, weight, labels, chunk=chunk)
    wanted, by_logits = companion.softmax_cross_entropy_with_labels_and_grad(
        hidden @ weight, labels
    )
    close = {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(loss, wanted, **close)
    np.testing.assert_allclose(hidden_grad, by_logits @ weight.T, **close)
    np.testing.assert_allclose(weight_grad, hidden.T @ by_logits, **close)


def test_very_many_examples_are_taken_in_pieces():
    pieces = list(linear._pieces(262_144, 60, linear.CHUNK // 8))
    assert all(len(parts) == 1 for _, parts in pieces)  # all 60 classes at once
    rows = [row for rows, _ in pieces for row in range(rows.start, rows.stop)]
    assert rows == list(range(262_144))
    assert len(pieces) < 100


@pytest.mark.parametrize("chunk", [1e6, None, "1 MB"], ids=repr)
def test_a_chunk_is_a_whole_number(chunk):
    with pytest.raises(TypeError, match="chunk must be a whole number, the bytes of logits"):
        linear_cross_entropy([[1.0]], [[1.0, 2.0]], [0], chunk=chunk)


@given(st.data())
def test_classes_that_are_ruled_out_give_what_the_others_alone_give(data):
    N, D, V = (data.draw(st.integers(1, 6)) for _ in range(3))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    hidden, weight = rng.uniform(0.1, 1, size=(N, D)), rng.normal(size=(D, V))
    out = np.array(data.draw(st.lists(st.booleans(), min_size=V, max_size=V)))
    out[0] = False
    weight[0, out] = -inf  # times a positive number: these logits are -inf
    labels = rng.choice(np.flatnonzero(~out), size=N)
    chunk = data.draw(st.integers(1, 200))
    got = linear_cross_entropy(hidden, weight, labels, chunk=chunk)
    places = np.cumsum(~out) - 1
    wanted = linear_cross_entropy(hidden, weight[:, ~out], places[labels])
    close = {"rtol": 1e-12, "atol": 1e-15}
    np.testing.assert_allclose(got[0], wanted[0], **close)
    np.testing.assert_allclose(got[1], wanted[1], **close)
    np.testing.assert_allclose(got[2][:, ~out], wanted[2], **close)
    assert not got[2][:, out].any()


def test_a_label_that_is_ruled_out_has_no_finite_slope():
    loss, hidden_grad, _ = linear_cross_entropy([[1.0]], [[1.0, -inf, -inf]], [1])
    assert loss == inf
    assert hidden_grad == inf  # less weight on the label's class is worse without end


def test_no_setting_of_the_caller_makes_an_underflow_an_error():
    hidden, weight = np.full((2, 2), 1e-160), np.full((2, 3), 1e-160)
    weight[0, 1] = 1.5e162  # logits 0 and 150, and slopes of 1e-65 times 1e-160
    with np.errstate(all="raise"):
        linear_cross_entropy(hidden, weight, [0, 1])
        linear_cross_entropy([[1.0]], [[700.0, 0.0, 1e-300]], [0])
        linear_cross_entropy([[1e-20]], [[7e22, 0.0, 1e-300]], [0])
