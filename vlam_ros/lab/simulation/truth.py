"""What only a simulator knows, as text for those who judge a robot over ROS."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.contacts import Contact
from vlam_ros.lab.simulation.pose import BasePose
from vlam_ros.lab.simulation.simulator import Position, Quaternion, Simulator


@dataclass(frozen=True)
class Truth:
    """A simulation at `stamp` (ns): m, m/s, rad, quaternions (w, x, y, z).

    `phrases`, `positions` and `quaternions` are those of the scene's objects, `held` is the index
    of one of them, and `visible` are the pixels of each in the robot's image, None where nobody
    counted them. `contacts` are all since the start.
    """

    stamp: int
    pose: BasePose
    speed: float
    phrases: tuple[str, ...]
    positions: tuple[Position, ...]
    quaternions: tuple[Quaternion, ...]
    held: int | None
    contacts: tuple[Contact, ...]
    visible: tuple[int, ...] | None = None


def truth_of(simulator: Simulator, look: bool = False) -> Truth:
    """How it is now; `look` says whether to count what is visible, which takes a rendering."""
    objects = simulator.objects
    return Truth(
        stamp=simulator.now,
        pose=simulator.pose,
        speed=simulator.speed,
        phrases=tuple(thing.phrase for thing in simulator.room.scene.objects),
        positions=tuple(position for position, _ in objects),
        quaternions=tuple(quaternion for _, quaternion in objects),
        held=simulator.held,
        contacts=tuple(simulator.contacts),
        visible=simulator.visible() if look else None,
    )


def truth_to_json(truth: Truth) -> str:
    """As text, with an entry for each object."""
    return json.dumps(
        {
            "stamp": truth.stamp,
            "pose": asdict(truth.pose),
            "speed": truth.speed,
            "objects": [
                {"phrase": phrase, "position": position, "quaternion": quaternion}
                for phrase, position, quaternion in zip(
                    truth.phrases, truth.positions, truth.quaternions, strict=True
                )
            ],
            "held": truth.held,
            "contacts": [asdict(contact) for contact in truth.contacts],
            "visible": truth.visible,
        }
    )


def truth_from_json(text: str) -> Truth:
    """The inverse of `truth_to_json`.

    Raises:
        SimulationError: the text is something else.
    """
    try:
        told = json.loads(text)
        objects = told["objects"]
        return Truth(
            stamp=int(told["stamp"]),
            pose=BasePose(**told["pose"]),
            speed=float(told["speed"]),
            phrases=tuple(thing["phrase"] for thing in objects),
            positions=tuple(_three(thing["position"]) for thing in objects),
            quaternions=tuple(_four(thing["quaternion"]) for thing in objects),
            held=told["held"],
            contacts=tuple(Contact(**contact) for contact in told["contacts"]),
            visible=None if told["visible"] is None else tuple(map(int, told["visible"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SimulationError(f"this is not the truth of a simulation: {error!r}") from error


def _three(values: list[Any]) -> Position:
    x, y, z = map(float, values)
    return x, y, z


def _four(values: list[Any]) -> Quaternion:
    w, x, y, z = map(float, values)
    return w, x, y, z
