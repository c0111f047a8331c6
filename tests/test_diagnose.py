"""`companion.diagnose` as a function: it reads anything, raises nothing, changes nothing."""

import re
import subprocess
import sys
import types

import nbformat
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
import torch
from book import ROOT
from diagnose_cases import SICK, sick
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from companion import log_softmax, one_hot, softmax, softmax_cross_entropy_with_labels
from companion.diagnose import Diagnosis, Finding, _losses, _rows, diagnose
from companion.diagnose.__main__ import main
from companion.diagnose._kinds import KINDS, found

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 40)
LOGITS = RNG.normal(size=(40, 5)) + 3 * np.eye(5)[LABELS]
LOSS = softmax_cross_entropy_with_labels(LOGITS, LABELS).mean()

NUMBERS = st.one_of(
    st.floats(-5, 5),
    st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, -100.0, 1e308, -1e308, 2.0**60]),
)
ARRAYS = hnp.arrays(
    dtype=st.sampled_from(["f2", "f4", "f8", ">f8", "i8", "u1", "?", "c16", "O", "U3"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements=None,
    fill=None,
)
NORMAL = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), elements=NUMBERS
)
ANYTHING = st.one_of(
    ARRAYS,
    NORMAL,
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-5, 5)).map(softmax),
    NORMAL.map(np.ndarray.tolist),
    hnp.arrays(np.int64, hnp.array_shapes(max_dims=4, max_side=4), elements=st.integers(-2, 5)),
    st.sampled_from([None, "logits", 3, object(), {}, {1: 2}, [[1], [2, 3]], [], set(), len]),
)


@settings(max_examples=600, deadline=None)
@given(ANYTHING, ANYTHING, st.one_of(ANYTHING, NUMBERS), st.integers(-5, 5))
def test_nothing_is_raised_and_nothing_changed(outputs, labels, loss, axis):
    given = (outputs, labels, loss)
    before = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
    found = diagnose(outputs, labels, loss=loss, axis=axis)
    assert str(found)
    assert found._repr_html_()
    assert found.healthy == (not found.kinds)
    for old, new in zip(before, given, strict=True):
        if isinstance(new, np.ndarray):
            assert new.tobytes() == old.tobytes()


@settings(max_examples=300, deadline=None)
@given(NORMAL, st.data())
def test_nothing_is_raised_where_shapes_go_together(logits, data):
    classes = logits.shape[-1]
    shape = logits.shape[:-1]
    indices = st.integers(-1, classes)
    labels = data.draw(hnp.arrays(np.int64, shape, elements=indices) if shape else indices)
    loss = data.draw(st.one_of(NUMBERS, hnp.arrays(np.float64, shape, elements=NUMBERS)))
    assert str(diagnose(logits, labels, loss=loss))


def test_the_errors_of_numpy_stay_as_they_were():
    with np.errstate(all="raise"):
        diagnose([[1e308, -1e308], [0, 1]], [0, 1], loss=np.nan)
        diagnose(LOGITS * 1e5, LABELS, loss=27.631)
        assert np.geterr()["over"] == "raise"


