"""Each chapter holds its exercises as their data says, and runs with the answers filled in.

nbval runs it so: conftest.py, at the root, gives it what tools/filled_in.py makes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from test_exercises import TOPICS, every_topic, load

from companion.exercises.exercise import ChoiceExercise
from companion.exercises.self_test import SelfTest
from tools.filled_in import cell_of, exercises, filled_in, says_correct
from tools.refresh import GENERATED, QUESTIONS_PATTERN, generate

ROOT = Path(__file__).resolve().parent.parent


ROOMS = {"chapters": "companion.exercises", "zh/chapters": "companion.exercises.zh"}
every_edition = pytest.mark.parametrize("folder", ROOMS)


def read(topic, folder="chapters"):
    return nbformat.read(ROOT / folder / f"{topic}.ipynb", as_version=4)


@every_edition
@every_topic
def test_the_chapter_holds_each_exercise_once_as_the_data_says(topic, folder):
    cells, room = read(topic, folder).cells, ROOMS[folder]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    checked = [name for source in code for name in re.findall(r"\bex\.(\w+)\.check\(", source)]
    assert sorted(checked) == sorted(load(topic))
    assert sum(f"from {room} import {topic} as ex" in s for s in code) == 1
    for name, exercise in exercises(room, topic).items():
        assert code.count(cell_of(exercise)) == 1, name
        marker = GENERATED.format(module=topic, name=name)
        assert prose.count(f"{marker}\n\n{exercise.folded()}") == 1, name
        if isinstance(exercise, ChoiceExercise):
            for letter, option in exercise.options.items():
                line = f"- **{letter}** {exercise.language(option)}"
                assert any(line in text for text in prose), line
        if isinstance(exercise, SelfTest):
            asked = [s for s in prose if QUESTIONS_PATTERN.match(s)]
            if folder == "chapters":
                assert [generate(s) for s in asked] == asked
            shown = "\n\n".join(s.partition("\n\n")[2] for s in asked)
            assert shown == exercise.questions(), name


@every_edition
@every_topic
def test_each_exercise_is_filled_in(topic, folder):
    answered = filled_in(read(topic, folder))
    assert sorted(answered) == sorted(load(topic))
    for name, exercise in exercises(ROOMS[folder], topic).items():
        assert exercise.language(exercise.answer.strip()) in answered[name].source
        assert exercise.language(exercise.stub.strip()) not in answered[name].source


def pytest_on(path, *options):
    """What pytest prints of notebooks, as `make test` runs them."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q"]
    result = subprocess.run(
        [*command, "-p", "no:cacheprovider", *options, path],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return result.stdout


def test_nbval_runs_each_answer_after_the_last_cell_of_its_chapter():
    listed = pytest_on(ROOT / "chapters", "--collect-only")
    for topic in TOPICS:
        names = re.findall(rf"/{topic}\.ipynb::(.*)$", listed, re.MULTILINE)
        answers = [name for name in names if name.startswith("Answer of ")]
        assert sorted(answers) == sorted(f"Answer of {name}" for name in load(topic))
        assert names[-len(answers) :] == answers


# What a chapter may say before its exercise. After the second the book's own answer is wrong.
LINES = {"right": "pass", "spoiled": "np = type('np', (), {'exp': staticmethod(abs)})"}


def test_an_answer_that_is_not_correct_in_its_chapter_fails():
    exercise = load("numerical_stability")["softmax"]
    imports = "import numpy as np\n\nfrom companion.exercises import numerical_stability as ex"
    # In a folder of the repository, so that conftest.py counts.
    with tempfile.TemporaryDirectory(dir=ROOT / "tests", prefix="small") as folder:
        for name, line in LINES.items():
            cells = [nbformat.v4.new_code_cell(s) for s in (imports, line, cell_of(exercise))]
            notebook = nbformat.v4.new_notebook(cells=cells)
            nbformat.write(notebook, Path(folder) / f"{name}.ipynb")
        said = pytest_on(folder)
    assert "1 failed, 7 passed" in said
    assert "spoiled.ipynb::Answer of softmax" in said


@pytest.mark.parametrize(
    "outputs", [[], [{"name": "stdout"}], [{"data": {"text/plain": "✘ Not yet."}}]]
)
def test_what_is_not_said_to_be_correct_is_not(outputs):
    assert not says_correct(outputs)
