from dataclasses import dataclass, replace
from typing import Any

import pytest
from policy_world import settings, skills

from vlam_ros.errors import ConfigurationError
from vlam_ros.policies import make_policy, registry
from vlam_ros.policies.skills.planner import SkillPlanner


@dataclass
class EntryPoint:
    """As `importlib.metadata` finds it."""

    name: str
    made: object
    loaded: int = 0

    def load(self) -> Any:
        self.loaded += 1
        return lambda skills, policy, action: (self.made, skills, policy, action)


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    point = EntryPoint("mine", object())
    groups = {"vlam_ros.policies": [point]}
    monkeypatch.setattr(registry, "entry_points", lambda group: groups.get(group, []))
    return point


SKILLS = tuple(skills().values())


def make(kind: str) -> Any:
    return make_policy(SKILLS, replace(settings().policy, kind=kind), settings().action)


def test_the_shipped_policy_is_the_planner_of_the_shipped_skills() -> None:
    shipped = make_policy(SKILLS, settings().policy, settings().action)
    assert settings().policy.kind == "skills"
    assert isinstance(shipped, SkillPlanner)
    assert shipped.name == "skills"


def test_the_policy_of_another_package_is_found_by_its_entry_point(mine: EntryPoint) -> None:
    made, skills, policy, action = make("mine")
    assert (made, skills) == (mine.made, SKILLS)
    assert (policy.kind, action) == ("mine", settings().action)


def test_what_is_not_asked_for_is_not_loaded_and_what_is_shipped_not_replaced(
    mine: EntryPoint,
) -> None:
    mine.name = "skills"
    assert isinstance(make("skills"), SkillPlanner)
    assert mine.loaded == 0


def test_an_unknown_policy_is_refused_with_those_that_are_known(mine: EntryPoint) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"policy\.kind must be one of skills, transformer, mine, got 'theirs'",
    ):
        make("theirs")
    assert mine.loaded == 0
