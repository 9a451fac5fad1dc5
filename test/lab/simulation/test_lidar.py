"""What the LiDAR measures is the closed-form geometry of the scene, moving or not."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose, Drive, Motion, Standing
from vlam_ros.lab.simulation.scene import CONE_SIZES, CUP_SIZES, ObjectSpec, SceneSpec
from vlam_ros.lab.simulation.sensors import Lidar, LidarSpec
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import LidarSweep

Floats = npt.NDArray[np.float64]

PERFECT = LidarSpec(rings=12, columns=180, noise=0.0, dropout=0.0)
AT_REST = Standing()
WALL = 3.0
FACE = WALL - 0.02  # walls are 4 cm thick
ROOM = SceneSpec((), wall_distance=WALL)
UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(64, 48) as world:
        yield world


def sweep(
    world: World, spec: LidarSpec = PERFECT, motion: Motion = AT_REST, start: float = 0.0
) -> LidarSweep:
    return Lidar(world, spec, np.random.default_rng(0)).sweep(motion, start)


def thing(shape: str, x: float, z: float, *size: float, variant: int = 0) -> ObjectSpec:
    dimensions = (*size, 0.0, 0.0)[:3]
    return ObjectSpec(shape, "red", (0.8, 0.1, 0.1), dimensions, (x, 0.0, z), UPRIGHT, variant)


def of_robot(points: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return (np.abs(points[:, 0]) <= 0.25) & (np.abs(points[:, 1]) <= 0.22) & (points[:, 2] <= 0.8)


def off_the_room(points: Floats) -> Floats:
    """Distances [N] of points in the scene from the floor or the nearest of the three walls."""
    x, y, z = points.T
    return np.abs([z, x - FACE, np.abs(y) - FACE]).min(axis=0)


def in_scene(taken: LidarSweep, motion: Motion) -> Floats:
    """Every point by the true pose at its own time."""
    assert taken.offsets is not None
    start = taken.stamp / 1e9
    pairs = zip(taken.points.astype(float), taken.offsets, strict=True)
    return np.concatenate([motion.pose(start + dt).to_world(p[None]) for p, dt in pairs])


def room_ranges(spec: LidarSpec) -> Floats:
    """Closed-form ranges [columns,rings] to floor, walls and mast, from where a base stands."""
    height = spec.mount[2]
    x, y, z = np.moveaxis(spec.directions, 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(z < 0, -height / z, np.inf)
        floor[np.abs(floor * x) > 15] = np.inf  # the floor has an end, and no wall behind
        front = np.where(x > 0, FACE / x, np.inf)
        side = FACE / np.abs(y)
        for wall, along in ((front, y), (side, x)):
            wall[~((np.abs(wall * along) <= 12) & (height + wall * z <= 6))] = np.inf
        # The mast, a cylinder of 12 mm around (-0.15, 0): t² (x²+y²) + 0.3 x t + 0.15² - r² = 0.
        a, b, c = x**2 + y**2, 0.15 * x, 0.15**2 - 0.012**2
        mast = (-b - np.sqrt(b**2 - a * c)) / a
        mast[~((mast > 0) & (height + mast * z <= 0.55))] = np.inf
    return np.min([floor, front, side, mast], axis=0)


def test_a_standing_lidar_measures_floor_walls_and_mast(world: World) -> None:
    world.load(ROOM)
    taken, expected = sweep(world), room_ranges(PERFECT)
    seen = expected <= PERFECT.max_range
    assert 0.8 < seen.mean() < 1.0
    points = PERFECT.mount + PERFECT.directions[seen] * expected[seen][:, None]
    np.testing.assert_allclose(taken.points, points, atol=2e-6)
    assert taken.points.dtype == np.float32


def test_each_ring_sees_the_floor_at_its_own_distance(world: World) -> None:
    world.load(SceneSpec((), wall_distance=6.0))
    spec = replace(PERFECT, rings=4, lowest=math.radians(-30), highest=math.radians(-15))
    points = sweep(world, spec).points
    points = points[~of_robot(points)]
    radii = np.hypot(points[:, 0], points[:, 1])
    for degrees in (30, 25, 20, 15):
        radius = 0.45 / math.tan(math.radians(degrees))
        assert np.count_nonzero(np.abs(radii - radius) < 1e-5) > 150
    assert np.abs(points[:, 2]).max() < 1e-6


def test_points_on_a_ball_are_its_radius_from_its_centre(world: World) -> None:
    world.load(replace(ROOM, objects=(thing("ball", 1.2, 0.3, 0.3, 0.3, 0.3),)))
    points = sweep(world).points
    on_ball = points[(off_the_room(points) > 1e-5) & ~of_robot(points)]
    assert len(on_ball) > 30
    distances = np.linalg.norm(on_ball - np.array([1.2, 0.0, 0.3]), axis=1)
    np.testing.assert_allclose(distances, 0.3, atol=1e-5)


@pytest.mark.parametrize("variant", range(4))
def test_points_on_a_cone_are_on_its_mantle(world: World, variant: int) -> None:
    # The small ball before it leaves its size in the place that the cone takes.
    world.load(replace(ROOM, objects=(thing("ball", 1.0, 0.02, 0.02, 0.02, 0.02),)))
    radius, height = CONE_SIZES[variant]
    cone = thing("cone", 1.0, height / 2, radius, height, variant=variant)
    world.load(replace(ROOM, objects=(cone,)))
    points = sweep(world, replace(PERFECT, rings=60, columns=720)).points
    on_cone = points[(off_the_room(points) > 1e-3) & ~of_robot(points)]
    assert len(on_cone) > 50
    from_axis = np.hypot(on_cone[:, 0] - 1.0, on_cone[:, 1])
    mantle = radius * (1 - on_cone[:, 2] / height)
    # A cone of 32 sides is up to 0.5 % thinner than a round one.
    assert np.all(from_axis < mantle + 2e-4)
    assert np.all(from_axis > 0.995 * mantle - 2e-4)
    assert on_cone[:, 2].max() > 0.85 * height


@pytest.mark.parametrize("variant", range(4))
def test_a_cup_is_hit_from_rim_to_foot(world: World, variant: int) -> None:
    radius, height = CUP_SIZES[variant]
    cup = thing("cup", 1.0, height / 2, radius, height, variant=variant)
    world.load(replace(ROOM, objects=(cup,)))
    points = sweep(world, replace(PERFECT, rings=60, columns=720)).points
    on_cup = points[(off_the_room(points) > 1e-3) & ~of_robot(points)]
    from_axis = np.hypot(on_cup[:, 0] - 1.0, on_cup[:, 1])
    assert from_axis.max() <= radius + 1e-5
    assert from_axis.max() > 0.97 * radius
    assert on_cup[:, 2].min() < 0.15 * height
    assert on_cup[:, 2].max() == pytest.approx(height, abs=0.07 * height)


def test_nothing_is_hit_of_the_scene_before(world: World) -> None:
    world.load(ROOM)
    empty = sweep(world).points
    box, cone = thing("box", 1.0, 0.3, 0.2, 0.2, 0.3), thing("cone", 0.6, 0.1, 0.085, 0.2)
    world.load(replace(ROOM, objects=(box, cone), wall_distance=5.0))
    assert len(sweep(world).points) != len(empty) or (sweep(world).points != empty).any()
    world.load(ROOM)
    np.testing.assert_array_equal(sweep(world).points, empty)


def test_a_moving_sweep_fits_the_room_by_the_pose_at_each_points_time(world: World) -> None:
    world.load(ROOM)
    drive = Drive.random(np.random.default_rng(3), rest=0.0)
    for start in (3.0, 6.0):
        taken = sweep(world, motion=drive, start=start)
        rest = ~of_robot(taken.points)
        placed = in_scene(taken, drive)[rest]
        assert off_the_room(placed).max() < 1e-5
        # By one pose for all, points are off by centimetres: the sweep is skewed.
        skewed = drive.pose(start).to_world(taken.points[rest].astype(float))
        assert np.linalg.norm(skewed - placed, axis=1).max() > 0.03


def test_noise_of_a_moving_sweep_stays_noise(world: World) -> None:
    world.load(ROOM)
    drive = Drive.random(np.random.default_rng(3), rest=0.0)
    taken = sweep(world, replace(PERFECT, noise=0.01), drive, 5.0)
    placed = in_scene(taken, drive)[~of_robot(taken.points)]
    off = off_the_room(placed)
    assert 0.003 < math.sqrt(np.mean(off**2)) < 0.01  # off the surface, not along the ray
    assert off.max() < 0.05


def test_noise_is_along_the_ray_and_as_large_as_specified(world: World) -> None:
    world.load(ROOM)
    true = sweep(world).points - np.float32(PERFECT.mount)
    noisy = sweep(world, replace(PERFECT, noise=0.01)).points - np.float32(PERFECT.mount)
    ranges, measured = np.linalg.norm(true, axis=1), np.linalg.norm(noisy, axis=1)
    assert (measured - ranges).std() == pytest.approx(0.01, rel=0.05)
    assert (measured - ranges).mean() == pytest.approx(0.0, abs=0.001)
    np.testing.assert_allclose(noisy / measured[:, None], true / ranges[:, None], atol=1e-6)


def test_the_share_of_lost_returns_is_as_specified(world: World) -> None:
    world.load(ROOM)
    kept = len(sweep(world, replace(PERFECT, dropout=0.3)).points) / len(sweep(world).points)
    assert kept == pytest.approx(0.7, abs=0.03)


def test_limits_of_range_leave_out_what_is_beyond_them(world: World) -> None:
    world.load(ROOM)
    points = sweep(world, replace(PERFECT, min_range=0.5, max_range=2.0)).points
    distances = np.linalg.norm(points - np.float32(PERFECT.mount), axis=1)
    assert distances.min() > 0.5
    assert distances.max() < 2.0
    assert not of_robot(points).any()


def test_columns_fire_anticlockwise_from_behind_at_their_own_times(world: World) -> None:
    world.load(ROOM)
    taken = sweep(world, start=12.3)
    assert taken.stamp == 12_300_000_000
    assert taken.offsets is not None
    assert taken.offsets[0] == 0.0
    assert taken.offsets[-1] == pytest.approx(0.1 * 179 / 180)
    azimuth = np.arctan2(taken.points[:, 1], taken.points[:, 0] + 0.0)
    expected = -math.pi + math.tau * taken.offsets / 0.1
    np.testing.assert_allclose(np.abs(np.sin(azimuth - expected)), 0.0, atol=1e-5)
    assert np.all(np.cos(azimuth - expected) > 0)


def test_the_lidar_hits_its_robot_which_goes_along(world: World) -> None:
    world.load(ROOM)
    for motion in (AT_REST, Drive.random(np.random.default_rng(0), rest=0.0)):
        points = sweep(world, motion=motion, start=4.0).points
        robot = points[of_robot(points)]
        assert 0.01 < len(robot) / len(points) < 0.1
        distances = np.hypot(robot[:, 0] + 0.15, robot[:, 1])
        np.testing.assert_allclose(distances, 0.012, atol=1e-6)


def test_the_robot_lies_in_its_box(world: World) -> None:
    world.load(ROOM)
    grid = np.mgrid[-0.5:0.5:0.01, -0.5:0.5:0.01].reshape(2, -1).T
    down = np.array([[0.0, 0.0, -1.0]])
    tops = np.array([1.0 - world.cast(np.array([x, y, 1.0]), down)[0] for x, y in grid])
    body = np.column_stack([grid, tops])[tops > 1e-6]
    assert of_robot(body).all()
    assert body[:, 2].max() == pytest.approx(0.55)
    assert len(body) * 1e-4 == pytest.approx(math.pi * 0.18**2, rel=0.02)


def test_a_sweep_leaves_the_base_where_it_was(world: World) -> None:
    world.load(ROOM)
    pose = BasePose(x=0.3, yaw=0.2)
    world.move(pose)
    sweep(world, motion=Drive.random(np.random.default_rng(0)), start=5.0)
    assert world.pose == pose


def test_a_seed_is_a_sweep(world: World) -> None:
    world.load(ROOM)
    spec = LidarSpec(rings=4, columns=60)
    np.testing.assert_array_equal(sweep(world, spec).points, sweep(world, spec).points)


@pytest.mark.parametrize(
    "wrong", [{"rings": 0}, {"rate": 0.0}, {"lowest": 1.0}, {"min_range": 40.0}, {"dropout": 1.1}]
)
def test_a_lidar_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SimulationError):
        replace(PERFECT, **wrong)  # type: ignore[arg-type]
