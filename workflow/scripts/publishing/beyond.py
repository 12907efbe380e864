"""The figures of the chapters beyond the paper, in the style of `plots`: each function takes the figure's data, the
arrays of beyond/<part>.npz, and returns the figure.
"""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from publishing.plots import WIDTH, new_figure, show, tiled

GREY = "0.55"

# ---- forcing: section 7, question (i) --------------------------------------------------------------------------------


def forcing(data: dict) -> Figure:
    """The stationary law of the forced flow: of two modes, of four, of six against sigma, and of many."""
    figure = new_figure(5.2)
    axes = figure.subplot_mosaic("tf;sm")
    _two_modes(axes["t"], data)
    _four_modes(axes["f"], data)
    _share(axes["s"], data)
    _many_modes(axes["m"], data)
    return figure


def _two_modes(ax: Axes, data: dict) -> None:
    edges = data["two_edges"]
    ax.stairs(data["two_density"], edges, fill=True, color="0.82", label="simulated")
    ax.plot(data["two_x"], data["two_exact"], color="black", label="von Mises")
    ax.set(
        xlabel=r"$2\omega$, where $a = (\cos\omega, \sin\omega)$", ylabel="density", title="two modes, $\\sigma = 1$"
    )
    ax.set_xticks([-np.pi, 0, np.pi], [r"$-\pi$", "0", r"$\pi$"])
    ax.set(xlim=(-np.pi, np.pi), ylim=(0, None))
    ax.legend(frameon=False)


def _four_modes(ax: Axes, data: dict) -> None:
    """The distribution functions of |a_1|..|a_4|, and quantiles of the simulated ones."""
    for k, (x, P) in enumerate(zip(data["four_x"], data["four_exact"], strict=True)):
        ax.plot(x, P, color="black", linewidth=1.0, label="Bingham" if k == 0 else None)
        every = slice(4 + 2 * k, None, 10)
        points = data["four_sample"][every, k], data["four_P"][every]
        ax.plot(*points, "os^D"[k], color="black", markerfacecolor="white", markersize=4, linestyle="none")
        height, left = ((0.5, True), (0.62, False), (0.55, False), (0.88, True))[k]
        ax.annotate(
            f"$k = {k + 1}$", (x[np.searchsorted(P, height)], height), xytext=(-7 if left else 7, -3),
            textcoords="offset points", ha="right" if left else "left", fontsize=8,
        )  # fmt: skip
    ax.plot([], [], "o", color="black", markerfacecolor="white", markersize=4, label="simulated")
    ax.set(xlabel="$x$", ylabel=r"$\mathrm{P}(|a_k| \leq x)$", title="four modes, $\\sigma = 1$")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.legend(frameon=False, loc="center", bbox_to_anchor=(0.6, 0.33))


def _share(ax: Axes, data: dict) -> None:
    sigma = data["share_curve"]
    ax.semilogx(sigma, data["share_exact"], color="black", label="exact")
    small = data["share_small"]
    ax.semilogx(sigma[small > 0], small[small > 0], color="black", linewidth=0.9, linestyle=(0, (4, 2)),
                label="small noise")  # fmt: skip
    ax.plot(data["share_sigma"], data["share_mean"], "o", color="black", markerfacecolor="white", markersize=4.5,
            label="simulated")  # fmt: skip
    ax.axhline(1 / 6, color=GREY, linewidth=0.8, linestyle=":")
    ax.annotate("all alike: 1/6", (sigma[0], 1 / 6), xytext=(2, 3), textcoords="offset points", fontsize=8)
    ax.set(xlabel=r"$\sigma$", ylabel=r"$\mathrm{E}\,a_1^2$", title=r"six modes: the share of $\varphi_1$ in (21)")
    ax.set(xlim=(sigma[0], sigma[-1]), ylim=(0, 1.03))
    ax.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    ax.minorticks_off()
    ax.legend(frameon=False)


def _many_modes(ax: Axes, data: dict) -> None:
    styles = {1: ("interval", "-", "o"), 2: ("square", (0, (5, 2)), "s"), 3: ("cube", (0, (1, 1.5)), "")}
    for d, (name, line, marker) in styles.items():
        ax.loglog(data["many_n"], data[f"many_exact_{d}"], color="black", linestyle=line, label=name)
        if marker:
            ax.plot(data["many_run_n"], data[f"many_mean_{d}"], marker, color="black", markerfacecolor="white",
                    markersize=4.5, linestyle="none")  # fmt: skip
    ax.axhline(float(data["many_limit"]), color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel="number of modes $n$", ylabel=r"share of $\lambda_1$", title="many modes, $\\sigma = 1$")
    ax.set_ylim(None, 1.6)
    ax.legend(frameon=False, title="exact (lines) on the", title_fontsize=8)


