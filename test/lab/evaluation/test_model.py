"""The embedded model is measured through the pipeline's own perception."""

import json
from pathlib import Path

import pytest
from tiny_clipseg import save_tiny_checkpoint

from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.model import evaluate_model
from vlam_ros.lab.evaluation.report import Report
from vlam_ros.lab.evaluation.skills import UNKNOWN_VERBS


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate_model(scenes=8)


def test_the_embedded_model_sees_far_better_than_chance(report: Report) -> None:
    """A few scenes only: the gates are for `vlam evaluate model` on hundreds."""
    measured = {row.name: row.value for row in report.rows}
    assert measured["mean IoU"] > 0.4
    assert measured["confirmed, right object"] > 0.5
    assert measured["false alarms, after the second look"] < 0.25
    assert measured["skill accuracy, new sentences"] >= 0.97
    assert measured["unknown verbs refused"] > 0.8


def test_a_report_counts_its_cases_and_says_which_gates_are_missed(report: Report) -> None:
    rows = {row.name: row for row in report.rows}
    # Three absent phrases a scene, and all unknown verbs.
    assert rows["false alarms, after the second look"].cases == 3 * 8
    assert rows["unknown verbs refused"].cases == len(UNKNOWN_VERBS)
    read = json.loads(report.to_json())
    assert [row["name"] for row in read["rows"]] == [row.name for row in report.rows]
    assert read["passed"] == all(row.passed is not False for row in report.rows)
    assert report.to_markdown().count("**missed**") == sum(
        row.passed is False for row in report.rows
    )


def test_what_the_other_rows_are_is_not_changed_by_a_world_never_seen(report: Report) -> None:
    names = [row.name for row in report.rows]
    assert names.index("unknown verbs refused") < names.index("mean IoU, unseen")
    rows = {row.name: row for row in report.rows}
    # A noun and a colour of each scene, and three absent phrases of each of half as many images.
    assert rows["false alarms, bare nouns and colours"].cases <= 2 * 8
    assert rows["false alarms, no competitors, own rooms"].cases == 3 * 8
    assert rows["false alarms, no competitors, unseen"].cases == 3 * 4
    assert rows["images refused as unfamiliar, unseen"].cases == 4
    assert rows["mean IoU, unseen"].value > 0.3
    gates = ("mean IoU", "hits (IoU > 0.5)", "confirmed, right object")
    assert all(rows[f"{name}, unseen"].gate for name in gates)


def test_competitors_take_false_alarms_of_masks_away(report: Report) -> None:
    rows = {row.name: row.value for row in report.rows}
    alone = rows["false alarms, no competitors, own rooms"]
    assert alone >= rows["false alarms, masks alone"]
    assert rows["mean IoU, no competitors, own rooms"] > 0.4


def test_a_checkpoint_without_calibration_is_not_evaluated(tmp_path: Path) -> None:
    folder = save_tiny_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"has no calibration.json: run `vlam calibrate"):
        evaluate_model(folder, scenes=1)
