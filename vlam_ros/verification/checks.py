"""The checks that a proposal has to pass before the robot moves, each with its reason to refuse.

Every function returns if all is well and raises a Refusal if not.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vlam_ros.perception.familiarity import UNFAMILIAR, UNFAMILIAR_UNDER_WAY
from vlam_ros.types import (
    NO_ROBOT,
    ActionSpace,
    Camera,
    DepthImage,
    Grip,
    GripperEffect,
    GripperState,
    Missing,
    Observation,
    PoseFrame,
    PositionSource,
    Reason,
    Refusal,
    Scene,
    SceneObject,
    SkillStep,
)

Poses = npt.NDArray[np.float64]
"""Poses in the columns of an action space (x, y, z in m, θ in rad, …), NaN where not used."""

AHEAD = 0.1
"""Seconds that a stamp may be ahead of the clock: synchronised clocks differ, /clock ticks late."""

UNSEEN = 0.55
"""Metres that the base may go backward where no sensor looks: half a metre, and what rounding and
a base that still rolls add to it."""

SEEN_STEP = 0.05
"""Metres from one place on the way that is looked for in the depth image to the next."""
OCCLUDED = 0.9
"""What is nearer than this share of the floor's distance stands before the floor."""
NEIGHBOUR = 0.15
"""Metres from a LiDAR return to the next one of the same thing, at the distances driven to."""


def check_age(name: str, stamp: int, now: int, limit: float) -> None:
    """STALE_SENSOR if data is older than `limit` seconds, or more than AHEAD from the future."""
    age = (now - stamp) * 1e-9
    if age > limit:
        raise Refusal(
            Reason.STALE_SENSOR,
            f"the {name} is {age:.1f} s old, {limit:g} s are allowed: is its sensor running?",
        )
    if age < -AHEAD:
        raise Refusal(
            Reason.STALE_SENSOR,
            f"the {name} is {-age:.1f} s ahead of the clock: are the clocks synchronised, and does "
            "use_sim_time fit?",
        )


def check_familiar(scene: Scene, under_way: bool = False) -> None:
    """UNFAMILIAR if the image is unlike those that the thresholds were chosen on, and unlike those
    of a drive that has begun where the task is `under_way`.
    """
    # Negated, because the distance of a fault is NaN.
    if not scene.unfamiliarity <= (UNFAMILIAR_UNDER_WAY if under_way else UNFAMILIAR):
        raise Refusal(
            Reason.UNFAMILIAR,
            "the image is unlike those that the model was calibrated on, "
            f"{scene.unfamiliarity:.1f} times as far from them as is allowed: calibrate it on "
            "images of this camera",
        )


def check_positions(step: SkillStep, max_spread: float) -> None:
    """NO_POSITION if a target or destination has no position, or too uncertain a one."""
    for thing in (step.target, step.destination):
        if thing is None:
            continue
        if thing.position is None:
            raise unplaced(thing)
        # Negated, because an unknown spread is NaN.
        if not thing.spread <= max_spread:
            raise Refusal(
                Reason.NO_POSITION,
                f"the position of '{thing.phrase}' is uncertain by {thing.spread:.2f} m, "
                f"{max_spread:g} m are allowed: {_better(thing)}",
            )


def unplaced(thing: SceneObject) -> Refusal:
    """NO_POSITION, for an object that is seen nowhere in particular."""
    return Refusal(
        Reason.NO_POSITION,
        f"I see '{thing.phrase}', but not where it is: check camera_info, or move so that "
        "its foot is in the image",
    )


def is_within(poses: Poses, reach: float, ahead: float) -> bool:
    """Whether the arm gets to all poses [K,4] from where the base stands: none farther away than
    `reach`, and all `ahead` or more before the robot (m).
    """
    used = poses[~np.isnan(poses[:, :2]).any(axis=1)]  # events of the gripper have no pose
    far = float(np.hypot(used[:, 0], used[:, 1]).max(initial=0.0))
    return far <= reach and float(used[:, 0].min(initial=np.inf)) >= ahead


