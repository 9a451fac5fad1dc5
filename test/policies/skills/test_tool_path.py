import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import skills, thing

from vlam_ros.policies.skills.push import Push
from vlam_ros.policies.skills.tool_path import ToolPath, ToolSkill
from vlam_ros.types import Placement, SkillStep


def path(step: SkillStep) -> ToolPath:
    skill = skills()[step.skill]
    assert isinstance(skill, ToolSkill)
    return skill.path(step)


def test_pick_up_comes_from_above_and_grips_while_it_rests() -> None:
    grip = path(SkillStep("pick_up", thing("cup", 0.6, 0.1)))
    assert grip.poses[:, :2] == pytest.approx(np.tile([0.6, 0.1], (6, 1)))
    assert grip.poses[:, 2] == pytest.approx([0.76, 0.76, 0.21, 0.01, 0.01, 0.76])
    assert grip.poses[:, 3] == pytest.approx(np.full(6, math.atan2(0.1, 0.6)))
    assert grip.times == pytest.approx([0.0, 1.505, 2.59, 4.585, 5.285, 7.0])
    assert grip.event == pytest.approx(4.935)


@pytest.mark.parametrize("skill", ["pick_up", "place", "push"])
def test_the_last_fifth_of_a_metre_down_is_slow(skill: str) -> None:
    tool = path(SkillStep(skill, thing("cup", 0.6), thing("plate", 0.7, 0.2)))
    low = tool.poses[:, 2].min()
    times = np.arange(0.0, tool.times[-1], 0.01)
    heights = np.interp(times, tool.times, tool.poses[:, 2]) - low
    down = -np.diff(heights) / 0.01
    near = heights[:-1] < 0.199
    assert 0.09 < down[near].max() <= 0.11
    assert down.max() > 0.4  # and the rest is not


@pytest.mark.parametrize("skill", ["pick_up", "place", "push"])
def test_a_path_begins_and_ends_above_what_the_camera_sees(skill: str) -> None:
    # The robot's camera is at (0.10, 0.60), tilted down by 0.45 rad, and sees 27.5° to each side.
    upper_edge = math.radians(27.5) - 0.45
    tools = path(SkillStep(skill, thing("cup", 0.6), thing("plate", 0.7, 0.2))).poses
    for x, _, z, _ in tools[[0, -1]]:
        assert math.atan2(z - 0.60, x - 0.10) > upper_edge


def test_the_cup_is_pressed_on_what_it_grips() -> None:
    assert path(SkillStep("pick_up", thing("cup", 0.6, z=0.3))).poses[3, 2] == pytest.approx(0.27)


def test_place_on_is_over_the_destination() -> None:
    step = SkillStep("place", None, thing("plate", 0.6, 0.0, 0.02), Placement.ON)
    assert path(step).poses[3] == pytest.approx([0.6, 0.0, 0.12, 0.0])


@pytest.mark.parametrize("placement", [Placement.NEXT_TO, Placement.TO])
def test_place_beside_is_on_the_robots_side(placement: Placement) -> None:
    # 0.08 m beside a plate of radius 0.12 m, whose centre is 0.5 m away.
    step = SkillStep("place", None, thing("plate", 0.3, -0.4, 0.05, size=0.24), placement)
    assert path(step).poses[3, :3] == pytest.approx([0.3 * 0.6, -0.4 * 0.6, 0.10])
    # What is 0.1 m wide is put down 0.05 m farther from it.
    wide = path(replace(step, load=0.1))
    assert wide.poses[3, :2] == pytest.approx([0.3 * 0.5, -0.4 * 0.5])


def test_push_drives_the_object_its_distance_away_from_the_robot() -> None:
    push = path(SkillStep("push", thing("box", 0.5, 0.0, size=0.1)))
    # Down 0.08 m before the near side at 0.45 m; at the end that side has moved by 0.15 m.
    assert push.poses[:, 0] == pytest.approx([0.37, 0.37, 0.37, 0.37, 0.60, 0.60])
    assert push.poses[:, 2] == pytest.approx([0.76, 0.76, 0.21, 0.01, 0.01, 0.76])
    assert push.event is None


def test_push_to_a_destination_ends_where_the_two_touch() -> None:
    step = SkillStep("push", thing("box", 0.5, 0.3, size=0.1), thing("plate", 0.5, -0.1, size=0.2))
    push = skills()["push"]
    assert isinstance(push, Push)
    assert push.vector(step) == pytest.approx((0.25, -math.pi / 2))
    assert path(step).poses[4, :2] == pytest.approx([0.5, 0.3 + 0.05 - 0.25])


STEP = 0.25
PATH = path(SkillStep("pick_up", thing("cup", 0.6)))


# Starts that never put a row exactly on the event.
@given(st.integers(0, 400).map(lambda n: 0.007 + 0.02 * n), st.integers(1, 12))
def test_the_event_is_one_row_of_a_chunk_if_it_falls_into_it(start: float, horizon: int) -> None:
    times = start + STEP * np.arange(horizon)
    rows = PATH.rows(times, STEP)
    events = np.flatnonzero(np.isnan(rows).any(axis=1))
    falls = times[0] <= PATH.event < times[0] + horizon * STEP
    assert len(events) == falls
    assert np.isnan(rows[events]).all()
    for row in events:
        # Not before the tool is down, and not more than a row early.
        assert PATH.event - STEP <= times[row] <= PATH.event
        assert times[row] >= 4.585


def test_overlapping_chunks_agree_on_where_the_tool_is() -> None:
    early, late = PATH.rows(0.2 + STEP * np.arange(8), STEP), PATH.rows(np.array([0.7, 0.95]), STEP)
    assert late == pytest.approx(early[2:4])


def test_after_its_end_the_tool_stays_where_it_is() -> None:
    assert PATH.rows(np.array([7.0, 60.0]), 53.0)[1] == pytest.approx(PATH.poses[-1])
