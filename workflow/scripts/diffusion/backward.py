"""Section 4, backwards: the Gaussian p(x_{t-1} | x_t, x_0) of (14) and the denoising step (19) made from it.

Everywhere t is in 1..T: one step for all images, or a tensor (n,) with a step for each image.
"""

from torch import Tensor

from diffusion.forward import VarianceSchedule, factors


def posterior_variance(t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (15): sigma_t^2 = (1 - alpha_t)(1 - alpha_bar_{t-1}) / (1 - alpha_bar_t), float64, of t's shape.

    At t = 1 it is 0, because alpha_bar_0 = 1.
    """
    alpha, alpha_bar, before = schedule.alpha[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    return (1 - alpha) * (1 - before) / (1 - alpha_bar)


def posterior_mean(x_t: Tensor, x_0: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (16): mu_t = [sqrt(alpha_t)(1 - alpha_bar_{t-1}) x_t + sqrt(alpha_bar_{t-1})(1 - alpha_t) x_0]
    / (1 - alpha_bar_t), for images x_t and x_0, (n, 1, h, w).

    Algorithm 2 takes (18) instead. This one is checked in claims/algebra.py, and used in beyond/reversal.py.
    """
    alpha, alpha_bar, before = schedule.alpha[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    of_x_t, of_x_0 = factors(
        x_t,
        alpha**0.5 * (1 - before) / (1 - alpha_bar),
        before**0.5 * (1 - alpha) / (1 - alpha_bar),
    )
    return of_x_t * x_t + of_x_0 * x_0


def denoising_mean(x_t: Tensor, eps: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (18): mu_t = (x_t - (1 - alpha_t) / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t).

    eps is the noise of (8) that leads from x_0 to x_t, or a network's prediction of it; both (n, 1, h, w).
    """
    alpha, alpha_bar = schedule.alpha[t], schedule.alpha_bar[t]
    of_eps, scale = factors(x_t, (1 - alpha) / (1 - alpha_bar) ** 0.5, alpha**0.5)
    return (x_t - of_eps * eps) / scale


def denoising_step(x_t: Tensor, eps_theta: Tensor, z: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (19): x_{t-1} = mu_t(x_t, eps_theta) + sigma_t z, with mu_t from (18) and sigma_t from (15).

    eps_theta is the network's prediction at (x_t, t) and z is standard Gaussian, both (n, 1, h, w). At t = 1
    sigma_t = 0, and only the mean is used.
    """
    (sigma,) = factors(x_t, posterior_variance(t, schedule) ** 0.5)
    return denoising_mean(x_t, eps_theta, t, schedule) + sigma * z
