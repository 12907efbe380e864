from importlib.metadata import version
from pathlib import Path

import yaml

from engine.files import read_json
from engine.job import job
from publishing import origin, provenance

files, output = snakemake.input, snakemake.output

with job(snakemake):
    folder = Path(output.crate).parent
    records = [*folder.glob("logs/*.log"), *folder.glob("benchmarks/*.tsv")]
    training = read_json(files.training)
    run = provenance.Run(
        folder=folder,
        # Read from the configuration, and not params: a setting that changes no result is no reason to run again.
        settings=snakemake.config,
        schema=yaml.safe_load(Path(files.schema).read_text(encoding="utf-8")),
        citation=yaml.safe_load(Path(files.citation).read_text(encoding="utf-8")),
        results=[Path(file) for file in [*files.results, *files.intermediate, *files.shards]],
        records=sorted(file for file in records if file.stem != snakemake.rule),
        sources=[Path(file) for file in files.sources],
        data=read_json(files.data),
        packages=provenance.packages(Path(file) for file in files.environments),
        machine=provenance.machine() | {"trained on": training["device"]},
        snakemake=version("snakemake"),
        commit=origin.commit(Path()),
        agent=snakemake.params.agent,
        note=snakemake.params.note,
    )
    provenance.describe(run).write(folder)
