"""A Sphinx extension of this book: pages that no source file stands for.

404.html, which a host shows for every address without a page; a redirect for each old name in
`redirects` of _config.yml; and descriptions for the pages that Sphinx writes by itself.
"""

import posixpath
import re
from pathlib import Path

from editions import others
from sphinx.errors import ExtensionError
from words import words_of

DESCRIPTIONS = {
    "404": "There is no page at this address: from here to the front page and to the search.",
    "genindex": "The words that the book explains, from A to Z and in Chinese, as links.",
    "search": "Search the chapters, the glossary and the notation of this book on softmax.",
}
TITLE = "Page not found"
NOT_FOUND = (
    "This book has no page at this address. It may have moved.",
    'Go to the <a href="{front}">front page</a>, or <a href="{search}">search the book</a>.',
)
NOT_FOUND_HERE = "<h1>{}</h1>\n<p>{}</p>\n<p>{}</p>\n"
NOT_FOUND_THERE = '<section lang="{}">\n<h2>{}</h2>\n<p>{}</p>\n<p>{}</p>\n</section>\n'
MOVED = "This page has moved:"
RELATIVE = re.compile(r'(\b(?:href|src|action)=")(?!#|[a-z]+:|//)')
# What others read from the head of a page, to show or to list it: the redirect says the same.
HEAD = re.compile(
    r"<title>.*?</title>|<link rel=\"canonical\"[^>]*>"
    r"|<meta\b[^>]*\b(?:name=\"(?:description|twitter:card)\"|property=\"og:)[^>]*>",
    re.DOTALL,
)
REDIRECT = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
{head}
<meta http-equiv="refresh" content="0; url={target}">
<script>location.replace("{target}" + location.hash)</script>
</head>
<body><p>{moved} <a href="{target}">{target}</a></p></body>
</html>
"""


def not_found(app):
    """The page for an address without a page. A host shows one for all editions: it has all."""
    front = app.builder.get_target_uri(app.config.root_doc)
    body = NOT_FOUND_HERE.format(*map(words_of(app), (TITLE, *NOT_FOUND)))
    body = body.format(front=front, search="search.html")
    for edition in others(app):
        title, *lines = (edition.words.get(text, text) for text in (TITLE, *NOT_FOUND))
        names = {
            "front": f"{edition.folder}/{front}",
            "search": f"{edition.folder}/search.html",
        }
        text = NOT_FOUND_THERE.format(edition.tag, title, *lines).format(**names)
        body += text
    yield "404", {"title": words_of(app)(TITLE), "body": body}, "page.html"


def describe(app, pagename, templatename, context, doctree):
    """Give a page without a source its description."""
    if pagename in DESCRIPTIONS:
        words = words_of(app)(DESCRIPTIONS[pagename])
        tag = f'\n<meta name="description" content="{words}" />'
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
        write_redirect(site, old, new, app)


def anchored(text, address):
    """A page of the first level whose links hold when it is shown in place of any other."""
    return RELATIVE.sub(rf"\1{address}", text).replace(
        'data-content_root="./"', f'data-content_root="{address}"'
    )


def write_redirect(site, old, new, app):
    """A page `old` that leads to the page `new`, with the same place on it."""
    pages, lang = app.env.found_docs, (app.config.language or "en").replace("_", "-")
    if new not in pages or old in pages:
        raise ExtensionError(
            f"redirects in _config.yml: from {old} to {new}, but there is "
            + (f"a page {old}" if old in pages else f"no page {new}")
        )
    head = "\n".join(HEAD.findall((site / f"{new}.html").read_text("utf-8")))
    target = posixpath.relpath(f"{new}.html", posixpath.dirname(old) or ".")
    page = site / f"{old}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        REDIRECT.format(head=head, target=target, lang=lang, moved=words_of(app)(MOVED)),
        "utf-8",
    )


def setup(app):
    app.add_config_value("redirects", {}, "html", dict)
    app.connect("html-collect-pages", not_found)
    app.connect("html-page-context", describe)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
