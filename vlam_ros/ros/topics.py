"""The table of topics in terms of rclpy: types, quality of service, publishers, subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from vlam_ros.errors import BagError
from vlam_ros.interface import TOPICS


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


def profile(topic: str, offered: bool = False) -> QoSProfile:
    """With what quality of service to listen to a topic, or to publish it if `offered`. A deadline
    is offered and not asked for, or publishers without one would not be heard.
    """
    qos = TOPICS[topic].qos
    further: dict[str, Any] = {}
    if qos.lease is not None:
        further["liveliness"] = LivelinessPolicy.MANUAL_BY_TOPIC
        further["liveliness_lease_duration"] = Duration(seconds=qos.lease)
    if qos.deadline is not None and offered:
        further["deadline"] = Duration(seconds=qos.deadline)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else DurabilityPolicy.VOLATILE,
        **further,
    )


def subscribe(
    create: Callable[..., Any],
    topic: str,
    callback: Callable[..., object],
    kind: type | None = None,
    name: str = "",
    **options: Any,
) -> Any:
    """A subscription, made by a node's `create` method; of another `kind` where a parameter is the
    type, under another `name` where the publisher has one.
    """
    kind = kind or message_class(TOPICS[topic].type)
    return create(kind, name or topic, callback, profile(topic), **options)


def advertise(
    create: Callable[..., Any], topic: str, kind: type | None = None, **options: Any
) -> Any:
    """A publisher, made by a node's `create` method; see `subscribe`."""
    kind = kind or message_class(TOPICS[topic].type)
    return create(kind, topic, profile(topic, offered=True), **options)
