"""Whether a function is still the stub that the reader was given, or nothing at all."""

import dis
import types

HARMLESS = {"RESUME", "NOP", "POP_TOP", "RETURN_VALUE", "LOAD_CONST", "RETURN_CONST"}


def is_empty(function):
    """Whether a function does nothing but return None, or `...`.

    Examples
    --------
    >>> is_empty(lambda x: None), is_empty(lambda x: x)
    (True, False)
    """
    return all(
        step.opname in HARMLESS
        and (
            step.opname not in ("LOAD_CONST", "RETURN_CONST")
            or step.argval is None
            or step.argval is ...
        )
        for step in dis.get_instructions(function)
    )


def is_compiled_from(function, source, names):
    """Whether a function's code is that of a source, however the source was compiled.

    Python compiles `np.exp(x)` in two ways: with and without an import of `np` in the same
    cell. Both are looked at.

    Parameters
    ----------
    function : function
        The reader's.
    source : str
        Of the stub, which defines one function.
    names : iterable of str
        Of modules that the source uses.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_compiled_from(lambda x: x, "def f(x): return x", ["np"])
    True
    """
    imports = "".join(f"import math as {name}\n" for name in names)
    own = _essence(function.__code__)
    return any(own == _essence(code_of(text)) for text in (source, imports + source))


def code_of(source):
    """The code of the function that a source defines.

    Raises
    ------
    ValueError
        If it defines none: a fault of the exercise, not of the answer.
    """
    for const in compile(source, "<stub>", "exec").co_consts:
        if isinstance(const, types.CodeType):
            return const
    raise ValueError("the stub must define a function; it defines none.")


def _essence(code):
    return [
        (step.opname, _essence(step.argval))
        if isinstance(step.argval, types.CodeType)
        else (step.opname, step.argrepr or step.argval)  # Python 3.14 shows no small integers
        for step in dis.get_instructions(code)
    ]
