"""`vlam calibrate`: chooses the thresholds of a checkpoint and keeps them beside it, or beside a
copy of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, positive
from vlam_ros.errors import ModelError
from vlam_ros.lab.cli.options import add_option

if TYPE_CHECKING:
    from vlam_ros.lab.evaluation.own_views import OwnViews


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "calibrate",
        "choose the thresholds of a checkpoint",
        "vlam calibrate ~/models/clipseg-rd64-refined --bag drive.mcap "
        "--absent 'red cup' 'blue box' --present chair",
        "Choose the thresholds of a checkpoint on simulated validation scenes, on validation "
        "images of data sets, or on a drive of one's own robot past things that are not there, and "
        "write them to its calibration.json. A run that was stopped goes on where it was.",
    )
    text = "a checkpoint's folder; with --out also 'embedded' or a hub id"
    add_option(parser, "model", "MODEL_FOLDER", str, text)
    add_option(parser, "--scenes", "N", positive, "or images, to look at", 300)
    text = "whose validation images are looked at in turn with the scenes: procedural, household"
    add_option(parser, "--generators", "NAME", str, text, [], nargs="+")
    add_option(parser, "--adapter", "FOLDER", str, "what was tuned on it; the file goes there", "")
    text = "for a whole copy of the checkpoint with its new thresholds, which `--model DIR` loads"
    add_option(parser, "--out", "DIR", Path, text)
    text = "data sets to look at instead: what was learned, and what was replayed"
    add_option(parser, "--data", "DATA", Path, text, [], nargs="+")
    add_option(parser, "--bag", "BAG", Path, "of one's own robot to look at instead")
    add_option(parser, "--images", "DIR", Path, "of images to look at instead, or beside the bag")
    text = "what is nowhere in them: it sets the thresholds"
    add_option(parser, "--absent", "PHRASE", str, text, [], nargs="+")
    text = "what is in some of them: how often it is confirmed is told"
    add_option(parser, "--present", "PHRASE", str, text, [], nargs="+")
    add_option(parser, "--map", "ROLE:=TOPIC", str, "as in `vlam replay`", [], action="append")
    add_option(parser, "--skills", "FILE", str, "skills that `vlam train skill` has taught it", "")
    text = "of the answers, from which a run that was stopped goes on"
    add_option(parser, "--cache", "DIR", Path, text, Path.home() / ".cache" / "vlam_ros")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from vlam_ros.lab.evaluation.calibrate import calibrate
    from vlam_ros.lab.saving import CalibrationPlace

    adapter = Path(options.adapter).expanduser() if options.adapter else None
    if adapter is not None and not adapter.is_dir():
        raise ModelError(f"{adapter} is no folder of an adapter: give what `vlam train` wrote")
    out = options.out and options.out.expanduser()
    place = CalibrationPlace(options.model, adapter, out)
    place.require()
    if options.generators and (options.data or options.bag or options.images):
        raise ModelError("--generators are looked at with the scenes, not with images of one's own")
    views = _views(options)
    calibrated = calibrate(
        place.model,
        options.scenes,
        adapter=adapter or "",
        data=options.data,
        skills=options.skills,
        views=views,
        cache=options.cache.expanduser() / "calibrate",
        generators=options.generators,
    )
    path = place.write(calibrated.calibration)
    print(f"{path.read_text(encoding='utf-8')}{calibrated}")
    if calibrated.nouns:
        print(f"let all nouns compete: perception.nouns: [{', '.join(calibrated.nouns)}]")
    print(f"wrote {path}")
    return 0


def _views(options: argparse.Namespace) -> OwnViews | None:
    if not (options.bag or options.images):
        if options.absent or options.present:
            raise ModelError("--absent and --present are about a --bag or --images: give one")
        return None
    if options.data:
        raise ModelError("--data has masks, a --bag or --images have none: give one or the other")
    from vlam_ros.lab.evaluation.own_views import OwnViews, images_of
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.replay.roles import parse_mapping

    notes, mapping = Notes(), dict(parse_mapping(text) for text in options.map)
    views = OwnViews.among(
        images_of(options.bag, options.images, mapping, notes),
        options.absent,
        options.present,
        " and ".join(str(source) for source in (options.bag, options.images) if source),
        options.scenes,
    )
    for note in notes.lines:
        print(note)
    print(f"{len(views.images)} of {views.seen} images are views of their own")
    return views
