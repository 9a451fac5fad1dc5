"""Overlapping chunks are averaged where that is wanted, within one instruction and skill only."""

from __future__ import annotations

import numpy as np
import pytest
from driven import NAN, START, Driven, ns, rows_chunk

from vlam_ros.configuration import ControllerSettings


def aside(ensemble: bool, requests: tuple[int, int] = (1, 1)) -> list[float]:
    """How far aside (m) the waypoints are, after a chunk that says 0 m and one, 0.3 s newer, that
    says 0.3 m.
    """
    settings = ControllerSettings.load(control__ensemble=ensemble, control__ensemble_decay=0.0)
    robot = Driven(settings)
    for y, sequence in zip((0.0, 0.3), requests, strict=True):
        rows = np.tile([2.0, y, NAN, 0.0], (8, 1))
        chunk = rows_chunk("go_to", rows, stamp=robot.now, sequence=sequence)
        robot.controller.chunk(chunk, robot.now)
        robot.now += ns(0.3)
        robot.report()
    shown = robot.controller.waypoints(robot.now)
    return [Driven().in_base(x, y, 0.0)[1] for x, y in shown[:, :2]]


def test_chunks_of_one_instruction_and_skill_are_averaged_while_both_last() -> None:
    # The older chunk has ended when the last row of the newer one is due.
    expected = [0.15] * 7 + [0.3]
    assert aside(ensemble=True) == pytest.approx(expected, abs=2e-3)


def test_without_the_parameter_the_newest_counts() -> None:
    assert ControllerSettings.load().control.ensemble is False
    assert aside(ensemble=False) == pytest.approx([0.3] * 8, abs=2e-3)


def test_another_instruction_is_not_averaged_with_the_last() -> None:
    assert aside(ensemble=True, requests=(1, 2)) == pytest.approx([0.3] * 8, abs=2e-3)


def test_an_event_of_an_averaged_chunk_fires_once() -> None:
    settings = ControllerSettings.load(control__ensemble=True)
    robot = Driven(settings, arm=(0.0, 0.0, 0.0))
    low, event = [0.5, 0.0, 0.1, 0.0], [NAN] * 4
    grips = []
    for i in range(6):
        rows = [low] * 8
        if i <= 4:
            rows[4 - i] = event
        chunk = rows_chunk("pick_up", rows, stamp=START + i * ns(0.25))
        robot.controller.chunk(chunk, robot.now)
        grips += [command.grip for command in robot.run(0.25)]
    assert [grip for grip in grips if grip is not None] == [True]
