"""controller_node: action chunks in; out what base, arm and gripper are told, at a steady rate.

A managed node. While it is active `cmd_vel` is published at every tick, with zeros while the robot
is to stand still; what stops it, and why, is in `vlam_ros/control`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, QoSOfferedDeadlineMissedInfo
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Bool, String

from vlam_ros.configuration import ControllerSettings
from vlam_ros.control import Controller
from vlam_ros.control.arm import tool_at
from vlam_ros.ros.commands import (
    arm_message,
    path_message,
    stamped_twist_message,
    tool_pose_message,
    twist_message,
)
from vlam_ros.ros.inputs import ControllerInputs
from vlam_ros.ros.managed import ManagedNode, run_managed
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import ControlReporter
from vlam_ros.ros.topics import advertise
from vlam_ros.types import Command, Halt, VelocityCommand


class ControllerNode(ManagedNode):
    """Feeds a Controller and publishes what it commands."""

    def __init__(self, **node: Any) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("controller_node", **node)
        self._declared = NodeParameters(self, ControllerSettings)
        self._transforms = Transforms(self)
        self.reporter: ControlReporter = ControlReporter(self, self._details)
        create = self.create_lifecycle_publisher
        self._arms = advertise(create, "arm")
        self._grips = advertise(create, "gripper")
        self._replans = advertise(create, "replan")
        self._paths = advertise(create, "~/path")
        self._tools = advertise(create, "~/tool_pose")
        self._velocities: Any = None  # its type is a parameter
        self._controller: Controller | None = None  # while active

    # --------------------------------------------------------------------------- life cycle

    def configure(self) -> None:
        """Check the parameters, advertise cmd_vel."""
        self._settings = self._declared.settings()
        kind = TwistStamped if self._settings.control.stamped_cmd_vel else Twist
        self._velocities = advertise(
            self.create_lifecycle_publisher,
            "cmd_vel",
            kind,
            event_callbacks=PublisherEventCallbacks(deadline=self._on_late),
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen and to command: zero until there is something to follow."""
        self._controller = Controller(self._settings)
        self._inputs = ControllerInputs(
            self, self._settings, self._transforms, self._controller, self.reporter.report_error
        )
        # On the steady clock: the robot must be stopped also when /clock stands still.
        self._ticking = self.steady_timer(1 / self._settings.control.rate, self._tick)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot, then stop commanding."""
        self._publish(Command(halt=Halt.INACTIVE))
        self._velocities.wait_for_all_acked(Duration(seconds=0.5))  # the process may be ending
        if self._controller is not None:
            self.destroy_timer(self._ticking)
            self._inputs.destroy()
            self._controller = None
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up cmd_vel, which may be of another type next time."""
        self.destroy_lifecycle_publisher(self._velocities)
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot first, where the node was active."""
        if self._controller is not None:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    def time_jumped(self) -> None:
        """Start anew: nothing that came is of this time."""
        if self._controller is not None:
            self._controller.reset()

    def _on_late(self, event: QoSOfferedDeadlineMissedInfo) -> None:
        if self._controller is not None:
            self.reporter.late(event.total_count_change)

    # --------------------------------------------------------------------------- out

    def _tick(self) -> None:
        controller = self._controller
        if controller is None:
            return
        try:
            command = controller.command(self.now(), int(self._steady.now().nanoseconds))
        except Exception:  # whatever is wrong, the robot must not go on
            why = traceback.format_exc()
            self.reporter.report_error(why, "command")
            controller.unreadable(why)
            command = Command(halt=Halt.UNREADABLE)
        self._publish(command)
        if (why_missed := controller.missed_event) is not None:
            self.reporter.missed(why_missed)
            self._replans.publish(String(data=why_missed))
        self._show(controller, command)

    def _publish(self, command: Command) -> None:
        self._velocities.publish(self._velocity_message(command.velocity))
        if command.joints is not None:
            within = round(1e9 / self._settings.control.rate)
            names = self._settings.arm.joints
            self._arms.publish(arm_message(names, command.joints, within))
        if command.grip is not None:
            self._grips.publish(Bool(data=command.grip))
        self.reporter.command(command.halt)

    def _velocity_message(self, velocity: VelocityCommand) -> Twist | TwistStamped:
        if self._settings.control.stamped_cmd_vel:
            return stamped_twist_message(velocity, self.now())
        return twist_message(velocity)

    def _show(self, controller: Controller, command: Command) -> None:
        """What is followed, while somebody looks and it is followed."""
        now = self.now()
        if self._paths.get_subscription_count() > 0:
            poses = controller.waypoints(now)
            self._paths.publish(path_message(poses, now, self._inputs.odom_frame))
        if command.joints is not None and self._tools.get_subscription_count() > 0:
            pan, extend, lift = command.joints
            place = tool_at((pan, extend, lift), self._settings.arm)
            self._tools.publish(tool_pose_message(place, now))

    def _check_listeners(self) -> None:
        """Report who waits for cmd_vel of another type: the middleware connects them never."""
        stamped = self._settings.control.stamped_cmd_vel
        own = f"geometry_msgs/msg/{'TwistStamped' if stamped else 'Twist'}"
        for listener in self.get_subscriptions_info_by_topic("cmd_vel"):
            if (other := listener.topic_type) != own:
                self.reporter.report_error(
                    f"cmd_vel: {listener.node_name} listens for {other} and hears nothing, "
                    f"{own} is published: set control.stamped_cmd_vel to {str(not stamped).lower()}"
                    f", or its type to {own}",
                    "cmd_vel",
                )

    def _details(self) -> Mapping[str, str]:
        """For diagnostics."""
        if self._controller is None:
            return {}
        self._check_listeners()
        ages = self._controller.ages(self.now())
        return {
            "older chunks ignored": str(self._controller.ignored),
            **{f"age of {name} (s)": f"{age:.3f}" for name, age in ages.items()},
        }


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    return run_managed(ControllerNode, args)


if __name__ == "__main__":
    sys.exit(main())
