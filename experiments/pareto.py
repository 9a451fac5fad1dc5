"""What a sweep over the weights λ of several tasks leaves to choose from: the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from vlam_ros.errors import LearningError
from vlam_ros.types import FloatArray, Uint8Array

FRONT, OTHER, AXES = (180, 60, 20), (170, 170, 170), (60, 60, 60)
"""Colours of the plot, BGR."""
_WIDTH, _HEIGHT = 720, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 650, 60, 460
"""Edges of the axes in pixels."""


@dataclass(frozen=True)
class SweepPoint:
    """A run of a sweep: the weights λ it was trained with, and the loss of each task after it."""

    weights: Mapping[str, float]
    losses: Mapping[str, float]


def pareto_front(points: Sequence[SweepPoint]) -> list[SweepPoint]:
    """The points that no other beats: none is as good in every task and better in one.

    Of equal points all stay. A run that ended in a loss that is not finite is on no front.

    Returns:
        The front, by rising loss of the first task.

    Raises:
        LearningError: the points have different tasks.
    """
    if not points:
        return []
    losses = _losses(points, list(points[0].losses))
    finite = np.isfinite(losses).all(1)
    negatives = losses[finite]
    beaten = [((negatives <= row).all(1) & (negatives < row).any(1)).any() for row in losses]
    front = [int(i) for i in np.flatnonzero(finite & ~np.array(beaten))]
    return [points[i] for i in sorted(front, key=lambda i: tuple(losses[i]))]


def plot_front(points: Sequence[SweepPoint], x: str, y: str, path: Path) -> None:
    """Draw two tasks of a sweep as a PNG of 720 x 540: the front in colour, with its weights.

    Args:
        points: the sweep; runs that ended in losses that are not finite are not drawn.
        x: task whose loss is drawn to the right.
        y: task whose loss is drawn upwards; the front is that of these two.
        path: the file to write.

    Raises:
        LearningError: the points have different tasks or not these, or none is finite.
        OSError: the file cannot be written.
    """
    losses = _losses(points, [x, y])
    shown = [SweepPoint(p.weights, {x: a, y: b}) for p, (a, b) in zip(points, losses, strict=True)]
    losses = losses[np.isfinite(losses).all(1)]
    if not len(losses):
        raise LearningError("a plot needs a run with finite losses, got none")
    low, high = losses.min(0), losses.max(0)
    room = np.where(high > low, 0.1 * (high - low), np.maximum(0.1 * np.abs(high), 1e-3))
    # No room below 0: it would look as if a loss could be there.
    low, high = np.where(low < 0, low - room, np.maximum(low - room, 0)), high + room
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    _draw_axes(canvas, (low, high), (x, y))
    for place in _pixels(losses, low, high):
        cv2.circle(canvas, place, 5, OTHER, cv2.FILLED, cv2.LINE_AA)
    front = pareto_front(shown)
    places = _pixels(_losses(front, [x, y]), low, high)
    for (x0, y0), (x1, y1) in pairwise(places):
        # What a point beats is a quadrant, so the border of what the front beats is a stair.
        cv2.polylines(canvas, [np.array([(x0, y0), (x1, y0), (x1, y1)])], False, FRONT, 1)
    for point, place in zip(front, places, strict=True):
        cv2.circle(canvas, place, 6, FRONT, cv2.FILLED, cv2.LINE_AA)
        text = " / ".join(f"{weight:g}" for weight in point.weights.values())
        _write(canvas, text, (place[0] + 9, place[1] - 7), FRONT)
    names = " / ".join(points[0].weights)
    _write(canvas, f"Pareto front, with the weights of {names}", (_LEFT, 24), FRONT)
    path.write_bytes(cv2.imencode(".png", canvas)[1].tobytes())


def _losses(points: Sequence[SweepPoint], tasks: Sequence[str]) -> FloatArray:
    """float64[K,T], the losses of some tasks."""
    for point in points:
        if set(point.losses) != set(points[0].losses) or not set(tasks) <= set(point.losses):
            raise LearningError(
                f"all runs need the losses of the same tasks, {', '.join(tasks)} among them, "
                f"got {sorted(point.losses)}"
            )
    return np.array([[p.losses[task] for task in tasks] for p in points]).reshape(-1, len(tasks))


def _pixels(losses: FloatArray, low: FloatArray, high: FloatArray) -> list[tuple[int, int]]:
    """Column and row of each pair of losses float64[K,2]."""
    share = (losses - low) / (high - low)
    places = np.array([_LEFT, _BOTTOM]) + share * np.array([_RIGHT - _LEFT, _TOP - _BOTTOM])
    return [(round(column), round(row)) for column, row in places.tolist()]


def _draw_axes(
    canvas: Uint8Array, limits: tuple[FloatArray, FloatArray], names: tuple[str, str]
) -> None:
    cv2.rectangle(canvas, (_LEFT, _TOP), (_RIGHT, _BOTTOM), AXES, 1)
    values = np.linspace(*limits, 5)
    for (a, b), (column, row) in zip(values, _pixels(values, *limits), strict=True):
        cv2.line(canvas, (column, _BOTTOM), (column, _BOTTOM + 6), AXES, 1)
        cv2.line(canvas, (_LEFT - 6, row), (_LEFT, row), AXES, 1)
        _write(canvas, f"{a:.3g}", (column - 18, _BOTTOM + 24), AXES)
        _write(canvas, f"{b:.3g}", (_LEFT - 70, row + 5), AXES)
    _write(canvas, names[0], ((_LEFT + _RIGHT) // 2 - 60, _BOTTOM + 52), AXES)
    _write(canvas, names[1], (_LEFT - 70, _TOP - 10), AXES)


def _write(
    canvas: Uint8Array, text: str, origin: tuple[int, int], ink: tuple[int, int, int]
) -> None:
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
