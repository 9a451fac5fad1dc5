"""vlam_node over real Fast DDS, with a pipeline that the test holds in its hand."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import GetState
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.msg import ActionChunk
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros import decider, qos
from vlam_ros.ros.decisions import hold_chunk
from vlam_ros.ros.images import image_to_message
from vlam_ros.types import (
    Camera,
    Decision,
    InstructionRequest,
    Missing,
    Observation,
    Outcome,
    Plan,
    Reason,
    Scene,
    Verdict,
)

PATIENCE = 20.0
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
GO = "go to the red box"
EXECUTE = (int(Outcome.EXECUTE), int(Reason.NONE))


@dataclass
class HeldPipeline:
    """Executes every instruction at once, unless it is told to wait or to fail."""

    settings: Settings
    observations: list[Observation] = field(default_factory=list)
    resets: int = 0
    busy: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def warm_up(self) -> None:
        self.free.set()

    def reset(self) -> None:
        self.resets += 1

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        self.observations.append(observation)
        self.busy.set()
        assert self.free.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        verdict = Verdict(Outcome.EXECUTE, confidence=0.9)
        if request is None:
            verdict = Verdict(Outcome.HOLD, Reason.NO_INSTRUCTION, "say something")
        stop = hold_chunk(
            self.settings.action,
            observation.stamp,
            request or InstructionRequest(""),
            Verdict(Outcome.DONE),
        )
        chunk = replace(stop, verdict=verdict)
        return Decision(Scene(observation.stamp), Plan(), verdict, chunk)


class World:
    """The node under test and the other end of its topics, spun together by one thread."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.other = Node("other", context=self.context)
        self.executor.add_node(self.other)
        advertise, subscribe = self.other.create_publisher, self.other.create_subscription
        self.images = advertise(Image, "image", 5)
        self.compressed = advertise(CompressedImage, "image/compressed", 5)
        self.infos = advertise(CameraInfo, "camera_info", 5)
        self.instructions = advertise(String, "instruction", 5)
        self.chunks: list[ActionChunk] = []
        self.statuses: list[DiagnosticArray] = []
        self.alive: list[int] = []
        subscribe(
            ActionChunk,
            "action_chunk",
            self.chunks.append,
            replace_depth(qos.ACTION_CHUNK, 100),
            event_callbacks=SubscriptionEventCallbacks(
                liveliness=lambda event: self.alive.append(event.alive_count)
            ),
        )
        subscribe(DiagnosticArray, "/diagnostics", self.statuses.append, 10)
        self.pipelines: list[HeldPipeline] = []
        self.node: Any = None

    def start(self, **overrides: object) -> VlamNode:
        """A node in this world, not yet configured; `__` in a parameter's name stands for a dot."""
        parameters = [Parameter(k.replace("__", "."), value=v) for k, v in overrides.items()]
        self.node = VlamNode(self._make, context=self.context, parameter_overrides=parameters)
        self.executor.add_node(self.node)
        return self.node

    def activate(self, **overrides: object) -> HeldPipeline:
        """An active node, its topics matched with those of this world."""
        self.start(**overrides).autostart()
        publishers = (self.images, self.compressed, self.infos, self.instructions)
        self.until(lambda: all(p.get_subscription_count() for p in publishers))
        self.until(lambda: self.alive[-1:] == [1])
        return self.pipelines[-1]

    def _make(self, settings: Settings) -> HeldPipeline:
        self.pipelines.append(HeldPipeline(settings))
        return self.pipelines[-1]

    def until(self, condition: Callable[[], object]) -> None:
        """Spin until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.executor.spin_once(timeout_sec=0.05)

    def say(self, text: str) -> None:
        self.instructions.publish(String(data=text))

    def picture(self, age: float = 0.0) -> Image:
        """A picture taken `age` seconds ago."""
        stamp = self.node.get_clock().now().nanoseconds - round(age * 1e9)
        return image_to_message(np.full((48, 64, 3), 90, np.uint8), stamp, "camera_optical")

    def show(self, message: Image | None = None) -> int:
        """Publish a picture and spin until the node has it; its stamp."""
        message = message or self.picture()
        self.images.publish(message)
        stamp = stamp_of(message)
        self.until(lambda: self.node._newest and stamp_of(self.node._newest) == stamp)
        return stamp

    def chunk(self, outcome: Outcome, reason: Reason = Reason.NONE) -> ActionChunk:
        """Spin until a chunk with this verdict comes; it and all before it are taken."""
        while True:
            self.until(lambda: self.chunks)
            chunk = self.chunks.pop(0)
            if (chunk.outcome, chunk.reason) == (outcome, reason):
                return chunk

    def moving(self) -> HeldPipeline:
        """An active node that has just sent the motion of its first instruction."""
        pipeline = self.activate()
        self.show()
        self.say(GO)
        self.chunk(Outcome.EXECUTE)
        pipeline.busy.clear()
        return pipeline

    def status(self) -> tuple[bytes, dict[str, str]]:
        """Level and values of the next diagnostics."""
        self.statuses.clear()
        self.until(lambda: self.statuses)
        status = self.statuses[-1].status[0]
        return status.level, {pair.key: pair.value for pair in status.values}

    def close(self) -> None:
        for pipeline in self.pipelines:
            pipeline.free.set()
        if self.node is not None:
            self.node.trigger_shutdown()
            self.node.destroy_node()
        self.other.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


def replace_depth(profile: QoSProfile, depth: int) -> QoSProfile:
    slots = {name[1:]: getattr(profile, name) for name in profile.__slots__}
    return QoSProfile(**{**slots, "depth": depth})


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


# ------------------------------------------------------------------------------ the way through


def test_a_picture_is_answered_by_a_chunk_with_its_stamp_and_the_instruction(world: World) -> None:
    pipeline = world.activate()
    stamp = world.show()
    world.say(GO)
    chunk = world.chunk(Outcome.EXECUTE)
    assert (stamp_of(chunk), chunk.header.frame_id) == (stamp, "base_link")
    assert (chunk.instruction, chunk.sequence) == (GO, 1)
    assert abs(chunk.epoch - time.time_ns()) < 60 * 10**9
    assert pipeline.observations[-1].now >= stamp


def test_without_an_instruction_pictures_are_answered_with_hold(world: World) -> None:
    world.activate()
    stamp = world.show()
    assert stamp_of(world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)) == stamp


def test_compressed_pictures_are_decided_on(world: World) -> None:
    pipeline = world.activate()
    data = cv2.imencode(".png", np.full((48, 64, 3), (1, 2, 3), np.uint8))[1].tobytes()
    message = CompressedImage(format="png", data=array.array("B", data))
    message.header = world.picture().header
    world.compressed.publish(message)
    world.until(lambda: pipeline.observations)
    assert pipeline.observations[0].stamp == stamp_of(message)
    assert pipeline.observations[0].image[0, 0].tolist() == [3, 2, 1]


def test_a_picture_that_comes_by_both_transports_is_decided_on_once(world: World) -> None:
    pipeline = world.activate()
    message = world.picture()
    world.show(message)
    copy = CompressedImage(format="png", data=array.array("B", b"never looked at"))
    copy.header = message.header
    world.compressed.publish(copy)
    world.show()
    world.until(lambda: len(pipeline.observations) == 2)
    world.until(lambda: len(world.chunks) == 2)
    assert {c.reason for c in world.chunks} == {int(Reason.NO_INSTRUCTION)}


def test_the_newest_picture_wins_while_inference_is_slow(world: World) -> None:
    pipeline = world.activate()
    pipeline.free.clear()
    first = world.show()
    world.until(pipeline.busy.is_set)
    newest = [world.show() for _ in range(4)][-1]
    pipeline.free.set()
    world.until(lambda: len(world.chunks) == 2)
    assert [o.stamp for o in pipeline.observations] == [first, newest]
    assert [stamp_of(c) for c in world.chunks] == [first, newest]
    assert world.status()[1]["pictures passed over"] == "3"


def test_ros_goes_on_while_inference_hangs(world: World) -> None:
    pipeline = world.activate()
    pipeline.free.clear()
    world.show()
    world.until(pipeline.busy.is_set)
    world.status()
    world.status()
    assert world.alive == [1], "the lease of 0.2 s lapsed"


def test_overlay_and_markers_are_made_only_while_somebody_looks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(image: Any, decision: Decision, instruction: str) -> Any:
        drawn.append(instruction)
        return image + 1

    monkeypatch.setattr(decider, "draw_overlay", draw)
    world.moving()
    assert drawn == []
    overlays: list[Image] = []
    markers: list[MarkerArray] = []
    world.other.create_subscription(Image, "vlam_node/overlay", overlays.append, 5)
    world.other.create_subscription(MarkerArray, "vlam_node/markers", markers.append, 5)
    world.until(lambda: world.node._outputs.overlay_wanted)
    world.until(lambda: world.node.count_subscribers("vlam_node/markers"))
    stamp = world.show()
    world.until(lambda: overlays and markers)
    assert drawn == [GO]
    assert (stamp_of(overlays[0]), overlays[0].header.frame_id) == (stamp, "camera_optical")
    assert set(overlays[0].data) == {91}


# ------------------------------------------------------------------------------ instructions


@pytest.mark.parametrize("text", ["", "x" * 10_000, "\x00\x01\x02", "colourless green ideas"])
def test_an_invalid_instruction_is_refused_at_once_without_any_picture(
    world: World, text: str
) -> None:
    world.activate()
    world.say(text)
    chunk = world.chunk(Outcome.HOLD, Reason.INSTRUCTION_INVALID)
    assert chunk.sequence == 1
    assert chunk.message


def test_a_new_instruction_stops_the_robot_at_once_and_voids_what_is_under_way(
    world: World,
) -> None:
    pipeline = world.moving()
    pipeline.free.clear()
    world.show()
    world.until(pipeline.busy.is_set)
    world.say("go to the blue ball")
    stop = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert (stop.sequence, stop.instruction) == (2, "go to the blue ball")
    resets = pipeline.resets
    pipeline.free.set()
    assert world.chunk(Outcome.EXECUTE).sequence == 2
    assert pipeline.resets == resets + 1


# ------------------------------------------------------------------------------ bad input


def test_after_a_bad_picture_the_robot_holds_and_the_next_good_one_works(world: World) -> None:
    pipeline = world.moving()
    bad = world.picture()
    bad.step = 5
    stamp = world.show(bad)
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert stamp_of(chunk) == stamp
    assert "step of a 64x48 rgb8 image must be at least 192 bytes, got 5" in chunk.message
    level, values = world.status()
    assert level == DiagnosticStatus.WARN
    assert "step of a 64x48" in values["last error"]
    good = world.show()
    assert stamp_of(world.chunk(Outcome.EXECUTE)) == good
    assert pipeline.observations[-1].stamp == good


def test_a_fault_of_the_pipeline_holds_and_the_node_goes_on(world: World) -> None:
    pipeline = world.moving()
    pipeline.error = RuntimeError("out of memory")
    world.show()
    chunk = world.chunk(Outcome.HOLD, Reason.INTERNAL_ERROR)
    assert chunk.message == "RuntimeError: out of memory"
    assert world.status()[0] == DiagnosticStatus.ERROR
    pipeline.error = None
    world.show()
    world.chunk(Outcome.EXECUTE)


def test_the_camera_is_missing_until_a_usable_camera_info_comes(world: World) -> None:
    pipeline = world.activate()

    def camera_after(info: CameraInfo | None) -> Camera | Missing:
        if info is not None:
            before = world.node._inputs.latest.camera
            world.infos.publish(info)
            world.until(lambda: world.node._inputs.latest.camera is not before)
        seen = len(pipeline.observations)
        world.show()
        world.until(lambda: len(pipeline.observations) > seen)
        return pipeline.observations[-1].camera

    none = camera_after(None)
    assert isinstance(none, Missing)
    assert "no camera_info" in none.reason
    info = CameraInfo(width=64, height=48)
    uncalibrated = camera_after(info)
    assert isinstance(uncalibrated, Missing)
    assert "fx=0" in uncalibrated.reason
    info.k = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
    calibrated = camera_after(info)
    assert isinstance(calibrated, Camera)
    assert calibrated.position.tolist() == [0.10, 0.0, 0.60]


def test_a_camera_info_of_another_size_holds(world: World) -> None:
    world.moving()
    info = CameraInfo(width=640, height=480)
    info.k = [600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]
    world.infos.publish(info)
    world.until(lambda: isinstance(world.node._inputs.latest.camera, Camera))
    world.show()
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert "camera_info is for 640x480 pictures, the image has 64x48" in chunk.message


# ------------------------------------------------------------------------------ time


@pytest.mark.parametrize("use_sim_time", [False, True])
def test_without_pictures_the_node_holds_even_if_its_clock_stands_still(
    world: World, use_sim_time: bool
) -> None:
    world.activate(policy__max_image_age=0.1, use_sim_time=use_sim_time)
    world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)
    world.say(GO)
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert "no picture for 0.1 s" in chunk.message
    world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)


def test_pictures_that_jump_back_in_time_start_everything_anew(world: World) -> None:
    pipeline = world.moving()
    resets = pipeline.resets
    old = world.show(world.picture(age=30.0))
    stop = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert "time jumped back" in stop.message
    assert stamp_of(world.chunk(Outcome.EXECUTE)) == old
    assert pipeline.resets == resets + 1


def test_a_clock_that_jumps_back_starts_everything_anew(world: World) -> None:
    clock = world.other.create_publisher(Clock, "/clock", 1)

    def set_time(seconds: int) -> None:
        message = Clock()
        message.clock.sec = seconds

        def arrived() -> bool:
            clock.publish(message)
            return bool(world.node.get_clock().now().nanoseconds == seconds * 10**9)

        world.until(arrived)

    pipeline = world.activate(use_sim_time=True)
    set_time(100)
    world.show()
    world.say(GO)
    world.chunk(Outcome.EXECUTE)
    resets = pipeline.resets
    set_time(40)
    assert "time jumped back" in world.chunk(Outcome.HOLD, Reason.STALE_SENSOR).message
    world.show()
    assert world.chunk(Outcome.EXECUTE).header.stamp.sec == 40
    assert pipeline.resets == resets + 1


# ------------------------------------------------------------------------------ life cycle


def test_deactivating_stops_the_robot_first_and_lets_the_lease_lapse(world: World) -> None:
    world.moving()
    assert world.node.trigger_deactivate() == SUCCESS
    assert world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION).message == "vlam_node was deactivated"
    world.until(lambda: world.alive[-1] == 0)
    world.images.publish(world.picture())
    world.say(GO)
    world.status()
    assert world.chunks == []


def test_an_activated_again_node_waits_for_a_new_instruction(world: World) -> None:
    world.moving()
    assert world.node.trigger_deactivate() == SUCCESS
    assert world.node.trigger_activate() == SUCCESS
    world.chunks.clear()
    stamp = world.show()
    world.until(lambda: stamp in [stamp_of(c) for c in world.chunks])
    assert {c.reason for c in world.chunks} == {int(Reason.NO_INSTRUCTION)}
    world.say(GO)
    assert world.chunk(Outcome.EXECUTE).sequence == 2


def test_a_node_cleaned_up_can_be_configured_again(world: World) -> None:
    world.activate()
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert getattr(world.node, f"trigger_{transition}")() == SUCCESS
    assert len(world.pipelines) == 2
    world.until(lambda: world.images.get_subscription_count() == 1)
    world.show()
    world.until(lambda: world.pipelines[1].observations)
    assert world.pipelines[0].observations == []


def state(world: World) -> str:
    """The state of the node, asked over its service."""
    client = world.other.create_client(GetState, "vlam_node/get_state")
    world.until(client.service_is_ready)
    future = client.call_async(GetState.Request())
    world.until(future.done)
    return str(future.result().current_state.label)


@pytest.mark.parametrize(
    ("parameter", "bad", "good", "said"),
    [
        ("camera.height", 77.0, 0.5, "camera.height out of range Min: 0.01, Max: 10.0"),
        ("policy.reach", 1, 1.0, "policy.reach' to '1' of type 'INTEGER', expecting type 'DOUBLE'"),
        ("model.device", "gpu", "cpu", "model.device must be one of auto, cpu, cuda, got 'gpu'"),
        ("action.low", [-1.0], [-1.0] * 4, "action.low must have 4 values, got 1"),
    ],
)
def test_a_wrong_parameter_fails_to_configure_with_its_name_until_it_is_mended(
    world: World,
    capfd: pytest.CaptureFixture[str],
    parameter: str,
    bad: object,
    good: object,
    said: str,
) -> None:
    node = world.start(**{parameter.replace(".", "__"): bad})
    node.autostart()
    assert said in capfd.readouterr().err
    assert state(world) == "unconfigured"
    node.set_parameters([Parameter(parameter, value=good)])
    assert node.trigger_configure() == SUCCESS
    assert state(world) == "inactive"


def test_a_misspelt_parameter_fails_to_configure(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    assert world.start(policy__standof=0.5).trigger_configure() == FAILURE
    assert "policy.standof: there is no such parameter" in capfd.readouterr().err


@pytest.mark.parametrize(
    "error", [ModelError("model.safetensors is missing"), RuntimeError("CUDA out of memory")]
)
def test_a_model_that_does_not_load_fails_to_configure_and_the_node_stays(
    world: World, capfd: pytest.CaptureFixture[str], error: Exception
) -> None:
    node = world.start()

    def fail(settings: Settings) -> HeldPipeline:
        raise error

    node._make_pipeline = fail
    node.autostart()
    assert str(error) in capfd.readouterr().err
    assert state(world) == "unconfigured"
    node._make_pipeline = world._make
    assert node.trigger_configure() == SUCCESS


def test_autostart_off_leaves_the_node_to_a_lifecycle_manager(world: World) -> None:
    world.start(autostart=False).autostart()
    assert state(world) == "unconfigured"


def test_each_decision_logs_what_it_consumed(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = world.activate()
    world.node.get_logger().set_level(LoggingSeverity.DEBUG)
    stamp = world.show()
    world.say(GO)
    world.chunk(Outcome.EXECUTE)
    world.node.get_logger().set_level(LoggingSeverity.INFO)
    log = capfd.readouterr().err
    assert f"image {stamp} decided at {pipeline.observations[-1].now}" in log
    assert f"text='{GO}'" in log
