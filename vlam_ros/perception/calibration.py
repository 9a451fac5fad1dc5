"""The thresholds of one checkpoint, kept in `calibration.json` beside its weights.

Probabilities of two checkpoints do not mean the same, so a threshold never comes from anywhere
else; a checkpoint without this file can describe a scene, but nothing in it may be acted on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlam_ros.errors import ModelError
from vlam_ros.perception.familiarity import Familiarity

FILE_NAME = "calibration.json"

UNCALIBRATED_MASK_THRESHOLD = 0.5
"""Where a sigmoid is undecided: for showing what an uncalibrated checkpoint sees, no more."""

_HOW_TO_GET_ONE = "calibrate the checkpoint again, or restore the file it was published with"


@dataclass(frozen=True)
class Calibration:
    """Thresholds and temperatures of one checkpoint. ModelError if a value is out of range.

    Attributes:
        mask_threshold: probability, in 0..1, above which a mask pixel can belong to a phrase.
        tolerance: lead in mask probability, in 0..1, that an opponent may have on a pixel before
            the pixel is taken from a phrase; 0: the best prompt takes it.
        crop_threshold: score, in 0..1, from which the second look confirms a candidate.
        crop_rejection: score, in 0..1, below which the second look takes a candidate for something
            else, and it is left out of the scene.
        margin: lead in mask probability, in 0..1, that a candidate needs over the runner-up.
        crop_size: side in pixels of the square that a crop is resized to, a multiple of the patch.
        crop_temperature: factor on the image-text cosines in the second look's softmax, where they
            count as much as the mask logits.
        skill_threshold: text-text cosine, in -1..1, below which words mean none of the skills.
        skill_temperature: factor on the text-text cosines in the skills' softmax.
        vocabulary: the words that the checkpoint was trained on; None means an open vocabulary.
        made_with: the command and the seeds that made these values.
        skills: the sentences of each skill that the checkpoint was taught, with "the object" and
            "the destination" for nouns; None where nobody knows, as of a CLIP of any words.
        familiarity: what images of the calibration look like, in a file of its own; None if nobody
            measured it, and any image counts as familiar.
    """

    mask_threshold: float
    tolerance: float
    crop_threshold: float
    crop_rejection: float
    margin: float
    crop_size: int
    crop_temperature: float
    skill_threshold: float
    skill_temperature: float
    vocabulary: tuple[str, ...] | None
    made_with: str
    skills: Mapping[str, tuple[str, ...]] | None = None
    familiarity: Familiarity | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("mask_threshold", "tolerance", "crop_threshold", "crop_rejection", "margin"):
            self._check(name, "a probability in 0..1", 0.0, 1.0)
        self._check("skill_threshold", "a cosine in -1..1", -1.0, 1.0)
        for name in ("crop_temperature", "skill_temperature"):
            self._check(name, "a factor in 0.01..10000", 0.01, 1e4)
        if not isinstance(self.crop_size, int):
            raise ModelError(f"crop_size must be whole pixels, got {self.crop_size!r}")
        self._check("crop_size", "pixels in 8..1024", 8, 1024)
        words = self.vocabulary
        if words is not None and not (
            isinstance(words, tuple) and words and all(isinstance(w, str) and w for w in words)
        ):
            raise ModelError(f"vocabulary must be words, or null for an open one, got {words!r}")
        if not isinstance(self.made_with, str) or not self.made_with:
            raise ModelError(f"made_with must name the command and seed, got {self.made_with!r}")
        if self.skills is not None and not all(
            isinstance(name, str) and said and all(isinstance(text, str) for text in said)
            for name, said in self.skills.items()
        ):
            raise ModelError(f"skills must be lists of sentences, or null, got {self.skills!r}")

    @classmethod
    def load(cls, folder: str | Path) -> Calibration | None:
        """Read the calibration of the checkpoint in a folder; None if it has none.

        Raises:
            ModelError: a file cannot be read, or a value is missing, unknown or out of range.
        """
        path = Path(folder) / FILE_NAME
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot read {path}: {error}; {_HOW_TO_GET_ONE}") from error
        expected = {f.name for f in dataclasses.fields(cls)}
        # One that was made before sentences were kept has none.
        if not isinstance(values, dict) or set(values) | {"skills"} != expected:
            keys = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ModelError(
                f"{path} must hold exactly {sorted(expected)}, got {keys}; {_HOW_TO_GET_ONE}"
            )
        if isinstance(values["vocabulary"], list):
            values["vocabulary"] = tuple(values["vocabulary"])
        if isinstance(values.get("skills"), dict):
            values["skills"] = {name: tuple(said) for name, said in values["skills"].items()}
        if values["familiarity"] is not None:
            values["familiarity"] = Familiarity.load(folder)
        try:
            return cls(**values)
        except ModelError as error:
            raise ModelError(f"{path}: {error}; {_HOW_TO_GET_ONE}") from error

    @property
    def is_provisional(self) -> bool:
        """Whether nobody chose its thresholds since the checkpoint was trained: nothing it sees
        counts as found.
        """
        return self.crop_threshold >= 1.0

    def save(self, folder: str | Path) -> Path:
        """Write the calibration beside a checkpoint's weights and return the file's path."""
        path = Path(folder) / FILE_NAME
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.familiarity is not None:
            values["familiarity"] = self.familiarity.save(folder).name
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return path

    def _check(self, name: str, expected: str, low: float, high: float) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # NaN is in no range.
        if not number or not low <= value <= high:
            raise ModelError(f"{name} must be {expected}, got {value!r}")


def calibrate_command(model: str, adapter: str | Path = "") -> str:
    """What chooses the thresholds of a checkpoint, or of an adapter on one."""
    return f"vlam calibrate {model}" + (f" --adapter {adapter}" if adapter else "")
