"""Graphs run by OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openvino
import torch
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.backends.exported import Graph

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


class OpenVino:
    """The Runtime "openvino". What of an int8 graph is not quantized stays in float32."""

    name = "openvino"
    device = torch.device("cpu")

    def __init__(self, device: str, dtype: str) -> None:
        """Check what is asked for; ModelError if this machine cannot do it."""
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
        """See Runtime."""
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
