from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor, ViTImageProcessor

from vlam_ros.errors import ImageError
from vlam_ros.perception.clipseg import Preprocessing, preprocess
from vlam_ros.perception.clipseg.preprocess import resized
from vlam_ros.types import Uint8Array

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Image = Callable[..., Uint8Array]


def denormalised(pixels: torch.Tensor) -> torch.Tensor:
    return pixels * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)


@pytest.mark.parametrize("size", [64, 160, 352])
@pytest.mark.parametrize(
    ("height", "width"), [(480, 640), (720, 1280), (240, 320), (333, 517), (97, 61), (1, 5)]
)
def test_pixels_differ_by_at_most_2_of_255_from_the_processors(
    image: Image, height: int, width: int, size: int
) -> None:
    pixels = image(height, width)
    ours = preprocess(pixels, Preprocessing(size, MEAN, STD))
    processor = ViTImageProcessor(
        size={"height": size, "width": size}, image_mean=MEAN, image_std=STD
    )
    theirs = processor(pixels, return_tensors="pt", input_data_format="channels_last").pixel_values
    assert ours.shape == (1, 3, size, size)
    assert ours.dtype == torch.float32
    assert (denormalised(ours) - denormalised(theirs)).abs().max() <= 2 / 255


@pytest.mark.parametrize(("resampling", "apart"), [("bilinear", 1), ("bicubic", 4)])
def test_resized_in_float_as_on_a_gpu_pixels_are_nearly_the_same(
    image: Image, resampling: str, apart: int
) -> None:
    pixels, how = torch.from_numpy(image(480, 640)), Preprocessing(160, MEAN, STD, resampling)
    on_cpu = resized(pixels, how, 160)
    on_gpu = resized(pixels.float(), how, 160)
    assert on_gpu.min() >= 0
    assert on_gpu.max() <= 255
    assert torch.equal(on_gpu, on_gpu.round())
    assert (on_gpu - on_cpu).abs().max() <= apart


def test_another_size_than_the_checkpoints_can_be_asked_for(image: Image) -> None:
    pixels = image(120, 120)
    small = preprocess(pixels, Preprocessing(160, MEAN, STD), size=64)
    assert torch.equal(small, preprocess(pixels, Preprocessing(64, MEAN, STD)))


def test_a_plain_clip_sees_the_middle_square_as_its_processor_shows_it(image: Image) -> None:
    pixels = image(448, 672)
    ours = preprocess(pixels, Preprocessing(224, MEAN, STD, "bicubic", centre_crop=True))
    theirs = CLIPImageProcessor(image_mean=MEAN, image_std=STD)(
        pixels, return_tensors="pt"
    ).pixel_values
    # At the cut edges the processor's filter still sees what is beyond.
    inside = (..., slice(4, -4), slice(4, -4))
    assert (denormalised(ours) - denormalised(theirs))[inside].abs().max() <= 2 / 255


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(image: Uint8Array) -> None:
    with pytest.raises(ImageError, match=r"uint8\[H,W,3\]"):
        preprocess(image, Preprocessing(160, MEAN, STD))
