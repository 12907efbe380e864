import numpy as np

from claims.forcing import measure
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    records, shown = measure(**params.pde, **params.forcing, seed=params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
