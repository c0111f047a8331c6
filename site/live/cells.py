"""Which cells of a chapter a cell needs, found in their text. Nothing is run here.

A cell needs those above it that bind, or may change, a name that it reads, and what these need
in turn. Where the text does not decide, a cell counts as needed: one too many costs time, one
too few an answer.
"""

import ast
import builtins
import functools
import re
import symtable
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import companion

ROOT = Path(companion.__file__).parent.parent
HOME = "companion"
THERE = {HOME, "numpy", *sys.stdlib_module_names}  # nothing has to be fetched for them
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# In what is no Python: names after these words, or before a sign of assignment.
BINDING = re.compile(
    r"^\s*(?:async +)?(?:def|class) +(\w+)|^\s*(?:for|import|from) +(.*)"
    r"|^([\w ,.*\t\[\]]+?)(?::[^=\n]*)?(?:[-+%@&|^]|[*/<>]{1,2})?=(?!=)",
    re.MULTILINE,
)
READERS = {"print", "display", "repr", "len"}  # calls that leave their arguments alone
# Calls that keep the functions that they are given.
KEEPING = {"partial", "vectorize", "frompyfunc", "cache", "lru_cache", "map", "filter", "zip"}
KEEPING |= {"append", "insert", "add", "extend", "setdefault", "update"}
# Methods that leave what they belong to alone; a call of any other may change it.
PURE = {"all", "any", "argmax", "argsort", "astype", "copy", "items", "keys", "max", "mean"}
PURE |= {"min", "prod", "reshape", "std", "sum", "tolist", "values"}
BY_TEXT = {"eval", "exec", "globals", "locals", "vars"}  # may read and bind any name
# What changes a module for all who use it: np.random.seed(0).
SETTING = re.compile(r"set\w*|seed|use|rc|update|\w*filter\w*")


@dataclass
class Facts:
    """What a source does to names at its top level.

    `reads` before it has bound them itself; `binds`, and of these those that it `surely` binds
    and those that it only `imports`; `changes` in place, and sets `settings` of. By name, what
    it is `made_of`, what its functions read `later`, and change `by_calling`. `makers` make
    functions or objects with methods, some are `classes`; `edits` change what they are given,
    and to a name it `passes` others.
    """

    reads: set = field(default_factory=set)
    binds: set = field(default_factory=set)
    surely: set = field(default_factory=set)
    imports: set = field(default_factory=set)
    changes: set = field(default_factory=set)
    settings: set = field(default_factory=set)
    made_of: dict = field(default_factory=lambda: defaultdict(set))
    later: dict = field(default_factory=lambda: defaultdict(set))
    by_calling: dict = field(default_factory=lambda: defaultdict(set))
    makers: set = field(default_factory=set)
    classes: set = field(default_factory=set)
    passes: dict = field(default_factory=lambda: defaultdict(set))
    edits: set = field(default_factory=set)


@functools.lru_cache(maxsize=1000)
def facts_of(source):
    """The Facts of a source. One that is no Python binds what it looks as if it bound."""
    facts = Facts()
    try:
        for node in ast.parse(source).body:
            _take(node, facts, facts.surely)
    except UNREADABLE:
        found = " ".join(map(" ".join, BINDING.findall(source)))
        names = set(re.findall(r"\w+", found))
        return Facts(binds=names, surely=names)
    facts.binds |= {"*"} if facts.reads & BY_TEXT else set()
    return facts


def needed(sources, k):
    """The cells that cell k needs, in order: from index to the names that are wanted of it."""
    facts = [facts_of(source) for source in sources[: k + 1]]
    in_use = functools.cache(functools.partial(_in_use, facts))
    found, todo, seen = {}, [(k, name) for name in _wanted(facts, k)], set()
    while todo:
        at, name = todo.pop()
        if (at, name) in seen:
            continue
        seen.add((at, name))
        # A function reads its names when it is called, and not where it was defined.
        todo += [(at, other) for other in in_use(name)[0]]
        for i in _makers(facts[:at], name, in_use):
            todo += [(i, other) for other in _wanted(facts, i)] if i not in found else []
            found.setdefault(i, set()).add(name)
    return dict(sorted(found.items()))


