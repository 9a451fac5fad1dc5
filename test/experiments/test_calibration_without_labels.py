"""What the comparison of calibrations with and without labels is made of."""

import pytest
from calibration_without_labels import Result, drive, table, views_of
from tiny_clipseg import CALIBRATION

from vlam_ros.lab.evaluation.task_counts import Share
from vlam_ros.lab.evaluation.thresholds import Calibrated


def test_what_is_said_to_be_absent_is_in_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration_without_labels.SECONDS", 6)
    views = views_of(1, 3)
    _, there = drive(0)
    assert len(views.absent) == 8
    assert not {*views.absent} & there
    assert len(views.images) == 3
    assert views.seen == 24


def test_the_table_has_shares_with_their_intervals() -> None:
    told = Calibrated(CALIBRATION, Share(0, 0), Share(1, 100), Share(0, 100), {})
    shown = table([Result("on what is absent", told, Share(90, 100), Share(0, 100))])
    assert (
        "| on what is absent | 0.70 | 90.0 [82.6, 94.5] of 100 | 0.0 [0.0, 3.7] of 100 "
        "| 1.0 [0.2, 5.4] of 100 |"
    ) in shown.to_markdown()
