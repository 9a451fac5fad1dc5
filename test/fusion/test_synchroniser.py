"""Items that wait for slower sensors, with the clock in the test's hand."""

from __future__ import annotations

from vlam_ros.fusion.synchroniser import Synchroniser

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
