"""Several processes that train one network together, each on its share of every minibatch.

PyTorch's launcher (`torch.distributed.run`) starts them and gives each its number in environment variables. A
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


def shared(model: nn.Module) -> nn.Module:
    """The model, wrapped so that its gradients are means over all processes. Nothing else is exchanged: all processes
    have the same constants.
    """
    if workers() == 1:
        return model
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # of older PyTorch
    constants: dict[str, Any] = {name: False}
    return DistributedDataParallel(model, gradient_as_bucket_view=True, **constants)


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
