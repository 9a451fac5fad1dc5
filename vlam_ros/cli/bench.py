"""`vlam bench`: how fast a picture is understood, against Hugging Face."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser, positive

ONLY = ("embedded", "rd64")


def add_parser(commands: Subparsers) -> None:
    """Add `vlam bench`."""
    parser = command_parser(
        commands,
        "bench",
        "measure how fast a picture is understood",
        "vlam bench --pictures 10 --markdown figures.md",
        "Race this package against Hugging Face prompt by prompt and with prompts as one batch, on "
        "the same weights and pictures, on the CPU in float32. The exit code is 1 if a gate is "
        "missed.",
    )
    parser.add_argument(
        "--pictures", type=positive, default=7, metavar="N", help="of each race (%(default)s)"
    )
    parser.add_argument(
        "--models", nargs="+", choices=ONLY, default=list(ONLY), help="what races (both)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure; 1 if a gate was missed."""
    from vlam_ros.cli.evaluate import tell
    from vlam_ros.evaluation.speed import PROMPTS, embedded, evaluate_speed, full_size, pictures

    made = {"embedded": embedded, "rd64": full_size}
    subjects = [made[name]() for name in options.models]
    return tell(evaluate_speed(subjects, pictures(options.pictures), PROMPTS), options)
