"""How answers are judged."""

import numpy as np
import pytest

from vlam_ros.lab.evaluation.grounding import Candidate, QueryResult, intersection_over_union
from vlam_ros.lab.evaluation.queries import QueryKind
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.training.scenes import resample


def test_intersection_over_union() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert intersection_over_union(one, other) == 0.0
    one[:2], other[1:3] = True, True
    assert intersection_over_union(one, other) == pytest.approx(4 / 12)


def test_resampling_takes_the_middle_of_each_new_pixel() -> None:
    mask = np.zeros((480, 640), bool)
    mask[240:, :320] = True
    small = resample(mask, (160, 160))
    assert small[80:, :80].all()
    assert small.sum() == 80 * 80


def test_an_answer_is_right_if_its_best_confirmed_candidate_is() -> None:
    truth, elsewhere = np.zeros((2, 4, 4), bool)
    truth[:, :2], elsewhere[:, 2:] = True, True
    wrong, right = Candidate(0.5, 0.9, elsewhere), Candidate(0.5, 0.8, truth)
    answer = QueryResult("red cup", QueryKind.PRESENT, truth, (wrong, right))
    assert answer.found(0.85)
    assert not answer.right(0.7)
    assert answer.found_by_mask(0.5)
    assert not answer.found_by_mask(0.6)
    assert QueryResult("red cup", QueryKind.PRESENT, truth, (right,)).right(0.7)
    assert not QueryResult("red cup", QueryKind.PRESENT, truth, (right,)).right(0.85)
    assert not QueryResult("red cup", QueryKind.PRESENT, truth, ()).right(0.0)


def test_the_pieces_of_an_answer_count_as_one_mask_without_the_rejected() -> None:
    truth, elsewhere = np.zeros((2, 4, 4), bool)
    truth[:, :2], elsewhere[:, 3:] = True, True
    pieces = Candidate(0.5, 0.9, truth), Candidate(0.5, 0.1, elsewhere)
    answer = QueryResult("red cup", QueryKind.PRESENT, truth, pieces)
    assert answer.iou() == pytest.approx(8 / 12)
    assert answer.iou(rejection=0.1) == pytest.approx(8 / 12)
    assert answer.iou(rejection=0.2) == 1.0
    assert QueryResult("red cup", QueryKind.PRESENT, truth, ()).iou() == 0.0


def test_the_mask_of_the_phrase_alone_is_measured_apart() -> None:
    truth, elsewhere = np.zeros((2, 4, 4), bool)
    truth[:, :2], elsewhere[:, 3:] = True, True
    candidates = (Candidate(0.5, 0.9, elsewhere),)
    answer = QueryResult("red cup", QueryKind.PRESENT, truth, candidates, alone=(truth, elsewhere))
    assert answer.iou() == 0.0
    assert answer.iou_alone() == pytest.approx(8 / 12)


def test_gates() -> None:
    assert Metric("hits", 0.85, 10, 0.85).passed
    assert not Metric("hits", 0.84, 10, 0.85).passed
    assert Metric("alarms", 0.05, 10, 0.05, at_most=True).passed
    assert not Metric("alarms", float("nan"), 10, 0.05, at_most=True).passed
    assert Metric("refused", 0.5, 10).passed is None
