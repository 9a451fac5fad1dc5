"""The `vlam` command.

Each subcommand is a module with `add_parser`; what is slow to import (torch, ROS, MuJoCo) is
imported when a subcommand runs, so that `vlam --help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from vlam_ros import __version__
from vlam_ros.cli import ask, up
from vlam_ros.errors import MissingExtraError, VlamError
from vlam_ros.lab.cli import (
    bench,
    calibrate,
    data,
    demo,
    evaluate,
    export,
    record,
    replay,
    train,
)
from vlam_ros.threads import wait_without_spinning

EXPECTED_ERROR = 2
INTERRUPTED = 130
"""As a shell reports a program that SIGINT ended."""
EXTRAS = {
    "lab": tuple("jinja2 matplotlib mcap mujoco pycocotools rosbags tqdm zstandard".split()),
    "learn": ("accelerate", "peft", "tensorboard"),
    "export": ("onnx", "onnxruntime", "onnxscript", "openvino"),
    "ray": ("ray",),
}
"""The packages that each extra of setup.cfg installs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `vlam ARGUMENTS` and return its exit code.

    An error that the package raises on purpose ends in one line on stderr and code 2, Ctrl-C in
    code 130; anything else is a fault of the program and keeps its traceback.
    """
    wait_without_spinning()
    return run_command(_parser(), arguments)


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, call the `run` that the parser sets, and return its exit code; errors as
    in `main`.
    """
    options = parser.parse_args(arguments)
    name = " ".join([parser.prog, *filter(None, [getattr(options, "command", "")])])
    try:
        code = _run(options)
    except VlamError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return EXPECTED_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(options: argparse.Namespace) -> int:
    """MissingExtraError if a package that an extra installs is not there."""
    try:
        code: int = options.run(options)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                raise MissingExtraError(
                    f"{package} is not installed: pip install 'vlam_ros[{extra}]' "
                    f"(in the checkout '.[{extra}]'), "
                    f"or, beside colcon, pip install {' '.join(packages)}"
                ) from error
        raise
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vlam",
        description="Let a ROS 2 robot follow plain-language instructions.",
        epilog="`vlam COMMAND --help` shows the options of a command, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"vlam_ros {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        demo, ask, up, record, replay, train, evaluate, bench, calibrate, export, data,
    ):  # fmt: skip
        module.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
