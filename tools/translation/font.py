"""The font of the Chinese labels in figures: the characters that they need, and no others.

    python -m tools.translation.font /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

writes companion/book/chinese.otf from Noto Sans CJK. A test says when a label has a character
that is not in it.
"""

import sys
from pathlib import Path

import nbformat
from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

from tools.translation import pages
from tools.translation.messages import ROOT

FONT = ROOT / "companion" / "book" / "chinese.otf"
NAME = "Noto Sans CJK SC"


def characters():
    """The characters of all words in the figures of the Chinese notebooks."""
    found = set()
    for path in sorted((ROOT / "zh" / "chapters").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            for data in pages.figures_of(cell):
                found.update(*(text[2] for text in pages.DRAWN.finditer(data[pages.SVG])))
    return found


def known(path=FONT):
    """The characters of a font."""
    with TTFont(path) as font:
        return set(map(chr, font.getBestCmap()))


def main(arguments):
    with TTCollection(arguments[0]) as collection:
        font = next(f for f in collection.fonts if f["name"].getDebugName(1) == NAME)
        options = subset.Options(layout_features=[], name_IDs=["*"], notdef_outline=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[ord(sign) for sign in characters() if sign.isprintable()])
        subsetter.subset(font)
        font.save(FONT)
    print(f"{FONT.relative_to(ROOT)}: {Path(FONT).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
