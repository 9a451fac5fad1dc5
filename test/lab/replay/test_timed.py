"""The messages that a replay uses, with their time, and what is passed over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from made_bags import Recorded, cdr
from rclpy.serialization import serialize_message
from replayed import BAGS, MS, SECOND, written
from sensor_msgs.msg import CameraInfo, Imu

from vlam_ros.errors import ReplayError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import ROLES, Assignment, assign
from vlam_ros.lab.replay.timed import (
    JUMP,
    OTHER_CLOCK,
    BagClock,
    Cue,
    Timed,
    parse_script,
    timed_messages,
)
from vlam_ros.ros.stamps import time_message

START = 1_750_000_000 * SECOND
SIMULATED = 5 * SECOND
TEXT = "std_msgs/msg/String"
CLOCKS = "the recorder's clock is not the one of the stamps: the stamps are the time"


def read(path: Path, topics: dict[str, str] | None = None) -> tuple[list[Timed], tuple[str, ...]]:
    """The messages of a bag and the notes; of roles with these topics."""
    notes = Notes()
    with BagReader(path) as bag:
        roles = assign(bag.topics, {}) if topics is None else Assignment(topics)
        return list(timed_messages(bag, roles, notes)), notes.lines


def imu(stamp: int, received: int) -> Recorded:
    message = Imu()
    message.header.stamp = time_message(stamp)
    return Recorded("/imu", ROLES["imu"], received, serialize_message(message))


def text(words: str, received: int) -> Recorded:
    return Recorded("/instruction", TEXT, received, cdr(TEXT, words))


ROLES_HERE = {"imu": "/imu", "instruction": "/instruction", "camera_info": "/camera_info"}


def test_all_messages_of_all_roles_come_in_order_with_the_time_they_were_received() -> None:
    messages, notes = read(BAGS / "pick_and_place")
    assert notes == ()
    assert Counter(m.role for m in messages) == {
        "image/compressed": 26, "camera_info": 26, "points": 26, "imu": 261, "odom": 53,
        "joint_states": 53, "gripper_state": 53, "instruction": 3, "tf_static": 1,
    }  # fmt: skip
    times = [m.now for m in messages]
    assert times == sorted(times)
    assert all(m.now == m.received and not m.jumped for m in messages[1:])
    assert messages[0].role == "tf_static"
    said = [(m.now - times[0], m.message.data) for m in messages if m.role == "instruction"]
    assert said[1] == (2298 * MS, "pick up the purple cone")


def test_what_comes_before_the_first_stamp_has_its_time(tmp_path: Path) -> None:
    bag = written(tmp_path / "bag", [
        text("one", START), text("two", START + MS), imu(SIMULATED, START + 2 * MS),
        imu(SIMULATED + 5 * MS, START + 7 * MS), text("three", START + 8 * MS),
    ])  # fmt: skip
    messages, notes = read(bag, ROLES_HERE)
    assert [m.now - SIMULATED for m in messages] == [0, 0, 0, 5 * MS, 5 * MS]
    assert [m.received - START for m in messages] == [0, MS, 2 * MS, 7 * MS, 8 * MS]
    assert notes == (CLOCKS,)


def test_a_bag_that_loops_jumps_back_once() -> None:
    messages, notes = read(BAGS / "loop")
    assert notes == (CLOCKS,)
    jumps = [i for i, m in enumerate(messages) if m.jumped]
    assert len(jumps) == 1
    first, second = messages[: jumps[0]], messages[jumps[0] :]
    assert Counter(m.role for m in first) == Counter(m.role for m in second)
    for part in (first, second):
        times = [m.now for m in part]
        assert times == sorted(times)
        assert SECOND <= times[0] < times[-1] < 2.3 * SECOND


@pytest.mark.parametrize("ago", [3600 * SECOND, START])
def test_an_old_calibration_or_one_without_a_stamp_does_not_tell_the_time(
    tmp_path: Path, ago: int
) -> None:
    message = CameraInfo()
    message.header.stamp = time_message(START - ago)
    kind = ROLES["camera_info"]
    latched = Recorded("/camera_info", kind, START, serialize_message(message))
    messages, notes = read(
        written(tmp_path / "bag", [latched, imu(START, START + MS)]), ROLES_HERE
    )  # fmt: skip
    assert [m.now - START for m in messages] == [MS, MS]
    assert notes == ()


def test_a_sensor_that_does_not_fill_in_its_stamp_does_not_tell_the_time(tmp_path: Path) -> None:
    bag = written(tmp_path / "bag", [imu(0, START), text("one", START + MS)])
    messages, notes = read(bag, ROLES_HERE)  # then the recorder's clock is the only one
    assert [m.now - START for m in messages] == [0, MS]
    assert notes == ()
    bag = written(
        tmp_path / "more", [imu(0, START), imu(START, START + MS), imu(0, START + 9 * MS)]
    )
    messages, notes = read(bag, ROLES_HERE)
    assert [m.now - START for m in messages] == [MS, MS, 9 * MS]
    assert notes == ()


def test_messages_that_cannot_be_read_are_counted_and_passed_over(tmp_path: Path) -> None:
    messages = [imu(START + i * MS, START + i * MS) for i in range(5)]
    broken = [m._replace(data=m.data[:60]) if i in (1, 3) else m for i, m in enumerate(messages)]
    found, notes = read(written(tmp_path / "bag", broken), ROLES_HERE)
    assert [(m.now - START) // MS for m in found] == [0, 2, 4]
    assert len(notes) == 1
    assert notes[0].startswith("a message of /imu (sensor_msgs/msg/Imu) cannot be read: ")
    assert notes[0].endswith(" (2 times)")


def test_messages_of_another_type_on_the_same_topic_are_passed_over(tmp_path: Path) -> None:
    """As when two programs of different versions publish there, and both are recorded."""
    folder = tmp_path / "bag"
    folder.mkdir()
    written(tmp_path / "a", [imu(START + i * MS, START + i * MS) for i in range(3)])
    other = text("hello", START + 10 * MS)._replace(topic="/imu")
    written(tmp_path / "b", [other, other])
    for name in "ab":
        (tmp_path / name / f"{name}.mcap").rename(folder / f"bag_{name == 'b':d}.mcap")
    found, notes = read(folder, ROLES_HERE)
    assert len(found) == 3
    assert notes == (
        "a message of /imu is of type std_msgs/msg/String and left out (2 times)",
    )  # fmt: skip


def test_only_the_topics_of_roles_are_read(tmp_path: Path) -> None:
    odd = Recorded("/odd", "std_msgs/msg/Bool", START, b"\0\1\0\0\1")
    listed = [odd, imu(START, START)]
    messages, notes = read(written(tmp_path / "bag", listed), {"imu": "/imu"})
    assert [m.role for m in messages] == ["imu"]
    assert notes == ()


# ------------------------------------------------------------------------------ the clock

DAY = 1_700_000_000 * SECOND

Tick = tuple[int, int | None]


def ticked(*ticks: Tick) -> list[tuple[int | None, bool]]:
    clock = BagClock()
    return [clock.tick(*tick) for tick in ticks]


def test_the_time_is_when_messages_were_received_if_stamps_are_of_the_same_clock() -> None:
    assert ticked((DAY, DAY - 30 * MS), (DAY + MS, None), (DAY + 9 * MS, DAY - SECOND)) == [
        (DAY, False), (DAY + MS, False), (DAY + 9 * MS, False),
    ]  # fmt: skip


def test_the_time_is_the_newest_stamp_if_the_recorder_had_another_clock() -> None:
    clock = BagClock()
    times = [(DAY, 10 * SECOND), (DAY + MS, None), (DAY + 2 * MS, 11 * SECOND)]
    assert [clock.tick(*time)[0] for time in times] == [10 * SECOND, 10 * SECOND, 11 * SECOND]
    assert clock.by_stamps


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("apart", "other"), [(OTHER_CLOCK, False), (OTHER_CLOCK + 1, True)])
def test_clocks_that_are_five_seconds_apart_are_two(sign: int, apart: int, other: bool) -> None:
    clock = BagClock()
    clock.tick(DAY, DAY + sign * apart)
    assert clock.by_stamps == other


def test_which_clock_it_is_is_not_known_before_the_first_stamp() -> None:
    assert ticked((DAY, None), (DAY + MS, None), (DAY + 2 * MS, 5 * SECOND)) == [
        (None, False), (None, False), (5 * SECOND, False),
    ]  # fmt: skip


def test_a_message_a_little_out_of_order_does_not_turn_time_back() -> None:
    start = 10 * SECOND
    assert ticked((DAY, start), (DAY, start - JUMP), (DAY, start + MS)) == [
        (start, False), (start, False), (start + MS, False),
    ]  # fmt: skip


def test_time_that_goes_back_more_than_a_second_has_jumped_once() -> None:
    start = 10 * SECOND
    back = start - JUMP - 1
    assert ticked((DAY, start), (DAY, back), (DAY, back + MS), (DAY, back)) == [
        (start, False), (back, True), (back + MS, False), (back + MS, False),
    ]  # fmt: skip


def test_a_gap_of_two_hours_is_no_jump() -> None:
    later = DAY + 7200 * SECOND
    assert ticked((DAY, DAY), (later, later)) == [(DAY, False), (later, False)]


@pytest.mark.parametrize(
    ("line", "cue"),
    [
        ("go to the red cup", Cue(0.0, "go to the red cup")),
        ("  go there \n", Cue(0.0, "go there")),
        ("12.5: stop", Cue(12.5, "stop")),
        ("3:stop", Cue(3.0, "stop")),
        (" 0.5 : take the cup: the red one ", Cue(0.5, "take the cup: the red one")),
        (".25: stop", Cue(0.25, "stop")),
        ("7.: stop", Cue(7.0, "stop")),
        ("first: stop", Cue(0.0, "first: stop")),
        ("2 cups: take one", Cue(0.0, "2 cups: take one")),
    ],
)
def test_a_line_is_an_instruction_with_or_without_its_time(line: str, cue: Cue) -> None:
    assert parse_script([line]) == (cue,)


def test_cues_come_in_order_of_time_and_as_they_were_given_at_the_same_time() -> None:
    cues = parse_script(["4: last", "go there", "1: b", "1: a", "0.5: early"])
    assert [cue.text for cue in cues] == ["go there", "early", "b", "a", "last"]
    assert parse_script([]) == ()


@pytest.mark.parametrize("line", ["", "  ", "12:", "12.5: "])
def test_an_instruction_without_text_is_refused(line: str) -> None:
    with pytest.raises(ReplayError) as caught:
        parse_script(["go there", line])
    assert str(caught.value) == f"an instruction is TEXT or SECONDS: TEXT, got {line!r}"
