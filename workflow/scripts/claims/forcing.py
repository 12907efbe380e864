"""Chapter `forcing`: what runs of da = -P Lambda a dt + sigma P o dW say, beside exact laws.

One function for each record of beyond/forcing.json.
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beyond.forcing import step
from engine.randomness import generator

logger = logging.getLogger(__name__)

Array = NDArray[np.floating]


def draws(seed: int, name: str, *shape: int) -> Array:
    """Standard Gaussians of a stream of their own."""
    import torch

    return torch.randn(shape, generator=generator(seed, f"forcing, {name}"), dtype=torch.float64).numpy()


def norm(seed: int, paths: int = 100, steps: int = 1000) -> dict:
    """How far |a| leaves 1 over all steps, of six modes."""
    levels, dt, sigma = np.arange(1, 7) ** 2.0, 0.01, 1.0
    a = np.full((paths, 6), 6**-0.5)
    worst = 0.0
    for dW in draws(seed, "norm", steps, paths, 6) * dt**0.5:
        a = step(a, levels, sigma, dt, dW)
        worst = max(worst, float(np.abs(np.linalg.norm(a, axis=-1) - 1).max()))
    return {"drift": worst, "steps": steps, "paths": paths}


def measure(seed: int) -> tuple[dict[str, dict], dict[str, Any]]:
    """All records of beyond/forcing.json, and what the figures show, beyond/forcing.npz."""
    records = {"norm": norm(seed)}
    return records, {"drift": np.array([records["norm"]["drift"]])}
