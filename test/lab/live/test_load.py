"""What becomes of the last image of a load."""

from __future__ import annotations

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.live import load
from vlam_ros.lab.live.load import TRIES, Load
from vlam_ros.lab.simulation.mjcf import calibrated
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.types import LidarSweep


class DecidingLoad(Load):
    """Of the images that are shown, those of these numbers are decided on at once."""

    numbers: frozenset[int] = frozenset()

    def _show_one(self) -> None:
        super()._show_one()
        if len(self._shown) in self.numbers:
            self._arrived[self._shown[-1]] = self.now()

    def _until(self, *_: object) -> None:
        """The nodes have told how they are."""


@pytest.mark.parametrize(("numbers", "shown"), [({1}, 1), ({2}, 2), ({3}, 3), (set(), 1 + TRIES)])
def test_after_a_lost_image_another_is_shown_with_which_the_loss_is_counted(
    monkeypatch: pytest.MonkeyPatch, numbers: set[int], shown: int
) -> None:
    monkeypatch.setattr(load, "ON_ITS_WAY", 0.0)
    camera = calibrated(DEMO_SCENE.camera, 64, 48)
    sweep = LidarSweep(0, np.zeros((0, 3), np.float32))
    with DecidingLoad(
        np.zeros((48, 64, 3), np.uint8), camera, sweep, FusionNodeSettings.load().lidar
    ) as sensors:
        sensors.numbers = frozenset(numbers)
        sensors._show_one()
        sensors._settled(lambda waiting_for: None)
        assert len(sensors._shown) == shown
