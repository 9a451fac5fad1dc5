"""A bag played to whoever listens: what is published, when, and with which time on /clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bags import Recorded
from node_world import NodeWorld
from rclpy.node import Node
from rclpy.serialization import serialize_message
from replayed import MS, SECOND, written
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Imu, PointCloud2
from std_msgs.msg import Bool, String

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay import player as bag_player
from vlam_ros.lab.replay.player import BagPlayer, Pace, Step
from vlam_ros.lab.replay.roles import FUSED, ROLES, assign
from vlam_ros.lab.replay.timed import Cue
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.ros.topics import message_class

START = 1_700_000_000 * SECOND


class Clockwork:
    """A steady clock that goes on when somebody waits."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


def at(ms: float, role: str, message: Any = None, prefix: str = "/robot1/") -> Recorded:
    """A message of a role, received and stamped some ms after START."""
    now = START + round(ms * MS)
    if message is None:
        message = _message(role)
    if hasattr(message, "header"):
        message.header.stamp = time_message(now)
    return Recorded(f"{prefix}{role}", ROLES[role], now, serialize_message(message))


def _message(role: str) -> Any:
    if role == "image":
        return image_to_message(np.full((3, 4, 3), 7, np.uint8), 0, "camera")
    return message_class(ROLES[role])()


@dataclass
class Played:
    """What was heard of a bag: by role the bytes, by time (ms) the clock; and the steps."""

    steps: list[Step] = field(default_factory=list)
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def roles(self) -> list[str]:
        return [role for role, _ in self.heard]

    def texts(self) -> list[Any]:
        return [data for role, data in self.heard if role == "instruction"]


def play(
    world: NodeWorld, path: Path, messages: Sequence[Recorded], rate: float | None = 1.0, **how: Any
) -> Played:
    """Play messages, at once but by a clock that says how long it would have taken."""
    options = {k: how.pop(k) for k in ("script", "plays_fused") if k in how}
    mapping = how.pop("mapping", {})
    steady, played, notes = Clockwork(), Played(), Notes()

    def spin(seconds: float) -> None:
        steady.now += seconds
        world.executor.spin_once(timeout_sec=0.0)

    with BagReader(written(path, messages)) as bag:
        player = BagPlayer(
            world.other, bag, assign(bag.topics, mapping), notes, steady=steady, **options
        )
        clock = partial(lambda m: played.clock.append((nanoseconds(m.clock) - START) / MS))
        world.other.create_subscription(Clock, "/clock", clock, 1000)
        for topic in player.topics:
            role = topic[1:]
            world.other.create_subscription(
                message_class(ROLES[role]),
                topic,
                partial(lambda role, data: played.heard.append((role, data)), role),
                1000,
                raw=True,
            )
        ticks, tick = [], player.tick

        def count(now: int) -> None:
            ticks.append(now)
            tick(now)

        player.tick = count  # type: ignore[method-assign]
        publishers = [player._clock, *player._publishers.values()]
        world.until(lambda: all(p.get_subscription_count() for p in publishers))
        begin = steady.now
        played.steps = list(player.play(rate, spin, **how))
        played.seconds = steady.now - begin
        sent = [s.message for s in played.steps if s.message is not None]
        expected = sum(player._plays(m.role) for m in sent) + len(options.get("script", ()))
        world.until(lambda: len(played.heard) >= expected and len(played.clock) == len(ticks))
    played.notes = notes.lines
    return played


def test_what_is_published_are_the_bytes_of_the_bag_under_our_names_in_its_order(
    world: NodeWorld, tmp_path: Path
) -> None:
    reading = Imu()
    reading.linear_acceleration.z = 9.81
    messages = [
        at(0, "image"), at(4, "imu", reading), at(8, "points"),
        at(8, "gripper_state", Bool(data=True)),
        at(9, "instruction", String(data="go to the réd cup")), at(12, "camera_info"),
    ]  # fmt: skip
    played = play(world, tmp_path / "bag", messages)
    assert sorted(played.heard) == sorted(
        (m.topic.removeprefix("/robot1/"), m.data) for m in messages
    )
    order = [s.message.role for s in played.steps if s.message]
    assert order == ["image", "imu", "points", "gripper_state", "instruction", "camera_info"]
    assert played.notes == ()


