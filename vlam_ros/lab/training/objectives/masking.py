"""What is hidden from a model that is to predict it: patches of images, tokens of texts.

All draws come from a generator, on whose device they are made: a seed gives the same masks
wherever the model runs.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import IGNORE, check_bool, check_shapes


def mask_patches(images: int, patches: int, ratio: float, generator: Generator) -> Tensor:
    """bool[images,patches]: of each image round(ratio · patches) random ones (MAE: 0.75).

    Raises:
        LearningError: the ratio is not in 0..1.
    """
    _check_share("ratio", ratio)
    order = torch.rand(images, patches, generator=generator, device=generator.device).argsort(-1)
    # A permutation holds each number once, so that the counts are exact.
    return order < round(ratio * patches)


def mask_tokens(
    tokens: Tensor,
    special: Tensor,
    mask_token: int,
    vocabulary: int,
    generator: Generator,
    rate: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Hide tokens as BERT does (Devlin et al. 2019, 3.1).

    Each is chosen with probability `rate`; of the chosen 80 % become the mask token, 10 % a random
    one, and 10 % stay, lest the model learn that what it sees is never the answer.

    Args:
        tokens: int64[...].
        special: bool[...], beginning, end and padding, which are never chosen.
        mask_token: index of the mask token.
        vocabulary: number of tokens, from which random ones are drawn.
        generator: where the draws come from.
        rate: share of the tokens to choose.

    Returns:
        (inputs, targets), int64[...]: targets hold the chosen tokens, IGNORE elsewhere.

    Raises:
        LearningError: shapes differ, or the rate or the mask token is out of range.
    """
    check_shapes(tokens=(tokens, "..."), special=(special, "..."))
    check_bool("special", special)
    _check_share("rate", rate)
    if not 0 <= mask_token < vocabulary:
        raise LearningError(f"the mask token must be in 0..{vocabulary - 1}, got {mask_token}")
    draws = torch.rand(2, *tokens.shape, generator=generator, device=generator.device)
    other = torch.randint(
        vocabulary, tokens.shape, generator=generator, device=generator.device
    ).to(tokens.device)
    choice, fate = draws.to(tokens.device)
    chosen = (choice < rate) & ~special
    inputs = tokens.masked_fill(chosen & (fate < 0.8), mask_token)
    inputs = torch.where(chosen & (fate >= 0.9), other, inputs)
    return inputs, tokens.masked_fill(~chosen, IGNORE)


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise LearningError(f"the {name} of what is masked must be in 0..1, got {share:g}")
