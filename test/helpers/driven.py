"""A controller with a robot that does what it is told: chunks, a unicycle, an arm, no noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ActionTokenizer, stop_chunk
from vlam_ros.configuration import ControllerSettings
from vlam_ros.control import Controller
from vlam_ros.types import (
    ActionChunk,
    ActionCommand,
    ActionSpace,
    Command,
    GripperEffect,
    InstructionRequest,
    JointState,
    Odometry,
    Outcome,
    PoseFrame,
    Reason,
    Verdict,
)

COMMANDS = (
    ActionCommand("stop"),
    ActionCommand("go_to"),
    ActionCommand("turn_to"),
    ActionCommand("pick_up", PoseFrame.TOOL, True, GripperEffect.CLOSE),
    ActionCommand("place", PoseFrame.TOOL, True, GripperEffect.OPEN),
    ActionCommand("push", PoseFrame.TOOL, True),
    ActionCommand("search", timed=True),
    ActionCommand("turn"),
    ActionCommand("move"),
)
RANGE = (-3.0, -3.0, -1.0, -math.pi), (3.0, 3.0, 1.0, math.pi)
FINE = ActionSpace.of(COMMANDS, *RANGE, 32767)
COARSE = ActionSpace.of(COMMANDS, *RANGE)
"""As config/vlam.yaml has it: 2.4 cm and 1.4 degrees a bin."""
START = 100 * 10**9
TICK = 10**9 // 30
NAN = math.nan
HOLD = Verdict(Outcome.HOLD, Reason.PATH_BLOCKED)


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def rows_chunk(
    skill: str,
    poses: npt.ArrayLike,
    stamp: int = START,
    sequence: int = 1,
    space: ActionSpace = FINE,
    start_offset: float = 0.2,
    step: float = 0.25,
) -> ActionChunk:
    """A chunk that executes rows x, y, z, θ."""
    rows = np.asarray(poses, np.float64)
    command = np.full(len(rows), space.names.index(skill))
    return ActionChunk(
        stamp=stamp,
        frame_id="base_link",
        space=space,
        tokens=ActionTokenizer(space).encode(np.column_stack([command, rows]), ~np.isnan(rows)),
        start_offset=ns(start_offset),
        step=ns(step),
        request=InstructionRequest("do it", epoch=7, sequence=sequence),
        skill=skill,
        trace="",
        verdict=Verdict(Outcome.EXECUTE),
    )


def go_to(x: float, y: float, theta: float, horizon: int = 8, **chunk: Any) -> ActionChunk:
    """Waypoints to a goal, as the policy makes them."""
    shares = np.arange(1, horizon + 1)[:, None] / horizon
    rows = np.hstack([shares * (x, y), np.full((horizon, 1), NAN), np.full((horizon, 1), theta)])
    return rows_chunk("go_to", rows, **chunk)


def turn_to(theta: float, horizon: int = 8, **chunk: Any) -> ActionChunk:
    rows = np.full((horizon, 4), NAN)
    rows[:, 3] = theta * np.arange(1, horizon + 1) / horizon
    return rows_chunk("turn_to", rows, **chunk)


def search(rate: float = 0.5, horizon: int = 8, **chunk: Any) -> ActionChunk:
    rows = np.full((horizon, 4), NAN)
    rows[:, 3] = rate * (0.2 + 0.25 * np.arange(horizon))
    return rows_chunk("search", rows, **chunk)


def halt_chunk(verdict: Verdict = HOLD, stamp: int = START, sequence: int = 1) -> ActionChunk:
    return stop_chunk(
        stamp=stamp,
        frame_id="base_link",
        space=FINE,
        step=ns(0.25),
        request=InstructionRequest("do it", epoch=7, sequence=sequence),
        verdict=verdict,
    )


@dataclass
class Driven:
    """A robot that moves exactly as it is told. `x`, `y`, `yaw` are in the odometry frame."""

    settings: ControllerSettings = field(default_factory=ControllerSettings.load)
    x: float = 0.3
    y: float = -0.2
    yaw: float = 0.7
    arm: tuple[float, ...] | None = None
    now: int = START
    controller: Controller = field(init=False)
    told: list[Command] = field(default_factory=list)
    cloud: npt.NDArray[np.float32] | None = None
    """Points [N,3] in the odometry frame that a LiDAR sees at every tick."""

    def __post_init__(self) -> None:
        self.controller = Controller(self.settings)
        self.report()

    def report(self) -> None:
        """What the sensors say now."""
        speed, rate = (
            (self.told[-1].velocity.linear, self.told[-1].velocity.angular)
            if self.told
            else (0.0, 0.0)
        )
        self.controller.odometry(Odometry(self.now, self.x, self.y, self.yaw, speed, rate))
        if self.arm is not None:
            self.controller.joints(JointState(self.now, self.settings.arm.joints, self.arm))
        if self.cloud is not None:
            self.controller.cloud(self.seen(self.cloud), self.now)

    def seen(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Points [N,3] of the odometry frame in `base_link`."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y = points[:, 0] - self.x, points[:, 1] - self.y
        return np.column_stack([c * x + s * y, c * y - s * x, points[:, 2]]).astype(np.float32)

    def in_odom(self, x: float, y: float, theta: float = 0.0) -> tuple[float, float, float]:
        """A pose in `base_link` now, in the odometry frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y, self.yaw + theta

    def in_base(self, x: float, y: float, yaw: float) -> tuple[float, float, float]:
        """A pose of the odometry frame in `base_link` now."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        dx, dy = x - self.x, y - self.y
        return c * dx + s * dy, c * dy - s * dx, math.remainder(yaw - self.yaw, math.tau)

    def tick(self, odometry: bool = True, length: int = TICK) -> Command:
        """A command, and its execution until the next tick."""
        if odometry:
            self.report()
        command = self.controller.command(self.now)
        seconds = length / 1e9
        v, w = command.velocity.linear, command.velocity.angular
        self.x += v * seconds * math.cos(self.yaw + w * seconds / 2)
        self.y += v * seconds * math.sin(self.yaw + w * seconds / 2)
        self.yaw += w * seconds
        if command.joints is not None:
            self.arm = command.joints
        self.now += length
        self.told.append(command)
        return command

    def run(self, seconds: float) -> list[Command]:
        """The commands of some time."""
        return [self.tick() for _ in range(round(seconds * 1e9 / TICK))]
