import math
from dataclasses import replace

import numpy as np
import pytest
from drawn import Written
from hypothesis import given, settings
from hypothesis import strategies as st

from vlam_ros.actions import ActionTokenizer, stop_chunk
from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.visualization import draw_top_view
from vlam_ros.lab.visualization.floor_map import (
    ABOVE,
    LEFT,
    OBSTACLE,
    PATH,
    ROBOT,
    SEEN,
    SIDE,
    WHITE,
    FloorMap,
)
from vlam_ros.lab.visualization.layers import TURN_RADIUS
from vlam_ros.lab.visualization.top_view import PANEL_WIDTH
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Camera,
    Decision,
    InstructionRequest,
    Missing,
    Obstacles,
    Outcome,
    Placement,
    Plan,
    PositionSource,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
    optical_rotation,
)
from vlam_ros.visualization.overlay import DESTINATION, OTHER, TARGET, VERDICT_COLOURS

SPACE = ActionSpace.of(
    ("stop", "go_to", "pick_up"), (-3.0, -3.0, -1.0, -math.pi), (3, 3, 1, math.pi)
)
REQUEST = InstructionRequest("go to the red cup")
EXECUTE = Verdict(Outcome.EXECUTE, confidence=0.87)
HOLD = Verdict(Outcome.HOLD, Reason.PATH_BLOCKED, "something at (0.61, 0.16) is in the way")
NO_LIDAR = Missing("no LiDAR")
NAN = math.nan
MAP = FloorMap.around(np.zeros((0, 2)))
"""The map as long as nothing is farther than 2 m."""


def thing(
    phrase: str,
    x: float,
    y: float,
    size: float = 0.2,
    spread: float = NAN,
    source: PositionSource = PositionSource.DEPTH,
) -> SceneObject:
    box = (*np.random.default_rng(sum(phrase.encode())).integers(0, 400, 2).tolist(), 500, 400)
    mask = np.ones((3, 4), bool)
    return SceneObject(phrase, box, mask, 0.9, 0.8, 0.4, False, (x, y, 0.0), spread, size, source)


CUP = thing("red cup", 1.2, 0.6)
PLATE = thing("blue plate", 1.2, -0.6)
BOX = thing("green box", 1.9, 0.0)
PLAN = Plan((SkillStep("pick_up", CUP), SkillStep("place", None, PLATE, Placement.ON)))
CAMERA = Camera(
    640, 480, 500.0, 500.0, 319.5, 239.5, optical_rotation(0.45), np.array([0.1, 0, 0.6])
)


def chunk(rows: list[tuple[float, ...]], verdict: Verdict = EXECUTE) -> ActionChunk:
    """Rows (cmd, x, y, z, theta), NaN where unused."""
    values = np.array(rows)
    used = ~np.isnan(values[:, 1:])
    tokens = ActionTokenizer(SPACE).encode(np.nan_to_num(values), used)
    step = 250_000_000
    return ActionChunk(0, "base_link", SPACE, tokens, 0, step, REQUEST, "go_to", "", verdict)


STOPPED = stop_chunk(
    stamp=0, frame_id="base_link", space=SPACE, step=1, request=REQUEST, verdict=HOLD
)


def decide(
    *objects: SceneObject, plan: Plan | None = None, chunk: ActionChunk = STOPPED
) -> Decision:
    return Decision(Scene(0, objects), plan or Plan(), chunk.verdict, chunk)


def view(decision: Decision, **sensed: object) -> np.ndarray:
    box = FusionNodeSettings.load().fusion.robot_box
    nothing = {"obstacles": NO_LIDAR, "camera": Missing("no camera"), "robot_box": box}
    return draw_top_view(decision, **{**nothing, **sensed})  # type: ignore[arg-type]


def map_of(image: np.ndarray) -> np.ndarray:
    """The part of the image that is the map."""
    header = int(np.argmax((image[:, 0] == 255).all(axis=1)))
    return image[header + ABOVE :, LEFT:][:SIDE, :SIDE]


