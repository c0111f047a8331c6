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
from downloads import NOTEBOOKS, named
from sphinx.transforms.post_transforms import SphinxPostTransform
from words import words_of

ANSWER = "<details><summary>{}</summary>"
GIVES = '<details class="gives"><summary>{}</summary>'
PREDICT = "Predict."
FOLDS = {
    "checked": "Checked",
    "experiment": "Code of the experiment",
    "figure": "Code of the figure",
    "imports": "Imports",
}
DEPTHS = {"essential": "Essential", "deeper": "Deeper"}  # a section's class, and its mark
CHINESE = "\u3000-\u9fff\uff00-\uffef"  # characters and their full-width signs
NOT_ATTEMPTED = "check-not-attempted"
WHERE_TO_RUN = (
    'Run them in a notebook: <a href="{top}_sources/{page}.ipynb" download>this chapter</a>, '
    'or <a href="{top}downloads/{zip}">all chapters and the package</a>, as a zip.'
)


class Reading(SphinxPostTransform):
    """Before MyST-NB folds cells (199), after it has chosen what to show of an output (4)."""

    default_priority = 198
    formats = ("html",)

    def run(self, **kwargs):
        say = words_of(self.app)
        for cell in list(self.document.findall(is_cell)):
            name_fold(cell, say)
            share_alternative_text(cell)
            hide_what_was_not_attempted(cell)
        for quote in list(self.document.findall(nodes.block_quote)):
            fold_answer(quote, say)
        name_hints(self.document, say)
        mark_paragraphs(self.document, say)
        say_where_to_run(self.document, self.env.docname, self.app)


def is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def is_output(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code_output"


def name_fold(cell, say):
    """Write on the fold of a cell what is in it."""
    for kind in FOLDS:
        if f"tag_{kind}" in cell["classes"]:
            words = say(FOLDS[kind])
            if kind == "checked":
                words = say("{kind}: {what}").format(kind=words, what=first_comment(cell))
            cell["prompt_show"] = cell["prompt_hide"] = words


def first_comment(cell):
    """The comment that a cell begins with, all of its lines."""
    source = next(cell.findall(nodes.literal_block)).astext()
    lines = re.match(r"(?:#.*\n?)*", source)[0].splitlines()
    words = [line.lstrip("# ") for line in lines]
    return joined(words).rstrip(".。").replace("`", "")


def joined(lines):
    """Lines of a text as one: Chinese has no space where a line was broken."""
    text = " ".join(lines)
    return re.sub(
        r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])", "", text
    )


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


def fold_answer(quote, say):
    """Move the outputs after a prompt into the fold of its answer."""
    if not quote.astext().startswith(say(PREDICT)):
        return
    answer, gives = ANSWER.format(say("Answer")), GIVES.format(say("What it gives"))
    quote["classes"].append("predict")
    after = quote.parent.children[quote.parent.index(quote) + 1 :]
    outputs = []
    for node in after:
        if isinstance(node, nodes.raw) and node.astext().strip().startswith(answer):
            fold = nodes.raw("", node.astext().replace(answer, gives), format="html")
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


def name_hints(document, say):
    """Give the folds of hints and solutions a class: others then need not read their words."""
    hint, solution = say("Hint {number} of {all}").partition("{")[0], say("Solution")
    for raw in list(document.findall(nodes.raw)):
        text = raw.astext()
        for words in (hint, solution):
            text = text.replace(
                f"<details><summary>{words}", f'<details class="hint"><summary>{words}'
            )
        if text != raw.astext():
            raw.parent.replace(raw, nodes.raw("", text, format="html"))


def mark_paragraphs(document, say):
    """Give the question under a title and the marks of sections their classes."""
    depths = {say(DEPTHS[name]): name for name in DEPTHS}
    for section in document.findall(nodes.section):
        first = next((n for n in section.children if not isinstance(n, nodes.title)), None)
        if isinstance(first, nodes.paragraph) and isinstance(first.children[0], nodes.emphasis):
            depth = depths.get(first.astext().partition(" · ")[0])
            if depth:
                first["classes"] += ["section-mark", depth]
                section["classes"].append(depth)
            elif first.astext().endswith(("?", "？")) and section.parent is document:
                first["classes"].append("question")


def say_where_to_run(document, page, app):
    for section in document.findall(nodes.section):
        if "exercises" in section["ids"] and list(section.findall(is_cell)):
            top = "../" * page.count("/")
            names = {"top": escape(top), "page": escape(page), "zip": named(NOTEBOOKS, app)}
            text = words_of(app)(WHERE_TO_RUN).format(**names)
            words = f'<p class="where-to-run">{text}</p>'
            section.insert(1, nodes.raw("", words, format="html"))


def setup(app):
    app.add_post_transform(Reading)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
