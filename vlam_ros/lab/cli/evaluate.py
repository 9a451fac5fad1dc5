"""`vlam evaluate`: the measured figures behind docs/."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser, positive
from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.cli.options import add_choice, add_flag, add_option, add_out

if TYPE_CHECKING:
    from vlam_ros.lab.evaluation.report import Report

VARIANTS = ("vlam", "ensemble", "baseline")


def add_parser(commands: Subparsers) -> None:
    subjects = commands.add_parser("evaluate", help="measure how good it is").add_subparsers(
        dest="subject", required=True, metavar="SUBJECT"
    )
    model = command_parser(
        subjects,
        "model",
        "measure a checkpoint on held-out scenes and sentences",
        "vlam evaluate model --model trained --json figures.json --markdown figures.md",
        "Measure a checkpoint on held-out scenes and sentences. The exit code is 1 if it misses a "
        "gate.",
    )
    add_model(model)
    add_common(model, 500)
    model.add_argument(
        "--generators",
        nargs="*",
        metavar="NAME",
        default=["unseen"],
        help="what else draws half as many images: unseen, household, … (unseen)",
    )
    model.set_defaults(run=run_model)
    fusion = command_parser(
        subjects,
        "fusion",
        "measure projection, deskew, attitude and positions",
        "vlam evaluate fusion --scenes 50 --markdown figures.md",
        "Measure what LiDAR and IMU are good for, against closed forms, OpenCV and the simulator's "
        "truth. The exit code is 1 if a gate is missed.",
    )
    add_common(fusion, 200)
    fusion.set_defaults(run=run_fusion)
    degradation = command_parser(
        subjects,
        "degradation",
        "let every sensor fail in every way",
        "vlam evaluate degradation --markdown figures.md",
        "Run fusion_node and vlam_node on a simulated robot while one sensor after another fails, "
        "over real topics. The exit code is 1 if the robot does not do what it is designed to.",
    )
    add_common(degradation)
    degradation.set_defaults(run=run_degradation)
    _add_tasks(subjects)


VERIFY = ("enforce", "report", "off")


def _add_tasks(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "tasks",
        "let the robot carry out instructions in simulation",
        "vlam evaluate tasks --episodes 200 --control 100 --seed 5000000 --out evaluation",
        "Run episodes in which a simulated robot carries out instructions, and episodes whose "
        "instructions it must refuse, judged by the simulator's truth. What is in --out already is "
        "not run again. The exit code is 1 if a gate is missed.",
    )
    add_option(parser, "--episodes", "N", positive, "that can be done", 20)
    refused = "that must be refused (half as many as can be done)"
    parser.add_argument("--control", type=int, metavar="N", help=refused)
    add_option(parser, "--seed", "S", int, "of the first", 1_000_000)
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=["vlam"],
        help="what runs them: the pipeline, the same with temporal ensembling, or CLIPSeg's "
        "highest pixel (vlam)",
    )
    text = (
        "run the nodes themselves over ROS 2 topics, one episode after another, in place of "
        "--variants"
    )
    add_flag(parser, "--ros", text)
    add_option(parser, "--record", "DIR", Path, "with --ros: a bag of each episode, in here")
    add_model(parser)
    add_option(parser, "--policy", "NAME", str, "a kind, or the folder of a trained one", "skills")
    add_choice(parser, "--verify", VERIFY, "what becomes of what the gate refuses", VERIFY[0])
    add_option(parser, "--workers", "N", positive, "processes", 2)
    add_out(parser, "of records, figures and the page", "evaluation")
    add_flag(parser, "--report", "only report on what was run, by all variants")
    parser.set_defaults(run=run_tasks)


def add_common(parser: argparse.ArgumentParser, scenes: int = 0) -> None:
    """Add --json, --markdown and, where there is a default, --scenes."""
    if scenes:
        add_option(parser, "--scenes", "N", positive, "of the test", scenes)
    add_option(parser, "--json", "FILE", Path, "write all figures")
    add_option(parser, "--markdown", "FILE", Path, "write the table")


def run_model(options: argparse.Namespace) -> int:
    """Measure a checkpoint; 1 if a gate was missed."""
    from vlam_ros.lab.evaluation.model import evaluate_model

    return tell(evaluate_model(options.model, options.scenes, options.generators), options)


def run_fusion(options: argparse.Namespace) -> int:
    """Measure fusion; 1 if a gate was missed."""
    from vlam_ros.lab.evaluation.fusion import evaluate_fusion

    return tell(evaluate_fusion(options.scenes), options)


def run_degradation(options: argparse.Namespace) -> int:
    """Let sensors fail; 1 if the robot did not do what it is designed to."""
    from vlam_ros.lab.live.degradation import evaluate_degradation

    return tell(evaluate_degradation(), options)


def run_tasks(options: argparse.Namespace) -> int:
    """Run what was not run yet, and report on all; 1 if a gate was missed."""
    if options.record and not options.ros:
        raise ConfigurationError("--record is of episodes over topics: add --ros")
    if options.ros and (options.policy, options.verify) != ("skills", VERIFY[0]):
        raise ConfigurationError("--policy and --verify are of episodes in one process: no --ros")
    from vlam_ros.lab.evaluation.task_figures import figures_of
    from vlam_ros.lab.evaluation.task_runs import EpisodeJob, Variant, film_strip, records, run_all
    from vlam_ros.lab.report.task_page import failures_of, task_page
    from vlam_ros.resources import write_file

    control = options.episodes // 2 if options.control is None else options.control
    jobs = [
        EpisodeJob(
            Variant(variant),
            options.seed + index,
            of_control,
            options.model,
            options.out,
            options.policy,
            options.verify,
        )
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


def tell(report: Report, options: argparse.Namespace) -> int:
    """Show the table and write what is asked for; 1 if a gate was missed."""
    from vlam_ros.resources import write_file

    print(report.to_markdown(), end="")
    if options.json:
        write_file(options.json, report.to_json().encode())
    if options.markdown:
        write_file(options.markdown, report.to_markdown().encode())
    return 0 if report.passed else 1
