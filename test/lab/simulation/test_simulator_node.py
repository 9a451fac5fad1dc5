"""simulator_node over real Fast DDS: a robot's topics, and a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Twist, TwistStamped
from node_world import NodeWorld, stamp_of
from rclpy.lifecycle import TransitionCallbackReturn
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vlam_ros.lab.simulation.simulator_node import ORIGIN, SimulatorNode
from vlam_ros.ros.clouds import sweep_from_cloud
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.mount import mount_from_settings
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import advertise, profile, subscribe

SENT = (
    "/clock", "image", "camera_info", "points", "imu", "odom", "joint_states", "gripper_state",
    "simulator_node/truth",
)  # fmt: skip


class SimulatedWorld(NodeWorld):
    """A simulator_node and the other end of its topics."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, list[Any]] = {topic: [] for topic in SENT}
        for topic, came in self.came.items():
            subscribe(self.other.create_subscription, topic, came.append)
        self.arm = advertise(self.other.create_publisher, "arm")
        self.gripper = advertise(self.other.create_publisher, "gripper")
        # The clock that NodeWorld sets would be a second one.
        self.other.destroy_publisher(self._clock)

    def start(self, velocity: type = Twist, **overrides: object) -> SimulatorNode:
        """An active node, its topics matched with those of this world."""
        self.velocity = self.other.create_publisher(velocity, "cmd_vel", profile("cmd_vel"))
        node: SimulatorNode = self.add(SimulatorNode, **overrides)
        autostart(node)
        commands = (self.velocity, self.arm, self.gripper)
        self.until(lambda: all(p.get_subscription_count() for p in commands))
        self.until(lambda: all(self.came.values()))
        return node

    @property
    def truth(self) -> dict[str, Any]:
        return dict(json.loads(self.came["simulator_node/truth"][-1].data))

    def reach(self, **joints: float) -> None:
        point = JointTrajectoryPoint(positions=list(joints.values()))
        self.arm.publish(JointTrajectory(joint_names=list(joints), points=[point]))


@pytest.fixture
def world() -> Iterator[SimulatedWorld]:
    world = SimulatedWorld()
    yield world
    world.close()


def test_it_publishes_what_a_robot_does_in_its_own_time(world: SimulatedWorld) -> None:
    node = world.start()
    came = world.came
    clock = nanoseconds(came["/clock"][-1].clock)
    assert ORIGIN <= clock < ORIGIN + 20 * 10**9
    for topic in ("image", "camera_info", "points", "imu", "odom", "joint_states"):
        assert ORIGIN <= stamp_of(came[topic][0]) <= clock
    assert stamp_of(came["camera_info"][-1]) % 10**8 == 0  # ten a second
    assert image_from_message(came["image"][-1]).shape == (480, 640, 3)
    assert came["joint_states"][-1].name == ["arm_pan", "arm_extend", "arm_lift"]
    assert not came["gripper_state"][-1].data
    settings = node._settings.lidar
    assert came["points"][-1].header.frame_id == settings.frame_id
    sweep = sweep_from_cloud(came["points"][-1], mount_from_settings(settings), 0.1, 30.0)
    floor = sweep.points[abs(sweep.points[:, 2]) < 0.03]
    assert len(floor) > 1000
    assert world.truth["objects"][0]["phrase"] == "red cup"


def test_the_clock_ticks_a_hundred_times_a_second_and_never_skips(world: SimulatedWorld) -> None:
    world.start()
    world.came["/clock"].clear()
    world.until(lambda: len(world.came["/clock"]) > 50)
    stamps = [nanoseconds(message.clock) for message in world.came["/clock"]]
    # Best effort may lose some; none comes twice, and all are whole ticks.
    assert stamps == sorted(set(stamps))
    assert all(stamp % 10_000_000 == 0 for stamp in stamps)


def test_it_drives_as_it_is_told(world: SimulatedWorld) -> None:
    world.start()
    message = Twist()
    message.linear.x, message.angular.z = 0.2, 0.5

    def driven() -> bool:
        world.velocity.publish(message)
        pose = world.came["odom"][-1].pose.pose
        return bool(pose.position.x > 0.1)

    world.until(driven)
    assert world.came["odom"][-1].twist.twist.linear.x == pytest.approx(0.2, abs=0.03)
    world.until(lambda: world.truth["pose"]["yaw"] > 0.1)


