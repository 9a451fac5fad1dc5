"""`vlam calibrate`: the thresholds of a checkpoint, chosen on validation scenes or on validation
images of one's own, and on sentences.

Where the masks are best (mean IoU) is chosen first: what a mask takes in, and which of its pieces
the second look leaves out. The margin is then the smallest that keeps false alarms of the masks
alone below MASK_ALARMS, the threshold of the second look the smallest that keeps its own below
ALARMS: no more of what is there is given up than that takes, but never below LEAST_SCORE. What the
images and the crops looked at have in common becomes the checkpoint's Familiarity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.evaluation.grounding import QueryResult, answers, answers_to
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind, data_questions
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.tasks import random_task
from vlam_ros.lab.training.captions import SKILL_PATTERNS, skill_sentence, unknown_sentence
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.paraphrases import Paraphrases
from vlam_ros.lab.training.understanding import skill_threshold
from vlam_ros.perception import Grounder, Perceiver
from vlam_ros.perception.clipseg import (
    Calibration,
    ClipsegGrounder,
    ImageFeatures,
    load_checkpoint,
)
from vlam_ros.perception.familiarity import Density, Familiarity
from vlam_ros.perception.perceiver import Float32Array, SecondLook
from vlam_ros.policies import load_skills
from vlam_ros.types import Observation, Uint8Array, VelocityCommand

MASK_ALARMS, ALARMS = 0.12, 0.02
"""Aimed at on validation scenes; below the gates of the test, for the two differ by chance."""
LEAST_SCORE = 0.25
"""Of what may move a robot, however rare false alarms are: a score is a probability."""
ROOMS = 90
"""Rooms of tasks whose views are familiar besides the validation scenes."""
VIEWS = 25
"""With the room's number, the seed of its view: no task that is judged has it."""
MASK_THRESHOLDS = (0.3, 0.4, 0.5)
TOLERANCES = (0.0, 0.3, 1.0)
REJECTIONS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
SCENES_PER_THRESHOLD = 15
SENTENCES = 400
SKILL_TEMPERATURE = 14.0


def calibrate(
    model: str | Path,
    scenes: int = 300,
    adapter: str | Path = "",
    data: Sequence[Path] = (),
    skills: str = "",
) -> Calibration:
    """Choose the thresholds of a checkpoint.

    What cannot be chosen by looking (crop size, temperatures, vocabulary) is kept from the
    checkpoint's calibration; without one it is the model's own size and temperature, and an open
    vocabulary.

    Args:
        model: a checkpoint, as `ClipsegGrounder.from_pretrained` takes it.
        adapter: what was tuned on it, if anything.
        data: data sets whose validation images are looked at instead, in turn; their nouns
            compete, as they have to on the robot.
        skills: the robot's skills file, if it has others than the model was trained on.

    Raises:
        ModelError: the model cannot be loaded, or sees so little that no threshold helps.
        LearningError: a data set cannot be read, or its first images for validation show nothing
            large enough; or no prompt in the skills file is new.
    """
    grounder, settings = ClipsegGrounder.from_pretrained(model, adapter=adapter), Settings.load()
    perception, own = settings.perception, [Dataset(folder, "validation") for folder in data]
    negatives = HardNegatives(perception, [phrase for each in own for phrase in each.phrases])
    perception = dataclasses.replace(perception, nouns=negatives.nouns)
    start = grounder.calibration or _neutral(model)

    def ask(
        masks: tuple[float, float], count: int, looks: Grounder = grounder
    ) -> list[QueryResult]:
        threshold, tolerance = masks
        grounder.calibration = dataclasses.replace(
            start, mask_threshold=threshold, tolerance=tolerance, crop_rejection=0.0
        )
        if own:
            asked = data_questions(own, negatives, count)
            bar = tqdm(asked, total=count, desc="validation")
            found = answers_to(looks, perception, bar)
            if not any(answer.kind is QueryKind.PRESENT for answer in found):
                raise LearningError(
                    f"the first {count} validation images of {', '.join(map(str, data))} show "
                    "nothing that is large enough: choose thresholds on others"
                )
            return found
        return answers(looks, settings, "validation", count)

    few = min(scenes, SCENES_PER_THRESHOLD)
    best = max(product(MASK_THRESHOLDS, TOLERANCES), key=lambda masks: _mean_iou(ask(masks, few)))
    measured = _Measured(grounder)
    asked = ask(best, scenes, measured)
    if not own:
        measured.look_around(settings.perception)
    absent = [a for a in asked if a.kind in ABSENT]
    rejection = max(REJECTIONS, key=lambda r: _mean_iou(asked, r))
    margin = _smallest(lambda m: np.mean([a.found_by_mask(m) for a in absent]) <= MASK_ALARMS)
    found = _smallest(lambda t: np.mean([a.found(t) for a in absent]) <= ALARMS)
    crop_threshold = max(found, LEAST_SCORE)
    return dataclasses.replace(
        start,
        mask_threshold=best[0],
        tolerance=best[1],
        margin=margin,
        crop_threshold=crop_threshold,
        crop_rejection=min(rejection, crop_threshold),
        skill_threshold=_skill_threshold(grounder, skills or settings.policy.skills, bool(skills)),
        made_with=f"vlam calibrate --scenes {scenes}" + " --data …" * bool(own),
        familiarity=measured.familiarity(),
    )


