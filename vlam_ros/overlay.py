"""A picture of a decision: what was asked, what is seen, what is planned, and the verdict.

The camera picture with a mask, box and label for every object, target and destination emphasised,
between a header with the instruction and a footer with the plan and the verdict.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from vlam_ros.types import Decision, Outcome, Plan, SceneObject, Uint8Array, Verdict

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels."""

MIN_WIDTH = 640
MAX_HEIGHT = 1080
"""Small pictures are enlarged to this width, but not beyond this height."""

INK: Colour = (20, 22, 27)
PANEL: Colour = (32, 35, 43)
PAPER: Colour = (242, 244, 247)
QUIET: Colour = (196, 203, 214)
TARGET: Colour = (255, 72, 168)
DESTINATION: Colour = (40, 205, 255)
OTHER: Colour = (186, 198, 255)
SHADE = 0.75
"""Brightness of what is no object when there is a target, so that it stands out."""

VERDICT_COLOURS: dict[Outcome, Colour] = {
    Outcome.EXECUTE: (70, 205, 125),
    Outcome.HOLD: (255, 184, 48),
    Outcome.DONE: (98, 166, 255),
}

# Pixels of a text of size 1: from line to line, and from the top of a line to its baseline.
_LINE, _BASELINE = 38, 27
_REGULAR, _BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX
_LONGEST = 500
"""Characters shown of an instruction or message, which may come from a stranger."""

_PLAIN = str.maketrans(
    {"⟨": "<", "⟩": ">", "→": "->", "←": "<-", "–": "-", "—": "-", "×": "x", "·": ".", "…": "...",
     "≤": "<=", "≥": ">=", "±": "+-", "°": " deg", "θ": "theta", "σ": "sigma", "“": '"', "”": '"',
     "„": '"', "‘": "'", "’": "'"}
)  # fmt: skip


class _Style(NamedTuple):
    """How an object is drawn; sizes at a width of 640."""

    colour: Colour
    opacity: float
    thickness: float
    role: str


_OTHER_STYLE = _Style(OTHER, 0.30, 1.0, "")
_TARGET_STYLE = _Style(TARGET, 0.40, 2.5, "target")
_DESTINATION_STYLE = _Style(DESTINATION, 0.35, 2.5, "destination")