def _wanted(facts, i):
    """Names that cell i reads: all there are, if it may read any."""
    reads = facts[i].reads
    return reads.union(*(f.binds for f in facts[:i])) if reads & BY_TEXT else reads


def _in_use(facts, name):
    """Names that are read, and those that are changed, when what a name holds is used."""
    makers = set().union(*(f.makers for f in facts))
    classes = set().union(*(f.classes for f in facts))
    reads, changes, todo, seen = set(), set(), [name], set()
    while todo:
        part = todo.pop()
        if part not in seen:
            seen.add(part)
            for f in facts:
                made_of = f.made_of.get(part, set())
                todo += f.later.get(part, set()) | (made_of & makers)
                reads |= f.later.get(part, set()) | (made_of & classes)
                changes |= f.by_calling.get(part, set())
    return reads, changes


def _makers(above, name, in_use):
    """Indices of cells that make a name what it is below them."""
    editors = set().union(*(f.edits for f in above))
    binders, changers = [], []
    for i in reversed(range(len(above))):
        facts = above[i]
        used = facts.reads | facts.by_calling.keys()
        if name in facts.binds or "*" in facts.binds:
            binders.append(i)
        elif (
            name in facts.changes
            or any(name in facts.passes.get(g, ()) for g in editors)
            or any(name in in_use(other)[1] for other in used)
        ):
            changers.append(i)
        if name in facts.surely:
            break
    # A module is the same wherever it is imported, and a call on it does not change it.
    if binders and all(name in above[i].imports for i in binders):
        changers = [i for i in changers if name in above[i].settings]
    return binders + changers


def _take(node, facts, known):
    """Add what a statement does. `known` are the names that are bound for certain before it."""
    if isinstance(node, ast.For | ast.AsyncFor):
        _read(node.iter, facts, known)
        _blocks(facts, known, [_assigned(node.target), *node.body], node.orelse)
    elif isinstance(node, ast.If | ast.While):
        _read(node.test, facts, known)
        _blocks(facts, known, node.body, node.orelse)
    elif isinstance(node, ast.Match):
        _read(node.subject, facts, known)
        _blocks(facts, known, *map(_case, node.cases))
    elif isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            _read(item.context_expr, facts, known)
            if item.optional_vars:
                _simple(_assigned(item.optional_vars), facts, known)
        _blocks(facts, known, node.body)  # suppress() may leave it early
    elif isinstance(node, ast.Try | ast.TryStar):
        _blocks(facts, known, [*node.body, *node.orelse], *map(_handler, node.handlers))
        for child in node.finalbody:
            _take(child, facts, known)
    else:
        _simple(node, facts, known)


def _blocks(facts, known, *bodies):
    """Bodies of which each runs or does not."""
    for body in bodies:
        inside = set(known)
        for child in body:
            _take(child, facts, inside)


def _handler(handler):
    caught = [ast.Expr(handler.type)] if handler.type else []
    name = [ast.Name(handler.name, ast.Store())] if handler.name else []
    return [*caught, *map(_assigned, name), *handler.body]


def _case(case):
    parts = list(ast.walk(case.pattern))
    read = [ast.Expr(part) for part in parts if isinstance(part, ast.Name)]
    names = [getattr(p, "rest", getattr(p, "name", None)) for p in parts]
    bound = [_assigned(ast.Name(name, ast.Store())) for name in names if name]
    return [*read, *bound, *([ast.Expr(case.guard)] if case.guard else []), *case.body]


def _assigned(target):
    return ast.Assign([target], ast.Constant(None), lineno=1)


def _read(expression, facts, known):
    _simple(ast.Expr(expression), facts, known)


