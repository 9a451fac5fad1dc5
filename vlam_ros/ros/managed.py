"""What the managed nodes of this package have in common, and the life of their processes: one
thread, and a clean end on SIGINT and SIGTERM.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from vlam_ros.errors import VlamError
from vlam_ros.ros.reporter import Reporter

_SIGNAL_LATENCY = 0.1  # s; while the executor waits, Python does not hear of a signal


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


def run_managed(make_node: Callable[[], LifecycleNode], args: list[str] | None = None) -> int:
    """Start a node and spin it until a signal, then shut it down; returns 0.

    rclpy's own handlers would end the context first: the node could not publish its last STOP,
    and an RCLError could surface wherever it is at that moment.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    # Not the MultiThreadedExecutor: that of rclpy 7.1.6 starves timers.
    executor = SingleThreadedExecutor()
    node = make_node()
    executor.add_node(node)
    try:
        autostart(node)
        while not ended.is_set():
            executor.spin_once(timeout_sec=_SIGNAL_LATENCY)
    finally:
        # Also after a fault, which must stop the robot as well.
        with suppress(RCLError):  # somebody has shut it down before
            node.trigger_shutdown()
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
    return 0


def autostart(node: LifecycleNode) -> None:
    """Configure and activate, if the parameter of that name says so and as far as it goes."""
    if (
        node.get_parameter("autostart").value
        and node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    ):
        node.trigger_activate()
