"""A Sphinx extension of this book: editions in several languages that know each other.

`editions` in _config.yml names them: from a language to its folder under the site, its own
name, and the file of its words. Each page has a link to its twin, which keeps the place on the
page (static/language.js), and, once the address of the site is set, tags that tell search
engines that the two belong together.
An edition whose folder is missing is as if it were not named.
"""

import json
import posixpath
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from words import root_of, words_of

LINK = (
    '<a class="language" href="{href}" hreflang="{tag}" lang="{tag}" title="{title}">{name}</a>'
)
FOUND = re.compile(r'<a class="language".*?</a>', re.DOTALL)
BUTTONS = '<div class="article-header-buttons">'
TITLE = "This page in the other language"


class Edition(NamedTuple):
    """An edition: its language as a tag, its folder under the site, its name, its words."""

    tag: str
    folder: str
    name: str
    words: dict

    def address(self, page):
        """Of a page, from the root of the site."""
        return posixpath.join(self.folder, page)


def editions(app):
    """All editions that are there: from language to Edition."""
    found = {}
    for language, about in app.config.editions.items():
        folder, file = about["folder"], about.get("words")
        if (root_of(app) / folder / "chapters").is_dir():
            words = json.loads((root_of(app) / file).read_text("utf-8")) if file else {}
            tag = language.replace("_", "-")
            found[language] = Edition(tag, folder, about["name"], words)
    return found


def own(app):
    """The edition that is built."""
    return editions(app).get(app.config.language)


def others(app):
    """The editions beside the one that is built."""
    return [e for language, e in editions(app).items() if language != app.config.language]


def add_tags(app, pagename, templatename, context, doctree):
    """Add the tags for search engines."""
    if app.config.site_address and doctree is not None and own(app) is not None:
        context["metatags"] += "".join(tags(app, app.builder.get_target_uri(pagename)))


def tags(app, target):
    """For search engines: the page in each language, and which to show to all others."""
    known = editions(app)
    if len(known) < 2:
        return
    named = [(there.tag, there) for there in known.values()]
    for tag, there in [*named, ("x-default", next(iter(known.values())))]:
        address = escape(app.config.site_address + there.address(target))
        yield f'\n<link rel="alternate" hreflang="{tag}" href="{address}" />'


def add_links(app, exception):
    """Put the links to the twins among the buttons above each page."""
    here = own(app)
    if exception or app.builder.format != "html" or here is None:
        return
    site, title = Path(app.outdir), escape(words_of(app)(TITLE))
    for page in site.rglob("*.html"):
        name = page.relative_to(site).as_posix()
        text = page.read_text(encoding="utf-8")
        if name == "404.html" or BUTTONS not in text or FOUND.search(text):
            continue
        links = "".join(link(here, there, name, title) for there in others(app))
        page.write_text(text.replace(BUTTONS, BUTTONS + links, 1), encoding="utf-8")


def link(here, there, page, title):
    """A link from a page to its twin."""
    start = posixpath.dirname(here.address(page)) or "."
    href = posixpath.relpath(there.address(page), start)
    return LINK.format(href=href, tag=there.tag, name=there.name, title=title)


def set_addresses(app, config):
    """All editions are of one site: the address of this one is that of its folder."""
    config.site_address = config.html_baseurl
    here = config.editions.get(config.language, {}).get("folder", "")
    if config.html_baseurl and here:
        config.html_baseurl = f"{config.html_baseurl}{here}/"


def setup(app):
    app.add_config_value("editions", {}, "html", dict)
    app.add_config_value("site_address", "", "html", str)
    # After addresses.py has put a slash to the end of the address.
    app.connect("config-inited", set_addresses, priority=900)
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", add_links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
