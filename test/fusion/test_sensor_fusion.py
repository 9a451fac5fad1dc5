"""What fusion answers for the stamp of an image, on a clock that the tests move."""

import math
from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.evaluation.synthetic_sweep import Turning, synthetic_sweep
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    FloorPlane,
    ImuSample,
    LidarSweep,
    Missing,
    Obstacles,
    Odometry,
    optical_rotation,
)

MS = 1_000_000
SECOND = 1000 * MS
START = 100 * SECOND
CAMERA = Camera(64, 48, 60, 60, 31.5, 23.5, optical_rotation(0.0), np.array([0.1, 0.0, 0.6]))


@pytest.fixture
def fusion() -> SensorFusion:
    settings = FusionNodeSettings.load()
    return SensorFusion(settings.sensors, settings.fusion)


def wall(stamp: int, distance: float = 2.0, timed: bool = True) -> LidarSweep:
    """A sweep of 0.1 s from `stamp` on that sees a wall ahead."""
    y, z = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(0.2, 1.2, 21))
    points = np.stack([np.full(y.size, distance), y.ravel(), z.ravel()], axis=1)
    offsets = np.linspace(0, 0.1, len(points)) if timed else None
    return LidarSweep(stamp, points.astype(np.float32), offsets)


def reading(stamp: int, tilt: float = 0.0) -> ImuSample:
    force = (-9.81 * math.sin(tilt), 0.0, 9.81 * math.cos(tilt))
    return ImuSample(stamp, (0.0, 0.0, 0.0), force)


def distance(fusion: SensorFusion, stamp: int) -> float:
    depth = fusion.depth(stamp, CAMERA)
    assert isinstance(depth, DepthImage)
    assert depth.stamp == stamp
    return float(np.nanmedian(depth.depth)) + 0.1


def missing(answer: object) -> Missing:
    assert isinstance(answer, Missing)
    return answer


def test_before_anything_comes_everything_is_missing_but_nothing_is_lost(
    fusion: SensorFusion,
) -> None:
    for answer in (
        fusion.depth(START, CAMERA),
        fusion.attitude(START),
        fusion.floor(START),
        fusion.obstacles(START),
    ):
        assert "no message yet" in missing(answer).reason
        assert not missing(answer).lost
    assert set(fusion.status(START).values()) == {"absent"}
    assert fusion.ready(START)  # there is nothing to wait for