def _simple(node, facts, known):
    """A statement that runs once, from its start to its end, or defines a function or class."""
    table = _table(node)
    symbols = table.get_symbols()
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    walrus = {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
    bound |= walrus & {s.get_name() for s in symbols}
    if isinstance(node, ast.AnnAssign) and not node.value:
        bound = set()
    imports = isinstance(node, ast.Import | ast.ImportFrom)
    if imports and node.names[0].name == "*":
        bound = {"*"}
    inside = set().union(*map(_globals_of, table.get_children()))
    reads = {s.get_name() for s in symbols if s.is_referenced()}
    if isinstance(node, ast.AugAssign | ast.Delete):
        reads |= set().union(*map(_root, getattr(node, "targets", None) or [node.target]))
    # A function may call itself.
    facts.reads |= (reads | (inside - {getattr(node, "name", None)})) - known
    facts.binds |= bound
    facts.imports = facts.imports | bound if imports else facts.imports - bound
    later = _later(node, inside)
    for name in bound | _note_changes(node, bound, inside, facts):
        facts.made_of[name] |= reads | inside
        facts.later[name] |= later
    facts.makers |= bound if _makes_functions(node) else set()
    facts.classes |= bound if isinstance(node, ast.ClassDef) else set()
    if isinstance(getattr(node, "value", None), ast.Name):
        facts.makers |= {node.value.id}  # under another name
    if not _adds_a_module(node):
        known |= bound


class Apart(ast.NodeTransformer):
    """Turns comprehensions into generators, whose names are their own in any Python."""

    def visit_ListComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(ast.Tuple([node.key, node.value]), node.generators)


def _table(node):
    """What names a statement has, and in which scopes."""
    copy = Apart().visit(ast.parse(ast.unparse(node)))
    return symtable.symtable(ast.unparse(copy), "<cell>", "exec")


def _adds_a_module(node):
    """Whether a statement is an `import a.b`, which keeps what was there of `a`."""
    return isinstance(node, ast.Import) and any(
        "." in alias.name and not alias.asname for alias in node.names
    )


def _later(node, inside):
    """Globals that are read when what a statement makes is used, and not before."""
    if isinstance(node, FUNCTIONS | ast.ClassDef):
        return inside
    return set().union(*map(_names_in, _kept(getattr(node, "value", None))))


def _makes_functions(node):
    """Whether a statement defines what makes functions, generators or objects with methods."""
    if not isinstance(node, FUNCTIONS):
        return isinstance(node, ast.ClassDef)
    parts = list(_in_body(node))
    named = {getattr(n, "name", None) for n in parts if isinstance(n, FUNCTIONS | ast.ClassDef)}
    returned = [n.value for n in parts if isinstance(n, ast.Return)]
    return any(isinstance(n, ast.Yield | ast.YieldFrom) for n in parts) or any(
        [*_kept(value)] or (isinstance(value, ast.Name) and value.id in named)
        for value in returned
    )


def _kept(value):
    """Functions and generators in a value; those that a call is given are used up by it."""
    if isinstance(value, ast.Lambda | ast.GeneratorExp):
        yield value
    elif isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] not in KEEPING:
        yield from _kept(value.func)
    elif isinstance(value, ast.AST):
        for child in ast.iter_child_nodes(value):
            yield from _kept(child)


def _names_in(node):
    table = _table(node)
    return _globals_of(table) | {s.get_name() for s in table.get_symbols()}


def _globals_of(scope):
    names = {s.get_name() for s in scope.get_symbols() if s.is_referenced() and s.is_global()}
    return names.union(*map(_globals_of, scope.get_children()))


def _note_changes(node, bound, seen, facts):
    """Add what a statement changes, at once or when what it binds is called. Give the first.

    Functions in it have `seen` some names that are global; others are their own.
    """
    seen = seen.union(*(n.names for n in ast.walk(node) if isinstance(n, ast.Global)))
    functions = [f for f in ast.walk(node) if isinstance(f, FUNCTIONS)]
    inside = {n for f in functions for n in _in_body(f)}
    waiting = {n for f in functions if not isinstance(f, ast.Lambda) for n in _in_body(f)}
    changed = set()
    for part in ast.walk(node):
        names = _changed_by(part)
        changed |= set() if part in waiting else names
        facts.settings |= _set_by(part)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            given = [*part.args, *(k.value for k in part.keywords)]
            facts.passes[part.func.id] |= set().union(*map(_root, given))
        for name in bound if part in inside else ():
            facts.by_calling[name] |= names & seen
    facts.changes |= changed
    facts.edits |= bound if any(map(_edits, functions)) else set()
    return changed


def _in_body(function):
    body = function.body if isinstance(function.body, list) else [function.body]
    return (n for child in body for n in ast.walk(child))


def _edits(function):
    """Whether a function changes in place what it is given."""
    given = {n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)} - {"self"}
    return bool(given & set().union(*map(_changed_by, _in_body(function))))


