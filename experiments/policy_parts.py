"""What each part of the action transformer is worth, and what more demonstrations are.

Each is trained at the same reduced budget on the same demonstrations, and judged on the same
episodes, which none was trained on:

    python experiments/policy_parts.py demos --blind blind --questions asked --validation held
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlam_ros.cli.arguments import positive
from vlam_ros.cli.main import run_command
from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.cli.evaluate import add_common, tell
from vlam_ros.lab.evaluation.report import Report
from vlam_ros.lab.evaluation.task_counts import Done, Refused
from vlam_ros.lab.evaluation.task_runs import EpisodeJob, Variant, records, run_all
from vlam_ros.lab.report.table import Table
from vlam_ros.lab.training.policy.train import PolicyRecipe, train_policy
from vlam_ros.resources import write_file

KINDS = {
    "blind": "of demonstrations without images",
    "questions": "of the co-fine-tuning",
    "validation": "of demonstrations to validate on",
}
BY_VISION = ("patches", "places", "floor", "relevance", "objects", "remembered")
BY_LANGUAGE = ("words", "relevance", "objects", "remembered")
"""What of PolicyInputs nobody knows without an image, and without an instruction."""


@dataclass(frozen=True)
class Part:
    """How a policy is trained that lacks a part; `without` are kinds of data of KINDS."""

    label: str
    ignores: tuple[str, ...] = ()
    plans: bool = True
    rows: int = 0
    without: tuple[str, ...] = ()
    share: float = 1.0

    def of(self, recipe: PolicyRecipe) -> PolicyRecipe:
        return replace(
            recipe, ignores=self.ignores, plans=self.plans, rows=self.rows, share=self.share
        )


PARTS: Mapping[str, Part] = {
    "whole": Part("whole"),
    # A plan is written in the nouns of the instruction.
    "language": Part("blind to language, and so without plan", ignores=BY_LANGUAGE, plans=False),
    "vision": Part("blind to vision", ignores=BY_VISION),
    "plan": Part("without plan and claims", plans=False),
    "questions": Part("without co-fine-tuning", without=("questions",)),
    "blind": Part("all with images", without=("blind",)),
    "chunk": Part("chunks of one row", rows=1),
    "masks": Part("without the masks of the nouns", ignores=("relevance",)),
    "objects": Part("without what perception found", ignores=("objects",)),
    "memory": Part("without remembered places", ignores=("remembered",)),
    "quarter": Part("on a quarter of the demonstrations", share=0.25),
}


@dataclass(frozen=True)
class Judged:
    """On which episodes policies are judged, and by how many processes."""

    model: str
    seed: int
    episodes: int
    control: int
    verify: str
    workers: int


def parts(
    folders: Mapping[str, list[Path]],
    out: Path,
    recipe: PolicyRecipe,
    judged: Judged,
    only: Sequence[str] = tuple(PARTS),
) -> Report:
    """Train and judge what `out` does not have, and tell of all that it has.

    Args:
        folders: of "demos", and of each of KINDS.
        out: folder of the policies and their episodes.
        recipe: the reduced one.
        judged: on what.
        only: what may be trained, of PARTS.
    """
    settings = Settings.load(model__name_or_path=judged.model)
    done: dict[str, Mapping[str, float]] = {}
    made_with: dict[str, str | int] = {"steps": recipe.steps, **asdict(judged)}
    for name, part in PARTS.items():
        path = out / name / "figures.json"
        if not path.exists() and name in only:
            learned = {"demos", "blind", "questions"} - {*part.without}
            data = [path for kind, paths in folders.items() if kind in learned for path in paths]
            recipe_of, threads = part.of(recipe), os.cpu_count() or 1
            validation = folders["validation"]
            train_policy(data, validation, out / name, recipe_of, settings, threads)
            found = {"made with": made_with, "figures": judge(out / name, judged)}
            write_file(path, (json.dumps(found, indent=2) + "\n").encode())
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["made with"] != made_with:
                raise LearningError(
                    f"{path} was made with {found['made with']}: name another --out"
                )
            done[name] = found["figures"]
    return Report((), made_with, tables=(_table(done),))


def judge(policy: Path, judged: Judged) -> dict[str, float]:
    """The figures of a policy."""
    jobs = [
        EpisodeJob(
            Variant.VLAM, judged.seed + i, of_control, judged.model, policy / "episodes",
            str(policy), judged.verify,
        )
        for of_control, count in ((False, judged.episodes), (True, judged.control))
        for i in range(count)
    ]  # fmt: skip
    run_all(jobs, judged.workers)
    all_records = records(jobs)[Variant.VLAM]
    done = Done.of([r for r in all_records if not r.control])
    refused = Refused.of([r for r in all_records if r.control])
    return {
        "success": done.success.value,
        "wrong object": done.wrong_object.value,
        "right refusals": refused.refused.value,
        "fastest contact": done.fastest,
    }


def _table(done: Mapping[str, Mapping[str, float]]) -> Table:
    columns = list(next(iter(done.values()), {}))
    rows = [
        (PARTS[name].label, *(f"{figures[c]:.3f}" for c in columns))
        for name, figures in done.items()
    ]
    return Table("What the parts of a policy are worth", ("", *columns), tuple(rows), ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description="Measure what each part of an action transformer is worth. What is in --out is "
        "not done again, and a training that was stopped goes on."
    )
    parser.add_argument("demonstrations", nargs="+", type=Path, metavar="DEMOS", help="folders")
    for name, text in KINDS.items():
        parser.add_argument(
            f"--{name}", nargs="+", type=Path, required=True, metavar="DEMOS",
            help=f"folders {text}",
        )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", default=list(PARTS), choices=PARTS, metavar="PART",
        help=f"train no others of {', '.join(PARTS)}",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("parts"), metavar="DIR",
        help="of policies and episodes (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--model", default="embedded", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--verify", default="enforce", choices=("enforce", "report"))
    for name, default, text in (
        ("steps", 1500, "of each training"),
        ("episodes", 70, "to judge by, that can be done"),
        ("control", 30, "to judge by, that must be refused"),
        ("seed", 44_000_000, "of the first"),
        ("workers", 2, "processes"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{text} (%(default)s)"
        )
    add_common(parser)
    parser.set_defaults(run=_study)
    return run_command(parser, arguments)


def _study(options: argparse.Namespace) -> int:
    report = parts(
        {"demos": options.demonstrations, **{kind: getattr(options, kind) for kind in KINDS}},
        options.out,
        PolicyRecipe(steps=options.steps),
        Judged(
            options.model, options.seed, options.episodes, options.control, options.verify,
            options.workers,
        ),
        options.only,
    )  # fmt: skip
    return tell(report, options)


if __name__ == "__main__":
    sys.exit(main())
