"""A Sphinx extension of this book: the cells of the NumPy chapters run in the page.

Where Python for the page was fetched (tools/fetch_python.py), or where `live_python` in
_config.yml names a host that has it, each chapter that imports no framework gets the buttons of
static/live.js, and says what differs in a page; the others say why they have none. Else the
pages are as they were. After the build, what the buttons load is put into _static/live/.
"""

import json
import os
import re
import shutil
import sys
from html import escape
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import nbformat
from addresses import imports_a_framework
from docutils import nodes
from downloads import NOTEBOOKS, named
from reading import is_cell
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from words import root_of, words_of

HERE = Path(__file__).parent
PYTHON = Path(sys.prefix, "python-in-the-page")
MANIFEST = HERE.parent / "tools" / "python_files.json"
SCRIPTS = ("worker.mjs", "session.mjs")  # beside the archive
SHIPPED = (".py", ".json", ".npz", ".otf", ".LICENSE")
KERNEL = ("live/backend.py", "live/cells.py", "live/kernel.py", "drawings.py")
CHECK = re.compile(r"^ex\.(\w+)\.check\(", re.MULTILINE)
DIFFERS = (
    "Run a cell, change it, run it again: it runs in this page, with the cells above that it "
    "needs. NumPy differs there: it does not notice when floats overflow, divide 0 by 0 or "
    "take log(0), and so neither warns nor raises; its usual integers have 32 bits; and "
    "<code>longdouble</code> is another type."
)
NOT_HERE = (
    "The cells of this chapter do not run in the page: they import PyTorch, TensorFlow or "
    'Keras, which are not made for it. To run them, take <a href="{top}_sources/{page}.ipynb" '
    'download>the notebook</a>{colab}, or <a href="{top}downloads/{zip}">all chapters with the '
    "package</a>, as a zip."
)
OWN_PYTHON, OWN_LOCK = 'here("pyodide/")', 'here("pyodide-lock.json")'
COLAB = ', open it in <a href="{address}">Colab</a>'


class Note(SphinxPostTransform):
    """Say before the first cell whether cells run in the page."""

    default_priority = 197  # before the cells are folded
    formats = ("html",)

    def run(self, **kwargs):
        cell = next(self.document.findall(is_cell), None)
        page = self.env.docname
        if cell is None or not is_live(self.app):
            return
        say = words_of(self.app)
        text, hidden = say(DIFFERS), " hidden"  # until the script knows that it can
        if imports_a_framework(self.app, page):
            names = {"top": "../" * page.count("/"), "page": escape(page)}
            names |= {"colab": colab(self.app, page), "zip": named(NOTEBOOKS, self.app)}
            text, hidden = say(NOT_HERE).format(**names), ""
        note = nodes.raw("", f'<p class="live-note"{hidden}>{text}</p>', format="html")
        cell.parent.insert(cell.parent.index(cell), note)


def colab(app, page):
    """A link that opens a chapter on Colab, once the address of the repository is set."""
    options = app.config.html_theme_options
    repository = options["repository_url"].rstrip("/")
    if not repository.startswith("https://github.com/"):
        return ""
    path = repository.removeprefix("https://github.com/")
    address = (
        f"https://colab.research.google.com/github/{path}/blob/{options['repository_branch']}"
    )
    file = Path(app.env.doc2path(page)).relative_to(root_of(app)).as_posix()
    return words_of(app)(COLAB).format(address=escape(f"{address}/{file}"))


def is_live(app):
    """Whether there is a Python for the page."""
    return bool(app.config.live_python) or app.config.live_fetched


def take_address(app, config):
    """Refuse what is no address of a folder, and note whether Python was fetched.

    A note in the settings, so that all pages are written anew when this changes.
    """
    config.live_fetched = (PYTHON / "pyodide-lock.json").is_file()
    address = config.live_python
    if address and not re.fullmatch(r"https://[^/\s?#]+/(?:[^\s?#]*/)?", address):
        raise ExtensionError(
            "live_python in _config.yml must be an address that begins with https:// and ends "
            f"with a slash, got {address!r}"
        )


def add_buttons(app, pagename, templatename, context, doctree):
    """Add the script and its style to the chapters that run in the page, and the front page."""
    if doctree is None or not is_live(app):
        return
    chapter = Path(app.env.doc2path(pagename)).suffix == ".ipynb"
    root = pagename == app.config.root_doc
    if not (root or (chapter and not imports_a_framework(app, pagename))):
        return
    top = "../" * pagename.count("/")
    about = {"page": pagename, "base": f"{top}_static/live/", "python": app.config.live_python}
    if root:
        about["exercises"] = json.dumps(exercises(app))
    attributes = {f"data-{name}": value for name, value in about.items() if value}
    app.add_css_file("live.css")
    app.add_js_file("live.js", defer="defer", **attributes)


def exercises(app):
    """Of each chapter that runs in the page: its title and the names of its exercises."""
    found = {}
    for page in app.env.toctree_includes.get(app.config.root_doc, []):
        file = Path(app.env.doc2path(page))
        if file.suffix == ".ipynb" and not imports_a_framework(app, page):
            cells = nbformat.read(file, as_version=4).cells
            sources = [cell.source for cell in cells if cell.cell_type == "code"]
            names = [name for source in sources for name in CHECK.findall(source)]
            found[page] = {"title": app.env.titles[page].astext(), "names": names}
    return found


def pack(app, exception):
    """Put Python, the package and the kernel where the buttons look for them."""
    target = Path(app.outdir, "_static", "live")
    if app.builder.format != "html":
        return
    shutil.rmtree(target, ignore_errors=True)
    if exception or not is_live(app):
        return
    target.mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy(HERE / "live" / name, target)
    root = root_of(app)
    package = [f for f in root.glob("companion/**/*") if f.suffix in SHIPPED]
    with ZipFile(target / "python.zip", "w", ZIP_DEFLATED) as archive:
        for file in sorted(package):
            archive.write(file, file.relative_to(root).as_posix())
        for name in KERNEL:
            archive.write(HERE / name, Path(name).name)
        if app.config.said:
            words = json.dumps(app.config.said, ensure_ascii=False)
            archive.writestr("words_of_the_page.json", words)
    if app.config.live_shared:
        share_python(target, app.config.live_shared)
    elif app.config.live_python:
        lock = json.loads(MANIFEST.read_text(encoding="utf-8"))["lock"]
        (target / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    else:
        shutil.copytree(PYTHON, target / "pyodide", copy_function=linked)
        (target / "pyodide" / "pyodide-lock.json").rename(target / "pyodide-lock.json")


def share_python(target, folder):
    """Let the worker take Python from another edition's folder: it is there once, in 44 MB."""
    worker = target / "worker.mjs"
    text = worker.read_text(encoding="utf-8")
    shared = text.replace(OWN_PYTHON, f'here("{folder}pyodide/")').replace(
        OWN_LOCK, f'here("{folder}pyodide-lock.json")'
    )
    if shared.count(folder) != 2:
        raise ExtensionError("worker.mjs must name its Python and its list of packages once.")
    worker.write_text(shared, encoding="utf-8")


def linked(source, target):
    """A second name of a large file where the disk is the same, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def setup(app):
    app.add_config_value("live_python", "", "html", str)
    app.add_config_value("live_fetched", False, "html", bool)
    app.add_config_value("live_shared", "", "html", str)
    app.add_post_transform(Note)
    app.connect("config-inited", take_address)
    # Late, so that an extension that takes scripts off a page has done so.
    app.connect("html-page-context", add_buttons, priority=800)
    app.connect("build-finished", pack)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
