"""What the managed nodes of this package have in common, and the life of their processes: one
thread, and a clean end on SIGINT and SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
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

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SIGNAL_LATENCY = 0.1  # s; while the executor waits, Python does not hear of a signal


class ManagedNode(LifecycleNode):
    """A node that says why it cannot be configured, and hears of time that jumps back."""

    reporter: Reporter
    configuring = False

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
        self.configuring = True
        try:
            self.configure()
        except VlamError as error:
            self.reporter.fail(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would end the transition and not say why
            self.reporter.fail(f"cannot configure: {traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        finally:
            self.configuring = False
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


class _Ended(BaseException):
    """A signal came while a node was being configured."""


def run_managed(make_node: Callable[[], ManagedNode], args: list[str] | None = None) -> int:
    """Start a node and spin it until a signal, then shut it down.

    rclpy's own handlers would end the context first: the node could not publish its last STOP,
    and an RCLError could surface wherever it is at that moment.

    Returns:
        0 after a signal, whenever it came; 1 if the node was to start by itself and could not.
    """
    node: ManagedNode | None = None
    ended = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        again = ended.is_set()
        ended.set()
        # Loading models takes long, and a launch file kills what does not end in time.
        if node is not None and node.configuring and not again:
            raise _Ended

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RCLError as error:  # wrong arguments or a parameter file that is none
        print(error, file=sys.stderr)
        return 1
    # Not the MultiThreadedExecutor: that of rclpy 7.1.6 starves timers.
    executor = SingleThreadedExecutor()
    node = make_node()
    executor.add_node(node)
    started = True
    try:
        started = autostart(node)
        while started and not ended.is_set():
            executor.spin_once(timeout_sec=_SIGNAL_LATENCY)
    except _Ended:
        pass
    finally:
        # Also after a fault, which must stop the robot as well.
        with suppress(RCLError):  # somebody has shut it down before
            node.trigger_shutdown()
        node.destroy_node()
        executor.shutdown()
        # From here on nothing is lost, and rclpy and Python give the signals back: a second one
        # would end the process with its number.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        rclpy.try_shutdown()
    return 0 if started or ended.is_set() else 1


def autostart(node: LifecycleNode) -> bool:
    """Configure and activate, if the parameter of that name says so; False if that failed."""
    return not node.get_parameter("autostart").value or (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )
