"""A checkpoint with an adapter is the tuned one, with the thresholds that were chosen for it."""

import dataclasses
from pathlib import Path

import pytest
import torch
from adapted import distance, outputs, stir
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.errors import ModelError
from vlam_ros.lab.saving import save_checkpoint
from vlam_ros.perception.clipseg import ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.adapters import FILE_NAME, attach, method_named, save_adapter

TUNED = dataclasses.replace(CALIBRATION, margin=0.3, vocabulary=("mug",))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = save_tiny_checkpoint(tmp_path / "base")
    CALIBRATION.save(folder)
    return folder


def tuned(base: Path, folder: Path, method: str) -> dict[str, torch.Tensor]:
    """Save an adapter for the base; what the adapted model gives."""
    model = load_checkpoint(base, "cpu", "float32").model
    adaptation = stir(attach(model, method_named(method, {})))
    folder.mkdir()
    save_adapter(adaptation, folder / FILE_NAME)
    return outputs(model)


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_the_model_is_the_tuned_one(base: Path, tmp_path: Path, method: str) -> None:
    expected = tuned(base, tmp_path / "mugs", method)
    checkpoint = load_checkpoint(base, "cpu", "float32", adapter=tmp_path / "mugs")
    assert distance(outputs(checkpoint.model), expected) < 1e-3
    assert distance(outputs(load_checkpoint(base, "cpu", "float32").model), expected) > 1e-2
    assert checkpoint.name == f"{base} with {tmp_path / 'mugs'}"


def test_thresholds_are_those_of_the_adapter_and_of_nothing_else(
    base: Path, tmp_path: Path
) -> None:
    tuned(base, tmp_path / "mugs", "bitfit")
    bare = ClipsegGrounder.from_pretrained(base, "cpu", adapter=tmp_path / "mugs" / FILE_NAME)
    assert bare.calibration is None
    command = f"`vlam calibrate {base} --adapter {tmp_path / 'mugs' / FILE_NAME}`"
    assert f"nothing it sees counts as found before {command}" in bare.notes[-1]
    # As `vlam train` leaves it.
    dataclasses.replace(TUNED, crop_threshold=1.0, margin=1.0).save(tmp_path / "mugs")
    new = ClipsegGrounder.from_pretrained(base, "cpu", adapter=str(tmp_path / "mugs"))
    assert "is not calibrated" in new.notes[-1]
    assert f"`vlam calibrate {base} --adapter {tmp_path / 'mugs'}`" in new.notes[-1]
    TUNED.save(tmp_path / "mugs")
    eyes = ClipsegGrounder.from_pretrained(base, "cpu", adapter=str(tmp_path / "mugs"))
    assert eyes.calibration == TUNED
    assert not any("calibrate" in note for note in eyes.notes)


def test_an_adapter_of_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    tuned(base, tmp_path / "mugs", "lora")
    other = save_tiny_checkpoint(tmp_path / "other", conditional_layer=1)
    with pytest.raises(ModelError, match="trained on another base"):
        load_checkpoint(other, "cpu", "float32", adapter=tmp_path / "mugs")


def test_other_backends_take_adapters_by_export_alone(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="vlam export --adapter mugs"):
        load_checkpoint(base, "cpu", "auto", "onnxruntime", adapter="mugs")


@pytest.mark.parametrize("method", ["full", "lora", "bitfit"])
def test_a_merged_checkpoint_is_the_tuned_one_and_can_be_tuned_further(
    base: Path, tmp_path: Path, method: str
) -> None:
    tuned(base, tmp_path / "mugs", method)
    TUNED.save(tmp_path / "mugs")
    adapted = load_checkpoint(base, "cpu", "float32", adapter=tmp_path / "mugs")
    save_checkpoint(adapted, tmp_path / "merged")
    merged = load_checkpoint(tmp_path / "merged", "cpu", "float32")
    assert distance(outputs(merged.model), outputs(adapted.model)) == 0
    assert merged.calibration == TUNED
    expected = tuned(tmp_path / "merged", tmp_path / "skills", "lora")
    both = load_checkpoint(tmp_path / "merged", "cpu", "float32", adapter=tmp_path / "skills")
    assert distance(outputs(both.model), expected) < 1e-3
    with pytest.raises(ModelError, match="trained on another base"):
        load_checkpoint(base, "cpu", "float32", adapter=tmp_path / "skills")


def test_what_cannot_be_merged_or_would_be_written_over_is_refused(
    base: Path, tmp_path: Path
) -> None:
    tuned(base, tmp_path / "mugs", "prefix")
    adapted = load_checkpoint(base, "cpu", "float32", adapter=tmp_path / "mugs")
    with pytest.raises(ModelError, match=r"prefix cannot be merged .* full, lora or bitfit"):
        save_checkpoint(adapted, tmp_path / "merged")
    with pytest.raises(ModelError, match="exists: choose a folder that does not"):
        save_checkpoint(load_checkpoint(base, "cpu", "float32"), base)
    assert {path.name for path in tmp_path.iterdir()} == {"base", "mugs"}
