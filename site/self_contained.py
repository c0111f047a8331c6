"""A Sphinx extension of this book: pages that load nothing from elsewhere.

Jupyter Book always loads sphinx-thebe, which puts the address of a content network and a
script into every page, for a button that this book does not have. This removes both.
MathJax comes from the package sphinx-mathjax-offline.
"""


def without_thebe(app, pagename, templatename, context, doctree):
    """Take the scripts and styles of thebe off the page."""
    for kind in ("script_files", "css_files"):
        assets = context.get(kind, [])
        context[kind] = [asset for asset in assets if "thebe" not in _text(asset).lower()]


def _text(asset):
    attributes = getattr(asset, "attributes", None) or {}
    return f"{asset} {attributes.get('body', '')}"


def setup(app):
    # Late, so that other extensions have added their assets by then.
    app.connect("html-page-context", without_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
