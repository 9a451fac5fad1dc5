"""Actions to tokens and back: rows ⟨cmd, x, y, z, θ, …⟩ of unsigned bin indices.

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
from vlam_ros.types import ActionSpace, BoolArray, FloatArray, Uint16Array

STOP = 0
"""The command index that stops the robot in every action space."""

# Values may overshoot the ends of their range by float32 arithmetic: 3 µm of ±3 m.
_LIMIT = 1 + 1e-6


class ActionTokenizer:
    """Encodes and decodes rows of actions in one action space. It has no state."""

    def __init__(self, space: ActionSpace) -> None:
        self.space = space
        low, high = np.array(space.low), np.array(space.high)
        # In terms of the middle, a symmetric range gives an exact zero; halves cannot overflow.
        self._middle, self._half = low / 2 + high / 2, high / 2 - low / 2
        self._unused = np.array(space.unused)
        self._steps = (self._unused - 1) // 2
        self._angles = np.array([dimension.unit == "rad" for dimension in space.dimensions])
        for name, values in zip(space.columns[1:], self.centres, strict=True):
            if not (np.diff(values) > 0).all():
                raise ActionError(
                    f"{name}: {values[0]}..{values[-1]} is too narrow for {len(values)} bins"
                )

    @property
    def centres(self) -> list[npt.NDArray[np.float64]]:
        """The values of the bins of each dimension, float64[bins] in its unit, ascending."""
        return [
            middle + half * (np.arange(-steps, steps + 1) / steps)
            for middle, half, steps in zip(self._middle, self._half, self._steps, strict=True)
        ]

    @property
    def half_bins(self) -> npt.NDArray[np.float64]:
        """Half the distance of two centres, the largest error of a round trip: float64[D]."""
        return self._half / self._steps / 2

    def encode(self, values: FloatArray, used: BoolArray | None = None) -> Uint16Array:
        """Replace each value by the index of its nearest bin centre.

        Args:
            values: float[H,1+D]: command index and the dimensions. An angle outside its range is
                turned by whole circles into it. Unused values are not looked at.
            used: bool[H,D], which dimensions a row uses; all of them if None.

        Returns:
            Tokens, uint16[H,1+D]; the index `bins` marks an unused dimension. A row with command 0
            stops the robot, whatever its other columns say.

        Raises:
            ActionError: a wrong shape, an unknown command, a NaN or infinity, or a value outside
                its range: it is never clipped.
        """
        values = np.asarray(values, dtype=np.float64)
        columns = self.space.columns
        if values.ndim != 2 or values.shape[1] != len(columns):
            raise ActionError(
                f"actions must be float[H,{len(columns)}] {columns}, got shape {values.shape}"
            )
        poses = values[:, 1:].copy()
        used = np.ones(poses.shape, dtype=np.bool_) if used is None else np.asarray(used)
        if used.shape != poses.shape or used.dtype != np.bool_:
            raise ActionError(f"used must be bool{poses.shape}, got {used.dtype}{used.shape}")
        self._check_commands(values[:, 0])
        self._refuse_where(used & ~np.isfinite(poses), poses, "must be finite if it is used")
        poses[~used] = 0.0
        poses = np.where(self._angles, self._wrapped(poses), poses)
        with np.errstate(over="ignore"):  # an infinite offset is outside the range
            offsets = (poses - self._middle) / self._half
        outside = used & (np.abs(offsets) > _LIMIT)
        self._refuse_where(outside, poses, f"must be in {self.space.low}..{self.space.high}")
        indices = np.rint(np.clip(offsets, -1, 1) * self._steps) + self._steps
        indices = np.where(used, indices, self._unused)
        return np.column_stack([values[:, 0], indices]).astype(np.uint16)

    def decode(self, tokens: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """Replace each token by the value of its bin centre.

        Args:
            tokens: integers [H,1+D], as `encode` makes them.

        Returns:
            float64[H,1+D]: command index and the dimensions, NaN exactly where unused.

        Raises:
            ActionError: a wrong shape or type, an unknown command or a bin that does not exist.
        """
        tokens = np.asarray(tokens)
        width = len(self.space.columns)
        if tokens.ndim != 2 or tokens.shape[1] != width or tokens.dtype.kind not in "ui":
            raise ActionError(
                f"tokens must be integers [H,{width}], got {tokens.dtype}{tokens.shape}"
            )
        self._check_commands(tokens[:, 0])
        bins = tokens[:, 1:].astype(np.int64)
        wrong = (bins < 0) | (bins > self._unused)
        self._refuse_where(wrong, bins, f"must be a bin index, at most {self.space.unused}")
        values = self._middle + self._half * ((bins - self._steps) / self._steps)
        values[bins == self._unused] = np.nan
        return np.column_stack([tokens[:, 0].astype(np.float64), values])

    def _wrapped(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Values turned by whole circles to the middle of their range, where they are outside."""
        turned = self._middle + np.remainder(values - self._middle + np.pi, 2 * np.pi) - np.pi
        return np.where(np.abs(values - self._middle) > _LIMIT * self._half, turned, values)

    def _check_commands(self, commands: npt.NDArray[Any]) -> None:
        known = np.isin(commands, np.arange(len(self.space.commands)))
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            raise ActionError(
                f"row {row}: cmd must be 0..{len(self.space.commands) - 1}, an index of "
                f"{self.space.names}, got {commands[row]}"
            )

    def _refuse_where(self, wrong: BoolArray, values: npt.NDArray[Any], expected: str) -> None:
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            name = self.space.columns[1 + column]
            raise ActionError(f"row {row}: {name} {expected}, got {values[row, column]}")
