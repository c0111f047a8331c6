"""Runs a cell of a chapter in the page: what it needs of the cells above, then the cell.

Each run has a namespace of its own, and finds NumPy and the package as they were imported. So
what a cell shows depends on the texts in the page, and not on what was run before.

It is loaded into Pyodide by worker.mjs, and into plain Python by its tests. What there is to
show goes out in records, `post(kind, text, plain)`: kind is "stdout", "stderr", "text", "html",
"markdown", "svg", "png" or "error".
"""

import ast
import base64
import builtins
import io
import itertools
import linecache
import math
import os
import random
import re
import sys
import traceback
import types
import warnings
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from json import dumps, loads  # by name, as the next: a reader may rebind those of the module
from time import monotonic

import cells
import numpy as np
from drawings import ink

from companion.exercises.pristine import as_imported

MOST = 50_000  # characters that a run may show; a loop that prints has no end
MOST_FIGURES = 20
LARGEST_SVG = 500_000  # characters; a figure of more becomes a picture of pixels
LEAST = 1000  # of them for what comes at the end: a value, an error
PIECE, PAUSE = 2000, 0.2  # characters and seconds after which what is printed is sent
MORE = "… (more was printed)"
MORE_FIGURES = "… (more figures were drawn)"
TOO_LONG = "… ({} characters more)"
NEEDED = "In cell {}, which this one needs:"
UNREADABLE = "{}: its text cannot be read."
# What Python's own words do not say.
BESIDE = {
    "SystemExit": "The cell stopped here. The page's Python goes on.",
    "KeyboardInterrupt": "The cell stopped here.",
    "MemoryError": "The memory of the page's Python is at its end. Use smaller arrays.",
    "RecursionError": "Calls within calls went too deep.",
    "ModuleNotFoundError": "The page's Python has NumPy, SciPy, Matplotlib, scikit-learn and "
    "mpmath. For other packages, run the notebook on your machine.",
}
IN_A_PAGE = {
    "can't start new thread": "The page's Python has no threads.",
    "emscripten does not support processes": "The page's Python starts no other programs.",
    "[Errno 29] I/O error": "input() has nobody to ask in the page. Assign the value instead.",
    "\n    %": "Lines that begin with % are IPython's. The page's Python does not know them.",
    "\n    !": "Lines that begin with ! are IPython's. The page's Python does not know them.",
}
BACKEND = "module://backend"  # which asks for `current`
HERE = os.path.dirname(__file__)
RECURSION = sys.getrecursionlimit()
SHARED = [builtins, math, random, np, np.linalg, np.random]
SHARED += [module for name, module in sys.modules.items() if name.startswith("companion")]
WORDS = {}  # from English; an edition in another language brings them along
if os.path.exists(os.path.join(HERE, "words_of_the_page.json")):
    with open(os.path.join(HERE, "words_of_the_page.json"), encoding="utf-8") as file:
        WORDS = loads(file.read())
AS_IMPORTED = [(vars(module), vars(module).copy()) for module in SHARED]


