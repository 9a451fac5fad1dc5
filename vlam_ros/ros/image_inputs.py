"""The camera's images, raw or compressed, and how many of them never came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from vlam_ros.interface import VLAM, subscribed_by
from vlam_ros.ros.topics import subscribe


class Numbers:
    """Finds what of a topic did not come by the numbers that publishers give their messages."""

    def __init__(self) -> None:
        self._last: int | None = None

    def lost_before(self, info: Mapping[str, Any], publishers: int) -> int:
        """How many messages are lacking between the last one and this.

        Args:
            info: what the middleware tells of this one; not whose number it is.
            publishers: of the topic. Of more than one nothing can be said.
        """
        number = info.get("publication_sequence_number")
        if not isinstance(number, int) or publishers != 1:
            self._last = None
            return 0
        last, self._last = self._last, number
        return 0 if last is None else max(0, number - last - 1)


class ImageInputs:
    """Hands on every image that is taken from its topic.

    `lost` counts those that were not: with room for one, the middleware drops an image that the
    node was too busy to take before the next came. rclpy before 4 (Humble) does not tell.
    """

    def __init__(self, node: Node, on_image: Callable[[Any], None]) -> None:
        """Subscribe to both transports."""
        self._node = node
        self.lost = 0
        self._subscriptions = [
            self._subscribe(topic.name, on_image)
            for topic in subscribed_by(VLAM)
            if topic.field == "image"
        ]

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, topic: str, on_image: Callable[[Any], None]) -> Subscription:
        numbers = Numbers()

        def on_numbered(message: Any, info: Mapping[str, Any]) -> None:
            self.lost += numbers.lost_before(info, subscription.get_publisher_count())
            on_image(message)

        tells_numbers = hasattr(Subscription, "CallbackType")
        callback: Callable[..., None] = on_numbered if tells_numbers else on_image
        subscription: Subscription = subscribe(self._node.create_subscription, topic, callback)
        return subscription
