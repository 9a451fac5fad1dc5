"""`vlam evaluate tasks`: hundreds of episodes in which the robot carries out what it is told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser, positive
from vlam_ros.errors import ConfigurationError

VARIANTS = ("vlam", "ensemble", "baseline")


def add_parser(subjects: Subparsers) -> None:
    """Add `vlam evaluate tasks`."""
    parser = command_parser(
        subjects,
        "tasks",
        "let the robot carry out instructions in simulation",
        "vlam evaluate tasks --episodes 200 --control 100 --seed 5000000 --out evaluation",
        "Run episodes in which a simulated robot carries out instructions, and episodes whose "
        "instructions it must refuse, judged by the simulator's truth. What is in --out already is "
        "not run again. The exit code is 1 if a gate is missed.",
    )
    parser.add_argument(
        "--episodes", type=positive, default=20, metavar="N", help="that can be done (%(default)s)"
    )
    parser.add_argument(
        "--control",
        type=int,
        metavar="N",
        help="that must be refused (half as many as can be done)",
    )
    parser.add_argument(
        "--seed", type=int, default=1_000_000, metavar="S", help="of the first (%(default)s)"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=["vlam"],
        help="what runs them: the pipeline, the same with temporal ensembling, or CLIPSeg's "
        "highest pixel (vlam)",
    )
    parser.add_argument(
        "--ros",
        action="store_true",
        help="run the nodes themselves over ROS 2 topics, one episode after another, in place of "
        "--variants",
    )
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="with --ros: a bag of each episode, in here"
    )
    add_model(parser)
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="processes (%(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="of records, figures and the page (%(default)s)",
    )
    parser.add_argument(
        "--report", action="store_true", help="only report on what was run, by all variants"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run what was not run yet, and report on all; 1 if a gate was missed."""
    if options.record and not options.ros:
        raise ConfigurationError("--record is of episodes over topics: add --ros")
    from vlam_ros.lab.evaluation.task_figures import figures_of
    from vlam_ros.lab.evaluation.task_runs import Job, Variant, film_strip, records, run_all
    from vlam_ros.lab.report.task_page import failures_of, task_page
    from vlam_ros.resources import write_file

    control = options.episodes // 2 if options.control is None else options.control
    jobs = [
        Job(Variant(variant), options.seed + index, of_control, options.model, options.out)
        for variant in _variants(options)
        for of_control, count in ((False, options.episodes), (True, control))
        for index in range(count)
    ]
    if options.ros and not options.report:
        from vlam_ros.lab.live.run_mission import run_over_ros

        run_over_ros(jobs, options.model, options.out / "logs", record=options.record)
    elif not options.report:
        run_all(jobs, options.workers)
    found = {variant.value: those for variant, those in records(jobs).items()}
    figures = figures_of(found, {"model": options.model, "first seed": options.seed})
    failures = failures_of(found, lambda variant, record: film_strip(options.out, variant, record))
    write_file(options.out / "figures.json", figures.to_json().encode())
    write_file(options.out / "figures.md", figures.to_markdown().encode())
    write_file(options.out / "index.html", task_page(figures, failures).encode())
    print(figures.to_markdown(), end="")
    return 0 if figures.passed else 1


def _variants(options: argparse.Namespace) -> Sequence[str]:
    if options.report:
        return (*VARIANTS, "ros")
    return ["ros"] if options.ros else options.variants