class Kernel:
    """Plans and runs one cell at a time.

    Parameters
    ----------
    post : callable
        Takes each record.
    """

    def __init__(self, post):
        self.post, self.silent = post, False
        self.left, self.figures, self.held = MOST, 0, []
        self.waiting, self.sent = 0, 0.0
        self.steps, self.sources, self.k = [], [], 0

    def plan(self, sources, k):
        """Find what to run for cell k. JSON in and out: the packages that must be there."""
        self.sources, self.k = loads(sources), k
        self.steps = cells.plan(self.sources, k)
        statements = [node for _, body in self.steps for node in body or ()]
        inner = [part for node in statements for part in ast.walk(node)]
        wanted = cells.packages_of(inner) | cells.packages(self.sources[k])
        return dumps(sorted(wanted))

    def run(self):
        """Run what was planned. True if nothing was raised."""
        self.left, self.figures = MOST, 0
        out, err = Stream(self, "stdout"), Stream(self, "stderr")
        with redirect_stdout(out), redirect_stderr(err), as_it_was():
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            return all(
                self.execute(i, body, main, silent=i != self.k)
                for i, body in [*self.steps, (self.k, None)]
            )

    def export(self, sources, chosen):
        """A script of some cells and what they need, as the checker's command line takes it."""
        return exported(loads(sources), loads(chosen))

    def execute(self, i, body, main, silent=False):
        """Run a cell, or those of its statements. A silent one shows nothing but its error."""
        self.silent, file = silent, f"<cell {i + 1}>"
        # So that tracebacks, inspect and the checker find the reader's lines.
        lines = [f"{line}\n" for line in lines_of(self.sources[i])]
        linecache.cache[file] = len(self.sources[i]), None, lines, file
        try:
            body = ast.parse(self.sources[i], file).body if body is None else body
            value = self.evaluate(body, file, vars(main))
            with as_imported():
                if not (value is None or silent or hushed(self.sources[i], body)):
                    self.show(value)
                self.show_figures()
            return True
        except BaseException as error:  # whatever a reader writes may raise: SystemExit, too
            with as_imported():
                self.tell(error, i)
            return False
        finally:
            self.flush()

    def tell(self, error, i):
        """Send what an error in cell i says, also if the cell was silent."""
        self.flush()
        self.silent = False
        above = "" if i == self.k else f"{say(NEEDED).format(i + 1)}\n"
        self.send("error", self.last_of(above + in_words(error)))

    def evaluate(self, body, file, namespace):
        """Run statements; the value of the last one, if it is an expression."""
        last = body[-1] if body and isinstance(body[-1], ast.Expr) else None
        most = ast.Module(body[:-1] if last else body, type_ignores=[])
        exec(compile(most, file, "exec"), namespace)
        if last is None:
            return None
        return eval(compile(ast.Expression(last.value), file, "eval"), namespace)

    def show(self, value):
        """Send the richest form of a value that the page can show."""
        plain = self.first_of(repr(value))
        for kind in ("html", "markdown"):
            method = getattr(type(value), f"_repr_{kind}_", None)
            text = method(value) if callable(method) else None
            if type(text) is str and len(text) <= self.left:
                return self.send(kind, text, plain)
        return self.send("text", plain)

    def show_figures(self):
        """Send the figures that are open, and close them."""
        plt = sys.modules.get("matplotlib.pyplot")
        for number in plt.get_fignums() if plt and not self.silent else ():
            self.figures += 1
            if self.figures <= MOST_FIGURES:
                self.send(*drawn(plt.figure(number), f"live-{self.k}-{self.figures}-"))
            elif self.figures == MOST_FIGURES + 1:
                self.send("text", say(MORE_FIGURES))
        if plt:
            plt.close("all")

    def printed(self, kind, text):
        """Take what is printed, as far as it is shown."""
        if self.silent or not text or self.left < 0:
            return
        if len(text) > self.left:
            text, self.left = f"{text[: self.left]}\n{say(MORE)}\n", -1
        else:
            self.left -= len(text)
        self.held.append((kind, text))
        self.waiting += len(text)
        if self.waiting > PIECE or self.left < 0 or monotonic() > self.sent + PAUSE:
            self.flush()

    def flush(self):
        """Send what is held, in the order in which it was printed."""
        held, self.held = self.held, []
        self.waiting, self.sent = 0, monotonic()
        for kind, pieces in itertools.groupby(held, key=lambda piece: piece[0]):
            self.post(kind, "".join(text for _, text in pieces), "")

    def first_of(self, text):
        """As much of a text from its start as there is room for."""
        most = max(self.left, LEAST)
        return (
            text if len(text) <= most else text[:most] + say(TOO_LONG).format(len(text) - most)
        )

    def last_of(self, text):
        """As much of a text from its end as there is room for."""
        most = max(self.left, LEAST)
        return text if len(text) <= most else "…" + text[-most:]

    def send(self, kind, text, plain=""):
        """Send a record after what was printed before it."""
        self.flush()
        if not self.silent:
            self.post(kind, text, plain)


class Stream(io.TextIOBase):
    """What takes the place of sys.stdout and sys.stderr."""

    encoding = "utf-8"

    def __init__(self, kernel, kind):
        self.kernel, self.kind = kernel, kind

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.kernel.printed(self.kind, text)
        return len(text)

    def flush(self):
        self.kernel.flush()


