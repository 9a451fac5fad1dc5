"""A policy that nobody has trained: what it writes is read, held to the gate, or refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_world import SECOND, START, gripper, observation, odometry, skills, thing
from random_policy import random_policy
from replayed import BAGS, replay
from safetensors.torch import load_file, save_file

from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.language import PLAIN, parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.clipseg.adapters.attach import fingerprints
from vlam_ros.pipeline import Pipeline
from vlam_ros.policies.transformer import TransformerPolicy
from vlam_ros.policies.transformer.checkpoint import load_policy
from vlam_ros.policies.transformer.grammar import Choices
from vlam_ros.policies.transformer.model import ActionTransformer, WrittenTokens
from vlam_ros.policies.transformer.policy import mean_logs, possible_steps
from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.types import (
    InstructionRequest,
    Missing,
    Noun,
    Outcome,
    Progress,
    Proposal,
    Reason,
    Scene,
    SceneObject,
    Task,
)
from vlam_ros.verification import Limits, verify

GO, PUT = "go to the red cup", "put the red cup on the blue plate"
CLAIMED = "<found> <single> <reachable> <free> <ready> <not_there>"
AT = "<at> 211 127"
CUP, PLATE = thing("red cup", 2.0), thing("blue plate", 0.5, -0.3, size=0.2)
AHEAD = " ".join(f"1 {128 + 10 * i} 127 255 127" for i in range(8))
"""Rows that go ahead, to 1.7 m."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_policy(tmp_path_factory.mktemp("policy"), seed=8)


@pytest.fixture(scope="module")
def grounder() -> ClipsegGrounder:
    return ClipsegGrounder.from_pretrained("embedded", "cpu", "float32")


def settings(folder: Path | str, **others: Any) -> Settings:
    named = {"policy__kind": "transformer", "policy__name_or_path": str(folder)}
    return Settings.load(model__dtype="float32", **named, **others)


def unattached(folder: Path, **others: Any) -> TransformerPolicy:
    chosen = settings(folder, **others)
    return TransformerPolicy(tuple(skills().values()), chosen.policy, chosen.action)


@pytest.fixture(scope="module")
def policy(folder: Path, grounder: ClipsegGrounder) -> TransformerPolicy:
    made = unattached(folder)
    made.attach(grounder)
    return made


Ask = Callable[..., Proposal]


@pytest.fixture
def ask(
    policy: TransformerPolicy, grounder: ClipsegGrounder, monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """What the policy proposes where it writes a text."""

    def proposal(
        text: str, written: str, objects: list[SceneObject], skill: str = "go_to", **others: Any
    ) -> Proposal:
        def write(
            _: object, __: object, start: list[int], choices: Choices, **how: Any
        ) -> WrittenTokens:
            assert torch.get_num_threads() == 1
            tokens = policy._vocabulary.encode(written)
            for token in tokens:
                assert token in choices.allowed, policy._vocabulary.decode([token])
                choices.write(token)
            return WrittenTokens(tuple(tokens), (-0.1,) * len(tokens))

        monkeypatch.setattr(ActionTransformer, "write", write)
        progress = others.pop("progress", Progress())
        looking = observation(odometry=odometry(), **others)
        scene = Scene(looking.stamp, tuple(objects), features=grounder.encode_image(looking.image))
        threads = torch.get_num_threads()
        proposed = policy.infer(looking, task(text, skill), scene, progress)
        assert torch.get_num_threads() == threads
        return proposed

    return proposal


def task(text: str, skill: str = "go_to") -> Task:
    return Task(parse_instruction(text, PLAIN), skill, 0.9)


# ---------------------------------------------------------------------------------- proposals


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"<plan> go to <nowhere> <verify> {CLAIMED} <execute> {AHEAD} <end>", (5, 6, 2, 40)),
        (f"<plan> go to <nowhere> <verify> {CLAIMED} <hold> TARGET_NOT_FOUND <end>", (5, 6, 2, 1)),
        (f"<plan> go to <nowhere> <verify> {CLAIMED} <done> <end>", (5, 6, 2, 0)),
        (f"<execute> {AHEAD} <end>", (0, 0, 2, 40)),
    ],
)
def test_how_sure_it_is_is_told_of_each_part(
    text: str, parts: tuple[int, ...], policy: TransformerPolicy
) -> None:
    tokens = policy._vocabulary.encode(text)
    told = [math.log(0.9 - 0.2 * part) for part, count in enumerate(parts) for _ in range(count)]
    assert len(told) == len(tokens)
    means = mean_logs(WrittenTokens(tuple(tokens), tuple(told)), policy._vocabulary)
    wanted = [math.log(0.9 - 0.2 * part) if count else 0 for part, count in enumerate(parts)]
    assert means.tolist() == pytest.approx(wanted)


