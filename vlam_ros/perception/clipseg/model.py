"""CLIPSeg in pieces: one pass of the vision tower, and one decoder batch for all prompts.

`CLIPSegForImageSegmentation.forward` repeats the vision tower for every prompt and keeps it out of
the gradient. These functions call the same layers, so that an image is encoded once and the towers
can be trained. The results are the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import CLIPSegForImageSegmentation


@dataclass(frozen=True)
class VisionStates:
    """What one pass of the vision tower leaves for B images of N patches.

    `activations` are the decoder's inputs, float[B,1+N,width], shallowest first; `tokens`
    float[B,1+N,projection] are all last tokens in CLIP's joint space, `tokens[:, 0]` being the
    image's embedding (not normalised).
    """

    activations: tuple[Tensor, ...]
    tokens: Tensor

    @property
    def embedding(self) -> Tensor:
        """float[B,projection], the image in CLIP's joint space, not normalised."""
        return self.tokens[:, 0]


def encode_pixels(
    model: CLIPSegForImageSegmentation, pixels: Tensor, patches: bool = False
) -> VisionStates:
    """Run the vision tower once over normalised images float[B,3,H,W] of any patch multiple.

    Only the class token is projected unless the `patches` are asked for.
    """
    read = activations(model, pixels)
    return VisionStates(read, embed(model, read[deepest(model.extract_layers)], patches))


def activations(model: CLIPSegForImageSegmentation, pixels: Tensor) -> tuple[Tensor, ...]:
    """The part of `encode_pixels` that the decoder reads, float[B,1+N,width] each."""
    tower = model.clip.vision_model
    states = tower.pre_layrnorm(tower.embeddings(pixels, interpolate_pos_encoding=True))
    after_layer = []
    for layer in tower.encoder.layers[: max(model.extract_layers) + 1]:
        states = layer(states, None)
        after_layer.append(states)
    return tuple(after_layer[i] for i in model.extract_layers)


def deepest(extract_layers: Sequence[int]) -> int:
    """Which of the activations is of the deepest layer."""
    return list(extract_layers).index(max(extract_layers))


def embed(model: CLIPSegForImageSegmentation, states: Tensor, patches: bool = False) -> Tensor:
    """The rest of `encode_pixels`, from the deepest of the activations on: its tokens
    float[B,1+N,projection], or the first alone float[B,1,projection].
    """
    tower = model.clip.vision_model
    for layer in tower.encoder.layers[max(model.extract_layers) + 1 :]:
        states = layer(states, None)
    last = states if patches else states[:, :1]
    tokens: Tensor = model.clip.visual_projection(tower.post_layernorm(last))
    return tokens


def tokenized(tokenizer: Any, config: Any, texts: Sequence[str]) -> Any:
    """`input_ids` and `attention_mask` int64[T,L] of texts, as CLIPSegProcessor makes them; those
    longer than the text tower of the configuration can read lose their end, as they do in CLIP.
    """
    longest = config.text_config.max_position_embeddings
    return tokenizer(
        list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
    )


def encode_texts(
    model: CLIPSegForImageSegmentation, input_ids: Tensor, attention_mask: Tensor
) -> Tensor:
    """Text embeddings float[T,projection] in the joint space, not normalised."""
    tower = model.clip.text_model(input_ids=input_ids, attention_mask=attention_mask)
    projected: Tensor = model.clip.text_projection(tower.pooler_output)
    return projected


def encode_words(
    model: CLIPSegForImageSegmentation, input_ids: Tensor, attention_mask: Tensor
) -> Tensor:
    """The text tower's last hidden states float[T,L,width], after its last norm."""
    tower = model.clip.text_model(input_ids=input_ids, attention_mask=attention_mask)
    states: Tensor = tower.last_hidden_state
    return states


def decode_masks(
    model: CLIPSegForImageSegmentation,
    activations: Sequence[Tensor],
    conditions: Tensor,
    images: Tensor,
) -> Tensor:
    """Mask logits float[P,h,w] of P (image, prompt) pairs.

    Args:
        activations: as in VisionStates, of B square images.
        conditions: float[P,projection], text embeddings, not normalised.
        images: int64[P], which of the B images each condition asks about.
    """
    decoder = model.decoder
    output: Tensor | None = None
    for i, (activation, layer, reduce) in enumerate(
        zip(reversed(activations), decoder.layers, decoder.reduces, strict=True)
    ):
        # Reducing before repeating: the reduction is the same for all prompts of an image.
        reduced = reduce(activation)[images]
        output = reduced if output is None else reduced + output
        if i == decoder.conditional_layer:
            scale, shift = decoder.film_mul(conditions), decoder.film_add(conditions)
            output = scale[:, None] * output + shift[:, None]
        output = layer(output, attention_mask=None)
    assert output is not None
    grid = output[:, 1:].transpose(1, 2)
    side = int(grid.shape[-1] ** 0.5)
    logits: Tensor = decoder.transposed_convolution(grid.unflatten(-1, (side, side)).contiguous())
    return logits.squeeze(1)


def normalise(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """float[B,3,H,W] in 0..1 → the model's pixel values."""
    shape = (1, 3, 1, 1)
    return (image - image.new_tensor(mean).view(shape)) / image.new_tensor(std).view(shape)
