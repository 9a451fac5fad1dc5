"""The whole robot in one process and in step with its simulator: fast, and the same every time.

Images, sweeps and readings go through fusion, pipeline and controller as over topics. A decision
takes a fixed time of the simulation, however long it took to compute, so that a slow machine gets
the same answers as a fast one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from vlam_ros.actions import stop_chunk
from vlam_ros.configuration import ControllerSettings, FusionNodeSettings
from vlam_ros.control import Controller
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion, Sensors
from vlam_ros.lab.evaluation.drive import feed
from vlam_ros.lab.evaluation.episode_recorder import SETTLING, EpisodeRecord, EpisodeRecorder
from vlam_ros.lab.evaluation.episodes import Episode
from vlam_ros.lab.simulation.sensors import Arrival
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.truth import truth_of
from vlam_ros.runtime import (
    DecisionFailure,
    DecisionMaker,
    DecisionResult,
    ImageSelector,
    Runtime,
)
from vlam_ros.types import (
    ActionChunk,
    Camera,
    Command,
    ImuSample,
    JointState,
    LidarSweep,
    Observation,
    Odometry,
    Outcome,
    Reason,
    Uint8Array,
    VelocityCommand,
    Verdict,
)

IMAGE_PERIOD = 400_000_000
"""ns from one image that is decided on to the next."""
DEPTH_WAIT = 120_000_000
"""ns from an image to its decision: the sweep around it has come in by then."""
LATENCY = 250_000_000
"""ns from an image to its chunk, as measured on two cores of a PC."""
WATCH = 0.1
"""Seconds from one look at the truth to the next."""


class RobotInterface(Protocol):
    """What there is of a simulated robot for those who must not know the truth.

    `now` is simulated time in ns, `image` what its camera sees now, uint8[H,W,3] RGB. `advance`
    lets time pass and gives what was measured meanwhile, in the order in which it arrived.
    """

    @property
    def now(self) -> int: ...

    @property
    def camera(self) -> Camera: ...

    def image(self) -> Uint8Array: ...

    def advance(self, until: int) -> Iterable[Arrival]: ...

    def drive(self, command: VelocityCommand) -> None: ...

    def reach(self, joints: Sequence[float]) -> None: ...

    def grip(self, closed: bool) -> None: ...


class RobotProxy:
    """A robot that passes everything on to another one; a subclass sees what passes."""

    def __init__(self, robot: RobotInterface) -> None:
        self._robot = robot
        self.drive, self.reach, self.grip = robot.drive, robot.reach, robot.grip

    @property
    def now(self) -> int:
        return self._robot.now

    @property
    def camera(self) -> Camera:
        return self._robot.camera

    def image(self) -> Uint8Array:
        return self._robot.image()

    def advance(self, until: int) -> Iterable[Arrival]:
        return self._robot.advance(until)


class Lockstep:
    """Runs a robot under a decision maker, one control tick at a time."""

    def __init__(
        self,
        robot: RobotInterface,
        maker: DecisionMaker,
        fusion: FusionNodeSettings,
        controller: ControllerSettings,
    ) -> None:
        self._robot = robot
        self._fusion = SensorFusion(fusion.sensors, fusion.fusion)
        self._limits = fusion.sensors
        self._sensors = Sensors(camera=robot.camera)
        self._controller = Controller(controller)
        self._tick = round(1e9 / controller.control.rate)
        images = ImageSelector(DEPTH_WAIT, lambda stamp: False)
        self._runtime = Runtime(maker, self._observe, images)
        self._due: deque[DecisionResult] = deque()
        self._last: ActionChunk | None = None
        self._next_image = robot.now

    def instruct(self, text: str) -> None:
        """Say what to do. What was decided before does not count any more, and the robot stops,
        unless it is at it already.
        """
        if self._runtime.instruct(text):
            self._stop()

    def _stop(self) -> None:
        if self._last is not None:
            now, last = self._robot.now, self._last
            verdict = Verdict(Outcome.HOLD, Reason.STALE_SENSOR, "a new instruction came")
            hold = stop_chunk(
                stamp=now,
                frame_id=last.frame_id,
                space=last.space,
                step=last.step,
                request=self._runtime.request,
                verdict=verdict,
            )
            self._controller.chunk(hold, now)
            self._next_image = now

    def tick(self, on_decision: Callable[[DecisionResult], None]) -> Command:
        """Let one period of the controller pass, and give what the robot was told at its end."""
        robot = self._robot
        for arrival in robot.advance(robot.now + self._tick):
            self._take(arrival)
        now = robot.now
        if now >= self._next_image:
            self._runtime.images.put(now, robot.image())
            self._next_image += IMAGE_PERIOD
        if job := self._runtime.next(now):
            result = self._runtime.decide(job, now)
            if isinstance(result, DecisionFailure):
                raise result.error
            self._due.append(result)
            on_decision(result)
        while self._due and now >= self._due[0].job.stamp + LATENCY:
            result = self._due.popleft()
            if self._runtime.accept(result):
                self._last = result.decision.chunk
                self._controller.chunk(self._last, now)
        command = self._controller.command(now)
        if self._controller.missed_event and self._runtime.replan():
            self._stop()
        robot.drive(command.velocity)
        if command.joints is not None:
            robot.reach(command.joints)
        if command.grip is not None:
            robot.grip(command.grip)
        return command

    def _take(self, arrival: Arrival) -> None:
        with suppress(SensorError):  # as while the robot falls onto its floor
            feed(self._fusion, arrival)
        measured = arrival.measured
        if isinstance(measured, LidarSweep):
            self._controller.cloud(measured.points, measured.span[1])
        elif isinstance(measured, Odometry):
            self._controller.odometry(measured)
            self._sensors = self._sensors.with_data("odometry", measured)
        elif isinstance(measured, JointState):
            self._controller.joints(measured)
            self._sensors = self._sensors.with_data("joints", measured)
        elif not isinstance(measured, ImuSample):
            self._sensors = self._sensors.with_data("gripper", measured)

    def _observe(self, image: Uint8Array, stamp: int, now: int) -> Observation:
        return self._sensors.observation(image, stamp, now, self._limits, self._fusion)


def run_episode(
    episode: Episode,
    decider: DecisionMaker,
    fusion: FusionNodeSettings,
    controller: ControllerSettings,
    on_decision: Callable[[float, DecisionResult], None] = lambda seconds, decided: None,
) -> EpisodeRecord:
    """Run an episode and judge it; `on_decision` hears of each decision at its second."""
    with Simulator(episode.task.room, seed=episode.seed) as simulator:
        loop = Lockstep(simulator, decider, fusion, controller)
        return run_in(simulator, episode, loop, on_decision)


def run_in(
    simulator: Simulator,
    episode: Episode,
    loop: Lockstep,
    on_decision: Callable[[float, DecisionResult], None] = lambda seconds, decided: None,
) -> EpisodeRecord:
    """Run an episode in its simulator, whose robot the loop runs, and judge it."""
    recorder = EpisodeRecorder(episode, truth_of(simulator))

    def note(decided: DecisionResult) -> None:
        seconds = simulator.now / 1e9
        recorder.decided(seconds, decided.verdict)
        recorder.computed(decided.seconds)
        on_decision(seconds, decided)

    script = list(episode.script)
    while simulator.now < SETTLING * 1e9:
        loop.tick(lambda decided: None)
    while not recorder.over:
        if script and simulator.now / 1e9 >= script[0][0] + SETTLING:
            loop.instruct(script.pop(0)[1])
        command = loop.tick(note)
        seconds = simulator.now / 1e9
        recorder.stood(seconds, command.halt)
        if seconds - recorder.looked_at >= WATCH:
            recorder.saw(truth_of(simulator))
    return recorder.record(truth_of(simulator, look=True))
