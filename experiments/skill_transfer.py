"""What ten phrasings of a new skill are worth, and what they cost.

Skills whose words the model never read are taught by `vlam_ros.lab.training.skills`. Then sentences
of them that were not learned from are understood or not, as a robot understands them, and so are
the held-out sentences of the old skills, verbs of no skill, and phrases that name objects in test
scenes.

    python experiments/skill_transfer.py --methods full lora bitfit --seeds 3
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from vlam_ros.cli.arguments import add_model, positive
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.grounding import QueryResult, answers
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.evaluation.skills import evaluate_skills, misread_table
from vlam_ros.lab.report.table import Table, number
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.lab.training.paraphrases import skill_phrase
from vlam_ros.lab.training.skills import RATES, STEPS, learn_skills
from vlam_ros.lab.training.understanding import REFUSED, understood
from vlam_ros.perception.clipseg import ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.adapters import METHODS
from vlam_ros.policies import Skill, load_skills
from vlam_ros.types import Noun

MOST_LOST = 0.02
"""Accuracy on old sentences that learning may cost."""
MOST_TAKEN = 0.05
"""Share of unknown verbs that may be taken for a skill beyond those before."""
UNDERSTOOD = 0.9
"""Share of new phrasings that are to be understood."""


@dataclass(frozen=True)
class Phrasings:
    """How people ask for a skill: {t} is the target, {d} the destination.

    `learned` are the prompts, `unseen` others of the same words and of words for all skills,
    `unread` ones with a word that is in no prompt and no training sentence.
    """

    learned: tuple[str, ...]
    unseen: tuple[str, ...]
    unread: tuple[str, ...]


NEW_SKILLS: Mapping[str, Phrasings] = {
    "follow": Phrasings(
        learned=(
            "follow {t}", "track {t}", "trail {t}", "chase {t}", "shadow {t}", "pursue {t}",
            "tail {t}", "escort {t} to {d}", "keep close to {t}", "accompany {t} along",
        ),
        unseen=(
            "follow {t} around", "track {t} around", "chase {t} around", "pursue {t} around",
            "trail {t} around", "keep near {t}", "keep next to {t}", "keep beside {t}",
            "go around and follow {t}", "go over and chase {t}", "follow {t} over to {d}",
            "escort {t} up to {d}", "chase {t} towards {d}", "shadow and track {t} around",
            "follow and trail {t} to {d}",
        ),
        unread=(
            "stalk {t}", "hound {t}", "stick close to {t}", "dog {t}", "accost {t}",
        ),
    ),
    "inspect": Phrasings(
        learned=(
            "inspect {t}", "examine {t}", "check {t}", "study {t}", "observe {t}", "survey {t}",
            "check out {t}", "monitor {t}", "go around and examine {t}", "watch {t}",
        ),
        unseen=(
            "check {t} out", "watch {t} around", "study {t} around", "examine {t} over there",
            "examine {t} up and down", "go over and inspect {t}", "go up and examine {t}",
            "go there and check {t}", "walk over and study {t}", "walk around and survey {t}",
            "observe and monitor {t} here", "monitor and watch {t} around",
        ),
        unread=(
            "scrutinise {t}", "probe {t}", "assess {t}", "view {t}", "audit {t}",
        ),
    ),
    "polish": Phrasings(
        learned=(
            "polish {t}", "wipe {t}", "scrub {t}", "clean {t}", "rub {t}", "dust {t} off",
            "wipe {t} down", "clean up {t}", "mop {t} up", "scrub away at {t}",
        ),
        unseen=(
            "polish {t} around", "wipe {t} around",
            "scrub {t} up and down", "wipe {t} up and down", "rub {t} over and over",
            "wipe over and clean {t}", "go over and clean {t}", "go up and polish {t}",
            "go there and mop {t}", "walk over and dust {t}", "clean and wipe {t} here",
            "scrub and rub {t} around", "rub and polish {t} here",
        ),
        unread=(
            "buff {t}", "scour {t}", "swab {t}", "brush {t}", "sponge {t}",
        ),
    ),
}  # fmt: skip
"""By name. The embedded model has read none of the verbs; no words are of two skills."""


@dataclass(frozen=True)
class Understanding:
    """What a model makes of sentences: shares, in 0..1.

    `new` and `old` of those that lead to their skill, `unread` the same of those with a word that
    was never read, `unread_wrong` of those of them that lead to another one, `refused` of unknown
    verbs. `cases` are the numbers of sentences behind new, unread, old and refused; `wrong` lists
    (sentence, meant, understood).
    """

    new: float
    unread: float
    unread_wrong: float
    old: float
    refused: float
    cases: tuple[int, int, int, int]
    wrong: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Seen:
    """What a model finds in test scenes: mean IoU of what is there, the share of it whose best
    candidate is confirmed and right, and the share of what is absent that is confirmed.
    """

    iou: float
    right: float
    alarms: float


@dataclass(frozen=True)
class Taught:
    """One run: what came of it, its seconds, how many numbers it trained, how far object phrases
    have moved (cosine distance), and whether thresholds were kept for that.
    """

    method: str
    heard: Understanding
    seen: Seen
    seconds: float
    trainable: int
    moved: float
    carried: bool


def with_new_skills(skills: Sequence[Skill]) -> tuple[Skill, ...]:
    """A robot's skills and those of NEW_SKILLS after them."""
    new = [
        Skill(
            name=name,
            id=len(skills) + index,
            prompts=tuple(_plain(pattern) for pattern in phrasings.learned),
            affordance=("there is a {target}",),
            needs=frozenset({Noun.TARGET}),
            accepts=frozenset(
                {Noun.DESTINATION} if any("{d}" in p for p in phrasings.learned) else ()
            ),
        )
        for index, (name, phrasings) in enumerate(NEW_SKILLS.items())
    ]
    return (*skills, *new)


