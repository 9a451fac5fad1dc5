"""Bags replayed in one process: the test bags as they are, changed, and damaged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bags import Recorded
from replayed import BAGS, MS, SECOND, SETTINGS, Replay, Witness, contents, replay, written

from vlam_ros.errors import BagError, ReplayError
from vlam_ros.lab.bags.definitions import known_types
from vlam_ros.lab.replay.records import TARGET, DecisionRecord
from vlam_ros.lab.replay.timed import Cue
from vlam_ros.lab.simulation.truth import truth_from_json
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import Camera, DepthImage, Missing, PlanarPose
from vlam_ros.types.decision_inputs import SENSORS

START = 1_750_000_000 * SECOND
TYPES = known_types("jazzy")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(SETTINGS[0])


def verdicts(got: Replay) -> list[tuple[str, str]]:
    return [(record.outcome, record.reason) for record in got.records]


def times(got: Replay) -> list[float]:
    """ms from the start of a simulated bag to each decision."""
    return [(record.now - START) / MS for record in got.records]


# ------------------------------------------------------------------------------ with the models


def truths(bag: str) -> dict[int, dict[str, tuple[float, float, float]]]:
    """Where everything was in base_link, by the stamps of images."""
    found = {}
    for message in contents(BAGS / bag):
        if message.topic.endswith("truth"):
            text: Any = TYPES.deserialize_cdr(message.data, message.kind)
            truth = truth_from_json(text.data)
            base = PlanarPose(truth.pose.x, truth.pose.y, truth.pose.yaw)
            places = base.into(np.array([thing.position for thing in truth.objects])[:, :2])
            found[truth.stamp] = {
                thing.phrase: (float(x), float(y), thing.position[2] - truth.pose.z)
                for thing, (x, y) in zip(truth.objects, places, strict=True)
            }
    return found


def misses(bag: str, records: Sequence[DecisionRecord]) -> list[float]:
    """Metres on the floor from where the target was found to where it was."""
    known, found = truths(bag), []
    for record in records:
        target = record.first(TARGET)
        if target is not None and target.position is not None:
            x, y, _ = known[record.stamp][target.phrase]
            found.append(abs(complex(target.position[0] - x, target.position[1] - y)))
    return found


def test_two_replays_are_equal_to_the_byte(pipeline: Pipeline) -> None:
    one, other = (replay(BAGS / "level", pipeline) for _ in range(2))
    assert one.lines == other.lines
    assert verdicts(one) == [("HOLD", "NO_INSTRUCTION"), ("EXECUTE", "NONE"), ("EXECUTE", "NONE")]
    assert len({record.confidence for record in one.records}) == 3
    assert one.notes == one.damage == ()
    # Without depth an object is where its foot meets the floor.
    assert max(misses("level", one.records)) < 0.06


def test_a_task_is_done_refused_and_blocked_as_it_was_recorded(pipeline: Pipeline) -> None:
    got = replay(BAGS / "pick_and_place", pipeline, period=1.2)
    assert times(got) == [70, 1270, 2470, 3670, 4870]
    assert verdicts(got) == [
        ("HOLD", "NO_INSTRUCTION"), ("EXECUTE", "NONE"), ("HOLD", "TARGET_NOT_FOUND"),
        ("HOLD", "PATH_BLOCKED"), ("HOLD", "PATH_BLOCKED"),
    ]  # fmt: skip
    assert [record.instruction for record in got.records] == [
        "", "go to the orange ball", "pick up the purple cone",
        "go to the yellow box", "go to the yellow box",
    ]  # fmt: skip
    found = misses("pick_and_place", got.records)
    assert len(found) == 3
    assert max(found) < 0.05
    ball = got.records[1].first(TARGET)
    assert ball is not None
    assert ball.position is not None
    assert ball.position[2] == pytest.approx(0.085, abs=0.02)


def test_without_a_calibration_the_robot_holds_and_says_why(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    some = [m for m in contents(BAGS / "level") if "camera_info" not in m.topic]
    got = replay(written(tmp_path / "bag", some[: len(some) // 2]), pipeline)
    assert verdicts(got) == [("HOLD", "NO_INSTRUCTION"), ("HOLD", "NO_POSITION")]
    assert got.records[1].message == (
        "I see 'green box', but not where it is: check camera_info, or move so that its foot is in "
        "the image"
    )


# ------------------------------------------------------------------------------ instructions


def test_without_an_instruction_nothing_is_asked_for(tmp_path: Path) -> None:
    some = [m for m in contents(BAGS / "pick_and_place") if m.topic != "/instruction"]
    maker = Witness()
    got = replay(written(tmp_path / "bag", some), maker)
    assert len(got.decided) == 13
    assert maker.requests == [None] * 13


def test_a_script_takes_the_place_of_the_instructions_of_the_bag() -> None:
    script = Cue(0.5, "go to the red cup"), Cue(1.3, "stop")
    got = replay(BAGS / "pick_and_place", Witness(), script=script)
    told = [record.instruction for record in got.records]
    assert told == ["", "", *["go to the red cup"] * 2, *["stop"] * 9]
    assert times(got)[2] == 870


def test_an_instruction_may_be_on_any_topic() -> None:
    maker = Witness()
    replay(BAGS / "foreign.mcap", maker, {"instruction": "/voice"})
    assert {r.text for r in maker.requests if r} == {"go to the red cup", "bring me the green ball"}
    with pytest.raises(ReplayError, match=r"^instruction:=/voices: the bag has no such topic; did"):
        replay(BAGS / "foreign.mcap", Witness(), {"instruction": "/voices"})


@pytest.mark.parametrize(
    ("period", "count"), [(0.0, 26), (0.2, 26), (0.4, 13), (1.0, 6), (60.0, 1)]
)
def test_there_is_a_decision_a_period_or_one_a_image(period: float, count: int) -> None:
    got = replay(BAGS / "pick_and_place", Witness(), period=period)
    assert len(got.decided) == count


# ------------------------------------------------------------------------------ time


def test_a_bag_that_loops_is_decided_on_twice_and_nothing_is_remembered() -> None:
    """Not even what was asked for."""
    maker = Witness()
    got = replay(BAGS / "loop", maker)
    assert [record.era for record in got.records] == [0, 0, 0, 1, 1, 1]
    assert maker.resets == 2
    # The fingerprint of all that was seen is the same.
    first, second = got.records[:3], got.records[3:]
    assert [(r.stamp, r.now, r.trace) for r in first] == [(r.stamp, r.now, r.trace) for r in second]
    assert isinstance(maker.observations[3].depth, Missing)
    assert isinstance(maker.observations[2].depth, DepthImage)
    assert [record.instruction for record in got.records] == ["", *["go to the red cup"] * 2] * 2
    assert got.notes == (
        "the recorder's clock is not the one of the stamps: the stamps are the time",
    )  # fmt: skip


def later(message: Recorded, seconds: int) -> Recorded:
    """The same, so much later."""
    content: Any = TYPES.deserialize_cdr(message.data, message.kind)
    if hasattr(content, "header"):
        content.header.stamp.sec += seconds
    data = bytes(TYPES.serialize_cdr(content, message.kind))
    return message._replace(received=message.received + seconds * SECOND, data=data)


def test_a_gap_of_two_hours_is_passed_over(tmp_path: Path) -> None:
    middle = START + 2500 * MS
    bag = written(
        tmp_path / "gap",
        [later(m, 7200) if m.received > middle else m for m in contents(BAGS / "pick_and_place")],
    )
    maker = Witness()
    got = replay(bag, maker)
    whole = replay(BAGS / "pick_and_place", Witness())
    assert {record.era for record in got.records} == {0}
    before = [record for record in got.records if record.stamp < middle]
    assert [record.to_json() for record in before[:7]] == whole.lines[:7]
    # The last image before the gap is decided on when it would have been.
    assert [(r.stamp - START, r.now - START) for r in before[7:]] == [(2440 * MS, 2870 * MS)]
    assert max(record.now - record.stamp for record in got.records) == 430 * MS
    # Nothing that was measured before the gap counts behind it, but for the calibration.
    for seen in maker.observations:
        assert isinstance(seen.camera, Camera) or seen.stamp < START + 100 * MS
        data = [getattr(seen, name) for name in SENSORS if name != "camera"]
        ages = [abs(seen.now - d.stamp) for d in data if not isinstance(d, Missing)]
        assert max(ages) <= 500 * MS
    assert isinstance(maker.observations[-1].depth, DepthImage)
    assert len(got.decided) == 8 + 7


# ------------------------------------------------------------------------------ damage


def test_a_topic_of_the_wrong_type_is_left_out(tmp_path: Path) -> None:
    words = next(m for m in contents(BAGS / "pick_and_place") if m.topic == "/instruction")
    changed = [
        m._replace(kind=words.kind, data=words.data) if m.topic == "/imu" else m
        for m in contents(BAGS / "pick_and_place")
    ]
    maker = Witness()
    bag = written(tmp_path / "bag", changed)
    assert len(replay(bag, maker).decided) == 13
    assert {o.attitude for o in maker.observations} == {Missing("IMU: no message yet")}
    assert all(isinstance(o.depth, DepthImage) for o in maker.observations[1:])
    with pytest.raises(ReplayError, match="of type std_msgs/msg/String, sensor_msgs/msg/Imu is"):
        replay(bag, Witness(), {"imu": "/imu"})


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_a_bag_whose_recorder_was_killed_is_decided_on_up_to_there(
    tmp_path: Path, share: float
) -> None:
    whole = replay(BAGS / "foreign.mcap", Witness(), {"instruction": "/voice"})
    data = (BAGS / "foreign.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: round(share * len(data))])
    got = replay(cut, Witness(), {"instruction": "/voice"})
    count = len(got.decided) - 1  # the last one may have waited for what is lost
    assert got.lines[:count] == whole.lines[:count]
    assert share * len(whole.lines) - 2 < len(got.lines) < len(whole.lines)
    (note,) = got.damage
    assert note.startswith("the recording is cut off after ")
    assert note.endswith(" s: cut.mcap was not closed")


@pytest.mark.parametrize("bag", ["foreign.mcap", "pick_and_place/pick_and_place.mcap"])
def test_without_its_index_a_bag_gives_the_same_decisions(tmp_path: Path, bag: str) -> None:
    mapping = {"instruction": "/voice"} if "foreign" in bag else None
    whole = replay(BAGS / bag, Witness(), mapping)
    cut = tmp_path / "cut.mcap"
    cut.write_bytes((BAGS / bag).read_bytes()[:-200])
    got = replay(cut, Witness(), mapping)
    assert got.lines == whole.lines
    assert len(got.damage) <= 1


def test_of_a_damaged_database_what_can_be_read_is_decided_on(tmp_path: Path) -> None:
    whole = replay(BAGS / "level", Witness(), period=0.0)
    data = (BAGS / "level" / "level.db3").read_bytes()
    cut = tmp_path / "cut.db3"
    cut.write_bytes(data[: len(data) * 3 // 4])
    got = replay(cut, Witness(), period=0.0)
    assert 1 <= len(got.lines) < len(whole.lines) == 6
    assert any("cut.db3 is damaged" in note for note in got.damage)


def test_a_folder_without_metadata_gives_the_same_decisions(tmp_path: Path) -> None:
    shutil.copytree(BAGS / "level", tmp_path / "level")
    (tmp_path / "level" / "metadata.yaml").unlink()
    got = replay(tmp_path / "level", Witness())
    assert got.lines == replay(BAGS / "level", Witness()).lines
    assert got.damage == ("there is no metadata.yaml: the files are read without it",)


def test_images_that_cannot_be_decoded_are_passed_over(tmp_path: Path) -> None:
    changed = [
        m._replace(data=m.data[:2000] + bytes(len(m.data) - 2000)) if "image" in m.topic else m
        for m in contents(BAGS / "pick_and_place")[:300]
    ]
    got = replay(written(tmp_path / "bag", changed), Witness())
    assert got.decided == []
    (note,) = got.notes
    assert note.startswith("an image was passed over: compressed image of format ")


def test_a_bag_without_images_ends_with_one_clear_line(tmp_path: Path) -> None:
    some = [m for m in contents(BAGS / "loop") if m.topic == "/imu"]
    with pytest.raises(ReplayError) as caught:
        replay(written(tmp_path / "bag", some), Witness())
    assert str(caught.value) == (
        "the bag has no images (sensor_msgs/msg/Image or CompressedImage), only: /imu "
        "(sensor_msgs/msg/Imu)"
    )
    with pytest.raises(BagError, match="does not exist"):
        replay(tmp_path / "nothing", Witness())


# ------------------------------------------------------------------------------ a range sensor


def ranges(distance: float) -> list[Recorded]:
    """What a range sensor says ten times a second for two seconds, in place of nothing."""
    kind, found = "sensor_msgs/msg/Range", []
    for i in range(20):
        stamp = START + i * 100 * MS
        time = TYPES.types["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND)
        header = TYPES.types["std_msgs/msg/Header"](time, "range")
        message = TYPES.types[kind](header, 0, 0.4, 0.02, 4.0, distance, 0.0)
        found.append(
            Recorded("/range", kind, stamp + 2 * MS, bytes(TYPES.serialize_cdr(message, kind)))
        )
    return found


@pytest.mark.parametrize("distance", [0.35, float("inf")])
def test_a_bag_with_a_range_sensor_is_decided_on_with_it_and_twice_the_same(
    tmp_path: Path, distance: float, pipeline: Pipeline
) -> None:
    original = contents(BAGS / "pick_and_place")
    bag = written(
        tmp_path / "bag", sorted([*original, *ranges(distance)], key=lambda m: m.received)
    )
    maker = Witness()
    replay(bag, maker)
    sensed = [seen.range for seen in maker.observations if seen.now < START + 2 * SECOND]
    assert len(sensed) >= 4
    assert [reading.distance for reading in sensed] == pytest.approx([distance] * len(sensed))
    lost = [seen.range for seen in maker.observations if seen.now > START + 2500 * MS]
    assert all(isinstance(reading, Missing) and reading.lost for reading in lost)

    one, other = replay(bag, pipeline), replay(bag, pipeline)
    assert one.lines == other.lines
    blocked = any("something at (0.5" in record.message for record in one.records)
    assert blocked == (distance < 1)
    silent = [r.message for r in one.records if "the range sensor was lost" in r.message]
    assert silent, "it fell silent after two seconds, and the robot stops"
