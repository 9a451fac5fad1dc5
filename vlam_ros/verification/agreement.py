"""Whether a proposal does what the instruction asks for, to what the instruction means: a policy
that was taught is held to what was found, whatever it says of itself.

Every check returns if all is well and raises a Refusal with PLAN_MISMATCH if not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import STOP
from vlam_ros.perception.referring import SAME, bearing, located, radius_of, standoff_point
from vlam_ros.perception.tracking import expected, referent
from vlam_ros.types import (
    DIMENSIONS,
    ActionSpace,
    Displacement,
    GripperEffect,
    Missing,
    Noun,
    Observation,
    Placement,
    Plan,
    PoseFrame,
    Progress,
    Reason,
    Refusal,
    Scene,
    SceneObject,
    SkillStep,
    Task,
    said,
)

Rows = npt.NDArray[np.float64]
"""Rows [H,1+D] of an action space: command index, x, y, z in m, θ in rad, …, NaN where not used."""
Objects = Mapping[Noun, SceneObject]
"""What the nouns of an instruction mean."""

MARGIN, TURN_MARGIN = 0.05, 0.1
"""Metres and radians that a motion may be off: two bins, or what a base at rest is told to be."""
DIRECT = 0.5
"""Share of its way by which a chunk has to come nearer to where it should lead: within 60°."""
BESIDE = 0.15
"""Metres, besides what is held, from a destination's edge to what is put next to it."""
TOUCH = 0.10
"""Metres over the middle of an object from where on the tool may touch it."""


def check_space(space: ActionSpace) -> None:
    """The first dimensions of a row must be those of a pose."""
    names = space.columns[1 : 1 + len(DIMENSIONS)]
    if names != DIMENSIONS:
        raise _mismatch(
            f"nobody can tell where rows of {', '.join(names)} lead: let the policy give poses "
            f"{', '.join(DIMENSIONS)} of base or tool, by forward kinematics"
        )


def unplanned(task: Task, rows: Rows, space: ActionSpace, holding: bool) -> SkillStep:
    """The step of a policy that tells no plan: its task, by the commands of its rows. It is about
    the target until the gripper holds something, and then about the destination.
    """
    commands = [space.commands[int(index)] for index in rows[:, 0]]
    effects = [c.gripper for c in commands if c.gripper is not GripperEffect.KEEP]
    carried = holding and task.instruction.destination is not None
    return SkillStep(
        task.skill,
        placement=task.instruction.placement,
        nouns=(None, Noun.DESTINATION) if carried else (Noun.TARGET, None),
        pose_of=commands[0].pose_of,
        gripper=effects[0] if effects else GripperEffect.KEEP,
    )


def looks_around(rows: Rows, space: ActionSpace) -> bool:
    """Whether rows only turn the base, at their own pace: a search need not know what it is for."""
    timed = all(space.commands[int(index)].timed for index in rows[:, 0])
    base = all(space.commands[int(index)].pose_of is PoseFrame.BASE for index in rows[:, 0])
    return timed and base and bool(np.isnan(rows[:, 1:3]).all())


def check_plan(plan: Plan, task: Task) -> None:
    """A plan must end with the skill of the task. What comes before only brings the base there, or
    takes what is put somewhere; and every step is about something, if the instruction is.
    """
    if not plan.steps:
        return
    *before, last = plan.steps
    strange = [
        step
        for step in before
        if step.pose_of is PoseFrame.TOOL
        and step.skill != last.skill
        and (step.gripper, last.gripper) != (GripperEffect.CLOSE, GripperEffect.OPEN)
    ]
    if last.skill != task.skill or strange:
        raise _mismatch(
            f"the policy plans to {(strange or [last])[0].said}, the instruction says to "
            f"{said(task.skill)}: say it in other words"
        )
    named = task.instruction.named
    for step in plan.to_come:
        if named and not any(noun in named for noun in step.nouns):
            raise _mismatch(f"the policy plans to {step.said} nothing that the instruction names")


