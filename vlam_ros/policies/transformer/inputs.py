"""An observation as the action transformer reads it: patches and where they look, words, state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from vlam_ros.perception.clipseg import ClipsegGrounder, ImageFeatures
from vlam_ros.perception.positions import floor_plane
from vlam_ros.perception.tracking import expected
from vlam_ros.policies.transformer.grammar import step_text
from vlam_ros.types import (
    Camera,
    FloorPlane,
    Instruction,
    Missing,
    Noun,
    Observation,
    Progress,
    Scene,
    Task,
)

SECTORS = 12
"""Directions, from straight ahead to the left, in which the nearest obstacle is told."""
STATES = (
    "holding", "elapsed", "speed", "yaw_rate", "roll", "pitch",
    *(f"obstacle_{i}" for i in range(SECTORS)),
)  # fmt: skip
"""What the robot knows of itself: 1 if the gripper holds something and 0 if not, seconds since the
current step began, m/s, rad/s, rad, rad, and metres to the nearest obstacle of each sector.
"""
OF_INSTRUCTION, OF_STEP, OF_HELD, NO_WORD = 0, 1, 2, -1
"""Whose words are read: the instruction's, of the step under way, and of what the gripper holds."""
NOUNS = ("target", "reference of the target", "destination", "reference of the destination")
"""The noun phrases of an instruction whose masks are read, and what was found of them."""
FOUND, CANDIDATES = ("x", "y", "z", "score", "confirmed", "size"), 3
"""What is told of something that was found, with metres in `base_link`, and of how many a noun."""
UNKNOWN = {"patches": 0.0}
"""What stands for one of PolicyInputs of which nothing is known; NaN for all others."""
IGNORABLE = (
    "patches", "places", "floor", "relevance", "objects", "words", "states", "remembered",
)  # fmt: skip
"""What of PolicyInputs a model can do without."""
OVER = "done"
FAR = 4.0
"""Metres; what is farther away is told as being there."""
Points = npt.NDArray[np.float64]


class Words(NamedTuple):
    """`words`, `pieces` and `kinds` of PolicyInputs."""

    states: Tensor
    pieces: Tensor
    kinds: Tensor


@dataclass(frozen=True)
class PolicyInputs:
    """What a decision is made on, for B observations of N patches and up to T words.

    Attributes:
        patches: float[B,1+N,tower_width], hidden states of the vision tower, the class token first.
        places: float[B,N,3], where in `base_link` each patch looks at by depth, m; NaN where
            there is none.
        floor: float[B,N,3], where it would look at the floor, m; NaN above the horizon.
        relevance: float[B,N,K], mask logits of the K NOUNS at each patch; NaN where there is no
            such noun.
        objects: float[B,K,C,F], what of FOUND perception knows of up to C CANDIDATES for each of
            the NOUNS, the likeliest first; NaN where there are not so many.
        words: float[B,T,text_width], hidden states of the text tower.
        pieces: int64[B,T], which tokens those are of. A text tower that tells sentences apart by
            their verbs may have forgotten which colour was named.
        kinds: int64[B,T], whose word each is; NO_WORD where there is none.
        states: float[B,S] of STATES, NaN where unknown.
        remembered: float[B,2,3], where in `base_link` target and destination must be by where they
            were seen last, m; NaN where they were not.
    """

    patches: Tensor
    places: Tensor
    floor: Tensor
    relevance: Tensor
    objects: Tensor
    words: Tensor
    pieces: Tensor
    kinds: Tensor
    states: Tensor
    remembered: Tensor

    def without(self, names: Sequence[str]) -> PolicyInputs:
        """The same, but of these nothing is known."""
        unknown = {
            name: torch.full_like(getattr(self, name), UNKNOWN.get(name, math.nan))
            for name in names
        }
        if "words" in names:
            unknown |= {"words": self.words, "kinds": torch.full_like(self.kinds, NO_WORD)}
        return replace(self, **unknown)


