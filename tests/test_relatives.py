"""The relatives of softmax: exact references, the contract at the edges, slopes, and peers."""

import inspect
from fractions import Fraction
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpydoc.docscrape import FunctionDoc
from numpydoc.validate import validate
from test_public_api import NOT_WANTED

import companion as c
from companion import relatives as r

inf, nan = np.inf, np.nan
EPS = np.finfo(float).eps
FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]
NAMES = [
    name
    for name, f in inspect.getmembers(r, inspect.isfunction)
    if f.__module__ == r.__name__ and not name.startswith("_")
]

rng = np.random.default_rng(0)
LABELS, TARGETS = np.array([2, 0]), np.array([[0, 0.25, 0.75], [1, 0, 0]])
MARGINS = {
    "additive_margin": {"margin": 0.3, "scale": 4},
    "additive_angular_margin": {"margin": 0.4, "scale": 4},
    "large_margin": {"margin": 3, "scale": 4},
}


def bound(name, size=2):
    """A function of one array, the first argument; the others fixed."""
    f = getattr(r, name)
    labels, targets = LABELS[:size], TARGETS[:size]
    if name.startswith(tuple(MARGINS)):
        return lambda z: f(z, labels, **MARGINS[name.partition("_loss")[0]])
    if name == "gumbel_softmax":
        return lambda z: f(z, temperature=2, rng=np.random.default_rng(0))
    if name == "smooth_labels":
        return lambda z: f(z, 0.25)
    if name.startswith("info_nce"):
        return lambda z: f(z, targets, temperature=2)
    if "jvp" in name or "max_loss" in name or "max15_loss" in name:
        return lambda z: f(z, targets)
    if name.startswith("focal"):
        return lambda z: f(z, labels, gamma=2)
    return (lambda z: f(z, labels)) if "hinge" in name else f


def flat(result):
    """A result or a tuple of them as one list of arrays."""
    return result if isinstance(result, tuple) else (result,)


OF_LOGITS = {name: bound(name) for name in NAMES}
LOGITS = np.array([[0.5, -0.75, 0.875], [0.625, 0.375, -0.5]])  # cosines, too
every_function = pytest.mark.parametrize("f", OF_LOGITS.values(), ids=OF_LOGITS)
MAPS = {"sparsemax": r.sparsemax, "entmax15": r.entmax15}
every_map = pytest.mark.parametrize("f", MAPS.values(), ids=MAPS)
LOSSES = [n for n in NAMES if n.endswith("_loss")]
every_loss = pytest.mark.parametrize("name", LOSSES)


def gradient_of(name):
    return {"info_nce_loss": "info_nce_grad"}.get(name, f"{name}_grad")


# The house rules.


def test_there_is_a_gradient_of_each_loss():
    assert {gradient_of(name) for name in LOSSES} <= set(NAMES)
    assert len(NAMES) == 22


@pytest.mark.parametrize("name", NAMES)
def test_numpydoc_finds_nothing_to_complain_about(name):
    errors = validate(f"companion.relatives.{name}")["errors"]
    assert [error for error in errors if error[0] not in NOT_WANTED] == []
    for part in ("Parameters", "Returns"):
        for item in FunctionDoc(getattr(r, name))[part]:
            number = item.name in ("temperature", "alpha", "gamma", "margin", "scale", "rng")
            assert number or "shape" in item.type


def test_the_stub_has_the_signatures():
    loader = SourceFileLoader("stub", str(Path(r.__file__).with_suffix(".pyi")))
    stub = module_from_spec(spec_from_loader("stub", loader))
    loader.exec_module(stub)
    found = {
        n for n, f in inspect.getmembers(stub, inspect.isfunction) if f.__module__ == "stub"
    }
    assert found == set(NAMES)
    for name in NAMES:
        stated = inspect.signature(getattr(stub, name)).parameters.values()
        plain = [p.replace(annotation=p.empty) for p in stated]
        assert plain == list(inspect.signature(getattr(r, name)).parameters.values())


# The contract at the edges.


@every_function
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_keep_their_dtype(f, dtype):
    x = LOGITS.astype(dtype)
    before = x.tobytes()
    x.flags.writeable = False
    for result in flat(f(x)):
        assert result.dtype == dtype
    assert x.tobytes() == before