def pixel(x: float, y: float, floor_map: FloorMap = MAP) -> tuple[int, int]:
    """Row and column of a place on the map."""
    column, row = floor_map.pixel(x, y)
    return round(row), round(column)


def of_colour(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (image == colour).all(axis=2)


# --------------------------------------------------------------------------- objects


def test_objects_are_where_they_are_in_the_colours_of_their_roles() -> None:
    floor = map_of(view(decide(BOX, PLATE, CUP, plan=PLAN)))
    for x, y, colour in ((1.2, 0.6, TARGET), (1.2, -0.6, DESTINATION), (1.9, 0.0, OTHER)):
        np.testing.assert_array_equal(floor[pixel(x, y)], colour)


def test_an_object_is_as_large_as_it_is() -> None:
    floor = map_of(view(decide(thing("red cup", 1.2, 0.6, size=0.5))))
    column = of_colour(floor, OTHER)[:, pixel(1.2, 0.6)[1]]
    assert column.sum() == pytest.approx(0.5 * MAP.scale, abs=6)


@pytest.mark.parametrize(
    ("source", "share"),
    [(PositionSource.DEPTH, (0.97, 1)), (PositionSource.GROUND_PLANE, (0.4, 0.8))],
)
def test_the_spread_is_a_ring_that_tells_how_the_object_was_placed(
    source: PositionSource, share: tuple[float, float]
) -> None:
    seen = thing("red cup", 1.2, 0.0, size=0.2, spread=0.15, source=source)
    floor = map_of(view(decide(seen))).astype(int)

    def dark(radius: float) -> float:
        """The share of a circle that is drawn; its right, where the label is, left out."""
        turns = np.linspace(0.3, 2 * math.pi - 0.3, 200) - math.pi / 2
        radii = radius + np.array([-1, 0, 1]) / MAP.scale
        places = [[(1.2 + r * math.cos(a), r * math.sin(a)) for r in radii] for a in turns]
        darkest = [min(floor[pixel(x, y)].min() for x, y in around) for around in places]
        return float(np.mean(np.array(darkest) < 180))

    assert share[0] <= dark(0.25) <= share[1]
    assert dark(0.21) < 0.15


def test_labels_name_role_score_and_distance(written: list[Written]) -> None:
    view(decide(BOX, PLATE, CUP, plan=PLAN))
    texts = {w.text for w in written}
    assert {"target: red cup 0.90, 1.34 m", "green box 0.90"} <= texts
    assert "destination: blue plate 0.90, 1.34 m" in texts


def test_what_is_beyond_the_map_is_at_its_edge_in_its_direction(written: list[Written]) -> None:
    far = thing("red cup", 40.0, 10.0)
    floor = map_of(view(decide(far)))
    rows, columns = np.nonzero(of_colour(floor, OTHER)[:30])
    assert rows.min() < 20
    ahead = pixel(0, 0)[0] - rows.min()
    # The symbol is left of its label.
    assert columns.min() == pytest.approx(SIDE / 2 - ahead * 10 / 40, abs=12)
    assert "red cup 0.90, 41.23 m" in {w.text for w in written}


def test_what_has_no_place_is_listed_beside_the_map(written: list[Written]) -> None:
    lost = replace(CUP, position=None)
    odd = replace(BOX, position=(NAN, 0.0, 0.0))
    image = view(decide(lost, odd, plan=PLAN))
    texts = {w.text for w in written}
    assert {"seen, but place unknown", "target: red cup 0.90", "green box 0.90"} <= texts
    assert not of_colour(map_of(image), TARGET).any()


# ------------------------------------------------------------------------- waypoints


@pytest.mark.parametrize("theta", [0.0, math.pi / 2, -2.0])
def test_a_waypoint_is_where_its_row_says_and_points_along_theta(theta: float) -> None:
    row = chunk([(1, 0.9, -0.4, NAN, theta)])
    _, x, y, _, turned = ActionTokenizer(SPACE).decode(row.tokens)[0]
    assert (x, y, turned) == pytest.approx((0.9, -0.4, theta), abs=0.013)
    path = of_colour(map_of(view(decide(chunk=row))), PATH)

    def along(pixels: int) -> tuple[int, int]:
        metres = pixels / MAP.scale
        return pixel(x + metres * math.cos(theta), y + metres * math.sin(theta))

    assert path[along(0)]
    assert path[along(3)]
    assert not path[along(-5)]
    assert not path[along(12)]


def test_the_way_leads_through_the_waypoints() -> None:
    rows = [(1.0, x, y, NAN, NAN) for x, y in ((0.5, 0.0), (1.0, 0.5), (1.5, 0.0))]
    path = of_colour(map_of(view(decide(chunk=chunk(rows)))), PATH)
    for x, y in ((0.5, 0.0), (0.75, 0.25), (1.0, 0.5), (1.25, 0.25), (1.5, 0.0)):
        row, column = pixel(x, y)
        assert path[row - 3 : row + 4, column - 3 : column + 4].any()
    row, column = pixel(1.0, 0.0)
    assert not path[row - 20 : row + 21, column - 20 : column + 21].any()


def test_rows_are_numbered_and_events_marked(written: list[Written]) -> None:
    event = (2, NAN, NAN, NAN, NAN)
    down = [(2, 1.0, 0.3, z, 0.2) for z in (0.3, 0.2)]
    view(decide(chunk=chunk([(2, 0.5, 0.3, 0.3, 0.2), *down, event, (2, 1.0, 0.3, 0.3, 0.2)])))
    on_map = {w.text for w in written if w.shape == (SIDE, SIDE)}
    assert on_map == {"0", "1-2, 4", "event 3"}


def test_the_table_has_the_decoded_rows(written: list[Written]) -> None:
    view(decide(chunk=chunk([(1, 0.9, -0.4, NAN, 0.0), (2, NAN, NAN, NAN, NAN)])))
    texts = [w.text for w in written if w.shape[1] == PANEL_WIDTH]
    first = texts.index("0")
    # Each value is the centre of its bin.
    assert texts[first : first + 7] == ["0", "0.00", "0.90", "-0.40", "-", "0.00", "go_to"]
    assert texts[first + 7 : first + 9] == ["event", "1"]


def test_a_row_that_only_turns_is_around_the_origin() -> None:
    path = of_colour(map_of(view(decide(chunk=chunk([(1, NAN, NAN, NAN, 1.0)])))), PATH)
    assert path[pixel(TURN_RADIUS * math.cos(1.0), TURN_RADIUS * math.sin(1.0))]


def test_a_chunk_that_stops_has_no_way(written: list[Written]) -> None:
    image = view(decide(CUP, plan=PLAN))
    assert not of_colour(map_of(image), PATH).any()
    assert (image[-1] == VERDICT_COLOURS[Outcome.HOLD]).all()
    texts = {w.text for w in written}
    assert {"go to the red cup", "HOLD: PATH_BLOCKED", HOLD.message, "stop"} <= texts


# --------------------------------------------------------------------- what is sensed


def test_obstacles_are_dark() -> None:
    obstacles = Obstacles(0, np.array([[1.5, 0.5, 0.3]], np.float32))
    floor = map_of(view(decide(), obstacles=obstacles))
    np.testing.assert_array_equal(floor[pixel(1.5, 0.5)], OBSTACLE)
    assert of_colour(floor, OBSTACLE).sum() == 9


def test_points_out_of_view_change_nothing() -> None:
    away = np.array([[1e9, 0, 0], [0, -50, 1], [NAN, 0, 0], [1, math.inf, 0]], np.float32)
    near = np.array([[1.5, 0.5, 0.3]], np.float32)
    both = Obstacles(0, np.concatenate([near, away]))
    alone = view(decide(CUP), obstacles=Obstacles(0, near))
    np.testing.assert_array_equal(view(decide(CUP), obstacles=both), alone)


def test_missing_sensors_say_why(written: list[Written]) -> None:
    view(decide(), obstacles=Missing("LiDAR lost"), camera=Missing("no camera_info"))
    texts = {w.text for w in written}
    assert {"obstacles unknown: LiDAR lost", "camera unknown: no camera_info"} <= texts


def test_the_floor_that_the_camera_sees_is_tinted() -> None:
    floor = map_of(view(decide(), camera=CAMERA))
    for x, y, colour in ((1.7, 0.2, SEEN), (0.4, 0.3, WHITE), (0.7, 1.2, WHITE)):
        np.testing.assert_array_equal(floor[pixel(x, y)], colour)
    assert not of_colour(map_of(view(decide())), SEEN).any()


def test_the_robot_is_as_large_as_its_box() -> None:
    assert (map_of(view(decide()))[pixel(0.15, 0.15)] == ROBOT).all()
    for box, inside in (((-0.2, 0.5, 0.4), True), ((-0.2, 0.1, 0.1), False)):
        floor = map_of(view(decide(), robot_box=box))
        assert (floor[pixel(0.4, 0.3)] == ROBOT).all() == inside


# ------------------------------------------------------------------------ the image


def test_the_grid_is_labelled_where_it_is(written: list[Written]) -> None:
    view(decide())
    labels = [w for w in written if w.text in ("1.0 m", "-1.0 m") and w.shape[0] > SIDE]
    ahead = next(w for w in labels if w.right < LEFT)
    assert ahead.baseline - 5 == pytest.approx(ABOVE + pixel(1.0, 0.0)[0], abs=1)
    columns = {w.text: (w.left + w.right) / 2 - LEFT for w in labels if w.right > LEFT}
    assert columns["1.0 m"] == pytest.approx(pixel(0.0, 1.0)[1], abs=1)
    assert columns["-1.0 m"] == pytest.approx(pixel(0.0, -1.0)[1], abs=1)


def test_nothing_is_written_over_the_edge_of_a_crowded_image(written: list[Written]) -> None:
    crowd = [thing(f"red cup number {i} " * (1 + i % 3), 0.2 * i, 0.3 * (i % 5)) for i in range(12)]
    lost = [replace(thing(f"lost {i} " * 12, 0, 0), position=None) for i in range(6)]
    rows = [(2, 0.1 * i, 0.05 * i, 0.2, 0.1 * i) for i in range(30)]
    image = view(decide(*crowd, *lost, plan=PLAN, chunk=chunk(rows)), camera=CAMERA)
    assert 800 < image.shape[0] < 950
    for text in written:
        assert 0 <= text.left < text.right <= text.shape[1], text
        assert 8 <= text.baseline <= text.shape[0], text
    assert {"and 18 more", "and 3 more"} <= {w.text for w in written}


def test_the_same_decision_gives_the_same_image() -> None:
    obstacles = Obstacles(0, np.random.default_rng(0).normal(0, 2, (500, 3)).astype(np.float32))
    decision = decide(BOX, PLATE, CUP, plan=PLAN, chunk=chunk([(1, 0.9, -0.4, NAN, 0.5)]))
    first, second = (view(decision, obstacles=obstacles, camera=CAMERA) for _ in range(2))
    np.testing.assert_array_equal(first, second)


ANY = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(ANY, ANY, ANY, ANY), max_size=4), st.text(max_size=40))
def test_any_place_size_and_spread_can_be_drawn(
    places: list[tuple[float, float, float, float]], text: str
) -> None:
    objects = [thing(text, *place) for place in places]
    request = InstructionRequest(text)
    image = view(decide(*objects, chunk=replace(STOPPED, request=request)), camera=CAMERA)
    assert image.dtype == np.uint8
