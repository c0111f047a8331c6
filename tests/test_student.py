"""The student edition: no solution, no last hint, stub and check apart, and still a chapter."""

import nbformat
import pytest
from test_exercises import TOPICS, load

from companion.exercises.exercise import ChoiceExercise, NumberExercise
from companion.exercises.judge import judge
from companion.exercises.result import State
from tools import student
from tools.refresh import CHAPTERS

EDITIONS = {name: nbformat.reads(text, 4) for name, text in student.editions().items()}


@pytest.mark.parametrize("topic", TOPICS)
def test_nothing_in_it_gives_an_answer(topic):
    cells = [cell.source for cell in EDITIONS[f"{topic}.ipynb"].cells]
    for name, exercise in load(topic).items():
        answer, last = exercise.answer.strip(), exercise.hints[-1]
        assert not any(answer in source for source in cells), name
        assert not any(last in source for source in cells), name
        assert sum(exercise.hints[1] in source for source in cells) == 1
        assert cells.count(exercise.stub.strip()) == 1
        assert cells.count(f"ex.{name}.check({name})") == 1
        assert cells.index(f"ex.{name}.check({name})") == cells.index(exercise.stub.strip()) + 1


@pytest.mark.parametrize("topic", TOPICS)
def test_it_is_a_valid_notebook_and_else_the_chapter(topic):
    edition = EDITIONS[f"{topic}.ipynb"]
    nbformat.validate(edition)
    chapter = nbformat.read(CHAPTERS / f"{topic}.ipynb", as_version=4)
    ours = [
        c.source for c in chapter.cells if "ex." not in c.source and "details" not in c.source
    ]
    theirs = {cell.source for cell in edition.cells}
    assert set(ours) <= theirs


def test_answers_written_into_it_are_judged_right(tmp_path):
    student.main([str(tmp_path)])
    path = tmp_path / "derivation.ipynb"
    notebook = nbformat.read(path, as_version=4)
    exercises = load("derivation")
    for cell in notebook.cells:
        for exercise in exercises.values():
            if cell.source == exercise.stub.strip():
                cell.source = exercise.answer.strip()
    nbformat.write(notebook, path)
    assert all(judge(path, seed=3))
    before = path.read_text(encoding="utf-8")
    student.main([str(tmp_path)])  # again: nothing that was written is lost
    assert path.read_text(encoding="utf-8") == before
    values = [e for e in exercises.values() if isinstance(e, ChoiceExercise | NumberExercise)]
    assert values
    untouched = judge(tmp_path / "one_pass.ipynb", seed=3)
    assert {result.state for result in untouched} == {State.NOT_ATTEMPTED}
