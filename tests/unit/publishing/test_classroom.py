"""The page for the classroom: its pictures hold what the paper's formulas say, and its data fit into the file.

What the page does with them in a browser: tests/integration/test_browser.py.
"""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.pde import Grid, combination, multiplier, solve, steady_state
from publishing.classroom import backward_frames, forward_frames, pde_frames, sprite
from publishing.rendering import render

TEMPLATE = ROOT / "workflow/scripts/publishing/templates/classroom.html"
RANDOM = np.random.default_rng(0)


def decoded(url: str, pixels: int) -> np.ndarray:
    """The grey values of a sprite, as frames by pictures by rows by columns."""
    kind, content = url.split(",")
    assert kind == "data:image/png;base64"
    sheet = np.array(Image.open(BytesIO(base64.b64decode(content))))
    return sheet.reshape(-1, pixels, sheet.shape[1] // pixels, pixels).swapaxes(1, 2)


def test_sprite_holds_every_picture_in_its_place_and_clips():
    grey = RANDOM.integers(0, 256, (3, 2, 4, 4))
    images = grey / 127.5 - 1
    assert (decoded(sprite(images), 4) == grey).all()
    assert (decoded(sprite(np.full((1, 1, 4, 4), 7.0)), 4) == 255).all()


def test_pictures_of_the_forward_process_are_the_two_terms_of_the_leap():
    schedule = VarianceSchedule.linear(10, 0.01, 0.3)
    t = np.array([0, 4, 10])
    x_0, eps = (torch.from_numpy(RANDOM.uniform(-0.4, 0.4, (1, 1, 8, 8))) for _ in range(2))
    x = np.stack([forward_leap(x_0, int(step), eps, schedule)[0, 0].numpy() for step in t])
    frames = forward_frames({"t": t, "images": x}, schedule)
    assert np.allclose(frames["alpha_bar"], [np.prod(1 - np.linspace(0.01, 0.3, 10)[:n]) for n in t])
    for pictures, step in zip(decoded(frames["sprite"], 8), t, strict=True):
        alpha_bar = np.prod(1 - np.linspace(0.01, 0.3, 10)[:step])
        x_t, signal, noise = pictures / 127.5 - 1
        assert np.allclose(signal, np.sqrt(alpha_bar) * x_0[0, 0], atol=1 / 250)
        assert np.allclose(noise, np.sqrt(1 - alpha_bar) * eps[0, 0], atol=1 / 250)
        assert np.allclose(x_t, signal + noise, atol=3 / 250)


def test_frames_of_the_backward_process_have_the_coefficients_of_19():
    t = np.array([2, 1, 0])
    frames = backward_frames({"t": t, "images": np.zeros((3, 9, 8, 8))}, VarianceSchedule.linear(2, 0.1, 0.2))
    assert np.allclose(frames["alpha"], [0.8, 0.9, 1.0])
    assert np.allclose(frames["alpha_bar"], [0.72, 0.9, 1.0])
    assert np.allclose(frames["sigma"], [np.sqrt(0.2 * 0.1 / 0.28), 0.0, 0.0])
    assert decoded(frames["sprite"], 8).shape == (3, 9, 8, 8)


@pytest.fixture(scope="module")
def solution() -> dict:
    """Of the PDE from 10 phi_2 + phi_1, so that phi_1 takes over at some time."""
    grid = Grid(2.0, 64)
    solved = solve(combination(np.array([1.0, 10.0]), grid.x, grid.L), grid, 0.002, 400)
    amplitudes = grid.amplitudes(solved.u)[:, :3]
    return {"u": solved.u, "t": solved.t, "amplitudes": amplitudes, "eigenvalues": grid.eigenvalues[:3], "grid": grid}


def test_frames_of_the_pde_are_its_solution_with_its_invariant_and_its_multiplier(solution):
    grid, frames = solution["grid"], pde_frames(solution, 2.0)
    for n in (0, 200, 400):
        drawn = np.array(frames["amplitudes"][n]) @ np.array(frames["basis"])
        assert np.allclose(np.interp(grid.x, frames["x"], drawn), solution["u"][n], atol=2e-3 * frames["largest"])
        assert frames["C"][n] == pytest.approx(grid.gradient_norm(solution["u"][n]), rel=1e-9)
        assert frames["mu"][n] == pytest.approx(multiplier(solution["u"][n], grid), rel=1e-6)
        assert frames["mean"][n] == pytest.approx(0, abs=1e-12)
        assert sum(np.square(frames["relative"][n])) == pytest.approx(1)
    assert frames["largest"] == pytest.approx(np.abs(solution["u"]).max(), rel=1e-2)


def test_frames_of_the_pde_know_which_mode_rules_and_how_fast_the_others_grow(solution):
    frames = pde_frames(solution, 2.0)
    first, second = frames["reigns"]
    assert (first["k"], second["k"], first["from"], second["to"]) == (2, 1, 0.0, pytest.approx(0.8))
    assert frames["leader"] == [2 if t < second["from"] else 1 for t in frames["t"]]
    x, grid = np.array(frames["x"]), solution["grid"]
    for n in (0, -1):  # the steady state on the solution's side
        k, exact = frames["leader"][n], steady_state(frames["leader"][n], x, 2.0, frames["C"][n])
        assert np.allclose(frames["steady"][n] * np.array(frames["basis"][k]), exact, rtol=2e-3, atol=1e-9)
    rate = grid.eigenvalues[:3]
    assert np.allclose(frames["growth"], [[rate[k] - rate[j] for j in range(3)] for k in range(3)])
    slope = np.log(np.abs(solution["amplitudes"][201, 1] / solution["amplitudes"][199, 1])) / (2 * 0.002)
    assert frames["rates"][200][1] == pytest.approx(slope, rel=1e-2)


class DataOf(HTMLParser):
    """What a browser takes for the content of the element `data`."""

    inside, content = False, ""

    def handle_starttag(self, tag, attributes):
        self.inside = ("id", "data") in attributes

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, text):
        self.content += text if self.inside else ""


