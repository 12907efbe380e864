"""The page for the classroom in a real browser: Chromium, without a network, on the page of a tiny run."""

import base64
import json
import math
import re
import time
from io import BytesIO

import numpy as np
import pytest
import yaml
from browser import Page, luminance, ratio
from conftest import TINY, Checkout
from pypdf import PdfReader
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

SECTIONS = ("forward", "backward", "pde")
T = 20
ALPHA_BAR = np.concatenate([[1], np.cumprod(1 - np.linspace(1e-3, 0.3, T))])


@pytest.fixture(scope="module")
def run(chromium, tmp_path_factory):
    """The results of a tiny run that made the page, in a folder with spaces and accents."""
    checkout = Checkout(tmp_path_factory.mktemp("runs") / "thèse de Zoë (été)")
    (checkout / "tiny.yaml").write_text(TINY)
    done = checkout.snakemake("--configfile", "tiny.yaml", "--", "results/tiny/classroom.html")
    assert done.returncode == 0, done.output
    return checkout / "results/tiny"


class Classroom(Page):
    """The page for the classroom, with its three sliders."""

    def slider(self, section: str):
        return self.find(f"#{section} input")

    def frame(self, section: str) -> int:
        return int(self.slider(section).get_property("value"))

    def last(self, section: str) -> int:
        return int(self.slider(section).get_property("max"))

    def go(self, section: str, frame: int) -> None:
        """As a drag does: the value, and the event that the browser sends with it."""
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.chrome.execute_script(script, self.slider(section), frame)

    def text(self, section: str, name: str) -> str:
        return self.find(f"#{section} [data-show={name}]").get_property("textContent")

    def number(self, section: str, name: str) -> float:
        return number(self.text(section, name))

    def cells(self, row: int) -> list[str]:
        """A row of the PDE's table: 1 the modes, 2 their amplitudes, 3 the rates now, 4 the rates by (23)."""
        return self.chrome.execute_script(
            "const cells = document.querySelectorAll('.modes tr')[arguments[0]].querySelectorAll('td');"
            "return [...cells].map(cell => cell.textContent)",
            row,
        )

    def picture(self, section: str) -> str:
        """All that the section draws."""
        return self.chrome.execute_script(
            "const s = document.getElementById(arguments[0]);"
            "return [...s.querySelectorAll('canvas')].map(c => c.toDataURL()).join()"
            " + [...s.querySelectorAll('.drag path')].map(p => p.getAttribute('d')).join()",
            section,
        )


def number(text: str) -> float:
    """What a number on the page means: minus signs and powers of ten as typeset."""
    plain = text.replace("−", "-").translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    return float(plain.replace("·10", "e"))


@pytest.fixture
def classroom(chromium, run):
    page = Classroom(chromium, run / "classroom.html")
    page.open()
    return page


def test_opens_from_a_file_without_a_network_and_without_a_complaint(chromium, classroom):
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url for url in urls if not url.startswith("data:")} == {classroom.file.as_uri()}
    for section in SECTIONS:
        for frame in range(classroom.last(section) + 1):
            classroom.go(section, frame)
    assert chromium.get_log("browser") == []


def test_says_that_it_is_a_demo(classroom):
    assert classroom.find("#note").is_displayed()
    assert classroom.find("#note").text == "Demo on scikit-learn's 8×8 digits, not on MNIST"


def test_forward_numbers_are_those_of_the_schedule_at_every_step(classroom):
    assert classroom.last("forward") == T
    for t in range(T + 1):
        classroom.go("forward", t)
        assert classroom.text("forward", "t") == str(t)
        assert abs(classroom.number("forward", "alpha_bar") - ALPHA_BAR[t]) <= 0.51e-5
        assert abs(classroom.number("forward", "signal") - math.sqrt(ALPHA_BAR[t])) <= 0.51e-4
        assert abs(classroom.number("forward", "noise") - math.sqrt(1 - ALPHA_BAR[t])) <= 0.51e-4


