"""The client and a vlam_node in another thread, over real Fast DDS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import rclpy
from policy_world import CAMERA, ToldPerceiver, WordClip, policy, settings, skills, thing
from rclpy.executors import SingleThreadedExecutor

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.live.client import VlamClient
from vlam_ros.lab.live.session import NoAnswerError
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.pipeline import Pipeline
from vlam_ros.ros.camera_info import camera_from_message, camera_to_message
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.mount import Mount
from vlam_ros.types import (
    Camera,
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    PositionSource,
    Reason,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8)
CUP, PLATE = thing("red cup", 1.0, 0.2), thing("blue plate")


class ToldPipeline(Pipeline):
    """Told what it sees; keeps what it is given."""

    def __init__(self) -> None:
        clip: Any = WordClip()
        clip.name, clip.backend, clip.device, clip.precision = "words", "torch", "cpu", "float32"
        perceiver: Any = ToldPerceiver([CUP, PLATE])
        shipped = settings()
        listed = tuple(skills().values())
        super().__init__(clip, perceiver, listed, policy(), shipped.policy, shipped.action)
        self.observations: list[Observation] = []
        self.asked: dict[int, list[str]] = {}

    def attention(self) -> None:
        return None

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        self.observations.append(observation)
        self.asked.setdefault(observation.stamp, []).append(request.text if request else "")
        return super().step(observation, request)


class HardOfHearing(VlamNode):
    """Takes an instruction when it has decided on the next image: that overtook it."""

    late: Any = None

    def _on_instruction(self, message: Any) -> None:
        self.late = message

    def _publish(self, *result: Any) -> None:
        super()._publish(*result)
        if self.late is not None:
            message, self.late = self.late, None
            super()._on_instruction(message)


@dataclass
class Server:
    """Runs a vlam_node in a thread of its own."""

    pipeline: ToldPipeline
    stop: Callable[[], None] = lambda: None

    def start(
        self,
        make: Callable[[Settings], Any] | None = None,
        set_up: Callable[[VlamNode], object] = autostart,
        kind: type[VlamNode] = VlamNode,
        **node: Any,
    ) -> None:
        context, ended = rclpy.Context(), threading.Event()
        rclpy.init(context=context)
        executor = SingleThreadedExecutor(context=context)
        vlam_node = kind(make or (lambda _: self.pipeline), context=context, **node)
        executor.add_node(vlam_node)
        set_up(vlam_node)

        def spin() -> None:
            while not ended.is_set():
                executor.spin_once(timeout_sec=0.05)

        thread = threading.Thread(target=spin)

        def stop() -> None:
            ended.set()
            thread.join()
            vlam_node.trigger_shutdown()
            vlam_node.destroy_node()
            executor.shutdown()
            rclpy.shutdown(context=context)

        self.stop = stop
        thread.start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(ToldPipeline())
    yield server
    server.stop()


@pytest.fixture
def client() -> Iterator[VlamClient]:
    with VlamClient() as client:
        yield client


def test_an_answer_is_the_decision_on_the_image_and_the_instruction(
    server: Server, client: VlamClient
) -> None:
    server.start()
    answer = client.ask(IMAGE, CAMERA, "go to the red cup")
    assert answer.chunk.verdict.outcome is Outcome.EXECUTE
    assert answer.chunk.request.text == "go to the red cup"
    seen = next(o for o in server.pipeline.observations if o.stamp == answer.chunk.stamp)
    assert (seen.image == IMAGE).all()
    assert isinstance(seen.camera, Camera)
    assert (seen.camera.fx, seen.camera.cx, seen.camera.cy) == (50.0, 31.5, 23.5)
    # The stand-off before the cup, within half a bin.
    x, y = ActionTokenizer(answer.chunk.space).decode(answer.chunk.tokens)[-1, 1:3]
    share = 1 - settings().policy.standoff / np.hypot(1.0, 0.2)
    assert (x, y) == pytest.approx((share * 1.0, share * 0.2), abs=0.012)


def test_scene_and_overlay_belong_to_the_chunk(server: Server, client: VlamClient) -> None:
    server.start()
    answer = client.ask(IMAGE, CAMERA, "put the red cup on the blue plate")
    assert answer.scene.stamp == answer.chunk.stamp
    cup, plate = answer.scene.objects
    assert (cup.phrase, cup.box, cup.second_look) == ("red cup", CUP.box, True)
    assert cup.score == pytest.approx(0.9)
    assert cup.position == pytest.approx((1.0, 0.2, 0.0))
    assert cup.source is PositionSource.GROUND_PLANE
    assert (plate.phrase, plate.position) == ("blue plate", None)
    # The image at the overlay's least width, between a header and a footer.
    height, width, _ = answer.overlay.shape
    assert width == 640
    assert height > 480


def test_each_answer_is_for_the_last_instruction_also_if_it_was_said_before(
    server: Server, client: VlamClient
) -> None:
    server.start()
    chunks = [
        client.ask(IMAGE, CAMERA, text).chunk
        for text in ("go to the red cup", "go to the red ball", "go to the red ball")
    ]
    assert [c.verdict.reason for c in chunks] == [Reason.NONE, *[Reason.TARGET_NOT_FOUND] * 2]
    orders = [(c.request.epoch, c.request.sequence) for c in chunks]
    assert orders[0] < orders[1] < orders[2]


def test_an_instruction_that_images_overtake_is_not_answered_with_what_was_asked_before(
    server: Server, client: VlamClient
) -> None:
    server.start(kind=HardOfHearing)
    for text, seen in [("go to the red cup", 1), ("go to the red ball", 0)] * 2:
        answer = client.ask(IMAGE, CAMERA, text)
        assert answer.chunk.request.text == text
        assert len(answer.scene.objects) == seen
        asked = server.pipeline.asked[answer.chunk.stamp]
        assert asked == [text]


def test_the_node_is_found_in_a_namespace_and_by_its_name(server: Server) -> None:
    remap = ["--ros-args", "-r", "__ns:=/robot1", "-r", "__node:=left_eye"]
    server.start(cli_args=remap)
    with VlamClient(namespace="robot1", node_name="left_eye") as client:
        answer = client.ask(IMAGE, CAMERA, "go to the red cup")
    assert answer.chunk.verdict.outcome is Outcome.EXECUTE


def test_without_a_node_the_error_says_so(client: VlamClient) -> None:
    with pytest.raises(NoAnswerError, match=r"waited 0\.2 s in vain for vlam_node to appear in"):
        client.ask(IMAGE, CAMERA, "stop", seconds=0.2)


def test_a_node_that_is_not_configured_is_told_from_one_that_is_not_there(
    server: Server, client: VlamClient
) -> None:
    server.start(set_up=lambda node: None)
    with pytest.raises(NoAnswerError, match="vlam_node to load its models and be configured"):
        client.wait_for_node(2.0)


def test_a_node_that_cannot_be_configured_ends_the_wait_with_its_reason(
    server: Server, client: VlamClient
) -> None:
    def fail(_: Settings) -> None:
        raise ModelError("there are no weights")

    server.start(fail)
    with pytest.raises(
        NoAnswerError, match=r"not active: .*cannot configure: there are no weights"
    ):
        client.wait_for_node(20.0)


def test_an_inactive_node_is_named_as_such(server: Server, client: VlamClient) -> None:
    server.start(set_up=lambda node: node.trigger_configure())
    with pytest.raises(NoAnswerError, match="an action_chunk: is vlam_node active"):
        client.ask(IMAGE, CAMERA, "stop", seconds=2.0)


def test_images_that_the_node_cannot_use_end_in_what_it_said_about_them(
    server: Server, client: VlamClient
) -> None:
    server.start()
    half = replace(CAMERA, width=32)
    with pytest.raises(
        NoAnswerError, match=r"scene and vlam_node/overlay in answer to 'stop'.*for 32x48 images"
    ):
        client.ask(IMAGE, half, "stop", seconds=2.0)


def test_whoever_watches_knows_what_is_waited_for_and_may_give_up(client: VlamClient) -> None:
    def give_up(waiting_for: str) -> None:
        raise InterruptedError(waiting_for)

    with pytest.raises(InterruptedError, match="vlam_node to appear"):
        client.wait_for_node(20.0, give_up)


@pytest.mark.parametrize("distortion", [(), (-0.3, 0.1, 0.001, -0.002, 0.05)])
def test_intrinsics_survive_the_way_through_camera_info(distortion: tuple[float, ...]) -> None:
    camera = replace(CAMERA, fy=51.0, distortion=distortion, frame_id="eye")
    message = camera_to_message(camera, stamp=7_000_000_042)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (7, 42)
    mount = Mount(camera.rotation, camera.position)
    assert repr(camera_from_message(message, mount)) == repr(camera)
