from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_world import skills

from vlam_ros.errors import ConfigurationError
from vlam_ros.language import parse_instruction
from vlam_ros.policies import load_skills
from vlam_ros.policies.skills.definitions import Grip, Noun, PoseOf


def entry(name: str, number: int, **changes: Any) -> dict[str, Any]:
    return {"name": name, "id": number, "prompts": [name], "pose_of": "BASE", **changes}


def load(folder: Path, *entries: Any) -> Any:
    path = folder / "skills.yaml"
    path.write_text(yaml.safe_dump({"skills": list(entries)}), encoding="utf-8")
    return load_skills(path)


def test_the_shipped_skills_are_the_seven_commands_in_order() -> None:
    assert [(s.id, s.name) for s in load_skills("skills.yaml")] == [
        (0, "stop"),
        (1, "go_to"),
        (2, "turn_to"),
        (3, "pick_up"),
        (4, "place"),
        (5, "push"),
        (6, "search"),
    ]


def test_the_arm_moves_the_tool_and_the_rest_the_base() -> None:
    of_the_tool = {name for name, skill in skills().items() if skill.pose_of is PoseOf.TOOL}
    assert of_the_tool == {"pick_up", "place", "push"}
    assert skills()["pick_up"].precondition is Grip.EMPTY
    assert skills()["place"].precondition is Grip.HOLDING
    assert skills()["place"].needs == {Noun.DESTINATION}


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
        ([entry("stop", 0, prompts="halt")], "prompts must be a list of texts, got 'halt'"),
        ([entry("stop", 0, prompts=[" "])], "prompts must be a list of texts"),
        (
            [entry("stop", 0, pose_of="ARM")],
            r"pose_of must be one of \['BASE', 'TOOL'\], got 'ARM'",
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
