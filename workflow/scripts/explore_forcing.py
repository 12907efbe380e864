import numpy as np

from claims.forcing import measure
from engine.files import write_json
from engine.job import job

output = snakemake.output

with job(snakemake):
    records, shown = measure(snakemake.params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
