"""Every failure of every sensor, over fusion and pipeline with the real model, on a moved clock."""

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.evaluation.degradation import (
    HEALTHY,
    SECOND,
    Fault,
    FaultySensor,
    expected,
)
from vlam_ros.lab.evaluation.drive import SensedDrive, feed
from vlam_ros.lab.simulation.motion import Standing
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.sensors import Arrival, LidarSpec
from vlam_ros.lab.simulation.world import World
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
    Uint8Array,
)

GO = "go to the orange ball"
BEFORE, WITHIN, AFTER = 2 * SECOND, 4 * SECOND, 6 * SECOND
FAILING = (2_500_000_000, 4_500_000_000)


@dataclass(frozen=True)
class Recording:
    """A recording of a healthy robot: what arrives, and images (stamps in ns) of one camera."""

    arrivals: Sequence[Arrival]
    image: Uint8Array
    camera: Camera
    images: Sequence[int]


@dataclass(frozen=True)
class FaultDecision:
    """A decision during an episode, and what fusion said of its sensors then."""

    stamp: int
    decision: Decision
    status: dict[str, str]


def degraded(
    arrivals: Sequence[Arrival], sensor: FaultySensor, failure: Fault, start: int, end: int
) -> Iterator[Arrival | tuple[str, str]]:
    """The arrivals with the failure from `start` to `end` (ns).

    A message that cannot even be read comes as (name of the sensor, why).
    """
    kinds = {
        FaultySensor.LIDAR: LidarSweep,
        FaultySensor.IMU: ImuSample,
        FaultySensor.ODOMETRY: Odometry,
    }
    kind, count = kinds.get(sensor), 0
    for arrival in arrivals:
        affected = kind is not None and isinstance(arrival.measured, kind)
        if not affected or not (failure is Fault.ABSENT or start <= arrival.now < end):
            yield arrival
            continue
        count += 1
        if failure is Fault.NOT_FINITE:
            yield sensor.value, _not_finite(arrival)
        elif failure is Fault.WRONG_FRAME:
            yield sensor.value, "its frame is not known"
        elif failure in (Fault.OLD, Fault.AHEAD):
            shift = -SECOND if failure is Fault.OLD else 10 * SECOND
            measured = arrival.measured
            yield replace(arrival, measured=replace(measured, stamp=measured.stamp + shift))
        elif failure is Fault.HALF_RATE and count % 2:
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
    episode: Recording,
    sensor: FaultySensor,
    failure: Fault,
    span: tuple[int, int],
    asked: Sequence[int],
    instruction: str,
) -> list[FaultDecision]:
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
            moments.append(
                FaultDecision(stamp, pipeline.step(seen, request), fusion.status(stamp + wait))
            )
        with suppress(SensorError):  # `status` says so
            feed(fusion, arrival)
    return moments


def _observation(
    fusion: SensorFusion,
    episode: Recording,
    sensor: FaultySensor,
    failure: Fault,
    span: tuple[int, int],
    stamp: int,
    now: int,
) -> Observation:
    """What the nodes know of an image: the calibration they had last, and depth for it only if a
    usable camera_info came with its stamp.
    """
    camera: Camera | Missing = episode.camera
    if sensor is FaultySensor.CAMERA_INFO and failure is Fault.ABSENT:
        return Observation(stamp, now, episode.image, Missing("no camera_info yet"))
    failing = sensor is FaultySensor.CAMERA_INFO and span[0] <= stamp < span[1]
    if failing and failure is not Fault.HALF_RATE:
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


@pytest.fixture(scope="module")
def episode() -> Recording:
    with World() as world:
        world.load(DEMO_SCENE)
        drive = SensedDrive(world, Standing(), np.random.default_rng(3), LidarSpec(columns=360))
        arrivals = list(drive.arrivals(0.0, 6.5))
        return Recording(arrivals, world.render().image, world.camera, (BEFORE, WITHIN, AFTER))


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings.load())


@pytest.mark.parametrize(
    ("sensor", "failure"),
    list(itertools.product(FaultySensor, Fault)),
    ids=lambda value: value.value,
)
def test_the_answer_is_the_designed_one_and_recovers(
    pipeline: Pipeline, episode: Recording, sensor: FaultySensor, failure: Fault
) -> None:
    before, within, after = play(pipeline, episode, sensor, failure, FAILING, episode.images, GO)
    assert expected(sensor, failure).fits(within.decision), within.decision.verdict
    if failure is not Fault.ABSENT:
        assert HEALTHY.fits(before.decision), before.decision.verdict
        assert HEALTHY.fits(after.decision), after.decision.verdict
    if sensor is FaultySensor.CAMERA_INFO:
        return
    states = [
        moment.status[sensor.value].split()[0].strip(":,") for moment in (before, within, after)
    ]
    if failure is Fault.ABSENT:
        assert states == ["absent"] * 3
    elif failure is Fault.HALF_RATE:
        assert states == ["ok"] * 3
    else:
        assert states == ["ok", "lost", "ok"]


def test_a_lost_lidar_is_named_in_the_verdict(pipeline: Pipeline, episode: Recording) -> None:
    _, within, _ = play(
        pipeline, episode, FaultySensor.LIDAR, Fault.NOT_FINITE, FAILING, episode.images, GO
    )
    assert "LiDAR" in within.decision.verdict.message
    assert "no finite value" in within.status["LiDAR"]
