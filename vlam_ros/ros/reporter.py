"""What people get to know of a node: diagnostics every second, errors in the log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vlam_ros.ros.diagnostics import ControlStatistics, DecisionStatistics, SensorStatistics
from vlam_ros.ros.topics import advertise
from vlam_ros.types import Halt, Outcome, Plan, Verdict

_PERIOD = 1.0  # s
_LOG_PERIOD = 2 * 10**9  # ns; a bad camera would fill the log at its frame rate
_LONGEST = 200  # characters of an instruction in the log

_INACTIVE = "not active: configure and activate it"


class Reporter(ABC):
    """Publishes what its statistics say of the node, in steady time: /clock may stand still."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._logged: dict[str, int] = {}
        self.unheard = ""
        """What others publish that the node cannot hear; an error in diagnostics."""
        self._publisher = advertise(node.create_publisher, "/diagnostics")
        node.create_timer(_PERIOD, self._publish, clock=self._clock)

    def report_error(self, message: str, about: str = "") -> None:
        """Something that came cannot be used; the node goes on. The log has it now and then, for
        each thing that errors are about.
        """
        now = self._now()
        self._note(now, message, about)
        if about not in self._logged or now - self._logged[about] >= _LOG_PERIOD:
            self._logged[about] = now
            self._node.get_logger().warning(message)

    def fail(self, message: str) -> None:
        """Something that was asked of the node cannot be done."""
        self._note(self._now(), message, "")
        self._node.get_logger().error(message)

    @abstractmethod
    def _note(self, now: int, message: str, about: str) -> None:
        """Take an error into the statistics."""

    @abstractmethod
    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        """What to publish."""

    def _publish(self) -> None:
        message = DiagnosticArray(status=self._statuses(self._now()))
        if self.unheard:
            name = f"{self._node.get_name()}: inputs"
            error = DiagnosticStatus(level=DiagnosticStatus.ERROR, name=name, message=self.unheard)
            message.status = [*message.status, error]
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _now(self) -> int:
        return int(self._clock.now().nanoseconds)


class DecisionReporter(Reporter):
    """Reports on a deciding node with `DecisionStatistics`."""

    def __init__(self, node: Node, details: Callable[[], Mapping[str, str] | None]) -> None:
        """`details` are values to publish beside the statistics; None while not active."""
        super().__init__(node)
        self._details = details
        self._statistics = DecisionStatistics(self._now())
        self._said = self._step = ""

    def instruction(self, text: str) -> None:
        """An instruction begins."""
        self._said = self._step = ""
        self._node.get_logger().info(f"instruction: {text[:_LONGEST]!r}")

    def image(self) -> None:
        """An image arrived."""
        self._statistics.image(self._now())

    def decision(
        self, verdict: Verdict, latency: int | None = None, plan: Plan | None = None
    ) -> None:
        """A chunk was published, `latency` ns after the stamp of its image if it had one. The log
        has each change of the verdict, and each step of the plan that is begun.
        """
        self._statistics.decision(self._now(), verdict, latency)
        said = f"{verdict.outcome.name} {verdict.reason.name if verdict.reason else ''}".strip()
        step = self._step
        if plan is not None and plan.to_come and verdict.outcome is Outcome.EXECUTE:
            things = (plan.to_come[0].target, plan.to_come[0].destination)
            words = [plan.to_come[0].said, *(thing.phrase for thing in things if thing)]
            step = f"step {plan.current + 1} of {len(plan.steps)}: {', '.join(words)}"
        if said != self._said or step != self._step:
            about = verdict.message if verdict.outcome is not Outcome.EXECUTE else step
            self._node.get_logger().info(f"{said}: {about}" if about else said)
        self._said, self._step = said, step

    def _note(self, now: int, message: str, about: str) -> None:
        self._statistics.error(now, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        details = self._details()
        name = f"{self._node.get_name()}: decisions"
        status = self._statistics.status(now, name, details or {})
        if details is None:
            status.message = _INACTIVE
        return [status]


class SensorReporter(Reporter):
    """Reports on a node that takes in sensors with `SensorStatistics`, a status for each."""

    def __init__(
        self,
        node: Node,
        states: Callable[[], Mapping[str, str] | None],
        details: Callable[[], Mapping[str, str]],
    ) -> None:
        """`states` tells what each sensor is, see `SensorStatistics`; None while not active."""
        super().__init__(node)
        self._states = states
        self._details = details
        self._statistics = SensorStatistics(self._now())

    def message(self, sensor: str) -> None:
        """A message of a sensor arrived, usable or not."""
        self._statistics.message(self._now(), sensor)

    def _note(self, now: int, message: str, about: str) -> None:
        self._statistics.error(now, about, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        name, states = self._node.get_name(), self._states()
        if states is None:
            return [self._statistics.inactive(now, name, _INACTIVE)]
        return self._statistics.statuses(now, name, states, self._details())


class ControlReporter(Reporter):
    """Reports on a controlling node with `ControlStatistics`."""

    def __init__(self, node: Node, details: Callable[[], Mapping[str, str]]) -> None:
        """`details` are values to publish beside the statistics."""
        super().__init__(node)
        self._details = details
        self._statistics = ControlStatistics()

    def command(self, halt: Halt) -> None:
        """A command was given."""
        self._statistics.command(halt)

    def missed(self, why: str) -> None:
        """An event of the gripper passed, and a new chunk was asked for."""
        self._statistics.missed()
        self._node.get_logger().warning(f"a new chunk is asked for: {why}")

    def late(self, times: int) -> None:
        """cmd_vel missed its deadline, because the machine is too slow or too busy."""
        self._statistics.late(times)

    def _note(self, now: int, message: str, about: str) -> None:
        self._statistics.error(now, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        name = f"{self._node.get_name()}: control"
        return [self._statistics.status(now, name, self._details())]
