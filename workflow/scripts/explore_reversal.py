import numpy as np

from claims.reversal import measure, studies
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    arrays = studies(**params.reversal, seed=params.seed)
    write_json(output.measures, measure(arrays))
    np.savez(output.data, **arrays)
