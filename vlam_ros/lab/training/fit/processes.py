"""Where a run takes place: in this process, or in as many as `torchrun` has started.

Several GPUs or machines are `accelerate`'s business. It wraps the model, so that gradients are
averaged over the processes; each of them sees batches of its own:

    torchrun --nproc_per_node 4 -m vlam_ros.cli.main train finetune …
"""

from __future__ import annotations

import atexit
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.errors import LearningError


class SingleProcess:
    """One process on one device."""

    rank, count = 0, 1

    def __init__(self, device: str) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise LearningError(
                f"device cuda was asked for, but torch {torch.__version__} finds no GPU: install a "
                "CUDA build and the driver, or ask for device cpu or auto"
            )
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)

    def wrap(self, module: nn.Module, optimizer: Any) -> tuple[nn.Module, Any]:
        """The module to call and the optimizer to step; the module's weights keep their names."""
        return module, optimizer

    def partly(self, module: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()


class DistributedProcess(SingleProcess):
    """One of the processes that `torchrun` has started, by accelerate."""

    def __init__(self, device: str) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs

        # Not every batch has every term, and so not every parameter a gradient.
        options = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[options])
        # Left to the interpreter's end, the threads of the process group may abort it.
        atexit.register(self._accelerator.end_training)
        self.device = self._accelerator.device
        self.rank = self._accelerator.process_index
        self.count = self._accelerator.num_processes

    def wrap(self, module: nn.Module, optimizer: Any) -> tuple[nn.Module, Any]:
        return self._accelerator.prepare(module, optimizer)

    def partly(self, module: nn.Module) -> AbstractContextManager[None]:
        return self._accelerator.no_sync(module)

    def backward(self, loss: Tensor) -> None:
        self._accelerator.backward(loss)


def processes(device: str) -> SingleProcess:
    """This process, or its share of a run that `torchrun` has started.

    Raises:
        LearningError: the device cannot be had.
    """
    return (
        DistributedProcess(device) if "TORCHELASTIC_RUN_ID" in os.environ else SingleProcess(device)
    )
