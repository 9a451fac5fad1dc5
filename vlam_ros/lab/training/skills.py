"""Teaching a checkpoint skills of one's own, from the prompts in a skills file.

Only the text tower learns, from sentences alone, so no image is needed. Sentences of the skills
that the model knows are replayed beside the new ones (Rolnick et al. 2019), and they and the names
of objects are held where the untuned model has them, for masks and crops are found by those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlam_ros.lab.report.table import number
from vlam_ros.lab.training.fit import Fit, FitResult, FitSettings
from vlam_ros.lab.training.grounding import Grounding, apply, cosines, require_float32
from vlam_ros.lab.training.objectives import drift, skill_contrast
from vlam_ros.lab.training.paraphrases import Paraphrases, Reading
from vlam_ros.lab.training.understanding import REFUSED, skill_threshold, understood
from vlam_ros.perception.clipseg import Calibration, Checkpoint, ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.adapters import (
    FILE_NAME,
    METHODS,
    Adaptation,
    PromptTuning,
    save_adapter,
)
from vlam_ros.policies import Skill, load_skills

WEIGHTS: Mapping[str, float] = {"skills": 1.0, "kept_sentences": 10.0, "kept_phrases": 100.0}
"""λ of the loss terms: the contrast, and what holds old sentences and object phrases."""
STEPS = 1500
RATES: Mapping[str, float] = {
    "full": 1.5e-3, "lora": 3e-3, "adapter": 5e-3, "prefix": 2e-2, "bitfit": 1e-2, "prompt": 2e-2,
}  # fmt: skip
"""Of a training, and a peak learning rate for each method: the fewer it learns, the larger."""
CHECKED = 100
"""Sentences of each kind that the result is measured and the skills' threshold chosen with."""
CARRIED = 0.01
"""Cosine distance that object phrases may move before thresholds no longer carry over."""


class SkillLosses(nn.Module):
    """The loss terms of a reading; what is kept is where `base` has it."""

    def __init__(self, grounding: Grounding, base: Grounding) -> None:
        super().__init__()
        self.grounding, self.base = grounding, base.requires_grad_(False)

    def forward(self, reading: Reading) -> dict[str, Tensor]:
        # Apart, for the phrases are short and padding costs as much as words.
        sentences = self.grounding.read(reading.sentences)
        phrases = self.grounding.read(reading.phrases)
        losses = {
            "skills": skill_contrast(sentences, reading.labels),
            "kept_phrases": drift(phrases, self._known(reading.phrases)),
        }
        if replayed := [s for s, old in zip(reading.sentences, reading.old, strict=True) if old]:
            losses["kept_sentences"] = drift(sentences[reading.old], self._known(replayed))
        return losses

    @torch.no_grad()
    def _known(self, texts: Sequence[str]) -> Tensor:
        return self.base.read(texts)


@dataclass(frozen=True)
class SkillFigures:
    """What sentences like those of the training lead to, through the pipeline's own steps.

    `new` and `old` are the shares of sentences of new and old skills that lead to their skill (NaN
    where there is none), `refused` the share of sentences without meaning that lead to none.
    """

    new: float
    old: float
    refused: float


@dataclass(frozen=True)
class LearnedSkills:
    """What has been learned from the `paraphrases`: the model is adapted in place.

    `before` and `after` are figures of drawn sentences, None where the base has no calibration.
    `moved` is the largest cosine distance, in 0..2, that an object phrase has moved, `carried`
    whether the thresholds of masks and crops were kept for it.
    """

    adaptation: Adaptation
    fit: FitResult
    before: SkillFigures | None
    after: SkillFigures | None
    moved: float
    carried: bool
    paraphrases: Paraphrases


def learn_skills(
    checkpoint: Checkpoint,
    skills: Sequence[Skill],
    folder: Path,
    settings: FitSettings,
    method: str = "full",
) -> LearnedSkills:
    """Tune the text tower of a checkpoint until it tells the skills' sentences apart.

    A run that was stopped goes on where it was; the vision tower and the decoder stay as they are.

    Args:
        checkpoint: on PyTorch, in float32; its model is changed in place.
        skills: all of the robot, the new ones among them.
        folder: gets `adapter.safetensors`, the calibration, and the run's state in `run`.
        method: of `apply`.

    Raises:
        LearningError: as for `Paraphrases` and `Fit`, or the model is not in float32.
        ModelError: there is no such method, or the model is exported or adapted.
    """
    grounding, known = Grounding(checkpoint), checkpoint.calibration
    require_float32(grounding.model)
    words = known.vocabulary if known and known.vocabulary else ()
    paraphrases = Paraphrases(skills, settings.seed, words=words)
    base = deepcopy(grounding)
    checked = _Checked.drawn(skills, paraphrases)
    before = checked.figures(ClipsegGrounder(checkpoint)) if known else None
    # Prompts are of the text tower alone; the other methods have to be told.
    parts = {} if METHODS.get(method) is PromptTuning else {"parts": ("text",)}
    tuned = apply(grounding.model, method, settings.seed, **parts)
    told = sorted(f"{skill.name}: {', '.join(skill.prompts)}" for skill in skills)
    fit = Fit(
        SkillLosses(grounding, base),
        paraphrases,
        WEIGHTS,
        settings,
        folder / "run",
        about=f"{tuned.method} of {tuned.base_prints['float32'][:12]} for {told} beside {words}",
    )
    result = fit.run()
    moved = _moved(grounding, base, paraphrases.phrases)
    carried, after = moved <= CARRIED, None
    if fit.writes:
        save_adapter(tuned, folder / FILE_NAME)
    if known:
        grounder = ClipsegGrounder(checkpoint)
        grounder.calibration = checked.calibrated(grounder, known, carried)
        after = checked.figures(grounder)
        if fit.writes:
            grounder.calibration.save(folder)
    return LearnedSkills(tuned, result, before, after, moved, carried, paraphrases)