@every_function
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_sixteen_bits_are_rounded_once(f, dtype):
    for low, wide in zip(flat(f(LOGITS.astype(dtype))), flat(f(LOGITS)), strict=True):
        # The logits are exact in both. Half an ulp of rounding, and float32's own error.
        unit = 2.0**-8 if dtype is ml_dtypes.bfloat16 else 2.0**-11
        np.testing.assert_allclose(low.astype(float), wide, rtol=1.01 * unit, atol=1e-6)


@every_function
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8])
def test_integers_and_bools_become_float64(f, dtype):
    x = np.array([[1, 0, 1], [0, 1, 1]])
    if f is OF_LOGITS["additive_angular_margin_loss_grad"]:
        x = 0 * x  # at a cosine of 1 its slope is infinite
    for got, same in zip(flat(f(x.astype(dtype))), flat(f(x.astype(float))), strict=True):
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, same)


LAYOUTS = {
    "list": lambda x: x.tolist(),
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(">f8"),
}


@every_function
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_does_not_matter(f, layout):
    for got, same in zip(flat(f(layout(LOGITS))), flat(f(LOGITS)), strict=True):
        np.testing.assert_array_equal(got, same)
        assert got.dtype == np.float64
        assert got.dtype.isnative


WITH_ROWS = [n for n in NAMES if not n.startswith(("info_nce", "gumbel"))]


@pytest.mark.parametrize("name", WITH_ROWS)
def test_a_row_does_not_notice_the_others(name):
    both = bound(name)(LOGITS)
    np.testing.assert_array_equal(both[:1], bound(name, size=1)(LOGITS[:1]))


@pytest.mark.parametrize("f", [r.sparsemax, r.entmax15])
def test_easy_rows_do_not_go_on_with_the_hard_ones(f):
    z = rng.normal(size=(300, 30)) * np.geomspace(0.01, 10, 300)[:, np.newaxis]
    np.testing.assert_array_equal(f(z), [f(row) for row in z])


OF_LOGITS_ONLY = [n for n in WITH_ROWS if not n.startswith((*MARGINS, "smooth"))]


@pytest.mark.parametrize("name", OF_LOGITS_ONLY)
@pytest.mark.parametrize("row", [[inf, 0, 1], [inf, inf, 0], [-inf] * 3, [nan, 0, 1]])
def test_a_row_without_a_maximum_is_nan(name, row):
    with np.errstate(invalid="ignore"):
        result = bound(name)(np.array([row, LOGITS[1]]))
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], bound(name)(LOGITS)[1])


@every_map
def test_there_is_a_warning_of_it_as_in_softmax(f):
    with pytest.warns(RuntimeWarning, match="invalid value"):
        f([inf, 0])


@pytest.mark.parametrize("name", OF_LOGITS_ONLY)
def test_no_finite_logit_overflows(name):
    z = np.array([[1e308, -1e308, 0], [-1.7e308, 1.7e308, 0]])
    assert not np.isnan(bound(name)(z)).any()  # nor is there a warning: those are errors


@every_function
def test_no_designed_underflow_is_an_error(f):
    for small in (LOGITS, 1e-160 * LOGITS, 1e-306 * LOGITS):
        with np.errstate(all="raise"):
            f(small)


def test_a_class_that_is_ruled_out_costs_nothing_if_the_target_gives_it_nothing():
    for loss in (r.sparsemax_loss, r.entmax15_loss):
        assert loss([0, -inf], [1, 0]) == 0
        assert loss([0, -inf], [0.5, 0.5]) == inf
    assert r.multiclass_hinge_loss([0, -inf], 0) == 0
    assert r.multiclass_hinge_loss([0, -inf], 1) == inf
    np.testing.assert_array_equal(r.multiclass_hinge_loss_grad([0, -inf], 1), [1, -1])
    assert r.focal_loss([0, -inf], 1, gamma=2) == inf
    np.testing.assert_array_equal(r.focal_loss_grad([0, -inf], 1, gamma=2), [1, -1])
    assert r.focal_loss([0, -inf], 0, gamma=0.5) == 0
    np.testing.assert_array_equal(r.focal_loss_grad([0, -inf], 0, gamma=0.5), [0, 0])


