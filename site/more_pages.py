"""A Sphinx extension of this book: pages that no source file stands for.

404.html, which a host shows for every address without a page; a redirect for each old name in
`redirects` of _config.yml; and descriptions for the pages that Sphinx writes by itself.
"""

import posixpath
import re
from pathlib import Path

from sphinx.errors import ExtensionError

DESCRIPTIONS = {
    "404": "There is no page at this address: from here to the front page and to the search.",
    "genindex": "The words that the book explains, from A to Z and in Chinese, as links.",
    "search": "Search the chapters, the glossary and the notation of this book on softmax.",
}
NOT_FOUND = """<h1>Page not found</h1>
<p>This book has no page at this address. It may have moved.</p>
<p>Go to the <a href="{front}">front page</a>, or <a href="search.html">search the book</a>.</p>
"""
RELATIVE = re.compile(r'(\b(?:href|src|action)=")(?!#|[a-z]+:|//)')
# What others read from the head of a page, to show or to list it: the redirect says the same.
HEAD = re.compile(
    r"<title>.*?</title>|<link rel=\"canonical\"[^>]*>"
    r"|<meta\b[^>]*\b(?:name=\"(?:description|twitter:card)\"|property=\"og:)[^>]*>",
    re.DOTALL,
)
REDIRECT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{head}
<meta http-equiv="refresh" content="0; url={target}">
<script>location.replace("{target}" + location.hash)</script>
</head>
<body><p>This page has moved: <a href="{target}">{target}</a></p></body>
</html>
"""


def not_found(app):
    """The page for an address without a page."""
    front = app.builder.get_target_uri(app.config.root_doc)
    yield "404", {"title": "Page not found", "body": NOT_FOUND.format(front=front)}, "page.html"


def describe(app, pagename, templatename, context, doctree):
    """Give a page without a source its description."""
    if pagename in DESCRIPTIONS:
        tag = f'\n<meta name="description" content="{DESCRIPTIONS[pagename]}" />'
        context["metatags"] = context.get("metatags", "") + tag
    if pagename == "404":
        context["pageurl"] = None  # it stands for no address


def finish(app, exception):
    """Write what needs the finished pages."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    if app.config.html_baseurl:
        page = site / "404.html"
        page.write_text(anchored(page.read_text("utf-8"), app.config.html_baseurl), "utf-8")
    for old, new in app.config.redirects.items():
        write_redirect(site, old, new, app.env.found_docs)


def anchored(text, address):
    """A page of the first level whose links hold when it is shown in place of any other."""
    return RELATIVE.sub(rf"\1{address}", text).replace(
        'data-content_root="./"', f'data-content_root="{address}"'
    )


def write_redirect(site, old, new, pages):
    """A page `old` that leads to the page `new`, with the same place on it."""
    if new not in pages or old in pages:
        raise ExtensionError(
            f"redirects in _config.yml: from {old} to {new}, but there is "
            + (f"a page {old}" if old in pages else f"no page {new}")
        )
    head = "\n".join(HEAD.findall((site / f"{new}.html").read_text("utf-8")))
    target = posixpath.relpath(f"{new}.html", posixpath.dirname(old) or ".")
    page = site / f"{old}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(REDIRECT.format(head=head, target=target), "utf-8")


def setup(app):
    app.add_config_value("redirects", {}, "html", dict)
    app.connect("html-collect-pages", not_found)
    app.connect("html-page-context", describe)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
