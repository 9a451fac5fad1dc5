"""Images without usable stamps: decided on by when they came, which is said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from made_bags import Recorded
from replayed import BAGS, SECOND, Replay, Witness, contents, replay, written

from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import assign
from vlam_ros.lab.replay.timed import timed_messages
from vlam_ros.ros.stamps import nanoseconds

BAG = BAGS / "pick_and_place"
UNSTAMPED = "an image of /image/compressed has no stamp, or one of another clock: the time at which"
OLD = 100_000 * SECOND
"""ns; as of a device that counts from when it was switched on."""


def stamped(message: Recorded, stamp: int) -> Recorded:
    data = bytearray(message.data)
    struct.pack_into("<iI", data, 4, *divmod(stamp, SECOND))
    return message._replace(data=bytes(data))


def stamp_of(message: Recorded) -> int:
    seconds, rest = struct.unpack_from("<iI", message.data, 4)
    return int(seconds * SECOND + rest)


def decided(path: Path, change: Callable[[Recorded], Recorded]) -> tuple[Replay, Witness]:
    """The decisions on a bag whose messages were changed."""
    maker = Witness()
    return replay(written(path, map(change, contents(BAG)[:330])), maker), maker


def of_images(edit: Callable[[int], int], also: str = "/camera_info") -> Callable[..., Recorded]:
    def change(message: Recorded) -> Recorded:
        if message.topic in ("/image/compressed", also):
            return stamped(message, edit(stamp_of(message)))
        return message

    return change


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return decided(tmp_path_factory.mktemp("good") / "bag", lambda m: m)[0]


@pytest.mark.parametrize("also", ["/camera_info", ""])
@pytest.mark.parametrize(
    "edit",
    [
        lambda stamp: 0,
        lambda stamp: 77 * SECOND,
        lambda stamp: 1_750_000_000 * SECOND,
        lambda stamp: stamp - OLD,
        lambda stamp: stamp + 3600 * SECOND,
    ],
    ids=["zero", "all the same", "all the same of today", "of a device", "ahead"],
)
def test_images_are_decided_on_by_when_they_came(
    tmp_path: Path, good: Replay, edit: Callable[[int], int], also: str
) -> None:
    got, maker = decided(tmp_path / "bag", of_images(edit, also))
    assert abs(len(got.decided) - len(good.decided)) <= 1
    assert len(got.decided) >= 5
    for result in got.decided:
        age = result.inputs.now - result.inputs.stamp
        assert 0 <= age < SECOND
    assert {r.era for r in got.records} == {0}
    notes = [note for note in got.notes if note.startswith(UNSTAMPED)]
    assert len(notes) == 1
    assert notes[0].endswith("times)")
    assert maker.resets == 1


def test_one_image_without_a_stamp_among_others_is_no_jump_of_time(
    tmp_path: Path, good: Replay
) -> None:
    count = [0]

    def now_and_then(stamp: int) -> int:
        count[0] += 1
        return 0 if count[0] % 4 == 0 else stamp

    got, maker = decided(tmp_path / "bag", of_images(now_and_then, also=""))
    assert maker.resets == 1
    assert {r.era for r in got.records} == {0}
    assert any(note.startswith(UNSTAMPED) for note in got.notes)


def test_stamps_that_are_as_they_should_be_are_not_touched(good: Replay) -> None:
    with BagReader(BAG) as bag:
        roles = assign(bag.topics, {})
        found = [m.data for m in timed_messages(bag, roles, Notes())]
    assert found == [m.data for m in contents(BAG) if m.topic in roles.topics.values()]
    assert not any(note.startswith("an image") for note in good.notes)


@pytest.mark.parametrize("topic", ["/imu", "/points", "/odom"])
@pytest.mark.parametrize("first", [True, False])
def test_one_sensor_with_another_clock_does_not_turn_time_back(
    tmp_path: Path, good: Replay, topic: str, first: bool
) -> None:
    """Whether or not it is the first that speaks, after the transforms."""
    listed = contents(BAG)[:330]
    changed = [stamped(m, stamp_of(m) - OLD) if m.topic == topic else m for m in listed]
    if first:
        place = next(i for i, m in enumerate(changed) if m.topic == topic)
        early = changed[place]._replace(received=changed[0].received)
        changed = [changed[0], early, *changed[1:]]
    got = replay(written(tmp_path / "bag", changed), Witness())
    assert {r.era for r in got.records} == {0}
    assert len(got.decided) == len(good.decided)
    assert any(topic.strip("/") in note and "s old" in note for note in got.notes)


def test_images_without_stamps_are_played_with_those_that_they_get(tmp_path: Path) -> None:
    listed = [of_images(lambda stamp: 0)(m) for m in contents(BAG)[:100]]
    with BagReader(written(tmp_path / "bag", listed)) as bag:
        for timed in timed_messages(bag, assign(bag.topics, {}), Notes()):
            if timed.role in ("image/compressed", "camera_info"):
                assert nanoseconds(timed.message.header.stamp) == timed.now
                assert struct.unpack_from("<iI", timed.data, 4) == divmod(timed.now, SECOND)


def test_an_image_that_is_not_newer_than_the_last_one_is_said_to_be_left_out(
    tmp_path: Path, good: Replay
) -> None:
    """As when a driver freezes after a while."""
    end = stamp_of(next(m for m in contents(BAG)[150:] if m.topic == "/image/compressed"))
    got, _ = decided(tmp_path / "bag", of_images(lambda stamp: min(stamp, end)))
    assert len(got.decided) < len(good.decided)
    (note,) = [n for n in got.notes if n.startswith("an image is not newer than the last one")]
    assert note.endswith("times)")
