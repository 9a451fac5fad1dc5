"""The skills of the robot, as `config/skills.yaml` defines them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from vlam_ros.errors import ConfigurationError
from vlam_ros.resources import resource_path
from vlam_ros.types import Instruction, ObjectPhrase


class Noun(Enum):
    """A noun of the instruction that a skill acts on."""

    TARGET = "target"
    DESTINATION = "destination"


class Grip(Enum):
    """What the gripper must be before a skill begins."""

    ANY = "any"
    EMPTY = "empty"
    HOLDING = "holding"


class PoseOf(Enum):
    """What x, y, z, θ of a skill's action rows is a pose of."""

    BASE = "BASE"
    TOOL = "TOOL"


@dataclass(frozen=True)
class Skill:
    """One skill: what it is called, how CLIP knows it, what it needs. Fields as in the file."""

    name: str
    id: int
    prompts: tuple[str, ...]
    pose_of: PoseOf
    affordance: tuple[str, ...] = ()
    needs: frozenset[Noun] = frozenset()
    accepts: frozenset[Noun] = frozenset()
    precondition: Grip = Grip.ANY
    parameters: Mapping[str, float] = field(default_factory=dict)


def load_skills(source: str | Path) -> tuple[Skill, ...]:
    """Read skill definitions, ordered by id, from a file or from a name in `config/`.

    Raises:
        ConfigurationError: what is wrong in which skill of which file.
    """
    path = Path(source) if Path(source).exists() else resource_path(f"config/{source}")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read the skill definitions {path}: {error}") from error
    entries = document.get("skills") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError(f"{path} must have a list `skills:` with at least one skill")
    try:
        skills = tuple(sorted((_skill(entry) for entry in entries), key=lambda skill: skill.id))
        _check_order(skills)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return skills


def named_nouns(instruction: Instruction) -> dict[Noun, ObjectPhrase]:
    """The nouns that an instruction names."""
    nouns = {Noun.TARGET: instruction.target, Noun.DESTINATION: instruction.destination}
    return {noun: phrase for noun, phrase in nouns.items() if phrase is not None}


def said(skill: str) -> str:
    """A skill's name as one says it: "pick up"."""
    return skill.replace("_", " ")


def _check_order(skills: tuple[Skill, ...]) -> None:
    ids = [skill.id for skill in skills]
    if ids != list(range(len(skills))):
        raise ConfigurationError(f"ids must be 0, 1, 2, … once each, got {ids}")
    if skills[0].name != "stop":
        raise ConfigurationError(f"the skill with id 0 must be stop, got {skills[0].name!r}")
    names = [skill.name for skill in skills]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"names must be different from each other, {doubled} are not")


def _skill(entry: Any) -> Skill:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ConfigurationError(f"a skill must be a mapping with a name, got {entry!r}")
    name = entry["name"]
    known = set(Skill.__dataclass_fields__)
    if unknown := sorted(map(str, set(entry) - known)):
        raise ConfigurationError(f"skill {name}: unknown entries {unknown}, known {sorted(known)}")
    identity = entry.get("id")
    if type(identity) is not int:
        raise ConfigurationError(f"skill {name}: id must be an integer, got {identity!r}")
    prompts = _strings(entry, "prompts")
    if not prompts:
        raise ConfigurationError(f"skill {name} needs prompts, without one it is never chosen")
    return Skill(
        name=name,
        id=identity,
        prompts=prompts,
        pose_of=_member(PoseOf, entry.get("pose_of"), name, "pose_of"),
        affordance=_affordance(entry),
        needs=_nouns(entry, "needs"),
        accepts=_nouns(entry, "accepts"),
        precondition=_member(Grip, entry.get("precondition", "any"), name, "precondition"),
        parameters=_parameters(entry),
    )


def _strings(entry: dict[str, Any], key: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise ConfigurationError(
            f"skill {entry['name']}: {key} must be a list of texts, got {values!r}"
        )
    return tuple(values)


def _affordance(entry: dict[str, Any]) -> tuple[str, ...]:
    prompts = _strings(entry, "affordance")
    for prompt in prompts:
        try:
            prompt.format(target="")
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigurationError(
                f"skill {entry['name']}: only {{target}} can be filled in, got {prompt!r}"
            ) from error
    return prompts


def _nouns(entry: dict[str, Any], key: str) -> frozenset[Noun]:
    return frozenset(_member(Noun, noun, entry["name"], key) for noun in _strings(entry, key))


def _member(kind: type[Any], value: Any, name: str, key: str) -> Any:
    choices = [member.value for member in kind]
    if value not in choices:
        raise ConfigurationError(f"skill {name}: {key} must be one of {choices}, got {value!r}")
    return kind(value)


def _parameters(entry: dict[str, Any]) -> dict[str, float]:
    values = entry.get("parameters", {})
    if not isinstance(values, dict):
        raise ConfigurationError(f"skill {entry['name']}: parameters must be a mapping")
    for key, value in values.items():
        if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
            raise ConfigurationError(
                f"skill {entry['name']}: parameter {key} must be a positive number, got {value!r}"
            )
    return {str(key): float(value) for key, value in values.items()}
