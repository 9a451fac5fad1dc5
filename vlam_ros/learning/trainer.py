"""Training of the embedded CLIPSeg: one model that serves CLIP and CLIPSeg.

Region-word alignment (masks and patches), image-text contrast (crops and scenes) and
instruction-skill contrast are trained together, crops first, then scenes. A run can be stopped at
any time and goes on from its last state.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import CLIPTokenizer

from vlam_ros.learning import batches
from vlam_ros.learning.fit import STATE, Log, adamw, cosine_rate, follow, read_state, write_state
from vlam_ros.learning.objectives import (
    region_word_loss,
    rejection_loss,
    rwm_loss,
    unicl_loss,
)
from vlam_ros.learning.recipe import Recipe, Stage, build_model, build_tokenizer
from vlam_ros.learning.scenes import SceneData
from vlam_ros.models.clipseg import decode_masks, encode_pixels, encode_texts, normalise

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
"""Normalisation of the embedded model's pictures."""
UNKNOWN_LIMIT = 0.3
"""Cosine that an instruction without meaning may have with any that has one."""
SKILL_TEMPERATURE = 0.07
"""Temperature of the instruction-skill contrast."""
SENTENCES, SENTENCES_ALONE = 48, 160
"""Instructions in a step, beside pictures and without."""
ANCHOR = 100.0
"""Weight of what keeps phrases in their place while only sentences are trained."""
LOG_EVERY, SAVE_EVERY = 50, 250
"""Steps between two records, and between two states that a stopped run can go on from."""


