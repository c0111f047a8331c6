"""The built pages in a real browser, from files, with every other place blocked.

What a reader may count on: nothing is fetched from elsewhere, no script fails, every formula is
set, no page is wider than a phone, axe-core finds nothing to mend, and no page is heavy. Each
check is shown a page with a planted fault once.

Needs Chromium (Debian: apt-get install chromium), or its path in CHROMIUM.
"""

import gzip
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
import pytest

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Kilobytes over the wire, gzipped, figures left out. MathJax and its fonts are 320 of a
# chapter's, the theme's style sheet and scripts 100.
BUDGET = {"chapter": 500, "other": 200}
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

    def overhang(self):
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def violations(self):
        """What axe-core finds, one line each."""
        self.page.add_script_tag(path=AXE)
        found = self.page.evaluate("tags => axe.run({runOnly: tags})", STANDARDS)["violations"]
        return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]

    def pictures_without_a_text(self):
        return self.page.evaluate(
            """() => [...document.images]
            .filter(i => i.alt.length < 10 || /\\.(png|svg|jpe?g)$/.test(i.alt))
            .map(i => i.src + " " + i.alt)"""
        )

    def kilobytes(self):
        files = [f for f in self.files if f.suffix not in (".png", ".svg")]
        return sum(len(gzip.compress(file.read_bytes())) for file in files) / 1000

    def close(self):
        self.page.close()


def pages(html):
    alone = [html / f"{name}.html" for name in ("404", "genindex", "search")]
    found = [*sorted((html / "chapters").glob("*.html")), *alone]
    assert len(found) > 11
    return found


def faults(visit, name):
    """All that is wrong with a page, in words."""
    yield from (f"{name} asks for {url}" for url in visit.elsewhere)
    yield from (f"{name}: {error}" for error in visit.errors)
    yield from (f"{name}: not set: {formula}" for formula in visit.unset_formulas())
    yield from (f"{name}: no text: {picture}" for picture in visit.pictures_without_a_text())
    if visit.overhang() > 0:
        yield f"{name} is {visit.overhang()} pixels too wide"


class EveryPage:
    """Two classes, so that two processes can share the work."""

    width = None

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_page_is_without_fault(self, html, chromium, scheme):
        context = chromium.new_context(
            viewport={"width": self.width, "height": 800},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        found = []
        for page in pages(html):
            visit = Visit(context, page)
            found += faults(visit, page.name)
            found += [f"{page.name}: {violation}" for violation in visit.violations()]
            visit.close()
        context.close()
        assert found == []


class TestOnAWideScreen(EveryPage):
    width = 1280


class TestOnAPhone(EveryPage):
    width = 360


def test_no_page_is_heavy(html, chromium):
    context, weights = chromium.new_context(), {}
    for page in pages(html):
        visit = Visit(context, page)
        weights[page.stem] = visit.kilobytes()
        chapter = (page.parent.parent / "_sources" / "chapters" / f"{page.stem}.ipynb").exists()
        budget = BUDGET["chapter" if chapter else "other"]
        if page.stem in (
            "notation",
            "bibliography",
            "cheat_sheet",
        ):  # they hold formulas as chapters do
            budget = BUDGET["chapter"]
        assert weights[page.stem] < budget, weights
        visit.close()
    context.close()
    assert weights["derivation"] > 100  # or nothing was counted


def test_figures_are_fetched_when_they_come_into_view(html):
    for page in pages(html):
        text = page.read_text(encoding="utf-8")
        assert text.count("<img ") == text.count('<img loading="lazy" '), page.name


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
    assert [v for v in visit.violations() if v.startswith(rule)]


def test_a_page_without_fault_has_none(chromium, tmp_path):
    file = tmp_path / "planted.html"
    file.write_text(PLANTED % "<p>Fine.</p>", encoding="utf-8")
    visit = Visit(chromium.new_context(), file)
    assert [*faults(visit, "planted"), *visit.violations()] == []
