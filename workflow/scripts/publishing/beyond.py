"""The figures of the chapters beyond the paper, in the style of `plots`: each function takes the figure's data, the
arrays of beyond/<part>.npz, and returns the figure.
"""

from matplotlib.figure import Figure

from publishing.plots import new_figure

# ---- forcing: section 7, question (i) --------------------------------------------------------------------------------


def forcing(data: dict) -> Figure:
    """The stationary law."""
    figure = new_figure(2.6)
    ax = figure.subplots()
    ax.plot(data["drift"])
    return figure
