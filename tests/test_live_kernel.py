"""What runs in the page, run here: which cells a cell needs, what a run shows, what it leaves.

The programs of the search never give one list two names, since no text of a cell decides what
`w = z; w += [1]` does to `z`. Not decided either, and left out: one module under two names, an
iterator used up by `list` or `sum`, a function that another hands back (`f = d(f)`), and an
object of a class that was defined anew. What only a browser shows is in test_live_pages.py.
"""

import ast
import base64
import builtins
import contextlib
import io
import itertools
import json
import random
import re
import sys
import types
import warnings
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyodide_in_node import run

import companion
from companion.exercises.judge import judge
from companion.exercises.result import State
from tools.approx import Approx
from tools.filled_in import filled_in

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "site" / "live"), str(ROOT / "site")]
import cells  # noqa: E402
import kernel  # noqa: E402

CHAPTERS = [
    "derivation",
    "derivatives",
    "mse_vs_cross_entropy",
    "numerical_stability",
    "one_pass",
    "relatives",
]
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)
FRAMEWORKS = ("torch", "tensorflow", "keras")


@cache
def notebook(chapter):
    return nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", as_version=4)


@cache
def on_the_page(chapter):
    """The code cells of a chapter that its page has."""
    code = [cell for cell in notebook(chapter).cells if cell.cell_type == "code"]
    return [cell for cell in code if "remove-cell" not in cell.metadata.get("tags", [])]


def sources_of(chapter):
    return [cell.source for cell in on_the_page(chapter)]


class Page:
    """A kernel, and what it has shown."""

    def __init__(self):
        self.shown = []
        self.kernel = kernel.start(lambda *record: self.shown.append(record))

    def run(self, *sources, k=-1):
        """The records of running one of some cells, the last if none is named."""
        self.shown.clear()
        self.packages = json.loads(self.kernel.plan(json.dumps(sources), k % len(sources)))
        self.fine = self.kernel.run()
        return list(self.shown)

    def text(self, *sources, kind="stdout", k=-1):
        return "".join(text for kind_, text, _ in self.run(*sources, k=k) if kind_ == kind)

    def error(self, *sources, k=-1):
        text = self.text(*sources, kind="error", k=k)
        assert not self.fine
        return text


class NoFrameworks:
    """Finds no framework, and says so to whoever imports one: there is none in the page."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def page(monkeypatch):
    """A page of its own, with no framework, and with warnings that are not errors."""
    monkeypatch.setenv("MPLBACKEND", "agg")  # put back after the test
    for name in FRAMEWORKS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoFrameworks, *sys.meta_path])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Page()
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].switch_backend("agg")


# What the chapters show.


def compared(outputs):
    """Of stored outputs: what is printed, the value in plain words, the number of figures."""
    printed = "".join(o.text for o in outputs if o.get("name") == "stdout")
    values = [o.data["text/plain"] for o in outputs if o.output_type == "execute_result"]
    return printed, values, sum(o.output_type == "display_data" for o in outputs)


def in_the_page(records):
    """The same of records."""
    printed = "".join(text for kind, text, _ in records if kind == "stdout")
    values = [plain for kind, _, plain in records if kind in ("html", "markdown")]
    values += [text for kind, text, _ in records if kind == "text"]
    return printed, values, sum(kind in ("svg", "png") for kind, _, _ in records)


def equal(one, other):
    return (
        Approx(one[0]) == other[0]
        and list(map(Approx, one[1])) == other[1]
        and one[2] == other[2]
    )


def is_slow(chapter, k):
    """Whether it, or what it needs, takes long in a page, and some seconds here."""
    sources = sources_of(chapter)
    within = [k, *cells.needed(sources, k)]
    tags = [tag for i in within for tag in on_the_page(chapter)[i].metadata.get("tags", [])]
    return any(tag.startswith("takes-") for tag in tags)


@each_chapter
def test_a_cell_with_what_it_needs_shows_what_is_stored(chapter, page):
    sources, wrong = sources_of(chapter), []
    quick = [k for k in range(len(sources)) if not is_slow(chapter, k)]
    random.Random(chapter).shuffle(quick)  # so that it would show if a run left something
    for k in quick:
        shown, stored = in_the_page(page.run(*sources, k=k)), on_the_page(chapter)[k].outputs
        if not (page.fine and equal(shown, compared(stored))):
            wrong.append((k, sources[k], shown, page.shown[-1:]))
    assert len(quick) > 0.6 * len(sources)
    assert not wrong, wrong[0]


def test_words_integers_and_figures_that_differ_are_seen():
    stored = ("loss 0.12345, 3 steps\n", ["array([1.5])"], 1)
    assert equal(("loss 0.12346, 3 steps\n", ["array([1.5])"], 1), stored)
    assert not equal(("loss 0.12346, 4 steps\n", ["array([1.5])"], 1), stored)
    assert not equal(("loss 0.12346, 3 steps\n", ["array([1.6])"], 1), stored)
    assert not equal(("loss 0.12346, 3 steps\n", [], 1), stored)
    assert not equal(("loss 0.12346, 3 steps\n", ["array([1.5])"], 0), stored)


def test_few_cells_are_needed_and_none_twice():
    steps = [
        [i for i, _ in cells.plan(sources_of(chapter), k)]
        for chapter in CHAPTERS
        for k in range(len(on_the_page(chapter)))
    ]
    assert all(step == sorted(set(step)) for step in steps)
    assert len(steps) > 200
    assert sum(map(len, steps)) / len(steps) < 2.5


@each_chapter
def test_an_exercise_fetches_no_package(chapter, page):
    sources = sources_of(chapter)
    exercises = [k for k, s in enumerate(sources) if re.search(r"^ex\.\w+\.check\(", s, re.M)]
    assert len(exercises) >= 5
    for k in exercises:
        assert json.loads(page.kernel.plan(json.dumps(sources), k)) == [], sources[k]


IMPORTS = """import matplotlib.pyplot as plt
import numpy as np
from companion.book.plotting import book_style

