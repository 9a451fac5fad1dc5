"""A bag that this project did not write: another world, another writer, other names."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml
from replayed import BAGS, SETTINGS, Witness, replay

from vlam_ros.lab.replay.records import TARGET
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import Attitude, Camera, FloorPlane, Missing, Obstacles

FOREIGN = BAGS / "foreign.mcap"
SCRIPT = Path(__file__).parents[3] / "tools" / "make_foreign_bag.py"
VOICE = {"instruction": "/voice"}
TRUTH = yaml.safe_load((BAGS / "manifest.yaml").read_text(encoding="utf-8"))["foreign"]["objects"]


def test_the_script_that_made_it_knows_nothing_of_this_package() -> None:
    for script in (SCRIPT, SCRIPT.with_name("bag_manifest.py")):
        names = set()
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        assert {n.partition(".")[0] for n in names}.isdisjoint({"vlam_ros", "rosbags", "rclpy"})


def test_the_cup_is_gone_to_and_what_is_not_there_refused() -> None:
    got = replay(FOREIGN, Pipeline.from_settings(SETTINGS[0]), VOICE, period=0.8)
    assert [(r.instruction, r.outcome, r.reason) for r in got.records] == [
        ("", "HOLD", "NO_INSTRUCTION"),
        ("go to the red cup", "EXECUTE", "NONE"),
        ("go to the red cup", "EXECUTE", "NONE"),
        ("bring me the green ball", "HOLD", "TARGET_NOT_FOUND"),
    ]
    for record in got.records[1:3]:
        cup = record.first(TARGET)
        assert cup is not None
        assert cup.phrase == "red cup"
        assert cup.position is not None
        np.testing.assert_allclose(cup.position, TRUTH["red cup"], atol=0.03)
        assert record.skill == "go_to"
    assert got.damage == got.notes == ()


def test_its_sensors_are_where_its_transforms_say() -> None:
    """Two links to a camera that looks to the right, a LiDAR turned left, an IMU upside down."""
    maker = Witness()
    replay(FOREIGN, maker, VOICE)
    seen = maker.observations[-1]
    assert isinstance(seen.camera, Camera)
    np.testing.assert_allclose(seen.camera.position, (0.14, 0.05, 0.65), atol=1e-9)
    assert seen.camera.distortion == (-0.12, 0.03, 0.0005, -0.0008, 0.0)
    ahead = seen.camera.rotation @ (0, 0, 1)
    assert np.degrees(np.arctan2(ahead[1], ahead[0])) == pytest.approx(-4.0)
    assert np.degrees(np.arcsin(-ahead[2])) == pytest.approx(27.0)
    assert isinstance(seen.attitude, Attitude)
    assert max(abs(seen.attitude.roll), abs(seen.attitude.pitch)) < np.radians(0.3)
    assert isinstance(seen.floor, FloorPlane)
    assert seen.floor.offset == pytest.approx(0.0, abs=0.005)
    assert seen.floor.normal[2] > np.cos(np.radians(0.3))
    assert isinstance(seen.obstacles, Obstacles)
    for name, place in TRUTH.items():
        near = np.linalg.norm(seen.obstacles.points[:, :2] - place[:2], axis=1) < 0.12
        assert near.sum() >= 5, name


def test_without_its_calibration_nothing_is_known_of_where_things_are() -> None:
    """The first image came before it."""
    maker = Witness()
    replay(FOREIGN, maker, VOICE)
    assert isinstance(maker.observations[0].camera, Missing)
    assert not isinstance(maker.observations[1].camera, Missing)
