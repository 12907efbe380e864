"""The figures of the chapters steps and decision: every panel there, with the note of a demo."""

import numpy as np
import pytest

from publishing import beyond, plots

RANDOM = np.random.default_rng(0)
S, T = np.array([10, 50, 500]), np.array([100, 300, 500])


def interval(*shape):
    value = RANDOM.uniform(0.2, 0.8, (*shape, 1))
    return value + np.array([0.0, -0.1, 0.1])


CASES = {
    "steps": (
        dict.fromkeys(("flow", "law", "paths", "images_flow", "images_noise"), 1.0 / S) | {"steps": S},
        2,
    ),
    "steps_network": (
        {
            "steps": S, "images": RANDOM.normal(size=(2, 3, 8, 8, 8)), "share": interval(2, 3),
            "distance": interval(2, 3), "floor": np.array(0.1),
        },
        2 * 3 + 2,
    ),
    "decision": (
        {
            "t": T, "exact": np.array([1.0, 0.8, 0.5]), "runs": interval(3), "kept": np.array([1.0, 0.6, 0.1]),
            "figure_6": np.array([1.0, 0.6, 0.1]), "predicted": np.array(350.0), "by_chance": np.array(0.1),
        },
        2,
    ),
    "decision_network": (
        {
            "t": T, "T": np.array(500), "x_t": RANDOM.normal(size=(3, 8, 8)), "runs": RANDOM.normal(size=(3, 9, 8, 8)),
            "agreeing": np.array([9, 8, 1]), "expected": np.array([9.0, 7.5, 1.26]), "share": interval(3),
            "expected_share": np.array([1.0, 0.6, 0.1]), "spectrum": np.array(350.0), "by_chance": np.array(0.1),
        },
        2 * 3 + 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_figure_has_its_panels_and_its_note_in_both_formats(name, tmp_path):
    data, panels = CASES[name]
    figure = getattr(beyond, name)(data)
    assert len(figure.axes) == panels
    plots.save(figure, tmp_path / "f.pdf", tmp_path / "f.png", note="Demo on other data")
    assert figure.get_supxlabel() == "Demo on other data"
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


def test_the_runs_of_figure_6_that_agree_are_counted_under_them():
    figure = beyond.decision_network(CASES["decision_network"][0])
    assert [ax.texts[0].get_text() for ax in figure.axes[3:6]] == ["9 of 9\n(9.0)", "8 of 9\n(7.5)", "1 of 9\n(1.3)"]
