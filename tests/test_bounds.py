"""The error bounds that *Numerical stability* displays, and a search that tries to break them.

A row has up to 100 logits, near 0 or far from it, in a range in which nothing overflows or
underflows: that is what the bounds assume. They also speak of the error of exp, log and log1p;
it is measured for each row, so that a good exp hides nothing. They are of first order, and what
the products of small numbers add is less than SECOND for all rows here.

Rows with the largest ratio of error to bound are kept and mutated. `BOUNDS_ROUNDS` in the
environment sets how many rows are tried for each bound and type: `BOUNDS_ROUNDS=20000 pytest
tests/test_bounds.py`. WORST has what such runs found.
"""

import os

import mpmath
import numpy as np
import pytest

import companion
from companion import naive
from companion._core import sum_parts
from tools.exact import exact_rows, probs

ROUNDS = int(os.environ.get("BOUNDS_ROUNDS", "800"))
LONGEST = 100
SECOND = 1.001
KINDS = ("naive", "shifted", "division-free", "log-sum-exp", "log-softmax")
ENDS = {np.float32: 80.0, np.float64: 690.0}  # of the exponents: exp stays a normal number
# In ulps, each up to two u: what NumPy's exp, log and log1p are taken to be off by.
# Of its vector code for float32 it says 2.52 (exp) and 3.83 (log); C libraries stay below 1.
ULPS = {np.float32: 4.0, np.float64: 1.0}

