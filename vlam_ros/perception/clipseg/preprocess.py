"""A camera image as a model's pixel values, without Pillow and within 2/255 of its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from vlam_ros.errors import ImageError, ModelError
from vlam_ros.types import Uint8Array

CPU = torch.device("cpu")
RESAMPLING = {2: "bilinear", 3: "bicubic"}
"""The image processors' resampling filters (Pillow's numbers) that preprocessing can repeat."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes pixel values: resized to `size` x `size`, scaled to 0..1, normalised.

    With `centre_crop` the image's middle square is taken, otherwise it is squeezed.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resampling: str = "bilinear"
    centre_crop: bool = False

    @classmethod
    def of(cls, name: str, processor: Any) -> Preprocessing:
        """What the image processor of a checkpoint does.

        Raises:
            ModelError: it does something that we cannot repeat.
        """
        crops = bool(getattr(processor, "do_center_crop", False))
        size = processor.crop_size if crops else processor.size
        steps = (processor.do_resize, processor.do_rescale, processor.do_normalize)
        if (
            not all(steps)
            or not size.height
            or size.height != size.width
            or (crops and processor.size.shortest_edge != size.height)
            or processor.resample not in RESAMPLING
            or abs(processor.rescale_factor * 255 - 1) > 1e-6
        ):
            raise ModelError(
                f"the image processor of {name} must resize to a square (bilinear or bicubic), "
                f"rescale by 1/255 and normalise, got {processor.to_dict()}"
            )
        return cls(
            size=int(size.height),
            mean=tuple(processor.image_mean),
            std=tuple(processor.image_std),
            resampling=RESAMPLING[processor.resample],
            centre_crop=crops,
        )


def preprocess(
    image: Uint8Array,
    preprocessing: Preprocessing,
    size: int | None = None,
    device: torch.device = CPU,
) -> torch.Tensor:
    """Resize to a square, scale to 0..1 and normalise, as the checkpoint's image processor does.

    Args:
        image: uint8[H,W,3] RGB.
        preprocessing: what the checkpoint expects.
        size: side of the square in pixels, if not the checkpoint's own.
        device: where it is done; the image gets there as it is, in uint8.

    Returns:
        float32[1,3,S,S] on the device.

    Raises:
        ImageError: the image is not uint8[H,W,3] with at least one pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"image must be uint8[H,W,3] RGB, got {image.dtype}{list(image.shape)}")
    if preprocessing.centre_crop:
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    size = size or preprocessing.size
    pixels = torch.from_numpy(np.ascontiguousarray(image))
    if device.type == "cuda":
        # In uint8, a quarter of the bytes. The filter knows no uint8 on a GPU.
        pixels = pixels.pin_memory().to(device, non_blocking=True).float()
    mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1)
    return (resized(pixels, preprocessing, size) - 255 * mean) / (255 * std)


def resized(pixels: torch.Tensor, preprocessing: Preprocessing, size: int) -> torch.Tensor:
    """Whole numbers 0..255 as float32[1,3,S,S] of an image [H,W,3], uint8 or float32.

    In uint8 torch rounds between the two passes of the filter as Pillow does, and takes a tenth of
    the time.
    """
    square = functional.interpolate(
        pixels.permute(2, 0, 1)[None],
        (size, size),
        mode=preprocessing.resampling,
        antialias=True,
        align_corners=False,
    )
    return square.float().round().clamp(0, 255)
