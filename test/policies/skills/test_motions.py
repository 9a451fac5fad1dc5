import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import policy, skills, thing

from vlam_ros.actions import ActionTokenizer
from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import standoff_point
from vlam_ros.policies import Skill
from vlam_ros.policies.skills.skill import Poses, Timing
from vlam_ros.types import Plan, SceneObject, SkillStep

TIMING = Timing(horizon=8, step=0.25, start_offset=0.2)


def rows(skill: str, target: SceneObject | None, elapsed: float = 0.0) -> Poses:
    return skills()[skill].rows(SkillStep(skill, target), TIMING, elapsed, 0.35)


def used(poses: Poses) -> list[list[bool]]:
    return (~np.isnan(poses)).tolist()


def test_go_to_is_a_straight_evenly_spaced_way_to_the_standoff_point() -> None:
    # The cup is 1.35 m away in direction (0.8, 0.6): the robot stops after 1 m, facing it.
    found = rows("go_to", thing("cup", 1.08, 0.81))
    shares = np.arange(1, 9) / 8
    assert found[:, 0] == pytest.approx(0.8 * shares)
    assert found[:, 1] == pytest.approx(0.6 * shares)
    assert found[:, 3] == pytest.approx(np.full(8, math.atan2(0.6, 0.8)))
    assert used(found) == [[True, True, False, True]] * 8


def test_an_object_nearer_than_the_standoff_is_faced_not_fled_from() -> None:
    found = rows("go_to", thing("cup", 0.2, 0.1))
    assert np.abs(found[:, :2]).max() == 0
    assert found[-1, 3] == pytest.approx(math.atan2(0.1, 0.2))


def test_to_stay_is_to_be_where_the_base_is_in_every_row() -> None:
    found = skills()["go_to"].rest(TIMING)
    assert found is not None
    assert used(found) == [[True, True, False, True]] * 8
    assert found[:, [0, 1, 3]].tolist() == [[0.0, 0.0, 0.0]] * 8


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.05, 1))
def test_the_standoff_point_keeps_the_distance_and_the_direction(
    x: float, y: float, standoff: float
) -> None:
    goal = standoff_point((x, y, 0.0), standoff)
    distance = math.hypot(x, y)
    assert math.dist(goal, (x, y)) == pytest.approx(min(standoff, distance), abs=1e-9)
    assert goal[0] * y == pytest.approx(goal[1] * x, abs=1e-9)
    assert goal[0] * x >= 0


def test_turn_to_is_a_pure_rotation() -> None:
    found = rows("turn_to", thing("cup", 1.0, -1.0))
    assert used(found) == [[False, False, False, True]] * 8
    assert found[:, 3] == pytest.approx(-math.pi / 4 * np.arange(1, 9) / 8)


def test_search_turns_at_its_rate_from_the_stamp_on() -> None:
    found = rows("search", None)
    assert used(found) == [[False, False, False, True]] * 8
    assert found[:, 3] == pytest.approx(0.5 * (0.2 + 0.25 * np.arange(8)))


def test_stop_uses_no_dimension() -> None:
    assert used(rows("stop", None)) == [[False] * 4] * 8


@pytest.mark.parametrize("skill", ["go_to", "turn_to", "pick_up", "push", "search"])
def test_rows_are_those_of_the_skill_with_its_command_and_go_through_the_tokenizer(
    skill: str,
) -> None:
    target = thing("cup", 0.9, 0.1)
    shipped = policy(horizon=8, step=0.25, start_offset=0.2, standoff=0.35)
    found = shipped.rows(Plan((SkillStep(skill, target),)), 0.0)
    assert found[:, 0].tolist() == [skills()[skill].id] * 8
    assert found[:, 1:] == pytest.approx(rows(skill, target), nan_ok=True)
    tokenizer = ActionTokenizer(shipped.space)
    decoded = tokenizer.decode(tokenizer.encode(found, ~np.isnan(found[:, 1:])))
    assert np.array_equal(np.isnan(decoded), np.isnan(found))
    assert np.nanmax(np.abs(decoded - found)) <= tokenizer.half_bins.max() + 1e-12


@pytest.mark.parametrize(
    ("skill", "changes", "message"),
    [
        ("pick_up", {"needs": frozenset()}, r"needs: \[target\]"),
        ("place", {"needs": frozenset()}, r"needs: \[destination\]"),
        ("go_to", {"parameters": {"angle": 0.1}}, r"\['angle', 'tolerance'\], got \['angle'\]"),
        (
            "pick_up",
            {
                "parameters": {
                    "above": 0.1,
                    "slow": 0.1,
                    "height": 0.1,
                    "press": 0.1,
                    "duration": 4.9,
                }
            },
            "at least 5 s, so that a row of 0.25 s",
        ),
    ],
)
def test_a_skill_must_be_defined_as_its_motion_needs_it(
    skill: str, changes: dict[str, Any], message: str
) -> None:
    skills()[skill].check(0.25)
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(skills()[skill], **changes).check(0.25)


def test_a_skill_that_is_of_no_class_has_no_motion() -> None:
    with pytest.raises(ConfigurationError, match=r"dance has no motion: .* there are .*go_to"):
        Skill("dance", 1, ("dance",)).check(0.25)
