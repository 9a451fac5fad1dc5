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
        "Start the nodes and run them until Ctrl-C. If one ends or cannot start, all end, and the "
        "exit code is not 0.",
    )
    parser.add_argument("--params", type=Path, metavar="FILE", help="ROS parameter file")
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of all nodes")
    parser.add_argument("--model", default="", metavar="NAME", help="in place of the file's")
    parser.add_argument(
        "--remap",
        default=[],
        action="append",
        metavar="TOPIC:=NAME",
        help="what a topic is called here; may be given again",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the nodes; the exit code is theirs."""
    from vlam_ros.ros.up import up

    more = {"model": options.model, "remappings": options.remap}
    given = {name: value for name, value in more.items() if value}
    return up(options.params, options.namespace, **given)
