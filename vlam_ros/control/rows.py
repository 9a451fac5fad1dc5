"""The rows of a chunk as poses, times and events of the gripper, and which motion they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import STOP, ActionTokenizer, due_times, void_at
from vlam_ros.errors import ActionError
from vlam_ros.types import (
    DIMENSIONS,
    ActionChunk,
    ActionCommand,
    ActionSpace,
    BoolArray,
    GripperEffect,
    InstructionRequest,
    PoseFrame,
)

Poses = npt.NDArray[np.float64]

BASE_FRAMES = ("base_link", "base_footprint")


class MotionKind(Enum):
    """How the rows of a command are followed."""

    STAND = "rows without a motion"
    PATH = "waypoints of the base, and its direction at the last one"
    TURN = "angles of the base; the last one counts"
    SWEEP = "angles of the base at their times"
    TOOL = "poses of the tool at their times, and events of the gripper"


_USED = {
    MotionKind.PATH: (True, True, None, None),
    MotionKind.TURN: (False, False, False, True),
    MotionKind.SWEEP: (False, False, False, True),
    MotionKind.TOOL: (True, True, True, None),
}
"""Which of x, y, z and theta the rows must use, must not use, or may use."""


@dataclass(frozen=True)
class DecodedRows:
    """Decoded rows. `stamp`, `due` int64[H] and `end` are ns; `poses` float64[H,4] are x, y, z (m)
    and θ (rad) in `base_link` at the chunk's stamp, NaN where not used; `events` bool[H] marks the
    rows in which the gripper acts, and closes if it `closes`.
    """

    motion: MotionKind
    stamp: int
    due: npt.NDArray[np.int64]
    end: int
    poses: Poses
    events: BoolArray
    closes: bool

    def ahead(self, now: int) -> Poses:
        """The poses of rows that have not ended; at least that of the last one."""
        ends = np.concatenate([self.due[1:], [self.end]])
        return self.poses[min(int((ends <= now).sum()), len(self.poses) - 1) :]

    def place_at(self, now: int) -> Poses | None:
        """Between the poses of a tool's rows at a time, float64[3]; None if no row has one."""
        poses = self.poses[~self.events, :3]
        if not len(poses):
            return None
        times = (self.due - self.stamp)[~self.events]
        return np.array([np.interp(now - self.stamp, times, column) for column in poses.T])

    def angle_at(self, now: int) -> tuple[float, float]:
        """Between the angles of rows at a time, from 0 at the stamp (rad), and its rate (rad/s);
        the last row goes on at the rate that led to it.
        """
        angles = np.unwrap(np.concatenate([[0.0], self.poses[:, 3]]))
        times = np.concatenate([[0], self.due - self.stamp]) / 1e9
        rates = np.diff(angles) / np.maximum(np.diff(times), 1e-9)
        since = (now - self.stamp) / 1e9
        k = max(0, min(int(np.searchsorted(times, since, "right")), len(rates)) - 1)
        return float(angles[k] + rates[k] * (since - times[k])), float(rates[k])


def rows_of(chunk: ActionChunk) -> DecodedRows:
    """The rows of a chunk that says EXECUTE.

    Raises:
        ActionError: a token that is none, poses in another frame than the base's, dimensions that
            this robot does not have, rows of several commands, or rows that do not fit theirs.
    """
    if chunk.frame_id.rpartition("/")[2] not in BASE_FRAMES:
        raise ActionError(f"poses must be in {BASE_FRAMES[0]}, got frame {chunk.frame_id!r}")
    values = ActionTokenizer(chunk.space).decode(chunk.tokens)
    if len(commands := np.unique(values[:, 0])) > 1:
        names = [chunk.space.names[int(command)] for command in commands]
        raise ActionError(f"the rows of a chunk must be of one command, got {names}")
    command, poses = chunk.space.commands[int(commands[0])], _poses(chunk.space, values)
    acts = command.gripper is not GripperEffect.KEEP
    events: BoolArray = np.logical_and.reduce(np.isnan(poses), axis=1) & np.bool_(acts)
    motion = _kind(command, poses[~events], stands=commands[0] == STOP)
    if motion is not MotionKind.STAND:
        for name, column, used in zip(DIMENSIONS, poses.T, _USED[motion], strict=True):
            missing = np.isnan(column[~events])
            if used is not None and (missing if used else ~missing).any():
                raise ActionError(f"rows of {command.name} must {'' if used else 'not '}use {name}")
    closes = command.gripper is GripperEffect.CLOSE
    return DecodedRows(motion, chunk.stamp, due_times(chunk), void_at(chunk), poses, events, closes)


def _poses(space: ActionSpace, values: Poses) -> Poses:
    """The columns x, y, z and theta of decoded rows, float64[H,4]."""
    columns, known = space.columns, [n for n in DIMENSIONS if n in space.columns]
    others = [i for i, name in enumerate(columns) if i and name not in DIMENSIONS]
    if len(known) < len(DIMENSIONS) or not np.isnan(values[:, others]).all():
        raise ActionError(
            f"rows must use x, y, z and theta alone, got the dimensions {', '.join(columns[1:])}"
        )
    return values[:, [columns.index(name) for name in DIMENSIONS]]


def _kind(command: ActionCommand, poses: Poses, stands: bool) -> MotionKind:
    if stands:
        return MotionKind.STAND
    if command.pose_of is PoseFrame.TOOL:
        return MotionKind.TOOL
    if not np.isnan(poses[:, :2]).all():
        return MotionKind.PATH
    return MotionKind.SWEEP if command.timed else MotionKind.TURN


@dataclass(frozen=True)
class Event:
    """Closes or opens the gripper at a time from `due` to before `end`, ns."""

    due: int
    end: int
    close: bool

    def same(self, other: Event) -> bool:
        """Whether two chunks mean one event: each puts it into the row in whose time it falls."""
        return abs(self.due - other.due) < self.end - self.due


class Events:
    """The events of one instruction and skill that are still to come, and those that were."""

    def __init__(self) -> None:
        self._request: InstructionRequest | None = None
        self._skill = ""
        self._pending: list[Event] = []
        self._past: list[Event] = []

    def take(
        self, request: InstructionRequest, skill: str, events: Sequence[Event], first_due: int
    ) -> None:
        """The events of a newer chunk, whose first row is due at a time (ns).

        An event of an older chunk of the same instruction and skill remains if it comes before.
        """
        if (request, skill) != (self._request, self._skill):
            self._request, self._skill = request, skill
            self._past, self._pending = [], []
        kept = [e for e in self._pending if e.due < first_due and not any(map(e.same, events))]
        new = [e for e in events if not any(map(e.same, self._past))]
        self._pending = sorted([*kept, *new], key=lambda e: e.due)

    def drop(self) -> None:
        """Nothing of what was to come will come: what was asked for is done."""
        self._pending = []

    def drop_others(self, request: InstructionRequest) -> None:
        """Another instruction holds the robot: what was to come of the last will not."""
        if request != self._request:
            self._pending = []

    def fire(self, now: int) -> Event | None:
        """The event that is current, for the only time."""
        current = next((e for e in self._pending if e.due <= now < e.end), None)
        if current is not None:
            self._close(current)
        return current

    def missed(self, now: int) -> Event | None:
        """An event that has passed and never fired, told once."""
        late = next((e for e in self._pending if now >= e.end), None)
        if late is not None:
            self._close(late)
        return late

    def _close(self, event: Event) -> None:
        self._pending.remove(event)
        self._past.append(event)
