"""The reference of the package: every public name of every room is on its pages, and no other.

What is public is read from the source here, and from Sphinx's inventory there. Small books with
a planted fault in a docstring must fail.
"""

import ast
import os
import re
from html import unescape

import pytest
from book import ROOT, build, small_book
from sphinx.util.inventory import InventoryFile
from test_imports import HEAVY, ROOMS, names, path_of

import companion

CORE_HOMES = {getattr(companion, name).__module__ for name in companion.__all__}
# Of the exercises, what a reader or a teacher uses; how an answer is run and judged is not.
EXERCISES = {
    "exercise.Exercise",
    "exercise.Exercise.check",
    "exercise.Exercise.hint",
    "exercise.Exercise.solution",
    "exercise.FunctionExercise",
    "exercise.NumberExercise",
    "exercise.ChoiceExercise",
    "exercise.Lean",
    "judge.exercises_of",
    "judge.judge",
    "judge.judge_one",
    "overview.progress",
    "switches.Mistake",
    "switches.Switch",
    "native.NativeExercise",
    "self_test.SelfTest",
    "self_test.Item",
    "self_test.Snippet",
    "result.State",
    "result.Result",
    "result.Result.as_dict",
    "result.Result.head",
    "result.Result.message",
}


def definitions(module):
    """Public functions, classes and documented methods of a module: name -> node."""
    found = {}
    for node in ast.parse(path_of(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
            found[node.name] = node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and inner.name[0] != "_":
                    found[f"{node.name}.{inner.name}"] = inner
    return {name: node for name, node in found.items() if ast.get_docstring(node)}


def public():
    """All that must be on the pages: full name -> node of its source."""
    found = {}
    for room in ROOMS:
        for module in (m for m in names(room) if not m.rpartition(".")[2].startswith("_")):
            for name, node in definitions(module).items():
                if module in CORE_HOMES and name not in companion.__all__:
                    continue
                if room == "exercises" and f"{module.split('.')[-1]}.{name}" not in EXERCISES:
                    continue
                found[f"{module}.{name}"] = node
    return found


@pytest.fixture(scope="module")
def places(html):
    """Where each name stands, as Sphinx has it: name -> page."""
    with (html / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    kinds = ("py:function", "py:class", "py:method", "py:property", "py:attribute", "py:data")
    objects = {name: item for kind in kinds for name, item in inventory.get(kind, {}).items()}
    return {
        name: html / address.partition("#")[0] for name, (_, _, address, _) in objects.items()
    }


def test_every_public_name_is_on_the_pages_and_no_other(places):
    wanted = public()
    assert len(wanted) > 90
    assert {name.partition("companion.exercises.")[2] for name in wanted} - {""} == EXERCISES
    assert set(places) == set(wanted)


def test_the_names_of_the_core_are_those_of_the_package():
    core = {
        name.rpartition(".")[2] for name in public() if name.rpartition(".")[0] in CORE_HOMES
    }
    assert core == set(companion.__all__)


def words(markup):
    """Text without tags, space, marks of code and stars."""
    return re.sub(r"[\s`*#¶]", "", unescape(re.sub(r"<[^>]*>", "", markup)))


def shown(page, name):
    """What the page has for a name: its signature, and what follows."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf'<dt [^>]*id="{re.escape(name)}">(.*?)</dt>(.*?)(?:<dt |$)', text, re.S)
    return words(found[1]), words(found[2])


def arguments(node):
    given = node.args
    return [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def test_signatures_and_first_sentences_are_shown(places):
    for name, node in public().items():
        signature, text = shown(places[name], name)
        if isinstance(node, ast.FunctionDef):
            for argument in (a for a in arguments(node) if a not in ("self", "cls")):
                assert argument in signature, name
        summary = ast.get_docstring(node).split("\n\n")[0]
        quotes = str.maketrans("“”’", '""\'')
        assert text.translate(quotes).startswith(words(summary)[:60]), name


def test_no_letter_is_taken_for_the_number_of_a_list(html):
    """Docutils reads a line "K." as point 11 of a list that counts in letters."""
    for page in html.glob("chapters/api_*.html"):
        lists = re.findall(r"<ol[^>]*(?:alpha|roman)[^>]*>", page.read_text(encoding="utf-8"))
        assert lists == [], page.name


def test_every_module_says_how_it_is_imported(html):
    pages = " ".join(
        page.read_text(encoding="utf-8") for page in sorted(html.glob("chapters/api_*.html"))
    )
    lines = re.findall(r"<code[^>]*>(.*?)</code>", pages, re.DOTALL)
    found = {line for line in map(words, lines) if line.startswith("fromcompanion")}
    modules = {
        m for room in ROOMS for m in names(room) if room != "exercises" and "._" not in m
    }
    stems = {module: module.rpartition(".") for module in modules - CORE_HOMES}
    wanted = {f"from{room}import{stem}" for room, _, stem in stems.values()}
    assert wanted <= found
    core = [re.split("import|,", line)[1:] for line in found - wanted if "(" not in line]
    assert {name for line in core for name in line} >= set(companion.__all__)


@pytest.mark.parametrize(
    "name", ["softmax_jvp", "logsumexp_of_chunks", "kl_div", "distill", "show_source"]
)
def test_the_search_finds_a_function(html, chromium, places, name):
    page = chromium.new_page()
    page.goto((html / "search.html").as_uri() + f"?q={name}")
    (place,) = {page.name for full, page in places.items() if full.endswith(f".{name}")}
    hit = page.locator(f'#search-results a[href*="{place}#companion."]').first
    hit.wait_for(timeout=20_000)
    page.close()


# Small books, with a package of their own.

PAGE = """---
myst:
  html_meta:
    description: A page about a package.
---

# A page

Some words.

```{eval-rst}
.. automodule:: companion.core
   :members:

.. automodule:: companion.small
   :members:
```
"""
GOOD = '''
def f(x):
    """Twice `x`.

    Parameters
    ----------
    x : array_like, shape of `x`
        Numbers.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If not.
    """
'''
SEE_ALSO = '''
def see():
    """See.

    See Also
    --------
    {} : what is imported from companion.
    """
'''
DOCSTRINGS = {
    "none": (GOOD, True),
    "a name elsewhere": (GOOD + SEE_ALSO.format("g"), True),
    "a name nowhere": (GOOD + SEE_ALSO.format("h"), False),
    "unfinished emphasis": (GOOD.replace("Numbers.", "Numbers, *all."), False),
    "bad indentation": (GOOD.replace("Twice `x`.", "Twice::\n   x\n  y"), False),
    "import that fails": ("import nowhere\n" + GOOD, False),
}


def small_package(folder, source):
    small_book(folder)
    (folder / "companion").mkdir()
    (folder / "companion" / "__init__.py").write_text(
        'from companion.core import g\n\n__all__ = ["g"]\n', encoding="utf-8"
    )
    (folder / "companion" / "core.py").write_text(
        'def g():\n    """Of the core."""\n', encoding="utf-8"
    )
    (folder / "companion" / "small.py").write_text(
        f'"""A module."""\n\n{source}', encoding="utf-8"
    )
    (folder / "chapters" / "index.md").write_text(PAGE, encoding="utf-8")
    return folder


@pytest.mark.parametrize("fault", DOCSTRINGS)
def test_a_fault_in_a_docstring_stops_the_build(tmp_path, fault):
    source, builds = DOCSTRINGS[fault]
    result = build(small_package(tmp_path, source))
    assert (result.returncode == 0) == builds, result.stderr[-2000:]
    if builds:  # and the package of this folder was read, not the one that is installed
        page = (tmp_path / "_build" / "html" / "chapters" / "index.html").read_text(
            encoding="utf-8"
        )
        assert 'id="companion.small.f"' in page
        assert "array_likeshapeofx" in words(page).replace(",", "")


TRAP = "open({log!r}, 'a').write(__name__ + '\\n')\nraise ImportError(__name__)\n"


def test_no_framework_is_imported_for_it(tmp_path, monkeypatch):
    packages = [name for name in HEAVY if name not in ("scipy", "IPython")]
    for name in packages:
        (tmp_path / "traps" / name).mkdir(parents=True)
        trap = TRAP.format(log=str(tmp_path / "log"))
        (tmp_path / "traps" / name / "__init__.py").write_text(trap, encoding="utf-8")
    folder = tmp_path / "book"
    folder.mkdir()
    tops = "".join(f"import {name}\n" for name in packages)
    bases = (
        "class Model(keras.Model):\n    '''A model.'''\n\n    def f(self):\n        '''F.'''\n"
    )
    small_package(folder, tops + bases + GOOD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "traps"))
    result = build(folder)
    assert result.returncode == 0, result.stderr[-2000:]
    assert not (tmp_path / "log").exists()
    page = (folder / "_build" / "html" / "chapters" / "index.html").read_text(encoding="utf-8")
    assert 'id="companion.small.Model.f"' in page  # although a framework decorates its class


def test_the_pages_of_the_reference_are_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    for page in sorted((ROOT / "chapters").glob("api_*.md")):
        assert f"chapters/{page.stem}\n" in toc
