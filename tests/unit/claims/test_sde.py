"""The orders of convergence that the claims on (4) and (19) are judged by."""

import numpy as np
import pytest

from claims import sde
from diffusion.forward import VarianceSchedule


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_the_order_of_a_power_law_is_its_power(p):
    assert sde.observed_order([1, 2, 4, 8], [3.0 / r**p for r in (1, 2, 4, 8)]) == pytest.approx(p, abs=1e-12)


def test_both_equations_on_a_short_schedule():
    """Euler-Maruyama's strong order is 1 forwards, where the noise does not depend on x."""
    schedule = VarianceSchedule.linear(30, 1e-3, 0.2)
    records = sde.measure(schedule, seed=0)
    assert records["forward"]["order"] == pytest.approx(1, abs=0.15) and 0.3 < records["backward"]["order"] < 1.1
    for name, record in records.items():
        assert record == getattr(sde, name)(schedule, seed=0)
        assert (record["steps"], record["steps_finest"], record["paths"]) == (30, 240, 400)
        assert record["error_coarsest"] == max(record["errors"]) and record["error_finest"] == min(record["errors"])
        assert np.isfinite(record["errors"]).all()
