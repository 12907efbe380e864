"""Section 4: the posterior (14)-(18) and the denoising step (19)."""

import pytest
import torch
from diffusers import DDPMScheduler
from scipy import stats

from diffusion.backward import denoising_mean, denoising_step, posterior_mean, posterior_variance
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.sampling import backward_process, draw_noise

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("t", [2, 3, 100, 499, 500])
def test_bayes_rule_10_gives_the_gaussian_of_15_and_16(t):
    alpha, alpha_bar, before = (v.item() for v in (PAPER.alpha[t], PAPER.alpha_bar[t], PAPER.alpha_bar[t - 1]))
    x_0, x_t = 0.6, -0.3
    centre = posterior_mean(column(x_t), column(x_0), t, PAPER).item()
    spread = posterior_variance(t, PAPER).sqrt().item()
    for x in (centre, centre + spread, centre - 3 * spread, centre + 5 * spread):
        by_bayes = (
            stats.norm.logpdf(x_t, alpha**0.5 * x, (1 - alpha) ** 0.5)  # (3)
            + stats.norm.logpdf(x, before**0.5 * x_0, (1 - before) ** 0.5)  # (9)
            - stats.norm.logpdf(x_t, alpha_bar**0.5 * x_0, (1 - alpha_bar) ** 0.5)
        )
        assert by_bayes == pytest.approx(stats.norm.logpdf(x, centre, spread), rel=1e-7, abs=1e-7)


def test_no_noise_is_added_in_the_last_step():
    assert posterior_variance(1, PAPER) == 0
    x, z = column(0.5, -2.0), column(100.0, -100.0)
    assert torch.equal(denoising_step(x, 0 * x, z, 1, PAPER), denoising_mean(x, 0 * x, 1, PAPER))


@pytest.mark.parametrize("t", [1, 2, 250, 500, torch.tensor([1, 7, 500])])
def test_mean_18_is_mean_16_with_x_0_eliminated_by_8(t):
    x_0, eps = column(0.3, -0.9, 0.1), column(1.2, 0.4, -2.0)
    x_t = forward_leap(x_0, t, eps, PAPER)
    assert torch.allclose(
        denoising_mean(x_t, eps, t, PAPER), posterior_mean(x_t, x_0, t, PAPER), rtol=1e-10, atol=1e-12
    )


def test_same_trajectory_as_an_independent_implementation():
    """diffusers' DDPM scheduler counts steps from 0 and draws its own noise: it is fed ours."""
    theirs = DDPMScheduler(500, 1e-4, 0.02, "linear", clip_sample=False, variance_type="fixed_small")
    noise = draw_noise(3, "test", range(2), 500, (1, 4, 4))

    def model(x, t):
        return torch.sin(3 * x) + t.to(x.dtype).reshape(-1, 1, 1, 1) / 500

    ours = dict(backward_process(model, noise[:, 0], lambda t: noise[:, t], PAPER))[0]
    x = noise[:, 0]
    for t in range(500, 0, -1):
        eps_theta = model(x, torch.tensor([t]))
        step = theirs.step(eps_theta, t - 1, x, generator=torch.Generator().manual_seed(0))
        sigma = theirs._get_variance(t - 1).sqrt() if t > 1 else 0.0
        drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        x = step.prev_sample - sigma * drawn + sigma * noise[:, t]
    assert torch.allclose(ours, x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "schedule", [PAPER, VarianceSchedule.linear(1, 0.5, 0.5), VarianceSchedule.linear(40, 0.01, 0.3)]
)
def test_sampler_with_the_optimal_denoiser_of_gaussian_data(schedule):
    """For x_0 ~ N(m, s^2) the best prediction of the noise is affine in x_t, so that Algorithm 2 maps Gaussians to
    Gaussians. Its mean and variance, propagated exactly, against 40,000 pixels: a correct sampler fails one such test
    in 10,000.
    """
    m, s2 = 0.4, 0.09
    alpha_bar = schedule.alpha_bar

    def gain(t):
        return ((1 - alpha_bar[t]).sqrt() / (alpha_bar[t] * s2 + 1 - alpha_bar[t])).item()

    def best(x, t):
        return gain(t.item()) * (x - alpha_bar[t].sqrt().item() * m)

    mean, variance = 0.0, 1.0
    for t in range(schedule.T, 0, -1):
        alpha, bar = schedule.alpha[t].item(), alpha_bar[t].item()
        c = (1 - alpha) / (1 - bar) ** 0.5
        slope = (1 - c * gain(t)) / alpha**0.5
        mean = slope * mean + c * gain(t) * bar**0.5 * m / alpha**0.5
        before = alpha_bar[t - 1].item()
        variance = slope**2 * variance + (1 - alpha) * (1 - before) / (1 - bar)

    source = torch.Generator().manual_seed(1)
    shape = (40, 1, 100, 10)
    x_T = torch.randn(shape, generator=source, dtype=torch.float64)
    chain = backward_process(best, x_T, lambda t: torch.randn(shape, generator=source, dtype=torch.float64), schedule)
    *_, (last, x_0) = chain
    assert last == 0
    assert stats.kstest(x_0.flatten().numpy(), stats.norm(mean, variance**0.5).cdf).pvalue > 1e-4
    if schedule is PAPER:  # many small steps lead back to the data's own law, to the paper's schedule's error
        assert mean == pytest.approx(m, abs=0.02) and variance**0.5 == pytest.approx(0.3, abs=0.01)