book_style()
np.set_printoptions(precision=3)"""


def test_of_imports_only_those_are_run_that_are_wanted(page):
    assert page.text(IMPORTS, "print(np.pi * np.ones(1))") == "[3.142]\n"
    assert page.packages == []
    kept = [ast.unparse(node) for _, body in page.kernel.steps for node in body]
    assert kept == ["import numpy as np", "np.set_printoptions(precision=3)"]


def test_what_a_cell_that_imports_sets_is_kept(page):
    above = "import math\nimport scipy\n\nmath.tau = 5\nscipy.tau = 6\nx = 7\nprint(8)"
    assert page.text(above, "print(math.tau)") == "5\n"
    assert page.packages == []
    assert [ast.unparse(node) for node in page.kernel.steps[0][1]] == [
        "import math",
        "math.tau = 5",
        "print(8)",
    ]
    assert indices(cells, [above, "scipy"]) == [0]
    within = "if x:\n    import math"
    assert page.text("x = 1", f"import scipy\n{within}", "print(math.pi)").startswith("3.14")
    trying = "try:\n    import no_such_one as m\nexcept ImportError:\n    import tomllib as m"
    assert page.text(trying, "print(m.__name__)") == "tomllib\n"


def test_a_figure_has_the_style_of_the_book(page):
    drawn = "print(plt.rcParams['figure.figsize'])\nplt.plot([1, 2])\nplt.show()"
    assert page.text(IMPORTS, drawn) == "[4.8, 2.9]\n"
    assert page.packages == ["matplotlib"]
    assert page.text("import matplotlib.pyplot as plt", drawn) == "[6.4, 4.8]\n"


def test_packages_are_those_behind_the_companion_too():
    assert (
        cells.packages("import companion\nfrom companion.exercises import derivation") == set()
    )
    assert cells.packages("from companion.book import plotting") == {"matplotlib"}
    assert cells.packages("def f():\n    import scipy.special, math") == {"scipy"}
    assert cells.packages("this is no Python") == set()


# Which cells a cell needs: a search.


def fake_module():
    """`fakemod`, as it is before a run: a setting, a state, and names for a star."""
    made = types.ModuleType("fakemod")
    exec("tau, a, state = 6, 100, [0]\ndef seed(x): state[0] = x", vars(made))
    exec("def draw(): return state[0]", vars(made))
    made.__all__ = ["a", "tau"]
    return made


def ran(bodies, last):
    """What the last cell prints, or raises, after some bodies; None if one of these raises."""
    sys.modules["fakemod"] = fake_module()
    namespace, out = {"__name__": "__main__"}, io.StringIO()
    try:
        for body in bodies:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(ast.Module(body, []), "<cell>", "exec"), namespace)
    except Exception as error:
        return None, type(error).__name__
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(last, "<cell>", "exec"), namespace)
    except Exception as error:
        return out.getvalue(), type(error).__name__
    finally:
        del sys.modules["fakemod"]
    return out.getvalue(), None


def after_all(sources):
    return ran([ast.parse(source).body for source in sources[:-1]], sources[-1])


def after_the_plan(sources, module=cells):
    return ran([body for _, body in module.plan(sources, len(sources) - 1)], sources[-1])


# Each is a cell of its own, so that one that is missing is missed.
FIRST = """import fakemod as m
--
from contextlib import nullcontext, suppress
from functools import partial
--
a = 1
--
b = 2
--
c = 3
--
u = [1, 2]
--
v = [3, 4]
--
def f():
    return a + 1
--
def g():
    return f() + b
--
def h(t):
    t.append(1)
    return len(t)
--
def d(t):
    return t
--
def mk():
    def inner():
        return c
    return inner
--
def gen():
    yield a
--
class K:
    y = 0
    def m(self):
        return a
class Q:
    y = 1
--
o = K()
--
p = Q()
--
it = iter([1, 2, 3])
--
fs = [lambda: a]""".split("\n--\n")
# N stands for a number, L for a list, F for a function, I for a digit, S for a statement.
STATEMENTS = """N = I
--
N = (N + I) % 9
--
N += I
--
N: int = I
--
N: int
--
N, N = I, N
--
L = [N, I]
--
L.append(N)
--
L[0] = N
--
L[0] += N
--
L += [I]
--
del L[0]
--
N = L.pop()
--
L = [x + N for x in L]
--
N = [(N := y) for y in L][-1]
--
(N := I)
--
u, v = v, u
--
F = lambda: N + I
--
F = lambda: L.append(N) or N
--
F = F
--
F = mk()
--
F = partial(lambda x: x + N, I)
--
N = F() % 9
--
F()
--
L = [F() for x in list(L)]
--
N = sum(map(lambda x: x + F(), list(L))) % 9
--
o = K()
--
N = o.m() % 9
--
o.z = N
--
N = getattr(o, "z", N)
--
Q.y = N
--
N = h(L)
--
h(L)
--
import fakemod as m
--
m.tau = N
--
m.seed(N)
--
from fakemod import tau as N
--
from fakemod import *
--
len = lambda t: I
--
del len
--
max = min
--
del N
--
N = next(it, I)
--
it = iter([N, I])
--
it = (x + N for x in list(L))
--
it = (F() for x in list(L))
--
it = gen()
--
fs = [lambda: N]
--
fs.append(lambda: N)
--
N = fs[-1]() % 9
--
globals()["a"] = I
--
exec("b = I")
--
N = eval("a + 1")
--
L = sorted(L, key=lambda x: x * N)
--
L[0], N = N, L[-1]
--
N = N if N > I else F() % 9
--
assert F() is not None
--
if N > I:
    S
else:
    S
--
for N in list(L):
    S
--
for L[0] in range(2):
    S
    S
--
while N > I:
    S
    break
--
with suppress(ZeroDivisionError):
    S
    1 / 0
    S
--
with nullcontext(I) as N:
    S
--
try:
    S
    1 / (N % 2)
    S
except ZeroDivisionError as e:
    S
finally:
    S
--
try:
    S
except Exception as N:
    S
else:
    S
--
match N:
    case 1:
        S
    case N:
        S
--
def F():
    return N + len(L)
--
def F():
    L.append(N)
    return N
--
def F():
    global N
    N = (N + 1) % 9
    return N
--
def F():
    return F() + N
--
def F():
    N = I
    return N
--
def F(t=N):
    return t
--
def h(t):
    t[0] = F()
    return t[-1]
--
def d(t):
    L.append(N)
    return t
--
@d
def F():
    return N
