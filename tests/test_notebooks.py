"""The stored chapters: canonical, complete, and as the book promises. nbval does the rest.

The last tests plant faults, because a rule that nobody has seen fail is not a rule.
"""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from tools import chapter_rules
from tools.refresh import canonical

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return request.param


def read(path):
    return nbformat.read(path, as_version=4)


def test_every_chapter_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    pages = [*CHAPTERS, *(ROOT / "chapters").glob("*.md")]
    assert sorted(listed) == sorted(f"chapters/{page.stem}" for page in pages)


def test_is_stored_in_canonical_form(chapter):
    stored = chapter.read_text(encoding="utf-8")
    written = nbformat.writes(canonical(nbformat.reads(stored, as_version=4))) + "\n"
    assert written == stored, "run make refresh"


def test_is_small_enough_to_open_anywhere(chapter):
    assert chapter.stat().st_size < chapter_rules.NOTEBOOK_LIMIT


@pytest.mark.parametrize("rule", chapter_rules.RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_rules(chapter, rule):
    assert list(rule(read(chapter))) == []


def test_computes_with_no_type_that_differs_between_systems(chapter):
    # Long double has 64, 80 or 128 bits; the integer that is called long 32 or 64.
    sources = [cell.source for cell in read(chapter).cells if cell.cell_type == "code"]
    for name in ("longdouble", "float128", "np.long"):
        assert not [source for source in sources if name in source], name


# Planted faults.


def code(source, outputs=(), tags=(), count=1):
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=count)
    cell.metadata["tags"] = list(tags)
    return cell


def text(source):
    return nbformat.v4.new_markdown_cell(source)


def picture(data, alt):
    output = nbformat.v4.new_output("display_data", {"image/png": data})
    cell = code("plt.show()", [output])
    cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return cell


def some_pictures():
    """A blank and a drawn PNG, in base64."""
    import base64
    import io

    import matplotlib.image
    import numpy as np

    for pixels in (np.ones((4, 4, 3)), np.random.default_rng(0).random((4, 4, 3))):
        buffer = io.BytesIO()
        matplotlib.image.imsave(buffer, pixels, format="png")
        yield base64.b64encode(buffer.getvalue()).decode()


BLANK, DRAWN = some_pictures()
ALT = "Two curves that meet at the origin and then part."
CLOSED = text("\n".join(f"## {heading}" for heading in chapter_rules.CLOSING))
PREDICTS = text("> **Predict.** A sign?\n\n" * 4)
ERROR = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
STREAM = nbformat.v4.new_output("stream", name="stdout", text="p = 0.2447\n")

GOOD_AND_BAD = {
    "every_cell_was_run_in_order": ([code("1")], [code("1", count=None)]),
    "errors_are_declared": ([code("1", [ERROR], ["raises-exception"])], [code("1", [ERROR])]),
    "cells_are_small": ([code("1\n" * 15)], [code("1\n" * 16)]),
    "prose_stands_between_code": (
        [code("1"), code("2"), code("3", tags=["remove-cell"]), text("so"), code("4")],
        [code("1"), code("2"), code("3")],
    ),
    "only_known_tags": ([code("1", tags=["hide-input"])], [code("1", tags=["hidden"])]),
    "no_line_ends_in_a_semicolon": ([code("1")], [code("plot();")]),
    "no_path_of_a_machine": ([code("1")], [code("open('/home/me/x')")]),
    "figures_can_be_seen_and_read_aloud": ([picture(DRAWN, ALT)], [picture(BLANK, ALT)]),
    "formulas_are_evaluated": (
        [text("$$\nx\n$$"), code("assert x == y")],
        [text("$$\nx\n$$"), code("x == y")],
    ),
    "numbers_in_prose_come_from_a_cell": (
        [text("So p is 0.245, or 24.5 %."), code("p", [STREAM])],
        [text("So p is 0.246."), code("p", [STREAM])],
    ),
    "closes_as_every_chapter": ([CLOSED], [CLOSED, text("## More")]),
    "asks_the_reader_to_predict": ([PREDICTS], [CLOSED]),
}


@pytest.mark.parametrize("rule", chapter_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_rule_tells_good_from_bad(rule):
    good, bad = GOOD_AND_BAD[rule.__name__]
    assert list(rule(nbformat.v4.new_notebook(cells=copy.deepcopy(good)))) == []
    assert list(rule(nbformat.v4.new_notebook(cells=copy.deepcopy(bad)))) != []


def test_an_alt_text_is_no_file_name():
    cells = [picture(DRAWN, "_images/fb932db0aaaaaaaaaaaaaaaaaaaaaaaaaaaa.png")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert list(chapter_rules.figures_can_be_seen_and_read_aloud(notebook)) != []


# One cell, what it stores, its tags, and whether `make test` shall accept it.
COMPARED = {
    "equal": ("print(0.125, 7)", "0.125 7\n", [], True),
    "float within the tolerance": ("print(0.125, 7)", "0.12506 7\n", [], True),
    "float outside the tolerance": ("print(0.125, 7)", "0.1253 7\n", [], False),
    "tiny float": ("print(4.25e-18)", "4.26e-18\n", [], False),
    "sign": ("print(0.125)", "-0.125\n", [], False),
    "integer": ("print(0.125, 7)", "0.125 8\n", [], False),
    "word": ("print('shifted 0.125')", "naive 0.125\n", [], False),
    "one number less": ("print(0.125, 0.5)", "0.125\n", [], False),
    "warning declared": ("import warnings; warnings.warn('w')", "", ["shows-warning"], True),
    "warning not declared": ("import warnings; warnings.warn('w')", "", [], False),
    "declared warning missing": ("print(0.5)", "0.5\n", ["shows-warning"], False),
    "error": ("raise ValueError", "", [], False),
}


def test_nbval_accepts_and_refuses_as_stated(tmp_path):
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name, (source, stored, tags, _) in COMPARED.items():
        outputs = (
            [nbformat.v4.new_output("stream", name="stdout", text=stored)] if stored else []
        )
        notebook = nbformat.v4.new_notebook(cells=[code(source, outputs, tags)])
        nbformat.write(notebook, tmp_path / f"{name.replace(' ', '_')}.ipynb")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rA", "-q"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    for name, (*_, accepted) in COMPARED.items():
        line = f"{'PASSED' if accepted else 'FAILED'} {name.replace(' ', '_')}.ipynb"
        assert line in run.stdout, f"{name}\n{run.stdout[-3000:]}"
