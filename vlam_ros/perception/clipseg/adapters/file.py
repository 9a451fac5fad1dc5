"""Adapter files: one safetensors file with the learned tensors, and in its header what they are.

The header's `vlam_ros_adapter` is JSON: the format's version, the method and its settings, the
fingerprints of the base, and the SHA-256 of all this and the tensors, because safetensors does not
notice a damaged number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.adapters.attach import (
    DTYPES,
    Adaptation,
    Prints,
    attach,
    fingerprint,
    linear_names,
    require_finite,
    require_plain,
    tensor_bytes,
)
from vlam_ros.perception.clipseg.adapters.methods import LoRA, Method, method_named
from vlam_ros.resources import write_file

FILE_NAME = "adapter.safetensors"
"""The adapter's name in a folder of its own, beside a calibration made with it."""

_HEADER, _VERSION = "vlam_ros_adapter", 1


@dataclass(frozen=True)
class AdapterFile:
    """What a file holds: a method, its tensors in float32, and the base that they belong to."""

    method: Method
    tensors: Mapping[str, Tensor]
    base_prints: Prints


def save_adapter(adaptation: Adaptation, path: str | Path) -> Path:
    """Write what has been learned, and return the file's path; a folder gets `FILE_NAME`.

    Raises:
        ModelError: a number is not finite.
        ConfigurationError: the file cannot be written.
    """
    path = _file(path)
    require_finite(adaptation.tensors)
    tensors = {
        name: tensor.detach().float().cpu().contiguous()
        for name, tensor in adaptation.tensors.items()
    }
    header = {
        "version": _VERSION,
        "method": adaptation.method.name,
        "settings": dataclasses.asdict(adaptation.method),
        "base": dict(adaptation.base_prints),
    }
    text = json.dumps({**header, "sha256": _digest(header, tensors)})
    write_file(path, save(tensors, {_HEADER: text}))
    return path


def read_adapter(path: str | Path) -> AdapterFile:
    """Read a file, or the `FILE_NAME` in a folder.

    Raises:
        ModelError: there is no file, it is damaged, or it is none of ours.
    """
    path = _file(path)
    if not path.is_file():
        raise ModelError(f"there is no adapter {path}: give the file that the tuning has written")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # Damaged files make safetensors raise more than its own error.
    except Exception as error:
        raise ModelError(f"{path} is no adapter, or damaged, copy it again: {error}") from error
    if text is None:
        raise ModelError(
            f"{path} is a safetensors file, but none of vlam_ros's adapters: give the file that "
            "the tuning has written"
        )
    try:
        header = json.loads(text)
        if header.pop("sha256") != _digest(header, tensors):
            raise ModelError("it is damaged, copy it again")
        if header["version"] != _VERSION:
            raise ModelError(
                f"it has version {header['version']!r} of the format, expected {_VERSION}"
            )
        require_finite(tensors)
        method = method_named(header["method"], header["settings"])
        return AdapterFile(method, tensors, dict(header["base"]))
    except ModelError as error:
        raise ModelError(f"cannot use the adapter {path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the header of {path} is damaged, copy it again: {error!r}") from error


def load_adapter(model: Any, path: str | Path) -> Adaptation:
    """Read an adapter and put it into force on the base that it was trained on.

    A LoRA is added to the weights at once, which needs no peft and costs the robot no time.

    Args:
        model: a CLIPSegForImageSegmentation as `load_checkpoint` gives it, on any device, in any
            dtype; where anything is wrong it is left as it was.
        path: the file, or a folder with `FILE_NAME`.

    Raises:
        ModelError: there is no file, it is damaged or none of ours, it belongs to another base,
            or the model has an adapter already.
    """
    content = read_adapter(path)
    try:
        require_base(model, content)
        if isinstance(content.method, LoRA):
            return _add_low_rank(model, content, content.method)
        return fill(attach(model, content.method, prints=content.base_prints), content)
    except ModelError as error:
        raise ModelError(f"cannot use the adapter {path}: {error}") from error


@torch.no_grad()
def fill(adaptation: Adaptation, content: AdapterFile) -> Adaptation:
    """Give an adaptation the values of a file; where they do not fit it is removed, ModelError."""
    try:
        _require_shapes(content, {name: t.shape for name, t in adaptation.tensors.items()})
    except ModelError:
        adaptation.remove()
        raise
    for name, tensor in adaptation.tensors.items():
        tensor.copy_(content.tensors[name])
    return adaptation


@torch.no_grad()
def _add_low_rank(model: Any, content: AdapterFile, method: LoRA) -> Adaptation:
    layers = {name: model.get_submodule(name) for name in linear_names(model, method)}
    shapes: dict[str, torch.Size] = {}
    for name, layer in layers.items():
        shapes[f"{name}.lora_A"] = torch.Size([method.rank, layer.in_features])
        shapes[f"{name}.lora_B"] = torch.Size([layer.out_features, method.rank])
    _require_shapes(content, shapes)
    adaptation = Adaptation(model, method, content.base_prints)
    adaptation.tensors.update(content.tensors)
    for name in layers:
        a, b = content.tensors[f"{name}.lora_A"], content.tensors[f"{name}.lora_B"]
        weight = adaptation.keep_weight(f"{name}.weight")
        change = (method.alpha / method.rank) * (b @ a)
        weight.copy_(weight.float() + change.to(weight.device))
    return adaptation


def require_base(model: Any, content: AdapterFile) -> None:
    """ModelError unless the model is the one that a file's tensors were trained on."""
    require_plain(model)
    dtype = str(model.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise ModelError(f"the model must be in {', '.join(DTYPES)}, got {dtype}")
    if content.base_prints.get(dtype) != fingerprint(model, dtype):
        raise ModelError(
            f"its {content.method.name} was trained on another base: load it on the checkpoint "
            "that it was tuned from, or tune this one"
        )


def _require_shapes(content: AdapterFile, expected: Mapping[str, torch.Size]) -> None:
    came = {name: tensor.shape for name, tensor in content.tensors.items()}
    if came != dict(expected):
        names = came.keys() | expected.keys()
        wrong = min(name for name in names if came.get(name) != expected.get(name))
        raise ModelError(
            f"{wrong} must be {_shape(expected.get(wrong))}, got {_shape(came.get(wrong))}: the "
            "file was made for another model or by another version"
        )


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))


def _file(path: str | Path) -> Path:
    path = Path(path).expanduser()
    return path / FILE_NAME if path.is_dir() else path


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {list(tensors[name].shape)}".encode())
        digest.update(tensor_bytes(tensors[name]))
    return digest.hexdigest()
