"""What makes data of messages, by the table of topics; needs no ROS, for bags."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from vlam_ros.interface import TOPICS, Topic
from vlam_ros.ros.mount import MountSource, TransformSource
from vlam_ros.ros.stamps import nanoseconds


class Converters:
    """Makes data of messages by the converters of the table, for one node or one bag."""

    def __init__(self, transforms: TransformSource, settings: Any) -> None:
        """Sensors sit where `transforms` say, or else `settings`, those of a node."""
        self._transforms, self._settings = transforms, settings
        self._converters: dict[str, Callable[..., Any]] = {}

    def __call__(self, topic: str, message: Any, now: int) -> Any:
        """The data of a message that came at `now` (ns), which is the stamp where it has none.

        Raises:
            VlamError: the message cannot be used; see the topic's converter.
        """
        row = TOPICS[topic]
        if row.name not in self._converters:
            self._converters[row.name] = self._converter(row)
        convert = self._converters[row.name]
        return convert(message) if hasattr(message, "header") else convert(message, now)

    def _converter(self, row: Topic) -> Callable[..., Any]:
        convert = converter(row)
        if not row.mount:
            return convert
        place = getattr(self._settings, row.mount)
        if isinstance(convert, type):
            return convert(self._transforms, place)
        options = [getattr(place, name) for name in row.sensor.options] if row.sensor else []
        return partial(_placed, convert, MountSource(self._transforms, place), options)


def converter(topic: Topic) -> Any:
    """What makes data of a topic's messages; a class is made for each topic with where to find
    the mount.
    """
    module, _, name = topic.converter.partition(":")
    return getattr(import_module(f"vlam_ros.ros.{module}"), name)


def _placed(
    convert: Callable[..., Any], mounts: MountSource, options: list[Any], message: Any
) -> Any:
    header = message.header
    return convert(message, mounts.mount(header.frame_id, nanoseconds(header.stamp)), *options)
