"""Cells that run in the page, where something goes wrong: each time the page says it in words.

The connection is lost on the way to each file that is fetched, files come damaged or come from
elsewhere, and answers are typed in that end Python, never end, or bend what others rely on.
After each of them the next answer is judged as it should be, and the page never stands still.
"""

import itertools
import re
import sys
from pathlib import Path

import pytest
from live_page import visiting
from test_live_pages import START, answer

UNLOADED = "Python could not be loaded. Is there a connection?"
DIED = "Python ended. Press the button again to start it anew."
LATE = "Not finished after 30 seconds, so Python was stopped."
NUMPY = re.compile(r"/numpy-[^/]*\.whl$")
MATPLOTLIB = re.compile(r"/matplotlib-[^/]*\.whl$")
STANDSTILL = 3  # seconds; the loops below take five
PORTAL = {"status": 200, "content_type": "text/html", "body": "<h1>Please sign in</h1>"}


@pytest.fixture(scope="module")
def stability(site, chromium):
    """A chapter for all answers that are meant to do harm."""
    with visiting(chromium, site) as visit:
        yield visit("chapters/numerical_stability")


def judged_right(live, name="softmax"):
    """Whether a right answer is judged so, now."""
    right = answer(live.name.rpartition("/")[2], name, "right")
    return "Correct" in live.cell(name).run(right)


# The connection.

LOSSES = {
    "lost": lambda route: route.abort(),
    "not there": lambda route: route.fulfill(status=404, body="no"),
    "another page": lambda route: route.fulfill(**PORTAL),
}


def lose(live, file, loss):
    """Take one file off the way, and give what is asked for meanwhile."""
    met = []

    def answered(route):
        met.append(route.request.url)
        LOSSES[loss](route)

    live.page.route(file, answered)
    return met


def test_whatever_is_lost_on_the_way_is_said_and_the_next_press_goes_on(visit):
    live = visit("chapters/derivation")
    cell = live.cell("uniform_bits")
    right = answer("derivation", "uniform_bits", "right")
    # In the order in which they are asked for, or the first of them would not be lost.
    rest = sorted(START - {"session.mjs", "worker.mjs"})
    names = ["session.mjs", "worker.mjs", *rest]
    files = [*(re.compile(rf"/{re.escape(name)}(\?.*)?$") for name in names), NUMPY]
    for file, other in zip(files, itertools.cycle(["not there", "another page"])):
        for loss in ("lost", other):
            met = lose(live, file, loss)
            assert UNLOADED in cell.run(right, timeout=60_000), (file, loss)
            assert met, f"{file} was not asked for"
            assert cell.buttons()[0] == "Check"
            live.page.unroute(file)
    assert judged_right(live, "uniform_bits")
    assert {*live.files()} >= START
    # In mid-chapter: the package of a figure.
    figure = live.cell("smooth version")
    assert lose(live, MATPLOTLIB, "lost") is not None
    assert UNLOADED in figure.run()
    assert figure.stored()
    live.page.unroute(MATPLOTLIB)
    figure.run()
    assert figure.words() == figure.stored()
    live.forgive_others()  # the browser's and Pyodide's own reports


def test_a_connection_that_never_answers_is_stopped(visit):
    live = visit("chapters/derivation")
    cell = live.cell("uniform_bits")
    live.page.route(re.compile("asm.wasm"), lambda route: None)
    cell.start()
    live.page.wait_for_timeout(1500)
    assert cell.status.text_content().startswith("Starting Python")
    assert cell.buttons()[0] == "Stop"
    cell.press("Stop")
    assert "Stopped." in cell.ended(5000)
    live.page.unroute(re.compile("asm.wasm"))
    assert judged_right(live, "uniform_bits")


def file_of(name):
    """A file of Python for the page."""
    return Path(sys.prefix, "python-in-the-page", name).read_bytes()


ELSEWHERE = "https://files.example.org/pyodide/"


