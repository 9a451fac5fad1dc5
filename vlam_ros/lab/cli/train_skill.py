"""`vlam train skill`: what a team's own skills are called, learned from their prompts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser, positive, positive_number


def add_parser(subjects: Subparsers, methods: Sequence[str]) -> argparse.ArgumentParser:
    """Add `vlam train skill`; `methods` are those of tuning."""
    parser = command_parser(
        subjects,
        "skill",
        "teach a checkpoint what skills of one's own are called",
        "vlam train skill my_skills.yaml --out tuned",
        "Tune the text tower of a checkpoint to the prompts in a skills file, the old skills' and "
        "the new ones', and write an adapter's folder for the parameter model.adapter. No image "
        "is needed. A run that was stopped goes on where it was.",
    )
    parser.add_argument(
        "skills", type=Path, metavar="FILE", help="of the robot's skills, as config/skills.yaml"
    )
    add_model(parser)
    parser.add_argument(
        "--method",
        choices=methods,
        default="full",
        help="what of the text tower is learned (%(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the adapter")
    parser.add_argument(
        "--steps", type=positive, default=1500, metavar="N", help="of the optimizer (%(default)s)"
    )
    parser.add_argument(
        "--rate",
        type=positive_number,
        metavar="X",
        help="peak learning rate (fitting the method)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Learn, and say what was learned."""
    from vlam_ros.lab.training.fit import FitSettings
    from vlam_ros.lab.training.skills import RATES, learn_skills_file

    rate = options.rate or RATES[options.method]
    settings = FitSettings(steps=options.steps, rate=rate, seed=options.seed, device=options.device)
    told = learn_skills_file(
        options.model, options.skills, options.out, settings, options.method, options.threads
    )
    print(f"{told}\nuse it as the parameter model.adapter, with this skills file")
    return 0