class _Measured:
    """A grounder that keeps what the Densities are made of: the statistics of all images and of
    the close crops of all candidates.
    """

    def __init__(self, grounder: ClipsegGrounder) -> None:
        self._grounder = grounder
        self._images: list[Float32Array] = []
        self._crops: list[Float32Array] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grounder, name)

    def encode_pixels(self, pixels: Any, image: Uint8Array) -> ImageFeatures:
        features = self._grounder.encode_pixels(pixels, image)
        self._images.append(self._grounder.statistics(features))
        return features

    def second_look(self, crops: Any, texts: Any, prompts: Any) -> SecondLook:
        seen = self._grounder.second_look(crops, texts, prompts)
        if crops:
            self._crops.append(seen.statistics[: len(crops) // 2])  # the other half is looser
        return seen

    def look_around(self, settings: PerceptionSettings) -> None:
        """Add what the robot sees on random ways through the rooms of tasks."""
        perceiver: Perceiver[ImageFeatures] = Perceiver(self, settings)
        for view, phrases in tqdm(_views(ROOMS), "rooms", ROOMS):
            perceiver.perceive(view, phrases, phrases)

    def familiarity(self) -> Familiarity:
        images, crops = (np.concatenate(each) for each in (self._images, self._crops))
        return Familiarity(Density.fit(images), Density.fit(crops))


def _views(count: int) -> Iterator[tuple[Observation, list[str]]]:
    """What a robot sees that went and reached at random in rooms of tasks, and what is there."""
    for seed in range(count):
        rng = np.random.default_rng([seed, VIEWS])
        room = random_task(rng).room
        velocity = VelocityCommand(rng.uniform(0, 0.4), rng.uniform(-0.5, 0.5))
        with Simulator(room, seed=seed) as simulator:
            simulator.reach([rng.uniform(-2, 2), rng.uniform(0, 0.7), rng.uniform(0.2, 0.9)])
            for _ in range(int(rng.integers(12))):
                simulator.drive(velocity)
                simulator.advance(simulator.now + 400_000_000)
            observation = Observation(seed, seed, simulator.image(), simulator.camera)
        yield observation, sorted({thing.phrase for thing in room.scene.objects})


def _neutral(model: str | Path) -> Calibration:
    checkpoint = load_checkpoint(model)
    return Calibration(
        mask_threshold=0.5,
        tolerance=0.0,
        crop_threshold=1.0,
        crop_rejection=0.0,
        margin=0.0,
        crop_size=checkpoint.preprocessing.size,
        crop_temperature=round(float(checkpoint.model.clip.logit_scale.float().exp()), 2),
        skill_threshold=1.0,
        skill_temperature=SKILL_TEMPERATURE,
        vocabulary=None,
        made_with="neutral",
    )


def _skill_threshold(grounder: ClipsegGrounder, source: str, taught: bool) -> float:
    rng, skills, trained = np.random.default_rng(0), load_skills(source), list(SKILL_PATTERNS)
    known = [skill_sentence(rng, trained[i % len(trained)]) for i in range(SENTENCES)]
    unknown = [unknown_sentence(rng) for _ in range(SENTENCES)]
    if taught:
        paraphrases = Paraphrases(skills)
        known += [paraphrases.new_sentence(rng)[1] for _ in range(SENTENCES)]
        unknown += [paraphrases.no_sentence(rng) for _ in range(SENTENCES)]
    return skill_threshold(grounder, skills, known, unknown)


def _mean_iou(seen: Sequence[QueryResult], rejection: float = 0.0) -> float:
    return float(np.mean([a.iou(rejection) for a in seen if a.kind is QueryKind.PRESENT]))


def _smallest(good: Callable[[float], np.bool_ | bool]) -> float:
    """The smallest hundredth in 0..1 for which `good` holds."""
    for value in np.arange(0, 1.005, 0.01):
        if good(float(value)):
            return round(float(value), 2)
    raise ModelError("the model says yes to everything: train it longer before calibrating it")
