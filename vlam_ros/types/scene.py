"""What is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from vlam_ros.types.arrays import BoolArray


class PositionSource(IntEnum):
    """Where an object's position comes from."""

    NONE = 0
    DEPTH = 1
    GROUND_PLANE = 2


@dataclass(frozen=True)
class SceneObject:
    """One connected piece of a prompt's mask.

    `box` is (x0, y0, x1, y1) in pixels of the image, x1 and y1 exclusive; `mask` is bool[h,w] at
    the resolution of the mask logits. `mask_score` is the mean mask probability, `margin` its lead
    over the best competing prompt; `score` is the final belief in [0, 1]: the second look's where
    there was one. `position` is in `base_link`: the object's centre, or from the floor its foot
    point below that; `spread` is its standard deviation in metres. What is not `confirmed` may be
    something else: it is not chosen, but what was chosen before may be followed by it.
    `unfamiliarity` above 1 says that its crop is unlike those the checkpoint was calibrated on.
    """

    phrase: str
    box: tuple[int, int, int, int]
    mask: BoolArray
    score: float
    mask_score: float
    margin: float
    second_look: bool = False
    position: tuple[float, float, float] | None = None
    spread: float = float("nan")
    size: float = float("nan")
    source: PositionSource = PositionSource.NONE
    confirmed: bool = True
    unfamiliarity: float = 0.0

    def same_piece(self, other: SceneObject | None) -> bool:
        """Whether both are the same piece for one phrase, wherever each is said to be."""
        return other is not None and (self.phrase, self.box) == (other.phrase, other.box)


@dataclass(frozen=True)
class Scene:
    """What perception believes of one image: objects of all asked phrases, best first.

    `unfamiliarity` above 1 says that the image is unlike those the checkpoint was calibrated on.
    `features` is what the grounder knows of the image, for a policy that was trained on it.
    """

    stamp: int
    objects: tuple[SceneObject, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    unfamiliarity: float = 0.0
    features: Any = field(default=None, compare=False, repr=False)

    def of(self, phrase: str) -> tuple[SceneObject, ...]:
        """The objects found for one phrase, best first."""
        return tuple(o for o in self.objects if o.phrase == phrase)
