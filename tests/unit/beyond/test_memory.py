"""The exact minimiser of Algorithm 1's loss, against closed forms, quadrature and the score by automatic
differentiation; the rule for copies; and that a small network trained on few images moves towards the minimiser.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from beyond.memory import (
    Minimiser,
    Noised,
    SmallNetwork,
    copies,
    effective_number,
    mean_over_t,
    nearest_two,
    position,
    posterior_weights,
    small_digits,
    spread_times,
    stages,
)
from diffusion.affine import AffineFilter, affine_losses, variances
from diffusion.forward import VarianceSchedule, forward_leap
from diffusion.sampling import backward_process
from diffusion.training import TrainingSettings
from engine.errors import UserError

PAPER = VarianceSchedule.linear(500, 1e-4, 0.02)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def step(t):
    return torch.tensor([t])


@pytest.mark.parametrize("t", [1, 40, 200, 500])
def test_two_opposite_images_give_a_hyperbolic_tangent(t):
    """For y and -y the mean is y tanh(sqrt(abar) x . y / (1 - abar))."""
    y, x = 0.3 * normal(1, 1, 3, 3), normal(5, 1, 3, 3, seed=1)
    abar = PAPER.alpha_bar[t]
    product = (x * y).sum(dim=(1, 2, 3), keepdim=True)
    expected = y * (abar**0.5 * product / (1 - abar)).tanh()
    found = Minimiser.of(torch.cat([y, -y]), PAPER)
    assert torch.allclose(found.mean(x, step(t)), expected, atol=1e-12)
    assert torch.allclose(found.weights(x, step(t)).sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_it_is_the_score_of_the_mixture():
    """eps* = -sqrt(1 - abar) times the gradient of log p_t, p_t being the mixture of the Gaussians (9)."""
    images, x = normal(4, 1, 2, 2), normal(3, 1, 2, 2, seed=1).requires_grad_()
    for t in (3, 120, 480):
        abar = PAPER.alpha_bar[t]
        apart = x.flatten(1)[:, None] - abar**0.5 * images.flatten(1)
        (-apart.square().sum(dim=2) / (2 * (1 - abar))).logsumexp(dim=1).sum().backward()
        found = Minimiser.of(images, PAPER)(x.detach(), step(t))
        assert torch.allclose(found, -((1 - abar) ** 0.5) * x.grad, atol=1e-10)
        x.grad = None


def test_one_image_gives_the_noise_itself_and_steps_may_differ_from_image_to_image():
    image, eps, t = normal(1, 1, 2, 2), normal(4, 1, 2, 2, seed=1), torch.tensor([1, 7, 300, 500])
    x = forward_leap(image, t, eps, PAPER)
    assert torch.allclose(Minimiser.of(image, PAPER)(x, t), eps, atol=1e-9)


def test_no_other_prediction_has_a_smaller_loss_and_pythagoras_says_by_how_much():
    """Loss of a prediction = least loss + mean squared distance to eps*, on the same noise to the error of the mean."""
    images = normal(5, 1, 2, 2)
    least = Minimiser.of(images, PAPER)
    other = lambda x, t: 0.8 * least(x, t) + 0.1 * x  # noqa: E731
    for t in (60, 300):
        noised = Noised.at(t, images.repeat(8000, 1, 1, 1), 3, "test")
        gap = noised.losses(other, PAPER) - noised.losses(least, PAPER)
        residual = gap - noised.distances(other, least, PAPER)
        assert gap.mean() > 0
        assert abs(residual.mean() / (residual.std() / len(residual) ** 0.5)) < 4


def test_steps_spread_over_the_whole_range_have_the_mean_over_t():
    """A prediction of 0 has the loss |eps|^2 at any t; the steps of 1000 images are each t of 1..500 twice."""
    noised = Noised.over(500, normal(1000, 1, 2, 2), 0, "test")
    assert noised.t.bincount()[1:].tolist() == [2] * 500 and noised.t[:5].tolist() != [1, 1, 2, 2, 3]
    losses = noised.losses(lambda x, t: torch.zeros_like(x), PAPER)
    assert torch.allclose(losses, noised.eps.square().mean(dim=(1, 2, 3)))
    assert set(Noised.over(3, normal(2, 1, 1, 1), 0, "test").t.tolist()) <= {1, 2, 3}


def test_the_samples_are_copies():
    images = normal(20, 1, 4, 4).clamp(-1, 1)
    noise = normal(30, PAPER.T + 1, 1, 4, 4, seed=2)
    *_, (_, x) = backward_process(Minimiser.of(images, PAPER), noise[:, 0], lambda t: noise[:, t], PAPER)
    assert float(nearest_two(x, images)[0][:, 0].max()) < 1e-9 and bool(copies(x, images).all())


def test_the_rule_for_copies():
    images = torch.tensor([0.0, 1.0, 5.0]).reshape(3, 1, 1, 1)
    x = torch.tensor([0.24, 0.26, 0.5, 4.1]).reshape(4, 1, 1, 1)
    assert copies(x, images).tolist() == [True, False, False, True]
    distances, numbers = nearest_two(x, images)
    assert numbers[:, 0].tolist()[-1] == 2 and distances[0].tolist() == pytest.approx([0.24, 0.76])


def test_the_number_of_images_in_a_mean():
    weights = torch.tensor([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    assert effective_number(weights).tolist() == pytest.approx([4, 1, 2])


@pytest.mark.parametrize("T", [1, 2, 50, 500])
def test_times_reach_both_ends_once(T):
    times = spread_times(T, 12)
    assert times[0] == 1 and times[-1] == T and times == sorted(set(times)) and len(times) <= 12


def test_the_mean_over_t_of_what_is_known_at_some_steps():
    """A weighted mean whose square error is linear in log t gives the loss of every t, and so their mean, exactly."""
    t = torch.arange(1, 501, dtype=torch.float64)
    every = PAPER.alpha_bar[1:] / (1 - PAPER.alpha_bar[1:]) * (0.3 + 0.1 * t.log())
    times = spread_times(500, 9)
    known = torch.stack([every, 2 * every], dim=1)[torch.tensor(times) - 1]
    assert torch.allclose(mean_over_t(times, known, PAPER), torch.stack([every.mean(), 2 * every.mean()]))


def test_the_affine_loss_is_that_of_gaussian_data():
    """For Gaussian data the best prediction is affine: its loss by sampling equals the formula."""
    deviations = torch.tensor([1.5, 0.4], dtype=torch.float64)
    x_0 = (normal(60_000, 2) * deviations).reshape(-1, 1, 1, 2)

    def best(x, t):
        abar = PAPER.alpha_bar[t[0]]
        return (1 - abar) ** 0.5 * x / (abar * deviations**2 + 1 - abar)

    expected = affine_losses(variances(x_0), PAPER)
    for t in (30, 400):
        found = Noised.at(t, x_0, 1, "test").losses(best, PAPER).mean()
        assert float(found) == pytest.approx(float(expected[t - 1]), rel=0.02)


def test_the_affine_filter_has_this_loss_and_no_other_affine_prediction_a_smaller_one():
    x_0 = (normal(40_000, 2) @ torch.tensor([[1.0, 0.4], [0.0, 0.3]], dtype=torch.float64) + 0.2).reshape(-1, 1, 1, 2)
    best, expected = AffineFilter.of(x_0, PAPER), affine_losses(variances(x_0), PAPER)
    others = [lambda x, t: best(x, t) + 0.05, lambda x, t: 1.1 * best(x, t), lambda x, t: best(x, t) - 0.05 * x]
    for t in (30, 400):
        noised = Noised.at(t, x_0, 1, "test")
        found = noised.losses(best, PAPER).mean()
        assert float(found) == pytest.approx(float(expected[t - 1]), rel=0.02)
        assert all(noised.losses(other, PAPER).mean() > found for other in others)


def test_the_affine_filter_is_the_minimiser_for_one_image():
    image, eps, t = normal(1, 1, 2, 2), normal(4, 1, 2, 2, seed=1), torch.tensor([1, 7, 300, 500])
    assert torch.allclose(AffineFilter.of(image, PAPER)(forward_leap(image, t, eps, PAPER), t), eps, atol=1e-9)


def test_position_between_the_minimiser_and_the_filter():
    assert [position(distance, 1.0, 3.0) for distance in (0.0, 2.0, 1.0)] == [0, 1, 0.5]


def test_embedded_digits_are_whole_and_their_order_depends_on_the_seed():
    first, second = small_digits(0), small_digits(1)
    assert first.shape == (1797, 1, 8, 8) and first.max() == 255 and not torch.equal(first, second)
    assert np.array_equal(np.sort(first.flatten(1).sum(dim=1)), np.sort(second.flatten(1).sum(dim=1)))


def test_a_small_network_takes_one_step_for_all_images_or_one_for_each():
    torch.manual_seed(0)
    network, x = SmallNetwork(9, 8), normal(4, 1, 3, 3).float()
    each = network(x, torch.tensor([5, 5, 5, 9]))
    assert each.shape == x.shape and torch.allclose(network(x, step(5))[:3], each[:3], atol=1e-6)
    assert not torch.allclose(network(x, step(5))[3], each[3])


def train_small(images, width, settings, schedule):
    ((_, network),) = stages(images, width, settings, schedule, {settings.steps})
    return network


def test_a_small_network_that_diverges_names_its_own_settings():
    settings = TrainingSettings(0, 60, 8, 1e30, (0.9, 0.999))
    with pytest.raises(UserError, match=r"not finite: lower beyond\.memory\.learning_rate"):
        train_small(small_digits(0)[:4], 16, settings, VarianceSchedule.linear(20, 1e-3, 0.2))


def test_a_training_looked_at_on_its_way_is_the_shorter_training():
    images, schedule = small_digits(0)[:4], VarianceSchedule.linear(20, 1e-3, 0.2)
    settings = TrainingSettings(0, 12, 8, 1e-3, (0.9, 0.999), averaging=0.9)
    seen = dict(stages(images, 16, settings, schedule, {5, 12}))
    assert list(seen) == [5, 12]
    x, shorter = normal(3, 1, 8, 8).float(), replace(settings, steps=5)
    for step, again in ((5, shorter), (12, settings)):
        assert torch.equal(
            train_small(images, 16, again, schedule)(x, torch.tensor([9])), seen[step](x, torch.tensor([9]))
        )


def test_training_on_two_images_moves_the_network_towards_the_minimiser():
    images, schedule = small_digits(0)[:2], VarianceSchedule.linear(20, 1e-3, 0.2)
    settings = TrainingSettings(0, 300, 32, 3e-3, (0.9, 0.999), averaging=0.9)
    least = Minimiser.of(images.float() / 127.5 - 1, schedule)
    noised = Noised.over(20, least.images.reshape(2, 1, 8, 8).repeat(60, 1, 1, 1), 0, "test")
    trained = train_small(images, 64, settings, schedule)
    untrained = train_small(images, 64, TrainingSettings(0, 1, 32, 1e-6, (0.9, 0.999)), schedule)
    far, near = (noised.distances(network, least, schedule).mean() for network in (untrained, trained))
    assert near < far / 4, (near, far)


def test_weights_by_bayes_rule_in_exact_numbers():
    """Of three images of one pixel, at the density (9): abar = 0.4."""
    images, x = torch.tensor([[-1.0], [1.0], [2.0]]), torch.tensor([[0.5], [-3.0]])
    found = posterior_weights(x, torch.tensor([0.4], dtype=torch.float64), images)
    density = np.exp(-((x.numpy() - 0.4**0.5 * images.T.numpy()) ** 2) / (2 * 0.6))
    np.testing.assert_allclose(found, density / density.sum(axis=1, keepdims=True), rtol=1e-5)
