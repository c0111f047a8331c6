"""Runs a cell of a chapter in the page: what it needs of the cells above, then the cell.

Each run has a namespace of its own, and finds NumPy and the package as they were imported. So
what a cell shows depends on the texts in the page, and not on what was run before.

It is loaded into Pyodide by worker.mjs, and into plain Python by its tests. What there is to
show goes out in records, `post(kind, text, plain)`: kind is "stdout", "stderr", "text", "html",
"markdown", "svg", "png" or "error".
"""

import ast
import base64
import io
import json
import linecache
import os
import sys
import traceback
import types
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from time import monotonic  # by name: a reader may rebind that of the module

import cells
import numpy as np
from drawings import ink

from companion.exercises.pristine import as_imported

MOST = 50_000  # characters that a run may show; a loop that prints has no end
MOST_FIGURES = 20
LARGEST_SVG = 500_000  # characters; a figure of more becomes a picture of pixels
LEAST = 1000  # of them for what comes at the end: a value, an error
PIECE, PAUSE = 2000, 0.2  # characters and seconds after which what is printed is sent
MORE = "\n… (more was printed)\n"
TOO_LONG = "… ({} characters more)"
# What Python's own words do not say.
BESIDE = {
    "SystemExit": "The cell stopped here. The page's Python goes on.",
    "KeyboardInterrupt": "The cell stopped here.",
    "MemoryError": "The memory of the page's Python is at its end. Use smaller arrays.",
    "RecursionError": "A function called itself too often.",
    "ModuleNotFoundError": "The page's Python has NumPy, SciPy, Matplotlib and mpmath. For "
    "more, run the notebook on your machine.",
}
IN_A_PAGE = {
    "can't start new thread": "The page's Python has no threads.",
    "emscripten does not support processes": "The page's Python starts no other programs.",
    "[Errno 29] I/O error": "input() has nobody to ask in the page. Assign the value instead.",
}
RECURSION = sys.getrecursionlimit()


class Kernel:
    """Plans and runs one cell at a time.

    Parameters
    ----------
    post : callable
        Takes each record.
    """

    def __init__(self, post):
        self.post, self.silent = post, False
        self.left, self.figures, self.held, self.sent = MOST, 0, [], 0.0
        self.steps, self.sources, self.k = [], [], 0

    def plan(self, sources, k):
        """Find what to run for cell k. JSON in and out: the packages that must be there."""
        self.sources, self.k = json.loads(sources), k
        self.steps = cells.plan(self.sources, k)
        statements = [node for _, body in self.steps for node in body or ()]
        inner = [part for node in statements for part in ast.walk(node)]
        wanted = cells.packages_of(inner) | cells.packages(self.sources[k])
        return json.dumps(sorted(wanted))

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
        return exported(json.loads(sources), json.loads(chosen))

    def execute(self, i, body, main, silent=False):
        """Run a cell, or those of its statements. A silent one shows nothing but its error."""
        self.silent, file = silent, f"<cell {i + 1}>"
        # So that tracebacks, inspect and the checker find the reader's lines.
        lines = self.sources[i].splitlines(keepends=True)
        linecache.cache[file] = len(self.sources[i]), None, lines, file
        try:
            body = ast.parse(self.sources[i], file).body if body is None else body
            value = self.evaluate(body, file, vars(main))
            if value is not None and not silent:
                self.show(value)
            self.show_figures()
            return True
        except BaseException as error:  # whatever a reader writes may raise: SystemExit, too
            self.flush()
            self.silent = False
            above = "" if i == self.k else f"In cell {i + 1}, which this one needs:\n"
            self.send("error", self.last_of(above + in_words(error)))
            return False
        finally:
            self.flush()

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
            text = method(value) if method else None
            if type(text) is str and len(text) <= self.left:
                return self.send(kind, text, plain)
        return self.send("text", plain)

    def show_figures(self):
        """Send the figures that are open, and close them."""
        plt = sys.modules.get("matplotlib.pyplot")
        for number in plt.get_fignums() if plt else ():
            self.figures += 1
            if not self.silent and self.figures <= MOST_FIGURES:
                self.send(*drawn(plt.figure(number), f"live-{self.k}-{self.figures}-"))
        if plt:
            plt.close("all")

    def printed(self, kind, text):
        """Take what is printed, as far as it is shown."""
        if self.silent or self.left <= 0:
            return
        shown = text[: self.left]
        self.left -= len(shown)
        self.held.append((kind, shown if self.left else shown + MORE))
        much = sum(len(piece) for _, piece in self.held) > PIECE
        if much or not self.left or monotonic() > self.sent + PAUSE:
            self.flush()

    def flush(self):
        """Send what is held, in the order in which it was printed."""
        held, self.held, self.sent = self.held, [], monotonic()
        for kind, text in held:
            self.post(kind, text, "")

    def first_of(self, text):
        """As much of a text from its start as there is room for."""
        most = max(self.left, LEAST)
        return text if len(text) <= most else text[:most] + TOO_LONG.format(len(text) - most)

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

    def __init__(self, kernel, kind):
        self.kernel, self.kind = kernel, kind

    def write(self, text):
        self.kernel.printed(self.kind, text)
        return len(text)

    def flush(self):
        self.kernel.flush()


@contextmanager
def as_it_was():
    """Keep from one run to the next nothing that a cell sets for all."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt:
        plt.close("all")  # those of a cell that raised
        plt.style.use("default")  # which leaves the backend as it is
    sys.setrecursionlimit(RECURSION)
    with as_imported(), np.printoptions(), np.errstate(), warnings.catch_warnings():
        yield


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
        own = [frame for frame in trace.stack if frame.filename != __file__]
        trace.stack = traceback.StackSummary.from_list(own)
        text = "".join(trace.format()).rstrip()
        hints = [hint for words, hint in IN_A_PAGE.items() if words in text]
    except BaseException:  # the text of an exception is code of the reader, too
        text, hints = f"{type(error).__name__}: its text cannot be read.", []
    hints += [BESIDE[type(error).__name__]] if type(error).__name__ in BESIDE else []
    return "\n".join([text, *hints])


def exported(sources, chosen):
    """The text of a script: for each chosen cell what it needs, and the cell as it is.

    A cell that several need is there once.
    """
    parts = {}
    for k in chosen:
        for i, body in cells.plan(sources, k):
            if i not in chosen:
                text = sources[i] if body is None else "\n".join(map(ast.unparse, body))
                parts[i] = text if len(text) > len(parts.get(i, "")) else parts[i]
        parts[k] = sources[k]
    return "\n\n".join(f"# %%\n{parts[i].strip()}" for i in sorted(parts)) + "\n"


def start(post):
    """The kernel that sends its records to `post`, for Matplotlib's figures too."""
    global current
    os.environ["MPLBACKEND"] = "module://backend"  # which asks for `current`
    current = Kernel(post)
    return current
