"""`vlam replay`: bags as regression tests: what would the robot decide on them now?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, positive, positive_number
from vlam_ros.errors import ReplayError
from vlam_ros.lab.cli.options import add_flag, add_option

if TYPE_CHECKING:
    from rich.console import Console

    from vlam_ros.lab.replay.job import BagResult, Progress, ReplayJob, ReplayResult
    from vlam_ros.lab.replay.reports import Reports

PASSED_OVER, NOT_REPLAYED = 1, 2
"""Exit codes: thresholds were passed over; a bag could not be replayed."""


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "replay",
        "decide again on recorded bags, and compare",
        "vlam replay drive.mcap --instruction 'go to the red cup' --map image:=/front/image_raw",
        "Decide on what a bag holds: images, LiDAR, IMU, odometry, tf and instructions of any "
        "robot, in this process and the same every time. The report is a page. The exit code is 1 "
        "if a threshold is passed over, 2 if a bag cannot be replayed.",
    )
    add_option(parser, "bags", "BAG", Path, "bag, folder of bags, or list of them", nargs="+")
    decide = parser.add_argument_group("what is decided on")
    text = "in place of the bag's own, at its time in the bag; may be given again"
    add_option(decide, "--instruction", "[SECONDS:]TEXT", str, text, [], action="append")
    text = "as image:=/camera/color/image_raw; what is not mapped is found by name or type"
    add_option(decide, "--map", "ROLE:=TOPIC", str, text, [], action="append")
    add_option(decide, "--model", "NAME", str, "'embedded', a folder or a hub id")
    add_option(decide, "--params", "FILE", Path, "ROS parameter file")
    text = "seconds from one decision to the next (0.4), 0: every image"
    add_option(decide, "--period", "S", float, text)
    text = "decide anew also where the bag says what its own decisions were made on"
    add_flag(decide, "--redecide", text)
    compare = parser.add_argument_group("what it is compared with")
    text = "what --save wrote; of many bags the folder (the bag's own decisions, if it has any)"
    add_option(compare, "--baseline", "FILE", Path, text)
    add_option(compare, "--thresholds", "FILE", Path, "what may differ (with --baseline: nothing)")
    add_option(compare, "--save", "FILE", Path, "write the decisions; of many bags a folder")
    add_option(compare, "--out", "DIR", Path, "of reports", Path("replay"))
    many = parser.add_argument_group("many bags")
    add_option(many, "--workers", "N", positive, "processes (one for every two cores)")
    text = "on a Ray cluster ('auto': the one of this machine, 'local': start one)"
    add_option(many, "--ray", "ADDRESS", str, text, nargs="?", const="auto")
    ros = parser.add_argument_group("over topics")
    add_flag(ros, "--ros", "through the nodes themselves, over ROS 2 topics")
    pace = ros.add_mutually_exclusive_group()
    add_option(pace, "--rate", "R", positive_number, "times as fast as recorded (1)")
    add_flag(pace, "--fast", "as fast as decisions are made")
    add_option(ros, "--loop", "N", positive, "play it so many times (1)")
    add_option(ros, "--record", "BAG", Path, "what the nodes said, as a bag")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from vlam_ros.lab.bags import find_bags
    from vlam_ros.lab.replay.reports import Reports

    _check(options)
    jobs = jobs_of([bag for path in options.bags for bag in find_bags(path)], options)
    if options.record and len(jobs) > 1:
        raise ReplayError(f"--record keeps one bag, got {len(jobs)} to play: play one")
    reports = Reports(options.out, options.save, many=len(jobs) > 1)
    if len(jobs) == 1:
        _run_one(jobs[0], options, reports)
    else:
        _run_many(jobs, options, reports)
    reports.close()
    console = Console(highlight=False, markup=False)
    for table in reports.tables:
        table.print_to(console)
    if reports.verdict:
        console.print(reports.verdict, style="bold")
    for path in reports.written:
        console.print(f"wrote {path}", style="dim")
    if any(row.error for row in reports.rows):
        return NOT_REPLAYED
    return PASSED_OVER if any(row.exceeded for row in reports.rows) else 0


def jobs_of(bags: Sequence[Path], options: argparse.Namespace) -> list[ReplayJob]:
    """What is to be done with each bag.

    Raises:
        ReplayError: an instruction, a mapping or a threshold is none.
        ConfigurationError: a parameter is wrong.
    """
    from vlam_ros.configuration import FusionNodeSettings, Settings
    from vlam_ros.lab.replay.job import ReplayJob
    from vlam_ros.lab.replay.offline import ReplayOptions
    from vlam_ros.lab.replay.reports import file_of
    from vlam_ros.lab.replay.roles import parse_mapping
    from vlam_ros.lab.replay.thresholds import Thresholds
    from vlam_ros.lab.replay.timed import parse_script

    how = ReplayOptions(
        dict(map(parse_mapping, options.map)),
        parse_script(options.instruction),
        redecide=options.redecide,
    )
    if options.period is not None:
        how = replace(how, period=options.period)
    model = {"model__name_or_path": options.model} if options.model else {}
    settings = Settings.over_defaults(options.params, **model)
    fusion = FusionNodeSettings.over_defaults(options.params)
    thresholds = None
    if options.thresholds or options.baseline:
        thresholds = Thresholds.load(options.thresholds)
    many = len(bags) > 1
    return [
        ReplayJob(
            bag,
            name,
            how,
            settings,
            fusion,
            baseline=file_of(options.baseline, name, many) if options.baseline else None,
            thresholds=thresholds,
        )
        for bag, name in zip(bags, names_of(bags), strict=True)
    ]


def names_of(bags: Sequence[Path]) -> list[str]:
    """What the bags' reports are called: as the bags, and where some are called the same, with the
    names of the folders above them.
    """
    parts = [bag.resolve().with_suffix("").parts[1:] for bag in bags]
    names = [own[-1] for own in parts]
    for depth in range(2, max(map(len, parts)) + 1):
        same = [i for i, name in enumerate(names) if names.count(name) > 1]
        for i in same:
            names[i] = "-".join(parts[i][-depth:])
    return [name if names.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(names)]


def _check(options: argparse.Namespace) -> None:
    """Raises ReplayError for options that do not go together."""
    live = {"rate": options.rate, "loop": options.loop, "record": options.record}
    if not options.ros and (given := [name for name, value in live.items() if value is not None]):
        raise ReplayError(f"--{given[0]} is of a replay over topics: add --ros")
    if options.ros and (options.ray is not None or options.workers):
        raise ReplayError("--ros takes one bag after the other: leave --workers and --ray out")


def _run_one(job: ReplayJob, options: argparse.Namespace, reports: Reports) -> None:
    from rich.progress import Progress

    with Progress(console=_errors(), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        show = partial(bar.update, task, description="deciding", total=1.0)
        reports.add(job, _replay_one(job, options, lambda done: show(completed=done)))


def _run_many(jobs: Sequence[ReplayJob], options: argparse.Namespace, reports: Reports) -> None:
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=_errors(), transient=True) as bar:
        task = bar.add_task("bags", total=len(jobs))
        for job, answer in _answers(jobs, options):
            reports.add(job, answer)
            bar.update(task, advance=1)


def _answers(
    jobs: Sequence[ReplayJob], options: argparse.Namespace
) -> Iterable[tuple[ReplayJob, BagResult]]:
    from vlam_ros.lab.replay.job import attempt, replay_on_cores, replay_on_ray

    if options.ros:
        return ((job, attempt(job, partial(_replay_one, options=options))) for job in jobs)
    if options.ray is not None:
        return replay_on_ray(jobs, options.ray)
    return replay_on_cores(jobs, options.workers or max(1, (os.cpu_count() or 1) // 2))


def _replay_one(
    job: ReplayJob, options: argparse.Namespace, progress: Progress = lambda done: None
) -> ReplayResult:
    if options.ros:
        from vlam_ros.lab.replay.over_topics import Playback, replay_bag_over_ros

        playback = Playback(None if options.fast else options.rate or 1.0, options.loop or 1)
        logs = options.out / "logs"
        return replay_bag_over_ros(job, playback, options.record, logs, progress)
    from vlam_ros.lab.replay.job import replay_bag

    return replay_bag(job, progress)


def _errors() -> Console:
    from rich.console import Console

    return Console(stderr=True)