def forcing_cascade(data: dict) -> Figure:
    """The cascade of figure 7 without and with noise, and against sigma the time until phi_1 has taken over and the
    number of modes that have led until then.
    """
    figure = new_figure(4.9)
    axes = figure.subplot_mosaic("qf;tm", height_ratios=[1.15, 1])
    sigma = float(data["cascade_shown_sigma"])
    for name, key, title in (("quiet", "q", "without noise"), ("forced", "f", rf"with noise, $\sigma = {sigma:g}$")):
        _modes(axes[key], data["cascade_t"], data[f"cascade_{name}"], title)
    axes["f"].tick_params(labelleft=False)
    axes["q"].set_ylabel("$|a_k|$")
    axes["f"].legend(frameon=False, ncols=3, loc="lower center")
    ax, sigmas, times = axes["t"], data["cascade_sigma"], data["cascade_times"]
    ax.fill_between(sigmas, times[:, 0], times[:, 2], color="0.85", linewidth=0)
    ax.semilogx(sigmas, times[:, 1], "o", color="black", markerfacecolor="white", markersize=4, label="median")
    ax.semilogx(sigmas, data["cascade_theory"], color="black", linewidth=1, linestyle=(0, (4, 2)), label="theory")
    ax.axhline(float(data["cascade_quiet_time"]), color=GREY, linestyle=":", linewidth=0.9, label="without noise")
    ax.set(
        xlabel=r"$\sigma$", ylabel="$t$", title=r"$\varphi_1$ holds half of (21): 5% to 95% of paths", ylim=(0, None)
    )
    ax.legend(frameon=False)
    ax = axes["m"]
    ax.semilogx(sigmas, data["cascade_led"], "o:", color="black", markerfacecolor="white", markersize=4, linewidth=1)
    modes = data["cascade_quiet"].shape[1]
    ax.set(xlabel=r"$\sigma$", ylim=(0, modes + 0.5), title=r"modes that led until $\varphi_1$ took over (median)")
    ax.set_yticks(range(0, modes + 1))
    return figure


def _modes(ax: Axes, t: np.ndarray, a: np.ndarray, title: str) -> None:
    """|a_k| against t, dark to light."""
    n = a.shape[1]
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.88, n))
    for k, colour in enumerate(colours):
        ax.semilogy(t, a[:, k], color=colour, linewidth=1.6 if k else 2.2, label=rf"$\varphi_{k + 1}$", zorder=n - k)
    ax.set(xlabel="$t$", title=title, xlim=(t[0], t[-1]), ylim=(1e-11, 3))


# ---- steps: how many steps? ------------------------------------------------------------------------------------------

SAMPLERS = (
    {"color": "black", "marker": "o", "label": r"$\eta = 0$: no noise"},
    {"color": "0.55", "marker": "s", "label": r"$\eta = 1$: Algorithm 2"},
)
"""Told apart by shape and by grey."""


def _steps_axis(ax: Axes, steps: np.ndarray) -> None:
    ax.set_xscale("log")
    ax.set_xticks(steps, [f"{number}" for number in steps], rotation=45 if len(steps) > 6 else 0)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("number of steps $S$")


