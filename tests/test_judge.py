"""The command line that judges what others hand in: verdicts, exits, and attacks on it."""

import concurrent.futures
import contextlib
import dataclasses
import gc
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest
from test_exercises import ALL, each, frameworks  # noqa: F401

from companion.exercises import TOPICS
from companion.exercises.__main__ import main
from companion.exercises.judge import exercises_of, judge, judge_one
from companion.exercises.result import State
from companion.exercises.submission import needed, read
from companion.exercises.words import our_fault

ROOT = Path(__file__).resolve().parent.parent
HEAD = "import numpy as np\nfrom companion.exercises import numerical_stability as ex\n\n"
RIGHT = ALL["numerical_stability.softmax"].answer.strip()
ONLY = {"numerical_stability.softmax"}


def judged(tmp_path, code, timeout=8.0, **given):
    """The result of a script that answers `softmax`, and the seconds that it took."""
    path = tmp_path / "mine.py"
    path.write_text(f"{HEAD}{code}\nex.softmax.check(softmax)\n", encoding="utf-8")
    started = time.perf_counter()
    (result,) = judge(path, only=ONLY, seed=1, timeout=timeout, **given)
    return result, time.perf_counter() - started


# Verdicts.


def answers_of(topic, edit=lambda source: source):
    """A notebook with all answers of a chapter."""
    cells = [f"import numpy as np\nfrom companion.exercises import {topic} as ex"]
    if topic == "framework_equivalents":
        cells.append("import torch, tensorflow as tf\nimport torch.nn.functional as F")
    for name, exercise in exercises_of(topic).items():
        cells.append(f"{edit(exercise.answer.strip())}\n\nex.{name}.check({name})")
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])


@pytest.mark.parametrize(
    "topic",
    [pytest.param(t, marks=[pytest.mark.frameworks] * ("framework" in t)) for t in TOPICS],
)
def test_solved_chapters_are_all_right(topic, tmp_path, capsys):
    path = tmp_path / f"{topic}.ipynb"
    nbformat.write(answers_of(topic), path)
    assert main(["check", str(path)]) == 0, capsys.readouterr().out
    count = len(exercises_of(topic))
    assert f"{count} of {count} correct (seed " in capsys.readouterr().out


def test_shipped_chapters_are_not_attempted(capsys, tmp_path):
    out = tmp_path / "out.json"
    paths = [str(ROOT / "chapters" / f"{t}.ipynb") for t in TOPICS]
    assert main(["check", *paths, "--json", str(out)]) == 1, capsys.readouterr()
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert [r["exercise"] for r in results] == [e.key for e in ALL.values()]
    assert {r["state"] for r in results} == {"NOT_ATTEMPTED"}
    capsys.readouterr()


