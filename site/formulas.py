"""A Sphinx extension of this book: formulas for readers without scripts.

MathJax sets the formulas in the reader's browser. Where scripts do not run, TeX would stand
there raw; so each formula has its MathML beside it, which browsers show then, and only then.
(Set by MathML alone, a page would weigh a third; but without a mathematical font, which most
systems lack, the spaces and sizes are poor: so MathJax stays for all others.)

Until a formula of a line is set, its place is kept as wide as it will be, estimated from the
MathML, so that the words around do not jump.
"""

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'(?P<open><(?P<tag>span|div) class="math notranslate nohighlight"[^>]*>)'
    r"(?P<tex>[^<]*)</(?P=tag)>"
)
ALIGNED = re.compile(r"\\begin\{aligned\}(.*)\\end\{aligned\}", re.DOTALL)
LINE_END = re.compile(r"\\\\(?:\[[^\]]*\])?")
NAME = re.compile(r"<mo>([A-Za-z]{2,})</mo>")  # lse and KL are names, with no space around
SIZE = 1.23  # of MathJax's letters beside those of the text
# Signs that are wide, with the space that TeX puts around them, or narrow.
WIDE = dict.fromkeys("=<>≤≥→≈≡∈∝", 1.35) | dict.fromkeys("+−-±·⊕‖", 1.1)
WIDE |= {"∑": 1.3, "∏": 1.2, "∫": 0.8} | dict.fromkeys("(),.;|[]il/", 0.38)
HIDDEN = "<noscript><style>.math > .tex { display: none }</style></noscript>\n</head>"


def with_mathml(text):
    """A page in which each formula has its MathML."""
    done = FORMULA.sub(_both, text)
    return done if done == text else done.replace("</head>", HIDDEN, 1)


def _both(formula):
    tex = unescape(formula["tex"]).strip()
    display = "block" if tex.startswith(r"\[") else "inline"
    lines = [_converted(line, display) for line in _lines(tex[2:-2])]
    style = "" if display == "block" else f' style="--em: {_em(lines[0]):.1f}"'
    return (
        f'{formula["open"]}<span class="tex"{style}>{formula["tex"]}</span>'
        f"<noscript>{''.join(lines)}</noscript></{formula['tag']}>"
    )


def _lines(tex):
    """A formula, or each line of aligned ones, which the library does not align."""
    aligned = ALIGNED.fullmatch(tex.strip())
    if not aligned:
        return [tex.strip()]
    return [line.replace("&", " ").strip() for line in LINE_END.split(aligned[1])]


def _converted(tex, display):
    return NAME.sub(r"<mi>\1</mi>", convert(tex, display=display))


def _em(mathml):
    return SIZE * width(ElementTree.fromstring(mathml))


def width(node):
    """About how many em a piece of MathML takes in a line."""
    tag = node.tag.partition("}")[2]
    parts = [width(child) for child in node]
    if tag == "mfrac":  # both in small letters
        return 0.75 * max(parts) + 0.2
    if tag in ("msub", "msup", "munder", "mover"):
        return parts[0] + 0.7 * parts[1]
    if tag in ("msubsup", "munderover"):
        return parts[0] + 0.7 * max(parts[1:])
    if tag == "mspace":
        return float(node.get("width", "0").rstrip("em") or 0)
    if parts:
        return sum(parts)
    text = (node.text or "").strip()
    return sum(WIDE.get(sign, 0.55) for sign in text) + (0.15 if len(text) > 1 else 0)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if with_mathml(text) != text:
            page.write_text(with_mathml(text), encoding="utf-8")


def setup(app):
    # After what reads the words of a page, before the pages are packed.
    app.connect("build-finished", finish, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
