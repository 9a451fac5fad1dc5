"""`vlam calibrate`: chooses the thresholds of a checkpoint and keeps them beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, command_parser, positive
from vlam_ros.errors import ModelError
from vlam_ros.lab.cli.options import add_option


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "calibrate",
        "choose the thresholds of a checkpoint",
        "vlam calibrate ~/models/clipseg-rd64-refined --scenes 300",
        "Choose the thresholds of a checkpoint on simulated validation scenes, or on validation "
        "images of data sets, and write them to its calibration.json.",
    )
    add_option(parser, "model", "MODEL_FOLDER", str, "a checkpoint's folder, or 'embedded'")
    add_option(parser, "--scenes", "N", positive, "to look at", 300)
    add_option(parser, "--adapter", "FOLDER", str, "what was tuned on it; the file goes there", "")
    text = "data sets to look at instead: what was learned, and what was replayed"
    add_option(parser, "--data", "DATA", Path, text, [], nargs="+")
    add_option(parser, "--skills", "FILE", str, "skills that `vlam train skill` has taught it", "")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from vlam_ros.lab.evaluation.calibrate import calibrate
    from vlam_ros.perception.clipseg.loader import EMBEDDED

    folder = EMBEDDED if options.model == "embedded" else Path(options.model).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"{folder} is no folder, and the thresholds must be kept beside the checkpoint: "
            "download it to a folder and give that"
        )
    adapter = Path(options.adapter).expanduser() if options.adapter else None
    if adapter is not None and not adapter.is_dir():
        raise ModelError(f"{adapter} is no folder of an adapter: give what `vlam train` wrote")
    thresholds = calibrate(
        folder, options.scenes, adapter=adapter or "", data=options.data, skills=options.skills
    )
    path = thresholds.save(adapter or folder)
    print(f"{path.read_text(encoding='utf-8')}wrote {path}")
    return 0