def draw_overlay(image: Uint8Array, decision: Decision, instruction: str) -> Uint8Array:
    """Draw a decision over the picture it was made on.

    Args:
        image: uint8[H,W,3] RGB, the picture of the observation.
        decision: boxes in pixels of `image`, masks at any resolution over the whole of it.
        instruction: the text as it was given.

    Returns:
        uint8[H',W',3] RGB, at least 640 wide, higher than the picture by header and footer.
    """
    height, width = image.shape[:2]
    scale = max(1.0, min(MIN_WIDTH / width, MAX_HEIGHT / height))
    size = (round(width * scale), round(height * scale))
    columns = max(MIN_WIDTH, size[0])
    left = (columns - size[0]) // 2
    canvas = np.full((size[1], columns, 3), INK, dtype=np.uint8)
    canvas[:, left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    _draw_objects(canvas, canvas[:, left : left + size[0]], decision, left, scale)
    said = _shortened(instruction) or "no instruction"
    header = _band([(said, 0.62, _BOLD)], PAPER, PANEL, columns)
    plan = _band([(decision.plan.trace or "no plan", 0.5, _REGULAR)], QUIET, PANEL, columns)
    return np.vstack([header, canvas, plan, _verdict_band(decision.verdict, columns)])


def _verdict_band(verdict: Verdict, columns: int) -> Uint8Array:
    title = verdict.outcome.name
    if verdict.reason:
        title += f": {verdict.reason.name}"
    elif verdict.outcome is Outcome.EXECUTE:
        title += f" with confidence {verdict.confidence:.2f}"
    paragraphs = [(title, 0.62, _BOLD), (_shortened(verdict.message), 0.5, _REGULAR)]
    return _band(paragraphs, INK, VERDICT_COLOURS[verdict.outcome], columns)


def _band(
    paragraphs: Sequence[tuple[str, float, int]], ink: Colour, paper: Colour, columns: int
) -> Uint8Array:
    """Paragraphs (text, size, font), wrapped, on a strip as wide as the picture."""
    unit = columns / MIN_WIDTH
    margin = round(14 * unit)
    lines = [
        (line, size * unit, font)
        for text, size, font in paragraphs
        for line in _wrapped(_plain(text), columns - 2 * margin, font, size * unit)
    ]
    heights = [round(_LINE * size) for _, size, _ in lines]
    padding = round(8 * unit)
    band = np.full((sum(heights) + 2 * padding, columns, 3), paper, dtype=np.uint8)
    y = padding
    for (line, size, font), height in zip(lines, heights, strict=True):
        _write(band, line, (margin, y + round(_BASELINE * size)), font, size, ink)
        y += height
    return band


def _draw_objects(
    canvas: Uint8Array, picture: Uint8Array, decision: Decision, left: int, scale: float
) -> None:
    """Draw masks on the picture, which is a part of the canvas, and boxes and labels beyond it."""
    unit = canvas.shape[1] / MIN_WIDTH
    target, destination = _roles(decision.plan)
    styled = [(o, _style(o, target, destination)) for o in decision.scene.objects]
    # What matters is drawn last, and labelled first.
    styled.sort(key=lambda pair: pair[1].opacity)
    clear = picture.copy()
    if any(style is _TARGET_STYLE for _, style in styled):
        np.multiply(picture, SHADE, out=picture, casting="unsafe")
    for thing, style in styled:
        _draw_mask(picture, clear, thing, style, unit)
    boxes = []
    for thing, style in styled:
        x0, y0, x1, y1 = (round(c * scale) for c in thing.box)
        boxes.append((left + x0, y0, left + x1, y1))
        thickness = _pixels(style.thickness * unit)
        cv2.rectangle(canvas, boxes[-1][:2], boxes[-1][2:], style.colour, thickness)
    taken: list[Rectangle] = []
    for (thing, style), box in zip(reversed(styled), reversed(boxes), strict=True):
        taken.append(_draw_label(canvas, _label(thing, style), box, style, taken))


def _style(thing: SceneObject, target: SceneObject | None, place: SceneObject | None) -> _Style:
    if _is_same(thing, target):
        return _TARGET_STYLE
    return _DESTINATION_STYLE if _is_same(thing, place) else _OTHER_STYLE


def _roles(plan: Plan) -> tuple[SceneObject | None, SceneObject | None]:
    """The target and the destination of the steps that are still to be done."""
    steps = plan.steps[plan.current :]
    target = next((s.target for s in steps if s.target), None)
    return target, next((s.destination for s in steps if s.destination), None)


def _is_same(thing: SceneObject, other: SceneObject | None) -> bool:
    return other is not None and (thing.phrase, thing.box) == (other.phrase, other.box)


def _label(thing: SceneObject, style: _Style) -> str:
    label = f"{thing.phrase} {thing.score:.2f}"
    if style.role and thing.position is not None:
        label += f", {math.hypot(*thing.position[:2]):.2f} m"
    return f"{style.role}: {label}" if style.role else label


def _draw_mask(
    picture: Uint8Array, clear: Uint8Array, thing: SceneObject, style: _Style, unit: float
) -> None:
    size = (picture.shape[1], picture.shape[0])
    mask = cv2.resize(thing.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inside = mask > 0
    tint = style.opacity * np.array(style.colour)
    picture[inside] = ((1 - style.opacity) * clear[inside] + tint).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, outlines, -1, style.colour, _pixels(unit), cv2.LINE_AA)


def _draw_label(
    canvas: Uint8Array, label: str, box: Rectangle, style: _Style, taken: Sequence[Rectangle]
) -> Rectangle:
    """Write a label above, below or in the box, wherever none is yet; returns its rectangle."""
    unit = canvas.shape[1] / MIN_WIDTH
    text, font, size = _plain(label), _BOLD if style.role else _REGULAR, 0.45 * unit
    width, height = round(_text_width(text, font, size) + 10 * unit), round(19 * unit)
    x, lowest = max(0, min(box[0], canvas.shape[1] - width)), canvas.shape[0] - height
    rows = [box[1] - height, *range(box[3], lowest, height), box[1], box[3] - height]
    places = [(x, y, x + width, y + height) for y in rows if 0 <= y <= lowest]
    free = [p for p in places if not any(_overlap(p, t) for t in taken)]
    place = (free or places or [(x, 0, x + width, height)])[0]
    cv2.rectangle(canvas, place[:2], place[2:], style.colour, cv2.FILLED)
    origin = (place[0] + round(5 * unit), place[1] + round(14 * unit))
    _write(canvas, text, origin, font, size, INK)
    return place


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _pixels(size: float) -> int:
    return max(1, round(size))


def _write(
    picture: Uint8Array, text: str, origin: tuple[int, int], font: int, size: float, ink: Colour
) -> None:
    cv2.putText(picture, text, origin, font, size, ink, _pixels(size), cv2.LINE_AA)


def _text_width(text: str, font: int, size: float) -> int:
    return int(cv2.getTextSize(text, font, size, _pixels(size))[0][0])


def _plain(text: str) -> str:
    """The text in the printable ASCII of OpenCV's fonts, "?" for what has no likeness there."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    kept = (c for c in decomposed if not unicodedata.combining(c))
    return "".join(" " if c.isspace() else c if " " <= c <= "~" else "?" for c in kept)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _wrapped(text: str, width: float, font: int, size: float) -> list[str]:
    """Lines of at most `width` pixels; a word that is longer is broken, nothing is left out."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if _text_width(longer, font, size) <= width:
            lines[-1:] = [longer]
            continue
        lines.append("")
        for character in word:
            if lines[-1] and _text_width(lines[-1] + character, font, size) > width:
                lines.append("")
            lines[-1] += character
    return lines
