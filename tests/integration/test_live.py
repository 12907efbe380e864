"""The page that draws live in a real browser: Chromium, without a network, on the network of a tiny run."""

import json
import time

import numpy as np
import pytest
import torch
import yaml
from browser import Page, luminance, ratio
from conftest import ROOT, TINY, Checkout
from safetensors.torch import load_file
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.sampling import backward_process, draw_noise
from diffusion.unet import UNet
from engine.download import fetch
from engine.errors import UserError
from publishing.live import ARCHIVE, REGISTRY, SHA512

T, SIZE, SEED = 20, 8, 2025
SCHEDULE = VarianceSchedule.linear(T, 1e-3, 0.3)


@pytest.fixture(scope="session")
def engine():
    """The folder of the engine's archive: resources/ of this checkout, which npm's registry fills once."""
    try:
        if not (ROOT / "resources" / ARCHIVE).is_file():
            fetch({ARCHIVE: SHA512}, ROOT / "resources", [REGISTRY], "the engine of the live page", "sha512")
    except UserError as reason:
        pytest.skip(str(reason))
    return ROOT / "resources"


@pytest.fixture(scope="module")
def run(chromium, engine, tmp_path_factory):
    """The results of a tiny run that made the page, in a folder with spaces and accents."""
    checkout = Checkout(tmp_path_factory.mktemp("live") / "thèse de Zoë (été)")
    settings = yaml.safe_load(TINY)
    settings["execution"]["mirrors"] = [str(engine)]
    (checkout / "tiny.yaml").write_text(yaml.safe_dump(settings))
    done = checkout.snakemake("--configfile", "tiny.yaml", "--", "results/tiny/live.html")
    assert done.returncode == 0, done.output
    return checkout / "results/tiny"


class Live(Page):
    """The page, with its form and its nine places for pictures."""

    def set(self, name: str, value: object) -> None:
        """A control of the form, as a choice by hand does: the value, and the event that the browser sends with it."""
        script = (
            "const form = document.querySelector('form'), control = form.elements[arguments[0]];"
            "if (control.type === 'checkbox') control.checked = arguments[1]; else control.value = arguments[1];"
            "form.dispatchEvent(new Event('input'))"
        )
        self.chrome.execute_script(script, name, value)

    @property
    def button(self):
        return self.find("[type=submit]")

    @property
    def status(self) -> str:
        return self.find("#status").text

    def finish(self) -> None:
        WebDriverWait(self.chrome, 120, 0.1).until(lambda _: self.button.is_enabled())

    def draw(self, **choices: object) -> np.ndarray:
        """The grey values of what is drawn with these choices, (count, h, w)."""
        for name, value in choices.items():
            self.set(name, value)
        self.button.click()
        self.finish()
        return self.pictures()

    def pictures(self) -> np.ndarray:
        places = self.chrome.find_elements(By.CSS_SELECTOR, "#pictures button")
        return np.array([self.grey(p.find_element(By.TAG_NAME, "canvas")) for p in places if p.is_displayed()])

    def progress(self) -> float:
        return float(self.find("progress").get_property("position"))


@pytest.fixture
def page(chromium, run):
    page = Live(chromium, run / "live.html")
    page.open()
    return page


@pytest.fixture(scope="module")
def eps_theta(run):
    """The run's network, with its large tensors rounded to bfloat16 as the page holds them."""
    model = UNet(channels=32, image_size=SIZE)
    tensors = load_file(run / "models/ddpm.safetensors")
    model.load_state_dict({name: x.bfloat16().float() if x.numel() >= 1024 else x for name, x in tensors.items()})
    return model.for_sampling(torch.float32)


def grey(x: torch.Tensor) -> np.ndarray:
    return (np.clip(x[:, 0].numpy(), -1, 1) + 1) * 127.5


def noise(stream: str, count: int) -> torch.Tensor:
    return draw_noise(SEED, stream, range(count), T, (1, SIZE, SIZE))


def test_pictures_are_those_of_algorithm_2_in_python_from_the_same_seed(page, eps_theta):
    drawn = page.draw(steps=T, count=4, seed=SEED, fresh=True)
    z = noise("sample", 4)
    *_, (t, x) = backward_process(eps_theta, z[:, 0], lambda t: z[:, t], SCHEDULE)
    assert t == 0 and drawn.shape == (4, SIZE, SIZE)
    assert np.abs(drawn - grey(x)).max() <= 1
    assert np.abs(drawn[0] - drawn[1]).max() > 20
    assert "4 pictures in 20 steps" in page.status and "a picture, on the processor" in page.status


