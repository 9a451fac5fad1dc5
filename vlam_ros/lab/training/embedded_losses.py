"""The loss terms of the embedded model: one CLIPSeg that serves CLIP and CLIPSeg.

Contrast (images against phrases, instructions against each other), alignment (masks, patches,
matching) and generation (hidden patches, hidden words, captions), by the names of `recipe.TERMS`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vlam_ros.lab.training import batches
from vlam_ros.lab.training.checks import check_shapes, widened
from vlam_ros.lab.training.embedded_batches import EmbeddedBatch, PromptedImages
from vlam_ros.lab.training.generative_heads import Captioning, ImageModelling, WordModelling
from vlam_ros.lab.training.grounding import cosines
from vlam_ros.lab.training.objectives import (
    UNKNOWN_LIMIT,
    draw_hard_negatives,
    drift,
    itm_loss,
    logit_scale,
    region_word_loss,
    rejection_loss,
    rwm_loss,
    skill_contrast,
    unicl_loss,
)
from vlam_ros.lab.training.recipe import ALIGNMENT, MEAN, REFINEMENT, STD, TERMS
from vlam_ros.perception.clipseg.model import (
    VisionStates,
    decode_masks,
    encode_pixels,
    encode_texts,
    normalise,
)

ANCHOR = 100.0
"""Weight of what keeps phrases in their place while only sentences are trained."""
WHOLE = 0.3
"""Weight of a scene's contrast beside a crop's: several things are true of it."""
MODELLED = 16
"""Crops of a step of which patches are hidden: each is one more pass of the vision tower."""
NOWHERE = 20.0
"""Mask logit of a pixel that is not judged, below zero."""
SMALL_PIECE = 20.0
"""Pixels of a false alarm that costs half of what one all over the image does."""

CROPS, SCENES = "crops", "scenes"
SEEN_IN: Mapping[str, Collection[str]] = {
    **dict.fromkeys(("contrast", *ALIGNMENT, *REFINEMENT), (CROPS, SCENES)),
    **dict.fromkeys(("image_modelling", "captions"), (CROPS,)),
}
"""Where a term of images is computed, each of which is a loss of its own; others have one."""


def term_weights(loss_weights: Mapping[str, float]) -> dict[str, float]:
    """λ of each loss of `EmbeddedLosses`, of a recipe's weights above 0."""
    losses = {
        name: loss_weights[term]
        for term in TERMS
        if loss_weights.get(term)
        for name in ([f"{term}_{where}" for where in SEEN_IN[term]] if term in SEEN_IN else [term])
    }
    return losses | {"anchor": 1.0}


def absence_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """What is drawn of phrases that are not there: the mean over them of A / (A + SMALL_PIECE), A
    being the pixels that are taken for one, Σ p.

    Beside the Dice of a phrase that is there, the cross-entropy of a small false alarm is next to
    nothing. Arguments are those of `rwm_loss`.
    """
    check_shapes(logits=(logits, "N h w"), masks=(masks, "N h w"))
    absent = ~masks.flatten(1).any(1)
    drawn = widened(logits).sigmoid().sum((-2, -1))
    return (drawn / (drawn + SMALL_PIECE) * absent).sum() / absent.sum().clamp(min=1)


