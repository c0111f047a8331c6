"""Judge what others have handed in: their code in one process, the comparison in another.

`python -m companion.exercises check FILE` does this from a shell. For an own pytest::

    import pytest
    from companion.exercises.judge import judge

    @pytest.mark.parametrize("result", judge("work"), ids=lambda result: result.exercise)
    def test_answer(result):
        assert result

What is compared, the right numbers and the sentences never are where the submission runs. So
nothing that it does to the checker has an effect, and what ends its process ends no other.
It is no sandbox against theft or sabotage: it can read files and use the network.
"""

import base64
import concurrent.futures
import contextlib
import dataclasses
import importlib
import json
import os
import pickle
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from companion.exercises import words
from companion.exercises.exercise import Exercise, FunctionExercise, Seen, Task
from companion.exercises.result import Result, State
from companion.exercises.running import COPIED, Limited, Outcome
from companion.exercises.says import ENGLISH, say
from companion.exercises.self_test import SelfTest
from companion.exercises.submission import needed, read

TIMEOUT = 60.0  # seconds for the cells that an answer needs and all its calls
MEMORY = 8.0  # GiB of address space, of which frameworks take half before they begin


def exercises_of(topic):
    """The exercises of a chapter.

    Parameters
    ----------
    topic : str
        "derivation"; for exercises of your own the name of a module that can be imported.

    Returns
    -------
    dict
        From name to Exercise.

    Raises
    ------
    ValueError
        If there is no such chapter.
    """
    for name in (f"companion.exercises.{topic}", topic):
        with contextlib.suppress(ModuleNotFoundError):
            module = importlib.import_module(name)
            found = [e for e in vars(module).values() if isinstance(e, Exercise)]
            if found:
                return {exercise.name: exercise for exercise in found}
    raise ValueError(f"topic must be a chapter or a module with exercises; got {topic!r}.")


def judge(
    *paths, topics=(), only=None, seed=None, timeout=TIMEOUT, memory=MEMORY, language=ENGLISH
):
    """Judge notebooks, scripts and folders.

    Parameters
    ----------
    *paths : path-like
        Of a folder, all notebooks and scripts in it that import exercises.
    topics : sequence of str
        Chapters. Those that each file imports, if left out.
    only : collection of str, optional
        Judge these exercises ("topic.name") and no others.
    seed : int, optional
        Of the fresh random calls. A new one, if left out; each Result has it.
    timeout : float
        In seconds, for each exercise: the cells that it needs, and all calls.
    memory : float
        In GiB of address space (not on Windows).
    language : Language
        Of the sentences.

    Returns
    -------
    list of Judged
        In the order of files and exercises.

    Raises
    ------
    ValueError
        If a file cannot be read, or no exercise can be found in it.
    """
    seed = secrets.randbelow(10**6) if seed is None else seed
    tasks = [
        (submission, dataclasses.replace(exercise, language=language))
        for submission in submissions(paths, topics)
        for topic in topics or submission.topics()
        for exercise in exercises_of(topic).values()
        if only is None or exercise.key in only
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(lambda task: judge_one(*task, seed, timeout, memory), tasks))
    missing = sorted(set(only or ()) - {result.exercise for result in judged})
    text = say("No file holds the exercises of this chapter.")
    return judged + [
        Judged(State.NOT_ATTEMPTED, text, None, key, seed, language=language) for key in missing
    ]


def submissions(paths, topics=()):
    """What was handed in, file by file.

    Raises
    ------
    ValueError
        If a file cannot be read, or nothing in it is an exercise.
    """
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix in (".ipynb", ".py"))
            inside = [p.relative_to(path) for p in files]
            files = [f for f, p in zip(files, inside, strict=True) if not _is_hidden(p)]
            some = [s for s in map(read, files) if topics or s.topics()]
        else:
            some = [s for s in [read(path)] if topics or s.topics()]
        if not some:
            raise ValueError(
                f"{path} must hold `from companion.exercises import ...`, or be named after a "
                "chapter; nothing of that is there. Name the chapter with --topic."
            )
        found += some
    return found


def _is_hidden(path):
    return any(part.startswith((".", "__")) for part in path.parts)


