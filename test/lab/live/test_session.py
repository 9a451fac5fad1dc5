from vlam_ros.lab.live.session import ClockTimes


def test_a_message_has_the_time_that_the_clock_said_when_it_came_however_late_it_is_looked_at() -> (
    None
):
    times: ClockTimes[str] = ClockTimes()
    assert times.tick(1000, wall=10) == []
    times.put(25, "in the second")
    assert times.tick(2000, wall=20) == [], "it came after this time"
    times.put(15, "late: in the first")
    assert times.tick(3000, wall=30) == [(1000, "late: in the first"), (2000, "in the second")]


def test_messages_of_several_topics_come_back_in_the_order_in_which_they_came() -> None:
    times: ClockTimes[str] = ClockTimes()
    times.tick(1000, wall=10)
    for wall, item in ((18, "c"), (12, "a"), (15, "b")):
        times.put(wall, item)
    assert times.tick(1000, wall=20) == [(1000, "a"), (1000, "b"), (1000, "c")]


def test_what_comes_before_the_clock_has_its_first_time() -> None:
    times: ClockTimes[str] = ClockTimes()
    times.put(5, "early")
    assert not times.started
    assert times.rest() == []
    assert times.tick(1000, wall=10) == [(1000, "early")]
    assert times.started


def test_the_rest_has_the_last_time() -> None:
    times: ClockTimes[str] = ClockTimes()
    times.tick(1000, wall=10)
    times.put(11, "last")
    assert times.rest() == [(1000, "last")]
    assert times.rest() == []


def test_nothing_comes_back_from_after_a_jump() -> None:
    times: ClockTimes[str] = ClockTimes()
    times.tick(2000, wall=10)
    times.put(15, "before")
    times.put(25, "after")
    assert not times.jumped
    assert times.tick(1999, wall=20) == [(2000, "before")]
    assert times.jumped
    assert times.tick(2500, wall=30) == times.rest() == []
