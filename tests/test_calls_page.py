"""The page of the table of equivalents: what stands on it, and the choice of a library."""

import re
import sys
from collections import Counter

import numpy as np
import pytest
from book import ROOT
from bs4 import BeautifulSoup
from test_browser import Visit

from companion.frameworks import _calls, table
from tools.translation import site as of_the_site

sys.path.insert(0, str(ROOT / "site"))
import calls

PAGE = "chapters/equivalents.html"
KEY = "library of the calls"
CHOSEN = [name for name in table.SHOWN if name != "numpy"]
# What a reader sees: of how many lines, by library.
SEEN = """() => {
  const seen = {};
  for (const line of document.querySelectorAll(".calls tr[data-of]:not(.none)"))
    if (line.checkVisibility()) seen[line.dataset.of] = (seen[line.dataset.of] ?? 0) + 1;
  return seen;
}"""
# The theme's own scripts fail where nothing may be kept; ours must not.
FORBIDDEN = f"""for (const name of ["getItem", "setItem"]) {{
  const plain = Storage.prototype[name];
  Storage.prototype[name] = function (key, ...value) {{
    if (key === "{KEY}") throw new DOMException("not here", "SecurityError");
    return plain.call(this, key, ...value);
  }};
}}"""
# All that was ever seen, frame by frame.
WATCHED = f"""window.ever = new Set();
requestAnimationFrame(function look() {{
  Object.keys(({SEEN})()).forEach((library) => ever.add(library));
  requestAnimationFrame(look);
}});"""


