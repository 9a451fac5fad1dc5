"""Joints for a place of the tool, and how fast they go there."""

from __future__ import annotations

import math

import pytest

from vlam_ros.configuration import ControllerSettings
from vlam_ros.control.arm import Arm, check_reach, joints_for, tool_at
from vlam_ros.errors import ActionError
from vlam_ros.types import JointState

ARM = ControllerSettings.load().arm


def arm_at(*joints: float) -> Arm:
    arm = Arm(ARM)
    arm.measured(JointState(0, ("wheel", *ARM.joints), (9.0, *joints)))
    return arm


@pytest.mark.parametrize("place", [(0.5, 0.0, 0.1), (0.3, -0.4, 0.04), (-0.3, 0.5, 0.9)])
def test_the_joints_bring_the_tool_to_the_place(place: tuple[float, float, float]) -> None:
    check_reach(*place, ARM)
    assert tool_at(joints_for(*place, ARM), ARM) == pytest.approx(place)


def test_the_place_of_rest_is_before_the_mast() -> None:
    assert tool_at((0.0, 0.0, 0.0), ARM) == pytest.approx((0.15, 0.0, 0.95))


@pytest.mark.parametrize(
    ("place", "joint"),
    [
        ((1.0, 0.0, 0.1), "arm_extend would be 0.85"),
        ((0.0, 0.0, 0.1), "arm_extend would be -0.15"),
        ((-0.6, 0.0, 0.1), "arm_pan would be 3.14"),
        ((0.5, 0.0, -0.1), "arm_lift would be 1.05"),
    ],
)
def test_what_is_out_of_reach_is_named(place: tuple[float, float, float], joint: str) -> None:
    with pytest.raises(ActionError, match=joint):
        check_reach(*place, ARM)


def test_a_bin_beyond_the_end_of_a_joint_is_its_end() -> None:
    check_reach(0.86, 0.0, 0.0, ARM)
    assert joints_for(0.86, 0.0, 0.0, ARM) == (0.0, 0.70, 0.94)


def test_targets_go_no_faster_than_the_joints() -> None:
    arm = arm_at(0.0, 0.1, 0.2)
    assert arm.towards((1.0, 0.1, 0.0), 0.1) == pytest.approx((0.12, 0.1, 0.12))
    assert arm.towards((0.13, 0.1, 0.1), 0.1) == pytest.approx((0.13, 0.1, 0.1))


def test_later_measurements_do_not_change_what_is_told() -> None:
    arm = arm_at(0.0, 0.0, 0.5)
    arm.towards((0.0, 0.0, 0.52), 0.1)
    arm.measured(JointState(0, ARM.joints, (0.0, 0.0, 0.4)))
    assert arm.told == pytest.approx((0.0, 0.0, 0.52))


def test_without_all_joints_there_is_no_arm() -> None:
    arm = Arm(ARM)
    arm.measured(JointState(0, ARM.joints[:2], (0.0, 0.0)))
    assert arm.towards((0.0, 0.0, 0.0), 0.1) is None
    assert arm.stowed


def test_stowing_lifts_the_tool_before_it_draws_it_in() -> None:
    arm = arm_at(0.5, 0.4, 0.6)
    seen = [arm.told]
    while not arm.stowed:
        seen.append(arm.stow(1 / 30))
    lifted = next(i for i, joints in enumerate(seen) if joints and joints[2] < 0.02)
    assert seen[lifted] == (0.5, 0.4, pytest.approx(0.0, abs=0.02))
    assert len(seen) / 30 == pytest.approx(0.6 / 0.8 + 0.4 / 0.6, abs=0.15)
    assert not math.isnan(sum(seen[-1] or ()))
