"""Frames from all over a bag."""

from __future__ import annotations

from collections.abc import Iterator

from vlam_ros.errors import BagError, ImageError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.ros.images import image_from_message
from vlam_ros.types import Uint8Array


def frames(
    bag: BagReader, topic: str, count: int, notes: Notes
) -> Iterator[tuple[int, int, Uint8Array]]:
    """About `count` frames of a topic, evenly spread: number, receive time (ns) and the image
    uint8[H,W,3] RGB. Of damaged ones `notes` tell.
    """
    step = max(1.0, bag.counts.get(topic, 0) / count)
    due = 0.0
    for number, message in enumerate(bag.messages([topic])):
        if number < due:
            continue
        try:
            image = image_from_message(message.read())
        except (BagError, ImageError) as error:
            notes.add(f"an image is passed over: {error}", once="image")
            continue
        due = max(due + step, number)
        yield number, message.received, image