def test_data_come_back_whole_from_the_page_whatever_they_say():
    data = {"note": "8×8 </script><script>alert(1)</script> <!-- & \\u003c", "x": [0.1, 1e-17, -3]}
    reader = DataOf()
    reader.feed(render(TEMPLATE, data=data))
    assert json.loads(reader.content) == data


def test_a_number_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        render(TEMPLATE, data={"x": float("nan")})


def test_the_page_asks_for_nothing_outside_itself_and_has_its_parts_once():
    page = render(TEMPLATE, data={})
    loaded = re.findall(
        r"(?:<[^>]*\bsrc|<link[^>]*\bhref)\s*=\s*[\"']?([^\"'\s>]+)|\burl\(([^)]*)\)|@import|\bfetch\(", page
    )
    assert loaded == [("data:,", "")]
    for kind in ("css", "js"):
        assert page.count(TEMPLATE.with_suffix(f".{kind}").read_text(encoding="utf-8")) == 1


def test_the_largest_page_is_below_three_megabytes():
    """Noise does not compress: 101 steps of the paper's nine images, and a thousand times of the PDE."""
    t, schedule = np.arange(0, 501, 5), VarianceSchedule.linear(500, 1e-4, 0.02)
    solution = {
        "t": np.linspace(0, 4, 1001), "amplitudes": RANDOM.normal(size=(1001, 7)), "eigenvalues": np.arange(7.0) ** 2,
    }  # fmt: skip
    data = {
        "forward": forward_frames({"t": t, "images": RANDOM.normal(size=(101, 32, 32))}, schedule),
        "backward": backward_frames({"t": t[::-1], "images": RANDOM.normal(size=(101, 9, 32, 32))}, schedule),
        "pde": pde_frames(solution, np.pi),
    }
    assert len(render(TEMPLATE, data=data).encode()) < 3e6
