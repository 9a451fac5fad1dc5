"""From a skill and an instruction to skill steps, and from a scene to the objects they act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlam_ros.policy.refusal import Refusal
from vlam_ros.policy.select import is_same, select
from vlam_ros.policy.skills import Noun, Skill, named_nouns, said
from vlam_ros.types import (
    Instruction,
    ObjectPhrase,
    Placement,
    Plan,
    Reason,
    SceneObject,
    SkillStep,
)

_PREPOSITIONS = {
    Placement.NONE: "at",
    Placement.ON: "on",
    Placement.NEXT_TO: "next to",
    Placement.TO: "to",
}


def outline(skill: Skill, instruction: Instruction) -> Plan:
    """The steps that a skill takes, before anything is looked for.

    "Put X on Y" is the skill place, and takes picking up X before; "put it on Y", with nothing
    named to pick up, is the place alone.

    Raises:
        Refusal: INSTRUCTION_INVALID if the instruction does not name what the skill needs, or
            names what it has no use for.
    """
    named = named_nouns(instruction)
    # A robot told to stop stops, whatever else the sentence says.
    for noun in Noun if skill.id != 0 else ():
        phrase = named.get(noun)
        if phrase is None and noun in skill.needs:
            raise Refusal(
                Reason.INSTRUCTION_INVALID,
                f"{said(skill.name)} needs a {noun.value}: name it, as in '{skill.prompts[0]}'",
            )
        if phrase is not None and noun not in skill.needs | skill.accepts:
            raise Refusal(
                Reason.INSTRUCTION_INVALID,
                f"{said(skill.name)} takes no {noun.value}: leave out '{phrase.text}', or say "
                "what to do with it",
            )
    step = SkillStep(skill.name, placement=instruction.placement)
    steps: tuple[SkillStep, ...] = (step,)
    if skill.name == "place" and instruction.target:
        steps = (SkillStep("pick_up"), step)
    return Plan(steps, trace=_trace(steps, instruction))


def ground(
    plan: Plan,
    current: int,
    instruction: Instruction,
    seen: Sequence[SceneObject],
    ambiguity: float,
) -> Plan:
    """The plan with the objects of the steps from `current` on; the steps before stay as they are.

    Args:
        plan: an outline, or the plan of an earlier picture.
        current: the step to be executed now.
        instruction: what was asked for.
        seen: the confirmed objects of the picture.
        ambiguity: two candidates whose scores differ by less are ambiguous.

    Raises:
        Refusal: TARGET_NOT_FOUND, DESTINATION_NOT_FOUND, TARGET_AMBIGUOUS or NO_POSITION.
    """
    steps = list(plan.steps)
    for index in range(current, len(steps)):
        step = steps[index]
        wanted, goal = _acted_on(step, instruction)
        target = destination = None
        # What is searched for need not be seen.
        if wanted and step.skill != "search":
            target = select(wanted, seen, ambiguity, Reason.TARGET_NOT_FOUND)
        if goal:
            moved = target or (steps[index - 1].target if index else None)
            # Nothing is put on itself: "put the cup next to the red cup".
            others = [o for o in seen if moved is None or not is_same(o, moved)]
            destination = select(goal, others, ambiguity, Reason.DESTINATION_NOT_FOUND)
        steps[index] = replace(step, target=target, destination=destination)
    return Plan(tuple(steps), current, _trace(steps, instruction))


def _acted_on(
    step: SkillStep, instruction: Instruction
) -> tuple[ObjectPhrase | None, ObjectPhrase | None]:
    """The phrases of the target and the destination that this one step acts on."""
    target = None if step.skill in ("stop", "place") else instruction.target
    destination = None if step.skill in ("stop", "pick_up") else instruction.destination
    return target, destination


def _trace(steps: Sequence[SkillStep], instruction: Instruction) -> str:
    """The plan in one line: "pick up red cup (1.02, -0.11) [0.97] -> place on blue plate …"."""
    return " -> ".join(_step_trace(step, instruction) for step in steps)


def _step_trace(step: SkillStep, instruction: Instruction) -> str:
    target, destination = _acted_on(step, instruction)
    words = [said(step.skill)]
    if target:
        words.append(_object_trace(target, step.target))
    if destination:
        words.append(_PREPOSITIONS[step.placement])
        words.append(_object_trace(destination, step.destination))
    return " ".join(words)


def _object_trace(phrase: ObjectPhrase, found: SceneObject | None) -> str:
    if found is None:
        return phrase.text
    place = f" ({found.position[0]:.2f}, {found.position[1]:.2f})" if found.position else ""
    return f"{found.phrase}{place} [{found.score:.2f}]"
