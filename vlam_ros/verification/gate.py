"""The gate: no proposal moves the robot before it agrees with what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlam_ros.actions import leads_back
from vlam_ros.configuration import PolicySettings
from vlam_ros.types import (
    ActionSpace,
    Observation,
    Outcome,
    Plan,
    PoseFrame,
    Progress,
    Proposal,
    Refusal,
    Scene,
    Task,
    Verdict,
)
from vlam_ros.verification import agreement, checks


@dataclass(frozen=True)
class Limits:
    """What the gate goes by: when the robot may move, and the space of what it can be told."""

    settings: PolicySettings
    space: ActionSpace


def verify(
    proposal: Proposal,
    task: Task,
    scene: Scene,
    observation: Observation,
    progress: Progress,
    limits: Limits,
) -> Verdict:
    """Whether a proposal may be executed; the same checks for every policy.

    `progress` is how far the task was done before the proposal.

    Returns:
        DONE or EXECUTE with the proposal's confidence and a remark on what could not be checked;
        or HOLD with the policy's own refusal, or with UNFAMILIAR, NO_POSITION, UNREACHABLE,
        PATH_BLOCKED, STALE_SENSOR or PRECONDITION, or with PLAN_MISMATCH if it is not what the
        instruction asks for; with the reasons of `select` if that means nothing that was found.
    """
    try:
        checks.check_familiar(scene, under_way=progress.plan is not None)
        if proposal.refusal is not None:
            raise proposal.refusal
        if proposal.done:
            return Verdict(Outcome.DONE, confidence=proposal.confidence)
        remark = _check(proposal, task, scene, observation, progress, limits)
    except Refusal as refusal:
        return held(refusal)
    return Verdict(Outcome.EXECUTE, message=remark, confidence=proposal.confidence)


def held(refusal: Refusal) -> Verdict:
    """The verdict of a refusal."""
    return Verdict(Outcome.HOLD, refusal.reason, refusal.message)


def _check(
    proposal: Proposal,
    task: Task,
    scene: Scene,
    observation: Observation,
    progress: Progress,
    limits: Limits,
) -> str:
    settings, space, plan, rows = limits.settings, limits.space, proposal.plan, proposal.rows
    if rows is None or (plan.steps and not plan.to_come):
        raise ValueError("a proposal that is neither done nor refused needs rows and a step")
    agreement.check_space(space)
    to_come = plan.to_come or (agreement.unplanned(task, rows, space, observation.holding),)
    agreement.check_plan(plan, task)
    agreement.check_commands(to_come[0], rows, space)
    checks.check_age("image", observation.stamp, observation.now, settings.max_image_age)
    meant = agreement.check_objects(
        to_come,
        agreement.looks_around(rows, space),
        task,
        scene,
        observation,
        progress,
        settings.ambiguity,
    )
    to_come = tuple(agreement.with_meant(step, meant) for step in to_come)
    current = to_come[0]
    for step in to_come:
        checks.check_positions(step, settings.max_spread)
    for step in to_come:
        poses = step.keyframes
        # A current step without keyframes leads to its rows, a later one nobody knows where yet.
        if step is current and (poses is None or not len(poses)):
            poses = rows[:, 1:]
        if poses is not None:
            checks.check_reach(step, poses, space, settings.reach, settings.reach_ahead)
    agreement.check_leads(
        current, rows, meant, task, scene, observation, progress, settings.standoff
    )
    remark = ""
    if current.pose_of is PoseFrame.BASE:
        # The rows are what the robot is told, whatever the plan says of them.
        for poses in (current.keyframes, rows[:, 1:]):
            if poses is None:
                continue
            way = poses[~np.isnan(poses[:, :2]).any(axis=1), :2]  # turns in place have no x and y
            if len(way):
                limits_of_path = settings.corridor, settings.max_image_age
                remark = checks.check_path(current, way, observation, *limits_of_path)
        if leads_back(rows[:, 1:]):
            checks.check_behind(rows[:, 1:3], observation)
    if current.approach or _begins(plan, progress):
        checks.check_body(to_come[current.approach], observation, current.approach)
    return remark


def _begins(plan: Plan, progress: Progress) -> bool:
    """Whether the current step has not begun to be executed."""
    return not progress.since or plan.current != progress.current
