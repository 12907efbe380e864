"""Section 4, backwards: the Gaussian p(x_{t-1} | x_t, x_0) of (14) and the denoising step (19) made from it."""

from torch import Tensor

from diffusion.forward import VarianceSchedule, at


def posterior_variance(schedule: VarianceSchedule) -> Tensor:
    """Equation (15): sigma_t^2 = (1 - alpha_t)(1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) for t = 1..T.

    Shape (T + 1,), float64; entry 0 is 0 by convention and entry 1 is 0 because alpha_bar_0 = 1.
    """
    alpha, alpha_bar = schedule.alpha, schedule.alpha_bar
    variance = alpha.new_zeros(schedule.T + 1)
    variance[1:] = (1 - alpha[1:]) * (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:])
    return variance


def posterior_mean(x_t: Tensor, x_0: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (16): mu_t = [sqrt(alpha_t)(1 - alpha_bar_{t-1}) x_t + sqrt(alpha_bar_{t-1})(1 - alpha_t) x_0]
    / (1 - alpha_bar_t), for t = 1..T and images (n, 1, h, w).
    """
    alpha, alpha_bar = schedule.alpha[t], schedule.alpha_bar[t]
    previous = schedule.alpha_bar[t - 1]
    of_x_t = alpha.sqrt() * (1 - previous) / (1 - alpha_bar)
    of_x_0 = previous.sqrt() * (1 - alpha) / (1 - alpha_bar)
    return at(of_x_t, ..., x_t) * x_t + at(of_x_0, ..., x_t) * x_0


def denoising_mean(x_t: Tensor, eps: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (18): mu_t = (x_t - (1 - alpha_t) / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t), for t = 1..T.

    eps is the noise of (8) that leads from x_0 to x_t, or a network's prediction of it; both (n, 1, h, w).
    """
    alpha, alpha_bar = schedule.alpha[t], schedule.alpha_bar[t]
    of_eps = (1 - alpha) / (1 - alpha_bar).sqrt()
    return (x_t - at(of_eps, ..., x_t) * eps) / at(alpha.sqrt(), ..., x_t)


def denoising_step(x_t: Tensor, eps_theta: Tensor, z: Tensor, t: int | Tensor, schedule: VarianceSchedule) -> Tensor:
    """Equation (19): x_{t-1} = mu_t(x_t, eps_theta) + sigma_t z, with mu_t from (18) and sigma_t from (15).

    eps_theta is the network's prediction at (x_t, t) and z is standard Gaussian, both (n, 1, h, w). At t = 1
    sigma_t = 0, and only the mean is used.
    """
    return denoising_mean(x_t, eps_theta, t, schedule) + at(posterior_variance(schedule).sqrt(), t, x_t) * z
