"""The orders of convergence that the claims on (4) and (19) are judged by."""

import numpy as np
import pytest

from claims import sde
from diffusion.forward import VarianceSchedule
from diffusion.sde import ContinuousSchedule, missing_noise


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_the_order_of_a_power_law_is_its_power(p):
    assert sde.observed_order([1, 2, 4, 8], [3.0 / r**p for r in (1, 2, 4, 8)]) == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("T, paths", [(1, 400), (500, 400), (1310, 400), (2000, 262), (10_000, 52)])
def test_a_long_schedule_has_fewer_paths_and_no_more_numbers(T, paths):
    assert sde.number_of_paths(T) == paths and T * sde.FINEST * paths <= sde.INCREMENTS


def test_orders_on_a_short_schedule():
    """Euler-Maruyama's strong order is 1, as the noise does not depend on x; (19) lacks noise near t = 0."""
    schedule = VarianceSchedule.linear(30, 1e-3, 0.2)
    records = sde.measure(schedule, seed=0)
    assert set(records) == {"forward", "backward", "backward_euler_maruyama"}
    assert records["forward"]["order"] == pytest.approx(1, abs=0.15)
    assert records["backward_euler_maruyama"]["order"] == pytest.approx(1, abs=0.15)
    assert 0.5 < records["backward"]["order"] < records["backward_euler_maruyama"]["order"] - 0.1
    for name, record in records.items():
        assert record == getattr(sde, name)(schedule, seed=0)
        assert (record["steps"], record["steps_finest"], record["paths"]) == (30, 240, 400)
        assert record["error_coarsest"] == max(record["errors"]) and record["error_finest"] == min(record["errors"])
        assert np.isfinite(record["errors"]).all()
    missing = missing_noise(ContinuousSchedule(schedule).refined(8)) * (2 / np.pi) ** 0.5
    assert records["backward"]["missing_finest"] == pytest.approx(missing, rel=1e-12)
    assert records["backward"]["missing_coarsest"] == pytest.approx(missing_noise(schedule) * (2 / np.pi) ** 0.5)


def test_noise_that_19_lacks_accounts_for_its_error():
    """With the paper's schedule: to a fifth, over eight times as many steps as T."""
    record = sde.backward(VarianceSchedule.linear(500, 1e-4, 0.02), seed=1)
    assert record["missing_finest"] == pytest.approx(record["error_finest"], rel=0.2)
