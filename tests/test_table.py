"""Every row of the table of equivalents: same values, same gradients, and a wrong row is seen.

Tolerances. Values: float64, a few roundings of sums over four classes. Gradients: those by
differences are right to about ten digits, and the weights make them up to a hundred times
larger; those by differentiation must agree as values do.
"""

from html.parser import HTMLParser

import numpy as np
import pytest

from companion.frameworks import table

CLOSE = {"rtol": 1e-12, "atol": 1e-13}
DIFFERENCED = {"rtol": 1e-6, "atol": 1e-7}
EACH = [(row, library) for row in table.ROWS for library in row.calls if library != "numpy"]
each_call = pytest.mark.parametrize(
    ("row", "library"), EACH, ids=[f"{row.name}, {library}" for row, library in EACH]
)
# Calls made wrong in one place each: another axis, argument, weight, reduction or sign.
WRONG = {
    "dim=-1": "dim=0",
    "axis=-1": "axis=0",
    "axis=1": "axis=-1",
    "dim=1": "dim=-1",
    "softmax(z)": "softmax(2 * z)",
    "one_hot(y, 4)": "one_hot(y, 5)",
    "(labels=y, logits=z)": "(labels=y, logits=-z)",
    "(labels=t, logits=z)": "(labels=t, logits=-z)",
    "(labels=b, logits=z)": "(labels=1 - b, logits=z)",
    "(y, z": "(y, 2 * z",
    "(z, y": "(2 * z, y",
    "(t, z": "(t, 2 * z",
    "(z, t": "(2 * z, t",
    "(s, m": "(2 * s, m",
    "(m, ": "((m + 1) % 4, ",
    "(b, z": "(1 - b, z",
    "(z, b": "(z, 1 - b",
    "log_expit(z)": "log_expit(2 * z)",
    "weight=w": "weight=1 / w",
    "tf.gather(w, y)": "tf.gather(1 / w, y)",
    "ops.take(w, y)": "ops.take(1 / w, y)",
    "ignore_index=1": "ignore_index=2",
    "ignore_class=1": "ignore_class=2",
    "y != 1": "y != 2",
    "0.1": "0.2",
    "from_logits=True": "from_logits=False",
}


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
    wanted = table.value("numpy", row.calls["numpy"], given)
    got = table.value(library, row.calls[library], given)
    np.testing.assert_allclose(got, wanted, **CLOSE)
    assert np.isfinite(got).all()


@each_call
@pytest.mark.usefixtures("tensorflow")
def test_a_call_made_wrong_is_seen(row, library):
    call = row.calls[library]
    wrong = [call.replace(old, new) for old, new in WRONG.items() if old in call]
    assert wrong
    assert [call for call in wrong if faults(row, library, call) == []] == []


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", [row.name for row in table.ROWS if row.slope_in])
def test_frameworks_agree_on_the_gradient_to_all_digits(name):
    (row,) = (row for row in table.ROWS if row.name == name)
    slopes = [
        table.slope(library, call, table.inputs(), row.slope_in)
        for library, call in row.calls.items()
        if library in ("torch", "tensorflow", "keras")
    ]
    for other in slopes[1:]:
        np.testing.assert_allclose(other, slopes[0], rtol=1e-11, atol=1e-12)


def test_the_table_is_wide_enough():
    assert len(table.ROWS) >= 15
    for library in table.LIBRARIES:
        assert sum(library in row.calls for row in table.ROWS) >= 9
    assert len({row.name for row in table.ROWS}) == len(table.ROWS)


class Read(HTMLParser):
    """What a reader of the page gets: per library, its imports and its calls by row."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.ids, self.names, self.tags, self.words = {}, [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.names |= {attributes["name"]} if tag == "details" else set()
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        self.tags.append(tag)
        self.words = ""

    def handle_data(self, data):
        self.words += data

    def handle_endtag(self, tag):
        assert self.tags.pop() == tag
        if tag == "summary":
            self.table = self.tables[self.words] = {"": []}
        elif tag == "code" and self.tags[-1] == "p":
            self.table[""].append(self.words)
        elif tag == "code":
            self.table[self.row] = self.words
        elif tag == "th":
            self.row = self.words


PAGE = Read(table.as_html())


def test_the_page_has_every_call_once_and_an_address_for_each():
    assert set(PAGE.tables) == {table.TITLES[library] for library in table.LIBRARIES}
    for library in table.LIBRARIES:
        shown = {k: call for k, call in PAGE.tables[table.TITLES[library]].items() if k}
        assert shown == {r.name: r.calls[library] for r in table.ROWS if library in r.calls}
    assert len(PAGE.ids) == len(set(PAGE.ids)) == len(EACH) + len(table.ROWS) + 5
    assert PAGE.names == {"calls"}  # one name: a fold that opens closes the others
    assert PAGE.tags == []


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("library", table.LIBRARIES)
def test_a_call_runs_after_the_imports_that_stand_over_it(library):
    shown, names = dict(PAGE.tables[table.TITLES[library]]), {}
    exec("\n".join(shown.pop("")), names)
    given = table.inputs()
    names |= {name: table._tensor(library, array) for name, array in given.items()}
    for call in shown.values():
        value = np.asarray(eval(call, names), dtype=np.float64)
        np.testing.assert_array_equal(value, table.value(library, call, given))
