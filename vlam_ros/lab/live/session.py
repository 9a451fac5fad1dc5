"""A ROS node for programs that are none: with a context of its own, spun when they wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

Watch = Callable[[str], None]
"""Called all the while with what is being waited for; may raise to give up."""

Self = TypeVar("Self", bound="Session")


class Session:
    """Takes part in this process's ROS domain until it is closed. Use as a context manager."""

    def __init__(self, name: str, namespace: str = "") -> None:
        """Enter the domain as a node of this name."""
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node(name, context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the ROS domain."""
        self._node.destroy_node()
        self._executor.shutdown()
        rclpy.shutdown(context=self._context)


def ignore(waiting_for: str) -> None:
    """Watches nothing."""
