import logging

import numpy as np

from diffusion.forward import VarianceSchedule
from diffusion.sde import GaussianData, strong_errors
from engine.files import write_json
from engine.job import job
from engine.randomness import generator

params = snakemake.params
REFINEMENTS, FINEST, PATHS = [1, 2, 4, 8], 64, 400
DATA = GaussianData(mean=0.4, variance=0.25)

with job(snakemake):
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    records = {}
    for name in ("forward", "backward"):
        source = generator(params.seed, f"claims, {name} equation")
        errors = strong_errors(schedule, REFINEMENTS, FINEST, PATHS, source, DATA, backward=name == "backward")
        logging.info("%s: strong errors %s", name, errors)
        records[name] = {
            "order": float(-np.polyfit(np.log(REFINEMENTS), np.log(errors), 1)[0]),
            "errors": errors,
            "error_coarsest": errors[0],
            "error_finest": errors[-1],
            "steps": schedule.T,
            "steps_finest": schedule.T * REFINEMENTS[-1],
            "paths": PATHS,
        }
    write_json(snakemake.output.measures, records)
