import math
import pickle
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_runs import (
    CUP,
    DONE,
    EXECUTE,
    HOLD,
    NAN,
    PERIOD,
    SPACE,
    START,
    STOP_ROW,
    TRAY,
    at,
    replay,
    tokens,
    with_decisions,
)

from vlam_ros.lab.replay.compare import (
    CHANGES,
    INSTRUCTION,
    MISSING,
    NEW,
    REASON,
    SHAPE,
    SKILL,
    VERDICT,
    WAYPOINTS,
    Comparison,
    Difference,
    compare,
    match,
)
from vlam_ros.lab.replay.records import DESTINATION, TARGET, DecisionRecord, FoundObject, ReplayRun
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.types import ActionSpace

HALF_BIN = 1 / 127 / 2


def one(before: DecisionRecord, after: DecisionRecord) -> Difference:
    """The difference of runs of one decision each."""
    (pair,) = compare(replay(before), replay(after)).pairs
    return pair


# Which decisions are compared


@st.composite
def runs(draw: st.DrawFn) -> ReplayRun:
    """Up to 12 decisions at random times, several on one image and back in time among them."""
    number = draw(st.integers(0, 12))
    times = draw(st.lists(st.integers(0, 40), min_size=number, max_size=number))
    eras = sorted(draw(st.lists(st.integers(0, 2), min_size=number, max_size=number)))
    kinds = st.sampled_from([EXECUTE, HOLD, replace(HOLD, instruction="stop"), DONE])
    those = draw(st.lists(kinds, min_size=number, max_size=number))
    return at(replay(*those), times, eras)


@given(runs())
def test_a_run_does_not_differ_from_itself(run: ReplayRun) -> None:
    comparison = compare(run, run)
    assert [p.index for p in comparison.pairs] == list(range(len(run.decisions)))
    assert all(p.before is p.after for p in comparison.pairs)
    assert comparison.same
    assert all(p.equal for p in comparison.pairs)
    assert comparison.remarks == ()
    assert (comparison.differing, comparison.total) == (0, len(run.decisions))
    assert comparison.distance in (None, 0.0)


@given(runs(), runs())
def test_each_decision_has_one_partner_at_most_and_is_else_missing_or_new(
    baseline: ReplayRun, run: ReplayRun
) -> None:
    matching = match(baseline, run)
    old, new = [i for i, _ in matching.pairs], [j for _, j in matching.pairs]
    assert sorted([*old, *matching.missing]) == list(range(len(baseline.decisions)))
    assert sorted([*new, *matching.new]) == list(range(len(run.decisions)))
    for i, j in matching.pairs:
        apart = abs(baseline.decisions[i].stamp - run.decisions[j].stamp)
        assert apart <= matching.tolerance


@given(runs(), runs())
def test_partners_follow_each_other_in_the_order_of_their_images(
    baseline: ReplayRun, run: ReplayRun
) -> None:
    stamps = [
        (baseline.decisions[i].era, baseline.decisions[i].stamp, run.decisions[j].stamp)
        for i, j in match(baseline, run).pairs
    ]
    for (era, before, after), (next_era, next_before, next_after) in pairwise(sorted(stamps)):
        assert era != next_era or (before <= next_before and after <= next_after)


@given(*[st.lists(st.integers(0, 20))] * 2)
def test_decisions_on_one_image_are_partners_as_long_as_there_are_any(
    old: list[int], new: list[int]
) -> None:
    baseline, run = (at(replay(*[HOLD] * len(stamps)), stamps) for stamps in (old, new))
    matching = match(baseline, run)
    assert {old[i] for i in matching.missing}.isdisjoint(new[j] for j in matching.new)
    same = sum(old[i] == new[j] for i, j in matching.pairs)
    assert same == sum((Counter(old) & Counter(new)).values())


def test_the_nearest_within_half_the_shorter_period_is_the_partner() -> None:
    baseline = at(replay(*[EXECUTE] * 4), [0, 100, 200, 300])
    run = at(replay(*[EXECUTE] * 6), [0, 90, 130, 249, 351, 500])
    matching = match(baseline, run)
    assert matching.tolerance == 50  # the run's median is 100, the baseline's too
    assert matching.pairs == ((0, 0), (1, 1), (2, 3))
    assert matching.missing == (3,)  # 51 away
    assert matching.new == (2, 4, 5)


def test_the_shorter_period_counts_whichever_run_has_it() -> None:
    slow, fast = at(replay(*[HOLD] * 3), [0, 100, 200]), at(replay(*[HOLD] * 3), [0, 40, 80])
    assert match(slow, fast).tolerance == match(fast, slow).tolerance == 20
    assert match(replay(HOLD), fast).tolerance == 20
    assert match(replay(HOLD), replay(HOLD)).tolerance == 0


