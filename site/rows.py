"""A Sphinx extension of this book: tables that are read a row at a time.

Five columns of sentences are five pillars on a phone, and no screen has room for them. Where a
comment stands before a table of a page,

    <!-- rows: symptom -->

each row becomes a block of its own: its first cell is the head, the others follow with the
titles of their columns before them. The row gets an address, `symptom-` and the first words of
its head. What is bold in the head are the row's names: they are the address, if there are any,
stand above all rows as links to them, and in the index of the book, Chinese ones among the
Chinese. site/search_index.py makes of each row an entry of the search.

A notebook shows the table as Markdown has it, in JupyterLab and on GitHub.
"""

import re

from anchors import english_source, heads_of_rows
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from words import words_of

COMMENT = re.compile(r"\s*<!-- rows: ([a-z]+) -->\s*")
HAN = re.compile(r"[\u3400-\u9fff]")
KINDS = {"symptom": "symptom", "phrase": "phrase", "claim": "claim"}
CHINESE = "中文"  # where the glossary's Chinese names stand in the index
MOST_WORDS = 6  # of the address of a row without a name


class Rows(SphinxTransform):
    """Before the index is collected (850) and links within a page are resolved (879)."""

    default_priority = 840

    def apply(self, **kwargs):
        for comment in list(self.document.findall(nodes.raw)):
            kind = COMMENT.fullmatch(comment.astext())
            if kind:
                table = comment.next_node(descend=False, siblings=True)
                if not isinstance(table, nodes.table):
                    raise ValueError(f"no table follows the comment {comment.astext()!r}")
                comment.parent.remove(comment)
                table.replace_self(self.rows_of(table, kind[1]))

    def rows_of(self, table, kind):
        """The blocks in the place of a table, with the addresses of the English ones."""
        if kind not in KINDS:
            raise ValueError(f"rows must be one of {', '.join(KINDS)}; got {kind!r}.")
        english = english_source(self.app, self.env.docname)
        heads = None
        if english is not None:
            heads = list(heads_of_rows(english, kind))[1:]  # the first row has the titles
        return rows_of(table, kind, heads, words_of(self.app)(KINDS[kind]))


def rows_of(table, kind, heads=None, group=None):
    """The blocks in the place of a table, and before them links to those with names.

    `heads` are names and first cells of the English rows, for the addresses; `group` is the
    word of the kind in the index.
    """
    (head,), body = (
        [list(row.children) for row in table.next_node(part).findall(nodes.row)]
        for part in (nodes.thead, nodes.tbody)
    )
    heads = heads or [(names_in(first), first.astext()) for first, *_ in body]
    blocks = [
        row_of(
            [cell.astext() for cell in head], cells, address_of(kind, *of_row), group or kind
        )
        for cells, of_row in zip(body, heads, strict=True)
    ]
    addresses = [block["ids"][0] for block in blocks]
    twice = {address for address in addresses if addresses.count(address) > 1}
    if twice:
        raise ValueError(f"two rows have one address: {sorted(twice)}")
    links = [link for block in blocks for link in links_to(block)]
    above = [nodes.paragraph("", "", *links, classes=["row-names"])] if links else []
    return nodes.container("", *above, *blocks, classes=["rows"])


def row_of(titles, cells, address, group):
    """One row: its head, and the titles of the other columns with what stands below them."""
    first, *others = cells
    pairs = [
        nodes.definition_list_item(
            "", nodes.term("", title), nodes.definition("", *cell.children)
        )
        for title, cell in zip(titles[1:], others, strict=True)
    ]
    listed = [
        ("single", name, address, "", CHINESE)
        if HAN.search(name)
        else ("single", f"{group}; {name}", address, "", CHINESE if HAN.search(group) else None)
        for name in names_in(first)
    ]
    return nodes.container(
        "",
        addnodes.index(entries=listed),
        nodes.paragraph("", "", *inline(first), classes=["row-head"]),
        nodes.definition_list("", *pairs, classes=["row-cells"]),
        ids=[address],
        classes=["one-row"],
    )


def names_in(head):
    return [strong.astext() for strong in head.findall(nodes.strong)]


def links_to(block):
    """Links to a row, one for each of its names, with a space after each."""
    for name in names_in(block.next_node(nodes.paragraph)):
        yield nodes.reference("", name, refid=block["ids"][0], internal=True)
        yield nodes.Text(" ")


def inline(cell):
    """What stands in a cell, out of its paragraph."""
    return [node for part in cell.children for node in part.children]


def address_of(kind, names, head):
    """What leads to a row: letters of any language and digits, joined by hyphens.

    The names ["1.461", "a floor"] of the kind "symptom" give "symptom-1-461-a-floor".
    """
    words = names or head.split()[:MOST_WORDS]
    return "-".join([kind, *re.findall(r"\w+", " ".join(words).lower())])


def setup(app):
    app.add_transform(Rows)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
