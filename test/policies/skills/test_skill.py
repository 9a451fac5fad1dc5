from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from policy_world import START, observation, settings, skills, thing

from vlam_ros.errors import ConfigurationError
from vlam_ros.language import parse_instruction
from vlam_ros.policies import Skill, load_skills
from vlam_ros.policies.skills import GoTo, PickUp, Place
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.policies.skills.skill import MOTIONS, Poses, Timing
from vlam_ros.resources import resource_path
from vlam_ros.types import (
    ActionCommand,
    Grip,
    GripperEffect,
    Instruction,
    Noun,
    ObjectPhrase,
    Obstacles,
    Outcome,
    Placement,
    Plan,
    PoseFrame,
    Progress,
    Proposal,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Task,
    Verdict,
)
from vlam_ros.verification import Limits, verify

PUT = Instruction("", "", ObjectPhrase("red cup"), ObjectPhrase("blue plate"), Placement.ON)
GO = Instruction("", "", ObjectPhrase("red cup"))


def entry(name: str, number: int, **changes: Any) -> dict[str, Any]:
    return {"name": name, "id": number, "prompts": [name], **changes}


def load(folder: Path, *entries: Any) -> tuple[Skill, ...]:
    path = folder / "skills.yaml"
    path.write_text(yaml.safe_dump({"skills": list(entries)}), encoding="utf-8")
    return load_skills(path)


def test_the_shipped_skills_are_the_nine_commands_in_order() -> None:
    assert [(s.id, s.name) for s in load_skills("skills.yaml")] == [
        (0, "stop"),
        (1, "go_to"),
        (2, "turn_to"),
        (3, "pick_up"),
        (4, "place"),
        (5, "push"),
        (6, "search"),
        (7, "turn"),
        (8, "move"),
    ]


def test_the_arm_moves_the_tool_and_the_rest_the_base() -> None:
    of_the_tool = {name for name, skill in skills().items() if skill.POSE_OF is PoseFrame.TOOL}
    assert of_the_tool == {"pick_up", "place", "push"}
    assert skills()["pick_up"].precondition is Grip.EMPTY
    assert skills()["place"].precondition is Grip.HOLDING
    assert skills()["place"].needs == {Noun.DESTINATION}


def test_a_command_says_whose_poses_its_rows_are_when_they_are_due_and_what_grips() -> None:
    base, tool = PoseFrame.BASE, PoseFrame.TOOL
    assert [skill.command for skill in skills().values()] == [
        ActionCommand("stop", base, timed=False),
        ActionCommand("go_to", base, timed=False),
        ActionCommand("turn_to", base, timed=False),
        ActionCommand("pick_up", tool, timed=True, gripper=GripperEffect.CLOSE),
        ActionCommand("place", tool, timed=True, gripper=GripperEffect.OPEN),
        ActionCommand("push", tool, timed=True),
        ActionCommand("search", base, timed=True),
        ActionCommand("turn", base, timed=False),
        ActionCommand("move", base, timed=False),
    ]