def test_topics_of_other_names_are_played_under_ours(world: NodeWorld, tmp_path: Path) -> None:
    front = at(0, "image")._replace(topic="/front/image_raw")
    side = at(5, "image")._replace(topic="/side/image_raw")
    played = play(world, tmp_path / "bag", [front, side], mapping={"image": "/side/image_raw"})
    assert played.heard == [("image", side.data)]


def test_what_the_nodes_say_is_not_played_to_them(world: NodeWorld, tmp_path: Path) -> None:
    said = ("action_chunk", "scene", "decision_inputs")
    messages = [at(i, role) for i, role in enumerate(("image", "points", "imu", *FUSED, *said))]
    played = play(world, tmp_path / "raw", messages)
    assert sorted(played.roles()) == ["image", "imu", "points"]
    fused = play(world, tmp_path / "fused", messages, plays_fused=True)
    assert sorted(fused.roles()) == sorted(["image", "imu", *FUSED])


@pytest.mark.parametrize(("rate", "seconds"), [(1.0, 2.0), (2.0, 1.0), (0.5, 4.0), (None, 0.4)])
def test_it_takes_as_long_as_its_recording_by_the_rate(
    world: NodeWorld, tmp_path: Path, rate: float | None, seconds: float
) -> None:
    messages = [at(0, "image"), at(500, "imu"), at(2000, "imu")]
    assert play(world, tmp_path / "bag", messages, rate).seconds == pytest.approx(seconds, abs=0.01)


def test_the_clock_goes_on_between_messages(world: NodeWorld, tmp_path: Path) -> None:
    played = play(world, tmp_path / "bag", [at(0, "image"), at(95, "imu")], run_out=30 * MS)
    assert played.clock == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]
    assert played.steps[-1] == Step(START + 125 * MS, stop=True)
    assert [s.stop for s in played.steps].count(True) == 1


def test_the_clock_says_the_time_of_a_image_before_it_comes(
    world: NodeWorld, tmp_path: Path
) -> None:
    played = play(world, tmp_path / "bag", [at(0, "imu"), at(23, "image"), at(27, "imu")])
    assert played.clock == [0, 10, 20, 23]


def test_ten_times_as_fast_the_clock_does_not_tick_ten_times_as_often(
    world: NodeWorld, tmp_path: Path
) -> None:
    played = play(world, tmp_path / "bag", [at(0, "image"), at(1000, "imu")], rate=10.0)
    assert played.clock == [i * 100 for i in range(11)]


def test_of_a_long_gap_one_second_is_waited_and_then_the_clock_jumps(
    world: NodeWorld, tmp_path: Path
) -> None:
    two_hours = 2 * 3600 * 1000
    messages = [at(0, "image"), at(4000, "imu"), at(two_hours, "imu"), at(two_hours + 100, "imu")]
    played = play(world, tmp_path / "bag", messages)
    assert played.seconds == pytest.approx(4.0 + 1.0 + 0.1, abs=0.01)
    jumps = [b - a for a, b in zip(played.clock, played.clock[1:], strict=False) if b - a > 10]
    assert jumps == [two_hours - 5000]


def test_where_time_jumps_back_it_stops_first_and_the_clock_jumps_too(
    world: NodeWorld, tmp_path: Path
) -> None:
    """Recorded by the wall, of a simulation that began anew: its stamps jump back."""
    once = [at(0, "image"), at(2000, "image")]
    again = [at(500, "image"), at(600, "image")]
    wall = [m._replace(received=START + (3600 + i) * SECOND) for i, m in enumerate((*once, *again))]
    played = play(world, tmp_path / "bag", wall, run_out=50 * MS)
    shown = [(round((s.now - START) / MS), bool(s.message), s.stop) for s in played.steps]
    told = [s for s in shown if s[1] or s[2]]
    assert told == [
        (0, True, False), (2000, True, False), (2050, False, True),
        (500, True, False), (600, True, False), (650, False, True),
    ]  # fmt: skip
    backwards = [b for a, b in zip(played.clock, played.clock[1:], strict=False) if b < a]
    assert backwards == [500]


def test_a_bag_can_be_played_again(world: NodeWorld, tmp_path: Path) -> None:
    with BagReader(written(tmp_path / "bag", [at(0, "image"), at(50, "imu")])) as bag:
        player = BagPlayer(world.other, bag, assign(bag.topics, {}), Notes())
        rounds = [
            [
                (s.now - START, s.message and s.message.role, s.stop)
                for s in player.play(100.0, wait)
            ]
            for _ in range(2)
        ]
    assert rounds[0] == rounds[1]


