"""Records what is decided on the fixture bags and in lockstep episodes, and compares two records.

    python tools/decisions.py record OUT [--episodes 40 --control 20 --seed 7000000]
    python tools/decisions.py compare BEFORE AFTER

A refactoring must not change a decision. Each bag and each episode has a file of its own, so that a
record that was interrupted goes on; what is compared is verdict, reason, target, destination, skill
and tokens of every decision. Computed with one thread, on which the last bits of a sum depend.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.evaluation.episodes import episode_name, episode_of_seed
from vlam_ros.lab.evaluation.lockstep import run_episode
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions, replay_offline
from vlam_ros.lab.replay.roles import assign
from vlam_ros.pipeline import Pipeline
from vlam_ros.resources import write_file
from vlam_ros.types import Decision, SceneObject

BAGS = Path(__file__).parents[1] / "test" / "data" / "bags"
MAPPINGS = {
    "pick_and_place": {},
    "level": {},
    "loop": {},
    "foreign.mcap": {"instruction": "/voice"},
}
PERIODS = (0.0, 0.4)
"""Seconds from one decision to the next: every image, and the default of `vlam replay`."""
COMPARED = ("stamp", "text", "outcome", "reason", "skill", "target", "destination", "tokens")


def entry(decision: Decision) -> dict[str, Any]:
    """What is kept of a decision."""
    chunk, plan = decision.chunk, decision.plan
    return {
        "stamp": int(chunk.stamp),
        "text": chunk.request.text,
        "outcome": chunk.verdict.outcome.name,
        "reason": chunk.verdict.reason.name,
        "skill": chunk.skill,
        "target": _piece(plan.target),
        "destination": _piece(plan.destination),
        "tokens": chunk.tokens.tolist(),
    }


def _piece(thing: SceneObject | None) -> list[Any] | None:
    return None if thing is None else [thing.phrase, *map(int, thing.box)]


@cache
def pipeline() -> Pipeline:
    """The one of this process, with the package's settings."""
    import torch

    torch.set_num_threads(1)
    made = Pipeline.from_settings(Settings.load())
    made.warm_up()
    return made


def bag_decisions(name: str, period: float) -> list[dict[str, Any]]:
    """The decisions on a fixture bag."""
    options = ReplayOptions(mapping=MAPPINGS[name], period=period)
    settings = Settings.load(), FusionNodeSettings.load()
    with BagReader(BAGS / name) as bag:
        roles = assign(bag.topics, options.mapping)
        decided = replay_offline(bag, roles, pipeline(), settings, options, Notes())
        return [entry(d.decision) for d in decided]


def bag_file(name: str, period: float) -> str:
    """Where the decisions on a bag are kept."""
    return f"bag-{Path(name).stem}-{period}.json"


def record_bags(folder: Path) -> None:
    """Write the decisions on all fixture bags."""
    for name in MAPPINGS:
        for period in PERIODS:
            _write(folder / bag_file(name, period), bag_decisions(name, period))


def record_episode(job: tuple[Path, int, bool]) -> None:
    """Write the decisions of an episode, unless they are there."""
    folder, seed, control = job
    path = folder / f"{episode_name(seed, control)}.json"
    if path.exists():
        return
    pipeline().reset()
    rows: list[dict[str, Any]] = []
    run_episode(
        episode_of_seed(seed, control),
        pipeline(),
        FusionNodeSettings.load(),
        ControllerSettings.load(),
        lambda seconds, decided: rows.append(entry(decided.decision)),
    )
    _write(path, rows)


def differences(before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]]) -> list[str]:
    """What differs between two lists of decisions, a line for each decision."""
    old, new = list(before), list(after)
    lines = [] if len(old) == len(new) else [f"{len(old)} decisions became {len(new)}"]
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        changed = [key for key in COMPARED if one[key] != other[key]]
        if changed:
            told = "; ".join(f"{key} {one[key]} -> {other[key]}" for key in changed)
            lines.append(f"decision {number}: {told}")
    return lines


def load(path: Path) -> list[dict[str, Any]]:
    """The decisions of one file."""
    decisions: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return decisions


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_file(path, f"[\n{lines}\n]\n".encode())


def main() -> int:
    """Record or compare; 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("out", type=Path)
    recording.add_argument("--episodes", type=int, default=40)
    recording.add_argument("--control", type=int, default=20)
    recording.add_argument("--seed", type=int, default=7_000_000)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "record":
        record_bags(options.out)
        jobs = [
            (options.out, options.seed + i, control)
            for control, count in ((False, options.episodes), (True, options.control))
            for i in range(count)
        ]
        # Not forked: MuJoCo's and torch's threads do not survive that.
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            for done, _ in enumerate(pool.imap_unordered(record_episode, jobs), 1):
                print(f"{done} of {len(jobs)} episodes", flush=True)
        return 0
    files = sorted(path.name for path in options.before.glob("*.json"))
    failed = decisions = 0
    for name in files:
        before, after = load(options.before / name), options.after / name
        found = differences(before, load(after)) if after.exists() else ["is missing"]
        decisions += len(before)
        failed += bool(found)
        for line in found[:3]:
            print(f"{name}: {line}")
    print(f"{len(files) - failed} of {len(files)} are equal ({decisions} decisions)")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