def test_a_long_gap_does_not_widen_the_tolerance() -> None:
    gapped = at(replay(*[HOLD] * 4), [0, 100, 200, 7_200_000])
    assert match(gapped, gapped).tolerance == 50


def test_of_two_decisions_on_a_image_the_one_on_the_same_instruction_is_compared() -> None:
    first, second = replace(HOLD, instruction=""), EXECUTE
    baseline, run = at(replay(first, second), [0, 0]), at(replay(second), [0])
    assert match(baseline, run).pairs == ((1, 0),)
    assert match(baseline, run).missing == (0,)


def test_what_was_seen_in_two_rounds_of_a_loop_is_compared_round_by_round() -> None:
    baseline = at(replay(EXECUTE, HOLD), [0, 0], [0, 1])
    assert [p.changed for p in compare(baseline, baseline).pairs] == [(), ()]
    late = at(replay(EXECUTE, HOLD), [0, 0], [3, 4])  # as many, counted otherwise
    assert match(baseline, late).pairs == ((0, 0), (1, 1))
    second = at(replay(HOLD), [0], [1])
    assert match(baseline, second).pairs == ((1, 0),)
    assert compare(baseline, second).remarks == ("jumps back in time: 1, now 0",)


# What differs


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (VERDICT, replace(EXECUTE, outcome="DONE")),
        (REASON, replace(EXECUTE, reason="LOW_CONFIDENCE")),
        (SKILL, replace(EXECUTE, skill="pick_up")),
        (TARGET, replace(EXECUTE, objects=(TRAY,))),
        (TARGET, replace(EXECUTE, objects=(replace(CUP, phrase="red ball"), TRAY))),
        (TARGET, replace(EXECUTE, objects=(replace(CUP, position=None), TRAY))),
        (TARGET, replace(EXECUTE, objects=(replace(CUP, position=(1.0, 0.31, 0.05)), TRAY))),
        (DESTINATION, replace(EXECUTE, objects=(CUP,))),
        (DESTINATION, replace(EXECUTE, objects=(CUP, replace(TRAY, phrase="green tray")))),
        (INSTRUCTION, replace(EXECUTE, instruction="go to the cup")),
        (WAYPOINTS, replace(EXECUTE, tokens=((1, 153, 128, 255, 127), *EXECUTE.tokens[1:]))),
        (SHAPE, replace(EXECUTE, tokens=EXECUTE.tokens[:1])),
    ],
)
def test_each_change_is_told_alone(change: str, after: DecisionRecord) -> None:
    pair = one(EXECUTE, after)
    assert pair.changed == (change,)
    assert not pair.equal
    back = one(after, EXECUTE)
    assert back.changed == (change,)


@pytest.mark.parametrize(
    "thing",
    [
        replace(CUP, position=(1.0, 0.29, 0.05)),
        replace(CUP, box=(1, 2, 3, 4), score=0.5, spread=None),
    ],
)
def test_a_target_near_where_it_was_is_the_same_one(thing: FoundObject) -> None:
    pair = one(EXECUTE, replace(EXECUTE, objects=(thing, TRAY)))
    assert pair.changed == ()
    assert not pair.equal


def test_objects_in_no_role_make_no_difference() -> None:
    crate = FoundObject("crate", "other", (0, 0, 9, 9), 0.4, None, None)
    assert one(EXECUTE, replace(EXECUTE, objects=(CUP, TRAY, crate))).changed == ()


def test_only_the_clock_differs_and_the_same_is_done() -> None:
    comparison = compare(replay(EXECUTE), with_decisions(replay(EXECUTE), [EXECUTE], [0.1]))
    assert [pair.equal for pair in comparison.pairs] == [True]
    later = with_decisions(replay(EXECUTE), [replace(EXECUTE, now=EXECUTE.now + 1)], [0.1])
    comparison = compare(replay(EXECUTE), later)
    assert comparison.same
    assert [pair.equal for pair in comparison.pairs] == [False]


def test_a_robot_that_stood_and_moves_now_sets_off() -> None:
    assert one(HOLD, EXECUTE).sets_off
    assert one(DONE, EXECUTE).sets_off
    assert not one(EXECUTE, HOLD).sets_off
    assert not one(EXECUTE, EXECUTE).sets_off
    assert not one(HOLD, DONE).sets_off


def test_confidence_and_seconds_are_those_of_both() -> None:
    comparison = compare(
        replay(EXECUTE, seconds=0.1), replay(replace(EXECUTE, confidence=0.375), seconds=0.3)
    )
    (pair,) = comparison.pairs
    assert comparison.confidence == 0.5
    assert pair.seconds == (0.1, 0.3)


