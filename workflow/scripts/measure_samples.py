from claims.samples import FigureImages, measure
from diffusion.classifier import Classifier
from diffusion.images import Digits
from engine.device import use_threads
from engine.files import read_json, write_json
from engine.job import job

files, params = snakemake.input, snakemake.params

with job(snakemake):
    use_threads(snakemake.threads)
    figures = FigureImages.load(files.figure_3, files.figure_4, files.figure_5, files.figure_6, files.returned)
    digits, model, summary = Digits.load(files.images), Classifier.load(files.classifier), read_json(files.judge)
    records = measure(digits, model, summary, figures, params.image, params.confidence, params.seed)
    write_json(snakemake.output.measures, records)
