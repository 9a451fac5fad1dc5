"""`vlam train embedded`: makes the checkpoint that comes with the package."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser, positive


def add_parser(commands: Subparsers) -> None:
    """Add `vlam train` with its one model."""
    models = commands.add_parser("train", help="train a model").add_subparsers(
        dest="model", required=True, metavar="MODEL"
    )
    parser = command_parser(
        models,
        "embedded",
        "train the small CLIPSeg on simulated scenes",
        "vlam train embedded --out trained && vlam calibrate trained",
        "Render what is missing of the scenes, train, and write a Hugging Face folder. A run that "
        "was stopped goes on where it was.",
    )
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="default: config/embedded.yaml")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "vlam_ros",
        metavar="DIR",
        help="of the scenes, about 4 GB, and of the run's state (%(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("trained"),
        metavar="DIR",
        help="of the checkpoint (%(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processor cores to use (%(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train to the end."""
    from vlam_ros.learning.embedded import train_embedded
    from vlam_ros.resources import resource_path

    recipe = options.recipe or resource_path("config/embedded.yaml")
    train_embedded(recipe, options.cache, options.out, options.threads)
    print(f"wrote {options.out}; choose its thresholds with `vlam calibrate {options.out}`")
    return 0
