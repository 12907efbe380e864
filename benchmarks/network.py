"""Training and sampling beside diffusers and denoising-diffusion-pytorch, and beside the machine's own ceilings.

Ours also with 32 channels, as in the demo and the laptop preset: a narrow network has less to do between two passes
through memory, and reaches less of the ceiling.

    .venv/peers/bin/python -m benchmarks.network --rounds 5

In every round each contestant trains and samples for a few steps, one after the other; medians over the rounds count.
"""

import argparse
from dataclasses import replace
from statistics import median

import pandas as pd
import torch
from torch.nn import functional as F

from benchmarks.measuring import Apart, Watch, machine, refuse_if_busy, report, whole
from benchmarks.ours import Ours, clock
from benchmarks.peers import DenoisingDiffusionPytorch, Diffusers
from benchmarks.settings import settings
from engine.device import Hardware, use_threads
from engine.environment import cores
from engine.printing import told, until_read

CONVOLUTION_CHANNELS = 256
NARROW = 32


class Ceiling:
    """Operations a second of a 3x3 convolution of 256 channels to as many: the best that such a network could do."""

    def __init__(self, device: str, threads: int) -> None:
        use_threads(threads)
        self.hardware = Hardware.choose(device, "auto")

    @torch.no_grad()
    def convolution(self, precision: str, batch_size: int, repeats: int) -> float:
        """In the faster of the two layouts in memory."""
        c, size = CONVOLUTION_CHANNELS, 16
        flops = 2 * batch_size * size**2 * c * c * 9
        rates = []
        for layout in (torch.contiguous_format, torch.channels_last):
            to = {"device": self.hardware.device, "dtype": getattr(torch, precision), "memory_format": layout}
            x, weight = torch.randn(batch_size, c, size, size).to(**to), torch.randn(c, c, 3, 3).to(**to)
            F.conv2d(x, weight, padding=1)  # the first one also sets up
            started = clock(self.hardware)
            for _ in range(repeats):
                F.conv2d(x, weight, padding=1)
            rates.append(repeats * flops / (clock(self.hardware) - started))
        return max(rates)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=whole(1, 1000), default=5)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--batch-size", type=whole(1, 10_000), nargs="+", help="64; on a GPU also 128, the paper's")
    parser.add_argument(
        "--samples", type=whole(0, 50_000), help="time so many whole samples once; 500 on a GPU, else 0"
    )
    parser.add_argument("--threads", type=whole(1, 1024), default=cores())
    return parser.parse_args()


def measure(contestants: dict, ceiling: Apart, precisions: list[str], batch_size: int, rounds: int, gpu: bool) -> dict:
    """Every rate of every round: by contestant and 'training' or 'sampling', and the ceilings by precision."""
    train_steps, sample_steps, repeats = (100, 100, 200) if gpu else (2, 3, 10)
    rates = {name: {"training": [], "sampling": []} for name in contestants}
    ceilings = {precision: [] for precision in precisions}
    for number in range(rounds):
        print(f"batch {batch_size}, round {number + 1} of {rounds}", flush=True)
        for precision, values in ceilings.items():
            values.append(ceiling("convolution", precision, batch_size, repeats))
        for name, contestant in contestants.items():
            rates[name]["training"].append(contestant("train", batch_size, train_steps))
        for name, contestant in contestants.items():
            rates[name]["sampling"].append(contestant("sample", batch_size, sample_steps))
    return {"batch_size": batch_size, "rates": rates, "ceilings": ceilings}


def rows(measured: dict, about: dict) -> list[dict]:
    """A row a contestant: medians, what they are of the ceiling in its precision, and how much faster the first is
    than another with a network of about its size.
    """
    medians = {name: {work: median(values) for work, values in r.items()} for name, r in measured["rates"].items()}
    leader = next(iter(medians))

    def ratio(name: str, work: str) -> str:
        alike = 0.8 < about[name]["parameters"] / about[leader]["parameters"] < 1.25
        return f"{medians[leader][work] / medians[name][work]:.3g}" if alike else ""

    found = []
    for name, rate in medians.items():
        ceiling = median(measured["ceilings"][about[name]["precision"]])
        train = rate["training"] * about[name]["training_flops"]
        sample = rate["sampling"] * about[name]["forward_flops"]
        found.append(
            {
                "contestant": name,
                "precision": about[name]["precision"],
                "parameters": f"{about[name]['parameters'] / 1e6:.2f}M",
                "GFLOP an image": about[name]["forward_flops"] / 1e9,
                "batch": measured["batch_size"],
                "training images/s": rate["training"],
                "training, ours / it": ratio(name, "training"),
                "training GFLOP/s": train / 1e9,
                "training, of ceiling": f"{train / ceiling:.0%}",
                "sampling image-steps/s": rate["sampling"],
                "sampling, ours / it": ratio(name, "sampling"),
                "sampling GFLOP/s": sample / 1e9,
                "sampling, of ceiling": f"{sample / ceiling:.0%}",
            }
        )
    return found


def main() -> None:
    given = arguments()
    hardware = replace(Hardware.choose(given.device, "auto"), threads=given.threads)
    device = hardware.device
    gpu = device.type == "cuda"
    best = str(hardware.precision).removeprefix("torch.")
    precisions = list(dict.fromkeys([best, "float32"]))
    torch.set_num_threads(given.threads)

    contestants = {f"ours, {p}": Apart(Ours, device.type, p, given.threads) for p in precisions}
    contestants[f"ours, {best}, {NARROW} channels"] = Apart(Ours, device.type, best, given.threads, NARROW)
    contestants["diffusers"] = Apart(Diffusers, device.type, given.threads)
    contestants["denoising-diffusion-pytorch"] = Apart(DenoisingDiffusionPytorch, device.type, given.threads)
    ceiling = Apart(Ceiling, device.type, given.threads)
    about = {name: contestant("describe") for name, contestant in contestants.items()}

    watch = Watch()
    sizes = given.batch_size or ([64, 128] if gpu else [64])
    measured = [measure(contestants, ceiling, precisions, size, given.rounds, gpu) for size in sizes]
    others = watch.others()
    for one in measured:
        refuse_if_busy(others, {f"the {p} convolution's rate": values for p, values in one["ceilings"].items()})

    table = pd.DataFrame([row for one in measured for row in rows(one, about)])
    count = given.samples if given.samples is not None else 500 if gpu else 0
    if count:
        batch_size = settings("paper")["execution"]["batch_size"]
        seconds = {name: contestant("samples", count, batch_size) for name, contestant in contestants.items()}
        table[f"s for {count} samples"] = table["contestant"].map(seconds)
    record = {
        **machine(["torch", "diffusers", "denoising-diffusion-pytorch"]),
        "device": str(hardware),
        "threads": given.threads,
        "rounds": given.rounds,
        "others_share": others,
        "contestants": about,
        "measured": measured,
        "table": table.to_dict("records"),
    }
    ceilings = [f"{p} {median(values) / 1e9:.0f}" for one in measured[:1] for p, values in one["ceilings"].items()]
    title = (
        f"Medians of {given.rounds} interleaved rounds on {record['processor']}, {record['device']}. Ceilings, "
        f"GFLOP/s of a 3x3 convolution with {CONVOLUTION_CHANNELS} channels: {', '.join(ceilings)}."
    )
    report("network", title, table, record)


if __name__ == "__main__":
    with told(), until_read():
        main()
