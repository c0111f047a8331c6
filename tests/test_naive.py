"""The literal definitions: right where they work, and still broken where the book says so."""

import numpy as np
import pytest

import companion as c
from companion import naive


def test_they_agree_with_the_package_on_small_logits():
    z = np.random.default_rng(0).uniform(-20, 20, size=(1000, 6))
    np.testing.assert_allclose(naive.softmax(z), c.softmax(z), rtol=1e-13)
    np.testing.assert_allclose(naive.logsumexp(z), c.logsumexp(z), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(naive.log_softmax(z), c.log_softmax(z), rtol=1e-7, atol=1e-13)
    p, q = c.softmax(z), c.softmax(z[::-1])
    np.testing.assert_allclose(naive.cross_entropy(p, q), c.cross_entropy(p, q), rtol=1e-13)


def test_softmax_still_overflows():
    with pytest.warns(RuntimeWarning) as caught:
        assert np.isnan(naive.softmax(np.array([1000.0, 0.0]))[0])
    assert ["overflow", "invalid"] == [str(w.message).split()[0] for w in caught]


def test_softmax_still_underflows_in_silence():
    assert naive.softmax(np.float32([-103, -104])).tolist() == [1, 0]


def test_logsumexp_still_overflows_and_underflows():
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert naive.logsumexp([1000.0, 0.0]) == np.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert naive.logsumexp([-1000.0, -1000.0]) == -np.inf
    assert naive.logsumexp([0.0, -40.0]) == 0


def test_log_softmax_still_gives_minus_infinity():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert naive.log_softmax([0.0, -1000.0])[1] == -np.inf


def test_cross_entropy_still_multiplies_zero_by_infinity():
    with pytest.warns(RuntimeWarning):
        assert np.isnan(naive.cross_entropy(np.array([1.0, 0.0]), np.array([1.0, 0.0])))