def check_commands(step: SkillStep, rows: Rows, space: ActionSpace) -> None:
    """Rows must move what the current step moves, by its own command where there is one."""
    for index in rows[rows[:, 0] != STOP, 0]:
        command = space.commands[int(index)]
        if step.skill in space.names and command.name != step.skill:
            raise _mismatch(f"rows of {command.name} are no way to {step.said}")
        if command.pose_of is not step.pose_of:
            raise _mismatch(f"rows of {command.name} are no poses as of {step.skill}")
        if command.gripper not in (GripperEffect.KEEP, step.gripper):
            effects = command.gripper.name.lower(), step.gripper.name.lower()
            raise _mismatch(
                f"rows of {command.name} {effects[0]} the gripper, to {step.said} it must "
                f"{effects[1]}"
            )


def check_objects(
    steps: Sequence[SkillStep],
    looks: bool,
    task: Task,
    scene: Scene,
    observation: Observation,
    progress: Progress,
    ambiguity: float,
) -> Objects:
    """The objects of the steps to come must be what the instruction means by its nouns; the one
    that the robot `looks` around for must be one that it may mean.

    Returns:
        What the nouns of the steps mean.

    Raises:
        Refusal: also as for `select` where the instruction means nothing, or several things, that
            were found.
    """
    meant: dict[Noun, SceneObject] = {}
    for step in steps:
        for noun, thing in zip(step.nouns, (step.target, step.destination), strict=True):
            phrase = task.instruction.named.get(noun) if noun else None
            if thing is not None and (phrase is None or thing.phrase != phrase.text):
                raise _mismatch(
                    f"the policy acts on '{thing.phrase}', the instruction does not: say it in "
                    "other words"
                )
            if noun is None or phrase is None:
                continue
            if looks and (thing is None or any(thing is o and o.confirmed for o in scene.objects)):
                continue
            if noun not in meant:
                meant[noun] = _remembered(noun, observation, progress) or referent(
                    noun,
                    task.instruction,
                    observation,
                    scene.objects,
                    progress,
                    ambiguity,
                    meant.get(Noun.TARGET),
                )
            if thing is not None and not _is_one(thing, meant[noun]):
                raise _mismatch(
                    f"the policy acts on a '{thing.phrase}'{_place(thing)}, the instruction means "
                    f"the one{_place(meant[noun])}: say which, e.g. with 'the nearest'"
                )
    return meant


def with_meant(step: SkillStep, meant: Objects) -> SkillStep:
    """The step with the objects that its nouns mean, where the policy names none."""
    target, destination = (meant.get(noun) if noun else None for noun in step.nouns)
    return replace(step, target=step.target or target, destination=step.destination or destination)


def check_leads(
    step: SkillStep,
    rows: Rows,
    meant: Objects,
    task: Task,
    scene: Scene,
    observation: Observation,
    progress: Progress,
    standoff: float,
) -> None:
    """The rows of a step must lead to what it is about, not to another thing that is seen, and the
    gripper must act there; without an object, as far as was asked for.
    """
    target, destination = (meant.get(noun) if noun else None for noun in step.nouns)
    about = [o for o in (target, destination) if o and o.position]
    others = [
        o
        for o in scene.objects
        if o.confirmed and o.position and not any(_is_one(o, m) for m in meant.values())
    ]
    if progress.arm_moves or observation.holding:
        # The arm, and what it carries, are taken for this and that.
        others = []
    if step.pose_of is PoseFrame.TOOL:
        if about:
            _check_tool(step, rows, target, destination, others)
    elif about:
        _check_base(rows, about[0], others, standoff)
    elif task.instruction.displacement is not None:
        _check_displacement(rows, task.instruction.displacement)


def _check_base(
    rows: Rows, thing: SceneObject, others: Sequence[SceneObject], standoff: float
) -> None:
    places = rows[~np.isnan(rows[:, 1:3]).any(axis=1), 1:3]
    if len(places):
        way, margin = float(np.hypot(*places[-1])), MARGIN
        nearer = {id(o): _nearer(places[-1], o, standoff) for o in (thing, *others)}
    else:
        turned = rows[~np.isnan(rows[:, 4]), 4]
        if not len(turned):
            return
        way, margin = abs(turned[-1]), TURN_MARGIN
        nearer = {id(o): _turned_to(turned[-1], o) for o in (thing, *others)}
    own, margin = nearer[id(thing)], margin + thing.spread
    if own < DIRECT * way - margin:
        raise _mismatch(f"the motion does not lead to '{thing.phrase}'{_place(thing)}")
    for other in others:
        # One that is passed comes nearer as well, but not by more.
        if nearer[id(other)] > own + margin + other.spread:
            raise _mismatch(
                f"the motion leads to '{other.phrase}'{_place(other)}, not to "
                f"'{thing.phrase}'{_place(thing)}"
            )