@contextmanager
def as_it_was():
    """Keep from one run to the next nothing that a cell sets for all.

    Not looked after: what a cell writes into files, and into modules that are not in SHARED.
    """
    plt = sys.modules.get("matplotlib.pyplot")
    if plt:
        plt.close("all")  # those of a cell that raised
        plt.style.use("default")  # which leaves the backend as it is
        if plt.get_backend() != BACKEND:
            plt.switch_backend(BACKEND)
    random.seed()
    np.random.seed()  # noqa: NPY002, a cell may use it
    modules, path, environment = sys.modules.copy(), sys.path.copy(), os.environ.copy()
    traces = sys.gettrace(), sys.getprofile()
    try:
        with chdir("."), np.printoptions(), np.errstate(), warnings.catch_warnings():
            yield
    finally:
        put_back()
        sys.settrace(traces[0])
        sys.setprofile(traces[1])
        sys.setrecursionlimit(RECURSION)
        sys.path[:] = path
        sys.modules.update(modules)  # what was imported since may stay
        os.environ.clear()
        os.environ.update(environment)


def say(english):
    """A sentence in the language of the page."""
    return WORDS.get(english, english)


def put_back():
    """Give shared modules the names that they had when they were imported, and no others."""
    for now, names in AS_IMPORTED:  # the builtins first
        now.update(names)
        for name in now.keys() - names.keys():
            if not isinstance(now[name], types.ModuleType):
                del now[name]


def lines_of(source):
    """The lines that Python counts."""
    return re.split(r"\r\n?|\n", source)


def hushed(source, body):
    """Whether a semicolon follows the last statement: its value is not shown, as in IPython."""
    last = body[-1]
    line = lines_of(source)[last.end_lineno - 1].encode()
    return line[last.end_col_offset :].lstrip().startswith(b";")


def drawn(figure, prefix):
    """A figure as a record: drawn in the page's ink, or in pixels if it has too many parts."""
    plain, file = repr(figure), io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    if len(svg) <= LARGEST_SVG:
        return "svg", ink(svg, prefix, plain), plain
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png", dpi=150)
    return "png", base64.b64encode(pixels.getvalue()).decode(), plain


def in_words(error):
    """The traceback from the reader's first line on, and what helps in a page."""
    try:
        trace = traceback.TracebackException.from_exception(error, compact=True)
        theirs = itertools.dropwhile(lambda f: not f.filename.startswith("<cell "), trace.stack)
        own = [frame for frame in theirs if os.path.dirname(frame.filename) != HERE]
        trace.stack = traceback.StackSummary.from_list(own)
        text = ends_of("".join(trace.format()).rstrip())
        hints = [say(IN_A_PAGE[words]) for words in IN_A_PAGE if words in text]
    except BaseException:  # the text of an exception is code of the reader, too
        text, hints = say(UNREADABLE).format(type(error).__name__), []
    hints += [say(BESIDE[type(error).__name__])] if type(error).__name__ in BESIDE else []
    return "\n".join([text, *hints])


def ends_of(text):
    """A text of many lines without those in its middle: of functions that call each other."""
    lines = text.split("\n")
    return "\n".join([*lines[:20], "  …", *lines[-30:]] if len(lines) > 60 else lines)


def exported(sources, chosen):
    """The text of a script: for each chosen cell what it needs, and the cell as it is.

    A cell that several need is there once.
    """
    kept = {k: {} for k in chosen}
    for k in chosen:
        for i, body in cells.plan(sources, k):
            places = {(node.lineno, node.col_offset): node for node in body or ()}
            kept.setdefault(i, {}).update(places)
    parts = [part_of(sources[i], kept[i]) for i in sorted(kept)]
    return "\n\n".join(f"# %%\n{part}" for part in parts) + "\n"


def part_of(source, kept):
    """Some statements of a cell, from their places; the cell as it is, if all or none."""
    if not kept or len(kept) == len(ast.parse(source).body):
        return source.strip()
    return "\n".join(ast.unparse(kept[place]) for place in sorted(kept))


def start(post):
    """The kernel that sends its records to `post`, for Matplotlib's figures too."""
    global current
    os.environ["MPLBACKEND"] = BACKEND
    current = Kernel(post)
    return current
