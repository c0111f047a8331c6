"""A Sphinx extension of this book: formulas for readers without scripts.

MathJax sets the formulas in the reader's browser. Where scripts do not run, TeX would stand
there raw; so each formula has its MathML beside it, which browsers show then, and only then.
(Set by MathML alone, a page would weigh a third; but without a mathematical font, which most
systems lack, the spaces and sizes are poor: so MathJax stays for all others.)
"""

import re
from html import unescape
from pathlib import Path

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'(?P<open><(?P<tag>span|div) class="math notranslate nohighlight"[^>]*>)'
    r"(?P<tex>[^<]*)</(?P=tag)>"
)
NAME = re.compile(r"<mo>([A-Za-z]{2,})</mo>")  # lse and KL are names, with no space around
HIDDEN = "<noscript><style>.math > .tex { display: none }</style></noscript>\n</head>"


def with_mathml(text):
    """A page in which each formula has its MathML."""
    done = FORMULA.sub(_both, text)
    return done if done == text else done.replace("</head>", HIDDEN, 1)


def _both(formula):
    tex = unescape(formula["tex"]).strip()
    display = "block" if tex.startswith(r"\[") else "inline"
    mathml = NAME.sub(r"<mi>\1</mi>", convert(tex[2:-2].strip(), display=display))
    return (
        f'{formula["open"]}<span class="tex">{formula["tex"]}</span>'
        f"<noscript>{mathml}</noscript></{formula['tag']}>"
    )


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
