"""Graphs run by ONNX Runtime: on the CPU, on a GPU by CUDA, or on a GPU by TensorRT.

Tensors are given and taken by their addresses, so nothing is copied that is on the device already.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.backends.exported import Graph

_PROVIDERS = {
    ("onnxruntime", "cpu"): "CPUExecutionProvider",
    ("onnxruntime", "cuda"): "CUDAExecutionProvider",
    ("tensorrt", "cuda"): "TensorrtExecutionProvider",
}
_PRECISIONS = {
    "onnxruntime": ("float32", "int8"),
    "tensorrt": ("float16", "float32", "int8"),
}
_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(int64)": torch.int64,
}


class OnnxRuntime:
    """The Runtime "onnxruntime" or "tensorrt"."""

    def __init__(self, backend: str, device: str, dtype: str) -> None:
        """Choose the execution provider; ModelError if it cannot be had."""
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
        """See Runtime."""
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

    def __init__(self, session: onnxruntime.InferenceSession, device: torch.device) -> None:
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
