"""`vlam replay` as a CI job would call it: what it writes, says and ends with."""

import sys
from pathlib import Path

import pytest
from replay_jobs import BAGS

from vlam_ros.cli.main import main
from vlam_ros.lab.bags import find_bags
from vlam_ros.lab.cli.replay import names_of
from vlam_ros.lab.replay.records import ReplayRun


def replay(out: Path, *arguments: object) -> int:
    """The exit code of `vlam replay` with reports in `out`."""
    return main(["replay", *map(str, arguments), "--out", str(out)])


def test_a_bag_is_its_own_baseline_until_something_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "before.json"
    assert replay(tmp_path, BAGS / "level", "--save", saved) == 0
    decisions = ReplayRun.load(saved).decisions
    assert [d.outcome for d in decisions] == ["HOLD", "EXECUTE", "EXECUTE"]
    assert (tmp_path / "level.html").read_text().startswith("<!DOCTYPE html>")
    assert "/robot1/" in capsys.readouterr().out

    assert replay(tmp_path, BAGS / "level", "--baseline", saved) == 0
    assert "same as the baseline: 3 decisions" in capsys.readouterr().out

    said = ["--instruction", "0.5: go to the green cone"]
    assert replay(tmp_path, BAGS / "level", "--baseline", saved, *said) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "thresholds passed over: verdict" in told
    assert "Thresholds passed over" in (tmp_path / "summary.md").read_text()

    loose = tmp_path / "loose.yaml"
    loose.write_text("verdict: 1\nreason: 1\nskill: 1\ntarget: 1\nshape: 1\n")
    assert replay(tmp_path, BAGS / "level", "--baseline", saved, *said, "--thresholds", loose) == 0


def test_one_bad_bag_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.mcap").write_bytes(b"\x89MCAP0\r\nnothing")
    out, saved = tmp_path / "out", tmp_path / "saved"
    bags = [BAGS / "loop", tmp_path / "torn.mcap"]
    assert replay(out, *bags, "--save", saved, "--workers", 1) == 2
    assert {path.name for path in out.iterdir()} == {"index.html", "loop.html", "summary.md"}
    assert [path.name for path in saved.iterdir()] == ["loop.json"]
    told = capsys.readouterr().out
    assert "all 2" in told
    assert "in 1" in told
    page = (out / "index.html").read_text()
    assert 'href="./loop.html"' in page
    assert "torn" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--map", "picture:=/a"], "no role 'picture' can be mapped"),
        (["--map", "image=/a"], "a mapping is ROLE:=TOPIC"),
        (["--map", "image:=/imu"], "the topic is of type sensor_msgs/msg/Imu"),
        (["--rate", "2"], "--rate is of a replay over topics: add --ros"),
        (["--ros", "--ray"], "--ros takes one bag after the other"),
        (["--instruction", "3:"], "an instruction is TEXT or SECONDS: TEXT"),
        (["--baseline", "none.json"], "cannot read none.json"),
        (["--thresholds", "none.yaml"], "cannot read the thresholds none.yaml"),
        (["--params", "none.yaml"], "cannot read the parameter file none.yaml"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path, BAGS / "pick_and_place", *arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("vlam replay: ")
    assert said in error
    assert not list(tmp_path.iterdir())


def test_a_cluster_needs_the_package_of_an_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    assert replay(tmp_path, BAGS, "--ray") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("vlam replay: ray is not installed: pip install 'vlam_ros[ray]'")


def test_one_recording_cannot_be_of_several_bags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path, BAGS, "--ros", "--record", tmp_path / "live") == 2
    assert "--record keeps one bag, got 4 to play" in capsys.readouterr().err


def test_thresholds_need_something_to_hold_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "thresholds.yaml"
    given.write_text("verdict: 0.5\n")
    assert replay(tmp_path / "out", BAGS / "loop", "--thresholds", given) == 2
    assert "thresholds need a baseline" in capsys.readouterr().err


def test_reports_of_bags_with_the_same_name_are_told_apart() -> None:
    paths = [Path("/monday/one/drive.mcap"), Path("/tuesday/one/drive.mcap"), Path("/other")]
    assert names_of(paths) == ["monday-one-drive", "tuesday-one-drive", "other"]
    assert names_of([Path("/a/x.mcap"), Path("/a/x.mcap")]) == ["a-x-0", "a-x-1"]
    assert names_of([Path("/a/x.mcap"), Path("/a/x.db3")]) == ["a-x-0", "a-x-1"]


def test_all_bags_of_the_tests_have_names_of_their_own() -> None:
    names = names_of(find_bags(BAGS))
    assert len(names) == len(set(names)) >= 4