@pytest.mark.parametrize("name", ["sparsemax", "entmax15", "sparsemax_jvp", "entmax15_jvp"])
def test_no_classes_and_no_rows(name):
    for shape in ((3, 0), (0, 3)):
        empty = np.zeros(shape)
        f = getattr(r, name)
        assert (f(empty, empty) if "jvp" in name else f(empty)).shape == shape


@every_loss
def test_one_example_gives_a_number_and_one_class_costs_nothing(name):
    if name != "info_nce_loss":
        f = getattr(r, name)
        given = MARGINS.get(name.removesuffix("_loss"), {})
        given = {"gamma": 2} if name == "focal_loss" else given
        truth = [1.0] if "max_" in name or "max15" in name else 0
        assert np.ndim(f([0.5], truth, **given)) == 0
        assert f([0.5], truth, **given) == 0


@every_loss
def test_what_weighs_nothing_is_not_looked_at(name):
    loss, grad = getattr(r, name), getattr(r, gradient_of(name))
    if name == "info_nce_loss":  # keys take part in every loss
        whole = loss(LOGITS, TARGETS, temperature=2)
        part = loss(LOGITS, TARGETS, temperature=2, weights=[3, 0])
        np.testing.assert_allclose(part, [3 * whole[0], 0])
        return
    given = MARGINS.get(name.removesuffix("_loss"), {})
    given = {"gamma": 2} if name == "focal_loss" else given
    soft = "max_" in name or "max15" in name
    truth, spoilt = (TARGETS, [TARGETS[0], [nan] * 3]) if soft else (LABELS, [LABELS[0], -100])
    z = np.array([LOGITS[0], [nan] * 3])
    for f in (loss, grad):
        plain = f(LOGITS, truth, **given)[0]
        weighed = f(z, spoilt, weights=[2.5, 0], **given)
        np.testing.assert_allclose(weighed[0], 2.5 * plain, rtol=4 * EPS)
        assert not np.any(weighed[1])
        kept = f(z, spoilt, weights=np.array([True, False]), **given)
        np.testing.assert_array_equal(kept[0], plain)


# Values: exact, by other ways.


def exact_sparsemax(z):
    """By trying every size of the support, in fractions."""
    z = [Fraction(float(x)) for x in z]
    order = sorted(z, reverse=True)
    for size in range(len(z), 0, -1):
        tau = (sum(order[:size]) - 1) / size
        if order[size - 1] > tau:
            return [max(x - tau, Fraction(0)) for x in z], tau
    raise AssertionError


def exact_entmax(z):
    """By bisection, with 60 digits."""
    with mpmath.workdps(60):
        z = [mpmath.mpf(float(x)) / 2 for x in z]
        low, high = max(z) - 1, max(z)
        for _ in range(200):
            tau = (low + high) / 2
            total = sum(max(x - tau, 0) ** 2 for x in z)
            low, high = (tau, high) if total > 1 else (low, tau)
        return [max(x - tau, 0) ** 2 for x in z], tau


EXACT = {"sparsemax": exact_sparsemax, "entmax15": exact_entmax}
ROWS = [
    [0.0],
    [0.0, 0.0, 0.0],  # ties
    [1.0, 0.0],  # the edge of the support of sparsemax
    [2.0, 0.0],  # and of entmax15
    [1.0, 1e-9, -1e-9],
    [1e16, 1e16 + 2, 0.0],
    list(np.linspace(-3, 3, 40)),
    list(-np.geomspace(1e-12, 1, 60)),  # Newton takes the classes away one by one
    list(-np.sqrt(np.linspace(0, 1, 1001))),
    *(list(s * rng.normal(size=n)) for s in (1e-3, 0.3, 1, 10) for n in (2, 5, 30)),
]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_the_maps_are_exact(name, row):
    want, _ = EXACT[name](row)
    got = MAPS[name](row)
    # Gaps are rounded to half an ulp of what they are, at most 2; a few such errors.
    np.testing.assert_allclose(got, np.array(want, float), rtol=0, atol=8 * EPS)
    assert (got == 0).sum() == sum(w < 1e-17 for w in map(float, want))
    single = MAPS[name](np.float32(row))
    want, _ = EXACT[name](np.float32(row))
    np.testing.assert_allclose(single, np.array(want, float), rtol=0, atol=1e-6)


