"""The ways from an image and prompts to masks that are raced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

from vlam_ros.lab.evaluation.speed.subjects import Subject
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.types import Uint8Array

Float32Array = np.ndarray[Any, np.dtype[np.float32]]
Masks: TypeAlias = Callable[[Uint8Array, Sequence[str]], Float32Array]
"""Mask logits float32[P,h,w] of an image uint8[H,W,3] RGB."""

ONE_BY_ONE, BATCH = "Hugging Face, one by one", "Hugging Face, one batch"
OURS = (
    "torch, float32",
    "onnxruntime, float32",
    "onnxruntime, int8",
    "openvino, float32",
    "openvino, bfloat16",
)
"""This package on each backend, in each precision."""
NAMES = (ONE_BY_ONE, BATCH, *OURS)

RATIOS: Mapping[str, Mapping[int, float]] = {
    "float32": {8: 6.0},
    "bfloat16": {8: 12.0, 16: 20.0},
    "int8": {8: 16.0, 16: 28.0},
}
"""How many times as fast as Hugging Face prompt by prompt a full-size model is to be, by precision
and number of prompts.
"""
OVERLAPS = {"float32": 0.99, "bfloat16": 0.99, "int8": 0.95}
"""Mean IoU with Hugging Face's masks that a trained model is to keep, by precision."""


@dataclass(frozen=True)
class Way:
    """A way, the ratios to be reached with so many prompts, and the IoU to be kept. What is ours
    has its `grounder`.
    """

    name: str
    masks: Masks
    ratios: Mapping[int, float] = field(default_factory=dict)
    overlap: float | None = None
    grounder: ClipsegGrounder | None = None


def load(name: str, subject: Subject) -> Way:
    """One of NAMES, on the CPU; ModelError if this machine cannot do it."""
    if name not in OURS:
        # Files may hold halves.
        model = CLIPSegForImageSegmentation.from_pretrained(subject.weights, dtype=torch.float32)
        processor = CLIPSegProcessor.from_pretrained(subject.weights)
        ask = partial(batch, model.eval(), processor)
        if name == BATCH:
            return Way(name, ask)
        return Way(name, lambda image, prompts: np.stack([ask(image, [p])[0] for p in prompts]))
    backend, dtype = name.split(", ")
    folder = subject.weights if backend == "torch" else subject.graphs
    grounder = ClipsegGrounder.from_pretrained(folder, "cpu", dtype, backend=backend)
    return Way(
        name,
        lambda image, prompts: grounder.segment(grounder.encode_image(image), prompts),
        {} if subject.trained else RATIOS[dtype],
        OVERLAPS[dtype] if subject.trained else None,
        grounder,
    )


@torch.inference_mode()
def batch(
    model: CLIPSegForImageSegmentation,
    processor: CLIPSegProcessor,
    image: Uint8Array,
    prompts: Sequence[str],
) -> Float32Array:
    inputs = processor(
        text=list(prompts), images=[image] * len(prompts), padding=True, return_tensors="pt"
    )
    logits = model(**inputs).logits
    return np.asarray(logits.reshape(len(prompts), *logits.shape[-2:]).numpy(), np.float32)
