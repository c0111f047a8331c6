"""Every row of the table of equivalents: same values, same gradients, and a wrong row is seen.

Tolerances. Values: float64, a few roundings of sums over four classes; in 16 bits, of float16,
which is right to three digits. Gradients: those by differences are right to about ten digits,
and the weights make them up to a hundred times larger; those by differentiation must agree as
values do.

Every word that the table has about odd input, and about compilers and automatic casts, is what
the library does when it is run here. torch.compile needs a C++ compiler.
"""

import numpy as np
import pytest

from companion.frameworks import _calls, table

CLOSE = {"rtol": 1e-12, "atol": 1e-13}
IN_16_BITS = {"rtol": 4e-3, "atol": 4e-3}
DIFFERENCED = {"rtol": 1e-6, "atol": 1e-7}
DIFFERENTIATED = {"rtol": 1e-11, "atol": 1e-12}
SLOPES_IN_16_BITS = {"rtol": 1e-2, "atol": 2e-2}
EACH = [(row, library) for row in table.ROWS for library in row.calls if library != "numpy"]
each_call = pytest.mark.parametrize(
    ("row", "library"), EACH, ids=[f"{row.name}, {library}" for row, library in EACH]
)
SAID = [(row, odd) for row in table.ROWS for odd in row.differs]
each_difference = pytest.mark.parametrize(
    ("row", "odd"), SAID, ids=[f"{row.name}, {odd.given}" for row, odd in SAID]
)
RUN = [(mode, inside) for mode in table.MODES for inside in mode.calls]
each_call_in_a_mode = pytest.mark.parametrize(
    ("mode", "inside"), RUN, ids=[f"{mode.name}, {i.call}, {i.given}" for mode, i in RUN]
)
# Calls made wrong in one place each: another axis, argument, weight, reduction or sign.
WRONG = {
    "dim=-1": "dim=0",
    "axis=-1": "axis=0",
    "axis=1": "axis=-1",
    "dim=1": "dim=-1",
    "[-1]": "[0]",
    "softmax(z)": "softmax(2 * z)",
    "softmax(v)": "softmax(2 * v)",
    "softmax(v,": "softmax(2 * v,",
    "z / 2": "z / 3",
    '("Softmax", z)': '("Softmax", 2 * z)',
    '("LogSoftmax", z)': '("LogSoftmax", 2 * z)',
    "~k": "k",
    "mask=k": "mask=~k",
    "where=k": "where=~k",
    "(k, z": "(~k, z",
    '"Where", k, z': '"Where", ~k, z',
    "one_hot(y, 4)": "one_hot(y, 5)",
    "classes=[0, 1, 2, 3]": "classes=[1, 0, 2, 3]",
    '"OneHot", y, 4': '"OneHot", y, 5',
    "(labels=y, logits=z)": "(labels=y, logits=-z)",
    "(labels=t, logits=z": "(labels=t, logits=-z",
    "(labels=b, logits=z": "(labels=1 - b, logits=z",
    "(y, z": "(y, -z",
    '", z, y': '", -z, y',
    "(z, y": "(2 * z, y",
    "(t, z": "(t, 2 * z",
    "(z, t": "(2 * z, t",
    "(s, m": "(2 * s, m",
    "(m, ": "((m + 1) % 4, ",
    ", s, m": ", s, (m + 1) % 4",
    "(y, p": "(y, 2 * p - p.mean()",
    "(p.log(), y": "(p.log() / 2, y",
    "xlogy(np.eye(4)[y], p)": "xlogy(np.eye(4)[y - 1], p)",
    "log(p)": "log(p * p)",
    "gather(p, y": "gather(p * p, y",
    "take_along_axis(p, y": "take_along_axis(p * p, y",
    "entr(p)": "entr(p / 2)",
    "xlogy(p, p)": "xlogy(p, 2 * p)",
    "sum(p * ops": "sum(2 * p * ops",
    "(b, z": "(1 - b, z",
    "(z, b": "(z, 1 - b",
    "log_expit(z)": "log_expit(2 * z)",
    "@ e": "@ e.flip(0)",
    "(e, tf": "(e[::-1], tf",
    "sample_weight=e": "sample_weight=e[::-1]",
    "weights=e": "weights=e[::-1]",
    "e * ": "e[1] * ",
    "weight=w": "weight=1 / w",
    "w * ": "w / 2 * ",
    "w[y]": "(1 / w)[y]",
    "y, w)": "y, 1 / w)",
    "z, w * t": "z, t / w",
    "tf.gather(w, y),": "tf.gather(1 / w, y),",
    "ops.take(w, y)": "ops.take(1 / w, y)",
    "(w - 1)": "(w - 2)",
    "ignore_index=1": "ignore_index=2",
    "ignore_class=1": "ignore_class=2",
    "y != 1": "y != 2",
    "0.1": "0.2",
    "from_logits=True": "from_logits=False",
    "gamma=2": "gamma=3",
    "** 2": "** 3",
    "alpha=1.0": "alpha=0.25",
    "scale_by_half=False": "scale_by_half=True",
    "k=2": "k=3",
    "topk(2)": "topk(3)",
    "top_k(z, 2)": "top_k(z, 3)",
    "z / 5": "z / 4",
    "(h, W, y)": "(2 * h, W, y)",
    "sampled_values=(c,": "sampled_values=(c[::-1] - c + 3,",
    "tf.ones(2, W.dtype)": "2 * tf.ones(2, W.dtype)",
    '"head.weight": A': '"head.weight": 2 * A',
    '"Exp", ': '"Sqrt", ',
    "exp(": "sqrt(",
    ".exp()": ".sqrt()",
}


