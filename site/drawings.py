"""A Sphinx extension of this book: figures are drawn in the page, in the page's own ink.

Matplotlib writes a figure as SVG, with black for the ink, five colours and text as text. As a
picture it would stay black in the dark and keep its own fonts. So it is put into the page:
black becomes the colour of the text, each colour a variable of static/book.css, and what only
takes room goes. A link below leads to the file alone.
"""

import re
from html import escape, unescape
from pathlib import Path
from xml.etree import ElementTree

IMAGE = re.compile(
    r'<img alt="(?P<alt>[^"]*)"[^>]*? src="(?P<src>[^"]*_images/[^"]+\.svg)"[^>]*?/>'
)
PIXELS = 1.45  # of the screen for a point of the figure: text of 10 points is 14.5 pixels high
INK = {
    "#000000": "currentColor",
    "#0072b2": "var(--book-blue)",
    "#d55e00": "var(--book-orange)",
    "#009e73": "var(--book-green)",
    "#a0508a": "var(--book-purple)",
    "#666666": "var(--book-grey)",
}
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
WITHOUT_USE = {f"{SVG}metadata", f"{SVG}style"}
DRAWING = """<div class="drawing">{svg}
<a href="{src}" aria-label="{label}">SVG</a></div>"""


def drawn(text, folder, name, label="This figure alone"):
    """A page with each of its SVG files drawn in it. Ids begin with the name of the page."""
    count = 0

    def draw(image):
        nonlocal count
        count += 1
        svg = (folder / image["src"]).read_text(encoding="utf-8")
        inner = ink(svg, f"{name}-{count}-", unescape(image["alt"]))
        return DRAWING.format(svg=inner, src=escape(image["src"]), label=label)

    return IMAGE.sub(draw, text)


def ink(svg, prefix, words):
    """An SVG file as an element of a page.

    Parameters
    ----------
    svg : str
        As Matplotlib wrote it.
    prefix : str
        Before each id: two figures of a page may have the same.
    words : str
        What is to be seen in it.

    Returns
    -------
    str
    """
    root = ElementTree.fromstring(svg)
    used = set(re.findall(r"#([\w.-]+)", re.sub(r"#[0-9a-f]{6}\b", "", svg)))
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in WITHOUT_USE]:
            parent.remove(child)
        _lighten(parent, prefix, used)
    _, _, width, height = (float(x) for x in root.get("viewBox").split())
    root.set("width", f"{PIXELS * width:.0f}")
    root.set("height", f"{PIXELS * height:.0f}")
    root.set("fill", "currentColor")
    root.set("role", "img")
    root.set("aria-label", words)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _lighten(element, prefix, used):
    """One element in the page's ink, its numbers rounded to a hundredth of a point."""
    element.tag = element.tag.removeprefix(SVG)
    for name, value in list(element.attrib.items()):
        if name == "id" and value not in used:
            del element.attrib[name]
            continue
        if name == "id":
            value = prefix + value
        if name == f"{XLINK}href":
            del element.attrib[name]
            name = "href"
        value = re.sub(r"(^|\(|['\"])#(?=[A-Za-z][\w-]{9})", rf"\1#{prefix}", value)
        if name == "style":
            value = re.sub(r"font-family: [^;]*;? ?", "", value)
            value = re.sub(r"#[0-9a-f]{6}\b", lambda c: INK.get(c[0], c[0]), value)
        if name in ("d", "x", "y", "transform", "width", "height", "points"):
            value = re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", value)
            value = re.sub(r"\s+", " ", value).strip()
            if name == "transform":
                value = re.sub(r"rotate\(-?0 [^)]*\)", "", value).strip()
        element.set(name, value)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    from words import words_of  # here: in the page `ink` runs without Sphinx

    label = escape(words_of(app)("This figure alone"))
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if IMAGE.search(text):
            page.write_text(drawn(text, page.parent, page.stem, label), encoding="utf-8")


def setup(app):
    app.connect("build-finished", finish, priority=400)  # before the pages are packed
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
