"""Items that wait for slower sensors, with the clock in the test's hand."""

from __future__ import annotations

from vlam_ros.fusion.synchroniser import Synchroniser, belonging, half_frame

MS = 10**6
WAIT = 150 * MS


def never(stamp: int) -> bool:
    return False


def room(*stamps: int, kept: int = 8) -> Synchroniser[str]:
    """A room with an item for each stamp in milliseconds."""
    held: Synchroniser[str] = Synchroniser(WAIT, kept)
    for stamp in stamps:
        held.put(stamp * MS, f"at {stamp}")
    return held


def stamps(due: list[tuple[int, str]]) -> list[int]:
    return [stamp // MS for stamp, _ in due]


def test_what_is_ready_does_not_wait_and_what_is_not_waits_exactly_so_long() -> None:
    held = room(100, 133, 166)
    assert held.due(170 * MS, never) == []
    assert held.due(170 * MS, lambda stamp: stamp <= 133 * MS) == [
        (100 * MS, "at 100"),
        (133 * MS, "at 133"),
    ]
    assert held.due(316 * MS - 1, never) == []
    assert stamps(held.due(316 * MS, never)) == [166]
    assert held.due(10**12, never) == []


def test_what_came_before_something_ready_does_not_wait_longer_than_that() -> None:
    held = room(100, 133, 166)
    assert stamps(held.due(170 * MS, lambda stamp: stamp == 133 * MS)) == [100, 133]


def test_nothing_waits_for_a_stamp_far_ahead_of_the_clock() -> None:
    held = room(10_000)
    assert stamps(held.due(100 * MS, never)) == [10_000]
    held = room(200)
    assert held.due(100 * MS, never) == [], "a clock that is a little late is no reason"


def test_a_full_room_stays_small_and_lets_the_oldest_become_due() -> None:
    held = room(*range(0, 1000, 10), kept=4)
    assert held.passed_over == 96
    assert stamps(held.due(1000 * MS, never)) == [0, 10, 20]
    assert stamps(held.due(1140 * MS, never)) == [990]


def test_a_camera_too_fast_for_the_room_still_gets_images_through() -> None:
    held, through = room(kept=4), []
    for now in range(0, 2000, 10):
        held.put(now * MS, "")
        through += stamps(held.due(now * MS, never))
    assert len(through) > 20
    assert through == sorted(through)


def test_nothing_is_left_after_a_jump() -> None:
    held = room(100)
    held.clear()
    assert held.due(10**12, never) == []


# ------------------------------------------------------------------------------ half a frame


def test_half_a_frame_is_that_of_whatever_lost_least() -> None:
    images = [round(i * 1e9 / 30) for i in range(30)]
    assert half_frame(images) == 1e9 / 60 // 1
    assert half_frame(images[::3], images) == half_frame(images)
    assert half_frame(images, images[::2]) == half_frame(images)
    few_lost = [stamp for i, stamp in enumerate(images) if i % 5]
    assert abs(half_frame(few_lost) - half_frame(images)) <= 1


def test_half_a_frame_is_nothing_before_two_came_and_never_long() -> None:
    assert half_frame() == half_frame([5 * MS], []) == half_frame([0, 0, 0]) == 1
    assert half_frame([0, 3000 * MS]) == 100 * MS


def test_what_belongs_to_an_image_is_the_nearest_within_half_a_frame() -> None:
    half = 16 * MS
    assert belonging([99 * MS, 101 * MS, 134 * MS], 100 * MS + 1, half) == 101 * MS
    assert belonging([67 * MS, 134 * MS], 100 * MS, half) is None
    assert belonging([], 100 * MS, half) is None
    assert belonging([84 * MS], 100 * MS, half) is None
    assert belonging([85 * MS], 100 * MS, half) == 85 * MS
    assert belonging([100 * MS], 100 * MS, 1) == 100 * MS