def _nearer(last: npt.NDArray[np.float64], thing: SceneObject, standoff: float) -> float:
    """By how much (m) a place is nearer to where one stands before an object than the base is."""
    goal = standoff_point(located(thing), standoff)
    return math.hypot(*goal) - math.dist(goal, last)


def _turned_to(angle: float, thing: SceneObject) -> float:
    """By how much (rad) the base faces an object better once it has turned by an angle."""
    direction = bearing(located(thing))
    return abs(direction) - abs(math.remainder(direction - angle, math.tau))


def _check_tool(
    step: SkillStep,
    rows: Rows,
    target: SceneObject | None,
    destination: SceneObject | None,
    others: Sequence[SceneObject],
) -> None:
    rows = rows[rows[:, 0] != STOP]
    used = ~np.isnan(rows[:, 1:4]).any(axis=1)
    poses, acts = rows[used, 1:4], np.flatnonzero(~used)
    things = [o for o in (target, destination) if o is not None]
    if not len(poses):
        raise _mismatch("the gripper acts, and no row says where")
    if len(acts) and step.gripper is not GripperEffect.KEEP:
        # The tool rests before and after.
        at = poses[np.abs(np.flatnonzero(used) - acts[0]).argmin()]
        thing = things[-1]
        room = MARGIN + thing.spread
        if step.gripper is GripperEffect.OPEN and step.placement is not Placement.ON:
            room += BESIDE + step.load
        if _gap(at, thing) > room:
            raise _mismatch(
                f"the gripper acts {_gap(at, thing):.2f} m from '{thing.phrase}'{_place(thing)}"
            )
    lowest = poses[poses[:, 2].argmin()]
    own = min(_gap(lowest, o) for o in things)
    for other in others:
        touches = lowest[2] <= located(other)[2] + TOUCH and _gap(lowest, other) <= MARGIN
        if touches and _gap(lowest, other) + MARGIN < own:
            raise _mismatch(
                f"the arm comes down on '{other.phrase}'{_place(other)}, not on "
                f"'{things[0].phrase}'{_place(things[0])}"
            )


def _check_displacement(rows: Rows, asked: Displacement) -> None:
    if asked.distance:
        places = rows[~np.isnan(rows[:, 1:3]).any(axis=1), 1:3]
        if not len(places):
            return
        sign, length = math.copysign(1.0, asked.distance), float(np.hypot(*places[-1]))
        wrong = sign * places[-1, 0] < -MARGIN or length > abs(asked.distance) + MARGIN
    else:
        turned = rows[~np.isnan(rows[:, 4]), 4]
        angle = math.copysign(1.0, asked.angle) * float(turned[-1]) if len(turned) else 0.0
        wrong = angle < -TURN_MARGIN or angle > abs(asked.angle) + TURN_MARGIN
    if wrong:
        raise _mismatch(f"the motion does not lead {asked.text}, as the instruction says")


def _remembered(noun: Noun, observation: Observation, progress: Progress) -> SceneObject | None:
    """Where an object of the plan must be while the arm moves, and hides what it moves."""
    plan, base = progress.plan, observation.odometry
    if plan is None or not progress.arm_moves:
        return None
    sighting = progress.sightings.get(noun)
    if sighting is not None and not isinstance(base, Missing):
        return expected(sighting, base)
    return next((s.objects[noun] for s in plan.to_come if noun in s.objects), None)


def _is_one(thing: SceneObject, other: SceneObject) -> bool:
    """Whether both are one thing: the same piece of a mask, or at the same place."""
    if thing.same_piece(other):
        return True
    if thing.position is None or other.position is None:
        return False
    gap = math.dist(thing.position[:2], other.position[:2])
    return gap <= SAME + thing.spread + other.spread


def _gap(pose: npt.NDArray[np.float64], thing: SceneObject) -> float:
    """Metres along the floor from a pose to the edge of an object, negative over it."""
    return math.dist(pose[:2], located(thing)[:2]) - radius_of(thing)


def _place(thing: SceneObject) -> str:
    return f" at ({thing.position[0]:.2f}, {thing.position[1]:.2f})" if thing.position else ""


def _mismatch(message: str) -> Refusal:
    return Refusal(Reason.PLAN_MISMATCH, message)
