"""What a unicycle can drive costs nothing; what it cannot costs its sideways speed or its turn."""

import math
from collections.abc import Callable

import pytest
import torch
from physics import curvature_excess, unicycle_residual, waypoint_losses
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.balancing import combined_loss

STEP = 0.5


def line(heading: float, speed: float, slip: float = 0.0) -> Tensor:
    """Waypoints of a base that drives at `speed`, and slides to its left at `slip`, in m/s."""
    t = STEP * torch.arange(5, dtype=torch.float64)
    x = t * (speed * math.cos(heading) - slip * math.sin(heading))
    y = t * (speed * math.sin(heading) + slip * math.cos(heading))
    return torch.stack([x, y, torch.full_like(t, heading)], -1)


def arc(radius: float, turn: float, start: float = 0.0) -> Tensor:
    """Five waypoints on a circle, `turn` radians apart, tangent to it; turns right below 0."""
    theta = start + turn * torch.arange(5, dtype=torch.float64)
    side = math.copysign(radius, turn)
    return torch.stack([side * theta.sin(), -side * theta.cos(), theta], -1)


@pytest.mark.parametrize("heading", [0.0, 0.7, math.pi / 2, -3.0])
@pytest.mark.parametrize("speed", [0.8, -0.3, 0.0])
def test_a_straight_line_has_no_residual(heading: float, speed: float) -> None:
    assert unicycle_residual(line(heading, speed), STEP).abs().max().item() < 1e-12
    assert curvature_excess(line(heading, speed), STEP, 0.1).eq(0).all()


@pytest.mark.parametrize("turn", [0.1, -0.1, 1.0, -2.5])
@pytest.mark.parametrize("start", [0.0, 2.0])
def test_an_arc_has_no_residual_and_the_curvature_of_its_radius(turn: float, start: float) -> None:
    way = arc(2.0, turn, start)
    assert unicycle_residual(way, STEP).abs().max().item() < 1e-12
    assert unicycle_residual(way.flip(0), STEP).abs().max().item() < 1e-12  # backwards
    assert curvature_excess(way, STEP, 0.501).eq(0).all()
    # Beyond the limit: (1/r − limit) · chord / step, with a chord of 2 r sin(turn / 2).
    excess = (0.5 - 0.4) * 4 * abs(math.sin(turn / 2)) / STEP
    assert curvature_excess(way, STEP, 0.4).tolist() == pytest.approx([excess] * 4, abs=1e-12)


@pytest.mark.parametrize("heading", [0.0, 0.7, -2.0])
def test_a_slide_costs_its_speed(heading: float) -> None:
    residual = unicycle_residual(line(heading, 0.8, slip=0.25), STEP)
    assert residual.tolist() == pytest.approx([-0.25] * 4, abs=1e-12)


def test_headings_wrap() -> None:
    """An arc over θ = π, or a slide along one, may be told with headings in −π..π."""
    way = arc(2.0, 0.3, start=2.8)
    slide = way + torch.tensor([[0.1 * k, 0.0, 0.0] for k in range(5)])
    for told in (way, slide):
        wrapped = told.clone()
        wrapped[:, 2] = torch.atan2(told[:, 2].sin(), told[:, 2].cos())
        assert wrapped[:, 2].diff().min() < -5
        for function in (unicycle_residual, lambda w, step: curvature_excess(w, step, 0.4)):
            expected = function(told, STEP).tolist()
            assert function(wrapped, STEP).tolist() == pytest.approx(expected, abs=1e-12)


def test_a_turn_in_place_costs_its_rate_whatever_the_limit() -> None:
    way = torch.zeros(3, 3, requires_grad=True)
    with torch.no_grad():
        way[:, 2] = torch.tensor([0.0, 0.1, 0.2])
    excess = curvature_excess(way, STEP, 1e6)
    assert excess.tolist() == pytest.approx([2 * math.sin(0.05) / STEP] * 2, abs=1e-6)
    excess.sum().backward()
    assert way.grad is not None
    assert way.grad.isfinite().all()


def test_leading_dimensions_are_kept() -> None:
    ways = torch.stack([line(0.0, 1.0), line(0.0, 1.0, slip=0.5)])[None]
    residual = unicycle_residual(ways, STEP)
    assert residual.shape == (1, 2, 4)
    assert residual[0, 1].tolist() == pytest.approx([-0.5] * 4, abs=1e-12)


