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
from sphinx.util.docutils import SphinxDirective

NOTEBOOKS = "softmax-and-cross-entropy-notebooks.zip"
STUDENT = "softmax-and-cross-entropy-student-edition.zip"
PAGES = "softmax-and-cross-entropy-html.zip"
# From the root of the repository, beside the README, which is another one there.
TAKEN = (
    "LICENSE",
    "LICENSE-text.md",
    "chapters/*",
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
        items = [_item(line, f"{top}downloads/") for line in self.content]
        text = '<ul class="downloads">\n' + "\n".join(items) + "\n</ul>"
        return [nodes.raw("", text, format="html")]


def _item(line, folder):
    found = LINE.fullmatch(line.strip())
    if not found:
        raise ValueError(f"A line of downloads must read [words](file) words; got {line!r}.")
    words, file, rest = (html.escape(found[name]) for name in ("words", "file", "rest"))
    return f'<li data-file="{file}" hidden><a href="{folder}{file}">{words}</a>{rest}</li>'


def shown(page, files):
    """The page with the items of these files shown and the others hidden."""
    return ITEM.sub(
        lambda item: f'<li data-file="{item[1]}"{"" if item[1] in files else " hidden"}>', page
    )


def notebook_files(root):
    """What the notebooks need to run: name -> content."""
    paths = {path for pattern in TAKEN for path in root.glob(pattern) if path.is_file()}
    files = _contents(root, paths)
    readme = root / README
    return files | ({"README.md": readme.read_bytes()} if readme.exists() else {})


def student_files(root):
    """The same with the student edition, in the folder work, in place of the chapters."""
    if not (root / "tools" / "student.py").exists():  # a book without chapters
        return {}
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    from tools.student import editions

    taken = notebook_files(root)
    files = {name: text for name, text in taken.items() if not name.endswith(".ipynb")}
    files |= {f"work/{name}": text.encode() for name, text in editions().items()}
    return files | {"README.md": (root / README_OF_STUDENTS).read_bytes()}


def page_files(site):
    """The built pages and what they load: name -> content.

    Without Python for the page, 44 MB: pages that are opened from files cannot start it.
    """
    left_out = {site / "downloads", site / "_static" / "live"}
    paths = [path for path in site.rglob("*") if path.is_file()]
    files = _contents(site, [path for path in paths if left_out.isdisjoint(path.parents)])
    for name in files:
        if name.endswith(".html"):
            files[name] = shown(files[name].decode(), ()).encode()
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
    root = Path(app.srcdir)
    zips = {NOTEBOOKS: notebook_files(root), STUDENT: student_files(root)}
    zips[PAGES] = page_files(site)
    there = [name for name, files in zips.items() if files]
    for name in there:
        write_zip(folder / name, zips[name])
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if 'class="downloads"' in text:
            page.write_text(shown(text, there), encoding="utf-8")


def setup(app):
    app.add_directive("downloads", Downloads)
    # Late, so that the pages are finished, and index.html is there.
    app.connect("build-finished", pack, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
