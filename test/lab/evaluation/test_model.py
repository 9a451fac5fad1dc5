"""The embedded model is measured and calibrated through the pipeline's own perception."""

import json
from pathlib import Path

import pytest
from tiny_clipseg import save_tiny_checkpoint

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.evaluation.calibrate import calibrate
from vlam_ros.lab.evaluation.model import evaluate_model
from vlam_ros.lab.evaluation.queries import QueryKind, data_questions
from vlam_ros.lab.evaluation.report import Report
from vlam_ros.lab.evaluation.skills import UNKNOWN_VERBS
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.perception.clipseg import Calibration
from vlam_ros.perception.clipseg.loader import EMBEDDED
from vlam_ros.resources import resource_path

NEW_SKILL = """
  - name: polish
    id: 9
    prompts: [polish the object, scrub the object]
    needs: [target]
"""


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate_model(scenes=8)


def test_the_embedded_model_sees_far_better_than_chance(report: Report) -> None:
    """A few scenes only: the gates are for `vlam evaluate model` on hundreds."""
    measured = {row.name: row.value for row in report.rows}
    assert measured["mean IoU"] > 0.4
    assert measured["confirmed, right object"] > 0.5
    assert measured["false alarms, after the second look"] < 0.25
    assert measured["skill accuracy, new sentences"] >= 0.97
    assert measured["unknown verbs refused"] > 0.8


def test_a_report_counts_its_cases_and_says_which_gates_are_missed(report: Report) -> None:
    rows = {row.name: row for row in report.rows}
    # Three absent phrases a scene, and all unknown verbs.
    assert rows["false alarms, after the second look"].cases == 3 * 8
    assert rows["unknown verbs refused"].cases == len(UNKNOWN_VERBS)
    read = json.loads(report.to_json())
    assert [row["name"] for row in read["rows"]] == [row.name for row in report.rows]
    assert read["passed"] == all(row.passed is not False for row in report.rows)
    assert report.to_markdown().count("**missed**") == sum(
        row.passed is False for row in report.rows
    )


@pytest.fixture
def few_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search among two of a kind, for every one looks at all scenes again."""
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.MASK_THRESHOLDS", (0.3, 0.4))
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.TOLERANCES", (0.3,))


@pytest.mark.usefixtures("few_thresholds")
def test_calibration_keeps_what_it_cannot_choose() -> None:
    before = Calibration.load(EMBEDDED)
    assert before is not None
    after = calibrate("embedded", scenes=4)
    assert after.vocabulary == before.vocabulary
    assert after.crop_size == before.crop_size
    assert 0 < after.crop_threshold <= 1
    assert 0 < after.skill_threshold < 1
    assert after.made_with == "vlam calibrate --scenes 4"


@pytest.mark.usefixtures("few_thresholds")
def test_calibration_on_ones_own_images_asks_for_what_is_in_them(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, "a test") as writer:
        add_simulated(writer, {"validation": 4}, progress=False)
    dataset = Dataset(tmp_path, "validation")
    negatives = HardNegatives(Settings.load().perception, dataset.phrases)
    found = list(data_questions([dataset, dataset], negatives, 3))
    # They take turns: the first image of each, then the second of one.
    assert [question.observation.stamp for question in found] == [0, 0, 1]
    for question, labelled in zip((found[0], found[2]), dataset, strict=False):
        masks = labelled.masks
        asked = [(q.phrase, q.kind) for q in question.queries]
        assert asked[: len(masks)] == [(phrase, QueryKind.PRESENT) for phrase in masks]
        away = asked[len(masks) :]
        assert {kind for _, kind in away} == {QueryKind.OTHER}
        assert len(away) >= 3
        names = [names for names, _ in labelled.named()]
        assert all(negatives.excludes(thing, phrase) for phrase, _ in away for thing in names)
    # Prompts of words that the model never read are like others of no meaning.
    skills = tmp_path / "skills.yaml"
    text = resource_path("config/skills.yaml").read_text()
    skills.write_text(f"{text}\n{NEW_SKILL}")
    taught = calibrate("embedded", scenes=2, data=[tmp_path], skills=str(skills))
    assert 0 < taught.crop_threshold <= 1
    assert taught.made_with == "vlam calibrate --scenes 2 --data …"
    shipped = Calibration.load(EMBEDDED)
    assert shipped is not None
    assert taught.skill_threshold > shipped.skill_threshold
    with DatasetWriter(tmp_path / "empty", "a test") as writer:
        image = encode_image(found[0].observation.image)
        writer.add(image, "scene", "name", [], split="validation")
    with pytest.raises(LearningError, match="show nothing that is large enough"):
        calibrate("embedded", scenes=2, data=[tmp_path / "empty"])


def test_a_checkpoint_without_calibration_is_not_evaluated(tmp_path: Path) -> None:
    folder = save_tiny_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"has no calibration.json: run `vlam calibrate"):
        evaluate_model(folder, scenes=1)
