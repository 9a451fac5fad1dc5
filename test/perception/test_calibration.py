import dataclasses
import json
from pathlib import Path

import pytest
from tiny_clipseg import CALIBRATION

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import Calibration


@pytest.mark.parametrize("vocabulary", [("red", "cup"), None])
def test_a_saved_calibration_is_read_back_unchanged(
    tmp_path: Path, vocabulary: tuple[str, ...] | None
) -> None:
    calibration = dataclasses.replace(CALIBRATION, vocabulary=vocabulary)
    assert calibration.save(tmp_path) == tmp_path / "calibration.json"
    assert Calibration.load(tmp_path) == calibration


def test_sentences_of_skills_are_kept_and_an_old_file_has_none(tmp_path: Path) -> None:
    taught = {"stop": ("stop", "halt"), "go_to": ("go to the object",)}
    path = dataclasses.replace(CALIBRATION, skills=taught).save(tmp_path)
    read = Calibration.load(tmp_path)
    assert read is not None
    assert read.skills == taught
    values = json.loads(path.read_text())
    del values["skills"]
    path.write_text(json.dumps(values))
    assert Calibration.load(tmp_path) == CALIBRATION
    path.write_text(json.dumps({**values, "skills": {"stop": []}}))
    with pytest.raises(ModelError, match="lists of sentences"):
        Calibration.load(tmp_path)


def test_a_folder_without_calibration_has_none(tmp_path: Path) -> None:
    assert Calibration.load(tmp_path) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mask_threshold", 1.01),
        ("mask_threshold", "0.5"),
        ("crop_threshold", -0.1),
        ("crop_rejection", 1.5),
        ("crop_threshold", float("nan")),
        ("margin", True),
        ("crop_size", 0),
        ("crop_size", 64.0),
        ("crop_temperature", 0.0),
        ("crop_temperature", float("inf")),
        ("skill_threshold", 2),
        ("skill_temperature", -1.0),
        ("vocabulary", ()),
        ("vocabulary", "red cup"),
        ("vocabulary", (1, 2)),
        ("made_with", ""),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ModelError, match=field):
        dataclasses.replace(CALIBRATION, **{field: value})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mask_threshold": 0.5', "cannot read"),
        ("[1, 2]", "got list"),
        ("{}", "must hold exactly"),
        (json.dumps({**dataclasses.asdict(CALIBRATION), "mask_treshold": 0.5}), "mask_treshold"),
        (json.dumps({**dataclasses.asdict(CALIBRATION), "margin": 7}), "margin must be"),
        ("\udcff", "cannot read"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=said) as caught:
        Calibration.load(tmp_path)
    assert str(path) in str(caught.value)
    assert "calibrate the checkpoint again" in str(caught.value)
