"""`vlam record` as a process, and beside a simulated robot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_world import NodeWorld
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu
from std_msgs.msg import String

from vlam_ros.cli.main import main
from vlam_ros.errors import VlamError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.bags import recorder as beside
from vlam_ros.lab.bags.recorder import recorder_process
from vlam_ros.lab.cli.record import recorded_table
from vlam_ros.ros.stamps import time_message

COMMAND = [sys.executable, "-m", "vlam_ros.cli.main", "record"]
PATIENCE = 20.0


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


def heard(world: NodeWorld, topic: str = "/robot1/instruction") -> str:
    """Publish until a recorder listens, and then one message more; its text."""
    said = world.other.create_publisher(String, topic, 10)
    world.until(said.get_subscription_count)
    text = "go to the red cup"
    said.publish(String(data=text))
    assert said.wait_for_all_acked()
    return text


@pytest.mark.parametrize(
    ("number", "storage"), [(signal.SIGINT, "mcap"), (signal.SIGTERM, "sqlite3")]
)
def test_a_signal_ends_it_with_a_whole_bag_and_a_table_of_it(
    world: NodeWorld, tmp_path: Path, number: signal.Signals, storage: str
) -> None:
    bag = tmp_path / "drive"
    options = ["--out", str(bag), "--namespace", "robot1", "--storage", storage]
    with subprocess.Popen(
        [*COMMAND, *options, "--no-compression"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "100"},
    ) as process:
        try:
            text = heard(world)
            assert not bag.exists(), "it has its name when it is whole"
            process.send_signal(number)
            process.send_signal(number)
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, output
    with AnyReader([bag]) as reader:
        (message,) = [reader.deserialize(d, c.msgtype) for c, _, d in reader.messages()]
    assert getattr(message, "data", "") == text
    assert [path.name for path in tmp_path.iterdir()] == ["drive"]
    lines = output.splitlines()
    assert "/robot1/instruction (std_msgs/msg/String)" in lines
    (row,) = [line.split() for line in lines if line.strip().startswith("/robot1/instruction  ")]
    assert row == ["/robot1/instruction", "std_msgs/msg/String", "1", "0"]
    assert f"vlam replay {bag}" in "".join(line.strip() for line in lines)


def test_a_recorder_that_is_killed_leaves_no_bag(world: NodeWorld, tmp_path: Path) -> None:
    with subprocess.Popen([*COMMAND, "--out", str(tmp_path / "drive"), "/said"]) as process:
        heard(world, "/said")
        process.kill()
    assert not (tmp_path / "drive").exists()


def test_it_ends_after_some_seconds_and_leaves_no_bag_if_nothing_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = time.monotonic()
    assert main(["record", "--out", str(tmp_path / "drive"), "--seconds", "0.2"]) == 2
    assert time.monotonic() - begin < PATIENCE
    error = capsys.readouterr().err
    assert error.startswith("vlam record: nothing was recorded: in ROS domain ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_topic_on_which_nothing_comes_is_named(
    world: NodeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.other.create_publisher(String, "/quiet", 10)
    options = ["--out", str(tmp_path / "drive"), "--seconds", "1", "/quiet"]
    assert main(["record", *options]) == 2
    assert capsys.readouterr().err.endswith("nothing came on /quiet\n")


def test_what_is_there_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "drive").mkdir()
    assert main(["record", "--out", str(tmp_path / "drive")]) == 2
    captured = capsys.readouterr()
    assert "exists already: choose another name" in captured.err
    assert captured.out == ""
    assert main(["demo", "--record", str(tmp_path / "drive")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_bags_of_episodes_are_of_episodes_over_topics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "tasks", "--record", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "vlam evaluate: --record is of episodes over topics: add --ros\n"
    )


# ---------------------------------------------------------------------- beside a simulated robot


def test_a_recorder_beside_a_robot_is_waited_for_and_has_the_time_of_its_clock(
    world: NodeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "NEEDED", ("/instruction",))
    clock = world.other.create_publisher(Clock, "/clock", 10)
    said = world.other.create_publisher(String, "/instruction", 10)
    waited_for: list[str] = []

    def watch(waiting_for: str) -> None:
        waited_for.append(waiting_for)
        world.executor.spin_once(timeout_sec=0.01)

    with recorder_process(tmp_path / "drive", tmp_path / "logs" / "record.log") as wait:
        wait(watch)
        world.until(lambda: said.get_subscription_count() and clock.get_subscription_count())
        clock.publish(Clock(clock=time_message(7 * 10**9)))
        assert clock.wait_for_all_acked()
        said.publish(String(data="stop"))
        assert said.wait_for_all_acked()
    assert set(waited_for) == {"the recorder to find /instruction"}
    with BagReader(tmp_path / "drive") as bag:
        assert [(m.received, m.read().data) for m in bag.messages()] == [(7 * 10**9, "stop")]


def test_why_a_recorder_beside_a_robot_ended_is_told(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    log = tmp_path / "record.log"
    with (
        pytest.raises(
            VlamError, match=r"not recorded: .*exists already.*; all of it is in .*\.log"
        ),
        recorder_process(tmp_path / "drive", log) as wait,
    ):
        wait(lambda waiting_for: None)


def test_without_a_bag_nothing_is_recorded(tmp_path: Path) -> None:
    with recorder_process(None, tmp_path / "record.log") as wait:
        wait(lambda waiting_for: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ago", [3600, 0])
def test_sensors_with_another_clock_than_the_bags_are_told_of(
    world: NodeWorld, tmp_path: Path, ago: int
) -> None:
    """As of a simulation that has its own time and does not publish it."""
    sensor = world.other.create_publisher(Imu, "/imu", 10)
    message = Imu()
    message.header.stamp = time_message(world.other.get_clock().now().nanoseconds - ago * 10**9)
    with beside.recording(tmp_path / "drive", ["/imu"]) as recorder:
        world.until(lambda: recorder.hears("/imu") and sensor.get_subscription_count())
        for _ in range(6):
            sensor.publish(message)
        world.until(lambda: recorder.counts["/imu"] == 6)
    notes = recorded_table(tmp_path / "drive", recorder).notes
    assert any(note.startswith("/imu: not stamped by the bag's") for note in notes) == bool(ago)
