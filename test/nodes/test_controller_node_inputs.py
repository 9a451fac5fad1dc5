"""Who is heard by controller_node over real Fast DDS, and what stops it where somebody is not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import rclpy
from control_world import ControlWorld, is_zero, patient_world, speed
from diagnostic_msgs.msg import DiagnosticStatus
from driven import go_to
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import LaserScan, PointCloud2
from std_msgs.msg import Bool, Float64, Int32

import vlam_ros.msg
from vlam_ros.interface import TOPICS
from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.ros.fused import obstacles_to_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import Halt, Obstacles

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
KINDS = tuple(product((RELIABLE, BEST_EFFORT), (VOLATILE, LATCHED)))
FAR = [[5.0, 3.0, 0.0]]


def qos(reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(depth=1, reliability=reliability, durability=durability)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    yield from patient_world(monkeypatch)


@pytest.fixture
def stranger() -> Iterator[Node]:
    """A node of another process, as far as DDS is concerned."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("stranger", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def errors(world: ControlWorld) -> list[str]:
    """What diagnostics say of publishers that are not heard."""
    world.statuses.clear()
    world.node.reporter._publish()
    return [s.message for s in world.next_diagnostics() if s.level == DiagnosticStatus.ERROR]


# ------------------------------------------------------------------------------ emergency stop


@pytest.mark.parametrize(("reliability", "durability"), KINDS)
def test_an_emergency_stop_of_every_kind_of_publisher_is_heard(
    world: ControlWorld, reliability: ReliabilityPolicy, durability: DurabilityPolicy
) -> None:
    stops = world.other.create_publisher(Bool, "estop", qos(reliability, durability))
    world.activate()
    world.until(stops.get_subscription_count)
    world.go()
    stops.publish(Bool(data=True))
    world.halted(Halt.ESTOP, within=1.0)
    assert errors(world) == []
    stops.publish(Bool(data=False))
    world.go()
    stops.publish(Bool(data=True))
    world.halted(Halt.ESTOP, within=1.0)


def test_an_emergency_stop_that_was_pressed_before_the_controller_started_is_heard(
    world: ControlWorld,
) -> None:
    stops = world.other.create_publisher(Bool, "estop", qos(RELIABLE, LATCHED))
    stops.publish(Bool(data=True))
    world.activate()
    world.until(lambda: world.halt is Halt.ESTOP)
    world.follow(go_to(2.9, 0.0, 0.0, horizon=60, stamp=world.now()))
    seen = len(world.velocities)
    world.until(lambda: len(world.velocities) > seen + 10)
    assert all(is_zero(message) for message in world.velocities)
    # Somebody else may release it.
    world.estops.publish(Bool(data=False))
    world.go()


# ------------------------------------------------------------------------------ not heard


@pytest.mark.parametrize("topic", ["estop", "odom", "points", "scan", "range", "/clock"])
def test_a_publisher_of_another_type_keeps_the_robot_at_rest_until_it_is_gone(
    world: ControlWorld, stranger: Node, topic: str
) -> None:
    world.activate()
    world.go()
    wrong = stranger.create_publisher(Int32, topic, 10)
    world.halted(Halt.UNHEARD, within=3.0)
    (said,) = errors(world)
    assert said.startswith(f"{topic}: /stranger publishes it as std_msgs/msg/Int32")
    assert f"publish {TOPICS[topic].type}" in said
    stranger.destroy_publisher(wrong)
    world.until(lambda: world.halt is not Halt.UNHEARD)
    world.go()
    assert errors(world) == []


@pytest.mark.parametrize(
    ("offered", "said"),
    [(qos(BEST_EFFORT, VOLATILE), "Best effort"), (qos(RELIABLE, VOLATILE), "iveliness")],
)
def test_chunks_that_are_not_heard_keep_the_robot_at_rest(
    world: ControlWorld, stranger: Node, offered: QoSProfile, said: str
) -> None:
    """Also where others are heard: who is right, nobody knows."""
    world.activate()
    world.go()
    deaf = stranger.create_publisher(vlam_ros.msg.ActionChunk, "action_chunk", offered)
    deaf.publish(chunk_to_message(go_to(1.0, 0.0, 0.0, stamp=world.now())))
    world.halted(Halt.UNHEARD, within=3.0)
    (error,) = errors(world)
    assert error.startswith("action_chunk: /stranger publishes it, and is not heard: ")
    assert said in error


def test_a_publisher_on_a_topic_that_stops_nobody_does_not_matter(world: ControlWorld) -> None:
    world.activate()
    world.other.create_publisher(Float64, "battery", 10)
    world.go()
    world.until(lambda: world.other.count_publishers("battery"))
    assert errors(world) == []


# ------------------------------------------------------------------------------ LiDARs


def pillar_ahead(world: ControlWorld) -> LaserScan:
    scan = LaserScan(angle_min=-0.3, angle_increment=0.05, range_min=0.1, range_max=30.0)
    scan.ranges = [0.27] * 13
    scan.header.stamp, scan.header.frame_id = time_message(world.now()), "lidar"
    return scan


def test_what_a_scan_sees_is_not_forgotten_when_a_cloud_comes(world: ControlWorld) -> None:
    world.activate()

    def sense() -> None:
        world.scans.publish(pillar_ahead(world))
        world.cloud(FAR)

    world.while_doing(sense, lambda: set(world.node._controller._gate.swept) == {"points", "scan"})
    world.follow(go_to(2.9, 0.0, 0.0, horizon=60, stamp=world.now()))
    world.while_doing(sense, lambda: world.halt is Halt.OBSTACLE)
    seen = len(world.velocities)
    world.while_doing(sense, lambda: len(world.velocities) > seen + 30)
    assert all(is_zero(message) for message in world.velocities[seen:])
    # The one falls silent, and the other does not make up for it.
    world.while_doing(lambda: world.cloud(FAR), lambda: world.halt is Halt.NO_SCAN)


@pytest.mark.parametrize("points", [np.zeros((50, 3)), np.full((50, 3), 0.15), np.zeros((0, 3))])
def test_a_covered_lidar_stops_the_robot(world: ControlWorld, points: np.ndarray) -> None:
    world.activate(lidar__z=0.0)
    world.go()
    world.cloud(points)
    world.halted(Halt.NO_SCAN, within=1.0)
    assert "covered" in world.values()[2]["last error"]


def test_what_a_depth_camera_alone_sees_stops_until_a_lidar_serves(world: ControlWorld) -> None:
    world.activate()
    out = world.other.create_publisher(PointCloud2, "obstacles", profile("obstacles"))
    world.until(out.get_subscription_count)
    post = np.array([[0.27, 0.05 * i, 0.4] for i in range(-3, 4)], np.float32)

    def see(points: np.ndarray, by_camera: bool = True) -> None:
        out.publish(obstacles_to_message(Obstacles(world.now(), points, by_camera)))

    world.follow(go_to(2.9, 0.0, 0.0, horizon=200, stamp=world.now()))
    world.while_doing(lambda: see(post[:0]), lambda: speed(world.velocities[-1]) > 0.2)
    world.while_doing(lambda: see(post), lambda: world.halt is Halt.OBSTACLE)
    world.until(lambda: world.halt is Halt.NO_SCAN)
    see(post, by_camera=False)
    world.until(lambda: world.halt is Halt.NONE)
