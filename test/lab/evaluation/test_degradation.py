"""Every failure of every sensor, over fusion and pipeline with the real model, on a moved clock."""

import itertools

import numpy as np
import pytest

from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.degradation import (
    HEALTHY,
    SECOND,
    Episode,
    Failure,
    Sensor,
    expected,
    play,
)
from vlam_ros.lab.evaluation.drive import SensedDrive
from vlam_ros.lab.simulation.motion import Standing
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.sensors import LidarSpec
from vlam_ros.lab.simulation.world import World
from vlam_ros.pipeline import Pipeline

GO = "go to the orange ball"
BEFORE, WITHIN, AFTER = 2 * SECOND, 4 * SECOND, 6 * SECOND
FAILING = (2_500_000_000, 4_500_000_000)


@pytest.fixture(scope="module")
def episode() -> Episode:
    with World() as world:
        world.load(DEMO_SCENE)
        drive = SensedDrive(world, Standing(), np.random.default_rng(3), LidarSpec(columns=360))
        arrivals = list(drive.arrivals(0.0, 6.5))
        return Episode(arrivals, world.render().image, world.camera, (BEFORE, WITHIN, AFTER))


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings.load())


@pytest.mark.parametrize(
    ("sensor", "failure"),
    list(itertools.product(Sensor, Failure)),
    ids=lambda value: value.value,
)
def test_the_answer_is_the_designed_one_and_recovers(
    pipeline: Pipeline, episode: Episode, sensor: Sensor, failure: Failure
) -> None:
    before, within, after = play(pipeline, episode, sensor, failure, FAILING, episode.images, GO)
    assert expected(sensor, failure).fits(within.decision), within.decision.verdict
    if failure is not Failure.ABSENT:
        assert HEALTHY.fits(before.decision), before.decision.verdict
        assert HEALTHY.fits(after.decision), after.decision.verdict
    if sensor is Sensor.CAMERA_INFO:
        return
    states = [
        moment.status[sensor.value].split()[0].strip(":,") for moment in (before, within, after)
    ]
    if failure is Failure.ABSENT:
        assert states == ["absent"] * 3
    elif failure is Failure.HALF_RATE:
        assert states == ["ok"] * 3
    else:
        assert states == ["ok", "lost", "ok"]


def test_a_lost_lidar_is_named_in_the_verdict(pipeline: Pipeline, episode: Episode) -> None:
    _, within, _ = play(
        pipeline, episode, Sensor.LIDAR, Failure.NOT_FINITE, FAILING, episode.images, GO
    )
    assert "LiDAR" in within.decision.verdict.message
    assert "no finite value" in within.status["LiDAR"]
