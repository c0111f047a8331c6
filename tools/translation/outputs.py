"""Outputs of the English notebooks in Chinese: what the checker says in them.

Code is the same in both, so its outputs are, but for the sentences of the checker. A stored
one is read back by its template, and said again in Chinese. `make test` executes one Chinese
chapter, and a weekly run executes all.
"""

import html
import re
from functools import cache

PLAIN = re.compile(r"(?P<state>[✔✘…⚠↪?] [^.]+\.) (?P<said>.+)")
HTML = re.compile(
    r'(?P<open><div class="check check-[\w-]+" role="status"><strong>)(?P<state>.+?)'
    r"(?P<middle></strong> )(?P<said>.+?)(?P<end></div>)"
)


def translate(notebook, words):
    """Put what the checker says in the outputs of a notebook into Chinese, in place."""
    for data in results(notebook):
        data["text/plain"] = plain(data["text/plain"], words)
        data["text/html"] = shown(data["text/html"], words)


def results(notebook):
    """The stored results of the checker, each as a text and as HTML."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "check check-" in data.get("text/html", ""):
                yield data


def plain(text, words):
    """A printed result in other words."""
    found = PLAIN.fullmatch(text)
    return f"{words.get(found['state'], found['state'])}{again(found['said'], words)}"


def shown(text, words):
    """The HTML of a result in other words."""
    found = HTML.fullmatch(text)
    said = html.escape(again(html.unescape(found["said"]), words))
    state = words.get(found["state"], found["state"])
    return f"{found['open']}{state}{found['middle']}{said}{found['end']}"


def again(said, words):
    """A sentence in other words, by the template that it was made from; else as it was.

    Examples
    --------
    >>> again("Fill in f, then run.", {"Fill in {name}, then run.": "请填写 {name}，再运行。"})
    '请填写 f，再运行。'
    """
    for template in words:
        if found := pattern(template).fullmatch(said):
            return words[template].format(**found.groupdict())
    return said


@cache
def pattern(template):
    """What a template says, whatever its values are. One that begins with a value fits nothing.

    It would fit nearly every sentence.
    """
    parts = re.split(r"\{(\w+)\}", template)
    names = parts[1::2]
    if not parts[0] or len(set(names)) < len(names):
        return re.compile(r"(?!)")
    kept = (f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
    return re.compile("".join(kept))
