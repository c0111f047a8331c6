"""The state that merges: zero, associativity, accuracy; and that a wrong merge is found.

Tolerances. A merge rounds a few times, and a gap of g rounds to half an ulp of g before exp
makes that g/2 ulps of a term. Gaps here are below 2 ** 11: 2 ** 11 roundings at the most.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import companion
from companion.one_pass import streaming
from companion.one_pass.streaming import EMPTY, State, merge, state_of, value_of

inf, nan = np.inf, np.nan
CLOSE = {"rtol": 2**11 * np.finfo(float).eps, "atol": 0}
logit = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([-inf, inf, 0.0]))
chunk = hnp.arrays(float, st.integers(0, 5), elements=logit)
several = st.lists(chunk, min_size=1, max_size=5)


def agree(a, b):
    np.testing.assert_allclose(a.largest, b.largest, rtol=0)
    np.testing.assert_allclose(a.rest, b.rest, **CLOSE)


@given(chunk)
def test_the_empty_state_is_the_zero(x):
    state = state_of(x)
    for both in (merge(state, EMPTY), merge(EMPTY, state)):
        agree(both, state)


@given(chunk, chunk)
def test_merging_commutes(x, y):
    agree(merge(state_of(x), state_of(y)), merge(state_of(y), state_of(x)))


@given(chunk, chunk, chunk)
def test_merging_is_associative(x, y, z):
    a, b, c = map(state_of, (x, y, z))
    agree(merge(merge(a, b), c), merge(a, merge(b, c)))


def disagreements(merge):
    """Cases on which a merge is not the state of both."""
    cases = [[1.0, 2.0], [3.0], [-inf], [inf], [40.0], [0.0], [2.0, 2.0], []]
    for x, y in itertools.product(cases, repeat=2):
        got = value_of(merge(state_of(x), state_of(y)))
        wanted = companion.logsumexp([*x, *y])
        if not np.allclose(got, wanted, rtol=1e-14, atol=0, equal_nan=True):
            yield x, y


WRONG = {
    "the sums are added as they are": lambda a, b: State(
        np.maximum(a.largest, b.largest), a.rest + b.rest + 1
    ),
    "the smaller's largest term is lost": lambda a, b: State(
        np.maximum(a.largest, b.largest),
        np.where(a.largest >= b.largest, a.rest, b.rest)
        + np.exp(-np.abs(a.largest - b.largest))
        * np.where(a.largest >= b.largest, b.rest, a.rest),
    ),
    "the first is always the larger": lambda a, b: State(
        a.largest, a.rest + np.exp(b.largest - a.largest) * (1 + b.rest)
    ),
    "the later wins": lambda a, b: b,
    "infinities give nan": lambda a, b: State(
        np.maximum(a.largest, b.largest),
        np.where(a.largest >= b.largest, a.rest, b.rest)
        + np.exp(-np.abs(a.largest - b.largest))
        * (1 + np.where(a.largest >= b.largest, b.rest, a.rest)),
    ),
}


def test_a_merge_is_the_state_of_both():
    assert list(disagreements(merge)) == []


@pytest.mark.parametrize("name", WRONG)
@np.errstate(all="ignore")
def test_a_wrong_merge_is_found(name):
    assert list(disagreements(WRONG[name]))


@given(several)
def test_chunks_give_what_the_whole_gives(chunks):
    whole = np.concatenate(chunks)
    np.testing.assert_allclose(
        streaming.logsumexp_of_chunks(chunks),
        companion.logsumexp(whole),
        rtol=1e-14,
        atol=1e-13,
    )
    with np.errstate(invalid="ignore"):
        probs = np.concatenate(list(streaming.softmax_of_chunks(chunks)))
        np.testing.assert_allclose(probs, companion.softmax(whole), rtol=1e-12, atol=1e-300)


@given(several.filter(lambda chunks: sum(map(len, chunks))), st.data())
def test_cross_entropy_over_chunks(chunks, data):
    whole = np.concatenate(chunks)
    label = data.draw(st.integers(0, len(whole) - 1))
    with np.errstate(invalid="ignore"):
        wanted = companion.softmax_cross_entropy_with_labels(whole, label)
        got = streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, label)
    np.testing.assert_allclose(got, wanted, **CLOSE)


def test_a_tiny_rest_survives_every_merge():
    for chunks in ([[0.0, -40.0]], [[0.0], [-40.0]], [[-40.0], [], [0.0]]):
        assert streaming.logsumexp_of_chunks(chunks) == pytest.approx(np.exp(-40.0), rel=1e-15)
        (where,) = [i for i, z in enumerate(np.concatenate(chunks)) if z == 0]
        loss = streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, where)
        assert loss == pytest.approx(np.exp(-40.0), rel=1e-15)


def test_a_million_classes_one_pass_is_as_accurate_as_two():
    x = 50 * np.random.default_rng(0).normal(size=10**6)
    chunks = x.reshape(1000, 1000)
    np.testing.assert_allclose(
        streaming.logsumexp_of_chunks(chunks), companion.logsumexp(x), rtol=1e-15
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_dtypes_are_kept(dtype):
    chunks = np.arange(12).reshape(2, 3, 2).astype(dtype)
    labels = [0, 3, 1]
    assert streaming.logsumexp_of_chunks(chunks).dtype == dtype
    assert streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, labels).dtype == dtype
    assert {probs.dtype for probs in streaming.softmax_of_chunks(chunks)} == {np.dtype(dtype)}
    assert streaming.logsumexp_of_chunks([[1, 2], [3]]).dtype == np.float64


def test_gaps_past_the_largest_float_are_silent():
    chunks = [[1e308], [-1e308]]
    assert streaming.logsumexp_of_chunks(chunks) == 1e308
    assert streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, 1) == inf
    assert [p.tolist() for p in streaming.softmax_of_chunks(chunks)] == [[1], [0]]


BAD = {
    "no chunk": (
        lambda: streaming.logsumexp_of_chunks([]),
        ValueError,
        "at least one chunk is needed",
    ),
    "a number": (
        lambda: streaming.logsumexp_of_chunks([1.0]),
        ValueError,
        "an axis of classes is needed",
    ),
    "text": (lambda: streaming.logsumexp_of_chunks([["a"]]), TypeError, "must be real numbers"),
    "an iterator": (
        lambda: streaming.softmax_of_chunks(iter([[1.0]])),
        TypeError,
        "chunks must be a sequence that can be read twice",
    ),
    "label past the end": (
        lambda: streaming.softmax_cross_entropy_with_labels_of_chunks([[1.0], [2.0]], 2),
        ValueError,
        r"labels must lie in 0..1 for 2 classes; got 2 at position \(\)",
    ),
    "negative label": (
        lambda: streaming.softmax_cross_entropy_with_labels_of_chunks([[1.0], [2.0]], -1),
        ValueError,
        "labels must lie in 0..1",
    ),
    "float label": (
        lambda: streaming.softmax_cross_entropy_with_labels_of_chunks([[1.0], [2.0]], 1.0),
        TypeError,
        "labels must be integers",
    ),
    "labels of another shape": (
        lambda: streaming.softmax_cross_entropy_with_labels_of_chunks([[[1.0], [2.0]]], [0]),
        ValueError,
        r"labels must have the shape of the logits without classes, \(2,\); got \(1,\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_the_words_of_the_core(case):
    call, error, text = BAD[case]
    with pytest.raises(error, match=text):
        call()


# Labels of every type that can hold them, wherever the chunks are cut.

INTEGERS = [np.dtype(kind) for kind in "bBhHiIlLqQ"]


@settings(max_examples=200)
@given(st.data())
def test_labels_of_every_integer_type_at_every_cut(data):
    dtype = data.draw(st.sampled_from(INTEGERS))
    K = data.draw(st.one_of(st.integers(1, 20), st.integers(200, 700), st.just(66_000)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    z = rng.normal(size=(3, K)).astype(np.float32)
    labels = rng.integers(min(K, np.iinfo(dtype).max + 1), size=3).astype(dtype)
    cuts = sorted(data.draw(st.lists(st.integers(0, K), max_size=4)))
    chunks = np.split(z, cuts, axis=1)
    got = streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, labels)
    wanted = companion.softmax_cross_entropy_with_labels(z, labels)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: dtype.name)
def test_a_label_that_is_out_of_range_in_every_integer_type(dtype):
    chunks = [np.zeros((2, 100)), np.zeros((2, 20))]
    for wrong in {-1, 120, 255, np.iinfo(dtype).max, np.iinfo(dtype).min} - {0}:
        if np.iinfo(dtype).min <= wrong <= np.iinfo(dtype).max:
            with pytest.raises(ValueError, match=rf"0\.\.119 .* got {wrong} at position"):
                streaming.softmax_cross_entropy_with_labels_of_chunks(
                    chunks, np.array([0, wrong], dtype)
                )


@pytest.mark.parametrize("row", [[inf, 0.0], [inf, inf], [-inf, -inf]])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_row_without_softmax_is_nan_with_a_warning(row, cut):
    chunks = [row[:cut], row[cut:]]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, 0))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(np.concatenate(list(streaming.softmax_of_chunks(chunks)))).all()


def test_no_setting_of_the_caller_makes_an_underflow_an_error():
    chunks = [[[0.0, -1000], [1e-300, 0]], [[-740.0, 5e-324], [-1e-300, -745]]]
    with np.errstate(all="raise"):
        streaming.logsumexp_of_chunks(chunks)
        streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, [3, 1])
        list(streaming.softmax_of_chunks(chunks))


def test_the_rest_of_equal_logits_is_a_whole_number():
    for dtype in (np.float32, np.float64):
        assert state_of(np.zeros(10**6, dtype)).rest == 10**6 - 1


class Table(dict):
    columns = ("a", "b")


@pytest.mark.parametrize("chunks", ["abc", b"abc", {"a": [1.0]}, Table()], ids=repr)
def test_what_is_no_sequence_of_arrays_is_called_by_its_name(chunks):
    for f in (
        streaming.logsumexp_of_chunks,
        lambda chunks: streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, 0),
        lambda chunks: list(streaming.softmax_of_chunks(chunks)),
    ):
        with pytest.raises(TypeError) as caught:
            f(chunks)
        assert str(caught.value) == (
            "chunks must be an iterable of arrays, the logits cut along the last axis; "
            f"got {type(chunks).__name__}. Pass a list of arrays."
        )


def test_chunks_of_unlike_shapes_and_types_are_refused():
    chunks = [np.zeros((1, 2)), np.zeros((3, 2))]
    text = r"same shape but for the last axis; got \(3,\) without it, after \(1,\)"
    with pytest.raises(ValueError, match=text):
        streaming.logsumexp_of_chunks(chunks)
    with pytest.raises(ValueError, match=text):
        streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, [0, 1, 0])
    chunks = [np.zeros(2, np.float16), np.zeros(2, ml_dtypes.bfloat16)]
    with pytest.raises(TypeError, match="promotes to one; got bfloat16 and float16"):
        streaming.logsumexp_of_chunks(chunks)
