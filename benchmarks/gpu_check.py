"""Does it all work on this GPU, and how fast? One command, at most ten minutes, on one card.

    make gpu-check                          # or: python -m benchmarks.gpu_check

It needs Python 3.11, PyTorch 2.11 or later, numpy, pandas and safetensors, and no network. Each stage runs in a
process of its own under its own time limit, and is printed as it ends; results/benchmarks/gpu-check.json, written
after each of them, holds all that was measured. Without a GPU it says so, and runs what it can on the CPU, at small
sizes, as a test of itself.
"""

import argparse
import gzip
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import RESULTS, ROOT
from engine.causes import loading

with loading():
    import numpy as np
    import torch
    from safetensors.torch import load, save
    from torch import Tensor, nn
    from torch.nn import functional as F
    from torch.profiler import ProfilerActivity, profile
    from torch.utils._python_dispatch import TorchDispatchMode

    from diffusion.forward import VarianceSchedule
    from diffusion.images import snapshots
    from diffusion.sampling import Sampler, backward_process, noise_predictor
    from diffusion.training import Objective, Training, TrainingSettings, training_steps
    from diffusion.unet import UNet
    from engine import parallel
    from engine.commands import answer
    from engine.device import CPU, Compiler, Hardware, use_threads, why_no_gpu
    from engine.environment import LAUNCHED
    from engine.files import write_atomically
    from engine.printing import told

SEED = 0
TOTAL_SECONDS = 600
LIMITS = {
    "machine": 30,
    "ceilings": 60,
    "numbers": 150,
    "compiled": 200,
    "eager": 90,
    "sampling": 90,
    "repeated": 150,
    "processes": 150,
    "real": 150,
}
"""The stages in their order, each with the seconds that it may take, within those of the whole check."""

GOAL = 14_300
"""Images a second in training, of which the paper's 500 epochs of 60,000 images take 35 minutes."""
PAPER_STEPS, PAPER_BATCH = 234_375, 128

TOLERANCES = {
    # Relative to the CPU in float64, in the Euclidean norm. Adam's first steps are about the signs of the gradients, so
    # that rounding turns some around: a change of all weights is far less exact than a gradient. In bfloat16 the full
    # network has a quarter to a half of these on a CPU, in float32 5e-7, 2e-6 and 2e-5 of network, gradient and steps;
    # on a GPU Winograd's convolutions lose a digit or two of float32, and TF32, at 1e-3, would be out of bounds.
    torch.float32: {"network": 1e-4, "loss": 1e-4, "gradient": 1e-3, "five steps": 0.03, "sample": 1e-4},
    torch.bfloat16: {"network": 0.02, "loss": 0.01, "gradient": 0.1, "five steps": 0.3, "sample": 0.02},
}


@dataclass(frozen=True)
class Sizes:
    """How large the stages are."""

    channels: int
    image_size: int
    batch_size: int
    exact: int
    """Images of a minibatch in float64 on the CPU."""
    matrix: int
    steps: int
    """Of a measured training."""
    batches: tuple[int, ...]
    """Images denoised at once."""
    samples: int
    T: int
    real_steps: int


PAPER = Sizes(64, 32, PAPER_BATCH, 4, 8192, 200, (9, 100, 500), 500, 500, 2000)
SMALL = Sizes(32, 8, 8, 2, 128, 3, (2, 3), 3, 20, 60)

BANDS = {
    # (source, image size): where the mean loss of the last quarter of `real_steps` steps must be. On MNIST the training
    # of weights/ was at 0.032 after as many images (28x28, smaller minibatches); the bands are estimated around that.
    ("mnist", 32): (0.015, 0.06),
    ("strokes", 32): (0.005, 0.08),
    ("mnist", 8): (0.05, 0.6),
    ("strokes", 8): (0.05, 0.6),
}


