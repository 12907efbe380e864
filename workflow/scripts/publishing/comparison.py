"""Is a run what its reference was? Each number of a run beside that of the reference, with the tolerance of its kind.

Two correct runs need not agree digit for digit: other processors round otherwise, and another seed draws other samples.
So a number is compared by its kind:

- `exact`: what was counted is equal;
- `rounding`: what is computed without random numbers differs by at most 1e-6 of its size;
- `share`: two shares, each count out of total, differ by no more than chance allows (Fisher's exact test at LEVEL);
- `counts`: two rows of counts come from one distribution (chi-square test of homogeneity at LEVEL);
- `factor`: what depends on the training as a whole agrees within the factor that is given beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from engine.errors import UserError
from engine.files import read_json, reading, write_json
from publishing.origin import commit, processor

LEVEL = 1e-3
"""Of each test of chance: of a thousand correct runs, one fails it."""

Quantity = dict[str, Any]
"""A number and its kind, as a reference file stores them."""


@dataclass(frozen=True)
class Line:
    """One number of a run beside the reference's: whether they agree, and by which rule."""

    name: str
    here: str
    reference: str
    agrees: bool
    rule: str

    def __str__(self) -> str:
        mark = "same" if self.agrees else "DIFFERS"
        return f"{mark:>7}  {self.name}: {self.here}; in the reference {self.reference} ({self.rule})"


def quantities(run: dict, samples: dict) -> dict[str, Quantity]:
    """What is compared, by name, of a run's numbers.json and its claims/samples.json."""
    training, judge, sorted_ = run["training"], run["classifier"], run["samples"]
    algebra = [claim for claim in run["claims"]["claims"] if claim["kind"] == "algebra"]

    def exact(value: int) -> Quantity:
        return {"kind": "exact", "value": value}

    def rounding(value: float) -> Quantity:
        return {"kind": "rounding", "value": value}

    def share(count: int, total: int) -> Quantity:
        return {"kind": "share", "count": count, "total": total}

    def factor(value: float, at_most: float) -> Quantity:
        return {"kind": "factor", "value": value, "at_most": at_most}

    kept = run["schedule"]["kept"]
    return {
        "training images": exact(training["training_images"]),
        "pixels along an edge": exact(training["image_size"]),
        "steps T of the forward process": exact(len(kept) - 1),
        "amplitude of x_0 kept at T": rounding(kept[-1]),
        "parameters of the network": exact(training["parameters"]),
        "gradient steps": exact(training["steps"]),
        "image visits": exact(training["image_visits"]),
        "loss over the training's last tenth": factor(training["final_loss"], 1.1),
        "test images that the classifier reads": share(
            round(judge["test_accuracy"] * judge["test_images"]), judge["test_images"]
        ),
        "samples sorted with confidence": share(sorted_["recognised"], sorted_["samples"]),
        "samples near real digits besides": share(samples["nines"]["recognised"], samples["nines"]["samples"]),
        "samples in each category": {"kind": "counts", "values": list(sorted_["counts"].values())},
        "Fréchet distance of the samples, over that of real images without one digit": factor(
            samples["frechet"]["to_missing_digit"] or 0.0, 1.5
        ),
        "algebraic identities that hold": exact(sum(claim["verdict"] == "confirmed" for claim in algebra)),
        **{
            f"error of the PDE in {row['study']}, N = {row['cells']}, {row['steps']} steps": rounding(row["error"])
            for row in run["pde"]["convergence"]
        },
        "largest error of a growth rate near a steady state": rounding(
            max(row["relative_error"] for row in run["pde"]["growth_rates"])
        ),
    }


def compare(here: dict[str, Quantity], reference: dict[str, Quantity]) -> Iterator[Line]:
    """A line for each number of the reference. Raises UserError where one of the two lacks a number of the other."""
    for name in [*reference, *here]:
        if name not in here:
            raise UserError(f"the reference has '{name}', which this run has not: is it of another preset or version?")
        if name not in reference:
            raise UserError(f"the run has '{name}', which the reference has not: is it of another preset or version?")
    for name, expected in reference.items():
        yield _line(name, here[name], expected)


def _line(name: str, here: Quantity, reference: Quantity) -> Line:
    match reference["kind"]:
        case "exact":
            a, b = here["value"], reference["value"]
            return Line(name, f"{a:,}", f"{b:,}", a == b, "must be equal")
        case "rounding":
            a, b = here["value"], reference["value"]
            agrees = isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
            return Line(name, f"{a:.6g}", f"{b:.6g}", agrees, "equal to rounding")
        case "share":
            pairs = [(one["count"], one["total"]) for one in (here, reference)]
            p = float(stats.fisher_exact([[count, total - count] for count, total in pairs]).pvalue)
            ours, theirs = (f"{count} of {total}" for count, total in pairs)
            return Line(name, ours, theirs, p >= LEVEL, f"as likely as {p:.2g} by chance")
        case "counts":
            if (n := len(here["values"])) != (m := len(reference["values"])):
                raise UserError(f"'{name}' has {n} parts in the run, but {m} in the reference: one of them is damaged")
            both = np.array([here["values"], reference["values"]])
            p = float(stats.chi2_contingency(both[:, both.any(axis=0)]).pvalue)
            ours, theirs = (" ".join(map(str, row)) for row in both)
            return Line(name, ours, theirs, p >= LEVEL, f"as likely as {p:.2g} by chance")
        case "factor":
            a, b, most = here["value"], reference["value"], reference["at_most"]
            return Line(name, f"{a:.3g}", f"{b:.3g}", b / most <= a <= b * most, f"within a factor of {most:g}")
    raise UserError(f"the reference calls '{name}' a {reference['kind']}, a kind that is not known")


def of_run(run: Path) -> tuple[dict, dict[str, Quantity]]:
    """The numbers.json of the run in the folder `run`, and what is compared of it: with itself too, so that a number
    that cannot be compared is none of the reference's faults.
    """
    numbers, samples = read_json(run / "numbers.json"), read_json(run / "claims" / "samples.json")
    with reading(run, "a run of this version"):
        here = quantities(numbers, samples)
        list(compare(here, here))
        return numbers, here


def write_reference(run: Path, reference: Path) -> None:
    """Make the run in the folder `run` the reference of its preset, with where it was made."""
    numbers, here = of_run(run)
    with reading(run / "numbers.json", "the numbers of a run"):
        made = {"processor": processor(), "device": str(numbers["training"]["device"]), "commit": commit(Path())}
        reference_of = {"preset": str(numbers["preset"]), "made": made, "quantities": here}
    write_json(reference, reference_of)


def beside_reference(run: Path, reference: Path) -> tuple[list[Line], str]:
    """A line for each number of the reference in this file, beside the run's in the folder `run`, and a sentence that
    sums up. Raises UserError where there is no reference, or the run lacks one of its numbers.
    """
    _, here = of_run(run)
    if not reference.is_file():
        raise UserError(f"there is no reference {reference}: only the presets in {reference.parent} have one")
    there = read_json(reference)
    with reading(reference, "the reference of a run"):
        lines = list(compare(here, there["quantities"]))
        agreeing = f"{sum(line.agrees for line in lines)} of {len(lines)} numbers agree with the reference"
        return lines, f"{agreeing}, which was made on {there['made']['processor']}."
