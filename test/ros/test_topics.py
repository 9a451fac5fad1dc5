"""The nodes at work subscribe and publish what the table of topics says, and as it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from node_world import HeldPipeline, NodeWorld
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from vlam_ros.interface import ANY, INPUTS, OUTPUTS, TABLE, TOPICS, Topic
from vlam_ros.lab.simulation.simulator_node import SimulatorNode
from vlam_ros.nodes.controller_node import ControllerNode
from vlam_ros.nodes.fusion_node import FusionNode
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.topics import message_class, profile

NODES: dict[str, Callable[..., Any]] = {
    "vlam_node": lambda **node: VlamNode(HeldPipeline, **node),
    "fusion_node": FusionNode,
    "controller_node": ControllerNode,
    "simulator_node": SimulatorNode,
}
FORGOTTEN = 50.0
"""s after which a node that ended without a word is surely forgotten: Fast DDS keeps it for 20."""
OWN = ("/parameter_events", "/rosout", "transition_event")
"""Of every managed node of ROS."""


@pytest.fixture(params=NODES, scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[NodeWorld]:
    world = NodeWorld()
    simulated = {} if request.param == "simulator_node" else {"use_sim_time": True}
    autostart(world.add(NODES[request.param], **simulated))
    yield world
    world.close()


def ends(world: NodeWorld, direction: str) -> dict[str, str]:
    """The type of each topic that the node has an end of, by its name outside of it."""
    ask = getattr(world.node, f"get_{direction}_names_and_types_by_node")
    found = {name: types[0] for name, types in ask(world.node.get_name(), "/")}
    return {name: kind for name, kind in found.items() if not name.endswith(OWN)}


def settled(
    world: NodeWorld,
    direction: str,
    expected: dict[str, str],
    besides: dict[str, str] | None = None,
) -> dict[str, str]:
    """The ends, and `besides`, when they are as expected or FORGOTTEN is at an end: discovery takes
    its time, also to forget the node of this name in the test before.
    """
    end = time.monotonic() + FORGOTTEN
    while (found := ends(world, direction) | (besides or {})) != expected:
        if time.monotonic() > end:
            break
        world.executor.spin_once(timeout_sec=0.02)
    return found


def rows(wanted: Callable[[Topic], bool]) -> dict[str, str]:
    return {f"/{t.path}".replace("//", "/"): t.type for t in TABLE if wanted(t)}


def test_a_node_subscribes_to_what_the_table_says(world: NodeWorld) -> None:
    name = world.node.get_name()
    listed = rows(lambda t: name in t.subscribers)
    if name == "simulator_node":  # the drivers' end of what the controller says
        listed = rows(lambda t: t.name in OUTPUTS)
    transforms = rows(lambda t: "/tf" in t.name)  # only where tf2 is installed
    assert settled(world, "subscriber", listed | transforms, transforms) == listed | transforms


def test_a_node_publishes_what_the_table_says(world: NodeWorld) -> None:
    name = world.node.get_name()
    listed = rows(lambda t: t.publisher in (name, ANY))
    if name == "simulator_node":  # and the drivers' end of what the nodes listen to
        sensors = {"/image", "/camera_info", "/points", "/imu", "/odom", "/joint_states"}
        listed |= {t: TOPICS[t[1:]].type for t in (*sensors, "/gripper_state")}
    assert settled(world, "publisher", listed) == listed


def test_what_a_robot_shares_is_its_sensors_its_user_and_its_drivers() -> None:
    assert INPUTS[:2] == ("image", "image/compressed")
    assert OUTPUTS == ("cmd_vel", "arm", "gripper")
    assert {"instruction", "estop", "imu", "points", "scan"} < set(INPUTS)


@pytest.mark.parametrize("topic", [t for t in TABLE if "tf2" not in t.type], ids=lambda t: t.name)
def test_every_type_is_installed(topic: Topic) -> None:
    assert message_class(topic.type).__name__ == topic.type.rpartition("/")[2]


def summary(profile: QoSProfile) -> tuple[bool, int, bool]:
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    return reliable, profile.depth, profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_a_quality_of_service_is_that_of_the_table() -> None:
    assert summary(profile("image")) == (False, 1, False)
    assert summary(profile("imu")) == (False, 200, False)
    assert summary(profile("instruction")) == (True, 1, False)
    assert summary(profile("/tf_static")) == (True, 1, True)
    assert profile("action_chunk").liveliness_lease_duration.nanoseconds == 200_000_000


def test_a_deadline_is_offered_and_not_asked_for() -> None:
    assert profile("cmd_vel", offered=True).deadline.nanoseconds == 100_000_000
    assert profile("cmd_vel").deadline == profile("arm").deadline
