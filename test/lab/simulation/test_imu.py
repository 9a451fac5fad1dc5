"""What the IMU reads is what mechanics says, plus the noise and the bias it was given."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.evaluation.drive import SensedDrive
from vlam_ros.lab.simulation.motion import BasePose, Drive, Motion, Standing
from vlam_ros.lab.simulation.scene import SceneSpec, random_scene
from vlam_ros.lab.simulation.sensors import Imu, ImuSpec
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import ImuSample

G = 9.81
PERFECT = ImuSpec(gyro_noise=0.0, gyro_bias=0.0, force_noise=0.0, force_bias=0.0)


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with World(64, 48) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.load(SceneSpec(()))
    shared.gravity = (0.0, 0.0, -G)
    return shared


@dataclass(frozen=True)
class Along:
    """A motion by a formula."""

    formula: Callable[[float], BasePose]

    def pose(self, t: float) -> BasePose:
        return self.formula(t)


def read(world: World, motion: Motion, t: float = 1.0) -> ImuSample:
    imu = Imu(PERFECT, np.random.default_rng(0))
    return imu.reading(round(t * 1e9), *world.inertial(motion, t))


def test_at_rest_on_a_level_floor_the_force_is_up(world: World) -> None:
    sample = read(world, Standing(BasePose(yaw=1.0)))
    np.testing.assert_allclose(sample.force, (0, 0, G), atol=1e-9)
    np.testing.assert_allclose(sample.rate, (0, 0, 0), atol=1e-9)
    assert sample.tilt is None


def test_a_tilted_robot_feels_gravity_along_its_axes(world: World) -> None:
    roll, pitch = 0.1, -0.2
    sample = read(world, Standing(BasePose(roll=roll, pitch=pitch, yaw=2.0)))
    expected = (
        -G * math.sin(pitch),
        G * math.cos(pitch) * math.sin(roll),
        G * math.cos(pitch) * math.cos(roll),
    )
    np.testing.assert_allclose(sample.force, expected, atol=1e-9)


def test_turning_on_the_spot_is_a_rate_and_no_force(world: World) -> None:
    sample = read(world, Along(lambda t: BasePose(yaw=0.7 * t)))
    np.testing.assert_allclose(sample.rate, (0, 0, 0.7), atol=1e-6)
    np.testing.assert_allclose(sample.force, (0, 0, G), atol=1e-6)


def test_a_circle_pulls_to_its_centre(world: World) -> None:
    radius, rate = 2.0, 0.5

    def circle(t: float) -> BasePose:
        angle = rate * t
        return BasePose(radius * math.sin(angle), radius * (1 - math.cos(angle)), yaw=angle)

    for t in (0.0, 1.0, 4.0):
        sample = read(world, Along(circle), t)
        # The centre is on the left.
        np.testing.assert_allclose(sample.force, (0, radius * rate**2, G), atol=1e-6)
        np.testing.assert_allclose(sample.rate, (0, 0, rate), atol=1e-6)


def test_speeding_up_pushes_forward_whichever_way_the_robot_looks(world: World) -> None:
    for yaw in (0.0, 1.0, -2.5):

        def straight(t: float, yaw: float = yaw) -> BasePose:
            way = 0.5 * 0.8 * t**2
            return BasePose(way * math.cos(yaw), way * math.sin(yaw), yaw=yaw)

        np.testing.assert_allclose(read(world, Along(straight)).force, (0.8, 0, G), atol=1e-6)


def test_pitching_while_yawing_is_read_in_the_axes_of_the_body(world: World) -> None:
    sample = read(world, Along(lambda t: BasePose(pitch=0.3 * t, yaw=0.4 * t)))
    expected = (-0.4 * math.sin(0.3), 0.3, 0.4 * math.cos(0.3))
    np.testing.assert_allclose(sample.rate, expected, atol=1e-6)


def test_falling_feels_nothing(world: World) -> None:
    sample = read(world, Along(lambda t: BasePose(z=5 - G * t**2 / 2, roll=0.4)))
    np.testing.assert_allclose(sample.force, (0, 0, 0), atol=1e-6)


def test_contact_with_the_floor_plays_no_role(world: World) -> None:
    sample = read(world, Standing(BasePose(z=-0.2)))
    np.testing.assert_allclose(sample.force, (0, 0, G), atol=1e-9)


def test_tilted_gravity_is_a_ramp(world: World) -> None:
    ramp = 0.15  # the nose is up
    uphill = read(world, Standing(BasePose(pitch=-ramp))).force
    world.gravity = (-G * math.sin(ramp), 0.0, -G * math.cos(ramp))
    np.testing.assert_allclose(read(world, Standing()).force, uphill, atol=1e-9)
    np.testing.assert_allclose(uphill, (G * math.sin(ramp), 0, G * math.cos(ramp)), atol=1e-9)


def test_gravity_stays_when_a_scene_is_loaded(world: World) -> None:
    assert world.gravity == (0.0, 0.0, -G)
    world.gravity = (0.1, 0.2, -9.8)
    world.load(SceneSpec(()))
    assert world.gravity == (0.1, 0.2, -9.8)
    with pytest.raises(SimulationError, match="gravity must be finite"):
        world.gravity = (0.0, 0.0, math.nan)


def test_paraphrases_scatter_by_the_noise_around_the_bias(world: World) -> None:
    spec = ImuSpec()
    imu = Imu(spec, np.random.default_rng(5))
    at_rest = world.inertial(Standing(), 0.0)
    samples = [imu.reading(t, *at_rest) for t in range(2000)]
    rates, forces = np.array([s.rate for s in samples]), np.array([s.force for s in samples])
    np.testing.assert_allclose(rates.std(axis=0), spec.gyro_noise, rtol=0.06)
    np.testing.assert_allclose(forces.std(axis=0), spec.force_noise, rtol=0.06)
    still = 4 / math.sqrt(len(samples))
    assert np.abs(rates.mean(axis=0) - imu.gyro_bias).max() < still * spec.gyro_noise
    assert np.abs(forces.mean(axis=0) - (0, 0, G) - imu.force_bias).max() < still * spec.force_noise
    # One reading tells nothing of the next.
    assert abs(np.corrcoef(rates[1:, 0], rates[:-1, 0])[0, 1]) < 0.1


def test_biases_fill_their_bounds() -> None:
    rng = np.random.default_rng(0)
    imus = [Imu(ImuSpec(), rng) for _ in range(200)]
    assert 0.0095 < np.abs([imu.gyro_bias for imu in imus]).max() <= 0.01
    assert 0.0285 < np.abs([imu.force_bias for imu in imus]).max() <= 0.03


def test_a_stamp_is_the_time_in_nanoseconds(world: World) -> None:
    arrivals = SensedDrive(world, Standing(), np.random.default_rng(0)).arrivals(1.0, 1.015)
    samples = [a.measured for a in arrivals if isinstance(a.measured, ImuSample)]
    assert [s.stamp for s in samples] == [1_000_000_000, 1_005_000_000, 1_010_000_000]


def test_a_reading_changes_neither_the_pose_nor_the_image(world: World) -> None:
    world.load(random_scene(np.random.default_rng(1)))
    pose = BasePose(x=0.1, yaw=0.1)
    world.move(pose)
    before = world.render()
    read(world, Drive.random(np.random.default_rng(0)), 6.0)
    assert world.pose == pose
    np.testing.assert_array_equal(world.render().image, before.image)


def test_an_imu_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(SimulationError, match="no negative errors"):
        ImuSpec(gyro_noise=-0.1)
