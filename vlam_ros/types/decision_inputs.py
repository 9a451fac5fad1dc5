"""What one decision was made on, by stamps: with it and what was recorded, it can be made again."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vlam_ros.types.instruction import InstructionRequest
from vlam_ros.types.observation import GripperState, Missing, Observation

SENSORS = tuple(f.name for f in fields(Observation) if f.name not in ("stamp", "now", "image"))
"""The fields of an Observation beside the image."""


@dataclass(frozen=True)
class SensorInput:
    """What a decision knew from one sensor: the data with this stamp (ns; 0 for a calibration,
    which has none), or nothing, for the reason `missing`; see `Missing`.
    """

    name: str
    stamp: int = 0
    missing: str = ""
    lost: bool = False


@dataclass(frozen=True)
class DecisionInputs:
    """The image's stamp, the clock `now`, the instruction and the sensors of one decision.

    With each jump of time an `era` begins, in which nothing is remembered of the one before.
    `holding` is what the gripper said, whose message has no stamp. A decision that was not
    `published` came too late, after a newer instruction, but is remembered all the same.
    """

    stamp: int
    now: int
    era: int
    request: InstructionRequest | None
    sensors: tuple[SensorInput, ...]
    holding: bool = False
    published: bool = True

    @classmethod
    def of(
        cls, observation: Observation, request: InstructionRequest | None, era: int
    ) -> DecisionInputs:
        """What a decision on an observation is made on."""
        gripper = observation.gripper
        return cls(
            observation.stamp,
            observation.now,
            era,
            request,
            tuple(_input(name, getattr(observation, name)) for name in SENSORS),
            isinstance(gripper, GripperState) and gripper.holding,
        )


def _input(name: str, data: object) -> SensorInput:
    if isinstance(data, Missing):
        return SensorInput(name, missing=data.reason, lost=data.lost)
    return SensorInput(name, stamp=getattr(data, "stamp", 0))
