from pathlib import Path

from engine.job import job
from publishing import provenance

inputs, params = snakemake.input, snakemake.params

with job(snakemake):
    folder = Path(snakemake.output.crate).parent
    # From the configuration, and not params: a setting that changes no result is no reason to run again.
    run = provenance.gather(dict(inputs.items()), folder, snakemake.config, params.note, params.jobs)
    provenance.describe(run).write(folder)
