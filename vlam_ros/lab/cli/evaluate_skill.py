"""`vlam evaluate skill`: what ten phrasings of a new skill are worth."""

from __future__ import annotations

import argparse

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser, positive
from vlam_ros.lab.cli.train import METHODS


def add_parser(subjects: Subparsers) -> argparse.ArgumentParser:
    """Add `vlam evaluate skill`."""
    parser = command_parser(
        subjects,
        "skill",
        "teach new skills by ten phrasings each, and measure what was learned",
        "vlam evaluate skill --methods full lora bitfit --seeds 3 --markdown figures.md",
        "Teach a checkpoint skills that it does not know, by ten phrasings each, and measure new "
        "sentences of them, of the old skills and of none, and what objects are still found. The "
        "first method has gates: the exit code is 1 if it misses one.",
    )
    add_model(parser)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["full"],
        help="of tuning, the first with gates (full)",
    )
    parser.add_argument(
        "--seeds", type=positive, default=3, metavar="N", help="runs of each (%(default)s)"
    )
    parser.add_argument(
        "--steps", type=positive, default=1500, metavar="N", help="of a run (%(default)s)"
    )
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Teach and measure; 1 if a gate was missed."""
    from vlam_ros.lab.cli.evaluate import tell
    from vlam_ros.lab.evaluation.skill_transfer import evaluate_skill_transfer

    report = evaluate_skill_transfer(
        options.model, options.methods, range(options.seeds), options.scenes, options.steps
    )
    return tell(report, options)
