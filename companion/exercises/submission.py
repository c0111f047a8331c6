"""Read what was handed in, a notebook or a script, and find the cells that an answer needs."""

import ast
import json
import re
import symtable
import threading
from dataclasses import dataclass
from pathlib import Path

from companion.exercises import TOPICS

IMPORT = re.compile(r"^\s*from\s+companion\.exercises(?:\.zh)?\s+import\s+(\w+)", re.MULTILINE)
ASKS = {"check", "hint", "solution"}  # methods of an exercise: nothing that an answer needs
# In Python 3.11.7 ast.parse keeps its depth in one place for all threads. If the garbage
# collector gives way to another that parses, it raises SystemError (gh-106905).
PARSING = threading.Lock()


@dataclass(frozen=True)
class Submission:
    """A file that was handed in.

    Parameters
    ----------
    path : Path
    cells : tuple of str
        Sources of its code cells. A script without `# %%` is one cell.
    """

    path: Path
    cells: tuple

    def topics(self):
        """The chapters whose exercises it imports, or the one that it is named after."""
        named = [name for cell in self.cells for name in IMPORT.findall(cell)]
        found = [name for name in dict.fromkeys(named) if name in TOPICS]
        return found or [name for name in TOPICS if name == self.path.stem]


def read(path):
    """A notebook or a script.

    Parameters
    ----------
    path : path-like
        Ends in .ipynb or .py.

    Returns
    -------
    Submission

    Raises
    ------
    ValueError
        If it cannot be read, with the reason.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".ipynb":
            cells = [c["source"] for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
            sources = ["".join(source) for source in cells]
        elif path.suffix == ".py":
            sources = re.split(r"^# %%.*$", text, flags=re.MULTILINE)
        else:
            raise ValueError("it must end in .ipynb or .py")
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from None
    return Submission(path, tuple(without_magics(source) for source in sources))


def without_magics(source):
    """A cell without the lines that only IPython understands; a cell in another language: "".

    Examples
    --------
    >>> without_magics("%matplotlib inline\\nx = 1")
    '\\nx = 1'
    """
    if source.lstrip().startswith("%%"):
        return ""
    lines = ["" if re.match(r"\s*[%!?]|.*\?\s*$", line) and not _parses(source) else line
             for line in source.split("\n")]  # fmt: skip
    return "\n".join(lines)


def _parses(source):
    return _tree(source) is not None


def _tree(source):
    try:
        with PARSING:
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def needed(cells, name):
    """The cells that define a name, and those before that define what these use, in order.

    Parameters
    ----------
    cells : sequence of str
    name : str

    Returns
    -------
    list of str
        Without calls of `check`, `hint` and `solution`. Empty if no cell defines the name.

    Examples
    --------
    >>> cells = ["import math", "k = 3", "loud = print", "def f(x): return k * x", "f(2)"]
    >>> needed(cells, "f")
    ['k = 3', 'def f(x): return k * x']
    """
    last = max((i for i, cell in enumerate(cells) if name in _defined(cell)), default=None)
    if last is None:
        return []
    chosen = [_without_asking(cells[last])]
    wanted = _used(chosen[0])
    for cell in map(_without_asking, reversed(cells[:last])):
        if _defined(cell) & wanted:
            wanted |= _used(cell)
            chosen.append(cell)
    return chosen[::-1]


def _defined(cell):
    """Names that a cell binds or changes at its top level."""
    tree = _tree(cell)
    if tree is None:  # it will be said what is wrong with it
        return set(re.findall(r"^(?:def\s+|class\s+)?(\w+)\s*[(=:]", cell, re.MULTILINE))
    names, modules = set(), set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                modules.add((alias.asname or alias.name).partition(".")[0])
        elif isinstance(node, ast.Attribute | ast.Subscript):
            if isinstance(node.ctx, ast.Store) or isinstance(node, ast.Attribute):
                names |= _root(node)  # x[0] = 1 and rows.append(1) change x and rows
    return (names - COMMON_MODULES) | modules


COMMON_MODULES = {"np", "plt", "F", "tf", "torch", "ex", "keras"}


def _root(node):
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _outside_functions(tree):
    """All nodes but those inside functions and classes."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            yield from _outside_functions(node)


def _used(cell):
    """Names that a cell reads and does not make itself inside a function."""
    try:
        return _read_in(symtable.symtable(cell, "<cell>", "exec"))
    except (SyntaxError, ValueError, RecursionError):
        return set()


def _read_in(scope):
    top = scope.get_type() == "module"
    names = {
        symbol.get_name()
        for symbol in scope.get_symbols()
        if symbol.is_referenced() and (top or symbol.is_global())
    }
    return names.union(*map(_read_in, scope.get_children()))


def _without_asking(cell):
    """A cell without bare calls of an exercise's methods. Lines stay where they are."""
    tree = _tree(cell)
    lines = cell.split("\n")
    for node in tree.body if tree else ():
        if isinstance(node, ast.Expr) and _asks(node.value):
            for i in range(node.lineno - 1, node.end_lineno):
                lines[i] = ""
    return "\n".join(lines)


def _asks(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ASKS
    )
