"""`vlam calibrate`: the thresholds of a checkpoint, chosen on what it answers about validation
scenes, validation images of one's own or a drive of one's own robot, and on sentences.

Where masks are known, what a mask takes in is chosen first, by how well few of them are met; then
the thresholds, by all answers (`thresholds`). What the images and the crops looked at have in
common becomes the checkpoint's Familiarity.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vlam_ros import __version__
from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.errors import LearningError, ModelError, SimulationError
from vlam_ros.lab.evaluation.generated import nouns_of, questions_of
from vlam_ros.lab.evaluation.grounding import QueryResult
from vlam_ros.lab.evaluation.looks import Look, Looker
from vlam_ros.lab.evaluation.own_views import OwnViews
from vlam_ros.lab.evaluation.queries import (
    ABSENT,
    ABSENT_NAMES,
    ABSENT_NEGATIVES,
    Query,
    QueryKind,
    Question,
    data_questions,
    questions,
)
from vlam_ros.lab.evaluation.thresholds import (
    ALARMS,
    OWN_ALARMS,
    Calibrated,
    choose,
    least_absent,
    mean_iou,
    require_images,
)
from vlam_ros.lab.generators import UNSEEN, generator_named
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.tasks import random_task
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.captions import SKILL_PATTERNS, skill_sentence, unknown_sentence
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.paraphrases import Paraphrases
from vlam_ros.lab.training.understanding import skill_threshold
from vlam_ros.perception.clipseg import Calibration, Checkpoint, ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.adapters.attach import fingerprint
from vlam_ros.perception.competitors import unknown_words
from vlam_ros.perception.familiarity import Density, Familiarity
from vlam_ros.policies import load_skills
from vlam_ros.types import Observation, VelocityCommand

SPLIT = "validation"
ROOMS = 90
"""Rooms of tasks whose views are familiar besides the validation scenes."""
FURTHER = 700
"""Images of each kind that are only seen, for what is familiar takes more than are asked about."""
VIEWS = 25
"""With the room's number, the seed of its view: no task that is judged has it."""
MASK_THRESHOLDS = (0.3, 0.4, 0.5)
TOLERANCES = (0.0, 0.3, 1.0)
SCENES_PER_THRESHOLD = 15
SENTENCES = 400
SKILL_TEMPERATURE = 14.0


@dataclass(frozen=True)
class QuestionSource:
    """Where questions come from: from a number on to before another one. `count` of them are
    answered, of the `further` ones after these the images are seen, and then as many `rooms`.
    `digest` tells its images from others.
    """

    count: int
    digest: str
    questions: Callable[[int, int], Iterator[Question]]
    perception: PerceptionSettings
    about: str
    alarms: float
    knows_masks: bool = True
    further: int = 0
    rooms: int = 0


