from claims.network import Experiment, measure
from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from engine.device import prepare
from engine.files import read_json, write_json
from engine.job import job

files, params = snakemake.input, snakemake.params

with job(snakemake):
    processor = prepare(snakemake.threads, device="cpu", precision="auto")
    paper, schedule = Experiment(**params.paper), VarianceSchedule.linear(**params.schedule)
    summary, digits = read_json(files.summary), Digits.load(files.images)
    records = measure(paper, summary, digits, params.network["channels"], schedule, params.seed, processor)
    write_json(snakemake.output.measures, records)
