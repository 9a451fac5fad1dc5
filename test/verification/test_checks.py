import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from policy_world import SECOND, START, gripper, observation, policy, skills, thing

from vlam_ros.types import (
    NO_ROBOT,
    Camera,
    DepthImage,
    Instruction,
    Missing,
    Observation,
    Obstacles,
    RangeReading,
    Reason,
    Refusal,
    SkillStep,
    optical_rotation,
)
from vlam_ros.verification.checks import (
    check_age,
    check_body,
    check_gripper,
    check_path,
    check_positions,
    check_reach,
)

SPACE = policy().space
GO = SkillStep("go_to", thing("red cup", 2.0))


def reason_of(check: Any, *arguments: Any) -> tuple[Reason, str]:
    with pytest.raises(Refusal) as refusal:
        check(*arguments)
    return refusal.value.reason, refusal.value.message


@pytest.mark.parametrize(
    ("age", "fresh"), [(1.0, True), (1.01, False), (-0.1, True), (-0.2, False)]
)
def test_images_are_neither_old_nor_from_the_future(age: float, fresh: bool) -> None:
    arguments = ("image", START, START + round(age * SECOND), 1.0)
    if fresh:
        check_age(*arguments)
    else:
        reason, message = reason_of(check_age, *arguments)
        assert reason is Reason.STALE_SENSOR
        assert f"{abs(age):.1f} s" in message


def test_positions_must_be_known_and_certain() -> None:
    check_positions(SkillStep("place", None, thing("plate", 1.0, spread=0.15)), 0.15)
    for found in (thing("plate"), thing("plate", 1.0, spread=0.16), thing("p", 1, spread=math.nan)):
        for step in (SkillStep("go_to", found), SkillStep("place", None, found)):
            assert reason_of(check_positions, step, 0.15)[0] is Reason.NO_POSITION
    uncertain = reason_of(check_positions, SkillStep("go_to", thing("p", 2.0, spread=0.3)), 0.15)
    assert "uncertain by 0.30 m" in uncertain[1]


def reach(step: SkillStep, poses: list[list[float]]) -> None:
    step = replace(step, pose_of=skills()[step.skill].POSE_OF)
    check_reach(step, np.array(poses), SPACE, 0.8, 0.2)


def test_the_arm_reaches_its_radius_on_the_floor() -> None:
    step = SkillStep("pick_up", thing("red cup", 0.8))
    reach(step, [[0.64, 0.48, 0.04, 0.0]])
    reason, message = reason_of(reach, step, [[0.64, 0.48, 0.2, 0.0], [0.66, 0.48, 0.0, 0.0]])
    assert reason is Reason.UNREACHABLE
    assert "0.82 m" in message
    assert "bring the robot nearer" in message


def test_the_arm_works_before_the_robot_not_beside_or_behind_it() -> None:
    step = SkillStep("place", None, thing("blue plate", -0.1, -0.4))
    reach(step, [[0.2, -0.4, 0.1, 0.0]])
    reason, message = reason_of(reach, step, [[0.2, -0.4, 0.1, 0.0], [-0.1, -0.4, 0.1, 0.0]])
    assert reason is Reason.UNREACHABLE
    assert "this is -0.10 m ahead: turn the robot to it" in message


def test_the_base_goes_as_far_as_the_action_space() -> None:
    nan = math.nan
    reach(GO, [[3.0, -3.0, nan, math.pi]])
    reason, message = reason_of(reach, GO, [[1.0, 3.1, nan, 0.0]])
    assert reason is Reason.UNREACHABLE
    assert "y = 3.10" in message


def blocked(*points: tuple[float, float], goal: tuple[float, float] = (1.65, 0.0)) -> bool:
    cloud = np.array([(x, y, 0.3) for x, y in points], np.float32).reshape(-1, 3)
    seen = observation(obstacles=Obstacles(START, cloud))
    try:
        check_path(GO, np.array([goal]), seen, 0.2, 1.0)
    except Refusal as refusal:
        return refusal.reason is Reason.PATH_BLOCKED
    return False


