"""Small changes of a function's source, one at a time, as an oversight would make them.

Each mutant is a source in which one operator, constant, comparison, keyword, name or call of
the original is another one, or is missing. A checker that accepts one has no call that tells.
"""

import ast
import copy
import inspect
import textwrap

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OPERATORS |= {ast.Pow: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv}
EDGES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
EDGES |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.Is: ast.IsNot}
RELATIVES = {"max": ("min", "mean"), "min": ("max",), "sum": ("mean", "max"), "mean": ("sum",)}
RELATIVES |= {"argmax": ("argmin",), "argmin": ("argmax",), "log": ("log2", "log1p")}
RELATIVES |= {"log1p": ("log",), "exp": ("exp2", "expm1"), "maximum": ("minimum",)}
RELATIVES |= {"minimum": ("maximum",), "zeros": ("ones",), "empty": ("zeros",)}
RELATIVES |= {"zeros_like": ("ones_like",), "floor": ("ceil",), "outer": ("add",)}
RELATIVES |= {"softmax": ("log_softmax",), "log_softmax": ("softmax",), "abs": ("negative",)}
OF_A_CALL = {"keepdims", "axis", "dim", "reduction", "where", "initial", "dtype", "weights"}


def mutants(source):
    """All mutants of a source that defines a function.

    Parameters
    ----------
    source : str

    Yields
    ------
    str
        What was changed: "line 2: x.max(axis=-1) -> x.max(axis=0)".
    str
        The mutant's source.
    """
    tree = ast.parse(textwrap.dedent(source))
    seen = {ast.unparse(tree)}
    for at, node in enumerate(ast.walk(tree)):
        for change in _changes(node, tree):
            mutant = copy.deepcopy(tree)
            target = next(n for i, n in enumerate(ast.walk(mutant)) if i == at)
            before = ast.unparse(target) if isinstance(target, ast.expr | ast.stmt) else ""
            replacement = change(target)
            if replacement is not None:
                _replace(mutant, target, replacement)
            text = ast.unparse(ast.fix_missing_locations(mutant))
            if text not in seen:
                seen.add(text)
                after = ast.unparse(replacement if replacement is not None else target)
                yield f"{before.splitlines()[0]} -> {after.splitlines()[0]}", text


def source_of(function):
    """The source of a function that stands alone, without decorators."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree.body[0].decorator_list = []
    return ast.unparse(tree)


def _changes(node, tree):
    """Functions that change such a node in place, or return another one in its stead."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield lambda n: setattr(n, "op", OPERATORS[type(n.op)]())
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            yield lambda n: n.left
            yield lambda n: n.right
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield lambda n: setattr(n, "op", OPERATORS[type(n.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield lambda n: n.operand
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            if type(operator) in EDGES:
                yield lambda n, i=i: n.ops.__setitem__(i, EDGES[type(n.ops[i])]())
    if isinstance(node, ast.Constant):
        yield from _other_constants(node.value)
    if isinstance(node, ast.Call):
        yield from _other_calls(node)
    if isinstance(node, ast.Attribute) and node.attr in RELATIVES:
        for other in RELATIVES[node.attr]:
            yield lambda n, other=other: setattr(n, "attr", other)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _other_names(node.id, tree)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        yield lambda n: ast.Pass()
    if isinstance(node, ast.If):
        yield lambda n: setattr(n, "test", ast.Constant(True))
        yield lambda n: setattr(n, "test", ast.Constant(False))


def _other_constants(value):
    if type(value) is bool:
        yield lambda n: setattr(n, "value", not n.value)
    elif type(value) is int:
        yield lambda n: setattr(n, "value", n.value + 1)
        yield lambda n: setattr(n, "value", n.value - 1)
    elif type(value) is float:
        yield lambda n: setattr(n, "value", 2 * n.value)
        yield lambda n: setattr(n, "value", 0.0)


def _other_calls(node):
    for i, keyword in enumerate(node.keywords):
        if keyword.arg in OF_A_CALL:
            yield lambda n, i=i: n.keywords.pop(i) and None
    if node.args and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
        yield lambda n: n.args[0]
    if len(node.args) == 2:
        yield lambda n: n.args.reverse()
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        if not node.args and node.func.value.id != "np":
            yield lambda n: n.func.value


def _other_names(name, tree):
    parameters = [a.arg for a in tree.body[0].args.args]
    if name in parameters:
        for other in parameters:
            if other != name:
                yield lambda n, other=other: setattr(n, "id", other)


def _replace(tree, old, new):
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list) and any(item is old for item in value):
                setattr(parent, field, [new if item is old else item for item in value])
