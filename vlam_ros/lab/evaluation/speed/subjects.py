"""What is raced: checkpoints, images and prompts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    ViTImageProcessor,
)

from vlam_ros.lab.saving import save_checkpoint
from vlam_ros.lab.simulation.scene import COLOURS, SHAPES, scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.perception.clipseg import (
    EMBEDDED,
    Checkpoint,
    Preprocessing,
    TorchBackend,
    load_checkpoint,
)
from vlam_ros.types import Uint8Array

PROMPTS = tuple(f"{colour} {shape}" for shape in SHAPES[:4] for colour in list(COLOURS)[:4])
"""What is looked for."""
NAMES = ("rd64", "embedded")


@dataclass(frozen=True)
class Subject:
    """A checkpoint as a folder with weights and as a folder with graphs.

    `trained` says whether its masks mean anything.
    """

    name: str
    weights: Path
    graphs: Path
    trained: bool


@contextmanager
def subject(name: str) -> Iterator[Subject]:
    """One of NAMES: CLIPSeg rd64 with random weights, or what comes with the package."""
    from vlam_ros.lab.export import export

    with TemporaryDirectory(prefix="vlam_bench_") as temporary:
        graphs, weights = Path(temporary) / "graphs", EMBEDDED
        if name == "rd64":
            weights = Path(temporary) / "weights"
            save_checkpoint(full_size(), weights)
        export(load_checkpoint(weights, "cpu", "float32"), graphs, int8=True)
        yield Subject(name, weights, graphs, trained=name == "embedded")


def full_size() -> Checkpoint:
    torch.manual_seed(0)
    tokenizer = load_checkpoint("embedded", "cpu", "float32").tokenizer
    config = CLIPSegConfig(
        text_config={
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={"patch_size": 16, "image_size": 352},
        extract_layers=[3, 6, 9],
        reduce_dim=64,
        use_complex_transposed_convolution=True,
    )
    images = ViTImageProcessor(
        size={"height": 352, "width": 352},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    return Checkpoint(
        backend=TorchBackend(CLIPSegForImageSegmentation(config).eval()),
        config=config,
        processor=CLIPSegProcessor(images, tokenizer),
        preprocessing=Preprocessing.of("rd64", images),
        calibration=None,
        name="rd64",
    )


def images(count: int) -> list[Uint8Array]:
    """The first images of test scenes, uint8[H,W,3] RGB, 640 × 480."""
    found = []
    with World() as world:
        for index in range(count):
            world.load(scene_of_seed("test", index))
            found.append(world.render().image)
    return found
