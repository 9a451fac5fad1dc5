"""An image of a decision: what was asked, what is seen, what is planned, and the verdict.

The camera image with a mask, box and label for every object, target and destination emphasised,
between a header with the instruction and a footer with the plan and the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import Decision, Outcome, Plan, SceneObject, Uint8Array, Verdict
from vlam_ros.visualization.canvas import (
    BOLD,
    INK,
    PANEL,
    PAPER,
    QUIET,
    REGULAR,
    Colour,
    Enlarged,
    Paragraph,
    Rectangle,
    band,
    draw_label,
    enlarged,
    label_size,
    overlap,
    pixels,
    shortened,
)

SHADE = 0.75
"""Brightness of what is no object when there is a target, so that it stands out."""
HEAT = 0.8
"""Opacity of where a policy looks most."""

VERDICT_COLOURS: dict[Outcome, Colour] = {
    Outcome.EXECUTE: (70, 205, 125),
    Outcome.HOLD: (255, 184, 48),
    Outcome.DONE: (98, 166, 255),
}

_TITLE, _BODY = 0.62, 0.5
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
        """Its colour, the same in all images."""
        return _COLOURS[self]

    @property
    def rank(self) -> int:
        """What matters more is greater: it is drawn last, and labelled first."""
        return list(Role).index(self)

    @property
    def font(self) -> int:
        """The font of its label."""
        return BOLD if self.value else REGULAR


_COLOURS = {Role.NONE: OTHER, Role.DESTINATION: DESTINATION, Role.TARGET: TARGET}
_OPACITY = {Role.NONE: 0.30, Role.DESTINATION: 0.35, Role.TARGET: 0.40}
_THICKNESS = {Role.NONE: 1.0, Role.DESTINATION: 2.5, Role.TARGET: 2.5}


def draw_overlay(image: Uint8Array, decision: Decision, instruction: str) -> Uint8Array:
    """Draw a decision over the image it was made on.

    Args:
        image: uint8[H,W,3] RGB, the image of the observation.
        decision: boxes in pixels of `image`, masks at any resolution over the whole of it.
        instruction: the text as it was given.

    Returns:
        uint8[H',W',3] RGB, at least 640 wide, higher than the image by header and footer.
    """
    view = enlarged(image)
    _draw_objects(view, decision)
    return captioned(view.canvas, decision, instruction, view.unit)


def draw_attention(
    image: Uint8Array, attention: npt.NDArray[np.float32], decision: Decision, instruction: str
) -> Uint8Array:
    """Draw where a policy looked when it decided, over the image: the lighter, the more.

    Args:
        image, decision, instruction: as for `draw_overlay`.
        attention: float32[h,w], how much it looked at each cell of a grid over the image.
    """
    view = enlarged(image)
    height, width = view.image.shape[:2]
    share = attention / max(float(attention.max()), 1e-9)
    share = cv2.resize(share, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    heat = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = np.sqrt(share)[..., None] * HEAT
    view.image[:] = (1 - weight) * SHADE * view.image + weight * heat
    return captioned(view.canvas, decision, instruction, view.unit)


def _draw_objects(view: Enlarged, decision: Decision) -> None:
    """Draw masks on the image, and boxes and labels beyond it."""
    things = with_roles(decision.scene.objects, decision.plan)
    clear = view.image.copy()
    if any(role is Role.TARGET for _, role in things):
        np.multiply(view.image, SHADE, out=view.image, casting="unsafe")
    for thing, role in things:
        _draw_mask(view, clear, thing, role)
    boxes = []
    for thing, role in things:
        x0, y0, x1, y1 = (round(c * view.scale) for c in thing.box)
        boxes.append((view.left + x0, y0, view.left + x1, y1))
        thickness = pixels(_THICKNESS[role] * view.unit)
        cv2.rectangle(view.canvas, boxes[-1][:2], boxes[-1][2:], role.colour, thickness)
    taken: list[Rectangle] = []
    for (thing, role), box in zip(reversed(things), reversed(boxes), strict=True):
        label = label_of(thing, role)
        size = label_size(label, view.unit, role.font)
        taken.append(_place_of_label(view.canvas.shape[:2], size, box, taken))
        draw_label(view.canvas, label, taken[-1], role.colour, view.unit, role.font)


def _draw_mask(view: Enlarged, clear: Uint8Array, thing: SceneObject, role: Role) -> None:
    image, opacity = view.image, _OPACITY[role]
    size = (image.shape[1], image.shape[0])
    mask = cv2.resize(thing.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inside = mask > 0
    tint = opacity * np.array(role.colour)
    image[inside] = ((1 - opacity) * clear[inside] + tint).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(image, outlines, -1, role.colour, pixels(view.unit), cv2.LINE_AA)


def _place_of_label(
    shape: tuple[int, ...], size: tuple[int, int], box: Rectangle, taken: Sequence[Rectangle]
) -> Rectangle:
    """Where on a canvas [H,W] a label goes: above, below or in the box, wherever none is yet."""
    width, height = size
    x, lowest = max(0, min(box[0], shape[1] - width)), shape[0] - height
    rows = [box[1] - height, *range(box[3], lowest, height), box[1], box[3] - height]
    places = [(x, y, x + width, y + height) for y in rows if 0 <= y <= lowest]
    free = [p for p in places if not any(overlap(p, t) for t in taken)]
    return (free or places or [(x, 0, x + width, height)])[0]


def captioned(canvas: Uint8Array, decision: Decision, instruction: str, unit: float) -> Uint8Array:
    """The canvas between a header with the instruction and a footer with plan and verdict."""
    columns = canvas.shape[1]
    said = shortened(instruction) or "no instruction"
    header = band([Paragraph(said, _TITLE, BOLD)], PAPER, PANEL, columns, unit)
    trace = Paragraph(decision.plan.trace or "no plan", _BODY)
    plan = band([trace], QUIET, PANEL, columns, unit)
    return np.vstack([header, canvas, plan, _verdict(decision.verdict, columns, unit)])


def _verdict(verdict: Verdict, columns: int, unit: float) -> Uint8Array:
    title = verdict.outcome.name
    if verdict.reason:
        title += f": {verdict.reason.name}"
    elif verdict.outcome is Outcome.EXECUTE:
        title += f" with confidence {verdict.confidence:.2f}"
    paragraphs = [Paragraph(title, _TITLE, BOLD), Paragraph(shortened(verdict.message), _BODY)]
    return band(paragraphs, INK, VERDICT_COLOURS[verdict.outcome], columns, unit)


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
