"""Adapter files: a robot loads what was trained; all else is refused, and changes nothing."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from adapted import distance, embedded_model, outputs, stir
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_clipseg import tiny_model

from vlam_ros.errors import ConfigurationError, ModelError
from vlam_ros.perception.clipseg import load_checkpoint
from vlam_ros.perception.clipseg.adapters import (
    FILE_NAME,
    METHODS,
    Adaptation,
    Adapter,
    BitFit,
    LoRA,
    PromptTuning,
    attach,
    load_adapter,
    read_adapter,
    save_adapter,
)
from vlam_ros.perception.clipseg.adapters import file as adapter_file


@pytest.mark.parametrize("name", METHODS)
def test_a_loaded_adapter_gives_what_was_trained_and_can_be_removed(
    name: str, tmp_path: Path
) -> None:
    model = tiny_model()
    plain = outputs(model)
    trained = stir(attach(model, METHODS[name]()))
    tuned = outputs(model)
    path = save_adapter(trained, tmp_path / "cups.safetensors")
    trained.remove()
    loaded = load_adapter(model, path)
    # A LoRA comes merged: other sums round differently, in masks whose logits are up to 12.
    assert distance(outputs(model), tuned) <= (1e-4 if name == "lora" else 0.0)
    assert loaded.method == trained.method
    assert loaded.trainable == trained.trainable
    again = save_adapter(loaded, tmp_path / "again.safetensors")
    assert again.read_bytes() == path.read_bytes()
    loaded.remove()
    assert distance(outputs(model), plain) == 0.0


@pytest.mark.parametrize("name", ["full", "lora", "bitfit"])
def test_a_loaded_adapter_can_be_made_permanent(name: str, tmp_path: Path) -> None:
    path = save_adapter(stir(attach(tiny_model(), METHODS[name]())), tmp_path)
    model = tiny_model()
    loaded = load_adapter(model, path)
    before = outputs(model)
    loaded.merge()
    assert distance(outputs(model), before) == 0.0
    assert model.state_dict().keys() == tiny_model().state_dict().keys()


def test_a_robot_loads_the_lora_that_peft_has_merged_without_peft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, model = tiny_model(), tiny_model()
    adaptation = stir(attach(tuned, LoRA(rank=4, alpha=3)))
    path = save_adapter(adaptation, tmp_path)
    adaptation.merge()
    monkeypatch.setitem(sys.modules, "peft", None)
    load_adapter(model, path)
    for name, weight in tuned.named_parameters():
        assert torch.allclose(model.get_parameter(name), weight, rtol=0, atol=1e-7), name


def test_a_folder_holds_its_adapter_under_one_name(tmp_path: Path) -> None:
    assert save_adapter(attach(tiny_model(), PromptTuning()), tmp_path) == tmp_path / FILE_NAME
    assert read_adapter(tmp_path).method == PromptTuning()


@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_what_was_tuned_in_float32_fits_the_same_checkpoint_in_half_precision(
    name: str, tmp_path: Path
) -> None:
    path = save_adapter(attach(embedded_model(), METHODS[name]()), tmp_path)
    for dtype in ("bfloat16", "float16"):
        model = load_checkpoint("embedded", "cpu", dtype).model
        load_adapter(model, path)
        assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}


def test_a_lora_of_the_embedded_model_is_less_than_a_megabyte(tmp_path: Path) -> None:
    assert save_adapter(attach(embedded_model(), LoRA()), tmp_path).stat().st_size < 1e6


def one_weight_moved() -> Any:
    model = tiny_model()
    with torch.no_grad():
        model.decoder.film_mul.bias[3] += 1e-4
    return model


@pytest.mark.parametrize(
    "other",
    [
        one_weight_moved,
        lambda: tiny_model(extract_layers=[0, 1, 1]),
        lambda: tiny_model(conditional_layer=1),
        lambda: tiny_model(reduce_dim=48, decoder_num_attention_heads=4),
    ],
    ids=["one weight", "other layers read", "conditioned elsewhere", "another width"],
)
@pytest.mark.parametrize("name", ["lora", "prompt"])
def test_another_base_is_refused(other: Callable[[], Any], name: str, tmp_path: Path) -> None:
    path = save_adapter(stir(attach(tiny_model(), METHODS[name]())), tmp_path)
    model = other()
    plain = outputs(model)
    with pytest.raises(ModelError, match=f"{name} was trained on another base: load it on"):
        load_adapter(model, path)
    assert distance(outputs(model), plain) == 0.0
    assert not hasattr(model, "adapted_by")


def test_a_model_that_has_an_adapter_takes_no_other(tmp_path: Path) -> None:
    path = save_adapter(stir(attach(tiny_model(), LoRA())), tmp_path)
    model = tiny_model()
    load_adapter(model, path)
    with pytest.raises(ModelError, match="adapted by 'lora' already: merge or remove"):
        load_adapter(model, path)


def test_a_diverged_training_is_not_saved(tmp_path: Path) -> None:
    adaptation = attach(tiny_model(), BitFit())
    adaptation.tensors["decoder.film_mul.bias"].detach()[0] = float("inf")
    with pytest.raises(ModelError, match=r"decoder\.film_mul\.bias has values .* not finite"):
        save_adapter(adaptation, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot write"):
        save_adapter(attach(tiny_model(), PromptTuning()), tmp_path / "file" / "adapter")


def refusal(model: Any, path: Path) -> str:
    """What loading a file is refused with: one line, the file named, the model as it was."""
    plain = outputs(model)
    with pytest.raises(ModelError) as refused:
        load_adapter(model, path)
    message = str(refused.value)
    assert "\n" not in message
    assert str(path) in message
    assert distance(outputs(model), plain) == 0.0
    assert not hasattr(model, "adapted_by")
    return message


def _write(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "there is no adapter .*: give the file that the tuning has written"),
        (_write(b""), "is no adapter, or damaged, copy it again"),
        (_write(b"rank: 8\n"), "is no adapter, or damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "no adapter, or damaged"),
        (lambda path: torch.save({"a": torch.ones(2)}, path), "is no adapter, or damaged"),
        (lambda path: save_file({"a": torch.ones(2)}, path), "none of vlam_ros's adapters"),
        (
            lambda path: save_file(load_file(path), path, {"vlam_ros_adapter": "{}"}),
            "header of .* is damaged, copy it again: KeyError",
        ),
    ],
    ids=["missing", "empty", "text", "cut off", "pickle", "foreign", "without header"],
)
def test_a_spoilt_file_is_refused(
    spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = save_adapter(stir(attach(tiny_model(), Adapter())), tmp_path)
    spoil(path)
    assert re.search(message, refusal(tiny_model(), path))


def test_no_flipped_bit_gets_into_a_model(tmp_path: Path) -> None:
    path = save_adapter(stir(attach(tiny_model(), PromptTuning())), tmp_path)
    data = path.read_bytes()
    model = tiny_model()
    generator = torch.Generator().manual_seed(5)
    plain = outputs(model)
    for position in torch.randint(len(data), (100,), generator=generator).tolist():
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(ModelError):
            load_adapter(model, path)
    assert distance(outputs(model), plain) == 0.0


def test_a_header_that_is_whole_but_means_nothing_is_refused(tmp_path: Path) -> None:
    path = save_adapter(attach(tiny_model(), PromptTuning()), tmp_path)
    with safe_open(path, "pt") as opened:
        header = json.loads(opened.metadata()["vlam_ros_adapter"])
    del header["sha256"]
    text = json.dumps(header)
    tensors = load_file(path)
    for old, new, message in (
        ('"version": 1', '"version": 2', "has version 2 of the format, expected 1"),
        ('"prompt"', '"dora"', "method must be one of full, lora"),
        ('"length": 4', '"length": 4000000000', "length must be a whole number in 1..64"),
        ('"length": 4', '"length": 5', r"context must be \[5, 32\], got \[4, 32\]"),
        ('"length": 4', '"rank": 4', r"prompt has the settings length, got \['rank'\]"),
        ('"settings"', '"setting"', "header of .* is damaged"),
    ):
        changed = text.replace(old, new)
        assert changed != text
        digest = adapter_file._digest(json.loads(changed), tensors)
        whole = json.dumps({**json.loads(changed), "sha256": digest})
        save_file(tensors, path, {"vlam_ros_adapter": whole})
        assert re.search(message, refusal(tiny_model(), path))
    tensors = {name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}
    digest = adapter_file._digest(json.loads(text), tensors)
    whole = json.dumps({**json.loads(text), "sha256": digest})
    save_file(tensors, path, {"vlam_ros_adapter": whole})
    assert "values that are not finite" in refusal(tiny_model(), path)


@pytest.mark.parametrize("name", ["lora", "adapter", "bitfit"])
def test_tensors_that_do_not_fit_the_method_are_refused(name: str, tmp_path: Path) -> None:
    def less(a: Adaptation, key: str) -> None:
        del a.tensors[key]

    def more(a: Adaptation, key: str) -> None:
        a.tensors["decoder.hidden"] = torch.ones(3)

    def other(a: Adaptation, key: str) -> None:
        a.tensors[key] = a.tensors[key].detach()[:-1]

    for change in (less, more, other):
        adaptation = attach(tiny_model(), METHODS[name]())
        change(adaptation, list(adaptation.tensors)[-1])
        path = save_adapter(adaptation, tmp_path)
        assert "the file was made for another model" in refusal(tiny_model(), path)
