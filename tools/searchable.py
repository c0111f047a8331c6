"""Chinese words of a PDF as they are typed, so that they can be found and copied.

A font may draw 一 and the radical ⼀ with one glyph. Chromium then writes the radical into the
map from glyphs to characters, and no reader who types 一行 finds it. Here these maps are
rewritten.
"""

import re
import unicodedata

from pypdf.generic import NameObject, StreamObject

RADICALS = range(0x2E80, 0x2FE0)
# Those of the supplement that Unicode does not decompose, with the character of the same shape.
BY_SHAPE = dict(
    zip(
        "⺟⺠⻁⻄⻅⻆⻉⻋⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰⻳",
        "母民虎西见角贝车长门青韦页风飞食马骨鬼鱼鸟麦黄齐齿龙龟",
        strict=True,
    )
)
BLOCK = re.compile(r"begin(bfchar|bfrange)\s(.*?)\sendbf", re.DOTALL)
CHAR = re.compile(r"<(\w+)>\s*()<(\w+)>")  # a glyph, and its text
RANGE = re.compile(r"<(\w+)>\s*<(\w+)>\s*<(\w+)>")  # the first, the last, the text of the first


def unified(text):
    """`text` with characters in place of radicals of the same shape.

    Examples
    --------
    >>> unified("⼀⾏ of ⻓度") == "一行 of 长度"
    True
    """
    return "".join(
        BY_SHAPE.get(sign) or unicodedata.normalize("NFKC", sign)
        if ord(sign) in RADICALS
        else sign
        for sign in text
    )


def without_radicals(cmap):
    """A ToUnicode map that gives characters where it gave radicals.

    Parameters
    ----------
    cmap : str
        As it stands in the PDF.

    Returns
    -------
    str
        Lines of glyphs, and of runs of glyphs, that had no radical are as they were.

    Examples
    --------
    >>> without_radicals("1 beginbfchar\\n<0012> <2F00>\\nendbfchar")
    '1 beginbfchar\\n<0012> <4E00>\\nendbfchar'
    """

    def mended(block):
        return (CHAR if block[1] == "bfchar" else RANGE).sub(_mended, block[0])

    return BLOCK.sub(mended, cmap)


def _mended(line):
    first, last, signs = line[1], line[2] or line[1], line[3]
    count = int(last, 16) - int(first, 16) + 1
    text = bytes.fromhex(signs).decode("utf-16-be")
    each = [text[:-1] + chr(ord(text[-1]) + i) for i in range(count)]
    if [unified(sign) for sign in each] == each:
        return line[0]
    written = " ".join(f"<{unified(sign).encode('utf-16-be').hex().upper()}>" for sign in each)
    return f"<{first}> <{last}> [{written}]" if line[2] else f"<{first}> {written}"


def make_searchable(writer):
    """Rewrite the maps of all fonts of a document.

    Parameters
    ----------
    writer : pypdf.PdfWriter
        It is changed.
    """
    for number in range(1, len(writer._objects) + 1):
        font = writer.get_object(number)
        if getattr(font, "get", dict().get)("/Type") == "/Font" and "/ToUnicode" in font:
            cmap = font["/ToUnicode"].get_data().decode("latin-1")
            if (mended := without_radicals(cmap)) != cmap:
                stream = StreamObject()
                stream.set_data(mended.encode("latin-1"))
                font[NameObject("/ToUnicode")] = writer._add_object(stream.flate_encode())
