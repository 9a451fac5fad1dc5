"""Weights, given or by uncertainty, and gradients that work against each other, in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.balancing import (
    UncertaintyWeighting,
    add_gradients,
    combined_loss,
    gradient_cosines,
    project_conflicts,
    task_gradients,
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_the_weighted_sum_is_that_of_the_paper() -> None:
    balance = UncertaintyWeighting(["a", "b"])
    with torch.no_grad():
        balance.log_variances[:] = torch.tensor([0.4, -1.0])
    loss = balance({"b": torch.tensor(3.0), "a": torch.tensor(2.0)})
    expected = (math.exp(-0.4) * 2 + 0.4) / 2 + (math.exp(1.0) * 3 - 1.0) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert balance({"b": torch.tensor(3.0)}).item() == pytest.approx(
        (math.exp(1.0) * 3 - 1.0) / 2, abs=1e-6
    )
    assert balance.weights() == pytest.approx({"a": math.exp(-0.4) / 2, "b": math.e / 2}, abs=1e-6)


def test_log_variances_settle_at_the_logarithm_of_the_loss() -> None:
    """Then every task contributes the same half, whatever its unit."""
    balance = UncertaintyWeighting(["metres", "centimetres"])
    optimizer = torch.optim.Adam(balance.parameters(), lr=0.1)
    losses = {"metres": torch.tensor(0.2), "centimetres": torch.tensor(20.0)}
    for _ in range(600):
        optimizer.zero_grad()
        balance(losses).backward()
        optimizer.step()
    expected = [math.log(0.2), math.log(20)]
    assert balance.log_variances.tolist() == pytest.approx(expected, abs=1e-3)
    shares = [balance.weights()[name] * losses[name].item() for name in balance.names]
    assert shares == pytest.approx([0.5, 0.5], abs=1e-3)


def test_gradients_of_the_weighted_sum() -> None:
    balance = UncertaintyWeighting(["a", "b"]).double()
    assert torch.autograd.gradcheck(
        lambda a, b: balance({"a": a, "b": b}),
        [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 2.0)],
    )
    balance({"a": torch.tensor(0.3), "b": torch.tensor(2.0)}).backward()
    # d/ds of (exp(−s) L + s) / 2 at s = 0.
    assert balance.log_variances.grad is not None
    assert balance.log_variances.grad.tolist() == pytest.approx([0.35, -0.5], abs=1e-7)


def test_log_variances_are_saved_with_the_model() -> None:
    balance = UncertaintyWeighting(["a", "b"])
    with torch.no_grad():
        balance.log_variances[:] = torch.tensor([0.4, -1.0])
    other = UncertaintyWeighting(["a", "b"])
    other.load_state_dict(balance.state_dict())
    assert other.weights() == balance.weights()


def test_gradients_of_tasks_are_rows_and_leave_the_parameters_alone() -> None:
    shared, own = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([[3.0]]))
    losses = {"a": shared.square().sum(), "b": shared[0] * own.sum()}
    expected = [[2.0, 4.0, 0.0], [3.0, 0.0, 1.0]]
    assert task_gradients(losses, [shared, own]).tolist() == expected
    assert task_gradients(losses, [shared, own]).tolist() == expected  # the graph is kept
    assert shared.grad is None


def test_cosines_by_group_are_those_of_the_angles() -> None:
    """60 degrees in one group, opposite in the other, and a task that a group does not feel."""
    x, y = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    slanted = torch.tensor([0.5, math.sqrt(0.75)])
    losses = {"a": 3 * x[0] + y[1], "b": 7 * (x * slanted).sum() - 1e-12 * y[1], "c": x[1] + 0}
    cosines = gradient_cosines(losses, {"vision": [x], "decoder": [y]})
    expected = {
        "vision/a/b": 0.5,
        "vision/a/c": 0.0,
        "vision/b/c": math.sqrt(0.75),
        "decoder/a/b": -1.0,
    }
    assert cosines == pytest.approx(expected, abs=1e-6)


def test_two_gradients_in_conflict_lose_what_is_against_the_other() -> None:
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    # (1, 0) + ½ (−1, 1) = (½, ½); (−1, 1) + (1, 0) = (0, 1).
    projected = project_conflicts(torch.stack([one, other]), seeded())
    assert projected.tolist() == pytest.approx([0.5, 1.5], abs=1e-6)


def test_gradients_without_conflict_are_added() -> None:
    gradients = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 0.5], [0.0, 0.0, 0.0]])
    assert project_conflicts(gradients, seeded()).tolist() == [1.0, 3.0, 2.5]
    assert project_conflicts(gradients[:1], seeded()).tolist() == [1.0, 0.0, 2.0]


def test_opposite_gradients_cancel() -> None:
    gradients = torch.tensor([[2.0, 1.0], [-4.0, -2.0]])
    assert project_conflicts(gradients, seeded()).tolist() == pytest.approx([0, 0], abs=1e-6)


def slowly_projected(gradients: Tensor, orders: list[list[int]]) -> list[float]:
    """Algorithm 1 of Yu et al. 2020 on lists."""
    rows = gradients.tolist()
    total = [0.0] * len(rows[0])
    for i, order in enumerate(orders):
        g = list(rows[i])
        for j in order:
            dot = sum(a * b for a, b in zip(g, rows[j], strict=True))
            if i != j and dot < 0:
                square = sum(b * b for b in rows[j])
                g = [a - dot / square * b for a, b in zip(g, rows[j], strict=True)]
        total = [a + b for a, b in zip(total, g, strict=True)]
    return total


@pytest.mark.parametrize("seed", range(5))
def test_many_gradients_as_in_the_algorithm(seed: int) -> None:
    gradients = torch.randn(4, 3, generator=seeded(seed), dtype=torch.float64)
    before = gradients.clone()
    twin = seeded(seed)
    orders = [torch.randperm(4, generator=twin).tolist() for _ in range(4)]
    expected = slowly_projected(gradients, orders)
    projected = project_conflicts(gradients, seeded(seed))
    assert projected.tolist() == pytest.approx(expected, abs=1e-12)
    assert gradients.equal(before)


def test_the_order_is_random() -> None:
    gradients = torch.randn(5, 3, generator=seeded(1), dtype=torch.float64)
    results = {tuple(project_conflicts(gradients, seeded(seed)).tolist()) for seed in range(8)}
    assert len(results) > 1


def test_gradients_return_to_their_parameters() -> None:
    model = nn.Linear(3, 2).bfloat16()
    parameters = list(model.parameters())
    add_gradients(parameters, torch.arange(8.0))
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert model.weight.grad.dtype == torch.bfloat16
    assert model.bias.grad is not None
    assert model.bias.grad.tolist() == [6, 7]
    add_gradients(parameters, torch.ones(8))
    assert model.weight.grad.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert model.bias.grad.tolist() == [7, 8]


def test_clipping_what_was_added_leaves_the_gradient_as_it_was() -> None:
    gradient, parameter = torch.tensor([3.0, 4.0]), nn.Parameter(torch.zeros(2))
    add_gradients([parameter], gradient)
    nn.utils.clip_grad_norm_([parameter], 1.0)
    assert gradient.tolist() == [3.0, 4.0]


def test_surgery_trains_both_tasks_where_one_gradient_is_overwhelming() -> None:
    """The small task moves against the sum of the gradients, but not against the projected one."""
    x = nn.Parameter(torch.tensor([1.0, 1.0]))
    losses = {"large": 10 * (x[0] + x[1]), "small": x[1] * 0.5 - x[0]}
    gradients = task_gradients(losses, [x])
    assert torch.dot(gradients.sum(0), gradients[1]).item() < 0
    add_gradients([x], project_conflicts(gradients, seeded()))
    assert x.grad is not None
    assert (gradients @ x.grad > 0).all()


def test_wrong_tasks_and_gradients_are_named() -> None:
    x = nn.Parameter(torch.zeros(2))
    balance = UncertaintyWeighting(["a", "b"])
    for message, call in [
        (r"different names, got \['a', 'a'\]", lambda: UncertaintyWeighting(["a", "a"])),
        (r"different names, got \[\]", lambda: UncertaintyWeighting([])),
        (r"\['c'\] are not balanced: there are \['a', 'b'\]", lambda: balance({"c": x.sum()})),
        ("at least one loss", lambda: balance({})),
        (r"'a' must be a scalar, got shape \[2\]", lambda: balance({"a": x})),
        ("'a' has no gradient: was it detached", lambda: task_gradients({"a": x[0].detach()}, [x])),
        ("at least one parameter", lambda: task_gradients({"a": x.sum()}, [])),
        (r"\[T, P\], got \[3\]", lambda: project_conflicts(torch.zeros(3), seeded())),
        (r"2 numbers is expected, got \[3\]", lambda: add_gradients([x], torch.zeros(3))),
    ]:
        with pytest.raises(LearningError, match=message):
            call()


ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)


def test_terms_are_weighted_and_added() -> None:
    assert combined_loss({"a": ONE, "b": TWO}, {"a": 0.5, "b": 3.0}).item() == 6.5


def test_gradients_are_weighted_as_the_terms() -> None:
    values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    losses = {"a": values[0], "b": values[1], "c": values[2]}
    combined_loss(losses, {"a": 0.5, "b": 1.0, "c": 0.0}).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.5, 1.0, 0.0]


def test_a_term_of_no_weight_does_no_harm() -> None:
    broken = torch.tensor(math.nan)
    assert combined_loss({"a": ONE, "b": broken}, {"a": 1.0, "b": 0.0}).item() == 1.0
    assert combined_loss({"a": ONE, "b": broken}, {"a": 1.0, "b": 0.1}).isnan()


def test_a_step_need_not_have_every_term() -> None:
    assert combined_loss({"a": ONE}, {"a": 1.0, "b": 1.0}).item() == 1.0


def test_terms_in_half_precision_are_added_in_float32() -> None:
    """256 + 1 and 256 · 1.001 are 256 in bfloat16."""
    losses = {"a": torch.tensor(256.0).bfloat16(), "b": torch.tensor(1.0).bfloat16()}
    assert combined_loss(losses, {"a": 1.0, "b": 1.0}).item() == 257.0
    assert combined_loss(losses, {"a": 1.001, "b": 0.0}).item() == pytest.approx(256.256)
    assert combined_loss({"a": ONE.double()}, {"a": 0.1}).dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combined_loss({}, {"a": 1.0}), "at least one loss is needed, got none"),
        (lambda: combined_loss({"a": ONE}, {"b": 1.0}), r"'a' has no weight: there are \['b'\]"),
        (lambda: combined_loss({"a": ONE[None]}, {"a": 1.0}), r"'a' must be a scalar.*\[1\]"),
        (lambda: combined_loss({"a": ONE}, {"a": -1.0}), "'a' must be finite and not negative"),
        (lambda: combined_loss({"a": ONE}, {"a": math.nan}), "'a' must be finite.*got nan"),
        (lambda: combined_loss({"a": ONE}, {"a": math.inf}), "'a' must be finite"),
    ],
)
def test_wrong_weights_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        call()