def _slope(ax: Axes, steps: np.ndarray, error: float, order: float, name: str) -> None:
    """A line of this order along the finer half of the steps, just below an error with the most."""
    steps = steps[len(steps) // 2 :]
    line = 0.8 * error * (steps / steps[-1]) ** -order
    ax.plot(steps, line, color="0.4", linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    ax.annotate(name, (steps[-1], line[-1]), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)


def steps(data: dict) -> Figure:
    """The errors of both samplers with an exact score against the number of steps: of one variable, in law and along
    paths; and of Gaussian data with the images' covariance.
    """
    figure = new_figure(2.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    number, (flow, noise) = data["steps"], SAMPLERS
    _slope(left, number, data["flow"][-1], 1.0, "1")
    _slope(left, number, data["paths"][-1], 0.5, "1/2")
    left.loglog(number, data["flow"], markersize=4, **flow | {"label": r"$\eta = 0$: in law and along paths"})
    left.loglog(number, data["law"], markersize=4, **noise | {"label": r"$\eta = 1$: in law"})
    hollow = noise | {"label": r"$\eta = 1$: along paths"}
    left.loglog(number, data["paths"], markersize=4, linestyle="--", markerfacecolor="white", **hollow)
    left.set(ylabel="error, in grey values", title="a mixture of two Gaussians")
    right.loglog(number, data["images_flow"], markersize=4, **flow)
    right.loglog(number, data["images_noise"], markersize=4, **noise)
    right.set(ylabel="$W_2$ from the data's law", title="Gaussian data, covariance of the images")
    for ax in (left, right):
        _steps_axis(ax, number)
        ax.legend(frameon=False)
    return figure


def steps_network(data: dict) -> Figure:
    """Samples of both samplers, (2, numbers of steps, n, h, w), in a row for each; how often they are recognised, and
    their Frechet distance from test images, with intervals.
    """
    number = data["steps"]
    heights = [WIDTH / len(number) + 0.4, 2.3]
    figure = new_figure(sum(heights))
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = (figure.add_subfigure(grid[row]) for row in (0, 1))
    panels = above.subplots(2, len(number), squeeze=False)
    for row, (axes, style) in enumerate(zip(panels, SAMPLERS, strict=True)):
        for ax, S, images in zip(axes, number, data["images"][row], strict=True):
            show(ax, tiled(images, 4), f"$S = {S}$" if row == 0 else "")
        axes[0].text(
            -0.06, 0.5, style["label"].split(":")[0], transform=axes[0].transAxes, rotation=90, ha="right", va="center"
        )
    share, distance = below.subplots(1, 2)
    for row, style in enumerate(SAMPLERS):
        at = number * (0.98, 1.02)[row]  # beside one another
        for ax, value in ((share, data["share"][row]), (distance, data["distance"][row])):
            spread = np.abs(value[:, 1:].T - value[:, 0])
            ax.errorbar(at, value[:, 0], spread, markersize=4, capsize=2, elinewidth=0.8, **style)
    share.set(ylabel="share recognised", ylim=(0, 1.02))
    distance.axhline(float(data["floor"]), color="0.4", linewidth=0.7, linestyle=(0, (1, 2)))
    distance.annotate(
        "as many training images",
        (number[-1], float(data["floor"])),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    distance.set(ylabel="Fréchet distance from test images", yscale="log")
    distance.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    distance.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    distance.yaxis.set_minor_locator(NullLocator())
    distance.legend(frameon=False, loc="upper right")
    for ax in (share, distance):
        _steps_axis(ax, number)
    return figure


# ---- decision: when is a digit decided? ------------------------------------------------------------------------------


def _time(ax: Axes, t: float, by_chance: float) -> None:
    """The time that the spectrum predicts, and the level of half-way."""
    ax.axvline(t, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
    ax.annotate(
        r"$\overline{\alpha}_t\,\Lambda = 1$",
        (t, 1.0),
        xytext=(3, 0),
        textcoords="offset points",
        va="bottom",
        fontsize=8,
    )
    ax.axhline(by_chance, color="0.4", linewidth=0.7, linestyle=(0, (1, 2)))
    ax.axhline((1 + by_chance) / 2, color="0.8", linewidth=0.7, zorder=0)
    ax.annotate("chance", (0, by_chance), xytext=(2, 2), textcoords="offset points", fontsize=8)


def decision(data: dict) -> Figure:
    """The share that keeps its class when it returns from t: of two Gaussian classes, exactly and by runs; and of the
    test images by the exact posterior over the training images.
    """
    figure = new_figure(2.7)
    left, right = figure.subplots(1, 2, sharey=True)
    t, predicted = np.append(0, data["t"]), float(data["predicted"])
    left.plot(t, np.append(1, data["exact"]), color="black", label="exact")
    share = data["runs"]
    spread = np.abs(share[:, 1:].T - share[:, 0])
    style = {"linestyle": "none", "marker": "o", "markersize": 3.5, "markerfacecolor": "white", "capsize": 2}
    left.errorbar(data["t"], share[:, 0], spread, color="black", elinewidth=0.8, label="runs of Algorithm 2", **style)
    left.set(ylabel="share that keeps its class", title="two Gaussian classes")
    _time(left, predicted, 0.5)
    right.plot(t, np.append(1, data["kept"]), color="black", label="test images")
    right.plot(t, np.append(1, data["figure_6"]), color="0.5", linestyle="--", label="figure 6's image")
    right.set(title="digits, by the training images' posterior")
    _time(right, predicted, float(data["by_chance"]))
    for ax in (left, right):
        ax.set(xlabel="$t$", xlim=(0, 1.01 * t[-1]), ylim=(0, 1.08))
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 0.1))
    return figure


def decision_network(data: dict) -> Figure:
    """Figure 6 from every t: its image `x_t`, (m, h, w), and nine runs back from there, `runs` (m, 9, h, w); below, on
    the same axis of t where they are evenly spaced, the share of noised test images that return as the same digit.
    """
    times = data["t"]
    heights = [2 * WIDTH / len(times) + 0.4, 2.3]
    figure = new_figure(sum(heights))
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = (figure.add_subfigure(grid[row]) for row in (0, 1))
    panels = above.subplots(2, len(times), squeeze=False)
    for noised, back, t, x_t, runs, agreeing in zip(
        *panels, times, data["x_t"], data["runs"], data["agreeing"], strict=True
    ):
        show(noised, x_t, f"$t = {t}$")
        show(back, tiled(runs, 3))
        back.text(0.5, -0.04, f"{agreeing} of 9", transform=back.transAxes, ha="center", va="top", fontsize=8)
    ax = below.subplots()
    _time(ax, float(data["spectrum"]), float(data["by_chance"]))
    ax.plot(
        np.append(0, data["predicted_t"]),
        np.append(1, data["predicted_kept"]),
        color="0.5",
        label="by the training images' posterior",
    )
    share = data["share"]
    spread = np.abs(share[:, 1:].T - share[:, 0])
    ax.errorbar(
        times,
        share[:, 0],
        spread,
        color="black",
        linestyle="none",
        marker="o",
        capsize=2,
        markersize=4,
        elinewidth=0.8,
        label="by the network",
    )
    ax.set(xlabel="$t$", ylabel="share of the same digit", xlim=(0, float(data["T"]) * 1.01), ylim=(0, 1.08))
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 0.12))
    return figure
