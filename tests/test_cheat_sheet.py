"""The cheat sheet: each formula, line of code, name and number is read from it and tried.

A formula cannot be run as it is written. It stands here as a key, beside plain loops that a
reader can compare with it; a formula that changes is no longer found.
"""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import companion
from companion.equivalents import keras as our_keras
from companion.equivalents import pytorch as our_torch
from companion.equivalents import tensorflow as our_tf
from companion.frameworks import table
from tools.chapter_rules import NUMBER, _prose_numbers, _rounds_to

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
SHEET = (CHAPTERS / "cheat_sheet.md").read_text(encoding="utf-8")
PACKAGE = {name: getattr(companion, name) for name in companion.__all__} | {"np": np}
CLOSE = {"rtol": 1e-12, "atol": 1e-14}
DIFFERENCED = {"rtol": 1e-6, "atol": 1e-8}


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", SHEET, re.MULTILINE | re.DOTALL)[1]


def rows(title):
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def only(pattern, cell):
    (found,) = re.findall(pattern, cell)
    return found


def an_example(seed):
    """One example in the sheet's letters; moderate, so that the plain formulas hold."""
    rng = np.random.default_rng(seed)
    z, v = rng.normal(scale=2, size=(2, 5))
    given = {"z": z, "v": v, "t": rng.dirichlet(np.ones(5)), "y": int(rng.integers(5))}
    given |= {"T": rng.uniform(0.5, 5)}
    return given | {"p": companion.softmax(z), "J": companion.softmax_jacobian(z)}


# The formulas, in loops.


def lse(z):
    return math.log(sum(math.exp(x) for x in z))


def probs(z, T=1):
    return [math.exp(x / T) / sum(math.exp(x / T) for x in z) for x in z]


def entropy(t, p):
    return -sum(a * math.log(b) for a, b in zip(t, p, strict=True))


def minus(a, b, factor=1):
    return [factor * (x - y) for x, y in zip(a, b, strict=True)]


def one_hot(y, z):
    return [float(k == y) for k in range(len(z))]


def jacobian(p):
    return [[p[i] * (i == j) - p[i] * p[j] for j in range(len(p))] for i in range(len(p))]


def divergence(t, p):
    return entropy(t, p) - entropy(t, t)


def distillation(g):
    return g.T**2 * divergence(probs(g.v, g.T), probs(g.z, g.T))


def product(matrix, vector):
    return [sum(m * x for m, x in zip(row, vector, strict=True)) for row in matrix]


FORMULAS = {
    r"p_i = e^{z_i} / \sum_j e^{z_j}": lambda g: probs(g.z),
    r"\operatorname{lse}(z) = \log \sum_j e^{z_j}": lambda g: lse(g.z),
    r"\log p_i = z_i - \operatorname{lse}(z)": lambda g: [x - lse(g.z) for x in g.z],
    r"-\log p_y = \operatorname{lse}(z) - z_y": lambda g: lse(g.z) - g.z[g.y],
    r"H(t, p) = -\sum_i t_i \log p_i": lambda g: entropy(g.t, probs(g.z)),
    r"H(t) = H(t, t)": lambda g: entropy(g.t, g.t),
    r"\operatorname{KL}(t \Vert p) = H(t, p) - H(t)": lambda g: divergence(g.t, probs(g.z)),
    r"\operatorname{KL}(\operatorname{softmax}(v) \Vert \operatorname{softmax}(z))": (
        lambda g: divergence(probs(g.v), probs(g.z))
    ),
    r"T^2 \operatorname{KL}(\operatorname{softmax}(v/T) \Vert "
    r"\operatorname{softmax}(z/T))": distillation,
    r"J = \operatorname{diag}(p) - p\,p^\top": lambda g: jacobian(probs(g.z)),
    r"p": lambda g: probs(g.z),
    r"p - \operatorname{onehot}(y)": lambda g: minus(probs(g.z), one_hot(g.y, g.z)),
    r"p - t": lambda g: minus(probs(g.z), g.t),
    r"2 J (p - t)": lambda g: product(jacobian(probs(g.z)), minus(probs(g.z), g.t, 2)),
    r"T\,(\operatorname{softmax}(z/T) - \operatorname{softmax}(v/T))": lambda g: minus(
        probs(g.z, g.T), probs(g.v, g.T), g.T
    ),
}
DEFINITIONS, GRADIENTS = rows("Definitions"), rows("Gradients by the logits")
every_row = pytest.mark.parametrize(
    "row", DEFINITIONS + GRADIENTS, ids=lambda row: row[0].replace("$", "")
)
# What each gradient is the gradient of.
OF = {
    "softmax": "softmax(z)",
    "log-sum-exp": "logsumexp(z)",
    "cross-entropy, $y$": "softmax_cross_entropy_with_labels(z, y)",
    "cross-entropy, $t$": "softmax_cross_entropy(z, t)",
    "squared error": "softmax_squared_error(z, t)",
    r"distillation, $\alpha = 1$": "distillation_loss(z, v, y, temperature=T, alpha=1)",
}


