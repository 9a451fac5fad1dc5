"""Follows action chunks: what base, arm and gripper should do now, before the safety gate.

The rows of a chunk are poses relative to where the base was at the chunk's stamp. Odometry tells
where that was and where the base is now, so that latency and motion since do not matter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ensemble, is_void, leads_back
from vlam_ros.configuration import ControllerSettings
from vlam_ros.control.arm import Arm, Joints, check_reach, joints_for
from vlam_ros.control.rows import DecodedRows, Event, Events, MotionKind, rows_of
from vlam_ros.control.velocity import LONGEST_TICK, BaseTracker
from vlam_ros.errors import ActionError
from vlam_ros.types import (
    ActionChunk,
    Command,
    Halt,
    JointState,
    Odometry,
    Outcome,
    PlanarPose,
    VelocityCommand,
)
from vlam_ros.types.history import OdometryHistory

Poses = npt.NDArray[np.float64]
CHUNKS_KEPT = 8


@dataclass
class Followed:
    """A chunk with its rows, and where the base was at its stamp as soon as odometry knows."""

    chunk: ActionChunk
    rows: DecodedRows
    start: PlanarPose | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Chunks that continue each other have the same."""
        return self.chunk.request, self.chunk.skill


class ChunkFollower:
    """Follows the newest chunk. It knows no ROS and no clock: times are passed in, ns."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self._base = BaseTracker(settings.control)
        self.reset()

    def reset(self) -> None:
        """Forget everything: time jumped back."""
        self.history = OdometryHistory(round(self._settings.safety.max_odometry_age * 1e9))
        self.arm = Arm(self._settings.arm)
        self._events = Events()
        self._newest: tuple[tuple[int, int], int] | None = None  # order of the request, stamp
        self._last: int | None = None
        self.missed: str | None = None
        self.forget(Halt.NO_CHUNK)

    def forget(self, why: Halt) -> None:
        """Drop what is followed; `command` halts for this reason until a new chunk comes."""
        self._why = why
        # Chunks of one skill that continue each other, from the last that has begun to the newest.
        self._chain: list[Followed] = []
        self._recent: deque[ActionChunk] = deque(maxlen=CHUNKS_KEPT)
        self._base.reset()
        self.chunk_error = ""

    def add_odometry(self, odometry: Odometry) -> None:
        """Take where the base is; if time jumped back, chunks of before are void."""
        if self.history.add(odometry):
            self.forget(Halt.NO_CHUNK)

    def add_joints(self, state: JointState) -> None:
        """Take where the arm's joints are."""
        self.arm.measured(state)

    # --------------------------------------------------------------------------- chunks

    def accept(self, chunk: ActionChunk, now: int) -> bool:
        """Follow a chunk from now on. False if it is older than the newest and does not count:
        by the order of its instruction, or by its stamp within one instruction.
        """
        order = (chunk.request.epoch, chunk.request.sequence)
        if self._newest is not None and (order, chunk.stamp) < self._newest:
            return False
        self._newest = (order, chunk.stamp)
        if chunk.verdict.outcome is Outcome.HOLD:
            self.forget(Halt.HOLD)
            self._events.drop_others(chunk.request)
            return True
        if chunk.verdict.outcome is Outcome.DONE:
            self.forget(Halt.DONE)
            self._events.drop()
            return True
        try:
            rows = self._checked(chunk)
            merged = self._averaged(chunk, now)
        except ActionError as error:
            self.forget(Halt.UNREADABLE)
            self.chunk_error = str(error)
            return True
        if rows.motion is MotionKind.STAND:
            self.forget(Halt.HOLD)
            return True
        followed = Followed(chunk, rows if merged is chunk else rows_of(merged))
        if self._chain and self._chain[-1].key != followed.key:
            self._chain = []
        if not self._chain:
            self._base.reset()
        self._chain = [*self._chain[-CHUNKS_KEPT:], followed]
        self._why, self.chunk_error = Halt.NONE, ""
        times = [int(due) for due in rows.due[rows.events]]
        events = [Event(due, due + chunk.step, rows.closes) for due in times]
        self._events.take(chunk.request, chunk.skill, events, int(rows.due[0]))
        return True

    def _checked(self, chunk: ActionChunk) -> DecodedRows:
        rows = rows_of(chunk)
        if rows.motion is MotionKind.TOOL:
            for x, y, z in rows.poses[~rows.events, :3]:
                check_reach(x, y, z, self._settings.arm)
        return rows

    def _averaged(self, chunk: ActionChunk, now: int) -> ActionChunk:
        """The chunk averaged with those before it, where that is wanted and possible."""
        if not self._settings.control.ensemble:
            return chunk
        self._recent.append(chunk)
        alike = [c for c in self._recent if (c.request, c.skill) == (chunk.request, chunk.skill)]
        self._recent = deque(alike, maxlen=CHUNKS_KEPT)
        where = [(c, pose) for c in alike if (pose := self.history.at(c.stamp)) is not None]
        if not where or where[-1][0] is not chunk:
            return chunk
        there = [Odometry(c.stamp, pose.x, pose.y, pose.yaw) for c, pose in where]
        decay = self._settings.control.ensemble_decay
        return ensemble([c for c, _ in where], there, now, decay) or chunk

    @property
    def _followed(self) -> Followed | None:
        return self._chain[-1] if self._chain else None

    # --------------------------------------------------------------------------- commands

    def halt(self, now: int) -> Halt:
        """Why the chunks alone let the robot stand still."""
        if self._followed is not None and is_void(self._followed.chunk, now):
            return Halt.EXPIRED
        return self._why

    def pause(self, now: int) -> None:
        """In place of `command` while the robot is stopped: the gripper's events pass by."""
        self._last = None
        self._note_missed(now)

    def command(self, now: int) -> Command:
        """What is wanted now; the velocity is not limited yet. It halts where `halt` does, and
        where odometry does not tell enough.
        """
        seconds = 0.0 if self._last is None else min((now - self._last) / 1e9, LONGEST_TICK)
        here, halt = self.history.at(now), self.halt(now)
        start = self._start_of(self._followed)
        if halt is Halt.NONE and (here is None or start is None):
            halt = Halt.NO_ODOMETRY
        if halt is not Halt.NONE or self._followed is None or here is None or start is None:
            self.pause(now)
            return Command(halt=halt)
        self._last = now
        if self._followed.rows.motion is MotionKind.TOOL:
            command = self._tool(now, here, seconds)
        elif not self.arm.stowed:
            command = Command(joints=self.arm.stow(seconds))
        else:
            command = Command(velocity=self._base_velocity(self._followed.rows, start, here, now))
        self._note_missed(now)
        return command

    @property
    def moves_tool(self) -> bool:
        """Whether a motion of the tool is followed, during which the base stands."""
        return self._followed is not None and self._followed.rows.motion is MotionKind.TOOL

    def _start_of(self, followed: Followed | None) -> PlanarPose | None:
        """Where the base was at a chunk's stamp; kept as soon as odometry reaches beyond it."""
        if followed is None or followed.start is not None:
            return followed.start if followed else None
        start, newest = self.history.at(followed.chunk.stamp), self.history.newest
        if newest and newest.stamp >= followed.chunk.stamp:
            followed.start = start
        return start

    def _base_velocity(
        self, rows: DecodedRows, start: PlanarPose, here: PlanarPose, now: int
    ) -> VelocityCommand:
        if rows.motion is MotionKind.PATH:
            last = start.yaw + rows.poses[-1, 3] - here.yaw
            waypoints = here.into(start.out(rows.ahead(now)[:, :2]))
            angle = None if np.isnan(last) else float(last)
            return self._base.path(waypoints, angle, leads_back(rows.poses))
        if rows.motion is MotionKind.TURN:
            return self._base.turn(start.yaw + float(rows.poses[-1, 3]) - here.yaw)
        angle, rate = rows.angle_at(now)
        return self._base.sweep(start.yaw + angle - here.yaw, rate)

    def _tool(self, now: int, here: PlanarPose, seconds: float) -> Command:
        joints = self._joints(now, here, seconds)
        event = self._events.fire(now) if joints is not None else None
        return Command(joints=joints, grip=event.close if event else None)

    def _joints(self, now: int, here: PlanarPose, seconds: float) -> Joints | None:
        """The arm's targets: between the rows of the newest chunk that has begun."""
        while len(self._chain) > 1 and self._chain[1].rows.due[0] <= now:
            del self._chain[0]
        rows, start = self._chain[0].rows, self._start_of(self._chain[0])
        place = rows.place_at(now)
        if place is None or start is None:
            return self.arm.told
        x, y = here.into(start.out(place[None, :2]))[0]
        goal = joints_for(float(x), float(y), float(place[2]), self._settings.arm)
        return self.arm.towards(goal, seconds)

    def _note_missed(self, now: int) -> None:
        late = self._events.missed(now)
        self.missed = None
        if late is not None:
            does = "closes" if late.close else "opens"
            self.missed = f"the row in which the gripper {does} passed and was not carried out"

    # --------------------------------------------------------------------------- for people

    def waypoints(self, now: int) -> Poses:
        """The rows that are followed, in the odometry frame: float64[N,4], x, y, z (m) and θ (rad);
        those of the base that are still ahead, all of the tool.
        """
        followed = self._followed
        start = self._start_of(followed)
        if followed is None or start is None or self.halt(now) is not Halt.NONE:
            return np.empty((0, 4))
        rows = followed.rows
        poses = rows.ahead(now).copy()
        poses = poses[~np.isnan(poses).all(axis=1)]
        poses[:, :2] = start.out(poses[:, :2])
        poses[:, 3] += start.yaw
        return poses
