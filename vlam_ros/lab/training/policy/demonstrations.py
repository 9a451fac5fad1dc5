"""Demonstrations: what the expert does in many episodes, in shards on disk."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.episode_recorder import SETTLING, EpisodeRecord
from vlam_ros.lab.evaluation.episodes import Episode, episode_name, episode_of_seed
from vlam_ros.lab.evaluation.lockstep import Lockstep, RobotProxy, run_in
from vlam_ros.lab.live.recorded_robot import RecordedRobot
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.task_objects import LANE, is_free, stop_before
from vlam_ros.lab.simulation.tasks import RELATIONAL_SHARE
from vlam_ros.lab.simulation.truth import Truth, truth_of
from vlam_ros.lab.training.policy.asked import names_held_out, relations_to_ask, things_to_ask
from vlam_ros.lab.training.policy.demonstration_policy import (
    ARRAYS,
    BlindDemonstrationPolicy,
    Demonstration,
    DemonstrationPolicy,
    write_shard,
)
from vlam_ros.lab.training.policy.expert import Expert, TruthPerceiver
from vlam_ros.lab.training.policy.kinematic import BLANK, KinematicRobot
from vlam_ros.language import Lexicon
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import ClipsegGrounder, ImageFeatures
from vlam_ros.pipeline import Pipeline, robot_lexicon
from vlam_ros.policies import Policy, ReadsFeatures, Skill, load_skills, make_policy
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.runtime import DecisionResult
from vlam_ros.types import (
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    Reason,
    Uint8Array,
)

EPISODES = 20
"""Episodes of a shard."""
ASIDE, TURNED = 0.15, 0.25
"""Metres and rad by which the robot may start elsewhere than the task was made for."""
START_ASIDE, START_TURNED = 0.3, 0.35
"""The same where only the first decision is shown."""
BEFORE_THINGS, BACK = 0.5, 0.4
"""How often it starts before a thing, up to so many metres from where it would stop there."""
OF_CONTROL = 3
"""One of so many is of the control set."""
RELATED, RELATED_BLIND = 6, 24
"""By how many relations is asked about things that are called alike, with and without images. What
the words mean is learned from many places of things, which cost nothing where nobody looks.
"""
OFTEN_RELATIONAL = 0.7
"""How often one of two things alike is meant, where first decisions are shown, or no images."""
EPOCH = 1_750_000_000 * 10**9
"""ns: when episodes begin, in bags."""
PAUSES, LONGEST = (0.4, 0.8, 1.6), 40
"""Seconds from one decision without an image to the next, one of these; and how many at most."""


class WatchedRobot(RobotProxy):
    """A simulated robot whose truth is kept at each of its images."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._simulator = simulator
        self._truths: dict[int, Truth] = {}

    def image(self) -> Uint8Array:
        self._truths[self.now] = truth_of(self._simulator, look=True)
        return super().image()

    def truth(self, stamp: int) -> Truth:
        """How it was when the image of this stamp was taken."""
        return self._truths[stamp]


@dataclass(frozen=True)
class Parts:
    """What episodes share: the models, and who drives; None is the expert itself."""

    settings: Settings
    grounder: ClipsegGrounder
    skills: tuple[Skill, ...]
    lexicon: Lexicon
    expert: Expert
    driver: Policy | None

    @classmethod
    def load(cls, settings: Settings) -> Parts:
        """The pupil is the policy of the settings, unless that is the planner."""
        skills = load_skills(settings.policy.skills)
        grounder = ClipsegGrounder.from_pretrained(settings.model.name_or_path)
        driver = None
        if settings.policy.kind != SkillPlanner.name:
            driver = make_policy(skills, settings.policy, settings.action)
            if isinstance(driver, ReadsFeatures):
                driver.attach(grounder)
        lexicon = robot_lexicon(grounder.calibration, settings.perception, skills)
        expert = Expert(skills, settings.policy, settings.action)
        return cls(settings, grounder, skills, lexicon, expert, driver)

    @cached_property
    def blank(self) -> ImageFeatures:
        """What the towers see of no image."""
        return self.grounder.encode_image(BLANK)


def show_episode(
    episode: Episode, parts: Parts, bag: Path | None = None
) -> tuple[DemonstrationPolicy, EpisodeRecord]:
    """Run an episode, from a place that is not quite the one that it was made for, and record what
    the robot's sensors say as a bag, if one is named.
    """
    rng = np.random.default_rng([episode.seed, 6])
    simulator, robot, policy, pipeline = _robot(episode, parts, rng, ASIDE, TURNED)
    with simulator:
        fusion = FusionNodeSettings.load()
        recorded = RecordedRobot(robot, fusion.lidar, EPOCH) if bag else None
        loop = Lockstep(recorded or robot, pipeline, fusion, ControllerSettings.load())
        record = run_in(simulator, episode, loop)
        if bag and recorded:
            for seconds, text in episode.script:
                if (now := round((SETTLING + seconds) * 1e9)) <= simulator.now:
                    recorded.said(text, now)
            recorded.write(bag)
        return policy, record


