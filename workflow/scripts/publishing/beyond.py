"""The figures of the chapters beyond the paper, in the style of `plots`: each function takes the figure's data, the
arrays of beyond/<part>.npz, and returns the figure.
"""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from publishing.plots import new_figure

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
