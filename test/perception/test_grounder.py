import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint
from transformers import CLIPModel

from vlam_ros.lab.evaluation.speed.subjects import full_size
from vlam_ros.perception.clipseg import (
    Checkpoint,
    ClipsegGrounder,
    load_checkpoint,
    load_clip,
    preprocess,
)
from vlam_ros.perception.clipseg import grounder as texts
from vlam_ros.perception.clipseg.loader import EMBEDDED
from vlam_ros.types import Uint8Array

Image = Callable[..., Uint8Array]

PROMPTS = ("red cup", "a box on the yellow cone", "giraffe")


def forward(checkpoint: Checkpoint, image: Uint8Array, prompts: tuple[str, ...]) -> np.ndarray:
    """What plain transformers make of it, with the vision tower run once per prompt."""
    tokens = checkpoint.tokenizer(list(prompts), padding=True, return_tensors="pt")
    pixels = preprocess(image, checkpoint.preprocessing)
    with torch.inference_mode():
        output = checkpoint.model(**tokens, pixel_values=pixels.repeat(len(prompts), 1, 1, 1))
    return output.logits.numpy()


def assert_equals_forward(checkpoint: Checkpoint, image: Uint8Array) -> None:
    grounder = ClipsegGrounder(checkpoint)
    masks = grounder.segment(grounder.encode_image(image), PROMPTS)
    expected = forward(checkpoint, image, PROMPTS)
    assert masks.shape == expected.shape
    assert masks.dtype == np.float32
    assert np.abs(masks - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(masks[0] - masks[1]).max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"conditional_layer": 1},
        {"conditional_layer": 2, "extract_layers": [0, 2, 2]},
        {"use_complex_transposed_convolution": True},
        {"extract_layers": [1, 2]},
    ],
    ids=str,
)
def test_masks_equal_forward_of_transformers(
    tmp_path: Path, image: Image, config: dict[str, Any]
) -> None:
    folder = save_tiny_checkpoint(tmp_path, **config)
    assert_equals_forward(load_checkpoint(folder, device="cpu"), image(240, 320))


def test_masks_equal_forward_on_a_full_size_model(image: Image) -> None:
    assert_equals_forward(full_size(), image(480, 640))


@pytest.mark.skipif(
    not (EMBEDDED / "model.safetensors").exists(), reason="the embedded model is not trained yet"
)
def test_masks_equal_forward_on_the_embedded_model(image: Image) -> None:
    assert_equals_forward(load_checkpoint("embedded", device="cpu"), image(480, 640))


@pytest.fixture(scope="module")
def grounder(tiny_checkpoint: Path) -> ClipsegGrounder:
    return ClipsegGrounder.from_pretrained(tiny_checkpoint, device="cpu")


def count_calls(monkeypatch: pytest.MonkeyPatch, module: torch.nn.Module) -> list[int]:
    """The batch sizes with which a module is called from now on."""
    sizes: list[int] = []
    original = module.forward

    def counting(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(tensor))
        return original(tensor, *args, **kwargs)

    monkeypatch.setattr(module, "forward", counting)
    return sizes


