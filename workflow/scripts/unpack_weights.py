import logging
import shutil
from pathlib import Path

from engine.files import write_json
from engine.job import job
from engine.tensors import write_tensors
from publishing.weights import unpack

inputs, output, params = snakemake.input, snakemake.output, snakemake.params

with job(snakemake):
    trained = unpack(Path(inputs.sums).parent, params.model, params.settings)
    logging.info("%d tensors, trained by %s", len(trained.tensors), trained.record["origin"])
    write_json(output.summary, trained.record["summary"])
    shutil.copyfile(snakemake.input.table, output.table)
    write_tensors(output.weights, trained.tensors)
