"""Cells and exercises run in the built pages: what a reader of the NumPy chapters may count on.

The pages are served below a path, as some hosts of files have them, and opened in Chromium,
every other place blocked. The exercises of a chapter are answered once, for all that is asked
of them; another page of one chapter is for all that is asked of cells. Lost connections,
answers that are meant to do harm and Python from elsewhere are in tests/test_live_trouble.py.
"""

import gzip
import itertools
import json
import re
import subprocess
import sys
import tomllib

import layout
import pytest
from judged import ANSWERS, typed
from judged import exercises as exercises_of
from live_page import CHAPTERS, CHECK, STORED, sources, visiting
from test_browser import ROOT, SETTINGS, Visit, faults

from companion.exercises.result import State
from tools.approx import Approx

MOST_KB = 6  # of the runner, before a button is pressed
MOST, NOTE = 50_000, 3_000  # characters that a run shows, and those of its last words
RUNNER = ["live.css", "live.js"]
# What is fetched with the first press, whatever is run, besides NumPy.
START = {
    "session.mjs",
    "worker.mjs",
    "pyodide.mjs",
    "pyodide-lock.json",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "python.zip",
}
WITHOUT_BUTTONS = ("distillation", "framework_equivalents", "language_model", "pitfalls")
WIDE = "wider than its box: long long"  # what a test prints may be wider, and scrolls
ZOOMED = (640, "light")  # a window of 1280 pixels at 200 %
# What the runner adds to a page.
OURS = tuple(f".live-{part}" for part in "bar button editor note progress said".split())
# One cell of each kind: print, a prompt's, figure, source, SciPy, digits.
KINDS = ("shares:", "tied = ", "smooth version", "show_source(", "brentq", "data = digits()")
LOGITS, SHARES = "logits = np.array([[2", "shares:"  # the second needs the first


@pytest.fixture(scope="module")
def derivation(site, chromium):
    """A chapter in which Python runs."""
    with visiting(chromium, site) as visit:
        yield visit("chapters/derivation")


@pytest.fixture
def chapter(derivation):
    """The same, each cell as it was."""
    yield derivation
    derivation.must_be_innocent()
    derivation.page.evaluate(
        """() => [...document.querySelectorAll(".live-bar button:not([hidden])")]
        .filter(button => button.textContent === "Reset").forEach(button => button.click())"""
    )


# Before a button is pressed.


def test_the_runner_is_light(html):
    files = [html / "_static" / name for name in RUNNER]
    assert sum(len(gzip.compress(file.read_bytes(), 6)) for file in files) < 1000 * MOST_KB


def test_only_pages_that_run_cells_and_the_front_page_load_the_runner(html):
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        runs = page.parent.name == "chapters" and page.stem in {*CHAPTERS, "index"}
        for file in RUNNER:
            assert (file in text) == runs, page


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_with_buttons_is_without_fault_and_fetches_the_runner_alone(visit, name):
    live = visit(f"chapters/{name}")
    assert found_in(live, OURS, but="") == []
    buttons = live.page.locator(".live-bar button:first-child").all_text_contents()
    assert len(buttons) == len(sources(name))
    assert {re.sub(r" \(about .*\)", "", button) for button in buttons} == {"Run", "Check"}
    assert live.files() == RUNNER


def found_in(live, places, but):
    """What is wrong with a page in any setting; of the rest of it axe-core looks elsewhere."""
    found = []
    for setting in (*SETTINGS, ZOOMED):
        live.look(*setting)
        found += [*faults(live, live.name)]
        if setting in SETTINGS:
            found += [f for f in layout.faults(live.page, setting[0]) if WIDE not in f]
        if setting in SETTINGS[::3]:  # wide and light, narrow and dark
            found += [f"{setting}: {v}" for v in live.violations_of(*places)]
    return [fault for fault in found if not (but and fault.startswith(but))]


