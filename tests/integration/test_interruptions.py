"""Training killed at random moments ends with bitwise the weights of an uninterrupted one.

`KILLS=20 make test` kills twenty times; the default is three.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Checkout
from safetensors.torch import load_file

KILLS = int(os.environ.get("KILLS", "3"))

# One training, as the rule's script runs it but without Snakemake, which would only add its own start to each attempt.
TRAINING = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from engine.checkpoints import StateFolder, run
from engine.device import CPU
from engine.progress import History
from diffusion.forward import VarianceSchedule
from diffusion.training import Training, TrainingSettings, training_steps
from diffusion.unet import UNet

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
images = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)
settings = TrainingSettings(3, steps, 4, 1e-3, (0.9, 0.999), averaging=0.99)
states = StateFolder(folder / "states", "0" * 16)
schedule = VarianceSchedule.linear(10, 0.01, 0.3)
print("started", flush=True)
training = Training(UNet(32, 8), settings)
history = History(steps, 4, settings.rate, CPU.device, training.remedy, row_steps=7)
run(training, training_steps(training, images, schedule), history, CPU, states, 0.05)
save_file(training.weights(), folder / "weights.safetensors")
(folder / "history.json").write_text(json.dumps([(row["step"], row["loss"]) for row in history.rows]))
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


TARGET = "results/tiny/models/ddpm.json"
LOG = "results/tiny/logs/train_ddpm.log"


@pytest.fixture
def long(tiny):
    """A training of a minute, so that there is time to stop it in its middle; it saves its state every second."""
    (tiny / "long.yaml").write_text("ddpm: {epochs: 2.0}\nexecution: {save_minutes: 0.02}")
    return tiny


def begin(checkout: Checkout, *arguments: str) -> subprocess.Popen:
    """Snakemake in a process group of its own, its output beside the checkout, left to run."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml", "long.yaml", *arguments]
    with (checkout / "output").open("w") as output:
        return subprocess.Popen(command, cwd=checkout.folder, stdout=output, stderr=output, start_new_session=True)


def wait_until(condition: Callable[[], bool], running: subprocess.Popen) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.05)


def says(file: Path, sentence: str) -> bool:
    return file.is_file() and sentence in file.read_text()


def send(checkout: Checkout, number: signal.Signals) -> None:
    """A signal to the script that trains, and to nothing else."""
    found = subprocess.run(["pgrep", "-f", f"{checkout.folder}.*train_ddpm.py"], capture_output=True, text=True).stdout
    for pid in found.split():
        if b"bash" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
            os.kill(int(pid), number)


def test_terminated_job_saves_its_state_and_a_retry_goes_on(long):
    """SIGTERM to the script, as Slurm sends it before a time limit, under a Snakemake that tries again."""
    (long / "long.yaml").write_text("ddpm: {epochs: 2.0}\nexecution: {save_minutes: 100}")
    running = begin(long, "--retries", "1", "--", TARGET)
    wait_until(lambda: says(long / LOG, "step 50 of 359"), running)
    send(long, signal.SIGTERM)
    running.wait()
    output = (long / "output").read_text()
    assert running.returncode == 0, output
    assert "its state is saved: run again to continue from there" in output
    assert "continuing after step" in (long / LOG).read_text()


def test_of_a_killed_job_it_is_told_why_that_may_be_and_it_goes_on(long):
    """kill -9 to the script alone, as the system does where memory is short."""
    running = begin(long, "--", TARGET)
    wait_until(lambda: says(long / LOG, "step 50 of 359"), running)
    send(long, signal.SIGKILL)
    assert running.wait() == 1 and "A job was killed: the system does that" in (long / "output").read_text()
    assert begin(long, "--", TARGET).wait() == 0 and "continuing after step" in (long / LOG).read_text()


def test_snakemake_killed_with_all_its_jobs_goes_on_after_an_unlock(long):
    """kill -9 in the middle of training, and again when one of three shards of samples is there."""

    def kill(running: subprocess.Popen) -> None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        locked = long.snakemake("--configfile", "tiny.yaml", "long.yaml")
        assert locked.returncode != 0 and "--unlock" in locked.output
        assert long.snakemake("--configfile", "tiny.yaml", "long.yaml", "--unlock").returncode == 0

    running = begin(long)
    wait_until(lambda: says(long / LOG, "step 50 of 359"), running)
    kill(running)

    running = begin(long)
    shards = long / "results/tiny/samples/shards"
    wait_until(lambda: len(list(shards.glob("*.npz"))) == 1, running)
    assert "continuing after step" in (long / LOG).read_text()
    time.sleep(1)  # until Snakemake has seen that the shard's job is over
    kill(running)

    first = {file: file.stat().st_mtime_ns for file in shards.glob("*.npz")}
    weights = (long / "results/tiny/models/ddpm.safetensors").stat().st_mtime_ns
    assert begin(long).wait() == 0, (long / "output").read_text()
    assert len(first) == 1 and all(file.stat().st_mtime_ns == time for file, time in first.items())
    assert (long / "results/tiny/models/ddpm.safetensors").stat().st_mtime_ns == weights


