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
from book import drawing

from companion.book.plotting import SMALL, WIDTH
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
    output = nbformat.v4.new_output("display_data", {"image/svg+xml": data})
    cell = code("plt.show()", [output])
    cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return cell


ALT = "Two curves that meet at the origin and then part."
CLOSED = text("\n".join(f"## {heading}" for heading in chapter_rules.CLOSING))
PREDICTS = text("> **Predict.** A sign?\n\n" * 4)
ESSENTIAL, DEEPER = (f"## Why?\n\n*{mark} · 5 minutes.*" for mark in ("Essential", "Deeper"))
PROMPT = text("Words.\n\n> **Predict.** A sign?\n> - plus\n> - minus")
ANSWERED = text("<details><summary>Answer</summary>\n\nPlus.\n\n</details>")
OPENED = (
    "# Topic\n\n*The question?*\n\n**You will** see. **You need** exp. **About 5 minutes.**"
)
CHECKED = ["hide-cell", "checked"]
MOVES = '<div class="interactive" data-figure="race">\n\nBalls.\n\n</div>'
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
    "only_known_tags": (
        [code("1", tags=["hide-input", "takes-2-minutes", "code-of-race"])],
        [code("1", tags=["hidden"])],
    ),
    "folds_say_what_is_in_them": (
        [
            code("# the sum is 1\nassert 1", tags=CHECKED),
            code("1", tags=["hide-input", "figure"]),
        ],
        [code("assert 1", tags=["hide-cell"])],
    ),
    "answers_stand_after_what_they_answer": (
        [PROMPT, code("p"), ANSWERED],
        [PROMPT, code("p"), text("Plus, as you see."), ANSWERED],
    ),
    "sections_say_whether_they_are_essential": (
        [text("## Why?\n\n*Deeper · 5 minutes · needs an integral.*\n\nSo."), CLOSED],
        [text("## Why?\n\nSo.")],
    ),
    "opens_as_every_chapter": ([text(OPENED)], [text(OPENED.replace("*The question?*", ""))]),
    "shown_code_runs_as_shown": (
        [code("x = 1"), code("# x\ny = x", tags=CHECKED), code("y = 2"), code("y")],
        [code("x = 1"), code("# x\ny = x", tags=CHECKED), code("y")],
    ),
    "the_page_has_all_that_its_code_needs": (
        [code("g = sum"), code("def f():\n    return f() or g()"), code("f()")],
        [code("import os", tags=["remove-cell"]), code("os.name")],
    ),
    "settings_stand_with_the_imports": (
        [code("import os", tags=["remove-cell"]), code("book_style()"), code("y = 1")],
        [code("y = 1"), code("np.set_printoptions(precision=3)")],
    ),
    "waits_are_announced": (
        [
            code("x = wait()", tags=["takes-20-seconds"]),
            code("y = x", tags=["takes-20-seconds"]),
            code("x = 1"),
            code("x"),
        ],
        [code("x = wait()", tags=["takes-20-seconds"]), code("def f():\n    return x")],
    ),
    "a_moving_figure_has_one_cell_as_its_code": (
        [text(MOVES), code("1", tags=["code-of-race"]), code("2")],
        [text(MOVES), code("1", tags=["code-of-race"]), code("2", tags=["code-of-race"])],
    ),
    "short_path_runs_alone": (
        [code("x = 1"), text(DEEPER), code("y = x"), text(ESSENTIAL), code("x")],
        [code("x = 1"), text(DEEPER), code("y = x"), text(ESSENTIAL), code("y")],
    ),
    "no_line_ends_in_a_semicolon": ([code("1")], [code("plot();")]),
    "no_path_of_a_machine": ([code("1")], [code("open('/home/me/x')")]),
    "figures_can_be_seen_and_read_aloud": (
        [picture(drawing(), ALT)],
        [picture(drawing(curve=False), ALT)],
    ),
    "formulas_are_evaluated": (
        [text("$$\nx\n$$"), code("assert x == y")],
        [text("$$\nx\n$$"), code("x == y")],
    ),
    "formulas_keep_one_notation": (
        [text(r"$\operatorname{KL}(q \,\|\, p) = p^\top T$, $H(t, p)$")],
        [text(r"$x^T$ or $H(p, t)$")],
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


SPOILED = {
    "remove-cell": [code("assert 1", tags=["remove-cell"])],
    "two names": [code("# so\n1", tags=["hide-cell", "checked", "figure"])],
    "no comment": [code("assert 1", tags=CHECKED)],
}


@pytest.mark.parametrize("cells", SPOILED.values(), ids=SPOILED)
def test_what_is_in_a_fold_is_said(cells):
    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(cells))
    assert list(chapter_rules.folds_say_what_is_in_them(notebook)) != []


