"""What the robot ran into: contacts of its parts with anything but the floor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

SAME_TOUCH = 100_000_000
"""ns; parts that touch again within that time have not let go."""

PARTS = ("chassis", "mast", "boom", "beam", "rod", "cup")
"""Geoms of the robot that count; what it holds counts as "held"."""


@dataclass(frozen=True)
class Contact:
    """One touch of a part of the robot with one thing, from `start` to `end` (ns).

    `part` is a name of PARTS or "held"; `other` is "object3", "obstacle0", "table0", "clutter0",
    "wall0" or "ramp". `speed` is the greatest with which the surfaces came together (m/s), `force`
    the greatest normal force (N), `impulse` its sum over time (Ns).
    """

    start: int
    end: int
    part: str
    other: str
    speed: float
    force: float
    impulse: float

    @property
    def object(self) -> int | None:
        """The index of the object that was touched, if one was."""
        return int(self.other[6:]) if self.other.startswith("object") else None


class ContactLog:
    """Watches a simulation and keeps every touch."""

    def __init__(self, model: Any, data: Any, timestep: float) -> None:
        self._data, self._timestep = data, timestep
        self._names = [str(model.geom(i).name) for i in range(model.ngeom)]
        self._robot = np.array([name in PARTS for name in self._names])
        self._other = np.array(
            [
                name.rstrip("0123456789")
                in ("object", "obstacle", "table", "clutter", "wall", "ramp")
                for name in self._names
            ]
        )
        self._held: int | None = None
        self._current: dict[tuple[str, str], int] = {}
        self.contacts: list[Contact] = []

    def watch(self, now: int, held: str | None) -> None:
        """Look at the contacts of the step that began at `now`; `held` is an object's name."""
        count = self._data.ncon
        geoms = self._data.contact.geom[:count]
        robot = self._robot
        if held is not None:
            robot = robot.copy()
            robot[self._names.index(held)] = True
        counted = robot[geoms]
        if not counted.any():
            return
        touching = counted[:, ::-1] & self._other[geoms] & ~counted
        touches: dict[tuple[str, str], tuple[float, float]] = {}
        for i in np.flatnonzero(touching.any(axis=1)).tolist():
            row = int(self._data.contact.efc_address[i])
            if row < 0:
                continue
            one, other = geoms[i].tolist()
            if touching[i, 0]:
                one, other = other, one
            part = "held" if self._names[one] == held else self._names[one]
            pair = part, self._names[other]
            speed, force = touches.get(pair, (0.0, 0.0))
            # A contact's first row is along its normal. Surfaces touch in several points.
            speed = max(speed, -float(self._data.efc_vel[row]))
            touches[pair] = speed, force + float(self._data.efc_force[row])
        for (part, thing), (speed, force) in touches.items():
            self._touch(now, part, thing, speed, force)

    def _touch(self, now: int, part: str, other: str, speed: float, force: float) -> None:
        end = now + round(self._timestep * 1e9)
        known = self._current.get((part, other))
        if known is not None and now - self.contacts[known].end <= SAME_TOUCH:
            before = self.contacts[known]
            self.contacts[known] = replace(
                before,
                end=end,
                speed=max(before.speed, speed),
                force=max(before.force, force),
                impulse=before.impulse + force * self._timestep,
            )
            return
        self._current[part, other] = len(self.contacts)
        impulse = force * self._timestep
        self.contacts.append(Contact(now, end, part, other, speed, force, impulse))
