"""What the companion document and the report tell of a run, gathered from the files that the run left."""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.ledger import VERDICTS
from engine.errors import UserError

Array = NDArray[np.float64]

CLAIM = ("id", "place", "statement", "kind", "test", "threshold", "why", "value", "verdict", "detail")


def kept_amplitude(T: int, beta_1: float, beta_T: float) -> Array:
    """sqrt(alpha_bar_t) for t = 0..T: what is left of x_0's amplitude in x_t by (8), for the linear schedule."""
    alpha = 1 - np.linspace(beta_1, beta_T, T)
    return np.sqrt(np.concatenate([[1.0], np.cumprod(alpha)]))


def leading_modes(t: Array, amplitudes: Array, eigenvalues: Array) -> list[dict]:
    """The succession of modes that hold most of the gradient norm: [{"k", "from", "to"}, ...] over the times t, (m,).

    `amplitudes`, (m, K + 1), are those of phi_0..phi_K; phi_k holds lambda_k amplitude_k^2 of the norm (21).
    """
    leader = (eigenvalues * amplitudes**2)[:, 1:].argmax(axis=1) + 1
    starts = np.flatnonzero(np.diff(leader, prepend=0))
    ends = np.append(starts[1:], len(t) - 1)
    return [{"k": int(leader[a]), "from": float(t[a]), "to": float(t[b])} for a, b in zip(starts, ends, strict=True)]


def costs(benchmarks: Iterable[Path | str]) -> list[dict]:
    """Time and memory of each rule from Snakemake's benchmark files, in their order, the shards of a rule together:
    [{"rule", "jobs", "seconds", "cpu_seconds", "peak_mb"}, ...]. What Snakemake could not measure is None.
    """
    jobs = pd.DataFrame(
        [
            {"rule": re.sub(r"_\d+-of-\d+$", "", Path(file).stem), **pd.read_csv(file, sep="\t").iloc[-1].to_dict()}
            for file in benchmarks
        ]
    )
    jobs[["s", "cpu_time", "max_rss"]] = jobs[["s", "cpu_time", "max_rss"]].apply(pd.to_numeric, errors="coerce")
    rules = jobs.groupby("rule", sort=False).agg(
        jobs=("s", "size"),
        seconds=("s", "sum"),
        cpu_seconds=("cpu_time", lambda times: times.sum(skipna=False)),
        peak_mb=("max_rss", "max"),
    )
    return records(rules.reset_index())


def records(frame: pd.DataFrame) -> list[dict]:
    """A table's rows as plain values; what is not a number is None."""
    return json.loads(frame.to_json(orient="records", double_precision=15))


def commonest_error(confusion: pd.DataFrame) -> dict | None:
    """{"true", "found", "count"} of the pair that a confusion table, (10, 10), has most often; None if all is right."""
    off = confusion.to_numpy().copy()
    np.fill_diagonal(off, 0)
    true, found = np.unravel_index(off.argmax(), off.shape)
    return {"true": int(true), "found": int(found), "count": int(off.max())} if off.any() else None


def packages(lists: Iterable[Path | str]) -> dict[str, str]:
    """What the short lists of envs/ pin: name to version."""
    lines = [line for file in lists for line in Path(file).read_text(encoding="utf-8").splitlines()]
    return dict(sorted(line.split("==") for line in lines if "==" in line and not line.startswith("#")))


def read_claims(file: Path | str) -> dict:
    """The ledger of claims with their verdicts. Raises UserError, which names what is wrong with the file."""
    remedy = "delete it and run again to have it made anew"
    try:
        ledger = json.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"the table of claims {file} is not there: run the workflow's default target") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as reason:
        raise UserError(f"the table of claims {file} is not JSON ({reason}): {remedy}") from None
    if not isinstance(ledger, dict) or not isinstance(ledger.get("claims"), list):
        raise UserError(f"the table of claims {file} has no list of claims: {remedy}")
    for n, claim in enumerate(ledger["claims"], start=1):
        name = f"claim {n} ({claim.get('id', 'without id') if isinstance(claim, dict) else 'no table'}) in {file}"
        if missing := [key for key in CLAIM if key not in claim]:
            raise UserError(f"{name} lacks {', '.join(missing)}: {remedy}")
        if claim["verdict"] not in VERDICTS:
            raise UserError(
                f"{name} has the verdict {claim['verdict']!r}, but must have {' or '.join(VERDICTS)}: {remedy}"
            )
    ledger["counts"] = {verdict: sum(c["verdict"] == verdict for c in ledger["claims"]) for verdict in VERDICTS}
    return ledger


def substitutions(run: dict) -> str:
    """The run's numbers as reStructuredText substitutions, |name|, for the captions of the report."""
    samples, growth = run["samples"], run["pde"]["growth_rates"]
    most, least = (pick(samples["counts"], key=samples["counts"].get) for pick in (max, min))
    orders = {row["study"]: row["order"] for row in run["pde"]["convergence"]}  # the finest of each study
    ruled = [f"φ\\ :sub:`{mode['k']}` until t = {mode['to']:.2f}" for mode in run["pde"]["leaders"]]
    values = {
        "demo": f"**{run['demo_note']}.**" if run["demo_note"] else "\\",
        "training_images": f"{run['training']['training_images']:,}",
        "image_size": run["training"]["image_size"],
        "T": run["settings"]["ddpm"]["T"],
        "kept": f"{100 * run['schedule']['kept'][-1]:.1f}%",
        "parameters": f"{run['training']['parameters']:,}",
        "image_visits": f"{run['training']['image_visits']:,}",
        "training_minutes": f"{run['training']['seconds'] / 60:.1f}",
        "training_device": run["training"]["device"],
        "first_loss": f"{run['training']['first_loss']:.3f}",
        "last_loss": f"{run['training']['final_loss']:.3f}",
        "samples": samples["samples"],
        "threshold": f"{samples['confidence_threshold']:g}",
        "recognised": f"{100 * samples['recognised_share']:.1f}%",
        "most": f"{samples['counts'][most]} (of “{most}”)",
        "least": f"{samples['counts'][least]} (of “{least}”)",
        "accuracy": f"{100 * run['classifier']['test_accuracy']:.2f}%",
        "test_images": f"{run['classifier']['test_images']:,}",
        "leaders": ", ".join(ruled),
        "norm_drift": f"{run['pde']['invariants']['norm_drift']:.0e}",
        "order_in_space": f"{orders['space']:.3f}",
        "order_in_time": f"{orders['time']:.3f}",
        "worst_rate": f"{100 * max(row['relative_error'] for row in growth):.2f}%",
    } | {verdict.replace(" ", "_"): count for verdict, count in run["claims"]["counts"].items()}
    return "".join(f".. |{name}| replace:: {value}\n" for name, value in values.items())


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The paper's claims</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; vertical-align: top; padding: .5em .7em; }}
thead th {{ border-bottom: 2px solid #444; position: sticky; top: 0; background: white; }}
tbody tr {{ border-bottom: 1px solid #ddd; }} small {{ color: #555; }} .note {{ color: #b00020; }}
.confirmed {{ color: #1b6e3c; }} .not-confirmed {{ color: #b00020; font-weight: bold; }}
.not-testable-here {{ color: #666; }}
</style></head><body><h1>The paper’s claims</h1><p class="note">{note}</p><p>{counts}.</p>
<table><thead><tr><th>place</th><th>statement</th><th>test</th><th>result</th><th>verdict</th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""
ROW = (
    "<tr><td>{place}</td><td>{statement}<br><small>{id}</small></td>"
    "<td>{test}<br><small>Asked: {threshold}. {why}</small></td><td><b>{value}</b><br>{detail}</td>"
    "<td class='{style}'>{verdict}</td></tr>"
)


def claims_page(ledger: dict, note: str) -> str:
    """The ledger as one HTML page, with the demo's note where there is one."""
    rows = [
        ROW.format(style=claim["verdict"].replace(" ", "-"), **{key: html.escape(str(claim[key])) for key in CLAIM})
        for claim in ledger["claims"]
    ]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in ledger["counts"].items())
    return PAGE.format(note=html.escape(note), counts=counts, rows="\n".join(rows))
