"""Demonstrations of what an expert does that knows the truth, in shards."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demonstrated import SEED, SETTINGS, seed_of, task
from policy_world import START, observation, odometry, thing
from random_policy import random_policy

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec, check_room
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.policy import demonstrations
from vlam_ros.lab.training.policy.asked import (
    BARE,
    LIKE,
    THERE,
    names_held_out,
    relations_to_ask,
    things_to_ask,
)
from vlam_ros.lab.training.policy.data import Demonstrations
from vlam_ros.lab.training.policy.demonstration_policy import DemonstrationPolicy
from vlam_ros.lab.training.policy.demonstrations import (
    ASIDE,
    START_TURNED,
    DemonstrationJob,
    Parts,
    ShardKind,
    before_a_thing,
    elsewhere,
    run_shard,
    show_episode,
    show_start,
)
from vlam_ros.lab.training.policy.driven import demonstrate_bag
from vlam_ros.policies.transformer import TransformerPolicy
from vlam_ros.policies.transformer.inputs import OF_INSTRUCTION
from vlam_ros.types import (
    Noun,
    Plan,
    Progress,
    Proposal,
    Reason,
    Relation,
    Scene,
    Sighting,
    SkillStep,
)


def test_demonstrations_are_of_what_the_towers_see(data: Demonstrations) -> None:
    assert {row.kind for row in data.rows} == {"TURN_TO", "ABSENT", "AMBIGUOUS"}
    count = len(data)
    assert data.arrays["patches"].shape == (count, 401, 160)
    assert data.arrays["places"].shape == data.arrays["floor"].shape == (count, 400, 3)
    assert np.isfinite(data.arrays["places"]).all(-1).mean() > 0.1
    texts = {row.kind: [r.text for r in data.rows if r.kind == row.kind] for row in data.rows}
    assert "<done>" in texts["TURN_TO"][-1]
    assert "<execute> 2 " in texts["TURN_TO"][0]
    assert all("<hold> TARGET_NOT_FOUND" in text for text in texts["ABSENT"])
    assert all("<hold> TARGET_AMBIGUOUS" in text for text in texts["AMBIGUOUS"])
    # Of decisions that say the same, few are kept.
    assert len(texts["ABSENT"]) <= 3


def test_an_episode_is_a_bag_too_that_demonstrates_as_one_of_a_robot(
    folder: Path, parts: Parts, tmp_path: Path
) -> None:
    (bag,) = (folder / "bags").iterdir()
    robot, notes = (SETTINGS, FusionNodeSettings.load()), Notes()
    assert demonstrate_bag(bag, tmp_path, robot, parts.grounder, ReplayOptions(), notes)
    driven = Demonstrations.load([tmp_path])
    (text,) = episode_of_seed(seed_of(Kind.TURN_TO), trained=True).script[0][1:]
    assert {row.words[OF_INSTRUCTION] for row in driven.rows} == {text}
    assert all(row.text.startswith("<plan> turn to ") for row in driven.rows)
    assert "<execute> 2 " in driven.rows[0].text
    assert np.isfinite(driven.arrays["places"]).any()


def test_of_one_image_several_things_are_asked(tmp_path: Path) -> None:
    seed = next(s for s in range(SEED, SEED + 99) if s % 3 and held_out(s) == 0)
    run_shard(DemonstrationJob(tmp_path, seed, 1, ShardKind.STARTS, SETTINGS))
    data = Demonstrations.load([tmp_path])
    assert len(data) > 2
    assert len({row.words[OF_INSTRUCTION] for row in data.rows}) > 2
    assert all(set(row.words) == {OF_INSTRUCTION} for row in data.rows)
    assert len({row.text for row in data.rows}) > 2
    # What is there is found, by the eyes that the policy will have.
    known = [i for i, row in enumerate(data.rows) if "<found> <single>" in row.text]
    assert known
    assert np.isfinite(data.arrays["objects"][known, 0, 0, :3]).all(-1).mean() > 0.7
    assert np.isnan(data.arrays["remembered"]).all()


def test_a_robot_starts_about_where_it_is_put() -> None:
    room = episode_of_seed(seed_of(Kind.GO_TO)).task.room
    put = replace(room, start=BasePose(x=1.0, y=-2.0, yaw=0.5))
    rng = np.random.default_rng(0)
    starts = [elsewhere(put, rng, 0.1, 0.2).start for _ in range(200)]
    off = np.array([(s.x - 1.0, s.y + 2.0, s.yaw - 0.5) for s in starts])
    assert (np.abs(off) <= (0.1, 0.1, 0.2)).all()
    assert (np.abs(off).max(0) > (0.08, 0.08, 0.16)).all()


def test_starts_are_also_before_things(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstrations, "BEFORE_THINGS", 1.0)
    put = BasePose(x=0.4, y=0.0, yaw=0.0)
    monkeypatch.setattr(demonstrations, "before_a_thing", lambda room, rng: put)
    rooms: list[RoomSpec] = []

    def simulator(room: RoomSpec, seed: int) -> None:
        rooms.append(room)
        raise InterruptedError

    monkeypatch.setattr(demonstrations, "Simulator", simulator)
    episode = episode_of_seed(seed_of(Kind.SEARCH), trained=True)
    with pytest.raises(InterruptedError):
        show_start(episode, parts, [episode.script[0][1]])
    (start,) = (room.start for room in rooms)
    assert 0 < math.dist((start.x, start.y), (put.x, put.y)) <= ASIDE * math.sqrt(2)


def test_before_things_the_robot_stands_in_nothing() -> None:
    rng, moved = np.random.default_rng(0), 0
    for seed in range(SEED, SEED + 200):
        room = episode_of_seed(seed, seed % 2 == 0, trained=True).task.room
        before = replace(room, start=before_a_thing(room, rng))
        moved += before.start != room.start
        check_room(elsewhere(before, rng, ASIDE, START_TURNED))
    assert moved > 60


def held_out(seed: int) -> bool:
    return names_held_out(episode_of_seed(seed, trained=True).script[0][1])


def test_the_same_is_not_asked_again_and_no_pair_that_is_held_out() -> None:
    for seed in range(SEED, SEED + 60):
        episode = episode_of_seed(seed, trained=True)
        if names_held_out(episode.script[0][1]):
            continue
        asked = things_to_ask(episode, np.random.default_rng(seed))
        assert len(asked) <= 1 + THERE + LIKE + BARE
        assert not any(map(names_held_out, asked))
        assert not any(f" {episode.task.noun}" in f" {text}" for text in asked[1:])
    nonsense = episode_of_seed(seed_of(Kind.NONSENSE), True, True)
    asked = things_to_ask(nonsense, np.random.default_rng(0))
    assert asked[0] == nonsense.script[0][1]
    assert all(" the " in text for text in asked[1:])


def test_by_relations_is_asked_of_what_there_is_more_than_one_of(parts: Parts) -> None:
    several = 0
    for seed in range(SEED, SEED + 60):
        episode = episode_of_seed(seed, trained=True, relational_share=0.5)
        if names_held_out(episode.script[0][1]):
            continue
        things = [o for o in episode.task.room.scene.objects if o.colour]
        asked = relations_to_ask(episode, np.random.default_rng(seed), 5)
        several += bool(asked)
        assert len(asked) in (0, 5)
        assert not any(map(names_held_out, asked))
        for text in asked:
            noun = task(text, "go_to", parts).instruction.named[Noun.TARGET]
            assert noun.relation is not Relation.NONE, text
            assert sum(noun.text in (o.phrase, o.shape) for o in things) > 1, text
    assert 10 < several < 60


def test_by_what_is_never_named_to_a_model_nothing_is_shown(tmp_path: Path) -> None:
    seed = next(s for s in range(SEED, SEED + 500) if held_out(s))
    job = DemonstrationJob(tmp_path, seed, 1, ShardKind.TASKS, SETTINGS)
    run_shard(job)
    with np.load(job.path) as shard:
        assert not len(shard["states"])


def test_what_makes_no_sense_is_refused_before_the_expert_is_asked(parts: Parts) -> None:
    policy, record = show_episode(episode_of_seed(seed_of(Kind.NONSENSE), True), parts)
    assert not policy.rows
    assert record.success
    assert record.reason != Reason.INTERNAL_ERROR.name


def test_the_words_say_what_is_under_way(data: Demonstrations) -> None:
    turning = [row.words for row in data.rows if row.kind == "TURN_TO"]
    assert set(turning[0]) == {0}
    assert turning[1][1].startswith("turn to ")


def test_a_pupil_drives_and_the_expert_says_what_it_would_have_done(tmp_path: Path) -> None:
    pupil = Settings.load(
        model__dtype="float32",
        policy__kind="transformer",
        policy__name_or_path=str(random_policy(tmp_path)),
    )
    parts = Parts.load(pupil)
    episode = episode_of_seed(seed_of(Kind.TURN_TO), trained=True)
    policy, record = show_episode(episode, parts)
    # It is asked, gets nowhere by itself, and is helped.
    assert isinstance(parts.driver, TransformerPolicy)
    assert parts.driver.attention() is not None
    assert record.success
    # Wherever the pupil went, it is the expert who turns, or says that all is done.
    assert all("<execute> 2 " in row.text or "<done>" in row.text for row in policy.rows)


class Believer:
    """An expert that sighted one thing, as a pupil that sighted another."""

    def __init__(self, parts: Parts, x: float) -> None:
        self.space = parts.expert.space
        self.name = "believer"
        self.given: list[Progress] = []
        seen = Sighting(thing("red cup", x), START, odometry(), math.inf)
        going = Plan((SkillStep("go_to", nouns=(Noun.TARGET, None)),))
        self.proposal = Proposal(going, Progress(plan=going, target=seen))

    def show(self, *given: Any) -> tuple[Proposal, None]:
        return self.infer(*given), None

    def infer(self, *given: Any) -> Proposal:
        self.given.append(given[-1])
        return self.proposal

    def reset(self) -> None:
        raise AssertionError


def test_what_a_pupil_takes_for_a_thing_the_expert_does_not_follow(parts: Parts) -> None:
    expert, pupil = Believer(parts, 1.0), Believer(parts, 2.0)
    policy = DemonstrationPolicy(expert, parts.grounder, SETTINGS.perception, "GO_TO", 0, pupil)
    going, scene = task("go to the red cup", "go_to", parts), Scene(START)
    progress = Progress()
    for _ in range(2):
        progress = policy.infer(observation(), going, scene, progress).progress
    assert expert.given == [Progress(), expert.proposal.progress]
    assert pupil.given == [Progress(), pupil.proposal.progress]
