"""A robot that moves as it is told, in a world that nobody has to see: for demonstrations without
images.

What is to be done about an instruction follows from where its nouns are. That takes no simulator,
no rendering and no tower, so a policy gets to read of many more instructions and places than it
can be shown images of, and learns from those what an image says of where things are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.mjcf import calibrated
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.scene import footprint_radius
from vlam_ros.lab.simulation.truth import TrueObject, Truth
from vlam_ros.policies.skills.skill import Skill
from vlam_ros.policies.skills.tool_path import ToolPath, ToolSkill
from vlam_ros.types import (
    Attitude,
    Camera,
    GripperEffect,
    GripperState,
    JointState,
    Observation,
    Obstacles,
    Odometry,
    PlanarPose,
    Progress,
    Proposal,
    SkillStep,
)

BLANK = np.zeros((6, 8, 3), np.uint8)
SPEED, TURN = 0.4, 1.0
"""m/s and rad/s, as fast as the base moves."""
ARRIVED = 0.03
"""Metres and rad that are not worth a motion."""
SLIP = 0.02
"""Standard deviation, in m and rad, of where a motion ends."""
FARTHEST = 5.0
"""Metres in which a thing is found that would be in the image."""
SEEN, HIDDEN = 10_000, 0
"""Pixels of a thing."""
RETURNS, LOWEST = 16, 0.08
"""Returns of the LiDAR from around a thing, and how tall (m) it has to be for that."""


@dataclass
class KinematicRobot:
    """A robot in a room, without dynamics, contacts, or noise of its sensors."""

    room: RoomSpec
    rng: np.random.Generator
    horizon: float
    """Seconds from the stamp of a chunk to its last row."""
    now: int = 10**9
    held: int | None = None
    speed: float = 0.0
    yaw_rate: float = 0.0
    pose: PlanarPose = field(init=False)
    places: list[tuple[float, float, float]] = field(init=False)
    camera: Camera = field(init=False)

    def __post_init__(self) -> None:
        start = self.room.start
        self.pose = PlanarPose(start.x, start.y, start.yaw)
        self.places = [thing.position for thing in self.room.scene.objects]
        self.camera = calibrated(self.room.scene.camera, *BLANK.shape[1::-1])
        self._pushed = 0

    def observe(self) -> Observation:
        """What its sensors say now."""
        now, pose = self.now, self.pose
        return Observation(
            stamp=now,
            now=now,
            image=BLANK,
            camera=self.camera,
            attitude=Attitude(now, 0.0, 0.0),
            obstacles=Obstacles(now, self._returns()),
            odometry=Odometry(now, pose.x, pose.y, pose.yaw, self.speed, self.yaw_rate),
            gripper=GripperState(now, self.held is not None),
            joints=JointState(now, (), ()),
        )

    def truth(self, stamp: int) -> Truth:
        """Where everything is; what is in the image counts as visible."""
        things = zip(self.room.scene.objects, self.places, strict=True)
        return Truth(
            stamp,
            BasePose(x=self.pose.x, y=self.pose.y, yaw=self.pose.yaw),
            self.speed,
            tuple(TrueObject(thing.phrase, place, thing.quaternion) for thing, place in things),
            self.held,
            (),
            tuple(map(self._pixels, range(len(self.places)))),
        )

    def carry_out(
        self, proposal: Proposal, progress: Progress, skill: Skill, seconds: float
    ) -> None:
        """Let time pass while a proposal is carried out; `progress` is that which it leads to."""
        assert proposal.rows is not None
        self.now += round(seconds * 1e9)
        self.speed = self.yaw_rate = 0.0
        rows = proposal.rows[:, 1:]
        if isinstance(skill, ToolSkill):
            step = proposal.plan.to_come[0]
            self._act(step, skill.path(step), progress)
        elif skill.TIMED:
            self._turn(float(rows[-1, 3]) * seconds / self.horizon, seconds)
        else:
            self._drive(rows[-1], seconds)

    def _pixels(self, index: int) -> int:
        x, y, z = self.places[index]
        ahead, aside = self.pose.into(np.array([[x, y]]))[0]
        pixels, depth = self.camera.project([(ahead, aside, z)])
        seen = np.isfinite(pixels).all() and depth[0] < FARTHEST and index != self.held
        return SEEN if seen else HIDDEN

    def _returns(self) -> npt.NDArray[np.float32]:
        """What the LiDAR sees of things that are tall enough, float32[N,3] in `base_link`."""
        angles = np.arange(RETURNS) * math.tau / RETURNS
        ring = np.column_stack([np.cos(angles), np.sin(angles)])
        things = [*zip(self.room.scene.objects, self.places, strict=True)]
        if self.held is not None:
            del things[self.held]
        things += [(thing, thing.position) for thing in self.room.fixed.values()]
        rings = [
            place[:2] + footprint_radius(thing) * ring
            for thing, place in things
            if 2 * place[2] >= LOWEST
        ]
        points = self.pose.into(np.concatenate([np.empty((0, 2)), *rings]))
        return np.column_stack([points, np.full(len(points), LOWEST)]).astype(np.float32)

    def _act(self, step: SkillStep, path: ToolPath, progress: Progress) -> None:
        """Take, let go or push, if the arm has come so far."""
        if progress.elapsed(self.now) < (path.event or path.times[-2]):
            return
        start, end = self.pose.out(path.poses[[3, -2], :2])
        if step.gripper is GripperEffect.CLOSE:
            self.held = self._nearest(start) if self.held is None else self.held
        elif step.gripper is GripperEffect.OPEN:
            if self.held is not None:
                self._put(self.held, start)
            self.held = None
        elif self._pushed != progress.since:
            self._pushed = progress.since
            pushed = self._nearest(start)
            self._put(pushed, self.places[pushed][:2] + end - start)

    def _nearest(self, place: npt.NDArray[np.float64]) -> int:
        gaps = [math.dist(other[:2], place) for other in self.places]
        return int(np.argmin(gaps))

    def _put(self, index: int, place: npt.NDArray[np.float64]) -> None:
        x, y = place.tolist()
        self.places[index] = x, y, self.room.scene.objects[index].position[2]

    def _drive(self, goal: npt.NDArray[np.float64], seconds: float) -> None:
        """Towards a goal x, y, z, θ in `base_link`, and there into its direction."""
        x, y, _, theta = goal.tolist()
        far = math.hypot(x, y)
        if not far > ARRIVED:
            self._turn(theta, seconds)
            return
        self._turn(math.atan2(y, x), seconds)
        missing = abs(math.atan2(y, x) - self.yaw_rate * seconds)
        self.speed = min(SPEED * max(0.0, math.cos(missing)), far / seconds)
        along = self.speed * seconds + SLIP * self.rng.standard_normal()
        ahead, aside = self.pose.out(np.array([[along, SLIP * self.rng.standard_normal()]]))[0]
        self.pose = PlanarPose(float(ahead), float(aside), self.pose.yaw)

    def _turn(self, angle: float, seconds: float) -> None:
        if abs(angle) <= ARRIVED:
            return
        turned = math.copysign(min(abs(angle), TURN * seconds), angle)
        self.yaw_rate = turned / seconds
        yaw = self.pose.yaw + turned + SLIP * self.rng.standard_normal()
        self.pose = PlanarPose(self.pose.x, self.pose.y, math.remainder(yaw, math.tau))
