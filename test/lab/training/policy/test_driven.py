"""What a robot did that somebody drove becomes a demonstration."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from policy_world import SECOND, START, observation, skills, thing
from sensed_bag import sensed_bag

from vlam_ros.actions import ActionTokenizer
from vlam_ros.cli.main import main
from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.replay.timed import Cue
from vlam_ros.lab.training.policy.data import Demonstrations
from vlam_ros.lab.training.policy.driven import Drive, Driver, demonstrate_bag
from vlam_ros.language import PLAIN, parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.types import Odometry, Progress, Scene, Task

SETTINGS = Settings.load(model__dtype="float32")
ROBOT = SETTINGS, FusionNodeSettings.load()


def drive(seconds: float, speed: float, turn: float, told: tuple[float, ...] = ()) -> Drive:
    """A robot on a straight line along y, or on the spot."""
    stamps = [START + round(t * SECOND) for t in np.arange(0, seconds + 0.01, 0.05)]
    odometry = []
    for stamp in stamps:
        gone = (stamp - START) / SECOND
        yaw = (math.pi / 2 + turn * gone + math.pi) % math.tau - math.pi
        odometry.append(Odometry(stamp, 1.0, 2.0 + speed * gone, yaw))
    return Drive.of(odometry[::-1], [START + round(t * SECOND) for t in told])


def shown(driven: Drive, text: str, skill: str, seconds: float = 0.0) -> str:
    driver = Driver(driven, tuple(skills().values()), SETTINGS.policy, SETTINGS.action, Notes())
    task = Task(parse_instruction(text, PLAIN), skill, 0.9)
    looking = observation(seconds=seconds)
    cup = thing("red cup", 2.0)
    _, said = driver.show(looking, task, Scene(looking.stamp, (cup,)), Progress())
    assert said is not None
    assert said.known == {"there"}
    return said.text


def rows(text: str) -> np.ndarray:
    tokens = text.split("<execute> ")[1].removesuffix(" <end>").split()
    driver = Driver(
        drive(1, 0, 0), tuple(skills().values()), SETTINGS.policy, SETTINGS.action, Notes()
    )
    return ActionTokenizer(driver.space).decode(np.array(tokens, int).reshape(-1, 5))


def test_a_way_is_seen_from_where_the_robot_was() -> None:
    way = drive(4.0, 0.5, 0.0).ahead(START + SECOND, START + SECOND)
    assert way is not None
    np.testing.assert_allclose(way[-1], [1.5, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(np.diff(way[:-1, 0]), 0.05, atol=1e-6)
    assert drive(4.0, 0.5, 0.0).ahead(START - 1, START) is None
    assert Drive.of([], []).ahead(START, START) is None


def test_a_way_ends_where_the_robot_is_told_something_else() -> None:
    driven = drive(4.0, 0.5, 0.0, told=(0.0, 2.0))
    # What was said after an image was taken counts for that image too, once it is decided on.
    for now, end in ((1.0, 0.5), (2.1, 1.5)):
        way = driven.ahead(START + SECOND, START + round(now * SECOND))
        assert way is not None
        np.testing.assert_allclose(way[-1], [end, 0.0, 0.0], atol=1e-6)


def test_waypoints_are_at_equal_shares_of_the_way_as_the_planners_are() -> None:
    text = shown(drive(4.0, 0.5, 0.0), "go to the red cup", "go_to")
    assert text.startswith("<plan> go to red cup <at> ")
    assert "<not_there> <execute> 1 " in text
    poses = rows(text)
    np.testing.assert_allclose(poses[:, 1], np.arange(1, 9) / 4, atol=0.02)
    np.testing.assert_allclose(poses[:, [2, 4]], 0.0, atol=0.02)
    assert np.isnan(poses[:, 3]).all()


def test_a_way_is_cut_where_it_leaves_the_action_space() -> None:
    poses = rows(shown(drive(10.0, 0.5, 0.0), "go to the red cup", "go_to"))
    assert 2.9 < poses[-1, 1] <= 3.0


def test_a_turn_is_angles_alone() -> None:
    poses = rows(shown(drive(4.0, 0.0, 0.2), "turn to the red cup", "turn_to"))
    assert np.isnan(poses[:, 1:4]).all()
    np.testing.assert_allclose(poses[:, 4], 0.1 * np.arange(1, 9), atol=0.02)
    searching = rows(shown(drive(9.0, 0.0, 0.2), "search for the red cup", "search"))
    due = SETTINGS.action.start_offset + SETTINGS.action.step * np.arange(8)
    np.testing.assert_allclose(searching[:, 4], 0.2 * due, atol=0.02)


def test_who_stays_where_he_is_is_done() -> None:
    text = shown(drive(4.0, 0.1, 0.0, told=(0.0, 2.0)), "go to the red cup", "go_to", 1.8)
    assert text.endswith("<there> <done> <end>")


def test_a_bag_becomes_demonstrations_that_can_be_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = sensed_bag(tmp_path / "turning", 4.0, {0.3: "turn to the red ball"})
    out = tmp_path / "demos"
    assert main(["data", "demos-from-bag", str(bag), "--out", str(out)]) == 0
    data = Demonstrations.load([out])
    assert f"{bag}: {len(data)} decisions" in capsys.readouterr().out
    assert {row.kind for row in data.rows} == {"bag turning"}
    assert data.arrays["patches"].shape == (len(data), 401, 160)
    assert "<execute> 2 " in data.rows[0].text
    left = [rows(row.text)[-1, 4] for row in data.rows]
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(0.35, abs=0.05)
    assert np.isfinite(data.arrays["places"]).any()


def test_what_demonstrates_nothing_is_refused_and_it_says_why(tmp_path: Path) -> None:
    grounder = ClipsegGrounder.from_pretrained("embedded", "cpu", "float32")
    bag = sensed_bag(tmp_path / "drive", 1.5, {})
    with pytest.raises(LearningError, match="no instruction of it moves the base"):
        demonstrate_bag(bag, tmp_path / "out", ROBOT, grounder, ReplayOptions(), Notes())
    arm = ReplayOptions(script=(Cue(0.0, "pick up the red ball"),))
    with pytest.raises(LearningError, match="'pick up' is done by an arm"):
        demonstrate_bag(bag, tmp_path / "out", ROBOT, grounder, arm, Notes())
    assert not (tmp_path / "out").exists()
