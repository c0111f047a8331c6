"""A Sphinx extension of this book: a translated page keeps the addresses of the English one.

docutils makes an address of the letters of a heading, and of Chinese ones it would make id1,
id2 and so on: no link to a section would survive the switch of language, and each new heading
would move the others. So the headings of a page get, one after the other, the addresses of
those in the English source. A page with more or fewer headings stops the build.

`anchors_from` in _config.yml is the folder of the English sources; English itself has none.
"""

import itertools
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
from docutils import nodes
from docutils.nodes import fully_normalize_name, make_id
from markdown_it.renderer import RendererHTML
from markdown_it.tree import SyntaxTreeNode
from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import compute_unique_slug
from myst_parser.parsers.mdit import create_md_parser
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

ROWS = re.compile(r"<!-- rows: ([a-z]+) -->")
INCLUDES = "{include}"  # of a file that is not translated, whose headings come last


class Anchor(NamedTuple):
    """Where a heading is: its address on the page, and by which name links call it."""

    id: str
    slug: str


class KeepAnchors(SphinxTransform):
    """After the parser, and before anything reads the addresses."""

    default_priority = 21

    def apply(self, **kwargs):
        english = english_source(self.app, self.env.docname)
        if english is None:
            return
        sections = list(self.document.findall(nodes.section))
        anchors = [anchor for text in texts_of(english) for anchor in headings(text)]
        more = len(sections) - len(anchors)
        if more < 0 or (more and INCLUDES not in "".join(texts_of(english))):
            raise ExtensionError(
                f"{self.env.docname} has {len(sections)} headings, in English {len(anchors)}"
            )
        # First all away, then all new: an address of one may be an old one of another.
        kept = sections[: len(anchors)]
        for section in kept:
            forget_addresses(self.document, section)
        included = sections[len(anchors) :]
        for section in included:
            forget_addresses(self.document, section)
        for section, anchor in zip(kept, anchors, strict=True):
            give_address(self.document, section, anchor)
        number_anew(self.document, included)
        name_for_links(self.document, self.env, zip(kept, anchors, strict=True))


def english_source(app, page):
    """The file of the English page; None where this edition is the English one."""
    if not app.config.anchors_from:
        return None
    here = Path(app.env.doc2path(page))
    return Path(app.srcdir, app.config.anchors_from, here.relative_to(app.srcdir)).resolve()


def texts_of(path):
    """The Markdown of a page, cell by cell."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, 4).cells
        return [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [path.read_text(encoding="utf-8")]


@cache
def parser():
    return create_md_parser(MdParserConfig(enable_extensions={"dollarmath"}), RendererHTML)


def headings(text):
    """The addresses of the headings in a text."""
    tokens, slugs = parser().parse(text), {}
    for at, opening in enumerate(tokens):
        if opening.type == "heading_open":
            heading = tokens[at : at + 3]  # opened, its words, closed
            title = "".join(child.content for child in heading[1].children)
            slug = compute_unique_slug(SyntaxTreeNode(heading).children[0], slugs)
            slugs[slug] = title
            yield Anchor(make_id(fully_normalize_name(title)), slug)


def heads_of_rows(path, kind):
    """Of each row of a table that is read a row at a time: its names, and its first cell."""
    for text in texts_of(path):
        found = [match for match in ROWS.finditer(text) if match[1] == kind]
        if found:
            tokens = iter(parser().parse(text[found[0].end() :]))
            for token in tokens:
                if token.type == "tr_open":
                    first = next(t for t in tokens if t.type == "inline").children
                    yield names_in(first), "".join(t.content for t in first)
                if token.type == "table_close":
                    return


def names_in(tokens):
    """What is bold in a cell."""
    names, bold = [], False
    for token in tokens:
        if token.type == "strong_open":
            names.append("")
        bold = token.type == "strong_open" or (bold and token.type != "strong_close")
        if bold:
            names[-1] += token.content
    return names


def forget_addresses(document, section):
    made = make_id(fully_normalize_name(section[0].astext()))
    for old in [
        name for name in section["ids"] if name == made or re.fullmatch(r"id\d+", name)
    ]:
        section["ids"].remove(old)
        document.ids.pop(old, None)


def number_anew(document, sections):
    """Headings of a file that is not translated: their words, or numbers if they come again."""
    count = itertools.count(1)
    for section in sections:
        made = make_id(fully_normalize_name(section[0].astext()))
        again = not made or made in document.ids
        give_address(document, section, Anchor(f"id{next(count)}" if again else made, made))


def give_address(document, section, anchor):
    section["ids"].insert(0, anchor.id)
    document.ids[anchor.id] = section
    for name in section["names"]:
        document.nameids[name] = anchor.id


def name_for_links(document, env, pairs):
    """Links of the sources name a section by its English heading."""
    slugs = {
        anchor.slug: (section.line, section["ids"][0], section[0].astext())
        for section, anchor in pairs
    }
    document.myst_slugs = env.metadata[env.docname]["myst_slugs"] = slugs


def setup(app):
    app.add_config_value("anchors_from", "", "env", str)
    app.add_transform(KeepAnchors)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
