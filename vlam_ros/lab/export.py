"""`vlam export`: a CLIPSeg as ONNX graphs, for ONNX Runtime, TensorRT and OpenVINO.

The folder is a checkpoint without weights: configuration, tokenizer, calibration, and below `onnx/`
the graphs of each precision. All graphs of a precision share one file of weights.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import onnx
import torch
from onnx.external_data_helper import set_external_data
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from torch import Tensor, nn
from torch.export import Dim

from vlam_ros.errors import ModelError
from vlam_ros.lab.saving import new_folder, save_companions
from vlam_ros.perception.clipseg import model as clipseg
from vlam_ros.perception.clipseg.exported import (
    DECODER,
    EMBEDDING,
    GRAPHS,
    TEXTS,
    VISION,
    graph_name,
)
from vlam_ros.perception.clipseg.loader import Checkpoint

OPSET = 20
"""Of ONNX: what TensorRT 10 and OpenVINO read too."""
WEIGHTS = "weights.bin"
SHARED_BYTES = 1024
"""Constants as large as this are in the file of weights."""
ALIGNMENT = 4096
"""Of constants in the file, so that it can be mapped."""


Pixels: TypeAlias = Callable[[int], Iterable[Tensor]]
"""Typical images as pixel values float[1,3,S,S], for a size S."""


def export(
    checkpoint: Checkpoint, folder: Path, int8: bool = False, typical: Pixels | None = None
) -> None:
    """Write a CLIPSeg checkpoint's graphs, in float32 and where asked for in int8 too.

    Args:
        checkpoint: in float32 on the CPU. If it is calibrated, graphs are made for the size of its
            crops too.
        folder: to be made; it appears when it is complete.
        int8: whether to write the vision tower in int8 too: its weights quantized once and for all,
            per channel, its activations by the range that they have in each image.
        typical: images by which those ranges are fixed instead, which is what TensorRT and
            OpenVINO calculate with. Only the layers that the decoder reads are quantized then.

    Raises:
        ModelError: the folder exists, or the checkpoint is in another precision.
    """
    if checkpoint.backend.precision != "float32" or checkpoint.backend.device.type != "cpu":
        raise ModelError(f"{checkpoint.name} must be loaded in float32 on the CPU to be exported")
    with new_folder(folder) as complete:
        checkpoint.config.save_pretrained(complete)
        save_companions(checkpoint, complete)
        precisions = {"float32": _graphs(checkpoint)}
        if int8:
            # Not the decoder: it is small, and most of what int8 changes in masks would be there.
            # Not texts: of those that are encoded together each would depend on the others' range.
            precisions["int8"] = {
                name: _quantized(name, graph, typical)
                for name, graph in precisions["float32"].items()
            }
        for precision, graphs in precisions.items():
            _save(graphs, complete / GRAPHS / precision)


def _graphs(checkpoint: Checkpoint) -> dict[str, onnx.ModelProto]:
    """The graphs of a checkpoint by their file names."""
    config, part = checkpoint.config, _Part(checkpoint.model)
    images, patches, prompts, texts = map(Dim, ("images", "patches", "prompts", "texts"))
    length = Dim("length", min=2, max=config.text_config.max_position_embeddings)
    tokens = (torch.ones(3, 7, dtype=torch.long), {0: texts, 1: length})
    width = config.vision_config.hidden_size
    states = (torch.zeros(2, 5, width), {0: images, 1: patches})
    found = {
        graph_name(TEXTS): part.of(
            clipseg.encode_texts, {"input_ids": tokens, "attention_mask": tokens}, ["embeddings"]
        ),
        graph_name(EMBEDDING): part.of(_embed, {"states": states}, ["embedding"]),
    }
    names = [f"activation_{i}" for i in range(len(config.extract_layers))]
    for size in sorted({checkpoint.preprocessing.size, checkpoint.crop_size}):
        pixels = (torch.zeros(2, 3, size, size), {0: images})
        found[graph_name(VISION, size)] = part.of(clipseg.activations, {"pixels": pixels}, names)
        count = 1 + (size // config.vision_config.patch_size) ** 2
        activations = (torch.zeros(2, count, width), {0: images})
        asked = {
            "conditions": (torch.zeros(3, config.projection_dim), {0: prompts}),
            "images": (torch.zeros(3, dtype=torch.long), {0: prompts}),
        }
        found[graph_name(DECODER, size)] = part.of(
            _decode, {**dict.fromkeys(names, activations), **asked}, ["logits"]
        )
    return found


def _embed(model: Any, states: Tensor) -> Tensor:
    return clipseg.embed(model, states)[:, 0]


def _decode(model: Any, *inputs: Tensor) -> Tensor:
    return clipseg.decode_masks(model, inputs[:-2], *inputs[-2:])


class _Part(nn.Module):
    """A function of a model and tensors, as the module that the exporter wants."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._function: Callable[..., Any] = lambda *inputs: inputs

    def forward(self, *inputs: Tensor) -> Any:
        return self._function(self.model, *inputs)

    def of(
        self,
        function: Callable[..., Any],
        inputs: Mapping[str, tuple[Tensor, dict[int, Any]]],
        outputs: Sequence[str],
    ) -> onnx.ModelProto:
        """The graph of a function of named example tensors, with the axes that are free."""
        self._function = function
        with warnings.catch_warnings(), _quiet(logging.getLogger("torch.onnx")):
            warnings.simplefilter("ignore")  # of the exporter to its own developers
            program = torch.onnx.export(
                self,
                # Apart from each other, for a tensor given twice would become one input.
                tuple(example.clone() for example, _ in inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=(tuple(free for _, free in inputs.values()),),
                external_data=False,
                verbose=False,
            )
        assert program is not None
        graph: onnx.ModelProto = program.model_proto
        return graph


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _quantized(name: str, graph: onnx.ModelProto, typical: Pixels | None) -> onnx.ModelProto:
    """The graph of that name with its matrix products in int8, if it is one of the vision tower."""
    vision = name.startswith(VISION)
    if not (vision or (typical is None and name.startswith(EMBEDDING))):
        return graph
    how = {
        "op_types_to_quantize": ["MatMul", "Gemm"],
        "per_channel": True,
        # Seven bits: sums of eight saturate on processors without VNNI.
        "reduce_range": True,
        "weight_type": QuantType.QInt8,
    }
    with TemporaryDirectory() as folder, _quiet(logging.getLogger()):
        path = Path(folder) / "int8.onnx"
        if typical is None:
            quantize_dynamic(graph, path, **how)
        else:
            size = graph.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
            quantize_static(
                graph,
                path,
                _Reader(typical(size)),
                activation_type=QuantType.QInt8,
                extra_options={"ActivationSymmetric": True},  # TensorRT knows no other
                **how,
            )
        return onnx.load(path)


class _Reader(CalibrationDataReader):
    """Gives typical images to a quantizer, one after another."""

    def __init__(self, images: Iterable[Tensor]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        pixels = next(self._images, None)
        return None if pixels is None else {"pixels": pixels.numpy()}


def _save(graphs: Mapping[str, onnx.ModelProto], folder: Path) -> None:
    """Write graphs that keep their large constants in one file, each once."""
    folder.mkdir(parents=True)
    places: dict[bytes, int] = {}
    with (folder / WEIGHTS).open("wb") as file:
        for name, graph in graphs.items():
            light = onnx.ModelProto()
            light.CopyFrom(graph)
            for node in light.graph.node:
                node.ClearField("metadata_props")  # where in the source it came from
            for constant in light.graph.initializer:
                data = constant.raw_data
                if len(data) < SHARED_BYTES:
                    continue
                key = hashlib.sha256(data).digest()
                if key not in places:
                    file.write(bytes(-file.tell() % ALIGNMENT))
                    places[key] = file.tell()
                    file.write(data)
                set_external_data(constant, WEIGHTS, offset=places[key], length=len(data))
                constant.ClearField("raw_data")
            onnx.save(light, folder / name)
