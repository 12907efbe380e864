"""The figures of the chapters beyond the paper, in the style of `plots`: each function takes the figure's data, the
arrays of beyond/<part>.npz, and returns the figure.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from publishing.plots import WIDTH, interval_ticks, new_figure, show, tiled

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
    if np.isfinite(quiet := float(data["cascade_quiet_time"])):
        ax.axhline(quiet, color=GREY, linestyle=":", linewidth=0.9, label="without noise")
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


# ---- reversal: section 7, question (ii) ------------------------------------------------------------------------------

SHADES = ("0.0", "0.35", "0.55", "0.72")
"""Of four curves that belong together: told apart in print without colours."""
MARKS = ("o", "s", "^", "D")


def reversal(data: dict) -> Figure:
    """Backwards with mollification: a start and what comes back of it, the errors of runs beside the best possible
    one, what rounding alone does without mollification, and the cut-off that (21) gives.
    """
    figure = new_figure(5.6)
    axes = figure.subplot_mosaic("pe;bs", height_ratios=[1.15, 1.0], width_ratios=[1.0, 1.1])
    _recovered_profiles(axes["p"], data)
    _recovery_errors(axes["e"], data)
    _rounding(axes["b"], data)
    _worth(axes["s"], data)
    return figure


def parts(figure: Figure | SubFigure, rows: int, columns: int, **ratios: Any) -> list[SubFigure]:
    """Parts of a figure, each laid out by itself."""
    return list(np.ravel(figure.subfigures(rows, columns, **ratios)))


def _power(value: float) -> str:
    return f"10^{{{round(np.log10(value))}}}"


def _recovered_profiles(ax: Axes, data: dict) -> None:
    x, curves = data["x"], data["curves"]
    names = ["$u_0$", "$u(\\cdot, T)$", "without", *(rf"$\delta = {_power(delta)}$" for delta in data["shown"])]
    gap = 1.05 * np.ptp(curves[0])
    for row, (curve, name) in enumerate(zip(curves, names, strict=True)):
        zero = (len(curves) - 1 - row) * gap
        ax.axhline(zero, color="0.8", linewidth=0.5)
        if row > 1:
            ax.plot(x, zero + curves[0], color="0.6", linewidth=0.8, linestyle=(0, (3, 2)))
        ax.plot(x, zero + curve, color="black", linewidth=0.4 if name == "without" else 1.1)
        ax.text(x[-1] * 1.04, zero, name, va="center", fontsize=8)
    ax.set(xlabel="$x$", title=rf"a start, its end at $T = {data['end']:g}$, and back")
    interval_ticks(ax, x)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _recovery_errors(ax: Axes, data: dict) -> None:
    delta = data["delta"]
    runs = np.median(data["runs"], axis=-1)
    for f, fraction in enumerate(data["fraction"]):
        ax.loglog(delta, data["best"][f], color=SHADES[f])
        ax.loglog(delta, runs[0, f], linestyle="none", marker=MARKS[f], markersize=3, color=SHADES[f])
        name = "$t = 0$" if fraction == 0 else f"$t = {fraction:g}\\,T$"
        ax.annotate(name, (delta[-1], data["best"][f][-1]), (5, 0), textcoords="offset points", va="center", fontsize=8)
    half = list(data["fraction"]).index(0.5)
    ax.loglog(delta, data["worst"][3, half], color="black", linestyle=(0, (1, 1.2)))
    end = (delta[-1], data["worst"][3, half][-1])
    ax.annotate("Q, $0.5\\,T$", end, (5, -2), textcoords="offset points", va="center", fontsize=8)
    ax.invert_xaxis()
    ax.set(
        xlabel=r"error $\delta$ of the data",
        title="error of $v(\\cdot, t)$: best possible (lines),\nruns of the cut-off (marks), quasi-reversibility (Q)",
    )


def _rounding(ax: Axes, data: dict) -> None:
    ends = data["ends"]
    for g, (cells, errors) in enumerate(zip(data["cells"], data["naive"], strict=True)):
        seen = np.where((errors < 1e6) & (errors > 0), errors, np.nan)
        ax.loglog(ends, seen, color=SHADES[g], linewidth=1.2)
        ax.axvline(
            np.log(1 / np.finfo(float).epsneg) / data["largest"][g], color=SHADES[g], linewidth=0.7, linestyle=":"
        )
        ax.text(ends[np.flatnonzero(np.isfinite(seen))[-1]] * 1.05, 1e4, f"{cells}", fontsize=8)
    ax.axhline(1, color="0.8", linewidth=0.5)
    ax.set(
        xlabel="$T$",
        ylim=(1e-16, 1e8),
        title="without mollification: error of $u_0$ from\nrounding alone, on 64 to 512 cells",
    )


def _worth(ax: Axes, data: dict) -> None:
    delta, mean_mu = data["delta"], float(data["mean_mu"])
    half_a_gap = np.sqrt(data["scale_of_heat"])  # between neighbouring eigenvalues k^2, where the cut-off can stop
    ax.fill_between(delta, mean_mu - half_a_gap, mean_mu + half_a_gap, color="0.88", linewidth=0)
    ax.axhline(mean_mu, color="black", linewidth=1.0)
    ax.annotate(r"mean of $\mu$", (delta[-1], mean_mu), (5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.semilogx(delta, data["scale_of_data"] - data["scale_of_heat"], "o", color="black", markersize=3)
    ax.invert_xaxis()
    ax.set(
        xlabel=r"error $\delta$ of the data",
        title="what (21) is worth: the cut-off $\\Lambda$ found from its data,\nless that of the heat equation",
    )


def reversal_noise(data: dict) -> Figure:
    """The forced heat flow forwards, and backwards by Algorithm 2; how well the initial law comes back, and which
    paths come back to their own start, against the end of the flow and the noise.
    """
    figure = new_figure(4.5)
    upper, lower = parts(figure, 2, 1, height_ratios=[0.8, 1.0])
    _there_and_back(upper, data)
    left, right = lower.subplots(1, 2)
    _law_that_returns(left, data)
    _own_start(right, data)
    return figure


def _there_and_back(figure: SubFigure, data: dict) -> None:
    x, paths, times = data["path_x"], data["paths"], data["path_times"]
    names = ["$t = 0$", f"$t = {times[1]:.2g}$", f"$t = T = {times[2]:g}$", f"$t = {times[3]:.2g}$", "$t = 0$"]
    axes = figure.subplots(1, 5, sharey=True)
    for n, (ax, state, name) in enumerate(zip(axes, paths, names, strict=True)):
        ax.plot(x, state.T, color="black", linewidth=0.5, alpha=0.35)
        ax.set_title(name, pad=3)
        ax.set(xticks=[], yticks=[], xlim=(0, x[0] + x[-1]))
        ax.spines[:].set_visible(False)
        ax.axhline(0, color="0.8", linewidth=0.5, zorder=0)
        if n:
            arrow = "(8)" if n < 3 else "Algorithm 2"
            ax.annotate(
                "", (0.0, -0.04), (-0.22, -0.04), xycoords="axes fraction", arrowprops={"arrowstyle": "->", "lw": 0.8}
            )
            ax.text(-0.11, -0.09, arrow, transform=ax.transAxes, ha="center", va="top", fontsize=7)


def _noise_names(data: dict) -> list[str]:
    return [rf"$\varsigma = {level:g}$" for level in data["levels"]]


def _law_that_returns(ax: Axes, data: dict) -> None:
    probability = data["probability"]
    shares = data["counts"] / data["counts"].sum(axis=-1, keepdims=True)
    variation = np.abs(shares - probability).sum(axis=-1) / 2
    ends = data["noisy_ends"]
    for n, name in enumerate(_noise_names(data)):
        ax.semilogx(ends, variation[n, :, 1], color=SHADES[n], marker=MARKS[n], markersize=3, label=name)
        ax.semilogx(ends, variation[n, :, 0], color=SHADES[n], linewidth=0.8, linestyle=(0, (3, 2)))
        if ends[0] < data["forget"][n] < ends[-1]:
            ax.plot(data["forget"][n], -0.025, marker=MARKS[n], markersize=4, color=SHADES[n], clip_on=False)
    ax.set(
        xlabel="end $T$ of the flow (marks below: $T^*$)",
        ylim=(-0.025, 0.75),
        title="distance of the law that returns\nfrom noise (solid), from the flow's own end (dashed)",
    )
    ax.legend(frameon=False)


def _own_start(ax: Axes, data: dict) -> None:
    ends = data["noisy_ends"]
    for n in range(len(data["levels"])):
        ax.semilogx(ends, data["bayes"][n], color=SHADES[n])
        ax.semilogx(ends, data["own"][n], linestyle="none", marker=MARKS[n], markersize=3.5, color=SHADES[n])
    chance = float(np.sum(data["probability"] ** 2))
    ax.axhline(chance, color="0.6", linewidth=0.7, linestyle=":")
    ax.text(ends[0], chance + 0.015, "chance", fontsize=8, va="bottom")
    ax.set(
        xlabel="end $T$ of the flow",
        ylim=(0, 1.05),
        title="paths that come back to their own start:\nAlgorithm 2 (marks), Bayes's rule (lines)",
    )


# ---- digits: section 7, question (ii), in two dimensions -------------------------------------------------------------


def digits(data: dict) -> Figure:
    """The norm-preserving flow of one digit and its limit; the digit brought back from several times, without and with
    mollification; how many digits are read right then; and where the test images end.
    """
    figure = new_figure(4.15)
    upper, lower = parts(figure, 2, 1, height_ratios=[1.0, 3.0])
    _digit_in_time(upper, data)
    left, right = parts(lower, 1, 2, width_ratios=[1.5, 1.0])
    _digit_back(left, data)
    readers, circle = right.subplots(2, 1, height_ratios=[1.0, 1.0])
    _read_back(readers, data)
    _circle(circle, data)
    return figure


def _show_field(ax: Axes, field: np.ndarray, title: str = "") -> None:
    """A function of mean 0 in grey, from minus to plus its largest absolute value."""
    ax.imshow(field / np.abs(field).max(), cmap="gray", vmin=-1, vmax=1, interpolation="none")
    ax.set_title(title, pad=3)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _digit_in_time(figure: SubFigure, data: dict) -> None:
    fields = [*data["shown"], data["shown_limit"]]
    names = [f"$t = {t:g}$" for t in data["flow_times"]] + ["limit"]
    for ax, field, name in zip(figure.subplots(1, len(fields)), fields, names, strict=True):
        _show_field(ax, field, name)


def _digit_back(figure: SubFigure, data: dict) -> None:
    rows = {"data": "at $T$, with error", "naive": "back, without", "tikhonov": "back, Tikhonov"}
    axes = figure.subplots(len(rows), len(data["ends"]), squeeze=False)
    for row, (name, label) in enumerate(rows.items()):
        for column, T in enumerate(data["ends"]):
            _show_field(axes[row, column], data[f"shown_{name}"][column], f"$T = {T:g}$" if row == 0 else "")
        axes[row, 0].set_ylabel(label, fontsize=8)


def _read_back(ax: Axes, data: dict) -> None:
    ax.axhline(data["right_original"].mean(), color="0.6", linewidth=0.7, linestyle=":")
    names = {
        "carried": ("D", "as it is, by images at $T$"),
        "tikhonov": ("o", "Tikhonov"),
        "data": ("s", "as it is"),
        "naive": ("^", "without"),
    }
    for shade, (name, (mark, label)) in zip(SHADES, names.items(), strict=True):
        share = data[f"right_{name}"].mean(axis=1)
        ax.semilogx(data["ends"], share, marker=mark, markersize=3.5, color=shade, label=label)
    ax.set(xlabel="$T$", ylim=(0, 1.03), title="digits read right")
    ax.legend(frameon=False, fontsize=7, ncol=2, loc="upper center", bbox_to_anchor=(0.4, -0.38), columnspacing=1.0)


def _circle(ax: Axes, data: dict) -> None:
    first = data["first_two"] / np.linalg.norm(data["first_two"], axis=1, keepdims=True)
    # Marks are spread inwards by their rank, so that many at one angle are seen.
    radius = 1 - 0.35 * (np.arange(len(first)) / len(first))
    ax.add_patch(Circle((0, 0), 1, fill=False, linewidth=0.6, color="0.6"))
    ax.plot(*(radius[:, None] * first).T, ".", color="black", markersize=1.5)
    for place, name in {(1.12, 0): r"$\cos x$", (0, 1.16): r"$\cos y$"}.items():
        ax.text(*place, name, ha="center" if place[0] == 0 else "left", va="center", fontsize=8)
    ax.set(aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.1, 1.3), title="where the test images end")
    ax.set_axis_off()


# ---- memory: what the perfect network knows --------------------------------------------------------------------------


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
    """Networks trained on few digits: the share of copies, `copies` (sizes, steps), against the gradient steps, with
    intervals, for each of the `sizes` of the training sets, beside the least share of the minimiser's samples and the
    largest of digits held out; and for each size samples over their nearest training images, (sizes, n, h, w).
    """
    figure = new_figure(2.7)
    axes = figure.subplots(1, 2, width_ratios=[1.1, 1.35])
    ax, steps = axes[0], data["steps"]
    bars = np.abs(np.stack([data["copies_low"], data["copies_high"]]) - data["copies"])
    for i, (size, share) in enumerate(zip(data["sizes"], data["copies"], strict=True)):
        style = {"color": "black", "linewidth": 0.9, "marker": "os^Dv*"[i], "markersize": 4, "capsize": 2}
        ax.errorbar(steps * 1.03 ** (i - 1), share, bars[:, i], elinewidth=0.6, label=f"{size} digits", **style)
    lines = (data["of_minimiser"].min(), 3, "perfect network"), (data["of_held_out"].max(), -11, "new digits")
    for share, above, label in lines:
        ax.axhline(share, color="0.55", linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
        ax.annotate(label, (steps[0], share), (0, above), textcoords="offset points", fontsize=8, color="0.4")
    ax.set(xscale="log", xlabel="gradient steps", ylabel="share of copies", ylim=(-0.12, 1.12))
    ax.set_xticks(steps, [str(number) for number in steps])
    ax.minorticks_off()
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.9))
    rows = [
        tiled(np.concatenate([x, near]), x.shape[0], gap=1)
        for x, near in zip(data["samples"], data["nearest"], strict=True)
    ]
    gap = np.full((4, rows[0].shape[1]), np.nan)
    canvas = np.concatenate([part for row in rows for part in (row, gap)][:-1])
    show(axes[1], canvas, "samples over their nearest training images")
    height = rows[0].shape[0] + gap.shape[0]
    for i, size in enumerate(data["sizes"]):
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
    their Fréchet distance from test images, with intervals.
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
        "training images",
        ((number[-2:].prod()) ** 0.5, float(data["floor"])),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
    distance.set(ylabel="squared Fréchet distance", yscale="log")
    distance.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    distance.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    distance.yaxis.set_minor_locator(NullLocator())
    share.legend(frameon=False, loc="lower right")
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
        ax.legend(facecolor="white", framealpha=1, edgecolor="none", loc="lower left", bbox_to_anchor=(0.0, 0.1))
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
    for noised, back, t, x_t, runs, agreeing, expected in zip(
        *panels, times, data["x_t"], data["runs"], data["agreeing"], data["expected"], strict=True
    ):
        show(noised, x_t, f"$t = {t}$")
        show(back, tiled(runs, 3))
        count = f"{agreeing} of 9\n({expected:.1f})"
        back.text(0.5, -0.04, count, transform=back.transAxes, ha="center", va="top", fontsize=8)
    ax = below.subplots()
    _time(ax, float(data["spectrum"]), float(data["by_chance"]))
    ax.plot(
        np.append(0, times),
        np.append(1, data["expected_share"]),
        color="0.5",
        label="of the same images, by the training images' posterior",
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
    ax.legend(facecolor="white", framealpha=1, edgecolor="none", loc="lower left", bbox_to_anchor=(0.0, 0.12))
    return figure