--
class K:
    L.append(N)
    y = F()
    def m(self):
        self.z = N
        return F()
--
def gen():
    yield N
    yield F()
--
def mk():
    return lambda: N
--
def F():
    return next(it, N)
--
def F():
    o.z = N
    return o.m()""".split("\n--\n")
ASKED = "a b c u v f() g() o.m() p.y len(u) fs[-1]() m.tau m.draw() h(u) next(it,0) max(1,2)"
NAMES = {"N": ["a", "b", "c"], "L": ["u", "v"], "F": ["f", "g"], "I": list("0123456789")}


@st.composite
def statements(draw, depth=0):
    """A statement, with others in it."""
    some = STATEMENTS if depth < 2 else [s for s in STATEMENTS if "S" not in s]
    lines = []
    for line in draw(st.sampled_from(some)).split("\n"):
        if line.strip() == "S":
            indent = line[: line.index("S")]
            lines += [indent + inner for inner in draw(statements(depth + 1)).split("\n")]
        else:
            choice = lambda found: draw(st.sampled_from(NAMES[found[0]]))  # noqa: E731
            lines.append(re.sub(r"\b[NLFI]\b", choice, line))
    return "\n".join(lines)


@st.composite
def programs(draw):
    """Three to eight cells below the first ones, of which none raises; the last one prints."""
    sources = list(FIRST)
    for _ in range(draw(st.integers(2, 7))):
        cell = "\n".join(draw(st.lists(statements(), min_size=1, max_size=3)))
        if after_all([*sources, cell])[1] is None:
            sources.append(cell)
    asked = draw(st.lists(st.sampled_from(ASKED.split()), min_size=1, max_size=2))
    return [*sources, f"print({', '.join(asked)})"]


@given(programs())
def test_with_what_it_needs_a_cell_does_what_it_does_with_all(sources):
    assert after_the_plan(sources) == after_all(sources), "\n# %%\n".join(sources)


# A rule of cells.py, what is put in its place, cells of which the last needs those numbered.
# Without the rule it would need others: of each one it is seen here.
RULES = {
    "an item is set": (
        "if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, "
        "ast.Load):\n        return _root(node)\n    if isinstance(node, ast.AugAssign)",
        "if isinstance(node, ast.AugAssign)",
        ["w = [1]", "w[0] = 5", "print(w)"],
        [0, 1],
    ),
    "an argument is added to": (
        "if isinstance(node, ast.AugAssign):\n        return _root(node.target)",
        "",
        ["w = [1]", "def h(t):\n    t += [2]", "r = h(w)", "print(w)"],
        [0, 1, 2],
    ),
    "global": (
        "return set(node.names)",
        "return set()",
        ["def f():\n    global w\n    w = 1", "f()", "print(w)"],
        [0, 1],
    ),
    "out=": (
        'if k.arg == "out"',
        "if False",
        ["import numpy as np", "w = np.zeros(1)", "r = np.add(1, 2, out=w)", "print(w)"],
        [0, 1, 2],
    ),
    "next": (
        'if node.func.id == "next"',
        "if False",
        ["it = iter([1, 2])", "r = next(it)", "print(next(it))"],
        [0, 1],
    ),
    "a method may change": (
        "given += [node.func.value]",
        "pass",
        ["w = [1]", "r = w.pop()", "print(w)"],
        [0, 1],
    ),
    "but not each": (
        "and node.func.attr not in PURE",
        "",
        ["w = [1]", "r = w.copy()", "print(w)"],
        [0],
    ),
    "a call that is a statement": (
        "set() if alone else set().union(*map(_root, call.args))",
        "set()",
        ["w = [2, 1]", "from heapq import heapify\nheapify(w)", "print(w)"],
        [0, 1],
    ),
    "but not print": (
        "set() if alone else",
        "",
        ["w = [1]", "print(w)", "print(w)"],
        [0],
    ),
    "a function that changes what it is given": (
        "any(name in facts.passes.get(g, ()) for g in editors)",
        "False",
        ["def h(t):\n    t.append(1)", "w = []", "r = h(w)", "print(w)"],
        [0, 1, 2],
    ),
    "but not itself": (
        ' - {"self"}',
        "",
        [
            "w = 1",
            "class C:\n    def __init__(self, x):\n        self.x = x",
            "o = C(w)",
            "print(w)",
        ],
        [0],
    ),
    "a function that changes a global": (
        "any(name in in_use(other)[1] for other in used)",
        "False",
        ["w = []", "def f():\n    w.append(1)", "r = f()", "print(w)"],
        [0, 1, 2],
    ),
    "in the cell that defines it": (
        "used = facts.reads | facts.by_calling.keys()",
        "used = facts.reads",
        ["w = []", "def f():\n    w.append(1)\nr = f()", "print(w)"],
        [0, 1],
    ),
    "through another function": (
        "todo += f.later.get(part, set()) | (made_of & makers)",
        "todo += made_of & makers",
        ["w = []", "def f():\n    w.append(1)", "def g():\n    f()", "r = g()", "print(w)"],
        [0, 1, 2, 3],
    ),
    "names of its own are others": (
        "|= names & seen",
        "|= names",
        ["w = [1]", "def f():\n    w = []\n    w.append(2)", "f()", "print(w)"],
        [0],
    ),
    "a lambda may run at once": (
        "if not isinstance(f, ast.Lambda) for n in _in_body(f)",
        "for n in _in_body(f)",
        ["w = []", "print([*map(lambda x: w.append(x), [1])])", "print(w)"],
        [0, 1],
    ),
    "what binds for certain ends the search": (
        "if name in facts.surely",
        "if False",
        ["w = 1", "w = 2", "print(w)"],
        [1],
    ),
    "what may bind does not": (
        "inside = set(known)",
        "inside = known",
        ["w = 1", "if []:\n    w = 2", "print(w)"],
        [0, 1],
    ),
    "a star binds any name": (
        ' or "*" in facts.binds:',
        ":",
        ["from math import *", "print(pi)"],
        [0],
    ),
    "so do globals()": (
        '{"*"} if facts.reads & BY_TEXT else set()',
        "set()",
        ["globals()['w'] = 1", "print(w)"],
        [0],
    ),
    "eval reads any name": (
        "if reads & BY_TEXT else reads",
        "if False else reads",
        ["w = 1", "print(eval('w'))"],
        [0],
    ),
    "a module's setting": (
        "if name in above[i].settings]",
        "if False]",
        ["import fakemod as m", "m.tau = 1", "m.seed(5)", "print(m.tau, m.draw())"],
        [0, 1, 2],
    ),
    "a setting is called": (
        "return _root(node.func) if SETTING.fullmatch(node.func.attr) else set()",
        "return set()",
        ["import fakemod as m", "m.seed(5)", "print(m.draw())"],
        [0, 1],
    ),
    "other calls of a module": (
        "changers = [i for i in changers if name in above[i].settings]",
        "pass",
        ["import fakemod as m", "m.draw()", "print(m.tau)"],
        [0],
    ),
    "import a.b keeps a": (
        "if not _adds_a_module(node):",
        "if True:",
        ["import xml.dom", "import xml.sax", "print(xml.dom.__name__)"],
        [0, 1],
    ),
    "a function reads when it is called": (
        "todo += [(at, other) for other in in_use(name)[0]]",
        "pass",
        ["w = 1", "def f():\n    return w", "w = 2", "print(f())"],
        [0, 1, 2],
    ),
    "a method that changes a global": (
        "return isinstance(node, ast.ClassDef)",
        "return False",
        [
            "w = []",
            "class C:\n    def m(self):\n        w.append(1)",
            "o = C()",
            "r = o.m()",
            "print(w)",
        ],
        [0, 1, 2, 3],
    ),
    "an object sees what its class is given": (
        "reads |= f.later.get(part, set()) | (made_of & classes)",
        "reads |= f.later.get(part, set())",
        ["class C:\n    y = 1", "o = C()", "C.y = 2", "print(o.y)"],
        [0, 1, 2],
    ),
    "a function under another name": (
        "facts.makers |= {node.value.id}",
        "pass",
        ["w = 1", "def f():\n    return w", "g = f", "w = 2", "print(g())"],
        [0, 1, 2, 3],
    ),
    "a function in a list": (
        'return set().union(*map(_names_in, _kept(getattr(node, "value", None))))',
        "return set()",
        ["w = 1", "fs = [lambda: w]", "w = 2", "print(fs[0]())"],
        [0, 1, 2],
    ),
    "a function in a call": (
        "not in KEEPING",
        "not in ()",
        ["fs = []", "w = 1", "fs.append(lambda: w)", "w = 2", "print(fs[0]())"],
        [0, 1, 2, 3],
    ),
    "which most calls use up": (
        "yield from _kept(value.func)",
        "yield from map(_kept, value.args)",
        ["w = 1", "v = sorted([2, 1], key=lambda x: x * w)", "w = 3", "print(v)"],
        [0, 1],
    ),
    "a generator": (
        "any(isinstance(n, ast.Yield | ast.YieldFrom) for n in parts) or any",
        "any",
        ["w = 1", "def gen():\n    yield w", "it = gen()", "w = 2", "print([*it])"],
        [0, 1, 2, 3],
    ),
    "a function that returns a lambda": (
        "[*_kept(value)] or (",
        "(",
        ["w = 1", "def mk():\n    return lambda: w", "g = mk()", "w = 2", "print(g())"],
        [0, 1, 2, 3],
    ),
    "a function that returns a function": (
        "or (isinstance(value, ast.Name) and value.id in named)",
        "",
        [
            "w = 1",
            "def mk():\n    def f():\n        return w\n    return f",
            "g = mk()",
            "w = 2",
            "print(g())",
        ],
        [0, 1, 2, 3],
    ),
    "each reading has its own place": (
        "if (at, name) in seen",
        "if name in {n for _, n in seen}",
        ["w = 1", "v = w", "w = 2", "print(w, v)"],
        [0, 1, 2],
    ),
    "what is needed needs others": (
        "todo += [(i, other) for other in _wanted(facts, i)] if i not in found else []",
        "pass",
        ["w = 1", "v = w", "print(v)"],
        [0, 1],
    ),
    "a comprehension reads": (
        '(reads | (inside - {getattr(node, "name", None)})) - known',
        "reads - known",
        ["w = 1", "v = [x + w for x in [1]]", "print(v)"],
        [0, 1],
    ),
    "but not what the cell itself has bound": (
        '- {getattr(node, "name", None)})) - known',
        '- {getattr(node, "name", None)}))',
        ["w = 1", "w = 2\nv = w", "print(v)"],
        [1],
    ),
    "a walrus binds": (
        "bound |= walrus & {s.get_name() for s in symbols}",
        "pass",
        ["r = [(v := x) for x in [1, 2]]", "print(v)"],
        [0],
    ),
    "an annotation alone does not": (
        "if isinstance(node, ast.AnnAssign) and not node.value:",
        "if False:",
        ["v = 1", "v: int", "print(v)"],
        [0],
    ),
    "what is added to is read": (
        "if isinstance(node, ast.AugAssign | ast.Delete):",
        "if isinstance(node, ast.Delete):",
        ["w = [1]", "w += [2]", "print(w)"],
        [0, 1],
    ),
    "what is deleted is read": (
        "if isinstance(node, ast.AugAssign | ast.Delete):",
        "if isinstance(node, ast.AugAssign):",
        ["w = 1", "del w\nv = 2", "print(v)"],
        [0, 1],
    ),
    "for reads": (
        "_read(node.iter, facts, known)",
        "pass",
        ["w = [1]", "for v in w:\n    pass", "print(v)"],
        [0, 1],
    ),
    "for may have no turn": (
        "_blocks(facts, known, [_assigned(node.target), *node.body], node.orelse)",
        "[_take(c, facts, known) for c in [_assigned(node.target), *node.body]]",
        ["w = 1", "for x in []:\n    w = 2", "print(w)"],
        [0, 1],
    ),
    "if and while read": (
        "_read(node.test, facts, known)",
        "pass",
        ["w = 1", "while w:\n    v = 2\n    break", "print(v)"],
        [0, 1],
    ),
    "match reads": (
        "_read(node.subject, facts, known)",
        "pass",
        ["w = 1", "match w:\n    case 1:\n        v = 2", "print(v)"],
        [0, 1],
    ),
    "a case may be passed over": (
        "_blocks(facts, known, *map(_case, node.cases))",
        "[_take(c, facts, known) for case in node.cases for c in _case(case)]",
        ["v = 1", "match 3:\n    case 1:\n        v = 2", "print(v)"],
        [0, 1],
    ),
    "a case binds": (
        "for name in names if name]",
        "for name in ()]",
        ["match 3:\n    case v:\n        pass", "print(v)"],
        [0],
    ),
    "a case names": (
        "for part in parts if isinstance(part, ast.Name)]",
        "for part in ()]",
        ["C = int", "match 3:\n    case C():\n        v = 1", "print(v)"],
        [0, 1],
    ),
    "a case has a condition": (
        "([ast.Expr(case.guard)] if case.guard else [])",
        "[]",
        ["w = 1", "match 3:\n    case 3 if w:\n        v = 2", "print(v)"],
        [0, 1],
    ),
    "with reads": (
        "_read(item.context_expr, facts, known)",
        "pass",
        [
            "from contextlib import nullcontext",
            "with nullcontext(1) as v:\n    pass",
            "print(v)",
        ],
        [0, 1],
    ),
    "with binds": (
        "_simple(_assigned(item.optional_vars), facts, known)",
        "pass",
        [
            "from contextlib import nullcontext",
            "with nullcontext(1) as v:\n    pass",
            "print(v)",
        ],
        [0, 1],
    ),
    "with may end early": (
        "_blocks(facts, known, node.body)  # suppress",
        "[_take(c, facts, known) for c in node.body]  # suppress",
        [
            "from contextlib import suppress",
            "v = 1",
            "with suppress(Exception):\n    1 / 0\n    v = 2",
            "print(v)",
        ],
        [0, 1, 2],
    ),
    "try may end early": (
        "_blocks(facts, known, [*node.body, *node.orelse], *map",
        "[_take(c, facts, known) for c in node.body]\n        "
        "_blocks(facts, known, node.orelse, *map",
        ["v = 1", "try:\n    1 / 0\n    v = 2\nexcept Exception:\n    pass", "print(v)"],
        [0, 1],
    ),
    "except binds": (
        ", *map(_handler, node.handlers))",
        ")",
        ["try:\n    1 / 0\nexcept Exception:\n    v = 1", "print(v)"],
        [0],
    ),
    "except reads": (
        "[ast.Expr(handler.type)] if handler.type else []",
        "[]",
        ["E = ZeroDivisionError", "try:\n    1 / 0\nexcept E:\n    v = 1", "print(v)"],
        [0, 1],
    ),
    "except binds its error": (
        "[ast.Name(handler.name, ast.Store())] if handler.name else []",
        "[]",
        ["e = 1", "try:\n    1 / 0\nexcept Exception as e:\n    v = str(e)", "print(v)"],
        [1],
    ),
    "else of try": (
        "[*node.body, *node.orelse], *map",
        "node.body, *map",
        ["try:\n    pass\nexcept E:\n    pass\nelse:\n    v = 1", "print(v)"],
        [0],
    ),
    "finally": (
        "for child in node.finalbody",
        "for child in ()",
        ["try:\n    pass\nfinally:\n    v = 1", "print(v)"],
        [0],
    ),
}
TEXT = Path(cells.__file__).read_text(encoding="utf-8")


def indices(module, sources):
    return [i for i, _ in module.plan(sources, len(sources) - 1)]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_decides_what_is_needed(rule, monkeypatch):
    old, new, sources, wanted = RULES[rule]
    assert after_the_plan(sources) == after_all(sources)
    assert indices(cells, sources) == wanted
    assert TEXT.count(old) == 1
    mutant = types.ModuleType("cells_without_a_rule")
    monkeypatch.setitem(sys.modules, mutant.__name__, mutant)
    exec(compile(TEXT.replace(old, new), "<mutant>", "exec"), vars(mutant))
    try:
        changed = indices(mutant, sources)
    except AttributeError:  # a rule that others lean on
        changed = None
    assert changed != wanted


# Since Python 3.12 comprehensions have no scope of their own, since 3.14 annotations have one.
SCOPES = [
    (["w = 1", "v = [w for w in [2]]", "print(w)"], [0]),
    (["w = 1", "v = {w: 3 for w in [2]}, {w for w in [2]}", "print(w)"], [0]),
    (["w = 1", "v = [[x + w for x in [1]] for y in [2]]", "print(v)"], [0, 1]),
    (["w = int", "v: w = 3", "print(v)"], [0, 1]),
    (["w = 1", "def f(x: int = w) -> int:\n    return x", "print(f())"], [0, 1]),
    (["w = 1", "v = [(w := y) for y in [2]]", "print(w)"], [1]),
    (["w = 1", "v = list(x + w for x in [1])", "print(v)"], [0, 1]),
]
IN_THE_PAGE = """
import json
import sys
sys.path += [sys.path[0] + "/site", sys.path[0] + "/site/live"]
import cells
result = [[i for i, _ in cells.plan(some, k)] for some, k in json.loads({text!r})]
"""


@pytest.mark.parametrize(("sources", "wanted"), SCOPES)
def test_scopes_decide_what_is_needed(sources, wanted):
    assert after_the_plan(sources) == after_all(sources)
    assert indices(cells, sources) == wanted


def test_the_pages_python_finds_the_same_cells():
    asked = [(sources, len(sources) - 1) for sources, _ in SCOPES]
    asked += [(sources, len(sources) - 1) for _, _, sources, _ in RULES.values()]
    asked += [(sources_of(c), k) for c in CHAPTERS for k in range(len(on_the_page(c)))]
    found = run(
        IN_THE_PAGE.format(text=json.dumps(asked)), folders=(ROOT / "companion", ROOT / "site")
    )
    assert len(found) == len(asked) > 250
    for (sources, k), steps in zip(asked, found, strict=True):
        assert steps == [i for i, _ in cells.plan(sources, k)], sources[k]


# What a run shows.


def in_order(records):
    """Kinds and texts of records, those of one kind that follow each other in one piece."""
    groups = itertools.groupby(records, key=lambda record: record[0])
    return [(kind, "".join(text for _, text, _ in group)) for kind, group in groups]


def test_what_is_printed_comes_in_its_order_and_is_cut(page):
    code = "import sys\nfor i in range(3):\n    print(i)\n    print('!', file=sys.stderr)\n7"
    assert in_order(page.run(code)) == [
        ("stdout", "0\n"),
        ("stderr", "!\n"),
        ("stdout", "1\n"),
        ("stderr", "!\n"),
        ("stdout", "2\n"),
        ("stderr", "!\n"),
        ("text", "7"),
    ]
    exact = page.text(f"print('x' * {kernel.MOST - 1})")
    assert len(exact) == kernel.MOST
    assert not exact.endswith(kernel.MORE)
    longer = page.text(f"print('x' * {kernel.MOST})\nprint('not seen')\n'and the value'")
    assert longer == f"{'x' * kernel.MOST}\n{kernel.MORE}\n"
    assert page.shown[-1][:2] == ("text", "'and the value'")


@pytest.mark.parametrize("text", ["", "x", "line\\n", "x" * 5000])
def test_printing_without_end_costs_no_memory(page, text):
    import tracemalloc

    tracemalloc.start()
    page.run(f"for _ in range(100_000):\n    print('{text}', end='')")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
    assert len(page.shown) < 100
    assert sum(len(record[1]) for record in page.shown) <= kernel.MOST + len(kernel.MORE) + 2


def test_what_is_printed_does_not_wait_for_the_end(page, monkeypatch):
    now = iter(range(100))  # a second for each look at the clock
    monkeypatch.setattr(kernel, "monotonic", lambda: next(now))
    assert in_order(page.run("print(1)\nprint(2)")) == [("stdout", "1\n2\n")]
    assert len(page.shown) > 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("", []),
        ("# a comment", []),
        ("None", []),
        ("x = 3", []),
        ("x = 3\nx", ["3"]),
        ("3;", []),
        ("3;  # not shown", []),
        ("'é';\n", []),
        ("';'", ["';'"]),
        ("(3)  # ; shown", ["3"]),
        ("print; 4", ["4"]),
    ],
)
def test_the_last_value_is_shown_unless_a_semicolon_follows(page, cell, shown):
    assert [text for _, text, _ in page.run(cell)] == shown
    assert page.fine


VALUE = "class A:\n    def __repr__(self): return 'plain'\n    {}\nA()"


def test_a_value_is_shown_in_its_richest_form(page):
    html = page.run(VALUE.format("def _repr_html_(self): return '<b>rich</b>'"))
    assert html == [("html", "<b>rich</b>", "plain")]
    markdown = page.run(VALUE.format("def _repr_markdown_(self): return '*rich*'"))
    assert markdown == [("markdown", "*rich*", "plain")]


@pytest.mark.parametrize(
    "method",
    [
        "_repr_html_ = 7",
        "def _repr_html_(self): return 3",
        "def _repr_html_(self): return None",
        "def _repr_html_(self): return 'x' * 10**6",
        "def __getattribute__(self, name): raise SystemExit",
    ],
)
def test_a_rich_form_that_is_none_is_left_out(page, method):
    assert page.run(VALUE.format(method)) == [("text", "plain", "")]


def test_a_value_that_cannot_be_shown_is_an_error_of_the_cell(page):
    assert "line 2, in __repr__" in page.error("class A:\n    def __repr__(self): 1 / 0\nA()")
    assert "line 3, in _repr_html_" in page.error(VALUE.format("def _repr_html_(self): 1 / 0"))
    text = page.text("class A:\n    def __repr__(self): return 'x' * 10**7\nA()", kind="text")
    assert len(text) < kernel.MOST + 100
    assert text.endswith("characters more)")


def test_figures_are_shown_where_plt_show_stands_and_at_the_end(page):
    code = "import matplotlib.pyplot as plt\n{}print('drawn')\n3"
    kinds = [kind for kind, _, _ in page.run(code.format("plt.plot([1, 2])\nplt.show()\n"))]
    assert kinds == ["svg", "stdout", "text"]
    kinds = [kind for kind, _, _ in page.run(code.format("plt.plot([1, 2])\n"))]
    assert kinds == ["stdout", "text", "svg"]
    assert page.shown[-1][2] == "<Figure size 640x480 with 1 Axes>"


def test_a_figure_that_a_failed_cell_left_is_not_shown_by_the_next(page):
    first = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n1 / 0"
    assert [kind for kind, _, _ in page.run(first)] == ["error"]
    assert page.run("import matplotlib.pyplot as plt\nNone") == []


def test_figures_without_end_are_cut_and_those_of_cells_above_do_not_count(page):
    many = "import matplotlib.pyplot as plt\nfor _ in range(30):\n    plt.figure()\nx = 1"
    records = [record for record in page.run(many) if record[0] != "stderr"]
    assert [kind for kind, _, _ in records] == ["svg"] * kernel.MOST_FIGURES + ["text"]
    assert records[-1][1] == kernel.MORE_FIGURES
    one = "import matplotlib.pyplot as plt\nplt.plot([x])\nplt.show()"
    assert [kind for kind, _, _ in page.run(many, one)] == ["svg"]


def test_a_figure_of_too_many_parts_becomes_pixels(page):
    code = "import matplotlib.pyplot as plt\nplt.scatter(range(20_000), range(20_000))\nNone"
    ((kind, text, _),) = page.run(code)
    assert kind == "png"
    assert base64.b64decode(text).startswith(b"\x89PNG")


def test_a_figure_that_cannot_be_drawn_is_an_error_in_words(page):
    text = page.error("import matplotlib.pyplot as plt\nplt.title(r'$\\nonsense$')\nNone")
    assert "nonsense" in text
    assert page.run("import matplotlib.pyplot as plt\nNone") == []


# Errors.


def test_an_error_is_shown_from_the_readers_first_line_on(page):
    code = "import numpy as np\n\ndef f(x):\n    return np.linalg.inv(x)\nf(np.zeros((2, 2)))"
    text = page.error(code)
    assert text.startswith('Traceback (most recent call last):\n  File "<cell 1>", line 5')
    assert "    return np.linalg.inv(x)" in text
    assert text.endswith("LinAlgError: Singular matrix")


@pytest.mark.parametrize(
    "cell",
    [
        "1 / 0",
        "import sys\nsys.stdout.write(3)",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('no')",
        "def f():\n    return f()\nf()",
        "def f(:",
        "await x",
        "import matplotlib.pyplot as plt\nplt.title('$')\nplt.title('$\\\\no$')\nplt.show()",
        "class A:\n    def __repr__(self): 1 / 0\nA()",
        "raise ExceptionGroup('some', [ValueError(1)])",
    ],
)
def test_no_error_shows_lines_of_the_kernel(page, cell):
    text = page.error(cell)
    for words in ("kernel.py", "cells.py", "backend.py", "ast.py", str(ROOT / "site")):
        assert words not in text


def test_an_error_in_a_cell_above_is_shown_with_its_cell(page):
    text = page.error("a = 1", "def f():\n    1 / 0\n\nb = f()", "print(b)")
    assert text.startswith("In cell 2, which this one needs:\nTraceback")
    assert 'File "<cell 2>", line 4' in text
    assert 'File "<cell 2>", line 2, in f\n    1 / 0\n' in text
    assert [kind for kind, _, _ in page.shown] == ["error"]


def test_lines_keep_their_numbers_where_imports_are_left_out(page):
    above = "import matplotlib.pyplot as plt\n\nimport numpy as np\n\nnp.nothing()"
    text = page.error(above, "np.zeros(1)")
    assert page.packages == []
    assert 'File "<cell 1>", line 5, in <module>\n    np.nothing()\n' in text


def test_lines_are_those_that_python_counts(page):
    assert "line 2" in page.error("x = '\x0c \u2028'\n1 / 0  # here")
    assert "1 / 0  # here" in page.shown[-1][1]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("x = 1\ndef f(:\n    pass", "line 2\n    def f(:\n          ^"),
        ("x = 1\n  y = 2", "line 2\n    y = 2"),
        ("x = (1,\n", "line 1\n    x = (1,\n        ^"),
    ],
)
def test_a_cell_that_is_no_python_shows_the_readers_line(page, cell, line):
    text = page.error(cell)
    assert f'File "<cell 1>", {line}' in text
    assert "Error: " in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("broken", "binds"),
    [
        ("x = (", True),
        ("def x(:", True),
        ("class x(:", True),
        ("x, y = (", True),
        ("y: int = 3\nx: int = (", True),
        ("if y:\n    x = (", True),
        ("x += (", True),
        ("x[0] = (", True),
        ("import x, (", True),
        ("from y import x as (", True),
        ("for x in (:", True),
        ("print(x", False),
        ("x(", False),
        ("x.y(", False),
        ("if x == 3", False),
        ("y = x + (", False),
        ("# x = 3\n(", False),
    ],
)
def test_a_cell_that_is_no_python_is_in_the_way_if_it_seems_to_bind(page, broken, binds):
    records = page.run("x = 5", broken, "x")
    if binds:
        assert records[0][1].startswith("In cell 2, which this one needs:\n")
    else:
        assert records == [("text", "5", "")]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("a\0b", "null byte"),
        ("(" * 10_000 + ")" * 10_000, "Error"),
        ("-" * 100_000 + "1", "Error"),
        ("x" + ".y" * 100_000, "Error"),
        ("x = " + "[" * 150, "never closed"),
        ("return 3", "outside function"),
        ("await x", "outside function"),
        ("x = x + 1", "name 'x' is not defined"),
        ("%matplotlib inline", "IPython's"),
        ("!ls", "IPython's"),
        ("exit()", "The page's Python goes on."),
        ("quit(3)", "The page's Python goes on."),
        ("raise KeyboardInterrupt", "The cell stopped here."),
        ("import no_such_module", "on your machine"),
        ('raise RuntimeError("can\'t start new thread")', "has no threads"),
        ("def f():\n    f()\nf()", "Calls within calls went too deep"),
        ("raise MemoryError", "smaller arrays"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "E: "),
        ("raise type('E', (BaseException,), {'__str__': lambda self: 5})", "E: "),
    ],
)
def test_what_goes_wrong_ends_in_words(page, cell, words):
    assert words in page.error(cell)
    assert page.run("1 + 1") == [("text", "2", "")]


def test_of_a_deep_error_the_ends_are_shown(page):
    cell = "def f(x):\n    return g(x)\n\n\ndef g(x):\n    return f(x + 1)\n\n\nf(0)"
    page.run(cell)
    lines = page.shown[-1][1].split("\n")
    assert len(lines) < 60
    assert lines[1] == '  File "<cell 1>", line 9, in <module>'
    assert any(line.startswith("RecursionError: ") for line in lines[-3:])


def test_a_long_error_is_cut(page):
    assert len(page.error("raise ValueError('x' * 10**6)")) <= kernel.MOST + 100


def test_a_large_cell_is_run(page):
    assert page.text(f"x = '{'a' * 10**6}'\nprint(len(x))") == "1000000\n"
    assert page.text("x = 1\n" * 2000 + "print(x)") == "1\n"


def test_a_cell_reads_what_it_then_binds(page):
    assert page.run("x = 1", "x = x + 1\nx", "x = x * 10\nx") == [("text", "20", "")]
    assert page.run("x = 1", "x = x + 1\nx", k=1) == [("text", "2", "")]


# What a run leaves: nothing.

SET = {
    "printoptions": (
        "import numpy as np\nnp.set_printoptions(precision=2)",
        "np.array([1 / 3])",
    ),
    "errstate": ("import numpy as np\nnp.seterr(all='raise')", "np.geterr()"),
    "filters": ("import warnings\nwarnings.simplefilter('error')", "warnings.filters[0][0]"),
    "rcParams": (
        "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 99",
        "plt.rcParams['font.size']",
    ),
    "backend": (
        "import matplotlib\nmatplotlib.use('svg')",
        "__import__('matplotlib.pyplot').pyplot.get_backend()",
    ),
    "recursion": ("import sys\nsys.setrecursionlimit(5000)", "sys.getrecursionlimit()"),
    "a function of NumPy": ("import numpy as np\nnp.exp = abs", "np.exp(0.0)"),
    "a new one": ("import numpy as np\nnp.mine = 3", "hasattr(np, 'mine')"),
    "a function of the package": (
        "import companion\ncompanion.softmax = abs",
        "companion.softmax([0.0, 0.0])",
    ),
    "one below": (
        "import companion.losses\ncompanion.losses.softmax_cross_entropy = abs",
        "companion.losses.softmax_cross_entropy.__name__",
    ),
    "print": ("import builtins\nbuiltins.print = repr", "builtins.print is repr"),
    "len": ("import builtins\nbuiltins.len = None", "builtins.len([1])"),
    "isinstance": ("import builtins\nbuiltins.isinstance = None", "isinstance(1, int)"),
    "a builtin of one's own": (
        "import builtins\nbuiltins.extra = 3",
        "hasattr(builtins, 'extra')",
    ),
    "math": ("import math\nmath.sqrt = abs", "math.sqrt(4)"),
    "stdout": ("import sys\nsys.stdout = None", "sys.stdout is None"),
    "modules": ("import sys\ndel sys.modules['json']", "'json' in sys.modules"),
    "other modules": ("import sys\nsys.modules['numpy'] = 5", "repr(sys.modules['numpy'])"),
    "path": ("import sys\nsys.path.clear()", "len(sys.path) > 0"),
    "folder": ("import os\nos.chdir('/')", "os.getcwd()"),
    "environment": ("import os\nos.environ['MINE'] = '1'", "'MINE' in os.environ"),
    "tracing": ("import sys\nsys.settrace(lambda *a: None)", "sys.gettrace()"),
    "profile": ("import sys\nsys.setprofile(lambda *a: None)", "sys.getprofile()"),
    "names": ("x = 3", "'x' in globals()"),
}


@pytest.mark.parametrize("name", SET)
@pytest.mark.parametrize("ending", ["", "\n1 / 0", "\nraise SystemExit"])
def test_what_a_run_sets_is_not_seen_by_the_next(page, name, ending):
    setting, read = SET[name]
    imports = "\n".join(line for line in setting.split("\n") if line.startswith("import"))
    asked = f"{imports}\nprint({read})"
    before = page.text(asked)
    assert page.fine
    page.run(setting + ending)
    assert page.fine == (ending == "")
    assert page.text(asked) == before


def test_random_numbers_without_a_seed_are_new_ones(page):
    draw = "import random\nimport numpy as np\nprint(random.random(), np.random.rand())"
    seed = "import random\nimport numpy as np\nrandom.seed(0)\nnp.random.seed(0)\n"
    assert page.text(seed + draw) == page.text(seed + draw)
    seen = set()
    for _ in range(2):
        page.run(seed)
        seen |= {*page.text(draw).split()}
    assert len(seen) == 4


def test_the_readers_functions_do_not_outlive_the_run(page):
    page.run("import builtins\nbuiltins.len = 5\nlen('x')")
    assert builtins.len("x") == 1
    page.run("import numpy as np\nnp.exp = 5\nimport companion\ncompanion.softmax = 5")
    assert np.exp(0.0) == 1
    assert companion.softmax is companion.functions.softmax


def test_a_class_is_found_where_pickle_looks(page):
    code = "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())) is not None)"
    main = sys.modules["__main__"]
    assert page.text(code) == "True\n"
    assert sys.modules["__main__"] is main


# The script that is exported.


def answered(chapter, chosen=None):
    """The cells of a page with answers to the chosen exercises, and the cells' numbers."""
    sources, filled = sources_of(chapter), filled_in(notebook(chapter))
    numbers = {}
    for k, source in enumerate(sources):
        found = re.search(r"^ex\.(\w+)\.check\(", source, re.M)
        if found:
            numbers[found[1]] = k
            if chosen is None or found[1] in chosen:
                sources[k] = filled[found[1]].source
    return sources, numbers