def test_backward_numbers_are_the_coefficients_of_19(classroom):
    beta = np.concatenate([[0], np.linspace(1e-3, 0.3, T)])
    for frame in range(T + 1):
        classroom.go("backward", frame)
        t = T - frame
        assert classroom.text("backward", "t") == str(t)
        assert abs(classroom.number("backward", "alpha_bar") - ALPHA_BAR[t]) <= 0.51e-5
        assert classroom.find("#backward [data-if=end]").is_displayed() == (t == 0)
        assert classroom.find("#backward [data-if=step]").is_displayed() == (t > 0)
        if t > 0:
            sigma = math.sqrt(beta[t] * (1 - ALPHA_BAR[t - 1]) / (1 - ALPHA_BAR[t]))
            assert abs(classroom.number("backward", "scale") - 1 / math.sqrt(1 - beta[t])) <= 0.51e-4
            assert abs(classroom.number("backward", "taken") - beta[t] / math.sqrt(1 - ALPHA_BAR[t])) <= 0.51e-4
            assert abs(classroom.number("backward", "sigma") - sigma) <= 0.51e-4


def test_pictures_are_the_images_of_the_run(classroom, run):
    for section, frames in (("forward", (0, 7, T)), ("backward", (0, 12, T))):
        images = np.load(run / f"classroom/{section}.npz")["images"]
        for frame in frames:
            classroom.go(section, frame)
            pictures = images[frame] if section == "backward" else images[frame][None]
            for canvas, image in zip(
                classroom.chrome.find_elements(By.CSS_SELECTOR, f"#{section} canvas"), pictures, strict=False
            ):
                assert np.abs(classroom.grey(canvas) - (np.clip(image, -1, 1) + 1) * 127.5).max() <= 1


def test_the_curve_is_the_solution_of_the_run(classroom, run):
    with np.load(run / "figures/fig7.npz") as data:
        x, t, u = data["x"], data["t"], data["u"]
    for frame in (0, 45, len(t) - 1):
        classroom.go("pde", frame)
        assert classroom.number("pde", "t") == pytest.approx(t[frame], abs=1e-3)
        points = re.findall(r"([\d.]+),([\d.]+)", classroom.find("#pde .curve").get_attribute("d"))
        across, down = np.array(points, dtype=float).T
        drawn = np.interp(x, (across - 36) / 356 * (x[0] + x[-1]), (134 - down) / 120)
        # Numbers of the path have one decimal of 120 units; the largest |u| on the grid misses that at the ends.
        assert np.abs(drawn - u[frame] / np.abs(u).max()).max() < 2e-3


def test_norm_and_mean_are_kept_and_the_modes_hand_over_down_to_the_first(classroom):
    N = yaml.safe_load(TINY)["pde"]["cells"]
    rate = np.array([(2 * N / math.pi * math.sin(k * math.pi / (2 * N))) ** 2 for k in range(1, 7)])
    start = np.array([4.0e-11, 2.5e-8, 1.4e-5, 2.9e-3, 0.13, 1.0])
    C, leaders = [], []
    for frame in range(classroom.last("pde") + 1):
        classroom.go("pde", frame)
        C.append(classroom.text("pde", "C"))
        leaders.append(int(classroom.text("pde", "leader")))
        assert abs(classroom.number("pde", "mean")) < 1e-12
    assert set(C) == {C[0]} and float(C[0]) == pytest.approx(np.sum(rate * start**2), rel=1e-7)
    assert leaders[0] == 6 and leaders[-1] == 1 and leaders == sorted(leaders, reverse=True)


def test_rates_are_the_slopes_of_the_modes(classroom, run):
    """Rate now: the slope of log |a_j| in the run. By (23): its limit at a steady state, reached at the end."""
    with np.load(run / "figures/fig7.npz") as data:
        t, log_a = data["t"], np.log(np.abs(data["amplitudes"][:, 1:]))
    frame = 60
    classroom.go("pde", frame)
    slopes = (log_a[frame + 1] - log_a[frame - 1]) / (t[frame + 1] - t[frame - 1])
    assert [number(cell) for cell in classroom.cells(3)[:3]] == pytest.approx(slopes[:3].tolist(), abs=0.2)
    classroom.go("pde", classroom.last("pde"))
    now, theory = classroom.cells(3), classroom.cells(4)
    assert now[0] == "0" and theory[0] == "rules"
    assert [number(cell) for cell in now[1:3]] == [number(cell) for cell in theory[1:3]]
    assert [number(cell) for cell in theory[1:3]] == pytest.approx([1 - 4, 1 - 9], abs=0.05)


