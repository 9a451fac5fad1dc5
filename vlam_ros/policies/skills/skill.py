"""Skills: a class for each motion, and an entry of `config/skills.yaml` for each use of it.

A class says how the skill moves the robot and how its effect is seen; the entry says what it is
called, how CLIP knows it and with which parameters it moves. An entry whose `motion` names another
skill's class moves as that one does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import yaml

from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import bearing
from vlam_ros.resources import resource_path
from vlam_ros.types import (
    ActionCommand,
    ActionSpace,
    Grip,
    GripperEffect,
    Instruction,
    Missing,
    Noun,
    Observation,
    PoseFrame,
    Reason,
    Refusal,
    SceneObject,
    SkillStep,
    said,
)

Poses = npt.NDArray[np.float64]
"""x, y, z (m), θ (rad) in columns; NaN where a dimension is not used."""

MOTIONS: dict[str, type[Skill]] = {}
"""The classes of skills by the name of their motion; each puts itself in."""


@dataclass(frozen=True)
class Timing:
    """When the rows of a chunk are due: row i at `start_offset + i * step` after the stamp (s)."""

    horizon: int
    step: float
    start_offset: float

    def due(self) -> Poses:
        """Seconds from the stamp to each row, float64[H]."""
        return self.start_offset + self.step * np.arange(self.horizon, dtype=np.float64)

    def shares(self) -> Poses:
        """Which share of the way each row has gone, float64[H]."""
        return np.arange(1, self.horizon + 1) / self.horizon


@dataclass(frozen=True)
class Skill:
    """One skill. Fields are those of its entry; a class with a motion overrides the rest."""

    name: str
    id: int
    prompts: tuple[str, ...]
    affordance: tuple[str, ...] = ()
    needs: frozenset[Noun] = frozenset()
    accepts: frozenset[Noun] = frozenset()
    precondition: Grip = Grip.ANY
    parameters: Mapping[str, float] = field(default_factory=dict)
    motion: str = ""
    names: tuple[str, str] = ("the red cup", "the blue plate")

    POSE_OF: ClassVar[PoseFrame] = PoseFrame.BASE
    TIMED: ClassVar[bool] = False
    GRIPPER: ClassVar[GripperEffect] = GripperEffect.KEEP
    MUST_NAME: ClassVar[Noun | None] = None
    """The noun that the motion cannot do without."""
    NOUNS: ClassVar[tuple[Noun | None, Noun | None]] = (Noun.TARGET, Noun.DESTINATION)
    """Which nouns of the instruction are the target and the destination of its step."""
    PARAMETERS: ClassVar[frozenset[str]] = frozenset()
    SEEKS: ClassVar[bool] = False
    """Whether its target need not be seen."""
    MEASURE: ClassVar[str] = ""
    """Which measure of a `Displacement` it moves by; it is chosen by that, not by prompts."""
    SAID: ClassVar[str] = ""
    """A sentence for it, where there are no prompts."""

    def __init_subclass__(cls, motion: str = "", **others: Any) -> None:
        """Register the class under the name of its motion."""
        super().__init_subclass__(**others)
        if motion:
            MOTIONS[motion] = cls

    @property
    def said(self) -> str:
        """Its name as one says it: "pick up"."""
        return said(self.name)

    @property
    def example(self) -> str:
        """A sentence for it, of things that this robot knows."""
        target, destination = self.names
        said = self.prompts[0] if self.prompts else self.SAID
        return said.replace("the object", target).replace("the destination", destination)

    @property
    def command(self) -> ActionCommand:
        """How its rows are carried out."""
        return ActionCommand(self.name, self.POSE_OF, self.TIMED, self.GRIPPER)

    def motions_before(self, instruction: Instruction) -> tuple[str, ...]:
        """Motions that have to be carried out before this one, oldest first."""
        return ()

    def step(self, instruction: Instruction) -> SkillStep:
        """Its step of a plan, before anything is looked for."""
        return SkillStep(
            self.name,
            placement=instruction.placement,
            nouns=self.NOUNS,
            pose_of=self.POSE_OF,
            gripper=self.GRIPPER,
            precondition=self.precondition,
        )

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """The poses [K,4] that a step leads to, in straight lines; none for a turn without end.

        Args:
            step: its objects have positions.
            standoff: distance (m) kept from an object one goes to.
        """
        return np.empty((0, 4))

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """The poses [H,4] of a chunk's rows in `base_link`, `elapsed` s after the step began."""
        raise NotImplementedError

    def rest(self, timing: Timing) -> Poses | None:
        """The rows of a base that is where the motion leads, and comes to rest; None: as before."""
        return None

    def is_there(self, target: SceneObject | None, settings: PolicySettings) -> bool:
        """Whether a motion of the base has come to its end; never, unless a class says when."""
        return False

    def is_over(self, step: SkillStep, settings: PolicySettings) -> bool:
        """Whether a step of the base has come to its end: where its target is seen, or as a class
        says that knows it otherwise.
        """
        return self.is_there(step.target, settings)

    def faces(self, target: SceneObject | None) -> bool:
        """Whether an object is seen straight ahead, within the parameter `angle`."""
        if target is None or target.position is None:
            return False
        return abs(bearing(target.position)) <= self.parameters["angle"]

    @property
    def duration(self) -> float:
        """Seconds after which a step must have had its effect; infinite for closed loops."""
        return math.inf

    @property
    def ends(self) -> bool:
        """Whether its motion has an end: a place where it is there, or a time when it is over."""
        own = type(self)
        says = own.is_there is not Skill.is_there or own.is_over is not Skill.is_over
        return says or math.isfinite(self.duration)

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """A final Refusal unless a step whose time is over had its effect."""

    def check(self, step: float) -> None:
        """ConfigurationError unless its entry is as its motion with rows of `step` s needs it."""
        if type(self) is Skill:
            raise ConfigurationError(
                f"skill {self.name} has no motion: say which one as `motion:`, there are "
                f"{', '.join(MOTIONS)}; or add a class in policies/skills, or take the skill out"
            )
        if self.MUST_NAME and self.MUST_NAME not in self.needs:
            raise ConfigurationError(f"skill {self.name} must have needs: [{self.MUST_NAME.value}]")
        if set(self.parameters) != self.PARAMETERS:
            raise ConfigurationError(
                f"skill {self.name} must have the parameters {sorted(self.PARAMETERS)}, "
                f"got {sorted(self.parameters)}"
            )
        if not self.ends:
            raise ConfigurationError(
                f"skill {self.name} would never end: its class {type(self).__name__} must say when "
                "it `is_there`, or how long its `duration` is"
            )


