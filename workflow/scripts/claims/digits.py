"""Section 7, question (ii), in two dimensions: what the flow of digits and its reversal say.

One study, whose arrays the figure shows too, and one function for each record of beyond/digits.json.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from beyond.digits import Square, angle, flow, limit, recovered
from beyond.reversal import gradient_norm, heat
from claims.statistics import ends, largest, mean, share
from diffusion.images import Digits
from engine.randomness import numpy_generator

Array = NDArray[np.floating]

LATE = np.array([8.0, 10.0, 12.0, 14.0])
"""Times, in units of 1 / lambda_1, at which the flow is compared with its limit: late, since MNIST's digits are
centred by their mass, which leaves little of the first two modes.
"""
NEIGHBOURS = 50
"""Nearest training images that vote on the digit of an angle."""
MIXED = 0.1
"""A limit is a mixture of cos x and cos y if the smaller amplitude is more than this share of the larger."""


class Reader:
    """Reads a digit by the nearest training image, by the angle between images without their means: (n, K)
    amplitudes in any orthonormal basis, and labels, (n,). The scale of what is read does not matter.
    """

    def __init__(self, training: Array, labels: Array) -> None:
        self.training, self.labels = _unit(training), labels

    def read(self, amplitudes: Array) -> NDArray[np.integer]:
        """The label of the nearest training image for each of (m, K)."""
        return self.labels[(_unit(amplitudes) @ self.training.T).argmax(axis=1)]


def _unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def read_by_neighbours(x: Array, training: Array, labels: Array) -> NDArray[np.integer]:
    """The commonest label among the NEIGHBOURS training points, (n, f), that are nearest to each of x, (m, f)."""
    _, near = KDTree(training).query(x, k=NEIGHBOURS)
    return np.array([np.bincount(row, minlength=10).argmax() for row in labels[near]])


def read_limits(known: Array, labels: Array, tested: Array, truth: Array, eigenvalues: Array) -> dict[str, Array]:
    """Which of the images, (m, K), are named rightly by the two numbers that the limit keeps, bool (m,): by its `angle`
    alone, by its `norm` C alone, by `both`, and by the `constant` answer, the commonest label of the known images.

    Angles are compared as points of the unit circle, C by its logarithm in units of the known images' deviation.
    """
    spread = np.log(gradient_norm(known, eigenvalues)).std()

    def kept(amplitudes: Array) -> Array:
        theta, C = angle(amplitudes), gradient_norm(amplitudes, eigenvalues)
        return np.stack([np.cos(theta), np.sin(theta), np.log(C) / spread], axis=-1)

    columns = {"angle": [0, 1], "norm": [2], "both": [0, 1, 2]}
    x, training = kept(tested), kept(known)
    right = {name: read_by_neighbours(x[:, at], training[:, at], labels) == truth for name, at in columns.items()}
    return right | {"constant": truth == np.bincount(labels).argmax()}


def _grey(images: Array) -> Array:
    """uint8 (n, 1, h, w) in [-1, 1], (n, h, w)."""
    return images[:, 0] / 127.5 - 1


def study(
    digits: Digits,
    image: int,
    flow_times: Sequence[float],
    ends: Sequence[float],
    error: float,
    readings: int,
    references: int,
    seed: int,
) -> dict[str, Any]:
    """All arrays of beyond/digits.npz.

    Of the training image `image`: `shown`, its flow at the `flow_times`, (m, n, n); its data at each of the `ends` T,
    with an `error` of that share of their norm, and what comes back without and with Tikhonov's method, (E, n, n). Of
    the first `readings` test images: which of them a reader with `references` training images reads right, `right_...`,
    from the images, (n,), and for each T, (E, n), from the data, from what comes back, and from the data with the
    training images `carried` to T by the flow; and how far they are from their limits. Of all test images, `limit_...`:
    which are read right from what the limit keeps.
    """
    training, labels = _grey(digits.train_images[:references].numpy()), digits.train_labels[:references].numpy()
    tested, truth = _grey(digits.test_images.numpy()), digits.test_labels.numpy()
    square = Square(tested.shape[-1])
    eigenvalues = square.eigenvalues
    known, every = square.amplitudes(training), square.amplitudes(tested)
    limits = read_limits(known, labels, every, truth, eigenvalues)
    tested, truth, start = tested[:readings], truth[:readings], every[:readings]
    reader = Reader(known, labels)

    one = square.amplitudes(_grey(digits.train_images[image : image + 1].numpy()))
    rows = {name: [] for name in ("data", "naive", "tikhonov")}
    right = {name: [] for name in ("data", "naive", "cut_off", "tikhonov", "carried")}
    errors = {name: [] for name in ("naive", "cut_off", "tikhonov")}
    for e, T in enumerate(ends):
        for name, image_of in zip(rows, _back(one, eigenvalues, T, error, seed, f"shown {e}").values(), strict=False):
            rows[name].append(square.images(image_of)[0])
        returned = _back(start, eigenvalues, T, error, seed, f"read {e}", "tikhonov", "cut_off")
        for name in ("data", "naive", "cut_off", "tikhonov"):
            right[name].append(reader.read(returned[name]) == truth)
        right["carried"].append(Reader(flow(known, eigenvalues, T), labels).read(returned["data"]) == truth)
        for name in errors:
            miss = np.linalg.norm(returned[name] - start, axis=1) / np.linalg.norm(start, axis=1)
            errors[name].append(float(np.median(miss)))
    late = np.array(LATE) / eigenvalues[0]
    ends_in = limit(start, eigenvalues)
    return {
        "flow_times": np.array(flow_times),
        "shown": np.array([square.images(flow(one, eigenvalues, t))[0] for t in flow_times]),
        "shown_limit": square.images(limit(one, eigenvalues))[0],
        "ends": np.array(ends),
        **{f"shown_{name}": np.array(images) for name, images in rows.items()},
        **{f"right_{name}": np.array(readings) for name, readings in right.items()},
        **{f"error_{name}": np.array(values) for name, values in errors.items()},
        "right_original": reader.read(start) == truth,
        **{f"limit_{name}": readings for name, readings in limits.items()},
        "error": np.array(error),
        "eigenvalues": eigenvalues[:4],
        "late": late,
        "distance": np.array(
            [
                np.linalg.norm(flow(start, eigenvalues, t) - ends_in, axis=1) / np.linalg.norm(ends_in, axis=1)
                for t in late
            ]
        ),
        "first_two": start[:, :2],
        "off_centre": _centre_of_mass(tested),
        "label": truth,
    }


def _centre_of_mass(images: Array) -> Array:
    """Of the ink of each image, (n, h, w), to the right of the middle and below it, in pixels: (n, 2)."""
    ink = (images + 1) / (images + 1).sum(axis=(1, 2), keepdims=True)
    down, right = (np.arange(size) - (size - 1) / 2 for size in ink.shape[1:])
    return np.stack([ink.sum(axis=1) @ right, ink.sum(axis=2) @ down], axis=1)


def _back(
    start: Array, eigenvalues: Array, T: float, error: float, seed: int, stream: str, *methods: str
) -> dict[str, Array]:
    """u(., T) of each of the starts, (n, K), with a white error of the share `error` of its norm; and what comes back
    from it without mollification, and by each of the methods.
    """
    random = numpy_generator(seed, f"beyond, digits, {stream}")
    exact = flow(start, eigenvalues, T)
    deltas = error * np.linalg.norm(exact, axis=1)
    data = exact + deltas[:, None] * _unit(random.standard_normal(exact.shape))
    norms = gradient_norm(start, eigenvalues)
    back = {"data": data, "naive": _without(data, eigenvalues, T, norms)}
    for method in methods or ("tikhonov",):
        back[method] = np.array(
            [
                recovered(one, eigenvalues, delta, T, float(C), method)
                for one, delta, C in zip(data, deltas, norms, strict=True)
            ]
        )
    return back


def _without(data: Array, eigenvalues: Array, T: float, norms: Array) -> Array:
    """Back without mollification. The fastest growth is taken out before the rescaling, so that nothing overflows."""
    back = heat(data, eigenvalues - eigenvalues[-1], -T)
    return back * np.sqrt(norms / gradient_norm(back, eigenvalues))[:, None]


# ---- Records -----------------------------------------------------------------------------------------------------


def square_limit(arrays: Mapping[str, Array]) -> dict:
    """The rate at which digits approach the projection on the first eigenspace, over the third eigenvalue's distance
    from the first, which is double: the slowest of all test images, and the median.
    """
    first, second, third = arrays["eigenvalues"][:3]
    rates = -np.polyfit(arrays["late"], np.log(arrays["distance"]), 1)[0]
    ratios = rates / (third - first)
    return {
        "slowest": float(ratios.min()),
        "median": float(np.median(ratios)),
        "predicted": float(third - first),
        "splitting": float(abs(second - first)),
        "largest": float(arrays["distance"][-1].max()),
        "time": float(arrays["late"][-1]),
        "images": int(arrays["distance"].shape[1]),
    }


def mixed(arrays: Mapping[str, Array]) -> dict:
    """How many digits end neither at cos x nor at cos y, but at a mixture, with Wilson's 95% interval."""
    sizes = np.sort(np.abs(arrays["first_two"]), axis=1)
    value, low, high = share(int(np.sum(sizes[:, 0] > MIXED * sizes[:, 1])), len(sizes))
    return {"share": value, "share_low": low, "share_high": high, "images": len(sizes)}


