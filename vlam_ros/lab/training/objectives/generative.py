"""Generative objectives: what was hidden, or comes next, is predicted from the rest."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import (
    IGNORE,
    check_bool,
    check_labels,
    check_shapes,
    masked_mean,
    widened,
)


def mim_loss(predictions: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """Masked image modelling: mean squared error of the hidden patches (MAE, He et al. 2022).

    L = 1/|M| · Σ_{i ∈ M} ‖predictionᵢ − patchᵢ‖² / D; 0 where no patch is hidden.

    Args:
        predictions: float[B,N,D].
        patches: float[B,N,D], what is to be predicted: of pixels by `patch_pixels`.
        masked: bool[B,N], the hidden patches M, drawn by `mask_patches`.

    Raises:
        LearningError: shapes differ, or the mask is not bool.
    """
    check_shapes(
        predictions=(predictions, "B N D"), patches=(patches, "B N D"), masked=(masked, "B N")
    )
    check_bool("masked", masked)
    error = (widened(predictions) - widened(patches)).square().mean(-1)
    return masked_mean(error, masked)


def mlm_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Masked language modelling: cross-entropy of the hidden tokens (BERT, Devlin et al. 2019).

    L = −1/|M| · Σ_{i ∈ M} log softmax(logitsᵢ)[targetᵢ]; 0 where no token is hidden.

    Args:
        logits: float[...,V].
        targets: int64[...], the token that was hidden, IGNORE elsewhere: made by `mask_tokens`.

    Raises:
        LearningError: shapes differ, or a target is no token.
    """
    check_shapes(targets=(targets, "..."), logits=(logits, "... V"))
    check_labels("targets", targets, logits.shape[-1])
    # Chosen first: all else needs no softmax over the vocabulary.
    hidden = targets != IGNORE
    total = functional.cross_entropy(widened(logits[hidden]), targets[hidden], reduction="sum")
    return total / hidden.sum().clamp(min=1)


def itg_loss(logits: Tensor, tokens: Tensor, kept: Tensor) -> Tensor:
    """Image-to-text generation: each token from the image and the tokens before it.

    L = −1/n · Σ log softmax(logits[b, l])[tokens[b, l + 1]] over the n tokens that follow another.
    Source: CoCa (Yu et al. 2022). 0 where no token follows.

    Args:
        logits: float[B,L,V]; those at l may depend on tokens 0..l only.
        tokens: int64[B,L], beginning and end of the text included.
        kept: bool[B,L], false on padding: the tokenizer's attention mask (CLIP pads with the end
            of text, so it cannot be told from the tokens).

    Raises:
        LearningError: shapes differ, a token is out of the vocabulary, or the mask is not bool.
    """
    check_shapes(logits=(logits, "B L V"), tokens=(tokens, "B L"), kept=(kept, "B L"))
    check_bool("kept", kept)
    return mlm_loss(logits[:, :-1], tokens[:, 1:].masked_fill(~kept[:, 1:], IGNORE))


def patch_pixels(images: Tensor, patch: int) -> Tensor:
    """Images as the targets of `mim_loss`, each patch with mean 0 and variance 1 (MAE).

    Args:
        images: float[B,C,H,W].
        patch: side of a patch in pixels.

    Returns:
        float[B,N,C·patch²]: patches by rows, of each all of the first channel first.

    Raises:
        LearningError: the sides are not multiples of the patch.
    """
    check_shapes(images=(images, "B C H W"))
    if patch < 1 or images.shape[2] % patch or images.shape[3] % patch:
        raise LearningError(
            f"sides of images must be multiples of the patch, got {images.shape[2]} x "
            f"{images.shape[3]} and {patch}: choose a patch that divides both"
        )
    pixels = functional.unfold(widened(images), patch, stride=patch).transpose(1, 2)
    return functional.layer_norm(pixels, pixels.shape[-1:], eps=1e-6)
