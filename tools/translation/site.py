"""What the site says by itself: sentences of its extensions, scripts, and contents."""

import ast
import re

import yaml

from companion.frameworks import table
from tools.translation.messages import ROOT, markdown

SITE = ROOT / "site"
SCRIPTS = ("site/static/*.js", "site/live/*.mjs", "tools/*.js")
MODULES = ("site/*.py", "site/live/kernel.py", "tools/pdf.py")
READMES = ("site/readme_of_the_notebooks.md", "site/readme_of_the_student_edition.md")
CALL = re.compile(r'\bsay\(\s*"((?:[^"\\]|\\.)*)"\s*\)|\bsay`((?:[^`\\]|\\.)*)`')
INSERTED = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")


def messages_of():
    """From each sentence to the file that says it."""
    found = {}
    for pattern in SCRIPTS:
        for path in sorted(ROOT.glob(pattern)):
            for text in of_script(path.read_text(encoding="utf-8")):
                found.setdefault(text, path.relative_to(ROOT).as_posix())
    for pattern in MODULES:
        for path in sorted(ROOT.glob(pattern)):
            for text in of_module(path.read_text(encoding="utf-8")):
                found.setdefault(text, path.relative_to(ROOT).as_posix())
    for text in of_calls():
        found.setdefault(text, "companion/frameworks/table.py")
    for text in of_contents():
        found.setdefault(text, "_config.yml, _toc.yml")
    for name in READMES:
        markdown(
            (ROOT / name).read_text(encoding="utf-8"),
            lambda t, n=name: found.setdefault(t, n) and t,
        )
    return found


def of_script(text):
    """What a script gives to `say`.

    Examples
    --------
    >>> list(of_script("say(\\"Stop\\"); say`run ${n + 1} steps`"))
    ['Stop', 'run {0} steps']
    """
    for call in CALL.finditer(text):
        if call[1] is not None:
            yield call[1].replace('\\"', '"')
        else:
            parts = INSERTED.split(call[2])
            key = parts[0] + "".join(f"{{{i}}}{part}" for i, part in enumerate(parts[1:]))
            yield re.sub(r"\s+", " ", key)


def of_module(source):
    """What a module gives to `say`, directly or by the name of a constant.

    Examples
    --------
    >>> list(of_module("A = {'x': 'One', 'y': 'Two'}\\nsay(A[k])"))
    ['One', 'Two']
    """
    tree = ast.parse(source)
    constants = {
        name: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        for name in _names(target)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_say(node.func):
            for argument in node.args[:1]:
                yield from _texts(argument, constants)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "map":
            if node.args and _is_say(node.args[0]):
                for argument in node.args[1:]:
                    yield from _texts(argument, constants)


def _names(target):
    return [target.id] if isinstance(target, ast.Name) else []


def _is_say(function):
    """`say`, or `words_of(app)`."""
    if isinstance(function, ast.Call):
        return getattr(function.func, "id", "") == "words_of"
    return getattr(function, "id", "") == "say"


def _texts(node, constants):
    if isinstance(node, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _texts(constants[node.id], {})
    elif isinstance(node, ast.Subscript):
        yield from _texts(node.value, constants)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _texts(value, constants)
    elif isinstance(node, ast.Tuple | ast.List):
        for part in node.elts:
            inner = part.value if isinstance(part, ast.Starred) else part
            yield from _texts(inner, constants)


def of_calls():
    """What the table of equivalents says in words: of numbers and errors site/calls.py does."""
    yield from table.TITLES.values()
    for row in table.ROWS:
        yield row.name
        yield from (one.given for one in row.differs)
    yield from table.AS_IF
    yield from (call.given for mode in table.MODES for call in mode.calls)


def of_contents():
    """The title of the book, and those of the parts of its contents."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    yield config["title"]
    yield config["author"]
    yield from (part["caption"] for part in contents["parts"])
