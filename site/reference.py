"""A Sphinx extension of this book: the reference of the package, made from its docstrings.

Sphinx's own autodoc and napoleon read them; _config.yml says how. Frameworks are not imported:
autodoc puts empty modules in their place. What is left to do here: the package of this very
folder is read, not one that is installed; helpers without an underscore stay out; and each
module begins with the line that imports it.
"""

import sys

from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer


def find_package(app):
    """Let `import companion` find the package beside the chapters."""
    sys.path.insert(0, str(app.srcdir))
    # For a class with a base from there, autodoc would look for the base's source.
    for name in app.config.autodoc_mock_imports:
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


def setup(app):
    app.connect("builder-inited", find_package)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", say_how_to_import)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