@pytest.mark.parametrize(
    "missing", ["delete window.WebAssembly", "delete window.Worker", "JavaScript", "a server"]
)
def test_where_cells_cannot_run_the_page_is_as_it_was(visit, html, chromium, missing):
    if missing == "a server":
        context = chromium.new_context()
        page = Visit(context, html / "chapters" / "derivation.html").page
    elif missing == "JavaScript":
        page = visit("chapters/derivation", java_script_enabled=False).page
    else:
        page = visit("chapters/derivation", scripts=[missing]).page
    article = page.locator("article")
    assert article.locator(".cell button:not(.copybtn), textarea, .live-progress").count() == 0
    assert not article.locator(".live-note").is_visible()
    assert article.locator(".where-to-run").inner_text().startswith("Run them in a notebook")
    assert "def cross_entropy(p, q):" in article.inner_text()
    if missing == "a server":
        context.close()


@pytest.mark.parametrize("name", WITHOUT_BUTTONS)
def test_a_chapter_that_imports_a_framework_says_why_it_has_no_buttons(visit, name):
    page = visit(f"chapters/{name}").page
    assert page.locator(".live-bar, .live-editor, .live-said").count() == 0
    note = page.locator(".live-note")
    assert note.count() == 1
    assert note.is_visible()
    assert "do not run in the page: they import PyTorch, TensorFlow or Keras" in (
        note.inner_text()
    )
    for link in note.locator("a").all():
        assert page.request.head(link.evaluate("link => link.href")).ok


def test_slow_cells_say_how_long_they_take(visit):
    live = visit("chapters/mse_vs_cross_entropy")
    cell = live.cell("curves = {}")
    assert cell.buttons() == ["Run (about 2 minutes)", "Edit"]


def test_the_code_of_a_figure_with_sliders_is_a_button_away(visit):
    live = visit("chapters/derivation")
    for figure, words in {"logits": "b = 100.0", "temperature": "tied = "}.items():
        box = live.page.locator(f'.interactive[data-figure="{figure}"]')
        box.get_by_role("button", name="The code of this").click()
        cell = live.cell(words)
        assert cell.button("Run").evaluate("button => button === document.activeElement")
        assert cell.node.locator("pre").first.is_visible()


# The editor.


def active(live):
    """What has the focus."""
    return live.page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName"
    )


def test_the_keyboard_goes_from_the_editor_to_check_and_reset(visit):
    live = visit("chapters/derivation")
    cell = live.cell("cross_entropy")
    cell.editor.focus()
    assert active(live) == "Python code of cross_entropy"
    live.page.keyboard.press("Control+End")
    live.page.keyboard.type("  # mine")
    stops = []
    for _ in range(3):
        live.page.keyboard.press("Tab")
        stops.append(active(live))
    assert stops[:2] == ["Check cross_entropy", "Reset cross_entropy"]
    assert "cross_entropy" not in stops[2].split()
    for _ in range(3):
        live.page.keyboard.press("Shift+Tab")
    assert active(live) == "Python code of cross_entropy"


def test_the_editor_indents_and_undoes(visit):
    live = visit("chapters/derivation")
    cell, keyboard = live.cell("cross_entropy"), live.page.keyboard
    stub = cell.editor.input_value()
    cell.editor.focus()
    keyboard.press("Control+a")  # by keys, or Undo would not know of it
    keyboard.press("Delete")
    for line in ("def f(x):  # a loop", "for i in x:", "print(i)"):
        keyboard.type(line)
        keyboard.press("Enter")
    keyboard.press("Backspace")
    keyboard.type("return [")
    lines = ["def f(x):  # a loop", "    for i in x:", "        print(i)", "    return ["]
    assert cell.editor.input_value().splitlines() == lines
    while (before := cell.editor.input_value()) != stub:
        keyboard.press("Control+z")
        assert cell.editor.input_value() != before


LETTERS = """cell => {
  const [text, letters] = [cell.querySelector("textarea"), cell.querySelector(".live-letters")];
  const [a, b] = [text.getBoundingClientRect(), letters.getBoundingClientRect()];
  const fonts = [text, letters].map(e => getComputedStyle(e)).map(
    s => [s.fontFamily, s.fontSize, s.lineHeight, s.letterSpacing, s.paddingLeft].join());
  const gaps = ["left", "top", "width", "height"].map(k => Math.abs(a[k] - b[k]));
  return { apart: Math.max(...gaps), fonts: new Set(fonts).size,
    hidden: text.scrollHeight - text.clientHeight,
    same: letters.textContent === text.value + "\\n",
    size: parseFloat(getComputedStyle(text).fontSize) };
}"""