def test_what_it_writes_is_a_proposal_that_passes_the_gate(
    ask: Ask, policy: TransformerPolicy
) -> None:
    proposal = ask(
        GO, f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute> {AHEAD} <end>", [CUP]
    )
    (step,) = proposal.plan.steps
    assert (step.skill, step.target, step.approach) == ("go_to", CUP, False)
    assert proposal.plan.trace == "go to red cup (2.00, 0.00) [0.90]"
    assert proposal.rows is not None
    assert proposal.rows.shape == (8, 5)
    assert np.isnan(proposal.rows[:, 3]).all()
    assert proposal.rows[-1, 1] == pytest.approx(71 * 3 / 127)
    assert proposal.progress.since == START
    assert proposal.progress.sightings[Noun.TARGET].thing == CUP
    assert 0 < proposal.confidence <= 0.9
    looking = observation(odometry=odometry())
    limits = Limits(settings("").policy, policy.space)
    for objects, reason in (
        ([CUP], Reason.NONE),
        ([replace(CUP, position=(0.0, 2.0, 0.0))], Reason.PLAN_MISMATCH),
    ):
        verdict = verify(
            proposal, task(GO), Scene(looking.stamp, tuple(objects)), looking, Progress(), limits
        )
        assert verdict.reason is reason, verdict


