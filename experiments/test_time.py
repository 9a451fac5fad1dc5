"""Test-time prompt adaptation: texts tuned to one image, without labels (TPT, Shu et al. 2022).

Views of the image are compared with the texts; what the texts have in common is moved until the
confident views agree and are sure. It is off unless steps are asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.clipseg.model import encode_pixels, encode_texts

AREA, ASPECT = (0.3, 1.0), (3 / 4, 4 / 3)
"""Share of the image that a view shows, and its width over its height before it is resized."""


@dataclass(frozen=True)
class TestTimeSettings:
    """How far texts are adapted. ConfigurationError if a value is out of range.

    Attributes:
        steps: of AdamW, in 0..16; 0 is off, the paper takes 1.
        rate: its learning rate.
        views: how many views of the image are made, the first being itself.
        confident: the share of the views that count, those of least entropy.
    """

    __test__ = False  # to pytest the name looks like a test

    steps: int = 0
    rate: float = 5e-3
    views: int = 32
    confident: float = 0.1

    def __post_init__(self) -> None:
        for name, low, high in (("steps", 0, 16), ("views", 1, 256)):
            value = getattr(self, name)
            if not (isinstance(value, int) and low <= value <= high):
                raise ConfigurationError(f"{name} must be whole, in {low}..{high}, got {value!r}")
        for name in ("rate", "confident"):
            if not 0 < (value := getattr(self, name)) <= 1:
                raise ConfigurationError(f"{name} must be above 0, up to 1, got {value!r}")


@dataclass(frozen=True)
class AdaptedTexts:
    """`embeddings` float[T,projection], not normalised, for the one image.

    `entropy` holds the objective in nats before each step and after the last; empty if it is off.
    """

    embeddings: Tensor
    entropy: tuple[float, ...]


def adapt_texts(
    model: Any,
    pixels: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor,
    settings: TestTimeSettings,
    generator: torch.Generator,
) -> AdaptedTexts:
    """Embeddings of texts that compete for one image, adapted to it; the model stays as it is.

    The objective is the entropy of p̄, the mean over the confident views of
    softmax(scale · cosine(view, texts)). What is learned is added to the vectors that all texts
    begin with: the start token's, and with prompt tuning the context's. Where the steps have not
    lowered the entropy, the embeddings are the plain ones.

    Args:
        model: a CLIPSegForImageSegmentation, with or without an adapter.
        pixels: float[3,H,W], the normalised image, H and W multiples of the patch.
        input_ids: int64[T,L].
        attention_mask: int64[T,L].
        settings: how far.
        generator: of the views; on the CPU.
    """
    with torch.no_grad():
        plain = encode_texts(model, input_ids, attention_mask)
        if settings.steps == 0:
            return AdaptedTexts(plain, ())
        views = augmented_views(pixels, settings.views, generator)
        images = functional.normalize(encode_pixels(model, views).embedding.float(), dim=-1)
        images *= model.clip.logit_scale.float().exp().clamp(max=100)
        sure = _entropy(_probabilities(images, plain)).argsort()
        images = images[sure[: math.ceil(settings.confident * len(views))]]

    embeddings: Any = model.clip.text_model.embeddings
    context = getattr(embeddings, "context", None)
    common = 1 + (0 if context is None else len(context))
    width = model.config.text_config.hidden_size
    shift = torch.zeros(common, width, device=plain.device, requires_grad=True)

    def shifted(module: Any, args: Any, output: Tensor) -> Tensor:
        first = output[:, :common] + shift.to(output.dtype)
        return torch.cat([first, output[:, common:]], dim=1)

    optimizer = torch.optim.AdamW([shift], lr=settings.rate)
    entropy = []
    hook = embeddings.register_forward_hook(shifted)
    try:
        for step in range(settings.steps + 1):
            with torch.enable_grad():
                texts = encode_texts(model, input_ids, attention_mask)
                loss = _entropy(_probabilities(images, texts).mean(dim=0))
            entropy.append(loss.item())
            if step < settings.steps:
                # Not backward(): the model's own gradients are nobody's business here.
                (shift.grad,) = torch.autograd.grad(loss, [shift])
                optimizer.step()
    finally:
        hook.remove()
    better = entropy[-1] < entropy[0]  # no number is better than nothing
    return AdaptedTexts(texts.detach() if better else plain, tuple(entropy))


def augmented_views(pixels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` views float[count,3,H,W] of an image float[3,H,W]: itself, then random parts.

    A part covers `AREA` of the image, is resized to all of it, and mirrored every other time.
    """
    height, width = pixels.shape[1:]
    views = [pixels]
    for _ in range(count - 1):
        area, aspect, x, y, mirror = torch.rand(5, generator=generator).tolist()
        area = AREA[0] + area * (AREA[1] - AREA[0])
        aspect = math.exp(math.log(ASPECT[0]) + aspect * math.log(ASPECT[1] / ASPECT[0]))
        w = max(1, min(width, round(width * math.sqrt(area * aspect))))
        h = max(1, min(height, round(height * math.sqrt(area / aspect))))
        left, top = round(x * (width - w)), round(y * (height - h))
        part = pixels[None, :, top : top + h, left : left + w]
        part = functional.interpolate(part, (height, width), mode="bilinear", antialias=True)[0]
        views.append(part.flip(-1) if mirror < 0.5 else part)
    return torch.stack(views)


def _probabilities(images: Tensor, texts: Tensor) -> Tensor:
    """float[V,T] of images float[V,D], normalised and scaled, and texts float[T,D]."""
    return (images @ functional.normalize(texts.float(), dim=-1).t()).softmax(-1)


def _entropy(probabilities: Tensor) -> Tensor:
    """In nats, over the last dimension; 0·log 0 is 0, and has no gradient."""
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(-1)
