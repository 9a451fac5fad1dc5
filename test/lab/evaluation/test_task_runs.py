"""Runs are written down one by one, and go on where they were interrupted."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from episode_records import record

from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.evaluation import task_runs
from vlam_ros.lab.evaluation.task_runs import (
    EpisodeJob,
    Variant,
    film_strip,
    records,
    run_all,
    run_job,
)


def job(folder: Path, seed: int = 1_000_004, variant: Variant = Variant.VLAM) -> EpisodeJob:
    return EpisodeJob(variant, seed, control=True, model="embedded", folder=folder)


def test_a_run_is_one_record_and_is_not_done_twice(tmp_path: Path) -> None:
    one = job(tmp_path)
    one.record.parent.mkdir(parents=True)
    run_job(one)
    (record,) = records([one])[Variant.VLAM]
    assert (record.name, record.kind, record.success) == ("control-1000004", "absent", True)
    assert film_strip(tmp_path, "vlam", record) is None
    assert [path.name for path in one.record.parent.iterdir()] == ["control-1000004.json"]
    before = one.record.stat().st_mtime_ns
    run_all([one], workers=2)
    assert one.record.stat().st_mtime_ns == before


def test_what_failed_has_a_film_strip(tmp_path: Path) -> None:
    one = job(tmp_path, variant=Variant.BASELINE)
    one.record.parent.mkdir(parents=True)
    run_job(one)
    (record,) = records([one])[Variant.BASELINE]
    assert not record.success
    assert (film_strip(tmp_path, "baseline", record) or b"")[:2] == b"\xff\xd8"


def test_records_are_read_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job(tmp_path)
    assert records([one]) == {}
    monkeypatch.setattr(task_runs, "run_episode", lambda *args: pytest.fail("not to be run"))
    one.record.parent.mkdir(parents=True)
    made = record(
        name="control-1000004", seed=1_000_004, kind="absent", control=True, outcome="HOLD",
        reason="TARGET_NOT_FOUND", seconds=4.0, path=0.0, straight=0.0, compute=(0.1, 0.2),
    )  # fmt: skip
    one.record.write_text(json.dumps(asdict(made)))
    assert records([one]) == {Variant.VLAM: [made]}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write to"):
        run_all([job(tmp_path / "file")], workers=1)
