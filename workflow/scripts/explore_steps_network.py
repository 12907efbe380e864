from itertools import product

import numpy as np
import torch

from claims.steps_network import measure
from diffusion.classifier import Classifier
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

params, files, output = snakemake.params, snakemake.input, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    loaded = dict(zip(product((0, 1), params.steps), map(np.load, files.samples), strict=True))
    samples = {key: torch.from_numpy(file["images"])[:, None] for key, file in loaded.items()}
    seconds = {key: float(file["seconds"]) for key, file in loaded.items()}
    computed_on = str(next(iter(loaded.values()))["computed_on"])
    digits, model = Digits.load(files.images), Classifier.load(files.classifier)
    records, shown = measure(samples, seconds, computed_on, digits, model, params.confidence, params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
