"""The waypoints of a skill step, in `base_link` at the stamp of the picture.

Motions of the BASE are closed loops: each picture gives a new way to where the object now is.
Motions of the TOOL are timed paths from the start of the step, because the arm hides the object:
the base stands still meanwhile, and each chunk holds the part of the path that is due next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.policy.select import Point
from vlam_ros.policy.skills import Skill
from vlam_ros.types import BoolArray, Placement, SceneObject, SkillStep

Poses = npt.NDArray[np.float64]
"""x, y, z (m), θ (rad) in columns; NaN where a dimension is not used."""

_NOT = math.nan

DWELL = 0.05
"""Share of a TOOL path's duration for which the tool rests before and after its event."""


@dataclass(frozen=True)
class Timing:
    """When the rows of a chunk are due: row i at `start_offset + i * step` after the stamp (s)."""

    horizon: int
    step: float
    start_offset: float

    def due(self) -> Poses:
        """Seconds from the stamp to each row, float64[H]."""
        return self.start_offset + self.step * np.arange(self.horizon)


@dataclass(frozen=True)
class Waypoints:
    """Rows (cmd, x, y, z, θ) in metres and radians: float64[H,5], NaN where not used."""

    values: Poses

    @property
    def used(self) -> BoolArray:
        """Which of x, y, z, θ each row uses: bool[H,4]."""
        return ~np.isnan(self.values[:, 1:])


@dataclass(frozen=True)
class ToolPath:
    """Poses [K,4] of the tool at times [K] in seconds from the start, straight in between.

    `event` is when the gripper acts: closes in pick_up, opens in place; None for never.
    """

    times: Poses
    poses: Poses
    event: float | None = None

    def rows(self, times: Poses, step: float) -> Poses:
        """The poses at times [H]; no pose at all in the row within whose step the event falls."""
        rows = np.stack([np.interp(times, self.times, column) for column in self.poses.T], axis=1)
        if self.event is not None:
            rows[(times <= self.event) & (self.event < times + step)] = _NOT
        return rows


def bearing(place: Point) -> float:
    """Direction from the robot to a place, radians to the left."""
    return math.atan2(place[1], place[0])


def standoff_point(place: Point, standoff: float) -> tuple[float, float]:
    """Where the base stops on the straight way to a place; where it is if that is near enough."""
    distance = math.hypot(place[0], place[1])
    share = max(0.0, 1 - standoff / distance) if distance else 0.0
    return share * place[0], share * place[1]


def keyframes(step: SkillStep, skill: Skill, standoff: float) -> Poses:
    """The poses [K,4] that a step leads to, in straight lines; none for a turn without end."""
    if skill.name in TOOL_PATHS:
        return TOOL_PATHS[skill.name](step, skill.parameters).poses
    if skill.name == "go_to":
        place = located(step.target)
        return np.array([[*standoff_point(place, standoff), _NOT, bearing(place)]])
    if skill.name == "turn_to":
        return np.array([[_NOT, _NOT, _NOT, bearing(located(step.target))]])
    return np.empty((0, 4))


def waypoints(
    step: SkillStep, skill: Skill, timing: Timing, standoff: float, elapsed: float
) -> Waypoints:
    """The rows of a chunk.

    Args:
        step: the current step, its objects with positions.
        skill: the step's skill.
        timing: of the chunk's rows.
        standoff: distance (m) kept from an object one goes to.
        elapsed: seconds from the start of the step to the stamp.
    """
    shares = np.arange(1, timing.horizon + 1) / timing.horizon
    poses = np.full((timing.horizon, 4), _NOT)
    if skill.name in TOOL_PATHS:
        path = TOOL_PATHS[skill.name](step, skill.parameters)
        poses = path.rows(elapsed + timing.due(), timing.step)
    elif skill.name == "go_to":
        goal = keyframes(step, skill, standoff)[0]
        poses[:, :2] = shares[:, None] * goal[:2]
        poses[:, 3] = goal[3]
    elif skill.name == "turn_to":
        poses[:, 3] = shares * keyframes(step, skill, standoff)[0, 3]
    elif skill.name == "search":
        poses[:, 3] = skill.parameters["rate"] * timing.due()
    else:
        raise ValueError(f"no motion is defined for the skill {skill.name!r}")
    return Waypoints(np.column_stack([np.full(timing.horizon, float(skill.id)), poses]))


