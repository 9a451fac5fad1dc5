"""A loaded model with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import CLIPTokenizer

from vlam_ros.errors import ModelError
from vlam_ros.perception.calibration import UNCALIBRATED_MASK_THRESHOLD, Calibration
from vlam_ros.perception.clipseg.backends import Backend, TorchBackend

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


@dataclass(frozen=True)
class Checkpoint:
    """A CLIPSeg from `load_checkpoint`, or a CLIP from `load_clip`.

    `backend` runs it; `processor` is Hugging Face's, and `preprocessing` what it does to images;
    `notes` says what was decided automatically or is missing.
    """

    backend: Backend
    config: Any
    processor: Any
    preprocessing: Preprocessing
    calibration: Calibration | None
    name: str
    notes: tuple[str, ...] = ()

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """Of the text tower."""
        return self.processor.tokenizer

    @property
    def crop_size(self) -> int:
        """Side in pixels of what the second look cuts out; without calibration the images'."""
        return self.calibration.crop_size if self.calibration else self.preprocessing.size

    @property
    def mask_threshold(self) -> float:
        """Probability from which a pixel can belong to a phrase."""
        return self.calibration.mask_threshold if self.calibration else UNCALIBRATED_MASK_THRESHOLD

    @property
    def model(self) -> Any:
        """The CLIPSegForImageSegmentation or CLIPModel itself, in evaluation mode.

        Raises:
            ModelError: an exported checkpoint has none.
        """
        if isinstance(self.backend, TorchBackend):
            return self.backend.model
        raise ModelError(
            f"{self.name} runs on {self.backend.name} and has no weights to work on: use the "
            "checkpoint that it was exported from"
        )
