"""Which IMUs are not believed, and that rough floors and fast curves do not make one of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings, ImuSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion
from vlam_ros.fusion.attitude import up_vector
from vlam_ros.fusion.plausibility import GRAVITY
from vlam_ros.ros.mount import mount_from_settings
from vlam_ros.types import Attitude, ImuSample, Missing, Odometry

START, RATE = 100_000_000_000, 100
Change = Callable[[ImuSample], ImuSample]


@dataclass
class BelievedImu:
    """What fusion told of an IMU."""

    fusion: SensorFusion
    believed: list[bool]
    worst: float = 0.0
    """rad; the greatest error of an attitude that was believed."""

    @property
    def status(self) -> str:
        return self.fusion.status(START + round(len(self.believed) / RATE * 1e9))["IMU"]


def body_rates(roll: float, pitch: float, rolls: float, pitches: float, yaws: float) -> np.ndarray:
    """What a gyroscope reads [3] of the changes of roll, pitch and yaw."""
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    return np.array(
        [rolls - yaws * sp, pitches * cr + yaws * cp * sr, -pitches * sr + yaws * cp * cr]
    )


def drive(
    change: Change = lambda sample: sample,
    seconds: float = 30.0,
    since: float = 0.0,
    until: float = math.inf,
    force: Callable[[float], np.ndarray] = lambda t: np.zeros(3),
    turn: Callable[[float], float] = lambda t: 0.5 * math.sin(t),
    rock: float = 0.02,
    noise: float = 0.05,
    jitter: float = 0.01,
    odometry: bool = False,
    slip: float = 1.0,
) -> BelievedImu:
    """What a robot tells that rests for 4 s and drives then.

    Args:
        change: what is wrong with its readings, from `since` to `until` (s).
        seconds: how long it drives.
        since: see there.
        until: see there.
        force: m/s² beside gravity at a time (s), in `base_link`.
        turn: yaw rate (rad/s) at a time.
        rock: rad by which the floor tips it.
        noise: of the specific force, m/s².
        jitter: rad/s by which the floor shakes the rates.
        odometry: whether it has some.
        slip: share of a turn that the wheels tell.
    """
    settings, rng = FusionNodeSettings.load(), np.random.default_rng(1)
    seen = BelievedImu(SensorFusion(settings.sensors, settings.fusion), [])
    yaw, bias = 0.0, np.array([0.005, -0.005, 0.008])
    for k in range(round(seconds * RATE)):
        t, stamp = k / RATE, START + round(k / RATE * 1e9)
        go = t > 4
        roll, pitch = go * rock * math.sin(1.7 * t), go * rock * math.cos(1.1 * t)
        tips = (1.7 * rock * math.cos(1.7 * t), -1.1 * rock * math.sin(1.1 * t), turn(t))
        rate = body_rates(roll, pitch, *tips)
        felt = GRAVITY * up_vector(roll, pitch) + go * force(t) + rng.normal(0, noise, 3)
        shaken = jitter * np.sin((150 * t, 190 * t, 170 * t))
        measured = go * (rate + shaken) + bias + rng.normal(0, 0.004, 3)
        sample = ImuSample(stamp, tuple(measured), tuple(felt))
        yaw += go * turn(t) / RATE
        if odometry and k % 5 == 0:
            wheels = Odometry(stamp, 0.0, 0.0, slip * yaw, 0.2 * go, slip * go * turn(t))
            seen.fusion.add_odometry(wheels, stamp)
        with suppress(SensorError):
            seen.fusion.add_imu(change(sample) if since <= t < until else sample, stamp)
        found = seen.fusion.attitude(stamp)
        seen.believed.append(isinstance(found, Attitude))
        if isinstance(found, Attitude):
            seen.worst = max(seen.worst, abs(found.roll - roll), abs(found.pitch - pitch))
    return seen


def scaled(force: float = 1.0, rate: float = 1.0, lift: float = 0.0) -> Change:
    def change(sample: ImuSample) -> ImuSample:
        x, y, z = sample.force
        felt = (force * x, force * y, force * (z + lift))
        return ImuSample(sample.stamp, tuple(rate * r for r in sample.rate), felt)  # type: ignore[arg-type]

    return change


def mounted(roll: float = 0.0, pitch: float = 0.0) -> Change:
    """The IMU is level, and the parameters say that it is turned."""
    rotation = mount_from_settings(ImuSettings("imu", roll, pitch, 0.0)).rotation

    def change(sample: ImuSample) -> ImuSample:
        return ImuSample(
            sample.stamp, tuple(rotation @ sample.rate), tuple(rotation @ sample.force)
        )

    return change


def oriented(roll: float, pitch: float = 0.0) -> Change:
    return lambda sample: replace(sample, tilt=(roll, pitch))


FAULTS: dict[str, tuple[Change, str]] = {
    "in g": (scaled(1 / GRAVITY), "feels 1.00 m/s² where gravity is 9.81"),
    "in mg": (scaled(1000 / GRAVITY), "m/s² where gravity is 9.81"),
    "without gravity": (scaled(lift=-GRAVITY), "with gravity is expected"),
    "gravity instead of specific force": (scaled(-1.0), "feels gravity 180° off"),
    "upside down": (mounted(roll=math.pi), "is it upside down"),
    "pitched by 180 degrees": (mounted(pitch=math.pi), "is it upside down"),
    "on its side": (mounted(roll=math.pi / 2), "do imu.* or tf fit"),
    "orientation in NED": (oriented(math.pi), "its orientation is 180° off"),
    "orientation on its side": (oriented(0.0, math.pi / 2), "its orientation is 90° off"),
    "rates in deg/s": (scaled(rate=180 / math.pi), "deg/s"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_imu_that_does_not_make_sense_is_not_believed(name: str) -> None:
    change, said = FAULTS[name]
    seen = drive(change)
    assert not any(seen.believed[2 * RATE :]) or name == "rates in deg/s"
    assert not any(seen.believed[-5 * RATE :])
    assert seen.status.startswith("not believed: ")
    assert said in seen.status
    lost = seen.fusion.attitude(START + 30 * 10**9)
    assert isinstance(lost, Missing)
    assert said in lost.reason


@pytest.mark.parametrize("name", FAULTS)
def test_one_that_changes_on_the_way_is_noticed_before_it_misleads_and_believed_again(
    name: str,
) -> None:
    change, _ = FAULTS[name]
    seen = drive(change, seconds=45.0, since=12.0, until=22.0, odometry=True)
    assert all(seen.believed[: 12 * RATE])
    assert not any(seen.believed[15 * RATE : 22 * RATE])
    assert all(seen.believed[36 * RATE :])
    assert math.degrees(seen.worst) < 15
    assert seen.status.startswith("ok")


def test_rates_in_degrees_are_noticed_by_odometry_on_a_slow_curve() -> None:
    """Of a gyroscope without bias and noise to speak of, on a smooth floor."""
    seen = drive(
        lambda s: replace(s, rate=(0.0, 0.0, 57.3 * (s.rate[2] - 0.008))),
        turn=lambda t: 0.1,
        rock=0.0,
        jitter=0.0,
        odometry=True,
    )
    assert "odometry by 0.1" in seen.status


def bumps(t: float) -> np.ndarray:
    """A shock of 3 g for 30 ms, two in three seconds, up and down and from ahead."""
    shock = 30.0 * ((1.5 * t) % 1 < 0.045)
    return np.array([-0.5 * shock, 0.3 * shock, shock]) * (-1) ** int(1.5 * t)


def rattling(t: float) -> np.ndarray:
    return np.array([4.0 * math.sin(70 * t), 5.0 * math.sin(83 * t), 9.0 * math.sin(61 * t)])


def braking(t: float) -> np.ndarray:
    """Half a second with 3 m/s², then the other way."""
    return np.array([3.0 * (1 if t % 1 < 0.5 else -1), 0.0, 0.0])


ROUGH = {
    "bumps": {"force": bumps, "rock": 0.05, "jitter": 0.3},
    "rattling": {"force": rattling, "jitter": 1.0, "noise": 2.0},
    "braking": {"force": braking},
    "a fast curve": {"force": lambda t: np.array([0.0, 2.5, 0.0]), "turn": lambda t: 2.5},
    "spinning": {"turn": lambda t: 4.5, "force": lambda t: np.array([-2.0, 0.0, 0.0])},
    "a rough slope": {"rock": 0.17, "force": lambda t: 0.3 * bumps(t), "jitter": 0.5},
    "wheels that slip": {"turn": lambda t: 1.5 * math.sin(0.3 * t), "slip": 2.0},
    "turned by hand": {"turn": lambda t: 1.2 * math.sin(0.3 * t), "slip": 0.0},
}


@pytest.mark.parametrize("name", ROUGH)
@pytest.mark.parametrize("odometry", [False, True])
def test_a_good_imu_on_a_rough_drive_is_believed(name: str, odometry: bool) -> None:
    seen = drive(odometry=odometry, **ROUGH[name])  # type: ignore[arg-type]
    assert all(seen.believed)
    assert seen.status.startswith("ok")


def test_a_first_reading_that_is_wrong_is_forgotten_at_once() -> None:
    """A simulated robot falls onto its floor, and some drivers begin with zeros."""
    seen = drive(scaled(0.0), seconds=6.0, until=0.02)
    assert not any(seen.believed[:2])
    assert all(seen.believed[10:])
    assert math.degrees(seen.worst) < 1


def test_rates_of_an_imu_that_is_not_believed_straighten_no_sweep() -> None:
    seen = drive(scaled(1 / GRAVITY), seconds=1.0)
    now = START + 10**9
    assert seen.fusion._rates(now - 10**8, now, now) is None
    assert drive(seconds=1.0).fusion._rates(now - 10**8, now, now) is not None
