"""`vlam record`: what a robot's nodes are told and tell, as a bag."""

from __future__ import annotations

import argparse
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, positive_number
from vlam_ros.errors import BagError
from vlam_ros.lab.cli.options import add_choice, add_flag, add_option

if TYPE_CHECKING:
    from vlam_ros.lab.bags.recorder import Recorder
    from vlam_ros.lab.report.table import Table


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "record",
        "record a robot's inputs and decisions as a bag",
        "vlam record --out drive",
        "Record until Ctrl-C, or for some seconds. The bag is whole or not there, holds the "
        "definitions of all messages, and is read by vlam replay and by ros2 bag.",
    )
    text = "what is recorded (what our nodes are told and tell, tf and diagnostics)"
    add_option(parser, "topics", "TOPIC", str, text, nargs="*")
    add_option(parser, "--out", "BAG", Path, "folder of the bag", required=True)
    add_option(parser, "--namespace", "NS", str, "of topics without a /", "")
    add_choice(parser, "--storage", ("mcap", "sqlite3"), "the format", "mcap")
    add_flag(parser, "--no-compression", "write messages as they are")
    add_option(parser, "--seconds", "S", positive_number, "end after so long")
    parser.add_argument(
        "--use-sim-time",
        action=argparse.BooleanOptionalAction,
        help="messages come at the time of /clock (if there is one)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from vlam_ros.interface import RECORDED
    from vlam_ros.lab.bags import BagWriter
    from vlam_ros.lab.bags.recorder import Recorder, in_namespace

    topics = in_namespace(options.topics or RECORDED, options.namespace)
    with (
        BagWriter(options.out, options.storage, not options.no_compression) as writer,
        _signals() as ended,
        Recorder(writer, topics, options.use_sim_time, _tell) as recorder,
    ):
        _tell(f"recording into {options.out}, until Ctrl-C:")
        end = time.monotonic() + (options.seconds or math.inf)
        recorder.record(lambda: not ended and time.monotonic() < end)
        if not recorder.counts:
            raise BagError(_why_nothing(recorder))
        writer.close()
    recorded_table(options.out, recorder).print_to(Console(highlight=False, markup=False))
    return 0


def recorded_table(path: Path, recorder: Recorder) -> Table:
    """The topics of a bag, with what is missing from it and how to replay it."""
    from vlam_ros.lab.report.table import Table

    notes = list(recorder.left_out.values())
    if recorder.jumped:
        notes.append(
            "/clock jumped back: the bag ends there; with --no-use-sim-time it would go on"
        )
    if recorder.apart:
        notes.append(
            f"{', '.join(sorted(recorder.apart))}: not stamped by the bag's clock (a simulation "
            "without /clock?): vlam replay goes by the stamps, replay.launch.py cannot"
        )
    return Table(
        f"{path}: {sum(recorder.counts.values())} messages",
        ("topic", "type", "messages", "lost"),
        tuple(
            (topic, kind, str(recorder.counts[topic]), str(recorder.lost[topic]))
            for topic, kind in sorted(recorder.kinds.items())
        ),
        (*notes, f"vlam replay {path}"),
    )


def _why_nothing(recorder: Recorder) -> str:
    if recorder.left_out:
        return f"nothing was recorded: {'; '.join(recorder.left_out.values())}"
    if recorder.kinds:
        return f"nothing was recorded: nothing came on {', '.join(sorted(recorder.kinds))}"
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    return f"nothing was recorded: in ROS domain {domain} nobody publishes any of its topics"


def _tell(line: str) -> None:
    # At once, also into a file: another program may wait for it.
    print(line, flush=True)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The SIGINT and SIGTERM that came. A second one must not cost the bag either."""
    came: list[int] = []
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda number, frame: came.append(number))
            stack.callback(signal.signal, number, before)
        yield came
