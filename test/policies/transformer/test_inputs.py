"""What a policy reads of an observation: where patches look, masks, memories, states."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from policy_world import CAMERA, START, gripper, observation, odometry, thing

from vlam_ros.language import PLAIN, parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies.transformer.inputs import (
    FAR,
    SECTORS,
    STATES,
    looked_at,
    objects_of,
    relevance_of,
    remembered_places,
    states_of,
)
from vlam_ros.types import (
    DepthImage,
    FloorPlane,
    Missing,
    Obstacles,
    Progress,
    Scene,
    Sighting,
)


@pytest.fixture(scope="module")
def grounder() -> ClipsegGrounder:
    return ClipsegGrounder.from_pretrained("embedded", "cpu", "float32")


def test_patches_look_where_depth_and_floor_say() -> None:
    depth = np.full((48, 64), np.nan, np.float32)
    depth[16:32] = 2.0
    floor = FloorPlane(START, (0.0, 0.0, 1.0), 0.0)
    places, on_floor = looked_at(observation(depth=DepthImage(START, depth), floor=floor), 3)
    assert np.isnan(places[[0, 1, 2, 6, 7, 8]]).all()
    # The camera looks ahead from 0.1 m before the base, 0.6 m high.
    assert places[4] == pytest.approx((2.1, 0.0, 0.6), abs=0.02)
    assert places[3][1] > 0 > places[5][1]
    assert np.isnan(on_floor[:3]).all()
    assert on_floor[6:, 2] == pytest.approx(0.0)
    assert on_floor[7, 0] == pytest.approx(0.1 + 0.6 * 50 / 16, abs=0.1)
    blind = looked_at(observation(camera=Missing("none")), 3)
    assert np.isnan(blind).all()
    assert np.isnan(looked_at(observation(), 3)[0]).all()


def test_near_things_count_more_in_a_patch() -> None:
    depth = np.full((CAMERA.height, CAMERA.width), 4.0, np.float32)
    depth[:, ::2] = 1.0
    places, _ = looked_at(observation(depth=DepthImage(START, depth)), 1)
    assert places[0, 0] - 0.1 == pytest.approx(1.6, abs=0.05)


def test_masks_of_the_nouns_are_read_where_there_are_nouns(grounder: ClipsegGrounder) -> None:
    features = grounder.encode_image(observation().image)
    beside = parse_instruction("put the red cup left of the box on the blue plate", PLAIN)
    relevance = relevance_of(beside, features, grounder, 20)
    assert relevance.shape == (400, 4)
    assert relevance.isfinite().all(0).tolist() == [True, True, True, False]
    for column, phrase in enumerate(("red cup", "box", "blue plate")):
        mean = grounder.segment(features, [phrase])[0].mean()
        assert float(relevance[:, column].mean()) == pytest.approx(mean, abs=1e-3)
    alone = relevance_of(
        parse_instruction("put the red cup on the blue plate", PLAIN), features, grounder, 20
    )
    assert alone.isfinite().all(0).tolist() == [True, False, True, False]
    assert relevance_of(parse_instruction("stop", PLAIN), features, grounder, 20).isnan().all()


def test_what_is_found_of_the_nouns_is_told_the_surest_first() -> None:
    between = parse_instruction("put the red cup between the box and the cone on the plate", PLAIN)
    cups = [
        replace(thing("red cup", 3.0, score=0.9), confirmed=False),
        thing("red cup", 1.0, 0.5, 0.04, score=0.6, size=0.08),
        thing("red cup", score=0.8),
        thing("red cup", 2.0, score=0.5),
    ]
    seen = Scene(START, (*cups, thing("box", 1.5), thing("cone", 1.6), thing("ball", 1.0)))
    target, reference, destination, other = objects_of(between, seen)
    assert target[1].tolist() == pytest.approx([1.0, 0.5, 0.04, 0.6, 1.0, 0.08])
    assert np.isnan(target[0, :3]).all()
    assert target[:, 3].tolist() == [0.8, 0.6, 0.5]
    assert sorted(reference[:2, 0]) == [1.5, 1.6]
    assert all(np.isnan(each).all() for each in (reference[2], destination, other))
    unsure = objects_of(between, replace(seen, objects=(cups[0],)))
    assert unsure[0, 0, 3:5].tolist() == [0.9, 0.0]


def test_what_was_seen_is_remembered_where_it_must_be_now() -> None:
    seen = Sighting(thing("red cup", 2.0), START, odometry(), math.inf)
    progress = Progress(destination=seen)
    moved = observation(odometry=odometry(0.5, 0.0, math.pi / 2))
    target, destination = remembered_places(moved, progress)
    assert np.isnan(target).all()
    assert destination == pytest.approx((0.0, -1.5, 0.0), abs=1e-6)
    lost = observation(odometry=Missing("no odometry"))
    assert np.isnan(remembered_places(lost, progress)).all()


def test_states_are_what_is_known_and_nan_else() -> None:
    nothing = observation(gripper=Missing("no robot"), joints=Missing("no robot"))
    assert states_of(nothing, Progress())[0] != states_of(nothing, Progress())[0]
    points = np.array([[1.5, 0.0, 0.3], [0.0, 2.0, 0.3], [9.0, -9.0, 0.3]], np.float32)
    looking = observation(
        1.0, gripper=gripper(True), odometry=odometry(speed=0.4, yaw_rate=-0.2),
        obstacles=Obstacles(START, points),
    )  # fmt: skip
    told = dict(zip(STATES, states_of(looking, Progress(since=START)), strict=True))
    assert (told["holding"], told["elapsed"], told["speed"]) == (1.0, 1.0, 0.4)
    assert math.isnan(told["roll"])
    assert told["obstacle_0"] == pytest.approx(1.5)
    assert told[f"obstacle_{SECTORS // 4}"] == pytest.approx(2.0)
    assert told["obstacle_6"] == FAR