@every_map
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_classes(f, dtype):
    p = f(np.zeros(1_000_000, dtype))
    np.testing.assert_allclose(p, 1e-6, rtol=64 * np.finfo(dtype).eps)
    wide = f(rng.normal(size=100_000).astype(dtype) * dtype(0.01))
    assert abs(wide.sum(dtype=float) - 1) < 100 * np.finfo(dtype).eps


def exact_loss(name, z, t):
    """max over q of (q·z - omega(q)), plus omega(t), less t·z, with 60 digits."""
    p, _ = EXACT[name](z)
    with mpmath.workdps(60):
        z, t = ([mpmath.mpf(float(x)) for x in row] for row in (z, t))
        p = [mpmath.mpf(x.numerator) / x.denominator if name == "sparsemax" else x for x in p]

        def omega(q):
            if name == "sparsemax":
                return sum(x * x for x in q) / 2
            return sum(x ** mpmath.mpf(1.5) - x for x in q) * 4 / 3

        value = sum(a * b for a, b in zip(p, z, strict=True)) - omega(p) + omega(t)
        return value - sum(a * b for a, b in zip(t, z, strict=True))


@pytest.mark.parametrize("name", MAPS)
def test_the_losses_are_fenchel_and_youngs(name):
    loss = getattr(r, f"{name}_loss")
    for size, scale in ((2, 1), (3, 0.1), (5, 1), (5, 30)):
        for kind in range(4):
            z = scale * rng.normal(size=size)
            t = rng.dirichlet(np.ones(size)) if kind % 2 else np.eye(size)[kind % size]
            t = t / t.sum()
            want = exact_loss(name, z, t)
            # t sums to 1 but for rounding, which the definition multiplies by the logits
            slack = 8 * EPS * (1 + np.abs(z).max())
            assert abs(loss(z, t) - float(want)) <= slack


def test_the_losses_are_zero_from_their_margin_on_and_keep_small_values():
    assert r.sparsemax_loss([1.0, 0.0], [1, 0]) == 0
    assert r.entmax15_loss([2.0, 0.0], [1, 0]) == 0
    np.testing.assert_allclose(r.sparsemax_loss([1 - 1e-9, 0.0], [1, 0]), 2.5e-19, rtol=1e-6)
    want = exact_loss("entmax15", [2 - 2**-20, 0.0], [1, 0])
    np.testing.assert_allclose(
        r.entmax15_loss([2 - 2**-20, 0.0], [1, 0]), float(want), rtol=1e-6
    )


def test_focal_loss_keeps_its_digits():
    for gap in (0.0, 1.0, 40.0, -40.0, 700.0, -1000.0):
        for gamma in (0.0, 0.5, 1.0, 2.0, 5.0):
            with mpmath.workdps(700):
                p = 1 / (1 + mpmath.exp(-mpmath.mpf(gap)))
                want = -((1 - p) ** gamma) * mpmath.log(p)
                f = (1 - p) ** gamma * (1 - gamma * p * mpmath.log(p) / (1 - p))
                slope = f * (p - 1)
            got = r.focal_loss([gap, 0.0], 0, gamma=gamma)
            np.testing.assert_allclose(got, float(want), rtol=1e-13, atol=1e-300)
            got = r.focal_loss_grad([gap, 0.0], 0, gamma=gamma)
            np.testing.assert_allclose(
                got, [float(slope), -float(slope)], rtol=1e-13, atol=1e-300
            )


def test_gamma_of_nothing_and_alpha_of_nothing_are_cross_entropy():
    np.testing.assert_array_equal(
        r.focal_loss(LOGITS, LABELS, gamma=0),
        c.softmax_cross_entropy_with_labels(LOGITS, LABELS),
    )
    np.testing.assert_array_equal(
        r.focal_loss_grad(LOGITS, LABELS, gamma=0),
        c.softmax_cross_entropy_with_labels_grad(LOGITS, LABELS),
    )
    np.testing.assert_array_equal(r.smooth_labels(TARGETS, 0), TARGETS)
    np.testing.assert_allclose(r.smooth_labels(TARGETS, 1), 1 / 3)


