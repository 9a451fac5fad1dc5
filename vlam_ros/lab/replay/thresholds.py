"""How much a run may differ from its baseline, and where it differs by more."""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.compare import DIFFERENCES, Comparison
from vlam_ros.resources import resource_path

DEFAULTS = "config/replay_thresholds.yaml"
EXAMPLES = 3
"""How many stamps of decisions are given with what was passed over."""


def _limit(what: str, high: float = math.inf, whole: bool = False, optional: bool = False) -> Any:
    """A threshold in 0..high: a share, a measure or a count of what it says."""
    metadata = {"what": what, "high": high, "whole": whole, "optional": optional}
    return dataclasses.field(metadata=metadata)


def _share(what: str) -> Any:
    return _limit(f"share of decisions {what}", 1.0)


@dataclass(frozen=True)
class Thresholds:
    """The most that may differ. ReplayError if a value is out of its range; None: not checked."""

    verdict: float = _share("with another verdict")
    reason: float = _share("with another reason")
    skill: float = _share("with another skill")
    target: float = _share("with another target")
    destination: float = _share("with another destination")
    shape: float = _share("with waypoints of another shape")
    missing: float = _share("that are missing")
    new: float = _share("that are new")
    execute_instead_of_hold: int = _limit("decisions to move where the robot stood", whole=True)
    waypoint_distance: float | None = _limit("m between waypoints", optional=True)
    waypoint_angle: float | None = _limit("rad between waypoints", optional=True)
    latency_ratio: float | None = _limit("times the median latency", optional=True)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))

    @classmethod
    def load(cls, path: Path | None = None) -> Thresholds:
        """The defaults, with what a YAML file sets in place of them.

        Raises:
            ReplayError: the file cannot be read, or which key or value of it is wrong.
        """
        values = _read(resource_path(DEFAULTS))
        if path is None:
            return cls(**values)
        own = _read(path)
        names = [field.name for field in dataclasses.fields(cls)]
        for key, value in own.items():
            if key not in names:
                close = difflib.get_close_matches(str(key), names, 1, 0.5)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
                raise ReplayError(f"{path}: there is no threshold {key} (set to {value!r}): {hint}")
        try:
            return cls(**{**values, **own})
        except ReplayError as error:
            raise ReplayError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Exceeded:
    """A threshold that was passed over: its name, what it allows, what was measured (NaN: nothing
    could be), and the stamps (ns) of the first images where.
    """

    name: str
    limit: float
    measured: float
    where: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """In a few words: verdict 0.02 > 0."""
        if math.isnan(self.measured):
            return f"{self.name} not measured"
        return f"{self.name} {self.measured:.4g} > {self.limit:g}"


def passed_over(comparison: Comparison, thresholds: Thresholds) -> tuple[Exceeded, ...]:
    """The thresholds that a run does not keep to, in the order of their fields.

    A threshold that is set but cannot be measured is not kept to.
    """
    found = []
    for field in dataclasses.fields(thresholds):
        limit = getattr(thresholds, field.name)
        if limit is None:
            continue
        measured, where = _measured(comparison, field.name, limit)
        if not measured <= limit:
            found.append(Exceeded(field.name, limit, measured, where[:EXAMPLES]))
    return tuple(found)


def _measured(comparison: Comparison, name: str, limit: float) -> tuple[float, tuple[int, ...]]:
    """What a threshold is compared with, and the stamps of what counts against it."""
    if name in DIFFERENCES:
        return comparison.share(name), comparison.stamps(name)
    if name == "execute_instead_of_hold":
        stamps = tuple(pair.after.stamp for pair in comparison.pairs if pair.sets_off)
        return len(stamps), stamps
    if name == "latency_ratio":
        ratio = comparison.latency_ratio
        return math.nan if ratio is None else ratio, ()
    kind = name.removeprefix("waypoint_")
    beyond = [pair for pair in comparison.pairs if (getattr(pair, kind) or 0.0) > limit]
    return getattr(comparison, kind) or 0.0, tuple(pair.after.stamp for pair in beyond)


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    what, high, whole, optional = (field.metadata[k] for k in ("what", "high", "whole", "optional"))
    if value is None and optional:
        return
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= high:
        allowed = "a whole number" if whole else "a number"
        allowed += f" in 0..{high:g}" if math.isfinite(high) else " of at least 0"
        allowed += ", or null" if optional else ""
        got = "null" if value is None else repr(value)
        raise ReplayError(f"{field.name} ({what}) must be {allowed}, got {got}")


def _read(path: Path) -> dict[Any, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReplayError(f"cannot read the thresholds {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReplayError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, (dict, type(None))):
        raise ReplayError(f"{path} must have lines such as 'verdict: 0.05', got {values!r:.60}")
    return values or {}
