"""Several processes, or threads of a CPU, that train one network together, each on its share of every minibatch.

PyTorch's launcher (`torch.distributed.run`) starts the processes and gives each its number in environment variables. A
single process runs the same code without communication.
"""

import inspect
import os
import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from engine.device import Hardware
from engine.errors import UserError


def _launched() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(processes: int) -> None:
    """Become the launcher of several processes that run this same script; returns in each of them.

    One process needs no launcher: then it just returns.
    """
    if processes > 1 and not _launched():
        command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", sys.argv[0]]
        os.execv(sys.executable, [sys.executable, *command])


def join(hardware: Hardware) -> Hardware:
    """Meet the other processes, if there are any; returns this one's own hardware."""
    if not _launched():
        return hardware
    number, processes = int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"])
    device = hardware.device
    if device.type == "cuda":
        if torch.cuda.device_count() < processes:
            raise UserError(
                f"execution.gpus is {processes}, but PyTorch finds {torch.cuda.device_count()} CUDA devices on this "
                "machine: lower it, or ask the scheduler for more"
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", device_id=device)
    else:
        distributed.init_process_group("gloo")
    return replace(hardware, device=device)


def leave() -> int:
    """Part from the other processes; returns the number that this one had."""
    number = rank()
    if distributed.is_initialized():
        distributed.destroy_process_group()
    return number


def rank() -> int:
    """This process's number; 0 is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def workers() -> int:
    """The number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def shared(model: nn.Module, hardware: Hardware) -> nn.Module:
    """The model, wrapped so that its gradients are means over all processes, or over all threads. Nothing else is
    exchanged: all processes have the same constants.
    """
    if workers() == 1:
        return InParts(model, hardware) if hardware.threads > 1 else model
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # of older PyTorch
    constants: dict[str, Any] = {name: False}
    return DistributedDataParallel(model, gradient_as_bucket_view=True, **constants)


class InParts(nn.Module):
    """A module whose values are means over the images of a minibatch, computed in parts, each by a thread of its own.

    Its arguments are tensors (n, ...) of the n images; it returns scalars, the first of which is differentiated. The
    gradient is computed together with the values, and `backward` hands it on. Parts are added up in their order, so
    that a training is repeated to the last bit with the same number of threads.
    """

    def __init__(self, module: nn.Module, hardware: Hardware) -> None:
        super().__init__()
        self.module, self.hardware = module, hardware

    def forward(self, *batch: Tensor) -> tuple[Tensor, ...]:
        images, parameters = len(batch[0]), list(self.module.parameters())

        def compute(part: slice) -> list[Tensor]:
            share = (part.stop - part.start) / images
            with self.hardware.mixed_precision():  # which is each thread's own
                values = [share * value for value in self.module(*(argument[part] for argument in batch))]
            return [value.detach() for value in values] + list(torch.autograd.grad(values[0], parameters))

        parts = self.hardware.each(compute, images)
        total = next(parts)
        for part in parts:
            torch._foreach_add_(total, part)
        values, gradient = total[: -len(parameters)], total[-len(parameters) :]
        return _Known.apply(values[0], gradient, *parameters), *values[1:]


class _Known(torch.autograd.Function):
    """A scalar whose gradient with respect to the parameters is known."""

    @staticmethod
    def forward(ctx, value: Tensor, gradient: list[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradient = gradient
        return value.clone()

    @staticmethod
    def backward(ctx, *factors: Tensor) -> Any:
        gradient, ctx.gradient = ctx.gradient, None  # held by nobody else, it becomes the parameters' without a copy
        if factors[0] != 1:
            torch._foreach_mul_(gradient, *factors)
        return None, None, *gradient


def share(batch_size: int) -> slice:
    """This process's part of a minibatch. Raises UserError unless all parts are of one size."""
    if batch_size % workers():
        raise UserError(
            f"ddpm.batch_size is {batch_size}, which {workers()} processes (execution.gpus) cannot share evenly: "
            "use a multiple"
        )
    size = batch_size // workers()
    return slice(rank() * size, (rank() + 1) * size)


def average(value: Tensor) -> None:
    """Replace the value by its mean over all processes."""
    if workers() > 1:
        distributed.all_reduce(value)
        value /= workers()


def any_of(*flags: bool, device: torch.device) -> list[bool]:
    """Each flag, true if it is true in any process."""
    if workers() == 1:
        return list(flags)
    votes = torch.tensor(flags, dtype=torch.int32, device=device)
    distributed.all_reduce(votes, distributed.ReduceOp.MAX)
    return [bool(vote) for vote in votes.tolist()]
