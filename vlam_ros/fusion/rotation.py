"""Rotations from rotation vectors, many at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def rotation_from_vector(vectors: Array) -> Array:
    """Rotation matrices [N,3,3] of rotation vectors [N,3] in rad (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None]
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    # sinc(x) is sin(πx) / πx: exact down to an angle of zero.
    sine = np.sinc(angle / np.pi)
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.asarray(np.eye(3) + sine * cross + cosine * (cross @ cross), np.float64)


def up_vector(roll: float, pitch: float) -> Array:
    """The unit vector [3] that points up, in a base turned by R_y(pitch) R_x(roll)."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    return np.array([-sp, cp * sr, cp * cr])


def tilt_of(up: Array) -> tuple[float, float]:
    """Roll and pitch in rad of a base that sees the upward direction along `up` [3]."""
    x, y, z = up / np.linalg.norm(up)
    return float(np.arctan2(y, z)), float(np.arcsin(np.clip(-x, -1, 1)))
