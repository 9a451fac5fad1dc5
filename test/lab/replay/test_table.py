from dataclasses import replace

import pytest
from replay_runs import CUP, DONE, EXECUTE, HOLD, NAN, TRAY, replay, tokens, with_decisions

from vlam_ros.lab.replay.compare import Comparison, compare
from vlam_ros.lab.replay.records import ReplayRun
from vlam_ros.lab.replay.table import (
    BagRow,
    bags_table,
    comparison_tables,
    run_tables,
    verdict_line,
)
from vlam_ros.lab.replay.thresholds import Exceeded, Thresholds, passed_over
from vlam_ros.lab.report.table import Table

STRICT = Thresholds.load()
BLOCKED = replace(HOLD, reason="PATH_BLOCKED", instruction="go to the box | now")
RUN = replace(replay(HOLD, BLOCKED, HOLD, EXECUTE, DONE, bag="kitchen"), notes=("no camera_info",))
MOVED = replace(EXECUTE, tokens=tokens((1, 40 / 127, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))


def named(tables: list[Table]) -> dict[str, Table]:
    return {table.title.split(" among")[0]: table for table in tables}


def compared(*now: object) -> tuple[Comparison, tuple[Exceeded, ...]]:
    """A hundred decisions of which the first are others now, and the strict thresholds."""
    baseline = replay(HOLD, *[EXECUTE] * 99, bag="kitchen")
    run = replay(*now, *baseline.decisions[len(now) :], bag="kitchen")  # type: ignore[arg-type]
    comparison = compare(baseline, run)
    return comparison, passed_over(comparison, STRICT)


# A run


def test_a_run_is_summed_up() -> None:
    tables = named(run_tables(RUN))
    assert tables["Run"].rows == (
        ("bag", "kitchen"),
        ("decisions", "5"),
        ("first image", "1700000000.000"),
        ("last image", "1700000000.400"),
        ("seconds per decision, p50 / p95 / p99", "0.100 / 0.100 / 0.100"),
    )
    assert tables["Run"].notes == ("no camera_info",)


def test_verdicts_are_counted_by_their_reasons_the_moving_ones_first() -> None:
    assert named(run_tables(RUN))["Decisions"].rows == (
        ("EXECUTE", "NONE", "1", "0.200"),
        ("HOLD", "TARGET_NOT_FOUND", "2", "0.400"),
        ("HOLD", "PATH_BLOCKED", "1", "0.200"),
        ("DONE", "NONE", "1", "0.200"),
    )


def test_instructions_are_listed_with_what_became_of_them() -> None:
    table = named(run_tables(RUN))["Instructions"]
    assert table.head == ("instruction", "first image", "decisions", "EXECUTE", "HOLD", "DONE")
    assert table.rows == (
        ("go to the red cup", "1700000000.000", "4", "1", "2", "1"),
        ("go to the box | now", "1700000000.100", "1", "0", "1", "0"),
    )
    silent = replay(replace(HOLD, instruction=""))
    assert named(run_tables(silent))["Instructions"].rows[0][0] == "–"


def test_a_run_without_decisions_has_no_empty_tables() -> None:
    (table,) = run_tables(replay())
    assert table.rows == (("decisions", "0"),)


def test_markdown_keeps_to_its_columns() -> None:
    text = named(run_tables(RUN))["Instructions"].to_markdown()
    assert text.splitlines()[:3] == [
        "### Instructions",
        "",
        "| instruction | first image | decisions | EXECUTE | HOLD | DONE |",
    ]
    assert text.splitlines()[3] == "|---|---|---|---|---|---|"
    assert text.splitlines()[5] == "| go to the box \\| now | 1700000000.100 | 1 | 0 | 1 | 0 |"


# A comparison


def test_the_same_decisions_are_said_to_be_the_same() -> None:
    assert verdict_line(*compared()) == "same as the baseline: 100 decisions"
    assert verdict_line(compare(replay(HOLD), replay(HOLD))) == "same as the baseline: 1 decision"


def test_a_change_of_confidence_alone_is_mentioned_where_it_can_be_seen() -> None:
    surer = replace(HOLD, confidence=0.25)
    line = "same as the baseline: 100 decisions, confidence differs by up to 0.25"
    assert verdict_line(*compared(surer)) == line
    assert verdict_line(*compared(replace(HOLD, confidence=0.001))) == verdict_line(*compared())


def test_nothing_compared_is_not_said_to_be_the_same() -> None:
    line = "nothing was compared: neither the baseline nor this run has a decision"
    assert verdict_line(compare(replay(), replay())) == line


def test_what_differs_is_said_in_one_line_with_the_thresholds_passed_over() -> None:
    comparison, exceeded = compared(EXECUTE, MOVED)
    assert verdict_line(comparison, exceeded) == (
        "2 of 100 decisions differ: verdict 1, reason 1, skill 1, target 1, destination 1, "
        "waypoints 1 (up to 0.118 m); thresholds passed over: verdict 0.01 > 0, reason 0.01 > 0, "
        "skill 0.01 > 0, target 0.01 > 0, destination 0.01 > 0, execute_instead_of_hold 1 > 0, "
        "waypoint_distance 0.1181 > 0"
    )
    assert verdict_line(comparison).endswith("destination 1, waypoints 1 (up to 0.118 m)")


def test_missing_and_new_decisions_differ() -> None:
    comparison = compare(replay(HOLD, HOLD), replay(HOLD, HOLD, HOLD))
    assert verdict_line(comparison) == "1 of 3 decisions differ: new 1"
    comparison = compare(replay(HOLD, HOLD), replay(HOLD))
    assert verdict_line(comparison) == "1 of 2 decisions differ: missing 1"


def test_a_slower_run_is_the_same_but_passes_over_its_threshold() -> None:
    baseline = replay(HOLD)
    comparison = compare(baseline, with_decisions(baseline, baseline.decisions, [0.3]))
    exceeded = passed_over(comparison, replace(STRICT, latency_ratio=2))
    assert verdict_line(comparison, exceeded) == (
        "same as the baseline: 1 decision; thresholds passed over: latency_ratio 3 > 2"
    )


def test_thresholds_passed_over_come_first() -> None:
    comparison, exceeded = compared(replace(HOLD, reason="STALE_SENSOR"))
    tables = comparison_tables(comparison, exceeded)
    assert tables[0].rows == (("reason", "0.01", "0", "1700000000.000"),)
    assert [table.title for table in tables] == [
        "Thresholds passed over",
        "Differences among 100 decisions on the same images",
        "Decisions that differ",
        "Seconds per decision",
    ]
    unmeasured = Exceeded("latency_ratio", 2.0, NAN)
    assert comparison_tables(comparison, [unmeasured])[0].rows == (
        ("latency_ratio", "–", "2", "–"),
    )


def test_differences_are_counted_with_their_share_and_remarks() -> None:
    baseline = replay(*[EXECUTE] * 4, bag="kitchen")
    comparison = compare(
        baseline, replay(MOVED, replace(EXECUTE, objects=(CUP,)), EXECUTE, bag="a")
    )
    table = named(comparison_tables(comparison))["Differences"]
    assert table.rows == (
        ("destination", "1", "0.333", ""),
        ("waypoints", "1", "0.333", "up to 0.118 m, 95 % within 0.106 m"),
        ("missing", "1", "0.250", ""),
        ("equal to the byte", "1", "0.333", ""),
    )
    assert table.notes == ("the bags differ: kitchen, now a",)


def test_decisions_that_differ_are_listed_with_both_sides() -> None:
    near = replace(CUP, position=None)
    comparison, _ = compared(replace(EXECUTE, objects=(near, TRAY)), MOVED)
    table = named(comparison_tables(comparison))["Decisions that differ"]
    assert table.rows[0] == (
        "1700000000.000",
        "verdict, reason, skill, target, destination",
        "HOLD TARGET_NOT_FOUND",
        "EXECUTE go_to, target red cup, destination blue tray (1.50, -0.40, 0.02)",
    )
    assert table.rows[1][1] == "waypoints (0.118 m)"
    assert table.notes == ()


def test_a_done_decision_has_no_reason_to_show() -> None:
    table = named(comparison_tables(compare(replay(HOLD), replay(DONE))))["Decisions that differ"]
    assert table.rows[0][2:] == ("HOLD TARGET_NOT_FOUND", "DONE")


def test_only_so_many_decisions_are_listed() -> None:
    comparison, _ = compared(HOLD, *[replace(EXECUTE, objects=())] * 22)
    table = named(comparison_tables(comparison))["Decisions that differ"]
    assert len(table.rows) == 20
    assert table.notes == ("2 more are not listed",)


def test_times_of_both_runs_stand_side_by_side() -> None:
    baseline = replay(HOLD)
    slow = with_decisions(baseline, baseline.decisions, [0.25])
    table = named(comparison_tables(compare(baseline, slow)))["Seconds per decision"]
    assert table.rows == (
        ("baseline", "0.100 / 0.100 / 0.100"),
        ("now", "0.250 / 0.250 / 0.250"),
        ("now / baseline, p50", "2.50"),
    )
    table = named(comparison_tables(compare(baseline, replay())))["Seconds per decision"]
    assert table.rows[1:] == (("now", "–"),)


# Many bags


def rows_of(run: ReplayRun) -> list[BagRow]:
    comparison = compare(replay(*[HOLD] * 5), run)
    return [
        BagRow.of("kitchen", run, 12.34, comparison, passed_over(comparison, STRICT)[:2]),
        BagRow("hall", error="the index is missing", seconds=0.5),
    ]


def test_each_bag_has_a_row_and_all_have_one() -> None:
    table = bags_table(rows_of(RUN))
    assert table.head == (
        *("bag", "decisions", "EXECUTE", "HOLD", "DONE", "differences"),
        *("thresholds passed over", "seconds", "error"),
    )
    assert table.rows == (
        ("kitchen", "5", "1", "3", "1", "3", "verdict, reason", "12.3", "–"),
        ("hall", "0", "0", "0", "0", "–", "–", "0.5", "the index is missing"),
        ("all 2", "5", "1", "3", "1", "3", "in 1", "12.8", "in 1"),
    )


def test_columns_that_say_nothing_are_left_out() -> None:
    table = bags_table([BagRow.of("kitchen", RUN, 1.0)])
    assert table.head == ("bag", "decisions", "EXECUTE", "HOLD", "DONE", "seconds")
    assert table.rows == (("kitchen", "5", "1", "3", "1", "1.0"),)


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (BagRow("a"), True),
        (BagRow("a", differences=3), True),
        (BagRow("a", exceeded=("verdict",)), False),
        (BagRow("a", error="cut off"), False),
    ],
)
def test_a_bag_passes_that_was_replayed_within_the_thresholds(row: BagRow, passed: bool) -> None:
    assert row.passed is passed
