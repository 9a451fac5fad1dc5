"""Physics-informed objectives: predicted waypoints that a wheeled base can drive.

Waypoints are float[...,H,3]: x and y in metres, heading θ in radians, `step` seconds apart, in any
one frame; where the base stands now is a waypoint too, if it is put before the first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.checks import check_shapes, widened


def unicycle_residual(waypoints: Tensor, step: float) -> Tensor:
    """Sideways speed of each step: ẋ sin θ − ẏ cos θ, which a unicycle keeps at 0.

    By finite differences at half steps, with the heading half way: exactly 0 on straight lines and
    on arcs, forwards and backwards, however long the steps. A slide to the left is negative.

    Args:
        waypoints: float[...,H,3], H ≥ 2.
        step: seconds between two waypoints.

    Returns:
        float[...,H−1], m/s.

    Raises:
        LearningError: the shape is another, or the step is not positive.
    """
    moved, turned, heading = _steps(waypoints, step)
    middle = heading + turned / 2
    return (moved[..., 0] * middle.sin() - moved[..., 1] * middle.cos()) / step


def curvature_excess(waypoints: Tensor, step: float, limit: float) -> Tensor:
    """Hinge on the curvature of each step: max(0, 2 |sin(Δθ/2)| − limit · chord) / step.

    An arc of radius r has 2 sin(Δθ/2) / chord = 1/r exactly. Times the chord, the hinge stays
    finite where the base turns in place, which every limit forbids.

    Args:
        waypoints: float[...,H,3], H ≥ 2.
        step: seconds between two waypoints.
        limit: largest curvature in 1/m.

    Returns:
        float[...,H−1], rad/s beyond what the limit allows.

    Raises:
        LearningError: the shape is another, or the step or the limit is not positive.
    """
    if not 0 < limit < math.inf:
        raise LearningError(f"the largest curvature must be positive, in 1/m, got {limit:g}")
    moved, turned, _ = _steps(waypoints, step)
    chord = torch.linalg.vector_norm(moved, dim=-1)
    return (2 * (turned / 2).sin().abs() - limit * chord).clamp(min=0) / step


def waypoint_losses(
    predicted: Tensor, demonstrated: Tensor, step: float, curvature: float
) -> dict[str, Tensor]:
    """The physics-informed loss of waypoints, term by term, to be weighted by `combined_loss`.

    "data": mean of Δx² + Δy² + 2 (1 − cos Δθ), near the squared error in m² + rad²; "residual":
    mean of `unicycle_residual`²; "regularisation": mean of `curvature_excess`². Source: data and
    residual as in physics-informed networks (Raissi et al. 2019).

    Args:
        predicted: float[...,H,3], H ≥ 2.
        demonstrated: float[...,H,3].
        step: seconds between two waypoints.
        curvature: the largest, in 1/m.

    Raises:
        LearningError: a shape is another, or a number is not positive.
    """
    check_shapes(predicted=(predicted, "... H 3"), demonstrated=(demonstrated, "... H 3"))
    error = widened(predicted) - widened(demonstrated)
    distance = error[..., :2].square().sum(-1) + 2 * (1 - error[..., 2].cos())
    return {
        "data": distance.mean(),
        "residual": unicycle_residual(predicted, step).square().mean(),
        "regularisation": curvature_excess(predicted, step, curvature).square().mean(),
    }


def _steps(waypoints: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of each step: the displacement float[...,H−1,2], the turn in −π..π, and the first heading."""
    check_shapes(waypoints=(waypoints, "... H 3"))
    if waypoints.shape[-2] < 2:
        raise LearningError(f"a step needs two waypoints, got {waypoints.shape[-2]}")
    if not 0 < step < math.inf:
        raise LearningError(f"the step must be positive, in seconds, got {step:g}")
    waypoints = widened(waypoints)
    difference, heading = waypoints.diff(dim=-2), waypoints[..., :-1, 2]
    turned = torch.remainder(difference[..., 2] + math.pi, 2 * math.pi) - math.pi
    return difference[..., :2], turned, heading
