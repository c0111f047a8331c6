"""What every runner of a framework's own tests hands to test_peers.py: one line of JSON.

A runner is a script with a process of its own, because it puts our functions into modules of
the framework. It runs the framework's tests on our functions, and again on broken ones.
"""

import json
import unittest
from dataclasses import dataclass, field

CALLS = []  # names of ours that a case has called: a case that calls none proves nothing


def counted(name, f):
    """`f`, and a note of every call."""

    def with_note(*args, **kwargs):
        CALLS.append(name)
        return f(*args, **kwargs)

    return with_note


@dataclass
class Tally:
    """What became of the cases: names that passed and failed, names and reasons of others."""

    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    excluded: dict = field(default_factory=dict)
    used: set = field(default_factory=set)

    def exclude(self, name, table, key):
        """Leave out a case, for the reason that the table of exclusions has under `key`."""
        self.excluded[name] = table[key]
        self.used.add(key)

    def check(self, name, case):
        """Run a case: it fails by raising, or by not calling ours."""
        CALLS.clear()
        try:
            case()
            assert CALLS, "ours was not called"
        except Exception as error:
            self.failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
        else:
            self.passed.append(name)


def run_unittests(classes, excluded, chosen=lambda name: True):
    """Methods of unittest classes, except those excluded by name, as a Tally."""
    tally = Tally()
    for cls in classes:
        for method in unittest.defaultTestLoader.getTestCaseNames(cls):
            name = f"{cls.__name__}.{method}"
            if not chosen(name):
                continue
            key = name if name in excluded else method
            if key in excluded:
                tally.exclude(name, excluded, key)
                continue
            result = unittest.TestResult()
            CALLS.clear()
            cls(method).run(result)
            if result.skipped:
                tally.excluded[name] = f"skipped by its framework: {result.skipped[0][1]}"
            elif not CALLS:
                tally.failed.append(f"{name}: ours was not called")
            elif result.wasSuccessful():
                tally.passed.append(name)
            else:
                trace = (result.failures + result.errors)[0][1]
                tally.failed.append(f"{name}: {trace[-300:]}")
    return tally


def report(run, broken, excluded):
    """Print what came of our functions, and how many cases each broken version fails.

    `run(None)` runs all cases on our functions; `run(name)` those that the broken version
    called `name` concerns, on that. Exclusions that met no case are reported as unused.
    """
    tally = run(None)
    result = {
        "passed": tally.passed,
        "failed": tally.failed,
        "excluded": tally.excluded,
        "unused": sorted(set(excluded) - tally.used),
        "broken": {name: len(run(name).failed) for name in broken},
    }
    print(json.dumps(result))
