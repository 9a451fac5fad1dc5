"""What each part of a wider world is worth to the embedded model.

The first edition is trained further by the recipe of the second, at a reduced budget:
on as many images, and as many steps, of its own rooms alone, then through a camera, then with
meshes and with household objects among them. All are measured on images of every generator that
none was trained on.

    python experiments/worlds.py --cache cache --markdown worlds.md
    python experiments/worlds.py --models embedded-1 embedded
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch
from ablation import shortened

from vlam_ros.cli.arguments import positive
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import Settings
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.grounding import HIT, QueryResult, answers
from vlam_ros.lab.evaluation.model import answers_about
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.report import Report
from vlam_ros.lab.report.table import NOTHING, Table
from vlam_ros.lab.training.embedded import export, fit_embedded
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.lab.training.scenes import load_splits, render_split
from vlam_ros.perception.clipseg import Calibration, ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.loader import SHIPPED
from vlam_ros.resources import resource_path, write_file

FIRST = "embedded-1"
"""The edition that knew the rooms alone."""
PAIRS = "pairs never trained"
FIGURES = ("IoU", "hits", "false alarms")


@dataclass(frozen=True)
class World:
    """What is trained on: a share of the images of each generator, as a camera takes them or as
    they are rendered.
    """

    label: str
    shares: Mapping[str, float]
    photographed: bool = True

    def images(self, count: int) -> dict[str, int]:
        return {name: round(share * count) for name, share in self.shares.items()}


WORLDS: Mapping[str, World] = {
    "rooms": World("own rooms", {"rooms": 1.0}, photographed=False),
    "camera": World("+ lens, exposure, noise, JPEG", {"rooms": 1.0}),
    "procedural": World("+ procedural meshes", {"rooms": 0.5, "procedural": 0.5}),
    "household": World("+ household", {"rooms": 0.3, "procedural": 0.4, "household": 0.3}),
}
"""Each has what the one before has, and more."""
OF_MASKS = ("mask_threshold", "tolerance", "crop_rejection")
"""Thresholds that decide what a mask takes in."""
GENERATORS = tuple(WORLDS["household"].shares)


def worlds(
    recipe: Recipe,
    cache: Path,
    *,
    images: int = 3000,
    only: Sequence[str] = tuple(WORLDS),
    validation: int = 100,
    start: str = FIRST,
    threads: int = 1,
) -> Report:
    """Train and measure in the worlds that the cache does not have, and tell of all that it has.

    Args:
        recipe: the reduced one; what its images are of is the world's.
        cache: folder of the rendered images, and of the runs in `worlds/`.
        images: in all, whatever the world.
        only: the worlds that may be trained in, of WORLDS.
        validation: images of each generator to measure on.
        start: the checkpoint that all begin with, which is measured as well.
        threads: processor cores to use.
    """
    torch.set_num_threads(threads)
    done: dict[str, Mapping[str, Mapping[str, float]]] = {}
    for name in ("", *WORLDS):
        folder = cache / "worlds" / (name or "start")
        path = folder / "figures.json"
        if not path.exists() and (not name or name in only):
            model = _trained(recipe, cache, folder, name, images, start, threads) if name else start
            figures = examine(model, validation)
            folder.mkdir(parents=True, exist_ok=True)
            write_file(path, (json.dumps(figures, indent=2) + "\n").encode())
        if path.exists():
            done[name] = json.loads(path.read_text(encoding="utf-8"))
    rows = {WORLDS[name].label if name else "the start": figures for name, figures in done.items()}
    made_with: dict[str, str | int] = {"recipe": recipe.digest, "steps": recipe.steps}
    return Report((), made_with | {"images": images, "scenes": validation}, tables=(_table(rows),))


def _trained(
    recipe: Recipe, cache: Path, folder: Path, name: str, images: int, start: str, threads: int
) -> Path:
    world, size = WORLDS[name], recipe.model.image_size
    recipe = replace(recipe, images=world.images(images))
    shards = cache if world.photographed else cache / "plain"
    for generator, count in recipe.images.items():
        render_split(shards, generator, "train", count, size, threads, world.photographed)
    data = load_splits(shards, recipe.images, "train", size)
    task, fit = fit_embedded(recipe, data, folder, load_checkpoint(start, "cpu", "float32"))
    fit.run()
    export(recipe, task, folder / "model")
    return folder / "model"


def examine(model: str | Path, images: int) -> dict[str, dict[str, float]]:
    """FIGURES of a checkpoint's masks, by generator and of PAIRS, by the thresholds of the first:
    the provisional ones of what was only just trained reject nothing that a crop tells apart.
    """
    grounder, settings = ClipsegGrounder.from_pretrained(model), Settings.load()
    known, own = Calibration.load(SHIPPED[FIRST]), grounder.calibration
    grounder.calibration = own and replace(own, **{name: getattr(known, name) for name in OF_MASKS})
    asked = {
        name: answers_about(name, images, grounder, settings.perception)[0] for name in GENERATORS
    }
    asked[PAIRS] = answers(grounder, settings, "composition", images)
    return {name: _figures(results) for name, results in asked.items()}


def _figures(results: Sequence[QueryResult]) -> dict[str, float]:
    present = [r for r in results if r.kind is QueryKind.PRESENT]
    alarms = [bool(r.alone) for r in results if r.kind in ABSENT]
    return {
        "IoU": fmean(r.iou() for r in present),
        "hits": fmean(r.iou() > HIT for r in present),
        "false alarms": fmean(alarms) if alarms else float("nan"),
    }


def _table(done: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    subjects = (*GENERATORS, PAIRS)
    rows = [
        (name, *(" / ".join(_number(figures[s][f]) for f in FIGURES) for s in subjects))
        for name, figures in done.items()
    ]
    return Table(
        "What a wider world is worth",
        ("", *subjects),
        tuple(rows),
        (f"{' / '.join(FIGURES)}; of false alarms, with no phrase to compare with.",),
    )


def _number(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description="Measure what each part of a wider world is worth to the embedded model. What "
        "is in the cache is not done again, and a training that was stopped goes on."
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("worlds"), metavar="DIR",
        help="of the images and of the runs (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--models", nargs="+", metavar="NAME", help="measure these checkpoints, and train nothing"
    )
    parser.add_argument(
        "--only", nargs="+", default=list(WORLDS), choices=WORLDS, metavar="WORLD",
        help=f"train in no others of {', '.join(WORLDS)}",
    )  # fmt: skip
    for name, default, text in (
        ("steps", 400, "of each training"),
        ("images", 3000, "of each training"),
        ("threads", os.cpu_count() or 1, "processor cores to use"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    add_common(parser, 100)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    if options.models:
        figures = {name: examine(name, options.scenes) for name in options.models}
        return tell(Report((), {"scenes": options.scenes}, tables=(_table(figures),)), options)
    recipe = Recipe.load(resource_path("config/embedded_2.yaml"))
    report = worlds(
        shortened(recipe, options.steps),
        options.cache,
        images=options.images,
        only=options.only,
        validation=options.scenes,
        threads=options.threads,
    )
    return tell(report, options)


if __name__ == "__main__":
    sys.exit(main())
