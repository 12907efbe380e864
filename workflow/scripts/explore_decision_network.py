import numpy as np

from claims.decision_network import Returned, measure
from diffusion.classifier import Classifier
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

params, files, output = snakemake.params, snakemake.input, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    returned = Returned.read(dict(zip(params.times, files.returned, strict=True)))
    digits, model, predicted = Digits.load(files.images), Classifier.load(files.classifier), np.load(files.predicted)
    records, shown = measure(returned, digits, params.image, model, predicted, params.T, params.seed)
    write_json(output.measures, records)
    np.savez(output.data, **shown)
