"""The nodes as processes of their own: signals end them with code 0, vlam_node after a STOP."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
nothing = lambda: None
pipeline = SimpleNamespace(grounder=models, warm_up=nothing, attention=nothing, reset=nothing)
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


@contextmanager
def ending_cleanly(*arguments: str, **pipes: int) -> Iterator[subprocess.Popen[str]]:
    """A node's process that has to end by itself then, with code 0 and no traceback."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **pipes,  # type: ignore[call-overload]
    )
    try:
        yield process
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("state", "arguments"), [("not active", NOT_STARTED), ("active", ["-c", ACTIVE])]
)
def test_a_signal_ends_the_process_cleanly(
    observer: Observer, state: str, arguments: list[str], number: signal.Signals
) -> None:
    with ending_cleanly(*arguments) as process:
        observer.until(lambda: observer.chunks if state == "active" else observer.statuses)
        process.send_signal(number)
    if state == "not active":
        assert observer.statuses[-1].status[0].message.startswith("not active")
    else:
        last = "vlam_node was deactivated"
        observer.until(lambda: observer.chunks[-1].message == last)
        verdict = (observer.chunks[-1].outcome, observer.chunks[-1].reason)
        assert verdict == (Outcome.HOLD, Reason.NO_INSTRUCTION)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fusion_node_cleanly(observer: Observer, number: signal.Signals) -> None:
    with ending_cleanly("-m", "vlam_ros.nodes.fusion_node") as process:
        observer.until(lambda: observer.statuses)
        assert "fusion_node: LiDAR" in [s.name for s in observer.statuses[-1].status], "active"
        process.send_signal(number)


# The same with models that take their time, as importing torch does.
LOADING = """
import sys, time
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.managed import run_managed
def load(settings):
    print("loading", flush=True)
    for _ in range(600):
        time.sleep(0.1)
sys.exit(run_managed(lambda: VlamNode(load)))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_that_loads_its_models(number: signal.Signals) -> None:
    with ending_cleanly("-c", LOADING, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)


def test_further_signals_while_it_ends_do_not_change_the_exit_code(observer: Observer) -> None:
    with ending_cleanly("-c", ACTIVE) as process:
        observer.until(lambda: observer.chunks)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            observer.executor.spin_once(timeout_sec=0.002)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "Error opening YAML file"),
        ("/**: {ros__parameters: {camra: {height: 0.3}}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {camera: {heigt: 0.3}}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {camera: {height: 1}}}", "must be float: write 1.0, not 1"),
        ("/**/fusoin_node: {ros__parameters: {imu: {yaw: 0.3}}}", "did you mean fusion_node?"),
        ("/robot1/fusion_node: {ros__parameters: {imu: {yaw: 0.3}}}", "write /**/fusion_node"),
        ("fusion_node: {ros_parameters: {imu: {yaw: 0.3}}}", "Cannot have a value before"),
    ],
)
def test_a_node_alone_ends_if_its_parameter_file_is_wrong(
    tmp_path: Path, text: str | None, said: str
) -> None:
    file = tmp_path / "robot.yaml"
    if text is not None:
        file.write_text(text)
    command = [sys.executable, "-m", "vlam_ros.nodes.fusion_node"]
    ended = subprocess.run(
        [*command, "--ros-args", "--params-file", str(file)],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "active" not in ended.stderr
    assert "Traceback" not in ended.stderr
