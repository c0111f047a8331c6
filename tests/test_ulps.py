"""Promised ulps, for the worst rows that a search finds, not for a sample.

Rows have up to 100,000 entries and at most three different values, the largest 0. So exact
results take two exponentials, whatever the length, and every gap to the largest is exact: what
is left is the error of the functions themselves. (Elsewhere a gap g is off by half an ulp, and
its exponential by g / 4 to g of them, in every library that subtracts the largest.)

A search keeps the rows with the largest errors so far and mutates them. `ULPS_ROUNDS` in the
environment sets how many rows it tries, for each module and dtype: `ULPS_ROUNDS=20000 pytest
tests/test_ulps.py` takes the time of a lunch. WORST has what such runs found.

The unit is the ulp of the exact value. For what is a sum over classes the smallest number of
the type is added to it for each class: an exponential below the smallest normal number is off
by half of that or more, and a sum of nothing else keeps the error.
"""

import os

import mpmath
import numpy as np
import pytest

import companion
from companion.one_pass import compiled, fast

ROUNDS = int(os.environ.get("ULPS_ROUNDS", "600"))
LONGEST = 100_000
# Bounds in ulps. "entries" are those of softmax, and of the gradient where the label is not;
# "logs" are logsumexp, log_softmax, the loss, and the gradient at the label.
BOUND = {companion: {"entries": 23, "logs": 18}, compiled: {"entries": 10, "logs": 9}}
# The worst rows found: number of classes, of entries 0 and of entries `a`; `a`, and `b` of all
# the rest; the order (0: as written, -1: backwards, else the seed of a permutation).
WORST = {
    "float32": [
        (65536, 1, 646, -16.69192385212069, -16.60850365190187, 0),
        (8654, 1, 3, -5.337413479654263, -17.862652918940288, 0),
        (8497, 1, 3, -5.337413479654263, -17.862502212402898, 0),
        (509, 1, 192, -0.4002295009148004, -8.592515291969663, 0),
        (503, 1, 3, -14.393317903621163, -22.68307175040164, 0),
        (127, 2, 11, -20.44094993051657, -0.9485051205524387, 0),
        (15916, 1, 3, -5.323903349285426, -18.102070010254018, 0),
        (100_000, 1, 0, 0.0, -16.7, 0),
    ],
    "float64": [
        (34238, 2, 7, -11.303030328074657, -29.52969715607055, 0),
        (34420, 1, 6, -15.082572147490847, -29.53050662120372, 0),
        (49224, 1, 4, -0.2578333257375667, -31.873307614098856, 371003),
        (65348, 1, 1, -0.6908065954263117, -31.87311623072402, 525296),
        (1249, 1, 3, -28.34300566233301, -36.63489691816743, 339348),
        (46869, 1, 5, -0.26075860477335755, -31.770475133117575, 0),
        (37625, 1, 21, -50.64486325035987, -36.89950729806908, -1),
        (100_000, 1, 0, 0.0, -36.8, 0),
    ],
}

every_module = pytest.mark.parametrize("module", BOUND, ids=lambda m: m.__name__)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def row_of(case, dtype):
    """A row, its three values, and how often each is there."""
    K, zeros, some, a, b, order = case
    zeros = min(max(1, zeros), K)
    some = min(max(0, some), K - zeros)
    values, counts = np.array([0, a, b], dtype), [zeros, some, K - zeros - some]
    row = np.repeat(values, counts)
    if order > 0:
        row = np.random.default_rng(order).permutation(row)
    return (row[::-1].copy() if order < 0 else row), values, counts


def exact_of(values, counts):
    """For a label of each value: its probability, log-probability, and probability less 1.

    And the log of the whole sum. No difference of nearly equal numbers is taken.
    """
    with mpmath.workdps(40):
        exps = [mpmath.exp(mpmath.mpf(float(v))) for v in values]
        parts = [n * e for n, e in zip(counts, exps, strict=True)]
        total, rest = mpmath.fsum(parts), mpmath.fsum([counts[0] - 1, *parts[1:]])
        whole = mpmath.log1p(rest)
        without = [
            mpmath.fsum([*parts[:k], parts[k] - exps[k], *parts[k + 1 :]]) for k in range(3)
        ]
        return (
            [e / total for e in exps],
            [mpmath.mpf(float(v)) - whole for v in values],
            [-other / total for other in without],
            whole,
        )


def distance(got, exact, dtype, classes):
    """The largest error among `got`, in ulps of the one exact value."""
    unit = np.spacing(np.abs(dtype(float(exact)))).astype(float)
    unit += classes * float(np.finfo(dtype).smallest_subnormal)
    with mpmath.workdps(40):
        far = [abs(mpmath.mpf(float(g)) - exact) for g in (np.min(got), np.max(got))]
        return float(max(far) / mpmath.mpf(float(unit)))


