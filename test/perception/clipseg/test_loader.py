import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_clipseg import CALIBRATION
from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor
from transformers.utils import logging as transformers_logging

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint, load_clip, loader


def edit_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_folder_loads_as_plain_transformers_load_it(tiny_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    expected = CLIPSegForImageSegmentation.from_pretrained(tiny_checkpoint)
    for (name, ours), theirs in zip(
        checkpoint.model.named_parameters(), expected.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    texts = ["red cup", "a box on the yellow cone"]
    processor = CLIPSegProcessor.from_pretrained(tiny_checkpoint)
    assert checkpoint.tokenizer(texts).input_ids == processor.tokenizer(texts).input_ids
    assert checkpoint.preprocessing.size == 160
    assert checkpoint.preprocessing.mean == (0.485, 0.456, 0.406)
    assert checkpoint.preprocessing.std == (0.229, 0.224, 0.225)
    assert not checkpoint.model.training


def test_the_calibration_beside_the_weights_comes_along(checkpoint_copy: Path) -> None:
    CALIBRATION.save(checkpoint_copy)
    checkpoint = load_checkpoint(str(checkpoint_copy), device="cpu")
    assert checkpoint.calibration == CALIBRATION
    assert checkpoint.notes == ()


def test_the_libraries_that_load_say_nothing_and_speak_as_before_afterwards(
    checkpoint_copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = checkpoint_copy / "model.safetensors"
    save_file({**load_file(weights), "left.over": torch.zeros(1)}, weights, {"format": "pt"})
    speaks = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    load_checkpoint(checkpoint_copy, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert speaks == (
        transformers_logging.is_progress_bar_enabled(),
        transformers_logging.get_verbosity(),
    )


def test_a_missing_calibration_is_noted(tiny_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu")
    assert checkpoint.calibration is None
    assert "calibration.json" in checkpoint.notes[0]


def test_crops_must_be_whole_patches(checkpoint_copy: Path) -> None:
    edit_json(CALIBRATION.save(checkpoint_copy), crop_size=60)
    with pytest.raises(ModelError, match=r"crop_size 60 .* patch, 8 pixels"):
        load_checkpoint(checkpoint_copy)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("auto", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_the_dtype_asked_for_is_the_dtype_of_the_weights(
    tiny_checkpoint: Path, asked: str, expected: torch.dtype
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint, device="cpu", dtype=asked)
    assert {p.dtype for p in checkpoint.model.parameters()} == {expected}
    assert checkpoint.backend.precision == str(expected).removeprefix("torch.")


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "model.safetensors"),
        ("processor_config.json", "preprocessor_config.json"),
        ("tokenizer.json", "tokenizer.json"),
    ],
)
def test_an_incomplete_folder_is_refused_and_the_file_named(
    checkpoint_copy: Path, removed: str, named: str
) -> None:
    (checkpoint_copy / removed).unlink()
    with pytest.raises(ModelError, match=named) as caught:
        load_checkpoint(checkpoint_copy)
    assert str(checkpoint_copy) in str(caught.value)


def truncate_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def drop_decoder(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: w for name, w in weights.items() if not name.startswith("decoder.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut off": (truncate_weights, "copy it again"),
    "weights without the decoder": (drop_decoder, "lacks 60 weights .* decoder"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "copy it again"),
    "weights of another size": (lambda f: edit_json(f / "config.json", reduce_dim=64), "again"),
    "another kind of model": (lambda f: edit_json(f / "config.json", model_type="bert"), "'bert'"),
    "tokenizer not a tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "again"),
    "only half a tokenizer": (
        lambda f: (f / "tokenizer.json").rename(f / "vocab.json"),
        "copy it again",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused_with_what_to_do(
    checkpoint_copy: Path, damage: str
) -> None:
    change, said = DAMAGES[damage]
    change(checkpoint_copy)
    with pytest.raises(ModelError, match=said):
        load_checkpoint(checkpoint_copy)


def test_a_tokenizer_that_knows_no_letters_is_refused(checkpoint_copy: Path) -> None:
    path = checkpoint_copy / "tokenizer.json"
    document = json.loads(path.read_text())
    document["model"]["vocab"] = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="cannot read plain English"):
        load_checkpoint(checkpoint_copy)


@pytest.mark.parametrize(
    "change", [{"do_rescale": False}, {"resample": 0}, {"size": {"height": 160, "width": 320}}]
)
def test_preprocessing_that_cannot_be_repeated_is_refused(
    checkpoint_copy: Path, change: dict[str, Any]
) -> None:
    path = checkpoint_copy / "processor_config.json"
    processor = json.loads(path.read_text())
    processor["image_processor"].update(change)
    path.write_text(json.dumps(processor))
    with pytest.raises(ModelError, match="image processor"):
        load_checkpoint(checkpoint_copy)


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere", "a/b/c", "a b", ""])
def test_a_folder_that_is_not_there_is_not_looked_up_on_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="no such checkpoint folder"):
        load_checkpoint(name)


def test_a_hub_id_without_network_says_what_is_missing_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelError) as caught:
        load_checkpoint("nobody/clipseg-not-here")
    for said in ("config.json", "hf download nobody/clipseg-not-here", "'embedded'"):
        assert said in str(caught.value)
    assert "AssertionError" not in str(caught.value)
    assert "touched" not in str(caught.value)


@pytest.mark.parametrize("name", loader.SHIPPED)
def test_a_name_of_the_package_is_its_own_checkpoint(
    name: str, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(loader.SHIPPED, name, tiny_checkpoint)
    assert load_checkpoint(name).name == name
    monkeypatch.setitem(loader.SHIPPED, name, tmp_path)
    with pytest.raises(ModelError, match="vlam train embedded"):
        load_checkpoint(name)


def test_a_gpu_that_is_not_there_is_an_error_when_asked_for(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device cuda was asked for"):
        load_checkpoint(tiny_checkpoint, device="cuda")


def test_a_fallback_to_the_cpu_is_logged_and_noted(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING, logger="vlam_ros"):
        checkpoint = load_checkpoint(tiny_checkpoint)
    assert checkpoint.backend.device == torch.device("cpu")
    assert any("no CUDA GPU" in note for note in checkpoint.notes)
    assert any("no CUDA GPU" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("has_bfloat16", "expected"), [(True, torch.bfloat16), (False, torch.float16)]
)
def test_a_gpu_runs_in_half_precision_by_itself(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bfloat16)
    device, dtype, notes = loader._placement("auto", "auto")
    assert (device.type, dtype) == ("cuda", expected)
    assert bool(notes) != has_bfloat16


@pytest.mark.parametrize(("device", "dtype"), [("gpu", "auto"), ("cpu", "int8")])
def test_unknown_devices_and_dtypes_are_refused(
    tiny_checkpoint: Path, device: str, dtype: str
) -> None:
    with pytest.raises(ModelError, match="must be auto"):
        load_checkpoint(tiny_checkpoint, device=device, dtype=dtype)


def test_a_separate_clip_loads_by_the_same_way(tiny_clip: Path) -> None:
    checkpoint = load_clip(tiny_clip, device="cpu")
    assert isinstance(checkpoint, Checkpoint)
    preprocessing = checkpoint.preprocessing
    assert (preprocessing.size, preprocessing.resampling) == (64, "bicubic")
    assert preprocessing.centre_crop
    embedding = checkpoint.model.get_image_features(torch.zeros(1, 3, 64, 64)).pooler_output
    assert np.isfinite(embedding.detach().numpy()).all()
    with pytest.raises(ModelError, match="'clip', expected 'clipseg'"):
        load_checkpoint(tiny_clip)
