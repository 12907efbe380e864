"""Section 3: the schedule, one step (2) and the leap (8)."""

from fractions import Fraction

import pytest
import torch
from scipy import stats

from diffusion.forward import VarianceSchedule, chain_of_figure_2, forward_leap, forward_process, forward_step
from engine.randomness import generator

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def test_schedule_has_the_papers_ends_in_float64():
    assert PAPER.T == 500
    assert PAPER.beta.dtype == torch.float64
    assert PAPER.beta[0] == 0 and PAPER.alpha_bar[0] == 1
    assert PAPER.beta[1].item() == 1e-4 and PAPER.beta[500].item() == 0.02
    assert torch.allclose(PAPER.beta[1:].diff(), PAPER.beta[1:].diff()[0].expand(499), rtol=1e-9, atol=0)


def test_alpha_bar_is_the_product_7_in_exact_arithmetic():
    product = Fraction(1)
    for t in range(1, 501):
        product *= 1 - (Fraction(1, 10_000) + Fraction(t - 1, 499) * (Fraction(2, 100) - Fraction(1, 10_000)))
    assert PAPER.alpha_bar[500].item() == pytest.approx(float(product), rel=1e-13)
    assert PAPER.alpha_bar[500].sqrt().item() == pytest.approx(0.08, abs=5e-4)  # 8% of the amplitude is left


@pytest.mark.parametrize(
    "T, beta_1, beta_T", [(0, 0.1, 0.2), (5, 0.0, 0.1), (5, 0.1, 1.0), (5, -0.1, 0.1), (5, 0.1, 2)]
)
def test_schedule_outside_its_range_is_refused(T, beta_1, beta_T):
    with pytest.raises(ValueError, match="schedule"):
        VarianceSchedule.linear(T, beta_1, beta_T)


def test_composed_steps_2_are_the_gaussian_9():
    """Feed the affine step (2) with basis values, so that it yields its own coefficients, and compose them."""
    mean, variance = 1.0, 0.0
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    for t in range(1, PAPER.T + 1):
        of_x, of_eps = forward_step(one, t, zero, PAPER).item(), forward_step(zero, t, one, PAPER).item()
        mean, variance = of_x * mean, of_x**2 * variance + of_eps**2
        assert forward_leap(one, t, zero, PAPER).item() == pytest.approx(mean, rel=1e-12)
        assert forward_leap(zero, t, one, PAPER).item() ** 2 == pytest.approx(variance, rel=1e-11)


def test_step_and_leap_by_hand():
    """With beta_t = 0.36 and 0.75 twice: alpha_bar is 0.64, 0.16, 0.04; the noise is added, not taken away."""
    schedule = VarianceSchedule(torch.tensor([0, 0.36, 0.75, 0.75], dtype=torch.float64))
    x, eps = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (2.0, 0.5))
    assert forward_step(x, 1, eps, schedule).item() == pytest.approx(0.8 * 2.0 + 0.6 * 0.5)
    assert forward_step(x, 3, eps, schedule).item() == pytest.approx(0.5 * 2.0 + 0.75**0.5 * 0.5)
    assert forward_leap(x, 3, eps, schedule).item() == pytest.approx(0.2 * 2.0 + 0.96**0.5 * 0.5)


def test_one_step_is_a_schedule():
    schedule = VarianceSchedule.linear(1, 0.5, 0.5)
    assert schedule.T == 1 and schedule.alpha_bar.tolist() == [1.0, 0.5]


def test_leap_takes_a_step_for_each_image():
    x_0, eps = torch.randn(3, 1, 4, 4, dtype=torch.float64), torch.randn(3, 1, 4, 4, dtype=torch.float64)
    together = forward_leap(x_0, torch.tensor([1, 250, 500]), eps, PAPER)
    for i, t in enumerate((1, 250, 500)):
        assert torch.equal(together[i], forward_leap(x_0[i : i + 1], t, eps[i : i + 1], PAPER)[0])


def test_many_steps_and_one_leap_have_one_distribution():
    """20,000 pixels by the chain (2) against the exact law (9); a correct chain fails one such test in 10,000."""
    schedule = VarianceSchedule.linear(50, 1e-3, 0.2)
    x_0 = torch.full((1, 1, 200, 100), 0.7, dtype=torch.float64)

    def eps(t):
        return torch.randn(x_0.shape, generator=generator(5, "chain", t), dtype=torch.float64)

    seen = dict(forward_process(x_0, schedule, eps))
    assert list(seen) == list(range(51)) and torch.equal(seen[0], x_0)
    for t in (1, 10, 50):
        law = stats.norm(0.7 * schedule.alpha_bar[t].sqrt().item(), (1 - schedule.alpha_bar[t]).sqrt().item())
        assert stats.kstest(seen[t].flatten().numpy(), law.cdf).pvalue > 1e-4


def test_the_chain_of_figure_2_has_addressed_noise_of_the_images_precision():
    x_0 = torch.full((1, 1, 3, 3), 0.5)
    chain, again = (dict(chain_of_figure_2(x_0, PAPER, seed)) for seed in (4, 4))
    other = dict(chain_of_figure_2(x_0, PAPER, 5))
    assert list(chain) == list(range(PAPER.T + 1)) and torch.equal(chain[0], x_0)
    assert all(torch.equal(chain[t], again[t]) and chain[t].dtype == torch.float32 for t in chain)
    assert not torch.equal(chain[1], other[1])
    eps = torch.randn(x_0.shape, generator=generator(4, "forward", 1))
    assert torch.equal(chain[1], forward_step(x_0, 1, eps, PAPER))
