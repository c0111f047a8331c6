"""The checker in Chinese: by import alone, every sentence, and the same judgement."""

import dataclasses
import json
import re
import subprocess
import sys

import nbformat
import pytest

from companion.exercises import TOPICS, zh
from companion.exercises.exercise import FunctionExercise
from companion.exercises.result import Result, State
from companion.exercises.says import ENGLISH, Language, Sentence, say
from tools.filled_in import exercises
from tools.translation import checker, edition
from tools.translation.faults import PLACEHOLDER

HAN = re.compile(r"[\u3400-\u9fff]")
ROOM = "companion.exercises.zh"
EXERCISES = {e.key: e for topic in TOPICS for e in exercises(ROOM, topic).values()}
every_exercise = pytest.mark.parametrize("key", EXERCISES)


def sentences_in(said):
    """A sentence and those in its values, but those without a word of their own."""
    if re.search(r"[A-Za-z]", PLACEHOLDER.sub("", said.template)):
        yield said
    for value in said.values.values():
        if isinstance(value, Sentence):
            yield from sentences_in(value)


def left_in_english(said):
    """The sentences in a sentence that stand in English where it is said in Chinese."""
    text = zh.CHINESE(said)
    return [str(part) for part in sentences_in(say(said)) if str(part) in text]


def sentences_of(exercise):
    """What may be said of an answer to one exercise."""
    for switch in getattr(exercise, "switches", ()):
        yield from switch.wrong.values()
    yield from (mistake.message for mistake in exercise.mistakes)


@every_exercise
def test_each_sentence_of_an_exercise_is_chinese_and_its_own(key):
    exercise = EXERCISES[key]
    english = {str(say(text)) for text in sentences_of(exercise)}
    chinese = {exercise.language(text) for text in sentences_of(exercise)}
    assert all(map(HAN.search, chinese)), chinese
    assert not [left for text in sentences_of(exercise) for left in left_in_english(text)]
    assert len(chinese) == len(english)
    for number in range(1, len(exercise.hints) + 1):
        assert HAN.search(repr(exercise.hint(number)))
    assert HAN.search(repr(exercise.solution()))
    assert HAN.search(exercise.folded())


@every_exercise
def test_stub_and_solution_are_judged_in_chinese(key):
    exercise = EXERCISES[key]
    if exercise.unavailable():
        pytest.fail(f"{key} cannot be judged here")
    stub = exercise.build(exercise.language(exercise.stub.strip()))
    assert repr(exercise.check(stub)).startswith("… 尚未作答。")
    solution = exercise.build(exercise.language(exercise.answer.strip()))
    assert repr(exercise.check(solution)).startswith("✔ 正确。")


ERROR = re.compile(r"^\w+(Error|Exception)\b")  # Python's own words
SOLUTION = EXERCISES["numerical_stability.softmax"]


def wrong_answers():
    """Answers of every kind to one exercise, beside those that its data lists."""
    yield "nothing", None
    yield "a number", 3
    yield "an error", lambda x: x / undefined  # noqa: F821
    yield "no text", lambda x: (_ for _ in ()).throw(Unreadable())
    yield "None", lambda x: None
    yield "print", lambda x: print(x)
    yield "a list", lambda x: SOLUTION.build()(x).tolist()
    yield "a tensor", lambda x: (x > 0).tolist()
    yield "a bool", lambda x: True
    yield "a shape", lambda x: SOLUTION.build()(x)[:, :1]
    yield "wrong", lambda x: SOLUTION.build()(x) + 0.1234
    yield "a word", lambda x: "softmax"
    yield "a generator", lambda x: (row for row in x)
    yield "changed", changes
    yield "a shortcut", shortcut
    yield "not implemented", not_implemented


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError


def changes(x):
    x -= x.max(axis=-1, keepdims=True)
    return SOLUTION.build()(x)


def shortcut(x):
    import companion

    return companion.softmax(x)


def not_implemented(x):
    raise NotImplementedError


