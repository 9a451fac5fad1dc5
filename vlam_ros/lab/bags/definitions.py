"""The types of messages: from the bag itself, of this package, or of a ROS distribution."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from textwrap import shorten
from typing import Any

from rosbags.interfaces.typing import Typesdict
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg
from rosbags.typesys import get_typestore as get_store
from rosbags.typesys.store import Typestore

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.stored import StoredTopic
from vlam_ros.resources import resource_path

DEFAULT_DISTRO = "humble"
"""Of bags without definitions: the last that wrote such, and younger ones only added fields."""

_BYTE_ORDERS = (b"\0\0", b"\0\1")
LONGEST = 160
"""Characters of what a parser says, which may quote a whole definition."""
_HEAD = 4
"""Bytes before the fields, of which the first two tell the byte order: big or little endian."""


@lru_cache
def known_types(distro: str = "") -> Typestore:
    """The types of a distribution, as "jazzy", and of this package; Humble's of an unknown one.

    Raises:
        ConfigurationError: this package's own definitions are missing.
    """
    stores = {store.value: store for store in Stores}
    default = stores[f"ros2_{DEFAULT_DISTRO}"]
    types = get_store(stores.get(f"ros2_{distro}", default))
    own: Typesdict = {}
    for path in sorted(resource_path("msg").glob("*.msg")):
        text = path.read_text(encoding="utf-8")
        own.update(get_types_from_msg(text, f"vlam_ros/msg/{path.stem}"))
    types.register(own)
    return types


class Definitions:
    """Deserialises the messages of a bag; a type is looked at when its first message is read."""

    def __init__(self, topics: Iterable[StoredTopic], distro: str) -> None:
        self._distro = distro
        self._stored: dict[str, StoredTopic] = {}
        for topic in topics:
            if topic.definition:
                self._stored.setdefault(topic.type, topic)
        self._types: dict[str, Typestore] = {}

    def deserialise(self, topic: StoredTopic, data: bytes) -> Any:
        """The message in `data`; see `BagMessage.read`."""
        subject = f"a message of {topic.name} ({topic.type or 'no type'}) cannot be read"
        if topic.encoding != "cdr":
            raise BagError(f"{subject}: it is serialised as {topic.encoding!r}, expected 'cdr'")
        types = self._types.get(topic.type)
        if types is None:
            types = self._types[topic.type] = self._find(topic.type, subject)
        try:
            if data[:2] not in _BYTE_ORDERS or len(data) < _HEAD:
                raise SerdeError("it does not begin as CDR does")
            definition = types.get_msgdef(topic.type)
            read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
            # What is behind the last field is ignored, as in ROS: rclpy leaves some bytes behind
            # sequences that are empty, and the check of `rosbags` does not let them pass.
            message, _ = read(memoryview(data)[_HEAD:], 0, definition.cls, types)
            return message
        except Exception as error:  # code made from a definition met arbitrary bytes
            raise BagError(f"{subject}: {_one_line(error)}") from error

    def _find(self, kind: str, subject: str) -> Typestore:
        """The bag's own definition counts, whatever this machine knows under the same name."""
        stored = self._stored.get(kind)
        if stored is None:
            types = known_types(self._distro)
            if kind not in types.fielddefs:
                raise BagError(
                    f"{subject}: neither the bag nor this package knows the type; record it as "
                    "MCAP, which keeps definitions, or convert the bag with ros2 bag convert"
                )
            return types
        types = get_store(Stores.EMPTY)
        try:
            types.register(_parse(stored))
            types.get_msgdef(kind)
        except Exception as error:  # of a parser that met arbitrary text
            raise BagError(
                f"{subject}: its definition in the bag makes no sense ({_one_line(error)})"
            ) from error
        return types


def _parse(topic: StoredTopic) -> Typesdict:
    """The types in a definition, which holds those of all fields too."""
    definition = topic.definition.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if topic.language == "ros2msg":
        return get_types_from_msg(definition, topic.type)
    types: Typesdict = {}
    definition = re.sub(r"(?m)^#include.*$", "", definition)  # what is included follows
    for part in filter(str.strip, definition.split("=" * 80 + "\n")):
        head, _, text = part.partition("\n")
        types.update(get_types_from_idl(text if head.startswith("IDL: ") else part))
    return types


def _one_line(error: Exception) -> str:
    known = isinstance(error, SerdeError | TypesysError) and str(error)
    return shorten(str(error) if known else f"{type(error).__name__} {error}", LONGEST)
