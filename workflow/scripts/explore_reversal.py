import numpy as np

from claims.reversal import measure, studies
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    found = studies(**params.reversal, seed=params.seed)
    write_json(output.measures, measure(found))
    np.savez(output.data, **found)
