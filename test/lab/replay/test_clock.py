"""What time it is while a bag is read, and when it jumped back."""

from __future__ import annotations

import pytest

from vlam_ros.lab.replay.clock import JUMP, OTHER_CLOCK, BagClock

SECOND, MS = 10**9, 10**6
DAY = 1_700_000_000 * SECOND

Tick = tuple[int, int | None]


def ticked(*ticks: Tick) -> list[tuple[int | None, bool]]:
    clock = BagClock()
    return [clock.tick(*tick) for tick in ticks]


def test_the_time_is_when_messages_were_received_if_stamps_are_of_the_same_clock() -> None:
    assert ticked((DAY, DAY - 30 * MS), (DAY + MS, None), (DAY + 9 * MS, DAY - SECOND)) == [
        (DAY, False), (DAY + MS, False), (DAY + 9 * MS, False),
    ]  # fmt: skip


def test_the_time_is_the_newest_stamp_if_the_recorder_had_another_clock() -> None:
    clock = BagClock()
    times = [(DAY, 10 * SECOND), (DAY + MS, None), (DAY + 2 * MS, 11 * SECOND)]
    assert [clock.tick(*time)[0] for time in times] == [10 * SECOND, 10 * SECOND, 11 * SECOND]
    assert clock.by_stamps


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("apart", "other"), [(OTHER_CLOCK, False), (OTHER_CLOCK + 1, True)])
def test_clocks_that_are_five_seconds_apart_are_two(sign: int, apart: int, other: bool) -> None:
    clock = BagClock()
    clock.tick(DAY, DAY + sign * apart)
    assert clock.by_stamps == other


def test_which_clock_it_is_is_not_known_before_the_first_stamp() -> None:
    assert ticked((DAY, None), (DAY + MS, None), (DAY + 2 * MS, 5 * SECOND)) == [
        (None, False), (None, False), (5 * SECOND, False),
    ]  # fmt: skip


def test_a_message_a_little_out_of_order_does_not_turn_time_back() -> None:
    start = 10 * SECOND
    assert ticked((DAY, start), (DAY, start - JUMP), (DAY, start + MS)) == [
        (start, False), (start, False), (start + MS, False),
    ]  # fmt: skip


def test_time_that_goes_back_more_than_a_second_has_jumped_once() -> None:
    start = 10 * SECOND
    back = start - JUMP - 1
    assert ticked((DAY, start), (DAY, back), (DAY, back + MS), (DAY, back)) == [
        (start, False), (back, True), (back + MS, False), (back + MS, False),
    ]  # fmt: skip


def test_a_gap_of_two_hours_is_no_jump() -> None:
    later = DAY + 7200 * SECOND
    assert ticked((DAY, DAY), (later, later)) == [(DAY, False), (later, False)]
