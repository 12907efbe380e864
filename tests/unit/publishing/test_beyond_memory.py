"""The figures of the chapters on the exact minimiser and on the start: every panel there, and a note where asked."""

import numpy as np
import pytest

from publishing import beyond, plots

RANDOM = np.random.default_rng(0)


def images(*n):
    return RANDOM.uniform(-1, 1, (*n, 8, 8))


def losses():
    t = np.array([1, 4, 20])
    return {
        "t": t,
        "seen": np.array([0.0, 1e-4, 0.1]),
        "unseen": np.array([90.0, 4.0, 0.1]),
        "affine": np.linspace(0.3, 0.01, 20),
        "samples": images(4),
        "nearest": images(4),
    }


def shares():
    low = np.linspace(0.1, 0.7, 6).reshape(3, 2)
    return {
        "sizes": np.array([5, 20, 80]),
        "steps": np.array([50, 100]),
        **{name: low + 0.1 * k for k, name in enumerate(("copies_low", "copies", "copies_high"))},
        "of_minimiser": np.array([1.0, 1.0, 0.9]),
        "of_held_out": np.array([0.0, 0.01, 0.0]),
    }


def errors(n, end):
    return {f"{name}{end}": RANDOM.uniform(0.1, 1, n) for name in ("start", "steps", "last", "total")}


CASES = {
    "memory": (losses() | {"number": np.array([[1.0, 1, 50], [1, 2, 60], [1, 9, 80]])}, 3),
    "memory_digits": (shares() | {"samples": images(3, 4), "nearest": images(3, 4)}, 2),
    "memory_network": (losses() | {"network_seen": np.ones(3), "network_unseen": np.ones(3)}, 2),
    "start": (
        {
            "T": np.array([10, 20, 40]), "refinements": np.array([1, 2]), "run_T": np.array(20),
            **errors(3, "_by_length"), **errors(2, "_by_steps"), **errors(64, ""), "variance": RANDOM.uniform(0, 1, 64),
            "displacement": images(), "mean": images(), "shares": np.full(10, 0.1), "training_shares": np.full(10, 0.1),
        },
        6,
    ),
    "start_network": (
        {"gaussian": images(4), "true": images(4), "difference": images(), "displacement": images()},
        5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_figure_has_its_panels_and_its_note_in_both_formats(name, tmp_path):
    data, panels = CASES[name]
    figure = getattr(beyond, name)(data)
    assert len(figure.axes) == panels  # a bar of grey values is one of its own
    plots.save(figure, tmp_path / "f.pdf", tmp_path / "f.png", note="Demo on other data")
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_the_trained_network_is_named_where_it_is():
    def legend(name):
        return " ".join(text.get_text() for text in getattr(beyond, name)(CASES[name][0]).axes[0].get_legend().texts)

    assert "trained network" in legend("memory_network") and "trained network" not in legend("memory")