def test_a_image_waits_for_the_sweep_that_was_under_way(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    assert fusion.ready(START + 100 * MS)
    assert not fusion.ready(START + 150 * MS)
    fusion.add_cloud(wall(START + 100 * MS, 1.5), START + 200 * MS)
    assert fusion.ready(START + 150 * MS)
    assert distance(fusion, START + 150 * MS) == pytest.approx(1.5)
    assert distance(fusion, START + 50 * MS) == pytest.approx(2.0)


def test_a_image_does_not_wait_for_a_lidar_that_fell_silent(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    assert not fusion.ready(START + 600 * MS)
    assert fusion.ready(START + 601 * MS)


def test_a_image_waits_for_its_depth_of_a_depth_camera(fusion: SensorFusion) -> None:
    fusion.add_depth(DepthImage(START, np.ones((48, 64), np.float32)), START)
    assert fusion.ready(START)
    assert not fusion.ready(START + 33 * MS)
    assert fusion.ready(START + 501 * MS)


def test_without_its_own_sweep_a_image_gets_the_last_one_until_that_is_too_old(
    fusion: SensorFusion,
) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    assert distance(fusion, START + 500 * MS) == pytest.approx(2.0)
    lost = missing(fusion.depth(START + 700 * MS, CAMERA))
    assert lost.lost
    assert "nothing within 0.60 s of the image" in lost.reason


def test_a_sweep_is_moved_to_the_time_of_the_image(fusion: SensorFusion) -> None:
    """Driving at 1 m/s, a wall seen at 2 m is nearer 0.2 s later."""
    for k in range(20):
        stamp = START + k * 20 * MS
        fusion.add_odometry(Odometry(stamp, k * 0.02, 0, 0, speed=1.0), stamp)
    fusion.add_cloud(wall(START + 100 * MS, timed=False), START + 200 * MS)
    assert distance(fusion, START + 300 * MS) == pytest.approx(1.8, abs=1e-3)


def test_a_turning_sweep_is_straightened_with_the_gyroscope(fusion: SensorFusion) -> None:
    synthetic = synthetic_sweep(Turning((0.0, 0.0, 1.5)), rings=8, columns=90)
    for sample in synthetic.imu:
        fusion.add_imu(sample, sample.stamp)
    fusion.add_cloud(synthetic.sweep, 100 * MS)
    obstacles = fusion.obstacles(synthetic.reference)
    assert isinstance(obstacles, Obstacles)
    # Of the walls, what is not above everything; each point is where the truth has one.
    gaps = np.linalg.norm(obstacles.points[:, None] - synthetic.truth[None], axis=2).min(axis=1)
    assert len(gaps) > 100
    assert gaps.max() < 0.0002


def test_attitude_is_interpolated_between_paraphrases(fusion: SensorFusion) -> None:
    for k in range(40):
        fusion.add_imu(reading(START + k * 5 * MS, tilt=0.1), START + k * 5 * MS)
    attitude = fusion.attitude(START + 102 * MS)
    assert isinstance(attitude, Attitude)
    assert (attitude.roll, attitude.pitch) == pytest.approx((0.0, 0.1), abs=1e-6)
    assert missing(fusion.attitude(START + 600 * MS)).lost


@pytest.mark.parametrize(
    ("late", "message"), [(-1000, "IMU is 1.00 s old"), (10_000, "10.00 s ahead of the clock")]
)
def test_data_of_another_time_is_refused_and_named(
    fusion: SensorFusion, late: int, message: str
) -> None:
    with pytest.raises(SensorError, match=message):
        fusion.add_imu(reading(START + late * MS), START)
    assert message in fusion.status(START)["IMU"]
    assert isinstance(fusion.attitude(START), Missing)
    fusion.add_imu(reading(START + MS), START + MS)
    assert fusion.status(START + MS)["IMU"].startswith("ok")


def test_a_jump_back_of_one_sensor_makes_it_start_anew(fusion: SensorFusion) -> None:
    for k in range(20):
        fusion.add_imu(reading(START + k * 5 * MS, tilt=0.3), START + k * 5 * MS)
    fusion.add_imu(reading(START - SECOND, tilt=0.1), START - SECOND)
    attitude = fusion.attitude(START - SECOND)
    assert isinstance(attitude, Attitude)
    assert attitude.pitch == pytest.approx(0.1)
    assert isinstance(fusion.attitude(START + 50 * MS), Missing)


def test_after_a_reset_nothing_is_known_but_the_bias(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    fusion.reset()
    assert isinstance(fusion.depth(START + 50 * MS, CAMERA), Missing)
    assert fusion.status(START)["LiDAR"] == "absent"


def test_a_lost_sensor_is_named_and_recovers(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    assert fusion.status(START + 200 * MS)["LiDAR"].startswith("ok")
    fusion.report_error("LiDAR", "no finite point")
    assert fusion.status(START + 3 * SECOND)["LiDAR"] == "lost: no finite point"
    assert "no finite point" in missing(fusion.obstacles(START + 3 * SECOND)).reason
    fusion.add_cloud(wall(START + 3 * SECOND), START + 3 * SECOND + 100 * MS)
    assert fusion.status(START + 3 * SECOND + 100 * MS)["LiDAR"].startswith("ok")


def test_a_lidar_that_could_never_be_used_is_lost(fusion: SensorFusion) -> None:
    """It publishes: the robot is not one without a LiDAR."""
    with pytest.raises(SensorError):
        fusion.add_cloud(wall(START - 10 * SECOND), START)
    lost = missing(fusion.obstacles(START))
    assert lost.lost
    assert "9.90 s old" in lost.reason
    assert fusion.status(START)["LiDAR"].startswith("unusable: ")
    unreadable = SensorFusion(fusion._limits, fusion._settings)
    unreadable.report_error("LiDAR", "no finite point")
    assert missing(unreadable.obstacles(START)) == Missing("LiDAR: no finite point", lost=True)
    fusion.add_cloud(wall(START), START + 100 * MS)
    assert isinstance(fusion.obstacles(START), Obstacles)


def test_a_lidar_that_sees_the_robot_alone_is_refused(fusion: SensorFusion) -> None:
    rng = np.random.default_rng(0)
    hood = rng.uniform((-0.2, -0.2, 0.3), (0.2, 0.2, 0.7), (1000, 3)).astype(np.float32)
    hood[:5] = (2.0, 0.0, 0.5)  # noise
    with pytest.raises(SensorError, match="sees only the robot itself, in 1000 returns"):
        fusion.add_cloud(LidarSweep(START, hood), START)
    assert missing(fusion.obstacles(START)).lost
    hood[:10] = (2.0, 0.0, 0.5)
    fusion.add_cloud(LidarSweep(START, hood), START)
    obstacles = fusion.obstacles(START)
    assert isinstance(obstacles, Obstacles)
    assert len(obstacles.points) == 10


def scan(stamp: int) -> LidarSweep:
    """A planar sweep that sees a post beside the wall."""
    return LidarSweep(stamp, np.array([[1.0, 0.8, 0.3], [1.0, 0.85, 0.3]], np.float32))


def test_two_lidars_both_count_however_late_the_one_is(fusion: SensorFusion) -> None:
    """What one says does not take the place of what the other said."""
    for k in range(30):
        now = START + k * 50 * MS
        if k % 2 == 0:  # of 10 Hz, 0.3 s late
            fusion.add_cloud(wall(now - 400 * MS), now)
        fusion.add_cloud(scan(now - 10 * MS), now, "scan")
        obstacles = fusion.obstacles(now - 100 * MS)
        assert isinstance(obstacles, Obstacles)
        assert len(obstacles.points) == len(wall(0).points) + 2
    assert fusion.status(now)["LiDAR"].startswith("ok, 0.45 s old; ok, 0.01 s old")


@pytest.mark.parametrize("silent", ["points", "scan"])
def test_one_of_two_lidars_that_falls_silent_is_lost(fusion: SensorFusion, silent: str) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    fusion.add_cloud(scan(START + 100 * MS), START + 100 * MS, "scan")
    later = START + SECOND
    if silent == "points":
        fusion.add_cloud(scan(later), later, "scan")
    else:
        fusion.add_cloud(wall(later - 100 * MS), later)
    lost = missing(fusion.obstacles(later))
    assert lost.lost
    assert lost.reason.startswith("LiDAR (scan): " if silent == "scan" else "LiDAR: ")
    assert fusion.status(later)["LiDAR"] == f"lost: {silent}: nothing comes any more"


def test_an_image_waits_for_both_lidars(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START), START + 100 * MS)
    fusion.add_cloud(scan(START + 150 * MS), START + 150 * MS, "scan")
    assert fusion.ready(START + 100 * MS)
    assert not fusion.ready(START + 120 * MS)


def test_a_sweep_without_point_times_is_said_so(fusion: SensorFusion) -> None:
    fusion.add_cloud(wall(START, timed=False), START)
    assert "no time per point" in fusion.status(START)["LiDAR"]


def test_what_is_wrong_with_the_times_of_a_sweep_is_said(fusion: SensorFusion) -> None:
    fusion.add_cloud(replace(wall(START), remark="3 points have odd times"), START)
    assert fusion.status(START)["LiDAR"].endswith("s old; 3 points have odd times")
    fusion.add_cloud(wall(START + 100 * MS), START + 200 * MS)
    assert "odd" not in fusion.status(START + 200 * MS)["LiDAR"]


def test_an_empty_sweep_shows_nothing_and_breaks_nothing(fusion: SensorFusion) -> None:
    fusion.add_cloud(LidarSweep(START, np.zeros((0, 3), np.float32), np.zeros(0)), START)
    depth, obstacles = fusion.depth(START, CAMERA), fusion.obstacles(START)
    assert isinstance(depth, DepthImage)
    assert np.isnan(depth.depth).all()
    assert isinstance(obstacles, Obstacles)
    assert len(obstacles.points) == 0
    assert isinstance(fusion.floor(START), Missing)
    assert fusion.status(START)["LiDAR"].startswith("sees nothing")


def test_a_floor_in_the_sweep_is_found(fusion: SensorFusion) -> None:
    sweep = wall(START)
    x, y = np.meshgrid(np.linspace(0.3, 2, 30), np.linspace(-1, 1, 30))
    floor = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1).astype(np.float32)
    points = np.concatenate([sweep.points, floor])
    fusion.add_cloud(replace(sweep, points=points, offsets=np.zeros(len(points))), START)
    plane = fusion.floor(START)
    assert isinstance(plane, FloorPlane)
    assert plane.normal == pytest.approx((0, 0, 1), abs=1e-6)
    obstacles = fusion.obstacles(START)
    assert isinstance(obstacles, Obstacles)
    assert len(obstacles.points) == len(sweep.points)


def test_a_depth_camera_stands_in_for_the_lidar_or_beside_it(fusion: SensorFusion) -> None:
    seen = np.full((48, 64), np.nan, np.float32)
    seen[:, :32] = 1.0
    fusion.add_depth(DepthImage(START, seen), START)
    alone = fusion.depth(START, CAMERA)
    assert isinstance(alone, DepthImage)
    np.testing.assert_array_equal(alone.depth, seen)
    fusion.add_cloud(wall(START - 50 * MS), START + 50 * MS)
    both = fusion.depth(START, CAMERA)
    assert isinstance(both, DepthImage)
    assert np.all(both.depth[:, :32] == 1.0)
    assert np.nanmedian(both.depth[:, 32:]) == pytest.approx(1.9)


def test_depth_of_another_size_is_not_used(fusion: SensorFusion) -> None:
    fusion.add_depth(DepthImage(START, np.ones((10, 10), np.float32)), START)
    assert isinstance(fusion.depth(START, CAMERA), Missing)
