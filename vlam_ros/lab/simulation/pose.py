"""Where the simulated base is: `base_link` in the frame of the scene."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import SimulationError
from vlam_ros.types import FloatArray


@dataclass(frozen=True)
class BasePose:
    """Pose of `base_link` in the scene: m and rad, rotation R_z(yaw) R_y(pitch) R_x(roll).

    At the origin `base_link` is the frame in which a SceneSpec is written.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, astuple(self))):
            raise SimulationError(f"the pose of a base must be finite, got {self}")

    @property
    def position(self) -> npt.NDArray[np.float64]:
        """Origin of `base_link` in the scene, m."""
        return np.array([self.x, self.y, self.z])

    @property
    def rotation(self) -> npt.NDArray[np.float64]:
        """Turns vectors of `base_link` into the scene: float64[3,3]."""
        cr, sr = math.cos(self.roll), math.sin(self.roll)
        cp, sp = math.cos(self.pitch), math.sin(self.pitch)
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        return np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )

    @property
    def quaternion(self) -> tuple[float, float, float, float]:
        """The rotation as (w, x, y, z)."""
        cr, sr = math.cos(self.roll / 2), math.sin(self.roll / 2)
        cp, sp = math.cos(self.pitch / 2), math.sin(self.pitch / 2)
        cy, sy = math.cos(self.yaw / 2), math.sin(self.yaw / 2)
        return (
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        )

    def to_base(self, points: FloatArray) -> npt.NDArray[np.float64]:
        """Points [N,3] of the scene in `base_link`."""
        return np.asarray((points - self.position) @ self.rotation)

    def to_world(self, points: FloatArray) -> npt.NDArray[np.float64]:
        """Points [N,3] of `base_link` in the scene."""
        return np.asarray(points @ self.rotation.T + self.position)
