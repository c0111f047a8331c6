"""Small Matplotlib helpers. Each draws on the axes that it is given and returns them.

Nothing changes at import: a chapter calls `book_style()` once. Lines are told apart by a
label at their end and by dash or marker, not by colour alone.

A figure is one panel, at most `WIDTH` inches wide, so that its text can be read on a phone.
What has several panels is several figures, shown one after another: the page puts them side by
side where there is room, and below each other where there is not.
"""

import sys

import numpy as np

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise ImportError(
        "companion.book.plotting needs Matplotlib: pip install matplotlib."
    ) from error

# Okabe & Ito's palette: told apart by readers with any kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#A0508A", "#666666"
INK = "#1a1a1a"  # of words on a picture
COLORS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
WIDTH = 4.8  # inches, 328 pixels on a phone: text of 9.5 points is then 9 pixels high
SMALL = 9.5  # points, the smallest text of a figure
STYLE = {
    "figure.figsize": (WIDTH, 2.9),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "image.interpolation": "none",  # a pixel of a digit is a square
    "svg.fonttype": "none",
    "svg.hashsalt": "softmax-companion",
}


def book_style():
    """Set the look of every figure in the book: sharp, quiet, no frame.

    In a notebook figures are then stored as SVG, with text as text and without a ground, so
    that the page can draw them in its own ink. The same figure is the same SVG each time.

    Examples
    --------
    >>> book_style()
    """
    plt.rcParams.update(STYLE)
    if "IPython" in sys.modules:  # in a notebook; it brings the package that is imported here
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        # The whole figure, not a box around what was drawn: else each has a scale of its own.
        set_matplotlib_formats("svg", bbox_inches=None, metadata={"Date": None})


def panels(count, height=2.5):
    """Figures of one panel each, to be shown in a row.

    Parameters
    ----------
    count : int
        2 or 3, as many as stand beside each other on a wide screen.
    height : float
        Inches.

    Returns
    -------
    list of matplotlib.axes.Axes
        Each of a figure of its own. They share no axis: set the same limits on both.

    Examples
    --------
    >>> left, right = panels(2)
    >>> left.figure is right.figure
    False
    >>> plt.close("all")
    """
    width = {2: 3.3, 3: 2.2}[count]
    return [plt.subplots(figsize=(width, height))[1] for _ in range(count)]


def bars(ax, probs, names=None, *, color=BLUE):
    """Draw a distribution as bars, with its numbers written on them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    probs : array_like, shape (K,)
        Heights.
    names : sequence of str, optional
        One name per class; 0..K-1 if left out.
    color : str
        Colour of the bars.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = plt.subplots()
    >>> len(bars(ax, [0.25, 0.75]).patches)
    2
    >>> plt.close(fig)
    """
    names = [str(k) for k in range(len(probs))] if names is None else names
    drawn = ax.bar(names, probs, color=color, width=0.7)
    ax.bar_label(drawn, labels=[f"{p:.2f}" for p in probs], padding=2, fontsize=SMALL)
    ax.margins(y=0.15)
    return ax


def line(ax, x, y, label, *, color=BLUE, dash="-", at=-1, offset=(4, 0)):
    """Draw a line with its name beside it instead of in a legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    x, y : array_like, shape (N,)
        Points.
    label : str
        The name.
    color, dash : str
        Colour and line style.
    at : int
        Index of the point that the name stands beside.
    offset : tuple of float
        From that point to the name, in points.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = plt.subplots()
    >>> len(line(ax, [0, 1], [0, 1], "identity").lines)
    1
    >>> plt.close(fig)
    """
    ax.plot(x, y, color=color, linestyle=dash)
    ax.annotate(
        label,
        (x[at], y[at]),
        xytext=offset,
        textcoords="offset points",
        color=color,
        va="center",
    )
    return ax


def simplex_xy(probs):
    """Where distributions over three classes lie in the triangle.

    Parameters
    ----------
    probs : array_like, shape (..., 3)
        Distributions.

    Returns
    -------
    x, y : ndarray, shape (...)
        Class 0 is the corner at (0, 0), class 1 the one at (1, 0), class 2 the top.

    Examples
    --------
    >>> x, y = simplex_xy([[1, 0, 0], [0, 1, 0]])
    >>> x, y
    (array([0., 1.]), array([0., 0.]))
    """
    probs = np.asarray(probs, dtype=float)
    return probs[..., 1] + probs[..., 2] / 2, probs[..., 2] * np.sqrt(3) / 2


def simplex(ax, names=("class 0", "class 1", "class 2")):
    """Draw the empty triangle of distributions over three classes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; place points with `simplex_xy`.
    names : sequence of str
        Names of the corners.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = plt.subplots()
    >>> len(simplex(ax).texts)
    3
    >>> plt.close(fig)
    """
    x, y = simplex_xy(np.eye(3)[[0, 1, 2, 0]])
    ax.plot(x, y, color=GREY, linewidth=1)
    for k, (name, va) in enumerate(zip(names, ["top", "top", "bottom"], strict=True)):
        shift = -4 if va == "top" else 4
        ax.annotate(
            name,
            (x[k], y[k]),
            xytext=(0, shift),
            textcoords="offset points",
            ha="center",
            va=va,
        )
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def matrix(ax, values, *, decimals=2):
    """Draw a small matrix as shaded squares with its numbers in them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : array_like, shape (M, N)
        Shaded from orange (negative) over white (0) to blue (positive).
    decimals : int
        How many to write.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = plt.subplots()
    >>> len(matrix(ax, np.eye(3)).texts)
    9
    >>> plt.close(fig)
    """
    values = np.asarray(values)
    largest = np.abs(values).max() or 1.0
    ax.imshow(values, cmap="RdBu", vmin=-1.6 * largest, vmax=1.6 * largest)
    for (i, j), value in np.ndenumerate(values):
        # On white in the dark, too, where ink that is not set is light.
        ax.text(
            j, i, f"{value:.{decimals}f}", ha="center", va="center", fontsize=SMALL, color=INK
        )
    ax.set_xticks(range(values.shape[1]))
    ax.set_yticks(range(values.shape[0]))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax
