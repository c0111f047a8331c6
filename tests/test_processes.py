"""`fast` and `compiled` where processes fork, threads outlive the main one, and all ends.

Each script runs in an interpreter of its own, with a time limit: what must not happen is that
one waits for ever, or is ended by a signal.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 240  # seconds: compiling takes some of them on a busy machine

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork on this system")
both = pytest.mark.parametrize("version", ["fast", "compiled"])

START = """
import atexit, multiprocessing, os, sys, threading, time
import numpy as np
import companion
from companion.one_pass import {version} as version
version.threads = 3
x = np.random.default_rng(0).normal(size=(600, 1000))
wanted = companion.softmax(x)
def right(result=None):
    result = version.softmax(x) if result is None else result
    return np.allclose(result, wanted, rtol=1e-13, atol=0)
def in_child(call):
    child = os.fork()
    if child == 0:
        os._exit(0 if call() else 9)
    return child
def ended_well(child):
    for _ in range(1200):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.1)
    os.kill(child, 9)
    return False
"""


def run(script, version):
    """What it printed, when it ended by itself and without an error."""
    code = START.format(version=version) + script
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        cwd=ROOT,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stderr == ""
    return done.stdout.split()


@forks
@both
def test_a_pool_of_forked_processes_after_a_call(version):
    script = """
assert right()
with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map_async(version.softmax, [x] * 4).get(timeout=100)
print(all(map(right, results)), right())
"""
    assert run(script, version) == ["True", "True"]


@forks
@both
def test_a_fork_while_another_thread_computes(version):
    script = """
assert right()
stop = threading.Event()
def compute():
    while not stop.is_set():
        version.softmax(x)
threading.Thread(target=compute).start()
children = [in_child(right) for _ in range(6)]
print(all([ended_well(child) for child in children]))
stop.set()
"""
    assert run(script, version) == ["True"]


@forks
def test_a_fork_while_another_thread_compiles():
    script = """
thread = threading.Thread(target=version.softmax, args=(x,))
thread.start()
time.sleep(0.5)  # compiling takes longer
child = in_child(right)
print(ended_well(child))
thread.join()
"""
    assert run(script, "compiled") == ["True"]


@both
def test_a_thread_that_outlives_the_main_one(version):
    script = """
def late():
    threading.main_thread().join()
    time.sleep(0.2)
    print(right(), flush=True)
threading.Thread(target=late).start()
if {used}:
    right()
"""
    for used in (False, True):
        assert run(script.replace("{used}", str(used)), version) == ["True"]


@both
def test_at_the_exit(version):
    script = "atexit.register(lambda: print(right(), flush=True))\n"
    assert run(script, version) == ["True"]
    assert run(script + "right()\n", version) == ["True"]


@both
def test_a_spawned_process(version, tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(
        f"import multiprocessing, numpy as np\n"
        f"from companion.one_pass import {version} as version\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        rows = pool.map(version.softmax, [np.zeros((200, 1000))] * 3)\n"
        "    print(all((row == 0.001).all() for row in rows))\n",
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        env=environment,
    )
    assert done.stdout.split() == ["True"], done.stderr[-2000:]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
@both
def test_as_many_threads_as_cores_that_may_be_used(version):
    script = (
        "import os; one = min(os.sched_getaffinity(0)); os.sched_setaffinity(0, [one])\n"
        f"from companion.one_pass import {version} as version; print(version.threads)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.split() == ["1"]