OFF_THE_PAGE = {
    "read by a function": [code("def f():\n    return np.e"), code("f()")],
    "bound below": [code("x + 1"), code("x = 1")],
    "bound below, for a function": [code("def f():\n    return x"), code("x = 1"), code("f()")],
    "the name of an error, later": [
        code("try:\n    pass\nexcept OSError as e:\n    print(e)"),
        code("[y for y in range(3)]"),
        code("y"),
    ],
}


@pytest.mark.parametrize("cells", OFF_THE_PAGE.values(), ids=OFF_THE_PAGE)
def test_a_name_that_the_page_does_not_bind_is_found(cells):
    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(cells))
    assert len(list(chapter_rules.the_page_has_all_that_its_code_needs(notebook))) == 1


WRONG_TAGS = {
    "only_known_tags": [["takes-1-minutes"], ["takes-0-seconds"], ["code-of-"], ["takes-long"]],
    "waits_are_announced": [["takes-20-seconds", "takes-2-minutes"]],
    "a_moving_figure_has_one_cell_as_its_code": [["code-of-race"]],  # there is none
}


@pytest.mark.parametrize("rule", WRONG_TAGS)
def test_a_tag_that_misleads_the_page_is_found(rule):
    for tags in WRONG_TAGS[rule]:
        notebook = nbformat.v4.new_notebook(cells=[code("1", tags=tags)])
        assert list(getattr(chapter_rules, rule)(notebook)) != [], tags


OTHER_LETTERS = [
    r"p^{\mathsf T}",
    r"\ln p",
    r"KL(t, p)",
    r"D_{KL}",
    r"\operatorname{KL}(t \| p)",
    r"\operatorname{KL}(p \,\|\, t)",
    r"H(p, t)",
    r"softmax(z)",
]


@pytest.mark.parametrize("formula", OTHER_LETTERS)
def test_another_notation_is_found(formula):
    notebook = nbformat.v4.new_notebook(cells=[text(f"So ${formula}$.")])
    assert list(chapter_rules.formulas_keep_one_notation(notebook)) != []


UNREADABLE = {
    "file name": picture(drawing(), "_images/fb932db0aaaaaaaaaaaaaaaaaaaaaaaaaaaa.png"),
    "two texts for one figure": picture(drawing(), f"{ALT}\n{ALT}"),
    "too wide": picture(drawing(inches=WIDTH + 1), ALT),
    "too small": picture(drawing(points=SMALL - 1), ALT),
}


@pytest.mark.parametrize("cell", UNREADABLE.values(), ids=UNREADABLE)
def test_a_figure_that_cannot_be_read_is_found(cell):
    notebook = nbformat.v4.new_notebook(cells=[copy.deepcopy(cell)])
    assert list(chapter_rules.figures_can_be_seen_and_read_aloud(notebook)) != []


def test_a_figure_is_the_same_each_time():
    assert drawing() == drawing()


def test_a_generator_of_the_shown_code_is_not_drawn_from():
    cells = [code("rng = make()"), code("# noise\nassert rng.normal()", tags=CHECKED)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert list(chapter_rules.shown_code_runs_as_shown(notebook)) != []


SVG = '<svg><path d="{}"/><text>{}</text></svg>'
# One cell, what it stores, its tags, and whether `make test` shall accept it.
PLAIN = "<IPython.core.display.SVG object>"
SHOW = "from IPython.display import SVG, display; display(SVG('{}'))"
COMPARED = {
    "figure": (SHOW.format(SVG.format(1, "2.0")), SVG.format(9, "2.0001"), [], True),
    "label of a figure": (SHOW.format(SVG.format(1, "loss")), SVG.format(1, "p"), [], False),
    "curve less": (SHOW.format("<svg><text>p</text></svg>"), SVG.format(1, "p"), [], False),
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
        outputs = []
        if stored.startswith("<svg"):
            data = {"image/svg+xml": stored, "text/plain": PLAIN}
            outputs = [nbformat.v4.new_output("display_data", data)]
        elif stored:
            outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
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