@pytest.mark.parametrize("name", MARGINS)
def test_without_a_margin_it_is_cross_entropy_of_scaled_cosines(name):
    none = {"margin": 1 if name == "large_margin" else 0, "scale": 4}
    for f, plain in (
        (f"{name}_loss", c.softmax_cross_entropy_with_labels(4 * LOGITS, LABELS)),
        (
            f"{name}_loss_grad",
            4 * c.softmax_cross_entropy_with_labels_grad(4 * LOGITS, LABELS),
        ),
    ):
        np.testing.assert_allclose(
            getattr(r, f)(LOGITS, LABELS, **none), plain, rtol=1e-13, atol=1e-15
        )


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_the_multiplied_angle_falls_and_is_continuous(m):
    angles = np.linspace(0, np.pi, 2001)
    value, slope = r._multiplied_angle(np.cos(angles), m)
    assert (np.diff(value) < 1e-12).all()
    assert np.abs(np.diff(value)).max() < 1.1 * m * np.pi / 2000
    assert value[0] == 1
    np.testing.assert_allclose(value[-1], 1 - 2 * m, atol=1e-12)
    assert (slope >= 0).all()
    assert slope.max() <= m**2 * (1 + 1e-12)
    np.testing.assert_allclose(slope[[0, -1]], m**2, rtol=1e-12)
    k = np.minimum(np.floor(m * angles / np.pi), m - 1)
    np.testing.assert_allclose(value, (-1) ** k * np.cos(m * angles) - 2 * k, atol=1e-6)


@pytest.mark.parametrize("name", MARGINS)
def test_a_margin_makes_the_loss_larger(name):
    cosines = rng.uniform(-1, 1, (500, 6))
    labels = rng.integers(6, size=500)
    given = MARGINS[name]
    if name == "additive_angular_margin":  # past pi - margin / 2 it is smaller
        cosines = np.maximum(cosines, -np.cos(given["margin"] / 2))
    plain = c.softmax_cross_entropy_with_labels(4 * cosines, labels)
    assert (getattr(r, f"{name}_loss")(cosines, labels, **given) >= plain - 1e-12).all()


def test_past_pi_less_the_margin_the_angle_is_made_larger():
    cosines = np.cos([[np.pi - 0.2, np.pi / 2]])
    slope = r.additive_angular_margin_loss_grad(cosines, [0], margin=0.4, scale=4)
    assert slope[0, 0] > 0


def test_at_a_cosine_of_one_the_slope_by_it_is_infinite():
    slope = r.additive_angular_margin_loss_grad([[1.0, 0.0]], [0], margin=0.4, scale=4)
    assert slope[0, 0] == -inf


def test_cosines_that_rounding_has_put_above_one_are_taken():
    for f in (r.additive_margin_loss, r.additive_angular_margin_loss):
        given = {"margin": 0.4, "scale": 4}
        np.testing.assert_array_equal(
            f([1 + 2 * EPS, 0.5], 0, **given), f([1.0, 0.5], 0, **given)
        )


@pytest.mark.parametrize(
    ("dtype", "taken", "refused"),
    [("float64", 1 + 9e-6, 1.009), ("float32", 1 + 9e-6, 1.009), ("float16", 1.009, 1.02)],
)
def test_what_rounding_cannot_have_done_is_refused(dtype, taken, refused):
    given = {"margin": 0.3, "scale": 10}
    r.additive_margin_loss(np.array([taken, 0.5], dtype), 0, **given)
    with pytest.raises(ValueError, match=r"cosines must lie in -1\.\.1"):
        r.additive_margin_loss(np.array([refused, 0.5], dtype), 0, **given)


def test_gumbel_softmax_takes_the_largest_as_often_as_softmax_says():
    z, count = np.array([1.0, 0.0, -1.0, -inf]), 200_000
    for T in (0.1, 1.0, 10.0):
        samples = r.gumbel_softmax(np.tile(z, (count, 1)), temperature=T, rng=rng)
        np.testing.assert_allclose(samples.sum(axis=-1), 1, rtol=1e-14)
        assert (samples[:, 3] == 0).all()
        share = np.bincount(samples.argmax(axis=-1), minlength=4) / count
        p = c.softmax(z)
        # five standard errors of a share
        assert (np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count)).all()


