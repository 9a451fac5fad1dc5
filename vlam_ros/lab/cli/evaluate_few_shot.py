"""`vlam evaluate few-shot`: what a few images of objects never seen are worth."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vlam_ros.cli.arguments import (
    Subparsers,
    add_model,
    command_parser,
    positive,
    positive_number,
)
from vlam_ros.lab.cli.train import METHODS


def add_parser(subjects: Subparsers) -> None:
    """Add `vlam evaluate few-shot`."""
    parser = command_parser(
        subjects,
        "few-shot",
        "measure what a few images of new objects are worth",
        "vlam evaluate few-shot --methods lora bitfit --images 10 --seeds 3 --folder shots",
        "Teach the model five objects that it has never seen, from a few images each and by any "
        "method, and ask it for them on other scenes, and for what it knew. What is in the folder "
        "already is not done again. The exit code is 1 if LoRA misses a gate at 10 images and "
        "weight 1.",
    )
    add_model(parser)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, metavar="METHOD",
        help=f"of {', '.join(METHODS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        "--images", nargs="+", type=positive, default=[5, 10, 20], metavar="N",
        help="of each object, at most 20 (5 10 20)",
    )  # fmt: skip
    parser.add_argument(
        "--crops", nargs="+", type=positive_number, default=[1.0], metavar="X",
        help="weights of the crops' contrast to try (1)",
    )  # fmt: skip
    for name, default, text in (
        ("seeds", 1, "repetitions with other images"),
        ("steps", 200, "of each training"),
        ("scenes", 60, "of the test, with new objects, and as many without"),
        ("threads", os.cpu_count() or 1, "processor cores to use"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="of data sets and results"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what has a gate")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="of the Pareto front that the weights leave"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Learn and ask; 1 if a gate was missed."""
    from vlam_ros.lab.cli.evaluate import tell
    from vlam_ros.lab.evaluation.few_shot import Trial, few_shot

    trials = [
        Trial(method, count, seed, weight)
        for count in options.images
        for method in options.methods
        for weight in options.crops
        for seed in range(options.seeds)
    ]
    report = few_shot(
        trials,
        options.folder,
        model=options.model,
        steps=options.steps,
        scenes=options.scenes,
        threads=options.threads,
        plot=options.plot,
    )
    return tell(report, options)
