"""Many bags at once: on processes that may be killed, and on a Ray cluster on this machine."""

import os
from pathlib import Path

import pytest
from replay_jobs import job, told_by_name

from vlam_ros.errors import ReplayError
from vlam_ros.replay.many import LOCAL, attempt, replay_on_cores, replay_on_ray
from vlam_ros.replay.table import BagRow


def rows(answers: object) -> dict[str, BagRow]:
    """By the names of the bags."""
    return {j.name: a for j, a in answers if isinstance(a, BagRow)}  # type: ignore[attr-defined]


def test_what_goes_wrong_with_a_bag_is_said_in_its_row(tmp_path: Path) -> None:
    assert attempt(job(tmp_path / "none.mcap")) == BagRow(
        "none", error=f"{tmp_path}/none.mcap does not exist: expected a bag's folder or file"
    )


def test_a_fault_of_the_program_is_the_answer_of_one_bag() -> None:
    def broken(job: object) -> None:
        raise ZeroDivisionError("no\nmore")

    answer = attempt(job(Path("any.mcap")), broken)  # type: ignore[arg-type]
    assert answer == BagRow("any", error="ZeroDivisionError: no more")


def test_a_process_that_is_killed_costs_its_own_bag_alone() -> None:
    jobs = [job(Path(f"{name}.mcap")) for name in ("one", "killed", "two", "three")]
    found = rows(replay_on_cores(jobs, 2, told_by_name))
    assert sorted(found) == ["killed", "one", "three", "two"]
    assert "was killed" in found.pop("killed").error
    assert {row.error for row in found.values()} == {"replayed with 1 threads"}


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    jobs = [job(Path(f"{name}.mcap")) for name in ("one", "two")]
    found = rows(replay_on_cores(jobs, 4, told_by_name))
    assert {row.error for row in found.values()} == {"replayed with 4 threads"}


def test_there_need_be_a_cluster_at_the_address() -> None:
    with pytest.raises(ReplayError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        list(replay_on_ray([job(Path("one.mcap"))], "127.0.0.1:1"))
