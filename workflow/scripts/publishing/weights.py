"""Trained weights in a folder, in the form of `weights/`: how a run ships them, and another takes them over.

Of a model the folder holds its tensors in one or more safetensors files (`ddpm-1-of-2.safetensors`), the record of its
training (`ddpm.json`: settings, summary, origin) and its table (a .csv). `SHA256SUMS` lists all files.
"""

import logging
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffusion.classifier import CLASSES, Classifier
from diffusion.unet import UNet
from engine.errors import UserError
from engine.files import read_json, reading, sha256, write_json
from engine.tensors import read_tensors, refuse_not_finite, write_tensors
from publishing import origin

logger = logging.getLogger(__name__)

LARGEST_FILE = 16_000_000
"""The largest file in bytes, so that the repository stays easy to clone."""
SUMS = "SHA256SUMS"
TABLES = {"ddpm": "ddpm_history.csv", "classifier": "classifier_confusion.csv"}
UNKNOWN = {"summary": {"steps": 0, "image_visits": 0, "seconds": 0.0, "start_unknown": True}}
"""The record of weights whose training is not known: all is counted from here on."""

NUMBERS = {
    "ddpm": {
        **dict.fromkeys(
            ("parameters", "training_images", "steps", "image_visits", "image_size", "processes"), (int, 10**18)
        ),
        **dict.fromkeys(("seconds", "last_loss"), ((int, float), 1e18)),
    },
    "classifier": {
        "test_accuracy": ((int, float), 1), "test_images": (int, 10**18), "training_images": (int, 10**18),
    },
}  # fmt: skip
"""Of each model, what later rules read in the summary of its record, as what, and how large it may be, ..."""
TEXTS = {"ddpm": ("device", "torch"), "classifier": ()}
"""... the texts among it, ..."""
COMMIT = r"None|[0-9a-f]{7,64}(\.dirty)?"
"""How the record names the commit that the weights were trained with."""
COLUMNS = {
    "ddpm": ["step", "images", "loss", "learning_rate", "images_per_second", "seconds"],
    "classifier": ["true", *(f"found_{digit}" for digit in range(CLASSES))],
}
"""... and in its table."""

Settings = dict[str, dict]
"""Some of the settings: section, then key, then value."""


@dataclass(frozen=True)
class Trained:
    """A model as a training left it: its tensors in float32, its record, and its table, a file, where there is one."""

    tensors: dict[str, Tensor]
    record: dict
    table: Path | None = None


# ---- into a folder ---------------------------------------------------------------------------------------------------


def ship(models: Mapping[str, Path], settings: Mapping[str, Settings], about: dict, start: dict, folder: Path) -> None:
    """Write the models of a run, the network `ddpm` and the `classifier`, into `folder`.

    `models` are their safetensors files; beside each lie the summary of its training (.json) and its table (.csv).
    `settings` are those of each training, `about` says where both come from, and `start` is the record of the weights
    that the network's training went on from, empty for none. The network is rounded to bfloat16, in two files. Raises
    UserError for a network too large to ship.
    """
    folder.mkdir(parents=True, exist_ok=True)
    halves = split(read_tensors(models["ddpm"]), 2)
    files = [folder / f"ddpm-{n}-of-{len(halves)}.safetensors" for n in range(1, len(halves) + 1)]
    for half, file in zip(halves, files, strict=True):
        write_tensors(file, {name: value.to(torch.bfloat16) for name, value in half.items()})
        refuse_large(file)
    files.append(Path(shutil.copyfile(models["classifier"], folder / models["classifier"].name)))
    for name, model in models.items():
        record = {"settings": settings[name], "summary": read_json(model.with_suffix(".json")), "origin": about}
        if name == "ddpm" and start.get("settings"):
            record["start"] = start
        write_json(folder / f"{name}.json", record)
        table = TABLES[name]
        files += [folder / f"{name}.json", Path(shutil.copyfile(model.parent / table, folder / table))]
    (folder / SUMS).write_text(checksums(files), encoding="utf-8")


