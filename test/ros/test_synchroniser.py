"""ImageSelector that wait for slower sensors, with the clock in the test's hand."""

from __future__ import annotations

from vlam_ros.ros.synchroniser import IMAGES_KEPT, MISSES, ImageSelector, Synchroniser

MS = 10**6
WAIT = 150 * MS
NOBODY, SOMEBODY = False, True


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


def images(*stamps: int) -> ImageSelector[int]:
    waiting: ImageSelector[int] = ImageSelector(WAIT)
    for stamp in stamps:
        waiting.put(stamp * MS, stamp)
    return waiting


def test_without_anybody_who_publishes_depth_no_image_waits() -> None:
    waiting = images(100)
    assert waiting.next(100 * MS, NOBODY) == 100
    assert waiting.next(100 * MS, NOBODY) is None


def test_the_newest_image_that_has_its_depth_is_next() -> None:
    waiting = images(100, 133, 166)
    assert waiting.next(170 * MS, SOMEBODY) is None
    waiting.depth(100 * MS)
    waiting.depth(133 * MS)
    assert waiting.next(170 * MS, SOMEBODY) == 133
    assert waiting.passed_over == 1
    assert waiting.next(170 * MS, SOMEBODY) is None, "the third still waits"
    waiting.depth(166 * MS)
    assert waiting.next(200 * MS, SOMEBODY) == 166


def test_depth_may_come_before_its_image() -> None:
    waiting = images()
    waiting.depth(100 * MS)
    waiting.put(100 * MS, 100)
    assert waiting.next(100 * MS, SOMEBODY) == 100


def test_the_newest_image_that_has_waited_long_enough_is_next() -> None:
    waiting = images(100, 133, 166)
    assert waiting.next(250 * MS - 1, SOMEBODY) is None
    assert waiting.next(283 * MS, SOMEBODY) == 133
    assert waiting.passed_over == 1


def test_who_has_no_depth_for_several_images_is_not_waited_for_until_there_is_some() -> None:
    waiting = images()
    for stamp in range(0, MISSES * 1000, 1000):
        waiting.put(stamp * MS, stamp)
        assert waiting.next(stamp * MS, SOMEBODY) is None
        assert waiting.next((stamp + 150) * MS, SOMEBODY) == stamp
    waiting.put(9000 * MS, 9000)
    assert waiting.next(9000 * MS, SOMEBODY) == 9000
    waiting.depth(9000 * MS)  # late, but there is some again
    waiting.put(10_000 * MS, 10_000)
    assert waiting.next(10_000 * MS, SOMEBODY) is None


def test_a_image_with_depth_makes_up_for_those_without() -> None:
    waiting = images()
    for stamp in range(0, 10_000, 1000):
        waiting.put(stamp * MS, stamp)
        assert waiting.next(stamp * MS, SOMEBODY) is None
        if stamp % 2000 == 0:
            waiting.depth(stamp * MS)
            assert waiting.next(stamp * MS, SOMEBODY) == stamp
        else:
            assert waiting.next((stamp + 150) * MS, SOMEBODY) == stamp


def test_no_more_than_a_few_images_are_held() -> None:
    waiting = images(*range(100))
    assert waiting.passed_over == 100 - IMAGES_KEPT


def test_after_a_jump_the_same_stamp_is_another_image() -> None:
    waiting = images(100)
    waiting.depth(100 * MS)
    waiting.clear()
    assert waiting.newest is None
    assert waiting.next(10**12, NOBODY) is None
    waiting.put(100 * MS, 100)
    assert waiting.next(101 * MS, SOMEBODY) is None, "the depth was of another time"
