"""Where and in which precision the networks compute."""

import ctypes
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.commands import answer
from engine.environment import cores
from engine.errors import UserError

logger = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)
Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Hardware:
    """What a network computes on, and the precision of its convolutions and matrix products."""

    device: torch.device
    precision: torch.dtype
    threads: int = 1
    """Of a CPU: each computes a part of the images by itself (see `each`)."""

    @classmethod
    def choose(cls, device: str, precision: str, number: int = 0) -> "Hardware":
        """By the settings of `compute`; of several GPUs the one of this number, modulo how many there are. Raises
        UserError for a device that is missing.
        """
        chosen = choose_device(device, number)
        return cls(chosen, choose_precision(precision, chosen))

    def __str__(self) -> str:
        """For instance 'NVIDIA H100 80GB HBM3, bfloat16' or 'CPU with 2 threads, float32'."""
        cpu = f"CPU with {self.threads} thread{'s' * (self.threads > 1)}"
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else cpu
        return f"{where}, {str(self.precision).removeprefix('torch.')}"

    def facts(self) -> dict[str, str]:
        """What a training that was stopped must find again to go on: what ran, whatever the settings called it."""
        return {"device": self.device.type, "precision": str(self.precision), "torch": torch.__version__}

    @property
    def layout(self) -> torch.memory_format:
        """The order of an image's values in memory that the device convolves fastest: on a GPU a pixel's channels lie
        together, or each convolution would transpose its images before and after.
        """
        return torch.channels_last if self.device.type == "cuda" else torch.contiguous_format

    def place(self, network: Network) -> Network:
        """The network, moved to the device, with its weights in the layout."""
        return network.to(self.device).to(memory_format=self.layout)

    def at_once(self, images: int) -> int:
        """How many images to denoise at once where the settings say `images`: a GPU takes up to 500, which keep it
        busy, if its free memory holds them.
        """
        if self.device.type != "cuda":
            return images
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(images, min(500, free // BYTES_AN_IMAGE))

    def longest(self, days: float) -> float:
        """The seconds that a training may take where so many days are allowed on a CPU: on a GPU any number."""
        return 86_400 * days if self.device.type == "cpu" else math.inf

    def send(self, value: Tensor) -> Tensor:
        """The value on the device. The program does not wait for the copy: a GPU makes it when it needs the value."""
        if self.device.type == "cuda":
            return value.contiguous().pin_memory().to(self.device, non_blocking=True)
        return value.to(self.device)

    def each(self, compute: Callable[[slice], Result], images: int) -> Iterator[Result]:
        """compute(part) for each part of `images` images, in order. There is a part for each thread, and all are
        computed at the same time, with gradients if they are on here.

        The threads meet only when their parts are done. If all of them shared every operation instead, as PyTorch's
        do, they would meet a thousand times in a gradient step, and each time wait for the one that another program has
        just taken the core from: beside one busy process the demo trained at a quarter of its speed on two cores
        (docs/speed.md).
        """
        parts = min(self.threads, images)
        cuts = [slice(images * k // parts, images * (k + 1) // parts) for k in range(parts)]
        if parts == 1:
            return map(compute, cuts)
        gradients = torch.is_grad_enabled()  # each thread has a mode of its own

        def apart(part: slice) -> Result:
            with torch.set_grad_enabled(gradients):
                return compute(part)

        return _pool(self.threads).map(apart, cuts)

    def mixed_precision(self) -> AbstractContextManager:
        """Convolutions and matrix products in bfloat16, weights and sums in float32; nothing to do in float32."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def wait(self) -> None:
        """Return when the device has finished its work: a GPU computes while the program goes on."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


CPU = Hardware(torch.device("cpu"), torch.float32)
BYTES_AN_IMAGE = 2**24
"""Of GPU memory that sampling takes for an image of 32x32 pixels, at most: its noise, 2 MB, and what layers hold."""


LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
"""Variables that keep libraries from instructions of a CPU: results then differ in rounding, as on another CPU."""


def use_threads(threads: int) -> int:
    """Compute on this many CPU threads, but on no more than this process's share of the cores that it may use; returns
    on how many. And let freed memory stay with the process: every step frees and allocates the same tensors; glibc
    would return each large one to the system and have its pages cleared again, which costs up to a third of a training
    step.
    """
    share = cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # of several processes that train together
    threads = max(1, min(threads, share))
    torch.set_num_threads(threads)
    if limits := [f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ]:
        logger.info("this processor's instructions are limited by %s", ", ".join(limits))
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return threads


def prepare(threads: int, device: str, precision: str, number: int = 0) -> "Hardware":
    """Set a job up to compute, by the settings of `compute`, and say in its log on what. On a CPU its threads then work
    on parts of the images, and every operation is one thread's.
    """
    threads = use_threads(threads)
    hardware = Hardware.choose(device, precision, number)
    if hardware.device.type == "cpu":
        torch.set_num_threads(1)
        hardware = replace(hardware, threads=threads)
    logger.info("computing on %s", hardware)
    return hardware


def choose_device(name: str, number: int = 0) -> torch.device:
    """`auto` is CUDA where PyTorch can use a GPU, and the CPU elsewhere: Apple's GPU is not used. Of several GPUs it is
    the one of this number, modulo how many there are.

    Raises UserError for a device that is missing. A GPU that PyTorch cannot use is reported in the log. From now on
    cuDNN measures its algorithms for each shape and keeps the fastest, and float32 means float32: in TF32, its own
    choice for convolutions, it would round their inputs to 11 bits.
    """
    if name == "cpu":
        return torch.device("cpu")
    refusal = why_no_gpu(number)
    if refusal is None:
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False
        return torch.device("cuda", number % torch.cuda.device_count())
    if name == "cuda":
        raise UserError(f"compute.device is 'cuda', but {refusal}; or set it to 'auto' or 'cpu'")
    if refusal != NO_GPU:
        logger.warning("%s; computing on the CPU, which is some hundred times slower", refusal)
    return torch.device("cpu")


NO_GPU = "PyTorch finds no CUDA device on this machine: check the driver with nvidia-smi"


def why_no_gpu(number: int = 0) -> str | None:
    """Why PyTorch cannot use this machine's GPU, or that of this number, with what to do; None if it can."""
    ours = f"PyTorch {torch.__version__}"
    if torch.cuda.is_available():
        index = number % torch.cuda.device_count()
        major, minor = torch.cuda.get_device_capability(index)
        built = torch.cuda.get_arch_list()
        if _has_kernels(major, minor, built):
            return None
        name = torch.cuda.get_device_name(index)
        return (
            f"{ours} has no kernels for the {name} (compute capability {major}.{minor}; it has "
            f"{', '.join(built)}): use another GPU, or a PyTorch that was built for this one"
        )
    card = _card_and_driver()
    if card is None:
        return NO_GPU
    if torch.version.cuda is None:
        return f"{card} is on this machine, but {ours} was built without CUDA: install a build that has it"
    return (
        f"{card} is on this machine, but {ours}, which was built for CUDA {torch.version.cuda}, cannot use it: update "
        f"the driver to one for CUDA {torch.version.cuda} or later, or install a PyTorch built for an earlier CUDA"
    )


def _has_kernels(major: int, minor: int, built: list[str]) -> bool:
    """Whether a wheel with code for `built` ('sm_80', 'compute_120') runs on a GPU of this compute capability: machine
    code runs on later minor versions, intermediate code on all later ones.
    """
    for name in built:
        kind, _, digits = name.partition("_")
        number = int("".join(filter(str.isdigit, digits)) or 0)  # 90 of '90a'
        version = divmod(number, 10)
        if (kind == "sm" and version[0] == major and version[1] <= minor) or (
            kind == "compute" and version <= (major, minor)
        ):
            return True
    return False


def _card_and_driver() -> str | None:
    """For instance 'NVIDIA A100 with driver 535.104', as nvidia-smi has them; None if there is no such card, or if
    CUDA_VISIBLE_DEVICES hides it.
    """
    hidden = ("", "-1", "NoDevFiles")  # the last is Slurm's, for jobs that asked for no GPU
    if os.environ.get("CUDA_VISIBLE_DEVICES") in hidden or not shutil.which("nvidia-smi"):
        return None
    found = answer(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    return " with driver ".join(part.strip() for part in found.splitlines()[0].split(",")) if found else None


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies it natively, else float32."""
    if name == "auto":
        on_gpu = device.type == "cuda"
        native = torch.cuda.get_device_capability(device) >= (8, 0) if on_gpu else _cpu_multiplies_bfloat16()
        name = "bfloat16" if native else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


def _cpu_multiplies_bfloat16() -> bool:
    # PyTorch has had this test since 2.6, under a private name; without it, float32 is always right.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())


class Compiler:
    """Compiles what a training evaluates in each of its `steps`, where that gains: on a GPU, its elementwise kernels
    fused and all launches recorded once (CUDA graphs), unless the training is shorter than the compilation.
    """

    WORTHWHILE = 5_000
    """Steps from which a minute or two of compilation are less than what they save, some 10 ms a step."""

    def __init__(self, hardware: Hardware, steps: int) -> None:
        self.wanted = hardware.device.type == "cuda" and steps >= self.WORTHWHILE
        self.worked = False
        """Whether the training runs compiled; known after its first step."""
        self.seconds = 0.0

    def __call__(self, module: nn.Module) -> nn.Module:
        """The module, whose parameters stay its own, to be called as before."""
        return Compiled(module, self) if self.wanted else module

    def compile(self, module: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
        """The module as one compiled graph. Several processes compile side by side, each with its own threads."""
        import torch._dynamo.config as tracing  # they take a second to import
        import torch._inductor.config as compiling

        compiling.compile_threads = torch.get_num_threads()
        tracing.optimize_ddp = False  # which would cut the graph in pieces that several processes exchange one by one
        return torch.compile(module, mode="reduce-overhead", dynamic=False, fullgraph=True)


class Compiled(nn.Module):
    """A module that is compiled at its first call, forwards and backwards. If that fails it runs as it stands, and the
    log says so, so failures surface before the first step.

    It returns a tuple, whose first value is differentiated.
    """

    def __init__(self, module: nn.Module, compiler: Compiler) -> None:
        super().__init__()
        self.module, self.compiler = module, compiler
        self.run: list[
            Callable[..., tuple[Tensor, ...]]
        ] = []  # in a list, since a second module is no part of this one

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        if not self.run:
            self.run.append(self._compile(*arguments))
        return _next_step(self.run[0], *arguments)

    def _compile(self, *arguments: Tensor) -> Callable[..., tuple[Tensor, ...]]:
        started = time.monotonic()
        try:
            run = self.compiler.compile(self.module)
            for _ in range(2):  # the first time it is compiled, the second time recorded
                value, *_ = _next_step(run, *arguments)
                # Not backward(), which would add to the gradients, and tell other processes of them.
                torch.autograd.grad(value, list(self.module.parameters()), allow_unused=True)
        except Exception as error:
            reason = " ".join(str(error).split("\n")[:2])  # what follows tells where PyTorch was
            logger.warning(
                "the training runs uncompiled, and 3 to 4 times slower: compilation failed (%s: %s). PyTorch's "
                "compiler needs a C compiler (gcc, or $CC) and Python's header files (Python.h, of python3-dev)",
                *(type(error).__name__, reason),
            )
            return self.module
        self.compiler.worked, self.compiler.seconds = True, time.monotonic() - started
        logger.info("compiled in %.0f s", self.compiler.seconds)
        return run


def _next_step(run: Callable[..., tuple[Tensor, ...]], *arguments: Tensor) -> tuple[Tensor, ...]:
    """run(*arguments), whose recorded launches may write over the values of the step before."""
    if arguments[0].is_cuda:
        torch.compiler.cudagraph_mark_step_begin()
    return run(*arguments)


def one_ahead(compute: Callable[[Argument], Result], arguments: Iterable[Argument]) -> Iterator[Result]:
    """compute(argument) for one argument after the other, each computed by a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        waiting: list[Future[Result]] = []
        for argument in arguments:
            waiting.append(thread.submit(compute, argument))
            if len(waiting) == 2:
                yield waiting.pop(0).result()
        for last in waiting:
            yield last.result()


def recorded(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of tensors, for repeated evaluation without gradients: on a GPU all its launches are recorded once for
    each shape of its first argument, then replayed (a CUDA graph). At small batches a GPU would otherwise wait for the
    next launch most of the time. The function must not read a value back from the GPU.
    """
    graphs: dict[torch.Size, Callable[..., Tensor]] = {}

    def replay(*arguments: Tensor) -> Tensor:
        x = arguments[0]
        if not x.is_cuda:
            return step(*arguments)
        with torch.cuda.device(x.device):
            if x.shape not in graphs:
                graphs[x.shape] = _record(step, arguments)
            return graphs[x.shape](*arguments)

    return replay


def _record(step: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    """The recorded step, for arguments of these shapes."""
    inputs = [value.clone(memory_format=torch.contiguous_format) for value in arguments]
    warm, now = torch.cuda.Stream(), torch.cuda.current_stream()
    warm.wait_stream(now)
    with torch.cuda.stream(warm):  # the first evaluations choose algorithms and take memory, which cannot be recorded
        for _ in range(3):
            step(*inputs)
    now.wait_stream(warm)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = step(*inputs)

    def replay(*values: Tensor) -> Tensor:
        for kept, value in zip(inputs, values, strict=True):
            kept.copy_(value)
        graph.replay()
        return output.clone()  # the next replay writes over the output

    return replay
