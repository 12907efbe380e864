"""Figures 1 to 7 and the learning curve, in one style: each function takes the figure's data and returns the figure.

Images are shown as grey values from -1 (black) to 1 (white); values beyond that range, which noise leaves, are clipped.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter, StrMethodFormatter
from scipy.ndimage import zoom

from diffusion.pde import leading_modes, mode_shares

WIDTH = 6.3  # inches: the text width of an A4 page

STYLE = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,
    "savefig.dpi": 250,
}


def save(figure: Figure, pdf: Path | str, png: Path | str, note: str = "") -> None:
    """Write the figure in both formats, with a note under it if there is one."""
    if note:
        figure.set_figheight(figure.get_figheight() + 0.22)
        figure.supxlabel(note, fontsize=8, style="italic", color="#b00020")
    figure.savefig(pdf, metadata={"CreationDate": None})
    figure.savefig(png, metadata={"Software": None})


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure in the common style over matplotlib's defaults, whatever the user's are; sizes in inches."""
    mpl.rcdefaults()
    mpl.rcParams.update(STYLE)
    return Figure(figsize=(width, height), layout="constrained")


SMALL, ENLARGEMENT = 12, 3
"""Images of fewer pixels than this across, as the demo's 8x8, are drawn enlarged by this factor."""


def enlarged(images: np.ndarray, t: int = 0) -> np.ndarray:
    """Images (n, h, w) at step t as they are drawn. Small digits are smoothly enlarged (cubic splines), since the eye
    sees the edges of large pixels and not the digit; where there is noise the pixels stay, since smooth noise looks
    like something.
    """
    n, h, w = images.shape
    if w >= SMALL:
        return images
    if n == 0:
        return np.empty((0, ENLARGEMENT * h, ENLARGEMENT * w))
    order = 3 if t == 0 else 0
    return zoom(images, (1, ENLARGEMENT, ENLARGEMENT), order=order, mode="nearest", grid_mode=True)


def tiled(images: np.ndarray, columns: int, gap: int = 1, rows: int = 0) -> np.ndarray:
    """Images (n, h, w) side by side in rows of `columns`, with a gap of `gap` pixels; NaN where there is no image."""
    n, h, w = images.shape
    rows = max(rows, -(-n // columns))
    canvas = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), np.nan)
    for i, image in enumerate(images):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[top : top + h, left : left + w] = image
    return canvas


def show(axes: Axes, image: np.ndarray, title: str = "", colour: str = "white") -> None:
    """An image, or a canvas of tiles whose gaps are drawn in `colour`, without axes."""
    cmap = mpl.colormaps["gray"].with_extremes(bad=colour)
    axes.imshow(np.ma.masked_invalid(image), cmap=cmap, vmin=-1, vmax=1, interpolation="none")
    axes.set_title(title, pad=3)
    axes.set_axis_off()


