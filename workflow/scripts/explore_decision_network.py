import numpy as np
import torch

from claims.decision_network import measure
from diffusion.classifier import Classifier
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import write_json
from engine.job import job

params, files, output = snakemake.params, snakemake.input, snakemake.output

with job(snakemake):
    use_threads(snakemake.threads)
    loaded = dict(zip(params.times, map(np.load, files.returned), strict=True))
    returned, runs, x_t = (
        {t: torch.from_numpy(file[name]) for t, file in loaded.items()} for name in ("images", "runs", "x_t")
    )
    originals = next(iter(loaded.values()))["index"]
    digits, model, predicted = Digits.load(files.images), Classifier.load(files.classifier), np.load(files.predicted)
    records, shown = measure(
        {t: x[:, None] for t, x in returned.items()},
        {t: x[:, None] for t, x in runs.items()},
        x_t,
        *(originals, digits, params.image, model, predicted, params.T, params.seed),
    )
    write_json(output.measures, records)
    np.savez(output.data, **shown)
