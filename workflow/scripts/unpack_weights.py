import json
import logging
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from diffusion import shipping
from job import job

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    shipping.verify([*inputs.weights, inputs.record, inputs.table], inputs.sums)
    record = json.loads(Path(inputs.record).read_text(encoding="utf-8"))
    shipping.refuse_other_settings(record["settings"], snakemake.params.settings)
    tensors = shipping.join([load_file(file) for file in inputs.weights])
    logging.info("%d tensors, trained by %s", len(tensors), record["origin"])
    Path(output.summary).write_text(json.dumps(record["summary"], indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(inputs.table, output.table)
    save_file(tensors, output.weights)
