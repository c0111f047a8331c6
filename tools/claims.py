"""Sentences of the book that claim, and what each of them rests on.

A sentence claims if it says *always*, *only*, *at most*, *better* and the like. Each such
sentence of a chapter has an entry in `tests/claims/<chapter>.toml`. It points to what would go
wrong if it were false: an assertion or an output of the chapter, a test, a source, or words
that prove or define it.
"""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "claims"
WORDS = re.compile(
    r"\b(always|never|only|every|at most|at least|faster|slower|better|worse|cannot|none|"
    r"nothing|exactly|no \w+ can)\b",
    re.IGNORECASE,
)


def claims_of(name):
    """The entries of a chapter's list, as pairs of a sentence and its pointer."""
    text = (LISTS / f"{name}.toml").read_text(encoding="utf-8")
    return [
        (folded(entry["says"]), folded(entry["by"])) for entry in tomllib.loads(text)["claim"]
    ]


def folded(text):
    """`text` with each run of white space as one space.

    Examples
    --------
    >>> folded("two  words\\non two lines ")
    'two words on two lines'
    """
    return " ".join(text.split())


def claiming_sentences(markdown):
    """The sentences of a text that claim; questions, tasks, and what is generated, do not.

    Examples
    --------
    >>> claiming_sentences("Softmax is never 0. Is it ever 1? It sums to 1.")
    ['Softmax is never 0.']
    """
    if markdown.startswith(("<!-- generated", "(ex-")):
        return []
    plain = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    parts = re.split(r"\n\s*\n|(?<=[.!?])\s+|\n(?=- |> |\d\. |\| )", plain)
    sentences = [folded(part) for part in parts]
    return [s for s in sentences if WORDS.search(s) and not s.endswith("?")]


def without_a_pointer(texts, claims):
    """One sentence per claim that has no entry, and per entry whose sentence is gone."""
    listed = [says for says, _ in claims]
    for sentence in (s for text in texts for s in claiming_sentences(text)):
        if not any(says in sentence or sentence in says for says in listed):
            yield f"a claim without an entry: {sentence}"
    whole = folded(" ".join(texts))
    for says in listed:
        if says not in whole:
            yield f"an entry whose sentence is gone: {says}"


def pointers_to_nothing(texts, code, outputs, claims):
    """One sentence per pointer that leads nowhere.

    Parameters
    ----------
    texts, code, outputs : list of str
        Markdown cells, code cells and printed outputs of a chapter.
    claims : list of tuple
        As of `claims_of`.
    """
    asserts = [folded(ast.unparse(a)) for cell in code for a in _asserts(cell)]
    asserts += [
        _on_a_line(ast.get_source_segment(cell, a)) for cell in code for a in _asserts(cell)
    ]
    whole, printed = folded(" ".join(texts)), folded(" ".join(outputs))
    for says, by in claims:
        kind, _, rest = by.partition(":")
        if by.startswith("assert "):
            found = any(text.startswith(by) for text in asserts)
        elif kind == "prints":
            found = rest.strip() in printed
        elif kind == "cite":
            found = any(rest.strip() in _cited(text) and says in folded(text) for text in texts)
        elif kind == "says":
            found = rest.strip() in whole and rest.strip() not in says
        else:
            found = _is_a_test(by)
        if not found:
            yield f"a pointer to nothing, {by!r}, of: {says}"


def _on_a_line(source):
    """A statement that is broken into lines, as it stands on one."""
    return re.sub(r"(?<=[(\[{]) |,? (?=[)\]}])", "", folded(source))


def _asserts(cell):
    return [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Assert)]


def _cited(text):
    return {
        k.strip()
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text)
        for k in keys.split(",")
    }


def _is_a_test(pointer):
    path, _, name = pointer.partition("::")
    file = ROOT / path
    if not (path.startswith("tests/") and file.is_file()):
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return name.partition("[")[0] in names
