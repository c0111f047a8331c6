"""Whether an answer lets the library do the work, and with which call.

This follows names, aliases, attributes of modules, imports, closures, defaults, helpers,
functools.partial and methods. It does not see names that are made while the code runs, what
lies in containers, or helpers that are attributes of the reader's own modules.
"""

import contextlib
import dis
import functools
import types

LIBRARIES = ("companion", "scipy", "torch", "tensorflow", "keras", "jax", "sklearn")
MOST_FOLLOWED = 1000  # functions and other things, in the search for a library call


def library_call(answer, forbidden):
    """What of which library the answer calls, if it is in `forbidden`; else None.

    Parameters
    ----------
    answer : object
        The reader's.
    forbidden : sequence of str
        Names of functions that do the work.

    Returns
    -------
    str or None

    Examples
    --------
    >>> import companion
    >>> library_call(lambda x: companion.softmax(x), ["softmax"])
    'softmax of companion'
    """
    queue, seen = [answer], set()
    while queue and len(seen) < MOST_FOLLOWED:
        thing = queue.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        name, library = _ask(thing, "__name__"), _library_of(thing)
        if callable(thing) and library and name in forbidden:
            return f"{name} of {library}"
        if not callable(thing) or library not in ("", "companion"):
            continue
        queue += _parts(thing)
        if type(thing) is types.FunctionType:
            around = {**thing.__globals__, **_closure(thing)}
            code = _Names(thing.__code__)
            found = code.call_of(forbidden, around)
            if found:
                return found
            queue += [around[name] for name in sorted(code.names) if name in around]
    return None


def _ask(thing, attribute):
    """An attribute, or None if the thing does not have it, or answers in a way of its own."""
    with contextlib.suppress(BaseException):
        return getattr(thing, attribute, None)
    return None


def _library_of(thing):
    """The library that defines a function, class or module, or "" for the reader's own."""
    home = _ask(thing, "__name__" if isinstance(thing, types.ModuleType) else "__module__")
    root = home.split(".")[0] if type(home) is str else ""
    own = root not in LIBRARIES or home.startswith("companion.exercises.")
    return "" if own else root


def _parts(thing):
    """Functions that may run when a callable does, beside those that its code names."""
    if type(thing) is functools.partial:
        return [thing.func, *thing.args, *thing.keywords.values()]
    if type(thing) is types.MethodType:
        return [thing.__func__, thing.__self__]
    if type(thing) is types.FunctionType:
        return [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
    own = _ask(thing, "__dict__")
    held = [*vars(type(thing)).values(), *(own.values() if type(own) is dict else ())]
    return [part for part in held if type(part) is types.FunctionType]


class _Names:
    """What a function's code names: variables, dotted chains, other attributes, imports."""

    def __init__(self, code):
        self.names, self.chains, self.loose, self.imported = set(), set(), set(), set()
        self._read(code)

    def _read(self, code):
        chain = ()
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
                self.names.add(step.argval)
                chain = (step.argval,)
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                chain = (*chain, step.argval) if chain else ()
                if chain:
                    self.chains.add(chain)
                else:
                    self.loose.add(step.argval)
            else:
                if step.opname != "CACHE":
                    chain = ()
                if step.opname == "IMPORT_NAME":
                    self.imported.add(step.argval)
                elif step.opname == "IMPORT_FROM":
                    self.loose.add(step.argval)
                elif isinstance(step.argval, types.CodeType):
                    self._read(step.argval)
        if "getattr" in self.names:  # getattr(companion, "softmax")
            self.loose |= {const for const in code.co_consts if isinstance(const, str)}

    def call_of(self, forbidden, around):
        """A forbidden function that this code reaches by attributes, in words; else None."""
        loose = set(self.loose)
        for chain in sorted(self.chains):
            if chain[-1] not in forbidden:
                continue
            owner = around.get(chain[0])
            for name in chain[1:-1]:
                owner = _ask(owner, name)
            if isinstance(owner, types.ModuleType):
                if _library_of(owner):
                    return f"{chain[-1]} of {_library_of(owner)}"
            else:  # a method, of what is known only when the code runs
                loose.add(chain[-1])
        modules = [around[name] for name in self.names if name in around]
        libraries = {_library_of(m) for m in modules if isinstance(m, types.ModuleType)}
        libraries |= {name.split(".")[0] for name in self.imported}
        reached = sorted(loose & set(forbidden))
        if reached and libraries & set(LIBRARIES):
            return f"{reached[0]} of {min(libraries & set(LIBRARIES))}"
        return None


def _closure(function):
    contents = {}
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a cell may still be empty
            contents[name] = cell.cell_contents
    return contents
