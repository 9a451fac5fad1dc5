"""From an observation to a scene: masks say where something is, the second look whether it is.

The second look asks CLIP and CLIPSeg's decoder which of a phrase and its opponents two crops of a
candidate show, one close and one loose, and takes the mean of their log-odds. Its probability times
that of the mask is the score: a piece that only hints at the phrase is often a part of something
else, and in a crop of it nothing else is seen.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.perception.calibration import UNCALIBRATED_MASK_THRESHOLD, Calibration
from vlam_ros.perception.competitors import lookalikes, opponents
from vlam_ros.perception.familiarity import UNFAMILIAR
from vlam_ros.perception.objects import Window, expit, find_objects, refined
from vlam_ros.perception.positions import locate
from vlam_ros.types import Observation, Scene, SceneObject, Uint8Array

LOOSER = 0.3
"""What the loose crop has more margin than the close one, share of the candidate's size."""

Float32Array = npt.NDArray[np.float32]
Features = TypeVar("Features")
"""What a Grounder knows of an image; nobody else looks into it."""


class SecondLook(NamedTuple):
    """What N crops show: image-text cosines float32[N,T]; for each crop the mask logits
    float32[P,s,s] of its P prompts; and what a Density knows it by, float32[N,S].
    """

    cosines: Float32Array
    masks: list[Float32Array]
    statistics: Float32Array


class Grounder(Protocol[Features]):
    """Finds what phrases mean in an image."""

    @property
    def calibration(self) -> Calibration | None:
        """The thresholds of its checkpoint, None where it has none."""

    def preprocess(self, image: Uint8Array) -> Any:
        """An image uint8[H,W,3] RGB as `encode_pixels` wants it."""

    def encode_pixels(self, pixels: Any, image: Uint8Array) -> Features:
        """The features of a preprocessed image."""

    def statistics(self, features: Features) -> Float32Array:
        """What a Density knows the image by, float32[1,S]."""

    def segment(self, features: Features, prompts: Sequence[str]) -> Float32Array:
        """Mask logits float32[P,h,w] of P >= 1 prompts."""

    def second_look(
        self,
        crops: Sequence[Uint8Array],
        texts: Sequence[str],
        prompts: Sequence[Sequence[str]],
    ) -> SecondLook:
        """What crops show.

        Args:
            crops: N images uint8[H,W,3].
            texts: T texts to compare each crop with.
            prompts: for each crop what masks are wanted of, one or more.
        """


def is_confirmed(candidate: SceneObject, calibration: Calibration | None) -> bool:
    """Whether a candidate counts as found: never without a calibration.

    CLIPSeg says where, CLIP says whether: the second look decides if there was one, and was on
    what looks familiar. A mask alone must be probable and lead over its opponents by the
    calibrated margin.
    """
    # Negated, because the distance of a fault is NaN.
    if calibration is None or not candidate.unfamiliarity <= UNFAMILIAR:
        return False
    if candidate.second_look:
        return candidate.score >= calibration.crop_threshold
    leads = candidate.margin >= calibration.margin
    return leads and candidate.score >= calibration.mask_threshold


def perceived(
    perceiver: Perceiver[Any],
    calibration: Calibration | None,
    observation: Observation,
    phrases: Sequence[str],
    crops: int | None = None,
) -> Scene:
    """What is seen of some phrases, with what is sure `confirmed`, and with its features."""
    scene, features = perceiver.perceive(observation, phrases, phrases, crops)
    objects = [
        dataclasses.replace(o, confirmed=is_confirmed(o, calibration)) for o in scene.objects
    ]
    return dataclasses.replace(scene, objects=tuple(objects), features=features)


