"""What a file of a bag holds, whatever its format, and how several are merged into one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from typing import NamedTuple


@dataclass(frozen=True)
class StoredTopic:
    """A topic with its type, as "sensor_msgs/msg/Image", and how its messages are serialised.

    `definition` is the text of the type's definition in the language `language` ("ros2msg",
    "ros2idl"); empty where the file has none.
    """

    name: str
    type: str
    encoding: str
    language: str = ""
    definition: str = ""

    @classmethod
    def of(cls, name: str, kind: str, encoding: str, language: str, text: str) -> StoredTopic:
        """The same, of a type in the old form "sensor_msgs/Image" too."""
        package, _, rest = kind.partition("/")
        full = kind if "/" in rest or not rest else f"{package}/msg/{rest}"
        return cls(name, full, encoding, language, text)


class StoredMessage(NamedTuple):
    """A serialised message; `received` in ns."""

    received: int
    topic: StoredTopic
    data: bytes


class StoredFile:
    """What is known of an open file of a bag.

    `start` and `end` are the receive times (ns) of the first and last message, `counts` the
    messages by topic name; all zero or empty in a file without messages. `damage` says what is
    wrong with the whole file, `cut` whether it ends before its recording did; both are known from
    the beginning. `notes` grow while messages are read. `distro` is the ROS distribution that wrote
    it, empty if the file does not say.
    """

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.topics: list[StoredTopic] = []
        self.counts: dict[str, int] = {}
        self.start = self.end = 0
        self.cut = False
        self.damage = ""
        self.distro = ""
        self._notes = notes

    def note(self, text: str) -> None:
        """Tell of damage, once."""
        if text not in self._notes:
            self._notes.append(text)


class MessageSource(NamedTuple):
    """Messages in order of receive time, none before `start` (ns); read when that has come."""

    start: int
    read: Callable[[], Iterable[StoredMessage]]


def in_order(sources: Iterable[MessageSource]) -> Iterator[StoredMessage]:
    """Merge sources into one stream in order of receive time.

    A source is opened when its first message may be due, so only those that overlap are in memory
    together. Of messages with the same time, those of the earlier source come first.
    """

    def opened(
        number: int, source: MessageSource
    ) -> Iterator[tuple[int, int, StoredMessage | None]]:
        yield source.start, number, None  # not read before this is due
        for message in source.read():
            yield message.received, number, message

    for _, _, message in merge(*(opened(i, source) for i, source in enumerate(sources))):
        if message is not None:
            yield message
