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

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

COMMENT = re.compile(r"\s*<!-- rows: ([a-z]+) -->\s*")
HAN = re.compile(r"[\u3400-\u9fff]")
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
                table.replace_self(rows_of(table, kind[1]))


def rows_of(table, kind):
    """The blocks in the place of a table, and before them links to those with names."""
    (head,), body = (
        [list(row.children) for row in table.next_node(part).findall(nodes.row)]
        for part in (nodes.thead, nodes.tbody)
    )
    blocks = [row_of([cell.astext() for cell in head], cells, kind) for cells in body]
    addresses = [block["ids"][0] for block in blocks]
    twice = {address for address in addresses if addresses.count(address) > 1}
    if twice:
        raise ValueError(f"two rows have one address: {sorted(twice)}")
    links = [link for block in blocks for link in links_to(block)]
    above = [nodes.paragraph("", "", *links, classes=["row-names"])] if links else []
    return nodes.container("", *above, *blocks, classes=["rows"])


def row_of(titles, cells, kind):
    """One row: its head, and the titles of the other columns with what stands below them."""
    first, *others = cells
    names = names_in(first)
    address = address_of(kind, names or first.astext().split()[:MOST_WORDS])
    pairs = [
        nodes.definition_list_item(
            "", nodes.term("", title), nodes.definition("", *cell.children)
        )
        for title, cell in zip(titles[1:], others, strict=True)
    ]
    listed = [
        ("single", name, address, "", CHINESE)
        if HAN.search(name)
        else ("single", f"{kind}; {name}", address, "", None)
        for name in names
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


def address_of(kind, words):
    """What leads to a row: letters of any language and digits, joined by hyphens.

    ["1.461", "a floor"] of the kind "symptom" gives "symptom-1-461-a-floor".
    """
    return "-".join([kind, *re.findall(r"\w+", " ".join(words).lower())])


def setup(app):
    app.add_transform(Rows)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
