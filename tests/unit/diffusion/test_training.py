"""Section 5, Algorithm 1, and that a training that was stopped ends where an uninterrupted one does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion.forward import VarianceSchedule
from diffusion.images import rescale
from diffusion.training import (
    Objective,
    Training,
    TrainingSettings,
    draw,
    loss,
    loss_weights,
    minibatch,
    training_steps,
)
from diffusion.unet import UNet
from engine.checkpoints import Interrupted, StateFolder, run
from engine.device import CPU
from engine.errors import UserError
from engine.progress import History

IMAGES = torch.randint(0, 256, (20, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SETTINGS = TrainingSettings(3, 7, 4, 1e-3, (0.9, 0.999), averaging=0.9)
SCHEDULE = VarianceSchedule.linear(10, 0.01, 0.3)


def test_each_pass_shows_every_image_once_in_a_new_order():
    shown = torch.cat([minibatch(1, step, 6, 10) for step in range(5)])
    passes = [shown[i : i + 10] for i in (0, 10, 20)]
    for one in passes:
        assert sorted(one.tolist()) == list(range(10))
    assert not torch.equal(passes[0], passes[1])


def test_draws_depend_on_seed_and_step_alone():
    later = draw(1, 7, 4, 500, (1, 2, 2))
    draw(1, 8, 9, 500, (1, 3, 3))
    again = draw(1, 7, 4, 500, (1, 2, 2))
    assert all(torch.equal(a, b) for a, b in zip(later, again, strict=True))
    assert not torch.equal(later[1], draw(2, 7, 4, 500, (1, 2, 2))[1])
    assert not torch.equal(later[1], draw(1, 8, 4, 500, (1, 2, 2))[1])


def test_t_is_uniform_on_1_to_T_and_eps_standard_gaussian():
    """A correct generator fails one of these tests in 10,000."""
    drawn = [draw(3, step, 100, 10, (1, 2, 2)) for step in range(200)]
    t = torch.cat([d[0] for d in drawn])
    assert t.min() == 1 and t.max() == 10
    assert stats.chisquare(np.bincount(t.numpy(), minlength=11)[1:]).pvalue > 1e-4
    eps = torch.cat([d[1] for d in drawn]).flatten()
    assert stats.kstest(eps.numpy(), "norm").pvalue > 1e-4


def test_stratified_t_covers_the_range_and_each_alone_is_uniform():
    """A correct generator fails in 4 of 10,000 runs."""
    n, T = 8, 20
    t = torch.stack([draw(3, step, n, T, (1, 1, 1), stratified=True)[0] for step in range(4000)])
    for place in range(0, n, 2):  # an image's t over the steps: independent, uniform on 1..T
        assert stats.chisquare(np.bincount(t[:, place].numpy(), minlength=T + 1)[1:]).pvalue > 1e-4
    parts = ((t.sort(dim=1).values - 1) * n).double() / T
    offset = parts - torch.arange(n)
    assert (offset > -n / T - 1e-12).all() and (offset < 1).all()  # one in each n-th part, to one step


def test_unless_asked_otherwise_training_is_algorithm_1_as_it_stands():
    plain = TrainingSettings(0, 100, 8, 0.01, (0.9, 0.999))
    assert not (plain.averaging or plain.loss_weight_power or plain.stratified_t or plain.cosine_decay)
    assert not Training(Affine(10), plain).average
    weighted, mean = Objective(Affine(10), SCHEDULE)(IMAGES, torch.arange(len(IMAGES)) % SCHEDULE.T + 1, IMAGES.float())
    assert weighted == mean


def test_stratified_t_stays_in_its_range_where_rounding_leads_beyond(monkeypatch):
    almost_one = 1 - 2**-53
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), almost_one, dtype=torch.float64))
    assert 7 + almost_one == 8  # in floating point
    t, _ = draw(0, 0, 8, 20, (1, 2, 2), stratified=True)
    assert sorted(t.tolist())[-1] == 20 and t.min() >= 1


def test_loss_of_the_best_denoiser_of_gaussian_data():
    """For x_0 ~ N(m, s^2) the best prediction leaves abar s^2 / (abar s^2 + 1 - abar) of the variance."""
    schedule = VarianceSchedule.linear(20, 0.01, 0.3)
    m, s2, n = 0.2, 0.25, 200_000
    source = torch.Generator().manual_seed(2)
    x_0 = m + s2**0.5 * torch.randn(n, 1, 1, 1, generator=source)
    eps = torch.randn(n, 1, 1, 1, generator=source)
    for t in (1, 10, 20):
        bar = schedule.alpha_bar[t].item()

        def best(x, _, bar=bar):
            return (1 - bar) ** 0.5 * (x - bar**0.5 * m) / (bar * s2 + 1 - bar)

        left = loss(best, x_0, torch.full((n,), t), eps, schedule).mean().item()
        expected = bar * s2 / (bar * s2 + 1 - bar)
        assert left == pytest.approx(expected, rel=4 * (2 / n) ** 0.5)  # four standard errors of a mean of squares


def test_weights_of_the_loss_in_closed_form():
    schedule = VarianceSchedule.linear(500, 1e-4, 0.02)
    assert torch.equal(loss_weights(schedule, 0.0), torch.ones(501))
    weights, bar = loss_weights(schedule, 0.5).double(), schedule.alpha_bar
    assert weights[1:].mean().item() == pytest.approx(1, abs=1e-6)
    even = (bar >= 0.5).sum() - 1  # the last t with as much signal as noise
    torch.testing.assert_close(weights[: even + 1], weights[:1].expand(even + 1))
    assert (weights[500] / weights[1]).item() == pytest.approx(((1 - bar[500]) / bar[500]).sqrt().item(), rel=1e-6)


class Affine(nn.Module):
    """eps_theta(x, t) = w_t x + b_t: the form of the best denoiser of Gaussian data."""

    def __init__(self, T):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.zeros(T + 1)), nn.Parameter(torch.zeros(T + 1))

    def forward(self, x, t):
        return self.w[t].reshape(-1, 1, 1, 1) * x + self.b[t].reshape(-1, 1, 1, 1)


def test_algorithm_1_finds_the_best_denoiser_of_gaussian_data():
    T = 4
    schedule = VarianceSchedule.linear(T, 0.1, 0.5)
    source = torch.Generator().manual_seed(0)
    images = (128 + 30 * torch.randn(512, 1, 4, 4, generator=source)).clamp(0, 255).round().to(torch.uint8)
    model = Affine(T)
    settings = TrainingSettings(0, 1500, 64, 0.02, (0.9, 0.999), cosine_decay=True)
    for _ in training_steps(Training(model, settings), images, schedule):
        pass
    x = rescale(images)
    m, s2 = x.mean().item(), x.var().item()
    for t in range(1, T + 1):
        bar = schedule.alpha_bar[t].item()
        w = (1 - bar) ** 0.5 / (bar * s2 + 1 - bar)
        assert model.w[t].item() == pytest.approx(w, rel=0.02)
        assert model.b[t].item() == pytest.approx(-w * bar**0.5 * m, abs=0.02)


def test_one_weighted_step_in_closed_form():
    """With a network that predicts 0 an image has the loss mean(eps^2), and b_t the gradient -2 weight_t mean(eps) / n:
    the weight of t is in the gradient, and not in the loss that is reported.
    """
    schedule, n = VarianceSchedule.linear(4, 0.3, 0.9), 6
    settings = TrainingSettings(5, 1, n, 0.1, (0.9, 0.999), loss_weight_power=0.5)
    training = Training(Affine(4), settings)
    ((step, reported),) = training_steps(training, IMAGES, schedule)
    t, eps = draw(5, 0, n, 4, (1, 8, 8))
    assert step == 1 and reported.item() == pytest.approx(eps.square().mean().item(), rel=1e-6)

    bar = np.cumprod(1 - np.linspace(0.3, 0.9, 4))
    weight = np.maximum(1, (1 - bar) / bar) ** 0.5
    weight /= weight.mean()
    expected = np.zeros(5)
    for which, noise in zip(t.tolist(), eps, strict=True):
        expected[which] -= 2 * weight[which - 1] * noise.mean().item() / n
    assert np.allclose(training.model.b.grad, expected, rtol=1e-5, atol=1e-7)


def test_two_steps_of_the_average_in_closed_form():
    """mean_1 = d_0 mean_0 + (1 - d_0) w_1 and so on, with the decays d_0 = 1/10 and d_1 = 2/11 of the warm-up, and from
    then on the one that is asked for where it is less.
    """
    settings = TrainingSettings(3, 3, 4, 0.1, (0.9, 0.999), averaging=0.2)
    training = Training(Affine(10), settings)
    mean = np.zeros(11)
    for (_, _), decay in zip(training_steps(training, IMAGES, SCHEDULE), (1 / 10, 2 / 11, 0.2), strict=True):
        mean = decay * mean + (1 - decay) * training.model.b.detach().numpy()
        assert np.allclose(training.weights()["b"], mean, rtol=1e-6) and np.abs(mean).max() > 0.01


def test_learning_rate_warms_up_and_decays():
    settings = TrainingSettings(0, 100, 8, 0.01, (0.9, 0.999), warmup_steps=10, cosine_decay=True)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.001) and rates[9] == pytest.approx(0.01) and max(rates) == pytest.approx(0.01)
    assert rates[55] == pytest.approx(0.005) and rates[99] < 1e-5
    assert TrainingSettings(0, 100, 8, 0.01, (0.9, 0.999)).rate(77) == 0.01
    assert TrainingSettings(0, 4, 8, 0.01, (0.9, 0.999), warmup_steps=4, cosine_decay=True).rate(3) == 0.01
    constant = TrainingSettings(0, 100, 8, 0.01, (0.9, 0.999), warmup_steps=4)
    assert [constant.rate(step) for step in (0, 1, 3, 4, 99)] == pytest.approx([0.0025, 0.005, 0.01, 0.01, 0.01])


def train(model, states=None, stop=lambda: False):
    training = Training(model, SETTINGS)
    history = History(SETTINGS.steps, SETTINGS.batch_size, SETTINGS.rate, CPU.device, training.remedy, row_steps=3)
    run(training, training_steps(training, IMAGES, SCHEDULE), history, CPU, states, 1e9, stop)
    return training, history.rows


def trained(states=None, stop=lambda: False, layout=torch.contiguous_format):
    torch.manual_seed(0)
    return train(UNet(32, 8).to(memory_format=layout), states, stop)


def without_clock(history):
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "seconds")} for row in history]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_stopped_training_goes_on_to_bitwise_the_same_weights(tmp_path, layout):
    """In a GPU's layout in memory too, where Adam's fused kernel needs moments with the strides of their weights."""
    whole, rows = trained(layout=layout)
    states = StateFolder(tmp_path, "0" * 16)
    for _ in range(4):  # stopped in every second step, also in the middle of a row of the history
        calls = iter([False, True])
        try:
            parts, rows_of_parts = trained(states, lambda calls=calls: next(calls), layout)
        except Interrupted:
            continue
        break
    assert parts.step == 7
    for p, kept in parts.optimiser.state.items():
        assert kept["exp_avg"].stride() == kept["exp_avg_sq"].stride() == p.stride()
    for name, value in whole.weights().items():
        assert torch.equal(parts.weights()[name], value), name
    assert without_clock(rows_of_parts) == without_clock(rows)
    assert [row["step"] for row in rows] == [3, 6, 7]


class Readings(TorchDispatchMode):
    """Counts the values that are read from tensors: each makes the program wait for a GPU."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(keywords or {}))


