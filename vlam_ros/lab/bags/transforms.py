"""Where the frames of a robot are, from tf and tf_static of a bag, as tf2 tells it live."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import BASE_FRAME, ODOM_FRAME, Mount, odometry_between
from vlam_ros.ros.rotations import rotation_matrix
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import FloatArray, Odometry
from vlam_ros.types.history import History

WINDOW = 10_000_000_000
"""ns; for so long a moving frame's transforms are kept, as tf2 does."""


class Quaternion(NamedTuple):
    """As in messages; of unit length."""

    w: float
    x: float
    y: float
    z: float


@dataclass(frozen=True)
class _Link:
    """The pose of a frame in its parent at a stamp (ns); `rotation` is the quaternion w, x, y, z,
    `position` in m.
    """

    stamp: int
    parent: str
    rotation: FloatArray
    position: FloatArray

    def towards(self, other: _Link, stamp: int) -> _Link:
        """Between this and a later one: linear, and by the shortest turn at an even rate."""
        if self.parent != other.parent:
            return self
        share = (stamp - self.stamp) / (other.stamp - self.stamp)
        position = (1 - share) * self.position + share * other.position
        return _Link(stamp, self.parent, _slerp(self.rotation, other.rotation, share), position)


class TransformTree:
    """The frames of a robot as they were at the time of the bag that was added last.

    A transform in tf_static holds for ever, one in tf for ten seconds. Between stamps it is
    interpolated, beyond them it is not known. When stamps jump back, as in a bag that loops, what
    moved is forgotten.
    """

    def __init__(self) -> None:
        self._static: dict[str, _Link] = {}
        self._moving: dict[str, History[_Link]] = {}
        self._refused: dict[str, str] = {}

    @property
    def source(self) -> str:
        """For people: what was asked."""
        return "tf or tf_static, which the bag holds"

    def add(self, message: Any, static: bool) -> None:
        """Take a tf2_msgs/TFMessage. A transform that is not filled in is told of only when it is
        asked for, and no good one of the same frame came.
        """
        for transform in message.transforms:
            child = _plain(transform.child_frame_id)
            try:
                link = _link(transform, child)
            except SensorError as error:
                self._refused[child] = str(error)
                continue
            self._refused.pop(child, None)
            if static:
                self._static[child] = link
                self._moving.pop(child, None)
                continue
            self._static.pop(child, None)
            if self._moving.setdefault(child, History(WINDOW)).add(link):
                self._moving = {child: self._moving[child]}

    def mount(self, frame_id: str, stamp: int) -> Mount | None:
        """See TransformSource; a frame with a prefix is looked for in its own `base_link` first.

        Raises:
            SensorError: the transform is not filled in, or the frames go round in a circle.
        """
        frame = _plain(frame_id)
        prefix = frame.rpartition("/")[0]
        bases = [f"{prefix}/{BASE_FRAME}", BASE_FRAME] if prefix else [BASE_FRAME]
        for base in bases:
            found = self._between(base, frame, stamp) or self._latest(base, frame)
            if found is not None:
                return found
        for end in (frame, *bases):
            self._explain(end)
        return None

    def odometry(self, span: tuple[int, int]) -> list[Odometry]:
        """See TransformSource; nothing if that is not known, or the stamps are the same."""
        poses = [self._between(ODOM_FRAME, BASE_FRAME, stamp) for stamp in span]
        return odometry_between(span, poses)

    def _latest(self, base: str, frame: str) -> Mount | None:
        """The transform at the last time for which all links between are known."""
        below = {above: newest for above, _, newest in self._upwards(base, None)}
        for above, _, newest in self._upwards(frame, None):
            if above in below:
                stamps = [s for s in (newest, below[above]) if s is not None]
                return self._between(base, frame, min(stamps)) if stamps else None
        return None

    def _between(self, base: str, frame: str, stamp: int) -> Mount | None:
        """The pose of a frame in another one, by the frame that is above both; None if there is
        none at that stamp.
        """
        below = {above: pose for above, pose, _ in self._upwards(base, stamp)}
        for above, outer, _ in self._upwards(frame, stamp):
            inner = below.get(above)
            if inner is not None and (frame != base or self._known(frame)):
                turned = inner.rotation.T
                return Mount(turned @ outer.rotation, turned @ (outer.position - inner.position))
        return None

    def _known(self, frame: str) -> bool:
        return (
            frame in self._static
            or frame in self._moving
            or any(link.parent == frame for link in self._static.values())
            or any(i.parent == frame for h in self._moving.values() for i in h.items[-1:])
        )

    def _upwards(self, frame: str, stamp: int | None) -> Iterator[tuple[str, Mount, int | None]]:
        """The frame itself, its parent and so on, as far as known at a stamp; None: the newest.
        Of each the pose of the frame in it, and the oldest of the newest stamps (ns) of the moving
        links between, None if none moves. Frames that go round in a circle come once.
        """
        pose, newest, seen = Mount(np.eye(3), np.zeros(3)), None, set[str]()
        while frame not in seen:
            yield frame, pose, newest
            seen.add(frame)
            link = self._above(frame, stamp)
            if link is None:
                return
            turn = rotation_matrix(Quaternion(*link.rotation))
            pose = Mount(turn @ pose.rotation, turn @ pose.position + link.position)
            if frame in self._moving:
                newest = link.stamp if newest is None else min(newest, link.stamp)
            frame = link.parent

    def _explain(self, frame: str) -> None:
        """Tell why nothing is known beyond the last frame above this one, if that is an error.

        Raises:
            SensorError: its transform is not filled in, or there is a circle.
        """
        frames = [above for above, _, _ in self._upwards(frame, None)]
        above = self._above(frames[-1], None)
        if above is not None:
            circle = ", ".join([*frames, above.parent])
            raise SensorError(f"transforms must not go round in a circle, got {circle}")
        if frames[-1] in self._refused:
            raise SensorError(f"{self._refused[frames[-1]]} (the transform of {frames[-1]!r})")

    def _above(self, frame: str, stamp: int | None) -> _Link | None:
        """The link from a frame to its parent at a stamp, or the newest one."""
        if frame in self._static:
            return self._static[frame]
        history = self._moving.get(frame)
        if history is None:
            return None
        if stamp is None:
            return history.newest
        around = history.around(stamp, stamp)
        exact = [link for link in around if link.stamp == stamp]
        if exact or len(around) < 2 or around[-1].stamp < stamp:
            return exact[0] if exact else None
        return around[0].towards(around[1], stamp)