def post(x: float, y: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """What is really there gives more than one return."""
    return (x, y), (x, y)


def test_the_path_is_a_corridor_with_round_ends() -> None:
    assert blocked(*post(0.8, 0.19))
    assert not blocked(*post(0.8, 0.21))
    assert blocked(*post(1.84, 0.0))
    assert not blocked(*post(1.86, 0.0))  # the target's own front, 0.14 m before its centre
    assert not blocked(*post(1.80, 0.15))
    assert not blocked(*post(-0.25, 0.0))
    assert not blocked()
    assert blocked(*post(0.1, 0.1), goal=(0.0, 0.0))


def test_a_lone_return_does_not_block_the_path_but_two_do() -> None:
    assert not blocked((0.8, 0.0))
    assert not blocked((0.8, 0.0), (0.8, 0.16))
    assert blocked((0.8, 0.0), (0.8, 0.14))
    assert not blocked((0.5, 0.0), (0.8, 0.0), (1.1, 0.0))
    # Company counts beside the path too: the edge of a box reaches into it.
    assert blocked((0.8, 0.15), (0.8, 0.25))


def test_the_nearest_of_the_obstacles_is_named() -> None:
    points = [*post(1.5, 0.1), *post(0.8, -0.1), *post(1.0, 2.0), (0.4, 0.0)]
    cloud = np.array([(x, y, 0.3) for x, y in points], np.float32)
    seen = observation(obstacles=Obstacles(START, cloud))
    reason, message = reason_of(check_path, GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0)
    assert (reason, message) == (
        Reason.PATH_BLOCKED,
        "something at (0.80, -0.10) is in the way to 'red cup': clear the path",
    )


def test_without_lidar_the_path_is_not_checked_and_that_is_said() -> None:
    seen = observation(obstacles=Missing("no LiDAR"))
    assert (
        check_path(GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0)
        == "the path is not checked: no LiDAR"
    )


def test_a_lidar_that_was_lost_is_not_a_robot_without_lidar() -> None:
    seen = observation(obstacles=Missing("obstacles: 2.00 s old, 0.5 s are allowed", lost=True))
    reason, message = reason_of(check_path, GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0)
    assert reason is Reason.STALE_SENSOR
    assert "LiDAR was lost, nobody watches the path: obstacles: 2.00 s old" in message
    assert "is the LiDAR running" in message


def by_camera(**changes: Any) -> Observation:
    """As a camera that looks down by 0.45 rad from 0.6 m sees a floor, and nothing on it."""
    camera = Camera.ideal(64, 48, 50.0, optical_rotation(0.45), np.array([0.1, 0.0, 0.6]))
    v, u = np.mgrid[:48, :64]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1)) @ camera.rotation.T
    with np.errstate(divide="ignore"):
        depth = np.where(rays[:, 2] < 0, -0.6 / rays[:, 2], np.nan).reshape(48, 64)
    free = Obstacles(START, np.zeros((0, 3), np.float32), by_camera=True)
    shown = DepthImage(START, depth.astype(np.float32))
    seen = observation(camera=camera, depth=shown, obstacles=free)
    return replace(seen, **changes)


def unseen(seen: Observation, *way: tuple[float, float]) -> float:
    """Metres of a way that are said not to be seen."""
    remark = check_path(GO, np.array(way), seen, 0.2, 1.0)
    found = re.fullmatch(
        r"the path is checked by the depth camera, which does not see (.*) m of it", remark
    )
    assert found, remark
    return float(found[1])


def test_what_of_the_way_a_depth_camera_does_not_see_is_said() -> None:
    seen = by_camera()
    # The lower edge of the image shows the floor 0.48 m ahead of the lens.
    assert unseen(seen, (1.65, 0.0)) == pytest.approx(0.6, abs=0.06)
    assert unseen(seen, (0.8, 0.0), (1.65, 0.0)) == pytest.approx(0.6, abs=0.06)
    assert unseen(seen, (0.0, 1.0)) == pytest.approx(1.0)
    assert unseen(seen, (-1.0, 0.0)) == pytest.approx(1.0)
    assert isinstance(seen.depth, DepthImage)
    for hidden in (np.full((48, 64), np.nan), np.full((48, 64), 0.6)):
        other = DepthImage(START, hidden.astype(np.float32))
        assert unseen(replace(seen, depth=other), (1.65, 0.0)) > 1.5
    assert unseen(by_camera(depth=Missing("no depth")), (1.65, 0.0)) == pytest.approx(1.6, abs=0.06)


def test_a_way_that_a_depth_camera_sees_whole_needs_no_remark() -> None:
    seen = by_camera()
    behind = replace(seen, camera=replace(seen.camera, position=np.array([-0.9, 0.0, 0.6])))
    assert check_path(GO, np.array([(1.0, 0.0)]), behind, 0.2, 1.0) == ""


def test_what_a_depth_camera_sees_blocks_the_path() -> None:
    cloud = np.array([(x, y, 0.3) for x, y in post(0.8, 0.0)], np.float32)
    seen = by_camera(obstacles=Obstacles(START, cloud, by_camera=True))
    assert reason_of(check_path, GO, [(1.65, 0.0)], seen, 0.2, 1.0)[0] is Reason.PATH_BLOCKED


