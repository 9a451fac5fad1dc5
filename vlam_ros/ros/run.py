"""The main loop of a managed node: one thread, and a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.signals import SignalHandlerOptions

_SIGNAL_LATENCY = 0.1  # s; the executor waits in C, where Python cannot see a signal


def run_managed(
    make_node: Callable[[], LifecycleNode],
    start: Callable[[LifecycleNode], None],
    args: Sequence[str] | None,
) -> int:
    """Start a node and spin it until a signal; then shut it down while it can still publish.

    rclpy's own handlers end the context first: the last STOP would be lost, and an RCLError
    could surface wherever the node is at that moment.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    # MultiThreadedExecutor of rclpy 7.1.6 starves timers.
    executor = SingleThreadedExecutor()
    node = make_node()
    executor.add_node(node)
    start(node)
    while not ended.is_set():
        executor.spin_once(timeout_sec=_SIGNAL_LATENCY)
    node.trigger_shutdown()
    node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown()
    return 0