def _plain(frame: str) -> str:
    return frame.lstrip("/")


def _link(message: Any, child: str) -> _Link:
    """Checks a TransformStamped.

    Raises:
        SensorError: it is not filled in.
    """
    parent, moved = _plain(message.header.frame_id), message.transform.translation
    position = np.array([moved.x, moved.y, moved.z], float)
    q = message.transform.rotation
    rotation = np.array([q.w, q.x, q.y, q.z], float)
    rotation_matrix(Quaternion(*rotation.tolist()))
    if not np.isfinite(position).all():
        raise SensorError(f"a translation must be finite, got {position.tolist()}")
    if not child or not parent or child == parent:
        raise SensorError(f"a transform needs two frames, got {parent!r} and {child!r}")
    return _Link(nanoseconds(message.header.stamp), parent, _unit(rotation), position)


def _unit(q: FloatArray) -> FloatArray:
    return q / math.sqrt(sum(q**2))


def _slerp(one: FloatArray, other: FloatArray, share: float) -> FloatArray:
    """Shoemake, Animating rotation with quaternion curves, 1985."""
    cosine = float(sum(one * other))
    if cosine < 0:  # the same rotation, but the shorter way there
        other, cosine = -other, -cosine
    angle = math.acos(min(1.0, cosine))
    if angle < 1e-6:
        return _unit((1 - share) * one + share * other)
    return _unit(math.sin((1 - share) * angle) * one + math.sin(share * angle) * other)
