"""simulator_node: a robot in a simulated room, with the topics of a real one, and its /clock.

A managed node. While it is active time passes in its room, `simulation.rate` times as fast as on
the wall or as fast as the machine can: it may be late, but it skips nothing. The truth, for those
who judge the robot, is on `~/truth` as JSON, and what it looks like from aside on `~/overview`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory

from vlam_ros.configuration import SimulatorSettings
from vlam_ros.errors import SimulationError
from vlam_ros.lab.live.measured import SensorPublishers
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.diagnostics import LastError
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.managed import ManagedNode, run_managed
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import Reporter
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise, subscribe
from vlam_ros.types import VelocityCommand

if TYPE_CHECKING:
    from vlam_ros.lab.simulation.simulator import Simulator


_SECOND = 10**9


class SimulatorReporter(Reporter):
    """Reports on a simulation: WARN while what came cannot be used, or it is slower than asked."""

    def __init__(
        self, node: Node, time: Callable[[], tuple[int, float] | None], details: Mapping[str, str]
    ) -> None:
        """`time` gives simulated ns and the rate asked for, None while not active; `details` are
        published beside.
        """
        super().__init__(node)
        self._time, self._details = time, details
        self._last: tuple[int, int] | None = None  # steady and simulated, ns
        self._error: LastError | None = None

    def _note(self, now: int, message: str, about: str) -> None:
        self._error = LastError(now, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        status = DiagnosticStatus(name=f"{self._node.get_name()}: simulation")
        values = dict(self._details)
        told = self._time()
        if told is None:
            self._last = None
            status.level, status.message = DiagnosticStatus.STALE, "not active: activate it"
        else:
            simulated, asked = told
            status.level, status.message = DiagnosticStatus.OK, "running"
            values["simulated time (s)"] = f"{simulated / _SECOND:.2f}"
            if self._last is not None and now > self._last[0]:
                rate = (simulated - self._last[1]) / (now - self._last[0])
                values["rate"] = f"{rate:.2f}"
                if rate < 0.9 * asked:
                    status.level = DiagnosticStatus.WARN
                    status.message = f"at {rate:.2f} of real time, this machine can no more"
            self._last = (now, simulated)
        if self._error is not None:
            values["last error"] = self._error.ago(now)
            if self._error.is_recent(now) and status.level == DiagnosticStatus.OK:
                status.level, status.message = DiagnosticStatus.WARN, "something cannot be used"
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return [status]


TICK = 10_000_000
"""ns of simulated time from one /clock to the next."""
ORIGIN = 1_000_000_000
"""ns; the time at the start. At 0 a node would not believe that there is a clock."""
PATIENCE = 200_000_000
"""ns by which the simulation may be late and still makes up for it."""
TRUTH_EVERY = 10
"""Ticks from one truth to the next."""
LOOK_EVERY = 100
"""Ticks from one truth that tells what is visible to the next; it takes a rendering."""
OVERVIEW_EVERY = 20
"""Ticks from one overview to the next."""
OVERVIEW_SIZE = (480, 360)
"""Its width and height, pixels."""


class SimulatorNode(ManagedNode):
    """Lets time pass in a Simulator, tells it the commands, and publishes what it measures."""

    def __init__(self, **node: Any) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("simulator_node", **node)
        self._declared = NodeParameters(self, SimulatorSettings)
        self._details: dict[str, str] = {}
        self.reporter: SimulatorReporter = SimulatorReporter(self, self._time, self._details)
        self._clocks = advertise(self.create_publisher, "/clock")
        self._cameras = advertise(self.create_publisher, "camera_info")
        self._images = advertise(self.create_publisher, "image")
        self._truths = advertise(self.create_publisher, "~/truth")
        self._overviews = advertise(self.create_publisher, "~/overview")
        self._sensors: SensorPublishers | None = None
        self._simulator: Simulator | None = None  # while active

    # --------------------------------------------------------------------------- life cycle

    def configure(self) -> None:
        """Check the parameters, and that there is such a room."""
        # Where MuJoCo is missing, that is why the node cannot be configured.
        from vlam_ros.lab.simulation.rooms import named_room

        self._settings = settings = self._declared.settings()
        self._room = named_room(settings.simulation.scene)
        self._details["scene"] = settings.simulation.scene
        self._sensors = SensorPublishers(self, settings.lidar, arm=True)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the room; the sensors may sit elsewhere the next time."""
        self._end_sensors()
        return super().on_cleanup(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the room as it is at the start, and let time begin."""
        from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR
        from vlam_ros.lab.simulation.simulator import Simulator

        settings, mount = self._settings.simulation, self._settings.lidar
        lidar = replace(ROBOT_LIDAR, mount=(mount.x, mount.y, mount.z))
        try:
            self._simulator = Simulator(self._room, seed=settings.seed, lidar=lidar, origin=ORIGIN)
            self._image_every = max(1, round(1e9 / settings.image_rate / TICK))
            self._ticks = 0
            # The clock first: nothing may come from the future.
            self._publish_clock(self._simulator)
            self._publish_image(self._simulator)
        except SimulationError as error:
            self.reporter.fail(f"cannot simulate: {error}")
            return TransitionCallbackReturn.FAILURE
        velocity = TwistStamped if settings.stamped_cmd_vel else Twist
        self._subscriptions_here = [
            subscribe(self.create_subscription, "cmd_vel", self._on_velocity, velocity),
            subscribe(self.create_subscription, "arm", self._on_arm),
            subscribe(self.create_subscription, "gripper", self._on_gripper),
        ]
        self._period = TICK / settings.rate
        self._due = float(self._steady.now().nanoseconds)
        # Twice as often as ticks are due, so that a tick that took long can be made up for; one
        # tick at a time, so that commands are heard in between.
        self._ticking = self.steady_timer(self._period / 2e9, self._tick)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Time ends, and the room with it."""
        self._end_room()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Time ends, where the node was active."""
        self._end_room()
        self._end_sensors()
        return super().on_shutdown(state)

    def _end_room(self) -> None:
        if self._simulator is not None:
            self.destroy_timer(self._ticking)
            for subscription in self._subscriptions_here:
                self.destroy_subscription(subscription)
            self._simulator.close()
            self._simulator = None

    def _end_sensors(self) -> None:
        if self._sensors is not None:
            for publisher in self._sensors.publishers:
                self.destroy_publisher(publisher)
            self._sensors = None

    # --------------------------------------------------------------------------- in

    def _on_velocity(self, message: Twist | TwistStamped) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        self._tell("cmd_vel", "drive", VelocityCommand(twist.linear.x, twist.angular.z))

    def _on_arm(self, message: JointTrajectory) -> None:
        """Go to the last point; its joints may come in any order."""
        from vlam_ros.lab.simulation.robot import ARM

        positions = message.points[-1].positions if message.points else ()
        told = dict(zip(message.joint_names, positions, strict=False))
        if told.keys() != ARM.keys():
            self.reporter.report_error(f"arm needs a position for each of {', '.join(ARM)}", "arm")
            return
        self._tell("arm", "reach", [told[name] for name in ARM])

    def _on_gripper(self, message: Bool) -> None:
        self._tell("gripper", "grip", message.data)

    def _tell(self, topic: str, command: str, value: Any) -> None:
        try:
            getattr(self._simulator, command)(value)
        except SimulationError as error:
            self.reporter.report_error(f"{topic}: {error}", topic)

    # --------------------------------------------------------------------------- out

    def _tick(self) -> None:
        """Let one tick pass, if it is time, and publish what was measured in it."""
        simulator, sensors = self._simulator, self._sensors
        now = self._steady.now().nanoseconds
        if simulator is None or sensors is None or now < self._due:
            return
        self._due = max(self._due + self._period, now - PATIENCE)
        arrivals = simulator.advance(simulator.now + TICK)
        self._ticks += 1
        self._publish_clock(simulator)
        for arrival in arrivals:
            sensors.publish(arrival.measured)
        if self._ticks % self._image_every == 0:
            self._publish_image(simulator)
        self._tell_watchers(simulator)

    def _tell_watchers(self, simulator: Simulator) -> None:
        """Publish what no robot knows, if it is time and somebody listens."""
        from vlam_ros.lab.simulation.truth import truth_of, truth_to_json

        if self._ticks % TRUTH_EVERY == 0 and self._truths.get_subscription_count() > 0:
            truth = truth_of(simulator, look=self._ticks % LOOK_EVERY == 0)
            self._truths.publish(String(data=truth_to_json(truth)))
        if self._ticks % OVERVIEW_EVERY == 0 and self._overviews.get_subscription_count() > 0:
            overview = simulator.overview(*OVERVIEW_SIZE)
            self._overviews.publish(image_to_message(overview, simulator.now, "map"))

    def _publish_clock(self, simulator: Simulator) -> None:
        self._clocks.publish(Clock(clock=time_message(simulator.now)))

    def _publish_image(self, simulator: Simulator) -> None:
        camera = simulator.camera
        self._cameras.publish(camera_to_message(camera, simulator.now))
        image = simulator.image()
        self._images.publish(image_to_message(image, simulator.now, camera.frame_id))

    def _time(self) -> tuple[int, float] | None:
        """For diagnostics; None while not active."""
        if self._simulator is None:
            return None
        return self._simulator.now, self._settings.simulation.rate


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    return run_managed(SimulatorNode, args)


if __name__ == "__main__":
    sys.exit(main())
