"""Training killed at random moments ends with bitwise the weights of an uninterrupted one.

`KILLS=20 make test` kills twenty times; the default is three.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

KILLS = int(os.environ.get("KILLS", "3"))

# One training, as the rule's script runs it but without Snakemake, which would only add its own start to each attempt.
TRAINING = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from diffusion.files import StateFolder
from diffusion.forward import VarianceSchedule
from diffusion.training import TrainingSettings, train
from diffusion.unet import UNet

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
images = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)
settings = TrainingSettings(3, steps, 4, 1e-3, (0.9, 0.999), averaging=0.99, history_steps=7)
states = StateFolder(folder / "states", "0" * 16)
schedule = VarianceSchedule.linear(10, 0.01, 0.3)
print("started", flush=True)
training = train(UNet(32, 8), images, schedule, settings, torch.device("cpu"), torch.float32, states, 0.05)
save_file(training.weights(), folder / "weights.safetensors")
(folder / "history.json").write_text(json.dumps([(row["step"], row["loss"]) for row in training.history]))
"""


def start(folder: Path, steps: int) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-c", TRAINING, str(folder), str(steps)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_at_random_moments_and_bitwise_the_same(tmp_path):
    steps = 40 * KILLS
    whole = tmp_path / "whole"
    assert start(whole, steps).wait() == 0

    parts, moments, kills = tmp_path / "parts", random.Random(0), 0
    while True:
        training = start(parts, steps)
        training.stdout.readline()  # the imports are over
        if kills == KILLS:
            assert training.wait() == 0
            break
        time.sleep(moments.uniform(0.0, 1.5))
        if training.poll() is not None:
            break
        training.send_signal(signal.SIGKILL)
        training.wait()
        kills += 1
    print(f"killed {kills} times")
    assert kills >= min(3, KILLS)
    expected, found = (load_file(folder / "weights.safetensors") for folder in (whole, parts))
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert (whole / "history.json").read_text() == (parts / "history.json").read_text()


@pytest.fixture
def long(tiny):
    """A training of a minute: time to stop it in its middle."""
    (tiny / "long.yaml").write_text("ddpm: {epochs: 2.0, save_minutes: 100}")
    return tiny


def test_terminated_job_saves_its_state_and_a_retry_goes_on(long):
    """SIGTERM to the script, as Slurm sends it before a time limit, under a Snakemake that tries again."""
    target = "results/tiny/models/ddpm.json"
    log = long / "results/tiny/logs/train_ddpm.log"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--retries", "1"]
    command += ["--configfile", "tiny.yaml", "long.yaml", "--", target]
    running = subprocess.Popen(command, cwd=long.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not (log.is_file() and "step 50 of 359" in log.read_text()):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.1)
    found = subprocess.run(["pgrep", "-f", f"{long.folder}.*train_ddpm.py"], capture_output=True, text=True).stdout
    for pid in found.split():
        if b"bash" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
            os.kill(int(pid), signal.SIGTERM)
    output = running.communicate()[0]
    assert running.returncode == 0, output
    assert "its state is saved: run again to go on from there" in output
    assert "going on after step" in log.read_text()
