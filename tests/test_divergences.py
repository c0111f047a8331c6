"""Entropy and divergences from logits, and their gradients: a search for lost digits.

The reference is the definition, at enough digits for nothing to cancel. The rows that are
drawn are those that break plain formulas: nearly equal pairs, sure rows, gaps past the
exponents of floats, masks in one, in the other, in both.
"""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import companion as c

DIGITS = 400  # gaps of 300 make probabilities of 1e-130, and products of two of them
ULPS = 2000  # of exp: half an ulp of a gap of 600 is 300 ulps of its exponential, twice


def probs(z):
    exps = [mpmath.exp(mpmath.mpf(float(x))) if np.isfinite(x) else mpmath.mpf(0) for x in z]
    return [e / sum(exps) for e in exps]


def centred(p, slopes):
    mean = sum(a * b for a, b in zip(p, slopes, strict=True))
    return [a * (b - mean) for a, b in zip(p, slopes, strict=True)]


def log(x):
    return mpmath.log(x) if x else mpmath.mpf(0)  # where it is multiplied by 0


def entropy(z, _):
    return [-sum(p * log(p) for p in probs(z))]


def entropy_grad(z, _):
    return centred(probs(z), [-log(p) for p in probs(z)])


def js(z, w):
    p, q = probs(z), probs(w)
    return [sum(_half_js(a, b) + _half_js(b, a) for a, b in zip(p, q, strict=True))]


def _half_js(a, b):
    return a * log(2 * a / (a + b)) / 2 if a else mpmath.mpf(0)


def js_grad(z, w):
    p, q = probs(z), probs(w)
    slopes = [
        log(2 * a / (a + b)) / 2 if a else mpmath.mpf(0) for a, b in zip(p, q, strict=True)
    ]
    return centred(p, slopes)


def kl_grad(z, w):
    return [a - b for a, b in zip(probs(z), probs(w), strict=True)]


def kl_target_grad(z, w):
    p, t = probs(z), probs(w)
    if any(b and not a for a, b in zip(p, t, strict=True)):
        return None  # the divergence is inf
    slopes = [log(b / a) if b else mpmath.mpf(0) for a, b in zip(p, t, strict=True)]
    return centred(t, slopes)


EACH = {
    "entropy": (lambda z, w: c.softmax_entropy(z), entropy),
    "entropy_grad": (lambda z, w: c.softmax_entropy_grad(z), entropy_grad),
    "js": (c.softmax_js_divergence, js),
    "js_grad": (c.softmax_js_divergence_grad, js_grad),
    "kl_grad": (c.softmax_kl_divergence_grad, kl_grad),
    "kl_target_grad": (c.softmax_kl_divergence_target_grad, kl_target_grad),
}


@st.composite
def pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, scale = draw(st.integers(2, 5)), 10 ** draw(st.floats(-3, 2))
    z = scale * rng.normal(size=k)
    near = z + 10 ** draw(st.floats(-12, 1)) * rng.normal(size=k)
    w = draw(st.sampled_from([near, scale * rng.normal(size=k), z[::-1].copy(), 0 * z]))
    for row in (z, w):
        if draw(st.booleans()) and draw(st.booleans()):
            row[draw(st.integers(0, k - 1))] = -np.inf
    return z, w


def error_of(name, z, w):
    """In units of the last digit of the largest entry; None where there is nothing to say."""
    computed, exact = EACH[name]
    with mpmath.workdps(DIGITS):
        wanted = exact(z, w)
        if wanted is None or max(map(abs, wanted)) < 1e-290:  # below the normal numbers
            return None
        with np.errstate(all="raise", under="ignore"):
            got = np.atleast_1d(computed(z, w))
        off = max(
            abs(mpmath.mpf(float(a)) - b) for a, b in zip(got, wanted, strict=True)
        ) / max(map(abs, wanted))
    return float(off) / np.finfo(float).eps


@pytest.mark.parametrize("name", EACH)
@given(pair=pairs())
@settings(max_examples=150, deadline=None)
def test_digits_are_kept(name, pair):
    error = error_of(name, *pair)
    assert error is None or error < ULPS


