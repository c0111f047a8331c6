"""The templates for a class: their own commands, in a new environment, on four submissions.

A right one, a wrong one, a half-done one and a hostile one, in a repository as a class has it:
a copy of the book with the folder work/.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from book import copy_of_the_repository
from test_exercises import ALL, load
from test_workflows import PINNED

ROOT = Path(__file__).resolve().parent.parent
CLASSROOM = ROOT / "classroom"
GITHUB = yaml.safe_load((CLASSROOM / "github.yml").read_text(encoding="utf-8"))["jobs"]["judge"]
GITLAB = yaml.safe_load((CLASSROOM / "gitlab.yml").read_text(encoding="utf-8"))["exercises"]
TOPIC = "numerical_stability"
HEAD = f"import numpy as np\nfrom companion.exercises import {TOPIC} as ex\n"


def answers(but=lambda name, source: source):
    parts = [but(name, e.answer.strip()) for name, e in load(TOPIC).items()]
    return "\n\n\n".join([HEAD, *parts])


def half_done(name, source):
    return source if name < "m" else f"{name} = ..."


def wrong(name, source):
    return (
        source.replace("x.max(axis=-1, keepdims=True)", "x.max()")
        if name == "softmax"
        else source
    )


def hostile(name, source):
    if name != "softmax":
        return source
    return "import os\nex.softmax.check = lambda answer: True\ndef softmax(x):\n    os._exit(0)"


# A submission, and how many of its answers are right; None: all but one.
SUBMISSIONS = {"right": (answers(), 0), "wrong": (answers(wrong), 1)}
SUBMISSIONS |= {"half": (answers(half_done), 3), "hostile": (answers(hostile), 1)}


def github_lines():
    return [step["run"] for step in GITHUB["steps"] if "run" in step]


def test_both_templates_run_the_same_commands():
    def plain(lines):
        return [re.sub(r' --markdown "\$GITHUB_STEP_SUMMARY"', "", line) for line in lines]

    assert plain(github_lines()) == GITLAB["script"]
    assert GITHUB["env"] == GITLAB["variables"]
    python = next(
        s["with"]["python-version"] for s in GITHUB["steps"] if "setup" in s.get("uses", "")
    )
    assert GITLAB["image"] == f"python:{python}"
    for step in GITHUB["steps"]:
        assert PINNED.fullmatch(step.get("uses", "a/b@" + "0" * 40))
    assert "timeout-minutes" in GITHUB


def test_the_points_are_those_of_exercises():
    points = tomllib.loads((CLASSROOM / "points.toml").read_text(encoding="utf-8"))["points"]
    assert set(points) <= set(ALL)


@pytest.fixture(scope="module")
def class_repository(tmp_path_factory):
    """A class's repository, and the environment that the first command of a template makes."""
    folder = tmp_path_factory.mktemp("class")
    repository = copy_of_the_repository(folder / "repository")
    (repository / "work").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "new"], check=True)
    environment = outside(folder)
    install = github_lines()[0]
    shell(f"{install} --quiet -c constraints.txt", repository, environment, expected=0)
    return repository, environment


def outside(folder):
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    path = os.pathsep.join([str(folder / "new" / "bin"), kept["PATH"]])
    summary = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    return kept | GITHUB["env"] | summary | {"PATH": path}


def shell(line, folder, environment, expected):
    run = subprocess.run(["sh", "-e", "-c", line], cwd=folder, env=environment,
                         capture_output=True, encoding="utf-8", timeout=900)  # fmt: skip
    assert run.returncode == expected, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


@pytest.mark.skipif(os.name != "posix", reason="the templates are for Linux machines")
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_the_commands_judge_a_submission(class_repository, name):
    repository, environment = class_repository
    source, not_right = SUBMISSIONS[name]
    for old in (repository / "work").iterdir():
        old.unlink()
    (repository / "work" / "mine.py").write_text(source, encoding="utf-8")
    summary = Path(environment["GITHUB_STEP_SUMMARY"])
    summary.unlink(missing_ok=True)
    out = shell(github_lines()[1], repository, environment, expected=1 if not_right else 0)
    results = json.loads((repository / "results.json").read_text(encoding="utf-8"))["results"]
    count = len(load(TOPIC))
    assert [r["exercise"] for r in results] == [e.key for e in load(TOPIC).values()]
    assert sum(not r["correct"] for r in results) == not_right, out
    assert f"{count - not_right} of {count} correct" in summary.read_text(encoding="utf-8")
    assert (repository / "results.xml").exists()


def test_the_install_line_is_one_command():
    for line in github_lines():
        words = shlex.split(line)
        assert words[0] == "python"
        assert words[1:3] in (["-m", "pip"], ["-P", "-m"])
