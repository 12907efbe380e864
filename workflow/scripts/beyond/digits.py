"""Section 7, question (ii), in two dimensions: the flow (20), (21) of a digit's image, and back.

An image of n x n pixels is a function on the square (0, pi)^2, constant on n x n cells, less its mean. The flow of the
five-point Laplacian is exact in the cosine modes phi_j(x) phi_k(y), by a DCT in both directions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from beyond.reversal import METHODS, cut_off_of_data, gradient_norm, heat, rescaled
from diffusion.pde import Grid

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Square:
    """n x n cells on (0, pi)^2 and the modes j, k = 0..n-1 without the constant, in the order of their eigenvalues."""

    n: int

    @property
    def h(self) -> float:
        """The width of a cell."""
        return np.pi / self.n

    @cached_property
    def _all(self) -> Array:
        one = Grid(np.pi, self.n).eigenvalues
        return (one[:, None] + one).ravel()

    @cached_property
    def _order(self) -> NDArray[np.integer]:
        return np.argsort(self._all, kind="stable")[1:]

    @cached_property
    def eigenvalues(self) -> Array:
        """Of -Lap_h, ascending, (n^2 - 1,): those of the interval, added in pairs. All with j != k are double."""
        return self._all[self._order]

    def amplitudes(self, images: Array) -> Array:
        """Of images (..., n, n) the integrals with the modes, (..., n^2 - 1); the mean is dropped."""
        modes = dctn(images, type=2, norm="ortho", axes=(-2, -1)) * self.h
        return modes.reshape(*images.shape[:-2], -1)[..., self._order]

    def images(self, amplitudes: Array) -> Array:
        """The inverse of `amplitudes`, with mean 0."""
        modes = np.zeros((*amplitudes.shape[:-1], self.n**2))
        modes[..., self._order] = amplitudes
        return idctn(modes.reshape(*amplitudes.shape[:-1], self.n, self.n) / self.h, norm="ortho", axes=(-2, -1))


def flow(amplitudes: Array, eigenvalues: Array, t: float) -> Array:
    """The exact solution of (20), (21) after a time t, for each of the amplitudes (..., K). The slowest decay is taken
    out before the rescaling, so that nothing underflows. Backwards in time for t < 0: without mollification.
    """
    moved = heat(amplitudes, eigenvalues - eigenvalues[0], t)
    return moved * np.sqrt(gradient_norm(amplitudes, eigenvalues) / gradient_norm(moved, eigenvalues))[..., None]


def limit(amplitudes: Array, eigenvalues: Array) -> Array:
    """Where the flow goes: the projection on the eigenspace of the first eigenvalue, rescaled to (21).

    On a square that has dimension 2, cos x and cos y, and all their mixtures are eigenfunctions. The steady states are
    a circle of the radius sqrt(C / lambda_1), and the flow ends at the angle atan2 of the start's own two amplitudes,
    which it never changes. An image without any part in them, as one that a half turn does not change, has its limit
    among the higher modes: not here.
    """
    first = np.isclose(eigenvalues, eigenvalues[0], rtol=1e-9)
    projected = amplitudes * first
    return (
        projected * np.sqrt(gradient_norm(amplitudes, eigenvalues) / gradient_norm(projected, eigenvalues))[..., None]
    )


def angle(amplitudes: Array) -> Array:
    """The angle of the limit, in (-pi, pi]: atan2 of the amplitudes of the two first modes, that of cos y (down) and
    that of cos x (to the right).
    """
    return np.arctan2(amplitudes[..., 1], amplitudes[..., 0])


def recovered(data: Array, eigenvalues: Array, delta: float, T: float, C: float, method: str) -> Array:
    """u(., 0) from the amplitudes of u(., T) with an error of norm delta, (K,), by one of the METHODS, with the
    cut-off that the data give and the scale that (21) gives.
    """
    kept = METHODS[method](eigenvalues, cut_off_of_data(data, eigenvalues, delta, T), T)
    back = heat(kept * data, eigenvalues - eigenvalues[0], -T)
    return rescaled(back, eigenvalues, C)
