"""The figures of the chapters beyond the paper, in the style of `plots`: each function takes the figure's data, the
arrays of beyond/<part>.npz, and returns the figure.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from publishing.plots import new_figure, show, tiled

# ---- forcing: section 7, question (i) --------------------------------------------------------------------------------


def forcing(data: dict) -> Figure:
    """The stationary law."""
    figure = new_figure(2.6)
    ax = figure.subplots()
    ax.plot(data["drift"])
    return figure


# ---- memory: the perfect network is useless --------------------------------------------------------------------------


def memory(data: dict) -> Figure:
    """The exact minimiser of Algorithm 1's loss: its loss at `t` on images `seen` and `unseen`, beside the `affine`
    prediction's (T,); of how many images its mean is made, `number` (3, times), the quantiles 0.1, 0.5 and 0.9; and its
    samples over their nearest training images, (n, h, w).
    """
    figure = new_figure(4.4)
    axes = figure.subplot_mosaic("ln;ss", height_ratios=[1.5, 1.0])
    _losses(axes["l"], data)
    ax, t = axes["n"], data["t"]
    low, middle, high = data["number"]
    ax.fill_between(t, low, high, color="0.85", linewidth=0)
    ax.semilogy(t, middle, color="black", marker="o", markersize=3)
    ax.set(xlabel="$t$", title="training images in the mean $m(x_t, t)$", ylim=(0.8, None))
    _pairs(
        axes["s"],
        data["samples"],
        data["nearest"],
        "samples of the perfect network, over their nearest training images",
    )
    return figure


def _losses(ax: Axes, data: dict) -> None:
    """The losses against t; the trained network's too, where there is one."""
    t, affine = data["t"], data["affine"]
    ax.loglog(np.arange(1, len(affine) + 1), affine, color="0.6", linestyle=(0, (4, 2)), label="best affine prediction")
    ax.loglog(t, data["unseen"], color="black", linewidth=0.9, marker="s", markersize=3, label="minimiser, new images")
    ax.loglog(t, data["seen"], color="black", linewidth=0.9, marker="o", markersize=3, label="minimiser, its images")
    if "network_seen" in data:
        ax.loglog(
            t, data["network_unseen"], color="#b0471e", linestyle=":", linewidth=2, label="trained network, new images"
        )
        ax.loglog(t, data["network_seen"], color="#b0471e", linewidth=1.6, label="trained network, its images")
    ax.set(xlabel="$t$", title="loss of Algorithm 1 at $t$", ylim=(1e-6, None))
    ax.legend(frameon=False, fontsize=7)


def _pairs(ax: Axes, above: np.ndarray, below: np.ndarray, title: str) -> None:
    """Two rows of as many images (n, h, w), one above the other."""
    show(ax, tiled(np.concatenate([above, below]), len(above), gap=2), title)


def memory_digits(data: dict) -> Figure:
    """Networks trained on few digits: the share of `copies` against the `sizes` of the training sets, with intervals,
    beside that of the minimiser and that of digits held out; and for each size samples over their nearest training
    images, (sizes, n, h, w).
    """
    figure = new_figure(2.7)
    axes = figure.subplots(1, 2, width_ratios=[1.0, 1.35])
    ax, sizes = axes[0], data["sizes"]
    bars = np.abs(np.stack([data["copies_low"], data["copies_high"]]) - data["copies"])
    ax.plot(sizes, data["of_minimiser"], color="black", linewidth=0.9, linestyle=(0, (4, 2)), marker="^", markersize=4)
    ax.errorbar(sizes, data["copies"], bars, color="black", capsize=3, marker="o", markersize=4)
    ax.plot(sizes, data["of_held_out"], color="0.55", linewidth=0.9, marker="s", markersize=3)
    names = (
        ("of_minimiser", "perfect network", 0.03),
        ("copies", "trained network", 0.05),
        ("of_held_out", "new digits", 0.03),
    )
    for name, label, above in names:
        ax.annotate(
            label, (sizes[1], data[name][1] + above), fontsize=8, ha="left", color="0.45" if "held" in name else "black"
        )
    ax.set(xscale="log", xlabel="training images", ylabel="share of copies", ylim=(-0.03, 1.12))
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    rows = [
        tiled(np.concatenate([x, near]), x.shape[0], gap=1)
        for x, near in zip(data["samples"], data["nearest"], strict=True)
    ]
    gap = np.full((4, rows[0].shape[1]), np.nan)
    canvas = np.concatenate([part for row in rows for part in (row, gap)][:-1])
    show(axes[1], canvas, "samples over their nearest training images")
    height = rows[0].shape[0] + gap.shape[0]
    for i, size in enumerate(sizes):
        axes[1].text(-3, i * height + rows[0].shape[0] / 2, str(size), ha="right", va="center", fontsize=8)
    return figure


