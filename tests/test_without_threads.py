"""Where threads cannot start, as in the page, an endless answer is named all the same.

The answers are in `endless.py`. They are judged by the Python of the page, and by this one
where it can watch, from 3.12 on.
"""

import sys
import threading
import time
from pathlib import Path

import endless
import pyodide_in_node
import pytest

from companion.exercises.running import limited

HERE = hasattr(sys, "monitoring")


@pytest.fixture
def no_threads(monkeypatch):
    """No thread can start from now on."""

    def refuses(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)


def in_the_page():
    source = Path(endless.__file__).read_text(encoding="utf-8")
    return pyodide_in_node.run(source + "\nresult = faults()\n")


@pytest.mark.parametrize("judged", [in_the_page, *[endless.faults] * HERE])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a coroutine that was cut off
def test_an_endless_answer_is_named_and_leaves_nothing_behind(judged, no_threads, monkeypatch):
    if judged is in_the_page:
        monkeypatch.undo()
    assert judged() == {}


def test_what_ends_python_leaves_no_result():
    with pytest.raises(pyodide_in_node.PythonEnded):
        pyodide_in_node.run("import os\nos._exit(0)\nresult = 1\n", packages=())


# Where Python cannot watch, or another watches with all it has.


def slow(ended):
    for _ in range(20):
        time.sleep(0.01)
    return "done"


def test_before_python_3_12_there_is_no_limit_without_threads(no_threads, monkeypatch):
    monkeypatch.delattr(sys, "monitoring", raising=False)
    ended = limited(slow, 0.05)
    assert ended.value == "done"
    assert ended.timed_out


class Watcher:
    """Stands for sys.monitoring, with all tools taken by others but some."""

    class events:
        NO_EVENTS, PY_START, PY_RESUME, JUMP = 0, 1, 2, 4

    def __init__(self, free):
        self.names = {tool: None if tool in free else "another" for tool in range(6)}
        self.watched, self.callbacks = {}, {}

    def get_tool(self, tool):
        return self.names[tool]

    def use_tool_id(self, tool, name):
        assert self.names[tool] is None
        self.names[tool] = name

    def free_tool_id(self, tool):
        self.names[tool] = None

    def set_events(self, tool, events):
        self.watched[tool] = events

    def register_callback(self, tool, event, look):
        self.callbacks[tool, event] = look


@pytest.mark.parametrize("free", [set(), {0}, {3}, {0, 3, 5}])
def test_a_tool_that_nobody_uses_is_taken_and_given_back(free, no_threads, monkeypatch):
    watcher = Watcher(free)
    monkeypatch.setattr(sys, "monitoring", watcher, raising=False)
    names = dict(watcher.names)
    during = limited(lambda ended: (dict(watcher.watched), dict(watcher.names)), 1).value
    assert during[0] == ({max(free): 7} if free else {})
    assert sum(during[1][t] != names[t] for t in names) == bool(free)
    assert watcher.names == names
    assert not any(watcher.watched.values())
    assert not any(watcher.callbacks.values())


def test_what_the_answer_frees_no_longer_watches(no_threads, monkeypatch):
    watcher = Watcher({2, 4})
    monkeypatch.setattr(sys, "monitoring", watcher, raising=False)
    limited(lambda ended: watcher.free_tool_id(4), 1)  # which ends no watching before 3.14
    assert watcher.watched[4] == watcher.events.NO_EVENTS
    assert watcher.names[4] is None


def test_the_look_stops_the_answer_but_neither_the_checker_nor_other_threads(
    no_threads, monkeypatch
):
    watcher = Watcher({4})
    monkeypatch.setattr(sys, "monitoring", watcher, raising=False)
    seen = []

    def work(ended):
        look = watcher.callbacks[4, watcher.events.JUMP]
        look(work.__code__)  # there is still time
        time.sleep(0.06)
        monkeypatch.setattr(threading, "get_ident", lambda: None)
        look(work.__code__)  # another thread
        seen.append(ended.timed_out)
        monkeypatch.undo()
        look(limited.__code__)  # ours goes on, and can know
        seen.append(ended.timed_out)
        look(work.__code__)
        seen.append("went on")

    ended = limited(work, 0.05)
    assert seen == [False, True]
    assert ended.timed_out
    assert ended.raised is None
