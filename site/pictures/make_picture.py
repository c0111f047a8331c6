"""Draw the picture of the front page and of the README: scores, probabilities, surprise.

Run from the root of the repository: python site/pictures/make_picture.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from companion import log_softmax, softmax
from companion.plotting import BLUE, GREY, ORANGE, bars, book_style

LOGITS = np.array([2.0, 1.0, -0.5, 0.3])


def main():
    book_style()
    fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.6))
    columns = (LOGITS, softmax(LOGITS), -log_softmax(LOGITS))
    titles = ("scores z", "probabilities p = softmax(z)", "surprise −log p, in nats")
    colors = (GREY, BLUE, ORANGE)
    for ax, values, title, color in zip(axes, columns, titles, colors, strict=True):
        bars(ax, values, list("abcd"), color=color)
        ax.set_title(title)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    fig.savefig(Path(__file__).parent / "from_scores_to_loss.png")


if __name__ == "__main__":
    main()