def test_no_prompt_means_two_skills() -> None:
    counts = Counter(prompt for skill in skills().values() for prompt in skill.prompts)
    assert [prompt for prompt, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("prompt", [p for s in skills().values() for p in s.prompts])
def test_prompts_are_the_skill_phrases_that_the_grammar_makes(prompt: str) -> None:
    sentence = prompt.replace("the object", "the red cup", 1)
    sentence = sentence.replace("the destination", "the blue plate")
    assert parse_instruction(sentence).skill_phrase == prompt


def test_skills_are_ordered_by_id(tmp_path: Path) -> None:
    loaded = load(tmp_path, entry("search", 1), entry("stop", 0))
    assert [skill.name for skill in loaded] == ["stop", "search"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "at least one skill"),
        (["stop"], "a mapping with a name"),
        ([entry("stop", 0), entry("go_to", 2)], r"ids must be 0, 1, 2, .* got \[0, 2\]"),
        ([entry("stop", 0), entry("go_to", 0)], r"got \[0, 0\]"),
        ([entry("go_to", 0), entry("stop", 1)], "id 0 must be stop, got 'go_to'"),
        ([entry("stop", 0), entry("stop", 1)], r"\['stop'\] are not"),
        ([entry("stop", True)], "id must be an integer, got True"),
        ([entry("stop", 0, prompts=[])], "needs prompts"),
        ([entry("stop", 0), entry("move", 1)], "move is chosen by the distance that is said"),
        ([entry("stop", 0, prompts="halt")], "prompts must be a list of texts, got 'halt'"),
        ([entry("stop", 0, prompts=[" "])], "prompts must be a list of texts"),
        ([entry("stop", 0, pose_of="ARM")], r"unknown entries \['pose_of'\]"),
        (
            [entry("stop", 0), entry("follow", 1, motion="nonsense")],
            "skill follow: motion must be one of go_to, .*stop.*, got 'nonsense'",
        ),
        ([entry("stop", 0, needs=["goal"])], "needs must be one of .* got 'goal'"),
        ([entry("stop", 0, precondition="full")], "precondition must be one of .* got 'full'"),
        ([entry("stop", 0, affordance=["a {thing}"])], r"only \{target\} can be filled in"),
        ([entry("stop", 0, parameters={"rate": 0})], "rate must be a positive number, got 0"),
        ([entry("stop", 0, parameters={"rate": True})], "rate must be a positive number"),
        ([entry("stop", 0, colour="red")], r"unknown entries \['colour'\]"),
    ],
)
def test_a_wrong_definition_is_refused_with_what_is_wrong(
    tmp_path: Path, entries: list[Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        load(tmp_path, *entries)
    assert "skills.yaml" in str(error.value)


def test_a_file_that_is_not_yaml_or_not_there_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("skills: [", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"broken\.yaml"):
        load_skills(broken)
    with pytest.raises(ConfigurationError, match=r"config/absent\.yaml"):
        load_skills("absent.yaml")


# ---------------------------------------------------------------------------------- motions


def of_file(name: str, /, **changes: Any) -> dict[str, Any]:
    """The shipped entry of a skill, with changes."""
    path = resource_path("config/skills.yaml")
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["skills"]
    return {**next(e for e in entries if e["name"] == name), **changes}


def shipped() -> list[dict[str, Any]]:
    return [of_file(name) for name in skills()]


def another(name: str, number: int, motion: str) -> dict[str, Any]:
    """An entry of another name with the motion and what belongs to it, and prompts of its own."""
    same = of_file(motion, name=name, id=number, motion=motion, prompts=[f"{name} the object"])
    return {key: value for key, value in same.items() if key != "affordance"}


def planner(loaded: tuple[Skill, ...]) -> SkillPlanner:
    return SkillPlanner(loaded, settings().policy, settings().action)


def propose(of: SkillPlanner, skill: str, said: Instruction, *seen: SceneObject) -> Proposal:
    looking = observation()
    return of.infer(looking, Task(said, skill, 1.0), Scene(looking.stamp, seen), Progress())


def names(plan: Plan) -> list[str]:
    return [step.skill for step in plan.steps]


def test_an_entry_of_another_name_moves_as_its_motion_says(tmp_path: Path) -> None:
    follow = {
        "name": "follow",
        "id": 1,
        "prompts": ["follow the object"],
        "needs": ["target"],
        "parameters": {"tolerance": 0.1, "angle": 0.15},
        "motion": "go_to",
    }
    follows = planner(load(tmp_path, entry("stop", 0), follow))
    goes = planner(load(tmp_path, entry("stop", 0), entry("wait", 1, motion="stop"),
                        of_file("go_to", id=2)))  # fmt: skip
    assert [c.name for c in follows.space.commands] == ["stop", "follow"]
    following = propose(follows, "follow", GO, thing("red cup", 1.5, 0.3))
    going = propose(goes, "go_to", GO, thing("red cup", 1.5, 0.3))
    assert following.plan.trace == "follow red cup (1.50, 0.30) [0.90]"
    assert names(following.plan) == ["follow"]
    assert following.rows is not None
    assert going.rows is not None
    assert set(following.rows[:, 0]) == {1.0}
    assert set(going.rows[:, 0]) == {2.0}
    assert np.array_equal(following.rows[:, 1:], going.rows[:, 1:], equal_nan=True)


def test_a_name_without_a_motion_cannot_be_planned_with(tmp_path: Path) -> None:
    dance = load(tmp_path, entry("stop", 0), entry("dance", 1))
    assert dance[1].said == "dance"
    with pytest.raises(ConfigurationError, match=r"dance has no motion: .* `motion:`") as error:
        planner(dance)
    for motion in skills():
        assert motion in str(error.value)


def test_two_entries_of_one_motion_both_work_each_with_its_parameters(tmp_path: Path) -> None:
    far = {
        **another("follow", len(skills()), "go_to"),
        "parameters": {"tolerance": 1.0, "angle": 0.15},
    }
    both = planner(load(tmp_path, *shipped(), far))
    cup = thing("red cup", 1.5)
    for skill, command, done in (("go_to", 1.0, False), ("follow", float(len(skills())), True)):
        away = propose(both, skill, GO, thing("red cup", 2.5))
        assert away.rows is not None
        assert set(away.rows[:, 0]) == {command}
        assert propose(both, skill, GO, cup).done is done


def test_what_is_like_placing_picks_up_first_with_the_robots_own_skill(tmp_path: Path) -> None:
    others = [of_file(n) for n in ("stop", "go_to", "turn_to")]
    grab = another("grab", 3, "pick_up")
    loaded = load(tmp_path, *others, grab, another("stack", 4, "place"))
    assert [type(skill) for skill in loaded[1:]] == [GoTo, type(loaded[2]), PickUp, Place]
    stack = propose(planner(loaded), "stack", PUT, thing("red cup", 0.6), thing("blue plate", 0.5))
    assert names(stack.plan) == ["go_to", "grab", "go_to", "stack"]
    assert stack.rows is not None
    assert set(stack.rows[:, 0]) == {3.0}
    assert stack.plan.trace.startswith("go to red cup (0.60, 0.00) [0.90] -> grab red cup")


def test_of_two_skills_that_pick_up_a_plan_takes_the_first(tmp_path: Path) -> None:
    two = planner(load(tmp_path, *shipped(), another("grab", len(skills()), "pick_up")))
    task = Task(PUT, "place", 1.0)
    assert names(two.outline(task)) == ["go_to", "pick_up", "go_to", "place"]


# ---------------------------------------------------------------------------------- of one's own


@pytest.fixture
def forward() -> Iterator[type[Skill]]:
    """A skill in a file of its own, as README says: its rows lead 1 m ahead, again and again."""

    class Forward(Skill, motion="forward"):
        NOUNS = (None, None)

        def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
            poses = np.full((timing.horizon, 4), np.nan)
            poses[:, 0], poses[:, 1] = timing.shares(), 0.0
            return poses

    yield Forward
    del MOTIONS["forward"]


def test_a_motion_that_would_never_end_is_refused_at_start(
    tmp_path: Path, forward: type[Skill]
) -> None:
    loaded = load(tmp_path, entry("stop", 0), entry("forward", 1))
    with pytest.raises(ConfigurationError, match=r"forward would never end: .* `is_there`"):
        planner(loaded)


@pytest.mark.parametrize("end", ["duration", "is_there"])
def test_the_path_of_a_motion_of_ones_own_is_checked_as_that_of_go_to(
    tmp_path: Path, forward: type[Skill], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"duration": property(lambda skill: 4.0), "is_there": lambda *told: False}
    monkeypatch.setattr(forward, end, over[end])
    of = planner(load(tmp_path, *shipped(), entry("forward", len(skills()))))
    limits = Limits(settings().policy, of.space)

    def verdict(skill: str, said: Instruction, distance: float) -> Verdict:
        wall = np.array([[distance, y, 0.3] for y in (-0.1, 0.0, 0.1)], np.float32)
        looking = observation(obstacles=Obstacles(START, wall))
        scene, task = Scene(looking.stamp, (thing("red cup", 1.6),)), Task(said, skill, 1.0)
        proposal = of.infer(looking, task, scene, Progress())
        return verify(proposal, task, scene, looking, Progress(), limits)

    alone = Instruction("", "")
    assert verdict("go_to", GO, 1.1).reason is Reason.PATH_BLOCKED
    assert verdict("forward", alone, 1.1).reason is Reason.PATH_BLOCKED
    assert verdict("forward", alone, 1.3).outcome is Outcome.EXECUTE
