"""The page for the class room: what its three sliders show, and how that is put into the one file.

The page itself, with all its text, style and script, is workflow/report/classroom.html.
"""

import base64
import json
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffusion.backward import posterior_variance
from diffusion.forward import VarianceSchedule

Array = NDArray[np.floating]

PLACE = '<script type="application/json" id="data">null</script>'


def sprite(images: Array) -> str:
    """Images (m, n, h, w), from -1 (black) to 1 (white), as one grey PNG in a data URL: in row i the n images of frame
    i side by side. What lies beyond that range is clipped.
    """
    m, n, h, w = images.shape
    grey = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    sheet, png = grey.swapaxes(1, 2).reshape(m * h, n * w), BytesIO()
    Image.fromarray(sheet).save(png, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


def forward_frames(t: NDArray[np.integer], x: Array, schedule: VarianceSchedule) -> dict:
    """The chain (2) from x_0 = x[0], images x (m, h, w) at the steps t (m,), t[0] = 0.

    Each frame has three pictures: x_t, and the two parts that (8) says it is the sum of, sqrt(alpha_bar_t) x_0 and
    what remains, sqrt(1 - alpha_bar_t) eps.
    """
    alpha_bar = schedule.alpha_bar.numpy()[t]
    signal = np.sqrt(alpha_bar)[:, None, None] * x[0]
    return {
        "t": t.tolist(),
        "alpha_bar": alpha_bar.tolist(),
        "pixels": x.shape[-1],
        "sprite": sprite(np.stack([x, signal, x - signal], axis=1)),
    }


def backward_frames(t: NDArray[np.integer], x: Array, schedule: VarianceSchedule) -> dict:
    """Algorithm 2, images x (m, n, h, w) at the steps t (m,) from T to 0, with what (19) has at each t."""
    return {
        "t": t.tolist(),
        "alpha": schedule.alpha.numpy()[t].tolist(),
        "alpha_bar": schedule.alpha_bar.numpy()[t].tolist(),
        "sigma": [posterior_variance(int(s), schedule).sqrt().item() if s else 0.0 for s in t],
        "pixels": x.shape[-1],
        "sprite": sprite(x),
    }


def pde_frames(t: Array, amplitudes: Array, eigenvalues: Array, L: float) -> dict:
    """The solution of (20)-(22) at the times t (m,), by its amplitudes (m, K + 1) along phi_0, ..., phi_K."""
    return {"t": t.tolist(), "amplitudes": amplitudes.tolist(), "eigenvalues": eigenvalues.tolist(), "L": L}


def fill(template: str, data: dict) -> str:
    """The template with the data in its place, as JSON that cannot end the element that holds it.

    Raises ValueError unless the template has exactly one place for it, and for data that JSON cannot hold.
    """
    if template.count(PLACE) != 1:
        raise ValueError(f"the template must have {PLACE} once, and has it {template.count(PLACE)} times")
    content = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return template.replace(PLACE, PLACE.replace("null", content))
