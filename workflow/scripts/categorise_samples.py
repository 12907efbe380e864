import logging

import numpy as np

from diffusion.classifier import Classifier, categorise, join_shards, summarise
from engine.files import write_json
from engine.job import job

files, output = snakemake.input, snakemake.output

with job(snakemake):
    index, images = join_shards(files.shards)
    table = categorise(Classifier.load(files.classifier), index, images)
    summary = summarise(table, snakemake.params.confidence)
    logging.info("%.1f %% of %d samples recognised", 100 * summary["recognised_share"], summary["samples"])
    table.to_csv(output.categories, index=False)
    write_json(output.summary, summary)
    np.savez(output.data, images=images[:, 0], label=table["label"], confidence=table["confidence"])
