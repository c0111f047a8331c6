"""How nbval compares notebooks: floats within a tolerance, warnings only where declared.

Strict nbval compares text to the letter, which no float survives on another processor.
Here words and integers must be equal and floats within `tools.approx.RTOL`. Whatever a
cell writes to stderr is not compared, but a Python warning in it fails the cell, unless
the cell is tagged `shows-warning`; then a missing warning fails it.

It stands above the tests of the core, too, which must start where there is nothing but NumPy,
pytest and Hypothesis. So it imports no more than the standard library.
"""

import os
import re

from tools.approx import Approx
from tools.environment import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # kernels inherit it

WARNING = re.compile(r"^.*\b\w*Warning: .*$", re.MULTILINE)


def pytest_itemcollected(item):
    if type(item).__name__ != "IPyNbCell":
        return
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
        return plain_compare(shown, ref, skip_compare)

    item.sanitize, item.compare_outputs = sanitize, compare_outputs