def learn_skills_file(
    model: str,
    source: str | Path,
    out: Path,
    settings: FitSettings,
    method: str = "full",
    threads: int = 1,
) -> str:
    """Teach a checkpoint the skills of a file, or of a name in `config/`, and say what was learned.

    The model is "embedded", a folder or a hub id. Errors are as in `learn_skills`, and
    ConfigurationError if the skills file cannot be read.
    """
    torch.set_num_threads(threads)
    skills = load_skills(source)
    checkpoint = load_checkpoint(model, settings.device, "float32")
    learned = learn_skills(checkpoint, skills, out, settings, method)
    lines = [str(learned.adaptation)]
    if learned.before and learned.after:
        lines += [
            f"{name}: {number(old)} before, {number(new)} after"
            for name, old, new in (
                ("new skills understood", learned.before.new, learned.after.new),
                ("old skills understood", learned.before.old, learned.after.old),
                ("nonsense refused", learned.before.refused, learned.after.refused),
            )
        ]
    carried = learned.carried and learned.after is not None
    kept = "thresholds were kept" if carried else "choose thresholds with `vlam calibrate`"
    lines.append(f"object phrases moved by {learned.moved:.4f} (cosine distance) at most: {kept}")
    lines.append(f"{learned.fit.steps} steps in {learned.fit.seconds:.0f} s; wrote {out}")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Checked:
    skills: Sequence[Skill]
    new: Sequence[tuple[str, str]]
    old: Sequence[tuple[str, str]]
    none: Sequence[tuple[str, str]]

    @classmethod
    def drawn(cls, skills: Sequence[Skill], paraphrases: Paraphrases) -> _Checked:
        """CHECKED of each kind, the same for all seeds of a training."""
        rng = np.random.default_rng(0)
        new = [paraphrases.new_sentence(rng) for _ in range(CHECKED)]
        old = [paraphrases.old_sentence(rng) for _ in range(CHECKED if paraphrases.old else 0)]
        return cls(
            skills, new, old, [(REFUSED, paraphrases.no_sentence(rng)) for _ in range(CHECKED)]
        )

    def figures(self, grounder: ClipsegGrounder) -> SkillFigures:

        def share(drawn: Sequence[tuple[str, str]]) -> float:
            right = [understood(grounder, self.skills, text) == name for name, text in drawn]
            return sum(right) / len(right) if right else float("nan")

        return SkillFigures(share(self.new), share(self.old), share(self.none))

    def calibrated(
        self, grounder: ClipsegGrounder, known: Calibration, carried: bool
    ) -> Calibration:
        """The vocabulary stays: a verb that is learned names no object."""
        threshold = skill_threshold(
            grounder,
            self.skills,
            [sentence for _, sentence in (*self.new, *self.old)],
            [sentence for _, sentence in self.none],
        )
        provisional: dict[str, Any] = {} if carried else {"crop_threshold": 1.0, "margin": 1.0}
        made_with = f"{known.made_with}; vlam train skill" + ("" if carried else "; provisional")
        return dataclasses.replace(
            known,
            **provisional,
            skill_threshold=threshold,
            made_with=made_with,
            skills=_taught(known, self.skills),
        )


def _taught(known: Calibration, skills: Sequence[Skill]) -> dict[str, tuple[str, ...]] | None:
    """The sentences that are known now; None if nobody knew which were before."""
    if known.skills is None:
        return None
    taught = dict(known.skills)
    for skill in filter(lambda skill: skill.prompts, skills):
        own = (*taught.get(skill.name, ()), *skill.prompts)
        taught[skill.name] = tuple(dict.fromkeys(own))
    return taught


@torch.no_grad()
def _moved(grounding: Grounding, base: Grounding, phrases: Sequence[str]) -> float:
    cosine = cosines(grounding.read(phrases), base.read(phrases)).diagonal()
    return 1 - cosine.min().item()