def test_it_begins_with_the_noise_of_that_seed(page):
    """While the network waits behind a cancel, the pictures show x_T."""
    page.set("seed", 7)
    page.set("count", 9)
    page.chrome.execute_script(
        "document.querySelector('[type=submit]').click(); document.querySelector('#cancel').click()"
    )
    page.finish()
    assert page.status.startswith("Cancelled after 0 of 180")
    x_T = draw_noise(7, "sample", range(9), T, (1, SIZE, SIZE))[:, 0]
    assert np.abs(page.pictures() - grey(x_T)).max() <= 1


def test_fewer_steps_are_algorithm_2_on_the_coarser_chain(page, eps_theta):
    """The chain seen at t = 20, 18, ..., 0 has the schedule beta_k = 1 - alpha_bar_2k / alpha_bar_2(k-1)."""
    drawn = page.draw(steps=10, count=1, seed=SEED, fresh=True)
    bar, x, z = SCHEDULE.alpha_bar[::2], noise("sample", 1)[:, 0], noise("sample", 1)
    coarse = VarianceSchedule(torch.cat([torch.zeros(1, dtype=torch.float64), 1 - bar[1:] / bar[:-1]]))
    for k in range(10, 0, -1):
        x = denoising_step(x, eps_theta(x, torch.tensor([2 * k])), z[:, 2 * k], k, coarse)
    assert np.abs(drawn - grey(x)).max() <= 1
    assert "1 picture in 10 steps" in page.status


def test_without_fresh_noise_it_is_ddim(page, eps_theta):
    drawn = page.draw(steps=10, count=1, seed=SEED, fresh=False)
    bar, x = SCHEDULE.alpha_bar.float(), noise("sample", 1)[:, 0]
    for t in range(20, 0, -2):
        eps = eps_theta(x, torch.tensor([t]))
        x_0 = (x - (1 - bar[t]).sqrt() * eps) / bar[t].sqrt()
        x = bar[t - 2].sqrt() * x_0 + (1 - bar[t - 2]).sqrt() * eps
    assert np.abs(drawn - grey(x)).max() <= 1


def test_it_starts_again_from_the_training_image_at_a_step_of_choice(page, run, eps_theta):
    page.find("input[value=picture]").click()
    drawn = page.draw(t=7, steps=T, count=4, seed=SEED, fresh=True)
    x_0 = torch.from_numpy(np.load(run / "figures/fig2.npz")["x_0"])[None, None].float()
    assert np.abs(page.grey(page.find("#source")) - grey(x_0)[0]).max() <= 1
    z = noise("figure 6", 4)
    x = forward_leap(x_0, 7, z[:1, 0], SCHEDULE).expand(4, -1, -1, -1)
    for t in range(7, 0, -1):
        x = denoising_step(x, eps_theta(x, torch.tensor([t])), z[:, t], t, SCHEDULE)
    assert np.abs(drawn - grey(x)).max() <= 1
    assert "4 pictures in 7 steps" in page.status
    assert page.find("[data-show=signal]").text == f"{float(SCHEDULE.alpha_bar[7]) ** 0.5:.3f}"


def test_a_finished_picture_can_be_the_next_start(page):
    drawn = page.draw(steps=10, count=4)
    third = page.chrome.find_elements(By.CSS_SELECTOR, "#pictures button")[2]
    assert third.accessible_name == "Picture 3: start again from it"
    third.send_keys(Keys.ENTER)
    assert page.find("input[value=picture]").is_selected() and third.get_attribute("aria-pressed") == "true"
    assert (page.grey(page.find("#source")) == drawn[2]).all()
    again = page.draw(t=1, steps=T, count=1)  # hardly any noise, and one step: hardly another picture
    assert np.abs(again[0] - drawn[2]).mean() < 12
    page.find("#original").click()
    assert np.abs(page.grey(page.find("#source")) - drawn[2]).max() > 20


def test_progress_moves_and_cancel_stops(page):
    page.set("steps", T)
    page.set("count", 9)
    page.button.click()
    assert not page.button.is_enabled()
    seen, end = set(), time.monotonic() + 60
    while len(seen) < 4 and time.monotonic() < end:
        seen.add(page.progress())
    page.find("#cancel").click()
    page.finish()
    assert len(seen) == 4 and page.status.startswith("Cancelled after ")
    stopped = page.progress()
    assert 0 < stopped < 1
    time.sleep(0.5)
    assert page.progress() == stopped
    page.draw(count=1)
    assert page.progress() == 1


