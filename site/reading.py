"""A Sphinx extension of this book: how a chapter is laid out on a page.

A notebook asks, runs, answers, in this order. The page is made from it:

- What a prompt asks for lies in one fold, "What it gives": outputs, answer, and the checks
  right after it, whose titles would give it away. A list of choices in a prompt becomes
  buttons where scripts run (static/prompts.js).
- A fold says what is in it: a cell's tag names it, and a checked cell its first comment.
- The question under a title and the mark of a section, *Essential · 5 minutes.*, get classes.
- Of several figures in one cell each gets its own line of the alternative text.
- Nothing runs on the page: no exercise says there that it was not attempted; one line at the
  head of the exercises says where to run them.

All is done on the tree of the document, so it holds without scripts, too.
"""

import re
from html import escape

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ANSWER = "<details><summary>Answer</summary>"
GIVES = '<details class="gives"><summary>What it gives</summary>'
FOLDS = {
    "checked": "Checked",
    "experiment": "Code of the experiment",
    "figure": "Code of the figure",
    "imports": "Imports",
}
MARK = re.compile(r"(Essential|Deeper) · \d+ minutes?(?: · needs .+)?\.")
NOT_ATTEMPTED = "check-not-attempted"
WHERE_TO_RUN = (
    '<p class="where-to-run">Run them in a notebook: <a href="{top}_sources/{page}.ipynb" '
    'download>this chapter</a>, or <a href="{top}downloads/{zip}">all chapters and the '
    "package</a>, as a zip.</p>"
)
ZIP = "softmax-and-cross-entropy-notebooks.zip"


class Reading(SphinxPostTransform):
    """Before MyST-NB folds cells (199), after it has chosen what to show of an output (4)."""

    default_priority = 198
    formats = ("html",)

    def run(self, **kwargs):
        for cell in list(self.document.findall(is_cell)):
            name_fold(cell)
            share_alternative_text(cell)
            hide_what_was_not_attempted(cell)
        for quote in list(self.document.findall(nodes.block_quote)):
            fold_answer(quote)
        mark_paragraphs(self.document)
        say_where_to_run(self.document, self.env.docname)


def is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def is_output(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code_output"


def name_fold(cell):
    """Write on the fold of a cell what is in it."""
    for kind, words in FOLDS.items():
        if f"tag_{kind}" in cell["classes"]:
            if kind == "checked":
                words = f"{words}: {first_comment(cell)}"
            cell["prompt_show"] = cell["prompt_hide"] = words


def first_comment(cell):
    """The comment that a cell begins with, all of its lines."""
    source = next(cell.findall(nodes.literal_block)).astext()
    lines = re.match(r"(?:#.*\n?)*", source)[0].splitlines()
    return " ".join(line.lstrip("# ") for line in lines).rstrip(".").replace("`", "")


def share_alternative_text(cell):
    """Give the first figure of a cell the first line of the text, and so on."""
    pictures = list(cell.findall(nodes.image))
    if len(pictures) > 1:
        lines = pictures[0].get("alt", "").splitlines()
        for picture, line in zip(pictures, lines, strict=True):
            picture["alt"] = line


def hide_what_was_not_attempted(cell):
    for output in [node for node in cell.children if is_output(node)]:
        if NOT_ATTEMPTED in output.astext():
            cell.remove(output)


def fold_answer(quote):
    """Move the outputs after a prompt into the fold of its answer."""
    if not quote.astext().startswith("Predict."):
        return
    quote["classes"].append("predict")
    after = quote.parent.children[quote.parent.index(quote) + 1 :]
    outputs = []
    for node in after:
        if isinstance(node, nodes.raw) and node.astext().strip().startswith(ANSWER):
            fold = nodes.raw("", node.astext().replace(ANSWER, GIVES), format="html")
            take_in_checks(node)
            node.parent.replace(node, [fold, *outputs])
            return
        if not is_cell(node):
            return
        if "tag_checked" not in node["classes"]:
            for output in [child for child in node.children if is_output(child)]:
                node.remove(output)
                node["classes"].append("asked")  # its output lies in the fold (static/live.js)
                outputs.append(nodes.container("", output, classes=["cell"]))


def take_in_checks(answer):
    """Move the checks right after an answer into its fold: their titles would give it away."""
    siblings = answer.parent.children
    start = siblings.index(answer)
    ends = [
        at
        for at, node in enumerate(siblings[start:], start)
        if isinstance(node, nodes.raw) and node.astext().strip() == "</details>"
    ]
    end = ends[0]
    while end + 1 < len(siblings) and is_cell(siblings[end + 1]):
        if "tag_checked" not in siblings[end + 1]["classes"]:
            break
        siblings.insert(end, siblings.pop(end + 1))
        end += 1


def mark_paragraphs(document):
    """Give the question under a title and the marks of sections their classes."""
    for section in document.findall(nodes.section):
        first = next((n for n in section.children if not isinstance(n, nodes.title)), None)
        if isinstance(first, nodes.paragraph) and isinstance(first.children[0], nodes.emphasis):
            words = MARK.fullmatch(first.astext())
            if words:
                first["classes"] += ["section-mark", words[1].lower()]
                section["classes"].append(words[1].lower())
            elif first.astext().endswith("?") and section.parent is document:
                first["classes"].append("question")


def say_where_to_run(document, page):
    for section in document.findall(nodes.section):
        if "exercises" in section["ids"] and list(section.findall(is_cell)):
            top = "../" * page.count("/")
            text = WHERE_TO_RUN.format(top=escape(top), page=escape(page), zip=ZIP)
            section.insert(1, nodes.raw("", text, format="html"))


def setup(app):
    app.add_post_transform(Reading)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
