"""Figures of hand-made episodes whose numbers are known."""

import json
import math
from dataclasses import asdict, replace

import pytest
from episode_records import record

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.task_counts import EXPECTED, Counts, Share, StopCount
from vlam_ros.lab.evaluation.task_figures import common_episodes, figures_of, gates_of
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.simulation.tasks import CONTROL

DONE = record(
    stops={"HOLD": 1, "DONE": 1}, halts={"HOLD": 0.5, "DONE": 1.0}, compute=(0.1, 0.2, 0.3)
)


def held(seed: int, kind: str, reason: str, control: bool = False) -> EpisodeRecord:
    """An episode that ended in a HOLD: right of the control set, wrong of the others."""
    name = f"{'control' if control else 'task'}-{seed}"
    changed = replace(DONE, name=name, seed=seed, kind=kind, control=control, success=control)
    return replace(changed, outcome="HOLD", reason=reason, why="" if control else "stands away")


TASKS = [
    DONE,
    replace(DONE, name="task-2", seed=2, relational=True, seconds=20.0, path=1.1),
    replace(DONE, name="task-3", seed=3, kind="turn to", straight=0.0, held_out=True, seconds=5.0),
    replace(DONE, name="task-4", seed=4, success=False, wrong_object=True, why="object 2"),
    held(5, "pick up", "TARGET_NOT_FOUND"),
    replace(DONE, name="task-6", seed=6, paraphrased=True, straight=0.1, path=9.0,
            collisions=("chassis crate 0.40 m/s",), fastest_contact=0.4),
]  # fmt: skip
CONTROLS = [
    held(1, "absent", "TARGET_NOT_FOUND", control=True),
    held(2, "ambiguous", "TARGET_AMBIGUOUS", control=True),
    held(3, "ambiguous", "TARGET_NOT_FOUND", control=True),
    replace(held(4, "blocked", "PATH_BLOCKED", control=True), success=False, outcome="EXECUTE"),
]


