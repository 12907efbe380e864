"""The figures beyond the paper: every panel is there, and shows the simulated beside the exact."""

import numpy as np
import pytest

from publishing import beyond, plots


def forcing() -> dict:
    """What `claims.forcing.measure` hands on, with few points."""
    x, P = np.linspace(0, 1, 11), np.linspace(0, 1, 11)
    n, few = 2 ** np.arange(1, 6), 2 ** np.arange(1, 4)
    sigma, t = np.geomspace(0.1, 3, 4), np.linspace(0, 1, 20)
    data = {
        "two_edges": np.linspace(-np.pi, np.pi, 9), "two_density": np.full(8, 0.16),
        "two_x": x * 6 - 3, "two_exact": 0.1 + 0 * x,
        "four_x": np.tile(x, (4, 1)), "four_exact": np.stack([P ** (k + 1) for k in range(4)]),
        "four_P": np.arange(1, 100) / 100, "four_sample": np.tile(np.arange(1, 100)[:, None] / 100, (1, 4)),
        "share_sigma": sigma, "share_mean": 1 / (1 + sigma), "share_error": 0 * sigma,
        "share_curve": sigma, "share_exact": 1 / (1 + sigma), "share_small": 1 - sigma,
        "many_n": n, "many_run_n": few, "many_limit": np.array(0.5),
        "cascade_t": t, "cascade_quiet": np.exp(-np.outer(t, np.arange(1, 4))),
        "cascade_forced": np.exp(-np.outer(t, np.arange(1, 4))), "cascade_theory": 1 / sigma,
        "cascade_sigma": sigma, "cascade_times": np.stack([0.5 / sigma, 1 / sigma, 2 / sigma], axis=1),
        "cascade_led": np.array([3.0, 3.0, 2.0, 2.0]), "cascade_quiet_time": np.array(10.0),
        "cascade_shown_sigma": np.array(0.1),
    }  # fmt: skip
    for d in (1, 2, 3):
        data |= {f"many_exact_{d}": 1 / n, f"many_mean_{d}": 1 / few, f"many_error_{d}": 0 * few}
    return data


CASES = {"forcing": (forcing(), 4), "forcing_cascade": (forcing(), 4)}


@pytest.mark.parametrize("name", CASES)
def test_figure_has_its_panels_with_titles_and_can_be_saved(name, tmp_path):
    data, panels = CASES[name]
    figure = getattr(beyond, name)(data)
    assert len(figure.axes) == panels and all(ax.get_title() and ax.get_xlabel() for ax in figure.axes)
    plots.save(figure, tmp_path / "f.pdf", tmp_path / "f.png")
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_simulated_stands_beside_what_is_exact():
    for ax in beyond.forcing(forcing()).axes[:3]:
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert "simulated" in labels and {"von Mises", "Bingham", "exact"} & set(labels)
