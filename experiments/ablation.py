"""What each kind of loss term is worth to the embedded model.

Small models are trained from nothing at a reduced budget, each variant with one kind of term more
than the one before, several seeds each, and measured on scenes that none was trained on.

    python experiments/ablation.py --cache cache --markdown figures.md
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from vlam_ros.cli.arguments import positive
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.grounding import MIN_PIXELS
from vlam_ros.lab.evaluation.report import Report
from vlam_ros.lab.evaluation.skills import evaluate_skills
from vlam_ros.lab.report.table import NOTHING, Table
from vlam_ros.lab.simulation.scene import COLOURS, SHAPES
from vlam_ros.lab.training import batches
from vlam_ros.lab.training.captions import (
    COLOUR_NAMES,
    FLOOR_PHRASE,
    HELD_OUT_INDICES,
    PLACEHOLDERS,
)
from vlam_ros.lab.training.embedded import export, fit_embedded
from vlam_ros.lab.training.examples import Batch, asked
from vlam_ros.lab.training.grounding import Grounding, ValidationBatches, cosines, measure
from vlam_ros.lab.training.recipe import ALIGNMENT, CONTRASTIVE, GENERATIVE, Recipe
from vlam_ros.lab.training.scenes import SceneData, load_splits, render_split
from vlam_ros.perception.clipseg import Checkpoint, ClipsegGrounder, load_checkpoint
from vlam_ros.policies import load_skills
from vlam_ros.resources import write_file

FIGURES: Mapping[str, str] = {
    "pairs": "crops: pairs",
    "nouns": "crops: nouns",
    "colours": "crops: colours",
    "iou": "masks: IoU",
    "false_alarms": "masks: false alarms",
    "skills": "sentences: skill",
}
"""What is measured, and how the table calls it; of false alarms less is better."""
ROOMS = "rooms"
"""The generator that one measures on."""
RECIPE = Path(__file__).with_name("ablation.yaml")
CROPS, CROPS_AT_ONCE = 1024, 128
SCENES_AT_ONCE, PROMPTS = 8, 6
_EVERY = product(range(len(COLOURS)), range(len(SHAPES)))
ROWS = batches.TextRows(
    np.array([pair for pair in _EVERY if pair not in HELD_OUT_INDICES]),
    np.arange(len(SHAPES)),
    np.arange(len(COLOURS)),
)
"""What the rooms' things are called."""
PLAIN_PHRASES = (
    *(f"{COLOUR_NAMES[c]} {SHAPES[n]}" for c, n in ROWS.pairs),
    FLOOR_PHRASE,
    *SHAPES,
    *(f"{colour} {PLACEHOLDERS[0]}" for colour in COLOUR_NAMES),
)


@dataclass(frozen=True)
class Variant:
    """The terms of a recipe that one trains with, and how they are balanced."""

    label: str
    terms: tuple[str, ...]
    balance: str = "weights"

    def recipe(self, recipe: Recipe, seed: int) -> Recipe:
        """The recipe of a run, of one with all terms.

        Raises:
            LearningError: the recipe does not weigh one of the terms.
        """
        if missing := [term for term in self.terms if term not in recipe.terms]:
            raise LearningError(f"'{self.label}' needs a weight above 0 of {', '.join(missing)}")
        weights = {term: recipe.loss_weights[term] for term in self.terms}
        return replace(recipe, seed=recipe.seed + seed, loss_weights=weights, balance=self.balance)


