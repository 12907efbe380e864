import onnx

from diffusion.unet import UNet
from engine.job import job
from publishing.live import export

params = snakemake.params

with job(snakemake):
    model = UNet.load(snakemake.input.weights, params.network["channels"], params.image_size)
    onnx.save(export(model), snakemake.output.network)
