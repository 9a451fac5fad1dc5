"""The least that a node can do with an image: take it and publish its stamp.

What vlam_node takes beyond this is its own overhead. Run as `python -m vlam_ros.lab.live.hop`.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlam_ros.ros.topics import profile

IMAGES, STAMPS = "hop/image", "hop/stamp"


def main() -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
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