def test_a_step_reads_nothing_back_from_the_device_but_for_the_rows_of_the_history():
    def readings(steps):
        settings = replace(SETTINGS, steps=steps)
        training, history = (
            Training(UNet(32, 8), settings),
            History(steps, 4, settings.rate, CPU.device, "lower it", row_steps=4),
        )
        process = training_steps(training, IMAGES, SCHEDULE)
        with Readings() as seen:
            for _ in history.of(process):
                pass
        return seen.count, len(history.rows)

    (few, few_rows), (many, many_rows) = readings(4), readings(12)
    assert many - few == many_rows - few_rows == 2


@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_a_training_goes_on_from_its_state_with_and_without_an_average(averaging):
    settings = TrainingSettings(3, 5, 4, 0.1, (0.9, 0.999), averaging=averaging, warmup_steps=4)
    whole, rest = Training(Affine(10), settings), Training(Affine(10), settings)
    for step, _ in training_steps(whole, IMAGES, SCHEDULE):
        if step == 2:
            state = {name: value.clone() for name, value in whole.state().items()}
    assert ("average.b" in state) == bool(averaging)
    rest.restore(2, state)
    assert [step for step, _ in training_steps(rest, IMAGES, SCHEDULE)] == [3, 4, 5]
    for name, value in whole.weights().items():
        assert torch.equal(rest.weights()[name], value), name


