"""Figures with Chinese labels: `companion.book.plotting`, and a font that has their characters.

Chapters of the Chinese edition import from here. The font is a part of Noto Sans CJK SC, under
the SIL Open Font License (chinese.LICENSE): without it Matplotlib would warn of each character
that it lacks, and draw boxes in pictures of pixels.
"""

from pathlib import Path

from companion.book import plotting
from companion.book.plotting import *  # noqa: F403
from companion.book.plotting import plt

FONT = Path(__file__).with_name("chinese.otf")


def book_style():
    """Set the look of `companion.book.plotting.book_style`, with Chinese where there is any.

    Examples
    --------
    >>> book_style()
    >>> plt.rcParams["font.family"]
    ['sans-serif', 'Noto Sans CJK SC']
    """
    from matplotlib import font_manager  # here: if it is missing, `plotting` says what to do

    plotting.book_style()
    font_manager.fontManager.addfont(FONT)
    name = font_manager.FontProperties(fname=FONT).get_name()
    plt.rcParams["font.family"] = ["sans-serif", name]
