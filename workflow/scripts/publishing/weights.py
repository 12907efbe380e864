"""Trained weights that travel with the repository, in `weights/`: how a run ships them, and another unpacks them."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from claims.statistics import share
from engine.errors import UserError

LARGEST_FILE = 16_000_000
"""Bytes of a file at most, so that the repository stays easy to clone."""
REMEDY = "restore the folder with `git checkout -- weights`, or train with `weights: train`"

QUALITY = ("eight-of-nine-rate", "plausible", "novel")
"""The claims whose findings the model card takes over."""


def split(tensors: dict[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    """The tensors in so many consecutive parts of about the same size in memory."""
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
    """A line a file, sorted by name, as `sha256sum` prints it."""
    return "".join(f"{_sha256(file)}  {Path(file).name}\n" for file in sorted(map(Path, files)))


def verify(files: Iterable[Path | str], sums: Path | str) -> None:
    """Raises UserError if one of the files is not what `sums`, a file that `checksums` made, says it is."""
    lines = [line.split() for line in Path(sums).read_text(encoding="utf-8").splitlines()]
    known = {line[1]: line[0] for line in lines if len(line) == 2}
    for file in map(Path, files):
        if (expected := known.get(file.name)) is None:
            raise UserError(f"{file} is not listed in {sums}, so it is no file of these weights: {REMEDY}")
        if _sha256(file) != expected:
            raise UserError(f"{file} is damaged or foreign, since its SHA-256 is not the one in {sums}: {REMEDY}")


def _sha256(file: Path | str) -> str:
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def unpack(
    weights: Sequence[Path | str], record: Path | str, table: Path | str, sums: Path | str, settings: dict[str, dict]
) -> tuple[dict[str, Tensor], dict]:
    """The tensors in float32, and the record of their training. Raises UserError if a file is not the one that was
    shipped, or if a training with other `settings` made them.
    """
    verify([*weights, record, table], sums)
    training = json.loads(Path(record).read_text(encoding="utf-8"))
    refuse_other_settings(training["settings"], settings)
    return join([load_file(file) for file in weights]), training


def folder_of_commit(commit: str, repository: Path, target: Path) -> Path:
    """Write the folder weights/ of a commit into `target`, and return it. Raises UserError where git has none."""
    command = ["git", "archive", "--format=tar", commit, "weights"]
    try:
        with tempfile.TemporaryFile() as file:
            subprocess.run(command, cwd=repository, stdout=file, stderr=subprocess.PIPE, text=True, check=True)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                archive.extractall(target, filter="data")
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise UserError(
            f"ddpm.start is {commit}, but git does not give weights/ of that commit ({told.strip()}): name a "
            "commit that has this folder, in a clone with its whole history (`git fetch --unshallow`)"
        ) from None
    return target / "weights"


def refuse_other_settings(shipped: dict[str, dict], given: dict[str, dict]) -> None:
    """Raises UserError, which names every setting (`section: {key: value}`) that is not the one of the training."""
    differ = [
        f"{section}.{key} is {value}, but {shipped.get(section, {}).get(key)} for them"
        for section, values in given.items()
        for key, value in values.items()
        if shipped.get(section, {}).get(key) != value
    ]
    if differ:
        raise UserError(
            f"the weights in weights/ are of another training than these settings: {'; '.join(differ)}. Take the "
            "settings of their model card, weights/README.md, or train with `weights: train`"
        )


def join(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all parts; what is rounded is in float32 again."""
    return {
        name: value.float() if value.is_floating_point() else value for part in parts for name, value in part.items()
    }


def trainings(record: dict) -> list[dict]:
    """The records of a network's trainings, in order: each went on from the weights of the one before."""
    return [*(trainings(record["start"]) if record.get("start") else []), record]


def card(run: dict, record: dict) -> str:
    """The model card in Markdown, from the numbers.json of a run with the shipped weights and the network's record."""
    training, samples, judge, parts = record["summary"], run["samples"], run["classifier"], trainings(record)
    pixels = "×".join([str(training["image_size"])] * 2)
    recognised, low, high = share(samples["recognised"], samples["samples"])
    visits, images = training["image_visits"], training["training_images"]
    quality = [claim for claim in run["claims"]["claims"] if claim["id"] in QUALITY]
    source = {"mnist": "MNIST", "digits": "scikit-learn's digits"}[record["settings"]["data"]["source"]]
    again = (
        f" There were {len(parts)} trainings, each but the first from the weights that an earlier commit has in this "
        "folder (`ddpm.start`), with a new optimiser; counts and minutes are of all of them."
    )
    columns = [_facts(part) for part in parts]
    table = [["", *(f"training {n}" for n in range(1, len(parts) + 1))], ["---"] * (len(parts) + 1)]
    table += [[name, *(_cell(column.get(name, "")) for column in columns)] for name in columns[-1]]
    paragraphs = [
        "# Model card",
        "Made by `make gallery`; not to be edited by hand.",
        "## What it is",
        f"The network ε_θ(x_t, t) of section 5 of the paper, with {training['parameters']:,} parameters. It predicts "
        f"the noise in images of {pixels} pixels. Its weights are rounded to bfloat16, as safetensors in two files. "
        "With them come the classifier of figure 4, in float32, the records of both, and `SHA256SUMS`, which the "
        "workflow checks before it uses any of these files.",
        "`ddpm.weights: shipped` and `classifier.weights: shipped` take them in place of training.",
        "## Data and training",
        f"Trained on the {images:,} training images of {source}, without their labels, by the rule `train_ddpm`: "
        f"{training['steps']:,} steps, {visits:,} image visits, {visits / images:.1f} passes over the images, in "
        f"{training['seconds'] / 60:.0f} minutes. The history's last row has a loss of {training['last_loss']:.4f}."
        + (again if len(parts) > 1 else ""),
        "![The loss against the images seen](../docs/learning_curve.png)",
        "\n".join(f"| {' | '.join(row)} |" for row in table),
        "## Quality",
        f"The classifier recognises {samples['recognised']} of {samples['samples']} samples with a probability above "
        f"{samples['confidence_threshold']:g}: {recognised:.1%} ({low:.1%} to {high:.1%}, Wilson's 95% interval). It "
        f"is right on {judge['test_accuracy']:.2%} of {judge['test_images']:,} real test images.",
        "\n".join(f"- {claim['statement']} *{claim['verdict'].capitalize()}*: {claim['detail']}" for claim in quality),
        "## Limits",
        f"It draws grey digits of {pixels} pixels and nothing else, and none on demand: it has seen no labels. The "
        "classifier takes noise for a digit too, so its confidence alone proves little. The paper's own training, as "
        f"config.yaml has it, is {run['arithmetic']['image_visits'] / visits:.0f} times as long.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _cell(value: object) -> str:
    """A value as the card shows it; of a commit, as many digits as name it."""
    return re.sub(r"\b([0-9a-f]{7})[0-9a-f]{33}\b", r"\1", str(value)) or "none"


def _facts(training: dict) -> dict[str, object]:
    """What the card tells of one training: its settings, and where its weights come from."""
    summary, origin = training["summary"], training["origin"]
    settings = {f"`{block}.{key}`": x for block, values in training["settings"].items() for key, x in values.items()}
    return settings | {
        "`seed`": origin["seed"],
        "processor": origin["processor"],
        "device": summary["device"],
        "PyTorch": summary["torch"],
        "ended on": origin["finished"],
        "the files were written at commit": origin["commit"],
    }
