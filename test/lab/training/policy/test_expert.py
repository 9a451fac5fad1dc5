"""An expert that knows the truth, and says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from demonstrated import SEED, SETTINGS, seed_of, task
from policy_world import gripper, observation, skills, thing

from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.captions import TEST_PATTERNS
from vlam_ros.lab.training.policy.demonstrations import Parts
from vlam_ros.lab.training.policy.expert import PLACES, Expert, is_true
from vlam_ros.policies.transformer.grammar import step_text
from vlam_ros.policies.transformer.vocabulary import THEN
from vlam_ros.types import (
    Plan,
    Progress,
    Reason,
    Scene,
    SkillStep,
)

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