def check_gripper(skill: Skill, observation: Observation, holding: bool) -> None:
    """A final Refusal unless the gripper holds something, or nothing, as it should by now."""
    gripper = observation.gripper
    if isinstance(gripper, Missing):
        raise Refusal(
            Reason.PRECONDITION,
            f"I cannot tell whether I could {skill.said} ({gripper.reason}): publish the "
            "topic gripper_state",
            final=True,
        )
    if gripper.holding is not holding:
        found = "still holds something" if gripper.holding else "is empty"
        raise Refusal(
            Reason.PRECONDITION,
            f"after {skill.said} the gripper {found}: give the instruction again",
            final=True,
        )


def action_space(skills: Sequence[Skill], action: ActionSettings) -> ActionSpace:
    """The space of a robot's commands, those of its skills.

    Raises:
        ActionError: the settings make none.
    """
    commands = [skill.command for skill in skills]
    return ActionSpace.of(commands, action.low, action.high, action.bins)


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
    known = {f.name for f in fields(Skill)} - {"names"}
    motion = str(entry.get("motion", name))
    if motion not in MOTIONS and "motion" in entry:
        raise ConfigurationError(
            f"skill {name}: motion must be one of {', '.join(MOTIONS)}, got {motion!r}"
        )
    if unknown := sorted(map(str, set(entry) - known)):
        raise ConfigurationError(f"skill {name}: unknown entries {unknown}, known {sorted(known)}")
    identity = entry.get("id")
    if type(identity) is not int:
        raise ConfigurationError(f"skill {name}: id must be an integer, got {identity!r}")
    prompts = _strings(entry, "prompts")
    kind = MOTIONS.get(motion, Skill)
    if not prompts and not kind.MEASURE:
        raise ConfigurationError(f"skill {name} needs prompts, without one it is never chosen")
    if prompts and kind.MEASURE:
        raise ConfigurationError(
            f"skill {name} is chosen by the {kind.MEASURE} that is said: leave its prompts out"
        )
    return kind(
        name=name,
        id=identity,
        prompts=prompts,
        affordance=_affordance(entry),
        needs=_nouns(entry, "needs"),
        accepts=_nouns(entry, "accepts"),
        precondition=_member(Grip, entry.get("precondition", "any"), name, "precondition"),
        parameters=_parameters(entry),
        motion=motion,
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
