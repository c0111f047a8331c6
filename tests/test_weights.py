"""`weights=`: one meaning in every form of every loss; what does not count is not looked at.

Each form is a function of logits (N, K), labels (N,) and weights (N,), and gives a list of
results, the per-example ones first. The weighted result must be that of the form itself without
weights, multiplied; and the rows of weight 0 may hold anything.
"""

import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion as c
from companion.one_pass import compiled, fast, streaming
from companion.one_pass.linear import linear_cross_entropy

BLEND = {"temperature": 2, "alpha": 0.5}


def targets_of(logits):
    """Soft targets that depend on the logits, so that rubbish there is rubbish here."""
    with np.errstate(invalid="ignore"):
        return np.abs(logits) / 7


def with_targets(f):
    return lambda z, y, w: [f(z, targets_of(z), weights=w)]


def with_labels(f):
    return lambda z, y, w: [f(z, y, weights=w)]


def with_both(f):
    return lambda z, y, w: list(f(z, y, weights=w))


def distilled(f):
    return lambda z, y, w: [f(z, targets_of(z), y, weights=w, **BLEND)]


def per_logit(f):
    def form(z, y, w):
        each = None if w is None else np.broadcast_to(np.asarray(w)[:, None], z.shape)
        return [f(z, targets_of(z), weights=each)]

    return form


def chunked(z, y, w):
    chunks = [z[:, :1], z[:, 1:]]
    return [streaming.softmax_cross_entropy_with_labels_of_chunks(chunks, y, weights=w)]


