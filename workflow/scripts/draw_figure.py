import numpy as np
import pandas as pd

from engine.job import job
from publishing import plots

params = snakemake.params

with job(snakemake):
    file = snakemake.input.data
    data = pd.read_csv(file) if file.endswith(".csv") else dict(np.load(file))
    draw = {
        1: plots.training_images,
        2: plots.forward_process,
        3: plots.backward_process,
        4: plots.categories,
        5: plots.one_gaussian,
        6: plots.training_image,
        7: plots.norm_preserving_pde,
        "learning_curve": plots.learning_curve,
    }[params.figure]
    plots.save(draw(data), snakemake.output.pdf, snakemake.output.png, params.note)
