"""Actions to tokens and back: rows ⟨cmd, x, y, z, θ⟩ of unsigned bin indices.

Each continuous dimension has an odd number of bin centres from low to high, ends included, so
that over a symmetric range zero is a centre and survives exactly: "stand still" does not creep.
Discretized actions as tokens are from RT-1 and RT-2 (Brohan et al. 2022, 2023), whose 256 bins
have no such centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ActionError
from vlam_ros.types import DIMENSIONS, ActionSpace, BoolArray, FloatArray, Uint16Array

STOP = 0
"""The command index that stops the robot in every action space."""

COLUMNS = ("cmd", *DIMENSIONS)
THETA = DIMENSIONS.index("theta")

# Values may overshoot the ends of their range by float32 arithmetic: 3 µm of ±3 m.
_LIMIT = 1 + 1e-6


class ActionTokenizer:
    """Encodes and decodes rows of actions in one action space. It has no state."""

    def __init__(self, space: ActionSpace) -> None:
        self.space = space
        low, high = np.array(space.low), np.array(space.high)
        # In terms of the middle, a symmetric range gives an exact zero; halves cannot overflow.
        self._middle, self._half = low / 2 + high / 2, high / 2 - low / 2
        self._steps = (space.bins - 1) // 2
        for name, values in zip(DIMENSIONS, self.centres, strict=True):
            if not (np.diff(values) > 0).all():
                raise ActionError(
                    f"{name}: {values[0]}..{values[-1]} is too narrow for {space.bins} bins"
                )

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """The values of the bins: float64[4, bins], metres and radians, in ascending order."""
        ramp = np.arange(-self._steps, self._steps + 1) / self._steps
        return self._middle[:, None] + self._half[:, None] * ramp

    @property
    def half_bins(self) -> npt.NDArray[np.float64]:
        """Half the distance of two centres, the largest error of a round trip: float64[4]."""
        return self._half / self._steps / 2

    def encode(self, values: FloatArray, used: BoolArray | None = None) -> Uint16Array:
        """Replace each value by the index of its nearest bin centre.

        Args:
            values: float[H,5]: command index, x, y, z (m) and theta (rad). An angle outside its
                range is turned by whole circles into it. Unused values are not looked at.
            used: bool[H,4], which of x, y, z, theta a row uses; all of them if None.

        Returns:
            Tokens, uint16[H,5]; the index `bins` marks an unused dimension. A row with command 0
            stops the robot, whatever its other columns say.

        Raises:
            ActionError: a wrong shape, an unknown command, a NaN or infinity, or a value outside
                its range: it is never clipped.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(COLUMNS):
            raise ActionError(f"actions must be float[H,5] {COLUMNS}, got shape {values.shape}")
        poses = values[:, 1:].copy()
        used = np.ones(poses.shape, dtype=np.bool_) if used is None else np.asarray(used)
        if used.shape != poses.shape or used.dtype != np.bool_:
            raise ActionError(f"used must be bool{poses.shape}, got {used.dtype}{used.shape}")
        self._check_commands(values[:, 0])
        _refuse_where(used & ~np.isfinite(poses), poses, "must be finite if it is used")
        poses[~used] = 0.0
        poses[:, THETA] = self._wrapped(poses[:, THETA])
        with np.errstate(over="ignore"):  # an infinite offset is outside the range
            offsets = (poses - self._middle) / self._half
        outside = used & (np.abs(offsets) > _LIMIT)
        _refuse_where(outside, poses, f"must be in {self.space.low}..{self.space.high}")
        indices = np.rint(np.clip(offsets, -1, 1) * self._steps) + self._steps
        indices[~used] = self.space.bins
        return np.column_stack([values[:, 0], indices]).astype(np.uint16)

    def decode(self, tokens: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """Replace each token by the value of its bin centre.

        Args:
            tokens: integers [H,5], as `encode` makes them.

        Returns:
            float64[H,5]: command index, x, y, z (m) and theta (rad), NaN exactly where unused.

        Raises:
            ActionError: a wrong shape or type, an unknown command or a bin that does not exist.
        """
        tokens = np.asarray(tokens)
        if tokens.ndim != 2 or tokens.shape[1] != len(COLUMNS) or tokens.dtype.kind not in "ui":
            raise ActionError(f"tokens must be integers [H,5], got {tokens.dtype}{tokens.shape}")
        self._check_commands(tokens[:, 0])
        bins = tokens[:, 1:].astype(np.int64)
        none = f"must be a bin 0..{self.space.bins - 1}, or {self.space.bins} if unused"
        _refuse_where((bins < 0) | (bins > self.space.bins), bins, none)
        values = self._middle + self._half * ((bins - self._steps) / self._steps)
        values[bins == self.space.bins] = np.nan
        return np.column_stack([tokens[:, 0].astype(np.float64), values])

    def _wrapped(self, theta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        middle, half = self._middle[THETA], self._half[THETA]
        turned = middle + np.remainder(theta - middle + np.pi, 2 * np.pi) - np.pi
        return np.where(np.abs(theta - middle) > _LIMIT * half, turned, theta)

    def _check_commands(self, commands: npt.NDArray[Any]) -> None:
        known = np.isin(commands, np.arange(len(self.space.commands)))
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            raise ActionError(
                f"row {row}: cmd must be 0..{len(self.space.commands) - 1}, an index of "
                f"{self.space.commands}, got {commands[row]}"
            )


def _refuse_where(wrong: BoolArray, values: npt.NDArray[Any], expected: str) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ActionError(f"row {row}: {DIMENSIONS[column]} {expected}, got {values[row, column]}")