@pytest.mark.parametrize(
    ("end", "before"),
    [
        (f"<execute> {AHEAD}", "<execute> 1"),
        ("<hold> PATH_BLOCKED", "<hold>"),
        ("<done>", CLAIMED.rsplit(maxsplit=1)[-1]),
    ],
)
def test_it_says_where_it_looked_when_it_decided(
    end: str, before: str, folder: Path, ask: Ask, policy: TransformerPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert unattached(folder).attention() is None
    ask(GO, f"<plan> go to red cup {AT} <verify> {CLAIMED} {end} <end>", [CUP])
    looked = policy.attention()
    assert looked is not None
    assert looked.shape == (20, 20)
    assert 0 < looked.sum() < 1
    asked: list[list[int]] = []

    def attention(_: object, tokens: list[int], __: object) -> torch.Tensor:
        asked.append(tokens)
        return torch.zeros(1, 400)

    monkeypatch.setattr(ActionTransformer, "attention", attention)
    policy.attention()
    assert policy._vocabulary.decode(asked[0]).endswith(before)


def test_a_plan_of_several_steps_goes_there_first(ask: Ask) -> None:
    steps = (
        "go to red cup <then> pick up red cup <then> go to blue plate <then> place on blue plate"
    )
    proposal = ask(
        PUT,
        f"<plan> {steps} {AT} <nowhere> <verify> {CLAIMED} <execute> {AHEAD} <end>",
        [CUP, PLATE],
        "place",
    )
    assert [(s.skill, s.approach) for s in proposal.plan.steps] == [
        ("go_to", True), ("pick_up", False), ("go_to", True), ("place", False),
    ]  # fmt: skip
    things = [(s.target or s.destination) for s in proposal.plan.steps]
    assert things == [CUP, CUP, PLATE, PLATE]


def test_a_step_goes_on_from_when_it_began_and_the_next_begins_anew(ask: Ask) -> None:
    text = f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute> {AHEAD} <end>"
    first = ask(GO, text, [CUP]).progress
    later = ask(GO, text, [CUP], seconds=0.5, progress=first).progress
    assert later.since == first.since == START
    other = text.replace("go to", "turn to").replace("1 1", "2 1")
    assert ask(GO, other, [CUP], seconds=0.5, progress=first).progress.since == START + SECOND // 2


def test_what_the_gripper_took_is_remembered(ask: Ask) -> None:
    near = thing("red cup", 0.5)
    rows = " ".join(["3 148 127 135 127"] * 8)
    text = f"<plan> pick up red cup {AT} <verify> {CLAIMED} <execute> {rows} <end>"
    begun = ask("pick up the red cup", text, [near], "pick_up").progress
    assert begun.held == ""
    # The arm hides it.
    held = ask(
        "pick up the red cup", text, [], "pick_up", seconds=1.0, progress=begun,
        gripper=gripper(True),
    )  # fmt: skip
    assert held.progress.held == "red cup"
    assert held.plan.target is not None
    assert held.plan.target.position == pytest.approx(near.position)


def test_it_may_hold_or_be_done(ask: Ask) -> None:
    denied = CLAIMED.replace("<free>", "<blocked>")
    held = ask(GO, f"<plan> go to red cup {AT} <verify> {denied} <hold> PATH_BLOCKED <end>", [CUP])
    assert held.refusal is not None
    assert held.refusal.reason is Reason.PATH_BLOCKED
    assert held.refusal.message == (
        "the policy holds: path blocked ('go to red cup' is not free, there)"
    )
    assert held.progress.since == 0
    done = ask(GO, f"<plan> go to red cup {AT} <verify> {CLAIMED} <done> <end>", [CUP])
    assert done.done
    assert not done.plan.to_come


def test_what_is_not_found_has_no_object_and_is_the_gates_to_refuse(ask: Ask) -> None:
    proposal = ask(GO, f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute> {AHEAD} <end>", [])
    assert proposal.plan.steps[0].target is None
    assert proposal.refusal is None


def test_the_steps_that_can_be_planned_are_those_of_the_robot() -> None:
    steps = possible_steps(tuple(skills().values()), task(PUT).instruction)
    assert {"go to red cup", "go to blue plate", "pick up red cup", "place on blue plate"} < set(
        steps
    )
    assert not any(text.startswith("stop") for text in steps)
    assert steps["go to blue plate"].nouns == (Noun.DESTINATION, None)


def test_untrained_it_is_read_and_moves_nothing_that_is_not_asked_for(folder: Path) -> None:
    pipeline = Pipeline.from_settings(settings(folder))
    image = np.full((480, 640, 3), 128, np.uint8)
    for sequence in range(3):
        looking = replace(observation(sequence, camera=Missing("no camera_info")), image=image)
        decision = pipeline.step(looking, InstructionRequest(GO, START, sequence))
        assert decision.verdict.outcome is not Outcome.EXECUTE
        assert decision.verdict.reason is not Reason.INTERNAL_ERROR, decision.verdict
        assert decision.scene.features is None


@pytest.mark.usefixtures("one_thread")
def test_a_replay_decides_the_same() -> None:
    reported = settings("embedded", policy__verify="report")
    first, again = (
        replay(BAGS / "pick_and_place", Pipeline.from_settings(reported), period=0.4)
        for _ in range(2)
    )
    assert first.lines == again.lines
    chunks, same = (
        [chunk_to_message(d.decision.chunk) for d in some.decided] for some in (first, again)
    )
    assert chunks == same
    assert len({str(chunk.tokens) for chunk in chunks}) > 1


# ---------------------------------------------------------------------------------- refusals


def test_a_policy_of_other_actions_is_refused(folder: Path) -> None:
    for wrong, others in (
        (r"trained with action.horizon 8, the robot has 4", {"action__horizon": 4}),
        (r"trained with action.bins 255, the robot has 101", {"action__bins": 101}),
        (r"trained with action.step 0.25, the robot has 0.5", {"action__step": 0.5}),
        (r"action.high 3.0, 3.0, 1.0, 3.14159265, the", {"action__high": (2.0, 3.0, 1.0, 3.1)}),
    ):
        with pytest.raises(ModelError, match=wrong):
            unattached(folder, **others)
    few = tuple(skills().values())[:4]
    chosen = settings(folder)
    with pytest.raises(ModelError, match=r"trained with skills stop, .*: set that, or train"):
        TransformerPolicy(few, chosen.policy, chosen.action)


def test_a_policy_of_another_tower_is_refused(
    folder: Path, grounder: ClipsegGrounder, tmp_path: Path
) -> None:
    other = random_policy(tmp_path / "print", tower_prints={"float32": "0" * 64})
    with pytest.raises(ModelError, match=r"trained on what embedded sees, the robot sees with"):
        unattached(other).attach(grounder)
    short = random_policy(tmp_path / "pieces", pieces=12)
    with pytest.raises(ModelError, match=r"train it again"):
        unattached(short).attach(grounder)
    assert fingerprints(grounder.checkpoint.model) == dict(load_policy(folder)[0].tower_prints)


def test_without_a_grounder_it_says_so(folder: Path) -> None:
    with pytest.raises(ModelError, match="attach it first"):
        unattached(folder).infer(observation(), task(GO), Scene(START), Progress())


def damaged(folder: Path, to: Path, **changes: Any) -> Path:
    """A copy with other entries of the configuration; None takes one out."""
    to.mkdir()
    for name in ("model.safetensors", "README.md"):
        (to / name).write_bytes((folder / name).read_bytes())
    values = json.loads((folder / "config.json").read_text()) | changes
    kept = {name: value for name, value in values.items() if value is not None}
    (to / "config.json").write_text(json.dumps(kept))
    return to


def test_a_damaged_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    for name, wrong, changes in (
        ("kind", "does not say that it is a", {"kind": "lerobot"}),
        ("entry", "not of a policy", {"horizon": None}),
        ("model", "not of a policy", {"model": {"tokens": 3}}),
        ("size", "does not fit its config",
         {"model": {**json.loads((folder / "config.json").read_text())["model"], "layers": 3}}),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=wrong):
            load_policy(damaged(folder, tmp_path / name, **changes))
    with pytest.raises(ModelError, match="there is no policy 'nowhere'"):
        load_policy("nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        load_policy(empty)
    half = damaged(folder, tmp_path / "half")
    (half / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="does not fit its config"):
        load_policy(half)
    broken = damaged(folder, tmp_path / "nan")
    weights = load_file(broken / "model.safetensors")
    save_file(
        {**weights, "norm.weight": weights["norm.weight"] * math.nan}, broken / "model.safetensors"
    )
    with pytest.raises(ModelError, match="not finite"):
        load_policy(broken)


def test_hidden_states_that_are_not_finite_are_refused(
    policy: TransformerPolicy, grounder: ClipsegGrounder
) -> None:
    looking = observation()
    features = grounder.encode_image(looking.image)
    broken = replace(features, activations=tuple(a * torch.nan for a in features.activations))
    with pytest.raises(ModelError, match="not finite"):
        policy.infer(looking, task(GO), Scene(START, features=broken), Progress())
