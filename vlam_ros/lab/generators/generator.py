"""What every image generator gives: an image, and what is true of each thing in it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from vlam_ros.types import Uint8Array

NONE = ""
"""A noun or colour of which the vocabulary has none: every one of them is false of the thing."""
UNDECIDED = "?"
"""A noun or colour that is neither true nor false of a thing: nothing is asked of it."""
MAX_THINGS = 24
"""Things in an image."""


@dataclass(frozen=True)
class Thing:
    """What one thing is called: a noun and a colour of the `Vocabulary`, or NONE, or UNDECIDED."""

    noun: str
    colour: str


@dataclass(frozen=True)
class LabelledImage:
    """An image uint8[H,W,3] RGB and uint8[H,W] with i + 1 on the visible pixels of `things[i]`, 0
    on what is no thing: floor, walls, furniture.
    """

    image: Uint8Array
    labels: Uint8Array
    things: tuple[Thing, ...]


class ImageGenerator(Protocol):
    """Draws images. Use it as a context manager: it holds a renderer."""

    def __enter__(self) -> ImageGenerator: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def draw(self, split: str, index: int) -> LabelledImage:
        """The image with this index in a split, "train", "validation" or "test": the same whenever
        it is asked for, with at most MAX_THINGS things.
        """