CORE = {
    "softmax_cross_entropy": with_targets,
    "softmax_cross_entropy_grad": with_targets,
    "softmax_cross_entropy_with_labels": with_labels,
    "softmax_cross_entropy_with_labels_grad": with_labels,
    "softmax_cross_entropy_with_labels_and_grad": with_both,
    "softmax_entropy": lambda f: lambda z, y, w: [f(z, weights=w)],
    "softmax_entropy_grad": lambda f: lambda z, y, w: [f(z, weights=w)],
    "softmax_kl_divergence": with_targets,
    "softmax_kl_divergence_grad": with_targets,
    "softmax_kl_divergence_target_grad": with_targets,
    "softmax_js_divergence": with_targets,
    "softmax_js_divergence_grad": with_targets,
    "softmax_squared_error": with_targets,
    "softmax_squared_error_grad": with_targets,
    "sigmoid_cross_entropy": per_logit,
    "sigmoid_cross_entropy_grad": per_logit,
    "distillation_loss": distilled,
    "distillation_loss_grad": distilled,
}
FORMS = {name: kind(getattr(c, name)) for name, kind in CORE.items()} | {
    "fast": with_both(fast.softmax_cross_entropy_with_labels_and_grad),
    "compiled": with_both(compiled.softmax_cross_entropy_with_labels_and_grad),
    "chunks": chunked,
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def test_every_loss_and_every_gradient_of_one_has_weights():
    import inspect

    has = {n for n in c.__all__ if "weights" in inspect.signature(getattr(c, n)).parameters}
    assert has == set(CORE)
    losses = {n for n in c.__all__ if n.startswith(("softmax_", "sigmoid_", "distillation_"))}
    assert losses - has == {"softmax_jacobian", "softmax_jvp"}


@st.composite
def problems(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, k = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    logits = draw(st.sampled_from([0.5, 5, 300])) * rng.normal(size=(n, k))
    weights = np.where(rng.random(n) < 0.4, 0, rng.normal(size=n) * 3)
    return logits, rng.integers(k, size=n), weights


def same_bits(got, wanted):
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


def expected(result, weights):
    each = weights.reshape(-1, *[1] * (result.ndim - 1))
    return np.where(each == 0, 0, each * result)


@every_form
@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_the_result_is_the_one_without_weights_multiplied(form, problem):
    logits, labels, weights = problem
    for got, plain in zip(
        form(logits, labels, weights), form(logits, labels, None), strict=True
    ):
        same_bits(got, expected(plain, weights))


@every_form
@given(problem=problems(), rubbish=st.sampled_from([np.nan, np.inf, -np.inf, 1e308]))
@settings(max_examples=25, deadline=None)
def test_what_does_not_count_is_not_looked_at(form, problem, rubbish):
    logits, labels, weights = problem
    out = weights == 0
    spoiled = np.where(out[:, None], rubbish, logits)
    anything = np.where(out, -100, labels)
    before = spoiled.tobytes(), anything.tobytes(), weights.tobytes()
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        got = form(spoiled, anything, weights)
    assert before == (spoiled.tobytes(), anything.tobytes(), weights.tobytes())
    for result, clean in zip(got, form(logits, labels, weights), strict=True):
        same_bits(result, clean)
        assert not result[out].any()
        assert not np.signbit(result[out]).any()  # it would print as -0


@every_form
def test_bools_say_which_count_and_all_of_them_is_no_change(form):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    for got, plain in zip(
        form(logits, labels, [True] * 4), form(logits, labels, None), strict=True
    ):
        same_bits(got, plain)
    for got, by_number in zip(
        form(logits, labels, [True, False, True, False]),
        form(logits, labels, [1, 0, 1, 0]),
        strict=True,
    ):
        same_bits(got, by_number)


@every_form
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_the_dtype_is_kept_and_rounded_once(form, dtype):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(5, 3)).astype(dtype), np.array([0, 2, 1, 1, 0])
    weights = np.array([0.1, 3.7, 0, -2.3, 1e-3])
    wide = form(logits.astype(np.float32), labels, weights)
    for got, exact in zip(form(logits, labels, weights), wide, strict=True):
        assert got.dtype == dtype
        if dtype == np.float32:
            same_bits(got, exact)
        else:  # targets made of 16-bit logits differ in their own digits, hence not all bits
            eps = float(ml_dtypes.finfo(dtype).eps)
            np.testing.assert_allclose(
                got.astype(float), exact.astype(float), rtol=4 * eps, atol=4 * eps
            )


LOGITS, LABELS = np.zeros((2, 3)), np.array([0, 1])
WRONG = {
    "one number": (2.0, ValueError, "got ()"),
    "a column": ([[1.0], [1.0]], ValueError, "got (2, 1)"),
    "one per class": (np.ones(3), ValueError, "got (3,)"),
    "nan": ([1.0, np.nan], ValueError, "got nan at position (1,)"),
    "infinite": ([np.inf, 1.0], ValueError, "got inf at position (0,)"),
    "text": (["a", "b"], TypeError, "real numbers"),
    "masked": (np.ma.masked_array([1.0, 2.0], mask=[0, 1]), TypeError, "no mask"),
}


@pytest.mark.parametrize("name", [n for n in FORMS if not n.startswith("sigmoid")])
@pytest.mark.parametrize(("weights", "kind", "words"), WRONG.values(), ids=WRONG)
def test_weights_that_are_none_are_refused(name, weights, kind, words):
    with pytest.raises(kind) as caught:
        FORMS[name](LOGITS, LABELS, weights)
    assert words in str(caught.value)


def test_the_words():
    with pytest.raises(ValueError, match="weights") as caught:
        c.softmax_cross_entropy_with_labels(LOGITS, LABELS, weights=np.ones(3))
    assert str(caught.value) == (
        "weights must be one number per example, shape (2,); got (3,). "
        "For weights of classes pass class_weights[labels]."
    )
    with pytest.raises(ValueError, match="weights") as caught:
        c.softmax_cross_entropy_with_labels(LOGITS, LABELS, weights=[0, np.nan])
    assert str(caught.value) == (
        "weights must be finite; got nan at position (1,). "
        "For an example that does not count pass 0."
    )


LABELLED = [n for n in FORMS if "label" in n or n in ("fast", "compiled", "chunks")]


@pytest.mark.parametrize("name", LABELLED)
def test_a_wrong_label_that_counts_is_named_at_its_place(name):
    with pytest.raises(ValueError, match=r"got -100 at position \(1,\)"):
        FORMS[name](np.zeros((3, 3)), np.array([-100, -100, 2]), [0, 1, 1])


def test_one_example_without_an_axis_of_examples():
    assert c.softmax_cross_entropy_with_labels([0.0, 0.0], 0, weights=2) == 2 * np.log(2)
    assert c.softmax_cross_entropy_with_labels([np.nan, 0.0], -100, weights=False) == 0


# Large enough for blocks, threads and the compiled loop, and with several blocks.
@pytest.mark.parametrize("version", [fast, compiled])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rubbish", [np.nan, np.inf])
def test_large_inputs_and_out(version, share, rubbish):
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(3000, 70)), rng.integers(70, size=3000)
    weights = np.where(rng.random(3000) < share, 0, rng.normal(size=3000))
    wanted = version.softmax_cross_entropy_with_labels_and_grad(logits, labels)
    spoiled = np.where((weights == 0)[:, None], rubbish, logits)
    anything = np.where(weights == 0, -100, labels)
    out = spoiled.copy()
    f = version.softmax_cross_entropy_with_labels_and_grad
    loss, gradient = f(out, anything, weights=weights, out=out)
    assert gradient is out
    same_bits(loss, expected(wanted[0], weights))
    same_bits(gradient, expected(wanted[1], weights))


