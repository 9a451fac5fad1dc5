"""What tuning sees: lessons out of data sets, new and replayed, and what is looked at besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice

import torch

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data import BatchStream, CloseupStream, Dataset, plain_closeups
from vlam_ros.lab.training.examples import Batch, Batches, joined, whole
from vlam_ros.lab.training.grounding import NOTHING, Look
from vlam_ros.lab.training.hard_negatives import Rivals
from vlam_ros.perception.clipseg import Checkpoint

CHECKED = 40
"""Pictures of a data set that are looked at, and batches of closeups."""


@dataclass(frozen=True)
class Lesson:
    """What a step of tuning sees: whole pictures, and closeups of things."""

    pictures: Batch
    closeups: Batch | None = None

    def to(self, device: torch.device) -> Lesson:
        """The same on a device."""
        close = None if self.closeups is None else self.closeups.to(device)
        return Lesson(self.pictures.to(device), close)


@dataclass(frozen=True)
class Lessons:
    """Lessons out of several sources, such as new and replayed ones: a batch of each, in one."""

    pictures: Sequence[Batches]
    closeups: Sequence[Batches] = ()

    def batch(self, step: int) -> Lesson:
        """The lesson of a number."""
        pictures, close = (
            [source.batch(step) for source in sources] for sources in (self.pictures, self.closeups)
        )
        return Lesson(reduce(joined, pictures), reduce(joined, close) if close else None)


@dataclass(frozen=True)
class Check:
    """What is looked at before, while and after training; what is seen of the new decides which
    weights are kept.
    """

    new: Look = NOTHING
    old: Look = NOTHING


UNCHECKED = Check()


@dataclass(frozen=True)
class Course:
    """Lessons of new data sets beside replayed ones, for a checkpoint.

    `phrases` are those that are new: what the replayed data set does not name. `about` tells the
    course from any other.
    """

    lessons: Lessons
    phrases: tuple[str, ...]
    rivals: Rivals
    about: str

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        new: Dataset,
        old: Dataset | None,
        settings: PerceptionSettings,
        *,
        pictures: int = 1,
        closeups: int = 24,
        seed: int = 0,
    ) -> Course:
        """Draw lessons.

        Args:
            checkpoint: whose sizes pictures and closeups get.
            new: what is to be learned.
            old: what is to be kept.
            settings: the nouns and colours that compete with new ones.
            pictures: new ones of a batch, and as many old ones.
            closeups: of new things in a batch, and as many of old ones.
            seed: of what is drawn.

        Raises:
            LearningError: the new data set names nothing new, or nothing can be drawn.
        """
        known = old.phrases if old is not None else ()
        phrases = tuple(p for p in new.phrases if p not in known)
        if not phrases:
            what = "that the replayed one does not name" if known else "in its pictures for train"
            raise LearningError(f"{new.folder} names nothing {what}")
        rivals = Rivals(settings, [*new.phrases, *known])
        size, crop_size = checkpoint.preprocessing.size, checkpoint.crop_size
        whole_pictures = [
            BatchStream(each, size, pictures, absent=3, seed=seed, wanted=phrases, rivals=rivals)
            for each in (new, old)
            if each is not None
        ]
        replayed = None
        if old is not None:
            replayed = CloseupStream(old, crop_size, closeups, rivals, seed=seed)
        own = CloseupStream(
            new, crop_size, closeups, rivals, phrases=phrases, few=True, before=replayed, seed=seed
        )
        close = [own] if replayed is None else [own, replayed]
        made_of = [d.digest if d is not None else "" for d in (new, old)]
        about = f"{pictures} pictures and {closeups} closeups of {made_of}, {rivals.nouns}"
        return cls(Lessons(whole_pictures, close), phrases, rivals, about)

    def look(self, checkpoint: Checkpoint, dataset: Dataset, phrases: Sequence[str] = ()) -> Look:
        """What can be seen in a few pictures of a data set.

        Args:
            checkpoint: whose sizes pictures and closeups get.
            dataset: one that is not trained on.
            phrases: what is asked, by default all that is new.
        """
        phrases = tuple(phrases) or self.phrases
        size, crop_size = checkpoint.preprocessing.size, checkpoint.crop_size
        some = ((each.image, each.masks) for each in islice(dataset, CHECKED))
        close = plain_closeups(dataset, crop_size, self.rivals, phrases)
        return Look(tuple(whole(some, phrases, size)), tuple(islice(close, CHECKED)))
