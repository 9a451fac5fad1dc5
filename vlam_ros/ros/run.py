"""The life of a managed node's process: one thread, and a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

SUCCESS = TransitionCallbackReturn.SUCCESS

_SIGNAL_LATENCY = 0.1  # s; while the executor waits, Python does not hear of a signal


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
    if node.get_parameter("autostart").value and node.trigger_configure() == SUCCESS:
        node.trigger_activate()