def calibrate(
    model: str | Path,
    scenes: int = 300,
    progress: bool = True,
    adapter: str | Path = "",
    data: Sequence[Path] = (),
    skills: str = "",
    views: OwnViews | None = None,
    cache: Path | None = None,
    generators: Sequence[str] = (),
) -> Calibrated:
    """Choose the thresholds of a checkpoint.

    What cannot be chosen by looking (crop size, temperatures, vocabulary) is kept from the
    checkpoint's calibration; without one it is the model's own size and temperature, and an open
    vocabulary. Where nobody knows the masks, what they take in is kept too.

    Args:
        model: a checkpoint, as `load_checkpoint` takes it.
        adapter: what was tuned on it, if anything.
        data: data sets whose validation images are looked at instead, in turn; their nouns
            compete, as they have to on the robot.
        skills: the robot's skills file, if it has others than the model was trained on.
        views: of one's own robot, to be looked at instead.
        cache: a folder for what was answered, from which a run that was stopped goes on.
        generators: of whose validation images, as a camera takes them, as many are looked at as of
            simulated scenes, in turn.

    Raises:
        ModelError: the model cannot be loaded; or too little was asked to know of any threshold
            that it is safe, or none is: the model says yes to everything, or cannot tell what is
            there from what is not.
        LearningError: a data set cannot be read, or its first images for validation show nothing
            large enough; or no prompt in the skills file is new.
        SimulationError: there is no such generator, it cannot be used here, or it is the one that
            nothing is chosen on.
    """
    checkpoint, settings = load_checkpoint(model, adapter=adapter), Settings.load()
    grounder = ClipsegGrounder(checkpoint)
    start = checkpoint.calibration or _neutral(checkpoint)
    if views is not None:
        source = _of_views(views, settings.perception, start)
    elif data:
        source = _of_data(data, settings.perception, scenes)
    else:
        source = scene_source(settings.perception, scenes, generators)
    # Every candidate keeps its score, though it would be rejected or be unfamiliar today.
    grid = [dataclasses.replace(start, crop_rejection=0.0, familiarity=None)]
    if source.knows_masks:
        grid = [
            dataclasses.replace(grid[0], mask_threshold=threshold, tolerance=tolerance)
            for threshold, tolerance in product(MASK_THRESHOLDS, TOLERANCES)
        ]
    few = min(source.count, SCENES_PER_THRESHOLD)
    seen_only = source.count + source.further
    total = few * len(grid) + seen_only - few + source.rooms
    folder = cache and cache / _key(checkpoint, start, source)
    with tqdm(total=total, desc="calibrate", disable=not progress) as bar:
        looker = Looker(grounder, source.perception, folder, bar)
        best, looks = grid[0], looker.ask(few, grid, lambda i: source.questions(i, few))
        if source.knows_masks:
            _require_things(_answers(looks[0]), source)
            best = grid[int(np.argmax([mean_iou(_answers(some)) for some in looks]))]
        (seen,) = looker.ask(source.count, [best], lambda i: source.questions(i, source.count))
        # Not before: a rejection would have left candidates out.
        kept = dataclasses.replace(best, crop_rejection=start.crop_rejection)
        chosen = choose(_answers(seen), kept, source.alarms, source.knows_masks)
        more = looker.see(
            source.count, source.further, best, lambda i: source.questions(i, seen_only)
        )
        around = looker.look_around(source.rooms, best, lambda i: _rooms(i, source.rooms))
    skills_file = skills or settings.policy.skills
    calibration = dataclasses.replace(
        chosen.calibration,
        skill_threshold=_skill_threshold(grounder, skills_file, bool(skills)),
        made_with=source.about,
        familiarity=_familiarity([*seen, *more, *around], checkpoint),
    )
    nouns = source.perception.nouns if source.perception != settings.perception else ()
    return dataclasses.replace(chosen, calibration=calibration, nouns=nouns)


def _require_things(seen: Sequence[QueryResult], source: QuestionSource) -> None:
    if not any(answer.kind is QueryKind.PRESENT for answer in seen):
        raise LearningError(
            f"the first {min(source.count, SCENES_PER_THRESHOLD)} validation images of "
            f"{source.about} show nothing that is large enough: choose thresholds on others"
        )


def scene_source(
    settings: PerceptionSettings, scenes: int, generators: Sequence[str]
) -> QuestionSource:
    """Questions about validation scenes, and about images of generators in turn with them, whose
    nouns compete as in `answers_about`.
    """
    if UNSEEN in generators:
        raise SimulationError(f"nothing is chosen on the images of {UNSEEN!r}: they are a test")
    kinds = 1 + len(generators)
    shown: dict[str, PerceptionSettings] = {}

    def asked(start: int, end: int) -> Iterator[Question]:
        if start >= end:
            return
        done, of_next = divmod(start, kinds)
        with ExitStack() as opened:
            world = opened.enter_context(World())
            in_turn = [questions(world, SPLIT, end, done + (of_next > 0))]
            for kind, name in enumerate(generators, 1):
                generator = opened.enter_context(generator_named(name))
                first = done + (of_next > kind)
                if name not in shown:
                    shown[name] = nouns_of(generator, SPLIT, settings)
                in_turn.append(questions_of(generator, SPLIT, end, shown[name], first, True))
            for number in range(start, end):
                yield next(in_turn[number % kinds])

    require_images(scenes, len(ABSENT), ALARMS)
    others = " ".join(["", "--generators", *generators]) if generators else ""
    return QuestionSource(
        scenes * kinds,
        f"validation scenes{others}",
        asked,
        settings,
        f"vlam calibrate --scenes {scenes}{others}",
        ALARMS,
        further=FURTHER * kinds,
        rooms=ROOMS,
    )


