"""What tuning sees: batches out of data sets, new and replayed, and what is looked at besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.crops import CropStream, plain_crops
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.stream import BatchStream
from vlam_ros.lab.training.examples import Batch, Batches, joined, whole
from vlam_ros.lab.training.grounding import ValidationBatches
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.perception.clipseg import Checkpoint

CHECKED = 40
"""Images of a data set that are looked at, and batches of crops."""


@dataclass(frozen=True)
class TrainingBatch:
    """What a step of tuning sees: whole images, and crops of things."""

    images: Batch
    crops: Batch


@dataclass(frozen=True)
class TuningData:
    """Batches of new data sets beside replayed ones, for a checkpoint: one of each source, in one.

    `phrases` are those that the replayed data set does not name; `about` tells the data from any
    other.
    """

    images: Sequence[Batches]
    crops: Sequence[Batches]
    phrases: tuple[str, ...]
    negatives: HardNegatives
    about: str

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        new: Dataset,
        old: Dataset | None,
        settings: PerceptionSettings,
        *,
        images: int = 1,
        crops: int = 24,
        seed: int = 0,
    ) -> TuningData:
        """Draw batches of `images` new whole images and `crops` of new things, and as many old
        ones.

        Args:
            checkpoint: whose sizes images and crops get.
            new: what is to be learned.
            old: what is to be kept.
            settings: the nouns and colours that compete with new ones.

        Raises:
            LearningError: the new data set names nothing new, or nothing can be drawn.
        """
        known = old.phrases if old is not None else ()
        phrases = tuple(p for p in new.phrases if p not in known)
        if not phrases:
            what = "that the replayed one does not name" if known else "in its images for train"
            raise LearningError(f"{new.folder} names nothing {what}")
        negatives = HardNegatives(settings, [*new.phrases, *known])
        size, crop_size = checkpoint.preprocessing.size, checkpoint.crop_size
        whole_images = [
            BatchStream(
                each, size, images, absent=3, seed=seed, wanted=phrases, negatives=negatives
            )
            for each in (new, old)
            if each is not None
        ]
        replayed = None
        if old is not None:
            replayed = CropStream(old, crop_size, crops, negatives, seed=seed)
        own = CropStream(
            new, crop_size, crops, negatives, phrases=phrases, few=True, before=replayed, seed=seed
        )
        close = [own] if replayed is None else [own, replayed]
        made_of = [d.digest if d is not None else "" for d in (new, old)]
        about = f"{images} images and {crops} crops of {made_of}, {negatives.nouns}"
        return cls(whole_images, close, phrases, negatives, about)

    def batch(self, step: int) -> TrainingBatch:
        images, close = (
            reduce(joined, (source.batch(step) for source in sources))
            for sources in (self.images, self.crops)
        )
        return TrainingBatch(images, close)

    def look(
        self, checkpoint: Checkpoint, dataset: Dataset, phrases: Sequence[str] = ()
    ) -> ValidationBatches:
        """A few images of a data set that is not trained on, asked for `phrases` (all new)."""
        phrases = tuple(phrases) or self.phrases
        size, crop_size = checkpoint.preprocessing.size, checkpoint.crop_size
        images = whole(islice(dataset, CHECKED), phrases, size)
        close = plain_crops(dataset, crop_size, self.negatives, phrases)
        return ValidationBatches(tuple(images), tuple(islice(close, CHECKED)))
