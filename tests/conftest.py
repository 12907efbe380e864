"""Where the tests find MNIST, and how they run the workflow for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from selenium import webdriver

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "config.yaml", "presets", "profiles", "envs", "paper", "workflow", "CITATION.cff", "LICENSE")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder of the four MNIST archives: $MNIST, or shared/mnist beside the checkout."""
    folder = Path(os.environ.get("MNIST") or ROOT.parent / "shared" / "mnist")
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"no MNIST archives in {folder}: name their folder with MNIST=/some/folder make test")
    return folder


class Checkout:
    """A copy of the workflow in a folder of its own, in which Snakemake is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)

    def bring_weights(self) -> None:
        """The trained weights too, which few tests need and which are large."""
        shutil.copytree(ROOT / "weights", self.folder / "weights")

    def snakemake(self, *arguments: str, cores: int = 2, prefix: tuple[str, ...] = (), **environment: str):
        """Run Snakemake; the result has returncode and output, both streams together."""
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        done.output = done.stdout
        return done

    def __truediv__(self, path: str) -> Path:
        return self.folder / path


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def planned(output: str) -> dict[str, int]:
    """The jobs of a dry run by rule, without the target; empty where there is nothing to do."""
    table = output.split("Job stats:")[-1].split("total")[0] if "Job stats:" in output else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.M) if name != "all"}


def rule_blocks() -> list[tuple[str, str]]:
    """The text of every rule in workflow/rules, with the name of its file."""
    return [
        (file.name, block.lstrip())
        for file in sorted((ROOT / "workflow/rules").glob("*.smk"))
        for block in re.split(r"^ *(?=rule\b|use rule )", file.read_text(encoding="utf-8"), flags=re.M)[1:]
    ]


TINY = """
preset: tiny
data: {source: digits, image_size: 8}
ddpm: {T: 20, beta_1: 1.0e-3, beta_T: 0.3, channels: 32, batch_size: 8, epochs: 0.05, images_per_epoch: 1437}
classifier: {epochs: 1, batch_size: 64}
samples: {count: 10, originals: 5}
figures: {training_images: 12, forward_times: [0, 5, 20], backward_times: [20, 10, 0]}
pde: {cells: 200, dt: 0.0025, refinement: [16, 32]}
compute: {device: cpu}
execution: {shards: 3, batch_size: 4}
"""


@pytest.fixture
def tiny(checkout) -> Checkout:
    """A checkout with a preset that takes seconds: `--configfile tiny.yaml`."""
    (checkout / "tiny.yaml").write_text(TINY)
    return checkout


@pytest.fixture
def mounted(tiny):
    """Mounts a small file system on results/; a skip where that is not allowed."""
    results = tiny / "results"
    results.mkdir()

    def mount(*options):
        done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(results)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")

    yield mount
    subprocess.run(["umount", str(results)], capture_output=True)


@pytest.fixture(scope="module")
def chromium():
    """A browser that is cut off from every network and keeps a list of what it asked for."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no Chromium here: install the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    chrome.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield chrome
    chrome.quit()
