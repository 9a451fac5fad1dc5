"""Where the arm's joints must be for the tool to be somewhere, and how fast they go there."""

from __future__ import annotations

import math

from vlam_ros.configuration import ArmSettings
from vlam_ros.errors import ActionError
from vlam_ros.types import JointState

Joints = tuple[float, float, float]
"""pan (rad), extend (m), lift (m)."""

STOWED: Joints = (0.0, 0.0, 0.0)
SLACK = 0.05
"""m and rad; so far beyond a joint's end a pose is taken for that end: bins have a width."""
_STOWED_ENOUGH = 0.02


def joints_for(x: float, y: float, z: float, arm: ArmSettings) -> Joints:
    """The joints that bring the tool's tip to a place in `base_link` (m), or as near as they go."""
    pan, extend, lift = (
        max(low, min(high, value))
        for value, (low, high) in zip(_unlimited(x, y, z, arm), _ends(arm), strict=True)
    )
    return pan, extend, lift


def tool_at(joints: Joints, arm: ArmSettings) -> tuple[float, float, float]:
    """Where the tool's tip is with these joints: x, y, z in `base_link`, metres."""
    pan, extend, lift = joints
    radius = arm.radius + extend
    return (
        arm.mast_x + radius * math.cos(pan),
        arm.mast_y + radius * math.sin(pan),
        arm.top - lift,
    )


def check_reach(x: float, y: float, z: float, arm: ArmSettings) -> None:
    """ActionError if the tool's tip cannot be at a place in `base_link`, metres. One that is too
    high is none: lifted as far as it goes the tool is over whatever it was to be over.
    """
    names, joints = arm.joints, _unlimited(x, y, min(z, arm.top), arm)
    for name, value, (low, high) in zip(names, joints, _ends(arm), strict=True):
        if not low - SLACK <= value <= high + SLACK:
            raise ActionError(
                f"the tool cannot be at ({x:.2f}, {y:.2f}, {z:.2f}) m: {name} would be "
                f"{value:.2f}, its ends are {low:g} and {high:g}"
            )


def _unlimited(x: float, y: float, z: float, arm: ArmSettings) -> Joints:
    ahead, aside = x - arm.mast_x, y - arm.mast_y
    return math.atan2(aside, ahead), math.hypot(ahead, aside) - arm.radius, arm.top - z


def _ends(arm: ArmSettings) -> tuple[tuple[float, float], ...]:
    return (-arm.pan_limit, arm.pan_limit), (0.0, arm.extend_max), (0.0, arm.lift_max)


class Arm:
    """What the joints are told: targets that go no faster than the joints can.

    They start where the joints were measured first. Later measurements do not change them: a lift
    that rests on an object is still told to be lower.
    """

    def __init__(self, settings: ArmSettings) -> None:
        self._settings = settings
        self.told: Joints | None = None
        """The last targets; None while nobody said where the joints are."""

    def measured(self, state: JointState) -> None:
        """Take where the joints are, if it says so of all of them."""
        positions = dict(zip(state.names, state.positions, strict=True))
        if self.told is None and all(name in positions for name in self._settings.joints):
            pan, extend, lift = (positions[name] for name in self._settings.joints)
            self.told = pan, extend, lift

    @property
    def stowed(self) -> bool:
        """Whether the arm is out of the base's way; one that is not there is."""
        return self.told is None or max(map(abs, self.told)) < _STOWED_ENOUGH

    def towards(self, wanted: Joints, seconds: float) -> Joints | None:
        """The targets a tick of `seconds` later, on the way to those wanted."""
        if self.told is None:
            return None
        pan, extend, lift = (
            told + max(-speed * seconds, min(speed * seconds, goal - told))
            for told, goal, speed in zip(self.told, wanted, self._settings.speeds, strict=True)
        )
        self.told = pan, extend, lift
        return self.told

    def stow(self, seconds: float) -> Joints | None:
        """The targets on the way to the arm's place of rest: up first, then back."""
        if self.told is None:
            return None
        pan, extend, lift = self.told
        up = lift < _STOWED_ENOUGH
        return self.towards(STOWED if up else (pan, extend, 0.0), seconds)
