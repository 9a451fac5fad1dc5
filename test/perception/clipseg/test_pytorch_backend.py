"""How PyTorch runs a CLIPSeg: no deeper than asked, in buffers that stay, in shapes that repeat."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_clipseg import tiny_model
from torch import Tensor

from vlam_ros.perception.clipseg import backend as pytorch
from vlam_ros.perception.clipseg.backend import TorchBackend
from vlam_ros.perception.clipseg.model import encode_pixels

PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
CONDITIONS = torch.randn(5, 48, generator=torch.Generator().manual_seed(1))
WHICH = torch.tensor([0, 1, 1, 0, 1])


def count(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[int]:
    """The batch sizes with which a module is called from now on."""
    sizes: list[int] = []
    original = module.forward

    def counting(states: Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(states))
        return original(states, *args, **kwargs)

    monkeypatch.setattr(module, "forward", counting)
    return sizes


@pytest.mark.parametrize("layers", [[0, 1], [1, 0]])
def test_the_tower_runs_as_far_as_the_decoder_reads_and_on_when_the_embedding_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, layers: list[int]
) -> None:
    model = tiny_model(extract_layers=layers)
    expected = encode_pixels(model, PIXELS)
    passes = [count(monkeypatch, layer) for layer in model.clip.vision_model.encoder.layers]
    backend = TorchBackend(model)
    activations = backend.encode_pixels(PIXELS)
    assert passes == [[2], [2], []]
    embedding = backend.embed(activations)
    assert passes == [[2], [2], [2]]
    for one, other in zip(activations, expected.activations, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(embedding, expected.embedding)


def test_inputs_follow_a_model_that_training_has_moved() -> None:
    model = tiny_model()
    backend = TorchBackend(model)
    assert backend.device == torch.device("cpu")
    model.to("meta")
    assert backend.device == torch.device("meta")


def test_the_decoder_takes_as_many_prompts_as_its_buffers_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    backend = TorchBackend(model)
    activations = backend.encode_pixels(PIXELS)
    decoded = count(monkeypatch, model.decoder.layers[-1])
    at_once = backend.decode_masks(activations, CONDITIONS, WHICH)
    row = activations[0].shape[1] * model.config.decoder_intermediate_size * 4
    monkeypatch.setattr(pytorch, "CHUNK_BYTES", 2 * row + 1)
    parts = backend.decode_masks(activations, CONDITIONS, WHICH)
    monkeypatch.setattr(pytorch, "CHUNK_BYTES", 1)
    one_by_one = backend.decode_masks(activations, CONDITIONS, WHICH)
    assert decoded == [5, 2, 2, 1, 1, 1, 1, 1, 1]
    for masks in (parts, one_by_one):
        assert masks == pytest.approx(at_once, abs=1e-5 * float(at_once.abs().max()))


def test_compiled_it_sees_a_few_shapes_only_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes: list[int] = []

    def compile_(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
        assert mode == "reduce-overhead"
        results: dict[int, Any] = {}

        def graph(model: Any, *inputs: Any) -> Any:
            # As a CUDA graph does, it gives the same memory at every run.
            made = function(model, *inputs)
            if isinstance(made, tuple):
                kept = results.setdefault(0, made)
                for one, other in zip(kept, made, strict=True):
                    one.copy_(other)
                return kept
            shapes.append(len(inputs[-1]))
            return made

        return graph

    monkeypatch.setattr(torch, "compile", compile_)
    model = tiny_model()
    plain, compiled = TorchBackend(model), TorchBackend(model, compiled=True)
    assert compiled.name == "torch, compiled"
    first = compiled.encode_pixels(PIXELS)
    compiled.encode_pixels(-PIXELS)
    activations = plain.encode_pixels(PIXELS)
    assert all(torch.equal(a, b) for a, b in zip(first, activations, strict=True))
    for prompts in (1, 2, 3, 5):
        asked = activations, CONDITIONS[:prompts], WHICH[:prompts]
        masks, expected = compiled.decode_masks(*asked), plain.decode_masks(*asked)
        assert masks == pytest.approx(expected, abs=1e-5 * float(expected.abs().max()))
    assert shapes == [1, 2, 4, 8]
