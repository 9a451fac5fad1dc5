"""The sensors of a simulated robot in real time, for commands that run nodes on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlam_ros.evaluation.drive import Arrival, SensedDrive
from vlam_ros.ros.client import VlamClient
from vlam_ros.simulation import Standing, World

PAUSE = 200_000_000
"""ns that sensors may be late before measuring starts anew: their user had something else to do."""
ONE_DAY = 86_400.0


class LiveSensors:
    """Publishes what the sensors of a standing robot measure, at the time at which it is there."""

    def __init__(self, world: World, client: VlamClient) -> None:
        self._client = client
        self._drive = SensedDrive(world, Standing(), np.random.default_rng(0))
        self._next: Arrival
        self._start()

    def publish(self) -> None:
        """Publish all that is there by now. To be called every few milliseconds."""
        elapsed = self._client.now() - self._origin
        if elapsed - self._next.now > PAUSE:
            self._start()
            return
        while self._next.now <= elapsed:
            measured = self._next.measured
            self._client.measure(replace(measured, stamp=measured.stamp + self._origin))
            self._next = next(self._arrivals)

    def _start(self) -> None:
        self._origin = self._client.now()
        self._arrivals = self._drive.arrivals(0.0, ONE_DAY)
        self._next = next(self._arrivals)