def test_terms_of_a_slide() -> None:
    target, slide = line(0.0, 0.8), line(0.0, 0.8, slip=0.2)
    losses = waypoint_losses(slide, target, STEP, 1.0)
    # 0.1 m further to the left each step: squares 0, 1, 4, 9, 16 of it.
    assert losses["data"].item() == pytest.approx(0.01 * 30 / 5, abs=1e-12)
    assert losses["residual"].item() == pytest.approx(0.2**2, abs=1e-12)
    assert losses["regularisation"].item() == 0.0
    bent = waypoint_losses(arc(2.0, 0.1), arc(2.0, 0.1), STEP, 0.4)
    excess = 0.1 * 4 * math.sin(0.05) / STEP
    assert bent["regularisation"].item() == pytest.approx(excess**2, abs=1e-12)
    assert bent["data"].item() == 0.0


def test_a_heading_is_as_wrong_as_its_angle() -> None:
    turned = line(0.0, 0.8) + torch.tensor([0.0, 0.0, 0.1])
    whole = line(0.0, 0.8) + torch.tensor([0.0, 0.0, 2 * math.pi])
    error = waypoint_losses(turned, line(0.0, 0.8), STEP, 1.0)["data"].item()
    assert error == pytest.approx(2 - 2 * math.cos(0.1), abs=1e-8)
    assert error == pytest.approx(0.1**2, rel=1e-3)
    assert waypoint_losses(whole, line(0.0, 0.8), STEP, 1.0)["data"].item() < 1e-12


def test_the_residual_straightens_a_slide() -> None:
    """Fitted to a slide, waypoints slide; with the residual they turn where they go instead."""
    target = line(0.0, 0.5, slip=0.25)
    worst = {}
    for weight in (0.0, 10.0):
        way = target.clone().requires_grad_()
        optimizer = torch.optim.Adam([way], lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            losses = waypoint_losses(way, target, STEP, 2.0)
            weights = {"data": 1.0, "residual": weight, "regularisation": weight}
            combined_loss(losses, weights).backward()
            optimizer.step()
        worst[weight] = unicycle_residual(way.detach(), STEP).abs().max().item()
    assert worst[0.0] == pytest.approx(0.25, abs=1e-6)
    assert worst[10.0] < 0.05


def drawn(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)


def total(predicted: Tensor, demonstrated: Tensor) -> Tensor:
    losses = waypoint_losses(predicted, demonstrated, STEP, 2.0)
    return combined_loss(losses, {"data": 1.0, "residual": 0.5, "regularisation": 0.1})


def test_gradients_are_those_of_finite_differences() -> None:
    ways = [drawn(seed).requires_grad_() for seed in (0, 1)]
    assert total(*ways).dtype == torch.float64
    assert torch.autograd.gradcheck(total, ways)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_comes_in_and_float32_comes_out(half: torch.dtype) -> None:
    rounded = [drawn(seed).to(half) for seed in (0, 1)]
    loss = total(*rounded)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(total(*(way.float() for way in rounded)).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("factor", "dtype"),
    [(2e4, torch.float16), (1e10, torch.bfloat16), (1e10, torch.float32), (0, torch.float32)],
)
def test_extreme_values_give_finite_losses_and_not_a_number_stays_one(
    factor: float, dtype: torch.dtype
) -> None:
    ways = [(drawn(seed) * factor).to(dtype).requires_grad_() for seed in (0, 1)]
    loss = total(*ways)
    loss.backward()
    assert loss.isfinite()
    if dtype != torch.float16:  # in which the gradients themselves may be beyond 65504
        assert all(way.grad is not None and way.grad.isfinite().all() for way in ways)
    assert total(torch.full_like(ways[0], math.nan), ways[1]).isnan()


PAIR = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unicycle_residual(torch.zeros(2, 2), 1.0), r"be \[\.\.\., H, 3\].*\[2, 2\]"),
        (lambda: unicycle_residual(PAIR[:1], 1.0), "two waypoints, got 1"),
        (lambda: unicycle_residual(PAIR, 0.0), "positive, in seconds, got 0"),
        (lambda: curvature_excess(PAIR, 1.0, math.inf), "positive, in 1/m, got inf"),
        (lambda: waypoint_losses(PAIR, PAIR[:1], 1.0, 1.0), "demonstrated must be"),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        call()
