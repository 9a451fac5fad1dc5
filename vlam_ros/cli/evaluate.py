"""`vlam evaluate`: the measured figures behind docs/."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser, positive


def add_parser(commands: Subparsers) -> None:
    """Add `vlam evaluate` with what it can evaluate."""
    subjects = commands.add_parser("evaluate", help="measure how good it is").add_subparsers(
        dest="subject", required=True, metavar="SUBJECT"
    )
    parser = command_parser(
        subjects,
        "model",
        "measure a checkpoint on held-out scenes and sentences",
        "vlam evaluate model --model trained --json figures.json --markdown figures.md",
        "Measure a checkpoint on held-out scenes and sentences. The exit code is 1 if it misses a "
        "gate.",
    )
    parser.add_argument(
        "--model",
        default="embedded",
        metavar="NAME",
        help="'embedded', a folder or a hub id (%(default)s)",
    )
    parser.add_argument(
        "--scenes", type=positive, default=500, metavar="N", help="of the test (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the table and write what is asked for; 1 if a gate was missed."""
    from vlam_ros.cli.files import write_file
    from vlam_ros.evaluation.model import evaluate_model

    report = evaluate_model(options.model, options.scenes, progress=True)
    print(report.to_markdown(), end="")
    if options.json:
        write_file(options.json, report.to_json().encode())
    if options.markdown:
        write_file(options.markdown, report.to_markdown().encode())
    return 0 if report.passed else 1