@pytest.mark.parametrize("section", SECTIONS)
def test_keys_move_and_the_picture_and_the_words_follow(classroom, section):
    slider, last = classroom.slider(section), classroom.last(section)
    step = max(1, round(last / 100))
    pictures, words = {0: classroom.picture(section)}, {0: slider.get_attribute("aria-valuetext")}
    for key, frame in [
        (Keys.ARROW_RIGHT, step), (Keys.ARROW_UP, 2 * step), (Keys.ARROW_LEFT, step), (Keys.PAGE_UP, 11 * step),
        (Keys.ARROW_DOWN, 10 * step), (Keys.END, last), (Keys.PAGE_DOWN, last - 10 * step), (Keys.HOME, 0),
    ]:  # fmt: skip
        slider.send_keys(key)
        assert classroom.frame(section) == frame
        pictures[frame], words[frame] = classroom.picture(section), slider.get_attribute("aria-valuetext")
    assert len(set(pictures.values())) == len(set(words.values())) == len(pictures)


@pytest.mark.parametrize("section", SECTIONS)
def test_space_and_button_play_and_pause(classroom, section):
    slider, button = classroom.slider(section), classroom.find(f"#{section} button")
    slider.send_keys(Keys.SPACE)
    assert button.text == "Pause"
    WebDriverWait(classroom.chrome, 5).until(lambda _: classroom.frame(section) >= 2)
    slider.send_keys(Keys.SPACE)
    stopped = classroom.frame(section)
    time.sleep(1)
    assert button.text == "Play" and classroom.frame(section) == stopped
    classroom.go(section, classroom.last(section) - 1)
    button.click()
    WebDriverWait(classroom.chrome, 5).until(lambda _: button.text == "Play")
    assert classroom.frame(section) == classroom.last(section)


def test_who_asks_for_less_motion_gets_stills_and_nothing_plays_by_itself(classroom):
    classroom.open(prefers_reduced_motion="reduce")
    classroom.find("#forward button").click()
    end, seen = time.monotonic() + 4.6, set()
    while time.monotonic() < end:
        seen.add(classroom.frame("forward"))
    assert seen == {0, 2, 4}
    assert classroom.frame("backward") == classroom.frame("pde") == 0


