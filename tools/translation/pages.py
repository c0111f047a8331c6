"""The pages of the book: their messages, and the same pages in Chinese."""

import ast
import copy
import html
import re

import nbformat

from tools.refresh import GENERATED_PATTERN, QUESTIONS_PATTERN
from tools.translation import messages
from tools.translation.messages import ROOT

CHAPTERS = ROOT / "chapters"
INCLUDED = "{include} ../"
COMMAND, CHINESE_COMMAND = "-m companion.exercises ", "-m companion.exercises.zh "
SVG = "image/svg+xml"
DRAWN = re.compile(r"(<text\b[^>]*>)([^<]*)</text>")


def sources():
    """All pages, as they lie in `chapters/`."""
    return sorted([*CHAPTERS.glob("*.ipynb"), *CHAPTERS.glob("*.md")])


def messages_of(path):
    """The English messages of a page, in order, each once."""
    found = {}

    def note(text):
        return found.setdefault(text, text)

    translated(path, note)
    return list(found)


def translated(path, say, generate=None):
    """The source of a page in the other language.

    Parameters
    ----------
    path : Path
    say : callable
        From English to Chinese.
    generate : callable, optional
        From a cell that is written from an exercise to the same cell in Chinese.

    Returns
    -------
    str or NotebookNode
    """
    if path.suffix == ".md":
        text = messages.markdown(path.read_text(encoding="utf-8"), say)
        text = text.replace(INCLUDED, f"{INCLUDED}../")  # an edition lies one folder deeper
        return text.replace(COMMAND, CHINESE_COMMAND)
    return notebook(nbformat.read(path, 4), say, generate)


def notebook(source, say, generate=None):
    """A notebook with other words: same cells, ids, tags and code."""
    new = copy.deepcopy(source)
    new.metadata = nbformat.from_dict(messages.described(new.metadata, say))
    for cell in new.cells:
        if cell.cell_type == "code":
            _code_cell(cell, say)
        elif _is_generated(cell.source):
            cell.source = generate(cell.source) if generate else cell.source
        else:
            cell.source = messages.markdown(cell.source, say).replace(COMMAND, CHINESE_COMMAND)
    return new


def _code_cell(cell, say):
    labels = labels_of(cell)
    if "remove-cell" not in cell.metadata.get("tags", []):
        cell.source = messages.code(cell.source, say, labels)
    for english, chinese in messages.IMPORTS.items():
        cell.source = cell.source.replace(english, chinese)
    translate_paragraphs(cell, say)
    for data in figures_of(cell):
        data[SVG] = DRAWN.sub(lambda text: _redrawn(text, say, labels), data[SVG])
    image = cell.metadata.get("mystnb", {}).get("image", {})
    if "alt" in image:
        image["alt"] = say(image["alt"])


def translate_paragraphs(cell, say):
    """Put paragraphs that code writes as HTML into Chinese, in the code and in its output."""
    for output in cell.get("outputs", []):
        text = output.get("data", {}).get("text/html", "")
        for words in messages.PARAGRAPH.findall(text):
            old = f"<p>{words}</p>"
            if old in cell.source:
                new = f"<p>{say(words)}</p>"
                cell.source = cell.source.replace(old, new)
                output["data"]["text/html"] = text.replace(old, new)


def figures_of(cell):
    """The data of the outputs of a cell that are figures."""
    found = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [data for data in found if SVG in data]


def labels_of(cell):
    """The words of a cell's figures that stand as constants in the calls that draw them."""
    figures = figures_of(cell)
    drawn = {html.unescape(t[2]) for data in figures for t in DRAWN.finditer(data[SVG])}
    given = messages.labels_in(ast.parse(cell.source)) if drawn else ()
    return {label.value for label in given if messages.is_prose(label.value)} & drawn


def _redrawn(text, say, labels):
    words = html.unescape(text[2])
    return (
        f"{text[1]}{html.escape(say(words), quote=False)}</text>"
        if words in labels
        else text[0]
    )


def _is_generated(source):
    return bool(GENERATED_PATTERN.match(source) or QUESTIONS_PATTERN.match(source))
