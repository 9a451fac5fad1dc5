"""`vlam evaluate degradation`: the nodes over real topics, while one sensor after another fails.

Each failure begins on a healthy robot, lasts until every deadline has passed, and ends; the robot
must decide as designed while it lasts, name the sensor in its diagnostics, and recover.
"""

from __future__ import annotations

import array
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Imu, PointCloud2
from tqdm import tqdm

from vlam_ros.lab.evaluation.degradation import (
    HEALTHY,
    SECOND,
    Expected,
    Fault,
    FaultySensor,
    expected,
)
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.live.node_process import START_PATIENCE, private_domain
from vlam_ros.lab.live.simulated_robot import SimulatedRobot, simulated_robot
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import Decision

UNKNOWN_FRAME = "nobody_knows"


def without_numbers(message: CameraInfo | Imu | Odometry | PointCloud2) -> Any:
    """The message with NaN and infinity where its numbers were."""
    if isinstance(message, PointCloud2):
        rubbish = np.resize(np.array([np.nan, np.inf], np.float32), len(message.data) // 4)
        message.data = array.array("B", rubbish.tobytes())
    elif isinstance(message, Imu):
        message.angular_velocity.x, message.linear_acceleration.z = math.nan, math.inf
    elif isinstance(message, Odometry):
        message.pose.pose.position.x, message.twist.twist.linear.x = math.nan, math.inf
    else:
        message.k[0], message.k[4] = math.nan, math.inf
    return message


def of_another_frame(message: CameraInfo | Imu | Odometry | PointCloud2) -> Any:
    """The message in a frame that neither parameters nor tf know."""
    if isinstance(message, Odometry):
        message.child_frame_id = UNKNOWN_FRAME
    else:
        message.header.frame_id = UNKNOWN_FRAME
    return message


def at_another_time(message: Any, shift: int) -> Any:
    """The message with its stamp shifted by so many ns."""
    message.header.stamp = time_message(nanoseconds(message.header.stamp) + shift)
    return message


INSTRUCTION = "go to the orange ball"
TOPICS = {
    "camera_info": FaultySensor.CAMERA_INFO,
    "points": FaultySensor.LIDAR,
    "imu": FaultySensor.IMU,
    "odom": FaultySensor.ODOMETRY,
}
LASTS = 3.0
"""Seconds that a failure lasts: all deadlines of the parameters, and diagnostics, are shorter."""
JUDGED = 3
"""Decisions at the end of a failure that must be the designed one."""
PATIENCE = 10.0
"""Seconds for a robot to be healthy, or healthy again."""


@dataclass
class FaultInjection:
    """Lets the messages of one sensor fail, while there is a failure."""

    sensor: FaultySensor = FaultySensor.LIDAR
    failure: Fault | None = None
    _count: int = 0

    def __call__(self, topic: str, message: Any) -> Any:
        """What becomes of a message; None: nothing."""
        if self.failure is None or TOPICS.get(topic) is not self.sensor:
            return message
        if self.failure in (Fault.ABSENT, Fault.LOST):
            return None
        if self.failure is Fault.HALF_RATE:
            self._count += 1
            return message if self._count % 2 else None
        return _FAULTS[self.failure](message)


_FAULTS: dict[Fault, Callable[[Any], Any]] = {
    Fault.NOT_FINITE: without_numbers,
    Fault.WRONG_FRAME: of_another_frame,
    Fault.OLD: lambda message: at_another_time(message, -SECOND),
    Fault.AHEAD: lambda message: at_another_time(message, 10 * SECOND),
}


@dataclass
class FaultyRobot:
    """A robot whose sensors can be made to fail."""

    simulated: SimulatedRobot
    fault: FaultInjection

    def decisions(self, seconds: float) -> Iterator[Decision]:
        """What is decided for so long."""
        it = self.simulated
        return it.client.decisions(it.image, it.camera, INSTRUCTION, seconds, self.watch)

    def comes_to(self, wanted: Expected) -> str:
        """Wait until the designed decision is taken: empty; else what is decided instead."""
        last = "nothing"
        for decision in self.decisions(PATIENCE):
            if wanted.fits(decision):
                return ""
            last = said(decision)
        return last

    def names(self, sensor: FaultySensor) -> bool:
        """Whether diagnostics warn of a sensor."""
        return any(
            name.endswith(f": {sensor.value}") and status.level != b"\0"
            for name, status in self.simulated.client.diagnostics.items()
        )

    def watch(self, waiting_for: str) -> None:
        """Keep it alive while something is waited for."""
        self.simulated.keep_alive()


def evaluate_degradation() -> Report:
    """Let every sensor fail in every way."""
    cells = [(s, f) for s in FaultySensor for f in Fault]
    rows, remarks = [], []
    with TemporaryDirectory() as logs, tqdm(total=len(cells)) as bar:

        def record(sensor: FaultySensor, failure: Fault, error: str) -> None:
            name = f"{sensor.value}: {failure.value}"
            rows.append(Metric(name, float(not error), 1, 1.0))
            remarks.extend([f"{name}: {error}"] if error else [])
            bar.update()

        with running(Path(logs)) as robot:
            for sensor, failure in cells:
                if failure is not Fault.ABSENT:
                    record(sensor, failure, trial(robot, sensor, failure))
        for sensor in FaultySensor:
            with running(Path(logs), FaultInjection(sensor, Fault.ABSENT)) as robot:
                lacking = robot.comes_to(expected(sensor, Fault.ABSENT))
                record(sensor, Fault.ABSENT, lacking and f"decides {lacking}")
    return Report(tuple(rows), {"instruction": INSTRUCTION}, tuple(remarks))


def trial(robot: FaultyRobot, sensor: FaultySensor, failure: Fault) -> str:
    """One failure, from health to health; what was not as designed, empty if all was."""
    if lacking := robot.comes_to(HEALTHY):
        return f"not healthy before it: {lacking}"
    robot.fault.sensor, robot.fault.failure = sensor, failure
    try:
        last: deque[Decision] = deque(robot.decisions(LASTS), maxlen=JUDGED)
        named = robot.names(sensor)
    finally:
        robot.fault.failure = None
    wanted = expected(sensor, failure)
    if len(last) < JUDGED:
        return "hardly anything is decided"
    if wrong := [d for d in last if not wanted.fits(d)]:
        return f"decides {said(wrong[-1])}"
    if named == (failure is Fault.HALF_RATE):
        return "diagnostics warn of it" if named else "diagnostics do not name it"
    if lacking := robot.comes_to(HEALTHY):
        return f"does not recover: {lacking}"
    return ""


def said(decision: Decision) -> str:
    """A decision for people."""
    verdict, target = decision.verdict, decision.plan.target
    source = target.source.name if target else "no target"
    return f"{verdict.outcome.name} {verdict.reason.name} ({source}): {verdict.message}"


@contextmanager
def running(logs: Path, fault: FaultInjection | None = None) -> Iterator[FaultyRobot]:
    """A robot whose nodes run in a ROS domain of their own."""
    fault = fault or FaultInjection()
    os.environ.update(private_domain(os.environ))
    with simulated_robot(DEMO_SCENE, logs, fault_injection=fault) as simulated:
        robot = FaultyRobot(simulated, fault)
        simulated.client.wait_for_node(START_PATIENCE, robot.watch)
        yield robot
