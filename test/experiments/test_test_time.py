"""Test-time adaptation: off by default, bounded, reproducible, never worse, and without a trace."""

import copy
import math
from typing import Any

import pytest
import torch
from adapted import embedded_model, stir, token_batch
from test_time import (
    AdaptedTexts,
    TestTimeSettings,
    adapt_texts,
    augmented_views,
)
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.clipseg.adapters import METHODS, attach
from vlam_ros.perception.clipseg.model import encode_pixels, encode_texts

TEXTS = ("red cup", "blue ball", "green box", "yellow cone")
ONE_STEP = TestTimeSettings(steps=1, views=8, confident=0.5)


@pytest.fixture(scope="module")
def model() -> Any:
    return embedded_model()


@pytest.fixture
def image() -> Tensor:
    """A red square on grey, normalised."""
    pixels = torch.zeros(3, 64, 64)
    pixels[0, 20:50, 15:45], pixels[1:, 20:50, 15:45] = 1.5, -1.5
    return pixels + 0.2 * torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))


def adapt(model: Any, image: Tensor, settings: TestTimeSettings, seed: int = 0) -> AdaptedTexts:
    tokens = token_batch(model, TEXTS)
    generator = torch.Generator().manual_seed(seed)
    return adapt_texts(model, image, tokens.input_ids, tokens.attention_mask, settings, generator)


@torch.no_grad()
def plain_texts(model: Any) -> Tensor:
    tokens = token_batch(model, TEXTS)
    return encode_texts(model, tokens.input_ids, tokens.attention_mask)


def test_it_is_off_unless_steps_are_asked_for(model: Any, image: Tensor) -> None:
    result = adapt(model, image, TestTimeSettings())
    assert torch.equal(result.embeddings, plain_texts(model))
    assert result.entropy == ()


@pytest.mark.parametrize("steps", [1, 4])
def test_each_step_is_counted_and_the_entropy_goes_down(
    model: Any, image: Tensor, steps: int
) -> None:
    settings = TestTimeSettings(steps=steps, views=8, confident=0.5)
    result = adapt(model, image, settings)
    assert len(result.entropy) == steps + 1
    assert result.entropy[-1] < result.entropy[0] - 1e-4
    assert not torch.equal(result.embeddings, plain_texts(model))
    assert not result.embeddings.requires_grad


@torch.no_grad()
def test_the_objective_is_the_entropy_of_what_the_surest_views_say_on_average(
    model: Any, image: Tensor
) -> None:
    views = augmented_views(image, 8, torch.Generator().manual_seed(0))
    texts = functional.normalize(plain_texts(model), dim=-1)
    each = []
    for view in views:
        embedding = functional.normalize(encode_pixels(model, view[None]).embedding[0], dim=0)
        each.append((model.clip.logit_scale.exp() * texts @ embedding).softmax(0).tolist())
    each.sort(key=lambda view: -sum(p * math.log(p) for p in view))
    mean = [sum(view[i] for view in each[:4]) / 4 for i in range(len(TEXTS))]
    expected = -sum(p * math.log(p) for p in mean)
    assert adapt(model, image, ONE_STEP).entropy[0] == pytest.approx(expected, abs=1e-5)


def test_one_seed_gives_one_result(model: Any, image: Tensor) -> None:
    first, again, other = (adapt(model, image, ONE_STEP, seed) for seed in (0, 0, 1))
    assert torch.equal(first.embeddings, again.embeddings)
    assert first.entropy == again.entropy
    assert not torch.equal(first.embeddings, other.embeddings)


@pytest.mark.parametrize("name", [None, *METHODS])
def test_the_model_is_left_as_it_was_with_any_adapter(
    model: Any, image: Tensor, name: str | None
) -> None:
    own = copy.deepcopy(model)
    if name is not None:
        stir(attach(own, METHODS[name]()))
    before = {n: (p.detach().clone(), p.requires_grad) for n, p in own.named_parameters()}
    texts = plain_texts(own)
    result = adapt(own, image, ONE_STEP)
    assert result.entropy[1] < result.entropy[0]
    assert torch.equal(plain_texts(own), texts)
    for n, p in own.named_parameters():
        assert torch.equal(p, before[n][0]), n
        assert (p.grad, p.requires_grad) == (None, before[n][1])


def test_with_a_context_the_context_is_adapted_too(model: Any, image: Tensor) -> None:
    own = copy.deepcopy(model)
    attach(own, METHODS["prompt"]())
    shapes = []
    embeddings = own.clip.text_model.embeddings
    original = torch.optim.AdamW

    class Watched(original):  # type: ignore[valid-type, misc]
        def __init__(self, parameters: list[Tensor], **options: Any) -> None:
            shapes.append(tuple(parameters[0].shape))
            super().__init__(parameters, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Watched)
        adapt(own, image, ONE_STEP)
        adapt(model, image, ONE_STEP)
    assert shapes == [(1 + len(embeddings.context), 128), (1, 128)]


def test_an_adaptation_that_makes_it_worse_is_dropped(
    model: Any, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uphill(torch.optim.SGD):
        def __init__(self, parameters: list[Tensor], lr: float) -> None:
            super().__init__(parameters, lr=10.0, maximize=True)

    monkeypatch.setattr(torch.optim, "AdamW", Uphill)
    result = adapt(model, image, ONE_STEP)
    assert result.entropy[1] > result.entropy[0]
    assert torch.equal(result.embeddings, plain_texts(model))


def test_a_failure_on_the_way_leaves_no_trace(model: Any, image: Tensor) -> None:
    texts = plain_texts(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            adapt(model, image, TestTimeSettings(steps=2, views=2))
    assert torch.equal(plain_texts(model), texts)
    assert not model.clip.text_model.embeddings._forward_hooks


def test_views_are_the_image_and_resized_parts_of_it() -> None:
    ramp = torch.linspace(0, 1, 48).expand(3, 32, 48).contiguous()
    views = augmented_views(ramp, 64, torch.Generator().manual_seed(3))
    assert views.shape == (64, 3, 32, 48)
    assert torch.equal(views[0], ramp)
    span = (views.amax((1, 2, 3)) - views.amin((1, 2, 3)))[1:]
    # A third of the area, at most a third higher than wide, is no narrower than 0.47.
    assert span.min() > 0.45
    assert span.max() <= 1.0
    rising = views[1:, 0, 16, -1] > views[1:, 0, 16, 0]
    assert 16 < int(rising.sum()) < 48  # every other one is mirrored


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": -1}, r"steps must be whole, in 0\.\.16, got -1"),
        ({"steps": 17}, "steps must be whole"),
        ({"steps": 0.5}, "steps must be whole"),
        ({"views": 0}, r"views must be whole, in 1\.\.256, got 0"),
        ({"rate": 0.0}, "rate must be above 0, up to 1, got 0.0"),
        ({"confident": float("nan")}, "confident must be above 0, up to 1, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TestTimeSettings(**settings)
