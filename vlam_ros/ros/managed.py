"""What the managed nodes of this package have in common."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from vlam_ros.errors import VlamError
from vlam_ros.ros.reporter import Reporter


class ManagedNode(LifecycleNode):
    """A node that says why it cannot be configured, and hears of time that jumps back."""

    reporter: Reporter

    def __init__(self, name: str, **node: Any) -> None:
        """`node` are keyword arguments of rclpy's Node."""
        super().__init__(name, **node)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=lambda jump: self.time_jumped(),
        )

    def configure(self) -> None:
        """Check parameters, load, subscribe; raises where that fails."""

    def time_jumped(self) -> None:
        """The node's clock jumped back: a simulator was reset, a bag starts again."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure, or say why not and stay unconfigured."""
        try:
            self.configure()
        except VlamError as error:
            self.reporter.fail(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would end the transition and not say why
            self.reporter.fail(f"cannot configure: {traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Say in the log that the node is at work."""
        self.get_logger().info("active")
        return super().on_activate(state)

    def steady_timer(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """A timer that goes on when /clock stands still."""
        return self.create_timer(seconds, callback, clock=self._steady)

    def now(self) -> int:
        """The node's clock, ns."""
        return int(self.get_clock().now().nanoseconds)