def test_averaged_weights_are_between_first_and_last():
    whole, _ = trained()
    last = dict(whole.model.named_parameters())
    assert any(not torch.equal(value, last[name]) for name, value in whole.weights().items())


def test_a_training_as_long_as_its_epochs():
    settings = TrainingSettings.of_epochs(0.5, 100, 8, seed=1, learning_rate=0.1, adam_decays=(0.9, 0.999))
    assert (settings.steps, settings.batch_size, settings.seed) == (6, 8, 1)
    assert TrainingSettings.of_epochs(0.01, 10, 8, seed=1, learning_rate=0.1, adam_decays=(0.9, 0.999)).steps == 1


def test_loss_that_explodes_is_said_in_a_sentence():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor(float("inf")))

        def forward(self, x, t):
            return self.w * x

    with pytest.raises(UserError, match=r"its loss became nan before step 3: lower ddpm\.learning_rate"):
        train(Broken())


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_weights_that_are_not_finite_are_refused(averaging):
    """After the last step too: its loss was finite, the weights that it left need not be."""
    training = Training(nn.Linear(2, 1), TrainingSettings(0, 1, 2, 1e-3, (0.9, 0.999), averaging=averaging))
    training.weights()
    for values in (training.model.parameters(), training.average):
        for value in values:
            value.detach().fill_(torch.nan)
    with pytest.raises(UserError, match=r"its weights are not finite: lower ddpm\.learning_rate"):
        training.weights()


def test_a_power_too_large_for_the_weights_of_the_loss_is_named():
    schedule = VarianceSchedule.linear(500, 1e-4, 0.02)
    assert loss_weights(schedule, 100.0).isfinite().all()
    with pytest.raises(UserError, match=r"lower ddpm\.loss_weight_power, now 1000"):
        loss_weights(schedule, 1000.0)
