"""The pictures of docs/: a run's figures, small, and its reverse process as an animation."""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH = 900
"""Of a figure in the gallery, in pixels."""
ZOOM, GREYS, FRAMES = 3, 16, 40
"""Of the animation: pixels along an edge of an image's pixel, shades of grey, and pictures; it must stay small."""


def small_png(figure: Path | str) -> bytes:
    """The figure, a PNG, resized to WIDTH pixels across, with few colours, so that the file is small."""
    image = Image.open(figure).convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    png = BytesIO()
    image.quantize(64).save(png, "PNG", optimize=True)
    return png.getvalue()


def animation(x: NDArray[np.floating]) -> bytes:
    """Algorithm 2 as an endless GIF: images x, (m, 9, h, w) in [-1, 1], one picture of 3x3 images for each step, at
    most FRAMES of the m steps, the last one held for two seconds.
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
