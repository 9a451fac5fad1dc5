"""`vlam evaluate tasks --ros`: an episode on the nodes themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.evaluation.task_runs import EpisodeJob, Variant, not_run_yet, records
from vlam_ros.lab.replay.collected import recorded_run
from vlam_ros.lab.replay.roles import assign

TURN_TO = 1_000_023
PATIENCE = 110.0


def test_a_short_episode_is_run_judged_and_not_run_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vlam_ros.cli.main", "evaluate", "tasks", "--ros"]
    command += ["--episodes", "1", "--control", "0", "--seed", str(TURN_TO), "--out", str(tmp_path)]
    command += ["--record", str(tmp_path / "bags")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    # One episode is too few for the gates.
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    job = EpisodeJob(Variant.ROS, TURN_TO, False, "embedded", tmp_path)
    (record,) = records([job])[Variant.ROS]
    assert (record.kind, record.success, record.outcome) == ("turn to", True, "DONE")
    assert record.collisions == ()
    assert 1.0 < record.seconds < 40.0
    assert len(record.latencies) == len(record.wall_latencies) > 2
    assert all(0 < seconds < 5 for seconds in record.latencies)
    assert record.verdicts["DONE NONE"] > 0
    assert record.halts == {}
    assert not_run_yet([job]) == []
    assert "from an image's stamp to its chunk" in done.stdout
    with BagReader(tmp_path / "bags" / job.record.stem) as bag:
        run = recorded_run(bag, assign(bag.topics, {}))
        assert (bag.end - bag.start) / 1e9 > record.seconds, "by the clock of the simulation"
        assert bag.notes == []
    assert run is not None
    assert "EXECUTE" in {d.outcome for d in run.decisions if "stop" not in d.instruction}