def test_python_from_elsewhere_is_named_asked_for_after_the_click_and_compared(visit, site):
    live = visit("chapters/index")
    asked, damaged = [], [NUMPY]

    def page(route):
        answered = route.fetch()
        body = answered.text().replace("data-base=", f'data-python="{ELSEWHERE}" data-base=')
        assert ELSEWHERE in body
        route.fulfill(response=answered, body=body)

    def elsewhere(route):
        name = route.request.url.removeprefix(ELSEWHERE)
        asked.append(name)
        body = bytearray(file_of(name))
        if any(pattern.search(route.request.url) for pattern in damaged):
            body[len(body) // 2] ^= 1
        kind = {"mjs": "text/javascript", "wasm": "application/wasm"}.get(name.split(".")[-1])
        headers = {"access-control-allow-origin": "*"}
        route.fulfill(body=bytes(body), headers=headers, content_type=kind or "application/zip")

    live.page.route(f"{site}/chapters/derivation.html", page)
    live.page.route(f"{site}/_static/live/pyodide/**", lambda route: route.abort())
    live.page.route(f"{ELSEWHERE}**", elsewhere)
    live.name = "chapters/derivation"
    live.load()
    cell = live.cell("uniform_bits")
    cell.write(answer("derivation", "uniform_bits", "right"))
    assert cell.buttons()[0] == "Check (Python from files.example.org)"
    assert asked == []
    assert UNLOADED in cell.run()  # a wheel with one wrong bit
    damaged.clear()
    assert "Correct" in cell.run()
    assert cell.buttons()[0] == "Check"
    assert {"pyodide.mjs", "pyodide.asm.wasm"} <= {*asked}
    assert "pyodide-lock.json" not in asked
    assert f"{site}/_static/live/pyodide-lock.json" in live.asked
    assert {*asked} == {url.removeprefix(ELSEWHERE) for url in live.asked_of(ELSEWHERE)}
    live.forgive_others()  # Pyodide's own report of the wrong bit


# Answers that are meant to do harm, or do.


def softmax(*lines, before=""):
    body = "".join(f"    {line}\n" for line in lines)
    return f"{before}\ndef softmax(x):\n{body}\n\nex.softmax.check(softmax)\n"


# What is typed in, and words that are shown.
HARMFUL = {
    "loop": (softmax("while True:", "    pass"), "had not finished after 5 seconds"),
    "loop that catches": (
        softmax(
            "while True:",
            "    try:",
            "        while True:",
            "            x + 1",
            "    except BaseException:",
            "        pass",
        ),
        "had not finished after 5 seconds",
    ),
    "loop that prints": (
        softmax("while True: print('spam' * 100)"),
        "had not finished after 5 seconds",
    ),
    "memory until it ends": (
        softmax("kept = []", "while True: kept.append(np.ones(10**6))"),
        "MemoryError|5 seconds",
    ),
    "recursion": (softmax("return softmax(x)"), "RecursionError|itself"),
    "exit": (softmax("import sys", "sys.exit(0)"), "SystemExit|exit"),
    "interrupt": (softmax("raise KeyboardInterrupt"), "KeyboardInterrupt"),
    "huge array": (softmax("return np.zeros((60000, 60000))"), "MemoryError|too big|large"),
    "huge list": (softmax("return [0] * 10**9"), "MemoryError"),
    "input": (softmax("return input()"), "input|OSError"),
    "thread": (
        softmax("import threading", "threading.Thread(target=print).start()"),
        "thread",
    ),
    "another program": (
        softmax("import subprocess", "return subprocess.run(['ls'])"),
        "OSError|process",
    ),
    "exit at the top": ("raise SystemExit(3)", "The page's Python goes on"),
    "prompt at the top": ("input('? ')", "nobody to ask"),
    "framework": ("import torch", "No module named 'torch'"),
    "odd text": (
        "class A:\n    def __repr__(self): raise SystemExit\nA()",
        "SystemExit",
    ),
    "no Python": ("def softmax(x:", "SyntaxError"),
    "null bytes": ("x = '\0'", "null bytes|SyntaxError|Done|U\\+0000"),
    "half of a sign": ("print('\\ud800')", r"^\?"),
    "JavaScript that fails": ("import js\njs.eval('throw new Error(1)')", "Error: 1"),
    "a message that is none": ("import js\njs.self.postMessage(None)\nprint('on')", "on"),
    "no exp": ("import numpy\nnumpy.exp = None\nnumpy.ndarray", "ndarray"),
    "no len": ("import builtins\nbuiltins.len = None\n1", "1"),
    "no output": ("import sys\nsys.stdout = sys.stderr = None\n1", "1"),
    "other checker": ("ex.softmax.check = lambda answer: 1", "FrozenInstanceError"),
    "shallow": ("import sys\nsys.setrecursionlimit(60)\n1", "1"),
    "a hook": ("import sys\nsys.settrace(lambda *a: 1 / 0)\n1", "ZeroDivisionError|1"),
    "nothing to show": ("x = 1", "the last line must be"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harm_ends_in_a_sentence_and_the_next_answer_is_judged_right(stability, name):
    source, words = HARMFUL[name]
    assert judged_right(stability)
    stability.longest()
    text = stability.cell("softmax").run(source, timeout=60_000)
    assert stability.longest() < STANDSTILL
    assert re.search(words, text), text
    assert judged_right(stability)


# What ends Python itself.
DEADLY = {
    "exit": (softmax("import os", "os._exit(1)"), DIED),
    "exit at the top": ("import os\nos._exit(1)", DIED),
    "abort": (softmax("import os", "os.abort()"), DIED),
    "no end of recursion": (
        softmax("return softmax(x)", before="import sys\nsys.setrecursionlimit(10**6)\n"),
        f"{DIED}|RecursionError",
    ),
}


@pytest.mark.parametrize("name", DEADLY)
def test_python_that_ended_starts_anew(stability, name):
    source, words = DEADLY[name]
    text = stability.cell("softmax").run(source, timeout=60_000)
    assert re.search(words, text), text
    assert judged_right(stability)
    stability.errors.clear()  # Pyodide's own report


# What is typed in before, and what then never ends.
ENDLESS = {
    "in C": (None, softmax("return sum(itertools.count())", before="import itertools\n")),
    "at the top": (None, "while True:\n    pass\nex.softmax.check(1)"),
    "closed": ("import js\njs.self.close()\nprint('on')", "1"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended_by_the_page_after_thirty_seconds(clocked, name):
    before, source = ENDLESS[name]
    cell = clocked.cell("softmax")
    assert judged_right(clocked)
    if before:
        cell.run(before)
    cell.write(source)
    cell.start()
    clocked.page.wait_for_timeout(1000)
    clocked.page.clock.fast_forward(27_000)
    clocked.page.wait_for_timeout(300)
    assert cell.status.text_content() == "Running …"
    clocked.page.clock.fast_forward(5_000)
    assert LATE in cell.ended(5000)
    assert judged_right(clocked)


@pytest.fixture(scope="module")
def clocked(site, chromium):
    """A page whose clock can be put on."""
    with visiting(chromium, site) as visit:
        live = visit("chapters/index")
        live.page.clock.install()
        live.name = "chapters/numerical_stability"
        live.load()
        yield live