@dataclasses.dataclass(frozen=True, repr=False)
class Judged(Result):
    """A Result, with the file that the answer came from."""

    file: str = ""

    def as_dict(self):
        """As of Result, with the file."""
        return {"file": self.file} | super().as_dict()


def judge_one(submission, exercise, seed=0, timeout=TIMEOUT, memory=MEMORY):
    """Judge one answer of one file.

    Parameters
    ----------
    submission : Submission
    exercise : Exercise
    seed, timeout, memory
        As of `judge`.

    Returns
    -------
    Judged
    """
    try:
        result = exercise.unavailable()
        if result is None:
            result = _judge(submission, exercise, seed, timeout, memory)
    except Exception as error:
        result = words.our_fault(error)
    return Judged(
        result.state, result.sentences, result.mistake, exercise.key, seed,
        file=str(submission.path), language=exercise.language,
    )  # fmt: skip


def _judge(submission, exercise, seed, timeout, memory):
    cells = needed(submission.cells, exercise.name)
    if not cells:
        text = say("{name} is not defined in this file.", name=exercise.name)
        return Result(State.NOT_ATTEMPTED, text)
    task = exercise.task(seed)
    work = {
        "cells": cells,
        "exercise": bare(exercise),
        "task": Task(task.calls, [], seed),
        "folder": str(submission.path.resolve().parent),
        "memory": memory,
    }
    report = _seen_elsewhere(work, timeout)
    if isinstance(report, Result):
        return report
    try:
        data = json.loads(report)
        ended, error = _ended(data), data["error"] and _error(*data["error"])
    except (ValueError, TypeError, KeyError):
        return words.spoiled_report()
    if not data["found"]:
        missing = say("{name} is not defined.", name=exercise.name)
        return Result(State.RAISED, words.raised(*error) if error else missing)
    return exercise.verdict(ended, task)


def bare(exercise):
    """An exercise without anything that tells what is right."""
    without = {"answer": "", "why": "", "reference": None, "hints": (), "language": ENGLISH}
    without |= {"mistakes": (), "also_right": ()}
    if isinstance(exercise, FunctionExercise):
        without |= {"family": None, "switches": (), "fresh": None, "probes": ()}
    if isinstance(exercise, SelfTest):
        without |= {"items": ()}
    return dataclasses.replace(exercise, **without)


def _seen_elsewhere(work, timeout):
    """The line that the worker writes, or a Result if there is none."""
    # Files, not pipes: what a submission leaves running would keep a pipe open.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as report:
        pickle.dump(work, given)
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-B", "-m", "companion.exercises.worker"],
            stdin=given,
            stdout=report,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"} | _path(),
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            return words.not_finished(timeout, left_behind=False)
        finally:
            _end(process)
        report.seek(0)
        line = report.readline()
    return line or words.ended_its_process(process.returncode)


def _path():
    """The worker finds the package where this process has found it."""
    root = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([root, before] if before else [root])}


def _end(process):
    """End a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ended(data):
    """What the worker has seen, from its JSON: nothing in it is trusted to be well formed."""
    seen = data["seen"]
    return Limited(
        seen
        and Seen(
            str(seen["kind"]),
            [_outcome(o) for o in seen["outcomes"]],
            seen["shortcut"],
            int(seen["memory"]),
        ),
        data["raised"],
        bool(data["timed_out"]),
        bool(data["printed"]),
        bool(data["left_behind"]),
    )


def _error(text, line):
    """What the worker has seen of an error."""
    return str(text), None if line is None else int(line)


def _outcome(data):
    if not isinstance(data, dict):
        return data
    values, like = data["values"], data["like"]
    return Outcome(
        None if values is None else tuple(map(_array, values)),
        data["returned"],
        None if like is None else _array(like),
        data["raised"],
        str(data["text"]),
        None if data["place"] is None else (int(data["place"][0]), str(data["place"][1])),
        bool(data["changed"]),
    )


def _array(data):
    kind, shape, text = data
    if np.prod(shape, dtype=float) > COPIED:
        return np.broadcast_to(np.nan, shape)
    return np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind)).reshape(shape)