class Perceiver(Generic[Features]):
    """Sees the objects that an instruction talks about; nothing is carried from call to call."""

    def __init__(self, grounder: Grounder[Features], settings: PerceptionSettings) -> None:
        self.grounder = grounder
        self.settings = settings

    def perceive(
        self,
        observation: Observation,
        phrases: Sequence[str],
        looked: Sequence[str] = (),
        crops: int | None = None,
    ) -> tuple[Scene, Features]:
        """Find the objects of all phrases in one vision pass, and look twice at some.

        Args:
            observation: image, camera, depth, attitude and floor are used.
            phrases: the asked noun phrases, references included.
            looked: those of the phrases whose candidates get the second look. At most
                `settings.crops` candidates do, best margins first, the phrases taking turns; the
                others of these phrases keep score 0, for nothing is believed without it. With
                `settings.crops` 0 there is no second look and masks alone are judged.
            crops: in place of `settings.crops`.

        Returns:
            The scene, with the seconds of each stage, and the image's features for the skills.
        """
        watch = _Stopwatch()
        crops = self.settings.crops if crops is None else crops
        pixels = self.grounder.preprocess(observation.image)
        watch.lap("preprocess")
        features = self.grounder.encode_pixels(pixels, observation.image)
        watch.lap("vision")
        calibration = self.grounder.calibration
        negatives = {p: opponents(p, phrases, self.settings) for p in dict.fromkeys(phrases)}
        prompts = tuple(
            dict.fromkeys([*negatives, *(r for some in negatives.values() for r in some)])
        )
        objects: tuple[SceneObject, ...] = ()
        if prompts:
            logits = self.grounder.segment(features, prompts)
            watch.lap("text and decoder")
            looks_twice = calibration is not None and crops > 0
            alike = {phrase: lookalikes(phrase, self.settings) for phrase in looked}
            found: Sequence[SceneObject] = find_objects(
                logits,
                prompts,
                negatives,
                observation.image.shape[:2],
                mask_threshold=(
                    calibration.mask_threshold if calibration else UNCALIBRATED_MASK_THRESHOLD
                ),
                tolerance=calibration.tolerance if calibration else 0.0,
                min_area=self.settings.min_area,
                lookalikes=alike if looks_twice else {},
            )
            watch.lap("objects")
            if calibration and looks_twice:
                found = self._second_look(
                    observation.image, found, negatives, alike, calibration, crops
                )
                watch.lap("second look")
            objects = tuple(_placed(o, observation) for o in found)
            watch.lap("positions")
        best_first = tuple(sorted(objects, key=lambda o: -o.score))
        # Last, because a GPU waits for its numbers.
        strange = 0.0
        if calibration and calibration.familiarity:
            statistics = self.grounder.statistics(features)
            strange = float(calibration.familiarity.image.distances(statistics)[0])
        return Scene(observation.stamp, best_first, watch.laps(), strange), features

    def _second_look(
        self,
        image: Uint8Array,
        objects: Sequence[SceneObject],
        negatives: Mapping[str, Sequence[str]],
        looked: Mapping[str, Sequence[str]],
        calibration: Calibration,
        crops: int,
    ) -> list[SceneObject]:
        """The objects with scores of the second look, masks and boxes of its close crops.

        What it takes for something else is left out, and so is what CLIPSeg does not draw again,
        as the phrase or as one of its lookalikes: those are the values of `looked`.
        """
        chosen = _take_turns(objects, list(looked), crops)
        rest = [o for o in objects if not any(o is c for c in chosen)]
        unbelieved = [dataclasses.replace(o, score=0.0) if o.phrase in looked else o for o in rest]
        if not chosen:
            return unbelieved
        texts = tuple(dict.fromkeys(t for o in chosen for t in (o.phrase, *negatives[o.phrase])))
        compared = [(o.phrase, *negatives[o.phrase]) for o in chosen]
        margin = self.settings.crop_margin
        close, loose = (
            [Window.around(o.box, m) for o in chosen] for m in (margin, margin + LOOSER)
        )
        cosines, logits, statistics = self.grounder.second_look(
            [window.cut(image) for window in (*close, *loose)], texts, compared * 2
        )
        strange = np.zeros(len(chosen), np.float32)
        if calibration.familiarity and chosen:
            strange = calibration.familiarity.crop.distances(statistics[: len(chosen)])
        closely_seen = []
        for index, (candidate, window) in enumerate(zip(chosen, close, strict=True)):
            family = (candidate.phrase, *looked[candidate.phrase])
            drawn = logits[index][[compared[index].index(phrase) for phrase in family]]
            closer = refined(
                candidate,
                window,
                expit(drawn.max(axis=0)),
                image.shape[:2],
                mask_threshold=calibration.mask_threshold,
                min_area=self.settings.min_area,
            )
            if closer is None:
                continue
            columns = [texts.index(t) for t in compared[index]]
            opinions = []
            for view, cut in ((index, window), (index + len(chosen), loose[index])):
                piece = cut.part_of(candidate.mask, image.shape[:2], logits[view].shape[-1])
                opinions += [
                    calibration.crop_temperature * cosines[view, columns],
                    logits[view][:, piece].mean(axis=1),
                ]
            # Their mean, not their sum: opinions on the same pixels are not independent.
            recognised = _first_of_softmax(np.mean(opinions, axis=0, dtype=np.float64))
            score = candidate.mask_score * recognised
            if score >= calibration.crop_rejection:
                unfamiliarity = float(strange[index])
                closely_seen.append(
                    dataclasses.replace(
                        closer, score=score, second_look=True, unfamiliarity=unfamiliarity
                    )
                )
        return closely_seen + unbelieved


def _first_of_softmax(logits: npt.NDArray[np.float64]) -> float:
    weights = np.exp(logits - logits.max())
    return float(weights[0] / weights.sum())


def _placed(candidate: SceneObject, observation: Observation) -> SceneObject:
    seen = observation
    position = locate(candidate.mask, seen.camera, seen.depth, seen.attitude, seen.floor)
    if position is None:
        return candidate
    return dataclasses.replace(
        candidate,
        position=position.point,
        spread=position.spread,
        size=position.size,
        source=position.source,
    )


def _take_turns(
    objects: Sequence[SceneObject], phrases: Sequence[str], limit: int
) -> list[SceneObject]:
    """Up to `limit` of the phrases' objects: the best of each, then the second of each.

    The best is what leads its opponents most: a probable mask can be as probable for another
    phrase.
    """
    best_first = sorted(objects, key=lambda o: -o.margin)
    queues = [[o for o in best_first if o.phrase == p] for p in dict.fromkeys(phrases)]
    ranked = sorted((rank, i) for i, queue in enumerate(queues) for rank in range(len(queue)))
    return [queues[i][rank] for rank, i in ranked[:limit]]


class _Stopwatch:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._laps: list[tuple[str, float]] = []

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps.append((name, now - self._last))
        self._last = now

    def laps(self) -> tuple[tuple[str, float], ...]:
        return tuple(self._laps)
