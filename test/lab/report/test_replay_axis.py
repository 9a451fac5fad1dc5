import pytest
from replay_runs import EXECUTE, at, replay

from vlam_ros.lab.report.replay_axis import MOST_PARTS, Axis, Part, axis_of

SECOND = 1_000_000_000


def laid(*seconds: float, eras: list[int] | None = None) -> Axis:
    """The axis of decisions on images of these times."""
    run = at(replay(*[EXECUTE] * len(seconds)), [round(s * SECOND) for s in seconds], eras)
    return axis_of(run.decisions)


def test_decisions_lie_where_their_images_are_in_time() -> None:
    axis = laid(3.0, 3.5, 4.0, 4.6)
    assert axis.positions == (0.0, 0.5, 1.0, 1.6)
    assert axis.parts == (Part(0.0, pytest.approx(2.1), 0.0),)
    assert axis.note == ""


def test_a_decision_lasts_until_the_next_but_three_periods_at_most() -> None:
    assert laid(0.0, 0.5, 1.0, 1.5, 5.0).widths == (0.5, 0.5, 0.5, 1.5, 0.5)


def test_a_lone_decision_is_a_second_wide() -> None:
    axis = laid(7.0)
    assert (axis.positions, axis.widths) == ((0.0,), (1.0,))
    assert axis.parts == (Part(0.0, 1.0, 0.0),)


def test_no_decision_has_no_axis() -> None:
    assert axis_of(()) == Axis((), (), (), False, 0, 0)


def test_an_era_begins_a_part_that_follows_the_one_before() -> None:
    axis = laid(0, 1, 2, 0, 1, eras=[0, 0, 0, 1, 1])
    assert axis.positions == (0, 1, 2, 3, 4)
    assert axis.parts == (Part(0.0, 3.0, 0.0), Part(3.0, 2.0, 0.0))
    assert axis.note == "The axis is cut where time jumped back once."


def test_a_stamp_that_does_not_increase_begins_a_part_and_an_equal_one_does_not() -> None:
    axis = laid(0, 1, 1, 2, 1.5, 2.5)
    assert [part.start for part in axis.parts] == [0, 3]
    assert axis.positions == (0, 1, 1, 2, 3, 4)
    assert axis.parts[1].after == 1.5


def test_a_long_time_without_a_decision_is_cut_out() -> None:
    axis = laid(0, 1, 2, 7202, 7203)
    assert axis.positions == (0, 1, 2, 3, 4)
    assert axis.parts[1] == Part(3.0, 2.0, 7202.0)
    assert axis.note == "The axis is cut where nothing was decided for a long time once."


def test_half_a_minute_is_no_long_time_nor_are_thirty_periods() -> None:
    assert len(laid(0, 1, 2, 32).parts) == 1
    assert len(laid(0, 1, 2, 32.1).parts) == 2
    assert len(laid(0, 10, 20, 320).parts) == 1
    assert len(laid(0, 10, 20, 320.1).parts) == 2


def test_a_run_in_too_many_parts_is_counted_in_decisions() -> None:
    count = MOST_PARTS + 1
    assert not laid(*[0] * MOST_PARTS, eras=list(range(MOST_PARTS))).by_index
    axis = laid(*[0] * count, eras=list(range(count)))
    assert axis.by_index
    assert axis.positions == tuple(range(count))
    assert axis.parts == (Part(0.0, count, 0.0),)
    assert axis.note == f"The axis counts decisions, because time jumped back {MOST_PARTS} times."


def test_a_new_era_much_later_is_one_cut() -> None:
    axis = laid(0, 1, 7200, 7201, eras=[0, 0, 1, 1])
    assert (axis.back, axis.gaps) == (1, 0)
