"""`vlam merge`: an adapter made part of the checkpoint that it was tuned on."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser


def add_parser(commands: Subparsers) -> None:
    """Add `vlam merge`."""
    parser = command_parser(
        commands,
        "merge",
        "make an adapter part of its checkpoint",
        "vlam merge tuned --output my_model",
        "Write a checkpoint with an adapter as its own weights: a folder for model.name_or_path "
        "and for --model, to be tuned further, as by `vlam train skill`.",
    )
    parser.add_argument("adapter", metavar="PATH", help="tuned by full, lora or bitfit")
    add_model(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="to be made, not to exist"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, write, and say what was written."""
    from vlam_ros.lab.saving import save_checkpoint
    from vlam_ros.perception.clipseg import load_checkpoint

    folder = options.output.expanduser()
    checkpoint = load_checkpoint(options.model, "cpu", "float32", adapter=options.adapter)
    save_checkpoint(checkpoint, folder)
    print(f"wrote {folder}: {checkpoint.name}; use it as model.name_or_path or --model")
    return 0
