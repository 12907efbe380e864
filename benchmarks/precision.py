"""Does bfloat16 change what is generated? The same seeds in float32 and in bfloat16, before the same classifier.

    .venv/bin/python -m benchmarks.precision laptop --samples 500

It takes the network and the classifier of a finished run, results/<preset>/.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from benchmarks import ROOT
from benchmarks.measuring import machine, report, whole
from benchmarks.settings import settings
from diffusion.classifier import Classifier, probabilities
from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler
from diffusion.unet import UNet
from engine.device import Hardware, prepare
from engine.environment import cores
from engine.printing import told, until_read


def samples(config: dict, results: Path, count: int, hardware: Hardware) -> Tensor:
    """The run's samples 0..count - 1, (count, 1, h, w), as its rule makes them, in a precision."""
    ddpm = config["ddpm"]
    model = UNet.load(results / "models" / "ddpm.safetensors", ddpm["channels"], config["data"]["image_size"])
    schedule = VarianceSchedule.linear(ddpm["T"], ddpm["beta_1"], ddpm["beta_T"])
    sampler = Sampler.of(model, schedule, config["seed"], hardware)
    return snapshots(sampler.in_batches("sample", range(count), config["execution"]["batch_size"]))[:, 0]


def verdict(exact: Tensor, rounded: Tensor, p_exact: Tensor, p_rounded: Tensor, threshold: float) -> dict:
    """How the two sets of samples, (n, 1, h, w), and their probabilities, (n, 10), differ."""
    confidence, label = p_exact.max(dim=1)
    confidence_rounded, label_rounded = p_rounded.max(dim=1)
    return {
        "samples": len(exact),
        "recognised, float32": (confidence > threshold).double().mean().item(),
        "recognised, bfloat16": (confidence_rounded > threshold).double().mean().item(),
        "same label": (label == label_rounded).double().mean().item(),
        "mean confidence, float32": confidence.mean().item(),
        "mean confidence, bfloat16": confidence_rounded.mean().item(),
        "mean difference of a sample's confidence": (confidence - confidence_rounded).abs().mean().item(),
        "mean difference of a pixel, of 2": (exact - rounded).abs().mean().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("preset", nargs="?", default="laptop", help="demo, laptop, paper, or a file of settings")
    parser.add_argument("--samples", type=whole(1, 50_000), default=500)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=whole(1, 1024), default=cores())
    given = parser.parse_args()

    hardware, config = prepare(given.threads, given.device, "auto"), settings(given.preset)
    results = ROOT / "results" / config["preset"]
    for model in ("ddpm", "classifier"):
        if not (results / "models" / f"{model}.safetensors").is_file():
            raise SystemExit(f"{results}/models has no {model}.safetensors: run the preset first")
    judge = Classifier.load(results / "models" / "classifier.safetensors")

    precisions = (torch.float32, torch.bfloat16)
    exact, rounded = (samples(config, results, given.samples, replace(hardware, precision=p)) for p in precisions)
    p_exact, p_rounded = (probabilities(judge, x.clamp(-1, 1), hardware.device) for x in (exact, rounded))
    found = verdict(exact, rounded, p_exact, p_rounded, config["samples"]["confidence"])
    record = {**machine(["torch"]), "preset": config["preset"], **found}
    title = f"The same {given.samples} seeds of '{config['preset']}' in float32 and in bfloat16, before its classifier."
    report("precision", title, pd.DataFrame({"what": found.keys(), "value": found.values()}), record)


if __name__ == "__main__":
    with told(), until_read():
        main()
