"""`vlam bench`: how fast a picture is understood, against what one would write first.

That is the pipeline of Hugging Face, called once for each prompt, or once with all prompts as a
batch. All ways get the same pictures, prompts, weights, threads and warm-up, and take turns picture
by picture, so that whatever slows the machine down slows all of them down. Ratios are what counts;
seconds are of one machine.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers
from tqdm import tqdm
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    ViTImageProcessor,
)

from vlam_ros.evaluation.report import Report, Row
from vlam_ros.models import Checkpoint, Preprocessing, load_checkpoint
from vlam_ros.models.loader import RESAMPLING
from vlam_ros.perception import Grounder
from vlam_ros.simulation import COLOURS, SHAPES, World
from vlam_ros.simulation.splits import scene_of_seed
from vlam_ros.types import Uint8Array

COUNTS = (1, 4, 8, 16)
"""Of prompts."""
PROMPTS = tuple(f"{colour} {shape}" for shape in SHAPES[:4] for colour in list(COLOURS)[:4])
"""What is looked for."""
RATIO_AT_8 = 6.0
"""How many times as fast as Hugging Face prompt by prompt, full size, float32, 8 prompts."""
SAME_IOU = 0.99
"""IoU of masks from which they are the same ones."""
ONE_BY_ONE, BATCH, OURS = "Hugging Face, one by one", "Hugging Face, one batch", "ours"

Float32Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Subject:
    """A checkpoint, as this package uses it and as Hugging Face does.

    `trained` says whether its masks mean anything; `gate` is the ratio to be reached at 8 prompts.
    """

    name: str
    grounder: Grounder
    model: CLIPSegForImageSegmentation
    processor: CLIPSegProcessor
    trained: bool
    gate: float | None = None

    @classmethod
    def of(
        cls, name: str, checkpoint: Checkpoint, trained: bool, gate: float | None = None
    ) -> Subject:
        """A checkpoint in float32 on the CPU, with the processor that belongs to it."""
        how = checkpoint.preprocessing
        images = ViTImageProcessor(
            size={"height": how.size, "width": how.size},
            image_mean=list(how.mean),
            image_std=list(how.std),
            resample={name: number for number, name in RESAMPLING.items()}[how.resampling],
        )
        processor = CLIPSegProcessor(images, checkpoint.tokenizer)
        return cls(name, Grounder(checkpoint), checkpoint.model, processor, trained, gate)


def full_size() -> Subject:
    """CLIPSeg rd64 with its ViT-B/16 and pictures of 352 × 352, with random weights."""
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
    model = CLIPSegForImageSegmentation(config).eval()
    how = Preprocessing(352, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    checkpoint = Checkpoint(model, tokenizer, how, None, "rd64", model.device, model.dtype)
    return Subject.of("rd64, random weights", checkpoint, trained=False, gate=RATIO_AT_8)


def embedded() -> Subject:
    """The model that comes with the package."""
    return Subject.of("embedded", load_checkpoint("embedded", "cpu", "float32"), trained=True)


def pictures(count: int) -> list[Uint8Array]:
    """The first pictures of test scenes, uint8[H,W,3] RGB, 640 × 480."""
    found = []
    with World() as world:
        for index in range(count):
            world.load(scene_of_seed("test", index))
            found.append(world.render().image)
    return found


def evaluate_speed(
    subjects: Sequence[Subject],
    pictures: Sequence[Uint8Array],
    prompts: Sequence[str],
    progress: bool = True,
) -> Report:
    """Measure how long masks of the first 1, 4, 8 and 16 prompts take, and whether they agree.

    Args:
        subjects: the checkpoints.
        pictures: uint8[H,W,3] RGB each; medians are over them.
        prompts: at least as many as the most of COUNTS.
        progress: whether to show it.
    """
    rows: list[Row] = []
    for subject in subjects:
        for count in tqdm(COUNTS, desc=subject.name, disable=not progress):
            rows += _race(subject, pictures, prompts[:count])
        rows += _stages(subject, pictures, prompts[:8])
    made_with: dict[str, str | int] = {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "pictures": len(pictures),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }
    return Report(tuple(rows), made_with)


def one_by_one(subject: Subject, picture: Uint8Array, prompts: Sequence[str]) -> Float32Array:
    """Mask logits float32[P,h,w], as the model card of CLIPSeg gets them of one prompt."""
    return np.stack([batch(subject, picture, [prompt])[0] for prompt in prompts])


@torch.inference_mode()
def batch(subject: Subject, picture: Uint8Array, prompts: Sequence[str]) -> Float32Array:
    """The same of all prompts at once, each with the picture."""
    inputs = subject.processor(
        text=list(prompts), images=[picture] * len(prompts), padding=True, return_tensors="pt"
    )
    logits = subject.model(**inputs).logits
    return np.asarray(logits.reshape(len(prompts), *logits.shape[-2:]).numpy(), np.float32)


def ours(subject: Subject, picture: Uint8Array, prompts: Sequence[str]) -> Float32Array:
    """The same by the grounder of this package."""
    return subject.grounder.segment(subject.grounder.encode_image(picture), prompts)


WAYS: dict[str, Callable[[Subject, Uint8Array, Sequence[str]], Float32Array]] = {
    ONE_BY_ONE: one_by_one,
    BATCH: batch,
    OURS: ours,
}


def iou(masks: Float32Array, others: Float32Array, trained: bool) -> float:
    """The least overlap of two masks of the same prompt. Where weights are random nothing is above
    zero, and the median of each prompt's logits divides what is mask from what is not.
    """
    found = []
    for one, other in zip(masks, others, strict=True):
        a, b = (m > (0.0 if trained else np.median(m)) for m in (one, other))
        union = int((a | b).sum())
        found.append(int((a & b).sum()) / union if union else 1.0)
    return min(found)


def _race(
    subject: Subject, pictures: Sequence[Uint8Array], prompts: Sequence[str]
) -> Iterator[Row]:
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    overlaps, errors = [], []
    for way in WAYS.values():
        way(subject, pictures[0], prompts)
    for picture in pictures:
        masks: dict[str, Float32Array] = {}
        for name, way in WAYS.items():
            seconds[name].append(_timed(partial(way, subject, picture, prompts), masks, name))
        overlaps.append(iou(masks[OURS], masks[ONE_BY_ONE], subject.trained))
        apart = np.abs(masks[OURS] - masks[ONE_BY_ONE]).max()
        errors.append(float(apart / np.ptp(masks[ONE_BY_ONE])))
    title, cases = f"{subject.name}, {len(prompts)} prompts", len(pictures)
    typical = {name: median(values) for name, values in seconds.items()}
    for name, value in typical.items():
        yield Row(f"{title}: {name} (s)", value, cases)
    gate = subject.gate if len(prompts) == 8 else None
    yield Row(
        f"{title}: times as fast as one by one", typical[ONE_BY_ONE] / typical[OURS], cases, gate
    )
    yield Row(f"{title}: times as fast as one batch", typical[BATCH] / typical[OURS], cases)
    yield Row(f"{title}: least IoU with one by one", min(overlaps), cases, SAME_IOU)
    yield Row(f"{title}: largest difference of logits, share of their range", max(errors), cases)


def _timed(work: Callable[[], Float32Array], results: dict[str, Float32Array], name: str) -> float:
    begin = time.perf_counter()
    results[name] = work()
    return time.perf_counter() - begin


def _stages(
    subject: Subject, pictures: Sequence[Uint8Array], prompts: Sequence[str]
) -> Iterator[Row]:
    """Where our time goes; texts are encoded once and remembered."""
    grounder = subject.grounder
    stages = ("preprocess", "vision", "decoder")
    laps: list[list[float]] = []
    for picture in pictures:
        times = [time.perf_counter()]
        pixels = grounder.preprocess(picture)
        times.append(time.perf_counter())
        features = grounder.encode_pixels(pixels, picture)
        times.append(time.perf_counter())
        grounder.segment(features, prompts)
        times.append(time.perf_counter())
        laps.append([end - begin for begin, end in pairwise(times)])
    for name, seconds in zip(stages, zip(*laps, strict=True), strict=True):
        title = f"{subject.name}, {len(prompts)} prompts: {name} (s)"
        yield Row(title, median(seconds), len(seconds))
    unseen = [f"{prompt} again" for prompt in prompts]
    begin = time.perf_counter()
    grounder.text_similarity(unseen[0], unseen)
    yield Row(
        f"{subject.name}: {len(prompts)} texts never seen (s)", time.perf_counter() - begin, 1
    )


def _processor() -> str:
    """The name of the processor, as the kernel tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return f"{len(names)} × {names[0]}" if names else platform.processor() or platform.machine()