def test_one_vision_pass_serves_all_questions_about_a_image(
    tiny_checkpoint: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    grounder = ClipsegGrounder(checkpoint)
    layers = checkpoint.model.clip.vision_model.encoder.layers
    passes = [count_calls(monkeypatch, layer) for layer in layers]
    features = grounder.encode_image(image(240, 320))
    for _ in range(3):
        grounder.segment(features, PROMPTS)
        grounder.similarity(features, PROMPTS)
        grounder.text_similarity("red cup", PROMPTS)
    assert passes == [[1]] * 3


def test_the_decoder_runs_once_for_all_prompts(
    tiny_checkpoint: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    grounder = ClipsegGrounder(checkpoint)
    features = grounder.encode_image(image(240, 320))
    reduced = count_calls(monkeypatch, checkpoint.model.decoder.reduces[0])
    decoded = count_calls(monkeypatch, checkpoint.model.decoder.layers[-1])
    grounder.segment(features, PROMPTS)
    assert (reduced, decoded) == ([1], [3])


def test_a_text_is_encoded_once(
    tiny_checkpoint: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    grounder = ClipsegGrounder(checkpoint)
    features = grounder.encode_image(image(60, 80))
    encoded = count_calls(monkeypatch, checkpoint.model.clip.text_projection)
    grounder.segment(features, ("red cup", "ball", "red cup"))
    grounder.similarity(features, ("ball", "red cup"))
    grounder.text_similarity("red cup", ("ball", "cone"))
    assert encoded == [2, 1]


def test_the_text_cache_is_bounded_and_forgets_what_was_not_asked_longest(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "TEXT_CACHE", 3)
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    grounder = ClipsegGrounder(checkpoint)
    encoded = count_calls(monkeypatch, checkpoint.model.clip.text_projection)
    many = grounder.text_similarity("a", ("b", "c", "d", "e"))
    assert many.shape == (4,)
    grounder.text_similarity("c", ("d", "e"))
    assert encoded == [1, 4]
    grounder.text_similarity("c", ("f",))  # in the place of d
    grounder.text_similarity("c", ("e",))
    assert encoded == [1, 4, 1]
    grounder.text_similarity("d", ("e",))
    assert encoded == [1, 4, 1, 1]


def test_similarities_equal_those_of_transformers(grounder: ClipsegGrounder, image: Image) -> None:
    checkpoint = load_checkpoint(grounder.name, device="cpu")
    pixels = image(240, 320)
    tokens = checkpoint.tokenizer(list(PROMPTS), padding=True, return_tensors="pt")
    with torch.inference_mode():
        output = checkpoint.model.clip(
            **tokens, pixel_values=preprocess(pixels, checkpoint.preprocessing)
        )
    expected = output.text_embeds @ output.image_embeds[0]
    ours = grounder.similarity(grounder.encode_image(pixels), PROMPTS)
    assert ours.dtype == np.float32
    assert ours == pytest.approx(expected.numpy(), abs=1e-5)
    between = output.text_embeds @ output.text_embeds[0]
    assert grounder.text_similarity(PROMPTS[0], PROMPTS) == pytest.approx(between.numpy(), abs=1e-5)


def test_the_second_look_sees_crops_as_images_of_the_calibrated_size(
    grounder: ClipsegGrounder, image: Image
) -> None:
    checkpoint = load_checkpoint(grounder.name, device="cpu")
    crops = [image(50, 50, seed=1), image(90, 90, seed=2)]
    size = CALIBRATION.crop_size
    pixels = torch.cat([preprocess(crop, checkpoint.preprocessing, size) for crop in crops])
    tokens = checkpoint.tokenizer(list(PROMPTS), padding=True, return_tensors="pt")
    with torch.inference_mode():
        output = checkpoint.model.clip(**tokens, pixel_values=pixels)
    expected = output.image_embeds @ output.text_embeds.T
    cosines = grounder.second_look(crops, PROMPTS, [["red cup"]] * len(crops)).cosines
    assert cosines == pytest.approx(expected.numpy(), abs=1e-5)


def test_each_crop_is_decoded_for_its_own_prompts(grounder: ClipsegGrounder, image: Image) -> None:
    crops = [image(50, 50, seed=1), image(90, 90, seed=2)]
    prompts = [PROMPTS, ("red cup",)]
    together = grounder.second_look(crops, (), prompts).masks
    assert [len(masks) for masks in together] == [3, 1]
    for crop, some, masks in zip(crops, prompts, together, strict=True):
        (alone,) = grounder.second_look([crop], (), [some])[1]
        assert masks == pytest.approx(alone, abs=1e-4)
    # At the model's own size the crop is an image, and its masks are those of the image.
    whole = dataclasses.replace(load_checkpoint(grounder.name, device="cpu"), calibration=None)
    eyes = ClipsegGrounder(whole)
    (masks,) = eyes.second_look(crops[:1], (), [PROMPTS])[1]
    expected = eyes.segment(eyes.encode_image(crops[0]), PROMPTS)
    assert masks == pytest.approx(expected, abs=1e-4)


def test_nothing_asked_gives_nothing(grounder: ClipsegGrounder, image: Image) -> None:
    features = grounder.encode_image(image(60, 80))
    assert features.size == (60, 80)
    with pytest.raises(ValueError, match="at least one prompt"):
        grounder.segment(features, ())
    assert grounder.similarity(features, ()).shape == (0,)
    cosines, masks, _ = grounder.second_look([], PROMPTS, [])
    assert cosines.shape == (0, 3)
    assert masks == []


def test_a_text_longer_than_the_tower_reads_is_cut(grounder: ClipsegGrounder, image: Image) -> None:
    features = grounder.encode_image(image(60, 80))
    assert np.isfinite(grounder.similarity(features, ["cup " * 1000])).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near_float32(
    tiny_checkpoint: Path, grounder: ClipsegGrounder, image: Image, dtype: str
) -> None:
    half = ClipsegGrounder.from_pretrained(tiny_checkpoint, device="cpu", dtype=dtype)
    pixels = image(240, 320)
    exact, near = (g.segment(g.encode_image(pixels), PROMPTS) for g in (grounder, half))
    assert near.dtype == np.float32
    assert np.abs(near - exact).max() <= 0.1 * np.abs(exact).max()
    exact, near = (g.second_look([pixels], PROMPTS, [["cup"]])[0] for g in (grounder, half))
    assert near == pytest.approx(exact, abs=0.05)


def test_a_separate_clip_judges_images_and_sentences_but_not_masks(
    tiny_checkpoint: Path, tiny_clip: Path, grounder: ClipsegGrounder, image: Image
) -> None:
    both = ClipsegGrounder.from_pretrained(tiny_checkpoint, device="cpu", clip=str(tiny_clip))
    pixels = image(64, 64)
    features = both.encode_image(pixels)
    loaded = load_clip(tiny_clip, device="cpu")
    tokens = loaded.tokenizer(list(PROMPTS), padding=True, return_tensors="pt")
    plain = CLIPModel.from_pretrained(tiny_clip).eval()
    with torch.inference_mode():
        output = plain(**tokens, pixel_values=preprocess(pixels, loaded.preprocessing))
    expected = (output.text_embeds @ output.image_embeds[0]).numpy()
    assert both.similarity(features, PROMPTS) == pytest.approx(expected, abs=1e-5)
    between = (output.text_embeds @ output.text_embeds[0]).numpy()
    assert both.text_similarity(PROMPTS[0], PROMPTS) == pytest.approx(between, abs=1e-5)
    alone = grounder.segment(grounder.encode_image(pixels), PROMPTS)
    assert np.array_equal(both.segment(features, PROMPTS), alone)
    # Its skills were never calibrated, so nothing may be acted on.
    assert both.calibration is None


def test_the_skills_thresholds_are_those_of_the_clip_that_compares_them(
    tiny_checkpoint: Path, tiny_clip: Path
) -> None:
    masks = load_checkpoint(tiny_checkpoint, device="cpu")
    skills = dataclasses.replace(CALIBRATION, skill_threshold=0.9, crop_threshold=0.1)
    clip_checkpoint = dataclasses.replace(load_clip(tiny_clip, device="cpu"), calibration=skills)
    used = ClipsegGrounder(masks, clip_checkpoint).calibration
    assert used == dataclasses.replace(CALIBRATION, skill_threshold=0.9)
