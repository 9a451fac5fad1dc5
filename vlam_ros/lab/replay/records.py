"""What is kept of a replay: its decisions, as they could be read from messages too.

A file of them is a baseline that later versions are compared with. Decisions and what was measured
of them are apart, so that the decisions of two runs can be equal to the byte.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from operator import getitem
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vlam_ros.actions import ActionTokenizer, read_space
from vlam_ros.errors import ReplayError, VlamError
from vlam_ros.types import ActionSpace, Decision, DecisionInputs, Outcome, SceneObject

VERSION = 1
"""Of the file's format."""

T = TypeVar("T")

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

    @classmethod
    def of(cls, thing: SceneObject, role: str) -> FoundObject:
        """Rounded as in messages."""
        x0, y0, x1, y1 = map(int, thing.box)
        position = None
        if thing.position is not None:
            x, y, z = map(float, thing.position)
            position = (x, y, z)
        score, spread = _single(thing.score), _single(thing.spread)
        known = spread if math.isfinite(spread) else None
        return cls(thing.phrase, role, (x0, y0, x1, y1), score, position, known)


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
                FoundObject.of(o, next((r for r, p in roles.items() if o.same_piece(p)), OTHER))
                for o in decision.scene.objects
            ),
        )

    def first(self, role: str) -> FoundObject | None:
        """The surest object in a role that is in the image."""
        return next((o for o in self.objects if o.role == role), None)

    def to_json(self) -> str:
        """On one line: the same text if and only if it is the same decision, which `==` of records
        does not tell where there is a NaN or a -0.
        """
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True)
class ReplayRun:
    """The decisions of one run over one bag, in the order in which they were made.

    `seconds` are what each decision took: to compute where it ran in this process, from the
    image's stamp to the chunk over topics. `about` tells people how it ran (bag, model, version
    …), `notes` what was wrong with the bag.
    """

    space: ActionSpace
    decisions: tuple[DecisionRecord, ...]
    seconds: tuple[float, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.seconds) != len(self.decisions):
            raise ReplayError(
                f"each of {len(self.decisions)} decisions needs its seconds, got "
                f"{len(self.seconds)} of them"
            )

    def decisions_json(self) -> str:
        """The decisions alone, one a line: equal to the byte if and only if they are equal."""
        return "[\n" + ",\n".join(d.to_json() for d in self.decisions) + "\n]"

    def to_json(self) -> str:
        head = {"version": VERSION, "about": dict(self.about), "notes": list(self.notes)}
        head |= {"space": asdict(self.space), "seconds": list(self.seconds)}
        lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in head.items()]
        lines.append(f'"decisions": {self.decisions_json()}')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def load(cls, path: Path) -> ReplayRun:
        """Read a file of `to_json`.

        Raises:
            ReplayError: the file cannot be read, or is no such file.
        """
        try:
            values = json.loads(path.read_bytes())  # some editors begin UTF-8 with a mark
            return _run(values)
        except OSError as error:
            raise ReplayError(f"cannot read {path}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, AttributeError, VlamError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ReplayError(
                f"{path} is no file of replayed decisions ({what}): make one with vlam replay BAG "
                "--save FILE"
            ) from error


def stamp_text(stamp: int) -> str:
    """A stamp (ns) as people read it: seconds with three digits."""
    return f"{stamp // 10**9}.{stamp % 10**9 // 10**6:03d}"


def _single(value: float) -> float:
    return float(np.float32(value))


_SCALARS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "str": (str,),
}


def _run(values: dict[str, Any]) -> ReplayRun:
    """From what JSON holds; whatever is not as `to_json` writes it raises an error of some type."""
    if (version := values["version"]) != VERSION:
        raise ReplayError(f"it has format {version}, {VERSION} is expected")
    run = ReplayRun(
        read_space(values["space"], getitem),
        tuple(_record(d) for d in values["decisions"]),
        tuple(map(float, values["seconds"])),
        {str(k): str(v) for k, v in values["about"].items()},
        tuple(map(str, values["notes"])),
    )
    rows = [row for d in run.decisions for row in d.tokens]
    if rows:
        ActionTokenizer(run.space).decode(np.array(rows))
    return run


def _record(values: dict[str, Any]) -> DecisionRecord:
    Outcome[values["outcome"]]  # reasons come and go with versions, outcomes do not
    objects = []
    for found in values["objects"]:
        x0, y0, x1, y1 = found["box"]
        position = found["position"]
        if position is not None:
            x, y, z = map(float, position)
            position = (x, y, z)
        shape = {"box": (x0, y0, x1, y1), "position": position}
        objects.append(_checked(FoundObject(**{**found, **shape})))
    tokens = tuple(tuple(row) for row in values["tokens"])
    return _checked(DecisionRecord(**{**values, "objects": tuple(objects), "tokens": tokens}))


def _checked(record: T) -> T:
    """A record whose whole numbers, numbers and texts are such."""
    for f in fields(record):  # type: ignore[arg-type]
        value = getattr(record, f.name)
        if f.type in _SCALARS and (
            isinstance(value, bool) or not isinstance(value, _SCALARS[f.type])
        ):
            raise TypeError(f"{f.name} must be {f.type}, got {value!r}")
    return record
