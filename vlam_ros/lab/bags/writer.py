"""Writes bags that `ros2 bag info` and `ros2 bag play` of Jazzy accept, whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
    WriterError,
)

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.definitions import known_types

T = TypeVar("T")

DISTRO = "jazzy"
"""Whose definitions of messages are written."""

_STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_FOREVER = QosTime(9223372036, 854775807)


@dataclass(frozen=True)
class RecordedQos:
    """The quality of service that a topic was published with, and is played with.

    `deadline` is the longest time between messages, `lease` the longest in which a publisher that
    asserts itself does so; ns, None for ever.
    """

    reliable: bool = True
    depth: int = 10
    transient_local: bool = False
    deadline: int | None = None
    lease: int | None = None


class BagWriter:
    """A bag that is being written; it has its name when it is whole, after `close`.

    As a context manager it is closed at the end, and after an exception nothing is left of it.
    Compressed is each chunk of an MCAP file and each message of an SQLite file, with zstd.

    Raises:
        BagError: the storage is unknown, the path exists, or cannot be written to.
    """

    def __init__(self, path: Path, storage: str = "mcap", compression: bool = True) -> None:
        if storage not in _STORAGES:
            raise BagError(f"a bag is stored as {' or '.join(_STORAGES)}, not as {storage!r}")
        check_free(path)
        if storage == "sqlite3" and set(str(path.absolute())) & set("?#%"):
            raise BagError(f"{path}: a path of an SQLite bag cannot hold ?, # or %; write MCAP")
        self._path = path
        self._connections: dict[str, Connection] = {}
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        except OSError as error:
            raise BagError(f"{path} cannot be written: {error.strerror}") from error
        # its files are named like the folder they are in
        self._writer = Writer(
            self._folder / path.name, version=9, storage_plugin=_STORAGES[storage]
        )
        mode = CompressionMode.STORAGE if storage == "mcap" else CompressionMode.MESSAGE
        try:
            if compression:
                self._do(self._writer.set_compression, mode, CompressionFormat.ZSTD)
            self._do(self._writer.open)
        except BagError:
            self.discard()
            raise

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def add(self, topic: str, kind: str, qos: RecordedQos | None = None) -> None:
        """Add a topic with messages of a type, as "sensor_msgs/msg/Image".

        Raises:
            BagError: the type is unknown, or the topic was added before.
        """
        types = known_types(DISTRO)
        if kind not in types.fielddefs:
            raise BagError(f"{topic} cannot be recorded: the type {kind!r} is not known here")
        if topic in self._connections:
            raise BagError(f"{topic} was added to the bag already")
        how = {"typestore": types, "offered_qos_profiles": [_profile(qos or RecordedQos())]}
        self._connections[topic] = self._do(self._writer.add_connection, topic, kind, **how)

    def write(self, topic: str, received: int, data: bytes) -> None:
        """Write a serialised message (CDR), received at a time in ns.

        Raises:
            BagError: the topic was not added, or there is no room left.
        """
        connection = self._connections.get(topic)
        if connection is None:
            raise BagError(f"{topic} was not added to the bag")
        self._do(self._writer.write, connection, received, data)

    def close(self) -> None:
        """Finish the bag and give it its name.

        Raises:
            BagError: it cannot be written, and nothing is left of it.
        """
        if self._closed:
            return
        try:
            self._do(self._writer.close)
            check_free(self._path)
            self._do((self._folder / self._path.name).rename, self._path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing of what is not closed."""
        self._closed = True
        with suppress(OSError, sqlite3.Error):
            self._writer.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _do(self, write: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call something that writes, whose failure is a BagError."""
        try:
            return write(*args, **options)
        except (WriterError, OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise BagError(f"{self._path} cannot be written: {reason}") from error


def check_free(path: Path) -> None:
    """Raise BagError if there is something already."""
    if path.exists() or path.is_symlink():
        raise BagError(f"{path} exists already: choose another name, or delete it first")


def _profile(qos: RecordedQos) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        qos.depth,
        QosReliability.RELIABLE if qos.reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if qos.transient_local else QosDurability.VOLATILE,
        _FOREVER if qos.deadline is None else QosTime(*divmod(qos.deadline, 1_000_000_000)),
        _FOREVER,
        QosLiveliness.AUTOMATIC if qos.lease is None else QosLiveliness.MANUAL_BY_TOPIC,
        _FOREVER if qos.lease is None else QosTime(*divmod(qos.lease, 1_000_000_000)),
        avoid_ros_namespace_conventions=False,
    )