def test_gumbel_softmax_at_tiny_and_huge_temperatures():
    draw = partial(r.gumbel_softmax, np.zeros((50, 4)))
    assert set(np.unique(draw(temperature=1e-310, rng=rng))) == {0, 1}
    np.testing.assert_allclose(draw(temperature=1e300, rng=rng), 0.25)


def test_info_nce_is_cross_entropy_of_a_batch():
    a, b = rng.normal(size=(2, 6, 4))
    want = c.softmax_cross_entropy_with_labels(a @ b.T / 0.3, np.arange(6))
    np.testing.assert_array_equal(r.info_nce_loss(a, b, temperature=0.3), want)
    same = np.ones((7, 4))
    np.testing.assert_allclose(r.info_nce_loss(same, same, temperature=1), np.log(7))


def test_at_its_kinks_the_hinge_has_the_gradient_that_is_promised():
    assert r.multiclass_hinge_loss_grad([1.0, 0.0], 0).tolist() == [0, 0]
    assert r.multiclass_hinge_loss_grad([0.0, 2.0, 2.0], 0).tolist() == [-1, 1, 0]
    assert not np.signbit(r.multiclass_hinge_loss_grad([1.0, 0.0], 0)).any()


def test_the_hinge_by_its_definition():
    z, y = 2 * rng.normal(size=(50, 5)), rng.integers(5, size=50)
    for row, label, loss in zip(z, y, r.multiclass_hinge_loss(z, y), strict=True):
        rivals = np.delete(row, label)
        np.testing.assert_allclose(loss, max(0, 1 + rivals.max() - row[label]), rtol=1e-14)


# Slopes.


def test_gradients_are_slopes():
    z, y = rng.uniform(-0.9, 0.9, (4, 5)), rng.integers(5, size=4)
    t, w = rng.dirichlet(np.ones(5), size=4), rng.normal(size=4)
    for name in LOSSES:
        given = MARGINS.get(name.removesuffix("_loss"), {})
        given = {"gamma": 1.5} if name == "focal_loss" else given
        given = {"temperature": 0.7} if name == "info_nce_loss" else given
        truth = y if name not in ("sparsemax_loss", "entmax15_loss", "info_nce_loss") else t
        f = partial(getattr(r, name), **given)
        grad = getattr(r, gradient_of(name))(z, truth, weights=w, **given)
        measured = c.numerical_gradient(lambda x, f=f, t=truth: w @ f(x, t), z)
        np.testing.assert_allclose(flat(grad)[0], measured, atol=1e-8, err_msg=name)
        if name == "info_nce_loss":
            measured = c.numerical_gradient(lambda x, f=f: w @ f(z, x), t)
            np.testing.assert_allclose(grad[1], measured, atol=1e-8)


@pytest.mark.parametrize("name", MAPS)
def test_products_with_the_jacobian(name):
    f, jvp = MAPS[name], getattr(r, f"{name}_jvp")
    z, v = rng.normal(size=(2, 6, 5))
    measured = (f(z + 1e-6 * v) - f(z - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(jvp(z, v), measured, atol=1e-8)
    J = jvp(np.tile(z[0], (5, 1)), np.eye(5))
    np.testing.assert_allclose(J, J.T, atol=1e-15)
    np.testing.assert_allclose(J.sum(axis=0), 0, atol=1e-15)
    same = np.full_like(z, 1e8 / 3)  # a shift of all logits moves nothing
    assert np.abs(jvp(z, same)).max() < 1e-12
    assert not jvp([9.0, 0.0, 1.0], [1.0, 2.0, 3.0]).any()  # all of it on one class


def test_the_jacobians_are_one_formula():
    """s * (v - sum(s v) / sum(s)) with s = p ** (2 - alpha), also for softmax, alpha = 1."""
    z, v = rng.normal(size=(2, 6, 5))
    for alpha, f, jvp in (
        (1, c.softmax, c.softmax_jvp),
        (1.5, r.entmax15, r.entmax15_jvp),
        (2, r.sparsemax, r.sparsemax_jvp),
    ):
        p = f(z)
        s = np.where(p > 0, np.where(p > 0, p, 1) ** (2 - alpha), 0)
        mean = (s * v).sum(axis=-1, keepdims=True) / s.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(jvp(z, v), s * (v - mean), atol=1e-14)


# Properties.

logit = st.floats(-1e3, 1e3)
batches = arrays(
    float, array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5), elements=logit
)


@given(batches, st.floats(-1e3, 1e3))
def test_maps_sum_to_one_keep_the_order_and_do_not_see_a_shift(z, b):
    for f, reach in ((r.sparsemax, 1), (r.entmax15, 2)):
        p = f(z)
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=8 * z.shape[-1] * EPS)
        order = np.argsort(z, axis=-1)
        assert (np.diff(np.take_along_axis(p, order, -1), axis=-1) >= -4 * EPS).all()
        np.testing.assert_allclose(f(z + b), p, atol=1e-12)
        far = z <= z.max(axis=-1, keepdims=True) - reach
        assert not p[far].any()
        np.testing.assert_array_equal(
            f(z.reshape(-1, z.shape[-1])).reshape(z.shape), p
        )  # a batch is a stack of rows


