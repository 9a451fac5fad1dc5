"""Where frames are, from the transforms of a bag; what is expected was computed by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from vlam_ros.errors import SensorError
from vlam_ros.lab.bags import TransformTree
from vlam_ros.lab.bags.transforms import WINDOW
from vlam_ros.ros.mount import Mount

SECOND, MS = 10**9, 10**6
NOW = 1_700_000_000 * SECOND
TYPES = get_typestore(Stores.ROS2_HUMBLE).types

Place = tuple[float, float, float]
Turn = tuple[float, float, float, float]
LEVEL: Turn = (1.0, 0.0, 0.0, 0.0)


def about_z(degrees: float) -> Turn:
    half = math.radians(degrees) / 2
    return (math.cos(half), 0.0, 0.0, math.sin(half))


def about_y(degrees: float) -> Turn:
    half = math.radians(degrees) / 2
    return (math.cos(half), 0.0, math.sin(half), 0.0)


def link(
    parent: str, child: str, place: Place = (0.0, 0.0, 0.0), turn: Turn = LEVEL, stamp: int = NOW
) -> Any:
    """A TransformStamped as `rosbags` reads it."""
    w, x, y, z = turn
    return TYPES["geometry_msgs/msg/TransformStamped"](
        TYPES["std_msgs/msg/Header"](
            TYPES["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND), parent
        ),
        child,
        TYPES["geometry_msgs/msg/Transform"](
            TYPES["geometry_msgs/msg/Vector3"](*place),
            TYPES["geometry_msgs/msg/Quaternion"](x, y, z, w),
        ),
    )


def tree(*static: Any, moving: tuple[Any, ...] = ()) -> TransformTree:
    made = TransformTree()
    made.add(SimpleNamespace(transforms=list(static)), static=True)
    for one in moving:
        made.add(SimpleNamespace(transforms=[one]), static=False)
    return made


def place_of(made: TransformTree, frame: str, stamp: int = NOW) -> list[float] | None:
    found = made.mount(frame, stamp)
    return None if found is None else [round(float(v), 9) + 0.0 for v in found.position]


def yaw_of(found: Mount | None) -> float:
    """Degrees."""
    assert found is not None
    return math.degrees(math.atan2(found.rotation[1, 0], found.rotation[0, 0]))


# ------------------------------------------------------------------------------ chains


def test_links_follow_one_another() -> None:
    made = tree(
        link("base_link", "mast", (0.1, 0.0, 1.0), about_z(90)),
        link("mast", "camera", (0.2, 0.0, 0.0), about_y(90)),
        link("camera", "optical", (0.0, 0.0, 0.3)),
    )
    # 0.2 m ahead of the mast is left of the base; the camera's z points where the mast's x does.
    assert place_of(made, "mast") == [0.1, 0.0, 1.0]
    assert place_of(made, "camera") == [0.1, 0.2, 1.0]
    assert place_of(made, "optical") == [0.1, 0.5, 1.0]
    found = made.mount("optical", NOW)
    assert found is not None
    np.testing.assert_allclose(found.rotation @ (0, 0, 1), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-12)


def test_a_frame_above_the_base_or_beside_it_is_found_the_other_way_round() -> None:
    made = tree(
        link("base_footprint", "base_link", (0.0, 0.0, 0.2), about_z(90)),
        link("base_footprint", "lidar", (0.5, 0.0, 0.7)),
    )
    assert place_of(made, "base_footprint") == [0.0, 0.0, -0.2]
    # 0.5 m ahead of the footprint is right of a base that looks to the left.
    assert place_of(made, "lidar") == [0.0, -0.5, 0.5]
    assert yaw_of(made.mount("lidar", NOW)) == pytest.approx(-90)


def test_the_base_itself_is_known_once_any_transform_tells_of_it() -> None:
    assert TransformTree().mount("base_link", NOW) is None
    for made in (tree(link("base_link", "lidar")), tree(moving=(link("odom", "base_link"),))):
        assert place_of(made, "base_link") == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("frame", ["nowhere", "island", "island_top"])
def test_a_frame_without_a_way_to_the_base_is_not_known(frame: str) -> None:
    made = tree(link("base_link", "lidar"), link("island", "island_top"))
    assert made.mount(frame, NOW) is None


def test_quaternions_of_any_length_and_leading_slashes_are_accepted() -> None:
    made = tree(link("/base_link", "/lidar", (1.0, 0.0, 0.0), (2.0, 0.0, 0.0, 2.0)))
    assert place_of(made, "lidar") == place_of(made, "/lidar") == [1.0, 0.0, 0.0]
    assert yaw_of(made.mount("lidar", NOW)) == pytest.approx(90)


# ------------------------------------------------------------------------------ prefixes


def test_a_frame_with_a_prefix_is_looked_for_in_the_base_with_that_prefix_first() -> None:
    made = tree(
        link("base_link", "robot1/base_link", (5.0, 0.0, 0.0)),
        link("robot1/base_link", "robot1/lidar", (1.0, 0.0, 0.0)),
        link("base_link", "robot2/lidar", (2.0, 0.0, 0.0)),
        link("robot1/base_link", "camera", (3.0, 0.0, 0.0)),
        link("robot3/base_link", "top", (4.0, 0.0, 0.0)),
    )
    assert place_of(made, "robot1/lidar") == [1.0, 0.0, 0.0]
    assert place_of(made, "robot2/lidar") == [2.0, 0.0, 0.0]
    assert place_of(made, "camera") == [8.0, 0.0, 0.0]
    assert place_of(made, "top") is None


# ------------------------------------------------------------------------------ time


def turning(count: int = 3, every: int = 100 * MS, start: int = NOW) -> tuple[Any, ...]:
    """A pan that turns 40 degrees and goes 0.2 m a step."""
    return tuple(
        link("base_link", "pan", (0.2 * i, 0.0, 0.0), about_z(40.0 * i), start + i * every)
        for i in range(count)
    )


def test_between_stamps_transforms_are_interpolated() -> None:
    made = tree(link("pan", "camera", (1.0, 0.0, 0.0)), moving=turning())
    for share in (0.0, 0.25, 0.5, 1.0, 1.5, 2.0):
        stamp = NOW + round(share * 100 * MS)
        assert yaw_of(made.mount("pan", stamp)) == pytest.approx(40 * share, abs=1e-9)
        angle = math.radians(40 * share)
        assert place_of(made, "camera", stamp) == pytest.approx(
            [0.2 * share + math.cos(angle), math.sin(angle), 0.0], abs=1e-8
        )


def test_a_turn_goes_the_shorter_way_whichever_sign_its_quaternion_has() -> None:
    turn = about_z(-30)
    made = tree(
        moving=(
            link("base_link", "pan", turn=about_z(30)),
            link("base_link", "pan", turn=tuple(-v for v in turn), stamp=NOW + 100 * MS),  # type: ignore[arg-type]
        )
    )
    assert yaw_of(made.mount("pan", NOW + 25 * MS)) == pytest.approx(15)
    assert yaw_of(made.mount("pan", NOW + 75 * MS)) == pytest.approx(-15)


@pytest.mark.parametrize("late", [250 * MS, 3600 * SECOND])
def test_beyond_the_stamps_the_latest_transform_counts(late: int) -> None:
    made = tree(moving=turning())
    assert yaw_of(made.mount("pan", NOW + late)) == pytest.approx(80)
    assert yaw_of(made.mount("pan", NOW - late)) == pytest.approx(80)


def test_the_latest_is_the_last_time_for_which_all_links_are_known() -> None:
    fast = tuple(link("pan", "tilt", (float(i), 0.0, 0.0), stamp=NOW + i * 100 * MS)
                 for i in range(5))  # fmt: skip
    made = tree(moving=(*turning(), *fast))
    # The pan is known up to 0.2 s, where it looks 80 degrees to the left.
    angle = math.radians(80)
    assert place_of(made, "tilt", NOW + SECOND) == pytest.approx(
        [0.4 + 2 * math.cos(angle), 2 * math.sin(angle), 0.0], abs=1e-8
    )


def test_a_static_transform_holds_at_any_time() -> None:
    made = tree(link("base_link", "lidar", (1.0, 0.0, 0.0)))
    assert place_of(made, "lidar", 0) == place_of(made, "lidar", NOW * 2) == [1.0, 0.0, 0.0]


def test_of_a_frame_that_is_static_and_moving_what_came_last_counts() -> None:
    made = tree(link("base_link", "lidar", (1.0, 0.0, 0.0)))
    made.add(SimpleNamespace(transforms=[link("base_link", "lidar", (2.0, 0.0, 0.0))]), False)
    assert place_of(made, "lidar") == [2.0, 0.0, 0.0]
    made.add(SimpleNamespace(transforms=[link("base_link", "lidar", (3.0, 0.0, 0.0))]), True)
    assert place_of(made, "lidar") == [3.0, 0.0, 0.0]


def test_what_moved_is_forgotten_when_stamps_jump_back() -> None:
    static = link("base_link", "lidar", (1.0, 0.0, 0.0))
    made = tree(static, moving=(*turning(start=NOW), link("pan", "tilt", stamp=NOW)))
    assert made.mount("tilt", NOW) is not None
    (again, *_) = turning(start=NOW - 60 * SECOND)
    made.add(SimpleNamespace(transforms=[again]), static=False)
    assert yaw_of(made.mount("pan", NOW)) == pytest.approx(0), "80 degrees are of another time"
    # Not even when time comes there again.
    made.add(SimpleNamespace(transforms=[turning(start=NOW)[0]]), static=False)
    assert yaw_of(made.mount("pan", NOW)) == pytest.approx(0)
    assert made.mount("tilt", NOW) is None
    assert place_of(made, "lidar") == [1.0, 0.0, 0.0]


def test_moving_transforms_are_kept_for_ten_seconds() -> None:
    made = tree(moving=turning(count=200))
    newest = NOW + 199 * 100 * MS
    known = newest - WINDOW
    assert yaw_of(made.mount("pan", known)) == pytest.approx(math.remainder(40 * 99, 360))
    # Before that nothing is known but the latest.
    latest = math.remainder(40 * 199, 360)
    assert yaw_of(made.mount("pan", known - SECOND)) == pytest.approx(latest)


def test_a_frame_that_changes_its_parent_is_not_interpolated_between_them() -> None:
    made = tree(
        link("base_link", "tool", (5.0, 0.0, 0.0)),
        moving=(
            link("base_link", "cup", (1.0, 0.0, 0.0)),
            link("tool", "cup", (0.5, 0.0, 0.0), stamp=NOW + 100 * MS),
        ),
    )
    assert place_of(made, "cup", NOW + 50 * MS) == [1.0, 0.0, 0.0]
    assert place_of(made, "cup", NOW + 100 * MS) == [5.5, 0.0, 0.0]


# ------------------------------------------------------------------------------ what is wrong


def test_frames_in_a_circle_are_an_error_that_names_them() -> None:
    made = tree(link("a", "b"), link("b", "c"), link("c", "a"), link("base_link", "lidar"))
    with pytest.raises(SensorError) as caught:
        made.mount("c", NOW)
    assert str(caught.value) == "transforms must not go round in a circle, got c, b, a, c"
    assert place_of(made, "lidar") == [0.0, 0.0, 0.0]


NAN = float("nan")
UNFILLED = {
    "quaternion of zeros": link("base_link", "lidar", turn=(0.0,) * 4),
    "place": link("base_link", "lidar", (NAN, 0.0, 0.0)),
    "same frames": link("lidar", "lidar"),
    "no parent": link("", "lidar"),
}


@pytest.mark.parametrize("what", UNFILLED)
def test_a_transform_that_is_not_filled_in_is_an_error_only_for_its_frame(what: str) -> None:
    made = tree(link("base_link", "camera", (1.0, 0.0, 0.0)), UNFILLED[what], link("lidar", "top"))
    assert place_of(made, "camera") == [1.0, 0.0, 0.0]
    for frame in ("lidar", "top"):
        with pytest.raises(SensorError, match=r"\(the transform of 'lidar'\)$"):
            made.mount(frame, NOW)


@pytest.mark.parametrize("first", [True, False])
def test_a_good_transform_of_the_same_frame_counts_whenever_it_came(first: bool) -> None:
    good, bad = link("base_link", "lidar", (1.0, 0.0, 0.0)), UNFILLED["place"]
    assert place_of(tree(*((good, bad) if first else (bad, good))), "lidar") == [1.0, 0.0, 0.0]


# ------------------------------------------------------------------------------ odometry


def test_how_the_base_moved_is_told_at_both_ends() -> None:
    made = tree(
        moving=(
            link("odom", "base_link", (1.0, 0.0, 0.0), about_z(170), NOW),
            link("odom", "base_link", (0.8, 0.0, 0.0), about_z(-170), NOW + 200 * MS),
        )
    )
    one, other = made.odometry((NOW, NOW + 100 * MS))
    assert (one.stamp, other.stamp) == (NOW, NOW + 100 * MS)
    assert [one.x, other.x] == pytest.approx([1.0, 0.9])
    assert math.degrees(one.yaw) == pytest.approx(170)
    assert abs(math.degrees(other.yaw)) == pytest.approx(180)
    # It turns left by 10 degrees while it goes 0.1 m, its nose about where it goes.
    assert one.yaw_rate == other.yaw_rate == pytest.approx(math.radians(10) / 0.1)
    assert one.speed == pytest.approx(math.cos(math.radians(5)))


@pytest.mark.parametrize(
    "span", [(NOW, NOW), (NOW + 100 * MS, NOW), (NOW - MS, NOW), (NOW, NOW + 201 * MS)]
)
def test_how_it_moved_is_not_guessed(span: tuple[int, int]) -> None:
    made = tree(
        moving=tuple(
            link("odom", "base_link", (float(i), 0.0, 0.0), stamp=NOW + i * 100 * MS)
            for i in range(3)
        )
    )
    assert made.odometry(span) == []
    assert len(made.odometry((NOW, NOW + 200 * MS))) == 2


def test_without_odometry_nothing_is_known_of_how_it_moved() -> None:
    assert TransformTree().odometry((NOW, NOW + SECOND)) == []
    assert tree(link("base_link", "lidar")).odometry((NOW, NOW + SECOND)) == []
