"""The whole controller without ROS: what comes in by methods, a command at every tick."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import ControllerSettings
from vlam_ros.control.follower import ChunkFollower
from vlam_ros.control.gate import SafetyGate
from vlam_ros.interface import POINTS
from vlam_ros.types import ActionChunk, Command, Halt, JointState, Odometry

LATEST = 1_000_000_000
"""ns by which a message over one subscription may be behind the same over another."""


class Controller:
    """Composes the follower of chunks and the safety gate, which has the last word.

    Times are integer nanoseconds of the clock that stamps the sensors' data.
    """

    def __init__(self, settings: ControllerSettings) -> None:
        self._follower = ChunkFollower(settings)
        self._gate = SafetyGate(settings)
        self._now: int | None = None
        self._pressed = 0, 0
        self.ignored = 0
        """Chunks that were older than one that came before."""

    def reset(self) -> None:
        """Time jumped back: forget everything but a pressed emergency stop and a lost publisher."""
        self._follower.reset()
        self._gate.reset()
        self._now = None

    # --------------------------------------------------------------------------- in

    def chunk(self, chunk: ActionChunk, now: int) -> None:
        """A decision came; an older one than the newest is ignored."""
        self._look_at_clock(now)
        if not self._follower.accept(chunk, now):
            self.ignored += 1

    def unreadable(self, why: str) -> None:
        """A decision came that is no chunk: stop until a good one comes."""
        self._follower.forget(Halt.UNREADABLE)
        self._follower.chunk_error = why

    def odometry(self, odometry: Odometry) -> None:
        """Where the base is."""
        self._follower.add_odometry(odometry)

    def joints(self, joints: JointState) -> None:
        """Where the arm's joints are; without them no motion of the tool is carried out."""
        self._follower.add_joints(joints)

    def cloud(self, points: npt.NDArray[np.floating], stamp: int, source: str = POINTS) -> None:
        """Returns of a LiDAR: float[N,3] in `base_link` at the stamp, metres. Each `source` must go
        on; SensorError if it sees only the robot.
        """
        self._gate.cloud(points, stamp, source)

    def unusable_cloud(self, source: str = POINTS) -> None:
        """There is such a LiDAR, and what it says cannot be used."""
        self._gate.unusable_cloud(source)

    def no_cloud(self, source: str) -> None:
        """Nothing is to be expected of a source any more: another one serves in its place."""
        self._gate.no_cloud(source)

    def estop(self, pressed: bool, sent: int = 0, came: int = 0) -> None:
        """The emergency stop was pressed or released: a message that was `sent` (ns of its sender's
        clock) and `came` (ns of one that cannot stand still).

        It may come over several subscriptions, late over some: a press that was heard counts once,
        and what was sent before a press that came just now does not release it.
        """
        pressed_sent, pressed_came = self._pressed
        if pressed:
            if sent == pressed_sent > 0:
                return
            self._pressed = sent, came
        elif sent < pressed_sent and came - pressed_came < LATEST:
            return
        self._gate.estop = pressed

    def unheard(self, somebody: bool) -> None:
        """Whether somebody publishes, in a way that cannot be heard, what stops a robot."""
        self._gate.unheard = somebody

    def publisher(self, alive: bool) -> None:
        """Whether somebody who publishes chunks lives. Chunks of one who is gone are void."""
        if not alive:
            self._follower.forget(Halt.NO_CHUNK)
        self._gate.publisher_lost = not alive

    # --------------------------------------------------------------------------- out

    def command(self, now: int, steady: int | None = None) -> Command:
        """What the robot is told at this tick.

        Args:
            now: the clock of the data; the limits count the time since the last call by it.
            steady: a clock that cannot stand still, to find that the other one does.
        """
        self._look_at_clock(now)
        gate, follower = self._gate, self._follower
        halt = gate.before_chunk(now, steady)
        if halt is Halt.NONE:
            halt = follower.halt(now)
        if halt is Halt.NONE:
            halt = gate.after_chunk(now, follower.history)
        if halt is Halt.NONE:
            command = follower.command(now)
            if command.halt is Halt.NONE and not follower.moves_tool:
                return gate.limited(command, now, follower.history)
        else:
            follower.pause(now)
            command = Command(halt=halt)
        gate.stop(now)
        return command

    def _look_at_clock(self, now: int) -> None:
        if self._now is not None and now < self._now:
            self.reset()
        self._now = now

    @property
    def missed_event(self) -> str | None:
        """An event of the gripper that the last `command` found to have passed without firing: the
        chunk's author should be asked for a new one.
        """
        return self._follower.missed

    @property
    def chunk_error(self) -> str:
        """What is wrong with the chunk where that is why the robot stands."""
        return self._follower.chunk_error

    def ages(self, now: int) -> dict[str, float]:
        """Seconds since the newest odometry and sweep of each LiDAR, of those that ever came."""
        odometry = self._follower.history.newest
        stamps = {"odometry": odometry.stamp} if odometry else {}
        return {name: (now - stamp) / 1e9 for name, stamp in (stamps | self._gate.swept).items()}

    def waypoints(self, now: int) -> npt.NDArray[np.float64]:
        """What is followed, in the odometry frame: float64[N,4], x, y, z (m) and θ (rad), NaN where
        not used; none while nothing is.
        """
        return self._follower.waypoints(now)

    @property
    def moves_tool(self) -> bool:
        """Whether these are poses of the tool."""
        return self._follower.moves_tool
