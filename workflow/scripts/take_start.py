from pathlib import Path

from engine.job import job
from publishing.weights import take_start, write_start

output, params = snakemake.output, snakemake.params

with job(snakemake):
    trained = take_start(Path(params.start), params.sha256, params.settings)
    write_start(trained, Path(output.weights), Path(output.record), Path(output.history))