COMPARED = (*CONTRASTIVE, *ALIGNMENT, *GENERATIVE)
VARIANTS: Mapping[str, Variant] = {
    "contrastive": Variant("contrastive only", CONTRASTIVE),
    "alignment": Variant("+ alignment", (*CONTRASTIVE, *ALIGNMENT)),
    "generative": Variant("+ generative", COMPARED),
    "uncertainty": Variant("+ uncertainty weighting", COMPARED, "uncertainty"),
}
"""Each has what the one before has, and more."""


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with about so many steps, each stage and the warm-up by the same share."""
    share = steps / recipe.steps
    stages = tuple(
        replace(stage, steps=max(1, round(stage.steps * share))) for stage in recipe.stages
    )
    return replace(recipe, stages=stages, warmup=max(1, round(recipe.warmup * share)))


@dataclass(frozen=True)
class Run:
    """A variant with a seed: minutes of training, and FIGURES by name; NaN where there is no case.

    `recipe` is the digest of what it was trained by, `scenes` how many it was measured on.
    """

    variant: str
    seed: int
    recipe: str
    scenes: int
    minutes: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class AblationReport(Report):
    """The runs that are done, in the order of VARIANTS."""

    runs: tuple[Run, ...] = ()

    def to_markdown(self) -> str:
        """What was measured, and how far each variant is from the one before."""
        by_variant = {
            name: [run for run in self.runs if run.variant == name]
            for name in VARIANTS
            if any(run.variant == name for run in self.runs)
        }
        tables = (_means(by_variant), _differences(by_variant))
        return "\n".join(table.to_markdown() for table in tables)


def ablation(
    recipe: Recipe,
    cache: Path,
    *,
    seeds: int = 3,
    only: Sequence[str] = tuple(VARIANTS),
    validation: int = 250,
    threads: int = 1,
) -> AblationReport:
    """Train and measure the runs that the cache does not have, and tell of all that it has.

    Args:
        recipe: the reduced one, with weights of all terms.
        cache: folder of the rendered scenes, and of the runs in `ablation/`, each of which goes on
            where it was stopped.
        seeds: runs of a variant.
        only: the variants that may be trained, of VARIANTS; the others are told if they are there.
        validation: scenes to measure on.
        threads: processor cores to use.

    Raises:
        LearningError: there is no such variant, the recipe has not all terms, or the cache has
            runs of another recipe or on other scenes.
    """
    if unknown := sorted(set(only) - set(VARIANTS)):
        raise LearningError(f"variants are {', '.join(VARIANTS)}, got {', '.join(unknown)}")
    recipes = {
        (name, seed): variant.recipe(recipe, seed)
        for name, variant in VARIANTS.items()
        for seed in range(seeds)
    }
    torch.set_num_threads(threads)
    runs = []
    scenes: tuple[SceneData, SceneData] | None = None
    for (name, seed), own in recipes.items():
        folder = cache / "ablation" / f"{name}-{seed}"
        run = _read(folder, own, validation)
        if run is None and name in only:
            scenes = scenes or _scenes(recipe, cache, validation)
            run = _run(name, seed, own, folder, *scenes)
        if run is not None:
            runs.append(run)
    made_with: dict[str, str | int] = {"recipe": recipe.digest, "steps": recipe.steps}
    return AblationReport((), made_with, runs=tuple(runs))


def _scenes(recipe: Recipe, cache: Path, validation: int) -> tuple[SceneData, SceneData]:
    counts = {"train": recipe.images, "validation": {ROOMS: validation}}
    size = recipe.model.image_size
    for split, images in counts.items():
        for generator, count in images.items():
            render_split(cache, generator, split, count, size)
    train, held_out = (load_splits(cache, images, split, size) for split, images in counts.items())
    return train, held_out


def _read(folder: Path, recipe: Recipe, scenes: int) -> Run | None:
    path = folder / "figures.json"
    if not path.exists():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    was, wanted = (known.get("recipe"), known.get("scenes")), (recipe.digest, scenes)
    if was != wanted:
        raise LearningError(
            f"{folder} has a run of recipe {was[0]} on {was[1]} scenes, not of {wanted[0]} on "
            f"{wanted[1]}: delete it, or take another cache"
        )
    return Run(**known)


def _run(
    name: str, seed: int, recipe: Recipe, folder: Path, data: SceneData, held_out: SceneData
) -> Run:
    task, fit = fit_embedded(recipe, data, folder)
    minutes = fit.run().seconds / 60
    export(recipe, task, folder / "model")
    figures = examine(load_checkpoint(folder / "model", "cpu", "float32"), held_out)
    run = Run(name, seed, recipe.digest, len(held_out.images), minutes, figures)
    write_file(folder / "figures.json", (json.dumps(vars(run), indent=2) + "\n").encode())
    return run


def examine(checkpoint: Checkpoint, data: SceneData) -> dict[str, float]:
    """FIGURES of a checkpoint, from scenes that it was not trained on: the same for any model.

    Crops are the share whose pair, noun and colour is the most alike of all; the floor is one of
    the pairs. Masks are as `grounding.measure` has them, on whole scenes, with as many phrases that
    are there as are not. Of the sentences, the share whose nearest prompt is of the right skill.
    """
    grounding = Grounding(checkpoint)
    found = measure(grounding, ValidationBatches(images=list(_scenes_asked(data))))
    masks = {"iou": found.iou, "false_alarms": found.false_alarms}
    return _crops(grounding, data, checkpoint.crop_size) | masks | {"skills": _skills(checkpoint)}


@torch.no_grad()
def _crops(grounding: Grounding, data: SceneData, size: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    words = grounding.read(PLAIN_PHRASES)
    hits: dict[str, list[float]] = {name: [] for name in ROWS.vocabularies}
    for _ in range(0, CROPS, CROPS_AT_ONCE):
        images, _, things = batches.draw_crops(data, rng, CROPS_AT_ONCE, size)
        positives = torch.from_numpy(ROWS.truth(things) == 1)
        cosine = cosines(grounding.see(images, size).embedding, words)
        for name, rows in ROWS.vocabularies.items():
            own = positives[:, rows]
            best = cosine[:, rows].argmax(-1, keepdim=True)
            hits[name] += own.gather(1, best)[own.any(-1), 0].float().tolist()
    return {name: fmean(values) if values else float("nan") for name, values in hits.items()}


def _scenes_asked(data: SceneData) -> Iterator[Batch]:
    rng = np.random.default_rng(0)
    for start in range(0, len(data.images), SCENES_AT_ONCE):
        some = slice(start, start + SCENES_AT_ONCE)
        labels = torch.from_numpy(data.labels[some]).long()
        named = torch.from_numpy(ROWS.truth(batches.scene_things(data.things[some])))
        truth = batches.seen_truth(labels, named, MIN_PIXELS).numpy()
        which, rows = map(torch.from_numpy, batches.draw_prompts(truth, ROWS, rng, PROMPTS))
        # A word of nothing differs by its draw.
        kept = rows < ROWS.nonsense
        which, rows = which[kept], rows[kept]
        masks, _ = batches.prompt_masks(labels, named, which, rows)
        images = torch.from_numpy(data.images[some]).permute(0, 3, 1, 2).float() / 255
        yield asked(images, [PLAIN_PHRASES[row] for row in rows], which, masks)


def _skills(checkpoint: Checkpoint) -> float:
    calibration = checkpoint.calibration
    assert calibration is not None
    # Nothing is refused: the nearest prompt decides.
    nearest = replace(checkpoint, calibration=replace(calibration, skill_threshold=-1.0))
    return evaluate_skills(
        ClipsegGrounder(nearest), load_skills(Settings.load().policy.skills)
    ).accuracy


def mean_and_spread(values: Sequence[float], sign: str = "") -> str:
    """The mean (with this sign format), and half the distance from the lowest to the highest."""
    spread = f" ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""
    return f"{fmean(values):{sign}.3f}{spread}"


def difference(before: Sequence[float], after: Sequence[float]) -> str:
    """How far the mean of runs is from that of others, or "none".

    A difference is none if it is not larger than the larger of the two spreads, from the lowest to
    the highest seed. One run has no spread: with fewer than two on a side nothing is told.
    """
    if min(len(before), len(after)) < 2:
        return NOTHING
    change = fmean(after) - fmean(before)
    spread = max(max(values) - min(values) for values in (before, after))
    # NaN, where there was no case, is no difference.
    return f"{change:+.3f}" if abs(change) > spread else "none"


def _values(runs: Sequence[Run], figure: str) -> list[float]:
    return [run.figures[figure] for run in runs]


def _means(by_variant: Mapping[str, Sequence[Run]]) -> Table:
    rows = [
        (
            VARIANTS[name].label,
            str(len(runs)),
            f"{fmean(run.minutes for run in runs):.1f}",
            *(mean_and_spread(_values(runs, figure)) for figure in FIGURES),
        )
        for name, runs in by_variant.items()
    ]
    return Table(
        "What the loss terms are worth",
        ("terms", "seeds", "minutes each", *FIGURES.values()),
        tuple(rows),
        (
            "Means over the seeds ± half the distance between the lowest and the highest. With "
            "contrastive terms only, nothing trains the decoder that draws masks: IoU and false "
            "alarms are those of noise.",
        ),
    )


def _differences(by_variant: Mapping[str, Sequence[Run]]) -> Table:
    rows = [
        (
            f"{VARIANTS[after].label}, to {VARIANTS[before].label}",
            *(
                difference(_values(by_variant[before], f), _values(by_variant[after], f))
                for f in FIGURES
            ),
        )
        for before, after in pairwise(by_variant)
    ]
    return Table(
        "Differences to the row before",
        ("terms", *FIGURES.values()),
        tuple(rows),
        (
            "None is what is not larger than the larger of the two spreads, from the lowest to the "
            "highest seed.",
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description="Measure what each kind of loss term is worth to the embedded model. Runs that "
        "are in the cache are not done again, and one that was stopped goes on; several processes "
        "may share the cache once its scenes are rendered, each with other variants (--only)."
    )
    parser.add_argument(
        "--recipe", type=Path, default=RECIPE, metavar="FILE",
        help=f"with weights of all terms ({RECIPE.name})",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, required=True, metavar="DIR", help="of the scenes and of the runs"
    )
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="shorten the recipe's stages to N in all"
    )
    parser.add_argument(
        "--only", nargs="+", default=list(VARIANTS), metavar="VARIANT",
        help=f"train no others of {', '.join(VARIANTS)}",
    )  # fmt: skip
    for name, default, text in (
        ("seeds", 3, "runs of each variant"),
        ("threads", os.cpu_count() or 1, "processor cores to use"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    add_common(parser, 250)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    recipe = Recipe.load(options.recipe)
    report = ablation(
        shortened(recipe, options.steps) if options.steps else recipe,
        options.cache,
        seeds=options.seeds,
        only=options.only,
        validation=options.scenes,
        threads=options.threads,
    )
    return tell(report, options)


if __name__ == "__main__":
    sys.exit(main())