def test_a_disk_that_fills_up_during_training_costs_nothing(long, mounted):
    """A failure to save a state is reported; once there is room, the training continues from the last complete one."""
    mounted("-o", "size=200m")
    running = begin(long, "--", TARGET)
    wait_until(lambda: says(long / LOG, "step 50 of 359"), running)
    filler = long / "results/filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(2**20)):
            pass
    assert running.wait() != 0
    output = (long / "output").read_text()
    assert "the disk is full: free some" in output and "Traceback" not in output, output
    filler.unlink()
    assert begin(long, "--", TARGET).wait() == 0, (long / "output").read_text()
    assert "continuing after step" in (long / LOG).read_text()


def test_two_presets_at_once_and_a_third_start_of_the_first(long):
    """As `make` starts them: both end well, and nobody takes the lock of a run that goes on."""
    (long / "other.yaml").write_text("preset: other\nseed: 7\nddpm: {epochs: 1.0}")
    (long / "long.yaml").write_text("ddpm: {epochs: 6.0}")
    start = [sys.executable, "workflow/scripts/start_snakemake.py", "--cores", "1", "--configfile", "tiny.yaml"]
    runs = {}
    for name, overlay in {"tiny": "long.yaml", "other": "other.yaml"}.items():
        with (long / f"output-{name}").open("w") as output:
            command = [*start, overlay, "--", f"results/{name}/models/ddpm.json"]
            runs[name] = subprocess.Popen(command, cwd=long.folder, stdout=output, stderr=output)
        wait_until(lambda name=name: says(long / f"results/{name}/logs/train_ddpm.log", "step "), runs[name])
    again = [*start, "long.yaml", "--", TARGET]
    third = subprocess.run(again, cwd=long.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert third.returncode != 0 and "--unlock" in third.stdout, third.stdout
    for name, run in runs.items():
        assert run.wait() == 0, (long / f"output-{name}").read_text()
    assert json.loads((long / TARGET).read_text())["steps"] == 1077


@pytest.mark.parametrize(
    ("model", "short", "other", "steps"),
    [
        ("ddpm", "ddpm: {epochs: 0.4}", "ddpm: {epochs: 2.0, learning_rate: 0.001}", (71, 359)),
        ("classifier", "classifier: {epochs: 1}", "classifier: {epochs: 40, learning_rate: 0.001}", (22, 880)),
    ],
)
def test_a_mistaken_command_costs_nothing(long, model, short, other, steps):
    """Another setting by mistake, stopped with Ctrl-C; a comment in the code; then the first command again."""
    target, log = f"results/tiny/models/{model}.json", long / f"results/tiny/logs/train_{model}.log"
    weights, states = (long / f"results/tiny/models/{model}{ending}" for ending in (".safetensors", "_states"))
    (long / "long.yaml").write_text(short)
    assert begin(long, "--", target).wait() == 0, (long / "output").read_text()
    before = weights.read_bytes()

    (long / "long.yaml").write_text(other)
    log.unlink()
    mistake = begin(long, "--", target)
    wait_until(lambda: says(log, f"of {steps[1]}"), mistake)
    os.killpg(mistake.pid, signal.SIGINT)
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(mistake.pid, signal.SIGINT)  # of one who does not want to wait
    mistake.wait()
    assert "Traceback" not in (long / "output").read_text() and not weights.exists()
    assert len(list(states.iterdir())) == 2

    (long / "long.yaml").write_text(short)
    module = long / "workflow/scripts/engine/progress.py"
    module.write_text(module.read_text().replace('"""How far', '"""A word more. How far') + "\n# And a comment.\n")
    assert begin(long, "--", target).wait() == 0, (long / "output").read_text()
    assert weights.read_bytes() == before and f"continuing after step {steps[0]} of {steps[0]}" in log.read_text()


def test_sampling_that_was_stopped_goes_on_after_its_last_batch(long):
    """Ctrl-C in the last batch; the samples are those of a run that was not stopped, bit for bit."""
    (long / "long.yaml").write_text(
        "samples: {count: 24}\nddpm: {T: 400, beta_T: 0.02}\nexecution: {shards: 1, batch_size: 8}\n"
        "figures: {forward_times: [0, 400], backward_times: [400, 0]}"
    )
    shard, log = "results/tiny/samples/shards/1-of-1.npz", long / "results/tiny/logs/generate_samples_1-of-1.log"
    states = long / "results/tiny/samples/shards_states"
    running = begin(long, "--", shard)
    wait_until(lambda: list(states.glob("*/*/000000016.safetensors")), running)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait() != 0
    output = (long / "output").read_text()
    assert "rule generate_samples was stopped by Ctrl-C" in output and "Traceback" not in output

    assert begin(long, "--", shard).wait() == 0, (long / "output").read_text()
    assert "continuing after 16 of 24" in log.read_text()
    interrupted = (long / shard).read_bytes()
    shutil.rmtree(states)
    (long / shard).unlink()
    assert begin(long, "--", shard).wait() == 0 and "continuing" not in log.read_text()
    assert (long / shard).read_bytes() == interrupted
