"""The judge goes by where things are, whatever the robot believes."""

import math
from dataclasses import replace

import pytest

from vlam_ros.lab.evaluation.judging import judge
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.scene import ObjectSpec, SceneSpec
from vlam_ros.lab.simulation.tasks import Kind, TaskSpec
from vlam_ros.lab.simulation.truth import TrueObject, Truth

Position = tuple[float, float, float]

CUP = ObjectSpec("cup", "red", (1, 0, 0), (0.04, 0.1, 0), (1.5, 0.0, 0.05), (1, 0, 0, 0))
PLATE = ObjectSpec("plate", "blue", (0, 0, 1), (0.12, 0.01, 0), (1.5, 0.6, 0.01), (1, 0, 0, 0))
BOX = ObjectSpec("box", "green", (0, 1, 0), (0.05, 0.05, 0.05), (1.2, -0.6, 0.05), (1, 0, 0, 0))
SPECS = (CUP, PLATE, BOX)
PLACES: tuple[Position, ...] = tuple(o.position for o in SPECS)


def task(kind: Kind, destination: int | None = None) -> TaskSpec:
    room = RoomSpec(scene=SceneSpec(objects=SPECS))
    return TaskSpec(kind, room, 0, destination, "red cup", "blue plate" if destination else "")


def moment(
    base: BasePose | None = None,
    places: tuple[Position, ...] = PLACES,
    held: int | None = None,
    speed: float = 0.0,
    seconds: float = 0.0,
) -> Truth:
    stamp, pose = round(seconds * 1e9), base or BasePose()
    objects = tuple(TrueObject("", place, (1, 0, 0, 0)) for place in places)
    return Truth(stamp, pose, speed, objects, held, (), visible=(0, 0, 0))


def moved(index: int, to: Position) -> tuple[Position, ...]:
    return tuple(to if i == index else place for i, place in enumerate(PLACES))


START = moment()


@pytest.mark.parametrize(
    ("base", "done"),
    [
        (BasePose(x=0.85), True),
        (BasePose(x=0.60), False),  # 0.9 m before it
        (BasePose(x=1.15), False),  # 0.35 m before it
        (BasePose(x=0.85, yaw=0.35), False),
    ],
)
def test_going_ends_close_by_and_facing(base: BasePose, done: bool) -> None:
    assert judge(task(Kind.GO_TO), [START, moment(base)]).success is done


def test_who_still_moves_is_not_there() -> None:
    there = moment(BasePose(x=0.85), speed=0.1)
    assert judge(task(Kind.GO_TO), [START, there]).why == "still moves"


def test_going_to_another_object_is_the_wrong_object() -> None:
    yaw = math.atan2(-0.6, 1.2)
    at_box = BasePose(x=1.2 - 0.65 * math.cos(yaw), y=-0.6 - 0.65 * math.sin(yaw), yaw=yaw)
    found = judge(task(Kind.GO_TO), [START, moment(at_box)])
    assert (found.success, found.wrong_object) == (False, True)


def test_turning_ends_looking_at_it() -> None:
    assert judge(task(Kind.TURN_TO), [START, moment(BasePose(yaw=0.14))]).success
    assert not judge(task(Kind.TURN_TO), [START, moment(BasePose(yaw=0.16))]).success


def test_what_is_picked_up_is_held_and_off_the_floor() -> None:
    lifted = moment(held=0, places=moved(0, (1.5, 0.0, 0.6)))
    assert judge(task(Kind.PICK_UP), [START, lifted]).success
    assert judge(task(Kind.PICK_UP), [START, moment(held=0)]).why == "did not lift it"
    other = judge(task(Kind.PICK_UP), [START, moment(held=2)])
    assert (other.success, other.wrong_object) == (False, True)


def test_what_is_put_on_a_plate_lies_on_it() -> None:
    on, beside = (1.52, 0.62, 0.07), (1.3, 0.6, 0.05)
    put = task(Kind.PUT_ON, 1)
    assert judge(put, [START, moment(places=moved(0, on))]).success
    assert not judge(put, [START, moment(places=moved(0, beside))]).success
    assert judge(put, [START, moment(places=moved(0, on), held=0)]).why == "still holds something"
    floating = (1.52, 0.62, 0.2)
    assert not judge(put, [START, moment(places=moved(0, floating))]).success
    next_to = task(Kind.PUT_NEXT_TO, 1)
    assert judge(next_to, [START, moment(places=moved(0, beside))]).success
    assert not judge(next_to, [START, moment()]).success


def test_a_push_moves_its_object_and_no_other() -> None:
    assert judge(task(Kind.PUSH), [START, moment(places=moved(0, (1.6, 0.0, 0.05)))]).success
    assert not judge(task(Kind.PUSH), [START, moment(places=moved(0, (1.55, 0.0, 0.05)))]).success
    other = judge(task(Kind.PUSH), [START, moment(places=moved(2, (1.4, -0.6, 0.05)))])
    assert other.wrong_object
    to = task(Kind.PUSH_TO, 1)
    assert judge(to, [START, moment(places=moved(0, (1.5, 0.38, 0.05)))]).success
    assert not judge(to, [START, moment(places=moved(0, (1.5, 0.3, 0.05)))]).success


def test_a_search_ends_with_the_object_in_the_image() -> None:
    assert judge(task(Kind.SEARCH), [START, replace(START, visible=(101, 0, 0))]).success
    assert not judge(task(Kind.SEARCH), [START, replace(START, visible=(99, 0, 0))]).success


def test_a_stop_is_judged_by_the_last_two_seconds() -> None:
    drove = moment(speed=0.4, seconds=1.0)
    end = moment(BasePose(x=0.5), seconds=3.1)
    assert judge(task(Kind.STOP), [START, drove, end]).success
    late = moment(speed=0.4, seconds=1.2)
    assert not judge(task(Kind.STOP), [START, late, end]).success


@pytest.mark.parametrize(
    ("at", "right"),
    [
        (moment(BasePose(x=0.04, yaw=0.09)), True),
        (moment(BasePose(x=0.06)), False),
        (moment(BasePose(yaw=0.11)), False),
        (moment(held=1), False),
    ],
)
def test_who_refuses_does_not_move(at: Truth, right: bool) -> None:
    assert judge(task(Kind.ABSENT), [START, at, START]).success is right
