"""How nbval compares notebooks: floats within a tolerance, warnings only where declared.

Strict nbval compares text to the letter, which no float survives on another processor.
Here words and integers must be equal and floats within `tools.approx.RTOL`. Whatever a
cell writes to stderr is not compared, but a Python warning in it fails the cell, unless
the cell is tagged `shows-warning`; then a missing warning fails it. Of figures the words are
compared. After its last cell a chapter is given the answers to its exercises: each check must
call them correct.

This file stands above the tests of the core, too, which must start where there is nothing but
NumPy, pytest and Hypothesis. So it imports no more than the standard library, as long as there
is no notebook.
"""

import copy
import os
import re
from collections import defaultdict

import pytest

from tools.approx import Approx
from tools.environment import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # kernels inherit it

# They begin first, so that no process is left alone with one of them at the end.
LONGEST = (
    "tests/test_fast.py",
    "chapters/distillation.ipynb",
    "chapters/mse_vs_cross_entropy.ipynb",
    "tests/test_browser.py",
    "tests/test_chinese_site.py",
    "tests/test_live_trouble.py",
    "tests/test_live_pages.py",
    "tests/test_live_exercises.py",
    "tests/test_workflows.py",
    "tests/test_exercises.py",
    "tests/test_binder.py",
)
WARNING = re.compile(r"^.*\b\w*Warning: .*$", re.MULTILINE)


def pytest_collection_modifyitems(items):
    turn = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turn.get(item.nodeid.partition("::")[0], len(turn)))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if type(collector).__name__ == "IPyNbFile" and report.passed:
        report.result += with_answers(collector, report.result)
    return report


def with_answers(notebook, cells):
    """An item for each exercise of a notebook, answered, to be run after all its cells."""
    from tools.filled_in import filled_in

    for number, (name, cell) in enumerate(filled_in(notebook.nb).items(), len(cells)):
        yield type(cells[0]).from_parent(
            notebook,
            name=f"Answer of {name}",
            cell_num=number,
            cell=cell,
            options=defaultdict(bool, answer=True, check=True),
        )


def pytest_itemcollected(item):
    if type(item).__name__ != "IPyNbCell":
        return
    if item.options["answer"]:
        item.compare_outputs = lambda test, ref: is_correct(item, test)
    else:
        compare_with_the_tolerance(item)


def is_correct(item, outputs):
    from tools.filled_in import says_correct

    item.comparison_traceback = ["The check does not call the book's own answer correct:"]
    item.comparison_traceback += [str(outputs)]
    return says_correct(outputs)


def in_words(output):
    """An output with what a figure says in place of its SVG: its words, and how much is drawn.

    Curves are not compared: they are of the numbers that other outputs and assertions hold.
    """
    svg = output.get("data", {}).get("image/svg+xml")
    if svg is None:
        return output
    words = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    said = "\n".join([*words, f"{svg.count('<path')} paths, {svg.count('<image')} pictures"])
    output = copy.deepcopy(output)
    output["data"]["image/svg+xml"] = said
    return output


def compare_with_the_tolerance(item):
    plain_sanitize, plain_compare = item.sanitize, item.compare_outputs
    declared = "shows-warning" in item.cell.metadata.get("tags", [])

    def sanitize(text):
        text = plain_sanitize(text)
        return Approx(text) if isinstance(text, str) else text

    def compare_outputs(test, ref, skip_compare=None):
        stderr = "".join(out.text for out in test if out.get("name") == "stderr")
        warned = WARNING.search(stderr)
        if warned and not declared:
            item.comparison_traceback = ["No tag shows-warning, and yet:", warned[0]]
            return False
        if declared and not warned:
            item.comparison_traceback = ["The tag shows-warning, and yet no warning."]
            return False
        shown = [out for out in test if out.get("name") != "stderr"]
        return plain_compare(map(in_words, shown), map(in_words, ref), skip_compare)

    item.sanitize, item.compare_outputs = sanitize, compare_outputs
