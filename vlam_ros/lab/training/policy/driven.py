"""Demonstrations of one's own robot: somebody drove it, and where its odometry says that it went is
what was to be done.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import ActionSettings, FusionNodeSettings, PolicySettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions, replay_offline
from vlam_ros.lab.replay.roles import Assignment, assign
from vlam_ros.lab.replay.timed import Cue, timed_messages
from vlam_ros.lab.training.policy.demonstration_policy import DemonstrationPolicy, write_shard
from vlam_ros.lab.training.policy.expert import Shown, decision_text, places_text, rows_text
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.pipeline import Pipeline, robot_lexicon
from vlam_ros.policies import Skill, load_skills
from vlam_ros.policies.skills.skill import Poses, Timing, action_space
from vlam_ros.policies.transformer.policy import finished, followed
from vlam_ros.policies.transformer.vocabulary import DONE
from vlam_ros.ros.robot_state import odometry_from_message
from vlam_ros.types import (
    Observation,
    Odometry,
    Plan,
    PlanarPose,
    PoseFrame,
    Progress,
    Proposal,
    Scene,
    Task,
)

STEP = 0.1
"""Seconds from one place of a way to the next."""
MOVED, TURNED = 0.03, 0.05
"""Metres and rad; a robot that goes and turns no more than that is where it was to be."""
TURNS = frozenset({"turn", "turn_to", "search"})
"""Motions whose rows are angles alone."""
KNOWN = frozenset({"there"})
"""Of the claims nobody but the driver knows more."""


@dataclass(frozen=True)
class Drive:
    """Where a robot was: `stamps` int64[N] (ns) and `poses` float64[N,3], x, y (m) and a yaw (rad)
    without jumps, in the odometry frame; and when it was told something, `told` (ns).
    """

    stamps: np.ndarray
    poses: Poses
    told: tuple[int, ...]

    @classmethod
    def of(cls, odometry: Sequence[Odometry], told: Sequence[int]) -> Drive:
        """That of odometry in any order."""
        by_stamp = {each.stamp: (each.x, each.y, each.yaw) for each in odometry}
        poses = np.array([by_stamp[stamp] for stamp in sorted(by_stamp)]).reshape(-1, 3)
        poses[:, 2] = np.unwrap(poses[:, 2])
        return cls(np.array(sorted(by_stamp), np.int64), poses, tuple(sorted(told)))

    def ahead(self, stamp: int, now: int) -> Poses | None:
        """Where it went from a stamp on until it was told something else than it had been `now`, or
        the drive ends: float64[K,3] every STEP seconds, in `base_link` at the stamp. None if nobody
        knows where it was then.
        """
        if not len(self.stamps) or not self.stamps[0] <= stamp <= self.stamps[-1]:
            return None
        later = bisect_right(self.told, now)
        end = min(self.told[later] if later < len(self.told) else math.inf, self.stamps[-1])
        times = np.arange(0.0, (end - stamp) / 1e9 + STEP, STEP).clip(max=(end - stamp) / 1e9)
        x, y, yaw = (np.interp(times * 1e9, self.stamps - stamp, p) for p in self.poses.T)
        places = PlanarPose(x[0], y[0], yaw[0]).into(np.column_stack([x, y]))
        return np.column_stack([places, yaw - yaw[0]])


class Driver:
    """Shows what a robot did that was driven: the step is the task's, and the rows are its way."""

    def __init__(
        self,
        drive: Drive,
        skills: Sequence[Skill],
        policy: PolicySettings,
        action: ActionSettings,
        notes: Notes,
    ) -> None:
        self.space = action_space(skills, action)
        self._drive, self._notes, self._ambiguity = drive, notes, policy.ambiguity
        self._skills = {skill.name: skill for skill in skills}
        self._timing = Timing(action.horizon, action.step, action.start_offset)
        self._tokenizer = ActionTokenizer(self.space)

    def show(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> tuple[Proposal, Shown | None]:
        """What it did then, and how that is written; None where that is not known."""
        skill = self._skills[task.skill]
        step = skill.step(task.instruction)
        steps = (step,)
        following = followed(steps, observation, task, scene, progress, self._ambiguity)
        plan = following.plan or Plan()
        if step.pose_of is not PoseFrame.BASE or skill.motions_before(task.instruction):
            self._notes.add(f"'{skill.said}' is done by an arm, of which odometry says nothing")
            return Proposal(plan, following), None
        way = self._drive.ahead(observation.stamp, observation.now)
        if way is None:
            self._notes.add("an image has no odometry at its time and is left out")
            return Proposal(plan, following), None
        places = places_text(plan.steps[0].objects, task, self._tokenizer)
        lengths, angles = np.hypot(way[:, 0], way[:, 1]), np.abs(way[:, 2])
        if (lengths <= MOVED).all() and (angles <= TURNED).all():
            shown = Shown(decision_text(steps, task, places, {"there": True}, DONE), KNOWN)
            return finished(following), shown
        rows = np.full((self._timing.horizon, len(self.space.columns)), np.nan)
        rows[:, 0] = self.space.names.index(skill.name)
        rows[:, [1, 2, 4]] = self._waypoints(skill, way)
        said = rows_text(rows, self._tokenizer)
        shown = Shown(decision_text(steps, task, places, {"there": False}, said), KNOWN)
        return Proposal(plan, following, rows, 1.0), shown

    def _waypoints(self, skill: Skill, way: Poses) -> Poses:
        """x, y and θ float64[H,3], as the skill's own rows have them: at equal shares of the way or
        of the turn that is left, or where it was when they are due. A way is cut where it leaves
        the action space.
        """
        low, high = np.array(self.space.low), np.array(self.space.high)
        inside = ((way[:, :2] >= low[:2]) & (way[:, :2] <= high[:2])).all(axis=1)
        way = way[: len(way) if inside.all() else int(inside.argmin())]
        turns = skill.motion in TURNS
        gone = np.abs(np.diff(way[:, 2])) if turns else np.hypot(*np.diff(way[:, :2], axis=0).T)
        along = np.append(0.0, gone.cumsum())
        asked = self._timing.shares() * along[-1]
        if skill.TIMED:
            along, asked = STEP * np.arange(len(way)), self._timing.due()
        points = np.column_stack([np.interp(asked, along, column) for column in way.T])
        points[:, 2] = points[:, 2].clip(low[3], high[3])
        if turns:
            points[:, :2] = np.nan
        else:
            points[:, 2] = points[-1, 2]
        return points


def demonstrate_bag(
    path: Path,
    out: Path,
    robot: tuple[Settings, FusionNodeSettings],
    grounder: ClipsegGrounder,
    options: ReplayOptions,
    notes: Notes,
) -> int:
    """Write what a robot did that was driven while a bag was recorded as a shard of demonstrations.

    Args:
        path: the bag, with images, odometry, and instructions unless the options have some.
        out: the folder of the shard; a bag that is there already is read anew.
        robot: settings of its vlam_node and fusion_node.
        grounder: through which the policy is to see.
        options: which topics are whose, what was said when, and the seconds between decisions.
        notes: take what was left out.

    Returns:
        How many decisions were written.

    Raises:
        BagError, ReplayError: it is no bag, or it is not clear which of its topics has the images.
        LearningError: it shows nothing: no odometry, no instruction, or none that moves a base.
    """
    settings, _ = robot
    skills = load_skills(settings.policy.skills)
    with BagReader(path) as bag:
        roles = assign(bag.topics, options.mapping)
        driver = Driver(
            _drive(bag, roles, options.script), skills, settings.policy, settings.action, notes
        )
        policy = DemonstrationPolicy(
            driver, grounder, settings.perception, f"bag {path.stem}", 0, None
        )
        lexicon = robot_lexicon(grounder.calibration, settings.perception, skills)
        pipeline = Pipeline(
            grounder, Perceiver(grounder, settings.perception), skills, policy, settings.policy,
            settings.action, settings.perception.nouns, lexicon,
        )  # fmt: skip
        anew = replace(options, redecide=True)
        for _ in replay_offline(bag, roles, pipeline, robot, anew, notes):
            pass
    if not policy.rows:
        said = "; ".join(notes.lines) or "no instruction of it moves the base"
        raise LearningError(f"{path} demonstrates nothing: {said}")
    out.mkdir(parents=True, exist_ok=True)
    write_shard(out / f"bag-{path.stem}-0.npz", policy.rows, policy.arrays)
    return len(policy.rows)


def _drive(bag: BagReader, roles: Assignment, script: Sequence[Cue]) -> Drive:
    odometry, told = [], []
    begun: int | None = None
    # What is wrong with the bag is said when it is decided on.
    for timed in timed_messages(bag, roles, Notes()):
        begun = timed.received if begun is None else begun
        if timed.role == "odom":
            odometry.append(odometry_from_message(timed.message))
        elif timed.role == "instruction" and not script:
            told.append(timed.now)
        told += [
            timed.now for cue in script[len(told) :] if timed.received - begun >= cue.seconds * 1e9
        ]
    return Drive.of([each for each in odometry if isinstance(each, Odometry)], told)
