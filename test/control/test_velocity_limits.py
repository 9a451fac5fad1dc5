"""Velocities change within their limits, and reach a target exactly and from one side."""

from __future__ import annotations

import math
import random

import pytest

from vlam_ros.control.velocity import Limiter, stopping_speed

TICK = 1 / 30


@pytest.mark.parametrize("target", [0.4, -0.4, 0.1, 0.013, 1e-4])
def test_a_target_is_reached_exactly_without_overshoot_and_kept(target: float) -> None:
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    values = [limiter.step(target, TICK) for _ in range(60)]
    assert max(abs(value) for value in values) <= abs(target)
    assert values == sorted(values, key=abs)
    assert values[-30:] == [target] * 30


def test_acceleration_and_jerk_stay_within_their_limits_whatever_is_wanted() -> None:
    draw = random.Random(3)
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    value = slope = target = 0.0
    for _ in range(5000):
        if draw.random() < 0.1:
            target = draw.uniform(-0.6, 0.6)
        new = limiter.step(target, TICK)
        change = (new - value) / TICK
        assert abs(change) <= 0.6 + 1e-9
        assert abs(change - slope) / TICK <= 4.0 + 1e-6
        value, slope = new, change


def test_a_velocity_beyond_its_limit_is_never_told() -> None:
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    values = [limiter.step(3.0, TICK) for _ in range(90)]
    assert values[-1] == 0.4
    assert max(values) == 0.4


def test_full_speed_takes_as_long_as_acceleration_and_jerk_say() -> None:
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    ticks = 0
    while limiter.step(0.4, TICK) != 0.4:
        ticks += 1
    assert ticks * TICK == pytest.approx(0.4 / 0.6 + 0.6 / 4.0, abs=0.1)


def test_stopping_is_at_once_and_the_next_motion_starts_from_rest() -> None:
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    for _ in range(20):
        limiter.step(0.4, TICK)
    limiter.stop()
    assert limiter.value == 0.0
    assert limiter.step(0.4, TICK) == pytest.approx(4.0 * TICK**2)


def test_a_tick_without_time_changes_nothing() -> None:
    limiter = Limiter(velocity=0.4, acceleration=0.6, jerk=4.0)
    assert limiter.step(0.4, 0.0) == 0.0


@pytest.mark.parametrize("distance", [0.001, 0.05, 0.5, 3.0])
def test_the_stopping_speed_stops_within_the_distance(distance: float) -> None:
    speed = stopping_speed(distance, deceleration=0.6, lag=0.1)
    assert speed * 0.1 + speed**2 / 1.2 == pytest.approx(distance)
    assert speed < math.sqrt(2 * 0.6 * distance)


def test_there_is_no_speed_without_a_distance() -> None:
    assert stopping_speed(0.0, 0.6, 0.1) == 0.0
    assert stopping_speed(-1.0, 0.6, 0.1) == 0.0
