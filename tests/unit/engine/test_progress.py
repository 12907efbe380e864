"""The forecast of a long job, on a clock of our own."""

import logging

import pytest

from engine import progress
from engine.progress import Forecast, duration


def test_forecast_comes_once_and_leaves_the_slow_first_steps_out(monkeypatch, caplog):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    caplog.set_level(logging.INFO)
    waits = []
    forecast = Forecast("training", 1000, lambda: waits.append(now))
    for step in range(20):
        now += 60.0 if step < 3 else 1.2
        forecast.step()
    assert [record.message for record in caplog.records] == [
        "training will take about 20 min: 1000 steps of 1.2 s, judging by the first"
    ]
    assert waits == [180.0, pytest.approx(186.0)]


@pytest.mark.parametrize(
    "seconds, words", [(8, "8 s"), (99, "99 s"), (720, "12 min"), (5940, "99 min"), (12600, "3.5 h")]
)
def test_durations_are_said_in_the_unit_that_fits(seconds, words):
    assert duration(seconds) == words