def memory_network(data: dict) -> Figure:
    """The trained network between the minimiser and the affine prediction: losses as in `memory`, and its
    samples over their nearest training images, (n, h, w).
    """
    figure = new_figure(4.4)
    axes = figure.subplots(2, 1, height_ratios=[1.6, 1.0])
    _losses(axes[0], data)
    _pairs(
        axes[1], data["samples"], data["nearest"], "samples of the trained network, over their nearest training images"
    )
    return figure


# ---- start: what the 8% cost -----------------------------------------------------------------------------------------

ERRORS = {
    "start": ("start", "black", "-", "o"),
    "steps": ("finite steps", "0.45", "-", "s"),
    "last": ("last step", "0.65", "-", "^"),
    "total": ("all together", "black", ":", ""),
}


def start(data: dict) -> Figure:
    """The errors of Algorithm 2 for Gaussian data, in the Wasserstein-2 distance: against the length `T` of the
    process, against the steps in place of one, `refinements`, and of each mode against its `variance`, (d,); the mean
    image that the start adds, `displacement` (h, w); and the digits' shares from true and from Gaussian starts, (10,).
    """
    figure = new_figure(4.6)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.1, 1.0]).flat
    longer, finer, modes = above.subplots(1, 3)
    finer.sharey(longer)
    for name, (label, colour, line, marker) in ERRORS.items():
        style = {"color": colour, "linestyle": line, "marker": marker, "markersize": 3, "label": label}
        longer.loglog(data["T"], data[f"{name}_by_length"], **style)
        finer.loglog(data["refinements"] * data["run_T"], data[f"{name}_by_steps"], **style)
    longer.axvline(data["run_T"], color="0.8", linewidth=0.8, zorder=0)
    longer.set(xlabel="$T$, steps of the same sizes", ylabel=r"$W_2$ error at $t = 0$", title="a longer process")
    finer.set(xlabel="number of steps, same end", title="finer steps")
    finer.legend(frameon=False, fontsize=7, loc="upper right")
    for ax, ticks in ((longer, data["T"][::3]), (finer, data["refinements"] * data["run_T"])):
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    seen = data["variance"] > 1e-8  # what varies less is rounding
    for name in ("last", "steps", "start"):
        modes.loglog(data["variance"][seen], data[name][seen], ".", color=ERRORS[name][1], markersize=2.5)
    modes.set(xlabel=r"variance $\lambda$ of the mode", title="mode by mode", ylim=(1e-9, None))
    left, right = below.subplots(1, 2, width_ratios=[1.0, 2.1])
    limit = np.abs(data["displacement"]).max()
    image = left.imshow(data["displacement"], cmap="gray", vmin=-limit, vmax=limit)
    left.set_axis_off()
    left.set_title("added to the mean image", pad=3)
    below.colorbar(image, ax=left, shrink=0.85, pad=0.03)
    digits = np.arange(10)
    right.bar(digits - 0.2, data["training_shares"], 0.38, color="0.75", label="training images, or true starts")
    right.bar(digits + 0.2, data["shares"], 0.38, color="0.25", label="Gaussian starts")
    most = max(data["training_shares"].max(), data["shares"].max())
    right.set(xticks=digits, xlabel="digit", title="shares of the digits, of a perfect network", ylim=(0, 1.25 * most))
    right.legend(frameon=False, ncols=2, fontsize=7, loc="upper right")
    return figure


def start_network(data: dict) -> Figure:
    """Pairs of images of the trained network with the same noise, from `true` and from `gaussian` starts, (n, h, w);
    and their mean `difference` beside the predicted `displacement`, (h, w).
    """
    figure = new_figure(3.6)
    axes = figure.subplot_mosaic("pp;dt", height_ratios=[1.0, 1.3])
    _pairs(axes["p"], data["true"], data["gaussian"], "from true starts (above) and from the noise alone (below)")
    limit = np.abs(data["displacement"]).max() * 2
    for name, key, title in (
        ("d", "difference", "mean difference of the pairs"),
        ("t", "displacement", "Gaussian theory"),
    ):
        image = axes[name].imshow(data[key], cmap="gray", vmin=-limit, vmax=limit)
        axes[name].set_axis_off()
        axes[name].set_title(title, pad=3)
        figure.colorbar(image, ax=axes[name], shrink=0.9)
    return figure
