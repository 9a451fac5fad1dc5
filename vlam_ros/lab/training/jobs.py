"""`vlam train finetune` and `vlam train distil`: from a data set to a checkpoint of one's own.

Data sets are folders that `vlam data` has made. Beside what was learned is `report.html`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.report.table import number
from vlam_ros.lab.report.training_page import TrainingReport, examples, write_report
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.stream import BatchStream
from vlam_ros.lab.training.distil import distil, new_student
from vlam_ros.lab.training.examples import whole
from vlam_ros.lab.training.finetune import finetune
from vlam_ros.lab.training.fit import FitResult, FitSettings
from vlam_ros.lab.training.grounding import NOTHING, Grounding, Metrics, ValidationBatches, measure
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.lab.training.training_batches import CHECKED, TuningData
from vlam_ros.perception.calibration import calibrate_command
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint

REPORT = "report.html"


def finetune_folder(
    model: str,
    data: Path,
    out: Path,
    settings: FitSettings,
    method: str,
    *,
    replay: Path | None = None,
    images: int = 1,
    crops: int = 24,
    balanced: bool = False,
    threads: int = 1,
) -> str:
    """Tune a checkpoint to the data set `data`, keep what `replay` names, and say what that was
    worth.

    The model is "embedded", a folder or a hub id; `out` gets the adapter, its calibration, the
    report and the run. The rest is as in `finetune` and `TuningData.of`, and so are errors.
    """
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(model, settings.device, "float32")
    new, old = Dataset(data, "train"), Dataset(replay, "train") if replay is not None else None
    tuning = TuningData.of(
        checkpoint,
        new,
        old,
        Settings.load().perception,
        images=images,
        crops=crops,
        seed=settings.seed,
    )
    check, check_old = tuning.look(checkpoint, Dataset(data, "validation")), NOTHING
    if old is not None:
        check_old = tuning.look(checkpoint, Dataset(old.folder, "validation"), old.phrases)
    tuned = finetune(
        checkpoint,
        tuning,
        out,
        settings,
        method,
        check=check,
        check_old=check_old,
        balanced=balanced,
    )
    facts = {
        "model": checkpoint.name,
        "learned": str(tuned.adaptation),
        "new": ", ".join(tuning.phrases),
        "replayed": ", ".join(old.phrases) if old is not None else "nothing",
    }
    told = _tell(f"Tuning by {method}", facts, checkpoint, check, tuned.before, tuned.after,
                 tuned.fit, out)  # fmt: skip
    nouns = ", ".join(tuning.negatives.nouns)
    told = f"{told}\nnothing counts as found until `{calibrate_command(checkpoint.name, out)}`"
    notes = [*_left_out(data, new)] + [
        line for each in (new, old) if each is not None for line in each.notes.lines
    ]
    return "\n".join([*notes, told, f"let all nouns compete: perception.nouns: [{nouns}]"])


def _left_out(data: Path, train: Dataset) -> list[str]:
    """What the split leaves out: scenes are shared out by chance, and a rare thing is in few."""
    check = Dataset(data, "validation").phrases
    every = dict.fromkeys((*train.phrases, *check, *Dataset(data, "test").phrases))
    advice = "add images of it from more scenes (another place, or 10 s later in a bag)"
    untaught = [p for p in every if p not in train.phrases]
    unchecked = [p for p in train.phrases if p not in check]
    return [
        *(f"no image for training shows '{p}', so it is not learned: {advice}" for p in untaught),
        *(
            f"no image for validation shows '{p}', so nothing tells how well it is learned, and "
            f"`vlam calibrate --data` does not ask for it: {advice}"
            for p in unchecked
        ),
    ]


def distil_folder(
    teacher: str,
    student: str,
    data: Path,
    out: Path,
    settings: FitSettings,
    *,
    images: int = 8,
    threads: int = 1,
) -> str:
    """Distil a teacher into a student on a data set's images and phrases, and say what that was
    worth.

    Both are "embedded", a folder or a hub id; the student may be a recipe `*.yaml` as
    config/embedded.yaml for a new one. `out` gets its checkpoint, the report and the run. Errors
    are as in `distil` and `write_report`.
    """
    torch.set_num_threads(threads)
    known = load_checkpoint(teacher, settings.device, "auto")
    if student.endswith((".yaml", ".yml")):
        pupil = new_student(Recipe.load(Path(student)))
    else:
        pupil = load_checkpoint(student, settings.device, "float32")
    size = max(known.preprocessing.size, pupil.preprocessing.size)
    train = Dataset(data, "train")
    if not train.phrases:
        raise LearningError(f"{data} names nothing in its images for train")
    seen = islice(Dataset(data, "validation"), CHECKED)
    look = ValidationBatches(tuple(whole(seen, train.phrases, size)))

    def figures(of: Checkpoint) -> dict[str, Metrics]:
        return {"data": measure(Grounding(of), look)} if look else {}

    before = figures(pupil)
    result = distil(
        known,
        pupil,
        BatchStream(train, size, images, seed=settings.seed),
        out,
        settings,
        phrases=train.phrases,
        check=look,
        about=f"{images} images of {train.digest}",
    )
    counts = [sum(p.numel() for p in c.model.parameters()) for c in (known, pupil)]
    facts = {
        "teacher": f"{known.name}, {counts[0]:,} parameters",
        "student": f"{pupil.name}, {counts[1]:,} parameters",
        "phrases": ", ".join(train.phrases),
    }
    return _tell("Distillation", facts, pupil, look, before, figures(pupil), result, out)


def _tell(
    title: str,
    facts: Mapping[str, str],
    checkpoint: Checkpoint,
    look: ValidationBatches,
    before: Mapping[str, Metrics],
    after: Mapping[str, Metrics],
    fit: FitResult,
    out: Path,
) -> str:
    trained = (
        f"{fit.steps} steps in {fit.seconds / 60:.1f} min, the weights of step {fit.best_step} are "
        "kept"
    )
    if fit.writes:
        seen = examples(Grounding(checkpoint), look.images, checkpoint.mask_threshold)
        report = TrainingReport(title, {**facts, "trained": trained}, before, after, seen)
        write_report(report, out / "run", out / REPORT)
    lines = [
        f"{name}: IoU {number(before[name].iou)} before, {number(figures.iou)} after"
        for name, figures in after.items()
    ]
    return "\n".join([*lines, trained, f"wrote {out}; see {out / REPORT}"])
