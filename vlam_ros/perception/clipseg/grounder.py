"""CLIPSeg and CLIP on one pass of the vision tower per image.

`CLIPSegForImageSegmentation.forward` runs the vision tower once per prompt. Here the image is
encoded once; its CLIP embedding and the activations that the decoder reads serve any number of
prompts, which go through the decoder as one batch. The results are those of `forward`. On a GPU
nothing waits for it before the masks are fetched.

CLIPSeg: Lüddecke and Ecker, "Image Segmentation Using Text and Image Prompts", CVPR 2022.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from vlam_ros.errors import ModelError
from vlam_ros.perception.calibration import Calibration
from vlam_ros.perception.clipseg.backend import Activations, TorchBackend
from vlam_ros.perception.clipseg.loader import Checkpoint, load_checkpoint, load_clip
from vlam_ros.perception.clipseg.model import tokenized
from vlam_ros.perception.clipseg.preprocess import preprocess
from vlam_ros.perception.perceiver import SecondLook
from vlam_ros.types import Uint8Array

Float32Array = npt.NDArray[np.float32]
TEXT_CACHE = 1024
"""Text embeddings kept; an instruction with its competitors needs some dozens."""


class TextEmbeddings:
    """The text tower of a checkpoint, each text run once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._backend = checkpoint.backend
        self._tokenizer = checkpoint.tokenizer
        self._config = checkpoint.config
        self._cache: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Text embeddings [T,D], not normalised: CLIPSeg's decoder is conditioned on these."""
        with self._lock:
            known = {text: self._cache[text] for text in texts if text in self._cache}
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            tokens = tokenized(self._tokenizer, self._config, new)
            embeddings = self._backend.encode_texts(tokens.input_ids, tokens.attention_mask)
            known.update(zip(new, embeddings, strict=True))
        with self._lock:
            for text, embedding in known.items():
                self._cache[text] = embedding
                self._cache.move_to_end(text)
            while len(self._cache) > TEXT_CACHE:
                self._cache.popitem(last=False)
        if not texts:
            return torch.zeros((0, self._config.projection_dim), device=self._backend.device)
        return torch.stack([known[text] for text in texts])

    def directions(self, texts: Sequence[str]) -> torch.Tensor:
        """Normalised text embeddings float32[T,D]: their products are cosines."""
        return functional.normalize(self(texts).float(), dim=-1)


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower knows of an image.

    `activations` are what the decoder reads; `size` is the image's (height, width). The rest of
    the tower is run when the embedding is first asked for. `masks` are the logits of the prompts
    that were segmented so far: perception and policy ask for the same.
    """

    activations: Activations
    size: tuple[int, int]
    _embed: Callable[[], torch.Tensor]
    masks: dict[str, Float32Array] = field(default_factory=dict)

    @cached_property
    def embedding(self) -> torch.Tensor:
        """The normalised CLIP embedding float32[1,D]."""
        return functional.normalize(self._embed().float(), dim=-1)


class ClipsegGrounder:
    """The Grounder of a checkpoint: masks by CLIPSeg, similarities by CLIP.

    `notes` is what the loader decided automatically.
    """

    def __init__(self, checkpoint: Checkpoint, clip: Checkpoint | None = None) -> None:
        """Use a CLIPSeg checkpoint, and for `similarity` and `text_similarity` a separate CLIP."""
        self.checkpoint = checkpoint
        self._backend = checkpoint.backend
        self.name, self.backend = checkpoint.name, checkpoint.backend.name
        self.device, self.precision = checkpoint.backend.device, checkpoint.backend.precision
        self.notes = checkpoint.notes + (clip.notes if clip else ())
        self.calibration = _calibration(checkpoint, clip)
        self._preprocessing = checkpoint.preprocessing
        self._texts = TextEmbeddings(checkpoint)
        self._clip = clip
        self._skill_texts = TextEmbeddings(clip) if clip else self._texts

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        clip: str = "",
        backend: str = "torch",
        compiled: bool = False,
        adapter: str | Path = "",
    ) -> ClipsegGrounder:
        """Load a CLIPSeg checkpoint, and a separate CLIP, always run by PyTorch, if one is named.

        Arguments and errors are those of `vlam_ros.perception.clipseg.load_checkpoint`.
        """
        checkpoint = load_checkpoint(name_or_path, device, dtype, backend, compiled, adapter)
        if not clip:
            return cls(checkpoint)
        return cls(checkpoint, load_clip(clip, device, dtype if backend == "torch" else "auto"))

    def preprocess(self, image: Uint8Array) -> torch.Tensor:
        """Pixel values float32[1,3,S,S] of an image uint8[H,W,3] RGB, on the models' device."""
        return preprocess(image, self._preprocessing, device=self.device)

    def encode_image(self, image: Uint8Array) -> ImageFeatures:
        """One vision pass over an image uint8[H,W,3] RGB, shared by CLIP and CLIPSeg.

        Raises:
            ImageError: the image is not uint8[H,W,3].
        """
        return self.encode_pixels(self.preprocess(image), image)

    def encode_pixels(self, pixels: torch.Tensor, image: Uint8Array) -> ImageFeatures:
        """The vision pass of `encode_image`, on the image's preprocessed pixels."""
        activations = self._backend.encode_pixels(pixels)
        embed = partial(self._backend.embed, activations)
        if self._clip is not None:
            embed = partial(_embed, self._clip, image)
        return ImageFeatures(activations, image.shape[:2], embed)

    def statistics(self, features: ImageFeatures) -> Float32Array:
        """See Grounder: the means of the activations over the image's patches."""
        return _statistics(features.activations)

    def segment(self, features: ImageFeatures, prompts: Sequence[str]) -> Float32Array:
        """See Grounder; in one decoder batch, but for what was asked of the image before."""
        if not prompts:
            raise ValueError("segment needs at least one prompt")
        if new := [p for p in dict.fromkeys(prompts) if p not in features.masks]:
            images = torch.zeros(len(new), dtype=torch.long)
            logits = self._backend.decode_masks(features.activations, self._texts(new), images)
            features.masks.update(zip(new, logits.float().cpu().numpy(), strict=True))
        return np.stack([features.masks[prompt] for prompt in prompts])

    def similarity(self, features: ImageFeatures, texts: Sequence[str]) -> Float32Array:
        """CLIP cosines float32[T] of the whole image with texts."""
        directions = self._skill_texts.directions(texts)
        return (features.embedding @ directions.T)[0].cpu().numpy()

    def text_similarity(self, text: str, texts: Sequence[str]) -> Float32Array:
        """CLIP cosines float32[T] of one text with others."""
        own = self._skill_texts.directions([text])
        return (own @ self._skill_texts.directions(texts).T)[0].cpu().numpy()

    def word_states(self, text: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A text's tokens int64[L], and the text tower's hidden states float[L,width] of them, for
        policies that read them.

        Raises:
            ModelError: the checkpoint is an exported one, which has only the embeddings of texts.
        """
        backend = self.checkpoint.backend
        if not isinstance(backend, TorchBackend):
            raise ModelError(
                f"{self.name} runs on {backend.name}, which tells embeddings of whole texts only: "
                "set model.backend to torch"
            )
        tokens = tokenized(self.checkpoint.tokenizer, self.checkpoint.config, [text])
        states = backend.encode_words(tokens.input_ids, tokens.attention_mask)
        return tokens.input_ids[0].to(states.device), states[0]

    def second_look(
        self,
        crops: Sequence[Uint8Array],
        texts: Sequence[str],
        prompts: Sequence[Sequence[str]],
    ) -> SecondLook:
        """See Grounder; in one vision and one decoder batch.

        Crops are resized to `calibration.crop_size`, or to the model's own size if there is no
        calibration; the position embeddings are interpolated.
        """
        if not crops:
            none = np.zeros((0, len(texts)), np.float32)
            return SecondLook(none, [], none)
        size = self.calibration.crop_size if self.calibration else None
        pixels = torch.cat(
            [preprocess(crop, self._preprocessing, size, self.device) for crop in crops]
        )
        activations = self._backend.encode_pixels(pixels)
        embeddings = functional.normalize(self._backend.embed(activations).float(), dim=-1)
        cosines = embeddings @ self._texts.directions(texts).T
        counts = [len(some) for some in prompts]
        conditions = self._texts([prompt for some in prompts for prompt in some])
        each = torch.repeat_interleave(torch.arange(len(crops)), torch.tensor(counts))
        logits = self._backend.decode_masks(activations, conditions, each)
        by_crop = logits.float().cpu().split(counts)
        masks = [each.numpy() for each in by_crop]
        return SecondLook(cosines.cpu().numpy(), masks, _statistics(activations))


def _statistics(activations: Activations) -> Float32Array:
    """The means of B images' activations over their patches, float32[B,S]."""
    means = [layer[:, 1:].float().mean(dim=1) for layer in activations]
    return torch.cat(means, dim=1).cpu().numpy()


def _embed(clip: Checkpoint, image: Uint8Array) -> torch.Tensor:
    pixels = preprocess(image, clip.preprocessing, device=clip.backend.device)
    return clip.backend.embed(clip.backend.encode_pixels(pixels))


def _calibration(checkpoint: Checkpoint, clip: Checkpoint | None) -> Calibration | None:
    """The thresholds in force: those of skills belong to the CLIP that compares them."""
    if clip is None or checkpoint.calibration is None:
        return checkpoint.calibration
    if clip.calibration is None:
        return None
    return dataclasses.replace(
        checkpoint.calibration,
        skill_threshold=clip.calibration.skill_threshold,
        skill_temperature=clip.calibration.skill_temperature,
        skills=clip.calibration.skills,
    )
