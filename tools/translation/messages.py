"""Take sources apart into messages, and put them together again with other words.

A message is what a reader sees as one thing: a paragraph, a heading, a cell of a table, the
summary of a fold, an alt text, a comment. Each function takes `say`, from an English message
to what stands in its place. With `say=str` a text comes back byte for byte.

Markdown is taken apart with the parser that builds the pages.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import yaml
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from companion.exercises.says import wrapped

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
EXTENSIONS = set(CONFIG["parse"]["myst_enable_extensions"])
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
IN_TAGS = re.compile(r"(?<=>)[^<>]+(?=<)")
IN_MATH = re.compile(r"(?<=\\text\{)[^}]*[A-Za-z]{2,}[^}]*(?=\})")
OPTION = re.compile(r"^:[\w-]+:")
ALT = re.compile(r"(?<=^:alt: ).+$")
NO_WORDS = re.compile(r"`[^`]*`|\$[^$]*\$|\{[\w:]+\}|<!--.*?-->", re.DOTALL)
SHOWN = re.compile(r"\{(?:term|ref)\}`([^`]*)`")
PARAGRAPH = re.compile(r"<p>([^<>]+)</p>")  # that code writes as HTML
# What a chapter imports in English, and in Chinese.
IMPORTS = {
    "from companion.exercises import": "from companion.exercises.zh import",
    "from companion.book.plotting import": "from companion.book.zh import",
    "from companion.book import plotting as": "from companion.book import zh as",
}
# Functions of Matplotlib, and of the book, that write what they are given into a figure.
DRAWS = {"annotate", "line", "set", "set_title", "set_xlabel", "set_ylabel", "simplex", "text"}
COLUMNS = 76  # of code, as in the chapters
NESTED = ("{dropdown}", "{errata}", "{admonition}", "{note}")


def is_prose(text):
    """Whether there is a word to translate, that of a linked term among them.

    Examples
    --------
    >>> is_prose("`softmax` of $z$"), is_prose("`softmax(z)`, $p_i$")
    (True, False)
    """
    shown = SHOWN.sub(r"\1", text)
    return re.search(r"[A-Za-z]{2,}", NO_WORDS.sub("", shown)) is not None


# Markdown.


def markdown(text, say):
    """A Markdown text with every message replaced, everything else byte for byte.

    Examples
    --------
    >>> print(markdown("## Which axis?\\n\\n| `p` | a row |\\n| --- | --- |", str.upper))
    ## WHICH AXIS?
    <BLANKLINE>
    | `p` | A ROW |
    | --- | --- |
    """
    rows, reached = text.split("\n"), {}
    for token in PARSER.parse(text):
        if token.type == "inline":
            _inline(rows, reached, token, say)
        elif token.map:
            first, last = token.map
            kind = token.type.removeprefix("colon_")
            if kind in _BLOCKS:
                new = _BLOCKS[kind](rows[first:last], token, say)
                rows[first:last] = new + [None] * (last - first - len(new))
    return "\n".join(row for row in rows if row is not None)


def _inline(rows, reached, token, say):
    """Replace one message in its rows; those that it no longer needs become None."""
    if token.map is None or not is_prose(token.content):
        return
    parts = [part.strip() for part in token.content.split("\n")]
    old = " ".join(parts)
    new = say(old)
    if new == old:
        return
    row = token.map[0]
    # A cell of a table has its bars escaped in the source, and not in the token.
    written = parts[0] if parts[0] in rows[row] else parts[0].replace("|", "\\|")
    at = rows[row].index(written, reached.get(row, 0))
    if written != parts[0]:
        new = new.replace("|", "\\|")
    rows[row] = rows[row][:at] + new + rows[row][at + len(written) :]
    reached[row] = at + len(new)
    for gone in range(row + 1, row + len(parts)):
        rows[gone] = None


def _html(rows, token, say):
    return IN_TAGS.sub(lambda m: _said(m[0], say), "\n".join(rows)).split("\n")


def _said(text, say):
    """A text with its message replaced, and the blanks around it kept."""
    core = " ".join(text.split())
    if not is_prose(core) or (new := say(core)) == core:
        return text
    return text[: len(text) - len(text.lstrip())] + new + text[len(text.rstrip()) :]


def _math(rows, token, say):
    return [IN_MATH.sub(lambda m: _said(m[0], say), row) for row in rows]


def _directive(rows, token, say):
    """The words of a directive, or the comments of code."""
    inside = [] if len(rows) < 2 else rows[1:-1]
    name, _, title = token.info.strip().partition(" ")
    if name == "{eval-rst}":
        return rows
    if name in NESTED:
        options = [row for row in inside if OPTION.match(row)]
        body = markdown("\n".join(inside[len(options) :]), say).split("\n")
        head = rows[0].replace(title, _said(title, say)) if title else rows[0]
        return [head, *options, *body, rows[-1]]
    if name == "{downloads}":
        inside = [_said(row, say) for row in inside]
    elif name == "{glossary}":
        inside = _definitions(inside, say)
    elif name == "python":
        inside = code("\n".join(inside), say).split("\n")
    elif name.startswith("{"):
        inside = [ALT.sub(lambda m: say(m[0]), row) for row in inside]
    return [rows[0], *inside, *rows[-1:]]


def _definitions(rows, say):
    """Terms stay, in both languages; what is indented below them is one message each."""
    new, definition = [], []
    for row in [*rows, ""]:
        if row.startswith("  "):
            definition.append(row)
            continue
        if definition:
            old = " ".join(line.strip() for line in definition)
            new += definition if (said := say(old)) == old else [f"  {said}"]
            definition = []
        new.append(row)
    return new[:-1]


def _front_matter(rows, token, say):
    data = yaml.safe_load(token.content)
    if (new := described(data, say)) == data:
        return rows
    text = yaml.safe_dump(new, allow_unicode=True, sort_keys=False, width=10_000)
    return ["---", *text.rstrip("\n").split("\n"), "---"]


_BLOCKS = {
    "html_block": _html,
    "math_block": _math,
    "amsmath": _math,
    "fence": _directive,
    "front_matter": _front_matter,
}


def described(metadata, say):
    """A page's metadata with another description."""
    html = metadata.get("myst", {}).get("html_meta", {})
    if "description" not in html:
        return metadata
    new = {**html, "description": say(" ".join(html["description"].split()))}
    return {**metadata, "myst": {**metadata["myst"], "html_meta": new}}


