"""Temporal ensembling: what overlapping chunks say of the same moment, averaged.

From ACT (Zhao et al. 2023): the actions predicted for one moment are averaged with the weights
w_i = exp(-m i), i = 0 the oldest prediction; a small m takes new observations in faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from vlam_ros.actions.chunk import current_row, drop_late_rows, due_times
from vlam_ros.actions.tokenizer import ActionTokenizer
from vlam_ros.errors import ActionError
from vlam_ros.types import ActionChunk, Odometry, Outcome

Rows = npt.NDArray[np.float64]

_SERIES = attrgetter("request", "skill", "frame_id", "space", "verdict.outcome")
"""What chunks have in common that are averaged."""


def ensemble(
    chunks: Sequence[ActionChunk], odometry: Sequence[Odometry], now: int, m: float
) -> ActionChunk | None:
    """Average the rows of the newest chunk with what older chunks say of the same time.

    An older row takes part if it is current when the newest chunk's row is due, belongs to the
    same request, skill, frame and action space, and has the same command and used dimensions.
    Angles are averaged on the circle. A chunk that does not EXECUTE is never averaged.

    Args:
        chunks: at least one, in any order; the newest by stamp is the one that is averaged.
        odometry: where `base_link` was at each chunk's stamp, as the poses of a chunk are relative
            to it. Equal poses say that the chunks' frame did not move.
        now: rows that have ended by this time (ns) are left out.
        m: decay of the weights, not negative; 0 is the plain mean.

    Returns:
        The newest chunk with averaged rows, None if all its rows have ended.

    Raises:
        ActionError: no chunk, odometry that does not match, a wrong m, or an average outside the
            action space.
    """
    if not chunks or len(chunks) != len(odometry):
        raise ActionError(
            f"one odometry per chunk expected, got {len(chunks)} chunks, {len(odometry)} odometries"
        )
    if not (np.isfinite(m) and m >= 0):
        raise ActionError(f"the decay m must be finite and not negative, got {m}")
    pairs = sorted(zip(chunks, odometry, strict=True), key=lambda pair: pair[0].stamp)
    newest, here = pairs[-1]
    kept = drop_late_rows(newest, now)
    if kept is None or kept.verdict.outcome is not Outcome.EXECUTE:
        return kept
    tokenizer = ActionTokenizer(kept.space)
    rows = tokenizer.decode(kept.tokens)
    columns = kept.space.columns
    angles = [1 + i for i, d in enumerate(kept.space.dimensions) if d.unit == "rad"]
    older = [
        (chunk, _moved(tokenizer.decode(chunk.tokens), there, here, columns))
        for chunk, there in pairs[:-1]
        if _SERIES(chunk) == _SERIES(kept)
    ]
    averaged = rows.copy()
    for i, due in enumerate(due_times(kept)):
        said = [
            poses[r] for chunk, poses in older if (r := current_row(chunk, int(due))) is not None
        ]
        alike = [
            row
            for row in said
            if row[0] == rows[i, 0] and (np.isnan(row) == np.isnan(rows[i])).all()
        ]
        averaged[i] = _average(np.array([*alike, rows[i]]), m, angles)
    tokens = tokenizer.encode(averaged, used=~np.isnan(averaged[:, 1:]))
    return replace(kept, tokens=tokens)


def _moved(rows: Rows, there: Odometry, here: Odometry, columns: tuple[str, ...]) -> Rows:
    """Poses relative to the base at `there`, relative to the base at `here`.

    Of a row with only one of x and y both become NaN: it has no place in another frame.
    """
    moved = rows.copy()
    place = [columns.index("x"), columns.index("y")]
    moved[:, place] = here.pose.into(there.pose.out(rows[:, place]))
    moved[:, columns.index("theta")] += there.yaw - here.yaw
    return moved


def _average(rows: Rows, m: float, angles: Sequence[int]) -> Rows:
    """The weighted mean of rows [K,1+D] for one time, oldest first, some of its columns
    angles; the last one is the newest.
    """
    weights = np.exp(-m * np.arange(len(rows)))
    mean = weights @ rows / weights.sum()
    mean[0] = rows[-1, 0]  # all have the same command, which rounding must not touch
    for angle in angles:
        sine, cosine = weights @ np.sin(rows[:, angle]), weights @ np.cos(rows[:, angle])
        # Angles that point in opposite directions have no mean.
        opposite = np.hypot(sine, cosine) < 1e-9 * weights.sum()
        mean[angle] = rows[-1, angle] if opposite else np.arctan2(sine, cosine)
    return mean
