"""Where `base_link` stands on the floor, and places moved into it and out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.float64]
"""x, y of places on the floor, float64[N,2], metres."""


@dataclass(frozen=True)
class PlanarPose:
    """Planar pose of `base_link` in another frame, metres and radians."""

    x: float
    y: float
    yaw: float

    def out(self, points: Places) -> Places:
        """Points [N,2] of this `base_link`, in the other frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return points @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    def into(self, points: Places) -> Places:
        """Points [N,2] of the other frame, in this `base_link`."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return (points - (self.x, self.y)) @ np.array([[c, -s], [s, c]])
