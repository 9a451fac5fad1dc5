"""What a few images of objects never seen are worth, by method of tuning.

The extra objects of the simulation are learned from 5, 10 or 20 images each, beside replayed
scenes of what the model knows, and asked for on test scenes through the pipeline's own perception,
before and after; so is what it knew.

    python experiments/few_shot.py --methods lora bitfit --images 10 --seeds 3 --folder shots
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from ablation import mean_and_spread
from pareto import SweepPoint, plot_front

from vlam_ros.cli.arguments import add_model, positive, positive_number
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.grounding import QueryResult, answers_to
from vlam_ros.lab.evaluation.queries import ABSENT, Query, QueryKind, Question, questions
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.report.table import Table
from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.index import phrases_of
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.finetune import RATES, WARMUP, WEIGHTS, finetune
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.lab.training.training_batches import TuningData
from vlam_ros.perception.clipseg import Checkpoint, ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.adapters import METHODS
from vlam_ros.resources import write_file
from vlam_ros.types import Observation

MOST = 20
"""Images of each new object that there are."""
BASE = "none"
"""The method that learns nothing."""
JUDGED = ("lora", 10)
"""Method and images of each object that the gates are for."""
GAIN, LOSS, MINUTES = 0.35, 0.02, 5.0
"""Gates: IoU gained on the new, IoU lost on the old, minutes of training on two cores."""
ALLOWED = 0.05
"""Share of what is not there that may be confirmed where it is told what of the rest is."""
MISSED, FORGOTTEN = "new objects not confirmed", "IoU lost on old objects"
"""What a sweep has to choose between."""


@dataclass(frozen=True)
class Trial:
    """A method, images of each new object, the seed of the images and of what is drawn, and the
    weight λ of the crops' contrast.
    """

    method: str
    images: int
    seed: int
    crops: float = 1.0

    @property
    def kind(self) -> tuple[int, str, float]:
        """What it shares with the trials of other seeds."""
        return self.images, self.method, self.crops

    @property
    def name(self) -> str:
        """Of its folder."""
        weight = "" if self.crops == 1 else f"-crops{self.crops:g}"
        return f"{self.method}-{self.images}-{self.seed}{weight}"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: figures of new and old objects, and what it took.

    `iou` is the mean over what is there, `right` the share of it whose best candidate covers it
    (IoU above 0.5), `alarms` the share of what is not there for which any candidate passes the
    base's threshold. `sure` is the share of what is there that is confirmed and right at the lowest
    threshold that confirms at most ALLOWED of what is not.
    """

    trial: Trial
    iou: float
    right: float
    alarms: float
    sure: float
    old_iou: float
    old_right: float
    old_alarms: float
    old_sure: float
    parameters: int
    minutes: float
    steps: int


