"""`vlam calibrate`: chooses the thresholds of a checkpoint and keeps them beside it, or beside a
copy of it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, positive
from vlam_ros.errors import ModelError
from vlam_ros.lab.cli.options import add_option

if TYPE_CHECKING:
    from vlam_ros.lab.evaluation.own_views import OwnViews
    from vlam_ros.perception.clipseg import Calibration

PACKAGE = Path(__file__).resolve().parents[2]


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
    from vlam_ros.perception.clipseg.loader import EMBEDDED

    model = EMBEDDED if options.model == "embedded" else Path(options.model).expanduser()
    adapter = Path(options.adapter).expanduser() if options.adapter else None
    if adapter is not None and not adapter.is_dir():
        raise ModelError(f"{adapter} is no folder of an adapter: give what `vlam train` wrote")
    out = options.out and options.out.expanduser()
    _require_place(model, adapter, out)
    views = _views(options)
    calibrated = calibrate(
        model if model.is_dir() else options.model,
        options.scenes,
        adapter=adapter or "",
        data=options.data,
        skills=options.skills,
        views=views,
        cache=options.cache.expanduser() / "calibrate",
    )
    path = _write(calibrated.calibration, model, options.model, adapter, out)
    print(f"{path.read_text(encoding='utf-8')}{calibrated}")
    if calibrated.nouns:
        print(f"let all nouns compete: perception.nouns: [{', '.join(calibrated.nouns)}]")
    print(f"wrote {path}")
    return 0


def _require_place(model: Path, adapter: Path | None, out: Path | None) -> None:
    """ModelError where the thresholds could not be written; before hours of work, not after."""
    target = out or adapter or model
    if out is not None and out.exists():
        raise ModelError(f"{out} exists: choose a folder that does not, or remove it")
    if out is None and not target.is_dir():
        raise ModelError(
            f"{target} is no folder, and the thresholds must be kept beside the checkpoint: "
            "download it to a folder and give that, or give --out FOLDER for a copy of it"
        )
    if target.resolve().is_relative_to(PACKAGE):
        raise ModelError(
            f"{target} is in the installed package, where nothing is written: give --out FOLDER, "
            "anywhere else, for a copy of the checkpoint with its thresholds"
        )
    there = next(p for p in (target, *target.absolute().parents) if p.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ModelError(
            f"nothing can be written to {there}: {error.strerror}; give --out FOLDER, elsewhere, "
            "for a copy of the checkpoint with its thresholds"
        ) from error


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


def _write(
    calibration: Calibration, model: Path, name: str, adapter: Path | None, out: Path | None
) -> Path:
    """Keep the calibration, whole or not at all, and return the path of its file."""
    import dataclasses
    import shutil

    from vlam_ros.lab.saving import new_folder, save_checkpoint
    from vlam_ros.perception.calibration import FILE_NAME
    from vlam_ros.perception.clipseg import load_checkpoint
    from vlam_ros.perception.familiarity import FILE_NAME as FAMILIARITY

    if out is None:
        folder = adapter or model
        with TemporaryDirectory(prefix=".calibration-", dir=folder) as temporary:
            calibration.save(temporary)
            # The file that names the other comes last.
            for file in sorted(Path(temporary).iterdir(), key=lambda p: p.name == FILE_NAME):
                os.replace(file, folder / file.name)
        return folder / FILE_NAME
    if adapter is None and model.is_dir():
        with new_folder(out) as complete:
            ignored = shutil.ignore_patterns(FILE_NAME, FAMILIARITY, ".*", "__pycache__")
            shutil.copytree(model, complete, ignore=ignored, dirs_exist_ok=True)
            calibration.save(complete)
    else:
        checkpoint = load_checkpoint(
            model if model.is_dir() else name, "cpu", "float32", adapter=adapter or ""
        )
        save_checkpoint(dataclasses.replace(checkpoint, calibration=calibration), out)
    return out / FILE_NAME
