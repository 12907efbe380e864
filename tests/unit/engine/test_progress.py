"""The forecasts of a long job, on a clock of our own."""

import itertools
import logging

import pytest
import torch

from engine import progress
from engine.errors import UserError
from engine.progress import Forecast, History, duration


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


@pytest.mark.parametrize("seconds, refused", [(0.05, False), (0.2, True)])
def test_weeks_on_a_cpu_are_refused_by_the_first_forecast(monkeypatch, seconds, refused):
    """1,000,000 steps against two days, after first steps of a minute each."""
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    forecast = Forecast("training", 1_000_000, longest=2 * 86_400)

    def steps(count, length):
        nonlocal now
        for _ in range(count):
            now += length
            forecast.step()

    steps(3, 60.0)
    if refused:
        with pytest.raises(
            UserError, match=r"about 2\.31 days on this CPU, but execution\.cpu_days allows 2: .* or, if you mean it"
        ):
            steps(5, seconds)
    else:
        steps(5, seconds)
        steps(20, 60.0)  # the machine has become busy: no reason to stop


def test_the_first_row_of_the_history_has_the_speed_without_the_compilation(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)

    def steps():
        nonlocal now
        for step in range(1, 21):
            now += {1: 60.0, 2: 2.0}.get(step, 0.01)
            yield step, torch.zeros(())

    history = History(20, 128, lambda step: 1e-3, torch.device("cpu"), "", row_steps=10)
    for _ in history.of(steps()):
        pass
    assert [row["images_per_second"] for row in history.rows] == pytest.approx([12_800, 12_800])
    assert history.rows[-1]["seconds"] == pytest.approx(62.18)
