"""The attitude filter against closed forms, and against an independent implementation."""

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from ahrs import Quaternion
from ahrs.filters import Mahony

from vlam_ros.fusion.attitude import (
    GRAVITY,
    AttitudeFilter,
    rotation_from_vector,
    tilt_of,
    up_vector,
)
from vlam_ros.types import ImuSample

RATE = 200


def sample(
    t: float, rate: tuple[float, ...] = (0, 0, 0), up: np.ndarray | None = None
) -> ImuSample:
    force = GRAVITY * (np.array([0.0, 0.0, 1.0]) if up is None else up)
    return ImuSample(round(t * 1e9), tuple(rate), tuple(force))  # type: ignore[arg-type]


def turn(*vector: float) -> np.ndarray:
    return cv2.Rodrigues(np.array(vector, float))[0]


@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.3, -0.2), (-1.0, 0.9)])
def test_the_upward_direction_has_the_tilt_it_was_made_of(roll: float, pitch: float) -> None:
    assert tilt_of(up_vector(roll, pitch)) == pytest.approx((roll, pitch))


def test_rotations_from_vectors_turn_about_their_axis() -> None:
    turned = rotation_from_vector(np.array([[0, 0, math.pi / 2], [0, 0, 0], [1e-9, 0, 0]]))
    np.testing.assert_allclose(turned[0] @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turned[1], np.eye(3), atol=0)
    np.testing.assert_allclose(turned[2] @ [0, 1, 0], [0, 1, 1e-9], atol=1e-15)


def test_at_rest_the_attitude_is_that_of_gravity_from_the_first_reading_on() -> None:
    attitude = AttitudeFilter()
    for k in range(RATE):
        assert attitude.update(sample(k / RATE, up=up_vector(0.1, -0.2))) == pytest.approx(
            (0.1, -0.2), abs=1e-9
        )


def test_the_bias_is_learned_at_rest_and_taken_off_while_moving() -> None:
    attitude, bias = AttitudeFilter(), np.array([0.01, -0.02, 0.005])
    for k in range(4 * RATE):
        attitude.update(sample(k / RATE, tuple(bias)))
    np.testing.assert_allclose(attitude.bias, bias, atol=1e-6)
    # A turn about z at 1 rad/s: without the bias it would tip by 0.02 rad.
    for k in range(4 * RATE, 5 * RATE):
        roll, pitch = attitude.update(sample(k / RATE, (bias[0], bias[1], bias[2] + 1.0)))
    assert (roll, pitch) == pytest.approx((0, 0), abs=1e-4)
    np.testing.assert_allclose(attitude.bias, bias, atol=1e-6)


def test_a_smooth_turn_is_not_a_bias_where_odometry_knows_better() -> None:
    still, told = AttitudeFilter(), AttitudeFilter()
    for k in range(4 * RATE):
        turning = sample(k / RATE, (0, 0, 0.04))
        still.update(turning)
        told.update(turning, standing=False)
    assert still.bias[2] == pytest.approx(0.04)
    assert told.bias[2] == 0.0


def test_a_motion_that_begins_slowly_is_not_taken_for_a_bias() -> None:
    """It looks like one until it is fast: what counts is a rest that went on."""
    attitude = AttitudeFilter()
    for k in range(4 * RATE):
        attitude.update(sample(k / RATE))
    for k in range(2 * RATE):
        t = k / RATE
        attitude.update(sample(4 + t, (0, 0.04 * t, 0), up_vector(0, 0.02 * t * t)))
    np.testing.assert_allclose(attitude.bias, 0, atol=1e-9)
    assert attitude.tilt == pytest.approx((0, 0.08), abs=0.003)


def test_a_second_of_acceleration_tips_it_by_less_than_a_twentieth() -> None:
    attitude = AttitudeFilter()
    for k in range(20 * RATE):
        attitude.update(sample(k / RATE), standing=False)
    leaning = up_vector(0, -0.1)  # as forward acceleration of 1 m/s² looks
    for k in range(20 * RATE, 21 * RATE):
        _, pitch = attitude.update(sample(k / RATE, up=leaning), standing=False)
    assert 0 < -pitch < 0.005


def test_a_shock_does_not_tip_it() -> None:
    attitude = AttitudeFilter()
    attitude.update(sample(0))
    for k in range(1, 20):
        hit = ImuSample(round(k / RATE * 1e9), (0, 0, 0), (30.0, 0.0, 9.81))
        assert attitude.update(hit) == pytest.approx((0, 0), abs=1e-9)


def test_an_orientation_that_is_worth_believing_is_used() -> None:
    attitude = AttitudeFilter()
    attitude.update(ImuSample(0, (0, 0, 0), (0, 0, 9.81), tilt=(0.2, 0.1)))
    assert attitude.tilt == pytest.approx((0.2, 0.1))


def test_after_a_gap_it_starts_anew() -> None:
    attitude = AttitudeFilter()
    attitude.update(sample(0))
    assert attitude.update(sample(1.0, up=up_vector(0.4, 0))) == pytest.approx((0.4, 0))


def test_it_agrees_with_an_independent_filter_on_a_rocking_robot() -> None:
    """Both see the same noisy readings; neither is off by more than half a degree."""
    rng = np.random.default_rng(0)
    t = np.arange(0, 20, 1 / RATE)
    roll, pitch = 0.1 * np.sin(1.3 * t), 0.08 * np.sin(0.9 * t + 1)
    truth = np.stack([roll, pitch], axis=1)
    attitudes = [turn(0, p, 0) @ turn(r, 0, 0) for r, p in truth]
    rates = [cv2.Rodrigues(a.T @ b)[0][:, 0] * RATE for a, b in pairwise(attitudes)]
    reference, ours, theirs = Mahony(frequency=RATE, k_P=0.5, k_I=1e-9), AttitudeFilter(), []
    q, mine = np.array([1.0, 0, 0, 0]), []
    for k, rate in enumerate(rates):
        gyro = rate + rng.normal(0, 0.002, 3)
        force = GRAVITY * attitudes[k + 1].T @ [0, 0, 1] + rng.normal(0, 0.03, 3)
        mine.append(ours.update(ImuSample(k * 5_000_000, tuple(gyro), tuple(force))))
        q = reference.updateIMU(q, gyr=gyro, acc=force)
        theirs.append(Quaternion(q).to_angles()[:2])
    settled = slice(10 * RATE, None)  # theirs starts level
    limit = math.radians(0.5)
    for found in (mine, theirs):
        error = np.array(found)[settled] - truth[1:][settled]
        assert np.sqrt((error**2).mean(axis=0)).max() < limit
    assert np.abs(np.array(mine) - theirs)[settled].max() < limit
