"""The nodes as processes of their own: signals end them with code 0, vlam_node after a STOP."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from vlam_ros.msg import ActionChunk
from vlam_ros.types import Outcome, Reason

PATIENCE = 30.0

# The node with models that need no checkpoint: without an instruction none is asked anything.
ACTIVE = """
import sys
from types import SimpleNamespace
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.managed import run_managed
models = SimpleNamespace(name="none", backend="none", device="cpu", precision="none", notes=())
pipeline = SimpleNamespace(grounder=models, warm_up=lambda: None, reset=lambda: None)
sys.exit(run_managed(lambda: VlamNode(lambda settings: pipeline)))
"""
NOT_STARTED = ["-m", "vlam_ros.nodes.vlam_node", "--ros-args", "-p", "autostart:=false"]


class Observer:
    """Sees from outside what the process does."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("observer", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.chunks: list[ActionChunk] = []
        self.node.create_subscription(ActionChunk, "action_chunk", self.chunks.append, 10)
        self.statuses: list[DiagnosticArray] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.statuses.append, 10)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.executor.spin_once(timeout_sec=0.05)


@pytest.fixture
def observer() -> Iterator[Observer]:
    observer = Observer()
    yield observer
    observer.node.destroy_node()
    observer.executor.shutdown()
    rclpy.shutdown(context=observer.context)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("state", "arguments"), [("not active", NOT_STARTED), ("active", ["-c", ACTIVE])]
)
def test_a_signal_ends_the_process_cleanly(
    observer: Observer, state: str, arguments: list[str], number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        observer.until(lambda: observer.chunks if state == "active" else observer.statuses)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
    if state == "not active":
        assert observer.statuses[-1].status[0].message.startswith("not active")
    else:
        last = "vlam_node was deactivated"
        observer.until(lambda: observer.chunks[-1].message == last)
        verdict = (observer.chunks[-1].outcome, observer.chunks[-1].reason)
        assert verdict == (Outcome.HOLD, Reason.NO_INSTRUCTION)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fusion_node_cleanly(observer: Observer, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vlam_ros.nodes.fusion_node"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        observer.until(lambda: observer.statuses)
        assert "fusion_node: LiDAR" in [s.name for s in observer.statuses[-1].status], "active"
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
