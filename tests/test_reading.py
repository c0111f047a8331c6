"""How a chapter is laid out on its page: folds, guesses, marks, and pages without scripts.

The questions of tests/layout.py, which tests/test_browser.py asks of every page, are asked here
of pages with planted faults.
"""

import copy
import re

import layout
import nbformat
import pytest
from book import ROOT, build, drawing, small_book
from test_browser import Visit

from tools.refresh import canonical

CHAPTERS = [path.stem for path in sorted((ROOT / "chapters").glob("*.ipynb"))]
PAGE = """<!doctype html><html lang="en"><head><title>Planted</title>
<style>pre {width: 300px; overflow: auto} .drawing svg {width: 328px; display: block}</style>
</head><body><article class="bd-article">%s</article></body></html>"""
PROMPT = '<blockquote class="predict">Predict.</blockquote>'
OUTPUT = '<div class="cell"><pre>code</pre>%s</div>'
GIVEN = '<details class="gives"><summary>What it gives</summary><p>7</p></details>'
FIGURE = '<div class="drawing"><svg viewBox="0 0 346 200">%s</svg></div>'
WORD = '<text x="{}" y="50" style="font-size: {}px">{}</text>'
FAULTS = {
    layout.SEEN: PROMPT + OUTPUT % '<div class="cell_output">7</div>' + GIVEN,
    "no fold": PROMPT + OUTPUT % "" + "<p>So it is 7.</p>" + GIVEN,
    "pixels in a figure": FIGURE % WORD.format(100, 8, "small"),
    "a word of a figure is cut": FIGURE % WORD.format(330, 12, "a long word"),
    "lie on each other": FIGURE % (WORD.format(50, 12, "one") + WORD.format(55, 12, "two")),
    "wider than its box": f'<div class="cell_output"><pre>{"word " * 30}</pre></div>',
    "stands alone": '<h2>%s<a class="headerlink" href="#"><br><br><br>#</a></h2>'
    % ("What? " * 2),
    "a pillar of words": f'<table><td style="max-width: 5em">{"words " * 40}</table>',
    "Chinese": "<p>The softmax 函数.</p>",
    "a sign of a font": '<style>i::before {content: "\\f010"}</style><i>x</i>',
}
GOOD = [
    PROMPT + OUTPUT % "" + GIVEN,
    FIGURE % (WORD.format(50, 12, "one") + WORD.format(150, 12, "two")),
    f"<table><td>a short cell<td>{'words ' * 40}</table>",
    '<h2>What?<a class="headerlink" href="#">#</a></h2><p lang="zh-Hans">函数</p>',
]


@pytest.fixture(scope="module")
def context(chromium):
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    yield context
    context.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(context, fault):
    page = context.new_page()
    page.set_content(PAGE % FAULTS[fault])
    assert any(fault in found for found in layout.faults(page, 360))
    page.close()


def test_a_page_without_fault_has_none(context):
    page = context.new_page()
    page.set_content(PAGE % "".join(GOOD))
    assert list(layout.faults(page, 360)) == []
    page.close()


LATE = """<script>setTimeout(() => {
    const box = document.createElement("div");
    box.style.height = "300px";
    document.querySelector("article").prepend(box);
}, 300)</script>"""


@pytest.mark.parametrize("late", ["", LATE], ids=["still", "jumps"])
def test_a_page_that_jumps_is_seen(context, tmp_path, late):
    file = tmp_path / "planted.html"
    file.write_text(PAGE % ("<p>Words.</p>" * 9 + late), encoding="utf-8")
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_timeout(800)
    assert (layout.shift(page) > 0.01) == bool(late)
    page.close()


# Guesses.


def prompts_with_choices(page):
    return page.locator("blockquote.predict:has(.choices)")


@pytest.mark.parametrize("name", CHAPTERS)
def test_at_least_a_third_of_the_prompts_offer_choices(html, context, name):
    visit = Visit(context, html / "chapters" / f"{name}.html")
    all_prompts = visit.page.locator("blockquote.predict").count()
    assert all_prompts == visit.page.locator("details.gives").count() >= 4
    assert 3 * prompts_with_choices(visit.page).count() >= all_prompts
    visit.close()


def test_a_guess_is_kept(html, chromium):
    context = chromium.new_context()
    visit = Visit(context, html / "chapters" / "derivation.html")
    prompt = prompts_with_choices(visit.page).first
    buttons = prompt.get_by_role("button")
    assert buttons.count() >= 2
    words = buttons.nth(1).text_content()
    buttons.nth(1).focus()
    visit.page.keyboard.press("Enter")
    assert [b.get_attribute("aria-pressed") for b in buttons.all()][:2] == ["false", "true"]
    visit.page.reload()
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"
    said = visit.page.locator(".guessed", has_text=words).first
    assert not said.is_visible()  # only where the answer is
    said.locator("xpath=..").locator("summary").click()
    assert said.is_visible()
    context.close()


