"""A page of the built book as a reader has it who runs its cells: served, opened, pressed.

`served` is a host of files like those that the book may be put on: no headers of its own. Every
other place is blocked, and what was asked of it is remembered. The tests of the page that runs
are tests/test_live_pages.py, and tests/test_live_trouble.py, where something goes wrong.
"""

import re
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import nbformat
from test_browser import AXE, STANDARDS, Visit

from tools.serve import Handler

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = (
    "derivation",
    "derivatives",
    "mse_vs_cross_entropy",
    "numerical_stability",
    "one_pass",
    "relatives",
)
PATIENCE = 150_000  # milliseconds for what a cell gives: the machine has other work, too
CHECK = re.compile(r"^ex\.(\w+)\.check\(", re.MULTILINE)
# From the start on: what is said to screen readers, and the longest time without a frame.
WATCH = """() => {
  window.heard = [];
  window.longest = 0;
  let before = performance.now();
  requestAnimationFrame(function tick(now) {
    window.longest = Math.max(window.longest, now - before);
    before = now;
    requestAnimationFrame(tick);
  });
  addEventListener("DOMContentLoaded", () => setTimeout(() => {
    const said = document.querySelector(".live-said");
    if (said) new MutationObserver(() => window.heard.push(said.textContent))
      .observe(said, { childList: true });
  }));
}"""
# The words of outputs; of a figure its description and the words that are drawn in it.
WORDS = """boxes => boxes.flatMap(box => [...box.querySelectorAll("pre, svg[role=img], img")])
  .map(e => e.matches("pre") ? e.textContent : [e.getAttribute("aria-label") ?? e.alt,
    ...[...e.querySelectorAll("text")].map(text => text.textContent)].join("\\n"))"""
STORED = """cell => {
  const own = [...cell.querySelectorAll(":scope > .cell_output:not(.live)")];
  if (!cell.matches(".asked")) return own;
  const fold = document.evaluate("following::details[contains(@class, 'gives')][1]", cell, null,
    XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue;
  const outputs = ":scope > .cell:not(:has(.cell_input)) > .cell_output";
  return [...own, ...fold.querySelectorAll(outputs)];
}"""


class Quiet(Handler):
    """Prints nothing about what is asked of it."""

    def log_message(self, *args):
        pass


class Host(ThreadingHTTPServer):
    """A browser that goes away in the middle of a file is no error."""

    def handle_error(self, request, client_address):
        pass


@contextmanager
def served(folder):
    """The address of a folder on a host of files."""
    with Host(("localhost", 0), partial(Quiet, directory=str(folder))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://localhost:{running.server_port}"
        running.shutdown()


@contextmanager
def site_of(html):
    """The address of the built book, below a path, as some hosts have it."""
    assert (html / "_static" / "live" / "pyodide").is_dir(), (
        f"Python for the page must be in {sys.prefix}: run python -m tools.fetch_python"
    )
    with served(html.parent) as address:
        yield f"{address}/{html.name}"


@contextmanager
def visiting(chromium, site):
    """`visit(name)`: opens a page in a browser that remembers nothing.

    At the end nothing must have been asked of other places, and no script have failed.
    """
    with ExitStack() as stack:

        def visit(name, scripts=(), **settings):
            settings = {"viewport": {"width": 1280, "height": 800}} | settings
            context = chromium.new_context(reduced_motion="reduce", **settings)
            stack.callback(context.close)
            for script in scripts:
                context.add_init_script(script)
            live = LivePage(context, site, name)
            stack.callback(live.must_be_innocent)
            return live

        yield visit


@cache
def sources(chapter):
    """The cells that a reader sees, in their order."""
    notebook = nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", as_version=4)
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", [])
    ]


