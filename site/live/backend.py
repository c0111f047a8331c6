"""Matplotlib's backend in the page: plt.show sends the open figures to the page."""

import kernel
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    @classmethod
    def pyplot_show(cls, *, block=None):
        kernel.current.show_figures()


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
