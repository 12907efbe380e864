import numpy as np
import torch

from claims import samples as evidence
from claims.statistics import energy_test
from diffusion.classifier import Classifier
from diffusion.forward import VarianceSchedule, forward_leap, forward_process
from diffusion.images import Digits, rescale
from engine.device import use_threads
from engine.files import write_json
from engine.job import job
from engine.randomness import generator

params, files = snakemake.params, snakemake.input
TRAINING_IMAGES, TEST_IMAGES, IN_TWO_SAMPLES, CHAINS = 20_000, 4000, 500, 20

with job(snakemake):
    use_threads(snakemake.threads)
    schedule = VarianceSchedule.linear(params.schedule["T"], params.schedule["beta_1"], params.schedule["beta_T"])
    digits = Digits.load(files.images)
    model = Classifier.load(files.classifier)

    def normal(shape: tuple[int, ...], stream: str, *address: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(shape, generator=generator(params.seed, f"claims, {stream}", *address), dtype=dtype)

    train, train_truth = rescale(digits.train_images[:TRAINING_IMAGES]), digits.train_labels[:TRAINING_IMAGES].numpy()
    every = max(1, -(-len(digits.test_images) // TEST_IMAGES))  # MNIST's first test images are the easier ones
    test, truth = rescale(digits.test_images[::every]), digits.test_labels[::every].numpy()
    early = max(1, schedule.T // 10)
    test_early = forward_leap(test, early, normal(test.shape, "test images early"), schedule)
    test_T = forward_leap(test, schedule.T, normal(test.shape, "test images at T"), schedule)

    random = np.random.default_rng(params.seed)
    few = train[:IN_TWO_SAMPLES]
    few = forward_leap(few, schedule.T, normal(few.shape, "training images at T"), schedule).flatten(1)
    noise, more_noise = (normal(few.shape, "Gaussian images", i) for i in (0, 1))
    signal = evidence.signal(train, schedule)
    detectable = {"p_value": energy_test(few, noise, random), "null_p_value": energy_test(more_noise, noise, random)}

    x_0 = train[:1].double().expand(CHAINS, -1, -1, -1)
    for _, x in forward_process(x_0, schedule, lambda t: normal(x_0.shape, "chain", t, dtype=torch.float64)):
        x_T = x
    records = {
        "visible": evidence.visible(model, test, test_early, test_T, truth) | {"early": early},
        "informed_judge": evidence.informed_judge(train, train_truth, test_T, truth, schedule),
        "signal": signal,
        "detectable": detectable | signal | {"images": len(few)},
        "leap": evidence.composed_steps(schedule),
        "law": evidence.law_of_leap(x_T, x_0, schedule),
    }
    write_json(snakemake.output.measures, records)
