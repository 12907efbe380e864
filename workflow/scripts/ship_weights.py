from pathlib import Path

from engine.files import read_json
from engine.job import job
from publishing.weights import about, ship

inputs, params = snakemake.input, snakemake.params

with job(snakemake):
    models = {"ddpm": Path(inputs.ddpm), "classifier": Path(inputs.classifier)}
    start = read_json(inputs.start[0]) if inputs.start else {}
    origin = about(snakemake.config["preset"], params.seed, models["ddpm"])
    ship(models, params.settings, origin, start, Path(snakemake.output.sums).parent)
