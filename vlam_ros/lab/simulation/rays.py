"""Rays of a LiDAR through a MuJoCo model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.types import FloatArray, Uint8Array


def cast_rays(
    model: Any,
    data: Any,
    start: FloatArray,
    directions: FloatArray,
    distances: npt.NDArray[np.float64],
    hit: npt.NDArray[np.int32],
    groups: Uint8Array | None = None,
    farthest: float = mujoco.mjMAXVAL,
) -> None:
    """Measure how far rays go, as all bodies stand.

    Args:
        model: of MuJoCo.
        data: its state.
        start: float[3] of all rays in the world, m.
        directions: float[N,3] unit vectors in the world.
        distances: float64[N], filled with metres to the nearest surface, infinite for none.
        hit: int32[N], for MuJoCo to write in.
        groups: uint8[6], which groups of geoms are in the way; None: all.
        farthest: surfaces beyond need not be found, m.
    """
    mujoco.mj_multiRay(
        model,
        data,
        start,
        directions.ravel(),
        groups,
        1,  # the static scene, too
        -1,  # no body is transparent
        hit,
        distances,
        None,
        len(directions),
        farthest,
    )
    distances[hit < 0] = np.inf