def errors(module, case, dtype):
    """Largest errors of all functions on one row."""
    row, values, counts = row_of(case, dtype)
    probs, logs, less_one, whole = exact_of(values, counts)
    softmax, log_softmax = module.softmax(row), module.log_softmax(row)
    entry, log = [], [distance(module.logsumexp(row), whole, dtype, len(row))]
    for k in np.flatnonzero(counts):
        (places,) = np.nonzero(row == values[k])
        loss, slopes = module.softmax_cross_entropy_with_labels_and_grad(row, places[0])
        entry.append(distance(softmax[places], probs[k], dtype, 0))
        if len(places) > 1:
            entry.append(distance(slopes[places[1:]], probs[k], dtype, 0))
        log.append(distance(log_softmax[places], logs[k], dtype, len(row)))
        log.append(distance(loss, -logs[k], dtype, len(row)))
        log.append(distance(slopes[places[0]], less_one[k], dtype, len(row)))
    return {"entries": max(entry), "logs": max(log)}


def drawn(rng, dtype):
    """A row of a family: one large and many small, near-ties, subnormal sums, and between."""
    K = int(10 ** rng.uniform(0.3, np.log10(LONGEST)))
    u, least = (
        np.log(np.finfo(dtype).eps / 2),
        np.log(float(np.finfo(dtype).smallest_subnormal)),
    )

    def gap():
        return rng.choice(
            [
                u + rng.normal(),
                u - np.log(K) * rng.random(),
                u * rng.random(),
                -rng.random(),
                -(10 ** rng.uniform(-16, 0)),
                least * rng.uniform(0.8, 1.01),
            ]
        )

    zeros = 1 if rng.random() < 0.8 else int(K ** rng.random())
    some = int(rng.choice([0, rng.integers(1, 8), K ** rng.random()]))
    order = int(rng.choice([-1, 0, rng.integers(1, 10**6)]))
    return (K, zeros, some, gap(), gap(), order)


def mutated(case, rng):
    case, place = list(case), rng.integers(6)
    if place < 3:
        case[place] = int(case[place] * np.exp(0.3 * rng.normal())) + int(rng.integers(-2, 3))
    elif place < 5:
        case[place] *= 1 + rng.normal() * 10 ** rng.uniform(-5, -0.5)
    else:
        case[place] = int(rng.choice([-1, 0, rng.integers(1, 10**6)]))
    case[0] = min(max(case[0], 2), LONGEST)
    case[3:5] = [min(gap, 0.0) for gap in case[3:5]]
    return tuple(case)


def search(module, dtype, rounds, seed=0):
    """The worst of each kind: how many ulps, and the row."""
    rng, worst = np.random.default_rng(seed), {}
    for _ in range(rounds):
        known = list(worst.values())
        fresh = not known or rng.random() < 0.4
        case = drawn(rng, dtype) if fresh else mutated(known[rng.integers(len(known))][1], rng)
        for kind, error in errors(module, case, dtype).items():
            worst[kind] = max(worst.get(kind, (-1, case)), (error, case))
    return worst


@pytest.fixture(autouse=True)
def blocks_of_any_size(monkeypatch):
    monkeypatch.setattr(compiled, "SMALL", 0)
    monkeypatch.setattr(fast, "SMALL", 0)


@every_module
@every_dtype
def test_no_row_that_a_search_finds_is_beyond_the_bound(module, dtype):
    for kind, (error, case) in search(module, dtype, ROUNDS).items():
        assert error <= BOUND[module][kind], (kind, error, case)


@every_module
@every_dtype
def test_the_worst_rows_of_longer_searches(module, dtype):
    for case in WORST[np.dtype(dtype).name]:
        for kind, error in errors(module, case, dtype).items():
            assert error <= BOUND[module][kind], (kind, error, case)


@every_dtype
def test_the_worst_rows_are_bad_ones(dtype):
    """Else the test above would show nothing: a plain sum is far beyond the bounds."""

    class Plainly:
        softmax = staticmethod(lambda x: np.exp(x) / np.cumsum(np.exp(x))[-1])
        log_softmax = staticmethod(lambda x: np.log(Plainly.softmax(x)))
        logsumexp = staticmethod(lambda x: np.log(np.cumsum(np.exp(x))[-1]))

        @staticmethod
        def softmax_cross_entropy_with_labels_and_grad(x, label):
            slopes = Plainly.softmax(x)
            slopes[label] -= 1
            return -Plainly.log_softmax(x)[label], slopes

    worst = [errors(Plainly, case, dtype) for case in WORST[np.dtype(dtype).name]]
    assert max(each["entries"] for each in worst) > 100
    assert max(each["logs"] for each in worst) > 100


@every_dtype
def test_fast_is_the_core_on_the_worst_rows(dtype):
    for case in WORST[np.dtype(dtype).name]:
        row, _, _ = row_of(case, dtype)
        for name in ("softmax", "log_softmax", "logsumexp"):
            got, wanted = (getattr(module, name)(row) for module in (fast, companion))
            np.testing.assert_array_equal(got, wanted)