def test_a_browser_that_keeps_nothing_still_takes_a_guess(html, chromium):
    context = chromium.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    )
    page = context.new_page()
    page.goto((html / "chapters" / "derivation.html").as_uri())
    button = prompts_with_choices(page).first.get_by_role("button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    context.close()


# Without scripts.


def test_without_scripts_nothing_is_lost(html, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "chapters" / "derivation.html").as_uri())
    assert not page.locator(".math > .tex").first.is_visible()
    assert page.locator("math").first.is_visible()
    assert page.locator("blockquote.predict li").first.is_visible()
    fold = page.locator("details.gives").first
    output = fold.locator(".cell_output").first
    assert not output.is_visible()
    fold.locator("summary").click()
    assert output.is_visible()
    colour = "e => getComputedStyle(e).color"
    assert page.locator("article p a").first.evaluate(colour) != page.locator(
        "article p"
    ).first.evaluate(colour)
    ground = page.locator("header.bd-header, .bd-header-article").first
    assert ground.evaluate("e => getComputedStyle(e).backgroundColor") != "rgba(0, 0, 0, 0)"
    context.close()


def test_every_formula_has_both_forms(html):
    for page in (html / "chapters").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        formulas = text.count('class="math notranslate')
        assert formulas == text.count('<span class="tex"') == text.count("<math "), page.name


# What a page is made of.

STORED = [
    nbformat.v4.new_markdown_cell("# Topic\n\n*The question?*\n\nWords. **You need** exp."),
    nbformat.v4.new_code_cell("import os", metadata={"tags": ["hide-input", "imports"]}),
    nbformat.v4.new_markdown_cell(
        "## Why?\n\n*Deeper · 5 minutes · needs an integral.*\n\n"
        "> **Predict.** A sign?\n> - 正\n> - minus"
    ),
    nbformat.v4.new_code_cell(
        "print(1)", outputs=[nbformat.v4.new_output("stream", text="given\n")]
    ),
    nbformat.v4.new_markdown_cell("<details><summary>Answer</summary>\n\nPlus.\n\n</details>"),
    nbformat.v4.new_code_cell(
        "# x is <b>\nassert 1", metadata={"tags": ["hide-cell", "checked"]}
    ),
    nbformat.v4.new_markdown_cell("So $x^2$."),
    nbformat.v4.new_markdown_cell("## Exercises\n\nTwo."),
    nbformat.v4.new_code_cell(
        "check()",
        outputs=[
            nbformat.v4.new_output(
                "execute_result",
                {"text/html": '<div class="check check-not-attempted">…</div>'},
            )
        ],
    ),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The text of a page made from STORED, two figures in it."""
    folder = small_book(tmp_path_factory.mktemp("reading"))
    cells = copy.deepcopy(STORED)
    figures = [nbformat.v4.new_output("display_data", {"image/svg+xml": drawing()})] * 2
    cell = nbformat.v4.new_code_cell("plt.show()", outputs=figures)
    cell.metadata["mystnb"] = {"image": {"alt": "The first figure of two.\nThe second of two."}}
    cells.insert(7, cell)
    notebook = canonical(nbformat.v4.new_notebook(cells=cells))
    nbformat.write(notebook, folder / "chapters" / "index.ipynb")
    result = build(folder)
    assert result.returncode == 0, result.stderr[-2000:]
    return (folder / "_build" / "html" / "chapters" / "index.html").read_text(encoding="utf-8")


def test_output_and_answer_are_in_one_fold(page):
    fold = re.search(r'<details class="gives">.*?</details>\s*<p>So', page, re.DOTALL)[0]
    for words in ("given", "Plus.", "x is &lt;b&gt;"):
        assert words in fold
        assert words not in page.replace(fold, "")
    asked = re.findall(r'<div class="cell asked[^>]*>.*?</pre>', page, re.DOTALL)
    assert len(asked) == fold.count('class="cell_output') > 0  # static/live.js pairs them


def test_folds_are_named(page):
    titles = re.findall(r'collapsed admonition-title">(.*?)</p>', page)
    assert titles == ["Imports", "Checked: x is &lt;b&gt;"]


def test_the_question_and_the_mark_are_known(page):
    assert re.search(r'<p class="question"><em>The question\?</em>', page)
    assert re.search(r'<p class="section-mark deeper"><em>Deeper · 5 minutes', page)


def test_each_figure_has_its_own_text_and_the_ink_of_the_page(page):
    assert re.findall(r'role="img" aria-label="([^"]*)"', page) == [
        "The first figure of two.",
        "The second of two.",
    ]
    drawn = re.findall(r'<div class="drawing">.*?</div>', page, re.DOTALL)
    ids = re.findall(r' id="([^"]+)"', "".join(drawn))
    assert len(ids) == len(set(ids))
    for svg in drawn:
        assert "currentColor" in svg
        assert "#000000" not in svg
        assert "font-family" not in svg
        assert 'href="../_images/' in svg


def test_what_was_not_attempted_is_not_on_the_page(page):
    assert "check-not-attempted" not in page
    assert page.count('class="where-to-run"') == 1


def test_chinese_is_said_to_be(page):
    assert '<span lang="zh-Hans">正</span>' in page
