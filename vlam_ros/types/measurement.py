"""What IMU and LiDAR measure, before fusion; all in the axes of `base_link`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import SensorError

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ImuSample:
    """One reading of an IMU (REP-145), turned into the axes of `base_link`.

    `rate` is the angular velocity (rad/s); `force` the specific force (m/s²), +9.81 along z on a
    level robot at rest. `tilt` is (roll, pitch) in rad of the IMU's own orientation where its
    covariance makes it worth believing, else None.
    """

    stamp: int
    rate: Vector
    force: Vector
    tilt: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([*self.rate, *self.force, *(self.tilt or ())]).all():
            raise SensorError(
                f"an IMU reading must be finite, got rate {self.rate}, force {self.force}, "
                f"tilt {self.tilt}"
            )


@dataclass(frozen=True)
class LidarSweep:
    """The returns of one LiDAR sweep, each in `base_link` as that was when it was measured.

    `points` is float32[N,3] in metres, all finite. `offsets` float64[N] are seconds from `stamp` to
    the time of each point, negative ones included; None if the LiDAR does not tell.
    """

    stamp: int
    points: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise SensorError(f"a sweep needs points [N,3], got {list(self.points.shape)}")
        if self.offsets is not None and self.offsets.shape != self.points.shape[:1]:
            raise SensorError(
                f"a sweep of {len(self.points)} points has {self.offsets.shape} point times"
            )

    @property
    def span(self) -> tuple[int, int]:
        """Times of the first and of the last point, ns; twice the stamp if there are none."""
        if self.offsets is None or not len(self.offsets):
            return self.stamp, self.stamp
        first, last = float(self.offsets.min()), float(self.offsets.max())
        return self.stamp + round(first * 1e9), self.stamp + round(last * 1e9)