@pytest.mark.parametrize(
    ("hits", "cases", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(hits: int, cases: int, low: float, high: float) -> None:
    assert Share(hits, cases).interval == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_unknown() -> None:
    assert math.isnan(Share(0, 0).value)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert Share(0, 0).to_dict()["share"] is None


def test_tasks_are_counted_by_kind_and_in_all() -> None:
    counts = Counts.of(TASKS + CONTROLS)
    assert counts.episodes == 10
    assert counts.tasks.success == Share(4, 6)
    assert counts.tasks.wrong_object == Share(1, 6)
    assert counts.tasks.collided == Share(1, 6)
    assert counts.collided == Share(1, 10)
    assert counts.tasks.fastest == 0.4
    assert counts.tasks.seconds == 10.0
    assert list(counts.kinds) == ["go to", "turn to", "pick up"]
    assert counts.kinds["go to"].success == Share(3, 4)
    assert math.isnan(counts.kinds["pick up"].seconds)


def test_paths_are_compared_with_straight_ways_of_successes_that_are_long_enough() -> None:
    assert Counts.of(TASKS).tasks.detour == pytest.approx((1.5 + 1.1) / 2)


def test_success_is_told_apart_by_what_makes_a_task_hard() -> None:
    assert Counts.of(TASKS + CONTROLS).subsets == {
        "told apart by a relation": Share(1, 1),
        "in words never trained": Share(1, 1),
        "with a pair never trained": Share(1, 1),
        "none of these": Share(1, 3),
    }


def test_reasons_of_tasks_that_were_refused_wrongly_are_counted() -> None:
    success = replace(held(7, "push", "NO_POSITION"), success=True)
    assert Counts.of([*TASKS, *CONTROLS, success]).held == {"TARGET_NOT_FOUND": 1}


def test_right_refusals_are_counted_and_those_for_the_expected_reason_among_them() -> None:
    counts = Counts.of(TASKS + CONTROLS)
    assert counts.control.refused == Share(3, 4)
    assert counts.control.expected == Share(2, 3)
    assert counts.control_kinds["ambiguous"].refused == Share(2, 2)
    assert counts.control_kinds["ambiguous"].expected == Share(1, 2)
    assert counts.control_kinds["blocked"].reasons == {"EXECUTE": 1}
    assert set(EXPECTED) == set(CONTROL)


def test_stops_are_added_up_over_tasks_that_can_be_done() -> None:
    assert Counts.of(TASKS[:2] + CONTROLS).stops == {
        "DONE": StopCount(2, 2.0),
        "HOLD": StopCount(2, 1.0),
    }


def test_times_are_those_of_all_decisions() -> None:
    counts = Counts.of([DONE, replace(DONE, compute=(0.4, 0.5), latencies=(0.7,))])
    assert counts.compute.p50 == pytest.approx(0.3)
    assert counts.compute.p95 == pytest.approx(0.48)
    assert counts.compute.cases == 5
    assert counts.latency == Percentiles(0.7, 0.7, 0.7, 1)


def test_gates_are_met_by_shares_on_their_right_side() -> None:
    passed = {gate.name: gate.passed for gate in gates_of(Counts.of(TASKS + CONTROLS))}
    assert passed == {
        "success": False,
        "wrong object": False,
        "right refusals": False,
        "contact over 0.2 m/s": False,
    }
    assert figures_of({"vlam": [DONE, CONTROLS[0]]}).passed


def test_the_first_variant_is_the_one_that_is_judged() -> None:
    good, bad = [DONE, CONTROLS[0]], [replace(DONE, success=False), CONTROLS[0]]
    assert figures_of({"vlam": good, "baseline": bad}).passed
    assert not figures_of({"baseline": bad, "vlam": good}).passed


def test_what_was_not_measured_is_not_met() -> None:
    assert not figures_of({"vlam": [DONE]}).passed
    assert not figures_of({}).passed


def test_variants_are_compared_on_the_episodes_that_all_have_run() -> None:
    records = {"vlam": TASKS + CONTROLS, "baseline": [TASKS[4], TASKS[0], CONTROLS[0]]}
    common = common_episodes(records)
    assert [r.name for r in common["vlam"]] == ["control-1", "task-1", "task-5"]
    assert [r.name for r in common["baseline"]] == ["control-1", "task-1", "task-5"]
    figures = figures_of(records)
    assert figures.variants["vlam"].episodes == 10
    assert figures.common["vlam"].tasks.success == Share(1, 2)
    text = figures.to_markdown()
    assert "|  | vlam, 3 episodes | baseline, 3 episodes |" in text
    assert "|  | vlam, 10 episodes | baseline, 3 episodes |" in text
    assert "Only the 3 episodes that all variants have run" in text
    assert figures_of({"vlam": TASKS, "baseline": TASKS}).common == {}


def test_the_table_says_which_gates_are_met() -> None:
    text = figures_of({"vlam": TASKS + CONTROLS[:3]}).to_markdown()
    assert "| success | 0.667 (0.30–0.90) of 6 | ≥ 0.85 **missed** |" in text
    assert "| right refusals | 1.000 (0.44–1.00) of 3 | ≥ 0.95 met |" in text
    assert "| the decision is to hold | 6 ×, 3 s |" in text
    assert "stamp to its chunk" not in text


def test_every_figure_is_in_the_json() -> None:
    read = json.loads(figures_of({"vlam": TASKS + CONTROLS}, {"model": "embedded"}).to_json())
    assert read["judged"] == "vlam"
    assert read["passed"] is False
    assert read["gates"][0]["share"]["hits"] == 4
    assert read["variants"]["vlam"]["kinds"]["pick up"]["seconds"] is None
    assert read["variants"]["vlam"]["control_kinds"]["absent"]["refused"]["share"] == 1.0
    assert read["made_with"] == {"model": "embedded"}


@pytest.mark.parametrize("records", [{}, {"vlam": []}, {"vlam": [], "baseline": TASKS}])
def test_nothing_to_count_is_no_error(records: dict[str, list[EpisodeRecord]]) -> None:
    figures = figures_of(records)
    assert not figures.passed
    assert json.loads(figures.to_json())["passed"] is False
    assert "nan" not in figures.to_markdown()


def test_a_record_without_latencies_is_read() -> None:
    values = json.loads(json.dumps(asdict(DONE)))
    assert EpisodeRecord.from_dict(values) == DONE
    del values["latencies"]
    assert EpisodeRecord.from_dict(values) == DONE