def show_start(episode: Episode, parts: Parts, asked: Sequence[str]) -> DemonstrationPolicy:
    """What is done first about each of several instructions, where an episode would begin or before
    one of the things; the robot may look elsewhere. In one image different words ask for different
    motions.
    """
    rng = np.random.default_rng([episode.seed, 7])
    aside = START_ASIDE
    if rng.random() < BEFORE_THINGS:
        task, aside = episode.task, ASIDE
        room = replace(task.room, start=before_a_thing(task.room, rng))
        episode = replace(episode, task=replace(task, room=room))
    simulator, robot, policy, pipeline = _robot(episode, parts, rng, aside, START_TURNED)
    with simulator:
        maker = _Examiner(pipeline, asked)
        loop = Lockstep(robot, maker, FusionNodeSettings.load(), ControllerSettings.load())
        while simulator.now < SETTLING * 1e9:
            loop.tick(lambda decided: None)
        decided: list[DecisionResult] = []
        loop.instruct(asked[0])
        while not decided:
            loop.tick(decided.append)
    return policy


@dataclass(frozen=True)
class _Examiner:
    """Whoever is asked something by it is asked all, about the same observation."""

    pipeline: Pipeline
    asked: Sequence[str]

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        decisions = []
        for text in self.asked if request else ():
            self.pipeline.reset()
            decisions.append(self.pipeline.step(observation, InstructionRequest(text)))
        return decisions[0] if decisions else self.pipeline.step(observation, request)

    def reset(self) -> None:
        self.pipeline.reset()


def elsewhere(room: RoomSpec, rng: np.random.Generator, aside: float, turned: float) -> RoomSpec:
    """A room in which the robot starts up to so many metres and rad from where it would."""
    start = room.start
    x, y, yaw = rng.uniform(-1, 1, 3) * (aside, aside, turned)
    return replace(room, start=BasePose(x=start.x + x, y=start.y + y, yaw=start.yaw + yaw))


def before_a_thing(room: RoomSpec, rng: np.random.Generator) -> BasePose:
    """A pose on the way to one of the things of a room, to which the arm nearly reaches; where the
    robot starts anyway, if that way is not free.
    """
    start, things = room.start, room.scene.objects
    thing = things[int(rng.integers(len(things)))]
    x, y = stop_before(thing.position[:2], (start.x, start.y))
    others = [other for other in (*things, *room.fixed.values()) if other is not thing]
    if not is_free((start.x, start.y), (x, y), others, LANE + ASIDE):
        return start
    yaw, back = math.atan2(y - start.y, x - start.x), rng.uniform(0, BACK)
    return BasePose(x=x - back * math.cos(yaw), y=y - back * math.sin(yaw), yaw=yaw)


def show_blind(
    episode: Episode, parts: Parts, asked: Sequence[str], first: Sequence[str]
) -> BlindDemonstrationPolicy:
    """What is done about each of several instructions, from the start to the end, and what is done
    first about others, where things are known and nothing is seen.
    """
    rng = np.random.default_rng([episode.seed, 12])
    settings, action, task = parts.settings, parts.settings.action, episode.task
    policy = BlindDemonstrationPolicy(
        parts.expert, parts.grounder, settings.perception, task.kind.name, episode.seed, None
    )
    skills = {skill.name: skill for skill in parts.skills}
    lengths = dict.fromkeys(first, 1) | dict.fromkeys(asked, LONGEST)
    for text, longest in lengths.items():
        room = task.room
        if rng.random() < BEFORE_THINGS:
            room = replace(room, start=before_a_thing(room, rng))
        room = elsewhere(room, rng, ASIDE, START_TURNED)
        robot = KinematicRobot(room, rng, action.start_offset + action.step * action.horizon)
        perceiver = TruthPerceiver(
            lambda image: parts.blank, settings.perception, room.scene.objects, robot.truth
        )
        pipeline = _pipeline(parts, perceiver, policy)
        for _ in range(longest):
            decision = pipeline.step(robot.observe(), InstructionRequest(text))
            if decision.verdict.reason is Reason.INTERNAL_ERROR:
                raise LearningError(f"'{text}' cannot be shown: {decision.verdict.message}")
            if decision.verdict.outcome is not Outcome.EXECUTE or policy.proposal is None:
                break
            skill = skills[policy.proposal.plan.to_come[0].skill]
            robot.carry_out(policy.proposal, pipeline.progress, skill, float(rng.choice(PAUSES)))
    return policy