def apart(row, edge):
    """The libraries of which the row says that they part from the package at an edge."""
    said = [odd.says for odd in row.differs if odd.given == edge and not odd.slope]
    return [name for says in said for name in says if says[name] != says.get("numpy")]


def wide(given):
    """16-bit floats as float64."""
    half = np.float16
    return {name: a.astype(float) if a.dtype == half else a for name, a in given.items()}


def slope_of(row, library, given):
    """A gradient. Differences are taken in float64."""
    if library not in _calls.DIFFERENTIATE:
        given = wide(given)
    return table.slope(library, row.calls[library], given, row.slope_in)


def faults(row, library, call):
    """What is wrong with a call, compared with the package's."""
    given = table.inputs()
    wanted = table.value("numpy", row.calls["numpy"], given)
    try:
        got = table.value(library, call, given)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    if got.shape != wanted.shape or not np.allclose(got, wanted, **CLOSE):
        return [f"value {got}, not {wanted}"]
    if row.slope_in is None:
        return []
    wanted = table.slope("numpy", row.calls["numpy"], given, row.slope_in)
    got = table.slope(library, call, given, row.slope_in)
    return [] if np.allclose(got, wanted, **DIFFERENCED) else [f"gradient {got}, not {wanted}"]


@each_call
@pytest.mark.usefixtures("tensorflow")
def test_every_call_gives_the_value_and_the_gradient_of_the_package(row, library):
    assert faults(row, library, row.calls[library]) == []


@each_call
@pytest.mark.parametrize("edge", table.edges())
@pytest.mark.usefixtures("tensorflow")
def test_every_call_gives_the_value_of_the_package_at_the_edges(row, library, edge):
    given = table.edges()[edge]
    with np.errstate(all="ignore"):
        wanted = table.value("numpy", row.calls["numpy"], wide(given))
        got = table.value(library, row.calls[library], given)
    close = IN_16_BITS if edge == table.HALF else CLOSE
    same = np.shape(got) == np.shape(wanted) and np.allclose(got, wanted, **close)
    assert same or library in apart(row, edge), (got, wanted)


@each_call
@pytest.mark.parametrize("edge", table.edges())
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
def test_every_call_gives_the_gradient_of_its_peers_at_the_edges(row, library, edge):
    if row.slope_in is None or library in apart(row, edge):
        return
    given = table.edges()[edge]
    peers = [name for name in row.calls if name in _calls.DIFFERENTIATE and name != library]
    peers = [name for name in peers if name not in apart(row, edge)] or ["numpy"]
    with np.errstate(all="ignore"):
        wanted = slope_of(row, peers[0], wide(given))
        if any(odd.slope and parts(odd, library, peers[0], given) for odd in row.differs):
            return
        got = slope_of(row, library, given)
    finite = np.isfinite(wanted) & np.isfinite(got)
    np.testing.assert_allclose(
        got[finite], wanted[finite], **slope_tolerance((library, peers[0]), edge)
    )
    assert finite.all() or "perplexity" in row.name or "entropy of p" in row.name