@pytest.mark.parametrize("name", dict(wrong_answers()))
def test_whatever_comes_in_is_answered_in_chinese(name):
    result = SOLUTION.check(dict(wrong_answers())[name], seed=1)
    assert HAN.search(result.head), result
    for said in result.sentences:
        left = [english for english in left_in_english(said) if not ERROR.match(english)]
        assert not left
    assert not result


FUNCTIONS = [key for key, e in EXERCISES.items() if isinstance(e, FunctionExercise)]


@pytest.mark.parametrize("key", FUNCTIONS)
def test_a_time_out_and_an_exception_are_told_in_chinese(key):
    def endless(*args):
        while True:
            pass

    def raises(*args):
        return args[0] / undefined  # noqa: F821

    quick = dataclasses.replace(EXERCISES[key], time_limit=0.2)
    assert repr(quick.check(endless)).startswith("✘ 还不对。0.2 秒后，你的函数仍未结束。")
    told = repr(EXERCISES[key].check(raises))
    assert told.startswith("⚠ ")
    assert HAN.search(told.partition("NameError: name 'undefined' is not defined")[0])
    assert "，在第 " in told


@every_exercise
def test_mistakes_are_found_and_said_as_in_english(key):
    """Two positions of the switches, or two mistakes, of every exercise."""
    chinese = EXERCISES[key]
    english = dataclasses.replace(chinese, language=ENGLISH)
    if isinstance(chinese, FunctionExercise):
        given = [
            (lambda *a, s=fault.settings: chinese.family(*a, **s))
            for switch in chinese.switches
            for fault in switch.faults()[:1]
        ]
    else:
        given = [mistake.gives for mistake in chinese.mistakes]
    for answer in given[:2]:
        if callable(answer) and not isinstance(chinese, FunctionExercise):
            answer = answer()
        said, told = (e.check(answer, seed=1) for e in (chinese, english))
        assert (said.state, said.mistake) == (told.state, told.mistake)
        assert said == told  # the language aside
        if not said:
            assert HAN.search(said.message), said
            assert not [left for part in said.sentences for left in left_in_english(part)]
            assert not HAN.search(told.message), told


def test_every_template_in_the_source_is_in_the_words():
    for message in [*checker.shared(), *(m for t in TOPICS for m in checker.messages_of(t))]:
        assert message.english in zh.CHINESE.words, message


def test_words_hold_no_template_with_other_names():
    for english, chinese in zh.CHINESE.words.items():
        if "\n" not in english:  # of sources braces are no names
            both = [sorted(PLACEHOLDER.findall(text)) for text in (english, chinese)]
            assert both[0] == both[1], english


def test_a_language_says_what_it_does_not_know_in_english():
    some = Language({"{n} rows.": "{n} 行。", "large": "大"}, space="")
    assert some(say("{n} rows.", n=2)) == "2 行。"
    assert some(say("{n} columns.", n=2)) == "2 columns."
    assert some.joined([say("{n} rows.", n=1), say("{n} rows.", n=2)]) == "1 行。2 行。"
    assert some("{braces} in a plain text") == "{braces} in a plain text"


def test_a_result_is_equal_in_both_languages_and_prints_in_its_own():
    plain = Result(State.NOT_YET, say("{name} is not defined.", name="f"))
    chinese = dataclasses.replace(plain, language=zh.CHINESE)
    assert plain == chinese
    assert "not defined" in repr(plain)
    assert HAN.search(repr(chinese))
    assert HAN.search(chinese._repr_html_())
    assert chinese.as_dict()["state"] == "NOT_YET"


# By import alone.


def in_python(source, **environment):
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True, encoding="utf-8", check=True, env={"PATH": "", **environment},
        cwd=edition.ROOT,
    ).stdout  # fmt: skip


def test_chinese_is_loaded_only_when_it_is_imported():
    source = """
import sys
from companion.exercises import numerical_stability as ex
print(ex.softmax.check(None), "companion.exercises.zh" in sys.modules)
"""
    for language in ("zh_CN.UTF-8", "C.UTF-8"):
        printed = in_python(source, LANG=language, LC_ALL=language, LANGUAGE="zh")
        assert printed == "… Not attempted. Fill in softmax, then run this cell again. False\n"