def hear(
    grounder: ClipsegGrounder, skills: Sequence[Skill], read: frozenset[str] = frozenset()
) -> Understanding:
    """Understand all sentences, without those whose phrase is among what training has `read`."""

    def ask(many: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str, str]]:
        asked = [
            (sentence, name)
            for name, patterns in many.items()
            for sentence in (p.format(t="the red cup", d="the blue box") for p in patterns)
            if skill_phrase(sentence) not in read
        ]
        return [(s, name, understood(grounder, skills, s)) for s, name in asked]

    unseen = ask({name: phrasings.unseen for name, phrasings in NEW_SKILLS.items()})
    unread = ask({name: phrasings.unread for name, phrasings in NEW_SKILLS.items()})
    known = evaluate_skills(grounder, skills)
    return Understanding(
        new=mean(meant == heard for _, meant, heard in unseen),
        unread=mean(meant == heard for _, meant, heard in unread),
        unread_wrong=mean(heard not in (meant, REFUSED) for _, meant, heard in unread),
        old=known.accuracy,
        refused=known.unknown_refused / known.unknown,
        cases=(len(unseen), len(unread), known.sentences, known.unknown),
        wrong=tuple(dict.fromkeys([c for c in unseen if c[1] != c[2]] + list(known.wrong))),
    )


def see(grounder: ClipsegGrounder, settings: Settings, scenes: int, progress: bool) -> Seen:
    """Look at scenes of the test split, with the model's own thresholds."""
    assert grounder.calibration is not None
    threshold = grounder.calibration.crop_threshold
    asked = answers(grounder, settings, "test", scenes, progress)
    present = [answer for answer in asked if answer.kind is QueryKind.PRESENT]
    return Seen(
        mean(map(QueryResult.iou, present)),
        mean(answer.right(threshold) for answer in present),
        mean(answer.found(threshold) for answer in asked if answer.kind in ABSENT),
    )