def _robot(
    episode: Episode, parts: Parts, rng: np.random.Generator, aside: float, turned: float
) -> tuple[Simulator, WatchedRobot, DemonstrationPolicy, Pipeline]:
    """A simulated robot that begins a little elsewhere than the task was made for, and who decides
    for it.
    """
    room = elsewhere(episode.task.room, rng, aside, turned)
    settings = parts.settings
    policy = DemonstrationPolicy(
        parts.expert, parts.grounder, settings.perception, episode.task.kind.name, episode.seed,
        parts.driver,
    )  # fmt: skip
    simulator = Simulator(room, seed=episode.seed)
    robot = WatchedRobot(simulator)
    perceiver = TruthPerceiver(
        parts.grounder.encode_image, settings.perception, room.scene.objects, robot.truth
    )
    return simulator, robot, policy, _pipeline(parts, perceiver, policy)


def _pipeline(parts: Parts, perceiver: TruthPerceiver, policy: Policy) -> Pipeline:
    settings = parts.settings
    return Pipeline(
        parts.grounder, cast("Perceiver", perceiver), parts.skills, policy, settings.policy,
        settings.action, settings.perception.nouns, parts.lexicon,
    )  # fmt: skip


class ShardKind(Enum):
    """What is shown of an episode, and whose it is; the values name shards."""

    TASKS = "tasks"
    CONTROL = "control"
    STARTS = "starts"
    """What is done first about several instructions, of tasks and of the control set."""
    BLIND = "blind"
    """What is done about several instructions, of tasks and of the control set, without images."""


@dataclass(frozen=True)
class DemonstrationJob:
    """Episodes from a seed on, shown into a shard."""

    folder: Path
    seed: int
    episodes: int
    kind: ShardKind
    settings: Settings
    bags: Path | None = None

    @property
    def path(self) -> Path:
        """The shard, with its end, lest a short one passes for a full one in a longer run."""
        end = self.seed + self.episodes
        return self.folder / f"{self.kind.value}-{self.seed:08d}-{end:08d}.npz"


def demonstrate(
    folder: Path,
    settings: Settings,
    seed: int,
    counts: Mapping[ShardKind, int],
    workers: int = 1,
    bags: Path | None = None,
) -> None:
    """Show so many episodes of each kind, in shards, and those of TASKS and CONTROL as bags in
    `bags`, if that is given; finished ones stay.

    Raises:
        LearningError: no episode is asked for.
    """
    if sum(counts.values()) < 1:
        raise LearningError("there is nothing to show: ask for one episode or more")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        DemonstrationJob(folder, start, min(EPISODES, seed + count - start), kind, settings, bags)
        for kind, count in counts.items()
        for start in range(seed, seed + count, EPISODES)
    ]
    due = [job for job in jobs if not job.path.exists()]
    # Not forked: MuJoCo's and torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with context.Pool(max(1, min(workers, len(due))), torch.set_num_threads, (1,)) as pool:
        done = pool.imap_unordered(run_shard, due)
        for _ in tqdm(done, total=len(due), desc="demonstrations", unit=f"{EPISODES} episodes"):
            pass


def run_shard(job: DemonstrationJob) -> None:
    """Show the episodes of a shard, and write it when all are over."""
    parts = _parts(job.settings)
    rows: list[Demonstration] = []
    arrays: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in ARRAYS}
    for seed in range(job.seed, job.seed + job.episodes):
        mixed = job.kind in (ShardKind.STARTS, ShardKind.BLIND)
        control = job.kind is ShardKind.CONTROL or (mixed and seed % OF_CONTROL == 0)
        relational = OFTEN_RELATIONAL if mixed else RELATIONAL_SHARE
        episode = episode_of_seed(seed, control, True, relational)
        if names_held_out(episode.script[0][1]):
            continue
        policy: DemonstrationPolicy
        if mixed:
            asked = things_to_ask(episode, np.random.default_rng([seed, 8]))
            rng, blind = np.random.default_rng([seed, 9]), job.kind is ShardKind.BLIND
            related = relations_to_ask(episode, rng, RELATED_BLIND if blind else RELATED)
            if blind:
                policy = show_blind(episode, parts, asked, related)
            else:
                policy = show_start(episode, parts, [*asked, *related])
        else:
            bag = job.bags and job.bags / episode_name(seed, control)
            if bag and bag.exists():  # of a shard that was interrupted
                bag = None
            policy, _ = show_episode(episode, parts, bag)
        rows += policy.rows
        for name, values in policy.arrays.items():
            arrays[name] += values
    write_shard(job.path, rows, arrays)


@cache
def _parts(settings: Settings) -> Parts:
    return Parts.load(settings)