# Waypoints


def rows(*values: tuple[float, ...], **changes: object) -> DecisionRecord:
    return replace(EXECUTE, tokens=tokens(*values), **changes)  # type: ignore[arg-type]


def test_the_largest_distance_and_angle_of_rows_due_together_count() -> None:
    before = rows((1, 0.0, 0.0, NAN, 0.0), (1, 0.0, 0.0, NAN, 0.0))
    after = rows((1, 0.0, 0.1, NAN, 0.5), (1, 0.3, 0.4, NAN, -0.2))
    pair = one(before, after)
    assert pair.distance == pytest.approx(0.5, abs=2 * HALF_BIN)
    assert pair.angle == pytest.approx(0.5, abs=math.pi / 127 / 2)
    assert pair.changed == (WAYPOINTS,)


def test_angles_are_compared_around_the_circle() -> None:
    pair = one(rows((1, NAN, NAN, NAN, 3.1)), rows((1, NAN, NAN, NAN, -3.1)))
    assert pair.angle == pytest.approx(2 * math.pi - 6.2, abs=math.pi / 127)
    assert pair.distance is None


def test_height_counts_as_distance() -> None:
    pair = one(rows((2, 0.0, 0.0, 0.0, NAN)), rows((2, 0.0, 0.0, 64 / 127, NAN)))
    assert pair.distance == pytest.approx(64 / 127)
    assert pair.angle is None


def test_rows_are_compared_by_when_they_are_due() -> None:
    before = rows((1, 0.1, 0.0, NAN, 0.0), (1, 0.2, 0.0, NAN, 0.0), (1, 0.3, 0.0, NAN, 0.0))
    # The same path, begun one step later.
    late = rows(
        (1, 0.2, 0.0, NAN, 0.0),
        (1, 0.3, 0.0, NAN, 0.0),
        start_offset=before.start_offset + before.step,
    )
    pair = one(before, late)
    assert pair.distance == 0.0
    assert pair.changed == (SHAPE,)
    # The same places at other times.
    other = replace(before, start_offset=before.start_offset + 1)
    assert one(before, other).changed == (SHAPE,)
    assert one(before, other).distance is None


def test_a_dimension_that_one_of_them_does_not_use_is_another_shape() -> None:
    pair = one(rows((1, 0.1, 0.1, NAN, 0.0)), rows((1, 0.1, 0.1, 0.9, 0.0)))
    assert pair.changed == (SHAPE,)
    assert pair.distance == 0.0


def test_a_row_of_another_command_is_another_shape() -> None:
    pair = one(rows((1, 0.1, 0.1, NAN, 0.0)), rows((2, 0.1, 0.1, NAN, 0.0)))
    assert pair.changed == (SHAPE,)


def test_waypoints_of_another_verdict_or_skill_are_not_compared() -> None:
    for after in (HOLD, replace(EXECUTE, skill="pick_up", tokens=STOP_ROW)):
        pair = one(EXECUTE, after)
        assert (pair.distance, pair.angle) == (None, None)
        assert SHAPE not in pair.changed
    assert compare(replay(EXECUTE), replay(HOLD)).distance is None


def test_tokens_are_read_in_the_space_of_their_own_run() -> None:
    # Half the range and half the bins less one: the same centres, with other tokens, and one
    # command more in between.
    small = ActionSpace.of(
        ("stop", "turn_to", "go_to", "pick_up"),
        (-0.5, -0.5, -0.5, -3.14159265),
        (0.5, 0.5, 0.5, 3.14159265),
        127 + 128,
    )
    here, there = (1, 0.25, -0.5, NAN, 0.0), (2, 0.25, -0.5, NAN, 0.0)
    before = replay(replace(EXECUTE, tokens=tokens(here)))
    after = replay(replace(EXECUTE, tokens=tokens(there, space=small)), space=small)
    assert before.decisions[0].tokens != after.decisions[0].tokens
    comparison = compare(before, after)
    assert comparison.pairs[0].changed in ((), (WAYPOINTS,))
    assert comparison.distance == pytest.approx(0.0, abs=2 * HALF_BIN)
    assert comparison.remarks == (
        "the action spaces differ in commands: stop, go_to, pick_up, now stop, turn_to, go_to, "
        "pick_up",
        "the action spaces differ in low: -1.0, -1.0, -1.0, -3.14159265, now -0.5, -0.5, -0.5, "
        "-3.14159265",
        "the action spaces differ in high: 1.0, 1.0, 1.0, 3.14159265, now 0.5, 0.5, 0.5, "
        "3.14159265",
    )


