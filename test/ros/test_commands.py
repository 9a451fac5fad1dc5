"""Commands as messages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlam_ros.ros.commands import (
    arm_message,
    path_message,
    stamped_twist_message,
    tool_pose_message,
    twist_message,
)
from vlam_ros.types import VelocityCommand

STAMP = 12_000_000_034


def test_a_velocity_is_along_x_and_about_z() -> None:
    message = twist_message(VelocityCommand(0.3, -0.5))
    assert (message.linear.x, message.angular.z) == (0.3, -0.5)
    assert (message.linear.y, message.linear.z, message.angular.x, message.angular.y) == (0,) * 4


def test_a_stamped_velocity_is_of_the_base_at_its_time() -> None:
    message = stamped_twist_message(VelocityCommand(0.3, -0.5), STAMP)
    assert message.twist == twist_message(VelocityCommand(0.3, -0.5))
    assert message.header.frame_id == "base_link"
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)


def test_the_arm_gets_one_point_from_now() -> None:
    message = arm_message(["pan", "lift"], [0.5, 0.1], within=33_000_000)
    assert message.joint_names == ["pan", "lift"]
    (point,) = message.points
    assert list(point.positions) == [0.5, 0.1]
    assert point.time_from_start.nanosec == 33_000_000
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)


def test_a_path_has_the_poses_with_a_place() -> None:
    poses = np.array([[1.0, 2.0, math.nan, math.pi], [math.nan] * 4, [3.0, 4.0, 0.5, math.nan]])
    message = path_message(poses, STAMP, "odom")
    assert message.header.frame_id == "odom"
    first, last = (stamped.pose for stamped in message.poses)
    assert (first.position.x, first.position.y, first.position.z) == (1.0, 2.0, 0.0)
    assert first.orientation.z == pytest.approx(1.0)
    assert (last.position.z, last.orientation.w) == (0.5, 1.0)


def test_the_tool_is_in_the_base() -> None:
    message = tool_pose_message((0.5, 0.1, 0.3), STAMP)
    assert message.header.frame_id == "base_link"
    at = message.pose.position
    assert (at.x, at.y, at.z) == (0.5, 0.1, 0.3)
