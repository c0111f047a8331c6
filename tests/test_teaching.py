"""The teacher's page: its minutes are those of the data, its code runs, its answers hold."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from test_exercises import ALL, load

import companion
from companion import naive
from companion.exercises import TOPICS
from companion.exercises.__main__ import OPTIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "chapters" / "teaching.md").read_text(encoding="utf-8")


def prose_of(topic):
    cells = nbformat.read(ROOT / "chapters" / f"{topic}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def rows():
    """The lines as the data give them: a row of the table, and the exercises with minutes."""
    for topic in TOPICS:
        prose = prose_of(topic)
        title = re.match(r"# (.+)", prose)[1]
        reading = re.search(r"About (\d+) minutes", prose)[1]
        exercises = load(topic).values()
        total = sum(e.minutes for e in exercises)
        yield f"| [{title}]({topic}.ipynb) | {reading} | {total} |"
        yield f"- {title}: " + ", ".join(f"`{e.name}` {e.minutes}" for e in exercises)


def test_the_minutes_are_those_of_chapters_and_exercises():
    for row in rows():
        assert row in PAGE, row


def test_sections_and_exercises_that_it_names_are_there():
    headings = [h for t in TOPICS for h in re.findall(r"^## (.*)$", prose_of(t), re.MULTILINE)]
    plans = PAGE[PAGE.index("## Plans") : PAGE.index("## Notebooks to write")].replace(
        "\n", " "
    )
    quoted = re.findall(r'"([^"]+)"', plans)
    assert len(quoted) >= 8
    assert set(quoted) <= set(headings)
    names = {exercise.name for exercise in ALL.values()}
    assert set(re.findall(r"`(\w+)`", plans)) <= names
    for file in re.findall(r"`(classroom/[\w.]+)`", PAGE):
        assert (ROOT / file).exists()
    for option in re.findall(r"`(--\w+)`", PAGE):
        assert option.removeprefix("--") in {"help", *OPTIONS}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module of the page, beside a submission."""
    source = re.search(r"```python\n(# my_course\.py\n.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "my_course.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_course", None)


def test_an_exercise_of_ones_own_works_as_the_page_says(own):
    from my_course import brier

    right = brier.build()
    assert brier.check(right)
    half = brier.check(lambda probs, label: tuple(part / 2 for part in right(probs, label)))
    assert half.mistake == "half"
    assert "gradient of brier" in brier.check(lambda p, y: (right(p, y)[0], p)).message
    assert not brier.check(brier.build(brier.stub))


@pytest.mark.parametrize("right", [True, False])
def test_it_is_judged_by_the_command(own, right):
    body = "e = probs - np.eye(len(probs))[label]\n    return (e**2).sum(), 2 * e"
    body = body if right else body.replace("2 * e", "e")
    text = f"import numpy as np\ndef brier(probs, label):\n    {body}\n"
    (own / "mine.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "companion.exercises", "check", "mine.py"]
    run = subprocess.run([*command, "--topic", "my_course"], cwd=own, capture_output=True,
                         encoding="utf-8")  # fmt: skip
    assert run.returncode == (0 if right else 1), run.stderr + run.stdout
    assert f"my_course.brier: {'✔' if right else '✘'}" in run.stdout


# The answers of the exam.


def test_the_answers_of_the_exam_hold():
    z = np.array([1001.0, 1000.0])
    with np.errstate(all="ignore"):
        assert np.isnan(naive.softmax(z)).all()
    assert companion.softmax(z).round(3).tolist() == [0.731, 0.269]
    floor = companion.softmax_cross_entropy_with_labels(companion.one_hot(0, 10), 0)
    assert round(float(floor), 3) == 1.461
    assert (0.8 - 1) / 4 == pytest.approx(-0.05)
    z, t = np.array([0.0, 12.0]), np.array([1.0, 0.0])
    p = companion.softmax(z)
    assert f"{p[0]:.1e}" == "6.1e-06"
    assert f"{companion.softmax_cross_entropy(z, t):.1f}" == "12.0"
    assert companion.softmax_cross_entropy_grad(z, t)[0] == pytest.approx(-1, abs=1e-5)
    assert f"{companion.softmax_squared_error(z, t):.2f}" == "2.00"
    slope = companion.softmax_squared_error_grad(z, t)[0]
    assert f"{slope:.1e}" == "-2.5e-05"
    assert slope == pytest.approx(-4 * p[0] * (1 - p[0]) ** 2)
    for sentence in ("(0.731, 0.269)", "1.461", "−0.05", "6.1e-6", "12.0", "2.00", "−2.5e-5"):
        assert sentence in PAGE


def test_without_the_square_the_soft_gradient_falls_by_four():
    rng = np.random.default_rng(0)
    z, v = rng.normal(size=(2, 200, 10))

    def size(temperature):
        q, p = companion.softmax(z / temperature), companion.softmax(v / temperature)
        return np.linalg.norm((q - p) / temperature, axis=-1)

    ratios = size(20) / size(40)
    assert ((ratios > 3.8) & (ratios < 4.2)).all()
