import numpy as np
import pandas as pd

from engine.files import read_json, write_json
from engine.job import job

files = snakemake.input

with job(snakemake):
    in_space = pd.read_csv(files.convergence).query("study == 'space'").iloc[-1]
    rates = pd.read_csv(files.growth_rates)
    worst = rates.loc[rates["relative_error"].idxmax()]
    with np.load(files.solution) as solution:
        first = solution["amplitudes"][:, 1] ** 2 * solution["eigenvalues"][1] / solution["C"]
        t = solution["t"]
        variation = np.abs(np.diff(solution["u"], axis=1)).sum(axis=1)
    records = {
        "invariants": read_json(files.invariants),
        "convergence": {
            "order": float(in_space["order"]),
            "error": float(in_space["error"]),
            "cells": int(in_space["cells"]),
        },
        "growth_rates": {
            "worst": float(worst["relative_error"]),
            "worst_k": int(worst["k"]),
            "worst_j": int(worst["j"]),
            "wrong_signs": int((np.sign(rates["measured"]) != np.sign(rates["theory"])).sum()),
            "pairs": len(rates),
        },
        "total_variation": {
            "change": float(np.abs(variation / variation[0] - 1).max()),
            "least": float(variation.min() / variation[0]),
            "most": float(variation.max() / variation[0]),
        },
        "decay": {"share": float(first[-1]), "share_start": float(first[0]), "t_end": float(t[-1])},
    }
    write_json(snakemake.output.measures, records)