every_kind = pytest.mark.parametrize("kind", KINDS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# The worst rows of three searches each of 6000 rows, and their ratios.
WORST = {
    ("naive", "float32"): [
        [10.433772087097168, -3.2019128799438477],
        [-2.050889492034912, -2.0535824298858643],
        [-10.978362083435059, -3.391177177429199],
    ],  # [0.881, 0.972, 0.865]
    ("naive", "float64"): [
        [-25.54397854421587, -25.545614308187055],
        [6.906876602906862, 7.0011551944129975],
        [2.015194077016775, 0.45711671426518274],
    ],  # [0.872, 0.895, 0.793]
    ("shifted", "float32"): [
        [10.26701545715332, -5.957776069641113],
        [16.75953483581543, -15.334293365478516],
        [14.32191276550293, -17.681034088134766],
    ],  # [0.94, 0.938, 0.941]
    ("shifted", "float64"): [
        [-202.2552051738876, 53.80176730291774],
        [246.32465616902562, -265.86839264730366],
        [-14.276935129324904, 49.7657280566584],
    ],  # [0.991, 0.996, 0.968]
    ("division-free", "float32"): [
        [511.944580078125, 509.081298828125],
        [
            2118.925048828125,
            2118.923095703125,
            2119.57177734375,
            2119.57177734375,
            2118.94287109375,
        ],
        [-256.0811767578125, -259.5120849609375],
    ],  # [0.995, 0.955, 0.992]
    ("division-free", "float64"): [
        [2047.5357521940641, 2046.5040366714557, 2046.5040366714557],
        [-17.90477702791174, 16.000037311007702],
        [250.068048139768, 255.99736657120866],
    ],  # [0.998, 0.999, 0.995]
    ("log-sum-exp", "float32"): [
        [511.944580078125, 509.081298828125],
        [2137.224365234375, 2137.21435546875, 2137.378662109375, 2144.819091796875],
        [
            -4.104124069213867,
            -4.112918376922607,
            -4.290675163269043,
            15.999984741210938,
            -4.1095991134643555,
            -4.112871170043945,
            7.507737636566162,
        ],
    ],  # [0.999, 0.955, 1.0]
    ("log-sum-exp", "float64"): [
        [2046.5993728578546, 2047.3223424966538, 2046.5993728578546],
        [-17.964184347101135, 16.00002749663212],
        [11.425825437645091, 15.99141396450964, -7.079857812070677, -6.478931766310438],
    ],  # [0.999, 1.0, 0.994]
    ("log-softmax", "float32"): [
        [11.451909065246582, -4.654291152954102],
        [
            -9.3097505569458,
            -10.242801666259766,
            -6.005421161651611,
            -7.469466686248779,
            2.0181884765625,
        ],
        [1.1545825004577637, 2.1817564964294434, 10.61082649230957, 2.329969882965088],
    ],  # [0.937, 0.997, 0.966]
    ("log-softmax", "float64"): [
        [
            -7.705788201621857,
            1.206574120857796,
            7.246828175882558,
            24.37561386775454,
            1.20657725768814,
        ],
        [-273.0809012317636, 239.01047982728522],
        [120.86035096363514, 56.84956489295245],
    ],  # [0.997, 0.998, 0.984]
}


def division_free(row):
    m = row.max()
    return np.exp(row - (m + np.log(np.exp(row - m).sum())))


def error_of(function, exact, arguments):
    """The largest relative error of a NumPy function over some arguments."""
    largest = 0
    for got, argument in zip(function(arguments).flat, arguments.flat, strict=True):
        right = exact(mpmath.mpf(float(argument)))
        if right:
            largest = max(largest, abs(mpmath.mpf(float(got)) / right - 1))
    return float(largest)


def error_of_functions(kind, row):
    """Epsilon: what the functions that a formula calls are off by, on the way of this row."""
    if kind == "naive":
        return error_of(np.exp, mpmath.exp, row)
    gaps = row - row.max()
    found = [error_of(np.exp, mpmath.exp, gaps)]
    if kind == "division-free":
        total = np.exp(gaps).sum(keepdims=True)
        found.append(error_of(np.log, mpmath.log, total))
        found.append(error_of(np.exp, mpmath.exp, row - (row.max() + np.log(total))))
    elif kind != "shifted":
        found.append(error_of(np.log1p, mpmath.log1p, sum_parts(row)[2]))
    return max(found)


def terms(kind, row, dtype):
    """The bound as the chapter has it: each term by its name, in float64."""
    u, eps, n = float(np.finfo(dtype).eps) / 2, error_of_functions(kind, row), len(row)
    z = row.astype(float)
    (m,), _, (rest,) = sum_parts(z)
    log_sum, s, g = np.log1p(rest), rest / (1 + rest), m - z
    y, mean = m + log_sum, (np.exp(-g) * g).sum() / (1 + rest)
    package = {"mean gap": mean * u, "sum": (n - 2) * s * u, "exp": (s + log_sum) * eps}
    return {
        "naive": {"sum": n * u, "exp": 2 * eps},
        "shifted": {"sum": n * u, "gap": g * u, "mean gap": mean * u, "exp": 2 * eps},
        "division-free": {
            "sum": (n - 1) * u,
            "y": abs(y) * u,
            "y - z": abs(y - z) * u,
            "mean gap": mean * u,
            "exp": (2 + log_sum) * eps,
        },
        "log-sum-exp": package | {"y": abs(y) * u},
        "log-softmax": package | {"gap": g * u, "log p": (g + log_sum) * u},
    }[kind]


def errors(kind, row):
    """Of each probability, relative to itself; or of a logarithm, as it is."""
    exps = [mpmath.exp(mpmath.mpf(float(v)) - float(row.max())) for v in row]
    rest = mpmath.fsum(exps[: row.argmax()] + exps[row.argmax() + 1 :])
    if kind == "log-sum-exp":
        exact = [float(row.max()) + mpmath.log1p(rest)]
        got = [companion.logsumexp(row)]
    elif kind == "log-softmax":
        log_sum = mpmath.log1p(rest)
        exact = [mpmath.mpf(float(v)) - float(row.max()) - log_sum for v in row]
        got = companion.log_softmax(row)
    else:
        exact = [e / (1 + rest) for e in exps]
        got = {"naive": naive.softmax, "shifted": companion.softmax}.get(kind, division_free)(
            row
        )
    far = [abs(mpmath.mpf(float(g)) - e) for g, e in zip(got, exact, strict=True)]
    if not kind.startswith("log"):
        far = [f / e for f, e in zip(far, exact, strict=True)]
    return np.array(far, dtype=float)


def ratio(kind, row, dtype, without=()):
    """The largest error in units of the bound, of which some terms may be left out."""
    row = np.asarray(row, dtype)
    with mpmath.workprec(160):
        found = terms(kind, row, dtype)
        bound = sum(term for name, term in found.items() if name not in without)
        error = errors(kind, row)
        bound = np.broadcast_to(bound, error.shape)
        wrong = error > 0  # a row of one logit has neither error nor bound
        return float(np.max(error[wrong] / bound[wrong], initial=0))


def fits(kind, row, dtype):
    """Within the conditions of the bound."""
    end = ENDS[dtype]
    low, high = (row.min(), row.max())
    inside = high - low < end - np.log(len(row))
    return inside and (kind != "naive" or (-end < low and high < end - np.log(len(row))))


def drawn(rng, kind, dtype):
    """A row: short or long, narrow or wide, near 0 or far from it, with ties or without."""
    n = int(rng.choice([2, 2, 3, 4, 6, 10, np.exp(rng.uniform(0, np.log(LONGEST)))]))
    row = 10 ** rng.uniform(-2, np.log10(ENDS[dtype] / 2)) * rng.uniform(-1, 1, size=n)
    if rng.random() < 0.3:
        row = rng.choice(row, size=n)
    if rng.random() < 0.5:
        row += rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 1.5 if kind == "naive" else 4)
    return row


def mutated(row, rng):
    row, place = row.copy(), rng.integers(len(row))
    move = rng.integers(6)
    if move == 0:
        row[place] *= 1 + rng.normal() * 10 ** rng.uniform(-8, -1)
    elif move == 1:
        row += rng.normal() * 10 ** rng.uniform(-3, 1)
    elif move == 2:
        row = row.mean() + (row - row.mean()) * (1 + 0.1 * rng.normal())
    elif move == 3:
        row[place] = row[rng.integers(len(row))] + rng.normal() * 10 ** rng.uniform(-4, 1)
    elif move == 4 and len(row) < LONGEST:
        row = np.insert(row, place, row[rng.integers(len(row))])
    elif move == 5 and len(row) > 2:
        row = np.delete(row, place)
    return row


