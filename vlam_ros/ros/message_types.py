"""The Python classes of messages by the names of their types."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vlam_ros.errors import BagError


def message_class(kind: str) -> Any:
    """The class of a type such as "sensor_msgs/msg/Image".

    Raises:
        BagError: it is not installed here.
    """
    package, _, name = kind.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise BagError(f"messages of the type {kind} are not installed here") from error
