"""Thresholds are chosen by what a model answers, and written only where they are safe."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint
from tqdm import tqdm

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError, ModelError, SimulationError
from vlam_ros.lab.evaluation.calibrate import calibrate, scene_source
from vlam_ros.lab.evaluation.grounding import Candidate, QueryResult
from vlam_ros.lab.evaluation.looks import Look, Looker
from vlam_ros.lab.evaluation.own_views import OwnViews
from vlam_ros.lab.evaluation.queries import QueryKind, data_questions
from vlam_ros.lab.evaluation.thresholds import choose, least_absent
from vlam_ros.lab.simulation.scene import SHAPES
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.perception.clipseg import Calibration, ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.loader import EMBEDDED
from vlam_ros.resources import resource_path

NEW_SKILL = """
  - name: polish
    id: 9
    prompts: [polish the object, scrub the object]
    needs: [target]
"""
HERE, NOWHERE = np.ones((4, 4), bool), np.zeros((4, 4), bool)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained, calibrated checkpoint."""
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    dataclasses.replace(CALIBRATION, vocabulary=None).save(folder)
    return folder


@pytest.fixture
def few_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search among two of a kind, and as few questions as there is time for in a test."""
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.MASK_THRESHOLDS", (0.3, 0.4))
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.TOLERANCES", (0.3,))
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.ROOMS", 4)
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.FURTHER", 4)
    monkeypatch.setattr("vlam_ros.perception.familiarity.FOLDS", 2)
    monkeypatch.setattr("vlam_ros.lab.evaluation.thresholds.LEAST_PRESENT", 1)
    monkeypatch.setattr("vlam_ros.lab.evaluation.thresholds.SAFE", 0.4)
    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.ALARMS", 0.2)


@pytest.mark.usefixtures("few_thresholds")
def test_calibration_keeps_what_it_cannot_choose() -> None:
    before = Calibration.load(EMBEDDED)
    assert before is not None
    after = calibrate("embedded", scenes=4, progress=False).calibration
    assert after.vocabulary == before.vocabulary
    assert after.crop_size == before.crop_size
    assert 0 < after.crop_threshold <= 1
    assert 0 < after.skill_threshold < 1
    assert after.made_with == "vlam calibrate --scenes 4"
    # What is familiar is told by the last of the two layers.
    assert after.familiarity is not None
    assert after.familiarity.width == load_checkpoint("embedded").config.vision_config.hidden_size


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
    told = calibrate("embedded", scenes=4, progress=False, data=[tmp_path], skills=str(skills))
    taught = told.calibration
    assert 0 < taught.crop_threshold <= 1
    assert taught.made_with == "vlam calibrate --scenes 4 --data …"
    shipped = Calibration.load(EMBEDDED)
    assert shipped is not None
    assert taught.skill_threshold > shipped.skill_threshold
    with DatasetWriter(tmp_path / "empty", "a test") as writer:
        for name, question in zip("ab", (found[0], found[2]), strict=True):
            image = encode_image(question.observation.image)
            writer.add(image, "scene", name, [], split="validation")
    with pytest.raises(LearningError, match="show nothing that is large enough"):
        calibrate("embedded", scenes=2, progress=False, data=[tmp_path / "empty"])


def asked(
    kind: QueryKind, scores: list[float], phrase: str = "red cup", iou: bool = True
) -> list[QueryResult]:
    """Answers with one candidate each, that lies on what is there or beside it."""
    truth = HERE if kind is QueryKind.PRESENT else NOWHERE
    mask = HERE if iou else NOWHERE
    return [QueryResult(phrase, kind, truth, (Candidate(0.5, s, mask),)) for s in scores]


def test_the_threshold_is_the_smallest_that_keeps_false_alarms_rare_and_their_interval_low() -> (
    None
):
    absent = asked(QueryKind.OTHER, [0.1] * 396 + [0.42, 0.47, 0.5, 0.55])
    present = asked(QueryKind.PRESENT, [0.3] * 10 + [0.8] * 90)
    told = choose([*absent, *present], CALIBRATION, alarms=0.005, labelled=True)
    # Two of 400 are 0.5 %.
    assert told.calibration.crop_threshold == 0.48
    assert (told.false_alarms.hits, told.false_alarms.cases) == (2, 400)
    assert (told.confirmed.hits, told.confirmed.cases) == (90, 100)
    # After Wilson.
    assert "confirmed, of what is there: 90.0 % [82.6, 94.5] of 100" in str(told)
    assert "false alarms, of what is not: 0.5 % [0.1, 1.8] of 400" in str(told)
    # Of 100 two are 2 %, but might be 7 %: only none is known to be below 5 %.
    few = asked(QueryKind.OTHER, [0.1] * 98 + [0.42, 0.47])
    told = choose([*few, *present], CALIBRATION, alarms=0.02, labelled=True)
    assert told.calibration.crop_threshold == 0.48
    assert told.false_alarms.interval[1] <= 0.05


def test_a_report_names_what_is_seen_most_where_it_is_not() -> None:
    absent = [
        *asked(QueryKind.OTHER, [0.1] * 98 + [0.2, 0.71], "black box"),
        *asked(QueryKind.OTHER, [0.3] * 50, "mug"),
    ]
    told = choose(absent, CALIBRATION, alarms=0.01, labelled=False)
    assert told.likeliest == (("black box", 0.71), ("mug", 0.3))
    assert "seen most where it is not: 'black box' 0.71, 'mug' 0.30" in str(told)
    assert "not known; name some of it with --present" in str(told)


def test_absent_phrases_alone_choose_what_they_choose_beside_known_masks() -> None:
    """The same scores, drawn anew: half of the questions, and twice as strict."""
    rng = np.random.default_rng(5)
    present = asked(QueryKind.PRESENT, list(rng.beta(6, 2, 600)))
    labelled = choose(
        [*asked(QueryKind.OTHER, list(rng.beta(1, 14, 900))), *present], CALIBRATION, 0.02, True
    )
    unlabelled = choose(
        asked(QueryKind.OTHER, list(rng.beta(1, 14, 450))), CALIBRATION, 0.01, labelled=False
    )

    def confirmed(threshold: float) -> float:
        return float(np.mean([answer.right(threshold) for answer in present]))

    thresholds = [told.calibration.crop_threshold for told in (labelled, unlabelled)]
    assert abs(confirmed(thresholds[0]) - confirmed(thresholds[1])) <= 0.03


def test_no_score_below_a_fifth_moves_a_robot_however_rare_false_alarms_are() -> None:
    absent, present = asked(QueryKind.OTHER, [0.01] * 100), asked(QueryKind.PRESENT, [0.9] * 40)
    told = choose([*absent, *present], CALIBRATION, alarms=0.02, labelled=True)
    assert told.calibration.crop_threshold == 0.2


def test_too_few_questions_are_refused_and_it_says_how_many_are_missing() -> None:
    absent, present = asked(QueryKind.OTHER, [0.1] * 9), asked(QueryKind.PRESENT, [0.9] * 12)
    with pytest.raises(ModelError, match="18 and 64 are missing: give more images"):
        choose([*absent, *present], CALIBRATION, alarms=0.02, labelled=True)
    # Nothing less would do: with one wrong answer fewer questions are never safe.
    assert least_absent(0.02) == 73
    assert least_absent(0.01) == 100


@pytest.mark.parametrize(
    ("absent", "present", "iou", "message"),
    [
        ([1.0] * 100, [1.0] * 100, True, "says yes to everything"),
        ([0.97] * 100, [0.99] * 100, True, "says yes to everything"),
        (list(np.linspace(0, 0.9, 100)), list(np.linspace(0, 0.9, 100)), True, "cannot tell"),
        ([0.1] * 100, [0.9] * 100, False, "cannot tell"),
        ([0.1] * 100, [0.1] * 100, True, "cannot tell"),
    ],
)
def test_a_model_of_no_use_gets_no_thresholds(
    absent: list[float], present: list[float], iou: bool, message: str
) -> None:
    seen = [*asked(QueryKind.OTHER, absent), *asked(QueryKind.PRESENT, present, iou=iou)]
    with pytest.raises(ModelError, match=message):
        choose(seen, CALIBRATION, alarms=0.02, labelled=True)


def test_a_model_that_draws_nothing_gets_no_thresholds() -> None:
    blind = [QueryResult("red cup", QueryKind.OTHER, NOWHERE, ())] * 100
    with pytest.raises(ModelError, match="sees nothing at all"):
        choose(blind, CALIBRATION, alarms=0.02, labelled=False)


def test_images_of_generators_are_looked_at_in_turn_with_scenes() -> None:
    source = scene_source(Settings.load().perception, 100, ["rooms"])
    whole = list(source.questions(0, 5))
    # The rooms are the scenes' own, as a camera takes them.
    assert [question.observation.stamp for question in whole] == [0, 0, 1, 1, 2]
    plain, taken = (question.observation.image for question in whole[:2])
    assert plain.shape == taken.shape
    assert (plain != taken).any()
    # The configuration's nouns compete for scenes, those that it shows for a generator's images.
    assert [question.nouns for question in whole[:2]] == [(), tuple(sorted(SHAPES))]
    for start in range(1, 5):
        rest = list(source.questions(start, 5))
        assert len(rest) == 5 - start
        for question, again in zip(whole[start:], rest, strict=True):
            assert (question.observation.image == again.observation.image).all()
            assert [q.phrase for q in question.queries] == [q.phrase for q in again.queries]
    assert source.count == 200
    assert source.digest != scene_source(Settings.load().perception, 100, []).digest


def test_nothing_is_chosen_on_the_test_of_the_wider_world(tiny: Path) -> None:
    with pytest.raises(SimulationError, match="they are a test"):
        calibrate(tiny, 100, generators=["procedural", "unseen"])


class Interrupted(ClipsegGrounder):
    """A grounder that is stopped while it looks at an image."""

    left = 10**6
    encoded = 0

    def encode_pixels(self, pixels, image):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.encoded += 1
        return super().encode_pixels(pixels, image)


def noise(count: int) -> tuple[bytes, ...]:
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    return tuple(encode_image(np.kron(each, np.ones((16, 16, 1), np.uint8))) for each in small)


def same(one: Look, other: Look) -> bool:
    if not np.array_equal(one.image, other.image) or not np.array_equal(one.crops, other.crops):
        return False
    for a, b in zip(one.answers, other.answers, strict=True):
        if (a.phrase, a.kind) != (b.phrase, b.kind) or not np.array_equal(a.truth, b.truth):
            return False
        for c, d in zip(a.candidates, b.candidates, strict=True):
            if (c.margin, c.score) != (d.margin, d.score) or not np.array_equal(c.mask, d.mask):
                return False
    return True


def test_a_calibration_that_was_stopped_goes_on_and_ends_as_if_it_had_not(
    tiny: Path, tmp_path: Path
) -> None:
    views = OwnViews(noise(5), ("red cup", "blue box"), ("green ball",), 5, "a test")
    grid = [dataclasses.replace(CALIBRATION, mask_threshold=m) for m in (0.3, 0.45)]

    def run(grounder: ClipsegGrounder, folder: Path | None) -> tuple[list[list[Look]], tqdm]:
        with tqdm(total=10, disable=True) as bar:
            looker = Looker(grounder, Settings.load().perception, folder, bar)
            return looker.ask(5, grid, lambda start: views.questions(start, 5)), looker

    whole, _ = run(ClipsegGrounder.from_pretrained(tiny, "cpu"), None)
    assert any(answer.candidates for look in whole[0] for answer in look.answers)
    stopped = Interrupted.from_pretrained(tiny, "cpu")
    stopped.left = 3
    with pytest.raises(KeyboardInterrupt):
        run(stopped, tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 3 * 2
    # What was damaged is asked again.
    kept[-1].write_bytes(kept[-1].read_bytes()[:100])
    resumed = Interrupted.from_pretrained(tiny, "cpu")
    again, _ = run(resumed, tmp_path)
    assert resumed.encoded == 3
    for before, after in zip(whole, again, strict=True):
        assert len(before) == len(after) == 5
        assert all(same(a, b) for a, b in zip(before, after, strict=True))
