"""A CLIPSeg run as the graphs that `vlam export` wrote, by ONNX Runtime, TensorRT or OpenVINO.

What looks at pixels has a graph per image size, because static shapes are what runtimes are
fastest with; how many images, prompts and texts there are is free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import model as clipseg
from vlam_ros.perception.clipseg.backends.protocol import Activations

GRAPHS = "onnx"
"""Folder of an exported checkpoint, with a folder for each precision."""
VISION, EMBEDDING, DECODER, TEXTS = "vision", "embedding", "decoder", "texts"

Graph: TypeAlias = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
"""Runs one graph: its inputs in order, on any device, and its outputs."""


class Runtime(Protocol):
    """Loads graphs for one device in one precision."""

    @property
    def name(self) -> str:
        """For diagnostics."""

    @property
    def device(self) -> torch.device:
        """Where its outputs are."""

    @property
    def precision(self) -> str:
        """In which it calculates."""

    def load(self, path: Path) -> Graph:
        """Read a graph and make it ready; raises whatever the runtime raises."""


def graph_name(part: str, size: int | None = None) -> str:
    """The file of a part, for images of `size` x `size` pixels."""
    return f"{part}.onnx" if size is None else f"{part}_{size}.onnx"


class ExportedBackend:
    """The Backend of an exported checkpoint."""

    def __init__(self, runtime: Runtime, folder: Path, config: Any) -> None:
        """Load all graphs in a folder, of the checkpoint with this CLIPSegConfig.

        Raises:
            ModelError: a graph is missing or cannot be loaded.
        """
        self.name, self.device, self.precision = runtime.name, runtime.device, runtime.precision
        self._patch: int = config.vision_config.patch_size
        self._deepest = clipseg.deepest(config.extract_layers)
        self._graphs: dict[str, Graph] = {}
        for path in sorted(folder.glob("*.onnx")):
            try:
                self._graphs[path.name] = runtime.load(path)
            except Exception as error:  # runtimes have no error class in common
                raise ModelError(
                    f"{runtime.name} cannot load {path}: export the checkpoint again with "
                    f"`vlam export`. Cause: {error}"
                ) from error

    def encode_pixels(self, pixels: Tensor) -> Activations:
        """See Backend. ModelError if the checkpoint was not exported for images of this size."""
        return self._graph(VISION, pixels.shape[-1])([pixels])

    def embed(self, activations: Activations) -> Tensor:
        """See Backend."""
        (embedding,) = self._graph(EMBEDDING)([activations[self._deepest]])
        return embedding

    def encode_texts(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """See Backend."""
        (embeddings,) = self._graph(TEXTS)([input_ids, attention_mask])
        return embeddings

    def decode_masks(self, activations: Activations, conditions: Tensor, images: Tensor) -> Tensor:
        """See Backend."""
        graph = self._graph(DECODER, self._size(activations))
        (logits,) = graph([*activations, conditions, images])
        return logits

    def _size(self, activations: Activations) -> int:
        patches = activations[0].shape[1] - 1
        return round(patches**0.5) * self._patch

    def _graph(self, part: str, size: int | None = None) -> Graph:
        name = graph_name(part, size)
        if name not in self._graphs:
            raise ModelError(
                f"the exported checkpoint has no {name}, only {sorted(self._graphs)}: export it "
                "again with `vlam export`, after it was calibrated"
            )
        return self._graphs[name]


def load_exported(
    folder: Path, backend: str, device: str, dtype: str, config: Any
) -> ExportedBackend:
    """The graphs in a folder on a runtime.

    Args:
        folder: as `vlam export` wrote it.
        backend: "onnxruntime", "tensorrt" or "openvino".
        device: "auto", "cpu" or "cuda".
        dtype: "auto" or the precision to calculate in.
        config: the CLIPSegConfig in it.

    Raises:
        ModelError: the runtime is not installed or cannot do what is asked for, the folder was not
            exported in this precision, or a graph is damaged.
    """
    runtime = _runtime(backend, device, dtype)
    # Half precision is made of the graphs in float32.
    files = "int8" if runtime.precision == "int8" else "float32"
    graphs = folder / GRAPHS / files
    if not graphs.is_dir():
        how = "vlam export" + (" --int8" if files == "int8" else "")
        raise ModelError(
            f"{folder} has no graphs in {files} for {backend}: make them with `{how} "
            "--model NAME --output FOLDER` and give FOLDER as the model"
        )
    return ExportedBackend(runtime, graphs, config)


def _runtime(backend: str, device: str, dtype: str) -> Runtime:
    try:
        if backend == "openvino":
            from vlam_ros.perception.clipseg.backends.openvino import OpenVino

            return OpenVino(device, dtype)
        from vlam_ros.perception.clipseg.backends.onnx_runtime import OnnxRuntime

        return OnnxRuntime(backend, device, dtype)
    except ImportError as error:
        package = "openvino" if backend == "openvino" else "onnxruntime"
        raise ModelError(
            f"backend {backend} needs the package {package}: `pip install {package}`. "
            f"Cause: {error}"
        ) from error
