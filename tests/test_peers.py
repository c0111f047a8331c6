"""The frameworks' own tests, which ship in their wheels, run on our functions.

Nothing of theirs is copied: runners in tests/peers put ours where theirs are and run the
tests as they are installed. What is outside our contract is excluded there by name, with a
reason. Every runner is also given broken versions of our functions, and must see them.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# How many of their cases pass at least. Fewer means that a runner has lost some.
FLOORS = {"pytorch": 1270, "tensorflow": 24, "keras": 48, "scipy": 30, "optax": 105}
ALL_TOGETHER = 1455


@pytest.fixture(scope="session")
def outcome():
    """Runs the runner of a framework, once, in a process of its own."""
    known = {}

    def of(framework):
        if framework not in known:
            script = ROOT / "tests" / "peers" / f"run_{framework}.py"
            run = subprocess.run(
                [sys.executable, script],
                capture_output=True,
                encoding="utf-8",
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            )
            assert run.returncode == 0, run.stderr[-3000:]
            known[framework] = json.loads(run.stdout.strip().splitlines()[-1])
        return known[framework]

    return of


each_framework = pytest.mark.parametrize("framework", FLOORS)


@each_framework
def test_their_tests_pass_on_ours(outcome, framework):
    assert outcome(framework)["failed"] == []
    assert len(outcome(framework)["passed"]) >= FLOORS[framework]


@each_framework
def test_what_is_excluded_has_a_reason(outcome, framework):
    excluded = outcome(framework)["excluded"]
    assert excluded
    assert all(len(reason.split()) > 3 for reason in excluded.values())


@each_framework
def test_no_exclusion_has_outlived_its_case(outcome, framework):
    assert outcome(framework)["unused"] == []


@each_framework
def test_broken_versions_are_seen(outcome, framework):
    broken = outcome(framework)["broken"]
    assert len(broken) >= 8
    assert [name for name, failures in broken.items() if failures == 0] == []


def test_how_many_cases_of_peers_pass(outcome, capfd):
    passed = {framework: len(outcome(framework)["passed"]) for framework in FLOORS}
    with capfd.disabled():  # to be seen in the output of `make test`
        print(f"\npeer cases passed: {sum(passed.values())}", passed, file=sys.stderr)
        for framework in FLOORS:
            for reason, count in Counter(outcome(framework)["excluded"].values()).items():
                print(f"  {framework}: {count} excluded: {reason}", file=sys.stderr)
    assert sum(passed.values()) >= ALL_TOGETHER
