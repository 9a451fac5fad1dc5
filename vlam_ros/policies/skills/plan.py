"""The steps of a plan: the objects they act on, where those were seen, and the plan as one line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vlam_ros.perception.tracking import expected, sight
from vlam_ros.types import (
    GripperEffect,
    Instruction,
    Missing,
    Noun,
    ObjectPhrase,
    Observation,
    Placement,
    Plan,
    Progress,
    SceneObject,
    Sighting,
    SkillStep,
)

PREPOSITIONS = {
    Placement.NONE: "at",
    Placement.ON: "on",
    Placement.NEXT_TO: "next to",
    Placement.TO: "to",
}


def with_objects(plan: Plan, found: Mapping[Noun, SceneObject], instruction: Instruction) -> Plan:
    """The plan with these objects in the steps to come."""
    steps = list(plan.steps)
    for index, step in enumerate(plan.to_come, plan.current):
        target, destination = step.nouns
        steps[index] = replace(
            step,
            target=found.get(target, step.target) if target else None,
            destination=found.get(destination, step.destination) if destination else None,
            load=_load(steps[:index]),
            keyframes=None,
        )
    return Plan(tuple(steps), plan.current, trace_of(steps, instruction))


def remembered(
    plan: Plan, instruction: Instruction, observation: Observation, progress: Progress
) -> Progress:
    """The progress with the objects of its plan where they must be now, wherever the base went
    since, without looking: the arm hides what it moves. They do not count as missed meanwhile.
    """
    base = observation.odometry
    if isinstance(base, Missing):
        return progress
    found = {noun: expected(s, base) for noun, s in progress.sightings.items()}
    seen: dict[str, Any] = {
        noun.value: replace(s, stamp=observation.stamp) for noun, s in progress.sightings.items()
    }
    return replace(progress, plan=with_objects(plan, found, instruction), **seen)


def sighting_of(
    thing: SceneObject | None,
    before: Sighting | None,
    observation: Observation,
    seen: Sequence[SceneObject],
) -> Sighting | None:
    """Where it is seen in this image; as before if it is not, or nothing was looked for."""
    base = observation.odometry
    if thing is None or not any(thing is o for o in seen) or isinstance(base, Missing):
        return before
    return sight(thing, seen, observation.stamp, base)


def closes(step: SkillStep) -> bool:
    """Whether it ends with something in the gripper."""
    return step.gripper is GripperEffect.CLOSE


def trace_of(steps: Sequence[SkillStep], instruction: Instruction) -> str:
    """The plan in one line: "pick up red cup (1.02, -0.11) [0.97] -> place on blue plate …"."""
    return " -> ".join(_step_trace(step, instruction) for step in steps)


def _load(before: Sequence[SkillStep]) -> float:
    """How wide what the steps before have picked up is, m."""
    taken = [s.target for s in before if closes(s) and s.target]
    return taken[-1].size if taken and math.isfinite(taken[-1].size) else 0.0


def _step_trace(step: SkillStep, instruction: Instruction) -> str:
    target, destination = (instruction.named.get(noun) if noun else None for noun in step.nouns)
    words = [step.said, *([step.displacement.text] if step.displacement else [])]
    if target:
        words.append(_object_trace(target, step.target))
    if destination:
        words.append(PREPOSITIONS[step.placement])
        words.append(_object_trace(destination, step.destination))
    return " ".join(words)


def _object_trace(phrase: ObjectPhrase, found: SceneObject | None) -> str:
    if found is None:
        return phrase.text
    place = f" ({found.position[0]:.2f}, {found.position[1]:.2f})" if found.position else ""
    return f"{found.phrase}{place} [{found.score:.2f}]"
