"""What a decision gets to see of every sensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.configuration import Settings
from vlam_ros.errors import ImageError, SensorError
from vlam_ros.fusion.observation import ODOMETRIES_KEPT, Sensors, check_age
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    FloorPlane,
    GripperState,
    JointState,
    Missing,
    Observation,
    Obstacles,
    Odometry,
    RangeReading,
)

SECOND = 10**9


IMAGE = np.zeros((48, 64, 3), np.uint8)
STAMP = 100 * SECOND
LIMITS = replace(
    Settings.load().sensors,
    max_lidar_age=0.5,
    max_imu_age=0.3,
    max_odometry_age=0.8,
    max_range_age=0.6,
)
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5, np.eye(3), np.zeros(3))

# Each sensor's data at a stamp, and the seconds that it may be old.
AGEING: dict[str, tuple[Callable[[int], object], float]] = {
    "attitude": (lambda stamp: Attitude(stamp, 0.0, 0.0), 0.3),
    "floor": (lambda stamp: FloorPlane(stamp, (0.0, 0.0, 1.0), 0.0), 0.5),
    "obstacles": (lambda stamp: Obstacles(stamp, np.zeros((0, 3), np.float32)), 0.5),
    "odometry": (lambda stamp: Odometry(stamp, 0.0, 0.0, 0.0), 0.8),
    "gripper": (lambda stamp: GripperState(stamp, True), 0.8),
    "joints": (lambda stamp: JointState(stamp, (), ()), 0.8),
    "range": (lambda stamp: RangeReading(stamp, 1.0, np.zeros((3, 3), np.float32)), 0.6),
}


def depth(stamp: int, height: int = 48) -> DepthImage:
    return DepthImage(stamp, np.ones((height, 64), np.float32))


def seen(sensors: Sensors, stamp: int = STAMP, now: int = STAMP) -> Observation:
    return sensors.observation(IMAGE, stamp, now, LIMITS)


def missing(data: object) -> Missing:
    assert isinstance(data, Missing)
    return data


def test_without_any_message_everything_is_missing_with_a_reason_and_nothing_is_lost() -> None:
    observation = seen(Sensors())
    assert "no camera_info yet" in missing(observation.camera).reason
    for name in ("camera", "depth", *AGEING):
        data = missing(getattr(observation, name))
        assert data.reason
        assert not data.lost


@pytest.mark.parametrize("name", AGEING)
def test_data_is_used_up_to_its_age_and_lost_after_that(name: str) -> None:
    make, seconds = AGEING[name]
    limit = round(seconds * SECOND)
    for age, usable in ((0, True), (limit, True), (limit + 1, False), (-limit - 1, False)):
        data = getattr(seen(Sensors().with_data(name, make(STAMP - age))), name)
        assert isinstance(data, Missing) != usable
        if not usable:
            assert data.lost
            how = "old" if age > 0 else "ahead of the clock"
            assert data.reason == f"{name}: {seconds:.2f} s {how}, {seconds:g} s are allowed"


@pytest.mark.parametrize("name", AGEING)
def test_a_error_does_not_take_the_place_of_good_data(name: str) -> None:
    make, _ = AGEING[name]
    good = make(STAMP)
    sensors = Sensors().with_data(name, good).with_error(name, "must be finite")
    assert getattr(seen(sensors), name) is good
    later = getattr(seen(sensors, now=STAMP + SECOND), name)
    assert missing(later).lost


@pytest.mark.parametrize("name", ["camera", *AGEING])
def test_where_no_good_data_ever_came_the_error_is_the_reason(name: str) -> None:
    sensors = Sensors().with_error(name, "must be finite").with_error(name, "wrong frame")
    assert getattr(seen(sensors), name) == Missing("wrong frame")


def test_a_calibration_does_not_age() -> None:
    sensors = Sensors().with_data("camera", CAMERA).with_error("camera", "fx=0")
    assert seen(sensors, now=STAMP + 3600 * SECOND).camera is CAMERA


@pytest.mark.parametrize(
    ("age", "said"), [(0.4, ""), (0.6, "0.60 s old, 0.5 s"), (-10.0, "10.00 s ahead of the clock")]
)
def test_the_age_of_what_arrives_can_be_checked(age: float, said: str) -> None:
    arguments = ("obstacles", STAMP - round(age * SECOND), STAMP, LIMITS)
    if said:
        with pytest.raises(SensorError, match=said):
            check_age(*arguments)
    else:
        check_age(*arguments)


def test_a_image_gets_the_depth_with_its_stamp_and_no_other() -> None:
    sensors = Sensors()
    for stamp in range(STAMP, STAMP + 4):
        sensors = sensors.with_data("depth", depth(stamp))
    got = seen(sensors, STAMP + 2).depth
    assert isinstance(got, DepthImage)
    assert got.stamp == STAMP + 2
    other = missing(seen(sensors, STAMP + 9).depth)
    assert "no depth image with the stamp" in other.reason
    assert not other.lost


def driven(*milliseconds: int) -> Sensors:
    """Odometry that came in this order, milliseconds after STAMP."""
    sensors = Sensors()
    for time in milliseconds:
        reading = Odometry(STAMP + time * SECOND // 1000, time / 1000, 0.0, 0.0)
        sensors = sensors.with_data("odometry", reading)
    return sensors


@pytest.mark.parametrize(
    ("image", "nearest"), [(0, 0), (109, 100), (111, 120), (110, 120), (-500, 0), (900, 400)]
)
def test_a_image_gets_the_odometry_nearest_to_its_stamp(image: int, nearest: int) -> None:
    sensors = driven(*range(0, 401, 20))
    stamp = STAMP + image * SECOND // 1000
    got = seen(sensors, stamp, STAMP + 2 * SECOND // 5).odometry
    assert isinstance(got, Odometry)
    assert got.x == nearest / 1000


def test_only_so_much_odometry_is_kept() -> None:
    sensors = driven(*range(0, 1000, 10))
    assert len(sensors.driven) == ODOMETRIES_KEPT == 50
    got = seen(sensors, STAMP, STAMP + SECOND).odometry
    assert got == sensors.driven[0] == Odometry(STAMP + SECOND // 2, 0.5, 0.0, 0.0)


def test_odometry_of_an_old_image_is_lost_when_none_comes_any_more() -> None:
    sensors = driven(0, 20, 40)
    assert isinstance(seen(sensors, STAMP, STAMP + 84 * SECOND // 100).odometry, Odometry)
    lost = missing(seen(sensors, STAMP, STAMP + 85 * SECOND // 100).odometry)
    assert lost == Missing("odometry: 0.81 s old, 0.8 s are allowed", lost=True)


def test_depth_is_lost_when_none_comes_any_more() -> None:
    sensors = Sensors().with_data("depth", depth(STAMP))
    lost = missing(seen(sensors, STAMP + SECOND, STAMP + SECOND).depth)
    assert lost == Missing("depth: 1.00 s old, 0.5 s are allowed", lost=True)
    # But that of an old image is no older than the image.
    assert isinstance(seen(sensors, STAMP, STAMP + SECOND).depth, DepthImage)


def test_depth_that_is_not_registered_to_the_camera_is_missing() -> None:
    sensors = Sensors().with_data("depth", depth(STAMP, height=24))
    assert "64x24 pixels, the image 64x48" in missing(seen(sensors).depth).reason


def test_a_image_of_another_size_than_camera_info_is_refused() -> None:
    sensors = Sensors().with_data("camera", CAMERA)
    with pytest.raises(ImageError, match="camera_info is for 64x48 images, the image has 64x40"):
        sensors.observation(IMAGE[:40], STAMP, STAMP, LIMITS)


def test_diagnostics_name_the_age_of_each_sensor_or_what_is_missing() -> None:
    sensors = Sensors().with_data("attitude", Attitude(STAMP, 0.0, 0.0))
    ages = sensors.with_data("depth", depth(STAMP)).ages(STAMP + SECOND // 4)
    assert (ages["age of attitude (s)"], ages["age of depth (s)"]) == ("0.250", "0.250")
    assert ages["age of odometry (s)"] == "no odometry yet"
    assert ages["age of floor (s)"] == "no floor yet"
    assert "no camera_info" in ages["camera"]
