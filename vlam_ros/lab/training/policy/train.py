"""`vlam train policy`: from demonstrations to an action transformer."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.fit import Fit, FitResult, FitSettings, fastest_dtype
from vlam_ros.lab.training.fit.parts import to_device
from vlam_ros.lab.training.policy.confidence import (
    NEAR_BINS,
    ConfidenceFit,
    Decider,
    fit_confidence,
)
from vlam_ros.lab.training.policy.data import (
    ANSWERED,
    CLAIMED,
    MANY,
    PART_NAMES,
    PLACED,
    ROWS,
    DemonstrationBatches,
    Demonstrations,
    PolicyBatch,
    inputs_at,
    written,
)
from vlam_ros.lab.training.policy.demonstration_policy import QUESTION
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.clipseg.adapters.attach import fingerprints
from vlam_ros.pipeline import robot_lexicon
from vlam_ros.policies import load_skills
from vlam_ros.policies.skills.skill import action_space
from vlam_ros.policies.transformer.checkpoint import (
    WEIGHTS,
    PolicyConfig,
    folder_of,
    load_policy,
    save_policy,
)
from vlam_ros.policies.transformer.inputs import read_words
from vlam_ros.policies.transformer.model import ActionTransformer, ActionTransformerConfig
from vlam_ros.policies.transformer.vocabulary import CLAIMS, PolicyVocabulary
from vlam_ros.types import DIMENSIONS

SMOOTHED = 1.0
"""Standard deviation, in bins, over which the truth of a number is spread: its neighbours are
nearly right.
"""
NEAR_PLACES = 8
"""Parts of an image's side that are near enough."""
OBJECTS = "objects"
"""The loss of which objects are meant, beside those of PART_NAMES."""
AT_ONCE = 64
"""Demonstrations that are validated at once."""
ROOM = 24
"""Tokens by which a text may be longer than all that were shown."""
ANEW = ("model", "longest", "dropout", "confidence", "horizon")
"""What a policy may have otherwise than the one that it begins with."""


@dataclass(frozen=True)
class PolicyRecipe:
    """What decides what `vlam train policy` makes: sizes of the model, and how it is trained.

    To find out what they are worth, the model can ignore some of its inputs, write no plans, write
    fewer `rows` than were shown, or learn of a `share` of the episodes only.
    """

    steps: int = 6000
    batch: int = 32
    rate: float = 5e-4
    warmup: int = 200
    weight_decay: float = 0.05
    average: float = 0.998
    width: int = 224
    layers: int = 4
    heads: int = 7
    dropout: float = 0.1
    validate_every: int = 500
    seed: int = 0
    ignores: tuple[str, ...] = ()
    plans: bool = True
    rows: int = 0
    share: float = 1.0


