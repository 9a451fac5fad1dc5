"""The robot's state from messages."""

from __future__ import annotations

import math

import pytest
from nav_msgs.msg import Odometry as OdometryMessage
from sensor_msgs.msg import JointState as JointStateMessage

from vlam_ros.errors import SensorError
from vlam_ros.ros.robot_state import joints_from_message, odometry_from_message
from vlam_ros.ros.rotations import quaternion_from_angles
from vlam_ros.types import JointState, Odometry

SECOND = 10**9


def odometry(x: float = 1.0) -> OdometryMessage:
    message = OdometryMessage()
    message.header.stamp.sec = 3
    message.pose.pose.position.x = x
    message.pose.pose.position.y = -2.0
    message.pose.pose.orientation = quaternion_from_angles(0.0, 0.0, -1.5)
    message.twist.twist.linear.x = 0.4
    message.twist.twist.angular.z = 0.1
    return message


def test_odometry_keeps_the_planar_part() -> None:
    got = odometry_from_message(odometry())
    assert got == Odometry(3 * SECOND, 1.0, -2.0, pytest.approx(-1.5), 0.4, 0.1)


def test_odometry_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SensorError, match="must be finite"):
        odometry_from_message(odometry(x=math.nan))


def test_joints_keep_names_and_positions() -> None:
    got = joints_from_message(JointStateMessage(name=["lift", "grip"], position=[0.3, 0.01]))
    assert got == JointState(0, ("lift", "grip"), (0.3, 0.01))


def test_a_joint_whose_position_is_not_finite_does_not_take_the_others_along() -> None:
    names, positions = ["wheel", "lift", "grip"], [math.nan, 0.3, math.inf]
    got = joints_from_message(JointStateMessage(name=names, position=positions))
    assert got == JointState(0, ("lift",), (0.3,))


@pytest.mark.parametrize("positions", [[], [0.1], [math.inf, math.nan]])
def test_joints_without_a_finite_position_each_are_refused(positions: list[float]) -> None:
    with pytest.raises(SensorError, match="one finite position for each name"):
        joints_from_message(JointStateMessage(name=["lift", "grip"], position=positions))
