"""`vlam data`: data sets to learn from, of bags, of others' images and of simulation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import (
    Subparsers,
    add_model,
    command_parser,
    positive,
    positive_number,
)
from vlam_ros.errors import LearningError
from vlam_ros.lab.cli.options import add_choice, add_flag, add_option

if TYPE_CHECKING:
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.training.data.writer import DatasetWriter
    from vlam_ros.perception.perceiver import Perceiver

SPLITS = ("train", "validation", "test")
SCENES = ("folder", "prefix", "image")
NOT_WHOLE = 1
"""Exit code of `vlam data check` when images cannot be read."""


def add_parser(commands: Subparsers) -> None:
    kinds = commands.add_parser("data", help="make and check data sets").add_subparsers(
        dest="kind", required=True, metavar="KIND"
    )
    for add in (
        _add_bag,
        _add_folder,
        _add_simulation,
        _add_check,
        _add_accept,
        _add_demos,
        _add_driven,
        _add_questions,
    ):
        add(kinds)


def _add_bag(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "from-bag",
        "frames of a bag, with the pipeline's masks as proposals",
        "vlam data from-bag drive.mcap --phrases 'red cup' 'green box' --out cups",
        "Add frames of a bag to a data set, with what the pipeline sees in them. Correct that in "
        "any tool for COCO annotations, then read it back with `vlam data accept`.",
    )
    parser.add_argument("bag", type=Path, metavar="BAG")
    text = "what to look for; by default what the bag's instructions talk about"
    add_option(parser, "--phrases", "PHRASE", str, text, [], nargs="+")
    add_option(parser, "--frames", "N", positive, "at most", 100)
    add_option(parser, "--map", "ROLE:=TOPIC", str, "as in `vlam replay`", [], action="append")
    add_option(parser, "--model", "NAME", str, "'embedded', a folder or a hub id")
    add_option(parser, "--params", "FILE", Path, "ROS parameter file")
    add_flag(parser, "--no-proposals", "images alone, for objects it does not know")
    _add_out(parser)
    parser.set_defaults(run=run_bag)


def _add_folder(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "from-folder",
        "images with masks and captions in COCO format",
        "vlam data from-folder images --annotations instances.json captions.json --out kitchen",
        "Add images that were annotated with another tool; what cannot be used is left out "
        "and said.",
    )
    add_option(parser, "images", "IMAGES", Path, "the folder of the images")
    add_option(parser, "--annotations", "FILE", Path, "COCO's JSON", nargs="+", required=True)
    text = "what images of a scene share: folder, prefix of their name, or nothing"
    add_choice(parser, "--scenes", SCENES, text)
    add_choice(parser, "--split", SPLITS, "for all; else by scene")
    _add_out(parser)
    parser.set_defaults(run=run_folder)


def _add_simulation(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "from-simulation",
        "simulated scenes with exact masks",
        "vlam data from-simulation --extra --train 50 --validation 25 --test 100 --out rings",
        "Render scenes of the embedded simulation. With --extra each holds an object that the "
        "embedded model has never seen: ring, star, cross, wedge and arch take turns.",
    )
    for split, count in zip(SPLITS, (100, 20, 20), strict=True):
        add_option(parser, f"--{split}", "N", _count, "scenes", count)
    add_flag(parser, "--extra", "with objects never seen")
    _add_out(parser)
    parser.set_defaults(run=run_simulation)


def _add_check(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "check",
        "read every image of a data set and count",
        "vlam data check cups",
        "Read every image and mask, compare the hashes and say what is in the splits. The exit "
        "code is 1 if an image cannot be read.",
    )
    parser.add_argument("folder", type=Path, metavar="DATASET")
    parser.set_defaults(run=run_check)


def _add_accept(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "accept",
        "take corrected proposals for true",
        "vlam data accept cups instances_corrected.json",
        "Read back what was corrected. Images are known by their files' names. Without a file, "
        "all proposals are taken as they are.",
    )
    parser.add_argument("folder", type=Path, metavar="DATASET")
    add_option(parser, "corrected", "FILE", Path, "COCO's JSON", nargs="*")
    parser.set_defaults(run=run_accept)


def _add_demos(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "demos",
        "demonstrations by an expert that knows the simulator's truth",
        "vlam data demos --episodes 600 --control 300 --seed 20000000 --out demos",
        "Run episodes of the tasks, and of those that must be refused, in which an expert acts "
        "that knows where everything is. With --driver a policy acts, and the expert says what it "
        "would have done (DAgger). What is in --out already is not run again.",
    )
    add_option(parser, "--episodes", "N", _count, "that can be done", 20)
    add_option(parser, "--control", "N", _count, "that must be refused", 10)
    text = "of both, of which only what is done first is shown, about several things of the room"
    add_option(parser, "--starts", "N", _count, text, 0)
    text = "of both, shown without images, where nobody has to look for the things of the room"
    add_option(parser, "--blind", "N", _count, text, 0)
    add_option(parser, "--seed", "S", int, "of the first", 20_000_000)
    add_option(parser, "--driver", "POLICY", str, "folder of the policy that acts")
    add_option(parser, "--bags", "DIR", Path, "record each episode as a bag, too")
    add_model(parser)
    add_option(parser, "--workers", "N", positive, "processes", 2)
    _add_out(parser)
    parser.set_defaults(run=run_demos)


def _add_driven(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "demos-from-bag",
        "demonstrations of a robot that was driven while a bag was recorded",
        "vlam data demos-from-bag kitchen.mcap --instruction 'go to the red cup' --out demos",
        "Read images, odometry and instructions of bags: where the robot went after it was told "
        "something is what a policy learns to do. Of arms odometry says nothing.",
    )
    parser.add_argument("bags", type=Path, nargs="+", metavar="BAG")
    text = "what the robot was told, and when, in place of the bag's instructions"
    add_option(parser, "--instruction", "[SECONDS:]TEXT", str, text, [], action="append")
    add_option(parser, "--map", "ROLE:=TOPIC", str, "as in `vlam replay`", [], action="append")
    add_option(parser, "--period", "S", positive_number, "from one decision to the next", 0.4)
    add_option(parser, "--params", "FILE", Path, "ROS parameter file")
    add_option(parser, "--model", "NAME", str, "'embedded', a folder or a hub id")
    _add_out(parser)
    parser.set_defaults(run=run_driven)


def _add_questions(kinds: Subparsers) -> None:
    parser = command_parser(
        kinds,
        "questions",
        "questions about generated images, for a policy to answer beside acting",
        "vlam data questions --images rooms=1000 procedural=1000 --out questions",
        "Ask about images of the generators: what colour, whether there is one, how many, where, "
        "and what there is. Give the folder to `vlam train policy` among the demonstrations: a "
        "third of each batch is of it.",
    )
    text = "how many images of which generator"
    add_option(parser, "--images", "NAME=N", _image_count, text, nargs="+", required=True)
    add_choice(parser, "--split", SPLITS[:2], "of the images", SPLITS[0])
    add_model(parser)
    _add_out(parser)
    parser.set_defaults(run=run_questions)


def _image_count(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    return name, positive(count)


def _add_out(parser: argparse.ArgumentParser) -> None:
    add_option(parser, "--out", "DATASET", Path, "a folder, or one to add to", required=True)


def run_bag(options: argparse.Namespace) -> int:
    from vlam_ros.lab.replay.roles import parse_mapping
    from vlam_ros.lab.training.data.from_bag import add_bag

    mapping = dict(parse_mapping(text) for text in options.map)
    with _writer(options) as writer:
        perceiver = None if options.no_proposals else _perceiver(options)
        phrases = [" ".join(p.lower().split()) for p in options.phrases]
        add_bag(writer, options.bag, perceiver, phrases, mapping, options.frames)
    return _report(writer)


def run_demos(options: argparse.Namespace) -> int:
    from vlam_ros.configuration import Settings
    from vlam_ros.lab.evaluation.task_runs import policy_settings
    from vlam_ros.lab.training.policy.demonstrations import ShardKind, demonstrate

    driver = policy_settings(options.driver) if options.driver else {}
    settings = Settings.load(model__name_or_path=options.model, **driver)
    demonstrate(
        options.out,
        settings,
        options.seed,
        {
            ShardKind.TASKS: options.episodes,
            ShardKind.CONTROL: options.control,
            ShardKind.STARTS: options.starts,
            ShardKind.BLIND: options.blind,
        },
        options.workers,
        options.bags,
    )
    return 0


def run_driven(options: argparse.Namespace) -> int:
    from vlam_ros.configuration import FusionNodeSettings, Settings
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.replay.offline import ReplayOptions
    from vlam_ros.lab.replay.roles import parse_mapping
    from vlam_ros.lab.replay.timed import parse_script
    from vlam_ros.lab.training.policy.driven import demonstrate_bag
    from vlam_ros.perception.clipseg import ClipsegGrounder

    model = {"model__name_or_path": options.model} if options.model else {}
    settings = Settings.over_defaults(options.params, **model)
    fusion = FusionNodeSettings.over_defaults(options.params)
    grounder = ClipsegGrounder.from_pretrained(settings.model.name_or_path, "cpu", "float32")
    replay = ReplayOptions(
        dict(parse_mapping(text) for text in options.map),
        parse_script(options.instruction),
        options.period,
    )
    for path in options.bags:
        notes = Notes()
        count = demonstrate_bag(path, options.out, (settings, fusion), grounder, replay, notes)
        print(f"{path}: {count} decisions")
        for line in notes.lines:
            print(f"  {line}")
    return 0


def run_questions(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.policy.questions import ask_about
    from vlam_ros.perception.clipseg import ClipsegGrounder

    grounder = ClipsegGrounder.from_pretrained(options.model, "cpu", "float32")
    ask_about(options.out, dict(options.images), options.split, grounder)
    return 0


def run_folder(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.data.imported import import_coco

    if not options.images.is_dir():
        raise LearningError(f"{options.images} is no folder of images")
    with _writer(options) as writer:
        import_coco(writer, options.images, options.annotations, options.scenes, options.split)
    return _report(writer)


def run_simulation(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.data.simulated import add_simulated

    with _writer(options) as writer:
        counts = {split: getattr(options, split) for split in SPLITS}
        add_simulated(writer, counts, options.extra)
    return _report(writer)


def run_check(options: argparse.Namespace) -> int:
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.training.data.dataset import summarise

    notes, broken = Notes(), 0
    for part in summarise(options.folder, notes):
        broken += part.broken
        print(
            f"{part.split:<11} {part.images} images of {part.scenes} scenes, "
            f"{part.proposals} to correct, {part.broken} broken"
        )
        for phrase, count in part.masks.items():
            print(f"  {phrase:<20} in {count}")
    _tell(notes)
    return NOT_WHOLE if broken else 0


def run_accept(options: argparse.Namespace) -> int:
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.training.data.imported import accept

    notes = Notes()
    count = accept(options.folder, options.corrected, notes)
    _tell(notes)
    print(f"{count} images of {options.folder} are corrected")
    return 0


def _writer(options: argparse.Namespace) -> DatasetWriter:
    from vlam_ros.lab.training.data.writer import DatasetWriter

    return DatasetWriter(options.out, f"vlam data {options.kind}")


def _perceiver(options: argparse.Namespace) -> Perceiver:
    """The pipeline's eyes, as a node would have them."""
    from vlam_ros.configuration import Settings
    from vlam_ros.pipeline import Pipeline

    given = {} if options.model is None else {"model__name_or_path": options.model}
    return Pipeline.from_settings(Settings.over_defaults(options.params, **given)).perceiver


def _report(writer: DatasetWriter) -> int:
    """Say what is there now, and what was left out."""
    _tell(writer.notes)
    splits = writer.splits
    counts = ", ".join(f"{len(images)} {split}" for split, images in splits.items())
    print(f"added {writer.added} images to {writer.folder}: now {counts}")
    waiting = sum(p.awaits_correction for images in splits.values() for p in images)
    if waiting:
        print(
            f"{waiting} await correction: open {writer.folder}/*.json with images/ in a tool for "
            f"COCO annotations, then `vlam data accept {writer.folder} FILE`"
        )
    for split, images in splits.items():
        if not images:
            print(f"no scene is for {split} yet: scenes are shared out by their names")
    return 0


def _tell(notes: Notes) -> None:
    for line in notes.lines:
        print(f"note: {line}")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {number}")
    return number
