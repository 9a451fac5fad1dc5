"""Which topic of a bag is the robot's image, LiDAR, instruction …, whatever it is called.

A role is named as the topic that our nodes use for it. What is not mapped is found by that name, in
any namespace, and else by its type. Of several topics that one is taken whose name says least that
it is something else (a camera's depth, its right image, its own IMU), and a remark says so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vlam_ros.errors import ReplayError
from vlam_ros.interface import DEPTH_CAMERA, FUSION, TABLE, VLAM, Found

_USED = [topic for topic in TABLE if topic.found is not Found.NOT]
ROLES = {topic.role: topic.type for topic in _USED}
"""The type of each role's messages."""

IMAGES = tuple(topic.role for topic in _USED if topic.field == "image")
_DEPTHS = tuple(topic.role for topic in _USED if topic.sensor is DEPTH_CAMERA)
RAW = tuple(t.role for t in _USED if t.field == "depth" and FUSION in t.subscribers)
"""What fusion_node makes depth of."""
FUSED = tuple(topic.role for topic in _USED if topic.publisher == FUSION)
"""What fusion_node makes."""
DECISIONS = tuple(topic.role for topic in _USED if topic.publisher == VLAM)
"""What a decision is published as."""
_BY_TYPE = tuple(topic.role for topic in _USED if topic.found is Found.BY_TYPE)
"""Roles that are found by their type alone: any other topic of that type would do as well."""

_ELSE = 10
"""What a name says against a topic that is something else: it is not found by its type alone."""
_DEVICE = r"\b(camera|cam|zed\w?|oakd?|realsense|kinect|astra|d4\d\d\w?|t265)\d*\b"
_IMAGE_WORDS = {
    _ELSE: "depth|dispar|confiden|heatmap|mask|segment|semantic|label|overlay|overview|annotat"
    "|debug|dbg|detect|costmap|reflec|signal image|range image|nearir|stereo image",
    8: r"infra|thermal|\bir\d*\b",
    4: r"\bgr[ae]y\b|\bmono\b",
    3: r"\bright\d*\b",
    2: r"\bleft\d*\b",
    1: r"\brect|\bpreview\b",
}
_WORDS: dict[str, dict[int, str]] = {
    **dict.fromkeys((*IMAGES, "camera_info"), _IMAGE_WORDS),
    "points": {
        _ELSE: r"depth|\bmap\b|octomap|costmap|voxel|obstacle|ground|segment|cluster|radar|sonar",
        5: rf"filter|colou?r\b|\brgb|stereo|registered|{_DEVICE}",
    },
    "scan": {5: rf"depth|{_DEVICE}"},
    "imu": {
        _ELSE: r"\baccel|\bgyro",
        5: _DEVICE,
        3: "lidar|livox|ouster|velodyne",
        1: r"\braw\b",
    },
    "odom": {5: rf"visual|\bvi?o\b|rtabmap|slam|gps|gnss|truth|{_DEVICE}"},
}
"""Of each role, the words in a topic's name that speak against it, and how much."""


@dataclass(frozen=True)
class Assignment:
    """The topic of each role that the bag has, and remarks on what was chosen or left out."""

    topics: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> str:
        """The topic of the images, raw ones before compressed ones."""
        return next(self.topics[role] for role in IMAGES if role in self.topics)


def parse_mapping(text: str) -> tuple[str, str]:
    """A role and its topic from "image:=/camera/color/image_raw".

    Raises:
        ReplayError: it is no such text, or there is no such role.
    """
    role, sign, topic = (part.strip() for part in text.partition(":="))
    if not sign or not topic:
        raise ReplayError(f"a mapping is ROLE:=TOPIC, as image:=/camera/image_raw, got {text!r}")
    if role not in ROLES:
        near = difflib.get_close_matches(role, ROLES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ROLES)}"
        raise ReplayError(f"no role {role!r} can be mapped: {hint}")
    return role, topic


def assign(topics: Mapping[str, str], mapping: Mapping[str, str]) -> Assignment:
    """Find the roles among the topics of a bag, given with their types; `mapping` has the topics
    of roles where they are known.

    Raises:
        ReplayError: a mapped topic is not in the bag or of another type, or it is not clear which
            images are meant, or there are none.
    """
    found = dict(_mapped(role, topic, topics) for role, topic in mapping.items())
    notes: list[str] = []
    for roles in (IMAGES, *((role,) for role in ROLES if role not in IMAGES)):
        if not any(role in found for role in roles):
            _find(roles, topics, found, notes)
    notes += [
        f"{topic} ({kind}) is not read: publish PointCloud2, with xfer_format 0 of the driver"
        for topic, kind in topics.items()
        if kind.endswith("/CustomMsg") and "livox" in kind
    ]
    if not any(role in found for role in IMAGES):
        listed = ", ".join(f"{t} ({k})" for t, k in sorted(topics.items())) or "none at all"
        raise ReplayError(
            f"the bag has no images ({ROLES['image']} or CompressedImage), only: {listed}"
        )
    return Assignment(found, tuple(notes))


