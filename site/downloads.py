"""A Sphinx extension of this book: what readers can take with them, in the folder downloads/.

The directive `downloads` lists the files on a page, one to a line: `[words](file) more words`.
After each build three of them are written: the notebooks with all that they need, the same
without solutions, to write answers into, and the pages. The fourth, the PDF, needs a browser:
`make pdf` prints it (tools/pdf.py).

An item is hidden until its file is there, so no link leads nowhere: neither after a build
without a browser, nor in the zip of the pages, which cannot hold itself.
"""

import html
import re
import shutil
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docutils import nodes
from editions import FOUND  # the link to the other edition leads out of the zip
from sphinx.util.docutils import SphinxDirective
from words import root_of

NOTEBOOKS = "softmax-and-cross-entropy-notebooks.zip"
STUDENT = "softmax-and-cross-entropy-student-edition.zip"
PAGES = "softmax-and-cross-entropy-html.zip"
BOOK = "softmax-and-cross-entropy.pdf"
# From the root of the repository, beside the chapters of the edition and its README.
TAKEN = (
    "LICENSE",
    "LICENSE-text.md",
    "companion/**/*",
    "constraints.txt",
    "pyproject.toml",
    "site/pictures/*.png",
)
README = "site/readme_of_the_notebooks.md"
README_OF_STUDENTS = "site/readme_of_the_student_edition.md"
JUNK = re.compile(r"(?:^|/)(?:\.|__pycache__/|[^/]*\.egg-info/)")
LINE = re.compile(r"\[(?P<words>.+?)\]\((?P<file>[\w.-]+)\)(?P<rest>.*)")
ITEM = re.compile(r'<li data-file="([^"]+)"(?: hidden)?>')


class Downloads(SphinxDirective):
    """The list of files; all of them hidden, for now."""

    has_content = True

    def run(self):
        top = "../" * self.env.docname.count("/")
        items = [_item(line, f"{top}downloads/", self.env.app) for line in self.content]
        text = '<ul class="downloads">\n' + "\n".join(items) + "\n</ul>"
        return [nodes.raw("", text, format="html")]


def named(file, app):
    """The name of a file to take along, as this edition has it: `book.zip`, `book-zh.zip`."""
    stem, _, suffix = file.rpartition(".")
    return f"{stem}-{app.config.edition}.{suffix}" if app.config.edition else file


def _item(line, folder, app):
    found = LINE.fullmatch(line.strip())
    if not found:
        raise ValueError(f"A line of downloads must read [words](file) words; got {line!r}.")
    words, rest = (html.escape(found[name]) for name in ("words", "rest"))
    file = html.escape(named(found["file"], app))
    return f'<li data-file="{file}" hidden><a href="{folder}{file}">{words}</a>{rest}</li>'


def shown(page, files):
    """The page with the items of these files shown and the others hidden."""
    return ITEM.sub(
        lambda item: f'<li data-file="{item[1]}"{"" if item[1] in files else " hidden"}>', page
    )


def notebook_files(root, edition=None):
    """What the notebooks need to run: name -> content. An edition is a folder with chapters."""
    edition = edition or root
    paths = {path for pattern in TAKEN for path in root.glob(pattern) if path.is_file()}
    files = _contents(root, paths)
    files |= _contents(edition, [path for path in edition.glob("chapters/*") if path.is_file()])
    readme = edition / README
    return files | ({"README.md": readme.read_bytes()} if readme.exists() else {})


def student_files(root, edition=None):
    """The same with the student edition, in the folder work, in place of the chapters."""
    if not (root / "tools" / "student.py").exists():  # a book without chapters
        return {}
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    from tools.student import editions

    edition = edition or root
    taken = notebook_files(root, edition)
    files = {name: text for name, text in taken.items() if not name.endswith(".ipynb")}
    own = editions(edition / "chapters").items()
    files |= {f"work/{name}": text.encode() for name, text in own}
    return files | {"README.md": (edition / README_OF_STUDENTS).read_bytes()}


def page_files(site):
    """The built pages and what they load: name -> content.

    Without Python for the page, 44 MB: pages that are opened from files cannot start it.
    """
    left_out = {site / "downloads", site / "_static" / "live"}
    paths = [path for path in site.rglob("*") if path.is_file()]
    files = _contents(site, [path for path in paths if left_out.isdisjoint(path.parents)])
    for name in files:
        if name.endswith(".html"):
            files[name] = FOUND.sub("", shown(files[name].decode(), ())).encode()
    return files


def _contents(root, paths):
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if not JUNK.search(name)}


def write_zip(path, files):
    """Write a zip with one folder in it. The same files give the same bytes."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = ZipInfo(f"{path.stem}/{name}")  # dated 1980, as zips are by default
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # on Windows, too
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, files[name])


def pack(app, exception):
    """Write the zips, and show what is there. A PDF of earlier pages goes."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    folder = site / "downloads"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    root, edition = root_of(app), Path(app.srcdir)
    files = {NOTEBOOKS: notebook_files(root, edition), STUDENT: student_files(root, edition)}
    zips = {named(name, app): content for name, content in files.items()}
    zips[named(PAGES, app)] = page_files(site)
    there = [name for name, files in zips.items() if files]
    for name in there:
        write_zip(folder / name, zips[name])
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if 'class="downloads"' in text:
            page.write_text(shown(text, there), encoding="utf-8")


def setup(app):
    app.add_config_value("edition", "", "html", str)
    app.add_directive("downloads", Downloads)
    # Late, so that the pages are finished, and index.html is there.
    app.connect("build-finished", pack, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