@pytest.mark.parametrize("touch", [False, True])
def test_the_letters_lie_below_the_text_that_is_edited(visit, touch):
    size = {"viewport": {"width": 360, "height": 800}}
    live = visit("chapters/derivation", has_touch=touch, is_mobile=touch, **size)
    cell = live.cell("cross_entropy")
    long = "x" * 200
    for text in ("", "'''", 'a = "<b>&" # it\n\n', f"y = '{long}'\n", "def f():\n\treturn 1"):
        cell.editor.fill(text)
        found = cell.node.evaluate(LETTERS)
        assert found["apart"] < 1, text
        assert (found["fonts"], found["same"]) == (1, True)
        assert found["hidden"] <= 0
        assert found["size"] >= (16 if touch else 12)  # a phone zooms into what is smaller
        assert live.overhang() <= 0


# What is kept.


def kept(live):
    return live.page.evaluate("Object.entries(localStorage)")


def test_an_answer_is_kept_under_path_and_name_until_it_is_reset(visit):
    live = visit("chapters/derivation")
    before = {key for key, _ in kept(live)}
    cell = live.cell("cross_entropy")
    stub = cell.editor.input_value()
    cell.editor.fill("# mine")
    live.cell("negative_log_likelihood").editor.fill("# mine, too")
    keys = {key for key, _ in kept(live)} - before
    path = re.sub("https?://[^/]+", "", live.site)
    assert all(f"{path}/chapters/derivation" in key for key in keys)
    assert {key.split()[-1] for key in keys} == {"cross_entropy", "negative_log_likelihood"}
    live.load()
    assert cell.editor.input_value() == "# mine"
    cell.press("Reset")
    assert cell.editor.input_value() == stub
    assert active(live) == "Check cross_entropy"
    live.load()
    assert cell.editor.input_value() == stub
    assert live.cell("negative_log_likelihood").editor.input_value() == "# mine, too"


FULL = """for (let text = "x".repeat(2 ** 20), n = 0; text; n++)
  try { localStorage.setItem(`other ${n}`, text); }
  catch { text = text.slice(text.length / 2 + 1); }"""


def test_a_store_that_is_full_stops_nothing(visit):
    live = visit("chapters/derivation", scripts=[FULL])
    cell = live.cell("cross_entropy")
    cell.editor.fill("# mine")
    assert not any("cross_entropy" in key for key, _ in kept(live))
    assert cell.editor.input_value() == "# mine"
    cell.press("Reset")
    assert "def cross_entropy" in cell.editor.input_value()
    live.forgive_others()


FORBIDDEN = """Object.defineProperty(window, "localStorage",
  { get() { throw new DOMException("no", "SecurityError"); } })"""


def test_a_store_that_is_forbidden_stops_nothing(visit):
    live = visit("chapters/derivation", scripts=[FORBIDDEN])
    assert live.errors  # the theme's: it is forbidden
    cell = live.cell("uniform_bits")
    assert "Correct" in cell.run(answer("derivation", "uniform_bits", "right"))
    progress = live.page.locator(".live-progress").inner_text()
    assert progress.startswith("1 of 6 solved")
    cell.press("Reset")
    assert live.page.locator(".live-progress").inner_text().startswith("0 of 6 solved")
    live.forgive_others()


# The exercises.


def answer(chapter, name, kind):
    """The text of an exercise's cell with an answer in it."""
    if kind == "right":
        source = exercises_of(chapter)[name].answer
    else:
        file = ANSWERS / f"{chapter}.toml"
        entries = tomllib.loads(file.read_text(encoding="utf-8"))["wrong"]
        source = next(entry["source"] for entry in entries if entry["exercise"] == name)
    return f"{source.strip()}\n\nex.{name}.check({name})\n"


