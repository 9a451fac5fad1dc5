from dataclasses import replace
from pathlib import Path
from typing import Any

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
    START,
    TRAY,
    replay,
    tokens,
    with_decisions,
)

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.compare import compare
from vlam_ros.lab.replay.records import DecisionRecord, ReplayRun
from vlam_ros.lab.replay.thresholds import Exceeded, Thresholds, passed_over

STRICT = Thresholds.load()
NOTHING_COUNTS = Thresholds(
    verdict=1, reason=1, skill=1, target=1, destination=1, shape=1, missing=1, new=1,
    execute_instead_of_hold=1000, waypoint_distance=None, waypoint_angle=None, latency_ratio=None,
)  # fmt: skip
BASELINE = replay(*[EXECUTE] * 5, *[HOLD] * 5)


def changed(*changes: tuple[int, DecisionRecord]) -> ReplayRun:
    """The baseline with other decisions at some places."""
    those = [*[EXECUTE] * 5, *[HOLD] * 5]
    for place, decision in changes:
        those[place] = decision
    return replay(*those)


def stamp(place: int) -> int:
    return START + place * PERIOD


def exceeded(run: ReplayRun, **limits: Any) -> tuple[Exceeded, ...]:
    """What is passed over where only these thresholds count."""
    return passed_over(compare(BASELINE, run), replace(NOTHING_COUNTS, **limits))


def test_by_default_nothing_may_change_and_time_does_not_count() -> None:
    assert Thresholds(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, None) == STRICT
    assert passed_over(compare(BASELINE, BASELINE), STRICT) == ()


def test_a_file_needs_only_what_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text("reason: 0.1\nwaypoint_distance: null\nlatency_ratio: 2\n")
    loaded = Thresholds.load(path)
    assert loaded == replace(STRICT, reason=0.1, waypoint_distance=None, latency_ratio=2)
    path.write_text("")
    assert Thresholds.load(path) == STRICT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verdicts: 0.1", "there is no threshold verdicts (set to 0.1): did you mean verdict?"),
        ("waypoint-distance: 0.1", "(set to 0.1): did you mean waypoint_distance?"),
        ("xyz: 1", "there is no threshold xyz (set to 1): there are verdict, reason, skill,"),
        ("3: 1", "there is no threshold 3 (set to 1): there are verdict,"),
        (
            "verdict: 1.5",
            "verdict (share of decisions with another verdict) must be a number in 0..1, got 1.5",
        ),
        ("missing: -0.1", "missing (share of decisions that are missing) must be a number in 0..1"),
        ("new: 5%", "must be a number in 0..1, got '5%'"),
        ("skill: true", "must be a number in 0..1, got True"),
        ("target: null", "must be a number in 0..1, got null"),
        ("shape: .nan", "must be a number in 0..1, got nan"),
        ("waypoint_angle: -1", "must be a number of at least 0, or null, got -1"),
        ("latency_ratio: fast", "must be a number of at least 0, or null, got 'fast'"),
        ("execute_instead_of_hold: 0.5", "must be a whole number of at least 0, got 0.5"),
        ("execute_instead_of_hold: true", "must be a whole number of at least 0, got True"),
        ("- verdict", "must have lines such as 'verdict: 0.05', got ['verdict']"),
        ("verdict: [", "is no YAML: while parsing"),
        ("a: \x00", "is no YAML: "),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_allowed(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    with pytest.raises(ReplayError) as caught:
        Thresholds.load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"cannot read the thresholds .*: No such file"):
        Thresholds.load(tmp_path / "none.yaml")
    with pytest.raises(ReplayError, match=r"cannot read the thresholds .*: Is a directory"):
        Thresholds.load(tmp_path)


def test_thresholds_are_checked_however_they_are_made() -> None:
    with pytest.raises(ReplayError, match=r"verdict .* must be a number in 0\.\.1, got 2"):
        replace(STRICT, verdict=2)


