import numpy as np

from claims.digits import measure, study
from diffusion.images import Digits
from engine.files import write_json
from engine.job import job

params, output = snakemake.params, snakemake.output

with job(snakemake):
    arrays = study(Digits.load(snakemake.input.images), params.image, **params.digits, seed=params.seed)
    write_json(output.measures, measure(arrays))
    np.savez(output.data, **arrays)