def parts(odd, library, peer, given):
    """Whether a row says that a library's slope is another's at this very input."""
    same = all(np.array_equal(given[name], array) for name, array in odd.inputs.items())
    return same and odd.says.get(library) != odd.says.get(peer)


def slope_tolerance(libraries, edge):
    if edge == table.HALF:
        return SLOPES_IN_16_BITS
    return DIFFERENTIATED if set(libraries) <= set(_calls.DIFFERENTIATE) else DIFFERENCED


@each_call
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
def test_a_call_made_wrong_is_seen(row, library):
    call = row.calls[library]
    wrong = [call.replace(old, new) for old, new in WRONG.items() if old in call]
    assert wrong
    with np.errstate(all="ignore"):
        assert [call for call in wrong if faults(row, library, call) == []] == []


@each_difference
@pytest.mark.usefixtures("tensorflow")
def test_what_a_row_says_of_odd_input_is_what_happens(row, odd):
    assert [name for name in odd.says if not table.happens(row, odd, name)] == []


@each_difference
@pytest.mark.usefixtures("tensorflow")
def test_other_words_about_odd_input_are_seen(row, odd):
    """Each word is tried on the libraries of which another is said."""
    words = set(odd.says.values())
    assert len(words) > 1
    assert set(odd.says) <= set(row.calls)
    for name, word in odd.says.items():
        other = sorted(words - {word})[0]
        says = odd.says | {name: other}
        wrong = table.Difference(odd.given, says, odd.inputs, odd.slope)
        assert not table.happens(row, wrong, name)


@each_call_in_a_mode
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.filterwarnings("ignore")
def test_what_is_said_of_a_mode_is_what_happens(mode, inside):
    assert table.in_mode(mode, inside) == (inside.outside, inside.inside)


def test_float64_of_jax_does_not_leak():
    import jax.numpy as jnp

    table.value("optax", "jax.nn.softmax(z)", table.inputs())
    table.slope("optax", "jax.nn.softmax(z)", table.inputs(), "z")
    assert jnp.asarray(np.zeros(2)).dtype == np.float32


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", [row.name for row in table.ROWS if row.slope_in])
def test_frameworks_agree_on_the_gradient_to_all_digits(name):
    (row,) = (row for row in table.ROWS if row.name == name)
    slopes = [
        table.slope(library, call, table.inputs(), row.slope_in)
        for library, call in row.calls.items()
        if library in _calls.DIFFERENTIATE
    ]
    for other in slopes[1:]:
        np.testing.assert_allclose(other, slopes[0], **DIFFERENTIATED)


@pytest.mark.usefixtures("tensorflow")
def test_sparsemax_of_keras_is_left_out_for_being_wrong():
    """Once this fails, Keras is right, and the row gets its call."""
    rows = table.value("keras", "ops.sparsemax(z)", {"z": np.array([[0.0, 0.5, 1.0]])})
    assert rows.tolist() == [[0, 0, 0.25]]


def test_the_table_is_wide_enough():
    assert len(table.ROWS) >= 34
    least = {"sklearn": 6, "onnx": 12}
    for library in table.LIBRARIES:
        assert sum(library in row.calls for row in table.ROWS) >= least.get(library, 12)
    assert len({row.name for row in table.ROWS}) == len(table.ROWS)
    assert set(table.SHOWN) == set(table.LIBRARIES) == set(table.TITLES)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("library", table.LIBRARIES)
def test_a_call_runs_after_the_imports_that_stand_over_it(library):
    names, given = {}, table.inputs()
    exec("\n".join(table.imports(library)), names)
    with _calls.in_double(library):
        names |= _calls.tensors(library, given)
        for call in (row.calls[library] for row in table.ROWS if library in row.calls):
            got = _calls.as_float64(eval(call, names))
            np.testing.assert_array_equal(got, table.value(library, call, given))
