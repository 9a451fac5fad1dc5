"""`vlam export` and `vlam merge`: a checkpoint as ONNX graphs, or with its adapter in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser
from vlam_ros.lab.cli.options import add_flag, add_option

if TYPE_CHECKING:
    from vlam_ros.types import Uint8Array

TYPICAL = 32
"""Images of a bag by which ranges are fixed."""


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "export",
        "write a checkpoint as ONNX graphs for other runtimes",
        "vlam export --model embedded --output ~/models/embedded_onnx --int8",
        "Write a checkpoint as ONNX graphs. Give the folder as model.name_or_path to a node, and "
        "onnxruntime, openvino or tensorrt as model.backend.",
    )
    add_model(parser)
    add_option(parser, "--output", "FOLDER", Path, "to be made, not to exist", required=True)
    add_option(parser, "--adapter", "PATH", str, "to be merged into it", "")
    add_flag(parser, "--int8", "also in int8, for model.dtype int8")
    text = "with --int8 for TensorRT or OpenVINO: fix the ranges of numbers by its images"
    add_option(parser, "--typical", "BAG", Path, text)
    parser.set_defaults(run=run_export)
    parser = command_parser(
        commands,
        "merge",
        "make an adapter part of its checkpoint",
        "vlam merge tuned --output my_model",
        "Write a checkpoint with an adapter as its own weights: a folder for model.name_or_path "
        "and for --model, to be tuned further, as by `vlam train skill`.",
    )
    add_option(parser, "adapter", "PATH", str, "tuned by full, lora or bitfit")
    add_model(parser)
    add_option(parser, "--output", "FOLDER", Path, "to be made, not to exist", required=True)
    parser.set_defaults(run=run_merge)


def run_export(options: argparse.Namespace) -> int:
    from vlam_ros.errors import ConfigurationError
    from vlam_ros.lab.export import OPSET, export
    from vlam_ros.perception.clipseg import load_checkpoint, preprocess

    if options.typical and not options.int8:
        raise ConfigurationError("--typical is for --int8: give both, or neither")
    folder = options.output.expanduser()
    checkpoint = load_checkpoint(options.model, "cpu", "float32", adapter=options.adapter)
    pixels = None
    if options.typical:
        images = typical_images(options.typical.expanduser())
        how = checkpoint.preprocessing
        pixels = lambda size: (preprocess(p, how, size) for p in images)  # noqa: E731
    export(checkpoint, folder, options.int8, pixels)
    precisions = "float32 and int8" if options.int8 else "float32"
    print(f"wrote {folder}: ONNX opset {OPSET}, {precisions}")
    return 0


def run_merge(options: argparse.Namespace) -> int:
    from vlam_ros.lab.saving import save_checkpoint
    from vlam_ros.perception.clipseg import load_checkpoint

    folder = options.output.expanduser()
    checkpoint = load_checkpoint(options.model, "cpu", "float32", adapter=options.adapter)
    save_checkpoint(checkpoint, folder)
    print(f"wrote {folder}: {checkpoint.name}; use it as model.name_or_path or --model")
    return 0


def typical_images(bag: Path) -> list[Uint8Array]:
    """Images uint8[H,W,3] RGB from all over a bag.

    Raises:
        BagError: it cannot be read, or has no image.
        ReplayError: it is not clear which topic's images are meant.
    """
    from vlam_ros.errors import BagError
    from vlam_ros.lab.bags import BagReader
    from vlam_ros.lab.notes import Notes
    from vlam_ros.lab.replay.roles import assign
    from vlam_ros.lab.replay.sensing import frames

    with BagReader(bag) as reader:
        topic = assign(reader.topics, {}).images
        images = [image for _, _, image in frames(reader, topic, TYPICAL, Notes())]
    if not images:
        raise BagError(f"{bag} has no image on {topic} that can be read")
    return images
