import json
from importlib.metadata import version
from pathlib import Path

import yaml

from diffusion import origin, provenance
from job import job

files, output = snakemake.input, snakemake.output

with job(snakemake):
    folder = Path(output.crate).parent
    records = [*folder.glob("logs/*.log"), *folder.glob("benchmarks/*.tsv")]
    training = json.loads(Path(files.training).read_text(encoding="utf-8"))
    run = provenance.Run(
        folder=folder,
        # Read from the configuration, and not params: a setting that changes no result is no reason to run again.
        settings=snakemake.config,
        schema=yaml.safe_load(Path(files.schema).read_text(encoding="utf-8")),
        citation=yaml.safe_load(Path(files.citation).read_text(encoding="utf-8")),
        results=[Path(file) for file in [*files.results, *files.intermediate, *files.shards]],
        records=sorted(file for file in records if file.stem != snakemake.rule),
        sources=[Path(file) for file in files.sources],
        data=json.loads(Path(files.data).read_text(encoding="utf-8")),
        packages=provenance.packages(Path(file) for file in files.environments),
        machine=provenance.machine() | {"trained on": training["device"]},
        snakemake=version("snakemake"),
        commit=origin.commit(Path()),
        agent=snakemake.params.agent,
        note=snakemake.params.note,
    )
    provenance.describe(run).write(folder)
