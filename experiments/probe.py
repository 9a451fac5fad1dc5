"""How well the vision tower tells shapes apart that it was never trained on, by a linear probe on a
few close crops of each.

    python experiments/probe.py --models embedded-1 embedded
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from tqdm import tqdm

from vlam_ros.cli.arguments import positive
from vlam_ros.cli.main import run_command
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.scenes import CROP_CONTEXT, MIN_VISIBLE
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.objects import Window
from vlam_ros.perception.perceiver import Float32Array
from vlam_ros.types import Uint8Array

FOLDS = 5
RIDGE = 100.0
"""Weight of the squared weights, chosen on the split "validation"."""


def crops(split: str, each: int) -> Iterator[tuple[Uint8Array, int]]:
    """`each` crops of every extra shape in scenes of a split, with the number of its shape."""
    counts, index = [0] * len(EXTRA_SHAPES), 0
    with World(extra=True) as world:
        while min(counts) < each:
            spec = extra_scene_of_seed(split, index)
            index += 1
            shape = EXTRA_SHAPES.index(spec.objects[0].shape)
            world.load(spec)
            rendering = world.render()
            mask = (rendering.labels == 1).astype(np.uint8)
            if counts[shape] == each or np.count_nonzero(mask) < MIN_VISIBLE:
                continue
            counts[shape] += 1
            x, y, width, height = cv2.boundingRect(mask)
            window = Window.around((x, y, x + width, y + height), CROP_CONTEXT - 1)
            yield window.cut(rendering.image), shape


def probe(model: str, split: str = "test", each: int = 10, ridge: float = RIDGE) -> float:
    """The share of crops whose shape a linear map of the tower's mean activations names. It is
    learned from `each` others of every shape by ridge regression; the mean of FOLDS maps.
    """
    grounder = ClipsegGrounder.from_pretrained(model)
    total = FOLDS * each * len(EXTRA_SHAPES)
    states: list[Float32Array] = []
    shapes: list[int] = []
    for crop, shape in tqdm(crops(split, FOLDS * each), model, total):
        states.append(grounder.second_look([crop], ["object"], [["object"]]).statistics)
        shapes.append(shape)
    known, labels = np.concatenate(states), np.array(shapes)
    # The crops of a shape are spread evenly over the folds.
    fold = np.empty(total, int)
    for shape in range(len(EXTRA_SHAPES)):
        fold[labels == shape] = np.arange(FOLDS * each) % FOLDS
    right = [_right(known, labels, fold == i, ridge) for i in range(FOLDS)]
    return float(np.mean(right))


def _right(states: Float32Array, labels: np.ndarray, learned: np.ndarray, ridge: float) -> float:
    mean, deviation = states[learned].mean(axis=0), states[learned].std(axis=0) + 1e-6
    inputs = (states - mean) / deviation
    kernel = inputs[learned] @ inputs[learned].T
    targets = np.eye(len(EXTRA_SHAPES))[labels[learned]] - 1 / len(EXTRA_SHAPES)
    dual = np.linalg.solve(kernel + ridge * np.eye(len(kernel)), targets)
    named = (inputs[~learned] @ (inputs[learned].T @ dual)).argmax(axis=1)
    return float(np.mean(named == labels[~learned]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figure of each checkpoint."""
    parser = argparse.ArgumentParser(
        description="Tell new shapes apart by a linear probe on the vision tower."
    )
    parser.add_argument("--models", nargs="+", default=["embedded"], metavar="NAME")
    parser.add_argument("--split", default="test", help="of the scenes (%(default)s)")
    parser.add_argument(
        "--crops", type=positive, default=10, help="of each shape that are learned (%(default)s)"
    )
    add_common(parser)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    cases = (FOLDS - 1) * FOLDS * options.crops * len(EXTRA_SHAPES)
    rows = [
        Metric(f"new shapes told apart, {name}", probe(name, options.split, options.crops), cases)
        for name in options.models
    ]
    return tell(Report(tuple(rows), {"split": options.split, "crops": options.crops}), options)


if __name__ == "__main__":
    sys.exit(main())
