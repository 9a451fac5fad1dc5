"""The table of topics in terms of rclpy: types, quality of service, publishers, subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)

from vlam_ros.errors import BagError
from vlam_ros.interface import TOPICS, Qos


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


def profile(topic: str, offered: bool = False, qos: Qos | None = None) -> QoSProfile:
    """With what quality of service to listen to a topic, or to publish it if `offered`; another
    `qos` than the table's. A deadline is offered and not asked for, or publishers without one would
    not be heard.
    """
    qos = qos or TOPICS[topic].qos
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


def profiles(topic: str) -> list[QoSProfile]:
    """With what qualities of service to listen to a topic. A reader hears who offers as much as it
    asks for: the last one is heard of everybody, those before it lose nothing of who offers more,
    and only a latched one gets what was published before it.
    """
    qos = TOPICS[topic].qos
    if not qos.every:
        return [profile(topic)]
    kinds = ((True, True), (True, False), (False, False))
    return [profile(topic, qos=replace(qos, reliable=r, latched=late)) for r, late in kinds]


def unheard(node: Node, topic: str) -> str:
    """What somebody publishes on a topic that a node cannot hear, and what to do; "" if all is."""
    for found in node.get_publishers_info_by_topic(topic):
        who = f"{topic}: {found.node_namespace.rstrip('/')}/{found.node_name} publishes it"
        expected = TOPICS[topic].type
        if found.topic_type != expected:
            return f"{who} as {found.topic_type}, which nobody hears: publish {expected}"
        checks = [qos_check_compatible(found.qos_profile, asked) for asked in profiles(topic)]
        if all(compatible == QoSCompatibility.ERROR for compatible, _ in checks):
            return f"{who}, and is not heard: {checks[-1][1].strip().rstrip(';')}"
    return ""


def subscribe(
    create: Callable[..., Any],
    topic: str,
    callback: Callable[..., object],
    kind: type | None = None,
    name: str = "",
    qos: QoSProfile | None = None,
    **options: Any,
) -> Any:
    """A subscription, made by a node's `create` method; of another `kind` where a parameter is the
    type, under another `name` where the publisher has one, with another `qos` than the table's.
    """
    kind = kind or message_class(TOPICS[topic].type)
    return create(kind, name or topic, callback, qos or profile(topic), **options)


def advertise(
    create: Callable[..., Any], topic: str, kind: type | None = None, **options: Any
) -> Any:
    """A publisher, made by a node's `create` method; see `subscribe`."""
    kind = kind or message_class(TOPICS[topic].type)
    return create(kind, topic, profile(topic, offered=True), **options)
