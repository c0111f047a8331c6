"""A Sphinx extension of this book: the reference of the package, made from its docstrings.

Sphinx's own autodoc and napoleon read them; _config.yml says how. What is left to do here: the
package of this very folder is read, not one that is installed, and no framework is imported for
it; helpers without an underscore stay out; each module begins with the line that imports it;
and a name of the core is found from everywhere.
"""

import importlib
import pkgutil
import sys

from sphinx.errors import PycodeError
from sphinx.ext.autodoc.mock import mock, undecorate
from sphinx.pycode import ModuleAnalyzer
from words import root_of

FRAMEWORKS = ["keras", "matplotlib", "numba", "sklearn", "tensorflow", "torch"]


def load_package(app):
    """Import the package beside the chapters, with empty modules in place of frameworks.

    By the time autodoc looks for a module, it is there. What a decorator of a framework would
    have changed is put back, and no source is sought of a class that stands for a framework's.
    """
    folder = root_of(app) / "companion"
    sys.path.insert(0, str(folder.parent))
    with mock(FRAMEWORKS):
        for found in pkgutil.walk_packages([folder], "companion."):
            module = importlib.import_module(found.name)
            vars(module).update(
                {name: undecorate(thing) for name, thing in vars(module).items()}
            )
    for name in FRAMEWORKS:
        ModuleAnalyzer.cache["module", name] = PycodeError(f"{name} is not imported.")


def exported(module):
    """The names of a module that `companion` itself has; none outside the core."""
    import companion

    homes = {name: getattr(companion, name).__module__ for name in companion.__all__}
    return [name for name in homes if homes[name] == module]


def leave_out(app, what, name, obj, skip, options):
    """Leave out what `companion` does not export of its core, and fields of named tuples."""
    public = exported(getattr(obj, "__module__", None))
    is_helper = what == "module" and public and name not in public
    return True if is_helper or type(obj).__name__ == "_tuplegetter" else None


def say_how_to_import(app, what, name, obj, options, lines):
    """Begin a module with the line that imports it, or its names."""
    if what == "module" and not hasattr(obj, "__path__"):
        room, _, module = name.rpartition(".")
        names = ", ".join(exported(name) or [module])
        lines[:0] = [f"``from {room} import {names}``", ""]


def find_in_core(app, env, node, contnode):
    """Lead a name of the core, as in See Also, to where it is defined."""
    name = node["reftarget"].removeprefix("companion.")
    if node.get("refdomain") != "py" or "companion" not in sys.modules:
        return None
    home = getattr(getattr(sys.modules["companion"], name, None), "__module__", "")
    given = (
        env,
        node["refdoc"],
        app.builder,
        node["reftype"],
        f"{home}.{name}",
        node,
        contnode,
    )
    return env.domains["py"].resolve_xref(*given)


def setup(app):
    app.connect("builder-inited", load_package)
    app.connect("missing-reference", find_in_core)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", say_how_to_import)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
