"""Options that many commands of the laboratory have."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vlam_ros.cli.arguments import positive


def add_count(parser: argparse.ArgumentParser, name: str, default: int, text: str) -> None:
    """Add an option for a whole number above zero."""
    parser.add_argument(
        name, type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
    )


def add_out(parser: argparse.ArgumentParser, text: str, default: str = "") -> None:
    """Add `--out` for a folder; it must be given where there is no default."""
    if default:
        path, help_ = Path(default), f"{text} (%(default)s)"
        parser.add_argument("--out", type=Path, default=path, metavar="DIR", help=help_)
    else:
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=text)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add what every training can be told of its randomness and of the machine it runs on."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`."""
    add_count(parser, "--threads", os.cpu_count() or 1, "processor cores to use")
