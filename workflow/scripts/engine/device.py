"""Where and in which precision the networks compute."""

import ctypes
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from engine.environment import cores
from engine.errors import UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """What a network computes on, and the precision of its convolutions and matrix products."""

    device: torch.device
    precision: torch.dtype

    @classmethod
    def choose(cls, device: str, precision: str) -> "Hardware":
        """By the settings of `compute`. Raises UserError for a device that is missing."""
        chosen = choose_device(device)
        return cls(chosen, choose_precision(precision, chosen))

    def __str__(self) -> str:
        """For instance 'NVIDIA H100 80GB HBM3, bfloat16' or 'CPU with 2 threads, float32'."""
        cpu = f"CPU with {torch.get_num_threads()} threads"
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else cpu
        return f"{where}, {str(self.precision).removeprefix('torch.')}"

    def send(self, value: Tensor) -> Tensor:
        """The value on the device. The program does not wait for the copy: a GPU makes it when it needs the value."""
        if self.device.type == "cuda":
            return value.pin_memory().to(self.device, non_blocking=True)
        return value.to(self.device)

    def mixed_precision(self) -> AbstractContextManager:
        """Convolutions and matrix products in bfloat16, weights and sums in float32; nothing to do in float32."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def wait(self) -> None:
        """Return when the device has finished its work: a GPU computes while the program goes on."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


CPU = Hardware(torch.device("cpu"), torch.float32)


def use_threads(threads: int) -> None:
    """Compute on this many CPU threads, but on no more than this process's share of the cores that it may use; and let
    freed memory stay with the process. Every step frees and allocates the same tensors; glibc would return each large
    one to the system and have its pages cleared again, which costs up to a third of a training step.
    """
    share = cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # of several processes that train together
    torch.set_num_threads(max(1, min(threads, share)))
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def prepare(threads: int, device: str, precision: str) -> "Hardware":
    """Set a job up to compute, by the settings of `compute`, and say in its log on what."""
    use_threads(threads)
    hardware = Hardware.choose(device, precision)
    logger.info("computing on %s", hardware)
    return hardware


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one and the CPU elsewhere. Raises UserError for a device that is missing."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "compute.device is 'cuda', but PyTorch finds no CUDA device on this machine: set it to 'auto' or 'cpu', "
            "or check the driver with nvidia-smi"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies it natively, else float32."""
    if name == "auto":
        native = torch.cuda.is_bf16_supported(False) if device.type == "cuda" else _cpu_multiplies_bfloat16()
        name = "bfloat16" if native else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


def _cpu_multiplies_bfloat16() -> bool:
    # PyTorch has had this test since 2.6, under a private name; without it, float32 is always right.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())


def compiled(network: nn.Module, device: torch.device) -> nn.Module:
    """The network for training: on a GPU with its elementwise kernels fused and all launches recorded once (CUDA
    graphs). Without a C compiler, which PyTorch's compiler needs, it runs uncompiled. On a CPU compilation gains
    nothing.
    """
    if device.type != "cuda":
        return network
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled is reported, and runs uncompiled
    return cast(nn.Module, torch.compile(network, mode="reduce-overhead", dynamic=False))


def recorded(network: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The network for sampling: on a GPU all launches of an evaluation are recorded once for each shape of its first
    argument, then replayed (CUDA graphs): at small batches a GPU would otherwise wait for the next launch most of the
    time.
    """
    graphs: dict[torch.Size, Callable[..., Tensor]] = {}

    def replay(*arguments: Tensor) -> Tensor:
        x = arguments[0]
        if not x.is_cuda:
            return network(*arguments)
        if x.shape not in graphs:
            examples = tuple(value.clone() for value in arguments)
            graphed = torch.cuda.make_graphed_callables(lambda *inputs: network(*inputs), examples)
            graphs[x.shape] = cast(Callable[..., Tensor], graphed)
        return graphs[x.shape](*arguments)

    return replay
