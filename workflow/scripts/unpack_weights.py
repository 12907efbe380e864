import logging
import shutil

from safetensors.torch import save_file

from engine.files import write_json
from engine.job import job
from publishing import weights as shipping

inputs, output = snakemake.input, snakemake.output

with job(snakemake):
    tensors, record = shipping.unpack(
        inputs.weights, inputs.record, inputs.table, inputs.sums, snakemake.params.settings
    )
    logging.info("%d tensors, trained by %s", len(tensors), record["origin"])
    write_json(output.summary, record["summary"])
    shutil.copyfile(inputs.table, output.table)
    save_file(tensors, output.weights)
