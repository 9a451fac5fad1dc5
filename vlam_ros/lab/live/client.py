"""A client of running nodes: images, other sensors and an instruction out, the answer back.

For programs that have an image rather than a camera driver: the demo, tests, one's own scripts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import String

from vlam_ros.configuration import LidarSettings
from vlam_ros.errors import VlamError
from vlam_ros.lab.live.measured import Measurement, SensorPublishers, as_it_is
from vlam_ros.lab.live.session import LATENCY, NoAnswerError, Session, Watch, ignore
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.decisions import chunk_from_message, plan_from_message, scene_from_message
from vlam_ros.ros.fused import obstacles_from_message
from vlam_ros.ros.images import depth_from_message, image_from_message, image_to_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import advertise, subscribe
from vlam_ros.types import (
    ActionChunk,
    Camera,
    Decision,
    DepthImage,
    Missing,
    Obstacles,
    Plan,
    Scene,
    Uint8Array,
)

IMAGE_PERIOD = 0.2
"""Seconds from one image to the next while an answer is awaited."""
_SENSING = 0.005  # s; LATENCY while sensors are published in between
_KEPT = 8  # images whose answers are kept; an overlay is a megabyte

_CHUNK, _SCENE, _DEPTH, _OBSTACLES = "action_chunk", "scene", "depth", "obstacles"


_NO_SENSORS = Missing("the client has no sensors")


@dataclass(frozen=True)
class NodeDecision:
    """What vlam_node decided on one image. `overlay` is uint8[H,W,3] RGB, and the objects of
    `scene` have NO_MASK. Depth and obstacles are fusion_node's, where the client has sensors.
    """

    chunk: ActionChunk
    scene: Scene
    plan: Plan
    overlay: Uint8Array
    depth: DepthImage | Missing = _NO_SENSORS
    obstacles: Obstacles | Missing = _NO_SENSORS


class VlamClient(Session):
    """Talks to one vlam_node in this process's ROS domain. Use as a context manager."""

    def __init__(
        self,
        namespace: str = "",
        node_name: str = "vlam_node",
        lidar: LidarSettings | None = None,
        fault_injection: Callable[[str, Any], Any] = as_it_is,
    ) -> None:
        """Advertise and subscribe.

        With a `lidar`, where that sits, the client publishes sensors with `measure` and talks to a
        fusion_node as well. `fault_injection` says what becomes of a message of camera_info or a
        sensor, by its topic, before it is published; None: nothing.
        """
        self._server, self._overlay = node_name, f"{node_name}/overlay"
        super().__init__("vlam_client", namespace)
        create, listen = self._node.create_publisher, self._node.create_subscription
        self._cameras = advertise(create, "camera_info")
        self._images = advertise(create, "image")
        self._instructions = advertise(create, "instruction")
        # By the stamp of the image, then by topic.
        self._received: dict[int, dict[str, Any]] = {}
        self._latest: Any = None  # chunk, if there is one
        self._failure = ""
        self._fault_injection = fault_injection
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        outputs = {_CHUNK: _CHUNK, _SCENE: _SCENE, self._overlay: "~/overlay"}
        self._inputs = [self._images, self._cameras, self._instructions]
        self._sensors: SensorPublishers | None = None
        if lidar is not None:
            self._sensors = SensorPublishers(self._node, lidar, fault_injection, arm=True)
            self._inputs += self._sensors.publishers
            outputs |= {_DEPTH: _DEPTH, _OBSTACLES: _OBSTACLES}
        self._whole = set(outputs)
        self._outputs = [
            subscribe(listen, topic, partial(self._on_output, name), name=name)
            for name, topic in outputs.items()
        ]
        subscribe(listen, "/diagnostics", self._on_diagnostics)

    def measure(self, measured: Measurement) -> None:
        """Publish what a sensor measured; its stamp is of this client's clock."""
        if self._sensors is None:
            raise VlamError("this client was made without sensors: tell it where the LiDAR sits")
        self._sensors.publish(measured)

    def wait_for_node(self, seconds: float, watch: Watch = ignore) -> None:
        """Wait until the node is there, has loaded its models, and hears and is heard.

        NoAnswerError if it is not so in time, or the node says that it cannot be configured.
        """
        self.wait(self._unmatched, seconds, watch, self._spin)

    def ask(
        self,
        image: Uint8Array,
        camera: Camera,
        instruction: str,
        seconds: float = 20.0,
        watch: Watch = ignore,
    ) -> NodeDecision:
        """Show an image, say an instruction, and wait for the decision on the two together.

        The image is published again and again, each time with a new stamp, until the node has
        answered one that was published when it had the instruction. One that is under way goes on.

        Args:
            image: uint8[H,W,3] RGB.
            camera: the camera that took it. Its mount does not travel with it: the node must know
                it by its parameters or tf.
            instruction: what to do.
            seconds: after which it is an error, for each of the node, a sign of life of it, its
                taking the instruction, and its answer.
            watch: hears what is being waited for.

        Raises:
            NoAnswerError: saying what did not arrive.
        """
        self.wait_for_node(seconds, watch)
        stamps: set[int] = set()

        next_image = 0.0

        def spin() -> None:
            nonlocal next_image
            if time.monotonic() >= next_image:
                stamps.add(self._show(image, camera))
                next_image = time.monotonic() + IMAGE_PERIOD
            self._spin()

        def until(done: Callable[[], object], lacking: Callable[[], str]) -> None:
            nonlocal next_image
            next_image = time.monotonic()
            self.wait(lambda: "" if done() else lacking(), seconds, watch, spin)

        def taken() -> bool:
            came = under_way or _order(self._latest) > before
            return came and self._latest.instruction == instruction

        def answers() -> list[dict[str, Any]]:
            mine = [r for stamp, r in self._received.items() if stamp in stamps]
            whole = [r for r in mine if self._whole <= r.keys()]
            return [r for r in whole if r[_CHUNK].instruction == instruction]

        # An instruction that comes before the node is active is lost. Any chunk shows that it is,
        # and which instruction was the last before ours.
        self._latest = None
        until(lambda: self._latest, lambda: f"an {_CHUNK}: is {self._server} active?")
        before, last = _order(self._latest), self._latest
        under_way = last.instruction == instruction and last.outcome == last.EXECUTE
        self._received.clear()
        self._instructions.publish(String(data=instruction))
        # Images may overtake it: one that was published too soon can have been decided on twice.
        until(taken, lambda: self._lacking(instruction))
        stamps.clear()
        until(answers, lambda: self._lacking(instruction))
        answer = answers()[0]
        chunk = chunk_from_message(answer[_CHUNK])
        decided = NodeDecision(
            chunk,
            scene_from_message(answer[_SCENE]),
            plan_from_message(answer[_SCENE], chunk),
            image_from_message(answer[self._overlay]),
        )
        if self._sensors is None:
            return decided
        return replace(
            decided,
            depth=depth_from_message(answer[_DEPTH]),
            obstacles=obstacles_from_message(answer[_OBSTACLES]),
        )

    def decisions(
        self,
        image: Uint8Array,
        camera: Camera,
        instruction: str,
        seconds: float,
        watch: Watch = ignore,
    ) -> Iterator[Decision]:
        """Say an instruction once, show an image again and again for so many seconds; yield what
        is decided on it; see `ask`.
        """
        stamps: set[int] = set()
        self._instructions.publish(String(data=instruction))
        end = next_image = time.monotonic()
        end += seconds
        while (now := time.monotonic()) < end:
            watch("a decision")
            if now >= next_image:
                stamps.add(self._show(image, camera))
                next_image = now + IMAGE_PERIOD
            self._executor.spin_once(timeout_sec=_SENSING)
            for stamp in stamps & self._received.keys():
                received = self._received[stamp]
                if {_CHUNK, _SCENE} <= received.keys():
                    stamps.remove(stamp)
                    chunk, scene = chunk_from_message(received[_CHUNK]), received[_SCENE]
                    if chunk.request.text == instruction:
                        plan = plan_from_message(scene, chunk)
                        yield Decision(scene_from_message(scene), plan, chunk.verdict, chunk)

    def _show(self, image: Uint8Array, camera: Camera) -> int:
        """Publish an image with its camera_info; its stamp."""
        stamp = self.now()
        info = self._fault_injection("camera_info", camera_to_message(camera, stamp))
        if info is not None:
            self._cameras.publish(info)
        self._images.publish(image_to_message(image, stamp, camera.frame_id))
        return stamp

    def _spin(self) -> None:
        if self._failure:
            raise NoAnswerError(f"{self._server} is not active: {self._failure}")
        self._executor.spin_once(timeout_sec=_SENSING if self._sensors else LATENCY)

    def _unmatched(self) -> str:
        """What the node does not yet publish or listen to; empty if that is nothing."""
        if any(output.get_publisher_count() == 0 for output in self._outputs):
            return f"{self._server} to appear in ROS domain {self._context.get_domain_id()}"
        if any(publisher.get_subscription_count() == 0 for publisher in self._inputs):
            return f"{self._server} to load its models and be configured"
        return ""

    def _lacking(self, instruction: str) -> str:
        """What of an answer is not there, and what the node says instead."""
        came = {topic for received in self._received.values() for topic in received}
        lacking = sorted(self._whole - came)
        what = f"{' and '.join(lacking) or 'all of one image'} in answer to {instruction!r}"
        if self._latest is None:
            return what
        verdict = chunk_from_message(self._latest).verdict
        return f"{what}; the last chunk says {verdict.outcome.name}: {verdict.message}"

    def _on_output(self, topic: str, message: Any) -> None:
        self._received.setdefault(nanoseconds(message.header.stamp), {})[topic] = message
        if len(self._received) > _KEPT:
            del self._received[next(iter(self._received))]
        if topic == _CHUNK:
            self._latest = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status
            if status.name.startswith(f"{self._server}:"):
                errors = [v.value for v in status.values if v.key == "last error"]
                inactive = status.message.startswith("not active")
                self._failure = errors[0] if errors and inactive else ""


def _order(message: Any) -> tuple[int, int]:
    return message.epoch, message.sequence
