"""`vlam bench`: how fast an image becomes masks and a chunk."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, positive, positive_number
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.cli.options import add_option

if TYPE_CHECKING:
    from vlam_ros.lab.evaluation.report import Metric
    from vlam_ros.lab.evaluation.speed.race import Lap

NODE_IMAGES = 200
"""Of each size, to each of the two nodes."""
DECISIONS = 20
"""Of a learned policy, for each image of a race."""
PARTS = ("embedded", "rd64", "tokenizer", "node", "load")


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "bench",
        "measure how fast it is",
        "vlam bench --only embedded tokenizer --images 10 --markdown figures.md",
        "Race this package on every backend against Hugging Face, prompt by prompt and with all "
        "prompts as one batch, on the same weights and images, on the CPU; measure the "
        "tokenizer, what vlam_node adds to a bare hop from topic to topic, and the age of images "
        "under load. The exit code is 1 if a target is missed.",
    )
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, default=list(PARTS), help="what is measured (all)"
    )
    text = "folder of a learned policy whose decisions are timed, on 20 times as many images"
    add_option(parser, "--policy", "POLICY", str, text)
    add_option(parser, "--images", "N", positive, "of each race", 7)
    add_option(parser, "--seconds", "S", positive_number, "of each phase under load", 60.0)
    add_common(parser)
    add_option(parser, "--plot", "FILE", Path, "write the races as a PNG")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure; 1 if a target was missed."""
    from vlam_ros.lab.evaluation.report import Report
    from vlam_ros.lab.evaluation.speed import perception
    from vlam_ros.lab.evaluation.speed.load import measure_load
    from vlam_ros.lab.evaluation.speed.node import measure_node
    from vlam_ros.lab.evaluation.speed.policy import policy_rows
    from vlam_ros.lab.evaluation.speed.race import chart
    from vlam_ros.lab.evaluation.speed.subjects import NAMES, images, subject
    from vlam_ros.resources import write_file

    laps: list[Lap] = []
    rows: list[Metric] = []
    remarks: list[str] = []
    raced = [name for name in NAMES if name in options.only]
    seen = images(options.images) if raced else []
    for name in raced:
        with subject(name) as it:
            measured = perception.measure(it, seen)
        laps += measured.laps
        rows += measured.rows
        remarks += measured.remarks
    if "tokenizer" in options.only:
        rows += perception.tokenizer_rows()
    if "node" in options.only:
        rows += measure_node(NODE_IMAGES)
    if "load" in options.only:
        rows += measure_load(options.seconds)
    if options.policy:
        rows += policy_rows(options.policy, DECISIONS * options.images)
    made_with = {**perception.machine(), "images": options.images}
    if options.plot and laps:
        write_file(options.plot, chart(laps))
    return tell(Report(tuple(rows), made_with, tuple(remarks)), options)
