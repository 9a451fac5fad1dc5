"""What the subcommands' parsers share: a parser with an example, and checked numbers."""

from __future__ import annotations

import argparse
import math
import textwrap
from typing import TypeAlias

# argparse has no public name for it, and at run time it takes no parameter.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def command_parser(
    commands: Subparsers, name: str, summary: str, example: str, description: str = ""
) -> argparse.ArgumentParser:
    """Add the parser of a (sub)command, with an example below its options."""
    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description or summary),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option `--model`."""
    parser.add_argument(
        "--model",
        default="embedded",
        metavar="NAME",
        help="'embedded', a folder or a hub id (%(default)s)",
    )


def positive(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def positive_number(text: str) -> float:
    """A number above zero."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {number:g}")
    return number


def field_of_view(text: str) -> float:
    """An angle in degrees that a pinhole camera can see."""
    degrees = float(text)
    if not 1 <= degrees <= 170:
        raise argparse.ArgumentTypeError(f"must be in 1..170 degrees, got {degrees:g}")
    return degrees
