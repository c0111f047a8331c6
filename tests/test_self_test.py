"""The self-test: its letters are found by running, and an answer hears of its own items only.

The items about PyTorch, TensorFlow and Keras run once more with these.
"""

import itertools
import json
import types

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_exercises import RETURNED, nothing_changes, values

import companion
from companion.exercises import pitfalls, progress
from companion.exercises.judge import bare, judge
from companion.exercises.overview import _latest
from companion.exercises.pitfalls import ITEMS, verdicts
from companion.exercises.result import Result, State
from companion.exercises.self_test import Item, Snippet
from tools.refresh import CHAPTERS, QUESTIONS, generate

RIGHT = verdicts.right()
NUMBERED = dict(enumerate(ITEMS, start=1))
CODE = {n: item for n, item in NUMBERED.items() if isinstance(item.holds, Snippet)}
each_item = pytest.mark.parametrize("number", NUMBERED)
each_letter = pytest.mark.parametrize(
    ("number", "letter"), [(n, k) for n, item in NUMBERED.items() for k in item.letters]
)


# The letters.


def test_there_are_twenty_items_and_about_a_third_are_right():
    assert len(ITEMS) == 20
    assert len({item.asks + str(item.options) for item in ITEMS}) == 20
    right = list(RIGHT.values())
    assert all(4 <= right.count(letter) <= 8 for letter in "abc")
    assert 5 <= right.count("a") <= 7
    assert not any(right[i] == right[i + 1] == right[i + 2] for i in range(18))


def test_the_letters_before_tell_little_of_the_next():
    right = list(RIGHT.values())
    steps = [(ord(two) - ord(one)) % 3 for one, two in itertools.pairwise(right)]
    assert max(map(steps.count, range(3))) <= 8
    for period in range(1, 8):
        same = [right[i] == right[i + period] for i in range(20 - period)]
        assert sum(same) < 0.4 * len(same), period
    sections = [item.see for item in ITEMS]
    assert not any(one == two for one, two in itertools.pairwise(sections))


@each_item
def test_exactly_one_letter_holds(number):
    item = NUMBERED[number]
    holds = item.holds()
    assert tuple(holds) == item.letters == tuple(item.says) == ("a", "b", "c")
    assert [letter for letter, true in holds.items() if true] == [RIGHT[number]]


@pytest.mark.parametrize("number", CODE)
def test_a_snippet_runs_and_other_mends_do_not_give_the_right_value(number):
    snippet = NUMBERED[number].holds
    stands = RIGHT[number] == "a"
    assert snippet.agrees(snippet.source) is stands
    for letter, mend in snippet.mends.items():
        assert mend != snippet.source
        assert snippet.agrees(mend) is (letter == RIGHT[number])
    tried = [snippet.gives(snippet.source, call) for call in snippet.calls]
    assert all(tried) if stands else not all(tried)


def test_an_item_with_two_answers_or_none_is_a_fault():
    for letters in ("", "ab"):
        holds = {k: k in letters for k in "abc"}
        item = Item("?", lambda holds=holds: holds, {"b": "", "c": ""}, {}, "", "")
        with pytest.raises(ValueError, match="one letter must hold"):
            item.right()


def with_torch():
    import torch

    def as_rows(labels, classes):
        return torch.nn.functional.one_hot(labels, classes).double()

    names = {"F": torch.nn.functional, "softmax": lambda z: torch.softmax(z, -1)}
    return names | {"one_hot": as_rows}, torch.from_numpy


def with_keras():
    import keras
    import tensorflow as tf

    return {"keras": keras, "tf": tf, "softmax": companion.softmax}, lambda array: array


FRAMEWORKS = {n: item for n, item in CODE.items() if "Keras" in item.asks}
FRAMEWORKS |= {n: item for n, item in CODE.items() if "Flow" in item.asks or "Py" in item.asks}


@pytest.mark.frameworks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", FRAMEWORKS)
def test_the_framework_itself_gives_the_same_letter(number):
    snippet = NUMBERED[number].holds
    names, tensor = with_torch() if " F." in snippet.source else with_keras()

    def gives(source, call):
        as_tensors = Snippet(source, snippet.result, lambda **_: snippet.wanted(**call), (), {})
        return as_tensors.gives(source, {k: tensor(v) for k, v in call.items()}, names)

    def agrees(source):
        return all(gives(source, call) for call in snippet.calls)

    found = {"a": agrees(snippet.source)}
    found |= {k: not found["a"] and agrees(mend) for k, mend in snippet.mends.items()}
    assert [letter for letter, true in found.items() if true] == [RIGHT[number]]


def test_five_items_are_about_frameworks():
    assert len(FRAMEWORKS) == 5


# What the sentences say, on numbers.


def ran(item, **call):
    names = item.holds.names() | {"np": np} | call
    with np.errstate(all="ignore"):
        exec(item.holds.source, names)
    return names[item.holds.result]


