"""The built pages in a real browser, from files, with every other place blocked.

What a reader may count on: nothing is fetched from elsewhere, no script fails, every formula is
set, no page is wider than a phone, axe-core finds nothing to mend, and no page is heavy. A page
is opened once and looked at in all settings. Each check is shown a page with a planted fault.
"""

import gzip
import itertools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
import layout
import pytest
import yaml

from tools import pdf

ROOT = Path(__file__).resolve().parent.parent
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SETTINGS = list(itertools.product((1280, 360), ("light", "dark")))
DOCUMENTS = pdf.documents(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
NAMES = [*DOCUMENTS, "404", "genindex", "search"]
CHAPTERS = [name for name in DOCUMENTS if (ROOT / f"{name}.ipynb").exists()] + DOCUMENTS[:1]
# How far the page may jump while it loads, as browsers count it: from 0.1 on readers lose
# their place (web.dev/cls).
MOST_SHIFT = 0.05
# Kilobytes over the wire, gzipped, figures left out. MathJax and its fonts are 320 of those of
# a page with formulas, the theme's style sheet and scripts 100. The longest chapter, Pitfalls,
# has 90 of its own.
BUDGET, BUDGET_WITHOUT_FORMULAS, BUDGET_OF_FIGURES = 550, 200, 30
DRAWING = re.compile(rb'<div class="drawing">.*?</svg>', re.DOTALL)
# A formula's inside is a thousand boxes of one colour, code is a thousand words of ten. Those
# of a kind have the same names around them, and axe-core need judge only the first of a kind.
# A formula keeps its size, code its letters.
LIGHTEN = """() => {
  const seen = new Set();
  const repeats = (node) => {
    const names = [];
    for (let e = node; e && e.tagName !== "ARTICLE"; e = e.parentElement)
      names.push(e.tagName, e.className, e.getAttribute("style"));
    const kind = names.join();
    return seen.has(kind) || !seen.add(kind);
  };
  for (const span of document.querySelectorAll("pre span"))
    if (repeats(span)) span.replaceWith(...span.childNodes);
  for (const formula of [...document.querySelectorAll("mjx-math")].filter(repeats)) {
    const {width, height} = formula.getBoundingClientRect();
    formula.replaceChildren();
    Object.assign(formula.style,
      {display: "inline-block", width: `${width}px`, height: `${height}px`});
  }
}"""
PLANTED = """<!doctype html><html lang="en"><head><title>Planted</title></head><body><main>
<h1>Planted</h1>%s</main></body></html>"""


class Visit:
    """A page, loaded to the end, and what it did on the way."""

    def __init__(self, context, file):
        self.elsewhere, self.errors, self.files = [], [], set()
        self.page = context.new_page()
        self.page.route("**", self._only_files)
        self.page.on(
            "console", lambda m: self.errors.append(m.text) if m.type == "error" else 0
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(file.as_uri(), wait_until="load")
        self.page.evaluate("window.MathJax?.startup?.promise.then(() => true)")
        self.page.wait_for_timeout(100)

    def look(self, width, scheme):
        """As the page is on a screen of another width, or in the other colours."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # Two frames: what follows a change of the window has been done by the second.
        self.page.evaluate(
            """() => new Promise(then =>
                requestAnimationFrame(() => requestAnimationFrame(then)))"""
        )

    def scheme(self):
        """The colours that the theme has chosen."""
        return self.page.evaluate("document.documentElement.dataset.theme")

    def lighten(self):
        """Leave out for axe-core what only repeats in code and in formulas."""
        self.page.evaluate(LIGHTEN)

    def _only_files(self, route):
        url = urlsplit(route.request.url)
        if url.scheme in ("file", "data", "blob"):
            if url.scheme == "file":
                self.files.add(Path(unquote(url.path)))
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def unset_formulas(self):
        return self.page.evaluate(
            """() => [...document.querySelectorAll(".math")]
            .filter(box => !box.querySelector("mjx-container")
                || box.querySelector("mjx-merror, [data-mjx-error]"))
            .map(box => box.textContent)"""
        )

    def formulas(self):
        return self.page.locator(".math").count()

    def overhang(self):
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def violations(self):
        """What axe-core finds, one line each."""
        if not self.page.evaluate("'axe' in window"):
            self.page.add_script_tag(path=AXE)
        # Without `preload`: a page that came from a file may not fetch its style sheets again.
        found = self.page.evaluate(
            """tags => axe.run({runOnly: tags, preload: false, resultTypes: ["violations"]})
            .then(found => found.violations)""",
            STANDARDS,
        )
        return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]

    def pictures_without_a_text(self):
        return self.page.evaluate(
            """() => [...document.images]
            .filter(i => i.alt.length < 10 || /\\.(png|svg|jpe?g)$/.test(i.alt))
            .map(i => i.src + " " + i.alt)"""
        )

    def kilobytes(self, figures=False):
        files = [f for f in self.files if f.suffix not in (".png", ".svg")]
        contents = [file.read_bytes() for file in files]
        if not figures:
            contents = [DRAWING.sub(b"", content) for content in contents]
        return sum(len(gzip.compress(content)) for content in contents) / 1000

    def close(self):
        self.page.close()


def faults(visit, name):
    """All that is wrong with a page, in words."""
    yield from (f"{name} asks for {url}" for url in visit.elsewhere)
    yield from (f"{name}: {error}" for error in visit.errors)
    yield from (f"{name}: not set: {formula}" for formula in visit.unset_formulas())
    yield from (f"{name}: no text: {picture}" for picture in visit.pictures_without_a_text())
    if visit.overhang() > 0:
        yield f"{name} is {visit.overhang()} pixels too wide"


def pages(html):
    return [html / f"{name}.html" for name in NAMES]


def test_every_page_is_looked_at(html):
    redirects = {html / "index.html"}
    assert {*html.glob("*.html"), *html.glob("chapters/*.html")} - redirects == {*pages(html)}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_without_fault_in_every_setting(html, chromium, name):
    width, scheme = SETTINGS[0]
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit, found = Visit(context, html / f"{name}.html"), []
    assert visit.kilobytes() < (BUDGET if visit.formulas() else BUDGET_WITHOUT_FORMULAS)
    assert visit.kilobytes(figures=True) - visit.kilobytes() < BUDGET_OF_FIGURES
    if name in CHAPTERS:
        assert layout.shift(visit.page) < MOST_SHIFT
    for folds_are_open in (False, True):
        if folds_are_open:
            layout.unfold(visit.page)
        for setting in SETTINGS:
            visit.look(*setting)
            assert visit.scheme() == setting[1]
            found += [f"{setting}: {fault}" for fault in faults(visit, name)]
            found += [
                f"{setting}: {fault}"
                for fault in layout.faults(visit.page, setting[0])
                if not (folds_are_open and fault.startswith(layout.SEEN))
            ]
    visit.lighten()  # once, with all open; what is closed has no other faults
    for setting in SETTINGS:
        visit.look(*setting)
        found += [f"{setting}: {violation}" for violation in visit.violations()]
    layout.fold(visit.page)
    found += [f"folded: {violation}" for violation in visit.violations()]
    context.close()
    assert found == []


def test_kilobytes_are_counted(html, chromium):
    context = chromium.new_context()
    assert Visit(context, html / "chapters" / "derivation.html").kilobytes() > 100
    context.close()


def test_pictures_have_a_size_and_come_when_they_are_needed(html):
    for page in pages(html):
        for picture in re.findall(r"<img\b[^>]*>", page.read_text(encoding="utf-8")):
            assert re.search(r' width="\d+" height="\d+"', picture), picture
            assert ('loading="lazy"' in picture) != ("logo" in picture), picture


def test_the_keyboard_reaches_what_scrolls(html, chromium):
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    visit = Visit(context, html / "chapters" / "derivation.html")
    stops = visit.page.evaluate(
        """() => [...document.querySelectorAll(".bd-article mjx-container[display]")]
        .map(box => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"""
    )
    assert any(wide for wide, _ in stops)
    assert all(wide == stop for wide, stop in stops)
    context.close()


def test_the_keyboard_reaches_the_link_of_each_heading(html, chromium):
    context = chromium.new_context(reduced_motion="reduce")
    visit = Visit(context, html / "chapters" / "derivation.html")
    headings = visit.page.locator("article :is(h1, h2, h3):not(.onlyprint *)")
    assert headings.count() > 5
    for heading in headings.all():
        link = heading.locator("a.headerlink")
        assert link.get_attribute("href").startswith("#")
        visit.page.evaluate("document.activeElement.blur()")
        link.focus()
        assert link.evaluate("link => link === document.activeElement")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Tab")
    assert link.evaluate("link => link === document.activeElement")
    assert link.evaluate("link => getComputedStyle(link).opacity") == "1"
    context.close()


def test_the_button_of_colours_says_which_are_chosen(html, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = Visit(context, html / "chapters" / "notation.html").page
    button, names = page.locator(".theme-switch-button"), []
    for _ in range(3):
        mode = page.locator("html").get_attribute("data-mode")
        names.append((mode, button.get_attribute("aria-label")))
        button.click()
    assert set(names) == {
        ("light", "Colours: light"),
        ("dark", "Colours: dark"),
        ("auto", "Colours: as the system has them"),
    }
    context.close()


def test_launch_buttons_are_without_fault(addressed, chromium):
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    visit = Visit(context, addressed / "chapters" / "plain.html")
    visit.page.locator(".dropdown-launch-buttons > button").click()
    assert visit.page.get_by_role("link", name="Binder").is_visible()
    assert visit.page.get_by_role("link", name="Colab").is_visible()
    assert [*faults(visit, "plain"), *visit.violations()] == []
    context.close()


def test_without_scripts_the_text_is_there(html, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "chapters" / "derivation.html").as_uri())
    assert page.locator("article h1").first.is_visible()
    assert page.locator("article summary").first.is_visible()
    context.close()


FAULTS = {
    "script from elsewhere": (
        '<script src="https://example.org/x.js"></script>',
        "asks for https://example.org/x.js",
    ),
    "failing script": ("<script>missing()</script>", "missing is not defined"),
    "file that is not there": ('<script src="missing.js"></script>', "ERR_FILE_NOT_FOUND"),
    "formula": ('<div class="math">\\[x\\]</div>', "not set"),
    "picture without a text": ('<img src="data:," alt="">', "no text"),
    "picture with a file name": ('<img src="data:," alt="drawing-1.png">', "no text"),
    "too wide": ('<div style="width: 5000px">wide</div>', "pixels too wide"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(chromium, tmp_path, fault):
    planted, words = FAULTS[fault]
    file = tmp_path / "planted.html"
    file.write_text(PLANTED % planted, encoding="utf-8")
    visit = Visit(chromium.new_context(), file)
    assert any(words in found for found in faults(visit, "planted"))


IN_DARK = """<style>@media (prefers-color-scheme: dark) {p {color: #333; background: #222}}
@media (max-width: 400px) {div {width: 5000px}}</style><p>Words.</p><div>wide</div>"""


def test_a_fault_of_one_setting_is_found(chromium, tmp_path):
    file = tmp_path / "planted.html"
    file.write_text(PLANTED % IN_DARK, encoding="utf-8")
    visit = Visit(chromium.new_context(), file)
    found = {}
    for setting in SETTINGS:
        visit.look(*setting)
        found[setting] = [*faults(visit, "planted"), *visit.violations()]
    for (width, scheme), texts in found.items():
        assert any("too wide" in text for text in texts) == (width == 360)
        assert any(text.startswith("color-contrast") for text in texts) == (scheme == "dark")


LIGHTENED = """<style>pre, mjx-math {color: #000} .pale {color: #ddd}
mjx-math {display: inline-block}</style><pre>%s</pre><mjx-container>%s</mjx-container>"""
SIZES = """() => [...document.querySelectorAll("pre, mjx-math")].map(
    box => [box.getBoundingClientRect().width, box.getBoundingClientRect().height])"""
WORD, LETTER = '<span class="k">word</span> ', "<mjx-math><mjx-c>word</mjx-c></mjx-math>"


@pytest.mark.parametrize(
    ("word", "letter"),
    [
        (WORD.replace('"k"', '"k pale"'), ""),
        (WORD.replace("<span", '<span style="color: #ddd"'), ""),
        ("", LETTER.replace("<mjx-math", '<mjx-math class="pale"')),
    ],
)
def test_what_does_not_repeat_is_judged_though_the_page_is_lightened(
    chromium, tmp_path, word, letter
):
    file = tmp_path / "planted.html"
    for code, formulas, pale in [
        (WORD * 9, LETTER * 9, 0),
        (WORD * 9 + word, LETTER * 9 + letter, 1),
    ]:
        file.write_text(PLANTED % (LIGHTENED % (code, formulas)), encoding="utf-8")
        visit = Visit(chromium.new_context(), file)
        before = visit.page.evaluate(SIZES)
        visit.lighten()
        assert visit.page.evaluate(SIZES) == before
        assert visit.page.locator("pre span").count() == 1 + bool(word and pale)
        found = [v for v in visit.violations() if v.startswith("color-contrast")]
        assert len(found) == pale


AXE_FAULTS = {
    "image-alt": '<img src="data:,">',
    "color-contrast": '<p style="color: #ccc; background: #fff">pale</p>',
    "label": "<input>",
    "scrollable-region-focusable": (
        '<div style="width: 60px; height: 40px; overflow: auto">'
        + "many words " * 50
        + "</div>"
    ),
}


@pytest.mark.parametrize("rule", AXE_FAULTS)
def test_axe_finds_a_planted_fault(chromium, tmp_path, rule):
    file = tmp_path / "planted.html"
    file.write_text(PLANTED % AXE_FAULTS[rule], encoding="utf-8")
    visit = Visit(chromium.new_context(), file)
    visit.lighten()
    assert [v for v in visit.violations() if v.startswith(rule)]


def test_a_page_without_fault_has_none(chromium, tmp_path):
    file = tmp_path / "planted.html"
    file.write_text(PLANTED % "<p>Fine.</p>", encoding="utf-8")
    visit = Visit(chromium.new_context(), file)
    assert [*faults(visit, "planted"), *visit.violations()] == []