class Answered:
    """A chapter whose exercises were checked in the page: untouched, wrong, right."""

    def __init__(self, live):
        self.live, self.chapter = live, live.name.rpartition("/")[2]
        self.exercises = exercises_of(self.chapter)
        self.names = CHECK.findall("\n".join(sources(self.chapter)))
        self.untouched = {name: live.cell(name).run() for name in self.names}
        self.wrong = {name: self.checked(name, "wrong") for name in self.names}
        self.right = {name: self.checked(name, "right") for name in self.names}
        self.files, self.heard = live.files(), live.heard()
        self.progress = live.page.locator(".live-progress").inner_text()

    def checked(self, name, kind):
        return self.live.cell(name).run(answer(self.chapter, name, kind))

    def exported(self, folder):
        """The file that the page gives."""
        with self.live.page.expect_download() as download:
            self.live.page.get_by_role("button", name="Export my answers").click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file


@pytest.fixture(scope="module", params=CHAPTERS)
def answered(site, chromium, request):
    with visiting(chromium, site) as visit:
        yield Answered(visit(f"chapters/{request.param}"))


def words(text):
    return " ".join(re.sub(r"[`*]", "", text).split())


def test_exercises_are_judged_in_the_page(answered):
    assert set(answered.names) == set(answered.exercises)
    for name, exercise in answered.exercises.items():
        assert "Not attempted." in answered.untouched[name]
        native = exercise.check(
            typed(exercise, answer(answered.chapter, name, "wrong").partition("\n\nex.")[0])
        )
        assert native.state is not State.CORRECT
        assert words(native.message) in words(answered.wrong[name])
        assert "Correct" in answered.right[name]


def test_exercises_fetch_no_package_but_numpy(answered):
    assert answered.files[:2] == RUNNER
    rest = answered.files[2:]
    assert len(rest) == len(set(rest))
    (package,) = set(rest) - START
    assert re.match(r"numpy-.*\.whl$", package)
    assert {*rest} >= START


def test_the_result_of_a_check_is_read_out_by_the_one_region_for_it(answered):
    assert answered.live.page.locator("[role=status]:not(.interactive *)").count() == 1
    heard = "\n".join(answered.heard)
    for name in answered.names:
        assert f"{name}: … Not attempted." in heard
        assert re.search(rf"{name}: ✘", heard)
        assert re.search(rf"{name}: .*Correct", heard)
    assert not [a for a, b in itertools.pairwise(answered.heard) if a == b]


def test_progress_is_counted_here_and_on_the_front_page(answered):
    page, count = answered.live.page, len(answered.names)
    assert answered.progress.startswith(f"{count} of {count} solved")
    front = page.context.new_page()
    front.goto(f"{answered.live.site}/chapters/index.html")
    title = re.sub(r"^\d+\. ", "", page.title().split(" — ")[0])
    overview = front.locator(".live-overview").inner_text()
    assert re.search(rf"Solved in this browser: {title} {count} of {count}\.", overview)
    front.close()


def test_what_is_exported_is_judged_as_all_right(answered, tmp_path):
    file = answered.exported(tmp_path)
    assert file.suffix == ".py"
    judged = judge(file)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert judged.stdout.count("Correct") >= len(answered.names)


