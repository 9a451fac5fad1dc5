"""What is kept of a replay: its decisions, as they could be read from messages too.

A file of them is a baseline that later versions are compared with. Decisions and what was measured
of them are apart, so that the decisions of two runs can be equal to the byte.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlam_ros.errors import ReplayError
from vlam_ros.resources import write_file
from vlam_ros.types import ActionSpace, Decision, DecisionInputs, SceneObject

VERSION = 1
"""Of the file's format."""

OTHER, TARGET, DESTINATION = "other", "target", "destination"


@dataclass(frozen=True)
class FoundObject:
    """An object that was seen; its role is OTHER, TARGET or DESTINATION in the steps to come.

    `box` is (x0, y0, x1, y1) in pixels, `position` x, y, z in `base_link`, m, and `spread` its
    standard deviation, None where unknown.
    """

    phrase: str
    role: str
    box: tuple[int, int, int, int]
    score: float
    position: tuple[float, float, float] | None
    spread: float | None


@dataclass(frozen=True)
class DecisionRecord:
    """One decision. Stamps in ns; `outcome`, `reason`: names of the enums; `tokens` are rows
    ⟨cmd, x, y, z, θ⟩ of the run's action space, due at `start_offset` + i · `step` ns.
    """

    stamp: int
    now: int
    era: int
    instruction: str
    outcome: str
    reason: str
    message: str
    confidence: float
    skill: str
    trace: str
    start_offset: int
    step: int
    tokens: tuple[tuple[int, int, int, int, int], ...]
    objects: tuple[FoundObject, ...]

    @classmethod
    def of(cls, decision: Decision, inputs: DecisionInputs) -> DecisionRecord:
        """What is kept of a decision."""
        chunk, verdict, plan = decision.chunk, decision.verdict, decision.plan
        roles = {TARGET: plan.target, DESTINATION: plan.destination}
        return cls(
            stamp=inputs.stamp,
            now=inputs.now,
            era=inputs.era,
            instruction=inputs.request.text if inputs.request else "",
            outcome=verdict.outcome.name,
            reason=verdict.reason.name,
            message=verdict.message,
            confidence=_single(verdict.confidence),
            skill=chunk.skill,
            trace=chunk.trace,
            start_offset=chunk.start_offset,
            step=chunk.step,
            tokens=tuple(tuple(row) for row in chunk.tokens.tolist()),
            objects=tuple(
                _found(thing, next((r for r, o in roles.items() if thing.same_piece(o)), OTHER))
                for thing in decision.scene.objects
            ),
        )

    def first(self, role: str) -> FoundObject | None:
        """The surest object in a role that is in the picture."""
        return next((o for o in self.objects if o.role == role), None)


@dataclass(frozen=True)
class ReplayRun:
    """The decisions of one run over one bag, in the order in which they were made.

    `seconds` are what each decision took: to compute where it ran in this process, from the
    picture's stamp to the chunk over topics. `about` tells people how it ran (bag, model, version
    …), `notes` what was wrong with the bag.
    """

    space: ActionSpace
    decisions: tuple[DecisionRecord, ...]
    seconds: tuple[float, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def decisions_json(self) -> str:
        """The decisions alone, one a line: equal to the byte if and only if they are equal."""
        lines = (json.dumps(asdict(d), ensure_ascii=False) for d in self.decisions)
        return "[\n" + ",\n".join(lines) + "\n]"

    def to_json(self) -> str:
        """The whole run."""
        head = {"version": VERSION, "about": dict(self.about), "notes": list(self.notes)}
        head |= {"space": asdict(self.space), "seconds": [round(s, 4) for s in self.seconds]}
        inner = json.dumps(head, ensure_ascii=False, indent=1).rstrip("}\n")
        return f'{inner},\n "decisions": {self.decisions_json()}\n}}\n'

    def save(self, path: Path) -> None:
        """Write it as a baseline; the file is there whole or not at all."""
        write_file(path, self.to_json().encode())

    @classmethod
    def load(cls, path: Path) -> ReplayRun:
        """Read what `save` wrote.

        Raises:
            ReplayError: the file cannot be read, or is no such file.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if (version := values["version"]) != VERSION:
                raise ReplayError(f"{path} has format {version}, {VERSION} is expected: save anew")
            space = {k: tuple(v) if isinstance(v, list) else v for k, v in values["space"].items()}
            return cls(
                ActionSpace(**space),
                tuple(_record(d) for d in values["decisions"]),
                tuple(map(float, values["seconds"])),
                values["about"],
                tuple(values["notes"]),
            )
        except OSError as error:
            raise ReplayError(f"cannot read {path}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReplayError(
                f"{path} is no file of replayed decisions ({type(error).__name__}: {error}): make "
                "one with vlam replay BAG --save FILE"
            ) from error

    def with_decisions(
        self, decisions: Iterable[DecisionRecord], seconds: Iterable[float]
    ) -> ReplayRun:
        """The same with other decisions."""
        return replace(self, decisions=tuple(decisions), seconds=tuple(seconds))


def _found(thing: SceneObject, role: str) -> FoundObject:
    x0, y0, x1, y1 = map(int, thing.box)
    position = None
    if thing.position is not None:
        x, y, z = map(float, thing.position)
        position = (x, y, z)
    spread = _single(thing.spread)
    return FoundObject(
        phrase=thing.phrase,
        role=role,
        box=(x0, y0, x1, y1),
        score=_single(thing.score),
        position=position,
        spread=spread if math.isfinite(spread) else None,
    )


def _single(value: float) -> float:
    """As messages hold it."""
    return float(np.float32(value))


def _record(values: dict[str, Any]) -> DecisionRecord:
    objects = tuple(
        FoundObject(
            **{
                **o,
                "box": tuple(o["box"]),
                "position": None if o["position"] is None else tuple(o["position"]),
            }
        )
        for o in values["objects"]
    )
    tokens = tuple(tuple(row) for row in values["tokens"])
    return DecisionRecord(**{**values, "objects": objects, "tokens": tokens})