def test_keys_draw_and_cancel_and_the_focus_is_seen(page):
    page.find("[name=seed]").click()
    reached = []
    for _ in range(4):
        ActionChains(page.chrome).send_keys(Keys.TAB).perform()
        focused = page.chrome.switch_to.active_element
        reached.append(focused.accessible_name.split(",")[0])
        assert focused.value_of_css_property("outline-style") == "solid"
    assert reached == ["add fresh noise z in each step", "Draw", "Other seed", reached[-1]]
    seed = page.find("[name=seed]")
    seed.send_keys(Keys.ENTER)
    assert not page.button.is_enabled()
    ActionChains(page.chrome).send_keys(Keys.ESCAPE).perform()
    page.finish()
    assert page.status.startswith("Cancelled")
    seed.clear()
    seed.send_keys("5000000000", Keys.ENTER)  # above 2^32: the browser says so, and nothing is drawn
    assert page.button.is_enabled() and page.status.startswith("Cancelled")


def test_the_page_says_which_network_it_is(page, run):
    footer = page.find("footer").text
    summary = json.loads((run / "models/ddpm.json").read_text())
    for words in ("“tiny”", f"{summary['parameters']:,} parameters", "8×8", "T = 20", "bfloat16", "1.30.0"):
        assert words in footer, words
    assert page.find("#note").text == "Demo on scikit-learn's 8×8 digits, not on MNIST"


def test_the_formulas_are_those_of_the_choice(page):
    def shown() -> list[str]:
        return [f.text for f in page.chrome.find_elements(By.CSS_SELECTOR, ".formula") if f.is_displayed()]

    page.set("fresh", True)
    assert len(shown()) == 2 and "(19)" in shown()[0]
    page.set("fresh", False)
    assert len(shown()) == 2 and not any("(19)" in text for text in shown())


def test_asks_for_nothing_outside_itself_and_has_no_complaint(chromium, page):
    chromium.get_log("performance"), chromium.get_log("browser")
    page.open()
    page.draw(count=1, steps=10)
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url for url in urls if not url.startswith(("data:", "blob:"))} == {page.file.as_uri()}
    complaints = [entry["message"] for entry in chromium.get_log("browser")]
    assert [text for text in complaints if "No available adapters" not in text] == []  # Chromium's word for: no GPU


@pytest.mark.parametrize("width, height", [(320, 640), (360, 740), (768, 1024), (1280, 720), (1920, 1080)])
def test_nothing_sticks_out_at_any_width(page, width, height):
    page.open(width, height, touch=width < 500)
    for start in ("noise", "picture"):
        for fresh in (True, False):
            page.set("start", start)
            page.set("fresh", fresh)
            assert page.sticking_out() == []
            assert page.chrome.execute_script("return document.documentElement.scrollWidth") <= width
    if width < 500:
        for control in page.chrome.find_elements(By.CSS_SELECTOR, ".go button, select, input[type=number], #t"):
            assert not control.is_displayed() or control.size["height"] >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_is_legible_in_light_and_dark(page, scheme):
    page.open(prefers_color_scheme=scheme)
    page.set("start", "picture")
    ground = luminance(page.colour("html", "backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    for selector in ("html", "footer", "legend", "select", "#another", "#cancel", ".source .signal", ".source .noise"):
        assert ratio(ground, luminance(page.colour(selector, "color"))) >= 4.5, selector
    own = (luminance(page.colour("[type=submit]", name)) for name in ("color", "backgroundColor"))
    assert ratio(*own) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_high_contrast_keeps_buttons_fields_and_the_bar(page, scheme):
    page.open(forced_colors="active", prefers_color_scheme=scheme)
    page.draw(count=1, steps=10)
    for control in page.chrome.find_elements(By.CSS_SELECTOR, ".go button, select, input[type=number]"):
        assert not control.is_displayed() or page.contrasting(control).mean() > 0.02  # its border and its label
    assert page.contrasting(page.find("progress")).mean() > 0.7
    page.set("count", 9)
    page.set("steps", T)
    page.button.click()
    page.find("#cancel").click()
    page.finish()
    filled = page.progress()
    assert filled < 0.9 and abs(page.contrasting(page.find("progress")).mean() - filled) < 0.2