def training_images(data: dict) -> Figure:
    """Figure 1: training images, `images` (n, h, w) uint8."""
    images = data["images"] / 127.5 - 1
    columns = min(16, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(WIDTH * rows / columns)
    show(figure.subplots(), tiled(enlarged(images), columns))
    return figure


def forward_process(data: dict) -> Figure:
    """Figure 2: one image at the steps `t`, `images` (m, h, w)."""
    images = [enlarged(image[None], t)[0] for t, image in zip(data["t"], data["images"], strict=True)]
    return _panels(data["t"], images, columns=4)


def backward_process(data: dict) -> Figure:
    """Figure 3: nine images in a panel for each step `t`, `images` (m, 9, h, w)."""
    nines = [tiled(enlarged(nine, t), 3) for t, nine in zip(data["t"], data["images"], strict=True)]
    return _panels(data["t"], nines, columns=3)


def _panels(t: np.ndarray, images: list[np.ndarray], columns: int) -> Figure:
    """An image for each step t, in rows of at most `columns`."""
    columns = min(columns, len(t))
    rows = -(-len(t) // columns)
    figure = new_figure((WIDTH / columns + 0.22) * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in panels:
        ax.set_axis_off()
    for ax, step, image in zip(panels, t, images, strict=False):
        show(ax, image, f"$t = {step}$")
    return figure


def categories(data: dict) -> Figure:
    """Figure 4: the samples `images` (n, h, w) in ten panels by their `label` (n,), in the order of generation."""
    images, label = data["images"], data["label"]
    counts = np.bincount(label, minlength=10)
    columns = max(4, int(np.ceil(np.sqrt(counts.max() * 0.8))))
    rows = -(-int(counts.max()) // columns)
    panel = WIDTH / 5
    figure = new_figure((panel * rows / columns + 0.25) * 2)
    for digit, ax in enumerate(figure.subplots(2, 5).flat):
        show(ax, tiled(enlarged(images[label == digit]), columns, gap=2, rows=rows))
        ax.set_title(f"“{digit}”: {counts[digit]}", pad=3)
    return figure


def _start_and_nine(panels: list[tuple[np.ndarray, str]], nine: np.ndarray, title: str) -> Figure:
    """Single images on the left, the 3x3 of nine runs on the right."""
    figure = new_figure(2.6, width=2.6 * 1.05 + 1.5 * len(panels))
    axes = figure.subplots(1, len(panels) + 1, width_ratios=[1.0] * len(panels) + [2.0])
    for ax, (image, name) in zip(axes, panels, strict=False):
        show(ax, image, name)
    show(axes[-1], tiled(enlarged(nine), 3), title)
    return figure


def one_gaussian(data: dict) -> Figure:
    """Figure 5: one Gaussian `x_T`, (h, w), and nine runs from it, `images` (9, h, w)."""
    return _start_and_nine([(data["x_T"], "one $x_T$")], data["images"], "nine runs to $t = 0$")


def training_image(data: dict) -> Figure:
    """Figure 6: a training image `x_0`, the same carried to t = T, `x_T`, and nine runs back, `images` (9, h, w)."""
    panels = [(enlarged(data["x_0"][None])[0], "training image"), (data["x_T"], "the same at $t = T$")]
    return _start_and_nine(panels, data["images"], "nine runs back to $t = 0$")


def norm_preserving_pde(data: dict) -> Figure:
    """Figure 7: the solution u(x, t) of (20)-(22), its profiles, and the amplitudes of its modes with their slopes."""
    x, t, u = data["x"], data["t"], data["u"]
    rate = data["eigenvalues"][1:]
    relative = np.sqrt(mode_shares(data["amplitudes"], data["eigenvalues"]))[:, 1:]
    reigns = leading_modes(t, data["amplitudes"], data["eigenvalues"])
    figure = new_figure(5.0)
    axes = figure.subplot_mosaic("sp;aa", height_ratios=[1.1, 1.0])
    _space_time(axes["s"], x, t, u)
    _profiles(axes["p"], x, t, u, data["profile_times"])
    _amplitudes(axes["a"], t, relative, rate, reigns)
    return figure


def _space_time(ax: Axes, x: np.ndarray, t: np.ndarray, u: np.ndarray) -> None:
    step = max(1, len(t) // 500)
    # u grows sixfold on its way down the modes; a scale by signed square roots shows both ends.
    largest = np.abs(u).max()
    norm = FuncNorm((lambda v: np.sign(v) * np.sqrt(np.abs(v)), lambda v: np.sign(v) * v**2), -largest, largest)
    image = ax.pcolormesh(x, t[::step], u[::step], cmap="cividis", norm=norm, shading="nearest", rasterized=True)
    ax.contour(x, t[::step], u[::step], levels=[0.0], colors="white", linewidths=0.7)
    ax.set(xlabel="$x$", ylabel="$t$", title="solution $u(x,t)$; its zeros in white")
    interval_ticks(ax, x)
    ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=30)


def interval_ticks(ax: Axes, x: np.ndarray) -> None:
    length = x[0] + x[-1]
    name = r"$\pi$" if np.isclose(length, np.pi) else f"{length:g}"
    ax.set_xticks([0, length / 2, length], ["0", r"$\pi/2$" if name == r"$\pi$" else f"{length / 2:g}", name])
    ax.set_xlim(0, length)


def _profiles(ax: Axes, x: np.ndarray, t: np.ndarray, u: np.ndarray, times: np.ndarray) -> None:
    """Profiles one above the other, each on its own zero line, first at the top."""
    distance = 1.15 * np.abs(u).max()
    for row, time in enumerate(times):
        zero = (len(times) - 1 - row) * distance
        ax.axhline(zero, color="0.75", linewidth=0.5)
        ax.plot(x, zero + u[np.argmin(np.abs(t - time))], color="black", linewidth=1.1)
        ax.text(x[-1] * 1.03, zero, f"$t = {time:.10g}$", va="center", fontsize=8)
    ax.set(xlabel="$x$", title="profiles $u(\\cdot, t)$")
    interval_ticks(ax, x)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _amplitudes(ax: Axes, t: np.ndarray, relative: np.ndarray, rate: np.ndarray, reigns: list[dict]) -> None:
    """Amplitudes relative to the steady states. Where phi_k rules, dashes show the slopes lambda_k - lambda_j by (23).

    `relative`, (m, K), and `rate`, (K,), are those of phi_1..phi_K; `reigns` says when each of them rules.
    """
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.88, len(rate)))  # dark to light, so also in grey
    for mode, colour in zip(relative.T, colours, strict=True):
        ax.semilogy(t, mode, color=colour, linewidth=2.6, solid_capstyle="round")
    for reign in reigns:
        k, ruled = reign["k"] - 1, np.flatnonzero((t >= reign["from"]) & (t <= reign["to"]))
        ax.annotate(rf"$\varphi_{{{k + 1}}}$", (t[ruled].mean(), 1.3), ha="center", va="bottom", fontsize=10)
        for j in range(len(rate)):
            seen = ruled[relative[ruled, j] > 1e-12]  # what is smaller is rounding
            if j == k or len(seen) < 2:
                continue
            purest = seen[relative[seen, k].argmax()]
            slope = relative[purest, j] * np.exp((rate[k] - rate[j]) * (t[seen] - t[purest]))
            ax.semilogy(t[seen], slope, color="black", linewidth=0.8, linestyle=(0, (3, 2)))
    ax.set(
        xlabel="$t$",
        ylabel=r"$|\langle u, \varphi_j\rangle|\,\sqrt{\lambda_j / C}$",
        title=rf"modes $\varphi_1$ (dark) to $\varphi_{len(rate)}$ (light); dashed: theory's slopes "
        r"$\lambda_k - \lambda_j$ while $\varphi_k$ rules",
        xlim=(t[0], t[-1]),
        ylim=(1e-11, 20),
    )


def learning_curve(data: pd.DataFrame) -> Figure:
    """The loss of Algorithm 1 against the images seen."""
    figure = new_figure(2.6, width=4.2)
    ax = figure.subplots()
    ax.loglog(data["images"], data["loss"], color="0.65", linewidth=0.8, label="mean over a row of the history")
    bins = (12 * np.log10(data["images"])).round()
    smooth = data.groupby(bins)[["images", "loss"]].mean()
    ax.loglog(smooth["images"], smooth["loss"], color="black", label="mean over a twelfth of a decade")
    ax.set(xlabel="images seen in training", ylabel=r"loss: mean of $(\varepsilon - \varepsilon_\theta)^2$")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.xaxis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend(frameon=False)
    return figure
