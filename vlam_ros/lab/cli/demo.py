"""`vlam demo`: the whole system at work on a simulated scene."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser
from vlam_ros.lab.cli.options import add_option, add_out


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "demo",
        "see the whole system work on a simulated scene",
        "vlam demo --out demo",
        "Publish what camera, LiDAR, IMU and wheels of a simulated robot sense, with instructions, "
        "to fusion_node and vlam_node, and show what they decide; then let controller_node do it, "
        "and film that. The exit code is 1 if an answer, or what was done, is not what the "
        "simulator knows to be right.",
    )
    add_out(parser, "of film, images, chunks and the nodes' logs", "demo")
    add_model(parser)
    add_option(parser, "--record", "BAG", Path, "record the robot that carries it out")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask all there is to ask, then let the robot do something; 1 if any of it went wrong."""
    from vlam_ros.lab.bags.writer import check_free
    from vlam_ros.lab.live.node_process import private_domain

    if options.record:  # before anything is started for it
        check_free(options.record)
    # Before ROS reads them; the nodes' processes inherit them.
    os.environ.update(private_domain(os.environ))
    from vlam_ros.lab.demo import run_demo

    return run_demo(options.out, options.model, options.record)