def judged(page, sources, chosen, file):
    file.write_text(
        page.kernel.export(json.dumps(sources), json.dumps(chosen)), encoding="utf-8"
    )
    return {result.exercise.partition(".")[2]: result for result in judge(file, seed=1)}


@each_chapter
def test_an_exported_script_is_judged_as_in_the_page(chapter, page, tmp_path):
    sources, numbers = answered(chapter)
    results = judged(page, sources, list(numbers.values()), tmp_path / "mine.py")
    assert results.keys() == numbers.keys()
    assert {name: str(r) for name, r in results.items() if r.state is not State.CORRECT} == {}
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    assert "matplotlib" not in text
    assert len(text) < 1.3 * sum(len(sources[k]) for k in numbers.values()) + 2000


def test_stubs_and_wrong_answers_are_exported_as_they_are(page, tmp_path):
    sources, numbers = answered("derivation", {"cross_entropy"})
    at = numbers["class_map_probs"]
    wrong = "def class_map_probs(scores):\n    return np.zeros(np.shape(scores))"
    sources[at] = f"{wrong}\n\n\nex.class_map_probs.check(class_map_probs)"
    results = judged(page, sources, sorted(numbers.values()), tmp_path / "mine.py")
    states = {name: result.state for name, result in results.items()}
    assert states.pop("cross_entropy") is State.CORRECT
    assert states.pop("class_map_probs") is State.NOT_YET
    assert set(states.values()) == {State.NOT_ATTEMPTED}


def test_an_answer_takes_edited_cells_with_it(page, tmp_path):
    sources, numbers = answered("derivation", ())
    at, whole = numbers["cross_entropy"], "half = 0.5\n\ndef twice(x):\n    return x / half\n"
    right, _ = answered("derivation")
    sources[1] += f"\n\n{whole}"
    sources[at] = right[at].replace("return ", "return half * twice(1) * ", 1)
    assert sources[at] != right[at]
    results = judged(page, sources, [at], tmp_path / "mine.py")
    assert results["cross_entropy"].state is State.CORRECT, str(results["cross_entropy"])
    assert whole.strip() in (tmp_path / "mine.py").read_text(encoding="utf-8")


def test_each_exported_cell_has_the_imports_that_any_of_them_wants(page):
    above = "import os\nimport scipy\nimport matplotlib\nimport json"
    cells_ = [above, "os.name, scipy.__name__", "json.dumps(matplotlib.__name__)"]
    text = page.kernel.export(json.dumps(cells_), json.dumps([1, 2]))
    assert text.split("# %%\n")[1].split() == above.split()
    text = page.kernel.export(json.dumps(cells_), json.dumps([1]))
    assert "matplotlib" not in text.split("# %%\n")[1]