@every_row
@pytest.mark.parametrize("seed", range(3))
def test_the_formula_the_plain_line_and_the_package_agree(row, seed):
    _, formula, plain, stable = row
    given = an_example(seed)
    wanted = FORMULAS[only(r"\$(.+?)\$", formula)](SimpleNamespace(**given))
    for line in (only("`(.+?)`", plain), only("`(.+?)`", stable)):
        np.testing.assert_allclose(eval(line, PACKAGE | given), wanted, **CLOSE, err_msg=line)


def test_both_sides_of_the_cross_entropy_of_a_label_are_equal():
    given = SimpleNamespace(**an_example(0))
    left = -math.log(probs(given.z)[given.y])
    assert math.isclose(left, lse(given.z) - given.z[given.y], rel_tol=1e-12)


@pytest.mark.parametrize("row", GRADIENTS, ids=lambda row: row[0].replace("$", ""))
def test_each_gradient_is_that_of_its_function(row):
    given = an_example(0)
    z, call = given["z"], OF[row[0]]
    shape = np.shape(eval(call, PACKAGE | given))
    weights = np.asarray(np.random.default_rng(1).normal(size=shape))

    def weighted(z):
        return np.sum(weights * eval(call, PACKAGE | given | {"z": z}))

    slope = eval(only("`(.+?)`", row[3]), PACKAGE | given)
    slope = weights @ slope if shape else weights * slope
    np.testing.assert_allclose(companion.numerical_gradient(weighted, z), slope, **DIFFERENCED)


def test_distillation_with_a_label_is_a_blend():
    given = an_example(0)
    teacher, label = ("distillation, $\\alpha = 1$", "cross-entropy, $y$")
    for part in (DEFINITIONS, GRADIENTS):
        stable = {row[0]: only("`(.+?)`", row[3]) for row in part}
        blend = eval(stable[teacher].replace("alpha=1", "alpha=0.3"), PACKAGE | given)
        soft, hard = (eval(stable[name], PACKAGE | given) for name in (teacher, label))
        np.testing.assert_allclose(blend, 0.3 * soft + 0.7 * hard, **CLOSE)


def test_without_its_factor_the_gradient_of_distillation_falls_like_one_over_t_squared():
    z, v = an_example(0)["z"], an_example(0)["v"]
    plain = [np.linalg.norm(minus(probs(z, T), probs(v, T), 1 / T)) for T in (1e4, 1e5)]
    assert plain[0] / plain[1] == pytest.approx(100, rel=1e-3)


def test_no_formula_is_left_over():
    used = {only(r"\$(.+?)\$", row[1]) for row in DEFINITIONS + GRADIENTS}
    assert used == set(FORMULAS)


# What to type.


def test_the_lines_to_type_are_right_for_any_logits():
    (block,) = re.findall(r"```python\n(.*?)```", section("What to type"), re.DOTALL)
    z = (
        np.random.default_rng(0).normal(size=(6, 4))
        * np.array([[1, 10, 100, 1e3, 1e4, 1e300]]).T
    )
    z = np.concatenate([z, [[40, 0, 0, -1000], [0, -40, -50, -60]]])  # a sure class, tiny rests
    y = np.array([0, 1, 2, 3, 0, 1, 0, 0])
    given = {"np": np, "z": z, "y": y}
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        exec(block, given)
    assert given["exps"].max() <= 1
    assert given["log_total"].min() >= 0
    assert given["log_total"].max() <= math.log(z.shape[1])
    close = {"rtol": 1e-12}
    np.testing.assert_allclose(given["probs"], companion.softmax(z), **close)
    np.testing.assert_allclose(given["log_probs"], companion.log_softmax(z), **close)
    np.testing.assert_allclose(given["lse"], companion.logsumexp(z), **close)
    losses = companion.softmax_cross_entropy_with_labels(z, y)
    np.testing.assert_allclose(given["losses"], losses, **close)


def numbers(text):
    """The numbers of a cell as they are printed; inf and nan too."""
    return re.findall(rf"-?inf|nan|{NUMBER}", text.replace("−", "-"))


def printed_so(value, text):
    return float(text) == value or (
        math.isnan(value) if text == "nan" else math.isfinite(value) and _rounds_to(value, text)
    )


