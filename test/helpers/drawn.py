"""What tests of images share."""

from typing import NamedTuple


class Written(NamedTuple):
    """A text on an image: its ends and its baseline in pixels of the part it is written on."""

    text: str
    left: int
    right: int
    baseline: int
    shape: tuple[int, int]
