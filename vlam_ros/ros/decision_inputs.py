"""What a decision was made on, as a message and from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import DecisionInputs, InstructionRequest, SensorInput

if TYPE_CHECKING:
    import vlam_ros.msg


def inputs_from_message(message: vlam_ros.msg.DecisionInputs) -> DecisionInputs:
    """The image, the time, the instruction and the sensors of a decision."""
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


def inputs_to_message(inputs: DecisionInputs, frame_id: str) -> vlam_ros.msg.DecisionInputs:
    """The image in `frame_id`, the time, the instruction and the sensors of a decision."""
    import vlam_ros.msg

    request = inputs.request or InstructionRequest("")
    message = vlam_ros.msg.DecisionInputs(
        now=time_message(inputs.now),
        era=inputs.era,
        instructed=inputs.request is not None,
        instruction=request.text,
        epoch=request.epoch,
        sequence=request.sequence,
        sensors=[
            vlam_ros.msg.SensorInput(
                name=sensor.name,
                stamp=time_message(sensor.stamp),
                missing=sensor.missing,
                lost=sensor.lost,
            )
            for sensor in inputs.sensors
        ],
        holding=inputs.holding,
        published=inputs.published,
    )
    message.header.stamp = time_message(inputs.stamp)
    message.header.frame_id = frame_id
    return message
