"""`vlam train finetune` and `vlam train distil`: from a data set to a checkpoint of one's own.

Data sets are folders that `vlam data` has made. Beside what was learned is `report.html`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from vlam_ros.errors import LearningError
from vlam_ros.learning.data import BatchStream, Dataset
from vlam_ros.learning.distil import distil, new_student
from vlam_ros.learning.examples import Batch, Drawn, whole
from vlam_ros.learning.finetune import Check, finetune
from vlam_ros.learning.fit import FitResult, FitSettings
from vlam_ros.learning.grounding import Figures, Grounding, measure
from vlam_ros.learning.recipe import Recipe
from vlam_ros.learning.report import Report, examples, write_report
from vlam_ros.models import Checkpoint, load_checkpoint

CHECKED = 40
"""Pictures of a data set's validation split that are looked at."""
REPORT = "report.html"


@dataclass(frozen=True)
class DataFolder:
    """A data set as training sees it: the batches of its train split, a few pictures of its
    validation split, and what its pictures are asked for.
    """

    batches: Drawn
    check: Sequence[Batch]
    phrases: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, size: int, pictures: int, seed: int) -> DataFolder:
        """Read a data set's index and its validation pictures.

        Args:
            folder: of the data set.
            size: side of the model's pictures in pixels.
            pictures: of a batch.
            seed: of what is drawn.

        Raises:
            LearningError: it is none, or has no picture to train with.
        """
        train, validation = Dataset(folder, "train"), Dataset(folder, "validation")
        phrases = tuple(train.phrases)
        if not phrases:
            raise LearningError(f"{folder} names nothing in its pictures for train")
        stream = BatchStream(train, size, pictures, seed=seed)
        return cls(Drawn(stream), list(whole(islice(validation, CHECKED), phrases, size)), phrases)


def finetune_folder(
    model: str,
    data: Path,
    out: Path,
    settings: FitSettings,
    method: str,
    *,
    replay: Path | None = None,
    pictures: int = 4,
    balanced: bool = False,
    threads: int = 1,
    **options: Any,
) -> str:
    """Tune a checkpoint to a data set, and say what that was worth.

    Args:
        model: "embedded", a folder or a hub id.
        data: the data set.
        out: gets the adapter, its calibration, the report and the run.
        settings: of the training.
        method: of `learning.adapters.apply`, with settings in `options`.
        replay: a data set of what is to be kept.
        pictures: of a batch, and as many of `replay`.
        balanced: whether the balance of the loss terms is learned.
        threads: processor cores to use.
        options: of the method.

    Raises:
        LearningError, ModelError, ConfigurationError: as in `finetune` and `write_report`.
    """
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(model, settings.device, "float32")
    size = checkpoint.preprocessing.size
    new = DataFolder.read(data, size, pictures, settings.seed)
    old = DataFolder.read(replay, size, pictures, settings.seed) if replay else None
    tuned = finetune(
        checkpoint,
        new.batches,
        out,
        settings,
        method,
        phrases=new.phrases,
        replay=old.batches if old else None,
        check=Check(new.check, old.check if old else ()),
        balanced=balanced,
        **options,
    )
    facts = {
        "model": checkpoint.name,
        "learned": str(tuned.adaptation),
        "new": ", ".join(new.phrases),
        "replayed": ", ".join(old.phrases) if old else "nothing",
    }
    return _tell(f"Tuning by {method}", facts, checkpoint, new.check, tuned.before, tuned.after,
                 tuned.fit, out)  # fmt: skip


def distil_folder(
    teacher: str,
    student: str,
    data: Path,
    out: Path,
    settings: FitSettings,
    *,
    pictures: int = 8,
    threads: int = 1,
) -> str:
    """Distil a teacher into a student on a data set's pictures and phrases.

    Args:
        teacher: "embedded", a folder or a hub id.
        student: the same, or a recipe `*.yaml` as config/embedded.yaml for a new one.
        data: the data set.
        out: gets the student's checkpoint, the report and the run.
        settings: of the training.
        pictures: of a batch.
        threads: processor cores to use.

    Raises:
        LearningError, ModelError, ConfigurationError: as in `distil` and `write_report`.
    """
    torch.set_num_threads(threads)
    known = load_checkpoint(teacher, settings.device, "auto")
    if student.endswith((".yaml", ".yml")):
        pupil = new_student(Recipe.load(Path(student)))
    else:
        pupil = load_checkpoint(student, settings.device, "float32")
    size = max(known.preprocessing.size, pupil.preprocessing.size)
    folder = DataFolder.read(data, size, pictures, settings.seed)

    def figures(of: Checkpoint) -> dict[str, Figures]:
        return (
            {"data": measure(Grounding.of(of), folder.check, pupil.crop_size)}
            if folder.check
            else {}
        )

    before = figures(pupil)
    result = distil(
        known,
        pupil,
        folder.batches,
        out,
        settings,
        phrases=folder.phrases,
        check=Check(folder.check),
    )
    counts = [sum(p.numel() for p in c.model.parameters()) for c in (known, pupil)]
    facts = {
        "teacher": f"{known.name}, {counts[0]:,} parameters",
        "student": f"{pupil.name}, {counts[1]:,} parameters",
        "phrases": ", ".join(folder.phrases),
    }
    return _tell("Distillation", facts, pupil, folder.check, before, figures(pupil), result, out)


def _tell(
    title: str,
    facts: Mapping[str, str],
    checkpoint: Checkpoint,
    check: Sequence[Batch],
    before: Mapping[str, Figures],
    after: Mapping[str, Figures],
    fit: FitResult,
    out: Path,
) -> str:
    """Write the report, and sum it up in a few lines."""
    trained = f"{fit.steps} steps in {fit.seconds / 60:.1f} min, the weights of step "
    report = Report(
        title,
        {**facts, "trained": f"{trained}{fit.best_step} are kept"},
        before,
        after,
        examples(Grounding.of(checkpoint), check, checkpoint.mask_threshold),
    )
    write_report(report, out / "run", out / REPORT)
    lines = [
        f"{name}: IoU {before[name].iou:.3f} before, {figures.iou:.3f} after"
        for name, figures in after.items()
    ]
    return "\n".join([*lines, report.facts["trained"], f"wrote {out}; see {out / REPORT}"])