# Code.


def code(source, say, drawn=()):
    """Code with its comments and docstrings replaced. It does what it did before.

    Comments of several lines, and paragraphs of a docstring, are one message each. So are the
    words that a figure has in it, `drawn`, where they are given to a function that draws them.

    Examples
    --------
    >>> print(code("x = 1  # one example", str.upper))
    x = 1  # ONE EXAMPLE
    """
    try:
        edits = [*_comments(source, say), *_docstrings(source, say)]
    except (SyntaxError, tokenize.TokenError):  # a fragment, or another language
        return source
    rows = source.split("\n")
    for first, last, new in sorted(edits, reverse=True):
        rows[first:last] = new
    return _with_labels("\n".join(rows), say, drawn) if drawn else "\n".join(rows)


def labels_in(tree):
    """Texts that stand in calls which draw them: constants, with their places."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in DRAWS:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            parts = [p for g in given for p in (g.elts if isinstance(g, ast.Tuple) else [g])]
            yield from (p for p in parts if isinstance(getattr(p, "value", None), str))


def _called(function):
    return getattr(function, "attr", getattr(function, "id", ""))


def _with_labels(source, say, drawn):
    """The last first, so that places before them hold. They are counted in bytes."""
    rows = [row.encode() for row in source.split("\n")]
    for label in sorted(
        labels_in(ast.parse(source)), key=lambda n: (n.lineno, n.col_offset), reverse=True
    ):
        if label.value in drawn and is_prose(label.value) and label.lineno == label.end_lineno:
            row, start, end = label.lineno - 1, label.col_offset, label.end_col_offset
            new = f'"{say(label.value)}"'.encode()
            rows[row] = rows[row][:start] + new + rows[row][end:]
    return b"\n".join(rows).decode()


def _comments(source, say):
    """Edits as first row, row after the last, new rows; of lines in a row, one for all."""
    rows = source.split("\n")
    clean = "\n".join("" if row.lstrip().startswith(("%", "!")) else row for row in rows)
    tokens = tokenize.generate_tokens(io.StringIO(clean).readline)
    found = [
        (t.start[0] - 1, t.start[1], t.string) for t in tokens if t.type == tokenize.COMMENT
    ]
    blocks = []
    for row, column, text in found:
        alone = not rows[row][:column].strip()
        last = blocks[-1] if blocks else None
        if last and alone and last[3] and last[0] + len(last[2]) == row and last[1] == column:
            last[2].append(text)
        else:
            blocks.append((row, column, [text], alone))
    for row, column, texts, _ in blocks:
        old = " ".join(text.lstrip("# ").rstrip() for text in texts)
        if "noqa" in old or not is_prose(old) or (new := say(old)) == old:
            continue
        before = rows[row][:column]
        indent = before if not before.strip() else ""
        lines = wrapped(new, COLUMNS - len(indent) - 2) if indent == before else [new]
        yield row, row + len(texts), [f"{before}# {line}" for line in lines]


def _docstrings(source, say):
    clean = "\n".join(
        "" if row.lstrip().startswith(("%", "!")) else row for row in source.split("\n")
    )
    rows = source.split("\n")
    for node in documented(ast.parse(clean)):
        text = node.body[0].value
        old = ast.get_docstring(node)
        if (new := _paragraphs(old, say)) == old:
            continue
        first, last = text.lineno - 1, text.end_lineno
        indent = " " * text.col_offset
        lines = [x for part in new.split("\n") for x in wrapped(part, COLUMNS - 4) or [""]]
        end = rows[last - 1][text.end_col_offset :]
        if len(lines) == 1:
            yield first, last, [f'{indent}"""{lines[0]}"""{end}']
        else:
            body = [f"{indent}{line}" if line else "" for line in lines[1:]]
            yield first, last, [f'{indent}"""{lines[0]}', *body, f'{indent}"""{end}']


def _paragraphs(text, say):
    parts = text.split("\n\n")
    said = [_said(" ".join(part.split()), say) for part in parts]
    old = [" ".join(part.split()) for part in parts]
    return text if said == old else "\n\n".join(said)


def documented(tree):
    """Functions and classes with a docstring."""
    kinds = ast.FunctionDef | ast.ClassDef
    return [n for n in ast.walk(tree) if isinstance(n, kinds) and ast.get_docstring(n)]


def essence(source):
    """What code does: its syntax tree without docstrings, drawn labels and the edition.

    Examples
    --------
    >>> essence("f(1)  # one") == essence("f(1)  # 一")
    True
    """
    for english, chinese in IMPORTS.items():
        source = source.replace(chinese, english)
    rows = source.split("\n")
    tree = ast.parse("\n".join("" if r.lstrip().startswith(("%", "!")) else r for r in rows))
    for node in documented(tree):
        node.body[0].value.value = ""
    for label in labels_in(tree):
        label.value = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = PARAGRAPH.sub("<p></p>", node.value)
    return ast.dump(tree)
