import math
from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.lab.visualization.floor_map import FARTHEST, SIDE, FloorMap, floor_in_view
from vlam_ros.types import Camera, optical_rotation

NOTHING = np.zeros((0, 2))
CAMERA = Camera(640, 480, 320.0, 240.0, 319.5, 239.5, optical_rotation(0.6), np.array([0.2, 0, 1]))
"""A field of view of 90 degrees in both directions, 1 m over the floor."""


def test_ahead_is_up_and_left_is_left() -> None:
    floor_map = FloorMap.around(NOTHING)
    scale, (column, row) = floor_map.scale, floor_map.pixel(0.0, 0.0)
    assert scale == SIDE / 3.0
    assert column == SIDE / 2 - 0.5
    assert floor_map.pixel(1.0, 0.0) == pytest.approx((column, row - scale))
    assert floor_map.pixel(0.0, 1.0) == pytest.approx((column - scale, row))


@pytest.mark.parametrize("place", [(5.0, 0.2), (-3.0, 0.0), (1.0, 4.0), (0.3, -2.5)])
def test_the_map_grows_with_what_is_to_be_shown(place: tuple[float, float]) -> None:
    floor_map = FloorMap.around(np.array([place, (0.5, 0.5)]))
    for x, y in (place, (0.5, 0.5), (-0.25, 0.22)):
        assert all(15 < c < SIDE - 15 for c in floor_map.pixel(x, y))


def test_what_is_far_away_does_not_make_all_else_small() -> None:
    assert FloorMap.around(np.array([(FARTHEST + 1, 0.0), (1e9, -1e9)])) == FloorMap.around(NOTHING)


def test_a_camera_that_looks_down_sees_a_rectangle() -> None:
    seen = floor_in_view(replace(CAMERA, rotation=optical_rotation(math.pi / 2)))
    assert seen.min(axis=0) == pytest.approx((-0.8, -1.0), abs=0.01)
    assert seen.max(axis=0) == pytest.approx((1.2, 1.0), abs=0.01)


def test_a_camera_that_looks_ahead_sees_from_its_lower_edge_to_the_horizon() -> None:
    seen = floor_in_view(CAMERA)
    near = 1.0 / math.tan(0.6 + math.pi / 4)
    assert seen[:, 0].min() == pytest.approx(0.2 + near, abs=0.01)
    assert np.hypot(*(seen - (0.2, 0.0)).T).max() > 90
    left = floor_in_view(replace(CAMERA, rotation=optical_rotation(0.6, yaw=0.5)))
    assert left[:, 1].mean() > seen[:, 1].mean() + 1


def test_a_camera_that_looks_up_or_lies_on_the_floor_sees_none_of_it() -> None:
    assert not len(floor_in_view(replace(CAMERA, rotation=optical_rotation(-1.0))))
    assert not len(floor_in_view(replace(CAMERA, position=np.zeros(3))))
