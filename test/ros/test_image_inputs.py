"""How many images never came, by the numbers that the middleware tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.subscription import Subscription

from vlam_ros.ros.image_inputs import ImageInputs, Numbers


class FakeNode:
    """Keeps the callbacks by their topics; each topic has one publisher."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Any] = {}

    def create_subscription(self, kind: type, topic: str, callback: Any, profile: Any) -> Any:
        self.callbacks[topic] = callback
        return SimpleNamespace(get_publisher_count=lambda: 1)


def numbered(number: object) -> dict[str, object]:
    return {"publication_sequence_number": number}


def test_what_lies_between_two_numbers_was_lost() -> None:
    numbers = Numbers()
    assert [numbers.lost_before(numbered(n), 1) for n in (7, 8, 11, 12, 1, 2)] == [0, 0, 2, 0, 0, 0]


def test_of_several_publishers_and_without_numbers_nothing_is_said() -> None:
    numbers = Numbers()
    assert [numbers.lost_before(numbered(n), p) for n, p in ((1, 1), (90, 2), (5, 1))] == [0, 0, 0]
    assert [numbers.lost_before(numbered(n), 1) for n in (None, 9)] == [0, 0]
    assert numbers.lost_before({}, 1) == 0


def test_raw_and_compressed_images_are_numbered_apart_and_counted_together() -> None:
    node: Any = FakeNode()
    came: list[str] = []
    inputs = ImageInputs(node, came.append)
    for number, topic in ((1, "image"), (50, "image/compressed"), (3, "image")):
        node.callbacks[topic](f"{topic} {number}", numbered(number))
    node.callbacks["image/compressed"]("image/compressed 53", numbered(53))
    assert inputs.lost == 1 + 2
    assert came == ["image 1", "image/compressed 50", "image 3", "image/compressed 53"]


def test_where_rclpy_tells_no_numbers_images_come_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Subscription, "CallbackType")
    node: Any = FakeNode()
    came: list[str] = []
    inputs = ImageInputs(node, came.append)
    node.callbacks["image"]("an image")
    assert (came, inputs.lost) == (["an image"], 0)
