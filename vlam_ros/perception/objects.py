"""Mask logits of competing prompts as objects: connected pieces that a phrase can claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import SceneObject


def find_objects(
    logits: npt.NDArray[np.float32],
    prompts: Sequence[str],
    opponents: Mapping[str, Sequence[str]],
    image_size: tuple[int, int],
    *,
    mask_threshold: float,
    tolerance: float,
    min_area: int,
    lookalikes: Mapping[str, Sequence[str]] | None = None,
) -> tuple[SceneObject, ...]:
    """The objects of each asked phrase, best mask first.

    A pixel belongs to a phrase if the phrase's probability there exceeds the threshold and no
    opponent's is higher by more than the tolerance. Without tolerance the best prompt takes the
    pixel, which tears objects apart whose shape a small tower only guesses; with it the piece as a
    whole is judged, by its margin or by the second look. Each phrase has its own competition:
    phrases that entail each other may share pixels.

    Args:
        logits: float32[P,h,w], one mask per prompt.
        prompts: the P prompts, each asked phrase and each opponent among them.
        opponents: for each asked phrase the prompts it competes with.
        image_size: (height, width) of the image, in which boxes are given.
        mask_threshold: probability in 0..1.
        tolerance: lead in probability, in 0..1, that an opponent may have on a pixel.
        min_area: the smallest object, in pixels of the mask.
        lookalikes: for a phrase those opponents whose pieces are looked at as well, because a
            second look decides between them and the phrase; their masks count as the phrase's.
    """
    index = {prompt: i for i, prompt in enumerate(prompts)}
    probabilities = expit(logits)
    found: list[SceneObject] = []
    for phrase, others in opponents.items():
        alike = (lookalikes or {}).get(phrase, ())
        own, family = index[phrase], [index[p] for p in (phrase, *alike)]
        negatives = [index[other] for other in others if other not in alike]
        asked = probabilities[family].max(axis=0)
        best_negative = logits[negatives].max(axis=0, initial=-np.inf)
        negative = probabilities[negatives].max(axis=0, initial=0.0)
        # By the logits too, for probabilities near 1 are equal in float32.
        claimed = (asked - negative > -tolerance) | (logits[family].max(axis=0) > best_negative)
        mask = (asked > mask_threshold) & claimed
        opponent = probabilities[[index[other] for other in others]].max(axis=0, initial=0.0)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for label in range(1, count):  # 0 is the background
            if stats[label, cv2.CC_STAT_AREA] < min_area:
                continue
            piece = labels == label
            score = float(asked[piece].mean())
            found.append(
                SceneObject(
                    phrase=phrase,
                    box=_image_box(stats[label].tolist(), mask.shape, image_size),
                    mask=piece,
                    score=score,
                    mask_score=score,
                    margin=float((probabilities[own] - opponent)[piece].mean()),
                )
            )
    return tuple(sorted(found, key=lambda o: -o.mask_score))


def expit(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The probabilities, in 0..1, of log-odds."""
    # logaddexp, because exp overflows on the large logits of an untrained decoder.
    return np.exp(-np.logaddexp(np.float32(0), -logits))


def _image_box(
    stats: Sequence[int], mask: tuple[int, ...], image: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels of the image that mask pixels cover, as (x0, y0, x1, y1) with x1, y1 exclusive."""
    x, y, width, height, _ = stats
    down, across = image[0] / mask[0], image[1] / mask[1]
    return (
        math.floor(x * across),
        math.floor(y * down),
        math.ceil((x + width) * across),
        math.ceil((y + height) * down),
    )