def judge(file):
    return subprocess.run(
        [sys.executable, "-m", "companion.exercises", "check", file],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_page_whose_cells_have_run_is_without_fault(answered):
    live, first = answered.live, answered.live.cells()[0]
    figure = next(cell for cell in live.cells() if cell.is_light_figure())
    figure.run()
    first.run("x = 'long ' * 60\nprint(x)\n1 / 0  # and an error")
    live.cells()[1].press("Edit")
    layout.unfold(live.page)
    found = found_in(live, [*OURS, ".cell:has(.live)"], but=layout.SEEN)
    if answered.chapter == CHAPTERS[0]:  # once of the whole: names, landmarks, headings
        live.lighten()
        found += live.violations()
    first.press("Reset")
    assert found == []


# Cells.


def same(got, want):
    return [*map(Approx, got)] == [*map(Approx, want)]


def test_cells_of_each_kind_give_the_stored_output_in_any_order(chapter):
    stored = {kind: chapter.cell(kind).stored() for kind in KINDS}
    assert all(stored.values())
    for kind in (*KINDS, *reversed(KINDS)):
        cell = chapter.cell(kind)
        cell.run()
        assert same(cell.words(), stored[kind]), kind
        assert re.fullmatch(r"Done in \d+\.\d s\.", cell.status.text_content())


def test_all_that_is_shipped_can_be_imported(chapter):
    text = (ROOT / "tools" / "python_files.json").read_text(encoding="utf-8")
    packages = json.loads(text)["lock"]["packages"].values()
    modules = {module for package in packages for module in package["imports"]}
    tops = sorted({module.partition(".")[0] for module in modules})
    assert {"PIL", "numpy", "scipy", "sklearn"} <= set(tops)
    cell = chapter.cell(LOGITS)
    cell.run("".join(f"import {name}\n" for name in tops) + "print('all there')")
    assert "all there" in "".join(cell.words())


def test_an_exercise_without_its_last_line_says_so(chapter):
    cell = chapter.cell("uniform_bits")
    cell.run("uniform_bits = 2")
    assert "the last line must be ex.uniform_bits.check" in cell.status.text_content()


def test_an_edited_cell_counts_as_edited_for_those_below(chapter):
    below, above = chapter.cell(SHARES), chapter.cell(LOGITS)
    stored = below.stored()
    above.write("import numpy as np\nlogits = np.array([[6.0, 2.0, 1.0, 1.0]])")
    assert "0.6 0.2 0.1 0.1" in re.sub(r" +", " ", below.run())
    above.press("Reset")
    below.run()
    assert same(below.words(), stored)


def test_an_error_in_a_cell_above_names_the_cell(chapter):
    below, above = chapter.cell(SHARES), chapter.cell(LOGITS)
    above.write("logits = [[1, 2]]\nlogits[0][5]  # too far")
    text = below.run()
    assert text.startswith(f"In cell {above.number}, which this one needs:")
    assert "logits[0][5]  # too far" in text
    assert "IndexError: list index out of range" in text
    assert text.endswith("Stopped at an error.")


def test_a_traceback_has_the_lines_of_the_reader_and_no_others(chapter):
    cell = chapter.cell(LOGITS)
    text = cell.run("def f(x):\n    return 1 / x\n\n\nf(0)")
    lines = re.findall(r'File "(.*)", line (\d+)', text)
    assert lines == [(f"<cell {cell.number}>", "5"), (f"<cell {cell.number}>", "2")]
    assert "return 1 / x" in text
    assert "ZeroDivisionError: division by zero" in text


def test_a_prompt_opens_its_fold_after_the_run_and_shows_the_output_once(chapter):
    cell = chapter.cell("tied = ")
    fold = cell.node.locator("xpath=following::details[contains(@class, 'gives')][1]")
    fold.evaluate("fold => { fold.open = false; }")
    stored = cell.stored()
    cell.run()
    assert fold.evaluate("fold => fold.open")
    assert same(cell.words(), stored)
    outputs = fold.locator(":scope > .cell > .cell_output").all()
    assert [output.is_visible() for output in outputs] == [False]
    cell.press("Reset")
    assert [output.is_visible() for output in outputs] == [True]
    assert cell.shown.count() == 0


INKS = """boxes => boxes.flatMap(box => [...box.querySelectorAll("svg *")]
  .map(e => getComputedStyle(e)).map(s => `${s.fill} ${s.stroke} ${s.fontFamily}`))"""


def test_a_figure_is_drawn_in_the_ink_of_the_page(chapter):
    cell = chapter.cell("smooth version")
    cell.run()
    seen = []
    for scheme in ("light", "dark"):
        chapter.look(1280, scheme)
        drawn = cell.shown.evaluate_all(INKS)
        assert drawn == cell.node.evaluate(f"cell => ({INKS})(({STORED})(cell))")
        assert len(set(drawn)) > 3
        seen.append(drawn)
    chapter.look(1280, "light")
    assert seen[0] != seen[1]


def test_a_figure_of_an_edited_cell_says_that_it_is_another(chapter):
    cell = chapter.cell("smooth version")
    text = cell.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert "Done" in text
    (figure,) = cell.words()
    assert figure.startswith(f"Figure drawn by cell {cell.number}")
    assert not set(cell.stored()) & {figure}


def test_a_figure_is_read_out_by_its_description(chapter):
    cell = chapter.cell("smooth version")
    chapter.heard()
    cell.run()
    said = chapter.said()
    assert "figure" in said or "the maximum jumps" in said
    assert "−4\n−2" not in said


@pytest.mark.parametrize(
    "source",
    [
        "print('x' * 10**6)",
        "for i in range(10**5):\n    print('spam', i)",
        "list(range(10**6))",
        "raise ValueError('x' * 10**6)",
        "class A:\n    def _repr_html_(self):\n        return '<p>' + 'x' * 10**6\n"
        "    def __repr__(self):\n        return 'y' * 10**6\nA()",
        "print('x' * 49_990)\nprint('y' * 49_990)\n'z' * 49_990",
        "import sys\nprint('x' * 49_990)\nprint('y' * 49_990, file=sys.stderr)",
        "print('x' * 49_990)\nraise ValueError('z' * 49_990)",
    ],
)
def test_no_run_shows_more_than_so_many_characters(chapter, source):
    cell = chapter.cell(LOGITS)
    cell.run(source)
    assert 1000 < len(cell.shown.inner_text()) <= MOST + NOTE


def test_markup_that_a_cell_gives_runs_no_script(chapter):
    cell = chapter.cell(LOGITS)
    markup = "<b>bold</b><script>hit = 1</script>"
    source = f"class A:\n    def _repr_html_(self):\n        return {markup!r}\nA()"
    assert "bold" in cell.run(source)
    assert chapter.page.evaluate("typeof hit") == "undefined"


# Stop.


def test_an_endless_cell_is_stopped_and_another_is_refused_meanwhile(chapter):
    endless, other = chapter.cell(LOGITS), chapter.cell("uniform_bits")
    other.run()
    endless.write("print('on', flush=True)\nwhile True:\n    pass")
    chapter.heard(), chapter.longest()
    endless.start()
    assert endless.buttons()[0] == "Stop"
    chapter.page.wait_for_timeout(300)
    other.press("Check")
    assert other.status.text_content() == "Another cell is running. Stop it first."
    assert "uniform_bits: Another cell is running. Stop it first." in chapter.heard()
    chapter.page.wait_for_timeout(1000)
    assert chapter.longest() < 1
    endless.press("Stop")
    assert "Stopped." in endless.ended(5000)
    assert "on" in endless.text()
    assert endless.buttons()[0] == "Run"
    assert "Correct" in other.run(answer("derivation", "uniform_bits", "right"))


def test_an_answer_is_checked_by_the_keyboard_alone(chapter):
    cell = chapter.cell("uniform_bits")
    cell.editor.focus()
    chapter.page.keyboard.press("Control+a")
    chapter.page.keyboard.type("uniform_bits = 3\nex.uniform_bits.check(uniform_bits)")
    cell.node.evaluate("cell => delete cell.dataset.ran")
    chapter.page.keyboard.press("Control+Enter")
    assert "✘" in cell.ended()
    assert active(chapter) == "Python code of uniform_bits"


def test_a_half_done_chapter_is_exported_as_it_is(chapter, tmp_path):
    chapter.cell("uniform_bits").write(answer("derivation", "uniform_bits", "right"))
    chapter.cell("cross_entropy").write(answer("derivation", "cross_entropy", "wrong"))
    file = Answered.exported(type("", (), {"live": chapter}), tmp_path)
    judged = judge(file)
    assert judged.returncode == 1
    lines = {
        name: line for line in judged.stdout.splitlines() for name in re.findall(r"\w+", line)
    }
    assert "Correct" in lines["uniform_bits"]
    assert "Correct" not in lines["cross_entropy"]


def test_nothing_to_export_is_said(chapter):
    progress = chapter.page.locator(".live-progress")
    progress.get_by_role("button").click()
    assert "There is no answer yet" in progress.inner_text()
    assert "There is no answer yet" in chapter.said()