class Odd:
    """What says that it converts, and does not."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        (None, "not numbers"),
        ("logits", "not numbers"),
        ([["a", "b"]], "not numbers"),
        ([[1 + 2j, 0]], "not numbers"),
        ([[1, 2], [3]], "ragged"),
        (np.zeros((0, 3)), "empty"),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), "unreadable"),
        (Odd(), "unreadable"),
        (3.0, "axis"),
        ([[1], [2]], "one class"),
    ],
)
def test_what_is_no_array_of_logits_is_said(outputs, kind):
    assert diagnose(outputs).kinds == [kind]


def test_an_axis_that_is_not_there_is_said_and_no_axis_is_an_error():
    assert diagnose(LOGITS, axis=2).kinds == ["axis"]
    with pytest.raises(TypeError, match="axis"):
        diagnose(LOGITS, axis=None)


@pytest.mark.parametrize(
    "convert",
    [
        torch.tensor,
        lambda x: torch.tensor(x, requires_grad=True),
        lambda x: torch.tensor(x, dtype=torch.float32).to_sparse(),
        lambda x: torch.tensor(x).to_sparse_csr(),
        lambda x: torch.tensor(x, dtype=torch.bfloat16),
        tf.constant,
        tf.Variable,
        lambda x: tf.cast(x, tf.bfloat16),
        scipy.sparse.csr_matrix,
        scipy.sparse.coo_array,
        np.ndarray.tolist,
        lambda x: x.astype(object),
        lambda x: x.astype(">f4"),
        np.asfortranarray,
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_whatever_converts_is_read(convert):
    assert diagnose(convert(LOGITS), LABELS).healthy
    assert diagnose(convert(softmax(LOGITS)), LABELS).kinds == ["softmax twice"]


def test_a_gradient_stays_where_it_was():
    logits = torch.tensor(LOGITS, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    assert diagnose(logits, torch.tensor(LABELS), loss=loss).healthy
    assert logits.grad is None
    loss.backward()
    assert logits.grad is not None


@pytest.mark.parametrize("shape", [(40, 5), (5, 40), (2, 5, 20), (2, 20, 5)])
def test_axis_says_where_the_classes_are(shape):
    axis = shape.index(5)
    logits = RNG.normal(size=shape)
    labels = RNG.integers(0, 5, shape[:axis] + shape[axis + 1 :])
    last = np.moveaxis(logits, axis, -1)
    loss = softmax_cross_entropy_with_labels(last, labels)
    for printed in (loss, loss.mean()):
        for name in (axis, axis - len(shape)):
            assert diagnose(logits, labels, loss=printed, axis=name).healthy
        assert diagnose(logits, labels, loss=printed * 40, axis=axis).kinds in ([], ["sum"])


@pytest.mark.parametrize("ignored", [0, 7])
@pytest.mark.parametrize(("loss", "most"), [(None, 1), (LOSS, 1), (LOSS * 1.234, 2)])
def test_the_outputs_are_read_twice_at_most(monkeypatch, loss, most, ignored):
    read = []

    def counting(logits, *others):
        for start, z, *cut in _rows_blocks(logits, *others):
            read.append(len(z))
            yield start, z, *cut

    _rows_blocks = _rows.blocks
    monkeypatch.setattr(_rows, "blocks", counting)
    monkeypatch.setattr(_losses, "blocks", counting)
    labels = np.where(np.arange(40) < ignored, -100, LABELS)
    kept = softmax_cross_entropy_with_labels(LOGITS[ignored:], LABELS[ignored:]).mean()
    diagnose(LOGITS, labels, loss=kept if loss == LOSS else loss)
    assert 0 < sum(read) <= most * len(LOGITS)


def test_blocks_give_what_one_block_gives(monkeypatch):
    whole = [diagnose(LOGITS, LABELS, loss=k * LOSS) for k in (1, 1 / 5, 40)]
    monkeypatch.setattr(_rows, "BLOCK", 15)
    for k, expected in zip((1, 1 / 5, 40), whole, strict=True):
        found = diagnose(LOGITS, LABELS, loss=k * LOSS)
        assert found.kinds == expected.kinds
        assert str(found) == str(expected)


def test_a_typed_number_counts_with_its_digits_and_a_computed_one_with_all():
    assert diagnose(LOGITS, LABELS, loss=float(f"{LOSS:.4g}")).healthy
    assert diagnose(LOGITS, LABELS, loss=float(f"{40 * LOSS:.4g}")).kinds == ["sum"]
    assert diagnose(LOGITS, LABELS, loss=np.float64(f"{40 * LOSS:.4g}") + 0.01).healthy


def wrong_axis(z, y, axis):
    logs = log_softmax(z, axis=axis)
    return -np.take_along_axis(logs, y[..., np.newaxis], axis=-1).mean()


Z, Y = RNG.normal(size=(64, 10)), RNG.integers(0, 10, 64)
L = softmax_cross_entropy_with_labels(Z, Y).mean()
P, T = softmax(Z), one_hot(Y, 10)
Z3, Y3 = 2 * RNG.normal(size=(8, 6, 5)), RNG.integers(0, 5, (8, 6))
PADDED = np.where(np.arange(64) < 20, -100, Y)
KEPT = softmax_cross_entropy_with_labels(Z[20:], Y[20:])
SURE = softmax(3 * LOGITS)
# What an attacker brought: outputs, labels, loss, what must be said, what must not.
BROUGHT = {
    "nan without labels": (Z, None, np.nan, {"nan loss"}, set()),
    "nan without labels, large logits": (Z * 1e3, None, np.nan, {"no shift"}, set()),
    "a negative loss without labels": (Z, None, -3.2, {"negative"}, set()),
    "an infinite loss of a probability of 0": (
        [[0.5, 0.5, 0], [0.2, 0.3, 0.5]], [2, 1], np.inf, {"log of softmax"}, set(),
    ),
    "the same, per example": (
        [[0.5, 0.5, 0], [0.2, 0.3, 0.5]], [2, 1], [np.inf, 1.204], {"log of softmax"}, set(),
    ),
    "nan per image": (Z3, Y3, np.full(8, np.nan), {"nan loss"}, set()),
    "a dead model that ends in softmax": (
        np.full((64, 10), 0.1), Y, np.log(10), {"nothing learnt"}, {"softmax twice"},
    ),
    "softmax over axis 0 of three": (Z3, Y3, wrong_axis(Z3, Y3, 0), {"other axis"}, set()),
    "softmax over axis 1 of three": (Z3, Y3, wrong_axis(Z3, Y3, 1), {"other axis"}, set()),
    "lists, computed in float32": (
        [[100.0, 0, 0], [0, 1, 2]], [0, 1], np.nan, {"no shift"}, set(),
    ),
    "logits far below 0": (
        (Z * 10 - 200).astype("f4"), Y, np.nan, {"no shift"}, {"nan loss"},
    ),
    "binary cross-entropy of a softmax": (
        P, Y, -(T * np.log(P) + (1 - T) * np.log1p(-P)).mean(), {"sigmoid"}, set(),
    ),
    "several classes at once": (
        Z, M := (RNG.random((64, 10)) < 0.3) * 1.0,
        (np.logaddexp(0, Z) - Z * M).mean(), set(), {"unnormalised targets"},
    ),
    "a mean over ignored labels, too": (
        Z, PADDED, KEPT.sum() / 64, {"ignored label"}, set(),
    ),
    "a sum of losses of probabilities": (P, Y, 64 * L, {"sum"}, {"softmax twice"}),
    "bits of probabilities": (P, Y, L / np.log(2), {"bits"}, {"softmax twice"}),
    "log-probabilities over the examples": (
        A := log_softmax(Z, axis=0), Y, -A[np.arange(64), Y].mean(),
        {"other axis"}, {"nll of logits"},
    ),
    "probabilities over the examples": (
        softmax(Z, axis=0), Y, -A[np.arange(64), Y].mean(),
        {"other axis"}, {"logits as probabilities"},
    ),
    "a loss of NumPy that was rounded": (
        Z, Y, np.float64(round(float(64 * L), 2)), {"sum"}, set(),
    ),
    "one nan among many": (
        Z, Y, np.where(np.arange(64) == 3, np.nan, 1.0), {"nan loss"}, set(),
    ),
    "a label on a class masked with -1e9": (
        np.where(np.arange(10) == Y[0], -1e9, Z), Y, None, {"masked target"}, set(),
    ),
    "one output, with its sigmoid's loss": (
        Z[:, :1], Y % 2, 0.69, set(), {"one class"},
    ),
    "labels of -1 and 1": (Z[:, :2], 2 * (Y % 2) - 1, None, {"out of range"}, {"off by one"}),
    "the axis forgotten in diagnose": (
        np.moveaxis(Z3, -1, 1), Y3,
        softmax_cross_entropy_with_labels(Z3, Y3).mean(), set(), {"class axis"},
    ),
    "a rare class that is not in this batch": (
        np.c_[np.full(5000, 9.0), RNG.normal(size=5000)], np.zeros(5000, int), None,
        set(), {"missing class"},
    ),
    "probabilities, and a loss with weights": (
        P, Y, (np.where(Y == 3, 3, 1) * -np.log(P[np.arange(64), Y])).mean(),
        set(), {"softmax twice"},
    ),
    "probabilities, and a loss with a penalty": (P, Y, L + 0.05, set(), {"softmax twice"}),
    "probabilities, and a clip": (
        SURE, (LABELS + 1) % 5,
        -np.log(np.clip(SURE[np.arange(40), (LABELS + 1) % 5], 1e-3, 1)).mean(),
        set(), {"softmax twice"},
    ),
    "a loss below the floor, and no labels": (P, None, 0.2, set(), {"softmax twice"}),
    "sigmoids with their loss": (
        S := 1 / (1 + np.exp(-Z)), M, -(M * np.log(S) + (1 - M) * np.log1p(-S)).mean(),
        set(), {"unnormalised targets"},
    ),
    "large logits, which a shift does not save": (
        [[800.0, -400], [3, 1]], np.eye(2), np.nan, {"no shift", "0 log 0"}, set(),
    ),
    "logits of 0 and 1, with weights": (
        [[1.0, 0]] * 4, [0, 0, 0, 1], 1.0633, set(), {"0 log 0", "nan loss"},
    ),
    "one-hot labels of another number of classes": (
        LOGITS, np.eye(7)[LABELS], None, {"class count"}, set(),
    ),
    "clipped losses among others": (
        [[60.0, 0], [0, 1]], [1, 0], [27.6310211, 5.0], {"clip"}, set(),
    ),
    "a ceiling as the loss of the batch": (
        [[60.0, 0], [0, 1]], [1, 0], 27.631, {"clip"}, set(),
    ),
    "a mask, and rows of targets": (
        np.where(np.arange(10) == 2, -np.inf, Z), one_hot(np.where(Y == 2, 3, Y), 10), np.nan,
        {"0 log 0"}, set(),
    ),
    "each label with each example": (Z, Y, np.ones((64, 64)), {"column labels"}, set()),
    "the default mean of kl_div": (
        Z, Q := softmax(Z[::-1]), (Q * (np.log(Q) - log_softmax(Z))).mean(),
        {"divided by classes"}, set(),
    ),
    "a logarithm of p + 1e-7": ([[40.0, 0]], [0], -1.1920929e-07, {"negative"}, set()),
    "labels that were made flat": (
        Z3, Y3.ravel(), None, {"shapes"}, set(),
    ),
    "a loss of another shape": (Z, Y, np.ones((3, 4)), {"shapes"}, set()),
    "a sum over pixels, a mean over images": (
        Z3, Y3, softmax_cross_entropy_with_labels(Z3, Y3).sum() / 8, {"sum"}, set(),
    ),
    "minus infinity": (Z, Y, -np.inf, {"infinite loss"}, set()),
    "a ceiling that nothing reaches": (Z, Y, 16.118, set(), {"clip"}),
}  # fmt: skip


@pytest.mark.parametrize("name", BROUGHT)
def test_what_an_attacker_brought_is_told_and_nothing_false(name):
    outputs, labels, loss, told, false = BROUGHT[name]
    kinds = set(diagnose(outputs, labels, loss=loss).kinds)
    assert told <= kinds
    assert not false & kinds


# What outputs and labels of no case bring.
ODD = [3.0, None, [[1], [2, 3]], np.zeros((0, 2)), Odd()]


def test_every_sentence_is_said_of_some_case():
    """A sentence that nothing brings about would be dead, or false unseen."""
    cases = [sick(kind, seed) for kind in SICK for seed in range(30)]
    found = [diagnose(c.outputs, c.labels, loss=c.loss, axis=c.axis) for c in cases]
    found += [diagnose(z, y, loss=loss) for z, y, loss, *_ in BROUGHT.values()]
    found += [diagnose(outputs) for outputs in ODD] + [diagnose(*given) for given in TOLD]
    said = {finding.evidence for findings in found for finding in findings}
    assert [s[:2] for s in sentences() if not any(map(pattern_of(s[2]).fullmatch, said))] == []


def pattern_of(template):
    """What matches a template with anything in its braces."""
    parts = re.split(r"\{[^}]*\}", template)
    return re.compile(".*".join(map(re.escape, parts)), re.IGNORECASE | re.DOTALL)


def evidence(*given, **named):
    return " ".join(f.evidence + " " + f.mend for f in diagnose(*given, **named))


# Outputs and labels that are told of in a sentence of their own.
TOLD = [
    (Z, np.where(np.c_[Y == 3], 0.0, T)),
    (Z, Z),
    (Z, Y + 0.5),
    (Z, np.where(Y == 3, np.nan, Y)),
    (Z, np.where(T == 1, np.nan, T)),
    (np.full((2, 3), np.nan),),
    (Y, Z),
    (Z[:, 0], Y % 2),
    (LOGITS, LABELS + 1),
    (np.r_[SURE, np.zeros((1, 5))],),
]


def test_sentences_hold_of_what_they_are_said_of():
    masked = np.where(np.arange(10) == 2, -np.inf, Z).astype("f4")
    rows = one_hot(np.where(Y == 2, 3, Y), 10)
    assert "Give class indices" in evidence(masked, rows, loss=np.nan)
    assert "Leave these examples out" in evidence(Z, np.where(np.c_[Y == 3], 0.0, T))
    assert "take their softmax first" in evidence(Z, Z)
    one_nan = np.where(np.arange(64) == 3, np.nan, 1.0)
    assert "the first that of example 3" in evidence(Z, Y, loss=one_nan)
    assert "stored as floats" in evidence(Z, Y * 1.0)
    assert "not whole, as" in evidence(Z, Y + 0.5)
    assert {"sum", "float labels"} == set(diagnose(Z, Y * 1.0, loss=64 * L).kinds)
    assert "(64,)" in evidence(Z, Y[np.newaxis])
    assert "nan throughout" in evidence(np.full((2, 3), np.nan))
    assert "Give the outputs first" in evidence(Y, Z)
    assert "exp leaves bfloat16 at 88.7" in evidence(
        torch.tensor(Z * 200, dtype=torch.bfloat16), Y, loss=np.nan
    )


def test_what_is_surest_is_told_first():
    unsure, sure = (found("bits", s, loss=3.0, right=2.0) for s in ("possible", "certain"))
    assert list(Diagnosis((unsure, sure), "")) == [sure, unsure]
    assert Diagnosis((unsure, sure), "")[0] is sure
    assert len(Diagnosis((), "")) == 0
    assert Diagnosis((), "")


def test_a_finding_is_escaped_in_html():
    finding = Finding("a", "likely", "<script>", "p < q", "b")
    html = Diagnosis((finding,), "x")._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def headings():
    """ "Chapter: Section" for every section of every chapter."""
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        cells = nbformat.read(path, 4).cells
        titles = [
            (len(marks), title)
            for cell in cells
            if cell.cell_type == "markdown"
            for marks, title in re.findall(r"^(#{1,3}) (.*)", cell.source, re.M)
        ]
        yield from (f"{titles[0][1]}: {title}" for level, title in titles if level > 1)


def test_every_kind_leads_to_a_section_that_is_there():
    known = set(headings())
    assert len(known) > 80
    assert {kind.see for kind in KINDS.values()} <= known


def sentences():
    for name, kind in KINDS.items():
        yield from ((name, variant, text) for variant, text in kind.evidence.items())


@pytest.mark.parametrize(("name", "variant", "text"), list(sentences()))
def test_every_sentence_can_be_filled_in(name, variant, text):
    fields = set(re.findall(r"\{(\w+)", text + KINDS[name].mend_of(variant)))
    finding = found(name, "likely", variant, **dict.fromkeys(fields, 2))
    assert finding.evidence[0].isupper() or not finding.evidence[0].isalpha()
    assert finding.evidence.endswith(".")
    assert finding.mend.endswith(".")
    assert "{" not in finding.evidence + finding.mend


def test_counts_have_their_noun():
    values = {"total": 100, "rows": 1, "examples": 10}
    assert "in 1 of 10 examples" in found("nan outputs", "certain", count=3, **values).evidence
    assert found("all masked", "certain", count=1).evidence.startswith("1 row of")
    assert found("all masked", "certain", count=2000).evidence.startswith("2,000 rows of")


def write(path, rows):
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "logits.npy", LOGITS)
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "probs.npy", softmax(LOGITS))
    np.savez(tmp_path / "both.npz", logits=LOGITS, labels=LABELS)
    np.savez(tmp_path / "other.npz", a=LOGITS, b=LABELS)
    np.savetxt(tmp_path / "logits.csv", LOGITS, delimiter=",", header="a,b,c,d,e", comments="")
    np.savetxt(tmp_path / "logits.txt", LOGITS)
    np.savetxt(tmp_path / "labels.csv", LABELS, fmt="%d", header="label", comments="")
    np.savez(tmp_path / "named.npz", logits=LOGITS, y_true=LABELS, loss=40 * LOSS)
    np.savez(tmp_path / "left_over.npz", logits=LOGITS, labels=LABELS, weights=LABELS)
    rows = [[f"{cell:.6f}" for cell in row] for row in LOGITS]
    write(tmp_path / "numbered.csv", [list("01234"), *rows])
    indexed = [[str(number), *row] for number, row in enumerate(rows)]
    write(tmp_path / "pandas.csv", [["", *"01234"], *indexed])
    excel = [";".join(row).replace(".", ",") for row in rows]
    (tmp_path / "excel.csv").write_text("\n".join(excel), encoding="utf-8")
    (tmp_path / "aligned.txt").write_text(
        "\n".join("   ".join(row) for row in rows), encoding="utf-8"
    )
    (tmp_path / "missing.csv").write_text("NA,1\n2,3\n", encoding="utf-8")
    (tmp_path / "header.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "words.csv").write_text("cat,dog\ncat,dog\n", encoding="utf-8")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "broken.npy").write_bytes(b"not an array")
    (tmp_path / "model.pt").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("logits.npy", 0, "Nothing looks wrong"),
        ("logits.npy labels.npy", 0, "float64, labels."),
        (f"logits.npy labels.npy --loss {LOSS}", 0, "labels, loss."),
        (f"logits.npy labels.npy --loss {40 * LOSS:.5f}", 1, "sum (certain)"),
        ("probs.npy labels.npy", 1, "softmax twice (likely)"),
        ("probs.npy", 1, "softmax twice (likely)"),
        ("both.npz", 0, "float64, labels."),
        ("logits.csv labels.csv", 0, "outputs (40, 5) float64"),
        ("logits.txt labels.csv", 0, "outputs (40, 5) float64"),
        ("logits.npy labels.npy --axis 0", 1, "class axis (likely)"),
        ("other.npz", 2, "names must be"),
        ("named.npz", 1, "sum (certain)"),
        ("left_over.npz", 2, "weights"),
        ("both.npz labels.npy", 2, "one array"),
        ("pandas.csv labels.csv", 0, "outputs (40, 5) float64"),
        ("numbered.csv labels.csv", 0, "outputs (40, 5) float64"),
        ("excel.csv labels.csv", 0, "outputs (40, 5) float64"),
        ("aligned.txt labels.csv", 0, "outputs (40, 5) float64"),
        ("missing.csv", 2, "missing.csv"),
        ("probs.npy --loss=-inf", 1, "softmax twice"),
        ("words.csv", 2, "words.csv"),
        ("ragged.csv", 2, "ragged.csv"),
        ("empty.csv", 2, "no rows of numbers"),
        ("header.csv", 2, "no rows of numbers"),
        ("broken.npy", 2, "broken.npy"),
        ("model.pt", 2, "must be .npy"),
        ("missing.npy", 2, "missing.npy"),
    ],
)
def test_the_command_says_what_the_function_says(files, capsys, line, status, said):
    words = [str(files / w) if re.search(r"\.[a-z]", w) else w for w in line.split()]
    assert main(words) == status
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


class Frame:
    """What `read_parquet` of pandas gives, as far as it is used."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return self.values


def test_a_parquet_file_is_read_by_pandas(files, monkeypatch):
    tables = {"logits.parquet": LOGITS, "labels.parquet": LABELS[:, np.newaxis]}
    pandas = types.ModuleType("pandas")
    pandas.read_parquet = lambda path: Frame(tables[path.name])
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert main([str(files / name) for name in tables]) == 0


def test_without_pandas_that_is_said(files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main([str(files / "logits.parquet")]) == 2
    assert "pandas" in capsys.readouterr().err


def test_it_is_a_command(files):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "companion.diagnose", str(files / "probs.npy")],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 1
    assert "softmax twice" in run.stdout
    assert run.stderr == ""
