"""Options as the commands of the laboratory have them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from vlam_ros.cli.arguments import positive

# Parsers and their groups; argparse has no public name for both.
Options: TypeAlias = "argparse._ActionsContainer"


def add_option(
    options: Options,
    name: str,
    metavar: str,
    kind: Callable[[str], Any],
    text: str,
    default: Any = None,
    **more: Any,
) -> None:
    """Add an option or argument that takes a value; its help tells the default, if there is one."""
    help_ = text if default in (None, "", []) else f"{text} (%(default)s)"
    options.add_argument(name, metavar=metavar, type=kind, default=default, help=help_, **more)


def add_choice(
    options: Options, name: str, choices: Sequence[str], text: str, default: str = ""
) -> None:
    """Add an option that takes one of some words; its help tells the default, if there is one."""
    help_ = f"{text} (%(default)s)" if default else text
    options.add_argument(name, choices=choices, default=default, help=help_)


def add_flag(options: Options, name: str, text: str) -> None:
    """Add an option that is on or off."""
    options.add_argument(name, action="store_true", help=text)


def add_out(options: Options, text: str, default: str = "") -> None:
    """Add `--out` for a folder; it must be given where there is no default."""
    folder = Path(default) if default else None
    add_option(options, "--out", "DIR", Path, text, folder, required=folder is None)


def add_machine(options: Options) -> None:
    """Add what every training can be told of its randomness and of the machine it runs on."""
    options.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    options.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    add_threads(options)


def add_threads(options: Options) -> None:
    text = "processor cores to use"
    add_option(options, "--threads", "N", positive, text, os.cpu_count() or 1)
