"""Answers that do not end, or touch what a check restores: for Python here and in the page.

A module without imports of other tests, so that its text can be run by another Python.
"""

import dataclasses
import sys
import time
import warnings

import numpy as np

from companion.exercises import numerical_stability as ex

LIMIT = 0.3
IMPATIENT = dataclasses.replace(ex.softmax, time_limit=LIMIT)
NAMED = (
    f"✘ Not yet. Your function had not finished after {LIMIT} seconds. "
    "Is there a loop that never ends?"
)
right = ex.softmax.build()

# Bodies of `def answer(x):`, each in its line or lines. None of them ends by itself.
ENDLESS = {
    "a loop": "while True: pass",
    "a loop with a condition": "i = 0\nwhile i >= 0: i += 1",
    "a loop over what has no end": "for _ in iter(int, 1): pass",
    "continue in a match": "while True:\n match x:\n  case _: continue",
    "continue in a handler": "while True:\n try: 1 / 0\n except ZeroDivisionError: continue",
    "catches the signal": "while True:\n try:\n  while True: pass\n except BaseException: pass",
    "catches it and returns": "try:\n while True: pass\nexcept BaseException: return x",
    "catches what it raises": "while True:\n try: raise SystemExit\n except SystemExit: pass",
    "each catches and calls the other": """
def first():
    try:
        while True: pass
    except: second()
def second():
    try:
        while True: pass
    except: first()
while True:
    try: first()
    except: pass""",
    "finally": "try: return x\nfinally:\n while True: pass",
    "finally in finally": """
try:
    while True: pass
finally:
    try:
        while True: pass
    finally:
        while True: pass""",
    "a block that swallows": """
class Swallows:
    def __enter__(self): pass
    def __exit__(self, *_): return True
while True:
    with Swallows():
        while True: pass""",
    "a generator closed by `with`": """
import contextlib
@contextlib.contextmanager
def closing():
    try: yield
    finally:
        while True: pass
with closing(): return x""",
    "suppress": """
import contextlib
while True:
    with contextlib.suppress(BaseException):
        while True: pass""",
    "a comprehension": "return [0 for _ in iter(int, 1)]",
    "a generator in sum": "return sum(0 for _ in iter(int, 1))",
    "a generator that hands on": "def g(): yield from iter(int, 1)\nreturn sum(g())",
    "a function in map": "return sum(map(lambda i: 0, iter(int, 1)))",
    "a key of sorted": "def key(i):\n while True: pass\nreturn sorted([2, 1], key=key)",
    "a key that catches": """
def key(i):
    try:
        while True: pass
    except BaseException: return i
return sorted(range(10**5), key=key)""",
    "calls until a sentinel": "return sum(iter(lambda: 1, 2))",
    "an iterator": """
class Endless:
    def __iter__(self): return self
    def __next__(self): return 0
return sum(Endless())""",
    "a coroutine": """
class Endless:
    def __aiter__(self): return self
    async def __anext__(self): return 1
async def waits():
    async for _ in Endless(): pass
waits().send(None)""",
    "what throws": """
def generator():
    while True:
        try: yield
        except BaseException: pass
g = generator()
next(g)
while True: g.throw(ValueError)""",
    "two calls each": "def f(n): return f(n - 1) + f(n - 2) if n > 1 else 1\nreturn f(60)",
    "recursion again": "while True:\n try: answer(x)\n except RecursionError: pass",
    "prints": "while True: print('again')",
    "prints errors": "import sys\nwhile True: sys.stderr.write('again')",
    "compiled later": "exec('while True: pass')",
    "the body of a class": "class Endless:\n while True: pass",
    "a decorated function": """
def decorated(f):
    def g(*args):
        while True: pass
    return g
return decorated(right)(x)""",
    "what is deleted": """
class Endless:
    def __del__(self):
        while True: pass
while True: Endless()""",
    "deleted once": """
class Endless:
    def __del__(self):
        while True: pass
Endless()
return right(x)""",
    "an attribute": """
class Endless:
    def __getattr__(self, name):
        while True: pass
return Endless().any""",
    "a conversion": """
class Endless:
    def __array__(self, *args, **kwargs):
        while True: pass
return [Endless()]""",
    "the text of an error": """
class Endless(Exception):
    def __str__(self):
        while True: pass
raise Endless""",
    "a clock that stands": "import time\ntime.monotonic = lambda: 0\nwhile True: pass",
    "sleeps too long": "import time\ntime.sleep(0.4)\nreturn right(x)",
    "redirects": """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()):
    while True: pass""",
    "takes stdout away": "import sys\nsys.stdout = sys.stderr = None\nwhile True: pass",
    "floats that raise": "np.seterr(all='raise')\nwhile True: pass",
    "floats that raise inside": "with np.errstate(all='raise'):\n while True: pass",
    "warnings that raise": "import warnings\nwarnings.simplefilter('error')\nwhile True: pass",
    "few calls allowed": "import sys\nsys.setrecursionlimit(300)\nwhile True: pass",
    "traces": "import sys\nsys.settrace(lambda *_: None)\nwhile True: pass",
    "traces and profiles": """
import sys
def trace(*_): return trace
sys.settrace(trace)
sys.setprofile(trace)
while True: right(x)""",
    "watches with all tools": """
import sys
watch = sys.monitoring
for tool in range(6):
    if watch.get_tool(tool) is None:
        watch.use_tool_id(tool, "mine")
        watch.register_callback(tool, watch.events.PY_START, lambda *_: None)
        watch.set_events(tool, watch.events.PY_START)
while True: pass""",
    "checks another": "def f(y):\n while True: pass\nex.softmax.check(f)\nreturn x",
}
# Bodies that end, and words of what is then said.
ENDING = {
    "recursion": ("return answer(x)", "RecursionError"),
    "exit": ("exit()", "SystemExit"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "nothing to raise again": ("raise", "No active exception to reraise"),
    "a thread": ("import threading\nthreading.Thread(target=print).start()", "new thread"),
    "a right one inside": ("ex.softmax.check(right)\nreturn right(x)", "✔"),
    "a trace that stays": (
        "import sys\ndef trace(*_): return trace\nsys.settrace(trace)\nsys.setprofile(trace)\n"
        "return x",
        "expected",
    ),
    "a trace that raises": ("import sys\nsys.settrace(0)\nreturn x", "not callable"),
    "a tool that stays": ("import sys\nsys.monitoring.use_tool_id(1, 'mine')\nreturn x", "✘"),
    "a tool that goes": (
        "import sys\nfor i in range(6): sys.monitoring.free_tool_id(i)\nreturn x",
        "expected",
    ),
}


def faults():
    """What is wrong with the verdict on an answer, with the surroundings, or with the next.

    Returns
    -------
    dict
        From the name of an answer to what was seen. Empty if all is right.
    """
    bodies = ENDLESS | {name: body for name, (body, _) in ENDING.items()}
    found = {name: _fault(name, body) for name, body in bodies.items()}
    return {name: fault for name, fault in found.items() if fault}


def _fault(name, body):
    clock, before = time.monotonic, _surroundings()
    exercise = IMPATIENT if name in ENDLESS else ex.softmax
    said = str(exercise.check(_function(body)))
    time.monotonic = clock  # the reader's to keep, but not that of the next
    expected = said == NAMED if name in ENDLESS else ENDING[name][1] in said
    if not expected:
        return f"said: {said}"
    if _surroundings() != before:
        return f"left behind: {before} became {_surroundings()}"
    after = ex.softmax.check(right)
    return None if after else f"the next: {after}"


def _function(body):
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    names = {"np": np, "ex": ex, "right": right}
    exec(compile(f"def answer(x):\n{lines}", "<answer>", "exec"), names)
    return names["answer"]


def _surroundings():
    tools = [sys.monitoring.get_tool(i) for i in range(6)]
    streams, traces = (sys.stdout, sys.stderr), (sys.gettrace(), sys.getprofile())
    filters, limit = list(warnings.filters), sys.getrecursionlimit()
    return [*map(repr, (tools, streams, traces, filters, limit, np.geterr()))]
