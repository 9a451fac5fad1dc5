import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_clipseg import CALIBRATION

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.perception import Perceiver, is_confirmed
from vlam_ros.perception.clipseg import Calibration, ClipsegGrounder, ImageFeatures
from vlam_ros.perception.familiarity import Density, Familiarity
from vlam_ros.perception.objects import Window
from vlam_ros.perception.perceiver import SecondLook
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    Missing,
    Observation,
    PositionSource,
    Scene,
    SceneObject,
    Uint8Array,
)

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}
FLOOR = 128
CAMERA = Camera(
    width=320,
    height=240,
    fx=260.0,
    fy=260.0,
    cx=159.5,
    cy=119.5,
    rotation=np.array([[0, -0.4, 0.9165], [-1, 0, 0], [0, -0.9165, -0.4]]),
    position=np.array([0.0, 0.0, 0.6]),
)


class ColourGrounder:
    """Sees shades of colour: masks where the image has a prompt's colour, at a quarter of its
    size, the deeper the surer; in crops the colour of the middle, and its shade as cup or ball.
    """

    def __init__(self, calibration: Calibration | None = CALIBRATION) -> None:
        self.calibration = calibration
        self.crops: list[Uint8Array] = []
        self.encoded = 0

    def preprocess(self, image: Uint8Array) -> torch.Tensor:
        return torch.from_numpy(image[::4, ::4].astype(np.float32))

    def encode_pixels(self, pixels: torch.Tensor, image: Uint8Array) -> ImageFeatures:
        self.encoded += 1
        return ImageFeatures((pixels,), torch.zeros(1, 1), image.shape[:2])

    def statistics(self, features: ImageFeatures) -> np.ndarray:
        return means([features.activations[0].numpy()])

    def segment(self, features: ImageFeatures, prompts: Sequence[str]) -> np.ndarray:
        image = features.activations[0].numpy()
        return np.stack([self._logits(image, prompt) for prompt in prompts])

    def _logits(self, image: np.ndarray, prompt: str) -> np.ndarray:
        channels = [c for c, name in enumerate(COLOURS) if name in prompt.split()]
        # Without a colour in its words a prompt likes every colour, a little less.
        own = image[..., channels].max(axis=-1) if channels else image.max(axis=-1) - 20
        is_colour = image.max(axis=-1) - image.min(axis=-1) > 50
        return np.where(is_colour & (own > 50), own / 50, -5).astype(np.float32)

    def second_look(
        self, crops: Sequence[Uint8Array], texts: Sequence[str], prompts: Sequence[Sequence[str]]
    ) -> SecondLook:
        self.crops += crops
        rows = [[self._cosine(crop, text.split()) for text in texts] for crop in crops]
        small = [cv2.resize(crop, (64, 64), interpolation=cv2.INTER_NEAREST) for crop in crops]
        logits = [
            np.stack([self._logits(crop, prompt) for prompt in some])
            for crop, some in zip(small, prompts, strict=True)
        ]
        cosines = np.array(rows, np.float32).reshape(len(crops), len(texts))
        return SecondLook(cosines, logits, means(crops))

    def _cosine(self, crop: Uint8Array, words: list[str]) -> float:
        middle = crop[len(crop) // 2, len(crop) // 2]
        colour = list(COLOURS)[int(middle.argmax())]
        noun = "cup" if middle.max() >= 150 else "ball"
        return 0.5 * (colour in words) + 0.4 * (noun in words)


def means(images: Sequence[np.ndarray]) -> np.ndarray:
    """What a Density knows images by here: their mean colours."""
    return np.array([image.mean(axis=(0, 1)) for image in images], np.float32).reshape(-1, 3)


def density(*colour: float) -> Density:
    """Of images whose mean colour is within 10 of this."""
    grey = np.ones((1, 3), np.float32) / np.float32(np.sqrt(3))
    one = np.array(1, np.float32)
    return Density(np.array(colour, np.float32), grey, np.ones(1, np.float32), one, 10 * one)


def observe(*objects: tuple[str, int, int, int], **sensed: object) -> Observation:
    """A 320 x 240 image of 32 x 32 squares: (colour, shade, x, y) of each."""
    image = np.full((240, 320, 3), FLOOR, np.uint8)
    for colour, shade, x, y in objects:
        image[y : y + 32, x : x + 32] = np.array(COLOURS[colour]) // 200 * shade
    return Observation(stamp=7, now=8, image=image, camera=Missing("none"), **sensed)  # type: ignore[arg-type]


@pytest.fixture
def few(settings: PerceptionSettings) -> PerceptionSettings:
    return dataclasses.replace(
        settings, colours=tuple(COLOURS), nouns=("cup",), distractors=(), crops=4
    )


def perceive(
    settings: PerceptionSettings,
    observation: Observation,
    phrases: Sequence[str],
    looked: Sequence[str] = (),
    grounder: ColourGrounder | None = None,
) -> Scene:
    eyes = grounder or ColourGrounder()
    return Perceiver(eyes, settings).perceive(observation, phrases, looked)[0]  # type: ignore[arg-type]


def test_a_second_look_tells_a_ball_from_the_cup_that_the_mask_took_it_for(
    few: PerceptionSettings,
) -> None:
    # All red prompts have the same mask here, so nouns are decided by crops alone.
    few = dataclasses.replace(few, distractors=("ball",))
    scene = perceive(
        few, observe(("red", 200, 40, 40), ("red", 100, 200, 40)), ["red cup"], ["red cup"]
    )
    cup, ball = scene.of("red cup")
    # To a pixel of the crop.
    assert cup.box == pytest.approx((40, 40, 72, 72), abs=1)
    assert ball.box == pytest.approx((200, 40, 232, 72), abs=1)
    assert cup.second_look
    assert ball.second_look
    # Cosines of red cup, green cup, blue cup, ball: 0.9, 0.4, 0.4, 0 at temperature 20; mask logits
    # 4, -5, -5 and 3.6, for a ball without colour is drawn a little less.
    weights = np.exp((20 * np.array([0.9, 0.4, 0.4, 0.0]) + [4, -5, -5, 3.6]) / 2)
    assert cup.score == pytest.approx(cup.mask_score * weights[0] / weights.sum(), abs=1e-5)
    weights = np.exp((20 * np.array([0.5, 0.0, 0.0, 0.4]) + [2, -5, -5, 1.6]) / 2)
    assert ball.score == pytest.approx(ball.mask_score * weights[0] / weights.sum(), abs=1e-5)
    assert cup.mask_score > 0.9
    assert scene.stamp == 7


def test_what_the_second_look_takes_for_something_else_is_left_out(few: PerceptionSettings) -> None:
    few = dataclasses.replace(few, distractors=("ball",))
    observation = observe(("red", 200, 40, 40), ("red", 100, 200, 40))
    score = perceive(few, observation, ["red cup"], ["red cup"]).of("red cup")[1].score

    def left(rejection: float) -> int:
        eyes = ColourGrounder(dataclasses.replace(CALIBRATION, crop_rejection=rejection))
        return len(perceive(few, observation, ["red cup"], ["red cup"], eyes).objects)

    assert left(score - 0.01) == 2
    assert left(score + 0.01) == 1


def test_what_is_not_drawn_again_in_its_crop_is_left_out(few: PerceptionSettings) -> None:
    class Forgetful(ColourGrounder):
        """Draws nothing in crops."""

        def second_look(
            self, crops: Sequence[Uint8Array], texts: Sequence[str], prompts: object
        ) -> SecondLook:
            seen = super().second_look(crops, texts, [texts] * len(crops))
            return seen._replace(masks=[np.full_like(some, -5) for some in seen.masks])

    observation = observe(("red", 200, 40, 40))
    assert perceive(few, observation, ["red cup"], ["red cup"]).objects
    assert not perceive(few, observation, ["red cup"], ["red cup"], Forgetful()).objects


def test_what_is_hardly_drawn_is_hardly_believed(few: PerceptionSettings) -> None:
    def score(shade: int) -> float:
        (cup,) = perceive(few, observe(("red", shade, 40, 40)), ["red cup"], ["red cup"]).objects
        assert cup.score <= cup.mask_score
        return cup.score

    # Mask logits of 4 and 3: probabilities of 0.98 and 0.95, both taken for a cup.
    assert score(200) == pytest.approx(0.982, abs=2e-3)
    assert score(150) == pytest.approx(0.953, abs=2e-3)


def test_the_image_is_encoded_once(few: PerceptionSettings) -> None:
    eyes = ColourGrounder()
    perceive(few, observe(("red", 200, 40, 40)), ["red cup", "cup", "blue cup"], ["cup"], eyes)
    assert eyes.encoded == 1


def test_entailed_phrases_see_the_same_object_and_others_do_not(few: PerceptionSettings) -> None:
    scene = perceive(few, observe(("red", 200, 40, 40)), ["cup", "red cup", "blue cup"])
    assert {o.phrase for o in scene.objects} == {"cup", "red cup"}
    assert {o.box for o in scene.objects} == {(40, 40, 72, 72)}


def test_crops_are_given_in_turns_and_the_rest_is_not_believed(few: PerceptionSettings) -> None:
    few = dataclasses.replace(few, crops=3)
    reds = [("red", shade, 8 + 48 * i, 40) for i, shade in enumerate((120, 200, 180, 160))]
    blues = [("blue", shade, 8 + 48 * i, 120) for i, shade in enumerate((140, 190))]
    phrases = ["red cup", "blue cup"]
    eyes = ColourGrounder()
    scene = perceive(few, observe(*reds, *blues), phrases, phrases, eyes)
    shades = [int(crop[len(crop) // 2, len(crop) // 2].max()) for crop in eyes.crops]
    assert shades == 2 * [200, 190, 180]
    # Of the same things, first closely and then loosely: 1.3 and 1.6 times their 32 pixels.
    assert [len(crop) for crop in eyes.crops] == 3 * [42] + 3 * [51]
    unseen = [o for o in scene.objects if not o.second_look]
    assert len(unseen) == 3
    assert all(o.score == 0 and not is_confirmed(o, CALIBRATION) for o in unseen)
    assert [o.score for o in scene.objects] == sorted(
        (o.score for o in scene.objects), reverse=True
    )


def test_phrases_that_are_not_looked_at_keep_the_masks_score(few: PerceptionSettings) -> None:
    observation = observe(("red", 200, 40, 40), ("blue", 200, 120, 40))
    scene = perceive(few, observation, ["red cup", "blue cup"], ["red cup"])
    (reference,) = scene.of("blue cup")
    assert not reference.second_look
    assert reference.score == reference.mask_score > 0.9
    assert is_confirmed(reference, CALIBRATION)


def test_without_crops_masks_are_judged(few: PerceptionSettings) -> None:
    few = dataclasses.replace(few, crops=0)
    (cup,) = perceive(few, observe(("red", 200, 40, 40)), ["red cup"], ["red cup"]).objects
    assert cup.score == cup.mask_score
    assert is_confirmed(cup, CALIBRATION)


def test_nothing_is_confirmed_without_a_calibration(few: PerceptionSettings) -> None:
    eyes = ColourGrounder(calibration=None)
    (cup,) = perceive(few, observe(("red", 200, 40, 40)), ["red cup"], ["red cup"], eyes).objects
    assert not cup.second_look
    assert eyes.crops == []
    assert not is_confirmed(cup, None)


def candidate(**values: float | bool) -> SceneObject:
    shown = SceneObject("cup", (0, 0, 4, 4), np.ones((4, 4), bool), 0.8, 0.8, 0.5)
    return dataclasses.replace(shown, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"second_look": True, "score": CALIBRATION.crop_threshold}, True),
        ({"second_look": True, "score": CALIBRATION.crop_threshold - 0.01}, False),
        ({"score": CALIBRATION.mask_threshold}, True),
        ({"score": CALIBRATION.mask_threshold - 0.01}, False),
        ({"second_look": True, "score": 1.0, "margin": CALIBRATION.margin - 0.01}, True),
        ({"score": 1.0, "margin": CALIBRATION.margin - 0.01}, False),
        ({"second_look": True, "score": float("nan")}, False),
        ({"second_look": True, "score": 1.0, "unfamiliarity": 1.0}, True),
        ({"second_look": True, "score": 1.0, "unfamiliarity": 1.1}, False),
        ({"second_look": True, "score": 1.0, "unfamiliarity": float("nan")}, False),
        ({"score": 1.0, "margin": float("nan")}, False),
    ],
)
def test_a_candidate_is_confirmed_from_its_threshold_on(
    values: dict[str, float | bool], expected: bool
) -> None:
    assert is_confirmed(candidate(**values), CALIBRATION) is expected


def test_an_image_unlike_those_of_the_calibration_is_unfamiliar(few: PerceptionSettings) -> None:
    known = Familiarity(density(128, 128, 128), density(200, 0, 0))
    eyes = ColourGrounder(calibration=dataclasses.replace(CALIBRATION, familiarity=known))
    usual, bright = observe(("red", 200, 40, 40)), observe(("red", 200, 40, 40))
    bright.image[:] = np.maximum(bright.image, 190)
    assert perceive(few, usual, ["red cup"], ["red cup"], eyes).unfamiliarity < 1
    assert perceive(few, bright, ["red cup"], ["red cup"], eyes).unfamiliarity > 1


def test_a_crop_unlike_those_of_the_calibration_is_not_confirmed(few: PerceptionSettings) -> None:
    shown = observe(("red", 200, 40, 40))
    (cup,) = perceive(few, shown, ["red cup"], ["red cup"]).objects
    crop = Window.around(cup.box, few.crop_margin).cut(shown.image)
    for like, familiar in ((means([crop])[0], True), ((0, 200, 0), False)):
        known = Familiarity(density(0, 0, 0), density(*like))
        calibration = dataclasses.replace(CALIBRATION, familiarity=known)
        (seen,) = perceive(
            few, shown, ["red cup"], ["red cup"], ColourGrounder(calibration=calibration)
        ).objects
        assert (seen.unfamiliarity <= 1) is familiar
        assert seen.score == pytest.approx(cup.score)
        assert is_confirmed(seen, calibration) is familiar


def test_objects_get_positions_from_depth_and_from_the_floor(few: PerceptionSettings) -> None:
    seen = dataclasses.replace(
        observe(("red", 200, 40, 100), ("blue", 200, 144, 100)),
        camera=CAMERA,
        attitude=Attitude(7, 0.0, 0.0),
    )
    depth = np.full((240, 320), np.nan, np.float32)
    depth[100:132, 40:72] = 0.9
    scene = perceive(
        few, dataclasses.replace(seen, depth=DepthImage(7, depth)), ["red cup", "blue cup"]
    )
    (red,), (blue,) = scene.of("red cup"), scene.of("blue cup")
    assert (red.source, blue.source) == (PositionSource.DEPTH, PositionSource.GROUND_PLANE)
    assert red.position is not None
    optical = (np.array(red.position) - CAMERA.position) @ CAMERA.rotation
    assert 0.9 < optical[2] < 0.9 + red.size / 2
    assert red.size == pytest.approx(32 * optical[2] / 260, rel=1e-3)
    assert blue.position is not None
    assert blue.position[2] == pytest.approx(0.0, abs=1e-6)
    assert 0 < blue.spread < 0.1


def test_without_camera_objects_have_no_position(few: PerceptionSettings) -> None:
    (cup,) = perceive(few, observe(("red", 200, 40, 40)), ["red cup"]).objects
    assert cup.position is None
    assert cup.source is PositionSource.NONE
    assert np.isnan(cup.spread)


def test_the_seconds_of_all_stages_are_recorded(few: PerceptionSettings) -> None:
    scene = perceive(few, observe(("red", 200, 40, 40)), ["red cup"], ["red cup"])
    names = [name for name, _ in scene.seconds]
    assert names == [
        "preprocess", "vision", "text and decoder", "objects", "second look", "positions",
    ]  # fmt: skip
    assert all(0 < seconds < 10 for _, seconds in scene.seconds)


def test_without_phrases_the_image_is_still_encoded_for_the_skills(
    few: PerceptionSettings,
) -> None:
    eyes = ColourGrounder()
    scene = perceive(few, observe(("red", 200, 40, 40)), [], [], eyes)
    assert scene.objects == ()
    assert eyes.encoded == 1


def test_a_real_checkpoint_goes_all_the_way(
    tiny_checkpoint: Path, settings: PerceptionSettings
) -> None:
    grounder = ClipsegGrounder.from_pretrained(tiny_checkpoint, device="cpu")
    observation = dataclasses.replace(observe(("red", 200, 40, 40)), camera=CAMERA)
    few = dataclasses.replace(settings, nouns=("cup",), min_area=1)
    scenes = [
        Perceiver(grounder, few).perceive(observation, ["red cup"], ["red cup"])[0]
        for _ in range(2)
    ]
    assert any(o.second_look and 0 < o.score < 1 for o in scenes[0].objects)
    again, once = ([(o.box, o.score) for o in s.objects] for s in scenes)
    assert again == once


def test_a_crop_is_a_square_around_the_box() -> None:
    image = np.arange(100 * 120 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 120, 3)
    crop = Window.around((50, 40, 60, 60), margin=0.5).cut(image)
    assert crop.shape == (30, 30, 3)
    assert np.array_equal(crop, image[35:65, 40:70])


def test_a_crop_beyond_the_image_repeats_its_border() -> None:
    image = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3)
    crop = Window.around((50, 30, 60, 40), margin=1.0).cut(image)
    assert crop.shape == (20, 20, 3)
    assert np.array_equal(crop[:15, :15], image[25:40, 45:60])
    assert (crop[:15, 15:] == image[25:40, 59:60]).all()
    assert (crop[15:, :15] == image[39:40, 45:60]).all()
    assert (crop[15:, 15:] == image[39, 59]).all()
    whole = Window.around((0, 0, 60, 40), margin=0.3).cut(image)
    assert whole.shape == (78, 78, 3)
