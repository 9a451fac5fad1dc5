"""From a skill and an instruction to skill steps, and from a scene to the objects they act on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlam_ros.perception.referring import is_same, select
from vlam_ros.perception.tracking import expected, sight, track
from vlam_ros.policies.skills.definitions import Noun, PoseOf, Skill, named_nouns, said
from vlam_ros.types import (
    Instruction,
    Missing,
    ObjectPhrase,
    Observation,
    Placement,
    Plan,
    PlanState,
    Reason,
    SceneObject,
    Sighting,
    SkillStep,
)
from vlam_ros.types.refusal import Refusal

_PREPOSITIONS = {
    Placement.NONE: "at",
    Placement.ON: "on",
    Placement.NEXT_TO: "next to",
    Placement.TO: "to",
}


def outline(skill: Skill, instruction: Instruction, drives: bool = True) -> Plan:
    """The steps that a skill takes, before anything is looked for.

    What the arm acts on is gone to first. "Put X on Y" is the skill place, and takes picking up X
    before; "put it on Y", with nothing named to pick up, is the place alone.

    Args:
        skill: what is to be done.
        instruction: what it is to be done to.
        drives: whether the robot can go to anything.

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
    steps = [SkillStep(skill.name, placement=instruction.placement)]
    if skill.name == "place" and instruction.target:
        steps.insert(0, SkillStep("pick_up"))
    if skill.pose_of is PoseOf.TOOL and drives:
        steps = [s for step in steps for s in (SkillStep("go_to"), step)]
    return Plan(tuple(steps), trace=_trace(steps, instruction))


def is_approach(plan: Plan, index: int) -> bool:
    """Whether a step only brings the robot to where the next one is done."""
    return plan.steps[index].skill == "go_to" and index + 1 < len(plan.steps)


def ground(
    outline: Plan,
    instruction: Instruction,
    observation: Observation,
    seen: Sequence[SceneObject],
    state: PlanState,
    ambiguity: float,
) -> PlanState:
    """The state with the objects of the steps to come, and where those were seen last.

    What was chosen for an earlier image is followed by its place; see `policy.track`.

    Args:
        outline: the steps, if the state has no plan yet.
        instruction: what was asked for.
        observation: the image's.
        seen: the objects of the image.
        state: how far the plan is done; the steps before stay as they are.
        ambiguity: the score from which an object that is not confirmed competes with one that is.

    Raises:
        Refusal: TARGET_NOT_FOUND, DESTINATION_NOT_FOUND, TARGET_AMBIGUOUS or NO_POSITION.
    """
    plan = state.plan or outline
    nouns = {n for i in range(state.current, len(plan.steps)) for n in _acted_on(plan.steps, i)}
    found: dict[Noun, SceneObject] = {}
    # A search need not see what it is for, and is over as soon as it does.
    if any(step.skill == "search" for step in plan.steps[state.current :]):
        wanted = named_nouns(instruction)[Noun.TARGET].text
        sought = [o for o in seen if o.phrase == wanted and o.confirmed]
        found = {Noun.TARGET: sought[0]} if sought else {}
        nouns.clear()
    for noun, missing, sighting in (
        (Noun.TARGET, Reason.TARGET_NOT_FOUND, state.target),
        (Noun.DESTINATION, Reason.DESTINATION_NOT_FOUND, state.destination),
    ):
        phrase_ = named_nouns(instruction).get(noun)
        if noun not in nouns or phrase_ is None:
            continue
        followed = track(sighting, observation, seen) if sighting else None
        if followed is None:
            # Nothing is put on itself: "put the cup next to the red cup".
            moved = found.get(Noun.TARGET)
            others = [o for o in seen if moved is None or not is_same(o, moved)]
            candidates = others if noun is Noun.DESTINATION else seen
            followed = select(phrase_, candidates, ambiguity, missing)
        found[noun] = followed
    return replace(
        state,
        plan=_with(plan, state.current, found, instruction),
        target=_sighting(found.get(Noun.TARGET), state.target, observation, seen),
        destination=_sighting(found.get(Noun.DESTINATION), state.destination, observation, seen),
    )


def remembered(instruction: Instruction, observation: Observation, state: PlanState) -> PlanState:
    """The state with the objects of its plan where they must be now, wherever the base went since,
    without looking: the arm hides what it moves. They do not count as missed meanwhile.
    """
    assert state.plan is not None, "only what was executed can be remembered"
    base = observation.odometry
    if isinstance(base, Missing):
        return state
    sightings = {Noun.TARGET: state.target, Noun.DESTINATION: state.destination}
    found = {noun: expected(s, base) for noun, s in sightings.items() if s is not None}
    target, destination = (
        replace(s, stamp=observation.stamp) if s else None for s in sightings.values()
    )
    grounded = _with(state.plan, state.current, found, instruction)
    return replace(state, plan=grounded, target=target, destination=destination)


def _with(
    plan: Plan, current: int, found: Mapping[Noun, SceneObject], instruction: Instruction
) -> Plan:
    """The plan with these objects in the steps from `current` on."""
    steps = list(plan.steps)
    for index in range(current, len(steps)):
        step = steps[index]
        target, destination = _nouns(steps, index)
        steps[index] = replace(
            step,
            target=found.get(target, step.target) if target else None,
            destination=found.get(destination, step.destination) if destination else None,
            load=_load(steps[:index]),
        )
    return Plan(tuple(steps), current, _trace(steps, instruction))


def _load(before: Sequence[SkillStep]) -> float:
    """How wide what the steps before have picked up is, m."""
    taken = [s.target for s in before if s.skill == "pick_up" and s.target]
    return taken[-1].size if taken and math.isfinite(taken[-1].size) else 0.0


def _sighting(
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


def _nouns(steps: Sequence[SkillStep], index: int) -> tuple[Noun | None, Noun | None]:
    """Which of what the instruction names are the target and the destination of one step."""
    skill = steps[index].skill
    if skill == "go_to" and index + 1 < len(steps):
        return Noun.DESTINATION if steps[index + 1].skill == "place" else Noun.TARGET, None
    target = None if skill in ("stop", "place") else Noun.TARGET
    destination = None if skill in ("stop", "pick_up") else Noun.DESTINATION
    return target, destination


def _acted_on(steps: Sequence[SkillStep], index: int) -> set[Noun]:
    return {noun for noun in _nouns(steps, index) if noun}


def _trace(steps: Sequence[SkillStep], instruction: Instruction) -> str:
    """The plan in one line: "pick up red cup (1.02, -0.11) [0.97] -> place on blue plate …"."""
    return " -> ".join(_step_trace(steps, index, instruction) for index in range(len(steps)))


def _step_trace(steps: Sequence[SkillStep], index: int, instruction: Instruction) -> str:
    step, named = steps[index], named_nouns(instruction)
    target, destination = (named.get(noun) if noun else None for noun in _nouns(steps, index))
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