@given(batches, st.integers(0, 4))
def test_losses_are_not_negative_and_convex_along_a_line(z, k):
    t = np.zeros_like(z)
    t[..., k % z.shape[-1]] = 1
    labels = np.full(z.shape[:-1], k % z.shape[-1])
    for f, truth in (
        (r.sparsemax_loss, t),
        (r.entmax15_loss, t),
        (r.multiclass_hinge_loss, labels),
    ):
        ends = f(z, truth), f(np.zeros_like(z), truth)
        assert (ends[0] >= 0).all()
        slack = 1e-12 * (1 + np.abs(z).max())
        assert (f(z / 2, truth) <= (ends[0] + ends[1]) / 2 + slack).all()


# Errors.

Z = np.zeros((2, 3))
CASES = {
    "one number": (lambda: r.sparsemax(3.0), "an axis of classes is needed"),
    "strings": (lambda: r.entmax15(["a"]), "must be real numbers"),
    "targets": (lambda: r.sparsemax_loss(Z, [0, 1]), "targets must have the shape of logits"),
    "tangents": (lambda: r.entmax15_jvp(Z, [0, 1]), "tangents must have the shape of logits"),
    "label": (lambda: r.focal_loss(Z, [0, -1], gamma=2), "labels must lie in 0..2"),
    "hinge": (lambda: r.multiclass_hinge_loss(Z, [0, 3]), "labels must lie in 0..2"),
    "gamma": (
        lambda: r.focal_loss(Z, [0, 1], gamma=-1),
        "gamma must be at least 0 and finite; got -1.",
    ),
    "gamma, nan": (lambda: r.focal_loss(Z, [0, 1], gamma=nan), "got nan."),
    "gammas": (lambda: r.focal_loss(Z, [0, 1], gamma=[1, 2]), "gamma must be one number"),
    "alpha": (lambda: r.smooth_labels(Z, 1.5), "alpha must be in 0..1; got 1.5."),
    "temperature": (
        lambda: r.gumbel_softmax(Z, temperature=0, rng=rng),
        "temperature must be above 0 and finite; got 0.",
    ),
    "batch": (
        lambda: r.info_nce_loss([1.0], [1.0], temperature=1),
        "queries and keys must have shape (N, D); got (1,).",
    ),
    "keys": (lambda: r.info_nce_loss(Z, Z.T, temperature=1), "keys must have the shape"),
    "logits for cosines": (
        lambda: r.additive_margin_loss([[5.0, 1.0]], [0], margin=0.3, scale=10),
        "cosines must lie in -1..1; got 5.0 at position (0, 0). "
        "Divide features and class vectors by their lengths.",
    ),
    "half an angle": (
        lambda: r.large_margin_loss(Z, [0, 1], margin=2.5, scale=10),
        "margin must be an integer; got 2.5.",
    ),
    "no angle": (
        lambda: r.large_margin_loss(Z, [0, 1], margin=0, scale=10),
        "margin must be at least 1; got 0.",
    ),
    "degrees": (
        lambda: r.additive_angular_margin_loss(Z, [0, 1], margin=30, scale=10),
        "margin must be in 0..3.142; got 30.",
    ),
    "scale": (
        lambda: r.additive_margin_loss(Z, [0, 1], margin=0.3, scale=0),
        "scale must be above 0 and finite; got 0.",
    ),
}


