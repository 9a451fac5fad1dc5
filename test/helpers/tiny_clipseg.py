"""An untrained CLIPSeg checkpoint small enough for tests, in the format of a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    ViTImageProcessor,
)

from vlam_ros.perception.clipseg import Calibration

SIZE = 160
VOCABULARY = 2 + 2 * 256

CALIBRATION = Calibration(
    mask_threshold=0.45,
    tolerance=0.0,
    crop_threshold=0.7,
    crop_rejection=0.0,
    margin=0.1,
    crop_size=64,
    crop_temperature=20.0,
    skill_threshold=0.5,
    skill_temperature=10.0,
    vocabulary=("red", "cup"),
    made_with="vlam calibrate --seed 7",
)

TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "patch_size": 8,
}


def tiny_tokenizer() -> CLIPTokenizer:
    """A byte-level CLIP tokenizer without merges: all letters, no words."""
    letters = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])


def tiny_model(**config: Any) -> CLIPSegForImageSegmentation:
    """Random weights: towers 64 and 32 wide, patches of 8 on 160 x 160 pixels."""
    torch.manual_seed(0)
    decoder = {"extract_layers": [0, 1, 2], "reduce_dim": 32, "decoder_intermediate_size": 64}
    vision = {**VISION, "image_size": SIZE}
    settings = {"text_config": TEXT, "vision_config": vision, "projection_dim": 48, **decoder}
    return CLIPSegForImageSegmentation(CLIPSegConfig(**{**settings, **config})).eval()


def save_tiny_checkpoint(folder: Path, **config: Any) -> Path:
    """Write all files that `from_pretrained` expects of a CLIPSeg."""
    tiny_model(**config).save_pretrained(folder)
    images = ViTImageProcessor(
        size={"height": SIZE, "width": SIZE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    CLIPSegProcessor(images, tiny_tokenizer()).save_pretrained(folder)
    return folder


def save_tiny_clip(folder: Path) -> Path:
    """Write all files that `from_pretrained` expects of a CLIP for 64 x 64 pixels."""
    torch.manual_seed(1)
    vision = {**VISION, "image_size": 64}
    CLIPModel(
        CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=40)
    ).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    CLIPProcessor(images, tiny_tokenizer()).save_pretrained(folder)
    return folder
