"""The forecasts of a long job, on a clock of our own."""

import itertools
import logging

import pytest

from engine import progress
from engine.progress import Forecast, duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is told to go on."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(caplog):
    return [record.message for record in caplog.records]


def test_the_first_forecast_leaves_the_slow_first_steps_out(clock, caplog):
    caplog.set_level(logging.INFO)
    waits = []
    forecast = Forecast("training", 1000, lambda: waits.append(clock[0]))
    for step in range(8):
        clock[0] += 60.0 if step < 3 else 1.2
        forecast.step()
    assert lines(caplog) == ["training: step 8 of 1000, 1.2 s a step, about 20 min left"]
    assert waits == [180.0, pytest.approx(186.0)]


def test_later_forecasts_become_rare_and_follow_the_speed_of_the_machine(clock, caplog):
    caplog.set_level(logging.INFO)
    forecast = Forecast("sampling", 10_000)
    for step in range(10_000):
        clock[0] += 1.0 if step < 100 else 3.0  # another program starts
        forecast.step()
    said = [(int(words[2]), words[5]) for words in map(str.split, lines(caplog))]
    assert said[0] == (8, "1") and said[1][1] == "1" and said[3][1] not in ("1", "3")
    assert all(seconds == "3" for _, seconds in said[4:])
    gaps = [3.0 * (later - sooner) for (sooner, _), (later, _) in itertools.pairwise(said[4:])]
    assert max(gaps) <= Forecast.LONGEST + 3 and len(said) < 60


@pytest.mark.parametrize(
    "seconds, words", [(8, "8 s"), (99, "99 s"), (720, "12 min"), (5940, "99 min"), (12600, "3.5 h")]
)
def test_durations_are_said_in_the_unit_that_fits(seconds, words):
    assert duration(seconds) == words