def test_both_languages_live_side_by_side():
    source = """
from companion.exercises import numerical_stability as ex
from companion.exercises.zh import numerical_stability as lianxi, progress
ex.softmax.check(None)
a = lianxi.largest_float16_logit.check(11)
b = ex.largest_float16_logit.check(11)
print(a); print(b); print(progress())
"""
    chinese, english, *overview = in_python(source).splitlines()
    assert HAN.search(chinese)
    assert not HAN.search(english)
    assert HAN.search(overview[-1])


def test_what_is_no_chapter_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        zh.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        exec("from companion.exercises.zh import nonsense")
    assert {"progress", *TOPICS} <= set(zh.__all__)


# The command line.


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A Chinese notebook with one right and one wrong answer."""
    folder = tmp_path_factory.mktemp("work")
    notebook = nbformat.read(edition.EDITION / "chapters" / "derivation.ipynb", 4)
    for cell in notebook.cells:
        if "ex.same_probs.check(same_probs)" in cell.source:
            cell.source = 'same_probs = "b"\n\nex.same_probs.check(same_probs)'
        if "ex.uniform_bits.check(uniform_bits)" in cell.source:
            cell.source = "uniform_bits = 1 / 0\n\nex.uniform_bits.check(uniform_bits)"
    nbformat.write(notebook, folder / "derivation.ipynb")
    return folder


def run_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", ROOM, *map(str, arguments)],
        capture_output=True, encoding="utf-8", check=False, cwd=edition.ROOT,
    )  # fmt: skip


def test_the_command_judges_a_chinese_notebook_in_chinese(work):
    result = run_command(
        "check", work, "--json", work / "out.json", "--markdown", work / "out.md"
    )
    assert result.returncode == 1, result.stderr
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines()[:-1])
    assert lines["derivation.same_probs"].startswith("✔ 正确。")
    assert lines["derivation.cross_entropy"].startswith("… 尚未作答。")
    assert "ZeroDivisionError: division by zero" in lines["derivation.uniform_bits"]
    assert lines["derivation.uniform_bits"].startswith("⚠ ")
    assert HAN.search(result.stdout.splitlines()[-1])
    data = json.loads((work / "out.json").read_text(encoding="utf-8"))
    assert {r["state"] for r in data["results"]} == {"CORRECT", "NOT_ATTEMPTED", "RAISED"}
    assert "练习" in (work / "out.md").read_text(encoding="utf-8")


def test_the_english_command_judges_a_chinese_notebook_in_english(work):
    result = subprocess.run(
        [sys.executable, "-m", "companion.exercises", "check", work],
        capture_output=True, encoding="utf-8", check=False, cwd=edition.ROOT,
    )  # fmt: skip
    assert "derivation.same_probs: ✔ Correct." in result.stdout
    assert not HAN.search(result.stdout.replace("notebook", ""))


def test_help_and_list_are_in_chinese():
    assert HAN.search(run_command("check", "--help").stdout)
    listed = run_command("list", "--topic", "derivation").stdout
    assert len(listed.splitlines()) == 6
    assert all(map(HAN.search, listed.splitlines()))


def test_the_judge_hands_no_solution_along():
    from companion.exercises.judge import bare

    assert bare(SOLUTION).language is ENGLISH


def test_a_file_of_results_that_cannot_be_written_is_told_in_a_sentence(work):
    result = run_command("check", work, "--json", work / "nowhere" / "out.json")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "nowhere" in result.stderr


@pytest.mark.parametrize("option", ["--timeout", "--memory"])
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", "much"])
def test_a_limit_that_is_none_is_refused(work, option, value):
    result = run_command("check", work, f"{option}={value}")
    assert result.returncode == 2
    assert option in result.stderr


def test_a_number_that_no_float_holds_is_no_object_of_another_type():
    assert (
        "number"
        not in EXERCISES["numerical_stability.largest_float16_logit"].check(10**400).message
    )
