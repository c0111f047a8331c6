"""A Sphinx extension of this book: what needs the address of the site or of the repository.

Both are set in _config.yml, `html: baseurl` and `repository: url`, and nowhere else. While the
first is empty, there are no tags for link previews and no sitemap (Sphinx itself writes the
canonical links); while the second is, no buttons that open a chapter on Binder or Colab.
tests/test_addresses.py builds a small book both ways.
"""

import posixpath
import re
from html import escape
from pathlib import Path

import nbformat
from docutils import nodes
from editions import editions, own
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from words import words_of

CARD = "_static/card.png"  # drawn by site/pictures/make_picture.py
CARD_SIZE = ("1200", "630")
CARD_ALT = "Softmax and Cross-Entropy: scores, their softmax, and the surprise of each class."
ISSUES = "{repository}/issues"
FRAMEWORK = re.compile(r"^(?:import|from) (?:keras|tensorflow|torch)\b", re.MULTILINE)


def take_addresses(app, config):
    """Refuse what is no address, and drop the launch buttons where they would lead nowhere."""
    options = config.html_theme_options
    for name, address in {
        "html: baseurl": config.html_baseurl,
        "repository: url": options["repository_url"],
    }.items():
        if address and not re.fullmatch(r"https?://[^/\s]+(?:/\S*)?", address):
            raise ExtensionError(f"{name} in _config.yml must be an address, got {address!r}")
    if config.html_baseurl:
        config.html_baseurl = config.html_baseurl.rstrip("/") + "/"
    if not options["repository_url"]:
        options["launch_buttons"] = {}


class Errata(SphinxDirective):
    """Words that need the address of the repository; `{issues}` is where to report faults."""

    has_content = True

    def run(self):
        repository = self.config.html_theme_options["repository_url"]
        if not repository:
            return []
        address = ISSUES.format(repository=repository.rstrip("/"))
        lines = [line.replace("{issues}", address) for line in self.content]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def add_preview(app, pagename, templatename, context, doctree):
    """Add the tags from which others draw a preview of a link to the page."""
    if not app.config.html_baseurl or doctree is None:
        return
    kind = "website" if pagename == app.config.root_doc else "article"
    tags = {
        "og:title": app.env.titles[pagename].astext(),
        "og:description": description(doctree),
        "og:type": kind,
        "og:url": context["pageurl"],
        "og:site_name": app.config.html_title,
        "og:locale": app.config.language,
        "og:image": app.config.html_baseurl + CARD,
        "og:image:width": CARD_SIZE[0],
        "og:image:height": CARD_SIZE[1],
        "og:image:alt": words_of(app)(CARD_ALT),
    }
    context["metatags"] += '\n<meta name="twitter:card" content="summary_large_image" />'
    for name, content in tags.items():
        context["metatags"] += f'\n<meta property="{name}" content="{escape(content)}" />'


def description(doctree):
    """The description in a page's own front matter."""
    found = [n["content"] for n in doctree.findall(nodes.meta) if n["name"] == "description"]
    return found[0] if found else ""


def drop_binder(app, pagename, templatename, context, doctree):
    """Take Binder's button off a chapter that imports what is not installed there."""
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons" and imports_a_framework(app, pagename):
            group["buttons"] = [b for b in group["buttons"] if b["text"] != "Binder"]


def imports_a_framework(app, pagename):
    """Whether a cell does so outside of `try`."""
    notebook = nbformat.read(app.env.doc2path(pagename), as_version=4)
    return any(
        cell.cell_type == "code" and FRAMEWORK.search(cell.source) for cell in notebook.cells
    )


def write_sitemap(app, exception):
    """List the pages for search engines."""
    if exception or app.builder.format != "html" or not app.config.html_baseurl:
        return
    here, pages = own(app), []
    if here is not None and here.folder:  # the edition at the root lists the pages of all
        return
    folders = [edition.folder for edition in editions(app).values()] or [""]
    targets = [app.builder.get_target_uri(page) for page in app.env.found_docs]
    for folder in folders:
        pages += [posixpath.join(app.config.html_baseurl, folder, t) for t in sorted(targets)]
    lines = "".join(f"  <url><loc>{escape(page)}</loc></url>\n" for page in pages)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
        encoding="utf-8",
    )


def setup(app):
    app.add_directive("errata", Errata)
    app.connect("config-inited", take_addresses)
    app.connect("html-page-context", add_preview)
    # Late, so that the theme has made its buttons by then.
    app.connect("html-page-context", drop_binder, priority=900)
    app.connect("build-finished", write_sitemap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
