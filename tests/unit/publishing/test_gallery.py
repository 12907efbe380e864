"""The gallery of docs/: what it shows is what the run has."""

import json
from io import BytesIO

import numpy as np
import yaml
from conftest import ROOT
from PIL import Image

from publishing.gallery import FRAMES, GREYS, WIDTH, ZOOM, animation, small_png
from publishing.rendering import render


def test_animation_shows_the_nine_images_of_each_chosen_step_and_holds_the_last():
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (101, 9, 4, 6))
    gif = Image.open(BytesIO(animation(x)))
    assert (gif.n_frames, gif.size) == (FRAMES, (3 * 6 * ZOOM, 3 * 4 * ZOOM))
    for frame, step in ((0, 0), (FRAMES - 1, 100)):
        gif.seek(frame)
        shown = np.asarray(gif.convert("L"), dtype=float)[1::ZOOM, 1::ZOOM] / 127.5 - 1
        for n in range(9):
            row, column = divmod(n, 3)
            tile = shown[4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
            assert abs(tile - np.clip(x[step, n], -1, 1)).max() < 1.02 / (GREYS - 1) + 1 / 127.5
    assert gif.info["duration"] == 2000 and gif.info["loop"] == 0


def test_animation_of_few_steps_shows_each_once():
    assert Image.open(BytesIO(animation(np.linspace(-1, 1, 3 * 9 * 16).reshape(3, 9, 4, 4)))).n_frames == 3


FIGURES = yaml.safe_load((ROOT / "workflow/figures.yaml").read_text(encoding="utf-8"))


def page(run: dict) -> str:
    return render(ROOT / "workflow/scripts/publishing/templates/gallery.md", run=run, figures=FIGURES)


def test_small_figure_keeps_its_shape(tmp_path):
    Image.new("RGB", (2000, 1000), "white").save(tmp_path / "figure.png")
    small = small_png(tmp_path / "figure.png")
    assert Image.open(BytesIO(small)).size == (WIDTH, WIDTH // 2)


def test_page_names_every_figure_and_the_claims_that_are_not_confirmed():
    claims = json.loads((ROOT / "tests/helpers/claims.json").read_text(encoding="utf-8"))
    claims["summary"] = ["3 statements of the paper: 2 confirmed", "1 statement of ours: 0 confirmed"]
    run = {
        "preset": "laptop",
        "demo_note": "Demo on other digits",
        "weights": "train",
        "training": {"image_visits": 1000, "parameters": 2000, "device": "CPU", "seconds": 90.0},
        "classifier": {"test_accuracy": 0.5, "test_images": 10},
        "samples": {"recognised_share": 0.25, "samples": 8, "confidence_threshold": 0.9},
        "figures": {"figure_3": {"rate": 0.125}},
        "claims": claims,
        "settings": {"ddpm": {"start": "weights", "T": 500}, "seed": 7},
    }
    text = page(run)
    assert all(f"(fig{n}.png)" in text for n in range(1, 8)) and "(reverse.gif)" in text
    for claim in claims["claims"]:
        assert (f"| {claim['statement']} |" in text) == (claim["verdict"] == "not confirmed")
    assert "2 confirmed. 1 statement of ours: 0 confirmed. Not confirmed:" in text and "| ours | section 2" in text
    assert "**Demo on other digits.**" in text and "| `ddpm.T` | 500 |" in text and "| `seed` | 7 |" in text
    assert "went on from the weights of an earlier training" in text and "travel with" not in text
    assert "is sure of 25.0% of the 8 generated ones, with a probability above 0.9; 12.5% are near real" in text
    assert all(f"{figure['caption']}" in text for figure in FIGURES.values())
    run["settings"]["ddpm"]["start"] = ""
    run["weights"] = "shipped"
    text = page(run)
    assert "went on from" not in text and "Its weights travel with the repository. Trained on" in text
    assert "Those of the network are of the training that made its weights." in text


def test_the_chapters_page_shows_what_was_drawn_and_every_statement():
    claims = json.loads((ROOT / "tests/helpers/claims.json").read_text(encoding="utf-8"))
    claims["summary"] = ["1 statement of ours: 1 confirmed"]
    captions = yaml.safe_load((ROOT / "workflow/beyond.yaml").read_text(encoding="utf-8"))
    text = render(
        ROOT / "workflow/scripts/publishing/templates/gallery_beyond.md",
        run={"preset": "mine", "demo_note": "", "claims": claims},
        figures=captions,
        drawn=["forcing", "decision_network"],
    )
    assert text.count(".png)") == 2 and "(forcing.png)" in text and captions["decision_network"]["caption"] in text
    for claim in claims["claims"]:
        assert f"| {claim['statement']} | {claim['verdict']} | " in text