def test_an_old_scan_is_not_a_clear_path() -> None:
    old = Obstacles(START - 2 * SECOND, np.zeros((0, 3), np.float32))
    seen = observation(obstacles=old)
    reason, message = reason_of(check_path, GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0)
    assert reason is Reason.STALE_SENSOR
    assert "LiDAR scan is 2.1 s old" in message


@pytest.mark.parametrize(
    ("skill", "holding", "fits"),
    [
        ("pick_up", False, True),
        ("pick_up", True, False),
        ("place", True, True),
        ("place", False, False),
        ("push", True, False),
        ("go_to", True, True),
        ("go_to", False, True),
    ],
)
def test_the_gripper_must_fit_the_skill(skill: str, holding: bool, fits: bool) -> None:
    step = skills()[skill].step(Instruction("", ""))
    if fits:
        check_gripper(step, gripper(holding))
    else:
        assert reason_of(check_gripper, step, gripper(holding))[0] is Reason.PRECONDITION
    check_gripper(step, Missing("no gripper state"))


def arc(x: float, half_width: float = 0.1) -> RangeReading:
    points = [(x, y, 0.2) for y in np.linspace(-half_width, half_width, 13)]
    return RangeReading(START, x, np.array(points, np.float32))


NOTHING = RangeReading(START, float("inf"), np.zeros((0, 3), np.float32))
CLEAR = Obstacles(START, np.zeros((0, 3), np.float32))


@pytest.mark.parametrize("obstacles", [CLEAR, Missing("no LiDAR")])
def test_what_a_range_sensor_sees_blocks_the_path(obstacles: Obstacles | Missing) -> None:
    seen = observation(obstacles=obstacles, range=arc(0.7))
    reason, message = reason_of(check_path, GO, (1.65, 0.0), seen, 0.2, 1.0)
    assert reason is Reason.PATH_BLOCKED
    assert message == "something at (0.70, 0.00) is in the way to 'red cup': clear the path"
    # The arc of a cone that reaches into the corridor blocks it, wherever on it the thing is.
    beside = replace(arc(0.7), arc=arc(0.7, 0.3).arc + np.float32([0.0, 0.45, 0.0]))
    assert reason_of(check_path, GO, (1.65, 0.0), replace(seen, range=beside), 0.2, 1.0)


def test_what_is_behind_the_goal_or_nothing_does_not_block_the_path() -> None:
    for reading in (NOTHING, arc(2.0)):
        seen = observation(obstacles=CLEAR, range=reading)
        assert check_path(GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0) == ""


def test_with_a_range_sensor_alone_the_path_is_checked_by_it_and_that_is_said() -> None:
    seen = observation(obstacles=Missing("no LiDAR"), range=NOTHING)
    said = "the path is checked by the range sensor alone: no LiDAR"
    assert check_path(GO, np.array([(1.65, 0.0)]), seen, 0.2, 1.0) == said


def test_a_range_sensor_that_was_lost_or_is_old_watches_no_path() -> None:
    lost = Missing("range: 2.00 s old, 0.5 s are allowed", lost=True)
    old = replace(NOTHING, stamp=START - 2 * SECOND)
    for reading, said in ((lost, "range sensor was lost"), (old, "range sensor is 2.1 s old")):
        seen = observation(obstacles=CLEAR, range=reading)
        reason, message = reason_of(check_path, GO, (1.65, 0.0), seen, 0.2, 1.0)
        assert reason is Reason.STALE_SENSOR
        assert said in message


@pytest.mark.parametrize(
    ("sensor", "topic"), [("joints", "joint_states"), ("gripper", "gripper_state")]
)
@pytest.mark.parametrize("later", [False, True])
def test_a_motion_of_the_arm_needs_the_arm_and_its_gripper(
    sensor: str, topic: str, later: bool
) -> None:
    named = Instruction("grab it", "grab it")
    for step in (skills()["pick_up"].step(named), skills()["push"].step(named)):
        check_body(step, observation(), later)
        for why in ("none yet", "2.0 s old"):
            lacking: Any = {sensor: Missing(why)}
            reason, message = reason_of(check_body, step, observation(**lacking), later)
            assert reason is Reason.PRECONDITION
            assert topic in message
            assert why in message
    check_body(GO, observation(joints=Missing("none"), gripper=Missing("none")), later)


def test_without_a_robot_only_what_is_done_now_is_held() -> None:
    alone = observation(joints=NO_ROBOT, gripper=NO_ROBOT)
    step = skills()["pick_up"].step(Instruction("grab it", "grab it"))
    check_body(step, alone, True)
    assert reason_of(check_body, step, alone, False)[0] is Reason.PRECONDITION
