"""Each chapter holds its exercises as their data says, and runs with the answers filled in."""

import re
from pathlib import Path

import nbformat
from test_exercises import every_topic, load

from companion.exercises.exercise import ChoiceExercise, FunctionExercise
from tools.refresh import GENERATED, canonical, execute

ROOT = Path(__file__).resolve().parent.parent


def read(topic):
    return canonical(nbformat.read(ROOT / "chapters" / f"{topic}.ipynb", as_version=4))


def cell_of(exercise):
    gap = "\n\n\n" if isinstance(exercise, FunctionExercise) else "\n\n"
    return f"{exercise.stub.strip()}{gap}ex.{exercise.name}.check({exercise.name})"


@every_topic
def test_the_chapter_holds_each_exercise_once_as_the_data_says(topic):
    cells = nbformat.read(ROOT / "chapters" / f"{topic}.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    checked = [name for source in code for name in re.findall(r"\bex\.(\w+)\.check\(", source)]
    assert sorted(checked) == sorted(load(topic))
    assert sum(f"from companion.exercises import {topic} as ex" in s for s in code) == 1
    for name, exercise in load(topic).items():
        assert code.count(cell_of(exercise)) == 1, name
        marker = GENERATED.format(module=topic, name=name)
        assert prose.count(f"{marker}\n\n{exercise.folded()}") == 1, name
        if isinstance(exercise, ChoiceExercise):
            for letter, option in exercise.options.items():
                assert any(f"- **{letter}** {option}" in text for text in prose)


@every_topic
def test_the_chapter_runs_with_the_solutions_filled_in(topic):
    notebook, checks = read(topic), {}
    for name, exercise in load(topic).items():
        (cell,) = (cell for cell in notebook.cells if cell.source == cell_of(exercise))
        cell.source = cell.source.replace(exercise.stub.strip(), exercise.answer.strip())
        checks[name] = cell
    execute(notebook, ROOT / "chapters")
    said = {name: cell.outputs[-1].data["text/plain"] for name, cell in checks.items()}
    assert {name: text for name, text in said.items() if "✔ Correct." not in text} == {}
