"""Where a bag's sensors sit, as parameters, for nodes on a machine without tf2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import VlamError
from vlam_ros.interface import TABLE
from vlam_ros.lab.bags import BagReader, TransformTree
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import Assignment
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.rotations import roll_pitch
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import optical_rotation

FIRST = 5_000_000_000
"""ns of the bag in which its sensors and its transforms are looked for."""
ROLLED = 0.01
"""Elements of a camera's rotation that differ by more show that it is rolled."""

_SENSORS = {topic.role: topic.mount for topic in TABLE if topic.mount}
_TRANSFORMS = ("tf", "tf_static")
NodeSettings = TypeVar("NodeSettings", Settings, FusionNodeSettings)


def with_mounts(
    bag: BagReader,
    roles: Assignment,
    settings: Settings,
    fusion: FusionNodeSettings,
    notes: Notes,
) -> tuple[Settings, FusionNodeSettings]:
    """The settings of vlam_node and fusion_node, with the mounts that tf and tf_static tell."""
    found: dict[str, dict[str, Any]] = {}
    for group, (frame, mount) in _mounts(bag, roles, notes).items():
        place = _place_of_camera(mount, notes) if group == "camera" else _place(mount)
        if group == "imu":
            place = {name: place[name] for name in ("roll", "pitch", "yaw")}
        found[group] = {"frame_id": frame, **place}
    if found:
        notes.add(f"tf2 is not installed: parameters say where {', '.join(sorted(found))} sit")
    alike = replace(settings.camera, rectified=fusion.camera.rectified)
    return _placed(settings, found), _placed(replace(fusion, camera=alike), found)


def _placed(settings: NodeSettings, places: Mapping[str, Mapping[str, Any]]) -> NodeSettings:
    changes: dict[str, Any] = {
        group: replace(getattr(settings, group), **place)
        for group, place in places.items()
        if hasattr(settings, group)
    }
    return replace(settings, **changes)


def _mounts(bag: BagReader, roles: Assignment, notes: Notes) -> dict[str, tuple[str, Mount]]:
    """The frame and the mount of each sensor that transforms tell of, by its parameter group."""
    role_of = {roles.topics[r]: r for r in (*_SENSORS, *_TRANSFORMS) if r in roles.topics}
    if not any(role in role_of.values() for role in _TRANSFORMS):
        return {}
    tree, frames = TransformTree(), dict[str, tuple[str, int]]()
    for message in bag.messages(role_of):
        if message.received - bag.start > FIRST:
            break
        role = role_of[message.topic]
        try:
            content = message.read()
        except VlamError:
            continue  # it is told of when the bag is played
        if role in _TRANSFORMS:
            tree.add(content, static=role == "tf_static")
        else:
            header = content.header
            frames[_SENSORS[role]] = header.frame_id, nanoseconds(header.stamp)
    mounts = {}
    for group, (frame, stamp) in frames.items():
        try:
            mount = tree.mount(frame, stamp)
        except VlamError as error:
            notes.add(f"{group}: {error}")
            continue
        if mount is not None:
            mounts[group] = frame, mount
    return mounts


def _place(mount: Mount) -> dict[str, float]:
    roll, pitch = roll_pitch(mount.rotation)
    x, y, z = map(float, mount.position)
    yaw = math.atan2(mount.rotation[1, 0], mount.rotation[0, 0])
    return {"x": x, "y": y, "z": z, "roll": roll, "pitch": pitch, "yaw": yaw}


def _place_of_camera(mount: Mount, notes: Notes) -> dict[str, float]:
    x, y, z = map(float, mount.position)
    ahead = mount.rotation[:, 2]
    tilt = -math.asin(max(-1.0, min(1.0, float(ahead[2]))))
    yaw = math.atan2(ahead[1], ahead[0])
    if not np.allclose(optical_rotation(tilt, yaw), mount.rotation, atol=ROLLED):
        notes.add("the camera is rolled, which parameters cannot say: it is taken to be level")
    return {"x": x, "y": y, "height": z, "tilt": tilt, "yaw": yaw}