@pytest.mark.parametrize("section", SECTIONS)
def test_the_mouse_drags_the_slider_and_the_picture(classroom, section):
    slider, before = classroom.slider(section), classroom.picture(section)
    across = slider.size["width"]
    ActionChains(classroom.chrome).move_to_element_with_offset(
        slider, -across // 2 + 20, 0
    ).click_and_hold().move_by_offset(across // 3, 0).release().perform()
    frame, last = classroom.frame(section), classroom.last(section)
    assert frame == pytest.approx(last / 3, abs=0.06 * last + 1)
    assert classroom.picture(section) != before
    picture = classroom.find(f"#{section} .drag")
    classroom.show(picture)
    ActionChains(classroom.chrome).move_to_element(picture).click_and_hold().move_by_offset(
        picture.size["width"] // 4, 0
    ).release().perform()
    assert classroom.frame(section) - frame == pytest.approx(last / 4, abs=0.02 * last + 1)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_finger_drags_the_slider(classroom, section):
    classroom.open(360, 740, touch=True)
    slider = classroom.slider(section)
    assert slider.size["height"] >= 44 and classroom.find(f"#{section} button").size["height"] >= 44
    classroom.show(slider)
    box = classroom.chrome.execute_script("return arguments[0].getBoundingClientRect().toJSON()", slider)
    y, before = box["top"] + box["height"] / 2, classroom.picture(section)
    for kind, share in (("touchStart", 0.05), ("touchMove", 0.3), ("touchMove", 0.6), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["left"] + share * box["width"], "y": y}]
        classroom.cdp("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    last = classroom.last(section)
    assert classroom.frame(section) == pytest.approx(0.6 * last, abs=0.1 * last)
    assert classroom.picture(section) != before


@pytest.mark.parametrize("width, height", [(320, 640), (360, 740), (768, 1024), (1280, 720), (1920, 1080), (740, 360)])
def test_nothing_sticks_out_at_any_width(classroom, width, height):
    classroom.open(width, height, touch=width < 500)
    for end in (0, 10**6):
        for section in SECTIONS:
            classroom.go(section, end)
        assert classroom.sticking_out() == []
        assert classroom.chrome.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_is_legible_in_light_and_dark(classroom, scheme):
    classroom.open(prefers_color_scheme=scheme)
    ground = luminance(classroom.colour("html", "backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    for selector in ("html", "footer", "dd.signal", "dd.noise", ".demo", "dt"):
        assert ratio(ground, luminance(classroom.colour(selector, "color"))) >= 4.5, selector


def test_sliders_have_names_and_values_in_words_and_the_focus_is_seen(classroom):
    names = ["Step t of the forward process", "Step t of the backward process, from T down to 0", "Time t of the PDE"]
    values = ["t = 0 of 20, 100% signal", "t = 20, from 20 down to 0, ", "t = 0.00, mode 6 rules"]
    for section, name, value in zip(SECTIONS, names, values, strict=True):
        slider = classroom.slider(section)
        assert slider.aria_role == "slider" and slider.accessible_name == name
        assert slider.get_attribute("aria-valuetext").startswith(value)
        assert classroom.find(f"#{section} button").accessible_name.startswith("Play: ")
        assert (
            classroom.find(f"#{section} .drag").accessible_name == f"Picture: {slider.get_attribute('aria-valuetext')}"
        )
    reached = []
    for _ in range(9):
        ActionChains(classroom.chrome).send_keys(Keys.TAB).perform()
        focused = classroom.chrome.switch_to.active_element
        reached.append(focused.tag_name)
        assert focused.value_of_css_property("outline-style") == "solid"
    assert reached == ["a"] * 3 + ["button", "input"] * 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_high_contrast_keeps_bars_tracks_labels_and_the_ruling_mode(classroom, scheme):
    """In forced colours a browser takes backgrounds away: nothing may be said by them alone."""
    classroom.open(forced_colors="active", prefers_color_scheme=scheme)
    classroom.go("pde", classroom.last("pde") // 3)
    solid, hatched = (classroom.contrasting(classroom.find(f".bars .{kind} div")) for kind in ("grows", "dies"))
    assert solid.mean() > 0.95 and 0.3 < hatched.mean() < 0.9
    for section in SECTIONS:
        track = classroom.contrasting(classroom.slider(section))
        assert track[:, 60:-60].any(axis=0).mean() > 0.95
        assert classroom.contrasting(classroom.find(f"#{section} button")).mean() > 0.03  # its border and its label
    now = classroom.contrasting(classroom.find(".phases .now"))
    other = classroom.contrasting(classroom.find(".phases span:not(.now)"))
    assert now.mean() > 0.3 > other.mean()
    button = classroom.find("#pde button")
    colour, ground = (luminance(button.value_of_css_property(name)) for name in ("color", "background-color"))
    assert abs(colour - ground) > 0.5


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("width, height", [(8.27, 11.69), (8.5, 11), (11.69, 8.27)])
def test_printed_it_has_a_page_for_each_experiment_and_its_bars(classroom, width, height, background):
    classroom.open(prefers_color_scheme="dark")
    for section in SECTIONS:
        classroom.go(section, classroom.last(section) // 3)
    printed = classroom.cdp("Page.printToPDF", printBackground=background, paperWidth=width, paperHeight=height)
    pages = PdfReader(BytesIO(base64.b64decode(printed["data"]))).pages
    texts = [page.extract_text() for page in pages]
    assert [len(page.images) for page in pages] == [3, 9, 0], "the pictures of an experiment stay together"
    titles = ("1 Forwards", "2 Backwards", "3 The norm-preserving")
    assert [[title in text for title in titles] for text in texts] == np.eye(3, dtype=bool).tolist()
    assert ["Ask:" in text for text in texts] == [True] * 3
    assert not any(word in text for text in texts for word in ("Play", "Page Up", "1 A digit dissolves"))
    drawing = pages[2].get_contents().get_data().decode("latin-1")
    bars = {kind: len(classroom.chrome.find_elements(By.CSS_SELECTOR, f".bars .{kind}")) for kind in ("grows", "dies")}
    filled = re.findall(r"\.6902 \.2667 \.0392 rg\n/G\d+ gs\n[\d. ]+ re\nf", drawing)
    hatched = re.findall(r"/P\d+ scn\n/G\d+ gs\n[\d. ]+ re\nf", drawing)
    assert len(filled) == bars["grows"] > 0
    assert len(hatched) >= bars["dies"] > 0