class EmbeddedLosses(nn.Module):
    """The losses of a batch; of the module `model`, a CLIPSeg, is what is kept.

    `known` are weights by name (as of this module's parameters) that say where phrases were, for
    steps without images, where nothing else would hold them.
    """

    def __init__(self, model: Any, tokenizer: Any, terms: Collection[str]) -> None:
        super().__init__()
        self.model, self.tokenizer, self._terms = model, tokenizer, frozenset(terms)
        self.known: Mapping[str, Tensor] = {}
        # Only training needs these.
        self.image_modelling = ImageModelling(model) if "image_modelling" in terms else None
        self.word_modelling = WordModelling(model, tokenizer) if "word_modelling" in terms else None
        self.captioning = Captioning(model) if "captions" in terms else None

    def forward(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        """float[] of each loss that the terms ask for and the step has."""
        # Not together: padded to a sentence, a phrase of a few tokens costs as much as one.
        named, said = (self._tokens(texts) for texts in (batch.phrases, batch.sentences))
        words = encode_texts(self.model, named.input_ids, named.attention_mask)
        losses = {}
        if "skills" in self._terms:
            instructions = encode_texts(self.model, said.input_ids, said.attention_mask)
            losses["skills"] = skill_contrast(instructions, batch.skills)
        if self.word_modelling is not None:
            losses["word_modelling"] = self.word_modelling(
                self.model, said.input_ids, said.attention_mask
            )
        if batch.crops is None and batch.scenes is None:
            losses["anchor"] = ANCHOR * drift(words, self._as_known(batch.phrases))
        for where, shown in ((CROPS, batch.crops), (SCENES, batch.scenes)):
            if shown is not None:
                found = self._shown(shown, words, batch, where)
                losses |= {f"{term}_{where}": loss for term, loss in found.items()}
        return losses

    def _shown(
        self, shown: PromptedImages, words: Tensor, batch: EmbeddedBatch, where: str
    ) -> dict[str, Tensor]:
        asked = {term for term in self._terms if where in SEEN_IN.get(term, ())}
        scale = logit_scale(self.model.clip.logit_scale)
        values = normalise(shown.images, MEAN, STD)
        states = encode_pixels(self.model, values, patches=bool(asked & {"regions", "captions"}))
        logits = scale * cosines(states.embedding, words)
        losses = {}
        if "contrast" in asked:
            weight = WHOLE if where == SCENES else 1.0
            losses["contrast"] = weight * self._contrast(shown, batch, logits, scale)
        if "regions" in asked:
            losses["regions"] = self._regions(shown, states, words[: batch.nonsense], scale)
        if asked & {"masks", "absence"}:
            drawn = decode_masks(self.model, states.activations, words[shown.asked], shown.which)
            judged = shown.judged.to(drawn.dtype)
            drawn = drawn * judged - NOWHERE * (1 - judged)
            for term, loss in (("masks", rwm_loss), ("absence", absence_loss)):
                if term in asked:
                    losses[term] = loss(drawn, shown.masks)
        if "matching" in asked:
            losses["matching"] = self._matching(shown, batch, states, words, logits)
        if "image_modelling" in asked and self.image_modelling is not None:
            losses["image_modelling"] = self.image_modelling(self.model, values[:MODELLED])
        if "captions" in asked and self.captioning is not None:
            said = (shown.truth == 1).int()
            known = said.any(-1)
            tokens = self._tokens([batch.phrases[row] for row in said[known].argmax(-1).tolist()])
            losses["captions"] = self.captioning(
                self.model, states.tokens[known], tokens.input_ids, tokens.attention_mask
            )
        return losses

    def _contrast(
        self, shown: PromptedImages, batch: EmbeddedBatch, logits: Tensor, scale: Tensor
    ) -> Tensor:
        """Each image against pairs, nouns and colours: three vocabularies, three softmaxes. What
        has none of the nouns is kept away from all, and so are words that mean nothing.
        """
        decided = logits.masked_fill(shown.truth == 0, -torch.inf)
        parts = [
            unicl_loss(decided[:, rows], shown.truth[:, rows] == 1)
            for rows in batch.vocabularies.values()
        ]
        cosine = logits / scale
        nouns = batch.vocabularies["nouns"]
        nameless = (shown.truth[:, nouns] == -1).all(-1)
        for strange in (cosine[:, batch.nonsense :], cosine[nameless, nouns]):
            parts.append(rejection_loss(strange, UNKNOWN_LIMIT))
        return torch.stack(parts).sum()

    def _regions(
        self, shown: PromptedImages, states: VisionStates, words: Tensor, scale: Tensor
    ) -> Tensor:
        patch = self.model.config.vision_config.patch_size
        named = shown.named[..., : len(words)]
        targets, others = batches.patch_labels(shown.labels, named, patch)
        patches = states.tokens[:, 1:].flatten(0, 1)
        return region_word_loss(patches, words, targets.flatten(), scale, others.flatten(0, 1))

    def _matching(
        self,
        shown: PromptedImages,
        batch: EmbeddedBatch,
        states: VisionStates,
        words: Tensor,
        logits: Tensor,
    ) -> Tensor:
        """Whether a pair is in an image, by its mask's largest logit: a true and an alike one."""
        pairs = batch.vocabularies["pairs"]
        truth = shown.truth[:, pairs]
        true = (truth == 1).any(-1).nonzero()[:, 0]
        own = torch.multinomial((truth[true] == 1).float(), 1)[:, 0]
        images, other = draw_hard_negatives(logits[:, pairs], truth >= 0, torch.default_generator)
        which = torch.cat([true, images])
        drawn = decode_masks(self.model, states.activations, words[torch.cat([own, other])], which)
        matched = torch.arange(len(which), device=which.device) < len(true)
        return itm_loss(drawn.float().flatten(1).amax(-1), matched)

    @torch.no_grad()
    def _as_known(self, phrases: Sequence[str]) -> Tensor:
        tokens = self._tokens(phrases)
        weights = {name: w for name, w in self.known.items() if name.startswith("model.clip.text")}
        given = (tokens.input_ids, tokens.attention_mask)
        return functional_call(_TextEncoder(self.model), weights, given)

    def _tokens(self, texts: Sequence[str]) -> Any:
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return tokens.to(self.model.device)


class _TextEncoder(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return encode_texts(self.model, input_ids, attention_mask)
