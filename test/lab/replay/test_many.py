"""Many bags at once: on processes that may be killed, and on a Ray cluster on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from replay_jobs import BAGS, job, told_by_name

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.job import (
    LOCAL,
    ReplayResult,
    attempt,
    replay_bag,
    replay_on_cores,
    replay_on_ray,
)
from vlam_ros.lab.replay.table import BagRow


@pytest.fixture
def two_workers() -> Iterator[None]:
    """A Ray cluster on this machine."""
    ray.init(address=LOCAL, num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


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


def test_a_process_that_is_killed_costs_its_own_bag_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    jobs = [job(Path("one.mcap")), job(Path("killed.mcap"))]
    found = rows(replay_on_cores(jobs, 5, told_by_name))
    assert found["one"].error == "replayed with 4 threads"  # two processes share nine cores
    assert "was killed" in found["killed"].error


def test_there_need_be_a_cluster_at_the_address() -> None:
    with pytest.raises(ReplayError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        list(replay_on_ray([job(Path("one.mcap"))], "127.0.0.1:1"))


@pytest.mark.timeout(300)  # Ray starts processes of its own
def test_a_cluster_decides_as_this_process_does(two_workers: None) -> None:
    jobs = [job(BAGS / "level"), job(BAGS / "loop"), job(BAGS / "none")]
    answers = {j.name: answer for j, answer in replay_on_ray(jobs, LOCAL)}
    assert "does not exist" in answers.pop("none").error  # type: ignore[union-attr]
    for one in jobs[:2]:
        here, there = replay_bag(one), answers[one.name]
        assert isinstance(there, ReplayResult)
        assert here.run.decisions_json() == there.run.decisions_json()
        assert there.run.decisions
        assert there.page.startswith("<!DOCTYPE html>")
