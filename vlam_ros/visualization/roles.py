"""Which part an object plays in a plan, in which colour that is drawn, and how it is labelled."""

from __future__ import annotations

import math
from enum import Enum

from vlam_ros.types import Plan, SceneObject
from vlam_ros.visualization.canvas import BOLD, REGULAR, Colour

TARGET: Colour = (255, 72, 168)
DESTINATION: Colour = (40, 205, 255)
OTHER: Colour = (186, 198, 255)


class Role(Enum):
    """The part an object plays in the steps that are still to be done; the least one first."""

    NONE = ""
    DESTINATION = "destination"
    TARGET = "target"

    @property
    def colour(self) -> Colour:
        """In all images."""
        return _COLOURS[self]

    @property
    def rank(self) -> int:
        """What matters more is greater: it is drawn last, and labelled first."""
        return list(Role).index(self)

    @property
    def font(self) -> int:
        """Of the label."""
        return BOLD if self.value else REGULAR


_COLOURS = {Role.NONE: OTHER, Role.DESTINATION: DESTINATION, Role.TARGET: TARGET}


def with_roles(objects: tuple[SceneObject, ...], plan: Plan) -> list[tuple[SceneObject, Role]]:
    """The objects with their roles, in the order in which they are to be drawn."""

    def role(thing: SceneObject) -> Role:
        if thing.same_piece(plan.target):
            return Role.TARGET
        return Role.DESTINATION if thing.same_piece(plan.destination) else Role.NONE

    return sorted(((o, role(o)) for o in objects), key=lambda pair: pair[1].rank)


def label_of(thing: SceneObject, role: Role) -> str:
    """Phrase and score; of what the plan is about also its role and its distance."""
    label = f"{thing.phrase} {thing.score:.2f}"
    if role.value and thing.position is not None:
        label += f", {math.hypot(*thing.position[:2]):.2f} m"
    return f"{role.value}: {label}" if role.value else label
