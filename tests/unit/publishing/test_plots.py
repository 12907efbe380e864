"""The figures: tiles in their places, every panel there, also where a category is empty."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from publishing import plots

RANDOM = np.random.default_rng(0)


def test_small_images_are_drawn_enlarged_and_keep_their_place_and_values():
    flat = np.full((2, 8, 8), 0.25)
    large = plots.enlarged(flat)
    assert large.shape == (2, 8 * plots.ENLARGEMENT, 8 * plots.ENLARGEMENT) and np.allclose(large, 0.25)
    x = np.arange(8.0)
    slope = plots.enlarged(np.tile(x, (1, 8, 1)))[0]
    # The centre of an old pixel is that of the middle one of three new ones.
    assert np.allclose(slope[:, 1::3][:, 2:-2], x[2:-2], atol=0.02) and np.allclose(slope, slope[:1])
    assert plots.enlarged(flat[:0]).shape == (0, *large.shape[1:])
    noise = np.random.default_rng(0).standard_normal((1, 8, 8))
    assert np.array_equal(plots.enlarged(noise, 5)[:, ::3, ::3], noise)  # as it is, and each value nine times
    assert len(np.unique(plots.enlarged(noise, 5))) == 64
    mnist = np.zeros((2, 28, 28))
    assert plots.enlarged(mnist) is mnist


def test_tiles_stand_in_rows_with_gaps():
    canvas = plots.tiled(np.arange(5 * 6).reshape(5, 2, 3), columns=2, gap=1)
    assert canvas.shape == (8, 7)
    assert canvas[0:2, 0:3].ravel().tolist() == list(range(6))
    assert canvas[3:5, 4:7].ravel().tolist() == list(range(18, 24))
    assert np.isnan(canvas[2]).all() and np.isnan(canvas[:, 3]).all() and np.isnan(canvas[6:, 4:]).all()


def images(*n):
    return RANDOM.normal(size=(*n, 8, 8))


def pde():
    t, x = np.linspace(0, 1, 50), np.linspace(0.05, 0.95, 10)
    a = np.exp(-np.outer(t, np.arange(4)))
    return {
        "x": x, "t": t, "u": np.outer(np.exp(-t), np.cos(np.pi * x)), "C": 1.0, "amplitudes": a,
        "eigenvalues": np.arange(4.0) ** 2, "profile_times": np.array([0.0, 0.5]),
    }  # fmt: skip


CASES = {
    "training_images": ({"images": RANDOM.integers(0, 256, (12, 8, 8), dtype=np.uint8)}, 1),
    "forward_process": ({"t": np.array([0, 5, 20]), "images": images(3)}, 3),
    "backward_process": ({"t": np.array([20, 10, 5, 0]), "images": images(4, 9)}, 6),
    "categories": ({"images": images(7), "label": np.array([0, 0, 3, 3, 3, 9, 1])}, 10),
    "one_gaussian": ({"x_T": images(), "images": images(9)}, 2),
    "training_image": ({"x_0": images(), "x_T": images(), "images": images(9)}, 3),
    "norm_preserving_pde": (pde(), 4),
    "learning_curve": (pd.DataFrame({"images": [1, 2, 3], "loss": [1.0, 0.5, 0.3]}), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_figure_has_its_panels_and_its_note_in_both_formats(name, tmp_path):
    data, panels = CASES[name]
    figure = getattr(plots, name)(data)
    assert len(figure.axes) == panels
    plots.save(figure, tmp_path / "f.pdf", tmp_path / "f.png", note="Demo on other data")
    assert figure.get_supxlabel() == "Demo on other data"
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_panels_of_figure_4_name_the_category_and_its_count():
    figure = plots.categories(CASES["categories"][0])
    assert [ax.get_title() for ax in figure.axes][:4] == ["“0”: 2", "“1”: 1", "“2”: 0", "“3”: 3"]


def test_same_data_same_bytes(tmp_path):
    for name in ("a", "b"):
        figure = plots.one_gaussian(CASES["one_gaussian"][0])
        plots.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_bytes_do_not_depend_on_the_users_settings(tmp_path):
    data = {"images": np.zeros((3, 8, 8), np.uint8)}
    for name, settings in (("plain", {}), ("other", {"figure.facecolor": "black", "savefig.bbox": "tight"})):
        with mpl.rc_context(settings | ({"text.usetex": True, "image.cmap": "jet"} if settings else {})):
            plots.save(plots.training_images(data), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"plain.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()
