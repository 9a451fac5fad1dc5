"""Views that count are unlike each other, and only what is named absent is asked to be absent."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.evaluation.own_views import LEAST_VIEWS, OwnViews, images_of
from vlam_ros.lab.evaluation.queries import QueryKind
from vlam_ros.lab.evaluation.thresholds import OWN_ALARMS, least_absent
from vlam_ros.lab.notes import Notes
from vlam_ros.types import Uint8Array

WORDS = ("red cup", "blue box", "green ball", "cup", "box")


def place(seed: int) -> Uint8Array:
    """What a camera sees somewhere."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC))


def standing(image: Uint8Array, count: int) -> list[Uint8Array]:
    """What it sees there in many frames: noise, another exposure, and somebody's hand."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        frame = image + rng.normal(0, 4, image.shape) + 10 * np.sin(number / 10)
        frame[40:52, number % 100 : number % 100 + 12] = 128
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


def test_frames_of_a_camera_that_stands_are_one_view() -> None:
    views = OwnViews.among(standing(place(0), 200), WORDS)
    assert (len(views.images), views.seen) == (1, 200)
    with pytest.raises(ModelError, match=r"1 of 200 .* 20 are the least: 19 more are needed"):
        views.require(least_absent(OWN_ALARMS))


def test_a_place_that_is_seen_again_counts_once() -> None:
    views = OwnViews.among([place(i % 7) for i in range(70)], WORDS)
    assert (len(views.images), views.seen) == (7, 70)


def test_fewer_words_need_more_views() -> None:
    images = [place(i) for i in range(25)]
    OwnViews.among(images, WORDS).require(least_absent(OWN_ALARMS))
    with pytest.raises(ModelError, match=r"with 2 absent phrases 50 are the least: 25 more"):
        OwnViews.among(images, WORDS[:2]).require(least_absent(OWN_ALARMS))
    # However many words there are: what is familiar is known by images.
    many = [f"{word} {i}" for i in range(20) for word in WORDS]
    with pytest.raises(ModelError, match=rf"{LEAST_VIEWS} are the least: 5 more"):
        OwnViews.among(images[:15], many).require(least_absent(OWN_ALARMS))


def test_only_what_is_named_absent_is_asked_as_absent() -> None:
    views = OwnViews.among([place(0)], ["  Red  CUP ", "red cup"], ["chair"])
    (question,) = views.questions(0, 1)
    kinds = [(query.phrase, query.kind) for query in question.queries]
    assert kinds == [("red cup", QueryKind.OTHER), ("chair", QueryKind.NAMED)]
    assert np.array_equal(question.observation.image, place(0))


@pytest.mark.parametrize(
    ("absent", "present", "message"),
    [
        ([], ["chair"], "only what is not there sets a threshold"),
        (["  "], [], "only what is not there sets a threshold"),
        (["Red cup"], ["red  cup"], "'red cup' is said to be absent and present"),
    ],
)
def test_what_makes_no_sense_is_refused(
    absent: list[str], present: list[str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        OwnViews.among([place(0)], absent, present)


def test_more_views_than_wanted_are_thinned_evenly() -> None:
    every = OwnViews.among([place(i) for i in range(20)], WORDS)
    few = OwnViews.among([place(i) for i in range(20)], WORDS, count=5)
    assert few.images == every.images[::4]
    assert few.digest != every.digest


def test_a_folder_gives_its_images_and_says_what_it_passes_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "one.JPG"), place(0))
    cv2.imwrite(str(tmp_path / "two.png"), place(1))
    (tmp_path / "broken.png").write_bytes(b"no image")
    notes = Notes()
    assert len(list(images_of(None, tmp_path, {}, notes))) == 2
    assert any("broken.png is passed over" in line for line in notes.lines)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(LearningError, match="has no images"):
        list(images_of(None, empty, {}, Notes()))
