"""The waypoints of a skill step, in `base_link` at the stamp of the image.

Motions of the BASE are closed loops: each image gives a new way to where the object now is.
Motions of the TOOL are timed paths from the start of the step, because the arm hides the object:
the base stands still meanwhile, and each chunk holds the part of the path that is due next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import Point, bearing, located
from vlam_ros.policies.skills.definitions import Noun, PoseOf, Skill
from vlam_ros.policies.skills.tool_path import DWELL, TOOL_PATHS, Poses
from vlam_ros.types import BoolArray, SkillStep

_NOT = math.nan


@dataclass(frozen=True)
class Motion:
    """What a motion is a motion of, the noun it cannot do without, and its parameters."""

    pose_of: PoseOf
    needs: Noun | None
    parameters: frozenset[str]


_ARM = frozenset({"above", "slow", "height", "duration"})

MOTIONS: dict[str, Motion] = {
    "stop": Motion(PoseOf.BASE, None, frozenset()),
    "go_to": Motion(PoseOf.BASE, Noun.TARGET, frozenset({"tolerance", "angle"})),
    "turn_to": Motion(PoseOf.BASE, Noun.TARGET, frozenset({"angle"})),
    "pick_up": Motion(PoseOf.TOOL, Noun.TARGET, _ARM | {"press"}),
    "place": Motion(PoseOf.TOOL, Noun.DESTINATION, _ARM | {"beside"}),
    "push": Motion(PoseOf.TOOL, Noun.TARGET, _ARM | {"beside", "distance"}),
    "search": Motion(PoseOf.BASE, Noun.TARGET, frozenset({"rate", "angle"})),
}
"""The skills that can be executed, by name."""


@dataclass(frozen=True)
class Timing:
    """When the rows of a chunk are due: row i at `start_offset + i * step` after the stamp (s)."""

    horizon: int
    step: float
    start_offset: float

    def due(self) -> Poses:
        """Seconds from the stamp to each row, float64[H]."""
        return self.start_offset + self.step * np.arange(self.horizon, dtype=np.float64)


@dataclass(frozen=True)
class Waypoints:
    """Rows (cmd, x, y, z, θ) in metres and radians: float64[H,5], NaN where not used."""

    values: Poses

    @property
    def used(self) -> BoolArray:
        """Which of x, y, z, θ each row uses: bool[H,4]."""
        return ~np.isnan(self.values[:, 1:])


def check_motion(skill: Skill, step: float) -> None:
    """ConfigurationError unless a skill is defined as its motion with rows of `step` s needs it."""
    motion = MOTIONS.get(skill.name)
    if motion is None:
        raise ConfigurationError(
            f"skill {skill.name} has no motion in policies/skills/motions.py: add one, or take the "
            f"skill out; there are motions for {', '.join(MOTIONS)}"
        )
    if skill.pose_of is not motion.pose_of or (motion.needs and motion.needs not in skill.needs):
        needs = f" and needs: [{motion.needs.value}]" if motion.needs else ""
        raise ConfigurationError(
            f"skill {skill.name} must have pose_of: {motion.pose_of.value}{needs}"
        )
    if set(skill.parameters) != motion.parameters:
        raise ConfigurationError(
            f"skill {skill.name} must have the parameters {sorted(motion.parameters)}, "
            f"got {sorted(skill.parameters)}"
        )
    shortest = step / DWELL
    if skill.parameters.get("duration", shortest) < shortest:
        raise ConfigurationError(
            f"skill {skill.name}: duration must be at least {shortest:g} s, so that a row of "
            f"{step:g} s falls into the rest before the gripper acts"
        )


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


def stay(skill: Skill, timing: Timing) -> Waypoints:
    """The rows of a base that comes to rest where it is."""
    rest = np.tile([float(skill.id), 0.0, 0.0, _NOT, 0.0], (timing.horizon, 1))
    return Waypoints(rest)


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
