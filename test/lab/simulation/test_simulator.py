"""The base moves as a real one does, and its sensors measure what happens to it."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from simulated import SECOND, drive, rest, simulator, thing

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RampSpec, RoomSpec
from vlam_ros.lab.simulation.scene import SceneSpec, random_scene
from vlam_ros.lab.simulation.sensors import Arrival, LidarSpec
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import (
    GripperState,
    ImuSample,
    JointState,
    LidarSweep,
    Odometry,
    VelocityCommand,
)


def odometry(arrivals: Sequence[Arrival]) -> list[Odometry]:
    return [a.measured for a in arrivals if isinstance(a.measured, Odometry)]


def imu(arrivals: Sequence[Arrival]) -> list[ImuSample]:
    return [a.measured for a in arrivals if isinstance(a.measured, ImuSample)]


def last_sweep(arrivals: Sequence[Arrival]) -> npt.NDArray[np.float32]:
    return [a.measured for a in arrivals if isinstance(a.measured, LidarSweep)][-1].points


def test_it_stands_still_and_level() -> None:
    with simulator() as sim:
        arrivals = rest(sim, 3.0)
        pose = sim.pose
    assert math.hypot(pose.x, pose.y, pose.z) < 1e-3
    assert max(abs(pose.roll), abs(pose.pitch), abs(pose.yaw)) < math.radians(0.05)
    force = np.mean([s.force for s in imu(arrivals)[200:]], axis=0)
    np.testing.assert_allclose(force, (0, 0, 9.81), atol=0.05)


def test_it_drives_a_metre_straight_ahead() -> None:
    with simulator() as sim:
        arrivals = drive(sim, 0.3, 0.0, 1 / 0.3) + rest(sim, 0.5)
        pose, told = sim.pose, odometry(arrivals)[-1]
    assert pose.x == pytest.approx(1.0, rel=0.03)
    assert abs(pose.y) < 0.01
    assert told.x == pytest.approx(pose.x, rel=0.02)
    assert max(o.speed for o in odometry(arrivals)) == pytest.approx(0.3, rel=0.1)


def test_it_turns_a_quarter() -> None:
    with simulator() as sim:
        arrivals = drive(sim, 0.0, 0.8, math.pi / 2 / 0.8) + rest(sim, 0.5)
        pose, told = sim.pose, odometry(arrivals)[-1]
    assert pose.yaw == pytest.approx(math.pi / 2, rel=0.04)
    assert math.hypot(pose.x, pose.y) < 0.01
    assert told.yaw == pytest.approx(pose.yaw, rel=0.03)


def test_odometry_drifts_by_its_seed() -> None:
    room = RoomSpec(SceneSpec((), wall_distance=3.0))
    ends = []
    for seed in range(3):
        with Simulator(room, 64, 48, seed) as sim:
            ends.append(odometry(drive(sim, 0.4, 0.0, 2.0))[-1].y)
            assert abs(sim.pose.y) < 0.01
    assert len({round(y, 6) for y in ends}) == 3
    assert 1e-4 < max(map(abs, ends)) < 0.05


def test_it_stops_by_itself_when_nobody_tells_it_anything() -> None:
    with simulator() as sim:
        sim.drive(VelocityCommand(0.3, 0.0))
        sim.advance(SECOND)
        stopped = sim.pose.x
        sim.advance(2 * SECOND)
        assert stopped == pytest.approx(0.3 * 0.5, abs=0.03)
        assert sim.pose.x == pytest.approx(stopped, abs=0.005)


def test_a_jump_of_the_command_pitches_the_nose_up_and_does_not_wheelie() -> None:
    with simulator() as sim:
        rest(sim, 0.5)
        paraphrases = imu(drive(sim, 0.4, 0.0, 0.5))
        assert sim.pose.x > 0.10
    assert min(r.rate[1] for r in paraphrases) < -0.05
    assert 1.5 < max(r.force[0] for r in paraphrases) < 5.0
    rate = np.array([r.rate[1] for r in paraphrases])
    assert np.abs(np.cumsum(rate) / 200).max() < math.radians(3)


@pytest.mark.parametrize("degrees", [4, 8])
def test_on_a_ramp_the_pitch_is_its_angle(degrees: float) -> None:
    angle = math.radians(degrees)
    with simulator(ramp=RampSpec(0.4, 0.0, length=2.0, angle=angle)) as sim:
        drive(sim, 0.3, 0.0, 4.0)
        arrivals = rest(sim, 1.0)
        pose, tilt = sim.pose, np.mean([s.force for s in imu(arrivals)[100:]], axis=0)
        assert pose.pitch == pytest.approx(-angle, abs=math.radians(1))
        assert pose.z == pytest.approx((pose.x - 0.4) * math.tan(angle), abs=0.005)
        assert math.asin(tilt[0] / 9.81) == pytest.approx(-pose.pitch, abs=math.radians(0.5))
        rest(sim, 3.0)
        assert math.dist(pose.position, sim.pose.position) < 0.005


def test_measurements_come_at_their_rates_and_in_order() -> None:
    with Simulator(RoomSpec(SceneSpec(())), 64, 48, origin=5 * SECOND) as sim:
        arrivals = sim.advance(6 * SECOND) + sim.advance(7 * SECOND)
        assert sim.now == 7 * SECOND
    times = [a.now for a in arrivals]
    assert times == sorted(times)
    counts = dict.fromkeys((ImuSample, Odometry, JointState, GripperState, LidarSweep), 0)
    for arrival in arrivals:
        counts[type(arrival.measured)] += 1
        delay = SECOND // 10 if isinstance(arrival.measured, LidarSweep) else 0
        assert arrival.now == arrival.measured.stamp + delay
    assert list(counts.values()) == [400, 100, 100, 40, 20]
    assert arrivals[0].now == 5 * SECOND


def test_the_lidar_sees_obstacles_objects_ramp_and_walls() -> None:
    with simulator(
        thing("ball", 0.6, 0.0, 0.1, 0.1),
        obstacles=(thing("box", 0.0, 1.0, 0.3, 0.1, 0.1, 0.3),),
        ramp=RampSpec(0.0, -0.7, -math.pi / 2, 1.5, 0.8, math.radians(8)),
    ) as sim:
        points = last_sweep(sim.advance(SECOND // 10))
    assert (
        np.count_nonzero(np.abs(np.linalg.norm(points - (0.6, 0, 0.1), axis=1) - 0.1) < 0.03) > 30
    )
    assert np.count_nonzero(np.abs(points - (0.0, 0.9, 0.3)).max(axis=1) < 0.31) > 100
    ramp = (np.abs(points[:, 0]) < 0.3) & (points[:, 1] < -1.0) & (points[:, 1] > -2.0)
    off = points[ramp, 2] - (-points[ramp, 1] - 0.7) * math.tan(math.radians(8))
    assert np.count_nonzero(ramp) > 50
    assert np.abs(off).mean() < 0.02
    for axis, side in ((0, 1), (0, -1), (1, 1), (1, -1)):
        assert np.count_nonzero(np.abs(side * points[:, axis] - 2.98) < 0.04) > 100


def test_a_sweep_of_a_turning_robot_is_skewed_by_what_it_turned() -> None:
    perfect = LidarSpec(rings=2, columns=360, lowest=0.0, highest=0.01, noise=0.0, dropout=0.0)
    room = RoomSpec(SceneSpec((), wall_distance=3.0))
    with Simulator(room, 64, 48, lidar=perfect) as sim:
        drive(sim, 0.0, 0.8, 0.5)
        before = sim.pose
        sweep = next(a.measured for a in drive(sim, 0.0, 0.8, 0.1) if a.now == 6 * SECOND // 10)
        assert isinstance(sweep, LidarSweep)
        assert sweep.offsets is not None
        turned = (sim.pose.yaw - before.yaw) / 0.1
        points = sweep.points.astype(float)
        placed = np.array(
            [
                BasePose(before.x, before.y, yaw=before.yaw + turned * dt).to_world(point[None])[0]
                for point, dt in zip(points, sweep.offsets, strict=True)
            ]
        )
    far = np.hypot(points[:, 0], points[:, 1]) > 0.3  # not the mast
    off = np.abs(np.abs(placed[far, :2]).max(axis=1) - 2.98)
    assert off.max() < 0.01
    skewed = before.to_world(points[far])
    assert np.abs(np.abs(skewed[:, :2]).max(axis=1) - 2.98).max() > 0.05


def test_images_are_those_of_a_world() -> None:
    scene = random_scene(np.random.default_rng(4))
    with Simulator(RoomSpec(scene), 320, 240) as sim, World(320, 240) as world:
        world.load(scene)
        rendering = world.render()
        np.testing.assert_array_equal(sim.image(), rendering.image)
        assert sim.visible() == tuple(
            np.count_nonzero(rendering.labels == i + 1) for i in range(len(scene.objects))
        )
        np.testing.assert_array_equal(sim.camera.rotation, world.camera.rotation)
        drive(sim, 0.2, 0.3, 0.5)
        world.move(sim.pose)
        difference = np.abs(sim.image().astype(int) - world.render().image)
        assert np.count_nonzero(difference.max(axis=2) > 8) < 50


def test_the_overview_shows_the_robot() -> None:
    with simulator() as sim:
        before = sim.overview(320, 240)
        drive(sim, 0.3, 0.0, 1.0)
        after = sim.overview(320, 240)
    assert before.shape == (240, 320, 3)
    assert np.count_nonzero(np.abs(before.astype(int) - after).max(axis=2) > 30) > 300


def test_objects_rest_where_they_are_put() -> None:
    shapes = (
        thing("box", 0.8, 0.0, 0.05, 0.04, 0.05, 0.05),
        thing("ball", 1.2, 0.4, 0.06, 0.06),
        thing("plate", 1.2, -0.4, 0.01, 0.12, 0.01),
        thing("cup", 0.8, 0.4, 0.0475, 0.04, 0.095),
        thing("cone", 0.8, -0.4, 0.055, 0.05, 0.11),
        thing("cylinder", 1.6, 0.0, 0.06, 0.04, 0.06),
    )
    with simulator(*shapes) as sim:
        rest(sim, 5.0)
        for shape, (position, _) in zip(shapes, sim.objects, strict=True):
            assert math.dist(position, shape.position) < 1e-3


def test_running_into_an_obstacle_is_one_contact_with_its_speed() -> None:
    with simulator(obstacles=(thing("box", 1.0, 0.0, 0.3, 0.1, 0.3, 0.3),)) as sim:
        drive(sim, 0.3, 0.0, 3.0)
        (contact,) = sim.contacts
        assert sim.pose.x == pytest.approx(0.9 - 0.18, abs=0.01)
    assert (contact.part, contact.other) == ("chassis", "obstacle0")
    assert contact.speed == pytest.approx(0.3, rel=0.1)
    assert contact.object is None
    assert contact.start == pytest.approx((0.72 / 0.3 + 0.1) * SECOND, abs=0.2 * SECOND)
    assert contact.end >= contact.start + SECOND // 10
    assert contact.impulse > 14 * 0.3


def test_the_base_pushes_what_is_in_its_way() -> None:
    with simulator(thing("box", 0.5, 0.0, 0.05, 0.05, 0.05, 0.05)) as sim:
        drive(sim, 0.2, 0.0, 4.0)
        ((x, y, _), _) = sim.objects[0]
        assert {(c.part, c.object) for c in sim.contacts} == {("chassis", 0)}
    assert x > 0.8
    assert abs(y) < 0.05


def test_the_same_seed_and_commands_give_the_same_bytes() -> None:
    def run() -> list[object]:
        objects = (thing("box", 0.5, 0.0, 0.05, 0.05, 0.05, 0.05), thing("ball", 1, 0, 0.1, 0.1))
        with simulator(*objects) as sim:
            arrivals = drive(sim, 0.3, 0.1, 2.0)
            sim.reach((0.5, 0.2, 0.5))
            arrivals += drive(sim, -0.2, 0.3, 1.0)
            out: list[object] = [repr((sim.pose, sim.objects, sim.contacts))]
        for arrival in arrivals:
            sweep = arrival.measured
            isa = isinstance(sweep, LidarSweep)
            out.append(sweep.points.tobytes() if isa else repr(sweep))  # type: ignore[union-attr]
        return out

    assert run() == run()


def test_commands_that_make_no_sense_are_refused() -> None:
    with simulator() as sim:
        with pytest.raises(SimulationError, match="a velocity must be finite"):
            sim.drive(VelocityCommand(math.nan, 0.0))
        with pytest.raises(SimulationError, match="the arm needs 3 finite positions"):
            sim.reach((0.0, 0.0))
    with pytest.raises(SimulationError, match="whole number of steps"):
        Simulator(RoomSpec(SceneSpec(())), timestep=0.003)
