import numpy as np

from beyond.decision import spectrum
from claims.steps import measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits, rescale
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    eigenvalues = spectrum(rescale(Digits.load(snakemake.input.images).train_images))
    records, shown = measure(VarianceSchedule.linear(**params.schedule), eigenvalues, params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
