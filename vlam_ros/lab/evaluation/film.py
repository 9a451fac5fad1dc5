"""Films of a robot that carries out an instruction: from aside, with what it sees and plans, and as
a strip of a few small images of what it saw and decided.
"""

from __future__ import annotations

import io
import math

import cv2
import numpy as np
from PIL import Image

from vlam_ros.lab.visualization.jpeg import jpeg
from vlam_ros.types import Decision, Outcome, Uint8Array
from vlam_ros.visualization.canvas import (
    BOLD,
    INK,
    PANEL,
    PAPER,
    QUIET,
    REGULAR,
    Paragraph,
    band,
    fitted,
    plain,
    shortened,
    text_width,
    write,
)
from vlam_ros.visualization.overlay import VERDICT_COLOURS, Role, with_roles

PERIOD = 0.2
"""Seconds that a frame is shown."""
REST = 2.0
"""Seconds that the last one is shown."""
LONGEST = 150
"""Frames of a film at most: of a longer one it shows every second or third, for as long."""
COLOURS = 128
"""Colours of the one palette that all frames share."""
FRAMES, COLUMNS = 8, 4
"""Frames of a strip at most, and of them in a row."""
WIDTH = 256
"""Width in pixels of an image in the strip of an episode."""

_SEEN_WIDTH = 168  # pixels of what the robot sees, of its width
_UNIT = 0.75  # size of text, against that of an image of 640 pixels
_STEP_TEXT, _STEP_LINE = 0.38, 17  # size and pixels of a line of the plan
_QUALITY = 80
_STRIP_UNIT, _STRIP_QUALITY, _GAP, _MESSAGE = 0.6, 75, 4, 110
_COLOURED, _SAMPLE = 60, 20_000  # difference of channels that makes a pixel coloured; of each kind


class PlanProgress:
    """Which step of its plan a robot is at, told from the skills of its chunks."""

    def __init__(self) -> None:
        self.steps: tuple[str, ...] = ()
        self.current = 0
        """Index of the step; their number once all are done."""

    def follow(self, decision: Decision) -> None:
        steps = steps_of(decision.plan.trace) or self.steps
        if [_verb(step) for step in steps] != [_verb(step) for step in self.steps]:
            self.current = 0
        self.steps = steps
        if decision.verdict.outcome is Outcome.DONE:
            self.current = len(steps)
        if decision.verdict.outcome is not Outcome.EXECUTE:
            return
        skill = decision.chunk.skill.replace("_", " ")
        ahead = [i for i in range(self.current, len(steps)) if steps[i].startswith(skill)]
        self.current = ahead[0] if ahead else self.current


def steps_of(trace: str) -> tuple[str, ...]:
    """The steps of a plan in words, without places and scores: "go to red cup"."""
    return tuple(step.partition(" (")[0].strip() for step in trace.split("->") if step.strip())


def _verb(step: str) -> str:
    return " ".join(step.split()[:2])


class Film:
    """Collects frames of a mission, all of one size."""

    def __init__(self, instruction: str) -> None:
        self._instruction = instruction
        self._progress = PlanProgress()
        self._decision: Decision | None = None
        self._seen: Uint8Array | None = None
        self.frames: list[Uint8Array] = []

    def decided(self, decision: Decision, image: Uint8Array | None) -> None:
        self._decision = decision
        self._progress.follow(decision)
        if image is not None:
            seen = _marked(decision, image, _SEEN_WIDTH, 1)
            framed = cv2.copyMakeBorder(seen, 2, 0, 2, 0, cv2.BORDER_CONSTANT, value=PANEL)
            self._seen = np.asarray(framed, np.uint8)

    def saw(self, seconds: float, overview: Uint8Array) -> None:
        """It looks so from aside, so many seconds after the start: uint8[H,W,3] RGB."""
        image = overview.copy()
        width = image.shape[1]
        if self._seen is not None:
            height, across = self._seen.shape[:2]
            image[-height:, -across:] = self._seen
        self._draw_plan(image)
        said = Paragraph(fitted(self._instruction, width / 0.62, BOLD, 0.62 * _UNIT), 0.62, BOLD)
        header = band([said], PAPER, PANEL, width, _UNIT)
        self.frames.append(np.vstack([header, image, self._verdict(seconds, width)]))

    def gif(self) -> bytes:
        """The film as a GIF that plays again and again; it needs a frame."""
        stride = math.ceil(len(self.frames) / LONGEST)
        frames = [*self.frames[:-1:stride], self.frames[-1]]
        # One palette for all, and no dithering: what stands still costs no space then.
        palette = _palette(frames[:: max(1, len(frames) // 6)])
        images = [
            Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
            for frame in frames
        ]
        durations = [round(stride * PERIOD * 1000)] * len(images)
        durations[-1] = round(REST * 1000)
        file = io.BytesIO()
        images[0].save(
            file,
            "GIF",
            save_all=True,
            append_images=images[1:],
            duration=durations,
            loop=0,
            optimize=False,
        )
        return file.getvalue()

    def strip(self) -> bytes:
        frames = _evenly(self.frames)
        frames += [np.full_like(frames[0], PANEL)] * (-len(frames) % COLUMNS)
        rows = [np.hstack(frames[i : i + COLUMNS]) for i in range(0, len(frames), COLUMNS)]
        return jpeg(np.vstack(rows), _QUALITY)

    def _draw_plan(self, image: Uint8Array) -> None:
        steps = [plain(step) for step in self._progress.steps]
        if not steps:
            return
        wide = max(text_width(step, BOLD, _STEP_TEXT) for step in steps) + 30
        high = _STEP_LINE * len(steps) + 8
        image[:high, :wide] = PANEL
        for index, step in enumerate(steps):
            y = 4 + _STEP_LINE * index
            outcome = Outcome.DONE if index < self._progress.current else Outcome.EXECUTE
            begun = index <= self._progress.current
            colour = VERDICT_COLOURS[outcome] if begun else QUIET
            box = (8, y + 4), (16, y + 12)
            cv2.rectangle(image, *box, colour, cv2.FILLED if begun else 1)
            font = BOLD if index == self._progress.current else REGULAR
            write(image, step, (22, y + 13), font, _STEP_TEXT, PAPER if begun else QUIET)

    def _verdict(self, seconds: float, width: int) -> Uint8Array:
        """The time and the verdict, in one line whatever it says: frames are of one size."""
        said, colours = f"{seconds:.1f} s", (PAPER, PANEL)
        if self._decision is not None:
            verdict = self._decision.verdict
            colours = INK, VERDICT_COLOURS[verdict.outcome]
            said += f"  {verdict.outcome.name}"
            if verdict.reason:
                said += f" {verdict.reason.name}: {verdict.message}"
            elif verdict.outcome is Outcome.EXECUTE:
                said += f" {self._decision.chunk.skill} with confidence {verdict.confidence:.2f}"
        line = fitted(said, width - 40 * _UNIT, BOLD, 0.62 * _UNIT)
        return band([Paragraph(line, 0.62, BOLD)], *colours, width, _UNIT)


def _evenly(frames: list[Uint8Array]) -> list[Uint8Array]:
    """FRAMES of them at most, evenly chosen, the first and the last among them."""
    chosen = np.rint(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames)))).astype(int)
    return [frames[i] for i in chosen]