@pytest.fixture
def opened(html, chromium):
    """`opened(place)`: the page in a browser that keeps what it is told until the test ends."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    visits = []

    def open_page(place="", script=None):
        if script:
            context.add_init_script(script)
        visit = Visit(context, Address(html / PAGE, place))
        visits.append(visit)
        return visit.page

    yield open_page
    assert [error for visit in visits for error in visit.errors] == []
    context.close()


class Address:
    """A file, and a place on it."""

    def __init__(self, file, place):
        self.file, self.place = file, place

    def as_uri(self):
        return self.file.as_uri() + self.place


@pytest.fixture(scope="module")
def soup(html):
    return BeautifulSoup((html / PAGE).read_text(encoding="utf-8"), "html.parser")


def choose(page, library):
    page.locator(f".calls-choice input[value={library}]").check()


def chosen(page):
    return page.locator(".calls-choice input:checked").get_attribute("value")


def lines_of(library):
    """How many lines the table has for a library: one of imports, and its calls."""
    return 1 + sum(library in row.calls for row in table.ROWS)


def shown(library):
    """What is seen with a library chosen."""
    return {name: lines_of(name) for name in (library, "numpy")}


EVERYTHING = {name: lines_of(name) for name in table.SHOWN}


# What stands on the page.


def test_every_call_stands_on_the_page_once_and_has_an_address(soup):
    found = Counter()
    for row in table.ROWS:
        for library, call in row.calls.items():
            line = soup.find(id=f"calls-{library}-{calls.slug(row.name)}")
            assert line.find("th").text == table.TITLES[library]
            assert line.find("td").text == call
            assert line.find_parent("tbody")["id"] == f"row-{calls.slug(row.name)}"
            found[library] += 1
    listed = Counter(tr["data-of"] for tr in soup.select('tr[id^="calls-"]'))
    assert listed == found
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_a_library_without_a_call_says_so(soup):
    for row in table.ROWS:
        lines = soup.select(f"#row-{calls.slug(row.name)} tr.none")
        without = [name for name in table.SHOWN if name not in row.calls]
        assert [line["data-of"] for line in lines] == without
        assert {line.find("td").text for line in lines} <= {calls.NONE}


def test_every_difference_stands_under_its_row(soup):
    for row in table.ROWS:
        lists = soup.select(f"#row-{calls.slug(row.name)} dl")
        assert [item.find("dt").text for item in lists] == [d.given for d in row.differs]
        for item, odd in zip(lists, row.differs, strict=True):
            said = {dd["data-of"]: dd.text for dd in item.select("dd")}
            titles = table.TITLES
            assert said == {name: f"{titles[name]}: {odd.says[name]}" for name in odd.says}


def test_every_mode_stands_on_the_page(soup):
    for mode in table.MODES:
        body = soup.find(id=f"mode-{calls.slug(mode.name)}")
        assert body["data-of"] == mode.library
        assert body.find("code").text == mode.name
        lines = body.select("tr")[1:]
        assert [line.find("code").text for line in lines] == [c.call for c in mode.calls]
        outcomes = [[td.text for td in line.select("td")] for line in lines]
        assert outcomes == [[c.outside, c.inside] for c in mode.calls]
        assert all(c.given in body.text for c in mode.calls)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("library", table.LIBRARIES)
def test_a_call_runs_after_the_imports_of_the_page(soup, library):
    names = {}
    imports = soup.select(f'#row-imports tr[data-of="{library}"] code')
    exec("\n".join(line.text for line in imports), names)
    given = table.inputs()
    with _calls.in_double(library):
        names |= _calls.tensors(library, given)
        for line in soup.select(f'tr[id^="calls-{library}-"] td'):
            got = _calls.as_float64(eval(line.text, names))
            np.testing.assert_array_equal(got, table.value(library, line.text, given))


@pytest.mark.usefixtures("tensorflow")
def test_why_some_calls_are_longer_than_one_would_type():
    import tensorflow as tf

    t = tf.constant([[1.0, 0.0]])
    assert np.isnan(tf.reduce_sum(t * tf.math.log(t)))
    assert tf.reduce_sum(tf.math.xlogy(t, t)) == 0


def test_all_words_of_the_page_can_be_translated():
    said, known = set(), set(of_the_site.messages_of())

    def say(words):
        said.add(words)
        return f"[{words}]"

    assert "[softmax]" in calls.rows(say)
    assert "[alone]" in calls.modes(say)
    not_words = r"−?[\d.]+(?:e[−+]?\d+)?|−?inf|nan|b?float\d+"
    assert [words for words in said - known if not re.fullmatch(not_words, words)] == []


def test_the_script_is_on_this_page_alone(html):
    pages = [
        page
        for page in html.glob("chapters/*.html")
        if "calls.js" in page.read_text(encoding="utf-8")
    ]
    assert [page.name for page in pages] == ["equivalents.html"]


# The choice of a library.


def test_a_reader_who_has_chosen_nothing_sees_all(opened):
    page = opened()
    assert chosen(page) == "all"
    assert page.evaluate(SEEN) == EVERYTHING


def test_a_library_is_seen_beside_the_companion(opened):
    page = opened()
    for library in CHOSEN:
        choose(page, library)
        assert page.evaluate(SEEN) == shown(library)
        without = sum(library not in row.calls for row in table.ROWS)
        without += not any(mode.library == library for mode in table.MODES)
        assert page.locator(".calls .none:visible").count() == without
        others = f'.calls dd:not([data-of="{library}"], [data-of="numpy"]):visible'
        assert page.locator(others).count() == 0
        seen = page.locator(".modes tbody[data-of]:visible")
        assert {body.get_attribute("data-of") for body in seen.all()} <= {library}
    choose(page, "all")
    assert page.evaluate(SEEN) == EVERYTHING
    assert page.locator(".calls .none:visible").count() == 0


def test_arrows_choose(opened):
    page = opened()
    page.locator(".calls-choice input:checked").focus()
    page.keyboard.press("ArrowRight")  # from the last to the first
    for library in CHOSEN:
        assert chosen(page) == library
        assert page.evaluate(SEEN) == shown(library)
        page.keyboard.press("ArrowRight")
    assert chosen(page) == "all"
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == CHOSEN[-1]


def test_the_tab_key_stops_once_at_the_choice(opened):
    page = opened()
    choose(page, "keras")
    page.locator(".calls-choice input:checked").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.calls-choice')") is None
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.value") == "keras"


def test_the_choice_is_remembered_and_nothing_else_is_ever_seen(opened):
    choose(opened(), "keras")
    page = opened(script=WATCHED)
    assert chosen(page) == "keras"
    assert page.evaluate(SEEN) == shown("keras")
    assert set(page.evaluate("[...ever]")) == {"keras", "numpy"}


def test_where_nothing_may_be_kept_the_choice_lasts_as_long_as_the_page(opened):
    page = opened(script=FORBIDDEN)
    choose(page, "torch")
    assert page.evaluate(SEEN) == shown("torch")
    assert chosen(opened()) == "all"


@pytest.mark.parametrize("kept", ["", "nothing", "numpy", "all", '"] * { }'])
def test_what_is_kept_and_is_no_library_shows_all(opened, kept):
    opened().evaluate("kept => localStorage.setItem(...kept)", [KEY, kept])
    page = opened()
    assert chosen(page) == "all"
    assert page.evaluate(SEEN) == EVERYTHING


def test_a_link_shows_its_library_and_is_no_choice(opened):
    choose(opened(), "torch")
    page = opened("#calls-keras-perplexity", WATCHED)
    assert chosen(page) == "keras"
    assert set(page.evaluate("[...ever]")) == {"keras", "numpy"}
    assert 0 < page.locator("#calls-keras-perplexity").bounding_box()["y"] < 300
    assert chosen(opened()) == "torch"
    # On the page, too, and until the reader chooses.
    page.evaluate("location.hash = '#calls-optax-sparsemax-of-z-5'")
    page.wait_for_function("document.querySelector('.calls-choice :checked').value === 'optax'")
    assert 0 < page.locator("#calls-optax-sparsemax-of-z-5").bounding_box()["y"] < 700
    choose(page, "onnx")
    assert page.evaluate("location.hash") == ""
    assert chosen(opened()) == "onnx"


@pytest.mark.parametrize("place", ["#row-perplexity", "#calls-numpy-perplexity", "#on-a-gpu"])
def test_a_link_to_what_all_see_keeps_the_choice(opened, place):
    choose(opened(), "torch")
    page = opened(place)
    assert chosen(page) == "torch"
    assert 0 < page.locator(place).bounding_box()["y"] < 800


@pytest.mark.parametrize("place", ["#row-perplexity", "table.modes", "#on-a-gpu h2"])
def test_what_is_read_stays_in_its_place(opened, place):
    page = opened()
    page.set_viewport_size({"width": 1280, "height": 600})
    row = page.locator(place)
    row.evaluate("row => row.scrollIntoView({behavior: 'instant'})")
    before = row.bounding_box()["y"]
    for library in ("keras", "onnx", "all"):
        choose(page, library)
        assert abs(row.bounding_box()["y"] - before) < 40  # two lines


# Without scripts, on paper, on a phone.


def test_without_scripts_all_is_there_and_no_dead_control(html, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / PAGE).as_uri())
    lines = page.locator(".calls tr[data-of]:not(.none)")
    assert lines.count() == sum(EVERYTHING.values())
    assert all(line.is_visible() for line in lines.all())
    assert not page.locator(".calls-choice, .calls .none").first.is_visible()
    context.close()


def test_paper_has_all_whatever_is_chosen(opened):
    page = opened()
    choose(page, "scipy")
    page.emulate_media(media="print")
    assert page.evaluate(SEEN) == EVERYTHING
    assert page.locator(".calls-choice:visible, .calls .none:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_each_library(html, chromium, scheme):
    context = chromium.new_context(
        viewport={"width": 360, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit = Visit(context, html / PAGE)
    for library in [*CHOSEN, "all"]:
        choose(visit.page, library)
        assert visit.overhang() == 0, library
        wide = "() => [...document.querySelectorAll('.calls')].map(t => t.scrollWidth - 360)"
        assert max(visit.page.evaluate(wide)) < 0, library
    choose(visit.page, "torch")
    assert visit.violations() == []
    context.close()