TYPED = [pair for row in rows("What to type") for pair in (row[:2], row[2:])]


@pytest.mark.parametrize(("line", "gives"), TYPED, ids=[line for line, _ in TYPED])
def test_a_line_gives_what_the_sheet_says(line, gives):
    line, (gives, _, slope) = only("`(.+?)`", line), gives.partition(", and slope ")
    with np.errstate(all="ignore"):
        values = np.ravel(eval(line, PACKAGE))
    shown = numbers(gives)
    assert all(printed_so(v, text) for v, text in zip(values, shown, strict=True))
    if slope:
        z = only(r"softmax\((\[.+?\])", line)
        function = eval(f"lambda z: {line.replace(z, 'z')}", PACKAGE)
        found = companion.numerical_gradient(function, np.array(eval(z), float))[0]
        assert float(slope.replace("−", "-")) == pytest.approx(found, abs=1e-9)


def test_the_limits_of_exp():
    text = section("What to type").rpartition("|")[2]
    overflow, precise = text.split("Below")
    types = (np.float64, np.float32, np.float16)
    named = re.findall(rf"({NUMBER}) in (\w+)", overflow)
    assert [name for _, name in named] == [np.dtype(dtype).name for dtype in types]
    for dtype, (limit, _), low in zip(types, named, numbers(precise), strict=True):
        info = np.finfo(dtype)
        assert _rounds_to(float(np.log(np.longdouble(info.max))), limit)
        assert _rounds_to(float(np.log(np.longdouble(info.tiny))), low)
        with np.errstate(over="ignore"):
            below, above = np.exp(np.array([float(limit) - 0.02, float(limit) + 0.02], dtype))
        assert np.isfinite(below)
        assert np.isinf(above)


# The frameworks. No framework is imported: tests/test_table.py and tests/test_peers.py prove
# that the table and the equivalents are theirs.

LIBRARIES = ("torch", "tensorflow", "keras")
FRAMEWORKS = {
    row[0]: dict(zip(LIBRARIES, row[1:], strict=True)) for row in rows("In the frameworks")
}
NAMES_ON_THE_SHEET = [
    (library, name)
    for cells in FRAMEWORKS.values()
    for library, cell in cells.items()
    for name in re.findall("`(.+?)`", cell)
    if re.match(r"(F|tf|keras|nn)\.", name) or name.endswith("Crossentropy")
]


@pytest.mark.parametrize(("library", "name"), NAMES_ON_THE_SHEET)
def test_each_name_stands_in_the_table_of_equivalents(library, name):
    calls = [row.calls.get(library, "").replace(', dtype="float64"', "") for row in table.ROWS]
    if name.startswith("nn."):
        assert name in (CHAPTERS / "framework_equivalents.ipynb").read_text(encoding="utf-8")
    elif name.endswith(")"):
        assert name in calls
    else:
        assert any(re.match(rf"(keras\.losses\.)?{re.escape(name)}\(", call) for call in calls)


G = SimpleNamespace(**table.inputs())
LOSSES = companion.softmax_cross_entropy_with_labels(G.z, G.y)
DOUBLE = {"dtype": "float64"}
sparse_torch = our_torch.cross_entropy
sparse_tf = our_tf.sparse_softmax_cross_entropy_with_logits
sparse_keras = our_keras.SparseCategoricalCrossentropy


def same(a, b):
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9)


def accepts(f, *kinds):
    """Whether labels of these types are taken."""
    return all(same(f(G.y.astype(kind)), f(G.y)) for kind in kinds)


def refuses(error, f, *kinds):
    for kind in kinds:
        with pytest.raises(error):
            f(G.y.astype(kind))
    return True


def pixels(losses):
    return same(
        losses, companion.softmax_cross_entropy_with_labels(np.moveaxis(G.s, 1, -1), G.m)
    )