def check_reach(
    step: SkillStep, poses: Poses, space: ActionSpace, reach: float, ahead: float
) -> None:
    """UNREACHABLE if a pose [K,D] of a step is beyond the arm or outside the action space."""
    thing = step.target or step.destination
    what = f"to {step.said} at '{thing.phrase if thing else ''}'"
    if step.pose_of is PoseFrame.TOOL and not is_within(poses, reach, ahead):
        far = float(np.nanmax(np.hypot(poses[:, 0], poses[:, 1])))
        near = float(np.nanmin(poses[:, 0]))
        wrong = (
            f"the arm must reach {far:.2f} m, it reaches {reach:g} m: bring the robot nearer"
            if far > reach
            else f"the arm works from {ahead:g} m ahead on, this is {near:.2f} m ahead: turn the "
            "robot to it"
        )
        raise Refusal(Reason.UNREACHABLE, f"{what} {wrong}")
    low, high = np.array(space.low), np.array(space.high)
    # Not compared are NaN, which are not used, and the last bits of an angle of half a turn.
    outside = np.argwhere((poses < low - 1e-6) | (poses > high + 1e-6))
    if len(outside):
        row, column = outside[0]
        raise Refusal(
            Reason.UNREACHABLE,
            f"{what} needs {space.columns[1 + column]} = {poses[row, column]:.2f}, commands reach "
            f"from {low[column]:g} to {high[column]:g}: bring the robot nearer",
        )


def check_path(
    step: SkillStep,
    way: Poses,
    observation: Observation,
    corridor: float,
    age: float,
) -> str:
    """PATH_BLOCKED if a LiDAR return, or what the range sensor sees, is within `corridor` (m) of
    the way from the base through places x, y [K,2], and STALE_SENSOR if one of the two was there
    and no longer watches.

    Returns:
        A remark if there never was a LiDAR on how little was checked, otherwise nothing.
    """
    obstacles, reading = observation.obstacles, observation.range
    if isinstance(obstacles, Missing) and obstacles.lost:
        raise Refusal(
            Reason.STALE_SENSOR,
            f"the LiDAR was lost, nobody watches the path: {obstacles.reason}; is the LiDAR "
            "running (or the depth camera), and fusion_node?",
        )
    if isinstance(reading, Missing) and reading.lost:
        raise Refusal(
            Reason.STALE_SENSOR,
            f"the range sensor was lost, which watches the path: {reading.reason}; is it running?",
        )
    seen = []
    if not isinstance(obstacles, Missing):
        check_age("LiDAR scan", obstacles.stamp, observation.now, age)
        seen.append(obstacles.points)
    if not isinstance(reading, Missing):
        check_age("reading of the range sensor", reading.stamp, observation.now, age)
        seen.append(reading.arc)
    remark = ""
    if isinstance(obstacles, Missing):
        how = "checked by the range sensor alone" if seen else "not checked"
        remark = f"the path is {how}: {obstacles.reason}"
    elif obstacles.by_camera and (unseen := _unseen(way, observation, corridor)) > 0:
        remark = f"the path is checked by the depth camera, which does not see {unseen:.1f} m of it"
    if not seen:
        return remark
    points = np.concatenate(seen)[:, :2].astype(np.float64)
    blocking = points[_distances(points, way) <= corridor]
    nearest_first = blocking[np.argsort(np.hypot(*blocking.T), kind="stable")]
    first = next((place for place in nearest_first if _has_neighbour(place, points)), None)
    if first is not None:
        x, y = first
        to = f" to '{step.target.phrase}'" if step.target else ""
        raise Refusal(
            Reason.PATH_BLOCKED,
            f"something at ({x:.2f}, {y:.2f}) is in the way{to}: clear the path",
        )
    return remark


def check_behind(way: Poses, observation: Observation) -> None:
    """STALE_SENSOR for a way backward through places x, y [H,2] that is longer than UNSEEN, unless
    the LiDAR looks there: it sees something in the quarter behind the base, however far away.
    """
    obstacles = observation.obstacles
    points = np.empty((0, 3)) if isinstance(obstacles, Missing) else obstacles.points
    seen = np.abs(points[:, 1]) <= -points[:, 0]
    length = float(np.hypot(*way[-1]))
    if length > UNSEEN and not seen.any():
        raise Refusal(
            Reason.STALE_SENSOR,
            "no sensor sees what is behind me, and unseen I go back half a metre at most: say "
            "'turn around' first, then 'move forward'",
        )


