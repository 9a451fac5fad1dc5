"""How long a node takes to answer an image, by the steady clock of the one who shows it.

Run as a program it is the node that is compared with.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlam_ros.lab.live.session import Session, Watch, ignore
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.ros.topics import advertise, profile, subscribe
from vlam_ros.types import Camera, Uint8Array

IMAGES, STAMPS = "hop/image", "hop/stamp"
NODES = ("hop", "vlam_node")
"""Who answers images: the node of `main`, and vlam_node."""
PATIENCE = 1.0
"""Seconds after which an image is taken to be lost: they are sent best effort."""


class AnswerTimes(Session):
    """Shows one image after the other to the nodes in this process's ROS domain. Use as a context
    manager.
    """

    def __init__(self) -> None:
        """Advertise and subscribe."""
        super().__init__("answer_times")
        create, listen = self._node.create_publisher, self._node.create_subscription
        self._images: dict[str, Publisher] = {
            "hop": create(Image, IMAGES, profile("image")),
            "vlam_node": advertise(create, "image"),
        }
        self._cameras = advertise(create, "camera_info")
        self._answered: dict[str, tuple[int, int]] = {}  # the newest stamp, and when it came
        listen(Header, STAMPS, partial(self._on_answer, "hop"), profile("scene"))
        subscribe(listen, "action_chunk", partial(self._on_answer, "vlam_node"))

    def wait_until_answered(
        self, shown: ImageMessages, seconds: float, watch: Watch = ignore
    ) -> None:
        """Wait until both nodes answer; NoAnswerError if one does not in time."""

        def lacking() -> str:
            silent = (node for node in NODES if self.measure(node, shown) is None)
            return next((f"{node} to answer" for node in silent), "")

        self.wait(lacking, seconds, watch)

    def measure(self, node: str, shown: ImageMessages) -> float | None:
        """Milliseconds from publishing an image to a node until its answer is here; None if there
        is none in PATIENCE seconds.
        """
        stamp = self.now()
        shown.image.header.stamp = shown.info.header.stamp = time_message(stamp)
        if node == "vlam_node":  # a camera publishes its calibration with each image
            self._cameras.publish(shown.info)
        begin = time.perf_counter_ns()
        self._images[node].publish(shown.image)
        while (left := begin / 1e9 + PATIENCE - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)
            answered, when = self._answered.get(node, (0, 0))
            if answered == stamp:
                return (when - begin) / 1e6
        return None

    def rest_until(self, when: float) -> None:
        """Let ROS work until the steady clock (`time.perf_counter`) shows a time, s."""
        while (left := when - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_answer(self, node: str, message: Any) -> None:
        header = message if isinstance(message, Header) else message.header
        self._answered[node] = nanoseconds(header.stamp), time.perf_counter_ns()


class ImageMessages:
    """An image uint8[H,W,3] RGB and a calibration as messages, made once: what it takes to make
    them is the camera driver's.
    """

    def __init__(self, image: Uint8Array) -> None:
        height, width, _ = image.shape
        camera = Camera.ideal(width, height, width, np.eye(3), np.zeros(3))
        self.image = image_to_message(image, 0, camera.frame_id)
        self.info = camera_to_message(camera, 0)


def main() -> int:
    """Run a node that does the least with an image, take it and publish its stamp, until SIGINT or
    SIGTERM; returns 0 then. What vlam_node takes beyond this is its own overhead.
    """
    rclpy.init()
    node = Node("hop")
    stamps = node.create_publisher(Header, STAMPS, profile("scene"))
    # Kept until the next, as by a node that works on it. If it were not, its memory would go back
    # to the kernel every time, and taking one of 1920 × 1080 pixels would last twice as long.
    kept: list[Image] = []

    def answer(image: Image) -> None:
        kept[:] = [image]
        stamps.publish(image.header)

    node.create_subscription(Image, IMAGES, answer, profile("image"))
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)
    return 0


if __name__ == "__main__":
    sys.exit(main())
