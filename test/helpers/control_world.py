"""A controller_node and the other end of its topics; a publisher of chunks with a lease."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from driven import go_to
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from node_world import NodeWorld, replace_depth
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState, LaserScan, PointCloud2, PointField
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory

import vlam_ros.msg
from vlam_ros.interface import TOPICS
from vlam_ros.nodes.controller_node import ControllerNode
from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import ActionChunk, Halt

SUCCESS = TransitionCallbackReturn.SUCCESS


class ControlWorld(NodeWorld):
    """A controller_node whose odometry stands still, and what it is told and tells."""

    def __init__(self) -> None:
        super().__init__()
        advertise, subscribe = self.other.create_publisher, self.other.create_subscription
        self.odoms = advertise(Odometry, "odom", 10)
        self.points = advertise(PointCloud2, "points", 5)
        self.scans = advertise(LaserScan, "scan", 5)
        self.joints = advertise(JointState, "joint_states", 10)
        self.estops = advertise(Bool, "estop", profile("estop"))
        self.chunks: Any = None
        self.velocities: list[Any] = []
        self.arms: list[JointTrajectory] = []
        self.grips: list[Bool] = []
        self.replans: list[String] = []
        for kind, topic, received in (
            (JointTrajectory, "arm", self.arms),
            (Bool, "gripper", self.grips),
            (String, "replan", self.replans),
        ):
            subscribe(kind, topic, received.append, replace_depth(profile(topic), 100))
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self.silent = False
        self.other.create_timer(1 / 50, self._odometry, clock=steady)

    def _odometry(self) -> None:
        if self.node is not None and not self.silent:
            message = Odometry(child_frame_id="base_link")
            message.header.stamp, message.header.frame_id = time_message(self.now()), "odom"
            message.pose.pose.orientation.w = 1.0
            self.odoms.publish(message)

    def now(self) -> int:
        """The clock of the node."""
        return int(self.node.get_clock().now().nanoseconds)

    def lease(self) -> None:
        """A stand-in for vlam_node: a publisher of chunks that asserts its lease."""
        self.chunks = self.other.create_publisher(
            vlam_ros.msg.ActionChunk, "action_chunk", profile("action_chunk")
        )
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self.other.create_timer(0.05, self.chunks.assert_liveliness, clock=steady)

    def start(self, kind: type = Twist, **overrides: object) -> ControllerNode:
        """A node, not yet configured; `kind` is the type of its cmd_vel."""
        node: ControllerNode = self.add(ControllerNode, **overrides)
        self.other.create_subscription(
            kind, "cmd_vel", self.velocities.append, replace_depth(profile("cmd_vel"), 1000)
        )
        return node

    def activate(self, kind: type = Twist, lease: bool = True, **overrides: object) -> None:
        """An active node, its topics matched."""
        if lease:
            self.lease()
        autostart(self.start(kind, **overrides))
        self.matched()

    def matched(self) -> None:
        """Spin until all topics have both ends, and the node has odometry."""
        out = [self.odoms, self.points, self.scans, self.joints, self.estops]
        out += [self.chunks] if self.chunks is not None else []
        self.until(lambda: all(p.get_subscription_count() for p in out))
        topics = ("cmd_vel", "arm", "gripper", "replan")
        self.until(lambda: all(self.other.count_publishers(t) for t in topics))
        self.until(lambda: self.velocities)

    def follow(self, chunk: ActionChunk) -> None:
        """Publish a chunk."""
        self.chunks.publish(chunk_to_message(chunk))

    def go(self, horizon: int = 60, **chunk: Any) -> ActionChunk:
        """Publish a chunk to drive straight on, and spin until the robot does."""
        sent = go_to(2.9, 0.0, 0.0, horizon=horizon, stamp=self.now(), **chunk)
        self.follow(sent)
        self.until(lambda: speed(self.velocities[-1]) > 0.2)
        return sent

    def halted(self, why: Halt, within: float) -> float:
        """Spin until the robot is told exactly zero for a reason; the seconds that took. All that
        follows is zero as well.
        """
        begun = time.monotonic()
        self.until(lambda: self.halt is why and is_zero(self.velocities[-1]))
        took = time.monotonic() - begun
        assert took < within
        seen = len(self.velocities)
        self.until(lambda: len(self.velocities) > seen + 5)
        assert all(is_zero(message) for message in self.velocities[seen:])
        return took

    @property
    def halt(self) -> Halt:
        """Why the last command was a halt."""
        halt: Halt = self.node.reporter._statistics._halt
        return halt

    def values(self) -> tuple[bytes, str, dict[str, str]]:
        """Level, message and values of diagnostics that need not wait for their second."""
        self.statuses.clear()
        self.node.reporter._publish()
        status = self.next_diagnostics()[0]
        return status.level, status.message, {pair.key: pair.value for pair in status.values}

    def cloud(self, points: npt.ArrayLike, frame: str = "lidar") -> None:
        """A sweep of points in the LiDAR's frame."""
        rows = np.asarray(points, "<f4").reshape(-1, 3)
        message = PointCloud2(height=1, width=len(rows), point_step=12, row_step=12 * len(rows))
        message.fields = [
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate("xyz")
        ]
        message.data = array.array("B", rows.tobytes())
        message.header.stamp, message.header.frame_id = time_message(self.now()), frame
        self.points.publish(message)

    def while_doing(self, publish: Callable[[], None], condition: Callable[[], object]) -> None:
        """Spin until a condition holds, and publish something all the while.

        Not oftener than a sensor would: a flood would starve what keeps the robot going.
        """
        due = 0.0

        def done() -> bool:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + 0.03
                publish()
            return bool(condition())

        self.until(done)


def patient_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    """With a lease that a busy machine keeps: what stops the robot is what the test does."""
    row = TOPICS["action_chunk"]
    monkeypatch.setitem(TOPICS, row.name, replace(row, qos=replace(row.qos, lease=30.0)))
    world = ControlWorld()
    yield world
    world.close()


def speed(message: Any) -> float:
    """The forward speed of a Twist or TwistStamped."""
    twist = getattr(message, "twist", message)
    return float(twist.linear.x)


def is_zero(message: Any) -> bool:
    """Whether every component is exactly zero."""
    twist = getattr(message, "twist", message)
    parts = (twist.linear, twist.angular)
    return all(getattr(part, axis) == 0.0 for part in parts for axis in "xyz")