def _palette(frames: list[Uint8Array]) -> Image.Image:
    """The colours of some frames; half of them those of coloured things, which are small."""
    pixels = np.vstack(frames).reshape(-1, 3)
    coloured = np.ptp(pixels, axis=1) > _COLOURED
    rng = np.random.default_rng(0)
    kinds = [kind for kind in (pixels[~coloured], pixels[coloured]) if len(kind)]
    drawn = [rng.choice(kind, _SAMPLE) for kind in kinds]
    return Image.fromarray(np.concatenate(drawn).reshape(len(kinds), _SAMPLE, 3)).quantize(COLOURS)


def _marked(
    decision: Decision, image: Uint8Array, width: int, line: int, outline: int = 0
) -> Uint8Array:
    scale = width / image.shape[1]
    size = (width, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for thing, role in with_roles(decision.scene.objects, decision.plan):
        if role is not Role.NONE:
            x0, y0, x1, y1 = (round(c * scale) for c in thing.box)
            if outline:
                cv2.rectangle(small, (x0, y0), (x1, y1), INK, outline)
            cv2.rectangle(small, (x0, y0), (x1, y1), role.colour, line)
    return np.asarray(small, np.uint8)


class FilmStrip:
    """Collects the decisions of an episode, evenly thinned: the first and the last one are kept."""

    def __init__(self) -> None:
        self._kept: list[Uint8Array] = []
        self._last: tuple[float, Uint8Array, Decision] | None = None
        self._added, self._stride = 0, 1

    def add(self, seconds: float, image: Uint8Array, decision: Decision) -> None:
        """Hear of a decision on an image uint8[H,W,3] RGB, so many seconds after the start."""
        self._last = (seconds, image, decision)
        if self._added % self._stride == 0:
            self._kept.append(_frame(seconds, image, decision))
            # Twice as many as are shown, so that what is shown can be chosen evenly.
            if len(self._kept) > 2 * FRAMES:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._added += 1

    @property
    def frames(self) -> list[Uint8Array]:
        """Small images uint8[h,WIDTH,3] with their captions, FRAMES at most."""
        frames = list(self._kept)
        if self._last and (self._added - 1) % self._stride:
            frames.append(_frame(*self._last))
        return _evenly(frames)

    def image(self) -> Uint8Array:
        """All frames in rows of COLUMNS: uint8[H,W,3] RGB; one dark row of none."""
        images = self.frames or [_paper(WIDTH * 3 // 4, WIDTH)]
        rows = [images[i : i + COLUMNS] for i in range(0, len(images), COLUMNS)]
        columns = len(rows[0])
        return np.vstack([_row(row, columns, below=row is not rows[-1]) for row in rows])

    def jpeg(self) -> bytes:
        return jpeg(self.image(), _STRIP_QUALITY)


def _frame(seconds: float, image: Uint8Array, decision: Decision) -> Uint8Array:
    marked, verdict = _marked(decision, image, WIDTH, 2, outline=4), decision.verdict
    said = verdict.reason.name if verdict.reason else decision.chunk.skill or verdict.outcome.name
    if verdict.outcome is Outcome.DONE:
        said = verdict.outcome.name
    paragraphs = [Paragraph(f"{seconds:.1f} s: {said}", 0.62, BOLD)]
    if verdict.outcome is Outcome.HOLD:
        paragraphs.append(Paragraph(shortened(verdict.message, _MESSAGE), 0.58))
    caption = band(paragraphs, INK, VERDICT_COLOURS[verdict.outcome], WIDTH, _STRIP_UNIT)
    return np.vstack([marked, caption])


def _row(images: list[Uint8Array], columns: int, below: bool) -> Uint8Array:
    height = max(p.shape[0] for p in images)
    row = _paper(height + _GAP * below, columns * (WIDTH + _GAP) - _GAP)
    for index, image in enumerate(images):
        left = index * (WIDTH + _GAP)
        row[: image.shape[0], left : left + WIDTH] = image
    return row


def _paper(height: int, width: int) -> Uint8Array:
    return np.full((height, width, 3), PANEL, np.uint8)
