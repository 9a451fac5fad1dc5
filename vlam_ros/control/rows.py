"""The rows of a chunk as poses, events and times, and which motion they are of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ActionTokenizer, due_times, void_at
from vlam_ros.errors import ActionError
from vlam_ros.types import ActionChunk, BoolArray

Poses = npt.NDArray[np.float64]

BASE_FRAMES = ("base_link", "base_footprint")


class Motion(Enum):
    """How the rows of a skill are followed."""

    STAND = "rows without a motion"
    PATH = "waypoints of the base, and its direction at the last one"
    TURN = "angles of the base; the last one counts"
    SWEEP = "angles of the base at their times"
    TOOL = "poses of the tool at their times, and events of the gripper"


MOTIONS = {
    "stop": Motion.STAND,
    "go_to": Motion.PATH,
    "turn_to": Motion.TURN,
    "search": Motion.SWEEP,
    "pick_up": Motion.TOOL,
    "place": Motion.TOOL,
    "push": Motion.TOOL,
}
"""The skills that can be followed, as config/skills.yaml names them."""

EVENTS = {"pick_up": True, "place": False}
"""What a row without a pose does to the gripper: closes or opens it."""

_USED = {
    Motion.PATH: (True, True, None, None),
    Motion.TURN: (False, False, False, True),
    Motion.SWEEP: (False, False, False, True),
    Motion.TOOL: (True, True, True, None),
}


@dataclass(frozen=True)
class Rows:
    """Decoded rows. `stamp`, `due` int64[H] and `end` are ns; `poses` float64[H,4] are x, y, z (m)
    and θ (rad) in `base_link` at the chunk's stamp, NaN where not used; `events` bool[H] marks the
    rows in which the gripper acts.
    """

    motion: Motion
    stamp: int
    due: npt.NDArray[np.int64]
    end: int
    poses: Poses
    events: BoolArray

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


def rows_of(chunk: ActionChunk) -> Rows:
    """The rows of a chunk that says EXECUTE.

    Raises:
        ActionError: a token that is none, poses in another frame than the base's, a skill that is
            not known, or rows that do not fit it.
    """
    if chunk.frame_id.rpartition("/")[2] not in BASE_FRAMES:
        raise ActionError(f"poses must be in {BASE_FRAMES[0]}, got frame {chunk.frame_id!r}")
    motion = MOTIONS.get(chunk.skill)
    if motion is None:
        raise ActionError(f"skill must be one of {', '.join(MOTIONS)}, got {chunk.skill!r}")
    values = ActionTokenizer(chunk.space).decode(chunk.tokens)
    named = {chunk.space.commands[int(command)] for command in values[:, 0]}
    if named != {chunk.skill}:
        raise ActionError(f"the rows of a chunk of {chunk.skill!r} are of {sorted(named)}")
    poses = values[:, 1:]
    without_pose: BoolArray = np.logical_and.reduce(np.isnan(poses), axis=1)
    events = without_pose if chunk.skill in EVENTS else np.zeros_like(without_pose)
    if motion is not Motion.STAND:
        for name, column, used in zip("x y z theta".split(), poses.T, _USED[motion], strict=True):
            missing = np.isnan(column[~events])
            if used is not None and (missing if used else ~missing).any():
                raise ActionError(f"rows of {chunk.skill} must {'' if used else 'not '}use {name}")
    return Rows(motion, chunk.stamp, due_times(chunk), void_at(chunk), poses, events)
