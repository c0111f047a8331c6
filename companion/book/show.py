"""Show the live source of a library function in a chapter, so that no code is typed twice."""

import ast
import inspect
import textwrap


def source_of(f):
    """The source of a function, without its docstring.

    Parameters
    ----------
    f : function or class
        Defined in a file.

    Returns
    -------
    str

    Examples
    --------
    >>> from companion import entropy
    >>> print(source_of(entropy))
    def entropy(p):
        return cross_entropy(p, p)
    """
    lines = textwrap.dedent(inspect.getsource(f)).splitlines()
    first = ast.parse("\n".join(lines)).body[0].body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines).rstrip()


def show_source(*functions):
    """Display the source of functions in a notebook, highlighted.

    Parameters
    ----------
    *functions : function or class
        What to show, in this order.

    Returns
    -------
    Source
        Prints as plain text, and as a highlighted block where Markdown is rendered.

    Examples
    --------
    >>> from companion import entropy
    >>> show_source(entropy)
    def entropy(p):
        return cross_entropy(p, p)
    """
    return Source("\n\n\n".join(source_of(f) for f in functions))


class Source:
    """Python source that a notebook highlights.

    Parameters
    ----------
    text : str
        The source.

    Examples
    --------
    >>> Source("x = 1")
    x = 1
    """

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return f"```python\n{self.text}\n```"
