"""What is absent chooses thresholds as well as masks do, nearly."""

import pytest
from calibration_without_labels import compared, drive, table, views_of


def test_a_drive_without_labels_gives_up_little_of_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few scenes and views only: the figures of more are in docs/own_robot.md."""
    monkeypatch.setattr("vlam_ros.lab.evaluation.thresholds.SAFE", 0.2)
    monkeypatch.setattr("vlam_ros.lab.evaluation.thresholds.LEAST_PRESENT", 10)
    monkeypatch.setattr("calibration_without_labels.ALARMS", 0.05)
    monkeypatch.setattr("calibration_without_labels.OWN_ALARMS", 0.02)
    monkeypatch.setattr("vlam_ros.lab.evaluation.own_views.LEAST_VIEWS", 6)
    results = compared("embedded", scenes=8, drives=1)
    on_masks, on_absent = results
    assert on_absent.told.false_alarms.cases == 8 * 8
    assert on_absent.told.confirmed.cases == 0
    assert on_masks.confirmed.cases == on_absent.confirmed.cases >= 20
    assert abs(on_absent.confirmed.value - on_masks.confirmed.value) <= 0.03
    assert on_absent.wrong.value <= 0.1
    assert "| on what is absent | 0." in table(results).to_markdown()


def test_what_is_said_to_be_absent_is_in_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration_without_labels.SECONDS", 6)
    views = views_of(1, 3)
    _, there = drive(0)
    assert len(views.absent) == 8
    assert not {*views.absent} & there
    assert len(views.images) == 3
    assert views.seen == 24