def inputs_of(
    observation: Observation,
    task: Task,
    scene: Scene,
    progress: Progress,
    grounder: ClipsegGrounder,
) -> PolicyInputs:
    """What the policy decides on, of one observation; the scene is with features."""
    features: ImageFeatures = scene.features
    patches = features.activations[-1].float()
    side = math.isqrt(patches.shape[1] - 1)
    places, floor = looked_at(observation, side)
    read = read_words(words_of(task, progress), grounder.word_states)
    device = patches.device
    return PolicyInputs(
        patches,
        torch.from_numpy(places).float()[None].to(device),
        torch.from_numpy(floor).float()[None].to(device),
        relevance_of(task.instruction, features, grounder, side)[None].to(device),
        torch.from_numpy(objects_of(task.instruction, scene)).float()[None].to(device),
        *read,
        torch.tensor([states_of(observation, progress)], device=device),
        torch.from_numpy(remembered_places(observation, progress)).float()[None].to(device),
    )


def relevance_of(
    instruction: Instruction, features: ImageFeatures, grounder: ClipsegGrounder, side: int
) -> Tensor:
    """Mask logits of NOUNS at each of side x side patches, float32[side²,K], row by row; NaN where
    the instruction has no such noun.
    """
    phrases = [texts[0] if texts else None for texts in noun_texts(instruction)]
    relevance = torch.full((side * side, len(NOUNS)), math.nan)
    if asked := [phrase for phrase in phrases if phrase]:
        logits = torch.from_numpy(grounder.segment(features, asked))
        pooled = functional.adaptive_avg_pool2d(logits, side).flatten(1)
        relevance[:, [phrase is not None for phrase in phrases]] = pooled.T
    return relevance


def noun_texts(instruction: Instruction) -> list[tuple[str, ...]]:
    """What each of NOUNS is called in an instruction, none, one or two things."""
    phrases = [instruction.named.get(noun) for noun in Noun]
    return [
        texts
        for phrase in phrases
        for texts in ((phrase.texts[:1], phrase.texts[1:]) if phrase else ((), ()))
    ]


def objects_of(instruction: Instruction, scene: Scene) -> Points:
    """What was found of NOUNS, float64[K,C,F] as PolicyInputs has it."""
    objects = np.full((len(NOUNS), CANDIDATES, len(FOUND)), np.nan)
    for of_noun, texts in zip(objects, noun_texts(instruction), strict=True):
        found = [thing for thing in scene.objects if thing.phrase in texts]
        found.sort(key=lambda thing: (not thing.confirmed, -thing.score))
        for row, thing in zip(of_noun, found, strict=False):
            place = thing.position or (math.nan,) * 3
            row[:] = *place, thing.score, thing.confirmed, thing.size
    return objects


def words_of(task: Task, progress: Progress) -> dict[int, str]:
    """What is read, by whose words it is; of a plan that is carried out, that it is."""
    step = ""
    if progress.plan:
        to_come = progress.plan.to_come
        step = step_text(to_come[0], task.instruction) if to_come else OVER
    said = {OF_INSTRUCTION: task.instruction.text, OF_STEP: step, OF_HELD: progress.held}
    return {kind: text for kind, text in said.items() if text}


def read_words(
    said: Mapping[int, str], word_states: Callable[[str], tuple[Tensor, Tensor]]
) -> Words:
    """All words that are said, of one observation; `word_states` is that of a grounder."""
    read = {kind: word_states(text) for kind, text in said.items()}
    kinds = torch.cat([torch.full((len(pieces),), kind) for kind, (pieces, _) in read.items()])
    pieces, states = (torch.cat(parts) for parts in zip(*read.values(), strict=True))
    return Words(states.float()[None], pieces[None], kinds[None].to(states.device))


def padded(many: Sequence[Words]) -> Words:
    """Words of several observations as those of one batch."""
    states, pieces, kinds = zip(*many, strict=True)
    return Words(
        *(
            pad_sequence([each[0] for each in some], batch_first=True, padding_value=padding)
            for some, padding in ((states, 0), (pieces, 0), (kinds, NO_WORD))
        )
    )


