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


@pytest.mark.parametrize(
    ("dtype", "last"), [(np.float16, 11), (np.float32, 88), (np.float64, 709)]
)
def test_exp_still_overflows_where_the_book_says(dtype, last):
    # mpmath.log of the largest: 65504 gives 11.09, 3.4e38 gives 88.72, 1.8e308 gives 709.78
    whole = np.array([last, last], dtype=dtype)
    assert np.isfinite(np.exp(whole)).all()
    with pytest.warns(RuntimeWarning, match=r"overflow|invalid"):
        assert np.isnan(naive.softmax(whole + dtype(1))).all()
    assert c.softmax(whole + dtype(1)).tolist() == [0.5, 0.5]


def test_softmax_of_low_logits_is_zero_over_zero():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(naive.softmax(np.array([-1000.0, -1000.0]))).all()
    assert c.softmax([-1000.0, -1000.0]).tolist() == [0.5, 0.5]


def test_a_million_classes_overflow_a_sum_in_float16():
    # Each term is 1, and 65504 is the largest sum.
    z = np.zeros(1_000_000, dtype=np.float16)
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert not naive.softmax(z).any()
    assert c.softmax(z).all()


def test_log_softmax_still_loses_a_confident_answer():
    assert naive.log_softmax([40.0, 0.0])[0] == 0
    assert c.log_softmax([40.0, 0.0])[0] == -4.248354255291589e-18


def test_cross_entropy_agrees_with_the_package_where_nothing_is_impossible():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    np.testing.assert_allclose(
        naive.cross_entropy(p, p[::-1]), c.cross_entropy(p, p[::-1]), rtol=1e-15
    )
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert naive.cross_entropy(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf
