import json
from pathlib import Path

import numpy as np
import pandas as pd

from engine.files import read_json
from engine.job import job
from publishing import numbers as companion

inputs, output, settings = snakemake.input, snakemake.output, snakemake.params.settings


def read(file: str) -> dict:
    return read_json(file)


with job(snakemake):
    ledger = companion.read_claims(inputs.claims)
    schedule = settings["ddpm"]
    kept = companion.kept_amplitude(schedule["T"], schedule["beta_1"], schedule["beta_T"])
    history, categories = pd.read_csv(inputs.history), pd.read_csv(inputs.categories)
    with np.load(inputs.solution) as solution:
        leaders = companion.leading_modes(solution["t"], solution["amplitudes"], solution["eigenvalues"])
    run = {
        "preset": snakemake.params.preset,
        "demo_note": snakemake.params.note,
        "settings": settings,
        "weights": snakemake.params.weights,
        "schedule": {"kept": kept.tolist()},
        "training": read(inputs.training)
        | {
            "first_loss": float(history["loss"].iloc[0]),
            "final_loss": float(history["loss"].tail(max(1, len(history) // 10)).mean()),
            "images_per_second": float(history["images_per_second"].median()),
        },
        "classifier": read(inputs.classifier)
        | {"commonest_error": companion.commonest_error(pd.read_csv(inputs.confusion, index_col="true"))},
        "samples": read(inputs.samples)
        | {
            "median_confidence": float(categories["confidence"].median()),
            "by_label": companion.records(
                categories.assign(recognised=categories["confidence"] > read(inputs.samples)["confidence_threshold"])
                .groupby("label")
                .agg(count=("label", "size"), recognised=("recognised", "sum"))
                .reindex(range(10), fill_value=0)
                .reset_index()
            ),
        },
        "pde": {
            "invariants": read(inputs.invariants),
            "convergence": companion.records(pd.read_csv(inputs.convergence)),
            "growth_rates": companion.records(pd.read_csv(inputs.growth_rates)),
            "leaders": leaders,
        },
        "arithmetic": read(inputs.network)["arithmetic"],
        "claims": ledger,
        "costs": companion.costs(inputs.benchmarks),
        "packages": companion.packages(inputs.packages),
    }
    Path(output.numbers).write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    Path(output.captions).write_text(companion.substitutions(run), encoding="utf-8")
    Path(output.claims).write_text(companion.claims_page(ledger, snakemake.params.note), encoding="utf-8")
