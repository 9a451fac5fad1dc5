"""Rooms by their names."""

import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.simulation.room import check_room
from vlam_ros.lab.simulation.rooms import PICK_AND_PLACE_START, named_room


@pytest.mark.parametrize(
    "name", ["demo", "pick_and_place", "random:3", "task:1000023", "control:0"]
)
def test_a_named_room_can_be_and_is_always_the_same(name: str) -> None:
    room = named_room(name)
    check_room(room)
    assert room == named_room(name)


def test_the_task_has_the_objects_of_the_demo_and_another_start() -> None:
    assert named_room("pick_and_place").scene == named_room("demo").scene
    assert named_room("pick_and_place").start == PICK_AND_PLACE_START != named_room("demo").start


@pytest.mark.parametrize("seed", [1_000_000, 2_000_007])
def test_the_room_of_a_task_is_that_of_the_episode_with_its_seed(seed: int) -> None:
    assert named_room(f"task:{seed}") == episode_of_seed(seed).task.room
    assert named_room(f"control:{seed}") == episode_of_seed(seed, control=True).task.room


@pytest.mark.parametrize("name", ["", "kitchen", "task:", "task:x", "task:1 "])
def test_an_unknown_room_is_refused(name: str) -> None:
    with pytest.raises(SimulationError, match="there is no room"):
        named_room(name)
