from pathlib import Path

from diffusion.forward import VarianceSchedule
from diffusion.images import Digits
from diffusion.training import Training, TrainingSettings, training_steps
from engine import parallel
from engine.checkpoints import StateFolder, experiment, run
from engine.device import Compiler, prepare
from engine.files import write_json
from engine.interrupts import asked_to_stop
from engine.job import job
from engine.progress import History
from engine.tensors import write_tensors
from publishing.training import first_network, history_table, summary

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
# What changes no result but by rounding is no param: changing it is no reason to train again.
execution = snakemake.config["execution"]
processes, save_seconds = execution["gpus"], 60 * execution["save_minutes"]
parallel.launch(processes)

with job(snakemake):
    hardware = parallel.join(prepare(snakemake.threads, **params.compute))
    images = Digits.load(inputs.images).train_images
    schedule = VarianceSchedule.linear(**params.schedule)
    model, earlier = first_network(params.network["channels"], images.shape[-1], params.seed, inputs.start)
    # Another seed for every start, or the minibatches and noise of the earlier training would be repeated.
    settings = TrainingSettings.of_epochs(**params.training, seed=params.seed + earlier.steps)
    compiler = Compiler(hardware, settings.steps)
    training = Training(hardware.place(model), settings, lambda loss: parallel.shared(compiler(loss), hardware))
    steps = training_steps(training, images, schedule, hardware, parallel.share(settings.batch_size))
    history = History(settings.steps, settings.batch_size, settings.rate, hardware.device, training.remedy)
    # The states lie beside the outputs, undeclared: Snakemake removes what a failed job declared.
    name, folder = experiment(snakemake, "train_ddpm.py", hardware), Path(output.weights).with_name("ddpm_states")
    longest = hardware.longest(execution["cpu_days"])
    run(training, steps, history, hardware, StateFolder(folder, name), save_seconds, asked_to_stop(), longest)

    if parallel.leave() == 0:  # the first process writes the results
        table = history_table(history.rows, earlier)
        ran = {"batch_size": settings.batch_size, "processes": processes, "device": str(hardware)}
        table.to_csv(output.history, index=False)
        ran |= {"compiled": compiler.worked} | ({"start_unknown": True} if earlier.is_unknown else {})
        write_json(output.summary, summary(table, images, model) | ran)
        write_tensors(output.weights, training.weights())