def extra_questions(world: World, split: str, count: int) -> Iterator[Question]:
    """The first `count` scenes of a split with an extra object, asked for it by its noun, and for
    another extra object, which is not there. The world must have them.
    """
    nowhere = np.zeros((world.camera.height, world.camera.width), bool)
    for index in range(count):
        spec = extra_scene_of_seed(split, index)
        world.load(spec)
        rendering = world.render()
        there = spec.objects[0].shape
        others = [shape for shape in EXTRA_SHAPES if shape != there]
        other = others[index // len(EXTRA_SHAPES) % len(others)]
        observation = Observation(
            stamp=index, now=index, image=rendering.image, camera=world.camera
        )
        queries = (
            Query(there, QueryKind.PRESENT, rendering.labels == 1),
            Query(other, QueryKind.OTHER, nowhere),
        )
        yield Question(observation, queries)


@dataclass(frozen=True)
class EvaluationSet:
    """Questions about images that nothing was learned from."""

    new: Sequence[Question]
    old: Sequence[Question]

    @classmethod
    def drawn(cls, split: str, scenes: int) -> EvaluationSet:
        """Of the first scenes of a split, with extra objects and without."""
        with World(extra=True) as world:
            new = list(extra_questions(world, split, scenes))
        with World() as world:
            return cls(new, list(questions(world, split, scenes)))

    def answers(
        self, checkpoint: Checkpoint, settings: PerceptionSettings
    ) -> tuple[list[QueryResult], list[QueryResult]]:
        """The answers about new and about old."""
        # A new one each time: it keeps what it has read.
        new, old = (
            answers_to(ClipsegGrounder(checkpoint), settings, a) for a in (self.new, self.old)
        )
        return new, old


def few_shot(
    trials: Sequence[Trial],
    folder: Path,
    *,
    model: str = "embedded",
    steps: int = 200,
    scenes: int = 60,
    replayed: int = 250,
    split: str = "test",
    threads: int = 2,
    progress: bool = True,
    plot: Path | None = None,
) -> Report:
    """Run the trials whose outcome is not in the folder yet, and compare all of them.

    Args:
        trials: what to learn, and by what.
        folder: gets the data sets, the adapters and the outcomes.
        model: the checkpoint that learns, calibrated.
        steps: of each training.
        scenes: of the evaluation, with extra objects, and as many without.
        replayed: ordinary scenes that are replayed.
        split: of its scenes.
        threads: processor cores to use.
        progress: whether to show how far it is.
        plot: PNG of the Pareto front that the trials' weights of the contrast leave to choose from.

    Raises:
        LearningError: more images are asked for than there are, the folder has outcomes that were
            made with other settings, or a plot is asked for of several methods or numbers.
        ModelError, SimulationError: as for what is called.
    """
    torch.set_num_threads(threads)
    if any(trial.images > MOST for trial in trials):
        raise LearningError(f"there are {MOST} images of each object, got more in {trials}")
    if plot is not None and len({trial.kind[:2] for trial in trials}) != 1:
        raise LearningError("a plot compares weights of one method and one number of images")
    new, old = _data(folder, replayed, progress)
    evaluation_set: EvaluationSet | None = None
    outcomes = []
    made_with: dict[str, str | int] = {
        "model": model,
        "steps": steps,
        "scenes": scenes,
        "split": split,
        "replayed": replayed,
        "threads": threads,
    }
    for trial in (Trial(BASE, 0, 0), *trials):
        path = folder / trial.name / "outcome.json"
        if not path.exists():
            evaluation_set = evaluation_set or EvaluationSet.drawn(split, scenes)
            outcome = _run(trial, path.parent, model, new, old, evaluation_set, steps)
            record = {"made_with": made_with, "outcome": dataclasses.asdict(outcome)}
            write_file(path, (json.dumps(record, indent=2) + "\n").encode())
        outcomes.append(_read(path, made_with))
    if plot is not None:
        plot_front(sweep(outcomes), MISSED, FORGOTTEN, plot)
    return _report(outcomes, made_with)


def sweep(outcomes: Sequence[Outcome]) -> list[SweepPoint]:
    """A point for each kind of trial, the mean over its seeds; the first outcome is the base's."""
    base, *rest = outcomes
    return [
        SweepPoint(
            {"crops": some[0].trial.crops},
            {
                MISSED: 1 - _mean([o.sure for o in some]),
                FORGOTTEN: base.old_iou - _mean([o.old_iou for o in some]),
            },
        )
        for some in _kinds(rest).values()
    ]


def _kinds(outcomes: Sequence[Outcome]) -> dict[tuple[int, str, float], list[Outcome]]:
    in_order = sorted(outcomes, key=lambda o: o.trial.kind)
    return {kind: list(some) for kind, some in groupby(in_order, lambda o: o.trial.kind)}


def _read(path: Path, made_with: Mapping[str, str | int]) -> Outcome:
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["made_with"] != made_with:
        raise LearningError(
            f"{path.parent} was made with {record['made_with']}, not {made_with}: take "
            "another folder"
        )
    known = record["outcome"]
    return Outcome(**{**known, "trial": Trial(**known["trial"])})


def _data(folder: Path, replayed: int, progress: bool) -> tuple[Dataset, Dataset]:
    # A fourth more than are needed: of some nothing can be seen. Always as many, for a seed takes
    # its images out of all.
    counts = {"new": len(EXTRA_SHAPES) * MOST * 5 // 4, "old": replayed}
    for name, count in counts.items():
        have = (
            len(Dataset(folder / name, "train")) if (folder / name / "train.json").exists() else 0
        )
        if have < count:
            with DatasetWriter(folder / name, "experiments/few_shot.py") as writer:
                add_simulated(writer, {"train": count}, name == "new", progress)
    return Dataset(folder / "new", "train"), Dataset(folder / "old", "train")


def _run(
    trial: Trial,
    folder: Path,
    model: str,
    new: Dataset,
    old: Dataset,
    evaluation_set: EvaluationSet,
    steps: int,
) -> Outcome:
    checkpoint = load_checkpoint(model, "cpu", "float32")
    learned = trial.method != BASE
    few = few_of(new, trial.images, EXTRA_SHAPES, trial.seed) if learned else new
    course = TuningData.of(checkpoint, few, old, Settings.load().perception, seed=trial.seed)
    parameters, minutes = 0, 0.0
    if learned:
        tuned = finetune(
            checkpoint,
            course,
            folder,
            FitSettings(steps, rate=RATES[trial.method], warmup=WARMUP, validate_every=steps,
                        seed=trial.seed, device="cpu", dtype="float32"),
            trial.method,
            weights={**WEIGHTS, "crops": trial.crops},
        )  # fmt: skip
        parameters, minutes = tuned.adaptation.trainable, tuned.fit.seconds / 60
    settings = dataclasses.replace(Settings.load().perception, nouns=course.negatives.nouns)
    # The base's threshold, whatever the tuned one's calibration is before `vlam calibrate`, which
    # also says what is familiar to it: everything is strange to the base's density.
    calibration, threshold = checkpoint.calibration, 1.0
    if calibration:
        threshold = calibration.crop_threshold
        calibration = dataclasses.replace(calibration, familiarity=None)
    asked, kept = evaluation_set.answers(
        dataclasses.replace(checkpoint, calibration=calibration), settings
    )
    new_figures, old_figures = _figures(asked, threshold), _figures(kept, threshold)
    done = steps if learned else 0
    return Outcome(trial, *new_figures, *old_figures, parameters, minutes, done)


def few_of(
    dataset: Dataset, count: int, phrases: Sequence[str] = (), seed: int | None = None
) -> Dataset:
    """A data set of the first images that show each phrase `count` times.

    An image that shows several counts for each, and is taken if any of them lacks it. A `seed`
    takes the images in an order of its own.

    Raises:
        LearningError: there are too few.
    """
    lacking = dict.fromkeys(phrases or dataset.phrases, count)
    kept = []
    order = list(range(len(dataset.images)))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order).tolist()
    for image in (dataset.images[i] for i in order):
        shown = {a.phrase for a in image.annotations} & set(lacking)
        if any(lacking[phrase] > 0 for phrase in shown):
            kept.append(image)
            for phrase in shown:
                lacking[phrase] -= 1
    if short := [f"{count - n} of {p!r}" for p, n in lacking.items() if n > 0]:
        raise LearningError(
            f"{dataset.split} must show each phrase {count} times, got {', '.join(short)}"
        )
    smaller = copy(dataset)
    smaller.images, smaller.phrases = tuple(kept), phrases_of(kept)
    return smaller


def _figures(answers: Sequence[QueryResult], threshold: float) -> tuple[float, float, float, float]:
    there = [a for a in answers if a.kind is QueryKind.PRESENT]
    absent = [a for a in answers if a.kind in ABSENT]
    return (
        _mean([a.iou() for a in there]),
        _mean([a.right(0.0) for a in there]),
        _mean([a.found(threshold) for a in absent]),
        _mean([a.right(lowest_threshold(absent)) for a in there]),
    )


def lowest_threshold(absent: Sequence[QueryResult], allowed: float = ALLOWED) -> float:
    """Of the second look, at which it confirms at most this share of what is not there."""
    scores = sorted(max((c.score for c in a.candidates), default=0.0) for a in absent)
    refused = scores[: len(scores) - int(allowed * len(scores))]
    return float(np.nextafter(refused[-1], np.inf)) if refused else 0.0


def _report(outcomes: Sequence[Outcome], made_with: Mapping[str, str | int]) -> Report:
    base, *rest = outcomes
    kinds = _kinds(rest)
    rows = [_row(base.trial.method, [base], base)]
    rows += [_row(method, some, base) for (_, method, _), some in kinds.items()]
    table = Table(
        "New objects from a few images",
        ("method", "images each", "λ crops", "parameters", "minutes", "new: IoU", "right",
         "false alarms", "confirmed", "old: IoU", "change", "right", "false alarms", "confirmed"),
        tuple(rows),
        (
            "Means over the seeds; behind ± half the distance between the lowest and the highest. "
            "False alarms are at the untuned model's threshold; confirmed is what is confirmed and "
            f"right at the lowest threshold with no more than {ALLOWED:.0%} of them.",
        ),
    )  # fmt: skip
    method, images = JUDGED
    judged = kinds.get((images, method, 1.0), [])
    gates = [
        Metric(f"{name}, {method}, {images} images each", _mean(list(map(figure, judged))),
               len(judged), gate, at_most)
        for name, figure, gate, at_most in _gates(base)
    ] if judged else []  # fmt: skip
    return Report(tuple(gates), made_with, tables=(table,))


def _gates(base: Outcome) -> list[tuple[str, Callable[[Outcome], float], float, bool]]:
    return [
        ("IoU gained on new objects", lambda o: o.iou - base.iou, GAIN, False),
        ("IoU lost on old objects", lambda o: base.old_iou - o.old_iou, LOSS, True),
        ("minutes of training", lambda o: o.minutes, MINUTES, True),
    ]


def _row(method: str, some: Sequence[Outcome], base: Outcome) -> tuple[str, ...]:
    first = some[0]

    def told(figure: Callable[[Outcome], float], sign: str = "") -> str:
        return mean_and_spread([figure(outcome) for outcome in some], sign)

    return (
        method,
        str(first.trial.images),
        f"{first.trial.crops:g}",
        f"{first.parameters:,}",
        f"{_mean([o.minutes for o in some]):.1f}",
        told(lambda o: o.iou),
        told(lambda o: o.right),
        told(lambda o: o.alarms),
        told(lambda o: o.sure),
        told(lambda o: o.old_iou),
        told(lambda o: o.old_iou - base.old_iou, "+"),
        told(lambda o: o.old_right),
        told(lambda o: o.old_alarms),
        told(lambda o: o.old_sure),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; 1 if LoRA misses a gate at 10 images and weight 1."""
    parser = argparse.ArgumentParser(description="Measure what a few images of objects are worth.")
    add_model(parser)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, metavar="METHOD",
        help=f"of {', '.join(METHODS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        "--images", nargs="+", type=positive, default=[5, 10, 20], metavar="N",
        help=f"of each object, at most {MOST} (5 10 20)",
    )  # fmt: skip
    parser.add_argument(
        "--crops", nargs="+", type=positive_number, default=[1.0], metavar="X",
        help="weights of the crops' contrast to try (1)",
    )  # fmt: skip
    for name, default, text in (
        ("seeds", 1, "repetitions with other images"),
        ("steps", 200, "of each training"),
        ("threads", os.cpu_count() or 1, "processor cores to use"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR",
        help="of data sets and results; what is there already is not done again",
    )  # fmt: skip
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="of the Pareto front that the weights leave"
    )
    add_common(parser, 60)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    trials = [
        Trial(method, count, seed, weight)
        for count in options.images
        for method in options.methods
        for weight in options.crops
        for seed in range(options.seeds)
    ]
    report = few_shot(
        trials,
        options.folder,
        model=options.model,
        steps=options.steps,
        scenes=options.scenes,
        threads=options.threads,
        plot=options.plot,
    )
    return tell(report, options)


if __name__ == "__main__":
    sys.exit(main())
