"""The cells of a chapter's exercises with the answers filled in.

nbval runs a chapter as it is shipped, with nothing attempted. `conftest.py` then runs these in
the same kernel, among all names that the chapter has made, as a reader's answers are.
"""

import importlib
import re

from companion.exercises.exercise import Exercise, FunctionExercise

CORRECT = "✔"  # in every language
TOPICS = re.compile(r"^from (companion\.exercises(?:\.zh)?) import (\w+) as ex$", re.MULTILINE)


def exercises(room, topic):
    """The exercises of a topic, in the language of the room: name -> exercise."""
    module = importlib.import_module(f"companion.exercises.{topic}")
    if room != "companion.exercises":
        module = getattr(importlib.import_module(room), topic)
    return {name: e for name, e in vars(module).items() if isinstance(e, Exercise)}


def cell_of(exercise):
    """The source of the cell that holds an exercise: the stub, and the check."""
    gap = "\n\n\n" if isinstance(exercise, FunctionExercise) else "\n\n"
    stub = exercise.language(exercise.stub.strip())
    return f"{stub}{gap}ex.{exercise.name}.check({exercise.name})"


def filled_in(notebook):
    """The cells of all exercises of a notebook, answered: name -> cell."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    topics = [topic for cell in code for topic in TOPICS.findall(cell.source)]
    answered = {}
    for name, exercise in [item for topic in topics for item in exercises(*topic).items()]:
        source = cell_of(exercise)
        for cell in (cell for cell in code if cell.source == source):
            answered[name] = cell.copy()
            answered[name].execution_count = 1  # nbval does not look at what was never run
            stub, answer = exercise.stub.strip(), exercise.answer.strip()
            answered[name].source = source.replace(*map(exercise.language, (stub, answer)))
    return answered


def says_correct(outputs):
    """Whether the outputs of such a cell end in the mark of a right answer."""
    shown = outputs[-1].get("data", {}).get("text/plain", "") if outputs else ""
    return shown.startswith(CORRECT)