class Record(dict):
    """What a stage has measured so far: each value is in its file at once, so that a time limit loses nothing."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def __setitem__(self, name: str, value: object) -> None:
        super().__setitem__(name, value)
        _write(self.file, self)

    def check(self, name: str, value: float, limit: float, least: float = 0.0) -> None:
        """A value that must lie in [least, limit]."""
        self[name] = {"value": value, "least": least, "limit": limit, "ok": bool(least <= value <= limit)}

    def must(self, name: str, ok: bool) -> None:
        self[name] = {"ok": bool(ok)}


# The stages: each takes the hardware, the sizes and its record.


def machine(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Card, driver, versions, and what PyTorch's compiler needs."""
    record["device"] = str(hardware)
    record["why no GPU"] = None if hardware.device.type == "cuda" else why_no_gpu()
    if hardware.device.type == "cuda":
        properties = torch.cuda.get_device_properties(hardware.device)
        record["capability"] = f"{properties.major}.{properties.minor}"
        record["memory, GB"] = round(properties.total_memory / 1e9, 1)
        record["cards"] = torch.cuda.device_count()
    smi = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
    record["nvidia-smi"] = answer(smi)
    record["torch"], record["cuda"] = torch.__version__, torch.version.cuda
    record["kernels for"] = torch.cuda.get_arch_list()
    record["cudnn"] = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    record["triton"] = answer([sys.executable, "-c", "import triton; print(triton.__version__)"])
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("gcc", "clang", "cc")), None)
    record["C compiler"] = (answer([compiler, "--version"]) or "").split("\n")[0] if compiler else None
    record["Python.h"] = (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()
    record["python"], record["system"] = platform.python_version(), platform.platform()
    record["threads"] = torch.get_num_threads()


def ceilings(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """The most that any code could reach here: TFLOP/s of a matrix product and of a 3x3 convolution, GB/s of a copy."""
    n, device = sizes.matrix, hardware.device
    dtypes = {"bfloat16": torch.bfloat16, "float32": torch.float32}
    for name, dtype in dtypes.items():
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        record[f"matrix product, {name}, TFLOP/s"] = 2e-12 * n**3 / _seconds(hardware, lambda a=a, b=b: a @ b)
    images, width, size = sizes.batch_size, 4 * sizes.channels, sizes.image_size // 2
    for name in ("bfloat16", "TF32", "float32"):
        torch.backends.cudnn.allow_tf32 = name == "TF32"
        dtype = dtypes.get(name, torch.float32)
        x = torch.randn(images, width, size, size, device=device, dtype=dtype).to(memory_format=hardware.layout)
        w = torch.randn(width, width, 3, 3, device=device, dtype=dtype).to(memory_format=hardware.layout)
        seconds = _seconds(hardware, lambda x=x, w=w: F.conv2d(x, w, padding=1))
        record[f"convolution, {name}, TFLOP/s"] = 2e-12 * images * size**2 * width**2 * 9 / seconds
    torch.backends.cudnn.allow_tf32 = False
    x = torch.randn(64 * n * (n // 64), device=device)
    record["copy, GB/s"] = 2e-9 * x.nbytes / _seconds(hardware, x.clone)


def numbers(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """The network, the loss, each gradient, five Adam steps and a sampling of 20 steps, against the CPU in float64."""
    schedule = VarianceSchedule.linear(500, 1e-4, 0.02)
    images = strokes(8 * sizes.exact, sizes.image_size)
    t = torch.linspace(1, 500, sizes.exact).long()
    eps = torch.randn(sizes.exact, *images.shape[1:], generator=torch.Generator().manual_seed(SEED))
    minibatch = images[: sizes.exact], t, eps
    settings = TrainingSettings(SEED, 5, sizes.exact, 5e-4, (0.9, 0.9999))
    short = VarianceSchedule.linear(20, 0.01, 0.3)

    def gradients(model: nn.Module, on: Hardware) -> tuple[Tensor, list[Tensor]]:
        objective = Objective(model, schedule.to(on.device))
        with on.mixed_precision():
            value, _ = objective(*(part.to(on.device) for part in minibatch))
        return value.detach(), list(torch.autograd.grad(value, list(model.parameters())))

    def changes(model: nn.Module, on: Hardware) -> Tensor:
        first = _flat(model.parameters())
        for _ in training_steps(Training(model, settings), images, schedule, on):
            pass
        return _flat(model.parameters()) - first

    def sample(predict: Callable[[Tensor, Tensor], Tensor], on: Hardware) -> Tensor:
        noise = torch.randn(21, 2, *images.shape[1:], generator=torch.Generator().manual_seed(1)).to(on.device)
        return snapshots(backward_process(predict, noise[0], lambda t: noise[t], short.to(on.device))).double()

    exact = Exact(_network(sizes))
    with torch.no_grad():
        predicted = exact(eps, t)
    value, grads = gradients(exact, CPU)
    change = changes(exact, CPU)
    x_0 = sample(Exact(_network(sizes)), CPU)
    for precision in {torch.float32, hardware.precision}:
        on, limits = replace(hardware, precision=precision), TOLERANCES[precision]
        name = str(precision).removeprefix("torch.")
        network = on.place(_network(sizes))
        with torch.no_grad(), on.mixed_precision():
            record.check(f"network, {name}", _error(network(on.send(eps), on.send(t)), predicted), limits["network"])
        ours, our_grads = gradients(network, on)
        record.check(f"loss, {name}", _error(ours, value), limits["loss"])
        names = [key for key, _ in network.named_parameters()]
        scale = max(float(g.norm()) for g in grads)
        errors = {  # a gradient that is all but zero is compared with the largest one
            key: float((ours.double().cpu() - g).norm()) / max(float(g.norm()), 1e-3 * scale)
            for key, ours, g in zip(names, our_grads, grads, strict=True)
        }
        worst = max(errors, key=lambda key: errors[key])
        record[f"worst gradient, {name}"] = worst
        record.check(f"gradients, {name}", errors[worst], limits["gradient"])
        record.check(f"five Adam steps, {name}", _error(changes(network, on), change), limits["five steps"])
        predict = noise_predictor(_network(sizes), on)
        record.check(f"20 steps of sampling, {name}", _error(sample(predict, on), x_0), limits["sample"])


class Attention(TorchDispatchMode):
    """Which kernels attention calls, in which precision."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: set[str] = set()

    def __torch_dispatch__(self, function, types, args: tuple = (), kwargs=None):
        name = str(function)
        if "scaled_dot_product" in name or "bmm" in name:
            self.kernels.add(f"{name} in {str(args[0].dtype).removeprefix('torch.')}")
        return function(*args, **(kwargs or {}))


def compiled(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Compilation: that it works, how long it takes, that nothing falls back; and the compiled training's speed."""
    network = hardware.place(_network(sizes))
    x = torch.randn(2, 1, sizes.image_size, sizes.image_size, device=hardware.device)
    with Attention() as seen, hardware.mixed_precision():
        network(x, torch.tensor([1, 500], device=hardware.device)).mean().backward()
    record["attention"] = sorted(seen.kernels)
    on_gpu = hardware.device.type == "cuda"
    if on_gpu and hardware.precision == torch.bfloat16:
        record.must(
            "no attention in float32", bool(seen.kernels) and not any("float32" in name for name in seen.kernels)
        )
    compiler = Compiler(hardware, PAPER_STEPS)
    speed, memory, transposing = _training_speed(hardware, sizes, compiler)
    record["images/s"], record["memory, GB"] = speed, memory
    record["seconds to compile"] = compiler.seconds
    record["transposing, share of the GPU's time"] = transposing
    if not on_gpu:
        record["note"] = "on a CPU nothing is compiled: this is the training as it stands"
        return
    from torch._dynamo.utils import counters

    record.must("compiled", compiler.worked)
    record["graph breaks"] = sum(counters["graph_break"].values())
    record.check("steps whose launches were not recorded", counters["inductor"]["cudagraph_skips"], 0)
    record["share of the goal"] = speed / GOAL


def eager(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Training as it stands: in the hardware's precision, with deterministic convolutions, and in float32."""
    record["images/s"], *_ = _training_speed(hardware, sizes)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    record["images/s, deterministic convolutions"], *_ = _training_speed(hardware, sizes)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    record["images/s, float32"], *_ = _training_speed(replace(hardware, precision=torch.float32), sizes)


def sampling(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Image-steps a second at several batch sizes, and the seconds for whole samples, noise and all."""
    eps_theta = noise_predictor(_network(sizes), hardware)
    for images in sizes.batches:
        steps = max(10, min(200, 20_000 // images)) if hardware.device.type == "cuda" else 3
        schedule = VarianceSchedule.linear(steps + 2, 1e-4, 0.02).to(hardware.device)
        z = torch.randn(images, 1, sizes.image_size, sizes.image_size, device=hardware.device)
        clock = {}
        for t, _ in backward_process(eps_theta, z, lambda _, z=z: z, schedule):
            if t in (steps, 0):
                hardware.wait()
                clock[t] = time.perf_counter()
        record[f"image-steps/s, {images} at once"] = images * steps / (clock[0] - clock[steps])
    started = time.perf_counter()
    schedule = VarianceSchedule.linear(sizes.T, 1e-4, 0.02)
    sampler = Sampler.of(_network(sizes), schedule, SEED, hardware)
    at_once = hardware.at_once(min(100, sizes.samples))
    x = snapshots(sampler.in_batches("sample", range(sizes.samples), at_once))
    record["images at once"], record["samples"] = at_once, sizes.samples
    record["seconds for all samples"] = time.perf_counter() - started
    record.must("all finite", bool(x.isfinite().all()))


def repeated(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """The same training twice, and in two parts with a saved state between them: bitwise on a CPU, close on a GPU."""
    steps = 40 if hardware.device.type == "cuda" else 6
    images, schedule = strokes(256, sizes.image_size), VarianceSchedule.linear(500, 1e-4, 0.02)
    settings = TrainingSettings(SEED, steps, sizes.batch_size, 5e-4, (0.9, 0.9999))

    def trained(halves: bool = False) -> Training:
        training = Training(hardware.place(_network(sizes)), settings, Compiler(hardware, PAPER_STEPS))
        for step, _ in training_steps(training, images, schedule, hardware):
            if halves and step == steps // 2:
                state = load(save(training.state()))
                training = Training(hardware.place(_network(sizes)), settings, Compiler(hardware, PAPER_STEPS))
                training.restore(step, state)
                break
        for _ in training_steps(training, images, schedule, hardware):
            pass
        return training

    first = _flat(_network(sizes).parameters())
    whole, again, parts = (_flat(trained(halves).model.parameters()).cpu() for halves in (False, False, True))
    limit = 0.0 if hardware.device.type == "cpu" else TOLERANCES[hardware.precision]["five steps"]
    record.check("the same training again", float((again - whole).norm() / (whole - first).norm()), limit)
    record.check("in two parts", float((parts - whole).norm() / (whole - first).norm()), limit)
    record["bitwise again"], record["bitwise in two parts"] = torch.equal(again, whole), torch.equal(parts, whole)


def processes(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Two processes that share each minibatch, against one."""
    if hardware.device.type == "cuda" and torch.cuda.device_count() < 2:
        record["note"] = "this machine has one GPU: not run"
        return
    if not torch.distributed.is_available():
        record["note"] = "this PyTorch has no torch.distributed: not run"
        return
    file = record.file.with_suffix(".losses")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "benchmarks.gpu_check"]
    arguments = ["--pair", str(file), "--device", hardware.device.type, *(["--small"] if sizes is SMALL else [])]
    launched = os.environ | {LAUNCHED: "1"}
    done = subprocess.run(
        [sys.executable, *command, *arguments], cwd=ROOT, env=launched, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    two = torch.tensor(json.loads(file.read_text()))
    one = torch.tensor(_shared_losses(hardware, sizes))
    record.check("first loss", _error(two[:1], one[:1]), TOLERANCES[hardware.precision]["loss"])
    record.check("losses", _error(two, one), 0.1)


def _shared_losses(hardware: Hardware, sizes: Sizes) -> list[float]:
    settings = TrainingSettings(SEED, 10, sizes.batch_size, 5e-4, (0.9, 0.9999))
    compiler = Compiler(hardware, PAPER_STEPS)
    network = hardware.place(_network(sizes))
    training = Training(network, settings, lambda loss: parallel.shared(compiler(loss), hardware))
    losses = []
    schedule, share = VarianceSchedule.linear(500, 1e-4, 0.02), parallel.share(sizes.batch_size)
    for _, loss in training_steps(training, strokes(256, sizes.image_size), schedule, hardware, share):
        parallel.average(loss)
        losses.append(float(loss))
    return losses


def real(hardware: Hardware, sizes: Sizes, record: Record) -> None:
    """Algorithm 1 as the paper trains, on MNIST where it is at hand, else on strokes: the loss must fall."""
    folder = Path(os.environ.get("MNIST") or ROOT / "resources" / "mnist")
    file = folder / "train-images-idx3-ubyte.gz"
    source = "mnist" if file.is_file() and hardware.device.type == "cuda" else "strokes"
    images = read_mnist(file, sizes.image_size) if source == "mnist" else strokes(10_000, sizes.image_size)
    settings = TrainingSettings(SEED, sizes.real_steps, sizes.batch_size, 5e-4, (0.9, 0.9999))
    compiler = Compiler(hardware, PAPER_STEPS)
    training = Training(hardware.place(_network(sizes)), settings, compiler)
    total = torch.zeros((), device=hardware.device)
    quarter = sizes.real_steps // 4
    started = time.perf_counter()
    record["source"], record["mean loss of each quarter"] = source, []
    for step, loss in training_steps(training, images, VarianceSchedule.linear(500, 1e-4, 0.02), hardware):
        total += loss
        if step % quarter == 0:
            record["mean loss of each quarter"] = [*record["mean loss of each quarter"], float(total) / quarter]
            total.zero_()
    hardware.wait()
    record["seconds"], record["compiled"] = time.perf_counter() - started, compiler.worked
    least, limit = BANDS[source, sizes.image_size]
    record.check("mean loss of the last quarter", record["mean loss of each quarter"][-1], limit, least)


STAGES = {
    stage.__name__: stage
    for stage in (machine, ceilings, numbers, compiled, eager, sampling, repeated, processes, real)
}


def projection(stages: dict[str, dict]) -> dict:
    """How long `make paper` will take on this GPU, without its small jobs on the CPU, from what the stages measured."""
    speed = stages.get("compiled", {}).get("images/s")
    samples = stages.get("sampling", {}).get("seconds for all samples")
    if not speed:
        return {}
    training = PAPER_STEPS * PAPER_BATCH / speed + stages["compiled"].get("seconds to compile", 0.0)
    found = {"training, min": training / 60}
    return found | ({"training and 500 samples, min": (training + samples) / 60} if samples else {})


# What the stages share.


class Exact(nn.Module):
    """A network in float64, to be called with images in float32."""

    def __init__(self, model: UNet) -> None:
        super().__init__()
        self.model = model.double()
        model.embed_t[0].register_forward_hook(lambda module, arguments, embedding: embedding.double())

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.model(x.double(), t)


def _network(sizes: Sizes) -> UNet:
    torch.manual_seed(SEED)
    return UNet(sizes.channels, sizes.image_size)


def _flat(tensors) -> Tensor:
    return torch.cat([tensor.detach().double().cpu().reshape(-1) for tensor in tensors])


def _error(ours: Tensor, exact: Tensor) -> float:
    """In relative L2."""
    exact = exact.detach().double().cpu()
    return float((ours.detach().double().cpu() - exact).norm() / exact.norm())


def _seconds(hardware: Hardware, run: Callable[[], object]) -> float:
    """Of one call, the median of five rounds that take a moment each."""
    run(), run()
    hardware.wait()
    started = time.perf_counter()
    run()
    hardware.wait()
    calls = max(1, min(200, int(0.05 / max(time.perf_counter() - started, 1e-6))))
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(calls):
            run()
        hardware.wait()
        rounds.append((time.perf_counter() - started) / calls)
    return sorted(rounds)[2]


def _training_speed(
    hardware: Hardware, sizes: Sizes, prepare: Callable[[nn.Module], nn.Module] = lambda objective: objective
) -> tuple[float, float | None, float | None]:
    """Images a second, over `sizes.steps` steps after ten others (two on a CPU); of a GPU also the most GB of memory,
    and the share of its time in which it changes the order of images in memory.
    """
    on_gpu = hardware.device.type == "cuda"
    warm, watched = (10, 10) if on_gpu else (2, 0)
    settings = TrainingSettings(SEED, warm + sizes.steps + watched, sizes.batch_size, 5e-4, (0.9, 0.9999))
    training = Training(hardware.place(_network(sizes)), settings, prepare)
    images, clock = strokes(1024, sizes.image_size), {}
    process = training_steps(training, images, VarianceSchedule.linear(500, 1e-4, 0.02), hardware)
    for step, _ in process:
        if step in (warm, warm + sizes.steps):
            hardware.wait()
            clock[step] = time.perf_counter()
        if step == warm + sizes.steps:
            break
    speed = sizes.steps * sizes.batch_size / (clock[warm + sizes.steps] - clock[warm])
    if not on_gpu:
        return speed, None, None
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in process:
            pass
        hardware.wait()
    memory = torch.cuda.max_memory_allocated(hardware.device) / 1e9
    return speed, memory, transposing({event.key: event.self_device_time_total for event in seen.key_averages()})


def transposing(times: dict[str, float]) -> float:
    """The share of kernels that change the order of images in memory, from all kernels' names and times: cuDNN's, and
    PyTorch's copies, which in a compiled step have no other purpose.
    """
    kernels = {name: time for name, time in times.items() if not name.startswith(("##", "Optimizer."))}  # not sections
    names = re.compile("nchwToNhwc|nhwcToNchw|direct_copy_kernel")
    return sum(time for name, time in kernels.items() if names.search(name)) / max(sum(kernels.values()), 1)


def strokes(count: int, size: int) -> Tensor:
    """Images of two straight strokes each, (count, 1, size, size) uint8, always the same: they need no network."""
    source = torch.Generator().manual_seed(SEED)
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")) + 0.5
    ends = size * (0.2 + 0.6 * torch.rand(count, 2, 2, 2, generator=source))  # image, stroke, end, coordinate
    start, along = ends[:, :, 0, :, None, None], (ends[:, :, 1] - ends[:, :, 0])[..., None, None]
    share = ((grid - start) * along).sum(2, keepdim=True) / (along**2).sum(2, keepdim=True).clamp(min=1e-3)
    distance = (grid - start - share.clamp(0, 1) * along).norm(dim=2)
    ink = (size / 12 - distance + 0.5).clamp(0, 1).amax(dim=1, keepdim=True)
    return (255 * ink).round().to(torch.uint8)


def read_mnist(file: Path, size: int) -> Tensor:
    """MNIST's training images, (60000, 1, size, size) uint8, from the archive alone."""
    pixels = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    images = torch.from_numpy(pixels.copy())
    return torch.cat(
        [F.interpolate(part.float(), (size, size), mode="bilinear").round().byte() for part in images.split(5000)]
    )


def _write(file: Path, content: object) -> None:
    write_atomically(file, (json.dumps(content, indent=2) + "\n").encode())


# The check: one process for each stage.


def run_stage(name: str, arguments: list[str], seconds: float, folder: Path) -> dict:
    """A stage in a process of its own, stopped with its children at the limit; what it measured, and its verdict."""
    file, started = folder / f"{name}.json", time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--stage", name, "--into", str(file), *arguments]
    log = folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)  # PyTorch's launcher tells its own processes
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
    found = json.loads(file.read_text()) if file.is_file() else {}
    failed = [key for key, value in found.items() if isinstance(value, dict) and not value.get("ok", True)]
    if code is None:
        verdict = f"stopped at its limit of {seconds:.0f} s"
    elif code:
        verdict = "failed: " + (log.read_text().strip().splitlines() or ["without a word"])[-1]
    else:
        verdict = "ok" if not failed else "out of bounds: " + ", ".join(failed)
    record = {"verdict": verdict, "wall seconds": round(time.monotonic() - started, 1), **found}
    return record if verdict == "ok" else record | {"log": log.read_text()[-4000:]}


def check(names: list[str], arguments: list[str], file: Path, patience: float = 1.0) -> dict:
    """All stages, one after the other, printed and written as they end; `patience` multiplies their limits."""
    began, stages = time.monotonic(), {}
    result = {"date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "stages": stages}
    _write(file, result)  # an error of the disk comes before the minutes
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            left = patience * TOTAL_SECONDS - (time.monotonic() - began)
            if left < 5:
                stages[name] = {"verdict": f"not run: the {TOTAL_SECONDS} s of the whole check were used up"}
            else:
                stages[name] = run_stage(name, arguments, min(patience * LIMITS[name], left), Path(folder))
            result["projection"] = projection(stages)
            _write(file, result)
            print("\n".join(described(name, stages[name])), flush=True)
    return result


def described(name: str, stage: dict) -> Iterator[str]:
    """The lines that are printed of a stage."""
    yield f"\n{name}: {stage['verdict']} ({stage.get('wall seconds', 0)} s)"
    for key, value in stage.items():
        if key in ("verdict", "wall seconds", "log"):
            continue
        if isinstance(value, dict) and "value" in value:
            within = (
                f"in {value['least']:.3g}..{value['limit']:.3g}" if value["least"] else f"at most {value['limit']:.3g}"
            )
            yield f"  {key}: {value['value']:.3g} ({within}: {'ok' if value['ok'] else 'NO'})"
        elif isinstance(value, dict):
            yield f"  {key}: {'yes' if value['ok'] else 'NO'}"
        else:
            yield f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}"


@contextmanager
def _hardware(device: str) -> Iterator[Hardware]:
    use_threads(torch.get_num_threads())
    hardware = parallel.join(Hardware.choose(device, "auto"))
    yield hardware
    parallel.leave()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--small", action="store_true", help="small sizes, as on a machine without a GPU")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="only these")
    parser.add_argument("--output", type=Path, default=RESULTS / "gpu-check.json")
    for internal in ("--stage", "--into", "--pair"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    given = parser.parse_args()

    if given.pair or given.stage:
        with _hardware(given.device) as hardware:
            sizes = SMALL if given.small or hardware.device.type == "cpu" else PAPER
            if given.stage:
                STAGES[given.stage](hardware, sizes, Record(Path(given.into)))
                return
            if not torch.distributed.is_initialized():
                raise SystemExit("the two processes did not meet")
            losses = _shared_losses(hardware, sizes)
            if parallel.rank() == 0:
                _write(Path(given.pair), losses)
        return

    refusal = None if given.device == "cpu" else why_no_gpu()
    if refusal and given.device == "cuda":
        raise SystemExit(refusal)
    if given.device == "cpu" or refusal:
        print(
            f"{refusal or 'As asked, no GPU is used'}. This is a test of the check itself, on the CPU at small sizes."
        )
    arguments = ["--device", "cpu" if refusal else given.device, *(["--small"] if given.small else [])]
    on_cpu = bool(refusal) or given.device == "cpu"
    result = check(given.stages, arguments, given.output, patience=4.0 if on_cpu else 1.0)  # a CPU has others to serve
    for name, minutes in result["projection"].items() if not on_cpu else ():
        print(f"\nmake paper, {name}: {minutes:.1f} (goal for an H100: 35 for the training)")
    bad = [name for name, stage in result["stages"].items() if stage["verdict"] != "ok"]
    print(f"\n{'all stages are ok' if not bad else 'NOT ok: ' + ', '.join(bad)}; written to {given.output}")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    with told():
        main()