def _changed_by(node):
    """Names of what a node, one alone, may change in place."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return _root(node)
    if isinstance(node, ast.AugAssign):
        return _root(node.target)
    if isinstance(node, ast.Global):
        return set(node.names)
    if isinstance(node, ast.Call):
        given = [k.value for k in node.keywords if k.arg == "out"]
        if isinstance(node.func, ast.Name):
            given += node.args[:1] if node.func.id == "next" else []
        elif isinstance(node.func, ast.Attribute) and node.func.attr not in PURE:
            given += [node.func.value]
        return set().union(*map(_root, given))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value  # for what it does, since what it returns is dropped
        alone = isinstance(call.func, ast.Name) and call.func.id in READERS
        return set() if alone else set().union(*map(_root, call.args))
    return set()


def _set_by(node):
    """Names of modules of which a node, one alone, sets something."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return _root(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _root(node.func) if SETTING.fullmatch(node.func.attr) else set()
    return set()


def _root(node):
    """The name that an attribute, an item or a name is of."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def plan(sources, k):
    """What to run before cell k: pairs of an index and statements.

    Of a cell whose imports alone are wanted the rest is left out, and so are imports that would
    only fetch a package: `np` needs no Matplotlib though one cell imports both.
    """
    wanted = needed(sources, k)
    bare = {i for i, names in wanted.items() if names <= _imported_by(_body(sources[i]))}
    whole = [sources[i] for i in wanted if i not in bare]
    loaded = packages("\n".join([sources[k], *whole]))
    for i in bare:
        loaded |= packages_of(n for n in _body(sources[i]) if _bound_by(n) & wanted[i])
    return [
        (i, _lightened(_body(sources[i]), loaded) if i in bare else _body(sources[i]))
        for i in wanted
    ]


def _body(source):
    try:
        return ast.parse(source).body
    except UNREADABLE:
        return None  # the error is raised, and told, when the cell is run


def _bound_by(node):
    return facts_of(ast.unparse(node)).binds


def _imported_by(body):
    """Names that a cell gets from imports that stand for themselves, and from nothing else."""
    found = {True: set(), False: set()}
    for node in body or ():
        found[isinstance(node, ast.Import | ast.ImportFrom)] |= _bound_by(node)
    return found[True] - found[False]


def _lightened(body, loaded):
    """Of a cell that imports: the imports of these packages, and what sets something.

    As np.set_printoptions does, for all cells.
    """
    kept, there = [], set(dir(builtins))
    for node in body:
        facts = facts_of(ast.unparse(node))
        if isinstance(node, ast.Import | ast.ImportFrom):
            wanted = packages_of([node]) <= loaded
        else:
            calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            wanted = (calls or facts.settings) and facts.reads <= there
        if wanted:
            there |= facts.binds
            kept.append(node)
    return kept


def packages(source):
    """Packages to fetch before a source can run: top-level names of modules."""
    try:
        return packages_of(ast.walk(ast.parse(source)))
    except UNREADABLE:
        return set()


def packages_of(nodes):
    """Packages to fetch for some import statements; other nodes are passed over."""
    modules = set().union(*map(_modules, nodes))
    return set().union(*map(_behind, modules)) - THERE


def _modules(node):
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        inner = {f"{node.module}.{alias.name}" for alias in node.names}
        return {node.module} | (inner if node.module.partition(".")[0] == HOME else set())
    return set()


@functools.cache
def _behind(module):
    """Top-level names of what a module imports when it is imported, its own among them."""
    found, seen, todo = set(), set(), [module]
    while todo:
        name = todo.pop()
        found.add(name.partition(".")[0])
        path = ROOT.joinpath(*name.split("."))
        files = path.with_suffix(".py"), path / "__init__.py"
        file = next((f for f in files if f.is_file()), None)
        if name.partition(".")[0] == HOME and file and file not in seen:
            seen.add(file)
            tree = ast.parse(file.read_text(encoding="utf-8"))
            todo += set().union(*map(_modules, _outside_functions(tree)))
    return found


def _outside_functions(node):
    """What runs when a module is imported: also an import within `try`."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS | ast.ClassDef):
            yield child
            yield from _outside_functions(child)
