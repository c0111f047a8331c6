"""The exercises of the NumPy chapters are judged in the page's Python as they are here.

That Python has 32 bits, another version, another NumPy, no threads and no floating-point flags.
None of it may show: state, named mistake and sentences are compared to the letter, but for what
Python and NumPy themselves say in other words. Of each exercise the stub and its small changes,
the solution, the right answers and each position of each switch are judged; of combinations, of
stored answers and of changed solutions only some.
`JUDGED_EVERY=1 pytest tests/test_live_exercises.py` judges all of them, which takes hours.
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import judged
import pytest
from pyodide_in_node import run

from companion.exercises.exercise import FunctionExercise

EVERY = int(os.environ.get("JUDGED_EVERY", "20"))
EXERCISES = {e.key: e for topic in judged.TOPICS for e in judged.exercises(topic).values()}
HERE = Path(__file__).parent
COMPANION = HERE.parent / "companion"
IN_THE_PAGE = """
import sys
sys.path.append(sys.path[0] + "/tests")
import judged
topics = [judged.exercises(topic) for topic in judged.TOPICS]
result = {e.key: judged.verdicts(e, EVERY) for topic in topics for e in topic.values()}
"""


def said_in_the_page():
    """What is said in the page's Python, by key of the exercise."""
    source = IN_THE_PAGE.replace("EVERY", str(EVERY))
    folders, limit = (COMPANION, HERE), None if EVERY == 1 else 600
    return run(source, packages=("numpy", "scipy"), folders=folders, limit=limit)


def said_here():
    """What is said here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no warning is an error, as in a kernel
        return {key: judged.verdicts(e, EVERY) for key, e in EXERCISES.items()}


@pytest.fixture(scope="module")
def said():
    """What is said here and in the page, found at the same time."""
    with ThreadPoolExecutor() as pool:
        page = pool.submit(said_in_the_page)
        return said_here(), page.result()


WORDS = {  # of the page, and of other Pythons: what is not the checker's to say
    "dtype('int32')": "dtype('int64')",  # integers of the usual size
    "float division by zero": "division by zero",  # so before Python 3.14
}
# Differences over such a step are last digits alone, and exp rounds some of them otherwise on
# other machines: whether one more fault beside it shows hangs on them.
LAST_DIGITS = "step: 1e-16"


def in_the_same_words(verdict):
    """A verdict, where Python and NumPy say one thing in two ways."""
    state, mistake, message = verdict
    for some, others in WORDS.items():
        message = message.replace(some, others)
    return [state, mistake, message]


def differences(here, page):
    """Names of answers that are judged in one of two ways, or in one place alone."""
    here, page = (
        {name: in_the_same_words(verdict) for name, verdict in side.items()}
        for side in (here, page)
    )
    return {
        name: (here.get(name), page.get(name))
        for name in here | page
        if here.get(name) != page.get(name)
        and not (name.startswith("more faults") and LAST_DIGITS in name)
    }


@pytest.mark.parametrize("key", EXERCISES)
def test_an_exercise_is_judged_in_the_page_as_here(said, key):
    here, page = said
    assert differences(here[key], page[key]) == {}


@pytest.mark.parametrize("key", EXERCISES)
def test_each_exercise_is_looked_at_with_all_that_it_lists(said, key):
    exercise, (_, page) = EXERCISES[key], said
    assert page[key]["own: stub"][0] == "NOT_ATTEMPTED"
    assert page[key]["own: solution"][0] == "CORRECT"
    names = [name for name, _ in judged.switched(exercise, [1])]
    assert {f"one fault: {name}" for name in names} <= set(page[key])
    kinds = {name.partition(":")[0] for name in page[key]}
    assert kinds >= {"own", "stored"}
    if isinstance(exercise, FunctionExercise):
        assert kinds >= {"one fault", "more faults", "changed solution"}


def test_there_are_thirty_five_exercises_and_how_many_answers(said, shown):
    _, page = said
    count = sum(map(len, page.values()))
    shown(f"{count} answers to {len(page)} exercises, judged in the page as here")
    assert len(page) == len(EXERCISES) == 35
    assert count > 2000


def test_one_word_that_differs_is_seen():
    here = {"own: stub": ["NOT_ATTEMPTED", None, "Fill in softmax."]}
    page = {"own: stub": ["NOT_ATTEMPTED", None, "Fill in the softmax."]}
    assert differences(here, dict(here)) == {}
    assert list(differences(here, page)) == list(differences(here, {})) == ["own: stub"]


def test_what_is_looked_up_is_judged_as_by_check():
    exercise = EXERCISES["mse_vs_cross_entropy.midpoint_gap"]
    known = judged.Known(exercise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _, answers in judged.cases(exercise, every=5):
            for name, answer in answers:
                assert known.verdict(answer) == judged.verdict(exercise, answer), name
