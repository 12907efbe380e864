"""Section 5, Algorithm 2: what a sample depends on, and what not. (Its distribution: test_backward.py.)"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import small_network
from scipy import stats

from diffusion import sampling
from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler, draw_noise
from diffusion.unet import UNet
from engine.device import CPU
from engine.errors import UserError
from engine.randomness import generator

SCHEDULE = VarianceSchedule.linear(8, 0.01, 0.3)
SHAPE = (1, 8, 8)


def samples(indices, batch_size):
    return snapshots(Sampler.of(small_network(), SCHEDULE, 1).in_batches("sample", indices, batch_size))[:, 0]


def processes(indices, times, x_T=None):
    return snapshots(Sampler.of(small_network(), SCHEDULE, 1).process("sample", indices, x_T), times)


def test_samples_do_not_depend_on_the_split_over_batches_and_shards():
    whole = samples(range(7), 7)
    assert torch.allclose(whole, samples(range(7), 2), atol=1e-5)
    shards = [samples(range(7 * k // 3, 7 * (k + 1) // 3), 5) for k in range(3)]
    assert torch.allclose(whole, torch.cat(shards), atol=1e-5)
    assert (whole[0] - whole[1]).abs().max() > 0.1


def test_noise_is_addressed_by_seed_stream_and_index():
    noise = draw_noise(1, "sample", [4, 9], 8, SHAPE)
    assert noise.shape == (2, 9, *SHAPE)
    assert torch.equal(noise[1:], draw_noise(1, "sample", [9], 8, SHAPE))
    for other in (draw_noise(2, "sample", [9], 8, SHAPE), draw_noise(1, "figure", [9], 8, SHAPE)):
        assert not torch.equal(noise[1:], other)


def test_the_noise_of_long_processes_is_bounded_by_smaller_batches(monkeypatch):
    monkeypatch.setitem(sampling.NOISE_BYTES, "cpu", 3 * 4 * 9 * 64)  # of three samples
    sizes = [len(x) for t, x in Sampler.of(small_network(), SCHEDULE, 1).in_batches("sample", range(7), 5) if t == 0]
    assert sizes == [3, 3, 1]
    monkeypatch.setitem(sampling.NOISE_BYTES, "cpu", 1)
    assert samples(range(2), 2).shape == (2, *SHAPE)


def test_samples_that_are_not_finite_are_refused():
    sampler = replace(Sampler.of(small_network(), SCHEDULE, 1), eps_theta=lambda x, t: x * torch.nan)
    with pytest.raises(UserError, match="a sample is not finite"):
        list(sampler.in_batches("sample", range(3), 2))


def test_noise_is_the_same_from_one_thread_and_from_several(monkeypatch):
    one = draw_noise(1, "sample", range(9), 8, SHAPE)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert torch.equal(draw_noise(1, "sample", range(9), 8, SHAPE), one)
    alone = [torch.randn((9, *SHAPE), generator=generator(1, "sample", i)) for i in range(9)]
    assert torch.equal(torch.stack(alone), one)


def test_the_process_runs_from_its_own_noise_down_to_the_sample():
    x = processes(range(2), times=(8, 3, 0))
    assert x.shape == (2, 3, *SHAPE)
    assert torch.equal(x[:, 0], draw_noise(1, "sample", range(2), 8, SHAPE)[:, 0])
    assert torch.allclose(x[:, 2], samples(range(2), 2), atol=1e-6)
    times = [t for t, _ in Sampler.of(small_network(), SCHEDULE, 1).process("sample", range(2))]
    assert times == list(range(8, -1, -1))


def mean_and_deviation(x, t, eps_theta):
    """Of (19), in numpy and with the schedule's formula."""
    beta = np.concatenate([[0.0], np.linspace(0.01, 0.3, 8)])
    bar = np.cumprod(1 - beta)
    mean = (x - beta[t] / np.sqrt(1 - bar[t]) * eps_theta(x, t)) / np.sqrt(1 - beta[t])
    return mean, np.sqrt(beta[t] * (1 - bar[t - 1]) / (1 - bar[t]))


def test_the_process_takes_the_noise_of_each_step_and_no_other():
    """Step t adds sigma_t times entry t of the noise, and starts from entry 0; by hand for a sine as the network."""
    sampler = Sampler(lambda x, t: torch.sin(3 * x) * t / 8, SCHEDULE, (1, 1, 1), seed=1)
    found = torch.stack([x.flatten() for _, x in sampler.process("sample", range(5))]).numpy()
    noise = draw_noise(1, "sample", range(5), 8, (1, 1, 1)).reshape(5, 9).numpy()
    x = noise[:, 0]
    for t in range(8, -1, -1):
        assert np.allclose(found[8 - t], x, atol=1e-5), t
        if t:
            mean, deviation = mean_and_deviation(x, t, lambda x, t: np.sin(3 * x) * t / 8)
            x = mean + deviation * noise[:, t]


def test_law_of_the_samples_of_a_mixture():
    """x_0 is m or -m with Gaussian noise; with its exact noise prediction Algorithm 2's law follows by quadrature, step
    by step. 6,400 pixels against it: a correct sampler fails one such test in 10,000.
    """
    m, variance = 0.7, 0.01
    bar = SCHEDULE.alpha_bar.numpy()

    def eps_theta(x, t):
        spread = bar[t] * variance + 1 - bar[t]
        centre = bar[t] ** 0.5 * m
        return (1 - bar[t]) ** 0.5 / spread * (x - centre * np.tanh(x * centre / spread))

    y, dy = np.linspace(-6, 6, 1201, retstep=True)
    density = stats.norm.pdf(y)
    for t in range(8, 1, -1):
        density = stats.norm.pdf(y[:, None], *mean_and_deviation(y, t, eps_theta)) @ density * dy
    assert density.sum() * dy == pytest.approx(1, abs=1e-6)
    last, _ = mean_and_deviation(y, 1, eps_theta)
    assert (np.diff(last) > 0).all()  # the last step, without noise, keeps the order

    def predict(x, t):
        return torch.from_numpy(eps_theta(x.double().numpy(), t.item())).float()

    x_0 = snapshots(Sampler(predict, SCHEDULE, SHAPE, seed=2).process("law", range(100))).flatten().numpy()
    assert stats.kstest(x_0, lambda x: np.interp(x, last, np.cumsum(density) * dy)).pvalue > 1e-4


def test_runs_from_one_gaussian_start_there_and_differ():
    x_T = torch.randn(1, *SHAPE)
    x = processes(range(3), (8, 0), x_T)
    assert torch.equal(x[:, 0], x_T.expand(3, *SHAPE))
    assert (x[0, 1] - x[1, 1]).abs().max() > 0.1


@pytest.mark.parametrize("channels, size, steps", [(32, 8, 8), (64, 32, 4)])
def test_bfloat16_moves_a_sample_little(channels, size, steps):
    """From noise to x_0, over a few large steps: in relative L2."""
    schedule = VarianceSchedule.linear(steps, 0.01, 0.3)

    def result(precision):
        torch.manual_seed(0)
        model = UNet(channels, size)
        return snapshots(Sampler.of(model, schedule, 1, replace(CPU, precision=precision)).process("sample", range(2)))

    exact, rounded = result(torch.float32), result(torch.bfloat16)
    assert 0 < (rounded - exact).norm() / exact.norm() < 0.02
