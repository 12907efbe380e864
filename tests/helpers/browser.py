"""A page in a browser, as someone in front of it sees and handles it."""

import re
from io import BytesIO

import numpy as np
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait


class Page:
    """A page that was opened from a file."""

    def __init__(self, chrome, file):
        self.chrome, self.file = chrome, file

    def cdp(self, command: str, **arguments):
        return self.chrome.execute_cdp_cmd(command, arguments)

    def open(self, width: int = 1280, height: int = 800, touch: bool = False, **media: str):
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.cdp("Emulation.setEmulatedMedia", features=features)
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=touch)
        self.chrome.get("about:blank")
        self.chrome.get(self.file.as_uri())
        WebDriverWait(self.chrome, 60).until(
            lambda c: c.execute_script("return document.documentElement.dataset.ready")
        )

    def find(self, selector: str):
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def show(self, element) -> None:
        """Scroll to it, clear of the sliders at the lower edge, and wait until it is painted there.

        A frame's callbacks run before its painting, so the second one finds the first frame painted.
        """
        script = (
            "const [element, done] = arguments; element.scrollIntoView({block: 'center', behavior: 'instant'});"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))"
        )
        self.chrome.execute_async_script(script, element)

    def grey(self, canvas) -> np.ndarray:
        """What a canvas shows, (h, w), from 0 to 255."""
        script = "const c = arguments[0]; return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        pixels = int(canvas.get_property("width"))
        return np.array(self.chrome.execute_script(script, canvas)).reshape(-1, pixels, 4)[..., 0]

    def sticking_out(self) -> list[str]:
        """The elements that lie outside the window, or formulas that do not fit, as HTML."""
        return self.chrome.execute_script(
            "const wide = document.documentElement.clientWidth;"
            "return [...document.querySelectorAll('body, body *')].filter(e => e.checkVisibility() &&"
            " (e.getBoundingClientRect().right > wide + 0.5 || e.getBoundingClientRect().left < -0.5"
            " || e.matches('.formula') && e.scrollWidth > e.clientWidth + 1)).map(e => e.outerHTML.slice(0, 200))"
        )

    def colour(self, selector: str, name: str) -> str:
        """The value of a property in the style that an element has on the page."""
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return self.chrome.execute_script(script, selector, name)

    def contrasting(self, element) -> np.ndarray:
        """Of each pixel of an element: does it stand out from the ground by 3 to 1, as WCAG 2 asks of graphics?"""
        self.show(element)
        image = Image.open(BytesIO(element.screenshot_as_png)).convert("RGB")
        parts = np.asarray(image, float) / 255
        light = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        ground = luminance(self.find("html").value_of_css_property("background-color"))
        return (np.maximum(light, ground) + 0.05) / (np.minimum(light, ground) + 0.05) >= 3


def luminance(colour: str) -> float:
    """Relative luminance of rgb(...), as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one: float, other: float) -> float:
    """The contrast of two luminances, as WCAG 2 defines it: from 1 to 21."""
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)
