"""A CLIPSeg run as the graphs that `vlam export` wrote, by ONNX Runtime, TensorRT or OpenVINO.

What looks at pixels has a graph per image size, because static shapes are what runtimes are
fastest with; how many images, prompts and texts there are is free.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import model as clipseg
from vlam_ros.perception.clipseg.backend import Activations

GRAPHS = "onnx"
"""Folder of an exported checkpoint, with a folder for each precision."""
VISION, EMBEDDING, DECODER, TEXTS = "vision", "embedding", "decoder", "texts"

Graph: TypeAlias = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
"""Runs one graph: its inputs in order, on any device, and its outputs."""

_PROVIDERS = {
    ("onnxruntime", "cpu"): "CPUExecutionProvider",
    ("onnxruntime", "cuda"): "CUDAExecutionProvider",
    ("tensorrt", "cuda"): "TensorrtExecutionProvider",
}
_PRECISIONS = {"onnxruntime": ("float32", "int8"), "tensorrt": ("float16", "float32", "int8")}
_TYPES = {"tensor(float)": torch.float32, "tensor(int64)": torch.int64}
# What OpenVINO calculates in: of an int8 graph what is not quantized stays in float32.
_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


class GraphRuntime(Protocol):
    """Loads graphs for one device in one precision; the attributes are those of the Backend."""

    name: str
    device: torch.device
    precision: str

    def load(self, path: Path) -> Graph:
        """Read a graph and make it ready; raises whatever the runtime raises."""


def graph_name(part: str, size: int | None = None) -> str:
    """The file of a part, for images of `size` x `size` pixels."""
    return f"{part}.onnx" if size is None else f"{part}_{size}.onnx"


class ExportedBackend:
    """The Backend of an exported checkpoint."""

    def __init__(self, runtime: GraphRuntime, folder: Path, config: Any) -> None:
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
        patches = activations[0].shape[1] - 1
        graph = self._graph(DECODER, round(patches**0.5) * self._patch)
        (logits,) = graph([*activations, conditions, images])
        return logits

    def _graph(self, part: str, size: int | None = None) -> Graph:
        name = graph_name(part, size)
        if name not in self._graphs:
            raise ModelError(
                f"the exported checkpoint has no {name}, only {sorted(self._graphs)}: export it "
                "again with `vlam export`, after it was calibrated"
            )
        return self._graphs[name]


class OnnxRuntime:
    """The GraphRuntime "onnxruntime" or "tensorrt": on the CPU, or on a GPU by CUDA or TensorRT.

    Tensors are given and taken by their addresses, so nothing is copied that is on the device
    already.
    """

    def __init__(self, backend: str, device: str, dtype: str) -> None:
        """Choose the execution provider; ModelError if it cannot be had."""
        import onnxruntime

        available = onnxruntime.get_available_providers()
        if device == "auto":
            gpu = _PROVIDERS[backend, "cuda"] in available
            device = "cuda" if gpu or backend == "tensorrt" else "cpu"
        provider = _PROVIDERS.get((backend, device))
        if provider is None:
            raise ModelError(f"backend {backend} does not run on {device}: choose device cuda")
        if provider not in available:
            raise ModelError(
                f"backend {backend} on {device} needs an ONNX Runtime with {provider}, this one "
                f"({onnxruntime.__version__}) has {', '.join(available)}: install onnxruntime-gpu, "
                "on a Jetson the wheel for its JetPack"
            )
        known = _PRECISIONS[backend]
        self.precision = known[0] if dtype == "auto" else dtype
        if self.precision not in known:
            raise ModelError(f"backend {backend} has dtype {', '.join(known)}, not {dtype!r}")
        self.name = backend
        self.device = torch.device(device)
        self._provider = provider
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = torch.get_num_threads()
        if os.environ.get("OMP_WAIT_POLICY") == "PASSIVE":  # see vlam_ros/threads.py
            self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def load(self, path: Path) -> Graph:
        """See GraphRuntime."""
        import onnxruntime

        session = onnxruntime.InferenceSession(
            path, self._options, [(self._provider, self._provider_options(path.parent))]
        )
        return _Session(session, self.device)

    def _provider_options(self, folder: Path) -> dict[str, Any]:
        if self._provider != "TensorrtExecutionProvider":
            return {}
        # Building an engine takes minutes; it is kept beside the graphs.
        return {
            "trt_fp16_enable": self.precision == "float16",
            "trt_int8_enable": self.precision == "int8",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": str(folder),
        }


class _Session:
    """A Graph."""

    def __init__(self, session: Any, device: torch.device) -> None:
        self._session, self._device = session, device
        self._inputs, self._outputs = session.get_inputs(), session.get_outputs()

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        binding = self._session.io_binding()
        lengths: dict[str, int] = {}  # of the free axes, by name
        bound = []  # the memory must live until the graph has run
        for node, value in zip(self._inputs, inputs, strict=True):
            tensor = value.to(self._device, _TYPES[node.type]).contiguous()
            lengths |= {
                axis: length
                for axis, length in zip(node.shape, tensor.shape, strict=True)
                if isinstance(axis, str)
            }
            binding.bind_input(*self._place(node, tensor))
            bound.append(tensor)
        outputs = []
        for node in self._outputs:
            shape = [lengths[axis] if isinstance(axis, str) else axis for axis in node.shape]
            outputs.append(torch.empty(shape, dtype=_TYPES[node.type], device=self._device))
            binding.bind_output(*self._place(node, outputs[-1]))
        self._session.run_with_iobinding(binding)
        return tuple(outputs)

    def _place(self, node: Any, tensor: Tensor) -> tuple[Any, ...]:
        number = self._device.index or 0
        kind = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        return node.name, self._device.type, number, kind, tuple(tensor.shape), tensor.data_ptr()


class OpenVino:
    """The GraphRuntime "openvino", on the CPU."""

    name = "openvino"
    device = torch.device("cpu")

    def __init__(self, device: str, dtype: str) -> None:
        """Check what is asked for; ModelError if this machine cannot do it."""
        import openvino

        if device == "cuda":
            raise ModelError("backend openvino runs on the CPU only: choose device cpu or auto")
        self.precision = "float32" if dtype == "auto" else dtype
        if self.precision not in _HINTS:
            raise ModelError(f"backend openvino has dtype {', '.join(_HINTS)}, not {dtype!r}")
        self._core = openvino.Core()
        can = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision == "bfloat16" and "BF16" not in can:
            raise ModelError(
                "this CPU does not calculate in bfloat16 (no AVX512-BF16, no AMX): choose dtype "
                "float32 or int8"
            )

    def load(self, path: Path) -> Graph:
        """See GraphRuntime."""
        compiled = self._core.compile_model(
            path,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            },
        )

        def graph(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            results = compiled([value.cpu().numpy() for value in inputs], share_inputs=True)
            return tuple(torch.from_numpy(results[node]) for node in compiled.outputs)

        return graph


def load_exported(
    folder: Path, backend: str, device: str, dtype: str, config: Any
) -> ExportedBackend:
    """The graphs in a folder that `vlam export` wrote, with the CLIPSegConfig in it, on a runtime.

    Backend, device and dtype are those of `load_checkpoint`.

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


def _runtime(backend: str, device: str, dtype: str) -> GraphRuntime:
    try:
        if backend == "openvino":
            return OpenVino(device, dtype)
        return OnnxRuntime(backend, device, dtype)
    except ImportError as error:
        package = "openvino" if backend == "openvino" else "onnxruntime"
        raise ModelError(
            f"backend {backend} needs the package {package}: `pip install {package}`. "
            f"Cause: {error}"
        ) from error