def _find(
    roles: Sequence[str], topics: Mapping[str, str], found: dict[str, str], notes: list[str]
) -> None:
    """Add the topic of one of some roles to `found`, if there is any.

    Raises:
        ReplayError: it is not clear which images are meant.
    """
    ranked = sorted(
        (rank, topic, role)
        for role in roles
        for topic, kind in topics.items()
        if kind == ROLES[role] and topic not in found.values()
        if (rank := _rank(topic, role, topics, found)) is not None
    )
    if not ranked:
        return
    (rank, topic, role), *others = ranked
    same = [t for r, t, _ in ranked if r == rank]
    any_of, how = ", ".join(same), f"as --map {role}:={topic}"
    if len(same) > 1 and role in IMAGES:
        raise ReplayError(
            f"the bag has several topics with images ({any_of}): say which is meant, {how}"
        )
    if len(same) > 1:
        notes.append(f"{role} is not used: it may be any of {any_of}; say which, {how}")
    elif role == "camera_info" and rank.against >= _ELSE:
        notes.append(
            f"camera_info is not used: {topic} is of other images; say if it is not, {how}"
        )
    else:
        found[role] = topic
        rivals = [t for _, t, _ in others if t != f"{topic}/compressed"]
        guessed = rank.against or rank.unnamed or rank.apart > 0 or rivals
        if rank.unlike and rank.apart >= 0 and guessed:
            instead = f", rather than {', '.join(rivals)}" if rivals else ""
            notes.append(f"{topic} is taken for {role}{instead}")


class _Rank(NamedTuple):
    """How little a topic fits a role: what its name says against it, how far a calibration is
    from the images, whether it has another path, another name, and is compressed; and how little
    of its namespace is that of the images.
    """

    against: int
    apart: int
    unlike: bool
    unnamed: bool
    packed: bool
    elsewhere: int


def _rank(
    topic: str, role: str, topics: Mapping[str, str], found: Mapping[str, str]
) -> _Rank | None:
    """None for a topic that is something else."""
    named = _is_named(topic, role)
    others = [r for r, k in ROLES.items() if k == topics[topic] and r != role]
    if not named and (role not in _BY_TYPE or any(_is_named(topic, r) for r in others)):
        return None
    namespace = topic.removesuffix(role)
    alone = not any(namespace + made in topics for made in FUSED if made != role)
    if role == "depth" and namespace.strip("/") and alone:  # some cameras call theirs so
        return None
    words = re.sub(r"(?<![a-z])depth_?(camera|cam|ai)(?![a-z])|rgbd", " camera ", topic.lower())
    words = re.sub(r"[\W_]+", " ", words)
    against = sum(w for w, pattern in _WORDS.get(role, {}).items() if re.search(pattern, words))
    image, apart, shared = next((found[r] for r in IMAGES if r in found), ""), 0, 0
    if role == "camera_info":
        beside = image.startswith(namespace)
        against, apart = (0, -len(namespace)) if beside else (against, 1)
    elif not named and against >= _ELSE:
        return None
    if image and role not in IMAGES:
        shared = int(topic.split("/")[1:2] == image.split("/")[1:2])
    return _Rank(against, apart, topic.lstrip("/") != role, not named, role == IMAGES[-1], -shared)


def _mapped(role: str, topic: str, topics: Mapping[str, str]) -> tuple[str, str]:
    if topic not in topics:
        near = difflib.get_close_matches(topic, topics, 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(topics))}"
        raise ReplayError(f"{role}:={topic}: the bag has no such topic; {hint}")
    kind = topics[topic]
    for fitting in next((roles for roles in (IMAGES, _DEPTHS) if role in roles), (role,)):
        if ROLES[fitting] == kind:
            return fitting, topic
    raise ReplayError(f"{role}:={topic}: the topic is of type {kind}, {ROLES[role]} is needed")


def _is_named(topic: str, role: str) -> bool:
    return f"/{topic.lstrip('/')}".endswith(f"/{role}")
