import numpy as np
import torch

from claims.start_network import measure
from diffusion.classifier import Classifier
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

files, output, params = snakemake.input, snakemake.output, snakemake.params

with job(snakemake):
    use_threads(snakemake.threads)
    digits, schedule = Digits.load(files.images), VarianceSchedule.linear(**params.schedule)
    with np.load(files.samples) as arrays:
        pairs = [torch.from_numpy(arrays[name]) for name in ("gaussian", "true")]
    records, shown = measure(digits, schedule, params.confidence, Classifier.load(files.classifier), *pairs)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
