import math
from pathlib import Path

import torch

from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.training import Training, TrainingSettings, training_steps
from diffusion.unet import UNet
from engine import parallel
from engine.checkpoints import StateFolder, experiment, run
from engine.device import Compiler, prepare
from engine.files import write_json
from engine.job import asked_to_stop, job
from engine.progress import History
from engine.tensors import read_tensors, write_tensors
from publishing.training import Earlier, history_table, summary

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
# What changes no result but by rounding is no param: changing it is no reason to train again.
execution = snakemake.config["execution"]
processes, save_seconds = execution["gpus"], 60 * execution["save_minutes"]
parallel.launch(processes)

with job(snakemake):
    hardware = parallel.join(prepare(max(1, snakemake.threads // processes), **params.compute))
    images = Digits.load(inputs.images).train_images
    torch.manual_seed(params.seed)  # the network's first weights
    model = UNet(params.network["channels"], images.shape[-1])
    earlier = Earlier()
    if inputs.start:
        weights, *records = inputs.start
        model.load_state_dict(read_tensors(weights))
        earlier = Earlier.read(*records)
    # Another seed for every start, or the minibatches and noise of the earlier training would be repeated.
    settings = TrainingSettings.of_epochs(**params.training, seed=params.seed + earlier.steps)

    compiler = Compiler(hardware, settings.steps)
    training = Training(
        hardware.place(model), settings, lambda objective: parallel.shared(compiler(objective), hardware)
    )
    steps = training_steps(
        training, images, VarianceSchedule.linear(**params.schedule), hardware, parallel.share(settings.batch_size)
    )
    history = History(settings.steps, settings.batch_size, settings.rate, hardware.device)
    # The states lie beside the outputs, undeclared: Snakemake removes what a failed job declared.
    name = experiment(snakemake, "train_ddpm.py", hardware)
    states = StateFolder(Path(output.weights).parent / "ddpm_states", name)
    longest = 86_400 * execution["cpu_days"] if hardware.device.type == "cpu" else math.inf
    run(training, steps, history, hardware, states, save_seconds, asked_to_stop(), longest)

    if parallel.leave() == 0:  # the first process writes the results
        table = history_table(history.rows, earlier)
        record = {"batch_size": settings.batch_size, "processes": processes, "device": str(hardware)}
        record |= {"compiled": compiler.worked}
        table.to_csv(output.history, index=False)
        write_json(output.summary, summary(table, images, model) | record)
        write_tensors(output.weights, training.weights())
