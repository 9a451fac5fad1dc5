"""What a calibration without labels gives up against one with labels.

A checkpoint is calibrated twice: on validation scenes whose masks are known, and on drives through
rooms of tasks of which no more is said than what is in none of them. Both are then asked about the
same test scenes.

    python experiments/calibration_without_labels.py --scenes 50 --drives 3
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from vlam_ros.cli.arguments import add_model, positive
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.cli.options import add_option
from vlam_ros.lab.evaluation.grounding import QueryResult, answers, answers_to
from vlam_ros.lab.evaluation.own_views import OwnViews
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.task_counts import Share
from vlam_ros.lab.evaluation.thresholds import (
    ALARMS,
    OWN_ALARMS,
    Calibrated,
    choose,
    least_absent,
)
from vlam_ros.lab.report.table import Table
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.tasks import random_task
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.types import Uint8Array, VelocityCommand

SECONDS, RATE = 30, 4
"""Of a drive, and its images in a second."""
ABSENT_PHRASES = 8
DRIVE = 77
"""With the drive's number, its seed."""


def drive(seed: int) -> tuple[list[Uint8Array], set[str]]:
    """What a robot sees in half a minute in one room, and the names of all that is there."""
    rng = np.random.default_rng([seed, DRIVE])
    room = random_task(rng).room
    images = []
    with Simulator(room, seed=seed) as simulator:
        simulator.advance(simulator.now + 500_000_000)
        for tick in range(SECONDS * RATE):
            if tick % (2 * RATE) == 0:
                turn = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.6))
                simulator.drive(VelocityCommand(float(rng.uniform(0.0, 0.2)), turn))
            simulator.advance(simulator.now + 1_000_000_000 // RATE)
            images.append(simulator.image())
    return images, {thing.phrase for thing in room.scene.objects}


def views_of(drives: int, count: int) -> OwnViews:
    """Up to `count` of so many drives, with phrases that name nothing in any of their rooms."""
    images: list[Uint8Array] = []
    there: set[str] = set()
    for seed in range(drives):
        seen, named = drive(seed)
        images += seen
        there |= named
    known = [f"{c} {s}" for c in COLOURS for s in SHAPES if (c, s) not in HELD_OUT_PAIRS]
    away = [phrase for phrase in known if phrase not in there]
    chosen = np.random.default_rng(DRIVE).permutation(away)[:ABSENT_PHRASES]
    return OwnViews.among(
        images, [str(phrase) for phrase in chosen], about=f"{drives} drives", count=count
    )


class Result(NamedTuple):
    """How thresholds were chosen, and of test scenes what they confirm and confirm wrongly."""

    name: str
    told: Calibrated
    confirmed: Share
    wrong: Share

    @classmethod
    def of(cls, name: str, told: Calibrated, seen: Sequence[QueryResult]) -> Result:
        """By the answers about the test scenes."""
        threshold = told.calibration.crop_threshold
        right = partial(QueryResult.right, threshold=threshold)
        confirmed = Share.of(right(a) for a in seen if a.kind is QueryKind.PRESENT)
        wrong = Share.of(a.found(threshold) for a in seen if a.kind in ABSENT)
        return cls(name, told, confirmed, wrong)


def table(results: Sequence[Result]) -> Table:
    head = ("thresholds chosen", "threshold", "confirmed, %", "false alarms, %", "when chosen, %")
    rows = [
        (
            each.name,
            f"{each.told.calibration.crop_threshold:.2f}",
            *map(_percent, (each.confirmed, each.wrong, each.told.false_alarms)),
        )
        for each in results
    ]
    return Table("Calibration without labels", head, tuple(rows))


def _percent(share: Share) -> str:
    low, high = (100 * end for end in share.interval)
    return f"{100 * share.value:.1f} [{low:.1f}, {high:.1f}] of {share.cases}"


def compared(model: str, scenes: int, drives: int) -> list[Result]:
    """Both calibrations of a calibrated model, on as many validation scenes, views and test scenes;
    what a mask takes in stays the same.
    """
    grounder, settings = ClipsegGrounder.from_pretrained(model), Settings.load()
    start = grounder.calibration
    if start is None:
        raise ModelError(f"{model} has no calibration.json: run `vlam calibrate {model}` first")
    # Every candidate keeps its score, though it would be rejected or be unfamiliar today.
    grounder.calibration = replace(start, crop_rejection=0.0, familiarity=None)
    labelled = answers(grounder, settings, "validation", scenes)
    on_masks = choose(labelled, start, ALARMS, labelled=True)
    views = views_of(drives, scenes)
    views.require(least_absent(OWN_ALARMS))
    bar = tqdm(views.questions(0, scenes), total=len(views.images), desc="views")
    on_absent = choose(
        answers_to(grounder, settings.perception, bar), start, OWN_ALARMS, labelled=False
    )
    seen = answers(grounder, settings, "test", scenes)
    return [
        Result.of("on masks", on_masks, seen),
        Result.of("on what is absent", on_absent, seen),
    ]


def run(options: argparse.Namespace) -> int:
    print(table(compared(options.model, options.scenes, options.drives)).to_markdown())
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model(parser)
    add_option(parser, "--scenes", "N", positive, "to choose on, views, and scenes to test", 50)
    add_option(parser, "--drives", "N", positive, "of half a minute", 3)
    parser.set_defaults(run=run)
    return run_command(parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