def looked_at(observation: Observation, side: int) -> tuple[Points, Points]:
    """Where in `base_link` each of side x side patches looks at, by depth and on the floor:
    float64[side²,3] each, row by row, in metres; NaN where nobody knows, or nothing is.
    """
    nowhere = np.full((side * side, 3), np.nan)
    camera = observation.camera
    if isinstance(camera, Missing):
        return nowhere, nowhere
    middles = (np.arange(side) + 0.5) / side
    u, v = np.meshgrid(middles * camera.width - 0.5, middles * camera.height - 0.5)
    rays = camera.rays(np.column_stack([u.ravel(), v.ravel()])) @ camera.rotation.T
    depth = _depths(observation, side).ravel()
    by_depth = camera.position + rays * depth[:, None]
    floor, _ = floor_plane(observation.attitude, observation.floor)
    return by_depth, _on_floor(rays, camera, floor)


def _depths(observation: Observation, side: int) -> npt.NDArray[np.float64]:
    """Depth [side,side] of each patch, m: the harmonic mean, so that what is near counts more."""
    if isinstance(observation.depth, Missing):
        return np.full((side, side), np.nan)
    depth = observation.depth.depth
    with np.errstate(divide="ignore", invalid="ignore"):
        nearness = np.where(depth > 0, 1 / depth, 0).astype(np.float32)
        known = (np.isfinite(nearness) & (nearness > 0)).astype(np.float32)
        size = (side, side)
        share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        near = cv2.resize(np.nan_to_num(nearness), size, interpolation=cv2.INTER_AREA)
        mean = share / near
    return np.where(share > 0, mean, np.nan).astype(np.float64)


def _on_floor(rays: Points, camera: Camera, floor: FloorPlane) -> Points:
    """Where rays [N,3] from the camera meet the floor before them; NaN where they do not."""
    normal = np.array(floor.normal)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (floor.offset - camera.position @ normal) / (rays @ normal)
    along[~((along > 0) & (along < 100))] = np.nan
    return camera.position + rays * along[:, None]


def remembered_places(observation: Observation, progress: Progress) -> Points:
    """Where target and destination must be by where they were seen last, float64[2,3] in
    `base_link`; NaN where nobody knows. When the arm is at work, or the robot close by, what it is
    about is often out of view.
    """
    places = np.full((len(Noun), 3), np.nan)
    base = observation.odometry
    for row, noun in enumerate(Noun):
        sighting = progress.sightings.get(noun)
        if sighting is None or isinstance(base, Missing):
            continue
        place = expected(sighting, base).position
        if place is not None:
            places[row] = place
    return places


def states_of(observation: Observation, progress: Progress) -> list[float]:
    """The values of STATES, NaN where unknown."""
    known: dict[str, float] = {"elapsed": progress.elapsed(observation.stamp)}
    if not isinstance(observation.gripper, Missing):
        known["holding"] = float(observation.gripper.holding)
    if not isinstance(observation.odometry, Missing):
        known["speed"] = observation.odometry.speed
        known["yaw_rate"] = observation.odometry.yaw_rate
    if not isinstance(observation.attitude, Missing):
        known["roll"], known["pitch"] = observation.attitude.roll, observation.attitude.pitch
    if not isinstance(observation.obstacles, Missing):
        points = observation.obstacles.points[:, :2].astype(np.float64)
        angles = np.arctan2(points[:, 1], points[:, 0]) % math.tau
        sectors = np.floor(angles / math.tau * SECTORS + 0.5).astype(int) % SECTORS
        nearest = np.full(SECTORS, FAR)
        np.minimum.at(nearest, sectors, np.hypot(*points.T))
        known |= {f"obstacle_{i}": float(distance) for i, distance in enumerate(nearest)}
    return [known.get(name, math.nan) for name in STATES]
