"""What tests of images share."""

from typing import NamedTuple

import cv2
import pytest


class Written(NamedTuple):
    """A text on an image: its ends and its baseline in pixels of the part it is written on."""

    text: str
    left: int
    right: int
    baseline: int
    shape: tuple[int, int]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Written]:
    """What is written on images, in that order."""
    texts: list[Written] = []
    put = cv2.putText

    def record(image, text, origin, font, size, colour, thickness, line):
        width = cv2.getTextSize(text, font, size, thickness)[0][0]
        texts.append(Written(text, origin[0], origin[0] + width, origin[1], image.shape[:2]))
        return put(image, text, origin, font, size, colour, thickness, line)

    monkeypatch.setattr(cv2, "putText", record)
    return texts
