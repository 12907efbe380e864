"""Section 5, Algorithm 2: what a sample depends on, and what not. (Its distribution: test_backward.py.)"""

from dataclasses import replace

import pytest
import torch
from networks import small_network

from diffusion.forward import VarianceSchedule
from diffusion.images import snapshots
from diffusion.sampling import Sampler, _one_ahead, draw_noise
from diffusion.unet import UNet
from engine.device import CPU
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


def test_noise_is_the_same_from_one_thread_and_from_several(monkeypatch):
    one = draw_noise(1, "sample", range(9), 8, SHAPE)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert torch.equal(draw_noise(1, "sample", range(9), 8, SHAPE), one)
    alone = [torch.randn((9, *SHAPE), generator=generator(1, "sample", i)) for i in range(9)]
    assert torch.equal(torch.stack(alone), one)


def test_the_noise_of_one_batch_is_drawn_ahead_and_no_more():
    drawn = []
    batches = _one_ahead(lambda batch: drawn.append(batch) or torch.zeros(len(batch)), [[0], [1], [2], [3]])
    for number, _ in enumerate(batches):
        assert len(drawn) <= number + 2
    assert drawn == [[0], [1], [2], [3]]
    assert list(_one_ahead(torch.tensor, [])) == []


def test_the_process_runs_from_its_own_noise_down_to_the_sample():
    x = processes(range(2), times=(8, 3, 0))
    assert x.shape == (2, 3, *SHAPE)
    assert torch.equal(x[:, 0], draw_noise(1, "sample", range(2), 8, SHAPE)[:, 0])
    assert torch.allclose(x[:, 2], samples(range(2), 2), atol=1e-6)
    times = [t for t, _ in Sampler.of(small_network(), SCHEDULE, 1).process("sample", range(2))]
    assert times == list(range(8, -1, -1))


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
