"""Decisions of a recorded run, made again with exactly what it had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_bags import Recorded
from rclpy.serialization import serialize_message
from replayed import BAGS, MS, SECOND, Replay, Witness, contents, replay, written

from vlam_ros.ros.decision_inputs import inputs_to_message
from vlam_ros.ros.fused import attitude_to_message, floor_to_message, obstacles_to_message
from vlam_ros.ros.images import depth_to_message
from vlam_ros.types import (
    DecisionInputs,
    DepthImage,
    InstructionRequest,
    Missing,
    SensorInput,
)

USED = ("/image/compressed", "/camera_info", "/tf_static", "/odom", "/gripper_state")
INPUTS = "vlam_ros/msg/DecisionInputs"
LATENCY = 150 * MS
"""ns from a decision to when the recorder got what it was made on."""


def message(topic: str, kind: str, received: int, content: Any) -> Recorded:
    return Recorded(topic, kind, received, serialize_message(content))


def told(inputs: DecisionInputs) -> Recorded:
    content = inputs_to_message(inputs, "camera_optical")
    return message("/decision_inputs", INPUTS, inputs.now + LATENCY, content)


@pytest.fixture(scope="module")
def sensed(tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    """Two seconds of images, and what fusion_node tells of them."""
    maker = Witness()
    replay(BAGS / "pick_and_place", maker, period=0.0)
    start = maker.observations[0].stamp
    found = [m for m in contents(BAGS / "pick_and_place") if m.topic in (*USED, "/instruction")]
    for seen in maker.observations:
        late = seen.stamp + 120 * MS
        if not isinstance(seen.depth, Missing):
            depth = depth_to_message(seen.depth, "camera_optical")
            found.append(message("/depth", "sensor_msgs/msg/Image", late, depth))
        if not isinstance(seen.obstacles, Missing):
            points = obstacles_to_message(seen.obstacles)
            found.append(message("/obstacles", "sensor_msgs/msg/PointCloud2", late, points))
        if not isinstance(seen.floor, Missing):
            floor = floor_to_message(seen.floor)
            found.append(message("/floor", "geometry_msgs/msg/PoseStamped", late, floor))
        if not isinstance(seen.attitude, Missing):
            attitude = attitude_to_message(seen.attitude)
            kind = "geometry_msgs/msg/QuaternionStamped"
            found.append(message("/attitude", kind, late, attitude))
    return sorted((m for m in found if m.received < start + 2 * SECOND), key=lambda m: m.received)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, sensed: list[Recorded]) -> Replay:
    """Decisions on that, made once."""
    return replay(written(tmp_path_factory.mktemp("live") / "live", sensed), Witness(), period=0.3)


def again(
    path: Path, sensed: list[Recorded], inputs: list[DecisionInputs], **options: Any
) -> tuple[Replay, Witness]:
    """A bag with what decisions were made on, replayed."""
    listed = sorted([*sensed, *map(told, inputs)], key=lambda m: m.received)
    maker = Witness()
    return replay(written(path / "recorded", listed), maker, **options), maker


def all_inputs(live: Replay) -> list[DecisionInputs]:
    return [d.inputs for d in live.decided]


def test_the_decisions_are_equal_to_the_byte(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    """The fingerprint in each trace is that of everything that was seen."""
    got, _ = again(tmp_path, sensed, all_inputs(live))
    assert got.lines == live.lines
    assert got.notes == ()
    assert len(got.lines) == 6
    depths = [isinstance(d.observation.depth, DepthImage) for d in got.decided]
    assert depths == [False, *[True] * 5]  # the first was before the first sweep
    assert len({line.split('"trace": ')[1] for line in got.lines}) == 6
    asked = [record.instruction for record in got.records]
    assert asked == ["", *["go to the orange ball"] * 5]


def test_a_recorded_bag_can_be_decided_on_anew(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    inputs = all_inputs(live)[:3]
    got, _ = again(tmp_path, sensed, inputs, redecide=True, period=0.3)
    assert got.lines == live.lines


def test_the_schedule_is_followed_whatever_the_period_is(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    some = [all_inputs(live)[i] for i in (1, 2, 5)]
    got, _ = again(tmp_path, sensed, some, period=5.0)
    assert [d.inputs for d in got.decided] == some


def test_what_a_decision_did_not_have_it_does_not_get(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    first = all_inputs(live)[1]
    sensors = tuple(
        SensorInput(s.name, missing="it was too old then", lost=True) if s.name == "floor" else s
        for s in first.sensors
    )
    got, maker = again(tmp_path, sensed, [replace(first, sensors=sensors)])
    assert maker.observations[0].floor == Missing("it was too old then", lost=True)
    assert isinstance(maker.observations[0].depth, DepthImage)
    assert got.notes == ()


def test_a_decision_made_long_after_its_data_gets_them_all_the_same(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    late = replace(all_inputs(live)[1], now=all_inputs(live)[1].now + SECOND)
    # Odometry reached the recorder when it was too old for a node that checks.
    slow = [m._replace(received=m.received + SECOND) if m.topic == "/odom" else m for m in sensed]
    got, maker = again(tmp_path, slow, [late])
    assert maker.observations[0].now == late.now
    assert isinstance(maker.observations[0].odometry, type(live.decided[1].observation.odometry))
    assert got.notes == ()


def test_an_answer_that_was_not_published_is_made_but_not_told(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    """The pipeline remembers it."""
    first, second, third = all_inputs(live)[:3]
    got, maker = again(tmp_path, sensed, [first, replace(second, published=False), third])
    assert [d.inputs.stamp for d in got.decided] == [first.stamp, third.stamp]
    assert len(maker.observations) == 3
    assert got.lines[1] == live.lines[2]


def test_a_image_may_be_decided_on_twice(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    """As when a new instruction comes, however long after the last image that could be used."""
    first = all_inputs(live)[1]
    request = InstructionRequest("stop", 1, 9)
    second = replace(first, now=first.now + 4500 * MS, request=request)
    known = {m.received for m in sensed}
    rest = [
        m
        for m in contents(BAGS / "pick_and_place")
        if "image" in m.topic and m.received not in known
    ]
    got, maker = again(tmp_path, [*sensed, *rest], [first, second])
    one, other = maker.observations
    assert one.image is not None
    assert (one.image == other.image).all()
    assert [record.instruction for record in got.records] == ["go to the orange ball", "stop"]


def test_nothing_is_remembered_from_one_era_to_the_next(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    inputs = [
        replace(one, era=era) for one, era in zip(all_inputs(live), (0, 0, 2, 2), strict=False)
    ]
    got, maker = again(tmp_path, sensed, inputs)
    assert [d.decision.chunk.trace.split()[0] for d in got.decided] == ["1", "2", "1", "2"]
    assert [record.era for record in got.records] == [0, 0, 2, 2]
    assert maker.resets == 2


def test_a_decision_whose_image_is_not_in_the_bag_is_noted(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    inputs = all_inputs(live)[:3]
    inputs[1] = replace(inputs[1], stamp=inputs[1].stamp + 1)
    got, _ = again(tmp_path, sensed, inputs)
    assert [d.inputs.stamp for d in got.decided] == [inputs[0].stamp, inputs[2].stamp]
    assert got.notes == ("a decision cannot be made again: its image is not in the bag",)


def test_a_decision_whose_data_are_not_in_the_bag_is_made_without_and_noted(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    without = [m for m in sensed if m.topic != "/attitude"]
    inputs = all_inputs(live)[1:3]
    got, maker = again(tmp_path, without, inputs)
    assert maker.observations[0].attitude == Missing("attitude is not in the bag")
    assert len(got.decided) == 2
    assert got.notes == (
        "attitude of a decision is not in the bag: it was made without (2 times)",
    )  # fmt: skip


def test_where_only_the_raw_sensors_are_in_the_bag_it_is_said_how_they_are_fused(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    fused = ("/depth", "/obstacles", "/floor", "/attitude")
    raw = [m for m in contents(BAGS / "pick_and_place") if m.topic in ("/points", "/imu")]
    assert raw
    without = [m for m in sensed if m.topic not in fused]
    inputs = all_inputs(live)[1:3]
    (tmp_path / "raw").mkdir()
    got, maker = again(tmp_path / "raw", [*without, *raw], inputs)
    assert isinstance(maker.observations[0].depth, Missing)
    assert any("with --redecide it is made again" in note for note in got.notes)
    anew, maker = again(tmp_path, [*without, *raw], inputs, redecide=True)
    assert any(isinstance(seen.depth, DepthImage) for seen in maker.observations)
    assert not any("--redecide" in note for note in anew.notes)


def test_data_of_another_version_are_noted(
    tmp_path: Path, sensed: list[Recorded], live: Replay
) -> None:
    """A sensor that this version does not know."""
    first = all_inputs(live)[1]
    inputs = replace(first, sensors=(*first.sensors, SensorInput("radar", first.stamp)))
    got, maker = again(tmp_path, sensed, [inputs])
    assert len(maker.observations) == 1
    assert got.notes == ("radar of a decision is not known here: it was made without",)
