"""What people get to know of a deciding node: diagnostics every second, complaints in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vlam_ros.ros import qos
from vlam_ros.ros.diagnostics import DecisionStatistics
from vlam_ros.types import Verdict

_PERIOD = 1.0  # s
_COMPLAINT_PERIOD = 2.0  # s; a bad camera would fill the log at its frame rate


class Reporter:
    """Feeds `DecisionStatistics` with steady time and publishes its status."""

    def __init__(self, node: Node, details: Callable[[], Mapping[str, str] | None]) -> None:
        """`details` are values to publish beside the statistics; None while not active."""
        self._node = node
        self._details = details
        # /clock may stand still.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._statistics = DecisionStatistics(self._now())
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.OUTPUT)
        node.create_timer(_PERIOD, self._publish, clock=self._clock)

    def picture(self) -> None:
        """A picture arrived."""
        self._statistics.picture(self._now())

    def decision(self, verdict: Verdict, latency: int | None = None) -> None:
        """A chunk was published, `latency` ns after the stamp of its picture if it had one."""
        self._statistics.decision(self._now(), verdict, latency)

    def complain(self, message: str) -> None:
        """Something that came cannot be used; the node goes on."""
        self._statistics.error(self._now(), message)
        self._node.get_logger().warning(message, throttle_duration_sec=_COMPLAINT_PERIOD)

    def fail(self, message: str) -> None:
        """Something that was asked of the node cannot be done."""
        self._statistics.error(self._now(), message)
        self._node.get_logger().error(message)

    def _publish(self) -> None:
        details = self._details()
        name = f"{self._node.get_name()}: decisions"
        status = self._statistics.status(self._now(), name, details or {})
        if details is None:
            status.message = "not active: configure and activate it"
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _now(self) -> int:
        return int(self._clock.now().nanoseconds)