def teach(
    model: str | Path,
    skills: Sequence[Skill],
    method: str,
    seed: int,
    scenes: int,
    steps: int = STEPS,
    progress: bool = True,
) -> Taught:
    """Teach a fresh checkpoint the new skills, and load it as a robot does.

    Args:
        model: the checkpoint.
        skills: with the new ones.
        method: of tuning.
        seed: of the training.
        scenes: to look at.
        steps: of the training.
        progress: whether to show progress bars.
    """
    settings = FitSettings(steps=steps, rate=RATES[method], seed=seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = load_checkpoint(model, settings.device, "float32")
        learned = learn_skills(checkpoint, skills, folder, settings, method)
        grounder = ClipsegGrounder.from_pretrained(model, adapter=folder)
    batches = map(learned.paraphrases.batch, range(steps))
    read = frozenset(skill_phrase(text) for batch in batches for text in batch.sentences)
    return Taught(
        method=method,
        heard=hear(grounder, skills, read),
        seen=see(grounder, Settings.load(), scenes, progress),
        seconds=learned.fit.seconds,
        trainable=learned.adaptation.trainable,
        moved=learned.moved,
        carried=learned.carried,
    )


def evaluate_skill_transfer(
    model: str | Path = "embedded",
    methods: Sequence[str] = ("full",),
    seeds: Sequence[int] = range(3),
    scenes: int = 20,
    steps: int = STEPS,
    progress: bool = True,
) -> Report:
    """Teach NEW_SKILLS by each method with each seed, and measure before and after.

    Args:
        model: a calibrated checkpoint.
        methods: of tuning; the first has gates, on its worst seed.
        seeds: of the trainings.
        scenes: of the test split, to see whether objects are still found.
        steps: of each training.
        progress: whether to show progress bars.

    Raises:
        ModelError: the checkpoint cannot be loaded or has no calibration.
    """
    settings = Settings.load()
    old = load_skills(settings.policy.skills)
    skills = with_new_skills(old)
    grounder = ClipsegGrounder.from_pretrained(model)
    if grounder.calibration is None:
        raise ModelError(f"{model} has no calibration.json: run `vlam calibrate {model}` first")
    before, listed = hear(grounder, old), hear(grounder, skills)
    seen = see(grounder, settings, scenes, progress)
    runs = [
        teach(model, skills, method, seed, scenes, steps, progress)
        for method in dict.fromkeys(methods)
        for seed in seeds
    ]
    gated = [run for run in runs if run.method == methods[0]]
    made_with: Mapping[str, str | int] = {
        "model": str(model),
        "seeds": len(seeds),
        "scenes": scenes,
        "steps": steps,
    }
    misread = misread_table(
        f"Misread or refused after {methods[0]}, by any seed",
        (case for run in gated for case in run.heard.wrong),
    )
    metrics = transfer_rows(gated, before, listed)
    return Report(metrics, made_with, tables=(_by_method(runs, seen), misread))


def transfer_rows(
    runs: Sequence[Taught], before: Understanding, listed: Understanding
) -> tuple[Metric, ...]:
    """The gates, on the worst seed, and beside them what was before."""
    new, unread, old, unknown = runs[0].heard.cases
    # Rounded, for a difference that is exactly the gate may exceed it in its last bit.
    lost = round(max(before.old - run.heard.old for run in runs), 9)
    taken = round(max(before.refused - run.heard.refused for run in runs), 9)
    return (
        Metric("new phrasings, worst seed", min(r.heard.new for r in runs), new, UNDERSTOOD),
        Metric("… of all seeds", mean(r.heard.new for r in runs), new),
        Metric("… untuned, prompts listed", listed.new, listed.cases[0]),
        Metric("… with a word never read", mean(r.heard.unread for r in runs), unread),
        Metric("… … taken for another skill", mean(r.heard.unread_wrong for r in runs), unread),
        Metric("old sentences lost, worst seed", lost, old, MOST_LOST, True),
        Metric("old sentences, untuned", before.old, before.cases[2]),
        Metric("unknown verbs no longer refused, worst seed", taken, unknown, MOST_TAKEN, True),
        Metric("unknown verbs refused, untuned", before.refused, before.cases[3]),
        Metric("… untuned, prompts listed", listed.refused, listed.cases[3]),
    )


def _by_method(runs: Sequence[Taught], seen: Seen) -> Table:
    head = (
        "method", "trains", "seconds", "new phrasings", "old sentences", "unknown verbs refused",
        "phrases moved", "mean IoU", "confirmed, right object", "false alarms", "thresholds kept",
    )  # fmt: skip
    rows = [("untuned", *[""] * 6, *map(number, (seen.iou, seen.right, seen.alarms)), "")]
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        figures = (
            [run.heard.new for run in own],
            [run.heard.old for run in own],
            [run.heard.refused for run in own],
            [run.moved for run in own],
            [run.seen.iou for run in own],
            [run.seen.right for run in own],
            [run.seen.alarms for run in own],
        )
        seconds = f"{mean(run.seconds for run in own):.0f}"
        spreads = (f"{mean(f):.3f} ({min(f):.3f}–{max(f):.3f})" for f in figures)
        kept = f"{sum(run.carried for run in own)} of {len(own)}"
        rows.append((method, f"{own[0].trainable:,}", seconds, *spreads, kept))
    notes = ("Means over the seeds, with the lowest and the highest.",)
    return Table("By method", head, tuple(rows), notes)


def _plain(pattern: str) -> str:
    return pattern.format(t="the object", d="the destination")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; 1 if the first method misses a gate."""
    parser = argparse.ArgumentParser(
        description="Teach new skills by ten phrasings each, and measure what was learned."
    )
    add_model(parser)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=["full"],
        help="of tuning, the first with gates (full)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=positive, default=3, metavar="N", help="runs of each (%(default)s)"
    )
    parser.add_argument(
        "--steps", type=positive, default=STEPS, metavar="N", help="of a run (%(default)s)"
    )
    add_common(parser, 20)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    report = evaluate_skill_transfer(
        options.model, options.methods, range(options.seeds), options.scenes, options.steps
    )
    return tell(report, options)


if __name__ == "__main__":
    sys.exit(main())
