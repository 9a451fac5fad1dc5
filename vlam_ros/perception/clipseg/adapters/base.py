"""The fingerprint of a base model: an adapter fits the weights it was trained on, no others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_SETTINGS = ("extract_layers", "conditional_layer", "decoder_num_attention_heads")
_TOWER_SETTINGS = ("num_attention_heads", "hidden_act", "layer_norm_eps", "eos_token_id")


def fingerprints(model: Any) -> dict[str, str]:
    """By dtype, the fingerprint that the same checkpoint has when it is loaded in that dtype.

    A robot's GPU may run in half precision what was tuned in float32; rounding is the same
    everywhere, so each dtype has one exact fingerprint.
    """
    return {name: fingerprint(model, name) for name in DTYPES}


def fingerprint(model: Any, dtype: str) -> str:
    """SHA-256 of a CLIPSeg's weights in a dtype, and of what its forward needs to know besides."""
    digest = hashlib.sha256(json.dumps(list(forward_settings(model).values())).encode())
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name} {list(parameter.shape)}".encode())
        digest.update(tensor_bytes(parameter.detach().to(DTYPES[dtype])))
    return digest.hexdigest()


def forward_settings(model: Any) -> dict[str, Any]:
    """What a CLIPSeg's forward needs to know besides its weights, by name."""
    config = model.config
    known = {name: getattr(config, name) for name in _SETTINGS}
    for part in ("text_config", "vision_config"):
        tower = getattr(config, part)
        known |= {f"{part}.{name}": getattr(tower, name, None) for name in _TOWER_SETTINGS}
    return known


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The bytes of a tensor, whatever its dtype and device."""
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
