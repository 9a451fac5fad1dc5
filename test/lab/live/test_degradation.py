"""A handful of failures over real topics; `vlam evaluate degradation` runs all of them."""

from collections.abc import Iterator

import pytest

from vlam_ros.lab.evaluation.degradation import Fault, FaultySensor
from vlam_ros.lab.live.degradation import FaultInjection, FaultyRobot, running, trial
from vlam_ros.resources import with_profile


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRobot]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlam_ros.lab.live.degradation.private_domain", with_profile)
        with running(tmp_path_factory.mktemp("logs")) as robot:
            yield robot


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("sensor", "failure"),
    [
        (FaultySensor.LIDAR, Fault.LOST),
        (FaultySensor.LIDAR, Fault.HALF_RATE),
        (FaultySensor.IMU, Fault.NOT_FINITE),
        (FaultySensor.CAMERA_INFO, Fault.WRONG_FRAME),
        (FaultySensor.ODOMETRY, Fault.OLD),
    ],
)
def test_the_robot_does_as_it_is_designed_to(
    robot: FaultyRobot, sensor: FaultySensor, failure: Fault
) -> None:
    assert trial(robot, sensor, failure) == ""


def test_only_the_failing_sensor_is_spoilt_and_only_while_it_fails() -> None:
    fault = FaultInjection(FaultySensor.IMU, None)
    assert fault("imu", "a reading") == "a reading"
    fault.failure = Fault.LOST
    assert fault("imu", "a reading") is None
    assert fault("points", "a sweep") == "a sweep"
    fault.failure = Fault.HALF_RATE
    assert [fault("imu", n) for n in range(4)] == [0, None, 2, None]
