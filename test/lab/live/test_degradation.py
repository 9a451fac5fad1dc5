"""A handful of failures over real topics; `vlam evaluate degradation` runs all of them."""

from collections.abc import Iterator

import pytest

from vlam_ros.lab.evaluation.degradation import Failure, Sensor
from vlam_ros.lab.live.degradation import FaultInjection, FaultyRobot, running, trial
from vlam_ros.ros.dds import with_profile


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
        (Sensor.LIDAR, Failure.LOST),
        (Sensor.LIDAR, Failure.HALF_RATE),
        (Sensor.IMU, Failure.NOT_FINITE),
        (Sensor.CAMERA_INFO, Failure.WRONG_FRAME),
        (Sensor.ODOMETRY, Failure.OLD),
    ],
)
def test_the_robot_does_as_it_is_designed_to(
    robot: FaultyRobot, sensor: Sensor, failure: Failure
) -> None:
    assert trial(robot, sensor, failure) == ""


def test_only_the_failing_sensor_is_spoilt_and_only_while_it_fails() -> None:
    fault = FaultInjection(Sensor.IMU, None)
    assert fault("imu", "a reading") == "a reading"
    fault.failure = Failure.LOST
    assert fault("imu", "a reading") is None
    assert fault("points", "a sweep") == "a sweep"
    fault.failure = Failure.HALF_RATE
    assert [fault("imu", n) for n in range(4)] == [0, None, 2, None]
