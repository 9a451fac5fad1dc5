"""`vlam up`: the nodes of this package with a parameter file, where there is no `ros2 launch`."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser


def add_parser(commands: Subparsers) -> None:
    """Add `vlam up`."""
    parser = command_parser(
        commands,
        "up",
        "start the nodes, as `ros2 launch vlam_ros robot.launch.py` does",
        "vlam up --params my_robot.yaml --namespace robot1",
        "Start the nodes and run them until Ctrl-C.",
    )
    parser.add_argument("--params", type=Path, metavar="FILE", help="ROS parameter file")
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of all nodes")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the nodes; the exit code is theirs."""
    from vlam_ros.ros.up import up

    return up(options.params, options.namespace)
