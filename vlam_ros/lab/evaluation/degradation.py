"""What a robot does while a sensor fails: the designed answer for every sensor and every failure.

A robot may do without a LiDAR, but does not go on as if the LiDAR it had still watched: there it
holds. IMU and odometry sharpen what the LiDAR says; without them it is said a little less sharply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.evaluation.drive import feed
from vlam_ros.lab.simulation.sensors import Arrival
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Camera,
    Decision,
    ImuSample,
    InstructionRequest,
    LidarSweep,
    Missing,
    Observation,
    Odometry,
    Outcome,
    PositionSource,
    Reason,
    Uint8Array,
)

SECOND = 1_000_000_000


class Sensor(Enum):
    """Whose messages are degraded, by its name in diagnostics."""

    LIDAR = "LiDAR"
    IMU = "IMU"
    CAMERA_INFO = "camera_info"
    ODOMETRY = "odometry"


class Failure(Enum):
    """What happens to its messages. All but ABSENT begin after a time of health and end again."""

    ABSENT = "absent from the start"
    LOST = "lost in the middle"
    NOT_FINITE = "NaN and inf values"
    WRONG_FRAME = "wrong frame"
    OLD = "stamps 1 s old"
    AHEAD = "stamps 10 s ahead"
    HALF_RATE = "rate halved"


@dataclass(frozen=True)
class Expected:
    """The designed answer: the verdict, and where positions come from if there are any."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    source: PositionSource | None = None

    def fits(self, decision: Decision) -> bool:
        """Whether a decision is the designed one."""
        if (decision.verdict.outcome, decision.verdict.reason) != (self.outcome, self.reason):
            return False
        target = decision.plan.target
        return self.source is None or (target is not None and target.source is self.source)


HEALTHY = Expected(Outcome.EXECUTE, source=PositionSource.DEPTH)
WATCHED_NO_MORE = Expected(Outcome.HOLD, Reason.STALE_SENSOR)


def expected(sensor: Sensor, failure: Failure) -> Expected:
    """The answer to "go to …" while the failure lasts."""
    if failure is Failure.HALF_RATE and sensor is Sensor.CAMERA_INFO:
        return Expected(Outcome.EXECUTE)  # an image without camera_info goes by the floor
    if failure is Failure.HALF_RATE or sensor in (Sensor.IMU, Sensor.ODOMETRY):
        return HEALTHY
    if failure is Failure.ABSENT:
        if sensor is Sensor.LIDAR:
            return Expected(Outcome.EXECUTE, source=PositionSource.GROUND_PLANE)
        return Expected(Outcome.HOLD, Reason.NO_POSITION)
    # Without camera_info nobody knows for which images depth and obstacles are wanted.
    return WATCHED_NO_MORE


@dataclass(frozen=True)
class Episode:
    """A recording of a healthy robot: what arrives, and images (stamps in ns) of one camera."""

    arrivals: Sequence[Arrival]
    image: Uint8Array
    camera: Camera
    images: Sequence[int]


@dataclass(frozen=True)
class Moment:
    """A decision during an episode, and what fusion said of its sensors then."""

    stamp: int
    decision: Decision
    status: dict[str, str]


def degraded(
    arrivals: Sequence[Arrival], sensor: Sensor, failure: Failure, start: int, end: int
) -> Iterator[Arrival | tuple[str, str]]:
    """The arrivals with the failure from `start` to `end` (ns).

    A message that cannot even be read comes as (name of the sensor, why).
    """
    kinds = {Sensor.LIDAR: LidarSweep, Sensor.IMU: ImuSample, Sensor.ODOMETRY: Odometry}
    kind, count = kinds.get(sensor), 0
    for arrival in arrivals:
        affected = kind is not None and isinstance(arrival.measured, kind)
        if not affected or not (failure is Failure.ABSENT or start <= arrival.now < end):
            yield arrival
            continue
        count += 1
        if failure is Failure.NOT_FINITE:
            yield sensor.value, _not_finite(arrival)
        elif failure is Failure.WRONG_FRAME:
            yield sensor.value, "its frame is not known"
        elif failure in (Failure.OLD, Failure.AHEAD):
            shift = -SECOND if failure is Failure.OLD else 10 * SECOND
            measured = arrival.measured
            yield replace(arrival, measured=replace(measured, stamp=measured.stamp + shift))
        elif failure is Failure.HALF_RATE and count % 2:
            yield arrival


def _not_finite(arrival: Arrival) -> str:
    """Why a reading of nothing but NaN is refused."""
    if isinstance(arrival.measured, ImuSample):
        try:
            replace(arrival.measured, rate=(math.nan, math.inf, 0.0))
        except SensorError as error:
            return str(error)
    return "no finite value"


def play(
    pipeline: Pipeline,
    episode: Episode,
    sensor: Sensor,
    failure: Failure,
    span: tuple[int, int],
    asked: Sequence[int],
    instruction: str,
) -> list[Moment]:
    """Run fusion and pipeline over an episode, and decide at some of its images.

    Args:
        pipeline: is reset first.
        episode: a healthy recording.
        sensor: what fails.
        failure: how.
        span: from when to when, ns.
        asked: stamps of the images to decide on, each `lidar_wait` after it was taken.
        instruction: what to do.
    """
    settings = FusionNodeSettings.load()
    fusion = SensorFusion(settings.sensors, settings.fusion)
    wait = round(settings.sensors.lidar_wait * 1e9)
    pipeline.reset()
    request = InstructionRequest(instruction, epoch=1)
    coming = degraded(episode.arrivals, sensor, failure, *span)
    moments, due = [], list(asked)
    for arrival in coming:
        if isinstance(arrival, tuple):
            fusion.report_error(*arrival)
            continue
        while due and arrival.now >= due[0] + wait:
            stamp = due.pop(0)
            seen = _observation(fusion, episode, sensor, failure, span, stamp, stamp + wait)
            moments.append(Moment(stamp, pipeline.step(seen, request), fusion.status(stamp + wait)))
        with suppress(SensorError):  # `status` says so
            feed(fusion, arrival)
    return moments


def _observation(
    fusion: SensorFusion,
    episode: Episode,
    sensor: Sensor,
    failure: Failure,
    span: tuple[int, int],
    stamp: int,
    now: int,
) -> Observation:
    """What the nodes know of an image: the calibration they had last, and depth for it only if a
    usable camera_info came with its stamp.
    """
    camera: Camera | Missing = episode.camera
    if sensor is Sensor.CAMERA_INFO and failure is Failure.ABSENT:
        return Observation(stamp, now, episode.image, Missing("no camera_info yet"))
    failing = sensor is Sensor.CAMERA_INFO and span[0] <= stamp < span[1]
    if failing and failure is not Failure.HALF_RATE:
        gone = Missing("no camera_info with the stamp of an image", lost=True)
        return Observation(stamp, now, episode.image, camera, obstacles=gone)
    return Observation(
        stamp,
        now,
        episode.image,
        camera,
        depth=fusion.depth(stamp, episode.camera),
        attitude=fusion.attitude(stamp),
        floor=fusion.floor(stamp),
        obstacles=fusion.obstacles(stamp),
    )