# (row, library): what the cell must say, and whether that is so.
CLAIMS = {
    ("It takes", "torch"): ("logits", lambda: same(sparse_torch(G.z, G.y), LOSSES.mean())),
    ("It takes", "tensorflow"): ("logits", lambda: same(sparse_tf(G.y, G.z), LOSSES)),
    ("It takes", "keras"): (
        "probabilities by default",
        lambda: (
            same(sparse_keras(**DOUBLE)(G.y, companion.softmax(G.z)), LOSSES.mean())
            and same(sparse_keras(from_logits=True, **DOUBLE)(G.y, G.z), LOSSES.mean())
        ),
    ),
    ("Labels", "torch"): (
        "int64 or uint8",
        lambda: (
            accepts(lambda y: sparse_torch(G.z, y), "int64", "uint8")
            and refuses(RuntimeError, lambda y: sparse_torch(G.z, y), "int32", "float64")
        ),
    ),
    ("Labels", "tensorflow"): (
        "int32 or int64",
        lambda: (
            accepts(lambda y: sparse_tf(y, G.z), "int32", "int64")
            and refuses(TypeError, lambda y: sparse_tf(y, G.z), "float64")
        ),
    ),
    ("Labels", "keras"): (
        "integers",
        lambda: accepts(
            lambda y: sparse_keras(True, **DOUBLE)(y, G.z), "int8", "int32", "int64"
        ),
    ),
    ("Targets", "torch"): (
        "the same call, with floats",
        lambda: same(sparse_torch(G.z, G.t), companion.softmax_cross_entropy(G.z, G.t).mean()),
    ),
    ("Classes on axis", "torch"): (
        "1",
        lambda: pixels(sparse_torch(G.s, G.m, reduction="none")),
    ),
    ("Classes on axis", "tensorflow"): (
        "−1",
        lambda: pixels(sparse_tf(G.m, np.moveaxis(G.s, 1, -1))),
    ),
    ("Classes on axis", "keras"): (
        "−1",
        lambda: pixels(
            sparse_keras(True, reduction="none", **DOUBLE)(G.m, np.moveaxis(G.s, 1, -1))
        ),
    ),
    ("It returns", "torch"): (
        "the mean, by `weight` if given",
        lambda: (
            same(sparse_torch(G.z, G.y), LOSSES.mean())
            and same(sparse_torch(G.z, G.y, G.w), np.average(LOSSES, weights=G.w[G.y]))
        ),
    ),
    ("It returns", "tensorflow"): (
        "one loss per example",
        lambda: same(sparse_tf(G.y, G.z), LOSSES),
    ),
    ("It returns", "keras"): (
        "the sum divided by N, also with `sample_weight`",
        lambda: same(
            sparse_keras(True, **DOUBLE)(G.y, G.z, sample_weight=G.w[G.y]),
            (G.w[G.y] * LOSSES).sum() / len(LOSSES),
        ),
    ),
}


@pytest.mark.parametrize(("row", "library"), CLAIMS)
def test_what_is_said_of_a_framework_holds(row, library):
    said, holds = CLAIMS[row, library]
    assert FRAMEWORKS[row][library] == said
    assert holds()


def test_nothing_else_is_said_of_the_frameworks():
    """Every cell is a claim above, or consists of names that stand in the table."""
    for row, cells in FRAMEWORKS.items():
        for library, cell in cells.items():
            if (row, library) not in CLAIMS:
                assert re.sub("`.+?`|, or ", "", cell) == "", cell


# Numbers in the text.

WRONG_CALL = np.array([[2.0, -1.0, 0.5]]), np.array([1])
COMPUTED = {
    **{text: math.log(1 + (k - 1) / math.e) for text, k in (("0.5514", 3), ("1.4612", 10))},
    "0.5": companion.softmax([[1.0, 2, 3], [1, 2, 3]], axis=0).max(),
    "16.5236": our_keras.SparseCategoricalCrossentropy()(*WRONG_CALL[::-1]),
    "3.2413": companion.softmax_cross_entropy_with_labels(*WRONG_CALL)[0],
    "-0.9": our_torch.nll_loss(np.array([[0.9, 0.1]]), np.array([0])),
    "0.9": 0.9,
    "5.2239": our_tf.softmax_cross_entropy_with_logits(*WRONG_CALL[::-1])[0],
}


def test_the_numbers_of_the_mistakes():
    found = set(_prose_numbers(section("Five mistakes, and what you see")))
    assert found == set(COMPUTED)
    for text, value in COMPUTED.items():
        assert _rounds_to(float(value), text), text


def test_no_number_stands_elsewhere():
    tested = ("What to type", "Five mistakes, and what you see")
    rest = SHEET
    for title in tested:
        rest = rest.replace(section(title), "")
    assert list(_prose_numbers(rest)) == []


def test_a_second_softmax_keeps_the_loss_above_its_floor():
    rng = np.random.default_rng(0)
    for classes in (3, 10, 1000):
        z = rng.normal(scale=100, size=(50, classes))
        losses = our_torch.cross_entropy(
            companion.softmax(z), z.argmax(axis=1), reduction="none"
        )
        floor = math.log(1 + (classes - 1) / math.e)
        assert losses.min() == pytest.approx(floor, rel=1e-6)
        assert (losses >= floor - 1e-12).all()


def test_there_are_as_many_mistakes_as_the_heading_says():
    assert len(rows("Five mistakes, and what you see")) == 5