def left(arrays: Mapping[str, Array]) -> dict:
    """How often the limit's angle, its C, and both tell the digit, and by how much more often than the constant answer,
    with 95% intervals over the images, on which both are tried; and how far the digits' centres of mass are from the
    middle, in pixels, as a median.
    """
    constant = arrays["limit_constant"].astype(float)
    record = {"constant": float(constant.mean())}
    for name in ("angle", "norm", "both"):
        record[name] = float(arrays[f"limit_{name}"].mean())
        record |= ends(f"{name}_gain", mean(arrays[f"limit_{name}"] - constant))
    return record | {
        "right": float(np.median(arrays["off_centre"][:, 0])),
        "down": float(np.median(arrays["off_centre"][:, 1])),
        "images": len(constant),
        "centres": len(arrays["off_centre"]),
    }


def back(arrays: Mapping[str, Array], end: float = 0.1) -> dict:
    """How many digits are read right from the flow's image at about T = `end`, with an error, and from what comes back
    without and with Tikhonov's method; and by how much the last exceeds both others, at the near ends of Wilson's 95%
    intervals.
    """
    n, at = len(arrays["right_original"]), int(np.argmin(np.abs(np.log(arrays["ends"] / end))))
    shares = {
        name: share(int(arrays[f"right_{name}"][at].sum()), n) for name in ("data", "naive", "cut_off", "tikhonov")
    }
    return {
        "gain": shares["tikhonov"][1] - largest(shares["data"][2], shares["naive"][2]),
        **{name: value for name, (value, _, _) in shares.items()},
        "original": float(arrays["right_original"].mean()),
        "end": float(arrays["ends"][at]),
        "error": float(arrays["error"]),
        "images": n,
    }


def undoing(arrays: Mapping[str, Array]) -> dict:
    """By how much more often a digit is read right after Tikhonov's method than from the data themselves by a reader
    who carries the training images to T by the flow: at each end, and the largest upper end of 95% intervals over the
    images, on which both are tried, that hold for all ends at once.
    """
    differences = arrays["right_tikhonov"].astype(float) - arrays["right_carried"]
    intervals = [mean(one, cases=len(differences)) for one in differences]
    shares = {name: arrays[f"right_{name}"].mean(axis=1).tolist() for name in ("tikhonov", "carried")}
    return {
        **{
            f"{name}_{place}": values[at]
            for name, values in shares.items()
            for place, at in (("first", 0), ("last", -1))
        },
        "gains": [gain for gain, _, _ in intervals],
        "gain_high": largest(*(high for _, _, high in intervals)),
        **shares,
        "ends": arrays["ends"].tolist(),
        "images": differences.shape[1],
    }


def measure(arrays: Mapping[str, Array]) -> dict[str, dict]:
    """All records of beyond/digits.json, from the arrays of `study`."""
    return {record.__name__: record(arrays) for record in (square_limit, mixed, left, back, undoing)}
