"""Demonstrations by an expert that knows the truth, and questions beside them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demonstrated import SEED, SETTINGS, seed_of
from policy_world import gripper, observation, skills, thing
from random_policy import random_policy

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.generators import LabelledImage, Thing
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.captions import TEST_PATTERNS
from vlam_ros.lab.training.policy import demonstrations
from vlam_ros.lab.training.policy.data import (
    NONE,
    Demonstrations,
    inputs_at,
)
from vlam_ros.lab.training.policy.demonstrations import (
    ASIDE,
    LIKE,
    THERE,
    DemonstrationJob,
    Parts,
    ShardKind,
    elsewhere,
    names_held_out,
    run_shard,
    show_blind,
    show_episode,
    show_start,
    things_to_ask,
)
from vlam_ros.lab.training.policy.driven import demonstrate_bag
from vlam_ros.lab.training.policy.expert import PLACES, Expert, is_true
from vlam_ros.lab.training.policy.questions import questions_about
from vlam_ros.language import parse_instruction
from vlam_ros.policies.transformer import TransformerPolicy
from vlam_ros.policies.transformer.grammar import step_text
from vlam_ros.policies.transformer.inputs import OF_INSTRUCTION, OF_STEP, STATES, read_words
from vlam_ros.policies.transformer.vocabulary import THEN
from vlam_ros.types import Plan, Progress, Reason, Scene, SkillStep, Task

# ---------------------------------------------------------------------------------- the expert


def task(text: str, skill: str, parts: Parts) -> Task:
    return Task(parse_instruction(text, parts.lexicon), skill, 0.9)


CUP = thing("red cup", 2.0)


@pytest.mark.parametrize(
    ("objects", "sensors", "end", "denied", "known"),
    [
        ([CUP], {}, "<execute> 1 ", "", "found free reachable ready single there"),
        ([], {}, "<hold> TARGET_NOT_FOUND", "<not_found>", "found"),
        (
            [CUP, thing("red cup", 2.0, 1.0)],
            {},
            "<hold> TARGET_AMBIGUOUS",
            "<ambiguous>",
            "found single",
        ),
        (
            [thing("red cup", 3.9)],
            {},
            "<hold> UNREACHABLE",
            "<unreachable>",
            "found reachable single",
        ),
        (
            [thing("red cup", 0.6)],
            {},
            "<done>",
            "<there>",
            "found free reachable ready single there",
        ),
    ],
)
def test_what_the_expert_shows_says_what_is_true(
    objects: list[Any], sensors: dict[str, Any], end: str, denied: str, known: str, parts: Parts
) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    scene = Scene(observation().stamp, tuple(objects))
    asked = task("go to the red cup", "go_to", parts)
    _, shown = expert.show(observation(**sensors), asked, scene, Progress())
    assert shown is not None
    where = "<at> 212 127" if CUP in objects and len(objects) == 1 else "<at> "
    where = "<nowhere>" if "FOUND" in end or "AMBIGUOUS" in end else where
    assert shown.text.startswith(f"<plan> go to red cup {where}")
    assert denied in shown.text
    assert end in shown.text
    assert shown.text.endswith(" <end>")
    assert " ".join(sorted(shown.known - {PLACES})) == known
    assert PLACES in shown.known


def test_of_two_nouns_the_place_of_each_is_told_that_is_seen(parts: Parts) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    asked = task("put the red cup on the blue plate", "place", parts)
    far = thing("blue plate", 3.5, 0.0, size=0.2)
    for objects, where in (
        ([CUP, far], "<at> 212 127 <at> 254 127"),
        ([far], "<nowhere> <at> 254 127"),
        ([CUP], "<at> 212 127 <nowhere>"),
    ):
        scene = Scene(observation().stamp, tuple(objects))
        _, shown = expert.show(observation(), asked, scene, Progress())
        assert shown is not None
        assert f" {where} <verify>" in shown.text
        assert ("<hold>" in shown.text) == (len(objects) == 1)


def test_a_plan_that_leads_elsewhere_is_not_gone_on_with(parts: Parts) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    asked = task("put the red cup on the blue plate", "place", parts)
    scene = Scene(observation().stamp, (CUP, thing("blue plate", 1.5, 1.0, size=0.2)))
    outline = expert.planner.outline(asked)

    def plan_on(steps: tuple[SkillStep, ...], holding: bool = False, since: int = 0) -> str:
        on = Progress(plan=Plan(steps), since=since, held="red cup" if holding else "")
        _, shown = expert.show(observation(gripper=gripper(holding)), asked, scene, on)
        assert shown is not None
        return shown.text.split(" <at>")[0].split(" <nowhere>")[0].removeprefix("<plan> ")

    go, pick, to, place = (step_text(step, asked.instruction) for step in outline.steps)
    assert (go, place) == ("go to red cup", "place on blue plate")
    whole, rest = f" {THEN} ".join((go, pick, to, place)), f"{to} {THEN} {place}"
    assert plan_on(outline.steps) == whole
    assert plan_on(outline.steps[2:], holding=True) == rest
    # What a pupil left out, or has not done, is to be done.
    assert plan_on(outline.steps[2:]) == whole
    assert plan_on((outline.steps[0], outline.steps[2])) == whole
    assert plan_on((outline.steps[0], outline.steps[2]), holding=True) == rest


def test_what_no_policy_can_know_is_not_shown(parts: Parts) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    old = observation(age=5.0)
    asked = task("go to the red cup", "go_to", parts)
    proposal, shown = expert.show(old, asked, Scene(old.stamp, (CUP,)), Progress())
    assert shown is None
    assert proposal.refusal is not None
    assert proposal.refusal.reason is Reason.STALE_SENSOR


def test_a_phrase_is_true_of_what_is_called_so() -> None:
    cup = episode_of_seed(seed_of(Kind.GO_TO)).task.room.scene.objects[0]
    assert is_true(f"{cup.colour} {cup.shape}", cup)
    assert is_true(cup.shape, cup)
    assert is_true(f"{cup.colour} object", cup)
    assert not is_true("transparent object", cup)
    assert not is_true(f"{cup.colour} giraffe", cup)
    assert not is_true("object", replace(cup, colour=None))


def test_an_episode_that_is_trained_on_is_told_in_words_that_are_trained() -> None:
    tested = {pattern.split("{")[0] for many in TEST_PATTERNS.values() for pattern in many}
    assert tested
    for seed in range(SEED, SEED + 40):
        assert not episode_of_seed(seed, trained=True).paraphrased


# ---------------------------------------------------------------------------------- demonstrations


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


def held_out(seed: int) -> bool:
    return names_held_out(episode_of_seed(seed, trained=True).script[0][1])


def test_the_same_is_not_asked_again_and_no_pair_that_is_held_out() -> None:
    for seed in range(SEED, SEED + 60):
        episode = episode_of_seed(seed, trained=True)
        if names_held_out(episode.script[0][1]):
            continue
        asked = things_to_ask(episode, np.random.default_rng(seed))
        assert len(asked) <= 1 + THERE + LIKE
        assert not any(map(names_held_out, asked))
        assert not any(f" {episode.task.noun}" in f" {text}" for text in asked[1:])
    nonsense = episode_of_seed(seed_of(Kind.NONSENSE), True, True)
    asked = things_to_ask(nonsense, np.random.default_rng(0))
    assert asked[0] == nonsense.script[0][1]
    assert all(" the " in text for text in asked[1:])


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


def test_without_images_it_is_shown_what_is_done_to_the_end(parts: Parts) -> None:
    episode = episode_of_seed(seed_of(Kind.PICK_UP), trained=True)
    (_, text), *_ = episode.script
    policy = show_blind(episode, parts, [text])
    last = policy.rows[-1].text
    assert "<there> <done> <end>" in last
    commands = [
        row.text.split("<execute> ")[1][0] for row in policy.rows if "<execute>" in row.text
    ]
    assert sorted(commands) == commands
    assert set(commands) <= {"1", "3"}
    assert not policy.arrays["patches"]
    places, states = (np.array(policy.arrays[name]) for name in ("remembered", "states"))
    assert np.isfinite(places[:, 0]).all()
    assert np.isnan(places[:, 1]).all()
    assert np.isfinite(states).all()
    holding = states[:, STATES.index("holding")]
    assert not holding[0]
    assert holding[-1]
    again = show_blind(episode, parts, [text])
    assert again.rows == policy.rows


def test_a_robot_that_is_told_to_moves_things(parts: Parts) -> None:
    for kind, _moved in ((Kind.PUT_NEXT_TO, 0), (Kind.PUSH, 0)):
        episode = episode_of_seed(seed_of(kind), trained=True)
        policy = show_blind(episode, parts, [episode.script[0][1]])
        assert "<done>" in policy.rows[-1].text, kind
        assert {row.words.get(OF_STEP, "").split()[0] for row in policy.rows[1:]} >= {"go"}


def test_of_what_is_known_without_images_nothing_is_made_up(
    folder: Path, parts: Parts, tmp_path: Path
) -> None:
    run_shard(DemonstrationJob(tmp_path, seed_of(Kind.GO_TO), 3, ShardKind.BLIND, SETTINGS))
    with pytest.raises(LearningError, match="has patches, places, floor, relevance: add some"):
        Demonstrations.load([tmp_path])
    data = Demonstrations.load([tmp_path, folder])
    blind = data.which["patches"] == NONE
    assert 0 < blind.sum() < len(data)
    inputs = inputs_at(
        data, range(len(data)), lambda said: read_words(said, parts.grounder.word_states)
    )
    for row, sees in enumerate(~blind):
        assert bool(inputs.patches[row].any()) == sees
        assert bool(inputs.floor[row].isfinite().any()) == sees
        assert inputs.states[row].isfinite().any()


# ---------------------------------------------------------------------------------- questions


def test_questions_have_answers_beyond_doubt() -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[40:60, 20:40], labels[40:60, 150:170], labels[70:90, 90:110] = 1, 2, 3
    things = (Thing("box", "red"), Thing("box", "blue"), Thing("cup", "green"))
    shown = LabelledImage(np.zeros((100, 200, 3), np.uint8), labels, things)
    asked = dict(questions_about(shown, np.random.default_rng(0)))
    assert asked["what colour is the left box"] == "red"
    assert asked["what colour is the right box"] == "blue"
    assert asked["what colour is the cup"] == "green"
    assert asked["where is the red box"] == "37 126"
    assert asked["what is there"] == "red box , green cup , blue box"
    counts = {q: a for q, a in asked.items() if q.startswith("how many")}
    assert set(counts.items()) <= {
        ("how many boxes are there", "2"), ("how many cups are there", "1"),
    }  # fmt: skip
    there = {question: answer for question, answer in asked.items() if question.startswith("is")}
    assert set(there.values()) == {"yes", "no"}
    names = {f"is there a {thing.colour} {thing.noun}" for thing in things}
    assert {question for question, answer in there.items() if answer == "yes"} <= names
    # What is half hidden, or has no name, is nothing to ask about.
    small = labels.copy()
    small[72:90, 90:110] = 0
    assert not list(questions_about(replace(shown, labels=small), np.random.default_rng(0)))
    nameless = replace(shown, things=(*things[:2], Thing("?", "green")))
    assert not list(questions_about(nameless, np.random.default_rng(0)))
