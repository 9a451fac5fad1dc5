"""What is published, byte by byte in a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcap.reader import make_reader
from nav_msgs.msg import Goals
from node_world import NodeWorld
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosLiveliness, QosReliability
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu
from std_msgs.msg import String

import vlam_ros.msg
from vlam_ros.errors import BagError
from vlam_ros.interface import RECORDED
from vlam_ros.lab.bags import BagReader, BagWriter, RecordedQos, recorder
from vlam_ros.lab.bags.recorder import Recorder, in_namespace, recording, weaker
from vlam_ros.lab.replay.roles import ROLES
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise

SECOND = 10**9
ALL = QoSProfile(depth=1000)
FEW = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


class Recording:
    """A recorder whose robot does something, step by step, while it records."""

    def __init__(self, world: NodeWorld, path: Path, *topics: str, **options: Any) -> None:
        self.node, self.path, self.topics = world.other, path, topics
        self.told: list[str] = []
        self.options = {"tell": self.told.append, **options}
        self.recorder: Any = None

    def run(self, *steps: Callable[[], Any]) -> Recorder:
        """Record until the last step says True; each is asked again and again until it does."""
        left = list(steps)

        def goes_on() -> bool:
            while left and left[0]():
                left.pop(0)
            return bool(left)

        with (
            BagWriter(self.path) as writer,
            Recorder(writer, self.topics, **self.options) as self.recorder,
        ):
            self.recorder.record(goes_on)
        return self.recorder

    def heard(self, *publishers: Any) -> Callable[[], bool]:
        """Whether the recorder hears each of these and each is heard."""
        return lambda: all(
            p.get_subscription_count() and self.recorder.hears(p.topic_name) for p in publishers
        )

    def counted(self, topic: str, count: int) -> Callable[[], bool]:
        return lambda: self.recorder.counts[topic] >= count


class Late:
    """A publisher that comes while it is recorded, with one message."""

    def __init__(self, recording: Recording, topic: str, profile: QoSProfile, message: Any) -> None:
        self._recording, self._topic, self._profile = recording, topic, profile
        self._message = message
        self._publisher: Any = None

    def advertise(self) -> bool:
        node = self._recording.node
        self._publisher = node.create_publisher(type(self._message), self._topic, self._profile)
        return True

    def publish(self) -> bool:
        if not self._recording.heard(self._publisher)():
            return False
        self._publisher.publish(self._message)
        return True


def then(publisher: Any, *messages: Any) -> Callable[[], bool]:
    """Publish, once."""

    def step() -> bool:
        for message in messages:
            publisher.publish(message)
        return True

    return step


def texts(path: Path, topic: str = "/a") -> list[str]:
    with BagReader(path) as bag:
        return [m.read().data for m in bag.messages([topic])]


def test_a_bag_holds_the_bytes_types_and_qos_that_were_published(
    world: NodeWorld, tmp_path: Path
) -> None:
    node = world.other
    chunks = advertise(node.create_publisher, "action_chunk")
    imus = node.create_publisher(Imu, "imu", FEW)
    hurried = node.create_publisher(
        String, "said", QoSProfile(depth=9, deadline=Duration(seconds=0.1))
    )
    node.create_publisher(String, "other", ALL)
    chunk = vlam_ros.msg.ActionChunk(instruction="go to the réd cup", trace="x", sequence=7)
    reading = Imu()
    reading.linear_acceleration.z = 9.81
    bag = Recording(world, tmp_path / "drive", "/action_chunk", "/imu", "/said")
    done = bag.run(
        bag.heard(chunks, imus, hurried),
        then(chunks, chunk),
        then(imus, reading),
        then(hurried, String(data="hello")),
        lambda: sum(done_so_far(bag).values()) >= 3,
    )
    assert done.counts == {"/action_chunk": 1, "/imu": 1, "/said": 1}
    assert done.left_out == {}
    assert bag.told == [
        "/action_chunk (vlam_ros/msg/ActionChunk)",
        "/imu (sensor_msgs/msg/Imu)",
        "/said (std_msgs/msg/String)",
    ]
    with BagReader(tmp_path / "drive") as found:
        data = {m.topic: m.data for m in found.messages()}
        (told,) = [m.read() for m in found.messages(["/action_chunk"])]
    assert (told.instruction, told.sequence) == ("go to the réd cup", 7)
    assert data["/said"].startswith(serialize_message(String(data="hello")))
    with AnyReader([tmp_path / "drive"]) as reader:
        offered = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert offered["/imu"].reliability == QosReliability.BEST_EFFORT
    assert offered["/said"].reliability == QosReliability.RELIABLE
    assert offered["/said"].deadline.nsec == SECOND // 10
    assert offered["/action_chunk"].liveliness == QosLiveliness.MANUAL_BY_TOPIC
    assert offered["/action_chunk"].liveliness_lease_duration.nsec == SECOND // 5
    assert {o.durability for o in offered.values()} == {QosDurability.VOLATILE}


def done_so_far(bag: Recording) -> Any:
    return bag.recorder.counts


def test_the_bag_is_as_ros2_bag_of_jazzy_wants_it(world: NodeWorld, tmp_path: Path) -> None:
    chunks = world.other.create_publisher(vlam_ros.msg.ActionChunk, "action_chunk", ALL)
    bag = Recording(world, tmp_path / "drive", "/action_chunk")
    bag.run(
        bag.heard(chunks), then(chunks, vlam_ros.msg.ActionChunk()), bag.counted("/action_chunk", 1)
    )
    about = yaml.safe_load((tmp_path / "drive" / "metadata.yaml").read_text())
    info = about["rosbag2_bagfile_information"]
    assert (info["version"], info["storage_identifier"]) == (9, "mcap")
    assert info["relative_file_paths"] == ["drive.mcap"]
    assert info["message_count"] == info["files"][0]["message_count"] == 1
    assert info["compression_format"] == info["compression_mode"] == ""
    (topic,) = info["topics_with_message_count"]
    meta = topic["topic_metadata"]
    assert meta["serialization_format"] == "cdr"
    assert [sorted(p) for p in meta["offered_qos_profiles"]] == [
        [
            "avoid_ros_namespace_conventions", "deadline", "depth", "durability", "history",
            "lifespan", "liveliness", "liveliness_lease_duration", "reliability",
        ]
    ]  # fmt: skip
    # The hash that rclpy gives the type is that of the definition in the bag.
    (end,) = world.other.get_publishers_info_by_topic("/action_chunk")
    assert meta["type_description_hash"] == str(end.topic_type_hash)
    with (tmp_path / "drive" / "drive.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    (schema,) = summary.schemas.values()
    assert (schema.name, schema.encoding) == ("vlam_ros/msg/ActionChunk", "ros2msg")
    text = schema.data.decode()
    for part in ("ActionSpace", "ActionToken"):
        assert f"MSG: vlam_ros/{part}\n" in text
    assert "uint16[] bins" in text


def test_a_topic_that_appears_later_is_recorded_from_then_on(
    world: NodeWorld, tmp_path: Path
) -> None:
    bag = Recording(world, tmp_path / "drive", "/a", "/b")
    first = world.other.create_publisher(String, "a", ALL)
    late = Late(bag, "b", ALL, String(data="late"))
    bag.run(bag.heard(first), late.advertise, late.publish, bag.counted("/b", 1))
    assert texts(tmp_path / "drive", "/b") == ["late"]


def test_what_was_latched_before_the_recorder_came_is_recorded(
    world: NodeWorld, tmp_path: Path
) -> None:
    latched = world.other.create_publisher(String, "a", LATCHED)
    latched.publish(String(data="where the sensors sit"))
    bag = Recording(world, tmp_path / "drive", "/a")
    bag.run(bag.counted("/a", 1))
    assert texts(tmp_path / "drive") == ["where the sensors sit"]
    with AnyReader([tmp_path / "drive"]) as reader:
        (profile,) = reader.connections[0].ext.offered_qos_profiles
    assert profile.durability == QosDurability.TRANSIENT_LOCAL


def test_a_publisher_that_offers_less_than_the_first_is_heard_as_well(
    world: NodeWorld, tmp_path: Path
) -> None:
    first = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a")
    second = Late(bag, "a", FEW, String(data="best effort"))
    bag.run(
        bag.heard(first),
        then(first, String(data="reliable")),
        bag.counted("/a", 1),
        second.advertise,
        second.publish,
        bag.counted("/a", 2),
    )
    assert texts(tmp_path / "drive") == ["reliable", "best effort"]


def test_less_is_asked_and_never_more() -> None:
    most, few = RecordedQos(transient_local=True), RecordedQos(reliable=False)
    assert weaker(most, most) is most
    assert weaker(few, most) is few
    assert weaker(most, few) == RecordedQos(reliable=False, transient_local=False)
    assert weaker(RecordedQos(), RecordedQos(transient_local=True)) == RecordedQos()


def test_a_type_that_is_not_known_is_left_out_and_said_once(
    world: NodeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.other.create_publisher(Goals, "goals", ALL)
    said = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a", "/goals")
    done = bag.run(bag.heard(said), lambda: done_left_out(bag), bag.counted("/a", 0))
    assert done.left_out.keys() == {"/goals"}
    assert "'nav_msgs/msg/Goals' is not known here" in done.left_out["/goals"]
    assert sorted(bag.told) == ["/a (std_msgs/msg/String)", done.left_out["/goals"]]


def done_left_out(bag: Recording) -> bool:
    return bool(bag.recorder.left_out)


def test_what_had_come_when_the_end_did_is_in_the_bag(world: NodeWorld, tmp_path: Path) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a")
    many = [String(data=str(i)) for i in range(300)]
    done = bag.run(bag.heard(said), then(said, *many))
    assert texts(tmp_path / "drive") == [m.data for m in many]
    assert done.lost["/a"] == 0


def test_what_did_not_come_is_counted(
    world: NodeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "DEPTH", 3)
    said = world.other.create_publisher(String, "a", FEW)
    bag = Recording(world, tmp_path / "drive", "/a")
    many = [String(data=str(i)) for i in range(10)]
    done = bag.run(
        bag.heard(said), then(said, many[0]), bag.counted("/a", 1), then(said, *many[1:])
    )
    assert texts(tmp_path / "drive") == ["0", "7", "8", "9"]
    assert done.lost["/a"] == 6


@pytest.mark.parametrize("said_so", [True, None])
def test_messages_have_the_time_of_the_clock(
    world: NodeWorld, tmp_path: Path, said_so: bool | None
) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    clock = world.other.create_publisher(Clock, "clock", ALL)
    bag = Recording(world, tmp_path / "drive", "/a", use_sim_time=said_so)

    def tick(seconds: float) -> Callable[[], bool]:
        return then(clock, Clock(clock=time_message(round(seconds * SECOND))))

    def say(text: str) -> Callable[[], bool]:
        return then(said, String(data=text))

    bag.run(
        bag.heard(said),
        lambda: clock.get_subscription_count() > 0,
        say("early"), tick(3.0), say("one"), say("two"), tick(3.5), say("three"), tick(3.6),
        say("last"),
    )  # fmt: skip
    with BagReader(tmp_path / "drive") as found:
        times = [(m.received / SECOND, m.read().data) for m in found.messages()]
    expected = [(3.0, "early"), (3.0, "one"), (3.0, "two"), (3.5, "three"), (3.6, "last")]
    assert times == expected


def test_the_bag_ends_where_the_clock_jumps_back(world: NodeWorld, tmp_path: Path) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    clock = world.other.create_publisher(Clock, "clock", ALL)
    bag = Recording(world, tmp_path / "drive", "/a", use_sim_time=True)
    done = bag.run(
        bag.heard(said),
        lambda: clock.get_subscription_count() > 0,
        then(clock, Clock(clock=time_message(5 * SECOND))),
        then(said, String(data="before")),
        then(clock, Clock(clock=time_message(2 * SECOND))),
        then(said, String(data="after")),
        lambda: False,
    )
    assert done.jumped
    assert texts(tmp_path / "drive") == ["before"]


def test_without_a_clock_there_is_no_bag_and_it_is_said_why(
    world: NodeWorld, tmp_path: Path
) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a", use_sim_time=True)
    with pytest.raises(BagError, match=r"there is no /clock; without --use-sim-time"):
        bag.run(bag.heard(said), then(said, String(data="x")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("silent", [True, False])
def test_without_a_clock_the_wall_counts_if_nobody_said_otherwise(
    world: NodeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr(recorder, "LOOKED_FOR_CLOCK", 0.0)
    if not silent:  # there is one that says nothing
        world.other.destroy_publisher(world._clock)
    said = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a", use_sim_time=None)
    before = world.other.get_clock().now().nanoseconds
    two = then(said, String(data="one"), String(data="two"))
    bag.run(bag.heard(said), two, bag.counted("/a", 0 if silent else 2))
    with BagReader(tmp_path / "drive") as found:
        times = [m.received for m in found.messages()]
    assert before < times[0] <= times[1]


def test_by_the_wall_a_message_has_the_time_at_which_it_came_not_at_which_it_was_looked_at(
    world: NodeWorld, tmp_path: Path
) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    bag = Recording(world, tmp_path / "drive", "/a")
    looked: list[int] = []

    def now() -> int:
        return int(world.other.get_clock().now().nanoseconds)

    def busy() -> bool:
        end = now() + SECOND // 5
        while now() < end:
            pass
        looked.append(now())
        return True

    before: list[int] = []
    bag.run(
        bag.heard(said), lambda: before.append(now()) or True, then(said, String(data="x")), busy
    )
    with BagReader(tmp_path / "drive") as found:
        (message,) = found.messages()
    assert before[0] <= message.received < before[0] + SECOND // 10 < looked[0]


def test_recording_on_a_thread_ends_with_a_whole_bag(world: NodeWorld, tmp_path: Path) -> None:
    said = world.other.create_publisher(String, "a", ALL)
    with recording(tmp_path / "drive", ["/a"]) as recorder:
        world.until(lambda: recorder.hears("/a") and said.get_subscription_count())
        said.publish(String(data="x"))
    assert texts(tmp_path / "drive") == ["x"]


def test_after_an_exception_there_is_no_bag(world: NodeWorld, tmp_path: Path) -> None:
    with pytest.raises(KeyError), recording(tmp_path / "drive", ["/a"]):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_by_default_all_is_recorded_that_a_replay_knows() -> None:
    for namespace, prefix in (("", "/"), ("robot1", "/robot1/"), ("/robot1/", "/robot1/")):
        topics = in_namespace(RECORDED, namespace)
        assert {f"{prefix}{role}" for role in ROLES if not role.startswith("tf")} <= set(topics)
        assert {"/tf", "/tf_static", f"{prefix}cmd_vel"} <= set(topics)
        assert len(topics) == len(set(topics))
    assert in_namespace(["image", "/tf"], "robot1") == ("/robot1/image", "/tf")