MOVED = replace(EXECUTE, tokens=tokens((1, 40 / 127, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))
STAYED = replace(EXECUTE, tokens=tokens((1, 30 / 127, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        ("verdict", replace(EXECUTE, outcome="DONE")),
        ("reason", replace(EXECUTE, reason="LOW_CONFIDENCE")),
        ("skill", replace(EXECUTE, skill="pick_up")),
        ("target", replace(EXECUTE, objects=(TRAY,))),
        ("destination", replace(EXECUTE, objects=(CUP,))),
        ("shape", replace(EXECUTE, tokens=EXECUTE.tokens[:1])),
    ],
)
def test_a_share_may_be_reached_but_not_passed(name: str, decision: DecisionRecord) -> None:
    run = changed((1, decision), (3, decision))
    assert exceeded(run, **{name: 0.2}) == ()
    found = Exceeded(name, 0.19, 0.2, (stamp(1), stamp(3)))
    assert exceeded(run, **{name: 0.19}) == (found,)
    assert passed_over(compare(BASELINE, run), STRICT) == (
        Exceeded(name, 0.0, 0.2, (stamp(1), stamp(3))),
    )


def test_missing_and_new_decisions_are_shares_of_their_runs() -> None:
    shorter = replay(*[EXECUTE] * 5, *[HOLD] * 3)
    assert exceeded(shorter, missing=0.2) == ()
    assert exceeded(shorter, missing=0.1) == (Exceeded("missing", 0.1, 0.2, (stamp(8), stamp(9))),)
    longer = replay(*[EXECUTE] * 5, *[HOLD] * 15)
    assert exceeded(longer, new=0.5) == ()
    (found,) = exceeded(longer, new=0.4)
    assert found == Exceeded("new", 0.4, 0.5, (stamp(10), stamp(11), stamp(12)))  # the first


def test_a_robot_that_moves_where_it_stood_is_counted() -> None:
    run = changed((0, HOLD), (6, EXECUTE), (8, EXECUTE))
    assert exceeded(run, execute_instead_of_hold=2) == ()
    found = Exceeded("execute_instead_of_hold", 1, 2, (stamp(6), stamp(8)))
    assert exceeded(run, execute_instead_of_hold=1) == (found,)
    done = compare(replay(DONE), replay(EXECUTE))
    assert passed_over(done, replace(NOTHING_COUNTS, execute_instead_of_hold=0))[0].measured == 1


def test_waypoints_may_be_so_far_apart_and_only_those_farther_are_named() -> None:
    baseline = replay(STAYED, STAYED, STAYED)
    near = replace(STAYED, tokens=((1, 157, 127, 255, 127), STAYED.tokens[1]))
    comparison = compare(baseline, replay(near, MOVED, STAYED))
    ten_bins = comparison.distance
    assert ten_bins == pytest.approx(10 / 127)
    limits = replace(NOTHING_COUNTS, waypoint_distance=ten_bins)
    assert passed_over(comparison, limits) == ()
    limits = replace(NOTHING_COUNTS, waypoint_distance=0.05)
    assert passed_over(comparison, limits) == (
        Exceeded("waypoint_distance", 0.05, ten_bins, (stamp(1),)),
    )


def test_waypoints_may_be_turned_so_far() -> None:
    turned = replace(EXECUTE, tokens=((*EXECUTE.tokens[0][:4], 147), EXECUTE.tokens[1]))
    (found,) = exceeded(changed((2, turned)), waypoint_angle=0.49)
    assert (found.name, found.where) == ("waypoint_angle", (stamp(2),))
    assert found.measured == pytest.approx(0.4947, abs=1e-4)
    assert exceeded(changed((2, turned)), waypoint_angle=0.5) == ()


def test_decisions_may_take_so_many_times_as_long() -> None:
    slow = with_decisions(BASELINE, BASELINE.decisions, [0.25] * 10)
    assert exceeded(slow, latency_ratio=2.5) == ()
    assert exceeded(slow, latency_ratio=2) == (Exceeded("latency_ratio", 2, 2.5),)
    assert exceeded(slow, latency_ratio=None) == ()


def test_a_latency_that_cannot_be_measured_is_not_kept_to() -> None:
    (found,) = passed_over(compare(replay(), replay()), replace(NOTHING_COUNTS, latency_ratio=2))
    assert found.text == "latency_ratio not measured"


def test_what_was_passed_over_is_said_in_a_few_words() -> None:
    assert Exceeded("verdict", 0.05, 1 / 3, (stamp(1),)).text == "verdict 0.3333 > 0.05"
    assert Exceeded("execute_instead_of_hold", 1, 2).text == "execute_instead_of_hold 2 > 1"


@given(st.lists(st.sampled_from([EXECUTE, HOLD, DONE, MOVED]), max_size=10))
def test_nothing_is_passed_over_by_chance(decisions: list[DecisionRecord]) -> None:
    run = replay(*decisions)
    comparison = compare(run, run)
    assert passed_over(comparison, STRICT) == ()
    assert passed_over(compare(BASELINE, run), NOTHING_COUNTS) == ()
    strict = passed_over(compare(BASELINE, run), STRICT)
    assert bool(strict) != compare(BASELINE, run).same
