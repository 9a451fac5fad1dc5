"""Poses are proper, drives are smooth and bounded, and odometry tells of them."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import (
    RAMP,
    BasePose,
    Drift,
    Drive,
    Standing,
    odometry,
    state_at,
)

SEEDS = range(5)
POSE = BasePose(1.0, -2.0, 0.1, roll=0.3, pitch=-0.4, yaw=2.0)


def drive(seed: int) -> Drive:
    return Drive.random(np.random.default_rng(seed), rest=1.0)


@dataclass(frozen=True)
class Tumble:
    """Roll, pitch and yaw at different constant rates, which no two axes of the body share."""

    rates: tuple[float, float, float] = (0.2, -0.3, 0.7)

    def pose(self, t: float) -> BasePose:
        roll, pitch, yaw = (rate * t for rate in self.rates)
        return BasePose(roll=roll, pitch=pitch, yaw=yaw)


def test_a_pose_rolls_then_pitches_then_yaws() -> None:
    turn_left = BasePose(yaw=math.pi / 2, pitch=math.pi / 6)
    # The nose is down by 30 degrees, and then points to the left.
    np.testing.assert_allclose(
        turn_left.rotation @ [1, 0, 0], [0, math.cos(math.pi / 6), -0.5], atol=1e-12
    )
    lean = BasePose(roll=math.pi / 6)
    np.testing.assert_allclose(lean.rotation @ [0, 1, 0], [0, math.cos(math.pi / 6), 0.5])


def test_the_quaternion_of_a_pose_is_its_rotation() -> None:
    w, x, y, z = POSE.quaternion
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    np.testing.assert_allclose(POSE.rotation, np.eye(3) + 2 * w * cross + 2 * cross @ cross)


def test_points_go_to_the_base_and_back() -> None:
    points = np.random.default_rng(0).normal(size=(10, 3))
    np.testing.assert_allclose(POSE.to_world(POSE.to_base(points)), points, atol=1e-12)
    np.testing.assert_allclose(POSE.to_base(POSE.position[None]), [[0, 0, 0]], atol=1e-12)


def test_a_pose_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SimulationError, match="must be finite"):
        BasePose(yaw=math.nan)


def test_what_stands_has_neither_velocity_nor_acceleration() -> None:
    state = state_at(Standing(POSE), 3.0)
    assert state.pose == POSE
    for values in (state.velocity, state.acceleration, state.rate, state.angular_acceleration):
        assert not values.any()


def test_rates_are_those_of_the_body() -> None:
    tumble, t = Tumble(), 0.8
    (p, q, r), (roll, pitch) = tumble.rates, (0.2 * t, -0.3 * t)
    body = [
        p - r * math.sin(pitch),
        q * math.cos(roll) + r * math.cos(pitch) * math.sin(roll),
        -q * math.sin(roll) + r * math.cos(pitch) * math.cos(roll),
    ]
    np.testing.assert_allclose(state_at(tumble, t).rate, body, atol=1e-6)
    before, after = (state_at(tumble, t + dt).rate for dt in (-1e-3, 1e-3))
    np.testing.assert_allclose(
        state_at(tumble, t).angular_acceleration, (after - before) / 2e-3, atol=1e-6
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drive_starts_from_rest_at_the_origin(seed: int) -> None:
    motion = drive(seed)
    assert motion.pose(0.0) == motion.pose(1.0) == BasePose()
    # Its onset is of the fourth power: nothing jerks.
    assert np.abs(state_at(motion, 1.02).acceleration).max() < 1e-3
    assert abs(odometry(motion, 4.0, 0, Drift()).speed) > 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drive_keeps_its_bounds_and_does_not_slip(seed: int) -> None:
    motion = drive(seed)
    states = [state_at(motion, t) for t in np.arange(0.0, 30.0, 0.1)]
    headings = np.array([[math.cos(s.pose.yaw), math.sin(s.pose.yaw)] for s in states])
    velocity = np.array([s.velocity for s in states])
    along = (velocity[:, :2] * headings).sum(axis=1)
    sideways = velocity[:, 1] * headings[:, 0] - velocity[:, 0] * headings[:, 1]
    assert 0.15 < np.abs(along).max() <= 0.4
    assert np.abs(sideways).max() < 1e-6
    assert 0.2 < max(abs(s.rate[2]) for s in states) <= 0.55
    tilts = np.degrees([max(abs(s.pose.roll), abs(s.pose.pitch)) for s in states])
    assert 1.0 < tilts.max() < 2.5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drive_leans_against_its_acceleration(seed: int) -> None:
    motion = drive(seed)
    for t in np.arange(1.5, 15.0, 0.5):
        state = state_at(motion, float(t))
        yaw = state.pose.yaw
        flat = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
        forward, left = flat @ state.acceleration[:2]
        assert -math.degrees(state.pose.pitch) == pytest.approx(5 * forward, abs=1e-3)
        assert math.degrees(state.pose.roll) == pytest.approx(10 * left, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drive_is_twice_differentiable(seed: int) -> None:
    motion = drive(seed)
    # Where standing, ramp and full pace meet, where legs of the integral meet, and anywhere.
    for t in (1.0, 1.0 + RAMP, 2.1, 5.2, 7.77):
        states = [state_at(motion, t + dt) for dt in (-1e-4, 0.0, 1e-4)]
        for values in ("acceleration", "angular_acceleration"):
            a, b, c = (getattr(state, values) for state in states)
            assert max(np.abs(b - a).max(), np.abs(c - b).max()) < 5e-4


def test_a_drive_is_where_its_speed_and_heading_lead() -> None:
    motion, dt = drive(0), 0.01
    times = (np.arange(600) + 0.5) * dt
    steps = [odometry(motion, float(t), 0, Drift()) for t in times]
    x = sum(o.speed * math.cos(o.yaw) for o in steps) * dt
    y = sum(o.speed * math.sin(o.yaw) for o in steps) * dt
    end = motion.pose(600 * dt)
    assert (end.x, end.y) == (pytest.approx(x, abs=1e-5), pytest.approx(y, abs=1e-5))
    assert end.yaw == pytest.approx(sum(o.yaw_rate for o in steps) * dt, abs=1e-5)
    assert math.hypot(end.x, end.y) > 0.1


def test_a_drive_does_not_hang_on_the_order_of_questions() -> None:
    forwards, backwards = drive(1), drive(1)
    times = [0.5, 3.0, 9.0, 20.0]
    assert [forwards.pose(t) for t in times] == [backwards.pose(t) for t in times[::-1]][::-1]
    assert forwards == backwards != drive(2)


def test_odometry_is_planar_and_wraps_its_yaw() -> None:
    told = odometry(
        Standing(BasePose(1.0, 2.0, 0.3, roll=0.1, yaw=3 * math.pi / 2)), 5.0, 7, Drift()
    )
    assert (told.stamp, told.x, told.y, told.speed, told.yaw_rate) == (7, 1.0, 2.0, 0.0, 0.0)
    assert told.yaw == pytest.approx(-math.pi / 2)


def test_drift_stretches_distances_and_turns_the_path() -> None:
    motion, t, drift = drive(0), 10.0, Drift(scale=0.02, yaw_rate=0.001)
    true, told = odometry(motion, t, 0, Drift()), odometry(motion, t, 0, drift)
    assert told.speed == pytest.approx(1.02 * true.speed)
    assert told.yaw_rate == pytest.approx(true.yaw_rate + 0.001)
    assert told.yaw == pytest.approx(true.yaw + 0.01)
    far, direction = math.hypot(true.x, true.y), math.atan2(true.y, true.x)
    assert math.hypot(told.x, told.y) == pytest.approx(1.02 * far)
    assert math.atan2(told.y, told.x) == pytest.approx(direction + 0.01)


def test_random_drift_is_small() -> None:
    rng = np.random.default_rng(0)
    drifts = [Drift.random(rng) for _ in range(500)]
    assert np.std([d.scale for d in drifts]) == pytest.approx(0.01, rel=0.1)
    assert np.std([d.yaw_rate for d in drifts]) == pytest.approx(math.radians(0.1), rel=0.1)
