"""The gallery of docs/: a run's figures, small, its reverse process as an animation, and a page that shows them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from claims.ledger import NOT_CONFIRMED

WIDTH = 900
"""Of a figure in the gallery, in pixels."""
ZOOM, GREYS, FRAMES = 3, 16, 40
"""Of the animation: pixels along an edge of an image's pixel, shades of grey, and pictures; it shall stay small."""

CAPTIONS = {
    1: "Training images.",
    2: "The forward process (2): one training image, at increasing t.",
    3: "The backward process, Algorithm 2: nine Gaussians at t = T (top left) become nine new images (bottom right).",
    4: "Generated images, sorted by an independent classifier.",
    5: "One Gaussian (left), and nine runs of Algorithm 2 from it.",
    6: "A training image carried to t = T (left), and nine runs of Algorithm 2 from there.",
    7: "The norm-preserving PDE (20)–(22): one mode after another, down to the first.",
}


def small_png(figure: Path | str) -> bytes:
    """The figure, a PNG, brought to WIDTH pixels across, with few enough colours to weigh little."""
    image = Image.open(figure).convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    png = BytesIO()
    image.quantize(64).save(png, "PNG", optimize=True)
    return png.getvalue()


def animation(x: NDArray[np.floating]) -> bytes:
    """Algorithm 2 as an endless GIF: images x, (m, 9, h, w) in [-1, 1], one picture of 3x3 images a step, FRAMES of
    the m steps at the most, the last one held for two seconds.
    """
    m, _, h, w = x.shape
    chosen = np.unique(np.linspace(0, m - 1, FRAMES).round().astype(int))
    grid = x[chosen].reshape(len(chosen), 3, 3, h, w).swapaxes(2, 3).reshape(len(chosen), 3 * h, 3 * w)
    levels = np.rint((np.clip(grid, -1, 1) + 1) / 2 * (GREYS - 1)).astype(np.uint8)
    pictures = [Image.fromarray(level.repeat(ZOOM, 0).repeat(ZOOM, 1), "P") for level in levels]
    for picture in pictures:
        picture.putpalette([round(255 * level / (GREYS - 1)) for level in range(GREYS) for _ in range(3)])
    gif, last = BytesIO(), len(pictures) - 1
    durations = [100] * last + [2000]
    pictures[0].save(gif, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)
    return gif.getvalue()


def page(run: dict) -> str:
    """The gallery as Markdown, from a run's numbers.json."""
    counts, samples = run["claims"]["counts"], run["samples"]
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    start = run["settings"]["ddpm"]["start"]
    again = f" It went on from the weights of commit {start[:7]}, with a new optimiser and schedule."
    parts = [
        f"# What `make {run['preset']}` makes",
        "Made by `make gallery`; not to be edited by hand.",
        f"{'Its weights travel with the repository. ' if run['weights'] == 'shipped' else ''}"
        f"Trained on {run['training']['image_visits']:,} images ({run['training']['parameters']:,} parameters, "
        f"{run['training']['device']}, {run['training']['seconds'] / 60:.0f} min). The classifier reads "
        f"{run['classifier']['test_accuracy']:.2%} of {run['classifier']['test_images']:,} real test images, and sorts "
        f"{samples['recognised_share']:.1%} of the {samples['samples']} generated ones with a probability above "
        f"{samples['confidence_threshold']:g}.",
        *filter(None, [f"**{run['demo_note']}.**" if run["demo_note"] else ""]),
        "![Nine images appear from noise](reverse.gif)",
        *(f"![Figure {n}](fig{n}.png)\n\n**Figure {n}.** {caption}" for n, caption in CAPTIONS.items()),
        "![The loss against the images seen](learning_curve.png)\n\n**The training.** The loss of Algorithm 1 against "
        f"the images seen.{again if start else ''}",
        "## Claims",
        f"{len(run['claims']['claims'])} statements of the paper: {verdicts}. Not confirmed:",
        "| place | statement | found |\n| --- | --- | --- |\n"
        + "\n".join(
            f"| {claim['place']} | {claim['statement']} | {claim['detail']} |"
            for claim in run["claims"]["claims"]
            if claim["verdict"] == NOT_CONFIRMED
        ),
        "## Settings",
        "| setting | value |\n| --- | --- |\n"
        + "\n".join(
            f"| `{section}.{key}` | {value} |"
            for section, values in run["settings"].items()
            if isinstance(values, dict)
            for key, value in values.items()
        )
        + f"\n| `seed` | {run['settings']['seed']} |",
    ]
    return "\n\n".join(parts) + "\n"