class LivePage(Visit):
    """A page that is served, and all that it asks for, in order."""

    def __init__(self, context, site, name):
        self.site, self.name = site, name
        self.elsewhere, self.errors, self.asked = [], [], []
        self.page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.route(re.compile(f"^(?!{site}/)"), self._elsewhere)
        self.page.route_web_socket(re.compile("."), lambda socket: self._socket(socket.url))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console", lambda m: self.errors.append(m.text) if m.type == "error" else 0
        )
        self.page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack}"))
        self.page.add_init_script(f"({WATCH})()")
        self.load()

    def load(self):
        self.page.goto(f"{self.site}/{self.name}.html", wait_until="load")
        self.page.wait_for_timeout(100)

    def must_be_innocent(self):
        assert self.elsewhere == []
        assert self.errors == []

    def forgive_others(self):
        """Leave out errors of scripts that are not the runner's."""
        self.errors = [
            error for error in self.errors if re.search(r"live\.js|session\.mjs", error)
        ]

    def violations_of(self, *selectors):
        """What axe-core finds in some places, one line each."""
        if not self.page.evaluate("'axe' in window"):
            self.page.add_script_tag(path=AXE)
        found = self.page.evaluate(
            """([selectors, tags]) => axe.run(
                { include: selectors.filter(s => document.querySelector(s)).map(s => [s]) },
                { runOnly: tags, preload: false, resultTypes: ["violations"] })
            .then(found => found.violations)""",
            [selectors, STANDARDS],
        )
        return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]

    def _elsewhere(self, route):
        if re.match("(data|blob):", route.request.url):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _socket(self, url):
        self.elsewhere.append(url)

    def files(self, asked=None):
        """Names of what was asked for to run cells: those in _static/live/, and the scripts."""
        names = [re.sub(r"\?.*", "", url) for url in (self.asked if asked is None else asked)]
        return [name.rpartition("/")[2] for name in names if "/_static/live" in name]

    def asked_of(self, host):
        """What was asked for whose address begins so."""
        return [url for url in self.asked if url.startswith(host)]

    def cell(self, words):
        """The cell in which words are, or the exercise of that name."""
        chapter = self.name.rpartition("/")[2]
        found = [
            k
            for k, source in enumerate(sources(chapter))
            if words in source or words in CHECK.findall(source)
        ]
        if len(found) > 1:  # the name of an exercise may be in other cells, too
            found = [k for k in found if words in CHECK.findall(sources(chapter)[k])]
        assert len(found) == 1, f"{words!r} is in {len(found)} cells of {chapter}"
        return Cell(self, found[0])

    def cells(self):
        """All cells."""
        return [Cell(self, k) for k in range(len(sources(self.name.rpartition("/")[2])))]

    def heard(self):
        """What screen readers were told since the last time."""
        return self.page.evaluate("heard.splice(0)")

    def said(self):
        """The words in the region that screen readers read out."""
        return self.page.locator(".live-said").text_content()

    def longest(self):
        """Seconds that the page stood still at most, since the last time."""
        return self.page.evaluate("[longest, longest = 0][0]") / 1000


class Cell:
    """One cell: its buttons, its text, and what it shows."""

    def __init__(self, live, k):
        self.live, self.page, self.number = live, live.page, k + 1
        self.node = self.page.locator("div.cell:has(> .cell_input, > details > .cell_input)")
        self.node = self.node.nth(k)
        self.editor = self.node.locator("textarea")
        self.status = self.node.locator(".live-status")
        self.shown = self.node.locator(".live")

    def unfold(self):
        """Open the folds that it lies in, and its own."""
        self.node.evaluate(
            """cell => {
            for (let e = cell; e; e = e.parentElement) if (e.matches("details")) e.open = true;
            for (const fold of cell.querySelectorAll(":scope > details")) fold.open = true;
        }"""
        )

    def button(self, word):
        return self.node.locator(".live-bar button").get_by_text(re.compile(f"^{word}"))

    def buttons(self):
        """The words on the buttons that can be seen."""
        self.unfold()
        buttons = self.node.locator(".live-bar button").all()
        return [button.text_content() for button in buttons if button.is_visible()]

    def press(self, word):
        self.unfold()
        self.button(word).click()

    def write(self, text):
        """Take the place of the whole text."""
        if not self.editor.count():
            self.press("Edit")
        self.editor.fill(text)

    def start(self):
        """Press Run or Check, and do not wait."""
        self.unfold()
        self.node.evaluate("cell => delete cell.dataset.ran")
        self.button("Run|Check").click()
        return self

    def ended(self, timeout=PATIENCE):
        """Wait for the end, and give the words that are shown."""
        self.page.wait_for_function(
            "cell => cell.dataset.ran", arg=self.node.element_handle(), timeout=timeout
        )
        return self.text()

    def run(self, text=None, timeout=PATIENCE):
        """Run it to the end, with another text if one is given: the words that are shown."""
        if text is not None:
            self.write(text)
        return self.start().ended(timeout)

    def text(self):
        """All words under the cell: output and status."""
        words = "\n".join([*self.shown.all_inner_texts(), self.status.text_content()])
        return words.encode("utf-8", "replace").decode()  # half of a sign, too

    def words(self):
        """The outputs of the last run, each as text."""
        return self.shown.evaluate_all(WORDS)

    def stored(self):
        """The outputs that the page came with, each as text."""
        return self.node.evaluate(f"cell => ({WORDS})(({STORED})(cell))")

    def is_light_figure(self):
        """Whether it draws, and needs no package for it but Matplotlib."""
        tags = self.node.get_attribute("class")
        return "tag_figure" in tags and "tag_takes" not in tags
