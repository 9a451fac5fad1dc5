"""Which topic of a bag is the robot's image, LiDAR, instruction …, whatever it is called.

A role is named as the topic that our nodes use for it. What is not mapped is found by that name, in
any namespace, and else by its type where there is only one topic of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

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
    taken = set(found.values())
    for role, kind in ROLES.items():
        if role in found or (role in IMAGES and any(p in found for p in IMAGES)):
            continue
        free = [t for t, k in topics.items() if k == kind and t not in taken]
        named = [t for t in free if _is_named(t, role)]
        candidates = [f"/{role}"] if f"/{role}" in named else named
        if not candidates and role in _BY_TYPE:
            others = [r for r, k in ROLES.items() if k == kind and r != role]
            candidates = [t for t in free if "depth" not in t.lower()]
            candidates = [t for t in candidates if not any(_is_named(t, r) for r in others)]
        if role == "camera_info":
            candidates = _beside(named or candidates, found)
        if len(candidates) == 1:
            found[role] = candidates[0]
            taken.add(candidates[0])
            if candidates[0] not in named:
                notes.append(f"{candidates[0]} is taken for {role}")
        elif candidates:
            any_of = ", ".join(sorted(candidates))
            how = f"as --map {role}:={min(candidates)}"
            if role in IMAGES:
                raise ReplayError(
                    f"the bag has several topics with images ({any_of}): say which is meant, {how}"
                )
            notes.append(f"{role} is not used: it may be any of {any_of}; say which, {how}")
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


def _beside(candidates: list[str], found: Mapping[str, str]) -> list[str]:
    """Of several calibrations the one that is beside the images, as image_transport has it."""
    image = next((found[role] for role in IMAGES if role in found), "")
    prefixes = {c: c.removesuffix("camera_info") for c in candidates}
    near = [c for c in candidates if image.startswith(prefixes[c])]
    longest = max((len(prefixes[c]) for c in near), default=0)
    return [c for c in near if len(prefixes[c]) == longest] or candidates