def test_the_rounding_of_another_space_is_no_distance() -> None:
    wide = ActionSpace.of(SPACE.names, (-3.0, -3.0, -3.0, -3.14159265), (3.0, 3.0, 3.0, 3.14159265))
    wide = ActionSpace.of(wide.names, wide.low, wide.high, 3 * 254 + 1)
    before = replay(replace(EXECUTE, tokens=tokens((1, 10 / 127, 20 / 127, NAN, NAN))))
    after = replay(
        replace(EXECUTE, tokens=tokens((1, 10 / 127, 20 / 127, NAN, NAN), space=wide)), space=wide
    )
    assert compare(before, after).distance == 0.0


# All decisions


def four() -> Comparison:
    baseline = replay(EXECUTE, EXECUTE, HOLD, HOLD, HOLD, bag="kitchen")
    run = replay(EXECUTE, HOLD, EXECUTE, replace(HOLD, reason="PATH_BLOCKED"))
    return compare(baseline, run)


def test_changes_are_counted_and_shared_among_the_pairs() -> None:
    comparison = four()
    assert [len(comparison.stamps(change)) for change in CHANGES] == [2, 3, 2, 2, 2, 0, 0, 0]
    assert comparison.share(REASON) == 0.75
    assert comparison.share(WAYPOINTS) == 0.0
    assert (comparison.missing, comparison.share(MISSING)) == ((4,), 0.2)
    assert (comparison.new, comparison.share(NEW)) == ((), 0.0)
    assert [pair.index for pair in comparison.different] == [1, 2, 3]
    assert (comparison.differing, comparison.total) == (4, 5)
    assert not comparison.same


def test_what_only_the_new_run_has_is_new() -> None:
    comparison = compare(replay(HOLD), replay(HOLD, HOLD, HOLD, HOLD))
    assert (comparison.new, comparison.share(NEW)) == ((1, 2, 3), 0.75)
    assert (comparison.missing, comparison.differing, comparison.total) == ((), 3, 4)
    assert not comparison.same


def test_no_decisions_at_all_are_the_same() -> None:
    comparison = compare(replay(), replay())
    assert comparison.same
    assert (comparison.total, comparison.share(MISSING), comparison.share(VERDICT)) == (0, 0.0, 0.0)
    assert comparison.latency_ratio is None
    assert (comparison.distance, comparison.distance_p95, comparison.angle) == (None, None, None)


def test_distances_are_those_of_decisions_with_waypoints() -> None:
    still = rows((1, 0.0, 0.0, NAN, NAN))
    baseline = replay(*[still] * 20, *[HOLD] * 80)
    moved = rows((1, 127 / 127, 0.0, NAN, NAN))
    comparison = compare(baseline, replay(*[still] * 18, moved, moved, *[HOLD] * 80))
    assert sum(p.distance is not None for p in comparison.pairs) == 20
    assert comparison.distance == 1.0
    assert comparison.distance_p95 == 1.0  # of 20, not of 100


def test_latency_is_compared_by_medians_over_all_decisions() -> None:
    slow = replay(HOLD, HOLD, HOLD)
    slow = with_decisions(slow, slow.decisions, (0.2, 0.3, 5.0))
    comparison = compare(replay(HOLD, seconds=0.1), slow)
    assert comparison.latency_ratio == pytest.approx(3.0)
    assert comparison.latencies[0] == Percentiles(0.1, 0.1, 0.1, 1)
    assert comparison.latencies[1].p95 == pytest.approx(4.53)
    assert compare(replay(HOLD, seconds=0.0), slow).latency_ratio is None


def test_what_makes_runs_hard_to_compare_is_remarked() -> None:
    long = replace(HOLD, instruction="go to " + "the very " * 20 + "red cup")
    baseline, run = replay(HOLD, HOLD, bag="kitchen"), replay(HOLD, long, bag="hall")
    assert compare(baseline, run).remarks == (
        "the bags differ: kitchen, now hall",
        f"the instructions differ: no others, now '{long.instruction[:59]}…'",
    )
    assert compare(baseline, replay(HOLD, HOLD)).remarks == ()  # who knows


def test_decisions_on_neighbouring_images_are_remarked() -> None:
    baseline = replay(*[HOLD] * 3)
    shifted = at(baseline, [0, PERIOD + 20_000_000, 2 * PERIOD - 30_000_000])
    assert compare(baseline, shifted).remarks == ("on another image, up to 30 ms away: 2 of 3",)


def test_a_comparison_goes_from_one_process_to_another() -> None:
    comparison = four()
    assert pickle.loads(pickle.dumps(comparison)) == comparison
    assert comparison.pairs[0].before.stamp == START