def wait(seconds: float) -> None:
    """Passes the time by looking at the clock."""


def test_a_script_takes_the_place_of_the_bags_instructions(
    world: NodeWorld, tmp_path: Path
) -> None:
    messages = [
        at(0, "image"), at(10, "instruction", String(data="the bag's own")), at(1000, "imu"),
        at(1500, "imu"),
    ]  # fmt: skip
    script = (Cue(0.0, "go to the red cup"), Cue(1.2, "stop"))
    played = play(world, tmp_path / "bag", messages, script=script)
    expected = [serialize_message(String(data=cue.text)) for cue in script]
    assert played.texts() == expected
    without = play(world, tmp_path / "none", [messages[0], messages[2]], script=script[:1])
    assert without.texts() == expected[:1]


def test_without_a_rate_images_that_follow_too_soon_are_left_out(
    world: NodeWorld, tmp_path: Path
) -> None:
    messages = [at(ms, "image") for ms in (0, 100, 300, 400, 450, 800)]
    every = [0, 100, 300, 400, 450, 800]

    def shown(rate: float | None, period: float, name: str) -> list[int]:
        played = play(world, tmp_path / name, messages, rate, period=round(period * SECOND))
        return [round((s.now - START) / MS) for s in played.steps if s.message]

    assert shown(None, 0.4, "period") == [0, 400, 800]
    assert shown(None, 0.0, "every") == every
    assert shown(1.0, 0.4, "rate") == every


def test_what_is_not_installed_here_is_not_played_and_said(
    world: NodeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_ours(kind: str) -> Any:
        if kind == "sensor_msgs/msg/Imu":
            raise BagError("messages of the type sensor_msgs/msg/Imu are not installed here")
        return message_class(kind)

    monkeypatch.setattr(bag_player, "message_class", only_ours)
    played = play(world, tmp_path / "bag", [at(0, "image"), at(5, "imu")])
    assert played.roles() == ["image"]
    assert played.notes == (
        "imu is not played: messages of the type sensor_msgs/msg/Imu are not installed here",
    )


def test_it_tells_which_node_does_not_listen_yet(world: NodeWorld, tmp_path: Path) -> None:
    messages = [at(0, "image"), at(0, "camera_info"), at(0, "points")]
    with BagReader(written(tmp_path / "bag", messages)) as bag, ExitStack() as nodes:
        player = BagPlayer(world.other, bag, assign(bag.topics, {}), Notes())

        def node(name: str, **topics: type) -> None:
            found = Node(name, context=world.context)
            nodes.callback(found.destroy_node)
            for topic, kind in {"clock": Clock, **topics}.items():
                found.create_subscription(kind, f"/{topic}", print, 1)

        # A recorder, which is no node that decides.
        node(
            "recorder",
            image=message_class(ROLES["image"]),
            camera_info=CameraInfo,
            points=PointCloud2,
        )
        world.until(lambda: world.other.count_subscribers("/points") == 1)
        assert player.unheard() == "vlam_node to listen to /clock"
        node("vlam_node", image=message_class(ROLES["image"]))
        world.until(lambda: player.unheard() == "vlam_node to listen to /camera_info")
        node("fusion_node", camera_info=CameraInfo)
        other = world.other
        ends = lambda: other.get_subscriptions_info_by_topic("/camera_info")  # noqa: E731
        world.until(lambda: len(ends()) == 2)
        assert player.unheard() == "vlam_node to listen to /camera_info"


# ------------------------------------------------------------------------------------ its pace


def test_a_pace_tells_how_long_it_is_to_a_time() -> None:
    steady = Clockwork()
    pace = Pace(2.0, steady)
    pace.start(START)
    assert pace.ahead(START + 4 * SECOND) == 2.0
    steady.now += 2.0
    assert pace.ahead(START + 4 * SECOND) == 0.0


def test_a_little_delay_is_made_up_for_and_a_long_one_is_not() -> None:
    steady = Clockwork()
    pace = Pace(1.0, steady)
    pace.start(START)
    steady.now += 1.04
    assert pace.ahead(START + SECOND) == pytest.approx(-0.04)
    assert pace.ahead(START + 2 * SECOND) == pytest.approx(0.96)
    steady.now += 10.0
    assert pace.ahead(START + 2 * SECOND) < 0
    assert pace.ahead(START + 3 * SECOND) == pytest.approx(1.0)