class Trainer:
    """Trains the model of a recipe; `model` is what learns, `average` what is kept."""

    def __init__(self, recipe: Recipe, data: SceneData, folder: Path) -> None:
        self.recipe, self.data, self.folder = recipe, data, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer: CLIPTokenizer = build_tokenizer(recipe)
        self.model = build_model(recipe, self.tokenizer)
        self.average = build_model(recipe, self.tokenizer).eval()
        self.average.load_state_dict(self.model.state_dict())
        self.optimizer = adamw(self.model.parameters(), recipe.stages[0].rate, recipe.weight_decay)
        self.step = 0
        self._seconds = 0.0
        self._log = Log(folder)
        if (folder / STATE).exists():
            self._resume()
        self._log.rewind(self.step)

    def run(self, until: int | None = None) -> None:
        """Train to step `until`, or to the end of the recipe."""
        end = min(until or self.recipe.steps, self.recipe.steps)
        with tqdm(total=end, initial=self.step, desc="train") as progress:
            while self.step < end:
                started = time.monotonic()
                losses = self._step()
                self.step += 1
                self._seconds += time.monotonic() - started
                progress.update()
                if self.step % LOG_EVERY == 0:
                    self._log.add({"step": self.step, "seconds": round(self._seconds, 1), **losses})
                if self.step % SAVE_EVERY == 0 or self.step == end:
                    self._save()

    def _step(self) -> dict[str, float]:
        recipe, stage = self.recipe, self.recipe.stage_at(self.step)
        rng = np.random.default_rng([recipe.seed, self.step])
        rate = cosine_rate(stage.rate, self.step, recipe.steps, recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        weights = recipe.loss_weights
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            alone = not (stage.crops or stage.scenes)
            phrases = batches.all_phrases() if alone else batches.phrases(rng)
            sentences, skills = batches.sentences(rng, SENTENCES_ALONE if alone else SENTENCES)
            texts = self._encode_texts([*phrases, *sentences])
            words, instructions = texts[: len(phrases)], texts[len(phrases) :]
            losses = {"skills": weights["skills"] * self._skill_loss(instructions, skills)}
            scale = self.model.clip.logit_scale.exp().clamp(max=100)
            parts = []
            if alone:
                losses["anchor"] = self._anchor_loss(phrases, words)
            if stage.crops:
                parts.append(self._crop_losses(stage, rng, words, scale))
            if stage.scenes:
                parts.append(self._scene_losses(stage, rng, words, scale))
            for part in parts:
                for name, loss in part.items():
                    losses[name] = weights[name.split("_")[0]] * loss
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if not torch.isfinite(norm):
            # One overflow in bfloat16 would poison the weights for good.
            self._log.add({"step": self.step, "skipped": 1.0})
            return {}
        self.optimizer.step()
        theirs, ours = self.average.parameters(), self.model.parameters()
        follow(list(theirs), list(ours), recipe.average, self.step)
        return {name: round(loss.item(), 4) for name, loss in losses.items()}

    def _crop_losses(
        self, stage: Stage, rng: np.random.Generator, words: Tensor, scale: Tensor
    ) -> dict[str, Tensor]:
        size = self.recipe.model.crop_size
        pictures, pairs = batches.draw_crops(self.data, rng, stage.crops, size)
        positives, rows = batches.crop_targets(pairs)
        states = encode_pixels(self.model, normalise(pictures.images, MEAN, STD), patches=True)
        contrast = self._contrast(states.embedding, words, positives, scale)
        floor, unnamed = (torch.full_like(rows, v) for v in (batches.FLOOR, batches.IGNORE))
        named = torch.stack([floor, rows, unnamed], dim=1)
        regions = self._regions(states.tokens, pictures.labels, named, words, scale)
        which, asked = map(torch.from_numpy, batches.draw_prompts(positives, rng, 2))
        masks = batches.crop_masks(pictures.labels, positives, which, asked)
        logits = decode_masks(self.model, states.activations, words[asked], which)
        # The object in the middle decides; a neighbour may or may not be another one of its kind.
        known = (pictures.labels < 2).float()[which]
        masking = rwm_loss(logits * known - 20 * (1 - known), masks)
        return {"contrast_crops": contrast, "regions_crops": regions, "masks_crops": masking}

    def _scene_losses(
        self, stage: Stage, rng: np.random.Generator, words: Tensor, scale: Tensor
    ) -> dict[str, Tensor]:
        pictures, pairs = batches.draw_scenes(self.data, rng, stage.scenes, stage.window)
        positives = batches.scene_targets(pictures.labels, pairs)
        states = encode_pixels(self.model, normalise(pictures.images, MEAN, STD), patches=True)
        contrast = self._contrast(states.embedding, words, positives, scale)
        regions = self._regions(
            states.tokens, pictures.labels, batches.object_rows(pairs), words, scale
        )
        which, rows = batches.draw_prompts(positives, rng, stage.prompts)
        masks = batches.prompt_masks(pictures.labels, pairs, which, rows)
        logits = decode_masks(
            self.model, states.activations, words[torch.from_numpy(rows)], torch.from_numpy(which)
        )
        return {
            "contrast_scenes": 0.3 * contrast,
            "regions_scenes": regions,
            "masks_scenes": rwm_loss(logits, masks),
        }

    def _contrast(
        self, embeddings: Tensor, words: Tensor, positives: Tensor, scale: Tensor
    ) -> Tensor:
        """Each picture against pairs, nouns and colours: three vocabularies, three softmaxes."""
        cosine = (
            functional.normalize(embeddings.float(), dim=-1)
            @ functional.normalize(words.float(), dim=-1).t()
        )
        groups = (
            slice(0, batches.NOUNS),
            slice(batches.NOUNS, batches.COLOURS),
            slice(batches.COLOURS, batches.NONSENSE),
        )
        parts = [unicl_loss(scale * cosine[:, g], positives[:, g]) for g in groups]
        nonsense = rejection_loss(cosine[:, batches.NONSENSE :], UNKNOWN_LIMIT)
        return torch.stack([*parts, nonsense]).sum()

    def _regions(
        self, tokens: Tensor, labels: Tensor, rows: Tensor, words: Tensor, scale: Tensor
    ) -> Tensor:
        targets = batches.patch_labels(labels, rows, self.recipe.model.patch)
        return region_word_loss(
            tokens[:, 1:].flatten(0, 1), words[: batches.NOUNS], targets.flatten(), scale
        )

    def _skill_loss(self, instructions: Tensor, skills: np.ndarray) -> Tensor:
        labels = torch.from_numpy(skills)
        known = instructions[labels >= 0].float()
        known = functional.normalize(known, dim=-1)
        unknown = functional.normalize(instructions[labels < 0].float(), dim=-1)
        cosine = known @ known.t()
        itself = torch.eye(len(known), dtype=torch.bool)
        same = labels[labels >= 0]
        positives = (same[:, None] == same[None]) & ~itself
        contrast = unicl_loss((cosine / SKILL_TEMPERATURE).masked_fill(itself, -1e4), positives)
        return contrast + 10 * rejection_loss(unknown @ known.t(), UNKNOWN_LIMIT)

    def _anchor_loss(self, phrases: Sequence[str], words: Tensor) -> Tensor:
        """How far phrases have moved from where masks and crops know them, relative to their size.

        Where sentences are trained without pictures, nothing else would hold them there.
        """
        with torch.no_grad():
            tokens = self.tokenizer(list(phrases), padding=True, return_tensors="pt")
            known = encode_texts(self.average, tokens.input_ids, tokens.attention_mask).float()
        return ANCHOR * (words.float() - known).square().mean() / known.square().mean()

    def _encode_texts(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return encode_texts(self.model, tokens.input_ids, tokens.attention_mask)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "seconds": self._seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_state(self.folder / STATE, state)

    def _resume(self) -> None:
        state = read_state(self.folder / STATE)
        self.step, self._seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
