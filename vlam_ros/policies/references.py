"""What "it", "the other one" and "not that one" mean: the last instruction of the same epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlam_ros.errors import InstructionError
from vlam_ros.perception.competitors import PLACEHOLDERS
from vlam_ros.perception.tracking import expected
from vlam_ros.types import (
    Instruction,
    InstructionRequest,
    Missing,
    ObjectPhrase,
    Observation,
    Odometry,
    Plan,
    PoseFrame,
    Progress,
    Query,
    Relation,
    SceneObject,
    Sighting,
)

_PRONOUNS = ("it", "them")


@dataclass(frozen=True)
class Meant:
    """The last instruction that named something, and what was taken for its target: the `thing`, as
    it was seen with the base at `base`. None where nothing was, or where the arm has moved it.
    """

    request: InstructionRequest
    instruction: Instruction
    stamp: int
    thing: SceneObject | None
    base: Odometry | Missing

    @classmethod
    def of(
        cls,
        request: InstructionRequest,
        instruction: Instruction,
        plan: Plan,
        observation: Observation,
    ) -> Meant:
        """What a decision was about."""
        moved = any(step.pose_of is PoseFrame.TOOL for step in plan.steps[: plan.current + 1])
        thing = None if moved else next((s.target for s in plan.steps if s.target), None)
        return cls(request, instruction, observation.stamp, thing, observation.odometry)

    def place(self, observation: Observation) -> SceneObject | None:
        """The thing where it must be now; None if nobody can tell."""
        now = observation.odometry
        if self.thing is None or isinstance(self.base, Missing) is not isinstance(now, Missing):
            return None
        if isinstance(now, Missing) or isinstance(self.base, Missing):
            return self.thing  # a base without odometry is not driven
        return expected(Sighting(self.thing, self.stamp, self.base), now)


def resolved(
    instruction: Instruction,
    request: InstructionRequest,
    meant: Meant | None,
    observation: Observation,
    progress: Progress,
    example: str,
) -> tuple[Instruction, Progress]:
    """The instruction with what it refers to, and the progress that knows which thing that is.

    Raises:
        InstructionError: it means another thing than one that nobody has named, or whose place
            nobody knows.
    """
    if meant is not None and meant.request.epoch != request.epoch:
        meant = None
    target = instruction.target
    if target is not None and target.relation is Relation.OTHER:
        if meant is None or meant.instruction.target is None:
            raise InstructionError(
                f"nothing was named before '{target.spoken}': say what is meant, as in '{example}'"
            )
        before = meant.instruction.target
        if (place := meant.place(observation)) is None:
            hint = ObjectPhrase(before.text, Relation.NEAREST)
            raise InstructionError(
                f"I cannot tell which '{before.text}' was meant before: say which you mean now, as "
                f"'{meant.instruction.said_with(before, hint)}'"
            )
        nameless = PLACEHOLDERS.issuperset(target.text.split())
        named = replace(target, text=before.text) if nameless else target
        whole = (
            replace(meant.instruction, query=Query.NONE)
            if not instruction.skill_phrase
            else (instruction)
        )
        told = replace(whole, text=instruction.text, target=named, notes=instruction.notes)
        return told, replace(progress, other_than=place)
    words = instruction.skill_phrase.split()
    pronoun = next((word for word in words if word in _PRONOUNS), None)
    gripper = observation.gripper
    held = not isinstance(gripper, Missing) and gripper.holding
    if meant is None or target is not None or pronoun is None or held:
        return instruction, progress
    words[words.index(pronoun)] = "the object"
    told = replace(instruction, skill_phrase=" ".join(words), target=meant.instruction.target)
    if meant.thing is None or isinstance(meant.base, Missing):
        return told, progress
    return told, replace(progress, target=Sighting(meant.thing, meant.stamp, meant.base))
