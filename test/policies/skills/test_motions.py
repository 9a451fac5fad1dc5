import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import skills, thing

from vlam_ros.actions import ActionTokenizer
from vlam_ros.errors import ConfigurationError
from vlam_ros.policies.skills.definitions import PoseOf
from vlam_ros.policies.skills.motions import (
    Timing,
    Waypoints,
    check_motion,
    standoff_point,
    stay,
    waypoints,
)
from vlam_ros.types import ActionSpace, SceneObject, SkillStep

TIMING = Timing(horizon=8, step=0.25, start_offset=0.2)


def rows(skill: str, target: SceneObject | None, elapsed: float = 0.0) -> Waypoints:
    return waypoints(SkillStep(skill, target), skills()[skill], TIMING, 0.35, elapsed)


def test_go_to_is_a_straight_evenly_spaced_way_to_the_standoff_point() -> None:
    # The cup is 1.35 m away in direction (0.8, 0.6): the robot stops after 1 m, facing it.
    found = rows("go_to", thing("cup", 1.08, 0.81))
    shares = np.arange(1, 9) / 8
    assert found.values[:, 0] == pytest.approx(np.full(8, 1.0))
    assert found.values[:, 1] == pytest.approx(0.8 * shares)
    assert found.values[:, 2] == pytest.approx(0.6 * shares)
    assert found.values[:, 4] == pytest.approx(np.full(8, math.atan2(0.6, 0.8)))
    assert found.used.tolist() == [[True, True, False, True]] * 8


def test_an_object_nearer_than_the_standoff_is_faced_not_fled_from() -> None:
    found = rows("go_to", thing("cup", 0.2, 0.1)).values
    assert np.abs(found[:, 1:3]).max() == 0
    assert found[-1, 4] == pytest.approx(math.atan2(0.1, 0.2))


def test_to_stay_is_to_be_where_the_base_is_in_every_row() -> None:
    found = stay(skills()["go_to"], TIMING)
    assert found.used.tolist() == [[True, True, False, True]] * 8
    assert found.values[:, [0, 1, 2, 4]].tolist() == [[1.0, 0.0, 0.0, 0.0]] * 8


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
    assert found.used.tolist() == [[False, False, False, True]] * 8
    assert found.values[:, 4] == pytest.approx(-math.pi / 4 * np.arange(1, 9) / 8)


def test_search_turns_at_its_rate_from_the_stamp_on() -> None:
    found = rows("search", None)
    assert found.used.tolist() == [[False, False, False, True]] * 8
    assert found.values[:, 4] == pytest.approx(0.5 * (0.2 + 0.25 * np.arange(8)))


@pytest.mark.parametrize("skill", ["go_to", "turn_to", "pick_up", "push", "search"])
def test_waypoints_go_through_the_tokenizer_with_their_mask(skill: str) -> None:
    found = rows(skill, thing("cup", 0.6, 0.1))
    limits = (3.0, 3.0, 1.0, math.pi)
    names = tuple(skills())
    tokenizer = ActionTokenizer(ActionSpace(names, tuple(-v for v in limits), limits))
    decoded = tokenizer.decode(tokenizer.encode(found.values, found.used))
    assert np.array_equal(np.isnan(decoded[:, 1:]), ~found.used)
    assert np.nanmax(np.abs(decoded - found.values)) <= tokenizer.half_bins.max() + 1e-12


@pytest.mark.parametrize(
    ("skill", "changes", "message"),
    [
        ("go_to", {"name": "dance"}, r"dance has no motion .* motions for stop, go_to"),
        ("pick_up", {"pose_of": PoseOf.BASE}, r"pose_of: TOOL and needs: \[target\]"),
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
    check_motion(skills()[skill], 0.25)
    with pytest.raises(ConfigurationError, match=message):
        check_motion(dataclasses.replace(skills()[skill], **changes), 0.25)