@pytest.mark.parametrize(("call", "words"), CASES.values(), ids=CASES)
def test_errors_are_in_words(call, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert words in str(caught.value)


# Peers.


def test_optax_agrees():
    optax = pytest.importorskip("optax")
    z, y = 2 * rng.normal(size=(20, 5)), rng.integers(5, size=20)
    given = {"rtol": 1e-5, "atol": 1e-6}  # it computes in float32
    for ours, theirs in (
        (
            r.sparsemax_loss(z, c.one_hot(y, 5)),
            optax.losses.multiclass_sparsemax_loss(np.float32(z), y),
        ),
        (r.multiclass_hinge_loss(z, y), optax.losses.multiclass_hinge_loss(np.float32(z), y)),
        (
            r.smooth_labels(c.one_hot(y, 5), 0.1),
            optax.losses.smooth_labels(np.float32(c.one_hot(y, 5)), 0.1),
        ),
    ):
        np.testing.assert_allclose(ours, theirs, **given)
    two = np.stack([z[:, 0], np.zeros(20)], axis=-1)
    focal = optax.losses.sigmoid_focal_loss(np.float32(z[:, 0]), np.ones(20, np.float32))
    np.testing.assert_allclose(r.focal_loss(two, np.zeros(20, int), gamma=2), focal, **given)


@pytest.mark.frameworks
def test_keras_agrees():
    keras = pytest.importorskip("keras")
    z, y = np.float32(2 * rng.normal(size=(20, 5))), rng.integers(5, size=20)
    given = {"rtol": 1e-5, "atol": 1e-6}
    theirs = keras.ops.convert_to_numpy(keras.ops.sparsemax(z))
    alone = (r.sparsemax(z) > 0).sum(axis=-1) == 1
    assert 0 < alone.sum() < 20
    np.testing.assert_allclose(r.sparsemax(z)[alone], theirs[alone], **given)
    # Where more than one class is left 3.15.1 takes the sum of all cumulative sums for the
    # threshold, and rows do not sum to 1: its issue 23425, mended after that version.
    right = np.allclose(theirs.sum(axis=-1), 1)
    assert right == (keras.__version__ != "3.15.1")
    if right:
        np.testing.assert_allclose(r.sparsemax(z), theirs, **given)
    focal = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=2.0, from_logits=True, reduction=None
    )
    theirs = keras.ops.convert_to_numpy(focal(np.float32(c.one_hot(y, 5)), z))
    np.testing.assert_allclose(r.focal_loss(z, y, gamma=2), theirs, **given)


@pytest.mark.frameworks
def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    z, y = 2 * rng.normal(size=(20, 5)), rng.integers(5, size=20)
    smoothed = F.cross_entropy(
        torch.tensor(z), torch.tensor(y), label_smoothing=0.1, reduction="none"
    )
    ours = c.softmax_cross_entropy(z, r.smooth_labels(c.one_hot(y, 5), 0.1))
    np.testing.assert_allclose(ours, smoothed.numpy(), rtol=1e-12)
    # Its hinge sums over the wrong classes and divides by their number plus 1. With two
    # classes that is half of the Crammer-Singer loss.
    half = F.multi_margin_loss(torch.tensor(z[:, :2]), torch.tensor(y % 2), reduction="none")
    np.testing.assert_allclose(r.multiclass_hinge_loss(z[:, :2], y % 2) / 2, half, rtol=1e-12)
    # Its noise is its own; the law of the samples is compared by their mean and spread.
    torch.manual_seed(0)
    rows = np.tile(z[0], (100_000, 1))
    theirs = F.gumbel_softmax(torch.tensor(rows), tau=0.7).numpy()
    ours = r.gumbel_softmax(rows, temperature=0.7, rng=rng)
    error = 5 * np.hypot(ours.std(axis=0), theirs.std(axis=0)) / np.sqrt(len(rows))
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < error).all()
