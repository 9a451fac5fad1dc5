"""What only a simulator knows, as text for those who judge a robot over ROS."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.scene import triple

if TYPE_CHECKING:
    from vlam_ros.lab.simulation.simulator import Simulator

Position = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

SAME_TOUCH = 100_000_000
"""ns; parts that touch again within that time have not let go."""

PARTS = ("chassis", "mast", "boom", "beam", "rod", "cup")
"""Geoms of the robot that count; what it holds counts as "held"."""
OTHERS = ("object", "obstacle", "clutter", "wall", "ramp")
"""What it may touch, without its number."""


@dataclass(frozen=True)
class Contact:
    """One touch of a part of the robot with one thing, from `start` to `end` (ns).

    `part` is of PARTS or "held"; `other` is "ramp", or of OTHERS with its number. `speed` is the
    greatest with which the surfaces came together (m/s), `force` the greatest normal force (N),
    `impulse` its sum over time (Ns).
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
        self._other = np.array([name.rstrip("0123456789") in OTHERS for name in self._names])
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
        known = self._current.get((part, other))
        if known is None or now - self.contacts[known].end > SAME_TOUCH:
            known = self._current[part, other] = len(self.contacts)
            self.contacts.append(Contact(now, now, part, other, speed, force, 0.0))
        before = self.contacts[known]
        self.contacts[known] = replace(
            before,
            end=now + round(self._timestep * 1e9),
            speed=max(before.speed, speed),
            force=max(before.force, force),
            impulse=before.impulse + force * self._timestep,
        )


@dataclass(frozen=True)
class TrueObject:
    """What an object is called, and where it is: m, quaternion (w, x, y, z)."""

    phrase: str
    position: Position
    quaternion: Quaternion


@dataclass(frozen=True)
class Truth:
    """A simulation at `stamp` (ns): m, m/s, rad.

    `objects` are the scene's, `held` is the index of one of them, and `visible` are the pixels of
    each in the robot's image, None where nobody counted them. `contacts` are all since the start.
    """

    stamp: int
    pose: BasePose
    speed: float
    objects: tuple[TrueObject, ...]
    held: int | None
    contacts: tuple[Contact, ...]
    visible: tuple[int, ...] | None = None


def truth_of(simulator: Simulator, look: bool = False) -> Truth:
    """How it is now; `look` says whether to count what is visible, which takes a rendering."""
    things = zip(simulator.room.scene.objects, simulator.objects, strict=True)
    return Truth(
        stamp=simulator.now,
        pose=simulator.pose,
        speed=simulator.speed,
        objects=tuple(TrueObject(thing.phrase, *pose) for thing, pose in things),
        held=simulator.held,
        contacts=tuple(simulator.contacts),
        visible=simulator.visible() if look else None,
    )


def truth_to_json(truth: Truth) -> str:
    """As text, with an entry for each object."""
    return json.dumps(asdict(truth))


def truth_from_json(text: str) -> Truth:
    """The inverse of `truth_to_json`; SimulationError if the text is something else."""
    try:
        told = json.loads(text)
        objects = []
        for thing in told["objects"]:
            w, x, y, z = map(float, thing["quaternion"])
            position = triple(thing["position"])
            objects.append(TrueObject(thing["phrase"], position, (w, x, y, z)))
        return Truth(
            stamp=int(told["stamp"]),
            pose=BasePose(**told["pose"]),
            speed=float(told["speed"]),
            objects=tuple(objects),
            held=told["held"],
            contacts=tuple(Contact(**contact) for contact in told["contacts"]),
            visible=None if told["visible"] is None else tuple(map(int, told["visible"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SimulationError(f"this is not the truth of a simulation: {error!r}") from error
