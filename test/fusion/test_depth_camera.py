"""Obstacles of a robot that has a depth camera and no LiDAR."""

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion
from vlam_ros.types import (
    Camera,
    DepthImage,
    LidarSweep,
    Missing,
    Obstacles,
    Odometry,
    optical_rotation,
)

MS = 1_000_000
START = 100_000 * MS
TILT = 0.45
BOX = ((1.2, -0.15, 0.0), (1.4, 0.15, 0.3))
"""Two corners of a box on the floor."""


def camera(width: int = 320, height: int = 240, tilt: float = TILT) -> Camera:
    rotation, position = optical_rotation(tilt), np.array([0.1, 0.0, 0.6])
    return Camera.ideal(width, height, 0.8 * width, rotation, position)


def seen(
    camera: Camera,
    box: tuple[tuple[float, ...], ...] | None = BOX,
    step_down: float = np.inf,
    noise: float = 0.0,
) -> np.ndarray:
    """Depth float32[H,W] of a floor, of a box on it, and of a floor 0.4 m lower from some x on.

    The error grows with the square of the distance, as that of a stereo camera does.
    """
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1)) @ camera.rotation.T
    start = camera.position
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(rays[:, 2] < 0, -start[2] / rays[:, 2], np.inf)
        below = start[0] + depth * rays[:, 0] > step_down
        depth[below] = -(start[2] + 0.4) / rays[below, 2]
        if box is not None:
            ways = (np.array(box)[:, None] - start) / rays
            enter, leave = ways.min(axis=0).max(axis=1), ways.max(axis=0).min(axis=1)
            hit = (enter > 0) & (enter <= leave)
            depth[hit] = np.minimum(depth, enter)[hit]
    depth += noise * depth**2 * np.random.default_rng(0).normal(size=depth.shape)
    depth[~(depth < 8.0)] = np.nan
    return depth.reshape(camera.height, camera.width).astype(np.float32)


def obstacles(
    depth: np.ndarray, camera: Camera, at: int = START, fusion: SensorFusion | None = None
) -> Obstacles:
    fusion = fusion or robot()
    fusion.add_depth(DepthImage(START, depth), START)
    found = fusion.obstacles(at, camera)
    assert isinstance(found, Obstacles)
    assert found.by_camera
    assert found.stamp == at
    return found


def robot() -> SensorFusion:
    settings = FusionNodeSettings.load()
    return SensorFusion(settings.sensors, settings.fusion)


@pytest.mark.parametrize("size", [(64, 48), (320, 240), (640, 480), (1280, 720)])
def test_what_stands_on_the_floor_is_an_obstacle_and_the_floor_is_none(
    size: tuple[int, int],
) -> None:
    lens = camera(*size)
    points = obstacles(seen(lens), lens).points
    assert 10 < len(points) < 20_000
    (low, high), near = np.array(BOX), 0.05
    assert ((points > low - near) & (points < high + near)).all()
    assert points[:, 0].min() == pytest.approx(1.2, abs=0.01)
    assert len(obstacles(seen(lens, box=None), lens).points) == 0


def test_the_noise_of_a_stereo_camera_is_no_obstacle() -> None:
    """One per cent of the distance at 1 m, three at 3 m, in each pixel by itself."""
    lens = camera(640, 480)
    assert len(obstacles(seen(lens, box=None, noise=0.01), lens).points) == 0
    points = obstacles(seen(lens, noise=0.01), lens).points
    assert len(points) > 100
    assert np.median(points[:, 0]) == pytest.approx(1.2, abs=0.06)


def test_a_step_down_is_an_obstacle() -> None:
    lens = camera()
    points = obstacles(seen(lens, box=None, step_down=1.5), lens).points
    assert len(points) > 50
    assert points[:, 2].max() < -0.2
    assert points[:, 0].min() > 1.4


def test_a_camera_tilted_a_little_more_than_the_parameters_say_sees_the_floor() -> None:
    lens = camera()
    told = camera(tilt=TILT + 0.05)
    assert len(obstacles(seen(lens, box=None), told).points) == 0


def test_what_was_seen_is_moved_to_the_time_of_the_image() -> None:
    lens, fusion = camera(), robot()
    for k in range(11):
        stamp = START + k * 20 * MS
        fusion.add_odometry(Odometry(stamp, k * 0.02, 0, 0, speed=1.0), stamp)
    points = obstacles(seen(lens), lens, START + 200 * MS, fusion).points
    assert points[:, 0].min() == pytest.approx(1.0, abs=0.01)


def test_a_robot_with_a_lidar_goes_by_that_also_after_it_was_lost() -> None:
    lens, fusion = camera(), robot()
    fusion.add_depth(DepthImage(START, seen(lens)), START)
    fusion.add_cloud(LidarSweep(START, np.array([[3.0, 0, 0.3]] * 3, np.float32)), START)
    found = fusion.obstacles(START, lens)
    assert isinstance(found, Obstacles)
    assert (found.by_camera, len(found.points)) == (False, 3)
    later = START + 900 * MS
    fusion.add_depth(DepthImage(later, seen(lens)), later)
    lost = fusion.obstacles(later, lens)
    assert isinstance(lost, Missing)
    assert lost.lost
    assert "LiDAR" in lost.reason


def test_a_depth_camera_that_fell_silent_or_cannot_be_used_is_lost() -> None:
    lens, silent, unusable, other = camera(), robot(), robot(), robot()
    silent.add_depth(DepthImage(START, seen(lens)), START)
    unusable.report_error("depth camera", "depth came in frame 'depth_optical'")
    other.add_depth(DepthImage(START, np.ones((10, 12), np.float32)), START)
    with pytest.raises(SensorError):
        robot().add_depth(DepthImage(START - 10_000 * MS, seen(lens)), START)
    for fusion, at, said in (
        (silent, START + 600 * MS, "nothing within 0.60 s"),
        (unusable, START, "in frame 'depth_optical'"),
        (other, START, "12x10 pixels, unlike the image"),
    ):
        found = fusion.obstacles(at, lens)
        assert isinstance(found, Missing)
        assert found.lost
        assert found.reason.startswith("depth camera: ")
        assert said in found.reason


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_covered_depth_camera_is_not_a_free_way(value: float) -> None:
    lens, fusion = camera(), robot()
    blind = np.full((240, 320), value, np.float32)
    blind[:4, :4] = 0.5  # noise
    with pytest.raises(SensorError, match="known in 16 pixels: is the camera covered"):
        fusion.add_depth(DepthImage(START, blind), START)
    found = fusion.obstacles(START, lens)
    assert isinstance(found, Missing)
    assert found.lost
    assert fusion.status(START)["depth camera"].startswith("unusable: ")


def test_depth_of_what_is_far_away_only_is_a_free_way() -> None:
    assert len(obstacles(np.full((240, 320), 7.0, np.float32), camera()).points) == 0