def _of_data(data: Sequence[Path], settings: PerceptionSettings, scenes: int) -> QuestionSource:
    own = [Dataset(folder, "validation") for folder in data]
    count = min(scenes, sum(map(len, own)))
    require_images(count, ABSENT_NAMES + ABSENT_NEGATIVES, ALARMS)
    negatives = HardNegatives(settings, [phrase for each in own for phrase in each.phrases])
    return QuestionSource(
        count,
        " ".join(each.digest for each in own),
        lambda start, end: data_questions(own, negatives, end, start),
        dataclasses.replace(settings, nouns=negatives.nouns),
        f"vlam calibrate --scenes {scenes} --data …",
        ALARMS,
    )


def _of_views(views: OwnViews, settings: PerceptionSettings, start: Calibration) -> QuestionSource:
    for phrase in (*views.absent, *views.present):
        for word in unknown_words(phrase, start):
            raise ModelError(
                f"the model does not know '{word}', and '{phrase}' would be refused on the robot "
                "anyway: name things in words that it knows"
            )
    negatives = HardNegatives(settings, (*views.absent, *views.present))
    views.require(least_absent(OWN_ALARMS))
    return QuestionSource(
        len(views.images),
        views.digest,
        views.questions,
        dataclasses.replace(settings, nouns=negatives.nouns),
        f"vlam calibrate on {views.about}",
        OWN_ALARMS,
        knows_masks=False,
    )


def _rooms(start: int, end: int) -> Iterator[Question]:
    """What a robot sees that went and reached at random in rooms of tasks, and what is there."""
    for seed in range(start, end):
        rng = np.random.default_rng([seed, VIEWS])
        room = random_task(rng).room
        velocity = VelocityCommand(rng.uniform(0, 0.4), rng.uniform(-0.5, 0.5))
        with Simulator(room, seed=seed) as simulator:
            simulator.reach([rng.uniform(-2, 2), rng.uniform(0, 0.7), rng.uniform(0.2, 0.9)])
            for _ in range(int(rng.integers(12))):
                simulator.drive(velocity)
                simulator.advance(simulator.now + 400_000_000)
            observation = Observation(seed, seed, simulator.image(), simulator.camera)
        there = sorted({thing.phrase for thing in room.scene.objects})
        nowhere = np.zeros(observation.image.shape[:2], bool)
        yield Question(observation, tuple(Query(p, QueryKind.NAMED, nowhere) for p in there))


def _key(checkpoint: Checkpoint, start: Calibration, source: QuestionSource) -> str:
    """Of what decides an answer: the model, its adapter, its settings and the images."""
    parts = (
        __version__,
        fingerprint(checkpoint.model, "float32"),
        checkpoint.backend.precision,
        repr(checkpoint.preprocessing),
        f"{start.crop_size} {start.crop_temperature}",
        repr(source.perception),
        source.digest,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _answers(looks: Sequence[Look]) -> list[QueryResult]:
    return [answer for look in looks for answer in look.answers]


def _familiarity(looks: Sequence[Look], checkpoint: Checkpoint) -> Familiarity:
    last_layer = slice(-checkpoint.config.vision_config.hidden_size, None)
    images = [look.image[:, last_layer] for look in looks if len(look.image)]
    crops = [look.crops[:, last_layer] for look in looks if len(look.crops)]
    if not crops:
        raise ModelError("the model sees nothing at all: is it trained, and the right one?")
    return Familiarity(Density.fit(np.concatenate(images)), Density.fit(np.concatenate(crops)))


def _neutral(checkpoint: Checkpoint) -> Calibration:
    return Calibration(
        mask_threshold=0.5,
        tolerance=0.0,
        crop_threshold=1.0,
        crop_rejection=0.0,
        margin=0.0,
        crop_size=checkpoint.preprocessing.size,
        crop_temperature=round(checkpoint.model.clip.logit_scale.detach().float().exp().item(), 2),
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