def test_stamped_commands_drive_it_where_they_are_asked_for(world: SimulatedWorld) -> None:
    world.start(TwistStamped, simulation__stamped_cmd_vel=True)
    message = TwistStamped()
    message.twist.linear.x = 0.2

    def driven() -> bool:
        world.velocity.publish(message)
        return bool(world.came["odom"][-1].pose.pose.position.x > 0.05)

    world.until(driven)


def test_it_picks_up_the_cup(world: SimulatedWorld) -> None:
    world.start()
    # Over the cup of the demo, at (0.66, 0.17), in any order of the joints.
    world.reach(arm_lift=0.80, arm_pan=0.2074, arm_extend=0.5276)
    world.until(lambda: world.came["joint_states"][-1].position[1] > 0.525)
    world.gripper.publish(Bool(data=True))
    world.reach(arm_lift=0.90, arm_pan=0.2074, arm_extend=0.5276)
    world.until(lambda: world.came["gripper_state"][-1].data)
    world.until(lambda: world.truth["held"] == 0)
    world.gripper.publish(Bool(data=False))
    world.until(lambda: not world.came["gripper_state"][-1].data)


def test_what_cannot_be_used_is_reported(world: SimulatedWorld) -> None:
    world.start()
    world.reach(arm_pan=0.1, elbow=0.3)

    def reported() -> bool:
        (status,) = world.diagnostics()
        return any("arm needs a position for each of" in pair.value for pair in status.values)

    world.until(reported)
    message = Twist()
    message.linear.x = float("nan")
    world.velocity.publish(message)

    def refused() -> bool:
        (status,) = world.diagnostics()
        return any("a velocity must be finite" in pair.value for pair in status.values)

    world.until(refused)


def test_it_tells_how_fast_time_passes(world: SimulatedWorld) -> None:
    world.start(simulation__rate=0.25, simulation__image_rate=1.0)

    def measured() -> bool:
        (status,) = world.diagnostics()
        values = {pair.key: pair.value for pair in status.values}
        return values["scene"] == "demo" and abs(float(values.get("rate", "0")) - 0.25) < 0.05

    world.until(measured)


def test_activated_again_it_starts_anew(world: SimulatedWorld) -> None:
    node = world.start()
    world.until(lambda: nanoseconds(world.came["/clock"][-1].clock) > ORIGIN + 5 * 10**8)
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    # One that was sent before may come after.
    world.until(lambda: world.diagnostics()[0].level == DiagnosticStatus.STALE)
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    world.came["/clock"].clear()
    world.until(lambda: world.came["/clock"])
    assert nanoseconds(world.came["/clock"][0].clock) < ORIGIN + 5 * 10**8


def test_a_random_room_has_the_number_of_its_seed(world: SimulatedWorld) -> None:
    world.start(simulation__scene="random:7")
    assert world.truth["objects"]


def test_the_overview_is_drawn_while_somebody_looks_only(world: SimulatedWorld) -> None:
    world.start()
    came: list[Any] = []
    create = world.other.create_subscription
    subscription = subscribe(create, "simulator_node/overview", came.append)
    world.until(lambda: len(came) > 1)
    assert image_from_message(came[-1]).shape == (360, 480, 3)
    assert nanoseconds(came[-1].header.stamp) % 200_000_000 == 0
    world.other.destroy_subscription(subscription)


def test_what_is_visible_is_told_once_a_second(world: SimulatedWorld) -> None:
    world.start()
    truths = world.came["simulator_node/truth"]
    truths.clear()
    world.until(lambda: len(truths) > 20)
    told = [json.loads(truth.data) for truth in truths]
    counted = [truth["stamp"] for truth in told if truth["visible"] is not None]
    assert 1 <= len(counted) <= 3
    assert all(stamp % 10**9 == 0 for stamp in counted)
    assert told[-1]["speed"] == pytest.approx(0.0, abs=0.01)


def test_an_unknown_room_is_refused(world: SimulatedWorld) -> None:
    node = world.add(SimulatorNode, simulation__scene="kitchen")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    (status,) = world.diagnostics()
    assert any("must be one of demo, pick_and_place" in pair.value for pair in status.values)
