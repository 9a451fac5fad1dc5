"""How far apart the waypoints of two decisions are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.replay.records import DecisionRecord

DIGITS = 9
"""Of metres and radians that count: the rest is the arithmetic of two action spaces."""


@dataclass(frozen=True)
class Gap:
    """The largest distance (m) and angle (rad, 0..π) between rows that are due equally long after
    their images, None where no two rows use them; `reshaped` where rows are due at other times,
    are of other commands, or use other dimensions.
    """

    distance: float | None
    angle: float | None
    reshaped: bool

    @property
    def moved(self) -> bool:
        """Whether there is any distance or angle."""
        return bool(self.distance or self.angle)


NO_GAP = Gap(None, None, False)
"""Of decisions whose waypoints are not to be compared."""


def gap(
    before: DecisionRecord, reader: ActionTokenizer, after: DecisionRecord, other: ActionTokenizer
) -> Gap:
    """Compare the waypoints of two decisions, each decoded in its own run's action space."""
    old, new = reader.decode(_tokens(before)), other.decode(_tokens(after))
    due, i, j = np.intersect1d(_due(before), _due(after), return_indices=True)
    old_commands = [reader.space.names[int(row[0])] for row in old[i]]
    new_commands = [other.space.names[int(row[0])] for row in new[j]]
    old_used, new_used = ~np.isnan(old[i, 1:]), ~np.isnan(new[j, 1:])
    both = old_used & new_used
    apart = np.where(both, new[j, 1:] - old[i, 1:], 0.0)
    distances = np.linalg.norm(apart[:, :3], axis=1)[both[:, :3].any(axis=1)]
    angles = np.abs(np.remainder(apart[:, 3] + np.pi, 2 * np.pi) - np.pi)[both[:, 3]]
    return Gap(
        distance=_largest(distances),
        angle=_largest(angles),
        reshaped=len(due) != max(len(old), len(new))
        or old_commands != new_commands
        or bool((old_used != new_used).any()),
    )


def _tokens(decision: DecisionRecord) -> npt.NDArray[np.int64]:
    return np.array(decision.tokens, np.int64).reshape(len(decision.tokens), -1)


def _due(decision: DecisionRecord) -> npt.NDArray[np.int64]:
    return decision.start_offset + decision.step * np.arange(len(decision.tokens))


def _largest(values: npt.NDArray[np.float64]) -> float | None:
    return round(float(values.max()), DIGITS) if len(values) else None