def test_what_is_said_of_wrong_letters_is_so():
    large, apart = np.array([[1000.0, 999, 998]]), np.array([[0.0, 1, 2], [2000, 2001, 1999]])
    assert np.isnan(ran(pitfalls.no_shift, z=large)).all()
    assert np.isnan(ran(pitfalls.one_maximum, z=apart)).all(axis=1).tolist() == [True, False]
    row = np.array([[1000.0, 0]])
    assert ran(pitfalls.log_of_softmax, z=row, y=np.array([1])) == np.inf
    assert companion.softmax_cross_entropy_with_labels(row, [1]) == 1000
    assert ran(pitfalls.hot_twice, y=np.eye(4, dtype=int)[[1, 3]], K=4).shape == (2, 4, 4)
    assert np.eye(2)[np.eye(4, dtype=int)[[1, 3]]].ndim == 3
    with pytest.raises(IndexError):
        np.eye(1)[np.eye(4, dtype=int)[[1]]]
    assert ran(pitfalls.column, z=np.eye(4), y=np.arange(4)[:, np.newaxis]) == 0.25
    uniform = ran(pitfalls.dense, z=np.zeros((3, 3)), y=np.array([2, 0, 1]))
    assert uniform.round(3).tolist() == [3.296] * 3
    with pytest.raises(IndexError):
        ran(pitfalls.how_many_classes, y=np.array([3, 1]), K=4)
    masked = {"z": np.zeros((1, 4)), "y": np.array([0]), "K": 4}
    masked["allowed"] = np.array([True, True, False, True])
    assert ran(pitfalls.masked_smoothing, **masked) == np.inf
    z, t = np.array([[1.0, 2, 0.5]]), np.array([[0.0, 1, 0]])
    assert abs(ran(pitfalls.diagonal, z=z, t=t).sum()) > 0.01
    ten = np.zeros((1, 10)), np.eye(10)[[0]]
    assert ran(pitfalls.over_classes, z=ten[0], t=ten[1]).round(3) == 0.230
    floor = ran(pitfalls.twice, z=100 * np.eye(10)[[0]], y=np.array([0]))
    assert round(float(floor), 3) == 1.461
    said = [str(s) for item in ITEMS for s in item.says.values()]
    for number in ("709.78", "27.63", "3.296", "0.230", "1.461", "0.25"):
        assert any(number in sentence for sentence in said), number


def test_at_twice_the_temperature_the_gradient_is_a_quarter():
    z, v = pitfalls.SQUARE, pitfalls.TEACHER
    sizes = [
        np.abs(companion.softmax(z / T) - companion.softmax(v / T)).max() / T for T in (20, 40)
    ]
    assert 3.8 < sizes[0] / sizes[1] < 4.2


# What an answer hears.


@each_letter
def test_one_letter_hears_of_its_own_item_only(number, letter):
    result = verdicts.check({number: letter})
    is_right = letter == RIGHT[number]
    assert result.state is State.NOT_YET
    assert [str(s) for s in result.sentences] == [
        f"{int(is_right)} of 20 right, 19 not attempted.",
        f"{'✔' if is_right else '✘'} {number}: {NUMBERED[number].says[letter]} "
        f"Read: {NUMBERED[number].see}",
    ]
    assert result.mistake == (None if is_right else f"{number} {letter}")
    assert 20 < len(str(NUMBERED[number].says[letter])) < 260


def test_what_is_not_attempted_changes_nothing():
    some = {1: "b", 2: "a", 3: ..., 4: None, 5: " "}
    assert repr(verdicts.check(some)) == repr(verdicts.check({1: "b", 2: "a"}))
    assert verdicts.check({3: ..., 4: None}).state is State.NOT_ATTEMPTED


def test_one_wrong_letter_of_twenty_is_not_yet():
    result = verdicts.check(RIGHT | {7: "a"})
    assert (result.state, result.mistake) == (State.NOT_YET, "7 a")
    assert repr(result).startswith("✘ Not yet. 19 of 20 right, 0 not attempted.\n✔ 1: ")
    assert len(repr(result).splitlines()) == 21
    assert result._repr_html_().count("<li>") == 20
    assert verdicts.check(RIGHT)
    assert verdicts.check(RIGHT).mistake is None


@pytest.mark.parametrize("letter", ["B", " (b) ", "b.", "option b", "Answer: b"])
def test_a_letter_counts_however_it_is_written(letter):
    assert repr(verdicts.check({1: letter})) == repr(verdicts.check({1: "b"}))
    assert repr(verdicts.check({"1": letter})) == repr(verdicts.check({np.int64(1): "b"}))


@pytest.mark.parametrize("value", ["d", "ab", "right", 2, True, [1], b"a"])
def test_what_is_no_letter_is_told_so(value):
    result = verdicts.check({4: value})
    assert "✘ 4: this must be one of 'a', 'b', 'c', in quotes." in repr(result)
    assert result.mistake is None


