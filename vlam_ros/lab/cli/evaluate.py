"""`vlam evaluate`: the measured figures behind docs/."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser, positive
from vlam_ros.lab.cli import tasks

if TYPE_CHECKING:
    from vlam_ros.lab.evaluation.report import Report


def add_parser(commands: Subparsers) -> None:
    """Add `vlam evaluate` with what it can evaluate."""
    subjects = commands.add_parser("evaluate", help="measure how good it is").add_subparsers(
        dest="subject", required=True, metavar="SUBJECT"
    )
    model = command_parser(
        subjects,
        "model",
        "measure a checkpoint on held-out scenes and sentences",
        "vlam evaluate model --model trained --json figures.json --markdown figures.md",
        "Measure a checkpoint on held-out scenes and sentences. The exit code is 1 if it misses a "
        "gate.",
    )
    add_model(model)
    add_common(model, 500)
    model.set_defaults(run=run_model)
    fusion = command_parser(
        subjects,
        "fusion",
        "measure projection, deskew, attitude and positions",
        "vlam evaluate fusion --scenes 50 --markdown figures.md",
        "Measure what LiDAR and IMU are good for, against closed forms, OpenCV and the simulator's "
        "truth. The exit code is 1 if a gate is missed.",
    )
    add_common(fusion, 200)
    fusion.set_defaults(run=run_fusion)
    degradation = command_parser(
        subjects,
        "degradation",
        "let every sensor fail in every way",
        "vlam evaluate degradation --markdown figures.md",
        "Run fusion_node and vlam_node on a simulated robot while one sensor after another fails, "
        "over real topics. The exit code is 1 if the robot does not do what it is designed to.",
    )
    add_common(degradation)
    degradation.set_defaults(run=run_degradation)
    tasks.add_parser(subjects)


def add_common(parser: argparse.ArgumentParser, scenes: int = 0) -> None:
    """Add --json, --markdown and, where there is a default, --scenes."""
    if scenes:
        parser.add_argument(
            "--scenes", type=positive, default=scenes, metavar="N", help="of the test (%(default)s)"
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")


def run_model(options: argparse.Namespace) -> int:
    """Measure a checkpoint; 1 if a gate was missed."""
    from vlam_ros.lab.evaluation.model import evaluate_model

    return tell(evaluate_model(options.model, options.scenes), options)


def run_fusion(options: argparse.Namespace) -> int:
    """Measure fusion; 1 if a gate was missed."""
    from vlam_ros.lab.evaluation.fusion import evaluate_fusion

    return tell(evaluate_fusion(options.scenes), options)


def run_degradation(options: argparse.Namespace) -> int:
    """Let sensors fail; 1 if the robot did not do what it is designed to."""
    from vlam_ros.lab.live.degradation import evaluate_degradation

    return tell(evaluate_degradation(), options)


def tell(report: Report, options: argparse.Namespace) -> int:
    """Show the table and write what is asked for; 1 if a gate was missed."""
    from vlam_ros.resources import write_file

    print(report.to_markdown(), end="")
    if options.json:
        write_file(options.json, report.to_json().encode())
    if options.markdown:
        write_file(options.markdown, report.to_markdown().encode())
    return 0 if report.passed else 1
