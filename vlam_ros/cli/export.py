"""`vlam export`: a checkpoint as graphs for ONNX Runtime, TensorRT and OpenVINO."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser


def add_parser(commands: Subparsers) -> None:
    """Add `vlam export`."""
    parser = command_parser(
        commands,
        "export",
        "write a checkpoint as ONNX graphs for other runtimes",
        "vlam export --model embedded --output ~/models/embedded_onnx --int8",
        "Write a checkpoint as ONNX graphs. Give the folder as model.name_or_path to a node, and "
        "onnxruntime, openvino or tensorrt as model.backend.",
    )
    add_model(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="to be made, not to exist"
    )
    parser.add_argument("--int8", action="store_true", help="also in int8, for model.dtype int8")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, write, and say what can be done with it."""
    from vlam_ros.errors import ModelError
    from vlam_ros.models import load_checkpoint

    try:
        from vlam_ros.models.export import OPSET, export
    except ImportError as error:
        raise ModelError(
            f"`vlam export` needs more packages: `pip install 'vlam_ros[export]'`. Cause: {error}"
        ) from error
    folder = options.output.expanduser()
    checkpoint = load_checkpoint(options.model, "cpu", "float32")
    export(checkpoint, folder, int8=options.int8)
    precisions = "float32 and int8" if options.int8 else "float32"
    print(f"wrote {folder}: ONNX opset {OPSET}, {precisions}")
    return 0
