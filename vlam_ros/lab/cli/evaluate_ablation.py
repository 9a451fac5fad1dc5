"""`vlam evaluate ablation`: what each kind of loss term is worth to the embedded model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser, positive


def add_parser(subjects: Subparsers) -> None:
    """Add `vlam evaluate ablation`."""
    parser = command_parser(
        subjects,
        "ablation",
        "measure what each kind of loss term is worth to the embedded model",
        "vlam evaluate ablation --cache cache --markdown figures.md",
        "Train a small embedded model at a reduced budget with contrastive terms only, then with "
        "alignment, generative terms and learned weights as well, several seeds each, and measure "
        "all on held-out scenes. Runs that are in the cache are not done again, and one that was "
        "stopped goes on; several processes may share the cache once its scenes are rendered, each "
        "with other variants (--only).",
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="with weights of all terms (ablation.yaml)"
    )
    parser.add_argument(
        "--cache", type=Path, required=True, metavar="DIR", help="of the scenes and of the runs"
    )
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="shorten the recipe's stages to N in all"
    )
    # The names of evaluation.ablation.VARIANTS, which takes long to import.
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT",
        help="train no others of contrastive, alignment, generative, uncertainty",
    )  # fmt: skip
    for name, default, text in (
        ("seeds", 3, "runs of each variant"),
        ("scenes", 250, "to measure on"),
        ("threads", os.cpu_count() or 1, "processor cores to use"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, measure, and tell."""
    from vlam_ros.lab.cli.evaluate import tell
    from vlam_ros.lab.evaluation.ablation import VARIANTS, ablation
    from vlam_ros.lab.training.recipe import Recipe
    from vlam_ros.resources import resource_path

    recipe = Recipe.load(options.recipe or resource_path("config/ablation.yaml"))
    report = ablation(
        recipe.shortened(options.steps) if options.steps else recipe,
        options.cache,
        seeds=options.seeds,
        only=options.only or tuple(VARIANTS),
        validation=options.scenes,
        threads=options.threads,
    )
    return tell(report, options)