def search(kind, dtype, rounds, seed=0, kept=6, without=()):
    """The rows with the largest ratios: ratio and row, the worst first."""
    rng, worst = np.random.default_rng(seed), []
    for _ in range(rounds):
        fresh = len(worst) < kept or rng.random() < 0.3
        row = drawn(rng, kind, dtype) if fresh else mutated(worst[rng.integers(kept)][1], rng)
        row = row.astype(dtype).astype(float)
        if fits(kind, row, dtype):
            worst = [*worst, (ratio(kind, row, dtype, without), row)]
            worst = sorted(worst, key=lambda found: -found[0])[:kept]
    return worst


@every_kind
@every_dtype
def test_no_row_that_a_search_finds_is_beyond_the_bound(kind, dtype):
    for found, row in search(kind, dtype, ROUNDS):
        assert found <= SECOND, (kind, found, row.tolist())


@every_kind
@every_dtype
def test_the_worst_rows_of_longer_searches(kind, dtype):
    for row in WORST[kind, np.dtype(dtype).name]:
        assert fits(kind, np.array(row), dtype)
        assert ratio(kind, row, dtype) <= SECOND


@pytest.mark.parametrize(
    ("kind", "term"),
    [
        ("naive", "sum"),
        ("shifted", "gap"),
        ("division-free", "y"),
        ("division-free", "y - z"),
        ("log-sum-exp", "y"),
        ("log-softmax", "gap"),
        ("log-softmax", "log p"),
    ],
)
@every_dtype
def test_the_search_breaks_a_bound_that_lacks_a_term(kind, term, dtype):
    """Else it would show nothing. (These are the terms that can be the largest of a bound.)"""
    assert search(kind, dtype, 150, without=[term])[0][0] > 1.2


def test_a_bound_without_the_rounding_of_y_is_broken_by_two_logits():
    """The rounding of a log-sum-exp of 1000 is seen in all probabilities of the row."""
    row = [-1000.3, -1000.0]
    assert ratio("division-free", row, np.float64) < 1
    assert ratio("division-free", row, np.float64, ["y"]) > 10


def test_a_sum_with_the_largest_term_is_beyond_the_bound_of_a_sum_without(monkeypatch):
    def plainly(x):
        gaps = x - x.max()
        return gaps - np.log(np.exp(gaps).sum())

    assert ratio("log-softmax", [20.0, 0.0], np.float64) < 1
    monkeypatch.setattr(companion, "log_softmax", plainly)
    assert ratio("log-softmax", [20.0, 0.0], np.float64) > 1000


@every_dtype
def test_exp_and_the_logarithms_are_as_good_as_the_chapter_takes_them_to_be(dtype):
    """On a sample: the chapter's numbers for epsilon are these."""
    rng, u = np.random.default_rng(0), float(np.finfo(dtype).eps) / 2
    most = 2 * ULPS[dtype] * u
    with mpmath.workprec(160):
        gaps = rng.uniform(-ENDS[dtype], 0, 3000).astype(dtype)
        assert error_of(np.exp, mpmath.exp, gaps) <= most
        sums = np.exp(rng.uniform(0, np.log(LONGEST), 3000)).astype(dtype)
        assert error_of(np.log, mpmath.log, sums) <= most
        rests = np.exp(rng.uniform(-80, np.log(LONGEST), 3000)).astype(dtype)
        assert error_of(np.log1p, mpmath.log1p, rests) <= most


@every_dtype
def test_against_the_largest_probability_the_range_of_a_row_costs_nothing(dtype):
    """A gap g counts with g exp(-g) of the largest, up to 1/e; and no underflow is seen."""
    n, u = 10, float(np.finfo(dtype).eps) / 2
    bound = (n + np.exp(-1) + np.log(n)) * u + 2 * 2 * ULPS[dtype] * u
    for R in (1, 10, 100, 1000, 10_000):
        rows = np.random.default_rng(R).uniform(-R, R, size=(50, n)).astype(dtype)
        high, low = exact_rows(probs, rows)
        error = np.abs((companion.softmax(rows).astype(float) - high) - low)
        assert (error <= bound * high.max(axis=1, keepdims=True)).all()


@pytest.mark.parametrize("K", [1000, 5000])
@every_dtype
def test_sums_of_many_equal_terms_keep_to_the_bound_of_halves(dtype, K):
    """One class, and a rest just above half an ulp of it: each addition of it rounds up."""
    u = float(np.finfo(dtype).eps) / 2
    row = np.full(K, np.log(u) + 0.05, dtype)
    row[0] = 0
    # Eight sums in each block of 128, 15 roundings and 3; then halves; then a quotient.
    roundings = 18 + np.ceil(np.log2(K / 128)) + 1
    total = 1 + (K - 1) * np.exp(float(row[1]))
    error = abs(float(companion.softmax(row)[0]) * total - 1)
    assert error <= (roundings + 2 * 2 * ULPS[dtype]) * u