def test_a_wrong_answer_is_named_by_the_command(tmp_path, capsys):
    path = tmp_path / "mine.py"
    wrong = RIGHT.replace("keepdims=True)\n", "keepdims=True)\n", 1).replace(
        "- x.max", "- x.min"
    )
    path.write_text(HEAD + wrong, encoding="utf-8")
    json_file, junit, table = (tmp_path / name for name in ("o.json", "o.xml", "o.md"))
    arguments = ["check", str(path), "--json", str(json_file), "--junit", str(junit)]
    assert main([*arguments, "--markdown", str(table), "--seed", "5"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "numerical_stability.softmax: ✘ Not yet. You subtract the smallest"
    )
    assert lines[-1] == f"0 of {len(exercises_of('numerical_stability'))} correct (seed 5)."
    data = json.loads(json_file.read_text(encoding="utf-8"))
    assert data["seed"] == 5
    assert data["results"][0]["mistake"] == "shift: minimum"
    assert data["results"][1]["state"] == "NOT_ATTEMPTED"
    suite = ET.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")
    assert "smallest" in suite[0][0].get("message")
    text = table.read_text(encoding="utf-8")
    assert text.count("| numerical_stability.") == len(data["results"])


def test_points_are_added_for_what_is_listed(tmp_path, capsys):
    path, points = tmp_path / "mine.py", tmp_path / "points.toml"
    path.write_text(HEAD + RIGHT, encoding="utf-8")
    points.write_text('[points]\n"numerical_stability.softmax" = 3\n', encoding="utf-8")
    assert main(["check", str(path), "--points", str(points)]) == 0
    assert "1 of 1 correct, 3 of 3 points" in capsys.readouterr().out
    with points.open("a", encoding="utf-8") as file:
        file.write('"derivation.same_probs" = 2\n')
    assert main(["check", str(path), "--points", str(points)]) == 1
    assert "1 of 2 correct, 3 of 5 points" in capsys.readouterr().out


BAD = {
    "no such file": (["nowhere.py"], "cannot be read"),
    "no exercise": (["plain.py"], "Name the chapter with --topic"),
    "no chapter": (["plain.py", "--topic", "x"], "topic must be a chapter"),
    "not a notebook": (["broken.ipynb"], "cannot be read"),
    "another kind": (["text.txt"], "must end in .ipynb or .py"),
    "no points": (["mine.py", "--points", "none.toml"], "must have a table [points]"),
    "a name in points": (["mine.py", "--points", "typo.toml"], "there is no exercise"),
    "odd points": (["mine.py", "--points", "odd.toml"], "must be a number >= 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_judged_ends_with_2_and_a_sentence(case, tmp_path, monkeypatch, capsys):
    arguments, words = BAD[case]
    files = {
        "plain.py": "x = 1\n",
        "mine.py": HEAD + RIGHT,
        "broken.ipynb": "{}",
        "text.txt": "",
        "typo.toml": '[points]\n"derivation.x" = 1\n',
        "odd.toml": '[points]\n"derivation.same_probs" = "1"\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_is_judged_file_by_file(tmp_path, capsys):
    for name in ("a.py", "b/c.py", ".hidden/d.py", "helper.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n" if name == "helper.py" else HEAD + RIGHT, encoding="utf-8")
    assert main(["check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a.py: numerical_stability.softmax: ✔" in out
    assert "c.py: numerical_stability.softmax: ✔" in out
    assert "hidden" not in out
    assert "helper.py" not in out


def test_the_list_has_every_exercise(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(f"{e.key} " in out for e in ALL.values())
    assert len(out.splitlines()) == len(ALL)


@each(ALL)
def test_an_exercise_says_where_it_belongs_and_what_it_takes(exercise):
    assert exercise.topic in TOPICS
    assert exercises_of(exercise.topic)[exercise.name] is exercise
    assert 1 <= exercise.minutes <= 30
    assert 8 < len(exercise.trains) < 80
    assert not exercise.trains.endswith(".")


def test_the_command_runs_as_a_module(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + RIGHT, encoding="utf-8")
    command = [sys.executable, "-m", "companion.exercises", "check", path, "--topic"]
    run = subprocess.run([*command, "nowhere"], capture_output=True, encoding="utf-8")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_a_missing_framework_is_not_the_students_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "framework_equivalents.ipynb"
    nbformat.write(answers_of("framework_equivalents"), path)
    points = tmp_path / "points.toml"
    points.write_text('[points]\n"framework_equivalents.mean_kl" = 1\n', encoding="utf-8")
    assert main(["check", str(path), "--points", str(points)]) == 2
    assert "? Could not be judged." in capsys.readouterr().out


def test_a_fault_of_the_checker_says_where_it_arose(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + RIGHT, encoding="utf-8")
    spoiled = dataclasses.replace(ALL["numerical_stability.softmax"], stub="y = 1\n")
    result = judge_one(read(path), spoiled)
    assert result.state is State.COULD_NOT_JUDGE
    assert "(ValueError: the stub must define a function; it" in result.message
    assert re.search(r"; companion\.exercises\.attempts, line \d+\)\.", result.message)
    assert result.message == spoiled.check(spoiled.build()).message


@pytest.mark.parametrize("folder", ["/home/me/", "C:\\me\\", "/a/b c/"])
def test_a_fault_of_the_checker_shows_no_folders(folder):
    said = our_fault(FileNotFoundError(2, "No such file or directory", f"{folder}x.py")).message
    assert "FileNotFoundError: [Errno 2] No such file or directory: '" in said
    assert "x.py')." in said
    assert not any(start in said for start in ("/home", "C:", "'/"))


@pytest.mark.parametrize("text", ["n/a", "1 / 0", "p/q is no number", "before=30, after=2"])
def test_a_fault_of_the_checker_keeps_its_text(text):
    assert f"(ValueError: {text})." in our_fault(ValueError(text)).message


# Attacks: none passes, none ends the run, each ends in a sentence.

ATTACKS = {
    "takes the solution": "softmax = ex.softmax.build()",
    "takes another right answer": "softmax = ex.softmax.also_right[0]",
    "takes the reference": "softmax = ex.softmax.reference",
    "imports the chapter": "import companion.exercises.numerical_stability as n\n"
    "softmax = n.softmax.build()",
    "changes the comparison": "import companion.exercises.running as r\n"
    "r.Outcome.agrees = lambda *a: True\ndef softmax(x): return x",
    "changes what it finds": "import sys\ndef softmax(x):\n"
    "    for m in list(sys.modules.values()):\n"
    "        if hasattr(m, 'Outcome'): m.Outcome.agrees = lambda *a: True\n    return x",
    "searches the memory": "import gc\ndef softmax(x):\n    for o in gc.get_objects():\n"
    "        if type(o).__name__ == 'FunctionExercise': return o.build()(x)\n    return x",
    "replaces NumPy": "np.allclose = np.isclose = lambda *a, **k: True\n"
    "def softmax(x): return x",
    "replaces the library": "import companion\ncompanion.softmax = lambda x: x\n"
    "def softmax(x): return x",
    "leaves": "import os\ndef softmax(x): os._exit(0)",
    "leaves at once": "import os\nos._exit(0)\ndef softmax(x): return x",
    "sets an alarm": "import signal, time\nsignal.alarm(1)\n"
    "def softmax(x):\n    time.sleep(3)\n    return x",
    "kills": "import os, signal\ndef softmax(x): os.kill(os.getpid(), signal.SIGKILL)",
    "takes 10 GB": "def softmax(x): return np.ones(10 * 2**30 // 8)",
    "never begins": "while True: pass\ndef softmax(x): return x",
    "never ends": "def softmax(x):\n    while True:\n"
    "        try:\n            while True: pass\n"
    "        except BaseException: pass",
    "recurses": "import sys\nsys.setrecursionlimit(10**9)\ndef softmax(x): return softmax(x)",
    "forges a report": "import os\ndef softmax(x):\n    for fd in range(3, 30):\n"
    '        try: os.write(fd, b\'{"found": true, "state": "CORRECT", "seen": null}\\n\')\n'
    "        except OSError: pass\n    return x",
    "spoils the report": "import os\ndef softmax(x):\n    for fd in range(3, 30):\n"
    "        try: os.write(fd, b'no json\\n')\n        except OSError: pass\n    return x",
    "prints without end": "def softmax(x):\n    print('x' * 10**7, flush=True)\n    return x",
    "asks": "input()\ndef softmax(x): return input()",
    "leaves threads": "import threading, time\n"
    "threading.Thread(target=lambda: time.sleep(60)).start()\ndef softmax(x): return x",
    "stays at the exit": "import atexit, time\natexit.register(lambda: time.sleep(60))\n"
    "def softmax(x): return x",
    "is no Python": "def softmax(x):\n    return (x",
    "forks": "import os\nforked = []\ndef softmax(x):\n"
    "    for _ in range(0 if forked else 4): os.fork()\n"
    "    forked.append(1)\n    return x",
}
POSIX = ("sets an alarm", "takes 10 GB", "forks", "kills")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.skipif(os.name != "posix", reason="needs POSIX"))
        if n in POSIX
        else n
        for n in ATTACKS
    ],
)
def test_an_attack_neither_passes_nor_ends_the_run(name, tmp_path):
    result, seconds = judged(tmp_path, ATTACKS[name], timeout=6.0, memory=4.0)
    assert result.state in (State.NOT_YET, State.RAISED), result
    assert 10 < len(result.message) < 400
    assert seconds < 12
    assert judged(tmp_path, RIGHT)[0], "a later answer"


def test_what_a_submission_leaves_running_is_ended(tmp_path):
    mark = tmp_path / "alive"
    later = f"import time; time.sleep(4); open({str(mark)!r}, 'w').close()"
    code = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {later!r}])\n{RIGHT}"
    )
    assert judged(tmp_path, code)[0]
    time.sleep(5)
    assert mark.exists() is (os.name != "posix")


def test_each_exercise_begins_anew(tmp_path):
    path = tmp_path / "mine.py"
    ruin = "# %%\nimport os\nos._exit(3)\nlogsumexp = 1\n# %%\n"
    path.write_text(f"{HEAD}{ruin}{RIGHT}\n", encoding="utf-8")
    results = {r.exercise: r for r in judge(path, seed=1)}
    assert results["numerical_stability.softmax"]
    assert not results["numerical_stability.logsumexp"]


def test_modules_beside_a_submission_do_not_stand_in_for_the_libraries(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit\n", encoding="utf-8")
    (tmp_path / "mine_too.py").write_text("k = 1\n", encoding="utf-8")
    assert judged(tmp_path, f"import mine_too\n{RIGHT}")[0]


# The cells that an answer needs.


def test_only_what_an_answer_needs_runs():
    cells = [
        "import numpy as np",
        "expensive = 1 / 0",
        "k = [1]",
        "k.append(2)",
        "def helper(x): return x * k[0]",
        "f = None",
        "def f(x):\n    return np.exp(helper(x))\nex.f.check(f)",
        "k = 'later'",
    ]
    assert needed(cells, "f") == [
        "import numpy as np",
        "k = [1]",
        "k.append(2)",
        "def helper(x): return x * k[0]",
        "def f(x):\n    return np.exp(helper(x))\n",
    ]
    assert needed(cells, "g") == []


def test_the_last_definition_counts_even_if_it_cannot_be_read():
    assert needed(["def f(x): return 1", "def f(x):\n  return ("], "f")[-1].endswith("(")


@pytest.fixture
def busy_collector():
    """The collector of garbage runs often, and gives way to other threads while it does."""
    give_way = lambda phase, info: time.sleep(0)  # noqa: E731
    thresholds = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(100)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(give_way)


def test_cells_can_be_read_by_several_threads_at_once(busy_collector):
    cells = read(ROOT / "chapters" / "derivation.ipynb").cells
    once = needed(cells, "cross_entropy")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(needed, [cells] * 12, ["cross_entropy"] * 12)) == [once] * 12


def test_magics_are_left_out(tmp_path):
    cells = [
        "%matplotlib inline\nx = 5 % 3\n!ls\nnp.exp?",
        "%%bash\nf = 1",
        "def f(a): return x",
    ]
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]),
        tmp_path / "a.ipynb",
    )
    assert read(tmp_path / "a.ipynb").cells[:2] == ("\nx = 5 % 3\n\n", "")


def test_an_error_before_the_answer_names_its_line(tmp_path):
    result, _ = judged(tmp_path, "\n1 / 0\nsoftmax = undefined")
    assert result.state is State.RAISED
    assert "ZeroDivisionError: division by zero in line" in result.message


def test_the_seed_of_the_fresh_call_is_the_one_given(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + RIGHT, encoding="utf-8")
    assert {r.seed for r in judge(path, seed=11)} == {11}
    with contextlib.suppress(AssertionError):
        assert {r.seed for r in judge(path)} != {11}