def test_the_search_sees_the_plain_formulas_lose_their_digits(monkeypatch):
    """KL to the mean, twice, and p * log(p / m): each is off by far more than ULPS."""

    def plain_js(z, w):
        p, q = c.softmax(z), c.softmax(w)
        return (c.kl_divergence(p, (p + q) / 2) + c.kl_divergence(q, (p + q) / 2)) / 2

    def plain_js_grad(z, w):
        p, q = c.softmax(z), c.softmax(w)
        return c.softmax_jvp(z, np.log(2 * p / (p + q))) / 2

    z = np.array([1.0, 0.0, -1.0])
    w = z + np.array([1e-9, 0, -2e-9])
    for name, plain in {"js": plain_js, "js_grad": plain_js_grad}.items():
        assert error_of(name, z, w) < ULPS
        monkeypatch.setitem(EACH, name, (plain, EACH[name][1]))
        assert error_of(name, z, w) > 1e4


def test_ends():
    one, other = [0.0, -np.inf], [-np.inf, 0.0]
    assert c.softmax_js_divergence(one, other) == np.log(2)
    assert c.softmax_js_divergence(one, one) == 0
    assert c.softmax_kl_divergence(one, other) == np.inf
    np.testing.assert_array_equal(c.softmax_kl_divergence_grad(one, other), [1, -1])
    np.testing.assert_array_equal(c.softmax_js_divergence_grad(one, other), [0, 0])
    assert c.softmax_entropy(np.zeros(1000)) == pytest.approx(np.log(1000), rel=1e-15)
    assert c.softmax_entropy([0.0, -np.inf]) == 0


@given(pair=pairs())
@settings(max_examples=100, deadline=None)
def test_bounds_and_symmetry(pair):
    z, w = pair
    js, eps = c.softmax_js_divergence(z, w), 8 * np.finfo(float).eps
    assert 0 <= js <= np.log(2) * (1 + eps)
    assert js == pytest.approx(c.softmax_js_divergence(w, z), rel=ULPS * eps, abs=0)
    assert 0 <= c.softmax_entropy(z) <= np.log(z.size) * (1 + eps)
    # KL(p, m) is convex in m, hence at most half of KL(p, q).
    both = c.softmax_kl_divergence(z, w) + c.softmax_kl_divergence(w, z)
    assert js <= both / 4 * (1 + ULPS * eps)


def test_the_divergences_have_their_gradients_in_pytorch():
    import torch
    from torch.nn import functional as F

    rng = np.random.default_rng(0)
    z, v = 2 * rng.normal(size=(2, 4, 5))
    student = torch.tensor(z, requires_grad=True)
    log_p, log_t = F.log_softmax(student, -1), F.log_softmax(torch.tensor(v), -1)
    log_m = torch.logaddexp(log_p, log_t) - np.log(2)
    kl = {"reduction": "none", "log_target": True}
    theirs = {
        "entropy": (torch.special.entr(log_p.exp()).sum(-1), c.softmax_entropy, [z]),
        "KL": (F.kl_div(log_p, log_t, **kl).sum(-1), c.softmax_kl_divergence, [z, v]),
        "reverse": (F.kl_div(log_t, log_p, **kl).sum(-1), c.softmax_kl_divergence, [v, z]),
        "JS": (
            (F.kl_div(log_m, log_p, **kl) + F.kl_div(log_m, log_t, **kl)).sum(-1) / 2,
            c.softmax_js_divergence,
            [z, v],
        ),
    }
    ours = {
        "entropy": c.softmax_entropy_grad(z),
        "KL": c.softmax_kl_divergence_grad(z, v),
        "reverse": c.softmax_kl_divergence_target_grad(v, z),
        "JS": c.softmax_js_divergence_grad(z, v),
    }
    for name, (value, function, arguments) in theirs.items():
        np.testing.assert_allclose(function(*arguments), value.detach().numpy(), rtol=1e-12)
        (slopes,) = torch.autograd.grad(value.sum(), student, retain_graph=True)
        np.testing.assert_allclose(ours[name], slopes.numpy(), rtol=1e-10, atol=1e-14)
