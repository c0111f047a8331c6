"""Draw scores, probabilities and surprise: for the README, and as the card that stands beside a
link to the book elsewhere.

Run from the root of the repository: python site/pictures/make_picture.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from companion import log_softmax, softmax
from companion.book.plotting import BLUE, GREY, ORANGE, bars, book_style

HERE = Path(__file__).parent
LOOK = {"dpi": 150, "facecolor": "white"}
LOGITS = np.array([2.0, 1.0, -0.5, 0.3])


def panels(axes):
    columns = (LOGITS, softmax(LOGITS), -log_softmax(LOGITS))
    titles = ("scores z", "probabilities p = softmax(z)", "surprise −log p, in nats")
    colors = (GREY, BLUE, ORANGE)
    for ax, values, title, color in zip(axes, columns, titles, colors, strict=True):
        bars(ax, values, list("abcd"), color=color)
        ax.set_title(title)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)


def main():
    book_style()
    fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.6))
    panels(axes)
    fig.savefig(HERE / "from_scores_to_loss.png", **LOOK)

    card = plt.figure(figsize=(8, 4.2))  # 1200 x 630 pixels, as previews want it
    card.get_layout_engine().set(w_pad=0.2, h_pad=0.1)
    head, below = card.subfigures(2, 1, height_ratios=(1, 1.9))
    head.text(0.025, 0.6, "Softmax and Cross-Entropy", size=27, weight="bold", va="center")
    head.text(0.025, 0.2, "From first principles to floating point", size=15, va="center")
    panels(below.subplots(1, 3))
    card.savefig(HERE.parent / "static" / "card.png", **LOOK)


if __name__ == "__main__":
    main()
