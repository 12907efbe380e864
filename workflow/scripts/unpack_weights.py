import json
import logging
import shutil
from pathlib import Path

from safetensors.torch import save_file

from diffusion import shipping
from job import job

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    tensors, record = shipping.unpack(
        inputs.weights, inputs.record, inputs.table, inputs.sums, snakemake.params.settings
    )
    logging.info("%d tensors, trained by %s", len(tensors), record["origin"])
    Path(output.summary).write_text(json.dumps(record["summary"], indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(inputs.table, output.table)
    save_file(tensors, output.weights)
