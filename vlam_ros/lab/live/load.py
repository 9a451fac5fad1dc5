"""A camera, wheels and a LiDAR that publish at their rates, and what the nodes make of it when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rclpy.qos import QoSProfile
from std_msgs.msg import String

import vlam_ros.msg
from vlam_ros.configuration import LidarSettings
from vlam_ros.lab.live.measured import SensorPublishers
from vlam_ros.lab.live.session import NoAnswerError, Session, Watch, ignore
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.ros.topics import advertise
from vlam_ros.types import Camera, LidarSweep, Odometry, Outcome, Uint8Array

CAMERA_PERIOD, WHEELS_PERIOD, SWEEP_PERIOD = 1 / 30, 1 / 50, 1 / 10
"""Seconds from one image, odometry and sweep to the next."""
EVERY = QoSProfile(depth=100)
"""Reliable: whoever measures wants to hear of all."""
ON_ITS_WAY = 5.0
"""Seconds after which the last image is taken to be lost."""
TRIES = 3
"""Images of which one is to arrive in the end."""
PATIENCE = 20.0
"""Seconds for both nodes to tell how they are."""
_SPIN = 0.005  # s
_NODES = ("vlam_node: decisions", "controller_node: control")
"""The names of their diagnostics."""


@dataclass(frozen=True)
class ChunkTimes:
    """A chunk: the stamp of its image, when that was taken to be decided on, and when the chunk
    came, all ns of the system's clock.
    """

    stamp: int
    began: int
    arrived: int


@dataclass(frozen=True)
class LoadResult:
    """What happened while images were shown.

    `chunks` are those that came while the camera went on: when it stops, no newer image takes the
    place of the last one, which may wait longer. `commands` are when the controller gave each
    command (ns). The counts are of the images that were shown and that were decided on, and what
    diagnostics count: the images that made room for newer ones, those that vlam_node did not take
    in time, and the deadlines of cmd_vel that the controller missed.
    """

    chunks: tuple[ChunkTimes, ...]
    commands: tuple[int, ...]
    shown: int
    decided: int
    passed_over: int
    lost: int
    deadlines_missed: int


class Load(Session):
    """The sensors of a robot that stands, for vlam_node and controller_node in this process's ROS
    domain. The controller must publish TwistStamped. Use as a context manager.
    """

    def __init__(
        self, image: Uint8Array, camera: Camera, sweep: LidarSweep, lidar: LidarSettings
    ) -> None:
        """Advertise and subscribe.

        `image` uint8[H,W,3] RGB is what the `camera` takes, and `sweep`, in `base_link`, what the
        LiDAR takes.
        """
        super().__init__("load")
        create, subscribe = self._node.create_publisher, self._node.create_subscription
        self._image = image_to_message(image, 0, camera.frame_id)
        self._info = camera_to_message(camera, 0)
        self._sweep = sweep
        self._images = advertise(create, "image")
        self._infos = advertise(create, "camera_info")
        self._instructions = advertise(create, "instruction")
        self._sensors = SensorPublishers(self._node, lidar)
        subscribe(vlam_ros.msg.ActionChunk, "action_chunk", self._on_chunk, EVERY)
        subscribe(vlam_ros.msg.DecisionInputs, "decision_inputs", self._on_inputs, EVERY)
        subscribe(TwistStamped, "cmd_vel", self._on_command, EVERY)
        subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, EVERY)
        self._showing = True
        self._last: Any = None  # chunk
        self._shown: list[int] = []
        self._began: dict[int, int] = {}
        self._arrived: dict[int, int] = {}
        self._commands: list[int] = []
        self._counts: dict[str, int] = {}
        self._before: dict[str, int] = {}  # what they were when last nothing was under way
        self._told: dict[str, int] = {}  # when each node told how it is
        self._due = dict.fromkeys((self._show, self._roll, self._spin_lidar), time.monotonic())

    def wait_until_driving(self, instruction: str, seconds: float, watch: Watch = ignore) -> None:
        """Wait for both nodes, say an instruction, and wait until it is carried out.

        NoAnswerError if it is not so in time.
        """
        self._until(lambda: self._last and self._commands, "both nodes", seconds, watch)
        self._instructions.publish(String(data=instruction))
        self._until(
            lambda: self._last.instruction == instruction and self._last.outcome == Outcome.EXECUTE,
            f"{instruction!r} to be carried out",
            seconds,
            watch,
        )

    def run(self, seconds: float, watch: Watch = ignore) -> LoadResult:
        """Publish for so long, and tell what came of it; no images are shown before and after.

        NoAnswerError if hardly anything came.
        """
        before = self._before or self._settled(watch)
        self._shown, self._showing = [], True
        self._began, self._arrived, self._commands = {}, {}, []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            watch("images to be decided on")
            self._spin_once()
        commands, last = tuple(self._commands), self._shown[-1]
        after = self._before = self._settled(watch)
        decided = [s for s in self._shown if s in self._began and s in self._arrived]
        chunks = tuple(
            ChunkTimes(s, self._began[s], self._arrived[s])
            for s in decided
            if self._arrived[s] <= last
        )
        if not chunks or len(commands) < 2:
            raise NoAnswerError(
                f"{len(chunks)} chunks and {len(commands)} commands came in {seconds:g} s: too few "
                "to measure; take longer"
            )

        def counted(name: str) -> int:
            return after[name] - before[name]

        return LoadResult(
            chunks,
            commands,
            shown=len(self._shown),
            decided=len(decided),
            passed_over=counted("images passed over"),
            lost=counted("images lost"),
            deadlines_missed=counted("cmd_vel deadlines missed"),
        )

    # --------------------------------------------------------------------------- while it waits

    def _settled(self, watch: Watch) -> dict[str, int]:
        """What diagnostics count when no image is under way any more."""
        self._showing = False
        for _ in range(TRIES):
            end = time.monotonic() + ON_ITS_WAY
            while self._shown[-1] not in self._arrived and time.monotonic() < end:
                watch("the last image to be decided on")
                self._spin_once()
            if self._shown[-1] in self._arrived:
                break
            # It is lost, which is counted when another one comes.
            self._show_one()
        now, what = self.now(), "diagnostics of both nodes"
        self._until(
            lambda: all(self._told.get(name, 0) > now for name in _NODES), what, PATIENCE, watch
        )
        return dict(self._counts)

    def _until(self, done: Callable[[], object], what: str, seconds: float, watch: Watch) -> None:
        def lacking() -> str:
            said = f"; the last chunk says {self._last.message!r}" if self._last else ""
            return "" if done() else f"{what}{said}"

        self.wait(lacking, seconds, watch, self._spin_once)

    def _spin_once(self) -> None:
        now = time.monotonic()
        for publish, due in self._due.items():
            if now >= due:
                # What is late is not made up for: a camera drops what it cannot send.
                period = publish()
                self._due[publish] = max(due + period, now)
        self._executor.spin_once(timeout_sec=_SPIN)

    # --------------------------------------------------------------------------- out

    def _show(self) -> float:
        if self._showing:
            self._show_one()
        return CAMERA_PERIOD

    def _show_one(self) -> None:
        stamp = self.now()
        self._image.header.stamp = self._info.header.stamp = time_message(stamp)
        self._infos.publish(self._info)
        self._images.publish(self._image)
        self._shown.append(stamp)

    def _roll(self) -> float:
        self._sensors.publish(Odometry(self.now(), 0.0, 0.0, 0.0, 0.0, 0.0))
        return WHEELS_PERIOD

    def _spin_lidar(self) -> float:
        self._sensors.publish(replace(self._sweep, stamp=self.now() - round(SWEEP_PERIOD * 1e9)))
        return SWEEP_PERIOD

    # --------------------------------------------------------------------------- in

    def _on_chunk(self, message: vlam_ros.msg.ActionChunk) -> None:
        self._last = message
        self._arrived[nanoseconds(message.header.stamp)] = self.now()

    def _on_inputs(self, message: vlam_ros.msg.DecisionInputs) -> None:
        self._began[nanoseconds(message.header.stamp)] = nanoseconds(message.now)

    def _on_command(self, message: TwistStamped) -> None:
        self._commands.append(nanoseconds(message.header.stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._told[status.name] = nanoseconds(message.header.stamp)
            for pair in status.values:
                if pair.value.isdecimal():
                    self._counts[pair.key] = int(pair.value)