class PolicyLosses(nn.Module):
    """The cross-entropy of what was to be written, by what each token is part of, and of which of
    the objects is meant, by the encoder's tokens of them. That is not written: it is what teaches
    the encoder relations, of which the place that is written says little.
    """

    def __init__(self, model: ActionTransformer, vocabulary: PolicyVocabulary) -> None:
        super().__init__()
        self.model = model
        self.meant = nn.Linear(model.config.width, 1)
        numbers = torch.arange(vocabulary.largest + 1)
        spread = torch.exp(-((numbers[:, None] - numbers) ** 2) / (2 * SMOOTHED**2))
        # "Not used" is no neighbour of the highest bin.
        spread[-1, :-1] = spread[:-1, -1] = 0.0
        self.register_buffer("spread", spread / spread.sum(-1, keepdim=True), persistent=False)
        self.spread: Tensor
        self._first = len(vocabulary) - len(numbers)

    def forward(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """float[] of each of PART_NAMES that the batch has."""
        # On a CPU the backward pass of the flash kernel takes as long as all the rest.
        on_cpu = batch.tokens.device.type == "cpu"
        with sdpa_kernel(SDPBackend.MATH) if on_cpu else nullcontext():
            memory = self.model.look(batch.inputs)
            logits = self.model(batch.decoder_inputs, memory).float()
        targets, parts = batch.tokens[:, 1:], batch.parts
        losses = {}
        if (known := batch.meant.isfinite()).any():
            meant = self.meant(memory.objects)[..., 0].float()
            losses[OBJECTS] = functional.binary_cross_entropy_with_logits(
                meant[known], batch.meant[known]
            )
        for part, name in enumerate(PART_NAMES):
            chosen = parts == part
            if not chosen.any():
                continue
            if part in (PLACED, ROWS, ANSWERED):
                losses[name] = self._of_numbers(logits[chosen], targets[chosen])
            else:
                losses[name] = functional.cross_entropy(logits[chosen], targets[chosen])
        return losses

    def _of_numbers(self, logits: Tensor, targets: Tensor) -> Tensor:
        word = targets < self._first
        wanted = self.spread[(targets - self._first).clamp(min=0)]
        logs = logits.log_softmax(-1)
        of_numbers = -(wanted * logs[:, self._first :]).sum(-1)
        of_words = functional.nll_loss(logs, targets, reduction="none")
        return torch.where(word, of_words, of_numbers).mean()


@torch.no_grad()
def examine(
    model: ActionTransformer, data: Demonstrations, batches: DemonstrationBatches
) -> dict[str, float]:
    """What is written next after what was shown: the share of right decisions, of plans and
    answers word by word, of places and rows within NEAR_BINS, and the balanced accuracy of each
    claim that is true and false, and its mean.
    """
    vocabulary, device = batches.vocabulary, model.positions.weight.device
    unused = vocabulary[str(vocabulary.largest)]
    right: dict[str, list[float]] = {name: [] for name in PART_NAMES}
    claimed: dict[int, dict[bool, list[bool]]] = defaultdict(lambda: {True: [], False: []})
    for start in range(0, len(data), AT_ONCE):
        indices = range(start, min(start + AT_ONCE, len(data)))
        tokens, parts = written(data, indices, vocabulary)
        memory = model.look(to_device(inputs_at(data, indices, batches.read), device))
        best = model(tokens[:, :-1].to(device), memory).argmax(-1).cpu()
        targets = tokens[:, 1:]
        off = (best - targets).abs()
        # A place is a large number; how many there are of something, and a command, is a small one.
        number = (targets >= vocabulary[str(MANY)]) & (best >= vocabulary[str(MANY)])
        number &= (targets == unused) == (best == unused)
        near = torch.where(parts == ANSWERED, NEAR_PLACES, NEAR_BINS)
        hits = (off == 0) | (number & (off <= near))
        for part, name in enumerate(PART_NAMES):
            chosen = parts == part
            right[name] += hits[chosen].float().tolist()
        claims = parts == CLAIMED
        # Each claim is written before its contrary: an even distance from the first is true.
        first = vocabulary["<found>"]
        for told, truth in zip(best[claims].tolist(), targets[claims].tolist(), strict=True):
            which, denied = divmod(truth - first, 2)
            claimed[which][not denied].append(told == truth)
    means = {name: float(np.mean(hits)) if hits else math.nan for name, hits in right.items()}
    score = float(np.nanmean([means[part] for part in ("decision", "plan", "places", "rows")]))
    balanced = {
        name: float(np.mean([np.mean(hits) for hits in claimed[which].values()]))
        for which, name in enumerate(CLAIMS)
        if all(claimed[which].values())
    }
    means["claims"] = float(np.mean(list(balanced.values()))) if balanced else math.nan
    return {"score": score, **means, **balanced}


def train_policy(
    folders: list[Path],
    validation: list[Path],
    out: Path,
    recipe: PolicyRecipe,
    settings: Settings,
    threads: int = 1,
    device: str = "cpu",
    start: str | Path = "",
) -> FitResult:
    """Train, or go on, and write the policy's folder.

    Args:
        folders: of demonstrations, and of the corrections that a pupil got.
        validation: of demonstrations of other episodes.
        out: folder of the policy; the state of the training is in `run/`.
        recipe: sizes and steps.
        settings: of the robot: its skills, its action space, its checkpoint.
        threads: processor cores to use.
        device: "auto", "cpu" or "cuda".
        start: the policy whose weights to begin with, "embedded" or a folder; none if empty.

    Raises:
        LearningError: there are no demonstrations, the folder has the state of another run, or the
            policy to begin with is another model.
        ModelError: the checkpoint cannot be loaded, or runs on another backend.
    """
    torch.set_num_threads(threads)
    rows, columns = recipe.rows or settings.action.horizon, 1 + len(DIMENSIONS)
    data, held_out = (
        Demonstrations.load(some).part(share).shortened(recipe.plans, rows, columns)
        for some, share in ((folders, recipe.share), (validation, 1.0))
    )
    episodes, others = (
        {(row.kind, row.seed) for row in of.rows if row.kind != QUESTION} for of in (data, held_out)
    )
    if shared := episodes & others:
        kind, seed = min(shared)
        raise LearningError(
            f"the validation has episodes of the training, such as {kind} of seed {seed}"
        )
    grounder = ClipsegGrounder.from_pretrained(settings.model.name_or_path, "cpu", "float32")
    config = policy_config(settings, grounder, data, recipe)
    vocabulary = PolicyVocabulary(grounder.checkpoint.tokenizer, config.bins)
    read = partial(read_words, word_states=cache(grounder.word_states))
    torch.manual_seed(recipe.seed)
    if start:
        config, model = _begun(folder_of(start), config)
    else:
        model = ActionTransformer(config.model)
    skills = load_skills(settings.policy.skills)
    lexicon = robot_lexicon(grounder.calibration, settings.perception, skills)
    space = action_space(skills, settings.action)
    decider = Decider(model, config, read, vocabulary, skills, space, lexicon)
    decider.check(data)
    decider.check(held_out)
    about = f"{recipe} on {len(data)} demonstrations"
    if start:
        begun = (folder_of(start) / WEIGHTS).read_bytes()
        about += f" from {sha256(begun).hexdigest()[:12]}"
    batches = DemonstrationBatches(data, vocabulary, read, space, recipe.batch, recipe.seed)
    fit = Fit(
        PolicyLosses(model, vocabulary),
        batches,
        dict.fromkeys((*PART_NAMES, OBJECTS), 1.0),
        FitSettings(
            steps=recipe.steps,
            rate=recipe.rate,
            warmup=recipe.warmup,
            weight_decay=recipe.weight_decay,
            average=recipe.average,
            validate_every=recipe.validate_every,
            keep_last=True,  # what is rare, such as relations, is learned late and moves no figure
            save_every=100,
            seed=recipe.seed,
            device=device,
            dtype=fastest_dtype(),
        ),
        out / "run",
        lambda: examine(model, held_out, batches),
        about=about,
    )
    result = fit.run()
    model.cpu()
    model.eval()
    sure = fit_confidence(*decider.decisions(held_out))
    config = replace(config, confidence=sure.weights)
    save_policy(out, config, model, _card(config, data, held_out, result, sure))
    return result


def _begun(start: Path, config: PolicyConfig) -> tuple[PolicyConfig, ActionTransformer]:
    """The model in a folder, and what it is for."""
    begun, model = load_policy(start)
    for name in (*vars(config), *(f"model.{name}" for name in vars(config.model))):
        of, _, part = name.rpartition(".")
        ours, theirs = (getattr(each.model if of else each, part) for each in (config, begun))
        if part not in ANEW and ours != theirs:
            raise LearningError(
                f"{start} has another {name} than is to be trained, {theirs} and not {ours}: "
                "choose the same, or begin anew"
            )
    if begun.model.longest < config.model.longest:
        raise LearningError(
            f"{start} writes {begun.model.longest} tokens at most, these demonstrations have "
            f"{config.model.longest}: begin anew"
        )
    return replace(config, model=begun.model), model


def policy_config(
    settings: Settings, grounder: ClipsegGrounder, data: Demonstrations, recipe: PolicyRecipe
) -> PolicyConfig:
    """What a policy of these demonstrations is for."""
    action, tower = settings.action, grounder.checkpoint.config
    skills = load_skills(settings.policy.skills)
    space = action_space(skills, action)
    vocabulary = PolicyVocabulary(grounder.checkpoint.tokenizer, action.bins)
    texts = {row.text for row in data.rows}
    model = _sizes(
        tokens=len(vocabulary),
        patches=data.arrays["places"].shape[1],
        tower_width=tower.vision_config.hidden_size,
        text_width=tower.text_config.hidden_size,
        longest=math.ceil((max(len(vocabulary.encode(text)) for text in texts) + ROOM) / 64) * 64,
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        dropout=recipe.dropout,
        numbers=vocabulary.largest + 1,
        ignores=recipe.ignores,
        merged=2 if data.arrays["places"].shape[1] % 4 == 0 else 1,
    )
    return PolicyConfig(
        model=model,
        tower=settings.model.name_or_path,
        tower_prints=fingerprints(grounder.checkpoint.model),
        pieces=len(grounder.checkpoint.tokenizer),
        commands=space.names,
        low=space.low,
        high=space.high,
        bins=action.bins,
        horizon=recipe.rows or action.horizon,
        step=action.step,
        plans=recipe.plans,
    )


def _sizes(**values: Any) -> ActionTransformerConfig:
    try:
        return ActionTransformerConfig(**values)
    except ValueError as error:
        raise LearningError(f"there is no such model: {error}") from error


def _card(
    config: PolicyConfig,
    data: Demonstrations,
    held_out: Demonstrations,
    result: FitResult,
    sure: ConfidenceFit,
) -> str:
    figures = "\n".join(f"| {name} | {value:.3f} |" for name, value in result.after.items())
    return f"""# An action transformer of vlam_ros

Writes plan, claims and rows of actions as tokens, on the hidden states of the checkpoint
`{config.tower}`. Trained for {result.steps} steps on {len(data)} demonstrations, validated on
{len(held_out)} of other episodes:

| of what was written next | share that is right |
|---|---|
{figures}

Of {sure.decisions} decisions that it wrote by itself {sure.right:.3f} are what was shown. The
expected calibration error of its confidence is {sure.error:.3f}, each half judged by the other.

Use it with `policy.kind: transformer` and `policy.name_or_path` this folder. It is for the commands
{", ".join(config.commands)}, and chunks of {config.horizon} rows of {config.step:g} s.
"""