def located(thing: SceneObject | None) -> Point:
    """The position of a step's object; verification comes first, so there is one."""
    if thing is None or thing.position is None:
        raise ValueError(f"a step needs an object with a position, got {thing}")
    return thing.position


# ------------------------------------------------------------------------ paths of the tool


def _over(x: float, y: float, low: float, theta: float, above: float) -> tuple[Poses, Poses]:
    """The pose at a place, and the one `above` metres over it."""
    return np.array([x, y, low, theta]), np.array([x, y, low + above, theta])


def _down_and_up(
    place: Point, theta: float, low: float, parameters: Mapping[str, float]
) -> ToolPath:
    """Over the place, down, the event, and up again."""
    low_pose, high_pose = _over(place[0], place[1], low, theta, parameters["above"])
    event = 0.65
    times = np.array([0.0, 0.35, event - DWELL, event + DWELL, 1.0])
    poses = np.stack([high_pose, high_pose, low_pose, low_pose, high_pose])
    return ToolPath(parameters["duration"] * times, poses, parameters["duration"] * event)


def _pick_up(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    place = located(step.target)
    # A position from the ground plane lies on the floor, where no gripper can close.
    low = max(place[2], parameters["height"])
    return _down_and_up(place, bearing(place), low, parameters)


def _place(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    x, y, z = located(step.destination)
    theta = math.atan2(y, x)
    if step.placement is not Placement.ON:
        # On the robot's side of the destination, which is where the arm reaches.
        gap = parameters["beside"] + _radius(step.destination)
        x, y = x - gap * math.cos(theta), y - gap * math.sin(theta)
    return _down_and_up((x, y, z), theta, z + parameters["height"], parameters)


def push_vector(step: SkillStep, parameters: Mapping[str, float]) -> tuple[float, float]:
    """How far (m) and in which direction (rad) the target is pushed.

    Away from the robot; with a destination towards it, until the two touch.
    """
    x, y, _ = place = located(step.target)
    if step.destination is None:
        return parameters["distance"], bearing(place)
    goal_x, goal_y, _ = located(step.destination)
    gap = math.hypot(goal_x - x, goal_y - y) - _radius(step.target) - _radius(step.destination)
    return max(0.0, gap), math.atan2(goal_y - y, goal_x - x)


def _push(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    x, y, _ = located(step.target)
    distance, theta = push_vector(step, parameters)
    radius, low, above = _radius(step.target), parameters["height"], parameters["above"]

    def at(along: float) -> tuple[Poses, Poses]:
        return _over(x + along * math.cos(theta), y + along * math.sin(theta), low, theta, above)

    # Down behind the target, seen in the direction of the push, and on with it in front.
    start, over_start = at(-radius - parameters["beside"])
    end, over_end = at(distance - radius)
    times = parameters["duration"] * np.array([0.0, 0.3, 0.45, 0.85, 1.0])
    return ToolPath(times, np.stack([over_start, over_start, start, end, over_end]))


def _radius(thing: SceneObject | None) -> float:
    """Half an object's width; 0 if that is unknown."""
    return thing.size / 2 if thing and math.isfinite(thing.size) else 0.0


TOOL_PATHS: dict[str, Callable[[SkillStep, Mapping[str, float]], ToolPath]] = {
    "pick_up": _pick_up,
    "place": _place,
    "push": _push,
}

PARAMETERS: dict[str, frozenset[str]] = {
    "stop": frozenset(),
    "go_to": frozenset({"tolerance", "angle"}),
    "turn_to": frozenset({"angle"}),
    "pick_up": frozenset({"above", "height", "duration"}),
    "place": frozenset({"above", "height", "duration", "beside"}),
    "push": frozenset({"above", "height", "duration", "beside", "distance"}),
    "search": frozenset({"rate"}),
}
"""The skills that have a motion, and the parameters it takes."""
