"""Two processes that share each minibatch against one: the same losses and weights to rounding."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

TRAINING = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from engine import parallel
from engine.checkpoints import run
from engine.device import CPU
from engine.progress import History
from diffusion.forward import VarianceSchedule
from diffusion.training import Training, TrainingSettings, training_steps
from diffusion.unet import UNet

torch.set_num_threads(1)
hardware = parallel.join(CPU)
torch.manual_seed(0)
images = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)
settings = TrainingSettings(3, 50, 8, 1e-3, (0.9, 0.999), averaging=0.9)
model = UNet(32, 8)
training = Training(model, settings, lambda loss: parallel.shared(loss, hardware))
history = History(50, 8, settings.rate, hardware.device, "", row_steps=1)
schedule = VarianceSchedule.linear(10, 0.01, 0.3)
run(training, training_steps(training, images, schedule, hardware, parallel.share(8)), history, hardware)
if parallel.rank() == 0:
    folder = Path(sys.argv[1])
    save_file(training.weights(), folder / "weights.safetensors")
    (folder / "losses.json").write_text(json.dumps([row["loss"] for row in history.rows]))
print("workers:", parallel.workers())
parallel.leave()
"""


def test_two_processes_have_the_losses_of_one_over_50_steps(tmp_path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for name, command in (("one", []), ("two", launcher)):
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, *command, str(script), str(tmp_path / name)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert f"workers: {2 if name == 'two' else 1}" in done.stdout
    one, two = (json.loads((tmp_path / name / "losses.json").read_text()) for name in ("one", "two"))
    assert len(one) == len(two) == 50
    print("largest relative difference of a loss:", max(abs(a / b - 1) for a, b in zip(one, two, strict=True)))
    assert two == pytest.approx(one, rel=1e-3)
    assert one[0] == pytest.approx(two[0], rel=1e-6)  # before rounding has had steps to grow
    ours, theirs = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(value, theirs[name], atol=5e-3) for name, value in ours.items())


def test_the_rule_starts_as_many_processes_as_the_setting_says(tiny):
    found = {}
    for gpus in (1, 2):
        (tiny / "gpus.yaml").write_text(
            f"preset: gpus{gpus}\nddpm: {{epochs: 0.1}}\ncompute: {{device: cpu, precision: float32}}\n"
            f"execution: {{gpus: {gpus}}}"
        )
        target = f"results/gpus{gpus}/models/ddpm.json"
        done = tiny.snakemake("--configfile", "tiny.yaml", "gpus.yaml", "--", target)
        assert done.returncode == 0, done.output
        summary = json.loads((tiny / target).read_text())
        assert summary["processes"] == gpus and summary["compiled"] is False
        found[gpus] = pd.read_csv(tiny / f"results/gpus{gpus}/models/ddpm_history.csv")
    assert found[2]["loss"].to_numpy() == pytest.approx(found[1]["loss"].to_numpy(), rel=1e-3)
