from dataclasses import dataclass

from vlam_ros.types.history import JUMP, History


@dataclass(frozen=True)
class Item:
    stamp: int


def stamps(history: History[Item]) -> list[int]:
    return [item.stamp for item in history.items]


def filled(*at: int, span: int = 10**9) -> History[Item]:
    history: History[Item] = History(span)
    for stamp in at:
        history.add(Item(stamp))
    return history


def test_only_the_last_span_is_kept() -> None:
    assert stamps(filled(0, 40, 80, 120, span=60)) == [80, 120]


def test_what_comes_late_or_twice_is_dropped() -> None:
    history = filled(0, 10, 20)
    assert not history.add(Item(20))
    assert not history.add(Item(20 - JUMP))
    assert stamps(history) == [0, 10, 20]


def test_a_jump_back_forgets_everything_before() -> None:
    history = filled(0, 10, JUMP + 11)
    assert history.add(Item(10))
    assert stamps(history) == [10]


def test_around_a_span_there_is_one_more_to_either_side() -> None:
    history = filled(0, 10, 20, 30, 40)
    assert [i.stamp for i in history.around(15, 25)] == [10, 20, 30]
    assert [i.stamp for i in history.around(20, 20)] == [10, 20]
    assert [i.stamp for i in history.around(-5, 5)] == [0, 10]
    assert [i.stamp for i in history.around(45, 50)] == [40]
    assert filled().around(0, 1) == []
