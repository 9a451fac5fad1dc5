"""`vlam record`: what a robot's nodes are told and tell, as a bag."""

from __future__ import annotations

import argparse
import math
import signal
import time
from pathlib import Path
from types import FrameType

from vlam_ros.cli.arguments import Subparsers, command_parser, positive_number


def add_parser(commands: Subparsers) -> None:
    """Add `vlam record`."""
    parser = command_parser(
        commands,
        "record",
        "record a robot's inputs and decisions as a bag",
        "vlam record --out drive.mcap",
        "Record until Ctrl-C, or for some seconds. The bag is whole or not there, holds the "
        "definitions of all messages, and is read by vlam replay and by ros2 bag.",
    )
    parser.add_argument(
        "topics",
        nargs="*",
        metavar="TOPIC",
        help="full names (what our nodes are told and tell, and tf)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="folder of the bag")
    parser.add_argument("--namespace", default="", metavar="NAME", help="of the robot")
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap")
    parser.add_argument("--no-compression", action="store_true", help="write messages as they are")
    parser.add_argument("--seconds", type=positive_number, metavar="S", help="end after so long")
    parser.add_argument(
        "--use-sim-time", action="store_true", help="messages come at /clock's time"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record, and show what there is."""
    from rich.console import Console
    from rich.table import Table

    from vlam_ros.bags import BagWriter
    from vlam_ros.ros.recorder import Recorder, topics_of

    console = Console(highlight=False, markup=False)
    topics = options.topics or topics_of(options.namespace)
    ended: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        ended.append(number)

    end = time.monotonic() + (options.seconds or math.inf)
    with BagWriter(options.out, options.storage, not options.no_compression) as writer:
        # A second signal must not cost the bag either, so they are only counted.
        before = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                Recorder(writer, topics, options.use_sim_time) as recorder,
                console.status("waiting for topics") as status,
            ):

                def goes_on() -> bool:
                    count = sum(recorder.counts.values())
                    status.update(f"recording {options.out}: {count} messages, Ctrl-C ends it")
                    return not ended and time.monotonic() < end

                recorder.record(goes_on)
            writer.close()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    table = Table("topic", "type", "messages")
    for topic, kind in sorted(recorder.kinds.items()):
        table.add_row(topic, kind, str(recorder.counts[topic]))
    console.print(table)
    for why in recorder.left_out.values():
        console.print(f"left out: {why}", style="yellow")
    console.print(f"wrote {options.out}; replay it with: vlam replay {options.out}", style="dim")
    return 0
