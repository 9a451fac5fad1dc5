"""The whole robot in one process and in step with its simulator: fast, and the same every time.

Images, sweeps and readings go through fusion, pipeline and controller as over topics. A decision
takes a fixed time of the simulation, however long it took to compute, so that a slow machine gets
the same answers as a fast one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import stop_chunk
from vlam_ros.configuration import ControllerSettings, FusionNodeSettings
from vlam_ros.control import Controller
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.simulation.arrival import Arrival
from vlam_ros.types import (
    ActionChunk,
    Camera,
    Command,
    Decision,
    GripperState,
    ImuSample,
    InstructionRequest,
    JointState,
    LidarSweep,
    Missing,
    Observation,
    Odometry,
    Outcome,
    Reason,
    Uint8Array,
    VelocityCommand,
    Verdict,
)
from vlam_ros.types.decision_maker import DecisionMaker

IMAGE_PERIOD = 400_000_000
"""ns from one image that is decided on to the next."""
DEPTH_WAIT = 120_000_000
"""ns from an image to its decision: the sweep around it has come in by then."""
LATENCY = 250_000_000
"""ns from an image to its chunk, as measured on two cores of a PC."""
ODOMETRIES_KEPT = 50


class Robot(Protocol):
    """What there is of a simulated robot for those who must not know the truth."""

    @property
    def now(self) -> int:
        """Simulated time, ns."""

    @property
    def camera(self) -> Camera:
        """Its camera."""

    def image(self) -> Uint8Array:
        """What that sees now: uint8[H,W,3] RGB."""

    def advance(self, until: int) -> Iterable[Arrival]:
        """Let time pass; what was measured meanwhile, in the order in which it arrived."""

    def drive(self, command: VelocityCommand) -> None:
        """Tell the base."""

    def reach(self, joints: Sequence[float]) -> None:
        """Tell the arm."""

    def grip(self, closed: bool) -> None:
        """Tell the gripper."""


@dataclass(frozen=True)
class Decided:
    """A decision, the image it was made on, and the seconds that it took to compute."""

    image: Uint8Array
    decision: Decision
    seconds: float


@dataclass(frozen=True)
class _Taken:
    """An image that waits for its depth."""

    stamp: int
    image: npt.NDArray[np.uint8]


class Lockstep:
    """Runs a robot under a decision maker, one control tick at a time."""

    def __init__(
        self,
        robot: Robot,
        decider: DecisionMaker,
        fusion: FusionNodeSettings,
        controller: ControllerSettings,
    ) -> None:
        self._robot, self._decider = robot, decider
        self._fusion = SensorFusion(fusion.sensors, fusion.fusion)
        self._controller = Controller(controller)
        self._tick = round(1e9 / controller.control.rate)
        self._request: InstructionRequest | None = None
        self._waiting: deque[_Taken] = deque()
        self._due: deque[tuple[int, Decision]] = deque()
        self._last: ActionChunk | None = None
        self._next_image = robot.now
        self._odometries: deque[Odometry] = deque(maxlen=ODOMETRIES_KEPT)
        self._gripper: GripperState | Missing = Missing("no gripper state yet")
        self._joints: JointState | Missing = Missing("no joint states yet")
        decider.reset()

    def instruct(self, text: str) -> None:
        """Say what to do; what was decided before does not count any more, and the robot stops."""
        sequence = self._request.sequence + 1 if self._request else 1
        self._request = request = InstructionRequest(text, 1, sequence)
        self._due.clear()
        if self._last is not None:
            now, last = self._robot.now, self._last
            verdict = Verdict(Outcome.HOLD, Reason.STALE_SENSOR, "a new instruction came")
            hold = stop_chunk(
                stamp=now,
                frame_id=last.frame_id,
                space=last.space,
                step=last.step,
                request=request,
                verdict=verdict,
            )
            self._controller.chunk(hold, now)
            self._next_image = now

    def tick(self, on_decision: Callable[[Decided], None]) -> Command:
        """Let one period of the controller pass.

        Args:
            on_decision: hears of each decision when it is made.

        Returns:
            What the robot was told at the end of it.
        """
        robot = self._robot
        for arrival in robot.advance(robot.now + self._tick):
            self._take(arrival)
        now = robot.now
        if now >= self._next_image:
            self._waiting.append(_Taken(now, robot.image()))
            self._next_image += IMAGE_PERIOD
        while self._waiting and now >= self._waiting[0].stamp + DEPTH_WAIT:
            decided = self._decide(self._waiting.popleft(), now)
            self._due.append((decided.decision.chunk.stamp + LATENCY, decided.decision))
            on_decision(decided)
        while self._due and now >= self._due[0][0]:
            self._last = self._due.popleft()[1].chunk
            self._controller.chunk(self._last, now)
        command = self._controller.command(now)
        if self._controller.missed_event and self._request:
            self.instruct(self._request.text)
        self._tell(command)
        return command

    def _tell(self, command: Command) -> None:
        self._robot.drive(command.velocity)
        if command.joints is not None:
            self._robot.reach(command.joints)
        if command.grip is not None:
            self._robot.grip(command.grip)

    def _take(self, arrival: Arrival) -> None:
        measured, now = arrival.measured, arrival.now
        if isinstance(measured, ImuSample):
            self._fusion.add_imu(measured, now)
        elif isinstance(measured, LidarSweep):
            self._fusion.add_cloud(measured, now)
            self._controller.cloud(measured.points, measured.span[1])
        elif isinstance(measured, Odometry):
            self._fusion.add_odometry(measured, now)
            self._controller.odometry(measured)
            self._odometries.append(measured)
        elif isinstance(measured, JointState):
            self._controller.joints(measured)
            self._joints = measured
        else:
            self._gripper = measured

    def _decide(self, taken: _Taken, now: int) -> Decided:
        stamp, fusion, camera = taken.stamp, self._fusion, self._robot.camera
        observation = Observation(
            stamp=stamp,
            now=now,
            image=taken.image,
            camera=camera,
            depth=fusion.depth(stamp, camera),
            attitude=fusion.attitude(stamp),
            floor=fusion.floor(stamp),
            obstacles=fusion.obstacles(stamp),
            odometry=min(
                reversed(self._odometries),
                key=lambda o: abs(o.stamp - stamp),
                default=Missing("no odometry yet"),
            ),
            gripper=self._gripper,
            joints=self._joints,
        )
        begin = time.perf_counter()
        decision = self._decider.step(observation, self._request)
        return Decided(taken.image, decision, time.perf_counter() - begin)
