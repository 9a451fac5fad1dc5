"""The gates of fusion on a few scenes; `vlam evaluate fusion` runs them on hundreds."""

import math

import pytest

from vlam_ros.lab.evaluation import fusion
from vlam_ros.lab.evaluation.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "DRIVES", 1)
        patch.setattr(fusion, "DRIVE_SECONDS", 12.0)
        patch.setattr(fusion, "POSES", 10)
        patch.setattr(fusion, "REPETITIONS", 1)
        return fusion.evaluate_fusion(scenes=6)


def test_every_gate_but_the_time_is_met_on_a_few_scenes(report: Report) -> None:
    missed = [row for row in report.rows if row.passed is False and "(ms)" not in row.name]
    assert missed == []


def test_every_figure_is_measured(report: Report) -> None:
    assert len(report.rows) > 15
    assert all(math.isfinite(row.value) and row.cases > 0 for row in report.rows)


def test_imu_and_lidar_are_what_makes_the_difference(report: Report) -> None:
    measured = {row.name: row.value for row in report.rows}
    assert measured["pitched ±5° on a level floor, no IMU, median (m)"] > 0.06
    lidar, ground = (
        measured[f"position, {name}, median (m)"] for name in ("LiDAR", "ground plane and IMU")
    )
    assert lidar < ground / 2