@pytest.mark.parametrize(
    "row",
    [
        "".join,
        lambda letters: " ".join(letters).upper(),
        lambda letters: ", ".join(letters) + "\n",
        list,
        np.array,
        lambda letters: np.array(letters, dtype=object),
        lambda letters: {float(n): letter for n, letter in enumerate(letters, start=1)},
    ],
)
def test_letters_in_a_row_are_taken_however_they_come(row):
    assert verdicts.check(row(list(RIGHT.values())))
    assert repr(verdicts.check(row(["b", "a"]))) == repr(verdicts.check({1: "b", 2: "a"}))


def test_numbers_from_0_stop_the_check():
    result = verdicts.check(dict(enumerate(RIGHT.values())))
    assert result.state is State.NOT_YET
    assert repr(result) == (
        "✘ Not yet. 0: there is no such item; they are numbered from 1 to 20. "
        "Nothing was marked."
    )


def test_a_number_that_is_not_whole_is_shown_as_it_is():
    assert "✘ 1.5: there is no such item" in repr(verdicts.check({1.5: "a"}))
    assert "✘ nan: there is no such item" in repr(verdicts.check({float("nan"): "a"}))


@pytest.mark.parametrize("text", ["all but 3", "abz", "a.b", "0", "right", "a=b"])
def test_a_text_that_is_no_row_of_letters_is_refused(text):
    result = verdicts.check(text)
    assert "verdicts must be a dict from numbers to letters" in result.message


@pytest.mark.parametrize("key", [0, 21, -1, "x", 1.5, None, 10**30])
def test_a_number_that_is_none_is_told_so(key):
    result = verdicts.check(RIGHT | {key: "a"})
    assert result.state is State.NOT_YET
    assert "there is no such item; they are numbered from 1 to 20" in result.message


@pytest.mark.parametrize("name", [n for n in RETURNED if n != "dict"])
def test_hostile_values_are_refused(name, capsys):
    with nothing_changes(capsys):
        result = verdicts.check(RETURNED[name])
        inside = verdicts.check({1: RETURNED[name]})
    for each in (result, inside):
        assert each.state is State.NOT_YET
        assert "must be" in each.message


@given(answer=values, key=st.integers() | st.text(max_size=2))
@settings(max_examples=50)
def test_check_never_raises(answer, key):
    for given_answer in (answer, {key: answer}):
        result = verdicts.check(given_answer)
        assert isinstance(result, Result)
        assert result.state in (State.NOT_YET, State.NOT_ATTEMPTED)


def test_progress_has_it():
    verdicts.check({1: "a"})
    assert progress()["pitfalls.verdicts"] is _latest["pitfalls.verdicts"]


def test_what_was_written_is_escaped():
    assert "<b>" not in verdicts.check({"<b>": "a"})._repr_html_()


# Where others hand it in.


def test_the_process_of_a_submission_never_knows_the_items():
    assert bare(verdicts).items == ()
    data = json.dumps([verdicts.look({1: "b"}, None, None).outcomes])
    assert json.loads(data) == [[[1, "b"]]]


def test_half_an_answer_is_judged(tmp_path):
    path = tmp_path / "mine.py"
    head = "from companion.exercises import pitfalls as ex\n"
    path.write_text(
        f"{head}verdicts = {{}}\nverdicts |= {{1: 'b', 2: 'a'}}\n", encoding="utf-8"
    )
    (result,) = judge(path, seed=1)
    assert (result.state, result.mistake) == (State.NOT_YET, "2 a")
    assert "1 of 20 right, 18 not attempted." in result.message
    assert "\n" not in repr(result)
    path.write_text(f"{head}verdicts = {RIGHT}\n", encoding="utf-8")
    assert judge(path, seed=1)[0]


def test_a_forged_report_is_not_right():
    forged = types.SimpleNamespace(value=types.SimpleNamespace(kind="pairs", outcomes=[3, {}]))
    assert not verdicts.verdict(forged, verdicts.task(0))


# Where it is shown.


def test_all_items_are_shown_as_they_run():
    text = verdicts.questions()
    for number, item in NUMBERED.items():
        assert f"**{number}.** {item.asks}" in text
        if number in CODE:
            assert f"```python\n{item.holds.source.strip()}\n```" in text
    assert text == "\n\n".join(verdicts.questions(i, i + 4) for i in (1, 6, 11, 16))
    marker = QUESTIONS.format(module="pitfalls", name="verdicts", first=6, last=10)
    assert generate(f"{marker}\n\nold") == f"{marker}\n\n{verdicts.questions(6, 10)}"


def test_no_hint_holds_a_letter_and_the_solution_has_all_reasons():
    folded = verdicts.folded()
    for number, item in NUMBERED.items():
        letter = RIGHT[number]
        assert f"- **{number}** {letter}: {item.says[letter]}" in folded
        assert str(item.says[letter]) not in " ".join(verdicts.hints)
        assert f"- **{number}** {item.look}" in verdicts.hints[1]
    assert "Solution" not in verdicts.folded(hints=2, solution=False)


def test_each_section_to_read_is_one_of_the_chapter():
    cells = nbformat.read(CHAPTERS / "pitfalls.ipynb", as_version=4).cells
    headings = {
        line.removeprefix("## ").strip()
        for cell in cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    }
    assert {item.see for item in ITEMS} <= headings