def about(preset: str, seed: int, weights: Path) -> dict:
    """Where a run's weights come from: its preset, seed and processor, when the training ended, and the commit."""
    return {
        "preset": preset,
        "seed": seed,
        "processor": origin.processor(),
        "finished": datetime.fromtimestamp(weights.stat().st_mtime, UTC).date().isoformat(),
        "commit": origin.commit(Path(), apart="weights"),
    }


def split(tensors: dict[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    """The tensors in `parts` consecutive parts of about the same size in memory."""
    sizes = torch.tensor([value.nbytes for value in tensors.values()])
    middles = sizes.cumsum(0) - sizes / 2
    part_of = (middles * parts / sizes.sum()).long().tolist()
    named = list(zip(part_of, tensors.items(), strict=True))
    return [dict(item for n, item in named if n == part) for part in range(parts)]


def refuse_large(file: Path | str) -> None:
    """Raises UserError for a file of more than LARGEST_FILE bytes."""
    if (size := Path(file).stat().st_size) > LARGEST_FILE:
        raise UserError(f"{file} has {size:,} bytes, more than {LARGEST_FILE:,}: this network is too large to ship")


def checksums(files: Iterable[Path | str]) -> str:
    """A line for each file, sorted by name, as `sha256sum` prints it."""
    return "".join(f"{sha256(file)}  {Path(file).name}\n" for file in sorted(map(Path, files)))


# ---- from a folder or a file -----------------------------------------------------------------------------------------


def unpack(folder: Path, model: str, settings: Settings) -> Trained:
    """A model, `ddpm` or `classifier`, from a folder of weights, for use with `settings`.

    Raises UserError if a file is missing or not the one that SHA256SUMS lists, or if the model was trained with other
    settings than these, which are those that its use depends on.
    """
    files = verify(folder, model)
    weights = [file for file in files if file.suffix == ".safetensors"]
    record, table = folder / f"{model}.json", folder / TABLES[model]
    if table not in files:
        raise UserError(f"{folder / SUMS} does not list {table.name}, so these are no weights of {model}")
    with reading(record, f"the record of a training of {model}"):
        trained = read_json(record)
        settings_then, summary = trained["settings"], trained["summary"]
        if not re.fullmatch(COMMIT, str(trained["origin"]["commit"])):
            raise ValueError("its commit is none")
        refuse_other_settings(settings_then, settings, folder)
        for key, (kind, most) in NUMBERS[model].items():
            if isinstance(summary[key], bool) or not isinstance(summary[key], kind) or not 0 <= summary[key] <= most:
                raise ValueError(f"{key} is {summary[key]!r}")
        for key in TEXTS[model]:
            if not isinstance(summary[key], str) or not summary[key].strip():
                raise ValueError(f"{key} is {summary[key]!r}")
    with reading(table, f"the table of a training of {model}"):
        rows = pd.read_csv(table, usecols=COLUMNS[model], dtype=float)
        if rows.empty or not np.isfinite(rows).all(axis=None):
            raise ValueError("it has no rows" if rows.empty else "it holds a number that is not finite, or none")
        if (rows < 0).any(axis=None):
            raise ValueError("it holds a negative number")
        if model == "classifier" and (rows["true"].tolist() != list(range(CLASSES)) or (rows % 1).any(axis=None)):
            raise ValueError(f"it has no row of counts for each of {CLASSES} digits")
        if model == "ddpm" and not rows["step"].is_monotonic_increasing:
            raise ValueError("its steps do not rise")
    tensors = join([read_tensors(file) for file in weights])
    refuse_other_network(tensors, model, settings, folder)
    return Trained(tensors, trained, table)


def take_start(start: Path, expected: str, settings: Settings) -> Trained:
    """The network from which a training starts: out of a folder of weights, or a single .safetensors file.

    `expected` is the SHA-256 of the folder's SHA256SUMS, or of the file. Raises UserError if `start` is missing, is not
    what `expected` says, was trained with other `settings` (as far as it has a record), or is another network.
    """
    place = start / SUMS if start.is_dir() else start
    if not place.is_file():
        raise UserError(
            f"ddpm.start is {start}, but there is no {place}: name a folder of weights with its {SUMS}, or a "
            ".safetensors file"
        )
    if (actual := sha256(place)) != expected:
        raise UserError(
            f"{place} has the SHA-256 {actual}, but ddpm.start_sha256 is '{expected}': name the weights "
            "that are meant, or set ddpm.start_sha256 to this sum if these are"
        )
    if start.is_dir():
        trained = unpack(start, "ddpm", settings)
    else:
        trained = Trained(join([read_tensors(start)]), UNKNOWN)
        refuse_other_network(trained.tensors, "ddpm", settings, start)
    return trained


def verify(folder: Path, model: str) -> list[Path]:
    """The files of a model in a folder of weights, checked. Raises UserError if one is not what SHA256SUMS says."""
    sums = folder / SUMS
    remedy = f"delete {folder} and restore it, which for weights/ `git checkout -- weights` does"
    with reading(sums, "a list of SHA-256 sums"):
        lines = [line.split() for line in sums.read_text(encoding="utf-8").splitlines()]
    known = {line[1]: line[0] for line in lines if len(line) == 2 and line[1].startswith(model)}
    for kind in (".safetensors", ".json", ".csv"):
        if not any(name.endswith(kind) for name in known):
            raise UserError(f"{sums} lists no {kind} file of {model}, so these are no weights of it: {remedy}")
    for name, expected in known.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, though {sums} lists it: {remedy}")
        if sha256(folder / name) != expected:
            raise UserError(
                f"{folder / name} is damaged or foreign, since its SHA-256 is not the one in {sums}: {remedy}"
            )
    return [folder / name for name in sorted(known)]


def refuse_other_settings(trained: Settings, given: Settings, place: Path) -> None:
    """Raises UserError, which names every setting that is not the one of the training."""
    differ = [
        f"{section}.{key} is {value}, but {trained.get(section, {}).get(key)} for them"
        for section, values in given.items()
        for key, value in values.items()
        if trained.get(section, {}).get(key) != value
    ]
    if differ:
        raise UserError(
            f"the weights in {place} do not fit the settings: {'; '.join(differ)}. Take the settings of "
            "their training, or train without them"
        )


def refuse_other_network(tensors: dict[str, Tensor], model: str, settings: Settings, place: Path) -> None:
    """Raises UserError unless the tensors are those of the model, `ddpm` or `classifier`, of these settings."""
    with torch.device("meta"):
        if model == "ddpm":
            channels, image_size = settings["ddpm"]["channels"], settings["data"]["image_size"]
            network, of = (
                UNet(channels, image_size),
                f"ddpm.channels = {channels} and data.image_size = {image_size} make",
            )
        else:
            network, of = Classifier(), "the classifier"
        asked = {name: (tuple(value.shape), value.dtype) for name, value in network.state_dict().items()}
    given = {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}
    if wrong := [name for name in [*asked, *given] if asked.get(name) != given.get(name)]:
        name = wrong[0]
        raise UserError(
            f"the weights in {place} are of another network than {of}: the tensor {name} is "
            f"{_described(given.get(name))} in them, and {_described(asked.get(name))} here"
        )


def _described(tensor: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return f"{str(tensor[1]).removeprefix('torch.')} of the shape {tensor[0]}" if tensor else "missing"


def join(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all parts; what is rounded is in float32 again."""
    joined = {
        name: value.float() if value.is_floating_point() else value for part in parts for name, value in part.items()
    }
    refuse_not_finite(joined, "the weights, in float32,")
    return joined


def write_start(trained: Trained, weights: Path, record: Path, history: Path) -> None:
    """Write the weights from which a training starts, their record, and their history, which has no row if unknown."""
    logger.info("%d tensors, after %s steps", len(trained.tensors), trained.record["summary"]["steps"])
    write_tensors(weights, trained.tensors)
    write_json(record, trained.record)
    if trained.table:
        shutil.copyfile(trained.table, history)
    else:
        history.write_text("step,images,loss,learning_rate,images_per_second,seconds\n", encoding="utf-8")