def check_body(step: SkillStep, observation: Observation, later: bool) -> None:
    """PRECONDITION if the robot has not what a step moves: an arm that tells its joints, a gripper
    that tells whether it holds something. Where there is no robot at all, this holds what is done
    now, and not what comes `later`.
    """
    needs = {
        "joint_states": (observation.joints, step.pose_of is PoseFrame.TOOL),
        "gripper_state": (
            observation.gripper,
            step.gripper is not GripperEffect.KEEP or step.precondition is not Grip.ANY,
        ),
    }
    for topic, (state, needed) in needs.items():
        if needed and isinstance(state, Missing) and not (later and state == NO_ROBOT):
            raise Refusal(
                Reason.PRECONDITION,
                f"to {step.said} I need an arm with a gripper ({state.reason}): publish {topic}, "
                "or take the skill out of the skills file",
            )
    check_gripper(step, observation.gripper)


def check_gripper(step: SkillStep, gripper: GripperState | Missing) -> None:
    """PRECONDITION if the gripper is known not to be what a step needs."""
    if isinstance(gripper, Missing) or step.precondition is Grip.ANY:
        return
    if gripper.holding and step.precondition is Grip.EMPTY:
        raise Refusal(
            Reason.PRECONDITION,
            f"to {step.said} the gripper must be empty, it holds something: take it out",
        )
    if not gripper.holding and step.precondition is Grip.HOLDING:
        raise Refusal(
            Reason.PRECONDITION,
            f"to {step.said} the gripper must hold something, it is empty: pick it up first",
        )


def _unseen(way: Poses, observation: Observation, corridor: float) -> float:
    """Metres of the way through places [K,2] on which the depth image does not show the floor
    from side to side; what the robot drove past a moment ago counts as not seen.
    """
    ends = np.vstack([np.zeros(2), way])
    steps = np.diff(ends, axis=0)
    lengths = np.hypot(*steps.T)
    if isinstance(observation.camera, Missing) or isinstance(observation.depth, Missing):
        return float(lengths.sum())
    unseen = 0.0
    for start, step, length in zip(ends, steps, lengths, strict=False):
        if not length:
            continue
        shares = np.arange(0.5, max(1, round(length / SEEN_STEP))) * SEEN_STEP / length
        side = np.array([-step[1], step[0]]) * corridor / length
        shown = [
            _shown(start + shares[:, None] * step + off, observation.camera, observation.depth)
            for off in (-side, 0 * side, side)
        ]
        unseen += length * (1 - float(np.all(shown, axis=0).mean()))
    return unseen


def _shown(places: Poses, camera: Camera, depth: DepthImage) -> npt.NDArray[np.bool_]:
    """Whether the floor at places [K,2] is in the depth image, and nothing before it."""
    pixels, away = camera.project(np.column_stack([places, np.zeros(len(places))]))
    inside = np.isfinite(away)
    columns, rows = np.rint(pixels[inside]).astype(int).T
    found = np.zeros(len(places), bool)
    with np.errstate(invalid="ignore"):  # NaN shows nothing
        found[inside] = depth.depth[rows, columns] > OCCLUDED * away[inside]
    return found


def _has_neighbour(place: Poses, points: Poses) -> bool:
    """Whether a return [2] is not alone among all [N,2]: a lone one is the floor's noise."""
    near = np.linalg.norm(points - place, axis=1) <= NEIGHBOUR
    return bool(np.count_nonzero(near) > 1)  # one of them is itself


def _distances(points: Poses, way: Poses) -> Poses:
    """Distances [N] of points [N,2] from the polyline from the origin through places [K,2]."""
    ends = np.vstack([np.zeros(2), way])
    nearest = np.full(len(points), np.inf)
    for start, end in pairwise(ends):
        step, off = end - start, points - start
        length = float(step @ step)
        along = np.clip(off @ step / length, 0, 1) if length > 0 else np.zeros(len(points))
        nearest = np.minimum(nearest, np.linalg.norm(off - along[:, None] * step, axis=1))
    return nearest


def _better(thing: SceneObject) -> str:
    if thing.source is PositionSource.GROUND_PLANE and thing.position:
        return f"come nearer than {np.hypot(*thing.position[:2]):.1f} m, or use a LiDAR or depth"
    return "come nearer, or look from another side"
