"""Tensors in files, with errors that say which file and what to do."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from engine.errors import UserError


def write_tensors(file: Path | str, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file. (The library's own `save_file` reports a full disk as an error of its own making, and
    gives the file the mode 0600; here both are as for any other file.)

    Raises UserError if a tensor is not finite, and OSError.
    """
    refuse_not_finite(tensors, f"the weights for {file}")
    Path(file).write_bytes(save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}))


def read_tensors(file: Path | str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises UserError if it is no such file, or a number is not finite."""
    try:
        tensors = load_file(file)
    except SafetensorError as reason:
        raise UserError(
            f"{file} is not a safetensors file, or is damaged ({reason}): restore it, or delete it and run again, if a "
            "run made it"
        ) from None
    refuse_not_finite(tensors, f"the weights in {file}")
    return tensors


def refuse_not_finite(tensors: dict[str, Tensor], what: str) -> None:
    """Raises UserError if a tensor has an entry that is NaN or infinite."""
    if bad := [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise UserError(
            f"{what} are not finite ({bad[0]} holds NaN or infinity): the training that made them diverged; train "
            "again with a lower learning rate"
        )