@pytest.mark.parametrize("chunk", [64, 2**21])
@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_a_linear_layer(chunk, problem):
    hidden, labels, weights = problem
    weight = np.random.default_rng(3).normal(size=(hidden.shape[1], 7))
    out = weights == 0
    spoiled, anything = np.where(out[:, None], np.nan, hidden), np.where(out, -100, labels)
    loss, hidden_grad, weight_grad = linear_cross_entropy(
        spoiled, weight, anything, weights=weights, chunk=chunk
    )
    with np.errstate(under="ignore"):
        logits = hidden @ weight
        wanted, by_logits = c.softmax_cross_entropy_with_labels_and_grad(
            logits, labels, weights=weights
        )
        # Sums in another order, of terms as large as the inputs.
        close = {"rtol": 1e-9, "atol": 1e-12 * (1 + np.abs(hidden).max())}
        np.testing.assert_allclose(loss, wanted, **close)
        np.testing.assert_allclose(hidden_grad, by_logits @ weight.T, **close)
        np.testing.assert_allclose(weight_grad, hidden.T @ by_logits, **close)
    assert not loss[out].any()
    assert not hidden_grad[out].any()


def test_a_linear_layer_names_what_is_wrong():
    with pytest.raises(ValueError, match="weights must be one number per example"):
        linear_cross_entropy(LOGITS, np.zeros((3, 4)), LABELS, weights=[1.0])
    with pytest.raises(ValueError, match=r"got 9 at position \(1,\)"):
        linear_cross_entropy(LOGITS, np.zeros((3, 4)), [9, 9], weights=[0, 1])


def test_the_mean_says_what_it_divides_by():
    """What PyTorch calls ignore_index, weight and mean, written out."""
    import torch
    from torch.nn import functional as F

    rng = np.random.default_rng(4)
    logits, labels = rng.normal(size=(6, 4)), np.array([0, -100, 3, 1, -100, 2])
    counts = labels != -100
    loss = c.softmax_cross_entropy_with_labels(logits, labels, weights=counts)
    theirs = F.cross_entropy(torch.tensor(logits), torch.tensor(labels)).item()
    assert loss.sum() / counts.sum() == pytest.approx(theirs, rel=1e-14)
    assert loss.mean() != pytest.approx(theirs, rel=0.1)
    of_class = np.array([1.0, 2.0, 0.5, 3.0])
    weights = np.where(counts, of_class[labels * counts], 0)
    loss = c.softmax_cross_entropy_with_labels(logits, labels, weights=weights)
    theirs = F.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), weight=torch.tensor(of_class)
    ).item()
    assert loss.sum() / weights.sum() == pytest.approx(theirs, rel=1e-14)
