"""What a decision was made on, from its message."""

from __future__ import annotations

from vlam_ros.messages import kinds
from vlam_ros.messages.stamps import nanoseconds
from vlam_ros.types import DecisionInputs, InstructionRequest, SensorInput


def inputs_from_message(message: kinds.DecisionInputs) -> DecisionInputs:
    """The picture, the time, the instruction and the sensors of a decision."""
    request = InstructionRequest(message.instruction, message.epoch, message.sequence)
    return DecisionInputs(
        stamp=nanoseconds(message.header.stamp),
        now=nanoseconds(message.now),
        era=int(message.era),
        request=request if message.instructed else None,
        sensors=tuple(
            SensorInput(s.name, nanoseconds(s.stamp), s.missing, bool(s.lost))
            for s in message.sensors
        ),
        holding=bool(message.holding),
        published=bool(message.published),
    )
